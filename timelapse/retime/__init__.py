"""Retime: a Roll and speeds become a Schedule, a Timeline and a Plan; stills become frames."""

from timelapse.retime.anchors import Anchor, through
from timelapse.retime.blend import (
    Angle,
    Blend,
    Box,
    Cubic,
    Darken,
    Gaussian,
    Light,
    Lighten,
    Linear,
    Median,
    Nearest,
)
from timelapse.retime.gaps import GapAt, Gaps, cuts, treated
from timelapse.retime.mixing import Mixing, mix
from timelapse.retime.plan import Plan, Taps, make_plan
from timelapse.retime.route import Cut, Edits, Freeze, Reverse
from timelapse.retime.schedule import Ease, Schedule
from timelapse.retime.speeds import SpeedKey, constant, eased, fitted, lasting
from timelapse.retime.timeline import Timeline

__all__ = [
    "Anchor",
    "Angle",
    "Blend",
    "Box",
    "Cubic",
    "Cut",
    "Darken",
    "Ease",
    "Edits",
    "Freeze",
    "GapAt",
    "Gaps",
    "Gaussian",
    "Light",
    "Lighten",
    "Linear",
    "Median",
    "Mixing",
    "Nearest",
    "Plan",
    "Reverse",
    "Schedule",
    "SpeedKey",
    "Taps",
    "Timeline",
    "constant",
    "cuts",
    "eased",
    "fitted",
    "lasting",
    "make_plan",
    "mix",
    "through",
    "treated",
]
