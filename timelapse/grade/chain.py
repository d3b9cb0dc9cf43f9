"""Stills laid over each other one by one, each over a key still that was laid before."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.agree import Fit, Floats

Gray = NDArray[np.uint8]
Pair = tuple[int, int]

#: A key still is given up for a fresh one where less of it is seen, or less of it agrees.
_SEEN, _AGREES = 0.6, 0.4
#: What is this far off is not believed, as a share of the width.
_OFF = 0.004


class Method(Protocol):
    """A way to tell how pictures lie over each other."""

    @property
    def name(self) -> str: ...
    @property
    def coarse(self) -> bool:
        """Whether small pictures tell as much as larger ones."""

    def view(self, gray: Gray) -> Any:
        """What is kept of a gray picture."""

    def between(self, a: Any, b: Any, guess: Floats) -> Fit | None:
        """How `b` lies over `a`, in pixels whose middles are whole numbers."""


class Laid(NamedTuple):
    view: Any
    onto: Floats


class Chain:
    """Stills laid over each other one by one, each near the one before it; `found` has the matrix
    and the trust of each, `off` what fits may be off by, and `start` is where it began."""

    def __init__(self, method: Method, size: Pair) -> None:
        self._method, self._size = method, size
        self.found: dict[int, tuple[Floats, float]] = {}
        self.off: list[float] = []
        self.start = 0
        self._keys: list[Laid] = []  # the newest last
        self._last: Laid | None = None
        self._stranded: Any = None
        self._step, self._steady = np.eye(3), False

    def rewind(self) -> None:
        """Goes back to where it began, to go on from there the other way."""
        self._keys = self._keys[:1]
        self._last = self._keys[0] if self._keys else None
        self._stranded, self._step, self._steady = None, np.eye(3), False

    def add(self, at: int, gray: Gray) -> None:
        view = self._method.view(gray)
        if self._last is None:
            self._begin(at, view)
            return
        guess = self._last.onto @ self._step if self._steady else self._last.onto
        for base in self._bases():
            fit = self._method.between(base.view, view, np.linalg.inv(base.onto) @ guess)
            if fit and fit.off <= max(1.0, _OFF * self._size[0]):
                self._take(at, view, base, fit)
                return
        self._strand(at, view)

    def _begin(self, at: int, view: Any) -> None:
        """The first in which there is something: laid over itself it has to agree."""
        fit = self._method.between(view, view, np.eye(3))
        if fit is not None and fit.trusted > 0.5:
            self.start = at
            self._last = Laid(view, np.eye(3))
            self._keys = [self._last]
            self.found[at] = np.eye(3), 1.0

    def _bases(self) -> list[Laid]:
        """What a still is laid over, one where the other has nothing in common with it."""
        assert self._last is not None
        keys = [self._keys[-1]]
        if self._last.view is not keys[0].view:
            keys.append(self._last)
        return keys + self._keys[-2:-1]

    def _take(self, at: int, view: Any, base: Laid, fit: Fit) -> None:
        assert self._last is not None
        onto = base.onto @ fit.onto
        self.found[at] = onto / onto[2, 2], fit.trusted
        self.off.append(fit.off)
        step = np.linalg.inv(self._last.onto) @ onto
        # Whether it went on as before decides what is expected of the next.
        self._steady = _moves(np.linalg.inv(self._step) @ step, self._size) < _moves(
            step, self._size
        )
        self._step = step
        self._last = Laid(view, onto / onto[2, 2])
        self._stranded = None
        key = self._keys[-1]
        if base.view is not key.view and base in self._keys:  # back where it was before
            self._keys.pop()
        elif base.view is not key.view:
            self._keep(base)
        if fit.trusted < _AGREES or _overlap(fit.onto, self._size) < _SEEN:
            self._keep(self._last)

    def _keep(self, key: Laid) -> None:
        """Takes a still for the key, beside the first one and the one before it."""
        self._keys = [*self._keys[:1], *self._keys[1:][-1:], key]

    def _strand(self, at: int, view: Any) -> None:
        """Nothing known is in this still.  Where the next one goes on from it, the scene is another
        one; it is followed from here, as if it lay where the last one did."""
        if self._stranded is not None:
            assert self._last is not None
            fit = self._method.between(self._stranded, view, np.eye(3))
            if fit is not None and fit.trusted >= _AGREES:
                key = self._last = Laid(self._stranded, self._last.onto)
                self._keep(key)
                self._take(at, view, key, fit)
                return
        self._stranded = view


def _moves(onto: Floats, size: Pair) -> float:
    """How far the corners of a picture go, the farthest."""
    corners = np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [*size, 1]], np.float64)
    seen = corners @ onto.T
    return float(np.hypot(*(seen[:, :2] / seen[:, 2:] - corners[:, :2]).T).max())


def _overlap(onto: Floats, size: Pair) -> float:
    """The share of a picture that another covers, at least."""
    off = np.abs(onto @ [size[0] / 2, size[1] / 2, 1])
    off = np.abs(off[:2] / off[2] - np.array(size) / 2)
    return float(np.clip(1 - off / size, 0, 1).prod())
