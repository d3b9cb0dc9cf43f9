"""Where in the mission the clip is: a bar with the milestones as ticks, and the curve of speed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import (
    Block,
    Canvas,
    Disc,
    Shapes,
    Stroke,
    flattened,
    rounded,
)
from timelapse.overlay.scene import Layer, Scene
from timelapse.overlay.style import Colour, Place, Share
from timelapse.overlay.text import Sprite
from timelapse.written import Instant

#: Behind lines, so that they are seen on a light ground.
_SHADE = Colour(0, 0, 0, 120)
_EDGE = Share(1, 20)
#: Points of a curve: more than a small chart has columns.
_POINTS = 200


@dataclass(frozen=True)
class Progress(Layer):
    """A bar along the frame that fills as the mission goes on, with the milestones as ticks.

    `width` is a share of the frame's width, `height` of its height (of its width, if that is less).
    """

    kind: Literal["progress"] = "progress"
    width: Share = field(default=Share(1))
    height: Share = field(default=Share(1, 135))
    ticks: bool = True
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.BOTTOM

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width or not self.height:
            raise ProjectError("width and height of the bar have to be above zero")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue."""
        line = scene.timeline
        at = [line.mission_at(frame).seconds for frame in (0, line.frames - 1)]
        marks = [mark.mission.seconds for mark in scene.marks if mark.showings]
        first, last = min(at), max(at)
        whole = max(last - first, Fraction(1, 10**9))
        ticks = tuple((mark - first) / whole for mark in marks if first <= mark <= last)
        gauge = Gauge(
            _Share(scene, first, whole),
            ticks if self.ticks else (),
            self.width,
            self.height,
            scene.theme.accent,
            scene.theme.line,
        )
        start, stop = scene.span(self.since, self.until)
        return (self.cue(scene, gauge, start, stop, place=self.place),)


@dataclass(frozen=True, eq=False)
class _Share:
    """How much of the mission is over on a frame, from 0 to 1."""

    scene: Scene
    first: Fraction
    whole: Fraction

    def __call__(self, frame: int) -> Fraction:
        now = self.scene.timeline.mission_at(frame).seconds
        return min(Fraction(1), max(Fraction(0), (now - self.first) / self.whole))


@dataclass(frozen=True)
class Gauge:
    """A bar that is filled up to a share, with ticks at shares of its length."""

    share: _Share
    ticks: tuple[Fraction, ...]
    width: Share
    height: Share
    filled: Colour
    line: Colour
    words: str = "progress"

    def margin(self, side: int) -> int:
        return _EDGE.of(side)

    def lay(self, canvas: Canvas, place: Place) -> _Gauged:
        width = min(self.width.of(canvas.size[0]), canvas.room(self.margin(canvas.side))[0])
        thick = max(2, self.height.of(canvas.side))
        return _Gauged(max(4, width), 3 * thick, thick, 0, self.ticks, self.filled, self.line)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        assert isinstance(laid, _Gauged)
        # To an eighth of a pixel: finer is not seen.
        return replace(laid, eighths=round(self.share(frame) * laid.width * 8))


@dataclass(frozen=True)
class _Gauged:
    width: int
    height: int
    thick: int
    eighths: int  # of a pixel that are filled
    ticks: tuple[Fraction, ...]
    filled: Colour
    line: Colour
    bleed: int = 1

    def key(self) -> str:
        return repr(self)

    def paint(self) -> Sprite:
        columns = np.arange(-1, self.width + 1, dtype=np.float32)
        inside = ((columns >= 0) & (columns < self.width)).astype(np.float32)
        full = np.clip(np.float32(self.eighths / 8) - columns, 0, 1) * inside
        tick = np.zeros(len(columns), np.float32)
        for share in self.ticks:
            at = 1 + round(share * (self.width - 1))
            tick[max(0, at - 1) : at + 1] = 1
        # Rows are of three kinds: those that only ticks reach, the bar's edges, and the bar.
        kinds = np.zeros((3, len(columns), 4), np.float32)
        _over(kinds[0], _SHADE, tick)
        _over(kinds[1:], _SHADE, np.ones_like(tick))
        _over(kinds[2], self.line, inside * np.float32(0.35))
        _over(kinds[2], self.filled, full)
        _over(kinds, self.line, tick)
        sprite = rounded(kinds)
        rows = np.zeros(self.height + 2, np.int64)
        rows[self.thick : 2 * self.thick + 2] = 1
        rows[self.thick + 1 : 2 * self.thick + 1] = 2
        rgb, alpha = sprite.rgb[rows], sprite.alpha[rows]
        rgb[[0, -1]], alpha[[0, -1]] = 0, 0
        return Sprite(rgb, alpha)


