"""Directories of tags: what TIFF, and with it EXIF, keeps its words in (TIFF 6.0, section 2).

Read here and not by a library, because what a scan costs is mostly this, and because a library
that reads all of it can be made to: a few kilobytes of directory may claim gigabytes of values.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from typing import Any, BinaryIO

from timelapse.errors import StillError
from timelapse.ingest.still import Limits, beyond

#: Tags that point to a directory: EXIF and GPS (Exif 2.32, 4.6.3), and pages within pages (TIFF
#: technical note 1).
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_POINTERS = (EXIF_IFD, GPS_IFD, 330)
_INTRODUCTION = b"Exif\0\0"
_ORDERS = {b"II": "<", b"MM": ">"}
_TEXT, _UNDEFINED, _RATIONALS = 2, 7, (5, 10)
#: Bytes a value by type, and how `struct` calls it.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}  # BigTIFF
_CODES = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 13: "I"}
#: Values of more bytes are not looked at: nothing that is asked for has as many.
_VALUE_AT_MOST = 1 << 12
#: A tag in TIFF and in BigTIFF: its number, type, count of values, and these or their place.
_ENTRY_32, _ENTRY_64, _BIG = "HHI4s", "HHQ8s", 43


def read_tags(source: bytes | BinaryIO, limits: Limits) -> dict[int, Any]:
    """The tags of EXIF in one piece, or of a TIFF: of its first directory, and of those for EXIF
    and GPS, by number; the numbers of GPS are below 32, where a picture has none of its own.

    Numbers are int or Fraction, several of them a tuple; text is as it stands, other bytes are
    bytes.  What lies outside of the data, is unknown or long is left out.  Raises ValueError where
    the data does not start as a TIFF, or a directory has too many tags.
    """
    if not source:
        return {}
    stream = BytesIO(source.removeprefix(_INTRODUCTION)) if isinstance(source, bytes) else source
    head = _read_at(stream, 0, 8)
    order = _ORDERS.get(head[:2])
    if order is None or len(head) < 8:
        raise ValueError("EXIF that does not start as it should")
    (first,) = struct.unpack_from(f"{order}I", head, 4)
    tags = _directory(stream, order, first, limits)
    places = (tags.get(pointer) for pointer in (GPS_IFD, EXIF_IFD))
    gps, exif = (
        _directory(stream, order, at, limits) if isinstance(at, int) else {} for at in places
    )
    return {**gps, **tags, **exif}


def _directory(stream: BinaryIO, order: str, at: int, limits: Limits) -> dict[int, Any]:
    count = sum(_integers(_read_at(stream, at, 2), order, "H"))
    if count > limits.tags:
        raise ValueError(f"a directory of {beyond('tags', limits.tags, 'tags')}")
    tags = {}
    for tag, kind, number, place in _entries(stream, order, _ENTRY_32, count):
        length = _SIZES.get(kind, 0) * number
        if not 0 < length <= _VALUE_AT_MOST:
            continue
        if length > 4:
            place = _read_at(stream, _integers(place, order, "I")[0], length)
            if len(place) < length:
                continue
        if (value := _value(place[:length], kind, order)) is not None:
            tags[tag] = value
    return tags


def _value(data: bytes, kind: int, order: str) -> Any:
    if kind == _TEXT:
        return data.decode("latin-1")
    if kind == _UNDEFINED:
        return data
    if (code := _CODES.get(kind)) is None:
        return None
    values = struct.unpack(f"{order}{len(data) // struct.calcsize(code)}{code}", data)
    if kind in _RATIONALS:
        if not all(values[1::2]):
            return None
        values = tuple(map(Fraction, values[::2], values[1::2]))
    return values[0] if len(values) == 1 else values


def check_directories(stream: BinaryIO, limits: Limits, name: str) -> None:
    """Refuses, before a library reads it, a TIFF or BigTIFF whose first page asks for too much.

    Counted are the tags, and the bytes of their values, of the page, of the pages in it, of EXIF
    and GPS.  The stream is at its start again afterwards.  Raises StillError.
    """
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = _ORDERS.get(head[:2])
    if order is None:
        raise StillError(name, "corrupt header: it does not start as a TIFF")
    big = struct.unpack_from(f"{order}H", head, 2)[0] == _BIG
    entry, counter, pointer = (_ENTRY_64, "Q", "Q") if big else (_ENTRY_32, "H", "I")
    left = list(struct.unpack_from(f"{order}{pointer}", head, 8 if big else 4))
    seen, tags, values = set[int](), 0, 0
    while left:
        if (at := left.pop()) in seen:
            continue
        seen.add(at)
        count = _integers(_read_at(stream, at, struct.calcsize(f"<{counter}")), order, counter)
        tags += 1 + sum(count)
        if tags > limits.tags:
            raise StillError(name, f"a TIFF of {beyond('tags', limits.tags, 'tags')}")
        for tag, kind, number, place in _entries(stream, order, entry, sum(count)):
            length = _SIZES.get(kind, 0) * number
            values += length
            if values > limits.metadata:
                bound = beyond("metadata", limits.metadata, "bytes")
                raise StillError(name, f"a TIFF with tags of {bound}")
            if tag in _POINTERS:
                if length > len(place):
                    place = _read_at(stream, _integers(place, order, pointer)[0], length)
                left += _integers(place[:length], order, pointer)
    stream.seek(0)


def _entries(stream: BinaryIO, order: str, entry: str, count: int) -> Iterator[tuple[Any, ...]]:
    """The tags that follow in a directory, as many as there are in full."""
    size = struct.calcsize(f"<{entry}")
    data = stream.read(count * size)
    return struct.iter_unpack(f"{order}{entry}", data[: len(data) // size * size])


def _read_at(stream: BinaryIO, at: int, length: int) -> bytes:
    stream.seek(at)
    return stream.read(length)


def _integers(data: bytes, order: str, code: str) -> tuple[int, ...]:
    """As many as there are in full."""
    size = struct.calcsize(f"<{code}")
    return struct.unpack(f"{order}{len(data) // size}{code}", data[: len(data) // size * size])
