"""What can be laid over a clip: milestones, a running clock, a credit line; and when it is shown.

A layer is a frozen dataclass that the project file fills.  `cues` turns layers into `Cue`s, which
say all that drawing needs: which text, on which frames, how opaque, where, how it looks.  A new
overlay is one class with a `cues` method and a `kind` of its own, and its name in `Overlay`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from timelapse.errors import ProjectError
from timelapse.overlay.style import Place, Share, Style
from timelapse.overlay.template import Moment, Template, write_speed
from timelapse.times import CaptureTime, MissionTime, Seconds, VideoTime, write_number
from timelapse.written import Instant, Reading

if TYPE_CHECKING:
    from timelapse.retime import Timeline


# ------------------------------------------------------------------ cues


@dataclass(frozen=True)
class Cue:
    """A text on the frames from `start` up to, and without, `stop` (which may lie past the end).

    `text` is fixed, or a function of the frame; then `widest` is a text as large as any of them,
    and the block is kept for it, so that nothing moves while the text runs.  It fades over
    `fade_in` frames from `start` and over `fade_out` frames up to `stop`, see `opacity`.
    """

    text: str | Callable[[int], str]
    start: int
    stop: int
    place: Place
    style: Style
    fade_in: int = 0
    fade_out: int = 0
    widest: str = ""

    def shows(self, frame: int) -> bool:
        """Whether any of it is seen on a frame."""
        return self.start <= frame < self.stop

    def text_at(self, frame: int) -> str:
        """The text on a frame."""
        return self.text if isinstance(self.text, str) else self.text(frame)

    def opacity(self, frame: int) -> Fraction:
        """From 0 (not shown) to 1 (full).

        Frame k = 0, 1... of n frames that fade in has 1/4 + 3/4 k/n: a quarter on the first, so
        that it is seen there at any rate, and full from frame n on.  Fading out is the same
        backwards, a quarter on the last frame shown.
        """
        if not self.shows(frame):
            return Fraction(0)
        coming = _ramp(frame - self.start, self.fade_in)
        going = _ramp(self.stop - 1 - frame, self.fade_out)
        return min(coming, going)


def _ramp(at: int, frames: int) -> Fraction:
    return Fraction(frames + 3 * at, 4 * frames) if at < frames else Fraction(1)


# ------------------------------------------------------------------ milestones

_FADE = Seconds(1, 4)


@dataclass(frozen=True)
class Milestone:
    """A labelled instant: shown from the frame that holds it, for `hold` of video time.

    It fades in and out over `fade`: 0.25 s, or half of `hold` if that is less, where none is said.
    `text` is a template: `{label}`, `{timecode}` (also `{timecode:mm:ss:ff}`), `{met}`, `{utc}`,
    `{utc:date}`, `{speed}`, `{video}`, evaluated at the milestone's instant; the label itself is
    drawn as it is.  Of an instant that the clip shows several times, `showing` is what is labelled.
    """

    at: Instant
    label: str
    text: str = "{timecode} {label}"
    hold: Seconds = field(default=Seconds(3))
    fade: Seconds | None = None
    place: Place = Place.BOTTOM_LEFT
    style: Style = field(default=Style())
    showing: Literal["first", "last", "all"] = "first"

    def __post_init__(self) -> None:
        _end_lines(self, "label", "text")
        if not self.label.strip():
            raise ProjectError("label: it is empty; say what happens at this instant")
        if self.hold < 0:
            raise ProjectError(f"hold: {self.hold} is negative; write how long it is shown, 3 s")
        if self.fade is not None and not 0 <= 2 * self.fade <= self.hold:
            raise ProjectError(
                f"fade: {self.fade} has to be from 0 s to half of hold, {Seconds(self.hold / 2)}"
            )
        Template.read(self.text)

    @property
    def fades_for(self) -> Fraction:
        """`fade` as said, or the length that stands for it."""
        return min(_FADE, self.hold / 2) if self.fade is None else self.fade


def _end_lines(layer: object, *names: str) -> None:
    """Takes the line ends off the ends of texts: YAML's `|` leaves one, which is no empty line."""
    for name in names:
        object.__setattr__(layer, name, getattr(layer, name).rstrip("\n"))


