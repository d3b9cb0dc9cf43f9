"""One target, sought from still to still: matched, refined, and lost where it is not to be seen.

Positions are (x, y) in pixels of gray pictures, with (0, 0) the centre of the top left one; time is
counted in usual steps between stills.  The numbers below were settled on simulated flights with
known truth (benchmarks/following.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
Patch = NDArray[np.float32]
Point = NDArray[np.float64]

#: What a target is known by: a `light` is one bright thing on darker ground, whose middle is found
#: however its shape and brightness change; a `pattern` is known by its looks alone.
Kind = Literal["light", "pattern"]

#: The correlation (0 to 1) from which on a match near the prediction is one.  A faint light in
#: noise correlates little with what it looked like, but has to stand out as well.
_LIKE: dict[Kind, float] = {"light": 0.4, "pattern": 0.6}
#: and how far below what it was of late it may be for a pattern.
_FALLS = 0.2
#: How many times stronger or weaker than of late it may look there.
_FADES, _FLARES = 0.3, 5.0
#: What lies against the prediction, as after a push of the camera, has to correlate by this, no
#: other place may come as near to it as that, and it may be at most so many times stronger, weaker.
_ALIKE, _APART, _STEADY = 0.8, 0.2, 2.0
#: What being far from the prediction costs at most, as correlation, and how many times the doubt
#: of the prediction counts as far.
_FAR, _TOLERANCE = 0.35, 2.0
#: What being twice as strong as of late costs, or half as strong.
_OTHER = 0.15
#: How many times the noise a light has to stand out by.
_STANDS_OUT = 5.0
#: The share of a fresh look that goes into what is sought next.
_FRESH = 0.15
#: The correlation at which a pattern's reference is given up for a fresh one.
_WORN = 0.85
#: The height above its surroundings, as a share of its own, from which on a light counts.
_CUT = 0.7
#: How far the windows that are looked at reach beyond what is sought in them.
_RIM = 5


class Find(NamedTuple):
    """Where the target is in one still, if it was `found`; `score` runs from 0 to 1."""

    x: float
    y: float
    found: bool
    score: float


@dataclass(frozen=True, eq=False)
class View:
    """A gray picture of `size` (width, height), or the part of it from (left, top) on."""

    pixels: Gray
    size: tuple[int, int]
    left: int = 0
    top: int = 0

    @classmethod
    def whole(cls, pixels: Gray) -> Self:
        """All of a picture."""
        return cls(pixels, (pixels.shape[1], pixels.shape[0]))

    def __contains__(self, point: Point) -> bool:
        return bool((point >= -0.5).all() and (point < np.array(self.size) - 0.5).all())

    def around(self, middle: Point, radius: int) -> View:
        """A copy of what lies within `radius` pixels of a point."""
        x, y = (int(v) for v in np.round(middle))
        left, top = max(x - radius, self.left), max(y - radius, self.top)
        part = self.pixels[
            top - self.top : max(y + radius + 1 - self.top, 0),
            left - self.left : max(x + radius + 1 - self.left, 0),
        ]
        return View(part.copy(), self.size, left, top)

    def covers(self, middle: Point, radius: int) -> bool:
        """Whether all that lies within `radius` pixels of a point, and in the picture, is here."""
        low = np.maximum(np.floor(middle) - radius, 0)
        high = np.minimum(np.ceil(middle) + radius, np.array(self.size) - 1)
        height, width = self.pixels.shape
        end = np.array([self.left + width - 1, self.top + height - 1])
        return bool((low >= [self.left, self.top]).all() and (high <= end).all())

    def cut(self, middle: Point, radius: int) -> Patch:
        """The square about a point, interpolated, 2 radius + 1 pixels wide, 0 to 1; what lies
        outside the picture is like its edge."""
        import cv2

        side = 2 * radius + 1
        x, y = float(middle[0]) - self.left, float(middle[1]) - self.top
        patch = cv2.getRectSubPix(self.pixels, (side, side), (x, y), patchType=cv2.CV_32F)
        return np.asarray(patch * np.float32(1 / 255), np.float32)


class Motion:
    """Position and velocity by the last finds, with their doubt: a Kalman filter for a velocity
    that changes at random (Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking
    and Navigation (2001), 6.2.2).

    It learns both noises from what it is off by: how uncertain finds are, from its size, and how
    much velocity changes, from whether it goes on in one direction (Mehra, IEEE Trans. Automatic
    Control 15 (1970), 175-184: what a right filter is off by does not).
    """

    _LEAST, _FIRST = 0.15, 1.0  # pixels that a find is uncertain by, at least and at first
    _LEARNS = 0.3  # how fast, as a power of e for each find
    _STEADIEST, _WILDEST = 0.03, 3.0  # pixels a step, each step, that velocity changes by

    def __init__(self, at: Point, speed: float) -> None:
        self.at, self.velocity = at.copy(), np.zeros(2)
        self._doubt = np.diag([self._LEAST**2, speed**2])
        self._noise, self._change = self._FIRST**2, 0.3
        self._last, self._finds = np.zeros(2), 0

    @property
    def spread(self) -> float:
        """Standard deviation of where the next find is expected, in pixels."""
        return float(np.sqrt(self._doubt[0, 0] + self._noise))

    @property
    def doubt(self) -> float:
        """Standard deviation of where it is, in pixels."""
        return float(np.sqrt(self._doubt[0, 0]))

    def advance(self, steps: float) -> None:
        """Lets time pass."""
        self.at = self.at + self.velocity * steps
        move = np.array([[1.0, steps], [0.0, 1.0]])
        grown = np.array([[steps**3 / 3, steps**2 / 2], [steps**2 / 2, steps]])
        self._doubt = move @ self._doubt @ move.T + self._change**2 * grown

    def correct(self, found: Point) -> None:
        """Takes in a find."""
        off = found - self.at
        doubt = float(self._doubt[0, 0])
        expected = doubt + self._noise
        gain = self._doubt[:, 0] / expected
        self.at, self.velocity = self.at + gain[0] * off, self.velocity + gain[1] * off
        self._doubt = self._doubt - np.outer(gain, self._doubt[0])
        self._finds += 1
        fresh = max(0.05, 1 / (self._finds + 2))
        surplus = max(float(off @ off) / 2 - doubt, 0.0)
        self._noise = max((1 - fresh) * self._noise + fresh * surplus, self._LEAST**2)
        goes_on = float(np.clip(off @ self._last / (2 * expected), -1, 1))
        self._change = float(
            np.clip(self._change * np.exp(self._LEARNS * goes_on), self._STEADIEST, self._WILDEST)
        )
        self._last = off


class Seeker:
    """Follows one target from a still in which it stands at a given point.

    `radius` is half the side of the square that holds it, `search` how far from the prediction it
    is looked for.  `origin` is where its middle was found, which is the point itself for a pattern.
    """

    def __init__(self, view: View, point: Point, radius: int, search: int, kind: Kind) -> None:
        self._radius, self._search, self._kind = radius, search, kind
        self._weight = _bell(radius)
        self.origin = settled(view, point, radius) if kind == "light" else point.copy()
        self._sought = self._reference = view.cut(self.origin, radius)
        self._motion = Motion(self.origin, search / 3)
        self._held = True  # found in the last still
        self._usual = 1.0  # what a match correlates by, of late

    @property
    def window(self) -> int:
        """How far from the prediction pixels are looked at."""
        return self._radius + self._search + _RIM

    def advance(self, steps: float) -> Point:
        """Lets so many steps pass; where the target is expected then."""
        self._motion.advance(steps)
        return self._motion.at

    def seek(self, view: View) -> Find:
        """The target in a still of the time that has come."""
        motion = self._motion
        if motion.at not in view:
            return self.miss()
        reach, middle = self._search, np.round(motion.at)
        like, strength = matched(view.cut(middle, self._radius + reach), self._sought, self._weight)
        offset = np.arange(-reach, reach + 1)
        off_x, off_y = offset + middle[0] - motion.at[0], offset + middle[1] - motion.at[1]
        far = 1 - np.exp(
            -(off_x[None, :] ** 2 + off_y[:, None] ** 2) / (2 * (_TOLERANCE * motion.spread) ** 2)
        )
        other = np.abs(np.log2(np.clip(strength, 1e-3, 1e3)))
        score = like - _FAR * far - _OTHER * other
        score[(strength < _FADES) | (strength > _FLARES)] = -1
        row, column = (int(v) for v in np.unravel_index(int(np.argmax(score)), score.shape))
        rough = middle + np.array([column, row]) - reach + summit(like, row, column)
        here = self._refined(view, rough)
        shown = float(np.clip(score[row, column], 0, 1))
        if (
            here not in view
            or not self._believed(like, strength, row, column, here)
            or (self._kind == "light" and not stands_out(view, here, self._radius))
        ):
            return self.miss(shown)
        motion.correct(here)
        self._learn(view, here)
        self._held = True
        self._usual += _FRESH * (float(like[row, column]) - self._usual)
        return Find(float(here[0]), float(here[1]), True, shown)

    def miss(self, score: float = 0.0) -> Find:
        """What is said of a still in which it is not seen."""
        self._held = False
        return Find(float(self._motion.at[0]), float(self._motion.at[1]), False, score)

    def _believed(self, like: Patch, strength: Patch, row: int, column: int, here: Point) -> bool:
        best, strong = float(like[row, column]), float(strength[row, column])
        gate = 4 * self._motion.spread + 1
        expected = float(np.hypot(*(here - self._motion.at))) <= gate
        known = 4 * self._motion.doubt + 1 <= self._radius
        if expected and (self._held or known):
            least = _LIKE[self._kind]
            if self._kind == "pattern":
                least = max(least, self._usual - _FALLS)
            return best >= least and _FADES < strong < _FLARES
        # What lies against the prediction, or in a wide place, has to be the only one of its like.
        near = max(self._radius // 2, 3)
        others = np.where((strength > 1 / _STEADY) & (strength < _STEADY), like, -1)
        others[max(row - near, 0) : row + near + 1, max(column - near, 0) : column + near + 1] = -1
        return (
            (self._held or (expected and self._kind == "pattern"))
            and best >= _ALIKE
            and best - float(others.max()) > _APART
            and 1 / _STEADY < strong < _STEADY
        )

    def _refined(self, view: View, rough: Point) -> Point:
        if self._kind == "light":
            return settled(view, rough, self._radius)
        return aligned(view, rough, self._reference, self._weight)

    def _learn(self, view: View, here: Point) -> None:
        fresh = view.cut(here, self._radius)
        self._sought = (1 - _FRESH) * self._sought + _FRESH * fresh
        if self._kind == "pattern":
            like, _ = matched(fresh, self._reference, self._weight)
            # Kept for as long as it fits: every change of it adds its error to all that follow.
            if like[0, 0] < _WORN:
                self._reference = fresh


def matched(window: Patch, sought: Patch, weight: Patch) -> tuple[Patch, Patch]:
    """How alike a patch and each place of a window are: the weighted correlation (-1 to 1), and how
    many times the patch's contrast is there (least squares)."""
    import cv2

    total = float(weight.sum())
    window = window - window.mean()
    shape = weight * (sought - float((weight * sought).sum()) / total)
    energy = max(float((shape * sought).sum()), 1e-7)
    shared = cv2.matchTemplate(window, shape, cv2.TM_CCORR)
    mean = cv2.matchTemplate(window, weight, cv2.TM_CCORR)
    square = cv2.matchTemplate(window * window, weight, cv2.TM_CCORR)
    there = np.maximum(square - mean * mean / total, 1e-6 * total)
    like = np.asarray(shared / np.sqrt(there * energy), np.float32)
    return like, np.asarray(shared / energy, np.float32)


