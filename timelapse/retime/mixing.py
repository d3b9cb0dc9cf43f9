"""Stills become one picture: a mean, a sum, the lightest, the darkest, the median."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers

#: `flow` is a mean of two stills that move; where they cannot be followed, a plain one.
Mixing = Literal["mean", "sum", "lightest", "darkest", "median", "flow"]
_Picture = NDArray[np.uint16]
_Weights = NDArray[np.float32]


def mix(
    stills: Sequence[_Picture],
    weights: _Weights,
    buffers: Buffers,
    how: Mixing = "mean",
) -> _Picture:
    """Stills mixed in the light that they are given in, rounded once.

    `stills` are uint16 arrays of one shape.  `weights` sum to 1 for a `mean` and a `sum`; the
    former's are never negative, the latter's result is cut to what 16 bits hold.  For the
    `lightest` they are what each still is dimmed to, 0 to 1; otherwise they do not matter.  The
    result is that of `buffers`; of a lone still, it may be the still itself.
    """
    if len(stills) == 1 and (how != "lightest" or weights[0] == 1):
        return stills[0]
    return _WAYS[how](stills, weights, buffers)


def _mean(stills: Sequence[_Picture], weights: _Weights, buffers: Buffers) -> _Picture:
    import cv2

    out = buffers.take("mixed", stills[0].shape, np.uint16)
    if len(stills) == 2:
        cv2.addWeighted(stills[0], float(weights[0]), stills[1], float(weights[1]), 0, out)
        return out
    # A running mean: after each step `scratch` is the mean of the stills so far.
    scratch = buffers.take("mean", stills[0].shape, np.float32)
    np.copyto(scratch, stills[0])
    so_far = np.cumsum(weights, dtype=np.float64)
    for still, weight, total in zip(stills[1:], weights[1:], so_far[1:], strict=True):
        cv2.accumulateWeighted(still, scratch, float(weight) / float(total))
    np.add(scratch, np.float32(0.5), out=scratch)
    np.copyto(out, scratch, casting="unsafe")
    return out


def _sum(stills: Sequence[_Picture], weights: _Weights, buffers: Buffers) -> _Picture:
    import cv2

    shape = stills[0].shape
    total = buffers.take("mean", shape, np.float32)
    pair = buffers.take("pair", shape, np.float32)
    for at in range(0, len(stills), 2):
        one, other = stills[at], stills[min(at + 1, len(stills) - 1)]
        share = float(weights[at + 1]) if at + 1 < len(stills) else 0.0
        where = pair if at else total
        cv2.addWeighted(one, float(weights[at]), other, share, 0, where, dtype=cv2.CV_32F)
        if at:
            cv2.add(total, pair, total)
    np.clip(total, 0, 65535, out=total)
    np.rint(total, out=total)
    out = buffers.take("mixed", shape, np.uint16)
    np.copyto(out, total, casting="unsafe")
    return out


def _lightest(stills: Sequence[_Picture], weights: _Weights, buffers: Buffers) -> _Picture:
    import cv2

    out = buffers.take("mixed", stills[0].shape, np.uint16)
    dimmed = buffers.take("dimmed", stills[0].shape, np.uint16)
    out[...] = 0
    for still, gain in zip(stills, weights, strict=True):
        if gain != 1:
            still = cv2.addWeighted(still, float(gain), still, 0, 0, dimmed)  # type: ignore[assignment]
        cv2.max(out, still, out)
    return out


def _darkest(stills: Sequence[_Picture], _weights: _Weights, buffers: Buffers) -> _Picture:
    import cv2

    out = buffers.take("mixed", stills[0].shape, np.uint16)
    np.copyto(out, stills[0])
    for still in stills[1:]:
        cv2.min(out, still, out)
    return out


def _median(stills: Sequence[_Picture], _weights: _Weights, buffers: Buffers) -> _Picture:
    """By a sorting network, whose every step is a minimum and a maximum of whole pictures."""
    import cv2

    sorted_ = [
        buffers.take(f"sorted {at}", still.shape, np.uint16) for at, still in enumerate(stills)
    ]
    for into, still in zip(sorted_, stills, strict=True):
        np.copyto(into, still)
    low = buffers.take("mixed", stills[0].shape, np.uint16)
    for a, b in _network(len(stills)):
        cv2.min(sorted_[a], sorted_[b], low)
        cv2.max(sorted_[a], sorted_[b], sorted_[b])
        np.copyto(sorted_[a], low)
    middle = len(stills) // 2
    if len(stills) % 2:
        return sorted_[middle]
    cv2.addWeighted(sorted_[middle - 1], 0.5, sorted_[middle], 0.5, 0, low)
    return low


@cache
def _network(count: int) -> tuple[tuple[int, int], ...]:
    """Pairs to be put in order, one after the other, so that all are (Batcher's odd-even merge
    sort; Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M)."""

    def pairs() -> Iterator[tuple[int, int]]:
        top = 1 << max(0, (count - 1).bit_length() - 1)
        step = top
        while step > 0:
            span, offset, distance = top, 0, step
            while True:
                for at in range(count - distance):
                    if at & step == offset:
                        yield at, at + distance
                if span == step:
                    break
                distance, span, offset = span - step, span >> 1, step
            step >>= 1

    return tuple(pairs())


_WAYS: dict[Mixing, Callable[[Sequence[_Picture], _Weights, Buffers], _Picture]] = {
    "mean": _mean,
    "sum": _sum,
    "lightest": _lightest,
    "darkest": _darkest,
    "median": _median,
    "flow": _mean,
}
assert tuple(_WAYS) == get_args(Mixing)
