"""Stabilise: what is left of shaking in the pictures that come out, measured in their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import EPOCH, write_still
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade import Focus, Framing, Move, Pose, Size
from timelapse.grade.motion import Motion
from timelapse.grade.path import Numbers, seen, shaking, widest
from timelapse.grade.register import Register, measure
from timelapse.grade.steady import Stabilise, Steadied, steadied
from timelapse.ingest import Reader, Still, decode, scan
from timelapse.machine import Buffers
from timelapse.times import Seconds
from timelapse.written import Instant

Floats = NDArray[np.float64]
SIZE = (480, 320)
MIDDLE = np.array(SIZE) / 2
COUNT = 60
#: Discs of the world, from the middle of what the reference shows of it.
DISCS = np.array([[x, y] for x in (-130, -45, 50, 125) for y in (-75, 5, 80)], np.float64)


def similar(shift: Any, degrees: Any = 0.0, scale: Any = 1.0) -> Floats:
    """Matrices, N x 3 x 3, that turn and enlarge about the middle of a still, then shift."""
    shift = np.atleast_2d(np.asarray(shift, np.float64))
    turn = np.radians(np.broadcast_to(degrees, len(shift)))
    onto = np.tile(np.eye(3), (len(shift), 1, 1))
    onto[:, 0, 0] = onto[:, 1, 1] = scale * np.cos(turn)
    onto[:, 1, 0], onto[:, 0, 1] = scale * np.sin(turn), -scale * np.sin(turn)
    onto[:, :2, 2] = MIDDLE - onto[:, :2, :2] @ MIDDLE + shift
    return onto


def shaken(seed: int, spread: float = 4.0, turns: float = 0.0, scales: float = 0.0) -> Floats:
    random = np.random.default_rng(seed)
    shift, turn = random.normal(0, spread, (COUNT, 2)), random.normal(0, turns, COUNT)
    scale = np.exp(random.normal(0, scales, COUNT))
    shift[0] = turn[0] = 0
    scale[0] = 1
    return similar(shift, turn, scale)


def motion(onto: Floats, noise: float = 0.0, seed: int = 1) -> Motion:
    """What is measured of it, each corner with some noise."""
    numbers = Numbers.of(onto, SIZE)
    rows = numbers.read(onto)
    rows[1:] += np.random.default_rng(seed).normal(0, noise, rows[1:].shape)
    return Motion(SIZE, numbers.matrices(rows), np.ones(len(onto)), 0, 3 * noise)


def seconds(count: int = COUNT) -> list[float]:
    return [2.0 * at for at in range(count)]


@pytest.fixture(scope="module")
def world() -> NDArray[np.uint8]:
    """A textured picture, its middle that of the first still, with a disc at each of `DISCS`."""
    import cv2

    random = np.random.default_rng(20181116)
    texture = np.zeros((1000, 1600), np.float32)
    for coarse in (2.0, 6.0, 20.0):
        grain = cv2.GaussianBlur(random.normal(0, 1, texture.shape), (0, 0), coarse)
        texture += (grain / grain.std()).astype(np.float32)
    grey = np.clip(60 + 12 * texture, 0, 110)
    y, x = np.mgrid[:1000, :1600] + 0.5
    for across, down in np.add(DISCS, [800, 500]):
        away = np.hypot(x - across, y - down)
        grey = np.maximum(grey, 240 * np.clip(7.5 - away, 0, 1))
    colours = grey[:, :, None] * [1.0, 0.95, 0.9]
    return np.rint(colours).astype(np.uint8)


def shot(folder: Path, world: NDArray[np.uint8], onto: Floats) -> tuple[Still, ...]:
    """A roll of that scene; `onto` takes places in its stills to the first."""
    import cv2

    folder.mkdir()
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    place = np.array([[1, 0, 800 - MIDDLE[0]], [0, 1, 500 - MIDDLE[1]], [0, 0, 1]])
    for number, matrix in enumerate(onto):
        back = half @ place @ matrix @ np.linalg.inv(half)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        still = cv2.warpPerspective(world, back, SIZE, None, how)
        write_still(folder / f"s{number:03}.jpg", still, EPOCH + 2 * number)
    return scan(str(folder)).stills


def decoded(stills: Sequence[Still]) -> list[NDArray[np.uint8]]:
    with Reader() as reader:
        return [decode(reader, still, still.size) for still in stills]


def discs(picture: NDArray[Any], near: Floats, reaches: Sequence[int] = (18, 11)) -> Floats:
    """The middles of the discs around some places, K x 2, where pixel 0 reaches from 0 to 1; NaN
    where one is not whole in the picture."""
    found = near.astype(float)
    for reach in reaches:
        places = np.arange(-reach, reach + 1) + 0.5
        for row in np.flatnonzero(np.isfinite(found[:, 0])):
            x, y = (round(at - 0.5) for at in found[row].tolist())
            part = picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1, 0]
            light = np.clip(part.astype(float) - 125, 0, None)
            if part.shape != (len(places), len(places)) or not light.any():
                found[row] = np.nan
                continue
            total = light.sum()
            found[row] = x + light.sum(0) @ places / total, y + light.sum(1) @ places / total
    return found


def rendered(
    stills: Sequence[NDArray[np.uint8]], steady: Steadied, framing: Framing | None = None
) -> list[NDArray[np.uint8]]:
    framing, buffers = framing or Framing(Size(*SIZE), "crop"), Buffers()
    return [
        framing.apply(still, buffers, SIZE, steady.of(at), closer=steady.closer).copy()
        for at, still in enumerate(stills)
    ]


def tracks(pictures: Sequence[NDArray[np.uint8]], onto: Floats) -> Floats:
    """Where the discs are in each of N pictures, N x K x 2; `onto` takes places in them to the
    first still, and tells about where to look."""
    near = seen(np.linalg.inv(onto), DISCS + MIDDLE)
    return np.array([discs(*each) for each in zip(pictures, near, strict=True)])


def rms(off: Floats) -> float:
    return float(np.sqrt(np.nanmean((off**2).sum(axis=-1))))


# ---------------------------------------------------------------------- what is left in the pixels


@pytest.mark.parametrize(
    ("turns", "scales", "limit"), [(0.0, 0.0, 0.3), (0.4, 0.004, 0.5)], ids=["shift", "similarity"]
)
def test_a_fixed_camera_holds_every_still(
    tmp_path: Path, world: NDArray[np.uint8], turns: float, scales: float, limit: float
) -> None:
    onto = shaken(3, 5.0, turns, scales)
    steady = steadied(motion(onto, 0.08), Stabilise(), seconds())
    assert steady.fixed
    assert 1 < steady.closer < 1.2
    stills = decoded(shot(tmp_path / "roll", world, onto))
    places = seen(steady.onto[:1], DISCS + MIDDLE)[0]
    found = tracks(rendered(stills, steady), onto @ np.linalg.inv(steady.onto))
    assert np.isfinite(found).mean() > 0.9
    assert rms(found - np.nanmean(found, axis=0)) < limit
    assert rms(found - places) < limit
    before = tracks(stills, onto)
    assert rms(before - np.nanmean(before, axis=0)) > 5  # what it was


def test_a_moving_camera_keeps_its_pan_and_loses_its_shaking(
    tmp_path: Path, world: NDArray[np.uint8]
) -> None:
    pan = np.linspace(0, 1, COUNT)[:, None] * [220.0, -60.0]
    onto = similar(pan) @ shaken(4, 3.0, 0.2)
    steady = steadied(motion(onto, 0.05), Stabilise(most=1.5), seconds())
    assert not steady.fixed
    assert not steady.findings
    assert steady.shakes < 0.2 * steady.shook
    pictures = rendered(decoded(shot(tmp_path / "roll", world, onto)), steady)
    found = tracks(pictures, onto @ np.linalg.inv(steady.onto))
    numbers = np.arange(COUNT)
    for track in np.moveaxis(found, 1, 0):
        whole = np.isfinite(track[:, 0])
        if whole.sum() < 12:
            continue
        at = numbers[whole]
        jerks = track[whole] - np.stack([np.polyval(np.polyfit(at, track[whole, axis], 5), at)
                                         for axis in (0, 1)], axis=-1)  # fmt: skip
        assert rms(jerks) < 0.3
        speed = np.polyfit(at, track[whole, 0], 1)[0] / steady.closer
        assert speed == pytest.approx(-220 / (COUNT - 1), abs=0.25)


@pytest.mark.parametrize(
    ("settings", "turns", "pan", "limit"),
    [
        (Stabilise(model="translation"), 0.0, 0.0, 0.3),
        (Stabilise(), 0.3, 0.0, 0.5),
        (Stabilise(camera="moving"), 0.2, 90.0, 0.3),
        (Stabilise(lock="stars"), 0.3, 0.0, 0.3),
    ],
    ids=["translation", "similarity", "pan", "stars"],
)
def test_from_the_files_to_the_pictures(
    tmp_path: Path,
    world: NDArray[np.uint8],
    settings: Stabilise,
    turns: float,
    pan: float,
    limit: float,
) -> None:
    """With nothing told but the files: found in them, and held in what is made of them."""
    if settings.lock == "stars":
        pytest.importorskip("astroalign")
        world = night(world)
    onto = shaken(11, 4.0, turns)[:30]
    onto = similar(np.linspace(0, 1, 30)[:, None] * [pan, 0]) @ onto
    stills = shot(tmp_path / "roll", world, onto)
    times = [float(still.captured.seconds) for still in stills]
    steady = steadied(measure(stills, settings.register()), settings, times)
    assert not steady.findings
    found = tracks(rendered(decoded(stills), steady), onto @ np.linalg.inv(steady.onto))
    if pan:
        jerks = [shaking(track, np.array(times)) for track in np.moveaxis(found, 1, 0)]
        assert rms(np.concatenate(jerks)[:, None]) < limit
    else:
        assert np.isfinite(found).mean() > 0.9
        assert rms(found - np.nanmean(found, axis=0)) < limit


def night(world: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sky of stars, brighter ones where the discs are."""
    import cv2

    random = np.random.default_rng(5)
    sky = np.zeros(world.shape[:2], np.float32)
    for at in random.uniform(20, [980, 1580], (900, 2)).astype(int):
        sky[tuple(at)] = random.exponential(600)
    x, y = np.round(np.add(DISCS, [799.5, 499.5])).astype(int).T
    for down, across in zip(y, x, strict=True):
        sky[down - 14 : down + 15, across - 14 : across + 15] = 0
    sky[y, x] = 12_000
    light = np.clip(cv2.GaussianBlur(sky, (0, 0), 2.0) + 12, 0, 255)
    return np.rint(light).astype(np.uint8)[:, :, None].repeat(3, axis=2)


