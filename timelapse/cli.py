"""The command line: thin.  Data goes to stdout, all else to stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
from fractions import Fraction
from glob import has_magic
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from timelapse import __version__
from timelapse.errors import (
    PlanError,
    ProjectError,
    RenderError,
    RollError,
    TimeError,
    TimelapseError,
)
from timelapse.options import (
    LENGTH,
    MISSION,
    SIZE,
    json_option,
    quiet_option,
    set_option,
    settings_of,
    strict_option,
)
from timelapse.talk import Talk

if TYPE_CHECKING:
    from timelapse.ingest import Roll
    from timelapse.project import Project
    from timelapse.render import Job

FAILED, USAGE, INVALID, MISSING, INTERRUPTED = 1, 2, 3, 4, 130
PROJECT_ENDINGS = (".yaml", ".yml")


class _Main(click.Group):
    """Turns the package's errors into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TimelapseError as error:
            click.secho("error: ", fg="red", err=True, nl=False)
            click.echo(str(error), err=True)
            ctx.exit(_exit_code(error))
        except KeyboardInterrupt:
            click.echo("interrupted; what was there before is unchanged", err=True)
            ctx.exit(INTERRUPTED)


def _exit_code(error: TimelapseError) -> int:
    if isinstance(error, RollError):
        return MISSING
    if isinstance(error, ProjectError):
        # What an option said is wrong usage; what the file said is an invalid file.
        by_option = all(line.startswith("--") for line in str(error).splitlines())
        return USAGE if by_option else INVALID
    return FAILED


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt  # so that a render that is told to stop cleans up like one by Ctrl-C


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="timelapse")
def main() -> None:
    """Stills taken at intervals become a retimed, labelled clip that knows when each was taken."""
    signal.signal(signal.SIGTERM, _terminate)


def _is_project(source: str) -> bool:
    return Path(source).suffix.lower() in PROJECT_ENDINGS


def _load(source: str, settings: list[tuple[str, str | None, str]]) -> Project:
    from timelapse.project import load

    if _is_project(source):
        return load(Path(source), settings)
    return load(None, [("roll.stills", json.dumps(source), "ROLL"), *settings])


def _scanned(project: Project, talk: Talk) -> Roll:
    with talk.progress("scanning") as tick:
        return project.scan(tick)


def _any_speed(roll: str) -> list[tuple[str, str | None, str]]:
    """What a roll needs to be loaded where no film is to be made of it."""
    return [] if _is_project(roll) else [("schedule.speed", "1", "ROLL")]


def _job(source: str, settings: list[tuple[str, str | None, str]], talk: Talk) -> Job:
    project = _load(source, settings)
    return project.job(_scanned(project, talk))


def _print(text: str) -> None:
    # File names may hold bytes that are no UTF-8; they come out as escapes.
    click.echo(text.encode("utf-8", "backslashreplace"))


def _print_json(data: Any) -> None:
    _print(json.dumps(data, indent=1, ensure_ascii=False))


def _finish(ctx: click.Context, warnings: list[str] | tuple[str, ...], strict: bool) -> None:
    if strict and warnings:
        ctx.exit(FAILED)


