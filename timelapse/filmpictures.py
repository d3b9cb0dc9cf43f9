"""Pictures of a film, made from its plan: no more of it is rendered than they show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from timelapse.compare import SIDES, light_graded
from timelapse.deliver import H264
from timelapse.deliver.sheets import Axis, Tile, Version, contact_sheet, keogram, tile_width
from timelapse.errors import RenderError
from timelapse.grade import Display, Size, corrections, from_mix, to_mix
from timelapse.ingest import Pixels
from timelapse.render import Findings, Job, Progress, frames, measured
from timelapse.times import AnyTime, Rate
from timelapse.told import marks

_NAME_AT_MOST = 60
#: Times below a keogram, where it is wide enough: so many pixels for each.
_TIMES, _WIDE = 5, 60


def names(job: Job) -> tuple[tuple[str, int], ...]:
    """A file name and the frame for each milestone's picture: numbered, and named after it."""
    once = [mark for mark in marks(job) if not mark.again]
    wide = max(2, len(str(len(once))))
    return tuple(
        (f"{number:0{wide}d}-{_file_name(mark.name)}.png", mark.start)
        for number, mark in enumerate(once, 1)
    )


def _file_name(label: str) -> str:
    """A label as a part of a file name that every system takes: letters, digits and `-`."""
    words = unicodedata.normalize("NFC", label)
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else "-" for each in words)
    short = re.sub("-+", "-", kept).strip("-")[:_NAME_AT_MOST].strip("-")
    return short or "milestone"


def _versions(job: Job, first: int) -> tuple[Version, Version]:
    """A keogram's stills, of which `first` is the first, as they were taken and as corrected."""

    stills = job.plan.roll.stills

    def corrected(at: int, pixels: Pixels) -> Pixels:
        made = corrections(job.grade, job.found, stills, [first + at])
        if made.defects:
            pixels = made.defects.repairs.apply(pixels, stills[first + at])
        if gain := made.gain(0):
            pixels = from_mix(to_mix(pixels, "linear", gain=gain), "linear")
        return pixels

    before, after = SIDES
    return Version(before), Version(after, corrected)


class Preview(NamedTuple):
    """The frames of a preview, made as they are asked for; at which rate, and of what size."""

    frames: Iterator[Display]
    rate: Rate
    size: Size


class Pictures:
    """Pictures of a job's film: RGB, uint8, display light, each the caller's own.

    `findings` has the stills that proved unreadable; their neighbours stand in for them.
    """

    def __init__(self, job: Job, tick: Progress) -> None:
        self._job, self._tick = job, tick
        self.findings = Findings()

    def poster(self, at: AnyTime | None = None) -> Display:
        """The finished frame that holds an instant; of the first milestone, or from the middle,
        where none is given.  RenderError where it lies outside the clip."""
        job = self._finished
        count, number = job.plan.frames, next((mark.start for mark in marks(job)), None)
        if at is not None:
            number = job.plan.timeline.frame_of(at)
            if not 0 <= number < count:
                raise RenderError(f"{at} is frame {number}; the clip has frames 0 to {count - 1}")
        (picture,) = self._frames(job, [count // 2 if number is None else number])
        return picture

    def milestones(self) -> Iterator[tuple[str, Display]]:
        """The finished frame of each milestone, with a file name for it."""
        named = names(self._job)
        made = self._frames(self._finished, [number for _, number in named])
        return zip((name for name, _ in named), made, strict=True)

    def sheet(self, tiles: tuple[int, int], width: int) -> Display:
        """So many (columns, rows) frames, each from the middle of an equal part of the film, about
        `width` pixels wide together."""
        (columns, rows), plan = tiles, self._job.plan
        small = self._small(tile_width(width, columns))
        count = min(columns * rows, plan.frames)
        numbers = [(2 * at + 1) * plan.frames // (2 * count) for at in range(count)]
        line = plan.timeline
        shown = [
            Tile(picture, line.rate.timecode(number), line.mission_at(number).clock())
            for number, picture in zip(numbers, self._frames(small, numbers), strict=True)
        ]
        return contact_sheet(shown, columns, self._job.title)

    def preview(self, length: Fraction, rate: Rate, width: int) -> Preview:
        """Frames evenly over the whole film, for at most `length` seconds at a rate; or for as long
        as the film is."""
        plan, small = self._job.plan, self._small(width)
        length = min(length, plan.frames / Fraction(plan.timeline.rate))
        count = min(plan.frames, max(1, rate.frames_in(length)))
        numbers = [at * plan.frames // count for at in range(count)]
        return Preview(self._frames(small, numbers), Rate(count / length), small.framing.size)

    def keogram(self, column: Fraction, width: int, *, compare: bool = False) -> Display:
        """A column of each still that the film uses, over mission time; milestones are marked.

        Stills are shown as they were taken; or, to compare, so, and below as they are corrected,
        but for what moves them.  Raises RenderError where they are not.
        """
        job = measured(light_graded(self._job), self._tick) if compare else self._job
        plan = job.plan
        roll, line = plan.roll, plan.timeline
        first, last = int(plan.taps.used[0]), int(plan.taps.used[-1])
        stills = roll.stills[first : last + 1]
        start, end = stills[0].captured, stills[-1].captured + roll.interval
        span = end - start
        count = min(_TIMES, max(1, width // _WIDE))
        times = [start + span * at / max(1, count - 1) for at in range(count)]
        shares = {(line.capture_of(mark.mission) - start) / span for mark in marks(job)}
        picture, lost = keogram(
            stills,
            end,
            (width, width // 4),
            column=column,
            longest_step=roll.longest_step,
            limits=roll.limits,
            versions=_versions(job, first) if compare else (Version(),),
            axis=Axis(
                [line.mission_of(time).clock() for time in times],
                sorted(share for share in shares if 0 <= share < 1),
            ),
            progress=self._tick,
        )
        self.findings.lost |= {first + at: reason for at, reason in lost.items()}
        return picture

    # -------------------------------------------------------------- frames

    def _frames(self, job: Job, numbers: Sequence[int]) -> Iterator[Display]:
        job = measured(job)  # once, not for every picture
        for done, number in enumerate(numbers, 1):
            job = job.without(self.findings.lost)
            with closing(frames(job, number, number + 1, findings=self.findings)) as made:
                yield next(made).copy()
            self._tick(done, len(numbers))

    @property
    def _finished(self) -> Job:
        """The film, with every label in full from its first frame on."""
        full = tuple(replace(each, transition="cut") for each in self._job.milestones)
        return replace(self._job, milestones=full, format=self._format)

    def _small(self, width: int) -> Job:
        """The film at a width in pixels, without what is drawn over it: nobody could read it."""
        plan, framing = self._job.plan, self._job.framing
        height = max(16, round(Fraction(width * framing.size.height, framing.size.width) / 2) * 2)
        return replace(
            self._job,
            plan=replace(plan, marks=()),
            framing=framing.resized(Size(width // 2 * 2, height)),
            milestones=(),
            overlays=(),
            format=self._format,
        )

    @property
    def _format(self) -> H264:
        """Eight bits; with what is drawn over the film, unless it is to be without."""
        return H264(rate=self._job.format.rate, burn=self._job.format.burn is not False)
