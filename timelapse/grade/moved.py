"""Moved: a still that is put right by a matrix before it is framed, all in one interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.layout import Border, Pair, centred
from timelapse.grade.lens import Lens
from timelapse.machine import Buffers

#: A 3 x 3 matrix, row by row.
Nine = tuple[float, ...]
#: What fills beside a still: the shorter side of what is blurred, and by how much.
_SMALL, _BLUR = 48, 1.5
#: A border as wide, in pixels of the still, is none.
_NOTHING = 1e-3


@dataclass(frozen=True)
class Moved:
    """How stills of one size become pictures of `size`: moved by `steady`, straightened by `lens`,
    then laid by `onto`.

    Both matrices take places to places, where pixel 0 reaches from 0 to 1: of the full-size still,
    and of the picture.
    """

    still: Pair
    steady: Nine
    lens: Lens | None
    onto: Nine
    size: Pair

    def apply(self, pixels: NDArray[Any], border: Border, buffers: Buffers | None) -> NDArray[Any]:
        """The picture (H x W x 3, of the dtype of `pixels`) of a still that was decoded to any
        size; it is that of `buffers`, where there are any.

        A cubic interpolation, because it keeps what is half a pixel off nearly as sharp as what is
        on one: the sharpness of a film that is held to fractions of a pixel does not flutter.
        """
        import cv2

        seen = self._looked(pixels, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE, buffers)
        if border in ("crop", "edge") or self._covered:
            return seen
        height, width = pixels.shape[:2]
        ones = np.ones((height, width), np.float32)
        share = self._looked(ones, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT, None)
        around = self._light(pixels) if border == "blur" else np.zeros_like(seen)
        return inside(seen, around, cv2.merge([share] * 3))  # type: ignore[arg-type]

    @property
    def _covered(self) -> bool:
        """Whether the still is known to reach to all of the picture's edges."""
        if self.lens:
            return False
        across, down = self.size
        corners = np.array([[0, 0, 1], [across, 0, 1], [across, down, 1], [0, down, 1]])
        x, y, w = np.linalg.inv(_square(self.onto) @ _square(self.steady)) @ corners.T
        beyond = np.maximum(-np.stack([x, y]) / w, np.stack([x, y]) / w - np.array([self.still]).T)
        return bool((beyond < _NOTHING).all())

    def _looked(
        self, pixels: NDArray[Any], how: int, edge: int, buffers: Buffers | None
    ) -> NDArray[Any]:
        import cv2

        height, width = pixels.shape[:2]
        fine = np.diag([width / self.still[0], height / self.still[1], 1])
        back = fine @ np.linalg.inv(_square(self.steady))
        shape = (*self.size[::-1], *pixels.shape[2:])
        room = buffers.take("warped", shape, pixels.dtype) if buffers else None
        if self.lens:
            maps = _straight(self.lens, self.onto, self.still, self.size)
            return cv2.remap(pixels, *_through(centred(back), *maps), how, room, edge)
        back = centred(back @ np.linalg.inv(_square(self.onto)))
        if np.abs(back[2] / back[2, 2] - [0, 0, 1]).max() < 1e-12:
            return cv2.warpAffine(
                pixels, back[:2] / back[2, 2], self.size, room, how | cv2.WARP_INVERSE_MAP, edge
            )
        return cv2.warpPerspective(pixels, back, self.size, room, how | cv2.WARP_INVERSE_MAP, edge)

    def _light(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The blurred light of a still, that of its edges carried on."""
        import cv2

        share = max(1.0, min(self.size) / _SMALL)
        across, down = (max(1, round(side / share)) for side in self.size)
        shrink = np.diag([across / self.size[0], down / self.size[1], 1])
        onto = tuple((shrink @ _square(self.onto)).ravel().tolist())
        small = Moved(self.still, self.steady, self.lens, onto, (across, down))
        scale = float(np.linalg.norm(_square(onto)[:2, 0])) * self.still[0] / pixels.shape[1]
        light = small.apply(shrunk(pixels, scale, 0.5), "edge", None)
        blurred = cv2.GaussianBlur(light, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
        return cv2.resize(blurred, self.size, interpolation=cv2.INTER_LINEAR)


def shrunk(pixels: NDArray[Any], scale: float, below: float) -> NDArray[Any]:
    """A still that is to be shown so many times as large; where that is `below` a limit it comes
    smaller, because an interpolation of a few pixels would miss what is between them."""
    import cv2

    if scale >= below:
        return pixels
    height, width = pixels.shape[:2]
    size = ceil(width * scale), ceil(height * scale)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def inside(seen: NDArray[Any], around: NDArray[Any], share: NDArray[np.float32]) -> NDArray[Any]:
    """One picture within another, mixed where its edge goes through a pixel."""
    import cv2

    depth = cv2.CV_8U if seen.dtype == np.uint8 else cv2.CV_16U
    inner = cv2.multiply(seen, share, dtype=depth)
    if not around.any():
        return inner
    outer = cv2.multiply(around, 1 - share, dtype=depth)
    return cv2.add(inner, outer)


def _square(nine: Nine) -> NDArray[np.float64]:
    return np.array(nine, np.float64).reshape(3, 3)


@lru_cache(maxsize=4)
def _straight(
    lens: Lens, onto: Nine, still: Pair, size: Pair
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return lens.maps(centred(_square(onto)), still, size)


def _through(
    back: NDArray[np.float64], x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where a matrix takes the places of two maps."""
    import cv2

    u, v, w = (cv2.addWeighted(x, row[0], y, row[1], row[2]) for row in back)
    if not back[2, :2].any():
        return u, v  # type: ignore[return-value]
    return cv2.divide(u, w), cv2.divide(v, w)  # type: ignore[return-value]
