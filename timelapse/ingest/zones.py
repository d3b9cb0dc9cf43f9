"""Time zones with their changes, and what a camera's clock showed in the hours of a change."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from timelapse.errors import TimeError
from timelapse.ingest.shown import Shown, write_offset
from timelapse.notation import Notation, did_you_mean
from timelapse.times import CaptureTime, Seconds, read_utc_offset

_1970 = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Zone(Notation):
    """What a camera's clock was set to: `+02:00`, `Z`, or a place such as `Europe/Berlin`.

    A place keeps its own time, with summer time where and when it has one (the IANA data base).
    """

    name: str

    examples = ("Z", "+02:00", "Europe/Berlin")

    @classmethod
    def read(cls, text: str) -> Zone:
        name = text.strip()
        if name[:1] in ("+", "-", "−") or name.upper() in ("Z", "UTC", "GMT"):
            offset = read_utc_offset(name)
            return cls(write_offset(offset) if offset else "Z")
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            hint = did_you_mean(name, zoneinfo.available_timezones())
            what = "neither a UTC offset (+02:00 or Z) nor a place (Europe/Berlin)"
            raise TimeError(f"{text!r} is {what}{hint}") from None
        return cls(name)

    @property
    def fixed(self) -> Seconds | None:
        """The offset in seconds, None for a place."""
        return read_utc_offset(self.name) if self.name[0] in "+-Z" else None

    def offsets(self, local: CaptureTime) -> tuple[Fraction, Fraction]:
        """The two readings of a local time, in seconds east of Greenwich (PEP 495).

        They are equal but in the hours of a change: where the clock was put back, the first is
        that of the first pass, and larger; where it was put forward, and the time did not exist,
        the first is that from before the change, and smaller.
        """
        if (fixed := self.fixed) is not None:
            return fixed, fixed
        shown = _1970 + timedelta(seconds=local.seconds.__floor__())
        place = zoneinfo.ZoneInfo(self.name)
        first, second = (place.utcoffset(shown.replace(fold=fold)) for fold in (0, 1))
        return _seconds(first), _seconds(second)

    def __str__(self) -> str:
        return self.name


def _seconds(offset: timedelta | None) -> Fraction:
    return Fraction(offset // timedelta(seconds=1)) if offset is not None else Fraction(0)


@dataclass(frozen=True, slots=True)
class Settled:
    """A reading of a clock as UTC.  `note` says what had to be settled for it."""

    time: CaptureTime
    note: str = ""


def settled(shown: Sequence[Shown], zone: Zone) -> list[Settled]:
    """What one clock showed, in the order of its stills, as UTC.

    A zone that a reading states itself stands.  In an hour that a place had twice, the reading is
    taken with which the stills run backward least and then most steadily.  A clock that shows an
    hour which the place skipped was not put forward: it is read so from there on.
    """
    choices: list[tuple[Settled, ...]] = []
    kept: Fraction | None = None
    for reading in shown:
        if reading.zone is not None:
            choices.append((Settled(reading.local - reading.zone),))
            continue
        first, second = zone.offsets(reading.local)
        if first < second:
            kept = first
        if kept is not None:
            choices.append((_late(reading, kept, skipped=first < second),))
        elif first > second:
            choices.append(tuple(_twice(reading, offset, zone) for offset in (first, second)))
        else:
            choices.append((Settled(reading.local - first),))
    return _steadiest(choices)


def _late(reading: Shown, offset: Fraction, *, skipped: bool) -> Settled:
    why = "shows an hour that did not exist" if skipped else "showed one before"
    return Settled(
        reading.local - offset,
        f"its clock {why}, so it was not put forward: read as {write_offset(offset)}",
    )


def _twice(reading: Shown, offset: Fraction, zone: Zone) -> Settled:
    hour = f"{str(Shown(reading.local))[:16]} came twice in {zone}"
    return Settled(
        reading.local - offset, f"{hour}: read as {write_offset(offset)} by the stills around it"
    )


_Cost = tuple[Fraction, Fraction]


def _steadiest(choices: Sequence[tuple[Settled, ...]]) -> list[Settled]:
    """One of each still's readings: the path along which the sum of backward steps is the least,
    and then the sum of the squares of all steps."""
    if not choices:
        return []
    costs: list[_Cost] = [(Fraction(0), Fraction(0))] * len(choices[0])
    came_from: list[list[int]] = []
    for before, now in pairwise(choices):
        if len(before) == len(now) == 1:  # nearly everywhere
            came_from.append([0])
            continue
        ways = [[_plus(costs[at], b, n) for at, b in enumerate(before)] for n in now]
        came_from.append([min(range(len(way)), key=way.__getitem__) for way in ways])
        costs = [min(way) for way in ways]
    at, path = min(range(len(costs)), key=costs.__getitem__), []
    for choice, back in zip(reversed(choices), [*reversed(came_from), [0, 0]], strict=True):
        path.append(choice[at])
        at = back[at]
    return path[::-1]


def _plus(cost: _Cost, before: Settled, now: Settled) -> _Cost:
    step = now.time - before.time
    return cost[0] + max(Fraction(0), -step), cost[1] + step**2


def told_of(notes: Sequence[str], zone: Zone) -> Iterator[str]:
    """What people have to know of the readings that had to be settled."""
    late = sum("not put forward" in note for note in notes)
    twice = sum("came twice" in note for note in notes)
    fix = "; state roll.utc_offset as +hh:mm to settle it"
    if late:
        yield f"a clock was not put forward by {zone}: {late} stills are read by the old time{fix}"
    if twice:
        yield f"{twice} stills show an hour that came twice in {zone}: read by those around it{fix}"
