"""What an earlier scan found: the headers of its files, and the roll that it made of them.

Kept in the folder of caches, two files for each roll.  Whatever is wrong with one is as if it were
not there; files that could not be used are always looked at again.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from timelapse.ingest.exif import Header
from timelapse.ingest.plain import from_plain, to_plain
from timelapse.ingest.still import File, Limits, Roll
from timelapse.storage import cache_folder, written_whole

#: A file may change again within the time that its time stamp can tell: one that is so young is
#: not remembered.
_YOUNG_NS = 2 * 10**9
_DAMAGE = (OSError, ValueError, KeyError, TypeError, IndexError, ZeroDivisionError)


class Remembered:
    """The headers of one roll, by path, size and modification time of its files."""

    def __init__(self, roll: str, limits: Limits) -> None:
        self._path = _place(roll, ".json")
        self._about = [*_readers(), *to_plain(limits)]
        self._now: dict[str, Any] = {}
        self._stamps, self._read = _Stamps(), from_plain(Header)
        self._fresh = False
        self._known: dict[str, Any] = {}
        with suppress(*_DAMAGE):
            words = json.loads(self._path.read_bytes())
            if words["about"] == self._about:
                self._known = dict(words["headers"])

    def get(self, file: File) -> Header | None:
        """The header of a file that has not changed since it was read."""
        row = self._known.get(str(file))
        try:
            if row is None or row[0] != self._stamps.of(file):
                return None
            header = self._read(row[1])
        except _DAMAGE:
            return None
        self._now[str(file)] = row
        return header

    def add(self, file: File, header: Header) -> None:
        """Remembers a header that was read just now."""
        with suppress(OSError):
            stamp = self._stamps.of(file)
            if time.time_ns() - stamp[-1] > _YOUNG_NS:
                self._now[str(file)] = [stamp, to_plain(header)]
                self._fresh = True

    def save(self) -> None:
        """Keeps what is known for the next scan."""
        if self._fresh or len(self._now) != len(self._known):
            _write(self._path, {"about": self._about, "headers": self._now})


class RememberedRoll:
    """The roll that was made of the same files, by the same settings and the same program.

    `basis` is all else that decides the roll, as values whose `repr` tells them apart.
    """

    def __init__(self, roll: str, files: Iterable[File], basis: object) -> None:
        self._path = _place(roll, ".roll.json")
        self._youngest, stamps = 0, _Stamps()
        digest = hashlib.blake2b(repr((_readers(), basis)).encode("utf-8", "surrogateescape"))
        try:
            for file in files:
                stamp = stamps.of(file)
                self._youngest = max(self._youngest, stamp[-1])
                digest.update(f"{file}\n{stamp}\n".encode("utf-8", "surrogateescape"))
            self._key = digest.hexdigest()
        except OSError:  # an archive that vanished
            self._key = ""

    def get(self) -> tuple[Roll, dict[str, str]] | None:
        """The roll, and the reasons for which files of it were refused, by path."""
        with suppress(*_DAMAGE), _without_collection():
            words = json.loads(self._path.read_bytes())
            if words["key"] == self._key:
                return from_plain(Roll)(words["roll"]), dict(words["refused"])
        return None

    def save(self, roll: Roll, refused: dict[str, str]) -> None:
        """Keeps a roll for the next scan."""
        if self._key and time.time_ns() - self._youngest > _YOUNG_NS:
            _write(self._path, {"key": self._key, "refused": refused, "roll": to_plain(roll)})


class RememberedRows:
    """Rows of numbers that were measured of the files of one roll, each of the NumPy type `kind`.

    `basis` is all else that decides them, as values whose `repr` tells them apart.
    """

    def __init__(self, roll: str, kind: np.dtype[Any], basis: object) -> None:
        self._path = _place(roll, ".looks.npy")
        self._kind = np.dtype([("key", np.void, 16), ("row", kind)])
        self._about = repr((_readers(), basis)).encode()
        self._stamps = _Stamps()
        self._known: dict[bytes, Any] = {}
        self._now: dict[bytes, Any] = {}
        self._fresh = False
        with suppress(*_DAMAGE, EOFError):
            kept = np.load(self._path, allow_pickle=False)
            if kept.dtype == self._kind:
                self._known = dict(zip(map(bytes, kept["key"]), kept["row"], strict=True))

    def get(self, file: File) -> Any | None:
        """The row of a file that has not changed since it was measured."""
        with suppress(OSError):
            key = self._key(file)
            if (row := self._known.get(key)) is not None:
                self._now[key] = row
                return row
        return None

    def add(self, file: File, row: Any) -> None:
        """Remembers what was measured just now."""
        with suppress(OSError):
            if time.time_ns() - self._stamps.of(file)[-1] > _YOUNG_NS:
                self._now[self._key(file)] = row
                self._fresh = True

    def save(self) -> None:
        """Keeps what is known for the next time."""
        if not self._fresh and len(self._now) == len(self._known):
            return
        table = np.zeros(len(self._now), self._kind)
        for at, (key, row) in enumerate(self._now.items()):
            table[at] = np.void(key), row
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path) as draft, draft.open("wb") as stream:
                np.save(stream, table, allow_pickle=False)

    def _key(self, file: File) -> bytes:
        digest = hashlib.blake2b(self._about, digest_size=16)
        digest.update(f"{file}\n{self._stamps.of(file)}".encode("utf-8", "surrogateescape"))
        return digest.digest()


@contextmanager
def _without_collection() -> Iterator[None]:
    """No search for circles among objects that are made by the hundred thousand, and have none: it
    would take as long as making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Stamps:
    """Size and modification time of files; of an archive's members, also those of the archive."""

    def __init__(self) -> None:
        self._archives: dict[str, list[int]] = {}

    def of(self, file: File) -> list[int]:
        if file.archive is None:
            return [file.size, file.mtime_ns]
        if file.archive not in self._archives:
            info = Path(file.archive).stat()
            self._archives[file.archive] = [info.st_size, info.st_mtime_ns]
        return [file.size, file.mtime_ns, *self._archives[file.archive]]


@cache
def _readers() -> list[Any]:
    """What reads: the libraries, and this program's own files."""
    libraries = [version(library) for library in ("timelapse", "pillow", "tifffile")]
    package = Path(__file__).parents[1]
    own = [package / "times.py", *sorted((package / "ingest").glob("*.py"))]
    return libraries + [[path.name, info.st_size, info.st_mtime_ns] for path, info in _stats(own)]


def _stats(paths: Iterable[Path]) -> Iterable[tuple[Path, os.stat_result]]:
    return ((path, path.stat()) for path in paths)


def _place(roll: str, ending: str) -> Path:
    name = hashlib.blake2b(os.path.abspath(roll).encode("utf-8", "surrogateescape"))  # noqa: PTH100
    return cache_folder() / "headers" / f"{name.hexdigest()[:32]}{ending}"


def _write(path: Path, words: Any) -> None:
    # a cache that cannot be written, or a value that has no plain form, is no reason to fail
    with suppress(OSError, TypeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_text(json.dumps(words, separators=(",", ":")), encoding="ascii")
