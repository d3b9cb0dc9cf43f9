"""The flagship: the labels of the Progress MS-10 clip stand where ESA's list has them."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from test_film import differing_frames

from timelapse.audit import verify
from timelapse.deliver import probe
from timelapse.project import load
from timelapse.render import Job
from timelapse.report import plan_json
from timelapse.simulate import simulate
from timelapse.times import MissionTime

ROOT = Path(__file__).resolve().parents[1]
#: ESA's list at 25 frames a second: 00:07 and 00:19 are seconds, 00:34:05 and 00:34:19 frames.
PUBLISHED = {198: "00:07", 475: "00:19", 855: "00:34:05", 869: "00:34:19"}


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
    assert {m["frame"]: m["text"].split(" ")[0] for m in plan["milestones"]} == PUBLISHED
    assert (plan["frames"], plan["duration_s"], plan["rate"]) == (2250, 90.0, "25")
    assert (plan["speed"]["max"], plan["speed"]["min"]) == (15.3, 8.0)
    for milestone in plan["milestones"]:
        written = milestone["text"].split(" ")[0].split(":")
        seconds = int(written[1])
        assert int(milestone["video_s"]) == seconds
        assert milestone["frame"] // 25 == seconds
        if len(written) == 3:
            assert milestone["frame"] % 25 == int(written[2])


def test_the_frames_follow_from_times_and_speeds(stills: Path) -> None:
    text = (ROOT / "configs" / "progress_ms10.yaml").read_text(encoding="utf-8")
    assert not any(str(frame) in text for frame in PUBLISHED)
    slower = plan_json(job_of(stills, ("schedule.speeds[0].speed", "14x", "test")))
    assert {m["frame"] for m in slower["milestones"]}.isdisjoint(PUBLISHED)


def test_the_decoded_film_shows_each_label_from_its_frame_on(stills: Path, tmp_path: Path) -> None:
    fast = [("output.preset", "ultrafast", "test"), ("output.crf", "10", "test")]
    job_of(stills, *fast).render(tmp_path / "labels.mp4")
    job_of(stills, *fast, ("milestones", None, "test")).render(tmp_path / "plain.mp4")
    shown = differing_frames(tmp_path / "plain.mp4", tmp_path / "labels.mp4", levels=15)
    starts = [frame for frame in shown if frame - 1 not in shown]
    assert starts == [198, 475, 855]  # the last two overlap: see the next test
    assert verify(tmp_path / "labels.mp4") == []
    chapters = probe(tmp_path / "labels.mp4").chapters
    assert [start * 25 for _, start in chapters] == [0, *PUBLISHED]


def test_the_last_label_stands_from_its_own_frame_on(stills: Path, tmp_path: Path) -> None:
    fast = [("output.preset", "ultrafast", "test"), ("output.crf", "10", "test")]
    job_of(stills, *fast).render(tmp_path / "labels.mp4")
    job_of(stills, *fast, ("milestones[3]", None, "test")).render(tmp_path / "three.mp4")
    shown = differing_frames(tmp_path / "three.mp4", tmp_path / "labels.mp4", levels=15)
    assert shown[0] == 869
    assert shown == list(range(869, 945))  # three seconds from 34.77 s, which frame 869 holds


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
