"""Milestones: labelled instants, placed on all three clocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from timelapse.errors import ProjectError
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import Drawing, Stack, Words
from timelapse.overlay.said import Said, chosen, cleaned
from timelapse.overlay.scene import FADE, Layer, PlacedMilestone, Scene
from timelapse.overlay.style import Look, Place, Style
from timelapse.overlay.template import Moment, Template
from timelapse.times import Seconds, VideoTime
from timelapse.written import Instant, Reading


@dataclass(frozen=True)
class Milestone(Layer):
    """A labelled instant: shown from the frame that holds it, for `hold`.

    `hold` is of video time, or of mission time with `hold_on: mission`; `since` and `until`, each
    on any clock, say when it is shown instead.  It comes and goes during `fade`: 0.25 s, or half
    of `hold` if that is less, where none is said.  `text` is a template: `{label}`, `{timecode}`
    (also `{timecode:mm:ss:ff}`), `{met}`, `{utc}`, `{utc:date}`, `{speed}`, `{stills}`, `{video}`,
    evaluated at the milestone's instant; the label itself is drawn as it is, and so is `subtitle`,
    below it.  Label, subtitle and text may be given in several languages: `{en: ..., de: ...}`.
    Of an instant that the clip shows several times, `showing` is what is labelled.
    """

    at: Instant
    label: Said
    text: Said = "{timecode} {label}"
    subtitle: Said = ""
    hold: Seconds = field(default=Seconds(3))
    hold_on: Literal["video", "mission"] = "video"
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.BOTTOM_LEFT
    style: Look = field(default=Look())
    subtitle_style: Look = field(default=Look())
    showing: Literal["first", "last", "all"] = "first"

    def __post_init__(self) -> None:
        super().__post_init__()
        empty = "say what happens at this instant"
        object.__setattr__(self, "label", cleaned("label", self.label, empty))
        for name in ("text", "subtitle"):
            object.__setattr__(self, name, cleaned(name, getattr(self, name)))
        if self.hold < 0:
            raise ProjectError(f"hold: {self.hold} is negative; write how long it is shown, 3 s")
        if self.fade is not None and self.until is None and 2 * self.fade > self.hold:
            raise ProjectError(
                f"fade: {self.fade} has to be from 0 s to half of hold, {Seconds(self.hold / 2)}"
            )
        for text in self.text.values() if isinstance(self.text, dict) else (self.text,):
            Template.read(text)

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """A label for each showing that is labelled."""
        return tuple(placed(self, scene)[1])

    @property
    def fades_for(self) -> Fraction:
        """`fade` as said, or the length that stands for it."""
        if self.fade is not None:
            return self.fade
        return FADE if self.until else min(FADE, self.hold / 2)


def place_milestones(milestones: Iterable[Milestone], scene: Scene) -> tuple[PlacedMilestone, ...]:
    """Each milestone's place, in the order given; TimeError where an instant cannot be read."""
    return tuple(placed(milestone, scene)[0] for milestone in milestones)


def placed(milestone: Milestone, scene: Scene) -> tuple[PlacedMilestone, list[Cue]]:
    """A milestone's place, and the labels of its showings."""
    timeline = scene.timeline
    reading: Reading = milestone.at.resolve(timeline.context)
    showings = timeline.showings_of(reading.time)
    wanted = showings[-1:] if milestone.showing == "last" else showings[:1]
    if milestone.showing == "all":
        wanted = showings
    labels = [_label(milestone, scene, reading, *showing) for showing in wanted]
    shown = [label for label in labels if label]
    frame, video = wanted[0] if wanted else _unseen(scene, reading)
    start = max(0, min(frame, timeline.frames))
    place = PlacedMilestone(
        text=shown[0][0] if shown else chosen(milestone.label, ""),
        capture=timeline.capture_of(reading.time),
        mission=timeline.mission_of(reading.time),
        video=video,
        frame=frame,
        shown_from=shown[0][1].start if shown else start,
        shown_to=min(shown[0][1].stop, timeline.frames) if shown else start,
        read_as=reading.read_as,
        showings=tuple(frame for frame, _ in showings),
        again=tuple((cue.start, min(cue.stop, timeline.frames)) for _, cue in shown[1:]),
    )
    return place, [cue for _, cue in shown]


def _unseen(scene: Scene, reading: Reading) -> tuple[int, VideoTime]:
    """Where an instant would stand that the clip does not show."""
    return scene.timeline.frame_of(reading.time), scene.timeline.video_of(reading.time)


def _label(
    milestone: Milestone, scene: Scene, reading: Reading, frame: int, video: VideoTime
) -> tuple[str, Cue] | None:
    """The label of one showing, with its text; None outside the clip."""
    timeline = scene.timeline
    if milestone.hold_on == "mission":
        held = timeline.mission_of(reading.time) + milestone.hold
        stop = timeline.frame_from(held)
    else:
        stop = timeline.rate.frames_in(video.seconds + milestone.hold)
    start = frame
    if milestone.since:
        start = scene.span(milestone.since, None)[0]
    if milestone.until:
        stop = scene.span(None, milestone.until)[1]
    if not 0 <= frame < timeline.frames or not 0 <= start < timeline.frames or stop <= start:
        return None
    label = chosen(milestone.label, "")
    moment = Moment(timeline, reading.time, video, frame, label, scene.interval)
    text = Template.read(chosen(milestone.text, "")).render(moment)
    # However short it is, a label is full on some frame.
    fade = min(timeline.rate.frames_in(milestone.fades_for), (stop - start - 1) // 2)
    what = titled(
        text,
        chosen(milestone.subtitle, ""),
        milestone.style.over(scene.theme.milestone),
        milestone.subtitle_style.over(scene.theme.subtitle),
    )
    return text, milestone.cue(scene, what, start, stop, place=milestone.place, come=fade, go=fade)


def titled(text: str, below: str, style: Style, below_style: Style) -> Drawing:
    """A text, with another below it where there is one."""
    first = Words(text, style)
    if below.strip():
        return Stack((first, Words(below, below_style)))
    return Stack((first,)) if style.accent.alpha else first
