"""Regular files, and no others: opening a pipe waits for a writer, a device may do anything."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import BinaryIO

from timelapse.errors import StillError

#: What reading a file or a zip member may raise; NotImplementedError is what zipfile has for a
#: packing that it does not know.
READ_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)
# Windows knows some of these alone, and the others not.
_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")
)


def open_regular(path: str) -> BufferedReader:
    """A regular file as a binary stream, to be closed by the caller; raises OSError.

    It is looked at once more when it is open, without waiting: what was a file when it was found
    may be a pipe by now.
    """
    opened = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError("not a regular file")
        return os.fdopen(opened, "rb")
    except BaseException:
        os.close(opened)
        raise


def reason(error: BaseException) -> str:
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
        raise StillError(name, f"{what}: {reason(error)}") from error


def chunks(stream: BinaryIO, size: int = 1 << 20) -> Iterator[bytes]:
    """The rest of a stream in pieces."""
    while piece := stream.read(size):
        yield piece
