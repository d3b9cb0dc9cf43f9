"""What a picture says of itself, as far as ingest believes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from timelapse.errors import TimeError
from timelapse.times import CaptureTime, Seconds, read_utc_offset

ORIENTATION, MAKE, MODEL, EXIF_IFD = 0x0112, 0x010F, 0x0110, 0x8769
TAKEN, OFFSET, SUBSECONDS = 0x9003, 0x9011, 0x9291
#: No clock tells more than nanoseconds; what follows is noise.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Exif:
    """The parts of EXIF that ingest believes.

    `local` is DateTimeOriginal with SubSecTimeOriginal, as if it were UTC; `subseconds` are the
    digits of the latter; `zone` is OffsetTimeOriginal in seconds.  EXIF DateTime and OffsetTime
    are not here: they tell of the day on which the file was last saved.  `note` says what was
    there but could not be believed.
    """

    local: CaptureTime | None = None
    zone: Seconds | None = None
    subseconds: str = ""
    orientation: int = 1
    camera: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """`size` is (width, height) as stored; `bits` are per channel (8 or 16)."""

    kind: str
    size: tuple[int, int]
    bits: int
    exif: Exif = field(default_factory=Exif)


def text(value: Any) -> str:
    """A text tag without its padding; an empty string for what is no text."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).replace("\0", "").strip() if isinstance(value, str) else ""


def read_exif(tags: Mapping[int, Any]) -> Exif:
    """EXIF tags (Exif 2.32, 4.6.4-4.6.5) as far as ingest needs them."""
    orientation = tags.get(ORIENTATION, 1)
    make, model = text(tags.get(MAKE)), text(tags.get(MODEL))
    # "NIKON CORPORATION" + "NIKON D5" is one name to people: NIKON D5
    brand = make.split()[0] if make else ""
    camera = model if model.lower().startswith(brand.lower()) else f"{brand} {model}".strip()
    notes, local, zone = [], None, None
    digits = re.match(r"[0-9]*", text(tags.get(SUBSECONDS)))
    subseconds = digits[0][:_DIGITS] if digits else ""
    if taken := text(tags.get(TAKEN)):
        try:
            local = _read_time(taken, subseconds)
        except TimeError as error:
            notes.append(f"DateTimeOriginal {taken!r} was not believed: {error}")
    if offset := text(tags.get(OFFSET)):
        try:
            zone = read_utc_offset(offset)
        except TimeError:
            notes.append(f"OffsetTimeOriginal {offset!r} was not believed")
    return Exif(
        local,
        zone,
        subseconds,
        int(orientation) if orientation in range(1, 9) else 1,
        camera,
        "; ".join(notes),
    )


def fraction_of(digits: str) -> Fraction:
    """The part of a second that digits behind a decimal point say."""
    return Fraction(int(digits or "0"), 10 ** len(digits))


def _read_time(taken: str, subseconds: str) -> CaptureTime:
    found = re.fullmatch(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?", taken)
    if not found:
        raise TimeError("not of the form YYYY:MM:DD hh:mm:ss")
    year, month, day, hour, minute, second = (int(field) for field in found.groups())
    if year < 1826:  # before the first photograph: a clock that was never set
        raise TimeError("no camera existed then")
    return CaptureTime.of_civil(year, month, day, hour, minute, second + fraction_of(subseconds))
