"""How one still lies over another, by the points of light in both.

Places are in pixels of the small gray pictures that are compared; (0, 0) is the middle of the
first pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from timelapse.errors import ProjectError
from timelapse.grade.agree import FEWEST, Fit, Floats, Model, agreed, moved

Gray = NDArray[np.uint8]

#: Points at most, for a match and for a search for hot pixels; in each of the parts of a picture
#: there may be so many times its even share.
_MOST, _ALL, _PARTS, _SHARE = 240, 6000, 6, 3
#: By how many times the noise a point has to stand out, and by how many levels at least.
_SURE, _FAINTEST = 6.0, 2.0
#: The spread of the window that weighs the pixels of a point, and its reach.
_WINDOW, _REACH = 1.5, 4
#: Pixels within which two points are one, at first, and once it is known how they lie.
_NEAR, _SAME = 5.0, 1.5
#: How far from a guess a shift is looked for, as a share of the width.
_SEARCH = 0.06
#: What stays within so many pixels in this share of the stills stays on the sensor.
_STAYS, _IN_MOST = 0.75, 0.75
#: How many points there are at least, and how many are handed to astroalign.
_ENOUGH, _BRIGHTEST = 12, 40


@dataclass(frozen=True, eq=False)
class View:
    """The points of light of a still: N x 2, the brightest first; and the picture's size."""

    points: Floats
    size: tuple[int, int]


class Stars:
    """Points of light, matched by nearness to where they are expected, and by the triangles that
    they make (astroalign: Beroiz, Cabral, Sanchez, Astronomy and Computing 32 (2020)) where the
    camera has turned far.

    `samples` are gray pictures of stills spread over the roll: what stands still on the sensor in
    them, while other points move, is a hot pixel.  `needed`: raise ProjectError where astroalign is
    wanted, and is not there.
    """

    name = "stars"
    coarse = False

    def __init__(
        self,
        model: Model,
        looked: Gray | None = None,
        samples: Sequence[Gray] = (),
        *,
        needed: bool = False,
    ) -> None:
        self._model, self._looked, self._needed = model, looked, needed
        self._hot: cKDTree | None = None
        everything = [lights(gray, looked, most=_ALL) for gray in samples]
        if len(samples) >= 4 and len(fixed := _fixed(everything)):
            hot = cKDTree(fixed)
            left = [View(lights(gray, looked, hot), gray.shape[1::-1]) for gray in samples]
            # Where nothing else moves as one, it is the stars that stand still.
            if any(self._matched(a, b, np.eye(3)) for a, b in pairwise(left)):
                self._hot = hot

    def view(self, gray: Gray) -> View:
        return View(lights(gray, self._looked, self._hot), gray.shape[1::-1])

    def between(self, a: View, b: View, guess: Floats) -> Fit | None:
        """How `b` lies over `a`, near a guess or else anywhere; None where nothing is found."""
        fit = self._matched(a, b, guess)
        if fit is None and min(len(a.points), len(b.points)) >= _ENOUGH:
            found = self._by_triangles(a, b)
            fit = None if found is None else self._matched(a, b, found)
        return fit

    def _matched(self, a: View, b: View, guess: Floats) -> Fit | None:
        if min(len(a.points), len(b.points)) < FEWEST:
            return None
        onto = _shifted(a, b, guess)
        tree, fitted = cKDTree(a.points), None
        for near in (_NEAR, _SAME, _SAME):
            apart, which = tree.query(moved(onto, b.points))
            close = apart < near
            # Each only once: the nearest.
            order = np.flatnonzero(close)[np.argsort(apart[close], kind="stable")]
            _, first = np.unique(which[order], return_index=True)
            pairs = np.sort(order[first])
            fitted = agreed(a.points[which[pairs]], b.points[pairs], self._model, a.size, near / 2)
            if fitted is None:
                return None
            onto = fitted[0].onto
        assert fitted is not None
        fit, agree = fitted
        wanted = min(_seen(moved(onto, b.points), a.size),
                     _seen(moved(np.linalg.inv(onto), a.points), a.size))  # fmt: skip
        share = float(agree.sum() / max(wanted, FEWEST))
        return fit._replace(trusted=min(1.0, share)) if share >= 0.3 else None

    def _by_triangles(self, a: View, b: View) -> Floats | None:
        try:
            import astroalign  # type: ignore[import-untyped,import-not-found,unused-ignore]
        except ImportError as error:
            if not self._needed:
                return None
            raise ProjectError(
                "by: stars that move far between two stills are matched by astroalign, which is "
                "not installed: pip install 'timelapse[astro]', or write by: features"
            ) from error
        # Of some points in either still the other has none: the brightest differ.
        try:
            found, _ = astroalign.find_transform(b.points[:_BRIGHTEST], a.points[:_BRIGHTEST])
        except (ValueError, TypeError, IndexError, astroalign.MaxIterError):
            return None
        # It draws at random; rounded, it is the same beginning each time.
        onto = np.eye(3)
        onto[:2, :2], onto[:2, 2] = found.params[:2, :2].round(4), found.params[:2, 2].round()
        return onto


