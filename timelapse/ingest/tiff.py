"""TIFF by tifffile and imagecodecs, which raise where other decoders write to stderr and go on.

Refused with a reason: RAW, thumbnails in place of the picture, and varieties in which damage
cannot be told from a picture.
"""

from __future__ import annotations

import functools
import logging
from contextlib import suppress
from io import BytesIO
from itertools import islice
from math import prod
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import jpeg
from timelapse.ingest.exif import EXIF_IFD, MAKE, OFFSET, SUBSECONDS, TAKEN, Header, read_exif, text
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, same_size

# TIFF 6.0 and its technical notes, by the numbers that the tags hold
_NEW_SUBFILE, _OLD_SUBFILE, _SUB_IFDS, _DNG_VERSION = 254, 255, 330, 50706
_MINISWHITE, _GRAY, _RGB, _PALETTE, _YCBCR, _CFA, _LINEAR_RAW = 0, 1, 2, 3, 6, 32803, 34892
_SAMPLES = {_MINISWHITE: 1, _GRAY: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}
_PLAIN, _LZW, _JPEG, _PACKBITS = 1, 5, 7, 32773
_COMPRESSIONS = (_PLAIN, _LZW, _JPEG, 8, 32946, _PACKBITS)  # 8 and 32946: Deflate


@functools.cache
def _tifffile() -> ModuleType:
    import tifffile

    # Without any handler, logging writes warnings to stderr.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    return tifffile


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the first page is known to be a whole picture of a kind that is read."""
    stream.seek(8)
    if stream.read(2) == b"CR":
        raise StillError(str(file), "RAW (CR2): not read yet")
    stream.seek(0)
    with _tifffile().TiffFile(stream, name=file.name) as tiff:
        page = tiff.pages.first
        tags = {tag.code: tag.value for tag in page.tags}
        _check(page, tags, file.size, str(file), limits)
        size = (page.imagewidth, page.imagelength)
        bits = 8 if page.photometric == _PALETTE else int(page.bitspersample)
    inner = tags.get(EXIF_IFD)
    # tifffile names the inner tags instead of numbering them
    names = {TAKEN: "DateTimeOriginal", OFFSET: "OffsetTimeOriginal"}
    names[SUBSECONDS] = "SubsecTimeOriginal"
    if isinstance(inner, dict):
        tags.update({code: inner[name] for code, name in names.items() if name in inner})
    return Header("tiff", size, bits, read_exif(tags))


def _check(page: Any, tags: dict[int, Any], size: int, name: str, limits: Limits) -> None:
    """Raises StillError with the reason for which a page is not to be used."""
    if not isinstance(page, _tifffile().TiffPage):
        raise StillError(name, "a TIFF whose first page cannot be read")
    reduced = bool(_number(tags.get(_NEW_SUBFILE)) & 1) or _number(tags.get(_OLD_SUBFILE)) == 2
    if raw := _raw(page, tags, reduced):
        raise StillError(name, f"RAW ({raw}): not read yet")
    if reduced:
        raise StillError(name, "its first page is a thumbnail")
    bits, kind = page.bitspersample, page.dtype.kind if page.dtype is not None else "?"
    if kind != "u" or bits not in (8, 16):
        raise StillError(name, f"TIFF of {bits} bit {kind!r} samples; 8 or 16 bit can be used")
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


def _raw(page: Any, tags: dict[int, Any], reduced: bool) -> str:
    """What RAW the file is, or an empty string.  Cameras write RAW as a TIFF whose first page
    is a preview (NEF, ARW) or the sensor's own mosaic."""
    if _DNG_VERSION in tags:
        return "DNG"
    make = text(tags.get(MAKE))
    kinds = {page.photometric}
    if _SUB_IFDS in tags:
        # A sub-page that cannot be read says nothing against the first page.
        with suppress(Exception):
            kinds |= {getattr(sub, "photometric", None) for sub in islice(page.pages or (), 8)}
    if kinds & {_CFA, _LINEAR_RAW} or (make and reduced and _SUB_IFDS in tags):
        return make.split()[0] if make else "of an unknown camera"
    return ""


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int) else 0


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def pixels(data: bytes, name: str, size: tuple[int, int], limits: Limits) -> Pixels:
    """RGB of 8 or 16 bits at full size, which has to be `size`; raises on damage.

    Alpha and other extra samples are dropped, palettes applied, MinIsWhite is inverted.
    Uncompressed samples carry no checksum: a changed value there passes for a picture.
    """
    with _tifffile().TiffFile(BytesIO(data), name=name) as tiff:
        page = tiff.pages.first
        _check(page, {tag.code: tag.value for tag in page.tags}, len(data), name, limits)
        same_size((page.imagewidth, page.imagelength), size, name)
        _verify(page, data, name)
        # planes, depth, height, width, samples; the threads that read ahead suffice
        planes = page.asarray(squeeze=False, maxworkers=1)[:, 0]
        photometric, colours = page.photometric, page.colormap
    samples = planes[0] if len(planes) == 1 else np.moveaxis(planes[..., 0], 0, -1)
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
    return np.require(rgb, rgb.dtype.newbyteorder("="), ["C", "O", "W"])


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
