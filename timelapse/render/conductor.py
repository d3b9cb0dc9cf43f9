"""The conductor: jobs become segments, segments become parts, parts become films.

Only what was not rendered before is rendered, and what several films show is made once for all.
What comes to light on the way (a still that cannot be decoded) changes the plans, and with them the
segments that it concerns, and no others.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from timelapse.errors import EncodeError, RenderError, RollError
from timelapse.grade import Framing
from timelapse.machine import cores
from timelapse.render.budget import Disk, divide
from timelapse.render.crew import Crew, Lanes
from timelapse.render.job import Job, Progress
from timelapse.render.lane import Made, StillsLost
from timelapse.render.limit import trial
from timelapse.render.looks import measured
from timelapse.render.making import Making
from timelapse.render.parts import Parts
from timelapse.render.segment import Bundle, Segment, spans
from timelapse.render.stillcache import StillCache
from timelapse.render.target import check_target

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
    means: Any = {"workers": workers, "memory": memory, "cache": cache, "crew": crew}
    return render_all([(job, out)], progress=progress, **means)[0]


def render_all(
    films: Sequence[tuple[Job, str | Path]],
    *,
    workers: int | None = None,
    memory: int | None = None,
    cache: int | None = None,
    crew: Crew | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Renders several films of one roll; returns their reports, in that order.

    Jobs that have one plan (the same object) are made of one pass over the stills: each is decoded
    once a segment, at a scale that suffices for all.  Every film has its parts and its report, as
    if it were rendered alone, and takes its name as soon as it is finished; what is finished when
    something fails stays, and is not rendered again.  Otherwise as `render`.
    """
    began = time.monotonic()
    wanted = [(job, Path(out)) for job, out in films]
    for job, out in wanted:  # what cannot be meant is refused before any work
        format, heard = job.format, job.sound.files if job.sound else ()
        check_target(out, format.endings, job.plan.roll, heard, folder=format.folder)
        held = {"captions": bool(job.tags.captions), "sound": bool(job.sound)}
        format.check(out, job.framing.size, **held)
        job.compositor()
    _check_names([out for _, out in wanted])
    jobs = _measured([job for job, _ in wanted])
    with ExitStack() as locks:
        makings = [
            Making(job, out, locks.enter_context(Parts(out)))
            for job, (_, out) in zip(jobs, wanted, strict=True)
        ]
        work = _Work(makings, began, progress)

        def lanes(todo: Sequence[Bundle]) -> Crew:
            return Lanes(divide(todo, workers or cores(), memory), StillCache(cache))

        try:
            work.do(lanes if crew is None else lambda _: crew)
        except (EncodeError, RenderError) as error:
            raise type(error)(work.told(error)) from error
    if progress:
        progress(work.total, work.total)
    return [making.report for making in makings if making.report]


def _measured(jobs: Sequence[Job]) -> list[Job]:
    """Jobs with all that is to be found in the stills; what is followed is looked for once."""
    found, tracks = list[Job](), dict[Any, Any]()
    for job, others in zip(jobs, _beside(jobs), strict=True):
        known = replace(job, tracks={**tracks, **job.tracks}) if tracks else job
        if found and (found[0].grade, found[0].plan.roll) == (job.grade, job.plan.roll):
            # What is asked of the stills as they are is the same for all sizes.
            known = replace(known, found=replace(found[0].found, optics=None, noise=None))
        found.append(measured(known, beside=others))
        tracks |= found[-1].tracks
    return found


def _beside(jobs: Sequence[Job]) -> list[list[Framing]]:
    """For each job the framings of the others that are made of the same decoding."""
    passes = [(id(job.plan), spans(job), job.format.burn == "alone") for job in jobs]
    found = []
    for job, one in zip(jobs, passes, strict=True):
        others = (j.framing for j, other in zip(jobs, passes, strict=True) if other == one)
        found.append([f for f in dict.fromkeys(others) if f != job.framing])
    return found


def _check_names(outs: Iterable[Path]) -> None:
    seen: dict[Path, Path] = {}
    for out in outs:
        if (other := seen.setdefault(out.resolve(), out)) is not out:
            raise RenderError(f"{out}: two films would have this name, {other}; name them apart")


class _Item(NamedTuple):
    """A segment that is to be made, and the film that it is for."""

    making: Making
    segment: Segment


