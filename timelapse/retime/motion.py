"""Motion between two small grey pictures (plans): found, corrected, and held against itself.

`timelapse.retime.flow` says what it is for.  Motion is a pair of planes, x and y of every pixel's
steps in pixels of the plan, each H x W, float32; greys are H x W, uint8, display light.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]
Motion = Sequence[Plane]

#: Every shift is tried up to so many pixels of plans that are smaller by this once more.
_COARSER, _REACH = 4, 8
#: What a coarse pixel of a shift costs, in grey levels: of shifts that fit alike, the least wins.
_SHIFT_COSTS = 0.3
#: Between patches that are searched for, in pixels; they are 8 wide.
_STRIDE = 5
#: Neighbours at these distances lend their motion, if it fits better by so many levels, on average
#: over a window that is that wide.
_NEIGHBOURS, _BETTER, _WINDOW = (8, 4), 1, 5
#: Pixels with detail differ from a neighbour by more levels.
_DETAIL = 12
#: It takes so many pixels with detail to tell anything about a whole plan from them.
ENOUGH = 100
#: Of no more than about twice so many pixels the common motion is made.
_ASKED = 2000
#: Trust falls to 1/e where the way back misses by so many pixels, or by this share of the way; or
#: where the ends differ by so many levels.
_APART, _SLACK, _LEVELS = 1.0, 0.1, 12.0
#: A pixel is not trusted where the mean around it, over so many pixels each way, is below the
#: first; it is as itself from the second on.
_AROUND, _SUPPORT = 7, (0.2, 0.4)
#: Below the first trust, a pixel's motion is replaced; from the second on, it may replace others.
_DOUBTED = 0.3, 0.5


def motions(one: Grey, other: Grey, buffers: Buffers) -> tuple[Motion, Motion]:
    """Motion from one plan to the other, and back; new."""
    import cv2

    ahead, back = _matched(one, other)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(1)
    search.setPatchStride(_STRIDE)
    found: list[Any] = [
        cv2.split(search.calc(one, other, ahead)),
        cv2.split(search.calc(other, one, back)),
    ]
    _correct(found[0], one, other, buffers)
    _correct(found[1], other, one, buffers)
    return found[0], found[1]


def trust_in(motion: Motion, back: Motion, one: Grey, other: Grey, buffers: Buffers) -> Plane:
    """How far each pixel's motion is to be trusted, 0 to 1; new.

    It is where the way back ends where the way there began, both ends look alike, and it is so with
    many pixels around.
    """
    import cv2

    def plane(use: str) -> Plane:
        return buffers.take(f"flow {use}", one.shape, np.float32)

    places = _ends(motion, buffers)
    misses = [follow(steps, places, plane(f"back {n}")) for n, steps in enumerate(back)]
    for miss, steps in zip(misses, motion, strict=True):
        miss += steps
    allowed = squared(motion, plane("allowed"))
    allowed *= _SLACK**2
    allowed += _APART**2
    doubt: Plane = squared(misses, np.empty_like(allowed))
    doubt /= allowed
    seen = follow(other, places, buffers.take("flow seen", one.shape))
    off: Any = plane("off")
    cv2.boxFilter(cv2.absdiff(one, seen, seen), cv2.CV_32F, (3, 3), off)
    np.square(off, out=off)
    off *= 1 / _LEVELS**2
    doubt += off
    np.negative(doubt, out=doubt)
    cv2.exp(doubt, doubt)
    trust = doubt
    # Among what changes beyond recognition, a few pixels always happen to fit.
    support: Any = cv2.blur(trust, (_AROUND, _AROUND), plane("support"))
    support -= _SUPPORT[0]
    support *= 1 / (_SUPPORT[1] - _SUPPORT[0])
    np.clip(support, 0, 1, out=support)
    trust *= support
    return trust


def extend(motion: Motion, trust: Plane) -> None:
    """Pixels whose motion is not trusted take that of the nearest pixel whose motion is, in place.

    What is hidden in the other plan moves like what it belongs to, and that ends beside it.  What
    appears or vanishes moves like what is around it, so that nothing else is put in its place.
    """
    import cv2

    doubted = (trust < _DOUBTED[1]).astype(np.uint8)
    if doubted.all():
        return
    labels = cv2.distanceTransformWithLabels(
        doubted, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )[1].ravel()
    trusted = np.flatnonzero(doubted == 0)
    nearest = np.empty(len(trusted) + 1, np.int64)
    nearest[labels[trusted]] = trusted
    wrong = np.flatnonzero(trust < _DOUBTED[0])
    right = nearest[labels[wrong]]
    for steps in motion:
        flat = steps.reshape(-1)
        flat[wrong] = flat[right]


def hiding(motion: Motion, own: Plane, others: Plane, buffers: Buffers) -> Plane:
    """How far each pixel is hidden in the other plan, 0 to 1; from the trust in its own motion and
    in that of the other plan; scratch.

    It is where its motion ends on a pixel that is trusted to come from elsewhere, or outside.
    Where neither end is trusted nothing is known.
    """
    height, width = own.shape
    x, y = _ends(motion, buffers)
    hidden: Plane = follow(others, (x, y), buffers.take("flow hidden", own.shape, np.float32))
    hidden[(x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)] = 1
    hidden *= 1 - own
    return hidden


def detailed(grey: Grey) -> NDArray[np.bool_]:
    """Which pixels of a plan show detail; where there is none, all motions look alike; new."""
    import cv2

    spread: Any = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    found: NDArray[np.bool_] = spread > _DETAIL
    return found


# ------------------------------------------------------------------ steps and places


def follow(values: Any, places: Motion, out: Any) -> Any:
    """Values at places, between pixels by straight lines, in `out`."""
    import cv2

    x, y = places
    return cv2.remap(values, x, y, cv2.INTER_LINEAR, out, cv2.BORDER_REPLICATE)


def placed(steps: Motion) -> None:
    """Steps become the places where they lead to, in place."""
    x, y = steps
    x += np.arange(x.shape[1], dtype=np.float32)
    y += np.arange(y.shape[0], dtype=np.float32)[:, None]


def squared(steps: Motion, out: Plane) -> Plane:
    """Squared lengths of steps, in `out`, which may be the first plane."""
    import cv2

    np.square(steps[0], out=out)
    cv2.accumulateSquare(steps[1], out)
    return out


def _ends(motion: Motion, buffers: Buffers) -> list[Plane]:
    """Where motion leads to; scratch."""
    ends = [buffers.take(f"flow place {n}", motion[0].shape, np.float32) for n in (0, 1)]
    for end, steps in zip(ends, motion, strict=True):
        np.copyto(end, steps)
    placed(ends)
    return ends


# ------------------------------------------------------------------ finding


def _matched(one: Grey, other: Grey) -> tuple[Plane, Plane]:
    """Motion ahead and back, each H x W x 2, by trying every shift of coarse plans.

    A pyramid alone loses small things that move far: where they are seen as things, the shift is
    too far, and where it is not, they are too small.
    """
    import cv2

    height, width = one.shape
    small = round(width / _COARSER), round(height / _COARSER)
    first, second = (cv2.resize(grey, small, interpolation=cv2.INTER_AREA) for grey in (one, other))
    rows, columns = first.shape
    edges = (_REACH,) * 4
    edged = cv2.copyMakeBorder(second, *edges, cv2.BORDER_REPLICATE)
    # A key is a cost and the number of its shift in one number: the least key has both.
    shifts = _shifts()
    count = len(shifts)
    ahead, back = (np.full(first.shape, np.inf, np.float32) for _ in range(2))
    off, keys = np.empty(first.shape, np.uint8), np.empty(first.shape, np.float32)
    for number, (x, y) in enumerate(shifts.tolist()):
        there = slice(_REACH + y, _REACH + y + rows), slice(_REACH + x, _REACH + x + columns)
        cv2.absdiff(first, edged[there], off)
        cv2.boxFilter(off, cv2.CV_32F, (5, 5), keys, normalize=False)
        keys *= count
        keys += round(25 * _SHIFT_COSTS * (x * x + y * y) ** 0.5) * count + number
        np.minimum(ahead, keys, out=ahead)
        # What leads there from a pixel leads back from where it ends.
        begins = slice(max(0, -y), rows - max(0, y)), slice(max(0, -x), columns - max(0, x))
        ends = slice(max(0, y), rows + min(0, y)), slice(max(0, x), columns + min(0, x))
        np.minimum(back[ends], keys[begins], out=back[ends])
    scale = np.array([width / small[0], height / small[1]], np.float32)
    found = []
    for least, sign in ((ahead, 1), (back, -1)):
        steps = shifts[np.fmod(least, count).astype(np.int64)].astype(np.float32)
        smooth = cv2.merge([cv2.medianBlur(plane, 5) for plane in cv2.split(steps)])
        found.append(cv2.resize(smooth, (width, height)).astype(np.float32) * (sign * scale))
    return found[0], found[1]


@cache
def _shifts() -> NDArray[np.int64]:
    """All shifts (x, y) within reach, the nearest first."""
    sides = np.arange(-_REACH, _REACH + 1)
    shifts = np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)
    far = (shifts**2).sum(axis=1)
    order = np.argsort(far, kind="stable")
    near: NDArray[np.int64] = shifts[order[far[order] <= _REACH**2]]
    return near


# ------------------------------------------------------------------ correcting


def _correct(motion: Motion, one: Grey, other: Grey, buffers: Buffers) -> None:
    """Pixels take another motion where it explains them better, in place: the one that most of the
    picture shares, even if it is a little worse; none at all; or a neighbour's."""
    import cv2

    height, width = one.shape
    most = max(_NEIGHBOURS)
    held = [
        buffers.take(f"flow held {axis}", (height + 2 * most, width + 2 * most), np.float32)
        for axis in (0, 1)
    ]
    seen, better = (buffers.take(f"flow {use}", one.shape) for use in ("seen", "better"))
    best, cost, limit = (
        buffers.take(f"flow {use}", one.shape, np.uint16) for use in ("best", "cost", "limit")
    )
    bonus = _BETTER * _WINDOW**2

    def costs(of: Motion, out: NDArray[np.uint16]) -> None:
        follow(other, _ends(of, buffers), seen)
        cv2.absdiff(one, seen, seen)
        cv2.boxFilter(seen, cv2.CV_16U, (_WINDOW, _WINDOW), out, normalize=False)

    def offer(offered: Motion, bonus: int) -> None:
        costs(offered, cost)
        cv2.add(best, bonus, limit)  # type: ignore[call-overload]
        cv2.compare(cost, limit, cv2.CMP_LT, better)
        for steps, others in zip(motion, offered, strict=True):
            cv2.copyTo(others, better, steps)
        cv2.copyTo(cost, better, best)

    costs(motion, best)
    common = _common(motion, one, buffers)
    offer(common, bonus)
    common[0][...] = 0
    offer((common[0], common[0]), 1)
    for step in _NEIGHBOURS:
        around: list[Any] = [plane[: height + 2 * step, : width + 2 * step] for plane in held]
        for steps, plane in zip(motion, around, strict=True):
            cv2.copyMakeBorder(steps, step, step, step, step, cv2.BORDER_REPLICATE, plane)
        for x, y in ((step, 0), (-step, 0), (0, step), (0, -step)):
            rows, columns = slice(step + y, step + y + height), slice(step + x, step + x + width)
            offer([plane[rows, columns] for plane in around], -bonus)


