"""The section `sound` of the project file: what is heard, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from timelapse.deliver import Sound, Volume
from timelapse.retime import Timeline
from timelapse.section import Placed, Section
from timelapse.times import Seconds, VideoTime
from timelapse.written import Instant


class _Heard(Section):
    """A file of sound, and how it is heard."""

    file: Annotated[str, Field(description="A file of sound, such as music.flac.")]
    start: Annotated[Seconds, Field(description="Where in the file it starts.")] = Seconds(0)
    volume: Volume = Volume("0 dB")
    fade_in: Seconds = Seconds(0)
    fade_out: Seconds = Seconds(0)

    @model_validator(mode="after")
    def _check(self) -> _Heard:
        for name in ("start", "fade_in", "fade_out", "attack", "release"):
            if getattr(self, name, 0) < 0:
                raise ValueError(f"{name}: {getattr(self, name)} is negative")
        return self

    def _heard(self, base: Path, at: VideoTime, **how: Any) -> Sound:
        return Sound.of(
            base / Path(self.file).expanduser(),
            at=at,
            start=self.start,
            volume=self.volume,
            fade_in=self.fade_in,
            fade_out=self.fade_out,
            **how,
        )


class VoiceEntry(_Heard):
    """A voice over the sound, from the instant `at` on."""

    at: Instant


class SoundSection(_Heard):
    """What is heard, from the first frame on or from `at`; cut to the film's length, or looped.

    While a voice is heard it is `duck` as loud: it falls for `attack` before, and rises for
    `release` after.
    """

    at: Instant | None = None
    loop: Annotated[bool, Field(description="Plays it again and again to the film's end.")] = False
    voice: Annotated[
        tuple[VoiceEntry, ...], Field(description="a list: keys, see its own table")
    ] = ()
    duck: Volume = Volume("-12 dB")
    attack: Seconds = Seconds(1, 4)
    release: Seconds = Seconds(1, 2)

    @model_validator(mode="after")
    def _quieter(self) -> SoundSection:
        if self.duck.factor > 1:
            raise ValueError(f"duck: {self.duck} is louder than 0 dB; write -12 dB")
        return self

    def sound(self, base: Path, timeline: Timeline, placed: Placed) -> Sound:
        """What is heard, on the video clock; `base` is where paths start from.  Raises
        ProjectError at the place of the mistake."""

        def when(at: Instant, *path: str | int) -> VideoTime:
            with placed("sound", *path):
                return timeline.video_of(at.resolve(timeline.context).time)

        voices = []
        for number, voice in enumerate(self.voice):
            at = when(voice.at, "voice", number, "at")
            with placed("sound", "voice", number, "file"):
                voices.append(voice._heard(base, at))
        at = when(self.at, "at") if self.at else VideoTime(Seconds(0))
        with placed("sound", "file"):
            return self._heard(
                base,
                at,
                loop=self.loop,
                voices=tuple(voices),
                duck=self.duck,
                attack=self.attack,
                release=self.release,
            )
