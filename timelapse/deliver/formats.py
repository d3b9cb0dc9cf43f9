"""Output formats: those for playing, and all of them in `Format`.

A format is one class, here, in `editing` or in `pictured`, and its name in `Format`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args, get_type_hints

from timelapse.deliver.editing import DnxHr, ProRes
from timelapse.deliver.output import GROUP, MIB, Depth, Output, coded
from timelapse.deliver.pictured import Gif, Png, WebP

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
#: How far x265 looks ahead, where that is farther than by default.
_X265_LOOKAHEAD: dict[Preset, int] = {"medium": 20, "slow": 25, "slower": 40, "veryslow": 40}


@dataclass(frozen=True)
class H264(Output):
    """H.264 in MP4, MOV or MKV: plays everywhere.

    `crf` is x264's constant quality (0 lossless ... 51 worst), `preset` its trade of time for
    size; `threads` 0 gives each segment one thread, or more where cores would idle (x264's bytes
    differ with the number of threads, and look the same).
    """

    format: Literal["h264"] = "h264"
    crf: int = 18
    preset: Preset = "faster"
    threads: int = 0

    codec: ClassVar[str] = "libx264"
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".m4v", ".mov", ".mkv")
    crfs: ClassVar[range] = range(52)

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf {self.crf}: x264 takes 0 (lossless) to 51 (worst)")
        if not 0 <= self.threads <= 128:
            raise ValueError(f"threads {self.threads}: give 0 (automatic) to 128")

    @property
    def options(self) -> dict[str, object]:
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
        held = self._lookahead + 14 + 3 * threads
        return int(held * size[0] * size[1] * 3.4) + (24 << 20)

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        """At crf 18 photographs take 0.12 bits a pixel, and six steps of crf halve or double it."""
        return int(frames * size[0] * size[1] * 0.12 / 8 * 2 ** ((18 - self.crf) / 6))


class _Deep:
    """4:2:0 of 8 or 10 bits, as `depth` says."""

    depth: Depth

    @property
    def bits(self) -> int:
        return 10 if self.depth == "10" else 8

    @property
    def pixels(self) -> str:
        return "yuv420p10le" if self.bits == 10 else "yuv420p"


@dataclass(frozen=True)
class Hevc(_Deep, Output):
    """H.265 (HEVC) in MP4, MOV or MKV: smaller than H.264, also with 10 bits; phones, televisions
    and Apple's programs play it, few browsers.

    `crf` is x265's constant quality (0 best ... 51), `preset` its trade of time for size; `depth`
    in bits: auto takes 10 where some still has more than 8.
    """

    format: Literal["hevc"] = "hevc"
    crf: int = 18
    preset: Preset = "fast"
    depth: Depth = "auto"

    codec: ClassVar[str] = "libx265"
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".m4v", ".mov", ".mkv")
    fourcc: ClassVar[str] = "hvc1"  # Apple plays no hev1
    reordered: ClassVar[int] = 2  # x265 makes up the instants of clips that are as short as that
    depths: ClassVar[tuple[str, ...]] = ("8", "10")
    crfs: ClassVar[range] = range(52)

    def __post_init__(self) -> None:
        self._check_crf(self.crf)

    @property
    def options(self) -> dict[str, object]:
        # info=0: what x265 writes of itself there would tell parts of other threads apart.
        params = f"log-level=none:info=0:open-gop=0:keyint={GROUP}:frame-threads=1"
        return {"crf": self.crf, "preset": self.preset, "x265-params": params}

    def tuned(self, threads: int) -> dict[str, str]:
        options = super().tuned(threads)
        if threads:
            options["x265-params"] += f":pools={threads}"
        return options

    def memory(self, size: tuple[int, int], threads: int) -> int:
        ahead = max(0, _X265_LOOKAHEAD.get(self.preset, 15) - 15)
        held = 190 + 6 * ahead if self.bits == 8 else 330 + 10 * ahead
        return size[0] * size[1] * held + 75 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 0.1 * 2 ** ((18 - self.crf) / 6))


@dataclass(frozen=True)
class Av1(_Deep, Output):
    """AV1 in MP4, WebM or MKV: the smallest of all, also with 10 bits; browsers and devices from
    about 2020 on play it.

    `crf` is SVT-AV1's constant quality (1 best ... 63), `speed` its preset: 0 slowest and smallest
    ... 13; `depth` in bits: auto takes 10 where some still has more than 8.
    """

    format: Literal["av1"] = "av1"
    crf: int = 20
    speed: int = 8
    depth: Depth = "auto"

    codec: ClassVar[str] = "libsvtav1"
    endings: ClassVar[tuple[str, ...]] = (".mp4", ".webm", ".mkv")
    depths: ClassVar[tuple[str, ...]] = ("8", "10")
    crfs: ClassVar[range] = range(1, 64)

    def __post_init__(self) -> None:
        self._check_crf(self.crf)
        self._need(0 <= self.speed <= 13, f"speed {self.speed}: av1 takes 0 (slowest) to 13")

    @property
    def options(self) -> dict[str, object]:
        return {"crf": self.crf, "preset": self.speed, "g": GROUP}

    def tuned(self, threads: int) -> dict[str, str]:
        parallel = {"svtav1-params": f"lp={min(threads, 6)}"} if threads else {}
        return super().tuned(threads) | parallel

    def memory(self, size: tuple[int, int], threads: int) -> int:
        held = (190 if self.bits == 8 else 300) * (1 if self.speed >= 6 else 1.3)
        return int(size[0] * size[1] * held) + 115 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 0.1 * 2 ** ((20 - self.crf) / 8))


@dataclass(frozen=True)
class Vp9(Output):
    """VP9 in WebM or MKV: plays in every browser, and with `alpha` clear over a page (WebM).

    `crf` is libvpx's constant quality (0 best ... 63), `speed` its trade of size for time: 0
    slowest and smallest ... 8.
    """

    format: Literal["vp9"] = "vp9"
    crf: int = 24
    speed: int = 3
    alpha: bool = False

    codec: ClassVar[str] = "libvpx-vp9"
    endings: ClassVar[tuple[str, ...]] = (".webm", ".mkv")
    part_ending: ClassVar[str] = ".webm"  # no other container keeps the alpha
    crfs: ClassVar[range] = range(64)

    def __post_init__(self) -> None:
        self._check_crf(self.crf)
        self._need(0 <= self.speed <= 8, f"speed {self.speed}: vp9 takes 0 (slowest) to 8")

    @property
    def pixels(self) -> str:
        return "yuva420p" if self.alpha else "yuv420p"

    @property
    def options(self) -> dict[str, object]:
        # Hidden reference frames would belong to the picture, and not to its alpha.
        hidden: dict[str, object] = {"auto-alt-ref": 0} if self.alpha else {}
        quality = {"crf": self.crf, "b": 0, "deadline": "good", "cpu-used": self.speed}
        return {**quality, "row-mt": 1, "g": GROUP, **hidden}

    def memory(self, size: tuple[int, int], threads: int) -> int:
        return size[0] * size[1] * (280 if self.alpha else 140) + (75 if self.alpha else 50) * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, 0.12 * 2 ** ((24 - self.crf) / 8))


Format = H264 | Hevc | Av1 | Vp9 | ProRes | DnxHr | Gif | WebP | Png
#: The classes by their names.
FORMATS: dict[str, Any] = {
    get_args(get_type_hints(kind)["format"])[0]: kind for kind in get_args(Format)
}
