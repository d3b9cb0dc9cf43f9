"""darktable's sidecars: a history of operations, each with the bytes of its C structure.

Read are `exposure` (versions 5 to 7 of its parameters), the exposure of `basicadj` (1 and 2),
`crop` (1 to 3) and a `clipping` that does not turn (5), where no mask or blending limits them.
The layouts are public knowledge: src/iop of github.com/darktable-org/darktable.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from timelapse.ingest.develop import RDF, Crop, Develop, Properties, nothing_but, shares

_NAMESPACE = "{http://darktable.sf.net/}"
#: No parameters take more bytes.
_LONGEST = 1 << 16
#: Every history has these: what makes a picture of a file, not what a person asks for.
_ALWAYS = ("rawprepare", "demosaic", "highlights", "colorin", "colorout", "gamma", "finalscale")
#: Where a crop comes after these, it counts in what they make of the still.
_BENDING = ("flip", "ashift", "rotatepixels", "scalepixels", "liquify")
_EXPOSURE = {5: "<i4f", 6: "<i4fi", 7: "<i4f2i"}
_BASIC = {1: "<5fi4f", 2: "<5fi5f"}
_CROP = {1: "<4f2i", 2: "<4f3i", 3: "<4f2i"}
_CLIPPING = {5: "<15f6i"}
#: A black level that nobody sees: darktable's own is a quarter of a thousandth below zero.
_BLACK = 0.0003
#: The size by which a crop is judged: shares are all that is known here.
_LARGE = (1000, 1000)


@dataclass(frozen=True)
class _Step:
    """An operation that is switched on: its parameters, and whether a mask limits it."""

    name: str
    version: int
    params: bytes
    masked: bool

    def read(self, layouts: dict[int, str]) -> tuple[float, ...] | None:
        """The values of its structure; None where it is not one of these."""
        layout = layouts.get(self.version)
        if layout is None or len(self.params) < struct.calcsize(layout) or self.masked:
            return None
        return struct.unpack_from(layout, self.params)


def asked_of_darktable(asked: Properties) -> Develop | None:
    """What a history asks for; None where there is none."""
    if f"{_NAMESPACE}history_operation" in asked:
        return Develop(unknown=("history in the form of darktable 1",))
    history = asked.get(f"{_NAMESPACE}history")
    if not isinstance(history, Element):
        return None
    steps = _switched_on(history, asked.get(f"{_NAMESPACE}history_end"))
    stops, crop, unknown = 0.0, None, list[str]()
    bent = any(step.name in _BENDING and not _idle(step) for step in steps)
    for step in steps:
        match step.name:
            case "exposure":
                by, strange = _exposure(step)
                stops += by
                unknown += strange
            case "basicadj":
                by, strange = _basic(step)
                stops += by
                unknown += strange
            case "crop" | "clipping":
                part = None if bent or crop else _part(step)
                if part is None:
                    unknown.append(step.name)
                elif part != (0, 0, 1, 1):
                    crop = part
            case name if name not in _ALWAYS and not _idle(step):
                unknown.append(name)
    return nothing_but(Develop(stops, crop, 0.0, tuple(unknown)))


def _switched_on(history: Element, end: object) -> list[_Step]:
    """The operations that count: each as it was left last, up to the `end` of the history."""
    stop = _whole(end, 1 << 30)
    last: dict[tuple[str, str], Element] = {}
    for place, item in enumerate(history.iter(f"{RDF}li")):
        if _whole(_text(item, "num"), place) < stop:
            key = _text(item, "operation"), _text(item, "multi_priority")
            last.pop(key, None)
            last[key] = item
    return [
        _Step(
            name,
            _whole(_text(item, "modversion"), 0),
            _bytes(_text(item, "params")),
            any(_bytes(_text(item, "blendop_params"))[:4]),
        )
        for (name, _), item in last.items()
        if _text(item, "enabled") == "1"
    ]


def _text(item: Element, name: str) -> str:
    written = item.get(f"{_NAMESPACE}{name}")
    return (item.findtext(f"{_NAMESPACE}{name}", "") if written is None else written).strip()


def _whole(value: object, otherwise: int) -> int:
    plain = isinstance(value, str) and len(value) < 10 and value.isascii() and value.isdigit()
    return int(str(value)) if plain else otherwise


def _bytes(text: str) -> bytes:
    """Parameters: hexadecimal, or `gz` and two digits, then base64 of what zlib packed; nothing
    where they are neither."""
    try:
        if not text.startswith("gz"):
            return bytes.fromhex(text)
        packed = base64.b64decode(text[4:], validate=True)
        return zlib.decompressobj().decompress(packed, _LONGEST)
    except (ValueError, zlib.error):
        return b""


def _idle(step: _Step) -> bool:
    """Whether an operation leaves the still as its EXIF says that it is up."""
    return step.name == "flip" and step.params[:4] == b"\xff\xff\xff\xff"


def _exposure(step: _Step) -> tuple[float, list[str]]:
    """mode, black, exposure, two values of darktable's own deflicker; from version 6 on whether
    the camera's own correction is taken back, from 7 on also that of its highlights."""
    values = step.read(_EXPOSURE)
    if values is None or values[0] != 0:
        return 0.0, [step.name]
    _, black, stops, _, _, *undone = values
    strange = ["exposure's black level"] if abs(black) > _BLACK else []
    return stops, strange + ["exposure's undoing of the camera's bias"] * any(undone)


def _basic(step: _Step) -> tuple[float, list[str]]:
    """Black point, exposure, highlights (two), contrast, the norm, middle grey, brightness,
    saturation, from version 2 on vibrance, clip."""
    values = step.read(_BASIC)
    if values is None:
        return 0.0, [step.name]
    black, stops, highlights, _, contrast, _, _, *rest = values
    more = any((black, highlights, contrast, *rest[:-1]))
    return stops, ["basicadj beyond its exposure"] * more


def _part(step: _Step) -> Crop | None:
    """What is left of the still: left, top, right, bottom; in `clipping` behind the angle, and
    before what bends it."""
    if step.name == "crop":
        values = step.read(_CROP)
        return shares(values[:4], _LARGE) if values else None
    values = step.read(_CLIPPING)
    if values is None:
        return None
    angle, left, top, right, bottom, across, down = values[:7]
    bends = values[17]  # k_apply
    if angle or across or down or bends or right < 0 or bottom < 0:  # below zero: mirrored
        return None
    return shares((left, top, right, bottom), _LARGE)
