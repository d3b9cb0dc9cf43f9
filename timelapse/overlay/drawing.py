"""What can be drawn over a frame, and how it is laid out: words, stacks of them, shapes.

A `Drawing` says what is shown; laid on a `Canvas` it becomes a `Block`, which has a size and knows
its pixels.  A block decides nothing, and equal keys of blocks mean equal pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import TextError
from timelapse.overlay import text as typeset
from timelapse.overlay.style import CLEAR, Colour, Place, Safe, Share, Style
from timelapse.overlay.text import Sprite

#: Shapes are drawn so many times as large, and averaged for smooth edges.
_FINE = 4


@dataclass(frozen=True)
class Canvas:
    """The frame that is drawn over: its size (width, height) and what is kept free of it."""

    size: tuple[int, int]
    safe: Safe = Safe()

    @property
    def side(self) -> int:
        """The length in pixels that sizes are shares of."""
        return min(self.size)

    def bounds(self, margin: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the room that is left by a margin, in pixels."""
        (width, height), safe = self.size, self.safe
        return (
            max(margin, safe.left.of(width)),
            max(margin, safe.top.of(height)),
            width - max(margin, safe.right.of(width)),
            height - max(margin, safe.bottom.of(height)),
        )

    def room(self, margin: int) -> tuple[int, int]:
        """Width and height of that room."""
        left, top, right, bottom = self.bounds(margin)
        return max(1, right - left), max(1, bottom - top)


