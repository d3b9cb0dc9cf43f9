"""Frames as the encoder takes them: BT.709 in limited range, or RGB.

The matrix and the range are stated: left to themselves the libraries use BT.601 and leave the film
untagged, which shows colours up to 40 levels wrong.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers, bands

if TYPE_CHECKING:
    from av import VideoFrame

    from timelapse.deliver.formats import Format

#: Primaries, transfer, matrix and range by their numbers in ITU-T H.273 (range: 1 limited, 2 full):
#: what films are tagged with, and what RGB pictures are (IEC 61966-2-1).
BT709 = (1, 1, 1, 1)
SRGB = (1, 13, 0, 2)
#: Shares of red, green and blue in luma (ITU-R BT.709-6, 3.2).
_LUMA = (0.2126, 0.7152, 0.0722)


def tags_of(pixels: str) -> tuple[int, int, int, int]:
    """The tags that pixels of a kind, by libavutil's name, have to have."""
    return BT709 if pixels.startswith("yuv") else SRGB


@cache
def _matrix(bits: int = 8, alpha: bool = False) -> NDArray[np.float32]:
    """R'G'B' (0-255; above 8 bits 0-65535) to Y'CbCr in limited range at so many bits, 3 x 4; with
    alpha, which takes no part, 3 x 5 (ITU-R BT.709-6, 3.2-3.5)."""
    red, green, blue = _LUMA
    y = np.array([red, green, blue])
    cb = (np.array([0, 0, 1]) - y) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - y) / (2 * (1 - red))
    step, full = 1 << (bits - 8), 255 if bits == 8 else 65535
    rows = np.stack([y * 219, cb * 224, cr * 224]) * step / full
    if alpha:
        rows = np.column_stack([rows, [0, 0, 0]])
    return np.column_stack([rows, [16 * step, 128 * step, 128 * step]]).astype(np.float32)


@cache
def _widened() -> NDArray[np.uint16]:
    """8 bits as 16."""
    return np.arange(256, dtype=np.uint16) * np.uint16(257)


