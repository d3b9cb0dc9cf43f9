"""Frames as the encoder takes them: BT.709, limited range, 4:2:0.

The matrix and the range are stated: left to themselves the libraries use BT.601 and leave the film
untagged, which shows colours up to 40 levels wrong.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers, bands

if TYPE_CHECKING:
    from av import VideoFrame

#: Shares of red, green and blue in luma (ITU-R BT.709-6, 3.2).
_LUMA = (0.2126, 0.7152, 0.0722)


@cache
def _matrix() -> NDArray[np.float32]:
    """R'G'B' (0-255) to Y'CbCr in limited range, 3 x 4 (ITU-R BT.709-6, 3.2-3.5, at 8 bits)."""
    red, green, blue = _LUMA
    y = np.array([red, green, blue])
    cb = (np.array([0, 0, 1]) - y) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - y) / (2 * (1 - red))
    rows = np.stack([y * 219, cb * 224, cr * 224]) / 255
    return np.column_stack([rows, [16, 128, 128]]).astype(np.float32)


class Colours:
    """Turns RGB frames of one size (width, height; both even) into planes of Y, Cb and Cr.

    By OpenCV: a third of what swscale takes for the same planes within a level.  One object serves
    one thread; its buffers are used for every frame.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self._bands = bands(height, width)
        self._buffers = Buffers()
        self._planes = np.empty((height * 3 // 2, width), np.uint8)
        chroma = self._planes[height:].reshape(2, height // 2, width // 2)
        self._luma, self._chroma = self._planes[:height], chroma

    def convert(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An RGB frame (H x W x 3, uint8, display light) as its planes, one below the other:
        H x 3/2 rows of W bytes, Y, then Cb and Cr at half the size each way.

        The result is this object's own and holds until the next call.
        """
        import cv2

        for band in self._bands:
            rgb = frame[band]
            height, width = rgb.shape[0] // 2, rgb.shape[1] // 2
            mixed = self._buffers.take("mixed", rgb.shape)
            halved = self._buffers.take("halved", (height, width, 3))
            cv2.transform(rgb, _matrix(), dst=mixed)
            cv2.extractChannel(mixed, 0, self._luma[band])
            cv2.resize(mixed, (width, height), halved, 0, 0, cv2.INTER_AREA)
            for plane in (0, 1):
                rows = self._chroma[plane][band.start // 2 : band.stop // 2]
                cv2.extractChannel(halved, plane + 1, rows)
        return self._planes


def video_frame(planes: NDArray[np.uint8]) -> VideoFrame:
    """Planes as `Colours` makes them as a tagged video frame; it may look into the same memory."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace

    # PyAV 18 takes a buffer of 270 lines for one of 268: heights of 4n + 2 are copied instead.
    frames = VideoFrame.from_ndarray if len(planes) % 6 else VideoFrame.from_numpy_buffer
    frame = frames(planes, format="yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    return frame
