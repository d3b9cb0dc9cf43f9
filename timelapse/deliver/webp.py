"""Animated WebP: frames are coded in parts, and joined by their chunks (RFC 9649)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver.colours import video_frame
from timelapse.deliver.film import encode_errors, on_disk
from timelapse.deliver.formats import Format
from timelapse.deliver.pictured import WebP
from timelapse.errors import EncodeError

#: A WebP counts time in thousandths of a second.
TICK = Fraction(1, 1000)
#: What the encoder is told that a frame lasts: it makes one of several that are equal.
_STEP = 10
_ANIMATED, _ALPHA = 0x02, 0x10  # flags of VP8X
_KEEP_UNDER = 0x02  # flag of a frame: it replaces what was there, also where it is clear
_PICTURE = (b"ALPH", b"VP8 ", b"VP8L")
_HEAD = 16


@dataclass(frozen=True)
class Shown:
    """A frame of an animation: its place and size, for how many ticks it is shown, its flags, and
    its coded pixels."""

    x: int
    y: int
    width: int
    height: int
    ticks: int
    flags: int
    coded: bytes

    @classmethod
    def of(cls, data: bytes) -> Shown:
        """From the payload of an ANMF chunk."""
        at = [int.from_bytes(data[n : n + 3], "little") for n in range(0, 15, 3)]
        return cls(2 * at[0], 2 * at[1], at[2] + 1, at[3] + 1, at[4], data[15], data[_HEAD:])

    def chunk(self, ticks: int) -> bytes:
        """As an ANMF chunk that is shown for so many ticks."""
        values = (self.x // 2, self.y // 2, self.width - 1, self.height - 1, ticks)
        head = b"".join(value.to_bytes(3, "little") for value in values)
        return _chunk(b"ANMF", head + bytes([self.flags]) + self.coded)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a WebP, each with its payload."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        raise ValueError("is not a WebP")
    left = int.from_bytes(head[4:8], "little") - 4
    while left >= 8:
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        data = file.read(size)
        if len(data) < size:
            raise ValueError("ends within a frame")
        file.read(size % 2)
        left -= 8 + size + size % 2
        yield name, data
    if left:
        raise ValueError("ends within a frame")


def frames_of(file: IO[bytes], size: tuple[int, int]) -> Iterator[Shown]:
    """The frames of an animation, or of a still picture of that size.  Raises ValueError."""
    still = b""
    for name, data in _chunks(file):
        if name == b"ANMF":
            yield Shown.of(data)
        elif name in _PICTURE:
            still += _chunk(name, data)
    if still:
        yield Shown(0, 0, *size, 0, _KEEP_UNDER, still)


def frames_in(path: Path) -> Iterator[Shown]:
    """The frames of an animation, read as they are asked for.  Raises ValueError."""
    with path.open("rb") as file:
        yield from frames_of(file, (0, 0))


def size_of(file: IO[bytes]) -> tuple[tuple[int, int], bool]:
    """Width and height of an animation, and whether it has alpha.  Raises ValueError."""
    for name, data in _chunks(file):
        if name == b"VP8X":
            width, height = (int.from_bytes(data[n : n + 3], "little") + 1 for n in (4, 7))
            return (width, height), bool(data[0] & _ALPHA)
        break
    raise ValueError("is not an animated WebP")


#: A frame, and how many of the film's frames it stands for: equal ones are coded once.
Counted = tuple[Shown, int]


def counts(ticks: Iterable[int], rate: Fraction) -> Iterator[int]:
    """How many of a film's frames each of an animation's stands for, by the ticks that it is shown.

    Raises ValueError where one does not begin at the tick nearest to a frame's instant.
    """
    now = number = 0
    for length in ticks:
        now += length
        after = nearest(now, TICK, 1 / rate)
        yield after - number
        number = after


def nearest(stamp: int, base: Fraction, tick: Fraction) -> int:
    """The number of the frame that a file shows at `stamp` of its own ticks `base`, where frames
    come every `tick` seconds; raises ValueError where that is not the one nearest to its instant.
    """
    number = round(stamp * base / tick)
    if abs(stamp * base - number * tick) > base / 2:
        raise ValueError(f"it shows a frame at {float(stamp * base):.6f} s, off its instant")
    return number


def _write(path: Path, frames: Iterable[Counted], format: WebP, size: tuple[int, int]) -> None:
    step, now, number = 1 / Fraction(format.rate) / TICK, 0, 0
    flags = _ANIMATED | _ALPHA * format.alpha
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    with path.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WEBP")
        file.write(_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides))
        file.write(_chunk(b"ANIM", bytes(4) + format.loop.to_bytes(2, "little")))
        for frame, count in frames:
            number += count
            after = int(number * step + Fraction(1, 2))
            file.write(frame.chunk(after - now))
            now = after
        length = file.tell() - 8
        if length > 0xFFFFFFFF:
            raise ValueError("it has more than the 4 GiB of a WebP; give a smaller output.size")
        file.seek(4)
        file.write(length.to_bytes(4, "little"))
    on_disk(path)


class WebPEncoder:
    """Writes one animated WebP; see `encoder`.  Its frames are kept in memory as they are coded."""

    def __init__(self, path: Path, size: tuple[int, int], format: WebP) -> None:
        from av import VideoCodecContext

        self._path, self._size, self._format, self._count = path, size, format, 0
        self._first: NDArray[np.uint8] | None = None
        with encode_errors(path):
            self._coder = cast("VideoCodecContext", VideoCodecContext.create(format.codec, "w"))
            self._coder.width, self._coder.height = size
            self._coder.pix_fmt = format.pixels
            self._coder.time_base = TICK
            self._coder.options = format.tuned(1)

    def write(self, planes: NDArray[Any]) -> None:
        if self._first is None:
            self._first = planes.copy()
        frame = video_frame(planes, self._format.pixels)
        frame.pts, frame.time_base = self._count * _STEP, TICK
        self._count += 1
        with encode_errors(self._path):
            self._coder.encode(frame)

    def __enter__(self) -> WebPEncoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(Exception):
                self._coder.encode(None)
            return
        with encode_errors(self._path):
            coded = b"".join(map(bytes, self._coder.encode(None)))
            _write(self._path, self._all(coded), self._format, self._size)

    def _all(self, coded: bytes) -> Iterator[Counted]:
        first, *others = frames_of(BytesIO(coded), self._size)
        left = self._count
        for frame, after in pairwise([self._whole(first), *others, None]):
            assert frame is not None
            count = frame.ticks // _STEP if after else left  # the last one's time is a guess
            left -= count
            yield frame, count

    def _whole(self, first: Shown) -> Shown:
        """The first frame of a part, over all that the part before it has left.  The encoder leaves
        out what is clear at its edges."""
        from PIL import Image

        flags = first.flags | _KEEP_UNDER
        if (first.width, first.height) == self._size:
            return replace(first, flags=flags)
        assert self._first is not None
        picture, file = Image.fromarray(self._first[..., [2, 1, 0, 3]]), BytesIO()
        how = {"quality": self._format.quality, "lossless": self._format.lossless}
        picture.save(file, "WEBP", method=self._format.effort, **how)
        file.seek(0)
        return replace(next(frames_of(file, self._size)), ticks=first.ticks, flags=flags)


def join_webp(parts: Sequence[Path], out: Path, format: Format) -> None:
    """Writes the frames of `parts` into the animation `out`."""
    assert isinstance(format, WebP)
    with parts[0].open("rb") as first:
        size, _ = size_of(first)

    def frames() -> Iterator[Counted]:
        for path in parts:
            with path.open("rb") as part:
                if size_of(part)[0] != size:
                    raise EncodeError(f"{path}: is of another size than the parts before it")
            ticks = (frame.ticks for frame in frames_in(path))
            yield from zip(frames_in(path), counts(ticks, Fraction(format.rate)), strict=True)

    _write(out, frames(), format, size)
