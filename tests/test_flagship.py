"""The flagship: the labels of the Progress MS-10 clip stand where ESA's list has them."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from test_film import differing_frames

from timelapse.audit import verify
from timelapse.deliver import probe
from timelapse.errors import ProjectError
from timelapse.project import load
from timelapse.render import Job
from timelapse.report import plan_json
from timelapse.simulate import simulate
from timelapse.times import MissionTime

ROOT = Path(__file__).resolve().parents[1]
#: ESA's list at 25 frames a second, in order: 00:07 and 00:19 are seconds, the others frames.
PUBLISHED = {"00:07": range(175, 200), "00:19": range(475, 500), "00:34:05": [855]}
PUBLISHED |= {"00:34:19": [869]}


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launch")
    simulate(folder, size=(320, 180), interval=Fraction(4))
    return folder


def job_of(stills: Path, *settings: tuple[str, str | None, str]) -> Job:
    project = load(
        ROOT / "configs" / "progress_ms10.yaml",
        [("roll.stills", json.dumps(str(stills)), "test"), *settings],
    )
    return project.job()


def test_the_plan_puts_every_milestone_where_it_was_published(stills: Path) -> None:
    plan = plan_json(job_of(stills))
    assert [m["text"].split(" ")[0] for m in plan["milestones"]] == list(PUBLISHED)
    for milestone, frames in zip(plan["milestones"], PUBLISHED.values(), strict=True):
        assert milestone["frame"] in frames
    assert (plan["frames"], plan["duration_s"], plan["rate"]) == (2250, 90.0, "25")
    assert 8 <= plan["speed"]["min"] < 8.1
    assert 15 < plan["speed"]["max"] <= 16
    for milestone in plan["milestones"]:
        written = milestone["text"].split(" ")[0].split(":")
        seconds = int(written[1])
        assert int(milestone["video_s"]) == seconds
        assert milestone["frame"] // 25 == seconds
        if len(written) == 3:
            assert milestone["frame"] % 25 == int(written[2])


def test_the_speed_comes_out_by_itself_and_never_jumps(stills: Path) -> None:
    timeline = job_of(stills).plan.timeline
    speeds = [timeline.speed_at(frame) for frame in range(timeline.frames)]
    assert all(8 <= speed <= 16 for speed in speeds)
    assert max(abs(b - a) / a for a, b in pairwise(speeds)) < Fraction(2, 100)
    # Other events are shown elsewhere: the frames are no constants.
    later = json.dumps([{"at": "T+117.8 s", "video": "00:09"}])
    other = job_of(stills, ("schedule.anchors", later, "test"))
    assert plan_json(other)["milestones"][0]["timecode"].startswith("00:00:09")


def test_an_impossible_anchor_is_named_with_the_speed_that_it_would_need(stills: Path) -> None:
    anchors = [
        {"at": "T+117.8 s", "video": "00:07"},
        {"at": "T+287.3 s", "video": "00:09"},
        {"at": "T+528.5 s", "video": "00:34:19"},
    ]
    with pytest.raises(ProjectError) as told:
        job_of(stills, ("schedule.anchors", json.dumps(anchors), "test"))
    # 169.5 s in one to three seconds
    assert "from 00:07 to 00:09 needs 56.5x to 169.5x" in str(told.value)
    assert "speeds from 8x to 16x cannot meet them" in str(told.value)


def test_the_decoded_film_shows_each_label_from_its_frame_on(stills: Path, tmp_path: Path) -> None:
    fast = [("output.preset", "ultrafast", "test"), ("output.crf", "10", "test")]
    job_of(stills, *fast).render(tmp_path / "labels.mp4")
    job_of(stills, *fast, ("milestones", None, "test")).render(tmp_path / "plain.mp4")
    shown = differing_frames(tmp_path / "plain.mp4", tmp_path / "labels.mp4", levels=15)
    starts = [frame for frame in shown if frame - 1 not in shown]
    frames = [m["frame"] for m in plan_json(job_of(stills))["milestones"]]
    assert starts == frames[:3]  # the last two overlap: see the next test
    assert verify(tmp_path / "labels.mp4") == []
    chapters = probe(tmp_path / "labels.mp4").chapters
    assert [start * 25 for _, start in chapters] == [0, *frames]


@pytest.mark.slow
def test_the_last_label_stands_from_its_own_frame_on(stills: Path, tmp_path: Path) -> None:
    fast = [("output.preset", "ultrafast", "test"), ("output.crf", "10", "test")]
    job_of(stills, *fast).render(tmp_path / "labels.mp4")
    job_of(stills, *fast, ("milestones[3]", None, "test")).render(tmp_path / "three.mp4")
    shown = differing_frames(tmp_path / "three.mp4", tmp_path / "labels.mp4", levels=15)
    assert shown[0] == 869
    assert shown == list(range(869, 1020))  # six seconds from within frame 869 on


def test_the_roll_is_told_as_the_truth_has_it(stills: Path) -> None:
    truth = json.loads((stills / "truth.json").read_text(encoding="utf-8"))
    job = job_of(stills)
    ledger = {Path(e["path"]).name: e for e in job.plan.roll.as_json()["ledger"]}
    for name in truth["truncated"]:
        assert ledger[name]["status"] == "unreadable"
    for copy in truth["duplicates"]:
        assert ledger[copy["file"]]["status"] == "duplicate"
    times = {still.name: still.captured for still in job.plan.roll.stills}
    for still in truth["stills"]:
        if still["file"] in times:
            exact = MissionTime(Fraction(str(still["mission_s"])))
            assert times[still["file"]].since(job.plan.timeline.epoch) == exact
    gaps = {gap["after"]: gap for gap in plan_json(job)["gaps"]}
    assert truth["gap"]["after"] in gaps
    assert gaps[truth["gap"]["after"]]["missing"] == truth["gap"]["missing"]
