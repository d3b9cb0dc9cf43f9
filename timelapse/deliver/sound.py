"""What is heard: a file of sound, cut or looped to the film, and voices over it.

The mixing is moviepy's: its clips, fades, volumes and composition.  What they play is decoded here,
because moviepy's own reader knows a file's length to 1/100 s only, which is heard where a loop
starts again, and plays silence where a file is damaged.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import chain
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import EncodeError
from timelapse.notation import Notation
from timelapse.times import NUMBER, Seconds, VideoTime

if TYPE_CHECKING:
    from moviepy import AudioClip

#: Samples a second of all that is mixed and written; two channels.
HERTZ = 48000
_LOUDEST = 10
#: What a bed is ducked to where it is to fall silent.
_SILENT = 1e-5

#: Samples (count, 2), left and right, from -1 to 1.
Samples = NDArray[np.float32]


class Volume(Notation, str):
    """How loud: `-6 dB`, `50 %` or `0.5` of the amplitude."""

    __slots__ = ()
    examples = ("-6 dB", "50 %", "0.5")

    @classmethod
    def read(cls, text: str) -> Volume:
        volume = cls(text.strip())
        if not volume.factor <= _LOUDEST:
            raise ValueError(f"{text!r} is louder than 20 dB; write -6 dB or 50 %")
        return volume

    @property
    def factor(self) -> float:
        """What samples are multiplied by."""
        words = self.lower().replace("−", "-")
        if found := re.fullmatch(rf"([+-]?)\s*({NUMBER})\s*db", words, re.ASCII):
            decibels = float(Fraction(found[2])) * (-1 if found[1] == "-" else 1)
            return float(10 ** (min(decibels, 1000) / 20))
        if found := re.fullmatch(rf"({NUMBER})\s*(%?)", words, re.ASCII):
            return float(Fraction(found[1]) / (100 if found[2] else 1))
        raise ValueError(f"{self!r} is not a volume; write -6 dB or 50 %")


FULL = Volume("0 dB")


@dataclass(frozen=True)
class Sound:
    """A file of sound, what makes it another one (its size in bytes and its age), and how it is
    heard.

    It is heard from the video time `at` on, which may lie before the film, from `start` in the
    file up to its end, or again and again (`loop`), at most up to the film's end; it fades in and
    out where it begins and ends.  `voices` are heard over it: `attack` before one begins it falls
    evenly, in decibels, to `duck` of its own volume, and rises again for `release` after the end.
    `seconds` is the file's length as it says itself.
    """

    path: Path
    size: int
    mtime_ns: int
    seconds: Fraction | None = None
    at: VideoTime = VideoTime(Fraction(0))
    start: Seconds = Seconds(0)
    loop: bool = False
    volume: Volume = FULL
    fade_in: Seconds = Seconds(0)
    fade_out: Seconds = Seconds(0)
    voices: tuple[Sound, ...] = ()
    duck: Volume = Volume("-12 dB")
    attack: Seconds = Seconds(1, 4)
    release: Seconds = Seconds(1, 2)

    @classmethod
    def of(cls, path: Path, **how: Any) -> Sound:
        """`how` are the fields that say how it is heard.  Raises EncodeError where there is no
        sound in the file, or none after `start`."""
        import av

        try:
            info = path.stat()
            with av.open(str(path)) as source:
                if not source.streams.audio:
                    raise EncodeError(f"{path}: holds no sound")
                stream = source.streams.audio[0]
                length = None
                if stream.duration and stream.time_base:
                    length = stream.duration * stream.time_base
                elif source.duration:
                    length = Fraction(source.duration, av.time_base)
        except (OSError, av.FFmpegError) as error:
            why = getattr(error, "strerror", None) or error
            raise EncodeError(f"{path}: no sound that can be read: {why}") from error
        sound = cls(path, info.st_size, info.st_mtime_ns, length, **how)
        if length is not None and sound.start >= length:
            raise EncodeError(f"{path}: start: {sound.start} lies after its {float(length):.2f} s")
        return sound

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that are heard."""
        return (self.path, *(file for voice in self.voices for file in voice.files))

    def notes(self, length: Fraction) -> Iterator[str]:
        """What a person should know of it beside a film of `length` seconds."""
        yield from (f"voice {note}" for voice in self.voices for note in voice._of_itself(length))
        ends = self._ends
        if not self.loop and ends is not None and 0 < ends < length - Fraction(1, 10):
            yield (
                f"sound {self.path.name} ends at {float(ends):.2f} s of a film of "
                f"{float(length):.2f} s; sound.loop: true plays it again"
            )
        if not self.at.seconds < length:
            yield f"sound {self.path.name} begins after the film's end"

    def _of_itself(self, length: Fraction) -> Iterator[str]:
        begins, ends = self.at.seconds, self._ends
        if begins >= length or (ends is not None and ends <= 0):
            yield f"{self.path.name} is not heard: it begins at {float(begins):.2f} s of the film"
        elif begins < 0:
            yield f"{self.path.name} begins before the film, by {float(-begins):.2f} s"
        elif ends is not None and ends > length:
            yield f"{self.path.name} is cut by the film's end, by {float(ends - length):.2f} s"

    @property
    def _ends(self) -> Fraction | None:
        """The video second at which the file has been heard once."""
        return None if self.seconds is None else self.at.seconds + self.seconds - self.start


