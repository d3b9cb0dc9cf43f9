"""From what a user names as a roll (folder, glob, list, zip) to files and their bytes."""

from __future__ import annotations

import glob
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self, cast

from timelapse.errors import RollError, StillError
from timelapse.ingest.still import File

#: No still is this large; a zip member that claims to be is a bomb or a mistake.
MAX_BYTES = 1 << 30
LIST_ENDINGS = (".txt", ".lst", ".list")
#: What reading a file or a zip member may raise.
READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


def find(roll: str | os.PathLike[str]) -> tuple[list[File], list[tuple[str, str]]]:
    """Every file of a roll in order of name, and what was left out: (path, reason).

    A folder gives its files (sub-folders are named among what was left out, not entered); a glob
    may hold ``**``; a list (.txt, .lst, .list) has a path a line, relative to the list, with #
    comments; a zip gives its members without being unpacked.  Raises RollError.
    """
    text = os.fspath(roll)
    path = Path(text)
    try:
        if path.is_dir():
            return _from_paths(sorted(path.iterdir()), listed=False)
        if path.is_file():
            if path.suffix.lower() == ".zip":
                return _from_zip(path)
            if path.suffix.lower() in LIST_ENDINGS:
                return _from_paths(_read_list(path), listed=True)
            return _from_paths([path], listed=True)
    except OSError as error:
        raise RollError(f"{text}: {error.strerror or error}") from error
    if glob.has_magic(text):
        # Path.glob takes no absolute pattern
        matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
        if not matches:
            raise RollError(f"{text}: no file matches this pattern")
        return _from_paths(matches, listed=False)
    raise RollError(f"{text}: there is no such folder, file or pattern")


def _read_list(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RollError(f"{path}: a list has to be UTF-8 text with a path a line") from None
    named = [line.strip() for line in lines]
    return [path.parent / line for line in named if line and not line.startswith("#")]


def _from_paths(paths: list[Path], listed: bool) -> tuple[list[File], list[tuple[str, str]]]:
    files, left_out = [], []
    for path in paths:
        try:
            info = path.stat()
        except OSError as error:
            left_out.append((str(path), f"cannot be read: {error.strerror}"))
            continue
        if stat.S_ISDIR(info.st_mode):
            left_out.append((str(path), "a folder, not entered; a glob such as **/*.JPG does"))
        elif not stat.S_ISREG(info.st_mode):
            left_out.append((str(path), "not a regular file"))
        elif path.name.startswith(".") and not listed:
            left_out.append((str(path), "a hidden file"))
        else:
            files.append(File(str(path), info.st_size, info.st_mtime_ns))
    return files, left_out


def _from_zip(path: Path) -> tuple[list[File], list[tuple[str, str]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise RollError(f"{path}: not a zip archive that can be read ({error})") from error
    files, left_out = [], []
    for member in members:
        if member.is_dir():
            continue
        name = PurePosixPath(member.filename).name
        if member.flag_bits & 1:
            left_out.append((f"{path}:{member.filename}", "encrypted"))
        elif name.startswith(".") or member.filename.startswith("__MACOSX/"):
            left_out.append((f"{path}:{member.filename}", "a hidden file"))
        else:
            files.append(File(member.filename, member.file_size, _zip_mtime(member), str(path)))
    return files, left_out


def _zip_mtime(member: zipfile.ZipInfo) -> int:
    try:
        when = datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return 0
    return int(when.timestamp()) * 10**9


class Reader:
    """Opens the files of a roll; keeps its zip archives open until it is closed.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def open(self, file: File) -> BinaryIO:
        """A seekable binary stream, to be closed by the caller; raises StillError."""
        if file.size > MAX_BYTES:
            raise StillError(str(file), f"larger than {MAX_BYTES >> 20} MiB")
        try:
            if file.archive is None:
                return Path(file.path).open("rb")
            with self._lock:
                archive = self._archives.get(file.archive)
                if archive is None:
                    archive = self._open.enter_context(zipfile.ZipFile(file.archive))
                    self._archives[file.archive] = archive
            return cast(BinaryIO, archive.open(file.path))
        except (*READ_ERRORS, KeyError) as error:
            raise StillError(str(file), f"cannot be opened: {_reason(error)}") from error

    def read(self, file: File) -> bytes:
        """All bytes of a file; raises StillError."""
        with self.open(file) as stream:
            try:
                return stream.read(MAX_BYTES)
            except READ_ERRORS as error:
                raise StillError(str(file), f"cannot be read: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def chunks(stream: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """The rest of a stream in pieces."""
    while piece := stream.read(size):
        yield piece
