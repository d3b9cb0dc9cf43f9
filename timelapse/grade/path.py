"""Path: where a camera looked over a roll, in numbers that can be smoothed one by one, and the part
of its stills that never shows a border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.smooth import SPREAD, smoother

Floats = NDArray[np.float64]
Pair = tuple[int, int]

#: A still this many spreads off its neighbours says nothing of where the camera went.
_BEYOND = 8.0
#: Stills are no similarities of each other from this share of their longer side on.
_BENT = 1 / 500
#: The middle of what is shown lies on such shares of a pixel.
_GRID = 1024
#: What a way from the middle, in shares of a side, costs in the share that is shown.
_AWAY = 1e-5
_HALVINGS = 30


@dataclass(frozen=True)
class Numbers:
    """Matrices as rows of numbers, all in pixels, for stills of `size`; a row of zeros moves
    nothing.

    Of similarities they are the shift of the still's middle, and by how far its corners are turned
    and enlarged; else (`bent`) the shifts of its four corners.
    """

    size: Pair
    bent: bool = False

    @classmethod
    def of(cls, onto: Floats, size: Pair) -> Numbers:
        """The numbers that describe these matrices (N x 3 x 3), but for less than can be seen."""
        linear, perspective = onto[:, :2, :2], onto[:, 2] - [0, 0, 1]
        apart = np.stack([linear[:, 0, 0] - linear[:, 1, 1], linear[:, 0, 1] + linear[:, 1, 0]])
        reach = max(size)
        off = max(float(np.abs(apart).max()) * reach, float(np.abs(perspective).max()) * reach**2)
        return cls(size, off > _BENT * reach)

    @property
    def corners(self) -> Floats:
        """Those of a still, clockwise, 4 x 2."""
        return np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * np.array(self.size, np.float64)

    def read(self, onto: Floats) -> Floats:
        """N x 3 x 3 as N x P."""
        if self.bent:
            return (seen(onto, self.corners) - self.corners).reshape(len(onto), 8)
        middle = np.array(self.size) / 2
        shift = seen(onto, middle[None])[:, 0] - middle
        turn = np.unwrap(np.arctan2(onto[:, 1, 0], onto[:, 0, 0]))
        scale = np.log(np.hypot(onto[:, 0, 0], onto[:, 1, 0]))
        return np.column_stack([shift, turn * self._reach, scale * self._reach])

    def matrices(self, numbers: Floats) -> Floats:
        """N x P as N x 3 x 3."""
        if self.bent:
            return self._homographies(numbers.reshape(-1, 4, 2))
        middle = np.array(self.size) / 2
        turn, scale = numbers[:, 2] / self._reach, np.exp(numbers[:, 3] / self._reach)
        onto = np.tile(np.eye(3), (len(numbers), 1, 1))
        onto[:, 0, 0] = onto[:, 1, 1] = scale * np.cos(turn)
        onto[:, 1, 0] = scale * np.sin(turn)
        onto[:, 0, 1] = -onto[:, 1, 0]
        onto[:, :2, 2] = middle + numbers[:, :2] - onto[:, :2, :2] @ middle
        return onto

    @property
    def _reach(self) -> float:
        return float(np.hypot(*self.size)) / 2

    def _homographies(self, shifts: Floats) -> Floats:
        """By the eight equations that four corners give, in shares of the still."""
        size = np.array(self.size, np.float64)
        x, y = (self.corners / size).T
        u, v = np.moveaxis((self.corners + shifts) / size, -1, 0)
        none, one = np.zeros_like(u), np.ones_like(u)
        across = np.stack([x * one, y * one, one, none, none, none, -x * u, -y * u], axis=-1)
        down = np.stack([none, none, none, x * one, y * one, one, -x * v, -y * v], axis=-1)
        system = np.concatenate([across, down], axis=1)
        found = np.linalg.solve(system, np.concatenate([u, v], axis=1)[..., None])[..., 0]
        shares = np.concatenate([found, np.ones((len(found), 1))], axis=1).reshape(-1, 3, 3)
        grow = np.diag([*size, 1.0])
        onto: Floats = grow @ shares @ np.linalg.inv(grow)
        return onto


def seen(onto: NDArray[np.floating[Any]], points: Floats) -> Floats:
    """Where K points (K x 2) are after each of N matrices: N x K x 2."""
    moved = onto @ np.column_stack([points, np.ones(len(points))]).T
    found: Floats = np.moveaxis(moved[:, :2] / moved[:, 2:], 1, 2)
    return found


def smoothed(path: Floats, times: Floats, half: float, weights: Floats) -> Floats:
    """A path (N x P) without what comes and goes within `half` of a time: lines fitted to what is
    near, so that steady movements stay, also at the ends.  Stills of weight 0, and single ones that
    stand out, say nothing."""
    if not weights.any():
        return path
    own = weights * ~_knocked(path, weights)
    smooth: Floats = smoother(times, half, own, np.zeros(len(path), np.int64)) @ path
    return smooth


def _knocked(path: Floats, weights: Floats) -> NDArray[np.bool_]:
    """Which stills are far off the median of themselves and two neighbours on each side."""
    edged = np.pad(path, ((2, 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(edged, 5, axis=0)
    away = np.linalg.norm(path - np.median(windows, axis=-1), axis=1)
    usual = SPREAD * float(np.median(away[weights > 0]))
    found: NDArray[np.bool_] = away > np.maximum(_BEYOND * usual, 1.0)
    return found


def shaking(path: Floats, times: Floats) -> Floats:
    """How far each still (N) is off the cubic curve through its four nearest neighbours, the first
    and the last two left out: what is no smooth movement."""
    apart = np.arange(-2, 3)
    rows = np.arange(2, len(path) - 2)
    near = times[rows[:, None] + apart] - times[rows, None]
    shares = np.zeros(near.shape)
    for k in (0, 1, 3, 4):  # Lagrange's
        others = [n for n in (0, 1, 3, 4) if n != k]
        between = near[:, [k]] - near[:, others]
        shares[:, k] = (-near[:, others] / np.where(between == 0, np.inf, between)).prod(axis=1)
    told = np.einsum("nk,nkp->np", shares, path[rows[:, None] + apart])
    found: Floats = np.linalg.norm(path[rows] - told, axis=1)
    return found


def rms(values: Floats) -> float:
    """The root of their mean square; 0 of none."""
    return float(np.sqrt(np.mean(values**2))) if len(values) else 0.0


@dataclass(frozen=True)
class Window:
    """What is shown of stills: a part of their shape, `share` of their sides, around `centre`."""

    size: Pair
    share: float
    centre: tuple[float, float]

    @property
    def closer(self) -> Floats:
        """The matrix (3 x 3) that makes it as large as the still."""
        grow = 1 / self.share
        x, y = (side / 2 - grow * at for side, at in zip(self.size, self.centre, strict=True))
        return np.array([[grow, 0, x], [0, grow, y], [0, 0, 1]])

    def inside(self, onto: Floats) -> NDArray[np.bool_]:
        """Whether all that it shows is of the still, for each of N that lie so (N x 3 x 3)."""
        normals, reach, room = _edges(onto, self.size)
        away = normals @ np.array(self.centre) + self.share * room
        found: NDArray[np.bool_] = (away <= reach + 1e-9 * max(self.size)).all(axis=1)
        return found


def widest(onto: Floats, size: Pair) -> Window:
    """The largest window that shows no border of any of N stills that lie so (N x 3 x 3), as near
    to the middle as that lets it; of share 0 where there is none.

    Each edge of each still bounds the middle and the share linearly, so that this is a linear
    program.
    """
    from scipy.optimize import linprog

    normals, reach, room = (array.reshape(-1, *array.shape[2:]) for array in _edges(onto, size))
    middle, sides = np.array(size) / 2, np.array(size, np.float64)
    none, unit = np.zeros((len(room), 2)), np.eye(2)
    about = np.zeros((2, 1))  # share, the centre from the middle in sides, how far that is
    rows = np.vstack([
        np.column_stack([room, normals * sides, none]),
        np.column_stack([about, unit, -unit]),
        np.column_stack([about, -unit, -unit]),
    ])  # fmt: skip
    limits = np.concatenate([reach - normals @ middle, np.zeros(4)])
    bounds = [(0, 1), (None, None), (None, None), (0, None), (0, None)]
    solved = linprog([-1, 0, 0, _AWAY, _AWAY], rows, limits, bounds=bounds, method="highs")
    off = np.rint(solved.x[1:3] * sides * _GRID) / _GRID if solved.status == 0 else np.zeros(2)
    share = float(((limits[:-4] - normals @ off) / room).min())
    x, y = (middle + off).tolist()
    return Window(size, min(max(share, 0.0), 1.0), (x, y))


def _edges(onto: Floats, size: Pair) -> tuple[Floats, Floats, Floats]:
    """The edges of N stills as half planes: their outward normals (N x 4 x 2), how far they reach
    along them (N x 4), and how far a window of share 1 does from its centre (N x 4)."""
    corners = seen(onto, Numbers(size).corners)
    along = np.roll(corners, -1, axis=1) - corners
    normals = np.stack([along[..., 1], -along[..., 0]], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    reach = (normals * corners).sum(axis=-1)
    room = np.abs(normals) @ (np.array(size) / 2)
    return normals, reach, room


def furthest(inside: Callable[[Floats], NDArray[np.bool_]], start: Floats, end: Floats) -> Floats:
    """How far each row of `start` (N x P) can go towards that of `end`, in shares (N) from 0 to 1,
    and still be inside; 0 where it is not even at its start."""
    low, high = np.zeros(len(start)), np.ones(len(start))
    low[inside(end)] = 1
    for _ in range(_HALVINGS):
        tried = (low + high) / 2
        good = inside(start + tried[:, None] * (end - start))
        low, high = np.where(good, tried, low), np.where(good, high, np.maximum(tried, low))
    return low


def eased_below(limits: Floats, times: Floats, half: float) -> Floats:
    """The smooth curve that stays below `limits` (N): the mean, over `half` of a time to each side,
    of what is least within `half` of there."""
    first = np.searchsorted(times, times - half, "left")
    last = np.searchsorted(times, times + half, "right")
    spans = [slice(start, stop) for start, stop in zip(first, last, strict=True)]
    least = np.array([limits[span].min() for span in spans])
    eased = np.empty(len(limits))
    for at, span in enumerate(spans):
        near = (1 - np.abs((times[span] - times[at]) / (half * 1.001 + 1e-9)) ** 3) ** 3
        eased[at] = near @ least[span] / near.sum()
    return np.minimum(eased, limits)
