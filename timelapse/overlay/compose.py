"""Where overlays stand, and their pixels over a frame.

Places are given once, when the compositor is made: the first cue keeps its own, a later one that
would touch one shown at the same time moves off it, up at the bottom, down elsewhere, and stays
there for all of its life.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import RenderError, TextError
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import Block, Canvas
from timelapse.overlay.glyphs import engine, short
from timelapse.overlay.style import Share
from timelapse.overlay.text import Sprite

_DRAWN_AS = 3  # raise it when the code of this stage draws the same inputs differently
_GAP = Share(1, 45)  # between two overlays, of the same side as sizes are
_OPAQUE = Fraction(1)
_SPRITES = 32  # kept ready; more are never seen at once
_LARGE = 1 << 19  # pixels: a quarter of a frame of 1080p
#: What moves stands at whole eighths of a pixel: finer is not seen, and costs new sprites.
_STEPS = 8


@dataclass(frozen=True)
class _Slot:
    """A cue with the block that holds whatever it shows, whose corner is at (x, y) in the frame."""

    cue: Cue
    canvas: Canvas
    block: Block
    x: int
    y: int

    def touches(self, other: _Slot, gap: int) -> bool:
        """Whether both are shown on some frame with less than `gap` pixels between them."""
        return (
            self.cue.start < other.cue.stop
            and other.cue.start < self.cue.stop
            and self.x < other.x + other.block.width + gap
            and other.x < self.x + self.block.width + gap
            and self.y < other.y + other.block.height + gap
            and other.y < self.y + self.block.height + gap
        )


@dataclass(frozen=True)
class _Shown:
    """A block as it is drawn on one frame: corner in eighths of a pixel, opacity."""

    block: Block
    x: int
    y: int
    opacity: Fraction

    @property
    def corner(self) -> tuple[int, int]:
        """The sprite's corner in whole pixels."""
        return self.x // _STEPS - self.block.bleed, self.y // _STEPS - self.block.bleed

    @property
    def between(self) -> tuple[int, int]:
        """How far the sprite is moved on from there, in eighths of a pixel."""
        return self.x % _STEPS, self.y % _STEPS


@dataclass(frozen=True)
class _Stamp:
    """A sprite made ready for blending: (frame x keep + ink) / 255."""

    keep: NDArray[np.uint8]  # (height, width, 3), 255 - alpha
    ink: NDArray[np.uint16]  # (height, width, 3), premultiplied, times 255


