"""What overlays cost: ``python -m benchmarks.overlays``.

The same 1080p film of 20.8-megapixel stills with six layers on and without, in turns.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

import click

from benchmarks.again import render
from benchmarks.jobs import JOBS
from benchmarks.rolls import make_roll

LAYERS = [
    {"kind": "clock", "show": ["met", "utc", "speed", "stills"]},
    {"kind": "progress"},
    {"kind": "credit", "text": "Agency - A. Photographer"},
    {"kind": "speed-map"},
    {"kind": "span", "label": "Second stage burns", "since": "T+1 s", "until": "T+99999 s"},
    {
        "kind": "callout",
        "label": "Here",
        "points": [
            {"at": "T+0 s", "point": [1000, 900]},
            {"at": "T+60 s", "point": [4000, 2500]},
        ],
    },
]


def project(place: Path, roll: Path, preset: str, layers: bool) -> Path:
    words = {
        "roll": {"stills": str(roll)},
        "schedule": {"speed": 10},
        "output": {"size": "1920x1080", "fit": "crop", "preset": preset},
        "overlays": LAYERS if layers else [],
    }
    path = place / f"{'with' if layers else 'without'}.yaml"
    path.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return path


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--stills", default=100, show_default=True)
@click.option("--preset", default="faster", show_default=True)
def main(rounds: int, stills: int, preset: str) -> None:
    """Medians of the rounds, and the ratio of each round."""
    home = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
    roll = make_roll(replace(JOBS["j1"].roll, count=stills), home)
    roll.warm()
    walls: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="overlays-", dir=home) as folder:
        place = Path(folder)
        for turn in range(rounds):
            for layers in (True, False) if turn % 2 else (False, True):
                source = project(place, roll.folder, preset, layers)
                cost, report = render(place, source, f"{turn}{layers}.mp4", "--cache", "0")
                walls[layers].append(cost.wall_s)
                print(f"{'with' if layers else 'without':8} {cost.wall_s:6.1f} s wall,"
                      f" {cost.cpu_s:6.1f} s CPU, {report['frames']} frames")  # fmt: skip
    with_, without = median(walls[True]), median(walls[False])
    print(f"with {with_:.1f} s, without {without:.1f} s: {with_ / without:.3f}")


if __name__ == "__main__":
    main()
