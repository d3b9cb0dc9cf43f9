"""Films: render, verify, cache."""

from __future__ import annotations

from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timelapse.cli.group import FAILED, finish, is_plan, is_project, job_of, main, print_json
from timelapse.options import (
    BYTES,
    json_option,
    quiet_option,
    set_option,
    settings_of,
    strict_option,
)
from timelapse.talk import Talk

if TYPE_CHECKING:
    from timelapse.render import Job


@main.command()
@click.argument("source", metavar="PROJECT|ROLL")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The film; SOURCE.mp4 if not given."
)
@click.option("--speed", metavar="S", help="Times real speed, such as 12.")
@click.option("--duration", metavar="D", help="The clip's length, such as '90 s'.")
@click.option("--fps", metavar="R", help="Frames per second, such as 25 or 30000/1001.")
@click.option("--size", metavar="WxH", help="The frame's size, such as 1920x1080.")
@click.option("--format", "format_name", metavar="NAME", help="The format, such as h264.")
@click.option("--workers", type=click.IntRange(1, 256), help="Cores to use; all, if not given.")
@click.option("--memory", type=BYTES, help="A bound, such as 2G; else half of all.")
@click.option("--cluster", metavar="URL", help="A Dask scheduler's: tcp://host:8786.")
@click.option("--cache", type=BYTES, help="Disk for stills at the frame's size: 50G; 0 keeps none.")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def render(
    ctx: click.Context,
    source: str,
    out: Path | None,
    speed: str | None,
    duration: str | None,
    fps: str | None,
    size: str | None,
    format_name: str | None,
    workers: int | None,
    memory: int | None,
    cluster: str | None,
    cache: int | None,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """Renders PROJECT (a saved plan, too), or ROLL at a speed or to a duration, into a film with a
    report."""
    if speed and duration:
        raise click.UsageError("--speed and --duration exclude each other")
    if cluster and (workers or memory):
        raise click.UsageError("--workers and --memory are for this machine, not for --cluster")
    given: list[tuple[str, str | None, str]] = []
    if not (is_project(source) or is_plan(source)) and not (
        speed or duration or _sets_schedule(settings)
    ):
        raise click.UsageError("a roll needs --speed or --duration")
    options = (
        ("schedule.speed", speed, "--speed"),
        ("schedule.duration", duration, "--duration"),
        ("output.rate", fps, "--fps"),
        ("output.size", size, "--size"),
        ("output.format", format_name, "--format"),
    )
    given += [(key, value, origin) for key, value, origin in options if value is not None]
    talk = Talk(quiet)
    job = job_of(source, [*given, *settings_of(settings)], talk)
    target = out or Path(_stem(source) + ".mp4")
    means: dict[str, Any] = {"workers": workers, "memory": memory, "cache": cache}
    if cluster:
        from timelapse.cluster import Cluster

        means = {"crew": Cluster(cluster, cache=cache)}
    report = render_film(job, target, talk, **means)
    if as_json:
        keys = "output frames duration_s size rate bytes segments report elapsed_s fps warnings"
        print_json({key: report[key] for key in keys.split()})
    else:
        click.echo(report["output"])
    finish(ctx, report["warnings"], strict)


def _stem(source: str) -> str:
    """What a film is called after its source: a folder's name, a file's without its ending; of a
    glob, the folder that it starts in."""
    path = Path(source).resolve()
    if path.is_dir():
        return path.name or "film"
    while has_magic(str(path)):
        path = path.parent
        if not has_magic(str(path)):
            return path.name or "film"
    return path.stem


def _sets_schedule(settings: tuple[str, ...]) -> bool:
    return any(pair.startswith("schedule.") for pair in settings)


def render_film(job: Job, out: Path, talk: Talk, **means: Any) -> dict[str, Any]:
    """Renders, and tells a person how it went; returns the report."""
    from timelapse.render import render as run

    talk.warn(job.warnings)
    with talk.progress("rendering") as tick:
        report = run(job, out, progress=tick, **means)
    talk.warn(report["warnings"][len(job.warnings) :])
    clip = f"{report['frames']} frames at {report['rate']} frames/s, {report['duration_s']:g} s"
    cost = f"{report['bytes'] / 1e6:.1f} MB, in {report['elapsed_s']:.1f} s"
    rendered, reused = report["segments"]["rendered"], report["segments"]["reused"]
    again = f" ({reused} of {rendered + reused} segments reused)" if reused else ""
    talk.say(f"{out}: {clip}, {report['size']}, {cost}{again}")
    return report


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--stills", is_flag=True, help="Also read every still that it shows again.")
@json_option
@click.pass_context
def verify(ctx: click.Context, out: Path, stills: bool, as_json: bool) -> None:
    """Holds the film OUT against its report; exit 1 names what differs."""
    from timelapse.audit import verify as differences

    found = differences(out, stills=stills)
    if as_json:
        print_json({"output": str(out), "ok": not found, "differences": found})
    else:
        click.echo("\n".join(f"{out}: {line}" for line in found) or f"{out}: as rendered")
    if found:
        ctx.exit(FAILED)


@main.command()
@click.argument("places", nargs=-1, type=click.Path(path_type=Path))
@click.option("--clear", is_flag=True, help="Remove what is listed.")
@json_option
@quiet_option
def cache(places: tuple[Path, ...], clear: bool, as_json: bool, quiet: bool) -> None:
    """What is kept to be used again: parts of films in PLACES (folders, or films); without PLACES
    those of this folder, and the stills and headers that all films share."""
    from timelapse.render.keeping import kept

    found = list(kept(places or (Path(),), common=not places))
    if clear:
        for entry in found:
            entry.clear()
    if as_json:
        print_json([entry.as_json() for entry in found])
        return
    for entry in found:
        state = "removed" if entry.cleared else "in use" if entry.in_use else "kept"
        click.echo(f"{entry.bytes / 1e6:9.1f} MB  {state:7}  {entry.what}  ({entry.where})")
    freed = sum(entry.bytes for entry in found if entry.cleared)
    Talk(quiet).say(f"{freed / 1e6:.1f} MB removed" if clear else f"{len(found)} entries")
