"""Optical flow against scenes whose pictures at the times between are known exactly."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from benchmarks.scenes import Light, Sky, night, textured
from timelapse.grade import to_display, to_linear
from timelapse.machine import Buffers, single_threaded_opencv
from timelapse.retime import mix
from timelapse.retime.flow import Between, Dis

SIZE = 480, 270
SHARES = 0.25, 0.5, 0.8
Pair = tuple[Light, Light]


@pytest.fixture(scope="module")
def moving() -> Pair:
    """Two stills of textured things that pass one another."""
    scene = textured(SIZE)
    return scene.at(0), scene.at(1)


@pytest.fixture
def buffers() -> Buffers:
    return Buffers()


def blend(pair: Pair, share: float) -> Light:
    return mix(list(pair), np.array([1 - share, share], np.float32), Buffers())


def psnr(picture: Light, truth: Light) -> float:
    off = to_display(picture).astype(float) - to_display(truth)
    return float(10 * np.log10(255**2 / max(np.mean(off**2), 1e-9)))


def frames(between: Between, shares: tuple[float, ...] = SHARES) -> Iterator[tuple[float, Light]]:
    buffers = Buffers()
    for share in shares:
        yield share, between.at(share, buffers)


# ------------------------------------------------------------------ what moves


@pytest.mark.parametrize("seed", [3, 4, 8])
def test_moving_things_are_far_nearer_to_the_truth_than_blended(
    seed: int, buffers: Buffers
) -> None:
    scene = textured(SIZE, seed)
    pair = scene.at(0), scene.at(1)
    between = Dis().pair(*pair, buffers)
    assert between.trusted > 0.85
    for share, picture in frames(between):
        truth = scene.at(share)
        assert psnr(picture, truth) > psnr(blend(pair, share), truth) + 6
        assert psnr(picture, truth) > 31


def test_large_stills_are_analysed_smaller_and_lose_nothing(buffers: Buffers) -> None:
    scene = textured((1300, 240))
    pair = scene.at(0), scene.at(1)
    between = Dis().pair(*pair, buffers)
    held = sum(field.nbytes for field in between.fields)  # type: ignore[attr-defined]
    assert held <= 3.7 * 1300 * 240
    for share, picture in frames(between):
        truth = scene.at(share)
        assert psnr(picture, truth) > psnr(blend(pair, share), truth) + 6


def test_a_small_thing_that_moves_far_is_found(buffers: Buffers) -> None:
    """Nearly as far as it is wide, before a ground that stands."""
    ground = textured(SIZE, 5).at(0)
    thing = textured((960, 540), 6).at(0)[250:286, 400:436]

    def at(share: float) -> Light:
        picture, left = ground.copy(), 100 + round(30 * share)
        picture[110:146, left : left + 36] = thing
        return picture

    between = Dis().pair(at(0), at(1), buffers)
    found = to_display(between.at(0.5, buffers))[114:142, 119:147].astype(float)
    assert np.abs(found - to_display(at(0.5))[114:142, 119:147]).mean() < 4


def test_what_only_one_still_shows_is_taken_from_it(buffers: Buffers) -> None:
    """A plate moves over a ground that stands: nothing beside its edges is a mixture."""
    ground = textured(SIZE, 5).at(0)
    plate = textured((140, 140), 6).at(0)

    def at(share: float) -> Light:
        picture, left = ground.copy(), 160 + round(20 * share)
        picture[70:210, left : left + 140] = plate
        return picture

    pair = at(0), at(1)
    between = Dis().pair(*pair, buffers)
    picture, truth = between.at(0.5, buffers).copy(), at(0.5)
    # Ground that the second still alone shows, and ground that the first alone shows.
    for columns in (slice(162, 168), slice(312, 318)):
        box = slice(80, 200), columns
        flow, linear = (
            np.abs(to_display(p)[box].astype(int) - to_display(truth)[box]).mean()
            for p in (picture, blend(pair, 0.5))
        )
        assert flow < 0.3 * linear


def test_standing_stills_stay(buffers: Buffers) -> None:
    still = textured(SIZE).at(0)
    between = Dis().pair(still, still.copy(), buffers)
    assert between.trusted == pytest.approx(1, abs=1e-3)
    for _, picture in frames(between):
        assert np.abs(to_display(picture).astype(int) - to_display(still)).max() <= 1


def test_backwards_is_the_same(moving: Pair, buffers: Buffers) -> None:
    there, back = (Dis().pair(*pair, buffers) for pair in (moving, moving[::-1]))
    for share, picture in frames(there):
        assert psnr(picture, back.at(1 - share, buffers)) > 38


def test_mixing_in_display_light_works_alike(buffers: Buffers) -> None:
    scene = textured(SIZE)
    one, other, truth = (to_display(scene.at(at)) * np.uint16(257) for at in (0, 1, 0.5))
    between = Dis("display").pair(one, other, buffers)
    off = (between.at(0.5, buffers).astype(float) - truth) / 257
    assert 10 * np.log10(255**2 / np.mean(off**2)) > 31


# ------------------------------------------------------------------ stars


def boxes(sky: Sky, share: float, picture: Light, reach: float = 45) -> Iterator[np.ndarray]:
    """Light around every bright star that the rocket does not pass."""
    tip = sky.rocket(share)
    for x, y, peak in zip(*sky.stars.where(share), sky.stars.peak, strict=True):
        column, row = round(x), round(y)
        inside = 10 < column < SIZE[0] - 10 and 10 < row < SIZE[1] * 0.75
        on_line = abs(0.6 * x - 0.8 * (y - SIZE[1] * 0.35)) < 8
        if inside and not on_line and peak > 0.04 and np.hypot(x - tip[0], y - tip[1]) > reach:
            yield picture[row - 5 : row + 6, column - 5 : column + 6].sum(axis=2, dtype=float)


def test_stars_that_stand_stand_beside_a_rocket(buffers: Buffers) -> None:
    sky = night(SIZE)
    between = Dis().pair(sky.at(0), sky.at(1), buffers)
    for share, picture in frames(between):
        truth = sky.at(share)
        pairs = list(zip(boxes(sky, share, picture), boxes(sky, share, truth), strict=True))
        assert len(pairs) > 12
        for found, meant in pairs:
            assert np.abs(found - meant).max() < 0.02 * meant.max()
        # The rocket is where it has to be, once: not half as bright in two places.
        x, y = (round(at) for at in sky.rocket(share))
        box = slice(y - 20, y + 20), slice(x - 40, x + 30)
        assert (
            psnr(picture[box], truth[box])
            > psnr(blend((sky.at(0), sky.at(1)), share)[box], truth[box]) + 8
        )


def test_stars_that_turn_stay_points(buffers: Buffers) -> None:
    sky = night(SIZE, turn=0.008)
    pair = sky.at(0), sky.at(1)
    between = Dis().pair(*pair, buffers)
    for share, picture in frames(between):
        truth = sky.at(share)
        found, meant, mixed = (
            list(boxes(sky, share, p)) for p in (picture, truth, blend(pair, share))
        )
        peaks = np.array([f.max() / m.max() for f, m in zip(found, meant, strict=True)])
        assert np.median(peaks) > 0.9
        assert peaks.min() > 0.7
        assert peaks.max() < 1.15
        sums = [f.sum() / m.sum() for f, m in zip(found, meant, strict=True)]
        np.testing.assert_allclose(sums, 1, atol=0.1)  # none is doubled, none is lost
        off = np.mean([np.abs(f - m).max() for f, m in zip(found, meant, strict=True)])
        assert off < 0.4 * np.mean([np.abs(f - m).max() for f, m in zip(mixed, meant, strict=True)])


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_stars_are_not_dragged_along_by_what_passes_them(seed: int, buffers: Buffers) -> None:
    """Many stars close to the rocket, which moves by more than the distance between them."""
    sky = night((960, 540), turn=0.003, seed=seed)
    between = Dis().pair(sky.at(0), sky.at(1), buffers)
    x, y = (round(at) for at in sky.rocket(0.5))
    picture, truth = between.at(0.5, buffers), sky.at(0.5)
    off = np.abs(to_display(picture).astype(int) - to_display(truth)).max(axis=2)
    # Behind the plume's side and ahead of the tip, where the rocket's own light has faded.
    for rows, columns in (
        (slice(y - 60, y - 14), slice(x - 60, x + 60)),
        (slice(y + 32, y + 70), slice(x - 60, x + 60)),
        (slice(y - 14, y + 32), slice(x + 24, x + 70)),
    ):
        assert off[rows, columns].max() < 45


def test_a_thin_line_is_not_torn_by_what_passes(buffers: Buffers) -> None:
    ground = np.full((*SIZE[::-1], 3), 300, np.uint16)
    ground[:, 240:242] = 40_000

    def at(share: float) -> Light:
        # Past the line's end, in front of it, and beside it.
        picture, left = ground.copy(), 190 + round(24 * share)
        picture[100:130, left : left + 22] = textured((22, 30), 6).at(0)
        return picture

    between = Dis().pair(at(0), at(1), buffers)
    for _, picture in frames(between):
        assert np.abs(picture[:, 240:242].astype(int) - 40_000).max() < 400
        assert picture[:, 244:260].max() < 1000


# ------------------------------------------------------------------ what is not to be trusted


def test_cuts_and_flashes_are_blended(moving: Pair, buffers: Buffers) -> None:
    one, other = moving
    sky = night(SIZE).at(0)
    brighter = to_linear(np.clip(to_display(other) * 1.3, 0, 255).astype(np.uint8))
    for pair in (
        (one, textured(SIZE, 12).at(0)),
        (one, brighter),
        (sky, one),
        (sky[:92], night(SIZE, seed=9).at(0)[:92]),  # stars alone, on the same ground
        (sky, np.minimum(sky.astype(int) + 3000, 65535).astype(np.uint16)),
    ):
        between = Dis().pair(*pair, buffers)
        assert between.trusted == 0
        for share, picture in frames(between):
            np.testing.assert_array_equal(picture, blend(pair, share))


def test_what_appears_is_blended_where_it_appears(moving: Pair, buffers: Buffers) -> None:
    """A lamp goes on: it shows at its place, at its share, and nothing else suffers."""
    still = (moving[0] // 2).astype(np.uint16)
    lit = still.copy()
    cv2.circle(lit, (200, 130), 14, (60_000, 60_000, 50_000), -1)
    between = Dis().pair(still, lit, buffers)
    assert between.trusted > 0.9
    for share, picture in frames(between):
        off = picture.astype(int) - blend((still, lit), share)
        assert np.abs(off[118:143, 188:213]).mean() < 0.05 * 65535
        off[100:160, 170:230] = 0
        assert np.abs(off).max() < 400


def test_what_changes_beyond_recognition_is_blended(buffers: Buffers) -> None:
    """A window on a boil, while everything around it moves."""
    scenes = [textured((560, 270), seed).at(0) for seed in (5, 21, 22)]
    pair = tuple(scenes[0][:, left : left + SIZE[0]].copy() for left in (12, 4))
    for still, boil in zip(pair, scenes[1:], strict=True):
        still[80:180, 200:320] = boil[80:180, 200:320]
    between = Dis().pair(pair[0], pair[1], buffers)
    assert between.trusted > 0.8
    box = slice(95, 165), slice(220, 300)
    for share, picture in frames(between):
        off = to_display(picture).astype(int) - to_display(blend((pair[0], pair[1]), share))
        assert np.mean(np.abs(off[box]) <= 1) > 0.85
        assert np.abs(off[:60]).mean() > 4


def test_small_pictures_are_blended(moving: Pair, buffers: Buffers) -> None:
    for height, width in ((1, 1), (1, 700), (63, 300), (300, 63)):
        small = [np.ascontiguousarray(cv2.resize(s, (width, height))) for s in moving]
        between = Dis().pair(small[0], small[1], buffers)
        assert between.trusted == 0
        np.testing.assert_array_equal(between.at(0.3, buffers), blend((small[0], small[1]), 0.3))


@pytest.mark.parametrize("size", [(64, 64), (301, 77), (650, 121), (1291, 163)])
def test_odd_sizes(size: tuple[int, int], buffers: Buffers) -> None:
    scene = textured(size, 4)
    between = Dis().pair(scene.at(0), scene.at(1), buffers)
    for share, picture in frames(between):
        assert picture.shape == (size[1], size[0], 3)
        assert picture.dtype == np.uint16
        blended = psnr(blend((scene.at(0), scene.at(1)), share), scene.at(share))
        assert psnr(picture, scene.at(share)) >= blended - 0.5


@pytest.mark.parametrize("level", [0, 65535])
def test_pictures_of_nothing(level: int, buffers: Buffers) -> None:
    still = np.full((*SIZE[::-1], 3), level, np.uint16)
    between = Dis().pair(still, still.copy(), buffers)
    np.testing.assert_array_equal(between.at(0.4, buffers), still)


# ------------------------------------------------------------------ as a guest


def test_stills_are_not_changed_and_buffers_are_shared(moving: Pair, buffers: Buffers) -> None:
    before = [still.copy() for still in moving]
    for still in moving:
        still.flags.writeable = False
    between = Dis().pair(*moving, buffers)
    first = between.at(0.3, buffers).copy()
    # Another pair, of another size, with the same buffers: the first one does not notice.
    scene = night((350, 200))
    Dis().pair(scene.at(0), scene.at(1), buffers).at(0.6, buffers)
    np.testing.assert_array_equal(between.at(0.3, buffers), first)
    np.testing.assert_array_equal(between.at(0.3, Buffers()), first)
    for still, copy in zip(moving, before, strict=True):
        np.testing.assert_array_equal(still, copy)
        still.flags.writeable = True


def test_threads_do_not_matter(moving: Pair, buffers: Buffers) -> None:
    threads = cv2.getNumThreads()
    found = []
    with single_threaded_opencv():
        found.append(Dis().pair(*moving, buffers).at(0.4, Buffers()))
    try:
        for count in (2, 5):
            cv2.setNumThreads(count)
            found.append(Dis().pair(*moving, buffers).at(0.4, Buffers()))
    finally:
        cv2.setNumThreads(threads)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
