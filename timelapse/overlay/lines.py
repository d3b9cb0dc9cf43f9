"""Lines of text: set by their fonts, measured, and broken where they would be too wide."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from math import ceil
from pathlib import Path

from timelapse.overlay.glyphs import load, shapes
from timelapse.overlay.runs import Piece, direction, pieces

_SOFT_HYPHEN = "\u00ad"
# What hangs on the line before a break, and is not seen there.
_SPACES = " \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000"
#: Digits of one width, in fonts whose digits differ.
TABULAR = "tnum"
# Letters that are set apart do not melt into one.
_UNMELTED = ("-liga", "-clig", "-calt")


@dataclass(frozen=True)
class Hand:
    """What a paragraph is set with: fonts, best first; pixels to the em, and between letters;
    OpenType features."""

    fonts: tuple[Path, ...]
    pixels: int
    spacing: float = 0.0
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A part of a line that one font draws in one call, with the pen at `x` from the line's."""

    text: str
    font: Path
    direction: str | None
    features: tuple[str, ...]
    x: float


@dataclass(frozen=True)
class Line:
    """One line as set, its pen starting at (x, baseline) in pixels within its block."""

    text: str
    runs: tuple[Run, ...]
    width: int  # of advance and ink together
    origin: int  # of the first pen position, from the line's left edge
    ascent: int  # of the ink above the baseline
    descent: int
    x: int = 0
    baseline: int = 0


def set_line(text: str, hand: Hand, towards: str | None = None) -> Line:
    """One line; `towards` is the direction of its paragraph, where it is a part of one."""
    runs, pen = list[Run](), 0.0
    before: Piece | None = None
    for piece in pieces(text, hand.fonts, towards, apart=hand.spacing > 0):
        if before and hand.spacing:
            pen += hand.spacing + _kerned(before, piece, hand)
        runs.append(Run(piece.text, piece.font, piece.direction, hand.features, pen))
        pen += _advance(piece.text, piece.font, hand.pixels, piece.direction, hand.features)
        before = piece
    boxes = [(run.x, _box(run, hand.pixels)) for run in runs]
    origin = max(0, ceil(-min((x + box[0] for x, box in boxes), default=0)))
    right = max((x + box[2] for x, box in boxes), default=0)
    return Line(
        text=text,
        runs=tuple(runs),
        width=origin + max(ceil(pen), ceil(right)),
        origin=origin,
        ascent=max(0, ceil(-min((box[1] for _, box in boxes), default=0))),
        descent=max(0, ceil(max((box[3] for _, box in boxes), default=0))),
    )


def broken(text: str, hand: Hand, width: float) -> list[Line]:
    """A paragraph as the fewest lines of at most `width` pixels, all about equally long.

    It is broken where UAX #14 allows, so at spaces, after hyphens, and between kana and kanji but
    not before what closes or after what opens; not after a slash, for the sake of units.  A line
    of one unbreakable part may be wider.
    """
    # The engine finds the direction of a whole paragraph; its parts have to be told.
    parts, towards = _parts(text), direction(text)

    @cache
    def line(first: int, stop: int) -> Line:
        words = "".join(parts[first:stop])
        return set_line(words if stop == len(parts) else _ended(words), hand, towards)

    def fill(limit: float) -> list[Line]:
        done, first = list[Line](), 0
        while first < len(parts):
            stops = range(first + 1, len(parts) + 1)
            fitting = bisect_right(stops, limit, key=lambda stop: line(first, stop).width)
            stop = first + max(1, fitting)
            if not line(first, stop).text and stop < len(parts):
                stop += 1  # no line of spaces
            done.append(line(first, stop))
            first = stop
        return done

    # The least width that needs no more lines; no less than the widest part, which would stick out.
    least = max(line(first, first + 1).width for first in range(len(parts)))
    limits = range(least, int(width))
    count = len(fill(width))
    enough = bisect_left(limits, True, key=lambda limit: len(fill(limit)) <= count)
    return fill(limits[enough] if enough < len(limits) else width)


@lru_cache(maxsize=64)
def _parts(text: str) -> tuple[str, ...]:
    """A text cut wherever a line may end."""
    from uniseg.linebreak import line_break_units

    parts, held = list[str](), ""
    for part in line_break_units(text):
        held += part
        if not held.endswith("/"):
            parts.append(held)
            held = ""
    return (*parts, held) if held else tuple(parts)


def _ended(words: str) -> str:
    """What is drawn of a line that goes on in the next one."""
    shown = words.rstrip(_SPACES)
    return f"{shown[:-1]}-" if shown.endswith(_SOFT_HYPHEN) else shown


def _kerned(left: Piece, right: Piece, hand: Hand) -> float:
    """How much closer than their widths two pieces of a line stand."""
    if left.font != right.font or left.direction != right.direction:
        return 0.0
    features = (*hand.features, *_UNMELTED) if shapes() else ()
    first, second = (right, left) if left.direction == "rtl" else (left, right)

    def length(text: str) -> float:
        return _advance(text, left.font, hand.pixels, left.direction, features)

    return length(first.text + second.text) - length(first.text) - length(second.text)


@lru_cache(maxsize=4096)
def _advance(
    text: str, font: Path, pixels: int, towards: str | None, features: tuple[str, ...]
) -> float:
    face = load(font, pixels)
    return float(face.getlength(text, direction=towards, features=list(features) or None))


def _box(run: Run, pixels: int) -> tuple[float, float, float, float]:
    return load(run.font, pixels).getbbox(
        run.text, anchor="ls", direction=run.direction, features=list(run.features) or None
    )
