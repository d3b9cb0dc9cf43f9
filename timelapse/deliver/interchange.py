"""The cut for other editors, as OpenTimelineIO: stills, how fast they play, and the milestones.

An editor has no blends, and plays stills at constant speeds.  So the plan becomes clips: frame n of
a clip, from 0, shows the media's instant `start + n * time_scalar`, counted in stills, where each
stands until the next one was taken.  A clip ends where the schedule jumps, and where its next frame
would be off by more than a quarter of a still.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver.captions import one_line
from timelapse.deliver.marks import Film, Mark
from timelapse.errors import EncodeError
from timelapse.ingest import Still
from timelapse.retime import Plan, Schedule
from timelapse.times import VideoTime

#: How far from what is planned a frame may be, in stills.
TOLERANCE = 0.25
#: What is kept of that for rounding: places and speeds are written to so many decimals, beyond
#: which there is nothing but noise.
_ROOM, _PLACE_DIGITS, _SPEED_DIGITS = 1e-3, 7, 10
#: A moment on each side of a corner, in seconds; what changes by more in it has jumped.
_MOMENT, _CHANGE = Fraction(1, 10**9), Fraction(1, 10**4)
#: The last number before the ending.
_NAME = re.compile(r"(.*?)(\d+)(\D*(?:\.\w*)?)", re.DOTALL)
_SAYS = (
    "Frame n of a clip, counted from 0, shows the media's instant start + n x time_scalar. Rates "
    "are one still a frame. What the film blends is not blended here."
)


def library() -> Any:
    """OpenTimelineIO; EncodeError with the remedy where it is not installed."""
    try:
        import opentimelineio
    except ImportError as error:
        raise EncodeError(
            "a .otio file needs OpenTimelineIO; install it with pip install 'timelapse[otio]'"
        ) from error
    return opentimelineio


# ------------------------------------------------------------------ stills as media


@dataclass(frozen=True)
class Numbered:
    """Stills as one sequence of files: names are a prefix, a number of at least `digits` digits,
    and a suffix; numbers start at `first` and rise by `step`.  `places` has each still's frame."""

    folder: Path
    prefix: str
    suffix: str
    digits: int
    first: int
    step: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, stills: Sequence[Still]) -> Numbered | None:
        """The sequence that stills are; None where their names make none, or half of it is missing.

        What is missing is held: the still before it stands for longer.
        """
        split = [os.path.split(still.file.path) for still in stills]
        names = [match.groups() for _, name in split if (match := _NAME.fullmatch(name))]
        if len(names) < len(stills):
            return None
        folders = {folder for folder, _ in split}
        heads = {(prefix, suffix) for prefix, _, suffix in names}
        numbers = [int(number) for _, number, _ in names]
        digits = min(len(number) for _, number, _ in names)
        steps = {after - before for before, after in pairwise(numbers)} or {1}
        step = min(steps)
        regular = (
            len(folders) == len(heads) == 1
            and all(number == f"{int(number):0{digits}d}" for _, number, _ in names)
            and step > 0
            and not any(each % step for each in steps)
            and numbers[-1] - numbers[0] < 2 * step * len(numbers)
        )
        if not regular:
            return None
        folder, (prefix, suffix) = folders.pop(), heads.pop()
        places = tuple((number - numbers[0]) // step for number in numbers)
        return cls(Path(folder).absolute(), prefix, suffix, digits, numbers[0], step, places)


@dataclass(frozen=True)
class Stretch:
    """The frames [start, stop) of a film at one speed: stills a frame, from `place` on, which is
    where `start` is among the stills; no frame is off by more than `error` stills."""

    start: int
    stop: int
    place: float
    speed: float
    error: float


def stretches(plan: Plan, places: Sequence[int] | None = None) -> Iterator[Stretch]:
    """A plan at constant speeds.  `places` are where the stills stand on the media, rising; where
    not given, one after the other."""
    stills = plan.roll.stills
    taken = np.array([float(still.captured - plan.roll.first) for still in stills])
    latest = np.append(np.diff(taken) > 0, True)  # of stills of one instant the last one is shown
    stand = np.arange(len(stills)) if places is None else np.array(places)
    for start, since in _runs(plan):
        yield from _straight(np.interp(since, taken[latest], stand[latest]), start)


def _runs(plan: Plan) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Runs of frames without a jump between them: the first one's number, and when each was, in
    seconds since the first still."""
    line, schedule = plan.timeline, plan.timeline.schedule
    jumps = {min(line.rate.frames_in(at.seconds), plan.frames) for at in _jumps(schedule)}
    for start, stop in pairwise(sorted({0, plan.frames, *jumps})):
        leg = schedule.route.leg_at(schedule.route_of(line.rate.time_of(start)))
        zero = line.epoch + leg.mission_at(schedule.start.seconds) - plan.roll.first
        yield (
            start,
            float(zero) + leg.step * schedule.routes(np.arange(start, stop) / float(line.rate)),
        )


def _jumps(schedule: Schedule) -> Iterator[VideoTime]:
    """Where the speed or what is shown changes at once; not where a ramp only starts or ends."""
    for corner in schedule.corners:
        before, after = corner - _MOMENT, corner + _MOMENT
        faster = schedule.speed_at(after) - schedule.speed_at(before)
        passed = schedule.mission_of(after) - schedule.mission_of(before)
        if max(abs(faster), abs(passed)) > _CHANGE:
            yield corner


def _straight(where: NDArray[np.float64], first: int) -> Iterator[Stretch]:
    """The longest stretches that each keep to the tolerance, one after the other."""
    start, reach = 0, TOLERANCE - _ROOM
    while start < len(where):
        base, low, high, stop = where[start], -np.inf, np.inf, start + 1
        while stop < len(where):
            nearest = (where[stop] - base - reach) / (stop - start)
            farthest = (where[stop] - base + reach) / (stop - start)
            if max(low, nearest) > min(high, farthest):
                break
            low, high, stop = max(low, nearest), min(high, farthest), stop + 1
        count = stop - start
        direct = (where[stop - 1] - base) / max(1, count - 1)
        speed = float(round(min(max(direct, low), high), _SPEED_DIGITS))
        off = np.abs(base + speed * np.arange(count) - where[start:stop]).max()
        yield Stretch(
            first + start, first + stop, float(round(base, _PLACE_DIGITS)), speed, float(off)
        )
        start = stop


# ------------------------------------------------------------------ the timeline


def otio(plan: Plan, film: Film, marks: Sequence[Mark]) -> str:
    """The film's cut as an OTIO timeline: a track of clips of the stills, with their time warps,
    and the milestones as markers on exactly their frames.

    Where the stills are numbered files, they are one image sequence; else each is a clip of its
    own, which stands from its capture to the next one's.  EncodeError where the library is
    missing, or the stills are no files of their own.
    """
    otio = library()
    stills = plan.roll.stills
    if any(still.file.archive or still.file.frame for still in stills):
        raise EncodeError(
            "a .otio file names still files, and these are in an archive or a video; unpack them "
            "into a folder and make that the roll"
        )
    timeline = otio.schema.Timeline(one_line(film.title) or film.path.stem)
    make = _Maker(otio, film)
    timeline.global_start_time = make.time(0)
    track = otio.schema.Track("stills", kind=otio.schema.TrackKind.Video)
    numbered = Numbered.of(stills)
    clips = make.warped(plan, numbered) if numbered else make.held(plan)
    track.extend(list(clips))
    timeline.tracks.append(track)
    timeline.tracks.markers.extend([make.marker(mark) for mark in marks])
    timeline.metadata["timelapse"] = {
        "says": _SAYS,
        "rate": str(film.rate),
        "frames": film.frames,
        "epoch": plan.timeline.epoch.iso(3),
        "film": film.path.absolute().as_uri(),
        "stills_off_at_most": TOLERANCE if numbered else 0.0,
    }
    return str(timeline.to_json_string(indent=1))


class _Maker:
    """Makes the parts of a timeline; all its times are in frames."""

    def __init__(self, otio: Any, film: Film) -> None:
        self._otio, self._rate = otio, float(film.rate)
        self._exact = film.rate

    def time(self, frames: float) -> Any:
        return self._otio.opentime.RationalTime(frames, self._rate)

    def span(self, start: float, length: int) -> Any:
        return self._otio.opentime.TimeRange(self.time(start), self.time(length))

    def marker(self, mark: Mark) -> Any:
        return self._otio.schema.Marker(
            name=one_line(mark.name),
            marked_range=self.span(mark.start, mark.stop - mark.start),
            color="YELLOW" if mark.again else "RED",
            metadata={
                "timelapse": {
                    "frame": mark.start,
                    "timecode": self._exact.timecode(mark.start),
                    "mission": str(mark.mission),
                    "capture": str(mark.capture) if mark.capture else None,
                }
            },
            comment=mark.note,
        )

    def warped(self, plan: Plan, media: Numbered) -> Iterator[Any]:
        """Clips of one sequence of stills, each at its speed."""
        schema = self._otio.schema
        for piece in stretches(plan, media.places):
            hold = schema.ImageSequenceReference.MissingFramePolicy.hold
            reference = schema.ImageSequenceReference(
                target_url_base=f"{media.folder.as_uri()}/",
                name_prefix=media.prefix,
                name_suffix=media.suffix,
                start_frame=media.first,
                frame_step=media.step,
                rate=self._rate,
                frame_zero_padding=media.digits,
                missing_frame_policy=hold,
                available_range=self.span(0, media.places[-1] + 1),
            )
            clip = schema.Clip(
                name=f"{media.prefix}{media.suffix}",
                media_reference=reference,
                source_range=self.span(piece.place, piece.stop - piece.start),
            )
            held = piece.speed == 0
            clip.effects.append(
                schema.FreezeFrame() if held else schema.LinearTimeWarp(time_scalar=piece.speed)
            )
            clip.metadata["timelapse"] = {
                "frame": piece.start,
                "mission": plan.timeline.mission_at(piece.start).clock(3),
                "speed": round(float(plan.timeline.speed_at(piece.start)), 6),
                "stills_off": round(piece.error, 6),
            }
            yield clip

    def held(self, plan: Plan) -> Iterator[Any]:
        """A clip for each still in turn, which stands still."""
        schema, stills = self._otio.schema, plan.roll.stills
        shown = _latest(plan)
        edges = [0, *(np.flatnonzero(np.diff(shown)) + 1).tolist(), len(shown)]
        for start, stop in pairwise(edges):
            still = stills[int(shown[start])]
            path = Path(still.file.path).absolute()
            reference = schema.ExternalReference(path.as_uri(), self.span(0, 1))
            clip = schema.Clip(still.name, reference, self.span(0, stop - start))
            clip.effects.append(schema.FreezeFrame())
            clip.metadata["timelapse"] = {"frame": start, "capture": str(still.captured)}
            yield clip


def _latest(plan: Plan) -> NDArray[Any]:
    """The still that stands on each frame: the last that was taken by then."""
    roll, left = plan.roll, plan.lost | set(plan.roll.bridged)
    kept = np.array([at for at in range(len(roll.stills)) if at not in left])
    taken = np.array([float(roll.stills[at].captured - roll.first) for at in kept.tolist()])
    since = np.concatenate([seconds for _, seconds in _runs(plan)])
    shown = np.searchsorted(taken, since + 10.0**-_PLACE_DIGITS, "right")
    return kept[np.maximum(shown - 1, 0)]
