"""The simulated roll against its own truth: files, times, faults and pixels."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from timelapse.errors import PlanError, RollError, TimeError, TimelapseError
from timelapse.simulate import roll as roll_module
from timelapse.simulate import simulate
from timelapse.simulate.camera import exif_block
from timelapse.simulate.geometry import STATION_RADIUS, pad_position, view
from timelapse.simulate.rocket import CORE_BURN_UP, Rocket
from timelapse.simulate.roll import _capture_times, _place_faults
from timelapse.times import MissionTime, Seconds

SIZE = (160, 90)
SPAN: dict[str, Any] = {
    "size": SIZE,
    "start": MissionTime(Fraction(50)),
    "end": MissionTime(Fraction(68)),
    "workers": 1,
}
MILESTONES = (0.0, 117.8, 287.3, 520.0, 528.5)


def pixels(path: Path) -> np.ndarray:
    """Return a still as RGB, float64, shape (h, w, 3)."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), float)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a roll of 18 s about T+60 s, with all faults, and its truth."""
    folder = tmp_path_factory.mktemp("roll") / "stills"
    seen: list[tuple[int, int]] = []
    truth = simulate(folder, **SPAN, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(k + 1, len(truth["stills"])) for k in range(len(truth["stills"]))]  # type: ignore[arg-type]
    return folder, truth


