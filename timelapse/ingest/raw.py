"""RAW by LibRaw (the extra `raw`), developed the same way for every still of a roll.

The white balance is the camera's, nothing is brightened or stretched by what the picture holds:
what LibRaw adapts to each picture flickers in a film.  The preview that cameras put into the file
is not the still; it shows which still it is, where that is all that is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from math import prod
from typing import Any, BinaryIO

from timelapse.errors import StillError
from timelapse.ingest import jpeg
from timelapse.ingest.boxes import boxes
from timelapse.ingest.exif import Exif, Header, exif_of, read_exif
from timelapse.ingest.ifd import read_tags
from timelapse.ingest.regular import refusing
from timelapse.ingest.still import File, Limits, Pixels, Still, beyond, same_size

#: How files start that are RAW and no TIFF; the TIFFs among them are told by their tags.
MAGIC = {
    b"FUJIFILMCCD-RAW": "RAF",
    b"IIU\0": "RW2",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"\0MRM": "MRW",
    b"II\x1a\0\0\0HEAPCCDR": "CRW",
}
#: EXIF orientations by the number that LibRaw has for them (dcraw's `flip`).
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
#: Bytes that are looked at for EXIF, which stands in front.
_EXIF_AT_MOST = 1 << 18
#: The power and the slope at black of sRGB's curve (IEC 61966-2-1, 5.2), which `grade` undoes.
_SRGB = (2.4, 12.92)
#: By how much the shape of a preview may differ from the still's: LibRaw counts a few rows and
#: columns at the edges that cameras cut off.  A preview with black bars differs by a tenth.
_SHAPE = 0.02


@contextmanager
def _opened(source: Any, name: str) -> Iterator[Any]:
    """A RAW file in LibRaw, whose errors hold bytes."""
    try:
        import rawpy
    except ImportError as error:
        fix = "pip install 'timelapse[raw]'"
        raise StillError(name, f"RAW: reading it needs rawpy: {fix}") from error
    try:
        with rawpy.imread(source) as raw:
            yield raw
    except rawpy.LibRawError as error:
        said = error.args[0] if error.args else ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise StillError(name, f"RAW: LibRaw cannot read it: {said}") from error


def header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header; no pixel is decoded.  Orientation is as LibRaw understands it, the rest EXIF."""
    # LibRaw reads what it needs of a file; of a stream it reads all.
    stream.seek(0)
    with _opened(stream if file.archive else file.path, str(file)) as raw:
        sizes = raw.sizes
    exif = Exif()
    with suppress(Exception):  # a RAW file without times is a still all the same
        exif = exif_of_raw(stream, file, limits)
    exif = replace(exif, orientation=_ORIENTATIONS.get(sizes.flip, 1))
    return Header("raw", (sizes.width, sizes.height), 16, exif)


def exif_of_raw(stream: BinaryIO, file: File, limits: Limits) -> Exif:
    """EXIF from where each maker keeps it; nothing where that is unknown."""
    stream.seek(0)
    head = stream.read(92)
    if head.startswith(b"FUJI"):  # in a JPEG inside, at the place that the header states
        stream.seek(int.from_bytes(head[84:88], "big"))
        data = stream.read(_EXIF_AT_MOST)
        at = data.find(b"Exif\0\0")
        return exif_of(data[at:], limits) if at >= 0 else Exif()
    if head[4:8] == b"ftyp":
        return read_exif(_tags_of_cr3(stream, file, limits))
    # Panasonic and Olympus have marks of their own where a TIFF has 42; the rest is a TIFF.
    return exif_of(stream, limits) if head[:2] in (b"II", b"MM") else Exif()


def _tags_of_cr3(stream: BinaryIO, file: File, limits: Limits) -> dict[int, Any]:
    """Canon's boxes CMT1 (what a TIFF's first page says) and CMT2 (EXIF), each a small TIFF, in a
    box of their own inside `moov`."""
    tags: dict[int, Any] = {}
    name = str(file)
    moov = next(box for box in boxes(stream, 0, file.size, name) if box.kind == b"moov")
    for outer in boxes(stream, moov.start, moov.stop, name):
        if outer.kind != b"uuid":
            continue
        with suppress(StillError):  # not all of them hold boxes
            for box in boxes(stream, outer.start + 16, outer.stop, name):
                if box.kind in (b"CMT1", b"CMT2"):
                    stream.seek(box.start)
                    tags |= read_tags(stream.read(min(box.stop - box.start, _EXIF_AT_MOST)), limits)
    return tags


def half(size: tuple[int, int], at_least: tuple[int, int]) -> bool:
    """Whether half the size suffices, which needs no demosaicing: each two by two sensels, one of
    them red and one blue, are a pixel."""
    return size[0] // 2 >= at_least[0] and size[1] // 2 >= at_least[1]


def pixels(data: bytes, name: str, size: tuple[int, int], at_least: tuple[int, int]) -> Pixels:
    """sRGB of 16 bits as stored, at full or half the size; at full scale it has to be `size`.

    Raises StillError on damage, and where all of the picture is one value: some RAW files decode
    to black without an error.
    """
    with _opened(BytesIO(data), name) as raw:
        same_size((raw.sizes.width, raw.sizes.height), size, name)
        rgb: Pixels = raw.postprocess(
            half_size=half(size, at_least),
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,  # else white would follow the brightest pixel
            gamma=_SRGB,
            output_bps=16,
            user_flip=0,
        )
    if rgb.min() == rgb.max():
        raise StillError(name, f"RAW: decodes to one value ({rgb.min()}) all over, and no picture")
    return rgb


def preview(data: bytes, still: Still, limits: Limits) -> tuple[bytes, Still]:
    """The largest preview inside a RAW file, as the bytes of a JPEG, and the still that these are:
    of the preview's own size, to be turned as the RAW is.

    A preview is developed by the camera, with a brightness of its own.  Raises StillError where
    there is none, it is no JPEG, beyond the limits, cut short, has another shape than the still, or
    states another orientation: there it is unknown which way is up.
    """
    name = str(still.file)
    with refusing(name, "RAW: its preview cannot be read"):
        with _opened(BytesIO(data), name) as raw:
            found = raw.extract_thumb().data
        if not isinstance(found, bytes):
            # A bitmap is as large as it claims to be: reading beyond its end kills the process.
            raise StillError(name, "RAW: its preview is no JPEG")
        head = jpeg.header(BytesIO(found), replace(still.file, size=len(found)), limits)
        if prod(head.size) > limits.pixels:
            raise StillError(
                name, f"RAW: its preview has {beyond('pixels', limits.pixels, 'pixels')}"
            )
        # Cameras store it as the sensor has it.  Its EXIF is its own, or else made by LibRaw,
        # which puts the orientation of the RAW into it.
        size = head.size[::-1] if still.orientation >= 5 else head.size
        shape = size[0] * still.size[1] / (size[1] * still.size[0])
        if head.exif.orientation != still.orientation or abs(shape - 1) > _SHAPE:
            raise StillError(name, "RAW: its preview is turned or cut otherwise than the still")
    return found, replace(still, size=size, bits=8, kind="jpeg", damaged=False)
