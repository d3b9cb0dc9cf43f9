"""Grade: one still becomes a better still.  Here: its light, and its place in the frame."""

from timelapse.grade.framing import Fit, Framing, Size, natural_size
from timelapse.grade.light import Display, Linear, dithered, from_mix, to_display, to_linear, to_mix

__all__ = [
    "Display",
    "Fit",
    "Framing",
    "Linear",
    "Size",
    "dithered",
    "from_mix",
    "natural_size",
    "to_display",
    "to_linear",
    "to_mix",
]