def test_a_homography_is_held(tmp_path: Path, world: NDArray[np.uint8]) -> None:
    random = np.random.default_rng(8)
    shifts = random.normal(0, 4, (12, 8))
    shifts[0] = 0
    onto = Numbers(SIZE, bent=True).matrices(shifts)
    steady = steadied(motion(onto, 0.05), Stabilise(model="homography", camera="fixed"),
                      seconds(12))  # fmt: skip
    places = seen(steady.onto[:1], DISCS + MIDDLE)[0]
    pictures = rendered(decoded(shot(tmp_path / "roll", world, onto)), steady)
    found = tracks(pictures, onto @ np.linalg.inv(steady.onto))
    assert rms(found - places) < 0.4


def test_sharpness_does_not_flutter(world: NDArray[np.uint8]) -> None:
    still = world[200:520, 300:780]
    framing = Framing(Size(*SIZE), "crop")
    sharp = []
    for share in np.linspace(0, 0.875, 8):
        steady = tuple(similar((share, share * 0.7))[0].ravel().tolist())
        picture = framing.apply(still, None, SIZE, steady)[8:-8, 8:-8, 0].astype(float)
        sharp.append(float(np.abs(np.diff(picture, axis=1)).mean()))
    assert min(sharp) > 0.94 * max(sharp)


