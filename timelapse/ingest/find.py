"""From what a user names as a roll (folder, glob, list, zip) to files and their bytes."""

from __future__ import annotations

import glob
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from timelapse.errors import RollError, StillError
from timelapse.ingest.archive import Rewindable, members, opened_archive
from timelapse.ingest.regular import READ_ERRORS, open_regular, reason
from timelapse.ingest.still import File, LedgerEntry, Limits, Status, beyond, printable

if TYPE_CHECKING:
    from timelapse.ingest.video import Frames

_DIGITS = re.compile(r"\d+")
#: Stands before numbers in the keys of `natural`: they come before letters.
_NUMBER, _LONGEST = "\0", 0x10FFFF
#: `**` as a whole step of a pattern.
_DEEP = re.compile(r"(?:(?<=[/\\])|^)\*\*(?:[/\\]+|$)")
LIST_ENDINGS = (".txt", ".lst", ".list")


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
        self.left_out.append(LedgerEntry(printable(path), Status.EXCLUDED, reason))

    def miss(self, file: File, reason: str, listed: bool) -> None:
        self.left_out.append(LedgerEntry(str(file), Status.UNREADABLE, reason))
        if listed or file.promises_picture:
            self.absent.append(file)


def natural(text: str) -> str:
    """A sort key that takes runs of digits as numbers: still 9999 before still 10000."""
    return _DIGITS.sub(_number, text.casefold())


def _number(digits: re.Match[str]) -> str:
    # by length, then by digits: what int() says, but for any number of digits
    significant = digits[0].lstrip("0")
    return f"{_NUMBER}{chr(min(len(significant), _LONGEST))}{significant}"


def find(roll: str | os.PathLike[str], limits: Limits = Limits()) -> Finds:  # noqa: B008
    """Every file of a roll in order of name, and what was left out.

    A folder gives its files (sub-folders are named among what was left out, not entered); a glob
    may hold ``**``, which follows no links; a list (.txt, .lst, .list) has a path a line, relative
    to the list, with # comments; a zip gives its members without being unpacked.  Raises RollError.
    """
    text = os.fspath(roll)
    path = Path(text)
    try:
        if path.is_dir():
            return _from_folder(str(path))
        if path.is_file():
            if path.suffix.lower() == ".zip":
                return _from_zip(text, limits)
            if path.suffix.lower() in LIST_ENDINGS:
                return _from_paths(_read_list(path, limits), listed=True)
            return _from_paths([str(path)], listed=True)
        if path.exists():
            raise RollError(f"{text}: neither a folder nor a regular file")
    except RollError:  # an OSError, but one that names the path already
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise RollError(f"{text}: {reason(error)}") from error
    if glob.has_magic(text):
        finds = Finds()
        matches = sorted(set(_matches(text, finds)))
        if not matches:
            raise RollError(f"{text}: no file matches this pattern")
        return _from_paths(matches, listed=False, finds=finds)
    raise RollError(f"{text}: there is no such folder, file or pattern")


def _from_folder(folder: str) -> Finds:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found)
    start = os.path.join(folder, "")  # noqa: PTH118
    return _from_paths((start + name for name in names), listed=False)


def _matches(pattern: str, finds: Finds) -> Iterator[str]:
    """The paths that a pattern fits.  The library's own `**` follows links, into loops as well."""
    deep = _DEEP.search(pattern)
    if deep is None:
        yield from glob.iglob(pattern)  # noqa: PTH207 - Path.glob takes no absolute pattern
        return
    start, rest = pattern[: deep.start()], pattern[deep.end() :] or "*"
    for base in glob.iglob(start) if start else [""]:  # noqa: PTH207
        for folder in _folders(base, finds):
            yield from _matches(glob.escape(folder) + rest, finds)


def _folders(base: str, finds: Finds) -> Iterator[str]:
    """A folder and all below it, each with a slash at its end, however deep; hidden ones apart."""
    left = [base]
    while left:
        folder = left.pop()
        yield folder
        try:
            with os.scandir(folder or ".") as found:
                below = [e for e in found if not e.name.startswith(".") and e.is_dir()]
        except OSError as error:
            finds.leave_out(folder, f"a folder that cannot be entered: {reason(error)}")
            continue
        for entry in below:
            path = os.path.join(folder, entry.name, "")  # noqa: PTH118
            if entry.is_symlink():
                finds.leave_out(path, "a link to a folder, not followed")
            else:
                left.append(path)


def _read_list(path: Path, limits: Limits) -> list[str]:
    with open_regular(str(path)) as stream:
        data = stream.read(limits.metadata + 1)
    if len(data) > limits.metadata:
        raise RollError(f"{path}: a list of {beyond('metadata', limits.metadata, 'bytes')}")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RollError(f"{path}: a list has to be UTF-8 text with a path a line") from None
    named = [line.strip() for line in lines]
    return [str(path.parent / line) for line in named if line and not line.startswith("#")]


