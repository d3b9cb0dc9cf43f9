"""The schedule: a monotone map between mission time and video time, exact both ways.

A schedule is a row of pieces.  Within a piece the speed goes from one value to another by an
easing, a polynomial e(u) with e(0) = 0 and e(1) = 1 over the piece's share u of *video* time:

    speed(u)   = s0 + (s1 - s0) e(u)
    mission(u) = m0 + L (s0 u + (s1 - s0) E(u)),  E(u) = integral of e from 0 to u

With rational coefficients mission time is an exact fraction for every video time.  The way back
is exact on pieces of constant speed; on eased ones it is found by bisection, which monotony makes
safe, to within 2^-64 of the piece - and exactly where a fraction with a small denominator is the
answer, as it is for the instant of any frame.

Over the pace lie two more maps, each exact both ways.  Pieces are in *route time*, mission time
with cuts and reversals unrolled (see `route`).  And they are in *play time*, video time without
the stops at which a moment is held.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.retime.route import Edits, Route
from timelapse.times import MissionTime, VideoTime

Ease = Literal["linear", "smooth", "ease-in", "ease-out", "hold"]

#: Coefficients of u, u^2, u^3 of each easing.  `smooth` is the cubic whose slope is zero at both
#: ends; `hold` keeps the old speed and changes at once at the end.
EASINGS: dict[str, tuple[int, int, int]] = {
    "linear": (1, 0, 0),
    "smooth": (0, 3, -2),
    "ease-in": (0, 1, 0),
    "ease-out": (2, -1, 0),
    "hold": (0, 0, 0),
}
BISECTIONS = 64
SMALL_DENOMINATOR = 10**7


@dataclass(frozen=True)
class Piece:
    """Route time over play time, at a speed that goes from one value to another."""

    start: Fraction  # video seconds
    length: Fraction  # video seconds
    mission: Fraction  # mission seconds at the start
    speed: Fraction
    speed_after: Fraction
    ease: Ease = "hold"

    @property
    def _gain(self) -> Fraction:
        return Fraction(0) if self.ease == "hold" else self.speed_after - self.speed

    def speed_at(self, video: Fraction) -> Fraction:
        if not self._gain:
            return self.speed
        u = (video - self.start) / self.length
        a, b, c = EASINGS[self.ease]
        return self.speed + self._gain * u * (a + u * (b + u * c))

    def mission_at(self, video: Fraction) -> Fraction:
        if not self._gain:
            return self.mission + self.speed * (video - self.start)
        u = (video - self.start) / self.length
        a, b, c = EASINGS[self.ease]
        eased = u * u * (Fraction(a, 2) + u * (Fraction(b, 3) + u * Fraction(c, 4)))
        return self.mission + self.length * (self.speed * u + self._gain * eased)

    def video_at(self, mission: Fraction) -> Fraction:
        if not self._gain:
            return self.start + (mission - self.mission) / self.speed
        low, high = self.start, self.start + self.length
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.mission_at(middle) <= mission else (low, middle)
        simple = high.limit_denominator(SMALL_DENOMINATOR)
        return simple if self.mission_at(simple) == mission else low

    def missions(self, video: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mission seconds after the piece's start, for video seconds after its start."""
        if not self._gain:
            return video * float(self.speed)
        u = video / float(self.length)
        a, b, c = EASINGS[self.ease]
        eased = u * u * (a / 2 + u * (b / 3 + u * (c / 4)))
        return float(self.length) * (float(self.speed) * u + float(self._gain) * eased)


@dataclass(frozen=True)
class _Stop:
    """For `length` seconds of the clip the route time `route` is held, once `at` seconds have been
    played."""

    at: Fraction
    length: Fraction
    route: Fraction


