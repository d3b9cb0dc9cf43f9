"""Drawing plots as SVG: scales, curves, and the colours of what is drawn."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Width of all plots and height of the curves, in the units of their drawing.
WIDTH, HEIGHT = 1000, 150
#: At most so many points of a curve.
_POINTS = 2000

#: Colours and lines of plots, in light and in dark surroundings, as CSS.
INK = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #66707a; --line: #d5dae0; --paper: #fff;
  --curve: #2563a8; --band: #2563a822; --bad: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #98a2ad; --line: #39414a;
  --paper: #14181c; --curve: #7ab2f0; --band: #7ab2f022; --bad: #fb923c; } }
.curve { fill: none; stroke: var(--curve); stroke-width: 1.2; vector-effect: non-scaling-stroke; }
.band { fill: var(--band); } .mark { fill: var(--bad); }
text { font: 11px system-ui, sans-serif; fill: var(--soft); paint-order: stroke;
  stroke: var(--paper); stroke-width: 3px; }
"""


def escaped(words: object) -> str:
    """Any text for HTML; what cannot be shown, as escapes."""
    shown = (
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(words)
    )
    return html.escape("".join(shown))


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` as heights of a plot, from its top down."""

    low: float
    high: float
    logarithmic: bool = False

    def heights(self, values: NDArray[Any]) -> NDArray[np.float64]:
        low, high = self.low, self.high
        if self.logarithmic:
            values, low, high = np.log(values), np.log(low), np.log(high)
        share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
        heights: NDArray[np.float64] = 6 + (HEIGHT - 12) * (1 - share)
        return heights


def plot(body: str, top: str, bottom: str) -> str:
    """A plot as an SVG element of its own, with words at its top and its bottom."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{body}'
        f'<text x="4" y="14">{escaped(top)}</text>'
        f'<text x="4" y="{HEIGHT - 6}">{escaped(bottom)}</text></svg>'
    )


def curve(across: NDArray[Any], heights: NDArray[Any]) -> str:
    """A line through points, in the units of the drawing."""
    return f'<polyline class="curve" points="{points(across, heights)}"/>'


def points(across: NDArray[Any], heights: NDArray[Any]) -> str:
    """A curve's points; of a long one the highest and the lowest of each stretch."""
    if len(heights) > _POINTS:
        stretches = np.array_split(np.arange(len(heights)), _POINTS // 2)
        ends = [sorted((s[heights[s].argmin()], s[heights[s].argmax()])) for s in stretches]
        kept = np.concatenate(ends)
        across, heights = across[kept], heights[kept]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, heights, strict=True))
