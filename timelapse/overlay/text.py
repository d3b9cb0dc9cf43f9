"""Text to pixels: how a text is broken and set, and its sprite.

`measure` decides everything about a text and gives a `Block`; `paint` turns a block into a
`Sprite` and decides nothing.  A text is drawn exactly as the layout engine draws each of its
lines, or refused with a TextError that names the characters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import TextError
from timelapse.overlay.glyphs import digest, direction, font_for, load, short
from timelapse.overlay.style import CLEAR, Colour, Share, Style

# A line's measure in shares of the em.  The letters' own ink may ask for more, never for less, so
# that labels with and without descenders stand on the same baseline.
_ASCENT, _DESCENT, _PITCH, _AIR = Share(19, 25), Share(6, 25), Share(13, 10), Share(1, 10)
_CORNER = Share(3, 20)  # radius of a box's corners, of the em
# The outline: full up to _FIRM strokes from the letters, clear from _REACH strokes on.
_FIRM, _REACH = 0.2, 2.6
_SHRINK = 4  # a text may shrink to this fraction of its size before it is refused


@dataclass(frozen=True)
class Line:
    """One line as set: drawn by `font`, from (x, baseline) in pixels within its block."""

    text: str
    font: Path
    direction: str | None
    width: int  # of advance and ink together
    origin: int  # of the first pen position, from the line's left edge
    ascent: int  # of the ink above the baseline
    descent: int
    x: int = 0
    baseline: int = 0


@dataclass(frozen=True)
class Block:
    """A text as set: all that decides its pixels.  `width` and `height` hold text and padding.

    Its sprite is `bleed` pixels larger on each side, for the outline.
    """

    lines: tuple[Line, ...]
    pixels: int  # of the em
    width: int
    height: int
    padding: int
    bleed: int
    stroke: float  # radius of the outline in pixels
    colour: Colour
    outline_colour: Colour
    box: Colour

    def key(self) -> str:
        """Equal keys mean equal sprites, on every machine with an equal `engine()`."""
        fonts = [digest(line.font) for line in self.lines]
        nameless = tuple(replace(line, font=Path()) for line in self.lines)
        return repr((fonts, replace(self, lines=nameless)))


def bleed_of(style: Style, side: int) -> int:
    """How far in pixels a sprite in this style reaches beyond its block, at most."""
    return _bleed(float(style.outline * style.size.of(side)))


def _bleed(stroke: float) -> int:
    return 1 + ceil(_REACH * stroke)


def measure(
    text: str,
    style: Style,
    side: int,
    room: tuple[int, int],
    across: int = -1,
    wrap: bool = True,
) -> Block:
    """Sets `text` into at most `room` (width, height) pixels, padding included.

    `side` is the length in pixels that the style's size is a share of; lines are aligned to the
    left, middle or right as `across` is -1, 0 or 1.  A line too wide is broken at spaces, with
    `wrap`, into lines of about equal length; where that does not do, all letters shrink.
    TextError where a character cannot be drawn, or the lines do not fit.
    """
    pixels = nominal = max(1, style.size.of(side))
    while True:
        padding = style.padding.of(pixels) if style.box.alpha else 0
        inner = room[0] - 2 * padding
        lines = _lines(text, style, pixels, inner if wrap else None)
        widest = max(line.width for line in lines)
        if widest <= inner:
            break
        pixels = _smaller(text, pixels, nominal, pixels * inner // widest)
    baselines = _baselines(lines, pixels, padding)
    height = baselines[-1] + max(_DESCENT.of(pixels), lines[-1].descent) + padding
    if height > room[1]:
        raise TextError(
            f"{short(text)}: its {len(lines)} lines are higher than the frame; shorten it, or"
            " set a smaller size"
        )
    stroke = float(style.outline * pixels)
    return Block(
        lines=_aligned(lines, baselines, padding, widest, across),
        pixels=pixels,
        width=widest + 2 * padding,
        height=height,
        padding=padding,
        bleed=_bleed(stroke),
        stroke=stroke,
        colour=style.colour,
        outline_colour=style.outline_colour if stroke else CLEAR,
        box=style.box,
    )


def refill(block: Block, text: str, style: Style, across: int) -> Block:
    """Sets another text of as many lines just as `block` is set: nothing moves but its letters.

    Where it is larger than what the block was made for, its letters shrink.
    """
    pixels, inner = block.pixels, block.width - 2 * block.padding
    baselines = [line.baseline for line in block.lines]
    while True:
        lines = _lines(text, style, pixels)
        if all(
            line.width <= inner and line.ascent <= base and base + line.descent <= block.height
            for line, base in zip(lines, baselines, strict=True)
        ):
            break
        pixels = _smaller(text, pixels, block.pixels)
    placed = _aligned(lines, baselines, block.padding, inner, across)
    return replace(block, lines=placed, pixels=pixels)


def _smaller(text: str, pixels: int, nominal: int, fitting: int = 0) -> int:
    """The next size to try; TextError where it could no longer be read."""
    smallest = max(1, nominal // _SHRINK)
    if pixels <= smallest:
        raise TextError(f"{short(text)}: too wide for the frame at a legible size; shorten it")
    return max(smallest, min(pixels - 1, fitting or pixels))


def _aligned(
    lines: list[Line], baselines: list[int], padding: int, width: int, across: int
) -> tuple[Line, ...]:
    return tuple(
        replace(
            line,
            x=padding + (width - line.width) * (across + 1) // 2 + line.origin,
            baseline=baseline,
        )
        for line, baseline in zip(lines, baselines, strict=True)
    )


def _lines(text: str, style: Style, pixels: int, width: int | None = None) -> list[Line]:
    """The lines of a text, broken where they would be wider than `width`."""
    lines: list[Line] = []
    for paragraph in text.split("\n"):
        font = font_for(paragraph, (style.font, *style.fallbacks))
        whole = _line(paragraph, font, pixels)
        if width is None or whole.width <= width:
            lines.append(whole)
        else:
            # The engine finds the direction of a whole paragraph; its pieces have to be told.
            lines += _break(paragraph, font, pixels, direction(paragraph), width)
    return lines


def _baselines(lines: list[Line], pixels: int, padding: int) -> list[int]:
    """From the block's top; lines whose ink would touch are set wider."""
    found = [padding + max(_ASCENT.of(pixels), lines[0].ascent)]
    for above, below in pairwise(lines):
        needed = above.descent + below.ascent + _AIR.of(pixels)
        found.append(found[-1] + max(_PITCH.of(pixels), needed))
    return found


