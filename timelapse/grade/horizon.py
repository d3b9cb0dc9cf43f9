"""How one still lies over another, by the line where sky meets ground: the limb of the Earth, or
the sea.

Places are in pixels of the small gray pictures that are compared; (0, 0) is the middle of the
first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.grade.agree import Fit, Floats, Model

Gray = NDArray[np.uint8]

#: The width at which it is looked for, and at how many places it is measured then.
_COARSE, _PLACES = 160, 240
#: How far on either side of where it is looked for it may be, as a share of the width.
_SEARCH = 0.12
#: The share of the places that have to have it, within so many pixels.
_LEAST, _NEAR = 0.4, 1.5
#: Brightness as the eye has it: towns would outshine the limb of the night.
_EYE = np.rint(255 * np.log1p(np.arange(256) / 16) / np.log(17)).astype(np.uint8)
#: How many levels brightness has to change by.
_FAINTEST = 1.0


class Line(NamedTuple):
    """Where `across` . place = `at`; `across` is a unit vector towards the brighter side."""

    across: Floats
    at: float


@dataclass(frozen=True, eq=False)
class View:
    """The horizon of a still, if it has one; `seen` is the share of its length where it was found,
    `off` how far it may be off (pixels)."""

    line: Line | None
    size: tuple[int, int]
    seen: float = 0.0
    off: float = 0.0


class Horizon:
    """The horizon, which says how a still is turned and how far it lies across it, and nothing
    else: how far along it nobody knows."""

    name = "horizon"
    coarse = False

    def __init__(self, model: Model, looked: Gray | None = None) -> None:
        self._turns, self._looked = model != "translation", looked

    def view(self, gray: Gray) -> View:
        gray, size = np.asarray(cv2.LUT(gray, _EYE), np.uint8), gray.shape[1::-1]
        rough = self._rough(gray)
        return View(None, size) if rough is None else self._fine(gray, rough)

    def between(self, a: View, b: View, guess: Floats) -> Fit | None:
        """How `b` lies over `a`; None where either has no horizon."""
        if a.line is None or b.line is None:
            return None
        (there, at), (here, of) = a.line, b.line
        middle = (np.array(a.size) - 1) / 2
        onto = np.eye(3)
        if self._turns:
            cosine = float(here @ there)
            sine = float(here[0] * there[1] - here[1] * there[0])
            onto[:2, :2] = [[cosine, -sine], [sine, cosine]]
        onto[:2, 2] = middle - onto[:2, :2] @ middle
        onto[:2, 2] += there * ((at - there @ middle) - (of - here @ middle))
        return Fit(onto, min(a.seen, b.seen), float(np.hypot(a.off, b.off)))

    def _rough(self, gray: Gray) -> Line | None:
        """The line over which brightness changes most, of all lines (a Radon transform of the
        slopes)."""
        scale = min(1.0, _COARSE / gray.shape[1])
        small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        light = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.5)
        slope_x = cv2.Sobel(light, cv2.CV_32F, 1, 0, scale=1 / 8)
        slope_y = cv2.Sobel(light, cv2.CV_32F, 0, 1, scale=1 / 8)
        if self._looked is not None:
            looked = cv2.resize(self._looked, small.shape[::-1], interpolation=cv2.INTER_NEAREST)
            looked = cv2.erode(looked, np.ones((7, 7), np.uint8), borderValue=255)
            slope_x[looked == 0] = slope_y[looked == 0] = 0
        middle = (np.array(small.shape[::-1]) - 1) / 2
        x = np.arange(small.shape[1]) - middle[0]
        y = np.arange(small.shape[0])[:, None] - middle[1]
        reach = int(np.hypot(*middle)) + 2
        best, line = 0.0, None
        for angle in np.radians(np.arange(0, 180, 1.5)):
            across = np.array([np.cos(angle), np.sin(angle)])
            apart = x * across[0] + y * across[1] + reach
            slope = (slope_x * across[0] + slope_y * across[1]).ravel()
            lines = np.bincount(np.rint(apart.ravel()).astype(int), slope, 2 * reach + 1)
            sums = np.convolve(lines, [0.5, 1, 1, 1, 0.5], "same")
            where = int(np.argmax(np.abs(sums)))
            if abs(sums[where]) > best:
                best, sign = float(abs(sums[where])), float(np.sign(sums[where]))
                line = Line(across * sign, float(where - reach + across @ middle) * sign)
        if line is None or best < _FAINTEST * min(small.shape) / 2:
            return None
        off = 0.5 / scale - 0.5
        return Line(line.across, line.at / scale + off * float(line.across.sum()))

    def _fine(self, gray: Gray, rough: Line) -> View:
        """The horizon as measured along it: where brightness changes fastest, at many places; most
        of them lie on an arc, and its tangent is the horizon."""
        size = gray.shape[1::-1]
        across, along = rough.across, np.array([-rough.across[1], rough.across[0]])
        middle = (np.array(size) - 1) / 2
        foot = middle + across * (rough.at - across @ middle)
        reach = int(_SEARCH * size[0])
        run = np.linspace(-0.5, 0.5, _PLACES) * np.hypot(*size)
        over = np.arange(-reach, reach + 1.0)
        places = (foot + run[:, None] * along)[:, None] + over[:, None] * across
        column, row = np.moveaxis(places.astype(np.float32), -1, 0)
        profile = cv2.remap(gray, column, row, cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_REPLICATE).astype(np.float32)  # fmt: skip
        slope = np.gradient(cv2.GaussianBlur(profile, (0, 0), 2.0, sigmaY=1.0), axis=1)
        inside = ((places >= 1) & (places <= np.array(size) - 2)).all(axis=2)
        if self._looked is not None:
            at = np.clip(np.rint(places), 0, np.array(size) - 1).astype(int)
            inside &= self._looked[at[..., 1], at[..., 0]] > 0
        slope[~inside] = 0
        top = np.argmax(slope, axis=1)
        height = slope[np.arange(_PLACES), top]
        there = inside.mean(axis=1) > 0.5
        usable = there & (top > 0) & (top < len(over) - 1)
        usable &= height > max(0.25 * float(np.median(height[there])) if there.any() else 1, 0.05)
        which = np.flatnonzero(usable)
        if len(which) < 20:
            return View(None, size)
        before, at_top, after = (slope[which, top[which] + k] for k in (-1, 0, 1))
        vertex = (before - after) / np.minimum(2 * (before - 2 * at_top + after), -1e-6)
        fitted = _arc(run[which], over[top[which]] + np.clip(vertex, -0.5, 0.5))
        if fitted is None:
            return View(None, size)
        (bend, slant, level), agree, off = fitted
        seen = float(agree.sum() / max(there.sum(), 1))
        if seen < _LEAST:
            return View(None, size)
        # Where it is nearest to the middle of the still: what lies there turns as the camera does.
        depth, nearest = rough.at - across @ middle, 0.0
        for _ in range(20):
            drop = (bend * nearest + slant) * nearest + level
            nearest = float(np.clip(-(depth + drop) * (2 * bend * nearest + slant), *run[[0, -1]]))
        drop = (bend * nearest + slant) * nearest + level
        normal = across - (2 * bend * nearest + slant) * along
        normal /= np.hypot(*normal)
        place = foot + nearest * along + drop * across
        return View(Line(normal, float(normal @ place)), size, seen, off)


def _arc(run: Floats, over: Floats) -> tuple[Floats, NDArray[np.bool_], float] | None:
    """The parabola that most points lie on (bend, slant, level), which do, and how far it may be
    off; each of many triples is tried."""
    count, unit = len(run), float(np.abs(run).max())
    rng = np.random.default_rng(7)
    powers = np.stack([(run / unit) ** 2, run / unit, np.ones(count)], 1)
    triples = np.sort(rng.integers(0, count, (400, 3)), axis=1)
    triples = triples[(np.diff(triples, axis=1) > count // 10).all(axis=1)]
    found = np.linalg.solve(powers[triples], over[triples][..., None])[..., 0]
    close = np.abs(found @ powers.T - over) < _NEAR
    agree = close[int(np.argmax(close.sum(axis=1)))]
    for _ in range(4):
        if agree.sum() < 12:
            return None
        terms, *_ = np.linalg.lstsq(powers[agree], over[agree], rcond=None)
        off = np.abs(powers @ terms - over)
        agree = off < max(_NEAR / 2, 3 * float(np.median(off[agree])))
    spread = float(np.sqrt(np.mean((powers[agree] @ terms - over[agree]) ** 2)))
    doubt = 4 * spread / np.sqrt(max(int(agree.sum()), 1))
    return terms / [unit**2, unit, 1], agree, doubt
