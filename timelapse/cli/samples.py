"""Stills from nothing: sample and demo."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from timelapse.cli.films import render_film
from timelapse.cli.group import job_of, main, print_json
from timelapse.errors import PlanError, TimeError
from timelapse.options import LENGTH, MISSION, SIZE, json_option, quiet_option
from timelapse.talk import Talk


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
        job = job_of(str(demo_project()), [("roll.stills", where, "demo")], talk)
        report = render_film(job, out, talk)
    milestones = plan_json(job)["milestones"]
    if as_json:
        print_json({"output": str(out), "frames": report["frames"], "milestones": milestones})
    else:
        for milestone in milestones:
            click.echo(
                f"frame {milestone['frame']:4d}  {milestone['timecode']}  {milestone['text']}"
            )
        click.echo(report["output"])


def demo_project() -> Path:
    """The flagship's project file: in the wheel, or in the working copy."""
    inside = Path(__file__).parents[1] / "configs" / "progress_ms10.yaml"
    return inside if inside.exists() else Path(__file__).parents[2] / "configs" / inside.name
