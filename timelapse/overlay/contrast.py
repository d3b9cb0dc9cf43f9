"""Text that is legible on whatever lies under it: as little behind the letters as does it.

The measure is that of the Web Content Accessibility Guidelines 2.1 (1.4.3): the ratio of relative
luminances, each raised by 0.05, of the letters and of what lies under and beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.overlay.drawing import Canvas, Drawing, Stack, Words
from timelapse.overlay.style import CLEAR, Colour, Place, Share, Style
from timelapse.overlay.text import Sprite
from timelapse.srgb import linear_of

#: Text of any size has to have 4.5 (WCAG 2.1, 1.4.3); more is aimed at, for what lies under it is
#: looked at small, and on a few frames.
_AIM = 6.0
#: Between the lightness of a black and a white ground, as the eye has it (CIE L* = 50).
_MIDDLE = 0.184
#: Of what lies under the letters, this share may come nearer to them.
_WORST = 0.05
_DARK, _LIGHT = (0, 0, 0), (255, 255, 255)
#: How opaque boxes are tried to be.
_BOXES = (96, 128, 160, 192, 224, 255)


def chooses(what: Drawing) -> bool:
    """Whether a drawing is of words that ask for what lies behind them to be chosen."""
    return any(words.style.contrast == "auto" for words in words_of(what))


def treatments(what: Drawing) -> Iterator[Drawing]:
    """The same words with ever more behind them: nothing, a shadow, an outline, boxes."""
    colour = words_of(what)[0].style.colour
    behind = _DARK if luminance(colour) > _MIDDLE else _LIGHT
    bare = {"outline": Share(0), "shadow": Share(0), "box": CLEAR}
    shade = Colour(*behind, 224)
    tried: list[dict[str, Any]] = [
        {},
        {"shadow": Share(1, 8), "shadow_colour": shade},
        {"outline": Share(2, 25), "outline_colour": shade},
        *({"box": Colour(*behind, alpha)} for alpha in _BOXES),
    ]
    for given in tried:
        changes: dict[str, Any] = {**bare, **given}
        yield styled(what, lambda style, changes=changes: replace(style, **changes))  # type: ignore[misc]


def chosen(what: Drawing, size: tuple[int, int], place: Place, grounds: Sequence[Any]) -> int:
    """The number of the first of `treatments` that is legible on all of `grounds`.

    These are what lies under the words (H x W x 3, uint8, display light): as large as they are, or
    about so.
    """
    canvas, last = Canvas(size), 0
    for last, tried in enumerate(treatments(what)):
        if all(contrast(tried, canvas, place, ground) >= _AIM for ground in grounds):
            return last
    return last


def contrast(what: Drawing, canvas: Canvas, place: Place, ground: NDArray[np.uint8]) -> float:
    """The ratio of the luminance of letters to that of what is beside them, over a ground.

    Of all that lies within a twelfth of their size, the twentieth that comes nearest to their own
    luminance does not count.
    """
    import cv2

    def painted(change: Callable[[Style], Style]) -> Sprite:
        return styled(what, change).lay(canvas, place).paint()

    def lettered(style: Style) -> Style:
        dark = {
            name: replace(getattr(style, name), red=0, green=0, blue=0)
            for name in ("outline_colour", "shadow_colour", "box", "accent")
        }
        return replace(style, colour=Colour(*_LIGHT), **dark)

    letters = painted(lettered).rgb
    size = min(words.style.size for words in words_of(what))
    reach = max(2, size.of(canvas.side) // 12)
    box = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = (np.asarray(cv2.dilate(letters[..., 1], box)) > 64) & (letters[..., 1] < 16)
    behind = painted(lambda style: replace(style, colour=CLEAR))
    fitted = cv2.resize(ground, near.shape[::-1], interpolation=cv2.INTER_LINEAR)
    keep = 1 - behind.alpha[..., None].astype(np.float32) / 255
    under = luminances(fitted * keep + behind.rgb)[near]
    own = luminance(words_of(what)[0].style.colour)
    if own > _MIDDLE:
        return float((own + 0.05) / (np.quantile(under, 1 - _WORST) + 0.05))
    return float((np.quantile(under, _WORST) + 0.05) / (own + 0.05))


def luminances(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Relative luminance (0 to 1) of RGB in display light (0 to 255), by BT.709's shares."""
    linear = linear_of(np.asarray(pixels, np.float32) / 255)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722], np.float32))


def luminance(colour: Colour) -> float:
    """Relative luminance of a colour."""
    return float(luminances(np.array([colour.red, colour.green, colour.blue])))


def styled(what: Drawing, change: Callable[[Style], Style]) -> Drawing:
    """A drawing of words with each style changed."""
    if isinstance(what, Words):
        return replace(what, style=change(what.style))
    if isinstance(what, Stack):
        parts = tuple(replace(part, style=change(part.style)) for part in what.parts)
        return replace(what, parts=parts)
    return what


def words_of(what: Drawing) -> tuple[Words, ...]:
    """The texts of a drawing, from the top down; none of one that is no text."""
    if isinstance(what, Words):
        return (what,)
    return what.parts if isinstance(what, Stack) else ()
