"""The conductor: a job becomes segments, segments become parts, parts become a film.

Only what was not rendered before is rendered; what comes to light on the way (a still that cannot
be decoded) changes the plan, and with it the segments that it concerns, and no others.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from fractions import Fraction
from pathlib import Path
from shutil import copyfile
from typing import Any

from timelapse.deliver import join, probe
from timelapse.errors import EncodeError, RenderError, RollError
from timelapse.machine import cores
from timelapse.render.budget import Disk, divide
from timelapse.render.crew import Crew, Lanes
from timelapse.render.job import Findings, Job, Progress
from timelapse.render.lane import Made, StillsLost
from timelapse.render.parts import Parts, disk_errors
from timelapse.render.segment import Segment, identity, segments
from timelapse.render.stillcache import StillCache
from timelapse.render.target import check_target
from timelapse.report import Film, film_key, standing, write_report

#: Seconds from one look at the work to the next: how often progress is told.
_LOOK_EVERY = 0.1


def render(
    job: Job,
    out: Path,
    *,
    workers: int | None = None,
    memory: int | None = None,
    cache: int | None = None,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Renders a job into the film `out` and writes its report beside it; returns the report.

    Segments that an earlier render to `out` has finished are not rendered again; killed at any
    moment, `out` is absent, or what it was before, or complete.  `workers` are the cores to use
    (all, if not given), `memory` bounds this process and `cache` the stills kept on disk, both in
    bytes (0: none are kept).  `crew` makes the segments, if it is not to be this process.

    Raises RenderError, EncodeError, RollError, TextError.
    """
    began = time.monotonic()
    check_target(out, job.format.endings, job.plan.roll, [job.sound.path] if job.sound else ())
    job.compositor()  # a text that cannot be drawn is refused before any work
    with Parts(out) as parts:
        task = _Task(job, out, parts)
        try:
            film = standing(out, task.key)
            if film is None:
                task.find()
                if task.todo:
                    made_by = crew or _lanes(task.todo, workers, memory, cache)
                    with made_by:
                        task.work(made_by, progress)
                    task.notes += made_by.notes
                film = task.joined()
        except (EncodeError, RenderError) as error:
            raise type(error)(task.told(error)) from error
        counts = {"rendered": task.rendered, "reused": len(task.segments) - task.rendered}
        report = write_report(task.job, job, task.findings, out, film, counts, began, task.notes)
        parts.keep_only(task.segments)
    if progress:
        progress(job.plan.frames, job.plan.frames)
    return report


def _lanes(
    todo: Sequence[Segment], workers: int | None, memory: int | None, cache: int | None
) -> Lanes:
    share = divide(todo, workers or cores(), memory)
    return Lanes(share, StillCache(cache))


