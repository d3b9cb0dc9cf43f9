"""What a project takes out of its stills, and how it tones frames, in the finished film; see
test_graded_films.py for what is found in how stills follow each other."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import EPOCH, write_still
from PIL import Image
from test_cli import data, run
from test_graded_films import ALL, SIZE, apart, everything, job_of, project, roll, shown, window
from test_xmp import lightroom

from timelapse import load
from timelapse.errors import ProjectError
from timelapse.grade import Gain, Pose, to_mix
from timelapse.srgb import linear_of, shown_of


def flickering(place: Path, seed: int = 3, count: int = 40, share: float = 0.05) -> np.ndarray:
    """Textured stills that brighten slowly, and flicker; gives the flicker as factors of light."""
    place.mkdir()
    draw = np.random.default_rng(seed)
    texture = np.kron(draw.uniform(0.05, 0.5, (24, 32, 3)), np.ones((5, 5, 1)))
    gains = 1 + share * draw.uniform(-1, 1, count)
    for n, gain in enumerate(gains):
        light = texture * (1 + 0.01 * n) * gain
        pixels = np.rint(shown_of(np.clip(light, 0, 1)) * 255).astype(np.uint8)
        write_still(place / f"{n:03d}.png", pixels, EPOCH + n)
    return gains


def film(tmp_path: Path, roll: Path, name: str, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """The mean linear light of each frame, and the report."""
    words = {
        "roll": {"stills": str(roll), "utc_offset": "Z"},
        "schedule": {"speed": 25},
        "retime": {"blend": "nearest"},
        "output": {"preset": "ultrafast", "crf": 2},
    }
    source = tmp_path / f"{name}.yaml"
    source.write_text(json.dumps(words | more), encoding="utf-8")
    report = load(source).job().render(tmp_path / f"{name}.mp4")
    with av.open(str(tmp_path / f"{name}.mp4")) as frames:
        light = [
            linear_of(frame.to_ndarray(format="rgb24") / 255).mean()
            for frame in frames.decode(video=0)
        ]
    return np.array(light), report


def test_flicker_goes_and_the_slow_change_stays(tmp_path: Path) -> None:
    flickering(tmp_path / "roll")
    before, plain = film(tmp_path, tmp_path / "roll", "before")
    after, report = film(tmp_path, tmp_path / "roll", "after", grade={"deflicker": "15 s"})
    rough = [np.std(np.diff(np.log(light))) for light in (before, after)]
    assert rough[1] < 0.12 * rough[0]
    slope = [np.polyfit(np.arange(40), np.log(light), 1)[0] for light in (before, after)]
    assert slope[1] == pytest.approx(slope[0], rel=0.15)
    told = report["grade"]["deflicker"]
    assert told["flicker_after"] < 0.25 * told["flicker_before"]  # the slow change is in both
    assert plain["grade"] == {}
    assert report["plan"]["frames"] == 40


def test_hot_pixels_go_from_the_film_and_what_moves_stays(tmp_path: Path) -> None:
    """Two pixels that are always lit, over a scene that drifts; one light that moves with it."""
    place, draw = tmp_path / "roll", np.random.default_rng(5)
    place.mkdir()
    scene = np.kron(draw.integers(20, 90, (60, 80, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    defects = [(40, 70), (200, 33)]
    for n in range(24):
        pixels = scene[n : n + 240, 2 * n : 2 * n + 320].copy()
        pixels[100 - n, 160 - 2 * n] = 250
        for y, x in defects:
            pixels[y, x] = 240
        write_still(place / f"{n:03d}.png", pixels, EPOCH + n)
    _, plain = film(tmp_path, place, "film")
    assert plain["segments"]["rendered"] > 0
    _, report = film(tmp_path, place, "film", grade={"hot_pixels": "auto"})
    assert report["segments"]["reused"] == 0
    assert report["grade"]["hot_pixels"]["sensors"][0]["hot"] == len(defects)
    _, again = film(tmp_path, place, "film", grade={"hot_pixels": "auto"})
    assert again["segments"]["rendered"] == 0
    with av.open(str(tmp_path / "film.mp4")) as frames:
        for n, frame in enumerate(frames.decode(video=0)):
            luma = frame.to_ndarray(format="gray").astype(int)
            assert all(luma[y, x] < 130 for y, x in defects)
            assert luma[100 - n, 160 - 2 * n] > 180


def test_what_is_taken_out_is_part_of_what_a_segment_is_known_by(tmp_path: Path) -> None:
    flickering(tmp_path / "roll")
    whole = {"grade": {"deflicker": {"over": "15 s"}}}
    _, first = film(tmp_path, tmp_path / "roll", "film", **whole)
    _, again = film(tmp_path, tmp_path / "roll", "film", **whole)
    assert first["segments"]["rendered"] > 0
    assert again["segments"]["rendered"] == 0
    half = {"grade": {"deflicker": {"over": "15 s", "strength": "50 %"}}}
    _, other = film(tmp_path, tmp_path / "roll", "film", **half)
    assert other["segments"]["reused"] == 0
    assert other["key"] != first["key"]


def test_a_roll_without_flicker_is_left_as_it_is(tmp_path: Path) -> None:
    flickering(tmp_path / "roll", share=0.0)
    _, plain = film(tmp_path, tmp_path / "roll", "plain")
    _, graded = film(tmp_path, tmp_path / "roll", "graded", grade={"deflicker": "15 s"})
    assert [p["pixels"] for p in plain["parts"]] == [p["pixels"] for p in graded["parts"]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("light", ["linear", "display"])
def test_a_gain_is_of_linear_light_a_channel(kind: type, light: Any) -> None:
    top = np.iinfo(kind).max
    stills = np.random.default_rng(1).integers(0, top, (20, 30, 3), endpoint=True).astype(kind)
    gain = Gain(1.3, 0.8, 1.0, 16.0)
    found = to_mix(stills, light, None, gain) / 65535
    linear = linear_of(stills / top)
    product = linear * np.array(gain[:3])
    wanted = product / (1 - linear**16 + product**16) ** (1 / 16)
    wanted = wanted if light == "linear" else shown_of(wanted)
    assert np.abs(found - wanted).max() < 1 / 65535
    assert np.array_equal(to_mix(stills, light, None, Gain(1, 1, 1, 2.0)), to_mix(stills, light))


@pytest.mark.parametrize(
    ("grade", "says"),
    [
        ("{deflicker: 0 s}", "grade.deflicker: "),
        ("{deflicker: {over: -3 s}}", "grade.deflicker: over: -3 s is not above zero"),
        ("{deflicker: {area: [50 %, 0, 20 %, 1]}}", "grade.deflicker.area"),
        ("{deflickr: 15 s}", "grade.deflickr: .*did you mean deflicker"),
        ("{hot_pixels: always}", "grade.hot_pixels: "),
        ("{hot_pixels: {sure: 1}}", "grade.hot_pixels: sure: 1 would take noise"),
        ("{cosmic_rays: {sharp: 2}}", "grade.cosmic_rays: sharp: 2 is a share"),
        ("{stabilise: {reference: nowhere}}", "grade.stabilise.reference: .*nowhere"),
        ("{stabilise: {most: 0.5}}", "grade.stabilise: most: 0.5 is not from 1 to 4"),
        ("{stabilise: {lock: stars, camera: moving}}", "grade.stabilise: camera: stars"),
        ("{stabilise: {border: white}}", "grade.stabilise.border: .*white"),
        ("{denoise: {reach: 9}}", "grade.denoise: reach: 9 stills"),
        ("{denoise: {strength: 2}}", "grade.denoise.strength: .*2"),
        (
            "{denoise: {keys: [{at: T+2 s, strength: 1}, {at: T+1 s, strength: 0}]}}",
            r"grade.denoise.keys\[1\].at: T\+1 s is not after the key before",
        ),
        ("{sidecars: on}", "grade.sidecars: "),
        ("{tone: {exposure: 11}}", "grade.tone: exposure: 11 is not from -10 to 10"),
        ("{tone: {lut: none.cube}}", "grade.tone.*none.cube"),
        ("{tone: {look: none.yaml}}", "grade.tone.*none.yaml"),
        ("{tone: {keys: [{at: noon, exposure: 1}]}}", r"grade.tone.keys\[0\].at: .*noon"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_at_their_place(
    grade: str, says: str, tmp_path: Path
) -> None:
    flickering(tmp_path / "roll", count=3)
    source = tmp_path / "p.yaml"
    source.write_text(f"roll: {{stills: roll}}\nschedule: {{speed: 8}}\ngrade: {grade}\n")
    with pytest.raises(ProjectError, match=rf"p\.yaml:3:\d+: {says}"):
        load(source).job()


@pytest.mark.parametrize(
    "grade", [{"hot_pixels": {"map": "none"}}, {"stabilise": {"mask": "none"}}]
)
def test_files_that_are_not_there_are_told_before_anything_is_rendered(
    grade: Any, tmp_path: Path
) -> None:
    flickering(tmp_path / "roll", count=3)
    with pytest.raises(ProjectError, match="/none"):
        job_of(tmp_path / "roll", grade).render(tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


# ------------------------------------------------------------------ tone


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve stills of grey from 10 to 170, from left to right."""
    row = np.linspace(10, 170, SIZE[0]).round().astype(np.uint8)
    still = np.repeat(np.broadcast_to(row, SIZE[::-1])[:, :, None], 3, axis=2)
    return roll(tmp_path_factory.mktemp("ramp") / "roll", [still] * 12)


