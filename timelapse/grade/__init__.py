"""Grade: one still becomes a better still.  Here: its light, and its place in the frame."""

from timelapse.grade.camera import Camera, Move, Reframing, View
from timelapse.grade.corrections import Corrections, Found, Grade, closer, corrections, laid
from timelapse.grade.cosmic import CosmicRays, Optics
from timelapse.grade.crops import cropped
from timelapse.grade.denoise import Denoise, Noise, Way
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
from timelapse.grade.motion import Motion
from timelapse.grade.moved import Nine
from timelapse.grade.pose import Flip, Pose
from timelapse.grade.steady import Stabilise, Steadied
from timelapse.grade.tone import Tone, ToneKey, Toning, toning
from timelapse.grade.toned import Toned

__all__ = [
    "COMFORTABLE",
    "Camera",
    "Corrections",
    "CosmicRays",
    "Deep",
    "Defects",
    "Deflicker",
    "Denoise",
    "Display",
    "Fit",
    "Flip",
    "Focus",
    "Found",
    "Framing",
    "Gain",
    "Gains",
    "Grade",
    "HotPixels",
    "Linear",
    "Motion",
    "Move",
    "Nine",
    "Noise",
    "Optics",
    "Pose",
    "Reframing",
    "Size",
    "Stabilise",
    "Steadied",
    "Tone",
    "ToneKey",
    "Toned",
    "Toning",
    "View",
    "Way",
    "closer",
    "commonest",
    "corrections",
    "cropped",
    "deep_from_mix",
    "dithered",
    "from_mix",
    "laid",
    "natural_size",
    "to_display",
    "to_linear",
    "to_mix",
    "toning",
]
