"""Cosmic rays: what hits the sensor in one still, and was never behind the lens.

A hit is sharper than the lens can draw: its light is in one photosite, or in a line of them, where
a star, a strobe or the rocket fills all that are around.  It is in one still, with nothing bright
near it in the one before and the one after.  Only what is all of that is taken out, and only in
that still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.repairs import Repairs, middle, neighbours, taken
from timelapse.grade.survey import surveyed
from timelapse.ingest import Limits, Pixels, Still

Size = tuple[int, int]
Bytes = NDArray[np.uint8]
#: Of how many stills the sharpness of the lens is learned; from how many points of light; and which
#: share of these may be sharper than what is held to be the lens.
_LOOKED_AT, _POINTS, _SHARPEST = 6, 40, 0.03
#: A point of light whose weakest channel has this share of its strongest is white: no hit is.
_WHITE = 0.6
#: How sharp points of light are held to be where there are none, and are at most.
_UNKNOWN, _BLURRED = 0.15, 0.35
#: How far a hit stands out: in levels of 255 (half of it in stills of half the size and smaller,
#: where a hit is fainter, and so is noise), in standard deviations of the noise of the still, and
#: in those of what is near.
_LEAST, _NOISE, _NEAR_NOISE = 30, 8.0, 8.0
#: What is near, in pixels to each side.
_NEAR = 3
#: Standard deviations between the quartiles of noise.
_QUARTILES = 1.349
#: In the stills before and after, a hit has less than this share of its brightness near it; in its
#: own still, so have all but so many pixels.
_ABSENT, _LONGEST = 0.4, 5


@dataclass(frozen=True)
class CosmicRays:
    """How hits are told from what is real.

    `sharp`: how much less light there is beside a hit than beside the sharpest point of light that
    the lens draws, as a share, up to 1; lower is more careful.
    """

    sharp: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.sharp <= 1:
            raise ProjectError(f"sharp: {self.sharp:g} is a share; write a number from 0 to 1")


@dataclass(frozen=True)
class Optics:
    """What the lens and the sensor draw, at one scale of decoding.

    `beside` is the share of a point's light that is beside it at least, `threshold` how far (levels
    of 255) what is no noise stands out.
    """

    beside: float
    threshold: int

    def as_json(self) -> dict[str, Any]:
        """What a report tells."""
        return {"beside": round(self.beside, 3), "threshold": self.threshold}


def measure(
    stills: Sequence[Still],
    settings: CosmicRays = CosmicRays(),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    size: Callable[[Still], Size] | None = None,
    repairs: Repairs | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Optics:
    """What the lens draws in stills that are decoded at the scale of `size` (see `surveyed`),
    without the defects of the sensor that `repairs` knows."""
    chosen = np.unique(np.linspace(0, len(stills) - 1, _LOOKED_AT).round().astype(int)).tolist()
    shares, thresholds = [], list[int]()
    for at, pixels in surveyed(stills, limits, size=size, wanted=chosen, progress=progress):
        if repairs is not None:
            repairs.apply(pixels, stills[at])
        apart = _apart(_eight_bits(pixels))
        scale = pixels.shape[1] / stills[at].size[0]
        thresholds.append(max(_noise(apart), round(_LEAST * max(0.5, scale))))
        shares.append(_points(apart, max(thresholds)))
    points = np.concatenate(shares) if shares else np.empty(0)
    beside = _UNKNOWN
    if len(points) >= _POINTS:
        beside = min(_BLURRED, float(np.quantile(points, _SHARPEST)))
    return Optics(settings.sharp * max(beside, 0.0), max(thresholds, default=_LEAST))


def repair(pixels: Pixels, before: Pixels | None, after: Pixels | None, optics: Optics) -> int:
    """Takes hits out of a still in place, and says of how many pixels.

    All are of one shape, H x W x 3, contiguous, RGB in display light, uint8 or uint16, without
    defects of the sensor.  `before` and `after` are the stills next to it, where there are any;
    without either nothing is done.
    """
    beside = [_eight_bits(still) for still in (before, after) if still is not None]
    if not beside:
        return 0
    own = _eight_bits(pixels)
    apart = _apart(own)
    rows, columns, _ = pixels.shape
    hits = np.zeros((rows, columns), bool)
    for channel, plane in enumerate(apart):
        y, x = np.divmod(np.flatnonzero(plane > optics.threshold), columns)
        inside = (y > 0) & (x > 0) & (y < rows - 1) & (x < columns - 1)
        y, x = y[inside], x[inside]
        height = plane[y, x].astype(np.float32)
        sharp = _beside(plane, y, x) < optics.beside * height
        y, x, height = y[sharp], x[sharp], height[sharp]
        others = np.sort(np.stack([each[y, x] for each in apart]), axis=0)
        coloured = others[0] < _WHITE * height
        y, x, height = y[coloured], x[coloured], height[coloured]
        around = _around(own, channel, y, x)
        alone = _rank(around, -1 - _LONGEST) - _rank(around, 0.5) < _ABSENT * height
        alone &= _NEAR_NOISE * (_rank(around, 0.75) - _rank(around, 0.25)) / _QUARTILES < height
        for still in beside:
            around = _around(still, channel, y, x)
            alone &= _rank(around, -1) - _rank(around, 0.5) < _ABSENT * height
        hits[y[alone], x[alone]] = True
    y, x = np.divmod(np.flatnonzero(hits), columns)
    if not len(y):
        return 0
    near = neighbours(y, x, np.ones(len(y), bool), (rows, columns))
    flat = pixels.reshape(-1, 3)
    flat[y * columns + x] = middle([taken(flat, row) for row in near])
    return len(y)


def _eight_bits(pixels: Pixels) -> Bytes:
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def _apart(pixels: Bytes) -> list[Bytes]:
    """By how much each channel is brighter than its surroundings."""
    import cv2

    planes = [cv2.extractChannel(pixels, channel) for channel in range(3)]
    return [np.asarray(cv2.subtract(plane, cv2.medianBlur(plane, 5))) for plane in planes]


def _noise(apart: list[Bytes]) -> int:
    sample = np.concatenate([plane[::7, ::5].reshape(-1) for plane in apart])
    # Half of it is below its surroundings, and counts as zero here.
    return round(_NOISE * float(np.quantile(sample, 0.84)))


def _beside(plane: Bytes, y: Any, x: Any) -> NDArray[np.float32]:
    """How bright it is beside pixels, across whatever line they may be part of."""
    above, below, left, right = (
        plane[y + dy, x + dx].astype(np.float32) for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
    )
    across: NDArray[np.float32] = np.minimum(above + below, left + right) / 2
    return across


def _points(apart: list[Bytes], threshold: int) -> NDArray[np.float32]:
    """The share of the light that is beside each point of light: the brightest pixels around,
    which stand out in all channels."""
    import cv2

    green = apart[1]
    weakest = np.minimum(np.minimum(apart[0], apart[2]), green)
    top = (green == cv2.dilate(green, np.ones((5, 5), np.uint8))) & (green > 1.5 * threshold)
    top &= (weakest > _WHITE * green) & (green < 250)
    top[[0, -1]] = top[:, [0, -1]] = False
    y, x = np.nonzero(top)
    return (_beside(green, y, x) / np.maximum(green[y, x], 1)).astype(np.float32)


def _around(still: Bytes, channel: int, y: Any, x: Any) -> NDArray[np.float32]:
    """What is near pixels, themselves among it, sorted (P x 49)."""
    height, width = still.shape[:2]
    steps = np.arange(-_NEAR, _NEAR + 1)
    rows = np.clip(y[:, None] + steps, 0, height - 1)
    columns = np.clip(x[:, None] + steps, 0, width - 1)
    window = still[rows[:, :, None], columns[:, None, :], channel].reshape(len(y), len(steps) ** 2)
    return np.sort(window, axis=1).astype(np.float32)


def _rank(around: NDArray[np.float32], place: float) -> NDArray[np.float32]:
    """A value of each row by its place, or by the share of the row that is below it."""
    at = int(place * around.shape[1]) if 0 < place < 1 else int(place)
    return around[:, at]
