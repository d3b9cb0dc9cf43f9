"""Output formats.  A format is one class here and its name in `Format`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from timelapse.grade import Fit, Size
from timelapse.times import Rate

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]


_LOOKAHEAD: dict[Preset, int] = {
    "ultrafast": 0,
    "superfast": 0,
    "veryfast": 10,
    "faster": 20,
    "fast": 20,
    "medium": 20,
    "slow": 50,
    "slower": 60,
    "veryslow": 60,
}


@dataclass(frozen=True)
class _Output:
    """What every format has: `rate` in frames per second; `size` of the frame (where not given,
    the commonest still size, brought into 1920x1080); `fit` shows all of a still between bars
    (pad) or fills the frame and cuts what stands over (crop); `captions` also gives the film its
    labels as a track that players can turn on."""

    rate: Rate = Rate(25)
    size: Size | None = None
    fit: Fit = "pad"
    captions: bool = False


@dataclass(frozen=True)
class H264(_Output):
    """H.264 in MP4: plays everywhere.

    `crf` is x264's constant quality (0 lossless ... 51 worst), `preset` its trade of time for
    size; `threads` 0 gives each segment one thread, or more where cores would idle (x264's bytes
    differ with the number of threads, and look the same).
    """

    format: Literal["h264"] = "h264"
    crf: int = 18
    preset: Preset = "faster"
    threads: int = 0

    codec: ClassVar[str] = "libx264"
    container: ClassVar[str] = "mp4"
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".m4v")
    pixels: ClassVar[str] = "yuv420p"
    #: Why such a film cannot be joined from segments; empty where it can.
    whole: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf {self.crf}: x264 takes 0 (lossless) to 51 (worst)")
        if not 0 <= self.threads <= 128:
            raise ValueError(f"threads {self.threads}: give 0 (automatic) to 128")

    @property
    def options(self) -> dict[str, object]:
        """The encoder's options."""
        return {
            "crf": str(self.crf),
            "preset": self.preset,
            "rc-lookahead": str(self._lookahead),
        }

    @property
    def _lookahead(self) -> int:
        """How many frames x264 looks ahead.  Beyond 20 it takes memory and gives nothing that
        could be measured (docs/decisions/0010); slower presets keep what they promise."""
        return _LOOKAHEAD[self.preset]

    def memory(self, size: tuple[int, int], threads: int) -> int:
        """About how many bytes an encoder takes; measured, and rounded up."""
        held = self._lookahead + 14 + 3 * threads
        return int(held * size[0] * size[1] * 3.4) + (24 << 20)

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        """About how large a film is: at crf 18 photographs take 0.12 bits a pixel, and six steps
        of crf halve or double that."""
        return int(frames * size[0] * size[1] * 0.12 / 8 * 2 ** ((18 - self.crf) / 6))


Format = H264
