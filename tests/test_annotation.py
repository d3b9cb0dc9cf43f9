"""Layers, themes, groups and languages: what stands where on which frames, and how it looks."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import gallery
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from timelapse.errors import ProjectError, TextError
from timelapse.overlay import (
    THEMES,
    Clock,
    Colour,
    Compositor,
    Credit,
    Credits,
    Cue,
    End,
    GapCaption,
    Group,
    Logo,
    Look,
    LowerThird,
    Milestone,
    Place,
    Progress,
    Safe,
    Scene,
    Share,
    Span,
    SpeedMap,
    Style,
    Theming,
    Title,
    Words,
    cues,
    in_language,
    languages,
    place_milestones,
    reading_time,
)
from timelapse.overlay.contrast import chosen as treatment_for
from timelapse.overlay.contrast import contrast, treatments
from timelapse.overlay.drawing import Canvas
from timelapse.times import Seconds
from timelapse.written import Instant

LINE: Any = gallery.timeline()
SCENE = Scene(LINE, interval=Seconds(1))
SIZE = (480, 270)


def at(text: str) -> Instant:
    return Instant.read(text)


def grey(size: tuple[int, int] = SIZE, value: int = 90) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


def drawn(found: Any, n: int, size: tuple[int, int] = SIZE, value: int = 90) -> np.ndarray:
    frame = grey(size, value)
    Compositor(found, size).draw(frame, n)
    return frame


def changed(found: Any, n: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The pixels that a frame's overlays change."""
    return (drawn(found, n, size) != 90).any(axis=2)


# ------------------------------------------------------------------ when


def frames_of(layer: Any, scene: Scene = SCENE) -> list[tuple[int, int]]:
    return [(cue.start, cue.stop) for cue in layer.cues(scene) if cue.start < cue.stop]


@pytest.mark.parametrize(
    "kind", [Clock, Progress, SpeedMap, lambda **more: Credit(text="x", **more)]
)
def test_layers_last_since_and_until_on_any_clock(kind: Any) -> None:
    assert frames_of(kind()) == [(0, 250)]
    assert frames_of(kind(since=at("frame 20"), until=at("4 s"))) == [(20, 100)]
    mission = LINE.mission_at(50)
    assert frames_of(kind(since=at(f"T+{mission.seconds} s"))) == [(50, 250)]
    capture = LINE.capture_of(LINE.rate.time_of(60))
    if capture.iso(6).endswith("000Z"):
        assert frames_of(kind(until=at(capture.iso(6)))) == [(0, 60)]
    assert frames_of(kind(since=at("T+99999 s"))) == frames_of(kind(until=at("T-1 s"))) == []


def test_spans_names_and_cards_have_their_frames() -> None:
    span = Span(label="burn", since=at("frame 10"), until=at("frame 30"))
    assert frames_of(span) == [(10, 30)]
    assert frames_of(LowerThird(name="A. Gerst", at=at("frame 10"), hold=Seconds(2))) == [(10, 60)]
    assert frames_of(LowerThird(name="A. Gerst", at=at("T+99999 s"))) == []
    assert frames_of(Title(title="x", hold=Seconds(3))) == [(0, 75)] * 2
    assert frames_of(End(title="x", hold=Seconds(3))) == [(175, 250)] * 2
    assert frames_of(Title(title="x", hold=Seconds(99))) == [(0, 250)] * 2
    shown = gallery.scene(THEMES["plain"], SIZE, [])
    assert frames_of(GapCaption(), shown) == [(80, 130)]
    assert frames_of(GapCaption(least=Seconds(74)), shown) == []
    [cue] = GapCaption(text="{seconds} s ohne Bild").cues(shown)
    assert cue.what.words == "73 s ohne Bild"


def test_a_label_is_held_on_either_clock_or_from_and_until_an_instant() -> None:
    def span(**more: Any) -> tuple[int, int]:
        [placed] = place_milestones([Milestone(at=at("frame 100"), label="x", **more)], SCENE)
        assert placed.frame == 100
        return placed.shown_from, placed.shown_to

    assert span(hold=Seconds(1)) == (100, 125)
    start = LINE.mission_at(100)
    stop = next(n for n in range(250) if LINE.mission_at(n) >= start + Seconds(20))
    assert span(hold=Seconds(20), hold_on="mission") == (100, stop)
    assert span(until=at("frame 140")) == (100, 140)
    assert span(since=at("frame 90"), until=at("frame 140")) == (90, 140)
    assert span(since=at("frame 90"), hold=Seconds(1)) == (90, 125)


