"""Framing: where the pixels of a still are in the frame, against geometry worked out here anew."""

from __future__ import annotations

from cmath import exp as cexp
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from math import floor, radians
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import EPOCH, write_still
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade import Focus, Framing, Move, Pose, Size, View, natural_size
from timelapse.machine import Buffers
from timelapse.project import load
from timelapse.render.frames import frames
from timelapse.render.segment import cut
from timelapse.written import Instant

Points = NDArray[np.float64]
STILL = (420, 300)
NOON = Instant.read("0 s")


def dots(size: tuple[int, int], points: Any, sigma: float = 3.0) -> NDArray[np.uint16]:
    """A still with a soft dot at each of some points, black elsewhere."""
    x, y = np.arange(size[0]), np.arange(size[1])[:, None]
    light = np.zeros((size[1], size[0]))
    for at in points:
        light += np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 2 / sigma**2)
    grey = np.rint(np.clip(light, 0, 1) * 60000).astype(np.uint16)
    return np.repeat(grey[:, :, None], 3, axis=2)


def found(picture: NDArray[Any], near: Sequence[float], reach: int, ground: float = 0) -> Points:
    """The middle of the light around a place, in pixels."""
    x, y = round(near[0]), round(near[1])
    columns, rows = np.arange(x - reach, x + reach + 1), np.arange(y - reach, y + reach + 1)
    inside = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0] - ground
    whole = inside.sum(dtype=float)
    return np.array([(inside.sum(0) @ columns) / whole, (inside.sum(1) @ rows) / whole])


def seen(points: Points, size: tuple[int, int], reach: int) -> list[list[float]]:
    """Those of the points that are that far from the frame's edges."""
    inside = (points > reach).all(1) & (points < np.array(size) - 1 - reach).all(1)
    chosen: list[list[float]] = points[inside].tolist()
    return chosen


def ideal(
    pose: Pose, fit: str, still: tuple[int, int], size: tuple[int, int], at: Points
) -> Points:
    """Where points are in the frame, without the lens, with complex numbers and by search."""
    left, top, across, down = pose.crop or (0, 0, 1, 1)
    if max(across, down) <= 1:
        box = [round(left * still[0]), round(top * still[1])]
        box += [round((left + across) * still[0]), round((top + down) * still[1])]
    else:
        box = [round(left), round(top), round(left + across), round(top + down)]
    middle, wide, high = (
        complex(box[0] + box[2], box[1] + box[3]) / 2,
        box[2] - box[0],
        box[3] - box[1],
    )

    def turned(z: complex) -> complex:
        z = z if pose.flip in ("none", "vertical") else complex(-z.real, z.imag)
        z = z if pose.flip in ("none", "horizontal") else complex(z.real, -z.imag)
        return z * cexp(1j * radians(pose.rotate))

    corners = [turned(complex(sx * wide, sy * high) / 2) for sx in (-1, 1) for sy in (-1, 1)]
    if fit == "pad":
        scale = min(
            size[0] / 2 / max(z.real for z in corners), size[1] / 2 / max(z.imag for z in corners)
        )
    else:
        low, scale = 1e-3, 1e3
        for _ in range(80):
            tried = (low * scale) ** 0.5
            unturned = cexp(-1j * radians(pose.rotate)) / tried / 2
            back = [complex(sx * size[0], sy * size[1]) * unturned
                    for sx in (-1, 1) for sy in (-1, 1)]  # fmt: skip
            holds = all(abs(z.real) <= wide / 2 and abs(z.imag) <= high / 2 for z in back)
            low, scale = (low, tried) if holds else (tried, scale)
    placed = [scale * turned(complex(x + 0.5, y + 0.5) - middle) for x, y in at.tolist()]
    return np.array([[z.real + size[0] / 2 - 0.5, z.imag + size[1] / 2 - 0.5] for z in placed])


