"""Before and after: each half is the frame it says, and the loupes show where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import EPOCH, write_still
from numpy.typing import NDArray
from PIL import Image

from timelapse import load
from timelapse.cli import main
from timelapse.compare import Comparison, compared
from timelapse.deliver import H264
from timelapse.errors import RenderError
from timelapse.render import Job, still
from timelapse.times import VideoTime

#: Pixels (y, x) of the stored stills that glow.
HOT = ((30, 50), (70, 120))
SIZE = (192, 128)
KNOWN = "hot_pixels: {search: false, known: [[30, 50], [70, 120]]}"

Making = Callable[..., Path]


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def project(tmp_path: Path) -> Making:
    """A project of twelve stills that move, with pixels that glow and light that flickers."""

    def make(
        grade: str = "",
        *,
        orientation: int = 1,
        size: str = "",
        flicker: float = 0.0,
        hot: tuple[tuple[int, int], ...] = HOT,
        more: str = "",
    ) -> Path:
        folder = tmp_path / "roll"
        folder.mkdir()
        rng = np.random.default_rng(3)
        scene = rng.uniform(40, 110, (16, 40)).repeat(8, axis=0).repeat(8, axis=1)
        for number in range(12):
            light = 1 + flicker * (1 if number % 2 else -1)
            pixels = scene[:, 2 * number : 2 * number + SIZE[0]] * light
            stored = np.rint(pixels)[:, :, None].repeat(3, axis=2).astype(np.uint8)
            for y, x in hot:
                stored[y, x] = (255, 60, 255)
            name = folder / f"ISS057-E-{100 + number}.jpg"
            write_still(name, stored, EPOCH + number, orientation=orientation, quality=97)
        path = tmp_path / "p.yaml"
        path.write_text(
            f"roll: {{stills: roll, utc_offset: Z}}\nschedule: {{speed: 25}}\n"
            f"retime: {{blend: nearest}}\ngrade: {{{grade}}}\n"
            f"output: {{rate: 25{f', size: {size}' if size else ''}}}\n{more}",
            encoding="utf-8",
        )
        return path

    return make


def halves(found: Comparison) -> list[NDArray[np.uint8]]:
    """The picture's two frames, without its head, and what is below them."""
    picture, width = found.picture, found.before.shape[1]
    space, head = max(2, width // 96), max(12, width // 24)
    return [picture[head:, left : left + width] for left in (0, width + space)]


def rings(found: Comparison) -> NDArray[np.bool_]:
    """Where rings may be."""
    y, x = np.mgrid[: found.before.shape[0], : found.before.shape[1]]
    near = np.zeros(x.shape, bool)
    for spot in found.spots:
        away = np.hypot(x - spot.x - found.side // 2, y - spot.y - found.side // 2)
        near |= abs(away - found.radius) < 2
    return near


def at(job: Job, number: int = 5) -> VideoTime:
    return VideoTime(Fraction(number) / Fraction(job.plan.timeline.rate))


def test_each_half_is_the_frame_that_it_says(project: Making) -> None:
    job = load(project(KNOWN, flicker=0.03)).job()
    found = compared(job, at(job))
    height, width = found.before.shape[:2]
    free = ~rings(found)
    np.testing.assert_array_equal(found.before, still(job.ungraded(), at(job)))
    np.testing.assert_array_equal(found.after, still(job, at(job)))
    assert (found.before != found.after).any()
    for half, frame in zip(halves(found), (found.before, found.after), strict=True):
        shown = half[:height]
        np.testing.assert_array_equal(shown[free], frame[free])
        assert (shown[~free] != frame[~free]).any()
        assert half.shape[1] == width
        # the row below: each spot, enlarged, from left to right
        large = found.side * found.factor
        below = half[height + max(2, width // 96) :][:large]
        pitch = (width - len(found.spots) * large) / (len(found.spots) + 1)
        for number, spot in enumerate(found.spots):
            left = round(pitch * (number + 1)) + large * number
            square = frame[spot.y : spot.y + found.side, spot.x : spot.x + found.side]
            enlarged = np.kron(square, np.ones((found.factor, found.factor, 1), np.uint8))
            np.testing.assert_array_equal(below[:, left : left + large], enlarged)


def test_what_is_ungraded_is_as_if_the_project_had_no_grade(project: Making) -> None:
    path = project(f"{KNOWN}, deflicker: 4 s", flicker=0.05)
    plain = load(path, [("grade", "{}", "--set")]).job()
    job = load(path).job()
    np.testing.assert_array_equal(still(job.ungraded(), at(job)), still(plain, at(plain)))
    with pytest.raises(RenderError, match="nothing to compare"):
        compared(plain, at(plain))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_loupes_are_on_the_hot_pixels(project: Making, orientation: int) -> None:
    job = load(project(KNOWN, orientation=orientation)).job()
    found = compared(job, at(job))
    stored = np.zeros(SIZE[::-1], np.uint8)
    for place in HOT:
        stored[place] = 1
    turned = _upright(stored, orientation)
    assert turned.shape == found.before.shape[:2]
    assert len(found.spots) == len(HOT)
    middles = {(spot.x + found.side // 2, spot.y + found.side // 2) for spot in found.spots}
    assert middles == {(int(x), int(y)) for y, x in np.argwhere(turned)}
    for x, y in middles:  # they glow before, and not after
        assert found.before[y, x].astype(int)[0] > 200
        assert found.after[y, x].astype(int)[0] < 130


def _upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    turns = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a, 2).T,
        8: np.rot90,
    }
    turned: NDArray[np.uint8] = turns[orientation](stored)  # type: ignore[operator]
    return turned


def test_a_smaller_frame_and_one_at_the_edge(project: Making) -> None:
    edge = ((0, 0), (127, 191), (64, 100))
    known = "hot_pixels: {search: false, known: [[0, 0], [127, 191], [64, 100]]}"
    job = load(project(known, size="96x64", hot=edge)).job()
    found = compared(job, at(job))
    for y, x in ((0, 0), (63, 95), (32, 50)):
        assert any(
            spot.x <= x < spot.x + found.side and spot.y <= y < spot.y + found.side
            for spot in found.spots
        )
    for spot in found.spots:
        assert 0 <= spot.x <= 96 - found.side
        assert 0 <= spot.y <= 64 - found.side


def test_without_hot_pixels_the_loupes_go_where_most_differs(project: Making) -> None:
    job = load(project("deflicker: 4 s", flicker=0.08, hot=())).job()
    found = compared(job, at(job))
    differs = np.abs(found.before.astype(int) - found.after).max(axis=2)
    assert differs.max() >= 4
    assert found.spots
    most = max(
        differs[spot.y : spot.y + found.side, spot.x : spot.x + found.side].max()
        for spot in found.spots
    )
    assert most >= differs.max() - 1


def test_where_nothing_differs_there_is_nothing_to_enlarge(project: Making, tmp_path: Path) -> None:
    path = project("hot_pixels: {search: false, known: [[5, 5]]}", hot=())
    out = tmp_path / "c.png"
    # a known pixel that is as those around it
    done = run("still", path, "--at", "00:00.1", "--compare", "-o", out)
    assert done.exit_code == 0, done.output
    assert "no place differs" in done.stderr
    with Image.open(out) as picture:
        assert picture.size == (2 * 192 + 2, 128 + 12)


@pytest.mark.parametrize("size", ["16x16", "16x64", "64x16", "128x192"])
def test_any_shape_of_frame_can_be_compared(project: Making, size: str) -> None:
    job = load(project(KNOWN, size=size)).job()
    found = compared(job, at(job))
    width, height = map(int, size.split("x"))
    picture = found.picture
    large = found.side * found.factor + 4 if found.spots else 0
    assert picture.shape == (12 + height + large, 2 * width + 2, 3)


def test_a_film_of_overlays_alone_is_compared_with_its_stills(project: Making) -> None:
    job = load(project(KNOWN)).job()
    alone = replace(job, format=replace(H264(), burn="alone"))
    assert (compared(alone, at(job)).before == compared(job, at(job)).before).all()


def test_the_command_writes_both_sides(project: Making, tmp_path: Path) -> None:
    path, out = project(KNOWN), tmp_path / "c.png"
    done = run("still", path, "--at", "frame 5", "--compare", "-o", out)
    assert done.exit_code == 0, done.output
    job = load(path).job()
    found = compared(job, at(job))
    with Image.open(out) as picture:
        np.testing.assert_array_equal(np.asarray(picture), found.picture)
    words = found.picture[:12]
    assert (words.max(axis=2) > 180).any()  # before and after stand above
    done = run("still", path, "--at", "frame 5", "--compare", "-o", out, "--set", "grade={}")
    assert done.exit_code == 1
    assert "the project corrects nothing; write, for instance, grade: {" in done.stderr
    done = run("still", path, "--at", "frame 99", "--compare", "-o", out)
    assert done.exit_code == 1
    assert "the clip has frames 0 to" in done.stderr


def test_where_stills_are_moved_both_squares_show_the_same(project: Making) -> None:
    """Still 1 of a scene that moves by 2 pixels a still is laid over one in the middle."""
    path = project(f"{KNOWN}, stabilise: {{camera: fixed, border: black, model: translation}}")
    job = load(path).job()
    found = compared(job, at(job, 1))
    assert len(found.spots) == len(found.were) == len(HOT)
    middle = found.side // 2
    assert {(s.y + middle, s.x + middle) for s in found.were} == set(HOT)
    for spot, was in zip(found.spots, found.were, strict=True):
        assert abs(spot.x - was.x) >= 6
        assert abs(spot.y - was.y) <= 1
        one, two = (
            frame[s.y : s.y + found.side, s.x : s.x + found.side].astype(int)
            for frame, s in ((found.before, was), (found.after, spot))
        )
        assert one[middle, middle, 0] > 200
        assert two[middle, middle, 0] < 130
        assert np.median(np.abs(one - two)) < 3


# ------------------------------------------------------------------ keograms


def test_two_keograms_before_and_after(project: Making, tmp_path: Path) -> None:
    """At the column of a hot pixel: a line runs through the first, and none through the second;
    stripes of flicker are in the first, and all but gone in the second."""
    path = project(f"{KNOWN}, deflicker: 4 s", flicker=0.06)
    plain, both = tmp_path / "keogram.png", tmp_path / "both.keogram.png"
    column = ["--column", f"{100 * 120.5 / 192:.3f}%", "--width", 240]
    for out, more in ((plain, []), (both, ["--compare"])):
        done = run("export", path, "-o", out, *column, *more)
        assert done.exit_code == 0, done.output
    one = np.asarray(Image.open(plain)).astype(int)
    two = np.asarray(Image.open(both)).astype(int)
    height, head = 60, 12
    assert len(two) == len(one) + height + 2 * head
    before = two[head : head + height]
    after = two[2 * head + height : 2 * (head + height)]
    np.testing.assert_array_equal(before, one[:height])
    np.testing.assert_array_equal(two[2 * (head + height) :], one[height:])
    # 240 pixels are twelve stills; a step is a still
    steps = [part[:, 10::20].mean(axis=(0, 2)) for part in (before, after)]
    rough = [float(np.abs(np.diff(each, 2)).mean()) for each in steps]
    assert rough[1] < 0.35 * rough[0]
    line = 70 * height // 128
    pink = [(part[line, 10::20, 0] - part[line, 10::20, 1]).mean() for part in (before, after)]
    assert pink[0] > 8
    assert abs(pink[1]) < pink[0] / 4  # what JPEG has spread of it stays


@pytest.mark.parametrize("width", [64, 130, 240])
def test_a_narrow_keogram_has_fewer_times(project: Making, tmp_path: Path, width: int) -> None:
    out = tmp_path / "keogram.png"
    done = run("export", project(KNOWN), "-o", out, "--compare", "--width", width)
    assert done.exit_code == 0, done.output
    with Image.open(out) as picture:
        assert picture.size == (width, 2 * (width // 4 + 12) + 12 + 2)


def test_keograms_are_compared_only_where_there_is_a_grade(project: Making, tmp_path: Path) -> None:
    done = run("export", project(), "-o", tmp_path / "keogram.png", "--compare")
    assert done.exit_code == 1
    assert "the project corrects nothing" in done.stderr
    assert not (tmp_path / "keogram.png").exists()


def test_a_keogram_is_compared_only_for_what_it_shows(project: Making, tmp_path: Path) -> None:
    out = tmp_path / "keogram.png"
    done = run("export", project("stabilise: auto, tone: {exposure: 1}"), "-o", out, "--compare")
    assert done.exit_code == 1
    assert "a keogram shows what hot_pixels, deflicker and exposures of sidecars do" in done.stderr
    assert not out.exists()