def _from_paths(paths: Iterable[str], listed: bool, finds: Finds | None = None) -> Finds:
    finds = finds or Finds()
    for path in paths:
        hidden = not listed and os.path.basename(path).startswith(".")  # noqa: PTH119
        try:
            info = os.stat(path)  # noqa: PTH116 - a hundred thousand Paths take their time
        except (OSError, ValueError) as error:  # ValueError: a zero byte in a listed path
            if hidden:
                finds.leave_out(path, "a hidden file")
            else:
                finds.miss(File(path, 0, 0), _why_not(path, error), listed)
            continue
        if stat.S_ISREG(info.st_mode) and not hidden:
            finds.files.append(File(path, info.st_size, info.st_mtime_ns))
        elif stat.S_ISDIR(info.st_mode):
            finds.leave_out(path, "a folder, not entered; a glob such as **/*.JPG does")
        else:
            regular = stat.S_ISREG(info.st_mode)
            finds.leave_out(path, "a hidden file" if regular else "not a regular file")
    return finds


def _why_not(path: str, error: Exception) -> str:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"cannot be read: {reason(error)}"
    dangling = os.path.islink(path)  # noqa: PTH114
    return "missing: a link to what is not there" if dangling else "missing: there is no such file"


def _from_zip(path: str, limits: Limits) -> Finds:
    finds = Finds()
    with opened_archive(path, limits) as archive:
        for file, why_not in members(archive, path, limits):
            name = PurePosixPath(file.path).name
            if name.startswith(".") or file.path.startswith("__MACOSX/"):
                finds.leave_out(str(file), "a hidden file")
            elif not why_not:
                finds.files.append(file)
            elif file.promises_picture:
                finds.miss(file, why_not, listed=False)
            else:
                finds.leave_out(str(file), why_not)
    return finds


class Reader:
    """Opens the files of a roll, within `limits`; keeps its zip archives open until it is closed.

    Safe to use from several threads.
    """

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - it does not change
        self.limits = limits
        self._open = ExitStack()
        self._archives: dict[str, zipfile.ZipFile] = {}
        self._videos: dict[str, Frames] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def open(self, file: File) -> BinaryIO:
        """A seekable binary stream, to be closed by the caller; raises StillError."""
        stream = self._open_forward(file)
        if file.archive is None:
            return cast(BinaryIO, stream)
        return cast(BinaryIO, BufferedReader(Rewindable(stream)))

    def _open_forward(self, file: File) -> IO[bytes]:
        """A stream that may be slow to go back."""
        if file.size > self.limits.bytes:
            raise StillError(str(file), self._too_large)
        try:
            if file.archive is None:
                return open_regular(file.path)
            with self._lock:
                archive = self._archives.get(file.archive)
                if archive is None:
                    opening = opened_archive(file.archive, self.limits)
                    archive = self._archives[file.archive] = self._open.enter_context(opening)
            return archive.open(file.path)
        except (*READ_ERRORS, KeyError, ValueError, RuntimeError) as error:
            raise StillError(str(file), f"cannot be opened: {reason(error)}") from error

    def check_unchanged(self, file: File) -> None:
        """Raises StillError where a file on disk is no longer what it was when it was found."""
        if file.archive is not None:
            return
        try:
            info = os.stat(file.path)  # noqa: PTH116
        except OSError as error:
            raise StillError(str(file), f"vanished during the scan: {reason(error)}") from error
        if (info.st_size, info.st_mtime_ns) != (file.size, file.mtime_ns):
            raise StillError(str(file), "changed during the scan; scan again when it is at rest")

    def read(self, file: File) -> bytes:
        """All bytes of a file, or of a video's frame as `video.pixels` takes them; raises
        StillError."""
        if file.frame is not None:
            return self._frames(file.path).read(file)
        with self._open_forward(file) as stream:
            try:
                # One byte more than is expected; asking for as many as are allowed would cost
                # more than the reading.
                data = stream.read(file.size + 1)
                if len(data) > file.size:  # it has grown, or is larger than its archive says
                    data += stream.read(self.limits.bytes + 1 - len(data))
            except READ_ERRORS as error:
                raise StillError(str(file), f"cannot be read: {reason(error)}") from error
        if len(data) > self.limits.bytes:  # a zip's member may be larger than it says
            raise StillError(str(file), self._too_large)
        return data

    def _frames(self, path: str) -> Frames:
        """A video's frames, by a decoder that stays open."""
        from timelapse.ingest.video import Frames

        with self._lock:
            if path not in self._videos:
                self._videos[path] = Frames(path)
                self._open.callback(self._videos[path].close)
            return self._videos[path]

    @property
    def _too_large(self) -> str:
        bound = f"larger than {self.limits.bytes} bytes"
        return f"{bound}; roll.limits.bytes raises the bound"
