"""Export: captions, chapters, the cut for editors, and pictures of a film."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from timelapse.cli.group import finish, job_of, main, print_json
from timelapse.options import (
    LENGTH,
    Written,
    json_option,
    quiet_option,
    set_option,
    settings_of,
    strict_option,
)
from timelapse.talk import Talk


def _share(text: str) -> Any:
    from timelapse.overlay import Share

    return Share.read(text)


def _tiles(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*([1-9]\d?)\s*[x×*]\s*([1-9]\d?)\s*", text.lower())
    if not found:
        raise ValueError(f"{text!r} is no number of tiles; write 4x5, columns by rows")
    return int(found[1]), int(found[2])


@main.command()
@click.argument("project")
@click.option(
    "-o", "--out", "outs", metavar="TARGET", multiple=True, required=True, help="May be repeated."
)
@click.option("--what", help="What a picture shows, where its name does not say so.")
@click.option("--lang", "language", metavar="CODE", help="The language of labels: en, pt-BR.")
@click.option("--film", type=click.Path(path_type=Path), help="The finished film; PROJECT.mp4.")
@click.option("--at", metavar="TIME", help="The poster's instant, on any clock.")
@click.option("--column", type=Written("SHARE", _share), help="The keogram's; 50 % if not given.")
@click.option("--compare", is_flag=True, help="Two keograms, before and after `grade`.")
@click.option("--width", type=click.IntRange(64, 16384), help="Of sheet, keogram or preview.")
@click.option("--tiles", type=Written("CxR", _tiles), help="Columns and rows of a sheet; 4x5.")
@click.option("--length", type=LENGTH, help="A preview's, at most; 8 s.")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def export(
    ctx: click.Context,
    /,
    project: str,
    outs: tuple[str, ...],
    what: str | None,
    language: str | None,
    film: Path | None,
    at: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
    **choices: Any,
) -> None:
    """Writes what other programs want of the film of PROJECT, by each TARGET's name.

    \b
    x.vtt x.srt x.ass        captions, at their places (SRT has none)
    x.txt                    chapters for YouTube's description
    x.otio                   the cut: stills, time warps, markers
    x.fcpxml x.edl           the finished film (--film) with markers
    poster.jpg               one finished frame
    sheet.png                a contact sheet: frames in rows
    keogram.png              a column of each still, side by side
    x.gif x.webp             a small preview that plays by itself
    x.yaml x.cube            the tone as a look, for other films and programs
    x.npz                    a map of the sensor's defects (grade.hot_pixels.map)
    folder/                  a finished frame for each milestone

    Pictures may be .png or .jpg, and the last word of their name says what they are:
    launch.poster.jpg.  PROJECT may be a saved plan.
    """
    from timelapse.exports import ENDINGS, Choices, Target
    from timelapse.exports import export as run
    from timelapse.written import Instant

    if what is not None and what not in ENDINGS:
        raise click.BadParameter(f"{what!r} is none of {', '.join(ENDINGS)}", param_hint="--what")
    try:
        targets = [Target.of(out, what) for out in outs]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="-o") from error
    if choices["compare"] and not any(target.what == "keogram" for target in targets):
        raise click.UsageError(
            "--compare goes with a keogram, as x.keogram.png; timelapse still --compare shows a "
            "frame before and after"
        )
    talk = Talk(quiet)
    job = job_of(project, settings_of(settings), talk)
    if language:
        job = job.in_language(language)
    chosen = {name: value for name, value in choices.items() if value is not None}
    chosen["film"] = film or Path(f"{Path(project).stem}.mp4")
    if at is not None:
        chosen["at"] = Instant.read(at).resolve(job.plan.timeline.context).time
    talk.warn(job.warnings)
    with talk.progress("exporting") as tick:
        done = run(job, targets, Choices(**chosen), tick)
    talk.warn(done.warnings)
    warnings = [*job.warnings, *done.warnings]
    if as_json:
        print_json({"written": done.written, "warnings": warnings})
    else:
        click.echo("\n".join(file["path"] for file in done.written))
    finish(ctx, warnings, strict)
