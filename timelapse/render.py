"""The conductor: a job becomes frames, frames become a film, the film is held against its plan.

The only file that knows the whole chain: stills are decoded ahead in threads, each once; frames
are mixed and labelled in a thread of their own; the caller's thread feeds the encoder.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from glob import escape
from itertools import count, groupby
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import H264, PICTURE_ENDINGS, Chapter, Colours, Encoder, Format, Tags
from timelapse.errors import EncodeError, RenderError, RollError, StillError
from timelapse.grade import Display, Framing, Linear, to_display, to_linear
from timelapse.ingest import Reader, Roll, Status, decode
from timelapse.overlay import (
    Compositor,
    Cue,
    Milestone,
    Overlay,
    PlacedMilestone,
    cues,
    place_milestones,
)
from timelapse.report import FrameHashes, finish, report_path
from timelapse.retime import Plan, mix
from timelapse.times import AnyTime

if TYPE_CHECKING:
    from av import VideoFrame

#: Frames that may wait for the encoder: enough to even out its look-ahead, little memory.
_FRAMES_AHEAD = 4

Progress = Callable[[int, int], None]
#: Tells renders of one process apart.
_renders = count()


@dataclass(frozen=True, eq=False)
class Job:
    """All that decides a film: what is shown when (`plan`), where in the frame (`framing`), what
    is written over it, and how it is delivered."""

    plan: Plan
    framing: Framing
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    format: Format = field(default_factory=H264)
    title: str = ""
    comment: str = ""
    notes: tuple[str, ...] = ()

    @cached_property
    def placed(self) -> tuple[PlacedMilestone, ...]:
        """The milestones on all three clocks, in the order of the clip."""
        placed = place_milestones(self.milestones, self.plan.timeline)
        return tuple(sorted(placed, key=lambda milestone: milestone.video))

    @cached_property
    def cues(self) -> tuple[Cue, ...]:
        return cues(self.milestones, self.overlays, self.plan.timeline)

    def render(
        self, out: str | Path, *, workers: int = 2, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Renders the film `out`; see `render`."""
        return render(self, Path(out), workers=workers, progress=progress)

    def compositor(self) -> Compositor:
        """What draws the overlays; raises TextError where a text cannot be drawn."""
        return Compositor(self.cues, self.framing.size)

    @property
    def tags(self) -> Tags:
        """The film's own title, creation time (the first frame's capture time) and chapters."""
        timeline, roll = self.plan.timeline, self.plan.roll
        created = timeline.capture_of(timeline.schedule.start) if roll.dated else None
        return Tags(self.title, created, self.comment, self._chapters)

    @property
    def _chapters(self) -> tuple[Chapter, ...]:
        shown = [m for m in self.placed if 0 <= m.frame < self.plan.frames]
        if not shown:
            return ()
        rate = self.plan.timeline.rate
        titles = {0: self.title or "Start"}  # players want the first chapter to start the film
        for frame, together in groupby(shown, key=lambda milestone: milestone.frame):
            titles[frame] = " / ".join(milestone.text for milestone in together)
        starts = [rate.time_of(frame) for frame in titles]
        ends = [*starts[1:], rate.time_of(self.plan.frames)]
        return tuple(map(Chapter, titles.values(), starts, ends))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before rendering."""
        found = [*self.plan.roll.warnings, *self.plan.warnings, *self.notes]
        found += [
            f"milestone {milestone.text!r} lies outside the clip, at {milestone.video}"
            for milestone in self.placed
            if milestone.shown_from == milestone.shown_to
        ]
        return tuple(found)


class _Supply:
    """Stills in linear light at frame size: decoded ahead in threads, each once, and dropped after
    the last frame that shows them.  Memory is bounded by the plan's widest row."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job, self._workers = job, workers
        self._reader = Reader()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._ready: dict[int, Future[Linear]] = {}
        self._spare: list[Linear] = []
        self._order: deque[int] = deque()
        self._last_use: NDArray[np.int64] = np.empty(0, np.int64)

    def follow(self, plan: Plan, start: int, stop: int) -> None:
        """Says which frames are wanted next, by a plan that may have changed."""
        taps = plan.taps
        wanted = taps.stills[taps.starts[start] : taps.starts[stop]]
        stills, first = np.unique(wanted, return_index=True)
        self._order = deque(int(s) for s in stills[np.argsort(first)] if s not in self._ready)
        self._last_use = taps.last_use(len(plan.roll.stills))

    def take(self, stills: NDArray[np.int32], frame: int) -> list[Linear]:
        """The stills of one frame; valid until the next call.  Raises StillError."""
        for still in [s for s in self._ready if self._last_use[s] < frame]:
            done = self._ready.pop(still)
            if not done.cancel() and done.exception() is None:
                self._spare.append(done.result())
        for still in stills.tolist():
            if still not in self._ready:
                self._submit(still)
        room = self._job.plan.taps.widest + self._workers + 1
        while self._order and len(self._ready) < room:
            still = self._order.popleft()
            if still not in self._ready:
                self._submit(still)
        return [self._ready[still].result() for still in stills.tolist()]

    def drop(self, still: int) -> None:
        self._ready.pop(still, None)

    def _submit(self, still: int) -> None:
        buffer = self._spare.pop() if self._spare else None
        self._ready[still] = self._pool.submit(self._load, still, buffer)

    def _load(self, index: int, buffer: Linear | None) -> Linear:
        still = self._job.plan.roll.stills[index]
        framing = self._job.framing
        pixels = decode(self._reader, still, framing.scaled(still.size))
        return to_linear(framing.apply(pixels), buffer)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(None, None, None)


