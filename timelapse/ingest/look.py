"""One quick look at each still: what bad stills and the brightness of a roll are judged by.

Decoded small, measured, and let go.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.ingest import raw
from timelapse.ingest.decode import decode_bytes, decoded_size
from timelapse.ingest.find import Reader
from timelapse.ingest.header import read_header
from timelapse.ingest.remembered import RememberedRows
from timelapse.ingest.still import File, Pixels, Roll, Still
from timelapse.ingest.timing import Timed
from timelapse.machine import cores, single_threaded_opencv
from timelapse.srgb import linear_of

#: Pixels of the longer side of what is measured: sharpness means something at one size alone.
SIDE = 320
#: Pixels of the column kept for the keogram; width and height of the thumbnail.
COLUMN, THUMBNAIL = 64, (16, 24)
#: Columns and rows of the patches whose light is kept.
PATCHES = 24, 16
#: Display values (of 255) from which on a pixel is clipped, and up to which it is black.
_WHITE, _BLACK = 250, 5
#: How many levels the rows of a filling may differ by on average, once they have been made
#: smaller, and saved again.
_ALIKE = 2
#: What red, green and blue of linear light add to luminance (BT.709-6, 3.2).
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)

#: What is kept of a still:
#:
#: =========== ==================================================================================
#: luminance   its mean, in linear light, 0 to 1 (BT.709-6, 3.2); `shadows`, `middle` and `lights`
#:             are the 5th, 50th and 99th percentile
#: clipped     share of the pixels that are white in all channels; `black`: that are black in all
#: contrast    standard deviation of luma in display light, 0 to 1
#: sharpness   variance of luma's Laplacian over the variance of luma: how much of what is to be
#:             seen is fine detail, however bright it is
#: filled      share of the height, from the bottom up, whose rows are all alike
#: column      the middle column, RGB in display light, from the top
#: thumbnail   luma in display light
#: patches     mean of each in linear light, RGB, 0 to 1
#: =========== ==================================================================================
LOOK = np.dtype(
    [
        *((name, np.float32) for name in ("luminance", "shadows", "middle", "lights", "clipped",
          "black", "contrast", "sharpness", "filled")),
        ("column", np.uint8, (COLUMN, 3)),
        ("thumbnail", np.uint8, THUMBNAIL[::-1]),
        ("patches", np.float16, (*PATCHES[::-1], 3)),
    ]
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Looks:
    """What the stills of a roll look like: `rows` (of `LOOK`) has one a still.

    The rows of `unreadable` stills are all zero; `damaged` are those that could be decoded in part
    only.  Both have the decoder's reason, by the still's index.
    """

    rows: NDArray[Any]
    unreadable: Mapping[int, str] = field(default_factory=dict)
    damaged: Mapping[int, str] = field(default_factory=dict)


def look(
    roll: Roll,
    *,
    damaged: bool = False,
    remember: str | os.PathLike[str] | None = None,
    seen: Mapping[int, NDArray[Any]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Looks:
    """Looks at every still of a roll.

    With `damaged` JPEGs are looked at whose decoder complains, too.  `remember` is the name that
    the roll was scanned by: what was seen of files that have not changed since is not looked at
    again; nor are those of which `seen` has the row, by their index (`measured` of a still that was
    decoded to what `looked_at` says).  Memory: 2.9 kB a still, and two decoded stills a core.
    """
    stills = roll.stills
    rows = np.zeros(len(stills), LOOK)
    unreadable, half = dict[int, str](), dict[int, str]()
    known = RememberedRows(os.fspath(remember), LOOK, _decoders()) if remember else None
    todo = []
    for at, still in enumerate(stills):
        row = known.get(still.file) if known else None
        if row is None and seen and (row := seen.get(at)) is not None and known:
            known.add(still.file, row)
        if row is None:
            todo.append(at)
        else:
            rows[at] = row
    with Reader(roll.limits) as reader, single_threaded_opencv():
        done = len(stills) - len(todo)
        for at, found in _in_threads(todo, lambda at: _look(reader, stills[at], damaged)):
            if found.row is None:
                unreadable[at] = found.complaint
            else:
                rows[at] = found.row
                if found.complaint:
                    half[at] = found.complaint
                elif known:
                    known.add(stills[at].file, found.row)
            done += 1
            if progress:
                progress(done, len(stills))
    if known:
        known.save()
    if progress:
        progress(len(stills), len(stills))
    return Looks(rows, unreadable, half)


def thumbnail(reader: Reader, still: Still, side: int) -> Pixels:
    """The still as sRGB in display light, H x W x 3, uint8, its longer side at most `side` pixels;
    of a JPEG that its decoder complains of, what can be seen; of a RAW file the camera's preview,
    where one is large enough, whatever became of the rest.  Raises StillError."""
    data = reader.read(still.file)
    if still.kind == "raw":
        with suppress(StillError):  # none that will do: then the RAW itself
            return _preview(data, still, reader, side)
    return _small(_decoded(data, replace(still, damaged=True), reader, SIDE), still.size, side)


def _preview(data: bytes, still: Still, reader: Reader, side: int) -> Pixels:
    inside, seen = raw.preview(data, still, reader.limits)
    wanted = within(still.size, side)
    if seen.size[0] < wanted[0] or seen.size[1] < wanted[1]:
        raise StillError(str(still.file), "RAW: its preview is too small")
    return _small(decode_bytes(inside, seen, wanted, reader.limits), still.size, side)


def glimpse(reader: Reader, path: str, side: int) -> Pixels:
    """The same of a file on disk that may have been left out of its roll.  Raises StillError, also
    where its name promises no picture."""
    if not File(path, 0, 0).promises_picture:
        raise StillError(path, "no picture")
    try:
        info = Path(path).stat()
    except (OSError, ValueError) as error:
        raise StillError(path, "not there") from error
    file = File(path, info.st_size, info.st_mtime_ns)
    return thumbnail(reader, Timed(file, read_header(reader, file, whole=False)).still(), side)


@dataclass(frozen=True)
class _Seen:
    row: Any = None
    complaint: str = ""


def looked_at(still: Still) -> tuple[int, int]:
    """The (width, height) that a still is decoded to for a look."""
    return decoded_size(still, within(still.size, SIDE))


def _look(reader: Reader, still: Still, damaged: bool) -> _Seen:
    try:
        # Of a RAW file never the preview: the camera gave it a brightness of its own, and it may
        # be whole where the RAW is not.
        data = reader.read(still.file)
        try:
            return _Seen(measured(_decoded(data, still, reader, SIDE), still.size))
        except StillError as error:
            if not damaged or still.kind != "jpeg":
                raise
            half = _decoded(data, replace(still, damaged=True), reader, SIDE)
            return _Seen(measured(half, still.size), error.reason)
    except StillError as error:
        return _Seen(complaint=error.reason)


def _decoded(data: bytes, still: Still, reader: Reader, side: int) -> Pixels:
    return decode_bytes(data, still, within(still.size, side), reader.limits)


def within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A (width, height) made smaller to have no side longer than `side`."""
    scale = min(1, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _small(pixels: Pixels, size: tuple[int, int], side: int) -> Pixels:
    import cv2

    if pixels.dtype != np.uint8:
        pixels = (pixels >> 8).astype(np.uint8)
    wanted = within(size, side)
    if pixels.shape[1::-1] == wanted:
        return pixels
    return cv2.resize(pixels, wanted, interpolation=cv2.INTER_AREA)


def measured(pixels: Pixels, size: tuple[int, int]) -> NDArray[Any]:
    """The row of `LOOK` of a still of that (width, height): `pixels` are sRGB in display light, H x
    W x 3, uint8 or uint16, at this size or any smaller one."""
    import cv2

    small = _small(pixels, size, SIDE)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    linear = np.take(_linear(), small)
    light = linear @ LUMINANCE
    shadows, middle, lights = np.percentile(light, (5, 50, 99))
    spread = float(luma.std())
    detail = float(cv2.Laplacian(luma, cv2.CV_32F).var())
    row = np.zeros((), LOOK)
    row["luminance"] = light.mean()
    row["shadows"], row["middle"], row["lights"] = shadows, middle, lights
    row["clipped"] = (small.min(axis=2) >= _WHITE).mean()
    row["black"] = (small.max(axis=2) <= _BLACK).mean()
    row["contrast"] = spread / 255
    row["sharpness"] = detail / spread**2 if spread else 0
    row["filled"] = _filled(small)
    middle_column = small[:, small.shape[1] // 2 :][:, :1]
    row["column"] = cv2.resize(middle_column, (1, COLUMN), interpolation=cv2.INTER_AREA)[:, 0]
    row["thumbnail"] = cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA)
    row["patches"] = cv2.resize(linear, PATCHES, interpolation=cv2.INTER_AREA)
    return row


def _filled(pixels: Pixels) -> float:
    """The share of the rows that are like the lowest one, without a break."""
    unlike = _distance(pixels, pixels[-1:]).mean(axis=(1, 2)) > _ALIKE
    alike = int(np.argmax(unlike[::-1])) if unlike.any() else len(pixels)
    return alike / len(pixels) if alike > 1 else 0.0


def _distance(one: Pixels, other: Pixels) -> Pixels:
    """The distance of values of 8 bits, which cannot be subtracted as they are."""
    return np.maximum(one, other) - np.minimum(one, other)


@cache
def _linear() -> NDArray[np.float32]:
    """Linear light of each of 256 display values."""
    return linear_of(np.arange(256) / 255).astype(np.float32)


@cache
def _decoders() -> tuple[str, ...]:
    """What decides the pixels of a look, beside this package."""
    return tuple(version(name) for name in ("simplejpeg", "opencv-python-headless", "imagecodecs"))


def _in_threads(todo: list[int], work: Callable[[int], _Seen]) -> Iterator[tuple[int, _Seen]]:
    """What `work` makes of each, in order; never more than a few at once."""
    width = cores()
    left = iter(todo)
    with ThreadPoolExecutor(width, thread_name_prefix="look") as pool:
        running: deque[tuple[int, Future[_Seen]]] = deque()
        try:
            for at in islice(left, 2 * width):
                running.append((at, pool.submit(work, at)))
            while running:
                at, future = running.popleft()
                yield at, future.result()
                for fresh in islice(left, 1):
                    running.append((fresh, pool.submit(work, fresh)))
        finally:
            pool.shutdown(cancel_futures=True)
