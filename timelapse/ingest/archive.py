"""Zip archives: read without being unpacked, and nothing in them is believed unchecked."""

from __future__ import annotations

import io
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from timelapse.errors import RollError
from timelapse.ingest.regular import open_regular, reason
from timelapse.ingest.still import File, Limits, beyond

#: Signature of an entry of the directory (APPNOTE 4.3.12), and the length of a member's own header
#: without its name (4.3.7).
_ENTRY, _HEADER = b"PK\x01\x02", 30
_UNIX = 3
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: Bytes of a member that are kept in memory; more go to a file without a name.
_IN_MEMORY, _PIECE = 1 << 25, 1 << 18


@contextmanager
def opened_archive(path: str, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose directory is within `limits`; raises RollError."""
    try:
        source = _Guarded(open_regular(path).detach(), limits)
    except OSError as error:
        raise RollError(f"{path}: cannot be opened: {reason(error)}") from error
    with source:
        try:
            archive = zipfile.ZipFile(source)
        except Exception as error:  # of damage, struct.error among others
            raise RollError(f"{path}: not a zip archive that can be read ({error})") from error
        with archive:
            yield archive


class _Guarded(io.BufferedReader):
    """A file of which the directory of a zip, read in one piece, is not read beyond bounds."""

    def __init__(self, file: io.RawIOBase, limits: Limits) -> None:
        super().__init__(file)
        self._limits = limits

    def read(self, size: int | None = -1, /) -> bytes:
        bounds = self._limits
        if size is not None and size > bounds.metadata:
            raise zipfile.BadZipFile(
                f"its directory is {beyond('metadata', bounds.metadata, 'bytes')}"
            )
        data = super().read(size)
        if data.count(_ENTRY) > bounds.members:
            raise zipfile.BadZipFile(f"it holds {beyond('members', bounds.members, 'files')}")
        return data


def members(archive: zipfile.ZipFile, path: str, limits: Limits) -> Iterator[tuple[File, str]]:
    """The files in an archive by name, each with the reason for which it is not to be read, which
    is empty for the good ones."""
    # is_dir() fails of a name that is empty
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    entries.sort(key=lambda entry: entry.header_offset)
    overlapping = {id(a) for a, b in pairwise(entries) if b.header_offset < _stop(a)}
    for entry in sorted(entries, key=lambda entry: entry.filename):
        file = File(entry.filename, entry.file_size, _mtime(entry), path)
        if archive.getinfo(entry.filename) is not entry:
            yield file, "a second member of this name follows, which counts"
        elif id(entry) in overlapping:
            yield file, "overlaps the next member, as in a bomb"
        else:
            yield file, _refusal(entry, limits)


def _stop(entry: zipfile.ZipInfo) -> int:
    """Where a member ends at the least."""
    return entry.header_offset + _HEADER + entry.compress_size


def _refusal(entry: zipfile.ZipInfo, limits: Limits) -> str:
    # what zipfile makes a name of ends at a zero byte
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    if len(name) > limits.path:
        return f"a name of {beyond('path', limits.path, 'characters')}"
    if not name or "\0" in name:
        return "a name that is empty or holds a zero byte"
    if "\\" in name:
        return "a name with backslashes; pack it again with a program that writes /"
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "an absolute path"
    if ".." in name.split("/"):
        return "a path that leads out of the archive"
    if entry.create_system == _UNIX and kind not in (0, stat.S_IFREG):
        return "a link" if kind == stat.S_IFLNK else "not a regular file"
    if entry.flag_bits & 1:
        return "encrypted"
    if entry.compress_type not in _METHODS:
        method = f"method {entry.compress_type} (APPNOTE 4.4.5)"
        return f"packed by {method}, which is not read; pack it again with deflate"
    if entry.file_size > limits.ratio * entry.compress_size:
        return f"a bomb? unpacked it is {beyond('ratio', limits.ratio, 'times as large')}"
    return ""


def _mtime(entry: zipfile.ZipInfo) -> int:
    try:
        when = datetime(*entry.date_time, tzinfo=UTC)
    except ValueError:
        return 0
    return int(when.timestamp()) * 10**9


class Rewindable(io.RawIOBase):
    """A member of an archive as a stream with random access: what has been unpacked is kept, where
    zipfile would start anew for each step back."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._at, self._size = source, 0, 0
        self._kept = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with this

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            self._unpack(None)
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError(f"a place before the start: {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        self._unpack(self._at + len(buffer))
        self._kept.seek(self._at)
        data = self._kept.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _unpack(self, upto: int | None) -> None:
        self._kept.seek(self._size)
        while (upto is None or self._size < upto) and (piece := self._source.read(_PIECE)):
            self._kept.write(piece)
            self._size += len(piece)

    def close(self) -> None:
        self._kept.close()
        self._source.close()
        super().close()
