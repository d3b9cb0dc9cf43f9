"""The overlay stage: texts drawn exactly or refused, shown on exactly the right frames."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from timelapse.errors import ProjectError, RenderError, TextError
from timelapse.overlay import (
    THEMES,
    Clock,
    Colour,
    Compositor,
    Credit,
    Cue,
    Look,
    Milestone,
    Overlay,
    Place,
    Scene,
    Share,
    Style,
    Words,
    cues,
    glyphs,
    place_milestones,
)
from timelapse.overlay.template import Moment, Template, write_speed
from timelapse.overlay.text import paint
from timelapse.retime import SpeedKey, Timeline, constant, eased
from timelapse.times import CaptureTime, MissionTime, Rate, Seconds, Speed, VideoTime
from timelapse.written import Instant

#: What needs real shaping can be tested only where Pillow finds FriBidi; without it such text is
#: refused by name, which has a test of its own.
shaped = pytest.mark.skipif(not glyphs.shapes(), reason="no FriBidi here: see timelapse doctor")

SIZES = [(960, 540), (1920, 1080), (1080, 1920), (1080, 1080)]


def line_of(
    rate: Rate | None = None,
    frames: int = 2250,
    speed: Fraction = Fraction(153, 10),
    start: Fraction = Fraction(-7, 2),
) -> Timeline:
    """A clip at one constant speed."""
    rate, begins = rate or Rate(25), MissionTime(start)
    schedule = constant(speed, begins, begins + frames / Fraction(rate) * speed)
    return Timeline(schedule, rate, CaptureTime.of_civil(2018, 11, 16, 18, 14, Fraction(8)))


LINE: Any = line_of()


def milestone(at: str, label: str = "separation", **more: Any) -> Milestone:
    return Milestone(Instant.read(at), label, **more)


def label(text: str, start: int = 0, stop: int = 10, **more: Any) -> Cue:
    more = {"place": Place.BOTTOM_LEFT} | more
    style = more.pop("style", Style())
    more = {{"fade_in": "come", "fade_out": "go"}.get(key, key): v for key, v in more.items()}
    return Cue(Words(text, style), start, stop, **more)


def black(size: tuple[int, int]) -> np.ndarray:
    return np.zeros((size[1], size[0], 3), np.uint8)


# ------------------------------------------------------------------ places


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", list(Place))
def test_every_place_is_inside_the_frame_and_its_margins(
    place: Place, size: tuple[int, int]
) -> None:
    cue = label("Soyuz-FG: Ägjpqy\nbooster separation", place=place, stop=1)
    compositor = Compositor([cue], size)
    [(x, y, width, height)] = compositor.boxes(0)
    margin = cue.what.style.margin.of(min(size))
    assert margin <= x <= size[0] - margin - width
    assert margin <= y <= size[1] - margin - height
    assert place.across >= 0 or x == margin
    assert place.across <= 0 or x + width == size[0] - margin
    assert place.across or abs(2 * x + width - size[0]) <= 1
    frame = np.full((size[1], size[0], 3), 128, np.uint8)
    compositor.draw(frame, 0)
    changed = np.argwhere((frame != 128).any(axis=2))
    assert len(changed)
    assert (changed.min(axis=0) > 0).all()
    assert (changed.max(axis=0) < np.array(size)[::-1] - 1).all()


BOXES = st.builds(
    label,
    st.sampled_from(["Soyuz", "booster separation of the Soyuz-FG", "two\nlines"]),
    st.integers(0, 30),
    st.integers(31, 60),
    place=st.sampled_from([Place.BOTTOM_LEFT, Place.BOTTOM, Place.BOTTOM_RIGHT, Place.TOP]),
    style=st.just(Style(size=Share(1, 40))),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(BOXES, max_size=6))
def test_what_is_shown_together_never_overlaps_and_never_moves(shown: list[Cue]) -> None:
    compositor = Compositor(shown, (640, 540))
    stands: dict[tuple[int, ...], int] = {}
    for n in range(60):
        boxes = compositor.boxes(n)
        assert len(boxes) == sum(cue.shows(n) for cue in shown)
        for box in boxes:
            stands[box] = n
        for i, (x, y, w, h) in enumerate(boxes):
            for a, b, c, d in boxes[:i]:
                assert x >= a + c or a >= x + w or y >= b + d or b >= y + h
    assert len(stands) <= len(shown)


def test_stacks_grow_into_the_frame_and_no_room_is_an_early_error() -> None:
    def tops(place: Place, count: int) -> list[int]:
        shown = [label(f"label {i}", place=place) for i in range(count)]
        return [box[1] for box in Compositor(shown, (960, 540)).boxes(0)]

    assert tops(Place.BOTTOM, 3) == sorted(tops(Place.BOTTOM, 3), reverse=True)
    assert tops(Place.TOP_RIGHT, 3) == sorted(tops(Place.TOP_RIGHT, 3))
    assert tops(Place.CENTER, 3) == sorted(tops(Place.CENTER, 3))
    with pytest.raises(TextError, match="no room left at bottom beside"):
        tops(Place.BOTTOM, 30)


def test_credit_and_clock_keep_their_places_and_labels_give_way() -> None:
    wide = "a label that is wide enough to reach from the left to the credit on the right, quite"
    small = Look(size=Share(21, 500))
    shown = cues(
        [milestone("frame 5", wide, text="{label}", style=small)],
        [Clock(), Credit(text="ESA/NASA")],
        Scene(LINE),
    )
    alone = Compositor(shown[:2], (960, 540)).boxes(6)
    assert Compositor(shown, (960, 540)).boxes(6)[:2] == alone
    _, y, _, height = Compositor(shown, (960, 540)).boxes(6)[2]
    assert y + height < alone[1][1]


# ------------------------------------------------------------------ times


def test_the_flagship_labels_stand_where_they_should() -> None:
    times = ("T+117.8 s", "T+287.3 s", "T+520 s", "T+528.5 s")
    placed = place_milestones([milestone(at) for at in times], Scene(LINE))
    assert [mark.frame for mark in placed] == [198, 475, 855, 869]
    assert [mark.shown_from for mark in placed] == [198, 475, 855, 869]
    assert placed[0].text == "00:07 separation"
    assert placed[0].read_as == "mission"
    assert str(placed[0].capture) == "2018-11-16T18:16:05.8Z"


@settings(max_examples=100, deadline=None)
@given(
    st.integers(-200, 3000),
    st.sampled_from([Rate(25), Rate(30000, 1001), Rate(60)]),
    st.integers(0, 60),
)
def test_a_label_is_shown_on_exactly_its_frames(ticks: int, rate: Rate, hold: int) -> None:
    line: Any = line_of(rate=rate, frames=250)
    at, length = Fraction(ticks, 100), Seconds(hold, 10)
    instant = Instant.read(f"T{'+' if at >= 0 else '-'}{abs(at)} s")
    mark = Milestone(instant, "x", hold=length, fade=Seconds(length / 4))
    [placed] = place_milestones([mark], Scene(line))
    video = line.video_of(MissionTime(at)).seconds
    holder = next((n for n in range(250) if n <= video * rate < n + 1), None)
    expected = (
        []
        if holder is None
        else [n for n in range(holder, 250) if Fraction(n) < (video + length) * rate]
    )
    assert list(range(placed.shown_from, placed.shown_to)) == expected
    shown = cues([mark], [], Scene(line))
    assert [n for n in range(250) if any(cue.shows(n) for cue in shown)] == expected
    for n in expected:
        assert 0 < shown[0].opacity(n) <= 1
    assert 0 <= placed.shown_from <= placed.shown_to <= 250


def test_fades_start_at_a_quarter_and_end_at_the_last_frame() -> None:
    [cue] = cues([milestone("frame 100", hold=Seconds(1), fade=Seconds(1, 5))], [], Scene(LINE))
    values = [cue.opacity(n) for n in range(99, 126)]
    ramp = [Fraction(i, 20) for i in (5, 8, 11, 14, 17)]
    assert values == [Fraction(0), *ramp, *[Fraction(1)] * 15, *ramp[::-1], Fraction(0)]
    frame = black((960, 540))
    compositor = Compositor([cue], (960, 540))
    compositor.draw(frame, 99)
    assert not frame.any()
    assert not compositor.shows(99)
    compositor.draw(frame, 100)
    assert frame.max() in (63, 64)  # 255 / 4 is 63.75
    assert compositor.shows(100)


@given(st.integers(1, 90), st.integers(0, 90), st.integers(0, 90))
def test_an_opacity_rises_from_a_quarter_is_full_and_falls(full: int, into: int, out: int) -> None:
    stop = into + full + out
    cue = label("x", stop=stop, fade_in=into, fade_out=out)
    values = [cue.opacity(n) for n in range(stop)]
    assert values[into : into + full] == [1] * full
    rise, fall = values[: into + 1], values[into + full - 1 :][::-1]
    for ramp in (rise, fall):
        assert ramp[0] == (Fraction(1, 4) if len(ramp) > 1 else 1)
        steps = {b - a for a, b in pairwise(ramp)}
        assert len(steps) <= 1
        assert all(step > 0 for step in steps)
    assert cue.opacity(-1) == cue.opacity(stop) == 0


@pytest.mark.parametrize(
    ("hold", "fade"), [("3 s", "0.25"), ("0.5 s", "0.25"), ("0.4 s", "0.2"), ("0 s", "0")]
)
def test_a_fade_that_is_not_stated_fits_the_hold(hold: str, fade: str) -> None:
    mark = milestone("frame 100", hold=Seconds.read(hold))
    assert mark.fades_for == Fraction(fade)
    assert cues([mark], [], Scene(LINE)) == cues(
        [replace(mark, fade=Seconds.read(fade))], [], Scene(LINE)
    )
    with pytest.raises(ProjectError, match=r"fade: .* half of hold"):
        replace(mark, fade=Seconds(mark.hold / 2 + Fraction(1, 100)))


@pytest.mark.parametrize("frames", range(1, 12))
def test_however_short_a_label_it_is_full_on_some_frame(frames: int) -> None:
    for fade in (None, Seconds(frames, 50)):
        [cue] = cues([milestone("frame 9", hold=Seconds(frames, 25), fade=fade)], [], Scene(LINE))
        opacities = [cue.opacity(n) for n in range(9, 9 + frames)]
        assert max(opacities) == 1
        assert min(opacities) >= Fraction(1, 4)
        assert opacities == opacities[::-1]


def test_line_ends_at_the_end_of_a_text_are_not_drawn() -> None:
    block = milestone("frame 9", "two\nlines \n\n", text="{label}\n")
    assert (block.label, block.text) == ("two\nlines ", "{label}")
    assert Credit(text="\n ESA\n").text == "\n ESA"
    [cue] = cues([block], [], Scene(LINE))
    assert cue.what.text == place_milestones([block], Scene(LINE))[0].text == "two\nlines "
    for empty in ("\n", " \n\n"):
        with pytest.raises(ProjectError, match="label: it is empty"):
            milestone("frame 9", empty)
        with pytest.raises(ProjectError, match="the credit is empty"):
            Credit(text=empty)


def test_a_label_cut_by_the_end_of_the_clip_does_not_fade_before_it() -> None:
    mark = milestone("frame 2240")
    [placed] = place_milestones([mark], Scene(LINE))
    assert (placed.shown_from, placed.shown_to) == (2240, 2250)
    assert cues([mark], [], Scene(LINE))[0].opacity(2249) == 1


def test_a_milestone_outside_the_clip_is_said_and_left_out() -> None:
    marks = [milestone("T-60 s"), milestone("T+9999 s"), milestone("T+1 s")]
    before, after, inside = place_milestones(marks, Scene(LINE))
    assert before.frame < 0
    assert (before.shown_from, before.shown_to) == (0, 0)
    assert after.frame > 2250
    assert (after.shown_from, after.shown_to) == (2250, 2250)
    assert before.text == "separation"
    assert [cue.start for cue in cues(marks, [], Scene(LINE))] == [inside.frame]


def test_a_credit_is_shown_since_and_until() -> None:
    def frames(**more: str) -> list[tuple[int, int]]:
        credit = Credit(text="ESA", **{key: Instant.read(at) for key, at in more.items()})
        return [(c.start, c.stop) for c in credit.cues(Scene(LINE)) if c.start < c.stop]

    assert frames() == [(0, 2250)]
    assert frames(since="frame 100", until="frame 200") == [(100, 200)]
    assert frames(until="T+117.8 s") == [(0, 199)]
    assert frames(since="T-99 s", until="T+99999 s") == [(0, 2250)]
    assert frames(since="T+99999 s") == frames(until="T-99 s") == []


# ------------------------------------------------------------------ templates


def rendered(text: str, frame: int = 855, name: str = "x") -> str:
    time = LINE.rate.time_of(frame)
    return Template.read(text).render(Moment(LINE, time, time, frame, name))


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("{timecode} {label}", "00:34 x"),
        ("{timecode:mm:ss:ff}", "00:34:05"),
        ("{timecode:hh:mm:ss:ff}", "00:00:34:05"),
        ("{timecode:hh:mm:ss}", "00:00:34"),
        ("{met} {utc} {speed}", "T+00:08:39 18:22:47 UTC 15.3x"),
        ("{utc:date}", "2018-11-16 18:22:47 UTC"),
        ("{video}", "00:34"),
        ("{{label}} }}{{ 100%", "{label} }{ 100%"),
    ],
)
def test_templates(text: str, drawn: str) -> None:
    assert rendered(text) == drawn


def test_a_label_is_never_a_template() -> None:
    assert rendered("{label}", name="100% {burn} {{x}} \\n") == "100% {burn} {{x}} \\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{labl}", "did you mean label"),
        ("{xyzzy}", "known are {timecode}"),
        ("{label", "write {{"),
        ("a } b", "write }}"),
        ("{timecode:ff}", "mm:ss:ff"),
        ("{met:date}", r"write \{met\}"),
        ("{}", "known are"),
    ],
)
def test_mistakes_in_templates_say_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ProjectError, match=says.replace("{{", r"\{\{")):
        milestone("T+1 s", text=text)


@pytest.mark.parametrize(
    ("speed", "text"),
    [
        ("15.3", "15.3x"), ("15.25", "15.3x"), ("8", "8.0x"), ("7.96", "8.0x"),
        ("86400.5", "86401x"), ("999.94", "999.9x"), ("999.95", "1000x"), ("0.1", "0.1x"),
        ("0.0995", "0.1x"), ("0.0994", "0.099x"), ("0.02", "0.020x"), ("0.0235", "0.024x"),
        ("0.00996", "0.010x"), ("0.00994", "0.0099x"), ("0.00001", "0.000010x"), ("0", "0.0x"),
    ],
)  # fmt: skip
def test_speeds_are_rounded_half_up(speed: str, text: str) -> None:
    assert write_speed(Fraction(speed), always=True) == text
    short = text.removesuffix("x").rstrip("0").removesuffix(".") if "." in text else text[:-1]
    assert write_speed(Fraction(speed)) == f"{short}x"


@given(st.fractions(Fraction(1, 10**9), 10**6))
def test_a_written_speed_is_near_the_speed(speed: Fraction) -> None:
    written = Fraction(write_speed(speed).removesuffix("x"))
    bound = speed / 20 if speed < Fraction(1, 10) else Fraction(1, 20 if speed < 1000 else 2)
    assert abs(written - speed) <= bound


# ------------------------------------------------------------------ pixels


@shaped
@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.sampled_from(
        [
            Style(),
            Style(outline=Share(0), colour=Colour(255, 200, 0, 180)),
            Style(box=Colour(10, 60, 90, 200), colour=Colour(0, 0, 0)),
            Style(colour=Colour(9, 200, 77), outline_colour=Colour(250, 0, 128, 99)),
        ]
    ),
)
def test_blending_is_within_one_of_the_exact_value(seed: int, n: int, style: Style) -> None:
    cue = label("Soyuz gjÅ انفصال", stop=13, style=style, fade_in=5, fade_out=4)
    compositor = Compositor([cue], (480, 270))
    ground = np.random.default_rng(seed).integers(0, 256, (270, 480, 3), np.uint8)
    frame = ground.copy()
    compositor.draw(frame, n)
    slot = compositor._slots[0]
    sprite, share = paint(slot.block), float(cue.opacity(n))
    alpha, colour = np.zeros((270, 480, 1)), np.zeros((270, 480, 3))
    height, width = sprite.alpha.shape
    x, y = slot.x - slot.block.bleed, slot.y - slot.block.bleed
    alpha[y : y + height, x : x + width, 0] = sprite.alpha / 255 * share
    colour[y : y + height, x : x + width] = sprite.rgb * share
    exact = np.round(ground * (1 - alpha) + colour)
    assert np.abs(frame - exact).max() <= 1
    assert np.array_equal(frame[alpha[..., 0] == 0], ground[alpha[..., 0] == 0])


def test_text_is_legible_on_any_ground() -> None:
    """White letters have a dark neighbourhood, or stand on one: 4.5:1 (WCAG 2.1, 1.4.3)."""
    cue = label("Soyuz-FG booster separation")
    block = Compositor([cue], (1920, 1080))._slots[0].block
    letters = paint(replace(block, outline_colour=Colour(0, 0, 0, 0))).alpha
    frame = np.full((1080, 1920, 3), 255, np.uint8)
    compositor = Compositor([cue], (1920, 1080))
    compositor.draw(frame, 5)
    slot = compositor._slots[0]
    x, y = slot.x - block.bleed, slot.y - block.bleed
    drawn = frame[y : y + letters.shape[0], x : x + letters.shape[1], 0]
    near = np.zeros(letters.shape, bool)
    near[1:-1] = (letters[2:] > 200) | (letters[:-2] > 200)
    edge = drawn[near & (letters == 0)]
    linear = np.where(edge <= 10, edge / 3294, ((edge / 255 + 0.055) / 1.055) ** 2.4)
    assert np.median(1.05 / (linear + 0.05)) >= 4.5


def test_a_wrong_frame_is_refused() -> None:
    compositor = Compositor([label("x")], (960, 540))
    for frame in (black((540, 960)), black((960, 540)).astype(np.float32)):
        with pytest.raises(RenderError, match=r"frame 0: .* 960x540"):
            compositor.draw(frame, 0)


def test_the_clock_never_moves() -> None:
    line: Any = line_of(start=Fraction(-40000), speed=Fraction(997, 10))
    for place in (Place.TOP_LEFT, Place.TOP_RIGHT, Place.TOP):
        clock = Clock(show=("met", "utc", "speed", "video"), place=place)
        compositor = Compositor(cues([], [clock], Scene(line)), (480, 270))
        slot = compositor._slots[0]
        frames = np.random.default_rng(7).integers(0, 2250, 1000 if place == "top-left" else 100)
        blocks = {compositor._state(slot, int(n)).block for n in frames}
        assert len(blocks) > 90
        for block in blocks:
            assert (block.width, block.height, block.bleed) == (
                slot.block.width,
                slot.block.height,
                slot.block.bleed,
            )
            assert [(set_.x, set_.baseline, set_.width) for set_ in block.lines] == [
                (set_.x, set_.baseline, set_.width) for set_ in slot.block.lines
            ]


def test_the_clock_shows_each_frames_own_instant() -> None:
    [cue] = cues([], [Clock(show=("met", "utc", "speed", "video"))], Scene(LINE))
    assert cue.what.text_at(0) == "T-00:00:04\n18:14:04 UTC\n15.3x\n00:00"
    assert cue.what.text_at(855) == "T+00:08:39\n18:22:47 UTC\n15.3x\n00:34"
    assert pickle.loads(pickle.dumps(cue)).what.text_at(855) == cue.what.text_at(855)


def ramped(slow: str, fast: str) -> Timeline:
    """A clip of ten seconds that goes from one speed to another."""
    zero, ten = VideoTime(Fraction(0)), VideoTime(Fraction(10))
    keys = [SpeedKey(zero, Speed.read(slow)), SpeedKey(ten, Speed.read(fast))]
    return Timeline(eased(keys, MissionTime(Fraction(0)), ten), Rate(25), LINE.epoch)


@pytest.mark.parametrize(
    ("slow", "fast", "longest"),
    [
        ("8", "9", "9.0x"), ("8", "16", "16.0x"), ("16", "8", "16.0x"), ("0.02", "2", "0.020x"),
        ("500", "2000", "999.9x"), ("1200", "20000", "20000x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [Place.TOP_LEFT, Place.TOP, Place.CENTER, Place.BOTTOM_RIGHT])
def test_a_running_speed_has_one_length_and_the_longest_is_not_filled(
    place: Place, slow: str, fast: str, longest: str
) -> None:
    line = ramped(slow, fast)
    [cue] = cues([], [Clock(show=("speed",), place=place)], Scene(line))
    texts = [cue.what.text_at(n) for n in range(line.frames)]
    assert {len(text) for text in texts} == {len(cue.what.widest)} == {len(longest)}
    assert all(text == text.rstrip() for text in texts if place.across >= 0)
    assert all(text == text.lstrip() for text in texts if place.across < 0)
    assert any(text == text.strip() for text in texts)


@pytest.mark.parametrize("place", [Place.TOP, Place.CENTER, Place.BOTTOM])
def test_a_clock_in_the_middle_is_centred_and_its_digits_stand(place: Place) -> None:
    def columns(line: Any, n: int) -> tuple[int, int]:
        """The first and last column that a clock's letters touch, in a frame of 960."""
        style = Look(outline=Share(0), size=Share(1, 10))
        clock = Clock(show=("speed",), place=place, style=style)
        frame = black((960, 540))
        Compositor(cues([], [clock], Scene(line)), (960, 540)).draw(frame, n)
        lit = np.flatnonzero(frame.any(axis=(0, 2)))
        return int(lit[0]), int(lit[-1])

    for steady in (Fraction(153, 10), Fraction(8), Fraction(1, 50), Fraction(2000)):
        first, last = columns(line_of(speed=steady), 10)
        assert abs(first + last - 959) <= 12  # a letter is 32 wide; its own bearings differ
    rising = ramped("8", "16")
    ends = {columns(rising, n)[1] for n in range(0, rising.frames, 10)}
    assert len(ends) == 1  # the x, and with it each digit, stays where it is
    first, last = columns(rising, rising.frames - 1)
    assert abs(first + last - 959) <= 12


