"""Boxes: what HEIC, AVIF, CR3 and MP4 are built of (ISO/IEC 14496-12, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from timelapse.errors import StillError
from timelapse.ingest.still import CUT_SHORT

#: No picture has more of them on one level.
_AT_MOST = 10_000


class Box(NamedTuple):
    """Its content lies from `start` to `stop` in the file."""

    kind: bytes
    start: int
    stop: int


def boxes(stream: BinaryIO, start: int, stop: int, name: str) -> Iterator[Box]:
    """The boxes that follow one another from `start` to `stop`.

    Raises StillError where one goes on beyond that.
    """
    for _ in range(_AT_MOST):
        stream.seek(start)
        head = stream.read(16)
        size, kind, inner = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, inner = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:  # to the end
            size = stop - start
        if len(head) < 8 or start + size > stop:
            raise StillError(name, CUT_SHORT)
        if size < inner:
            raise StillError(name, "damaged: its boxes do not follow one another")
        yield Box(kind, start + inner, start + size)
        start += size
        if start == stop:
            return
    raise StillError(name, f"damaged: more than {_AT_MOST} boxes")
