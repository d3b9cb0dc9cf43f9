"""What a film tells: its milestones and texts as one list, for all who want them from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from timelapse.deliver.captions import Line
from timelapse.deliver.marks import Mark
from timelapse.overlay import LowerThird, Span, Style, Words, chosen
from timelapse.overlay.drawing import Drawing, Stack
from timelapse.render import Job

#: Layers whose texts are captions, too: those that tell, and neither run nor decorate.
_SPOKEN = (Span, LowerThird)


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


def lines(job: Job) -> tuple[Line, ...]:
    """The texts that the film shows of milestones, spans and names, on exactly their frames."""
    told = tuple(layer for layer in job.overlays if isinstance(layer, _SPOKEN))
    shown = replace(job, overlays=told, plan=replace(job.plan, marks=()))
    return tuple(
        Line(text, cue.start, min(cue.stop, job.plan.frames), cue.place, style, cue.safe)
        for cue in shown.cues
        for text, style in _said(cue.what)
    )


def _said(what: Drawing) -> Iterator[tuple[str, Style]]:
    """The text of a drawing, where it has one that does not run, and its style."""
    parts = what.parts if isinstance(what, Stack) else (what,)
    texts = [part.text for part in parts if isinstance(part, Words)]
    if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
        first = parts[0]
        assert isinstance(first, Words)
        yield "\n".join(map(str, texts)), first.style
