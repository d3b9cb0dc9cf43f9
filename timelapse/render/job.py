"""A job: all that decides a film, before one picture is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timelapse.deliver import H264, Caption, Chapter, Format, Sound, Tags
from timelapse.grade import Framing
from timelapse.overlay import (
    Compositor,
    Cue,
    Milestone,
    Overlay,
    PlacedMilestone,
    cues,
    gap_cue,
    place_milestones,
)
from timelapse.retime import Plan

if TYPE_CHECKING:
    from timelapse.render.crew import Crew

#: Is told how many frames of how many are done.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Job:
    """All that decides a film: what is shown when (`plan`), where in the frame (`framing`), what
    is written over it, and how it is delivered."""

    plan: Plan
    framing: Framing
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    format: Format = field(default_factory=H264)
    title: str = ""
    comment: str = ""
    sound: Sound | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def placed(self) -> tuple[PlacedMilestone, ...]:
        """The milestones on all three clocks, in the order of the clip."""
        placed = place_milestones(self.milestones, self.plan.timeline)
        return tuple(sorted(placed, key=lambda milestone: milestone.video))

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        layers = cues(self.milestones, self.overlays, self.plan.timeline)
        return (*layers, *(gap_cue(*mark) for mark in self.plan.marks))

    @property
    def dithers(self) -> bool:
        """Whether the rounding to 8 bits is spread."""
        wanted = self.plan.blend.dither
        deep = any(still.bits > 8 for still in self.plan.roll.stills)
        return wanted == "on" or (wanted == "auto" and deep)

    def render(
        self,
        out: str | Path,
        *,
        workers: int | None = None,
        memory: int | None = None,
        cache: int | None = None,
        crew: Crew | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Renders the film `out`; see `timelapse.render.render`."""
        from timelapse.render.conductor import render

        means: Any = {"workers": workers, "memory": memory, "cache": cache, "crew": crew}
        return render(self, Path(out), progress=progress, **means)

    def compositor(self) -> Compositor:
        """What draws the overlays; raises TextError where a text cannot be drawn."""
        return Compositor(self.cues, self.framing.size)

    @property
    def tags(self) -> Tags:
        """The film's own title, creation time (the first frame's capture time), chapters, captions
        and sound."""
        timeline, roll = self.plan.timeline, self.plan.roll
        created = timeline.capture_of(timeline.schedule.start) if roll.dated else None
        captions = self._captions if self.format.captions else ()
        return Tags(self.title, created, self.comment, self._chapters, captions, self.sound)

    @property
    def _captions(self) -> tuple[Caption, ...]:
        """Every label for as long as it is shown, to the frame."""
        time_of = self.plan.timeline.rate.time_of
        spans = sorted(
            (span, m.text)
            for m in self.placed
            for span in ((m.shown_from, m.shown_to), *m.again)
            if span[0] < span[1]
        )
        return tuple(Caption(text, time_of(a), time_of(b)) for (a, b), text in spans)

    @property
    def _chapters(self) -> tuple[Chapter, ...]:
        shown = [m for m in self.placed if 0 <= m.frame < self.plan.frames]
        if not shown:
            return ()
        rate = self.plan.timeline.rate
        titles = {0: self.title or "Start"}  # players want the first chapter to start the film
        for frame, together in groupby(shown, key=lambda milestone: milestone.frame):
            titles[frame] = " / ".join(milestone.text for milestone in together)
        starts = [rate.time_of(frame) for frame in titles]
        ends = [*starts[1:], rate.time_of(self.plan.frames)]
        return tuple(map(Chapter, titles.values(), starts, ends))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before rendering."""
        found = [*self.plan.roll.warnings, *self.plan.warnings, *self.notes]
        found += [
            f"milestone {milestone.text!r} lies outside the clip, at {milestone.video}"
            for milestone in self.placed
            if milestone.shown_from == milestone.shown_to and milestone.showings
        ]
        found += [
            f"milestone {milestone.text!r} is never shown: it lies in what a cut leaves out"
            for milestone in self.placed
            if not milestone.showings
        ]
        found += [
            f"milestone {m.text!r} is shown {len(m.showings)} times, and labelled at "
            f"{'each' if m.again else m.video}; showing says which: first, last or all"
            for m in self.placed
            if len(m.showings) > 1
        ]
        return tuple(found)

    def without(self, lost: Iterable[int]) -> Job:
        """The same job planned as if those stills had not been taken; no other moves in time."""
        return replace(self, plan=self.plan.without(*lost)) if lost else self


@dataclass
class Findings:
    """What came to light only while rendering: stills that proved unreadable, by index, with the
    decoder's reason."""

    lost: dict[int, str] = field(default_factory=dict)

    def warnings(self, job: Job) -> list[str]:
        """What a person should know of them."""
        stills = job.plan.roll.stills
        return [
            f"{stills[at].file}: {reason}; its neighbours stand in for it"
            for at, reason in sorted(self.lost.items())
        ]
