"""Cuts, reversals, frozen moments and holds: exact both ways, and nothing cut out is shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from timelapse import load
from timelapse.errors import PlanError, ProjectError
from timelapse.ingest import File, Roll, Still, TimeSource
from timelapse.report import plan_json
from timelapse.retime import (
    Angle,
    Blend,
    Box,
    Cubic,
    Cut,
    Edits,
    Freeze,
    Lighten,
    Linear,
    Nearest,
    Reverse,
    Schedule,
    SpeedKey,
    Timeline,
    constant,
    eased,
    fitted,
    lasting,
    make_plan,
)
from timelapse.times import CaptureTime, MissionTime, Rate, Seconds, Speed, VideoTime

EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")
EASES = ("linear", "smooth", "ease-in", "ease-out", "hold")
RATE = Rate(25)


def mission(seconds: Fraction | int | str) -> MissionTime:
    return MissionTime(Fraction(seconds))


def video(seconds: Fraction | int | str) -> VideoTime:
    return VideoTime(Fraction(seconds))


def roll_of(count: int, step: Fraction = Fraction(1)) -> Roll:
    stills = tuple(
        Still(File(f"{n:05d}.jpg", 1, 0), EPOCH + n * step, (64, 48), 1, 8, "jpeg", "")
        for n in range(count)
    )
    return Roll(stills, (), TimeSource.EXIF)


@st.composite
def edits(draw: st.DrawFn, last: int = 100) -> Edits:
    """Edits of a clip from T+0 to T+100 s that do not touch each other."""
    marks = sorted(draw(st.sets(st.integers(1, last - 2), max_size=8)))
    cuts, backs = [], []
    for a, b in zip(marks[::2], marks[1::2], strict=False):
        if draw(st.booleans()):
            cuts.append(Cut(mission(a), mission(b)))
        else:
            backs.append(Reverse(mission(b), mission(a)))
    spans = [(cut.start, cut.end) for cut in cuts]
    holds = draw(st.lists(st.integers(1, last - 1), max_size=3, unique=True))
    lengths = st.integers(1, 60).map(lambda n: Seconds(n, 10))
    freezes = [
        Freeze(mission(at), draw(lengths))
        for at in holds
        if not any(a.seconds <= at < b.seconds for a, b in spans)
    ]
    ends = [draw(st.sampled_from([Seconds(0), Seconds(1), Seconds(7, 5)])) for _ in range(2)]
    # A reversal may not start within another edit's reach: neighbours in `marks` are distinct.
    return Edits(tuple(cuts), tuple(backs), tuple(freezes), *ends)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, Edits]:
    done = draw(edits())
    speed = st.fractions(Fraction(1, 2), 40, max_denominator=10).map(Speed)
    keys = [
        SpeedKey(mission(at), draw(speed), draw(st.sampled_from(EASES)))  # type: ignore[arg-type]
        for at in sorted(draw(st.sets(st.integers(-10, 110), min_size=1, max_size=4)))
    ]
    # Keys within a cut are one place, at the cut; reversals make the order that of the first time.
    return eased(keys, mission(0), mission(100), done), done


@settings(deadline=None)
@given(schedules(), st.fractions(0, 1, max_denominator=500))
def test_every_video_time_is_among_those_of_what_it_shows(
    made: tuple[Schedule, Edits], share: Fraction
) -> None:
    schedule, _ = made
    at = VideoTime((schedule.length * share).limit_denominator(10**4))
    assume(at.seconds < schedule.length)
    shown = schedule.mission_of(at)
    found = schedule.videos_of(shown)
    held = next(
        (
            begins
            for stop in schedule.stops
            for begins in [schedule.video_at(stop.route)]
            if begins <= at < begins + stop.length
        ),
        at,
    )
    assert held in found
    assert list(found) == sorted(found)


@settings(deadline=None)
@given(schedules(), st.fractions(-5, 105, max_denominator=97))
def test_what_is_cut_out_is_never_shown_and_all_else_is(
    made: tuple[Schedule, Edits], at: Fraction
) -> None:
    schedule, done = made
    cut = any(cut.start.seconds <= at < cut.end.seconds for cut in done.cuts)
    times = 1 + 2 * sum(b.end.seconds <= at < b.start.seconds for b in done.reverses)
    found = schedule.videos_of(mission(at))
    # A moment is on the way back just after, not at, the instant where the clip turns again.
    turning = any(at == b.end.seconds for b in done.reverses)
    # And where it turns back, it is once more on the way forward again.
    twice = any(at == b.start.seconds for b in done.reverses)
    assert len(found) == (0 if cut else times - turning + twice)
    for each in found:
        assert abs(schedule.mission_of(each) - mission(at)) < Fraction(1, 10**12)


@settings(deadline=None)
@given(schedules(), st.sampled_from(["24", "25", "30000/1001"]), st.integers(0, 99))
def test_frames_hold_what_they_show_first(made: tuple[Schedule, Edits], rate: str, at: int) -> None:
    schedule, _ = made
    timeline = Timeline(schedule, Rate.read(rate), EPOCH)
    for frame, when in timeline.showings_of(mission(at)):
        assert timeline.rate.time_of(frame) <= when < timeline.rate.time_of(frame + 1)
    if showings := timeline.showings_of(mission(at)):
        assert timeline.frame_of(mission(at)) == showings[0][0]


@settings(deadline=None)
@given(schedules())
def test_many_at_once_are_the_same(made: tuple[Schedule, Edits]) -> None:
    schedule, _ = made
    times = [schedule.length * n / 41 for n in range(-2, 44)]
    exact = [schedule.route_of(VideoTime(at)) - schedule.start.seconds for at in times]
    found = schedule.routes(np.array([float(at) for at in times]))
    np.testing.assert_allclose(found, [float(at) for at in exact], atol=1e-8)


@settings(deadline=None)
@given(edits(), st.integers(30, 90))
def test_a_duration_is_met_under_any_edits(done: Edits, seconds: int) -> None:
    length = Fraction(seconds)
    assert lasting(length, mission(0), mission(100), done).length == length
    keys = [SpeedKey(mission(0), Speed(5)), SpeedKey(video(8), Speed(20), "linear")]
    made = fitted(keys, length, RATE, mission(0), mission(100), done)
    assert RATE.frames_in(made.length) == RATE.frames_in(length)


def test_a_key_on_the_video_clock_counts_what_is_held_before_it() -> None:
    done = Edits(freezes=(Freeze(mission(10), Seconds(2)),), hold_first=Seconds(1))
    keys = [SpeedKey(mission(0), Speed(10), "hold"), SpeedKey(video(5), Speed(20), "hold")]
    made = eased(keys, mission(0), mission(100), done)
    # 1 s held, 1 s at 10x, 2 s frozen, 1 s more at 10x: the key stands at T+20 s.
    assert made.mission_of(video(5)) == mission(20)
    assert [made.speed_at(video(at)) for at in ("0.5", "1.5", "3", "4.5", "5.5")] == [
        0, 10, 0, 10, 20,
    ]  # fmt: skip
    assert made.length == 5 + 4
    # One that falls into a freeze acts where that is held.
    early = [SpeedKey(mission(0), Speed(10), "hold"), SpeedKey(video(3), Speed(20), "hold")]
    assert eased(early, mission(0), mission(100), done).length == 1 + 1 + 2 + Fraction(90, 20)


def test_a_clip_may_end_within_a_freeze() -> None:
    done = Edits(freezes=(Freeze(mission(10), Seconds(4)),))
    made = eased([SpeedKey(mission(0), Speed(10))], mission(0), video(3), done)
    assert (made.length, made.end) == (3, mission(10))
    assert made.mission_of(video("2.9")) == mission(10)


def test_a_cut_shows_what_comes_after_at_once() -> None:
    made = constant(Fraction(10), mission(0), mission(100), Edits((Cut(mission(20), mission(60)),)))
    assert made.length == 6
    assert made.mission_of(video("1.99")) == mission("19.9")
    assert made.mission_of(video(2)) == mission(60)
    assert made.videos_of(mission(30)) == ()
    assert made.video_of(mission(30)) == video(2)


def test_a_reversal_runs_back_and_on() -> None:
    made = constant(
        Fraction(10), mission(0), mission(100), Edits(reverses=(Reverse(mission(50), mission(30)),))
    )
    assert made.length == 14
    assert [made.mission_of(video(at)) for at in (4, 5, 6, 7, 8)] == [
        mission(at) for at in (40, 50, 40, 30, 40)
    ]
    assert made.videos_of(mission(40)) == (video(4), video(6), video(8))
    assert made.speeds == (-10, 10, Fraction(100, 14))


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Edits((Cut(mission(20), mission(20)),)), "nothing lies between"),
        (Edits((Cut(mission(20), mission(200)),)), "reaches the clip's end"),
        (Edits((Cut(mission(0), mission(20)),)), "where the clip starts"),
        (Edits((Cut(mission(20), mission(50)), Cut(mission(40), mission(60)))), "another"),
        (Edits(reverses=(Reverse(mission(20), mission(30)),)), "that is forward"),
        (Edits(freezes=(Freeze(mission(120), Seconds(1)),)), "does not show that moment"),
    ],
)
def test_edits_that_cannot_be_made(done: Edits, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        constant(Fraction(10), mission(0), mission(100), done)


# ------------------------------------------------------------------ plans


@settings(deadline=None, max_examples=60)
@given(
    edits(99),
    st.sampled_from([Nearest(), Linear(), Box(), Cubic()]),
    st.fractions(1, 30, max_denominator=4),
)
def test_rows_sum_to_one_and_show_nothing_that_is_cut_out(
    done: Edits, blend: Blend, speed: Fraction
) -> None:
    roll = roll_of(100)
    plan = make_plan(roll, Timeline(constant(speed, mission(0), mission(100), done), RATE, EPOCH),
                     blend)  # fmt: skip
    taps = plan.taps
    sums = np.add.reduceat(taps.weights.astype(float), taps.starts[:-1])
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert (taps.weights >= 0).all() or isinstance(blend, Cubic)
    # A still one interval or more inside of a cut is near nothing that is shown.
    hidden = {
        n for cut in done.cuts for n in range(100)
        if cut.start.seconds + 2 <= n <= cut.end.seconds - 2
    }  # fmt: skip
    assert hidden.isdisjoint(taps.used.tolist())
    # What a frame shows lies where its instant is.
    for frame in range(0, plan.frames, 7):
        stills, weights = taps.row(frame)
        if blend.blend in ("nearest", "linear"):
            where = float(stills @ weights.astype(float))
            shown = min(float(plan.timeline.mission_at(frame).seconds), 99.0)
            assert abs(where - shown) <= (0.5 if blend.blend == "nearest" else 0) + 1e-4


@settings(deadline=None, max_examples=60)
@given(edits(99), st.sampled_from([5, 10, 25]))
def test_windows_tile_what_is_shown(done: Edits, speed: int) -> None:
    """With the shutter always open, every still is seen for as long as it stands for, no more and
    no less, each time that it is shown."""
    still_ones = Edits(done.cuts, done.reverses)
    schedule = constant(Fraction(speed), mission(0), mission(100), still_ones)
    plan = make_plan(roll_of(100), Timeline(schedule, RATE, EPOCH), Box(shutter=Angle(360)))
    seen = np.zeros(100)
    np.add.at(seen, plan.taps.stills, plan.taps.weights.astype(float) * speed / 25)
    due = np.zeros(100)
    legs = schedule.route.legs
    lasts = [*(leg.begins for leg in legs[1:]), Fraction(100) + legs[-1].begins - legs[-1].mission]
    for leg, last in zip(legs, lasts, strict=True):
        a, b = sorted((leg.mission_at(leg.begins), leg.mission_at(last)))
        for n in range(100):
            first = -100 if n == 0 else Fraction(2 * n - 1, 2)
            end = 200 if n == 99 else Fraction(2 * n + 1, 2)
            due[n] += max(Fraction(0), min(b, end) - max(a, first))
    np.testing.assert_allclose(seen, due, atol=speed / 25 + 1e-3)  # the last frame may be cut
    shown = int(plan.frames * speed / 25)
    if shown * 25 == plan.frames * speed == schedule.length * 25 * speed:
        np.testing.assert_allclose(seen, due, atol=1e-3)


def test_a_crossfade_mixes_both_sides_and_moves_nothing() -> None:
    roll = roll_of(100)
    cut = Cut(mission(30), mission(60), Seconds(1))
    schedule = constant(Fraction(10), mission(0), mission(100), Edits((cut,)))
    plan = make_plan(roll, Timeline(schedule, RATE, EPOCH), Nearest())
    hard = make_plan(roll, Timeline(
        constant(Fraction(10), mission(0), mission(100), Edits((Cut(mission(30), mission(60)),))),
        RATE, EPOCH), Nearest())  # fmt: skip
    assert plan.frames == hard.frames
    at = 75  # the cut, at 3 s: half of each side
    stills, weights = plan.taps.row(at)
    assert stills.tolist() == [30, 60]
    np.testing.assert_allclose(weights, 0.5)
    stills, weights = plan.taps.row(at + 5)
    assert stills.tolist() == [32, 62]
    np.testing.assert_allclose(weights, [0.3, 0.7], atol=1e-6)
    for frame in [*range(62), *range(88, plan.frames)]:
        np.testing.assert_array_equal(plan.taps.row(frame)[0], hard.taps.row(frame)[0])
    with pytest.raises(PlanError, match="crossfade cannot be made with blend: lighten"):
        make_plan(roll, plan.timeline, Lighten())


def test_splitting_the_clip_changes_no_row() -> None:
    from timelapse.grade import Framing, Size
    from timelapse.render.job import Job
    from timelapse.render.segment import cut

    done = Edits((Cut(mission(20), mission(40), Seconds(1)),), (Reverse(mission(70), mission(60)),))
    timeline = Timeline(constant(Fraction(7), mission(0), mission(100), done), RATE, EPOCH)
    plan = make_plan(roll_of(100), timeline, Box())
    job = Job(plan, Framing(Size.read("64x48")))
    for start, stop in [(0, 50), (50, 51), (51, plan.frames)]:
        piece = cut(job, start, stop)
        for frame in range(start, stop):
            stills, weights = piece.taps.row(frame - start)
            names = [piece.stills[at].name for at in stills]
            expected = [plan.roll.stills[at].name for at in plan.taps.row(frame)[0]]
            assert names == expected
            np.testing.assert_array_equal(weights, plan.taps.row(frame)[1])


# ------------------------------------------------------------------ the project file


def planned(folder: Path, text: str) -> dict:  # type: ignore[type-arg]
    path = folder.parent / "film.yaml"
    path.write_text(f"roll: {{stills: {folder.name}}}\noutput: {{size: 64x48, rate: 25}}\n{text}")
    return plan_json(load(path).job())


def test_gaps_by_policy_and_one_by_one(gray_roll) -> None:  # type: ignore[no-untyped-def]
    times = [*range(10), *range(20, 30), *range(50, 60)]
    folder = gray_roll(times).folder
    base = "schedule: {speed: 10}\n"
    assert planned(folder, base)["frames"] == 150
    cut = planned(folder, base + "retime: {gaps: cut}\n")
    assert cut["frames"] == 75  # thirty stills, of which each stands for its second
    one = planned(folder, base + "retime: {gap_at: [{at: T+15 s, gaps: cut}]}\n")
    assert one["frames"] == 125
    with pytest.raises(ProjectError, match=r"11 s from .* to .*; 21 s from"):
        planned(folder, base + "retime: {gaps: error}\n")
    with pytest.raises(ProjectError, match="lies in no gap"):
        planned(folder, base + "retime: {gap_at: [{at: T+5 s, gaps: cut}]}\n")


def test_black_and_marked_gaps_are_seen(gray_roll) -> None:  # type: ignore[no-untyped-def]
    from timelapse.render import frames

    times = [*range(10), *range(20, 30)]
    roll = gray_roll(times, levels=[150] * 20, size=(320, 180))
    path = roll.folder.parent / "film.yaml"
    text = f"roll: {{stills: {roll.folder.name}}}\noutput: {{size: 320x180, rate: 25}}\n"
    seen = {}
    for gaps in ("hold", "black", "mark"):
        path.write_text(text + f"schedule: {{speed: 10}}\nretime: {{gaps: {gaps}}}\n")
        seen[gaps] = [frame.copy() for frame in frames(load(path).job())]
    for number, (held, black, marked) in enumerate(zip(*seen.values(), strict=True)):
        within = 25 <= number < 50  # T+10 s to T+20 s
        assert abs(int(held[90, 160, 0]) - 150) <= 1
        assert (black.max() == 0) == within
        assert (np.abs(held.astype(int) - marked).max() > 20) == within


def test_blends_switch_at_their_times(gray_roll) -> None:  # type: ignore[no-untyped-def]
    folder = gray_roll(list(range(40))).folder
    path = folder.parent / "film.yaml"
    path.write_text(
        f"roll: {{stills: {folder.name}}}\noutput: {{size: 64x48, rate: 25}}\n"
        "schedule: {speed: 10}\n"
        "retime: [{blend: nearest}, {blend: median, over: 5 s, at: T+20 s}, "
        "{blend: linear, at: 00:03}]\n"
    )
    taps = load(path).job().plan.taps
    ways = [taps.way(frame) for frame in range(100)]
    assert ways == ["mean"] * 50 + ["median"] * 25 + ["mean"] * 25
    assert all(len(taps.row(frame)[0]) == 1 for frame in range(50))
    assert all(len(taps.row(frame)[0]) >= 5 for frame in range(50, 75))
    text = path.read_text()
    path.write_text(text.replace(", at: 00:03", ""))
    with pytest.raises(ProjectError, match="says from when on with at"):
        load(path).job()
    path.write_text(text.replace("blend: linear,", "blend: linear, light: display,"))
    with pytest.raises(ProjectError, match="light is for the whole clip"):
        load(path)


def test_labels_say_which_showing(gray_roll) -> None:  # type: ignore[no-untyped-def]
    folder = gray_roll(list(range(100))).folder
    text = (
        "schedule:\n  speed: 10\n  cuts: [{from: T+70 s, to: T+80 s, crossfade: 0.4 s}]\n"
        "  reverses: [{from: T+50 s, to: T+30 s}]\n  freezes: [{at: T+10 s, for: 2 s}]\n"
        "  hold_last: 1 s\n"
        "milestones:\n  - {at: T+10 s, label: a}\n  - {at: T+40 s, label: b}\n"
        "  - {at: T+40 s, label: c, showing: last}\n"
        "  - {at: T+40 s, label: d, showing: all, hold: 1 s}\n  - {at: T+75 s, label: e}\n"
    )
    found = planned(folder, text)
    marks = {m["text"].split()[-1]: m for m in found["milestones"]}
    assert found["frames"] == 25 * (10 + 4 - 1 + 2 + 1)
    assert marks["a"]["frame"] == 25
    assert marks["b"]["showings"] == [150, 200, 250]
    assert (marks["b"]["frame"], marks["c"]["frame"], marks["d"]["frame"]) == (150, 250, 150)
    assert marks["e"]["showings"] == []
    assert marks["e"]["shown_from"] == marks["e"]["shown_to"]
    warnings = " ".join(found["warnings"])
    assert "never shown" in warnings
    assert "3 times" in warnings


def test_a_curve_file_is_speeds(gray_roll) -> None:  # type: ignore[no-untyped-def]
    folder = gray_roll(list(range(100))).folder
    curve = folder.parent / "speed.csv"
    curve.write_text("at,speed,ease\nT+0 s,5x,\nT+50 s,20x,smooth\nT+60 s,20x,\n")
    by_file = planned(folder, "schedule: {curve: speed.csv}\n")
    by_keys = planned(
        folder,
        "schedule: {speeds: [{at: T+0 s, speed: 5x}, {at: T+50 s, speed: 20x}, "
        "{at: T+60 s, speed: 20x, ease: linear}]}\n",
    )
    assert by_file["schedule"] == by_keys["schedule"]
    assert planned(folder, "schedule: {curve: speed.csv, duration: 7 s}\n")["frames"] == 175
    curve.write_text("at,speed\nT+0 s,fast\n")
    with pytest.raises(ProjectError, match=r"speed\.csv:2: 'fast' is not a speed"):
        planned(folder, "schedule: {curve: speed.csv}\n")
    curve.write_text("time;speed\n")
    with pytest.raises(ProjectError, match="first line at,speed"):
        planned(folder, "schedule: {curve: speed.csv}\n")


def test_anchors_hold_under_edits(gray_roll) -> None:  # type: ignore[no-untyped-def]
    folder = gray_roll(list(range(200))).folder
    found = planned(
        folder,
        "schedule:\n  limits: [5, 40]\n"
        "  anchors: [{at: T+50 s, video: frame 200}, {at: T+150 s, video: '00:12'}]\n"
        "  cuts: [{from: T+70 s, to: T+100 s}]\n  freezes: [{at: T+30 s, for: 2 s}]\n"
        "  hold_first: 1 s\n"
        "milestones: [{at: T+50 s, label: a}, {at: T+150 s, label: b}]\n",
    )
    one, other = found["milestones"]
    assert one["frame"] == 200
    assert 300 <= other["frame"] < 325
    assert found["speed"]["max"] <= 40


def test_dithering_keeps_what_is_exact_and_the_mean_of_what_is_not() -> None:
    from timelapse.grade import dithered, from_mix, to_linear
    from timelapse.machine import Buffers

    levels = np.repeat(np.arange(256, dtype=np.uint8), 12).reshape(32, 32, 3)
    exact = dithered(to_linear(levels), "linear", 0, np.empty_like(levels), Buffers())
    np.testing.assert_array_equal(exact, levels)
    # A level between two: 20.3 of 255 in display light, which rounding makes 20 all over.
    between = np.full((64, 64, 3), round(20.3 * 257), np.uint16)
    plain = from_mix(between, "display", np.empty((64, 64, 3), np.uint8))
    spread = dithered(between, "display", 0, np.empty((64, 64, 3), np.uint8), Buffers())
    assert set(np.unique(plain)) == {20}
    assert set(np.unique(spread)) == {20, 21}
    assert abs(float(spread.mean()) - 20.3) < 0.02
    # In bands the pattern goes on as if there were none.
    lower = dithered(between[32:], "display", 32, np.empty((32, 64, 3), np.uint8), Buffers())
    np.testing.assert_array_equal(lower, spread[32:])


# ------------------------------------------------------------------ real life


def test_a_real_roll_with_a_freeze_a_ramp_a_cut_and_marked_gaps(
    shared: Path, tmp_path: Path
) -> None:
    """The film's frames are found in the stills at the planned times."""
    import cv2

    from timelapse.render import frames

    path = tmp_path / "ramp.yaml"
    path.write_text(
        f"roll: {{stills: {shared / 'odm_seneca'}}}\noutput: {{size: 480x360, rate: 25}}\n"
        "retime: {blend: nearest, gaps: mark}\nschedule:\n"
        "  speeds: [{at: T+20 s, speed: 5x}, {at: T+150 s, speed: 60x}]\n"
        "  cuts: [{from: T+60 s, to: T+80 s}]\n  freezes: [{at: T+10 s, for: 1 s}]\n"
    )
    job = load(path).job()
    plan, stills = job.plan, job.plan.roll.stills
    start = plan.timeline.capture_of(plan.timeline.schedule.start)
    small = {}
    for at in plan.taps.used.tolist():
        picture = cv2.imread(str(stills[at].file.path), cv2.IMREAD_REDUCED_COLOR_8)
        small[at] = cv2.resize(picture[..., ::-1], (48, 36), interpolation=cv2.INTER_AREA)
    wrong = 0
    for number, frame in enumerate(frames(job)):
        mine = cv2.resize(frame, (48, 36), interpolation=cv2.INTER_AREA).astype(int)
        best = min(small, key=lambda at: float(np.abs(mine - small[at]).mean()))
        shown = plan.timeline.mission_at(number)
        assert not mission(60) <= shown < mission(80)
        held = [
            at for at in small
            if (stills[at].captured - start) <= shown.seconds + plan.roll.interval
        ]  # fmt: skip
        nearest = min(held, key=lambda at: abs(stills[at].captured - start - shown.seconds))
        wrong += best != nearest and abs(best - nearest) > 1
    assert wrong == 0
    assert plan.frames > 100