# ---------------------------------------------------------------------- the path


def test_what_does_not_move_is_left_alone() -> None:
    assert steadied(Motion.none(9, SIZE), Stabilise(), seconds(9)).idle
    assert steadied(motion(similar(np.full((9, 2), 0.03))), Stabilise(), seconds(9)).idle
    assert steadied(Motion.none(1, SIZE), Stabilise(), [0]).idle
    barred = steadied(motion(shaken(1)), Stabilise(camera="fixed", most=1), seconds())
    assert barred.idle  # there is no room to move anything
    assert "60 stills are held less" in barred.findings[0]
    assert not steadied(motion(shaken(1)), Stabilise(), seconds()).idle


@pytest.mark.parametrize(
    ("asked", "camera"),
    [
        (Stabilise(), "fixed"),
        (Stabilise(camera="fixed"), "fixed"),
        (Stabilise(camera="moving"), "moving"),
        (Stabilise(smooth=Seconds(9)), "moving"),
    ],
)
def test_what_is_left_alone_is_told_of_as_it_was_asked_for(asked: Stabilise, camera: str) -> None:
    steady = steadied(Motion.none(9, SIZE), asked, seconds(9))
    assert steady.idle
    assert steady.as_json()["camera"] == camera


@pytest.mark.parametrize("ease", [lambda t: t, lambda t: t**2 * (3 - 2 * t)], ids=["even", "eased"])
def test_a_smooth_pan_is_left_alone(ease: Any) -> None:
    t = np.linspace(0, 1, COUNT)
    onto = similar(ease(t)[:, None] * [300, 20], 3 * ease(t), np.exp(0.1 * ease(t)))
    for camera in ("auto", "moving"):
        asked = Stabilise(camera=camera)
        assert steadied(motion(onto, 0.02), asked, seconds()).idle


