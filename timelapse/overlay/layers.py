"""What can be laid over a clip beside milestones: texts, clocks, logos; and all that is drawn.

A layer is a frozen dataclass that the project file fills.  `cues` turns layers into `Cue`s, which
say all that drawing needs.  A new layer is one class with a `cues` method and a `kind` of its own,
and its name in `Overlay`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from timelapse.errors import ProjectError
from timelapse.overlay.callout import Callout
from timelapse.overlay.cards import Credits, End, Title
from timelapse.overlay.charts import Progress, SpeedMap
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import Words
from timelapse.overlay.milestones import Milestone, titled
from timelapse.overlay.pictures import Picture
from timelapse.overlay.said import Said, chosen, cleaned
from timelapse.overlay.scene import GapShown, Group, Layer, Scene
from timelapse.overlay.style import Look, Place, Share
from timelapse.overlay.template import Moment, write_pace, write_speed
from timelapse.times import Seconds, write_number
from timelapse.written import Instant

ClockField = Literal["met", "utc", "speed", "stills", "video"]


@dataclass(frozen=True)
class Clock(Layer):
    """A running clock, a line for each of `show`.

    `met` is the time since lift-off (`T+00:01:57`), `utc` the time of day that is seen, `speed`
    how much faster than life it runs, `stills` how many stills a second shows, `video` the time in
    the clip.  Its digits stand still.
    """

    kind: Literal["clock"] = "clock"
    show: tuple[ClockField, ...] = ("met",)
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.TOP_LEFT
    style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.show:
            raise ProjectError("show: it is empty; write what the clock shows, [met, utc, speed]")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue."""
        face = _ClockFace(self.show, self.place, scene, _speed_width(scene))
        start, stop = scene.span(self.since, self.until)
        first, last = face(start), face(max(start, stop - 1))
        widest = max(first, last, key=lambda text: max(map(len, text.split("\n"))))
        words = Words(face, self.style.over(scene.theme.clock), widest)
        return (self.cue(scene, words, start, stop, place=self.place),)


def _speed_width(scene: Scene) -> int:
    """The length of the longest speed that a clip shows, in characters."""
    slowest, fastest, _ = scene.timeline.schedule.speeds
    # The further from 1 the longer, but for the decimal that is left out from 1000 on.
    turn = [Fraction(999)] if slowest < 1000 <= fastest else []
    speeds = [slowest, fastest, *turn]
    if interval := scene.interval:
        speeds += [speed / interval for speed in (slowest, fastest)]
        speeds += [Fraction(999)] if slowest < 1000 * interval <= fastest else []
    return max(len(write_speed(speed, always=True)) for speed in speeds)


@dataclass(frozen=True, eq=False)
class _ClockFace:
    """The clock's text on a frame: a class, so that a cue can be sent to another process."""

    show: tuple[str, ...]
    place: Place
    scene: Scene
    speed_width: int

    def __call__(self, frame: int) -> str:
        line = self.scene.timeline
        time = line.rate.time_of(frame)
        moment = Moment(line, time, time, frame)
        running = {"speed": self._speed, "stills": self._stills}
        return "\n".join(
            self._filled(running[name](frame)) if name in running else moment.value(name)
            for name in self.show
        )

    def _speed(self, frame: int) -> str:
        return write_speed(self.scene.timeline.speed_at(frame), always=True)

    def _stills(self, frame: int) -> str:
        speed = self.scene.timeline.speed_at(frame)
        return write_pace(speed, self.scene.interval, always=True)

    def _filled(self, text: str) -> str:
        # The fields whose length varies: 9.9x, 15.3x, 86400x.  They always have their decimal and
        # are filled up to the longest of the clip, so that no digit jumps: on the side where the
        # text is not aligned; in the middle before it, where the longest, filled by nothing, is
        # centred.
        number, space, unit = text.partition(" ")
        width = self.speed_width - bool(unit)  # "15.3x" against "15.3"
        if self.place.across < 0:
            return f"{number}{space}{unit}".ljust(width + len(space + unit))
        return f"{number.rjust(width)}{space}{unit}"


