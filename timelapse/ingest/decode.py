"""Stills as pixels: decoded once, upright, at the smallest scale that suffices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.ingest.find import Reader
from timelapse.ingest.still import Still

#: Scales at which libjpeg-turbo has fast code; 3/8 or 3/4 would be slower than their neighbours.
_DCT_SCALES = (8, 4, 2, 1)

Pixels = NDArray[Any]


def decode(reader: Reader, still: Still, at_least: tuple[int, int]) -> Pixels:
    """The still as RGB in display light, H x W x 3, uint8 or (16-bit sources) uint16.

    It is upright (the EXIF orientation has been applied) and has at least the size `at_least`
    (width, height), if the still itself has; JPEGs come at the smallest power-of-two scale that
    gives this.  The array is new and the caller's.  Raises StillError where the file cannot be
    decoded without a complaint of the decoder: a half-decoded picture is none.
    """
    data = reader.read(still.file)
    if still.orientation >= 5:
        at_least = at_least[::-1]
    pixels = _jpeg(data, still, at_least) if still.kind == "jpeg" else _other(data, still)
    return _upright(pixels, still.orientation)


def _jpeg(data: bytes, still: Still, at_least: tuple[int, int]) -> Pixels:
    import simplejpeg

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _check_unchanged(still, width, height)
        if space == "CMYK":
            return _cmyk(data)
        scale = next(
            s
            for s in _DCT_SCALES
            if s == 1 or (-(-width // s) >= at_least[0] and -(-height // s) >= at_least[1])
        )
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, "RGB", min_height=-(-height // scale), min_width=-(-width // scale), strict=True
        )
    except (ValueError, OSError) as error:
        raise StillError(str(still.file), f"cannot be decoded: {error}") from error
    return pixels


def _cmyk(data: bytes) -> Pixels:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
        return np.array(picture.convert("RGB"))


def _other(data: bytes, still: Still) -> Pixels:
    import cv2

    # Not IMREAD_COLOR_RGB: OpenCV 5.0 gives 16-bit TIFFs as BGR all the same.
    flags = cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise StillError(str(still.file), f"cannot be decoded: {error.err}") from error
    if pixels is None:
        raise StillError(str(still.file), "cannot be decoded: damaged, or of an unknown variety")
    _check_unchanged(still, pixels.shape[1], pixels.shape[0])
    if pixels.dtype not in (np.uint8, np.uint16):
        raise StillError(str(still.file), f"has {pixels.dtype} samples; 8 or 16 bit can be used")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, pixels)


def _check_unchanged(still: Still, width: int, height: int) -> None:
    if (width, height) != (still.size if still.orientation < 5 else still.size[::-1]):
        raise StillError(str(still.file), "has another size now than when it was scanned")


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Applies the EXIF orientation (Exif 2.32, 4.6.4 A)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