@given(st.integers(0, 99), st.floats(-6, 6), st.floats(-6, 6), st.floats(-0.4, 0.4))
@settings(max_examples=20)
def test_a_steady_movement_passes_whatever_the_times(
    seed: int, across: float, down: float, turn: float
) -> None:
    """Shaking is of one still alone, which stands out; gaps and jitter are of the times."""
    random = np.random.default_rng(seed)
    times = np.cumsum(random.uniform(0.5, 1.5, COUNT) + 40 * (np.arange(COUNT) == 30))
    onto = similar(times[:, None] * [across, down], times * turn)
    odd = int(random.integers(5, COUNT - 5))
    asked = Stabilise(camera="moving", border="edge")
    steady = steadied(motion(onto), asked, times.tolist())
    assert steady.idle
    moved = onto.copy()
    moved[odd] = moved[odd] @ similar((25, -12))[0]
    steady = steadied(motion(moved), asked, times.tolist())
    wanted = np.tile(np.eye(3), (COUNT, 1, 1))
    wanted[odd] = np.linalg.inv(onto[odd]) @ moved[odd]
    corners = Numbers(SIZE).corners
    assert np.abs(seen(steady.onto, corners) - seen(wanted, corners)).max() < 0.02


def test_stills_that_were_not_found_are_not_gone_by() -> None:
    found = motion(shaken(2))
    trusted = np.ones(COUNT)
    trusted[20:23] = 0
    onto = found.onto.copy()
    onto[20:23] = similar(np.full((3, 2), 60.0))
    path = [steadied(Motion(SIZE, matrices, trusted, 0, 0.0),
                     Stabilise(camera="moving", border="edge"), seconds())
            for matrices in (found.onto, onto)]  # fmt: skip
    others = np.r_[0:20, 23:COUNT]
    assert np.allclose(path[0].onto[others], path[1].onto[others])
    assert path[1].findings == (
        "stabilise: 3 stills could not be laid over the others; "
        "what lies between the neighbours is taken for them",
    )