class _Work:
    """All that is done for the films of one render."""

    def __init__(self, makings: Sequence[Making], began: float, progress: Progress | None) -> None:
        self._makings, self._began, self._progress = makings, began, progress
        self.total = sum(making.asked.plan.frames for making in makings)
        self._todo: deque[list[_Item]] = deque()
        self._running: dict[Future[list[Made]], list[_Item]] = {}
        self._disk = Disk(makings[0].out)
        self._notes: list[str] = []
        lost: dict[str, str] = {}
        for making in makings:
            lost |= making.remembered
        for making in makings:
            making.lose(lost)
        self._replan()

    @property
    def _open(self) -> list[Making]:
        """The films that have not taken their names."""
        return [making for making in self._makings if not making.report]

    def do(self, crew_for: Callable[[Sequence[Bundle]], Crew]) -> None:
        """Makes every film that is not there."""
        for making in self._makings:
            if not making.unsized:
                making.stands(self._began)
        self._look()
        self._advance(())
        if not self._todo:
            return
        crew = crew_for([_bundle(items) for items in self._bundles(whole=self._sizing)])
        with crew:
            todo = [(_missing(making), making.job.plan.frames) for making in self._open]
            self._notes += self._disk.before(todo)
            while self._todo or self._running:
                while self._todo and len(self._running) < crew.width:
                    items = self._todo.popleft()
                    paths = [making.parts.path(segment) for making, segment in items]
                    self._running[crew.make(_bundle(items), paths)] = items
                finished, _ = wait(self._running, _LOOK_EVERY, FIRST_COMPLETED)
                for future in finished:
                    self._take(future, self._running.pop(future))
                if self._progress and not self._sizing:
                    left = sum(making.left for making in self._open)
                    self._progress(min(self.total, self.total - left + crew.frames), self.total)
                if finished:
                    self._advance(crew.notes)

    # -------------------------------------------------------------- what is to be made

    @property
    def _sizing(self) -> bool:
        """Whether films wait for trials, which decide how they are coded."""
        return any(making.unsized for making in self._open)

    def _look(self) -> None:
        """Looks for finished parts; what is left is to be made.  Trials come first: whoever waits
        for them is then made of the same pass as all others."""
        if not self._sizing:
            self._todo = deque(self._bundles())
            return
        busy = self._busy
        for making in self._open:
            for bundle in _trials(making) if making.unsized else ():
                items = [_Item(making, segment) for segment in bundle.segments]
                if left := [item for item in items if not self._found(item, busy)]:
                    self._todo.append(left)

    def _bundles(self, whole: bool = False) -> list[list[_Item]]:
        """What can be made together, of all that is missing; or of the `whole` films."""
        busy = self._busy
        found: dict[Any, list[_Item]] = {}
        for making in self._open:
            for segment in making.segments:
                item = _Item(making, segment)
                if whole or not self._found(item, busy):
                    busy.add(segment.key)
                    shown = (*segment.together, id(making.job.plan))
                    found.setdefault(shown, []).append(item)
        return [found[shown] for shown in sorted(found, key=lambda shown: shown[:2])]

    @property
    def _busy(self) -> set[str]:
        """What somebody is at work on."""
        return {segment.key for items in self._running.values() for _, segment in items}

    def _found(self, item: _Item, busy: set[str]) -> bool:
        """Whether a segment is finished, here or for another film, or will be."""
        making, segment = item
        if segment.key in making.made or segment.key in busy:
            return True
        if made := making.parts.find(segment):
            making.made[segment.key] = made
            return True
        return any(making.take(segment, other) for other in self._makings if other is not making)

    # -------------------------------------------------------------- what has been made

    def _take(self, future: Future[list[Made]], items: list[_Item]) -> None:
        """Takes a finished bundle; films that show the same segment get it too."""
        try:
            made = future.result()
        except StillsLost as error:
            self._lose(error)
            return
        for (making, segment), part in zip(items, made, strict=True):
            making.add(segment, part)
            self._disk.made(making.out, segment.frames, part.bytes)
            for other in self._open:
                if other.wants(segment.key):
                    other.take(segment, making)
        self._disk.after([(m.out, m.left + m.job.plan.frames) for m in self._open])

    def _advance(self, told: Sequence[str]) -> None:
        """Goes on with every film that has all it waits for."""
        for making in self._open:
            if making.unsized:
                trials = _trials(making)
                if all(s.key in making.made for bundle in trials for s in bundle.segments):
                    _size(making, trials)
                    self._look()
            # A film that is to be coded otherwise may have been coded so before.
            while not making.unsized and not making.left:
                if making.finish(self._began, (*self._notes, *told)):
                    break
                self._look()

    def _lose(self, error: StillsLost) -> None:
        """Plans anew without stills that cannot be decoded: their neighbours stand in for them."""
        for making in self._open:
            making.lose(error.lost)
            if len(making.findings.lost) == len(making.asked.plan.roll.stills):
                raise RollError(f"no still can be decoded; the last: {error}") from error
            making.remember()
        self._replan()
        self._look()

    def _replan(self) -> None:
        """Plans every film without the stills that were lost; jobs of one plan still have one."""
        plans: dict[int, Any] = {}
        for making in self._makings:
            plan, lost = making.asked.plan, making.findings.lost
            if id(plan) not in plans:
                plans[id(plan)] = plan.without(*lost) if lost else plan
        jobs = [replace(m.asked, plan=plans[id(m.asked.plan)]) for m in self._makings]
        for making, job, others in zip(self._makings, jobs, _beside(jobs), strict=True):
            making.plan(job, others)

    def told(self, error: Exception) -> str:
        """An error in words for the person who asked for the films, not for their parts."""
        words = str(error)
        for making in self._makings:
            inside = re.escape(str(making.parts.folder)) + r"/[\w.-]+"
            words = re.sub(inside, lambda _, out=making.out: str(out), words)  # type: ignore[misc]
        there = [str(making.out) for making in self._makings if making.report]
        every = [(making, segment) for making in self._open for segment in making.segments]
        kept = sum(segment.key in making.made for making, segment in every)
        done = f"; {kept} of {len(every)} segments are kept for the next render" if kept else ""
        made = f"; finished: {', '.join(there)}" if there else ""
        return f"{words}; what was there is unchanged{done}{made}"


def _bundle(items: Sequence[_Item]) -> Bundle:
    return Bundle(tuple(segment for _, segment in items))


def _missing(making: Making) -> list[Segment]:
    return [segment for segment in making.segments if segment.key not in making.made]


def _trials(making: Making) -> list[Bundle]:
    """Runs of frames that tell how large a film will be."""
    assert making.search is not None
    return trial(making.job, making.search.trial_crfs, making.beside)


def _size(making: Making, trials: Sequence[Bundle]) -> None:
    """Chooses the crf that a film begins with."""
    search = making.search
    assert search is not None
    sizes = [sum(making.made[bundle.segments[at].key].bytes for bundle in trials) for at in (0, 1)]
    frames = sum(bundle.first.frames for bundle in trials)
    pairs = dict(zip(search.trial_crfs, sizes, strict=True))
    search.foretell(pairs, frames, making.job.plan.frames)
    making.sized(search.guess())
