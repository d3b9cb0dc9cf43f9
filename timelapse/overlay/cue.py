"""Cues: what is shown on which frames, how it comes and goes, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from timelapse.overlay.drawing import Block, Canvas, Drawing
from timelapse.overlay.style import Place, Safe, Share

Transition = Literal["fade", "slide", "cut"]
#: Where the corner of a block is on a frame, in pixels that need not be whole.
Path = Callable[[int, Canvas, Block], tuple[float, float]]
#: How far what slides comes from, of the canvas's side.
_SLIDE = Share(1, 15)
_FULL = Fraction(1)


@dataclass(frozen=True)
class Cue:
    """A drawing on the frames from `start` up to, and without, `stop` (which may lie past the end).

    It comes during `come` frames from `start` and goes during `go` frames up to `stop`, as
    `transition` says; `strength` is how opaque it is between.  It stands at `place`, where it
    gives way to those before it; or, with a `path`, wherever that says, beside nothing and above
    all.  What has a higher `order` is drawn later, over the others.  `safe` is kept free of it.
    """

    what: Drawing
    start: int
    stop: int
    place: Place = Place.BOTTOM_LEFT
    come: int = 0
    go: int = 0
    transition: Transition = "fade"
    strength: Fraction = _FULL
    order: int = 0
    path: Path | None = None
    safe: Safe = field(default=Safe())

    def shows(self, frame: int) -> bool:
        """Whether any of it is seen on a frame."""
        return self.start <= frame < self.stop

    def opacity(self, frame: int) -> Fraction:
        """From 0 (not shown) to `strength`.

        Frame k = 0, 1... of n frames that come has 1/4 + 3/4 k/n of it: a quarter on the first, so
        that it is seen there at any rate, and all from frame n on.  Going is the same backwards, a
        quarter on the last frame shown.
        """
        return self._presence(frame) * self.strength

    def shift(self, frame: int, canvas: Canvas) -> tuple[float, float]:
        """How far from its place it is drawn on a frame, in pixels: only what slides is, towards
        the edge that it stands at."""
        away = 1 - self._presence(frame)
        if self.transition != "slide" or not away:
            return 0.0, 0.0
        distance = float(_SLIDE * canvas.side * away * away)  # it slows down as it arrives
        across, down = self.place.across, self.place.down
        return (across * distance, 0.0) if across else (0.0, (down or 1) * distance)

    def _presence(self, frame: int) -> Fraction:
        if not self.shows(frame):
            return Fraction(0)
        if self.transition == "cut":
            return _FULL
        return min(_ramp(frame - self.start, self.come), _ramp(self.stop - 1 - frame, self.go))


def _ramp(at: int, frames: int) -> Fraction:
    return Fraction(frames + 3 * at, 4 * frames) if at < frames else _FULL
