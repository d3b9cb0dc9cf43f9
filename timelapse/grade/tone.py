"""Tone: how bright, how contrasty and of what colour frames are, in keys on any clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from timelapse.errors import ProjectError
from timelapse.grade.camera import Motion, eased
from timelapse.grade.cube import Cube, read_cube
from timelapse.grade.toned import STRAIGHT, Curve, Toned
from timelapse.written import Instant

#: From where to where each number goes.
_RANGES = {
    "exposure": (-10.0, 10.0),
    "temperature": (-80.0, 150.0),
    "tint": (-50.0, 50.0),
    "black": (0.0, 0.9),
    "white": (0.05, 2.0),
    "saturation": (0.0, 4.0),
    "lut_strength": (0.0, 1.0),
    "sharpen": (0.0, 5.0),
    "sharpen_radius": (0.3, 10.0),
    "sharpen_threshold": (0.0, 0.5),
}
#: The least that lies between black and white point.
_APART = 0.02
#: Numbers of a frame are rounded to so many decimals: they enter keys of caches.
_DECIMALS = 9


@dataclass(frozen=True, kw_only=True)
class ToneValues:
    """The tone at one time; what is left out is as it was before, and at first changes nothing.

    `exposure` is in stops.  `temperature` makes warmer (below 0: colder), in mireds, as filters for
    lenses have them (81A: 18, 85: 112); `tint` makes it more magenta (below 0: greener).  `black`
    and `white` are the display values, in shares, that become black and white.  `saturation` 0 is
    grey, 1 as it was.  `curve` is a list of points [before, after] in display light, in shares.
    `lut_strength` is how much of the look-up table is used.  `sharpen` is by how much fine detail
    is raised; what is finer than `sharpen_radius`, in pixels of the frame, is detail, and what
    differs by less than `sharpen_threshold`, a share of white, is left.
    """

    exposure: float | None = None
    temperature: float | None = None
    tint: float | None = None
    black: float | None = None
    white: float | None = None
    saturation: float | None = None
    curve: Curve | None = None
    lut_strength: float | None = None
    sharpen: float | None = None
    sharpen_radius: float | None = None
    sharpen_threshold: float | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise ProjectError(f"{name}: {value:g} is not from {least:g} to {most:g}")
        if self.curve is not None:
            _check_curve(self.curve)

    @property
    def said(self) -> dict[str, Any]:
        """The values that are not left out."""
        values = {name: getattr(self, name) for name in (*_RANGES, "curve")}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ToneKey(ToneValues):
    """From `at` on the tone is this, and `ease` says how it comes from the key before: `smooth`,
    `linear`, or `hold` (it stays, and jumps); see the tone for the values."""

    at: Instant
    ease: Motion = "smooth"


@dataclass(frozen=True, kw_only=True)
class ToneLook(ToneValues):
    """A tone that stays: what a look file holds.  `lut` is a .cube file."""

    lut: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tone(ToneLook):
    """The tone of a film: values for all of it, or from which its `keys` start.

    `look` is a file of such values, which hold where nothing is said here.  `exposure` is in stops;
    `temperature` (in mireds, warmer) and `tint` (more magenta) turn colours, `saturation` makes
    them stronger; `black` and `white` are display values, in shares, that become black and white;
    `curve` is a list of points [before, after] in display light; `lut` is a .cube file, used by
    `lut_strength`; `sharpen`, `sharpen_radius` and `sharpen_threshold` raise fine detail.  See
    tone.md.
    """

    look: str | None = None
    keys: tuple[ToneKey, ...] = ()


def _check_curve(curve: Curve) -> None:
    inside = all(0 <= share <= 1 for point in curve for share in point)
    if len(curve) < 2 or not inside or any(b[0] <= a[0] for a, b in pairwise(curve)):
        raise ProjectError(
            f"curve: {[list(point) for point in curve]} is no curve; write two or more points "
            "[before, after] in shares from 0 to 1, from left to right, as "
            "[[0, 0], [0.25, 0.2], [1, 1]]"
        )


@dataclass(frozen=True)
class Toning:
    """The tone of a clip: keys (at, the tone there, how it is come by), in their order; made by
    `toning`."""

    keys: tuple[tuple[Fraction, Toned, Motion], ...]

    @property
    def idle(self) -> bool:
        """Whether no pixel of no frame is changed."""
        return all(toned.idle for _, toned, _ in self.keys)

    def at(self, seconds: Fraction) -> Toned:
        """The tone at a time of the video: before the first key as there, after the last as
        there."""
        if seconds <= self.keys[0][0]:
            return self.keys[0][1].plain
        for (start, one, _), (stop, two, ease) in pairwise(self.keys):
            if seconds < stop:
                along = np.array([float((seconds - start) / (stop - start))])
                return _between(one, two, float(eased(along, np.array([ease]))[0])).plain
        return self.keys[-1][1].plain


def toning(tone: Tone, at: Sequence[Fraction] = (), cube: Cube | None = None) -> Toning:
    """A tone whose keys are at these seconds of the video; its paths have to be whole ones, and its
    `look` read (see `timelapse.looks`).  `cube` is its look-up table, where it is read already.

    ProjectError where keys do not follow on each other, black and white point meet, or the look-up
    table cannot be read.
    """
    start = _toned(tone.said, cube) if cube else fixed(tone)
    if not tone.keys:
        return Toning(((Fraction(0), start, "hold"),))
    values = tone.said
    found: list[tuple[Fraction, Toned, Motion]] = []
    for key, seconds in zip(tone.keys, at, strict=True):
        if found:
            check_order(found[-1][0], seconds)
        values = {**values, **key.said}
        found.append((seconds, _toned(values, start.cube), key.ease))
    return Toning(tuple(found))


def check_order(before: Fraction, seconds: Fraction) -> None:
    """ProjectError where a key does not follow on the one before it."""
    if seconds <= before:
        raise ProjectError(
            f"the key at {float(seconds):.2f} s of the clip comes after that at "
            f"{float(before):.2f} s; put them in the order of the clip"
        )


def fixed(look: ToneLook) -> Toned:
    """The tone of all frames where it does not change; its path has to be a whole one.  Raises as
    `toning` does."""
    return _toned(look.said, read_cube(Path(look.lut)) if look.lut else None)


def _toned(values: dict[str, Any], cube: Cube | None) -> Toned:
    if cube is None and "lut_strength" in values:
        raise ProjectError("lut_strength: there is no look-up table; name its file with lut:")
    numbers = {name: float(value) for name, value in values.items() if name != "curve"}
    curves = ((1.0, values["curve"]),) if "curve" in values else ()
    found = Toned(**numbers, curves=curves, cube=cube)
    if found.white - found.black < _APART:
        raise ProjectError(
            f"white: {found.white:g} is not above black: {found.black:g} by at least {_APART}"
        )
    return found


def _between(one: Toned, two: Toned, share: float) -> Toned:
    """The tone on the way from one to the other; what curves make is mixed, not their points."""
    numbers = {
        name: round((1 - share) * getattr(one, name) + share * getattr(two, name), _DECIMALS)
        for name in _RANGES
    }
    curves: dict[Curve, float] = {}
    for toned, part in ((one, 1 - share), (two, share)):
        for weight, curve in toned.curves or ((1.0, STRAIGHT),):
            curves[curve] = round(curves.get(curve, 0) + weight * part, _DECIMALS)
    mixed = tuple((part, curve) for curve, part in curves.items() if part)
    return replace(one, **numbers, curves=mixed)
