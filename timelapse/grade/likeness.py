"""How one still lies over another, by their pixels as a whole, where nothing in them stands out.

Places are in pixels of the small gray pictures that are compared; (0, 0) is the middle of the
first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.grade.agree import Fit, Floats, Model, agreed, moved

Gray = NDArray[np.uint8]

#: Widths of the pictures that are compared, and how many times at most each is fitted.
_STEPS = ((160, 60), (320, 30), (640, 10))
#: The correlation that is too small to go by.
_WEAK = 0.7
_SMOOTH = 5
_TYPES: dict[Model, int] = {
    "translation": cv2.MOTION_TRANSLATION,
    "similarity": cv2.MOTION_AFFINE,
    "homography": cv2.MOTION_HOMOGRAPHY,
}


@dataclass(frozen=True, eq=False)
class View:
    """A still in three sizes, the smallest first, float32; and the size of the gray picture."""

    pixels: tuple[NDArray[np.float32], ...]
    size: tuple[int, int]


class Likeness:
    """The enhanced correlation of two pictures, to which neither gain nor shade matters, from where
    their phases correlate (Evangelidis and Psarakis, IEEE Trans. PAMI 30 (2008), 1858-1865)."""

    name = "ecc"
    coarse = True

    def __init__(self, model: Model, looked: Gray | None = None) -> None:
        self._model, self._looked = model, looked

    def view(self, gray: Gray) -> View:
        size = gray.shape[1::-1]
        sizes = dict.fromkeys(_size(size, width) for width, _ in _STEPS)
        pixels = (cv2.resize(gray, each, interpolation=cv2.INTER_AREA) for each in sizes)
        return View(tuple(each.astype(np.float32) for each in pixels), size)

    def between(self, a: View, b: View, guess: Floats) -> Fit | None:
        """How `b` lies over `a`, near a guess or where the phases have it; None where they are not
        alike."""
        here, there = a.pixels[0], b.pixels[0]
        into = _scaling(a.size, here.shape[1::-1])
        back = np.linalg.inv(into)
        frame = cv2.createHanningWindow(here.shape[1::-1], cv2.CV_32F)
        shift, _ = cv2.phaseCorrelate(here - here.mean(), there - there.mean(), frame)
        phases = np.eye(3)
        phases[:2, 2] = -np.array(shift)
        starts = (guess, back @ phases @ into, np.eye(3))
        onto = max(starts, key=lambda each: self._alike(here, there, into @ each @ back))
        alike = 0.0
        for first, second, (_, times) in zip(a.pixels, b.pixels, _STEPS, strict=False):
            into = _scaling(a.size, first.shape[1::-1])
            back = np.linalg.inv(into)
            # Theirs takes places of the first to the second.
            full = np.linalg.inv(into @ onto @ back)
            full /= full[2, 2]
            kind = _TYPES[self._model]
            warp = full[: 3 if kind == cv2.MOTION_HOMOGRAPHY else 2].astype(np.float32)
            ending = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, times, 1e-5)
            mask = np.full(first.shape, 255, np.uint8)
            if self._looked is not None:
                mask = _nearest(self._looked, first.shape[1::-1])
            try:
                alike, found = cv2.findTransformECC(first, second, warp, kind, ending, mask,
                                                    _SMOOTH)  # fmt: skip
            except cv2.error:  # it does not come to an end, or they have nothing in common
                return None
            full[: len(found)] = found
            onto = self._of_model(back @ np.linalg.inv(full) @ into, a.size)
        if not alike >= _WEAK or not 0.25 < abs(np.linalg.det(onto[:2, :2])) < 4:
            return None
        doubt = _doubt(first, float(alike)) * a.size[0] / first.shape[1]
        return Fit(onto / onto[2, 2], min(1.0, float(alike)), doubt)

    def _alike(self, a: NDArray[np.float32], b: NDArray[np.float32], onto: Floats) -> float:
        """The correlation where both are seen."""
        size = a.shape[1::-1]
        seen = cv2.warpPerspective(b, onto, size)
        both = cv2.warpPerspective(np.ones_like(b), onto, size) > 0.99
        if self._looked is not None:
            both &= _nearest(self._looked, size) > 0
        if both.mean() < 0.2 or min(a[both].std(), seen[both].std()) == 0:
            return -1.0
        return float(np.corrcoef(a[both], seen[both])[0, 1])

    def _of_model(self, onto: Floats, size: tuple[int, int]) -> Floats:
        """The similarity that is nearest to an affine motion."""
        if self._model != "similarity":
            return onto
        grid = np.stack(np.meshgrid(*(np.linspace(0, side, 5) for side in size)), -1).reshape(-1, 2)
        fitted = agreed(moved(onto, grid), grid, "similarity", size, near=max(size))
        return fitted[0].onto if fitted else onto


def _nearest(looked: Gray, size: tuple[int, int]) -> Gray:
    return np.asarray(cv2.resize(looked, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def _size(size: tuple[int, int], width: int) -> tuple[int, int]:
    width = min(width, size[0])
    return width, max(1, round(size[1] * width / size[0]))


def _scaling(size: tuple[int, int], small: tuple[int, int]) -> Floats:
    """What takes places of a picture to places of a smaller one of it."""
    across, down = np.array(small) / size
    return np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1]])


def _doubt(pixels: NDArray[np.float32], alike: float) -> float:
    """How far a shift may be off: what is not alike, in the slopes of what is (the bound of Cramer
    and Rao), where no more than one pixel in the square of the smoothing is on its own."""
    smooth = cv2.GaussianBlur(pixels, (0, 0), 1.5)
    slopes = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(smooth, cv2.CV_32F, 0, 1) ** 2
    slope = max(float(slopes.mean()) / 64 / 2, 1e-6)
    unlike = max(1 - alike * alike, 1e-4) * float(pixels.var())
    return float(np.sqrt(2 * unlike / slope * _SMOOTH**2 / pixels.size))
