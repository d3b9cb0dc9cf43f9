"""Bad stills: planted faults are found, what light can do is not taken for one, nothing moves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import EPOCH, damage, write_still
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from timelapse.errors import ProjectError, RollError
from timelapse.ingest import Kind, Policies, Reader, Roll, Status, Still, inspect, scan, thumbnail
from timelapse.ingest import look as look_module
from timelapse.ingest.bad import Flag, judge
from timelapse.ingest.inspection import treated
from timelapse.ingest.look import LOOK, Looks, look, measured
from timelapse.ingest.still import File, LedgerEntry, TimeSource
from timelapse.project import load
from timelapse.times import CaptureTime

Picture = NDArray[np.uint8]
Fault = Callable[[Picture], Picture]
WIDTH, HEIGHT, COUNT, AT = 320, 240, 20, 10


def to_light(display: Picture) -> NDArray[np.float64]:
    shown = display / 255
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def to_shown(light: NDArray[np.float64]) -> Picture:
    light = np.clip(light, 0, 1)
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(shown * 255).astype(np.uint8)


def scene() -> NDArray[np.float64]:
    """A landscape in linear light: a sky that clouds over, hills, and a ground full of detail."""
    rng = np.random.default_rng(7)
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 9) * 6
    sky = 0.35 + 0.1 * clouds + 0.15 * down / HEIGHT
    ground = 0.06 * np.exp(rng.normal(0, 0.7, (HEIGHT, WIDTH)))
    hills = down > 120 + 15 * np.sin(across / 35)
    light = np.where(hills, ground, np.clip(sky, 0.05, 0.8))
    return light[..., None] * np.array([0.9, 1.0, 1.1])


def gain(factor: float) -> Fault:
    return lambda shown: to_shown(to_light(shown) * factor)


def smear(length: int) -> Fault:
    kernel = np.eye(length, dtype=np.float32) / length
    return lambda shown: cv2.filter2D(shown, -1, kernel)


def fill(share: float, colour: int) -> Fault:
    def filled(shown: Picture) -> Picture:
        shown[int(HEIGHT * (1 - share)) :] = colour
        return shown

    return filled


def repeat_a_row(shown: Picture) -> Picture:
    shown[130:] = shown[60]
    return shown


def scramble(shown: Picture) -> Picture:
    """Blocks of any colour from the middle of a row of blocks on, as after a lost bit."""
    rng = np.random.default_rng(5)
    blocks = rng.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    noise = cv2.resize(blocks, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    shown[160:] = noise[160:]
    shown[144:160, 120:] = noise[144:160, 120:]
    return shown


def sensor_noise(shown: Picture) -> Picture:
    return np.random.default_rng(2).integers(0, 5, shown.shape, np.uint8)


FAULTS: dict[str, tuple[Kind, Fault]] = {
    "zero": (Kind.BLACK, np.zeros_like),
    "lens cap": (Kind.BLACK, sensor_noise),
    "white": (Kind.OVEREXPOSED, lambda shown: np.full_like(shown, 255)),
    "16 times": (Kind.OVEREXPOSED, gain(16)),
    "half gray": (Kind.GARBAGE, fill(0.5, 128)),
    "a tenth gray": (Kind.GARBAGE, fill(0.1, 128)),
    "half zero": (Kind.GARBAGE, fill(0.4, 0)),
    "a repeated row": (Kind.GARBAGE, repeat_a_row),
    "scrambled": (Kind.GARBAGE, scramble),
    "smeared": (Kind.SMEARED, smear(9)),
    "smeared far": (Kind.SMEARED, smear(21)),
    "small": (Kind.WRONG_SIZE, lambda shown: cv2.resize(shown, (WIDTH // 2, HEIGHT // 2))),
}


def flash(shown: Picture) -> Picture:
    """Lightning: the whole sky glares, the land below shines a little."""
    light = to_light(shown)
    light[:130] += 2
    light[130:] *= 3
    return to_shown(light)


def plume(shown: Picture) -> Picture:
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    glow = np.exp(-((across - 200) ** 2 + (down - 70) ** 2) / 2 / 50**2)
    return to_shown(to_light(shown) + 4 * glow[..., None])


def lorry(shown: Picture) -> Picture:
    shown[150:, 40:280] = (150, 40, 30)
    return shown


EVENTS: dict[str, Fault] = {
    "a cloud goes": gain(2.5),
    "a cloud comes": gain(0.3),
    "lightning": flash,
    "lightning all over": gain(5),
    "a plume": plume,
    "a lorry": lorry,
    "fog": lambda shown: to_shown(to_light(shown) * 0.4 + 0.3),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A roll without a fault, with sensor noise and a flicker of one per cent."""
    folder = tmp_path_factory.mktemp("plain")
    write_roll(folder, [1.0] * COUNT)
    return folder


