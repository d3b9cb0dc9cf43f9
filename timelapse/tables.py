"""A roll and a plan as tables that a person reads in a terminal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import log
from pathlib import PurePath
from typing import Any

from timelapse.ingest import Inspection, Roll, Status

_LINES = 12
_BLOCKS, _WIDTH = "▁▂▃▄▅▆▇█", 48
#: What is told of a clip: how long it is at these speeds, and how fast it has to be for these
#: lengths in seconds.
_SPEEDS, _LENGTHS = (8, 12, 16), (30, 90)
#: What makes reasons of one kind differ: words that hold a figure.
_FIGURES = re.compile(r"\S*\d\S*(?: \S*\d\S*)*")
_ORDERS = {
    "csv": "a table of times",
    "exif": "EXIF DateTimeOriginal",
    "filename": "times in the file names",
    "interval": "the stated interval",
    "mtime": "the files' modification times",
}


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows with their columns lined up."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _section(title: str, rows: Sequence[Sequence[str]]) -> str:
    more = [f"  ... and {len(rows) - _LINES} more"] * (len(rows) > _LINES)
    return "\n".join([title, _columns(rows[:_LINES]), *more])


def _length(seconds: Fraction) -> str:
    minutes, rest = divmod(round(seconds, 2) if seconds < 3600 else Fraction(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (float(rest), "s")]
    while not parts[0][0] and len(parts) > 1:
        del parts[0]
    return " ".join(f"{count:g} {unit}" for count, unit in parts)


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Values as a line of blocks, from the least to the greatest; on a logarithmic scale where
    these lie far apart and are above zero.  Of values that share a block the greatest is shown."""
    if not values:
        return ""
    cells = min(width, len(values))
    edges = [at * len(values) // cells for at in range(cells + 1)]
    tops = [max(values[start:stop]) for start, stop in pairwise(edges)]
    low, high = min(values), max(values)
    if is_logarithmic(low, high):
        tops, low, high = [log(top) for top in tops], log(low), log(high)
    steps = (len(_BLOCKS) - 1) / (high - low) if high > low else 0
    return "".join(_BLOCKS[round((top - low) * steps)] for top in tops)


def is_logarithmic(low: float, high: float) -> bool:
    """Whether a scale from `low` to `high` has to be logarithmic to show both."""
    return 0 < low * 10 < high


def scan_facts(roll: Roll) -> list[tuple[str, str]]:
    """What a roll is, as pairs of a word and its value."""
    data, span = roll.as_json(), roll.end - roll.first
    speeds = ", ".join(f"{speed}x gives {_length(span / speed)}" for speed in _SPEEDS)
    needed = [(_length(Fraction(s)), float(span / s)) for s in _LENGTHS if span > s]
    lengths = ", ".join(f"{length} takes {_speed(speed)}" for length, speed in needed)
    return [
        ("found", f"{data['found']} files: {data['used']} used, {data['excluded']} left out"),
        ("order", _ORDERS[data["order"]]),
        ("span", f"{roll.first.iso(2)} to {roll.last.iso(2)}, {_length(span)}"),
        ("interval", f"{data['interval_s']:g} s, jitter {data['jitter_s']:.3g} s"),
        ("sizes", ", ".join(f"{size} ({n})" for size, n in data["sizes"].items())),
        ("cameras", ", ".join(f"{who or 'unknown'} ({n})" for who, n in data["cameras"].items())),
        ("clip", "; ".join(filter(None, (speeds, lengths)))),
    ]


def _speed(speed: float) -> str:
    return f"{speed:.3g}x" if speed < 1000 else f"{speed:.0f}x"


def _cadence(roll: Roll) -> list[tuple[str, str]]:
    steps = [float(b.captured - a.captured) for a, b in pairwise(roll.stills)]
    if len(steps) < 2:
        return []
    low, high = min(steps), max(steps)
    scale = ", logarithmic" if is_logarithmic(low, high) else ""
    span = f"{low:.6g} to {high:.6g} s" if low < high else f"always {low:.6g} s"
    return [("cadence", f"{sparkline(steps)}  {span} apart{scale}")]


def _brightness(inspection: Inspection) -> list[tuple[str, str]]:
    looks = inspection.looks
    light = [
        float(value)
        for at, value in enumerate(looks.rows["luminance"])
        if at not in looks.unreadable
    ]
    if not light:
        return []
    # What cannot be told from black by eight bits would be infinitely dark on this scale.
    seen = [max(value, 2**-12) for value in light]
    scale = ", logarithmic" if is_logarithmic(min(seen), max(seen)) else ""
    span = f"{min(light):.2g} to {max(light):.2g} of white"
    return [("light", f"{sparkline(seen)}  {span}{scale}")]


def scan_table(roll: Roll, inspection: Inspection | None = None) -> str:
    """What was found: span, cadence, gaps, cameras, sizes, and what was left out and why.

    With an `inspection` of the roll, also its brightness, and the bad stills that are used.
    """
    facts = scan_facts(roll)
    at = next(at for at, (word, _) in enumerate(facts) if word == "interval") + 1
    facts[at:at] = _cadence(roll) + (_brightness(inspection) if inspection else [])
    parts = [_columns(facts)]
    gaps = [
        (
            f"{float(gap.seconds):g} s",
            f"from {roll.stills[gap.after].name}",
            f"to {roll.stills[gap.before].name}",
            f"about {gap.missing} missing",
        )
        for gap in sorted(roll.gaps, key=lambda gap: -gap.seconds)
    ]
    if gaps:
        parts.append(_section(f"gaps ({len(gaps)})", gaps))
    left_out = [entry for entry in roll.ledger if entry.status is not Status.USED]
    if left_out:
        rows = _grouped((str(e.status), e.reason, e.path) for e in left_out)
        parts.append(_section(f"left out ({len(left_out)})", rows))
    if inspection:
        used = {still.file for still in roll.stills} - {roll.stills[at].file for at in roll.bridged}
        stills = inspection.taken.stills
        kept = [(str(flag.kind), flag.reason, str(stills[at].file))
                for at, flag in inspection.flags.items() if stills[at].file in used]  # fmt: skip
        if kept:
            parts.append(_section(f"bad, and used all the same ({len(kept)})", _grouped(kept)))
    return "\n".join(parts)


def _grouped(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str, str]]:
    """A row for each sort and reason of (sort, reason, path), with how many they are; reasons that
    differ in names and figures alone are one."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for sort, reason, path in rows:
        groups[sort, _FIGURES.sub("...", reason)].append((reason, PurePath(path).name))
    told = []
    for (sort, reason), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        words = group[0][0] if len(group) == 1 else reason
        names = ", ".join(name for _, name in group[:3])
        more = f" and {len(group) - 3} more" if len(group) > 3 else ""
        told.append((sort, str(len(group)), words, f"{names}{more}"))
    return told


def plan_table(plan: dict[str, Any]) -> str:
    """Where everything falls, from the words of `plan --json`."""
    speed, size = plan["speed"], f"{plan['size']}, {plan['duration_s']:g} s"
    facts = [
        ("clip", f"{plan['frames']} frames at {plan['rate']} frames/s, {size}"),
        ("speed", f"{speed['min']:g}x to {speed['max']:g}x, {speed['mean']:.4g}x on average"),
        ("stills", f"{plan['stills_used']} used, {plan['stills_unused']} not shown"),
        ("blend", plan["blend"]),
    ]
    schedule = [
        (f"{row['video_s']:.2f} s", f"T{row['mission_s']:+.1f} s", f"{row['speed']:g}x")
        for row in plan["schedule"]
    ]
    parts = [_columns(facts), _section("schedule", [("video", "mission", "speed"), *schedule])]
    if plan["milestones"]:
        milestones = [
            (str(m["frame"]), m["timecode"], f"T{m['mission_s']:+.1f} s", _label(m))
            for m in plan["milestones"]
        ]
        heads = ("frame", "timecode", "mission", "label")
        parts.append("milestones\n" + _columns([heads, *milestones]))
    if plan["gaps"]:
        gaps = [
            (f"frames {g['frame']} to {g['frame_after']}", f"{g['seconds']:g} s after {g['after']}")
            for g in plan["gaps"]
        ]
        parts.append(_section("gaps", gaps))
    return "\n".join(parts)


def _label(milestone: dict[str, Any]) -> str:
    outside = "  (outside the clip)" * (milestone["shown_to"] <= milestone["shown_from"])
    return f"{milestone['text']}{outside}".replace("\n", " / ")