sides = st.integers(8, 60).map(lambda half: 2 * half)
poses = st.builds(
    Pose,
    crop=st.sampled_from([None, (0.1, 0.0, 0.8, 0.9), (31, 17, 300, 251)]),
    flip=st.sampled_from(["none", "horizontal", "vertical", "both"]),
    rotate=st.sampled_from([0.0, 90.0, -90.0, 180.0, 450.0])
    | st.floats(-200, 200).map(lambda degrees: round(degrees, 2)),
)
lenses = st.sampled_from([(), (-0.2, 0.05, 0.01, -0.006, 0.02), (0.1,), (-0.35, 0.12)])


# ---------------------------------------------------------------------- plain stills


@given(st.integers(1, 90), st.integers(1, 90), sides, sides, st.sampled_from(["pad", "crop"]))
def test_plain_stills_are_scaled_once_and_cut_or_padded(
    width: int, height: int, across: int, down: int, fit: Any
) -> None:
    import cv2

    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    sx, sy = Fraction(across, width), Fraction(down, height)
    scale = max(sx, sy) if fit == "crop" else min(sx, sy)
    if max(width * max(sx, sy) - across, height * max(sx, sy) - down) < 2:
        scale = max(sx, sy)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if width > 2 * target[0] or height > 2 * target[1] else cv2.INTER_LINEAR
    wanted = cv2.resize(pixels, target, interpolation=how) if (width, height) != target else pixels
    x, y = max(0, target[0] - across) // 2, max(0, target[1] - down) // 2
    wanted = wanted[y : y + down, x : x + across]
    left, top = max(0, across - target[0]) // 2, max(0, down - target[1]) // 2
    right, bottom = across - left - wanted.shape[1], down - top - wanted.shape[0]
    wanted = np.pad(wanted, ((top, bottom), (left, right), (0, 0)))
    framing = Framing(Size(across, down), fit)
    assert framing.scaled((width, height)) == target
    assert np.array_equal(framing.apply(pixels, Buffers()), wanted)


@given(poses, st.sampled_from(["pad", "crop"]))
def test_quarters_flips_and_crops_move_pixels_without_mixing_them(pose: Pose, fit: Any) -> None:
    assume(pose.quarters is not None)
    pixels = np.random.default_rng(3).integers(0, 65536, (*STILL[::-1], 3), np.uint16)
    left, top, right, bottom = pose.box(STILL)
    wanted = pixels[top:bottom, left:right]
    wanted = wanted[:, ::-1] if pose.flip in ("horizontal", "both") else wanted
    wanted = wanted[::-1] if pose.flip in ("vertical", "both") else wanted
    wanted = np.rot90(wanted, -(pose.quarters or 0))
    framing = Framing(Size(*wanted.shape[1::-1]), fit, pose=pose)
    assert np.array_equal(framing.apply(pixels), wanted)


# ---------------------------------------------------------------------- where pixels are


@settings(max_examples=30)
@given(
    poses, st.sampled_from([(320, 180), (200, 300), (500, 500)]), st.sampled_from(["pad", "crop"])
)
def test_dots_are_where_geometry_says(pose: Pose, size: tuple[int, int], fit: Any) -> None:
    points = np.array([[x, y] for x in (75.3, 140.5, 215.2, 285.0) for y in (70.5, 150.2, 221.7)])
    framing = Framing(Size(*size), fit, pose=pose)
    placed = framing.place(STILL, points)
    # Upright stills are scaled to whole pixels; all else is exact.
    apart = np.abs(placed - ideal(pose, fit, STILL, size, points)).max()
    assert apart <= (1 if pose.quarters is not None else 1e-6)
    picture = framing.apply(dots(STILL, points), Buffers())
    assert picture.shape == (size[1], size[0], 3)
    reach = floor(0.45 * np.linalg.norm(placed[1] - placed[0]))
    for at in seen(placed, size, reach):
        assert np.abs(found(picture, at, reach) - at).max() < 0.1