def summit(score: Patch, row: int, column: int) -> Point:
    """How far the top of a map is from its greatest value, by a parabola each way, in pixels."""
    off = np.zeros(2)
    if 0 < column < score.shape[1] - 1:
        off[0] = _vertex(score[row, column - 1 : column + 2])
    if 0 < row < score.shape[0] - 1:
        off[1] = _vertex(score[row - 1 : row + 2, column])
    return off


def _vertex(three: Patch) -> float:
    before, top, after = three.tolist()
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def aligned(view: View, rough: Point, reference: Patch, weight: Patch) -> Point:
    """Where a patch fits best near a point, in weighted least squares over place, contrast and
    brightness (inverse compositional: Baker and Matthews, Int. J. Computer Vision 56 (2004),
    221-255); the point itself where that leads away."""
    radius = reference.shape[0] // 2
    slope_y, slope_x = np.gradient(reference.astype(np.float64))
    model = np.stack([reference.ravel(), np.ones(reference.size), slope_x.ravel(),
                      slope_y.ravel()])  # fmt: skip
    weighted = model * weight.ravel()
    normal = weighted @ model.T + 1e-9 * np.eye(4)
    here = rough.copy()
    for _ in range(10):
        contrast, _, x, y = np.linalg.solve(normal, weighted @ view.cut(here, radius).ravel())
        if contrast < 0.1:
            return rough
        step = np.clip(np.array([-x, -y]) / contrast, -1, 1)
        here += step
        if np.abs(step).max() < 0.005:
            break
    return here if np.hypot(*(here - rough)) < 2 else rough


