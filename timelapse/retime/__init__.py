"""Retime: a Roll and speeds become a Schedule, a Timeline and a Plan; stills become frames."""

from timelapse.retime.anchors import Anchor, through
from timelapse.retime.blend import (
    Angle,
    Blend,
    Box,
    Cubic,
    Darken,
    Gaps,
    Gaussian,
    Light,
    Lighten,
    Linear,
    Median,
    Nearest,
)
from timelapse.retime.mixing import Mixing, mix
from timelapse.retime.plan import Plan, Taps, make_plan
from timelapse.retime.schedule import Ease, Schedule, SpeedKey, constant, eased, lasting
from timelapse.retime.timeline import Timeline

__all__ = [
    "Anchor",
    "Angle",
    "Blend",
    "Box",
    "Cubic",
    "Darken",
    "Ease",
    "Gaps",
    "Gaussian",
    "Light",
    "Lighten",
    "Linear",
    "Median",
    "Mixing",
    "Nearest",
    "Plan",
    "Schedule",
    "SpeedKey",
    "Taps",
    "Timeline",
    "constant",
    "eased",
    "lasting",
    "make_plan",
    "mix",
    "through",
]
