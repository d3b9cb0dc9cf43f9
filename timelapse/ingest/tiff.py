"""TIFF by tifffile and imagecodecs, which raise where other decoders write to stderr and go on.

RAW files that are TIFFs are handed on.  Refused with a reason: thumbnails in place of the picture,
and varieties in which damage cannot be told from a picture.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import islice
from math import prod
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import icc, jpeg, raw
from timelapse.ingest.exif import (
    APERTURE,
    EXIF_IFD,
    EXPOSURE,
    GPS_DATE,
    GPS_IFD,
    GPS_TIME,
    MAKE,
    OFFSET,
    RECOMMENDED,
    SENSITIVITY,
    SUBSECONDS,
    TAKEN,
    Header,
    read_exif,
    text,
)
from timelapse.ingest.ifd import check_directories
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, same_size
from timelapse.srgb import shown_of

# TIFF 6.0 and its technical notes, by the numbers that the tags hold
_NEW_SUBFILE, _OLD_SUBFILE, _SUB_IFDS, _PROFILE, _DNG_VERSION = 254, 255, 330, 34675, 50706
_MINISWHITE, _GRAY, _RGB, _PALETTE, _YCBCR, _CFA, _LINEAR_RAW = 0, 1, 2, 3, 6, 32803, 34892
_SAMPLES = {_MINISWHITE: 1, _GRAY: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}
_PLAIN, _LZW, _JPEG, _PACKBITS, _LOSSY_RAW = 1, 5, 7, 32773, 34892
#: The bits of samples that are read, by their kind: whole numbers and floats.
_BITS = {"u": (8, 16), "f": (16, 32, 64)}
_COMPRESSIONS = (_PLAIN, _LZW, _JPEG, 8, 32946, _PACKBITS)  # 8 and 32946: Deflate


@functools.cache
def _tifffile() -> ModuleType:
    import tifffile

    # Without any handler, logging writes warnings to stderr.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the first page is known to be a whole picture of a kind that is read."""
    check_directories(stream, limits, str(file))
    stream.seek(0)
    with _tifffile().TiffFile(stream, name=file.name) as tiff:
        page = tiff.pages.first
        tags = {tag.code: tag.value for tag in page.tags}
        if _is_raw(page, tags):
            _check_raw(tiff, file)
            return raw.header(stream, file, limits)
        _check(page, tags, file.size, str(file), limits)
        size = (page.imagewidth, page.imagelength)
        bits = 8 if page.photometric == _PALETTE or page.bitspersample == 8 else 16
    inner = tags.get(EXIF_IFD)
    # tifffile names the inner tags instead of numbering them
    names = {TAKEN: "DateTimeOriginal", OFFSET: "OffsetTimeOriginal"}
    names |= {SUBSECONDS: "SubsecTimeOriginal", EXPOSURE: "ExposureTime", APERTURE: "FNumber"}
    names |= {SENSITIVITY: "ISOSpeedRatings", RECOMMENDED: "RecommendedExposureIndex"}
    if isinstance(inner, dict):
        tags.update({code: inner[name] for code, name in names.items() if name in inner})
    if isinstance(gps := tags.get(GPS_IFD), dict):
        tags.update({GPS_DATE: gps.get("GPSDateStamp"), GPS_TIME: gps.get("GPSTimeStamp")})
    return Header("tiff", size, bits, icc.noted(read_exif(tags), tags.get(_PROFILE)))


