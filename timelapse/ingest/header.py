"""What a picture file says of itself: kind, size, orientation, camera, capture time - and whether
it is whole.  Pixels are not decoded here."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO

from timelapse.errors import StillError, TimeError
from timelapse.ingest.find import READ_ERRORS, Reader
from timelapse.ingest.still import File
from timelapse.times import CaptureTime, Seconds, read_utc_offset

#: Pictures of more pixels than this are refused: 1.2 GB as RGB.
MAX_PIXELS = 400_000_000
_TAIL = 1 << 16
_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
}
#: Endings that promise a picture: such a file that holds none is unreadable, not merely excluded.
PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff")

_ORIENTATION, _MAKE, _MODEL, _EXIF_IFD = 0x0112, 0x010F, 0x0110, 0x8769
_TAKEN, _OFFSET, _SUBSECONDS = 0x9003, 0x9011, 0x9291


@dataclass(frozen=True, slots=True)
class Exif:
    """The parts of EXIF that ingest believes.

    `local` is DateTimeOriginal with SubSecTimeOriginal, as if it were UTC; `zone` is
    OffsetTimeOriginal in seconds.  EXIF DateTime and OffsetTime are not here: they tell of the
    day on which the file was last saved.  `note` says what was there but could not be believed.
    """

    local: CaptureTime | None = None
    zone: Seconds | None = None
    has_subseconds: bool = False
    orientation: int = 1
    camera: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """`size` is (width, height) as stored; `bits` are per channel (8 or 16)."""

    kind: str
    size: tuple[int, int]
    bits: int
    exif: Exif = field(default_factory=Exif)


class NotAPicture(StillError):  # noqa: N818 - a finding, and the one that scan tells apart
    """The file's first bytes are none of the known picture formats."""


def read_header(reader: Reader, file: File) -> Header:
    """Reads the header of a picture and proves that the file goes on to its end.

    Raises NotAPicture, or StillError with the reason (empty, cut short, corrupt, too large).
    """
    if file.size == 0:
        raise StillError(str(file), "empty (0 bytes)")
    with reader.open(file) as stream:
        try:
            magic = stream.read(8)
            kind = next((k for start, k in _MAGIC.items() if magic.startswith(start)), None)
            if kind is None:
                raise NotAPicture(str(file), f"not a picture ({_looks_like(magic)})")
            stream.seek(0)
            header = _READERS[kind](stream, file)
        except READ_ERRORS as error:
            if isinstance(error, StillError):
                raise
            raise StillError(str(file), f"corrupt header: {error}") from error
    width, height = header.size
    if width * height > MAX_PIXELS:
        raise StillError(str(file), f"{width}x{height} is more than {MAX_PIXELS // 10**6} Mpixel")
    return header


def _looks_like(magic: bytes) -> str:
    if not magic.strip(b"\0"):
        return "its first bytes are zero"
    return "text" if magic.isascii() and magic.decode().isprintable() else "unknown content"


# ------------------------------------------------------------------ the formats


def _jpeg(stream: BinaryIO, file: File) -> Header:
    scan = _jpeg_scan_offset(stream)
    if scan is None or not _holds(stream, file, b"\xff\xd9", scan):
        raise StillError(str(file), "cut short: the file ends before the picture does")
    return _by_pillow(stream, file, "jpeg")


def _jpeg_scan_offset(stream: BinaryIO) -> int | None:
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


def _holds(stream: BinaryIO, file: File, mark: bytes, start: int = 0) -> bool:
    """Whether `mark` stands anywhere from `start` to the end, searched from the end."""
    stop = file.size
    while stop > start:
        begin = max(start, stop - _TAIL)
        stream.seek(begin)
        if mark in stream.read(stop - begin + len(mark) - 1):
            return True
        stop = begin
    return False


def _png(stream: BinaryIO, file: File) -> Header:
    stream.seek(24)
    depth = stream.read(1)
    if not _holds(stream, file, b"IEND\xaeB`\x82", 8):
        raise StillError(str(file), "cut short: the file ends before the picture does")
    header = _by_pillow(stream, file, "png")
    return Header(header.kind, header.size, 16 if depth == b"\x10" else 8, header.exif)


