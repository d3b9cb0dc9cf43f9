"""Grade: one still becomes a better still.  Here: its light, and its place in the frame."""

from timelapse.grade.camera import Camera, Move, Reframing, View
from timelapse.grade.flicker import Deflicker, Gains
from timelapse.grade.framing import COMFORTABLE, Framing, Size, commonest, natural_size
from timelapse.grade.hotpixels import Defects, HotPixels
from timelapse.grade.layout import Fit, Focus
from timelapse.grade.light import (
    Deep,
    Display,
    Gain,
    Linear,
    deep_from_mix,
    dithered,
    from_mix,
    to_display,
    to_linear,
    to_mix,
)
from timelapse.grade.pose import Flip, Pose

__all__ = [
    "COMFORTABLE",
    "Camera",
    "Deep",
    "Defects",
    "Deflicker",
    "Display",
    "Fit",
    "Flip",
    "Focus",
    "Framing",
    "Gain",
    "Gains",
    "HotPixels",
    "Linear",
    "Move",
    "Pose",
    "Reframing",
    "Size",
    "View",
    "commonest",
    "deep_from_mix",
    "dithered",
    "from_mix",
    "natural_size",
    "to_display",
    "to_linear",
    "to_mix",
]
