"""Scan: every file found is accounted for, every still stands at the time it was taken."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from timelapse.errors import RollError, StillError
from timelapse.ingest.clocks import Clocks
from timelapse.ingest.crosscheck import cross_checked
from timelapse.ingest.exif import Header
from timelapse.ingest.find import Finds, Reader, find, natural
from timelapse.ingest.findings import Scanned
from timelapse.ingest.header import NotAPicture, read_header
from timelapse.ingest.names import NamePattern, name_time
from timelapse.ingest.regular import chunks, refusing
from timelapse.ingest.remembered import Remembered, RememberedRoll
from timelapse.ingest.still import CUT_SHORT, File, LedgerEntry, Limits, Roll, Status, TimeSource
from timelapse.ingest.timing import Timed, choose_order, give_times, spread, without_idle_digits
from timelapse.ingest.video import Footage, footage, is_video
from timelapse.times import CaptureTime


def scan(
    roll: str | os.PathLike[str],
    clocks: Clocks | None = None,
    *,
    exclude: Sequence[str] = (),
    limits: Limits | None = None,
    cached: bool = True,
    damaged: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Roll:
    """Finds the stills of a roll (a folder, glob, list, zip or video) and when each was taken.

    A file that cannot be used stands in the ledger with its reason and changes nothing else.
    `exclude` are patterns of file names to leave out; a file beyond `limits` is unreadable.
    `cached` headers are those of an earlier scan, of files that have not changed since.
    With `damaged`, JPEGs that are cut short are used, too, as far as they go.
    Raises RollError where no still remains, and TimeError where times are to come from an interval
    or a table that is not stated, or what is stated of the clocks cannot be meant for the stills.
    """
    clocks, limits = clocks or Clocks(), limits or Limits()
    name, refused = os.fspath(roll), dict[str, str]()
    finds = find(roll, limits)
    basis = (finds.left_out, finds.absent, clocks, exclude, limits, damaged)
    files = tuple(finds.files)
    kept = RememberedRoll(name, files, basis) if cached else None
    with Reader(limits) as reader:
        if kept and (known := kept.get()) and _refused_again(reader, files, known[1]):
            made = known[0]
        else:
            headers = Remembered(name, limits) if cached else None
            made = _make(name, finds, clocks, exclude, reader, headers, refused, damaged, progress)
            if headers and kept:
                headers.save()
                kept.save(made, refused)
    if progress:
        progress(len(files), len(files))
    return made


def _refused_again(reader: Reader, files: Sequence[File], refused: Mapping[str, str]) -> bool:
    """Whether the files that were refused before still are, and for the same reasons."""
    for file in files if refused else ():
        if (reason := refused.get(str(file))) is not None:
            try:
                read_header(reader, file)
            except StillError as error:
                if error.reason == reason:
                    continue
            return False
    return True


def _make(
    roll: str,
    finds: Finds,
    clocks: Clocks,
    exclude: Sequence[str],
    reader: Reader,
    remembered: Remembered | None,
    refused: dict[str, str],
    damaged: bool,
    progress: Callable[[int, int], None] | None,
) -> Roll:
    """The roll of what was found; `refused` is told the reasons of files that were refused."""
    limits, entries, absent = reader.limits, finds.left_out, finds.absent
    found: list[Timed] = []
    if (film := _video(roll, finds, limits)) is not None:
        finds.files = []
        found += [Timed(file, header) for file, header in film.frames]
        entries += film.left_out
        if clocks.interval is not None:  # the camera's cadence; what a player is to show says less
            start = clocks.start or film.created
            clocks = replace(clocks, only=TimeSource.INTERVAL, start=start)
    idle = dict.fromkeys(exclude)
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
                reader.check_unchanged(file)
                if remembered:
                    remembered.add(file, header)
            found.append(Timed(file, header, note=header.exif.note))
        except StillError as error:
            if damaged and error.reason == CUT_SHORT and (header := _of_part(reader, file)):
                note = "; ".join(filter(None, (header.exif.note, CUT_SHORT)))
                found.append(Timed(file, header, note=note))
                continue
            refused[str(file)] = error.reason
            if isinstance(error, NotAPicture) and not file.promises_picture:
                entries.append(LedgerEntry(str(file), Status.EXCLUDED, error.reason))
            else:
                absent.append(file)
                entries.append(LedgerEntry(str(file), Status.UNREADABLE, error.reason))
    found = _without_raw_twins(found, entries)
    order = choose_order(found, clocks)
    given = give_times(found, absent, order, clocks)
    entries += given.unplaced
    timed = _without_copies(reader, given.timed, entries, clocks.name_time)
    if not timed:
        reasons = Counter(entry.reason for entry in entries).most_common(3)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons) or "it is empty"
        raise RollError(f"{roll}: none of {len(entries)} files can be used: {told}")
    timed, doubts = cross_checked(spread(without_idle_digits(timed)), order, clocks)
    timed.sort(key=lambda f: (f.time, f.header.exif.camera, natural(str(f.file))))
    entries += [LedgerEntry(str(f.file), Status.USED, f.note, f.time) for f in timed]
    entries.sort(key=lambda entry: natural(entry.path))
    undated = order is TimeSource.INTERVAL and clocks.start is None and not clocks.sets_by_still
    stills = tuple(f.still() for f in timed)
    made = Roll(stills, tuple(entries), order, not undated, (), clocks.interval, limits)
    findings = (*given.told, *doubts)
    scanned = Scanned(made, timed, given.unplaced, tuple(idle), clocks, findings)
    return replace(made, warnings=tuple(scanned.warnings()))


def _video(roll: str, finds: Finds, limits: Limits) -> Footage | None:
    """The frames of a video that is named as the roll; None for any other roll."""
    if [file.path for file in finds.files] != [str(Path(roll))]:
        return None
    (file,) = finds.files
    if not is_video(file.path):
        return None
    try:
        return footage(file, limits)
    except StillError as error:
        raise RollError(f"{file}: {error.reason}") from error


def _of_part(reader: Reader, file: File) -> Header | None:
    """The header of a JPEG that is cut short behind it; it is not remembered."""
    with suppress(StillError):
        header = read_header(reader, file, whole=False)
        reader.check_unchanged(file)
        return header
    return None


def _without_raw_twins(found: Sequence[Timed], entries: list[LedgerEntry]) -> list[Timed]:
    """Leaves out the RAW of a still that a camera wrote in two forms."""
    others = {f.file.stem: f.file.name for f in found if f.header.kind != "raw"}
    kept = []
    for f in found:
        twin = others.get(f.file.stem) if f.header.kind == "raw" else None
        if twin is None:
            kept.append(f)
        else:
            why = f"the RAW of {twin}, which is used; exclude that one to use the RAW"
            entries.append(LedgerEntry(str(f.file), Status.DUPLICATE, why))
    return kept


def _without_copies(
    reader: Reader,
    timed: Sequence[Timed],
    entries: list[LedgerEntry],
    pattern: NamePattern | None,
) -> list[Timed]:
    """Leaves out byte-equal copies of one still; the shortest name stays.

    Stills whose time does not come from within are never taken for copies: two stills of a dark
    scene may well be equal.
    """
    groups: dict[tuple[int, CaptureTime], list[Timed]] = defaultdict(list)
    kept = []
    for f in timed:
        undated = f.header.exif.local is None and name_time(f.file.name, pattern) is None
        if f.file.frame or undated:
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
