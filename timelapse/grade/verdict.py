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
#: Of what is nominated, the first of those who decide see this share, and so many levels.
_PROMISING = 0.25
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
_RING, _BEYOND_BLOCK = 0.7, 0.15
#: Of two neighbours that are fainter one is what a JPEG has made of the other.
_TWICE = 16.0
#: What a JPEG has made of a defect has some mean square in its block, in red, in blue, and in luma
#: (ITU-R BT.601); it is these levels at least, and what is a factor larger counts as that factor.
#: What stands out so many times as far is no part of it, if luma has this share of what it would
#: have if only the strongest channel stood out.
_RING_LEAST, _RING_MOST, _NO_RING = (2.0, 2.0, 1.0), 6.0, 7.0
_LUMA = 0.5
_STORED = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.299, 0.587, 0.114))
#: What is next to a larger one and has less than this share of it is what a JPEG made of that.
_BESIDE = 0.45
#: Limits go beyond what was seen by this factor and so many levels.
_MORE, _BEYOND = 1.15, 2.0
#: What saturates a series of eight bits may be anything.
_FULL = 110
#: More pixels than that, side by side, are no defect; those that have less than this share of the
#: largest near them do not count.
_LARGEST, _PART = 25, 0.3


def promising(candidates: Candidates, series: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which candidates the first of those who decide do not speak against: most have been nominated
    by chance, and the others need not be looked at for them."""
    nominated = candidates.mean
    agree = _mean(series) * np.sign(nominated) > _PROMISING * np.abs(nominated)
    return np.asarray((agree & (np.abs(nominated) > _PROMISING)).any(axis=1))


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
    steady, since, there = _course(series, times, mean, out)
    agreed = mean * candidates.mean > _AGREE * there[:, None] * mean**2
    agreed &= np.abs(mean) > faintest
    # A photosite has one colour; texture and noise of a JPEG have none.
    first, second = np.sort(np.abs(mean), axis=1)[:, :0:-1].T
    gray = (second > _GRAY * first)[:, None]
    bars = few(sure + np.array([[0, _DARKER], [_SURER, _SURER + _DARKER]])).astype(np.float32)
    sureness = out / bars[gray.astype(np.intp), (mean < 0).astype(np.intp)]
    sure_enough = agreed & steady & (sureness > 1)
    usual = _usual(series, mean)
    level = _level(usual, mean, candidates, len(series))
    # Before a bright sky a defect may be seen in half of the stills only.
    eligible = agreed & (steady | (mean > 0)) & (out > few(_LIKELY))
    # What is less sure is less likely to be the one at fault.
    level *= np.where(eligible, np.minimum(sureness, 1), 0).max(axis=1)
    blocks = _Blocks.of(candidates.places, size, block)
    core, ring = _told_apart(sure_enough.any(axis=1), level, mean, out, usual, blocks)
    clear = out > few(_HALO_SURE)
    ring &= (clear & (np.abs(mean) > _HALO_LEAST)).any(axis=1) & halo
    since = np.where(ring, blocks.since(core, since, times[0]), since)
    chosen = core | ring
    ring = ring[chosen]
    least, most = _limits(series[:, chosen], mean[chosen], out[chosen], clear[chosen], ring)
    kinds = np.where(mean.sum(axis=1)[chosen] < 0, Kind.DEAD, Kind.HOT).astype(np.uint8)
    kinds[ring] = Kind.HALO
    places = np.stack(np.divmod(candidates.places[chosen], size[0]), axis=-1).astype(np.int32)
    always = np.full(len(places), np.inf)
    return DefectMap(size, places, least, most, kinds, since[chosen], always)


def _level(usual: Floats, mean: Floats, candidates: Candidates, stills: int) -> Floats:
    """How much a candidate is like a defect, to be held against its neighbours.

    In colour a JPEG spreads a faint one over several pixels, but less so in luma: where it is, all
    channels rise.  Those who nominate are heard as well: that it is one of these is sure.
    """
    both = mean + (candidates.mean - mean) * np.float32(
        candidates.seen / (candidates.seen + stills)
    )
    seen = np.where(np.abs(usual) > CLIP / 2, usual, both)
    return np.asarray(np.abs(seen.sum(axis=1)), np.float32)


def _told_apart(
    defect: NDArray[np.bool_],
    level: Floats,
    mean: Floats,
    out: Floats,
    usual: Floats,
    blocks: _Blocks,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which candidates are defects, and which may be what the camera's JPEG made of these.

    Where one pixel of a block is a `defect`, it is the one of the highest `level`.  `mean` (K x
    3) is how far each stands out, `out` in deviations of its mean, `usual` in most stills.
    """
    nearby = blocks.nearby(np.where(defect, level, 0))
    defect = defect & blocks.small(defect & (level > _PART * nearby))
    at_fault = blocks.largest(defect)
    suspected = np.where(at_fault > 0, level, 0)
    peak, nearby = blocks.largest(suspected), blocks.nearby(suspected)
    core = (level > 0) & (level >= _BEYOND_BLOCK * nearby)
    highest = core & (level >= _RING * peak)
    # A ring and chance may come together.
    ring, chance = blocks.beyond_ring(usual, highest), out.max(axis=1)
    core &= highest | (ring * chance > _NO_RING * np.hypot(ring, chance))
    core &= highest | (level > _BESIDE * blocks.beside(level))
    core &= defect | ((at_fault > 0) & (level == peak))
    core &= (level > _TWICE) | blocks.foremost(np.where(core, level, 0))
    beside = (nearby > 0) & (np.abs(mean).max(axis=1) > _BEYOND_BLOCK * nearby)
    return core, ~core & ((peak > 0) | beside)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Candidates in the blocks of a JPEG: their `y` and `x`, and which block is their `own`, in a
    picture of (height, width) `shape`; and the (width, height) of a `block`."""

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    own: NDArray[np.int64]
    shape: tuple[int, int]
    block: tuple[int, int]

    @classmethod
    def of(cls, places: NDArray[np.int64], size: tuple[int, int], block: tuple[int, int]) -> Self:
        y, x = np.divmod(places, size[0])
        return cls(y, x, y // block[1] * -(-size[0] // block[0]) + x // block[0], size[::-1], block)

    def largest(self, values: NDArray[Any]) -> Floats:
        """The largest value, if above zero, in the block of each candidate."""
        across, down = self.block
        rows, columns = -(-self.shape[0] // down), -(-self.shape[1] // across)
        most = np.zeros(rows * columns, np.float32)
        np.maximum.at(most, self.own, values.astype(np.float32, copy=False))
        return most[self.own]

    def nearby(self, values: Floats) -> Floats:
        """The largest value within two pixels of each candidate."""

        return self._spread(values, np.ones((5, 5), np.uint8))

    def beside(self, values: Floats) -> Floats:
        """The largest value next to each candidate, and its own."""
        import cv2

        return self._spread(values, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))

    def _spread(self, values: Floats, over: NDArray[Any]) -> Floats:
        import cv2

        whole = np.zeros(self.shape, np.float32)
        whole[self.y, self.x] = values
        return np.asarray(cv2.dilate(whole, over)[self.y, self.x], np.float32)

    def small(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which candidates are not part of something larger than a defect, of those marked."""
        import cv2

        mask = np.zeros(self.shape, np.uint8)
        mask[self.y[marked], self.x[marked]] = 1
        _, labels, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = figures[:, cv2.CC_STAT_AREA]
        areas[0] = 0
        return np.asarray(areas[labels[self.y, self.x]] <= _LARGEST)

    def beyond_ring(self, usual: Floats, peaks: NDArray[np.bool_]) -> Floats:
        """How many times as far as the rest of its block, without the `peaks`, each stands out: a
        JPEG spreads what it leaves out of a defect over all of the block."""
        stored = usual @ np.array(_STORED, np.float32).T
        found = np.zeros(len(usual), np.float32)
        for apart, least in zip(np.abs(stored).T, _RING_LEAST, strict=True):
            power = np.where(peaks, 0, np.minimum(apart, _RING_MOST * least)) ** 2
            others = np.bincount(self.own, power)[self.own] - power
            others = np.maximum(others, 0) / (self.block[0] * self.block[1])
            np.maximum(found, apart / np.sqrt(others + least**2), out=found)
        # What is left out of a colour leaves luma as it is.
        strongest = np.abs(usual).argmax(axis=1)
        alone = (
            usual[np.arange(len(usual)), strongest] * np.array(_STORED[2], np.float32)[strongest]
        )
        return np.where(stored[:, 2] * np.sign(alone) > _LUMA * np.abs(alone), found, 0)

    def foremost(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which candidates have a larger value than all those next to them."""

        rank = np.empty(len(values), np.float32)
        rank[np.argsort(values, kind="stable")] = np.arange(1, len(values) + 1)
        return np.asarray(self._spread(rank, np.ones((3, 3), np.uint8)) == rank)

    def since(
        self, core: NDArray[np.bool_], since: NDArray[np.float64], first: float
    ) -> NDArray[np.float64]:
        """Since when there is a defect in the block of each candidate: always, or seconds."""
        came = np.where(core & np.isfinite(since), since - first + 1, 0)
        late, always = self.largest(came), self.largest(core & (came == 0))
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
) -> tuple[NDArray[np.bool_], NDArray[np.float64], Floats]:
    """Whether each is there in all the roll (K x 3), or since when (K), and in which share of it
    (K): of those that came `mean` and `out` become those of the time since."""
    count = len(series)
    runs = np.stack([_mean(part) for part in np.array_split(series, _RUNS)])
    since, there = np.full(len(mean), -np.inf), np.ones(len(mean), np.float32)
    steady = (runs * np.sign(mean)).min(axis=0) > _STEADY * np.abs(mean)
    if count < _RUNS * _TO_GROW or times[-1] - times[0] < _LONG:
        return steady, since, there
    strongest = np.abs(runs[-1]).argmax(axis=1)
    first, last = (run[np.arange(len(mean)), strongest] for run in runs[[0, -1]])
    grew = np.flatnonzero((np.abs(last) > _GROWN) & (np.abs(first) < _LASTS * np.abs(last)))
    if not len(grew):
        return steady, since, there
    course = np.clip(series[:, grew, strongest[grew]], -CLIP, CLIP) / last[grew]
    # From where on it is above the half, all in all.
    begin = 1 + np.cumsum(course - 0.5, axis=0)[: count - _TO_GROW].argmin(axis=0)
    for at in np.unique(begin).tolist():
        mine = begin == at
        halves = [part.mean(axis=0) for part in np.array_split(course[at:, mine], 2)]
        stays = np.minimum(*halves) > _LASTS * np.maximum(*halves)
        stays &= np.abs(course[:at, mine].mean(axis=0)) < _BEFORE * np.maximum(*halves)
        came = grew[mine][stays]
        since[came] = times[at - 1 : at + 1].mean()
        there[came] = 1 - at / count
        mean[came], out[came] = _outstanding(series[at:, came])
        steady[came] = True
    return steady, since, there


def _mean(series: NDArray[np.int8]) -> Floats:
    return np.asarray(np.clip(series, -CLIP, CLIP).mean(axis=0, dtype=np.float32))


def _usual(series: NDArray[np.int8], mean: Floats) -> Floats:
    """How far each stands out in most stills (K x 3): of what is faint that is the mean, which is
    quicker made."""
    usual = mean.copy()
    bright = np.flatnonzero((np.abs(mean) > CLIP / 3).any(axis=1))
    usual[bright] = np.median(series[:, bright], axis=0)
    return usual


def _limits(
    series: NDArray[np.int8], mean: Floats, out: Floats, counts: NDArray[np.bool_], ring: Any
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Between what a defect moves each channel (each M x 3): as seen, and somewhat more; of a halo
    no more than usual."""
    deviation = np.abs(mean) / np.maximum(out, 1) * np.float32(np.sqrt(len(series)))
    more, less = mean + deviation, mean - deviation
    core = np.flatnonzero(~ring)
    low, usual, high = np.percentile(series[:, core], (10, 50, 90), axis=0).astype(np.float32)
    spread = 1.4826 * np.median(np.abs(series[:, core] - usual), axis=0)
    more[core] = np.maximum(high, usual + 3 * spread) * _MORE + _BEYOND
    less[core] = np.minimum(low, usual - 3 * spread) * _MORE - _BEYOND
    more[core] = np.where(usual >= _FULL, 255, more[core])
    less[core] = np.where(usual <= -_FULL, -255, less[core])
    most = np.where(counts & (mean > 0), np.clip(np.rint(more), 0, 255), 0).astype(np.int16)
    least = np.where(counts & (mean < 0), np.clip(np.rint(less), -255, 0), 0).astype(np.int16)
    return least, most