def test_a_still_may_stand_in_the_middle_of_its_exposure() -> None:
    stills = [
        Still(File(f"{n}.jpg", 1, 0), EPOCH + 10 * n, (64, 48), 1, 8, "jpeg", "", exposure=e)
        for n, e in enumerate([Fraction(8), Fraction(4), None, Fraction(30)])
    ]
    roll = Roll(tuple(stills), (), TimeSource.EXIF)
    timeline = Timeline(constant(Fraction(25), mission(0), mission(40)), RATE, EPOCH)
    at = {
        stands: make_plan(roll, timeline, Linear(stands=stands)).taps  # type: ignore[arg-type]
        for stands in ("start", "middle")
    }
    np.testing.assert_allclose(at["start"].row(5)[1], [0.5, 0.5])
    # Now they stand at 4, 12, 20 and 45 s; a frame a second.
    assert at["middle"].row(3)[0].tolist() == [0]
    np.testing.assert_allclose(at["middle"].row(6)[1], [0.75, 0.25])
    np.testing.assert_allclose(at["middle"].row(25)[1], [0.8, 0.2])


def test_exposures_are_read_as_cameras_write_them(tmp_path: Path) -> None:
    from PIL import Image
    from PIL.TiffImagePlugin import IFDRational

    from timelapse.ingest import scan

    for number, exposure in enumerate([IFDRational(1, 250), IFDRational(30, 1), IFDRational(0, 0)]):
        exif = Image.Exif()
        inner = exif.get_ifd(0x8769)
        inner[0x9003], inner[0x829A] = f"2018:11:16 18:14:{number:02d}", exposure
        Image.new("RGB", (64, 48), (9 * number, 0, 0)).save(tmp_path / f"{number}.jpg", exif=exif)
    found = [still.exposure for still in scan(tmp_path).stills]
    assert found == [Fraction(1, 250), 30, None]


