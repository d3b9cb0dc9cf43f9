"""Segments: what is rendered again and what is not, how parts are joined, what a render may use."""

from __future__ import annotations

import errno
import json
import os
import shutil
import wave
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import av
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import EPOCH, GrayRoll, write_still
from hypothesis import given
from hypothesis import strategies as st
from test_film import differing_frames, job_of

from timelapse.audit import verify
from timelapse.cli import main
from timelapse.deliver import H264, Caption, Colours, Encoder, Sound, Tags, join, probe
from timelapse.deliver.tracks import one_at_a_time
from timelapse.errors import EncodeError, RenderError
from timelapse.grade import Size
from timelapse.render import Job
from timelapse.render.budget import divide
from timelapse.render.parts import parts_folder
from timelapse.render.segment import Bundle, bounds, segments
from timelapse.report import report_path
from timelapse.times import Rate, VideoTime

MakeRoll = Callable[..., GrayRoll]
FAST = ("output.preset", "ultrafast")
SPEED = ("schedule.speed", "5")


def labels(*spans: tuple[int, str]) -> tuple[str, str]:
    """Milestones at these seconds of the mission, shown for a second of film each."""
    entries = (f"{{at: T+{at} s, label: '{text}', hold: 1 s}}" for at, text in spans)
    return "milestones", f"[{', '.join(entries)}]"


@pytest.fixture
def stills(gray_roll: MakeRoll) -> Path:
    """400 stills, two a second: at 5x a clip of 1000 frames, in eight segments of 125."""
    times = [Fraction(n, 2) for n in range(400)]
    return gray_roll(times, size=(160, 90), ending=".jpg").folder


def counts(report: dict[str, Any]) -> tuple[int, int]:
    return report["segments"]["rendered"], report["segments"]["reused"]


def pixels(report: dict[str, Any]) -> list[str]:
    return [part["pixels"] for part in report["parts"]]


# ------------------------------------------------------------------ what is rendered again


