"""Stills as pixels: decoded once, upright, at the smallest scale that suffices."""

from __future__ import annotations

from math import prod

import numpy as np

from timelapse.ingest import heif, jpeg, png, raw, tiff, video, webp
from timelapse.ingest.find import Reader
from timelapse.ingest.regular import refusing
from timelapse.ingest.still import Limits, Pixels, Still
from timelapse.machine import Buffers

#: How many pictures decoding holds at once, where it is not two: libheif keeps the planes, LibRaw
#: the sensor's values and four of them a pixel, FFmpeg the frames that others lean on.
_COPIES: dict[str, float] = {"heic": 4, "raw": 4, "video": 12}


def decode(reader: Reader, still: Still, at_least: tuple[int, int]) -> Pixels:
    """The still as sRGB in display light, H x W x 3, uint8 or (16-bit sources) uint16.

    It is upright (the EXIF orientation has been applied) and has at least the size `at_least`
    (width, height), if the still itself has; JPEGs come at the smallest scale in eighths that
    gives this and costs hardly more than a larger one, RAW at half its size where that gives it.
    The array is new and the caller's.  Raises StillError where the file cannot be decoded without a
    complaint of the decoder: a half-decoded picture is none, unless the still is `damaged`.
    """
    return decode_bytes(reader.read(still.file), still, at_least, reader.limits)


def decode_bytes(
    data: bytes,
    still: Still,
    at_least: tuple[int, int],
    limits: Limits,
    buffers: Buffers | None = None,
) -> Pixels:
    """The same for a file's bytes that are at hand.

    With `buffers` the array may be theirs, and holds until they are used for another still.
    """
    name = str(still.file)
    size = _stored(still, still.size)
    wanted = _stored(still, at_least)
    with refusing(name, "cannot be decoded"):
        match still.kind:
            case "jpeg":
                strict = not still.damaged
                pixels = jpeg.pixels(data, name, size, limits, wanted, buffers, strict=strict)
            case "png":
                pixels = png.pixels(data, name, size, limits)
            case "webp":
                pixels = webp.pixels(data, name, size, limits)
            case "heic":
                pixels = heif.heic_pixels(data, name, size)
            case "avif":
                pixels = heif.avif_pixels(data, name, size)
            case "raw":
                tiff.verify_raw(data, name)
                pixels = raw.pixels(data, name, size, wanted)
            case "video":
                pixels = video.pixels(data, name, size, still.bits)
            case _:
                pixels = tiff.pixels(data, name, size, limits)
    return _upright(pixels, still.orientation)


def decoded_size(still: Still, at_least: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) at which a still of at least that size is decoded, upright."""
    size, wanted = _stored(still, still.size), _stored(still, at_least)
    if still.kind == "jpeg":
        size = jpeg.scaled(size, wanted)
    elif still.kind == "raw" and raw.half(size, wanted):
        size = size[0] // 2, size[1] // 2
    return _stored(still, size)


def decoding_memory(still: Still, at_least: tuple[int, int]) -> int:
    """About how many bytes decoding a still takes, its file among them."""
    size, wanted = _stored(still, still.size), _stored(still, at_least)
    copies = _COPIES.get(still.kind, 2)
    if still.kind == "jpeg":
        size, copies = jpeg.scaled(size, wanted), 1 + (still.orientation > 1)
    elif still.kind == "raw" and raw.half(size, wanted):
        copies /= 2  # a pixel for four of the sensor, whose own values stay in memory as well
    file = 0 if still.file.frame else still.file.size
    return int(copies * prod(size) * 3 * (still.bits // 8)) + file


def _stored(still: Still, size: tuple[int, int]) -> tuple[int, int]:
    """A (width, height) as it is seen, as it is stored."""
    return size[::-1] if still.orientation >= 5 else size


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Applies the EXIF orientation (Exif 2.32, 4.6.4 A)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
