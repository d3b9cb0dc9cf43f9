"""PNG: chunks walked and checked here, so that nothing is left for libpng to complain of.

libpng writes its complaints to stderr, where no program hears them, and goes on after the lesser
ones.  Pixels are therefore taken from a picture that is built anew from checked parts.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from types import ModuleType
from typing import BinaryIO, NamedTuple

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import icc
from timelapse.ingest.exif import Header, exif_of
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, beyond, same_size

MAGIC = b"\x89PNG\r\n\x1a\n"
#: Samples a pixel and the depths allowed, by colour type (PNG, third edition, table 8).
_COLOURS = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
_PALETTE = 3
#: First column and row, and their steps, of the seven passes of Adam7 (ibid., 8.1).
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip
_PROFILE = b"Raw profile type exif"
#: Chunks of fewer bytes are counted: no encoder cuts its pixels into many of them.
_SMALL = 1 << 12


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    length: int


class _Layout(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filter: int
    interlace: int

    def passes(self) -> Iterator[tuple[int, int]]:
        """Rows, and bytes a row without its filter byte, of each pass that is not empty."""
        bits = self.depth * _COLOURS[self.colour][0]
        for x, y, dx, dy in _ADAM7 if self.interlace else ((0, 0, 1, 1),):
            columns, rows = -(-(self.width - x) // dx), -(-(self.height - y) // dy)
            if columns > 0 and rows > 0:
                yield rows, -(-columns * bits // 8)


def _chunks(stream: BinaryIO, size: int, limits: Limits, name: str) -> Iterator[_Chunk]:
    """All chunks up to IEND; raises StillError where the file ends before it, and where chunks that
    hold no pixels ask for too much."""
    at, small, metadata = len(MAGIC), 0, 0
    while True:
        stream.seek(at)
        head = stream.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or at + 12 + length > size:
            raise StillError(name, CUT_SHORT)
        if not kind.isalpha():
            raise StillError(name, "damaged: its chunks do not follow one another")
        small += length < _SMALL
        metadata += length if kind != b"IDAT" else 0
        if small > limits.tags:
            raise StillError(name, f"a PNG of {beyond('tags', limits.tags, 'small chunks')}")
        if metadata > limits.metadata:
            bound = beyond("metadata", limits.metadata, "bytes")
            raise StillError(name, f"what describes the picture is {bound}")
        yield _Chunk(kind, at + 8, length)
        if kind == b"IEND":
            return
        at += 12 + length


def _content(stream: BinaryIO, chunk: _Chunk, name: str) -> bytes:
    """A chunk's bytes, held against its checksum; raises StillError where they differ."""
    stream.seek(chunk.start)
    data = stream.read(chunk.length + 4)
    if zlib.crc32(data[:-4], zlib.crc32(chunk.kind)) != int.from_bytes(data[-4:], "big"):
        raise StillError(name, f"damaged: the checksum of its {chunk.kind.decode()} is wrong")
    return data[:-4]