def write_roll(folder: Path, gains: Iterable[float], quality: int = 92) -> None:
    rng, light = np.random.default_rng(1), scene()
    for number, factor in enumerate(gains):
        flicker = factor * (1 + 0.01 * (-1) ** number)
        shown = to_shown(light * flicker).astype(np.int16)
        noisy = np.clip(shown + rng.normal(0, 1.5, shown.shape), 0, 255).astype(np.uint8)
        path = folder / f"ISS057-E-{10000 + number}.JPG"
        write_still(path, noisy, EPOCH + 3 * number, quality=quality)


def spoil(folder: Path, faults: dict[int, Fault]) -> Path:
    paths = sorted(folder.glob("*.JPG"))
    for at, fault in faults.items():
        with Image.open(paths[at]) as picture:
            pixels, exif = np.array(picture), picture.info["exif"]
        Image.fromarray(fault(pixels)).save(paths[at], exif=exif, quality=92, subsampling=0)
    return folder


@pytest.fixture
def spoiled(plain: Path, tmp_path: Path) -> Callable[[dict[int, Fault]], Path]:
    def make(faults: dict[int, Fault]) -> Path:
        folder = tmp_path / "spoiled"
        shutil.copytree(plain, folder)
        return spoil(folder, faults)

    return make


def kinds(folder: Path) -> dict[int, Kind]:
    roll = scan(folder)
    return {at: flag.kind for at, flag in judge(roll, look(roll)).items()}


# ------------------------------------------------------------------ what is bad, and what is not


