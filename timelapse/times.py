"""Time, exact: three clocks that cannot be mixed, lengths, rates, and how people write them.

* `CaptureTime`  when a still was taken, UTC
* `MissionTime`  seconds since the mission epoch (lift-off): ``T+117.8 s``
* `VideoTime`    seconds since the clip's first frame; frame n is at exactly n / rate

Only the mission epoch relates the first two, only a schedule the last two.  All values are
`fractions.Fraction`; a float is refused.  Where a value has to be rounded, the name of the
operation says how (`frame_at` is the frame that holds an instant, so it rounds down).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Self, overload

from timelapse.errors import TimeError
from timelapse.notation import Notation

_UNIX_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400
#: A number without sign, as a regular expression: 12, 1.5, .5 or 1/3.
NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+|\d+/[1-9]\d*)"
_UNITS = {
    "ms": Fraction(1, 1000),
    **dict.fromkeys(("s", "sec", "second", "seconds"), Fraction(1)),
    **dict.fromkeys(("m", "min", "minute", "minutes"), Fraction(60)),
    **dict.fromkeys(("h", "hour", "hours"), Fraction(3600)),
    **dict.fromkeys(("d", "day", "days"), Fraction(_DAY)),
}
_PART = re.compile(rf"\s*({NUMBER})\s*([a-z]+)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):(\d{2}(?:\.\d+)?)")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s*"
    r"(Z|[+-]\d\d:?\d\d)?(?:\s*([+-].*))?",
    re.IGNORECASE,
)
_DIGITS_AT_MOST = 40
#: Films count time in 32-bit ticks of a second; this leaves room for them.
_RATE_TERM = 1_000_000


def _number(text: str) -> Fraction:
    if len(text) > _DIGITS_AT_MOST:
        raise TimeError(f"{text[:20]}...: a number of more than {_DIGITS_AT_MOST} characters")
    if not re.fullmatch(NUMBER, text, re.ASCII):  # Fraction reads exponents, which can be bombs
        raise TimeError(f"{text!r} is not a number")
    return Fraction(text)


def write_number(value: Fraction) -> str:
    """`value` in full: as a decimal where it has one that ends, else as a ratio (``1/3``)."""
    numerator, denominator = value.numerator, value.denominator
    twos = (denominator & -denominator).bit_length() - 1
    fives, rest = 0, denominator >> twos
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    if rest != 1:
        return f"{numerator}/{denominator}"
    places = max(twos, fives)
    if places == 0:
        return str(numerator)
    whole, part = divmod(abs(numerator) * 10**places // denominator, 10**places)
    return f"{'-' if numerator < 0 else ''}{whole}.{part:0{places}d}"


def _clock_digits(seconds: Fraction, digits: int = 0) -> str:
    """Non-negative seconds as ``hh:mm:ss``, rounded down to `digits` decimals."""
    ticks = seconds.numerator * 10**digits // seconds.denominator
    whole, part = divmod(ticks, 10**digits)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{part:0{digits}d}" if digits else text


# ------------------------------------------------------------------ lengths, speeds, rates


class _Quantity(Fraction, Notation):
    """A fraction with a unit in its notation; arithmetic gives plain fractions."""

    __slots__ = ()

    def __new__(cls, numerator: Any = 0, denominator: Any = None) -> Self:
        if isinstance(numerator, float):
            raise TypeError(f"{cls.__name__} takes exact values, not the float {numerator!r}")
        return super().__new__(cls, numerator, denominator)._checked()

    def _checked(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.numerator, self.denominator)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.numerator}, {self.denominator})"


class Seconds(_Quantity):
    """A length of time: `90 s`, `1 min 30 s`, `1:30`, `250 ms`, or seconds as a bare number."""

    __slots__ = ()
    examples: tuple[str, ...] = ("3 s", "-13.0 s", "1 min 30 s", "1:02:03.5", "250 ms")

    @classmethod
    def read(cls, text: str) -> Seconds:
        words = text.strip().lower().replace("−", "-")
        sign = -1 if words.startswith("-") else 1
        body = words.lstrip("+-") if words[:1] in "+-" and words[1:2] not in "+-" else words
        if re.fullmatch(NUMBER, body):
            return cls(sign * _number(body))
        if found := _CLOCK.fullmatch(body):
            hours, minutes, seconds = found.groups()
            if (hours is not None and int(minutes) > 59) or _number(seconds) >= 60:
                raise TimeError(f"{text!r}: minutes and seconds after a colon go up to 59")
            total = (int(hours or 0) * 60 + int(minutes)) * 60 + _number(seconds)
            return cls(sign * total)
        total, at = Fraction(0), 0
        while part := _PART.match(body, at):
            if part[2] not in _UNITS:
                break
            total += _number(part[1]) * _UNITS[part[2]]
            at = part.end()
        if at == 0 or body[at:].strip():
            raise TimeError(f"{text!r} is not a length of time; write 90 s, 1 min 30 s or 1:30")
        return cls(sign * total)

    def __str__(self) -> str:
        return f"{write_number(self)} s"


class Speed(_Quantity):
    """Mission seconds per video second: `12x`, `15.3`, `1 min/s`."""

    __slots__ = ()
    examples: tuple[str, ...] = ("12x", "15.3", "1 min/s")

    @classmethod
    def read(cls, text: str) -> Speed:
        words = text.strip().lower().replace("×", "x")
        try:
            if words.endswith("/s") and not re.fullmatch(NUMBER, words[:-2]):
                value: Fraction = Seconds.read(words.removesuffix("/s"))
            else:
                value = _number(words.removesuffix("x").strip())
        except (TimeError, ValueError):
            raise TimeError(f"{text!r} is not a speed; write 12x or 1 min/s") from None
        return cls(value)

    def _checked(self) -> Self:
        if self <= 0:
            raise TimeError(f"a speed of {self}: it has to be above zero")
        return self

    def __str__(self) -> str:
        return f"{write_number(self)}x"


class Rate(_Quantity):
    """Frames per second, an exact ratio: `25`, `30000/1001`; `29.97` means the latter."""

    __slots__ = ()
    examples: tuple[str, ...] = ("25", "29.97", "30000/1001")

    @classmethod
    def read(cls, text: str) -> Rate:
        words = re.sub(r"\s*(fps)?\s*$", "", text.strip().lower())
        try:
            value = _number(words)
        except ValueError:
            raise TimeError(f"{text!r} is not a rate; write 25 or 30000/1001") from None
        for nominal in (24, 30, 48, 60, 120):
            exact = Fraction(nominal * 1000, 1001)
            places = len(words.partition(".")[2])
            # 23.98 and 23.976 are how the 1001 rates are spelled, rounded or cut off.
            written = value * 10**places
            if places >= 2 and written in (round(exact * 10**places), int(exact * 10**places)):
                value = exact
        return cls(value)

    def _checked(self) -> Self:
        if not Fraction(1, 1000) <= self <= 1000:
            raise TimeError(f"a rate of {self}: it lies between 1/1000 and 1000 frames a second")
        if self.numerator > _RATE_TERM or self.denominator > _RATE_TERM:
            raise TimeError(f"a rate of {self}: write it as a ratio of smaller numbers, as 100/3")
        return self

    def __str__(self) -> str:
        return str(Fraction(self))

    @property
    def nominal(self) -> int:
        """Frames counted per second of timecode: 30 for 30000/1001."""
        return -(-self.numerator // self.denominator)

    def time_of(self, frame: int) -> VideoTime:
        """The instant of a frame, exactly."""
        return VideoTime(frame / Fraction(self))

    def frame_at(self, time: VideoTime) -> int:
        """The frame that holds an instant: rounds down."""
        return int((time.seconds * self).__floor__())

    def frames_in(self, length: Fraction) -> int:
        """The number of frames n with n / rate < length."""
        return int((length * self).__ceil__())

    def timecode(self, frame: int, form: str = "hh:mm:ss:ff") -> str:
        """A frame as timecode: `hh:mm:ss:ff`, `mm:ss:ff`, or with `;` before ff for drop-frame.

        Timecode counts `nominal` frames to its second.  Drop-frame (SMPTE ST 12-1, 5.2.2) leaves
        out the first numbers of each minute that is not a tenth, so that it keeps the wall's
        time; it exists for 30000/1001 and 60000/1001 only.
        """
        if frame < 0:
            raise TimeError(f"frame {frame}: timecode starts at frame 0")
        if form.replace(";", ":") not in ("hh:mm:ss:ff", "mm:ss:ff"):
            raise TimeError(f"timecode form {form!r}: write hh:mm:ss:ff or mm:ss:ff")
        mark, count = form[-3], frame
        if mark == ";":
            drop = self._dropped()
            tens, rest = divmod(frame, self.nominal * 600 - 9 * drop)
            minutes = max(0, rest - drop) // (self.nominal * 60 - drop)
            count += drop * (9 * tens + minutes)
        total, ff = divmod(count, self.nominal)
        clock = _clock_digits(Fraction(total))
        if not form.startswith("hh"):
            clock = f"{total // 60:02d}:{total % 60:02d}"
        return f"{clock}{mark}{ff:02d}"

    def frame_of_timecode(self, hours: int, minutes: int, seconds: int, ff: int, drop: bool) -> int:
        """The frame that a timecode names; the inverse of `timecode`."""
        minutes += hours * 60
        count = (minutes * 60 + seconds) * self.nominal + ff
        if not drop:
            return count
        dropped = self._dropped()
        if seconds == 0 and ff < dropped and minutes % 10:
            raise TimeError(
                f"{minutes:02d}:{seconds:02d};{ff:02d}: drop-frame timecode leaves this number out"
            )
        return count - dropped * (minutes - minutes // 10)

    def _dropped(self) -> int:
        if self.denominator != 1001 or self.nominal % 30:
            raise TimeError(f"drop-frame (;) needs 30000/1001 or 60000/1001, the rate is {self}")
        return self.nominal // 15


# ------------------------------------------------------------------ the three clocks


@dataclass(frozen=True, slots=True)
class _Clock:
    """An instant on one clock.  Instants of two clocks neither compare nor subtract."""

    seconds: Fraction

    def __post_init__(self) -> None:
        if type(self.seconds) is Fraction:  # nearly always, and by the hundred thousand
            return
        if not isinstance(self.seconds, int | Fraction):
            raise TypeError(f"{type(self).__name__} takes a Fraction, not {self.seconds!r}")
        object.__setattr__(self, "seconds", Fraction(self.seconds))

    def __add__(self, length: Fraction | int) -> Self:
        if not isinstance(length, int | Fraction):
            return NotImplemented
        return type(self)(self.seconds + length)

    @overload
    def __sub__(self, other: Self) -> Fraction: ...
    @overload
    def __sub__(self, other: Fraction | int) -> Self: ...
    def __sub__(self, other: Any) -> Any:
        if isinstance(other, int | Fraction):
            return type(self)(self.seconds - other)
        return self.seconds - other.seconds if type(other) is type(self) else NotImplemented

    def __lt__(self, other: Self) -> bool:
        return self.seconds < other.seconds if type(other) is type(self) else NotImplemented

    def __le__(self, other: Self) -> bool:
        return self.seconds <= other.seconds if type(other) is type(self) else NotImplemented


class MissionTime(_Clock):
    """Seconds since the mission epoch; negative before it."""

    __slots__ = ()

    def __str__(self) -> str:
        sign = "-" if self.seconds < 0 else "+"
        return f"T{sign}{write_number(abs(self.seconds))} s"

    def clock(self, digits: int = 0) -> str:
        """``T+00:01:57``, rounded down, so T-00:00:01 lasts until the epoch."""
        ticks = (self.seconds * 10**digits).__floor__()
        return (
            f"T{'-' if ticks < 0 else '+'}{_clock_digits(Fraction(abs(ticks), 10**digits), digits)}"
        )

    def after(self, epoch: CaptureTime) -> CaptureTime:
        """The capture time of this mission time, given the mission epoch."""
        return epoch + self.seconds


class VideoTime(_Clock):
    """Seconds since the clip's first frame."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{write_number(self.seconds)} s"

    def clock(self) -> str:
        """``00:34``: minutes and seconds, rounded down; with hours from the first hour on."""
        text = _clock_digits(self.seconds)
        return text.removeprefix("00:") if self.seconds < 3600 else text