# ------------------------------------------------------------------ signatures


def film(compositor: Compositor, start: int, stop: int) -> bytes:
    frames = []
    for n in range(start, stop):
        frame = np.full((compositor.size[1], compositor.size[0], 3), 90, np.uint8)
        compositor.draw(frame, n)
        frames.append(frame.tobytes())
    return b"".join(frames)


CUES = st.builds(
    label,
    st.sampled_from(["a", "b"]),
    st.integers(0, 4),
    st.integers(5, 9),
    place=st.sampled_from([Place.TOP, Place.BOTTOM]),
    style=st.sampled_from([Style(), Style(colour=Colour(255, 255, 0)), Style(size=Share(1, 20))]),
    fade_in=st.integers(0, 2),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CUES, max_size=2), st.lists(CUES, max_size=2), st.integers(0, 7))
def test_equal_signatures_are_equal_pixels(one: list[Cue], two: list[Cue], start: int) -> None:
    a, b = Compositor(one, (160, 90)), Compositor(two, (160, 90))
    if a.signature(start, start + 3) == b.signature(start, start + 3):
        assert film(a, start, start + 3) == film(b, start, start + 3)
    later = [replace(cue, start=20, stop=30) for cue in two]
    assert Compositor([*one, *later], (160, 90)).signature(0, 20) == a.signature(0, 20)
    if film(a, 0, 9) != film(b, 0, 9):
        assert a.signature(0, 9) != b.signature(0, 9)


