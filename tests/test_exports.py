"""Exports: captions, chapters, the cut and pictures agree with the plan, to the frame."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import imageio_ffmpeg
import numpy as np
import opentimelineio
import pysubs2
import pytest
from click.testing import CliRunner, Result
from conftest import EPOCH, GrayRoll, damage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence
from test_edits import roll_of, schedules

from timelapse import load
from timelapse.cli import main
from timelapse.deliver.captions import WRITERS, Line, Shown, ass, one_line, plain, srt, vtt
from timelapse.deliver.interchange import TOLERANCE, Numbered, otio, stretches
from timelapse.deliver.marks import Film, Mark, edl, fcpxml, youtube
from timelapse.deliver.sheets import tile_width
from timelapse.errors import EncodeError, RenderError
from timelapse.exports import Choices, Target, export
from timelapse.filmpictures import names
from timelapse.grade import Framing, Size
from timelapse.ingest import File, Roll, TimeSource
from timelapse.overlay import Colour, LowerThird, Milestone, Place, Share, Span, Style
from timelapse.render import Job, measured
from timelapse.retime import Edits, Freeze, Reverse, Schedule, Timeline, constant, make_plan
from timelapse.times import MissionTime, Rate, Seconds
from timelapse.told import marks
from timelapse.written import Instant

RATES = [Rate.read(text) for text in ("24000/1001", "25", "30000/1001", "50", "60")]
FONTS = Path(__file__).parents[1] / "timelapse" / "overlay" / "fonts"
SIZE = (640, 360)
#: All that means something in one of the formats, and letters of several scripts.
NASTY = st.lists(
    st.sampled_from(
        [
            *"aB7 ,;:.'\"%&<>/{}[]\\NnhT!|=-#\t\n\r\u2028\x0b\x00\ud800\ufeff\u00a0",
            *("\u0416", "\u0627", "\u6708", "\U0001f680", "-->", "{\\an8}", "<b>", "&lt;"),
            *("\\N", "NOTE", "WEBVTT", "\n\n", "00:00:01.000 --> "),
        ]
    ),
    max_size=25,
).map("".join)


def mission(seconds: Fraction | int | str) -> MissionTime:
    return MissionTime(Fraction(seconds))


def first_frame(rate: Rate, milliseconds: int) -> int:
    """The first frame whose instant is not before that: where a player starts or ends a cue."""
    return rate.frames_in(Fraction(milliseconds, 1000))


# ------------------------------------------------------------------ captions


def read_vtt(text: str) -> list[tuple[int, int, dict[str, str], str]]:
    """A reader of WebVTT (W3C, 6.1): times in milliseconds, settings, and the text as shown."""
    header, *blocks = re.split(r"\n\n+", text.replace("\x00", "\ufffd").strip("\n"))
    assert header == "WEBVTT"
    found = []
    stamp = r"(\d{2,}):(\d\d):(\d\d)\.(\d\d\d)"
    for block in blocks:
        head, _, body = block.partition("\n")
        match = re.fullmatch(rf"{stamp} --> {stamp}((?: \w+:\S+)*)", head)
        assert match, head
        *numbers, more = match.groups()
        parts = list(map(int, numbers))
        times = [((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (parts[:4], parts[4:])]
        assert "-->" not in body
        shown = html.unescape(re.sub(r"<[^>]*>", "", body))
        given = dict(setting.split(":", 1) for setting in more.split())
        found.append((times[0], times[1], given, shown))
    return found


def read_srt(text: str) -> list[tuple[int, int, str]]:
    file = pysubs2.SSAFile.from_string(text, "srt", keep_html_tags=False)
    return [(e.start, e.end, e.text.replace(r"\N", "\n").replace("\u2060", "")) for e in file]


def read_ass(text: str) -> list[tuple[int, int, str]]:
    file = pysubs2.SSAFile.from_string(text, "ass")
    bare = [e.text.replace(r"\{{}", "\x01").replace("\\\u2060", "\x02") for e in file]
    assert not any("{" in text for text in bare)
    readable = [t.replace(r"\N", "\n").replace("\x01", "{").replace("\x02", "\\") for t in bare]
    return [(e.start, e.end, text) for e, text in zip(file, readable, strict=True)]


@settings(deadline=None)
@given(st.sampled_from(RATES), st.integers(0, 1_900_000), st.integers(1, 5000))
def test_captions_start_and_end_on_exactly_their_frames(rate: Rate, start: int, count: int) -> None:
    stop = start + count
    if rate.time_of(stop).seconds >= 35_990:
        start, stop = start % 100_000, start % 100_000 + count
    line = [Line("text", start, stop)]
    shown = Shown(rate, SIZE)
    times = [
        read_vtt(vtt(line, shown))[0][:2],
        read_srt(srt(line, shown))[0][:2],
        read_ass(ass(line, shown))[0][:2],
    ]
    for begins, ends in times:
        assert first_frame(rate, begins) == start
        assert first_frame(rate, ends) == stop
        assert rate.time_of(start).seconds * 1000 - begins < 10


@settings(deadline=None)
@given(st.lists(NASTY, min_size=1, max_size=4))
def test_any_text_is_read_as_it_was_written(texts: list[str]) -> None:
    shown = Shown(Rate(25), SIZE)
    told = [Line(text, 50 * at, 50 * at + 40) for at, text in enumerate(texts)]
    told.append(Line("the end", 1000, 1010))
    due = [plain(text) for text in texts if plain(text)] + ["the end"]
    assert [text for *_, text in read_vtt(vtt(told, shown))] == due
    assert [text for *_, text in read_ass(ass(told, shown))] == due
    # Its reader takes two times in one line for those of a cue, which no writer can hinder.
    clear = [line for line in told if "00:00" not in line.text]
    due = [plain(line.text) for line in clear if plain(line.text)]
    assert [text for *_, text in read_srt(srt(clear, shown))] == due


@given(NASTY)
def test_plain_text_is_plain(text: str) -> None:
    found = plain(text)
    assert plain(found) == found
    assert "\n\n" not in found
    found.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", found)
    assert "".join(found.split()) == "".join(
        re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", " ", text).split()
    )


@pytest.mark.parametrize("ending", [".ass", ".srt", ".vtt"])
def test_ffmpeg_reads_them_too(ending: str, tmp_path: Path) -> None:
    texts = ["a, b; c: d", "x < y & z > w", "C:\\News\\Next", "--> 00:00:01.000", "two\nlines"]
    texts += ["\u0421\u0442\u0430\u0440\u0442 \u6708", "<b>bold</b> &lt;", "50 % 'burn' \"!\""]
    told = [Line(text, 100 * at, 100 * at + 75) for at, text in enumerate(texts)]
    path = tmp_path / f"x{ending}"
    path.write_text(WRITERS[ending](told, Shown(Rate(25), SIZE)), encoding="utf-8", newline="\n")
    with av.open(str(path)) as file:  # the same demuxers as the binary's
        seen = [(p.pts * p.time_base, p.duration * p.time_base) for p in file.demux() if p.duration]
    assert seen == [(4 * at, 3) for at in range(len(texts))]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    done = subprocess.run([*command, "-f", "ass", "-"], capture_output=True, check=True)
    assert not done.stderr
    file = pysubs2.SSAFile.from_string(done.stdout.decode(), "ass")
    read = [event.text.replace(r"\N", "\n").replace("\u2060", "") for event in file]
    assert read == texts


@pytest.mark.parametrize("ending", [".ass", ".srt"])
@pytest.mark.parametrize("rate", [RATES[0], RATES[2], RATES[4]], ids=str)
def test_a_player_shows_them_on_exactly_their_frames(
    ending: str, rate: Rate, tmp_path: Path
) -> None:
    style = Style(size=Share(1, 5), outline=Share(0))
    told = [
        Line("high", 7, 20, Place.TOP_LEFT, style),
        Line("low", 31, 32, Place.BOTTOM_RIGHT, style),
    ]
    path = tmp_path / f"x{ending}"
    path.write_text(WRITERS[ending](told, Shown(rate, (192, 96))), encoding="utf-8")
    film = f"color=black:s=192x96:r={rate}:d=2"
    burn = f"subtitles={path.name}:fontsdir={FONTS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", film]
    command += ["-vf", burn, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, 96, 192)
    lit = np.flatnonzero(frames.max(axis=(1, 2)) > 100).tolist()
    assert lit == [*range(7, 20), 31]
    if ending == ".ass":
        rows, columns = (np.flatnonzero((frames[10] > 100).any(axis=axis)) for axis in (1, 0))
        assert rows.max() < 40
        assert columns.max() < 120
        rows, columns = (np.flatnonzero((frames[31] > 100).any(axis=axis)) for axis in (1, 0))
        assert rows.min() > 56
        assert columns.min() > 90
        # As high as the label that is burnt in: a fifth of the frame is the em, an l 3/4 of it.
        assert 12 <= rows.max() - rows.min() <= 18


def test_places_and_styles_are_said() -> None:
    style = Style(
        font="mono", size=Share(1, 10), colour=Colour(255, 128, 0), box=Colour(0, 0, 9, 64)
    )
    told = [Line("x", 0, 5, place, style) for place in Place] + [Line("y", 0, 5, Place.TOP)]
    shown = Shown(Rate(25), SIZE)
    settings = [given for *_, given, _ in read_vtt(vtt(told, shown))][:9]
    assert [given["align"] for given in settings] == ["left", "center", "right"] * 3
    assert [given["position"] for given in settings] == ["2.812%", "50%", "97.19%"] * 3
    rows = [given.get("line") for given in settings]
    assert rows == ["5%"] * 3 + ["47%"] * 3 + [None] * 3
    file = pysubs2.SSAFile.from_string(ass(told, shown), "ass")
    looks = [file.styles[event.style] for event in file]
    assert [int(look.alignment) for look in looks] == [7, 8, 9, 4, 5, 6, 1, 2, 3, 8]
    assert looks[0].fontname == "Roboto Mono"
    assert looks[0].primarycolor == pysubs2.Color(255, 128, 0, 0)
    assert (looks[0].borderstyle, looks[0].outlinecolor) == (3, pysubs2.Color(0, 0, 9, 191))
    assert (looks[0].marginl, looks[0].marginv) == (18, 18)
    assert file[1].style != file[9].style
    assert (file.info["PlayResX"], file.info["PlayResY"]) == ("640", "360")


def test_a_font_of_ones_own_is_named_in_ass() -> None:
    style = Style(font=str(FONTS / "RobotoMono-Medium.ttf"))
    file = pysubs2.SSAFile.from_string(ass([Line("x", 0, 5, style=style)], Shown(Rate(25), SIZE)))
    look = file.styles[file[0].style]
    assert look.fontname.startswith("Roboto Mono")
    assert look.fontsize == pytest.approx(16 * 1.319, abs=0.05)
    with pytest.raises(EncodeError, match="not a usable font"):
        ass([Line("x", 0, 5, style=Style(font=__file__))], Shown(Rate(25), SIZE))


def test_films_that_are_too_long_for_a_format_are_refused() -> None:
    hours = [Line("x", 0, 25 * 3600 * 10)]
    with pytest.raises(EncodeError, match="ASS cannot count beyond 10 hours"):
        ass(hours, Shown(Rate(25), SIZE))
    assert read_srt(srt(hours, Shown(Rate(25), SIZE)))[0][1] == 36_000_000
    assert read_vtt(vtt(hours, Shown(Rate(25), SIZE)))[0][1] == 36_000_000


# ------------------------------------------------------------------ marks


def film_of(rate: Rate, frames: int, title: str = "A launch") -> Film:
    return Film(Path("/films/a launch.mp4"), title, rate, frames, (1920, 1080))


@given(
    st.sampled_from(RATES),
    st.integers(1, 20_000),
    st.lists(st.integers(0, 19_999), max_size=8),
    st.booleans(),
)
def test_youtube_takes_the_chapters(rate: Rate, frames: int, at: list[int], titled: bool) -> None:
    told = [
        Mark(f"event {n}", frame, frame + 1, mission(frame))
        for n, frame in enumerate(sorted(frame for frame in at if frame < frames))
    ]
    text, warnings = youtube(film_of(rate, frames, "A launch" if titled else ""), told)
    found = [re.fullmatch(r"(?:(\d+):)?(\d\d):(\d\d) (.+)", line) for line in text.splitlines()]
    assert all(found)
    seconds = [int(m[1] or 0) * 3600 + int(m[2]) * 60 + int(m[3]) for m in found if m]
    ends = [*seconds, rate.time_of(frames).seconds]
    assert seconds[0] == 0
    assert all(b - a >= 10 for a, b in list(pairwise(ends))[bool(len(seconds) == 1) :])
    assert [int(n) for n in re.findall(r"event (\d+)", text)] == list(range(len(told)))
    for mark in told:  # each stands in the line that holds it, or in an earlier one
        line = next(m for m in found if m and re.search(rf"\b{mark.name}\b", m[4]))
        start = seconds[found.index(line)]
        assert start <= rate.time_of(mark.start).seconds
    assert any("YouTube shows them from 3 on" in warning for warning in warnings) == (
        len(seconds) < 3
    )


def test_chapters_that_are_too_short_share_a_line() -> None:
    told = [Mark(n, at, at + 1, mission(0)) for n, at in (("a", 0), ("b", 500), ("c", 600),
            ("d", 900), ("e", 1240))]  # fmt: skip
    text, warnings = youtube(film_of(Rate(25), 1250), told)
    assert text == "00:00 a\n00:20 b / c\n00:36 d / e\n"
    assert warnings == (
        "chapters: 'c' is 4 s after the one before; YouTube wants 10 s, so it shares a line",
        "chapters: 'e' is close to the end; YouTube wants 10 s, so it shares a line",
    )
    assert youtube(film_of(Rate(25), 90_000 + 250), [Mark("x", 90_000, 90_001, mission(0))])[0] == (
        "0:00:00 A launch\n1:00:00 x\n"
    )


#: What the DTD of Final Cut Pro's XML 1.10 allows of the elements that are written, in its order.
DTD = {
    "fcpxml": ("version", ["resources", "library"]),
    "resources": ("", ["format", "asset"]),
    "format": ("id frameDuration width height colorSpace", []),
    "asset": ("id name start duration hasVideo format hasAudio videoSources audioSources "
              "audioChannels audioRate", ["media-rep"]),
    "media-rep": ("kind src", []),
    "library": ("", ["event"]),
    "event": ("name", ["project"]),
    "project": ("name", ["sequence"]),
    "sequence": ("format duration tcStart tcFormat", ["spine"]),
    "spine": ("", ["asset-clip"]),
    "asset-clip": ("ref offset name start duration format tcFormat", ["marker", "chapter-marker"]),
    "marker": ("start duration value note", []),
    "chapter-marker": ("start duration value note", []),
}  # fmt: skip


def read_fcpxml(text: str, rate: Rate) -> tuple[ElementTree.Element, list[tuple[int, str, str]]]:
    """The clip, and the frame, kind and name of its markers; all times on the grid of frames."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        attributes, children = DTD[element.tag]
        assert set(element.attrib) <= set(attributes.split())
        assert {child.tag for child in element} <= set(children)
    frame = Fraction(root.findtext("x", default="0"))
    found = []
    assert ratio(root.find("resources/format").attrib["frameDuration"]) == 1 / Fraction(rate)  # type: ignore[union-attr]
    (clip,) = root.iter("asset-clip")
    for marker in clip:
        frame = ratio(marker.attrib["start"]) * rate
        assert frame.denominator == 1
        found.append((int(frame), marker.tag, marker.attrib["value"]))
    return clip, found