class Compositor:
    """Draws cues into frames of `size` (width, height).

    Making one settles where everything stands and raises TextError for a text that cannot be
    drawn or has no room; pixels are typeset when first drawn.  One compositor serves one thread.
    """

    def __init__(self, cues: Iterable[Cue], size: tuple[int, int]) -> None:
        self.size = size
        self._slots: dict[int, _Slot] = {}
        for number, cue in enumerate(cues):
            if cue.start < cue.stop:
                self._slots[number] = self._place(cue)
        # What is free of places is above all that is not.
        self._drawn = sorted(
            self._slots.values(), key=lambda slot: (slot.cue.order, slot.cue.path is not None)
        )
        # Of what is large, as a picture that moves is, only the newest is kept.
        self._small = lru_cache(maxsize=_SPRITES)(lambda block: block.paint())
        self._stamped = lru_cache(maxsize=_SPRITES)(lambda block: _stamp(block.paint()))
        self._large = lru_cache(maxsize=2)(lambda block: _stamp(block.paint()))
        self._scratch: dict[type, NDArray[Any]] = {}

    def boxes(self, frame: int) -> tuple[tuple[int, int, int, int], ...]:
        """The (x, y, width, height) of each overlay shown on a frame, in the order of drawing."""
        return tuple(
            (shown.x // _STEPS, shown.y // _STEPS, shown.block.width, shown.block.height)
            for shown in self._shown(frame)
        )

    def box_of(self, number: int) -> tuple[int, int, int, int]:
        """The (x, y, width, height) that is kept for a cue, by its number in those given."""
        slot = self._slots[number]
        return slot.x, slot.y, slot.block.width, slot.block.height

    def shows(self, frame: int) -> bool:
        """Whether anything is drawn on a frame."""
        return any(slot.cue.shows(frame) for slot in self._drawn)

    def draw(self, frame: NDArray[Any], n: int) -> None:
        """Blends what is shown on frame `n` into `frame`, in place, over its boxes only.

        `frame` is uint8 or uint16 (height, width, 3), RGB in display light, writeable.  Values are
        within 1 of 255 of frame x (1 - a) + colour x a.  RenderError for a frame of another shape
        or type.
        """
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype not in (np.uint8, np.uint16):
            raise RenderError(
                f"frame {n}: {frame.shape} of {frame.dtype} cannot be drawn into; give RGB bytes of"
                f" {width}x{height}, the size that the compositor was made for"
            )
        for shown in self._shown(n):
            # Stamps that fade or move are used once each; kept, they would push out the others.
            block, large = shown.block, shown.block.width * shown.block.height > _LARGE
            if shown.opacity == 1 and shown.between == (0, 0):
                stamp = self._large(block) if large else self._stamped(block)
            else:
                stamp = _stamp(self._sprite(shown), shown.opacity)
            self._blend(frame, stamp, *shown.corner)

    def draw_alone(self, n: int) -> NDArray[np.uint8]:
        """What is shown on frame `n`, alone: (height, width, 4), RGB in display light and straight
        alpha, clear where nothing is.  The array is the caller's."""
        width, height = self.size
        whole = np.zeros((height, width, 4), np.uint8)
        for shown in self._shown(n):
            sprite, (x, y) = self._sprite(shown), shown.corner
            share = np.float32(shown.opacity)
            inside = _inside(whole, sprite.alpha.shape, x, y)
            if inside is None:
                continue
            box, part = inside
            alpha = sprite.alpha[part].astype(np.float32) * share
            ink = np.dstack([sprite.rgb[part].astype(np.float32) * share, alpha])
            mixed = box * (1 - alpha / 255)[..., None] + ink
            np.rint(mixed, out=mixed)
            np.copyto(box, mixed, casting="unsafe")
        rows = np.flatnonzero(whole[..., 3].any(axis=1))
        if len(rows):
            band = whole[rows[0] : rows[-1] + 1]
            alpha = np.maximum(band[..., 3:], 1).astype(np.float32)
            straight = np.minimum(np.rint(band[..., :3] * (255 / alpha)), 255)
            np.copyto(band[..., :3], straight, casting="unsafe")
        return whole

    def signature(self, start: int, stop: int) -> str:
        """A hash of all that decides the overlays' pixels on the frames [start, stop).

        Equal signatures mean equal pixels, also of two clips, processes or machines; what is not
        shown there does not enter.
        """
        state = hashlib.blake2b(f"{_DRAWN_AS} {engine()} {self.size}".encode(), digest_size=20)
        for slot in self._drawn:
            first, last = max(start, slot.cue.start), min(stop, slot.cue.stop)
            if first >= last:
                continue
            state.update(f"|from {first - start}".encode())
            for shown, run in groupby(self._state(slot, n) for n in range(first, last)):
                words = f"|{shown.x} {shown.y} {shown.opacity} {shown.block.key()}"
                state.update(f"{words} {sum(1 for _ in run)}".encode())
        return state.hexdigest()

    # -------------------------------------------------------------- places

    def _place(self, cue: Cue) -> _Slot:
        what, canvas = cue.what, Canvas(self.size, cue.safe)
        block = what.lay(canvas, cue.place)
        if cue.path:
            return _Slot(cue, canvas, block, 0, 0)
        left, top, right, bottom = canvas.bounds(what.margin(canvas.side))
        x, y = (
            (low, (low + high - part) // 2, high - part)[towards + 1]
            for low, high, part, towards in (
                (left, right, block.width, cue.place.across),
                (top, bottom, block.height, cue.place.down),
            )
        )
        gap = _GAP.of(canvas.side)
        slot = _Slot(cue, canvas, block, x, y)
        placed = [other for other in self._slots.values() if not other.cue.path]
        while other := next((o for o in placed if slot.touches(o, gap)), None):
            y = (
                other.y - gap - block.height
                if cue.place.down > 0
                else other.y + other.block.height + gap
            )
            slot = replace(slot, y=y)
            if not top <= y <= bottom - block.height:
                raise TextError(
                    f"{short(what.words)}: no room left at {cue.place} beside what is shown at the"
                    f" same time, {short(other.cue.what.words)}; set another place, a shorter hold"
                    " or a smaller size"
                )
        return slot

    def _shown(self, n: int) -> Iterator[_Shown]:
        return (self._state(slot, n) for slot in self._drawn if slot.cue.shows(n))

    def _state(self, slot: _Slot, n: int) -> _Shown:
        cue, canvas = slot.cue, slot.canvas
        block = cue.what.on(n, slot.block, canvas, cue.place)
        x, y = cue.path(n, canvas, block) if cue.path else (slot.x, slot.y)
        right, down = cue.shift(n, canvas)
        eighths = (floor(value * _STEPS + 0.5) for value in (x + right, y + down))
        return _Shown(block, next(eighths), next(eighths), cue.opacity(n))

    # -------------------------------------------------------------- pixels

    def _sprite(self, shown: _Shown) -> Sprite:
        block = shown.block
        large = block.width * block.height > _LARGE
        sprite: Sprite = block.paint() if large else self._small(block)
        return _moved(sprite, *shown.between)

    def _blend(self, frame: NDArray[Any], stamp: _Stamp, x: int, y: int) -> None:
        import cv2

        inside = _inside(frame, stamp.keep.shape[:2], x, y)
        if inside is None:
            return
        box, part = inside
        keep, ink = stamp.keep[part], stamp.ink[part]
        if frame.dtype == np.uint8:
            wide = self._room(keep.shape, np.uint16)
            cv2.multiply(box, keep, dst=wide, dtype=cv2.CV_16U)
            cv2.add(wide, ink, dst=wide)
            cv2.convertScaleAbs(wide, dst=box, alpha=1 / 255)
            return
        # 16 bits: ink is of 255 x 255, a frame of 255 x 257.
        deep = self._room(keep.shape, np.float32)
        cv2.multiply(box, keep, dst=deep, scale=1 / 255, dtype=cv2.CV_32F)
        cv2.scaleAdd(ink.astype(np.float32), 257 / 255, deep, dst=deep)
        np.rint(deep, out=deep)
        np.copyto(box, deep, casting="unsafe")

    def _room(self, shape: tuple[int, ...], kind: type) -> NDArray[Any]:
        size = int(np.prod(shape))
        if kind not in self._scratch or self._scratch[kind].size < size:
            self._scratch[kind] = np.empty(size, kind)
        return self._scratch[kind][:size].reshape(shape)


def _inside(
    frame: NDArray[Any], shape: tuple[int, ...], x: int, y: int
) -> tuple[NDArray[Any], tuple[slice, slice]] | None:
    """The box of a frame that a sprite covers with its corner at (x, y), and the part of the
    sprite that does; None where it lies outside."""
    rows = slice(max(0, -y), min(shape[0], frame.shape[0] - y))
    columns = slice(max(0, -x), min(shape[1], frame.shape[1] - x))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    box = frame[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
    return box, (rows, columns)


def _moved(sprite: Sprite, right: int, down: int) -> Sprite:
    """A sprite moved on by eighths of a pixel."""
    import cv2

    if not right and not down:
        return sprite
    height, width = sprite.alpha.shape
    move = np.array([[1, 0, right / _STEPS], [0, 1, down / _STEPS]])
    size = (width + 1, height + 1)
    moved: Any = [cv2.warpAffine(part, move, size) for part in (sprite.rgb, sprite.alpha)]
    return Sprite(*moved)


def _stamp(sprite: Sprite, opacity: Fraction = _OPAQUE) -> _Stamp:
    import cv2

    share = np.float32(opacity)
    alpha = np.rint(sprite.alpha * share).astype(np.uint8)
    ink = np.rint(sprite.rgb * (share * 255)).astype(np.uint16)
    return _Stamp(np.asarray(cv2.merge([255 - alpha] * 3)), ink)
