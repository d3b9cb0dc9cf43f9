"""The encoder that a format asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from timelapse.deliver.film import Encoder, Tags
from timelapse.deliver.formats import Format
from timelapse.deliver.gif import GifEncoder
from timelapse.deliver.pictured import Gif, WebP
from timelapse.deliver.webp import WebPEncoder


class Writer(Protocol):
    """Writes one film, or one part of a film; a context manager."""

    def write(self, planes: NDArray[Any]) -> None:
        """Takes the next frame, as `Colours` makes it for the format.  Raises EncodeError."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...


def encoder(
    path: Path,
    size: tuple[int, int],
    format: Format,
    *,
    threads: int = 0,
    tags: Tags | None = None,
) -> Writer:
    """What writes the film, or the part, `path`; complete, and on the disk, after a clean exit.

    A part's name ends in `format.part_ending`.  `threads` is how many the codec may use where the
    format does not say; `tags` are for a film that is not joined from parts.  Raises EncodeError.
    """
    if isinstance(format, Gif):
        return GifEncoder(path, size, format)
    if isinstance(format, WebP):
        return WebPEncoder(path, size, format)
    return Encoder(path, size, format, threads=threads, tags=tags)