def test_what_comes_later_than_the_start_fades_and_what_is_there_does_not() -> None:
    [always] = Credit(text="x").cues(SCENE)
    assert always.opacity(0) == always.opacity(249) == 1
    [later] = Credit(text="x", since=at("frame 10")).cues(SCENE)
    assert [later.opacity(n) for n in (9, 10, 17, 249)] == [0, Fraction(1, 4), 1, 1]
    [cut] = Credit(text="x", since=at("frame 10"), transition="cut").cues(SCENE)
    assert [cut.opacity(n) for n in (9, 10, 16)] == [0, 1, 1]


def test_what_slides_comes_from_its_edge_slows_down_and_stands() -> None:
    for place, towards in (
        ("left", (-1, 0)),
        ("right", (1, 0)),
        ("bottom", (0, 1)),
        ("top", (0, -1)),
    ):
        layer = Credit(text="slides", place=Place(place), since=at("frame 10"), transition="slide",
                       fade=Seconds(1))  # fmt: skip
        [cue] = layer.cues(SCENE)
        compositor = Compositor([cue], SIZE)
        [slot] = compositor._drawn
        ways = [np.array(cue.shift(n, slot.canvas)) for n in range(10, 40)]
        lengths = [float(way @ np.array(towards)) for way in ways]
        assert lengths[0] > 0
        assert lengths[25:] == [0] * 5
        steps = [a - b for a, b in pairwise(lengths[:26])]
        assert all(step > 0 for step in steps)
        assert all(a > b for a, b in pairwise(steps))
        assert changed([cue], 10).any()
        assert compositor.boxes(39) == Compositor([replace(cue, transition="cut")], SIZE).boxes(39)


# ------------------------------------------------------------------ where and in which order


def test_nothing_stands_in_what_is_kept_free() -> None:
    safe = Safe.read("10 % 5 % 20 % 15 %")
    assert str(safe) == "10 % 5 % 20 % 15 %"
    assert Safe.read(str(safe)) == safe
    assert Safe.read("5%") == Safe.read("5 % 5 %") == Safe(*[Share(1, 20)] * 4)
    for place in Place:
        [cue] = cues([], [Credit(text="Ägypten (q)", place=place)], SCENE)
        [(x, y, width, height)] = Compositor([replace(cue, safe=safe)], SIZE).boxes(0)
        assert x >= 72
        assert x + width <= 456
        assert y >= 27
        assert y + height <= 216
    for wrong in ("5 % 5 % 5 %", "60 %", "wide"):
        with pytest.raises(ProjectError):
            Safe.read(wrong)


def test_a_higher_order_covers_and_groups_fade_as_one() -> None:
    red, blue = (
        Credit(text="M", place=Place.CENTER, style=Look(colour=c, outline=Share(0)))
        for c in (Colour(255, 0, 0), Colour(0, 0, 255))
    )
    [a], [b] = red.cues(SCENE), blue.cues(SCENE)
    free = [replace(cue, path=_middle) for cue in (a, b)]
    assert drawn(free, 0, value=0)[..., 2].max() > drawn(free, 0, value=0)[..., 0].max()
    raised = [replace(free[0], order=1), free[1]]
    assert drawn(raised, 0, value=0)[..., 0].max() > drawn(raised, 0, value=0)[..., 2].max()

    layers = [replace(red, group="one", opacity=Share(1, 2)), blue]
    groups = {"one": Group(opacity=Share(1, 2), order=3, since=at("frame 10"))}
    first, second = cues([], layers, SCENE, groups)
    assert (first.strength, first.order, first.start) == (Fraction(1, 4), 3, 10)
    assert (second.strength, second.order, second.start) == (1, 0, 0)
    [hidden, _] = cues([], layers, SCENE, {"one": Group(show=False)})
    assert hidden.start >= hidden.stop


def _middle(*_: Any) -> tuple[float, float]:
    return 100.0, 100.0


