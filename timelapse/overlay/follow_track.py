"""Where a thing is in the stills, as a function of capture time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.times import CaptureTime

#: How a point gets from one knot to the next: on a smooth curve through all of them, on straight
#: lines, or from rest to rest.
Way = Literal["smooth", "straight", "eased"]


class Span(NamedTuple):
    """A stretch of capture time [start, stop), in seconds since 1970: `seen`, `bridged` between two
    finds that are near enough to each other, or `lost`."""

    start: float
    stop: float
    state: Literal["seen", "bridged", "lost"]


@dataclass(frozen=True, eq=False)
class Track:
    """Positions in still pixels: the upright still from its top left pixel, whose middle is (0, 0).

    Of N knots `seconds` are capture times since `origin`, rising, `x` and `y` positions (NaN where
    the thing was not `found`), `score` how sure each is, 0 to 1.  A loss of at most `bridge`
    seconds between two finds is bridged.  What is known of a find holds for `margin` seconds before
    and after it; a track that was given by hand holds for all times.

    `smooth` is a monotone cubic spline (PCHIP; Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5
    (1984), 300-304) through every find.  Through, because a camera shakes by more than a find is
    uncertain by, and a curve that smooths the one away leaves the thing; monotone, because a cubic
    that swings past a bend or a loss claims places where the thing never was.
    """

    origin: CaptureTime
    seconds: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    found: NDArray[np.bool_]
    score: NDArray[np.float64]
    way: Way = "smooth"
    bridge: float = float("inf")
    margin: float = float("inf")

    def at(
        self, times: Sequence[CaptureTime] | Sequence[Fraction] | NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """x, y and whether the thing is seen, at N capture times; x and y are NaN where not.

        Times are exact, or float64 seconds since 1970.
        """
        since = self._since_origin(times)
        starts, stops, firsts, lasts = self._runs
        run = np.searchsorted(starts, since, side="right") - 1
        seen = run >= 0
        if len(starts):
            seen &= since < stops[run]
            since = np.clip(since, firsts[run], lasts[run])
        places = np.full((len(since), 2), np.nan)
        if seen.any():
            places[seen] = self._path(since[seen])
        return places[:, 0], places[:, 1], seen

    @property
    def spans(self) -> tuple[Span, ...]:
        """What is known when, in order, from the first knot to the last, without a break."""
        if not len(self.seconds):
            return ()
        zero = float(self.origin.seconds)
        spans: list[Span] = []

        def add(start: float, stop: float, state: Literal["seen", "bridged", "lost"]) -> None:
            if stop <= start:
                return
            if spans and spans[-1].state == state and spans[-1].stop >= start + zero:
                start = spans.pop().start - zero
            spans.append(Span(start + zero, stop + zero, state))

        at, end = float(self.seconds[0]), float(self.seconds[-1])
        knots = self.seconds
        for start, stop, first, last in zip(*self._runs, strict=True):
            add(at, max(at, start), "lost")
            add(max(at, start), first, "seen")
            inside = np.flatnonzero((knots >= first) & (knots <= last))
            for before, after in pairwise(inside.tolist()):
                whole = self.found[before] and self.found[after]
                add(knots[before], knots[after], "seen" if whole else "bridged")
            at = max(at, min(stop, end))
            add(last, at, "seen")
        add(at, end, "lost")
        return tuple(spans)

    @cached_property
    def _finds(self) -> NDArray[np.float64]:
        return self.seconds[self.found]

    @cached_property
    def _runs(self) -> tuple[NDArray[np.float64], ...]:
        """Start, stop, first and last find of each stretch in which the thing is known."""
        finds = self._finds
        if not len(finds):
            return (finds,) * 4
        breaks = np.flatnonzero(np.diff(finds) > self.bridge)
        firsts = finds[np.concatenate([[0], breaks + 1])]
        lasts = finds[np.concatenate([breaks, [len(finds) - 1]])]
        return firsts - self.margin, lasts + self.margin, firsts, lasts

    @cached_property
    def _path(self) -> Any:
        finds, places = self._finds, np.stack([self.x, self.y], axis=1)[self.found]
        if len(finds) == 1:
            return lambda since: np.repeat(places, len(since), axis=0)
        if self.way == "smooth":
            from scipy.interpolate import PchipInterpolator

            return PchipInterpolator(finds, places)

        def between(since: NDArray[np.float64]) -> NDArray[np.float64]:
            before = np.clip(np.searchsorted(finds, since, side="right") - 1, 0, len(finds) - 2)
            share = (since - finds[before]) / (finds[before + 1] - finds[before])
            if self.way == "eased":
                share = share * share * (3 - 2 * share)
            mixed: NDArray[np.float64] = places[before] + share[:, None] * (
                places[before + 1] - places[before]
            )
            return mixed

        return between

    def _since_origin(self, times: Any) -> NDArray[np.float64]:
        if isinstance(times, np.ndarray):
            return np.asarray(times, np.float64) - float(self.origin.seconds)
        zero = self.origin.seconds
        exact = (time.seconds if isinstance(time, CaptureTime) else time for time in times)
        return np.array([float(time - zero) for time in exact], np.float64)


def keyed(points: Sequence[tuple[CaptureTime, float, float]], way: Way = "smooth") -> Track:
    """A track through points given by hand, (time, x, y), in any order; before the first and after
    the last it stays where these are.  Of two points of one time the later in the list counts.

    Raises ValueError where there is none.
    """
    if not points:
        raise ValueError("points: there is none; give at least one (time, x, y)")
    by_time = {time: (x, y) for time, x, y in points}
    times = sorted(by_time)
    seconds = np.array([float(time - times[0]) for time in times])
    places = np.array([by_time[time] for time in times], np.float64)
    sure = np.ones(len(times))
    return Track(times[0], seconds, places[:, 0], places[:, 1], sure > 0, sure, way)
