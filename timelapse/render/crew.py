"""Who makes the segments of a render."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event
from typing import Protocol, Self

from timelapse.machine import single_threaded_opencv
from timelapse.render.budget import Share
from timelapse.render.lane import Lane, Made, Stopped
from timelapse.render.parts import disk_errors
from timelapse.render.segment import Bundle
from timelapse.render.stillcache import StillCache
from timelapse.storage import written_whole


class Crew(Protocol):
    """Who makes bundles of segments: lanes in this process, or the workers of a cluster."""

    def make(self, bundle: Bundle, paths: Sequence[Path]) -> Future[list[Made]]:
        """Begins a bundle whose segments' parts will be `paths`; each appears whole.

        The future raises StillsLost, EncodeError, RenderError.
        """
        ...

    @property
    def width(self) -> int:
        """How many bundles it makes at once."""
        ...

    @property
    def frames(self) -> int:
        """How many frames it has encoded of bundles that are not finished."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of how the work went."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


class Lanes:
    """A crew of threads in this process."""

    notes: Sequence[str] = ()

    def __init__(self, share: Share, cache: StillCache) -> None:
        self.width = share.lanes
        self._share, self._cache = share, cache
        self._open = ExitStack()
        self._pool = ThreadPoolExecutor(share.lanes, thread_name_prefix="lane")
        self._idle: SimpleQueue[Lane] = SimpleQueue()
        self._stopped = Event()
        self._progress: dict[Path, int] = {}

    @property
    def frames(self) -> int:
        return sum(list(self._progress.values()))

    def make(self, bundle: Bundle, paths: Sequence[Path]) -> Future[list[Made]]:
        return self._pool.submit(self._make, bundle, paths)

    def _make(self, bundle: Bundle, paths: Sequence[Path]) -> list[Made]:
        try:
            lane = self._idle.get_nowait()
        except Empty:
            lane = Lane(bundle.first, self._cache, self._share.threads, self._share.decoders)
        done = count(1)

        def tick() -> None:
            if self._stopped.is_set():
                raise Stopped
            self._progress[paths[0]] = next(done)

        try:
            with disk_errors(paths[0]), ExitStack() as drafts:
                # The encoders have seen to it that they are on the disk.
                places = [drafts.enter_context(written_whole(path)) for path in paths]
                return lane.make(bundle, places, tick)
        finally:
            self._progress.pop(paths[0], None)
            self._idle.put(lane)

    def __enter__(self) -> Self:
        self._open.enter_context(single_threaded_opencv())
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().__exit__(None, None, None)
        self._open.close()
