"""Hot and dead pixels and cosmic rays: what is found, what is taken away, and what stays."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import EPOCH, write_still
from timelapse.errors import ProjectError
from timelapse.grade import cosmic
from timelapse.grade.cosmic import CosmicRays, Optics
from timelapse.grade.defects import DefectMap, Kind, load, save, sensor_of, together
from timelapse.grade.hotpixels import Defects, HotPixels, measure
from timelapse.grade.repairs import Repairs
from timelapse.grade.repairs import _responses as responses
from timelapse.ingest import Reader, Still, decode, scan
from timelapse.ingest.decode import _upright as upright
from timelapse.ingest.still import File
from timelapse.simulate import Sensor, simulate
from timelapse.times import MissionTime

SIZE = (256, 192)  # width, height


def still_of(size: tuple[int, int] = SIZE, orientation: int = 1, kind: str = "png") -> Still:
    shown = size[::-1] if orientation >= 5 else size
    return Still(File("a.png", 1, 1), EPOCH, shown, orientation, 8, kind, "NIKON D5")


def repairs_of(still: Still, places: list[tuple[int, int]], **limits: int) -> Repairs:
    found = DefectMap.known(sensor_of(still)[1], places)
    for name, value in limits.items():
        getattr(found, name)[:] = value
    return Repairs({sensor_of(still): found})


def smooth(size: tuple[int, int] = SIZE) -> np.ndarray:
    y, x = np.mgrid[: size[1], : size[0]]
    return np.stack([40 + x // 4, 60 + y // 3, 90 + (x + y) // 8], axis=-1).astype(np.uint8)


def moving(
    folder: Path,
    defects: dict[tuple[int, int, int], int],
    *,
    count: int = 30,
    step: int = 7,
    since: int = 0,
    ending: str = ".png",
    size: tuple[int, int] = SIZE,
    orientation: int = 1,
) -> tuple[Still, ...]:
    """Stills of a scene that moves by `step` pixels from one to the next, with noise; `defects` add
    levels at (y, x, channel), from still `since` on."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    width, height = size
    wide = rng.normal(0, 1, (height, width + step * count, 1)).astype(np.float32)
    scene = 90 + 220 * cv2.GaussianBlur(wide, (0, 0), 2.5)[..., None]
    for number in range(count):
        view = scene[:, step * number :][:, :width] + rng.normal(0, 1.5, (height, width, 3))
        for (y, x, channel), level in defects.items() if number >= since else ():
            view[y, x, channel] += level
        pixels = np.clip(np.rint(view), 0, 255).astype(np.uint8)
        path, captured = folder / f"{number:04d}{ending}", EPOCH + Fraction(30 * number)
        write_still(path, pixels, captured, orientation=orientation)
    return scan(folder).stills


def only(found: Defects) -> DefectMap:
    (one,) = found.maps.values()
    return one


def cores(found: DefectMap) -> set[tuple[int, int]]:
    return {(y, x) for y, x in found.places[found.kinds != Kind.HALO].tolist()}


# --- maps


def test_a_map_is_saved_and_loaded(tmp_path: Path) -> None:
    one = DefectMap.known(SIZE, [(3, 4), (1, 2)])
    one.since[0] = 12.5
    maps = {("NIKON D5", SIZE): one, ("", (10, 20)): DefectMap.none((10, 20))}
    save(maps, tmp_path / "map.npz")
    again = load(tmp_path / "map.npz")
    assert list(again) == list(maps)
    for sensor, found in maps.items():
        for name in ("places", "least", "most", "kinds", "since", "until"):
            mine, other = getattr(found, name), getattr(again[sensor], name)
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)
    assert one.places.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("content", [b"", b"no map", b"PK\x03\x04 and no more"])
def test_what_is_no_map_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "map.npz").write_bytes(content)
    with pytest.raises(ProjectError, match=r"map\.npz"):
        load(tmp_path / "map.npz")


