"""Blend modes: which stills a frame is made of, and how much of each.

A blend mode turns instants into rows of a sparse matrix over *knots*.  A knot is a still at a
mission time; a still may stand at several knots (a gap that is held repeats the still before it).
Adding a mode is one class here and its name in `Blend`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.notation import Notation
from timelapse.retime.gaps import GapAt, Gaps
from timelapse.retime.mixing import Mixing
from timelapse.times import Seconds
from timelapse.written import Instant

#: Planning counts time in nanoseconds since the clip's start: exact for every camera, and the
#: borders between stills stay exact where two of them are equally near.
TICKS = 10**9
Ticks = NDArray[np.int64]
#: By how many half ticks the rounding of two knots and of an instant may move the latter from
#: a border on which it stands: such an instant shows the later still, by the rule of the design.
_ROUNDED = 2
#: How far a bell reaches, in standard deviations.
_DEVIATIONS = 3.0


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


Light = Literal["linear", "display"]
Dither = Literal["auto", "on", "off"]
Stands = Literal["start", "middle"]


@dataclass(frozen=True)
class _Blend:
    """`gaps` says what is shown where two or more stills are missing, `gap_at` what for single
    gaps.  `shutter` matters to modes that average over time; the others do without it.  `light` is
    what stills are mixed in: linear, as a sensor adds it, or display light, as most programs do.
    `dither` spreads the rounding to 8 bits, so that a sky shows no bands: `auto` where the stills
    have more.  A still stands at the instant at which it was taken; with `stands: middle` at the
    middle of its exposure, which is what a blend of long exposures means.  Where several blends
    stand in a list, each but the first says with `at` from when on it is the one."""

    gaps: Gaps = "hold"
    gap_at: tuple[GapAt, ...] = ()
    shutter: Angle = Angle(180)
    light: Light = "linear"
    dither: Dither = "auto"
    stands: Stands = "start"
    at: Instant | None = None

    #: How the stills of a row become a frame.
    mixing: ClassVar[Mixing] = "mean"


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
class Flow(Linear):
    """Each frame follows what moves between the stills before and after its instant; where that is
    not to be trusted, and across gaps, it is as with `linear`.

    `model` is who finds the motion: `dis`, which is Dense Inverse Search, or one that an installed
    package offers.
    """

    blend: Literal["flow"] = "flow"  # type: ignore[assignment]
    model: str = "dis"
    mixing: ClassVar[Mixing] = "flow"


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
        frames, stood = _standing(borders, opens, closes)
        limit = np.iinfo(np.int64).max // 4
        edges = np.concatenate([[-limit], borders, [limit]])
        shown = np.minimum(edges[stood + 1], closes[frames])
        shown -= np.maximum(edges[stood], opens[frames])
        return Rows(frames, stood, shown / (closes - opens)[frames])


@dataclass(frozen=True)
class Gaussian(_Blend):
    """Each frame averages over a bell around the middle of its shutter's time.

    The bell is as wide as the shutter's box, by standard deviation, and ends three of them from its
    middle; a still counts as much as the bell covers of the time that it stands for.
    """

    blend: Literal["gaussian"] = "gaussian"

    @property
    def open_share(self) -> float:
        return self.shutter / 360

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        from scipy.special import ndtr

        borders, middle = _borders(knots), opens + closes
        deviation = np.maximum(np.abs(closes - opens) / 12**0.5, 0.5)
        reach = np.rint(deviation * 2 * _DEVIATIONS).astype(np.int64)
        frames, stood = _standing(borders, middle - reach, middle + reach)
        edges = np.concatenate([[-np.inf], borders.astype(np.float64), [np.inf]])
        unit = 2 * deviation[frames]
        sides = (
            np.clip((edges[stood + side] - middle[frames]) / unit, -_DEVIATIONS, _DEVIATIONS)
            for side in (0, 1)
        )
        below, above = (ndtr(side) for side in sides)
        weights = (above - below) / (ndtr(_DEVIATIONS) - ndtr(-_DEVIATIONS))
        return Rows(frames, stood, weights)


@dataclass(frozen=True)
class Cubic(_Blend):
    """Each frame lies on a smooth curve through the stills around its instant: sharper than
    `linear` where things move evenly; what overshoots is cut to black or white.

    Cubic Hermite pieces whose slope at a still is that between its neighbours (Catmull-Rom, for
    stills at uneven times).
    """

    blend: Literal["cubic"] = "cubic"
    mixing: ClassVar[Mixing] = "sum"

    @property
    def open_share(self) -> float:
        return 0.0

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        count = len(knots)
        before = np.clip(np.searchsorted(knots, opens, "right") - 1, 0, count - 1)
        near = np.clip(before[:, None] + np.arange(-1, 3), 0, count - 1)
        time = knots[near].astype(np.float64)
        span = np.maximum(time[:, 2] - time[:, 1], 1.0)
        u = np.clip((opens - knots[before]) / span, 0.0, 1.0)
        start = (u * (u - 1) ** 2) * span / np.maximum(time[:, 2] - time[:, 0], 1.0)
        end = (u**2 * (u - 1)) * span / np.maximum(time[:, 3] - time[:, 1], 1.0)
        share = u * u * (3 - 2 * u)
        columns = [-start, 1 - share - end, share + start, end]
        frames = np.repeat(np.arange(len(opens)), 4)
        weights = np.stack(columns, axis=1).ravel()
        keep = weights != 0
        return Rows(frames[keep], near.ravel()[keep], weights[keep])


@dataclass(frozen=True)
class _Over(_Blend):
    """`over` is the mission time of which stills are looked at."""

    over: Seconds = Seconds(10)

    def __post_init__(self) -> None:
        if self.over <= 0:
            raise ValueError(f"over: {self.over} has to be above zero")

    @property
    def open_share(self) -> float:
        return 0.0

    def _seen(self, knots: Ticks, opens: Ticks, ahead: float) -> tuple[Ticks, Ticks]:
        """Frames and knots: all taken in `over`, of which a share lies ahead; at least one."""
        whole = round(self.over * TICKS)
        after = round(whole * ahead)
        first = np.searchsorted(knots, opens - (whole - after), "left")
        last = np.searchsorted(knots, opens + after, "right") - 1
        latest = np.clip(np.searchsorted(knots, opens, "right") - 1, 0, len(knots) - 1)
        first, last = np.minimum(first, latest), np.maximum(last, latest)
        return _runs(first, last)


@dataclass(frozen=True)
class Lighten(_Over):
    """Each frame shows the lightest of the stills taken up to `over` before it: star trails.

    With `decay` a still is the dimmer the longer it is past, and gone after `over`: comet tails.
    """

    blend: Literal["lighten"] = "lighten"
    decay: bool = False
    mixing: ClassVar[Mixing] = "lightest"

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        frames, seen = self._seen(knots, opens, 0)
        gains = np.ones(len(frames))
        if self.decay:
            age = (opens[frames] - knots[seen]) / float(self.over * TICKS)
            gains = np.clip(1 - age, 0.0, 1.0)
            # The latest still is full, however old it is: there is none that replaces it.
            newest = np.append(frames[1:] != frames[:-1], True)
            gains[newest] = 1.0
        return Rows(frames, seen, gains)


@dataclass(frozen=True)
class _Around(_Over):
    """All stills taken in `over` around a frame's instant, none before another."""

    def rows(self, knots: Ticks, opens: Ticks, closes: Ticks) -> Rows:
        frames, seen = self._seen(knots, opens, 0.5)
        return Rows(frames, seen, 1 / np.bincount(frames)[frames])