class CaptureTime(_Clock, Notation):
    """An instant in UTC, as seconds since 1970-01-01T00:00:00Z (leap seconds do not exist)."""

    __slots__ = ()
    examples: tuple[str, ...] = ("2018-11-16T18:14:08Z", "2018-11-16T19:14:08.25+01:00")

    @classmethod
    def read(cls, text: str) -> CaptureTime:
        found = _ISO.fullmatch(text.strip())
        if not found:
            raise TimeError(f"{text!r} is not a date and time; write 2018-11-16T18:14:08Z")
        if not found[7]:
            raise TimeError(f"{text!r} has no time zone; write {text.strip()}Z if it is UTC")
        zone = Fraction(0)
        if found[7] not in "Zz":
            zone = read_utc_offset(found[7])
        extra = Seconds.read(found[8]) if found[8] else Fraction(0)
        year, month, day, hour, minute = (int(found[i]) for i in range(1, 6))
        local = cls.of_civil(year, month, day, hour, minute, _number(found[6] or "0"))
        moment = local - zone + extra
        moment.iso()  # what cannot be written as a date is refused here, not later
        return moment

    @classmethod
    def of_civil(
        cls, year: int, month: int, day: int, hour: int, minute: int, second: Fraction
    ) -> CaptureTime:
        """The instant of a date and time of day in UTC; TimeError where there is no such time."""
        try:
            days = date(year, month, day).toordinal() - _UNIX_DAY
        except ValueError as error:
            raise TimeError(f"{year:04d}-{month:02d}-{day:02d}: {error}") from None
        if not (hour < 24 and minute < 60 and 0 <= second < 60):
            raise TimeError(f"{hour:02d}:{minute:02d}:{write_number(second)} is no time of day")
        return cls(days * _DAY + hour * 3600 + minute * 60 + second)

    def iso(self, digits: int = 0) -> str:
        """ISO 8601 in UTC, rounded down to `digits` decimals of a second."""
        ticks = (self.seconds * 10**digits).__floor__()
        days, rest = divmod(ticks, _DAY * 10**digits)
        try:
            day = date.fromordinal(days + _UNIX_DAY)
        except (ValueError, OverflowError):
            raise TimeError("a date before year 1 or after year 9999") from None
        return f"{day.isoformat()}T{_clock_digits(Fraction(rest, 10**digits), digits)}Z"

    def __str__(self) -> str:
        decimals = len(write_number(self.seconds % 1).partition(".")[2])
        rest = self.seconds - Fraction((self.seconds * 10**decimals).__floor__(), 10**decimals)
        # A third of a second has no decimals that end: it is written as a length behind the Z.
        return self.iso(decimals) + (f"+{write_number(rest)} s" if rest else "")

    def since(self, epoch: CaptureTime) -> MissionTime:
        """The mission time of this capture time, given the mission epoch."""
        return MissionTime(self - epoch)


def read_utc_offset(text: str) -> Seconds:
    """A zone such as ``+02:00``, ``-0530`` or ``Z`` as seconds east of Greenwich."""
    words = text.strip().upper()
    if words in ("Z", "UTC", "GMT"):
        return Seconds(0)
    found = re.fullmatch(r"([+-])(\d\d):?([0-5]\d)", words.replace("−", "-"))
    if not found or int(found[2]) > 15:
        raise TimeError(f"{text!r} is not a UTC offset; write +02:00 or Z")
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return Seconds(-seconds if found[1] == "-" else seconds)


AnyTime = CaptureTime | MissionTime | VideoTime
