"""Where the sources of capture times disagree: what was believed, and why.

Nothing here moves a still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from statistics import median_low

from timelapse.ingest.clocks import Clocks
from timelapse.ingest.names import folder, in_counter_order, name_time, numbered, without_copy_mark
from timelapse.ingest.shown import Shown, write_offset
from timelapse.ingest.still import File, TimeSource
from timelapse.ingest.timing import Timed
from timelapse.times import CaptureTime

#: Clocks that agree within a minute agree: GPS fixes and names are that late.
_SAME = 60
#: A clock that is off by the same seconds in so many stills at least is off, not late.
_ENOUGH, _STEADY, _OFF = 3, 2, 2
_QUARTER_HOUR = 900
_FARTHEST = 14 * 3600  # no zone is farther from Greenwich
SOURCES = {
    TimeSource.TABLE: "roll.times",
    TimeSource.EXIF: "EXIF",
    TimeSource.FILENAME: "the files' names",
    TimeSource.INTERVAL: "roll.interval",
    TimeSource.MTIME: "the files' modification times",
}


@dataclass
class _Doubts:
    notes: dict[File, list[str]] = field(default_factory=lambda: defaultdict(list))
    warnings: list[str] = field(default_factory=list)


def cross_checked(
    timed: Sequence[Timed], order: TimeSource, clocks: Clocks
) -> tuple[list[Timed], list[str]]:
    """The same stills, with notes on what disagrees with their times, and warnings for people."""
    if order is TimeSource.INTERVAL:
        return list(timed), []
    cameras: dict[str, list[Timed]] = defaultdict(list)
    for f in timed:
        cameras[f.header.exif.camera].append(f)
    doubts = _Doubts()
    for camera, stills in cameras.items():
        whose = f" of {camera}" if camera and len(cameras) > 1 else ""
        _by_gps(stills, order, clocks, whose, doubts)
        named = {f.file: name_time(f.file.name, clocks.name_time) for f in stills}
        if order in (TimeSource.EXIF, TimeSource.TABLE):
            _by_name(stills, named, order, whose, doubts)
        _by_number([f for f in stills if named[f.file] is None], whose, doubts)
    noted = [
        replace(f, note="; ".join(filter(None, [f.note, *doubts.notes[f.file]])))
        if f.file in doubts.notes
        else f
        for f in timed
    ]
    return noted, doubts.warnings


# ------------------------------------------------------------------ GPS


def _by_gps(
    stills: Sequence[Timed], order: TimeSource, clocks: Clocks, whose: str, doubts: _Doubts
) -> None:
    gps = [(f, f.header.exif.gps) for f in stills]
    off = {f.file: (f.time, said - f.time) for f, said in gps if said is not None}
    if not off:
        return
    far = {file: time + late for file, (time, late) in off.items() if abs(late) > _SAME}
    for file, time in far.items():
        doubts.notes[file].append(
            f"GPS says {time.iso()}; {SOURCES[order]} was believed, for a fix may be old"
        )
    middle = median_low(late for _, late in off.values())
    spread = max(abs(late - middle) for _, late in off.values())
    zone = round(middle / _QUARTER_HOUR) * _QUARTER_HOUR
    fix = f"adding {round(middle):+d} s to roll.clock would put that right"
    if zone and spread <= _SAME and abs(middle - zone) <= _SAME:
        fix = _zone_fix(stills, order, clocks, Fraction(zone)) or fix
    elif len(off) < _ENOUGH or abs(middle) <= _OFF or spread > (_SAME if far else _STEADY):
        fix = ""
    if fix:
        by = f"by {_signed(middle)} in all stills{whose} that have it"
        doubts.warnings.append(f"GPS differs from {SOURCES[order]} {by}: {fix}")
    elif far:
        doubts.warnings.append(
            f"GPS says another time than {SOURCES[order]}, which was believed, in {len(far)} of "
            f"{len(off)} stills{whose} that have it"
        )


def _zone_fix(stills: Sequence[Timed], order: TimeSource, clocks: Clocks, off: Fraction) -> str:
    """The UTC offset that would put right times which are off by a zone; "" where none would."""
    zoned = order is TimeSource.EXIF and any(f.header.exif.zone is not None for f in stills)
    if zoned or clocks.offset is None or order is TimeSource.MTIME:
        return ""
    right = clocks.offset - off
    return f"roll.utc_offset: {write_offset(right)} would put that right" * (
        abs(right) <= _FARTHEST
    )


# ------------------------------------------------------------------ names


def _by_name(
    stills: Sequence[Timed],
    named: Mapping[File, Shown | None],
    order: TimeSource,
    whose: str,
    doubts: _Doubts,
) -> None:
    off: dict[File, Fraction] = {}
    for f in stills:
        if (shown := named[f.file]) is None:
            continue
        local = f.header.exif.local if order is TimeSource.EXIF else None
        # a name tells the time by the camera's zone, where it does not say its own
        believed = f.time if shown.zone is not None or local is None else local
        said = shown.local - (shown.zone or 0)
        if abs(said - believed) > _SAME:
            off[f.file] = said - believed
            doubts.notes[f.file].append(
                f"its name says {shown}; {SOURCES[order]} was believed, for names are given later"
            )
    if not off:
        return
    middle = median_low(off.values())
    alike = all(abs(seconds - middle) <= _SAME for seconds in off.values())
    by = f", by {_signed(middle)} throughout" if alike and len(off) > 1 else ""
    doubts.warnings.append(
        f"another time in the name than by {SOURCES[order]}, which was believed{by}: "
        f"{_list(file.name for file in off)} ({len(off)} of {len(stills)} stills{whose})"
    )


# ------------------------------------------------------------------ the numbers in the names


def _by_number(stills: Sequence[Timed], whose: str, doubts: _Doubts) -> None:
    runs: dict[tuple[object, ...], dict[File, CaptureTime]] = defaultdict(dict)
    for f in stills:
        split = numbered(without_copy_mark(f.file.name))
        if split is not None:
            runs[folder(f.file), split[0].casefold(), split[2]][f.file] = f.time
    pairs, back = 0, list[tuple[File, File, Fraction]]()
    for times in runs.values():
        for file, after in pairwise(in_counter_order([*times])):
            pairs += 1
            if times[after] < times[file]:
                back.append((file, after, times[file] - times[after]))
    if len(back) > max(1, pairs / 4):
        doubts.warnings.append(
            f"the numbers in the names{whose} run against capture time in {len(back)} of {pairs} "
            "places; capture time was believed"
        )
        return
    for file, after, seconds in back:
        doubts.notes[after].append(
            f"taken {_length(seconds)} before {file.name}, whose number is lower; "
            "capture time was believed"
        )
    if back:
        names = _list(f"{after.name} after {file.name}" for file, after, _ in back)
        doubts.warnings.append(
            f"capture time runs backward against the numbers in the names{whose}, and was "
            f"believed: {names}"
        )


# ------------------------------------------------------------------ words


def _list(words: Iterable[str]) -> str:
    names = list(words)
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def _signed(seconds: Fraction) -> str:
    return f"{'-' if seconds < 0 else '+'}{_length(abs(seconds))}"


def _length(seconds: Fraction) -> str:
    """A length of time in its two largest units, rounded down; in full below a minute."""
    if seconds < 60:
        return f"{float(round(seconds, 2)):g} s"
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    at = next(at for at, (_, unit) in enumerate(units) if seconds >= unit)
    parts = []
    for name, unit in units[at : at + 2]:
        count, seconds = divmod(seconds, unit)
        parts += [f"{count} {name}"] * bool(count)
    return " ".join(parts)
