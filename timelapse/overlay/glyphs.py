"""Fonts: the shipped ones and any file, which characters they draw, and what draws them.

The layout engine is Pillow with raqm: HarfBuzz shapes, FriBidi orders.  The shipped sans holds
Latin, Greek, Cyrillic, Devanagari, Arabic and Hebrew in one file, so that a line that mixes them
is one call of the engine; Japanese is a file of its own.  docs/make_fonts.py builds them.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from timelapse.errors import TextError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

#: The shipped fonts: the file of each, and the one for what it lacks.
FONTS = {
    "sans": ("NotoSansMerged-Regular.ttf", "NotoSansJP-Regular.ttf"),
    "sans-bold": ("NotoSansMerged-Bold.ttf", "NotoSansJP-Bold.ttf"),
    "mono": ("RobotoMono-Medium.ttf",),
}
_CONTROLS = {0: "NULL", 8: "BACKSPACE", 9: "TAB", 11: "VERTICAL TAB", 12: "FORM FEED"} | {
    13: "CARRIAGE RETURN",
    27: "ESCAPE",
    127: "DELETE",
}
# Characters that steer shaping, direction or breaking and have no ink of their own: HarfBuzz hides
# them whether the font has a glyph for them or not (Unicode, Default_Ignorable_Code_Point).
STEERING = frozenset(
    {0x00AD, 0x034F, 0x061C, 0xFEFF}
    | {*range(0x180B, 0x180F), *range(0x200B, 0x2010), *range(0x202A, 0x202F)}
    | {*range(0x2060, 0x2065), *range(0x2066, 0x206A)}
    | {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
# Blank and no spaces by category: Hangul fillers, a Braille cell without dots.
_BLANK = frozenset({0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0})
_LOOKED_AT = 64  # pixels to the em, where a glyph is looked at for ink


def font_file(name: str) -> Path:
    """The file of a shipped font, or the path that `name` is; TextError where there is none."""
    return font_files(name)[0]


@cache
def font_files(name: str) -> tuple[Path, ...]:
    """As `font_file`, with the file for what a shipped font lacks."""
    if name in FONTS:
        return tuple(map(_shipped, FONTS[name]))
    try:
        path = Path(name).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of no user
        raise TextError(f"font {name!r}: cannot be looked for ({error}); write its path") from error
    if not found:
        raise TextError(f"font {name!r}: no such file; write {', '.join(FONTS)} or a path")
    return (path,)


def _shipped(file: str) -> Path:
    # as_file would delete what it unpacked from a zip; the wheel is installed unpacked.
    with as_file(files("timelapse.overlay") / "fonts" / file) as path:
        return path


def chain(names: Iterable[str]) -> Iterator[Path]:
    """The files of the fonts `names`, in order, then those of the shipped sans; each once."""
    seen: set[Path] = set()
    for name in (*names, "sans"):
        for path in font_files(name):
            if path not in seen:
                seen.add(path)
                yield path


@cache
def coverage(path: Path) -> frozenset[int]:
    """The code points that a font file has glyphs for."""
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

    try:
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            outlined = any(table in font for table in ("glyf", "CFF ", "CFF2"))
            names = font.getBestCmap() or {}
    except (TTLibError, OSError, KeyError, AssertionError) as error:
        raise TextError(f"font {path}: not a usable font file ({error})") from error
    if not outlined:
        raise TextError(
            f"font {path}: it holds pictures of characters, not their outlines, and cannot be"
            " drawn at any size; name another"
        )
    return frozenset(code for code, name in names.items() if name != ".notdef")


def has(path: Path, char: str) -> bool:
    """Whether a font draws a character: has a glyph for it that is not blank, or need not."""
    code = ord(char)
    if code in STEERING:
        return True
    if code not in coverage(path):
        return False
    return code in _BLANK or unicodedata.category(char) == "Zs" or inked(path, char)


@lru_cache(maxsize=65536)
def inked(path: Path, char: str) -> bool:
    """Whether a font's glyph for a character has an outline: of some there is but a place, or a
    coloured picture, which is not drawn."""
    _, top, _, bottom = _bare(path).getbbox(char)
    return bottom > top


@lru_cache(maxsize=16)
def _bare(path: Path) -> FreeTypeFont:
    """A font without shaping: one glyph for a character."""
    from PIL import ImageFont

    return _opened(path, _LOOKED_AT, ImageFont.Layout.BASIC)


@cache
def digest(path: Path) -> str:
    """A hash of a font file's content."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def load(path: Path, pixels: int) -> FreeTypeFont:
    """The font at `pixels` to the em, for Pillow."""
    from PIL import ImageFont

    layout = ImageFont.Layout.RAQM if shapes() else ImageFont.Layout.BASIC
    return _opened(path, pixels, layout)


def _opened(path: Path, pixels: int, layout: int) -> FreeTypeFont:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout(layout))
    except OSError as error:
        raise TextError(f"font {path}: not a usable font file ({error})") from error


@cache
def shapes() -> bool:
    """Whether Pillow can shape: its raqm loads libfribidi from the system when there is one.

    Without it, text that needs no shaping (Latin, Greek, Cyrillic and Japanese without combining
    marks) is still drawn, unkerned, and any other is refused.
    """
    from PIL import features

    return bool(features.check_feature("raqm"))


@cache
def engine() -> str:
    """The versions of what draws: they decide pixels, as the fonts do."""
    import cv2
    import PIL
    from PIL import features

    freetype = features.version_module("freetype2")
    parts = [f"opencv {cv2.__version__}", f"pillow {PIL.__version__}", f"freetype {freetype}"]
    if shapes():
        names = ("raqm", "harfbuzz", "fribidi")
        parts += [f"{name} {features.version_feature(name)}" for name in names]
    return ", ".join(parts)


def name_of(char: str) -> str:
    """``U+1F680 ROCKET``."""
    fallback = {"Cc": "control character", "Co": "private use", "Cs": "lone surrogate"}
    name = unicodedata.name(char, "") or _CONTROLS.get(ord(char), "")
    return f"U+{ord(char):04X} {name or fallback.get(unicodedata.category(char), 'unassigned')}"


def named(chars: Iterable[str]) -> str:
    """The names of characters, each once; of many, the first ten."""
    distinct = list(dict.fromkeys(chars))
    more = f" and {len(distinct) - 10} more" if len(distinct) > 10 else ""
    return ", ".join(map(name_of, distinct[:10])) + more


def short(text: str) -> str:
    """`text` quoted for an error, cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
