"""Milestones, clocks and credits, typeset and blended over a frame's boxes.

`cues` says what is shown on which frames, a `Compositor` draws it; `place_milestones` says the
same of the milestones to the plan, the chapters and the report.
"""

from timelapse.overlay.compose import Compositor
from timelapse.overlay.layers import (
    Clock,
    ClockStyle,
    Credit,
    CreditStyle,
    Cue,
    Milestone,
    Overlay,
    PlacedMilestone,
    cues,
    gap_cue,
    place_milestones,
)
from timelapse.overlay.style import Colour, Place, Share, Style

__all__ = [
    "Clock",
    "ClockStyle",
    "Colour",
    "Compositor",
    "Credit",
    "CreditStyle",
    "Cue",
    "Milestone",
    "Overlay",
    "Place",
    "PlacedMilestone",
    "Share",
    "Style",
    "cues",
    "gap_cue",
    "place_milestones",
]
