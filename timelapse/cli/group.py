"""The group of all commands, and what they share."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from timelapse import __version__
from timelapse.errors import ProjectError, RollError, TimelapseError
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


def is_project(source: str) -> bool:
    return Path(source).suffix.lower() in PROJECT_ENDINGS


def load_project(source: str, settings: list[tuple[str, str | None, str]]) -> Project:
    from timelapse.project import load

    if is_project(source):
        return load(Path(source), settings)
    return load(None, [("roll.stills", json.dumps(source), "ROLL"), *settings])


def scanned(project: Project, talk: Talk) -> Roll:
    with talk.progress("scanning") as tick:
        return project.scan(tick)


def any_speed(roll: str) -> list[tuple[str, str | None, str]]:
    """What a roll needs to be loaded where no film is to be made of it."""
    return [] if is_project(roll) else [("schedule.speed", "1", "ROLL")]


def is_plan(source: str) -> bool:
    """Whether that names a saved plan."""
    return Path(source).suffix.lower() == ".json"


def job_of(source: str, settings: list[tuple[str, str | None, str]], talk: Talk) -> Job:
    if is_plan(source):
        from timelapse.savedplan import load_plan

        if settings:
            raise click.UsageError(f"{source}: a saved plan is as it is; set values of the project")
        return load_plan(Path(source))
    project = load_project(source, settings)
    return project.job(scanned(project, talk))


def jobs_of(
    source: str, settings: list[tuple[str, str | None, str]], talk: Talk
) -> tuple[tuple[str, Job], ...]:
    """The films of a project by their names; a film alone has none."""
    if is_plan(source):
        return (("", job_of(source, settings, talk)),)
    project = load_project(source, settings)
    return project.jobs(scanned(project, talk))


def print_text(text: str) -> None:
    # File names may hold bytes that are no UTF-8; they come out as escapes.
    click.echo(text.encode("utf-8", "backslashreplace"))


def print_json(data: Any) -> None:
    print_text(json.dumps(data, indent=1, ensure_ascii=False))


def finish(ctx: click.Context, warnings: list[str] | tuple[str, ...], strict: bool) -> None:
    if strict and warnings:
        ctx.exit(FAILED)
