"""Display light to linear light and back, by tables.

Linear values are uint16, 65535 = white; 65,536
levels keep every 8-bit display value apart (the darkest step is 20 levels), so that
`to_display(to_linear(x)) == x` for all 8-bit x.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.srgb import linear_of, shown_of

Linear = NDArray[np.uint16]
Display = NDArray[np.uint8]


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


def to_mix(
    display: NDArray[Any], light: Literal["linear", "display"], out: Linear | None = None
) -> Linear:
    """Display light (uint8 or uint16) as 16 bits of the light that stills are mixed in."""
    import cv2

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
