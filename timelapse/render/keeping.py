"""What is kept on disk to be used again, listed and cleared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from timelapse.render.parts import (
    describe_parts,
    is_parts_folder,
    parts_folder,
    remove_parts,
)
from timelapse.storage import cache_folder

Kind = Literal["parts", "stills", "headers", "grade", "tracks", "looks"]
#: What all films share, by the names of its folders.
_COMMON: tuple[Kind, ...] = ("stills", "headers", "grade", "tracks", "looks")


@dataclass
class Entry:
    """Something that is kept: parts of a film, stills at a frame's size, stills' headers, or what
    was found in rolls (`grade`), followed (`tracks`) or seen under texts (`looks`).

    `in_use` are parts that a render is writing; they are not cleared.
    """

    kind: Kind
    where: Path
    what: str
    bytes: int
    in_use: bool = False
    cleared: bool = field(default=False, init=False)

    def clear(self) -> None:
        """Removes it, and nothing beside it."""
        if self.in_use:
            return
        if self.kind == "parts":
            remove_parts(self.where)
        else:
            for path in _files(self.where):
                with suppress(OSError):
                    path.unlink()
        self.cleared = True

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": str(self.where),
            "what": self.what,
            "bytes": self.bytes,
            "in_use": self.in_use,
            "cleared": self.cleared,
        }


def kept(places: Iterable[Path], *, common: bool = True) -> Iterator[Entry]:
    """Parts in `places` (folders, or films whose parts are meant) and, if `common`, the caches that
    all films share."""
    for place in places:
        folders = sorted(place.glob(".*.parts")) if place.is_dir() else [parts_folder(place)]
        for folder in [place] if is_parts_folder(place) else folders:
            if is_parts_folder(folder):
                yield _parts(folder)
    if common:
        for kind in _COMMON:
            files = _files(folder := cache_folder() / kind)
            size = sum(path.stat().st_size for path in files)
            if files:
                yield Entry(kind, folder, f"{len(files)} files", size)


def _parts(folder: Path) -> Entry:
    facts = describe_parts(folder)
    what = f"{facts['segments']} segments, {facts['frames']} frames of {facts['film']}"
    return Entry("parts", folder, what, facts["bytes"], facts["in_use"])


def _files(folder: Path) -> list[Path]:
    """The files of a cache; there are no folders in one."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []
