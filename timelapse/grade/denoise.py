"""Temporal denoise: a still becomes the mean, or the median, of itself and its neighbours in time,
wherever these show the same.

How noisy the roll is, is measured once (`measure`).  A neighbour counts at a pixel as far as it
differs from the still by no more than noise does, over the pixels around; what moves, flashes, or
is in one still only differs by more, and stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt, log2
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.light import Gain, Linear, lit
from timelapse.grade.noise import NOTHING, Noise, measure
from timelapse.machine import Buffers, bands
from timelapse.srgb import linear_of, shown_of

__all__ = ["Denoise", "Light", "Noise", "Way", "denoised", "measure"]

Way = Literal["mean", "median"]
Light = Literal["linear", "display"]
Floats = NDArray[np.float32]
#: A neighbour counts in full where it differs by so many times the variance that noise alone has,
#: and not at all from so many times on.
_SAME, _OTHER = 1.4, 2.1
#: Steps in which differences are counted, in a standard deviation of the noise.
_STEPS = 8
#: Gains are told apart by this part of a stop: by less, noise is the same but for 3 %.
_OF_A_STOP = 8
#: What OpenCV weighs red, green and blue by when it makes grey of them.
_GREY = (0.299, 0.587, 0.114)
#: Pixels to each side of a pixel that are looked at as well.
_AROUND = 1
#: Stills that lie over each other but for less than so many pixels are left as they lie.
_STILL = 0.1
#: What all of a still is brighter than its neighbour by, up to this share, is flicker that is left;
#: it is told from so many pixels that are lit, where it is so many times what noise makes of it.
_FLICKER, _SAMPLE, _LIT, _FEW, _SURE = 0.03, 20_000, 256, 100, 4.0


@dataclass(frozen=True)
class Denoise:
    """How noise is taken out.

    `way`: the `mean` of a still and its neighbours, or their `median`, which takes away less noise
    and all of what is in one still only and no larger than the noise.  `reach`: how many stills to
    each side are asked, 1 to 4.  `strength`: 0 to 1; for a mean how much a neighbour counts beside
    the still itself.
    """

    way: Way = "mean"
    reach: int = 1
    strength: float = 1.0

    def __post_init__(self) -> None:
        if self.way not in ("mean", "median"):
            raise ProjectError(f"way: {self.way!r} is not known; write mean or median")
        if not 1 <= self.reach <= 4:
            raise ProjectError(f"reach: {self.reach} stills to each side; write 1 to 4")
        if not 0 <= self.strength <= 1:
            raise ProjectError(f"strength: {self.strength:g} is a share; write 0 to 1")


def denoised(
    pictures: Sequence[Linear],
    own: int,
    noise: Noise,
    light: Light,
    buffers: Buffers,
    *,
    way: Way = "mean",
    strength: float = 1.0,
    onto: Sequence[NDArray[np.float64] | None] = (),
    gain: Gain | None = None,
) -> Linear:
    """A still without as much noise as its neighbours can take away.

    `pictures` are framed stills in order of time (H x W x 3, RGB, uint16 as `to_mix` makes them in
    this `light`), `own` is the place of the still among them.  `onto` are matrices (3 x 3) that
    take places in a picture to places in the still, both in pixels of the frame, where pixel 0
    reaches from 0 to 1; None where they are the same.  `gain` is what the still was lit by, and its
    noise with it, after `noise` was measured.  The result is the still itself where nothing is
    done, else that of `buffers`, until it is called again.  No input is changed.
    """
    import cv2

    still = pictures[own]
    if noise.idle or strength == 0 or len(pictures) == 1:
        return still
    matrices = onto or (None,) * len(pictures)
    others = [
        _laid_over(picture, still, matrix, buffers, f"denoise laid {at}")
        for at, (picture, matrix) in enumerate(zip(pictures, matrices, strict=True))
        if at != own
    ]
    gains = [_gain(still, other) for other in others]
    table = _even(noise, light, _stepped(gain))
    out: Linear = buffers.take("denoised", still.shape, np.uint16)
    # Bands are a third as high as elsewhere: more is at work at a time, and of 32 bits.
    for band in bands(still.shape[0], 3 * still.shape[1]):
        wide = slice(max(0, band.start - _AROUND), min(still.shape[0], band.stop + _AROUND))
        inner = slice(band.start - wide.start, band.stop - wide.start)
        near = zip([other[wide] for other in others], gains, strict=True)
        pulls = _pulls(still[wide], near, table, buffers)
        change = _mean(pulls, strength, buffers) if way == "mean" else _median(pulls, buffers)
        scale = 1.0 if way == "mean" else strength
        cv2.addWeighted(change[inner], scale, still[band], 1, 0, out[band], dtype=cv2.CV_16U)
    return out


def _pulls(
    own: Linear, others: Iterable[tuple[Linear, float]], table: Linear, buffers: Buffers
) -> Iterator[tuple[Floats, Floats]]:
    """Of each neighbour, with its gain: how much it counts at each pixel (H x W), and by how much
    it would change the still, times that (H x W x 3, the caller's)."""
    import cv2

    shape = own.shape
    evened, seen, apart, scaled = (
        buffers.take(f"denoise {use}", shape, np.uint16)
        for use in ("own", "other", "apart", "scaled")
    )
    differs = buffers.take("denoise differs", shape[:2], np.uint16)
    weight = buffers.take("denoise weight", shape[:2], np.float32)
    thrice = buffers.take("denoise thrice", shape, np.float32)
    cv2.LUT(own, table, evened)
    for at, (other, gain) in enumerate(others):
        if gain != 1:
            cv2.addWeighted(other, gain, other, 0, 0, scaled)
            other = scaled
        cv2.LUT(other, table, seen)
        cv2.absdiff(evened, seen, apart)
        cv2.multiply(apart, apart, apart)
        cv2.cvtColor(apart, cv2.COLOR_RGB2GRAY, differs)
        cv2.GaussianBlur(differs, (2 * _AROUND + 1,) * 2, 0, differs)
        cv2.LUT(differs, _curve(), weight)
        cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB, thrice)
        pull: Floats = buffers.take(f"denoise pull {at}", shape, np.float32)
        cv2.subtract(other, own, pull, dtype=cv2.CV_32F)
        cv2.multiply(pull, thrice, pull)
        yield weight, pull


