"""The bridge to moviepy: our films as their clips, their clips over our films."""

from __future__ import annotations

import gc
import importlib.util
import pickle
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, damage
from hypothesis import given, settings
from hypothesis import strategies as st
from moviepy import ColorClip, CompositeVideoClip, VideoClip, concatenate_videoclips, vfx
from test_sound import tone, write

import timelapse
from timelapse import clip as module
from timelapse.clip import _duration, _frame_at
from timelapse.deliver import Sound
from timelapse.errors import ProjectError, RenderError
from timelapse.overlay import Credit, Share
from timelapse.project import load
from timelapse.render import Findings, Job, frames
from timelapse.times import Rate, Seconds

ROOT = Path(__file__).resolve().parents[1]
RATES = ("24000/1001", "30000/1001", "25", "60000/1001", "100/3", "1/7", "1000")


def job_of(roll: GrayRoll, schedule: str = "speed: 10x", *more: str, rate: str = "25") -> Job:
    path = roll.folder.parent / "p.yaml"
    lines = [
        f"roll: {{stills: {roll.folder}}}",
        "mission: {epoch: 2018-11-16T18:14:08Z}",
        f"schedule: {{{schedule}}}",
        f"output: {{rate: {rate}, size: 64x48, preset: ultrafast}}",
        "retime: {blend: linear, gaps: hold}",
        *more,
    ]
    path.write_text("\n".join(lines))
    return load(path).job()


def made(job: Job) -> list[np.ndarray]:
    return [frame.copy() for frame in frames(job)]


# ------------------------------------------------------------------ times


@given(st.sampled_from(RATES), st.integers(0, 10**7))
@settings(max_examples=400, deadline=None)
def test_the_float_of_a_frames_instant_is_that_frame(rate: str, number: int) -> None:
    exact = Fraction(Rate.read(rate))
    assert _frame_at(number / float(exact), exact) == number
    assert _frame_at(float(number / exact), exact) == number
    assert _frame_at(number * (1 / float(exact)), exact) == number
    # Any other instant is shown by the frame that holds it.
    for part in (Fraction(1, 1000), Fraction(1, 2), Fraction(999, 1000)):
        assert _frame_at(float((number + part) / exact), exact) == number


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "25"])
def test_every_frame_of_an_hour_is_met(rate: str) -> None:
    exact, fps = Fraction(rate), float(Fraction(rate))
    counts, before = range(3600 * 30), 12_345 / fps
    assert all(_frame_at(n / fps, exact) == n for n in counts)
    # As a clip that starts later in a composition is asked.
    assert all(_frame_at((n + 12_345) / fps - before, exact) == n for n in counts)


@given(st.sampled_from(RATES), st.integers(1, 10**7))
@settings(deadline=None)
def test_moviepy_counts_the_frames_as_they_are(rate: str, count: int) -> None:
    fps = float(Rate.read(rate))
    duration = _duration(count, fps)
    assert int(duration * fps) == count
    assert duration == pytest.approx(count / fps, rel=1e-15)


# ------------------------------------------------------------------ ours to theirs


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "25"])
def test_a_film_is_the_same_as_a_clip(gray_roll: Callable[..., GrayRoll], rate: str) -> None:
    job = job_of(gray_roll(range(0, 60, 2)), rate=rate)
    film = made(job)
    clip = timelapse.to_moviepy(job)
    assert (clip.rate, clip.fps) == (Fraction(rate), float(Fraction(rate)))
    assert clip.n_frames == len(film) == job.plan.frames
    assert clip.size == (64, 48)
    found = list(clip.iter_frames(fps=clip.fps))
    assert len(found) == len(film)
    assert all((a == b).all() for a, b in zip(found, film, strict=True))
    assert found[0].dtype == np.uint8
    clip.close()


