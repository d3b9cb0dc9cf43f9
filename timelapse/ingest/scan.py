"""Scan: every file found is accounted for, every still stands at the time it was taken."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import PurePath

from timelapse.errors import RollError, StillError, TimeError
from timelapse.ingest.find import Reader, chunks, find
from timelapse.ingest.header import PICTURE_ENDINGS, Header, NotAPicture, read_header
from timelapse.ingest.still import File, LedgerEntry, Roll, Status, Still, TimeSource
from timelapse.times import CaptureTime, Seconds

_EPOCH = CaptureTime(Fraction(0))
_NAME_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[T _-]+"
    r"(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,](\d{1,9})|(\d{3}))?(?!\d)"
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
            if who == camera or fnmatchcase(name, who):
                return Fraction(seconds)
        return Fraction(0)


def natural(text: str) -> list[tuple[int, int | str]]:
    """A sort key that takes runs of digits as numbers: still 9999 before still 10000."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part)) if at % 2 else (1, part) for at, part in enumerate(parts)]


def scan(
    roll: str | os.PathLike[str],
    clocks: Clocks | None = None,
    *,
    exclude: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Roll:
    """Finds the stills of a roll (a folder, glob, list or zip) and when each was taken.

    A file that cannot be used stands in the ledger with its reason and changes nothing else.
    `exclude` are patterns of file names to leave out.  Raises RollError where no still remains.
    """
    clocks = clocks or Clocks()
    files, left_out = find(roll)
    entries = [LedgerEntry(path, Status.EXCLUDED, why) for path, why in left_out]
    found: list[_Found] = []
    broken: list[File] = []
    with Reader() as reader:
        for at, file in enumerate(sorted(files, key=lambda file: natural(str(file)))):
            if progress:
                progress(at, len(files))
            pattern = next((p for p in exclude if fnmatchcase(file.name, p)), None)
            if pattern is not None:
                entries.append(LedgerEntry(str(file), Status.EXCLUDED, f"excluded by {pattern}"))
                continue
            try:
                found.append(_Found(file, read_header(reader, file)))
            except StillError as error:
                promised = PurePath(file.name).suffix.lower() in PICTURE_ENDINGS
                if isinstance(error, NotAPicture) and not promised:
                    entries.append(LedgerEntry(str(file), Status.EXCLUDED, error.reason))
                else:
                    broken.append(file)
                    entries.append(LedgerEntry(str(file), Status.UNREADABLE, error.reason))
        order = _choose_order(found, clocks)
        timed = _timed(found, broken, order, clocks, entries)
        timed = _without_copies(reader, timed, entries)
    if progress:
        progress(len(files), len(files))
    if not timed:
        reasons = Counter(entry.reason for entry in entries).most_common(3)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons) or "it is empty"
        raise RollError(f"{os.fspath(roll)}: none of {len(entries)} files can be used: {told}")
    spread = _spread(timed)
    spread.sort(key=lambda found: (found.time, natural(str(found.file))))
    stills = tuple(found.still() for found in spread)
    entries += [LedgerEntry(str(f.file), Status.USED, f.note, f.time) for f in spread]
    entries.sort(key=lambda entry: natural(entry.path))
    dated = order is not TimeSource.INTERVAL or clocks.start is not None
    made = Roll(stills, tuple(entries), order, dated, (), clocks.interval)
    return replace(made, warnings=tuple(_warnings(made, spread, clocks)))


@dataclass(frozen=True)
class _Found:
    file: File
    header: Header
    time: CaptureTime = _EPOCH
    exact: bool = True
    note: str = ""

    def still(self) -> Still:
        size, turned = self.header.size, self.header.exif.orientation >= 5
        return Still(
            self.file,
            self.time,
            size[::-1] if turned else size,
            self.header.exif.orientation,
            self.header.bits,
            self.header.kind,
            self.header.exif.camera,
        )


def _name_time(name: str) -> tuple[CaptureTime, bool] | None:
    """A time in a file's name as if it were UTC, and whether it has sub-seconds."""
    for match in _NAME_TIME.finditer(name):
        *fields, decimals, millis = match.groups()
        part = decimals or millis or ""
        second = int(fields[5]) + (Fraction(int(part), 10 ** len(part)) if part else 0)
        try:
            year, month, day, hour, minute = (int(field) for field in fields[:5])
            time = CaptureTime.of_civil(year, month, day, hour, minute, Fraction(second))
            return time, bool(part)
        except TimeError:
            continue
    return None


def _choose_order(found: Sequence[_Found], clocks: Clocks) -> TimeSource:
    """The most trusted source that any still has; the rest of the roll is held to it."""
    if clocks.only is not None:
        return clocks.only
    if any(f.header.exif.local for f in found):
        return TimeSource.EXIF
    if any(_name_time(f.file.name) for f in found):
        return TimeSource.FILENAME
    return TimeSource.MTIME if clocks.interval is None else TimeSource.INTERVAL


