"""What a camera changed of its own accord, from one still to the next: its exposure, in jumps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: A change of exposure smaller than this, in stops, is none: clocks of shutters are not exact.
_SMALLEST = 0.05
#: What is measured at a jump is believed up to so far from what EXIF says, in stops and in shares
#: of the jump: EXIF rounds to thirds of a stop, and the camera's tone curve holds large jumps back.
_ROUNDED, _HELD_BACK = 1 / 6, 0.5
#: Where less than this share of a jump is seen, the stills were levelled when they were developed.
_GONE = 0.25
#: A jump is spread over so many seconds before and after it at most.
_RAMP = 600.0
#: So many stills before and after a jump tell how large it was.
_AROUND = 12


def jumps_of(exposure: Floats, times: Floats, curve: Floats, lit: NDArray[np.bool_]) -> Floats:
    """How far the exposure jumped before each still (N, 0 where it did not), in stops.

    `exposure` (N) is what the cameras say in stops, NaN where they do not; `curve` (N, stops) is
    how bright the stills are, which tells more exactly, where stills are `lit`.
    """
    stated = _carried(exposure)
    jumps = np.diff(stated, prepend=stated[:1])
    jumps[np.abs(jumps) < _SMALLEST] = 0
    places = np.flatnonzero(jumps)
    edges = np.concatenate([[0], places, [len(times)]])
    for at, start, stop in zip(places, edges, edges[2:], strict=False):
        around = slice(max(start, at - _AROUND), min(stop, at + _AROUND))
        if lit[around].all():
            seen = _step(times[around] - times[at], curve[around])
            jumps[at] = _settled(jumps[at], seen)
    return jumps


def _step(times: Floats, curve: Floats) -> float:
    """By how much a curve steps up at time 0, beside a slope that is the same on both sides."""
    after = times >= 0
    if len(times) < 6 or min(after.sum(), (~after).sum()) < 2:
        return float(curve[after][0] - curve[~after][-1])
    columns = np.column_stack([np.ones(len(times)), times, after])
    return float(np.linalg.lstsq(columns, curve, rcond=None)[0][2])


def _settled(stated: float, seen: float) -> float:
    """The jump, from what EXIF states and what is seen of it."""
    share = seen / stated
    if share < _GONE:
        return 0.0
    room = _ROUNDED + _HELD_BACK * abs(stated)
    return float(np.clip(seen, stated - room, stated + room))


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