def _line(text: str, font: Path, pixels: int, towards: str | None = None) -> Line:
    face = load(font, pixels)
    left, top, right, bottom = face.getbbox(text, anchor="ls", direction=towards)
    origin = max(0, ceil(-left))
    advance = ceil(face.getlength(text, direction=towards))
    return Line(
        text=text,
        font=font,
        direction=towards,
        width=origin + max(advance, ceil(right)),
        origin=origin,
        ascent=max(0, ceil(-top)),
        descent=max(0, ceil(bottom)),
    )


def _break(text: str, font: Path, pixels: int, towards: str | None, width: int) -> list[Line]:
    """A paragraph as the fewest lines of at most `width` pixels, all about equally long.

    It is broken at spaces alone; a line of one word may be wider.
    """

    def fill(limit: int) -> list[Line]:
        done: list[Line] = []
        words = text.split(" ")
        line = _line(words[0], font, pixels, towards)
        for word in words[1:]:
            longer = _line(f"{line.text} {word}", font, pixels, towards)
            if longer.width <= limit or not word or not line.text.strip(" "):
                line = longer  # spaces at a break hang on the line before it, and are cut below
            else:
                done.append(line)
                line = _line(word, font, pixels, towards)
        trimmed = [_line(line.text.rstrip(" "), font, pixels, towards) for line in done]
        return [*trimmed, line]

    count, narrow, wide = len(fill(width)), 0, width
    while wide - narrow > 1:
        middle = (narrow + wide) // 2
        if len(fill(middle)) > count:
            narrow = middle
        else:
            wide = middle
    return fill(wide)


# ------------------------------------------------------------------ painting


@dataclass(frozen=True)
class Sprite:
    """A block as pixels, in display light, to be blended with its corner `bleed` outside it.

    `rgb` is uint8 (height, width, 3), premultiplied by `alpha`, which is uint8 (height, width).
    The arrays are read-only and shared.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8]


def paint(block: Block) -> Sprite:
    """The sprite of a block: its letters over their outline over the box."""
    letters = _letters(block)
    layers = [(block.colour, letters)]
    if block.outline_colour.alpha:
        layers.append((block.outline_colour, _outline(letters, block.stroke)))
    if block.box.alpha:
        layers.append((block.box, _box(block)))
    clear = np.ones(letters.size, np.float32)
    weights, colours = [], []
    for colour, mask in layers:
        share = mask.reshape(-1) * np.float32(colour.alpha / 255 / 255)
        weights.append(clear * share)
        clear -= weights[-1]
        colours.append((colour.red, colour.green, colour.blue, 255))
    mixed = np.stack(weights, axis=1) @ np.array(colours, np.float32)
    pixels = np.rint(mixed).astype(np.uint8).reshape(*letters.shape, 4)
    rgb, alpha = pixels[..., :3].copy(), pixels[..., 3].copy()
    rgb.flags.writeable = alpha.flags.writeable = False
    return Sprite(rgb, alpha)


def _letters(block: Block) -> NDArray[np.uint8]:
    """How much of each pixel is covered by letters, 0 to 255, just as the engine draws them."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (block.width + 2 * block.bleed, block.height + 2 * block.bleed))
    pen = ImageDraw.Draw(mask)
    for line in block.lines:
        pen.text(
            (line.x + block.bleed, line.baseline + block.bleed),
            line.text,
            fill=255,
            font=load(line.font, block.pixels),
            anchor="ls",
            direction=line.direction,
        )
    return np.asarray(mask)


def _outline(letters: NDArray[np.uint8], stroke: float) -> NDArray[np.uint8]:
    """An edge that is firm at the letters and fades outwards: legible, and no cartoon."""
    import cv2

    # Of the strongest: in letters of few pixels none is covered wholly.
    outside = np.where(letters > letters.max() // 4, np.uint8(0), np.uint8(255))
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
    reach = np.float32(_REACH * stroke)
    fading = (reach - np.minimum(distance, reach)) / np.float32((_REACH - _FIRM) * stroke)
    np.minimum(fading, 1, out=fading)
    # Smoothstep: no visible rim where the shade starts and ends.
    return np.asarray(cv2.convertScaleAbs(fading * fading * (3 - 2 * fading), alpha=255))


def _box(block: Block) -> NDArray[np.uint8]:
    """A rectangle with slightly rounded corners, drawn large and averaged for smooth edges."""
    from PIL import Image, ImageDraw

    fine, radius = 4, 4 * _CORNER.of(block.pixels)
    width, height = fine * block.width, fine * block.height
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=255)
    return np.pad(np.asarray(mask.reduce(fine)), block.bleed)
