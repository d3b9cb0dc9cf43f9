"""A lane makes one segment at a time: stills in, frames out, encoded into a part.

Lanes run side by side in threads; nothing is shared between them but the caches on disk.  A lane
keeps its buffers from segment to segment: a fresh array of a frame's size costs more than the
arithmetic on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import local
from typing import Any, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from timelapse.deliver import Colours, Encoder, probe
from timelapse.errors import RenderError, StillError
from timelapse.grade import Display, Linear, dithered, from_mix, to_mix
from timelapse.ingest import Reader, Still, decode_bytes
from timelapse.machine import Buffers, bands, give_memory_back
from timelapse.render.segment import Segment
from timelapse.render.stillcache import Kept, StillCache
from timelapse.retime import Between, interpolator, mix


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The render was told to stop."""


class StillsLost(StillError):  # noqa: N818 - a finding, and the plan goes on without them
    """Stills of a segment that proved unreadable: `lost` has the reason of each, by its file."""

    def __init__(self, lost: dict[str, str]) -> None:
        super().__init__(*next(iter(lost.items())))
        self.lost = lost

    def __reduce__(self) -> tuple[type[StillsLost], tuple[dict[str, str]]]:  # type: ignore[override]
        return StillsLost, (self.lost,)


@dataclass(frozen=True)
class Made:
    """What a part says of itself.

    `pixels` is a hash of the frames as the encoder got them, `payload` of the coded frames,
    `stills` of the files of the stills that were shown (XXH3, 128 bits, each).  `followed` are runs
    of frames [start, stop) of the segment that were made by following motion, each with the share
    of the picture where that was trusted.
    """

    frames: int
    bytes: int
    pixels: str
    payload: str
    stills: dict[str, str] = field(repr=False)
    followed: tuple[tuple[int, int, float], ...] = ()


class _Supply:
    """Stills in linear light at frame size: decoded ahead in threads, each once, and dropped after
    the last frame that shows them.  Memory is bounded by the segment's widest row."""

    def __init__(self, segment: Segment, threads: int, cache: StillCache) -> None:
        self._threads, self._cache = threads, cache
        self._reader = Reader(segment.limits)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._own = local()  # what each thread of the pool decodes into
        self._spare: list[Linear] = []
        self._ready: dict[int, Future[Linear]] = {}
        self.digests: dict[int, str] = {}
        self.follow(segment)

    def follow(self, segment: Segment) -> None:
        """Makes ready for another segment of the same clip."""
        self._drop(list(self._ready))
        self.digests.clear()
        taps = segment.taps
        stills, first = np.unique(taps.stills, return_index=True)
        self._order = deque(stills[np.argsort(first)].tolist())
        self._last_use = taps.last_use(len(segment.stills))
        self._room = taps.widest + self._threads
        self._segment = segment

    def take(self, stills: NDArray[np.int32], frame: int) -> list[Linear]:
        """The stills of one frame; valid until the next call.  Raises StillError."""
        self._drop([still for still in self._ready if self._last_use[still] < frame])
        while self._order and len(self._ready) < self._room:
            still = self._order.popleft()
            buffer = self._spare.pop() if self._spare else None
            self._ready[still] = self._pool.submit(self._load, still, buffer)
        return [self._ready[still].result() for still in stills.tolist()]

    def lost(self) -> dict[str, str]:
        """Every still of the segment that cannot be decoded, with the reason.

        Asked for where one was found, so that a segment is begun again once, not once a still.
        """
        looked_at: dict[int, Future[Any]] = dict(self._ready)
        looked_at |= {still: self._pool.submit(self._check, still) for still in self._order}
        self._order.clear()
        self._ready.clear()
        errors = {still: looked_at[still].exception() for still in sorted(looked_at)}
        return {
            str(self._segment.stills[still].file): error.reason
            for still, error in errors.items()
            if isinstance(error, StillError)
        }

    def _check(self, index: int) -> None:
        self._load(index, None)

    def _drop(self, stills: list[int]) -> None:
        for still in stills:
            done = self._ready.pop(still)
            if not done.cancel() and done.exception() is None:
                self._spare.append(done.result())

    def _load(self, index: int, buffer: Linear | None) -> Linear:
        still, framing = self._segment.stills[index], self._segment.framing
        buffers: Buffers = self._own.__dict__.setdefault("buffers", Buffers())
        kept = self._cache.get(still, framing, buffers)
        if kept is None:
            kept = self._decode(still, buffers)
            self._cache.put(still, framing, kept)
        self.digests[index] = kept.digest
        return to_mix(kept.pixels, self._segment.light, buffer)

    def _decode(self, still: Still, buffers: Buffers) -> Kept:
        framing, limits = self._segment.framing, self._segment.limits
        data = self._reader.read(still.file)
        pixels = decode_bytes(data, still, framing.scaled(still.size), limits, buffers)
        return Kept(framing.apply(pixels, buffers), xxhash.xxh3_128_hexdigest(data))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(None, None, None)