def settled(view: View, rough: Point, radius: int) -> Point:
    """The middle of the light at a point: the mean position of what shines near it, weighed by how
    much and by nearness, taken again from there until it stays (mean shift)."""
    sigma = max(radius / 8, 1.0)
    half = int(3 * sigma) + 3
    start = np.round(rough)
    patch = view.cut(start, half)
    offset = np.arange(-half, half + 1, dtype=np.float64)
    at = rough - start
    floor = float(np.percentile(patch, 30))
    height = float(patch[half - 2 : half + 3, half - 2 : half + 3].max()) - floor
    light = np.maximum(patch - (floor + _CUT * height), 0)
    for _ in range(20):
        near_x = np.exp(-((offset - at[0]) ** 2) / (2 * sigma**2))
        near_y = np.exp(-((offset - at[1]) ** 2) / (2 * sigma**2))
        mass = light * near_y[:, None] * near_x[None, :]
        total = float(mass.sum())
        if total <= 0:
            break
        moved = np.array([mass.sum(axis=0) @ offset, mass.sum(axis=1) @ offset]) / total - at
        # Nearness pulls back towards where we are: a longer step gets there sooner.
        at = np.clip(at + 1.5 * moved, -half, half)
        if np.abs(moved).max() < 0.005:
            break
    here: Point = start + at
    return here


