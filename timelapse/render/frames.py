"""Finished frames one by one, for those who want to look at them or do something else with them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from timelapse.errors import RenderError, RollError, StillError
from timelapse.grade import Display
from timelapse.render.job import Findings, Job
from timelapse.render.lane import Lane
from timelapse.render.looks import measured
from timelapse.render.segment import Rounding, Segment, cut
from timelapse.render.stillcache import StillCache
from timelapse.times import AnyTime


def frames(
    job: Job,
    start: int = 0,
    stop: int | None = None,
    *,
    workers: int = 2,
    findings: Findings | None = None,
) -> Generator[Display]:
    """The finished frames [start, stop): H x W x 3, RGB, uint8, display light; of overlays alone
    H x W x 4, with straight alpha.

    Each array is the generator's and holds until the next frame is asked for.  A still that
    proves unreadable is done without, from the first frame that would have shown it: its
    neighbours stand in, nothing moves in time, and `findings` says so.  `workers` threads decode.
    """
    findings, job = findings if findings is not None else Findings(), measured(job)
    stop = job.plan.frames if stop is None else stop
    segment = _shown(job, start, stop)
    with Lane(segment, StillCache(), decoders=workers) as lane:
        while start < stop:
            try:
                for frame in lane.frames(segment):
                    yield frame
                    start += 1
            except StillError as error:
                stills = job.plan.roll.stills
                lost = next(at for at, s in enumerate(stills) if str(s.file) == error.path)
                findings.lost[lost] = error.reason
                if len(findings.lost) == len(stills):
                    raise RollError(f"no still can be decoded; the last: {error}") from error
                segment = _shown(job.without(findings.lost), start, stop)


def _shown(job: Job, start: int, stop: int) -> Segment:
    """Frames as a screen shows them, whatever the depth of the film."""
    segment = cut(job, start, stop)
    rounding: Rounding = "dithered" if job.dithers else "nearest"
    return replace(segment, rounding=rounding) if segment.rounding == "deep" else segment


def still(job: Job, at: AnyTime, findings: Findings | None = None) -> Display:
    """The finished frame that holds an instant; RenderError where it lies outside the clip."""
    number = job.plan.timeline.frame_of(at)
    if not 0 <= number < job.plan.frames:
        raise RenderError(f"{at} is frame {number}; the clip has frames 0 to {job.plan.frames - 1}")
    with closing(frames(job, number, number + 1, findings=findings)) as made:
        return next(iter(made)).copy()
