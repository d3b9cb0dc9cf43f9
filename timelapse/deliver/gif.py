"""Animated GIFs, in a palette that is made for all of the film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from timelapse.deliver.colours import video_frame
from timelapse.deliver.film import encode_errors, on_disk
from timelapse.deliver.pictured import Gif

if TYPE_CHECKING:
    from av import VideoFrame

#: A GIF counts time in hundredths of a second.
TICK = Fraction(1, 100)
_DITHER = {
    "bayer": "bayer:bayer_scale=4",
    "sierra": "sierra2_4a",
    "floyd": "floyd_steinberg",
    "none": "none",
}


class GifEncoder:
    """Writes one GIF; see `encoder`.

    A palette is known after the last frame only: until then the frames are kept on the disk, beside
    `path`, in a file without a name, coded without loss.
    """

    def __init__(self, path: Path, size: tuple[int, int], format: Gif) -> None:
        import av

        self._path, self._size, self._format, self._count = path, size, format, 0
        with encode_errors(path), ExitStack() as opened:
            self._kept = opened.enter_context(TemporaryFile(dir=path.parent))
            self._container = opened.enter_context(av.open(self._kept, "w", format="nut"))
            self._stream = self._container.add_stream("png", rate=25)
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = format.pixels
            self._stream.options = {"compression_level": "1"}
            self._palette = _Graph(self._source())
            self._palette.add(
                "palettegen",
                f"max_colors={format.colours}:stats_mode=full:reserve_transparent=0",
            )
            self._palette.finish()
            self._opened = opened.pop_all()

    def write(self, planes: NDArray[Any]) -> None:
        frame = video_frame(planes, self._format.pixels)
        frame.pts, frame.time_base = self._count, Fraction(1, 25)
        self._count += 1
        with encode_errors(self._path):
            self._container.mux(self._stream.encode(frame))
            self._palette.push(frame)

    def __enter__(self) -> GifEncoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(Exception):  # the error that brought us here is the one to tell
                self._opened.close()
            return
        with encode_errors(self._path), self._opened:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._kept.seek(0)
            self._write()
            on_disk(self._path)

    def _write(self) -> None:
        import av

        rate = Fraction(self._format.rate)
        instants = [int(n / rate / TICK + Fraction(1, 2)) for n in range(self._count + 1)]
        loop = {"loop": str(self._format.loop)}
        with av.open(str(self._path), "w", format="gif", options=loop) as film:
            stream = film.add_stream("gif", rate=rate)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = self._size
            stream.pix_fmt = "pal8"
            stream.time_base = stream.codec_context.time_base = TICK
            for frame, start in zip(self._coloured(), instants, strict=False):
                frame.pts, frame.time_base = start, TICK
                for packet in stream.encode(frame):
                    at = instants.index(packet.pts or 0)
                    packet.duration = instants[at + 1] - instants[at]
                    film.mux(packet)
            film.mux(stream.encode(None))

    def _coloured(self) -> Iterator[VideoFrame]:
        """The frames that were kept, in the colours of the palette."""
        import av

        palette = self._palette.last()
        graph = _Graph(self._source())
        graph.add("paletteuse", f"dither={_DITHER[self._format.dither]}", palette)
        graph.finish()
        with av.open(self._kept, "r", format="nut") as kept:
            for frame in kept.decode(video=0):
                frame.time_base = Fraction(1, 25)
                graph.push(frame)
                yield graph.pull()

    def _source(self) -> str:
        width, height = self._size
        return f"video_size={width}x{height}:pix_fmt={self._format.pixels}:time_base=1/25"


class _Graph:
    """A source of frames, a filter, and what comes out of it."""

    def __init__(self, source: str) -> None:
        from av.filter import Graph

        self._graph = Graph()
        self._source = self._graph.add("buffer", source)

    def add(self, name: str, options: str, second: VideoFrame | None = None) -> None:
        """The filter; `second` is what its second input gets, once."""
        self._filter = self._graph.add(name, options)
        self._source.link_to(self._filter, 0, 0)
        self._second = second
        if second is not None:
            size = f"video_size={second.width}x{second.height}"
            self._other = self._graph.add(
                "buffer", f"{size}:pix_fmt={second.format.name}:time_base=1/25"
            )
            self._other.link_to(self._filter, 0, 1)

    def finish(self) -> None:
        self._sink = self._graph.add("buffersink")
        self._filter.link_to(self._sink)
        self._graph.configure()
        if self._second is not None:
            self._other.push(self._second)
            self._other.push(None)

    def push(self, frame: VideoFrame) -> None:
        self._source.push(frame)

    def pull(self) -> VideoFrame:
        return self._sink.pull()  # type: ignore[return-value]

    def last(self) -> VideoFrame:
        """What comes out once nothing more goes in."""
        self._source.push(None)
        return self.pull()
