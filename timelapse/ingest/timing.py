"""When each still was taken: by a table, EXIF, its name, a stated interval, or its file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePath

from timelapse.errors import TimeError
from timelapse.ingest.clocks import Clocks, Corrections, Written
from timelapse.ingest.exif import Header
from timelapse.ingest.names import camera_number, counted, in_counter_order, name_time
from timelapse.ingest.shown import Shown, fraction_of
from timelapse.ingest.still import File, LedgerEntry, Status, Still, TimeSource, printable
from timelapse.ingest.table import TimeTable
from timelapse.ingest.zones import Settled, Zone, settled, told_of
from timelapse.times import CaptureTime, Seconds, write_number

_EPOCH = CaptureTime(Fraction(0))
_TOLD_AT_MOST = 5


@dataclass(frozen=True)
class Timed:
    """A picture that was found, and when it was taken.

    `digits` are the sub-seconds that a clock wrote; `step` is what the clock tells apart, in
    seconds (0 for times that are stated).  `shared` is the step over which stills of one instant
    were spread, None for a still with an instant of its own.
    """

    file: File
    header: Header
    time: CaptureTime = _EPOCH
    digits: str = ""
    step: Fraction = Fraction(0)
    note: str = ""
    shared: Fraction | None = None

    def still(self) -> Still:
        size, exif = self.header.size, self.header.exif
        return Still(
            self.file,
            self.time,
            size[::-1] if exif.orientation >= 5 else size,
            exif.orientation,
            self.header.bits,
            self.header.kind,
            exif.camera,
            exposure=exif.exposure,
            aperture=exif.aperture,
            iso=exif.iso,
        )

    def noted(self, note: str) -> str:
        return "; ".join(filter(None, (self.note, note)))


@dataclass(frozen=True)
class Given:
    """Stills with their times; those without one, as entries of the ledger; what is to be told."""

    timed: list[Timed]
    unplaced: list[LedgerEntry]
    told: list[str]


def choose_order(found: Sequence[Timed], clocks: Clocks) -> TimeSource:
    """The most trusted source that any still has; the rest of the roll is held to it."""
    if clocks.only is not None:
        return clocks.only
    if clocks.table is not None:
        return TimeSource.TABLE
    if any(f.header.exif.local for f in found):
        return TimeSource.EXIF
    if any(name_time(f.file.name, clocks.name_time) for f in found):
        return TimeSource.FILENAME
    return TimeSource.MTIME if clocks.interval is None else TimeSource.INTERVAL


def give_times(
    found: Sequence[Timed], absent: Sequence[File], order: TimeSource, clocks: Clocks
) -> Given:
    """Each still with its time by this order.

    `absent` are files that belong to the roll and cannot be used: a stated interval leaves
    room for them.  Raises TimeError where what is stated of the clocks does not hold for them.
    """
    if order is TimeSource.INTERVAL:
        return _by_interval(found, absent, clocks)
    if order is TimeSource.TABLE and clocks.table is None:
        raise TimeError("stills timed by a table need roll.times")
    readings: list[tuple[Timed, Shown]] = []
    unplaced = []
    for f in found:
        shown, why = _shown(f, order, clocks)
        if shown is None:
            fix = "; give it one, or take all times from elsewhere with roll.time_from"
            unplaced.append(LedgerEntry(str(f.file), Status.EXCLUDED, why + fix))
        else:
            readings.append((f, shown))
    times = _in_utc(readings, clocks)
    written = [
        Written(f.header.exif.camera, f.file.name, at.time)
        for (f, _), at in zip(readings, times, strict=True)
    ]
    corrections = Corrections(clocks, written)
    timed = []
    for (f, shown), at, still in zip(readings, times, written, strict=True):
        time, note = at.time + corrections.at(still), "; ".join(filter(None, (f.note, at.note)))
        step = shown.step
        if order is TimeSource.MTIME and f.file.archive is not None:
            step = Fraction(2)  # what the date of a zip's member can tell (APPNOTE 4.4.6)
        timed.append(replace(f, time=time, digits=shown.digits, step=step, note=note))
    told: list[str] = []
    if isinstance(clocks.zone, Zone):
        told += told_of([at.note for at in times], clocks.zone)
    if order is TimeSource.FILENAME and unplaced:
        told.append(f"{len(timed)} of {len(found)} file names hold a time; roll.name_time says how")
    if order is TimeSource.TABLE and clocks.table is not None:
        told += _of_table(clocks.table, [f.file for f in found], absent)
    return Given(timed, unplaced, told)


def _shown(f: Timed, order: TimeSource, clocks: Clocks) -> tuple[Shown | None, str]:
    """What a still's clock showed by this order; or why there is nothing."""
    exif, since = f.header.exif, f.header.since
    missing = exif.note or f"no capture time by {order}, which the other stills have"
    if order is TimeSource.EXIF:
        if exif.local is None:
            return None, missing
        return Shown(exif.local, exif.zone, exif.subseconds), ""
    if order is TimeSource.FILENAME:
        shown = name_time(f.file.name, clocks.name_time)
        return (shown and replace(shown, local=shown.local + since)), missing
    if order is TimeSource.TABLE and clocks.table is not None:
        table = PurePath(clocks.table.path).name
        row = clocks.table.find(f.file)
        if row is None:
            return None, f"no row of {table} has its name"
        return row.shown, f"{table}:{row.line}: {row.why}"
    return Shown(CaptureTime(Fraction(f.file.mtime_ns, 10**9)) + since, Seconds(0)), ""