def ratio(text: str) -> Fraction:
    assert text.endswith("s")
    return Fraction(text[:-1])


def read_edl(text: str, rate: Rate) -> tuple[list[int], list[tuple[int, str]]]:
    """The times of the one event of a CMX 3600 list, and its locators, as frames."""

    def frame(timecode: str) -> int:
        return rate.frame_of_timecode(*map(int, timecode.split(":")), drop=False)

    assert "FCM: NON-DROP FRAME\n" in text
    code = r"(\d\d:\d\d:\d\d:\d\d)"
    (event,) = re.findall(rf"^(\d{{3}})  AX +V +C +{code} {code} {code} {code}$", text, re.M)
    assert event[0] == "001"
    found = re.findall(rf"^\* LOC: {code} (RED|YELLOW) +(.*)$", text, re.M)
    return [frame(part) for part in event[1:]], [(frame(at), name) for at, _, name in found]


@given(st.sampled_from(RATES), st.lists(NASTY, max_size=5), st.integers(100, 10**6))
def test_markers_of_any_name_are_read_again(rate: Rate, labels: list[str], frames: int) -> None:
    told = [
        Mark(label, at * frames // 7, at * frames // 7 + 1, mission(at), again=at % 2 == 1)
        for at, label in enumerate(labels)
    ]
    film = replace(film_of(rate, frames), sound=True)
    clip, found = read_fcpxml(fcpxml(film, told), rate)
    assert ratio(clip.attrib["duration"]) * rate == frames
    kinds = ["marker" if mark.again else "chapter-marker" for mark in told]
    due = [(m.start, kind, one_line(m.name)) for m, kind in zip(told, kinds, strict=True)]
    assert found == due
    times, located = read_edl(edl(film, told), rate)
    assert times == [0, frames, 0, frames]
    assert [(at, name.strip()) for at, name in located] == [(at, name) for at, _, name in due]


# ------------------------------------------------------------------ under any schedule


def job_of(schedule: Schedule, rate: Rate, at: list[int], roll: Roll | None = None) -> Job:
    plan = make_plan(roll or roll_of(100), Timeline(schedule, rate, EPOCH))
    told = tuple(
        Milestone(Instant.read(f"T+{n} s"), f"event {n}", showing="all", hold=Seconds(1 + n % 3))
        for n in at
    )
    return Job(plan, Framing(Size(64, 48)), told, title="A launch")


def clips_of(text: str) -> list[opentimelineio.schema.Clip]:
    timeline = opentimelineio.adapters.read_from_string(text, "otio_json")
    (track,) = timeline.tracks
    return list(track)


def places_of(text: str, rate: Rate) -> list[float]:
    """Where among the stills each frame of a cut is, as an editor reads it."""
    found = []
    for clip in clips_of(text):
        (warp,) = clip.effects
        assert isinstance(warp, opentimelineio.schema.LinearTimeWarp)
        span = clip.source_range
        assert span.start_time.rate == span.duration.rate == float(rate)
        count = span.duration.to_frames()
        assert count == span.duration.value
        found += [span.start_time.value + n * warp.time_scalar for n in range(count)]
    return found


@settings(deadline=None, max_examples=40)
@given(schedules(), st.sampled_from(RATES), st.sets(st.integers(0, 99), max_size=4))
def test_all_say_the_same_frames_under_any_schedule(
    made: tuple[Schedule, Edits], rate: Rate, at: set[int]
) -> None:
    schedule, _ = made
    job = job_of(schedule, rate, sorted(at))
    told, frames = marks(job), job.plan.frames
    due = sorted(
        (frame, placed.mission)
        for placed in job.placed
        for frame in (placed.frame, *(start for start, _ in placed.again))
        if placed.showings and 0 <= placed.frame < frames
    )
    assert sorted((mark.start, mark.mission) for mark in told) == due
    for mark in told:  # the frame that holds it
        videos = [v for v in schedule.videos_of(mark.mission) if rate.frame_at(v) == mark.start]
        assert videos
    film = film_of(rate, frames)
    seen = [mark.start for mark in told]
    assert [frame for frame, *_ in read_fcpxml(fcpxml(film, told), rate)[1]] == seen
    assert [frame for frame, _ in read_edl(edl(film, told), rate)[1]] == seen
    shown = sorted(
        span
        for placed in job.placed
        for span in ((placed.shown_from, placed.shown_to), *placed.again)
        if span[0] < span[1]
    )
    assert sorted((line.start, line.stop) for line in job.lines) == shown
    cues = read_vtt(vtt(job.lines, Shown(rate, SIZE)))
    assert [(first_frame(rate, a), first_frame(rate, b)) for a, b, *_ in cues] == shown

    text = otio(job.plan, film, told)
    timeline = opentimelineio.adapters.read_from_string(text, "otio_json")
    for marker, mark in zip(timeline.tracks.markers, told, strict=True):
        assert marker.marked_range.start_time.value == mark.start
        assert marker.marked_range.duration.value == mark.stop - mark.start
        assert marker.metadata["timelapse"]["mission"] == str(mark.mission)
        assert marker.metadata["timelapse"]["capture"] == str(mark.capture)
    found = places_of(text, rate)
    assert len(found) == frames
    turns = {rate.frames_in(corner.seconds) + by for corner in schedule.corners for by in (-1, 0)}
    every = set(range(0, frames, 1 + frames // 100)) | {at for at in turns if 0 <= at < frames}
    for frame in every:  # still n of this roll was taken at T+n
        exact = min(float(job.plan.timeline.mission_at(frame).seconds), 99.0)
        assert abs(found[frame] - exact) <= TOLERANCE + 1e-6
        if frame + 1 < frames and schedule.speed_at(rate.time_of(frame)) == 0:
            assert abs(found[frame] - exact) < 1e-6


def test_a_steady_clip_is_one_piece_and_edits_are_pieces_of_their_own() -> None:
    rate = Rate(25)
    plain_one = constant(Fraction(25, 4), mission(0), mission(99))
    (clip,) = clips_of(otio(job_of(plain_one, rate, []).plan, film_of(rate, 396), []))
    assert clip.effects[0].time_scalar == 0.25
    media = clip.media_reference
    assert media.target_url_for_image_number(7).endswith("/00007.jpg")
    assert (media.start_frame, media.frame_step, media.number_of_images_in_sequence()) == (
        0,
        1,
        100,
    )
    edits = Edits(
        reverses=(Reverse(mission(40), mission(20)),), freezes=(Freeze(mission(60), Seconds(2)),)
    )
    edited = constant(Fraction(25), mission(0), mission(99), edits)
    job = job_of(edited, rate, [])
    clips = clips_of(otio(job.plan, film_of(rate, job.plan.frames), []))
    assert [clip.effects[0].time_scalar for clip in clips] == [1, -1, 1, 0, 1]
    assert [clip.source_range.start_time.value for clip in clips] == [0, 40, 20, 60, 60]
    assert [clip.source_range.duration.value for clip in clips] == [40, 20, 40, 50, 39]
    assert isinstance(clips[3].effects[0], opentimelineio.schema.FreezeFrame)
    assert {clip.metadata["timelapse"]["stills_off"] for clip in clips} == {0}


@pytest.mark.parametrize(
    ("files", "due"),
    [
        (["a/IMG_0001.JPG", "a/IMG_0002.JPG"], ("IMG_", ".JPG", 4, 1, 1, (0, 1))),
        (["9.png", "10.png", "11.png"], ("", ".png", 1, 9, 1, (0, 1, 2))),
        (["x_10_v2.tif", "x_10_v4.tif", "x_10_v6.tif"], ("x_10_v", ".tif", 1, 2, 2, (0, 1, 2))),
        (["s1.jp2", "s2.jp2"], ("s", ".jp2", 1, 1, 1, (0, 1))),
        (["s010.png", "s020.png", "s040.png"], ("s", ".png", 3, 10, 10, (0, 1, 3))),
        (["s1.png", "s2.png", "s900.png"], None),
        (["s2.png", "s1.png"], None),
        (["a1.png", "b2.png"], None),
        (["a/s1.png", "b/s2.png"], None),
        (["s08.png", "s9.png"], None),
        (["one.png", "two.png"], None),
        (["only7.png"], ("only", ".png", 1, 7, 1, (0,))),
    ],
)  # fmt: skip
def test_numbered_names(files: list[str], due: tuple[object, ...] | None) -> None:
    stills = [replace(roll_of(1).stills[0], file=File(name, 1, 0)) for name in files]
    found = Numbered.of(stills)
    assert due == (
        found and (found.prefix, found.suffix, found.digits, found.first, found.step, found.places)
    )


def test_stills_without_numbers_are_clips_of_their_own(tmp_path: Path) -> None:
    stills = tuple(
        replace(still, file=File(str(tmp_path / f"{name} &.jpg"), 1, 0))
        for still, name in zip(
            roll_of(5).stills, ["one", "two", "three", "four", "five"], strict=True
        )
    )
    roll = Roll(stills, (), TimeSource.EXIF)
    rate = Rate(25)
    schedule = constant(Fraction(5), mission(0), mission(5))
    job = job_of(schedule, rate, [3], roll)
    clips = clips_of(otio(job.plan, film_of(rate, 25), marks(job)))
    assert [clip.name for clip in clips] == [still.name for still in stills]
    assert [clip.source_range.duration.value for clip in clips] == [5] * 5
    assert clips[1].media_reference.target_url == (tmp_path / "two &.jpg").as_uri()
    zipped = [replace(still, file=replace(still.file, archive="x.zip")) for still in stills]
    packed = job_of(schedule, rate, [], replace(roll, stills=tuple(zipped)))
    with pytest.raises(EncodeError, match="unpack them"):
        otio(packed.plan, film_of(rate, 25), [])


def test_uneven_rolls_stay_within_the_tolerance() -> None:
    rng = np.random.default_rng(3)
    taken = np.cumsum(rng.integers(1, 30, 80)).tolist()
    stills = tuple(
        replace(still, captured=EPOCH + Fraction(at, 10))
        for still, at in zip(roll_of(80).stills, taken, strict=True)
    )
    roll = Roll(stills, (), TimeSource.EXIF)
    schedule = constant(
        Fraction(10), mission(Fraction(taken[0], 10)), mission(Fraction(taken[-1], 10))
    )
    plan = make_plan(roll, Timeline(schedule, Rate(25), EPOCH))
    pieces = list(stretches(plan))
    assert [a.stop == b.start for a, b in pairwise(pieces)] == [True] * (len(pieces) - 1)
    assert max(piece.error for piece in pieces) <= TOLERANCE
    for piece in pieces:
        for frame in range(piece.start, piece.stop):
            at = float(plan.timeline.mission_at(frame).seconds) * 10
            exact = np.interp(at, taken, np.arange(80))
            assert (
                abs(piece.place + piece.speed * (frame - piece.start) - exact) <= TOLERANCE + 1e-6
            )


def test_a_missing_library_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    job = job_of(constant(Fraction(10), mission(0), mission(99)), Rate(25), [])
    with pytest.raises(EncodeError, match=r"pip install 'timelapse\[otio\]'"):
        export(job, [Target("captions", tmp_path / "x.vtt"), Target("otio", tmp_path / "x.otio")])
    assert not list(tmp_path.iterdir())


def test_spans_and_names_are_captions_too() -> None:
    job = job_of(constant(Fraction(10), mission(0), mission(99)), Rate(25), [40])
    told = (
        Span("Night", Instant.read("T+10 s"), Instant.read("T+20 s"), place=Place.TOP),
        LowerThird("Alexander Gerst", Instant.read("T+50 s"), detail="ESA"),
    )
    job = replace(job, overlays=told, milestones=(replace(job.milestones[0], subtitle="below"),))
    found = {line.text: (line.start, line.stop, line.place) for line in job.lines}
    assert found == {
        "00:04 event 40\nbelow": (100, 150, Place.BOTTOM_LEFT),
        "Night": (25, 50, Place.TOP),
        "Alexander Gerst\nESA": (125, job.plan.frames, Place.BOTTOM_LEFT),
    }


def test_labels_speak_the_language_of_the_film() -> None:
    job = job_of(constant(Fraction(10), mission(0), mission(99)), Rate(25), [40])
    both = replace(job.milestones[0], label={"en": "Lift-off", "de": "Start"})
    job = replace(job, milestones=(both,)).in_language("de")
    assert [line.text for line in job.lines] == ["00:04 Start"]
    assert [mark.name for mark in marks(job)] == ["Start"]
    assert names(job) == (("01-Start.png", 100),)


# ------------------------------------------------------------------ targets


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("x.vtt", "captions"),
        ("x.SRT", "captions"),
        ("x.ass", "captions"),
        ("x.chapters.txt", "chapters"),
        ("x.otio", "otio"),
        ("x.fcpxml", "fcpxml"),
        ("x.edl", "edl"),
        ("launch.poster.jpg", "poster"),
        ("Sheet.png", "sheet"),
        ("my-keogram.jpeg", "keogram"),
        ("x.gif", "preview"),
        ("x.webp", "preview"),
        ("stills/", "milestones"),
        ("stills", "milestones"),
    ],
)
def test_names_say_what_is_written(name: str, what: str) -> None:
    assert Target.of(name).what == what


@pytest.mark.parametrize(
    ("name", "what", "words"),
    [
        ("x.png", None, "a picture of what"),
        ("x.doc", None, "nothing is exported into .doc"),
        ("x.png", "preview", "preview goes into .gif, .webp"),
        ("x.vtt", "milestones", "goes into a folder"),
        ("x", "poster", "goes into .png"),
    ],
)
def test_names_that_say_nothing(name: str, what: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Target.of(name, what)  # type: ignore[arg-type]
    assert Target.of("x.png", "keogram") == Target("keogram", Path("x.png"))


@given(st.lists(st.text(max_size=90), min_size=1, max_size=3))
def test_picture_names_are_safe(labels: list[str]) -> None:
    job = job_of(constant(Fraction(10), mission(0), mission(99)), Rate(25), [])
    told = [
        Milestone(Instant.read(f"T+{n} s"), label)
        for n, label in enumerate(labels)
        if label.strip()
    ]
    found = names(replace(job, milestones=tuple(told)))
    assert len(found) == len(told)
    for at, (name, _) in enumerate(found, 1):
        assert name.startswith(f"{at:02d}-")
        assert name.endswith(".png")
        assert all(unicodedata.category(letter)[0] in "LMN" or letter in "-." for letter in name)
        assert len(name.encode()) <= 255


def test_nothing_to_say_is_said(tmp_path: Path) -> None:
    job = job_of(constant(Fraction(10), mission(0), mission(99)), Rate(120), [])
    endings = (".vtt", ".ass", ".txt", ".otio")
    done = export(job, [Target.of(str(tmp_path / f"x{ending}")) for ending in endings])
    assert done.warnings == [
        "captions: the film shows no text to put into them",
        "ASS counts hundredths of a second; at 120 frames/s it can be a frame off",
        "chapters: the film shows no milestone",
        "chapters: there are 1; YouTube shows them from 3 on",
        "otio: the film shows no milestone",
    ]
    assert (tmp_path / "x.vtt").read_text(encoding="utf-8") == "WEBVTT\n"
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == "00:00 A launch\n"


# ------------------------------------------------------------------ films and pictures

PROJECT = """
roll: {{stills: roll, utc_offset: Z}}
mission: {{name: A launch, epoch: 2018-11-16T18:14:08Z}}
schedule: {{speed: 10, freezes: [{{at: T+20 s, for: 1 s}}]}}
retime: {{blend: nearest}}
output: {{rate: {rate}, size: {size}}}
milestones:
  - {{at: T+11 s, label: "First: <one>, {{x}}", style: {{size: 12 %}}, hold: 0.8 s}}
  - {{at: T+31 s, label: Second, place: top-left, style: {{size: 12 %}}, hold: 0.8 s}}
"""


@pytest.fixture
def project(gray_roll: Callable[..., GrayRoll], tmp_path: Path) -> Path:
    levels = [20 + 3 * n for n in range(40)]
    gray_roll(range(40), levels, size=(320, 180))
    path = tmp_path / "launch.yaml"
    path.write_text(PROJECT.format(rate="30000/1001", size="320x180"), encoding="utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_film_its_chapters_captions_and_markers_agree(project: Path) -> None:
    film = project.with_suffix(".mp4")
    assert run("render", project, "-q", "-o", film).exit_code == 0
    targets = [project.with_suffix(ending) for ending in (".vtt", ".otio", ".fcpxml", ".edl")]
    words = [word for target in targets for word in ("-o", target)]
    done = run("export", project, "-q", "--json", "--film", film, *words)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert [Path(file["path"]) for file in said["written"]] == targets
    assert all(file["bytes"] == Path(file["path"]).stat().st_size for file in said["written"])
    assert [warning for warning in said["warnings"] if "reading it takes" not in warning] == []
    rate = Rate.read("30000/1001")
    texts = [target.read_text(encoding="utf-8") for target in targets]
    cues = read_vtt(texts[0])
    spans = [(first_frame(rate, a), first_frame(rate, b)) for a, b, *_ in cues]
    markers = opentimelineio.adapters.read_from_string(texts[1], "otio_json").tracks.markers
    assert [(m.marked_range.start_time.value, m.marked_range.end_time_exclusive().value)
            for m in markers] == spans  # fmt: skip
    assert [frame for frame, *_ in read_fcpxml(texts[2], rate)[1]] == [a for a, _ in spans]
    assert [frame for frame, _ in read_edl(texts[3], rate)[1]] == [a for a, _ in spans]
    # In the decoded film the labels are there, and nowhere else, on exactly these frames.
    with av.open(str(film)) as source:
        lumas = [frame.to_ndarray(format="gray") for frame in source.decode(video=0)]
        chapters = [round(c["start"] * c["time_base"] * rate) for c in source.chapters()][1:]
    spread = [
        [int(rows.max()) - int(rows.min()) > 20 for rows in (luma[:60], luma[120:])]
        for luma in lumas
    ]
    low, high = ([n for n, each in enumerate(spread) if each[which]] for which in (1, 0))
    assert low == list(range(*spans[0]))
    assert high == list(range(*spans[1]))
    assert chapters == [a for a, _ in spans]


def test_export_tells_what_is_wrong(project: Path, tmp_path: Path) -> None:
    assert run("export", project).exit_code == 2
    assert run("export", project, "-o", tmp_path / "x.png").exit_code == 2
    assert run("export", project, "-o", tmp_path / "x.doc").exit_code == 2
    assert run("export", project, "-o", tmp_path / "x.png", "--what", "posters").exit_code == 2
    assert run("export", project, "-o", tmp_path / "s.sheet.png", "--tiles", "4by5").exit_code == 2
    assert run("export", tmp_path / "none.yaml", "-o", tmp_path / "x.vtt").exit_code == 4
    lost = run("export", project, "-o", tmp_path / "no" / "x.vtt")
    assert lost.exit_code == 1
    assert "there is no such folder" in lost.stderr
    still = tmp_path / "roll" / "ISS057-E-9990.png"
    before = still.read_bytes()
    taken = run("export", project, "-o", still, "--what", "poster")
    assert taken.exit_code == 1
    assert "is a file of the roll" in taken.stderr
    assert still.read_bytes() == before
    (tmp_path / "a").write_text("x")
    assert "a folder; name another" in run("export", project, "-o", tmp_path / "a").stderr
    late = run("export", project, "-o", tmp_path / "poster.png", "--at", "T+300 s")
    assert late.exit_code == 1
    warned = run("export", project, "-o", tmp_path / "x.edl", "--strict")
    assert warned.exit_code == 1
    assert "launch.mp4: is not there yet" in warned.stderr
    film = tmp_path / "launch.mp4"
    film.write_bytes(b"")
    film.with_name("launch.mp4.report.json").write_text('{"frames": 3, "rate": "25"}')
    again = run("export", project, "-o", tmp_path / "x.edl", "--film", film)
    assert "3 frames at 25 and" in again.stderr


def test_pictures_are_of_the_planned_frames(project: Path, tmp_path: Path) -> None:
    plan, shots = tmp_path / "plan.json", tmp_path / "shots"
    assert run("plan", project, "-q", "-o", plan).exit_code == 0
    poster = tmp_path / "poster.png"
    done = run("export", plan, "-q", "-o", shots, "-o", poster)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in shots.iterdir()) == ["01-First-one-x.png", "02-Second.png"]
    assert done.stdout.splitlines() == [*map(str, sorted(shots.iterdir())), str(poster)]
    assert poster.read_bytes() == (shots / "01-First-one-x.png").read_bytes()
    pixels = np.asarray(Image.open(shots / "02-Second.png"))
    assert pixels.shape == (180, 320, 3)
    assert abs(int(np.median(pixels)) - (20 + 3 * 31)) <= 1  # the still of T+31 s
    assert pixels[:60].max() > 240  # its label, in full
    assert run("export", plan, "-q", "-o", poster, "--at", "T+5 s").exit_code == 0
    again = np.asarray(Image.open(poster))
    assert abs(again.astype(int) - (20 + 3 * 5)).max() <= 1


def test_a_poster_decodes_little(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timelapse.ingest import Reader

    job, seen, read = load(project).job(), list[str](), Reader.read
    monkeypatch.setattr(Reader, "read", lambda self, file: seen.append(file) or read(self, file))
    export(job, [Target("poster", project.with_name("poster.png"))])
    assert [file.name for file in seen] == ["ISS057-E-10001.png"]  # of T+11 s


def test_a_sheet_shows_the_film_evenly(project: Path) -> None:
    job, path = load(project).job(), project.with_name("sheet.png")
    export(job, [Target("sheet", path)], Choices(tiles=(3, 2), width=480))
    sheet = np.asarray(Image.open(path))
    wide = tile_width(480, 3)
    assert 400 <= sheet.shape[1] <= 480
    frames = job.plan.frames
    centres = [(2 * n + 1) * frames // 12 for n in range(6)]
    seconds = [float(job.plan.timeline.mission_at(n).seconds) for n in centres]
    due = [20 + 3 * round(at) for at in seconds]
    pitch = sheet.shape[1] / 3
    rows = [sheet.shape[0] * share for share in (0.32, 0.76)]
    levels = [
        int(sheet[int(row), int(pitch * (column + 0.5)), 0]) for row in rows for column in range(3)
    ]
    np.testing.assert_allclose(levels, due, atol=3)
    assert (sheet.max(axis=2) > 180).sum() > 200  # its texts
    assert wide % 2 == 0


def test_a_keogram_has_a_column_for_each_still(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    times = [*range(20), *range(30, 40)]  # ten are missing
    levels = [20 + 5 * n for n in times]
    roll = gray_roll(times, levels, size=(64, 48), ending=".jpg")
    lost = roll.folder / "ISS057-E-9995.jpg"
    damage(lost, EPOCH + 5)
    path = tmp_path / "p.yaml"
    text = PROJECT.format(rate="25", size="64x48").replace("size: 12 %", "size: 4 %")
    path.write_text(text, encoding="utf-8")
    out = tmp_path / "keogram.png"
    done = run("export", path, "-o", out, "--width", 400)
    assert done.exit_code == 0, done.output
    assert "its neighbours stand in" in done.stderr or "left out because unreadable" in done.stderr
    picture = np.asarray(Image.open(out)).astype(int)
    assert picture.shape[1] == 400
    assert 100 < picture.shape[0] < 120
    row = picture[50]  # ten pixels a second
    for second in range(40):
        at = row[10 * second + 4, 0]
        if 21 <= second < 30 or second == 5:
            assert at == 110 or second == 5
        elif second != 20 and second != 6:
            assert abs(at - (20 + 5 * second)) <= 3
    ticks = np.flatnonzero((picture[101] == (255, 150, 40)).all(axis=1)) // 10
    assert set(ticks.tolist()) == {11, 31}


@pytest.mark.parametrize("ending", [".gif", ".webp"])
@pytest.mark.parametrize("rate", [Rate(12), Rate.read("30000/1001")], ids=str)
def test_a_preview_runs_over_the_whole_film(project: Path, ending: str, rate: Rate) -> None:
    job, path = load(project).job(), project.with_name(f"x{ending}")
    export(job, [Target("preview", path)], Choices(length=Seconds(2), width=96, rate=rate))
    levels: list[int] = []
    colours, now = set(), Fraction(0)
    with Image.open(path) as picture:
        assert (picture.size, picture.info["loop"]) == ((96, 54), 0)
        for frame in ImageSequence.Iterator(picture):
            shown = frame.convert("RGB")
            colours |= {colour for _, colour in shown.getcolors(96 * 54) or []}
            now += Fraction(frame.info["duration"], 1000)
            after = round(now * rate)  # of frames that are alike it makes one
            levels += [int(np.median(shown))] * (after - len(levels))
            assert abs(after / Fraction(rate) - now) <= Fraction(6, 1000)
    count = rate.frames_in(Fraction(2))
    assert len(levels) == count
    line = job.plan.timeline
    seconds = [line.mission_at(n * job.plan.frames // count).seconds for n in range(count)]
    np.testing.assert_allclose(levels, [20 + 3 * round(float(at)) for at in seconds], atol=4)
    assert ending != ".gif" or len(colours) <= 256


def test_a_preview_of_a_short_film_is_as_long_as_that(project: Path) -> None:
    path = project.with_name("x.webp")
    done = run("export", project, "-q", "-o", path, "--width", 96, "--set", "schedule.speed=100")
    assert done.exit_code == 0, done.output
    with Image.open(path) as picture:
        length = 0
        for frame in ImageSequence.Iterator(picture):
            frame.load()
            length += frame.info["duration"]
    frames = load(project, [("schedule.speed", "100", "--set")]).job().plan.frames
    assert abs(length - 1000 * frames * 1001 / 30000) <= 1
    with pytest.raises(RenderError, match="no such folder"):
        export(load(project).job(), [Target("preview", path.parent / "no" / "x.webp")])


# ------------------------------------------------------------------ what grading is made of


def test_a_look_and_a_map_of_defects(gray_roll: Callable[..., GrayRoll], tmp_path: Path) -> None:
    roll = gray_roll(range(30)).folder
    words: dict[str, Any] = {
        "roll": {"stills": str(roll)},
        "schedule": {"speed": 10},
        "grade": {
            "hot_pixels": {"search": False, "known": [[3, 5]]},
            "tone": {"exposure": 0.5, "curve": [[0, 0], [0.5, 0.6], [1, 1]]},
        },
    }
    project = tmp_path / "project.yaml"
    project.write_text(json.dumps(words), encoding="utf-8")
    outs = [tmp_path / name for name in ("night.yaml", "night.cube", "camera.npz")]
    for _ in range(2):  # a look takes the place of a look
        done = export(load(project).job(), [Target.of(str(out)) for out in outs])
        assert [each["what"] for each in done.written] == ["look", "look", "defects"]
    words["grade"] = {"tone": {"look": "night.yaml"}, "hot_pixels": {"map": "camera.npz"}}
    words["grade"]["hot_pixels"]["search"] = False
    project.write_text(json.dumps(words), encoding="utf-8")
    again = measured(load(project).job())
    assert again.tone.said == {"exposure": 0.5, "curve": ((0, 0), (0.5, 0.6), (1, 1))}
    assert again.found.defects is not None
    assert [each.places.tolist() for each in again.found.defects.maps.values()] == [[[3, 5]]]


def test_a_look_never_takes_the_place_of_a_project(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    project = tmp_path / "project.yaml"
    text = json.dumps(
        {"roll": {"stills": str(gray_roll(range(3)).folder)}, "schedule": {"speed": 10}}
    )
    project.write_text(text, encoding="utf-8")
    with pytest.raises(RenderError, match="is there and is no look"):
        export(load(project).job(), [Target.of(str(project))])
    assert project.read_text("utf-8") == text
    with pytest.raises(RenderError, match=r"write grade: \{hot_pixels: auto\}"):
        export(load(project).job(), [Target.of(str(tmp_path / "map.npz"))])