def lights(
    gray: Gray, looked: Gray | None = None, hot: cKDTree | None = None, most: int = _MOST
) -> Floats:
    """The points of light of a gray picture that are not `hot`, to a fraction of a pixel: N x 2, x
    and y, the brightest first, at `most` so many."""
    light = gray.astype(np.float32)
    height, width = gray.shape
    # A point is narrow: what is even over more than it, or a line, is not one.
    apart = cv2.GaussianBlur(light, (0, 0), 1.0) - cv2.blur(light, (15, 15))
    noise = max(1.4826 * float(np.median(np.abs(apart[::3, ::3]))), 0.05)
    peak = cv2.dilate(apart, np.ones((5, 5), np.uint8))
    found = (apart == peak) & (apart > max(_SURE * noise, _FAINTEST))
    if looked is not None:
        found &= looked > 0
    y, x = np.nonzero(found)
    inside = (np.minimum(x, y) > _REACH) & (x < width - _REACH - 1) & (y < height - _REACH - 1)
    y, x = y[inside], x[inside]
    if hot is not None:
        moves = hot.query(np.stack([x, y], 1))[0] > _STAYS + 0.75
        y, x = y[moves], x[moves]
    bright = np.argsort(-apart[y, x], kind="stable")
    y, x = y[bright], x[bright]
    # No part of the picture, as a town in a corner, speaks for all of it.
    part = (y * _PARTS // height) * _PARTS + x * _PARTS // width
    rank = np.zeros(len(x), int)
    for each in np.unique(part):
        mine = part == each
        rank[mine] = np.arange(mine.sum())
    kept = np.flatnonzero(rank < most * _SHARE // _PARTS**2)[:most]
    return _centred(light, x[kept], y[kept])


def _centred(light: NDArray[np.float32], x: NDArray[Any], y: NDArray[Any]) -> Floats:
    """The middles of points, weighed by a window that is moved until it is there (XWIN of
    SExtractor: Bertin, SExtractor user's manual, Windowed positional parameters)."""
    offset = np.arange(-_REACH, _REACH + 1)
    patch = light[(y[:, None] + offset)[:, :, None], (x[:, None] + offset)[:, None, :]]
    rim = np.hypot(offset, offset[:, None]) > _REACH
    patch = np.maximum(patch - np.median(patch[:, rim], axis=1)[:, None, None], 0)
    at = np.zeros((len(x), 2))
    for _ in range(12):
        near = np.exp(-((offset - at[..., None]) ** 2) / (2 * _WINDOW**2))
        mass = patch * near[:, 1, :, None] * near[:, 0, None, :]
        total = np.maximum(mass.sum(axis=(1, 2)), 1e-6)
        off = np.stack([mass.sum(axis=1) @ offset, mass.sum(axis=2) @ offset], 1) / total[:, None]
        at = np.clip(at + 2 * (off - at), -1.5, 1.5)
    found: Floats = at + np.stack([x, y], 1)
    return found


def _shifted(a: View, b: View, guess: Floats) -> Floats:
    """A guess with the shift that most points of two stills share."""
    here, search = moved(guess, b.points), _SEARCH * a.size[0]
    shifts = (a.points[:, None] - here[None]).reshape(-1, 2)
    shifts = shifts[np.abs(shifts).max(axis=1) < search]
    bins = int(2 * search / 2)
    votes, across, down = np.histogram2d(shifts[:, 0], shifts[:, 1], bins, [[-search, search]] * 2)
    votes = cv2.GaussianBlur(votes.astype(np.float32), (0, 0), 1)
    column, row = np.unravel_index(int(np.argmax(votes)), votes.shape)
    onto = np.eye(3)
    if votes.max() > 1:
        onto[:2, 2] = across[column] + across[1] / bins, down[row] + down[1] / bins
    return onto @ guess


def _fixed(stills: Sequence[Floats]) -> Floats:
    """The points that are in the same place of most stills."""
    trees = [cKDTree(points) for points in stills if len(points)]
    places = np.concatenate(stills)
    near = np.zeros(len(places), int)
    for tree in trees:
        near += tree.query(places)[0] < _STAYS
    fixed: Floats = places[near >= _IN_MOST * len(stills)]
    return fixed


def _seen(places: Floats, size: tuple[int, int]) -> int:
    """How many places are in a picture."""
    return int(((places >= 0) & (places <= np.array(size) - 1)).all(axis=1).sum())
