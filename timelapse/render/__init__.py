"""Render: a job becomes segments, segments become a film that is held against its plan."""

from timelapse.render.conductor import render, render_all
from timelapse.render.crew import Crew
from timelapse.render.frames import frames, still
from timelapse.render.job import Dress, Findings, Job, Progress
from timelapse.render.looks import measured
from timelapse.render.target import check_target

__all__ = [
    "Crew",
    "Dress",
    "Findings",
    "Job",
    "Progress",
    "check_target",
    "frames",
    "measured",
    "render",
    "render_all",
    "still",
]