@settings(max_examples=30)
@given(poses, lenses, st.sampled_from(["pad", "crop"]))
def test_stills_that_come_smaller_are_placed_the_same(
    pose: Pose, lens: tuple[float, ...], fit: Any
) -> None:
    """As a JPEG comes that is decoded at a half of its size; even then it is large enough."""
    pose = replace(pose, lens=lens)
    framing = Framing(Size(96, 64), fit, pose=pose)
    points = np.array([[210.5, 150.5], [120.5, 100.5]])
    whole = dots(STILL, points, 6)
    half = whole.reshape(150, 2, 210, 2, 3).mean((1, 3)).astype(np.uint16)
    assert all(a <= b for a, b in zip(framing.scaled(STILL), (210, 150), strict=True))
    picture = framing.apply(half, Buffers(), STILL)
    placed = framing.place(STILL, points)
    reach = floor(0.45 * np.linalg.norm(placed[1] - placed[0]))  # no light of the other dot
    for at in seen(placed, (96, 64), reach):
        assert np.abs(found(picture, at, reach) - at).max() < 0.1


@given(poses, lenses, st.sampled_from(["pad", "crop", "blur"]), sides, sides)
def test_stills_are_decoded_at_least_as_fine_as_they_are_shown(
    pose: Pose, lens: tuple[float, ...], fit: Any, across: int, down: int
) -> None:
    framing = Framing(Size(across, down), fit, pose=replace(pose, lens=lens))
    middle = np.array([STILL]) / 2
    here, *steps = framing.place(STILL, middle + np.array([[0, 0], [0.01, 0], [0, 0.01]]))
    shown = np.array([np.linalg.norm(step - here) / 0.01 for step in steps])
    decoded = np.array(framing.scaled(STILL)) / STILL
    assert (decoded >= shown * 0.995 - 1 / min(STILL)).all()


# ---------------------------------------------------------------------- lens


def bend(lens: tuple[float, ...], focal: float, still: tuple[int, int], at: Points) -> Points:
    """Where a lens puts points of a straight picture, by its definition."""
    k1, k2, p1, p2, k3 = (*lens, *[0.0] * (5 - len(lens)))
    length = focal * max(still)
    x, y = ((at - (np.array(still) - 1) / 2) / length).T
    r = np.hypot(x, y)
    radial = 1 + k1 * r**2 + k2 * r**4 + k3 * r**6
    bent = np.stack([x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2),
                     y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y], axis=1)  # fmt: skip
    return bent * length + (np.array(still) - 1) / 2


@settings(max_examples=12)
@given(lenses.filter(bool), st.sampled_from([0.8, 1.0, 1.4]), st.sampled_from([0.0, 90.0, 5.0]))
def test_a_bent_grid_becomes_straight(lens: tuple[float, ...], focal: float, rotate: float) -> None:
    steps = np.linspace(-1, 1, 5)
    straight = np.array([[209.5 + 120 * x, 149.5 + 85 * y] for x in steps for y in steps])
    bent = bend(lens, focal, STILL, straight)
    framing = Framing(Size(420, 300), "crop", pose=Pose(lens, focal, rotate=rotate))
    placed = framing.place(STILL, bent)
    grid = placed.reshape(5, 5, 2)  # every step along it is the same one
    for step in (np.diff(grid, axis=0), np.diff(grid, axis=1)):
        assert np.abs(step - step.mean((0, 1))).max() < 1e-4
    picture = framing.apply(dots(STILL, bent))
    for at in seen(placed, (420, 300), 15):
        assert np.abs(found(picture, at, 15) - at).max() < 0.1


def test_what_no_lens_does_is_refused() -> None:
    for wrong in ((0.1,) * 6, (float("nan"),)):
        with pytest.raises(ProjectError, match="give up to five numbers"):
            Pose(lens=wrong)
    with pytest.raises(ProjectError, match="bends stills beyond use"):
        Framing(Size(64, 64), pose=Pose(lens=(-50.0,))).apply(np.zeros((50, 60, 3), np.uint8))