class _Task:
    """A render on its way: the segments of its job, and what has come of them."""

    def __init__(self, job: Job, out: Path, parts: Parts) -> None:
        self._asked, self._out, self._parts = job, out, parts
        self.findings, self.notes = Findings(), list[str]()
        if job.format.whole:
            self.notes.append(f"{job.format.format} is rendered whole: {job.format.whole}")
        self.rendered = 0
        self.todo: deque[Segment] = deque()
        self._made: dict[str, Made] = {}
        self._running: dict[Future[Made], Segment] = {}
        remembered = parts.lost()
        for at, still in enumerate(job.plan.roll.stills) if remembered else ():
            if at not in job.plan.lost and (why := remembered.get(repr(identity(still)))):
                self.findings.lost[at] = why
        self.job = job.without(self.findings.lost)
        self.segments = segments(self.job)

    @property
    def key(self) -> str:
        """What the finished film is known by."""
        return film_key(self.segments, self.job.tags)

    def find(self) -> None:
        """Looks for finished parts; the other segments are to be made."""
        for segment in self.segments:
            if segment.key not in self._made and (made := self._parts.find(segment)):
                self._made[segment.key] = made
        known = self._made.keys() | {segment.key for segment in self._running.values()}
        todo = {s.key: s for s in self.segments if s.key not in known}  # two may be equal
        self.todo = deque(todo.values())

    def work(self, crew: Crew, progress: Progress | None) -> None:
        """Has every segment made that is to be."""
        disk = Disk(self._out, self.job.plan.frames)
        self.notes += disk.before(self.todo)
        while self.todo or self._running:
            while self.todo and len(self._running) < crew.width:
                segment = self.todo.popleft()
                self._running[crew.make(segment, self._parts.path(segment))] = segment
            finished, _ = wait(self._running, _LOOK_EVERY, FIRST_COMPLETED)
            for future in finished:
                segment = self._running.pop(future)
                try:
                    made = future.result()
                except StillsLost as error:
                    self._lose(error)
                    continue
                self._parts.add(segment, made)
                self._made[segment.key] = made
                self.rendered += 1
                disk.after(segment.frames, made.bytes, self._left)
            if progress:
                total = self.job.plan.frames
                progress(min(total, total - self._left + crew.frames), total)

    @property
    def _left(self) -> int:
        return sum(s.frames for s in self.segments if s.key not in self._made)

    def _lose(self, error: StillsLost) -> None:
        """Plans anew without stills that cannot be decoded: their neighbours stand in for them."""
        stills = self.job.plan.roll.stills
        for at, still in enumerate(stills):
            if why := error.lost.get(str(still.file)):
                self.findings.lost[at] = why
        if len(self.findings.lost) == len(stills):
            raise RollError(f"no still can be decoded; the last: {error}") from error
        lost = self.findings.lost.items()
        self._parts.remember_lost({repr(identity(stills[at])): why for at, why in lost})
        self.job = self._asked.without(self.findings.lost)
        planned = zip(self.segments, segments(self.job), strict=True)
        self.segments = tuple(old if old.shows_as(new) else new for old, new in planned)
        self.find()

    def joined(self) -> Film:
        """The film, still under another name, once it is known to be what was planned."""
        job, format, made = self.job, self.job.format, [self._made[s.key] for s in self.segments]
        draft = self._parts.folder / f"film{self._out.suffix}.{os.getpid()}-0.draft"
        paths = [(self._parts.path(s), s.frames) for s in self.segments]
        with disk_errors(self._out):
            if format.whole:
                copyfile(paths[0][0], draft)
            else:
                join(paths, draft, format, job.tags)
        facts = probe(draft, runs=[segment.frames for segment in self.segments], decode=1)
        rate = Fraction(job.plan.timeline.rate)
        tags = job.tags
        faults = facts.faults(
            job.plan.frames, job.framing.size, rate, len(tags.chapters), tags.tracks
        )
        if facts.payloads != tuple(part.payload for part in made):
            faults.append("its coded frames are not those of its parts")
        if faults:
            raise RenderError(f"{self._out}: the film is not what was planned: {'; '.join(faults)}")
        parts = [
            {
                "first": segment.start,
                "frames": segment.frames,
                "key": segment.key,
                "pixels": part.pixels,
                "payload": part.payload,
            }
            | (
                {
                    "flow": [
                        {"first": segment.start + a, "frames": b - a, "trusted": trusted}
                        for a, b, trusted in part.followed
                    ]
                }
                if part.followed
                else {}
            )
            for segment, part in zip(self.segments, made, strict=True)
        ]
        digests = {name: digest for part in made for name, digest in part.stills.items()}
        stills = [
            {"path": os.path.abspath(file.path) if not file.archive else file.path}  # noqa: PTH100
            | ({"archive": os.path.abspath(file.archive)} if file.archive else {})  # noqa: PTH100
            | ({"frame": list(file.frame)} if file.frame else {})
            | {"xxh3": digests[str(file)]}
            for file in (still.file for still in job.plan.roll.stills)
            if str(file) in digests
        ]
        return Film.of(draft, facts, self.key, parts, stills)

    def told(self, error: Exception) -> str:
        """An error in words for the person who asked for the film, not for its parts."""
        inside = re.escape(str(self._parts.folder)) + r"/[\w.-]+"
        words = re.sub(inside, lambda _: str(self._out), str(error))
        kept = sum(segment.key in self._made for segment in self.segments)
        done = f"; {kept} of {len(self.segments)} segments are kept for the next render"
        return f"{words}; what was there is unchanged{done if kept else ''}"
