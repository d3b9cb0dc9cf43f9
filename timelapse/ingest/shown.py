"""What a clock showed: a date and time of day, before anything is known of the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from timelapse.errors import TimeError
from timelapse.notation import Notation
from timelapse.times import CaptureTime, Seconds, read_utc_offset

_SHOWN = re.compile(
    r"(\d{4})([-:/.])(\d\d)\2(\d\d)[T ]\s*(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def fraction_of(digits: str) -> Fraction:
    """The part of a second that digits behind a decimal point say."""
    return Fraction(int(digits or "0"), 10 ** len(digits))


@dataclass(frozen=True, slots=True)
class Shown(Notation):
    """A date and time by a clock: `2018-11-16 18:14:08.25`; with `Z` or `+01:00`, an instant.

    `local` is what the clock showed, as if that were UTC; `zone` are the seconds east of
    Greenwich, None where the clock does not tell; `digits` are the sub-seconds as written.
    """

    local: CaptureTime
    zone: Seconds | None = None
    digits: str = ""

    examples = ("2018-11-16T18:14:08", "2018-11-16T18:14:08Z", "2018:11:16 18:14:08.25")

    @classmethod
    def read(cls, text: str) -> Shown:
        found = _SHOWN.fullmatch(text.strip())
        if not found:
            raise TimeError(f"{text!r} is not a date and time; write 2018-11-16T18:14:08")
        fields = [int(found[at] or 0) for at in (1, 3, 4, 5, 6, 7)]
        zone = read_utc_offset(found[9]) if found[9] else None
        return cls.of(fields, found[8] or "", zone)

    @classmethod
    def of(cls, fields: list[int], digits: str = "", zone: Seconds | None = None) -> Shown:
        """From year, month, day, hour, minute and second; TimeError where there is no such time."""
        *date_and_minute, second = fields
        year, month, day, hour, minute = date_and_minute
        exact = second + fraction_of(digits)
        return cls(CaptureTime.of_civil(year, month, day, hour, minute, exact), zone, digits)

    @property
    def step(self) -> Fraction:
        """What this clock tells apart, in seconds."""
        return Fraction(1, 10 ** len(self.digits))

    def __str__(self) -> str:
        text = self.local.iso(len(self.digits)).removesuffix("Z")
        return text if self.zone is None else text + write_offset(self.zone)


def write_offset(seconds: Fraction) -> str:
    """A UTC offset as people write it: ``+02:00``."""
    minutes = round(abs(seconds) / 60)
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
