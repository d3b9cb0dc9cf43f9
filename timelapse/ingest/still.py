"""What ingest hands on: stills in the order of their capture, and a ledger of every file found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from numpy.typing import NDArray

from timelapse.errors import StillError, TimeError
from timelapse.times import CaptureTime

Pixels = NDArray[Any]

#: Endings that promise a picture: such a file that holds none is unreadable, not merely excluded.
PICTURE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff")
CUT_SHORT = "cut short: the file ends before the picture does"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a still may ask of the machine; a file beyond it is unreadable, with the reason.

    `pixels` bounds width times height (400 million are 1.2 GB as RGB), `bytes` the size of a file
    or of a zip's member, `scans` the passes of a progressive JPEG: a few kilobytes with thousands
    of passes would keep a decoder busy for minutes.
    """

    pixels: int = 400_000_000
    bytes: int = 1 << 30
    scans: int = 100

    def __post_init__(self) -> None:
        for name in ("pixels", "bytes", "scans"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not above zero")


class TimeSource(StrEnum):
    """Where a capture time came from, the most trusted first."""

    EXIF = "exif"
    FILENAME = "filename"
    INTERVAL = "interval"
    MTIME = "mtime"


class Status(StrEnum):
    USED = "used"
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"
    EXCLUDED = "excluded"


@dataclass(frozen=True, slots=True)
class File:
    """A file that was found: on disk, or a member of a zip archive.

    `size` is in bytes, `mtime_ns` in nanoseconds since 1970; `archive` is the zip's path.
    """

    path: str
    size: int
    mtime_ns: int
    archive: str | None = None

    @property
    def name(self) -> str:
        return PurePath(self.path).name

    @property
    def promises_picture(self) -> bool:
        """Whether the name says that this is a picture of a kind that can be read."""
        return PurePath(self.path).suffix.lower() in PICTURE_ENDINGS

    def __str__(self) -> str:
        return f"{self.archive}:{self.path}" if self.archive else self.path


@dataclass(frozen=True, slots=True)
class Still:
    """One input picture and when it was taken.

    `size` is (width, height) in pixels as it is to be seen, that is after `orientation` (the EXIF
    number 1-8) has been applied; `bits` are per channel.
    """

    file: File
    captured: CaptureTime
    size: tuple[int, int]
    orientation: int
    bits: int
    kind: str
    camera: str

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
    each other.  `warnings` are for people: what was assumed, and what is missing.
    """

    stills: tuple[Still, ...]
    ledger: tuple[LedgerEntry, ...]
    order: TimeSource
    dated: bool = True
    warnings: tuple[str, ...] = ()
    stated_interval: Fraction | None = field(default=None, repr=False)
    limits: Limits = Limits()

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
        """How many stills have each size, the commonest first."""
        return dict(Counter(still.size for still in self.stills).most_common())

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
