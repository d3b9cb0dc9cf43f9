"""The section `grade` of the project file: what is taken out of the stills."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from timelapse.grade import Deflicker
from timelapse.overlay import Share
from timelapse.section import Section
from timelapse.times import Seconds


class DeflickerSection(Section):
    """Takes out how the light of the stills goes up and down without need; see flicker.md."""

    over: Annotated[Seconds, Field(description="What comes and goes in less time is flicker.")] = (
        Seconds(15)
    )
    strength: Annotated[Share, Field(description="How much of it is taken out.")] = Share(1)
    per_channel: bool = False
    area: Annotated[
        tuple[Share, Share, Share, Share] | None,
        Field(description="What to go by: left, top, right and bottom, in shares of a still."),
    ] = None
    exposure: Annotated[
        bool, Field(description="Level the jumps of the exposure that EXIF tells of.")
    ] = True
    white_balance: Annotated[
        Seconds | None, Field(description="Smooth the camera's white balance over this time.")
    ] = None

    @property
    def settings(self) -> Deflicker:
        """Raises ProjectError."""
        area = tuple(map(float, self.area)) if self.area else None
        return Deflicker(
            self.over,
            float(self.strength),
            self.per_channel,
            area,  # type: ignore[arg-type]  # four, as the field says
            self.exposure,
            self.white_balance,
        )


class GradeSection(Section):
    """What is done to the stills: `deflicker: 15 s`, or with keys of its own."""

    deflicker: Annotated[
        Annotated[
            Annotated[DeflickerSection, Tag("keys")] | Annotated[Seconds, Tag("time")],
            Discriminator(lambda value: "keys" if isinstance(value, dict | Section) else "time"),
        ]
        | None,
        Field(description="What takes less time than this is flicker, and is taken out."),
    ] = None

    @property
    def wanted(self) -> Deflicker | None:
        """What is to be taken out; raises ProjectError."""
        if isinstance(self.deflicker, DeflickerSection):
            return self.deflicker.settings
        return Deflicker(self.deflicker) if self.deflicker is not None else None
