"""Display light to linear light and back, by tables.

Linear values are uint16, 65535 = white; 65,536
levels keep every 8-bit display value apart (the darkest step is 20 levels), so that
`to_display(to_linear(x)) == x` for all 8-bit x.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.machine import Buffers
from timelapse.srgb import linear_of, shown_of

Linear = NDArray[np.uint16]
Display = NDArray[np.uint8]
#: Display light in 16 bits.
Deep = NDArray[np.uint16]


@cache
def _linear_of(levels: int) -> Linear:
    """Linear value (uint16) of each of `levels` display values."""
    table: Linear = np.rint(linear_of(np.arange(levels) / (levels - 1)) * 65535).astype(np.uint16)
    return table


@cache
def _display_of() -> Display:
    """Display value (uint8) of each linear value."""
    table: Display = np.rint(shown_of(np.arange(65536) / 65535) * 255).astype(np.uint8)
    return table


class Gain(NamedTuple):
    """Factors of the linear light of a still, for `lit` with a `shoulder` and a `black`."""

    red: float
    green: float
    blue: float
    shoulder: float
    black: float = 0.0


def lit(light: NDArray[Any], gain: float, shoulder: float, black: float = 0.0) -> NDArray[Any]:
    """Linear light (float, 0 to 1, any shape) times `gain`, with white kept white: the result is
    new, from 0 to 1, and rises with `light`.

    Gains add up: twice and then by three is by six.  The larger the `shoulder`, the nearer to white
    the plain product is left (Naka and Rushton, J. Physiol. 185, 1966, with the gain in place of
    the half-saturation).  Light counts from `black` on, and what is darker stays as it is.
    """
    above = np.maximum(light - black, 0) / (1 - black)
    product = gain * above
    held = product / (1 - above**shoulder + product**shoulder) ** (1 / shoulder)
    made: NDArray[Any] = np.minimum(light, black) + (1 - black) * held
    return made


def to_mix(
    display: NDArray[Any],
    light: Literal["linear", "display"],
    out: Linear | None = None,
    gain: Gain | None = None,
) -> Linear:
    """Display light (uint8 or uint16) as 16 bits of the light that stills are mixed in, with a gain
    in linear light where one is given."""
    import cv2

    if gain and gain[:3] != (1, 1, 1):
        return cv2.LUT(display, _gained(gain, light, display.dtype.itemsize), out)  # type: ignore[return-value]
    if light == "linear":
        return to_linear(display, out)
    if display.dtype == np.uint8:
        return cv2.LUT(display, _widened(), out)  # type: ignore[return-value]
    if out is None:
        return display.copy()
    np.copyto(out, display)
    return out


def from_mix(
    mixed: Linear, light: Literal["linear", "display"], out: Display | None = None
) -> Display:
    """What `to_mix` made as display light (uint8), rounded to nearest."""
    import cv2

    if light == "linear":
        return to_display(mixed, out)
    return cv2.LUT(mixed, _narrowed(), out)  # type: ignore[return-value]


def deep_from_mix(
    mixed: Linear, light: Literal["linear", "display"], out: Deep | None = None
) -> Deep:
    """As `from_mix`, in 16 bits (65535 = white): for formats that keep more than 8.

    What comes from stills of 8 bits is exact there: 257 times its value.
    """
    import cv2

    if light == "linear":
        return cv2.LUT(mixed, _deep_of(), out)  # type: ignore[return-value]
    if out is None:
        return mixed.copy()
    np.copyto(out, mixed)
    return out


def dithered(
    mixed: Linear, light: Literal["linear", "display"], top: int, out: Display, buffers: Buffers
) -> Display:
    """As `from_mix`, but what lies between two values of 8 bits becomes one or the other by a fixed
    pattern, as often as it is near it: a sky of slow gradients shows no bands.

    `mixed` is H x W x 3, `top` its first row in the frame.  Values that are exact in 8 bits stay.
    The pattern is interleaved gradient noise (Jimenez, Next Generation Post Processing in Call of
    Duty, SIGGRAPH 2014); it stands still, so that an encoder does not code it anew every frame.
    """
    import cv2

    fine = buffers.take("fine", mixed.shape, np.uint16)
    cv2.LUT(mixed, _fine_of(light), fine)
    pattern = _pattern(top, *mixed.shape[:2])
    three = cv2.merge([pattern] * 3, buffers.take("pattern", mixed.shape, np.uint16))
    cv2.add(fine, three, fine)
    return cv2.LUT(fine, _upper_byte(), out)  # type: ignore[return-value]


@cache
def _deep_of() -> Deep:
    """Display value (uint16) of each linear value."""
    table: Deep = np.rint(shown_of(np.arange(65536) / 65535) * 65535).astype(np.uint16)
    table[_linear_of(256)] = _widened()  # whatever the rounding to 16 bits has moved
    return table


@cache
def _fine_of(light: Literal["linear", "display"]) -> Linear:
    """Display value, in 256ths of a step of 8 bits, of each value that is mixed."""
    share = np.arange(65536) / 65535
    shown = shown_of(share) if light == "linear" else share
    table: Linear = np.rint(shown * 255 * 256).astype(np.uint16)
    # Values that come from 8 bits are exact there, whatever the rounding to 16 has moved.
    exact = _linear_of(256) if light == "linear" else _widened()
    table[exact] = np.arange(256, dtype=np.uint16) * np.uint16(256)
    return table


@cache
def _upper_byte() -> Display:
    return (np.arange(65536) >> 8).astype(np.uint8)


@lru_cache(maxsize=64)
def _pattern(top: int, height: int, width: int) -> Linear:
    """Thresholds from 0 to 255, H x W, from the row `top` of a frame on."""
    y, x = np.mgrid[top : top + height, :width]
    noise = np.modf(52.9829189 * np.modf(0.06711056 * x + 0.00583715 * y)[0])[0]
    thresholds: Linear = (noise * 256).astype(np.uint16)
    return thresholds


@lru_cache(maxsize=16)
def _gained(gain: Gain, light: Literal["linear", "display"], size: int) -> Linear:
    """The table of a gain, for values of so many bytes: 1 x levels x 3."""
    levels = 1 << (8 * size)
    linear = linear_of(np.arange(levels) / (levels - 1))
    channels = np.stack([lit(linear, factor, *gain[3:]) for factor in gain[:3]], axis=-1)
    shown = channels if light == "linear" else shown_of(channels)
    table: Linear = np.rint(shown * 65535).astype(np.uint16)[None]
    return table


@cache
def _widened() -> Linear:
    return np.arange(256, dtype=np.uint16) * np.uint16(257)


@cache
def _narrowed() -> Display:
    table: Display = np.rint(np.arange(65536) / 257).astype(np.uint8)
    return table


def to_linear(display: NDArray[Any], out: Linear | None = None) -> Linear:
    """Display light (uint8 or uint16, any shape) as linear light (uint16, the same shape).

    Written into `out` where given; else the result is new.  The input is not changed.
    """
    import cv2

    return cv2.LUT(display, _linear_of(256 if display.dtype == np.uint8 else 65536), out)  # type: ignore[return-value]


def to_display(linear: Linear, out: Display | None = None) -> Display:
    """Linear light (uint16) as display light (uint8), rounded to nearest; see `to_linear`."""
    import cv2

    return cv2.LUT(linear, _display_of(), out)  # type: ignore[return-value]
