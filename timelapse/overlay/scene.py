"""What layers are placed in, and what all of them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.overlay.cue import Cue, Transition
from timelapse.overlay.style import Share
from timelapse.overlay.themes import PLAIN, Theme
from timelapse.times import CaptureTime, MissionTime, Seconds, VideoTime
from timelapse.written import Instant

if TYPE_CHECKING:
    from timelapse.retime import Timeline

FADE = Seconds(1, 4)
#: Still pixels (N x 2) on each of N frames, as frame pixels.
Placing = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


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


class GapShown(NamedTuple):
    """A gap of the roll on the frames [start, stop): how long nothing was taken."""

    start: int
    stop: int
    seconds: Fraction


@dataclass(frozen=True)
class Scene:
    """A clip, as layers see it: its clocks, its theme, its milestones, the gaps of its roll and
    the roll's interval; and for what stands on things in the picture, where these are.

    `tracks` has what was followed, by what was sought; `place` says where pixels of the stills are
    in the frames.
    """

    timeline: Timeline
    theme: Theme = PLAIN
    marks: tuple[PlacedMilestone, ...] = ()
    gaps: tuple[GapShown, ...] = ()
    interval: Fraction | None = None
    tracks: Mapping[Any, Any] = field(default_factory=dict)
    place: Placing | None = None

    def span(self, since: Instant | None, until: Instant | None) -> tuple[int, int]:
        """The frames [start, stop) of the clip from one instant until another; of all of it where
        they are not given.  A frame that shows an instant before the end is shown."""
        line = self.timeline
        start, stop = 0, line.frames
        if since:
            start = line.frame_of(since.resolve(line.context).time)
        if until:
            stop = min(stop, line.frame_from(until.resolve(line.context).time))
        start = min(max(0, start), line.frames)
        return start, max(start, stop)


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """What every layer has: how opaque it is; `order`, by which what is drawn later covers what was
    drawn before; the name of its `group`; and how it comes and goes: `fade`, `slide` or `cut`,
    during `fade` each."""

    opacity: Share = Share(1)
    order: int = 0
    group: str = ""
    transition: Transition = "fade"
    fade: Seconds | None = None

    def __post_init__(self) -> None:
        if self.fade is not None and self.fade < 0:
            raise ProjectError(f"fade: {self.fade} is negative; write 0.25 s, or transition: cut")

    @abstractmethod
    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """What it shows when in a clip; cues of no frames, or none, where it lies outside."""

    def cue(self, scene: Scene, what: Any, start: int, stop: int, **more: Any) -> Cue:
        """This layer as a cue that comes and goes within [start, stop), but neither comes where it
        is there from the clip's first frame on, nor goes where it is there up to the last."""
        frames = scene.timeline.rate.frames_in(FADE if self.fade is None else self.fade)
        most = min(frames, (stop - start - 1) // 2)
        given: dict[str, Any] = {
            "come": most if start > 0 else 0,
            "go": most if stop < scene.timeline.frames else 0,
            "transition": self.transition,
            "strength": Fraction(self.opacity),
            "order": self.order,
        }
        return Cue(what, start, stop, **given | more)


@dataclass(frozen=True)
class Group:
    """Layers that are turned on and off as one: `opacity` and `order` go on top of their own, and
    they are shown from `since` until `until` alone; with `show: false` not at all."""

    opacity: Share = Share(1)
    order: int = 0
    since: Instant | None = None
    until: Instant | None = None
    show: bool = True

    def of(self, cue: Cue, scene: Scene) -> Cue:
        """A cue of one of its layers, as the group has it; of no frame where it is not shown."""
        start, stop = scene.span(self.since, self.until)
        if not self.show:
            stop = start
        return replace(
            cue,
            start=max(cue.start, start),
            stop=min(cue.stop, stop),
            strength=cue.strength * self.opacity,
            order=cue.order + self.order,
        )
