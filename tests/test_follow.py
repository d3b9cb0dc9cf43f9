"""Things that are followed: paths that are known, targets that vanish, and a simulated launch."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import EPOCH, damage, write_still
from hypothesis import given
from hypothesis import strategies as st

from timelapse.errors import ProjectError
from timelapse.ingest import Roll, scan
from timelapse.overlay import follow as following
from timelapse.overlay.follow import Track, follow, keyed
from timelapse.overlay.follow_seek import View, kind_of
from timelapse.simulate import simulate
from timelapse.times import MissionTime

SIZE = (160, 120)
STEP = Fraction(1, 2)
Draw = Callable[[int], np.ndarray]


# ------------------------------------------------------------------ tracks


def test_points_given_by_hand_are_met_and_held() -> None:
    track = keyed([(EPOCH + 10, 5.0, 7.0), (EPOCH, 1.0, 2.0), (EPOCH + 14, 5.0, 3.0)])
    x, y, seen = track.at([EPOCH - 9, EPOCH, EPOCH + 10, EPOCH + 14, EPOCH + 99])
    assert x.tolist() == [1, 1, 5, 5, 5]
    assert y.tolist() == [2, 2, 7, 3, 3]
    assert seen.all()


@pytest.mark.parametrize(("way", "quarter"), [("straight", 0.25), ("eased", 5 / 32)])
def test_ways_between_two_points(way: Any, quarter: float) -> None:
    track = keyed([(EPOCH, 0.0, 0.0), (EPOCH + 4, 1.0, -1.0)], way)
    x, y, _ = track.at([EPOCH + 1, EPOCH + 2, EPOCH + 3])
    np.testing.assert_allclose(x, [quarter, 0.5, 1 - quarter])
    np.testing.assert_allclose(y, -x)


def test_one_point_stays_and_none_is_refused() -> None:
    x, y, seen = keyed([(EPOCH, 3.0, 4.0)]).at([EPOCH - 1, EPOCH + 1])
    assert (x.tolist(), y.tolist(), seen.tolist()) == ([3, 3], [4, 4], [True, True])
    with pytest.raises(ValueError, match="at least one"):
        keyed([])


def test_times_are_exact_or_seconds_since_1970() -> None:
    track = keyed([(EPOCH, 0.0, 0.0), (EPOCH + 3, 3.0, 0.0)], "straight")
    third = EPOCH + Fraction(1, 3)
    times: list[Any] = [[third], [third.seconds], np.array([float(third.seconds)])]
    for given_as in times:
        assert track.at(given_as)[0] == pytest.approx([1 / 3], abs=1e-6)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12))
def test_a_smooth_way_never_swings_past_its_points(values: list[float]) -> None:
    track = keyed([(EPOCH + k, value, -value) for k, value in enumerate(values)])
    start = float(EPOCH.seconds)
    for k, (a, b) in enumerate(pairwise(values)):
        x, y, _ = track.at(start + k + np.linspace(0, 1, 9))
        assert min(a, b) - 1e-4 <= x.min()
        assert x.max() <= max(a, b) + 1e-4
        np.testing.assert_allclose(y, -x, atol=1e-9)


def found_at(pattern: str, bridge: float = 2.5) -> Track:
    """A track of stills a second apart, with an `x` where the thing was found."""
    found = np.array([mark == "x" for mark in pattern])
    seconds = np.arange(len(found), dtype=float)
    x = np.where(found, seconds, np.nan)
    return Track(EPOCH, seconds, x, x, found, found * 1.0, bridge=bridge, margin=0.5)


def test_short_losses_are_bridged_and_long_ones_are_not() -> None:
    track = found_at("-xx-xx---x--")
    zero = float(EPOCH.seconds)
    assert [(s.start - zero, s.stop - zero, s.state) for s in track.spans] == [
        (0, 0.5, "lost"), (0.5, 2, "seen"), (2, 4, "bridged"), (4, 5.5, "seen"),
        (5.5, 8.5, "lost"), (8.5, 9.5, "seen"), (9.5, 11, "lost"),
    ]  # fmt: skip
    times = zero + np.array([0.4, 0.6, 1.5, 3, 5.4, 5.6, 7, 8.4, 8.6, 9.4, 9.6])
    x, _, seen = track.at(times)
    assert seen.tolist() == [False, *[True] * 4, *[False] * 3, True, True, False]
    np.testing.assert_allclose(x[seen], [1, 1.5, 3, 5, 9, 9], atol=1e-6)
    assert np.isnan(x[~seen]).all()


def test_nothing_found_is_nothing_seen() -> None:
    track = found_at("----")
    assert not track.at([EPOCH, EPOCH + 2])[2].any()
    assert [span.state for span in track.spans] == ["lost"]


# ------------------------------------------------------------------ following


def shot(folder: Path, draw: Draw, count: int, broken: Sequence[int] = ()) -> Roll:
    """A roll of what `draw` gives for each number: gray or RGB, 0 to 255."""
    folder.mkdir()
    for k in range(count):
        pixels = np.clip(np.rint(draw(k)), 0, 255).astype(np.uint8)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        ending = "jpg" if k in broken else "png"
        path = write_still(folder / f"s{k:04d}.{ending}", pixels, EPOCH + k * STEP)
        if k in broken:
            damage(path)
    return scan(folder)


def texture(seed: int, size: tuple[int, int], spread: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal(size[::-1]), (0, 0), spread)
    return np.asarray(20 + 210 * (rough - rough.min()) / np.ptp(rough))


def wander(seed: int, count: int) -> np.ndarray:
    """A smooth random path through the middle of the picture, count x 2."""
    rng = np.random.default_rng(seed)
    when = np.arange(count)[:, None] / count
    waves = rng.uniform(0.5, 2.5, (3, 2)), rng.uniform(0, 2 * np.pi, (3, 2))
    path = sum(np.sin(2 * np.pi * w * when + p) for w, p in zip(*waves, strict=True))
    return np.asarray(np.array(SIZE) / 2 + np.asarray(path) * np.array([12, 9]))


def pasted(seed: int, path: np.ndarray, hidden: Sequence[int] = ()) -> Draw:
    """A textured disc that moves over other texture, with noise, and is away in `hidden`."""
    ground, disc = texture(seed, SIZE, 6), texture(seed + 1, (41, 41), 2)
    offset = np.arange(41) - 20
    mask = np.clip(13 - np.hypot(offset[:, None], offset[None, :]), 0, 1)

    def draw(k: int) -> np.ndarray:
        x, y = path[k] - 20
        move = np.array([[1, 0, x], [0, 1, y]])
        seen, cover = (cv2.warpAffine(v, move, SIZE, flags=cv2.INTER_CUBIC) for v in (disc, mask))
        picture = ground if k in hidden else ground * (1 - cover) + seen * cover
        grain = np.random.default_rng((seed, k)).normal(0, 3, picture.shape)
        return np.asarray(picture * (1 + 0.2 * np.sin(k / 9)) + grain)

    return draw


def spots(path: np.ndarray, level: np.ndarray, seed: int = 0, stars: float = 40) -> Draw:
    """A light of some brightness among steady stars, with noise."""
    rng = np.random.default_rng(seed)
    sky, y, x = rng.uniform(0, 1, (25, 2)) * SIZE, *np.mgrid[: SIZE[1], : SIZE[0]]

    def spot(at: np.ndarray, height: float) -> np.ndarray:
        return np.asarray(height * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 1.3**2)))

    ground = 12 + sum(spot(star, stars) for star in sky)

    def draw(k: int) -> np.ndarray:
        grain = np.random.default_rng((seed, k)).normal(0, 4, SIZE[::-1])
        return np.asarray(ground + spot(path[k], level[k]) + grain)

    return draw


def start(roll: Roll, path: np.ndarray, at: int) -> tuple[Any, float, float]:
    return (roll.stills[at].captured, float(path[at, 0]), float(path[at, 1]))


def off(track: Track, path: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(track.x - path[:, 0], track.y - path[:, 1]))


@pytest.mark.parametrize("seed", range(4))
def test_a_textured_thing_is_found_to_a_fifth_of_a_pixel(tmp_path: Path, seed: int) -> None:
    path = wander(seed, 50)
    roll = shot(tmp_path / "roll", pasted(seed, path), 50)
    track = follow(roll.stills, [start(roll, path, 20)], box=24)
    assert track.found.all()
    assert np.sqrt(np.mean(off(track, path) ** 2)) < 0.2
    x, y, seen = track.at([still.captured for still in roll.stills])
    assert seen.all()
    np.testing.assert_allclose(np.stack([x, y]), np.stack([track.x, track.y]), atol=1e-3)


def test_a_thing_that_vanishes_is_lost_and_found_again(tmp_path: Path) -> None:
    path = wander(5, 40)
    roll = shot(tmp_path / "roll", pasted(5, path, range(18, 26)), 40)
    track = follow(roll.stills, [start(roll, path, 4)], box=24)
    assert track.found[:18].all()
    assert not track.found[18:26].any()
    assert track.found[29:].all()
    assert np.nanmax(off(track, path)) < 1
    assert "lost" in {span.state for span in track.spans}


def test_a_thing_that_is_gone_stays_lost(tmp_path: Path) -> None:
    path = wander(6, 40)
    roll = shot(tmp_path / "roll", pasted(6, path, range(15, 40)), 40)
    track = follow(roll.stills, [start(roll, path, 7)], box=24)
    assert track.found.tolist() == [True] * 15 + [False] * 25
    assert np.isnan(track.x[15:]).all()


def test_a_light_that_fades_is_followed_until_it_is_in_the_noise(tmp_path: Path) -> None:
    path = wander(7, 60)
    level = np.where(np.arange(60) < 40, 200 * 0.93 ** np.arange(60), 0)  # 12 at the last
    roll = shot(tmp_path / "roll", spots(path, level, stars=12), 60)
    track = follow(roll.stills, [start(roll, path, 0)])
    strong = level > 30  # 7 times the noise
    assert track.found[strong].all()
    assert not track.found[level == 0].any()
    assert off(track, path)[strong].max() < 1
    assert np.nanmax(off(track, path)) < 2


def test_a_light_is_held_when_the_camera_shakes(tmp_path: Path) -> None:
    path = np.array(SIZE) / 2 + np.random.default_rng(4).normal(0, 2, (40, 2))
    roll = shot(tmp_path / "roll", spots(path, np.full(40, 180.0)), 40)
    track = follow(roll.stills, [start(roll, path, 20)])
    assert track.found.mean() > 0.95
    assert np.nanmax(off(track, path)) < 0.5


def test_a_star_that_passes_is_not_taken_for_it(tmp_path: Path) -> None:
    when = np.arange(60.0)
    path = np.stack([40 + 0.5 * when, 60 + 0.2 * when], axis=1)
    star = np.stack([85 - 0.9 * when, 66 + 0 * when], axis=1)  # they meet at still 32
    both = np.full(60, 120.0)
    draw, other = spots(path, both, stars=8), spots(star, both, stars=8)
    bare = spots(star, 0 * both, stars=8)
    roll = shot(tmp_path / "roll", lambda k: draw(k) + other(k) - bare(k), 60)
    track = follow(roll.stills, [start(roll, path, 2)])
    assert np.hypot(*(path - star).T).min() < 0.5
    assert track.found.mean() > 0.9
    assert np.nanmax(off(track, path)) < 2
    assert off(track, path)[-15:].max() < 0.3


def test_a_white_light_is_told_from_coloured_glow(tmp_path: Path) -> None:
    path = wander(9, 60)[:20]
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]

    def draw(k: int) -> np.ndarray:
        def spot(at: np.ndarray, height: float, wide: float) -> np.ndarray:
            far = (x - at[0]) ** 2 + (y - at[1]) ** 2
            return np.asarray(height * np.exp(-far / (2 * wide**2)))

        beside = path[k] + 4 * np.array([np.cos(k / 3), np.sin(k / 3)])
        white, glow = spot(path[k], 400, 1.5), spot(beside, 600, 4)
        return np.stack([white + 0.1 * glow, white + 0.9 * glow, white + glow], axis=2)

    roll = shot(tmp_path / "roll", draw, 20)
    track = follow(roll.stills, [start(roll, path, 0)], box=40)
    assert track.found.all()
    assert off(track, path).max() < 0.4  # 1.3 by luma


def test_between_two_points_the_track_meets_both(tmp_path: Path) -> None:
    path = wander(10, 40)
    roll = shot(tmp_path / "roll", spots(path, np.full(40, 180.0)), 40, broken=[12])
    starts = [start(roll, path + 0.8, 3), start(roll, path - 0.8, 33)]
    told: list[tuple[int, int]] = []
    track = follow(roll.stills, starts, progress=lambda done, of: told.append((done, of)))
    assert np.flatnonzero(~track.found).tolist() == [12]
    places = np.stack([track.x, track.y], axis=1)
    np.testing.assert_allclose(places[3], path[3] + 0.8, atol=1e-6)
    np.testing.assert_allclose(places[33], path[33] - 0.8, atol=1e-6)
    np.testing.assert_allclose(places[18], path[18], atol=0.3)
    assert track.at([roll.stills[12].captured])[2].all()  # bridged
    assert told[-1] == (40, 40)


def test_a_way_that_takes_a_wrong_turn_is_not_believed() -> None:
    rows = np.ones((6, 4))
    rows[:, 0], rows[:, 1] = np.arange(6), 0
    strayed = rows.copy()
    strayed[3:, 1] = 50
    start, goal = np.array([0.0, 0.0]), np.array([5.0, 0.0])
    np.testing.assert_allclose(following.tied(strayed, rows, start, goal, 2), rows)
    np.testing.assert_allclose(following.tied(rows, rows, start, goal, 2), rows)
    # Where both stray, what they say for certain is where they agree, and up to a loss.
    other = rows.copy()
    other[:2, 1] = -50
    both = following.tied(strayed, other, start, goal, 2)
    assert both[:, 2].tolist() == [False, False, True, False, False, False]
    lost = strayed.copy()
    lost[3:, 2] = 0
    other[:2, 2] = 0
    both = following.tied(lost, other, start, goal, 2)
    np.testing.assert_allclose(both, rows)


def test_what_was_found_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    path = wander(11, 12)
    roll = shot(tmp_path / "roll", spots(path, np.full(12, 180.0)), 12)
    first = follow(roll.stills, [start(roll, path, 5)])
    kept = list((tmp_path / "cache" / "tracks").iterdir())
    assert len(kept) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("looked again")

    with monkeypatch.context() as patch:
        patch.setattr(following, "Pictures", refuse)
        again = follow(roll.stills, [start(roll, path, 5)])
        np.testing.assert_array_equal(first.x, again.x)
        with pytest.raises(AssertionError, match="looked again"):
            follow(roll.stills, [start(roll, path, 5)], box=20)
    kept[0].write_bytes(b"no track")
    np.testing.assert_array_equal(follow(roll.stills, [start(roll, path, 5)]).x, first.x)


def test_points_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    roll = shot(tmp_path / "roll", spots(wander(12, 2), np.full(2, 180.0)), 2)
    with pytest.raises(ProjectError, match=r"\[160, 5\] lies outside the stills of 160x120"):
        follow(roll.stills, [(EPOCH, 160.0, 5.0)])
    with pytest.raises(ProjectError, match="nothing to follow"):
        follow(roll.stills, [])


def test_texture_is_no_light() -> None:
    middle = np.array([80.0, 60.0])
    for seed in range(20):
        view = View.whole(texture(seed, SIZE, 1 + seed / 8).astype(np.uint8))
        assert kind_of(view, middle, 12) == "pattern"
    one = spots(np.array([middle]), np.array([180.0]))(0).astype(np.uint8)
    assert kind_of(View.whole(one), middle, 12) == "light"


# ------------------------------------------------------------------ a launch


def flown(folder: Path, starts: Sequence[float], **given: Any) -> tuple[np.ndarray, ...]:
    """Seconds, error, whether found, and whether there is a plume, of each still of a flight."""
    truth: Any = simulate(folder, **given)
    stills = {still["file"]: still for still in truth["stills"]}
    roll = scan(folder)
    rows = [stills[still.name] for still in roll.stills]
    seconds = np.array([row["mission_s"] for row in rows])
    plume = np.array([row["plume"] or (np.nan, np.nan) for row in rows])
    at = [int(np.argmin(abs(seconds - t))) for t in starts]
    track = follow(roll.stills, [start(roll, plume, k) for k in at])
    return seconds, off(track, plume), track.found, ~np.isnan(plume[:, 0])


def test_the_plume_is_followed_through_the_separation_of_the_boosters(tmp_path: Path) -> None:
    _, error, found, there = flown(
        tmp_path, [130], size=(480, 270), faults=False,
        start=MissionTime(Fraction(108)), end=MissionTime(Fraction(136)),
    )  # fmt: skip
    assert there.all()
    assert found.all()
    assert error.max() < 2


@pytest.mark.slow
def test_the_plume_is_followed_through_the_whole_flight(tmp_path: Path) -> None:
    seconds, error, found, there = flown(tmp_path, [300])
    assert found[there].mean() > 0.99
    assert error[found & there].max() < 2
    assert np.median(error[found & there]) < 0.3
    # Before ignition the lamps of the pad stand in its place, and look the same: no more than that.
    assert not (found & ~there & (seconds > -3.9)).any()
