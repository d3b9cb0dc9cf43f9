"""Frames between two stills, by following what moves: optical flow.

`Interpolator` is what a model of motion has to offer; `Dis` is the one that comes with the package.

How `Dis` goes about it, on smaller grey pictures (the *plans* of the stills):

1. What moves far is found by trying every shift of a coarse plan; from there, Dense Inverse Search
   (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) finds the motion of
   every pixel, from the still before to the one after and back.
2. A pixel takes the motion that most of the picture shares, or none, or a neighbour's, where that
   explains it better: edges of moving things become sharp, and what stands, or turns with the sky,
   is not dragged along by what passes it.
3. A motion is trusted where the way back ends where the way there began, and both ends look alike.
   Where it is not, the nearest motion that is takes its place; a pixel that ends on one that is
   trusted to come from elsewhere is hidden in the other still, and taken from the one that shows
   it.
4. A frame looks up, for each of its pixels x, which motion of either still passes through it: p
   with p + share x motion(p) = x, by iteration.  What is not to be trusted moves less or not at
   all, and is mixed by share alone, as `linear` does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timelapse.grade import from_mix
from timelapse.machine import Buffers
from timelapse.retime.blend import Light
from timelapse.retime.mixing import mix
from timelapse.retime.motion import (
    ENOUGH,
    Grey,
    Plane,
    detailed,
    extend,
    follow,
    hiding,
    motions,
    placed,
    squared,
    trust_in,
)

Picture = NDArray[np.uint16]

#: Plans are so many times smaller than stills up to that length of the longer side; beyond, 4.
_SMALLER = ((640, 1), (1280, 2), (2560, 3))
#: Pictures whose plan has a side below this are only blended.
_LEAST_SIDE = 64
#: A pair that is trusted less than this, on average over all or over what shows detail, is
#: blended.
_LEAST_TRUST = 0.5
#: How much what the other still hides counts beside what both show; and anything at all.
_HIDDEN, _ANY = 0.05, 1e-2
#: From this trust on the motion is taken whole.
_WHOLE = 0.1
#: Points of light stand out by so many levels from ground that is darker than this level.
_STANDS_OUT, _DARK = 24, 32
#: Tiles (rows, columns) whose pixels move less than this are not moved.
_TILE, _STILL = (128, 256), 1 / 64


class Between(Protocol):
    """What lies between two stills, analysed once; frames are made from it."""

    @property
    def trusted(self) -> float:
        """How far motion is used, 0 to 1, on average over the picture.  At 0 it is not: every frame
        equals `mix` of both stills by their shares, bit for bit."""
        ...

    def at(self, share: float, buffers: Buffers) -> Picture:
        """The picture at a share, above 0 and below 1, of the time from the first to the second
        still.

        H x W x 3, uint16, in the light of the stills; cut to what 16 bits hold.  It is that of
        `buffers` until the next picture is made with them.
        """
        ...


class Interpolator(Protocol):
    """A model of what happens between stills; one object serves many threads at once."""

    def pair(self, before: Picture, after: Picture, buffers: Buffers) -> Between:
        """Analyses two stills that follow one another, with no gap or cut between them.

        Both H x W x 3, uint16, RGB, 65535 = white, of one light and one size.  They are not
        changed, and have to stay as they are for as long as the result is used.  `buffers` give
        scratch for the call only: nothing of the result lies in them.
        """
        ...


@dataclass(frozen=True)
class Blended:
    """A pair whose motion is not known: frames are `mix` of both stills.  It holds nothing but
    references to them."""

    before: Picture
    after: Picture

    @property
    def trusted(self) -> float:
        return 0.0

    def at(self, share: float, buffers: Buffers) -> Picture:
        weights = np.array([1 - share, share], np.float32)
        return mix([self.before, self.after], weights, buffers)


@dataclass(frozen=True)
class Dis:
    """Optical flow by Dense Inverse Search, both ways, with care for what is hidden.

    `light` is the light of the stills.  A pair holds 32 bytes for each pixel of a plan (of stills
    1281 to 2560 pixels long, 3.6 bytes a pixel of theirs; up to 1280, 8; beyond 2560, 2) beside
    references to the stills.  Scratch in `buffers` is some 60 bytes a pixel of the stills, 120
    where plans are as large.  Results do not depend on the number of threads.  Pairs are `Blended`
    where the picture is small (a side of its plan below 64 pixels) or most of it is not to be
    trusted: a cut, a flash.
    """

    light: Light = "linear"

    def pair(self, before: Picture, after: Picture, buffers: Buffers) -> Between:
        import cv2

        size = _size_of_plan(before)
        if min(size) < _LEAST_SIDE:
            return Blended(before, after)
        one = _grey(before, size, self.light, buffers, "flow one")
        other = _grey(after, size, self.light, buffers, "flow other")
        ahead, back = motions(one, other, buffers)
        first = trust_in(ahead, back, one, other, buffers)
        second = trust_in(back, ahead, other, one, buffers)
        trusted = (cv2.mean(first)[0] + cv2.mean(second)[0]) / 2
        if min(trusted, _told(first, one), _told(second, other)) < _LEAST_TRUST:
            return Blended(before, after)
        extend(ahead, first)
        extend(back, second)
        fields: list[Any] = [
            cv2.merge([*motion, own, hiding(motion, own, others, buffers)])
            for motion, own, others in ((ahead, first, second), (back, second, first))
        ]
        points = _pointed(one, other, before.shape)
        return Followed(before, after, trusted, (fields[0], fields[1]), points)


@dataclass(frozen=True)
class Followed:
    """A pair whose motion is known; made by `Dis`."""

    before: Picture
    after: Picture
    trusted: float
    #: Of either still's pixels: x and y of the motion to the other still, in pixels of the plan;
    #: how far it is trusted; and how far the other still hides the pixel.  H x W x 4, float32.
    fields: tuple[Plane, Plane]
    #: Tiles with points of light, which take a finer interpolation to stay points.
    pointed: NDArray[np.bool_]

    def at(self, share: float, buffers: Buffers) -> Picture:
        import cv2

        height, width = shape = self.before.shape[:2]
        rows, columns = self.fields[0].shape[:2]
        stills = self.before, self.after
        moved, weight = self._planned(share, buffers)
        large: list[Any] = [
            cv2.resize(plane, (width, height), buffers.take(f"flow large {n}", shape, np.float32))
            for n, plane in enumerate((*moved, weight))
        ]
        maps, weights = (large[0:2], large[2:4]), large[4]
        # Pictures of four channels are looked up twice as fast as those of three.
        wide: list[Any] = []
        for n, still in enumerate(stills):
            placed(maps[n])
            four = buffers.take(f"flow wide {n}", (*shape, 4), np.uint16)
            wide.append(cv2.cvtColor(still, cv2.COLOR_RGB2RGBA, four))
        out: Picture = buffers.take("mixed", self.before.shape, np.uint16)
        for tile, pointed in zip(_tiles(shape), self.pointed, strict=True):
            near = _within(tile, rows / height, columns / width)
            sides = []
            for n, still in enumerate(stills):
                steps = moved[2 * n : 2 * n + 2]
                if max(cv2.norm(plane[near], cv2.NORM_INF) for plane in steps) < _STILL:
                    sides.append(still[tile])
                    continue
                side = buffers.take(f"flow side {n}", out[tile].shape, np.uint16)
                places = [plane[tile] for plane in maps[n]]
                if pointed:
                    x, y = places
                    cv2.remap(still, x, y, cv2.INTER_CUBIC, side, cv2.BORDER_REPLICATE)
                else:
                    four = buffers.take("flow four", (*side.shape[:2], 4), np.uint16)
                    cv2.cvtColor(follow(wide[n], places, four), cv2.COLOR_RGBA2RGB, side)
                sides.append(side)
            _crossed(sides[0], sides[1], weights[tile], out[tile], buffers)
        return out

    def _planned(self, share: float, buffers: Buffers) -> tuple[list[Plane], Plane]:
        """Of every pixel of the plan at a share: where it comes from in either still, as steps
        (x and y of the first, x and y of the second) in pixels of the stills; and the weight of the
        second still.  Scratch."""
        import cv2

        rows, columns = shape = self.fields[0].shape[:2]
        height, width = self.before.shape[:2]

        def plane(use: str) -> Plane:
            return buffers.take(f"flow {use}", shape, np.float32)

        parts = share, 1 - share
        moved: list[Plane] = []
        weights: list[Plane] = []
        seen: list[Plane] = []
        for n, (field, part) in enumerate(zip(self.fields, parts, strict=True)):
            x, y, weight, visible = (plane(f"{use} {n}") for use in ("x", "y", "weight", "visible"))
            cv2.extractChannel(field, 0, x)
            cv2.extractChannel(field, 1, y)
            places = plane("place 0"), plane("place 1")
            passing = buffers.take("flow passing", field.shape, np.float32)
            # Two rounds: after an odd number of them, edges come from the wrong side more often.
            for last in (False, False, True):
                np.multiply(x, -part, out=places[0])
                np.multiply(y, -part, out=places[1])
                placed(places)
                follow(field, places, passing)
                if not last:
                    cv2.extractChannel(passing, 0, x)
                    cv2.extractChannel(passing, 1, y)
            again = [plane(use) for use in ("again x", "again y", "trust", "hidden")]
            cv2.split(passing, again)
            again[0] -= x
            again[1] -= y
            sound = squared(again[:2], again[0])
            sound *= -part * part
            cv2.exp(sound, sound)
            cv2.scaleAdd(again[3], _HIDDEN, again[2], weight)
            weight *= sound
            weight += _ANY
            weight *= 1 - part
            np.add(again[2], again[3], out=visible)
            visible *= sound
            moved += [x, y]
            weights.append(weight)
            seen.append(visible)
        weights[0] += weights[1]
        weight = np.divide(weights[1], weights[0], out=weights[1])
        trust = np.maximum(seen[0], seen[1], out=seen[0])
        # A line one pixel wide, where both motions of an edge meet, is no reason for distrust.
        cv2.morphologyEx(trust, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8), trust)
        trust *= 1 / _WHOLE
        np.minimum(trust, 1, out=trust)
        weight -= share
        weight *= trust
        weight += share
        for n, steps in enumerate(moved):
            cv2.medianBlur(steps, 3, steps)
            steps *= trust
            steps *= -parts[n // 2] * (width / columns, height / rows)[n % 2]
        return moved, weight


def _crossed(
    first: Picture, second: Picture, weight: Plane, out: Picture, buffers: Buffers
) -> None:
    """Both sides mixed by the weight of the second, pixel by pixel, rounded once, in `out`."""
    import cv2

    apart, thrice = (
        buffers.take(f"flow {use}", out.shape, np.float32) for use in ("apart", "thrice")
    )
    cv2.subtract(second, first, apart, dtype=cv2.CV_32F)
    cv2.merge([weight, weight, weight], thrice)
    cv2.multiply(apart, thrice, apart)
    cv2.add(apart, first, out, dtype=cv2.CV_16U)


def _size_of_plan(still: Picture) -> tuple[int, int]:
    """Width and height."""
    height, width = still.shape[:2]
    longer = max(height, width)
    smaller = next((smaller for most, smaller in _SMALLER if longer <= most), 4)
    return round(width / smaller), round(height / smaller)


def _grey(still: Picture, size: tuple[int, int], light: Light, buffers: Buffers, use: str) -> Grey:
    """A still as a plan."""
    import cv2

    if size != (still.shape[1], still.shape[0]):
        small = buffers.take("flow small", (size[1], size[0], 3), np.uint16)
        cv2.resize(still, size, small, interpolation=cv2.INTER_AREA)
        still = small
    shown = from_mix(still, light, buffers.take("flow shown", still.shape))
    grey: Grey = buffers.take(use, still.shape[:2])
    cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY, grey)
    return grey


def _told(trust: Plane, plan: Grey) -> float:
    """Mean trust where a plan shows detail; 1 where it shows next to none.

    The dark ground of two night skies is the same, whatever the stars say.
    """
    found = detailed(plan)
    return float(trust[found].mean()) if np.count_nonzero(found) >= ENOUGH else 1.0


def _pointed(one: Grey, other: Grey, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which tiles of a still show points of light on dark ground in either plan."""
    import cv2

    found = np.zeros(one.shape, np.bool_)
    for grey in (one, other):
        ground: Any = cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        found |= (ground < _DARK) & (cv2.subtract(grey, ground) > _STANDS_OUT)
    down, across = one.shape[0] / shape[0], one.shape[1] / shape[1]
    return np.array([found[_within(tile, down, across)].any() for tile in _tiles(shape)])


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    height, width = shape[:2]
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            bottom, right = min(top + _TILE[0], height), min(left + _TILE[1], width)
            yield slice(top, bottom), slice(left, right)


def _within(tile: tuple[slice, slice], down: float, across: float) -> tuple[slice, slice]:
    """The part of a smaller plane that a tile is made from, with what interpolation adds."""
    rows, columns = tile
    return (
        slice(max(0, int(rows.start * down) - 1), int(np.ceil(rows.stop * down)) + 1),
        slice(max(0, int(columns.start * across) - 1), int(np.ceil(columns.stop * across)) + 1),
    )
