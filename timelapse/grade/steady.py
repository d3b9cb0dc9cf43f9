"""Steady: a film that does not shake, out of how the stills of a roll lie over each other.

The camera of the film is either fixed, and every still is held against one of them, or it moves, as
the camera that took the stills did, without its shaking.  What is left of the stills is enlarged by
one factor for the whole roll, the least that shows no border.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.layout import Border
from timelapse.grade.motion import Motion
from timelapse.grade.path import (
    Floats,
    Numbers,
    Pair,
    Window,
    eased_below,
    furthest,
    rms,
    seen,
    shaking,
    smoothed,
    widest,
)
from timelapse.grade.register import Register
from timelapse.times import Seconds

#: By itself the path of the camera is smoothed over so many stills to each side; never over fewer
#: than the second.
_STILLS, _FEWEST = 30, 4
#: By itself the camera is fixed where its smooth path stays within this share of the longer side,
#: or within what it shakes; or within the second share, where it shakes and comes back: ends this
#: near to its start, in what it wanders.
_STANDS, _WANDERS, _RETURNS = 0.01, 0.06, 0.5
#: What noise becomes at most in the distance of a still from a curve through four others.
_AT_WORST = 8 / 3
#: Nothing is moved where more than this share of the stills could not be laid over others.
_LOST = 0.5
#: Nothing is moved for less, in pixels.
_LEAST = 0.05
#: What is no movement but the arithmetic's own, in pixels.
_NOTHING = 1e-5
#: How much shorter a time the path is smoothed over next, where there is no room for the whole.
_LESS = 4.0


@dataclass(frozen=True)
class Stabilise:
    """How a film is made steady.

    `lock` is what stands still: the `scene`, the `stars` (the Earth then moves), or the `horizon`
    (what moves along it is let through).  `camera` of the film: `fixed` holds every still against
    the still `reference`, by itself one in the middle; `moving` keeps what the camera did, but
    smooth over the time `smooth` to each side, by itself 30 stills; `auto` fixes it where the
    stills' own did stand, but for shaking, and for stars and horizon, if no `smooth` is given.

    `model` is what a still may be put right by: `translation`, `similarity` (also turned and
    enlarged) or `homography` (also tilted).  `by` is how the scene is found: by `features`, by
    `ecc` (slower, for blurred stills), or as fits.  `ignore` are parts of the stills that move, as
    [left, top, right, bottom] in shares, and `mask` is a picture, black where they do.

    `border`: `crop` enlarges until no border shows, `most` times at most; where this is not
    enough, shaking is let through.  `black`, `blur` and `edge` enlarge nothing, and fill what is
    outside of a still.
    """

    lock: Literal["scene", "stars", "horizon"] = "scene"
    camera: Literal["auto", "fixed", "moving"] = "auto"
    smooth: Seconds | None = None
    model: Literal["translation", "similarity", "homography"] = "similarity"
    by: Literal["auto", "features", "ecc"] = "auto"
    reference: str = ""
    ignore: tuple[tuple[float, float, float, float], ...] = ()
    mask: Path | None = None
    border: Border = "crop"
    most: float = 1.25

    def __post_init__(self) -> None:
        if not (isfinite(self.most) and 1 <= self.most <= 4):
            raise ProjectError(f"most: {self.most:g} is not from 1 to 4; write 1.25")
        if self.smooth is not None and self.smooth <= 0:
            raise ProjectError(f"smooth: {self.smooth} is no time; write 10 s")
        self.register()  # and whatever else it refuses
        if self.smooth is not None and (self.camera == "fixed" or self.lock == "stars"):
            raise ProjectError("smooth: a camera that is fixed has no path; write camera: moving")
        if self.camera == "moving" and self.lock == "stars":
            raise ProjectError("camera: stars are locked by a fixed camera; leave camera away")

    def register(self, reference: int | None = None) -> Register:
        """How the stills are laid over each other; `reference` is the index of the still."""
        by = self.by if self.lock == "scene" else self.lock
        return Register(self.model, by, reference, self.ignore, self.mask)


@dataclass(frozen=True, eq=False)
class Steadied:
    """Where each of N stills is to be seen.

    `onto` (N x 3 x 3) takes places in a still of `size` to places in the steady one, both in pixels
    of the full size, where pixel 0 reaches from 0 to 1; the enlarging, by `closer`, is in it.
    `fixed` tells what camera the film has.  `shook` and `shakes` are how far the camera of the
    stills, and that of the film, are off a smooth movement (RMS of pixels).  `findings` are for
    people.
    """

    size: Pair
    onto: Floats
    closer: float = 1.0
    fixed: bool = True
    shook: float = 0.0
    shakes: float = 0.0
    findings: tuple[str, ...] = ()
    idle: bool = False

    def of(self, still: int, size: Pair | None = None) -> tuple[float, ...]:
        """The matrix of a still, row by row; of one of another `size`, for its own pixels.

        It is rounded, to less than a hundred thousandth of a pixel, so that it comes out alike on
        every machine.
        """
        onto = self.onto[still]
        if size not in (None, self.size):
            grow = np.diag([*(np.array(size) / self.size), 1.0])
            onto = grow @ onto @ np.linalg.inv(grow)
        digits = np.array([[10, 10, 5], [10, 10, 5], [14, 14, 10]])
        rounded = [round(v, int(d)) + 0.0 for v, d in zip(onto.flat, digits.flat, strict=True)]
        return tuple(rounded)

    def as_json(self) -> dict[str, Any]:
        """What a report tells: where each still's middle is moved, and by how much it is turned
        (degrees), before all are enlarged."""
        middle = np.array([self.size]) / 2
        shift = seen(self.onto, middle)[:, 0] - middle
        turn = np.degrees(np.arctan2(self.onto[:, 1, 0], self.onto[:, 0, 0]))
        return {
            "camera": "fixed" if self.fixed else "moving",
            "idle": self.idle,
            "enlarged": round(self.closer, 4),
            "shook": round(self.shook, 2),
            "shakes": round(self.shakes, 2),
            "shift": np.round(shift, 2).tolist(),
            "turn": np.round(turn, 4).tolist(),
            "findings": list(self.findings),
        }


def steadied(motion: Motion, settings: Stabilise, seconds: Sequence[float]) -> Steadied:
    """What makes a film of N stills steady; `seconds` are when they were taken, in rising order.

    Where nothing moves, or nothing shakes under a camera that moves, it is idle.
    """
    count = len(motion.onto)
    stands = settings.camera != "moving" and settings.smooth is None
    idle = Steadied(motion.size, np.tile(np.eye(3), (count, 1, 1)), fixed=stands, idle=True)
    if count < 2 or motion.still:
        return replace(idle, findings=_lost(motion))
    lost = int((motion.trusted == 0).sum())
    if lost > _LOST * count:
        return replace(
            idle,
            findings=(
                f"stabilise: {lost} of {count} stills could not be laid over the others, which is "
                "too many to go by: nothing is moved; ignore: or mask: leaves out what moves by "
                "itself, and model: homography takes tilts",
            ),
        )
    roll = _Roll.of(motion, np.array([float(at) for at in seconds]), settings.smooth)
    if _fixed(roll, settings):
        return _made(roll, np.zeros_like(roll.path), True, settings)
    if not roll.shakes:
        return replace(idle, fixed=False, findings=_lost(motion))
    return _made(roll, roll.smooth(roll.half), False, settings)


def _fixed(roll: _Roll, settings: Stabilise) -> bool:
    if settings.camera == "auto" and settings.smooth is None:
        return settings.lock != "scene" or roll.stands(settings.most)
    return settings.camera == "fixed"


@dataclass(frozen=True, eq=False)
class _Roll:
    """The path (N x P) that a camera took, as `numbers`."""

    motion: Motion
    times: Floats
    half: float
    numbers: Numbers
    path: Floats

    @classmethod
    def of(cls, motion: Motion, times: Floats, smooth: Seconds | None) -> _Roll:
        # Of equal times the order decides.
        times = np.maximum.accumulate(times - times[0]) + 1e-6 * np.arange(len(times))
        step = float(np.median(np.diff(times)))
        half = max(float(smooth) if smooth else _STILLS * step, _FEWEST * step)
        numbers = Numbers.of(motion.onto, motion.size)
        return cls(motion, times, half, numbers, numbers.read(motion.onto))

    def smooth(self, half: float) -> Floats:
        weights = (self.motion.trusted > 0).astype(np.float64)
        return smoothed(self.path, self.times, half, weights)

    def towards(self, path: Floats) -> Floats:
        """Where stills are for a camera that goes along a path: N x 3 x 3."""
        onto: Floats = np.linalg.inv(self.numbers.matrices(path)) @ self.motion.onto
        return onto

    @property
    def shakes(self) -> bool:
        """Whether anything moves that is no smooth movement, by more than chance."""
        found = shaking(self.path, self.times)
        return bool(found.max(initial=0) > max(_AT_WORST * self.motion.noise, _LEAST))

    def stands(self, most: float) -> bool:
        """Whether the stills are rather of a camera that stood still, and overlap enough for it."""
        overlaps = widest(self.motion.onto, self.motion.size).share * most >= 1
        if not overlaps or len(self.path) <= 2 * _FEWEST:  # too few to tell of a path
            return overlaps
        smooth, longer = self.smooth(self.half), max(self.motion.size)
        wanders = float(np.linalg.norm(np.ptp(smooth, axis=0)))
        apart = float(np.linalg.norm(smooth[-1] - smooth[0]))
        shook = rms(shaking(self.path, self.times))
        return wanders <= max(_STANDS * longer, shook) or (
            self.shakes and wanders <= _WANDERS * longer and apart <= _RETURNS * wanders
        )


def _made(roll: _Roll, path: Floats, fixed: bool, settings: Stabilise) -> Steadied:
    """The stills for a camera that goes along a path, or as near to it as there is room for."""
    findings = [*_lost(roll.motion)]
    window = Window(roll.motion.size, 1.0, (roll.motion.size[0] / 2, roll.motion.size[1] / 2))
    held = roll.towards(path)
    if settings.border == "crop":
        window = widest(held, roll.motion.size)
        if window.share * settings.most < 1:
            needed = f"{1 / window.share:.2f} times" if window.share > 0.1 else "beyond use"
            path, held, less = _nearer(roll, path, settings.most)
            window = widest(held, roll.motion.size)
            findings.append(
                f"stabilise: to show no border, stills would have to be enlarged {needed}; with "
                f"most: {settings.most:g}, {_so_many(less)} {'is' if less == 1 else 'are'} held "
                f"less{'; camera: moving follows the path that was taken' * fixed}"
            )
    closer = ceil(1e6 / max(window.share, 1e-6) - 1e-2) / 1e6
    window = Window(window.size, 1 / closer, window.centre)
    onto, corners = window.closer @ held, roll.numbers.corners
    return Steadied(
        roll.motion.size,
        onto,
        closer,
        fixed,
        rms(shaking(roll.path, roll.times)),
        rms(shaking(path, roll.times)),
        tuple(findings),
        idle=bool(np.abs(seen(onto, corners) - corners).max() < _NOTHING),
    )


def _nearer(roll: _Roll, path: Floats, most: float) -> tuple[Floats, Floats, int]:
    """The path as near to one that stills can follow, enlarged that much; where they are then, N x
    3 x 3; and for how many of them it is changed.

    It is led towards the smooth path of the camera, then to a less smooth one, then to the camera's
    own, each as far as has to be, and gently.  By what its numbers do not describe, stills are then
    moved only as far as there is room.
    """
    size = np.array(roll.motion.size)
    middles = np.median(seen(roll.towards(path), size[None] / 2)[:, 0], axis=0)
    room = (1 - 1 / most) / 2 * size
    x, y = np.clip(middles, size / 2 - room, size / 2 + room).tolist()
    window = Window(roll.motion.size, 1 / most, (x, y))

    def inside(tried: Floats) -> NDArray[np.bool_]:
        return window.inside(roll.towards(tried))

    changed = np.zeros(len(path), bool)
    for half in (roll.half, roll.half / _LESS, 0.0):
        looser = roll.smooth(half) if half else roll.path
        shares = furthest(inside, looser, path)
        eased = eased_below(shares, roll.times, half or roll.half / _LESS)
        changed |= eased < 1
        path = looser + eased[:, None] * (path - looser)
    exact = Numbers(roll.motion.size, bent=True)
    shifts = exact.read(roll.towards(path))

    def moved(shares: Floats) -> Floats:
        return exact.matrices(shares * shifts)

    none, all_ = np.zeros_like(shifts), np.ones_like(shifts)
    shares = furthest(lambda tried: window.inside(moved(tried)), none, all_)
    return path, moved(shares[:, None]), int(changed.sum())


def _lost(motion: Motion) -> tuple[str, ...]:
    """What is to be said of stills of which nobody knows where they lie."""
    lost = int((motion.trusted == 0).sum())
    if not lost:
        return ()
    return (
        f"stabilise: {_so_many(lost)} could not be laid over the others; what lies between the "
        "neighbours is taken for them",
    )


def _so_many(count: int) -> str:
    return f"{count} still{'s' * (count != 1)}"
