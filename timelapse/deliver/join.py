"""Parts become a film without being encoded again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from heapq import merge
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timelapse.deliver.film import Tags, encode_errors, on_disk, set_tags
from timelapse.deliver.formats import Format
from timelapse.deliver.output import container_of
from timelapse.deliver.sequence import unpack
from timelapse.deliver.tracks import caption_packets, sound_packets
from timelapse.deliver.webp import join_webp, nearest
from timelapse.errors import EncodeError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


def join(parts: Sequence[tuple[Path, int]], out: Path, format: Format, tags: Tags) -> None:
    """Writes the coded frames of `parts` (paths, with the number of frames of each) into the film
    `out`, one after the other, every one at its instant; and its tags, captions and sound.

    Nothing is decoded: all parts have to come from one encoder with one setting.  `out` is
    complete, and on the disk, when this returns.  The container is the one that its ending asks
    for.  Raises EncodeError.
    """
    with encode_errors(out):
        if format.folder:
            unpack([path for path, _ in parts], out)
        elif container_of(out).muxer == "webp":
            join_webp([path for path, _ in parts], out, format)
        else:
            _join_film(parts, out, format, tags)


def _join_film(parts: Sequence[tuple[Path, int]], out: Path, format: Format, tags: Tags) -> None:
    import av

    tick = 1 / Fraction(format.rate)  # a stream's own time base changes when it is started
    frames = sum(count for _, count in parts)
    container = container_of(out)
    with ExitStack() as open_files:
        film = open_files.enter_context(
            av.open(str(out), "w", format=container.muxer, options=dict(container.options))
        )
        set_tags(film, tags)
        first = open_files.enter_context(av.open(str(parts[0][0])))
        template = first.streams.video[0]
        # As it is: a decoder of another library than the encoder's has no encoder of its name.
        stream = film.add_stream_from_template(template, opaque=True)
        stream.time_base = tick
        stream.codec_context.framerate = 1 / tick  # what MKV and MXF say of themselves
        if container.muxer in ("mp4", "mov"):
            stream.codec_context.codec_tag = template.codec_context.codec_tag
        tracks = [_pictures(parts, stream, tick, format)]
        if tags.captions:
            tracks.append(caption_packets(film, tags.captions))
        if tags.sound:
            tracks.append(sound_packets(film, tags.sound, frames * tick))
        for packet in merge(*tracks, key=_when):
            film.mux_one(packet)
    on_disk(out)


def _when(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(0))


def _pictures(
    parts: Sequence[tuple[Path, int]], stream: VideoStream, tick: Fraction, format: Format
) -> Iterator[Packet[Any]]:
    """The coded frames of all parts, counted through."""
    import av

    coded_as = stream.codec_context.extradata
    starts = accumulate((frames for _, frames in parts), initial=0)
    delay = max(_delay(path, format) for path, _ in parts)
    for (path, frames), start in zip(parts, starts, strict=False):
        with av.open(str(path)) as part:
            if part.streams.video[0].codec_context.extradata != coded_as:
                raise EncodeError(
                    f"{path}: was coded in another way than the parts before it; "
                    "`timelapse cache --clear` takes the parts away, then render again"
                )
            yield from _counted(part, stream, tick, start, frames, delay)


def _delay(path: Path, format: Format) -> int:
    """By how many frames the first frame of a part is decoded before it is shown."""
    import av

    with av.open(str(path)) as part:
        for packet in part.demux(part.streams.video[0]):
            if packet.size and packet.pts is not None and packet.dts is not None:
                return int((packet.pts - packet.dts) * (packet.time_base or 0) * format.rate)
    raise EncodeError(f"{path}: holds no frame")


def _counted(
    part: InputContainer,
    stream: VideoStream,
    tick: Fraction,
    start: int,
    frames: int,
    delay: int,
) -> Iterator[Packet[Any]]:
    """The coded frames of a part whose first frame is number `start` of the film.

    Shown and decoded instants are counted in frames, not taken over: a part's own clock starts at
    nought, and one of a single frame has no delay where the others have two frames.
    """
    shown: list[int] = []
    for packet in part.demux(part.streams.video[0]):
        if not packet.size:
            continue
        number = nearest(packet.pts or 0, Fraction(packet.time_base or 0), tick)
        packet.stream = stream
        packet.pts, packet.dts = start + number, start + len(shown) - delay
        packet.time_base, packet.duration = tick, 1
        shown.append(number)
        yield packet
    if sorted(shown) != list(range(frames)):
        raise EncodeError(f"{part.name}: holds {len(shown)} frames, not {frames} at even instants")
