"""Layout: where a still lies in a frame, in numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.pose import Box, Pose
from timelapse.notation import Notation

Fit = Literal["pad", "crop", "blur"]
#: What is seen where a still that is moved does not reach: nothing, as it is enlarged for that; or
#: black, its own blurred light, or its edge carried on.
Border = Literal["crop", "black", "blur", "edge"]
Pair = tuple[int, int]


class Focus(Notation, NamedTuple("Focus", [("x", float), ("y", float)])):
    """A point of a still, in shares of its width and height from the left and the top:
    `40 % 50 %`, or `[0.4, 0.5]`."""

    examples: tuple[str, ...] = ("40 % 50 %", "0.4 0.5")

    @classmethod
    def read(cls, text: str) -> Focus:
        # A list of YAML comes as Python writes it.
        words = re.sub(r"[\[\](),'\"]", " ", text)
        number = r"(\d{1,9}(?:\.\d{1,18})?|\.\d{1,18})\s*(%?)"
        found = re.fullmatch(rf"\s*{number}\s+{number}\s*", words, re.ASCII)
        if found:
            x, percent_x, y, percent_y = found.groups()
            point = cls(float(x) / (100 if percent_x else 1), float(y) / (100 if percent_y else 1))
            if max(point) <= 1:
                return point
        raise ProjectError(
            f"{' '.join(words.split())!r} is no point of a still in shares of it; write 40 % 50 % "
            "or [0.4, 0.5]"
        )

    def __str__(self) -> str:
        return f"{self.x:g} {self.y:g}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        written = super().__get_pydantic_json_schema__(schema, handler)
        return written | {"type": ["string", "array"]}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a still of one size lies in a frame.

    `onto` (3 x 3) takes places in the still, once straightened, to places in the frame; here pixel
    0 reaches from 0 to 1.  `box` is the part of the still that is used, `target` the (width,
    height) to which it is scaled, `cut` how much of that stands over at the left and the top, `at`
    where it starts in the frame, and `seen` the (width, height) that it fills there.  Where the
    still is turned by other than quarters these last are of the frame as a whole.
    """

    onto: NDArray[np.float64] = field(repr=False)
    box: Box
    target: Pair
    cut: Pair
    at: Pair
    seen: Pair
    straight: bool

    @property
    def scales(self) -> tuple[float, float]:
        """By how much the still is enlarged along its own width and height."""
        across, down = np.linalg.norm(self.onto[:2, :2], axis=0)
        return float(across), float(down)


def lay(frame: Pair, fit: Fit, focus: Focus | None, pose: Pose, still: Pair) -> Layout:
    """A still of that size in a frame."""
    box = pose.box(still)
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    aim = None
    if focus is not None:
        point = np.array(focus) * still
        if pose.optics:
            point = pose.optics.straight(point[None] - 0.5, still)[0] + 0.5
        aim = pose.turn @ (point - middle)
    if pose.quarters is None:
        return _turned(frame, fit, aim, pose, box, middle)
    shape = pose.shape(still)
    target = scaled(shape, frame, fit)
    scales = np.array(target) / shape
    over = target[0] - frame[0], target[1] - frame[1]
    x, y = ((0 if aim is None else aim * scales) + np.array(over) / 2).tolist()
    cut = min(max(0, floor(x)), max(0, over[0])), min(max(0, floor(y)), max(0, over[1]))
    at = max(0, -over[0]) // 2, max(0, -over[1]) // 2
    linear = scales[:, None] * pose.turn
    shift = np.array(target) / 2 - cut + at - linear @ middle
    seen = min(target[0], frame[0]), min(target[1], frame[1])
    return Layout(_affine(linear, shift), box, target, cut, at, seen, True)


def scaled(shape: Pair, frame: Pair, fit: Fit) -> Pair:
    """The (width, height) to which a picture is scaled for a frame, before cut or padding.

    Where the shapes differ by less than two pixels (an odd height, say) it covers the frame.
    """
    across, down = Fraction(frame[0], shape[0]), Fraction(frame[1], shape[1])
    cover = max(across, down)
    standing_over = max(shape[0] * cover - frame[0], shape[1] * cover - frame[1])
    scale = cover if fit == "crop" or standing_over < 2 else min(across, down)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _turned(
    frame: Pair,
    fit: Fit,
    aim: NDArray[np.float64] | None,
    pose: Pose,
    box: Box,
    middle: NDArray[np.float64],
) -> Layout:
    """The layout of a still that is turned by other than quarters."""
    shape = np.array([box[2] - box[0], box[3] - box[1]], np.float64)
    turn = pose.turn
    if fit == "crop":
        scale = float((needed(frame, turn) / shape).max())
        shift = np.zeros(2)
        if aim is not None:  # no further than the frame stays within the still
            room = np.maximum(0, (shape - needed(frame, turn) / scale) / 2)
            shift = -scale * turn @ np.clip(turn.T @ aim, -room, room)
    else:
        scale = float((frame / needed(shape, turn.T)).min())
        shift = np.zeros(2)
    linear = scale * turn
    onto = _affine(linear, np.array(frame) / 2 + shift - linear @ middle)
    target = ceil(shape[0] * scale), ceil(shape[1] * scale)
    return Layout(onto, box, target, (0, 0), (0, 0), frame, False)


def needed(shape: Pair | NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width and height of the least box, along the axes of what is turned, that holds an upright
    box of `shape`."""
    found: NDArray[np.float64] = np.abs(turn.T) @ np.asarray(shape, np.float64)
    return found


def _affine(linear: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    onto = np.eye(3)
    onto[:2, :2], onto[:2, 2] = linear, shift
    return onto


def centred(onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for places of which whole numbers are the middles of pixels."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    found: NDArray[np.float64] = np.linalg.inv(half) @ onto @ half
    return found
