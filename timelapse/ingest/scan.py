"""Scan: every file found is accounted for, every still stands at the time it was taken."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from timelapse.errors import RollError, StillError
from timelapse.ingest.find import Reader, chunks, find, natural, refusing
from timelapse.ingest.findings import Scanned
from timelapse.ingest.header import NotAPicture, read_header
from timelapse.ingest.remembered import Remembered
from timelapse.ingest.still import File, LedgerEntry, Limits, Roll, Status, TimeSource
from timelapse.ingest.timing import (
    Clocks,
    Timed,
    choose_order,
    give_times,
    name_time,
    spread,
    without_idle_digits,
)
from timelapse.times import CaptureTime


def scan(
    roll: str | os.PathLike[str],
    clocks: Clocks | None = None,
    *,
    exclude: Sequence[str] = (),
    limits: Limits | None = None,
    cached: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Roll:
    """Finds the stills of a roll (a folder, glob, list or zip) and when each was taken.

    A file that cannot be used stands in the ledger with its reason and changes nothing else.
    `exclude` are patterns of file names to leave out; a file beyond `limits` is unreadable.
    `cached` headers are those of an earlier scan, of files that have not changed since.
    Raises RollError where no still remains, and TimeError where times are to come from an interval
    that is not stated.
    """
    clocks, limits = clocks or Clocks(), limits or Limits()
    finds = find(roll)
    entries, absent = finds.left_out, finds.absent
    found: list[Timed] = []
    idle = dict.fromkeys(exclude)
    remembered = Remembered(os.fspath(roll), limits) if cached else None
    with Reader(limits) as reader:
        for at, file in enumerate(sorted(finds.files, key=lambda file: natural(str(file)))):
            if progress:
                progress(at, len(finds.files))
            patterns = [pattern for pattern in exclude if fnmatchcase(file.name, pattern)]
            for pattern in patterns:
                idle.pop(pattern, None)
            if patterns:
                why = f"excluded by {patterns[0]}"
                entries.append(LedgerEntry(str(file), Status.EXCLUDED, why))
                if file.promises_picture:
                    absent.append(file)
                continue
            try:
                header = remembered.get(file) if remembered else None
                if header is None:
                    header = read_header(reader, file)
                    if remembered:
                        remembered.add(file, header)
                found.append(Timed(file, header))
            except StillError as error:
                if isinstance(error, NotAPicture) and not file.promises_picture:
                    entries.append(LedgerEntry(str(file), Status.EXCLUDED, error.reason))
                else:
                    absent.append(file)
                    entries.append(LedgerEntry(str(file), Status.UNREADABLE, error.reason))
        order = choose_order(found, clocks)
        timed, unplaced = give_times(found, absent, order, clocks)
        entries += unplaced
        timed = _without_copies(reader, timed, entries)
    if remembered:
        remembered.save()
    if progress:
        progress(len(finds.files), len(finds.files))
    if not timed:
        reasons = Counter(entry.reason for entry in entries).most_common(3)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons) or "it is empty"
        raise RollError(f"{os.fspath(roll)}: none of {len(entries)} files can be used: {told}")
    timed = spread(without_idle_digits(timed))
    timed.sort(key=lambda f: (f.time, natural(str(f.file))))
    entries += [LedgerEntry(str(f.file), Status.USED, f.note, f.time) for f in timed]
    entries.sort(key=lambda entry: natural(entry.path))
    dated = order is not TimeSource.INTERVAL or clocks.start is not None
    stills = tuple(f.still() for f in timed)
    made = Roll(stills, tuple(entries), order, dated, (), clocks.interval, limits)
    scanned = Scanned(made, timed, unplaced, tuple(idle), clocks)
    return replace(made, warnings=tuple(scanned.warnings()))


def _without_copies(
    reader: Reader, timed: Sequence[Timed], entries: list[LedgerEntry]
) -> list[Timed]:
    """Leaves out byte-equal copies of one still; the shortest name stays.

    Stills whose time does not come from within are never taken for copies: two stills of a dark
    scene may well be equal.
    """
    groups: dict[tuple[int, CaptureTime], list[Timed]] = defaultdict(list)
    kept = []
    for f in timed:
        if f.header.exif.local is None and name_time(f.file.name) is None:
            kept.append(f)
        else:
            groups[f.file.size, f.time].append(f)
    for group in groups.values():
        if len(group) == 1:
            kept += group
            continue
        seen: dict[bytes, File] = {}
        for f in sorted(group, key=lambda f: (len(f.file.name), natural(str(f.file)))):
            try:
                digest = _digest(reader, f.file)
            except StillError as error:
                entries.append(LedgerEntry(str(f.file), Status.UNREADABLE, error.reason))
                continue
            if digest in seen:
                why = f"the same bytes as {seen[digest].name}"
                entries.append(LedgerEntry(str(f.file), Status.DUPLICATE, why, f.time))
            else:
                seen[digest] = f.file
                kept.append(f)
    return kept


def _digest(reader: Reader, file: File) -> bytes:
    digest = hashlib.sha256()
    with reader.open(file) as stream, refusing(str(file), "cannot be read"):
        for piece in chunks(stream):
            digest.update(piece)
    return digest.digest()
