"""Which candidates are defects: what each does over time decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.defects import DefectMap, Kind
from timelapse.grade.votes import CLIP, Candidates

Floats = NDArray[np.float32]
#: Into how many runs of stills the roll is cut, to see that a defect stays, or from when on.
_RUNS = 4
#: The least that each run has to show, as a share of the mean.
_STEADY = 0.2
#: The least standard deviation of a mean, in levels: rounding makes as much.
_ROUNDING = 0.2
#: A defect that came is at least so bright; before it had not a share of that, and has another
#: from then on.
_GROWN, _BEFORE, _LASTS = 8.0, 0.2, 0.6
#: That is looked for in rolls of so many seconds, with so many stills in a run.
_LONG, _TO_GROW = 600, 5
#: Those who nominate have to see this share of what those see who decide.
_AGREE = 0.4
#: A defect whose second channel has this share of the first has to be surer by so much; and by so
#: much a dark one, which is rarer, and which many a speck of a texture looks like.
_GRAY, _SURER, _DARKER = 0.6, 1.0, 0.7
#: What is less sure is not looked at further; the largest of a block is a defect if it is so sure
#: and another one of the block is one.
_LIKELY = 2.5
#: How sure and how large a halo has to be.
_HALO_SURE, _HALO_LEAST = 3.5, 0.8
#: From which share of the largest in its block on a pixel is a defect itself, and from which share
#: of what is two pixels away in another: a JPEG makes less of one.
_RING, _BEYOND_BLOCK = 0.9, 0.1
#: Of two neighbours that are fainter one is what a JPEG has made of the other.
_TWICE = 12.0
#: Of so many blocks can be learned how large a ring is, and what is this factor larger is none.
_BLOCKS, _RARELY = 30, 4.0
#: Limits go beyond what was seen by this factor and so many levels.
_MORE, _BEYOND = 1.15, 2.0
#: What saturates a series of eight bits may be anything.
_FULL = 110
#: More pixels than that, side by side, are no defect; those that have less than this share of the
#: largest near them do not count.
_LARGEST, _PART = 25, 0.3


def judged(
    size: tuple[int, int],
    candidates: Candidates,
    series: NDArray[np.int8],
    times: NDArray[np.float64],
    sure: float,
    faintest: float,
    *,
    block: tuple[int, int] = (8, 8),
    halo: bool = True,
) -> DefectMap:
    """The map of the candidates that are defects.

    `series` (N x K x 3) is how far each stands out in N stills in the order of their `times`
    (seconds since 1970); `block` is the (width, height) over which a JPEG spreads a pixel.
    """
    few = _among_few(len(series))
    mean, out = _outstanding(series)
    likely = np.asarray((out > few(_LIKELY)).any(axis=1))
    if not likely.any():
        return DefectMap.none(size)
    candidates, series, mean, out = (
        candidates.part(likely),
        series[:, likely],
        mean[likely],
        out[likely],
    )
    steady, since = _course(series, times, mean, out)
    agreed = (mean * candidates.mean > _AGREE * mean**2) & (np.abs(mean) > faintest)
    # A photosite has one colour; texture and noise of a JPEG have none.
    first, second = np.sort(np.abs(mean), axis=1)[:, :0:-1].T
    gray = (second > _GRAY * first)[:, None]
    sure_enough = agreed & steady & (out > few(sure + _SURER * gray + _DARKER * (mean < 0)))
    level = np.maximum(np.abs(np.median(series, axis=0)), np.abs(mean)).astype(np.float32)
    # Before a bright sky a defect may be seen in half of the stills only.
    eligible = agreed & (steady | (mean > 0)) & (out > few(_LIKELY))
    level = np.where(eligible, level, 0).max(axis=1)
    blocks = _Blocks.of(candidates.places, size, block)
    core, ring = _told_apart(sure_enough.any(axis=1), level, first, blocks)
    clear = out > few(_HALO_SURE)
    ring &= (clear & (np.abs(mean) > _HALO_LEAST)).any(axis=1) & halo
    since = np.where(ring, blocks.since(core, since, times[0]), since)
    chosen = core | ring
    ring = ring[chosen]
    least, most = _limits(series[:, chosen], mean[chosen], clear[chosen], ring)
    kinds = np.where(mean.sum(axis=1)[chosen] < 0, Kind.DEAD, Kind.HOT).astype(np.uint8)
    kinds[ring] = Kind.HALO
    places = np.stack(np.divmod(candidates.places[chosen], size[0]), axis=-1).astype(np.int32)
    always = np.full(len(places), np.inf)
    return DefectMap(size, places, least, most, kinds, since[chosen], always)


def _told_apart(
    defect: NDArray[np.bool_], level: Floats, first: Floats, blocks: _Blocks
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which candidates are defects, and which may be what the camera's JPEG made of these.

    Where one pixel of a block is a `defect`, it is the one of the highest `level`.  `first` is the
    mean of the strongest channel.
    """
    _, nearby = blocks.largest(np.where(defect, level, 0))
    defect = defect & blocks.small(defect & (level > _PART * nearby))
    at_fault, _ = blocks.largest(defect)
    peak, nearby = blocks.largest(np.where(at_fault > 0, level, 0))
    core = (level > 0) & (level >= _BEYOND_BLOCK * nearby)
    highest = core & (level >= _RING * peak)
    seconds, _ = blocks.largest(np.where(highest, 0, level))
    core &= highest | (level > _usual_ring(seconds[highest]))
    core &= defect | ((at_fault > 0) & (level == peak))
    core &= (level > _TWICE) | blocks.foremost(np.where(core, level, 0))
    beside = (nearby > 0) & (first > _BEYOND_BLOCK * nearby)
    return core, ~core & ((peak > 0) | beside)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Candidates in the blocks of a JPEG: their `y` and `x`, in a picture of (height, width)
    `shape`, and the (width, height) of a `block`."""

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    shape: tuple[int, int]
    block: tuple[int, int]

    @classmethod
    def of(cls, places: NDArray[np.int64], size: tuple[int, int], block: tuple[int, int]) -> Self:
        return cls(*np.divmod(places, size[0]), size[::-1], block)

    def largest(self, values: NDArray[Any]) -> tuple[Floats, Floats]:
        """The largest value in the block of each candidate, and within two pixels of it."""
        import cv2

        across, down = self.block
        rows, columns = -(-self.shape[0] // down) * down, -(-self.shape[1] // across) * across
        whole = np.zeros((rows, columns), np.float32)
        whole[self.y, self.x] = values
        blocks = whole.reshape(rows // down, down, -1, across).max(axis=(1, 3))
        cv2.dilate(whole, np.ones((5, 5), np.uint8), whole)
        return blocks[self.y // down, self.x // across], whole[self.y, self.x]

    def small(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which candidates are not part of something larger than a defect, of those marked."""
        import cv2

        mask = np.zeros(self.shape, np.uint8)
        mask[self.y[marked], self.x[marked]] = 1
        _, labels, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = figures[:, cv2.CC_STAT_AREA]
        areas[0] = 0
        return np.asarray(areas[labels[self.y, self.x]] <= _LARGEST)

    def foremost(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which candidates have a larger value than all those next to them."""
        import cv2

        rank = np.empty(len(values), np.float32)
        rank[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1)
        whole = np.zeros(self.shape, np.float32)
        whole[self.y, self.x] = rank
        highest = cv2.dilate(whole, np.ones((3, 3), np.uint8))
        return np.asarray(highest[self.y, self.x] == rank)

    def since(
        self, core: NDArray[np.bool_], since: NDArray[np.float64], first: float
    ) -> NDArray[np.float64]:
        """Since when there is a defect in the block of each candidate: always, or seconds."""
        came = np.where(core & np.isfinite(since), since - first + 1, 0)
        late, _ = self.largest(came)
        always, _ = self.largest(core & (came == 0))
        return np.where((late > 0) & (always == 0), first - 1 + late.astype(np.float64), -np.inf)


def _among_few(stills: int) -> Callable[[Any], Any]:
    """How far the mean of so many stills has to stand out to be as sure as so many standard
    deviations are where they are known (Student's distribution)."""
    from scipy.special import ndtr, stdtrit

    return lambda sure: -stdtrit(stills - 1, ndtr(-sure))


def _outstanding(series: NDArray[np.int8]) -> tuple[Floats, Floats]:
    """The mean of each series, and how many times its own standard deviation it is (K x 3)."""
    total = np.zeros(series.shape[1:], np.int32)
    squares = np.zeros_like(total)
    for still in series:
        clipped = np.clip(still, -CLIP, CLIP).astype(np.int32)
        total += clipped
        squares += clipped * clipped
    mean = (total / len(series)).astype(np.float32)
    variance = np.maximum(squares / np.float32(len(series)) - mean**2, 0)
    out = np.abs(mean) / np.maximum(np.sqrt(variance / len(series)), _ROUNDING)
    return mean, out.astype(np.float32)


def _course(
    series: NDArray[np.int8], times: NDArray[np.float64], mean: Floats, out: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each is there in all the roll (K x 3), or since when (K): of the latter `mean` and
    `out` become those of the time since."""
    clipped = np.clip(series, -CLIP, CLIP)
    parts = np.array_split(np.arange(len(series)), _RUNS)
    runs = np.stack([clipped[part].mean(axis=0, dtype=np.float32) for part in parts])
    since = np.full(mean.shape[0], -np.inf)
    lasts = len(series) >= _RUNS * _TO_GROW and times[-1] - times[0] >= _LONG
    for first in range(1, _RUNS - 1) if lasts else ():  # at least two runs have to show it
        later, before = runs[first:], runs[:first]
        now = later.mean(axis=0)
        strongest = np.abs(now).argmax(axis=1)[:, None]
        level = np.take_along_axis(now, strongest, 1)[:, 0]
        was = np.take_along_axis(np.abs(before).max(axis=0), strongest, 1)[:, 0]
        least = np.take_along_axis(np.abs(later).min(axis=0), strongest, 1)[:, 0]
        came = (np.abs(level) > _GROWN) & (was < _BEFORE * np.abs(level))
        came &= (least > _LASTS * np.abs(level)) & np.isneginf(since)
        since[came] = times[parts[first][0] - 1 : parts[first][0] + 1].mean()
        mean[came], out[came] = _outstanding(series[parts[first][0] :, came])
        runs[:first, came] = now[came]
    return (runs * np.sign(mean)).min(axis=0) > _STEADY * np.abs(mean), since


def _usual_ring(seconds: Floats) -> float:
    """What a JPEG makes of a defect is hardly ever larger than this, by the second largest of each
    block: that is mostly no other defect."""
    seconds = seconds[seconds > 0]
    if len(seconds) < _BLOCKS:
        return float(np.inf)
    return _RARELY * float(np.median(seconds))


def _limits(
    series: NDArray[np.int8], mean: Floats, counts: NDArray[np.bool_], tight: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Between what a defect moves each channel (each M x 3): as seen, and somewhat more; of a halo
    no more than usual."""
    low, usual, high = np.percentile(series, (10, 50, 90), axis=0).astype(np.float32)
    spread = 1.4826 * np.median(np.abs(series - usual), axis=0)
    more = np.maximum(high, usual + 3 * spread) * _MORE + _BEYOND
    less = np.minimum(low, usual - 3 * spread) * _MORE - _BEYOND
    more[usual >= _FULL] = 255
    less[usual <= -_FULL] = -255
    more = np.where(tight[:, None], usual + spread, more)
    less = np.where(tight[:, None], usual - spread, less)
    most = np.where(counts & (mean > 0), np.clip(np.rint(more), 0, 255), 0).astype(np.int16)
    least = np.where(counts & (mean < 0), np.clip(np.rint(less), -255, 0), 0).astype(np.int16)
    return least, most
