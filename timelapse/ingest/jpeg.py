"""JPEG: headers read here, pixels by simplejpeg, which turns every complaint into an error."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO, NamedTuple

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import icc
from timelapse.ingest.exif import Header, exif_of
from timelapse.ingest.regular import chunks
from timelapse.ingest.still import CUT_SHORT, File, Limits, Pixels, beyond, same_size
from timelapse.machine import Buffers

#: Scales, in eighths, that cost hardly more than the next larger one, and leave less to hold
#: (docs/decisions/0009).
_EIGHTHS = (1, 2, 3, 4)
#: Starts of frame, of all processes and of the progressive ones; the segments that hold EXIF and
#: colour profiles; and start of scan (ITU-T T.81, table B.1).  Inside entropy-coded data FF is
#: never followed by the latter.
_FRAMES = tuple(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC))
_PROGRESSIVE, _EXIF, _PROFILES = (0xC2, 0xC6, 0xCA, 0xCE), 0xE1, 0xE2
_SCAN = b"\xff\xda"
_TAIL = 1 << 16
#: The blocks of colour, by how it is sampled; 8 x 8 where it is not said here (ITU-T T.81, A.2).
_BLOCKS = {"422": (16, 8), "440": (8, 16), "420": (16, 16), "411": (32, 8)}
#: What a segment with a part of a profile starts with.
_PROFILE = b"ICC_PROFILE\0"


class _Head(NamedTuple):
    """What stands before the entropy-coded data: the size as (width, height), whether the picture
    comes in several scans, where the first of them starts, EXIF and the colour profile."""

    size: tuple[int, int]
    several: bool
    scan: int
    exif: bytes
    profile: bytes | None


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the picture is known to go on to its end mark."""
    return _header(stream, file, limits, whole=True)


def header_of_part(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header of a picture that may be cut short."""
    return _header(stream, file, limits, whole=False)


def _header(stream: BinaryIO, file: File, limits: Limits, whole: bool) -> Header:
    name = str(file)
    head = _head(stream, limits, name)
    if whole and not _holds(stream, file, b"\xff\xd9", head.scan):
        raise StillError(name, CUT_SHORT)
    if head.several:
        stream.seek(head.scan)
        _bound_scans(1 + _count(stream, _SCAN), limits, name)
    return Header("jpeg", head.size, 8, icc.noted(exif_of(head.exif, limits), head.profile))


def _head(stream: BinaryIO, limits: Limits, name: str) -> _Head:
    """The segments up to the first scan (ITU-T T.81, B.1); raises StillError.

    Thumbnails inside EXIF have end marks of their own: what counts comes after.
    """
    size, progressive, components = (0, 0), False, 0
    exif: list[bytes] = []
    parts: list[bytes] = []
    left = limits.metadata
    at = 2
    for _ in range(limits.tags):
        stream.seek(at)
        marker = stream.read(4)
        if len(marker) < 4 or marker[0] != 0xFF:
            raise StillError(name, CUT_SHORT)
        kind, length = marker[1], int.from_bytes(marker[2:], "big")
        if kind == 0xFF:  # fill bytes may precede a marker
            at += 1
            continue
        at += 2 + length
        left -= length
        if left < 0:
            bound = beyond("metadata", limits.metadata, "bytes")
            raise StillError(name, f"what stands before the picture is {bound}")
        if kind in _FRAMES:
            bits, height, width, components = struct.unpack(">BHHB", stream.read(6))
            if bits != 8 or components not in (1, 3, 4):
                raise StillError(name, f"a JPEG of {components} channels of {bits} bits: not read")
            size, progressive = (width, height), kind in _PROGRESSIVE
        elif kind in (_EXIF, _PROFILES):
            content = stream.read(length - 2)
            if content.startswith(b"Exif\0\0"):
                exif.append(content[6:])
            elif content.startswith(_PROFILE):
                parts.append(content[len(_PROFILE) :])
        elif kind == _SCAN[1]:
            if not components:
                raise StillError(name, "corrupt header: it does not say its size")
            # Where the first scan does not hold all channels, others follow.
            several = progressive or stream.read(1)[0] < components
            return _Head(size, several, at, b"".join(exif), _joined(parts))
    raise StillError(name, f"a header of {beyond('tags', limits.tags, 'segments')}")


def _joined(parts: list[bytes]) -> bytes | None:
    """A profile from its parts, each behind its number and the number of all (ICC.1:2022, B.4)."""
    whole = bool(parts) and len(parts) == parts[0][1]
    return b"".join(part[2:] for part in sorted(parts)) if whole else None


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
    *,
    strict: bool = True,
) -> Pixels:
    """sRGB at the scale of `scaled`; at full scale it has to have the size `size`.

    Where libjpeg complains of the data, `strict` refuses it; else its complaint is not heard.
    """
    import simplejpeg

    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    same_size((width, height), size, name)
    head = _head(BytesIO(data), limits, name)
    if head.several:  # counting goes through all of the file
        _bound_scans(data.count(_SCAN), limits, name)
    if space == "CMYK":
        return _cmyk(data)
    across, down = scaled(size, at_least)
    room = buffers.take("decoded", (down, across, 3)) if buffers else None
    rgb: Pixels = simplejpeg.decode_jpeg(
        data, "RGB", min_height=down, min_width=across, buffer=room, strict=strict
    )
    return icc.to_srgb(rgb, head.profile)


def scaled(size: tuple[int, int], at_least: tuple[int, int]) -> tuple[int, int]:
    """The size that a JPEG is decoded at: the smallest scale in eighths that has `at_least`."""
    scales = ((-(-size[0] * n // 8), -(-size[1] * n // 8)) for n in _EIGHTHS)
    return next((s for s in scales if s[0] >= at_least[0] and s[1] >= at_least[1]), size)


def block(data: bytes) -> tuple[int, int]:
    """The (width, height) of the blocks in which the colour is coded: over so many pixels one of
    them spreads.  Raises ValueError where the header cannot be read."""
    import simplejpeg

    return _BLOCKS.get(simplejpeg.decode_jpeg_header(data)[3], (8, 8))


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
        if icc.fits(profile := picture.info.get("icc_profile"), "cmyk"):
            return icc.to_srgb(np.array(picture), profile)
        return np.array(picture.convert("RGB"))