@dataclass(frozen=True)
class Schedule:
    """A map between mission and video time; made by what `speeds` has.

    `length` is the clip's in video seconds; the first and the last piece may reach beyond it (a
    clip may start or end within a ramp).  Outside the clip it goes on at the pace of its first or
    last instant, so that an event before or after the clip has a place too.
    """

    pieces: tuple[Piece, ...]
    length: Fraction
    way: Route | None = None
    stops: tuple[_Stop, ...] = ()

    @cached_property
    def route(self) -> Route:
        """The way through the mission; straight on, where there are no edits."""
        return self.way or Route.straight(MissionTime(self._route_at(Fraction(0))))

    @cached_property
    def start(self) -> MissionTime:
        """The mission time of the clip's first instant."""
        return MissionTime(self._route_at(Fraction(0)))

    @cached_property
    def end(self) -> MissionTime:
        """The mission time at which the clip ends; the first that it no longer shows."""
        return self.route.mission_at(self._route_at(self._played))

    @cached_property
    def _played(self) -> Fraction:
        """The clip's length without its stops."""
        return self.length - sum(stop.length for stop in self.stops)

    @cached_property
    def _starts(self) -> tuple[list[Fraction], list[Fraction]]:
        return [p.start for p in self.pieces], [p.mission for p in self.pieces]

    def _piece(self, play: Fraction) -> Piece:
        return self.pieces[max(0, bisect_right(self._starts[0], play) - 1)]

    def _play(self, video: Fraction) -> tuple[Fraction, _Stop | None]:
        """The play time of a video time, and the stop that it lies in."""
        held = Fraction(0)
        for stop in self.stops:
            begins = stop.at + held
            if video < begins:
                break
            if video < begins + stop.length:
                return stop.at, stop
            held += stop.length
        return video - held, None

    def _video(self, play: Fraction) -> VideoTime:
        """The first video time of a play time."""
        return VideoTime(play + sum(stop.length for stop in self.stops if stop.at < play))

    def _pace(self, play: Fraction) -> Fraction:
        """Route seconds per played second; outside the clip, that of its first or last instant."""
        inside = min(max(play, Fraction(0)), self._played)
        return self._piece(inside).speed_at(inside)

    def _route_at(self, play: Fraction) -> Fraction:
        inside = min(max(play, Fraction(0)), self._played)
        return self._piece(inside).mission_at(inside) + (play - inside) * self._pace(play)

    def _play_at(self, route: Fraction) -> Fraction:
        """The play time of a route time; exactness is told in the module's words."""
        first, last = self._route_at(Fraction(0)), self._route_at(self._played)
        if route < first:
            return (route - first) / self._pace(Fraction(0))
        if route >= last:
            return self._played + (route - last) / self._pace(self._played)
        return self.pieces[bisect_right(self._starts[1], route) - 1].video_at(route)

    def route_of(self, video: VideoTime) -> Fraction:
        """The route time shown at a video time, exactly."""
        play, stop = self._play(video.seconds)
        return stop.route if stop else self._route_at(play)

    def video_at(self, route: Fraction) -> VideoTime:
        """The first video time that shows a route time."""
        for stop in self.stops:
            if stop.route == route:
                return self._video(stop.at)
        return self._video(self._play_at(route))

    def speed_at(self, video: VideoTime) -> Fraction:
        """Mission seconds per video second at an instant, exactly: negative where the clip runs
        backward, 0 where a moment is held."""
        play, stop = self._play(video.seconds)
        if stop:
            return Fraction(0)
        return self.route.leg_at(self._route_at(play)).step * self._pace(play)

    def mission_of(self, video: VideoTime) -> MissionTime:
        """The mission time shown at a video time, exactly."""
        return self.route.mission_at(self.route_of(video))

    def video_of(self, mission: MissionTime) -> VideoTime:
        """The first video time that shows a mission time; of one that is cut out, that of the
        cut.  Exactness is told in the module's words."""
        return self.video_at(self.route.place(mission))

    def videos_of(self, mission: MissionTime) -> tuple[VideoTime, ...]:
        """Every video time at which a mission time comes to be shown, rising; none where it is cut
        out.  One that is held counts once, where it begins to be."""
        return tuple(self.video_at(place) for place in self.route.places(mission))

    def routes(self, video: NDArray[np.float64]) -> NDArray[np.float64]:
        """Route seconds since the clip's start for video seconds, many at once (float64)."""
        play, held = video.copy(), 0.0
        for stop in self.stops:
            play -= np.clip(video - float(stop.at) - held, 0, float(stop.length))
            held += float(stop.length)
        starts = np.array([float(s) for s in self._starts[0]])
        which = np.clip(np.searchsorted(starts, play, "right") - 1, 0, None)
        length, result = float(self._played), np.empty_like(play)
        for at, piece in enumerate(self.pieces):
            here = which == at
            inside = np.clip(play[here], 0, length) - float(piece.start)
            result[here] = float(piece.mission - self.start.seconds) + piece.missions(inside)
        first, last = (float(self._pace(at)) for at in (Fraction(0), self._played))
        return result + np.minimum(play, 0) * first + np.maximum(play - length, 0) * last

    def until(self, length: VideoTime) -> Schedule:
        """This schedule, which has no edits, with another length: cut, or going on at its last
        speed."""
        over = length.seconds - self.length
        if over <= 0:
            pieces = tuple(piece for piece in self.pieces if piece.start < length.seconds)
            return Schedule(pieces, length.seconds)
        speed = self._pace(self.length)
        rest = Piece(self.length, over, self.end.seconds, speed, speed)
        return Schedule((*self.pieces, rest), length.seconds)

    def edited(self, route: Route, edits: Edits, until: VideoTime | None = None) -> Schedule:
        """This schedule, in route time, with its route and its stops; PlanError where a moment that
        is to be held is not shown.  `until` is the clip's length where that is given."""
        first, last = self._route_at(Fraction(0)), self._route_at(self.length)
        held = held_on(route, edits)
        for stop, (place, _) in zip(edits.freezes, held, strict=True):
            inside = first <= place < last or (until is not None and place == last)
            if not inside or not route.places(stop.at):
                raise PlanError(f"freeze at {stop.at}: the clip does not show that moment")
        if edits.hold_first:
            held.append((first, edits.hold_first))
        stops = [_Stop(self._play_at(place), length, place) for place, length in sorted(held)]
        if edits.hold_last:
            stops.append(_Stop(self.length, edits.hold_last, last))
        length = self.length + sum(stop.length for stop in stops)
        if until is not None and stops and length > until.seconds:  # it ends within a stop
            *stops, ending = stops
            rest = ending.length - (length - until.seconds)
            stops, length = [*stops, replace(ending, length=rest)], until.seconds
        return Schedule(self.pieces, length, None if route.plain else route, tuple(stops))

    @cached_property
    def _runs(self) -> list[tuple[Fraction, Fraction, Fraction, Fraction, Fraction]]:
        """Between corners: video times, the speeds at both ends, and the mission time passed."""
        found = []
        for start, stop in pairwise(corner.seconds for corner in self.corners):
            begins, held = self._play(start)
            ends = begins if held else begins + stop - start
            piece, leg = self._piece(begins), self.route.leg_at(self.route_of(VideoTime(start)))
            first, last = (leg.step * piece.speed_at(at) * (not held) for at in (begins, ends))
            passed = leg.step * (piece.mission_at(ends) - piece.mission_at(begins)) * (not held)
            found.append((start, stop, first, last, passed))
        return found

    @cached_property
    def speeds(self) -> tuple[Fraction, Fraction, Fraction]:
        """The lowest, highest and mean speed.  Easings are monotone: the ends of pieces decide."""
        ends = [speed for _, _, first, last, _ in self._runs for speed in (first, last)]
        return min(ends), max(ends), sum(run[-1] for run in self._runs) / self.length

    @cached_property
    def corners(self) -> tuple[VideoTime, ...]:
        """Where pieces, legs and stops start and end: what a table of the schedule shows."""
        found = {Fraction(0), self.length}
        found |= {self._video(piece.start).seconds for piece in self.pieces}
        found |= {self.video_at(leg.begins).seconds for leg in self.route.legs[1:]}
        for stop in self.stops:
            begins = self._video(stop.at).seconds
            found |= {begins, begins + stop.length}
        inside = sorted(at for at in found if 0 <= at <= self.length)
        return tuple(VideoTime(at) for at in inside)


def held_on(route: Route, edits: Edits) -> list[tuple[Fraction, Fraction]]:
    """The route time and the length of every moment that is held, in the order given."""
    return [(route.place(freeze.at), Fraction(freeze.length)) for freeze in edits.freezes]
