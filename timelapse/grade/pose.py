"""Pose: which part of a still is shown, and which way up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, isfinite, radians, sin
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.lens import Lens

Flip = Literal["none", "horizontal", "vertical", "both"]
#: Left, top, right, bottom, in whole pixels of a still.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Pose:
    """What is done to a still before it is fitted into the frame, in this order: `lens` straightens
    it; `crop` is the part that is used; `flip` mirrors it, and `rotate` turns it clockwise.

    `lens` are OpenCV's coefficients [k1, k2, p1, p2, k3], of which the last may be left out, for a
    focal length of `focal` times the still's longer side.  The straightened still is shown as large
    as leaves no border.  `crop` is [left, top, width, height] of the still: in shares where width
    and height are at most 1, else in pixels.
    """

    lens: tuple[float, ...] = ()
    focal: float = 1.0
    crop: tuple[float, float, float, float] | None = None
    flip: Flip = "none"
    rotate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rotate", "focal"):
            if not isfinite(value := getattr(self, name)):
                raise ProjectError(f"{name}: {value} is no number")
        if self.optics:
            self.optics.check()
        if self.crop is not None:
            left, top, width, height = self.crop
            good = all(map(isfinite, self.crop)) and min(left, top) >= 0 < min(width, height)
            if not good or (self._in_shares and (left + width > 1 or top + height > 1)):
                raise ProjectError(
                    f"crop: {list(self.crop)} is no part of a still; write [left, top, width, "
                    "height] in shares, as [0.1, 0, 0.8, 1], or in pixels"
                )

    @property
    def optics(self) -> Lens | None:
        return Lens(self.lens, self.focal) if any(self.lens) else None

    @property
    def quarters(self) -> int | None:
        """By how many quarters of a turn it is turned clockwise, 0 to 3; None by no whole number
        of them."""
        turns, rest = divmod(self.rotate, 90)
        return None if rest else int(turns) % 4

    @property
    def _in_shares(self) -> bool:
        return self.crop is not None and max(self.crop[2:]) <= 1

    def check(self, stills: Iterable[tuple[int, int]]) -> None:
        """ProjectError where stills of one of these sizes cannot be shown so."""
        for still in stills:
            self.box(still)
            if self.optics:
                self.optics.zoom(still)

    def box(self, still: tuple[int, int]) -> Box:
        """The part that is used of a still of that size; ProjectError where it lies outside."""
        width, height = still
        if self.crop is None:
            return 0, 0, width, height
        left, top, across, down = self.crop
        if self._in_shares:
            left, top, across, down = left * width, top * height, across * width, down * height
        box = round(left), round(top), round(left + across), round(top + down)
        if box[2] > width or box[3] > height or box[0] == box[2] or box[1] == box[3]:
            raise ProjectError(
                f"crop: {list(self.crop)} is no part of a still of {width}x{height} pixels"
            )
        return box

    def shape(self, still: tuple[int, int]) -> tuple[int, int]:
        """Width and height of what is used, upright, without what `rotate` adds to it."""
        left, top, right, bottom = self.box(still)
        shape = right - left, bottom - top
        return shape[::-1] if self.quarters in (1, 3) else shape

    @property
    def turn(self) -> NDArray[np.float64]:
        """How `flip` and `rotate` turn a direction of the still, 2 x 2; exact for quarters."""
        mirror = np.diag(
            (
                -1.0 if self.flip in ("horizontal", "both") else 1.0,
                -1.0 if self.flip in ("vertical", "both") else 1.0,
            )
        )
        return turned(self.rotate) @ mirror


def turned(degrees: float) -> NDArray[np.float64]:
    """The matrix, 2 x 2, that turns clockwise where y points down; exact for quarters."""
    turns, rest = divmod(degrees, 90)
    if rest:
        c, s = cos(radians(degrees)), sin(radians(degrees))
    else:
        c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(turns) % 4]
    return np.array([[c, -s], [s, c]])
