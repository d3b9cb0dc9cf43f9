"""Text to pixels: how a text is broken and set, and its sprite.

`measure` decides everything about a text and gives a `Block`; `paint` turns a block into a
`Sprite` and decides nothing.  A text is drawn exactly as the layout engine draws the runs of its
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
from timelapse.overlay.glyphs import digest, load, shapes, short
from timelapse.overlay.lines import TABULAR, Hand, Line, broken, set_line
from timelapse.overlay.runs import fonts_for
from timelapse.overlay.style import CLEAR, Colour, Share, Style

# A line's measure in shares of the em.  The letters' own ink may ask for more, never for less, so
# that labels with and without descenders stand on the same baseline.
_ASCENT, _DESCENT, _PITCH, _AIR = Share(19, 25), Share(6, 25), Share(13, 10), Share(1, 10)
_CORNER = Share(3, 20)  # radius of a box's corners, of the em
# The outline: full up to _FIRM strokes from the letters, clear from _REACH strokes on.
_FIRM, _REACH = 0.2, 2.6
# A shadow falls _DOWN of its blur below the letters, and is gone _FAR of it from there.
_DOWN, _FAR = 0.35, 2.0
_SHRINK = 4  # a text may shrink to this fraction of its size before it is refused


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
    shadow: float = 0.0  # how far it is blurred, in pixels
    shadow_colour: Colour = CLEAR

    def key(self) -> str:
        """Equal keys mean equal sprites, on every machine with an equal `engine()`."""
        fonts = [digest(run.font) for line in self.lines for run in line.runs]
        nameless = tuple(
            replace(line, runs=tuple(replace(run, font=Path()) for run in line.runs))
            for line in self.lines
        )
        return repr((fonts, replace(self, lines=nameless)))

    def paint(self) -> Sprite:
        """See `paint`."""
        return paint(self)


def bleed_of(style: Style, side: int) -> int:
    """How far in pixels a sprite in this style reaches beyond its block, at most."""
    pixels = style.size.of(side)
    return _bleed(float(style.outline * pixels), float(style.shadow * pixels))


def _bleed(stroke: float, shadow: float = 0.0) -> int:
    return 1 + ceil(max(_REACH * stroke, (_FAR + _DOWN) * shadow))


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
    left, middle or right as `across` is -1, 0 or 1.  With `wrap`, a line too wide is broken into
    lines of about equal length; where that does not do, all letters shrink.  Without it, as for a
    text that runs, lines stand as they are, and digits are of one width.

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
        pixels = _smaller(text, pixels, nominal, pixels * max(0, inner) // max(1, widest))
    baselines = _baselines(lines, pixels, padding)
    height = baselines[-1] + max(_DESCENT.of(pixels), lines[-1].descent) + padding
    if height > room[1]:
        raise TextError(
            f"{short(text)}: its {len(lines)} lines are higher than the frame; shorten it, or"
            " set a smaller size"
        )
    stroke, shadow = float(style.outline * pixels), float(style.shadow * pixels)
    return Block(
        lines=_aligned(lines, baselines, padding, widest, across),
        pixels=pixels,
        width=widest + 2 * padding,
        height=height,
        padding=padding,
        bleed=_bleed(stroke, shadow),
        stroke=stroke,
        colour=style.colour,
        outline_colour=style.outline_colour if stroke else CLEAR,
        box=style.box,
        shadow=shadow,
        shadow_colour=style.shadow_colour if shadow else CLEAR,
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
    """The lines of a text, broken where they would be wider than `width`; without it, of a text
    that runs."""
    lines: list[Line] = []
    spacing = float(style.spacing * pixels)
    features = (TABULAR,) if width is None and shapes() else ()
    for paragraph in text.split("\n"):
        fonts = fonts_for(paragraph, (style.font, *style.fallbacks))
        hand = Hand(fonts, pixels, spacing, features)
        whole = set_line(paragraph, hand)
        if width is None or whole.width <= max(0, width):
            lines.append(whole)
        else:
            lines += broken(paragraph, hand, width)
    return lines


def _baselines(lines: list[Line], pixels: int, padding: int) -> list[int]:
    """From the block's top; lines whose ink would touch are set wider."""
    found = [padding + max(_ASCENT.of(pixels), lines[0].ascent)]
    for above, below in pairwise(lines):
        needed = above.descent + below.ascent + _AIR.of(pixels)
        found.append(found[-1] + max(_PITCH.of(pixels), needed))
    return found


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
    if block.shadow_colour.alpha:
        layers.append((block.shadow_colour, _shadow(letters, block.shadow)))
    if block.box.alpha:
        layers.append((block.box, _box(block)))
    clear = np.ones(letters.shape, np.float32)
    mixed = np.zeros((*letters.shape, 4), np.float32)
    for colour, mask in layers:
        weight = clear * (mask * np.float32(colour.alpha / 255 / 255))
        clear -= weight
        full = np.array((colour.red, colour.green, colour.blue, 255), np.float32)
        mixed += weight[..., None] * full
    pixels = np.rint(mixed).astype(np.uint8)
    rgb, alpha = pixels[..., :3].copy(), pixels[..., 3].copy()
    rgb.flags.writeable = alpha.flags.writeable = False
    return Sprite(rgb, alpha)


def _letters(block: Block) -> NDArray[np.uint8]:
    """How much of each pixel is covered by letters, 0 to 255, just as the engine draws them."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (block.width + 2 * block.bleed, block.height + 2 * block.bleed))
    pen = ImageDraw.Draw(mask)
    for line in block.lines:
        for run in line.runs:
            pen.text(
                (line.x + run.x + block.bleed, line.baseline + block.bleed),
                run.text,
                fill=255,
                font=load(run.font, block.pixels),
                anchor="ls",
                direction=run.direction,
                features=list(run.features) or None,
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


def _shadow(letters: NDArray[np.uint8], blur: float) -> NDArray[np.uint8]:
    """A soft shade that falls a little below the letters; full under them."""
    import cv2

    move = np.array([[1, 0, 0], [0, 1, _DOWN * blur]])
    wide = cv2.dilate(
        letters, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ceil(blur / 3) + 1,) * 2)
    )
    moved = cv2.warpAffine(wide, move, letters.shape[::-1])
    return np.asarray(cv2.convertScaleAbs(cv2.GaussianBlur(moved, (0, 0), blur / 2), alpha=1.4))


def _box(block: Block) -> NDArray[np.uint8]:
    """A rectangle with slightly rounded corners, drawn large and averaged for smooth edges."""
    from PIL import Image, ImageDraw

    fine, radius = 4, 4 * _CORNER.of(block.pixels)
    width, height = fine * block.width, fine * block.height
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=255)
    return np.pad(np.asarray(mask.reduce(fine)), block.bleed)
