"""Frames become a film: encoded at exact instants, tagged, and looked at again when done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver.formats import Format
from timelapse.errors import EncodeError
from timelapse.times import CaptureTime, VideoTime

if TYPE_CHECKING:
    from av import VideoFrame

#: ITU-T H.273: 1 is BT.709 for primaries, transfer and matrix alike.
_BT709 = 1


@dataclass(frozen=True)
class Chapter:
    title: str
    start: VideoTime
    end: VideoTime


@dataclass(frozen=True)
class Tags:
    """What a film says of itself beside its pictures."""

    title: str = ""
    created: CaptureTime | None = None
    comment: str = ""
    chapters: tuple[Chapter, ...] = ()


class Colours:
    """Turns RGB frames into what the encoder takes: BT.709, limited range, 4:2:0.

    The matrix and both ranges are stated: left to themselves the libraries use BT.601 and leave
    the film untagged, which shows colours up to 40 levels wrong.  One object per thread.
    """

    def __init__(self, pixels: str = "yuv420p") -> None:
        from av.video.reformatter import VideoReformatter

        self._pixels = pixels
        self._reformatter = VideoReformatter()

    def convert(self, frame: NDArray[np.uint8]) -> VideoFrame:
        """An RGB frame (H x W x 3, uint8, display light) as a new video frame."""
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        source = VideoFrame.from_numpy_buffer(frame, format="rgb24")
        made = self._reformatter.reformat(
            source,
            format=self._pixels,
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            threads=1,
        )
        made.colorspace = Colorspace.ITU709
        made.color_range = ColorRange.MPEG
        return made


class Encoder:
    """Writes one film; a context manager.  `path` is complete only after a clean exit."""

    def __init__(
        self, path: Path, size: tuple[int, int], format: Format, tags: Tags | None = None
    ) -> None:
        import av

        rate = format.rate
        self._count, self._tick = 0, 1 / Fraction(rate)
        with _encode_errors(path):
            self._container = av.open(
                str(path), "w", format=format.container, options={"movflags": "+faststart"}
            )
        with _encode_errors(path):
            stream = self._container.add_stream(format.codec, rate=Fraction(rate))
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = size
            stream.pix_fmt = format.pixels
            stream.options = dict(format.options)
            context = stream.codec_context
            stream.time_base = context.time_base = self._tick
            context.thread_count = format.threads
            context.thread_type = "FRAME"
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = 1
            self._set_tags(tags or Tags())
        self._stream, self._path = stream, path

    def _set_tags(self, tags: Tags) -> None:
        metadata = self._container.metadata
        if tags.title:
            metadata["title"] = tags.title
        if tags.comment:
            metadata["comment"] = tags.comment
        if tags.created is not None:
            metadata["creation_time"] = tags.created.iso(6)
        self._container.set_chapters(
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

    def write(self, frame: VideoFrame) -> None:
        """Encodes the next frame; its instant is its number divided by the rate."""
        frame.pts, frame.time_base = self._count, self._tick
        self._count += 1
        with _encode_errors(self._path):
            self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(Exception):  # the error that brought us here is the one to tell
                self._container.close()
            return
        with _encode_errors(self._path):
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()
            with self._path.open("rb+") as file:
                os.fsync(file.fileno())


@contextmanager
def _encode_errors(path: Path) -> Iterator[None]:
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError, ArithmeticError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EncodeError(f"{path}: the film could not be written: {reason}") from error


@dataclass(frozen=True)
class Facts:
    """What a film is, found by decoding it to its end.

    `rate` is the exact average; `even` says that every frame stands on the tick grid of that
    rate; `tags` are colour primaries, transfer, matrix and range by their H.273 numbers.
    """

    codec: str
    frames: int
    size: tuple[int, int]
    rate: Fraction
    even: bool
    pixels: str
    tags: tuple[int, int, int, int]
    title: str
    created: str
    chapters: tuple[tuple[str, Fraction], ...]

    def faults(self, frames: int, size: Sequence[int], rate: Fraction, chapters: int) -> list[str]:
        """How the film differs from what was meant; empty where it does not."""
        found = []
        if self.frames != frames:
            found.append(f"it has {self.frames} frames, not {frames}")
        if self.size != tuple(size):
            found.append(f"its size is {self.size[0]}x{self.size[1]}, not {size[0]}x{size[1]}")
        if self.rate != rate or not self.even:
            found.append(f"its rate is {self.rate}{'' if self.even else ', uneven'}, not {rate}")
        if self.tags != (_BT709, _BT709, _BT709, 1):
            found.append(f"its colour tags are {self.tags}, not BT.709 in limited range")
        if len(self.chapters) != chapters:
            found.append(f"it has {len(self.chapters)} chapters, not {chapters}")
        return found


def probe(path: Path) -> Facts:
    """Decodes a film to its end and says what it is; raises EncodeError where it cannot."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "FRAME"
            base, context = stream.time_base or Fraction(1), stream.codec_context
            stamps: list[Fraction] = []
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise EncodeError(f"{path}: frame {len(stamps)} is corrupt")
                stamps.append((frame.pts or 0) * base)
            rate = Fraction(stream.average_rate or 0)
            return Facts(
                codec=context.name,
                frames=len(stamps),
                size=(context.width, context.height),
                rate=rate,
                even=bool(rate) and all(at * rate == n for n, at in enumerate(stamps)),
                pixels=str(context.pix_fmt),
                tags=(
                    int(context.color_primaries),
                    int(context.color_trc),
                    int(context.colorspace),
                    int(context.color_range),
                ),
                title=container.metadata.get("title", ""),
                created=container.metadata.get("creation_time", ""),
                chapters=tuple(map(_chapter, container.chapters())),
            )
    except (av.FFmpegError, OSError, IndexError) as error:
        raise EncodeError(f"{path}: not a film that can be decoded: {error}") from error


def _chapter(chapter: Any) -> tuple[str, Fraction]:
    start = chapter["start"] * Fraction(chapter["time_base"])
    return chapter.get("metadata", {}).get("title", ""), start
