"""Retime: a Roll and speeds become a Schedule, a Timeline and a Plan; stills become frames."""

from timelapse.retime.anchors import Anchor, through
from timelapse.retime.blend import (
    Angle,
    Blend,
    Box,
    Cubic,
    Darken,
    Flow,
    Gaussian,
    Light,
    Lighten,
    Linear,
    Median,
    Nearest,
)
from timelapse.retime.flow import Between, Interpolator
from timelapse.retime.gaps import GapAt, Gaps, cuts, treated
from timelapse.retime.mixing import Mixing, mix
from timelapse.retime.models import interpolator, model_made_as
from timelapse.retime.plan import FOLLOWED, Plan, Taps, make_plan
from timelapse.retime.route import Cut, Edits, Freeze, Reverse
from timelapse.retime.schedule import Ease, Schedule
from timelapse.retime.speeds import SpeedKey, constant, eased, fitted, lasting
from timelapse.retime.timeline import Timeline

__all__ = [
    "FOLLOWED",
    "Anchor",
    "Angle",
    "Between",
    "Blend",
    "Box",
    "Cubic",
    "Cut",
    "Darken",
    "Ease",
    "Edits",
    "Flow",
    "Freeze",
    "GapAt",
    "Gaps",
    "Gaussian",
    "Interpolator",
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
    "interpolator",
    "lasting",
    "make_plan",
    "mix",
    "model_made_as",
    "through",
    "treated",
]
