"""timelapse: interval-captured stills become a retimed, labelled clip.

    >>> import timelapse
    >>> job = timelapse.load("samples/booster_separation.yaml").job()
    >>> report = job.render("clip.mp4")

The names below are the public face; each is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from timelapse.audit import verify
    from timelapse.clip import from_moviepy, to_moviepy
    from timelapse.errors import TimelapseError
    from timelapse.ingest import Clocks, Roll, Still, scan
    from timelapse.project import Project, load
    from timelapse.render import Job, frames, render_all, still
    from timelapse.report import plan_json
    from timelapse.times import CaptureTime, MissionTime, Rate, Seconds, Speed, VideoTime

__all__ = [
    "CaptureTime",
    "Clocks",
    "Job",
    "MissionTime",
    "Project",
    "Rate",
    "Roll",
    "Seconds",
    "Speed",
    "Still",
    "TimelapseError",
    "VideoTime",
    "frames",
    "from_moviepy",
    "load",
    "plan_json",
    "render_all",
    "scan",
    "still",
    "to_moviepy",
    "verify",
]

_HOMES = {
    "audit": ("verify",),
    "clip": ("from_moviepy", "to_moviepy"),
    "errors": ("TimelapseError",),
    "ingest": ("Clocks", "Roll", "Still", "scan"),
    "project": ("Project", "load"),
    "render": ("Job", "frames", "render_all", "still"),
    "report": ("plan_json",),
    "times": ("CaptureTime", "MissionTime", "Rate", "Seconds", "Speed", "VideoTime"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"timelapse.{home}"), name)
    raise AttributeError(f"module 'timelapse' has no attribute {name!r}")
