"""The same segments on a Dask cluster: what is joined here was rendered where there was room.

A worker gets a segment and sends back its coded part; frames never cross the network, and stills
are read by the worker itself, under the same path as here.  Every part is what this machine would
have made: a worker whose libraries, fonts or stills are others is left out, and said.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from threading import Event, Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from timelapse.errors import ProjectError, RenderError
from timelapse.ingest import File
from timelapse.render.lane import Lane, Made, StillsLost, Stopped
from timelapse.render.parts import disk_errors
from timelapse.render.segment import Bundle, Segment, versions
from timelapse.render.stillcache import StillCache
from timelapse.storage import written_whole

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_WITHIN = 10
#: Seconds without any worker that can do the work, after which the render gives up.
_WORKERS_WITHIN = 30
_LOOK_EVERY = 0.5
_AT_MOST_AT_ONCE = 512


class Unfit(RenderError):  # noqa: N818 - a finding, and the work goes on without it
    """A worker that would not make the same part; `worker` is its address."""

    def __init__(self, worker: str, message: str) -> None:
        super().__init__(message)
        self.worker = worker

    def __reduce__(self) -> tuple[type[Unfit], tuple[str, str]]:
        return Unfit, (self.worker, str(self))


class Cluster:
    """A crew (see `timelapse.render.Crew`) of the workers of a running Dask cluster.

    `address` is the scheduler's, such as ``tcp://host:8786``; `cache` bounds the stills that each
    worker keeps on its disk, in bytes.  `notes` tells of workers that were left out.  Raises
    RenderError where Dask is not installed, no scheduler answers, or no worker can do the work.
    """

    def __init__(self, address: str, *, cache: int | None = None) -> None:
        try:
            import distributed  # noqa: F401
        except ImportError:
            raise RenderError(
                "a cluster needs Dask: pip install 'timelapse[dask]', here and on its workers"
            ) from None
        self.address = address
        self.notes: list[str] = []
        self._cache = cache
        self._unfit: dict[str, str] = {}
        self._lock, self._stopped = Lock(), Event()
        self._pool = ThreadPoolExecutor(_AT_MOST_AT_ONCE, thread_name_prefix="part")

    def __enter__(self) -> Self:
        from distributed import Client

        # What it would write to stderr is raised here, or is nobody's concern.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            self._client: Client = Client(
                self.address, timeout=_CONNECT_WITHIN, set_as_default=False
            )
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise RenderError(
                f"{self.address}: no Dask scheduler answers there ({error}); "
                "`dask scheduler` starts one and tells its address"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)
        self._client.close()

    @property
    def width(self) -> int:
        """As many segments as the workers have threads, and one that waits for each worker."""
        with self._told():
            fit = {w: n for w, n in self._client.nthreads().items() if w not in self._unfit}
        threads: int = sum(fit.values())
        return max(1, min(_AT_MOST_AT_ONCE, threads + len(fit)))

    @property
    def frames(self) -> int:
        """None: what a worker has made of a segment is known when it is finished."""
        return 0

    def make(self, bundle: Bundle, paths: Sequence[Path]) -> Future[list[Made]]:
        return self._pool.submit(self._make, bundle, paths)

    def _make(self, bundle: Bundle, paths: Sequence[Path]) -> list[Made]:
        there, names = _as_seen_from_afar(bundle)
        try:
            parts = self._result(there, [segment.key for segment in bundle.segments])
        except StillsLost as error:
            raise StillsLost({names[name]: why for name, why in error.lost.items()}) from error
        for path, (_, part) in zip(paths, parts, strict=True):
            with disk_errors(path), written_whole(path, sync=True) as draft:
                draft.write_bytes(part)
        return [
            replace(made, stills={names[name]: hash for name, hash in made.stills.items()})
            for made, _ in parts
        ]

    def _result(self, bundle: Bundle, keys: list[str]) -> list[tuple[Made, bytes]]:
        """What a worker makes of a bundle: the first that is fit for it, and lives."""
        while True:
            workers = self._fit()
            with self._told(bundle.first):
                future = self._client.submit(
                    render_parts,
                    *(bundle, keys, versions(), self._cache),
                    pure=False,
                    workers=workers,
                )
            try:
                if self._finished(future, workers):
                    with self._told(bundle.first):
                        result: list[tuple[Made, bytes]] = future.result()
                    return result
            except Unfit as error:
                self._leave_out(error)
            finally:
                future.cancel()

    def _finished(self, future: Any, workers: list[str]) -> bool:
        """Waits for a task; False where all workers that might do it are gone."""
        from distributed import wait

        while not self._stopped.is_set():
            with self._told():
                try:
                    with self._client.as_current():
                        wait(future, timeout=_LOOK_EVERY)
                    return True
                except TimeoutError:
                    alive = self._client.nthreads()
            if not any(worker in alive for worker in workers):
                return False
        raise Stopped

    def _fit(self) -> list[str]:
        """The workers that are there and were not found unfit; waits for some."""
        until = monotonic() + _WORKERS_WITHIN
        while not self._stopped.wait(0):
            with self._told():
                workers = list(self._client.nthreads())
            if fit := [worker for worker in workers if worker not in self._unfit]:
                return fit
            if workers or monotonic() > until:
                told = "; ".join(self._unfit.values()) or "none has joined it"
                raise RenderError(f"{self.address}: no worker can render this film: {told}")
            self._stopped.wait(_LOOK_EVERY)
        raise Stopped

    def _leave_out(self, error: Unfit) -> None:
        with self._lock:
            if error.worker not in self._unfit:
                self._unfit[error.worker] = str(error)
                self.notes.append(f"{error}; it was left out")

    @contextmanager
    def _told(self, segment: Segment | None = None) -> Iterator[None]:
        """What Dask raises, in words."""
        from asyncio import CancelledError

        from distributed import KilledWorker

        try:
            yield
        except KilledWorker as error:
            assert segment is not None
            raise RenderError(
                f"frames {segment.start} to {segment.stop - 1} brought down one worker after "
                "another, the last one "
                f"{error.last_worker.address}; they may lack memory: give them fewer threads"
            ) from error
        except (CancelledError, OSError) as error:
            if isinstance(error, TimeoutError | StillsLost):
                raise
            raise RenderError(f"{self.address}: the scheduler is gone: {error!r}") from error


def _as_seen_from_afar(bundle: Bundle) -> tuple[Bundle, dict[str, str]]:
    """A bundle whose stills have absolute paths, and their names here by those there."""
    stills, names = [], {}
    for still in bundle.first.stills:
        file = still.file
        there = replace(
            file,
            path=file.path if file.archive else os.path.abspath(file.path),  # noqa: PTH100
            archive=file.archive and os.path.abspath(file.archive),  # noqa: PTH100
        )
        names[str(there)] = str(file)
        stills.append(replace(still, file=there))
    same = tuple(stills)
    return Bundle(tuple(replace(segment, stills=same) for segment in bundle.segments)), names


# ------------------------------------------------------------------ on a worker


def render_parts(
    bundle: Bundle, keys: list[str], libraries: dict[str, str], cache: int | None
) -> list[tuple[Made, bytes]]:
    """Renders a bundle on the worker that this runs on: of each segment what is known of its part,
    and the part.

    `keys` are the segments' where they were planned, `libraries` are the versions there.  Raises
    Unfit where this worker would make something else, StillsLost, EncodeError, RenderError.
    """
    from distributed import get_worker

    for segment, key in zip(bundle.segments, keys, strict=True):
        if why := _unfitness(segment, key, libraries):
            here = get_worker().address
            raise Unfit(here, f"worker {here} on {socket.gethostname()} {why}")
    room = Path(gettempdir())
    with disk_errors(room), TemporaryDirectory(prefix="timelapse-") as folder:
        paths = [
            Path(folder) / f"part{at}{segment.format.part_ending}"
            for at, segment in enumerate(bundle.segments)
        ]
        with Lane(bundle.first, StillCache(cache)) as lane:
            made = lane.make(bundle, paths)
        return [(one, path.read_bytes()) for one, path in zip(made, paths, strict=True)]


def _unfitness(segment: Segment, key: str, libraries: dict[str, str]) -> str:
    """Why this worker would make another part, or none; empty where it would not."""
    for name, was in libraries.items():
        if (found := versions().get(name)) != was:
            return f"has {name} {found}, not {was}; install the same"
    for still in segment.stills:
        if why := _unseen(still.file):
            return why
    try:
        if segment.key == key:
            return ""
    except ProjectError as error:
        return f"cannot draw the texts: {error}"
    return "has other fonts, another text engine or another RAW decoder; see `timelapse doctor`"


def _unseen(file: File) -> str:
    """Why the file of a still cannot be had here, or is another one."""
    path = Path(file.archive or file.path)
    try:
        size = path.stat().st_size
    except OSError as error:
        why = error.strerror or error
        return f"cannot see {path} ({why}); the stills have to be under the same path there"
    if not file.archive and size != file.size:
        return f"sees another file as {path}: {size} bytes, not {file.size}"
    return ""
