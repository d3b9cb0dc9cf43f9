"""What people have to know of a roll: what was assumed, what is missing, what had no effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from timelapse.ingest.clocks import Clocks, fits
from timelapse.ingest.crosscheck import SOURCES
from timelapse.ingest.names import name_time
from timelapse.ingest.still import LedgerEntry, Roll, Status, TimeSource
from timelapse.ingest.timing import Timed
from timelapse.notation import did_you_mean
from timelapse.times import CaptureTime, write_number


@dataclass(frozen=True)
class Scanned:
    """A roll, and what the scan that made it knows beside.

    `unplaced` are left out for want of a time; `idle_patterns` of `exclude` fit no file; `told` is
    what had to be settled to give the stills their times, and what disagrees with these.
    """

    roll: Roll
    timed: Sequence[Timed]
    unplaced: Sequence[LedgerEntry]
    idle_patterns: Sequence[str]
    clocks: Clocks
    told: Sequence[str] = ()

    def warnings(self) -> Iterator[str]:
        yield from self._of_files()
        yield from self._of_times()
        yield from self._of_settings()
        yield from self._of_shape()

    def _of_files(self) -> Iterator[str]:
        unreadable = [e for e in self.roll.ledger if e.status is Status.UNREADABLE]
        if unreadable:
            yield f"{_stills(len(unreadable))} left out because unreadable: {_names(unreadable)}"
        copies = sum(entry.status is Status.DUPLICATE for entry in self.roll.ledger)
        if copies:
            yield f"{_stills(copies)} left out as byte-equal copies"
        if self.unplaced:
            count = _stills(len(self.unplaced))
            yield f"{count} without a capture time left out: {_names(self.unplaced)}"

    def _of_times(self) -> Iterator[str]:
        order = self.roll.order
        if order is TimeSource.MTIME:
            yield (
                "no still says when it was taken: the files' modification times are used, which "
                "copying may have changed; state roll.interval if the cadence is known"
            )
        if not self.roll.dated:
            yield "capture times are relative: state roll.start to give them a date"
        if self._zoneless() and self.clocks.zone is None:
            yield "capture times carry no UTC offset and are read as UTC; state roll.utc_offset"
        yield from self.told
        shared = Counter(f.shared for f in self.timed if f.shared is not None)
        for step, count in sorted(shared.items()):
            what = (
                "a second without sub-seconds"
                if step == 1
                else (f"a step of their clock ({write_number(step)} s)")
            )
            yield f"{_stills(count)} share {what} and are spread over it"

    def _zoneless(self) -> bool:
        """Whether any time was written by a clock that did not say its offset."""
        if self.roll.order is TimeSource.EXIF:
            return any(f.header.exif.zone is None for f in self.timed)
        if self.roll.order is TimeSource.FILENAME:
            shown = [name_time(f.file.name, self.clocks.name_time) for f in self.timed]
        elif self.roll.order is TimeSource.TABLE and (table := self.clocks.table):
            rows = [table.find(f.file) for f in self.timed]
            shown = [row.shown for row in rows if row is not None]
        else:
            return False
        return any(reading is not None and reading.zone is None for reading in shown)

    def _of_settings(self) -> Iterator[str]:
        """Settings that had no effect: most often a slip of the pen."""
        order, clocks = self.roll.order, self.clocks
        for pattern in self.idle_patterns:
            yield f"roll.exclude: no file fits {pattern!r}"
        stated = {
            who: by
            for who, by in (clocks.corrections or {}).items()
            if not isinstance(by, CaptureTime) and (who != "*" or by)
        }
        if stated and order is TimeSource.INTERVAL:
            yield "roll.clock is not used: times come from roll.interval"
        else:
            stills = [(f.header.exif.camera, f.file.name) for f in self.timed]
            for who in stated:
                if not any(fits(who, camera, name) for camera, name in stills):
                    hint = did_you_mean(who, filter(None, self.roll.cameras))
                    yield f"roll.clock: no still has the camera or name {who!r}{hint}"
        if order is not TimeSource.INTERVAL:
            lone = len(self.timed) == 1  # its interval is the stated one
            for key, value in (("interval", clocks.interval), ("start", clocks.start)):
                if value is not None and not (lone and key == "interval"):
                    yield f"roll.{key} is not used: times come from {SOURCES[order]}"
        if clocks.table is not None and order is not TimeSource.TABLE:
            yield f"roll.times is not used: times come from {SOURCES[order]}"
        if clocks.name_time is not None and order is not TimeSource.FILENAME:
            what = f"no file name is written as {str(clocks.name_time)!r}"
            if any(name_time(f.file.name, clocks.name_time) for f in self.timed):
                what = f"times come from {SOURCES[order]}"
            yield f"roll.name_time is not used: {what}"
        if clocks.zone is not None and not self._zoneless():
            where = "every still states its own"
            if order in (TimeSource.INTERVAL, TimeSource.MTIME):
                where = f"times come from {SOURCES[order]}"
            yield f"roll.utc_offset is not used: {where}"

    def _of_shape(self) -> Iterator[str]:
        roll = self.roll
        if len(roll.sizes) > 1:
            sizes = ", ".join(f"{w}x{h} ({n})" for (w, h), n in list(roll.sizes.items())[:4])
            yield f"stills of {len(roll.sizes)} sizes: {sizes}"
        if roll.gaps:
            longest = max(roll.gaps, key=lambda gap: gap.seconds)
            missing = sum(gap.missing for gap in roll.gaps)
            yield (
                f"{len(roll.gaps)} gap{'s' * (len(roll.gaps) > 1)} in the roll, about "
                f"{_stills(missing)} missing; the longest, {float(longest.seconds):g} s, "
                f"follows {roll.stills[longest.after].name}"
            )


def _names(entries: Sequence[LedgerEntry]) -> str:
    names = ", ".join(PurePath(entry.path).name for entry in entries[:3])
    return f"{names}, ..." if len(entries) > 3 else names


def _stills(count: int) -> str:
    return f"{count} still{'s' * (count != 1)}"
