"""JPEG: headers by Pillow, pixels by simplejpeg, which turns every complaint into an error."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest.exif import EXIF_IFD, Header, read_exif
from timelapse.ingest.still import CUT_SHORT, File, Pixels

#: Scales at which libjpeg-turbo has fast code; 3/8 or 3/4 would be slower than their neighbours.
_DCT_SCALES = (8, 4, 2, 1)
_TAIL = 1 << 16


def header(stream: BinaryIO, file: File) -> Header:
    """The header, once the picture is known to go on to its end mark."""
    from PIL import Image

    scan = _scan_offset(stream)
    if scan is None or not _holds(stream, file, b"\xff\xd9", scan):
        raise StillError(str(file), CUT_SHORT)
    stream.seek(0)
    with Image.open(stream, formats=("JPEG",)) as picture:
        tags = picture.getexif()
        exif = read_exif({**tags, **tags.get_ifd(EXIF_IFD)})
        return Header("jpeg", picture.size, 8, exif)


def _scan_offset(stream: BinaryIO) -> int | None:
    """Where the entropy-coded data starts (ITU-T T.81, B.1); None if the file ends before.

    Thumbnails inside EXIF have an end marker of their own, which must not count.
    """
    stream.seek(2)
    while len(marker := stream.read(4)) == 4:
        if marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # fill bytes may precede a marker
            stream.seek(-3, 1)
            continue
        stream.seek(int.from_bytes(marker[2:], "big") - 2, 1)
        if marker[1] == 0xDA:
            return stream.tell()
    return None


def _holds(stream: BinaryIO, file: File, mark: bytes, start: int) -> bool:
    """Whether `mark` stands anywhere from `start` to the end, searched from the end."""
    stop = file.size
    while stop > start:
        begin = max(start, stop - _TAIL)
        stream.seek(begin)
        if mark in stream.read(stop - begin + len(mark) - 1):
            return True
        stop = begin
    return False


def pixels(data: bytes, at_least: tuple[int, int]) -> tuple[Pixels, tuple[int, int]]:
    """RGB at the smallest fast scale that has the size `at_least`, and the size at full scale."""
    import simplejpeg

    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    if space == "CMYK":
        return _cmyk(data), (width, height)
    scale = next(
        s
        for s in _DCT_SCALES
        if s == 1 or (-(-width // s) >= at_least[0] and -(-height // s) >= at_least[1])
    )
    rgb: Pixels = simplejpeg.decode_jpeg(
        data, "RGB", min_height=-(-height // scale), min_width=-(-width // scale), strict=True
    )
    return rgb, (width, height)


def verify(data: bytes) -> None:
    """Raises ValueError where libjpeg complains of the data; all of it is read, at 1/8 scale."""
    import simplejpeg

    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    simplejpeg.decode_jpeg(
        data,
        "CMYK" if space == "CMYK" else "RGB",
        min_height=-(-height // 8),
        min_width=-(-width // 8),
        strict=True,
    )


def _cmyk(data: bytes) -> Pixels:
    from PIL import Image

    verify(data)  # Pillow does not pass on what libjpeg warns of
    with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
        return np.array(picture.convert("RGB"))
