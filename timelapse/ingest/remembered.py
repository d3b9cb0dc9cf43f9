"""Headers remembered from an earlier scan: reading EXIF is nearly all that a scan costs.

Kept in the folder of caches, a file for each roll.  Whatever is wrong with one is as if it were
not there; files that could not be used are always looked at again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from timelapse.ingest.exif import Exif, Header
from timelapse.ingest.still import File, Limits
from timelapse.storage import cache_folder, written_whole
from timelapse.times import CaptureTime, Seconds

#: Raise it when headers are read in another way.
_MADE_AS = 1
#: A file may change again within the time that its time stamp can tell: one that is so young is
#: not remembered.
_YOUNG_NS = 2 * 10**9


class Remembered:
    """The headers of one roll, by path, size and modification time of its files."""

    def __init__(self, roll: str, limits: Limits) -> None:
        name = hashlib.blake2b(os.path.abspath(roll).encode("utf-8", "surrogateescape"))  # noqa: PTH100
        self._path = cache_folder() / "headers" / f"{name.hexdigest()[:32]}.json"
        libraries = [version(library) for library in ("timelapse", "pillow", "tifffile")]
        bounds = [limits.pixels, limits.bytes, limits.scans]
        self._about = [_MADE_AS, *libraries, *bounds]
        self._known: dict[str, Any] = {}
        self._now: dict[str, Any] = {}
        self._archives: dict[str, list[int]] = {}
        self._fresh = False
        with suppress(OSError, ValueError, KeyError, TypeError):
            words = json.loads(self._path.read_bytes())
            if words["about"] == self._about:
                self._known = dict(words["headers"])

    def get(self, file: File) -> Header | None:
        """The header of a file that has not changed since it was read."""
        row = self._known.get(str(file))
        try:
            if row is None or row[0] != self._stamp(file):
                return None
            header = _header(row)
        except (OSError, ValueError, TypeError, IndexError, ZeroDivisionError):
            return None
        self._now[str(file)] = row
        return header

    def add(self, file: File, header: Header) -> None:
        """Remembers a header that was read just now."""
        with suppress(OSError):
            stamp = self._stamp(file)
            if time.time_ns() - stamp[-1] > _YOUNG_NS:
                self._now[str(file)] = _row(stamp, header)
                self._fresh = True

    def save(self) -> None:
        """Keeps what is known for the next scan."""
        if not self._fresh and len(self._now) == len(self._known):
            return
        words = {"about": self._about, "headers": self._now}
        with suppress(OSError):  # a cache that cannot be written is no reason to fail
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path) as draft:
                draft.write_text(json.dumps(words, separators=(",", ":")), encoding="ascii")

    def _stamp(self, file: File) -> list[int]:
        """Size and modification time; of an archive's member, also those of the archive."""
        if file.archive is None:
            return [file.size, file.mtime_ns]
        if file.archive not in self._archives:
            info = Path(file.archive).stat()
            self._archives[file.archive] = [info.st_size, info.st_mtime_ns]
        return [file.size, file.mtime_ns, *self._archives[file.archive]]


def _row(stamp: list[int], header: Header) -> list[Any]:
    exif = header.exif
    return [
        stamp,
        header.kind,
        *header.size,
        header.bits,
        _ratio(exif.local.seconds if exif.local is not None else None),
        _ratio(exif.zone),
        exif.subseconds,
        exif.orientation,
        exif.camera,
        exif.note,
    ]


def _header(row: list[Any]) -> Header:
    _, kind, width, height, bits, local, zone, subseconds, orientation, camera, note = row
    exif = Exif(
        None if local is None else CaptureTime(Fraction(*local)),
        None if zone is None else Seconds(*zone),
        subseconds,
        orientation,
        camera,
        note,
    )
    return Header(kind, (width, height), bits, exif)


def _ratio(value: Fraction | None) -> tuple[int, int] | None:
    return None if value is None else (value.numerator, value.denominator)
