"""How bright the stills of a roll are: the light of each in patches, and what its camera says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.ingest import Still
from timelapse.ingest.look import LUMINANCE
from timelapse.times import CaptureTime

Floats = NDArray[np.float64]
#: Left, top, right and bottom of a part of a still, in shares of its width and height.
Area = tuple[float, float, float, float]


def checked(area: Area) -> Area:
    """The same; raises ProjectError where it is no part of a still."""
    left, top, right, bottom = area
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ProjectError(
            f"area {left:g} {top:g} {right:g} {bottom:g}: left, top, right and bottom are shares "
            "of a still from 0 to 1, left below right and top below bottom"
        )
    return area


@dataclass(frozen=True)
class Moving:
    """A part of the stills that moves evenly from one of its `keys` (when, and where it is then)
    to the next, and stands still before the first and after the last."""

    keys: tuple[tuple[CaptureTime, Area], ...]

    def __post_init__(self) -> None:
        if not self.keys:
            raise ProjectError("area: it has no keys; write [{at: ..., box: [0, 0, 1, 60 %]}]")
        for (before, _), (after, _) in pairwise(self.keys):
            if after <= before:
                raise ProjectError(f"{after} is not after the key before, {before}")
        for _, area in self.keys:
            checked(area)

    def at(self, times: Floats, first: CaptureTime) -> Floats:
        """Where it is (N x 4) at each of N `times`, in seconds from `first`."""
        known = [float(when - first) for when, _ in self.keys]
        ends = np.array([area for _, area in self.keys]).T
        return np.stack([np.interp(times, known, end) for end in ends], axis=-1)


@dataclass(frozen=True, eq=False)
class Levels:
    """The light of N stills.

    `times` are their capture times in seconds from the first one, rising.  `light` (N x rows x
    columns x 3, float32) is the mean of each patch in linear light, RGB, 0 to 1; all zero for a
    still that cannot be read.  `exposure` is what the cameras say that they let in: the binary
    logarithm of shutter time x ISO / f-number squared, NaN where they do not.  `first` is when the
    first one was taken.
    """

    times: Floats
    light: NDArray[np.float32]
    exposure: Floats
    first: CaptureTime = CaptureTime(Fraction(0))

    def __len__(self) -> int:
        return len(self.times)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which stills could be read (N)."""
        return np.asarray(self.light.any(axis=(1, 2, 3)), np.bool_)

    @property
    def luminance(self) -> NDArray[np.float32]:
        """Luminance of each patch (N x rows x columns), 0 to 1."""
        return self.light @ LUMINANCE

    def within(self, area: Area | Moving | None) -> Levels:
        """The levels of a part of the stills, in as many patches."""
        if area is None:
            return self
        moving = area if isinstance(area, Moving) else Moving(((self.first, area),))
        light = np.empty_like(self.light)
        for at, box in enumerate(moving.at(self.times, self.first)):
            light[at] = _part(self.light[at], box)
        return replace(self, light=light)


def levels_of(stills: Sequence[Still], rows: NDArray[Any]) -> Levels:
    """The levels of stills in capture order, from what looking at them has found: `rows` of
    `ingest.look.LOOK`, one a still."""
    first = stills[0].captured if stills else CaptureTime(Fraction(0))
    return Levels(
        np.array([float(still.captured - first) for still in stills], np.float64),
        np.minimum(rows["patches"], 1).astype(np.float32),
        _exposures(stills),
        first,
    )


def _exposures(stills: Sequence[Still]) -> Floats:
    """What the commonest camera says of its stills: two cameras cannot be held to each other."""
    stated = np.full(len(stills), np.nan)
    cameras = Counter(still.camera for still in stills if still.exposure)
    commonest = max(cameras, key=cameras.__getitem__, default=None)
    for at, still in enumerate(stills):
        if still.exposure and still.camera == commonest:
            stated[at] = log2(still.exposure)
            if still.iso:
                stated[at] += log2(still.iso)
            if still.aperture:
                stated[at] -= 2 * log2(still.aperture)
    # A still without its ISO would be many stops from those that state it.
    told = [(bool(still.iso), bool(still.aperture)) for still in stills]
    usual = Counter(t for t, ev in zip(told, stated, strict=True) if not np.isnan(ev))
    for at, what in enumerate(told):
        if usual and what != usual.most_common(1)[0][0]:
            stated[at] = np.nan
    return stated


def _part(patches: NDArray[np.float32], area: Floats) -> NDArray[np.float32]:
    """A part of a grid of patches, as the means of a grid of as many."""
    rows, columns = (
        _shares(size, *ends)
        for size, ends in zip(patches.shape[:2], (area[1::2], area[::2]), strict=True)
    )
    part: NDArray[np.float32] = np.einsum("yr,rcb,xc->yxb", rows, patches, columns, optimize=True)
    return part


def _shares(size: int, start: float, end: float) -> NDArray[np.float32]:
    """How much of each of `size` cells lies in each of as many between two shares of the whole:
    rows that add up to 1."""
    edges = np.linspace(start, end, size + 1) * size
    cells = np.arange(size)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    weights = np.maximum(overlap, 0)
    shares: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