def stands_out(view: View, here: Point, radius: int) -> bool:
    """Whether there is a light at a point that the noise round it does not explain."""
    patch = view.cut(np.round(here), radius)
    core = patch[radius - 1 : radius + 2, radius - 1 : radius + 2]
    # Neighbours differ by noise, and by what is soft hardly at all.
    noise = 1.4826 * float(np.median(np.abs(np.diff(patch, axis=1)))) / np.sqrt(2)
    return bool(float(core.max()) - float(np.median(patch)) > _STANDS_OUT * max(noise, 1 / 255))


def kind_of(view: View, point: Point, radius: int) -> Kind:
    """Whether what stands at a point is a light: brighter than all round it, on quiet ground."""
    here = settled(view, point, radius)
    if np.hypot(*(here - point)) > max(radius / 4, 2):
        return "pattern"
    wide = view.cut(np.round(here), 2 * radius)
    border = np.concatenate([wide[0], wide[-1], wide[1:-1, 0], wide[1:-1, -1]])
    low, middle, high = np.percentile(border, [25, 50, 75])
    core = float(wide[2 * radius - 1 : 2 * radius + 2, 2 * radius - 1 : 2 * radius + 2].max())
    height = core - float(middle)
    patch = wide[radius : 3 * radius + 1, radius : 3 * radius + 1]
    quiet = float(high - low) < 0.3 * height and core >= 0.9 * float(patch.max())
    return "light" if quiet and height > 0.1 else "pattern"


def _bell(radius: int) -> Patch:
    along = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * (radius / 2) ** 2))
    return np.asarray(along[:, None] * along[None, :], np.float32)