@dataclass(frozen=True)
class Credit(Layer):
    """A line that names who took the pictures; drawn as it is, from `since` until `until`."""

    text: Said
    kind: Literal["credit"] = "credit"
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.BOTTOM_RIGHT
    style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        text = cleaned("text", self.text, "the credit is empty; name the agency and photographer")
        object.__setattr__(self, "text", text)

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue, cut to the clip."""
        words = Words(chosen(self.text, ""), self.style.over(scene.theme.credit))
        return (self.cue(scene, words, *scene.span(self.since, self.until), place=self.place),)


@dataclass(frozen=True)
class Span(Layer):
    """What goes on from `since` until `until`: its label is shown for all of that."""

    label: Said
    since: Instant
    until: Instant
    kind: Literal["span"] = "span"
    subtitle: Said = ""
    place: Place = Place.BOTTOM_LEFT
    style: Look = field(default=Look())
    subtitle_style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        label = cleaned("label", self.label, "say what goes on")
        object.__setattr__(self, "label", label)

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue, cut to the clip."""
        what = titled(
            chosen(self.label, ""),
            chosen(self.subtitle, ""),
            self.style.over(scene.theme.span),
            self.subtitle_style.over(scene.theme.subtitle),
        )
        return (self.cue(scene, what, *scene.span(self.since, self.until), place=self.place),)


@dataclass(frozen=True)
class LowerThird(Layer):
    """Who or what is seen: a `name` over a `detail`, in a box, from `at` on for `hold`, which is
    video time."""

    name: Said
    at: Instant
    kind: Literal["lower-third"] = "lower-third"
    detail: Said = ""
    hold: Seconds = field(default=Seconds(5))
    place: Place = Place.BOTTOM_LEFT
    style: Look = field(default=Look())
    detail_style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "name", cleaned("name", self.name, "say who or what is seen"))
        if self.hold <= 0:
            raise ProjectError(f"hold: {self.hold} has to be above zero; write 5 s")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue; none where it lies outside the clip."""
        line = scene.timeline
        time = self.at.resolve(line.context).time
        start = line.frame_of(time)
        stop = line.rate.frames_in(line.video_of(time).seconds + self.hold)
        if not 0 <= start < line.frames:
            return ()
        what = titled(
            chosen(self.name, ""),
            chosen(self.detail, ""),
            self.style.over(scene.theme.name),
            self.detail_style.over(scene.theme.detail),
        )
        return (self.cue(scene, what, start, stop, place=self.place),)


@dataclass(frozen=True)
class GapCaption(Layer):
    """Says, while a gap of the roll is shown, for how long nothing was taken: `{seconds}` in its
    `text`.  Gaps shorter than `least` are passed over."""

    kind: Literal["gap"] = "gap"
    text: Said = "gap {seconds} s"
    least: Seconds = field(default=Seconds(0))
    place: Place = Place.TOP_RIGHT
    style: Look = field(default=Look())

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue a gap that the clip shows."""
        return tuple(
            self.cue(scene, self._words(gap, scene), gap.start, gap.stop, place=self.place)
            for gap in scene.gaps
            if gap.seconds >= self.least
        )

    def _words(self, gap: GapShown, scene: Scene) -> Words:
        seconds = write_number(round(gap.seconds, 1))
        text = chosen(self.text, "").replace("{seconds}", seconds)
        return Words(text, self.style.over(scene.theme.gap))


@dataclass(frozen=True)
class Logo(Layer):
    """A picture with transparency over the film: a logo, a watermark, a scale, a north arrow.

    `file` is a PNG, WebP, JPEG or SVG; `height` is a share of the frame's height (of its width,
    if that is less), and so is `margin`.
    """

    file: str
    kind: Literal["logo"] = "logo"
    height: Share = field(default=Share(1, 12))
    margin: Share = field(default=Share(1, 20))
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.TOP_RIGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.height:
            raise ProjectError("height: it is none; write 8 %")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue."""
        what = Picture(Path(self.file), self.height, self.margin)
        return (self.cue(scene, what, *scene.span(self.since, self.until), place=self.place),)


# The project file tells them apart by `kind`.
Overlay = (
    Clock
    | Credit
    | Span
    | LowerThird
    | Title
    | End
    | Credits
    | Progress
    | SpeedMap
    | Logo
    | GapCaption
    | Callout
)


def cues(
    milestones: Iterable[Milestone],
    overlays: Iterable[Layer],
    scene: Scene,
    groups: Mapping[str, Group] | None = None,
) -> tuple[Cue, ...]:
    """All that is drawn: the overlays as listed, then the milestones in the order of their frames.

    That is also the order in which places are given away: the first keeps its own.
    """
    known = groups or {}

    def shown(layers: Iterable[Layer]) -> list[Cue]:
        return [
            known[layer.group].of(cue, scene) if layer.group in known else cue
            for layer in layers
            for cue in layer.cues(scene)
        ]

    fixed, labels = shown(overlays), shown(milestones)
    return (*fixed, *sorted(labels, key=lambda cue: cue.start))
