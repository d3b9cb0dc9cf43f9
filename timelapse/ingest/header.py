"""What kind of picture a file is, what it says of itself, and whether it is whole.

Pixels are not decoded here.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable
from typing import BinaryIO

from timelapse.errors import StillError
from timelapse.ingest import jpeg, png, tiff
from timelapse.ingest.exif import Header
from timelapse.ingest.find import Reader, refusing
from timelapse.ingest.still import File, Limits

#: No side is longer; the libraries below have limits of their own from about here on.
MAX_SIDE = 1_000_000
_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    png.MAGIC: "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
}
_READERS: dict[str, Callable[[BinaryIO, File, Limits], Header]] = {
    "jpeg": jpeg.header,
    "png": png.header,
    "tiff": tiff.header,
}


class NotAPicture(StillError):  # noqa: N818 - a finding, and the one that scan tells apart
    """The file's first bytes are none of the known picture formats."""


def read_header(reader: Reader, file: File) -> Header:
    """Reads the header of a picture and proves that the file goes on to its end.

    Raises NotAPicture, or StillError with the reason (empty, cut short, corrupt, too large), and
    nothing else, whatever the file holds.
    """
    name = str(file)
    if file.size == 0:
        raise StillError(name, "empty (0 bytes)")
    with reader.open(file) as stream, refusing(name, "corrupt header"), warnings.catch_warnings():
        # Pillow warns of broken EXIF and of large pictures; both are judged here by value.
        warnings.simplefilter("ignore")
        magic = stream.read(8)
        kind = next((k for start, k in _MAGIC.items() if magic.startswith(start)), None)
        if kind is None:
            raise NotAPicture(name, f"not a picture ({_looks_like(magic)})")
        stream.seek(0)
        header = _READERS[kind](stream, file, reader.limits)
        if not all(isinstance(side, int) and side > 0 for side in header.size):
            raise StillError(name, f"corrupt header: a size of {header.size}")
    width, height = header.size
    if max(width, height) > MAX_SIDE:
        raise StillError(name, f"{width}x{height}: no side may be longer than {MAX_SIDE}")
    if width * height > reader.limits.pixels:
        bound = f"{reader.limits.pixels / 10**6:g} Mpixel; roll.limits.pixels raises the bound"
        raise StillError(name, f"{width}x{height} is more than {bound}")
    return header


def _looks_like(magic: bytes) -> str:
    if not magic.strip(b"\0"):
        return "its first bytes are zero"
    try:
        # incremental: the last character may be cut in two
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(magic)
    except UnicodeDecodeError:
        return "unknown content"
    return "text" if "".join(text.split()).isprintable() else "unknown content"
