"""Labels on all three clocks under random schedules: the decoded film, its chapters, its captions,
WebVTT and OTIO say the same, to the frame, and as the plan has it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import opentimelineio
import pytest
from conftest import EPOCH, GrayRoll

from timelapse import load
from timelapse.deliver import probe
from timelapse.exports import Target, export

RATES = ("24000/1001", "25", "30000/1001", "60")
PLACES = ("top-left", "top-right", "bottom-left", "bottom-right")


def project(seed: int, roll: Path) -> dict[str, Any]:
    """A ramp, a cut and a freeze, and a label on each clock, all drawn by lot."""
    draw = random.Random(seed)
    cut = draw.randint(20, 30)
    return {
        "roll": {"stills": str(roll), "utc_offset": "Z"},
        "mission": {"name": "Agreement", "epoch": EPOCH.iso()},
        "schedule": {
            "speeds": [
                {"at": "T+0 s", "speed": draw.randint(5, 9)},
                {"at": "T+50 s", "speed": draw.randint(10, 16), "ease": "smooth"},
            ],
            "cuts": [{"from": f"T+{cut} s", "to": f"T+{cut + draw.randint(2, 9)} s"}],
            "freezes": [{"at": f"T+{draw.randint(5, 15)} s", "for": f"{draw.randint(2, 9)}00 ms"}],
        },
        "retime": {"blend": "nearest"},
        "output": {
            "rate": RATES[seed % len(RATES)],
            "size": "320x240",
            "crf": 4,
            "preset": "ultrafast",
            "captions": True,
        },
        "milestones": [
            {
                "at": at,
                "label": f"label {n}",
                "text": "{label}",
                "place": PLACES[n],
                "hold": f"{draw.randint(6, 12)}00 ms",
                "transition": draw.choice(["fade", "cut", "slide"]),
            }
            for n, at in enumerate(
                [
                    f"T+{draw.randint(10, 190) / 10} s",
                    (EPOCH + Fraction(draw.randint(400, 550), 10)).iso(3),
                    f"{draw.randint(10, 30) / 10} s",
                    f"frame {draw.randint(60, 80)}",
                ]
            )
        ],
    }


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as film:
        return np.stack([frame.to_ndarray(format="gray") for frame in film.decode(video=0)])


def captions_of(path: Path, rate: Fraction) -> set[tuple[str, int, int]]:
    """The film's own captions: (text, first frame, frame after the last), by their packets."""
    found = set()
    with av.open(str(path)) as film:
        for packet in film.demux(film.streams.subtitles[0]):
            text = bytes(packet)[2:].decode() if packet.size else ""
            if text:
                start = packet.pts * packet.time_base
                end = start + packet.duration * packet.time_base
                found |= {(line, start, end) for line in text.split("\n")}
    spans: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for text, start, end in found:
        spans.setdefault(text, []).append((start, end))
    return {
        (text, round(min(a for a, _ in all_) * rate), round(max(b for _, b in all_) * rate))
        for text, all_ in spans.items()
    }


def cues_of(text: str, rate: Fraction) -> set[tuple[str, int, int]]:
    """WebVTT: from the first frame that is not before a cue's start until that of its end."""

    def frame(words: str) -> int:
        hours, minutes, seconds = ["0", *words.split(":")][-3:]
        time = Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
        return -((-time * rate).__floor__())

    found = set()
    for block in text.strip().split("\n\n"):
        if timing := re.search(r"([\d:.]+) --> ([\d:.]+)[^\n]*\n(.+)", block):
            found.add((timing[3], frame(timing[1]), frame(timing[2])))
    return found


def markers_of(path: Path) -> dict[str, int]:
    timeline: Any = opentimelineio.adapters.read_from_file(str(path))
    found = {}
    holders = [timeline.tracks, *timeline.tracks, *timeline.find_clips()]
    for holder in holders:
        for marker in holder.markers:
            start = marker.marked_range.start_time
            found[marker.name] = round(start.value)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_film_chapters_captions_and_markers_agree(
    seed: int, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    roll = gray_roll(range(60), levels=[40 + n for n in range(60)], size=(320, 240))
    source = tmp_path / "project.yaml"
    source.write_text(json.dumps(project(seed, roll.folder)), encoding="utf-8")
    job = load(source).job()
    planned = {(m.text, m.shown_from, m.shown_to) for m in job.placed if m.showings}
    assert len(planned) >= 3
    out = tmp_path / "film.mp4"
    job.render(out)
    load(source, [("output.burn", "false", "test")]).job().render(tmp_path / "bare.mp4")
    with_labels, bare = decoded(out), decoded(tmp_path / "bare.mp4")
    assert len(with_labels) == len(bare) == job.plan.frames

    compositor, rate = job.compositor(), Fraction(job.plan.timeline.rate)
    shown = set()
    for number, cue in enumerate(job.cues):
        x, y, width, height = compositor.box_of(number)
        part = np.s_[:, y : y + height, x : x + width]
        changed = np.abs(with_labels[part].astype(int) - bare[part]).max(axis=(1, 2)) > 20
        frames = np.flatnonzero(changed).tolist()
        assert frames == list(range(frames[0], frames[-1] + 1))
        shown.add((cue.what.words, frames[0], frames[-1] + 1))
    assert shown == planned

    starts = {text: start for text, start, _ in planned}
    chapters = probe(out).chapters[1:]
    for title, start in chapters:
        for text in title.split(" / "):
            assert abs(start * rate - starts[text]) < Fraction(1, 2)  # MP4 tells milliseconds
    assert {text for title, _ in chapters for text in title.split(" / ")} == set(starts)
    assert captions_of(out, rate) == planned

    wanted = [tmp_path / f"film{ending}" for ending in (".vtt", ".otio")]
    export(job, [Target.of(str(path)) for path in wanted])
    assert cues_of(wanted[0].read_text(encoding="utf-8"), rate) == planned
    markers = markers_of(wanted[1])
    assert {name: markers[name] for name in starts} == starts