def _over(mixed: NDArray[np.float32], colour: Colour, cover: NDArray[np.float32]) -> None:
    """Puts a colour over premultiplied RGBA where `cover` (0 to 1) is."""
    share = (cover * np.float32(colour.alpha / 255))[..., None]
    mixed *= 1 - share
    mixed += share * np.array((colour.red, colour.green, colour.blue, 255), np.float32)


@dataclass(frozen=True)
class SpeedMap(Layer):
    """The curve of the clip's speed, small, with a dot where the clip is; the higher the faster.

    `width` and `height` are shares of the frame's height (of its width, if that is less).
    """

    kind: Literal["speed-map"] = "speed-map"
    width: Share = field(default=Share(1, 3))
    height: Share = field(default=Share(2, 25))
    since: Instant | None = None
    until: Instant | None = None
    place: Place = Place.TOP_RIGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width or not self.height:
            raise ProjectError("width and height of the map have to be above zero")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue."""
        line = scene.timeline
        numbers = np.unique(np.linspace(0, line.frames - 1, _POINTS).astype(int)).tolist()
        speeds = tuple(float(line.speed_at(n)) for n in numbers)
        span = max(1, line.frames - 1)
        curve = Curve(
            tuple(n / span for n in numbers),
            speeds,
            _Speed(scene),
            span,
            self.width,
            self.height,
            scene.theme.accent,
            scene.theme.line,
        )
        start, stop = scene.span(self.since, self.until)
        return (self.cue(scene, curve, start, stop, place=self.place),)


@dataclass(frozen=True, eq=False)
class _Speed:
    scene: Scene

    def __call__(self, frame: int) -> float:
        return float(self.scene.timeline.speed_at(frame))


@dataclass(frozen=True)
class Curve:
    """A curve through (across, values), across from 0 to 1, with a dot on it."""

    across: tuple[float, ...]
    values: tuple[float, ...]
    value: _Speed
    span: int
    width: Share
    height: Share
    dot: Colour
    line: Colour
    words: str = "speed-map"

    def margin(self, side: int) -> int:
        return _EDGE.of(side)

    def lay(self, canvas: Canvas, place: Place) -> _Dotted:
        width, height = self.width.of(canvas.side), self.height.of(canvas.side)
        width = max(8, min(width, canvas.room(self.margin(canvas.side))[0]))
        height, pen = max(8, height), max(1.0, canvas.side / 400)
        points = tuple(
            self._at(across, value, width, height)
            for across, value in zip(self.across, self.values, strict=True)
        )
        if len(points) == 1:
            points = ((0.0, points[0][1]), (float(width), points[0][1]))
        marks = (Stroke(points, _SHADE, 3 * pen), Stroke(points, self.line, pen))
        radius = max(2.0, canvas.side / 180)
        bleed = max(2 + round(3 * pen), round(radius) + 3)
        return _Dotted(Shapes(marks, width, height, bleed), radius)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        assert isinstance(laid, _Dotted)
        x, y = self._at(frame / self.span, self.value(frame), laid.width, laid.height)
        # To an eighth of a pixel: finer is not seen.
        return replace(laid, x=round(x * 8) / 8, y=round(y * 8) / 8, colour=self.dot)

    def _at(self, across: float, value: float, width: int, height: int) -> tuple[float, float]:
        low, high = min(0.0, *self.values), max(0.0, *self.values)
        up = (value - low) / (high - low) if high > low else 0.5
        return across * width, (1 - min(1.0, max(0.0, up))) * height


@dataclass(frozen=True)
class _Dotted:
    """A curve with a dot on it, whose middle is at (x, y)."""

    curve: Shapes
    radius: float
    x: float = 0.0
    y: float = 0.0
    colour: Colour = _SHADE

    @property
    def width(self) -> int:
        return self.curve.width

    @property
    def height(self) -> int:
        return self.curve.height

    @property
    def bleed(self) -> int:
        return self.curve.bleed

    def key(self) -> str:
        return repr(self)

    def paint(self) -> Sprite:
        curve, half = self.curve.paint(), round(self.radius) + 2
        left, top = round(self.x) - half, round(self.y) - half
        x, y = self.x - left, self.y - top
        marks = Disc(x, y, self.radius + 1, _SHADE), Disc(x, y, self.radius, self.colour)
        dot = Shapes(marks, 2 * half, 2 * half).paint()
        rgb, alpha = curve.rgb.copy(), curve.alpha.copy()
        box = np.s_[top + self.bleed :, left + self.bleed :]
        part = np.s_[: 2 * half, : 2 * half]
        around = Sprite(rgb[box][part], alpha[box][part])
        over = flattened((2 * half, 2 * half), [(around, 0, 0), (dot, 0, 0)])
        around.rgb[...], around.alpha[...] = over.rgb, over.alpha
        return Sprite(rgb, alpha)
