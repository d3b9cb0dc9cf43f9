"""Stacks: which neighbours of a still help to correct it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade import Nine, Noise, Way, laid

if TYPE_CHECKING:
    from timelapse.render.job import Job

#: Pictures that lie over each other but for less than so many pixels are left as they lie.
_NEAR = 0.1


@dataclass(frozen=True)
class Neighbour:
    """A neighbour of a still, by its place in the segment, and the matrix that lays its picture
    over that of the still (in pixels of the picture, pixel 0 from 0 to 1); None where it lies
    there already."""

    still: int
    onto: Nine | None = None

    @property
    def matrix(self) -> NDArray[np.float64] | None:
        return None if self.onto is None else np.array(self.onto).reshape(3, 3)


@dataclass(frozen=True)
class Stack:
    """What the noise of a still is taken out by: its neighbours in time, of which `own` is itself,
    and how much of it is taken out."""

    members: tuple[Neighbour, ...]
    own: int
    strength: float


@dataclass(frozen=True)
class Stacks:
    """Of a segment: `beside` has the stills before and after each that becomes a picture, where
    cosmic rays are looked for; -1 where there is none.  `averaged` has a stack for each still that
    is shown, where `noise` is taken out, in one `way`."""

    beside: tuple[tuple[int, int], ...] = ()
    averaged: tuple[Stack, ...] = ()
    way: Way = "mean"
    noise: Noise | None = None

    @property
    def helpers(self) -> tuple[Any, ...]:
        """Which stills help which, and how; not where these lie in a picture."""
        stacks = [([near.still for near in s.members], s.strength) for s in self.averaged]
        return self.beside, self.way, repr(stacks)


def stacked(job: Job, used: Sequence[int]) -> tuple[Stacks, Sequence[int]]:
    """How the stills `used` of a roll are helped by others, and all that are needed, by their
    indices in the roll: those used, and then their helpers."""
    denoise, noise, optics = job.grade.denoise, job.found.noise, job.found.optics
    if denoise is None or noise is None or noise.idle:
        denoise = noise = None
    if not used or not (noise or optics):
        return Stacks(), used
    line = _Line(job)
    runs = {at: line.around(at, denoise.reach if denoise else 0) for at in used}
    framed = [*used, *sorted({n for run in runs.values() for n in run}.difference(used))]
    pairs = [line.beside(at) for at in framed] if optics else []
    near = {n for pair in pairs for n in pair if n is not None}
    members = [*framed, *sorted(near.difference(framed))]
    place: dict[int | None, int] = {at: n for n, at in enumerate(members)} | {None: -1}
    beside = tuple((place[before], place[after]) for before, after in pairs)
    if denoise is None:
        return Stacks(beside), members
    stacks = []
    for at in used:
        near_by = tuple(Neighbour(place[n], line.onto(n, at)) for n in runs[at])
        strength = job.grade.strengths.get(at, denoise.strength)
        stacks.append(Stack(near_by, runs[at].index(at), strength))
    return Stacks(beside, tuple(stacks), denoise.way, noise), members


class _Line:
    """The stills of a job that are not lost, in the order of time."""

    def __init__(self, job: Job) -> None:
        self._job, self._roll = job, job.plan.roll
        self._left = [at for at in range(len(self._roll.stills)) if at not in job.plan.lost]
        self._places = {at: place for place, at in enumerate(self._left)}
        self._size = job.found.motion.size if job.found.motion else (1, 1)
        # Places in a still, and where they are in its picture, both from the corners of pixels.
        self._corners = np.array([(0.0, 0.0), (self._size[0], 0.0), (0.0, self._size[1])])
        self._seen = job.framing.place(self._size, self._corners - 0.5) + 0.5
        self._frame = np.eye(3)
        self._frame[:2] = np.linalg.solve(np.c_[self._corners, np.ones(3)], self._seen).T

    def beside(self, at: int) -> tuple[int | None, int | None]:
        """The stills before and after one, where they are of its kind."""
        run = self.around(at, 1, across=True)
        own = run.index(at)
        return run[own - 1] if own else None, run[own + 1] if own + 1 < len(run) else None

    def around(self, at: int, reach: int, across: bool = False) -> list[int]:
        """A still with those of its kind up to `reach` before and after it; none from across a
        gap, unless these will do, too."""
        run, place = [at], self._places[at]
        for step in (-1, 1):
            last = at
            for n in range(place + step, place + step * (reach + 1), step):
                if not 0 <= n < len(self._left):
                    break
                other = self._left[n]
                if not self._alike(last, other, across):
                    break
                run.append(other)
                last = other
        return sorted(run, key=self._places.__getitem__)

    def _alike(self, one: int, other: int, across: bool) -> bool:
        a, b = self._roll.stills[one], self._roll.stills[other]
        near = across or abs(b.captured - a.captured) <= self._roll.longest_step
        return near and (a.size, a.kind, a.bits, a.orientation, a.camera) == (
            b.size, b.kind, b.bits, b.orientation, b.camera
        )  # fmt: skip

    def onto(self, neighbour: int, at: int) -> Nine | None:
        """What lays the picture of a neighbour over that of a still; None where it lies there."""
        job, motion = self._job, self._job.found.motion
        if motion is None or motion.still or neighbour == at:
            return None
        stills = self._roll.stills
        moved = [
            np.eye(3) if nine is None else np.array(nine).reshape(3, 3)
            for nine in (laid(job.grade, job.found, stills, n) for n in (neighbour, at))
        ]
        between = np.linalg.inv(motion.onto[at]) @ motion.onto[neighbour]
        onto = self._frame @ moved[1] @ between @ np.linalg.inv(self._frame @ moved[0])
        onto /= onto[2, 2]
        # What is less than denoising asks for is not to make another key.
        seen = (onto @ np.c_[self._seen, np.ones(3)].T).T
        if np.abs(seen[:, :2] / seen[:, 2:] - self._seen).max() < _NEAR:
            return None
        return tuple(round(value, 8) for value in onto.ravel().tolist())