@settings(max_examples=40, deadline=None)
@given(st.floats(-60, 500), st.floats(-60, 300))
def test_what_moves_is_cut_at_the_edges_and_stands_between_pixels(x: float, y: float) -> None:
    """A white box of 20x20 keeps its light, its middle is where it was put; outside is cut off."""
    box = replace(_boxed(), path=lambda *_: (x, y))
    frame = grey(value=0)
    compositor = Compositor([box], SIZE)
    compositor.draw(frame, 0)
    light = frame[..., 0].astype(float)
    [shown] = compositor.boxes(0)
    wide, high = shown[2:]
    inside = x >= 0 and y >= 0 and x + wide < SIZE[0] and y + high < SIZE[1]
    if x + wide < 0 or y + high < 0 or x > SIZE[0] or y > SIZE[1]:
        assert not light.any()
    elif inside:
        rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
        middle = (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()
        assert abs(middle[0] - (x + wide / 2 - 0.5)) < 0.08  # to an eighth of a pixel
        assert abs(middle[1] - (y + high / 2 - 0.5)) < 0.08


def _boxed() -> Cue:
    style = Style(colour=Colour(255, 255, 255), box=Colour(255, 255, 255), outline=Share(0),
                  padding=Share(0))  # fmt: skip
    return Cue(Words("ll", style), 0, 10)


# ------------------------------------------------------------------ what is drawn


def test_a_bar_is_as_full_as_the_mission_is_over_and_ticks_stand_at_milestones() -> None:
    marks = [Milestone(at=at(f"frame {n}"), label="x") for n in (60, 200)]
    scene = replace(SCENE, marks=place_milestones(marks, SCENE))
    [cue] = Progress(height=Share(1, 30)).cues(scene)
    compositor = Compositor([cue], SIZE)
    [(x, y, width, height)] = compositor.boxes(0)
    first, last = (LINE.mission_at(n).seconds for n in (0, 249))
    accent = scene.theme.accent
    for n in (0, 100, 249):
        frame = drawn([cue], n, value=0)
        row = frame[y + height // 2, x : x + width].astype(int)
        amount = (row[:, 2] < 150) & (row[:, 0] > 150)  # the accent is yellow
        share = float((LINE.mission_at(n).seconds - first) / (last - first))
        assert abs(amount.sum() - share * width) <= 4 + 4  # ticks stand in the way
        assert accent.red > 200
    ticks = np.flatnonzero((drawn([cue], 0, value=0)[y + 1, x : x + width] > 200).all(axis=1))
    wanted = [float((LINE.mission_at(n).seconds - first) / (last - first)) for n in (60, 200)]
    for share in wanted:
        assert np.abs(ticks - share * (width - 1)).min() <= 1
    assert all(min(abs(t - share * (width - 1)) for share in wanted) <= 1.5 for t in ticks)


def test_the_dot_of_a_speed_map_is_where_the_clip_is() -> None:
    [cue] = SpeedMap(width=Share(1), height=Share(1, 2)).cues(SCENE)
    compositor = Compositor([cue], SIZE)
    for n in (0, 77, 249):
        [(x, y, width, height)] = compositor.boxes(n)
        frame = drawn([cue], n, value=0).astype(int)
        yellow = (frame[..., 0] > 200) & (frame[..., 2] < 160)
        rows, columns = np.nonzero(yellow)
        assert abs(columns.mean() - (x + n / 249 * width)) < 1
        speed = float(LINE.speed_at(n))
        assert abs(rows.mean() - (y + (1 - speed / 16) * height)) < 1.5


def test_credits_roll_by_whole_pixels_through_all_of_the_frame() -> None:
    lines = ("# Pictures", "A. Gerst", *[f"line {n}" for n in range(40)])
    _, roll = Credits(lines=lines, hold=Seconds(8)).cues(SCENE)
    compositor = Compositor([roll], SIZE)
    tops = [compositor.boxes(n)[0][1] for n in range(roll.start, roll.stop)]
    [height] = {compositor.boxes(n)[0][3] for n in range(roll.start, roll.stop)}
    assert height > SIZE[1]
    [step] = {a - b for a, b in pairwise(tops)}
    assert step == -(-(SIZE[1] + height) // (len(tops) - 1))  # the slowest that gets through
    assert tops[0] == SIZE[1]
    assert tops[-1] <= -height


def test_a_logo_is_drawn_with_its_own_transparency(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 255, np.linspace(0, 255, 40).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA))
    [cue] = Logo(file=str(tmp_path / "a.png"), height=Share(20, 270), opacity=Share(1, 2)).cues(
        SCENE
    )
    compositor = Compositor([cue], SIZE)
    [(x, y, width, height)] = compositor.boxes(0)
    assert (width, height) == (40, 20)
    box = drawn([cue], 0)[y : y + height, x : x + width].astype(float)
    share = pixels[..., 3:] / 255 / 2
    assert np.abs(box - (90 * (1 - share) + pixels[..., :3] * share)).max() <= 1
    [vector] = Logo(file=str(gallery.LOGO), height=Share(1, 4)).cues(SCENE)
    assert Compositor([vector], SIZE).boxes(0)[0][2:] == (136, 68)
    assert changed([vector], 0).sum() > 500
    for name, content in (("b.png", b"no picture"), ("c.svg", b"<svg>"), ("d.png", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        [broken] = Logo(file=str(tmp_path / name)).cues(SCENE)
        with pytest.raises(TextError, match=name):
            Compositor([broken], SIZE)


def test_cards_cover_the_film_and_its_labels() -> None:
    label = Credit(text="below", place=Place.CENTER)
    card = Title(title="T", hold=Seconds(3), ground=Colour(10, 20, 30))
    frame = drawn(cues([], [card, label], SCENE), 0)
    assert (frame[5, 5] == (10, 20, 30)).all()
    lit = (frame == 255).all(axis=2)
    assert lit.any()
    assert np.array_equal(frame, drawn(cues([], [card], SCENE), 0))


@pytest.mark.parametrize("name", list(gallery.LAYERS))
def test_alone_and_in_depth_a_layer_is_drawn_as_over_a_frame(name: str) -> None:
    """With straight alpha over any ground, and into 16 bits, within a level or two of 255."""
    marks, overlays = gallery.LAYERS[name]
    found = cues(marks, overlays, gallery.scene(THEMES["esa"], SIZE, marks))
    compositor = Compositor(found, SIZE)
    noise = np.random.default_rng(3).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    for n in (gallery.FRAME, found[0].start):
        direct, deep = noise.copy(), noise.astype(np.uint16) * 257
        compositor.draw(direct, n)
        compositor.draw(deep, n)
        assert np.abs(deep / 257 - direct).max() <= 1
        alone = compositor.draw_alone(n).astype(float)
        share = alone[..., 3:] / 255
        over = noise * (1 - share) + alone[..., :3] * share
        assert np.abs(over - direct).max() <= 2.01
    assert not compositor.draw_alone(-5).any()


# ------------------------------------------------------------------ legible


def _grounds(count: int) -> Any:
    """Flat, sloped, blotched, noisy and starry grounds of all colours."""
    random = np.random.default_rng(5)
    for number in range(count):
        base = random.uniform(0, 255, 3)
        height, width = 60, 480
        match number % 5:
            case 0:
                made = np.full((height, width, 3), base)
            case 1:
                ends = base, random.uniform(0, 255, 3)
                made = np.linspace(*ends, width)[None].repeat(height, 0)
            case 2:
                made = cv2.resize(random.uniform(0, 255, (3, 24, 3)), (width, height))
            case 3:
                made = random.normal(base, 40, (height, width, 3))
            case _:
                stars = random.uniform(size=(height, width, 1)) < 0.02
                made = np.where(stars, 255, base * 0.2)
        yield np.clip(made, 0, 255).astype(np.uint8)


def _luminance(pixels: np.ndarray) -> np.ndarray:
    shown = pixels / 255
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return np.asarray(light @ np.array([0.2126, 0.7152, 0.0722]))


def test_what_is_chosen_makes_text_legible_on_any_ground() -> None:
    """4.5:1 (WCAG 2.1, 1.4.3), measured in the frame: between the letters' own colour and what is
    within two pixels of them, less the worst twentieth."""
    used = set()
    for number, strip in enumerate(_grounds(200)):
        white = number % 4 > 0
        ink = Colour(255, 255, 255) if white else Colour(0, 0, 0)
        words = Words("00:07 Booster separation", Style(colour=ink, size=Share(1, 12)))
        [(_, _, width, height)] = Compositor([Cue(words, 0, 1)], SIZE).boxes(0)
        choice = treatment_for(words, SIZE, Place.BOTTOM_LEFT, [strip[:height, :width]])
        used.add(choice)
        chosen = Cue(list(treatments(words))[choice], 0, 1)
        compositor = Compositor([chosen], SIZE)
        [(a, b, w, h)] = compositor.boxes(0)
        frame = cv2.resize(strip[:height, :width], SIZE)
        fitted = cv2.resize(strip[:height, :width], (w, h))
        frame[b : b + h, a : a + w] = fitted
        compositor.draw(frame, 0)
        style = chosen.what.style
        dark = replace(style.box, red=0, green=0, blue=0)
        bare = replace(style, colour=Colour(255, 255, 255), box=dark, outline=Share(0))
        mask = drawn([Cue(Words(words.text, replace(bare, shadow=Share(0))), 0, 1)], 0, value=0)
        mask = mask[..., 0]
        near = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 64
        beside = _luminance(frame)[near & (mask == 0)]
        own = 1.0 if white else 0.0
        worst = np.quantile(beside, 0.95 if white else 0.05)
        ratio = (max(own, worst) + 0.05) / (min(own, worst) + 0.05)
        assert ratio >= 4.5, (number, choice, ratio)
    assert {0, 1, 2} <= used  # as little as does it


def test_a_text_of_middling_colour_gets_a_box() -> None:
    words = Words("grey", Style(colour=Colour(150, 150, 150)))
    ground = np.full((20, 60, 3), 150, np.uint8)
    choice = treatment_for(words, SIZE, Place.LEFT, [ground])
    assert choice >= 2


# ------------------------------------------------------------------ themes and languages


def test_a_theme_is_extended_and_a_layer_has_the_last_word() -> None:
    theming = Theming(
        extends="esa",
        all=Look(font="mono"),
        milestone=Look(size=Share(1, 10)),
        accent=Colour(1, 2, 3),
    )
    theme = theming.theme
    assert theme.milestone.size == Share(1, 10)
    assert theme.milestone.font == theme.credit.font == "mono"
    assert theme.milestone.box == THEMES["esa"].milestone.box
    assert theme.accent == Colour(1, 2, 3)
    assert theme.card == THEMES["esa"].card
    scene = replace(SCENE, theme=theme)
    mark = Milestone(at=at("frame 9"), label="x", style=Look(size=Share(1, 5)))
    [cue] = cues([mark], [], scene)
    style = cue.what.parts[0].style
    assert (style.size, style.font, style.box) == (Share(1, 5), "mono", theme.milestone.box)
    with pytest.raises(ProjectError, match="at most 50 %"):
        Look(size=Share(3, 5))


@pytest.mark.parametrize("theme", list(THEMES))
def test_every_theme_is_legible_by_itself(theme: str) -> None:
    """On black and on white, 4.5:1 between letters and what is beside them."""
    marks = [Milestone(at=at("frame 9"), label="Separation", subtitle="48 km above")]
    overlays = [LowerThird(name="A", at=at("frame 9")), Clock(), Credit(text="ESA")]
    for cue in cues(marks, overlays, replace(SCENE, theme=THEMES[theme])):
        for value in (0, 255):
            ground = np.full((60, 200, 3), value, np.uint8)
            assert contrast(cue.what, Canvas((1920, 1080)), cue.place, ground) >= 4.5


def test_texts_are_said_in_a_language_or_the_nearest() -> None:
    mark = Milestone(
        at=at("frame 9"),
        label={"en": "Lift-off\n", "de": "Start", "pt": "Descolagem"},
        text={"en": "{timecode} {label}", "de": "{label} ({timecode})"},
    )
    roll = Credits(lines=({"en": "Thanks", "fr": "Merci"}, "ESA"))
    assert languages([mark, roll]) == ("en", "de", "pt", "fr")
    said = {code: cues([in_language(mark, code)], [], SCENE)[0].what.words
            for code in ("en", "de", "pt-BR", "xx", "")}  # fmt: skip
    assert said == {
        "en": "00:00 Lift-off",
        "de": "Start (00:00)",
        "pt-BR": "00:00 Descolagem",
        "xx": "00:00 Lift-off",
        "": "00:00 Lift-off",
    }
    assert in_language(roll, "fr").lines == ("Merci", "ESA")
    assert languages([Credit(text="ESA")]) == ()
    read = TypeAdapter(Milestone).validate_python(
        {"at": "frame 9", "label": {"en": "Go", "ru": "Пуск"}}
    )
    assert in_language(read, "ru").label == "Пуск"
    for wrong in ({}, {"en": " "}):
        with pytest.raises(ProjectError, match="label"):
            Milestone(at=at("frame 9"), label=wrong)


def test_reading_takes_its_time() -> None:
    assert reading_time("go") == 1
    assert reading_time("one two three four five six seven eight nine") == 3
    assert reading_time("コアステージの分離コアステージの分離") == Fraction(18, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Title(title=" "),
        lambda: Title(title="x", hold=Seconds(0)),
        lambda: End(title=""),
        lambda: Credits(lines=()),
        lambda: Span(label="", since=at("frame 1"), until=at("frame 2")),
        lambda: LowerThird(name="", at=at("frame 1")),
        lambda: LowerThird(name="x", at=at("frame 1"), hold=Seconds(0)),
        lambda: Logo(file="x.png", height=Share(0)),
        lambda: Progress(width=Share(0)),
        lambda: SpeedMap(height=Share(0)),
        lambda: Credit(text="x", fade=Seconds(-1)),
        lambda: Style(shadow=Share(3, 5)),
    ],
)
def test_layers_that_cannot_be_meant_are_refused(make: Any) -> None:
    with pytest.raises(ProjectError):
        make()
