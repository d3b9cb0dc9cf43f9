"""Stills as pixels: decoded once, upright, at the smallest scale that suffices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import jpeg, png, tiff
from timelapse.ingest.find import Reader, refusing
from timelapse.ingest.still import Pixels, Still

_Decoder = Callable[[bytes, str], tuple[Pixels, tuple[int, int]]]
#: Those that know one scale only.
_FULL_SIZE: dict[str, _Decoder] = {"png": png.pixels, "tiff": tiff.pixels}


def decode(reader: Reader, still: Still, at_least: tuple[int, int]) -> Pixels:
    """The still as RGB in display light, H x W x 3, uint8 or (16-bit sources) uint16.

    It is upright (the EXIF orientation has been applied) and has at least the size `at_least`
    (width, height), if the still itself has; JPEGs come at the smallest power-of-two scale that
    gives this.  The array is new and the caller's.  Raises StillError where the file cannot be
    decoded without a complaint of the decoder: a half-decoded picture is none.
    """
    name = str(still.file)
    data = reader.read(still.file)
    turned = still.orientation >= 5
    with refusing(name, "cannot be decoded"):
        if still.kind == "jpeg":
            pixels, size = jpeg.pixels(data, at_least[::-1] if turned else at_least)
        else:
            pixels, size = _FULL_SIZE[still.kind](data, name)
    if size != (still.size[::-1] if turned else still.size):
        raise StillError(name, "has another size now than when it was scanned")
    return _upright(pixels, still.orientation)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Applies the EXIF orientation (Exif 2.32, 4.6.4 A)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
