"""Segments: runs of frames that are rendered on their own, each known by all that decides it.

A segment needs nothing but itself: it can be made in any thread, process or machine that sees its
stills, and where its key is known, it need not be made again.  Segments of several films that show
the same stills at the same time are a bundle: they are made together, from one decoding.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from timelapse.deliver import Format, Tags
from timelapse.deliver.output import Output
from timelapse.grade import Corrections, Framing, Toned, View, corrections
from timelapse.ingest import Limits, Still, decoded_size
from timelapse.overlay import Compositor, Cue
from timelapse.render.job import Job
from timelapse.render.stacks import Stacks, stacked
from timelapse.report import LIBRARIES
from timelapse.retime import FOLLOWED, Light, Taps, model_made_as

#: Frames of a segment: what a crash costs at most, and as far apart as x264 sets key frames.
LENGTH = 250
#: Short clips are cut finer, into up to eight, so that cores have something to do; but not finer
#: than this: every segment starts with a frame that is coded without others.
_SHORTEST, _PIECES = 50, 8
#: Raise it when the code of this package makes other pixels of the same inputs.
_MADE_AS = 6
#: How linear light becomes what an encoder takes: 8 bits, rounded or dithered, or 16 bits.
Rounding = Literal["nearest", "dithered", "deep"]


@cache
def versions() -> dict[str, str]:
    """The versions of all that decides a film's pixels and bytes."""
    return {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True, eq=False)
class Segment:
    """The frames [start, stop) of a clip, and all that decides them.

    `taps` has a row for each of its frames, over the first `shown` of its `stills`; the others are
    neighbours that help to correct those (`stacks`).  `cues` are all of the clip, because where
    one stands may depend on any other.  A segment of overlays `alone` shows no stills.  `beside`
    are the framings of the films that are made of the same decoding, whose scale suffices for all
    of them.
    """

    start: int
    stop: int
    stills: tuple[Still, ...]
    taps: Taps
    framing: Framing
    cues: tuple[Cue, ...]
    format: Format
    limits: Limits
    light: Light = "linear"
    rounding: Rounding = "nearest"
    model: str = ""  # who follows motion, where anything is followed
    tags: Tags | None = None  # of a film that is one segment, and never joined
    beside: tuple[Framing, ...] = ()
    alone: bool = False
    shown: int = 0
    corrections: Corrections = Corrections()
    stacks: Stacks = Stacks()
    toned: tuple[Toned, ...] = ()  # how each frame is toned, where any is

    @property
    def frames(self) -> int:
        return self.stop - self.start

    def shows_as(self, other: Segment) -> bool:
        """Whether two plans of one job show the same in this segment."""
        mine, theirs = self.taps, other.taps
        return (self.stills, self.stacks) == (other.stills, other.stacks) and all(
            np.array_equal(getattr(mine, name), getattr(theirs, name))
            for name in ("starts", "stills", "weights", "ways")
        )

    def wanted(self, still: Still) -> tuple[int, int]:
        """The (width, height) that a still is decoded to, at least."""
        return wanted((self.framing, *self.beside), still, self.corrections.closer)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """What each frame shows of the pictures, where a camera moves over them."""
        camera = self.framing.camera
        return camera.views(self.start, self.stop) if camera and not self.alone else ()

    def compositor(self) -> Compositor:
        return Compositor(self.cues, self.framing.size)

    @cached_property
    def drawing(self) -> str:
        """Equal drawings mean equal overlays."""
        return self.compositor().signature(self.start, self.stop)

    @property
    def together(self) -> tuple[Any, ...]:
        """Segments of one plan of which this is equal are made of the same stills, corrected
        alike, and toned alike."""
        graded = self.corrections.words, self.stacks.helpers, self.toned
        return self.start, self.stop, self.alone, *graded

    @cached_property
    def key(self) -> str:
        """Equal keys mean equal pixels and equal settings of the encoder.

        Where in the clip the segment stands does not enter: no pixel depends on it.
        """
        taps = self.taps
        kinds = {(still.kind, still.size, still.orientation): still for still in self.stills}
        decoded = {kind: decoded_size(still, self.wanted(still)) for kind, still in kinds.items()}
        parts = [
            repr((_MADE_AS, versions(), self.framing.static, _encoding(self.format), self.tags)),
            repr([view.onto for view in self.views]),
            f"{self.light} {self.rounding} {model_made_as(self.model) if self.model else None}",
            f"{self.alone} {sorted(decoded.items())}",
            self.drawing,
            self.corrections.words,
            repr((self.stacks, self.toned, self.corrections.times(self.stills))),
            repr([identity(still) for still in self.stills]),
        ]
        state = hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogateescape"), digest_size=16)
        for array in (taps.starts, taps.stills, taps.weights, taps.ways):
            state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


