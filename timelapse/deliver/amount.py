"""Sizes of files as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

from timelapse.notation import Notation

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3}


class Amount(int, Notation):
    """The size of a file in bytes, above nought: `25 MB` is 25 million, `25 MiB` 26,214,400."""

    examples = ("25 MB", "8 MiB", "1.5 GB")

    @classmethod
    def read(cls, text: str) -> Amount:
        found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([kmg]?)(i?)b?\s*", text.lower())
        if not found:
            raise ValueError(f"{text!r} is no size of a file; write 25 MB")
        unit = (1024 if found[3] else 1000) ** _UNITS[found[2]]
        amount = int(Fraction(found[1]) * unit)
        if not amount:
            raise ValueError(f"{text!r} holds nothing; write 25 MB")
        return cls(amount)

    def __str__(self) -> str:
        for unit, letters in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
            if self >= unit and not self % (unit // 1000):
                return f"{Fraction(int(self), unit).limit_denominator(1000):.6g} {letters}"
        return f"{int(self)} B"
