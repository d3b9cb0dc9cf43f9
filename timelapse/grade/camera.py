"""Camera: moves over pictures that are larger than the frame, in video time.

A move leads from one key to the next.  The window that is seen changes its width by the same
factor in equal steps of the easing, and every point of it keeps to a straight line, so that a zoom
goes towards one fixed point; where both keys show no border, nothing between them does.  All is
computed in float64 at each frame's exact time: nothing is rounded to pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from math import ceil, isfinite, log2
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.layout import Focus, Pair
from timelapse.grade.pose import Pose
from timelapse.machine import Buffers
from timelapse.written import Instant

Motion = Literal["smooth", "linear", "hold"]
_Numbers = NDArray[np.float64]
#: The closest that a camera goes.
_CLOSEST = 16
#: Places between two keys that are looked at for borders.
_BETWEEN = 129


@dataclass(frozen=True)
class Move:
    """From `at` on the camera is here, and `ease` says how it comes from the key before: `smooth`
    (it starts and ends softly), `linear`, or `hold` (it stays, and jumps).

    `zoom` is how much larger all is than where the frame shows as much as it can; `focus` is the
    point of the still, in shares of it, that is in the frame's middle, or as near to it as shows no
    border; `turn` turns the picture, in degrees clockwise.  What is left out is as at the key
    before.
    """

    at: Instant
    zoom: float | None = None
    focus: Focus | None = None
    turn: float | None = None
    ease: Motion = "smooth"

    def __post_init__(self) -> None:
        if self.zoom is not None and not 1 <= self.zoom <= _CLOSEST:
            raise ProjectError(f"zoom: {self.zoom:g} is not from 1 to {_CLOSEST}")
        if self.turn is not None and not isfinite(self.turn):
            raise ProjectError(f"turn: {self.turn} is no number of degrees")
        check_focus(self.focus)


@dataclass(frozen=True)
class Reframing(Pose):
    """What is done to a still before it is fitted into the frame, in this order: `lens` straightens
    it; `crop` is the part that is used; `flip` mirrors it, and `rotate` turns it clockwise, by
    degrees. Then `moves` of a camera over it.

    `lens` are OpenCV's coefficients [k1, k2, p1, p2, k3], of which the last may be left out, for a
    focal length of `focal` times the still's longer side. `crop` is [left, top, width, height] of
    the still: in shares where width and height are at most 1, else in pixels.
    """

    moves: tuple[Move, ...] = ()

    @property
    def pose(self) -> Pose:
        """The same without the moves."""
        return Pose(**{field.name: getattr(self, field.name) for field in fields(Pose)})


def check_focus(focus: Focus | None) -> None:
    """ProjectError where this is no point of a still."""
    if focus is not None and not all(0 <= share <= 1 for share in focus):
        raise ProjectError(f"focus: {list(focus)} is no point of a still in shares from 0 to 1")


@dataclass(frozen=True)
class Key:
    """Where the camera is at an instant of the video: `centre` in shares of the picture."""

    at: Fraction
    zoom: float
    centre: tuple[float, float]
    turn: float
    ease: Motion = "smooth"


@dataclass(frozen=True)
class Camera:
    """Looks at pictures of the size `canvas` and shows of them, on every frame, a part that fills
    `size`; made by `filming`, which sees to it that no border shows."""

    keys: tuple[Key, ...]
    rate: Fraction
    canvas: Pair
    size: Pair

    @property
    def closest(self) -> float:
        """The greatest zoom."""
        return max(key.zoom for key in self.keys)

    def onto(self, frames: NDArray[np.int64]) -> _Numbers:
        """Where the pixels of the picture are on frames: a matrix (2 x 3) for each of N.

        Whole numbers are the middles of pixels.  What is left of the first key and right of the
        last stands still.
        """
        width, centre, turn = self._places(np.asarray(frames, np.int64))
        canvas, size = np.array(self.canvas, np.float64), np.array(self.size, np.float64)
        scale = (size / canvas).max() / width
        sine, cosine = np.sin(np.radians(turn)), np.cos(np.radians(turn))
        found = np.empty((len(width), 2, 3))
        found[:, 0, 0] = found[:, 1, 1] = scale * cosine
        found[:, 1, 0] = scale * sine
        found[:, 0, 1] = -found[:, 1, 0]
        about = 0.5 - centre * canvas
        found[:, :, 2] = np.einsum("nij,nj->ni", found[:, :, :2], about) + (size - 1) / 2
        return found

    def views(self, start: int, stop: int) -> tuple[View, ...]:
        """What the frames [start, stop) show."""
        matrices = self.onto(np.arange(start, stop))
        return tuple(View(_six(matrix), self.canvas, self.size) for matrix in matrices)

    def _places(self, frames: NDArray[np.int64]) -> tuple[_Numbers, _Numbers, _Numbers]:
        """The width of the window, in what it is at zoom 1, its centre and its turn."""
        begins = np.array([ceil(key.at * self.rate) for key in self.keys])
        after = np.searchsorted(begins, frames, side="right")
        one = np.clip(after - 1, 0, len(self.keys) - 1)
        two = np.clip(after, 0, len(self.keys) - 1)
        times = np.array([float(key.at) for key in self.keys])
        lasts = np.where(two > one, times[two] - times[one], 1.0)
        share = np.where(two > one, (frames / float(self.rate) - times[one]) / lasts, 0.0)
        eases = np.array([key.ease for key in self.keys])[two]
        return self._between(one, two, eased(np.clip(share, 0, 1), eases))

    def _between(
        self, one: NDArray[np.int64], two: NDArray[np.int64], share: _Numbers
    ) -> tuple[_Numbers, _Numbers, _Numbers]:
        widths = np.array([1 / key.zoom for key in self.keys])
        centres = np.array([key.centre for key in self.keys])
        turns = np.array([key.turn for key in self.keys])
        grows = np.log(widths[two] / widths[one])
        grown = np.where(np.abs(grows) < 1e-9, 1.0, np.expm1(grows))
        along = np.where(np.abs(grows) < 1e-9, share, np.expm1(share * grows) / grown)
        return (
            widths[one] * np.exp(share * grows),
            centres[one] + along[:, None] * (centres[two] - centres[one]),
            turns[one] + share * (turns[two] - turns[one]),
        )

    def lacks(self) -> float:
        """By how much more it would have to zoom in so that nowhere between its keys a border is
        seen; 1 where none is."""
        most = 1.0
        share = np.linspace(0, 1, _BETWEEN)
        for at, (one, two) in enumerate(pairwise(self.keys)):
            if one.turn == two.turn or two.ease == "hold":
                continue
            ones = np.full(_BETWEEN, at)
            width, centre, turn = self._between(ones, ones + 1, share)
            half = _half(self, turn) * width[:, None]
            most = max(most, float((half / np.minimum(centre, 1 - centre)).max()))
        return most


def filming(keys: Sequence[Key], rate: Fraction, canvas: Pair, size: Pair) -> Camera:
    """The camera that goes through these keys, or as near to them as shows no border: where it is
    turned or looks at an edge, it is closer, or looks further inwards.

    ProjectError where the keys do not follow on each other.
    """
    for one, two in pairwise(keys):
        if two.at <= one.at:
            raise ProjectError(
                f"the key at {float(two.at):.2f} s of the clip comes after that at "
                f"{float(one.at):.2f} s; put them in the order of the clip"
            )
    plain = Camera((), rate, canvas, size)
    within = Camera(tuple(_inside(plain, key, 1.0) for key in keys), rate, canvas, size)
    more = within.lacks()
    if more == 1:
        return within
    return Camera(tuple(_inside(plain, key, more) for key in within.keys), rate, canvas, size)


def _inside(camera: Camera, key: Key, closer: float) -> Key:
    half = _half(camera, np.array(key.turn, np.float64))
    zoom = max(key.zoom, float(2 * half.max())) * closer
    centre = np.clip(key.centre, half / zoom, 1 - half / zoom)
    return Key(key.at, zoom, (float(centre[0]), float(centre[1])), key.turn, key.ease)


def _half(camera: Camera, turn: _Numbers) -> _Numbers:
    """How far the window reaches from its centre along the picture's sides, in shares of them, at
    zoom 1: N x 2 for N turns."""
    canvas, size = np.array(camera.canvas, np.float64), np.array(camera.size, np.float64)
    cosine, sine = np.abs(np.cos(np.radians(turn))), np.abs(np.sin(np.radians(turn)))
    reach = np.stack([cosine, sine], -1) * size[0] + np.stack([sine, cosine], -1) * size[1]
    half: _Numbers = reach / ((size / canvas).max() * canvas) / 2
    return half


def eased(share: _Numbers, eases: NDArray[np.str_]) -> _Numbers:
    """`smooth` is the polynomial of fifth degree that starts and ends without speed and without
    acceleration (K. Perlin, Improving Noise, SIGGRAPH 2002)."""
    smooth = share**3 * (10 + share * (6 * share - 15))
    chosen: _Numbers = np.where(eases == "smooth", smooth, np.where(eases == "linear", share, 0.0))
    return chosen


Six = tuple[float, float, float, float, float, float]


def _six(matrix: _Numbers) -> Six:
    a, b, c, d, e, f = matrix.ravel().tolist()
    return a, b, c, d, e, f


@dataclass(frozen=True)
class View:
    """What one frame of `size` shows of pictures of the size `canvas`; `onto` says where their
    pixels are in the frame (a matrix of 2 x 3, by rows; whole numbers are the middles of pixels).
    """

    onto: Six
    canvas: Pair = field(repr=False)
    size: Pair = field(repr=False)

    @cached_property
    def part(self) -> tuple[slice, slice]:
        """The rows and columns of the picture that are seen."""
        right, bottom = self.size[0] - 0.5, self.size[1] - 0.5
        corners = np.array(
            [[-0.5, -0.5, 1], [right, -0.5, 1], [-0.5, bottom, 1], [right, bottom, 1]]
        )
        x, y = self._back @ corners.T
        across, down = self.canvas
        return (
            slice(max(0, int(np.floor(y.min())) - 1), min(down, int(np.ceil(y.max())) + 2)),
            slice(max(0, int(np.floor(x.min())) - 1), min(across, int(np.ceil(x.max())) + 2)),
        )

    @property
    def looks(self) -> int:
        """At how many places of each of its pixels it looks up the picture; the same for all of a
        move."""
        across, down = self.canvas[0] / self.size[0], self.canvas[1] / self.size[1]
        return 1 << max(1, ceil(log2(min(across, down))))

    def apply(self, seen: NDArray[np.uint16], buffers: Buffers) -> NDArray[np.uint16]:
        """The frame (H x W x 3, uint16, the light of the picture) from the `part` of a picture.

        The result is that of `buffers`.  Linear interpolation draws no dark rings around stars, but
        by itself lets them sway: between pixels of the picture it is softer, and a frame that is
        not as fine as the picture takes more of it here than there.  The mean of two places or
        more, no two of one row or column, takes both away.
        """
        import cv2

        rows, columns = self.part
        shape = (self.size[1], self.size[0], 3)
        out, other = buffers.take("view", shape, np.uint16), buffers.take("look", shape, np.uint16)
        back, how = self._back, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for number, place in enumerate(_places(self.looks)):
            source = np.column_stack(
                [back[:, :2], back @ [*place, 1] - [columns.start, rows.start]]
            )
            look = other if number else out
            cv2.warpAffine(seen, source, self.size, look, how, cv2.BORDER_REPLICATE)
            if number:
                cv2.addWeighted(out, number / (number + 1), other, 1 / (number + 1), 0, out)
        return out

    @property
    def _back(self) -> _Numbers:
        """Where the frame's pixels are in the picture, 2 x 3."""
        whole = np.array([*self.onto, 0, 0, 1]).reshape(3, 3)
        back: _Numbers = np.linalg.inv(whole)[:2]
        return back


@cache
def _places(count: int) -> tuple[tuple[float, float], ...]:
    """So many places in a pixel, a power of two, from its middle: spread evenly along x, along y
    and over it (Hammersley's points; J. M. Hammersley, Monte Carlo Methods for Solving
    Multivariable Problems, 1960)."""
    order = [0]
    while len(order) < count:
        order = [2 * at for at in order] + [2 * at + 1 for at in order]
    middle = (count - 1) / 2
    return tuple(((x - middle) / count, (y - middle) / count) for x, y in enumerate(order))
