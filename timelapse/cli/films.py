"""Films: render, verify, cache."""

from __future__ import annotations

import json
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from timelapse.cli.group import FAILED, finish, is_plan, is_project, jobs_of, main, print_json
from timelapse.notation import did_you_mean
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
@click.option("--output", "chosen", metavar="NAME", multiple=True, help="Of outputs:; repeatable.")
@click.option(
    "--deliver", metavar="PRESET", multiple=True, help="web, 4k, vertical, square, master."
)
@click.option("--lang", metavar="CODES", help="Of labels: de; or en,de or all, a film each.")
@click.option("--no-burn", is_flag=True, help="No overlays in the picture.")
@click.option("--overlay-only", is_flag=True, help="Overlays alone, on what is clear.")
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
    chosen: tuple[str, ...],
    deliver: tuple[str, ...],
    lang: str | None,
    no_burn: bool,
    overlay_only: bool,
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
    report; or into several, of one pass over the stills."""
    if speed and duration:
        raise click.UsageError("--speed and --duration exclude each other")
    if cluster and (workers or memory):
        raise click.UsageError("--workers and --memory are for this machine, not for --cluster")
    if sum(map(bool, (chosen, deliver, overlay_only))) > 1:
        raise click.UsageError("--output, --deliver and --overlay-only exclude each other")
    if no_burn and overlay_only:
        raise click.UsageError("--no-burn and --overlay-only exclude each other")
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
        ("outputs", json.dumps(deliver) if deliver else None, "--deliver"),
        ("output.burn", "false" if no_burn else None, "--no-burn"),
    )
    given: list[tuple[str, str | None, str]] = [
        (key, value, origin) for key, value, origin in options if value is not None
    ]
    if format_name is not None:
        given += _foreign(format_name, "--format")
    if overlay_only:
        given += _alone(out, format_name)
    talk = Talk(quiet)
    jobs = jobs_of(source, [*given, *settings_of(settings)], talk)
    films = _films(_of_outputs(jobs, chosen), out, _stem(source), lang)
    means: dict[str, Any] = {"workers": workers, "memory": memory, "cache": cache}
    if cluster:
        from timelapse.cluster import Cluster

        means = {"crew": Cluster(cluster, cache=cache)}
    reports = render_films(films, talk, **means)
    if as_json:
        keys = "output frames duration_s size rate bytes segments report elapsed_s fps warnings"
        said = [{key: report[key] for key in keys.split()} for report in reports]
        print_json(said[0] if len(said) == 1 else {"films": said})
    else:
        click.echo("\n".join(report["output"] for report in reports))
    warnings = dict.fromkeys(warning for report in reports for warning in report["warnings"])
    finish(ctx, tuple(warnings), strict)


def _alone(out: Path | None, format_name: str | None) -> list[tuple[str, str | None, str]]:
    """Settings for overlays alone, in the format that the ending of a name asks for."""
    origin = "--overlay-only"
    found: list[tuple[str, str | None, str]] = [
        ("outputs", None, origin),
        ("output.burn", "alone", origin),
    ]
    if format_name is None:
        ending = out.suffix.lower() if out else ".mov"
        kind = {".mov": "prores", ".webm": "vp9", ".webp": "webp"}.get(ending, "png")
        found += [("output.format", kind, origin), *_foreign(kind, origin)]
    return found


def _foreign(kind: str, origin: str) -> list[tuple[str, str | None, str]]:
    """Takes away what a project says of its output that another format knows nothing of."""
    from timelapse.delivery import foreign

    return [(f"output.{key}", None, origin) for key in sorted(foreign(kind))]


def _of_outputs(
    jobs: tuple[tuple[str, Job], ...], chosen: tuple[str, ...]
) -> tuple[tuple[str, Job], ...]:
    """The outputs of those names, in the project's order; all where none is chosen."""
    names = [name for name, _ in jobs if name]
    for name in chosen:
        if name not in names:
            known = did_you_mean(name, names) or f"; there are {', '.join(names) or 'none'}"
            raise click.UsageError(f"--output {name}: no output has this name{known}")
    return tuple(entry for entry in jobs if not chosen or entry[0] in chosen)


def _films(
    jobs: tuple[tuple[str, Job], ...], out: Path | None, stem: str, lang: str | None
) -> list[tuple[Job, Path]]:
    """The films that are to be made, each with its file."""
    from timelapse.delivery import file_of

    spoken: list[tuple[str, Job, str]] = []
    for name, job in jobs:
        codes = [""] if lang is None else _codes(lang, job.languages)
        spoken += [
            (name, job.in_language(code) if code else job, code if len(codes) > 1 else "")
            for code in codes
        ]
    if out and len(spoken) == 1:
        return [(spoken[0][1], out)]
    base = out or Path(stem + ".mp4")
    return [(job, file_of(base, job.format, name, code)) for name, job, code in spoken]


def _codes(lang: str, known: tuple[str, ...]) -> list[str]:
    """Languages by what is written of them: one, several, or all."""
    if not known:
        raise click.UsageError("--lang: no text of this project is given in several languages")
    codes = list(known) if lang.strip() == "all" else [code.strip() for code in lang.split(",")]
    for code in codes:
        if code not in known:
            raise click.UsageError(f"--lang: no text is given in {code!r}; in {', '.join(known)}")
    return list(dict.fromkeys(codes))


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
    """Renders a film as `render_films` does; returns its report."""
    return render_films([(job, out)], talk, **means)[0]


def render_films(films: list[tuple[Job, Path]], talk: Talk, **means: Any) -> list[dict[str, Any]]:
    """Renders, and tells a person how it went; returns the reports."""
    from timelapse.render import render_all as run

    told = list(dict.fromkeys(warning for job, _ in films for warning in job.warnings))
    talk.warn(told)
    with talk.progress("rendering") as tick:
        reports = run(films, progress=tick, **means)
    later = dict.fromkeys(warning for report in reports for warning in report["warnings"])
    talk.warn([warning for warning in later if warning not in told])
    for report in reports:
        talk.say(_summary(report))
    return reports


def _summary(report: dict[str, Any]) -> str:
    clip = f"{report['frames']} frames at {report['rate']} frames/s, {report['duration_s']:g} s"
    cost = f"{report['bytes'] / 1e6:.1f} MB, in {report['elapsed_s']:.1f} s"
    rendered, reused = report["segments"]["rendered"], report["segments"]["reused"]
    again = f" ({reused} of {rendered + reused} segments reused)" if reused else ""
    chosen = f", at crf {report['limit']['crf']}" if "limit" in report else ""
    return f"{report['output']}: {clip}, {report['size']}, {cost}{again}{chosen}"


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
