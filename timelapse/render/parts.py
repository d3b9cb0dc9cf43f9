"""Finished segments, kept beside the film that they make: nothing is rendered twice.

The folder `.OUT.parts` holds a part and what is known of it, `KEY.mp4` and `KEY.json`, for each
segment.  The latter comes last: a part without it was not finished.  Both appear whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

import xxhash

from timelapse.errors import EncodeError, RenderError, TimelapseError
from timelapse.ingest import chunks
from timelapse.render.lane import Made
from timelapse.render.segment import Segment
from timelapse.storage import written_whole

_TAG = "CACHEDIR.TAG"
#: What backup programs look for, to leave such a folder out (bford.info/cachedir).
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Parts of a film, by timelapse.\n"
_OURS = re.compile(r"([0-9a-f]{32}|film|report|lost)\.\w+(\.[0-9]+-[0-9]+\.draft)?|lock")


def parts_folder(out: Path) -> Path:
    """Where the parts of the film `out` stand."""
    return out.with_name(f".{out.name}.parts")


class Parts:
    """The parts of one film; a context manager.  One render at a time may write them.

    Raises RenderError where another one does, EncodeError where the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self._out, self.folder = out, parts_folder(out)
        self._ending = out.suffix.lower()
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with disk_errors(self._out):
            self.folder.mkdir(exist_ok=True)
            tag = self.folder / _TAG
            if not tag.exists():
                if any(self.folder.iterdir()):
                    raise RenderError(f"{self.folder}: is needed for parts, and holds other files")
                tag.write_text(_SIGNATURE, encoding="ascii")
            self._lock = (self.folder / "lock").open("ab")
        if not _locked(self._lock):
            self._lock.close()
            raise RenderError(
                f"{self._out}: another render is writing this film; wait for it, or name another"
            )
        self._remove(path for path in self.folder.glob("*.draft"))
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.close()
        if not any(self.folder.glob("*.json")):  # nothing was finished: leave no trace
            remove_parts(self.folder)

    def path(self, segment: Segment) -> Path:
        return self.folder / f"{segment.key}{self._ending}"

    def find(self, segment: Segment) -> Made | None:
        """What is known of a finished part; None where there is none that is whole."""
        path = self.path(segment)
        try:
            words = json.loads(path.with_suffix(".json").read_bytes())
            digest = words.pop("part")
            return Made(**words) if file_digest(path) == digest else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def add(self, segment: Segment, made: Made) -> None:
        """Marks the part at `path(segment)` as finished.  Raises EncodeError."""
        path = self.path(segment)
        with disk_errors(self._out):
            words = {"part": file_digest(path), **asdict(made)}
            with written_whole(path.with_suffix(".json"), sync=True) as note:
                note.write_text(json.dumps(words), encoding="utf-8")

    def lost(self) -> dict[str, str]:
        """The reasons why stills, by their `identity`, proved unreadable in an earlier render."""
        with suppress(OSError, ValueError):
            words = json.loads((self.folder / "lost.json").read_text(encoding="utf-8"))
            if isinstance(words, dict):
                return words
        return {}

    def remember_lost(self, lost: dict[str, str]) -> None:
        with disk_errors(self._out), written_whole(self.folder / "lost.json") as draft:
            draft.write_text(json.dumps(lost), encoding="utf-8")

    def keep_only(self, segments: Iterable[Segment]) -> None:
        """Removes the parts of all other segments."""
        keys = {segment.key for segment in segments}
        self._remove(
            path
            for path in self.folder.iterdir()
            if _OURS.fullmatch(path.name)
            and path.stem not in keys
            and path.name not in ("lock", "lost.json")
        )

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in list(paths):
            with suppress(OSError):
                path.unlink()


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """What the disk says while the film `out` is made, as EncodeError."""
    try:
        yield
    except TimelapseError:  # some of ours are OSErrors too
        raise
    except OSError as error:
        raise EncodeError(f"{out}: {error.strerror or error}") from error


def file_digest(path: Path) -> str:
    """A hash of a file's bytes (XXH3, 128 bits)."""
    state = xxhash.xxh3_128()
    with path.open("rb") as stream:
        for piece in chunks(stream):
            state.update(piece)
    return state.hexdigest()


def _locked(file: IO[bytes]) -> bool:
    """Takes a lock that ends with this process, however it ends; True also where there are none."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def is_parts_folder(folder: Path) -> bool:
    with suppress(OSError):
        return (folder / _TAG).read_text(encoding="ascii", errors="replace") == _SIGNATURE
    return False


def describe_parts(folder: Path) -> dict[str, Any]:
    """What a folder of parts holds: its film, the finished segments, their frames and bytes."""
    frames, size, count = 0, 0, 0
    for path in folder.iterdir():
        with suppress(OSError, ValueError, KeyError, TypeError):
            size += path.stat().st_size
            if path.suffix == ".json" and path.name != "lost.json":
                frames += json.loads(path.read_bytes())["frames"]
                count += 1
    film = folder.name.removeprefix(".").removesuffix(".parts")
    return {
        "film": str(folder.with_name(film)),
        "segments": count,
        "frames": frames,
        "bytes": size,
        "in_use": in_use(folder),
    }


def in_use(folder: Path) -> bool:
    """Whether a render is writing these parts."""
    try:
        with (folder / "lock").open("ab") as lock:
            return not _locked(lock)
    except OSError:
        return False


def remove_parts(folder: Path) -> None:
    """Removes a folder of parts, and nothing in it that is not ours."""
    if not is_parts_folder(folder):
        return
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name == _TAG or _OURS.fullmatch(path.name):
                path.unlink()
        folder.rmdir()
