"""Frames become a film: encoded at exact instants, tagged, and looked at again when done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from timelapse.deliver.colours import tags_of, video_frame
from timelapse.deliver.formats import Format
from timelapse.deliver.output import container_of
from timelapse.deliver.tracks import Caption, Sound
from timelapse.errors import EncodeError
from timelapse.times import CaptureTime, VideoTime

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer


@dataclass(frozen=True)
class Chapter:
    title: str
    start: VideoTime
    end: VideoTime


@dataclass(frozen=True)
class Tags:
    """What a film has beside its pictures: what it says of itself, captions, sound."""

    title: str = ""
    created: CaptureTime | None = None
    comment: str = ""
    chapters: tuple[Chapter, ...] = ()
    captions: tuple[Caption, ...] = ()
    sound: Sound | None = None

    @property
    def tracks(self) -> tuple[str, ...]:
        """The kinds of its tracks beside the pictures."""
        return ("subtitle",) * bool(self.captions) + ("audio",) * bool(self.sound)

    def held_by(self, out: Path) -> Tags:
        """What of it a film under that name holds: chapters are left out where it has no place for
        them; captions and sound that it cannot hold are refused before (`Output.check`)."""
        return self if container_of(out).tracks else replace(self, chapters=())


class Encoder:
    """Writes one film or one part of a film; a context manager.

    `path` is complete, and on the disk, only after a clean exit.  The first frame can be decoded
    without any other film, and no frame needs one of another.  `threads` is how many the codec may
    use where the format does not say; `tags` are for a film that is not joined from parts.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        format: Format,
        *,
        threads: int = 0,
        tags: Tags | None = None,
    ) -> None:
        import av

        self._count, self._tick = 0, 1 / Fraction(format.rate)
        self._path, self._format, self._coded = path, format, 0
        container = container_of(path)
        options = dict(container.options) if tags is not None else {}
        if format.codec == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only: it writes to stderr by itself
        with encode_errors(path):
            self._container = av.open(str(path), "w", format=container.muxer, options=options)
        with encode_errors(path):
            stream = self._container.add_stream(format.codec, rate=Fraction(format.rate))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = format.pixels
            stream.options = dict(format.tuned(format.threads or threads))
            context = stream.codec_context
            stream.time_base = context.time_base = self._tick
            context.thread_count = format.threads or threads
            context.thread_type = "FRAME"
            primaries, transfer, matrix, limited = tags_of(format.pixels)
            context.color_primaries, context.color_trc = primaries, transfer
            context.colorspace, context.color_range = matrix, limited
            if format.fourcc:
                context.codec_tag = format.fourcc
            if tags is not None:
                set_tags(self._container, tags)
        self._stream = stream

    def write(self, planes: NDArray[Any]) -> None:
        """Encodes the next frame, as `Colours` makes it; its instant is its number divided by the
        rate.  The planes are copied."""
        frame = video_frame(planes, self._format.pixels)
        frame.pts, frame.time_base = self._count, self._tick
        self._count += 1
        with encode_errors(self._path):
            self._encode(frame)

    def _encode(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if self._format.reordered:
                packet.dts = self._coded - self._format.reordered
            self._coded += 1
            self._container.mux_one(packet)

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(Exception):  # the error that brought us here is the one to tell
                self._container.close()
            return
        with encode_errors(self._path):
            try:
                self._encode(None)
            finally:
                self._container.close()
            on_disk(self._path)


def on_disk(path: Path) -> None:
    """Waits until a file's bytes have reached the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def set_tags(container: OutputContainer, tags: Tags) -> None:
    """Gives a film that has not been started its title, creation time, comment and chapters."""
    metadata = container.metadata
    if tags.title:
        metadata["title"] = tags.title
    if tags.comment:
        metadata["comment"] = tags.comment
    if tags.created is not None:
        metadata["creation_time"] = tags.created.iso(6)
    container.set_chapters(
        [
            {
                "id": at,
                "start": round(chapter.start.seconds * 1000),
                "end": round(chapter.end.seconds * 1000),
                "time_base": Fraction(1, 1000),
                "metadata": {"title": chapter.title},
            }
            for at, chapter in enumerate(tags.chapters)
        ]
    )


@contextmanager
def encode_errors(path: Path) -> Iterator[None]:
    """What the libraries raise while a film is written, as EncodeError."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EncodeError(f"{path}: the film could not be written: {reason}") from error
