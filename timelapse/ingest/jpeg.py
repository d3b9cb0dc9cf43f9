"""JPEG: headers by Pillow, pixels by simplejpeg, which turns every complaint into an error."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest.exif import EXIF_IFD, Header, read_exif
from timelapse.ingest.find import chunks
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, same_size
from timelapse.machine import Buffers

#: Scales, in eighths, that cost no more than the next larger one (docs/decisions/0009).
_EIGHTHS = (1, 2, 3, 4)
#: Start of frame of the progressive processes, and start of scan (ITU-T T.81, table B.1).  Inside
#: entropy-coded data FF is never followed by the latter.
_PROGRESSIVE, _SCAN = (0xC2, 0xC6, 0xCA, 0xCE), b"\xff\xda"
_TAIL = 1 << 16


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the picture is known to go on to its end mark."""
    from PIL.JpegImagePlugin import JpegImageFile  # Image.open has a bound of its own

    scan, progressive = _scan_offset(stream)
    if scan is None or not _holds(stream, file, b"\xff\xd9", scan):
        raise StillError(str(file), CUT_SHORT)
    if progressive:
        stream.seek(scan)
        _bound_scans(1 + _count(stream, _SCAN), limits, str(file))
    stream.seek(0)
    with JpegImageFile(stream) as picture:
        tags = picture.getexif()
        exif = read_exif({**tags, **tags.get_ifd(EXIF_IFD)})
        return Header("jpeg", picture.size, 8, exif)


def _scan_offset(stream: BinaryIO) -> tuple[int | None, bool]:
    """Where the entropy-coded data starts (ITU-T T.81, B.1), None if the file ends before; and
    whether the picture comes in several scans.

    Thumbnails inside EXIF have an end marker of their own, which must not count.
    """
    stream.seek(2)
    progressive = False
    while len(marker := stream.read(4)) == 4:
        if marker[0] != 0xFF:
            return None, progressive
        if marker[1] == 0xFF:  # fill bytes may precede a marker
            stream.seek(-3, 1)
            continue
        stream.seek(int.from_bytes(marker[2:], "big") - 2, 1)
        progressive = progressive or marker[1] in _PROGRESSIVE
        if marker[1] == 0xDA:
            return stream.tell(), progressive
    return None, progressive


def _count(stream: BinaryIO, mark: bytes) -> int:
    """How often a mark of two bytes stands in the rest of a stream."""
    found, last = 0, b""
    for piece in chunks(stream):
        found += (last + piece).count(mark)
        last = piece[-1:]
    return found


def _bound_scans(scans: int, limits: Limits, name: str) -> None:
    if scans > limits.scans:
        bound = f"{limits.scans}; roll.limits.scans raises the bound"
        raise StillError(name, f"a progressive JPEG of {scans} scans, more than {bound}")


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


def pixels(
    data: bytes,
    name: str,
    size: tuple[int, int],
    limits: Limits,
    at_least: tuple[int, int],
    buffers: Buffers | None = None,
) -> Pixels:
    """RGB at the scale of `scaled`; at full scale it has to have the size `size`."""
    import simplejpeg

    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    same_size((width, height), size, name)
    if _scan_offset(BytesIO(data))[1]:  # counting goes through all of the file
        _bound_scans(data.count(_SCAN), limits, name)
    if space == "CMYK":
        return _cmyk(data)
    across, down = scaled(size, at_least)
    room = buffers.take("decoded", (down, across, 3)) if buffers else None
    rgb: Pixels = simplejpeg.decode_jpeg(
        data, "RGB", min_height=down, min_width=across, buffer=room, strict=True
    )
    return rgb


def scaled(size: tuple[int, int], at_least: tuple[int, int]) -> tuple[int, int]:
    """The size that a JPEG is decoded at: the smallest scale in eighths that has `at_least`."""
    scales = ((-(-size[0] * n // 8), -(-size[1] * n // 8)) for n in _EIGHTHS)
    return next((s for s in scales if s[0] >= at_least[0] and s[1] >= at_least[1]), size)


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
    from PIL.JpegImagePlugin import JpegImageFile

    verify(data)  # Pillow does not pass on what libjpeg warns of
    with JpegImageFile(BytesIO(data)) as picture:
        return np.array(picture.convert("RGB"))
