"""A saved plan renders the same frames; two plans tell what differs; a plan can be drawn."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import EPOCH, GrayRoll, write_still
from test_xmp import lightroom

from timelapse import load
from timelapse.cli import main
from timelapse.errors import RollError
from timelapse.render import frames
from timelapse.savedplan import differences, load_plan, save

TEXT = (
    "roll: {stills: roll}\noutput: {size: 64x48, rate: 25}\n"
    "mission: {epoch: 2018-11-16T18:14:08Z}\n"
    "schedule:\n  speeds: [{at: T+0 s, speed: 4x}, {at: T+8 s, speed: 12x}]\n"
    "  cuts: [{from: T+10 s, to: T+14 s, crossfade: 0.2 s}]\n"
    "  freezes: [{at: T+6 s, for: 0.4 s}]\n"
    "milestones: [{at: T+7 s, label: separation}, {at: T+12 s, label: hidden}]\n"
)


@pytest.fixture
def project(gray_roll: Callable[..., object], tmp_path: Path) -> Path:
    gray_roll([*range(12), *range(18, 30)])
    path = tmp_path / "film.yaml"
    path.write_text(TEXT)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_saved_plan_gives_the_same_frames(project: Path, tmp_path: Path) -> None:
    whole = load(project)
    job = whole.job()
    saved = tmp_path / "plan.json"
    save(saved, whole, job)
    before = [frame.copy() for frame in frames(job)]
    # What happens to the folder and to the project afterwards changes nothing.
    (project.parent / "roll" / "ISS057-E-1.png").write_bytes(
        (project.parent / "roll" / "ISS057-E-9990.png").read_bytes()
    )
    project.write_text("roll: {stills: elsewhere}\nschedule: {speed: 1}\n")
    again = load_plan(saved)
    assert list(differences(job, again)) == []
    np.testing.assert_array_equal(before, [frame.copy() for frame in frames(again)])
    assert again.plan.roll == job.plan.roll
    assert [m.frame for m in again.placed] == [m.frame for m in job.placed]


def test_plans_that_show_stills_otherwise_differ(project: Path) -> None:
    job = load(project).job()
    graded = [("grade.deflicker", "15 s", "--set"), ("grade.tone.exposure", "0.5", "--set")]
    other = load(project, graded).job()
    assert list(differences(job, other)) == ["stills are shown otherwise: deflicker, tone"]
    assert list(differences(other, load(project, graded).job())) == []


def test_plans_that_mix_or_draw_otherwise_differ(project: Path) -> None:
    job = load(project).job()
    settings = [("retime.light", "display", "--set"), ("overlays", "[{kind: clock}]", "--set")]
    other = load(project, settings).job()
    assert list(differences(job, other)) == [
        "blend: linear, with other settings",
        "what is drawn over the film differs",
    ]


def test_what_is_done_to_a_still_is_known_by_its_name(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    """A still more at the beginning, which is not shown, moves no strength to another still."""
    roll = gray_roll(range(1, 9)).folder
    keys = "[{at: 2018-11-16T18:14:08Z, strength: 0}, {at: 2018-11-16T18:14:16Z, strength: 1}]"
    text = TEXT.split("schedule")[0] + "schedule: {speed: 10, from: 2018-11-16T18:14:10Z}\n"
    (tmp_path / "film.yaml").write_text(f"{text}grade: {{denoise: {{keys: {keys}}}}}\n")
    before = load(tmp_path / "film.yaml").job()
    write_still(roll / "ISS057-E-1.png", np.full((48, 64, 3), 9, np.uint8), EPOCH)
    after = load(tmp_path / "film.yaml").job()
    assert len(after.plan.roll.stills) == len(before.plan.roll.stills) + 1
    told = [line for line in differences(before, after) if line.startswith("stills are shown")]
    assert told == []


def test_a_saved_plan_holds_what_sidecars_asked_for(project: Path, tmp_path: Path) -> None:
    whole = load(project, [("grade.sidecars", "auto", "--set")])
    beside = sorted((project.parent / "roll").iterdir())[3].with_suffix(".xmp")
    beside.write_text(lightroom({"Exposure2012": "+1.0"}))
    job, saved = whole.job(), tmp_path / "plan.json"
    assert list(job.grade.stops.values()) == [1.0]
    save(saved, whole, job)
    beside.write_text(lightroom({"Exposure2012": "-2.0"}))
    assert load_plan(saved).grade.stops == job.grade.stops
    assert whole.job().grade.stops != job.grade.stops


def test_the_commands(project: Path, tmp_path: Path) -> None:
    saved, plot, film = (tmp_path / name for name in ("plan.json", "speed.svg", "film.mp4"))
    made = run("plan", project, "-o", saved, "--plot", plot, "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(saved.read_text())["frames"] == json.loads(made.stdout)["frames"]
    assert run("plan", project, "--diff", saved).output == "the same frames\n"
    rendered = [run("render", source, "-o", film, "--json", "-q") for source in (project, saved)]
    assert [result.exit_code for result in rendered] == [0, 0]
    # The film that stands there is the one that the saved plan asks for.
    assert json.loads(rendered[1].stdout)["segments"]["rendered"] == 0
    other = tmp_path / "other.yaml"
    other.write_text(TEXT.replace("T+7 s", "T+8 s").replace("12x", "10x"))
    told = run("plan", other, "--diff", saved)
    assert told.exit_code == 1
    assert "frames: " in told.output
    assert "separation': only in the first" in told.output or "separation': frame" in told.output
    assert "made of other stills or weights" in told.output
    refused = run("render", saved, "-o", film, "--speed", "3")
    assert refused.exit_code == 2
    assert "a saved plan is as it is" in refused.output


def test_one_changed_weight_is_told(project: Path) -> None:
    job, other = load(project).job(), load(project).job()
    other.plan.taps.weights[10] += 0.25
    row = int(np.searchsorted(other.plan.taps.starts, 10, "right")) - 1
    (line,) = differences(job, other)
    assert line == f"1 frames are made of other stills or weights: {row}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda saved: saved.update(timelapse_plan=99), "another version"),
        (lambda saved: saved.pop("rows"), "is no saved plan"),
        (lambda saved: saved["rows"].update(stills=saved["rows"]["starts"]), "do not fit"),
        (lambda saved: saved["rows"].update(weights="%%"), "is no saved plan"),
        (lambda saved: saved["roll"][0].clear(), "saved plan|left to show|empty"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(
    project: Path,
    tmp_path: Path,
    change: Callable[[dict], None],
    words: str,  # type: ignore[type-arg]
) -> None:
    whole, saved = load(project), tmp_path / "plan.json"
    save(saved, whole, whole.job())
    data = json.loads(saved.read_text())
    change(data)
    saved.write_text(json.dumps(data))
    with pytest.raises(RollError, match=words):
        load_plan(saved)
    saved.write_text("[]")
    with pytest.raises(RollError, match="is no saved plan"):
        load_plan(saved)


def test_the_plot_shows_what_falls_where(project: Path, tmp_path: Path) -> None:
    plot = tmp_path / "speed.svg"
    assert run("plan", project, "--plot", plot).exit_code == 0
    root = ElementTree.parse(plot).getroot()
    space = "{http://www.w3.org/2000/svg}"
    job = load(project).job()
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    assert {"speed", "mission time", "stills a frame"} <= set(texts)
    assert any("separation" in text for text in texts)
    assert not any("hidden" in text for text in texts)  # it is cut out
    (line,) = root.iter(f"{space}line")
    assert float(line.get("x1", 0)) == pytest.approx(
        1000 * job.placed[0].frame / job.plan.frames, abs=0.1
    )
    curves = list(root.iter(f"{space}polyline"))
    assert len(curves) == 3
    # The speed's curve: at the top where it is highest, at the bottom where a moment is held.
    points = np.array([pair.split(",") for pair in curves[0].get("points", "").split()], float)
    speeds = np.array([float(job.plan.timeline.speed_at(n)) for n in range(job.plan.frames)])
    assert points[:, 1].argmin() == speeds.argmax()
    assert (points[:, 1][speeds == 0] == points[:, 1].max()).all()
    assert run("plan", project, "--plot", tmp_path / "speed.png").exit_code == 1
