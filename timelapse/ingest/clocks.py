"""What is known of the cameras' clocks, and what it makes of the times that they wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePath
from typing import NamedTuple

from timelapse.errors import TimeError
from timelapse.ingest.names import NamePattern
from timelapse.ingest.shown import Shown
from timelapse.ingest.still import TimeSource
from timelapse.ingest.table import TimeTable
from timelapse.ingest.zones import Zone
from timelapse.notation import did_you_mean
from timelapse.times import CaptureTime, Seconds


@dataclass(frozen=True, slots=True)
class ClockPoint:
    """When a camera's clock showed `at`, `off` had to be added to it (-13 s: it was 13 s fast).

    `at` without a zone is in the camera's own.
    """

    at: Shown
    off: Seconds


#: A length to add; or known points of a clock that drifts; or the instant at which one still was
#: taken, which sets the clock of its camera.
Correction = Fraction | Sequence[ClockPoint] | CaptureTime


@dataclass(frozen=True)
class Clocks:
    """What is known of the cameras' clocks.

    `corrections` are for what cameras wrote, by camera or by pattern of file names, the first that
    fits (``*`` fits all); an instant, by the name of the still that was taken then.  `zone` is the
    cameras' UTC offset, or the place whose time they kept, where a still does not state its own.
    `interval` and `start` place stills that carry no time.  `only` takes times from one source and
    no other.  `name_time` is how times stand in names; `table` are stated times by name.
    """

    corrections: Mapping[str, Correction] | None = None
    zone: Seconds | Zone | None = None
    interval: Fraction | None = None
    start: CaptureTime | None = None
    only: TimeSource | None = None
    name_time: NamePattern | None = None
    table: TimeTable | None = None

    @property
    def offset(self) -> Seconds | None:
        """The stated UTC offset, where it is always the same; 0 where none is stated."""
        return self.zone.fixed if isinstance(self.zone, Zone) else self.zone or Seconds(0)

    @property
    def sets_by_still(self) -> bool:
        """Whether the instant of any still is stated."""
        return any(isinstance(by, CaptureTime) for by in (self.corrections or {}).values())


def fits(who: str, camera: str, name: str) -> bool:
    """Whether the key of a correction means a still of that camera and file name."""
    return who.casefold() == camera.casefold() or fnmatchcase(name, who)


class Written(NamedTuple):
    """A still's time as its clock wrote it, in UTC."""

    camera: str
    name: str
    time: CaptureTime


class Drift:
    """What has to be added to a clock: straight between the points where it is known, and beyond.

    Raises TimeError where time would stand still or run backward between two points.
    """

    def __init__(self, who: str, points: Sequence[tuple[CaptureTime, Fraction]]) -> None:
        if not points:
            raise TimeError(f"the clock of {who}: the list of points is empty")
        self._points = sorted(points, key=lambda point: point[0].seconds)
        for (at, off), (then, later) in pairwise(self._points):
            if then <= at or then + later <= at + off:
                raise TimeError(
                    f"the clock of {who}: time would not run forward between {at} "
                    f"({float(off):+g} s) and {then} ({float(later):+g} s)"
                )

    def at(self, time: CaptureTime) -> Fraction:
        """What has to be added when the clock showed `time`, in seconds, exactly."""
        if len(self._points) == 1:
            return self._points[0][1]
        after = next((n for n, (at, _) in enumerate(self._points) if at > time), len(self._points))
        after = min(max(after, 1), len(self._points) - 1)
        (at, off), (then, later) = self._points[after - 1 : after + 1]
        return off + (later - off) * (time - at) / (then - at)


class Corrections:
    """The corrections of a roll, settled for the stills that it holds."""

    def __init__(self, clocks: Clocks, written: Sequence[Written]) -> None:
        """Raises TimeError where a still that sets a clock is not there, or clocks run backward."""
        self._drifts: dict[str, Drift] = {}
        by_still: dict[str, list[tuple[CaptureTime, Fraction]]] = {}
        for who, by in (clocks.corrections or {}).items():
            if isinstance(by, CaptureTime):
                still = _named(who, written)
                by_still.setdefault(still.camera, []).append((still.time, by - still.time))
            elif isinstance(by, Fraction | int):
                self._drifts[who] = Drift(who, [(CaptureTime(Fraction(0)), Fraction(by))])
            else:
                points = [(_in_utc(point.at, clocks.zone), Fraction(point.off)) for point in by]
                self._drifts[who] = Drift(who, points)
        for camera, points in by_still.items():
            if any(who != "*" and who.casefold() == camera.casefold() for who in self._drifts):
                raise TimeError(
                    f"{camera} has a correction of its clock, and a still sets the same clock; "
                    "leave one of them out"
                )
            # Before all patterns: nothing is more exact than to know when a still was taken.
            self._drifts = {camera: Drift(camera or "a still", points), **self._drifts}

    def at(self, still: Written) -> Fraction:
        """What has to be added to a still's written time, in seconds."""
        for who, drift in self._drifts.items():
            if fits(who, still.camera, still.name):
                return drift.at(still.time)
        return Fraction(0)


def _in_utc(shown: Shown, zone: Seconds | Zone | None) -> CaptureTime:
    if shown.zone is not None:
        return shown.local - shown.zone
    if isinstance(zone, Zone):
        return shown.local - zone.offsets(shown.local)[0]
    return shown.local - (zone or 0)


def _named(name: str, written: Sequence[Written]) -> Written:
    """The still of that name, with or without its ending."""
    wanted = name.casefold()
    found = [
        still
        for still in written
        if wanted in (still.name.casefold(), PurePath(still.name).stem.casefold())
    ]
    if len(found) != 1:
        what = "no still has" if not found else f"{len(found)} stills have"
        hint = did_you_mean(name, (still.name for still in written[:1000])) if not found else ""
        raise TimeError(f"{what} the name {name!r}, to set a clock by{hint}")
    return found[0]
