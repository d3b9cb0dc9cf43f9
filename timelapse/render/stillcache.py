"""Stills at the frame's size, kept on disk: another speed or label need not decode them again.

A still is kept as it is before it is turned into linear light: raw pixels, which cost a tenth of
the decoding to write and next to nothing to read (docs/decisions/0011 has the forms that were
measured).  Every file is a still: a line of JSON, then the pixels.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from threading import Lock

import numpy as np
import xxhash

from timelapse.grade import Framing
from timelapse.ingest import Pixels, Still
from timelapse.machine import Buffers
from timelapse.render.segment import identity, versions
from timelapse.storage import cache_folder, written_whole

#: Below this many pixels of a still for one of the frame decoding costs too little to be saved.
_PAYS_FROM = 4
_USUAL = 20 << 30
_ENDING = ".still"
_MADE_AS = 2


@dataclass(frozen=True, eq=False)
class Kept:
    """A still at the frame's size (H x W x 3, uint8 or uint16, display light), with the hash of
    the file that it was decoded from."""

    pixels: Pixels
    digest: str


class StillCache:
    """At most `limit` bytes of stills in `folder`; with a limit of 0 it keeps nothing.

    Safe for several threads and processes: files appear whole, and whatever is wrong with one is
    as if it were not there.  When it is full, what was not used in this run makes way, the oldest
    first; then nothing more is taken in.
    """

    def __init__(self, limit: int | None = None, folder: Path | None = None) -> None:
        """Without a limit it is 20 GiB, and not more than a quarter of what is free on the disk."""
        self.folder = folder or still_folder()
        self._limit = _usual_limit(self.folder) if limit is None else limit
        self._began = time.time()
        self._lock = Lock()
        self._total: int | None = None  # not looked at yet
        self._old: list[tuple[float, int, Path]] = []

    def pays(self, still: Still, framing: Framing) -> bool:
        """Whether keeping a still saves more than it costs."""
        pixels = still.size[0] * still.size[1]
        return self._limit > 0 and pixels >= _PAYS_FROM * prod(framing.pictures)

    def get(
        self,
        still: Still,
        framing: Framing,
        decoded: tuple[int, int],
        buffers: Buffers,
        graded: str = "",
    ) -> Kept | None:
        """What is kept of a still, in `buffers`; None where nothing is, or it is not whole.

        `decoded` is the (width, height) that it was decoded at; `graded` says how it was corrected.
        """
        if not self.pays(still, framing):
            return None
        path = self._path(still, framing, decoded, graded)
        try:
            with path.open("rb") as file:
                words = json.loads(file.readline(1000))
                pixels = buffers.take("kept", tuple(words["shape"]), words["dtype"])
                whole = file.readinto(pixels.data.cast("B")) == pixels.nbytes
            if not whole or xxhash.xxh3_64_hexdigest(pixels.data) != words["pixels"]:
                return None
            os.utime(path)
            return Kept(pixels, words["file"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(
        self,
        still: Still,
        framing: Framing,
        decoded: tuple[int, int],
        kept: Kept,
        graded: str = "",
    ) -> None:
        if not self.pays(still, framing) or not self._room_for(kept.pixels.nbytes):
            return
        pixels = np.ascontiguousarray(kept.pixels)
        words = {
            "shape": pixels.shape,
            "dtype": str(pixels.dtype),
            "pixels": xxhash.xxh3_64_hexdigest(pixels.data),
            "file": kept.digest,
        }
        with suppress(OSError):  # a cache that cannot be written is no reason to stop
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self._path(still, framing, decoded, graded)
            with written_whole(path) as draft, draft.open("wb") as file:
                file.write(json.dumps(words).encode() + b"\n")
                file.write(pixels.data)

    def _path(self, still: Still, framing: Framing, decoded: tuple[int, int], graded: str) -> Path:
        words = repr((_MADE_AS, versions(), identity(still), framing, decoded, graded))
        key = hashlib.blake2b(words.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        return self.folder / (key + _ENDING)

    def _room_for(self, size: int) -> bool:
        with self._lock:
            if self._total is None:
                kept = sorted(kept_stills(self.folder), reverse=True)
                self._total = sum(entry[1] for entry in kept)
                self._old = [entry for entry in kept if entry[0] < self._began]
            while self._total + size > self._limit and self._old:
                _, freed, path = self._old.pop()
                with suppress(OSError):
                    if path.stat().st_mtime < self._began:  # not used since
                        path.unlink()
                        self._total -= freed
            if self._total + size > self._limit:
                return False
            self._total += size
            return True


def _usual_limit(folder: Path) -> int:
    kept = sum(size for _, size, _ in kept_stills(folder))
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        return min(_USUAL, (shutil.disk_usage(there).free + kept) // 4)
    except OSError:
        return 0


def still_folder() -> Path:
    """Where stills are kept."""
    return cache_folder() / "stills"


def kept_stills(folder: Path) -> list[tuple[float, int, Path]]:
    """The age (seconds since 1970), size in bytes and path of every file of a cache of stills."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith((_ENDING, ".draft")):
                with suppress(OSError):
                    info = entry.stat()
                    found.append((info.st_mtime, info.st_size, Path(entry.path)))
    return found
