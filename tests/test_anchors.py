"""Anchors: the smoothest speed within limits that shows events when they were shown."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelapse.errors import PlanError
from timelapse.retime import Anchor, constant, through
from timelapse.times import MissionTime, Rate, VideoTime
from timelapse.written import Context, Instant

LIMITS = (Fraction(8), Fraction(16))


def mission(seconds: Fraction | int | float) -> MissionTime:
    return MissionTime(Fraction(seconds).limit_denominator(1000))


def anchor(at: float, shown: float, room: float = 0.5, name: str = "") -> Anchor:
    places = (Fraction(s).limit_denominator(1000) for s in (shown, shown + room))
    return Anchor(mission(at), *map(VideoTime, places), name or f"{shown} s")


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(20, 300), st.integers(80, 160)), min_size=1, max_size=6),
    st.sampled_from([Fraction(1, 25), Fraction(1, 2), Fraction(1)]),
)
def test_whatever_some_speeds_within_the_limits_show_is_met(
    legs: list[tuple[int, int]], room: Fraction
) -> None:
    """Anchors are taken from a clip that exists; so the limits have to be enough."""
    at, shown, anchors = Fraction(0), Fraction(0), []
    for seconds, speed in legs:
        at, shown = at + seconds, shown + Fraction(seconds) / Fraction(speed, 10)
        places = VideoTime(shown - room / 2), VideoTime(shown + room / 2)
        anchors.append(Anchor(mission(at), *places, f"{float(shown):.2f} s"))
    schedule = through(anchors, LIMITS, mission(0), mission(at + 30))
    assert all(a.met(schedule.video_of(a.at)) for a in anchors)
    slowest, fastest, _ = schedule.speeds
    assert LIMITS[0] <= slowest <= fastest <= LIMITS[1]
    assert (schedule.start, schedule.end) == (mission(0), mission(at + 30))
    knots = [(p.speed, p.speed_after) for p in schedule.pieces]
    assert all(a[1] == b[0] for a, b in pairwise(knots)), "the speed jumps"


def test_where_one_speed_meets_all_it_is_that_speed() -> None:
    anchors = [anchor(100, 9.9, 0.2), anchor(200, 19.9, 0.2), anchor(300, 29.9, 0.2)]
    schedule = through(anchors, LIMITS, mission(0), mission(400))
    speeds = [float(schedule.speed_at(VideoTime(Fraction(n)))) for n in range(40)]
    assert max(speeds) / min(speeds) < 1.01
    assert 9.9 < np.mean(speeds) < 10.1


def test_the_slope_is_the_least_there_is() -> None:
    """Against a general solver that knows nothing of ours: the same problem on the same knots."""
    from scipy.optimize import minimize

    anchors = [anchor(100, 7, 0.5), anchor(200, 18, 0.5)]
    schedule = through(anchors, LIMITS, mission(0), mission(250))
    knots = np.linspace(0, 250, 26)
    starts = np.array([float(p.mission) for p in schedule.pieces])
    ours = np.interp(knots, starts, 10 / np.array([float(p.speed) for p in schedule.pieces]))

    def slope(pace: np.ndarray) -> float:
        return float((np.diff(pace) ** 2).sum())

    def place(pace: np.ndarray, at: int) -> float:
        return float(np.trapezoid(pace[: at + 1], knots[: at + 1])) / 10

    rules = [
        {"type": "ineq", "fun": lambda p, at=at, low=low: place(p, at) - low}
        for at, low in ((10, 7), (20, 18))
    ] + [
        {"type": "ineq", "fun": lambda p, at=at, high=high: high - place(p, at)}
        for at, high in ((10, 7.5), (20, 18.5))
    ]
    best = minimize(
        slope, np.ones(26), constraints=rules, bounds=[(10 / 16, 10 / 8)] * 26,
        method="SLSQP", options={"maxiter": 500, "ftol": 1e-9},
    )  # fmt: skip
    assert best.success
    # Our windows are a little narrower, which has a price, and our knots are finer.
    assert best.fun * 0.9 < slope(ours) < best.fun * 1.15


@pytest.mark.parametrize(
    ("anchors", "told"),
    [
        ([anchor(100, 1)], "from the clip's start to 1 s needs 66.67x to 100x"),
        ([anchor(100, 9), anchor(101, 12)], "from 9 s to 12 s needs 0.2857x to 0.4x"),
        ([anchor(100, 9), anchor(110, 4)], "from 9 s to 4 s the clip would have to run backw"),
        ([anchor(-5, 1)], "comes before the clip's start"),
        ([], "at least one is needed"),
    ],
)
def test_what_cannot_be_is_told(anchors: list[Anchor], told: str) -> None:
    with pytest.raises(PlanError, match=told.replace("(", r"\(")):
        through(anchors, LIMITS, mission(0), mission(300))


def test_limits_have_an_order() -> None:
    with pytest.raises(PlanError, match="give the lowest"):
        through([anchor(100, 9)], LIMITS[::-1], mission(0), mission(300))


def test_a_clip_cut_at_a_video_time_goes_on_at_its_last_speed() -> None:
    schedule = through([anchor(100, 9.9, 0.2)], LIMITS, mission(0), VideoTime(Fraction(30)))
    assert schedule.length == 30
    assert schedule.speed_at(VideoTime(Fraction(29))) == schedule.speed_at(VideoTime(Fraction(12)))
    short = through([anchor(100, 9.9, 0.2)], LIMITS, mission(0), VideoTime(Fraction(5)))
    assert short.length == 5
    early = through([anchor(100, 9.9, 0.2)], LIMITS, mission(0), mission(50))
    assert early.end == mission(50)
    assert early.pieces[0] == short.pieces[0]
    again = constant(Fraction(10), mission(0), mission(100)).until(VideoTime(Fraction(20)))
    assert again.end == mission(200)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("00:07", 1),
        ("00:07.25", Fraction(1, 100)),
        ("00:34:19", Fraction(1, 25)),
        ("00:00:34:19", Fraction(1, 25)),
        ("frame 869", Fraction(1, 25)),
        ("34.2 s", Fraction(1, 10)),
        ("34 s", 1),
        ("1.5 min", 6),
        ("T+34.2 s", 0),
        ("2018-11-16T18:14:08Z", 0),
    ],
)
def test_a_time_is_as_precise_as_it_is_written(text: str, unit: Fraction | int) -> None:
    context = Context(Rate(25), Fraction(100), "mm:ss:ff" if text == "00:34:19" else None)
    assert Instant.read(text).resolve(context).unit == unit
