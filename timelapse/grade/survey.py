"""A walk through the stills of a roll, for what a correction measures of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from timelapse.errors import StillError
from timelapse.ingest import Limits, Pixels, Reader, Still, decode_bytes
from timelapse.machine import Buffers, cores, single_threaded_opencv

Size = tuple[int, int]


def surveyed(
    stills: Sequence[Still],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    size: Callable[[Still], Size] | None = None,
    wanted: Iterable[int] | None = None,
    seen: Callable[[int, Pixels], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    lent: bool = False,
) -> Iterator[tuple[int, Pixels]]:
    """Decodes stills ahead in threads, and yields (index, pixels) in the order of `wanted`, which
    are indices of `stills`: all of them, where it is not given.

    `size` says the (width, height) that a still is decoded to at least; whole, where it is not
    given.  Pixels are upright, H x W x 3, RGB in display light, uint8 or uint16, and the caller's;
    where they are `lent`, until the next ones are asked for, which is quicker: fresh memory for a
    large still costs a fifth of its decoding.  `seen` is shown each in the thread that decoded it,
    in any order: for what else wants to look at it, which must not change it.  Stills that cannot
    be decoded are passed over.  Memory: two decoded stills a core.
    """
    order = list(range(len(stills)) if wanted is None else wanted)
    left, width = iter(order), cores()

    # One for each that is being decoded, and one for what the caller has.
    room = deque(Buffers() if lent else None for _ in range(width + 1))

    def load(at: int, buffers: Buffers | None) -> Pixels | None:
        still = stills[at]
        try:
            data = reader.read(still.file)
            pixels = decode_bytes(data, still, size(still) if size else still.size, limits, buffers)
        except StillError:
            return None
        if seen:
            seen(at, pixels)
        return pixels

    with (
        Reader(limits) as reader,
        single_threaded_opencv(),
        ThreadPoolExecutor(width, thread_name_prefix="survey") as pool,
    ):
        running: deque[tuple[int, Buffers | None, Future[Pixels | None]]] = deque()

        def start(count: int) -> None:
            for at in islice(left, count):
                buffers = room.popleft()
                running.append((at, buffers, pool.submit(load, at, buffers)))

        try:
            start(width)
            done = 0
            while running:
                at, buffers, future = running.popleft()
                pixels = future.result()
                start(1)
                if pixels is not None:
                    yield at, pixels
                room.append(buffers)
                done += 1
                if progress:
                    progress(done, len(order))
        finally:
            pool.shutdown(cancel_futures=True)