@dataclass
class Findings:
    """What came to light only while rendering: stills that proved unreadable, by index, with the
    decoder's reason."""

    lost: dict[int, str] = field(default_factory=dict)

    def warnings(self, job: Job) -> list[str]:
        """What a person should know of them."""
        stills = job.plan.roll.stills
        return [
            f"{stills[at].file}: {reason}; its neighbours stand in for it"
            for at, reason in self.lost.items()
        ]

    def corrected(self, job: Job) -> Job:
        """The job as it was carried out: planned without the stills that were lost."""
        plan = job.plan
        for still in self.lost:
            plan = plan.without(still)
        return replace(job, plan=plan)


def frames(
    job: Job,
    start: int = 0,
    stop: int | None = None,
    *,
    workers: int = 2,
    findings: Findings | None = None,
) -> Generator[Display]:
    """The finished frames [start, stop): H x W x 3, RGB, uint8, display light.

    Each array is the generator's and holds until the next frame is asked for.  A still that
    proves unreadable is done without, from the first frame that would have shown it: its
    neighbours stand in, nothing moves in time, and `findings` says so.
    """
    plan, findings = job.plan, findings if findings is not None else Findings()
    stop = plan.frames if stop is None else stop
    compositor = job.compositor()
    height, width = job.framing.size.height, job.framing.size.width
    mixed = np.empty((height, width, 3), np.uint16)
    scratch = np.empty((height, width, 3) if plan.taps.widest > 2 else 0, np.float32)
    clean = np.empty((height, width, 3), np.uint8)
    labelled = np.empty_like(clean)
    supply = _Supply(job, workers)
    with closing(supply):
        supply.follow(plan, start, stop)
        shown: tuple[bytes, bytes] | None = None
        for number in range(start, stop):
            while True:
                stills, weights = plan.taps.row(number)
                try:
                    pictures = supply.take(stills, number)
                    break
                except StillError as error:
                    lost = next(s for s in stills.tolist() if _names(plan, s) == error.path)
                    findings.lost[lost] = error.reason
                    if len(findings.lost) == len(plan.roll.stills):
                        raise RollError(f"no still can be decoded; the last: {error}") from error
                    supply.drop(lost)
                    plan = plan.without(lost)
                    supply.follow(plan, number, stop)
            row = stills.tobytes(), weights.tobytes()
            if row != shown:
                if scratch.size == 0 and len(pictures) > 2:
                    scratch = np.empty((height, width, 3), np.float32)
                to_display(mix(pictures, weights, mixed, scratch), clean)
                shown = row
            if compositor.shows(number):
                np.copyto(labelled, clean)
                compositor.draw(labelled, number)
                yield labelled
            else:
                yield clean