# ---------------------------------------------------------------------- borders


@given(poses, lenses, sides, sides, st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_no_border_shows_where_the_frame_is_filled(
    pose: Pose, lens: tuple[float, ...], across: int, down: int, focus: Any
) -> None:
    framing = Framing(Size(across, down), "crop", focus and Focus(*focus), replace(pose, lens=lens))
    picture = framing.apply(np.full((*STILL[::-1], 3), 200, np.uint8), Buffers())
    assert picture.shape == (down, across, 3)
    assert (picture == 200).all()


@settings(max_examples=25)
@given(poses, st.sampled_from([np.uint8, np.uint16]), sides, sides)
def test_blurred_bars_are_of_the_stills_own_light(
    pose: Pose, dtype: Any, across: int, down: int
) -> None:
    most = np.iinfo(dtype).max
    still = np.full((*STILL[::-1], 3), [most, most // 2, 0], dtype)
    padded, blurred = (Framing(Size(across, down), fit, pose=pose) for fit in ("pad", "blur"))
    bars, filled = padded.apply(still), blurred.apply(still, Buffers())
    assert filled.dtype == dtype
    clear = bars.max(2) == 0
    assert np.abs(filled[clear] / most - [0.55, 0.275, 0]).max(initial=0) < 0.01
    whole = bars[:, :, 0] == most
    assert np.array_equal(filled[whole], bars[whole])
    assert np.array_equal(filled, blurred.apply(still))
    assert padded.scaled(STILL) == blurred.scaled(STILL)
    assert np.array_equal(padded.place(STILL, np.eye(2)), blurred.place(STILL, np.eye(2)))


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([(200, 300), (320, 100)]), poses)
def test_the_focus_is_in_the_middle_or_as_near_as_the_edges_let_it(
    x: float, y: float, size: tuple[int, int], pose: Pose
) -> None:
    framing = Framing(Size(*size), "crop", Focus(x, y), replace(pose, crop=None))
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * STILL - 0.5
    at = framing.place(STILL, np.array([[x, y]]) * STILL - 0.5)[0]
    off = at - (np.array(size) - 1) / 2
    # Wherever it is away from the middle, an edge of the still is at the frame's edge.
    along = np.array([framing.place(STILL, corners[[0, k]]) for k in (1, 2)])
    for axis in (0, 1):
        unit = np.diff(along[axis], axis=0)[0]
        unit /= np.linalg.norm(unit)
        away = off @ unit
        if abs(away) > 1:
            frame = (np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * size - 0.5) @ unit
            still = framing.place(STILL, corners) @ unit
            near = frame.max() - still.max() if away > 0 else still.min() - frame.min()
            assert abs(near) < 1


def test_the_focus_decides_which_columns_are_cut() -> None:
    pixels = np.arange(100, dtype=np.uint8)[None, :, None].repeat(20, 0).repeat(3, 2)
    framings = [Framing(Size(40, 20), "crop", Focus(x, 0.5)) for x in (0.0, 0.2, 0.5, 0.7, 1.0)]
    starts = [int(framing.apply(pixels)[0, 0, 0]) for framing in framings]
    assert starts == [0, 0, 30, 50, 60]
    assert Framing(Size(40, 20), "crop").apply(pixels)[0, 0, 0] == 30


@pytest.mark.parametrize(
    "text", ["40 % 50 %", "0.4 0.5", "[0.4, 0.5]", "['0.4', '50%']", ".4,50 %"]
)
def test_a_focus_is_read_as_it_is_written(text: str) -> None:
    assert Focus.read(text) == (0.4, 0.5)
    assert Focus.read(str(Focus.read(text))) == (0.4, 0.5)


@pytest.mark.parametrize("text", ["1.2 0.5", "0.5", "-0.1 0.5", "left", "1 2 3", "101 % 5 %"])
def test_what_is_no_focus_is_refused(text: str) -> None:
    with pytest.raises(ProjectError, match="is no point of a still in shares"):
        Focus.read(text)


@pytest.mark.parametrize(
    "crop", [(0.5, 0, 0.6, 1), (-1, 0, 30, 30), (0, 0, 0, 1), (0, 0, 1, float("nan"))]
)
def test_what_is_no_crop_is_refused(crop: Any) -> None:
    with pytest.raises(ProjectError, match="is no part of a still"):
        Pose(crop=crop)


def test_a_crop_has_to_fit_every_still() -> None:
    pose = Pose(crop=(100, 0, 50, 50))
    pose.check([(150, 50), (200, 200)])
    with pytest.raises(ProjectError, match="no part of a still of 140x90 pixels"):
        pose.check([(150, 50), (140, 90)])


def test_the_natural_size_is_of_what_is_used() -> None:
    assert natural_size({(400, 300): 3}, Pose(rotate=90)) == (300, 400)
    assert natural_size({(4000, 3000): 3}, Pose(crop=(0, 0, 1, 0.5))) == (1920, 720)
    assert natural_size({(400, 300): 3}, Pose(crop=(10, 10, 101, 51), rotate=-90)) == (50, 100)


def test_notes_tell_of_bars_cuts_and_enlarging() -> None:
    def notes(size: tuple[int, int], fit: Any, still: tuple[int, int], **more: Any) -> str:
        return "; ".join(Framing(Size(*size), fit, **more).notes({still: 2}))

    bars = "2 stills of 400x300 shown with black bars; output.fit: crop fills the frame"
    assert notes((400, 300), "pad", (400, 300)) == ""
    assert notes((200, 200), "pad", (400, 300)) == bars
    assert notes((200, 200), "blur", (400, 300)) == ""
    assert notes((200, 200), "crop", (400, 300)) == "2 stills of 400x300 cut at the edges"
    assert notes((800, 600), "crop", (400, 300)) == "2 stills of 400x300 enlarged"
    assert notes((400, 300), "pad", (400, 300), pose=Pose(rotate=4)) == bars
    assert "enlarged" in notes((300, 300), "crop", (400, 300), pose=Pose(rotate=45))
    moving = Framing(Size(200, 150), "crop").moving(
        [(Fraction(0), Move(NOON, zoom=1)), (Fraction(1), Move(NOON, zoom=3))],
        Fraction(25),
        (400, 300),
    )
    told = "2 stills of 400x300 enlarged up to 1.50 times where the camera is closest"
    assert list(moving.notes({(400, 300): 2})) == [told]


# ---------------------------------------------------------------------- the camera


def filmed(framing: Framing, still: tuple[int, int], *keys: tuple[Any, dict[str, Any]]) -> Framing:
    moves = [(Fraction(at), Move(NOON, **says)) for at, says in keys]
    return framing.moving(moves, Fraction(25), still)


def test_a_slow_move_neither_shakes_nor_drifts() -> None:
    """Stars are followed through 8 s: where they are is told to 0.03 px, and the second difference
    of their places stays under 0.02 px a frame squared; of the move itself it is up to 0.01."""
    still, ground = (1152, 768), 300
    stars = np.array([[400.3, 300.6], [700.5, 420.2], [560.0, 380.4]])
    sky = dots(still, stars, 3.0) + np.uint16(ground)
    moves: dict[str, Any] = {
        "zoom": ({"zoom": 1}, {"zoom": 1.12, "focus": Focus(0.56, 0.45)}),
        "pan": ({"zoom": 1.3, "focus": Focus(0.47, 0.5)}, {"focus": Focus(0.5, 0.52)}),
        "turn": ({"zoom": 1.3, "turn": -1}, {"turn": 1}),
    }
    for name, (start, stop) in moves.items():
        framing = filmed(Framing(Size(640, 360), "crop"), still, (0, start), (8, stop))
        assert framing.camera is not None
        picture, buffers = framing.apply(sky), Buffers()
        places = []
        for number, view in enumerate(framing.camera.views(0, 201)):
            frame = view.apply(picture[view.part], buffers)
            told = framing.place(still, stars, np.full(len(stars), number))
            at = np.array([found(frame, star, 14, ground) for star in told.tolist()])
            assert np.abs(at - told).max() < 0.03, name
            places.append((at, told))
        seen, told = np.array(places).swapaxes(0, 1)
        assert np.abs(np.diff(told, 2, axis=0)).max() < 0.011, name
        assert np.abs(np.diff(seen, 2, axis=0)).max() < 0.02, name
        assert np.abs(np.diff(told, axis=0)).max() > 0.03, name


def test_a_view_is_linear_interpolation_at_exact_places() -> None:
    picture = np.random.default_rng(5).integers(0, 65536, (90, 130, 3), np.uint16)
    framing = filmed(Framing(Size(60, 40), "crop"), (130, 90), (0, {"zoom": 1.1, "turn": 7}))
    assert framing.camera is not None
    (view,) = replace(framing.camera, canvas=(130, 90)).views(3, 4)
    assert view.looks == 4
    back = np.linalg.inv(np.array([*view.onto, 0, 0, 1]).reshape(3, 3))
    y, x = np.mgrid[:40, :60].astype(float)
    wanted = np.zeros((40, 60, 3))
    for dx, dy in ((-0.375, -0.375), (-0.125, 0.125), (0.125, -0.125), (0.375, 0.375)):
        u, v = (row[0] * (x + dx) + row[1] * (y + dy) + row[2] for row in back[:2])
        u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
        for du, dv in ((0, 0), (1, 0), (0, 1), (1, 1)):
            share = np.abs(1 - du - (u - u0)) * np.abs(1 - dv - (v - v0))
            taken = picture[np.clip(v0 + dv, 0, 89), np.clip(u0 + du, 0, 129)]
            wanted += share[:, :, None] * taken / 4
    assert np.abs(view.apply(picture[view.part], Buffers()) - wanted).max() < 8


looks = st.fixed_dictionaries(
    {
        "zoom": st.floats(1, 4),
        "turn": st.floats(-50, 50),
        "focus": st.builds(Focus, st.floats(0, 1), st.floats(0, 1)),
        "ease": st.sampled_from(["smooth", "linear", "hold"]),
    }
)


@given(
    st.lists(looks, min_size=1, max_size=4),
    sides,
    sides,
    st.sampled_from(["pad", "crop", "blur"]),
    poses,
)
def test_no_move_shows_a_border(
    keys: list[dict[str, Any]], across: int, down: int, fit: Any, pose: Pose
) -> None:
    framing = Framing(Size(across, down), fit, pose=pose)
    framing = filmed(framing, STILL, *((at, key) for at, key in enumerate(keys)))
    assert framing.camera is not None
    width, height = framing.pictures
    corners = np.array([[x, y] for x in (-0.5, across - 0.5) for y in (-0.5, down - 0.5)])
    matrices = framing.camera.onto(np.arange(0, 25 * len(keys)))
    away = corners[None] - matrices[:, None, :, 2]
    x, y = np.moveaxis(np.linalg.inv(matrices[:, None, :, :2]) @ away[..., None], 2, 0)
    slack = 0.02  # of the picture's pixels: borders are looked for at many places, not everywhere
    assert x.min() >= -0.5 - slack
    assert y.min() >= -0.5 - slack
    assert x.max() <= width - 0.5 + slack
    assert y.max() <= height - 0.5 + slack


def test_a_move_keeps_its_times_to_the_frame() -> None:
    near, far = Focus(0.3, 0.5), Focus(0.7, 0.5)
    framing = filmed(
        Framing(Size(64, 48), "crop"), (400, 300),
        (Fraction(1, 3), {"zoom": 2, "focus": near}), (2, {"focus": far, "ease": "hold"}),
        (3, {"focus": near, "ease": "linear"}),
    )  # fmt: skip
    centre = framing.place((400, 300), np.tile([[199.5, 149.5]], (100, 1)), np.arange(100))[:, 0]
    apart = 0.4 * 400 * 2 * 64 / 400
    assert np.allclose(centre[:50], 31.5 + apart / 2)  # held, also before its first key
    assert np.allclose(centre[50:76], 31.5 + np.linspace(-apart / 2, apart / 2, 26))
    assert np.allclose(centre[75:], 31.5 + apart / 2)


def test_a_zoom_goes_towards_one_point() -> None:
    framing = filmed(
        Framing(Size(64, 48), "crop"),
        (400, 300),
        (0, {"zoom": 1}),
        (4, {"zoom": 4, "focus": Focus(0.3, 0.4)}),
    )
    matrices = framing.camera.onto(np.arange(101))  # type: ignore[union-attr]
    # From the first frame to any other there is one point that stays, and it is the same one.
    first, last = (np.vstack([matrices[at], [0, 0, 1]]) for at in (0, 100))
    values, vectors = np.linalg.eig(np.linalg.inv(first) @ last)
    fixed = vectors[:, np.abs(values - 1).argmin()].real
    stays = matrices @ (fixed / fixed[2])
    assert np.abs(stays - stays[0]).max() < 1e-6
    assert np.allclose(
        matrices[50, 0, 0] / matrices[0, 0, 0], 2
    )  # half of the way: the square root


def test_views_do_not_depend_on_where_a_segment_starts() -> None:
    framing = filmed(Framing(Size(64, 48), "pad"), STILL, (0, {}), (5, {"zoom": 2, "turn": 9}))
    assert framing.camera is not None
    views = framing.camera.views(0, 130)
    assert views[70:90] == framing.camera.views(70, 90)
    assert len({view.onto for view in views}) > 120  # the first differ by less than floats
    small = framing.resized(Size(32, 24))
    assert small.camera is not None
    assert small.camera.size == (32, 24)
    assert np.allclose(
        small.place(STILL, np.eye(2) * 90, np.array([60, 61])) + 0.5,
        (framing.place(STILL, np.eye(2) * 90, np.array([60, 61])) + 0.5) / 2,
        atol=0.3,  # what is padded is scaled to whole pixels
    )


def test_pictures_are_no_larger_than_a_camera_needs() -> None:
    close = filmed(Framing(Size(64, 36), "crop"), (4000, 3000), (0, {"zoom": 2}))
    assert close.pictures == (192, 144)
    assert close.scaled((4000, 3000)) == (192, 144)
    coarse = filmed(Framing(Size(64, 36), "crop"), (100, 75), (0, {"zoom": 2}))
    assert coarse.pictures == (150, 113)
    padded = filmed(Framing(Size(64, 36), "pad"), (4000, 3000), (0, {"zoom": 2}))
    assert padded.pictures == (192, 108)
    part = View((3, 0, -160, 0, 3, -160), (192, 144), (64, 36)).part
    assert part == (slice(52, 68), slice(52, 77))


def test_keys_out_of_order_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"the key at 1\.00 s of the clip comes after that at 2"):
        filmed(Framing(Size(64, 48)), STILL, (2, {}), (1, {}))
    with pytest.raises(ProjectError, match="is not from 1 to 16"):
        Move(NOON, zoom=0.5)


# ---------------------------------------------------------------------- in a film


@pytest.fixture
def sky(tmp_path: Path) -> Callable[[str], Any]:
    """The job of a project over three stills of one star each, at one place."""
    folder = tmp_path / "sky"
    folder.mkdir()
    star = (dots((300, 200), [(180.0, 90.0)], 4.0) >> 8).astype(np.uint8)
    for number in range(3):
        write_still(folder / f"s{number}.png", star, EPOCH + 10 * number)

    def job(text: str) -> Any:
        (tmp_path / "p.yaml").write_text(
            "roll: {stills: sky}\nmission: {epoch: 2018-11-16T18:14:08Z}\nschedule: {speed: 5}\n"
            + text
        )
        return load(tmp_path / "p.yaml").job()

    return job


def test_a_film_moves_as_its_project_says(sky: Callable[[str], Any]) -> None:
    job = sky(
        "framing:\n  flip: horizontal\n"
        "  moves: [{at: T+5 s, zoom: 1}, {at: 4 s, zoom: 1.5, focus: 60 % 45 %}]\n"
        "output: {size: 96x96, fit: crop, rate: 10}\n"
    )
    assert job.framing.camera.keys[0].at == 1  # T+5 s, at 5 mission seconds a second
    numbers = np.arange(0, job.plan.frames, 7)
    told = job.framing.place((300, 200), np.tile([[180.0, 90.0]], (len(numbers), 1)), numbers)
    with closing(frames(job)) as made:
        shown = {n: frame[:, :, :1].astype(float) for n, frame in enumerate(made) if n % 7 == 0}
    inside = 0
    for number, at in zip(numbers.tolist(), told.tolist(), strict=True):
        if 12 < at[0] < 83 and 12 < at[1] < 83:
            assert np.abs(found(shown[number], at, 11) - at).max() < 0.1
            inside += 1
    assert inside >= 3
    with closing(frames(job, 21, 22)) as made:
        assert np.array_equal(next(iter(made))[:, :, :1], shown[21])


def test_only_what_a_segment_shows_of_a_move_is_in_its_key(sky: Callable[[str], Any]) -> None:
    def keys(end: str) -> list[str]:
        text = (
            f"framing: {{moves: [{{at: 0 s}}, {{at: 2 s, zoom: 2}}, {{at: 4 s, turn: {end}}}]}}\n"
        )
        job = sky(text + "output: {size: 96x64, fit: pad, rate: 10}\n")
        return [cut(job, start, start + 10).key for start in (0, 10, 30)]

    one, other = keys("0"), keys("0.0001")
    assert one[2] != other[2]
    assert len(set(one)) == 3
    assert one == keys("0")


def test_still_framings_have_no_view(sky: Callable[[str], Any]) -> None:
    job = sky("output: {size: 96x96, fit: blur, focus: [0.3, 0.5]}\n")
    segment = cut(job, 0, 5)
    assert segment.views == ()
    assert segment.framing == Framing(Size(96, 96), "blur", Focus(0.3, 0.5))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("framing: {crop: [0.5, 0, 0.6, 1]}",
         "4:10: framing: crop: [0.5, 0.0, 0.6, 1.0] is no part of a still"),
        ("framing: {crop: [0, 0, 301, 20]}",
         "4:10: framing: crop: [0.0, 0.0, 301.0, 20.0] is no part of a still of 300x200"),
        ("framing: {lens: [-50]}", "4:10: framing: lens: [-50.0] with focal 1 bends stills beyond"),
        ("framing: {moves: [{at: 2 s}, {at: 1 s}]}", "4:18: framing.moves: the key at 1.00 s"),
        ("framing: {moves: [{at: 2 s, zom: 2}]}",
         "4:29: framing.moves[0].zom: unknown key; did you mean zoom?"),
        ("framing: {moves: [{at: 99:00}]}", "4:24: framing.moves[0].at: '99:00' does not fit"),
        ("output: {focus: 2 2}", "4:17: output.focus: '2 2' is no point of a still"),
    ],
)  # fmt: skip
def test_mistakes_have_their_place(sky: Callable[[str], Any], text: str, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        sky(text + "\n")
    assert f"p.yaml:{told}" in str(caught.value)
