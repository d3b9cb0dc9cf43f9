"""Grade: one still becomes a better still.  Here: its light, and its place in the frame."""

from timelapse.grade.framing import Fit, Framing, Size, natural_size
from timelapse.grade.light import Display, Linear, to_display, to_linear

__all__ = [
    "Display",
    "Fit",
    "Framing",
    "Linear",
    "Size",
    "natural_size",
    "to_display",
    "to_linear",
]
