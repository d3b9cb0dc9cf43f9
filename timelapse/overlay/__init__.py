"""Milestones, clocks, cards and all else that is laid over a film, blended over a frame's boxes.

`cues` says what is shown on which frames, a `Compositor` draws it; `place_milestones` says the
same of the milestones to the plan, the chapters and the report.
"""

from timelapse.overlay.callout import Callout, PointAt
from timelapse.overlay.cards import Credits, End, Title
from timelapse.overlay.charts import Progress, SpeedMap
from timelapse.overlay.compose import Compositor
from timelapse.overlay.contrast import chooses, treatments, words_of
from timelapse.overlay.contrast import chosen as treatment_for
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import Canvas, Drawing, Words, said
from timelapse.overlay.layers import (
    Clock,
    Credit,
    GapCaption,
    Logo,
    LowerThird,
    Overlay,
    Span,
    cues,
)
from timelapse.overlay.milestones import Milestone, place_milestones
from timelapse.overlay.reading import reading_time
from timelapse.overlay.said import Said, chosen, in_language, languages
from timelapse.overlay.scene import GapShown, Group, Layer, PlacedMilestone, Scene
from timelapse.overlay.style import Colour, Look, Place, Safe, Share, Style, beside
from timelapse.overlay.themes import PLAIN, THEMES, Theme, ThemeName, Theming

__all__ = [
    "PLAIN",
    "THEMES",
    "Callout",
    "Canvas",
    "Clock",
    "Colour",
    "Compositor",
    "Credit",
    "Credits",
    "Cue",
    "Drawing",
    "End",
    "GapCaption",
    "GapShown",
    "Group",
    "Layer",
    "Logo",
    "Look",
    "LowerThird",
    "Milestone",
    "Overlay",
    "Place",
    "PlacedMilestone",
    "PointAt",
    "Progress",
    "Safe",
    "Said",
    "Scene",
    "Share",
    "Span",
    "SpeedMap",
    "Style",
    "Theme",
    "ThemeName",
    "Theming",
    "Title",
    "Words",
    "beside",
    "chooses",
    "chosen",
    "cues",
    "in_language",
    "languages",
    "place_milestones",
    "reading_time",
    "said",
    "treatment_for",
    "treatments",
    "words_of",
]
