"""What ingest hands on: stills in the order of their capture, and a ledger of every file found."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import PurePath
from typing import Any, NamedTuple

from numpy.typing import NDArray

from timelapse.errors import StillError, TimeError
from timelapse.times import CaptureTime

Pixels = NDArray[Any]

#: Endings that promise a picture: such a file that holds none is unreadable, not merely excluded.
PICTURE_ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp", ".heic", ".heif",
    ".hif", ".avif", ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".srf", ".sr2", ".raf",
    ".orf", ".rw2", ".pef", ".srw", ".3fr", ".erf", ".mrw",
)  # fmt: skip
_GARBLES = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
CUT_SHORT = "cut short: the file ends before the picture does"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may ask of the machine; one beyond it is unreadable, with the key to raise.

    `pixels` bounds width times height (400 million are 1.2 GB as RGB); `bytes` the size of a file
    or of a zip's member; `scans` the passes of a progressive JPEG, for a few kilobytes with
    thousands of passes would keep a decoder busy for minutes.  `metadata` bounds the bytes that
    describe one still (EXIF, profiles, texts), a list, and a zip's directory; `tags` the entries
    that they are made of (TIFF tags, JPEG segments, PNG chunks).  Of a zip, `members` bounds the
    files, `ratio` how often larger one is than its packed bytes, `path` the characters of a name.
    """

    pixels: int = 400_000_000
    bytes: int = 1 << 30
    scans: int = 100
    metadata: int = 1 << 25
    tags: int = 10_000
    members: int = 200_000
    ratio: int = 200
    path: int = 1000

    def __post_init__(self) -> None:
        for bound in fields(self):
            if (value := getattr(self, bound.name)) < 1:
                raise ValueError(f"{bound.name}: {value} is not above zero")


def printable(name: str) -> str:
    """A file's name without what would garble a terminal, a log or JSON: line ends, control
    characters, marks that turn the direction of writing, and bytes that are no text."""
    return _GARBLES.sub(lambda found: _escaped(found[0]), name)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python has it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def beyond(key: str, bound: int, unit: str = "") -> str:
    """How every refusal of what is beyond a bound of `Limits` ends."""
    return f"more than {bound}{unit and ' '}{unit}; roll.limits.{key} raises the bound"


class TimeSource(StrEnum):
    """Where a capture time came from, the most trusted first."""

    TABLE = "csv"
    EXIF = "exif"
    FILENAME = "filename"
    INTERVAL = "interval"
    MTIME = "mtime"


class Status(StrEnum):
    USED = "used"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    EXCLUDED = "excluded"


