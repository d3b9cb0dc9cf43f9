"""Captions as files of their own: WebVTT, SubRip and ASS.

These formats count milliseconds or hundredths of a second.  Times are rounded down, which keeps
the frames: what is shown from frame n on starts at or before the instant n / rate, and after that
of the frame before it, as long as a frame lasts longer than the unit; and so it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from timelapse.deliver.tracks import Caption, one_at_a_time
from timelapse.errors import EncodeError
from timelapse.overlay import Canvas, Colour, Place, Safe, Style
from timelapse.times import Rate

if TYPE_CHECKING:
    from pysubs2 import Color as AssColour
    from pysubs2 import SSAStyle

_HOUR = 3_600_000
#: What no text file and no XML may hold: controls, halves of characters, and no characters.
_UNWRITTEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
#: Has no width and is never seen: it keeps apart what would mean something together.
_JOINER = "\u2060"
#: How high browsers set a line of WebVTT, in percent of the frame: 5vh (its 7.4), and leading.
_LINE = 6
#: The family of a shipped font as players may have it, whether it is bold, and its height (OS/2
#: usWinAscent and usWinDescent) in ems: ASS gives sizes by that.
_FAMILIES = {
    "sans": ("Noto Sans", False, 1.362),
    "sans-bold": ("Noto Sans", True, 1.362),
    "mono": ("Roboto Mono", False, 1.319),
}


@dataclass(frozen=True)
class Line:
    """A text on the frames from `start` up to, and without, `stop`; where it stands, what it keeps
    free of the edges, and how it looks, in formats that can say so."""

    text: str
    start: int
    stop: int
    place: Place = Place.BOTTOM
    style: Style = field(default=Style())
    safe: Safe = field(default=Safe())


@dataclass(frozen=True)
class Shown:
    """What captions are shown over: frames of a `size` (width, height) at a rate."""

    rate: Rate
    size: tuple[int, int]
    title: str = ""

    def down(self, frame: int, unit: int) -> int:
        """The instant of a frame in milliseconds, rounded down to whole `unit`s of them."""
        return int(self.rate.time_of(frame).seconds * 1000 // unit) * unit

    def bounds(self, line: Line) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the room of a text, in pixels."""
        canvas = Canvas(self.size, line.safe)
        return canvas.bounds(line.style.margin.of(canvas.side))


