"""The plan: which stills make each frame, decided before one picture is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.ingest import Roll
from timelapse.retime.blend import TICKS, Blend, Linear, Rows, Ticks
from timelapse.retime.timeline import Timeline
from timelapse.times import CaptureTime, Seconds

#: A hole of one still is bridged by any blend; from this many missing stills on it is held.
HELD_FROM = 2
#: More is a slip of the pen: 5 million frames are two days of film.
_FRAMES_AT_MOST = 5_000_000
_YEAR = 31_557_600
_YEARS_AT_MOST = 100


@dataclass(frozen=True, eq=False)
class Taps:
    """A sparse matrix, frames x stills, in rows (CSR).

    Row n is `stills[starts[n]:starts[n + 1]]` (int32, rising) with `weights` (float32), which are
    what the blend's way of mixing takes them for: shares that sum to 1, or gains.
    """

    starts: NDArray[np.int64]
    stills: NDArray[np.int32]
    weights: NDArray[np.float32]

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
    """Frames x taps, with the timeline and the blend mode that made them; `lost` are stills that
    the plan does without."""

    roll: Roll
    timeline: Timeline
    blend: Blend
    taps: Taps
    lost: frozenset[int] = frozenset()

    @property
    def frames(self) -> int:
        return self.timeline.frames

    def without(self, *stills: int) -> Plan:
        """The same clip planned as if those stills had not been taken; no other moves in time.

        Rows of frames that they had no part in stay as they are.
        """
        return make_plan(self.roll, self.timeline, self.blend, self.lost | set(stills))

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
    blend: Blend | None = None,
    lost: frozenset[int] = frozenset(),
) -> Plan:
    """Plans every frame of a clip at once; `lost` are stills to do without, as the roll's bridged
    ones are.

    Raises PlanError where nothing is left to show, or the clip lies outside the roll.
    """
    blend = blend or Linear()
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
    if end <= roll.first or start >= roll.end:
        raise PlanError(
            f"the clip ({start.iso()} to {end.iso()}) lies outside the roll "
            f"({roll.first.iso()} to {roll.end.iso()}); check mission.epoch and roll.clock"
        )
    knots, sources = _knots(roll, timeline, blend, lost)
    opens, closes = _windows(timeline, blend)
    rows = blend.rows(knots, opens, closes)
    # A still that a gap holds stands at two knots: two gains of one still are the greater of them.
    together = np.maximum if blend.mixing == "lightest" else np.add
    taps = _gather(rows, sources, timeline.frames, together)
    return Plan(roll, timeline, blend, taps, lost)


def _windows(timeline: Timeline, blend: Blend) -> tuple[Ticks, Ticks]:
    """The window of every frame in ticks since the clip's start."""
    numbers = np.arange(timeline.frames, dtype=np.float64)
    rate = timeline.rate
    edges = [
        timeline.schedule.missions((numbers + share) * rate.denominator / rate.numerator)
        for share in (0.0, blend.open_share)
    ]
    opens, closes = (np.rint(edge * TICKS).astype(np.int64) for edge in edges)
    return opens, closes


def _knots(
    roll: Roll, timeline: Timeline, blend: Blend, lost: frozenset[int]
) -> tuple[Ticks, NDArray[np.int32]]:
    """Where each still stands, in ticks since the clip's start, and which still each knot is."""
    start = timeline.capture_of(timeline.schedule.start)

    def ticks(time: CaptureTime) -> int:
        return round((time - start) * TICKS)

    times = np.array([ticks(still.captured) for still in roll.stills], np.int64)
    sources = np.arange(len(times), dtype=np.int32)
    held = np.zeros(0, np.int64)
    if blend.gaps == "hold":
        interval = round(roll.interval * TICKS)
        bridged = max(interval * HELD_FROM + interval // 2, round(roll.longest_step * TICKS))
        held = np.flatnonzero(np.diff(times) > bridged)
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
    # Stills of one and the same instant cannot be told apart in time: the later name is kept.
    distinct = np.append(np.diff(times) > 0, True)
    return times[distinct], sources[distinct]


def _gather(rows: Rows, sources: NDArray[np.int32], frames: int, together: np.ufunc) -> Taps:
    """Rows over knots as rows over stills: taps of one still in one frame become one."""
    stills = sources[rows.knots]
    fresh = np.ones(len(stills), bool)
    fresh[1:] = (stills[1:] != stills[:-1]) | (rows.frames[1:] != rows.frames[:-1])
    at = np.flatnonzero(fresh)
    weights = together.reduceat(rows.weights, at) if len(at) else rows.weights
    starts = np.searchsorted(rows.frames[at], np.arange(frames + 1))
    return Taps(starts, stills[at], weights.astype(np.float32))
