"""Themes: how each kind of layer looks, unless a project or a layer says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from timelapse.overlay.style import CLEAR, WHITE, Align, Colour, Look, Share, Style

_BLACK = Colour(0, 0, 0)
_QUIET = Share(3, 25)


@dataclass(frozen=True)
class Theme:
    """A style for each role that a text can have, and the colours of what is no text."""

    milestone: Style = Style()
    subtitle: Style = Style(size=Share(3, 100))
    span: Style = Style(size=Share(3, 100))
    name: Style = Style("sans-bold", size=Share(1, 20), box=Colour(0, 0, 0, 168), outline=Share(0))
    detail: Style = Style(size=Share(3, 100), outline=Share(0))
    clock: Style = Style(font="mono", size=Share(3, 100), outline=Share(1, 10))
    credit: Style = Style(size=Share(1, 40), outline=_QUIET)
    gap: Style = Style(size=Share(1, 40), outline=_QUIET)
    callout: Style = Style(size=Share(3, 100))
    title: Style = Style(font="sans-bold", size=Share(9, 100), outline=Share(0))
    credits: Style = Style(size=Share(7, 200), outline=Share(0))
    #: What has passed of a bar, where a curve is now, rings and arrows.
    accent: Colour = Colour(0xFF, 0xD1, 0x66)
    #: Lines and bars that are no accent.
    line: Colour = WHITE
    #: What a card covers the frame with.
    card: Colour = Colour(0, 0, 0, 200)

    def beside(self, folder: Path) -> Theme:
        """The same theme with the font files of its styles sought in `folder`."""
        return self._with(lambda style: style.beside(folder))

    def every(self, look: Look) -> Theme:
        """The same theme with a look put over each of its styles."""
        return self._with(look.over)

    def _with(self, change: Callable[[Style], Style]) -> Theme:
        changes: dict[str, Any] = {
            name: change(value) for name, value in vars(self).items() if isinstance(value, Style)
        }
        return replace(self, **changes)


PLAIN = Theme()


def _boxed(
    box: Colour, accent: Colour, title: Colour, text: Colour = WHITE, align: Align = "auto"
) -> Theme:
    """A theme of texts in boxes with a bar of colour at their side."""
    bare = PLAIN.every(Look(outline=Share(0), colour=text, box=box, align=align))
    flat = Look(box=CLEAR)
    return replace(
        bare,
        milestone=Look(font="sans-bold", size=Share(1, 25), accent=accent).over(bare.milestone),
        subtitle=flat.over(bare.subtitle),
        span=Look(accent=accent).over(bare.span),
        name=Look(accent=accent).over(bare.name),
        detail=flat.over(bare.detail),
        title=flat.over(bare.title),
        credits=flat.over(bare.credits),
        accent=accent,
        line=text,
        card=title,
    )


_ESA = _boxed(Colour(0, 50, 71, 216), Colour(0, 174, 157), Colour(0, 50, 71, 236))
_NASA = _boxed(Colour(11, 61, 145, 208), Colour(252, 61, 33), Colour(7, 23, 63, 236))
_CONTRAST = replace(
    _boxed(_BLACK, Colour(255, 221, 0), _BLACK, Colour(255, 221, 0)),
    milestone=Style(
        "sans-bold", size=Share(1, 20), colour=Colour(255, 221, 0), box=_BLACK, outline=Share(0)
    ),
)

THEMES = {"plain": PLAIN, "esa": _ESA, "nasa": _NASA, "contrast": _CONTRAST}
ThemeName = Literal["plain", "esa", "nasa", "contrast"]


@dataclass(frozen=True)
class Theming:
    """A theme of the project's own: another one that it `extends`, a look that goes over `all` of
    its styles, and looks of single roles; see `Theme`."""

    extends: ThemeName = "plain"
    all: Look = Look()
    milestone: Look = Look()
    subtitle: Look = Look()
    span: Look = Look()
    name: Look = Look()
    detail: Look = Look()
    clock: Look = Look()
    credit: Look = Look()
    gap: Look = Look()
    callout: Look = Look()
    title: Look = Look()
    credits: Look = Look()
    accent: Colour | None = None
    line: Colour | None = None
    card: Colour | None = None

    @property
    def theme(self) -> Theme:
        """The theme that is meant."""
        base = THEMES[self.extends].every(self.all)
        changes: dict[str, Any] = {
            name: want.over(value) if isinstance(want := getattr(self, name), Look) else want
            for name, value in vars(base).items()
            if getattr(self, name) is not None
        }
        return replace(base, **changes)
