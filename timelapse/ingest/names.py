"""What the name of a file says: a time, or the number that a camera counted."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from timelapse.errors import TimeError
from timelapse.ingest.find import natural
from timelapse.ingest.shown import Shown
from timelapse.ingest.still import File
from timelapse.notation import Notation
from timelapse.times import CaptureTime, Seconds, read_utc_offset

#: Names in zip archives may be longer than any number that Python reads.
_LONG_NAME = 1000
#: A zone is read behind the T of ISO 8601 alone: elsewhere -0100 is most often a counter.
_CIVIL = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)(T|[ _.,-]{0,2}|[ _]at[ _])"
    r"(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?:[.,](\d{1,9})|(\d{3}))?(?!\d)"
    r"(Z(?![A-Za-z])|[+-](?:0\d|1[0-4])[:.]?(?:00|15|30|45)(?!\d))?",
    re.ASCII | re.IGNORECASE,
)
_SINCE_1970 = re.compile(r"(?<!\d)(\d{10})(\d{3})?(?!\d)", re.ASCII)
_YEAR_1990 = 631_152_000
#: NASA's numbers of stills, as in iss057e012345, ISS057-E-12345 or STS135-E-1234.
_NASA = re.compile(r"(?<![a-z])(?:iss|sts)\d{2,3}-?[a-z]-?\d+", re.ASCII | re.IGNORECASE)
#: A name by the rules of cameras (CIPA DC-009, 3.2): four free characters, then 0001 to 9999.
#: Where the former end in a digit they count on (P1019999, P1020001), and nothing starts again.
_DCF_NAME = re.compile(r"(\w{3}[A-Za-z_])(?!0000)(\d{4})", re.ASCII)
_DCF_LAST = 9999
#: What file managers and browsers put behind the name of a copy.
_COPY = re.compile(r"(?: ?\(\d{1,3}\)| - copy(?: \(\d+\))?| copy(?: \d+)?)$", re.IGNORECASE)


def name_time(name: str, pattern: NamePattern | None = None) -> Shown | None:
    """The time in a file's name; by the user's own pattern alone, where there is one."""
    name = name[:_LONG_NAME]
    if pattern is not None:
        return pattern.find(name)
    name = _NASA.sub(" ", name)
    for match in _CIVIL.finditer(name):
        year, month, day, mark, hour, minute, second, decimals, millis, zone = match.groups()
        fields = [int(field) for field in (year, month, day, hour, minute, second)]
        offset = None
        if zone and mark.upper() == "T":
            offset = read_utc_offset(zone.replace(".", ":"))
        with suppress(TimeError):
            return Shown.of(fields, decimals or millis or "", offset)
    latest = time.time() + 2 * 86_400  # the day after tomorrow
    for match in _SINCE_1970.finditer(name):
        digits = match[2] or ""
        if _YEAR_1990 <= int(match[1]) < latest:
            exact = Fraction(int(match[1] + digits), 10 ** len(digits))
            return Shown(CaptureTime(exact), Seconds(0), digits)
    return None


# ------------------------------------------------------------------ the user's own pattern

_WORDS = {
    "Y": r"\d{4}",
    **dict.fromkeys("mdHIMSy", r"\d\d"),
    **dict.fromkeys("bBp", r"[^\W\d_]+"),
    "j": r"\d{3}",
    "f": r"\d{1,6}",
    "z": r"(?:Z|[+-]\d\d:?\d\d)",
    "%": "%",
}
_NEEDED = {"Yy": "a year", "mbBj": "a month", "dj": "a day", "HI": "an hour"}


@dataclass(frozen=True, slots=True)
class NamePattern(Notation):
    """How times stand in the files' names, in the words of strptime: `%Y%m%d-%H%M%S`."""

    text: str

    examples = ("%Y%m%d-%H%M%S", "%d.%m.%Y %H_%M_%S.%f")

    @classmethod
    def read(cls, text: str) -> NamePattern:
        words = re.findall(r"%(.?)", text)
        for word in words:
            if word not in _WORDS:
                known = " ".join(f"%{known}" for known in _WORDS)
                raise TimeError(f"{text!r}: %{word} is not known here; known are {known}")
            if words.count(word) > 1 and word != "%":
                raise TimeError(f"{text!r}: %{word} stands in it twice")
        for needed, what in _NEEDED.items():
            if not set(needed) & set(words):
                choice = " or ".join(f"%{word}" for word in needed)
                raise TimeError(f"{text!r} has no word for {what}: {choice}")
        if ("I" in words) != ("p" in words):
            raise TimeError(f"{text!r}: %I and %p belong together; %H counts to 24")
        return cls(text)

    def find(self, name: str) -> Shown | None:
        """The first time in a name that is written so."""
        for match in self._regex().finditer(name):
            with suppress(ValueError, TimeError):
                return self._shown(match[0])
        return None

    def _regex(self) -> re.Pattern[str]:  # re keeps what it has compiled
        pieces = re.split(r"%(.)", self.text)
        pieces[::2] = map(re.escape, pieces[::2])
        pieces[1::2] = [_WORDS[word] for word in pieces[1::2]]
        return re.compile(rf"(?<!\d){''.join(pieces)}(?!\d)", re.ASCII | re.IGNORECASE)

    def _shown(self, text: str) -> Shown:
        read = datetime.strptime(text, self.text)
        offset = read.utcoffset()
        zone = None if offset is None else Seconds(Fraction(offset.days * 86_400 + offset.seconds))
        fields = [read.year, read.month, read.day, read.hour, read.minute, read.second]
        return Shown.of(fields, f"{read.microsecond:06d}" * ("%f" in self.text), zone)

    def __str__(self) -> str:
        return self.text


