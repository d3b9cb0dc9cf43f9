"""Lens: straightens what a lens has bent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError

#: How much smaller or larger than it was the straightened still may be.
_ZOOMS = 1 / 4, 4.0
_HALVINGS = 50
#: Points along each side of a still that are looked at.
_ALONG = 65


@dataclass(frozen=True)
class Lens:
    """Distortion after Brown and Conrady, in OpenCV's terms: where a straight picture has a point
    at (x, y), the lens has put it at

        x (1 + k1 r^2 + k2 r^4 + k3 r^6) + 2 p1 x y + p2 (r^2 + 2 x^2)
        y (1 + k1 r^2 + k2 r^4 + k3 r^6) + p1 (r^2 + 2 y^2) + 2 p2 x y

    with r^2 = x^2 + y^2, all from the still's middle and in focal lengths (OpenCV, Camera
    Calibration and 3D Reconstruction; D. C. Brown, Decentering Distortion of Lenses, 1966).
    `coefficients` are k1, k2, p1, p2, k3, of which the last may be left out; `focal` is the focal
    length in longer sides of the still.

    Straightening also enlarges, around the middle, by the least that leaves no border.
    """

    coefficients: tuple[float, ...]
    focal: float = 1.0

    def check(self) -> None:
        """ProjectError where these are no five numbers of a lens."""
        numbers = (*self.coefficients, self.focal)
        if len(self.coefficients) > 5 or not all(map(isfinite, numbers)) or self.focal <= 0:
            raise ProjectError(
                f"lens: {list(self.coefficients)} with focal {self.focal:g}: give up to five "
                "numbers, [k1, k2, p1, p2, k3], and a focal length above zero"
            )

    def zoom(self, still: tuple[int, int]) -> float:
        """By how much straightening enlarges the middle of a still of that size.

        ProjectError where the coefficients bend it beyond use.
        """
        return _zoom(self, still[0] / max(still), still[1] / max(still))

    def straight(self, points: NDArray[np.float64], still: tuple[int, int]) -> NDArray[np.float64]:
        """Points of a still (N x 2, whole numbers are the middles of pixels) where they are once it
        is straightened, which does not change its size."""
        import cv2

        if not len(points):
            return points
        inner, outer = self._cameras(still)
        until = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-10
        found = cv2.undistortPoints(
            points.reshape(-1, 1, 2), inner, self._five, None, None, outer, until
        )
        return np.asarray(found, np.float64).reshape(-1, 2)

    def maps(
        self, onto: NDArray[np.float64], still: tuple[int, int], size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For each pixel of a picture of `size` the x and y in the still that it shows (for
        `cv2.remap`); `onto` (3 x 3) says where pixels of the straightened still are in the
        picture."""
        import cv2

        inner, outer = self._cameras(still)
        across, down = cv2.initUndistortRectifyMap(
            inner, self._five, None, onto @ outer, size, cv2.CV_32FC1
        )
        return across, down  # type: ignore[return-value]

    def bent(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the lens puts points (N x 2) of a straight picture; both in focal lengths."""
        k1, k2, p1, p2, k3 = self._five
        x, y = points.T
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=1,
        )

    @property
    def _five(self) -> NDArray[np.float64]:
        return np.array([*self.coefficients, *[0.0] * (5 - len(self.coefficients))])

    def _cameras(self, still: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The camera matrices of a still as it is, and straightened."""
        x, y = (still[0] - 1) / 2, (still[1] - 1) / 2
        length = self.focal * max(still)
        enlarged = length * self.zoom(still)
        return (
            np.array([[length, 0, x], [0, length, y], [0, 0, 1]]),
            np.array([[enlarged, 0, x], [0, enlarged, y], [0, 0, 1]]),
        )


@lru_cache(maxsize=64)
def _zoom(lens: Lens, width: float, height: float) -> float:
    """The least zoom at which the whole edge of a straightened still shows what the still has; its
    sides are in longer sides."""
    half = np.array([width, height]) / 2 / lens.focal
    along = np.linspace(-1, 1, _ALONG)
    ones = np.ones_like(along)
    sides = [(along, ones), (along, -ones), (ones, along), (-ones, along)]
    edge = np.concatenate([np.stack(side, axis=1) for side in sides]) * half
    rays = np.linspace(0, 1, _ALONG)[1:, None, None]

    def shows(zoom: float) -> bool:
        found = lens.bent((rays * edge / zoom).reshape(-1, 2)).reshape(len(rays), -1, 2)
        outwards = np.diff((found * edge).sum(2), axis=0) > 0  # else the picture is folded
        return bool(outwards.all() and (np.abs(found[-1]) <= half).all())

    low, high = _ZOOMS
    if not shows(high) or shows(low):
        raise ProjectError(
            f"lens: {list(lens.coefficients)} with focal {lens.focal:g} bends stills beyond use; "
            "focal is the focal length in longer sides of the still"
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
