"""Callouts: a ring or an arrow on a thing in the picture, with a line to what it is called."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import (
    Block,
    Canvas,
    Disc,
    Placed,
    Shapes,
    Stacked,
    Stroke,
    Words,
)
from timelapse.overlay.follow_track import Track, keyed
from timelapse.overlay.said import Said, chosen, cleaned
from timelapse.overlay.scene import Layer, Scene
from timelapse.overlay.style import Colour, Look, Place, Share
from timelapse.times import CaptureTime
from timelapse.written import Instant

_SHADE = Colour(0, 0, 0, 150)
Side = Literal["auto", "top-left", "top-right", "bottom-left", "bottom-right"]
_SIDES: dict[str, tuple[int, int]] = {
    "top-right": (1, -1),
    "top-left": (-1, -1),
    "bottom-right": (1, 1),
    "bottom-left": (-1, 1),
}


@dataclass(frozen=True)
class PointAt:
    """The thing is at `point`, x and y in pixels of the stills from their top left, at `at`."""

    at: Instant
    point: tuple[float, float]


@dataclass(frozen=True)
class Callout(Layer):
    """A ring or an arrow on a thing in the picture, with a line to its label.

    Where the thing is, is said by `points`, between which it moves smoothly; or it is found in the
    stills, from `points` on in both directions, with `follow: true`: then the callout is shown only
    where it was found.  `box` is how large the thing is, in pixels of the stills, and `search` how
    far it moves from one still to the next, at most.  `radius` is a share of the frame's height (of
    its width, if that is less).
    """

    label: Said
    points: tuple[PointAt, ...]
    kind: Literal["callout"] = "callout"
    shape: Literal["ring", "arrow"] = "ring"
    follow: bool = False
    box: int | None = None
    search: int | None = None
    radius: Share = field(default=Share(1, 30))
    side: Side = "auto"
    since: Instant | None = None
    until: Instant | None = None
    style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "label", cleaned("label", self.label))
        if not self.points:
            raise ProjectError("points: the list is empty; write [{at: T+10 s, point: [960, 540]}]")
        if not self.radius:
            raise ProjectError("radius: it is none; write 3 %")
        for name in ("box", "search"):
            if (value := getattr(self, name)) is not None and value < 3:
                raise ProjectError(f"{name}: {value} is too small; give at least 3 pixels")

    @property
    def sought(self) -> tuple[Any, ...]:
        """What decides where the thing is found."""
        return self.points, self.box, self.search

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """A cue for each run of frames on which the thing is known to be somewhere.

        None before it was followed, where that is asked for.
        """
        if scene.place is None or (self.follow and self.sought not in scene.tracks):
            return ()
        start, stop = scene.span(self.since, self.until)
        where, seen = self._places(scene, start, stop)
        what = Pointer(
            Words(chosen(self.label, ""), self.style.over(scene.theme.callout)),
            self.shape,
            self.radius,
            self.side,
            _Where(start, where),
            scene.theme.accent,
        )
        return tuple(
            self.cue(scene, replace(what, span=run), *run, path=_Beside(what.where))
            for run in _runs(seen, start)
        )

    def _places(
        self, scene: Scene, start: int, stop: int
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Where the thing is on the frames [start, stop), N x 2, and where that is known."""
        line = scene.timeline
        numbers = np.arange(start, stop)
        times = [line.capture_of(line.rate.time_of(n)) for n in numbers.tolist()]
        track = scene.tracks[self.sought] if self.follow else self.track(scene)
        x, y, seen = track.at(times)
        assert scene.place is not None
        points = np.stack([np.nan_to_num(x), np.nan_to_num(y)], axis=1)
        return scene.place(points, numbers), np.asarray(seen, bool)

    def track(self, scene: Scene) -> Track:
        """The track of a thing whose places are given by hand."""
        return keyed(self.starts(scene))

    def starts(self, scene: Scene) -> list[tuple[CaptureTime, float, float]]:
        """Where it is looked for first: capture times with x and y in pixels of the stills."""
        return [(self._time(point, scene), *point.point) for point in self.points]

    def _time(self, point: PointAt, scene: Scene) -> CaptureTime:
        line = scene.timeline
        return line.capture_of(point.at.resolve(line.context).time)


def _runs(seen: NDArray[np.bool_], start: int) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], seen, [False]]).astype(np.int8)))
    return [(start + int(a), start + int(b)) for a, b in edges.reshape(-1, 2)]


@dataclass(frozen=True, eq=False)
class _Where:
    """Points in the frame, for the frames from `start` on."""

    start: int
    points: NDArray[np.float64]

    def __call__(self, frame: int) -> tuple[float, float]:
        at = min(max(frame - self.start, 0), len(self.points) - 1)
        return float(self.points[at, 0]), float(self.points[at, 1])


