"""Templates of labels: `{timecode} {label}`, and what the words in braces stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from timelapse.errors import ProjectError
from timelapse.notation import did_you_mean
from timelapse.times import AnyTime, VideoTime

if TYPE_CHECKING:
    from timelapse.retime import Timeline

_TIMECODES = ("mm:ss", "hh:mm:ss", "mm:ss:ff", "hh:mm:ss:ff", "mm:ss;ff", "hh:mm:ss;ff")
#: What may stand in braces, and the forms that may follow a colon.
FIELDS: dict[str, tuple[str, ...]] = {
    "timecode": _TIMECODES,
    "label": (),
    "met": (),
    "utc": ("date",),
    "speed": (),
    "stills": (),
    "video": (),
}
# Where rounding reaches 1000 and 0.1.
_NO_DECIMALS, _TWO_DIGITS = Fraction(19_999, 20), Fraction(199, 2000)
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def write_speed(speed: Fraction, always: bool = False) -> str:
    """``15.3x``: one decimal, rounded half up; below 0.1 two digits, ``0.023x``; from 1000 on none.

    Zeros at the end of the decimals are left out: ``8x``, ``0.02x``; with `always` they stay.
    Backward it is negative: ``-8x``.
    """
    if speed < 0:
        return f"-{write_speed(-speed, always)}"
    places = 0 if speed >= _NO_DECIMALS else 1
    if 0 < speed < _TWO_DIGITS:
        while speed * 10**places < 10:
            places += 1
        if speed * 10**places >= Fraction(199, 2):  # rounds up to one digit more
            places -= 1
    ticks = (speed * 10**places + Fraction(1, 2)).__floor__()
    whole, part = divmod(ticks, 10**places)
    decimals = f"{part:0{places}d}" if places else ""
    if not always:
        decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}x" if decimals else f"{whole}x"


def write_pace(speed: Fraction, interval: Fraction | None, always: bool = False) -> str:
    """``7.7 stills/s``: how many stills, one every `interval` seconds, a second of video shows."""
    if not interval:
        raise ProjectError("text: {stills} needs a roll with an interval; it has one still alone")
    return f"{write_speed(speed / interval, always).removesuffix('x')} stills/s"


@dataclass(frozen=True)
class Moment:
    """What the fields of a template say at one instant of a clip.

    `video` is the instant's video time, `frame` the frame that holds it, `interval` the roll's, in
    seconds.
    """

    timeline: Timeline
    time: AnyTime
    video: VideoTime
    frame: int
    label: str = ""
    interval: Fraction | None = None

    def value(self, field: str, form: str = "") -> str:
        """The text of a field, which is one of FIELDS with one of its forms or none."""
        line = self.timeline
        match field:
            case "label":
                return self.label
            case "met":
                return line.mission_of(self.time).clock()
            case "utc":
                date, _, clock = line.capture_of(self.time).iso().removesuffix("Z").partition("T")
                return f"{date} {clock} UTC" if form else f"{clock} UTC"
            case "speed":
                return write_speed(line.speed_at(self.frame))
            case "stills":
                return write_pace(line.speed_at(self.frame), self.interval)
        clock = self.video.clock()
        if form.endswith("ff"):
            return line.rate.timecode(self.frame, form)
        if form == "hh:mm:ss" and clock.count(":") == 1:
            return f"00:{clock}"
        return clock


@dataclass(frozen=True)
class Template:
    """A text with fields, read once: literal texts and (field, form) pairs in turn."""

    pieces: tuple[str | tuple[str, str], ...]

    @classmethod
    def read(cls, text: str) -> Template:
        """ProjectError names what is wrong with the braces, and the field that was meant."""
        return cls(tuple(_pieces(text)))

    def render(self, moment: Moment) -> str:
        """The text at a moment; what a field says is not read as a template again."""
        return "".join(
            piece if isinstance(piece, str) else moment.value(*piece) for piece in self.pieces
        )


def _pieces(text: str) -> Iterator[str | tuple[str, str]]:
    at = 0
    for found in _PIECE.finditer(text):
        yield text[at : found.start()]
        at = found.end()
        if found[0] in ("{{", "}}"):
            yield found[0][0]
        elif found[1] is None:
            raise ProjectError(
                f"text: {text!r} has a single {found[0]}; write {found[0] * 2} to draw a brace"
            )
        else:
            yield _field(found[1])
    yield text[at:]


def _field(words: str) -> tuple[str, str]:
    field, colon, form = words.partition(":")
    if field not in FIELDS:
        known = ", ".join(f"{{{name}}}" for name in FIELDS)
        hint = did_you_mean(field, FIELDS) or f"; known are {known}"
        raise ProjectError(f"text: {{{words}}} is not known{hint}")
    if colon and form not in FIELDS[field]:
        forms = ", ".join(f"{{{field}:{form}}}" for form in FIELDS[field])
        raise ProjectError(f"text: {{{words}}} has no such form; write {forms or f'{{{field}}}'}")
    return field, form