@dataclass(frozen=True)
class Darken(_Around):
    """Each frame shows the darkest of the stills taken in `over` around it: lights that pass
    vanish."""

    blend: Literal["darken"] = "darken"
    mixing: ClassVar[Mixing] = "darkest"


@dataclass(frozen=True)
class Median(_Around):
    """Each frame shows the median of the stills taken in `over` around it: people and satellites
    vanish."""

    blend: Literal["median"] = "median"
    mixing: ClassVar[Mixing] = "median"


Blend = Nearest | Linear | Flow | Box | Gaussian | Cubic | Lighten | Darken | Median


def _runs(first: Ticks, last: Ticks) -> tuple[Ticks, Ticks]:
    """Rows of runs: frame k has the knots first[k] to last[k]."""
    counts = last - first + 1
    frames = np.repeat(np.arange(len(first)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return frames, first[frames] + np.arange(len(frames)) - starts


def _standing(borders: Ticks, opens: Ticks, closes: Ticks) -> tuple[Ticks, Ticks]:
    """Frames and the knots that stand in their windows [opens, closes), all in half ticks."""
    return _runs(np.searchsorted(borders, opens, "right"), np.searchsorted(borders, closes, "left"))


def _borders(knots: Ticks) -> Ticks:
    """Half-way between neighbours, in half ticks, so that it stays whole."""
    if len(knots) == 0:
        raise PlanError("there is no still to show")
    return knots[:-1] + knots[1:]