def exposed(frames: np.ndarray, stops: float) -> np.ndarray:
    """Frames as if the light had been so many stops more."""
    light = np.clip(linear_of(frames / 255) * 2**stops, 0, 1)
    return np.rint(shown_of(light) * 255).astype(np.uint8)


def test_exposure_is_in_stops_with_keys_on_any_clock(ramp: Path) -> None:
    plain = shown(job_of(ramp))
    one = shown(job_of(ramp, {"tone": {"exposure": 1}}))
    assert apart(one, exposed(plain, 1)) <= 1
    keys = [
        {"at": "T+2 s", "exposure": 0},
        {"at": "T+6 s", "exposure": 1, "ease": "linear"},
        {"at": "00:00.400", "exposure": -1, "ease": "hold"},
    ]
    keyed = shown(job_of(ramp, {"tone": {"keys": keys}}))
    stops = [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, -1, -1]
    for frame, before, stop in zip(keyed, plain, stops, strict=True):
        assert apart(frame, exposed(before, stop)) <= 1
    np.testing.assert_array_equal(keyed[:3], plain[:3])


def test_a_look_lies_beside_the_project_and_what_is_said_wins(ramp: Path) -> None:
    (ramp.parent / "looks").mkdir(exist_ok=True)
    (ramp.parent / "looks" / "soft.yaml").write_text("exposure: 1\nsaturation: 0\n")
    one = shown(job_of(ramp, {"tone": {"exposure": 1}}))
    looked = shown(job_of(ramp, {"tone": {"look": "looks/soft.yaml"}}))
    assert apart(looked, one) <= 1
    less = shown(job_of(ramp, {"tone": {"look": "looks/soft.yaml", "exposure": -1}}))
    assert apart(less, exposed(shown(job_of(ramp)), -1)) <= 1