def test_where_most_stills_were_not_found_nothing_is_moved() -> None:
    trusted = np.zeros(COUNT)
    trusted[: COUNT // 2 - 1] = 1
    found = replace(motion(shaken(2)), trusted=trusted)
    steady = steadied(found, Stabilise(), seconds())
    assert steady.idle
    assert np.array_equal(steady.onto, np.tile(np.eye(3), (COUNT, 1, 1)))
    assert "too many to go by: nothing is moved" in steady.findings[0]


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_few_stills_are_held_too(count: int) -> None:
    onto = shaken(3)[:count]
    steady = steadied(motion(onto), Stabilise(), [7.0] * count)  # all at one time
    assert steady.fixed
    assert np.allclose(steady.onto @ np.linalg.inv(onto), steady.onto[0])
    assert steadied(motion(onto), Stabilise(camera="moving"), seconds(count)).idle == (count < 5)


def test_a_large_turn_does_not_shrink_the_film() -> None:
    """The sky turns by 60 degrees; stills whose sides are scaled a little differently."""
    uneven = np.diag([1.0005, 1, 1])
    onto = np.linalg.inv(uneven) @ similar(np.zeros((COUNT, 2)), np.linspace(0, 60, COUNT)) @ uneven
    onto = onto @ shaken(5, 2.0)
    steady = steadied(motion(onto), Stabilise(camera="moving"), seconds())
    assert not Numbers.of(onto, SIZE).bent
    assert steady.closer < 1.1
    assert steady.shakes < 0.2 * steady.shook


@pytest.mark.parametrize("kind", ["similarity", "homography"])
def test_numbers_describe_matrices(kind: str) -> None:
    random = np.random.default_rng(5)
    numbers = Numbers(SIZE, kind == "homography")
    rows = random.normal(0, 30, (40, 8 if numbers.bent else 4))
    onto = numbers.matrices(rows)
    assert np.allclose(numbers.read(onto), rows)
    assert Numbers.of(onto, SIZE) == numbers
    assert np.allclose(numbers.matrices(np.zeros((1, rows.shape[1]))), np.eye(3))
    if not numbers.bent:
        assert np.allclose(onto, similar(rows[:, :2], np.degrees(rows[:, 2]) / np.hypot(*MIDDLE),
                                         np.exp(rows[:, 3] / np.hypot(*MIDDLE))))  # fmt: skip


# ---------------------------------------------------------------------- borders


def shows(steady: Steadied, slack: float = 0.0) -> float:
    """How far beyond a still the pixels of a steady one look, over a grid of places."""
    x, y = np.meshgrid(np.linspace(0, SIZE[0], 61), np.linspace(0, SIZE[1], 41))
    grid = np.stack([x.ravel(), y.ravel()], axis=-1)
    grid = MIDDLE + (grid - MIDDLE) * (1 + slack)
    back = seen(np.linalg.inv(np.array([steady.of(at) for at in range(len(steady.onto))])
                              .reshape(-1, 3, 3)), grid)  # fmt: skip
    return float(np.maximum(-back, back - SIZE).max())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 999),
    st.floats(0, 30),
    st.floats(0, 4),
    st.floats(0, 0.05),
    st.booleans(),
    st.sampled_from(["fixed", "moving"]),
    st.sampled_from([1.0, 1.02, 1.25, 2.0]),
)
def test_no_border_shows(
    seed: int, spread: float, turns: float, scales: float, bent: bool, camera: Any, most: float
) -> None:
    onto = shaken(seed, spread, turns, scales)
    if bent:
        shifts = np.random.default_rng(seed).normal(0, spread / 2, (COUNT, 8))
        onto = Numbers(SIZE, bent=True).matrices(shifts) @ onto
    steady = steadied(motion(onto), Stabilise(camera=camera, most=most), seconds())
    assert 1 <= steady.closer <= most + 2e-5
    assert shows(steady) < 1e-3
    if steady.closer > 1.001 and not steady.findings:
        assert shows(steady, 0.004) > 0  # and it is not enlarged more than that


