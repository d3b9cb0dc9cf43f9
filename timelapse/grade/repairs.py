"""Repairs: what a defect of the sensor adds to a still is taken away, at any scale of decoding.

Only what lies within the limits that the map knows goes; the rest is the scene's: a star beside a
hot pixel, or on a faint one, stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.defects import DefectMap, Kind, Sensor, Size, sensor_of, stored_size
from timelapse.ingest import Pixels, Still

#: What would change a pixel by less is left out, in levels of 255.
_LEAST = 1.0
#: A pixel of a smaller picture of which a defect has this share is no good to repair others from.
_SHARE = 0.15
#: A repaired pixel is the median of so many, its nearest good neighbours.
_NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class _Patch:
    """A repair made ready for stills of one shape: pixels by their place in the flattened picture
    (P), the neighbours that each is repaired from (8 x P), and the limits (P x 3)."""

    pixels: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    least: NDArray[np.int32]
    most: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Repairs:
    """Repairs stills by the maps of their sensors; safe to use from several threads."""

    maps: Mapping[Sensor, DefectMap]
    _patches: dict[Any, _Patch | None] = field(default_factory=dict, init=False, repr=False)

    def apply(self, pixels: Pixels, still: Still) -> Pixels:
        """Repairs a still in place, and gives it back.

        `pixels` are as `ingest.decode` makes them of the still, at any of its scales: upright, H x
        W x 3, contiguous, RGB in display light, uint8 or uint16.
        """
        found = self.maps.get(sensor_of(still))
        if found is None or not len(found):
            return pixels
        moment = float(still.captured.seconds)
        # Few maps know times: there is one patch for each span between two of them.
        edges = _edges(found)
        span = int(np.searchsorted(edges, moment, "right"))
        key = (sensor_of(still), pixels.shape, still.orientation, still.kind == "jpeg", span)
        if key not in self._patches:
            self._patches[key] = _patch(found.at(moment), pixels.shape[:2], still)
        patch = self._patches[key]
        if patch is not None:
            _mend(pixels, patch)
        return pixels


def _edges(found: DefectMap) -> NDArray[np.float64]:
    times = np.concatenate([found.since, found.until])
    return np.unique(times[np.isfinite(times)])


def _mend(pixels: Pixels, patch: _Patch) -> None:
    flat = pixels.reshape(-1, 3)
    step = 1 if pixels.dtype == np.uint8 else 257
    good = middle([taken(flat, row) for row in patch.neighbours]).astype(np.int32)
    now = taken(flat, patch.pixels).astype(np.int32)
    added = np.clip(now - good, patch.least * step, patch.most * step)
    flat[patch.pixels] = (now - added).astype(pixels.dtype)


def taken(flat: Pixels, places: NDArray[np.int64]) -> Pixels:
    """Pixels of a flattened picture; none is outside of it, and not to ask is much faster."""
    return np.take(flat, places, axis=0, mode="clip")


def middle(values: list[Pixels]) -> Pixels:
    """The median of eight arrays, value by value: the mean of the two in the middle.

    They are sorted by Batcher's network (Knuth, The Art of Computer Programming 3, 5.3.4).
    """
    for a, b in _NETWORK:
        values[a], values[b] = np.minimum(values[a], values[b]), np.maximum(values[a], values[b])
    low, high = values[3], values[4]
    return np.asarray(low + (high - low) // 2)


_NETWORK = (
    (0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (1, 2), (5, 6),
    (0, 4), (1, 5), (2, 6), (3, 7), (2, 4), (3, 5), (1, 2), (3, 4), (5, 6),
)  # fmt: skip


def _patch(found: DefectMap, shape: tuple[int, ...], still: Still) -> _Patch | None:
    """What there is to repair in a picture of (height, width) `shape`; None where nothing is."""
    width, height = stored_size(still)
    turned = still.orientation >= 5
    rows, columns = shape[::-1] if turned else shape
    if (rows, columns) == (height, width):
        at = found.places @ np.array([columns, 1])
        least, most = found.least.astype(np.float32), found.most.astype(np.float32)
        bad = found.kinds != Kind.HALO
    else:
        eighths = _eighths((width, height), (columns, rows)) if still.kind == "jpeg" else 0
        # Halos average out, as the frequencies that they are made of are left out.
        cores = found.part(found.kinds != Kind.HALO)
        at, least, most, bad = _shrunk(cores, (rows, columns), eighths)
    matter = (least <= -_LEAST).any(axis=1) | (most >= _LEAST).any(axis=1)
    at, least, most, bad = at[matter], least[matter], most[matter], bad[matter]
    if not len(at):
        return None
    y, x = _upright(at // columns, at % columns, (rows, columns), still.orientation)
    order = np.lexsort((x, y))
    y, x, bad = y[order], x[order], bad[order]
    near = neighbours(y, x, bad, shape)
    limits = (np.rint(part[order]).astype(np.int32) for part in (least, most))
    return _Patch(y * shape[1] + x, near, *limits)


def _eighths(stored: Size, decoded: Size) -> int:
    """The scale that a JPEG was decoded at, in eighths."""
    return next(
        (n for n in range(1, 8) if all(-(-s * n // 8) == d for s, d in zip(stored, decoded,
         strict=True))), 0,
    )  # fmt: skip


def _shrunk(found: DefectMap, shape: tuple[int, int], eighths: int) -> tuple[Any, ...]:
    """Defects as they are in a smaller picture: flat places, limits, and which are no good.

    A JPEG's block of 8 x 8 pixels becomes one of `eighths` x `eighths`; where that is 0, a pixel is
    the mean of those that it stands for.
    """
    width, height = found.size
    rows, columns = shape
    if eighths:
        share, size = _responses(eighths), eighths
        block, inside = np.divmod(found.places, 8)
        first = block * eighths
        down, across = share[inside[:, 0]], share[inside[:, 1]]
    else:
        size = 1
        first = found.places * (rows, columns) // (height, width)
        down = np.full((len(found), 1), rows / height)
        across = np.full((len(found), 1), columns / width)
    weight = (down[:, :, None] * across[:, None, :]).reshape(len(found), -1)
    step = np.arange(size)
    y = (first[:, 0, None, None] + step[:, None] + 0 * step).reshape(len(found), -1)
    x = (first[:, 1, None, None] + step + 0 * step[:, None]).reshape(len(found), -1)
    inside_picture = (y < rows) & (x < columns) & (weight != 0)
    flat = (y * columns + x)[inside_picture]
    at, where = np.unique(flat, return_inverse=True)
    limits = []
    for mine, other in ((found.least, found.most), (found.most, found.least)):
        part = np.empty((len(at), 3), np.float32)
        for channel in range(3):
            # Where the decoder's share is negative, what is added is taken away.
            moved = np.where(weight > 0, weight * mine[:, channel, None],
                             weight * other[:, channel, None])  # fmt: skip
            part[:, channel] = np.bincount(where, moved[inside_picture], len(at))
        limits.append(part)
    core = weight >= _SHARE * weight.max(axis=1)[:, None]
    bad = np.bincount(where, core[inside_picture], len(at)) > 0
    return at, *limits, bad


@cache
def _responses(eighths: int) -> NDArray[np.float64]:
    """How much of each of the 8 pixels across a JPEG's block the N pixels have that libjpeg makes
    of it, 8 x N.

    At halves it gives the mean of the pixels; else what the N lowest frequencies of the cosine
    transform make (ITU-T T.81, A.3.3).
    """
    if 8 % eighths == 0:
        return np.repeat(np.eye(eighths), 8 // eighths, axis=0) * eighths / 8

    def basis(size: int) -> NDArray[np.float64]:
        at, frequency = np.arange(size), np.arange(eighths)
        waves = np.cos((2 * at[:, None] + 1) * frequency * np.pi / (2 * size))
        scale = np.where(frequency == 0, 1, np.sqrt(2)) / np.sqrt(size)
        return np.asarray(waves * scale)

    return np.asarray(basis(8) @ basis(eighths).T * np.sqrt(eighths / 8))


def _upright(y: Any, x: Any, shape: tuple[int, int], orientation: int) -> tuple[Any, Any]:
    """Where pixels of a picture of (height, width) `shape` go when it is turned (Exif 2.32,
    4.6.4 A)."""
    rows, columns = shape
    if orientation in (5, 6, 7, 8):
        y, x, rows, columns = x, y, columns, rows
    if orientation in (3, 4, 7, 8):
        y = rows - 1 - y
    if orientation in (2, 3, 6, 7):
        x = columns - 1 - x
    return y, x


@cache
def _nearest() -> NDArray[np.int64]:
    """Steps (y, x) to the pixels around one, the nearest first."""
    reach = np.arange(-4, 5)
    steps = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2)
    far = (steps**2).sum(axis=1)
    order = np.lexsort((steps[:, 1], steps[:, 0], far))
    return np.asarray(steps[order][far[order] > 0])


def neighbours(y: Any, x: Any, bad: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The nearest good neighbours of pixels of a picture (8 x P, flat places); among many bad ones,
    and in corners, one may come twice."""
    height, width = shape[:2]
    poor = np.zeros((height, width), bool)
    poor[y[bad], x[bad]] = True
    found = np.zeros((_NEIGHBOURS, len(y)), np.int64)
    have = np.zeros(len(y), np.int64)
    left = np.arange(len(y))
    for dy, dx in _nearest():
        ny, nx = y[left] + dy, x[left] + dx
        good = (ny >= 0) & (ny < height) & (nx >= 0) & (nx < width)
        good[good] = ~poor[ny[good], nx[good]]
        mine = left[good]
        found[have[mine], mine] = ny[good] * width + nx[good]
        have[mine] += 1
        left = left[have[left] < _NEIGHBOURS]
        if not len(left):
            break
    for short in left:  # none within reach is good: the pixel stays as it is
        count = have[short]
        own = y[short] * width + x[short]
        found[count:, short] = found[: max(count, 1), short][
            np.arange(_NEIGHBOURS - count) % max(count, 1)
        ] if count else own  # fmt: skip
    return found
