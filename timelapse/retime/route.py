"""The route: the way of a clip through its mission, with what it leaves out and shows backward.

A clip without edits runs straight through its mission.  A cut leaves an interval out, a reversal
runs back over one, and goes on forward from there.  Seen along the route, time still rises evenly:
*route time* is mission time with all edits unrolled.  It starts as the mission time of the clip's
start, and without edits it is the mission time.  Speeds act on route time; so a schedule stays
monotone whatever the edits, and the way back from the mission is a short list of places.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from timelapse.errors import PlanError
from timelapse.times import MissionTime, Seconds


@dataclass(frozen=True)
class Cut:
    """Leaves out the mission from `start` up to, and without, `end`.

    Over `crossfade` seconds of the clip, half of them before the cut, one side fades into the
    other; what lies beyond the cut is seen in it, fading.
    """

    start: MissionTime
    end: MissionTime
    crossfade: Seconds = Seconds(0)


@dataclass(frozen=True)
class Reverse:
    """Once `start` is reached, the clip runs back to `end`, and forward again from there."""

    start: MissionTime
    end: MissionTime


@dataclass(frozen=True)
class Freeze:
    """Holds the moment `at` for `length` seconds of the clip."""

    at: MissionTime
    length: Seconds


@dataclass(frozen=True)
class Edits:
    """What is done to a clip beside pacing it: cuts, reversals, frozen moments, and how long its
    first and its last instant are held."""

    cuts: tuple[Cut, ...] = ()
    reverses: tuple[Reverse, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    hold_first: Seconds = Seconds(0)
    hold_last: Seconds = Seconds(0)

    def also(self, cuts: Iterable[Cut], start: MissionTime, end: MissionTime | None) -> Edits:
        """With further cuts, but for those that lie outside the clip or touch other edits."""
        taken = [(cut.start, cut.end) for cut in self.cuts]
        taken += [(back.end, back.start) for back in self.reverses]
        free = [
            cut
            for cut in cuts
            if start < cut.start
            and (end is None or cut.end < end)
            and not any(cut.start <= b and a <= cut.end for a, b in taken)
        ]
        return replace(self, cuts=(*self.cuts, *free))

    @property
    def held(self) -> Fraction:
        """For how long the clip stands still."""
        frozen = sum((Fraction(freeze.length) for freeze in self.freezes), Fraction(0))
        return frozen + self.hold_first + self.hold_last


@dataclass(frozen=True)
class Leg:
    """A stretch of the mission that is shown in one go: from `mission` on, where route time is
    `begins`; `step` is 1 forward and -1 backward.  `crossfade` is that with the leg before."""

    begins: Fraction
    mission: Fraction
    step: int = 1
    crossfade: Fraction = Fraction(0)

    def mission_at(self, route: Fraction) -> Fraction:
        return self.mission + self.step * (route - self.begins)

    def route_at(self, mission: Fraction) -> Fraction:
        return self.begins + self.step * (mission - self.mission)


@dataclass(frozen=True)
class Route:
    """Legs in the order in which they are shown; the first and the last one reach on for ever."""

    legs: tuple[Leg, ...]

    @classmethod
    def straight(cls, start: MissionTime) -> Route:
        """A route without edits: route time is mission time."""
        return cls((Leg(start.seconds, start.seconds),))

    @classmethod
    def of(cls, start: MissionTime, end: MissionTime | None, edits: Edits) -> Route:
        """The route from `start` on that the edits make; PlanError where they cannot all be made.

        `end` is that of the clip, where it is known.
        """
        turns: list[Cut | Reverse] = [*edits.cuts, *edits.reverses]
        turns.sort(key=lambda edit: edit.start)
        legs = [Leg(start.seconds, start.seconds)]
        for edit in turns:
            _check(edit, legs[-1].mission, end)
            begins = legs[-1].route_at(edit.start.seconds)
            if isinstance(edit, Cut):
                legs.append(Leg(begins, edit.end.seconds, 1, edit.crossfade))
            else:
                back = edit.start - edit.end
                legs.append(Leg(begins, edit.start.seconds, -1))
                legs.append(Leg(begins + back, edit.end.seconds))
        return cls(tuple(legs))

    @cached_property
    def begins(self) -> list[Fraction]:
        """Where each leg begins, in route time."""
        return [leg.begins for leg in self.legs]

    @property
    def plain(self) -> bool:
        """Whether nothing is left out or shown twice."""
        return len(self.legs) == 1

    def last(self, end: MissionTime) -> Fraction:
        """The route time of the clip's end, which the last leg reaches."""
        return self.legs[-1].route_at(end.seconds)

    def leg_at(self, route: Fraction) -> Leg:
        """The leg that an instant of route time lies in."""
        return self.legs[max(0, bisect_right(self.begins, route) - 1)]

    def mission_at(self, route: Fraction) -> MissionTime:
        """The mission time that is shown at a route time."""
        return MissionTime(self.leg_at(route).mission_at(route))

    def places(self, mission: MissionTime) -> list[Fraction]:
        """Every route time at which a mission time is shown, rising; none where it is cut out."""
        found = []
        for number, leg in enumerate(self.legs):
            at = leg.route_at(mission.seconds)
            early = number > 0 and at < leg.begins
            late = number + 1 < len(self.legs) and at >= self.begins[number + 1]
            if not early and not late:
                found.append(at)
        return found

    def place(self, mission: MissionTime) -> Fraction:
        """The first route time at which a mission time is shown; of one that is cut out, that of
        the cut."""
        shown = self.places(mission)
        if shown:
            return shown[0]
        later = (leg.begins for leg in self.legs if leg.mission > mission.seconds)
        return next(later, self.begins[-1])


def _check(edit: Cut | Reverse, since: Fraction, end: MissionTime | None) -> None:
    """Holds an edit against the clip, and the one before it, after which the clip is at `since`."""
    what = "cut" if isinstance(edit, Cut) else "reverse"
    words = f"{what} from {edit.start} to {edit.end}"
    if isinstance(edit, Cut) and edit.end <= edit.start:
        raise PlanError(f"{words}: nothing lies between; a cut ends later than it starts")
    if isinstance(edit, Reverse) and edit.end >= edit.start:
        raise PlanError(f"{words}: that is forward; write the later time first")
    if edit.start.seconds <= since:
        raise PlanError(
            f"{words} starts at or before {MissionTime(since)}, where the clip starts or another "
            "edit ends; move it, or make the two one"
        )
    last = edit.end if isinstance(edit, Cut) else edit.start
    if end is not None and last >= end:
        raise PlanError(f"{words} reaches the clip's end, {end}; end the clip earlier with to")