def test_frames_of_a_camera_that_moves_are_toned_as_others(tmp_path: Path) -> None:
    stills = [window(60, 60).round().astype(np.uint8)] * 12
    folder = roll(tmp_path / "roll", stills)
    framing = {"moves": [{"at": "0 s", "zoom": 1}, {"at": "00:00.400", "zoom": 2, "turn": 5}]}
    plain = shown(job_of(folder, framing=framing))
    assert apart(plain[0], plain[-1]) > 20
    toned = shown(job_of(folder, {"tone": {"exposure": 0.5}}, framing=framing))
    assert max(map(apart, toned, exposed(plain, 0.5))) <= 2
    sharp = shown(job_of(folder, {"tone": {"sharpen": 2, "sharpen_radius": 2}}, framing=framing))
    assert all(
        np.diff(a.astype(int), axis=1).std() > 1.2 * np.diff(b.astype(int), axis=1).std()
        for a, b in zip(sharp, plain, strict=True)
    )


def test_deep_films_are_toned_too(ramp: Path, tmp_path: Path) -> None:
    def light(grade: Any) -> np.ndarray:
        job = job_of(ramp, grade, output={"format": "prores", "rate": 25})
        job.render(tmp_path / "film.mov")
        with av.open(str(tmp_path / "film.mov")) as film:
            plane = next(film.decode(video=0)).planes[0]
            luma = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width]
        return linear_of(np.clip((luma - 64) / 876, 0, 1)).mean(axis=0)

    factors = light({"tone": {"exposure": 1}}) / light(None)
    assert factors[40:] == pytest.approx(np.full(SIZE[0] - 40, 2), rel=0.02)


