"""Where the program keeps what it can make again, and how a file comes to its name: whole."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

_drafts = count()
#: What the name of a draft has behind the name that it is for.
_DRAFT = re.compile(r"\.\d+-\d+\.draft$")


def cache_folder() -> Path:
    """The folder of all caches: `TIMELAPSE_CACHE`, or the system's place for caches.

    It need not exist, and nothing in it is missed when it is deleted.
    """
    if stated := os.environ.get("TIMELAPSE_CACHE"):
        return Path(stated)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "timelapse"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "timelapse"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "timelapse"


def ending(path: Path) -> str:
    """What the name of a file ends in (`.mp4`); of a draft, what its name will end in."""
    return Path(_DRAFT.sub("", path.name)).suffix.lower()


@contextmanager
def written_whole(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """Gives a path to write to; it becomes `path` when the block ends, and goes when it fails.

    So `path` is absent, or what it was, or complete, at every moment.  `sync` also waits until
    the bytes have reached the disk.  Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}-{next(_drafts)}.draft")
    try:
        yield draft
        if sync:
            with draft.open("rb+") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
