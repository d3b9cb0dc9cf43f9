"""Fonts and what they cover: which font draws a line, and which characters none can draw.

Each line is drawn by one font, the first that covers all of it: the layout engine (Pillow with
raqm: HarfBuzz shaping, FriBidi order) shapes and orders a line within one face.  That is why the
shipped sans holds Latin, Greek, Cyrillic and Arabic in one file; docs/make_fonts.py builds it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import cache, lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from timelapse.errors import TextError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FONTS = {
    "sans": "NotoSansWithArabic-Regular.ttf",
    "sans-bold": "NotoSansWithArabic-Bold.ttf",
    "mono": "RobotoMono-Medium.ttf",
}
_CONTROLS = {0: "NULL", 8: "BACKSPACE", 9: "TAB", 11: "VERTICAL TAB", 12: "FORM FEED"} | {
    13: "CARRIAGE RETURN",
    27: "ESCAPE",
    127: "DELETE",
}
# Characters that steer shaping, direction or breaking and have no ink of their own: HarfBuzz hides
# them whether the font has a glyph for them or not (Unicode, Default_Ignorable_Code_Point).
_STEERING = frozenset(
    {0x00AD, 0x034F, 0x061C, 0xFEFF}
    | {*range(0x180B, 0x180F), *range(0x200B, 0x2010), *range(0x202A, 0x202F)}
    | {*range(0x2060, 0x2065), *range(0x2066, 0x206A)}
    | {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)


@cache
def font_file(name: str) -> Path:
    """The file of a shipped font, or the path that `name` is; TextError where there is none."""
    if name in FONTS:
        # as_file would delete what it unpacked from a zip; the wheel is installed unpacked.
        with as_file(files("timelapse.overlay") / "fonts" / FONTS[name]) as path:
            return path
    try:
        path = Path(name).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of no user
        raise TextError(f"font {name!r}: cannot be looked for ({error}); write its path") from error
    if not found:
        raise TextError(f"font {name!r}: no such file; write {', '.join(FONTS)} or a path")
    return path


@cache
def coverage(path: Path) -> frozenset[int]:
    """The code points that a font file has glyphs for."""
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

    try:
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, AssertionError) as error:
        raise TextError(f"font {path}: not a usable font file ({error})") from error


@cache
def _drawable(path: Path) -> frozenset[int]:
    return coverage(path) | _STEERING


@cache
def digest(path: Path) -> str:
    """A hash of a font file's content."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


@lru_cache(maxsize=64)
def load(path: Path, pixels: int) -> FreeTypeFont:
    """The font at `pixels` to the em, for Pillow."""
    from PIL import ImageFont

    layout = ImageFont.Layout.RAQM if shapes() else ImageFont.Layout.BASIC
    try:
        return ImageFont.truetype(path, pixels, layout_engine=layout)
    except OSError as error:
        raise TextError(f"font {path}: not a usable font file ({error})") from error


@cache
def shapes() -> bool:
    """Whether Pillow can shape: its raqm loads libfribidi from the system when there is one.

    Without it, text that needs no shaping (Latin, Greek, Cyrillic without combining marks) is
    still drawn, unkerned, and any other is refused.
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


def _named(chars: list[str]) -> str:
    distinct = list(dict.fromkeys(chars))
    more = f" and {len(distinct) - 10} more" if len(distinct) > 10 else ""
    return ", ".join(map(name_of, distinct[:10])) + more


def short(text: str) -> str:
    """`text` quoted for an error, cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def font_for(line: str, names: tuple[str, ...]) -> Path:
    """The first font of `names`, then the shipped sans, that covers the whole line.

    TextError names what cannot be drawn: of the fonts, by what the nearest one lacks.
    """
    refused = [char for char in line if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    if refused:
        raise TextError(f"{short(line)}: cannot be drawn: {_named(refused)}; take it out")
    if not shapes() and (complex_ := [char for char in line if _needs_shaping(char)]):
        raise TextError(
            f"{short(line)}: {_named(complex_)} needs shaping, for which Pillow needs the"
            " system's libfribidi; install it (Debian and Ubuntu: apt install libfribidi0)"
        )
    lacks: list[list[str]] = []
    for name in dict.fromkeys((*names, "sans")):
        path = font_file(name)
        drawable = _drawable(path)
        missing = [char for char in line if ord(char) not in drawable]
        if not missing:
            return path
        lacks.append(missing)
    fewest = min(lacks, key=len)
    raise TextError(
        f"{short(line)}: no font at hand has {_named(fewest)}; take it out, or name a font file"
        " that covers the whole line under fallbacks: in its style"
    )


def _needs_shaping(char: str) -> bool:
    code = ord(char)
    simple = code < 0x0590 or 0x1E00 <= code < 0x2C00
    return not simple or code in _STEERING or unicodedata.category(char).startswith("M")


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
