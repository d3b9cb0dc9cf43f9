"""The luminance curve of a roll before and after deflickering, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.flicker import DARKEST, Gains
from timelapse.svg import HEIGHT, INK, WIDTH, Scale, escaped, plot, points

#: What the lines look like, as CSS, beside the colours of `svg.INK`.
STYLE = """
.line { fill: none; stroke-width: 1.2; vector-effect: non-scaling-stroke; }
.was { stroke: var(--bad); } .is { stroke: var(--curve); } .event { stroke: var(--soft);
  stroke-dasharray: 2 3; }
"""
#: At most so many events are marked; the margin around a drawing that stands by itself.
_MARKS, _MARGIN = 200, 12


def curves(gains: Gains) -> tuple[str, str]:
    """Two SVG elements for a page that has `svg.INK` and `STYLE`: the level before and after, and
    the gain that makes the difference."""
    seen = gains.before > DARKEST
    if not seen.any():
        return plot("", "nothing can be seen", ""), ""
    across = gains.times / max(float(gains.times.max(initial=0)), 1e-9) * WIDTH
    before, after = gains.before[seen], gains.after[seen]
    scale = _scale([before, after])
    marks = "".join(
        _events(across[list(which)], words)
        for which, words in (
            (gains.flashes, "a flash, kept"),
            (gains.steps, "a step, kept"),
            (gains.jumps, "the camera changed its exposure"),
        )
    )
    body = marks + _line("was", across[seen], scale.heights(before))
    body += _line("is", across[seen], scale.heights(after))
    levels = plot(
        body,
        f"{scale.high:.2f} stops; before in orange, after in blue",
        f"{scale.low:.2f} stops below white",
    )
    percent = 100 * (gains.gains.mean(axis=1) - 1)[seen]
    room = Scale(min(percent.min(initial=0), -0.1), max(percent.max(initial=0), 0.1))
    by = plot(
        _line("is", across[seen], room.heights(percent)),
        f"gain of up to {room.high:+.2g} %",
        f"{room.low:+.2g} %",
    )
    return levels, by


def curve_plot(gains: Gains, title: str = "Flicker") -> str:
    """The same as one SVG that needs nothing but itself."""
    width, step = WIDTH + 2 * _MARGIN, HEIGHT + _MARGIN
    parts = "".join(
        f'<g transform="translate(0 {at * step})">{part.replace("<svg ", size, 1)}</g>'
        for at, part in enumerate(curves(gains))
        for size in [f'<svg width="{WIDTH}" height="{HEIGHT}" ']
    )
    height = 2 * step + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="{-_MARGIN} {-_MARGIN} '
        f'{width} {height}"><style>{INK}{STYLE}.back {{ fill: var(--paper); }}</style>'
        f'<title>{escaped(title)}</title><rect class="back" x="{-_MARGIN}" y="{-_MARGIN}" '
        f'width="{width}" height="{height}"/>{parts}</svg>\n'
    )


def _scale(lines: Sequence[NDArray[np.float64]]) -> Scale:
    low, high = (float(end) for end in (min(map(np.min, lines)), max(map(np.max, lines))))
    return Scale(low, max(high, low + 0.01))


def _line(kind: str, across: NDArray[np.float64], heights: NDArray[np.float64]) -> str:
    return f'<polyline class="line {kind}" points="{points(across, heights)}"/>'


def _events(across: NDArray[np.float64], words: str) -> str:
    return "".join(
        f'<line class="event" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}">'
        f"<title>{escaped(words)}</title></line>"
        for x in across[:_MARKS]
    )