def _mean(pulls: Iterable[tuple[Floats, Floats]], strength: float, buffers: Buffers) -> Floats:
    """By how much the weighted mean differs from the still."""
    import cv2

    change: Floats | None = None
    for weight, pull in pulls:
        if change is None:
            change = pull
            total = buffers.take("denoise total", weight.shape, np.float32)
            total[...] = 1
        else:
            cv2.add(change, pull, change)
        cv2.scaleAdd(weight, strength, total, total)
    assert change is not None
    np.divide(strength, total, out=total)
    thrice = buffers.take("denoise thrice", change.shape, np.float32)
    cv2.cvtColor(total, cv2.COLOR_GRAY2RGB, thrice)
    return cv2.multiply(change, thrice, change)  # type: ignore[return-value]


def _median(pulls: Iterable[tuple[Floats, Floats]], buffers: Buffers) -> Floats:
    """By how much the median differs from the still: that of zero and of what each would change."""
    import cv2

    row = [pull for _, pull in pulls]
    count = len(row)
    low = buffers.take("denoise low", row[0].shape, np.float32)
    for top in range(count - 1, 0, -1):
        for at in range(top):
            cv2.min(row[at], row[at + 1], low)
            cv2.max(row[at], row[at + 1], row[at + 1])
            row[at], low = low, row[at]
    # With zero sorted in, the one at a place is max(the one before, min(the one there, 0)).
    if count % 2 == 0:
        below, above = row[count // 2 - 1], row[count // 2]
        np.minimum(above, 0, out=above)
        return np.maximum(below, above, out=above)
    # Of an even number in all, the mean of the middle two.
    middle = row[count // 2]
    least, most = (row[count // 2 - 1], row[count // 2 + 1]) if count > 1 else (-np.inf, np.inf)
    lower, upper = np.minimum(middle, 0), np.maximum(middle, 0)
    np.maximum(lower, least, out=lower)
    np.minimum(upper, most, out=upper)
    return cv2.addWeighted(lower, 0.5, upper, 0.5, 0, middle)  # type: ignore[return-value]


def _laid_over(
    picture: Linear,
    still: Linear,
    matrix: NDArray[np.float64] | None,
    buffers: Buffers,
    use: str,
) -> Linear:
    """A neighbour as the still would show it; what it does not show is the still's own."""
    import cv2

    height, width = still.shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    if matrix is not None:
        seen = corners @ matrix.T
        moved = np.abs(seen[:, :2] / seen[:, 2:] - corners[:, :2]).max()
    if matrix is None or moved < _STILL:
        return picture
    laid = buffers.take(use, still.shape, np.uint16)
    np.copyto(laid, still)
    # OpenCV counts from the middle of the first pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ matrix @ half
    cv2.warpPerspective(
        picture, matrix, (width, height), laid, cv2.INTER_CUBIC, cv2.BORDER_TRANSPARENT
    )
    return laid


def _gain(still: Linear, other: Linear) -> float:
    """By how much the still is brighter as a whole, where that is little, and sure."""
    apart = max(1, isqrt(still[..., 0].size // _SAMPLE))
    mine, theirs = (each[::apart, ::apart, 1].astype(np.float32) for each in (still, other))
    lit = np.minimum(mine, theirs) > _LIT
    if np.count_nonzero(lit) < _FEW:
        return 1.0
    mine, theirs = mine[lit], theirs[lit]
    stops = np.log(mine / theirs)
    off = np.abs(stops - np.median(stops))
    spread = float(np.median(off))
    # Values of 8 bits have few ratios: that of two sums is finer than the median of all.
    usual = off <= 3 * spread
    gain = float(mine[usual].sum() / theirs[usual].sum())
    chance = _SURE * 1.5 * spread / np.sqrt(len(stops))
    return gain if chance < abs(gain - 1) < _FLICKER else 1.0


def _stepped(gain: Gain | None) -> Gain | None:
    """A gain to a part of a stop: stills that are lit nearly alike share their table."""
    if gain is None:
        return None
    red, green, blue = (2 ** (round(_OF_A_STOP * log2(factor)) / _OF_A_STOP) for factor in gain[:3])
    even = red == green == blue == 1
    return None if even else gain._replace(red=red, green=green, blue=blue)


@lru_cache(maxsize=16)
def _even(noise: Noise, light: Light, gain: Gain | None) -> Linear:
    """A table that makes noise the same at every level: 1 x 65536 x 3, for `cv2.LUT`.

    Its standard deviation is then `_STEPS`, times what lets all channels count alike in grey.
    """
    share = np.arange(65536) / 65535
    shown = 255 * (shown_of(share) if light == "linear" else share)
    fine = np.linspace(0, 255, 4096)
    columns = []
    for channel, (row, weight) in enumerate(zip(noise.deviations, _GREY, strict=True)):
        deviation = np.interp(fine, np.linspace(0, 255, len(row)), np.maximum(row, NOTHING))
        slope = _STEPS / deviation
        path = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(fine))])
        after = fine  # what the levels that were measured are now
        if gain:
            after = 255 * shown_of(lit(linear_of(fine / 255), gain[channel], *gain[3:]))
        columns.append(np.interp(shown, after, path) / np.sqrt(3 * weight))
    table: Linear = np.rint(np.stack(columns, axis=-1)).astype(np.uint16)[None]
    return table


@lru_cache(maxsize=1)
def _curve() -> Floats:
    """How much a neighbour counts, by the mean square of its difference."""
    expected = 2 * _STEPS**2
    beyond = (np.arange(65536) / expected - _SAME) / (_OTHER - _SAME)
    fall = np.clip(1 - beyond, 0, 1)
    return (fall * fall * (3 - 2 * fall)).astype(np.float32)