@given(st.integers(1, 100_000))
def test_segments_tile_the_clip(frames: int) -> None:
    spans = bounds(frames)
    assert spans[0][0] == 0
    assert spans[-1][1] == frames
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(0 < stop - start <= 250 for start, stop in spans)
    # None but the last is shorter than 50 frames, and no long clip is cut finer than 250.
    assert all(stop - start >= min(50, frames) for start, stop in spans[:-1])
    assert frames <= 2000 or len(spans) == -(-frames // 250)


def test_nothing_is_rendered_twice(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    named = labels((20, "one"), (90, "two"), (150, "three"))
    first = job_of(stills, SPEED, FAST, named).render(film)
    assert counts(first) == (8, 0)

    before = film.read_bytes()
    same = job_of(stills, SPEED, FAST, named).render(film)
    assert counts(same) == (0, 8)
    assert film.read_bytes() == before

    # T+90 s is frame 450, and a second of film ends in frame 474: segment 3 (375 to 499) alone.
    other = labels((20, "one"), (90, "another"), (150, "three"))
    changed = job_of(stills, SPEED, FAST, other).render(film)
    assert counts(changed) == (1, 7)
    assert [a == b for a, b in zip(pixels(first), pixels(changed), strict=True)] == [
        True, True, True, False, True, True, True, True,
    ]  # fmt: skip

    renamed = job_of(stills, SPEED, FAST, other, ("mission.name", "A name")).render(film)
    assert counts(renamed) == (0, 8)
    assert renamed["film"]["title"] == "A name"

    harder = job_of(stills, SPEED, FAST, other, ("output.crf", "30")).render(film)
    assert counts(harder) == (8, 0)
    assert pixels(harder) == pixels(changed)
    assert verify(film, stills=True) == []


def test_a_label_over_a_border_is_rendered_on_both_sides(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    job_of(stills, SPEED, FAST).render(film)
    # Frames 120 to 144: the end of the first segment, and the start of the second.
    report = job_of(stills, SPEED, FAST, labels((24, "over"))).render(film)
    assert counts(report) == (2, 6)


def test_a_still_that_changed_is_rendered_again(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    first = job_of(stills, SPEED, FAST).render(film)
    white = np.full((90, 160, 3), 255, np.uint8)
    write_still(stills / "ISS057-E-10090.jpg", white, EPOCH + 50)  # shown around frame 250
    report = job_of(stills, SPEED, FAST).render(film)
    assert counts(report) == (2, 6)
    assert [a == b for a, b in zip(pixels(first), pixels(report), strict=True)].count(False) == 2


def test_a_part_that_was_damaged_is_rendered_again(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    report = job_of(stills, SPEED, FAST).render(film)
    part = parts_folder(film) / f"{report['parts'][2]['key']}.mp4"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    film.unlink()
    again = job_of(stills, SPEED, FAST).render(film)
    assert counts(again) == (1, 7)
    assert pixels(again) == pixels(report)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_frames_before_encoding_do_not_depend_on_workers_or_memory(
    stills: Path, tmp_path: Path, workers: int
) -> None:
    job = job_of(stills, ("schedule.speed", "20"), FAST, ("retime.blend", "box"))
    few = job.render(tmp_path / "few.mp4", workers=1, memory=1 << 29)
    many = job.render(tmp_path / "many.mp4", workers=workers)
    assert pixels(few) == pixels(many)


def test_parts_leave_no_trace_but_their_folder(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    report = job_of(stills, ("schedule.speed", "40"), FAST).render(film)
    keys = {part["key"] for part in report["parts"]}
    names = {path.name for path in parts_folder(film).iterdir()}
    assert names == {f"{key}.{end}" for key in keys for end in ("mp4", "json")} | {
        "CACHEDIR.TAG", "lock",
    }  # fmt: skip


def test_a_folder_of_other_files_is_left_alone(stills: Path, tmp_path: Path) -> None:
    folder = parts_folder(tmp_path / "film.mp4")
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    with pytest.raises(RenderError, match="holds other files"):
        job_of(stills, SPEED).render(tmp_path / "film.mp4")
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]


@dataclass(frozen=True)
class Whole(H264):
    """A format whose parts cannot be joined."""

    whole: ClassVar[str] = "its index is made of all frames"


def test_a_format_that_cannot_be_joined_is_rendered_whole_and_says_why(
    stills: Path, tmp_path: Path
) -> None:
    job = job_of(stills, SPEED, labels((20, "one")), ("mission.name", "A name"))
    whole = replace(job, format=Whole(preset="ultrafast"))
    report = whole.render(tmp_path / "film.mp4")
    assert len(segments(whole)) == 1
    assert counts(report) == (1, 0)
    assert report["film"]["chapters"] == [["A name", 0.0], ["00:04 one", 4.0]]
    assert any("rendered whole: its index is made of all frames" in w for w in report["warnings"])
    assert verify(tmp_path / "film.mp4") == []


# ------------------------------------------------------------------ joining


def part(path: Path, frames: range, format: H264) -> tuple[Path, int]:
    colours = Colours((64, 48))
    noise = np.random.default_rng(1).integers(0, 40, (48, 64, 3), np.uint8)
    with Encoder(path, Size(64, 48), format, threads=1) as encoder:
        for number in frames:
            encoder.write(colours.convert(np.roll(noise, number, 1) + np.uint8(number % 200)))
    return path, len(frames)


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "60"])
@pytest.mark.parametrize("preset", ["ultrafast", "medium"])
def test_parts_are_joined_on_the_exact_grid(tmp_path: Path, rate: str, preset: Any) -> None:
    format = H264(rate=Rate.read(rate), preset=preset, crf=4)
    lengths = [37, 1, 60, 2]  # some with B-frames, some too short for any
    starts = [sum(lengths[:n]) for n in range(len(lengths))]
    parts = [
        part(tmp_path / f"{n}.mp4", range(start, start + length), format)
        for n, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    join(parts, tmp_path / "joined.mp4", format, Tags())
    facts = probe(tmp_path / "joined.mp4", runs=lengths)
    assert facts.faults(100, (64, 48), Fraction(format.rate), 0) == []
    assert facts.payloads == tuple(
        probe(path, runs=[count], decode=0).payloads[0] for path, count in parts
    )
    with av.open(str(tmp_path / "joined.mp4")) as film:
        shown = [f.pts * f.time_base for f in film.decode(video=0)]  # type: ignore[operator]
    assert shown == [n / Fraction(format.rate) for n in range(100)]
    part(tmp_path / "whole.mp4", range(100), format)
    assert differing_frames(tmp_path / "joined.mp4", tmp_path / "whole.mp4", 12) == []


def test_parts_of_another_encoder_are_not_joined(tmp_path: Path) -> None:
    one = part(tmp_path / "1.mp4", range(10), H264(preset="ultrafast"))
    two = part(tmp_path / "2.mp4", range(10, 20), H264(preset="medium"))
    with pytest.raises(EncodeError, match="coded in another way"):
        join([one, two], tmp_path / "joined.mp4", H264(), Tags())


def test_captions_and_sound_are_added_at_the_join(stills: Path, tmp_path: Path) -> None:
    music = tmp_path / "music.wav"
    with wave.open(str(music), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        tone = np.sin(np.arange(22050 * 60) / 22050 * 2 * np.pi * 440) * 20000
        file.writeframes(tone.astype("<i2").tobytes())
    film = tmp_path / "film.mp4"
    named = labels((20, r"100 % {\b1} burn"), (22, "Взлёт"))
    plain = job_of(stills, SPEED, FAST, named).render(film)
    extra = [("output.captions", "true"), ("sound.file", str(music))]
    report = job_of(stills, SPEED, FAST, named, *extra).render(film)
    assert counts(report) == (0, 8)
    assert pixels(report) == pixels(plain)
    assert sorted(report["film"]["tracks"]) == ["audio", "subtitle"]
    assert verify(film) == []
    with av.open(str(film)) as container:
        base = container.streams.subtitles[0].time_base
        texts = [
            (bytes(packet)[2:].decode(), packet.pts * base)
            for packet in container.demux(container.streams.subtitles[0])
            if packet.size > 2
        ]
    one, two = r"00:04 100 % {\b1} burn", "00:04 Взлёт"
    # The labels are shown on frames 100 to 124 and 110 to 134.
    assert texts == [
        (one, Fraction(100, 25)), (f"{one}\n{two}", Fraction(110, 25)), (two, Fraction(125, 25)),
    ]  # fmt: skip
    with av.open(str(film)) as container:
        sound = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert abs(len(sound) / 48000 - 40) < 0.05  # the film's 1000 frames, of 60 s of music
    spectrum = np.abs(np.fft.rfft(sound[48000:96000]))
    assert int(spectrum.argmax()) == 440
    # Another file of the same name is another film.
    shutil.copyfile(film, tmp_path / "kept.mp4")
    with wave.open(str(music), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(bytes(22050))
    again = job_of(stills, SPEED, FAST, named, *extra).render(film)
    assert counts(again) == (0, 8)
    assert again["sha256"] != report["sha256"]


def test_a_sound_that_is_none_is_an_error_of_the_project(stills: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.yaml"
    (tmp_path / "x.mp3").write_bytes(b"no music")
    project.write_text(
        f"roll: {{stills: {stills}}}\nschedule: {{speed: 5}}\nsound: {{file: x.mp3}}\n"
    )
    done = CliRunner().invoke(main, ["plan", str(project)])
    assert done.exit_code == 3
    assert "p.yaml:3:15: sound.file: " in done.stderr
    assert "no sound that can be read" in done.stderr
    shutil.copyfile(stills / "ISS057-E-9990.jpg", tmp_path / "x.mp3")
    assert "holds no sound" in CliRunner().invoke(main, ["plan", str(project)]).stderr


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=8))
def test_captions_never_overlap_and_lose_nothing(spans: list[tuple[int, int]]) -> None:
    captions = [
        Caption(str(n), VideoTime(Fraction(at)), VideoTime(Fraction(at + length)))
        for n, (at, length) in enumerate(spans)
    ]
    made = one_at_a_time(captions)
    assert all(a.end <= b.start for a, b in pairwise(made))
    for second in range(40):
        time = VideoTime(Fraction(second))
        meant = [c.text for c in captions if c.start <= time < c.end]
        shown = [c.text for c in made if c.start <= time < c.end]
        assert shown == (["\n".join(meant)] if meant else [])


# ------------------------------------------------------------------ the cache of stills


@pytest.fixture
def large(gray_roll: MakeRoll) -> Path:
    """Stills of four times the frame's width, which are worth keeping."""
    roll = gray_roll([Fraction(n, 2) for n in range(40)], size=(640, 360), ending=".jpg")
    return roll.folder


SMALL = ("output.size", "160x90")


def test_another_speed_decodes_nothing_again(
    large: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job_of(large, SPEED, FAST, SMALL).render(tmp_path / "film.mp4")
    assert len(set(decoded)) == 40
    decoded.clear()
    report = job_of(large, ("schedule.speed", "3"), FAST, SMALL).render(tmp_path / "film.mp4")
    assert decoded == []
    bare = job_of(large, ("schedule.speed", "3"), FAST, SMALL)
    fresh = bare.render(tmp_path / "fresh.mp4", cache=0)
    assert len(set(decoded)) == 40
    assert pixels(fresh) == pixels(report)
    assert fresh["stills"] == report["stills"]


def test_what_changed_is_not_taken_from_the_cache(
    large: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job_of(large, SPEED, FAST, SMALL).render(tmp_path / "film.mp4")
    decoded.clear()
    changed = large / "ISS057-E-9999.jpg"
    write_still(changed, np.full((360, 640, 3), 9, np.uint8), EPOCH + Fraction(9, 2))
    job_of(large, ("schedule.speed", "3"), FAST, SMALL).render(tmp_path / "film.mp4")
    assert set(decoded) == {changed.name}
    decoded.clear()
    job_of(large, SPEED, FAST, ("output.size", "162x90")).render(tmp_path / "wider.mp4")
    assert len(set(decoded)) == 40


def test_the_cache_keeps_to_its_bound(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    one = 160 * 90 * 3
    job_of(large, SPEED, FAST, SMALL).render(tmp_path / "film.mp4", cache=10 * one + 100)
    kept = [path.stat().st_size for path in (tmp_path / "cache" / "stills").iterdir()]
    assert len(kept) == 10
    # Damage is found, and a file that is no still of ours is in nobody's way.
    for path in (tmp_path / "cache" / "stills").iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    report = job_of(large, ("schedule.speed", "3"), FAST, SMALL).render(tmp_path / "b.mp4")
    fresh = job_of(large, ("schedule.speed", "3"), FAST, SMALL).render(tmp_path / "c.mp4", cache=0)
    assert pixels(report) == pixels(fresh)


def test_the_cache_is_listed_and_cleared(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for path in large.iterdir():
        os.utime(path, (1e9, 1e9))  # a file that is younger than two seconds is not remembered
    graded = ("grade.hot_pixels", "auto")
    job_of(large, SPEED, FAST, SMALL, graded).render(tmp_path / "film.mp4")
    listed = json.loads(CliRunner().invoke(main, ["cache", "--json"]).stdout)
    assert [entry["kind"] for entry in listed] == ["parts", "stills", "headers", "grade"]
    assert all(entry["bytes"] > 0 and not entry["cleared"] for entry in listed)
    told = CliRunner().invoke(main, ["cache"]).stdout
    assert "2 segments, 100 frames of film.mp4" in told
    only = json.loads(CliRunner().invoke(main, ["cache", "film.mp4", "--json"]).stdout)
    assert [entry["kind"] for entry in only] == ["parts"]
    cleared = json.loads(CliRunner().invoke(main, ["cache", "--clear", "--json"]).stdout)
    assert all(entry["cleared"] for entry in cleared)
    assert CliRunner().invoke(main, ["cache", "--json"]).stdout.strip() == "[]"
    assert verify("film.mp4") == []
    assert not parts_folder(tmp_path / "film.mp4").exists()


# ------------------------------------------------------------------ limits


def test_memory_decides_how_many_lanes_there_are(stills: Path) -> None:
    job = job_of(stills, SPEED, ("output.size", "1920x1080"), ("output.preset", "medium"))
    whole = [Bundle((segment,)) for segment in segments(job)]
    lanes = [divide(whole, 8, gib << 30).lanes for gib in (1, 2, 4, 64)]
    assert lanes == sorted(lanes)
    assert lanes[0] < lanes[-1] == 8
    assert divide(whole[:2], 8, 64 << 30) == (2, 4, 4)


def test_too_little_memory_is_told_before_any_work(stills: Path, tmp_path: Path) -> None:
    command = ["render", str(stills), "--speed", "5", "-o", str(tmp_path / "x.mp4")]
    done = CliRunner().invoke(main, [*command, "--memory", "100M", "--set", "roll.utc_offset=Z"])
    assert done.exit_code == 1
    assert "a memory of 100 MiB is not enough: this film needs" in done.stderr
    assert not (tmp_path / "x.mp4").exists()
    assert not parts_folder(tmp_path / "x.mp4").exists()
    assert CliRunner().invoke(main, [*command, "--memory", "lots"]).exit_code == 2


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_refused_before_any_work(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 999, 1))
    with pytest.raises(
        EncodeError, match=r"No space left for this film: 1 MiB are free.*unchanged"
    ):
        job_of(stills, SPEED).render(tmp_path / "x.mp4")
    assert decoded == []
    assert not parts_folder(tmp_path / "x.mp4").exists()


def test_a_disk_that_fills_up_ends_the_render_while_there_is_room(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**12] * 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, next(free, 1000)))
    with pytest.raises(EncodeError, match=r"No space left soon.* segments are kept"):
        job_of(stills, SPEED, FAST).render(tmp_path / "x.mp4", workers=1, cache=0)
    monkeypatch.undo()
    rendered, reused = counts(job_of(stills, SPEED, FAST).render(tmp_path / "x.mp4"))
    assert rendered < 8
    assert reused > 0


def test_a_disk_that_refuses_a_write_is_told_once_and_in_words(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("timelapse.deliver.film.os.fsync", full)
    with pytest.raises(EncodeError, match=r"x\.mp4: .*No space left on device; what was there"):
        job_of(stills, SPEED, FAST).render(tmp_path / "x.mp4")


def test_a_folder_that_vanishes_is_told(stills: Path, tmp_path: Path) -> None:
    place = tmp_path / "there"
    place.mkdir()

    def vanish(done: int, _total: int) -> None:
        if done and place.exists():
            shutil.rmtree(place)

    with pytest.raises(EncodeError, match=r"there.*No such file or directory"):
        job_of(stills, ("schedule.speed", "1"), FAST).render(place / "x.mp4", progress=vanish)


def test_what_is_read_is_never_written(stills: Path, tmp_path: Path) -> None:
    music = tmp_path / "music.mp4"
    job: Job = job_of(stills, SPEED, FAST)
    job.render(music)
    film = replace(job, sound=Sound(music, 1, 1))
    with pytest.raises(RenderError, match="is a file that the film is made of"):
        film.render(music)


# ------------------------------------------------------------------ verify


def test_verify_names_the_frames_that_were_changed(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    job_of(stills, SPEED, FAST).render(film)
    with av.open(str(film)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        at = {int(p.pts * p.time_base * 25): (p.pos, p.size) for p in packets}  # type: ignore[operator]
    position, size = at[700]
    data = bytearray(film.read_bytes())
    assert position is not None
    data[position + size - 2] ^= 1
    film.write_bytes(data)
    told = verify(film)
    assert any("frames 625 to 749 are not those that were rendered" in line for line in told)


def test_verify_finds_one_dropped_frame(stills: Path, tmp_path: Path) -> None:
    film, cut = tmp_path / "film.mp4", tmp_path / "cut.mp4"
    job_of(stills, SPEED, FAST).render(film)
    with av.open(str(film)) as source, av.open(str(cut), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number != 500:
                packet.stream = stream
                sink.mux(packet)
    cut.replace(film)
    told = " ".join(verify(film))
    assert "999 frames, not 1000" in told
    assert "uneven" in told


def test_verify_finds_one_changed_still(stills: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    job_of(stills, SPEED, FAST).render(film)
    assert verify(film, stills=True) == []
    data = bytearray((stills / "ISS057-E-10100.jpg").read_bytes())
    data[-20] ^= 1
    (stills / "ISS057-E-10100.jpg").write_bytes(data)
    (stills / "ISS057-E-10101.jpg").unlink()
    changed, gone = verify(film, stills=True)
    assert "10100.jpg: is not the still that was rendered" in changed
    assert "10101.jpg: cannot be opened" in gone
    assert verify(film) == []
    done = CliRunner().invoke(main, ["verify", str(film), "--stills"])
    assert done.exit_code == 1
    report_path(film).write_text("[]")
    with pytest.raises(RenderError, match="not a report"):
        verify(film)
