"""Schedules are exact both ways; plans put every still where it was taken."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelapse.errors import PlanError
from timelapse.ingest import File, Roll, Still, TimeSource
from timelapse.machine import Buffers
from timelapse.retime import (
    Angle,
    Blend,
    Box,
    Ease,
    Gaps,
    Lighten,
    Linear,
    Nearest,
    Schedule,
    SpeedKey,
    Timeline,
    constant,
    eased,
    lasting,
    make_plan,
    mix,
)
from timelapse.retime.gaps import wide
from timelapse.times import CaptureTime, MissionTime, Rate, Speed, VideoTime

EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")
ZERO = MissionTime(Fraction(0))

EASES: tuple[Ease, ...] = ("linear", "smooth", "ease-in", "ease-out", "hold")
speeds = st.fractions(min_value=Fraction(1, 2), max_value=100, max_denominator=20).map(Speed)
steps = st.fractions(min_value=Fraction(1, 10), max_value=100, max_denominator=100)
rates = st.sampled_from(["24", "25", "30000/1001", "60"]).map(Rate.read)


def mission(seconds: Fraction | int | str) -> MissionTime:
    return MissionTime(Fraction(seconds))


def roll_at(times: list[Fraction]) -> Roll:
    stills = tuple(
        Still(File(f"{n:05d}.jpg", 1, 0), EPOCH + time, (64, 48), 1, 8, "jpeg", "")
        for n, time in enumerate(times)
    )
    return Roll(stills, (), TimeSource.EXIF)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    at, keys = draw(st.fractions(-50, 50, max_denominator=10)), []
    start = mission(at)
    for _ in range(draw(st.integers(1, 5))):
        keys.append(SpeedKey(mission(at), draw(speeds), draw(st.sampled_from(EASES))))
        at += draw(steps)
    # The clip may start or end within a ramp, before the first key or after the last.
    reach = at - start.seconds + 20
    begin = start.seconds + reach * draw(st.fractions(Fraction(-1, 5), 1, max_denominator=7))
    return eased(keys, mission(begin), mission(begin + draw(steps)))


# ------------------------------------------------------------------ schedules


@given(schedules(), st.fractions(0, 1, max_denominator=1000))
def test_there_and_back_is_exact(schedule: Schedule, share: Fraction) -> None:
    video = VideoTime((schedule.length * share).limit_denominator(10**6))
    assert schedule.video_of(schedule.mission_of(video)) == video


@given(schedules(), st.fractions(-100, 600, max_denominator=997))
def test_back_and_there_is_within_the_bound(schedule: Schedule, seconds: Fraction) -> None:
    at = mission(seconds)
    error = schedule.mission_of(schedule.video_of(at)) - at
    fastest, longest = 100, max(piece.length for piece in schedule.pieces)
    assert abs(error) <= fastest * longest / 2**64


@given(schedules())
def test_schedules_rise(schedule: Schedule) -> None:
    times = [VideoTime(schedule.length * n / 40) for n in range(-4, 45)]
    shown = [schedule.mission_of(at) for at in times]
    assert all(a < b for a, b in pairwise(shown))
    low, high, mean = schedule.speeds
    assert all(low <= schedule.speed_at(at) <= high for at in times)
    assert low <= mean <= high


@given(schedules())
def test_many_at_once_are_the_same(schedule: Schedule) -> None:
    video = [schedule.length * n / 37 for n in range(-3, 41)]
    exact = [schedule.mission_of(VideoTime(at)) - schedule.start for at in video]
    found = schedule.routes(np.array([float(at) for at in video]))
    np.testing.assert_allclose(found, [float(at) for at in exact], atol=1e-9)


@given(schedules(), rates, st.fractions(-100, 600, max_denominator=997))
def test_the_frame_that_holds_an_instant_is_exact(
    schedule: Schedule, rate: Rate, seconds: Fraction
) -> None:
    timeline = Timeline(schedule, rate, EPOCH)
    frame = timeline.frame_of(mission(seconds))
    assert timeline.mission_at(frame) <= mission(seconds) < timeline.mission_at(frame + 1)


def test_a_ramp_covers_what_its_speeds_say() -> None:
    # 10 video seconds at 10x, 4 of a ramp to 20x (15x on average for linear and smooth), then 20x
    for ease in ("linear", "smooth"):
        keys = [
            SpeedKey(VideoTime(Fraction(10)), Speed(10)),
            SpeedKey(VideoTime(Fraction(14)), Speed(20), ease),  # type: ignore[arg-type]
        ]
        schedule = eased(keys, ZERO, VideoTime(Fraction(16)))
        assert schedule.end == mission(100 + 60 + 40)
        assert schedule.speed_at(VideoTime(Fraction(12))) == 15
        assert schedule.length == 16


def test_a_clip_is_a_cut_of_the_whole_schedule() -> None:
    keys = [SpeedKey(ZERO, Speed(8)), SpeedKey(mission(20), Speed(16), "smooth")]
    whole = eased(keys, mission(-10), mission(60))
    for start, end in ((-5, 3), (3, 11), (10, 50), (25, 40)):
        part = eased(keys, mission(start), mission(end))
        offset = whole.video_of(mission(start)).seconds
        for n in range(11):
            at = part.length * n / 10
            assert abs(
                part.mission_of(VideoTime(at)) - whole.mission_of(VideoTime(at + offset))
            ) < Fraction(1, 10**15)
            assert abs(
                part.speed_at(VideoTime(at)) - whole.speed_at(VideoTime(at + offset))
            ) < Fraction(1, 10**12)
        assert abs(part.end.seconds - end) < Fraction(1, 10**15)


def test_keys_on_the_video_clock_count_from_the_clips_start() -> None:
    keys = [SpeedKey(ZERO, Speed(10)), SpeedKey(VideoTime(Fraction(5)), Speed(20), "hold")]
    schedule = eased(keys, mission(30), VideoTime(Fraction(7)))
    assert schedule.start == mission(30)
    assert schedule.end == mission(30 + 5 * 10 + 2 * 20)


def test_hold_changes_at_once() -> None:
    keys = [SpeedKey(ZERO, Speed(10)), SpeedKey(mission(100), Speed(20), "hold")]
    schedule = eased(keys, ZERO, mission(300))
    assert schedule.length == 10 + 10
    assert schedule.speed_at(VideoTime(Fraction(999, 100))) == 10
    assert schedule.speed_at(VideoTime(Fraction(10))) == 20


def test_a_duration_is_met_to_the_frame() -> None:
    schedule = lasting(Fraction(90), ZERO, mission("1001/3"))
    assert schedule.length == 90
    assert Timeline(schedule, Rate(25), EPOCH).frames == 2250


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(Fraction(2), ZERO, ZERO),
        lambda: lasting(Fraction(0), ZERO, mission(1)),
        lambda: eased([], ZERO, mission(1)),
        lambda: eased([SpeedKey(ZERO, Speed(2))], ZERO, ZERO),
        lambda: eased(
            [SpeedKey(mission(5), Speed(2)), SpeedKey(mission(3), Speed(4))], ZERO, mission(9)
        ),
        lambda: eased([SpeedKey(mission(5), Speed(2))], ZERO, mission(-3)),
    ],
)
def test_schedules_that_cannot_be(make: object) -> None:
    with pytest.raises(PlanError):
        make()  # type: ignore[operator]


# ------------------------------------------------------------------ plans

roll_times = st.lists(
    st.fractions(min_value=Fraction(1, 10), max_value=40, max_denominator=50),
    min_size=1,
    max_size=40,
).map(lambda gaps: [sum(gaps[:n], Fraction(0)) for n in range(len(gaps))])
#: Every blend mode that there is: a new one is held to the same contract.
MODES = [
    kind(gaps=gaps, shutter=Angle(angle))
    for kind in get_args(Blend)
    for gaps in get_args(Gaps)
    if gaps != "error"
    for angle in (1, 180, 360, 700)
]
blends = st.sampled_from(MODES)


def plan_of(roll: Roll, speed: Fraction, rate: Rate, blend: Blend):  # type: ignore[no-untyped-def]
    span = roll.end - roll.first
    return make_plan(roll, Timeline(constant(speed, ZERO, ZERO + span), rate, EPOCH), blend)


@settings(deadline=None)
@given(roll_times, speeds, rates, blends)
def test_weights_sum_to_one_and_are_never_negative(
    times: list[Fraction], speed: Speed, rate: Rate, blend: Blend
) -> None:
    plan = plan_of(roll_at(times), speed, rate, blend)
    taps = plan.taps
    assert len(taps.starts) == plan.frames + 1
    shown = np.diff(taps.starts) >= 1
    assert shown.all() or (blend.gaps == "black" and len(wide(plan.roll)))
    firsts = taps.starts[:-1][shown]
    assert (taps.weights >= 0).all() or blend.blend == "cubic"
    if isinstance(blend, Lighten):  # gains: one still of each frame is full
        fullest = np.maximum.reduceat(taps.weights, firsts)
        assert ((fullest == 1) & (taps.weights.max() <= 1)).all()
    else:
        sums = np.add.reduceat(taps.weights.astype(float), firsts)
        np.testing.assert_allclose(sums, 1, atol=1e-6)
    for frame in range(plan.frames):
        stills, _ = taps.row(frame)
        assert (np.diff(stills) > 0).all(), "a still stands once in a row"


@settings(deadline=None)
@given(roll_times, speeds, rates, blends)
def test_a_lost_still_changes_no_frame_that_did_not_show_it(
    times: list[Fraction], speed: Speed, rate: Rate, blend: Blend
) -> None:
    if len(times) < 3:
        return
    plan = plan_of(roll_at(times), speed, rate, blend)
    lost = len(times) // 2
    without = plan.without(lost)
    assert lost not in without.taps.used
    for frame in range(plan.frames):
        before, after = plan.taps.row(frame), without.taps.row(frame)
        if lost not in before[0]:
            np.testing.assert_array_equal(before[0], after[0])
            np.testing.assert_allclose(before[1], after[1], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 250])
@pytest.mark.parametrize("blend", [Nearest(), Linear(), Box(shutter=Angle(360))])
def test_even_stills_one_a_frame_give_as_many_frames(count: int, blend: Blend) -> None:
    roll = roll_at([Fraction(3 * n) for n in range(count)])
    if count == 1:
        roll = Roll(roll.stills, (), TimeSource.EXIF, stated_interval=Fraction(3))
    plan = plan_of(roll, Fraction(75), Rate(25), blend)
    assert plan.frames == count
    if not isinstance(blend, Box):
        assert plan.taps.stills.tolist() == list(range(count))


def slow_weights(
    times: list[Fraction], blend: Blend, opens: Fraction, closes: Fraction
) -> dict[int, Fraction]:
    """The definition, word by word, in fractions, for rolls whose gaps are blended across."""
    middles = [(a + b) / 2 for a, b in pairwise(times)]
    if isinstance(blend, Nearest):
        return {sum(middle <= opens for middle in middles): Fraction(1)}
    if isinstance(blend, Linear):
        after = next((n for n, time in enumerate(times) if time > opens), len(times))
        if after in (0, len(times)):
            return {min(after, len(times) - 1): Fraction(1)}
        share = (opens - times[after - 1]) / (times[after] - times[after - 1])
        weights = {after - 1: 1 - share, after: share}
        return {still: weight for still, weight in weights.items() if weight}
    edges = [Fraction(-(10**9)), *middles, Fraction(10**9)]
    weights = {}
    for still in range(len(times)):
        shown = min(edges[still + 1], closes) - max(edges[still], opens)
        if shown > 0:
            weights[still] = shown / (closes - opens)
    return weights


@settings(deadline=None)
@given(
    roll_times,
    speeds,
    rates,
    # The others are held against their definitions as pictures, in test_blends.py.
    blends.filter(lambda b: b.gaps == "blend" and isinstance(b, Nearest | Linear | Box)),
)
def test_rows_follow_the_definition(
    times: list[Fraction], speed: Speed, rate: Rate, blend: Blend
) -> None:
    plan = plan_of(roll_at(times), speed, rate, blend)
    for frame in range(0, plan.frames, max(1, plan.frames // 50)):
        opens = frame * speed / rate
        closes = opens + Fraction(blend.open_share) * speed / rate
        exact = slow_weights(times, blend, opens, closes)
        dense = np.zeros(len(times))
        stills, weights = plan.taps.row(frame)
        dense[stills] = weights
        expected = np.array([float(exact.get(n, 0)) for n in range(len(times))])
        # Planning counts nanoseconds; the shortest window here is some 10 microseconds.
        np.testing.assert_allclose(dense, expected, atol=3e-4 if blend.open_share else 1e-6)


def test_a_late_still_counts_late() -> None:
    roll = roll_at([Fraction(0), Fraction(1), Fraction(24, 10), Fraction(3), Fraction(4)])
    plan = plan_of(roll, Fraction(25, 2), Rate(25), Linear())  # a frame every half second
    stills, weights = plan.taps.row(4)  # at 2 s: between the stills of 1 s and of 2.4 s
    assert stills.tolist() == [1, 2]
    np.testing.assert_allclose(weights, [0.4 / 1.4, 1 / 1.4], atol=1e-6)


def test_a_held_gap_keeps_its_length_and_shows_nothing_early() -> None:
    times = [Fraction(n) for n in (0, 1, 2, 3, 13, 14, 15)]
    for blend in (Nearest(), Linear(), Box()):
        plan = plan_of(roll_at(times), Fraction(25), Rate(25), blend)  # a frame a second
        assert plan.frames == 16
        assert [plan.taps.row(n)[0].tolist() for n in range(4, 12)] == [[3]] * 8
        assert plan.taps.row(14)[0].tolist() == [5]
    blended = plan_of(roll_at(times), Fraction(25), Rate(25), Linear(gaps="blend"))
    np.testing.assert_allclose(blended.taps.row(8)[1], [0.5, 0.5], atol=1e-6)


def test_one_missing_still_is_bridged() -> None:
    times = [Fraction(n) for n in (0, 1, 2, 4, 5, 6)]
    plan = plan_of(roll_at(times), Fraction(25), Rate(25), Linear())
    np.testing.assert_allclose(plan.taps.row(3)[1], [0.5, 0.5], atol=1e-6)


def test_a_clip_beside_its_roll_is_refused() -> None:
    roll = roll_at([Fraction(n) for n in range(10)])
    timeline = Timeline(constant(Fraction(1), mission(100), mission(200)), Rate(25), EPOCH)
    with pytest.raises(PlanError, match=r"check mission\.epoch and roll\.clock"):
        make_plan(roll, timeline)


def test_clips_beyond_all_measure_are_refused() -> None:
    roll = roll_at([Fraction(n) for n in range(10)])
    slow = Timeline(constant(Fraction(1, 10**7), ZERO, mission(9)), Rate(25), EPOCH)
    with pytest.raises(PlanError, match="give a higher speed"):
        make_plan(roll, slow)
    unset = roll_at([Fraction(-(10**10)), Fraction(0)])
    with pytest.raises(PlanError, match="clock was not set"):
        make_plan(unset, Timeline(constant(Fraction(1), ZERO, mission(9)), Rate(25), EPOCH))


def test_a_clip_that_reaches_beyond_its_roll_says_so() -> None:
    roll = roll_at([Fraction(n) for n in range(10)])
    timeline = Timeline(constant(Fraction(1), mission(-5), mission(20)), Rate(25), EPOCH)
    early, late = make_plan(roll, timeline).warnings
    assert "starts 5 s before the first still" in early
    assert "ends 10 s after the roll" in late


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_mixing_is_the_weighted_mean(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stills = [rng.integers(0, 65536, (5, 7, 3), np.uint16) for _ in range(count)]
    weights = rng.random(count) + 0.01
    weights = (weights / weights.sum()).astype(np.float32)
    kept = [still.copy() for still in stills]
    out = mix(stills, weights, Buffers())
    exact = sum(w * s.astype(float) for w, s in zip(weights.astype(float), stills, strict=True))
    assert np.abs(out - exact).max() <= 0.6
    for still, was in zip(stills, kept, strict=True):
        np.testing.assert_array_equal(still, was)
