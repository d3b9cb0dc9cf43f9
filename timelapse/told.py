"""What a film tells: its milestones as one list, for all who want them from outside."""

from __future__ import annotations

from dataclasses import replace

from timelapse.deliver.marks import Mark
from timelapse.overlay import chosen
from timelapse.render import Job


def marks(job: Job) -> tuple[Mark, ...]:
    """The milestones that the clip shows, in its order, each on the frame that holds its instant
    until its label goes; and the further showings that are labelled."""
    frames, found = job.plan.frames, []
    for milestone in job.milestones:
        (placed,) = replace(job, milestones=(milestone,), overlays=()).placed
        if not placed.showings or not 0 <= placed.frame < frames:
            continue
        spans = [(placed.frame, placed.shown_to), *placed.again]
        name = chosen(milestone.label, job.dress.language)
        capture = placed.capture if job.plan.roll.dated else None
        for number, (start, stop) in enumerate(spans):
            stop = max(stop, start + 1)
            found.append((start, Mark(name, start, stop, placed.mission, capture, number > 0)))
    return tuple(mark for _, mark in sorted(found, key=lambda pair: pair[0]))
