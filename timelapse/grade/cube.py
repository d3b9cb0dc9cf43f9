"""Look-up tables of colours from .cube files, and frames through them.

The format is that of the Cube LUT Specification 1.0 (Adobe, 2013), which began with IRIDAS: a table
of three dimensions, or three of one.  What a table does to a frame is worked out by ffmpeg's filter
`lut3d`, at 16 bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.machine import Buffers

_Shown = NDArray[np.uint16]
_Floats = NDArray[np.float32]
Three = tuple[float, float, float]

#: The finest tables that are read; the files in use have 17 to 65 steps, and 1,024 to 4,096.
_FINEST = {"LUT_3D_SIZE": 129, "LUT_1D_SIZE": 65536}
_BYTES_AT_MOST = 128 << 20
#: How many numbers follow a keyword; the last two are DaVinci Resolve's way to say the domain.
_NUMBERS = {
    "LUT_3D_SIZE": 1,
    "LUT_1D_SIZE": 1,
    "DOMAIN_MIN": 3,
    "DOMAIN_MAX": 3,
    "LUT_3D_INPUT_RANGE": 2,
    "LUT_1D_INPUT_RANGE": 2,
}


@dataclass(frozen=True)
class Cube:
    """A look-up table for display light; made by `read_cube` or `Cube.of`.

    `table` is n x n x n x 3 by blue, green and red, or n x 3; its ends stand for `low` and `high`.
    Equal `digest`s mean equal tables.
    """

    digest: str
    table: _Floats = field(repr=False, compare=False)
    low: Three = field(default=(0, 0, 0), repr=False, compare=False)
    high: Three = field(default=(1, 1, 1), repr=False, compare=False)
    title: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(
        cls,
        table: NDArray[Any],
        low: Three = (0, 0, 0),
        high: Three = (1, 1, 1),
        title: str = "",
    ) -> Cube:
        """A table that is not from a file; it is copied."""
        table = np.array(table, np.float32)
        state = blake2b(repr((table.shape, low, high)).encode(), digest_size=12)
        state.update(table.tobytes())
        return cls(state.hexdigest(), table, low, high, title)

    def apply(self, shown: _Shown, strength: float, buffers: Buffers) -> _Shown:
        """A frame, or a band of one (H x W x 3, uint16, display light), through the table.

        With a `strength` below 1, the result is so much of that and the rest of `shown`.  Between
        the table's points, it is interpolated over tetrahedra (J. M. Kasson, W. Plouffe and S. I.
        Nin, SPIE 1909, 1993).  The result is that of `buffers`, and not `shown`, which stays.
        """
        import cv2

        out: _Shown = buffers.take("cube", shown.shape, np.uint16)
        if self.table.ndim == 2:
            return cv2.LUT(shown, _lines(self, strength), out)  # type: ignore[return-value]
        within = shown
        if (self.low, self.high) != ((0, 0, 0), (1, 1, 1)):
            within = cv2.LUT(shown, _domain(self), out)  # type: ignore[assignment]
        _filter(self, shown.shape[0], shown.shape[1], get_ident()).run(within, out)
        if strength < 1:
            cv2.addWeighted(out, strength, shown, 1 - strength, 0, out)
        return out


def read_cube(path: Path) -> Cube:
    """The table of a .cube file; ProjectError, with the line, where it is none."""
    try:
        if path.stat().st_size > _BYTES_AT_MOST:
            raise ProjectError(f"{path}: larger than {_BYTES_AT_MOST >> 20} MB; save it smaller")
        content = path.read_bytes()
    except OSError as error:
        raise ProjectError(f"{path}: the look-up table cannot be read: {error.strerror}") from error
    if b"\0" in content:
        raise ProjectError(f"{path}: not a .cube file, which is text; export the look as .cube")
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    return _Reading(str(path)).cube(lines)


class _Reading:
    """A file that is read; keeps where it is, for its errors."""

    def __init__(self, name: str) -> None:
        self._name, self._line = name, 0
        self._said: dict[str, tuple[float, ...]] = {}
        self._title = ""

    def cube(self, lines: list[str]) -> Cube:
        rows = [self._floats(words, 3, "a line of the table") for words in self._table(lines)]
        sides = [name for name in _FINEST if name in self._said]
        if not sides:
            raise self._wrong("the file has no LUT_3D_SIZE; export the look as .cube again")
        if len(sides) > 1:
            raise self._wrong("the file has a 1D and a 3D table; save it with one")
        side = sides[0]
        size, solid = int(self._said[side][0]), side == "LUT_3D_SIZE"
        wanted = size**3 if solid else size
        if len(rows) != wanted:
            raise self._wrong(
                f"{side} {size} wants {wanted} lines of three numbers, and there are {len(rows)}; "
                "the file may be cut off: copy it again"
            )
        low, high = self._domain(side[:6])
        if not all(one < other for one, other in zip(low, high, strict=True)):
            raise self._wrong(f"the domain from {low} to {high} is empty; DOMAIN_MAX is the higher")
        table = np.array(rows, np.float32)
        if solid:
            table = table.reshape(size, size, size, 3)
        return Cube.of(table, low, high, self._title)

    def _table(self, lines: list[str]) -> Iterator[list[str]]:
        """The words of each line of the table; what the others say is kept."""
        begun = False
        for self._line, text in enumerate(lines, 1):
            words = text.split()
            if not words or words[0].startswith("#"):
                continue
            if not re.match(r"[A-Za-z]\w*$", words[0]) or words[0].lower() in ("nan", "inf"):
                begun = True
                yield words
            elif begun:
                raise self._wrong(f"{words[0]} stands behind the start of the table; move it up")
            else:
                self._keyword(words[0], words[1:], text)

    def _keyword(self, name: str, words: list[str], text: str) -> None:
        if name == "TITLE":
            self._title = text.split(None, 1)[1].strip().strip('"') if words else ""
            return
        if name not in _NUMBERS:
            raise self._wrong(
                f"{name} is not known, and may change what the table means; export the look as a "
                f"plain .cube, with {', '.join(_FINEST)} and DOMAIN_MIN, DOMAIN_MAX alone"
            )
        if name in self._said:
            raise self._wrong(f"{name} stands here a second time; leave one")
        numbers = self._floats(words, _NUMBERS[name], name)
        finest = _FINEST.get(name)
        if finest and not (numbers[0].is_integer() and 2 <= numbers[0] <= finest):
            raise self._wrong(
                f"{name} {words[0]} is not from 2 to {finest}; export a table that is"
            )
        self._said[name] = numbers

    def _domain(self, kind: str) -> tuple[Three, Three]:
        if found := self._said.get(f"{kind}_INPUT_RANGE"):
            return (found[0],) * 3, (found[1],) * 3
        low, high = (
            self._said.get("DOMAIN_MIN", (0.0,) * 3),
            self._said.get("DOMAIN_MAX", (1.0,) * 3),
        )
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def _floats(self, words: list[str], count: int, what: str) -> tuple[float, ...]:
        try:
            numbers = tuple(map(float, words))
        except ValueError:
            numbers = ()
        if len(numbers) != count or not all(map(isfinite, numbers)):
            comma = ", with a point for the decimals" if any("," in word for word in words) else ""
            wanted = f"{count} numbers" if count > 1 else "one number"
            raise self._wrong(f"{what} wants {wanted}{comma}, not {' '.join(words)[:60]!r}")
        return numbers

    def _wrong(self, words: str) -> ProjectError:
        return ProjectError(f"{self._name}:{max(1, self._line)}: {words}")


def cube_text(cube: Cube) -> str:
    """A table as the text of a .cube file."""
    solid = cube.table.ndim == 4
    head = [f'TITLE "{cube.title}"'] if cube.title else []
    head.append(f"LUT_{3 if solid else 1}D_SIZE {len(cube.table)}")
    if (cube.low, cube.high) != ((0, 0, 0), (1, 1, 1)):
        for name, ends in (("DOMAIN_MIN", cube.low), ("DOMAIN_MAX", cube.high)):
            head.append(" ".join([name, *map(repr, ends)]))
    rows = (f"{r:.9g} {g:.9g} {b:.9g}" for r, g, b in cube.table.reshape(-1, 3).tolist())
    return "\n".join([*head, *rows]) + "\n"


class _Filter:
    """ffmpeg's filter for one table and one size of frames; for one thread at a time."""

    def __init__(self, cube: Cube, height: int, width: int) -> None:
        import av

        self._shape = height, width
        # Planes, because ffmpeg has vector code for them; packed pixels take four times as long.
        self._frame = av.VideoFrame(width, height, "gbrp16le")
        self._frame.time_base, self._frame.pts = Fraction(1, 25), 0
        self._graph = av.filter.Graph()
        self._graph.threads = 1  # whoever wants more of them has one for each frame or band
        with TemporaryDirectory(prefix="timelapse-") as folder:
            file = Path(folder) / "look.cube"
            file.write_text(cube_text(Cube(cube.digest, cube.table)), encoding="ascii")
            source = self._graph.add_buffer(
                width=width, height=height, format=self._frame.format, time_base=Fraction(1, 25)
            )
            look = self._graph.add("lut3d", file=str(file), interp="tetrahedral")
            sink = self._graph.add("buffersink")
            source.link_to(look)
            look.link_to(sink)
            self._graph.configure()

    def run(self, shown: _Shown, out: _Shown) -> None:
        import cv2

        cv2.mixChannels([shown], self._planes(self._frame), [0, 2, 1, 0, 2, 1])
        self._graph.push(self._frame)
        cv2.mixChannels(self._planes(self._graph.pull()), [out], [2, 0, 0, 1, 1, 2])

    def _planes(self, frame: Any) -> list[Any]:
        """Green, blue and red, as arrays that are the frame's memory."""
        height, width = self._shape
        return [
            np.frombuffer(plane, np.uint16).reshape(height, plane.line_size // 2)[:, :width]
            for plane in frame.planes
        ]


@lru_cache(maxsize=8)
def _filter(cube: Cube, height: int, width: int, _thread: int) -> _Filter:
    return _Filter(cube, height, width)


@lru_cache(maxsize=4)
def _domain(cube: Cube) -> _Shown:
    """Where each display value is in the table's domain, 0 to 65535: 1 x 65536 x 3."""
    low, high = np.array(cube.low), np.array(cube.high)
    share = (np.arange(65536)[:, None] / 65535 - low) / (high - low)
    within: _Shown = np.rint(np.clip(share, 0, 1) * 65535).astype(np.uint16)[None]
    return within


@lru_cache(maxsize=4)
def _lines(cube: Cube, strength: float) -> _Shown:
    """What a table of one dimension makes of each display value: 1 x 65536 x 3."""
    share = np.arange(65536) / 65535
    made = [
        np.interp(share, np.linspace(low, high, len(line)), line)
        for low, high, line in zip(cube.low, cube.high, cube.table.T, strict=True)
    ]
    mixed = share[:, None] + strength * (np.stack(made, axis=-1) - share[:, None])
    table: _Shown = np.rint(np.clip(mixed, 0, 1) * 65535).astype(np.uint16)[None]
    return table
