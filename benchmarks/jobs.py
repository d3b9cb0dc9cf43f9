"""What is rendered: rolls and jobs, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Literal


@dataclass(frozen=True)
class RollSpec:
    """A roll to be made: equal specs give equal stills.

    `interval` is the cadence in seconds; each still is taken up to `jitter_ms` early or late.
    `photo` stills have texture that moves, grain and lights; `ramp` stills are grey, their
    brightness tells which still they are.  `grain` is the noise in levels (standard deviation),
    which with `quality` decides how many bytes a still has.
    """

    name: str
    content: Literal["photo", "ramp"]
    count: int
    size: tuple[int, int]
    interval: Fraction
    jitter_ms: int = 0
    grain: float = 4.0
    quality: int = 90


@dataclass(frozen=True)
class Job:
    """A film to be made of a roll, the same for every pipeline.

    `speed` is capture seconds per second of film; `shutter` (degrees) matters to `box` alone.
    Stills fill the frame: what stands over is cut.  The label is shown from `label_at` on for
    three seconds of film.
    """

    name: str
    about: str
    roll: RollSpec
    size: tuple[int, int]
    speed: Fraction
    rate: Fraction = Fraction(25)
    blend: Literal["linear", "box"] = "linear"
    shutter: int = 180
    label: str = "Booster separation, T+10 s: it's 100 % clean"
    label_at: Fraction = Fraction(1, 2)
    label_for: Fraction = Fraction(3)
    preset: str = "medium"
    crf: int = 18

    def length(self, times: Sequence[Fraction]) -> Fraction:
        """The film's seconds for stills taken at `times`: to one median step after the last."""
        steps = sorted(b - a for a, b in pairwise(times))
        low, high = steps[(len(steps) - 1) // 2], steps[len(steps) // 2]
        return (times[-1] + (low + high) / 2 - times[0]) / self.speed

    def frames(self, times: Sequence[Fraction]) -> int:
        """The number of frames n with n / rate < length."""
        return int((self.length(times) * self.rate).__ceil__())

    def shorter(self) -> Job:
        """A quarter of the stills, for a look at whether all runs."""
        return replace(self, roll=replace(self.roll, count=max(12, self.roll.count // 4)))


_MEGAPIXELS = RollSpec(
    "20mp", "photo", 200, (5568, 3712), Fraction(1), jitter_ms=40, grain=5.5, quality=94
)

_ALL = (
    Job(
        "small",
        "960x540 stills every 0.5 s, 12x, linear blend: a first look",
        RollSpec("540p", "photo", 300, (960, 540), Fraction(1, 2), jitter_ms=20),
        (960, 540),
        Fraction(12),
    ),
    Job(
        "j1",
        "20.8 Mpixel JPEGs every second to 1080p25, 10x, linear blend, one label",
        _MEGAPIXELS,
        (1920, 1080),
        Fraction(10),
    ),
    Job(
        "j2",
        "20.8 Mpixel JPEGs every second to 2160p25, 10x, linear blend, one label",
        replace(_MEGAPIXELS, count=100),
        (3840, 2160),
        Fraction(10),
    ),
    Job(
        "j3",
        "1080p stills every 0.2 s, 16x, box shutter of 360 degrees, one label",
        RollSpec("1080p", "photo", 480, (1920, 1080), Fraction(1, 5), jitter_ms=5),
        (1920, 1080),
        Fraction(16),
        blend="box",
        shutter=360,
    ),
    Job(
        "truth",
        "grey stills at uneven times, 10x, linear blend: when is what shown?",
        RollSpec("ramp", "ramp", 240, (320, 180), Fraction(1), jitter_ms=300, quality=100),
        (320, 180),
        Fraction(10),
        label="",
        crf=4,
    ),
)
JOBS = {job.name: job for job in _ALL}