class Block(Protocol):
    """A drawing as laid out: `width` x `height` pixels, with a sprite `bleed` larger all round."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def bleed(self) -> int: ...

    def __hash__(self) -> int: ...
    def key(self) -> str:
        """Equal keys mean equal sprites, on every machine with an equal `engine()`."""
        ...

    def paint(self) -> Sprite:
        """The pixels, which are shared and not to be changed."""
        ...


class Drawing(Protocol):
    """What a cue shows."""

    @property
    def words(self) -> str:
        """What it is called in an error: its text, where it has one."""
        ...

    def margin(self, side: int) -> int:
        """How far it stays from the edges of a frame with this `Canvas.side`, in pixels."""
        ...

    def lay(self, canvas: Canvas, place: Place) -> Block:
        """The block that holds whatever it comes to show.  TextError where it has no room."""
        ...

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        """The block on one frame, in the room of the one that was laid."""
        ...


# ------------------------------------------------------------------ words


@dataclass(frozen=True)
class Words:
    """A text; or one that runs, a function of the frame: then `widest` is a text as large as any
    of them, and room is kept for it, so that nothing moves while the text runs."""

    text: str | Callable[[int], str]
    style: Style
    widest: str = ""

    @property
    def words(self) -> str:
        return self.text if isinstance(self.text, str) else self.widest

    def text_at(self, frame: int) -> str:
        """The text on a frame."""
        return self.text if isinstance(self.text, str) else self.text(frame)

    def margin(self, side: int) -> int:
        return max(self.style.margin.of(side), typeset.bleed_of(self.style, side))

    def lay(self, canvas: Canvas, place: Place) -> typeset.Block:
        return self.within(canvas.room(self.margin(canvas.side)), canvas, place)

    def within(self, room: tuple[int, int], canvas: Canvas, place: Place) -> typeset.Block:
        """As `lay`, in less room."""
        runs = not isinstance(self.text, str)
        across = self.style.towards(place.across)
        return typeset.measure(self.words, self.style, canvas.side, room, across, wrap=not runs)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        if isinstance(self.text, str):
            return laid
        assert isinstance(laid, typeset.Block)
        across = self.style.towards(place.across)
        return _refilled(laid, self.text(frame), self.style, across)


#: A running text is asked for when its frame's key is made, and again when it is drawn.
_refilled = lru_cache(maxsize=512)(typeset.refill)


@dataclass(frozen=True)
class Stack:
    """Words below each other, as one, with `gap` between them, a share of the canvas's side.

    The first one's style says how all stand: margin, padding, box, and the bar of colour at its
    side.
    """

    parts: tuple[Words, ...]
    gap: Share = Share(1, 150)

    @property
    def words(self) -> str:
        return self.parts[0].words

    def margin(self, side: int) -> int:
        return max(part.margin(side) for part in self.parts)

    def lay(self, canvas: Canvas, place: Place) -> Stacked:
        style = self.parts[0].style
        pixels = style.size.of(canvas.side)
        padding = style.padding.of(pixels) if style.box.alpha else 0
        bar = max(2, pixels // 6) if style.accent.alpha else 0
        side = padding + bar
        room = canvas.room(self.margin(canvas.side))
        inner = (room[0] - padding - side, room[1] - 2 * padding)
        across = style.towards(place.across)
        blocks = []
        for part in self.parts:
            bare = replace(
                part, style=replace(part.style, box=CLEAR, accent=CLEAR, align=style.align)
            )
            blocks.append(bare.within(inner, canvas, place))
        gap, top, placed = self.gap.of(canvas.side), padding, list[Placed]()
        widest = max(block.width for block in blocks)
        for block in blocks:
            x = (padding if across > 0 else side) + (widest - block.width) * (across + 1) // 2
            placed.append(Placed(block, x, top))
            top += block.height + gap
        height = top - gap + padding
        if height > room[1]:
            raise TextError(
                f"{self.words!r}: its {len(blocks)} texts are higher than the frame; shorten them"
            )
        return Stacked(
            tuple(placed),
            widest + padding + side,
            height,
            max(block.bleed for block in blocks),
            style.box,
            Bar(style.accent, bar, across > 0) if bar else None,
        )

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        assert isinstance(laid, Stacked)
        parts = tuple(
            replace(at, block=part.on(frame, at.block, canvas, place))
            for part, at in zip(self.parts, laid.parts, strict=True)
        )
        return replace(laid, parts=parts)


def said(what: Drawing) -> Iterator[tuple[str, Style]]:
    """The text of a drawing, its lines below each other, with the style of the first; of one that
    has no text, or one that runs, nothing."""
    parts = what.parts if isinstance(what, Stack) else (what,)
    texts = [part.text for part in parts if isinstance(part, Words)]
    if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
        first = parts[0]
        assert isinstance(first, Words)
        yield "\n".join(map(str, texts)), first.style


@dataclass(frozen=True)
class Placed:
    """A block with its corner at (x, y) in another one."""

    block: Block
    x: int
    y: int


@dataclass(frozen=True)
class Bar:
    """A bar of colour at the left or right side of a box, `width` pixels wide."""

    colour: Colour
    width: int
    right: bool


@dataclass(frozen=True)
class Stacked:
    """Blocks in one, over a box."""

    parts: tuple[Placed, ...]
    width: int
    height: int
    bleed: int = 0
    box: Colour = CLEAR
    bar: Bar | None = None

    def key(self) -> str:
        inner = [(part.block.key(), part.x, part.y) for part in self.parts]
        return repr((inner, self.width, self.height, self.bleed, self.box, self.bar))

    def paint(self) -> Sprite:
        size = (self.width + 2 * self.bleed, self.height + 2 * self.bleed)
        layers: list[tuple[Sprite, int, int]] = []
        for colour, x, width in self._grounds():
            layers.append((flat(colour, width, self.height), x + self.bleed, self.bleed))
        for part in self.parts:
            off = self.bleed - part.block.bleed
            layers.append((part.block.paint(), part.x + off, part.y + off))
        return flattened(size, layers)

    def _grounds(self) -> Iterable[tuple[Colour, int, int]]:
        bar = self.bar
        if self.box.alpha:
            left = 0 if bar is None or bar.right else bar.width
            yield self.box, left, self.width - (bar.width if bar else 0)
        if bar:
            yield bar.colour, self.width - bar.width if bar.right else 0, bar.width


def flat(colour: Colour, width: int, height: int) -> Sprite:
    """A rectangle of one colour."""
    alpha = np.full((height, width), colour.alpha, np.uint8)
    share = colour.alpha / 255
    pixel = [round(value * share) for value in (colour.red, colour.green, colour.blue)]
    return Sprite(np.full((height, width, 3), pixel, np.uint8), alpha)


def flattened(size: tuple[int, int], layers: Iterable[tuple[Sprite, int, int]]) -> Sprite:
    """Sprites over each other, each with its corner at (x, y), as one of `size` (width, height);
    all have to lie inside."""
    whole = np.zeros((size[1], size[0], 4), np.float32)
    for sprite, x, y in layers:
        height, width = sprite.alpha.shape
        box = whole[y : y + height, x : x + width]
        box *= (1 - sprite.alpha.astype(np.float32) / 255)[..., None]
        box[..., :3] += sprite.rgb
        box[..., 3] += sprite.alpha
    return rounded(whole)


# ------------------------------------------------------------------ shapes


@dataclass(frozen=True)
class Stroke:
    """A line through points (x, y) in pixels, from edges and not from pixels' middles; closed and
    filled, where `width` is 0."""

    points: tuple[tuple[float, float], ...]
    colour: Colour
    width: float = 0.0


@dataclass(frozen=True)
class Disc:
    """A disc, or a ring `width` pixels wide (half inside, half outside)."""

    x: float
    y: float
    radius: float
    colour: Colour
    width: float = 0.0


@dataclass(frozen=True)
class Shapes:
    """Shapes over each other, as a block; what reaches beyond it is cut off."""

    marks: tuple[Stroke | Disc, ...]
    width: int
    height: int
    bleed: int = 0

    def key(self) -> str:
        return repr(self)

    def paint(self) -> Sprite:
        return _drawn(self)


@lru_cache(maxsize=32)
def _drawn(shapes: Shapes) -> Sprite:
    size = (shapes.width + 2 * shapes.bleed, shapes.height + 2 * shapes.bleed)
    whole = np.zeros((size[1], size[0], 4), np.float32)
    for mark in shapes.marks:
        colour = mark.colour
        cover = _cover(mark, size, shapes.bleed)
        cover *= np.float32(colour.alpha / 255 / 255)
        whole *= (1 - cover)[..., None]
        full = np.array((colour.red, colour.green, colour.blue, 255), np.float32)
        whole += cover[..., None] * full
    return rounded(whole)


def rounded(mixed: NDArray[np.float32]) -> Sprite:
    """A sprite of premultiplied RGB and alpha (H x W x 4, 0 to 255)."""
    pixels = np.rint(mixed).astype(np.uint8)
    return Sprite(pixels[..., :3].copy(), pixels[..., 3].copy())


def _cover(mark: Stroke | Disc, size: tuple[int, int], bleed: int) -> NDArray[np.float32]:
    """How much of each pixel a mark covers, 0 to 255."""
    import cv2

    fine = np.zeros((size[1] * _FINE, size[0] * _FINE), np.uint8)
    shift = 4  # OpenCV takes points in 16ths of a pixel, counted from a pixel's middle

    def at(*points: tuple[float, float]) -> NDArray[np.int32]:
        middles = (np.array(points) + bleed) * _FINE - 0.5
        return np.rint(middles * (1 << shift)).astype(np.int32)

    thick = max(1, round(mark.width * _FINE)) if mark.width else cv2.FILLED
    if isinstance(mark, Disc):
        centre: Any = at((mark.x, mark.y))[0].tolist()
        radius = round(mark.radius * _FINE * (1 << shift))
        cv2.circle(fine, centre, radius, 255, thick, cv2.LINE_AA, shift)
    elif mark.width:
        cv2.polylines(fine, [at(*mark.points)], False, 255, thick, cv2.LINE_AA, shift)
    else:
        cv2.fillPoly(fine, [at(*mark.points)], 255, cv2.LINE_AA, shift)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32)
