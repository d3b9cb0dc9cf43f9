"""What a picture says of itself, as far as ingest believes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, BinaryIO

from timelapse.errors import TimeError
from timelapse.ingest.ifd import read_tags
from timelapse.ingest.shown import fraction_of
from timelapse.ingest.still import Limits
from timelapse.times import CaptureTime, Seconds, read_utc_offset

ORIENTATION, MAKE, MODEL, EXIF_IFD = 0x0112, 0x010F, 0x0110, 0x8769
TAKEN, OFFSET, SUBSECONDS, EXPOSURE = 0x9003, 0x9011, 0x9291, 0x829A
APERTURE, SENSITIVITY, RECOMMENDED = 0x829D, 0x8827, 0x8832
GPS_IFD, GPS_TIME, GPS_DATE = 0x8825, 0x0007, 0x001D
#: No clock tells more than nanoseconds; what follows is noise.
_DIGITS = 9
#: No shutter is open for longer than a day, in seconds.
_LONGEST = 86_400
#: No f-number is larger: a pinhole's is some hundreds.
_NARROWEST = 1000
#: What PhotographicSensitivity holds where the number is too large for it (Exif 2.32, 4.6.5).
_BEYOND = 65_535


@dataclass(frozen=True, slots=True)
class Exif:
    """The parts of EXIF that ingest believes.

    `local` is DateTimeOriginal with SubSecTimeOriginal, as if it were UTC; `subseconds` are the
    digits of the latter; `zone` is OffsetTimeOriginal in seconds.  EXIF DateTime and OffsetTime
    are not here: they tell of the day on which the file was last saved.  `note` says what was
    there but could not be believed.  `gps` is the instant of the GPS fix, where there is one,
    `exposure` how long the shutter was open, in seconds, `aperture` the f-number, `iso` the
    sensitivity.
    """

    local: CaptureTime | None = None
    zone: Seconds | None = None
    subseconds: str = ""
    orientation: int = 1
    camera: str = ""
    note: str = ""
    gps: CaptureTime | None = None
    exposure: Fraction | None = None
    aperture: Fraction | None = None
    iso: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """`size` is (width, height) as stored; `bits` are per channel (8 or 16).  `since` are the
    seconds from the start of the file to this still, where the file is a video."""

    kind: str
    size: tuple[int, int]
    bits: int
    exif: Exif = field(default_factory=Exif)
    since: Fraction = Fraction(0)


def text(value: Any) -> str:
    """A text tag without its padding; an empty string for what is no text."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).replace("\0", "").strip() if isinstance(value, str) else ""


def camera_name(make: str, model: str) -> str:
    """What people call a camera: "NIKON CORPORATION" and "NIKON D5" are NIKON D5 to them."""
    brand = make.split()[0] if make else ""
    return model if model.lower().startswith(brand.lower()) else f"{brand} {model}".strip()


def read_exif(tags: Mapping[int, Any]) -> Exif:
    """EXIF tags (Exif 2.32, 4.6.4-4.6.5) as far as ingest needs them."""
    orientation = tags.get(ORIENTATION, 1)
    camera = camera_name(text(tags.get(MAKE)), text(tags.get(MODEL)))
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
        _gps_time(tags),
        _positive(tags.get(EXPOSURE), _LONGEST),
        _positive(tags.get(APERTURE), _NARROWEST),
        _sensitivity(tags),
    )


def _positive(value: Any, most: int) -> Fraction | None:
    """A tag that is a ratio above zero and at most `most`: ExposureTime and FNumber (Exif 2.32,
    4.6.5)."""
    with suppress(TypeError, AttributeError, ValueError, ArithmeticError):
        if isinstance(value, tuple):
            value = Fraction(*map(int, value))
        ratio = Fraction(*_ratio(value))
        if 0 < ratio <= most:
            return ratio
    return None


def _sensitivity(tags: Mapping[int, Any]) -> int | None:
    """PhotographicSensitivity, or where it ends RecommendedExposureIndex (Exif 2.32, 4.6.5)."""
    value = tags.get(SENSITIVITY)
    if value == _BEYOND:
        value = tags.get(RECOMMENDED, value)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) and value > 0 else None


def _gps_time(tags: Mapping[int, Any]) -> CaptureTime | None:
    """GPSDateStamp and GPSTimeStamp, which are UTC (Exif 2.32, 4.6.6)."""
    day = re.fullmatch(r"(\d{4})[:-](\d\d)[:-](\d\d)", text(tags.get(GPS_DATE)))
    clock = tags.get(GPS_TIME)
    if day is None or not isinstance(clock, tuple):
        return None
    with suppress(TimeError, ValueError, TypeError, AttributeError, ArithmeticError):
        if len(clock) == 6:  # as numerators and denominators
            clock = tuple(map(Fraction, clock[::2], clock[1::2]))
        hour, minute, second = (Fraction(*_ratio(part)) for part in clock)
        year, month, date = (int(field) for field in day.groups())
        return CaptureTime.of_civil(year, month, date, int(hour), int(minute), second)
    return None


def _ratio(value: Any) -> tuple[int, int]:
    return int(value.numerator), int(value.denominator)


def exif_of(source: bytes | BinaryIO, limits: Limits) -> Exif:
    """EXIF as a picture carries it in one piece: a TIFF's structure (Exif 2.32, 4.5.2), whether or
    not its six bytes of introduction stand before it; or the EXIF of a TIFF.  Raises ValueError
    where it is none."""
    return read_exif(read_tags(source, limits))


def _read_time(taken: str, subseconds: str) -> CaptureTime:
    found = re.fullmatch(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?", taken)
    if not found:
        raise TimeError("not of the form YYYY:MM:DD hh:mm:ss")
    year, month, day, hour, minute, second = (int(field) for field in found.groups())
    if year < 1826:  # before the first photograph: a clock that was never set
        raise TimeError("no camera existed then")
    return CaptureTime.of_civil(year, month, day, hour, minute, second + fraction_of(subseconds))
