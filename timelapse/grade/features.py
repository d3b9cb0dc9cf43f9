"""How one still lies over another, by the corners in both.

Places are in pixels of the small gray pictures that are compared; (0, 0) is the middle of the
first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.grade.agree import FEWEST, Fit, Floats, Model, agreed, moved

Gray = NDArray[np.uint8]

#: Corners at most, how far apart at least, as a share of the width, and how weak at most.
_CORNERS, _APART, _WEAKEST = 250, 0.02, 0.01
#: The side of the squares that are compared, and the pixels within which the way there and back
#: has to end where it began.
_SQUARE, _BACK = 15, 0.5
#: The spread of gray that a picture is brought to, and by how many times at most.
_SPREAD, _STRONGEST = 28.0, 6.0
#: How far a place may be off and agree, as a share of the width, and in pixels at least.
_NEAR, _NEAREST = 0.003, 1.5
#: By how much a guess turns or enlarges at most, before a still is warped for the flow.
_TURNED = 0.03
#: The width at which corners are described, how many, and how much better than the second best a
#: match has to be (Lowe, Int. J. Computer Vision 60 (2004), 7.1).
_DESCRIBED, _DESCRIPTIONS, _BETTER = 640, 1200, 0.8
#: Below this mean gray hot pixels would be the sharpest corners, and are taken out.
_DARK = 48
#: A share of agreement that is too small to go by.
WEAK = 0.25


@dataclass(frozen=True, eq=False)
class View:
    """What is kept of a still: gray without what is even over wide parts, at a contrast of its own,
    so that neither flicker nor a shade matters."""

    pixels: Gray
    looked: Gray | None

    @cached_property
    def corners(self) -> Floats:
        """N x 2."""
        width = self.pixels.shape[1]
        found = cv2.goodFeaturesToTrack(
            self.pixels, _CORNERS, _WEAKEST, width * _APART, mask=self.looked, blockSize=5
        )
        return np.zeros((0, 2)) if found is None else found.reshape(-1, 2).astype(np.float64)

    @cached_property
    def described(self) -> tuple[Floats, Any]:
        """Corners that are known by their looks: places and descriptions."""
        share = min(1.0, _DESCRIBED / self.pixels.shape[1])
        looked = np.full_like(self.pixels, 255) if self.looked is None else self.looked
        small, mask = (cv2.resize(each, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
                       for each in (self.pixels, looked))  # fmt: skip
        points, looks = cv2.SIFT.create(_DESCRIPTIONS).detectAndCompute(small, mask)
        places = np.array([point.pt for point in points], np.float64).reshape(-1, 2)
        return (places + 0.5) / share - 0.5, looks


class Features:
    """Corners, followed by the flow of Lucas and Kanade (in pyramids: Bouguet, 1999), there and
    back; where that leads nowhere, SIFT says where to begin."""

    name = "features"
    coarse = True

    def __init__(self, model: Model, looked: Gray | None = None) -> None:
        self._model, self._looked = model, looked

    def view(self, gray: Gray) -> View:
        if cv2.mean(gray)[0] < _DARK:
            gray = np.asarray(cv2.medianBlur(gray, 3), np.uint8)
        wide = max(3, gray.shape[1] // 30) | 1
        even = cv2.boxFilter(gray, -1, (wide, wide))
        apart = cv2.absdiff(gray, even)
        # A normal spread is 1.25 times the mean of the absolute values.
        spread = 1.25 * cv2.mean(apart, self._looked)[0]
        gain = min(_SPREAD / max(spread, 0.1), _STRONGEST)
        return View(np.asarray(cv2.addWeighted(gray, gain, even, -gain, 128), np.uint8),
                    self._looked)  # fmt: skip

    def between(self, a: View, b: View, guess: Floats) -> Fit | None:
        """How `b` lies over `a`, near a guess or else anywhere; None where nothing is found."""
        fit = self._flow(a, b, guess)
        if fit is None or fit.trusted < WEAK:
            found = self._anywhere(a, b)
            again = None if found is None else self._flow(a, b, found)
            if again and (fit is None or again.trusted > fit.trusted):
                fit = again
        return fit if fit and fit.trusted >= WEAK else None

    def _flow(self, a: View, b: View, guess: Floats) -> Fit | None:
        size = a.pixels.shape[1::-1]
        pixels, back = b.pixels, np.linalg.inv(guess)
        turned = bool(np.abs(guess - np.eye(3))[[0, 0, 1, 1], [0, 1, 0, 1]].max() > _TURNED)
        if turned:  # the squares that are compared do not turn
            pixels = np.asarray(cv2.warpPerspective(
                pixels, guess, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(128,)
            ), np.uint8)  # fmt: skip
        seen = self._within(moved(back, a.corners), size)
        corners = a.corners[seen]
        points = corners.astype(np.float32)
        if len(points) < FEWEST:
            return None
        start = points if turned else moved(back, corners).astype(np.float32)
        options: dict[str, Any] = {
            "winSize": (_SQUARE, _SQUARE),
            "maxLevel": max(0, int(np.log2(min(size) / 50))),
            "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
            "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.003),
        }
        # Copies, because the flow writes into where it begins.
        found, there, _ = cv2.calcOpticalFlowPyrLK(a.pixels, pixels, points, start.copy(),
                                                   **options)  # fmt: skip
        again, ends, _ = cv2.calcOpticalFlowPyrLK(pixels, a.pixels, found, points.copy(),
                                                  **options)  # fmt: skip
        here = found.astype(np.float64)
        if turned:
            here = moved(back, here)
        good = (there.ravel() > 0) & (ends.ravel() > 0)
        good &= np.hypot(*(again - points).T) < _BACK
        good &= self._within(here, size)
        near = max(_NEAR * size[0], _NEAREST)
        fitted = agreed(corners[good], here[good], self._model, size, near)
        if fitted is None:
            return None
        fit, agree = fitted
        # Of those that have to be in both, were this the motion.
        wanted = self._within(moved(np.linalg.inv(fit.onto), a.corners), size).sum()
        return fit._replace(trusted=min(1.0, float(agree.sum() / max(wanted, FEWEST))))

    def _within(self, places: NDArray[Any], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Which places are in the picture, and looked at."""
        inside = ((places >= 0) & (places <= np.array(size) - 1)).all(axis=1)
        if self._looked is not None:
            x, y = np.clip(np.round(places), 0, np.array(size) - 1).astype(int).T
            inside &= self._looked[y, x] > 0
        return np.asarray(inside, np.bool_)

    def _anywhere(self, a: View, b: View) -> Floats | None:
        (there, looks), (here, others) = a.described, b.described
        if min(len(there), len(here)) < 2 * FEWEST:
            return None
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(looks, others, k=2)
        at = np.array([(best.queryIdx, best.trainIdx) for best, second in pairs
                       if best.distance < _BETTER * second.distance]).reshape(-1, 2)  # fmt: skip
        at = at.astype(int)
        size = a.pixels.shape[1::-1]
        near = 2 * max(_NEAR * size[0], _NEAREST)
        fitted = agreed(there[at[:, 0]], here[at[:, 1]], self._model, size, near)
        return fitted[0].onto if fitted and fitted[1].sum() >= 1.5 * FEWEST else None
