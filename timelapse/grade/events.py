"""What is real although it is sudden: flashes, which go again, and steps, which stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.smooth import SPREAD, middles, running_median

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
#: A flash lasts for fewer stills than this; those before and after it tell what it adds to.
_SHORT = 5
#: What is outside of what a roll usually does: so many of its spreads, and at least so much.
_SPREADS, _LEAST = 4.0, 0.03
#: For how many times the stills of a step a roll is taken to be alike.
_ALIKE = 4
#: A flash adds light, more here than there: the patches disagree by this share of it, and by so
#: many times what they do in its neighbours.
_UNEVEN, _MORE = 0.25, 2.0
#: A step: so many times what chance makes of one, and so much of it from one still to the next.
_SURE, _SHARP = 5.0, 0.5


@dataclass(frozen=True, eq=False)
class Events:
    """Of N stills: `outside` are those that smoothing leaves out, `flashes` those of them that are
    real; `steps` are the first stills after a real step."""

    outside: Flags
    flashes: Flags
    steps: Flags

    @classmethod
    def none(cls, count: int) -> Events:
        nothing = np.zeros(count, np.bool_)
        return cls(nothing, nothing, nothing)

    @property
    def parts(self) -> NDArray[np.int64]:
        """The number of the stretch between steps that each still is in."""
        return np.cumsum(self.steps)


def events_of(exposed: NDArray[Any], weights: NDArray[Any], curve: Floats, reach: int) -> Events:
    """The events of a roll from its patches (N x P logarithms of light, and what they count) and
    the curve (N) of what all patches agree on; steps are looked for over `reach` stills."""
    away = _away(curve)
    # Where a part of the roll is less calm than the whole, more is usual there.
    noise = SPREAD * np.maximum(
        *(running_median(np.abs(away), n) for n in (_ALIKE * max(reach, _SHORT), 2 * _SHORT))
    )
    outside = np.abs(away) > np.maximum(_SPREADS * noise, _LEAST)
    flashes = np.zeros(len(curve), np.bool_)
    for at in np.flatnonzero(outside & (away > 0)):
        flashes[at] = _uneven(exposed, weights, int(at), outside)
    calm = np.where(outside, curve - away, curve)
    return Events(outside, flashes, _steps(calm, noise, reach))


def _away(curve: Floats) -> Floats:
    """How far each still is from the median of its neighbours; at the ends of the roll, where they
    are on one side, from a line through them (Theil and Sen's: the median of all slopes).  Who is
    gradually away from that is on a curve."""
    away: Floats = curve - running_median(curve, _SHORT)
    if len(curve) > 2 * _SHORT:
        place = np.arange(2 * _SHORT + 1)
        one, other = np.triu_indices(len(place), 1)
        for end in (slice(None), slice(None, None, -1)):
            few = curve[end][: len(place)]
            rest = few - place * np.median((few[other] - few[one]) / (other - one))
            rest -= np.median(rest)
            sudden = np.abs(np.diff(rest[: _SHORT + 2], 2)).max()
            away[end][:_SHORT] = np.where(sudden < _SHARP * np.abs(rest), 0, rest)[:_SHORT]
    return away


def _uneven(exposed: NDArray[Any], weights: NDArray[Any], at: int, outside: Flags) -> bool:
    """Whether a still is brighter than its neighbours by very different factors."""
    calm = np.flatnonzero(~outside)
    side = np.searchsorted(calm, at)
    near = calm[max(0, side - _SHORT + 1) : side + _SHORT - 1]
    if len(near) < 3:
        return False
    usual = np.median(exposed[near], axis=0)
    stills = np.append(near, at)
    brighter, spread = middles(exposed[stills] - usual, weights[stills])
    return bool(spread[-1] > max(_UNEVEN * brighter[-1], _MORE * np.median(spread[:-1])))


def _steps(curve: Floats, noise: Floats, reach: int) -> Flags:
    """Where the level is another one after than before, and stays it, beside any slope.

    The jump between two lines of one slope, fitted to `reach` stills on each side, has a standard
    deviation of the noise times the root of 8 / reach.  The noise is at least what the stills are
    from those lines: a level that rises ever faster is no step.
    """
    steps, curve = np.zeros(len(curve), np.bool_), curve.copy()
    reach = min(reach, len(curve) // 2)
    if reach < 3:
        return steps
    at = np.arange(reach, len(curve) - reach + 1)
    place = np.arange(reach) - (reach - 1) / 2
    sharp = np.abs(np.diff(curve))[at - 1]
    while True:
        sides = np.lib.stride_tricks.sliding_window_view(curve, reach)
        slopes, levels = sides @ place / (place @ place), sides.mean(axis=1)
        bent = ((sides - levels[:, None] - slopes[:, None] * place) ** 2).sum(axis=1)
        before, after = slice(len(at)), slice(reach, None)
        jump = levels[after] - levels[before] - (slopes[before] + slopes[after]) / 2 * reach
        chance = np.maximum(noise[at], np.sqrt((bent[before] + bent[after]) / (2 * reach - 3)))
        least = np.maximum(_SURE * chance * np.sqrt(8 / reach), _LEAST)
        size = np.abs(jump)
        size[(size < least) | (sharp < _SHARP * size) | steps[at]] = 0
        best = int(size.argmax())
        if not size[best]:
            return steps
        steps[at[best]] = True
        curve[at[best] :] -= jump[best]  # or its neighbours would be taken for steps as well