def plain(text: str) -> str:
    """A text as captions have it: lines without empty ones and without space at their ends, and
    without what cannot be written."""
    lines = (_UNWRITTEN.sub(" ", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def one_line(text: str) -> str:
    """A text as names of chapters and markers have it: a single line."""
    return " ".join(plain(text).split())


def _ready(lines: Sequence[Line]) -> list[Line]:
    shown = [line for line in lines if line.start < line.stop and plain(line.text)]
    return sorted(shown, key=lambda line: (line.start, line.stop))


# ------------------------------------------------------------------ WebVTT


def vtt(lines: Sequence[Line], shown: Shown) -> str:
    """Captions as WebVTT (W3C, Candidate Recommendation of 2019), each at its place."""
    blocks = ["WEBVTT\n"]
    for line in _ready(lines):
        times = " --> ".join(_clock(shown.down(at, 1), ".") for at in (line.start, line.stop))
        text = plain(line.text)
        words = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{times} {_settings(line, text.count(chr(10)) + 1, shown)}\n{words}\n")
    return "\n".join(blocks)


def _settings(line: Line, count: int, shown: Shown) -> str:
    """The settings of a cue.  What belongs behind a comma (`line:50%,center`) is left out: browsers
    do not heed it, so that the top of the text is placed, or nothing, which is the bottom."""
    left, top, right, bottom = shown.bounds(line)
    width, height = shown.size
    at = (left, (left + right) / 2, right)[line.place.across + 1]
    align = ("left", "center", "right")[line.place.across + 1]
    settings = [f"position:{100 * at / width:.4g}%", f"align:{align}"]
    if line.place.down <= 0:
        middle = 50 * (top + bottom) / height - _LINE * count / 2
        upper = 100 * top / height if line.place.down < 0 else max(0, middle)
        settings.insert(0, f"line:{upper:.4g}%")
    return " ".join(settings)


def _clock(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


# ------------------------------------------------------------------ SubRip and ASS


def srt(lines: Sequence[Line], shown: Shown) -> str:
    """Captions as SubRip, which knows no places: what is shown at once stands in one caption, for
    players that show one at a time.  EncodeError for films that are too long for it."""
    from pysubs2 import SSAEvent, SSAFile

    time_of = shown.rate.time_of
    captions = [
        Caption(plain(line.text), time_of(line.start), time_of(line.stop)) for line in _ready(lines)
    ]
    file = SSAFile()
    for caption in one_at_a_time(captions):
        start, end = (int(at.seconds * 1000 // 1) for at in (caption.start, caption.end))
        file.append(SSAEvent(start, end, _unmarked(caption.text)))
    _fits(file.events[-1].end if file.events else 0, 100, "SubRip")
    return file.to_string("srt", keep_ssa_tags=True)


def _unmarked(text: str) -> str:
    """A text in which nothing is taken for markup: SubRip has no way to say so, so that a joiner
    stands where a tag would start."""
    text = re.sub(r"(?<=<)|(?<=\{)|(?<=\\)(?=[Nnh])", _JOINER, text)
    return text.replace("-->", f"--{_JOINER}>").replace("\n", r"\N")


def ass(lines: Sequence[Line], shown: Shown) -> str:
    """Captions as ASS (Advanced SubStation Alpha), at their places and in their styles.

    Sizes are in pixels of the film.  EncodeError for films that are too long for it.
    """
    from pysubs2 import SSAEvent, SSAFile

    file = SSAFile()
    width, height = shown.size
    file.info |= {
        "Title": one_line(shown.title) or "Captions",
        "PlayResX": str(width),
        "PlayResY": str(height),
        "ScaledBorderAndShadow": "yes",
        "WrapStyle": "0",
        "YCbCr Matrix": "None",
    }
    file.styles.clear()
    names: dict[tuple[Place, Style, Safe], str] = {}
    for line in _ready(lines):
        look = line.place, line.style, line.safe
        if look not in names:
            others = sum(place is line.place for place, *_ in names)
            names[look] = f"{line.place} {others + 1}" if others else str(line.place)
            file.styles[names[look]] = _ass_style(line, shown)
        start, end = (shown.down(at, 10) for at in (line.start, line.stop))
        file.append(SSAEvent(start, end, _escaped(plain(line.text)), style=names[look]))
    _fits(max((event.end for event in file), default=0), 10, "ASS")
    return file.to_string("ass", header_notice="")


def _escaped(text: str) -> str:
    r"""A text in which nothing is taken for a tag.  There is no standard way: `\{` is libass's, and
    the empty block behind it hides nothing from other renderers; backslashes get a joiner."""
    text = text.replace("\\", f"\\{_JOINER}").replace("{", r"\{{}")
    return text.replace("\n", r"\N")


def _ass_style(line: Line, shown: Shown) -> SSAStyle:
    from pysubs2 import Alignment, SSAStyle

    style, place = line.style, line.place
    family, bold, height = _FAMILIES.get(style.font) or _of_file(style.font)
    pixels = style.size.of(min(shown.size))
    left, top, right, bottom = shown.bounds(line)
    edge, width = style.outline_colour, float(style.outline * pixels)
    if style.box.alpha:
        edge, width = style.box, float(style.padding * pixels)
    return SSAStyle(
        fontname=family,
        fontsize=round(pixels * height, 2),
        primarycolor=_ass_colour(style.colour),
        secondarycolor=_ass_colour(style.colour),
        outlinecolor=_ass_colour(edge),
        backcolor=_ass_colour(edge),
        bold=bold,
        borderstyle=3 if style.box.alpha else 1,
        outline=round(width, 2),
        shadow=0.0,
        alignment=Alignment(5 + place.across - 3 * place.down),
        marginl=left,
        marginr=shown.size[0] - right,
        marginv=top if place.down < 0 else shown.size[1] - bottom,
    )


def _ass_colour(colour: Colour) -> AssColour:
    from pysubs2 import Color

    return Color(colour.red, colour.green, colour.blue, 255 - colour.alpha)


def _of_file(path: str) -> tuple[str, bool, float]:
    """Family, boldness and height of a font file."""
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

    try:
        with Path(path).open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            windows, ems = font["OS/2"], font["head"].unitsPerEm
            family = font["name"].getBestFamilyName() or "sans-serif"
            tall = (windows.usWinAscent + windows.usWinDescent) / ems
            return family.replace(",", " "), windows.usWeightClass >= 600, tall
    except (TTLibError, OSError, KeyError, AssertionError) as error:
        raise EncodeError(f"font {path}: not a usable font file ({error})") from error


def _fits(end: int, hours: int, name: str) -> None:
    if end >= hours * _HOUR:
        raise EncodeError(f"{name} cannot count beyond {hours} hours; write WebVTT instead")


#: What writes the captions of each ending.
WRITERS: dict[str, Callable[[Sequence[Line], Shown], str]] = {".vtt": vtt, ".srt": srt, ".ass": ass}
