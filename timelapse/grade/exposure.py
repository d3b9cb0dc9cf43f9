"""What a camera changed of its own accord, from one still to the next: its exposure, in jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.smooth import SPREAD, running_median

Floats = NDArray[np.float64]
#: A change of exposure smaller than this, in stops, is none: clocks of shutters are not exact.
_SMALLEST = 0.05
#: What is measured at a jump is believed up to so far beyond what EXIF says, in stops and in shares
#: of the jump: EXIF rounds to thirds of a stop.
_ROUNDED, _BEYOND = 1 / 6, 0.5
#: Where less than this share of a jump is seen, the stills were levelled when they were developed.
_GONE = 0.25
#: A jump counts as far as what is seen of it is larger than so many times what chance makes.
_SURE = 3.0
#: A jump is spread over so many seconds before and after it at most.
_RAMP = 600.0
#: So many stills before and after a jump tell how large it was.
_AROUND = 12


def jumps_of(exposure: Floats, times: Floats, curve: Floats, lit: NDArray[np.bool_]) -> Floats:
    """How far the exposure jumped before each still (N, 0 where it did not), in stops.

    `exposure` (N) is what the cameras say in stops, NaN where they do not; `curve` (N, stops) is
    how bright the stills are, where they are `lit`: a jump is as large as that jumps with it.  A
    camera that only follows its scene, as it turns to a darker one, has not made it brighter.
    """
    stated = _carried(exposure)
    jumps = np.diff(stated, prepend=stated[:1])
    jumps[np.abs(jumps) < _SMALLEST] = 0
    places = np.flatnonzero(jumps)
    if not places.size:
        return jumps
    noise = _noise(curve, jumps)
    edges = np.concatenate([[0], places, [len(times)]])
    for at, start, stop in zip(places, edges, edges[2:], strict=False):
        around = slice(max(start, at - _AROUND), min(stop, at + _AROUND))
        if lit[around].all():
            seen, chance = _step(times[around] - times[at], curve[around])
            jumps[at] = _settled(jumps[at], seen, chance * noise[at])
    return jumps


def _noise(curve: Floats, jumps: Floats) -> Floats:
    """By how much stills are brighter or darker by chance (N): from how far each is from both its
    neighbours, beside what of the jumps is seen all over the roll."""
    alone, told = (2 * part[1:-1] - part[:-2] - part[2:] for part in (curve, np.cumsum(jumps)))
    if not told.any():
        return np.zeros(len(curve))
    share = np.clip(float(alone @ told) / float(told @ told), 0, 1)
    # Independent values make the root of 6 of it.
    beside = SPREAD / 6**0.5 * np.abs(alone - share * told)
    return running_median(np.pad(beside, 1, mode="edge"), 2 * _AROUND)


def _step(times: Floats, curve: Floats) -> tuple[float, float]:
    """By how much a curve steps up at time 0, beside a slope that is the same on both sides, and
    what noise of 1 makes of that by chance."""
    after = times >= 0
    if len(times) < 6 or min(after.sum(), (~after).sum()) < 2:
        return float(curve[after][0] - curve[~after][-1]), 2**0.5
    columns = np.column_stack([after, np.ones(len(times)), times])
    takes = np.linalg.pinv(columns)[0]
    return float(takes @ curve), float(np.linalg.norm(takes))


def _settled(stated: float, seen: float, chance: float) -> float:
    """The jump, from what EXIF states, what is seen of it, and what of that chance could make."""
    if seen / stated < _GONE:
        return 0.0
    share = min((chance / seen) ** 2, 1 / _SURE**2)
    # Nothing at the limit; far from it what is best for such a share of noise, as for flicker.
    certain = (1 - _SURE**2 * share) / (1 - (_SURE**2 - 1) * share)
    most = abs(stated) * (1 + _BEYOND) + _ROUNDED
    return float(np.clip(seen, -most, most)) * certain


def _carried(exposure: Floats) -> Floats:
    """Stills that say nothing are as the one before."""
    known = ~np.isnan(exposure)
    if not known.any():
        return np.zeros(len(exposure))
    before = np.maximum.accumulate(np.where(known, np.arange(len(exposure)), -1))
    before[before < 0] = np.flatnonzero(known)[0]
    return exposure[before]


def slow(times: Floats, jumps: Floats) -> Floats:
    """The exposure (N, in stops from the first still's) as a ramp without jumps: from the middle of
    each stretch between two of them to the middle of the next, and not over more than some minutes.
    """
    from scipy.interpolate import PchipInterpolator

    held = np.cumsum(jumps)
    starts = np.concatenate([[0], np.flatnonzero(jumps)])
    starts = np.unique(starts)
    stops = np.append(starts[1:], len(times)) - 1
    half = np.minimum(_RAMP, (times[stops] - times[starts]) / 2)
    knots = np.column_stack([times[starts] + half, times[stops] - half]).ravel()
    heights = np.repeat(held[starts], 2)
    own = np.concatenate([[True], np.diff(knots) > 0])
    knots, heights = knots[own], heights[own]
    if len(knots) < 2:
        return held
    ramp: Floats = PchipInterpolator(knots, heights)(np.clip(times, knots[0], knots[-1]))
    return ramp