def _common(motion: Motion, grey: Grey, buffers: Buffers) -> Motion:
    """The motion that most of a plan shares: that of the affine map nearest to the motion of all
    pixels with detail; none where there are few of them; scratch.

    By least squares again and again, in which a pixel counts the less the farther it was off, as
    1 / (1 + distance squared) (Cauchy's weights; Holland and Welsch, "Robust Regression Using
    Iteratively Reweighted Least-Squares", 1977).
    """
    height, width = grey.shape
    found = np.flatnonzero(detailed(grey))
    found = found[:: max(1, len(found) // _ASKED)]
    rows, columns = np.divmod(found, width)
    places = np.stack([np.ones(len(found)), columns / width, rows / height], axis=1)
    moved = np.stack([steps.ravel()[found] for steps in motion], axis=1).astype(np.float64)
    fit = np.zeros((3, 2))
    if len(found) >= ENOUGH:
        fit[0] = np.median(moved, axis=0)
        for _ in range(8):
            off = ((moved - places @ fit) ** 2).sum(axis=1)
            weighed = places / (1 + off)[:, None]
            fit = np.linalg.lstsq(weighed.T @ places, weighed.T @ moved, rcond=None)[0]
    shared = []
    for axis in (0, 1):
        plane: Plane = buffers.take(f"flow common {axis}", grey.shape, np.float32)
        across = fit[0, axis] + fit[1, axis] * (np.arange(width) / width)
        down = fit[2, axis] * (np.arange(height)[:, None] / height)
        np.add(across.astype(np.float32), down.astype(np.float32), out=plane)
        shared.append(plane)
    return shared
