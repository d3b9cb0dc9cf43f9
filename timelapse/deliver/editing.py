"""Formats for editors: large, and every frame coded on its own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal

from timelapse.deliver.output import MIB, Output, coded
from timelapse.errors import EncodeError
from timelapse.storage import ending


@dataclass(frozen=True)
class ProRes(Output):
    """Apple ProRes in MOV, for editors: every frame is coded on its own, with 10 bits.

    `profile` from smallest to best: proxy, lt, standard and hq have 4:2:2 colour, 4444 and xq full
    colour; these two can also have an `alpha` channel.
    """

    format: Literal["prores"] = "prores"
    profile: Literal["proxy", "lt", "standard", "hq", "4444", "xq"] = "hq"
    alpha: bool = False

    codec: ClassVar[str] = "prores_ks"
    endings: ClassVar[tuple[str, ...]] = (".mov",)
    part_ending: ClassVar[str] = ".mov"
    _BITS: ClassVar[dict[str, float]] = {
        "proxy": 0.75, "lt": 1.7, "standard": 2.4, "hq": 3.6, "4444": 5.4, "xq": 8.1
    }  # fmt: skip

    def __post_init__(self) -> None:
        self._no_limit()
        self._need(
            not self.alpha or self._full,
            f"alpha: prores {self.profile} has none; give profile: 4444",
        )

    @property
    def _full(self) -> bool:
        return self.profile in ("4444", "xq")

    @property
    def bits(self) -> int:
        return 10

    @property
    def pixels(self) -> str:
        return f"yuv{'a' * self.alpha}{'444' if self._full else '422'}p10le"

    @property
    def options(self) -> dict[str, object]:
        profile = {"xq": "4444xq"}.get(self.profile, self.profile)
        return {"profile": profile, "vendor": "apl0"}

    def memory(self, size: tuple[int, int], threads: int) -> int:
        return int(size[0] * size[1] * (16 + 20 * threads)) + 20 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, self._BITS[self.profile] + self.alpha)


@dataclass(frozen=True)
class DnxHr(Output):
    """Avid DNxHR in MOV or MXF, for editors: every frame is coded on its own, all to one size.

    `profile` from smallest to best: lb, sq and hq have 8 bits, hqx 10, all with 4:2:2 colour; 444
    has 10 and full colour.
    """

    format: Literal["dnxhr"] = "dnxhr"
    profile: Literal["lb", "sq", "hq", "hqx", "444"] = "hqx"

    codec: ClassVar[str] = "dnxhd"
    endings: ClassVar[tuple[str, ...]] = (".mov", ".mxf")
    part_ending: ClassVar[str] = ".mov"
    smallest: ClassVar[tuple[int, int]] = (256, 120)
    _BITS: ClassVar[dict[str, float]] = {"lb": 0.75, "sq": 2.4, "hq": 3.6, "hqx": 3.6, "444": 7.2}
    #: SMPTE ST 377-1 names these; others play nowhere.
    _MXF_RATES: ClassVar[tuple[str, ...]] = (
        "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60"
    )  # fmt: skip

    def __post_init__(self) -> None:
        self._no_limit()

    @property
    def bits(self) -> int:
        return 10 if self.profile in ("hqx", "444") else 8

    @property
    def pixels(self) -> str:
        full, deep = self.profile == "444", self.bits == 10
        return f"yuv{'444' if full else '422'}p{'10le' if deep else ''}"

    @property
    def options(self) -> dict[str, object]:
        return {"profile": f"dnxhr_{self.profile}"}

    def check(
        self, out: Path, size: tuple[int, int], *, captions: bool = False, sound: bool = False
    ) -> None:
        super().check(out, size, captions=captions, sound=sound)
        if ending(out) == ".mxf" and self.profile == "444":
            raise EncodeError(f"{out}: MXF does not say the range of dnxhr 444; name it .mov")
        rates = [Fraction(rate) for rate in self._MXF_RATES]
        if ending(out) == ".mxf" and Fraction(self.rate) not in rates:
            raise EncodeError(
                f"{out}: MXF has no rate of {self.rate}; name it .mov, or give one of "
                f"{', '.join(self._MXF_RATES)}"
            )

    def memory(self, size: tuple[int, int], threads: int) -> int:
        return size[0] * size[1] * (92 * max(threads, 1) - 29) + 20 * MIB

    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        return coded(size, frames, self._BITS[self.profile])