@dataclass(frozen=True, eq=False)
class _Beside:
    """A pointer's corner: its own point comes to stand on the thing."""

    where: _Where

    def __call__(self, frame: int, canvas: Canvas, block: Block) -> tuple[float, float]:
        assert isinstance(block, _Pointing)
        x, y = self.where(frame)
        # Pixels are counted from their middles there, and from their edges here.
        return x + 0.5 - block.point[0], y + 0.5 - block.point[1]


@dataclass(frozen=True)
class Pointer:
    """A ring or an arrow whose middle or tip is on a thing, a line, and a label at its end."""

    label: Words
    shape: Literal["ring", "arrow"]
    radius: Share
    side: Side
    where: _Where
    colour: Colour
    span: tuple[int, int] = (0, 0)

    @property
    def words(self) -> str:
        return self.label.words or "callout"

    def margin(self, side: int) -> int:
        return 0

    def lay(self, canvas: Canvas, place: Place) -> _Pointing:
        radius = max(3.0, float(self.radius * canvas.side))
        pen = max(1.5, canvas.side / 360)
        text = None
        if self.label.words.strip():
            text = self.label.lay(canvas, Place.CENTER)
        sides = _SIDES if self.side == "auto" else {self.side: _SIDES[self.side]}
        choices = [self._towards(to, radius, pen, text) for to in sides.values()]
        return min(choices, key=lambda block: self._outside(block, canvas))

    def _outside(self, block: _Pointing, canvas: Canvas) -> float:
        """How far the block reaches out of the frame, over all frames that show it."""
        points = self.where.points
        first, last = (at - self.where.start for at in self.span)
        corner = points[first : max(last, first + 1)] - np.array(block.point)
        size = np.array((block.width, block.height))
        beyond = np.maximum(-corner, 0) + np.maximum(corner + size - np.array(canvas.size), 0)
        return float(beyond.sum())

    def _towards(
        self, to: tuple[int, int], radius: float, pen: float, text: Block | None
    ) -> _Pointing:
        reach = radius + 2 * pen
        out, flat = 2.2 * radius, 0.8 * radius  # the line: off the ring, then level to the label
        width = text.width if text else 0
        height = text.height if text else 0
        gap = 2 * pen
        across = out + flat + gap + width if text else reach
        up = out + height / 2 if text else reach
        left = across if to[0] < 0 else reach
        right = across if to[0] > 0 else reach
        above = max(reach, up) if to[1] < 0 else reach
        below = max(reach, up) if to[1] > 0 else reach
        x, y = float(round(left)), float(round(above))
        knee = (x + to[0] * out, y + to[1] * out)
        end = (knee[0] + to[0] * flat, knee[1])
        size = (round(x + right), round(y + below))
        edge = 2**-0.5 * radius
        start = (x + to[0] * edge, y + to[1] * edge) if self.shape == "ring" else (x, y)
        leader = (start, knee, end) if text else ()
        bleed = round(2 * pen) + (text.bleed if text else 0) + 1
        shapes = Shapes(tuple(self._marks(x, y, to, radius, pen, leader)), *size, bleed)
        parts = [Placed(shapes, 0, 0)]
        if text:
            tx = end[0] + gap if to[0] > 0 else end[0] - gap - width
            parts.append(Placed(text, round(tx), round(end[1] - height / 2)))
        return _Pointing(tuple(parts), *size, bleed, point=(x, y))

    def _marks(
        self,
        x: float,
        y: float,
        to: tuple[int, int],
        radius: float,
        pen: float,
        leader: tuple[tuple[float, float], ...],
    ) -> list[Stroke | Disc]:
        found: list[Stroke | Disc] = []
        tip = 0.35 * radius  # an arrow ends a little before the thing, and does not hide it
        if self.shape == "arrow":
            base = (x + to[0] * 1.2 * radius, y + to[1] * 1.2 * radius)
            head = (x + to[0] * tip, y + to[1] * tip)
            wide = 0.32 * radius
            corners = (
                head,
                (base[0] - to[1] * -wide, base[1] - to[0] * wide),
                (base[0] + to[1] * -wide, base[1] + to[0] * wide),
            )
            knee = (base[0] + to[0] * radius, base[1] + to[1] * radius)
            leader = (base, *(leader[1:] or (knee,)))
        for colour, grow in ((_SHADE, 2 * pen), (self.colour, 0.0)):
            if self.shape == "ring":
                found.append(Disc(x, y, radius, colour, pen + grow))
            else:
                if grow:
                    found.append(Stroke((*corners, corners[0]), colour, grow))
                found.append(Stroke(corners, colour))
            if leader:
                found.append(Stroke(leader, colour, pen + grow))
        return found

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        return laid


@dataclass(frozen=True)
class _Pointing(Stacked):
    """Blocks in one, whose `point` is to stand on a thing."""

    point: tuple[float, float] = (0.0, 0.0)
