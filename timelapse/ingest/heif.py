"""HEIC by libheif (the extra `heif`), AVIF by Pillow and libavif.

HEIC says in boxes of its own how the picture is turned (`irot`, `imir`), and libheif applies them:
the orientation in its EXIF repeats that for older readers, and must not be applied once more
(ISO/IEC 23008-12, A.2.1; MIAF 7.3.6.7).
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest import icc
from timelapse.ingest.boxes import boxes
from timelapse.ingest.exif import Header, exif_of
from timelapse.ingest.still import File, Limits, Pixels, same_size
from timelapse.srgb import linear_of

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
AVIF = (b"avif", b"avis")
#: Transfer characteristics that no display of today shows untouched (ITU-T H.273, table 3).
_HDR = {16: "PQ", 18: "HLG"}
_DISPLAY_P3 = 12  # colour primaries (ibid., table 2)


def _pi_heif(name: str) -> Any:
    try:
        import pi_heif
    except ImportError as error:
        fix = "pip install 'timelapse[heif]'"
        raise StillError(name, f"HEIC: reading it needs pi-heif: {fix}") from error
    return pi_heif


def heic_header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the boxes are known to go on to the last; no pixel is decoded."""
    name = str(file)
    for _box in boxes(stream, 0, file.size, name):
        pass
    picture = _open_heic(stream, name)
    exif = replace(exif_of(picture.info.get("exif") or b"", limits), orientation=1)
    bits = 16 if picture.info["bit_depth"] > 8 else 8
    return Header("heic", picture.size, bits, icc.noted(exif, _profile(picture)))


def _open_heic(source: Any, name: str) -> Any:
    library = _pi_heif(name)
    source.seek(0)
    picture = library.open_heif(source, convert_hdr_to_8bit=False)
    transfer = _nclx(picture).get("transfer_characteristics")
    if transfer in _HDR:
        raise StillError(name, f"HEIC of high dynamic range ({_HDR[transfer]}): not read")
    return picture


def _nclx(picture: Any) -> dict[str, Any]:
    """The colours as numbers, which count only where there is no profile."""
    return {} if picture.info.get("icc_profile") else picture.info.get("nclx_profile") or {}


def _profile(picture: Any) -> bytes | None:
    import imagecodecs

    if profile := picture.info.get("icc_profile"):
        return bytes(profile)
    colours = _nclx(picture)
    if colours.get("color_primaries") != _DISPLAY_P3:
        return None
    red, green, blue, white = (
        [colours[f"color_primary_{one}_x"], colours[f"color_primary_{one}_y"], 1.0]
        for one in ("red", "green", "blue", "white")
    )
    made: bytes = imagecodecs.cms_profile(
        "rgb",
        whitepoint=white,
        primaries=red + green + blue,
        transferfunction=linear_of(np.linspace(0, 1, 4096)).astype(np.float32),
    )
    return made


def heic_pixels(data: bytes, name: str, size: tuple[int, int]) -> Pixels:
    """sRGB of 8 or 16 bits, upright, at full size, which has to be `size`; raises on damage."""
    picture = _open_heic(BytesIO(data), name)
    same_size(picture.size, size, name)
    rgb = _colour(np.asarray(picture))
    if rgb.dtype != np.uint8:
        rgb |= rgb >> picture.info["bit_depth"]  # libheif's high bits, repeated: white is 65535
    return icc.to_srgb(rgb, _profile(picture))


def _colour(samples: Pixels) -> Pixels:
    """Gray as RGB; alpha is dropped."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] < 3:
        return np.repeat(samples[..., :1], 3, axis=2)
    return np.require(samples[..., :3], None, ["C", "O", "W"])


def avif_header(stream: BinaryIO, file: File, limits: Limits) -> Header:
    """The header, once the boxes are known to go on to the last; no pixel is decoded."""
    name = str(file)
    for _box in boxes(stream, 0, file.size, name):
        pass
    stream.seek(0)
    data = stream.read()
    with _open_avif(data, name) as picture:
        exif, profile = picture.getexif(), picture.info.get("icc_profile")
        # Pillow writes irot and imir into it, and turns nothing
        own = exif_of(picture.info.get("exif") or b"", limits)
        exif = replace(own, orientation=exif.get(0x0112, 1))
        return Header("avif", picture.size, 16 if _depth(data) > 8 else 8, icc.noted(exif, profile))


def _open_avif(data: bytes, name: str) -> Any:
    from PIL import AvifImagePlugin, features

    if not features.check("avif"):
        raise StillError(name, "AVIF: this Pillow was built without it: pip install -U pillow")
    return AvifImagePlugin.AvifImageFile(BytesIO(data))


def _depth(data: bytes) -> int:
    """Bits a sample (AV1 codec configuration, AV1-ISOBMFF 2.3.3)."""
    flags = data[at + 6] if 0 <= (at := data.find(b"av1C")) < len(data) - 6 else 0
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8


def avif_pixels(data: bytes, name: str, size: tuple[int, int]) -> Pixels:
    """sRGB of 8 or 16 bits, as stored, at full size, which has to be `size`; raises on damage."""
    import imagecodecs

    with _open_avif(data, name) as picture:
        same_size(picture.size, size, name)
        profile = picture.info.get("icc_profile")
    rgb = _colour(imagecodecs.avif_decode(data, index=0))
    if rgb.dtype != np.uint8:
        top = (1 << _depth(data)) - 1
        # to 65535 for white, rounded; no bit is lost
        rgb = ((rgb.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)
    return icc.to_srgb(rgb, profile)
