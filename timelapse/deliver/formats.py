"""Output formats.  A format is one class here and its name in `Format`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from timelapse.grade import Fit, Size
from timelapse.times import Rate

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]


@dataclass(frozen=True)
class _Output:
    """What every format has: `rate` in frames per second; `size` of the frame (where not given,
    the commonest still size, brought into 1920x1080); `fit` shows all of a still between bars
    (pad) or fills the frame and cuts what stands over (crop)."""

    rate: Rate = Rate(25)
    size: Size | None = None
    fit: Fit = "pad"


@dataclass(frozen=True)
class H264(_Output):
    """H.264 in MP4: plays everywhere.

    `crf` is x264's constant quality (0 lossless ... 51 worst), `preset` its trade of time for
    size; `threads` 0 lets x264 choose (its output differs with the number of threads).
    """

    format: Literal["h264"] = "h264"
    crf: int = 18
    preset: Preset = "faster"
    threads: int = 0

    codec: ClassVar[str] = "libx264"
    container: ClassVar[str] = "mp4"
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".m4v")
    pixels: ClassVar[str] = "yuv420p"

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf {self.crf}: x264 takes 0 (lossless) to 51 (worst)")
        if not 0 <= self.threads <= 128:
            raise ValueError(f"threads {self.threads}: give 0 (automatic) to 128")

    @property
    def options(self) -> dict[str, object]:
        """The encoder's options."""
        return {"crf": str(self.crf), "preset": self.preset}


Format = H264
