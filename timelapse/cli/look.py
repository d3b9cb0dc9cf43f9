"""Looking before rendering: scan, new, plan, still, doctor."""

from __future__ import annotations

from pathlib import Path

import click

from timelapse.cli.group import (
    FAILED,
    any_speed,
    finish,
    is_plan,
    job_of,
    load_project,
    main,
    print_json,
    print_text,
    scanned,
)
from timelapse.errors import RenderError
from timelapse.options import json_option, quiet_option, set_option, settings_of, strict_option
from timelapse.talk import Talk


@main.command()
@click.argument("roll")
@click.option("--look", is_flag=True, help="Look at every still, for bad ones.")
@click.option("--html", "page", metavar="PAGE", help="Write a page with plots; looks, too.")
@click.option("--plot", metavar="SVG", help="Draw its light before and after deflickering; looks.")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def scan(
    ctx: click.Context,
    roll: str,
    look: bool,
    page: str | None,
    plot: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """What was found in ROLL (a folder, glob, list, zip, video): order, interval, gaps, ledger."""
    talk = Talk(quiet)
    if page or plot:
        from timelapse.render import check_target
        from timelapse.scanpage import PAGE_ENDINGS, PLOT_ENDINGS

        for path, endings in ((page, PAGE_ENDINGS), (plot, PLOT_ENDINGS)):
            if path:
                check_target(Path(path), endings)
    project = load_project(roll, [*any_speed(roll), *settings_of(settings)])
    inspection = None
    if look or page or plot or project.looks:
        with talk.progress("looking") as tick:
            inspection = project.inspect(tick)
    found = inspection.roll if inspection else scanned(project, talk)
    if as_json:
        print_json(found.as_json())
    else:
        from timelapse.tables import scan_table

        print_text(scan_table(found, inspection))
    if inspection and (page or plot):
        from timelapse.scanpage import write_curves, write_page

        deflicker = project.deflicker(found)
        for path, write in ((page, write_page), (plot, write_curves)):
            if path:
                write(Path(path), roll, inspection, deflicker)
                talk.say(f"wrote {path}")
    talk.warn(found.warnings)
    finish(ctx, found.warnings, strict)


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
    found = scanned(load_project(roll, any_speed(roll)), talk)
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
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Save the plan as PLAN.json.")
@click.option("--plot", metavar="SVG", type=click.Path(path_type=Path), help="Draw the plan.")
@click.option("--diff", "other", metavar="OTHER", help="Tell what differs from another plan.")
@set_option
@json_option
@strict_option
@quiet_option
@click.pass_context
def plan(
    ctx: click.Context,
    project: str,
    out: Path | None,
    plot: Path | None,
    other: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    strict: bool,
    quiet: bool,
) -> None:
    """A dry run of PROJECT: where everything falls, and at what speed.  Decodes nothing.

    PROJECT and OTHER may also be saved plans.
    """
    from timelapse.report import plan_json

    talk, given = Talk(quiet), settings_of(settings)
    if out:
        from timelapse.render import check_target

        check_target(out, (".json",))
        if is_plan(project):
            raise click.UsageError(f"{project} is a saved plan already")
        whole = load_project(project, given)
        job = whole.job(scanned(whole, talk))
    else:
        job = job_of(project, given, talk)
    if other:
        from timelapse.savedplan import differences

        found = list(differences(job, job_of(other, [], talk)))
        print_json(found) if as_json else click.echo("\n".join(found) or "the same frames")
        ctx.exit(FAILED if found else 0)
    job.compositor()
    if out:
        from timelapse.savedplan import save

        save(out, whole, job)
        talk.say(f"wrote {out}")
    if plot:
        from timelapse.planplot import write_plot

        write_plot(plot, job)
        talk.say(f"wrote {plot}")
    data = plan_json(job)
    if as_json:
        print_json(data)
    else:
        from timelapse.tables import plan_table

        print_text(plan_table(data))
    talk.warn(job.warnings)
    finish(ctx, job.warnings, strict)


@main.command()
@click.argument("project")
@click.option("--at", required=True, metavar="TIME", help="A time on any clock: 00:07, T+118 s...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="A PNG or JPEG.")
@click.option("--compare", is_flag=True, help="Before and after `grade`, with places enlarged.")
@set_option
@quiet_option
def still(
    project: str, at: str, out: Path, compare: bool, settings: tuple[str, ...], quiet: bool
) -> None:
    """One finished frame of PROJECT, at any time on any clock."""
    from timelapse.compare import compared
    from timelapse.deliver import PICTURE_ENDINGS, write_picture
    from timelapse.render import Findings, check_target, measured
    from timelapse.render import still as finished
    from timelapse.written import Instant

    talk = Talk(quiet)
    job, findings = job_of(project, settings_of(settings), talk), Findings()
    check_target(out, PICTURE_ENDINGS, job.plan.roll)
    reading = Instant.read(at).resolve(job.plan.timeline.context)
    with talk.progress("looking") as tick:
        job = measured(job, tick)
    talk.warn(job.warnings)
    if compare:
        found = compared(job, reading.time, findings)
        write_picture(out, found.picture)
        if not found.spots:
            talk.say("no place differs by more than a level of 255")
    else:
        write_picture(out, finished(job, reading.time, findings))
    talk.warn(findings.warnings(job))
    frame = job.plan.timeline.frame_of(reading.time)
    talk.say(f"{out}: frame {frame} ({at} read as {reading.read_as})")


@main.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """What this machine has and lacks, with the fix."""
    from timelapse.doctor import examine

    findings = examine()
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "LACK"
            click.echo(f"{mark} {finding.what}: {finding.found}")
            if not finding.ok and finding.fix:
                click.echo(f"       fix: {finding.fix}")
    if any(finding.needed and not finding.ok for finding in findings):
        ctx.exit(FAILED)