def _names(plan: Plan, still: int) -> str:
    return str(plan.roll.stills[still].file)


def still(job: Job, at: AnyTime, findings: Findings | None = None) -> Display:
    """The finished frame that holds an instant; RenderError where it lies outside the clip."""
    number = job.plan.timeline.frame_of(at)
    if not 0 <= number < job.plan.frames:
        raise RenderError(f"{at} is frame {number}; the clip has frames 0 to {job.plan.frames - 1}")
    with closing(frames(job, number, number + 1, findings=findings)) as made:
        return next(iter(made)).copy()


def _in_thread(make: Callable[[], Iterator[Any]], ahead: int) -> Generator[Any]:
    """Runs an iterator in a thread of its own, at most `ahead` items before its consumer."""
    queue: Queue[Any] = Queue(ahead)
    stopped, end = Event(), object()

    def run() -> None:
        try:
            for item in make():
                if stopped.is_set():
                    return
                queue.put(item)
            queue.put(end)
        except BaseException as error:
            queue.put(error)

    thread = Thread(target=run, name="frames", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not end:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            with suppress(Exception):
                queue.get(timeout=0.05)


def render(
    job: Job, out: Path, *, workers: int = 2, progress: Progress | None = None
) -> dict[str, Any]:
    """Renders a job into the film `out` and writes its report beside it; returns the report.

    The film is written beside its target, probed, and renamed: at every moment `out` is absent,
    or what it was before, or complete.  Raises RenderError, EncodeError, RollError, TextError.
    """
    began = time.monotonic()
    check_target(out, job.format.endings, job.plan.roll)
    part = out.with_name(f".{out.name}.{os.getpid()}-{next(_renders)}.part")
    _clear_stale_parts(out)
    findings, hashes = Findings(), FrameHashes()
    job.compositor()  # a text that cannot be drawn is refused before any work

    def made() -> Iterator[VideoFrame]:
        colours = Colours(job.format.pixels)
        for frame in frames(job, workers=workers, findings=findings):
            yield colours.convert(frame)

    total = job.plan.frames
    try:
        with (
            Encoder(part, job.framing.size, job.format, job.tags) as encoder,
            closing(_in_thread(made, _FRAMES_AHEAD)) as queue,
        ):
            for number, frame in enumerate(queue):
                hashes.add(
                    frame.to_ndarray()
                )  # here, where there is time: x264 has its own threads
                encoder.write(frame)
                if progress:
                    progress(number + 1, total)
        return finish(job, part, out, hashes, findings, began)
    except (EncodeError, RenderError) as error:
        told = str(error).replace(str(part), str(out))
        raise type(error)(f"{told}; what was there is unchanged") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def check_target(out: Path, endings: tuple[str, ...], roll: Roll | None = None) -> None:
    """Refuses, before any work, a target that cannot be written or that is a file of the roll.

    Raises RenderError.
    """
    if out.suffix.lower() not in endings:
        raise RenderError(f"{out}: its name has to end in {' or '.join(endings)}")
    if not out.parent.is_dir():
        raise RenderError(f"{out.parent}: there is no such folder; make it first")
    if not os.access(out.parent, os.W_OK):
        raise RenderError(f"{out.parent}: this folder cannot be written to")
    for file in (out, report_path(out)):
        if file.is_dir():
            raise RenderError(f"{file}: is a folder; name another output")
    if roll is not None:
        # A film that stands among its stills may be replaced; a picture there may be one of them.
        picture = out.suffix.lower() in PICTURE_ENDINGS
        taken = [e.path for e in roll.ledger if picture or e.status is not Status.EXCLUDED]
        taken += {still.file.archive for still in roll.stills if still.file.archive}
        if out.exists() and any(Path(path).resolve() == out.resolve() for path in taken):
            raise RenderError(f"{out}: is a file of the roll; name another output")


def _clear_stale_parts(out: Path) -> None:
    """Removes what renders that were killed left behind; one that still runs keeps its part."""
    for old in out.parent.glob(f".{escape(out.name)}.*.part*"):
        owner = old.name.removeprefix(f".{out.name}.").partition("-")[0]
        if not (owner.isdigit() and _runs(int(owner))):
            with suppress(OSError):
                old.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
