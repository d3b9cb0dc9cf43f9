"""Segments: runs of frames that are rendered on their own, each known by all that decides it.

A segment needs nothing but itself: it can be made in any thread, process or machine that sees its
stills, and where its key is known, it need not be made again.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from timelapse.deliver import Format, Tags
from timelapse.grade import Framing
from timelapse.ingest import Limits, Still
from timelapse.overlay import Compositor, Cue
from timelapse.render.job import Job
from timelapse.report import LIBRARIES
from timelapse.retime import FOLLOWED, Light, Taps, model_made_as

#: Frames of a segment: what a crash costs at most, and as far apart as x264 sets key frames.
LENGTH = 250
#: Short clips are cut finer, into up to eight, so that cores have something to do; but not finer
#: than this: every segment starts with a frame that is coded without others.
_SHORTEST, _PIECES = 50, 8
#: Raise it when the code of this package makes other pixels of the same inputs.
_MADE_AS = 4


@cache
def versions() -> dict[str, str]:
    """The versions of all that decides a film's pixels and bytes."""
    return {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True, eq=False)
class Segment:
    """The frames [start, stop) of a clip, and all that decides them.

    `taps` has a row for each of its frames, over `stills`, which are those that it shows; `cues`
    are all of the clip, because where one stands may depend on any other.
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
    dither: bool = False
    model: str = ""  # who follows motion, where anything is followed
    tags: Tags | None = None  # of a film that is one segment, and never joined

    @property
    def frames(self) -> int:
        return self.stop - self.start

    def shows_as(self, other: Segment) -> bool:
        """Whether two plans of one job show the same in this segment."""
        mine, theirs = self.taps, other.taps
        return self.stills == other.stills and all(
            np.array_equal(getattr(mine, name), getattr(theirs, name))
            for name in ("starts", "stills", "weights", "ways")
        )

    def compositor(self) -> Compositor:
        return Compositor(self.cues, self.framing.size)

    @cached_property
    def key(self) -> str:
        """Equal keys mean equal pixels and equal settings of the encoder.

        Where in the clip the segment stands does not enter: no pixel depends on it.
        """
        taps = self.taps
        parts = [
            repr((_MADE_AS, versions(), self.framing, _encoding(self.format), self.tags)),
            f"{self.light} {self.dither} {model_made_as(self.model) if self.model else None}",
            self.compositor().signature(self.start, self.stop),
            repr([identity(still) for still in self.stills]),
        ]
        state = hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogateescape"), digest_size=16)
        for array in (taps.starts, taps.stills, taps.weights, taps.ways):
            state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()


def _encoding(format: Format) -> dict[str, Any]:
    """What a format says of the encoder; how stills fill the frame is the framing's."""
    return {**asdict(format), **format.options, "size": None, "fit": None, "captions": None}


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


def cut(job: Job, start: int, stop: int) -> Segment:
    """The frames [start, stop) of a job as a segment."""
    taps, roll = job.plan.taps, job.plan.roll
    first, last = taps.starts[start], taps.starts[stop]
    used, local = np.unique(taps.stills[first:last], return_inverse=True)
    rows = Taps(
        taps.starts[start : stop + 1] - first,
        local.astype(np.int32).reshape(-1),
        taps.weights[first:last],
        taps.ways[start:stop],
    )
    stills = tuple(roll.stills[at] for at in used.tolist())
    tags = job.tags if job.format.whole else None
    return Segment(
        start,
        stop,
        stills,
        rows,
        job.framing,
        job.cues,
        job.format,
        roll.limits,
        job.plan.blend.light,
        job.dithers,
        job.plan.model if (rows.ways == FOLLOWED).any() else "",
        tags,
    )


def segments(job: Job) -> tuple[Segment, ...]:
    """A clip as segments, by its number of frames alone; one where the format cannot be joined."""
    frames = job.plan.frames
    spans = [(0, frames)] if job.format.whole else bounds(frames)
    return tuple(cut(job, start, stop) for start, stop in spans)


def bounds(frames: int) -> list[tuple[int, int]]:
    """Where the segments of a clip of so many frames start and stop."""
    pieces = 1
    while pieces < _PIECES and frames >= 2 * pieces * _SHORTEST:
        pieces *= 2
    length = min(LENGTH, -(-frames // pieces))
    return [(start, min(start + length, frames)) for start in range(0, frames, length)]
