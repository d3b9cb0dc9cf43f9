"""What another program was asked to do to a still, as far as it is understood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element

#: How the names of RDF start.
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
#: Properties of an XMP packet by `{namespace}name`: a text, or an element where it has parts.
Properties = Mapping[str, str | Element]
#: Left, top, width and height.
Crop = tuple[float, float, float, float]
#: No program shifts the exposure further, in stops.
_FARTHEST = 20
#: What a crop may stand out of the still by rounding, in shares of it.
_ROUNDING = 0.002


@dataclass(frozen=True)
class Develop:
    """What a sidecar asks for one still.

    `stops` is the exposure, in stops of linear light.  `crop` (left, top, width, height, in shares
    of the upright still) and `angle` (degrees clockwise) are as those of `grade.Pose`: where
    `angle` is not zero, the crop is the least upright box that holds what is shown, and both have
    their middle in common.  `unknown` names what else is asked for, and not understood.
    """

    stops: float = 0.0
    crop: Crop | None = None
    angle: float = 0.0
    unknown: tuple[str, ...] = ()


def nothing_but(develop: Develop) -> Develop | None:
    """The same with an exposure that can be meant; None where nothing is asked for."""
    if not (isfinite(develop.stops) and abs(develop.stops) <= _FARTHEST):
        unknown = (*develop.unknown, "Exposure")
        develop = Develop(0.0, develop.crop, develop.angle, unknown)
    return None if develop == Develop() else develop


def shares(box: Sequence[float], still: tuple[int, int]) -> Crop | None:
    """A box (left, top, right, bottom in shares of a still of that size) as a crop within the
    still, with the same middle; None where it cannot be meant."""
    sides = []
    for low, high, length in ((box[0], box[2], still[0]), (box[1], box[3], still[1])):
        if not (isfinite(low) and isfinite(high)):
            return None
        middle, half = (low + high) / 2, (high - low) / 2
        reach = min(half, middle, 1 - middle)
        if half - reach > max(_ROUNDING, 0.02 * half) or reach * length < 1:
            return None
        sides.append((max(0.0, middle - reach), 2 * reach))
    (left, width), (top, height) = sides
    return left, top, min(width, 1 - left), min(height, 1 - top)


def upright(x: Any, y: Any, orientation: int) -> tuple[Any, Any]:
    """Where places of a still as it is stored are when its EXIF orientation has been applied
    (Exif 2.32, 4.6.4 A); numbers or arrays of them, in shares of its width and height."""
    if orientation >= 5:
        x, y = y, x
    return (
        1 - x if orientation in (2, 3, 6, 7) else x,
        1 - y if orientation in (3, 4, 7, 8) else y,
    )
