"""Stills for a lane: decoded ahead, each once, framed for every film of a bundle."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import local
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.grade import Linear, to_mix
from timelapse.ingest import Limits, Reader, decode_bytes, decoded_size
from timelapse.machine import Buffers
from timelapse.render.segment import Bundle
from timelapse.render.stillcache import Kept, StillCache

#: A still as it is mixed: each of the bundle's `pictures`.
Framed = list[Linear]


class Supply:
    """Stills in the light that they are mixed in, at frame size: decoded ahead in threads, each
    once, and dropped after the last frame that shows them.  Memory is bounded by the segment's
    widest row."""

    def __init__(self, limits: Limits, threads: int, cache: StillCache) -> None:
        self._threads, self._cache = threads, cache
        self._reader = Reader(limits)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._own = local()  # what each thread of the pool decodes into
        self._spare: list[Framed] = []
        self._ready: dict[int, Future[Framed]] = {}
        self._order: deque[int] = deque()
        self._bundle: Bundle | None = None
        #: Hashes of the stills' files, by place in the bundle's stills.
        self.digests: dict[int, str] = {}

    def follow(self, bundle: Bundle) -> None:
        """Makes ready for another bundle of the same clip."""
        self._drop(list(self._ready))
        if self._bundle is None or self._bundle.pictures != bundle.pictures:
            self._spare.clear()
        self.digests.clear()
        taps = bundle.first.taps
        stills, first = np.unique(taps.stills, return_index=True)
        self._order = deque(stills[np.argsort(first)].tolist())
        self._last_use = taps.last_use(len(bundle.first.stills))
        self._room = taps.widest + self._threads
        self._bundle = bundle

    def take(self, stills: NDArray[np.int32], frame: int) -> list[Framed]:
        """The stills of one frame; valid until the next call.  Raises StillError."""
        self._drop([still for still in self._ready if self._last_use[still] < frame])
        while self._order and len(self._ready) < self._room:
            still = self._order.popleft()
            buffers = self._spare.pop() if self._spare else None
            self._ready[still] = self._pool.submit(self._load, still, buffers)
        return [self._ready[still].result() for still in stills.tolist()]

    def lost(self) -> dict[str, str]:
        """Every still of the bundle that cannot be decoded, with the reason.

        Asked for where one was found, so that a bundle is begun again once, not once a still.
        """
        assert self._bundle is not None
        looked_at: dict[int, Future[Any]] = dict(self._ready)
        looked_at |= {still: self._pool.submit(self._check, still) for still in self._order}
        self._order.clear()
        self._ready.clear()
        errors = {still: looked_at[still].exception() for still in sorted(looked_at)}
        return {
            str(self._bundle.first.stills[still].file): error.reason
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

    def _load(self, index: int, spare: Framed | None) -> Framed:
        """A still in every framing; it is decoded once, where any is not kept."""
        assert self._bundle is not None
        first, framings = self._bundle.first, self._bundle.pictures
        still, light = first.stills[index], first.light
        wanted = first.wanted(still)
        size = decoded_size(still, wanted)
        buffers: Buffers = self._own.__dict__.setdefault("buffers", Buffers())
        gain = first.gains[index] if first.gains else None
        made: dict[int, Linear] = {}
        for at, framing in enumerate(framings):
            if kept := self._cache.get(still, framing, size, buffers, first.mended):
                made[at] = to_mix(kept.pixels, light, spare[at] if spare else None, gain)
                self.digests[index] = kept.digest
        if len(made) < len(framings):
            data = self._reader.read(still.file)
            pixels = decode_bytes(data, still, wanted, first.limits, buffers)
            if first.defects:
                pixels = np.require(pixels, requirements=["C", "W"])
                pixels = first.defects.repairs.apply(pixels, still)
            self.digests[index] = digest = xxhash.xxh3_128_hexdigest(data)
            for at, framing in enumerate(framings):
                if at not in made:
                    kept = Kept(framing.apply(pixels, buffers, still.size), digest)
                    self._cache.put(still, framing, size, kept, first.mended)
                    made[at] = to_mix(kept.pixels, light, spare[at] if spare else None, gain)
        return [made[at] for at in range(len(framings))]

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(None, None, None)
