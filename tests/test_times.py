"""Time is exact: what is written is read back, and nothing rounds unless its name says so."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelapse.errors import TimeError
from timelapse.times import (
    CaptureTime,
    MissionTime,
    Rate,
    Seconds,
    Speed,
    VideoTime,
    read_utc_offset,
)
from timelapse.written import Context, Instant

fractions = st.fractions(min_value=-(10**7), max_value=10**7, max_denominator=10**9)
positive = st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6)
rates = st.sampled_from(["24", "25", "30", "50", "60", "23.976", "29.97", "59.94", "1/2"]).map(
    Rate.read
)
drop_rates = st.sampled_from(["30000/1001", "60000/1001"]).map(Rate.read)
PAL = Context(Rate(25), Fraction(90))


def resolve(text: str, context: Context = PAL) -> object:
    return Instant.read(text).resolve(context).time


# ------------------------------------------------------------------ what is written is read back


@given(fractions)
def test_lengths_are_read_back(value: Fraction) -> None:
    assert Seconds.read(str(Seconds(value))) == value


@given(fractions)
def test_mission_times_are_read_back(value: Fraction) -> None:
    assert resolve(str(MissionTime(value))) == MissionTime(value)


@given(st.fractions(min_value=0, max_value=10**7, max_denominator=10**9))
def test_video_times_are_read_back(value: Fraction) -> None:
    assert resolve(str(VideoTime(value)), Context(Rate(25))) == VideoTime(value)


@given(st.fractions(min_value=-(10**10), max_value=10**10, max_denominator=10**9))
def test_capture_times_are_read_back(value: Fraction) -> None:
    assert CaptureTime.read(str(CaptureTime(value))) == CaptureTime(value)


@given(positive)
def test_speeds_are_read_back(value: Fraction) -> None:
    assert Speed.read(str(Speed(value))) == value


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_rates_are_read_back(frames: int, seconds: int) -> None:
    if Fraction(1, 1000) <= Fraction(frames, seconds) <= 1000:
        assert Rate.read(str(Rate(frames, seconds))) == Fraction(frames, seconds)


@given(rates, st.integers(0, 10**6))
def test_frames_are_read_back(rate: Rate, frame: int) -> None:
    assert rate.frame_at(rate.time_of(frame)) == frame
    assert resolve(f"frame {frame}", Context(rate)) == rate.time_of(frame)


@given(rates.filter(lambda rate: rate > 1), st.integers(0, 10**6))
def test_timecodes_are_read_back(rate: Rate, frame: int) -> None:
    assert resolve(rate.timecode(frame), Context(rate)) == rate.time_of(frame)


@given(drop_rates, st.integers(0, 10**6))
def test_drop_frame_timecodes_are_read_back(rate: Rate, frame: int) -> None:
    text = rate.timecode(frame, "hh:mm:ss;ff")
    assert resolve(text, Context(rate)) == rate.time_of(frame)


@given(st.sampled_from([Seconds, Speed]), positive)
def test_quantities_survive_pickle_and_copy(kind: type[Seconds], value: Fraction) -> None:
    for twin in (pickle.loads(pickle.dumps(kind(value))), copy.deepcopy(kind(value))):
        assert twin == value
        assert type(twin) is kind


# ------------------------------------------------------------------ exactness


def test_the_millionth_frame_is_exact() -> None:
    rate = Rate.read("29.97")
    assert rate.time_of(10**6).seconds == Fraction(10**6 * 1001, 30000)
    assert rate.frame_at(VideoTime(Fraction(10**6 * 1001, 30000))) == 10**6
    just_before = VideoTime(Fraction(10**6 * 1001, 30000) - Fraction(1, 10**15))
    assert rate.frame_at(just_before) == 10**6 - 1


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("29.97", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("23.98", Fraction(24000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("119.88", Fraction(120000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("25", Fraction(25)),
        ("25.00", Fraction(25)),
        ("24 fps", Fraction(24)),
        ("29.98", Fraction(2998, 100)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_rates_are_exact_ratios(text: str, exact: Fraction) -> None:
    assert Rate.read(text) == exact


@given(rates, st.fractions(min_value=0, max_value=10**4, max_denominator=10**6))
def test_a_clip_has_the_frames_whose_instant_lies_inside(rate: Rate, length: Fraction) -> None:
    count = rate.frames_in(length)
    assert rate.time_of(count).seconds >= length
    assert count == 0 or rate.time_of(count - 1).seconds < length


@pytest.mark.parametrize("kind", [CaptureTime, MissionTime, VideoTime])
@pytest.mark.parametrize("value", [1.5, "1", None])
def test_clocks_take_exact_values_alone(kind: type[MissionTime], value: object) -> None:
    with pytest.raises(TypeError, match="takes a Fraction"):
        kind(value)  # type: ignore[arg-type]


def test_clocks_cannot_be_mixed() -> None:
    mission, video = MissionTime(Fraction(1)), VideoTime(Fraction(1))
    for mix in (
        lambda: mission - video,  # type: ignore[operator]
        lambda: mission < video,  # type: ignore[operator]
        lambda: mission >= video,  # type: ignore[operator]
        lambda: mission + video,  # type: ignore[operator]
        lambda: mission + 0.5,  # type: ignore[operator]
        lambda: mission - 0.5,  # type: ignore[operator]
    ):
        with pytest.raises(TypeError):
            mix()
    assert mission != video


def test_arithmetic_keeps_its_clock() -> None:
    later = MissionTime(Fraction(1)) + Fraction(1, 3)
    assert later == MissionTime(Fraction(4, 3))
    assert later - MissionTime(Fraction(1)) == Fraction(1, 3)
    assert type(later - Fraction(1)) is MissionTime


def test_the_epoch_relates_capture_and_mission_time() -> None:
    epoch = CaptureTime.read("2018-11-16T18:14:08Z")
    seen = CaptureTime.read("2018-11-16T19:16:05.8+01:00")
    assert seen.since(epoch) == MissionTime(Fraction(1178, 10))
    assert seen.since(epoch).after(epoch) == seen


# ------------------------------------------------------------------ notations


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("T+118 s", MissionTime(Fraction(118))),
        ("T-00:00:03", MissionTime(Fraction(-3))),
        ("L+1:58.5", MissionTime(Fraction(237, 2))),
        ("t+1:02:03", MissionTime(Fraction(3723))),
        ("T+1 min 58 s", MissionTime(Fraction(118))),
        ("2018-11-16T18:16:06Z", CaptureTime(Fraction(1542392166))),
        ("2018-11-16 20:16:06.25+02:00", CaptureTime(Fraction(1542392166) + Fraction(1, 4))),
        ("00:07", VideoTime(Fraction(7))),
        ("1:07.5", VideoTime(Fraction(135, 2))),
        ("34.2 s", VideoTime(Fraction(342, 10))),
        ("frame 855", VideoTime(Fraction(342, 10))),
        ("00:00:34:05", VideoTime(Fraction(342, 10))),
        ("00:34:05", VideoTime(Fraction(342, 10))),
        ("00:34:19", VideoTime(Fraction(869, 25))),
    ],
)
def test_every_notation(text: str, time: object) -> None:
    assert resolve(text) == time


@pytest.mark.parametrize(
    ("text", "clip", "timecode", "read_as"),
    [
        ("00:34:05", 90, None, "mm:ss:ff"),  # 34 minutes lie outside the clip
        ("00:34:26", 9000, None, "hh:mm:ss"),  # there is no frame 26 in a second of 25
        ("00:34:05", 9000, "mm:ss:ff", "mm:ss:ff"),
        ("00:34:05", 9000, "hh:mm:ss", "hh:mm:ss"),
    ],
)
def test_three_fields_say_how_they_were_read(
    text: str, clip: int, timecode: str | None, read_as: str
) -> None:
    context = Context(Rate(25), Fraction(clip), timecode)
    assert Instant.read(text).resolve(context).read_as == read_as


def test_three_fields_that_fit_twice_are_refused_with_both_readings() -> None:
    with pytest.raises(TimeError, match=r"hh:mm:ss = 2045 s or mm:ss:ff = 34.2 s.*timecode: "):
        resolve("00:34:05", Context(Rate(25), Fraction(9000)))


def test_three_fields_that_fit_nowhere_say_why() -> None:
    with pytest.raises(TimeError, match=r"hh:mm:ss: .* outside the clip.*26 frames do not fit"):
        resolve("00:34:26")


def test_drop_frame_numbers_that_do_not_exist() -> None:
    rate = Rate.read("29.97")
    assert rate.timecode(1800, "mm:ss;ff") == "01:00;02"
    assert rate.timecode(17982, "hh:mm:ss;ff") == "00:10:00;00"
    with pytest.raises(TimeError, match="leaves this number out"):
        resolve("00:01:00;00", Context(rate))
    with pytest.raises(TimeError, match="drop-frame"):
        resolve("01:00;02", Context(Rate(25)))


@pytest.mark.parametrize(
    "text",
    ["", "5", "34.2", "-3 s", "T+", "T+-3", "00:61", "noon", "2018-11-16", "2018-11-16T18:16:06",
     "2018-02-30T00:00:00Z", "2018-11-16T24:00:00Z", "9" * 5000, "T+" + "9" * 5000, "frame -1",
     "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00", "T+1/0 s", "still"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TimeError):
        resolve(text)


@given(st.text(max_size=30))
def test_reading_never_fails_in_another_way(text: str) -> None:
    for read in (Instant.read, Seconds.read, Speed.read, Rate.read, CaptureTime.read):
        try:
            read(text)
        except TimeError:
            continue


def test_bare_numbers_are_asked_for_their_unit() -> None:
    with pytest.raises(TimeError, match=r"write 34\.2 s or frame 34\.2"):
        resolve("34.2")


@pytest.mark.parametrize(
    ("text", "value"),
    [("90 s", 90), ("1 min 30 s", 90), ("1:30", 90), ("1:02:03.5", "7447/2"), ("250 ms", "1/4"),
     ("-13.0 s", -13), ("90", 90), ("1m30s", 90), ("1/3 s", "1/3")],
)  # fmt: skip
def test_lengths(text: str, value: int | str) -> None:
    assert Seconds.read(text) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "value"), [("12x", 12), ("15.3", "15.3"), ("1 min/s", 60), ("1/2x", "1/2")]
)
def test_speeds(text: str, value: int | str) -> None:
    assert Speed.read(text) == Fraction(value)


@pytest.mark.parametrize("text", ["0x", "-3x", "fast", "0/s", "", "1/0", "1e9999999", "1_0", "١٢"])
def test_speeds_that_are_none(text: str) -> None:
    with pytest.raises(TimeError):
        Speed.read(text)


@pytest.mark.parametrize("text", ["0", "1001", "1/1001", "33.3333333333", "1e-9", "1/0", "-25"])
def test_rates_that_no_film_can_have(text: str) -> None:
    with pytest.raises(TimeError):
        Rate.read(text)


@pytest.mark.parametrize("kind", [Seconds, Speed, Rate])
def test_quantities_take_exact_values_alone(kind: type[Seconds]) -> None:
    with pytest.raises(TypeError, match="exact values"):
        kind(29.97)


def test_quantities_are_what_they_say() -> None:
    for make in (lambda: Speed(0), lambda: Rate(-5), lambda: Rate(1, 10**7)):
        with pytest.raises(TimeError):
            make()


def test_clock_faces_round_down() -> None:
    assert MissionTime(Fraction(-1, 10)).clock() == "T-00:00:01"
    assert MissionTime(Fraction(0)).clock() == "T+00:00:00"
    assert MissionTime(Fraction(1178, 10)).clock(1) == "T+00:01:57.8"
    assert VideoTime(Fraction(1989, 25)).clock() == "01:19"
    assert VideoTime(Fraction(3600)).clock() == "01:00:00"
    assert CaptureTime(Fraction(-1, 1000)).iso(2) == "1969-12-31T23:59:59.99Z"


def test_utc_offsets() -> None:
    assert read_utc_offset("+02:00") == 7200
    assert read_utc_offset("-0530") == -19800
    assert read_utc_offset("Z") == 0
    with pytest.raises(TimeError, match="not a UTC offset"):
        read_utc_offset("CET")
