"""Windows: the mission time that each frame is open for, leg by leg of the route, and its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.retime.blend import TICKS, Blend, Rows, Ticks
from timelapse.retime.route import Leg
from timelapse.retime.timeline import Timeline


def rows_of(knots: Ticks, timeline: Timeline, blend: Blend, begins: int, ends: int) -> Rows:
    """The rows of the frames [begins, ends) over knots, leg by leg of the route."""
    numbers = np.arange(begins, ends, dtype=np.float64)
    schedule = timeline.schedule
    rate = timeline.rate
    edges = [
        schedule.routes((numbers + share) * rate.denominator / rate.numerator)
        for share in (0.0, blend.open_share)
    ]
    opens, closes = (np.rint(edge * TICKS).astype(np.int64) for edge in edges)
    legs = schedule.route.legs
    found: list[Rows] = []
    for at, leg in enumerate(legs):
        first = round((leg.begins - legs[0].begins) * TICKS) if at else None
        last = round((legs[at + 1].begins - legs[0].begins) * TICKS) if at + 1 < len(legs) else None
        shares, starts, stops = _on_leg(opens, closes, first, last)
        shares, starts, stops = _fade(
            timeline, blend, begins, at, (shares, starts, stops), (opens, closes)
        )
        chosen = np.flatnonzero(shares > 0)
        if not len(chosen):
            continue
        one, other = (
            mission_ticks(leg, legs[0], starts[chosen]),
            mission_ticks(leg, legs[0], stops[chosen]),
        )
        rows = blend.rows(knots, np.minimum(one, other), np.maximum(one, other))
        frames = chosen[rows.frames]
        found.append(Rows(frames + begins, rows.knots, rows.weights * shares[frames]))
    return joined(found)


def mission_ticks(leg: Leg, first: Leg, route: Ticks) -> Ticks:
    """Ticks since the clip's start along the route as ticks of mission time since then."""
    if leg is first:
        return route
    begins = round((leg.begins - first.begins) * TICKS)
    return round((leg.mission - first.mission) * TICKS) + leg.step * (route - begins)


_Windows = tuple[NDArray[np.float64], Ticks, Ticks]


def _on_leg(opens: Ticks, closes: Ticks, first: int | None, last: int | None) -> _Windows:
    """The share of each window that lies on a leg, and its window there."""
    if first is None and last is None:
        return np.ones(len(opens)), opens, closes
    low = opens if first is None else np.maximum(opens, first)
    high = closes if last is None else np.minimum(closes, last)
    length = closes - opens
    holds = np.ones(len(opens), bool)
    if first is not None:
        holds &= opens >= first
    if last is not None:
        holds &= opens < last
    shares = np.where(length > 0, np.clip(high - low, 0, None) / np.maximum(length, 1), holds)
    return shares.astype(np.float64), low, high


def _fade(
    timeline: Timeline,
    blend: Blend,
    begins: int,
    at: int,
    windows: _Windows,
    whole: tuple[Ticks, Ticks],
) -> _Windows:
    """The windows on leg `at`, with the frames that fade from the leg before and to the next."""
    shares, starts, stops = windows
    legs = timeline.schedule.route.legs
    for other in (at, at + 1):
        if not 0 < other < len(legs) or not legs[other].crossfade:
            continue
        if blend.mixing not in ("mean", "sum", "flow"):
            raise PlanError(
                f"a cut with a crossfade cannot be made with blend: {blend.blend}; leave the "
                "crossfade out, or switch to linear around the cut"
            )
        share = _progress(timeline, other, begins, len(shares), blend.open_share / 2)
        fading = (share > 0) & (share < 1)
        part = share if other == at else 1 - share
        shares = np.where(fading, part, shares)
        starts, stops = np.where(fading, whole[0], starts), np.where(fading, whole[1], stops)
    return shares, starts, stops


def _progress(
    timeline: Timeline, leg: int, begins: int, frames: int, middle: float
) -> NDArray[np.float64]:
    """How far the crossfade into a leg has come on each frame, 0 to 1."""
    entry = timeline.schedule.route.legs[leg]
    cut = float(timeline.schedule.video_at(entry.begins).seconds)
    video = (np.arange(begins, begins + frames) + middle) / float(timeline.rate)
    progress: NDArray[np.float64] = np.clip(
        (video - cut) / max(float(entry.crossfade), 1e-9) + 0.5, 0, 1
    )
    return progress


def faded(timeline: Timeline) -> NDArray[np.bool_]:
    """Which frames show two legs at once."""
    faded = np.zeros(timeline.frames, bool)
    for at, leg in enumerate(timeline.schedule.route.legs):
        if at and leg.crossfade:
            share = _progress(timeline, at, 0, timeline.frames, 0.0)
            faded |= (share > 0) & (share < 1)
    return faded


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several sources as one, ordered by frame."""
    if len(parts) == 1:
        return parts[0]
    frames = np.concatenate([np.zeros(0, np.int64), *(part.frames for part in parts)])
    knots = np.concatenate([np.zeros(0, np.int64), *(part.knots for part in parts)])
    weights = np.concatenate([np.zeros(0), *(part.weights for part in parts)])
    order = np.lexsort((knots, frames))
    return Rows(frames[order], knots[order], weights[order])