def test_a_signature_is_of_what_is_shown_there_alone() -> None:
    shown = [label("first", 0, 10), label("second", 20, 30)]
    other = [label("first", 0, 10), label("another", 20, 30)]
    a, b = Compositor(shown, (480, 270)), Compositor(other, (480, 270))
    assert a.signature(0, 20) == b.signature(0, 20)
    assert a.signature(0, 21) != b.signature(0, 21)
    assert a.signature(10, 20) == Compositor([], (480, 270)).signature(10, 20)
    assert a.signature(0, 5) == a.signature(3, 8) != a.signature(8, 13)
    clock = Compositor(cues([], [Clock()], Scene(LINE)), (480, 270))
    assert clock.signature(0, 25) != clock.signature(25, 50)


# ------------------------------------------------------------------ the project file's view


def read(kind: Any, value: Any) -> Any:
    config = ConfigDict(extra="forbid")
    for one in (*get_args(Overlay), Milestone, Look):
        one.__pydantic_config__ = config  # as the project file does
    return TypeAdapter(kind).validate_python(value)


LAYER = Annotated[Overlay, Field(discriminator="kind")]


def test_layers_are_read_from_text() -> None:
    mark = read(Milestone, {"at": "T+117.8 s", "label": "x", "hold": "3 s"})
    assert mark == milestone("T+117.8 s", "x")
    clock = read(LAYER, {"kind": "clock", "show": ["met", "speed"], "style": {"size": "5 %"}})
    assert clock.show == ("met", "speed")
    assert (clock.style.font, clock.style.size) == (None, Share(1, 20))
    assert clock.style.over(THEMES["plain"].clock).font == "mono"
    credit = read(LAYER, {"kind": "credit", "text": "ESA", "place": "top", "until": "00:07"})
    assert (credit.place, str(credit.until)) == (Place.TOP, "00:07")
    style = read(Look, {"outline": "none", "box": "#000a", "colour": "yellow"} | {"box": "none"})
    assert (style.outline, style.box.alpha, str(style.colour)) == (0, 0, "#ffff00")


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (LAYER, {"kind": "clok"}, "clok"),
        (LAYER, {"kind": "clock", "show": ["mett"]}, "met"),
        (LAYER, {"kind": "clock", "show": []}, "what the clock shows"),
        (LAYER, {"kind": "credit", "text": " "}, "the credit is empty"),
        (Milestone, {"at": "T+1 s", "label": "x", "hold": "-1 s"}, "negative"),
        (Milestone, {"at": "T+1 s", "label": "x", "fade": "2 s"}, "half of hold"),
        (Milestone, {"at": "T+1 s", "label": ""}, "label: it is empty"),
        (Milestone, {"at": "T+1 s", "label": "x", "text": "{labl}"}, "did you mean label"),
        (Milestone, {"at": "T+1 s", "labl": "x"}, "labl"),
        (Milestone, {"at": "T+1 s", "label": "x", "hold": "0.4 s", "fade": "0.25 s"}, "0.2 s"),
        (Look, {"size": "60 %"}, "at most 50 %"),
        (Look, {"size": "0"}, "above 0"),
        (Look, {"size": "big"}, "write 4.5 %"),
        (Look, {"margin": "0.5"}, "no room"),
        (Look, {"colour": "yelow"}, "did you mean yellow"),
        (Look, {"colour": "#12345"}, "#rrggbb"),
    ],
)
def test_mistakes_are_refused_with_the_remedy(kind: Any, value: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        read(kind, value)


def test_a_block_of_yaml_and_a_short_hold_are_read() -> None:
    mark = read(Milestone, {"at": "T+1 s", "label": "two\nlines\n", "hold": "0.4 s"})
    assert (mark.label, mark.fade, mark.fades_for) == ("two\nlines", None, Fraction(1, 5))
    assert read(LAYER, {"kind": "credit", "text": "ESA\n"}).text == "ESA"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Share.read("-1 %"),
        lambda: Colour(0, 0, 256),
        lambda: Colour.read("#ggg"),
        lambda: Style(size=Share(-1, 10)),
        lambda: Style(outline=Share(3, 5)),
        lambda: Style(outline=Share(-1, 10)),
        lambda: Style(padding=Share(-1, 10)),
        lambda: Style(margin=Share(-1, 10)),
        lambda: Clock(show=()),
        lambda: Credit(text=""),
        lambda: milestone("T+1 s", ""),
        lambda: milestone("T+1 s", hold=Seconds(-1)),
        lambda: milestone("T+1 s", fade=Seconds(-1)),
        lambda: milestone("T+1 s", text="{"),
    ],
)
def test_what_cannot_be_meant_is_an_error_of_the_tree(make: Callable[[], object]) -> None:
    with pytest.raises(ProjectError):
        make()


@given(st.fractions(0, 1))
def test_what_is_written_is_read_back(value: Fraction) -> None:
    share = Share(value.limit_denominator(10**6))
    assert Share.read(str(share)) == share
    assert pickle.loads(pickle.dumps(share)) == share


@given(st.tuples(*[st.integers(0, 255)] * 4))
def test_colours_are_read_back(parts: tuple[int, int, int, int]) -> None:
    assert Colour.read(str(Colour(*parts))) == Colour(*parts)
    assert Colour.read("#fa0") == Colour(255, 170, 0)
