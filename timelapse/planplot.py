"""A plan as a picture: speed, mission time and stills a frame over video time, as one SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import RenderError
from timelapse.render import Job, check_target
from timelapse.storage import written_whole
from timelapse.svg import HEIGHT, INK, WIDTH, Scale, curve, escaped

#: Room above the plots for the labels, between the plots, and at the left and right.
_TOP, _BETWEEN, _SIDE = 120, 34, 70
#: A label is cut after so many characters.
_LABEL = 28
#: So far apart labels stand at least.
_APART = 16.0


def write_plot(path: Path, job: Job) -> None:
    """Writes the plot of a job's plan as SVG; raises RenderError where it cannot be written."""
    check_target(path, (".svg",), job.plan.roll)
    try:
        with written_whole(path) as draft:
            draft.write_text(plan_plot(job), encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from error


def plan_plot(job: Job) -> str:
    """The SVG of a plan: three curves over one axis of video time, with what falls where."""
    plan, timeline = job.plan, job.plan.timeline
    seconds = np.arange(plan.frames) / float(timeline.rate)
    length = float(plan.frames / timeline.rate)
    across = (seconds / length * WIDTH).astype(np.float64)
    mission = np.array([float(timeline.mission_at(n).seconds) for n in _sampled(plan.frames)])
    speed = np.array([float(timeline.speed_at(n)) for n in _sampled(plan.frames)])
    counts = np.diff(plan.taps.starts).astype(np.float64)
    sampled = across[_sampled(plan.frames)]
    height = _TOP + 3 * (HEIGHT + _BETWEEN)
    body = [_gaps(job), _milestones(job, height - _BETWEEN)]
    body.append(_panel(0, "speed", "x", sampled, speed))
    body.append(_panel(1, "mission time", " s", sampled, mission))
    body.append(_panel(2, "stills a frame", "", across, counts))
    body.append(_axis(length, height - _BETWEEN))
    title = (
        f"{job.title or 'clip'}: {plan.frames} frames, {len(timeline.schedule.corners) - 1} pieces"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="{-_SIDE} 0 {WIDTH + 2 * _SIDE} {height}" '
        f'role="img"><style>{INK}'
        ".frame { fill: none; stroke: var(--line); } .stone { stroke: var(--bad); "
        "stroke-width: 0.8; stroke-dasharray: 3 3; } .back { fill: var(--paper); }</style>"
        f'<title>{escaped(title)}</title><rect class="back" x="{-_SIDE}" '
        f'width="{WIDTH + 2 * _SIDE}" height="{height}"/>{"".join(body)}</svg>\n'
    )


def _sampled(frames: int) -> NDArray[np.int64]:
    """Frames that are looked at: all of a short clip, some thousand of a long one."""
    return np.unique(np.linspace(0, frames - 1, min(frames, 4000)).astype(np.int64))


def _panel(
    row: int, words: str, unit: str, across: NDArray[Any], values: NDArray[np.float64]
) -> str:
    low, high = float(values.min()), float(values.max())
    drawn = curve(across, Scale(low, high).heights(values))
    top = _TOP + row * (HEIGHT + _BETWEEN)
    return (
        f'<g transform="translate(0 {top})"><rect class="frame" width="{WIDTH}" '
        f'height="{HEIGHT}"/>{drawn}<text x="0" y="-6">{escaped(words)}</text>'
        f'<text x="-6" y="12" text-anchor="end">{high:.5g}{unit}</text>'
        f'<text x="-6" y="{HEIGHT - 4}" text-anchor="end">{low:.5g}{unit}</text></g>'
    )


def _axis(length: float, bottom: int) -> str:
    return "".join(
        f'<text x="{share * WIDTH:.1f}" y="{bottom + 16}" text-anchor="middle">'
        f"{length * share:.4g} s</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    )


def _gaps(job: Job) -> str:
    """A band for each gap, over the frames between its two stills."""
    timeline, roll, bands = job.plan.timeline, job.plan.roll, []
    for gap in roll.gaps:
        first, last = (
            timeline.frame_of(roll.stills[at].captured) for at in (gap.after, gap.before)
        )
        first, last = max(first, 0), min(last, timeline.frames)
        if first < last:
            x, width = (at / timeline.frames * WIDTH for at in (first, last - first))
            words = f"gap of {float(gap.seconds):g} s after {roll.stills[gap.after].name}"
            bands.append(
                f'<rect class="band" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" '
                f'height="{3 * HEIGHT + 2 * _BETWEEN}"><title>{escaped(words)}</title></rect>'
            )
    return "".join(bands)


def _milestones(job: Job, bottom: int) -> str:
    """A line at every showing of a milestone, with its label over it."""
    lines, frames, free = [], job.plan.frames, 0.0
    for placed in job.placed:
        for frame in placed.showings:
            if not 0 <= frame < frames:
                continue
            x = frame / frames * WIDTH
            free = beside = max(x, free)
            free += _APART
            label = placed.text.replace("\n", " ")
            label = label if len(label) <= _LABEL else f"{label[: _LABEL - 3]}..."
            lines.append(
                f'<line class="stone" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 20}" y2="{bottom}"/>'
                f'<text transform="translate({beside:.1f} {_TOP - 24}) rotate(-28)">'
                f"{escaped(label)}</text>"
            )
    return "".join(lines)