# ------------------------------------------------------------------ motion


def moving(folder: Path, times: list[int]) -> Path:
    """A soft disc on a textured ground that moves 6 pixels a second, and a project of it."""
    from conftest import write_still

    folder.mkdir()
    y, x = np.mgrid[:180, :320]
    ground = 60 + 30 * np.sin(x / 5) * np.cos(y / 7)
    for time in times:
        disc = np.clip(26 - np.hypot(x - 60 - 6 * time, y - 90), 0, 1)[..., None]
        face = (170 + 40 * np.sin((x - 6 * time) / 4) * np.sin(y / 4))[..., None]
        pixels = ground[..., None] * (1 - disc) + face * disc
        shown = np.repeat(np.rint(pixels), 3, axis=2).astype(np.uint8)
        write_still(folder / f"ISS057-E-{9990 + time}.png", shown, EPOCH + time)
    path = folder.parent / "flow.yaml"
    path.write_text(
        f"roll: {{stills: {folder.name}}}\noutput: {{size: 320x180, rate: 25, preset: ultrafast}}\n"
        "schedule: {speed: 5}\nretime: {blend: flow}\n"
    )
    return path


def test_flow_moves_things_and_leaves_gaps_to_the_blend(tmp_path: Path) -> None:
    from timelapse.render import frames

    path = moving(tmp_path / "roll", [*range(6), *range(10, 14)])
    job = load(path).job()
    text = path.read_text()
    path.write_text(text.replace("flow", "linear"))
    blended = [frame.copy() for frame in frames(load(path).job())]
    followed = [frame.copy() for frame in frames(job)]
    y, x = np.mgrid[:180, :320]

    def disc(frame: np.ndarray, time: float) -> float:
        """How far the frame is from the disc where it should be, in levels."""
        where = np.hypot(x - 60 - 6 * time, y - 90) < 20
        face = 170 + 40 * np.sin((x - 6 * time) / 4) * np.sin(y / 4)
        return float(np.abs(frame[..., 0][where] - face[where]).mean())

    ways = [job.plan.taps.way(n) for n in range(job.plan.frames)]
    assert ways[12] == "flow"
    assert disc(followed[12], 2.4) < disc(blended[12], 2.4) / 2
    # From T+5 s to T+10 s there is a gap: held, and then nothing is followed.
    for number in range(25, 50):
        assert ways[number] == "mean"
        np.testing.assert_array_equal(followed[number], blended[number])
    path.write_text(text.replace("{blend: flow}", "{blend: flow, gaps: blend}"))
    wide = load(path).job().plan.taps
    assert [wide.way(n) for n in (24, 25, 40, 49, 51)] == [
        "flow", "mean", "mean", "mean", "flow",
    ]  # fmt: skip
    path.write_text(text.replace("blend: flow", "blend: flow, model: other"))
    with pytest.raises(ProjectError, match="has a model 'other'; known are dis"):
        load(path).job()


def test_the_report_marks_what_was_followed(tmp_path: Path) -> None:
    import json

    path = moving(tmp_path / "roll", list(range(6)))
    out, other = tmp_path / "flow.mp4", tmp_path / "two.mp4"
    report = load(path).job().render(out, workers=1)
    runs = [run for part in report["parts"] for run in part.get("flow", [])]
    marked = {n for run in runs for n in range(run["first"], run["first"] + run["frames"])}
    # At 5x and 25 frames/s every fifth frame is a still as it was taken.
    assert marked == {n for n in range(25) if n % 5}
    assert all(0 < run["trusted"] <= 1 for run in runs)
    again = load(path).job().render(out)
    assert again["segments"]["rendered"] == 0
    assert again["parts"] == json.loads(json.dumps(report["parts"]))
    twice = load(path).job().render(other, workers=2)
    assert [p["pixels"] for p in twice["parts"]] == [p["pixels"] for p in report["parts"]]
