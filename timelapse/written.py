"""Times as people write them, on any clock, and what they mean in a clip.

What a written time means can depend on the clip: `00:34:05` is hours, minutes and seconds, or
minutes, seconds and frames.  So it is read in two steps: `Instant.read` checks the notation,
`Instant.resolve` settles the meaning and says which reading was taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from timelapse.errors import TimeError
from timelapse.notation import Notation
from timelapse.times import NUMBER, AnyTime, CaptureTime, MissionTime, Rate, Seconds, VideoTime

FORMS = ("mm:ss", "hh:mm:ss", "mm:ss:ff", "hh:mm:ss:ff")


@dataclass(frozen=True)
class Context:
    """What decides the meaning of a written time.

    `length` is the clip's (None where it is not known yet); `timecode` is the project's word on
    three-field times; `still` gives the capture time of a still by its name.
    """

    rate: Rate
    length: Fraction | None = None
    timecode: str | None = None
    still: Callable[[str], CaptureTime] | None = None

    def lasting(self, length: Fraction) -> Context:
        """The same for a clip of another length."""
        return replace(self, length=length)


@dataclass(frozen=True)
class Reading:
    """An instant, and how it was read (``mm:ss:ff``, ``mission``, ``frame``...).

    `unit` is what the last digit of a video time counts, in seconds: all that is shown from `time`
    up to, and without, `time` + `unit` reads the same.
    """

    time: AnyTime
    read_as: str
    unit: Fraction = Fraction(0)


@dataclass(frozen=True)
class Instant(Notation):
    """A time on any clock: `T+118 s`, `2018-11-16T18:16:06Z`, `00:07`, `34.2 s`, `frame 855`,
    `still ISS057-E-12345`."""

    text: str
    examples = (
        "T+117.8 s",
        "T-00:00:03",
        "L+1:58.5",
        "2018-11-16T18:16:06Z",
        "00:07",
        "00:00:34:05",
        "34.2 s",
        "frame 855",
        "still ISS057-E-12345",
    )

    @classmethod
    def read(cls, text: str) -> Instant:
        """Checks the notation alone; `resolve` finds the instant."""
        instant = cls(text.strip())
        instant._parse()
        return instant

    def __str__(self) -> str:
        return self.text

    @property
    def on_video_clock(self) -> bool:
        """Whether it is a time in the clip: seconds, a frame or a timecode."""
        return isinstance(self._parse(), VideoTime | int | re.Match)

    def resolve(self, context: Context) -> Reading:
        """The instant meant; TimeError where nothing, or more than one reading, fits the clip."""
        parsed = self._parse()
        if isinstance(parsed, AnyTime):
            if isinstance(parsed, VideoTime):
                return Reading(parsed, "seconds", self._unit_of_seconds())
            return Reading(parsed, type(parsed).__name__.removesuffix("Time").lower())
        if isinstance(parsed, str):
            if context.still is None:
                raise TimeError(f"{self.text!r}: there is no roll here to look for this still in")
            return Reading(context.still(parsed), "still")
        if isinstance(parsed, int):
            return Reading(context.rate.time_of(parsed), "frame", 1 / Fraction(context.rate))
        return self._resolve_fields(parsed, context)

    def _unit_of_seconds(self) -> Fraction:
        """What the last digit of `34.2 s` or `1 min` counts."""
        found = re.search(r"\d+(?:\.(\d*))?\s*([a-zµ]+)\s*$", self.text, re.IGNORECASE)
        assert found is not None
        return Fraction(Seconds.read(f"1 {found[2]}"), 10 ** len(found[1] or ""))

    def _parse(self) -> AnyTime | str | int | re.Match[str]:
        """An instant; or a still's name, a frame's number, or the fields of a timecode."""
        words = self.text.replace("−", "-")
        if found := re.fullmatch(r"[TL]\s*([+-])\s*([^+-].*)", words, re.IGNORECASE):
            length = Seconds.read(found[2])
            return MissionTime(Fraction(-length if found[1] == "-" else length))
        if re.match(r"\d{4}-\d", words):
            return CaptureTime.read(words)
        if found := re.fullmatch(r"still\s+(\S.*)", self.text, re.IGNORECASE):
            return found[1]
        if found := re.fullmatch(r"frame\s+(\d{1,12})", words, re.IGNORECASE):
            return int(found[1])
        fields = r"(\d{1,6}):(\d\d)(?:([:;])(\d\d)(?:([:;])(\d\d\d?))?)?(\.\d{1,18})?"
        if found := re.fullmatch(fields, words):
            return found
        if re.search(r"[a-z]", words, re.IGNORECASE) and not words.startswith("-"):
            try:
                return VideoTime(Fraction(Seconds.read(words)))
            except TimeError:
                pass
        hint = f"; write {words} s or frame {words}" if re.fullmatch(NUMBER, words) else ""
        raise TimeError(
            f"{self.text!r} is not a time{hint or '; known are ' + ', '.join(self.examples)}"
        )

    def _resolve_fields(self, found: re.Match[str], context: Context) -> Reading:
        first, second, mark3, third, mark4, fourth, decimals = found.groups()
        numbers = [int(field) for field in (first, second, third, fourth) if field is not None]
        drop = ";" in (mark3, mark4)
        if mark3 == ";" and fourth is not None:
            raise TimeError(f"{self.text!r}: the ; of drop-frame stands before the last field")
        forms = {2: FORMS[:1], 3: FORMS[1:3], 4: FORMS[3:]}[len(numbers)]
        if len(forms) > 1 and context.timecode in forms:
            forms = (str(context.timecode),)
        fits: list[Reading] = []
        misfits: list[str] = []
        for form in forms:
            try:
                fits.append(_field_reading(form, numbers, decimals, drop, context))
            except TimeError as error:
                misfits.append(f"as {form}: {error}")
        if not fits:
            raise TimeError(f"{self.text!r} does not fit: {'; '.join(misfits)}")
        if len(fits) > 1:
            both = " or ".join(f"{fit.read_as} = {fit.time}" for fit in fits)
            raise TimeError(
                f"{self.text!r} can be read in two ways: {both}; settle it with timecode: "
                + " or timecode: ".join(fit.read_as for fit in fits)
            )
        return fits[0]


def _field_reading(
    form: str, numbers: list[int], decimals: str | None, drop: bool, context: Context
) -> Reading:
    """One reading of colon-separated fields; TimeError says why it does not fit."""
    counts_frames = form.endswith("ff")
    *clock, last = numbers if counts_frames else [*numbers, 0]
    hours, minutes, seconds = [0] * (3 - len(clock)) + clock
    if seconds > 59 or (len(clock) == 3 and minutes > 59):
        raise TimeError("minutes and seconds go up to 59")
    if not counts_frames:
        if drop:
            raise TimeError("; counts frames")
        total = (hours * 60 + minutes) * 60 + seconds + Fraction(f"0{decimals or ''}")
        time, unit = VideoTime(Fraction(total)), Fraction(1, 10 ** len((decimals or ".")[1:]))
    else:
        if decimals:
            raise TimeError("frames have no decimals")
        if last >= context.rate.nominal:
            raise TimeError(f"{last} frames do not fit into a second of {context.rate.nominal}")
        time = context.rate.time_of(
            context.rate.frame_of_timecode(hours, minutes, seconds, last, drop)
        )
        unit = 1 / Fraction(context.rate)
    if context.length is not None and time.seconds >= context.length:
        raise TimeError(f"{time} lies outside the clip of {float(context.length):.2f} s")
    return Reading(time, form.replace(":ff", ";ff") if drop else form, unit)