class Mix:
    """All that is heard with a film of `length` seconds; a context manager that closes the files.

    `clip` is the whole as a clip of moviepy's.  Where samples are asked for one after another, each
    file is decoded once and never kept; the voices' lengths, and that of what is looped or faded
    out, are counted before.  Raises EncodeError.
    """

    def __init__(self, sound: Sound, length: Fraction) -> None:
        from moviepy import CompositeAudioClip

        self.samples = round(length * HERTZ)
        self._readers: list[_Reader] = []
        voices = [self._clip(voice, counted=True) for voice in sound.voices]
        bed = _ducked(self._clip(sound), sound, voices) if voices else self._clip(sound)
        self.clip = CompositeAudioClip([bed, *voices]).with_duration(self.samples / HERTZ)
        self.clip.fps = HERTZ

    def chunks(self) -> Iterator[Samples]:
        """The samples, a second at a time; what is louder than the loudest is cut off."""
        for first in range(0, self.samples, HERTZ):
            numbers = np.arange(first, min(first + HERTZ, self.samples))
            # Asked for at its middle, a sample is never on the border of a clip by a rounding.
            chunk = self.clip.to_soundarray(tt=(numbers + 0.5) / HERTZ)
            yield np.clip(chunk, -1, 1).astype(np.float32)

    def _clip(self, sound: Sound, counted: bool = False) -> AudioClip:
        from moviepy import AudioClip, afx

        first, skipped = round(sound.at.seconds * HERTZ), round(sound.start * HERTZ)
        heard = left = max(0, self.samples - first)
        reader = _Reader(sound.path, skipped)
        self._readers.append(reader)
        if counted or sound.loop or sound.fade_out:
            heard = min(left, max(0, _count(sound.path, skipped + left) - skipped))
        clip = AudioClip(reader, heard / HERTZ, HERTZ)
        if sound.loop and 0 < heard < left:
            # afx.AudioLoop would make a clip of every turn, all of them asked for every chunk.
            turn = heard / HERTZ
            clip = clip.time_transform(lambda t: t % turn).with_duration(left / HERTZ)
        effects = [afx.MultiplyVolume(sound.volume.factor)] if sound.volume != FULL else []
        if sound.fade_in:
            effects.append(afx.AudioFadeIn(float(sound.fade_in)))
        if sound.fade_out:
            effects.append(afx.AudioFadeOut(float(sound.fade_out)))
        return clip.with_effects(effects).with_start(first / HERTZ)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ducked(bed: AudioClip, sound: Sound, voices: list[AudioClip]) -> AudioClip:
    """The bed, quieter while voices are heard."""
    attack, release = float(sound.attack), float(sound.release)
    spans = [
        (voice.start - attack, voice.start, voice.end, voice.end + release)
        for voice in voices
        if voice.duration
    ]
    depth = np.log10(max(sound.duck.factor, _SILENT))

    def quieter(get_frame: Any, t: Any) -> Any:
        shares = [np.interp(t + bed.start, span, (0, 1, 1, 0)) for span in spans]
        share = reduce(np.maximum, shares, np.zeros(np.shape(t)))
        return get_frame(t) * (10 ** (depth * share))[..., None]

    return bed.transform(quieter)


# ------------------------------------------------------------------ files


class _Reader:
    """The sound of a file from sample `skipped` on, as a function of seconds: what moviepy makes a
    clip of.  Silence before and after."""

    _blocks: Generator[Samples]
    _block: Samples
    _at: int  # the number of the block's first sample

    def __init__(self, path: Path, skipped: int) -> None:
        self._path, self._skipped = path, skipped
        self._open()

    def __call__(self, t: Any) -> NDArray[Any]:
        numbers = np.floor(np.atleast_1d(t) * HERTZ).astype(np.int64)
        turns = np.flatnonzero(np.diff(numbers) < 0) + 1  # where what is looped starts again
        found = [
            self._read(int(run[0]), int(run[-1]) + 1)[run - run[0]]
            for run in np.split(numbers, turns)
        ]
        return np.concatenate(found) if np.ndim(t) else found[0][0]

    def _read(self, first: int, stop: int) -> Samples:
        samples, at = np.zeros((stop - first, 2), np.float32), max(first, 0)
        if at < self._at:
            self.close()
            self._open()
        while at < stop:
            end = self._at + len(self._block)
            if at >= end:
                block = next(self._blocks, None)
                if block is None:
                    break
                self._at, self._block = end, block
                continue
            part = self._block[at - self._at : stop - self._at]
            samples[at - first : at - first + len(part)] = part
            at += len(part)
        return samples

    def _open(self) -> None:
        self._blocks = _blocks(self._path)
        self._block, self._at = np.empty((0, 2), np.float32), -self._skipped

    def close(self) -> None:
        self._blocks.close()


def _blocks(path: Path) -> Generator[Samples]:
    """The sound of a file, decoded as it is asked for; of one channel, on both at its level."""
    import av

    try:
        with av.open(str(path)) as source:
            stream, left = source.streams.audio[0], inf
            if "mp4" in source.format.name and stream.duration and stream.time_base:
                # The last frame of AAC is filled up; here it is said exactly where the sound ends.
                left = round(stream.duration * stream.time_base * HERTZ)
            layout = "mono" if stream.channels == 1 else "stereo"
            resampler = av.AudioResampler("fltp", layout, HERTZ)
            for frame in chain(source.decode(stream), [None]):
                if frame is not None:
                    frame.pts = None  # counted anew: a file may start anywhere
                for block in resampler.resample(frame):
                    planes = block.to_ndarray().astype(np.float32, copy=False)
                    samples = np.broadcast_to(planes, (2, planes.shape[1])).T
                    yield samples[: int(max(0, min(left, len(samples))))]
                    left -= len(samples)
    except (OSError, av.FFmpegError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise EncodeError(f"{path}: the sound cannot be decoded: {why}") from error


def _count(path: Path, enough: int) -> int:
    """The number of samples of a file, or `enough`."""
    found = 0
    blocks = _blocks(path)
    while found < enough and (block := next(blocks, None)) is not None:
        found += len(block)
    blocks.close()
    return min(found, enough)