def test_a_map_whose_pixels_are_outside_is_refused(tmp_path: Path) -> None:
    found = DefectMap.known(SIZE, [(100, 200)])
    save({("x", SIZE): replace(found, size=SIZE), ("y", (50, 50)): found}, tmp_path / "map.npz")
    with pytest.raises(ProjectError, match="no map of defects, or a damaged one"):
        load(tmp_path / "map.npz")


def test_maps_are_merged_with_the_wider_limits() -> None:
    one, two = DefectMap.known(SIZE, [(1, 1), (5, 5)]), DefectMap.known(SIZE, [(5, 5), (9, 0)])
    one.most[:], two.most[:] = 10, 20
    one.kinds[:], one.since[:] = Kind.HALO, 5
    both = one.merged(two)
    assert both.places.tolist() == [[1, 1], [5, 5], [9, 0]]
    assert both.most[:, 0].tolist() == [10, 20, 20]
    assert both.kinds.tolist() == [Kind.HALO, Kind.KNOWN, Kind.KNOWN]
    assert both.since.tolist() == [5, -np.inf, -np.inf]
    with pytest.raises(ProjectError, match="merged"):
        one.merged(DefectMap.none((1, 1)))


def test_a_file_of_maps_grows_with_each_roll(tmp_path: Path) -> None:
    one = {("a", SIZE): DefectMap.known(SIZE, [(1, 1)]), ("b", SIZE): DefectMap.none(SIZE)}
    save(one, tmp_path / "map.npz")
    more = {("a", SIZE): DefectMap.known(SIZE, [(2, 2)]), ("c", SIZE): DefectMap.none(SIZE)}
    save(together(load(tmp_path / "map.npz"), more), tmp_path / "map.npz")
    found = load(tmp_path / "map.npz")
    assert [camera for camera, _ in found] == ["a", "b", "c"]
    assert found["a", SIZE].places.tolist() == [[1, 1], [2, 2]]


def test_known_pixels_have_to_be_on_the_sensor() -> None:
    with pytest.raises(ProjectError, match=r"\[192, 0\] is outside of the sensor"):
        DefectMap.known(SIZE, [(192, 0)])


