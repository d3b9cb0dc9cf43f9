"""How an overlay looks and where it stands: shares, colours, places, styles, safe margins.

All lengths are shares, so that a project looks the same at every output size.  What stands in the
frame (letters, margins) is a share of the frame's height, or of its width where the frame is
upright; what belongs to the letters (outline, padding) is a share of their size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from timelapse.errors import ProjectError
from timelapse.notation import Notation, did_you_mean
from timelapse.times import write_number

_SHARE = re.compile(r"(\d{1,9}(?:\.\d{1,18})?|\.\d{1,18}|\d{1,9}/[1-9]\d{0,8})\s*(%?)")
_COLOURS = {
    "none": "#00000000",
    "transparent": "#00000000",
    "white": "#ffffff",
    "silver": "#c0c0c0",
    "grey": "#808080",
    "gray": "#808080",
    "black": "#000000",
    "red": "#ff0000",
    "orange": "#ffa500",
    "yellow": "#ffff00",
    "green": "#008000",
    "cyan": "#00ffff",
    "blue": "#0000ff",
    "navy": "#000080",
    "magenta": "#ff00ff",
}


class Place(StrEnum):
    """Where an overlay stands in the frame."""

    TOP_LEFT = "top-left"
    TOP = "top"
    TOP_RIGHT = "top-right"
    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM = "bottom"
    BOTTOM_RIGHT = "bottom-right"

    @property
    def across(self) -> int:
        """-1 at the left, 0 in the middle, 1 at the right; lines of a text are aligned so too."""
        return self.endswith("right") - self.endswith("left")

    @property
    def down(self) -> int:
        """-1 at the top, 0 in the middle, 1 at the bottom."""
        return self.startswith("bottom") - self.startswith("top")


Align = Literal["auto", "left", "center", "right"]


class Share(Fraction, Notation):
    """A share of a length, exact: `4.5 %` or `0.045`; `none` is 0."""

    __slots__ = ()
    examples = ("4.5 %", "0.045", "none")

    @classmethod
    def read(cls, text: str) -> Share:
        words = text.strip().lower()
        if words == "none":
            return cls(0)
        found = _SHARE.fullmatch(words)
        value = Fraction(found[1]) / (100 if found[2] else 1) if found else Fraction(-1)
        if not 0 <= value <= 1:
            raise ProjectError(f"{text!r} is not a share from 0 to 100 %; write 4.5 % or 0.045")
        return cls(value)

    def __str__(self) -> str:
        percent = write_number(Fraction(self) * 100)
        return write_number(Fraction(self)) if "/" in percent else f"{percent} %"

    def __repr__(self) -> str:
        return f"Share({self.numerator}, {self.denominator})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Share, (self.numerator, self.denominator)

    def of(self, length: int) -> int:
        """This share of `length` in whole pixels, rounded half up."""
        return int((self * length + Fraction(1, 2)).__floor__())


@dataclass(frozen=True)
class Colour(Notation):
    """A colour as it is displayed: `#rgb`, `#rrggbb`, `#rrggbbaa`, or a name; `none` is clear.

    Four values of 0 to 255; alpha 0 is clear, 255 opaque; not premultiplied.
    """

    red: int
    green: int
    blue: int
    alpha: int = 255
    examples = ("#fff", "#ffcc00", "#000000a0", "white", "none")

    def __post_init__(self) -> None:
        if not all(0 <= value <= 255 for value in (self.red, self.green, self.blue, self.alpha)):
            raise ProjectError(f"{self!r}: the parts of a colour go from 0 to 255")

    @classmethod
    def read(cls, text: str) -> Colour:
        words = text.strip().lower()
        digits = _COLOURS.get(words, words).removeprefix("#")
        if len(digits) == 3:
            digits = "".join(digit * 2 for digit in digits)
        is_hex = _COLOURS.get(words, words).startswith("#") and re.fullmatch("[0-9a-f]*", digits)
        if not is_hex or len(digits) not in (6, 8):
            hint = did_you_mean(words, _COLOURS)
            raise ProjectError(f"{text!r} is not a colour; write #rrggbb or a name{hint}")
        return cls(*bytes.fromhex(digits))

    def __str__(self) -> str:
        parts = bytes((self.red, self.green, self.blue, self.alpha))
        return "#" + (parts if self.alpha < 255 else parts[:3]).hex()


WHITE = Colour(255, 255, 255)
SHADE = Colour(0, 0, 0, 216)
CLEAR = Colour(0, 0, 0, 0)


@dataclass(frozen=True)
class Style:
    """How a text looks.

    `font` is `sans`, `sans-bold`, `mono`, or the path of a font file; what it does not cover is
    drawn by the first of `fallbacks`, then of the shipped fonts, that does.  `size` and `margin`
    are shares of the frame's height (of its width, if that is less); `outline`, `shadow` (how far
    it is blurred), `padding` and `spacing` (between letters) are shares of the size.  A `box` of a
    colour other than `none` stands behind the text, `padding` wider on each side, with a bar of
    the colour `accent` at its side.  `align` is how lines of a text stand to each other; `auto` as
    the place is.  With `contrast: auto` outline, shadow and box are chosen from what lies under
    the text, as little as makes it legible.
    """

    font: str = "sans"
    fallbacks: tuple[str, ...] = ()
    size: Share = field(default=Share(9, 200))
    colour: Colour = WHITE
    outline: Share = field(default=Share(2, 25))
    outline_colour: Colour = SHADE
    shadow: Share = field(default=Share(0))
    shadow_colour: Colour = SHADE
    box: Colour = CLEAR
    accent: Colour = CLEAR
    padding: Share = field(default=Share(2, 5))
    margin: Share = field(default=Share(1, 20))
    spacing: Share = field(default=Share(0))
    align: Align = "auto"
    contrast: Literal["style", "auto"] = "style"

    def __post_init__(self) -> None:
        if not 0 < self.size <= Fraction(1, 2):
            raise ProjectError(f"size: {self.size} is not above 0 and at most 50 %; write 4.5 %")
        for name in ("outline", "shadow", "spacing"):
            if (share := getattr(self, name)) > Fraction(1, 2):
                raise ProjectError(f"{name}: {share} of the letters' size is above 50 %; write 8 %")
        if self.margin >= Fraction(1, 2):
            raise ProjectError(f"margin: {self.margin} leaves no room; write less than 50 %")
        for name in ("outline", "shadow", "padding", "margin", "spacing"):
            if (share := getattr(self, name)) < 0:
                raise ProjectError(f"{name}: {share} is negative; write none or a share above 0")

    def beside(self, folder: Path) -> Self:
        """The same style with its font files sought in `folder`; shipped fonts stay as they are."""
        return replace(
            self,
            font=_beside(self.font, folder),
            fallbacks=tuple(_beside(font, folder) for font in self.fallbacks),
        )

    def towards(self, across: int) -> int:
        """-1, 0 or 1: how lines are aligned in a text that stands at `across`."""
        return across if self.align == "auto" else ("left", "center", "right").index(self.align) - 1


@dataclass(frozen=True)
class Look:
    """What a layer wants of its style; what is left out is as the theme has it.  See `Style`."""

    font: str | None = None
    fallbacks: tuple[str, ...] | None = None
    size: Share | None = None
    colour: Colour | None = None
    outline: Share | None = None
    outline_colour: Colour | None = None
    shadow: Share | None = None
    shadow_colour: Colour | None = None
    box: Colour | None = None
    accent: Colour | None = None
    padding: Share | None = None
    margin: Share | None = None
    spacing: Share | None = None
    align: Align | None = None
    contrast: Literal["style", "auto"] | None = None

    def __post_init__(self) -> None:
        self.over(Style())

    def over(self, style: Style) -> Style:
        """A style with what is wanted put over it."""
        return replace(style, **{k: v for k, v in vars(self).items() if v is not None})

    def beside(self, folder: Path) -> Look:
        """The same look with its font files sought in `folder`; see `Style.beside`."""
        fonts = (
            None if self.fallbacks is None else tuple(_beside(f, folder) for f in self.fallbacks)
        )
        return replace(self, font=self.font and _beside(self.font, folder), fallbacks=fonts)


def _beside(font: str, folder: Path) -> str:
    return str(folder / font) if Path(font).suffix else font


Layer = TypeVar("Layer")


def beside(layer: Layer, folder: Path) -> Layer:
    """A layer with the files that it names sought in `folder`: fonts of its looks, pictures."""
    changes: dict[str, Any] = {}
    for part in fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, part.name)
        if isinstance(value, Look):
            changes[part.name] = value.beside(folder)
        elif part.name == "file":
            changes[part.name] = str(folder / Path(value).expanduser())
    return replace(layer, **changes)  # type: ignore[type-var]


@dataclass(frozen=True)
class Safe(Notation):
    """What is kept free along the frame's edges, in shares of its height and width: `5 %`, or
    `5 % 10 %` (top and bottom, left and right), or `5 % 4 % 12 % 4 %` (top, right, bottom, left).
    """

    top: Share = field(default=Share(0))
    right: Share = field(default=Share(0))
    bottom: Share = field(default=Share(0))
    left: Share = field(default=Share(0))
    examples = ("5 %", "5 % 10 %", "5 % 4 % 12 % 4 %")

    def __post_init__(self) -> None:
        if self.top + self.bottom >= 1 or self.left + self.right >= 1:
            raise ProjectError(f"{self}: leaves no room; write less than 50 %")

    @property
    def any(self) -> bool:
        """Whether anything is kept free."""
        return any((self.top, self.right, self.bottom, self.left))

    @classmethod
    def read(cls, text: str) -> Safe:
        parts = re.sub(r"\s+%", "%", text.replace(",", " ")).split()
        if len(parts) not in (1, 2, 4):
            raise ProjectError(f"{text!r} is no margin; write 5 %, or one for each side")
        shares = [Share.read(part) for part in parts]
        return cls(*(shares * (4 // len(shares))))

    def __str__(self) -> str:
        return " ".join(map(str, (self.top, self.right, self.bottom, self.left)))