@dataclass(frozen=True)
class PlacedMilestone:
    """Where a milestone falls, on all clocks; feeds the plan, chapters, captions and the report.

    `frame` holds the instant.  The label is shown on the frames from `shown_from` up to, and
    without, `shown_to`, both within the clip; they are equal where the instant lies outside it, or
    is cut out.  `showings` are all frames in which the clip comes to show the instant, `again` the
    spans of further labels.
    """

    text: str
    capture: CaptureTime
    mission: MissionTime
    video: VideoTime
    frame: int
    shown_from: int
    shown_to: int
    read_as: str
    showings: tuple[int, ...] = ()
    again: tuple[tuple[int, int], ...] = ()


def place_milestones(
    milestones: Iterable[Milestone], timeline: Timeline
) -> tuple[PlacedMilestone, ...]:
    """Each milestone's place, in the order given; TimeError where an instant cannot be read."""
    return tuple(_place(milestone, timeline)[0] for milestone in milestones)


def _place(milestone: Milestone, timeline: Timeline) -> tuple[PlacedMilestone, list[Cue]]:
    reading: Reading = milestone.at.resolve(timeline.context)
    showings = timeline.showings_of(reading.time)
    chosen = showings[-1:] if milestone.showing == "last" else showings[:1]
    if milestone.showing == "all":
        chosen = showings
    labels = [_label(milestone, timeline, reading, *showing) for showing in chosen]
    shown = [cue for cue in labels if cue]
    frame, video = chosen[0] if chosen else _unseen(timeline, reading)
    start = max(0, min(frame, timeline.frames))
    placed = PlacedMilestone(
        text=str(shown[0].text) if shown else milestone.label,
        capture=timeline.capture_of(reading.time),
        mission=timeline.mission_of(reading.time),
        video=video,
        frame=frame,
        shown_from=start,
        shown_to=min(shown[0].stop, timeline.frames) if shown else start,
        read_as=reading.read_as,
        showings=tuple(frame for frame, _ in showings),
        again=tuple((cue.start, min(cue.stop, timeline.frames)) for cue in shown[1:]),
    )
    return placed, shown


def _unseen(timeline: Timeline, reading: Reading) -> tuple[int, VideoTime]:
    """Where an instant would stand that the clip does not show."""
    return timeline.frame_of(reading.time), timeline.video_of(reading.time)