def _in_utc(readings: Sequence[tuple[Timed, Shown]], clocks: Clocks) -> list[Settled]:
    """What the clocks showed, as UTC; in the hours of a change, camera by camera."""
    if not isinstance(clocks.zone, Zone) or clocks.zone.fixed is not None:
        stated = clocks.offset or Seconds(0)
        return [
            Settled(shown.local - (stated if shown.zone is None else shown.zone))
            for _, shown in readings
        ]
    cameras: dict[str, dict[File, Shown]] = defaultdict(dict)
    for f, shown in readings:
        cameras[f.header.exif.camera][f.file] = shown
    times: dict[File, Settled] = {}
    for of_camera in cameras.values():
        files = in_counter_order([*of_camera])
        times |= zip(files, settled([of_camera[file] for file in files], clocks.zone), strict=True)
    return [times[f.file] for f, _ in readings]


def _of_table(table: TimeTable, files: Sequence[File], absent: Sequence[File]) -> Iterator[str]:
    """What is wrong with a table, in itself and for this roll, with the numbers of its lines."""
    name = PurePath(table.path).name
    fitting = Counter(row.line for file in files if (row := table.find(file)) is not None)
    known = fitting.keys() | {row.line for file in absent if (row := table.find(file)) is not None}
    problems = list(table.problems)
    for row in table.rows:
        if row.line not in known:
            problems.append(f"{name}:{row.line}: no still has the name {printable(row.name)}")
        elif fitting[row.line] > 1:
            problems.append(
                f"{name}:{row.line}: {fitting[row.line]} files fit {printable(row.name)}"
            )
    yield from problems[:_TOLD_AT_MOST]
    if len(problems) > _TOLD_AT_MOST:
        yield f"{name}: {len(problems) - _TOLD_AT_MOST} more lines have something wrong with them"


def _by_interval(found: Sequence[Timed], absent: Sequence[File], clocks: Clocks) -> Given:
    """Times from a stated interval: by the numbers in the names where the names differ in one
    number alone (a number that is missing keeps its time), else by position, where files that
    cannot be used keep theirs.  A still whose instant is stated moves all others with it."""
    interval = clocks.interval
    if interval is None or interval <= 0:
        raise TimeError("stills without times need roll.interval, above zero")

    # The RAW twin of a still stands for the same press of the shutter.
    taken = {f.file.stem for f in found}
    files = [f.file for f in found]
    others = [file for file in absent if file.stem not in taken]
    slots = counted(files, others)
    if slots is None:
        ordered = in_counter_order([*files, *others])
        slots = {file: at for at, file in enumerate(ordered)}
    start, first = clocks.start or _EPOCH, min(slots.values(), default=0)
    written = [Written("", file.name, start + (slots[file] - first) * interval) for file in files]
    stated = {who: by for who, by in (clocks.corrections or {}).items()
              if isinstance(by, CaptureTime)}  # fmt: skip
    corrections = Corrections(replace(clocks, corrections=stated), written)
    timed = [
        replace(f, time=still.time + corrections.at(still))
        for f, still in zip(found, written, strict=True)
    ]
    return Given(timed, [], list(_wraps(timed)))


def _wraps(timed: Sequence[Timed]) -> Iterator[str]:
    """Where a camera's counter starts again although time goes on."""
    files = [f.file for f in sorted(timed, key=lambda f: f.time)]
    for (file, number), (after, then) in pairwise((file, camera_number(file)) for file in files):
        if number is not None and then is not None and then < number:
            yield (
                f"the camera's counter starts again: {after.name} is taken to follow {file.name}; "
                "state roll.times if it does not"
            )


# ------------------------------------------------------------------ stills of one instant


def _by_camera(timed: Iterable[Timed]) -> Iterable[list[Timed]]:
    groups: dict[str, list[Timed]] = defaultdict(list)
    for f in timed:
        groups[f.header.exif.camera].append(f)
    return groups.values()


def without_idle_digits(timed: Iterable[Timed]) -> list[Timed]:
    """Takes away sub-seconds that say nothing: some cameras always write the same.

    They are the same in all stills of a camera, although some of these share a second.
    """
    result = []
    for group in _by_camera(timed):
        clocked = [f for f in group if f.digits]
        values = {fraction_of(f.digits) for f in clocked}
        idle = len(values) == 1 and len({f.time for f in clocked}) < len(clocked)
        for f in group:
            if idle and f.digits:
                note = f.noted(f"sub-seconds that never vary were not believed: {f.digits}")
                time = f.time - fraction_of(f.digits)
                result.append(replace(f, time=time, digits="", step=Fraction(1), note=note))
            else:
                result.append(f)
    return result


def spread(timed: Iterable[Timed]) -> list[Timed]:
    """Gives every still of one camera an instant of its own.

    Those that share one are ordered by name and spread evenly over the step of their clock (a
    second without sub-seconds, a unit of the last digit with them), at most up to the camera's
    next still.
    """
    result = []
    for group in _by_camera(timed):
        instants: dict[CaptureTime, list[Timed]] = defaultdict(list)
        for f in group:
            instants[f.time].append(f)
        times = sorted(instants)
        room = {time: after - time for time, after in pairwise(times)}
        for time in times:
            result += _apart(instants[time], room.get(time))
    return result


def _apart(together: list[Timed], room: Fraction | None) -> list[Timed]:
    count = len(together)
    if count == 1:
        return together
    step = min(f.step for f in together)
    where = f"one step of its clock ({write_number(step)} s)"
    if step == 1:
        where = "one second without sub-seconds"
    cut = room is not None and room < step
    until = " up to the next still" if cut else ""
    length = room if room is not None and cut else step
    by_file = {f.file: f for f in together}
    return [
        replace(
            f,
            time=f.time + at * length / count,
            note=f.noted(f"{at + 1} of {count} in {where}: spread evenly{until}"),
            shared=step,
        )
        for at, f in enumerate(by_file[file] for file in in_counter_order([*by_file]))
    ]
