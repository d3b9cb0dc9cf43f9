"""The section `grade` of the project file: what is done to stills, and to frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import numpy as np
from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WrapValidator,
)

from timelapse.deflickersection import DeflickerSection, in_order
from timelapse.errors import ProjectError
from timelapse.grade import (
    CosmicRays,
    Deflicker,
    Denoise,
    Grade,
    HotPixels,
    Pose,
    Stabilise,
    Tone,
    Toning,
    Way,
    toning,
)
from timelapse.grade.cube import read_cube
from timelapse.grade.defects import check_place, stored_size
from timelapse.grade.hotpixels import saved_maps
from timelapse.grade.register import read_mask
from timelapse.grade.tone import check_order
from timelapse.ingest import Roll
from timelapse.ingest.xmp import Develop, sidecars
from timelapse.looks import settled
from timelapse.overlay import Share
from timelapse.retime import Timeline
from timelapse.section import Placed, Section
from timelapse.times import Seconds
from timelapse.written import Instant

#: What sidecars ask for, by the index of the still, as far as it is followed; what is to be said.
Developed = tuple[dict[int, Develop], tuple[str, ...]]


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

    def settings(self, base: Path, roll: Roll, placed: Placed) -> HotPixels:
        """Raises ProjectError at the place of what cannot be meant for a roll."""
        path = base / Path(self.map).expanduser() if self.map else None
        if path:
            with placed("grade", "hot_pixels", "map"):
                saved_maps(path)
        sizes = set(map(stored_size, roll.stills))
        for number, place in enumerate(self.known):
            with placed("grade", "hot_pixels", "known", number):
                check_place(place, sizes)
        with placed("grade", "hot_pixels"):
            return HotPixels(self.search, path, self.known, self.stills, self.sure, self.faintest)


class CosmicRaysSection(Section):
    """Takes out what hit the sensor in one still alone; see hot-pixels.md."""

    sharp: Annotated[
        float,
        Field(
            description="How much light there may be beside a hit, as a share of what the lens "
            "leaves beside a point of light, up to 1; lower is more careful."
        ),
    ] = CosmicRays().sharp

    @property
    def settings(self) -> CosmicRays:
        """Raises ProjectError."""
        return CosmicRays(self.sharp)


class StrengthKey(Section):
    """How much noise is taken out from one instant on; evenly between two."""

    at: Instant
    strength: Share


class DenoiseSection(Section):
    """Takes noise out of stills by their neighbours; see denoise.md."""

    way: Annotated[Way, Field(description="What becomes of a still and its neighbours.")] = "mean"
    reach: Annotated[int, Field(description="How many stills are asked to each side, 1 to 4.")] = 1
    strength: Annotated[Share, Field(description="How much a neighbour counts.")] = Share(1)
    keys: Annotated[
        tuple[StrengthKey, ...], Field(description="Instants at which the strength is another.")
    ] = ()

    @property
    def settings(self) -> Denoise:
        """Raises ProjectError."""
        return Denoise(self.way, self.reach, float(self.strength))

    def strengths(self, roll: Roll, timeline: Timeline, placed: Placed) -> dict[int, float]:
        """Those of the stills of a roll, by their indices, where there are keys; raises
        ProjectError at the place of a key."""
        if not self.keys:
            return {}
        instants = (key.at for key in self.keys)
        keyed = in_order(instants, timeline, placed, "grade", "denoise", "keys")
        times = [float(at - roll.first) for at in keyed]
        taken = [float(still.captured - roll.first) for still in roll.stills]
        found = np.interp(taken, times, [float(key.strength) for key in self.keys])
        return dict(enumerate(np.round(found, 6).tolist()))


_Word = Literal["auto", "off"]
_Settings = TypeVar("_Settings")


def _kind(value: object) -> str:
    return "word" if isinstance(value, str) else "settings"


#: `auto`, `off`, or settings of its own.
_Asked = Annotated[
    Annotated[_Settings, Tag("settings")] | Annotated[_Word, Tag("word")], Discriminator(_kind)
]


def _word_or_time(value: Any, read: Callable[[Any], Seconds]) -> Seconds:
    try:
        return read(value)
    except ValidationError:
        raise ProjectError(
            f"{str(value)!r} is none of auto, off and a length of time; write auto, or 15 s"
        ) from None


def _kind_or_time(value: object) -> str:
    if isinstance(value, dict | Section):
        return "settings"
    return "word" if value in get_args(_Word) else "time"


class GradeSection(Section):
    """What is done to the stills, each `off`, `auto`, or with keys of its own: `hot_pixels: auto`,
    `deflicker: 15 s`.  `tone` is that of the frames."""

    hot_pixels: Annotated[
        _Asked[HotPixelsSection],
        Field(description="Hot and dead pixels are found in the roll itself, and mended."),
    ] = "off"
    cosmic_rays: Annotated[
        _Asked[CosmicRaysSection],
        Field(description="What hit the sensor in one still alone is taken out."),
    ] = "off"
    deflicker: Annotated[
        Annotated[
            Annotated[DeflickerSection, Tag("settings")]
            | Annotated[_Word, Tag("word")]
            | Annotated[Seconds, WrapValidator(_word_or_time), Tag("time")],
            Discriminator(_kind_or_time),
        ],
        Field(description="What takes less than a time (auto: 15 s) is flicker, and taken out."),
    ] = "off"
    stabilise: Annotated[
        _Asked[Stabilise],
        Field(description="Stills are laid over each other, so that the film does not shake."),
    ] = "off"
    denoise: Annotated[
        _Asked[DenoiseSection],
        Field(description="Noise is taken out of stills by their neighbours in time."),
    ] = "off"
    sidecars: Annotated[
        _Word, Field(description="Exposure and crop of XMP files beside the stills are followed.")
    ] = "off"
    tone: Annotated[
        Tone,
        Field(
            description="How bright and of what colour frames are; see tone.md.",
            examples=[{"exposure": 0.3, "temperature": 10}],
        ),
    ] = Tone()

    def grade(self, base: Path, roll: Roll, timeline: Timeline, placed: Placed) -> Grade:
        """What is done to the stills of a roll, but for what sidecars say; `base` is where paths
        start from.  Raises ProjectError at the place of what cannot be meant."""
        stabilise = self._stabilise(base)
        if stabilise and stabilise.mask:
            with placed("grade", "stabilise", "mask"):
                read_mask(stabilise.mask)
        reference = None
        if stabilise and stabilise.reference:
            with placed("grade", "stabilise", "reference"):
                reference = roll.stills.index(roll.find(stabilise.reference))
        with placed("grade", "denoise"):
            denoise = self._denoise
        strengths = dict[int, float]()
        if isinstance(self.denoise, DenoiseSection):
            strengths = self.denoise.strengths(roll, timeline, placed)
        return Grade(
            self._hot_pixels(base, roll, placed),
            self._cosmic_rays(placed),
            self.deflickering(roll, lambda: timeline, placed),
            stabilise,
            reference,
            denoise,
            strengths,
        )

    def deflickering(
        self, roll: Roll, timeline: Callable[[], Timeline], placed: Placed
    ) -> Deflicker | None:
        """How flicker is taken out, where that is asked for; the timeline is asked for where an
        area moves.  Raises ProjectError."""
        section = self.deflicker
        if not isinstance(section, DeflickerSection):
            if section == "off":
                return None
            with placed("grade", "deflicker"):
                return Deflicker() if section == "auto" else Deflicker(section)
        with placed("grade", "deflicker"):
            settings = section.settings
        if not section.moves:
            return settings
        return replace(settings, area=section.moving(timeline(), placed))

    def toning(self, base: Path, timeline: Timeline, placed: Placed) -> tuple[Tone, Toning]:
        """The tone with its look read, and its keys in the video; raises ProjectError."""
        with placed("grade", "tone", "look"):
            tone = settled(self.tone, base)
        with placed("grade", "tone", "lut" if self.tone.lut else "look"):
            cube = read_cube(Path(tone.lut)) if tone.lut else None
        at = list[Fraction]()
        for number, key in enumerate(tone.keys):
            with placed("grade", "tone", "keys", number, "at"):
                at.append(timeline.video_of(key.at.resolve(timeline.context).time).seconds)
                if number:
                    check_order(*at[-2:])
        with placed("grade", "tone"):
            return tone, toning(tone, at, cube)

    def developed(self, roll: Roll, pose: Pose) -> Developed:
        """What XMP files ask for the stills, as far as that is followed, and what is to be said;
        `pose` is what the project itself does to them."""
        if self.sidecars == "off":
            return {}, ()
        develop, told = sidecars(roll.stills, roll.limits, embedded=True)
        own = pose.crop is not None or pose.rotate != 0
        if own and any(asked.crop or asked.angle for asked in develop.values()):
            told = (*told, "sidecars crop stills; framing says how, and is followed instead")
            develop = {at: replace(asked, crop=None, angle=0.0) for at, asked in develop.items()}
        if not develop and not told:
            told = ("grade.sidecars: no still has an XMP file that asks for anything",)
        return develop, told

    def notes(self, timeline: Timeline) -> Iterator[str]:
        """What a person should know of keys that change nothing in a clip."""
        asked = self.hot_pixels
        if isinstance(asked, HotPixelsSection) and not (asked.search or asked.map or asked.known):
            yield "grade.hot_pixels: without search, map: or known: none is mended"
        keyed: dict[str, tuple[Instant, ...]] = {"tone.keys": tuple(k.at for k in self.tone.keys)}
        if isinstance(self.denoise, DenoiseSection):
            keyed["denoise.keys"] = tuple(key.at for key in self.denoise.keys)
        if isinstance(self.deflicker, DeflickerSection):
            keyed["deflicker.area"] = self.deflicker.instants
        for name, instants in keyed.items():
            times = [timeline.video_of(at.resolve(timeline.context).time) for at in instants]
            if times and max(times).seconds < 0:
                yield f"grade.{name}: all lie before the start of the clip; only the last counts"
            for number, (at, time) in enumerate(zip(instants, times, strict=True)):
                if time.seconds > timeline.schedule.length:
                    yield f"grade.{name}[{number}]: {at.text} lies after the end of the clip"

    def _hot_pixels(self, base: Path, roll: Roll, placed: Placed) -> HotPixels | None:
        if isinstance(self.hot_pixels, HotPixelsSection):
            return self.hot_pixels.settings(base, roll, placed)
        return HotPixels() if self.hot_pixels == "auto" else None

    def _cosmic_rays(self, placed: Placed) -> CosmicRays | None:
        with placed("grade", "cosmic_rays"):
            if isinstance(self.cosmic_rays, CosmicRaysSection):
                return self.cosmic_rays.settings
        return CosmicRays() if self.cosmic_rays == "auto" else None

    def _stabilise(self, base: Path) -> Stabilise | None:
        if not isinstance(self.stabilise, Stabilise):
            return Stabilise() if self.stabilise == "auto" else None
        mask = self.stabilise.mask
        return replace(self.stabilise, mask=base / mask.expanduser()) if mask else self.stabilise

    @property
    def _denoise(self) -> Denoise | None:
        if isinstance(self.denoise, DenoiseSection):
            return self.denoise.settings
        return Denoise() if self.denoise == "auto" else None
