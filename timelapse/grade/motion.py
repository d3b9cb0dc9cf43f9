"""Motion: where the camera looked in each still of a roll, found from the stills themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """How N stills lie over the one that is the reference.

    `onto` (N x 3 x 3, the last row of each (0, 0, 1) unless it is a homography) takes places in a
    still to places in the reference, both in pixels of the full size `size` (width, height), where
    pixel 0 reaches from 0 to 1.  `trusted` (N) is the share of what was compared that agrees, from
    0 to 1; it is 0 where nothing was found, and `onto` is then what lies between its neighbours.
    `noise` is how far, in those pixels, a still may lie off by chance, and `by` says what it was
    found by.
    """

    size: tuple[int, int]
    onto: Floats
    trusted: Floats
    reference: int = 0
    noise: float = 0.0
    by: str = ""

    @classmethod
    def none(cls, count: int, size: tuple[int, int]) -> Motion:
        """Of stills that do not move."""
        return cls(size, np.tile(np.eye(3), (count, 1, 1)), np.ones(count))

    @cached_property
    def still(self) -> bool:
        """Whether nothing moves by more than chance."""
        corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]) * (*self.size, 1)
        seen = np.einsum("nij,kj->nki", self.onto, corners)
        apart = seen[..., :2] / seen[..., 2:] - corners[:, :2]
        return bool((np.hypot(*np.moveaxis(apart, -1, 0)) <= max(self.noise, 0.05)).all())

    def as_json(self) -> dict[str, Any]:
        """What a report tells: where the middle of each still lies, by how much it is turned
        (degrees) and enlarged."""
        middle = np.array([self.size[0] / 2, self.size[1] / 2, 1])
        seen = self.onto @ middle
        shift = seen[:, :2] / seen[:, 2:] - middle[:2]
        turn = np.degrees(np.arctan2(self.onto[:, 1, 0], self.onto[:, 0, 0]))
        scale = np.sqrt(np.abs(np.linalg.det(self.onto[:, :2, :2])))
        return {
            "by": self.by,
            "reference": self.reference,
            "shift": np.round(shift, 2).tolist(),
            "turn": np.round(turn, 4).tolist(),
            "scale": np.round(scale, 5).tolist(),
            "lost": np.flatnonzero(self.trusted == 0).tolist(),
        }
