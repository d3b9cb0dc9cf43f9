"""A roll and a plan as tables that a person reads in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from timelapse.ingest import Roll, Status

_LINES = 12
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
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(hours or minutes)
    return " ".join([*parts, f"{float(rest):g} s"])


def scan_table(roll: Roll) -> str:
    """What was found: span, cadence, gaps, cameras, sizes, and what was left out and why."""
    data, span = roll.as_json(), roll.end - roll.first
    facts = [
        ("found", f"{data['found']} files: {data['used']} used, {data['excluded']} left out"),
        ("order", _ORDERS[data["order"]]),
        ("span", f"{roll.first.iso(2)} to {roll.last.iso(2)}, {_length(span)}"),
        ("interval", f"{data['interval_s']:g} s, jitter {data['jitter_s']:.3g} s"),
        ("sizes", ", ".join(f"{size} ({n})" for size, n in data["sizes"].items())),
        ("cameras", ", ".join(f"{who or 'unknown'} ({n})" for who, n in data["cameras"].items())),
        ("clip", ", ".join(f"{s}x gives {_length(span / s)}" for s in (8, 12, 16))),
    ]
    parts = [_columns(facts)]
    if data["gaps"]:
        longest_first = sorted(data["gaps"], key=lambda gap: -gap["seconds"])
        gaps = [
            (f"{gap['seconds']:g} s", f"after {gap['after']}", f"about {gap['missing']} missing")
            for gap in longest_first
        ]
        parts.append(_section("gaps", gaps))
    left_out = [
        (str(entry.status), entry.path, entry.reason)
        for entry in roll.ledger
        if entry.status is not Status.USED
    ]
    if left_out:
        parts.append(_section("left out", left_out))
    return "\n".join(parts)


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
