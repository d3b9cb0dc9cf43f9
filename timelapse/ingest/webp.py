"""WebP: its chunks walked here (RFC 9649), its pixels by libwebp.

Lossy WebP carries no checksum: a changed value in it passes for a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import count as count_from
from typing import BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import icc
from timelapse.ingest.exif import Header, exif_of
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, beyond, same_size

_ANIMATED = 2


def _chunks(
    stream: BinaryIO, size: int, limits: Limits, name: str
) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of every chunk; StillError where the file ends before the last."""
    stream.seek(4)
    stop, at = 8 + int.from_bytes(stream.read(4), "little"), 12
    if stop > size:
        raise StillError(name, CUT_SHORT)
    for count in count_from(1):
        if at + 8 > stop:
            return
        if count > limits.tags:
            raise StillError(name, f"a WebP of {beyond('tags', limits.tags, 'chunks')}")
        stream.seek(at)
        head = stream.read(8)
        length = int.from_bytes(head[4:], "little")
        if at + 8 + length > stop:
            raise StillError(name, CUT_SHORT)
        yield head[:4], at + 8, length
        at += 8 + length + length % 2


def _size(kind: bytes, head: bytes, name: str) -> tuple[int, int]:
    """(width, height) by the first bytes of a chunk that holds pixels."""
    if kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":  # RFC 6386, 9.1
        sides = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return next(sides), next(sides)
    if kind == b"VP8L" and head[:1] == b"\x2f":  # RFC 9649, 3.4
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise StillError(name, "corrupt header: its pixels do not start as they should")


def _look(
    stream: BinaryIO, size: int, limits: Limits, name: str
) -> tuple[tuple[int, int], bytes, bytes]:
    """The size of the picture, its EXIF and its profile."""
    found: tuple[int, int] | None = None
    metadata = {b"EXIF": b"", b"ICCP": b""}
    for kind, start, length in _chunks(stream, size, limits, name):
        stream.seek(start)
        if (kind == b"VP8X" and stream.read(1)[0] & _ANIMATED) or kind == b"ANMF":
            raise StillError(name, "a moving WebP; a still is one picture")
        if kind in metadata:
            if length > limits.metadata:
                bound = beyond("metadata", limits.metadata, "bytes")
                raise StillError(name, f"what describes the picture is {bound}")
            metadata[kind] = stream.read(length)
        elif kind in (b"VP8 ", b"VP8L") and found is None:
            found = _size(kind, stream.read(10), name)
    if found is None:
        raise StillError(name, "holds no picture")
    return found, metadata[b"EXIF"], metadata[b"ICCP"]


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the chunks are known to go on to the last; no pixel is decoded."""
    size, exif, profile = _look(stream, file.size, limits, str(file))
    return Header("webp", size, 8, icc.noted(exif_of(exif, limits), profile))


def pixels(data: bytes, name: str, size: tuple[int, int], limits: Limits) -> Pixels:
    """sRGB of 8 bits at full size, which has to be `size`; raises on damage.  Alpha is dropped."""
    import imagecodecs

    now, _, profile = _look(BytesIO(data), len(data), limits, name)
    same_size(now, size, name)
    rgb: Pixels = imagecodecs.webp_decode(data)
    return icc.to_srgb(np.ascontiguousarray(rgb[..., :3]), profile)
