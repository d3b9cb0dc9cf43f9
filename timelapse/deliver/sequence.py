"""Folders of numbered pictures, and how what was made comes to its name."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from timelapse.errors import EncodeError
from timelapse.ingest import chunks

#: The names of the pictures, by which they are told from what is not ours.
_NAME = "frame-{:05}.png"
_OURS = re.compile(r"frame-[0-9]{5,}\.png")
#: The same for libavformat, which reads and writes such folders.
PATTERN = "frame-%05d.png"


def unpack(parts: Sequence[Path], out: Path) -> None:
    """Writes the coded frames of `parts`, which are PNGs, as numbered files into the new folder
    `out`."""
    import av

    if out.is_dir():
        shutil.rmtree(out)  # a draft of this process's number, left by one that was killed
    out.mkdir()
    written: list[Path] = []
    for path in parts:
        with av.open(str(path)) as part:
            for packet in part.demux(part.streams.video[0]):
                if packet.size:
                    written.append(out / _NAME.format(len(written)))
                    written[-1].write_bytes(packet)
    for file in written:  # when all are on their way
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, in their order.  Raises EncodeError where one is missing, or
    something else is there."""
    names = {file.name for file in folder.iterdir()}
    if others := sorted(name for name in names if not _OURS.fullmatch(name)):
        raise EncodeError(f"{folder}: {others[0]} does not belong there")
    wanted = [_NAME.format(number) for number in range(len(names))]
    if missing := [name for name in wanted if name not in names]:
        raise EncodeError(f"{folder}: {missing[0]} is missing")
    return [folder / name for name in wanted]


def digest(path: Path) -> str:
    """The SHA-256 of a film, as `sha256sum` tells it; of a folder, of the lines that `sha256sum *`
    tells in it."""
    state = hashlib.sha256()
    if path.is_dir():
        for file in sorted(path.iterdir()):
            state.update(f"{digest(file)}  {file.name}\n".encode())
        return state.hexdigest()
    with path.open("rb") as stream:
        for piece in chunks(stream):
            state.update(piece)
    return state.hexdigest()


def size_on_disk(path: Path) -> int:
    """The bytes of a film, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.iterdir())
    return path.stat().st_size


def put(draft: Path, out: Path) -> None:
    """Gives a draft its name, in place of what was there.

    A folder that was there is set aside first, and then removed.  Raises EncodeError where that
    holds other files than numbered pictures, OSError.
    """
    if not draft.is_dir():
        draft.replace(out)
        return
    check_folder(out)
    old = draft.with_name(f"{draft.name}.old")
    if out.is_dir():
        out.rename(old)
    try:
        draft.rename(out)
    except OSError:
        if old.is_dir():
            old.rename(out)
        raise
    if old.is_dir():
        shutil.rmtree(old)


def check_folder(out: Path) -> None:
    """Raises EncodeError where `out` is there, and is not a folder of numbered pictures that a
    new one may replace."""
    if out.is_dir():
        others = sorted(f.name for f in out.iterdir() if not _OURS.fullmatch(f.name))
        if others:
            raise EncodeError(f"{out}: holds other files ({others[0]}); name another folder")
    elif out.exists():
        raise EncodeError(f"{out}: is a file; name a folder")
