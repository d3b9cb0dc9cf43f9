"""Where overlays stand, and their pixels over a frame.

Places are given once, when the compositor is made: the first cue keeps its own, a later one that
would touch one shown at the same time moves off it, up at the bottom, down elsewhere, and stays
there for all of its life.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import RenderError, TextError
from timelapse.overlay.glyphs import engine, short
from timelapse.overlay.layers import Cue
from timelapse.overlay.style import Share
from timelapse.overlay.text import Block, bleed_of, measure, paint, refill

_DRAWN_AS = 1  # raise it when the code of this stage draws the same inputs differently
_GAP = Share(1, 45)  # between two overlays, of the same side as sizes are
_OPAQUE = Fraction(1)
_SPRITES = 32  # kept typeset; more are never seen at once


@dataclass(frozen=True)
class _Slot:
    """A cue with its block, the block's corner at (x, y) in the frame."""

    cue: Cue
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
        self._side = min(size)
        self._slots: list[_Slot] = []
        for cue in cues:
            if cue.start < cue.stop:
                self._slots.append(self._place(cue))
        self._measured = lru_cache(maxsize=_SPRITES)(self._measure_running)
        self._painted = lru_cache(maxsize=_SPRITES)(paint)
        self._stamped = lru_cache(maxsize=_SPRITES)(self._stamp)
        self._scratch = np.empty(0, np.uint16)

    def boxes(self, frame: int) -> tuple[tuple[int, int, int, int], ...]:
        """The (x, y, width, height) of each overlay shown on a frame, in the order of drawing."""
        return tuple(
            (slot.x, slot.y, slot.block.width, slot.block.height)
            for slot in self._slots
            if slot.cue.shows(frame)
        )

    def shows(self, frame: int) -> bool:
        """Whether anything is drawn on a frame."""
        return any(slot.cue.shows(frame) for slot in self._slots)

    def draw(self, frame: NDArray[np.uint8], n: int) -> None:
        """Blends what is shown on frame `n` into `frame`, in place, over its boxes only.

        `frame` is uint8 (height, width, 3), RGB in display light, writeable.  Values are
        within 1 of round(frame x (1 - a) + colour x a).  RenderError for a frame of
        another shape or type.
        """
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise RenderError(
                f"frame {n}: {frame.shape} of {frame.dtype} cannot be drawn into; give RGB bytes of"
                f" {width}x{height}, the size that the compositor was made for"
            )
        for at, slot in enumerate(self._slots):
            if slot.cue.shows(n):
                block = self._block(at, n)
                opacity = slot.cue.opacity(n)
                # Stamps that fade are used once each; kept, they would push out the others.
                stamp = self._stamped(block) if opacity == 1 else self._stamp(block, opacity)
                self._blend(frame, stamp, slot.x - block.bleed, slot.y - block.bleed)

    def signature(self, start: int, stop: int) -> str:
        """A hash of all that decides the overlays' pixels on the frames [start, stop).

        Equal signatures mean equal pixels, also of two clips, processes or machines; what is not
        shown there does not enter.
        """
        state = hashlib.blake2b(f"{_DRAWN_AS} {engine()} {self.size}".encode(), digest_size=20)
        for at, slot in enumerate(self._slots):
            first, last = max(start, slot.cue.start), min(stop, slot.cue.stop)
            if first >= last:
                continue
            state.update(f"|{slot.x} {slot.y} from {first - start}".encode())
            shown = ((slot.cue.opacity(n), self._block(at, n)) for n in range(first, last))
            for (opacity, block), run in groupby(shown):
                state.update(f"|{opacity} {block.key()} {sum(1 for _ in run)}".encode())
        return state.hexdigest()

    # -------------------------------------------------------------- places

    def _place(self, cue: Cue) -> _Slot:
        width, height = self.size
        margin = max(cue.style.margin.of(self._side), bleed_of(cue.style, self._side))
        room = (width - 2 * margin, height - 2 * margin)
        runs = not isinstance(cue.text, str)
        text = cue.widest if runs else cue.text_at(cue.start)
        block = measure(text, cue.style, self._side, room, cue.place.across, wrap=not runs)
        x, y = (
            (margin, (whole - part) // 2, whole - margin - part)[towards + 1]
            for whole, part, towards in (
                (width, block.width, cue.place.across),
                (height, block.height, cue.place.down),
            )
        )
        gap = _GAP.of(self._side)
        slot = _Slot(cue, block, x, y)
        while other := next((o for o in self._slots if slot.touches(o, gap)), None):
            y = (
                other.y - gap - block.height
                if cue.place.down > 0
                else other.y + other.block.height + gap
            )
            slot = _Slot(cue, block, x, y)
            if not margin <= y <= height - margin - block.height:
                raise TextError(
                    f"{short(text)}: no room left at {cue.place} beside what is shown at the same"
                    f" time, {short(other.cue.text_at(other.cue.start))}; set another place, a"
                    " shorter hold or a smaller size"
                )
        return slot

    def _block(self, at: int, n: int) -> Block:
        slot = self._slots[at]
        return (
            slot.block if isinstance(slot.cue.text, str) else self._measured(at, slot.cue.text(n))
        )

    def _measure_running(self, at: int, text: str) -> Block:
        cue, block = self._slots[at].cue, self._slots[at].block
        return refill(block, text, cue.style, cue.place.across)

    # -------------------------------------------------------------- pixels

    def _blend(self, frame: NDArray[np.uint8], stamp: _Stamp, x: int, y: int) -> None:
        import cv2

        height, width, _ = stamp.keep.shape
        if self._scratch.size < stamp.keep.size:
            self._scratch = np.empty(stamp.keep.size, np.uint16)
        wide = self._scratch[: stamp.keep.size].reshape(height, width, 3)
        box = frame[y : y + height, x : x + width]
        cv2.multiply(box, stamp.keep, dst=wide, dtype=cv2.CV_16U)
        cv2.add(wide, stamp.ink, dst=wide)
        cv2.convertScaleAbs(wide, dst=box, alpha=1 / 255)

    def _stamp(self, block: Block, opacity: Fraction = _OPAQUE) -> _Stamp:
        import cv2

        sprite, share = self._painted(block), np.float32(opacity)
        alpha = np.rint(sprite.alpha * share).astype(np.uint8)
        ink = np.rint(sprite.rgb * (share * 255)).astype(np.uint16)
        return _Stamp(np.asarray(cv2.merge([255 - alpha] * 3)), ink)
