"""The one command: ``python -m benchmarks --job j1``."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import click

from benchmarks.jobs import JOBS, Job
from benchmarks.measure import Cost, measure
from benchmarks.pipelines import ALL, Child, Pipeline, Task, child_command, write_project
from benchmarks.results import Row, Run, remarks, table, timing_table
from benchmarks.rolls import Roll, make_roll
from benchmarks.truth import timing
from timelapse.deliver import probe
from timelapse.deliver.formats import Preset
from timelapse.errors import EncodeError

_LIBRARIES = (
    "timelapse",
    "av",
    "moviepy",
    "imageio-ffmpeg",
    "opencv-python-headless",
    "simplejpeg",
)


@click.command()
@click.option("--job", "names", multiple=True, type=click.Choice(list(JOBS)), default=["small"])
@click.option("--repeat", type=click.IntRange(1), default=3, show_default=True, help="Rounds.")
@click.option("--preset", type=click.Choice(get_args(Preset)), help="x264 preset, for all.")
@click.option("--crf", type=click.IntRange(0, 51), help="x264 quality, for all.")
@click.option("--only", multiple=True, metavar="WORD", help="Pipelines whose names have WORD.")
@click.option("--quick", is_flag=True, help="A quarter of the stills, one round.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="All figures, as JSON.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep rolls and films here; else rolls stay in the temporary folder, films go.",
)
@click.option("--timeout", default=1800.0, show_default=True, help="Seconds that a run may take.")
@click.option("--list", "show", is_flag=True, help="Show jobs and pipelines, and stop.")
def main(
    names: tuple[str, ...],
    repeat: int,
    preset: str | None,
    crf: int | None,
    only: tuple[str, ...],
    quick: bool,
    json_file: Path | None,
    keep: Path | None,
    timeout: float,
    show: bool,
) -> None:
    """The same rolls through timelapse, ffmpeg and moviepy, interleaved; medians and ratios."""
    if show:
        for job in JOBS.values():
            print(f"{job.name:18} {job.about}")
        for pipeline in ALL:
            print(f"{pipeline.name:18} {pipeline.about}")
        return
    # A terminated benchmark ends as an interrupted one does: what it started goes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = (keep or Path(tempfile.gettempdir()) / "timelapse-benchmarks").resolve()
    chosen = [p for p in ALL if not only or any(word in p.name for word in only)]
    results = []
    for name in names:
        job = JOBS[name]
        if quick:
            job, repeat = job.shorter(), 1
        job = replace(job, preset=preset or job.preset, crf=job.crf if crf is None else crf)
        results.append(run_job(job, chosen, home, repeat, timeout, keep is not None))
    if json_file:
        words = {"machine": _machine(), "jobs": results}
        json_file.write_text(json.dumps(words, indent=1, default=str) + "\n", encoding="utf-8")


def run_job(
    job: Job, pipelines: Sequence[Pipeline], home: Path, rounds: int, timeout: float, keep: bool
) -> dict[str, Any]:
    """Runs a job through pipelines, prints what came of it and returns it for JSON."""
    roll = make_roll(job.roll, home)
    frames = job.frames(roll.times)
    print(f"\n{job.name}: {job.about}")
    print(
        f"{len(roll.paths)} stills ({roll.bytes / 1e6:.0f} MB) -> {frames} frames of "
        f"{job.size[0]}x{job.size[1]}, x264 {job.preset} crf {job.crf}, {rounds} rounds, "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    with _workplace(home, job, keep) as place:
        rows = _measure_all(job, roll, pipelines, place, rounds, timeout)
    texts = [table(rows), timing_table(rows, float(job.speed / job.rate)), remarks(rows)]
    print("\n" + "\n\n".join(text for text in texts if text), flush=True)
    return {"job": asdict(job), "frames": frames, "rows": [row.as_json() for row in rows]}


def _measure_all(
    job: Job,
    roll: Roll,
    pipelines: Sequence[Pipeline],
    place: Path,
    rounds: int,
    timeout: float,
) -> list[Row]:
    roll.warm()
    rows, ready = [], []
    for pipeline in pipelines:
        floor = isinstance(pipeline, Child) and pipeline.floor
        rows.append(Row(pipeline.name, pipeline.about, floor, pipeline.refuses(job)))
        folder = place / pipeline.name.replace(" ", "-").replace(":", "")
        folder.mkdir(exist_ok=True)
        if not rows[-1].refused:
            ready.append((rows[-1], pipeline, Task(job, roll, folder)))
    for row, pipeline, task in ready:
        if isinstance(pipeline, Child) and pipeline.part == "encode":
            row.refused = _prepare_frames(task, timeout)
    ready = [(row, pipeline, task) for row, pipeline, task in ready if not row.refused]
    for number in range(rounds):
        turn = number % max(1, len(ready))  # nobody is always the one after the heaviest
        for row, pipeline, task in ready[turn:] + ready[:turn]:
            row.runs.append(_run(pipeline, task, timeout))
            cost = row.runs[-1].cost
            told = cost.error or f"{cost.wall_s:.2f} s, {cost.peak_bytes / 1e6:.0f} MB"
            print(f"  {number + 1}/{rounds} {row.name}: {told}", file=sys.stderr, flush=True)
    return rows


def _prepare_frames(task: Task, timeout: float) -> str:
    """Makes the frames that the encoding floor starts from; returns why it could not, if so."""
    write_project(task)
    command = child_command("frames", task)
    return measure(command, task.folder / "prepare.log", _environment(task), timeout).error


def _run(pipeline: Pipeline, task: Task, timeout: float) -> Run:
    """One run of one pipeline.  Whatever goes wrong is in the run, never raised."""
    result = task.folder / "result.json"
    for old in (task.film, result):
        old.unlink(missing_ok=True)
    try:
        command = pipeline.command(task)
    except Exception as error:  # a peer that is not installed, say
        return Run(Cost(0, 0, 0, 0, f"could not be prepared: {error!r}"))
    cost = measure(command, task.folder / "log.txt", _environment(task), timeout)
    if isinstance(pipeline, Child) and pipeline.floor:
        if not cost.error:
            cost = replace(cost, **json.loads(result.read_text(encoding="utf-8")))
        return Run(cost)
    return Run(cost) if cost.error else _look(cost, pipeline, task)


def _look(cost: Cost, pipeline: Pipeline, task: Task) -> Run:
    """The film of a run, held against what was asked for."""
    job, film = task.job, task.film
    try:
        facts = probe(film)
    except EncodeError as error:
        return Run(replace(cost, error=str(error)))
    faults = facts.faults(task.frames, job.size, Fraction(job.rate), len(facts.chapters))
    if task.frames != facts.frames:
        faults[0] = f"{facts.frames - task.frames:+d} frames: {faults[0]}"
    when = timing(film, job, task.roll, pipeline.light) if job.roll.content == "ramp" else None
    return Run(cost, film.stat().st_size, facts.frames, tuple(faults), when)


@contextlib.contextmanager
def _workplace(home: Path, job: Job, keep: bool) -> Iterator[Path]:
    """A folder for the films of a job; it goes when they are not to be kept."""
    if keep:
        place = home / f"films-{job.name}-{job.preset}"
        place.mkdir(parents=True, exist_ok=True)
        yield place
        (place / "frames.yuv").unlink(missing_ok=True)
        return
    with tempfile.TemporaryDirectory(prefix="films-", dir=home) as folder:
        yield Path(folder)


def _environment(task: Task) -> dict[str, str]:
    """What a run sees beside our own environment: this folder's package, no terminal, and caches
    of its own."""
    top = str(Path(__file__).resolve().parents[1])
    path = os.environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [top, path])),
        "NO_COLOR": "1",
        "TIMELAPSE_CACHE": str(task.cache),
    }


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _LIBRARIES},
    }


if __name__ == "__main__":
    main()
