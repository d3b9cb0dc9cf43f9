"""What the second render costs, and whether memory grows: ``python -m benchmarks.again``.

Long rolls are made of a few stills that stand there under many names: what is decoded, and how
often, is the same as for as many stills of their own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.jobs import JOBS
from benchmarks.measure import Cost, measure
from benchmarks.rolls import make_roll
from timelapse.times import CaptureTime

_EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")
_STILLS, _SPEED, _OTHER_SPEED, _LABELS = 2000, 5, 6, 30


def long_roll(place: Path, sources: list[Path], count: int) -> Path:
    """So many stills, one a second by their names."""
    place.mkdir()
    for number in range(count):
        stamp = (_EPOCH + number).iso().rstrip("Z").replace(":", "-")
        os.link(sources[number % len(sources)], place / f"{stamp}.jpg")
    return place


def project(place: Path, roll: Path, speed: float, size: str, changed: bool = False) -> Path:
    """A project with thirty labels, one of them changed."""
    at = [_STILLS * (n + 0.5) / _LABELS for n in range(_LABELS)]
    labels = [
        {"at": f"T+{second:.1f} s", "label": "changed" if changed and n == 9 else f"label {n}"}
        for n, second in enumerate(at)
    ]
    words = {
        "roll": {"stills": str(roll), "time_from": "filename", "utc_offset": "Z"},
        "schedule": {"speed": speed},
        "output": {"size": size, "fit": "crop"},
        "milestones": labels,
    }
    path = place / "project.yaml"
    path.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return path


def render(place: Path, source: Path, film: str, *options: str) -> tuple[Cost, dict[str, Any]]:
    command = [sys.executable, "-m", "timelapse.cli", "render", str(source), "--json"]
    log = place / "log.txt"
    env = {"TIMELAPSE_CACHE": str(place / "cache"), "NO_COLOR": "1"}
    cost = measure([*command, "-q", "-o", str(place / film), *options], log, env, 3600)
    if cost.error:
        raise SystemExit(cost.error)
    text = log.read_text(encoding="utf-8")
    return cost, json.loads(text[text.index("{") :])


def second_renders(place: Path, sources: list[Path]) -> None:
    """A film of 10,000 frames, rendered again after nothing, a label, and the speed changed."""
    roll = long_roll(place / "roll", sources, _STILLS)
    size = "640x360"
    walls: dict[str, float] = {}

    def run(what: str, film: str, speed: float, changed: bool = False) -> None:
        source = project(place, roll, speed, size, changed)
        cost, report = render(place, source, film)
        walls[what] = cost.wall_s
        print(f"{what:36} {cost.wall_s:7.1f} s  {report['frames']} frames, {report['segments']}")

    run("first", "film.mp4", _SPEED)
    run("unchanged", "film.mp4", _SPEED)
    run("one label of thirty changed", "film.mp4", _SPEED, changed=True)
    run("another speed, cache warm", "film.mp4", _OTHER_SPEED)
    shutil.rmtree(place / "cache")
    run("that speed, from nothing", "other.mp4", _OTHER_SPEED)
    label, first = walls["one label of thirty changed"], walls["first"]
    warm, cold = walls["another speed, cache warm"], walls["that speed, from nothing"]
    print(f"one label: {label / first:.3f} of the first; another speed: {warm / cold:.2f} of cold")


def memory(place: Path, sources: list[Path], counts: tuple[int, int] = (300, 3000)) -> None:
    """Peak memory at 1080p and x264 medium of rolls of two lengths.

    A render here is one process: the system's own high-water mark misses nothing.
    """
    peaks = []
    for count in counts:
        roll = long_roll(place / f"roll{count}", sources, count)
        source = project(place, roll, 50, "1920x1080")
        _, report = render(
            place, source, f"{count}.mp4", "--set", "output.preset=medium", "--cache", "0"
        )
        # Of all children so far the largest, in KiB: the longer roll comes last.
        peaks.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)
        print(f"{count} stills, {report['frames']} frames: peak {peaks[-1]:.0f} MB")
    print(f"difference {peaks[1] - peaks[0]:+.0f} MB")


@click.command()
@click.option("--only", type=click.Choice(["second", "memory"]))
def main(only: str | None) -> None:
    """20.8-megapixel stills: second renders, and memory."""
    home = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
    spec = replace(JOBS["j1"].roll, count=100)
    sources = make_roll(spec, home).paths
    for name, part in (("second", second_renders), ("memory", memory)):
        if only in (None, name):
            with tempfile.TemporaryDirectory(prefix="again-", dir=home) as folder:
                part(Path(folder), list(sources))


if __name__ == "__main__":
    main()
