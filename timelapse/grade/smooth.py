"""Smoothing what was measured at uneven times: local lines, and robust middles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: A median of absolute deviations times this is a standard deviation, where noise is Gaussian.
SPREAD = 1.4826
#: Deviations of so many spreads count nothing in a mean (Tukey's biweight).
_BEYOND = 6.0
#: The middle of neighbours that are even is not further away than this share of their reach.
_EVEN = 0.05


def smoother(
    times: Floats,
    half: float,
    weights: Floats,
    parts: NDArray[np.int64],
    steadier: float = 1,
) -> Any:
    """The sparse matrix (N x N, CSR) that takes N values at rising `times` to their smooth ones.

    Each is a line fitted to its neighbours within `half` of its time, by tricube weights times
    `weights` (N, 0 and above), never over from one of the `parts` (N, rising numbers) into the
    next (Cleveland, Robust Locally Weighted Regression, JASA 74, 1979, sections 2 and 3.2).  Where
    all weights are zero there, the value stays.

    Where neighbours are not even, as at an end, the line leads out from the middle of what is on
    one side, and a slope of `half` alone hangs on few values: there it is that of a line fitted
    over `steadier` times as long.  Straight lines stay, whatever that is.
    """
    from scipy.sparse import csr_matrix

    bounds = np.searchsorted(parts, parts, "left"), np.searchsorted(parts, parts, "right")
    short, long = (
        np.column_stack(
            [
                np.maximum(np.searchsorted(times, times - reach, "right"), bounds[0]),
                np.minimum(np.searchsorted(times, times + reach, "left"), bounds[1]),
            ]
        ).tolist()
        for reach in (half, steadier * half)
    )
    rows, columns = [], []
    for at, (start, stop) in enumerate(short):
        reach = np.arange(start, max(stop, start + 1))
        away = (times[reach] - times[at]) / half
        level = weights[reach] * _tricube(away)
        total = level.sum()
        level = level / total if total > 0 else (reach == at).astype(np.float64)
        ahead = float(level @ away)
        if abs(ahead) > _EVEN and steadier > 1:
            start, stop = long[at]
            wide = np.zeros(stop - start)
            wide[reach - start] = level
            level, reach = wide, np.arange(start, stop)
            away = (times[reach] - times[at]) / half
            sloped = _slope(away, weights[reach] * _tricube(away / steadier))
        else:
            sloped = _slope(away, level)
        rows.append(level - ahead * sloped)
        columns.append(reach)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_matrix(
        (np.concatenate(rows), np.concatenate(columns), starts), shape=(len(times), len(times))
    )


def _slope(away: Floats, weights: Floats) -> Floats:
    """What each neighbour counts in the slope of a line fitted to them."""
    total = weights.sum()
    sloped = weights * (away - float(weights @ away) / total)
    spread = float(sloped @ away)
    if spread < 1e-6 * total:  # too near to each other for a slope
        return np.zeros(len(away))
    by: Floats = sloped / spread
    return by


def _tricube(away: Floats) -> Floats:
    weights: Floats = (1 - np.minimum(np.abs(away), 1) ** 3) ** 3
    return weights


def middles(values: NDArray[Any], weights: NDArray[Any]) -> tuple[Floats, Floats]:
    """The middle and the spread of each row of `values` (N x P, weighted, float): a median, made
    finer by a mean of those within some spreads of it.  Both 0 where a row's weights are."""
    centre = _medians(values, weights)
    away = np.abs(values - centre[:, None])
    spread = SPREAD * _medians(away, weights)
    room = np.maximum(_BEYOND * spread, 1e-9)[:, None]
    counted = weights * (1 - np.minimum(away / room, 1) ** 2) ** 2
    total = counted.sum(axis=1)
    means = (counted * values).sum(axis=1) / np.where(total > 0, total, 1)
    return np.where(total > 0, means, 0.0), spread


def _medians(values: NDArray[Any], weights: NDArray[Any]) -> Floats:
    order = np.argsort(values, axis=1)
    passed = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1, dtype=np.float64)
    total = passed[:, -1:]
    at = np.argmax(passed >= total / 2, axis=1)[:, None]
    found = np.take_along_axis(np.take_along_axis(values, order, axis=1), at, axis=1)[:, 0]
    return np.where(total[:, 0] > 0, found, 0.0).astype(np.float64)


def running_median(values: Floats, reach: int) -> Floats:
    """The median of each of `values` (N) and its `reach` neighbours on both sides."""
    edged = np.pad(values, reach, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(edged, 2 * reach + 1)
    medians: Floats = np.median(windows, axis=1)
    return medians
