"""The schedule: a monotone map between mission time and video time, exact both ways.

A schedule is a row of pieces.  Within a piece the speed goes from one value to another by an
easing, a polynomial e(u) with e(0) = 0 and e(1) = 1 over the piece's share u of *video* time:

    speed(u)   = s0 + (s1 - s0) e(u)
    mission(u) = m0 + L (s0 u + (s1 - s0) E(u)),  E(u) = integral of e from 0 to u

With rational coefficients mission time is an exact fraction for every video time.  The way back
is exact on pieces of constant speed; on eased ones it is found by bisection, which monotony makes
safe, to within 2^-64 of the piece - and exactly where a fraction with a small denominator is the
answer, as it is for the instant of any frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.times import MissionTime, Seconds, Speed, VideoTime

Ease = Literal["linear", "smooth", "ease-in", "ease-out", "hold"]

#: Coefficients of u, u^2, u^3 of each easing.  `smooth` is the cubic whose slope is zero at both
#: ends; `hold` keeps the old speed and changes at once at the end.
_EASINGS: dict[str, tuple[int, int, int]] = {
    "linear": (1, 0, 0),
    "smooth": (0, 3, -2),
    "ease-in": (0, 1, 0),
    "ease-out": (2, -1, 0),
    "hold": (0, 0, 0),
}
_BISECTIONS = 64
_SMALL_DENOMINATOR = 10**7


@dataclass(frozen=True)
class SpeedKey:
    """From this instant on (`at`, on the mission or on the video clock) the speed is `speed`;
    `ease` says how it gets there from the key before."""

    at: MissionTime | VideoTime
    speed: Speed
    ease: Ease = "smooth"


@dataclass(frozen=True)
class _Piece:
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
        a, b, c = _EASINGS[self.ease]
        return self.speed + self._gain * u * (a + u * (b + u * c))

    def mission_at(self, video: Fraction) -> Fraction:
        if not self._gain:
            return self.mission + self.speed * (video - self.start)
        u = (video - self.start) / self.length
        a, b, c = _EASINGS[self.ease]
        eased = u * u * (Fraction(a, 2) + u * (Fraction(b, 3) + u * Fraction(c, 4)))
        return self.mission + self.length * (self.speed * u + self._gain * eased)

    def video_at(self, mission: Fraction) -> Fraction:
        if not self._gain:
            return self.start + (mission - self.mission) / self.speed
        low, high = self.start, self.start + self.length
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.mission_at(middle) <= mission else (low, middle)
        simple = high.limit_denominator(_SMALL_DENOMINATOR)
        return simple if self.mission_at(simple) == mission else low

    def missions(self, video: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mission seconds after the piece's start, for video seconds after its start."""
        if not self._gain:
            return video * float(self.speed)
        u = video / float(self.length)
        a, b, c = _EASINGS[self.ease]
        eased = u * u * (a / 2 + u * (b / 3 + u * (c / 4)))
        return float(self.length) * (float(self.speed) * u + float(self._gain) * eased)