@dataclass(frozen=True, eq=False)
class Bundle:
    """Segments that show the same stills on the same frames, or none; made together."""

    segments: tuple[Segment, ...]

    @property
    def first(self) -> Segment:
        """One of them, for what they have in common: frames, stills, taps, light, model."""
        return self.segments[0]

    @cached_property
    def pictures(self) -> tuple[Framing, ...]:
        """The framings of the pictures that are made of each still."""
        return tuple(dict.fromkeys(s.framing.static for s in self.segments if not s.alone))

    def of_picture(self, number: int) -> Segment:
        """A segment that shows those of `pictures`."""
        framing = self.pictures[number]
        return next(s for s in self.segments if not s.alone and s.framing.static == framing)

    @property
    def coded(self) -> int:
        """How many frames are encoded."""
        return self.first.frames * len(self.segments)


def _encoding(format: Format) -> dict[str, Any]:
    """What a format says of the encoder; how stills fill the frame is the framing's, and what is
    drawn the overlays'."""
    shared = {field.name for field in fields(Output)}
    own = {name: value for name, value in asdict(format).items() if name not in shared}
    return {**own, **format.options, "rate": format.rate}


def identity(still: Still) -> tuple[Any, ...]:
    """What makes a still another one: where it is, its bytes' number and age, how it is read."""
    file = still.file
    archive = _archive(file.archive) if file.archive else None
    place = file.path if file.archive else os.path.abspath(file.path)  # noqa: PTH100 - keeps links
    shown = still.size, still.orientation, still.kind, still.damaged, _decoder(still.kind)
    return (archive, place, file.frame, file.size, file.mtime_ns, *shown)


@cache
def _decoder(kind: str) -> str | None:
    """The version of a decoder that not every machine has."""
    library = {"raw": "rawpy", "heic": "pi-heif"}.get(kind)
    with suppress(PackageNotFoundError):
        return version(library) if library else None
    return None


@cache
def _archive(path: str) -> tuple[str, int, int]:
    info = Path(path).stat()
    return str(Path(path).absolute()), info.st_size, info.st_mtime_ns


def wanted(framings: Sequence[Framing], still: Still, closer: float = 1.0) -> tuple[int, int]:
    """The (width, height) that a still is decoded to, at least, to fill frames of all of these
    framings; where it is shown up to so many times `closer`."""
    sizes = [framing.scaled(still.size, closer) for framing in framings]
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def cut(job: Job, start: int, stop: int, beside: Iterable[Framing] = ()) -> Segment:
    """The frames [start, stop) of a job as a segment."""
    taps, roll, format = job.plan.taps, job.plan.roll, job.format
    alone, cues = format.burn == "alone", job.cues if format.burn else ()
    first, last = (0, 0) if alone else (taps.starts[start], taps.starts[stop])
    used, local = np.unique(taps.stills[first:last], return_inverse=True)
    stacks, members = stacked(job, used.tolist())
    rows = Taps(
        np.zeros(stop - start + 1, np.int64) if alone else taps.starts[start : stop + 1] - first,
        local.astype(np.int32).reshape(-1),
        taps.weights[first:last],
        taps.ways[start:stop] * (not alone),
    )
    followed = not alone and bool((rows.ways == FOLLOWED).any())
    return Segment(
        start,
        stop,
        tuple(roll.stills[at] for at in members),
        rows,
        job.framing,
        cues,
        format,
        roll.limits,
        job.plan.blend.light,
        "deep" if format.bits > 8 else "dithered" if job.dithers and not alone else "nearest",
        job.plan.model if followed else "",
        job.tags if format.whole else None,
        tuple(beside),
        alone,
        len(used),
        corrections(job.grade, job.found, roll.stills, members),
        stacks,
        job.toned(start, stop) if not alone else (),
    )


def segments(job: Job, beside: Iterable[Framing] = ()) -> tuple[Segment, ...]:
    """A clip as segments, by its number of frames alone; one where the format cannot be joined."""
    return tuple(cut(job, start, stop, beside) for start, stop in spans(job))


def spans(job: Job) -> list[tuple[int, int]]:
    """The frames of each segment of a clip."""
    return [(0, job.plan.frames)] if job.format.whole else bounds(job.plan.frames)


def bounds(frames: int) -> list[tuple[int, int]]:
    """Where the segments of a clip of so many frames start and stop."""
    pieces = 1
    while pieces < _PIECES and frames >= 2 * pieces * _SHORTEST:
        pieces *= 2
    length = min(LENGTH, -(-frames // pieces))
    return [(start, min(start + length, frames)) for start in range(0, frames, length)]