def test_the_window_is_where_there_is_most_room() -> None:
    window = widest(similar([[0, 0], [100, 0], [60, 0]]), SIZE)
    assert window.share == pytest.approx(380 / 480)
    assert window.centre == pytest.approx((290, 160))
    assert widest(similar([[0, 0], [500, 0]]), SIZE).share == 0


def test_no_border_shows_in_the_pixels() -> None:
    white = np.full((*SIZE[::-1], 3), 255, np.uint8)
    steady = steadied(motion(shaken(6, 8, 1, 0.01)), Stabilise(), seconds())
    framing = Framing(Size(*SIZE), "crop")
    for at in range(COUNT):
        assert framing.apply(white, None, SIZE, steady.of(at), border="black").min() == 255
        less = np.array(steady.of(at)).reshape(3, 3)
        less[:2] /= 1.2
        if at % 20 == 0:  # and where one does, this would tell
            nine = tuple(less.ravel().tolist())
            assert framing.apply(white, None, SIZE, nine, border="black").min() == 0


def test_where_there_is_no_room_the_path_is_followed_less_far() -> None:
    """A slow drift by far more than there is room for, and shaking by less."""
    drift = 150 * np.sin(np.linspace(-np.pi / 2, np.pi / 2, COUNT))[:, None] * [1, 0]
    onto = similar(drift) @ shaken(7, 2.0)
    steady = steadied(motion(onto), Stabilise(camera="fixed"), seconds())
    assert 1.15 < steady.closer <= 1.25 + 2e-6
    (words,) = steady.findings
    assert "to show no border, stills would have to be enlarged" in words
    assert "with most: 1.25, 60 stills are held less; camera: moving follows the path" in words
    # It drifts, but does not shake.
    path = seen(steady.onto @ np.linalg.inv(onto), MIDDLE[None])[:, 0]
    assert steady.shakes < 0.3 * steady.shook
    assert np.abs(np.diff(path, 2, axis=0)).max() < 3
    wide = steadied(motion(onto), Stabilise(camera="fixed", most=4), seconds())
    assert not wide.findings
    assert steadied(motion(onto), Stabilise(camera="fixed", border="blur"), seconds()).closer == 1


# ---------------------------------------------------------------------- in the frame


NOON = Instant.read("0 s")
poses = [
    Pose(),
    Pose(flip="horizontal", rotate=90),
    Pose(crop=(0.1, 0.05, 0.85, 0.9)),
    Pose(rotate=7),
    Pose(lens=(-0.15, 0.03)),
]


@pytest.mark.parametrize("fit", ["pad", "crop", "blur"])
@pytest.mark.parametrize("pose", poses, ids=["plain", "turned", "cropped", "tilted", "lens"])
@pytest.mark.parametrize("border", ["crop", "black", "blur", "edge"])
def test_things_are_where_they_are_told_to_be(
    world: NDArray[np.uint8], fit: Any, pose: Pose, border: Any
) -> None:
    still = np.ascontiguousarray(world[340:660, 560:1040])
    points = DISCS + MIDDLE - 0.5
    tilt = Numbers(SIZE, bent=True).matrices(np.array([[4.0, -3, 6, 2, -5, 3, 2, 8]]))[0]
    for matrix in (similar((7.3, -4.6), 2, 1.03)[0], tilt):
        nine = tuple(matrix.ravel().tolist())
        for size in ((400, 260), (300, 300)):
            framing = Framing(Size(*size), fit, pose=pose)
            told = framing.place(SIZE, points, steady=matrix)
            picture = framing.apply(still, Buffers(), SIZE, nine, border=border)
            assert picture.shape == (size[1], size[0], 3)
            found = discs(picture, told + 0.5, (11,)) - 0.5
            assert np.isfinite(found).all(axis=1).sum() >= 3
            assert np.nanmax(np.abs(found - told)) < 0.12
            again = framing.apply(still, None, SIZE, nine, border=border)
            assert np.array_equal(picture, again)


