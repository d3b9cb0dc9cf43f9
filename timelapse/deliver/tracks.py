"""What a film has beside its pictures: captions that can be turned on, and sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from timelapse.errors import EncodeError
from timelapse.times import VideoTime

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

_HERTZ = 48000
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


@dataclass(frozen=True)
class Sound:
    """A file of sound, and what makes it another one: its size in bytes and its age."""

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Sound:
        """Raises EncodeError where there is no sound in the file."""
        import av

        try:
            info = path.stat()
            with av.open(str(path)) as source:
                if not source.streams.audio:
                    raise EncodeError(f"{path}: holds no sound")
        except (OSError, av.FFmpegError) as error:
            why = getattr(error, "strerror", None) or error
            raise EncodeError(f"{path}: no sound that can be read: {why}") from error
        return cls(path, info.st_size, info.st_mtime_ns)


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

    stream = film.add_stream("mov_text")
    stream.codec_context.subtitle_header = _STYLES
    stream.time_base = tick = Fraction(1, _CAPTION_TICKS)

    def packets() -> Iterator[Packet[Any]]:
        for caption in one_at_a_time(captions):
            text = caption.text.encode()[:_LONGEST]
            # 3GPP TS 26.245, 5.17: the length of the text, and the text
            packet = Packet(len(text).to_bytes(2, "big") + text)
            packet.pts = packet.dts = round(caption.start.seconds / tick)
            packet.duration = round((caption.end.seconds - caption.start.seconds) / tick)
            packet.time_base, packet.stream = tick, stream
            yield packet

    return packets()


def sound_packets(film: OutputContainer, sound: Sound, length: Fraction) -> Iterator[Packet[Any]]:
    """Adds a track of sound (AAC, stereo) to a film that has not been started; gives its packets,
    up to `length` seconds."""
    import av

    stream = film.add_stream("aac", rate=_HERTZ, layout="stereo")
    assert isinstance(stream, av.AudioStream)
    stream.bit_rate = _BITS_A_SECOND

    def packets() -> Iterator[Packet[Any]]:
        left = round(length * _HERTZ)
        done = 0
        with av.open(str(sound.path)) as source:
            for frame in _resampled(source):
                if left <= 0:
                    break
                if frame.samples > left:
                    frame = _first_samples(frame, left)
                frame.pts, frame.time_base = done, Fraction(1, _HERTZ)
                done, left = done + frame.samples, left - frame.samples
                yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _resampled(source: InputContainer) -> Iterator[AudioFrame]:
    from av import AudioResampler

    resampler = AudioResampler("fltp", "stereo", _HERTZ)
    for frame in source.decode(audio=0):
        frame.pts = None  # counted anew: a file may start anywhere
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _first_samples(frame: AudioFrame, count: int) -> AudioFrame:
    from av import AudioFrame

    samples = np.ascontiguousarray(frame.to_ndarray()[:, :count], np.float32)
    cut = AudioFrame.from_ndarray(samples, frame.format.name, frame.layout.name)
    cut.sample_rate = frame.sample_rate
    return cut