# ------------------------------------------------------------------ the numbers that cameras count


def without_copy_mark(name: str) -> str:
    """A file's name without its ending, and without the `` (1)`` or `` - Copy`` of a copy."""
    return _COPY.sub("", os.path.splitext(name)[0])  # noqa: PTH122 - PurePath is slow


def folder(file: File) -> str:
    """Where a file lies, in its archive too."""
    return str(file).rpartition("/")[0]


def numbered(name: str) -> tuple[str, int, str] | None:
    """A name before its last number, that number, and what follows it."""
    split = re.fullmatch(r"(.*?)(\d+)(\D*)", name[:_LONG_NAME])
    return (split[1], int(split[2]), split[3].casefold()) if split else None


def camera_number(file: File) -> int | None:
    """What a camera that names files by the rules (DSC_0001.JPG) counted; else None."""
    name = _DCF_NAME.fullmatch(without_copy_mark(file.name))
    return int(name[2]) if name else None


def in_counter_order(files: Sequence[File]) -> list[File]:
    """Files by their names as a camera counts: 9999 stands before 10000, and, where a camera
    starts again after 9999, before 0001."""
    ordered = sorted(files, key=lambda file: natural(str(file)))
    if len(ordered) < 2 or len(set(map(folder, ordered))) > 1:
        return ordered
    names = [_DCF_NAME.fullmatch(without_copy_mark(file.name)) for file in ordered]
    if len({name and name[1].casefold() for name in names}) > 1 or names[0] is None:
        return ordered
    return _rotated(ordered, [int(name[2]) for name in names if name])


def _rotated(files: list[File], numbers: list[int]) -> list[File]:
    """A counter of four digits that leaves out more than half of its range has started again."""
    holes = [after - number for number, after in pairwise(numbers)]
    if max(holes, default=0) <= _DCF_LAST / 2:
        return files
    cut = holes.index(max(holes)) + 1
    return files[cut:] + files[:cut]


def counted(found: Sequence[File], others: Sequence[File]) -> dict[File, int] | None:
    """How far each still is behind the first one, by the numbers in the names.

    None where the names do not differ in one number alone, or two have the same number.  `others`
    are files that may have had a place between them.
    """
    for plain in (lambda file: file.name, lambda file: without_copy_mark(file.name)):
        split = {file: numbered(plain(file)) for file in (*found, *others)}
        kinds = {(s[0].casefold(), s[2]) if (s := split[file]) else None for file in found}
        numbers = {
            file: s[1] for file, s in split.items() if s and {(s[0].casefold(), s[2])} == kinds
        }
        if len({numbers[file] for file in found if file in numbers}) == len(found):
            return _unwrapped(numbers)
    return None


def _unwrapped(numbers: dict[File, int]) -> dict[File, int]:
    """Numbers that go on where a camera's counter starts again."""
    if any(camera_number(file) is None for file in numbers):
        return numbers
    ordered = sorted(numbers, key=numbers.__getitem__)
    first = numbers[_rotated(ordered, [numbers[file] for file in ordered])[0]]
    return {file: (number - first) % _DCF_LAST for file, number in numbers.items()}
