"""How an overlay looks and where it stands: shares, colours, places, styles.

All lengths are shares, so that a project looks the same at every output size.  What stands in the
frame (letters, margins) is a share of the frame's height, or of its width where the frame is
upright; what belongs to the letters (outline, padding) is a share of their size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

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

    `font` is `sans`, `sans-bold`, `mono`, or the path of a font file; a line that it does not
    cover is drawn by the first of `fallbacks`, then of the shipped fonts, that does.  `size` and
    `margin` are shares of the frame's height (of its width, if that is less); `outline` and
    `padding` are shares of the size.  A `box` of a colour other than `none` stands behind the
    text, `padding` wider on each side.
    """

    font: str = "sans"
    fallbacks: tuple[str, ...] = ()
    size: Share = field(default=Share(9, 200))
    colour: Colour = WHITE
    outline: Share = field(default=Share(2, 25))
    outline_colour: Colour = SHADE
    box: Colour = CLEAR
    padding: Share = field(default=Share(2, 5))
    margin: Share = field(default=Share(1, 20))

    def __post_init__(self) -> None:
        if not 0 < self.size <= Fraction(1, 2):
            raise ProjectError(f"size: {self.size} is not above 0 and at most 50 %; write 4.5 %")
        if self.outline > Fraction(1, 2):
            raise ProjectError(
                f"outline: {self.outline} of the letters' size is above 50 %; write 8 %"
            )
        if self.margin >= Fraction(1, 2):
            raise ProjectError(f"margin: {self.margin} leaves no room; write less than 50 %")
        for name in ("outline", "padding", "margin"):
            if (share := getattr(self, name)) < 0:
                raise ProjectError(f"{name}: {share} is negative; write none or a share above 0")

    def beside(self, folder: Path) -> Self:
        """The same style with its font files sought in `folder`; shipped fonts stay as they are."""
        return replace(
            self,
            font=_beside(self.font, folder),
            fallbacks=tuple(_beside(font, folder) for font in self.fallbacks),
        )


def _beside(font: str, folder: Path) -> str:
    return str(folder / font) if Path(font).suffix else font