def test_labels_keep_their_colours(ramp: Path) -> None:
    label = [{"at": "T+0 s", "label": "LAUNCH", "hold": "2 s"}]
    large: Any = {"milestones": label, "output": {"rate": 25, "size": "768x576"}}
    (bright,) = shown(job_of(ramp, **large), 6, 7)
    (dark,) = shown(job_of(ramp, {"tone": {"exposure": -6}}, **large), 6, 7)
    white = (bright >= 225).all(axis=2)  # the stills have no white
    assert white.sum() > 20
    assert apart(dark[white], bright[white]) <= 6  # thin strokes let through a little
    assert np.median(dark[~white]) < 15


# ------------------------------------------------------------------ sidecars


def sidecar(still: Path, **settings: str) -> None:
    still.with_suffix(".xmp").write_text(lightroom(settings), encoding="utf-8")


def crop_of(x: float, y: float, width: float, height: float) -> dict[str, str]:
    """The words of a crop in pixels of the still."""
    shares = x / SIZE[0], y / SIZE[1], (x + width) / SIZE[0], (y + height) / SIZE[1]
    names = ("CropLeft", "CropTop", "CropRight", "CropBottom")
    return {"HasCrop": "True"} | {n: f"{v:.8f}" for n, v in zip(names, shares, strict=True)}


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Eight stills of a scene that passes."""
    stills = (window(60 + 4 * n, 60).round().astype(np.uint8) for n in range(8))
    return roll(tmp_path / "roll", stills)


def test_a_sidecar_exposes_its_still_alone(scenes: Path) -> None:
    plain = shown(job_of(scenes))
    sidecar(scenes / "003.png", Exposure2012="+1.00", Contrast2012="+20", Haze="7")
    job = job_of(scenes, {"sidecars": "auto"})
    (warning,) = job.warnings
    assert "1 still's sidecar also asks for Contrast2012" in warning
    found = shown(job)
    others = np.arange(8) != 3
    np.testing.assert_array_equal(found[others], plain[others])
    light = linear_of(plain[3] / 255)
    wanted = 2 * light / (1 - light**4 + (2 * light) ** 4) ** (1 / 4)  # white stays white
    assert np.abs(found[3] - shown_of(wanted) * 255).max() <= 1
    assert found[3].mean() > 1.25 * plain[3].mean()
    np.testing.assert_array_equal(shown(job_of(scenes, {"sidecars": "off"})), plain)


def test_a_crop_of_all_sidecars_is_that_of_the_framing(scenes: Path) -> None:
    for still in scenes.glob("*.png"):
        sidecar(still, **crop_of(48, 36, 96, 72))
    job = job_of(scenes, {"sidecars": "auto"})
    assert job.framing == job_of(scenes, framing={"crop": [0.25, 0.25, 0.5, 0.5]}).framing
    stills = [np.asarray(Image.open(path))[36:108, 48:144] for path in sorted(scenes.glob("*.png"))]
    np.testing.assert_array_equal(shown(job), stills)


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_a_crop_that_is_turned_is_the_same_mirrored(scenes: Path, flip: str, turns: int) -> None:
    for n in range(8):
        angle = str(5 + turns * n)
        sidecar(scenes / f"{n:03d}.png", **crop_of(20, 20, 100, 80), CropAngle=angle)
    straight = shown(job_of(scenes, {"sidecars": "auto"}))
    axes = {"horizontal": (2,), "vertical": (1,), "both": (1, 2)}[flip]
    mirrored = shown(job_of(scenes, {"sidecars": "auto"}, framing={"flip": flip}))
    inner = np.s_[:, 4:-4, 4:-4]
    assert apart(np.flip(straight, axes)[inner], mirrored[inner]) <= 1


def test_a_crop_that_moves_from_still_to_still_moves_the_film(scenes: Path) -> None:
    stills = [np.asarray(Image.open(path)) for path in sorted(scenes.glob("*.png"))]
    for n in range(8):
        sidecar(scenes / f"{n:03d}.png", **crop_of(48 - 4 * n, 36 + 2 * n, 96, 72))
    found = shown(job_of(scenes, {"sidecars": "auto"}))
    # The stills pass by at four pixels each: only what is up and down is left to move.
    wanted = [
        still[36 + 2 * n : 108 + 2 * n, 48 - 4 * n : 144 - 4 * n] for n, still in enumerate(stills)
    ]
    assert max(map(apart, found, wanted)) <= 1
    np.testing.assert_allclose(found[0][14:], found[7][:-14], atol=1)


def test_crops_that_differ_do_not_go_with_a_lens(scenes: Path) -> None:
    for n in range(8):
        sidecar(scenes / f"{n:03d}.png", **crop_of(48 - 4 * n, 36, 96, 72))
    with pytest.raises(ProjectError, match="framing: lens: sidecars crop stills each in its own"):
        job_of(scenes, {"sidecars": "auto"}, framing={"lens": [-0.1]})


def test_a_crop_that_closes_in_zooms(ramp: Path, tmp_path: Path) -> None:
    """Crops about the middle of a ramp, of the whole and of less: the ramp is as much flatter."""
    still = np.asarray(Image.open(ramp / "000.png"))
    folder = roll(tmp_path / "roll", [still] * 4)
    widths = (192, 160, 128, 96)
    for n, width in enumerate(widths):
        height = width * SIZE[1] / SIZE[0]
        sidecar(
            folder / f"{n:03d}.png",
            **crop_of((SIZE[0] - width) / 2, (SIZE[1] - height) / 2, width, height),
        )
    for frame, width in zip(shown(job_of(folder, {"sidecars": "auto"})), widths, strict=True):
        assert frame.shape == still.shape
        across = np.arange(SIZE[0]) + 0.5 - SIZE[0] / 2
        wanted = 90 + across * width / SIZE[0] * 160 / (SIZE[0] - 1)
        assert np.abs(frame[70, :, 1] - wanted)[4:-4].max() < 1.6


def test_what_is_cropped_only_now_and_then_leaves_the_framing_whole(scenes: Path) -> None:
    sidecar(scenes / "003.png", **crop_of(48, 36, 96, 72))
    job = job_of(scenes, {"sidecars": "auto"})
    assert job.framing.pose == Pose()
    assert len(job.grade.crops) == 8
    plain, found = shown(job_of(scenes)), shown(job)
    others = np.arange(8) != 3
    assert max(map(apart, found[others], plain[others])) <= 1
    assert apart(found[3], plain[3]) > 10


def test_the_framing_of_the_project_wins_and_says_so(scenes: Path) -> None:
    for still in scenes.glob("*.png"):
        sidecar(still, **crop_of(48, 36, 96, 72))
    framing = {"crop": [0, 0, 0.5, 1]}
    job = job_of(scenes, {"sidecars": "auto"}, framing=framing)
    assert job.warnings == ("sidecars crop stills; framing says how, and is followed instead",)
    np.testing.assert_array_equal(shown(job), shown(job_of(scenes, framing=framing)))


# ------------------------------------------------------------------ what is said of it


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with everything that can be put right, of 30 stills; some with sidecars."""
    folder = roll(tmp_path_factory.mktemp("graded") / "roll", everything(30))
    for n in range(30):
        more = {"Exposure2012": "+0.25", "Clarity2012": "+9"} if n < 4 else {}
        sidecar(folder / f"{n:03d}.png", **crop_of(0, 18, 192, 108), **more)
    return project(folder, ALL)