@pytest.mark.parametrize("at", [0, AT, COUNT - 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_found_and_nothing_else(
    spoiled: Callable[[dict[int, Fault]], Path], fault: str, at: int
) -> None:
    kind, spoiling = FAULTS[fault]
    found = kinds(spoiled({at: spoiling}))
    if at == AT or kind not in (Kind.OVEREXPOSED, Kind.GARBAGE):
        assert found == {at: kind}
    else:  # at an end there is no telling them from something that begins
        assert found in ({}, {at: kind})


@pytest.mark.parametrize("event", EVENTS)
def test_what_light_can_do_is_no_fault(
    spoiled: Callable[[dict[int, Fault]], Path], event: str
) -> None:
    assert kinds(spoiled({AT: EVENTS[event]})) == {}


def test_faults_beside_each_other_and_many_at_once_are_found(
    spoiled: Callable[[dict[int, Fault]], Path],
) -> None:
    faults = {3: smear(11), 4: smear(15), 8: np.zeros_like, 9: np.zeros_like, 10: np.zeros_like,
              14: fill(0.5, 128), 17: gain(16)}  # fmt: skip
    assert kinds(spoiled(faults)) == {
        3: Kind.SMEARED, 4: Kind.SMEARED, 8: Kind.BLACK, 9: Kind.BLACK, 10: Kind.BLACK,
        14: Kind.GARBAGE, 17: Kind.OVEREXPOSED,
    }  # fmt: skip


@pytest.mark.parametrize(
    "gains",
    [
        [1.3 ** (n - 20) for n in range(20)],  # dawn
        [8 * 1.6**-n for n in range(20)],  # overexposed at first, nearly black at last
        [2.0 ** -abs(n - 15) * 2 for n in range(30)],  # dawn and dusk, a stop a still
        [1.0] * 12 + [1e-4] * 14 + [1.0] * 6,  # a night that falls between two stills
        [2e-4] * 20,  # night throughout
        [3e-3 * (1 + n % 3) for n in range(20)],
    ],
    ids=["dawn", "dusk", "peak", "sudden night", "night", "dim"],
)
def test_real_light_is_left_alone(tmp_path: Path, gains: list[float]) -> None:
    write_roll(tmp_path, gains)
    assert kinds(tmp_path) == {}


def test_pictures_of_two_cameras_are_not_compared(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    shutil.copytree(plain, folder)
    for number in range(COUNT):
        dark = np.full((100, 150, 3), 2, np.uint8)
        taken = EPOCH + 3 * number + Fraction(1)
        write_still(folder / f"B{number:03}.JPG", dark, taken, model="OTHER")
    assert kinds(folder) == {}


def test_thresholds_are_relative_and_can_be_set(
    spoiled: Callable[[dict[int, Fault]], Path],
) -> None:
    folder = spoiled({5: smear(3), 12: gain(5)})
    assert kinds(folder) == {}
    (folder.parent / "p.yaml").write_text(
        "roll: {stills: spoiled, bad: {smeared: drop, overexposed: bridge, "
        "thresholds: {smeared: 1.5, overexposed: 1.5, white: 0.3}}}\nschedule: {speed: 1}\n"
    )
    found = load(folder.parent / "p.yaml").inspect()
    assert {at: flag.kind for at, flag in found.flags.items()} == {
        5: Kind.SMEARED, 12: Kind.OVEREXPOSED,
    }  # fmt: skip


# ------------------------------------------------------------------ what is measured


def test_measures_of_known_pictures() -> None:
    half = np.zeros((100, 200, 3), np.uint8)
    half[:, 100:] = 255
    row = measured(half, (200, 100))
    assert row["luminance"] == pytest.approx(0.5)
    assert (row["clipped"], row["black"], row["contrast"]) == (0.5, 0.5, 0.5)
    assert (row["shadows"], row["lights"], row["filled"]) == (0, pytest.approx(1), 1)
    gray = np.full((50, 80, 3), 188, np.uint8)
    assert measured(gray, (80, 50))["luminance"] == pytest.approx(0.5, abs=0.005)
    # the middle column of a picture that is red above and blue below
    two = np.zeros((128, 128, 3), np.uint8)
    two[:64, :, 0], two[64:, :, 2] = 200, 100
    column = measured(two, (128, 128))["column"]
    assert (column[:32] == (200, 0, 0)).all()
    assert (column[32:] == (0, 0, 100)).all()
    assert measured(two, (128, 128))["filled"] == 0.5


def test_sharpness_does_not_depend_on_brightness_nor_on_the_size_of_the_file() -> None:
    shown = to_shown(scene())
    sharp = measured(shown, (WIDTH, HEIGHT))["sharpness"]
    dim = measured((shown / 2).astype(np.uint8), (WIDTH, HEIGHT))["sharpness"]
    assert dim == pytest.approx(sharp, rel=0.05)
    large = cv2.resize(shown, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    assert measured(large, (4 * WIDTH, 4 * HEIGHT))["sharpness"] == pytest.approx(sharp, rel=0.01)
    deep = shown.astype(np.uint16) * 257
    assert measured(deep, (WIDTH, HEIGHT)) == measured(shown, (WIDTH, HEIGHT))


def test_a_second_look_decodes_only_what_has_changed(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    shutil.copytree(plain, folder)
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    damage(folder / "ISS057-E-10004.JPG")
    os.utime(folder / "ISS057-E-10004.JPG", (1e9, 1e9))
    decoded: list[str] = []
    real = look_module.decode_bytes

    def counting(data, still, *others):  # type: ignore[no-untyped-def]
        decoded.append(still.name)
        return real(data, still, *others)

    monkeypatch.setattr(look_module, "decode_bytes", counting)
    first = look(scan(folder), remember=folder)
    assert sorted(decoded) == sorted(path.name for path in folder.iterdir())
    decoded.clear()
    os.utime(folder / "ISS057-E-10007.JPG", (2e9, 1.1e9))
    again = look(scan(folder), remember=folder)
    assert sorted(decoded) == ["ISS057-E-10004.JPG", "ISS057-E-10007.JPG"]
    assert (first.rows == again.rows).all()
    assert first.unreadable.keys() == again.unreadable.keys() == {4}


def test_a_damaged_cache_is_as_if_it_were_not_there(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path))
    folder = tmp_path / "roll"
    shutil.copytree(plain, folder)
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    roll = scan(folder)
    first = look(roll, remember=folder)
    (cache,) = tmp_path.rglob("*.looks.npy")
    for content in (b"", b"\x93NUMPY", cache.read_bytes()[:-100], os.urandom(500)):
        cache.write_bytes(content)
        assert (look(roll, remember=folder).rows == first.rows).all()


# ------------------------------------------------------------------ what becomes of them


def project(folder: Path, roll: str) -> Path:
    path = folder.parent / "p.yaml"
    path.write_text(
        f"roll: {{stills: {folder.name}, utc_offset: Z, {roll}}}\nschedule: {{speed: 15}}\n"
        "retime: {gaps: hold}\noutput: {size: 64x48, rate: 25}\n"
    )
    return path


@pytest.mark.parametrize("policy", ["keep", "drop", "bridge"])
def test_each_policy_does_what_it_says(
    spoiled: Callable[[dict[int, Fault]], Path], policy: str
) -> None:
    dark = dict.fromkeys((8, 9, 10), np.zeros_like)
    roll = load(project(spoiled(dark), f"bad: {policy}")).scan()
    entries = [entry for entry in roll.ledger if entry.reason.startswith("black: ")]
    assert len(entries) == 3
    told = [warning for warning in roll.warnings if warning.startswith("3 bad stills (black)")]
    assert len(told) == 1
    data = roll.as_json()
    assert data["found"] == data["used"] + data["excluded"] == COUNT
    if policy == "keep":
        assert {entry.status for entry in entries} == {Status.USED}
        assert (data["used"], len(roll.stills), roll.gaps) == (COUNT, COUNT, ())
        return
    assert {entry.status for entry in entries} == {Status.EXCLUDED}
    assert data["used"] == COUNT - 3
    if policy == "drop":
        (gap,) = roll.gaps
        assert (gap.after, gap.missing, len(roll.stills)) == (7, 3, COUNT - 3)
    else:
        assert (roll.gaps, roll.bridged) == ((), (8, 9, 10))


def test_a_bridged_gap_blends_and_a_dropped_one_is_held(
    spoiled: Callable[[dict[int, Fault]], Path],
) -> None:
    folder = spoiled(dict.fromkeys((8, 9, 10), np.zeros_like))
    shares = {}
    for policy in ("drop", "bridge"):
        loaded = load(project(folder, f"bad: {policy}"))
        plan = loaded.job().plan
        middle = plan.timeline.frame_of(EPOCH + 27)  # where still 9 was taken
        stills, weights = plan.taps.row(middle)
        shares[policy] = {plan.roll.stills[s].name[-6:-4]: round(float(w), 6)
                          for s, w in zip(stills, weights, strict=True)}  # fmt: skip
    assert shares == {"drop": {"07": 1.0}, "bridge": {"07": 0.5, "11": 0.5}}


def test_bridging_shows_no_black_frame(
    spoiled: Callable[[dict[int, Fault]], Path], tmp_path: Path
) -> None:
    import timelapse

    folder = spoiled({AT: np.zeros_like})
    for policy, dark in (("keep", True), ("bridge", False)):
        job = load(project(folder, f"bad: {policy}")).job()
        least = min(float(frame.mean()) for frame in timelapse.frames(job))
        assert (least < 20) == dark
    report = job.render(tmp_path / "x.mp4")
    assert report["roll"]["used"] == COUNT - 1
    assert any("(black) bridged" in warning for warning in report["warnings"])


def test_an_unreadable_still_is_bridged_as_if_a_render_had_found_it(
    plain: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "roll"
    shutil.copytree(plain, folder)
    damage(folder / "ISS057-E-10006.JPG")
    blind = load(project(folder, "exclude: []")).job()
    assert len(blind.plan.roll.ledger) == sum(
        e.status is Status.USED for e in blind.plan.roll.ledger
    )
    looked = load(project(folder, "bad: keep")).job()
    (entry,) = [e for e in looked.plan.roll.ledger if e.status is Status.UNREADABLE]
    assert "cannot be decoded" in entry.reason
    for name in ("starts", "stills", "weights"):
        planned = getattr(looked.plan.taps, name)
        assert (planned == getattr(blind.plan.without(6).taps, name)).all()
    dropped = load(project(folder, "bad: {unreadable: drop}")).scan()
    assert len(dropped.stills) == COUNT - 1
    # a film of the look's plan, after one of the blind plan to the same place
    blind.render(tmp_path / "x.mp4")
    report = looked.render(tmp_path / "x.mp4")
    assert (report["roll"]["used"], report["roll"]["excluded"]) == (COUNT - 1, 1)


def test_damaged_stills_are_refused_or_used_as_far_as_they_go(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    shutil.copytree(plain, folder)
    cut, torn = folder / "ISS057-E-10005.JPG", folder / "ISS057-E-10012.JPG"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    damage(torn)
    refused = load(project(folder, "bad: keep")).scan()
    unreadable = {Path(e.path).name for e in refused.ledger if e.status is Status.UNREADABLE}
    assert unreadable == {cut.name, torn.name}
    job = load(project(folder, "damaged: accept")).job()
    roll = job.plan.roll
    assert [still.name for still in roll.stills if still.damaged] == [cut.name, torn.name]
    assert roll.as_json()["used"] == COUNT
    told = {Path(e.path).name: e.reason for e in roll.ledger if e.reason}
    assert "cut short" in told[cut.name]
    assert "garbage: its lowest" in told[cut.name]
    assert any(f"({Kind.GARBAGE})" in warning for warning in roll.warnings)
    report = job.render(tmp_path / "x.mp4")
    assert report["stills"]
    assert not any("neighbours stand in" in w for w in report["warnings"])
    with Reader() as reader:
        seen = thumbnail(reader, roll.find(cut.name), 160)
    assert (seen[-20:] == seen[-1, 0]).all()  # the decoder's filling
    # what is accepted today is refused tomorrow, whatever the caches hold
    again = load(project(folder, "damaged: refuse")).scan()
    assert [e.status for e in again.ledger if e.path.endswith(cut.name)] == [Status.UNREADABLE]


def test_garbage_can_be_dropped_from_what_is_accepted(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    shutil.copytree(plain, folder)
    cut = folder / "ISS057-E-10005.JPG"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    roll = load(project(folder, "damaged: accept, bad: {garbage: drop}")).scan()
    assert [e.status for e in roll.ledger if e.path.endswith(cut.name)] == [Status.EXCLUDED]


def test_where_no_still_is_left_it_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    for number in range(3):
        damage(folder / f"{number}.JPG", EPOCH + number)
    with pytest.raises(RollError, match=r"none of 3 stills is left: 3 bad stills \(unreadable\)"):
        load(project(folder, "bad: keep")).scan()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("bad: hold", "'hold' is not known; one of keep, drop, bridge"),
        ("bad: {blck: drop}", "unknown key; did you mean black?"),
        ("bad: {unreadable: keep}", "'keep' is not known; one of drop, bridge"),
        ("bad: {thresholds: {smeared: 0}}", "is not above zero"),
        ("damaged: acept", "did you mean accept?"),
    ],
)
def test_slips_are_told_with_their_place(tmp_path: Path, words: str, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        load(project(tmp_path / "roll", words))
    assert told in str(caught.value)
    assert "p.yaml:1:" in str(caught.value)


# ------------------------------------------------------------------ no neighbour moves


def bare_roll(times: list[Fraction]) -> Roll:
    """A roll whose stills have no pixels."""
    stills = tuple(
        Still(File(f"{n:03}.jpg", 1, 1), EPOCH + time, (64, 48), 1, 8, "jpeg", "X")
        for n, time in enumerate(times)
    )
    ledger = tuple(LedgerEntry(str(s.file), Status.USED, "", s.captured) for s in stills)
    return Roll(stills, ledger, TimeSource.EXIF)


@settings(deadline=None)
@given(
    steps=st.lists(st.fractions(Fraction(1, 10), 30), min_size=3, max_size=30),
    bad=st.dictionaries(st.integers(0, 30), st.sampled_from(list(Kind)), max_size=12),
    policy=st.sampled_from(["keep", "drop", "bridge"]),
)
def test_no_policy_moves_a_still_in_time(
    steps: list[Fraction], bad: dict[int, Kind], policy: str
) -> None:
    times = [sum(steps[:n], Fraction(0)) for n in range(len(steps) + 1)]
    roll = bare_roll(times)
    flags = {at: Flag(kind, "planted") for at, kind in sorted(bad.items()) if at < len(times)}
    looks = Looks(np.zeros(len(times), LOOK))
    policies = Policies.all(policy)  # type: ignore[arg-type]
    gone = [at for at, flag in flags.items() if policies.of(flag.kind) != "keep"]
    if len(gone) == len(times):
        with pytest.raises(RollError, match="is left"):
            treated(roll, looks, flags, policies)
        return
    made = treated(roll, looks, flags, policies)
    taken = {still.file: still.captured for still in roll.stills}
    assert all(taken[still.file] == still.captured for still in made.stills)
    captured = [still.captured for still in made.stills]
    assert captured == sorted(captured)
    shown = len(made.stills) - len(made.bridged)
    data = made.as_json()
    assert data["found"] == data["used"] + data["excluded"] == len(times)
    assert data["used"] == shown == len(times) - len(gone)
    assert {e.path: e.captured for e in made.ledger} == {e.path: e.captured for e in roll.ledger}
    _shows_every_instant(made)


def _shows_every_instant(roll: Roll) -> None:
    """Each frame of a blended film stands for its own instant: the capture times of its stills,
    by their shares, come to it, from the first still that is shown to the last."""
    from timelapse.retime import Linear, Timeline, constant, make_plan
    from timelapse.times import MissionTime, Rate, Speed

    span = roll.last - roll.first
    schedule = constant(Speed(max(Fraction(1), span)), MissionTime(Fraction(0)), MissionTime(span))
    timeline = Timeline(schedule, Rate(50), roll.first)
    plan = make_plan(roll, timeline, Linear(gaps="blend"))
    times = np.array([float(still.captured - roll.first) for still in roll.stills])
    shown = np.delete(times, list(roll.bridged))
    for frame in range(plan.frames):
        stills, weights = plan.taps.row(frame)
        assert not set(stills.tolist()) & set(roll.bridged)
        instant = float(schedule.mission_of(timeline.rate.time_of(frame)).seconds)
        meant = min(max(instant, shown[0]), shown[-1])
        assert float(times[stills] @ weights) == pytest.approx(meant, abs=1e-4 * max(1, times[-1]))


# ------------------------------------------------------------------ real stills


@pytest.mark.parametrize(
    ("folder", "flagged"),
    [
        ("pylapsy_deshake", 0),
        ("odm_seneca", 0),
        ("iss_tle_thumbs", 0),
        ("auromat_iss", 0),
        ("camtrapR_all", 1),  # one is upright, 53 of its camera are not
    ],
)
def test_no_false_alarm_on_real_rolls(shared: Path, folder: str, flagged: int) -> None:
    found = kinds(shared / folder)
    assert list(found.values()) == [Kind.WRONG_SIZE] * flagged


def test_faults_planted_into_real_stills_are_found(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    shutil.copytree(shared / "pylapsy_deshake", folder)
    paths = sorted(folder.glob("*.jpg"))
    places = dict(zip(range(6, 100, 7), FAULTS, strict=False))
    assert len(places) == len(FAULTS)
    for at, fault in places.items():
        with Image.open(paths[at]) as picture:
            pixels, exif = np.array(picture), picture.info["exif"]
        pixels = FAULTS[fault][1](cv2.resize(pixels, (WIDTH, HEIGHT)))
        size = (WIDTH // 2, HEIGHT // 2) if fault == "small" else (400, 267)
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST)
        Image.fromarray(pixels).save(paths[at], exif=exif, quality=92)
    data = bytearray(paths[2].read_bytes())
    data[-6000:-5600] = b"\xff\x00" * 100 + b"\xff\xd0" * 100
    paths[2].write_bytes(data)
    expected = {at: FAULTS[fault][0] for at, fault in places.items()}
    assert kinds(folder) == {2: Kind.UNREADABLE, **expected}


def test_inspect_leaves_a_good_roll_as_it_is(plain: Path) -> None:
    roll = scan(plain)
    found = inspect(roll, Policies.all("drop"))
    assert found.roll is found.taken is roll
    assert not found.flags
    assert isinstance(roll.first, CaptureTime)
