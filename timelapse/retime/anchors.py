"""Anchors: the smoothest speed that shows given events at given times of the clip.

Pace is video seconds per mission second, the inverse of speed.  Over mission time an event's place
in the clip is the integral of pace up to it, so an anchor is a linear constraint, limits of speed
are bounds, and the smoothest pace, the one with the least integral of its squared slope, is a least
distance problem: minimise |y| subject to A y >= b.  That is solved by non-negative least squares
(Lawson and Hanson, Solving Least Squares Problems, chapter 23, algorithm LDP).

What is found in floating point becomes a schedule of exact fractions, which is then held against
every anchor: what is returned meets them all, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import PlanError
from timelapse.retime.route import Edits, Route
from timelapse.retime.schedule import Schedule
from timelapse.retime.speeds import laid
from timelapse.times import MissionTime, VideoTime

#: Knots between which the speed is a straight line over video time.
_KNOTS = 160
#: Rounds of correction, at most: between knots a straight speed is no straight pace.
_ROUNDS = 12
#: The share of an anchor's window that is left free at each end, for what rounding moves.
_MARGIN = 0.04
#: How much the pace is drawn to the middle of the limits where nothing else says what it should be:
#: so little that it decides nothing else.
_DRAWN = 1e-3
_DENOMINATOR = 10**6


@dataclass(frozen=True)
class Anchor:
    """An event at `at` that has to be shown within [`earliest`, `latest`) of the clip.

    `name` is what errors call it.
    """

    at: MissionTime
    earliest: VideoTime
    latest: VideoTime
    name: str = ""

    def met(self, video: VideoTime) -> bool:
        return self.earliest <= video < self.latest


def through(
    anchors: Sequence[Anchor],
    limits: tuple[Fraction, Fraction],
    start: MissionTime,
    end: MissionTime | VideoTime,
    length: tuple[Fraction, Fraction] | None = None,
    edits: Edits | None = None,
) -> Schedule:
    """The smoothest schedule from `start` to `end` that meets all anchors at speeds within limits.

    `limits` are the lowest and the highest speed.  `length` bounds the clip's length in seconds,
    (above, up to), where it is not free.  An `end` before the last anchor cuts the clip there; one
    on the video clock that is not reached is filled at the last speed.  Raises PlanError that names
    the anchors at fault, and the speed that each pair would need.
    """
    low, high = limits
    if not 0 < low <= high:
        raise PlanError(f"limits: {low} to {high} are no speeds; give the lowest, then the highest")
    if not anchors:
        raise PlanError("anchors: at least one is needed")
    if edits:
        return _edited(anchors, limits, start, end, length, edits)
    points = sorted(anchors, key=lambda anchor: anchor.at)
    if points[0].at < start:
        raise PlanError(f"anchor {points[0].name} comes before the clip's start, {start}")
    first = Anchor(start, VideoTime(Fraction(0)), VideoTime(Fraction(0)), "the clip's start")
    points.insert(0, first)
    if isinstance(end, MissionTime) and length is not None:
        above, up_to = (VideoTime(seconds) for seconds in length)
        points = sorted(
            [*points, Anchor(end, above, up_to, "the clip's end")], key=lambda anchor: anchor.at
        )
    last = max(points[-1].at, end) if isinstance(end, MissionTime) else points[-1].at
    _check(points, low, high)
    times = _knots(points, last)
    weights = np.ones(len(times) - 1)
    for _ in range(_ROUNDS):
        speeds = _speeds(times, weights, points[1:], limits)
        row = laid(list(zip(times, speeds, strict=True)))
        if all(anchor.met(row.video_of(anchor.at)) for anchor in points[1:]):
            return row.until(end if isinstance(end, VideoTime) else row.video_of(end))
        # What a piece takes is the harmonic mean of the paces at its ends, not their mean.
        pace = 1 / np.array([float(speed) for speed in speeds])
        weights = 4 * pace[1:] * pace[:-1] / (pace[1:] + pace[:-1]) ** 2
    tight = min(points[1:], key=lambda anchor: anchor.latest.seconds - anchor.earliest.seconds)
    raise PlanError(
        f"anchors: {tight.name} is too narrow a place to be met; write it less precisely, or give "
        "it more room with within"
    )


def _edited(
    anchors: Sequence[Anchor],
    limits: tuple[Fraction, Fraction],
    start: MissionTime,
    end: MissionTime | VideoTime,
    length: tuple[Fraction, Fraction] | None,
    edits: Edits,
) -> Schedule:
    """The same with edits: seen along the route and without stops, nothing is different."""
    route = Route.of(start, end if isinstance(end, MissionTime) else None, edits)
    held = [(route.place(freeze.at), Fraction(freeze.length)) for freeze in edits.freezes]

    def before(place: Fraction) -> Fraction:
        frozen = sum((long for at, long in held if at < place), Fraction(0))
        return frozen + (edits.hold_first if place > start.seconds else 0)

    moved = []
    for anchor in anchors:
        if not route.places(anchor.at):
            raise PlanError(f"anchor {anchor.name}: a cut leaves out {anchor.at}")
        place = route.place(anchor.at)
        early, late = (time.seconds - before(place) for time in (anchor.earliest, anchor.latest))
        if late <= 0:
            raise PlanError(f"anchor {anchor.name} comes before what is held there has ended")
        at = MissionTime(place)
        moved.append(Anchor(at, VideoTime(max(early, Fraction(0))), VideoTime(late), anchor.name))
    if length is not None:
        length = (length[0] - edits.held, length[1] - edits.held)
    stop: MissionTime | VideoTime
    if isinstance(end, VideoTime):
        stop = VideoTime(end.seconds - edits.held)
        if stop.seconds <= 0:
            raise PlanError(f"what is held lasts longer than the clip, {end}")
    else:
        stop = MissionTime(route.last(end))
    return through(moved, limits, start, stop, length).edited(route, edits)


def _check(points: Sequence[Anchor], low: Fraction, high: Fraction) -> None:
    """Raises PlanError for pairs of anchors that no speed within the limits connects.

    All constraints are differences of two places, and the bounds between anchors add up along
    them, so there is a solution if and only if every pair has one.
    """
    faults = []
    for at, one in enumerate(points):
        for other in points[at + 1 :]:
            mission = other.at - one.at
            least = max(Fraction(0), other.earliest.seconds - one.latest.seconds)
            most = other.latest.seconds - one.earliest.seconds
            if mission > high * most or mission < low * least:
                needed = _between(mission, least, most)
                faults.append(f"from {one.name} to {other.name} {needed}")
    if faults:
        raise PlanError(
            f"anchors: speeds from {_write(low)} to {_write(high)} cannot meet them: "
            + "; ".join(faults)
        )


def _between(mission: Fraction, least: Fraction, most: Fraction) -> str:
    if most <= 0:
        return "the clip would have to run backward"
    slowest = _write(mission / most)
    return f"needs {slowest} to {_write(mission / least)}" if least else f"needs {slowest} or more"


def _write(speed: Fraction) -> str:
    return f"{float(speed):.4g}x"


def _knots(points: Sequence[Anchor], last: MissionTime) -> list[MissionTime]:
    """Instants from the first point to the last, evenly apart between the anchors."""
    instants = sorted({point.at.seconds for point in points} | {last.seconds})
    whole = instants[-1] - instants[0]
    found = [MissionTime(instants[0])]
    for a, b in pairwise(instants):
        pieces = max(2, round((b - a) / whole * _KNOTS))
        found += [MissionTime(a + (b - a) * n / pieces) for n in range(1, pieces + 1)]
    return found


def _speeds(
    times: Sequence[MissionTime],
    weights: NDArray[np.float64],
    anchors: Sequence[Anchor],
    limits: tuple[Fraction, Fraction],
) -> list[Fraction]:
    """The speed at each knot (exact fractions within the limits) of the smoothest pace.

    `weights` are the shares of the trapezoids between knots that count.
    """
    low, high = limits
    middle = 2 / float(low + high)
    mission = np.array([float(time - times[0]) for time in times])
    steps = np.diff(mission) / mission[-1]
    # Unknown is the pace at each knot, less the middle one, in units of the middle one.
    slope = np.diff(np.eye(len(times)), axis=0) / np.sqrt(steps)[:, None]
    drawn = np.eye(len(times)) * (_DRAWN / len(times)) ** 0.5
    upper = np.linalg.qr(np.vstack([slope, drawn]), mode="r")
    # Integrals of the pace up to the knots.
    halves = np.diff(mission) / 2 * weights
    up_to = np.zeros((len(times), len(times)))
    up_to[1:, :-1] += np.tril(np.tile(halves, (len(halves), 1)))
    up_to[1:, 1:] += np.tril(np.tile(halves, (len(halves), 1)))
    rows = [np.eye(len(times)), -np.eye(len(times))]
    bounds = [np.full(len(times), 1 / (float(high) * middle) - 1)]
    bounds += [np.full(len(times), 1 - 1 / (float(low) * middle))]
    place = {time: at for at, time in enumerate(times)}
    for anchor in anchors:
        row = up_to[place[anchor.at]]
        reached = row.sum() * middle
        earliest, latest = float(anchor.earliest.seconds), float(anchor.latest.seconds)
        margin = (latest - earliest) * _MARGIN
        rows += [row[None] * middle, -row[None] * middle]
        bounds += [np.array([earliest + margin - reached]), np.array([reached - latest + margin])]
    apart = _least_distance(np.vstack(rows) @ np.linalg.inv(upper), np.concatenate(bounds))
    pace = (np.linalg.solve(upper, apart) + 1) * middle
    exact = (Fraction(1 / each).limit_denominator(_DENOMINATOR) for each in pace)
    return [min(max(speed, low), high) for speed in exact]


def _least_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest y with A y >= b, which has to exist."""
    from scipy.optimize import nnls

    scale = np.linalg.norm(a, axis=1)
    a, b = a / scale[:, None], b / scale
    target = np.zeros(a.shape[1] + 1)
    target[-1] = 1
    system = np.vstack([a.T, b])
    solution, _ = nnls(system, target, maxiter=30 * len(b))
    residual = system @ solution - target
    shortest: NDArray[np.float64] = -residual[:-1] / residual[-1]
    return shortest