@cache
def _narrowed(bits: int) -> NDArray[np.uint16]:
    """16 bits as so many, rounded to nearest."""
    top = (1 << bits) - 1
    return ((np.arange(65536, dtype=np.uint32) * top + 32767) // 65535).astype(np.uint16)


#: Shares of a pixel and its neighbours in the chroma that stands on it, where two pixels have one.
_COSITED = np.array([[0.25, 0.5, 0.25]], np.float32)


class Colours:
    """Turns RGB frames of one size (width, height; both even) into what the encoder of a format
    takes: planes of Y, Cb and Cr, and of alpha where there is one, or RGB.

    By OpenCV: a third of what swscale takes for the same planes within a level.  One object serves
    one thread; its buffers are used for every frame.
    """

    def __init__(self, size: tuple[int, int], format: Format | None = None) -> None:
        """The planes of `format`; H.264's where none is given."""
        width, height = size
        pixels = format.pixels if format else "yuv420p"
        self._pixels, self._bits = pixels, 10 if pixels.endswith("10le") else 8
        self._alpha = "a" in pixels
        self._bands = bands(height, width)
        self._buffers = Buffers()
        if not pixels.startswith("yuv"):
            return
        across, down = (1, 1) if "444" in pixels else (2, 1) if "422" in pixels else (2, 2)
        rows = 2 * height // (across * down)  # of both planes of chroma, as long as luma's
        lines = height + rows + height * self._alpha
        self._planes = np.empty((lines, width), np.uint8 if self._bits == 8 else np.uint16)
        chroma = self._planes[height : height + rows]
        self._luma = self._planes[:height]
        self._chroma = chroma.reshape(2, height // down, width // across)
        self._clear = self._planes[height + rows :]
        self._across, self._down = across, down

    def convert(self, frame: NDArray[Any]) -> NDArray[Any]:
        """A frame (H x W x 3, uint8, or uint16 for a format of more than 8 bits, RGB, display
        light; H x W x 4, uint8, straight alpha, for a format with alpha) as the encoder takes it.

        Planes stand one below the other in rows of W values: Y, then Cb and Cr, then alpha (full
        range).  Of 10 bits they are uint16.  Of RGB, H x W x 3 or 4.  The result is this object's
        own and holds until the next call, or is the frame.
        """
        import cv2

        if not self._pixels.startswith("yuv"):
            return self._packed(frame)
        for band in self._bands:
            rgb = frame[band]
            if self._bits > 8 and rgb.dtype == np.uint8:
                wide = self._buffers.take("wide", rgb.shape, np.uint16)
                rgb = cv2.LUT(rgb, _widened(), wide)
            mixed = self._buffers.take("mixed", (*rgb.shape[:2], 3), self._planes.dtype)
            cv2.transform(rgb, _matrix(self._bits, self._alpha), dst=mixed)
            cv2.extractChannel(mixed, 0, self._luma[band])
            chroma = self._chroma[:, band.start // self._down : band.stop // self._down]
            self._halve(mixed, chroma)
            if self._alpha:
                clear = self._clear[band]
                cv2.extractChannel(rgb, 3, clear)
                if self._bits > 8:
                    cv2.LUT(clear, _narrowed(self._bits), clear)
        return self._planes

    def _halve(self, mixed: NDArray[Any], chroma: NDArray[Any]) -> None:
        """Cb and Cr of a band, at as many places as the format has, into their planes."""
        import cv2

        height, width = chroma.shape[1:]
        if self._down == 2:
            # Of four pixels one value, in their middle.
            halved = self._buffers.take("halved", (height, width, 3), mixed.dtype)
            mixed = cv2.resize(mixed, (width, height), halved, 0, 0, cv2.INTER_AREA)
        for plane in (0, 1):
            if self._across == self._down:
                cv2.extractChannel(mixed, plane + 1, chroma[plane])
                continue
            # 4:2:2 has its chroma on every second pixel (ITU-R BT.709-6, 3.6), not between two.
            full = self._buffers.take("full", mixed.shape[:2], mixed.dtype)
            cv2.extractChannel(mixed, plane + 1, full)
            spread = self._buffers.take("spread", mixed.shape[:2], mixed.dtype)
            cv2.filter2D(full, -1, _COSITED, spread)
            np.copyto(chroma[plane], spread[:, ::2])

    def _packed(self, frame: NDArray[Any]) -> NDArray[Any]:
        import cv2

        if self._pixels == "bgra":
            how = cv2.COLOR_RGBA2BGRA if frame.shape[2] == 4 else cv2.COLOR_RGB2BGRA
            packed = self._buffers.take("packed", (*frame.shape[:2], 4))
            return cv2.cvtColor(frame, how, packed)
        if self._pixels == "rgb48be":
            packed = self._buffers.take("packed", frame.shape, np.uint16)
            if frame.dtype == np.uint8:
                np.multiply(frame, np.uint16(257), out=packed, dtype=np.uint16)
                frame = packed
            np.copyto(packed.view(">u2"), frame)
            return packed
        return np.ascontiguousarray(frame)


def video_frame(planes: NDArray[Any], pixels: str = "yuv420p") -> VideoFrame:
    """What `Colours` makes as a tagged video frame; it may look into the same memory."""
    from av import VideoFrame

    if pixels == "yuv420p":
        # PyAV 18 takes a buffer of 270 lines for one of 268: heights of 4n + 2 are copied instead.
        frames = VideoFrame.from_ndarray if len(planes) % 6 else VideoFrame.from_numpy_buffer
        frame = frames(planes, format=pixels)
    else:
        frame = _filled(planes, pixels)
    frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = tags_of(pixels)
    return frame


def _filled(planes: NDArray[Any], pixels: str) -> VideoFrame:
    from av import VideoFrame

    lines, width = planes.shape[:2]
    packed = planes.ndim == 3
    parts = 4 if packed else 6 if "444" in pixels else 4 if "422" in pixels else 3
    height = lines if packed else lines * 2 // (parts + 2 * ("a" in pixels))
    frame, left = VideoFrame(width, height, pixels), planes.reshape(-1).view(np.uint8)
    size = planes.dtype.itemsize * (planes.shape[2] if packed else 1)
    for plane in frame.planes:
        room = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        length, rows = plane.width * size, plane.height
        part, left = left[: length * rows], left[length * rows :]
        np.copyto(room[:rows, :length], part.reshape(rows, length))
    return frame
