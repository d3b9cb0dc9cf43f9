"""When each still was taken: by EXIF, by its name, by a stated interval, or by its file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePath

from timelapse.errors import TimeError
from timelapse.ingest.exif import Header, fraction_of
from timelapse.ingest.find import natural
from timelapse.ingest.still import File, LedgerEntry, Status, Still, TimeSource
from timelapse.times import CaptureTime, Seconds, write_number

_EPOCH = CaptureTime(Fraction(0))
#: Names in zip archives may be longer than any number that Python reads.
_LONG_NAME = 1000
_NAME_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[T _-]+"
    r"(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,](\d{1,9})|(\d{3}))?(?!\d)",
    re.ASCII,
)


@dataclass(frozen=True)
class Clocks:
    """What is known of the cameras' clocks.

    `corrections` are added to what a camera wrote (-13 s for a clock 13 s fast), by camera or by
    pattern of file names, the first that fits; ``*`` fits all.  `zone` is the cameras' UTC offset
    where a still does not state its own.  `interval` and `start` place stills that carry no time.
    `only` takes times from one source and no other.
    """

    corrections: Mapping[str, Fraction] | None = None
    zone: Seconds | None = None
    interval: Fraction | None = None
    start: CaptureTime | None = None
    only: TimeSource | None = None

    def correction(self, camera: str, name: str) -> Fraction:
        for who, seconds in (self.corrections or {}).items():
            if fits(who, camera, name):
                return Fraction(seconds)
        return Fraction(0)


def fits(who: str, camera: str, name: str) -> bool:
    """Whether the key of a correction means a still of that camera and file name."""
    return who.casefold() == camera.casefold() or fnmatchcase(name, who)


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
        )

    def noted(self, note: str) -> str:
        return "; ".join(filter(None, (self.note, note)))


def name_time(name: str) -> tuple[CaptureTime, str] | None:
    """A time in a file's name as if it were UTC, and the digits of its sub-seconds."""
    for match in _NAME_TIME.finditer(name):
        *fields, decimals, millis = match.groups()
        digits = decimals or millis or ""
        year, month, day, hour, minute, second = (int(field) for field in fields)
        try:
            exact = second + fraction_of(digits)
            return CaptureTime.of_civil(year, month, day, hour, minute, exact), digits
        except TimeError:
            continue
    return None


def choose_order(found: Sequence[Timed], clocks: Clocks) -> TimeSource:
    """The most trusted source that any still has; the rest of the roll is held to it."""
    if clocks.only is not None:
        return clocks.only
    if any(f.header.exif.local for f in found):
        return TimeSource.EXIF
    if any(name_time(f.file.name) for f in found):
        return TimeSource.FILENAME
    return TimeSource.MTIME if clocks.interval is None else TimeSource.INTERVAL


def give_times(
    found: Sequence[Timed], absent: Sequence[File], order: TimeSource, clocks: Clocks
) -> tuple[list[Timed], list[LedgerEntry]]:
    """Each still with its time by this order; those that have none, as entries of the ledger.

    `absent` are files that belong to the roll and cannot be used: a stated interval leaves
    room for them.
    """
    if order is TimeSource.INTERVAL:
        return _by_interval(found, absent, clocks), []
    timed, unplaced = [], []
    for f in found:
        exif = f.header.exif
        local, zone, digits = _local(f, order, clocks)
        if local is None:
            why = exif.note or f"no capture time by {order}, which the other stills have"
            fix = "; give it one, or take all times from elsewhere with roll.time_from"
            unplaced.append(LedgerEntry(str(f.file), Status.EXCLUDED, why + fix))
            continue
        step = Fraction(1, 10 ** len(digits))
        if order is TimeSource.MTIME and f.file.archive is not None:
            step = Fraction(2)  # what the date of a zip's member can tell (APPNOTE 4.4.6)
        time = local - zone + clocks.correction(exif.camera, f.file.name)
        timed.append(replace(f, time=time, digits=digits, step=step, note=exif.note))
    return timed, unplaced


def _local(f: Timed, order: TimeSource, clocks: Clocks) -> tuple[CaptureTime | None, Fraction, str]:
    """What a still's clock showed, its UTC offset, and the digits behind its seconds."""
    exif, stated = f.header.exif, Fraction(clocks.zone or 0)
    if order is TimeSource.EXIF:
        return exif.local, stated if exif.zone is None else exif.zone, exif.subseconds
    if order is TimeSource.FILENAME:
        time, digits = name_time(f.file.name) or (None, "")
        return time, stated, digits
    return CaptureTime(Fraction(f.file.mtime_ns, 10**9)), Fraction(0), ""


def _by_interval(found: Sequence[Timed], absent: Sequence[File], clocks: Clocks) -> list[Timed]:
    """Times from a stated interval: by the numbers in the names where the names differ in one
    number alone (a number that is missing keeps its time), else by position, where files that
    cannot be used keep theirs."""
    interval = clocks.interval
    if interval is None or interval <= 0:
        raise TimeError("stills without times need roll.interval, above zero")

    def stem(file: File) -> str:
        return str(PurePath(str(file)).with_suffix("")).casefold()

    # The RAW twin of a still stands for the same press of the shutter.
    taken = {stem(f.file) for f in found}
    others = [file for file in absent if stem(file) not in taken]
    split = {file: _numbered(file) for file in [*(f.file for f in found), *others]}
    kinds = {(s[0], s[2]) if (s := split[f.file]) else None for f in found}
    slots = {file: s[1] for file, s in split.items() if s and {(s[0], s[2])} == kinds}
    if len({slots.get(f.file) for f in found} - {None}) < len(found):
        slots = {file: at for at, file in enumerate(sorted(split, key=lambda f: natural(str(f))))}
    start, first = clocks.start or _EPOCH, min(slots.values(), default=0)
    return [replace(f, time=start + (slots[f.file] - first) * interval) for f in found]


def _numbered(file: File) -> tuple[str, int, str] | None:
    """A file's name before its last number, that number, and what follows it."""
    split = re.fullmatch(r"(.*?)(\d+)(\D*)", file.name[:_LONG_NAME])
    return (split[1], int(split[2]), split[3].lower()) if split else None


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
    together.sort(key=lambda f: natural(str(f.file)))
    return [
        replace(
            f,
            time=f.time + at * length / count,
            note=f.noted(f"{at + 1} of {count} in {where}: spread evenly{until}"),
            shared=step,
        )
        for at, f in enumerate(together)
    ]
