"""The section `grade.deflicker` of the project file: how flicker is taken out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Discriminator, Field, Tag

from timelapse.errors import ProjectError
from timelapse.grade import Deflicker
from timelapse.grade.levels import Area, Moving, checked
from timelapse.overlay import Share
from timelapse.retime import Timeline
from timelapse.section import Placed, Section
from timelapse.times import CaptureTime, Seconds
from timelapse.written import Instant


def _shares(box: tuple[Share, Share, Share, Share]) -> Area:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _fitting(box: tuple[Share, Share, Share, Share]) -> tuple[Share, Share, Share, Share]:
    checked(_shares(box))
    return box


#: Left, top, right and bottom.
_Box = Annotated[tuple[Share, Share, Share, Share], AfterValidator(_fitting)]


class AreaKey(Section):
    """Where the area to go by is at one instant."""

    at: Instant
    box: Annotated[
        _Box, Field(description="Its left, top, right and bottom, in shares of a still.")
    ]


def _kind_of_area(value: object) -> str:
    keyed = isinstance(value, list | tuple) and any(isinstance(v, dict | AreaKey) for v in value)
    return "keys" if keyed else "box"


class DeflickerSection(Section):
    """Takes out how the light of the stills goes up and down without need; see flicker.md."""

    over: Annotated[Seconds, Field(description="What comes and goes in less time is flicker.")] = (
        Seconds(15)
    )
    strength: Annotated[Share, Field(description="How much of it is taken out.")] = Share(1)
    per_channel: bool = False
    area: Annotated[
        Annotated[
            Annotated[_Box, Tag("box")] | Annotated[tuple[AreaKey, ...], Tag("keys")],
            Discriminator(_kind_of_area),
        ]
        | None,
        Field(
            description="What to go by: left, top, right and bottom, in shares of a still; or a "
            "list of keys, between which it moves evenly."
        ),
    ] = None
    exposure: Annotated[
        bool, Field(description="Level the jumps of the exposure that EXIF tells of.")
    ] = True
    white_balance: Annotated[
        Seconds | None, Field(description="Smooth the camera's white balance over this time.")
    ] = None

    @property
    def settings(self) -> Deflicker:
        """Without an area that moves: that depends on the clip.  Raises ProjectError."""
        return Deflicker(
            self.over,
            float(self.strength),
            self.per_channel,
            None if self.area is None or self._keys else _shares(self.area),  # type: ignore[arg-type]
            self.exposure,
            self.white_balance,
        )

    @property
    def _keys(self) -> tuple[AreaKey, ...]:
        return tuple(key for key in self.area or () if isinstance(key, AreaKey))

    @property
    def instants(self) -> tuple[Instant, ...]:
        """Those of the keys of an area that moves."""
        return tuple(key.at for key in self._keys)

    @property
    def moves(self) -> bool:
        """Whether the area does."""
        return bool(self._keys)

    def moving(self, timeline: Timeline, placed: Placed) -> Moving:
        """The area that moves in a clip; raises ProjectError at the place of a key."""
        times = in_order(self.instants, timeline, placed, "grade", "deflicker", "area")
        return Moving(tuple(zip(times, (_shares(key.box) for key in self._keys), strict=True)))


def in_order(
    instants: Iterable[Instant], timeline: Timeline, placed: Placed, *path: str
) -> list[CaptureTime]:
    """The times of keys; ProjectError at the place of one that is not after that before."""
    times: list[CaptureTime] = []
    for number, at in enumerate(instants):
        with placed(*path, number, "at"):
            times.append(timeline.capture_of(at.resolve(timeline.context).time))
            if number and times[-1] <= times[-2]:
                raise ProjectError(f"{at.text} is not after the key before; put them in order")
    return times
