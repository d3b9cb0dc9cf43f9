"""What most pairs of places agree on: the one motion that takes places here to places there.

A motion is a matrix (3 x 3).  Corrections of one are written in eight generators, of which the
first two make up a translation, the first four a similarity, and all of them a homography, so that
one least squares does for each.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Model = Literal["translation", "similarity", "homography"]

#: How many of the generators a model has.
_FREE: dict[Model, int] = {"translation": 2, "similarity": 4, "homography": 8}
#: How many pairs have to agree, so that it is not by chance.
FEWEST = 8
#: Cells across and down, for the doubt.
_CELLS = 4
#: Beyond so many standard deviations a pair has no weight (Tukey).
_CUT = 4.7
#: Pixels, below which nobody measures.
_FINEST = 0.02


class Fit(NamedTuple):
    """How a picture lies over another: `onto` takes its places there, `trusted` (0 to 1) is the
    share of what was compared that agrees, `off` how far its corners may lie off (pixels, standard
    deviation)."""

    onto: Floats
    trusted: float
    off: float


def moved(onto: NDArray[Any], places: NDArray[Any]) -> Floats:
    """Places (N x 2) taken elsewhere."""
    found: Floats = places @ onto[:2, :2].T + onto[:2, 2]
    if onto[2, 0] or onto[2, 1] or onto[2, 2] != 1:
        found /= (places @ onto[2, :2] + onto[2, 2])[:, None]
    return found


def agreed(
    there: Floats, here: Floats, model: Model, size: tuple[int, int], near: float = 2.0
) -> tuple[Fit, Flags] | None:
    """The motion that takes places `here` (N x 2) to places `there`, as most of them have it, and
    which of them do; None where too few agree.

    `size` is the (width, height) of the picture, `near` the pixels within which two agree.  The
    same input always gives the same result.  `trusted` is the share of the pairs.
    """
    if len(here) < FEWEST:
        return None
    start = _started(there, here, model, near)
    if start is None:
        return None
    middle, unit = np.array(size) / 2, max(size) / 2
    frame = np.array([[unit, 0, middle[0]], [0, unit, middle[1]], [0, 0, 1]])
    back = np.linalg.inv(frame)
    # Measured at their mean, so that what is far from the middle does not turn by rounding.
    onto, goal, free = back @ start @ frame, moved(back, there), _FREE[model]
    source = moved(back, here)
    weights = np.zeros(len(here))
    for _ in range(8):
        seen = moved(onto, source)
        off = goal - seen
        apart = np.hypot(*off.T) * unit
        close = apart < near
        if close.sum() < FEWEST:
            return None
        spread = max(1.4826 * float(np.median(apart[close])) / 1.18, _FINEST)
        weights = np.clip(1 - (apart / (_CUT * spread)) ** 2, 0, None) ** 2 * close
        slopes = _slopes(seen, free)
        weighed = slopes * weights[:, None, None]
        normal = np.einsum("nki,nkj->ij", weighed, slopes) + 1e-9 * np.eye(free)
        step = np.linalg.solve(normal, np.einsum("nki,nk->i", weighed, off))
        onto = _correction(step) @ onto
        onto /= onto[2, 2]
        if np.abs(step).max() * unit < 1e-5:
            break
    agree = weights > 0.1
    if agree.sum() < FEWEST or not 0.25 < abs(np.linalg.det(onto[:2, :2])) < 4:
        return None
    doubt = _doubt(weighed, slopes, goal - moved(onto, source), source) * unit
    return Fit(frame @ onto @ back, float(agree.mean()), doubt), agree


def _started(there: Floats, here: Floats, model: Model, near: float) -> Floats | None:
    """A motion to begin with."""
    import cv2

    if model == "translation":
        shifts = there - here
        apart = np.abs(shifts[:, None] - shifts[None]).max(axis=2)
        most = int(np.argmax((apart < near).sum(axis=1)))
        onto = np.eye(3)
        onto[:2, 2] = np.median(shifts[apart[most] < near], axis=0)
        return onto
    # Both of these draw from the same numbers each time they are called.
    if model == "similarity":
        found, _ = cv2.estimateAffinePartial2D(
            here, there, method=cv2.RANSAC, ransacReprojThreshold=near, confidence=0.999,
            refineIters=0,
        )  # fmt: skip
        return None if found is None else np.vstack([found, [0, 0, 1]])
    full, _ = cv2.findHomography(here, there, cv2.RANSAC, near, confidence=0.999)
    return None if full is None else np.asarray(full, np.float64)


def _slopes(at: Floats, free: int) -> Floats:
    """What each generator moves places by: N x 2 x free."""
    x, y = at.T
    one, nil = np.ones_like(x), np.zeros_like(x)
    across = [one, nil, x, -y, x, y, x * x, x * y]
    down = [nil, one, y, x, -y, x, x * y, y * y]
    return np.stack([np.stack(across[:free], 1), np.stack(down[:free], 1)], 1)


def _correction(step: Floats) -> Floats:
    """The matrix of a small motion."""
    right, down, grow, turn, stretch, shear, tip, tilt = np.pad(step, (0, 8 - len(step)))
    return np.array(
        [
            [1 + grow + stretch, shear - turn, right],
            [shear + turn, 1 + grow - stretch, down],
            [-tip, -tilt, 1],
        ]
    )


def _doubt(weighed: Floats, slopes: Floats, off: Floats, at: Floats) -> float:
    """How far the corners may lie off: the fit is made again without each part of the picture
    (delete-a-group jackknife: Efron, The Jackknife, the Bootstrap and Other Resampling Plans
    (1982)), because what is near each other errs alike."""
    free = slopes.shape[2]
    cell = np.clip(((at + 1) / 2 * _CELLS).astype(int), 0, _CELLS - 1) @ np.array([1, _CELLS])
    normal = np.zeros((_CELLS * _CELLS, free, free))
    pull = np.zeros((_CELLS * _CELLS, free))
    np.add.at(normal, cell, np.einsum("nki,nkj->nij", weighed, slopes))
    np.add.at(pull, cell, np.einsum("nki,nk->ni", weighed, off))
    used = normal[:, 0, 0] > 0
    parts = int(used.sum())
    if parts < 2:
        return float(np.inf) if free > 2 else float(np.hypot(*off.T).mean())
    ridge = 1e-6 * np.trace(normal.sum(axis=0)) * np.eye(free)
    steps = np.linalg.solve(
        normal.sum(axis=0) - normal[used] + ridge, (pull.sum(axis=0) - pull[used])[..., None]
    )[..., 0]
    steps -= steps.mean(axis=0)
    corners = _slopes(np.array([[-1, -0.7], [1, -0.7], [-1, 0.7], [1, 0.7]]), free)
    shifts = np.einsum("cki,pi->pck", corners, steps)
    return float(np.sqrt((parts - 1) / parts * (shifts**2).sum(axis=(0, 2)).mean()))
