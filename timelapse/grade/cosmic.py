"""Cosmic rays: what hits the sensor in one still, and was never behind the lens.

A hit is sharper than the lens can draw: its light is in one photosite, or in a line of them, where
a star, a strobe or the rocket fills all that are around.  It is in one still, with nothing bright
near it in the one before and the one after.  Only what is all of that is taken out, and only in
that still.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.kept import kept_at
from timelapse.grade.repairs import Repairs, middle, neighbours, taken
from timelapse.grade.survey import surveyed
from timelapse.ingest import Limits, Pixels, Still
from timelapse.storage import written_whole

Size = tuple[int, int]
Bytes = NDArray[np.uint8]
#: Raise it when the code comes to other optics of the same stills.
_MADE_AS = 1
#: Of how many stills the sharpness of the lens is learned; from how many points of light; and which
#: share of these may be sharper than what is held to be the lens.
_LOOKED_AT, _POINTS, _SHARPEST = 6, 40, 0.03
#: A point of light whose weakest channel has this share of its strongest is white: no hit is.
_WHITE = 0.65
#: How sharp points of light are held to be where there are none, and are at most.
_UNKNOWN, _BLURRED = 0.15, 0.35
#: How far a hit stands out: in levels of 255 (half of it in stills of half the size and smaller,
#: where a hit is fainter, and so is noise), in standard deviations of the noise of the still, and
#: in those of what is near; next to a hit the tail of its track does so by this share.
_LEAST, _NOISE, _NEAR_NOISE, _TAIL = 30, 8.0, 5.5, 0.6
#: What is near, in pixels to each side.
_NEAR = 3
#: Standard deviations between the quartiles of noise.
_QUARTILES = 1.349
#: In its own still all near a hit but so many pixels have less than this share of its brightness;
#: in those before and after all have less than that.
_LONGEST, _FEW, _ABSENT = 5, 0.45, 0.5


@dataclass(frozen=True)
class CosmicRays:
    """How hits are told from what is real.

    `sharp`: how much light there may be beside a hit, as a share of what there is beside the
    sharpest point of light that the lens draws, up to 1; lower is more careful.
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
    identities: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Optics:
    """What the lens draws in stills that are decoded at the scale of `size` (see `surveyed`),
    without the defects of the sensor that `repairs` knows.

    `identities` are what makes the stills and these repairs other ones: where given, what was found
    is kept on disk and not looked for again.
    """
    chosen = np.unique(np.linspace(0, len(stills) - 1, _LOOKED_AT).round().astype(int)).tolist()
    kept = None
    if identities is not None:
        sizes = [size(stills[at]) if size else None for at in chosen]
        kept = kept_at("optics.json", _MADE_AS, settings, identities, sizes)
        # A damaged one is as if it were not there.
        with suppress(OSError, ValueError, TypeError):
            beside, threshold = json.loads(kept.read_text("ascii"))
            return Optics(float(beside), int(threshold))
    shares, thresholds = [], list[int]()
    for at, pixels in surveyed(stills, limits, size=size, wanted=chosen, progress=progress):
        if repairs is not None:
            repairs.apply(pixels, stills[at])
        apart = _apart(_eight_bits(pixels))
        scale = pixels.shape[1] / stills[at].size[0]
        thresholds.append(max(_noise(apart), round(_LEAST * max(0.5, scale))))
        shares.append(_points(apart, max(thresholds)))
    points = np.concatenate(shares) if shares else np.empty(0)
    share = _UNKNOWN
    if len(points) >= _POINTS:
        share = min(_BLURRED, float(np.quantile(points, _SHARPEST)))
    found = Optics(round(settings.sharp * share, 4), max(thresholds, default=_LEAST))
    if kept is not None:
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(kept) as draft:
                draft.write_text(json.dumps([found.beside, found.threshold]), "ascii")
    return found


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
    apart = _apart(own).reshape(-1)
    rows, columns, _ = pixels.shape
    # Everything is found by its place in the flattened still: the same for all stills.
    at = np.flatnonzero(apart > optics.threshold)
    y, x = np.divmod(at // 3, columns)
    at = at[(y >= _NEAR) & (x >= _NEAR) & (y < rows - _NEAR) & (x < columns - _NEAR)]
    at = at[_beside(apart, at, columns) < optics.beside * apart[at]]
    weakest = np.min([apart[at // 3 * 3 + channel] for channel in range(3)], axis=0)
    at = at[weakest < _WHITE * apart[at]]
    hits = np.unique(_alone(own, beside, at, apart[at], _NEAR_NOISE) // 3)
    if not len(hits):
        return 0
    tails = (hits[:, None] + _steps(1, columns)).reshape(-1)
    tails = np.unique(tails[:, None] * 3 + np.arange(3))
    tails = tails[apart[tails] > _TAIL * optics.threshold]
    y, x = np.divmod(tails // 3, columns)
    tails = tails[(y >= _NEAR) & (x >= _NEAR) & (y < rows - _NEAR) & (x < columns - _NEAR)]
    tails = _alone(own, beside, tails, apart[tails], _TAIL * _NEAR_NOISE) // 3
    hits = np.union1d(hits, tails)
    near = neighbours(*np.divmod(hits, columns), np.ones(len(hits), bool), (rows, columns))
    flat = pixels.reshape(-1, 3)
    flat[hits] = middle([taken(flat, row) for row in near])
    return len(hits)


def _eight_bits(pixels: Pixels) -> Bytes:
    return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)


def _apart(pixels: Bytes) -> Bytes:
    """By how much each pixel is brighter than its surroundings, channel by channel."""
    import cv2

    return np.asarray(cv2.subtract(pixels, cv2.medianBlur(pixels, 5)))


def _noise(apart: Bytes) -> int:
    # Half of it is below its surroundings, and counts as zero here.
    return round(_NOISE * float(np.quantile(apart[::7, ::5], 0.84)))


def _beside(apart: Bytes, at: NDArray[np.int64], columns: int) -> NDArray[np.float32]:
    """How bright it is beside pixels, across whatever line they may be part of."""
    above, below, left, right = (
        apart[at + step].astype(np.float32) for step in (-3 * columns, 3 * columns, -3, 3)
    )
    across: NDArray[np.float32] = np.minimum(above + below, left + right) / 2
    return across


def _points(apart: Bytes, threshold: int) -> NDArray[np.float32]:
    """The share of the light that is beside each point of light: the brightest pixels around,
    which stand out in all channels."""
    import cv2

    green, weakest = cv2.extractChannel(apart, 1), apart.min(axis=2)
    top = (green == cv2.dilate(green, np.ones((5, 5), np.uint8))) & (green > 1.5 * threshold)
    top &= (weakest > _WHITE * green) & (green < 250)
    top[[0, -1]] = top[:, [0, -1]] = False
    at = np.flatnonzero(top) * 3 + 1
    flat = apart.reshape(-1)
    shares = _beside(flat, at, apart.shape[1]) / np.maximum(flat[at], 1).astype(np.float32)
    return np.asarray(shares, np.float32)


def _alone(
    own: Bytes, beside: list[Bytes], at: NDArray[np.int64], height: Bytes, noise: float
) -> NDArray[np.int64]:
    """Of places that stand out so far, those that do so from the noise near them, with nothing else
    bright near them: not in the stills `beside` either."""
    steps = _steps(_NEAR, own.shape[1]) * 3
    for still in (own, *beside):
        around = np.sort(still.reshape(-1)[at[:, None] + steps], axis=1).astype(np.float32)
        most, share = (-1 - _LONGEST, _FEW) if still is own else (-1, _ABSENT)
        alone = _rank(around, most) - _rank(around, 0.5) < share * height
        alone &= noise * (_rank(around, 0.75) - _rank(around, 0.25)) < _QUARTILES * height
        at, height = at[alone], height[alone]
    return at


def _steps(reach: int, columns: int) -> NDArray[np.int64]:
    """From a pixel to those within reach, itself among them."""
    steps = np.arange(-reach, reach + 1)
    return (steps[:, None] * columns + steps).reshape(-1)


def _rank(around: NDArray[np.float32], place: float) -> NDArray[np.float32]:
    """A value of each row by its place, or by the share of the row that is below it."""
    at = int(place * around.shape[1]) if 0 < place < 1 else int(place)
    return around[:, at]