@main.command()
@click.argument("roll")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def scan(
    ctx: click.Context,
    roll: str,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """What was found in ROLL (a folder, glob, list or zip): order, interval, gaps, ledger."""
    talk = Talk(quiet)
    found = _scanned(_load(roll, [*_any_speed(roll), *settings_of(settings)]), talk)
    if as_json:
        _print_json(found.as_json())
    else:
        from timelapse.tables import scan_table

        _print(scan_table(found))
    talk.warn(found.warnings)
    _finish(ctx, found.warnings, strict)


@main.command()
@click.argument("roll")
@click.option("-o", "--out", default="project.yaml", show_default=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@quiet_option
def new(roll: str, out: str, force: bool, quiet: bool) -> None:
    """A commented starter project for ROLL."""
    from timelapse.starter import starter

    talk, path = Talk(quiet), Path(out)
    if path.exists() and not force:
        raise click.BadParameter(f"{path} is there already; --force replaces it")
    found = _scanned(_load(roll, _any_speed(roll)), talk)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(starter(roll, found, path), encoding="utf-8")
        part.replace(path)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "a name of the roll is no text; rename it"
        raise RenderError(f"{path}: cannot be written: {why}") from error
    finally:
        part.unlink(missing_ok=True)
    talk.say(f"wrote {path}: {len(found.stills)} stills; next: timelapse plan {path}")


@main.command()
@click.argument("project")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def plan(
    ctx: click.Context,
    project: str,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """A dry run of PROJECT: where everything falls, and at what speed.  Decodes nothing."""
    from timelapse.report import plan_json

    talk = Talk(quiet)
    job = _job(project, settings_of(settings), talk)
    job.compositor()
    data = plan_json(job)
    if as_json:
        _print_json(data)
    else:
        from timelapse.tables import plan_table

        _print(plan_table(data))
    talk.warn(job.warnings)
    _finish(ctx, job.warnings, strict)


@main.command()
@click.argument("project")
@click.option("--at", required=True, metavar="TIME", help="A time on any clock: 00:07, T+118 s...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="A PNG or JPEG.")
@set_option
@quiet_option
def still(project: str, at: str, out: Path, settings: tuple[str, ...], quiet: bool) -> None:
    """One finished frame of PROJECT, at any time on any clock."""
    from timelapse.deliver import PICTURE_ENDINGS, write_picture
    from timelapse.render import Findings, check_target
    from timelapse.render import still as finished
    from timelapse.written import Instant

    talk = Talk(quiet)
    job, findings = _job(project, settings_of(settings), talk), Findings()
    check_target(out, PICTURE_ENDINGS, job.plan.roll)
    reading = Instant.read(at).resolve(job.plan.timeline.context)
    talk.warn(job.warnings)
    write_picture(out, finished(job, reading.time, findings))
    talk.warn(findings.warnings(job))
    frame = job.plan.timeline.frame_of(reading.time)
    talk.say(f"{out}: frame {frame} ({at} read as {reading.read_as})")


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
@click.option("--workers", type=click.IntRange(1, 64), default=2, help="Threads that decode.")
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
    workers: int,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """Renders PROJECT, or ROLL at a speed or to a duration, into a film with a report."""
    if speed and duration:
        raise click.UsageError("--speed and --duration exclude each other")
    given: list[tuple[str, str | None, str]] = []
    if not _is_project(source) and not (speed or duration or _sets_schedule(settings)):
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
    job = _job(source, [*given, *settings_of(settings)], talk)
    target = out or Path(_stem(source) + ".mp4")
    report = _render(job, target, workers, talk)
    if as_json:
        keys = "output frames duration_s size rate bytes segments report elapsed_s fps warnings"
        _print_json({key: report[key] for key in keys.split()})
    else:
        click.echo(report["output"])
    _finish(ctx, report["warnings"], strict)


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


def _render(job: Job, out: Path, workers: int, talk: Talk) -> dict[str, Any]:
    from timelapse.render import render as run

    talk.warn(job.warnings)
    with talk.progress("rendering") as tick:
        report = run(job, out, workers=workers, progress=tick)
    talk.warn(report["warnings"][len(job.warnings) :])
    clip = f"{report['frames']} frames at {report['rate']} frames/s, {report['duration_s']:g} s"
    cost = f"{report['bytes'] / 1e6:.1f} MB, in {report['elapsed_s']:.1f} s"
    talk.say(f"{out}: {clip}, {report['size']}, {cost}")
    return report


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def verify(ctx: click.Context, out: Path, as_json: bool) -> None:
    """Holds the film OUT against its report; exit 1 names what differs."""
    from timelapse.report import verify as differences

    found = differences(out)
    if as_json:
        _print_json({"output": str(out), "ok": not found, "differences": found})
    else:
        click.echo("\n".join(f"{out}: {line}" for line in found) or f"{out}: as rendered")
    if found:
        ctx.exit(FAILED)


@main.group()
def sample() -> None:
    """Makes a roll of stills to try things with."""


@sample.command("progress-ms10")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--size", type=SIZE, help="960x540 if not given.")
@click.option("--interval", type=LENGTH, help="0.5 s if not given.")
@click.option("--start", type=MISSION, default="T-10 s", show_default=True)
@click.option("--end", type=MISSION, default="T+1000 s", show_default=True)
@click.option("--seed", type=int, default=10, show_default=True)
@click.option("--quick", is_flag=True, help="Small and sparse: 480x270, a still every 2 s.")
@quiet_option
def progress_ms10(folder: Path, quick: bool, quiet: bool, **options: Any) -> None:
    """The Progress MS-10 launch as a camera in the Cupola would have taken it, with its truth."""
    usual = {"size": (480, 270), "interval": Fraction(2)} if quick else {}
    given = {name: value for name, value in options.items() if value is not None}
    talk = Talk(quiet)
    _simulate(talk, folder, **usual | given)
    talk.say(f"{folder}: a roll of the Progress MS-10 launch; truth.json says what is in it")


def _simulate(talk: Talk, folder: Path, **options: Any) -> None:
    from timelapse.simulate import simulate

    with talk.progress("taking stills") as tick:
        try:
            simulate(folder, progress=tick, **options)
        except (TimeError, PlanError) as error:
            raise click.BadParameter(str(error)) from None


@main.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("progress_ms10.mp4"))
@click.option("--stills", type=click.Path(path_type=Path), help="Keep the stills in this folder.")
@json_option
@quiet_option
def demo(out: Path, stills: Path | None, as_json: bool, quiet: bool) -> None:
    """The Progress MS-10 clip from nothing: takes the stills, then renders them with labels."""
    from tempfile import TemporaryDirectory

    from timelapse.deliver import H264
    from timelapse.render import check_target
    from timelapse.report import plan_json

    check_target(out, H264.endings)
    talk = Talk(quiet)
    with TemporaryDirectory(prefix="timelapse-") as scratch:
        folder = stills or Path(scratch) / "progress-ms10"
        _simulate(talk, folder, interval=Fraction(1))
        where = json.dumps(str(folder.resolve()))
        job = _job(str(demo_project()), [("roll.stills", where, "demo")], talk)
        report = _render(job, out, os.cpu_count() or 1, talk)
    milestones = plan_json(job)["milestones"]
    if as_json:
        _print_json({"output": str(out), "frames": report["frames"], "milestones": milestones})
    else:
        for milestone in milestones:
            click.echo(
                f"frame {milestone['frame']:4d}  {milestone['timecode']}  {milestone['text']}"
            )
        click.echo(report["output"])


def demo_project() -> Path:
    """The flagship's project file: in the wheel, or in the working copy."""
    inside = Path(__file__).parent / "configs" / "progress_ms10.yaml"
    return inside if inside.exists() else Path(__file__).parents[1] / "configs" / inside.name


@main.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """What this machine has and lacks, with the fix."""
    from timelapse.doctor import examine

    findings = examine()
    if as_json:
        _print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "LACK"
            click.echo(f"{mark} {finding.what}: {finding.found}")
            if not finding.ok and finding.fix:
                click.echo(f"       fix: {finding.fix}")
    if any(finding.needed and not finding.ok for finding in findings):
        ctx.exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
