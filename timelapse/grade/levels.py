"""How bright the stills of a roll are: the light of each in patches, and what its camera says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.ingest import Still
from timelapse.ingest.look import LUMINANCE

Floats = NDArray[np.float64]
#: Left, top, right and bottom of a part of a still, in shares of its width and height.
Area = tuple[float, float, float, float]
#: The same for every still, or for each by its index.
Areas = Area | Callable[[int], Area]


@dataclass(frozen=True, eq=False)
class Levels:
    """The light of N stills.

    `times` are their capture times in seconds from the first one, rising.  `light` (N x rows x
    columns x 3, float32) is the mean of each patch in linear light, RGB, 0 to 1; all zero for a
    still that cannot be read.  `exposure` is what the cameras say that they let in: the binary
    logarithm of shutter time x ISO / f-number squared, NaN where they do not.
    """

    times: Floats
    light: NDArray[np.float32]
    exposure: Floats

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

    def within(self, area: Areas | None) -> Levels:
        """The levels of a part of the stills, in as many patches; raises ProjectError where a
        part is none."""
        if area is None:
            return self
        light = np.empty_like(self.light)
        fixed = None if callable(area) else _checked(area)
        for at, patches in enumerate(self.light):
            light[at] = _part(patches, fixed or _checked(area(at)))  # type: ignore[operator]
        return replace(self, light=light)


def levels_of(stills: Sequence[Still], rows: NDArray[Any]) -> Levels:
    """The levels of stills in capture order, from what looking at them has found: `rows` of
    `ingest.look.LOOK`, one a still."""
    first = stills[0].captured if stills else None
    times = [float(still.captured - first) for still in stills if first is not None]
    return Levels(
        np.array(times, np.float64),
        np.minimum(rows["patches"], 1).astype(np.float32),
        _exposures(stills),
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


def _checked(area: Area) -> Area:
    left, top, right, bottom = area
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ProjectError(
            f"area {left:g} {top:g} {right:g} {bottom:g}: left, top, right and bottom are shares "
            "of a still from 0 to 1, left below right and top below bottom"
        )
    return area


def _part(patches: NDArray[np.float32], area: Area) -> NDArray[np.float32]:
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