def test_the_report_tells_what_was_found_and_done(graded: Path, tmp_path: Path) -> None:
    report = load(graded).job().render(tmp_path / "film.mp4")
    assert json.loads(Path(report["report"]).read_text(encoding="utf-8")) == report
    told = report["grade"]
    assert list(told) == [
        "hot_pixels", "cosmic_rays", "deflicker", "stabilise", "denoise", "sidecars", "tone",
    ]  # fmt: skip
    (sensor,) = told["hot_pixels"]["sensors"]
    assert (sensor["hot"], sensor["size"]) == (2, "192x144")
    assert told["cosmic_rays"]["beside"] < 0.7
    assert told["deflicker"]["flicker_after"] < 0.3 * told["deflicker"]["flicker_before"]
    steady = told["stabilise"]
    assert (steady["camera"], steady["idle"], len(steady["shift"])) == ("moving", False, 30)
    assert 1.01 < steady["enlarged"] <= 1.25
    assert steady["shakes"] < 0.3 < steady["shook"]
    assert all(1 < level < 3 for level in told["denoise"]["red"])
    assert told["sidecars"] == {
        "stops": [0.25] * 4 + [0.0] * 26,
        "crops": {str(n): {"crop": [0.0, 0.125, 1.0, 0.75], "angle": 0.0} for n in range(30)},
    }
    keys = told["tone"].pop("keys")
    assert told["tone"] == {"exposure": 0.3, "saturation": 1.1, "sharpen": 0.3}
    speed = Fraction(load(graded).job().plan.timeline.schedule.speeds[2])
    assert keys == [
        {"video_s": round(float(at / speed), 6), "ease": "smooth", "exposure": exposure}
        for at, exposure in ((10, 0.3), (40, 0.7))
    ]
    assert report["framing"] == {"fit": "pad", "crop": [0.0, 0.125, 1.0, 0.75]}
    assert report["size"] == "192x108"


