"""Stills for a lane: decoded ahead, each once, corrected, framed for every film of a bundle."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from threading import local
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.grade import Linear, to_mix
from timelapse.grade.cosmic import repair
from timelapse.grade.denoise import denoised
from timelapse.ingest import Limits, Pixels, Reader, decode_bytes, decoded_size
from timelapse.machine import Buffers
from timelapse.render.segment import Bundle, identity
from timelapse.render.shared import Shared
from timelapse.render.stillcache import Kept, StillCache

#: A still as it is mixed: each of the bundle's `pictures`.
Framed = list[Linear]


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A still as it was decoded, in `buffers`, without the sensor's defects; `digest` is the hash
    of its file."""

    pixels: Pixels
    digest: str
    buffers: Buffers


class Supply:
    """Stills in the light that they are mixed in, at frame size: decoded ahead in threads, each
    once, and dropped after the last frame that shows them.  Memory is bounded by the segment's
    widest row."""

    def __init__(self, limits: Limits, threads: int, cache: StillCache) -> None:
        self._threads, self._cache = threads, cache
        self._reader = Reader(limits)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._own = local()  # what each thread of the pool works in
        self._spare: list[Framed] = []
        self._rooms: list[Buffers] = []  # to decode into
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
        first = bundle.first
        taps, stacks = first.taps, first.stacks
        stills, at_first = np.unique(taps.stills, return_index=True)
        self._order = deque(stills[np.argsort(at_first)].tolist())
        self._last_use = taps.last_use(first.shown)
        self._room = taps.widest + self._threads
        self._bundle = bundle
        layers = [layer.still for stack in stacks.averaged for layer in stack.members]
        self._pictures = Shared(self._picture, layers, self._spare.append)
        framed = range(len(stacks.beside))
        near = [n for pair in stacks.beside for n in pair if n >= 0]
        self._decoded = Shared(
            self._decode, chain(framed, near), lambda still: self._rooms.append(still.buffers)
        )

    def take(self, stills: NDArray[np.int32], frame: int) -> list[Framed]:
        """The stills of one frame; valid until the next call.  Raises StillError."""
        self._drop([still for still in self._ready if self._last_use[still] < frame])
        while self._order and len(self._ready) < self._room:
            still = self._order.popleft()
            self._ready[still] = self._pool.submit(self._load, still)
        return [self._ready[still].result() for still in stills.tolist()]

    def lost(self) -> dict[str, str]:
        """Every still of the bundle that cannot be decoded, with the reason.

        Asked for where one was found, so that a bundle is begun again once, not once a still.
        """
        assert self._bundle is not None
        stills = self._bundle.first.stills
        self._order.clear()
        self._drop(list(self._ready))
        unknown = [at for at in range(len(stills)) if at not in self.digests]
        return {
            str(stills[at].file): reason
            for at, reason in zip(unknown, self._pool.map(self._check, unknown), strict=True)
            if reason is not None
        }

    def _check(self, at: int) -> str | None:
        try:
            self._decode(at, self._buffers)
        except StillError as error:
            return error.reason
        return None

    def _drop(self, stills: list[int]) -> None:
        for still in stills:
            done = self._ready.pop(still)
            if not done.cancel() and done.exception() is None:
                self._spare.append(done.result())

    # -------------------------------------------------------------- in the threads

    @property
    def _buffers(self) -> Buffers:
        found: Buffers = self._own.__dict__.setdefault("buffers", Buffers())
        return found

    def _load(self, at: int) -> Framed:
        """A still that is shown, without the noise that its neighbours tell of."""
        assert self._bundle is not None
        stacks = self._bundle.first.stacks
        if not stacks.averaged:
            return self._picture(at)
        neighbours, room = stacks.averaged[at].members, self._spare_room()
        try:
            layers = [self._pictures.get(layer.still) for layer in neighbours]
            for n in range(len(self._bundle.pictures)):
                quiet = self._quiet([layer[n] for layer in layers], at, n)
                if n < len(room):
                    np.copyto(room[n], quiet)
                else:
                    room.append(quiet.copy())
            return room
        finally:
            for layer in neighbours:
                self._pictures.had(layer.still)

    def _quiet(self, layers: list[Linear], at: int, picture: int) -> Linear:
        """One picture of a still from those of its neighbours; of the thread's buffers."""
        assert self._bundle is not None
        segment = self._bundle.of_picture(picture)
        stacks, stack = segment.stacks, segment.stacks.averaged[at]
        assert stacks.noise is not None
        how: Any = {
            "way": stacks.way,
            "strength": stack.strength,
            "onto": [layer.matrix for layer in stack.members],
            "gain": segment.corrections.gain(at),
        }
        return denoised(layers, stack.own, stacks.noise, segment.light, self._buffers, **how)

    def _spare_room(self) -> Framed:
        try:
            return self._spare.pop()
        except IndexError:
            return []

    def _picture(self, at: int) -> Framed:
        """A still in every framing; it is decoded once, where any is not kept."""
        assert self._bundle is not None
        first, framings = self._bundle.first, self._bundle.pictures
        still, light, corrections = first.stills[at], first.light, first.corrections
        size = decoded_size(still, first.wanted(still))
        gain, graded, buffers = corrections.gain(at), self._graded(at), self._buffers
        room = dict(enumerate(self._spare_room()))
        made: dict[int, Linear] = {}
        for n, framing in enumerate(framings):
            if kept := self._cache.get(still, framing, size, buffers, graded):
                made[n] = to_mix(kept.pixels, light, room.get(n), gain)
                self.digests[at] = kept.digest
        if len(made) < len(framings):
            decoded = self._clean(at)
            for n, framing in enumerate(framings):
                if n not in made:
                    pixels = framing.apply(
                        decoded.pixels, buffers, still.size, corrections.steady(at),
                        border=corrections.border, closer=corrections.closer_of(at),
                    )  # fmt: skip
                    kept = Kept(pixels, decoded.digest)
                    self._cache.put(still, framing, size, kept, graded)
                    made[n] = to_mix(kept.pixels, light, room.get(n), gain)
        self._done_with(at)
        return [made[n] for n in range(len(framings))]

    def _graded(self, at: int) -> str:
        """Equal words mean that a still is corrected alike before it becomes a picture."""
        assert self._bundle is not None
        first = self._bundle.first
        words = first.corrections.of_picture(at, first.stills[at])
        if not first.stacks.beside:
            return words
        near = (identity(first.stills[n]) for n in first.stacks.beside[at] if n >= 0)
        return repr((words, *near))

    def _clean(self, at: int) -> _Decoded:
        """A still without the sensor's defects, and without what hit it."""
        assert self._bundle is not None
        first = self._bundle.first
        optics, buffers = first.corrections.optics, self._buffers
        if optics is None:
            return self._decode(at, buffers)
        decoded, *near = (
            self._decoded.get(n) if n >= 0 else None for n in (at, *first.stacks.beside[at])
        )
        assert decoded is not None
        own = buffers.take("clean", decoded.pixels.shape, decoded.pixels.dtype)
        np.copyto(own, decoded.pixels)  # it is a neighbour of others, as it was
        before, after = (still.pixels if still else None for still in near)
        repair(own, before, after, optics)
        return _Decoded(own, decoded.digest, buffers)

    def _done_with(self, at: int) -> None:
        assert self._bundle is not None
        stacks = self._bundle.first.stacks
        if stacks.beside:
            for n in (at, *stacks.beside[at]):
                if n >= 0:
                    self._decoded.had(n)

    def _decode(self, at: int, buffers: Buffers | None = None) -> _Decoded:
        """A still without the sensor's defects."""
        assert self._bundle is not None
        first = self._bundle.first
        if buffers is None:
            try:
                buffers = self._rooms.pop()
            except IndexError:
                buffers = Buffers()
        still, corrections = first.stills[at], first.corrections
        data = self._reader.read(still.file)
        pixels = decode_bytes(data, still, first.wanted(still), first.limits, buffers)
        if corrections.defects:
            pixels = np.require(pixels, requirements=["C", "W"])
            pixels = corrections.defects.repairs.apply(pixels, still)
        self.digests[at] = digest = xxhash.xxh3_128_hexdigest(data)
        return _Decoded(pixels, digest, buffers)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(None, None, None)
