"""The bridge to moviepy, both ways: a film as a `VideoClip` that others compose, and a clip of
theirs as a card, a transition or an inset over a film of ours."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor, inf, nextafter
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import H264
from timelapse.deliver.sound import Mix
from timelapse.errors import RenderError
from timelapse.grade import Display, Fit
from timelapse.overlay import Canvas, Cue, Place, Scene, Share
from timelapse.overlay.drawing import Block
from timelapse.overlay.scene import Layer
from timelapse.overlay.text import Sprite
from timelapse.project import Project
from timelapse.render import Findings, Job, frames, measured
from timelapse.times import Rate, Seconds
from timelapse.written import Instant

if TYPE_CHECKING:
    from moviepy import VideoClip

#: moviepy tells times as floats, which may fall short of a frame's instant by a rounding; this
#: much of a frame is given to the next one.  A film of ten million frames rounds by less.
_SHORT = 1e-6
#: Frames made in one go; a longer run would have to be planned longer before its first frame.
_RUN = 250
#: A jump forward by so many frames is not worth another start.
_RUN_ON = 8
#: What fills the frame covers what has no order of its own, as cards do.
_ABOVE = 100


# ------------------------------------------------------------------ ours to moviepy


def to_moviepy(
    film: Project | Job, *, workers: int = 2, findings: Findings | None = None
) -> VideoClip:
    """A film as a clip of moviepy's, with its sound, to be composed with others.

    `clip.get_frame(t)` is the finished frame that holds the instant t: H x W x 3, RGB, uint8,
    display light, the caller's own; before the first frame it is the first, after the last the
    last.  Times may be asked for in any order: what follows shortly after costs one frame, another
    place a new start.  `clip.rate` is the exact rate, of which `clip.fps` is the nearest float;
    `clip.duration` times `clip.fps` is the exact number of frames.  `workers` threads decode;
    stills that prove unreadable are told in `findings`, and in `clip.findings`.

    `clip.close()` stops the threads and closes the files; of a closed clip more may be asked.
    Raises ProjectError, RollError and TextError, and RollError where no still can be decoded.
    """
    from moviepy import VideoClip

    job = film.job() if isinstance(film, Project) else film
    job.compositor()  # a text that cannot be drawn is told now
    rate, count = Fraction(job.plan.timeline.rate), job.plan.frames
    made = _Frames(job, workers, findings if findings is not None else Findings())
    clip = VideoClip(made, duration=_duration(count, float(rate)))
    clip.fps, clip.rate, clip.findings = float(rate), rate, made.findings
    mix = Mix(job.sound, count / rate) if job.sound else None
    clip.audio = mix and mix.clip

    def close() -> None:
        made.close()
        if mix:
            mix.close()

    clip.close = close
    return clip


def _duration(count: int, fps: float) -> float:
    """The shortest float that moviepy takes for so many frames: it counts whole ones below
    duration times rate."""
    duration = count / fps
    while int(duration * fps) < count:
        duration = nextafter(duration, inf)
    return duration


def _frame_at(t: float, rate: Fraction) -> int:
    """The frame that holds an instant which moviepy tells."""
    return floor(Fraction(float(t)) * rate + Fraction(_SHORT))


class _Frames:
    """The finished frames of a job, as a function of seconds; for several threads."""

    def __init__(self, job: Job, workers: int, findings: Findings) -> None:
        # moviepy's pictures have 8 bits, whatever the film is to have.
        rate, burn = job.plan.timeline.rate, job.format.burn is not False
        self._job = replace(job, format=H264(rate=rate, burn=burn))
        self._rate = Fraction(rate)
        self._workers, self.findings = workers, findings
        self._lock = Lock()
        self._running: Generator[Display] | None = None
        self._number = -1  # of the frame that the run has made last
        self._shown: Display | None = None

    def __call__(self, t: float) -> Display:
        number = min(max(_frame_at(t, self._rate), 0), self._job.plan.frames - 1)
        with self._lock:
            if self._shown is None or not 0 <= number - self._number <= _RUN_ON:
                self._start(number)
            while self._shown is None or self._number < number:
                self._shown = self._next()
                self._number += 1
            return self._shown.copy()

    def _next(self) -> Display:
        shown = next(self._running, None) if self._running else None
        if shown is None:  # the run has come to its end
            self._start(self._number + 1)
            assert self._running is not None
            shown = next(self._running)
        return shown

    def _start(self, number: int) -> None:
        """Makes frames from `number` on."""
        self._stop()
        left = self._job.without(self.findings.lost.keys() - self._job.plan.lost)
        self._job = measured(left)  # once, not for every run
        stop = min(number + _RUN, self._job.plan.frames)
        means: Any = {"workers": self._workers, "findings": self.findings}
        self._running = frames(self._job, number, stop, **means)
        self._number = number - 1

    def _stop(self) -> None:
        if self._running is not None:
            self._running.close()
        self._running = self._shown = None

    def close(self) -> None:
        with self._lock:
            self._stop()


# ------------------------------------------------------------------ moviepy's to ours


def from_moviepy(
    clip: VideoClip,
    at: Instant | str = "start",
    *,
    hold: Seconds | str | None = None,
    fit: Fit = "pad",
    height: Share | str | None = None,
    place: Place = Place.CENTER,
    **layer: Any,
) -> Insert:
    """A clip of moviepy's as an overlay: `replace(job, overlays=(*job.overlays, insert))`.

    It begins with the frame that holds `at` (an instant on any clock), or with the film's first
    frame (`start`), or ends with its last (`end`), and lasts as long as the clip, or for `hold` of
    it.  Frame k of it is the clip's at exactly k / rate.  Where the clip has a mask, the film shows
    through; else it covers the film: all of the frame (`fit` as of stills), or, with a `height` (a
    share of the frame's height, or its width, if that is less), a part of it at `place`.  `layer`
    are the fields of `Layer`, such as `opacity`, `transition` and `fade`; by itself it is cut.

    Its sound is not heard.  It is evaluated when a frame is needed, in one thread at a time, and
    cannot be sent to other processes.  Raises RenderError for a clip without end and no `hold`.
    """
    hold = Seconds.read(hold) if isinstance(hold, str) else hold
    if hold is None and clip.duration is None:
        raise RenderError("this clip of moviepy's has no end; say how long it is shown: hold")
    if hold is not None and hold <= 0:
        raise RenderError(f"hold: {hold} has to be above zero; write 3 s")
    when = Instant.read(at) if isinstance(at, str) and at not in ("start", "end") else at
    height = Share.read(height) if isinstance(height, str) else height
    layer = {"transition": "cut", **layer}
    return Insert(_Source(clip), when, hold, fit, height, Place(place), **layer)


class _Source:
    """The pictures of a clip of moviepy's, and what each is known by."""

    def __init__(self, clip: VideoClip) -> None:
        self.clip = clip
        self.size: tuple[int, int] = tuple(clip.size)
        self.masked = clip.mask is not None
        self._lock = Lock()
        self._digests: dict[Fraction, str] = {}

    def picture(self, at: Fraction) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """RGB (H x W x 3) and alpha (H x W; None where it covers all) at a second of the clip, in
        display light, not multiplied; read only.  RenderError where moviepy fails."""
        try:
            with self._lock:
                rgb = _bytes(self.clip.get_frame(float(at)))
                mask = self.clip.mask.get_frame(float(at)) if self.masked else None
        except Exception as error:  # a clip is anybody's program
            raise RenderError(f"moviepy's clip at {float(at):.3f} s: {error}") from error
        if rgb.shape != (*self.size[::-1], 3):
            raise RenderError(
                f"moviepy's clip at {float(at):.3f} s: a picture of {rgb.shape}, "
                f"not of {self.size[0]}x{self.size[1]} in RGB"
            )
        return rgb, None if mask is None else _bytes(np.asarray(mask) * 255)

    def digest(self, at: Fraction) -> str:
        """Equal digests mean equal pictures."""
        if at not in self._digests:
            import xxhash

            state = xxhash.xxh3_128(repr(self.size).encode())
            for part in self.picture(at):
                state.update(b"|" if part is None else np.ascontiguousarray(part).data)
            self._digests[at] = state.hexdigest()
        return self._digests[at]

    def __reduce__(self) -> NoReturn:
        raise RenderError("a clip of moviepy's cannot be sent to other processes; render it here")


def _bytes(pixels: Any) -> NDArray[np.uint8]:
    found: NDArray[Any] = np.asarray(pixels)
    return found if found.dtype == np.uint8 else np.rint(found.clip(0, 255)).astype(np.uint8)


@dataclass(frozen=True)
class Insert(Layer):
    """A clip of moviepy's over the film; made by `from_moviepy`."""

    source: _Source
    at: Instant | Literal["start", "end"] | str
    hold: Seconds | None = None
    fit: Fit = "pad"
    height: Share | None = None
    place: Place = Place.CENTER
    margin: Share = field(default=Share(1, 20))
    kind: Literal["moviepy"] = "moviepy"

    def cues(self, scene: Scene) -> tuple[Cue, ...]:
        """One cue, cut to the film; none where it lies outside."""
        line = scene.timeline
        lengths = (self.hold, self.source.clip.duration)
        lasts = min(Fraction(length) for length in lengths if length is not None)
        count = ceil(lasts * line.rate - Fraction(_SHORT))
        if isinstance(self.at, Instant):
            first = line.frame_of(self.at.resolve(line.context).time)
        else:
            first = 0 if self.at == "start" else line.frames - count
        start, stop = max(0, first), min(first + count, line.frames)
        if start >= stop:
            return ()
        what = _Moving(self.source, first, line.rate, self.fit, self.height, self.margin)
        if self.height is not None:
            return (self.cue(scene, what, start, stop, place=self.place),)
        order = self.order + _ABOVE
        return (self.cue(scene, what, start, stop, path=_top_left, order=order),)


def _top_left(*_: object) -> tuple[float, float]:
    return 0.0, 0.0


@dataclass(frozen=True)
class _Moving:
    """A clip whose first picture is on the frame `first`."""

    source: _Source
    first: int
    rate: Rate
    fit: Fit
    height: Share | None
    edge: Share

    @property
    def words(self) -> str:
        return "a clip of moviepy's"

    def margin(self, side: int) -> int:
        return 0 if self.height is None else self.edge.of(side)

    def lay(self, canvas: Canvas, place: Place) -> Block:
        across, down = self.source.size
        if self.height is None:
            fills = max if self.fit == "crop" else min
            scale = fills(Fraction(canvas.size[0], across), Fraction(canvas.size[1], down))
            return self._block(*canvas.size, scale)
        room = canvas.room(self.margin(canvas.side))
        scale = min(
            Fraction(self.height.of(canvas.side), down),
            Fraction(room[0], across),
            Fraction(room[1], down),
        )
        return self._block(max(1, round(across * scale)), max(1, round(down * scale)), scale)

    def _block(self, width: int, height: int, scale: Fraction) -> _Picture:
        return _Picture(self.source, Fraction(0), width, height, scale)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        assert isinstance(laid, _Picture)
        return replace(laid, at=(frame - self.first) / Fraction(self.rate))


@dataclass(frozen=True)
class _Picture:
    """A picture of a clip, `scale` times as large, in the middle of `width` x `height` pixels: cut
    where it stands over, and beside it black, or clear where the clip has a mask."""

    source: _Source
    at: Fraction
    width: int
    height: int
    scale: Fraction
    bleed: int = 0

    def key(self) -> str:
        return repr((self.source.digest(self.at), self.width, self.height, self.scale))

    def paint(self) -> Sprite:
        rgb, alpha = self.source.picture(self.at)
        ground = np.zeros((self.height, self.width, 3 if alpha is None else 4), np.uint8)
        if alpha is None:
            covers = np.full(ground.shape[:2], 255, np.uint8)
            return Sprite(self._placed(rgb, ground), covers)
        # Multiplied before it is scaled: what is clear gives no colour to what lies beside it.
        inked = np.rint(rgb * (alpha[..., None] / np.float32(255))).astype(np.uint8)
        mixed = self._placed(np.dstack([inked, alpha]), ground)
        shown = mixed[..., 3]
        return Sprite(np.minimum(mixed[..., :3], shown[..., None]), shown.copy())

    def _placed(self, pixels: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pixels scaled and put on the middle of a ground, which is changed."""
        import cv2

        size = [max(1, round(side * self.scale)) for side in pixels.shape[1::-1]]
        if size != list(pixels.shape[1::-1]):
            how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=how))
        spans = []
        for have, room in zip(pixels.shape[:2], ground.shape[:2], strict=True):
            off, cut = max(0, room - have) // 2, max(0, have - room) // 2
            fits = min(have, room)
            spans.append((slice(off, off + fits), slice(cut, cut + fits)))
        (rows, from_rows), (columns, from_columns) = spans
        ground[rows, columns] = pixels[from_rows, from_columns]
        return ground
