"""ICC: stills whose profile is not sRGB's are brought to sRGB, by Little CMS.

Relative colorimetric with black point compensation (ICC.1:2022, 6.2.2; ISO 18619): white stays
white, black stays black.  A still keeps no bytes of its profile; they are read again with it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from timelapse.ingest.exif import Exif
from timelapse.ingest.still import Pixels

#: The colours that a profile is of, by the signature in its header (ICC.1:2022, 7.2.8), as Little
#: CMS calls them, and their channels.
_SPACES = {b"RGB ": ("rgb", 3), b"GRAY": ("gray", 1), b"CMYK": ("cmyk", 4)}
#: Larger profiles are not looked at; those of printing presses reach some 4 MB.
_AT_MOST = 1 << 24
#: A profile that changes no colour by more levels than this is sRGB, whatever it calls itself.
_SAME = 1


class _Judged(NamedTuple):
    """`fault` says why a profile cannot be used; `plain`, that using it changes nothing."""

    space: str
    fault: str = ""
    plain: bool = False


def noted(exif: Exif, profile: bytes | None) -> Exif:
    """What EXIF says, and that the embedded profile cannot be used, if so."""
    fault = _judged(profile).fault if profile else ""
    if not fault:
        return exif
    note = f"its colour profile was not believed: {fault}; its colours are taken for sRGB"
    return replace(exif, note="; ".join(filter(None, (exif.note, note))))


def to_srgb(pixels: Pixels, profile: bytes | None) -> Pixels:
    """RGB or CMYK of a profile (H x W x 3 or 4, uint8 or uint16, display light) as sRGB.

    RGB without a profile that can be used is handed back as it is; else the result is new.  Of
    CMYK, 0 is no ink.  Raises ValueError for CMYK without a profile that can be used.
    """
    colours = {3: "rgb", 4: "cmyk"}[pixels.shape[2]]
    judged = _judged(profile) if profile else _Judged("", "there is none")
    if judged.space == "gray" and colours == "rgb" and _is_gray(pixels):
        pixels, colours = np.ascontiguousarray(pixels[..., 0]), "gray"
    usable = profile is not None and not judged.fault and judged.space == colours
    if colours == "cmyk" and not usable:
        raise ValueError(f"CMYK without a profile that can be used: {judged.fault}")
    if not usable or judged.plain:
        return pixels
    assert profile is not None
    return _transform(pixels, profile, colours)


def fits(profile: bytes | None, space: str) -> bool:
    """Whether a profile can be used, and is of colours `space`: rgb, gray or cmyk."""
    return bool(profile) and _judged(profile or b"")[:2] == (space, "")


def _is_gray(pixels: Pixels) -> bool:
    first = pixels[..., 0]
    return bool((pixels[..., 1] == first).all() and (pixels[..., 2] == first).all())


@lru_cache(maxsize=8)  # a roll has one, or one for each camera
def _judged(profile: bytes) -> _Judged:
    if not 128 < len(profile) < _AT_MOST or profile[36:40] != b"acsp":
        return _Judged("", "damaged")
    if profile[16:20] not in _SPACES:
        return _Judged("", f"of colours {profile[16:20].decode('ascii', 'replace').strip()!r}")
    space, channels = _SPACES[profile[16:20]]
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(*[steps] * channels), -1).reshape(1, -1, channels)
    try:
        shown = _transform(lattice if channels > 1 else lattice[..., 0], profile, space)
    except Exception as error:  # whatever a codec makes of damage
        return _Judged(space, f"damaged ({error})")
    same = space != "cmyk" and np.abs(shown.astype(int) - lattice).max() <= _SAME
    return _Judged(space, plain=bool(same))


def _transform(pixels: Pixels, profile: bytes, space: str) -> Pixels:
    import imagecodecs

    cms = imagecodecs.CMS
    flags = int(cms.FLAGS.BLACKPOINTCOMPENSATION)
    if space == "gray" or pixels.dtype != np.uint8:
        # Little CMS would put a table of 33 steps in place of the curves: dark values end up to
        # 15 of 255 levels off.
        flags |= int(cms.FLAGS.NOOPTIMIZE)
    shown: Pixels = imagecodecs.cms_transform(
        pixels,
        profile,
        _srgb(),
        colorspace=space,
        outcolorspace="rgb",
        intent=cms.INTENT.RELATIVE_COLORIMETRIC,
        flags=flags,
    )
    return shown


@cache
def _srgb() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
