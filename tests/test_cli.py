"""The command line is a contract: names, JSON keys, streams and exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import GrayRoll
from PIL import Image
from test_film import decoded_gray

from timelapse.cli import main
from timelapse.project import load

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "samples" / "booster_separation"


def run(*arguments: object, expect: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == expect, result.output
    return result


def data(*arguments: object, expect: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", expect=expect).stdout)


def test_scan_has_the_promised_keys() -> None:
    found = data("scan", SAMPLE)
    assert set(found) >= {
        "found", "used", "excluded", "ledger", "order", "first", "last", "interval_s", "jitter_s",
        "gaps", "sizes", "cameras", "warnings",
    }  # fmt: skip
    assert found["found"] == found["used"] + found["excluded"] == len(found["ledger"])
    assert set(found["ledger"][0]) == {"path", "status", "reason", "captured"}
    assert set(found["gaps"][0]) == {"after", "before", "seconds", "missing"}
    assert {entry["status"] for entry in found["ledger"]} == {
        "used", "duplicate", "unreadable", "excluded",
    }  # fmt: skip


def test_scan_speaks_to_people_too() -> None:
    result = run("scan", SAMPLE)
    for word in ("38 used", "EXIF DateTimeOriginal", "NIKON D5", "cut short", "the same bytes"):
        assert word in result.stdout
    assert "warning: " in result.stderr
    assert "warning: " not in result.stdout
    assert run("scan", SAMPLE, "--quiet").stderr == ""


def test_strict_makes_warnings_fail(gray_roll: Callable[..., GrayRoll]) -> None:
    run("scan", SAMPLE, "--strict", expect=1)
    roll = gray_roll([Fraction(n) for n in range(5)], ending=".JPG")
    run("scan", roll.folder, "--strict", "--set", "roll.utc_offset=Z")


def test_faults_in_a_roll_leave_its_timing_alone(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    times = [Fraction(n, 2) for n in range(40)]
    whole = gray_roll(times, ending=".JPG", folder="whole")
    faulty = gray_roll(times, ending=".JPG", folder="faulty").folder
    names = [f"ISS057-E-{9990 + n}.JPG" for n in range(40)]
    (faulty / names[5]).unlink()
    (faulty / names[11]).write_bytes(b"")
    data_17 = (faulty / names[17]).read_bytes()
    (faulty / names[17]).write_bytes(data_17[: len(data_17) * 3 // 5])
    shutil.copy(faulty / names[20], faulty / "ISS057-E-10010 (1).JPG")
    (faulty / names[30]).write_text("a text file, whatever its name says")

    options = ("--speed", "2.5", "--set", "roll.utc_offset=Z", "--set", "retime.blend=nearest")
    films = []
    for folder in (whole.folder, faulty):
        out = tmp_path / f"{folder.name}.mp4"
        done = data("render", folder, "-o", out, *options)
        assert (done["frames"], done["duration_s"]) == (200, 8.0)
        assert bool(done["warnings"]) == (folder == faulty)
        films.append(decoded_gray(out))
    run("render", whole.folder, "-o", tmp_path / "x.mp4", *options, "--strict")
    run("render", faulty, "-o", tmp_path / "x.mp4", *options, "--strict", expect=1)
    assert len(data("scan", faulty)["ledger"]) == 40

    # five frames a still; a lost one is shown by its neighbours, all others stand where they stood
    nearest = np.round(np.arange(200) / 5 + 1e-9).astype(int).clip(0, 39)
    unchanged = ~np.isin(nearest, [5, 11, 17, 30])
    assert unchanged.sum() == 180
    assert np.abs(films[0] - films[1])[unchanged].max() < 2
    assert (np.abs(films[0] - films[1])[~unchanged] > 5).any()


def test_plan_has_the_promised_keys() -> None:
    plan = data("plan", ROOT / "samples" / "booster_separation.yaml")
    assert set(plan) >= {
        "rate", "frames", "duration_s", "size", "speed", "schedule", "milestones", "gaps",
        "stills_used", "stills_unused", "warnings",
    }  # fmt: skip
    assert set(plan["speed"]) == {"min", "max", "mean"}
    assert set(plan["schedule"][0]) == {"video_s", "mission_s", "speed"}
    assert set(plan["milestones"][0]) >= {
        "text", "capture", "mission_s", "video_s", "frame", "timecode", "shown_from", "shown_to",
        "read_as",
    }  # fmt: skip
    table = run("plan", ROOT / "samples" / "booster_separation.yaml").stdout
    assert "Soyuz-FG rocket booster separation" in table
    assert "76 frames at 25 frames/s" in table


def test_render_a_roll_without_a_project(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    done = data("render", SAMPLE, "-o", out, "--speed", "12", "--fps", "30", "--size", "320x180")
    assert set(done) == {
        "output", "frames", "duration_s", "size", "rate", "bytes", "segments", "report",
        "elapsed_s", "fps", "warnings",
    }  # fmt: skip
    assert done["segments"] == {"rendered": 2, "reused": 0}
    assert (done["rate"], done["size"], done["frames"]) == ("30", "320x180", 115)
    assert Path(done["report"]).is_file()
    assert run("verify", out).stdout == f"{out}: as rendered\n"
    with out.open("r+b") as film:
        film.seek(-50, 2)
        film.write(b"x")
    assert "SHA-256 differs" in run("verify", out, expect=1).stdout
    assert data("verify", out, expect=1)["ok"] is False


def test_render_a_project_to_a_duration(tmp_path: Path) -> None:
    source = ROOT / "samples" / "booster_separation.yaml"
    out = tmp_path / "out.mp4"
    done = data("render", source, "-o", out, "--duration", "2 s", "--set", "output.crf=30")
    assert (done["frames"], done["duration_s"]) == (50, 2.0)


def test_render_names_its_output_after_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("render", SAMPLE, "--speed", "40", "--quiet")
    assert (tmp_path / "booster_separation.mp4").is_file()


def test_still_takes_a_time_on_any_clock(tmp_path: Path) -> None:
    project = ROOT / "samples" / "booster_separation.yaml"
    for at, frame in (("00:01", 25), ("frame 25", 25), ("T+119.32 s", 25), ("1 s", 25)):
        out = tmp_path / "still.png"
        assert f"frame {frame} " in run("still", project, "--at", at, "-o", out).stderr
        with Image.open(out) as picture:
            assert (picture.size, picture.format) == ((480, 270), "PNG")
    run("still", project, "--at", "00:01", "-o", tmp_path / "still.jpg")
    assert "has to end in .png or .jpg" in run(
        "still", project, "--at", "00:01", "-o", tmp_path / "still.gif", expect=1
    ).stderr  # fmt: skip
    assert "outside the clip" in run(
        "still", project, "--at", "00:09", "-o", tmp_path / "still.png", expect=1
    ).stderr  # fmt: skip


def test_still_never_overwrites_a_still(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "stills")
    target = tmp_path / "stills" / "ISS057-E-9992.JPG"
    before = target.read_bytes()
    (tmp_path / "p.yaml").write_text("roll: {stills: stills}\nschedule: {speed: 8}\n")
    told = run("still", tmp_path / "p.yaml", "--at", "frame 3", "-o", target, expect=1).stderr
    assert "is a file of the roll" in told
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "name"),
    [("2018.11.16", "2018.11.16.mp4"), ("2018.11.16/*.JPG", "2018.11.16.mp4"), (".", "here.mp4"),
     ("take [1]", "take [1].mp4")],
)  # fmt: skip
def test_films_are_named_after_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    home = tmp_path / "here"
    shutil.copytree(SAMPLE, home if source == "." else home / source.partition("/")[0])
    monkeypatch.chdir(home)
    run("render", source, "--speed", "40", "--quiet")
    assert [path.name for path in home.glob("*.mp4")] == [name]


def test_a_part_of_the_flagship_can_be_rendered_and_retimed(tmp_path: Path) -> None:
    flagship = ROOT / "configs" / "progress_ms10.yaml"
    stills = ("--set", f"roll.stills={json.dumps(str(SAMPLE))}")
    part = data("plan", flagship, *stills, "--set", "schedule.to=T+150 s")
    whole = data("plan", flagship, *stills)
    assert whole["duration_s"] == 90
    assert 9.9 < part["duration_s"] < 10.2
    assert part["milestones"][0]["frame"] == whole["milestones"][0]["frame"]
    short = data("render", flagship, *stills, "--duration", "2 s", "-o", tmp_path / "x.mp4")
    assert short["frames"] == 50


def test_new_writes_a_project_that_works(tmp_path: Path) -> None:
    project = tmp_path / "project.yaml"
    run("new", SAMPLE, "-o", project)
    assert load(project).schedule.speed == 2
    assert data("plan", project)["frames"] > 500
    assert "is there already" in run("new", SAMPLE, "-o", project, expect=2).stderr
    run("new", SAMPLE, "-o", project, "--force")


def test_what_a_starter_has_of_a_grade_can_be_used(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(12))
    path = tmp_path / "p.yaml"
    run("new", tmp_path / "roll", "-o", path)
    head, grade = path.read_text("utf-8").split("# grade:")
    lines = f"# grade:{grade}".split("\n\n")[0].splitlines()
    path.write_text(head + "\n".join(line.removeprefix("# ").removeprefix("#") for line in lines))
    section = load(path).grade
    words = ("hot_pixels", "cosmic_rays", "deflicker", "stabilise", "denoise", "sidecars")
    assert [getattr(section, name) for name in words] == ["auto"] * 6
    assert section.tone.exposure == 0.3


@pytest.mark.parametrize("name", ["x.vtt", "x.sheet.png", "x.poster.jpg"])
def test_only_keograms_are_compared(
    name: str, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(12))
    path, out = tmp_path / "p.yaml", tmp_path / name
    path.write_text("roll: {stills: roll}\nschedule: {speed: 5}\ngrade: {deflicker: auto}\n")
    done = run("export", path, "-o", out, "--compare", expect=2)
    assert "--compare goes with a keogram" in done.stderr
    assert not out.exists()


@pytest.mark.parametrize("name", ["x.yaml", "x.cube"])
def test_a_look_is_exported_of_a_tone_alone(
    name: str, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(12))
    path, out = tmp_path / "p.yaml", tmp_path / name
    text = "roll: {stills: roll}\nschedule: {speed: 5}\n"
    path.write_text(text)
    done = run("export", path, "-o", out, expect=1)
    assert "the project has no tone; write, for instance, grade: {tone: {" in done.stderr
    assert not out.exists()
    path.write_text(text + "grade: {tone: {exposure: 1}}\n")
    assert "keys" not in run("export", path, "-o", out).stderr
    path.write_text(text + "grade: {tone: {exposure: 1, keys: [{at: T+1 s, exposure: 0}]}}\n")
    assert "a look has no keys" in run("export", path, "-o", out).stderr


def test_a_project_made_beside_its_roll_can_be_moved_with_it(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "a" / "stills")
    run("new", tmp_path / "a" / "stills", "-o", tmp_path / "a" / "project.yaml")
    text = (tmp_path / "a" / "project.yaml").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    (tmp_path / "a").rename(tmp_path / "b")
    data("plan", tmp_path / "b" / "project.yaml")


def test_sample_and_its_errors(tmp_path: Path) -> None:
    options = ("--size", "160x90", "--interval", "10 s", "--start", "T+0 s", "--end", "T+60 s")
    run("sample", "progress-ms10", tmp_path / "roll", *options)
    assert data("scan", tmp_path / "roll")["interval_s"] == 10
    (tmp_path / "roll" / "mine.jpg").write_bytes(b"")
    assert run("sample", "progress-ms10", tmp_path / "roll", *options, expect=4).stderr
    run("sample", "progress-ms10", tmp_path / "x", "--size", "161x90", expect=2)
    run("sample", "progress-ms10", tmp_path / "x", "--start", "00:07", expect=2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no text")
def test_names_that_are_no_text_are_reported(gray_roll: Callable[..., GrayRoll]) -> None:
    roll = gray_roll([Fraction(n) for n in range(3)], ending=".JPG")
    (roll.folder / os.fsdecode(b"caf\xe9.JPG")).write_bytes(b"")
    assert data("scan", roll.folder)["found"] == 4
    assert "unreadable" in run("scan", roll.folder).stdout
    run("render", roll.folder, "-o", roll.folder.parent / "x.mp4", "--speed", "2")


@pytest.mark.slow
def test_the_demo_in_full(tmp_path: Path) -> None:
    out, stills = tmp_path / "demo.mp4", tmp_path / "stills"
    done = data("demo", "-o", out, "--stills", stills)
    assert done["frames"] == 2250
    frames = [milestone["frame"] for milestone in done["milestones"]]
    assert (frames[0] // 25, frames[1] // 25, *frames[2:]) == (7, 19, 855, 869)
    assert "as rendered" in run("verify", out).stdout

    flagship = load(
        ROOT / "configs" / "progress_ms10.yaml",
        [("roll.stills", json.dumps(str(stills)), "test")],
    )
    job = flagship.job()
    replace(job, milestones=()).render(tmp_path / "plain.mp4")
    compositor = job.compositor()
    for milestone, before in zip(job.placed, (197, 474, 854, 868), strict=True):
        # The box of this label alone: what is there while it stands, and was not before.
        old = set(compositor.boxes(before))
        (box,) = set(compositor.boxes(milestone.frame)) - old
        left, top, width, height = box
        change = []
        for film in (out, tmp_path / "plain.mp4"):
            with av.open(str(film)) as container:
                pair = islice(container.decode(video=0), before, before + 2)
                change.append(
                    [
                        f.to_ndarray(format="gray")[top : top + height, left : left + width]
                        for f in pair
                    ]
                )
        noise, label = (np.abs(a.astype(int) - b).mean() for a, b in zip(*change, strict=True))
        assert label > 3 * noise + 2, milestone.text


def test_doctor() -> None:
    assert "H.264 encodes and decodes" in run("doctor").stdout
    assert all(finding["ok"] for finding in data("doctor") if finding["needed"])


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["scan", "nowhere"], 4, "no such folder"),
        (["render", "nowhere", "--speed", "3"], 4, "no such folder"),
        (["render", "nowhere"], 2, "needs --speed or --duration"),
        (["render", "nowhere", "--speed", "3", "--duration", "3 s"], 2, "exclude each other"),
        (["render", "nowhere", "--speed", "fast"], 2, "--speed: schedule.speed: 'fast' is not"),
        (["render", "nowhere", "--speed", "3", "--size", "9x9"], 2, "have to be even"),
        (["render", "nowhere", "--speed", "3", "--format", "h265"], 2, "'h265' is not known"),
        (["render", "nowhere", "--speed", "3", "--set", "output"], 2, "write KEY=VALUE"),
        (["plan", "nowhere.yaml"], 4, "cannot be read"),
        (["plan"], 2, "Missing argument"),
        (["verify", "nowhere.mp4"], 4, "no such film"),
        (["nothing"], 2, "No such command"),
    ],
)  # fmt: skip
def test_exit_codes_and_messages(
    arguments: list[str], code: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, expect=code)
    assert told in result.stderr
    assert result.stdout == ""


def test_an_invalid_project_shows_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("roll: {stills: x}\nschedule: {sped: 3}\n")
    told = run("plan", tmp_path / "p.yaml", expect=3).stderr
    assert "p.yaml:2:12: schedule.sped: unknown key; did you mean speed?" in told


def test_the_program_starts_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "timelapse.cli", "--version"], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.startswith("timelapse, version ")


def test_real_stills_at_twelve_times_life(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "pylapsy.mp4"
    done = data("render", shared / "pylapsy_deshake", "-o", out, "--speed", "12")
    assert (done["frames"], done["duration_s"], done["size"]) == (625, 25.0, "400x266")
    assert run("verify", out)
