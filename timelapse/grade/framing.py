"""Framing: how a still of any size fills a frame of one size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers
from timelapse.notation import Notation

#: Nothing larger is derived from the stills: what a phone, a browser and a projector all play.
COMFORTABLE = (1920, 1080)
LARGEST = 16384


class Size(Notation, NamedTuple("Size", [("width", int), ("height", int)])):
    """Width x height in pixels, both even (4:2:0 colour needs it): `1920x1080`."""

    examples: tuple[str, ...] = ("1920x1080", "3840x2160")

    @classmethod
    def read(cls, text: str) -> Size:
        found = re.fullmatch(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", text.lower())
        if not found:
            raise ValueError(f"{text!r} is not a size; write 1920x1080")
        width, height = int(found[1]), int(found[2])
        if width % 2 or height % 2:
            even = f"{width + width % 2}x{height + height % 2}"
            raise ValueError(f"{text}: both sides of a film have to be even; write {even}")
        if not (16 <= width <= LARGEST and 16 <= height <= LARGEST):
            raise ValueError(f"{text}: each side lies between 16 and {LARGEST} pixels")
        return cls(width, height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


Fit = Literal["pad", "crop"]


def natural_size(sizes: Mapping[tuple[int, int], int]) -> Size:
    """The frame size that a roll suggests: its commonest still size, brought down to fit into
    1920x1080 (or 1080x1920) in its own shape, both sides even."""
    width, height = max(sizes, key=lambda size: (sizes[size], size))
    longest, shortest = COMFORTABLE
    box = (longest, shortest) if width >= height else (shortest, longest)
    scale = min(Fraction(1), Fraction(box[0], width), Fraction(box[1], height))
    even = (max(16, int(side * scale) // 2 * 2) for side in (width, height))
    return Size(*even)


@dataclass(frozen=True)
class Framing:
    """Puts stills of any size and shape into frames of `size`.

    `pad` shows all of the still between black bars, `crop` fills the frame and cuts what stands
    over, evenly on both sides.  Where the shapes differ by less than two pixels (an odd height,
    say) the still is cut, never squeezed and never padded.
    """

    size: Size
    fit: Fit = "pad"

    def scaled(self, still: tuple[int, int]) -> tuple[int, int]:
        """The (width, height) to which a still of this size is scaled, before cut or padding."""
        across, down = Fraction(self.size.width, still[0]), Fraction(self.size.height, still[1])
        cover = max(across, down)
        standing_over = max(still[0] * cover - self.size.width, still[1] * cover - self.size.height)
        scale = cover if self.fit == "crop" or standing_over < 2 else min(across, down)
        return max(1, round(still[0] * scale)), max(1, round(still[1] * scale))

    def apply(self, pixels: NDArray[Any], buffers: Buffers | None = None) -> NDArray[Any]:
        """A still (H x W x 3, uint8 or uint16, display light) as a frame of `size`, same dtype.

        The result looks into the input where nothing has to be scaled or padded; else it is new,
        or that of `buffers` until they are used for another still.  It is not always contiguous.
        """
        import cv2

        height, width = pixels.shape[:2]
        target = self.scaled((width, height))
        if target != (width, height):
            # Beyond 2:1 a linear filter would alias; JPEGs never get here with more than that.
            shrinks = width > 2 * target[0] or height > 2 * target[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            room = buffers.take("scaled", (*target[::-1], 3), pixels.dtype) if buffers else None
            pixels = cv2.resize(pixels, target, room, interpolation=how)
        left, top = target[0] - self.size.width, target[1] - self.size.height
        if left > 0 or top > 0:
            x, y = max(0, left) // 2, max(0, top) // 2
            pixels = pixels[y : y + self.size.height, x : x + self.size.width]
        if left < 0 or top < 0:
            frame = np.zeros((self.size.height, self.size.width, 3), pixels.dtype)
            x, y = max(0, -left) // 2, max(0, -top) // 2
            frame[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
            pixels = frame
        return pixels