def test_frames_come_in_any_order_and_are_the_callers(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    film = made(job)
    clip = timelapse.to_moviepy(job)
    order = np.random.default_rng(4).permutation(len(film)).tolist()
    for number in [*order, *range(len(film) - 1, -1, -9), 5, 5, 6, 14, 15]:
        frame = clip.get_frame(number / clip.fps)
        assert (frame == film[number]).all()
        frame[...] = 77  # is the caller's: the next ones are what they are
    for t, number in ((-1.0, 0), (clip.duration, len(film) - 1), (1e9, len(film) - 1)):
        assert (clip.get_frame(t) == film[number]).all()
    clip.close()
    assert (clip.get_frame(1.0) == film[25]).all()  # and opens again
    clip.close()


def test_what_follows_is_made_in_one_run(
    gray_roll: Callable[..., GrayRoll], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    def counted(job: Job, start: int, stop: int, **how: Any) -> Generator[Any]:
        starts.append((start, stop))
        return frames(job, start, stop, **how)

    monkeypatch.setattr(module, "frames", counted)
    job = job_of(gray_roll(range(0, 110, 2)), "speed: 4x")
    clip = timelapse.to_moviepy(job)
    for _ in clip.iter_frames(fps=25):
        pass
    # A run is bounded, so that a long clip starts as fast as a short one.
    assert starts == [(0, 250), (250, 500), (500, job.plan.frames)]
    starts.clear()
    for number in (100, 101, 105, 105, 113, 122, 40, 41):
        clip.get_frame(number / 25)
    assert [start for start, _ in starts] == [100, 122, 40]
    clip.close()


def test_no_thread_outlives_a_clip(gray_roll: Callable[..., GrayRoll]) -> None:
    before = threading.active_count()
    job = job_of(gray_roll(range(0, 60, 2)))
    clip = timelapse.to_moviepy(job)
    clip.get_frame(1)
    assert threading.active_count() > before
    clip.close()
    assert threading.active_count() == before
    clip.get_frame(1)
    clip.with_start(3).close()  # a copy closes what it was copied from
    assert threading.active_count() == before
    clip.get_frame(1)
    del clip
    gc.collect()
    assert threading.active_count() == before


def test_unreadable_stills_are_told(gray_roll: Callable[..., GrayRoll]) -> None:
    roll = gray_roll(range(0, 20, 2), ending=".jpg")
    broken = sorted(roll.folder.iterdir())[4]
    damage(broken, EPOCH + 8)
    job = job_of(roll)
    findings = Findings()
    film = [frame.copy() for frame in frames(job, findings=findings)]
    clip = timelapse.to_moviepy(job)
    for number in (40, 15, 20, 21, 3, 19):
        assert (clip.get_frame(number / 25) == film[number]).all()
    assert clip.findings.lost == findings.lost
    assert list(findings.lost) == [4]
    clip.close()


def test_sound_comes_along(gray_roll: Callable[..., GrayRoll], tmp_path: Path) -> None:
    job = job_of(gray_roll(range(0, 40, 2)))
    sound = Sound.of(write(tmp_path / "x.wav", tone(3)), loop=True)
    clip = timelapse.to_moviepy(replace(job, sound=sound))
    assert clip.audio.duration == pytest.approx(clip.duration, abs=1e-4)
    heard = clip.audio.to_soundarray(fps=44100)
    assert np.abs(heard).max() == pytest.approx(0.5, abs=0.01)
    out = tmp_path / "x.mp4"
    clip.write_videofile(str(out), logger=None, preset="ultrafast")
    with av.open(str(out)) as film:
        assert sum(1 for _ in film.decode(video=0)) == job.plan.frames
    with av.open(str(out)) as film:
        samples = sum(frame.samples for frame in film.decode(audio=0))
    assert samples / 44100 == pytest.approx(clip.duration, abs=0.05)
    clip.close()


def test_a_text_that_cannot_be_drawn_is_told_at_once(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll([0, 2, 4]))
    with pytest.raises(ProjectError):
        timelapse.to_moviepy(replace(job, overlays=(Credit("\U000f0000"),)))


def test_clips_follow_each_other(gray_roll: Callable[..., GrayRoll]) -> None:
    one = timelapse.to_moviepy(job_of(gray_roll(range(0, 20, 2)), rate="30000/1001"))
    two = timelapse.to_moviepy(
        job_of(gray_roll(range(0, 20, 2), levels=range(10, 20), folder="b"), rate="30000/1001")
    )
    film = concatenate_videoclips([one, two])
    for number in range(one.n_frames):
        assert (film.get_frame(number / film.fps) == one.get_frame(number / one.fps)).all()
    for number in range(two.n_frames):
        t = (one.n_frames + number) / film.fps
        assert (film.get_frame(t) == two.get_frame(number / two.fps)).all()
    one.close()
    two.close()


def test_two_rolls_are_composed(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("sample", ROOT / "samples/compose_two_rolls.py")
    assert spec is not None
    assert spec.loader is not None
    sample = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sample)
    sample.second_roll(tmp_path / "stills")
    out = tmp_path / "two.mp4"
    sample.compose(tmp_path / "stills", out)
    one = made(load(sample.PROJECT).job())
    with av.open(str(out)) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == 25
        context = stream.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        found = [
            frame.to_ndarray(format="rgb24", src_colorspace=1) for frame in film.decode(stream)
        ]
    second = load(sample.PROJECT, [
        ("roll.stills", str(tmp_path / "stills"), ""), ("schedule.speed", "5x", ""),
        ("milestones", "[{at: T+287.3 s, label: Core stage separation}]", ""),
    ])  # fmt: skip
    two = made(second.job())
    assert len(found) == len(one) + len(two) - 25
    first = len(one) - 25

    def off(frame: np.ndarray, meant: np.ndarray) -> float:
        return float(np.abs(frame.astype(float) - meant).mean())

    assert off(found[10], one[10]) < 3
    assert off(found[-10], two[-10]) < 3
    for number in (0, 12, 24):  # of the crossfade
        share, shown = number / 25, found[first + number]
        meant = (1 - share) * one[first + number].astype(float) + share * two[number]
        assert off(shown, meant) < 3
        if number == 12:  # neither one nor the other
            assert min(off(shown, one[first + 12]), off(shown, two[12])) > 2 * off(shown, meant)


# ------------------------------------------------------------------ theirs to ours


def counting(
    size: tuple[int, int] = (64, 48), rate: Fraction = Fraction(25), **how: Any
) -> VideoClip:
    """A clip whose frame k, at exactly k / rate, is of the red level 2 k + 1."""
    width, height = size

    def picture(t: float) -> np.ndarray:
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = 2 * round(t * float(rate)) + 1
        return pixels

    return VideoClip(picture, **{"duration": 2, **how})


def inserted(job: Job, *inserts: Any) -> Job:
    return replace(job, overlays=(*job.overlays, *inserts))


@pytest.mark.parametrize("rate", ["25", "24000/1001"])
def test_a_card_covers_the_film_frame_by_frame(
    gray_roll: Callable[..., GrayRoll], rate: str
) -> None:
    job = job_of(gray_roll(range(0, 60, 2)), "speed: 10x, hold_first: 2 s", rate=rate)
    count = Rate.read(rate).frames_in(Fraction(2))
    plain, exact = made(job), Fraction(rate)
    clip = counting(rate=exact)
    film = made(inserted(job, timelapse.from_moviepy(clip)))
    assert len(film) == len(plain)
    assert [int(frame[0, 0, 0]) for frame in film[:count]] == [2 * k + 1 for k in range(count)]
    assert not any(frame[..., 1:].any() for frame in film[:count])
    assert all((a == b).all() for a, b in zip(film[count:], plain[count:], strict=True))
    last = made(inserted(job, timelapse.from_moviepy(clip, "end")))
    assert [int(frame[0, 0, 0]) for frame in last[-count:]] == [2 * k + 1 for k in range(count)]
    assert (last[-count - 1] == plain[-count - 1]).all()


@pytest.mark.parametrize(("at", "first"), [("frame 30", 30), ("T+20 s", 50), ("1.99 s", 49)])
def test_a_clip_begins_with_the_frame_that_holds_its_instant(
    gray_roll: Callable[..., GrayRoll], at: str, first: int
) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    film = made(inserted(job, timelapse.from_moviepy(counting(duration=1), at)))
    red = [frame[0, 0, 0] - int(frame[0, 0, 1]) for frame in film]
    assert red[first - 1] == red[first + 25] == 0
    assert red[first : first + 25] == [2 * k + 1 for k in range(25)]


def test_where_a_mask_is_clear_the_film_is_seen(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    plain = made(job)
    shares = np.tile(np.repeat([0.0, 0.4, 1.0, 1.0], 16), (48, 1))
    mask = VideoClip(lambda _: shares, is_mask=True, duration=1)
    clip = ColorClip((64, 48), (200, 100, 40), duration=1).with_mask(mask)
    film = made(inserted(job, timelapse.from_moviepy(clip, "frame 20")))
    for number in (20, 44):
        assert (film[number][:, :16] == plain[number][:, :16]).all()
        assert (film[number][:, 32:] == (200, 100, 40)).all()
        meant = plain[number][:, 16:32] * 0.6 + 0.4 * np.array([200, 100, 40])
        assert np.abs(film[number][:, 16:32] - meant).max() <= 2
    assert (film[45] == plain[45]).all()


def test_a_transition_of_moviepys_leads_from_a_card_into_the_film(
    gray_roll: Callable[..., GrayRoll],
) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    plain = made(job)
    card = ColorClip((64, 48), (255, 0, 0), duration=2).with_effects([vfx.CrossFadeOut(1)])
    film = made(inserted(job, timelapse.from_moviepy(card)))
    for number in (0, 25, 30, 40, 49):
        share = min(1, (50 - number) / 25)
        meant = plain[number] * (1 - share) + share * np.array([255, 0, 0])
        assert np.abs(film[number] - meant).max() <= 2
    assert (film[50] == plain[50]).all()


def test_clips_of_other_shapes_are_padded_or_cut(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    wide = np.zeros((20, 80, 3), np.uint8)
    wide[:, :40], wide[:, 40:] = (250, 0, 0), (0, 0, 250)
    clip = VideoClip(lambda _: wide, duration=1)
    padded = made(inserted(job, timelapse.from_moviepy(clip)))[3]
    assert not padded[:15].any() and not padded[-15:].any()  # noqa: PT018
    assert (padded[20:28, :28] == (250, 0, 0)).all()
    assert (padded[20:28, 36:] == (0, 0, 250)).all()
    cut = made(inserted(job, timelapse.from_moviepy(clip, fit="crop")))[3]
    assert (cut[:, :28] == (250, 0, 0)).all()
    assert (cut[:, 36:] == (0, 0, 250)).all()
    # With a mask, what is beside the clip is not black but clear.
    plain = made(job)[3]
    seen = made(inserted(job, timelapse.from_moviepy(clip.with_mask())))[3]
    assert (seen[:15] == plain[:15]).all()
    assert (seen[20:28, :28] == (250, 0, 0)).all()


def test_an_inset_stands_at_its_place(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    plain = made(job)[3]
    clip = ColorClip((32, 32), (250, 0, 0), duration=1)
    how: Any = {"height": "25 %", "place": "bottom-right", "margin": Share(1, 24)}
    film = made(inserted(job, timelapse.from_moviepy(clip, **how)))[3]
    red = (film == (250, 0, 0)).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (34, 45, 50, 61)
    assert (film[~red] == plain[~red]).all()


def test_a_changed_clip_renders_what_shows_it_and_nothing_else(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    job = job_of(gray_roll(range(0, 160, 2)))
    out = tmp_path / "x.mp4"
    asked = []

    def watched(t: float) -> np.ndarray:
        asked.append(t)
        return counting().get_frame(t)

    def film(clip: VideoClip) -> dict[str, int]:
        insert = timelapse.from_moviepy(clip, "frame 210", hold="1 s")
        segments: dict[str, int] = inserted(job, insert).render(out)["segments"]
        return segments

    first = film(VideoClip(watched, duration=2))
    assert first["rendered"] > 2
    assert max(asked) < 1.01  # nothing of the clip is made that is not shown
    assert film(counting())["rendered"] == 0
    assert film(counting(rate=Fraction(50)))["rendered"] == 1


def test_a_clip_that_cannot_be_used_is_told(gray_roll: Callable[..., GrayRoll]) -> None:
    job = job_of(gray_roll(range(0, 60, 2)))
    endless = ColorClip((64, 48), (1, 2, 3))
    with pytest.raises(RenderError, match="has no end; say how long it is shown"):
        timelapse.from_moviepy(endless)
    film = made(inserted(job, timelapse.from_moviepy(endless, hold=Seconds(1))))
    assert (film[24] == (1, 2, 3)).all()
    assert (film[25] != (1, 2, 3)).any()

    def breaks(t: float) -> np.ndarray:
        if t > 0.5:
            raise KeyError("lost")
        return np.zeros((48, 64, 3), np.uint8)

    with pytest.raises(RenderError, match=r"moviepy's clip at 0\.520 s: 'lost'"):
        made(inserted(job, timelapse.from_moviepy(VideoClip(breaks, duration=1))))
    grows = VideoClip(lambda t: np.zeros((48 + int(9 * t), 64, 3), np.uint8), duration=1)
    with pytest.raises(RenderError, match=r"a picture of \(49, 64, 3\)"):
        made(inserted(job, timelapse.from_moviepy(grows)))
    with pytest.raises(RenderError, match="cannot be sent to other processes"):
        pickle.dumps(timelapse.from_moviepy(endless, hold=Seconds(1)))
    with pytest.raises(RenderError, match="0 s has to be above zero"):
        timelapse.from_moviepy(endless, hold="0 s")
    with pytest.raises(timelapse.TimelapseError, match="is not a time"):
        timelapse.from_moviepy(endless, "never", hold=Seconds(1))


def test_a_film_of_ours_may_be_a_card_of_another(gray_roll: Callable[..., GrayRoll]) -> None:
    """Both ways at once: a composition of moviepy's that shows one of our rolls."""
    one = job_of(gray_roll(range(0, 20, 2), levels=range(200, 210)))
    two = job_of(gray_roll(range(0, 60, 2), levels=range(20, 50), folder="b"))
    shown = timelapse.to_moviepy(one)
    composed = CompositeVideoClip([shown], bg_color=(0, 0, 0))
    film = made(inserted(two, timelapse.from_moviepy(composed, "frame 10")))
    ours = made(one)
    assert all((film[10 + n] == ours[n]).all() for n in range(len(ours)))
    shown.close()
