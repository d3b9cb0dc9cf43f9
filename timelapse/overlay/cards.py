"""Cards: what covers the film for a while, with words on it; and credits that roll."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from timelapse.errors import ProjectError
from timelapse.overlay.cue import Cue
from timelapse.overlay.drawing import Block, Canvas, Stack, Stacked, Words, flat
from timelapse.overlay.said import Said, chosen, cleaned
from timelapse.overlay.scene import Layer, Scene
from timelapse.overlay.style import Colour, Look, Place, Share
from timelapse.overlay.text import Sprite
from timelapse.times import Seconds

#: A card covers what has no order of its own.
_ABOVE = 100


@dataclass(frozen=True)
class Ground:
    """A colour over all of the frame."""

    colour: Colour
    words: str = "card"

    def margin(self, side: int) -> int:
        return 0

    def lay(self, canvas: Canvas, place: Place) -> _Filled:
        return _Filled(self.colour, *canvas.size)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        return laid


@dataclass(frozen=True)
class _Filled:
    colour: Colour
    width: int
    height: int
    bleed: int = 0

    def key(self) -> str:
        return repr(self)

    def paint(self) -> Sprite:
        return flat(self.colour, self.width, self.height)


def _corner(*_: object) -> tuple[float, float]:
    return 0.0, 0.0


@dataclass(frozen=True)
class _Card(Layer):
    """`hold` is of video time; `ground` is what covers the film, as the theme has it if not given;
    the film goes on below.  `schedule.hold_first` and `hold_last` hold it."""

    title: Said
    subtitle: Said = ""
    hold: Seconds = field(default=Seconds(4))
    fade: Seconds | None = field(default=Seconds(1, 2), kw_only=True)
    ground: Colour | None = None
    place: Place = Place.CENTER
    style: Look = field(default=Look())
    subtitle_style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        title = cleaned("title", self.title, "say what stands on the card")
        object.__setattr__(self, "title", title)
        if self.hold <= 0:
            raise ProjectError(f"hold: {self.hold} has to be above zero; write 4 s")

    def _cues(self, scene: Scene, start: int, stop: int) -> tuple[Cue, ...]:
        theme = scene.theme
        colour = theme.card if self.ground is None else self.ground
        below = chosen(self.subtitle, "")
        style = self.style.over(theme.title)
        small = replace(style, font="sans", size=Share(style.size / 2))
        parts = [Words(chosen(self.title, ""), style)]
        if below.strip():
            parts.append(Words(below, self.subtitle_style.over(small)))
        ground = self.cue(scene, Ground(colour), start, stop, path=_corner, transition="fade")
        text = self.cue(scene, Stack(tuple(parts), Share(1, 40)), start, stop, place=self.place)
        order = self.order + _ABOVE
        return replace(ground, order=order), replace(text, order=order + 1)


@dataclass(frozen=True)
class Title(_Card):
    """A title card over the clip's first frames, for `hold` of video time."""

    kind: Literal["title"] = "title"

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """The ground, and what stands on it."""
        return self._cues(
            scene, 0, min(scene.timeline.rate.frames_in(self.hold), scene.timeline.frames)
        )


@dataclass(frozen=True)
class End(_Card):
    """An end card over the clip's last frames, for `hold` of video time."""

    kind: Literal["end"] = "end"

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """The ground, and what stands on it."""
        frames = scene.timeline.frames
        return self._cues(scene, max(0, frames - scene.timeline.rate.frames_in(self.hold)), frames)


@dataclass(frozen=True)
class Credits(Layer):
    """Lines that roll upwards over the clip's last frames, through all of the frame during `hold`
    of video time or a little less: they move by whole pixels a frame, so that they do not shake.

    A line that begins with `#` is a heading.
    """

    lines: tuple[Said, ...]
    kind: Literal["credits"] = "credits"
    hold: Seconds = field(default=Seconds(12))
    ground: Colour | None = None
    style: Look = field(default=Look())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.lines:
            raise ProjectError("lines: the list is empty; write whom to thank")
        if self.hold <= 0:
            raise ProjectError(f"hold: {self.hold} has to be above zero; write 12 s")

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """The ground, and the roll on it."""
        frames, theme = scene.timeline.frames, scene.theme
        start = max(0, frames - scene.timeline.rate.frames_in(self.hold))
        style = self.style.over(theme.credits)
        bold = replace(style, font="sans-bold", size=Share(style.size * 6 / 5))
        words = []
        for line in self.lines:
            text = chosen(line, "")
            heading = text.startswith("#")
            words.append(Words(text.lstrip("# ") if heading else text, bold if heading else style))
        colour = theme.card if self.ground is None else self.ground
        ground = self.cue(scene, Ground(colour), start, frames, path=_corner, transition="fade")
        roll = Cue(
            Reel(tuple(words)), start, frames, Place.TOP, strength=ground.strength,
            path=_Rolling(start, frames),
        )  # fmt: skip
        order = self.order + _ABOVE
        return replace(ground, order=order), replace(roll, order=order + 1)


@dataclass(frozen=True)
class Reel(Stack):
    """Words below each other that may be higher than the frame."""

    gap: Share = Share(1, 60)

    def lay(self, canvas: Canvas, place: Place) -> Stacked:
        return super().lay(_Tall(canvas.size, canvas.safe), place)


class _Tall(Canvas):
    """A canvas with room for a text that is higher than it."""

    def room(self, margin: int) -> tuple[int, int]:
        return super().room(margin)[0], 1 << 20


@dataclass(frozen=True)
class _Rolling:
    """Up through the frame, from the frame `start` on, gone by `stop`."""

    start: int
    stop: int

    def __call__(self, frame: int, canvas: Canvas, block: Block) -> tuple[float, float]:
        width, height = canvas.size
        way = height + block.height
        step = -(-way // max(1, self.stop - self.start - 1))
        return (width - block.width) // 2, height - step * (frame - self.start)
