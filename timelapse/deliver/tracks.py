"""What a film has beside its pictures: captions that can be turned on, and sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from timelapse.deliver.sound import HERTZ, Mix
from timelapse.deliver.sound import Sound as Sound
from timelapse.times import VideoTime

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

#: What captions are coded as where it is not mov_text.
_CAPTIONS = {"matroska": "subrip", "webm": "webvtt"}
#: The scale of captions' times in an MP4.
_CAPTION_TICKS = 1_000_000
#: A style that a player may change as it likes; mov_text wants one.
_STYLES = (
    b"[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour\n"
    b"Style: Default,Sans,16,&Hffffff\n"
)
_LONGEST = 0xFFFF
_BITS_A_SECOND = 192_000


@dataclass(frozen=True)
class Caption:
    """A text that is said to be shown from `start` up to, and without, `end`."""

    text: str
    start: VideoTime
    end: VideoTime


def one_at_a_time(captions: Sequence[Caption]) -> list[Caption]:
    """Captions that do not overlap: where several are shown at once, they are lines of one."""
    borders = sorted({time for c in captions for time in (c.start, c.end)})
    found = []
    for start, end in pairwise(borders):
        texts = [c.text for c in captions if c.start <= start and end <= c.end]
        if texts:
            found.append(Caption("\n".join(texts), start, end))
    return found


def caption_packets(film: OutputContainer, captions: Sequence[Caption]) -> Iterator[Packet[Any]]:
    """Adds a track of captions to a film that has not been started; gives its packets."""
    from av import Packet

    codec = _CAPTIONS.get(film.format.name, "mov_text")
    stream: Any = film.add_stream(codec)
    stream.codec_context.subtitle_header = _STYLES
    stream.time_base = tick = Fraction(1, _CAPTION_TICKS)

    def packets() -> Iterator[Packet[Any]]:
        for caption in one_at_a_time(captions):
            text = caption.text.encode()[:_LONGEST]
            if codec == "mov_text":  # 3GPP TS 26.245, 5.17: the length of the text, and the text
                text = len(text).to_bytes(2, "big") + text
            packet = Packet(text)
            packet.pts = packet.dts = round(caption.start.seconds / tick)
            packet.duration = round((caption.end.seconds - caption.start.seconds) / tick)
            packet.time_base, packet.stream = tick, stream
            yield packet

    return packets()


def sound_packets(film: OutputContainer, sound: Sound, length: Fraction) -> Iterator[Packet[Any]]:
    """Adds a track of sound (stereo; Opus in WebM, else AAC) to a film that has not been started;
    gives its packets, of exactly `length` seconds."""
    import av

    codec = "libopus" if film.format.name == "webm" else "aac"
    stream = film.add_stream(codec, rate=HERTZ, layout="stereo")
    assert isinstance(stream, av.AudioStream)
    stream.bit_rate = _BITS_A_SECOND

    def packets() -> Iterator[Packet[Any]]:
        done = 0
        with Mix(sound, length) as mix:
            for chunk in mix.chunks():
                planes = np.ascontiguousarray(chunk.T)
                frame = av.AudioFrame.from_ndarray(planes, "fltp", "stereo")
                frame.sample_rate = HERTZ
                frame.pts, frame.time_base = done, Fraction(1, HERTZ)
                done += len(chunk)
                yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()