def _layout(stream: BinaryIO, first: _Chunk, name: str) -> _Layout:
    if first.kind != b"IHDR" or first.length != 13:
        raise StillError(name, "corrupt header: it does not start with an IHDR chunk")
    layout = _Layout(*struct.unpack(">IIBBBBB", _content(stream, first, name)))
    depths = _COLOURS.get(layout.colour, (0, ()))[1]
    if layout.depth not in depths or layout[5:] not in ((0, 0), (0, 1)) or layout.compression:
        raise StillError(name, f"a PNG of an unknown variety ({layout})")
    return layout


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the chunks are known to go on to the last; no pixel is decoded."""
    name = str(file)
    chunks = _chunks(stream, file.size, limits, name)
    layout = _layout(stream, next(chunks), name)
    exif, old_exif, profile, pictured = b"", b"", b"", False
    for chunk in chunks:
        pictured = pictured or chunk.kind == b"IDAT"
        if chunk.kind == b"eXIf":
            exif = _content(stream, chunk, name)
        elif chunk.kind in (b"tEXt", b"zTXt") and not old_exif:
            old_exif = _old_exif(chunk.kind, _content(stream, chunk, name), limits)
        elif chunk.kind == b"iCCP" and not profile:
            profile = _profile(stream, chunk, limits)
    if not pictured:
        raise StillError(name, "holds no picture: it has no IDAT chunk")
    size = (layout.width, layout.height)
    told = icc.noted(exif_of(exif or old_exif, limits), profile)
    return Header("png", size, 16 if layout.depth == 16 else 8, told)


def _profile(stream: BinaryIO, chunk: _Chunk, limits: Limits) -> bytes:
    """The colour profile of an iCCP chunk; what is no profile where the chunk is damaged."""
    stream.seek(chunk.start)
    _, _, packed = stream.read(chunk.length).partition(b"\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(packed[1:], limits.metadata) or b"?"
    return b"?"


def _old_exif(kind: bytes, data: bytes, limits: Limits) -> bytes:
    """EXIF as ImageMagick writes it before eXIf was a chunk: name, length and hex digits."""
    if not data.startswith(_PROFILE + b"\0"):
        return b""
    text = data[len(_PROFILE) + 1 :]
    if kind == b"zTXt":
        text = zlib.decompressobj().decompress(text[1:], limits.metadata)
    return bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))


def pixels(data: bytes, name: str, size: tuple[int, int], limits: Limits) -> Pixels:
    """sRGB of 8 or 16 bits at full size, which has to be `size`; StillError on any damage."""
    stream = BytesIO(data)
    chunks = _chunks(stream, len(data), limits, name)
    first = next(chunks)
    layout = _layout(stream, first, name)
    same_size((layout.width, layout.height), size, name)
    critical: dict[bytes, list[bytes]] = {b"PLTE": [], b"IDAT": []}
    profile = b""
    for chunk in chunks:
        if chunk.kind == b"iCCP" and not profile:
            profile = _profile(stream, chunk, limits)
        if chunk.kind in critical:
            critical[chunk.kind].append(_content(stream, chunk, name))
    deflated = b"".join(critical[b"IDAT"])
    _check_rows(deflated, layout, name)
    parts = [(b"IHDR", data[first.start : first.start + first.length])]
    if layout.colour == _PALETTE:
        palette = b"".join(critical[b"PLTE"])
        # libpng complains of indices that lie beyond the palette
        parts.append((b"PLTE", palette.ljust(3 << layout.depth, b"\0")[: 3 << layout.depth]))
    parts += [(b"IDAT", deflated), (b"IEND", b"")]
    built = MAGIC + b"".join(_chunk(kind, content) for kind, content in parts)
    cv2 = _opencv()
    flags = cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(built, np.uint8), flags)
    if bgr is None:
        raise StillError(name, "cannot be decoded: damaged, or of an unknown variety")
    return icc.to_srgb(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, bgr)), profile)


def _check_rows(data: bytes, layout: _Layout, name: str) -> None:
    """Raises where the filtered rows cannot be inflated or are not as many as the size says."""
    passes = list(layout.passes())
    length = sum(rows * (1 + row) for rows, row in passes)
    stream = zlib.decompressobj(0)  # with the window that the data states, as libpng does
    inflated = stream.decompress(data, length + 1)
    if len(inflated) != length or not stream.eof:
        raise StillError(name, "damaged: its pixels are more or fewer than its size says")
    values, at = np.frombuffer(inflated, np.uint8), 0
    for rows, row in passes:
        filters = values[at : at + rows * (1 + row) : 1 + row]
        if filters.max(initial=0) > 4:
            raise StillError(name, "damaged: a row has an unknown filter")
        at += rows * (1 + row)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


@functools.cache
def _opencv() -> ModuleType:
    """OpenCV, told once to keep its opinions off stderr."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
