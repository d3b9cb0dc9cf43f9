"""The curve of sRGB (IEC 61966-2-1, 5.2): display light to linear light and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def linear_of(shown: NDArray[Any]) -> NDArray[Any]:
    """Linear light, 0 to 1, of display light, 0 to 1 (float arrays; the result is new)."""
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def shown_of(light: NDArray[Any]) -> NDArray[Any]:
    """Display light, 0 to 1, of linear light, 0 to 1 (float arrays; the result is new)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