class Lane:
    """Renders segments of one clip, one after the other; a context manager, for one thread.

    `threads` are those of the encoder, where the format does not say; `decoders` those that decode
    ahead.
    """

    def __init__(
        self, segment: Segment, cache: StillCache, threads: int = 1, decoders: int = 1
    ) -> None:
        width, height = segment.framing.size
        self._threads = threads
        self._supply = _Supply(segment, decoders, cache)
        self._bands = bands(height, width)
        self._buffers = Buffers()
        self._clean = np.empty((height, width, 3), np.uint8)
        self._labelled = np.empty_like(self._clean)
        self._compositor, self._cues = segment.compositor(), segment.cues
        self._model = interpolator(segment.model, segment.light) if segment.model else None
        self._pair: tuple[list[int], Between] | None = None
        self._followed: list[tuple[int, int, float]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._supply.close()

    def frames(self, segment: Segment) -> Generator[Display]:
        """The finished frames of a segment: H x W x 3, RGB, uint8, display light.

        Each array is the lane's and holds until the next frame is asked for.  Raises StillError.
        """
        if segment.cues is not self._cues:
            self._compositor, self._cues = segment.compositor(), segment.cues
        self._supply.follow(segment)
        self._pair, self._followed = None, []
        if segment.model and self._model is None:
            self._model = interpolator(segment.model, segment.light)
        taps = segment.taps
        rows = [(*map(list, taps.row(at)), taps.way(at)) for at in range(segment.frames)]
        shown: Any = None
        for at, row in enumerate(rows):
            stills, weights = segment.taps.row(at)
            pictures = self._supply.take(stills, at)
            if row != shown:
                self._mix(pictures, weights, segment, at)
                shown = row
            number = segment.start + at
            if not self._compositor.shows(number):
                yield self._clean
                continue
            labelled = self._clean
            if at + 1 < len(rows) and rows[at + 1] == row:  # what lies below is wanted again
                labelled = self._labelled
                np.copyto(labelled, self._clean)
            self._compositor.draw(labelled, number)
            yield labelled

    def _mix(
        self, pictures: list[Linear], weights: NDArray[np.float32], segment: Segment, at: int
    ) -> None:
        if not pictures:
            self._clean[...] = 0
            return
        if segment.taps.way(at) == "flow":
            pictures = [self._follow(pictures, segment, at)]
        for band in self._bands:
            seen = [picture[band] for picture in pictures]
            mixed = mix(seen, weights, self._buffers, segment.taps.way(at))
            shown = self._clean[band]
            if segment.dither:
                dithered(mixed, segment.light, band.start, shown, self._buffers)
            else:
                from_mix(mixed, segment.light, shown)

    def _follow(self, pictures: list[Linear], segment: Segment, at: int) -> Linear:
        """A frame between two stills by the motion from one to the other, which is looked for once
        a pair."""
        assert self._model is not None
        stills, weights = segment.taps.row(at)
        names = stills.tolist()
        if self._pair is None or self._pair[0] != names:
            self._pair = names, self._model.pair(pictures[0], pictures[1], self._buffers)
        between = self._pair[1]
        if between.trusted > 0:
            self._followed.append((at, at + 1, round(between.trusted, 3)))
        return between.at(float(weights[1]), self._buffers)

    def _runs(self) -> tuple[tuple[int, int, float], ...]:
        """Runs of frames that were followed to one degree."""
        found: list[tuple[int, int, float]] = []
        for start, stop, trusted in self._followed:
            if found and found[-1][1:] == (start, trusted):
                found[-1] = (found[-1][0], stop, trusted)
            else:
                found.append((start, stop, trusted))
        return tuple(found)

    def make(self, segment: Segment, path: Path, tick: Callable[[], None] = lambda: None) -> Made:
        """Renders a segment into the part `path` and looks at what was written.

        `tick` is called after each frame; what it raises ends the work.  Raises StillsLost,
        EncodeError, RenderError.
        """
        give_memory_back()  # what the encoder of the segment before has left
        size, format = segment.framing.size, segment.format
        colours, pixels = Colours(size), xxhash.xxh3_128()
        try:
            with (
                closing(self.frames(segment)) as frames,
                Encoder(path, size, format, threads=self._threads, tags=segment.tags) as encoder,
            ):
                for frame in frames:
                    planes = colours.convert(frame)
                    pixels.update(planes.data)
                    encoder.write(planes)
                    tick()
        except StillError as error:
            raise StillsLost(self._supply.lost() or {error.path: error.reason}) from error
        facts = probe(path, runs=[segment.frames], decode=0)  # the film is decoded, once it is one
        chapters = len(segment.tags.chapters) if segment.tags else 0
        if faults := facts.faults(segment.frames, size, Fraction(format.rate), chapters):
            raise RenderError(f"{path}: what was encoded is not as planned: {'; '.join(faults)}")
        digests = {
            str(segment.stills[at].file): digest
            for at, digest in sorted(self._supply.digests.items())
        }
        return Made(
            segment.frames,
            path.stat().st_size,
            pixels.hexdigest(),
            facts.payloads[0],
            digests,
            self._runs(),
        )
