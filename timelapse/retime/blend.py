"""Blend modes: which stills a frame is made of, and how much of each.

A blend mode turns instants into rows of a sparse matrix over *knots*.  A knot is a still at a
mission time; a still may stand at several knots (a gap that is held repeats the still before it).
Adding a mode is one class here and its name in `Blend`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.machine import Buffers
from timelapse.notation import Notation

Ticks = NDArray[np.int64]


class Rows(NamedTuple):
    """Taps of many frames: tap k gives weights[k] of knot knots[k] to frame frames[k].

    int64, int64, float64; ordered by frame, then knot.
    """

    frames: NDArray[np.int64]
    knots: NDArray[np.int64]
    weights: NDArray[np.float64]


class Angle(float, Notation):
    """A shutter angle in degrees: 360 is open for the whole of a frame's time: `180`."""

    examples: tuple[str, ...] = ("180", "360")

    @classmethod
    def read(cls, text: str) -> Angle:
        try:
            angle = float(text.strip().removesuffix("°").removesuffix("deg"))
        except ValueError:
            raise ValueError(f"{text!r} is not an angle; write 180") from None
        if not 0 < angle <= 3600:
            raise ValueError(f"{text}: a shutter angle lies above 0 and at most at 3600 degrees")
        return cls(angle)


Gaps = Literal["hold", "blend"]


@dataclass(frozen=True)
class _Blend:
    """`gaps` of two or more missing stills are held (the still before stands until one interval
    before the still that ends the gap, as if the camera had gone on taking it) or blended across.
    `shutter` matters to modes that average over time; the others do without it."""

    gaps: Gaps = "hold"
    shutter: Angle = Angle(180)


@dataclass(frozen=True)
class Nearest(_Blend):
    """Each frame shows the still nearest in time."""

    blend: Literal["nearest"] = "nearest"

    @property
    def open_share(self) -> float:
        """The share of a frame's time for which its window is open; 0 for an instant."""
        return 0.0

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        """Rows for frames whose windows are [opens, closes); knots are strictly rising."""
        nearest = np.searchsorted(_borders(knots), opens * 2 + _ROUNDED, "right")
        return Rows(np.arange(len(opens)), nearest, np.ones(len(opens)))


@dataclass(frozen=True)
class Linear(_Blend):
    """Each frame mixes the stills before and after its instant by their distance in time."""

    blend: Literal["linear"] = "linear"

    @property
    def open_share(self) -> float:
        return 0.0

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        before = np.clip(np.searchsorted(knots, opens, "right") - 1, 0, len(knots) - 1)
        after = np.minimum(before + 1, len(knots) - 1)
        span = np.maximum(knots[after] - knots[before], 1)
        share = np.clip((opens - knots[before]) / span, 0.0, 1.0)
        frames = np.repeat(np.arange(len(opens)), 2)
        pairs = np.stack([before, after], axis=1).ravel()
        weights = np.stack([1 - share, share], axis=1).ravel()
        keep = weights > 0
        return Rows(frames[keep], pairs[keep], weights[keep])


@dataclass(frozen=True)
class Box(_Blend):
    """Each frame averages over the time its shutter is open: `shutter` degrees of 360.

    A still stands for the time from half-way to its predecessor to half-way to its successor.
    """

    blend: Literal["box"] = "box"

    @property
    def open_share(self) -> float:
        return self.shutter / 360

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        borders = _borders(knots)
        opens, closes = opens * 2, np.maximum(closes * 2, opens * 2 + 1)
        first = np.searchsorted(borders, opens, "right")
        last = np.searchsorted(borders, closes, "left")
        counts = last - first + 1
        frames = np.repeat(np.arange(len(opens)), counts)
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        stood = first[frames] + np.arange(len(frames)) - starts
        limit = np.iinfo(np.int64).max // 4
        edges = np.concatenate([[-limit], borders, [limit]])
        shown = np.minimum(edges[stood + 1], closes[frames])
        shown -= np.maximum(edges[stood], opens[frames])
        return Rows(frames, stood, shown / (closes - opens)[frames])


Blend = Nearest | Linear | Box


#: By how many half ticks the rounding of two knots and of an instant may move the latter from
#: a border on which it stands: such an instant shows the later still, by the rule of the design.
_ROUNDED = 2


def _borders(knots: Ticks) -> Ticks:
    """Half-way between neighbours, in half ticks, so that it stays whole."""
    if len(knots) == 0:
        raise PlanError("there is no still to show")
    return knots[:-1] + knots[1:]


def mix(
    stills: Sequence[NDArray[np.uint16]], weights: NDArray[np.float32], buffers: Buffers
) -> NDArray[np.uint16]:
    """The weighted mean of stills in linear light, rounded once.

    `stills` are uint16 arrays of one shape, `weights` sum to 1.  The result is that of `buffers`;
    of a lone still, the still itself.
    """
    import cv2

    if len(stills) == 1:
        return stills[0]
    out = buffers.take("mixed", stills[0].shape, np.uint16)
    if len(stills) == 2:
        cv2.addWeighted(stills[0], float(weights[0]), stills[1], float(weights[1]), 0, out)
    else:
        # A running mean: after each step `scratch` is the mean of the stills so far.
        scratch = buffers.take("mean", stills[0].shape, np.float32)
        np.copyto(scratch, stills[0])
        so_far = np.cumsum(weights, dtype=np.float64)
        for still, weight, total in zip(stills[1:], weights[1:], so_far[1:], strict=True):
            cv2.accumulateWeighted(still, scratch, float(weight) / float(total))
        np.add(scratch, np.float32(0.5), out=scratch)
        np.copyto(out, scratch, casting="unsafe")
    return out
