"""The plan: which stills make each frame, decided before one picture is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.ingest import Gap, Roll
from timelapse.retime.blend import TICKS, Blend, Flow, Linear, Rows, Ticks
from timelapse.retime.gaps import Gaps, hole, treated
from timelapse.retime.mixing import Mixing
from timelapse.retime.timeline import Timeline
from timelapse.retime.windows import faded, joined, mission_ticks, rows_of
from timelapse.times import CaptureTime, Seconds

#: More is a slip of the pen: 5 million frames are two days of film.
_FRAMES_AT_MOST = 5_000_000
_YEAR = 31_557_600
_YEARS_AT_MOST = 100
#: Ways of mixing by the number that a plan has for them.
WAYS: tuple[Mixing, ...] = get_args(Mixing)
#: That of frames which follow motion.
FOLLOWED = WAYS.index("flow")


@dataclass(frozen=True, eq=False)
class Taps:
    """A sparse matrix, frames x stills, in rows (CSR).

    Row n is `stills[starts[n]:starts[n + 1]]` (int32, rising) with `weights` (float32), which are
    what its way of mixing (`ways[n]`, a place in WAYS, uint8) takes them for: shares that sum to 1,
    or gains.  A row without stills is black.
    """

    starts: NDArray[np.int64]
    stills: NDArray[np.int32]
    weights: NDArray[np.float32]
    ways: NDArray[np.uint8]

    def way(self, frame: int) -> Mixing:
        """How the stills of a frame become one."""
        return WAYS[int(self.ways[frame])]

    def row(self, frame: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The stills of a frame and their weights (views)."""
        span = slice(self.starts[frame], self.starts[frame + 1])
        return self.stills[span], self.weights[span]

    @property
    def widest(self) -> int:
        """The most stills that any frame needs at once."""
        return int(np.diff(self.starts).max(initial=0))

    @cached_property
    def used(self) -> NDArray[np.int32]:
        """The stills that any frame shows, rising."""
        return np.unique(self.stills)

    def last_use(self, stills: int) -> NDArray[np.int64]:
        """For each of `stills` stills the last frame that shows it, -1 for none."""
        last = np.full(stills, -1, np.int64)
        frames = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        np.maximum.at(last, self.stills, frames)
        return last


