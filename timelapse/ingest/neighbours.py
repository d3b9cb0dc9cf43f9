"""The neighbours of a still in time, and how it stands beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.ingest.still import Roll

Marks = NDArray[np.bool_]
#: The median of absolute deviations, times this, is the standard deviation of a normal
#: distribution (Rousseeuw & Croux, 1993).
_MAD = 1.4826


@dataclass(frozen=True)
class Sides:
    """Indices of stills before and after, the nearest first; one of the two may be empty."""

    before: Sequence[int]
    after: Sequence[int]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)

    @property
    def both(self) -> bool:
        return bool(self.before and self.after)

    @property
    def nearest(self) -> list[int]:
        return [side[0] for side in (self.before, self.after) if side]

    def below(self, values: NDArray[Any], value: float, deviations: float = 0) -> float:
        """By how much `value` lies below the neighbours' values: below the median of each side and
        the nearest still of each.  Negative where that is less than `deviations` times what the
        neighbours differ by."""
        levels = [
            min(float(np.median(values[side])), float(values[side[0]]))
            for side in map(list, (self.before, self.after))
            if side
        ]
        by = min(levels) - value
        if deviations:
            seen = values[[*self.before, *self.after]]
            scatter = _MAD * float(np.median(np.abs(seen - np.median(seen))))
            if by < deviations * scatter:
                return -1.0
        return float(by)

    def apart(self, values: NDArray[Any], run: Sequence[int]) -> float:
        """The greatest distance of the values of a run from the median of the neighbours."""
        middle = np.median(values[[*self.before, *self.after]])
        return float(np.abs(values[list(run)] - middle).max())


class Neighbours:
    """Which stills of a roll may be compared: of one camera and one size, in takes, that is with no
    more than `apart` times the usual step between one and the next; `reach` of them on a side."""

    def __init__(self, roll: Roll, reach: int, apart: float) -> None:
        self._reach = reach
        self._take = np.zeros(len(roll.stills), np.int64)
        self._takes: list[NDArray[np.int64]] = []
        groups: dict[Any, list[int]] = defaultdict(list)
        cameras: dict[str, list[int]] = defaultdict(list)
        for at, still in enumerate(roll.stills):
            groups[still.camera, still.size].append(at)
            cameras[still.camera].append(at)
        self.cameras = list(cameras.values())
        times = np.array([float(still.captured - roll.first) for still in roll.stills])
        for group in groups.values():
            members = np.array(group)
            steps = np.diff(times[members])
            # The lower quartile: where bursts lie days apart, what is usual within a burst.
            usual = np.quantile(steps, 0.25) if len(steps) else 0
            cuts = np.flatnonzero(steps > apart * usual) + 1
            for take in np.split(members, cuts):
                self._take[take] = len(self._takes)
                self._takes.append(take)

    def around(self, run: Sequence[int], skip: Marks) -> Sides:
        """The stills nearest to a run of stills of one take, without those that are skipped."""
        take = self._takes[self._take[run[0]]]
        usable = take[~skip[take]]
        before = usable[usable < run[0]][::-1]
        after = usable[usable > run[-1]]
        return Sides(before[: self._reach].tolist(), after[: self._reach].tolist())

    def runs(self, marks: Marks, passed: Marks) -> Iterator[list[int]]:
        """The marked stills of each take in runs; those that are `passed` over end none."""
        for take in self._takes:
            seen = take[~passed[take]]
            marked = np.flatnonzero(marks[seen])
            if len(marked):
                for run in np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1):
                    yield seen[run].tolist()

    def nearest(self, skip: Marks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each still the one before it and the one after it; where there is none, itself."""
        before = np.arange(len(self._take))
        after = before.copy()
        for take in self._takes:
            usable = take[~skip[take]]
            if not len(usable):
                continue
            at = np.searchsorted(usable, take)
            follows = at + (usable[np.minimum(at, len(usable) - 1)] == take)
            before[take] = np.where(at > 0, usable[at - 1], take)
            inside = follows < len(usable)
            after[take] = np.where(inside, usable[np.minimum(follows, len(usable) - 1)], take)
        return before, after

    def medians(self, values: NDArray[Any], skip: Marks) -> NDArray[np.float64]:
        """For each still the median of its neighbours' values, itself and skipped ones apart;
        where it has none, its own value."""
        result = values.astype(np.float64)
        span = np.arange(-self._reach, self._reach + 1)
        for take in self._takes:
            usable = take[~skip[take]]
            at = np.searchsorted(usable, take)
            near = at[:, None] + span
            inside = (near >= 0) & (near < len(usable))
            if not len(usable):
                continue
            others = usable[np.clip(near, 0, len(usable) - 1)]
            inside &= others != take[:, None]
            result[take] = _medians(np.where(inside, values[others], np.inf), result[take])
        return result


def _medians(values: NDArray[Any], otherwise: NDArray[Any]) -> NDArray[np.float64]:
    """The median of the finite values of each row."""
    ordered = np.sort(values, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, np.maximum(count - 1, 0) // 2], ordered[rows, count // 2]
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, (low + high) / 2, otherwise)
