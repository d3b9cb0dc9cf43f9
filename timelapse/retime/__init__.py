"""Retime: a Roll and speeds become a Schedule, a Timeline and a Plan; stills become frames."""

from timelapse.retime.anchors import Anchor, through
from timelapse.retime.blend import Angle, Blend, Box, Gaps, Linear, Nearest, mix
from timelapse.retime.plan import Plan, Taps, make_plan
from timelapse.retime.schedule import Ease, Schedule, SpeedKey, constant, eased, lasting
from timelapse.retime.timeline import Timeline

__all__ = [
    "Anchor",
    "Angle",
    "Blend",
    "Box",
    "Ease",
    "Gaps",
    "Linear",
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