class Frame(NamedTuple):
    """A frame of a video: its number, from 0, and its time in ticks of the video's clock."""

    number: int
    pts: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found: on disk, a member of a zip archive, or a frame of a video.

    `size` is in bytes, `mtime_ns` in nanoseconds since 1970; `archive` is the zip's path.  `path`
    is as the system has it; `name` and `str()` are for people, see `printable`.
    """

    path: str
    size: int
    mtime_ns: int
    archive: str | None = None
    frame: Frame | None = None

    @property
    def name(self) -> str:
        name = printable(os.path.basename(self.path))  # noqa: PTH119 - asked for very often
        return name if self.frame is None else f"{name}#{self.frame.number}"

    @property
    def stem(self) -> str:
        """What is the same of the forms in which a camera wrote one still: all but the ending."""
        return os.path.splitext(str(self))[0].casefold()  # noqa: PTH122 - of a zip's member, too

    @property
    def promises_picture(self) -> bool:
        """Whether the name says that this is a picture of a kind that can be read."""
        return self.path.lower().endswith(PICTURE_ENDINGS)

    def __str__(self) -> str:
        path = self.path if self.frame is None else f"{self.path}#{self.frame.number}"
        return printable(f"{self.archive}:{path}" if self.archive else path)


@dataclass(frozen=True, slots=True)
class Still:
    """One input picture and when it was taken.

    `size` is (width, height) in pixels as it is to be seen, that is after `orientation` (the EXIF
    number 1-8) has been applied; `bits` are per channel.  Of a `damaged` one what can be decoded
    is used, as `roll.damaged: accept` wants it.  `exposure` is how long the shutter was open, in
    seconds, from `captured` on, `aperture` the f-number and `iso` the sensitivity, where the
    camera says so.
    """

    file: File
    captured: CaptureTime
    size: tuple[int, int]
    orientation: int
    bits: int
    kind: str
    camera: str
    damaged: bool = False
    exposure: Fraction | None = None
    aperture: Fraction | None = None
    iso: int | None = None

    @property
    def name(self) -> str:
        return self.file.name


def same_size(now: tuple[int, int], scanned: tuple[int, int], name: str) -> None:
    """Refuses, before it is decoded, a file that was exchanged since it was scanned."""
    if now != scanned:
        raise StillError(name, "has another size now than when it was scanned")


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What became of one file, and why (`reason` is empty where there is nothing to say)."""

    path: str
    status: Status
    reason: str = ""
    captured: CaptureTime | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the roll: two neighbouring stills, and how many the cadence would put between."""

    after: int
    seconds: Fraction
    missing: int

    @property
    def before(self) -> int:
        """Index of the still that ends the gap; `after` is that of the still that starts it."""
        return self.after + 1


@dataclass(frozen=True)
class Roll:
    """The stills of one scan in capture order, with the ledger.

    `order` is where the capture times came from; `dated` is False where they are only relative to
    each other.  `warnings` are for people: what was assumed, and what is missing.  `bridged` are
    indices of stills that were taken, so that there is no gap, and are not shown: their neighbours
    stand in for them.
    """

    stills: tuple[Still, ...]
    ledger: tuple[LedgerEntry, ...]
    order: TimeSource
    dated: bool = True
    warnings: tuple[str, ...] = ()
    stated_interval: Fraction | None = field(default=None, repr=False)
    limits: Limits = Limits()
    bridged: tuple[int, ...] = ()

    @property
    def first(self) -> CaptureTime:
        return self.stills[0].captured

    @property
    def last(self) -> CaptureTime:
        return self.stills[-1].captured

    @property
    def end(self) -> CaptureTime:
        """The last still's capture time plus one interval: a roll spans [first, end)."""
        return self.last + self.interval

    @cached_property
    def _steps(self) -> tuple[Fraction, ...]:
        times = [still.captured for still in self.stills]
        return tuple(b - a for a, b in pairwise(times))

    @cached_property
    def interval(self) -> Fraction:
        """The roll's cadence in seconds: the median step; the stated interval for a lone still."""
        steps = sorted(self._steps)
        if not steps:
            return self.stated_interval or Fraction(1)
        low, high = steps[(len(steps) - 1) // 2], steps[len(steps) // 2]
        return (low + high) / 2 or Fraction(1)

    @cached_property
    def longest_step(self) -> Fraction:
        """The longest step that is no gap: 1.5 intervals, or more on an uneven roll (what it
        varies by, taken three times)."""
        deviations = sorted(abs(step - self.interval) for step in self._steps)
        usual = deviations[len(deviations) // 2] if deviations else Fraction(0)
        return self.interval + max(self.interval / 2, 3 * usual)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """Every step that is longer than `longest_step`."""
        return tuple(
            Gap(at, step, max(1, round(step / self.interval) - 1))
            for at, step in enumerate(self._steps)
            if step > self.longest_step
        )

    @cached_property
    def jitter(self) -> float:
        """Root mean square deviation of the steps from the interval, gaps left out, in seconds."""
        holes = {gap.after for gap in self.gaps}
        steps = [step for at, step in enumerate(self._steps) if at not in holes]
        squares = sum((step - self.interval) ** 2 for step in steps)
        return float(squares / len(steps)) ** 0.5 if steps else 0.0

    @property
    def sizes(self) -> Mapping[tuple[int, int], int]:
        """How many stills have each size, the commonest first; bridged ones apart."""
        hidden = set(self.bridged)
        shown = [still for at, still in enumerate(self.stills) if at not in hidden]
        return dict(Counter(still.size for still in shown or self.stills).most_common())

    @property
    def cameras(self) -> Mapping[str, int]:
        """How many stills each camera took, the busiest first."""
        return dict(Counter(still.camera for still in self.stills).most_common())

    def as_json(self) -> dict[str, Any]:
        """The roll in the words of `timelapse scan --json`."""
        used = sum(entry.status is Status.USED for entry in self.ledger)
        return {
            "found": len(self.ledger),
            "used": used,
            "excluded": len(self.ledger) - used,
            "order": str(self.order),
            "dated": self.dated,
            "first": self.first.iso(3),
            "last": self.last.iso(3),
            "interval_s": float(self.interval),
            "jitter_s": round(self.jitter, 6),
            "gaps": [
                {
                    "after": self.stills[gap.after].name,
                    "before": self.stills[gap.before].name,
                    "seconds": float(gap.seconds),
                    "missing": gap.missing,
                }
                for gap in self.gaps
            ],
            "sizes": {f"{w}x{h}": count for (w, h), count in self.sizes.items()},
            "cameras": dict(self.cameras),
            "warnings": list(self.warnings),
            "ledger": [
                {
                    "path": entry.path,
                    "status": str(entry.status),
                    "reason": entry.reason,
                    "captured": entry.captured.iso(3) if entry.captured else None,
                }
                for entry in self.ledger
            ],
        }

    def find(self, name: str) -> Still:
        """The still of that file name, with or without its ending, in any case of letters."""
        wanted = name.lower()
        found = [
            still
            for still in self.stills
            if wanted in (still.name.lower(), PurePath(still.name.lower()).stem)
        ]
        if len(found) != 1:
            what = "no still has" if not found else f"{len(found)} stills have"
            raise TimeError(f"{what} the name {name!r}; the roll starts with {self.stills[0].name}")
        return found[0]