@dataclass(frozen=True, eq=False)
class Plan:
    """Frames x taps, with the timeline and the blends that made them; `lost` are stills that the
    plan does without, `marks` the gaps that the picture tells of: frames [start, stop), seconds."""

    roll: Roll
    timeline: Timeline
    blends: tuple[Blend, ...]
    taps: Taps
    lost: frozenset[int] = frozenset()
    marks: tuple[tuple[int, int, Seconds], ...] = ()

    @property
    def blend(self) -> Blend:
        """The blend that the clip starts with."""
        return self.blends[0]

    @property
    def frames(self) -> int:
        return self.timeline.frames

    @property
    def model(self) -> str:
        """Who follows motion, where any blend does."""
        return next((blend.model for blend in self.blends if isinstance(blend, Flow)), "")

    def without(self, *stills: int) -> Plan:
        """The same clip planned as if those stills had not been taken; no other moves in time.

        Rows of frames that they had no part in stay as they are.
        """
        return make_plan(self.roll, self.timeline, self.blends, self.lost | set(stills))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of the timing before rendering."""
        timeline, roll = self.timeline, self.roll
        start = timeline.capture_of(timeline.schedule.start)
        end = timeline.capture_of(timeline.schedule.end)
        found = []
        slack = roll.interval / 2
        if start < roll.first - slack:
            early = Seconds(roll.first - start)
            found.append(f"the clip starts {_about(early)} before the first still, which is held")
        if end > roll.end + slack:
            late = Seconds(end - roll.end)
            found.append(f"the clip ends {_about(late)} after the roll; the last still is held")
        return tuple(found)


def _about(seconds: Seconds) -> str:
    return f"{float(seconds):.4g} s"


def make_plan(
    roll: Roll,
    timeline: Timeline,
    blend: Blend | Sequence[Blend] | None = None,
    lost: frozenset[int] = frozenset(),
) -> Plan:
    """Plans every frame of a clip at once; `lost` are stills to do without, as the roll's bridged
    ones are.  Of several blends each is the one from its `at` on.

    Raises PlanError where nothing is left to show, or the clip lies outside the roll.
    """
    blends = tuple(blend) if isinstance(blend, Sequence) else (blend or Linear(),)
    lost = lost | frozenset(roll.bridged)
    if timeline.frames > _FRAMES_AT_MOST:
        raise PlanError(
            f"the clip would have {timeline.frames} frames, more than {_FRAMES_AT_MOST}; "
            "give a higher speed or a lower rate"
        )
    start, end = (
        timeline.capture_of(time) for time in (timeline.schedule.start, timeline.schedule.end)
    )
    if max(roll.last, end) - min(roll.first, start) > _YEARS_AT_MOST * _YEAR:
        raise PlanError(
            f"stills and clip span more than {_YEARS_AT_MOST} years ({roll.first.iso()} to "
            f"{roll.last.iso()}); a camera's clock was not set: exclude its stills or correct it"
        )
    if max(start, end) <= roll.first or min(start, end) >= roll.end:
        raise PlanError(
            f"the clip ({start.iso()} to {end.iso()}) lies outside the roll "
            f"({roll.first.iso()} to {roll.end.iso()}); check mission.epoch and roll.clock"
        )
    gaps = treated(roll, blends[0].gaps, blends[0].gap_at, timeline.context, timeline.epoch)
    knots, sources = _knots(roll, timeline, gaps, lost, blends[0].stands == "middle")
    starts = [_turn(mode, timeline) if at else 0 for at, mode in enumerate(blends)]
    stops = [*starts[1:], timeline.frames]
    if starts != sorted(starts):
        raise PlanError("retime: the blends are not in the order of the clip; sort them by at")
    found: list[Rows] = []
    ways = np.zeros(timeline.frames, np.uint8)
    for mode, begins, ends in zip(blends, starts, stops, strict=True):
        if begins < ends:
            rows = rows_of(knots, timeline, mode, begins, ends)
            # A still that a gap holds stands at two knots: two gains of one still are the greater.
            found.append(_merged(rows, sources, mode.mixing == "lightest"))
            ways[begins:ends] = WAYS.index(mode.mixing)
    ways[faded(timeline) & (ways == FOLLOWED)] = WAYS.index("mean")
    rows, marks = _gaps_shown(roll, timeline, gaps, joined(found))
    taps = _taps(rows, timeline.frames, ways)
    _unfollowed(roll, taps)
    return Plan(roll, timeline, blends, taps, lost, marks)


def _turn(blend: Blend, timeline: Timeline) -> int:
    """The frame from which on a blend is the one."""
    if blend.at is None:
        raise PlanError("retime: a blend that follows another says from when on with at")
    frame = timeline.frame_of(blend.at.resolve(timeline.context).time)
    return min(max(frame, 0), timeline.frames)


def _knots(
    roll: Roll, timeline: Timeline, gaps: dict[Gap, Gaps], lost: frozenset[int], middle: bool
) -> tuple[Ticks, NDArray[np.int32]]:
    """Where each still stands, in ticks since the clip's start, and which still each knot is; in
    the `middle` of its exposure, if it shall."""
    start = timeline.capture_of(timeline.schedule.start)

    def ticks(time: CaptureTime) -> int:
        return round((time - start) * TICKS)

    times = np.array([ticks(still.captured) for still in roll.stills], np.int64)
    sources = np.arange(len(times), dtype=np.int32)
    interval = round(roll.interval * TICKS)
    held = np.array([gap.after for gap, what in gaps.items() if what != "blend"], np.int64)
    times = np.insert(times, held + 1, times[held + 1] - interval)
    sources = np.insert(sources, held + 1, sources[held])
    if lost:
        # Where the still that a gap holds is lost, the last one before it is held instead.
        usable = np.isin(sources, sorted(lost), invert=True)
        latest = np.maximum.accumulate(np.where(usable, np.arange(len(sources)), -1))
        stands_in = np.zeros(len(sources), bool)
        stands_in[held + 1 + np.arange(len(held))] = True
        kept = usable | (stands_in & (latest >= 0))
        times, sources = times[kept], sources[np.maximum(latest, 0)][kept]
    if not len(times):
        raise PlanError("no still is left to show")
    if middle:
        open_for = [round((still.exposure or 0) * TICKS) // 2 for still in roll.stills]
        times = times + np.array(open_for, np.int64)[sources]
        order = np.argsort(times, kind="stable")  # a long exposure may end after a later, short one
        times, sources = times[order], sources[order]
    # Stills of one and the same instant cannot be told apart in time: the later name is kept.
    distinct = np.append(np.diff(times) > 0, True)
    return times[distinct], sources[distinct]


def _gaps_shown(
    roll: Roll, timeline: Timeline, gaps: dict[Gap, Gaps], rows: Rows
) -> tuple[Rows, tuple[tuple[int, int, Seconds], ...]]:
    """The rows without those of frames that a gap leaves black; and the frames that show a gap that
    is to be marked."""
    wanted = [(gap, what) for gap, what in gaps.items() if what in ("black", "mark")]
    if not wanted:
        return rows, ()
    schedule = timeline.schedule
    video = np.arange(timeline.frames) / float(timeline.rate)
    route = np.rint(schedule.routes(video) * TICKS).astype(np.int64)
    legs = schedule.route.legs
    begins = np.array([round((leg.begins - legs[0].begins) * TICKS) for leg in legs[1:]], np.int64)
    which = np.searchsorted(begins, route, "right")
    mission = route.copy()
    for at, leg in enumerate(legs[1:], 1):
        mission[which == at] = mission_ticks(leg, legs[0], route[which == at])
    start = timeline.capture_of(schedule.start)
    dark, marks = np.zeros(timeline.frames, bool), []
    for gap, what in wanted:
        first, last = (round((time - start) * TICKS) for time in hole(roll, gap))
        within = (mission >= first) & (mission < last)
        if what == "black":
            dark |= within
            continue
        edges = np.flatnonzero(np.diff(within.astype(np.int8), prepend=0, append=0))
        marks += [(a, b, Seconds(gap.seconds)) for a, b in edges.reshape(-1, 2).tolist()]
    keep = ~dark[rows.frames]
    kept = Rows(rows.frames[keep], rows.knots[keep], rows.weights[keep])
    return kept, tuple(sorted(marks))


def _merged(rows: Rows, sources: NDArray[np.int32], lightest: bool) -> Rows:
    """Rows over knots as rows over stills: taps of one still in one frame become one."""
    stills = sources[rows.knots].astype(np.int64)
    fresh = np.ones(len(stills), bool)
    fresh[1:] = (stills[1:] != stills[:-1]) | (rows.frames[1:] != rows.frames[:-1])
    at = np.flatnonzero(fresh)
    together = np.maximum if lightest else np.add
    weights = together.reduceat(rows.weights, at) if len(at) else rows.weights
    return Rows(rows.frames[at], stills[at], weights)


def _unfollowed(roll: Roll, taps: Taps) -> None:
    """Nothing is followed across a gap: such frames, and those of one still, are plain means."""
    asked = np.flatnonzero(taps.ways == FOLLOWED)
    pairs = asked[np.diff(taps.starts)[asked] == 2]
    times = np.array([float(still.captured - roll.first) for still in roll.stills])
    first = taps.starts[pairs]
    near = times[taps.stills[first + 1]] - times[taps.stills[first]] <= float(roll.longest_step)
    taps.ways[asked] = WAYS.index("mean")
    taps.ways[pairs[near]] = FOLLOWED


def _taps(rows: Rows, frames: int, ways: NDArray[np.uint8]) -> Taps:
    starts = np.searchsorted(rows.frames, np.arange(frames + 1))
    return Taps(starts, rows.knots.astype(np.int32), rows.weights.astype(np.float32), ways)