@dataclass(frozen=True)
class Schedule:
    """A monotone map between mission and video time; made by `constant`, `lasting` or `eased`.

    `length` is the clip's in video seconds; the first and the last piece may reach beyond it (a
    clip may start or end within a ramp).  Outside the clip it goes on at the speed of its first or
    last instant, so that an event before or after the clip has a place too.
    """

    pieces: tuple[_Piece, ...]
    length: Fraction

    @cached_property
    def start(self) -> MissionTime:
        """The mission time of the clip's first instant."""
        return MissionTime(self.pieces[0].mission_at(Fraction(0)))

    @cached_property
    def end(self) -> MissionTime:
        """The mission time at which the clip ends; the first that it no longer shows."""
        return MissionTime(self.pieces[-1].mission_at(self.length))

    @cached_property
    def _starts(self) -> tuple[list[Fraction], list[Fraction]]:
        return [p.start for p in self.pieces], [p.mission for p in self.pieces]

    def _piece(self, video: Fraction) -> _Piece:
        return self.pieces[max(0, bisect_right(self._starts[0], video) - 1)]

    def speed_at(self, video: VideoTime) -> Fraction:
        """Mission seconds per video second at an instant, exactly."""
        inside = min(max(video.seconds, Fraction(0)), self.length)
        return self._piece(inside).speed_at(inside)

    def mission_of(self, video: VideoTime) -> MissionTime:
        """The mission time shown at a video time, exactly."""
        inside = min(max(video.seconds, Fraction(0)), self.length)
        over = (video.seconds - inside) * self.speed_at(video)
        return MissionTime(self._piece(inside).mission_at(inside) + over)

    def video_of(self, mission: MissionTime) -> VideoTime:
        """The video time that shows a mission time; exactness is told in the module's words."""
        if mission < self.start:
            return VideoTime((mission - self.start) / self.speed_at(VideoTime(Fraction(0))))
        if mission >= self.end:
            last = self.speed_at(VideoTime(self.length))
            return VideoTime(self.length + (mission - self.end) / last)
        at = bisect_right(self._starts[1], mission.seconds) - 1
        return VideoTime(self.pieces[at].video_at(mission.seconds))

    def missions(self, video: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mission seconds since the clip's start for video seconds, many at once (float64)."""
        starts = np.array([float(s) for s in self._starts[0]])
        which = np.clip(np.searchsorted(starts, video, "right") - 1, 0, None)
        length, result = float(self.length), np.empty_like(video)
        for at, piece in enumerate(self.pieces):
            here = which == at
            inside = np.clip(video[here], 0, length) - float(piece.start)
            result[here] = float(piece.mission - self.start.seconds) + piece.missions(inside)
        first, last = (float(self.speed_at(VideoTime(at))) for at in (Fraction(0), self.length))
        return result + np.minimum(video, 0) * first + np.maximum(video - length, 0) * last

    def until(self, length: VideoTime) -> Schedule:
        """This schedule with another length: cut, or going on at its last speed."""
        over = length.seconds - self.length
        if over <= 0:
            pieces = tuple(piece for piece in self.pieces if piece.start < length.seconds)
            return Schedule(pieces, length.seconds)
        speed = self.speed_at(VideoTime(self.length))
        rest = _Piece(self.length, over, self.end.seconds, speed, speed)
        return Schedule((*self.pieces, rest), length.seconds)

    @cached_property
    def speeds(self) -> tuple[Fraction, Fraction, Fraction]:
        """The lowest, highest and mean speed.  Easings are monotone: the ends of pieces decide."""
        ends = [
            piece.speed_at(at)
            for piece in self.pieces
            for at in (max(piece.start, Fraction(0)), min(piece.start + piece.length, self.length))
        ]
        return min(ends), max(ends), (self.end - self.start) / self.length

    @property
    def corners(self) -> tuple[VideoTime, ...]:
        """Where pieces start and end: what a table of the schedule shows."""
        starts = (VideoTime(max(piece.start, Fraction(0))) for piece in self.pieces)
        return (*starts, VideoTime(self.length))


def constant(speed: Fraction, start: MissionTime, end: MissionTime) -> Schedule:
    """One speed from `start` to `end`."""
    if end <= start:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    length = (end - start) / speed
    return Schedule((_Piece(Fraction(0), length, start.seconds, speed, speed),), length)


def lasting(length: Fraction, start: MissionTime, end: MissionTime) -> Schedule:
    """The one speed that shows `start` to `end` in exactly `length` video seconds."""
    if length <= 0:
        raise PlanError(f"a clip of {Seconds(length)} cannot be made; give a length above zero")
    return constant((end - start) / length, start, end)


def eased(keys: Sequence[SpeedKey], start: MissionTime, end: MissionTime | VideoTime) -> Schedule:
    """Speeds through keys: constant up to the first key, eased from key to key, constant after.

    The clip is what lies between `start` and `end` (on the mission or the video clock) of that; it
    may start or end within a ramp.  Raises PlanError where the keys are not in order of time.
    """
    if not keys:
        raise PlanError("speeds: at least one key is needed")
    first = keys[0]
    early = isinstance(first.at, MissionTime) and first.at < start
    row = _Row(first.at if isinstance(first.at, MissionTime) and early else start, first.speed)
    for key in keys:
        at = key.at if isinstance(key.at, MissionTime) else key.at + row.reach(start)
        if key is not first:
            row.go_to(at, key.speed, key.ease)
        elif row.ends_before(at):
            row.go_to(at, key.speed, "hold")
    begin = row.reach(start)
    stop = end + begin if isinstance(end, VideoTime) else end
    if row.ends_before(stop):
        row.go_to(stop, row.speed, "hold")
    length = (stop.seconds if isinstance(stop, VideoTime) else row.video_of(stop)) - begin
    if length <= 0:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    pieces = (replace(piece, start=piece.start - begin) for piece in row.pieces)
    inside = (p for p in pieces if p.start < length and p.start + p.length > 0)
    return Schedule(tuple(inside), length)


def laid(knots: Sequence[tuple[MissionTime, Fraction]]) -> Schedule:
    """Speeds at instants of the mission, a straight line over video time from one to the next."""
    row = _Row(*knots[0])
    for at, speed in knots[1:]:
        row.go_to(at, speed, "linear")
    return Schedule(tuple(row.pieces), row.video)


class _Row:
    """Pieces as they are laid one behind the other from a mission time on, where video is 0."""

    def __init__(self, start: MissionTime, speed: Fraction) -> None:
        self.pieces: list[_Piece] = []
        self.video, self.mission, self.speed = Fraction(0), start.seconds, Fraction(speed)

    def ends_before(self, time: MissionTime | VideoTime) -> bool:
        return time.seconds > (self.mission if isinstance(time, MissionTime) else self.video)

    def go_to(self, to: MissionTime | VideoTime, speed_after: Fraction, ease: Ease) -> None:
        """Lays the piece that leads to an instant; PlanError where the row is beyond it."""
        gain = Fraction(0) if ease == "hold" else speed_after - self.speed
        terms = zip(_EASINGS[ease], (2, 3, 4), strict=True)
        mean = self.speed + gain * sum(Fraction(k, n) for k, n in terms)
        if isinstance(to, MissionTime):
            length = (to.seconds - self.mission) / mean
        else:
            length = to.seconds - self.video
        if length < 0:
            raise PlanError(f"speeds: {to} comes before the entry that stands before it")
        if length > 0:
            kept = ease if gain else "hold"
            piece = _Piece(self.video, length, self.mission, self.speed, speed_after, kept)
            self.pieces.append(piece)
            self.video, self.mission = self.video + length, self.mission + length * mean
        self.speed = Fraction(speed_after)

    def reach(self, time: MissionTime) -> Fraction:
        """The video time of a mission time; the row goes on to it where it ends before."""
        if self.ends_before(time):
            self.go_to(time, self.speed, "hold")
        return self.video_of(time)

    def video_of(self, time: MissionTime) -> Fraction:
        """The video time of a mission time; before the row, at the speed of its start."""
        if not self.pieces:
            return (time.seconds - self.mission) / self.speed
        return Schedule(tuple(self.pieces), self.video).video_of(time).seconds
