"""What runs came to: medians, ratios, and the table that is printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.measure import Cost
from benchmarks.truth import Timing

OURS, FLOOR = "timelapse", "floor"


@dataclass(frozen=True)
class Run:
    """One run: its cost, the film's size in bytes and frames, and what is wrong with the film."""

    cost: Cost
    bytes: int = 0
    frames: int = 0
    faults: tuple[str, ...] = ()
    timing: Timing | None = None


@dataclass
class Row:
    """All runs of one pipeline; `refused` says why there are none."""

    name: str
    about: str
    floor: bool = False
    refused: str = ""
    runs: list[Run] = field(default_factory=list)

    @property
    def good(self) -> list[Run]:
        return [run for run in self.runs if not run.cost.error]

    def middle(self, what: str) -> float:
        """The median of a field of `Cost` over the runs that succeeded."""
        return float(median(getattr(run.cost, what) for run in self.good))

    @property
    def spread(self) -> tuple[float, float]:
        walls = [run.cost.wall_s for run in self.good]
        return min(walls), max(walls)

    @property
    def remarks(self) -> list[str]:
        """What went wrong, in words, each once."""
        words = [run.cost.error for run in self.runs if run.cost.error]
        words += [fault for run in self.good for fault in run.faults]
        return list(dict.fromkeys(words))

    def as_json(self) -> dict[str, Any]:
        words: dict[str, Any] = {"pipeline": self.name, "about": self.about}
        if self.refused:
            return {**words, "refused": self.refused}
        words["failed"] = len(self.runs) - len(self.good)
        if self.good:
            words["median"] = {
                key: self.middle(key) for key in ("wall_s", "cpu_s", "peak_bytes", "load")
            }
        words["remarks"] = self.remarks
        words["runs"] = [asdict(run) for run in self.runs]
        return words


def floor_of(rows: Sequence[Row]) -> tuple[float, float] | None:
    """Wall and CPU seconds of decoding alone plus encoding alone, where both were measured."""
    parts = [row for row in rows if row.floor]
    if len(parts) < 2 or not all(row.good for row in parts):
        return None
    return sum(row.middle("wall_s") for row in parts), sum(row.middle("cpu_s") for row in parts)


def table(rows: Sequence[Row]) -> str:
    """The rows as text: medians, and ratios to ours (above 1: takes more than we do)."""
    ours = next((row for row in rows if row.name == OURS and row.good), None)
    head = ["pipeline", "wall s", "(min-max)", "CPU s", "peak MB", "film MB", "frames"]
    ratios = ["wall", "CPU", "mem"]
    lines = [[*head, *(f"{name}/ours" for name in ratios)]]
    for row in rows:
        if not row.good:
            lines.append([row.name, "-" if row.refused else "failed", *[""] * 8])
            continue
        wall, cpu, peak = (row.middle(key) for key in ("wall_s", "cpu_s", "peak_bytes"))
        low, high = row.spread
        film = row.good[-1]
        cells = [row.name, f"{wall:.2f}", f"({low:.2f}-{high:.2f})", f"{cpu:.2f}"]
        cells.append(f"{peak / 1e6:.0f}")
        cells += ["", ""] if row.floor else [f"{film.bytes / 1e6:.2f}", str(film.frames)]
        if ours:
            base = [ours.middle(key) for key in ("wall_s", "cpu_s", "peak_bytes")]
            cells += [f"{a / b:.2f}" for a, b in zip((wall, cpu, peak), base, strict=True)]
        else:
            cells += ["", "", ""]
        lines.append(cells)
    floor = floor_of(rows)
    if floor:
        cells = [FLOOR, f"{floor[0]:.2f}", "", f"{floor[1]:.2f}", "", "", ""]
        if ours:
            cells += [f"{floor[0] / ours.middle('wall_s'):.2f}"]
            cells += [f"{floor[1] / ours.middle('cpu_s'):.2f}", ""]
        lines.append([*cells, *[""] * (len(lines[0]) - len(cells))])
    text = _columns(lines)
    if floor and ours:
        wall, cpu = ours.middle("wall_s") / floor[0], ours.middle("cpu_s") / floor[1]
        text += f"\n{OURS} takes {wall:.2f} of the floor's wall time and {cpu:.2f} of its CPU time"
    return text


def timing_table(rows: Iterable[Row], speed: float) -> str:
    """How far each film's frames are from the schedule; empty where that was not measured."""
    lines = [["pipeline", "rms ms", "max ms", "mean ms", "max in frames", "frames compared"]]
    for row in rows:
        found = next((run.timing for run in row.good if run.timing), None)
        if found:
            cells = [f"{value:.1f}" for value in (found.rms_ms, found.max_ms, found.mean_ms)]
            cells += [f"{found.max_ms / 1000 / speed:.2f}", str(found.frames)]
            lines.append([row.name, *cells])
    return _columns(lines) if len(lines) > 1 else ""


def remarks(rows: Iterable[Row]) -> str:
    """What every pipeline got wrong or could not do, a line each."""
    lines = []
    for row in rows:
        if row.refused:
            lines.append(f"{row.name}: not run: {row.refused}")
        lines += [f"{row.name}: {remark}" for remark in row.remarks]
    return "\n".join(lines)


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
