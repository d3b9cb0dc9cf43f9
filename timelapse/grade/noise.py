"""How noisy a roll is, by level of light, from a few stills that follow each other.

What moves, and what JPEG has smoothed, is told apart by how much alike blocks of the picture are:
noise is nearly the same in all of one level, the rest is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.kept import kept_at
from timelapse.grade.survey import surveyed
from timelapse.ingest import Limits, Pixels, Still
from timelapse.storage import written_whole

Floats = NDArray[np.float32]
Size = tuple[int, int]
#: Noise that is not worth a change, in levels of 255: a clean scene that moves, rounded to 8 bits,
#: is held to have up to 0.43 (1.5 times the deviation of rounding, see `_GRAINY`).
NOTHING = 0.45
#: Raise it when the code measures other noise in the same stills.
_MADE_AS = 1
#: Levels of light at which noise is measured, evenly from black to white.
_LEVELS = 16
#: Of how many pairs of stills; a pair is no farther apart than so many intervals.
_PAIRS, _APART = 6, 2.5
#: Noise is looked for in blocks of so many pixels a side; at a level, of this many at least.
_BLOCK, _FEWEST = 16, 40
#: Where noise is all that differs in at least a quarter of the blocks, it is much the same in them:
#: its variance is less than so many times that of the quietest (this share is below them).
_EVEN, _QUIETEST = 1.4, 0.05
#: Elsewhere it is that of quiet blocks.  In one still alone noise shows, by its finest grain, at
#: least so much of its variance: after a JPEG at full size, and else.
_QUIET = 0.1
_SMOOTHED, _GRAINY = 1 / 9, 1 / 2.25


@dataclass(frozen=True)
class Noise:
    """The noise of a roll: for red, green and blue its standard deviations at levels of display
    light, evenly from black to white, in levels of 255."""

    deviations: tuple[tuple[float, ...], ...]

    @classmethod
    def none(cls) -> Noise:
        return cls(((0.0, 0.0),) * 3)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to take out."""
        return max(map(max, self.deviations)) < NOTHING

    def as_json(self) -> dict[str, Any]:
        """What a report tells."""
        names = ("red", "green", "blue")
        return {name: list(row) for name, row in zip(names, self.deviations, strict=True)}


def measure(
    stills: Sequence[Still],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    size: Callable[[Still], Size] | None = None,
    framed: Callable[[int, Pixels], Pixels] | None = None,
    identities: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Noise:
    """The noise of a roll, from a few pairs of stills that follow each other.

    Stills are decoded as `surveyed` does with `size`, and made what they are in a frame by `framed`
    (of their index in `stills`, and H x W x 3, RGB in display light, uint8 or uint16; so is the
    result), because noise falls with the scale.  `identities` are what makes the noise another one
    (stills, framing): where given, it is kept on disk and not measured again.  What moves does not
    count.  Of fewer than two stills, or where none can be told, there is none.
    """
    kept = None
    if identities is not None:
        kept = kept_at("noise.json", _MADE_AS, identities)
        # A damaged one is as if it were not there.
        with suppress(OSError, ValueError, TypeError):
            rows = np.array(json.loads(kept.read_text("utf-8")), np.float64)
            if rows.shape == (3, _LEVELS) and np.isfinite(rows).all() and (rows >= 0).all():
                return _noise(rows)
    noise = _measured(stills, limits, size, framed, progress)
    if kept is not None:
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(kept) as draft:
                draft.write_text(json.dumps(noise.deviations), "utf-8")
    return noise


def _measured(
    stills: Sequence[Still],
    limits: Limits,
    size: Callable[[Still], Size] | None,
    framed: Callable[[int, Pixels], Pixels] | None,
    progress: Callable[[int, int], None] | None,
) -> Noise:
    times = np.array([float(still.captured.seconds) for still in stills])
    steps = np.diff(times)
    if not len(steps):
        return Noise.none()
    firsts = np.flatnonzero(steps <= _APART * np.median(steps))
    chosen = np.unique(np.linspace(0, len(firsts) - 1, _PAIRS).round().astype(int))
    first = firsts[chosen]
    wanted = np.union1d(first, first + 1).tolist()
    blocks: list[NDArray[np.float32]] = []
    before: tuple[int, Floats] | None = None
    walk = surveyed(stills, limits, size=size, wanted=wanted, progress=progress, lent=True)
    for at, pixels in walk:
        if framed is not None:
            pixels = framed(at, pixels)
        plain = pixels.astype(np.float32)
        if pixels.dtype == np.uint16:
            plain /= 257
        if before and before[0] == at - 1 and at - 1 in first and before[1].shape == plain.shape:
            blocks.append(_blocks(before[1], plain))
        before = at, plain
    if not blocks:
        return Noise.none()
    level, variance, grain = np.concatenate(blocks, axis=1)
    nodes = np.linspace(0, 255, _LEVELS)
    rows = np.zeros((3, _LEVELS))
    for channel in range(3):
        nearest = np.rint(level[:, channel] / nodes[1]).astype(int)
        known = [n for n in range(_LEVELS) if np.count_nonzero(nearest == n) >= _FEWEST]
        found = [
            _typical(variance[nearest == n, channel], grain[nearest == n, channel]) for n in known
        ]
        if known:
            rows[channel] = np.interp(nodes, nodes[known], np.sqrt(found))
    return _noise(rows)


def _typical(variance: Floats, grain: Floats) -> float:
    """The variance of the noise, of that of the blocks of one level."""
    quietest, quiet, quarter = np.quantile(variance, (_QUIETEST, _QUIET, 0.25)).tolist()
    if quarter < _EVEN * quietest:
        return float(min(quarter, np.quantile(grain, 0.25) / _SMOOTHED))
    return float(min(quiet, np.quantile(grain, _QUIET) / _GRAINY))


def _noise(rows: NDArray[np.float64]) -> Noise:
    return Noise(tuple(tuple(round(value, 3) for value in row) for row in rows.tolist()))


def _blocks(one: Floats, other: Floats) -> NDArray[np.float32]:
    """Of each block of two stills: its level, the variance of what differs, and that of the finest
    grain in one still alone (3 x blocks x 3).

    The first variance counts what moves, the second fine detail (Immerkaer, Fast Noise Variance
    Estimation, Computer Vision and Image Understanding 64, 1996); of white noise, both are that of
    the noise.
    """
    import cv2

    height, width = (side // _BLOCK * _BLOCK for side in one.shape[:2])
    if not height or not width:
        return np.empty((3, 0, 3), np.float32)
    one, other = one[:height, :width], other[:height, :width]

    def means(plain: Any) -> Floats:
        small = cv2.resize(plain, (width // _BLOCK, height // _BLOCK), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32).reshape(-1, 3)

    apart = cv2.subtract(one, other)
    shift = means(apart)
    variance = (means(cv2.multiply(apart, apart)) - shift * shift) / 2
    grain, bend = np.zeros_like(shift), np.array([1, -2, 1], np.float32)
    for plain in (one, other):
        fine = cv2.sepFilter2D(plain, -1, bend, bend)
        grain += means(cv2.multiply(fine, fine)) / 72
    level = (means(one) + means(other)) / 2
    return np.stack([level, np.maximum(variance, 0), grain])
