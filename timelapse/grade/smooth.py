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
#: A slope is taken from so many times as long as a level.
_SLOPES = 3.0


def smoother(times: Floats, half: float, weights: Floats, parts: NDArray[np.int64]) -> Any:
    """The sparse matrix (N x N, CSR) that takes N values at rising `times` to their smooth ones.

    Each is the mean of its neighbours within `half` of its time, by tricube weights times `weights`
    (N, 0 and above), carried from the middle of those to its own time along a slope: that of a line
    fitted to all within `_SLOPES` times as long.  A line of those within `half` alone (Cleveland,
    Robust Locally Weighted Regression, JASA 74, 1979, section 2) is the same between even
    neighbours, but at an end it hangs on the last few values: its variance is twice as large.
    Straight lines stay either way.  Nothing is carried over from one of the `parts` (N, rising
    numbers) into the next.  Where all weights are zero there, the value stays.
    """
    from scipy.sparse import csr_matrix

    long = _SLOPES * half
    first = np.maximum(
        np.searchsorted(times, times - long, "right"), np.searchsorted(parts, parts, "left")
    )
    last = np.minimum(
        np.searchsorted(times, times + long, "left"), np.searchsorted(parts, parts, "right")
    )
    rows, columns = [], []
    for at, (start, stop) in enumerate(zip(first, last, strict=True)):
        reach = np.arange(start, max(stop, start + 1))
        away = (times[reach] - times[at]) / half
        row = _height(away, weights[reach], reach == at)
        own = row != 0
        rows.append(row[own])
        columns.append(reach[own])
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_matrix(
        (np.concatenate(rows), np.concatenate(columns), starts), shape=(len(times), len(times))
    )


def _height(away: Floats, weights: Floats, own: NDArray[np.bool_]) -> Floats:
    """What each neighbour counts in the smooth value at 0."""
    near = weights * _tricube(away)
    total = near.sum()
    if total <= 0:
        return own.astype(np.float64)
    level: Floats = near / total
    mean = float(level @ away)
    wide = weights * _tricube(away / _SLOPES)
    from_middle = away - float(wide @ away) / wide.sum()
    spread = float(wide @ from_middle**2)
    if spread < 1e-6 * total:  # too near to each other for a slope
        return level
    return level - mean * wide * from_middle / spread


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