def test_a_camera_moves_over_steady_pictures(world: NDArray[np.uint8]) -> None:
    still = np.ascontiguousarray(world[340:660, 560:1040])
    moves = [(Fraction(0), Move(NOON, zoom=1.0)),
             (Fraction(2), Move(NOON, zoom=1.4, focus=Focus(0.55, 0.5)))]  # fmt: skip
    framing = Framing(Size(400, 260), "crop").moving(moves, Fraction(25), SIZE)
    assert framing.camera is not None
    matrix = similar((5.5, -3.2), 1)[0]
    picture = framing.apply(still, None, SIZE, tuple(matrix.ravel().tolist()))
    assert picture.shape[1::-1] == framing.pictures
    deep = picture.astype(np.uint16) * 257
    for number in (0, 25, 50):
        (view,) = framing.camera.views(number, number + 1)
        frame = view.apply(np.ascontiguousarray(deep[view.part]), Buffers()) >> 8
        told = framing.place(SIZE, DISCS + MIDDLE - 0.5, np.full(len(DISCS), number), matrix)
        found = discs(frame, told + 0.5, (13,)) - 0.5
        assert np.nanmax(np.abs(found - told)) < 0.12


def test_each_point_has_the_matrix_of_its_frame() -> None:
    framing, points = Framing(Size(240, 160)), np.array([[10.0, 20], [10, 20]])
    both = similar([[4, 0], [0, 6]])
    placed = framing.place(SIZE, points, steady=both)
    for at in (0, 1):
        alone = framing.place(SIZE, points[:1], steady=both[at])
        assert np.allclose(placed[at], alone[0])
    assert np.allclose(placed[0], framing.place(SIZE, np.add(points[:1], [4, 0]))[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("fit", ["pad", "crop", "blur"])
def test_borders_are_filled_as_asked(dtype: Any, fit: Any) -> None:
    most = np.iinfo(dtype).max
    still = np.full((*SIZE[::-1], 3), [most, most // 2, 0], dtype)
    still[:, :8] = [most // 2, 0, most // 2]  # its left edge
    framing = Framing(Size(480, 320), fit)
    nine = tuple(similar((40, 0))[0].ravel().tolist())
    seen = {
        border: framing.apply(still, Buffers(), SIZE, nine, border=border)
        for border in ("black", "blur", "edge")
    }
    assert (seen["black"][:, :39] == 0).all()
    assert (seen["edge"][:, :44] == still[0, 0]).all()
    assert np.abs(seen["blur"][:, :30].astype(float) - still[0, 0]).max() < 0.05 * most
    for picture in seen.values():
        assert picture.dtype == dtype
        assert (picture[:, 60:] == still[0, 100]).all()


@pytest.mark.parametrize("fit", ["pad", "blur"])
def test_bars_stay_where_they_are(fit: Any) -> None:
    """A still that is shaken shakes between bars that do not."""
    still = np.full((*SIZE[::-1], 3), 200, np.uint8)
    framing = Framing(Size(600, 320), fit)
    for shift in ((0.4, 0), (-9, 5)):
        nine = tuple(similar(shift)[0].ravel().tolist())
        picture = framing.apply(still, None, SIZE, nine)
        assert (picture[:, 60:540] == 200).all()
        assert np.abs(picture[:, :60].astype(int) - (0 if fit == "pad" else 110)).max() <= 1
        assert np.abs(picture[:, 540:].astype(int) - (0 if fit == "pad" else 110)).max() <= 1


def test_notes_tell_of_enlarging() -> None:
    framing = Framing(Size(*SIZE))
    assert list(framing.notes({SIZE: 2})) == []
    assert list(framing.notes({SIZE: 2}, 1.05)) == ["2 stills of 480x320 enlarged"]


def test_stills_are_decoded_large_enough() -> None:
    for pose in poses:
        framing = Framing(Size(96, 64), "crop", pose=pose)
        once, closer = (np.array(framing.scaled(SIZE, by)) for by in (1.0, 1.2))
        assert (closer >= 1.2 * once - 1.2).all()
        assert (closer <= 1.2 * once + 1).all()


def test_a_still_that_comes_smaller_lies_the_same(world: NDArray[np.uint8]) -> None:
    still = np.ascontiguousarray(world[340:660, 560:1040])
    half = still.reshape(160, 2, 240, 2, 3).mean((1, 3)).astype(np.uint8)
    matrix = similar((7.5, -5), 1.5, 1.05)[0]
    framing = Framing(Size(240, 160), "crop")
    picture = framing.apply(half, None, SIZE, tuple(matrix.ravel().tolist()), closer=1.05)
    told = framing.place(SIZE, DISCS + MIDDLE - 0.5, steady=matrix)
    found = discs(picture, told + 0.5, (7,)) - 0.5
    assert np.nanmax(np.abs(found - told)) < 0.12


# ---------------------------------------------------------------------- numbers for workers


def test_the_numbers_of_a_still_come_out_alike() -> None:
    onto = shaken(9, 5, 0.5, 0.004)
    steady = steadied(motion(onto), Stabilise(), seconds())
    other = steadied(motion(onto * (1 + 1e-15)), Stabilise(), seconds())
    assert [steady.of(at) for at in range(COUNT)] == [other.of(at) for at in range(COUNT)]
    assert hash(steady.of(3)) == hash(other.of(3))
    exact = seen(steady.onto[3:4], Numbers(SIZE).corners)
    rounded = seen(np.array(steady.of(3)).reshape(1, 3, 3), Numbers(SIZE).corners)
    assert np.abs(exact - rounded).max() < 1e-5


def test_a_still_of_another_size_is_moved_by_as_much_of_itself() -> None:
    steady = steadied(motion(shaken(9, 5, 0.5)), Stabilise(), seconds())
    half = (SIZE[0] // 2, SIZE[1] // 2)
    own, whole = (np.array(steady.of(5, size)).reshape(1, 3, 3) for size in (half, SIZE))
    point = np.array([[100.0, 60.0]])
    assert np.allclose(2 * seen(own, point), seen(whole, 2 * point))


def test_a_report_tells_what_was_done() -> None:
    steady = steadied(motion(shaken(9, 5, 0.5)), Stabilise(), seconds())
    told = steady.as_json()
    assert told["camera"] == "fixed"
    assert told["enlarged"] == pytest.approx(steady.closer, abs=1e-4)
    assert len(told["shift"]) == len(told["turn"]) == COUNT
    assert told["shakes"] < 0.01 < told["shook"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"most": 0.9}, "most: 0.9 is not from 1 to 4"),
        ({"most": float("nan")}, "most: nan is not from 1 to 4"),
        ({"smooth": Seconds(0)}, "smooth: 0 s is no time"),
        ({"smooth": Seconds(5), "camera": "fixed"}, "has no path"),
        ({"camera": "moving", "lock": "stars"}, "locked by a fixed camera"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        Stabilise(**settings)


def test_what_is_locked_says_how_stills_are_laid_over_each_other() -> None:
    box = (0.0, 0.6, 1.0, 1.0)
    asked = Stabilise(lock="stars", model="translation", ignore=(box,))
    assert asked.register(4) == Register("translation", "stars", 4, (box,))
    assert Stabilise(lock="horizon").register().by == "horizon"
    assert Stabilise(by="ecc").register().by == "ecc"


def test_a_time_to_smooth_over_asks_for_a_moving_camera() -> None:
    onto = similar(np.linspace(0, 4, COUNT)[:, None] * [1, 0]) @ shaken(3)
    assert steadied(motion(onto), Stabilise(), seconds()).fixed
    paths = [
        steadied(motion(onto), Stabilise(smooth=Seconds(over)), seconds()) for over in (12, 60)
    ]
    assert not any(path.fixed for path in paths)
    assert paths[1].shakes < paths[0].shakes < paths[0].shook
