"""Which fonts draw a line, which characters none can draw, and in which order pieces stand.

What one font covers is one piece, which the layout engine shapes and orders itself.  Any other
line is cut where the font or the direction changes: each cluster (a letter with its marks, a joined
emoji, an Indic conjunct), and each word of a script whose letters join, goes to the first font that
has all of it, and the pieces are ordered for display as UAX #9 has it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from timelapse.errors import TextError
from timelapse.overlay import fribidi
from timelapse.overlay.glyphs import STEERING, chain, coverage, has, named, shapes, short

# Scripts whose letters join in words, by baseline or headline: Arabic, Syriac, N'Ko, Mandaic,
# Devanagari, Bengali, Gurmukhi, Mongolian, Phags-pa, Hanifi Rohingya, Adlam.
_JOINED = (
    *((0x0600, 0x077F), (0x07C0, 0x07FF), (0x0840, 0x08FF), (0x0900, 0x097F), (0x0980, 0x09FF)),
    *((0x0A00, 0x0A7F), (0x1800, 0x18AF), (0xA840, 0xA87F), (0xA8E0, 0xA8FF), (0xFB50, 0xFDFF)),
    *((0xFE70, 0xFEFC), (0x10D00, 0x10D3F), (0x1E900, 0x1E95F)),
)
# Kana, kanji, full-width forms: one glyph for each, as for letters before Hebrew's.
_UNJOINED = (
    *((0x0000, 0x058F), (0x1E00, 0x2BFF), (0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF)),
)
_TO_LEFT = frozenset(("R", "AL", "AN", "RLE", "RLO", "RLI", "FSI"))
_OVERRIDES = {"ltr": "\u202d", "rtl": "\u202e"}
_POP = "\u202c"
# What says in which order text stands, and nothing else.
_ORDERING = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@dataclass(frozen=True)
class Piece:
    """What one font draws of a line in one call: `direction` is `ltr`, `rtl`, or as the engine
    finds it."""

    text: str
    font: Path
    direction: str | None


@lru_cache(maxsize=1024)
def fonts_for(text: str, names: tuple[str, ...]) -> tuple[Path, ...]:
    """The first font of `names`, then the shipped sans, that covers all of a text; all of those,
    where none does and some have to draw it together.

    TextError names the characters that no font at hand draws.
    """
    refused = [char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    if refused:
        raise TextError(f"{short(text)}: cannot be drawn: {named(refused)}; take it out")
    if not shapes() and (complex_ := [char for char in text if _needs_shaping(char)]):
        raise TextError(
            f"{short(text)}: {named(complex_)} needs shaping, for which Pillow needs the"
            " system's libfribidi; install it (Debian and Ubuntu: apt install libfribidi0)"
        )
    fonts: list[Path] = []
    for font in chain(names):
        if all(has(font, char) for char in text):
            return (font,)
        fonts.append(font)
    lacking = [cluster for cluster in _clusters(text) if not _first(cluster, fonts)]
    if lacking:
        raise TextError(f"{short(text)}: {_lacks(lacking, fonts)}")
    return tuple(fonts)


def _lacks(clusters: list[str], fonts: list[Path]) -> str:
    chars = "".join(clusters)
    nowhere = [char for char in chars if not any(has(font, char) for font in fonts)]
    if not nowhere:
        return (
            f"no one font at hand has all of {named(clusters[0])}, which belong together; name a"
            " font file that has under fallbacks: in its style"
        )
    blank = [font.name for font in fonts if any(ord(char) in coverage(font) for char in nowhere)]
    but = f" ({', '.join(blank)}: without an outline, such as in colour alone)" if blank else ""
    return (
        f"no font at hand has {named(nowhere)}{but}; take it out, or name a font file that covers"
        " it under fallbacks: in its style"
    )


def _needs_shaping(char: str) -> bool:
    code = ord(char)
    simple = any(first <= code <= last for first, last in _UNJOINED)
    return not simple or code in STEERING or unicodedata.category(char).startswith("M")


@lru_cache(maxsize=1024)
def pieces(
    line: str, fonts: tuple[Path, ...], towards: str | None, apart: bool = False
) -> tuple[Piece, ...]:
    """A line that `fonts_for` gave fonts for, as pieces from left to right.

    `towards` is the direction of its paragraph, or None where the line is all of that.  `apart`
    cuts between all letters that do not join.
    """
    if len(fonts) == 1 and not apart:
        return (Piece(line, fonts[0], towards),)
    base = towards or direction(line)
    levels = _levels(line, base)
    found: list[tuple[str, Path, int]] = []
    for at, unit, font in _fonted(line, fonts):
        if found and not apart and found[-1][1:] == (font, levels[at]):
            found[-1] = (found[-1][0] + unit, font, levels[at])
        else:
            found.append((unit, font, levels[at]))
    # UAX #9, L2; below the lowest odd level this reverses nothing, or the same twice.
    for limit in range(max(levels, default=0), 0, -1):
        found = list(_turned(found, limit))
    overridden = any(char in line for char in _OVERRIDES.values())
    done = []
    for text, font, level in found:
        if all(ord(char) in STEERING for char in text):
            continue  # the order is settled, and it has no ink
        way = base and ("rtl" if level % 2 else "ltr")
        words = text.translate(_ORDERING)
        done.append(Piece(_forced(words, way) if overridden and way else words, font, way))
    return tuple(done)


def _turned(found: list[tuple[str, Path, int]], limit: int) -> Iterator[tuple[str, Path, int]]:
    """Pieces with each stretch of them at `limit` or higher levels turned round."""
    for high, group in groupby(found, lambda piece: piece[2] >= limit):
        stretch = list(group)
        yield from reversed(stretch) if high else stretch


def _forced(text: str, way: str) -> str:
    return f"{_OVERRIDES[way]}{text}{_POP}"


def _fonted(line: str, fonts: tuple[Path, ...]) -> Iterator[tuple[int, str, Path]]:
    """The units of a line, where each starts, and the font of each."""
    at, last = 0, fonts[0]
    for word in _units(line):
        # A word that no font has as a whole is drawn by several, letter by letter.
        for unit in [word] if _first(word, fonts) else _clusters(word):
            if not all(ord(char) in STEERING for char in unit):
                last = _first(unit, fonts) or last
            yield at, unit, last
            at += len(unit)


def _first(unit: str, fonts: tuple[Path, ...] | list[Path]) -> Path | None:
    return next((font for font in fonts if all(has(font, char) for char in unit)), None)


def _units(line: str) -> Iterator[str]:
    """Clusters, and words of letters that join."""
    for script, clusters in groupby(_clusters(line), _joins):
        if script:
            yield "".join(clusters)
        else:
            yield from clusters


def _joins(cluster: str) -> int:
    """Of which joined script a cluster is, counted from 1; 0 for none."""
    if unicodedata.category(cluster[0])[0] not in "LM":
        return 0
    code = ord(cluster[0])
    return next((n for n, (a, b) in enumerate(_JOINED, 1) if a <= code <= b), 0)


@lru_cache(maxsize=1024)
def _clusters(text: str) -> tuple[str, ...]:
    """The grapheme clusters of a text (UAX #29)."""
    from uniseg.graphemecluster import grapheme_clusters

    return tuple(grapheme_clusters(text))


def _levels(line: str, base: str | None) -> list[int]:
    if base != "rtl" and not any(unicodedata.bidirectional(char) in _TO_LEFT for char in line):
        return [0] * len(line)
    try:
        return fribidi.levels(line, base == "rtl")
    except OSError as error:
        raise TextError(
            f"{short(line)}: no one font at hand has all of it, and to order what several draw"
            f" libfribidi is needed ({error}); install it, or name a font file that covers the"
            " whole line"
        ) from error


def direction(paragraph: str) -> str | None:
    """`ltr` or `rtl` by the first strong character (UAX #9, P2 and P3), for all lines of it."""
    if not shapes():
        return None
    isolated = 0
    for char in paragraph:
        kind = unicodedata.bidirectional(char)
        if kind in ("LRI", "RLI", "FSI"):
            isolated += 1
        elif kind == "PDI":
            isolated = max(0, isolated - 1)
        elif kind in ("L", "R", "AL") and not isolated:
            return "ltr" if kind == "L" else "rtl"
    return "ltr"