def test_the_command_line_knows_of_all_of_it(graded: Path, tmp_path: Path) -> None:
    plan = data("plan", graded)
    assert any("4 stills' sidecars also ask for Clarity2012" in told for told in plan["warnings"])
    assert plan["size"] == "192x108"
    assert data("scan", graded)["used"] == 30
    run("still", graded, "--at", "T+12 s", "-o", tmp_path / "one.png")
    run("still", graded, "--at", "T+12 s", "--compare", "-o", tmp_path / "both.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "both.png") as both:
        alone, beside = np.asarray(one), np.asarray(both)
    assert beside.shape[1] == 2 * 192 + 2
    frames = beside[12 : 12 + 108]
    same = (frames[:, 194:] == alone).all(axis=2)
    assert same.mean() > 0.6  # but for the rings around what is enlarged
    assert (frames[:, :192] == alone).all(axis=2).mean() < 0.1
    outs = [tmp_path / name for name in ("keogram.png", "poster.jpg", "cut.otio")]
    run("export", graded, "--compare", "-o", outs[0])
    run("export", graded, "-o", outs[1], "-o", outs[2], "--at", "T+12 s")
    assert all(out.stat().st_size for out in outs)
    with Image.open(outs[1]) as poster:
        assert np.abs(np.asarray(poster).astype(int) - alone).mean() < 4
