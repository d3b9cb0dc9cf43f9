"""Finished segments, kept beside the film that they make: nothing is rendered twice.

The folder `.OUT.parts` holds a part and what is known of it, `KEY.mp4` and `KEY.json`, for each
segment.  The latter comes last: a part without it was not finished.  Both appear whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from shutil import copyfile, rmtree
from typing import IO, Any, Literal, Self

import xxhash

from timelapse.errors import EncodeError, RenderError, TimelapseError
from timelapse.ingest import chunks
from timelapse.render.lane import Made
from timelapse.render.segment import Segment
from timelapse.storage import written_whole

_TAG = "CACHEDIR.TAG"
#: What backup programs look for, to leave such a folder out (bford.info/cachedir).
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Parts of a film, by timelapse.\n"
_OURS = re.compile(
    r"([0-9a-f]{32}|film|report|lost|limit)(\.\w+)?(\.[0-9]+-[0-9]+\.draft(\.old)?)?|lock"
)
#: What is remembered beside the parts.
_NOTES = ("lost.json", "limit.json")
#: What is noted: stills that proved unreadable, by their `identity`, with the reason; and the crf
#: that was chosen for a film of limited size.
Note = Literal["lost", "limit"]


def parts_folder(out: Path) -> Path:
    """Where the parts of the film `out` stand."""
    return out.with_name(f".{out.name}.parts")


class Parts:
    """The parts of one film; a context manager.  One render at a time may write them.

    Raises RenderError where another one does, EncodeError where the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self._out, self.folder = out, parts_folder(out)
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
        self._remove([*self.folder.glob("*.draft"), *self.folder.glob("*.draft.old")])
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.close()
        if not any(self.folder.glob("*.json")):  # nothing was finished: leave no trace
            remove_parts(self.folder)

    def path(self, segment: Segment) -> Path:
        return self.folder / f"{segment.key}{segment.format.part_ending}"

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

    def share(self, segment: Segment, made: Made, source: Path) -> None:
        """Takes over the finished part `source` of another film.  Raises EncodeError."""
        path = self.path(segment)
        with disk_errors(self._out), written_whole(path) as draft:
            _linked(source, draft)
        self.add(segment, made)

    def remembered(self, name: Note) -> dict[str, Any]:
        """What an earlier render has noted under a name; empty where it has not."""
        with suppress(OSError, ValueError):
            words = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            if isinstance(words, dict):
                return words
        return {}

    def remember(self, name: Note, words: dict[str, Any]) -> None:
        note = self.folder / f"{name}.json"
        with disk_errors(self._out), written_whole(note) as draft:
            draft.write_text(json.dumps(words), encoding="utf-8")

    def keep_only(self, segments: Iterable[Segment]) -> None:
        """Removes the parts of all other segments."""
        keys = {segment.key for segment in segments}
        self._remove(
            path
            for path in self.folder.iterdir()
            if _OURS.fullmatch(path.name)
            and path.stem not in keys
            and path.name not in ("lock", *_NOTES)
        )

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in list(paths):
            _gone(path)


def _gone(path: Path) -> None:
    """Removes a file, or the folder that the draft of a film may be."""
    with suppress(OSError):
        rmtree(path) if path.is_dir() else path.unlink()


def _linked(source: Path, path: Path) -> None:
    """The same file under another name; a copy where the disk has no links."""
    try:
        os.link(source, path)
    except OSError:
        copyfile(source, path)


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
            if path.suffix == ".json" and path.name not in _NOTES:
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
                _gone(path)
        folder.rmdir()
