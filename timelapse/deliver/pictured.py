"""Formats that are pictures: animations for pages, and folders of single frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from timelapse.deliver.output import GROUP, MIB, Output, coded


@dataclass(frozen=True)
class Gif(Output):
    """An animated GIF, in a palette made for it: for pages that take nothing better.

    `colours` are those of the palette (2 to 256); `dither` shows what lies between them: bayer by a
    pattern that stands still, sierra and floyd by spreading the error, finer and larger; `loop` is
    how often it plays, 0 for ever.
    """

    format: Literal["gif"] = "gif"
    colours: int = 256
    dither: Literal["bayer", "sierra", "floyd", "none"] = "bayer"
    loop: int = 0

    codec: ClassVar[str] = "gif"
    endings: ClassVar[tuple[str, ...]] = (".gif",)
    part_ending: ClassVar[str] = ".gif"
    whole: ClassVar[str] = "its palette is made for all of it"
    fastest: ClassVar[int] = 50

    def __post_init__(self) -> None:
        self._no_limit()
        self._need(2 <= self.colours <= 256, f"colours {self.colours}: a GIF has 2 to 256")
        self._need(0 <= self.loop <= 65535, f"loop {self.loop}: give 0 (for ever) to 65535")
        self._need(
            Fraction(self.rate) <= self.fastest,
            f"rate {self.rate}: browsers slow a GIF down above {self.fastest}; give rate: 25, or "
            "another format",
        )

    @property
    def pixels(self) -> str:
        return "rgb24"

    @property
    def options(self) -> dict[str, object]:
        return {"colours": self.colours, "dither": self.dither, "loop": self.loop}

    def memory(self, size: tuple[int, int], threads: int) -> int:
        return size[0] * size[1] * 40 + 450 * MIB  # of it most for counting the colours

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 5)


@dataclass(frozen=True)
class WebP(Output):
    """An animated WebP: a third of a GIF's size, in all colours, also with `alpha`.

    `quality` from 0 to 100 (best); `lossless` keeps every pixel, and `quality` is then the effort;
    `effort` from 0 (fast) to 6 (small); `loop` is how often it plays, 0 for ever.
    """

    format: Literal["webp"] = "webp"
    quality: int = 80
    lossless: bool = False
    effort: int = 4
    alpha: bool = False
    loop: int = 0

    codec: ClassVar[str] = "libwebp_anim"
    endings: ClassVar[tuple[str, ...]] = (".webp",)
    part_ending: ClassVar[str] = ".webp"
    largest: ClassVar[int] = 16383

    def __post_init__(self) -> None:
        self._no_limit()
        self._need(0 <= self.quality <= 100, f"quality {self.quality}: webp takes 0 to 100 (best)")
        self._need(0 <= self.effort <= 6, f"effort {self.effort}: webp takes 0 (fast) to 6")
        self._need(0 <= self.loop <= 65535, f"loop {self.loop}: give 0 (for ever) to 65535")

    @property
    def pixels(self) -> str:
        return "bgra"

    @property
    def options(self) -> dict[str, object]:
        return {
            "quality": self.quality,
            "lossless": int(self.lossless),
            "compression_level": self.effort,
        }

    def memory(self, size: tuple[int, int], threads: int) -> int:
        bits = 8 if self.lossless else 1.2
        return int(size[0] * size[1] * (60 + GROUP * bits / 8 * 3)) + 30 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 9 if self.lossless else 1)


@dataclass(frozen=True)
class Png(Output):
    """A folder of numbered PNG files, which lose nothing: for editors, and to keep.

    `depth` in bits: auto takes 16 where some still has more than 8, and there is no `alpha`;
    `compression` from 0 (none) to 9 (slow).
    """

    format: Literal["png"] = "png"
    depth: Literal["auto", "8", "16"] = "auto"
    compression: int = 3
    alpha: bool = False

    codec: ClassVar[str] = "png"
    endings: ClassVar[tuple[str, ...]] = (".frames", "")
    part_ending: ClassVar[str] = ".mov"
    folder: ClassVar[bool] = True
    depths: ClassVar[tuple[str, ...]] = ("8", "16")

    def __post_init__(self) -> None:
        self._no_limit()
        self._need(
            0 <= self.compression <= 9, f"compression {self.compression}: png takes 0 to 9 (slow)"
        )

    @property
    def bits(self) -> int:
        return 16 if self.depth == "16" and not self.alpha else 8

    @property
    def pixels(self) -> str:
        if self.alpha:
            return "rgba"
        return "rgb48be" if self.bits == 16 else "rgb24"

    @property
    def options(self) -> dict[str, object]:
        return {"compression_level": self.compression}

    def memory(self, size: tuple[int, int], threads: int) -> int:
        return int(size[0] * size[1] * self.bits / 8 * (6 + 16 * threads)) + 20 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 12 if self.bits == 8 else 36)
