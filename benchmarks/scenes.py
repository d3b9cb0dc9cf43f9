"""Scenes whose exact picture at any instant is known: textured things that pass in front of one
another, and night skies.

All is drawn in linear light, each pixel as the mean over its area, and moves evenly from still to
still; time is counted in stills.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.srgb import linear_of

Light = NDArray[np.uint16]
F32 = NDArray[np.float32]
_FINE = 2  # samples a pixel, each way


@dataclass(frozen=True)
class Thing:
    """A textured shape: centre (x, y) at instant 0 and its step a still, in pixels; half its size;
    turn in radians a still.  `corner` is the radius of its corners: half its size for a disc."""

    centre: tuple[float, float]
    step: tuple[float, float]
    half: tuple[float, float]
    corner: float
    turn: float
    texture: F32

    def paint(self, canvas: F32, at: float) -> None:
        """Draws the thing as it stands at an instant on a canvas of `_FINE` samples a pixel."""
        import cv2

        x, y = (self.centre[axis] + at * self.step[axis] for axis in (0, 1))
        reach = math.hypot(*self.half) + 2
        height, width = canvas.shape[:2]
        left, right = (int(np.clip((x + side) * _FINE, 0, width)) for side in (-reach, reach))
        top, bottom = (int(np.clip((y + side) * _FINE, 0, height)) for side in (-reach, reach))
        if left >= right or top >= bottom:
            return
        across = ((np.arange(left, right, dtype=np.float32) + 0.5) / _FINE - x)[None]
        down = ((np.arange(top, bottom, dtype=np.float32) + 0.5) / _FINE - y)[:, None]
        cos, sin = np.float32(math.cos(self.turn * at)), np.float32(math.sin(self.turn * at))
        u, v = cos * across + sin * down, cos * down - sin * across
        beyond_u = np.maximum(np.abs(u) - (self.half[0] - self.corner), 0)
        beyond_v = np.maximum(np.abs(v) - (self.half[1] - self.corner), 0)
        covered = np.clip(0.5 - (np.hypot(beyond_u, beyond_v) - self.corner) * _FINE, 0, 1)
        middle = self.texture.shape[0] / 2
        shown = cv2.remap(self.texture, u + middle, v + middle, cv2.INTER_CUBIC)
        place = canvas[top:bottom, left:right]
        place += covered[..., None] * (np.maximum(shown, 0) - place)


@dataclass(frozen=True)
class Scene:
    """What a camera sees: `size` is (width, height)."""

    size: tuple[int, int]
    draw: Callable[[float], F32]

    def at(self, instant: float) -> Light:
        """The picture at an instant, in stills: H x W x 3, uint16, linear light, new."""
        light: Light = np.rint(np.clip(self.draw(instant), 0, 1) * 65535).astype(np.uint16)
        return light


def textured(size: tuple[int, int] = (960, 540), seed: int = 3) -> Scene:
    """Seven textured things in front of a textured ground that drifts: they cross and overlap.

    Steps are up to a fortieth of the width; two of the things turn.
    """
    import cv2

    rng = np.random.default_rng(seed)
    width, height = size
    unit = width / 960
    margin = round(40 * unit)
    ground = _texture(rng, (height + 2 * margin, width + 2 * margin), 70 * unit, 0.45)
    things = []
    for number in range(7):
        half = unit * rng.uniform(28, 75, 2)
        disc = number % 3 == 0
        if disc:
            half[:] = half.mean()
        side = 2 * math.ceil(math.hypot(*half)) + 8
        angle, speed = rng.uniform(0, math.tau), unit * rng.uniform(6, 24)
        things.append(
            Thing(
                (rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.85) * height),
                (speed * math.cos(angle), speed * math.sin(angle)),
                (half[0], half[1]),
                half[0] if disc else unit * 6,
                rng.uniform(-0.06, 0.06) if number % 2 else 0.0,
                _texture(rng, (side, side), 24 * unit, 0.55),
            )
        )

    def draw(at: float) -> F32:
        shift = np.array([4.3 * unit * at, -1.7 * unit * at])
        across = (np.arange(width * _FINE, dtype=np.float32) + 0.5) / _FINE - 0.5
        down = (np.arange(height * _FINE, dtype=np.float32) + 0.5) / _FINE - 0.5
        x = np.broadcast_to(across + np.float32(margin - shift[0]), (len(down), len(across)))
        y = np.broadcast_to((down + np.float32(margin - shift[1]))[:, None], x.shape)
        canvas: F32 = cv2.remap(ground, x.copy(), y.copy(), cv2.INTER_CUBIC)  # type: ignore[assignment]
        np.maximum(canvas, 0, out=canvas)
        for thing in things:
            thing.paint(canvas, at)
        return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    return Scene(size, draw)


def _texture(rng: np.random.Generator, shape: tuple[int, int], cell: float, contrast: float) -> F32:
    """Fractal colours in linear light, without detail below a pixel and a half."""
    import cv2

    height, width = shape
    shown = np.zeros((height, width, 3), np.float32)
    weight, cell = 1.0, max(cell, 3.0)
    while cell >= 1.5:
        grid = rng.standard_normal(
            (math.ceil(height / cell) + 2, math.ceil(width / cell) + 2, 3)
        ).astype(np.float32)
        grid = 0.5 * grid + 0.5 * grid.mean(axis=2, keepdims=True)
        whole = (math.ceil(grid.shape[1] * cell), math.ceil(grid.shape[0] * cell))
        shown += weight * cv2.resize(grid, whole, interpolation=cv2.INTER_CUBIC)[:height, :width]
        cell, weight = cell / 2, weight * 0.72
    shown *= contrast / 3 / shown.std()
    shown += rng.uniform(0.35, 0.6, 3).astype(np.float32)
    light: F32 = linear_of(np.clip(shown, 0.02, 0.98)).astype(np.float32)
    return light


@dataclass(frozen=True)
class Stars:
    """Points of light: x, y in pixels at instant 0, and their peak in linear light, as arrays."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    peak: NDArray[np.float64]
    centre: tuple[float, float]
    turn: float

    def where(self, at: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions (x, y) at an instant, in pixels."""
        cos, sin = math.cos(self.turn * at), math.sin(self.turn * at)
        x, y = self.x - self.centre[0], self.y - self.centre[1]
        return self.centre[0] + cos * x - sin * y, self.centre[1] + sin * x + cos * y


@dataclass(frozen=True)
class Sky(Scene):
    """A night sky; `rocket` gives the rocket's (x, y) at an instant."""

    stars: Stars
    rocket: Callable[[float], tuple[float, float]]


def night(size: tuple[int, int] = (960, 540), turn: float = 0.0, seed: int = 5) -> Sky:
    """Stars above a glowing limb, a thin bright line that stands, and a rocket with its plume.

    The stars turn by `turn` radians a still around a point below the picture; the line, a boom of
    the station, stays, and the rocket passes it.
    """
    rng = np.random.default_rng(seed)
    width, height = size
    count = width * height // 1800
    stars = Stars(
        rng.uniform(0, width, count),
        rng.uniform(0, height, count),
        np.clip(0.03 / rng.uniform(0.02, 1, count), 0, 0.9),
        (width * 0.5, height * 1.2),
        turn,
    )
    unit = width / 960
    step = (13 * unit, -5 * unit)

    def rocket(at: float) -> tuple[float, float]:
        return width * 0.42 + at * step[0], height * 0.62 + at * step[1]

    down = np.linspace(0, 1, height)[:, None]
    glow = 0.004 + 0.1 * np.exp(-(((down - 0.92) / 0.06) ** 2))
    ground = (glow[..., None] * np.array([0.5, 1.0, 0.7])).repeat(width, axis=1)
    rows, columns = np.mgrid[:height, :width]
    # The line runs from the left edge to the bottom one; 1.4 pixels wide.
    a, b = 0.6, 0.8
    line = np.abs(a * columns - b * (rows - height * 0.35)) - 0.7
    ground += np.clip(0.5 - line, 0, 1)[..., None] * np.array([0.6, 0.55, 0.5])

    def draw(at: float) -> F32:
        canvas = ground.copy()
        x, y = stars.where(at)
        _points(canvas, x, y, stars.peak, 0.85)
        tip = rocket(at)
        length = np.linspace(0, 1, round(46 * unit) + 2)
        back = 46 * unit * length / math.hypot(*step)
        _points(
            canvas,
            tip[0] - step[0] * back,
            tip[1] - step[1] * back,
            0.22 / unit * (1 - length) ** 1.5,
            2.2 * unit,
        )
        _points(canvas, np.array([tip[0]]), np.array([tip[1]]), np.array([1.2]), 1.6 * unit)
        light: F32 = canvas.astype(np.float32)
        return light

    return Sky(size, draw, stars, rocket)


def _points(canvas: NDArray[Any], x: Any, y: Any, peak: Any, sigma: float) -> None:
    """Adds round points whose brightness falls like a bell of `sigma` pixels."""
    reach = math.ceil(4 * sigma)
    near = np.arange(-reach, reach + 1)
    rows = np.rint(y).astype(np.int64)[:, None, None] + near[:, None]
    columns = np.rint(x).astype(np.int64)[:, None, None] + near
    away = (rows - y[:, None, None]) ** 2 + (columns - x[:, None, None]) ** 2
    light = peak[:, None, None] * np.exp(-away / (2 * sigma**2))
    rows, columns = np.broadcast_arrays(rows, columns)
    height, width = canvas.shape[:2]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows[inside] * width + columns[inside]
    canvas += np.bincount(flat, light[inside], height * width).reshape(height, width, 1)
