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
from dataclasses import dataclass
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

    Outside the clip it goes on at the speed of its first or last instant, so that an event before
    or after the clip has a place too.
    """

    pieces: tuple[_Piece, ...]

    @property
    def length(self) -> Fraction:
        """The clip's length in video seconds."""
        last = self.pieces[-1]
        return last.start + last.length

    @property
    def start(self) -> MissionTime:
        return MissionTime(self.pieces[0].mission)

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
            return VideoTime((mission - self.start) / self.pieces[0].speed)
        if mission >= self.end:
            last = self.speed_at(VideoTime(self.length))
            return VideoTime(self.length + (mission - self.end) / last)
        at = bisect_right(self._starts[1], mission.seconds) - 1
        return VideoTime(self.pieces[at].video_at(mission.seconds))

    def missions(self, video: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mission seconds since the clip's start for video seconds, many at once (float64)."""
        starts = np.array([float(s) for s in self._starts[0]])
        which = np.clip(np.searchsorted(starts, video, "right") - 1, 0, None)
        result = np.empty_like(video)
        for at, piece in enumerate(self.pieces):
            here = which == at
            inside = np.clip(video[here] - float(piece.start), 0, None)
            if at == len(self.pieces) - 1:
                inside = np.minimum(inside, float(piece.length))
            result[here] = float(piece.mission - self.start.seconds) + piece.missions(inside)
        over = np.minimum(video, 0) * float(self.pieces[0].speed)
        after = np.maximum(video - float(self.length), 0)
        over += after * float(self.speed_at(VideoTime(self.length)))
        return result + over

    @cached_property
    def speeds(self) -> tuple[Fraction, Fraction, Fraction]:
        """The lowest, highest and mean speed.  Easings are monotone: the ends of pieces decide."""
        ends = [p.speed for p in self.pieces]
        ends += [p.speed_after for p in self.pieces if p.ease != "hold"]
        return min(ends), max(ends), (self.end - self.start) / self.length

    @property
    def corners(self) -> tuple[VideoTime, ...]:
        """Where pieces start and end: what a table of the schedule shows."""
        return (*(VideoTime(p.start) for p in self.pieces), VideoTime(self.length))


def constant(speed: Fraction, start: MissionTime, end: MissionTime) -> Schedule:
    """One speed from `start` to `end`."""
    if end <= start:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    length = (end - start) / speed
    return Schedule((_Piece(Fraction(0), length, start.seconds, speed, speed),))


def lasting(length: Fraction, start: MissionTime, end: MissionTime) -> Schedule:
    """The one speed that shows `start` to `end` in exactly `length` video seconds."""
    if length <= 0:
        raise PlanError(f"a clip of {Seconds(length)} cannot be made; give a length above zero")
    return constant((end - start) / length, start, end)


def eased(keys: Sequence[SpeedKey], start: MissionTime, end: MissionTime | VideoTime) -> Schedule:
    """Speeds through keys: constant up to the first key, eased from key to key, constant after.

    `end` may be on the mission or on the video clock.  Raises PlanError where the keys are not in
    order of time.
    """
    if not keys:
        raise PlanError("speeds: at least one key is needed")
    pieces: list[_Piece] = []
    video, mission, speed = Fraction(0), start.seconds, Fraction(keys[0].speed)

    def go(to: MissionTime | VideoTime, speed_after: Fraction, ease: Ease, what: str) -> None:
        nonlocal video, mission, speed
        gain = Fraction(0) if ease == "hold" else speed_after - speed
        mean = speed + gain * sum(
            Fraction(k, n) for k, n in zip(_EASINGS[ease], (2, 3, 4), strict=True)
        )
        if isinstance(to, MissionTime):
            length = (to.seconds - mission) / mean
        else:
            length = to.seconds - video
        if length < 0:
            here = f"{VideoTime(video)} into the clip, {MissionTime(mission)}"
            raise PlanError(f"speeds: {what} at {to} comes before the one before it ({here})")
        if length > 0:
            pieces.append(
                _Piece(video, length, mission, speed, speed_after, ease if gain else "hold")
            )
            video, mission = video + length, mission + length * mean
        speed = Fraction(speed_after)

    first, *rest = keys
    before_start = first.at.seconds <= (start.seconds if isinstance(first.at, MissionTime) else 0)
    if not before_start:
        go(first.at, Fraction(first.speed), "hold", "the first key")
    for key in rest:
        go(key.at, Fraction(key.speed), key.ease, "the key")
    go(end, speed, "hold", "the end")
    if not pieces:
        raise PlanError(f"the clip would start and end at {start}: nothing lies between")
    return Schedule(tuple(pieces))