def _timed(
    found: Sequence[_Found],
    broken: Sequence[File],
    order: TimeSource,
    clocks: Clocks,
    entries: list[LedgerEntry],
) -> list[_Found]:
    """Gives each still its time; one that has none by this order goes to the ledger instead."""
    if order is TimeSource.INTERVAL:
        return _by_interval(found, broken, clocks)
    timed = []
    for f in found:
        exif, note = f.header.exif, f.header.exif.note
        correction = clocks.correction(exif.camera, f.file.name)
        zone: Fraction = clocks.zone or Seconds(0)
        exact = True
        if order is TimeSource.EXIF:
            local, exact = exif.local, exif.has_subseconds
            zone = exif.zone if exif.zone is not None else zone
        elif order is TimeSource.FILENAME:
            named = _name_time(f.file.name)
            local, exact = named if named else (None, True)
        else:
            local, zone = CaptureTime(Fraction(f.file.mtime_ns, 10**9)), Fraction(0)
        if local is None:
            why = note or f"no capture time by {order}, which the other stills have"
            fix = "; give it one, or take all times from elsewhere with roll.time_from"
            entries.append(LedgerEntry(str(f.file), Status.EXCLUDED, why + fix))
            continue
        timed.append(replace(f, time=local - zone + correction, exact=exact, note=note))
    return timed


def _by_interval(found: Sequence[_Found], broken: Sequence[File], clocks: Clocks) -> list[_Found]:
    """Times from a stated interval: by the numbers in the names where the names differ in one
    number alone (a number that is missing keeps its time), else by position, where files that
    cannot be read keep theirs."""
    interval = clocks.interval
    if interval is None or interval <= 0:
        raise TimeError("stills without times need roll.interval, above zero")
    files = sorted([*(f.file for f in found), *broken], key=lambda file: natural(str(file)))
    splits = [re.fullmatch(r"(.*?)(\d+)(\D*)", file.name) for file in files]
    steady = {(str(s[1]), str(s[3]).lower()) for s in splits if s}
    numbers = [int(s[2]) for s in splits if s]
    if len(steady) != 1 or len(set(numbers)) != len(files):
        numbers = list(range(len(files)))
    slots = dict(zip(files, numbers, strict=True))
    start, first = clocks.start or _EPOCH, min(numbers, default=0)
    return [replace(f, time=start + (slots[f.file] - first) * interval) for f in found]


def _without_copies(
    reader: Reader, timed: Sequence[_Found], entries: list[LedgerEntry]
) -> list[_Found]:
    """Leaves out byte-equal copies of one still; the shortest name stays.

    Stills whose time does not come from within are never taken for copies: two stills of a dark
    scene may well be equal.
    """
    groups: dict[tuple[int, CaptureTime, bool], list[_Found]] = defaultdict(list)
    for f in timed:
        own_time = f.header.exif.local is not None or _name_time(f.file.name) is not None
        groups[f.file.size, f.time, own_time].append(f)
    kept = []
    for (_, _, own_time), group in groups.items():
        seen: dict[bytes, File] = {}
        for f in sorted(group, key=lambda f: (len(f.file.name), natural(str(f.file)))):
            digest = _digest(reader, f.file) if own_time and len(group) > 1 else os.urandom(8)
            if digest in seen:
                why = f"the same bytes as {seen[digest].name}"
                entries.append(LedgerEntry(str(f.file), Status.DUPLICATE, why, f.time))
            else:
                seen[digest] = f.file
                kept.append(f)
    return kept


def _digest(reader: Reader, file: File) -> bytes:
    digest = hashlib.sha256()
    with reader.open(file) as stream:
        for piece in chunks(stream):
            digest.update(piece)
    return digest.digest()


def _spread(timed: Iterable[_Found]) -> list[_Found]:
    """Spreads stills that one camera took in one whole second evenly over that second."""
    groups: dict[tuple[str, CaptureTime], list[_Found]] = defaultdict(list)
    spread = []
    for f in timed:
        if f.exact:
            spread.append(f)
        else:
            groups[f.header.exif.camera, f.time].append(f)
    for group in groups.values():
        group.sort(key=lambda f: natural(str(f.file)))
        for at, f in enumerate(group):
            note = f"{at + 1} of {len(group)} in one second without sub-seconds: spread evenly"
            notes = [f.note] * bool(f.note) + [note] * (len(group) > 1)
            time = f.time + Fraction(at, len(group))
            spread.append(replace(f, time=time, note="; ".join(notes)))
    return spread


def _warnings(roll: Roll, found: Sequence[_Found], clocks: Clocks) -> Iterable[str]:
    counts = Counter(entry.status for entry in roll.ledger)
    unreadable = [entry for entry in roll.ledger if entry.status is Status.UNREADABLE]
    if unreadable:
        names = ", ".join(PurePath(entry.path).name for entry in unreadable[:3])
        more = ", ..." if len(unreadable) > 3 else ""
        yield f"{_stills(len(unreadable))} left out because unreadable: {names}{more}"
    if counts[Status.DUPLICATE]:
        yield f"{_stills(counts[Status.DUPLICATE])} left out as byte-equal copies"
    unplaced = sum("no capture time" in entry.reason for entry in roll.ledger)
    if unplaced:
        yield f"{_stills(unplaced)} without a capture time left out"
    if roll.order is TimeSource.MTIME:
        yield (
            "no still says when it was taken: the files' modification times are used, which "
            "copying may have changed; state roll.interval if the cadence is known"
        )
    if roll.order is TimeSource.INTERVAL and clocks.start is None:
        yield "capture times are relative: state roll.start to give them a date"
    zoneless = roll.order is TimeSource.FILENAME or any(f.header.exif.zone is None for f in found)
    by_clock = roll.order in (TimeSource.EXIF, TimeSource.FILENAME)
    if by_clock and zoneless and clocks.zone is None:
        yield "capture times carry no UTC offset and are read as UTC; state roll.utc_offset"
    together = sum("spread evenly" in f.note for f in found)
    if together:
        yield f"{_stills(together)} share a second without sub-seconds and are spread over it"
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


def _stills(count: int) -> str:
    return f"{count} still{'s' * (count != 1)}"