def _check(page: Any, tags: dict[int, Any], size: int, name: str, limits: Limits) -> None:
    """Raises StillError with the reason for which a page is not to be used."""
    if not isinstance(page, _tifffile().TiffPage):
        raise StillError(name, "a TIFF whose first page cannot be read")
    # Several values where one is wanted: multiplied, they are lists of as many as there are pixels.
    sides = (page.imagewidth, page.imagelength, page.imagedepth, page.samplesperpixel)
    cuts = (page.rowsperstrip, page.tilewidth, page.tilelength, page.tiledepth)
    if not all(isinstance(number, int) for number in (*sides, *cuts)):
        raise StillError(name, "corrupt header: a size of several numbers")
    if _reduced(tags):
        raise StillError(name, "its first page is a thumbnail")
    bits, kind = page.bitspersample, page.dtype.kind if page.dtype is not None else "?"
    if bits not in _BITS.get(kind, ()):
        fit = "8 or 16 bit, or float, can be used"
        raise StillError(name, f"TIFF of {bits} bit {kind!r} samples; {fit}")
    samples = _SAMPLES.get(page.photometric)
    compressed = page.compression == _JPEG
    if samples is None or (page.photometric == _YCBCR and not compressed):
        raise StillError(name, f"TIFF of colours {_name(page.photometric)}: not read")
    if page.compression not in _COMPRESSIONS or (compressed and bits != 8) or page.jpegheader:
        raise StillError(name, f"TIFF compressed by {_name(page.compression)}: not read")
    if page.imagedepth != 1 or page.samplesperpixel < samples:
        raise StillError(name, "a TIFF that is no picture of one plane")
    if max(page.nbytes, prod(page.chunks) * bits // 8) > limits.pixels * 8:
        raise StillError(name, "claims more pixels than roll.limits.pixels allows")
    offsets, counts = page.dataoffsets, page.databytecounts
    # An absent strip would come out as black, or as what the memory held before.
    if len(offsets) != len(counts) or len(offsets) != prod(page.chunked):
        raise StillError(name, "damaged: it has more or fewer strips than its size calls for")
    if min(offsets) < 8 or min(counts) < 1:
        raise StillError(name, "damaged: a strip of it is nowhere")
    if max(a + n for a, n in zip(offsets, counts, strict=True)) > size:
        raise StillError(name, CUT_SHORT)
    if page.compression == _PLAIN and sum(counts) < page.nbytes:
        raise StillError(name, "damaged: its strips are shorter than its size calls for")


def _is_raw(page: Any, tags: dict[int, Any]) -> bool:
    """Cameras write RAW as a TIFF whose first page is a preview (NEF, ARW), or the sensor's own
    mosaic; CR2 says so behind its header."""
    if _DNG_VERSION in tags or _is_cr2(page.parent.filehandle):
        return True
    kinds = {page.photometric}
    if _SUB_IFDS in tags:
        # A sub-page that cannot be read says nothing against the first page.
        with suppress(Exception):
            kinds |= {getattr(sub, "photometric", None) for sub in islice(page.pages or (), 8)}
    return bool(kinds & {_CFA, _LINEAR_RAW}) or bool(
        text(tags.get(MAKE)) and _reduced(tags) and _SUB_IFDS in tags
    )


def _is_cr2(stream: Any) -> bool:
    stream.seek(8)
    return bool(stream.read(2) == b"CR")


def _check_raw(tiff: Any, file: File) -> None:
    """Raises StillError where a page ends beyond the file: LibRaw may make up what is missing."""
    for page in _pages(tiff):
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
        if max(ends, default=0) > file.size:
            raise StillError(str(file), CUT_SHORT)


def _pages(tiff: Any) -> Iterator[Any]:
    """The pages of a TIFF, and their sub-pages, as far as they can be read; not all of many."""
    with suppress(Exception):
        for page in islice(tiff.pages, 8):
            yield page
            if page.subifds:
                yield from islice(page.pages, 8)


def verify_raw(data: bytes, name: str) -> None:
    """Raises StillError where JPEG inside a RAW file is damaged: LibRaw goes on, with a word to
    stderr."""
    if not data.startswith((b"II*\0", b"MM\0*")):
        return
    with _tifffile().TiffFile(BytesIO(data), name=name) as tiff:
        for page in _pages(tiff):
            if page.compression == _LOSSY_RAW:
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                    jpeg.verify(data[offset : offset + count])


def _reduced(tags: dict[int, Any]) -> bool:
    return bool(_number(tags.get(_NEW_SUBFILE)) & 1) or _number(tags.get(_OLD_SUBFILE)) == 2


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def pixels(data: bytes, name: str, size: tuple[int, int], limits: Limits) -> Pixels:
    """sRGB of 8 or 16 bits at full size, which has to be `size`; raises on damage.

    Alpha and other extra samples are dropped, palettes applied, MinIsWhite is inverted.  Float
    samples come as 16 bits; see `_of_float`.
    Uncompressed samples carry no checksum: a changed value there passes for a picture.
    """
    stream = BytesIO(data)
    check_directories(stream, limits, name)
    stream.seek(0)
    with _tifffile().TiffFile(stream, name=name) as tiff:
        page = tiff.pages.first
        tags = {tag.code: tag.value for tag in page.tags}
        _check(page, tags, len(data), name, limits)
        same_size((page.imagewidth, page.imagelength), size, name)
        _verify(page, data, name)
        # planes, depth, height, width, samples; the threads that read ahead suffice
        planes = page.asarray(squeeze=False, maxworkers=1)[:, 0]
        photometric, colours = page.photometric, page.colormap
    samples = planes[0] if len(planes) == 1 else np.moveaxis(planes[..., 0], 0, -1)
    profile = tags.get(_PROFILE)
    if samples.dtype.kind == "f":
        samples = _of_float(samples, icc.fits(profile, "rgb") or icc.fits(profile, "gray"), name)
    if photometric == _PALETTE:
        table = np.asarray(colours)
        # 16 bits by the standard; some writers leave 8 in them
        table = (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)
        rgb = table.T[samples[..., 0]]
    elif photometric in (_GRAY, _MINISWHITE):
        rgb = np.repeat(samples[..., :1], 3, axis=-1)
        if photometric == _MINISWHITE:
            rgb = np.iinfo(rgb.dtype).max - rgb
    else:
        rgb = samples[..., :3]
    return icc.to_srgb(np.require(rgb, rgb.dtype.newbyteorder("="), ["C", "O", "W"]), profile)


def _of_float(samples: Pixels, display: bool, name: str) -> Pixels:
    """Float samples as 16 bits of display light: 0 is black and 1 white, what lies outside is cut.

    They are linear light, as programs that work in float write it, unless a profile says what they
    are (`display`: left as they are, for the profile).  Raises StillError where most lie outside.
    """
    outside = samples.size - int(np.count_nonzero((samples >= 0) & (samples <= 1)))
    if outside > samples.size // 2:
        share = f"{outside} of {samples.size} lie outside"
        raise StillError(name, f"float samples that are no light from 0 to 1: {share}")
    values = np.nan_to_num(samples.astype(np.float32), copy=False).clip(0, 1)
    if not display:
        values = shown_of(values)
    levels: Pixels = np.rint(values * 65535).astype(np.uint16)
    return levels


def _verify(page: Any, data: bytes, name: str) -> None:
    """Finds the damage that the codecs of a page pass over.

    Deflate has a checksum.  LZW and PackBits have none, but damage changes the length of what
    comes out, and tifffile cuts off what is too much; of JPEG only fatal damage would be told.
    """
    import imagecodecs

    if page.compression not in (_LZW, _PACKBITS, _JPEG):
        return
    unpack = {_LZW: imagecodecs.lzw_decode, _PACKBITS: imagecodecs.packbits_decode}
    full = prod(page.chunks) * page.bitspersample // 8
    strips = 1 if page.is_tiled else -(-page.imagelength // page.rowsperstrip)
    rest = page.imagelength - (strips - 1) * page.rowsperstrip
    for at, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        segment = data[offset : offset + count]
        if page.compression == _JPEG:
            tables = page.jpegtables
            jpeg.verify(tables[:-2] + segment[2:] if tables else segment)
            continue
        if page.fillorder == 2:
            segment = bytes(imagecodecs.bitorder_decode(segment))
        lengths = {full}
        if not page.is_tiled and at % strips == strips - 1:
            lengths.add(full // page.rowsperstrip * rest)
        if len(unpack[page.compression](segment)) not in lengths:
            raise StillError(name, f"damaged: strip {at} holds more or less than its size says")
