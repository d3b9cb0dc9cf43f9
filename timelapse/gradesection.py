"""The section `grade` of the project file: what is taken out of the stills."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from timelapse.grade import Deflicker, HotPixels
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


class HotPixelsSection(Section):
    """Finds and mends hot and dead pixels; see hot-pixels.md."""

    search: Annotated[bool, Field(description="Look for them in the roll.")] = True
    map: Annotated[str | None, Field(description="A map that was saved before.")] = None
    known: Annotated[
        tuple[tuple[int, int], ...],
        Field(description="Pixels (row, column) that are no good, in the stills as stored."),
    ] = ()
    stills: Annotated[int | None, Field(description="How many are looked at.")] = None
    sure: Annotated[float, Field(description="How far they stand out, in deviations.")] = 3.8
    faintest: Annotated[float, Field(description="What is left alone, in levels of 255.")] = 2.2

    def settings(self, base: Path) -> HotPixels:
        """Raises ProjectError."""
        path = base / Path(self.map).expanduser() if self.map else None
        return HotPixels(self.search, path, self.known, self.stills, self.sure, self.faintest)


class GradeSection(Section):
    """What is done to the stills: `hot_pixels: auto`, `deflicker: 15 s`, or with keys of their
    own."""

    hot_pixels: Annotated[
        Annotated[
            Annotated[HotPixelsSection, Tag("keys")]
            | Annotated[Literal["auto", "off"], Tag("word")],
            Discriminator(lambda value: "keys" if isinstance(value, dict | Section) else "word"),
        ],
        Field(description="Hot and dead pixels are found in the roll itself, and mended."),
    ] = "off"
    deflicker: Annotated[
        Annotated[
            Annotated[DeflickerSection, Tag("keys")] | Annotated[Seconds, Tag("time")],
            Discriminator(lambda value: "keys" if isinstance(value, dict | Section) else "time"),
        ]
        | None,
        Field(description="What takes less time than this is flicker, and is taken out."),
    ] = None

    @property
    def steadied(self) -> Deflicker | None:
        """Raises ProjectError."""
        if isinstance(self.deflicker, DeflickerSection):
            return self.deflicker.settings
        return Deflicker(self.deflicker) if self.deflicker is not None else None

    def mended(self, base: Path) -> HotPixels | None:
        """`base` is where a map's path starts from; raises ProjectError."""
        if isinstance(self.hot_pixels, HotPixelsSection):
            return self.hot_pixels.settings(base)
        return HotPixels() if self.hot_pixels == "auto" else None
