"""The section `roll` of the project file: which stills, and what is known of their times."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from timelapse.ingest import (
    ClockPoint,
    Clocks,
    Limits,
    NamePattern,
    Policies,
    Policy,
    TimeSource,
    Zone,
    read_table,
)
from timelapse.section import Section
from timelapse.times import CaptureTime, Seconds


def _correction_kind(value: Any) -> str:
    """How a clock's correction is written: known points, an instant, or a length."""
    if isinstance(value, list | tuple | dict):
        return "points"
    dated = isinstance(value, CaptureTime) or re.match(r"\s*\d{4}-\d", str(value))
    return "instant" if dated else "length"


_Correction = Annotated[
    Annotated[Seconds, Tag("length")]
    | Annotated[CaptureTime, Tag("instant")]
    | Annotated[tuple[ClockPoint, ...], Tag("points")],
    Discriminator(_correction_kind),
]


_Bad = Annotated[
    Annotated[Policy, Tag("policy")] | Annotated[Policies, Tag("kinds")],
    Discriminator(lambda value: "kinds" if isinstance(value, dict | Policies) else "policy"),
]


class RollSection(Section):
    """Which stills, and what is known of the cameras' clocks."""

    stills: Annotated[str, Field(description="A folder, glob, list (.txt), zip or video.")]
    clock: Annotated[
        Annotated[Seconds, Tag("length")] | Annotated[dict[str, _Correction], Tag("keys")],
        Discriminator(lambda value: "keys" if isinstance(value, dict) else "length"),
        Field(
            description="Added to what the camera wrote; or a length, or a list of points, by "
            "camera or file pattern; or the instant at which a still was taken, by its name."
        ),
    ] = Seconds(0)
    utc_offset: Zone | None = None
    interval: Annotated[
        Seconds | None, Field(description="The cadence of stills that carry no time.")
    ] = None
    start: CaptureTime | None = None
    time_from: TimeSource | None = None
    name_time: NamePattern | None = None
    times: Annotated[
        str | None, Field(description="A table (CSV) of names and times, which beats all else.")
    ] = None
    exclude: tuple[str, ...] = ()
    bad: Annotated[
        _Bad | None,
        Field(
            description="What becomes of bad stills, `keep`, `drop` or `bridge`; or that by what "
            "is wrong with them. Where it is stated, every still is looked at."
        ),
    ] = None
    damaged: Annotated[
        Literal["refuse", "accept"],
        Field(description="JPEGs of which only a part can be decoded."),
    ] = "refuse"
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _check(self) -> RollSection:
        if self.interval is not None and self.interval <= 0:
            raise ValueError("interval has to be above zero")
        if self.time_from is TimeSource.INTERVAL and self.interval is None:
            raise ValueError("time_from: interval needs an interval beside it")
        if self.time_from is TimeSource.TABLE and self.times is None:
            raise ValueError("time_from: csv needs a table beside it: times")
        return self

    def clocks(self, base: Path, epoch: CaptureTime | None) -> Clocks:
        """What is stated of the clocks; `base` is where the path of a table starts from, `epoch`
        what mission times in it count from.  Raises RollError where the table cannot be read."""
        return Clocks(
            self.clock if isinstance(self.clock, dict) else {"*": self.clock},
            self.utc_offset,
            self.interval,
            self.start,
            self.time_from,
            self.name_time,
            read_table(base / Path(self.times).expanduser(), epoch) if self.times else None,
        )
