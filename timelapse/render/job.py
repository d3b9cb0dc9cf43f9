"""A job: all that decides a film, before one picture is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import H264, Caption, Chapter, Format, Sound, Tags
from timelapse.deliver.captions import Line
from timelapse.errors import ProjectError
from timelapse.grade import Found, Framing, Grade, Tone, Toned, Toning, commonest, laid
from timelapse.ingest.develop import Develop
from timelapse.overlay import (
    PLAIN,
    Callout,
    Compositor,
    Cue,
    GapCaption,
    GapShown,
    Group,
    Layer,
    LowerThird,
    Milestone,
    PlacedMilestone,
    Safe,
    Scene,
    Span,
    Theme,
    chosen,
    cues,
    in_language,
    languages,
    place_milestones,
    reading_time,
    said,
    treatments,
)
from timelapse.retime import Plan
from timelapse.times import MissionTime

if TYPE_CHECKING:
    from timelapse.render.crew import Crew

Spoken = TypeVar("Spoken", bound=Layer)
#: Is told how many frames of how many are done.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Dress:
    """How overlays look as a whole: the theme, what is kept free along the frame's edges, groups
    of layers; and the language that they speak, of those that their texts are given in."""

    theme: Theme = PLAIN
    safe: Safe = field(default=Safe())
    groups: Mapping[str, Group] = field(default_factory=dict)
    language: str = ""


@dataclass(frozen=True, eq=False)
class Job:
    """All that decides a film: what is shown when (`plan`), where in the frame (`framing`), what
    is written over it (milestones and overlays, in a `dress`), and how it is delivered.

    `grade` is what is done to the stills, and `toning` to the frames that are mixed of them, as
    `tone` says.

    What only the stills can tell is found by `measured`: `found` is what they are corrected by,
    `tracks` has what was followed in them, `treatments` what is put behind texts that ask for it,
    by the number of the cue.  `source` is the name that the roll was scanned by, under which what
    was seen of it is remembered.  `develop` is what sidecars ask for, by the index of the still:
    `grade` and `framing` follow it.
    """

    plan: Plan
    framing: Framing
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[Layer, ...] = ()
    format: Format = field(default_factory=H264)
    title: str = ""
    comment: str = ""
    sound: Sound | None = None
    notes: tuple[str, ...] = ()
    dress: Dress = field(default_factory=Dress)
    tracks: Mapping[Any, Any] = field(default_factory=dict)
    treatments: Mapping[int, int] = field(default_factory=dict)
    grade: Grade = Grade()
    found: Found = Found()
    tone: Tone = Tone()
    toning: Toning | None = None
    develop: Mapping[int, Develop] = field(default_factory=dict)
    source: Path | None = None

    @cached_property
    def placed(self) -> tuple[PlacedMilestone, ...]:
        """The milestones on all three clocks, in the order of the clip."""
        scene = Scene(self.plan.timeline, self.dress.theme, interval=self._interval)
        placed = place_milestones(self._spoken(self.milestones), scene)
        return tuple(sorted(placed, key=lambda milestone: milestone.video))

    @cached_property
    def scene(self) -> Scene:
        """The clip as its layers see it."""
        timeline, roll = self.plan.timeline, self.plan.roll
        gaps = []
        for gap in roll.gaps:
            before, after = (roll.stills[at].captured for at in (gap.after, gap.before))
            start = max(0, timeline.frame_from(before + roll.interval))
            stop = min(timeline.frames, timeline.frame_of(after))
            if start < stop:
                gaps.append(GapShown(start, stop, gap.seconds))
        return Scene(
            timeline,
            self.dress.theme,
            self.placed,
            tuple(gaps),
            self._interval,
            self.tracks,
            self.place,
        )

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        """All that is drawn over the film."""
        scene, dress = self.scene, self.dress
        marks = replace(scene, gaps=tuple(GapShown(*mark) for mark in self.plan.marks))
        layers = cues(
            self._spoken(self.milestones), self._spoken(self.overlays), scene, dress.groups
        )
        found = [*layers, *GapCaption().cues(marks)]
        for number, choice in self.treatments.items():
            what = list(treatments(found[number].what))[choice]
            found[number] = replace(found[number], what=what)
        return tuple(replace(cue, safe=dress.safe) for cue in found)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that texts are given in; none where each is given in one alone."""
        return languages([*self.milestones, *self.overlays])

    def in_language(self, language: str) -> Job:
        """The same film with its texts in another language, where they are given in it.

        ProjectError where none is.
        """
        if language not in self.languages:
            known = ", ".join(self.languages) or "none"
            raise ProjectError(f"no text is given in the language {language!r}; there are: {known}")
        return replace(self, dress=replace(self.dress, language=language))

    def _spoken(self, layers: Iterable[Spoken]) -> tuple[Spoken, ...]:
        return tuple(in_language(layer, self.dress.language) for layer in layers)

    @property
    def _interval(self) -> Fraction | None:
        return self.plan.roll.interval or None

    def place(self, points: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Points in pixels of the stills on each of so many frames, as pixels of the frames."""
        size = commonest(self.plan.roll.sizes)
        if laid(self.grade, self.found, self.plan.roll.stills, 0) is None:
            return self.framing.place(size, points, frames)
        onto = [self._laid(at) for at in frames.tolist()]
        return self.framing.place(size, points, frames, np.array(onto).reshape(-1, 3, 3))

    def _laid(self, frame: int) -> NDArray[np.float64]:
        """How the stills of a frame are moved, on average."""
        taps, roll = self.plan.taps, self.plan.roll
        if not 0 <= frame < self.plan.frames or not len(taps.row(frame)[0]):
            return np.eye(3)
        stills, weights = taps.row(frame)
        each = np.array([laid(self.grade, self.found, roll.stills, at) for at in stills.tolist()])
        # Those of stills of another size are for their own pixels.
        own = np.array([(*roll.stills[at].size, 1) for at in stills.tolist()])
        grow = np.array((*commonest(roll.sizes), 1)) / own
        matrices = grow[:, :, None] * each.reshape(-1, 3, 3) / grow[:, None, :]
        mean: NDArray[np.float64] = np.average(matrices, axis=0, weights=np.abs(weights) + 1e-9)
        return mean

    @property
    def dithers(self) -> bool:
        """Whether the rounding to 8 bits is spread: by itself where frames have finer steps."""
        wanted = self.plan.blend.dither
        return wanted == "on" or (wanted == "auto" and self._fine)

    @property
    def _fine(self) -> bool:
        gains, noise = self.found.gains, self.found.noise
        return (
            any(still.bits > 8 for still in self.plan.roll.stills)
            or bool(gains and not gains.idle)
            or bool(noise and not noise.idle)
            or bool(self.grade.stops)
            or bool(self.toning and not self.toning.idle)
        )

    def toned(self, start: int, stop: int) -> tuple[Toned, ...]:
        """How each of the frames [start, stop) is toned; nothing where none is."""
        if self.toning is None or self.toning.idle:
            return ()
        rate = Fraction(self.plan.timeline.rate)
        return tuple(self.toning.at(frame / rate) for frame in range(start, stop))

    @property
    def graded(self) -> bool:
        """Whether anything is done to stills or frames."""
        return not self.grade.idle or bool(self.toning and not self.toning.idle)

    def ungraded(self) -> Job:
        """The same film without all that is done to its stills and frames."""
        return replace(self, grade=Grade(), found=Found(), tone=Tone(), toning=None, develop={})

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

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The texts that the film tells, in order: of milestones, spans and names, on exactly their
        frames; also where they are not burnt in."""
        tell = tuple(layer for layer in self.overlays if isinstance(layer, Span | LowerThird))
        spoken = self._spoken(self.milestones), self._spoken(tell)
        lines = [
            Line(text, cue.start, stop, cue.place, style, self.dress.safe)
            for cue in cues(*spoken, self.scene, self.dress.groups)
            if cue.start < (stop := min(cue.stop, self.plan.frames))
            for text, style in said(cue.what)
        ]
        return tuple(sorted(lines, key=lambda line: (line.start, line.stop)))

    @property
    def _captions(self) -> tuple[Caption, ...]:
        time_of = self.plan.timeline.rate.time_of
        return tuple(Caption(at.text, time_of(at.start), time_of(at.stop)) for at in self.lines)

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
        found += self._hasty()
        found += self._out_of_sight()
        found += self.found.findings
        if missing := self._unspoken():
            found.append(missing)
        return tuple(found)

    def _hasty(self) -> Iterator[str]:
        """Labels that cannot be read while they are shown."""
        rate = Fraction(self.plan.timeline.rate)
        needs = [reading_time(line.text) for line in self.lines]
        hasty = [
            need > (at.stop - at.start) / rate for at, need in zip(self.lines, needs, strict=True)
        ]
        for at, need, is_hasty in zip(self.lines, needs, hasty, strict=True):
            if is_hasty:
                shown = float((at.stop - at.start) / rate)
                yield (
                    f"label {at.text!r} is shown for {shown:.3g} s; reading it takes about "
                    f"{float(need):.2g} s"
                )
        for n, (one, other) in enumerate(pairwise(self.lines)):
            together = (max(one.stop, other.stop) - one.start) / rate
            if (
                other.start < one.stop
                and needs[n] + needs[n + 1] > together
                and not any(hasty[n : n + 2])
            ):
                yield (
                    f"labels {one.text!r} and {other.text!r} compete: both are to be read within "
                    f"{float(together):.3g} s; a longer hold gives time"
                )

    def _out_of_sight(self) -> Iterator[str]:
        """Where things that callouts follow were not found."""
        timeline = self.plan.timeline
        for layer in self.overlays:
            if not isinstance(layer, Callout) or layer.sought not in self.tracks:
                continue
            lost = [span for span in self.tracks[layer.sought].spans if span.state == "lost"]
            told = [
                f"{MissionTime(Fraction(start) - zero).clock()} to "
                f"{MissionTime(Fraction(stop) - zero).clock()}"
                for zero in [timeline.epoch.seconds]
                for start, stop, _ in lost[:3]
            ]
            if told:
                more = f" and {len(lost) - 3} times more" if len(lost) > 3 else ""
                label = chosen(layer.label, self.dress.language)
                yield f"callout {label!r} is not shown where it was lost: {', '.join(told)}{more}"

    def _unspoken(self) -> str:
        """What is not said in the language of the film."""
        language, layers = self.dress.language, [*self.milestones, *self.overlays]
        without = [layer for layer in layers if language and language not in languages([layer])]
        counted = [layer for layer in without if languages([layer])]
        if not counted:
            return ""
        texts = "text is" if len(counted) == 1 else "texts are"
        return f"{len(counted)} {texts} not given in {language}, and shown in another language"

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
