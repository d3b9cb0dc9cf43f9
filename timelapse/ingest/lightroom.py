"""Lightroom's and Camera Raw's sidecars: settings of the schema `crs`.

Adobe, XMP Specification Part 2: Additional Properties, 3.4, and what the programs write.  Of the
exposure it is a plain factor that is taken, where the programs also hold highlights back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import cos, radians, sin
from xml.etree.ElementTree import Element

from timelapse.ingest.develop import (
    RDF,
    Crop,
    Develop,
    Properties,
    nothing_but,
    shares,
    upright,
)
from timelapse.ingest.still import Still

_CRS = "{http://ns.adobe.com/camera-raw-settings/1.0/}"
_ORIENTATION = "{http://ns.adobe.com/tiff/1.0/}Orientation"
_SIDES = ("CropLeft", "CropTop", "CropRight", "CropBottom")
#: No crop is turned further, in degrees.
_TURNED = 45

#: What `crs` holds that changes nothing by itself: what is read, what belongs to another setting
#: (which is named), and what is no setting.
_QUIET = re.compile(
    r"""Exposure(2012)?|(AsShot)?(Temperature|Tint)|\w*(Name|Version|Digest|Seed|UUID)|Group
    |Description|(Has|Crop|Upright|GrayMixer|CameraProfile|Toggle|Sharpen|LensProfile(?!Enable))\w*
    |(Luminance|Color)NoiseReduction(Detail|Contrast|Smoothness)|Parametric\w+Split
    |\w*Vignette(Midpoint|Feather|Roundness|Style|HighlightContrast)|Grain(Size|Frequency)
    |Defringe\w+Hue(Lo|Hi)|SplitToning(\w+Hue|Balance)|ColorGrade(\w+Hue|Blending)|HDRMaxValue""",
    re.VERBOSE,
)
#: Settings that are not at zero where nobody has touched them.
_UNTOUCHED: Mapping[str, tuple[float, ...]] = {
    "Sharpness": (25, 40),
    "ColorNoiseReduction": (25,),
    "PerspectiveScale": (100,),
    "CurveRefineSaturation": (100,),
    "Shadows": (5,),
    "Brightness": (50,),
    "Contrast": (25,),
}
#: Tone curves of old processes that do nothing, or are theirs by default.
_PLAIN_CURVES = ("Linear", "Medium Contrast")
#: The looks that Lightroom gives every still by itself.
_USUAL = ("", "Adobe Color", "Adobe Standard")


def asked_of_lightroom(asked: Properties, still: Still) -> Develop | None:
    """What settings of Camera Raw ask for; None where there are none, or they are in the picture
    already, as in that of a file that was exported."""
    settings = {n.removeprefix(_CRS): value for n, value in asked.items() if n.startswith(_CRS)}
    if _is_true(settings.get("AlreadyApplied")):
        return None
    if "ToneCurvePV2012" in settings or settings.get("ToneCurveName") in _PLAIN_CURVES:
        settings.pop("ToneCurve", None)  # the old one: another counts, or none
    unknown = [name for name, value in settings.items() if _asks(name, value)]
    if settings.get("WhiteBalance") != "As Shot":
        unknown += [n for n in ("Temperature", "Tint") if _number(settings.get(n))]
    name = next((n for n in ("Exposure2012", "Exposure") if n in settings), "")
    stops = _number(settings[name]) if name else 0.0
    if stops is None:
        unknown.append(name)
    crop, angle = None, 0.0
    if _is_true(settings.get("HasCrop")):
        made = _cropped(settings, still)
        if made is None:
            unknown.append("Crop")
        else:
            crop, angle = made
    turned_to = asked.get(_ORIENTATION)
    if isinstance(turned_to, str) and turned_to not in ("", str(still.orientation)):
        unknown.append("Orientation")
    return nothing_but(Develop(stops or 0.0, crop, angle, tuple(unknown)))


def _asks(name: str, value: str | Element) -> bool:
    """Whether a setting changes something that is not read here."""
    if _QUIET.fullmatch(name):
        return False
    if isinstance(value, str):
        if name == "ConvertToGrayscale":
            return _is_true(value)
        number = _number(value)
        return bool(number) and number not in _UNTOUCHED.get(name, ())
    if name == "Look":
        names = [e.get(f"{_CRS}Name") or e.findtext(f"{_CRS}Name") for e in value.iter()]
        return next(filter(None, names), "") not in _USUAL
    items = [(item.text or "").strip() for item in value.iter(f"{RDF}li")]
    if name.startswith("ToneCurve"):
        return any(len({float(n) for n in _numbers(item)}) > 1 for item in items)
    if name == "PointColors":
        return any(n != "-1.000000" for item in items for n in _numbers(item))
    return bool(items)


def _numbers(text: str) -> list[str]:
    return re.findall(r"[-+]?\d+(?:\.\d+)?", text)


def _number(value: object) -> float | None:
    """A setting's number; None for what is none, or beyond all that such a number can mean."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?(\d{1,9}(\.\d*)?|\.\d+)\s*", value):
        return float(value)
    return None


def _is_true(value: object) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("true", "1")


def _cropped(settings: Properties, still: Still) -> tuple[Crop | None, float] | None:
    """The crop and the angle of a `Develop`; None where they cannot be meant.

    `crs` gives the top left and the bottom right corner of a rectangle in the still as it is
    stored, whatever its orientation, turned clockwise about its middle by CropAngle: what is shown
    is turned back by as much.
    """
    left, top, right, bottom = (_number(settings.get(side)) for side in _SIDES)
    angle = _number(settings.get("CropAngle", "0"))
    if left is None or top is None or right is None or bottom is None or angle is None:
        return None
    orientation = still.orientation
    width, height = still.size[::-1] if orientation >= 5 else still.size
    # Half of its diagonal, seen along its own sides: half of its width and its height.
    c, s = cos(radians(angle)), sin(radians(angle))
    x, y = (right - left) * width / 2, (bottom - top) * height / 2
    half = x * c + y * s, y * c - x * s
    if min(half) <= 0 or abs(angle) > _TURNED:
        return None
    c, s = abs(c), abs(s)
    reach = (half[0] * c + half[1] * s) / width, (half[0] * s + half[1] * c) / height
    across, down = reach[::-1] if orientation >= 5 else reach
    x, y = upright((left + right) / 2, (top + bottom) / 2, orientation)
    crop = shares((x - across, y - down, x + across, y + down), still.size)
    if crop is None:
        return None
    mirrored = orientation in (2, 4, 5, 7)
    turned = (angle if mirrored else -angle) or 0.0
    return (crop if turned or crop != (0.0, 0.0, 1.0, 1.0) else None), turned
