"""From what a user names as a roll (folder, glob, list, zip) to files and their bytes."""

from __future__ import annotations

import glob
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self, cast

from timelapse.errors import RollError, StillError
from timelapse.ingest.still import File, LedgerEntry, Limits, Status

_DIGITS = re.compile(r"(\d+)")
LIST_ENDINGS = (".txt", ".lst", ".list")
#: What reading a file or a zip member may raise.
READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


@dataclass
class Finds:
    """What a roll holds: `files` to be read, and `left_out` for the ledger.

    `absent` are those of the latter that belong to the roll but cannot be had: named by a list
    and missing, encrypted, dangling links.  A roll timed by its interval keeps their places.
    """

    files: list[File] = field(default_factory=list)
    left_out: list[LedgerEntry] = field(default_factory=list)
    absent: list[File] = field(default_factory=list)

    def leave_out(self, path: str, reason: str) -> None:
        self.left_out.append(LedgerEntry(path, Status.EXCLUDED, reason))

    def miss(self, file: File, reason: str, listed: bool) -> None:
        self.left_out.append(LedgerEntry(str(file), Status.UNREADABLE, reason))
        if listed or file.promises_picture:
            self.absent.append(file)


@lru_cache(maxsize=1 << 18)  # a roll is sorted more than once
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that takes runs of digits as numbers: still 9999 before still 10000."""
    parts = _DIGITS.split(text.casefold())
    key: list[tuple[int, int, str]] = [(1, 0, part) for part in parts]
    for at in range(1, len(parts), 2):
        # by length, then digits: what int() says, but for any number of digits
        digits = parts[at].lstrip("0")
        key[at] = (0, len(digits), digits)
    return tuple(key)


def find(roll: str | os.PathLike[str]) -> Finds:
    """Every file of a roll in order of name, and what was left out.

    A folder gives its files (sub-folders are named among what was left out, not entered); a glob
    may hold ``**``; a list (.txt, .lst, .list) has a path a line, relative to the list, with #
    comments; a zip gives its members without being unpacked.  Raises RollError.
    """
    text = os.fspath(roll)
    path = Path(text)
    try:
        if path.is_dir():
            names = sorted(os.listdir(path))  # noqa: PTH208 - sorting Paths is slow
            return _from_paths([path / name for name in names], listed=False)
        if path.is_file():
            if path.suffix.lower() == ".zip":
                return _from_zip(path)
            if path.suffix.lower() in LIST_ENDINGS:
                return _from_paths(_read_list(path), listed=True)
            return _from_paths([path], listed=True)
    except RollError:  # an OSError, but one that names the path already
        raise
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


def _from_paths(paths: list[Path], listed: bool) -> Finds:
    finds = Finds()
    for path in paths:
        hidden = path.name.startswith(".") and not listed
        try:
            info = path.stat()
        except (OSError, ValueError) as error:  # ValueError: a zero byte in a listed path
            if hidden:
                finds.leave_out(str(path), "a hidden file")
            else:
                finds.miss(File(str(path), 0, 0), _why_not(path, error), listed)
            continue
        if stat.S_ISDIR(info.st_mode):
            finds.leave_out(str(path), "a folder, not entered; a glob such as **/*.JPG does")
        elif not stat.S_ISREG(info.st_mode):
            finds.leave_out(str(path), "not a regular file")
        elif hidden:
            finds.leave_out(str(path), "a hidden file")
        else:
            finds.files.append(File(str(path), info.st_size, info.st_mtime_ns))
    return finds


def _why_not(path: Path, error: Exception) -> str:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"cannot be read: {_reason(error)}"
    dangling = path.is_symlink()
    return "missing: a link to what is not there" if dangling else "missing: there is no such file"


def _from_zip(path: Path) -> Finds:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise RollError(f"{path}: not a zip archive that can be read ({error})") from error
    finds = Finds()
    for member in members:
        if member.is_dir():
            continue
        name = PurePosixPath(member.filename).name
        file = File(member.filename, member.file_size, _zip_mtime(member), str(path))
        if name.startswith(".") or member.filename.startswith("__MACOSX/"):
            finds.leave_out(str(file), "a hidden file")
        elif member.flag_bits & 1 and file.promises_picture:
            finds.miss(file, "encrypted", listed=False)
        elif member.flag_bits & 1:
            finds.leave_out(str(file), "encrypted")
        else:
            finds.files.append(file)
    return finds


def _zip_mtime(member: zipfile.ZipInfo) -> int:
    try:
        when = datetime(*member.date_time, tzinfo=UTC)
    except ValueError:
        return 0
    return int(when.timestamp()) * 10**9


class Reader:
    """Opens the files of a roll, within `limits`; keeps its zip archives open until it is closed.

    Safe to use from several threads.
    """

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - it does not change
        self.limits = limits
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
        if file.size > self.limits.bytes:
            raise StillError(str(file), self._too_large)
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
                # One byte more than is expected; asking for as many as are allowed would cost
                # more than the reading.
                data = stream.read(file.size + 1)
                if len(data) > file.size:  # it has grown, or is larger than its archive says
                    data += stream.read(self.limits.bytes + 1 - len(data))
            except READ_ERRORS as error:
                raise StillError(str(file), f"cannot be read: {_reason(error)}") from error
        if len(data) > self.limits.bytes:  # a zip's member may be larger than it says
            raise StillError(str(file), self._too_large)
        return data

    @property
    def _too_large(self) -> str:
        return f"larger than {self.limits.bytes} bytes; roll.limits.bytes raises the bound"


def _reason(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    said = " ".join(str(getattr(error, "strerror", None) or error).split())
    return said[:200] or type(error).__name__


@contextmanager
def refusing(name: str, what: str) -> Iterator[None]:
    """Whatever a library raises of a file becomes a StillError with the reason.

    Damaged files bring out errors of every kind, struct.error, ZeroDivisionError and MemoryError
    among them; none may stop a scan or a render, so here alone all are caught.
    """
    try:
        yield
    except StillError:
        raise
    except Exception as error:
        raise StillError(name, f"{what}: {_reason(error)}") from error


def chunks(stream: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """The rest of a stream in pieces."""
    while piece := stream.read(size):
        yield piece
