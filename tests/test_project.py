"""The project file: every value as written, every mistake with its place and its remedy."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import GrayRoll
from hypothesis import given
from hypothesis import strategies as st

from timelapse.errors import PlanError, ProjectError, RollError, TimelapseError
from timelapse.project import load
from timelapse.render import measured
from timelapse.report import plan_json
from timelapse.yamlfile import read_yaml

ROOT = Path(__file__).resolve().parents[1]
GOOD = """\
roll: {stills: roll, clock: -13.0 s}
mission: {name: Test, epoch: 2018-11-16T18:14:08Z}
schedule: {speed: 5}
"""


def mistakes(text: str, tmp_path: Path) -> list[str]:
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        load(tmp_path / "p.yaml")
    return [line.replace(f"{tmp_path}/", "") for line in str(caught.value).splitlines()]


def test_values_arrive_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "roll: {stills: roll, clock: {NIKON D5: -13.0 s, 'DSC_*': 0.1}}\n"
        "mission: {name: 1.10, epoch: 2018-11-16T18:14:08Z}\n"
        "schedule: {from: T-3.5 s, to: 00:01:30:00, speed: 15.3}\n"
        "output: {rate: 29.97, size: 640x360, crf: 20}\n"
        "retime: {blend: box, shutter: 90, gaps: blend}\n"
        "milestones: [{at: 00:34:05, label: 007}, {at: T+1 s, label: yes}]\n"
        "overlays: [{kind: clock, show: [met, speed]}, {kind: credit, text: 'a: \"b\" % c'}]\n"
    )
    project = load(tmp_path / "p.yaml")
    assert project.roll.clock == {"NIKON D5": -13, "DSC_*": Fraction(1, 10)}
    assert project.mission.name == "1.10"
    assert project.schedule.speed == Fraction(153, 10)
    assert project.output.rate == Fraction(30000, 1001)
    assert (project.output.size, project.output.crf) == ((640, 360), 20)
    assert (project.retime.blend, project.retime.shutter, project.retime.gaps) == (
        "box", 90, "blend",
    )  # fmt: skip
    assert [m.label for m in project.milestones] == ["007", "yes"]
    assert project.milestones[0].at.text == "00:34:05"
    assert project.overlays[1].text == 'a: "b" % c'


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("milestones:\n  - {at: T+1 s, labl: x}\n",
         ["p.yaml:5:5: milestones[0]: needs label",
          "p.yaml:5:17: milestones[0].labl: unknown key; did you mean label?"]),
        ("retime: {blend: liner}\n",
         ["p.yaml:4:17: retime.blend: 'liner' is not known; one of nearest, linear, flow, box, "
          "gaussian, cubic, lighten, darken, median; did you mean linear?"]),
        ("overlays:\n  - {kind: clok}\n",
         ["p.yaml:5:12: overlays[0].kind: 'clok' is not known; one of clock, credit, span, "
          "lower-third, title, end, credits, progress, speed-map, logo, gap, callout; "
          "did you mean clock?"]),
        ("overlays:\n  - {show: [met]}\n",
         ["p.yaml:5:5: overlays[0]: needs kind: one of clock, credit, span, "
          "lower-third, title, end, credits, progress, speed-map, logo, gap, callout"]),
        ("output:\n  size: 1921x1080\n",
         ["p.yaml:5:9: output.size: 1921x1080: both sides of a film have to be even; "
          "write 1922x1080"]),
        ("output: {rate: 0}\n",
         ["p.yaml:4:16: output.rate: a rate of 0: it lies between 1/1000 and 1000"]),
        ("output: {crf: 70}\n",
         ["p.yaml:4:9: output: crf 70: x264 takes 0 (lossless) to 51 (worst)"]),
        ("milestones: T+1 s\n", ["p.yaml:4:13: milestones: a list is wanted here"]),
        ("outptu: {}\n", ["p.yaml:4:1: outptu: unknown key; did you mean output?"]),
        ("milestones: [{at: noon, label: x}]\n", ["p.yaml:4:19: milestones[0].at: 'noon' is not"]),
        ("output: {rate: 25\n", ["p.yaml:5:1: not valid YAML: "]),
        ("roll: {stills: x}\n",
         ["p.yaml:4:1: roll: stands here a second time (first at p.yaml:1:1)"]),
    ],
)  # fmt: skip
def test_mistakes_have_a_place_and_a_remedy(tmp_path: Path, extra: str, told: list[str]) -> None:
    found = mistakes(GOOD + extra, tmp_path)
    assert len(found) == len(told)
    for line, start in zip(found, told, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("{}", "give one of speed, duration, speeds, curve and anchors (none is given)"),
        ("{speed: 2, duration: 9 s}", "(speed and duration are given)"),
        ("{speed: 0}", "a speed of 0x: it has to be above zero"),
        ("{speeds: [{at: T+1 s}]}", "needs speed"),
        ("{speed: 2, frm: T+1 s}", "unknown key; did you mean from?"),
    ],
)
def test_schedules_that_say_too_little_or_too_much(
    tmp_path: Path, schedule: str, told: str
) -> None:
    (line,) = mistakes(f"roll: {{stills: x}}\nschedule: {schedule}\n", tmp_path)
    assert told in line


@pytest.mark.parametrize(
    "text", ["", "[]", "just words", "- a\n- b\n", "\x00", "a: &a [*a]", "? [a]: b"]
)
def test_what_is_no_project(tmp_path: Path, text: str) -> None:
    assert mistakes(text, tmp_path)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (line,) = mistakes("\n".join(lines), tmp_path)
    assert "more than 100000 values" in line


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text, "p.yaml")
    except ProjectError:
        return


def test_a_missing_project_says_so(tmp_path: Path) -> None:
    with pytest.raises(RollError, match=r"none\.yaml: the project cannot be read"):
        load(tmp_path / "none.yaml")


def test_settings_come_last_and_keep_their_name(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    project = load(
        tmp_path / "p.yaml",
        [
            ("schedule.speed", None, ""),
            ("schedule.duration", "9 s", "--duration"),
            ("milestones[0]", "{at: T+1 s, label: one}", "--set milestones[0]"),
        ],
    )
    assert project.schedule.duration == 9
    assert project.milestones[0].label == "one"
    with pytest.raises(
        ProjectError, match=r"^--set output\.crf: output\.crf: a whole number is wanted, not 'good'"
    ):
        load(tmp_path / "p.yaml", [("output.crf", "good", "--set output.crf")])
    for nowhere in ("milestones[7].label", "roll.stills.name", "milestones[x]"):
        with pytest.raises(ProjectError, match=r"--set"):
            load(tmp_path / "p.yaml", [(nowhere, "1", f"--set {nowhere}")])


# ------------------------------------------------------------------ from project to plan


def test_a_plan_says_where_everything_falls(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    gray_roll([13 + Fraction(n, 2) for n in range(60)], ending=".JPG")
    (tmp_path / "p.yaml").write_text(
        GOOD.replace("speed: 5", "from: T+0 s, to: T+30 s, speed: 5")
        + "milestones:\n"
        + "  - {at: T+10.1 s, label: on mission time}\n"
        + "  - {at: 2018-11-16T18:14:18.1Z, label: on capture time}\n"
        + "  - {at: 00:02, label: on video time, hold: 1 s}\n"
        + "  - {at: 00:02:03, label: in frames}\n"
        + "  - {at: still ISS057-E-9994, label: at a still}\n"
        + "  - {at: T+31 s, label: too late}\n"
    )
    project = load(tmp_path / "p.yaml")
    job = project.job()
    plan = plan_json(job)
    assert (plan["rate"], plan["frames"], plan["duration_s"]) == ("25", 150, 6.0)
    assert plan["speed"] == {"min": 5.0, "max": 5.0, "mean": 5.0}
    found = {m["text"].lstrip("0123456789: "): m for m in plan["milestones"]}
    assert {label: milestone["frame"] for label, milestone in found.items()} == {
        "at a still": 10,
        "on mission time": 50,
        "on capture time": 50,
        "on video time": 50,
        "in frames": 53,
        "too late": 155,
    }
    assert found["in frames"]["read_as"] == "mm:ss:ff"
    assert found["on capture time"]["capture"] == "2018-11-16T18:14:18.100Z"
    assert (found["on video time"]["shown_from"], found["on video time"]["shown_to"]) == (50, 75)
    assert plan["stills_used"] == 60
    assert any("too late" in warning for warning in plan["warnings"])


@pytest.mark.parametrize(
    ("schedule", "frames", "end"),
    [
        ("{duration: 4 s}", 100, 30),
        ("{speed: 5, to: T+10 s}", 50, 10),
        ("{speed: 5, to: 3 s}", 75, 15),
        ("{from: T+5 s, to: still ISS057-E-10010, duration: 2 s}", 50, 10),
        ("{speeds: [{at: 0 s, speed: 5}, {at: 1 s, speed: 5}, {at: 3 s, speed: 10}], to: 3 s}",
         75, 20),
    ],
)  # fmt: skip
def test_every_way_to_say_a_schedule(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path, schedule: str, frames: int, end: int
) -> None:
    gray_roll([Fraction(n, 2) for n in range(60)], ending=".JPG")
    (tmp_path / "p.yaml").write_text(f"roll: {{stills: roll}}\nschedule: {schedule}\n")
    project = load(tmp_path / "p.yaml")
    timeline = project.job().plan.timeline
    assert timeline.frames == frames
    assert timeline.schedule.end.seconds == end


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("{from: 00:03, speed: 5}", r"p\.yaml:2:18: schedule\.from: 00:03 is video time"),
        ("{from: T+9 s, to: T+3 s, speed: 5}", r"p\.yaml:2:11: schedule: .*nothing lies between"),
        ("{to: 00:03, duration: 5 s}", "leave one out"),
        ("{speeds: [{at: T+3 s, speed: 5}, {at: T+1 s, speed: 6}]}", "comes before the entry"),
        ("{from: still nobody, speed: 5}", r"p\.yaml:2:18: .*no still has the name 'nobody'"),
        ("{from: T+900 s, to: T+1000 s, speed: 5}", "lies outside the roll"),
    ],
)
def test_schedules_that_do_not_meet_the_roll(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path, schedule: str, told: str
) -> None:
    gray_roll([Fraction(n, 2) for n in range(10)], ending=".JPG")
    (tmp_path / "p.yaml").write_text(f"roll: {{stills: roll}}\nschedule: {schedule}\n")
    project = load(tmp_path / "p.yaml")
    with pytest.raises(TimelapseError, match=told):
        _ = project.job().warnings


@pytest.mark.parametrize(
    ("milestones", "told"),
    [
        ("[{at: 00:00:02, label: x}]", r"p\.yaml:3:19: milestones\[0\]\.at: .*in two ways"),
        ("[{at: T+1 s, label: x}, {at: 00:59, label: y}]", r"3:42: milestones\[1\]\.at: .*outside"),
        ("[{at: T+1 s, label: 🚀}]", r"3:14: milestones\[0\]: .*ROCKET"),
        ("[{at: T+1 s, label: x, style: {font: none.ttf}}]", r"3:14: milestones\[0\]: .*none\.ttf"),
    ],
)
def test_labels_that_do_not_meet_the_clip_are_shown_in_their_place(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path, milestones: str, told: str
) -> None:
    gray_roll([Fraction(n, 2) for n in range(30)], ending=".JPG")
    (tmp_path / "p.yaml").write_text(
        f"roll: {{stills: roll}}\nschedule: {{speed: 5}}\nmilestones: {milestones}\n"
    )
    with pytest.raises(ProjectError, match=told):
        load(tmp_path / "p.yaml").job()


def test_a_relative_glob_beside_a_project_in_an_odd_folder(tmp_path: Path) -> None:
    folder = tmp_path / "take [1]"
    shutil.copytree(ROOT / "samples" / "booster_separation", folder / "fr")
    (folder / "p.yaml").write_text('roll: {stills: "fr/*.JPG"}\nschedule: {speed: 5}\n')
    assert len(load(folder / "p.yaml").scan().stills) == 38


def test_the_reference_and_the_schema_are_of_this_program() -> None:
    spec = importlib.util.spec_from_file_location("made", ROOT / "docs" / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for name, text in (
        ("project.schema.json", made.schema_text()),
        ("reference.md", made.reference_text()),
    ):
        published = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert published == text, "run: python docs/make_reference.py"


def test_every_project_in_configs_is_valid() -> None:
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        assert load(path).schedule, path


def test_plan_errors_are_value_errors() -> None:
    assert issubclass(PlanError, ValueError)


def test_a_speed_or_duration_from_outside_takes_the_place_of_anchors(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p.yaml"
    anchors = "[{at: T+30 s, video: 3 s}]"
    path.write_text(
        f"roll: {{stills: .}}\nschedule: {{limits: [5, 20], anchors: {anchors}, duration: 9 s}}\n"
    )
    assert load(path).schedule.anchors is not None
    faster = load(path, [("schedule.speed", "12", "--speed")]).schedule
    assert (faster.speed, faster.anchors, faster.limits, faster.duration) == (12, None, None, None)
    longer = load(path, [("schedule.duration", "10 s", "--duration")]).schedule
    assert (longer.duration, longer.anchors, longer.limits) == (10, None, None)
    other = load(path, [("schedule.anchors", "[{at: T+9 s, video: 1 s}]", "--set")]).schedule
    assert (other.duration, other.limits) == (9, (5, 20))
    with pytest.raises(ProjectError, match="anchors and limits go together"):
        load(path, [("schedule.limits", None, "--set schedule.limits")])


# ------------------------------------------------------------------ grade


def told_of(grade: str, tmp_path: Path) -> list[str]:
    return mistakes(f"{GOOD}grade: {grade}\n", tmp_path)


@pytest.mark.parametrize(
    ("grade", "told"),
    [
        ("{tone: {black: 3 %}}", "tone.black: a number is wanted, not '3 %'; write 0.03"),
        (
            "{deflicker: on}",
            "deflicker: 'on' is none of auto, off and a length of time; write auto, or 15 s",
        ),
        (
            "{stabilise: {ignore: [0, 0, 1, 1]}}",
            "stabilise.ignore: a list of lists is wanted; write [[0, 0, 1, 1]]",
        ),
        (
            "{hot_pixels: {known: [3, 4]}}",
            "hot_pixels.known: a list of lists is wanted; write [[3, 4]]",
        ),
        (
            "{denoise: [1]}",
            "denoise: keys are wanted below it; there are way, reach, strength, keys",
        ),
    ],
)
def test_what_is_written_in_another_way_is_told_how(grade: str, told: str, tmp_path: Path) -> None:
    (line,) = told_of(grade, tmp_path)
    assert line.endswith(f": grade.{told}")


def test_a_word_where_keys_are_wanted_is_told_with_an_example(tmp_path: Path) -> None:
    (line,) = told_of("{tone: auto}", tmp_path)
    assert line.startswith(
        "p.yaml:4:15: grade.tone: keys are wanted below it, not 'auto'; write, for instance, "
        "tone: {exposure: 0.3, temperature: 10}; there are exposure, temperature, "
    )
    (line,) = told_of("auto", tmp_path)
    assert "write, for instance, grade: {hot_pixels: auto, deflicker: 15 s}; there are " in line
    (tmp_path / "p.yaml").write_text(
        f"{GOOD}grade: {{hot_pixels: auto, deflicker: 15 s, "
        "tone: {exposure: 0.3, temperature: 10}}\n"
    )
    load(tmp_path / "p.yaml")


def test_a_list_in_a_list_where_one_is_wanted(tmp_path: Path) -> None:
    first, second = told_of("{deflicker: {area: [[0, 0, 1, 60 %]]}}", tmp_path)
    assert first.endswith("grade.deflicker.area: too few values; write [0, 0, 1, 60 %]")
    assert "one value is wanted here" in second


@pytest.mark.parametrize(
    ("grade", "says"),
    [
        ("{hot_pixels: {map: none.npz}}", r"hot_pixels\.map: .*none\.npz: cannot be read: No such"),
        ("{hot_pixels: {map: text.npz}}", r"hot_pixels\.map: .*text\.npz: no map of defects, or a"),
        (
            "{hot_pixels: {known: [[3, 63], [48, 5]]}}",
            r"hot_pixels\.known\[1\]: \[48, 5\] is outside of the sensor; write \[row, column\], "
            "rows from 0 to 47 and columns from 0 to 63",
        ),
        ("{stabilise: {mask: none.png}}", r"stabilise\.mask: .*none\.png: cannot be read: No such"),
        ("{stabilise: {mask: text.npz}}", r"stabilise\.mask: .*text\.npz: is no picture"),
        ("{tone: {lut: none.cube}}", r"tone\.lut: .*none\.cube: the look-up table cannot"),
        ("{tone: {look: none.yaml}}", r"tone\.look: .*none\.yaml: the look cannot"),
        ("{tone: {look: look.yaml}}", r"tone\.look: .*gone\.cube: the look-up table cannot"),
        (
            "{tone: {keys: [{at: T+2 s, exposure: 1}, {at: T+1 s, exposure: 0}]}}",
            r"tone\.keys\[1\]\.at: the key at 0\.20 s of the clip comes after that at 0\.40 s",
        ),
    ],
)
def test_what_a_grade_needs_is_looked_for_by_the_plan(
    grade: str, says: str, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(4))
    (tmp_path / "text.npz").write_text("no map")
    (tmp_path / "look.yaml").write_text("lut: gone.cube\n")
    path = tmp_path / "p.yaml"
    path.write_text(f"roll: {{stills: roll}}\nschedule: {{speed: 5}}\ngrade: {grade}\n")
    with pytest.raises(ProjectError, match=rf"p\.yaml:3:\d+: grade\.{says}") as caught:
        load(path).job()
    assert "pickle" not in str(caught.value)


def test_a_known_pixel_of_one_of_two_sensors_is_mended_there(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(3))
    gray_roll(range(3, 6), size=(32, 24), folder="more")
    for still in (tmp_path / "more").iterdir():
        still.rename(tmp_path / "roll" / f"b{still.name}")
    path = tmp_path / "p.yaml"
    path.write_text(
        "roll: {stills: roll}\nschedule: {speed: 5}\n"
        "grade: {hot_pixels: {search: false, known: [[40, 5], [3, 3]]}}\n"
    )
    defects = measured(load(path).job()).found.defects
    assert defects is not None
    counted = {size: len(found) for (_, size), found in defects.maps.items()}
    assert counted == {(64, 48): 2, (32, 24): 1}


@pytest.mark.parametrize(
    ("grade", "told"),
    [
        ("{hot_pixels: {search: false}}", "grade.hot_pixels: without search, map: or known: none"),
        ("{hot_pixels: {search: false, known: [[1, 1]]}}", ""),
        (
            "{tone: {keys: [{at: T+1 s, exposure: 1}, {at: T+90 s, exposure: 0}]}}",
            "grade.tone.keys[1]: T+90 s lies after the end of the clip",
        ),
        ("{tone: {keys: [{at: T-9 s, exposure: 1}, {at: T+1 s, exposure: 0}]}}", ""),
        (
            "{tone: {keys: [{at: T-9 s, exposure: 1}, {at: T-1 s, exposure: 0}]}}",
            "grade.tone.keys: all lie before the start of the clip; only the last counts",
        ),
        (
            "{denoise: {keys: [{at: T+90 s, strength: 1}]}}",
            "grade.denoise.keys[0]: T+90 s lies after the end of the clip",
        ),
        (
            "{deflicker: {area: [{at: T-2 s, box: [0, 0, 1, 1]}]}}",
            "grade.deflicker.area: all lie before the start of the clip; only the last counts",
        ),
        ("{sidecars: auto}", "grade.sidecars: no still has an XMP file that asks for anything"),
    ],
)
def test_what_does_nothing_is_told(
    grade: str, told: str, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    gray_roll(range(12))
    path = tmp_path / "p.yaml"
    path.write_text(f"roll: {{stills: roll}}\nschedule: {{speed: 5}}\ngrade: {grade}\n")
    found = [line for line in load(path).job().warnings if line.startswith("grade.")]
    assert [line[: len(told)] for line in found] == [told] * bool(told)