def test_truth_is_what_was_written(roll: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = roll
    assert json.loads((folder / "truth.json").read_text()) == truth
    assert truth["complete"] is True
    listed = {s["file"] for s in truth["stills"]} | {d["file"] for d in truth["duplicates"]}
    assert {path.name for path in folder.iterdir()} == listed | {"truth.json"}
    assert truth["epoch"] == "2018-11-16T18:14:08Z"
    simulator = truth["simulator"]
    assert [simulator[key] for key in ("interval_s", "start_s", "end_s")] == [0.5, 50.0, 68.0]


@pytest.mark.slow
def test_same_arguments_give_the_same_bytes(
    roll: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    simulate(tmp_path / "two", **{**SPAN, "workers": 2})
    assert contents(tmp_path / "two") == contents(roll[0])


@pytest.mark.slow
def test_another_seed_gives_another_roll(roll: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    span = {**SPAN, "end": MissionTime(Fraction(51))}
    truth = simulate(tmp_path, **span, seed=11, faults=False)
    assert truth["gap"] is None
    assert truth["duplicates"] == truth["truncated"] == []
    assert len(contents(tmp_path)) == 3
    other = contents(tmp_path)["ISS057-E-9990.JPG"]
    assert other != (roll[0] / "ISS057-E-9990.JPG").read_bytes()


def test_hot_pixels_stay_and_the_rocket_moves(roll: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = roll
    whole = [s for s in truth["stills"] if s["file"] not in truth["truncated"]]
    stack = np.stack([pixels(folder / s["file"]) for s in whole])
    typical = np.median(stack, axis=0)
    hot = truth["hot_pixels"]
    assert 0.0005 <= len(hot) / (SIZE[0] * SIZE[1]) <= 0.002
    assert len({(x, y) for x, y, _ in hot}) == len(hot)
    inside = [(x, y, c) for x, y, c in hot if 0 < x < SIZE[0] - 1 and 0 < y < SIZE[1] - 1]
    assert len(inside) >= 10
    # Brighter than its surroundings all through the roll, though the scene moves below it.
    around = [np.median(typical[y - 1 : y + 2, x - 1 : x + 2, c]) for x, y, c in inside]
    excess = np.array([typical[y, x, c] for x, y, c in inside]) - around
    assert excess.min() > 3
    assert np.median(excess) > 12

    near = min(whole, key=lambda s: abs(s["mission_s"] - 60))
    light = pixels(folder / near["file"]).sum(axis=2)
    for x, y, _ in hot:
        light[y, x] = 0
    x, y = near["rocket"]
    nine = sum(np.roll(light, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    top, left = np.unravel_index(np.argmax(nine), nine.shape)
    assert np.hypot(left - x, top - y) <= 2


def test_exif_carries_the_wrong_clock_and_not_the_day_of_the_resave(
    roll: tuple[Path, dict[str, Any]],
) -> None:
    folder, truth = roll
    assert truth["clock_correction_s"] == -13.0
    for still in truth["stills"][:5]:
        with Image.open(folder / still["file"]) as picture:
            top, exif = dict(picture.getexif()), picture.getexif().get_ifd(0x8769)
        by_camera = datetime.strptime(exif[0x9003], "%Y:%m:%d %H:%M:%S")
        by_camera += timedelta(milliseconds=10 * int(exif[0x9291]))
        true = datetime.strptime(still["captured"], "%Y-%m-%dT%H:%M:%S.%fZ")
        assert by_camera - true == timedelta(seconds=13)
        assert true - datetime(2018, 11, 16, 18, 14, 8) == timedelta(seconds=still["mission_s"])
        assert exif[0x9004] == exif[0x9003]
        assert 0x9011 not in exif  # OffsetTimeOriginal: a D5 has none
        resaved = datetime.strptime(top[0x0132], "%Y:%m:%d %H:%M:%S")
        assert resaved - true > timedelta(days=7)
        assert (top[0x010F], top[0x0110]) == ("NIKON CORPORATION", "NIKON D5")
        assert top[0x013B] == "Simulated"
        assert top[0x0112] == 1
        assert exif[0x829A] == Fraction(1, 5)


def test_exif_block_keeps_single_digit_hundredths() -> None:
    block = exif_block(datetime(2018, 11, 16, 18, 14, 8, 70_000), datetime(2018, 12, 6))
    exif = Image.Exif()
    exif.load(block)
    assert exif.get_ifd(0x8769)[0x9291] == "07"
    assert exif[0x0132] == "2018:12:06 00:00:00"


def test_the_faults_are_those_of_the_truth(roll: tuple[Path, dict[str, Any]]) -> None:
    folder, truth = roll
    (duplicate,) = truth["duplicates"]
    assert duplicate["file"] == duplicate["of"].replace(".JPG", " (1).JPG")
    assert (folder / duplicate["file"]).read_bytes() == (folder / duplicate["of"]).read_bytes()

    (cut,) = truth["truncated"]
    data = (folder / cut).read_bytes()
    assert not data.endswith(b"\xff\xd9")
    with Image.open(BytesIO(data)) as picture, pytest.raises(OSError, match="truncated"):
        picture.load()

    gap, times = truth["gap"], {s["file"]: s["mission_s"] for s in truth["stills"]}
    assert times[gap["before"]] - times[gap["after"]] == pytest.approx(gap["seconds"], abs=1e-9)
    assert len(times) + gap["missing"] == 36
    assert gap["missing"] == 6  # a sixth of so short a roll
    assert gap["seconds"] == pytest.approx((gap["missing"] + 1) * 0.5, abs=0.1)
    numbers = [int(name.removesuffix(".JPG").rpartition("-")[2]) for name in times]
    assert [b - a for a, b in pairwise(numbers) if b - a > 1] == [gap["missing"] + 1]
    assert min(numbers) == 9990
    assert max(numbers) > 9999


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [("1/2", -10, 1000), ("1/2", 100, 130), ("3", -120, 1200), ("1", 286, 292), ("1/20", 520, 524)],
)
def test_times_rise_and_faults_keep_clear_of_milestones(
    interval: str, start: int, end: int
) -> None:
    step = Fraction(interval)
    times = _capture_times(10, step, Fraction(start), Fraction(end))
    assert len(times) == -(-(end - start) // step)
    assert all(a < b for a, b in pairwise(times))
    assert all((t * 100).denominator == 1 for t in times)
    assert all(abs(t - (start + k * step)) <= Fraction(35, 1000) for k, t in enumerate(times))
    faults = _place_faults(times, step)
    spans = [(k - 1, k + 1) for k in (faults.duplicate, faults.truncated) if k is not None]
    if faults.gap is not None:
        spans.append((faults.gap[0] - 1, faults.gap[1]))
    for first, last in spans:
        assert all(not times[first] - 2 < at < times[last] + 2 for at in map(Fraction, MILESTONES))
    if end - start > 1000:
        assert faults.gap is not None
        hole = times[faults.gap[1]] - times[faults.gap[0] - 1]
        assert 8 <= hole <= 12
        assert len(spans) == 3


def test_the_scene_holds_to_the_facts() -> None:
    pad = pad_position()
    at_lift_off = view(0.0, SIZE).position
    sight = at_lift_off - pad
    assert np.linalg.norm(sight) == pytest.approx(422, abs=0.1)
    assert np.linalg.norm(at_lift_off) == pytest.approx(STATION_RADIUS)
    elevation = np.degrees(np.arcsin(sight @ pad / np.linalg.norm(sight) / np.linalg.norm(pad)))
    assert elevation == pytest.approx(74, abs=1)
    distance = [np.linalg.norm(view(t, SIZE).position - pad) for t in (14.0, 15.0, 16.0)]
    assert min(distance) == distance[1]

    rocket = Rocket()
    times = np.arange(-10.0, 1000.0)
    margin = SIZE[0] * 0.1
    for t in times:
        x, y, _, visible = view(t, SIZE).project(rocket.position(t)[None])
        assert visible[0]
        if t <= 540:
            assert margin < x[0] < SIZE[0] - margin
            assert SIZE[1] * 0.1 < y[0] < SIZE[1] * 0.9
    burning = np.linalg.norm(rocket.core(CORE_BURN_UP)) - 6371
    assert 70 < burning < 110


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write short files in place of pictures, where the pictures do not matter."""

    def take(_size: object, _seed: int, shots: list[Any], *_: object) -> Iterator[None]:
        for shot in shots:
            shot.path.write_bytes(b"a still")
            yield None

    monkeypatch.setattr(roll_module, "take", take)


@pytest.mark.usefixtures("no_pictures")
def test_a_simulated_roll_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    span = {**SPAN, "end": MissionTime(Fraction(51)), "size": (64, 36), "faults": False}
    (tmp_path / "notes.txt").write_text("mine")
    simulate(tmp_path, **span)
    simulate(tmp_path, **{**span, "end": MissionTime(Fraction(101, 2))})
    assert sorted(contents(tmp_path)) == ["ISS057-E-9990.JPG", "notes.txt", "truth.json"]

    (tmp_path / "ISS057-E-5.JPG").write_bytes(b"mine")
    before = contents(tmp_path)
    with pytest.raises(RollError, match=r"holds other stills \(ISS057-E-5.JPG\)"):
        simulate(tmp_path, **span)
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("no_pictures")
def test_an_interrupted_roll_is_replaced(tmp_path: Path) -> None:
    def stop(done: int, _of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, **SPAN, progress=stop)
    assert json.loads((tmp_path / "truth.json").read_text())["complete"] is False
    simulate(tmp_path, **SPAN, faults=False)
    assert len(contents(tmp_path)) == 37


@pytest.mark.usefixtures("no_pictures")
def test_a_disk_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(RollError, match=r"roll: cannot write .* No space left"):
        simulate(tmp_path / "roll", **SPAN)


@pytest.mark.usefixtures("no_pictures")
def test_a_truth_cannot_name_files_outside_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "ISS057-E-1.JPG"
    outside.write_bytes(b"mine")
    folder = tmp_path / "roll"
    folder.mkdir()
    truth = {
        "simulator": {"made_by": "timelapse.simulate"},
        "stills": [{"file": "../ISS057-E-1.JPG"}],
        "duplicates": [],
    }
    (folder / "truth.json").write_text(json.dumps(truth))
    simulate(folder, **{**SPAN, "end": MissionTime(Fraction(101, 2)), "size": (64, 36)})
    assert outside.read_bytes() == b"mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RollError, match="is a file; name a folder"):
        simulate(tmp_path / "file", **SPAN)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"size": (62, 36)}, PlanError, "size 62x36: .* even sizes from 64x36 on"),
        ({"size": (40, 32)}, PlanError, "size 40x32: .*; write 960x540"),
        ({"size": (160, 91)}, PlanError, "size 160x91: .* even sizes"),
        ({"size": (90, 160)}, PlanError, "size 90x160: .* between 1:1 and 3:1; write 960x540"),
        ({"interval": Fraction(0)}, TimeError, "interval 0 s: .*; write 0.05 s or more"),
        ({"interval": Seconds(0)}, TimeError, "interval 0 s: too short"),
        ({"interval": Fraction(-5, 2)}, TimeError, "interval -2.5 s: too short"),
        ({"interval": Seconds(1, 1000)}, TimeError, "interval 0.001 s: too short"),
        ({"end": MissionTime(Fraction(50))}, TimeError, r"end T\+50 s: .* the start, T\+50 s"),
        ({"start": MissionTime(Fraction(99))}, TimeError, r"end T\+68 s: .*; write a later end"),
        ({"start": MissionTime(Fraction(-500))}, TimeError, r"start T-500 s: .* from T-120 s to"),
        ({"end": MissionTime(Fraction(5000))}, TimeError, r"end T\+5000 s: .* to T\+1200 s; write"),
        ({"seed": -1}, PlanError, "seed -1: it is negative; write"),
        ({"workers": 0}, PlanError, "workers 0: .*; give at least 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    wrong: dict[str, Any], error: type[TimelapseError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=f"^{message}") as caught:
        simulate(tmp_path / "roll", **{**SPAN, **wrong})
    assert isinstance(caught.value, ValueError)
    assert " s s" not in str(caught.value)
    assert not (tmp_path / "roll").exists()
