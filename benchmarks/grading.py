"""What grading costs: ``python -m benchmarks.grading``.

The same 1080p film of 20.8-megapixel stills without corrections, with those that mend stills, and
with all; in turns.  A first render with corrections looks at the roll; a second one knows it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from benchmarks.again import render
from benchmarks.jobs import JOBS
from benchmarks.rolls import make_roll

#: The camera of the benchmark's roll drifts; held fixed, every still is moved.
MENDING: dict[str, Any] = {
    "hot_pixels": "auto",
    "cosmic_rays": "auto",
    "deflicker": "auto",
    "stabilise": {"camera": "fixed"},
}
GRADES: dict[str, dict[str, Any]] = {
    "off": {},
    "mending": MENDING,
    "all": {
        **MENDING,
        "denoise": "auto",
        "tone": {"exposure": 0.3, "black": 0.02, "saturation": 1.1, "curve": [[0, 0], [1, 0.95]]},
    },
}


def project(place: Path, roll: Path, preset: str, name: str) -> Path:
    words = {
        "roll": {"stills": str(roll)},
        "schedule": {"speed": 10},
        "output": {"size": "1920x1080", "fit": "crop", "preset": preset},
        "grade": GRADES[name],
    }
    path = place / f"{name}.yaml"
    path.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return path


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--stills", default=100, show_default=True)
@click.option("--preset", default="medium", show_default=True)
@click.option("--only", type=click.Choice(list(GRADES)), help="One grade, beside off.")
def main(rounds: int, stills: int, preset: str, only: str | None) -> None:
    """Medians of the rounds, beside the film without corrections."""
    home = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
    roll = make_roll(replace(JOBS["j1"].roll, count=stills), home)
    roll.warm()
    names = [name for name in GRADES if name in ("off", only or name)]
    walls: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="grading-", dir=home) as folder:
        place = Path(folder)
        for turn in range(rounds):
            for name in names if turn % 2 else reversed(names):
                shutil.rmtree(place / "cache", ignore_errors=True)
                source = project(place, roll.folder, preset, name)
                for what in ("known",) if name == "off" else ("first", "known"):
                    cost, report = render(place, source, f"{turn}{name}{what}.mp4", "--cache", "0")
                    walls.setdefault((name, what), []).append(cost.wall_s)
                    print(
                        f"{name:8} {what:6} {cost.wall_s:6.1f} s wall, {cost.cpu_s:6.1f} s CPU, "
                        f"{cost.peak_bytes / 1e6:.0f} MB, {report['frames']} frames"
                    )
    off = median(walls["off", "known"])
    for name in names[1:]:
        first, known = (median(walls[name, what]) for what in ("first", "known"))
        print(f"{name}: {known / off:.3f} of a render without; looking at the roll "
              f"{(first - known) / known:.3f} of a render with, {(first - known) / off:.3f} of one "
              "without")  # fmt: skip


if __name__ == "__main__":
    main()
