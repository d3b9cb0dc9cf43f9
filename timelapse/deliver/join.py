"""Parts become a film without being encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from timelapse.deliver.film import Tags, encode_errors, on_disk, set_tags
from timelapse.deliver.formats import Format
from timelapse.errors import EncodeError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream


def join(parts: Sequence[tuple[Path, int]], out: Path, format: Format, tags: Tags) -> None:
    """Writes the coded frames of `parts` (paths, with the number of frames of each) into the film
    `out`, one after the other, every one at its instant; and its tags.

    Nothing is decoded: all parts have to come from one encoder with one setting.  `out` is
    complete, and on the disk, when this returns.  Raises EncodeError.
    """
    import av

    tick = 1 / Fraction(format.rate)  # a stream's own time base changes when it is started
    starts = accumulate((frames for _, frames in parts), initial=0)
    with encode_errors(out), ExitStack() as open_files:
        delay = max(_delay(path, format) for path, _ in parts)
        film = open_files.enter_context(
            av.open(str(out), "w", format=format.container, options={"movflags": "+faststart"})
        )
        set_tags(film, tags)
        stream: VideoStream | None = None
        for (path, frames), start in zip(parts, starts, strict=False):
            with av.open(str(path)) as part:
                source = part.streams.video[0]
                if stream is None:
                    stream = film.add_stream_from_template(source)
                    stream.time_base = tick
                    coded_as = source.codec_context.extradata
                if source.codec_context.extradata != coded_as:
                    raise EncodeError(
                        f"{path}: was coded in another way than the parts before it; "
                        "`timelapse cache --clear` takes the parts away, then render again"
                    )
                _append(film, stream, tick, part, start, frames, delay)
    on_disk(out)


def _delay(path: Path, format: Format) -> int:
    """By how many frames the first frame of a part is decoded before it is shown."""
    import av

    with av.open(str(path)) as part:
        for packet in part.demux(part.streams.video[0]):
            if packet.size and packet.pts is not None and packet.dts is not None:
                return int((packet.pts - packet.dts) * (packet.time_base or 0) * format.rate)
    raise EncodeError(f"{path}: holds no frame")


def _append(
    film: OutputContainer,
    stream: VideoStream,
    tick: Fraction,
    part: InputContainer,
    start: int,
    frames: int,
    delay: int,
) -> None:
    """Copies a part whose first frame is number `start` of the film.

    Shown and decoded instants are counted in frames, not taken over: a part's own clock starts at
    nought, and one of a single frame has no delay where the others have two frames.
    """
    shown: list[Fraction] = []
    for packet in part.demux(part.streams.video[0]):
        if not packet.size:
            continue
        number = (packet.pts or 0) * (packet.time_base or 0) / tick
        packet.stream = stream
        packet.pts, packet.dts = start + int(number), start + len(shown) - delay
        packet.time_base, packet.duration = tick, 1
        film.mux_one(packet)
        shown.append(number)
    if sorted(shown) != list(range(frames)):
        raise EncodeError(f"{part.name}: holds {len(shown)} frames, not {frames} at even instants")