def _label(
    milestone: Milestone, timeline: Timeline, reading: Reading, frame: int, video: VideoTime
) -> Cue | None:
    """The label of one showing; None outside the clip."""
    stop = timeline.rate.frames_in(video.seconds + milestone.hold)
    if not 0 <= frame < timeline.frames or stop <= frame:
        return None
    moment = Moment(timeline, reading.time, video, frame, milestone.label)
    text = Template.read(milestone.text).render(moment)
    # However short it is, a label is full on some frame.
    fade = min(timeline.rate.frames_in(milestone.fades_for), (stop - frame - 1) // 2)
    return Cue(text, frame, stop, milestone.place, milestone.style, fade, fade)


def gap_cue(start: int, stop: int, seconds: Seconds) -> Cue:
    """The caption of a gap on the frames [start, stop): how long nothing was taken."""
    return Cue(f"gap {write_number(round(seconds, 1))} s", start, stop, Place.TOP_RIGHT,
               CreditStyle())  # fmt: skip


# ------------------------------------------------------------------ overlays


@dataclass(frozen=True)
class ClockStyle(Style):
    """How a clock looks, unless said otherwise: digits of one width, quieter than a label."""

    font: str = "mono"
    size: Share = field(default=Share(3, 100))
    outline: Share = field(default=Share(1, 10))


@dataclass(frozen=True)
class Clock:
    """A running clock, a line for each of `show`.

    `met` is the time since lift-off (`T+00:01:57`), `utc` the time of day that is seen, `speed`
    how much faster than life it runs, `video` the time in the clip.
    """

    kind: Literal["clock"] = "clock"
    show: tuple[Literal["met", "utc", "speed", "video"], ...] = ("met",)
    place: Place = Place.TOP_LEFT
    style: ClockStyle = field(default=ClockStyle())

    def __post_init__(self) -> None:
        if not self.show:
            raise ProjectError("show: it is empty; write what the clock shows, [met, utc, speed]")

    def cues(self, timeline: Timeline) -> tuple[Cue, ...]:
        """One cue for the whole clip."""
        face = _ClockFace(self.show, self.place, timeline, _speed_width(timeline))
        first, last = face(0), face(timeline.frames - 1)
        widest = max(first, last, key=lambda text: max(map(len, text.split("\n"))))
        return (Cue(face, 0, timeline.frames, self.place, self.style, widest=widest),)


def _speed_width(timeline: Timeline) -> int:
    """The length of the longest speed that a clip shows, in characters."""
    slowest, fastest, _ = timeline.schedule.speeds
    # The further from 1 the longer, but for the decimal that is left out from 1000 on.
    turn = [Fraction(999)] if slowest < 1000 <= fastest else []
    return max(len(write_speed(speed, always=True)) for speed in (slowest, fastest, *turn))


@dataclass(frozen=True, eq=False)
class _ClockFace:
    """The clock's text on a frame: a class, so that a cue can be sent to another process."""

    show: tuple[str, ...]
    place: Place
    timeline: Timeline
    speed_width: int

    def __call__(self, frame: int) -> str:
        time = self.timeline.rate.time_of(frame)
        moment = Moment(self.timeline, time, time, frame)
        lines = [
            self._speed(frame) if name == "speed" else moment.value(name) for name in self.show
        ]
        return "\n".join(lines)

    def _speed(self, frame: int) -> str:
        # The one field whose length varies: 9.9x, 15.3x, 86400x.  It always has its decimal and is
        # filled up to the longest of the clip, so that no digit jumps: on the side where the text
        # is not aligned; in the middle before it, where the longest, filled by nothing, is centred.
        text = write_speed(self.timeline.speed_at(frame), always=True)
        width = self.speed_width
        return text.ljust(width) if self.place.across < 0 else text.rjust(width)


@dataclass(frozen=True)
class CreditStyle(Style):
    """How a credit looks, unless said otherwise: small."""

    size: Share = field(default=Share(1, 40))
    outline: Share = field(default=Share(3, 25))


@dataclass(frozen=True)
class Credit:
    """A line that names who took the pictures; drawn as it is, from `since` until `until`."""

    text: str
    kind: Literal["credit"] = "credit"
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.BOTTOM_RIGHT
    style: CreditStyle = field(default=CreditStyle())

    def __post_init__(self) -> None:
        _end_lines(self, "text")
        if not self.text.strip():
            raise ProjectError("text: the credit is empty; name the agency and the photographer")

    def cues(self, timeline: Timeline) -> tuple[Cue, ...]:
        """One cue, cut to the clip; none where it lies outside."""
        start, stop = 0, timeline.frames
        if self.since:
            start = max(0, timeline.frame_of(self.since.resolve(timeline.context).time))
        if self.until:
            end = self.until.resolve(timeline.context).time
            # A frame that shows an instant before the end is shown.
            stop = min(stop, timeline.frame_from(end))
        if start >= stop:
            return ()
        return (Cue(self.text, start, stop, self.place, self.style),)


# The project file tells them apart by `kind`.
Overlay = Clock | Credit


def cues(
    milestones: Iterable[Milestone], overlays: Iterable[Overlay], timeline: Timeline
) -> tuple[Cue, ...]:
    """All that is drawn: the overlays as listed, then the milestones in the order of their frames.

    That is also the order in which places are given away: the first keeps its own.
    """
    fixed = [cue for overlay in overlays for cue in overlay.cues(timeline)]
    labels = [cue for milestone in milestones for cue in _place(milestone, timeline)[1]]
    return (*fixed, *sorted(labels, key=lambda cue: cue.start))
