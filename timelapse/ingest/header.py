"""What kind of picture a file is, what it says of itself, and whether it is whole.

Pixels are not decoded here.
"""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Callable
from typing import BinaryIO

from timelapse.errors import StillError
from timelapse.ingest import heif, jpeg, png, raw, tiff, video, webp
from timelapse.ingest.exif import Header
from timelapse.ingest.find import Reader
from timelapse.ingest.regular import refusing
from timelapse.ingest.still import File, Limits

#: No side is longer; the libraries below have limits of their own from about here on.
MAX_SIDE = 1_000_000
_HEAD = 16
_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    png.MAGIC: "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    **dict.fromkeys(raw.MAGIC, "raw"),
}
#: Of files made of boxes, by the brand that follows (ISO/IEC 14496-12, 4.3).
_BRANDS = {
    b"crx ": "raw",
    **dict.fromkeys(heif.HEIC, "heic"),
    **dict.fromkeys(heif.AVIF, "avif"),
}
_READERS: dict[str, Callable[[BinaryIO, File, Limits], Header]] = {
    "jpeg": jpeg.header,
    "png": png.header,
    "tiff": tiff.header,
    "webp": webp.header,
    "heic": heif.heic_header,
    "avif": heif.avif_header,
    "raw": raw.header,
}


class NotAPicture(StillError):  # noqa: N818 - a finding, and the one that scan tells apart
    """The file's first bytes are none of the known picture formats."""


def read_header(reader: Reader, file: File, *, whole: bool = True) -> Header:
    """Reads the header of a picture and proves that the file goes on to its end; of a JPEG, where
    it need not be `whole`, the header alone.

    Raises NotAPicture, or StillError with the reason (empty, cut short, corrupt, too large), and
    nothing else, whatever the file holds.
    """
    name = str(file)
    if file.size == 0:
        raise StillError(name, "empty (0 bytes)")
    with reader.open(file) as stream, refusing(name, "corrupt header"), warnings.catch_warnings():
        # Pillow warns of broken EXIF and of large pictures; both are judged here by value.
        warnings.simplefilter("ignore")
        head = stream.read(_HEAD)
        kind = _kind(head, stream)
        if kind is None:
            raise NotAPicture(name, f"not a picture ({_looks_like(head)})")
        stream.seek(0)
        read = jpeg.header_of_part if kind == "jpeg" and not whole else _READERS[kind]
        header = read(stream, file, reader.limits)
        if not all(isinstance(side, int) and side > 0 for side in header.size):
            raise StillError(name, f"corrupt header: a size of {header.size}")
    width, height = header.size
    if max(width, height) > MAX_SIDE:
        raise StillError(name, f"{width}x{height}: no side may be longer than {MAX_SIDE}")
    if width * height > reader.limits.pixels:
        bound = f"{reader.limits.pixels / 10**6:g} Mpixel; roll.limits.pixels raises the bound"
        raise StillError(name, f"{width}x{height} is more than {bound}")
    return header


def _kind(head: bytes, stream: BinaryIO) -> str | None:
    """Which of the readers a file is for, by its first bytes."""
    if head[4:8] == b"ftyp":
        # HEIF of any kind may call itself mif1 first and say in the further brands what it is
        brands = [head[8:12]]
        if brands[0] in (b"mif1", b"msf1"):
            rest = head[16:] + stream.read(min(int.from_bytes(head[:4], "big"), 256) - len(head))
            brands = [rest[at : at + 4] for at in range(0, len(rest), 4)] + brands
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _looks_like(magic: bytes) -> str:
    if video.reader_of(magic):
        return "a video; name it as the roll, and its frames are the stills"
    if not magic.strip(b"\0"):
        return "its first bytes are zero"
    try:
        # incremental: the last character may be cut in two
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(magic)
    except UnicodeDecodeError:
        return "unknown content"
    return "text" if "".join(text.split()).isprintable() else "unknown content"