@pytest.mark.parametrize(
    "wrong", [{"stills": 3}, {"stills": 999}, {"sure": 1.0}, {"faintest": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProjectError, match=next(iter(wrong))):
        HotPixels(**wrong)


# --- repair


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_defect_becomes_what_is_around_it(depth: Any) -> None:
    clean = smooth().astype(depth) * (257 if depth == np.uint16 else 1)
    places = [(0, 0), (20, 30), (20, 31), (21, 30), (191, 255), (100, 255)]
    spoilt = clean.copy()
    for y, x in places:
        spoilt[y, x] = np.iinfo(depth).max
    still = still_of()
    repaired = repairs_of(still, places).apply(spoilt, still)
    assert repaired is spoilt
    step = 1 if depth == np.uint8 else 257
    assert np.abs(repaired.astype(int) - clean).max() <= 2 * step


def test_only_what_the_defect_adds_is_taken_away() -> None:
    """A star of 150 levels on a pixel that leaks 20 keeps 130 or more; one beside it keeps all."""
    still, clean = still_of(), np.full((192, 256, 3), 30, np.uint8)
    spoilt = clean.copy()
    spoilt[50, 50] = 180
    spoilt[80, 81] = 180
    before = spoilt.copy()
    repairs_of(still, [(50, 50), (80, 80)], most=20, least=0).apply(spoilt, still)
    assert (spoilt[50, 50] == 160).all()
    spoilt[50, 50] = 180
    np.testing.assert_array_equal(spoilt, before)


@given(orientation=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_stills_that_are_turned_are_repaired_at_the_same_pixels(
    orientation: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    size = (23, 17)
    stored = rng.integers(0, 2, (17, 23, 3), np.uint8)
    places = [(int(y), int(x)) for y, x in zip(rng.integers(0, 17, 9), rng.integers(0, 23, 9),
              strict=True)]  # fmt: skip
    for y, x in places:
        stored[y, x] = 255
    turned = still_of(size, orientation)
    shown = upright(stored, orientation).copy()
    repairs_of(turned, places).apply(shown, turned)
    changed = (shown != upright(stored, orientation)).any(axis=2)
    assert changed.sum() == len(set(places))
    assert shown.max() <= 1


@pytest.mark.parametrize("eighths", [1, 2, 3, 4])
def test_how_a_decoder_spreads_a_pixel_is_known(eighths: int) -> None:
    """Held to libjpeg: a pixel in a block, by itself, at every place that one can have."""
    import simplejpeg

    share = responses(eighths)
    np.testing.assert_allclose(share.sum(axis=0), 1, atol=1e-9)
    picture = np.full((64, 64, 3), 60, np.uint8)
    for at in range(8):
        picture[8 * at + at, 8 * at + 7 - at] = 200
    data = BytesIO()
    Image.fromarray(picture).save(data, "jpeg", quality=100, subsampling=0)
    small = simplejpeg.decode_jpeg(data.getvalue(), min_height=8 * eighths, min_width=8 * eighths)
    for at in range(8):
        part = np.s_[eighths * at : eighths * (at + 1)]
        expected = 60 + 140 * np.outer(share[at], share[7 - at])
        assert np.abs(small[part, part, 1] - expected).max() < 2


@pytest.mark.parametrize("eighths", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("orientation", [1, 6])
def test_defects_go_at_every_scale_of_decoding(
    tmp_path: Path, eighths: int, orientation: int
) -> None:
    size = (320, 240)
    clean = smooth(size)
    rng = np.random.default_rng(2)
    places = [(int(y), int(x)) for y, x in zip(rng.integers(0, 240, 90), rng.integers(0, 320, 90),
              strict=True)]  # fmt: skip
    spoilt = clean.copy()
    for y, x in places:
        spoilt[y, x, (y + x) % 3] = 255
    stills = []
    for name, pixels in (("clean.jpg", clean), ("hot.jpg", spoilt)):
        write_still(tmp_path / name, pixels, EPOCH, orientation=orientation, quality=100)
        stills.append(scan(tmp_path / name).stills[0])
    wanted = tuple(side * eighths // 8 for side in stills[0].size)
    with Reader() as reader:
        good, bad = (decode(reader, still, wanted) for still in stills)  # type: ignore[arg-type]
    assert bad.shape[1] in (size[0] * eighths // 8, size[1] * eighths // 8)
    before = np.abs(bad.astype(int) - good).max(axis=2)
    repairs_of(stills[1], places).apply(bad, stills[1])
    after = np.abs(bad.astype(int) - good).max(axis=2)
    assert before.max() >= 1.5 * after.max()
    assert (after**2).sum() < (0.25 if eighths == 1 else 0.03) * (before**2).sum()


# --- what is found


DEFECTS = {
    (40, 50, 0): 160, (41, 120, 1): 60, (100, 30, 2): 35, (150, 200, 1): -70, (0, 0, 0): 90,
    (191, 255, 1): 50, (96, 127, 2): 200,
}  # fmt: skip


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_defects_of_a_moving_scene_are_found(tmp_path: Path, ending: str) -> None:
    stills = moving(tmp_path / "roll", DEFECTS, ending=ending)
    found = measure(stills)
    assert cores(only(found)) == {(y, x) for y, x, _ in DEFECTS}
    assert only(found).count(Kind.DEAD) == 1
    assert not found.findings
    with Reader() as reader:
        pixels = decode(reader, stills[3], stills[3].size)
    before = pixels.copy()
    found.repairs.apply(pixels, stills[3])
    for (y, x, channel), level in DEFECTS.items():
        change = int(pixels[y, x, channel]) - int(before[y, x, channel])
        # A JPEG has made less of a pixel of one colour.
        assert change * np.sign(level) < -(0.5 if ending == ".png" else 0.25) * min(abs(level), 120)
    away = np.ones(before.shape[:2], bool)
    for y, x, _ in DEFECTS:
        away[max(y // 8 * 8 - 8, 0) : y // 8 * 8 + 16, max(x // 8 * 8 - 8, 0) : x // 8 * 8 + 16] = 0
    np.testing.assert_array_equal(pixels[away], before[away])


def test_a_clean_roll_is_left_as_it_is(tmp_path: Path) -> None:
    found = measure(moving(tmp_path / "roll", {}))
    assert found.idle
    assert not found.findings


def test_a_scene_that_stands_still_cannot_tell(tmp_path: Path) -> None:
    """It says so, and repairs nothing, though the same defects are there; given ones it repairs."""
    stills = moving(tmp_path / "roll", DEFECTS, step=0)
    found = measure(stills)
    assert found.idle
    assert "stands still" in found.findings[0]
    known = measure(stills, HotPixels(known=((40, 50),)))
    assert cores(only(known)) == {(40, 50)}


def test_a_map_does_not_depend_on_how_the_camera_was_held(tmp_path: Path) -> None:
    flat = measure(moving(tmp_path / "flat", DEFECTS, ending=".jpg"))
    upright = measure(moving(tmp_path / "upright", DEFECTS, ending=".jpg", orientation=6))
    assert upright.digest == flat.digest


def test_noise_alone_cannot_tell(tmp_path: Path) -> None:
    """With a cap on the lens nothing moves, and nothing is there that would be repaired wrongly."""
    (tmp_path / "roll").mkdir()
    rng = np.random.default_rng(1)
    for number in range(12):
        pixels = np.clip(rng.normal(20, 2, (192, 256, 3)), 0, 255).astype(np.uint8)
        pixels[50, 60, 1] = 200
        write_still(tmp_path / "roll" / f"{number}.png", pixels, EPOCH + Fraction(number))
    found = measure(scan(tmp_path / "roll").stills)
    assert found.idle
    assert "nothing that moves" in found.findings[0]


def test_a_defect_that_comes_is_repaired_from_then_on(tmp_path: Path) -> None:
    """Half of the roll has to go by, and the same pixel of the first half is not touched."""
    stills = moving(tmp_path / "roll", {(40, 50, 0): 120}, count=40, since=20)
    found = measure(stills)
    assert cores(only(found)) == {(40, 50)}
    (since,) = only(found).since.tolist()
    moments = [float(still.captured.seconds) for still in stills]
    assert moments[18] < since < moments[22]
    with Reader() as reader:
        first, last = (decode(reader, stills[at], SIZE) for at in (2, 35))
    untouched, hot = first.copy(), int(last[40, 50, 0])
    repairs = found.repairs
    np.testing.assert_array_equal(repairs.apply(first, stills[2]), untouched)
    assert repairs.apply(last, stills[35])[40, 50, 0] < hot - 80


@pytest.mark.parametrize("first", [8, 28])
def test_a_defect_is_not_repaired_before_it_came(tmp_path: Path, first: int) -> None:
    stills = moving(tmp_path / "roll", {(40, 50, 0): 120, (90, 90, 1): 40}, count=40, since=first)
    found = only(measure(stills))
    assert cores(found) == {(40, 50), (90, 90)}
    moments = [float(still.captured.seconds) for still in stills]
    assert ((moments[first - 2] < found.since) & (found.since < moments[first + 1])).all()


def test_each_camera_has_a_map_of_its_own(tmp_path: Path) -> None:
    """Two cameras that took turns."""
    one = moving(tmp_path / "one", {(40, 50, 0): 120})
    other = moving(tmp_path / "other", {(80, 33, 1): 90})
    mixed = [s for pair in zip(one, other, strict=True) for s in (pair[0], replace(pair[1],
             camera="NIKON D4"))]  # fmt: skip
    found = measure(mixed)
    assert {camera: cores(each) for (camera, _), each in found.maps.items()} == {
        one[0].camera: {(40, 50)},
        "NIKON D4": {(80, 33)},
    }


def test_few_stills_cannot_tell(tmp_path: Path) -> None:
    found = measure(moving(tmp_path / "roll", DEFECTS, count=5))
    assert found.idle
    assert "too few" in found.findings[0]


def test_maps_that_were_saved_are_used(tmp_path: Path) -> None:
    stills = moving(tmp_path / "roll", {}, count=2)
    file = tmp_path / "map.npz"
    save({sensor_of(stills[0]): DefectMap.known(SIZE, [(7, 8)])}, file)
    found = measure(stills, HotPixels(search=False, map=file, known=((1, 2),)))
    assert cores(only(found)) == {(7, 8), (1, 2)}
    save({("another", SIZE): DefectMap.known(SIZE, [(7, 8)])}, file)
    other = measure(stills, HotPixels(search=False, map=file))
    assert other.idle
    assert "no effect" in other.findings[0]
    with pytest.raises(ProjectError, match="cannot be read"):
        measure(stills, HotPixels(search=False, map=tmp_path / "none.npz"))


def test_what_was_found_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    stills = moving(tmp_path / "roll", DEFECTS)
    first = measure(stills, identities="a")
    for still in stills:
        Path(still.file.path).unlink()
    assert measure(stills, identities="a").digest == first.digest
    assert measure(stills, identities="a").as_json() == first.as_json()
    assert measure(stills, identities="b").idle
    for kept in (tmp_path / "cache").rglob("*.npz"):
        kept.write_bytes(b"damaged")
    assert measure(stills, identities="a").idle  # looked for again, in stills that are gone


# --- the simulator's roll


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A short roll of the launch with and without hot pixels, otherwise the same."""
    place = tmp_path_factory.mktemp("launch")
    times = {"start": MissionTime(Fraction(-10)), "end": MissionTime(Fraction(500))}
    found: dict[str, Any] = {}
    for name, hot in (("hot", True), ("clean", False)):
        truth = simulate(
            place / name, size=(640, 360), interval=Fraction(10), faults=False, workers=1,
            sensor=Sensor(hot=hot), **times,
        )  # fmt: skip
        found[name] = scan(place / name).stills
        found[f"{name} truth"] = truth
    found["defects"] = measure(found["hot"])
    return found


def test_hot_pixels_of_the_launch_are_found(launch: dict[str, Any]) -> None:
    found = only(launch["defects"])
    truth = {(y, x) for x, y, _ in launch["hot truth"]["hot_pixels"]}
    place = {(y, x) for y, x in found.places.tolist()}
    assert len(truth & place) >= 0.985 * len(truth)
    assert len(truth & cores(found)) >= 0.98 * len(truth)
    assert len(cores(found) - truth) <= 1
    assert measure(launch["clean"]).idle


def test_stars_and_the_rocket_keep_their_peak(launch: dict[str, Any]) -> None:
    repairs = launch["defects"].repairs
    kept, before, after = [], [], []
    hot = np.zeros((360, 640), np.uint8)
    for x, y, _ in launch["hot truth"]["hot_pixels"]:
        hot[y, x] = 1
    with Reader() as reader:
        for at in range(0, len(launch["hot"]), 6):
            still, same = launch["hot"][at], launch["clean"][at]
            pixels, clean = (decode(reader, each, each.size) for each in (still, same))
            raw = pixels.copy()
            repairs.apply(pixels, still)
            before.append(np.abs(raw.astype(int) - clean)[hot > 0].mean())
            after.append(np.abs(pixels.astype(int) - clean)[hot > 0].mean())
            green = clean[..., 1]
            apart = cv2.subtract(green, cv2.medianBlur(green, 5))
            peaks = (apart > 50) & (green == cv2.dilate(green, np.ones((5, 5)))) & (hot == 0)
            if rocket := launch["hot truth"]["stills"][at]["plume"]:
                peaks[round(rocket[1]), round(rocket[0])] = True
            top, was = (
                cv2.dilate(each.max(axis=2), np.ones((3, 3)))[peaks].astype(float)
                for each in (pixels, raw)
            )
            # A hot pixel beside a star may have been brighter than the star.
            lonely = cv2.dilate(hot, np.ones((3, 3)))[peaks] == 0
            kept.append((top / np.maximum(was, 1))[lonely])
    shares = np.concatenate(kept)
    assert len(shares) > 100
    assert (shares >= 0.99).mean() >= 0.99
    assert np.mean(after) < 0.2 * np.mean(before)


# --- cosmic rays


OPTICS = Optics(beside=0.2, threshold=30)


def night(hits: list[tuple[int, int, int]] = [], shift: float = 0) -> np.ndarray:  # noqa: B006
    """Stars as a lens draws them, which move to the right, and hits of one photosite each."""
    rng = np.random.default_rng(7)
    light = np.zeros((120, 160, 3), np.float32)
    for y, x in rng.uniform(8, 110, (60, 2)):
        ys, xs = np.mgrid[:120, :160]
        light += np.exp(-((ys - y) ** 2 + (xs - x - shift) ** 2) / (2 * 0.7**2))[..., None] * 160
    light += 20 + rng.normal(0, 1, light.shape)
    for y, x, channel in hits:
        light[y, x, channel] += 150
    return np.clip(light, 0, 255).astype(np.uint8)


def beside_of(stills: list[np.ndarray], at: int) -> list[np.ndarray | None]:
    return [stills[at - 1] if at else None, stills[at + 1] if at + 1 < len(stills) else None]


HITS = [(30, 140, 0), (60, 141, 1), (61, 142, 1), (100, 150, 2)]


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_hits_go_and_stars_stay(depth: Any) -> None:
    step = 257 if depth == np.uint16 else 1
    clean, before, after = night(shift=0), night(shift=-6), night(shift=6)
    pixels = night(HITS).astype(depth) * step
    others = [each.astype(depth) * step for each in (before, after)]
    assert cosmic.repair(pixels, *others, OPTICS) == len(HITS)
    shown = (pixels // step).astype(int)
    for y, x, channel in HITS:
        assert abs(shown[y, x, channel] - int(clean[y, x, channel])) < 12
    changed = {(y, x) for y, x in np.argwhere((shown != night(HITS)).any(axis=2)).tolist()}
    assert changed <= {(y, x) for y, x, _ in HITS}


def test_what_is_in_the_next_still_is_no_hit() -> None:
    """A defect that no map has; one that is there before or after is left as well."""
    for before, after in ((night(HITS), night()), (night(), night(HITS)), (None, None)):
        pixels = night(HITS)
        assert cosmic.repair(pixels, before, after, OPTICS) == 0
        np.testing.assert_array_equal(pixels, night(HITS))


@pytest.mark.parametrize("side", [0, 1])
def test_one_neighbour_suffices(side: int) -> None:
    """At the ends of a roll."""
    pixels, beside = night(HITS), [night(shift=-6), night(shift=6)]
    beside[side] = None
    assert cosmic.repair(pixels, *beside, OPTICS) == len(HITS)


def test_the_tail_of_a_track_goes_with_it() -> None:
    """A second photosite of 20 levels is below what is held to be a hit by itself."""
    for hits, repaired in (([(60, 141, 1)], 2), ([], 0)):
        pixels = night(hits)
        pixels[61, 142, 2] = 42
        assert cosmic.repair(pixels, night(shift=-6), night(shift=6), OPTICS) == repaired


def test_optics_that_were_found_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "roll").mkdir()
    for number in range(3):
        write_still(tmp_path / f"roll/{number}.png", night(shift=number), EPOCH + Fraction(number))
    stills = scan(tmp_path / "roll").stills
    first = cosmic.measure(stills, identities="a")
    for still in stills:
        Path(still.file.path).unlink()
    again = cosmic.measure(stills, identities="a")
    assert (again, hash(again), repr(again)) == (first, hash(first), repr(first))
    assert first != (nothing := cosmic.measure(stills, identities="b"))
    assert cosmic.measure(stills, CosmicRays(sharp=0.5), identities="a") != first
    for kept in (tmp_path / "cache").rglob("*.json"):
        kept.write_text("{}")
    assert cosmic.measure(stills, identities="a") == nothing


def test_a_strobe_is_no_hit() -> None:
    """It is in one still as well, and in one colour, but the lens has drawn it."""
    lit = night().astype(np.float32)
    ys, xs = np.mgrid[:120, :160]
    lit[..., 0] += 200 * np.exp(-((ys - 60) ** 2 + (xs - 145) ** 2) / (2 * 0.7**2))
    pixels = np.clip(lit, 0, 255).astype(np.uint8)
    same = pixels.copy()
    assert cosmic.repair(pixels, night(shift=-6), night(shift=6), OPTICS) == 0
    np.testing.assert_array_equal(pixels, same)


def test_how_careful_has_to_be_a_share() -> None:
    with pytest.raises(ProjectError, match="sharp"):
        CosmicRays(sharp=0)


@pytest.mark.slow
def test_hits_of_the_simulator_are_repaired(tmp_path: Path) -> None:
    rolls = {}
    for name, rays in (("hit", True), ("clean", False)):
        truth = simulate(
            tmp_path / name, size=(960, 540), interval=Fraction(1, 2), faults=False, workers=1,
            start=MissionTime(Fraction(100)), end=MissionTime(Fraction(106)),
            sensor=Sensor(hot=False, rays=rays),
        )  # fmt: skip
        rolls[name] = scan(tmp_path / name).stills
        assert ("cosmic_rays" in json.dumps(truth)) == rays
        rolls[f"{name} truth"] = truth
    optics = cosmic.measure(rolls["hit"])
    assert optics.as_json()["threshold"] == 30
    with Reader() as reader:
        hit, clean = (
            [decode(reader, still, still.size) for still in rolls[name]]
            for name in ("hit", "clean")
        )
    seen, repaired, changed = 0, 0, 0
    for at, (still, true) in enumerate(zip(hit, clean, strict=True)):
        pixels = still.copy()
        cosmic.repair(pixels, *beside_of(hit, at), optics)
        away = (pixels != still).any(axis=2)
        for x, y, channel in rolls["hit truth"]["stills"][at]["cosmic_rays"]:
            was = abs(int(still[y, x, channel]) - int(true[y, x, channel]))
            now = abs(int(pixels[y, x, channel]) - int(true[y, x, channel]))
            seen += 1
            repaired += now <= max(0.25 * was, 6)
            away[y - 4 : y + 5, x - 4 : x + 5] = False  # what its JPEG has made of it
        changed += int(away.sum())
        assert cosmic.repair(true.copy(), *beside_of(clean, at), optics) == 0
    assert seen > 15
    assert repaired >= 0.9 * seen
    assert changed == 0


# --- real stills


def test_a_real_roll_by_a_lake_stands_still(shared: Path) -> None:
    assert measure(scan(shared / "pylapsy_deshake").stills).idle


@pytest.mark.slow
def test_a_real_roll_from_the_air_has_one_hot_pixel(shared: Path) -> None:
    """At (1675, 3344), 50 levels in every still, over whatever ground; next to nothing else."""
    found = only(measure(scan(shared / "odm_seneca").stills))
    assert (1675, 3344) in cores(found)
    assert len(cores(found)) <= 6