def _by_pillow(stream: BinaryIO, file: File, kind: str) -> Header:
    from PIL import Image

    stream.seek(0)
    with warnings.catch_warnings():
        # Pillow warns of broken EXIF and of large pictures; both are judged here by value.
        warnings.simplefilter("ignore")
        try:
            with Image.open(stream, formats=("JPEG", "PNG")) as picture:
                tags = picture.getexif()
                exif = _read_exif({**tags, **tags.get_ifd(_EXIF_IFD)})
                return Header(kind, picture.size, 8, exif)
        except Image.DecompressionBombError:
            raise StillError(str(file), "has far too many pixels") from None
        except (SyntaxError, ValueError, TypeError, KeyError, IndexError) as error:
            raise StillError(str(file), f"corrupt header: {error}") from error


def _tiff(stream: BinaryIO, file: File) -> Header:
    import tifffile

    try:
        with tifffile.TiffFile(stream, name=file.name) as tiff:
            page = tiff.pages.first
            if not isinstance(page, tifffile.TiffPage) or page.dtype is None:
                raise StillError(str(file), "a TIFF whose first page cannot be read")
            tags = {tag.code: tag.value for tag in page.tags}
            ends = [a + n for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
            size, bits = (page.imagewidth, page.imagelength), page.dtype.itemsize * 8
            kind = page.dtype.kind
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise StillError(str(file), f"corrupt header: {error}") from error
    if not ends or max(ends) > file.size:
        raise StillError(str(file), "cut short: the file ends before the picture does")
    if kind != "u" or bits not in (8, 16):
        raise StillError(str(file), f"TIFF of {bits} bit {kind!r} samples; 8 or 16 bit can be used")
    inner = tags.get(_EXIF_IFD)
    # tifffile names the inner tags instead of numbering them
    names = {_TAKEN: "DateTimeOriginal", _OFFSET: "OffsetTimeOriginal"}
    names[_SUBSECONDS] = "SubsecTimeOriginal"
    if isinstance(inner, dict):
        tags.update({code: inner[name] for code, name in names.items() if name in inner})
    return Header("tiff", size, bits, _read_exif(tags))


_READERS: dict[str, Callable[[BinaryIO, File], Header]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
}

# ------------------------------------------------------------------ EXIF


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).replace("\0", "").strip() if isinstance(value, str) else ""


def _read_exif(tags: Mapping[int, Any]) -> Exif:
    """EXIF tags (Exif 2.32, 4.6.4-4.6.5) as far as ingest needs them."""
    orientation = tags.get(_ORIENTATION, 1)
    make, model = _text(tags.get(_MAKE)), _text(tags.get(_MODEL))
    # "NIKON CORPORATION" + "NIKON D5" is one name to people: NIKON D5
    brand = make.split()[0] if make else ""
    camera = model if model.lower().startswith(brand.lower()) else f"{brand} {model}".strip()
    notes, local, zone, subseconds = [], None, None, _text(tags.get(_SUBSECONDS))
    if taken := _text(tags.get(_TAKEN)):
        try:
            local = _read_exif_time(taken, subseconds)
        except TimeError as error:
            notes.append(f"DateTimeOriginal {taken!r} was not believed: {error}")
    if offset := _text(tags.get(_OFFSET)):
        try:
            zone = read_utc_offset(offset)
        except TimeError:
            notes.append(f"OffsetTimeOriginal {offset!r} was not believed")
    return Exif(
        local,
        zone,
        subseconds.isdigit(),
        orientation if orientation in range(1, 9) else 1,
        camera,
        "; ".join(notes),
    )


def _read_exif_time(taken: str, subseconds: str) -> CaptureTime:
    found = re.fullmatch(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?", taken)
    if not found:
        raise TimeError("not of the form YYYY:MM:DD hh:mm:ss")
    year, month, day, hour, minute, second = (int(field) for field in found.groups())
    if year < 1826:  # before the first photograph: a clock that was never set
        raise TimeError("no camera existed then")
    fraction = Fraction(int(subseconds), 10 ** len(subseconds)) if subseconds.isdigit() else 0
    return CaptureTime.of_civil(year, month, day, hour, minute, second + Fraction(fraction))
