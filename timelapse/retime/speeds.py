"""Speeds become a schedule: one for the whole clip, from key to key, or as a length asks for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction

from timelapse.errors import PlanError
from timelapse.retime.route import Edits, Route
from timelapse.retime.schedule import (
    BISECTIONS,
    EASINGS,
    SMALL_DENOMINATOR,
    Ease,
    Piece,
    Schedule,
    held_on,
)
from timelapse.times import MissionTime, Rate, Seconds, Speed, VideoTime


@dataclass(frozen=True)
class SpeedKey:
    """From this instant on (`at`, on the mission or on the video clock) the speed is `speed`;
    `ease` says how it gets there from the key before."""

    at: MissionTime | VideoTime
    speed: Speed
    ease: Ease = "smooth"


def constant(
    speed: Fraction, start: MissionTime, end: MissionTime, edits: Edits | None = None
) -> Schedule:
    """One speed from `start` to `end`."""
    if end <= start:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    edits = edits or Edits()
    route = Route.of(start, end, edits)
    length = (route.last(end) - start.seconds) / speed
    piece = Piece(Fraction(0), length, start.seconds, speed, speed)
    return Schedule((piece,), length).edited(route, edits)


def lasting(
    length: Fraction, start: MissionTime, end: MissionTime, edits: Edits | None = None
) -> Schedule:
    """The one speed that shows `start` to `end` in exactly `length` video seconds."""
    if length <= 0:
        raise PlanError(f"a clip of {Seconds(length)} cannot be made; give a length above zero")
    if end <= start:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    edits = edits or Edits()
    played = length - edits.held
    if played <= 0:
        raise PlanError(
            f"what is held lasts {Seconds(edits.held)}, and the clip {Seconds(length)}; nothing is "
            "left to be played"
        )
    return constant((Route.of(start, end, edits).last(end) - start.seconds) / played, start, end,
                    edits)  # fmt: skip


def eased(
    keys: Sequence[SpeedKey],
    start: MissionTime,
    end: MissionTime | VideoTime,
    edits: Edits | None = None,
) -> Schedule:
    """Speeds through keys: constant up to the first key, eased from key to key, constant after.

    The clip is what lies between `start` and `end` (on the mission or the video clock) of that; it
    may start or end within a ramp.  Raises PlanError where the keys are not in order of time.
    """
    if not keys:
        raise PlanError("speeds: at least one key is needed")
    edits = edits or Edits()
    route = Route.of(start, end if isinstance(end, MissionTime) else None, edits)

    def placed(at: MissionTime) -> MissionTime:
        return MissionTime(route.place(at))

    keys = [replace(k, at=placed(k.at)) if isinstance(k.at, MissionTime) else k for k in keys]
    stops = sorted(held_on(route, edits))
    if edits.hold_first:
        stops.insert(0, (start.seconds, edits.hold_first))
    first = keys[0]
    early = isinstance(first.at, MissionTime) and first.at < start
    row = _Row(first.at if isinstance(first.at, MissionTime) and early else start, first.speed)
    for key in keys:
        ease = key.ease if key is not first else "hold"
        at = key.at
        if isinstance(at, VideoTime):
            at = row.played(at, start, stops, key.speed, ease)
        if key is not first:
            row.go_to(at, key.speed, key.ease)
        elif row.ends_before(at):
            row.go_to(at, key.speed, "hold")
    begin = row.reach(start)
    if isinstance(end, VideoTime):
        until = end - edits.hold_last
        stop = row.played(until, start, stops, row.speed, "hold")
    else:
        stop = MissionTime(route.last(end))
    if row.ends_before(stop):
        row.go_to(stop, row.speed, "hold")
    length = (stop.seconds if isinstance(stop, VideoTime) else row.video_of(stop)) - begin
    if length <= 0:
        raise PlanError(f"the clip would start at {start} and end at {end}: nothing lies between")
    pieces = (replace(piece, start=piece.start - begin) for piece in row.pieces)
    inside = tuple(p for p in pieces if p.start < length and p.start + p.length > 0)
    whole = Schedule(inside, length)
    if isinstance(end, VideoTime):  # what comes after the end is not held
        last = whole.route_of(VideoTime(length))
        seen = [f for f in edits.freezes if route.place(f.at) <= last]
        edits = replace(edits, freezes=tuple(seen))
    return whole.edited(route, edits, end if isinstance(end, VideoTime) else None)


def fitted(
    keys: Sequence[SpeedKey],
    length: Fraction,
    rate: Rate,
    start: MissionTime,
    end: MissionTime,
    edits: Edits | None = None,
) -> Schedule:
    """`eased`, with all speeds multiplied by the one factor that makes a clip of `length` seconds,
    to the frame.  PlanError where there is none."""
    frames, held = rate.frames_in(length), (edits or Edits()).held
    if length <= held:
        raise PlanError(f"what is held lasts {Seconds(held)}, and the clip {Seconds(length)}")

    def faster(factor: Fraction) -> Schedule:
        quick = [replace(key, speed=Speed(key.speed * factor)) for key in keys]
        return eased(quick, start, end, edits)

    factor = Fraction(1)
    with suppress(PlanError):
        # Where all keys are on the mission clock, this one is exact; else it is a first guess.
        factor = (faster(factor).length - held) / (length - held)
    low, high = factor / 2**20, factor * 2**20
    for _ in range(BISECTIONS):
        slow = True
        with suppress(PlanError):  # so slow that a key comes before the one before it
            found = faster(factor)
            if rate.frames_in(found.length) == frames:
                return found
            slow = found.length > length
        low, high = (factor, high) if slow else (low, factor)
        middle = Fraction((float(low) * float(high)) ** 0.5)
        factor = middle.limit_denominator(SMALL_DENOMINATOR)
        factor = factor if low < factor < high else middle
    raise PlanError(
        f"no factor on the speeds makes a clip of {Seconds(length)}; speeds at video times may "
        "leave no room for it"
    )


def laid(knots: Sequence[tuple[MissionTime, Fraction]]) -> Schedule:
    """Speeds at instants of the mission, a straight line over video time from one to the next."""
    row = _Row(*knots[0])
    for at, speed in knots[1:]:
        row.go_to(at, speed, "linear")
    return Schedule(tuple(row.pieces), row.video)


class _Row:
    """Pieces as they are laid one behind the other from a mission time on, where video is 0."""

    def __init__(self, start: MissionTime, speed: Fraction) -> None:
        self.pieces: list[Piece] = []
        self.video, self.mission, self.speed = Fraction(0), start.seconds, Fraction(speed)

    def ends_before(self, time: MissionTime | VideoTime) -> bool:
        return time.seconds > (self.mission if isinstance(time, MissionTime) else self.video)

    def go_to(self, to: MissionTime | VideoTime, speed_after: Fraction, ease: Ease) -> None:
        """Lays the piece that leads to an instant; PlanError where the row is beyond it."""
        gain = Fraction(0) if ease == "hold" else speed_after - self.speed
        terms = zip(EASINGS[ease], (2, 3, 4), strict=True)
        mean = self.speed + gain * sum(Fraction(k, n) for k, n in terms)
        if isinstance(to, MissionTime):
            length = (to.seconds - self.mission) / mean
        else:
            length = to.seconds - self.video
        if length < 0:
            raise PlanError(f"speeds: {to} comes before the entry that stands before it")
        if length > 0:
            kept = ease if gain else "hold"
            piece = Piece(self.video, length, self.mission, self.speed, speed_after, kept)
            self.pieces.append(piece)
            self.video, self.mission = self.video + length, self.mission + length * mean
        self.speed = Fraction(speed_after)

    def played(
        self,
        video: VideoTime,
        start: MissionTime,
        stops: Sequence[tuple[Fraction, Fraction]],
        speed: Fraction,
        ease: Ease,
    ) -> MissionTime | VideoTime:
        """Where a video time of the clip lies on the row, or the moment that is held then.

        `stops` (route times and lengths, rising) come before it or after it; which of them, the
        piece that leads there decides.
        """
        begin, before = self.reach(start), 0
        while True:
            held = sum(length for _, length in stops[:before])
            at = VideoTime(video.seconds - held + begin)
            reached = self._reached(at, speed, ease)
            if before and reached <= stops[before - 1][0]:  # not counted, it would be passed
                return MissionTime(stops[before - 1][0])
            if before == len(stops) or stops[before][0] >= reached:
                return at
            before += 1

    def _reached(self, at: VideoTime, speed: Fraction, ease: Ease) -> Fraction:
        """The mission time of a video time, were a piece laid up to it."""
        if not self.ends_before(at):
            if not self.pieces:
                return self.mission + (at.seconds - self.video) * self.speed
            return Schedule(tuple(self.pieces), self.video).mission_of(at).seconds
        trial = copy(self)
        trial.pieces = list(self.pieces)
        trial.go_to(at, speed, ease)
        return trial.mission

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
