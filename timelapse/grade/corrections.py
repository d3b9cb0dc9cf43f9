"""Corrections: what is asked for a roll, what was found in it, and what that means for its stills.

Whatever needs a look at the stills is found once, and is plain numbers from then on: each worker
corrects each still alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from timelapse.grade.cosmic import CosmicRays, Optics
from timelapse.grade.denoise import Denoise
from timelapse.grade.flicker import Deflicker, Gains
from timelapse.grade.hotpixels import Defects, HotPixels
from timelapse.grade.layout import Border
from timelapse.grade.light import Gain
from timelapse.grade.motion import Motion
from timelapse.grade.moved import Nine
from timelapse.grade.noise import Noise
from timelapse.grade.register import Register
from timelapse.grade.steady import Stabilise, Steadied
from timelapse.ingest import Still
from timelapse.times import CaptureTime

#: How near to white the plain product is left, where a sidecar makes a still brighter.
_SHOULDER = 4.0


@dataclass(frozen=True)
class Grade:
    """What is done to the stills of a roll; None is left undone.

    `reference` is the index of the still that `stabilise` names; `strengths` are those of `denoise`
    by the index of the still, where they are not all the same; `stops` are those of the exposure
    that sidecars ask for, by the index of the still, and `crops`, one a still or none at all, lay
    what they show of a still into the pose (see `cropped`).
    """

    hot_pixels: HotPixels | None = None
    cosmic_rays: CosmicRays | None = None
    deflicker: Deflicker | None = None
    stabilise: Stabilise | None = None
    reference: int | None = None
    denoise: Denoise | None = None
    strengths: Mapping[int, float] = field(default_factory=dict)
    stops: Mapping[int, float] = field(default_factory=dict)
    crops: tuple[Nine, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether nothing is done."""
        return self == Grade()

    @property
    def register(self) -> Register | None:
        """How the stills' motion is to be found, where anything asks for it."""
        if self.stabilise:
            return self.stabilise.register(self.reference)
        return Register() if self.denoise else None


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a roll for a `grade`; None where it is not known yet, or not asked for."""

    grade: Grade = Grade()
    defects: Defects | None = None
    optics: Optics | None = None
    gains: Gains | None = None
    motion: Motion | None = None
    steadied: Steadied | None = None
    noise: Noise | None = None

    @property
    def findings(self) -> tuple[str, ...]:
        """What a person should know."""
        of_both = (self.defects, self.steadied)
        return tuple(text for found in of_both if found for text in found.findings)

    def as_json(self) -> dict[str, Any]:
        """What a report tells."""
        names = {
            "hot_pixels": self.defects,
            "cosmic_rays": self.optics,
            "deflicker": self.gains,
            "stabilise": self.steadied,
            "denoise": self.noise,
        }
        return {name: found.as_json() for name, found in names.items() if found}


@dataclass(frozen=True, eq=False)
class Corrections:
    """What some stills are corrected by, all in the order in which they are decoded.

    `gains`, `onto` and `closers` have one a still, or none at all; the last say how many times
    larger a still is shown by `onto`, and `closer` how many times any still of the roll at most.
    """

    defects: Defects | None = None
    optics: Optics | None = None
    gains: tuple[Gain, ...] = ()
    onto: tuple[Nine, ...] = ()
    border: Border = "crop"
    closer: float = 1.0
    closers: tuple[float, ...] = ()

    @cached_property
    def words(self) -> str:
        """Equal words mean equal corrections."""
        mended = self.defects.digest if self.defects else ""
        sizes = self.closer, self.closers
        return repr((mended, self.optics, self.gains, self.onto, self.border, sizes))

    def of_picture(self, at: int, still: Still) -> str:
        """Equal words mean that a still is made the same picture by these; none where nothing is
        done to it before it becomes one."""
        mended = self.defects.digest if self.defects else ""
        parts = (mended, self.optics, self.steady(at), self.border, self.closer_of(at))
        return repr((*parts, self.times([still]))) if any(parts[:3]) else ""

    def times(self, stills: Iterable[Still]) -> tuple[CaptureTime, ...]:
        """When stills were taken, where that decides how they are mended."""
        timed = self.defects is not None and self.defects.timed
        return tuple(still.captured for still in stills) if timed else ()

    def gain(self, at: int) -> Gain | None:
        return self.gains[at] if self.gains else None

    def steady(self, at: int) -> Nine | None:
        return self.onto[at] if self.onto else None

    def closer_of(self, at: int) -> float:
        """How many times larger one still is shown."""
        return self.closers[at] if self.closers else 1.0


def corrections(
    grade: Grade, found: Found, stills: Sequence[Still], chosen: Sequence[int]
) -> Corrections:
    """What some stills of a roll, by their indices, are corrected by."""
    onto = [laid(grade, found, stills, at) for at in chosen]
    return Corrections(
        found.defects if found.defects and not found.defects.idle else None,
        found.optics,
        _gains(grade, found, chosen),
        tuple(each for each in onto if each),
        grade.stabilise.border if grade.stabilise else "crop",
        closer(grade, found),
        tuple(_closer(grade, found, at) for at in chosen) if any(onto) else (),
    )


def laid(grade: Grade, found: Found, stills: Sequence[Still], at: int) -> Nine | None:
    """The matrix that takes places in a still to where they are to be seen, both in its pixels,
    row by row; None where no still is moved."""
    steadied = found.steadied
    steady = steadied.of(at, stills[at].size) if steadied and not steadied.idle else None
    crop = grade.crops[at] if grade.crops else None
    if steady is None or crop is None:
        return steady or crop
    both = np.array(crop).reshape(3, 3) @ np.array(steady).reshape(3, 3)
    return tuple(round(value, 10) + 0.0 for value in both.ravel().tolist())


def closer(grade: Grade, found: Found) -> float:
    """How many times larger stills are shown at most than the frame asks for."""
    every = range(len(grade.crops) or 1)
    return max(1.0, *(_closer(grade, found, at) for at in every))


def _closer(grade: Grade, found: Found, at: int) -> float:
    """How many times larger one still is shown than the frame asks for."""
    steady = found.steadied.closer if found.steadied and not found.steadied.idle else 1.0
    if not grade.crops:
        return steady
    a, b, _, c, d = grade.crops[at][:5]
    return round(steady * float(abs(a * d - b * c) ** 0.5), 6)


def _gains(grade: Grade, found: Found, stills: Sequence[int]) -> tuple[Gain, ...]:
    """The camera's flicker is taken out, and what the sidecars say put over it."""
    levelled = found.gains if found.gains and not found.gains.idle else None
    stops = [grade.stops.get(at, 0.0) for at in stills]
    if not levelled and not any(stops):
        return ()
    none = Gain(1.0, 1.0, 1.0, _SHOULDER)
    gains = [levelled.of(at) if levelled else none for at in stills]
    return tuple(
        gain._replace(red=gain.red * 2**by, green=gain.green * 2**by, blue=gain.blue * 2**by)
        for gain, by in zip(gains, stops, strict=True)
    )
