"""Bad stills: which these are, judged beside their neighbours in time, and what becomes of them.

A false alarm is worse than a miss.  So a still is bad only where it stands out from the stills
before it and from those after it, from the nearest of them as well as from their median, and by
more than these differ among themselves; and what light itself can do (dawn, lightning, a plume) is
told from a fault by what light cannot do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.ingest.look import Looks
from timelapse.ingest.neighbours import Neighbours, Sides
from timelapse.ingest.still import Roll

#: Neighbours that it takes to say what is usual.
_FEWEST = 3
#: Levels (of 255) that rows of a thumbnail differ by where they show something else, and where they
#: show the same.
_STRANGE, _ALIKE = 20, 6


class Kind(StrEnum):
    """What may be wrong with a still."""

    UNREADABLE = "unreadable"
    DAMAGED = "damaged"
    WRONG_SIZE = "wrong size"
    BLACK = "black"
    OVEREXPOSED = "overexposed"
    GARBAGE = "garbage"
    SMEARED = "smeared"


Policy = Literal["keep", "drop", "bridge"]


@dataclass(frozen=True)
class Thresholds:
    """From where on a still is bad; a stop is a factor of two in light.

    It is compared with up to `neighbours` stills on either side, of the same camera and size, and
    none where these are fewer than three or stand further apart than `apart` intervals.  What it
    differs by has to be `deviations` times what they differ by among themselves, too.  More than
    `run` bad stills in a row are a scene, not a fault.

    `black`: so many stops darker, and with a contrast (standard deviation, of 1) of at most `flat`.
    `overexposed`: so many stops lighter in its shadows, and at least the share `white` is white.
    `garbage`: the least share of the height, from the bottom up, that is filled or scrambled.
    `smeared`: so many times less fine detail.  `size`: the share of its camera's stills that have
    to have another size.
    """

    neighbours: int = 5
    apart: float = 10
    deviations: float = 6
    run: int = 10
    black: float = 3
    flat: float = 0.015
    overexposed: float = 3
    white: float = 0.5
    garbage: float = 0.05
    smeared: float = 4
    size: float = 0.9

    def __post_init__(self) -> None:
        for threshold in fields(self):
            if (value := getattr(self, threshold.name)) <= 0:
                raise ValueError(f"{threshold.name}: {value} is not above zero")


@dataclass(frozen=True)
class Policies:
    """What becomes of bad stills, by what is wrong with them.

    `keep`: it is used, and said to be bad.  `drop`: as if it had not been taken; what it leaves may
    be a gap.  `bridge`: its neighbours stand in for it, and there is no gap.  No other still moves
    in time.  One that cannot be decoded cannot be kept.
    """

    black: Policy = "keep"
    overexposed: Policy = "keep"
    garbage: Policy = "keep"
    smeared: Policy = "keep"
    wrong_size: Policy = "keep"
    unreadable: Literal["drop", "bridge"] = "bridge"
    thresholds: Thresholds = Thresholds()

    @classmethod
    def all(cls, policy: Policy) -> Policies:
        """The same for all; what cannot be kept is bridged."""
        least: Literal["drop", "bridge"] = "bridge" if policy == "keep" else policy
        return cls(policy, policy, policy, policy, policy, least)

    def of(self, kind: Kind) -> Policy:
        """What becomes of stills of that kind; damaged ones are asked for, and stay."""
        if kind is Kind.DAMAGED:
            return "keep"
        policy: Policy = getattr(self, kind.name.lower())
        return policy


@dataclass(frozen=True)
class Flag:
    """What is wrong with a still, and the figures that say so."""

    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def judge(roll: Roll, looks: Looks, thresholds: Thresholds | None = None) -> dict[int, Flag]:
    """The bad stills of a roll, by index, each with what is most wrong with it."""
    thresholds = thresholds or Thresholds()
    flags = {at: Flag(Kind.UNREADABLE, why) for at, why in looks.unreadable.items()}
    judged = _Judged(roll, looks, thresholds)
    for kind, found in (  # generators: each begins when those before it are set aside
        (Kind.WRONG_SIZE, judged.wrong_size()),
        (Kind.BLACK, judged.black()),
        (Kind.OVEREXPOSED, judged.overexposed()),
        (Kind.GARBAGE, judged.garbage()),
        (Kind.SMEARED, judged.smeared()),
        (Kind.DAMAGED, iter(looks.damaged.items())),
    ):
        for at, reason in list(found):
            if at not in flags:
                flags[at] = Flag(kind, reason)
                if kind is not Kind.DAMAGED:
                    judged.set_aside(at)
    return dict(sorted(flags.items()))


class _Judged:
    """The stills of a roll beside their neighbours; each kind yields (index, reason)."""

    def __init__(self, roll: Roll, looks: Looks, thresholds: Thresholds) -> None:
        self._roll, self._limits, self._rows = roll, thresholds, looks.rows
        self._bad = np.zeros(len(roll.stills), bool)
        self._bad[list(looks.unreadable)] = True
        self._near = Neighbours(roll, thresholds.neighbours, thresholds.apart)

    def set_aside(self, at: int) -> None:
        """A still that is bad is no measure for others."""
        self._bad[at] = True

    def wrong_size(self) -> Iterator[tuple[int, str]]:
        for alike in self._near.cameras:
            sizes = [self._roll.stills[at].size for at in alike]
            usual, count = _commonest(sizes)
            if len(alike) < 10 or count < self._limits.size * len(alike):
                continue
            for at, size in zip(alike, sizes, strict=True):
                if size != usual:
                    width, height = usual
                    most = f"{count} of {len(alike)} stills of its camera are {width}x{height}"
                    yield at, f"{size[0]}x{size[1]}; {most}"

    def black(self) -> Iterator[tuple[int, str]]:
        """Dark and without any detail, and not so by degrees, as nightfall is."""
        light = _stops(self._rows["luminance"])
        flat = (self._rows["contrast"] <= self._limits.flat) & (self._rows["lights"] < 0.02)
        for run, sides in self._runs(flat):
            below = sides.below(light, light[run].max(), self._limits.deviations)
            detail = sides.below(self._rows["contrast"], 3 * self._rows["contrast"][run].max())
            if below >= self._limits.black and detail >= 0:
                for at in run:
                    yield at, f"{below:.1f} stops darker than its neighbours, and without detail"

    def overexposed(self) -> Iterator[tuple[int, str]]:
        """White for the most part, and light even in its shadows: a flash leaves some of these."""
        shadows, white = _stops(self._rows["shadows"]), self._rows["clipped"]
        for run, sides in self._runs(white >= self._limits.white):
            above = sides.below(-shadows, -shadows[run].min(), self._limits.deviations)
            whiter = sides.below(-white, -white[run].min() / 2)
            if not sides.both or above < self._limits.overexposed or whiter < 0:
                continue
            for at in run:
                if self._same_light(at, sides):
                    share = f"{white[at]:.0%} of it white"
                    yield at, f"{share}, its shadows {above:.1f} stops lighter than its neighbours'"

    def smeared(self) -> Iterator[tuple[int, str]]:
        """Without fine detail, though as bright and as rich in contrast as its neighbours."""
        rows, factor = self._rows, self._limits.smeared
        detail, light = np.log2(rows["sharpness"] + 1e-9), _stops(rows["luminance"])
        contrast = np.log2(rows["contrast"] + 1e-3)
        suspects = detail < self._near.medians(detail, self._bad) - np.log2(factor)
        for run, sides in self._runs(suspects):
            below = sides.below(detail, detail[run].max(), self._limits.deviations)
            same = max(sides.apart(light, run), 2 * sides.apart(contrast, run)) <= 1
            if below >= np.log2(factor) and same:
                for at in run:
                    yield at, f"{2**below:.1f} times less fine detail than its neighbours"

    def garbage(self) -> Iterator[tuple[int, str]]:
        """Filled or scrambled from somewhere down to the bottom, and above it as its neighbours."""
        filled = self._rows["filled"]
        for run, sides in self._runs(filled >= self._limits.garbage):
            if sides.below(-filled, -filled[run].min() / 2) >= 0:
                for at in run:
                    # What lies in the dark is all alike as well: one side proves nothing.
                    dark = self._rows["thumbnail"][at][-1].mean() < _ALIKE
                    beside = _Beside.of(self._rows["thumbnail"], at, sides.nearest)
                    if (sides.both or not dark) and beside.differs(float(filled[at])):
                        yield at, f"its lowest {filled[at]:.0%} are filled with one colour"
        lowest = self._rows["thumbnail"][:, -1].astype(np.int16)
        nearest = self._near.nearest(self._bad)
        by = [np.abs(lowest - lowest[other]).mean(axis=1) for other in nearest]
        for at in np.flatnonzero((np.minimum(*by) >= _STRANGE) & ~self._bad).tolist():
            sides = self._near.around([at], self._bad)
            if not sides.both or len(sides) < _FEWEST:
                continue
            share = _Beside.of(self._rows["thumbnail"], at, sides.nearest).torn()
            if share >= self._limits.garbage:
                yield at, f"its lowest {share:.0%} differ from its neighbours, all above does not"

    def _runs(self, suspects: NDArray[np.bool_]) -> Iterator[tuple[list[int], Sides]]:
        """Runs of suspects that are neighbours, with the stills before and after that are none."""
        suspects = suspects & ~self._bad
        for run in self._near.runs(suspects, self._bad):
            if len(run) <= self._limits.run:
                sides = self._near.around(run, suspects | self._bad)
                if len(sides) >= _FEWEST:
                    yield run, sides

    def _same_light(self, at: int, sides: Sides) -> bool:
        """Whether what is not white is lit as in its neighbours: exposure changes no pattern."""
        own = self._rows["thumbnail"][at]
        seen = own < 250
        if seen.mean() < 0.1:
            return True
        others = [self._rows["thumbnail"][near][seen] for near in sides.nearest]
        with np.errstate(all="ignore"):  # of what is all alike, nothing can be said
            return all(np.corrcoef(own[seen], other)[0, 1] > 0.7 for other in others)


@dataclass(frozen=True)
class _Beside:
    """A thumbnail beside those of its nearest neighbours, in levels of 255: by how much it differs
    from the one that is more like it (`by`), and these from each other (`usual`)."""

    by: NDArray[np.float32]
    usual: NDArray[np.float32]

    @classmethod
    def of(cls, thumbnails: NDArray[np.uint8], at: int, nearest: list[int]) -> _Beside:
        own, *others = (thumbnails[still].astype(np.float32) for still in (at, *nearest))
        by = np.minimum(*(np.abs(own - other) for other in (others[0], others[-1])))
        return cls(by, np.abs(others[0] - others[-1]))

    def differs(self, share: float) -> bool:
        """Whether the lowest `share` of the height differs, and that above it does not."""
        cut = len(self.by) - max(1, int(share * len(self.by)))
        below = slice(cut, None)
        strange = self.by[below].mean() >= max(_STRANGE / 2, 3 * self.usual[below].mean())
        return bool(strange) and self._calm(cut)

    def torn(self) -> float:
        """The share of the height from which on down it differs over the full width, where all
        above is as it should be; else 0."""
        by, usual = self.by.mean(axis=1), self.usual.mean(axis=1)
        strange = by >= np.maximum(_STRANGE, 4 * usual)
        top = int(np.argmax(strange))
        wide = self.by[top:].mean(axis=0) >= _STRANGE / 2
        whole = strange[top:].mean() >= 0.7 and wide.mean() >= 0.9
        return 1 - top / len(by) if whole and self._calm(top) else 0.0

    def _calm(self, cut: int) -> bool:
        """Whether what lies above a row is there, and is as it should be."""
        # The first row of blocks that is spoiled is so from some column on.
        above = slice(0, max(0, cut - 2))
        by, usual = self.by[above], self.usual[above]
        return bool(by.size and by.mean() <= max(_ALIKE, 2 * usual.mean()))


def _stops(light: NDArray[Any]) -> NDArray[np.float64]:
    """Linear light in stops; what no camera tells from black is twelve below white."""
    return np.log2(light.astype(np.float64) + 2.0**-12)


def _commonest(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], int]:
    return Counter(sizes).most_common(1)[0]
