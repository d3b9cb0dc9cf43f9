"""Several films of one pass: outputs, languages, overlays alone or left out, a limit of size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import exp
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import EPOCH, GrayRoll, damage, write_still
from hypothesis import given
from hypothesis import strategies as st
from test_film import job_of

from timelapse.audit import verify
from timelapse.cli import main
from timelapse.deliver import H264, Hevc, Png, ProRes, probe
from timelapse.errors import EncodeError, ProjectError, RenderError
from timelapse.grade import Framing, Size, deep_from_mix, from_mix, to_mix
from timelapse.project import Project, load
from timelapse.render import Job, frames, render_all
from timelapse.render.budget import Share, lane_memory
from timelapse.render.lane import Lane
from timelapse.render.limit import Search
from timelapse.render.parts import parts_folder
from timelapse.render.segment import Bundle, cut, segments
from timelapse.render.stillcache import StillCache
from timelapse.report import report_path

MakeRoll = Callable[..., GrayRoll]
SPEED, FAST = ("schedule.speed", "5"), ("output.preset", "ultrafast")
LABEL = ("milestones", "[{at: T+20 s, label: half-way, hold: 1 s}]")
WORDS = "{en: half-way, de: Halbzeit, ru: середина}"
TOLD = ("milestones", f"[{{at: T+20 s, label: {WORDS}, hold: 1 s}}]")


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 stills of a texture that drifts, two a second: at 5x, 250 frames in four segments."""
    folder = tmp_path_factory.mktemp("stills")
    y, x = np.mgrid[:144, :256]
    waves = np.random.default_rng(7).uniform(-0.5, 0.5, (12, 2))
    for number in range(100):
        light = sum(np.sin(a * (x + 2 * number) + b * y) for a, b in waves)
        pixels = np.clip(110 + 14 * light, 0, 255).astype(np.uint8)[:, :, None].repeat(3, axis=2)
        write_still(folder / f"{number:03}.jpg", pixels, EPOCH + Fraction(number, 2), quality=80)
    return folder


def project_of(folder: Path, *settings: tuple[str, str]) -> Project:
    return load(
        None,
        [("roll.stills", f'"{folder}"', "test"), ("roll.utc_offset", "Z", "test")]
        + [(key, value, "test") for key, value in settings],
    )


def shaped(job: Job, size: str, fit: Any = "pad") -> Job:
    return replace(job, framing=Framing(Size.read(size), fit))


def counts(report: dict[str, Any]) -> tuple[int, int]:
    return report["segments"]["rendered"], report["segments"]["reused"]


def pixels(report: dict[str, Any]) -> list[str]:
    return [part["pixels"] for part in report["parts"]]


def payloads(report: dict[str, Any]) -> list[str]:
    return [part["payload"] for part in report["parts"]]


# ------------------------------------------------------------------ one pass


def test_every_still_is_decoded_once_a_segment_for_all_outputs(
    stills: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job = job_of(stills, ("schedule.speed", "10"), FAST, LABEL)
    films = [
        (shaped(job, size, fit), tmp_path / f"{number}.mp4")
        for number, (size, fit) in enumerate(
            [("256x144", "pad"), ("100x176", "crop"), ("120x120", "crop")]
        )
    ]
    spans = segments(job)
    shown = Counter(still.name for segment in spans for still in segment.stills)
    reports = render_all(films, cache=0)
    assert Counter(decoded) == shown
    assert [counts(report) for report in reports] == [(2, 0)] * 3
    for (one, out), report in zip(films, reports, strict=True):
        assert verify(out, stills=True) == []
        assert report["size"] == str(one.framing.size)
        # The stills are decoded at one scale whether alone or together: the frames are equal.
        lone = one.render(tmp_path / f"lone-{out.name}", cache=0)
        assert pixels(lone) == pixels(report)
        assert payloads(lone) == payloads(report)


def test_a_larger_output_changes_how_stills_are_decoded_and_hardly_what_is_seen(
    tmp_path: Path,
) -> None:
    """A JPEG for 80x44 alone is decoded at a quarter; beside 320x180, whole."""
    folder = tmp_path / "roll"
    folder.mkdir()
    y, x = np.mgrid[:180, :320]
    for number in range(4):
        light = 120 + 60 * np.sin(x / 37 + number) * np.cos(y / 23)
        smooth = np.repeat(light.astype(np.uint8)[:, :, None], 3, axis=2)
        write_still(folder / f"{number}.jpg", smooth, EPOCH + number)
    job = job_of(folder, ("schedule.speed", "2"), FAST)
    small, large = shaped(job, "80x44", "crop"), shaped(job, "320x180")
    alone = cut(small, 0, small.plan.frames)
    beside = replace(alone, beside=(large.framing,))
    assert alone.key != beside.key
    assert replace(alone, beside=(Framing(Size(44, 44), "crop"),)).key == alone.key
    with Lane(alone, StillCache(0)) as one, Lane(beside, StillCache(0)) as other:
        pairs = zip(one.frames(alone), other.frames(beside), strict=True)
        worst = max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs)
    assert worst <= 2


def test_what_is_finished_of_a_bundle_is_not_made_again(
    stills: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job = job_of(stills, SPEED, FAST, LABEL)
    both = [(job, tmp_path / "a.mp4"), (shaped(job, "128x72", "crop"), tmp_path / "b.mp4")]
    first = render_all(both)
    decoded.clear()
    again = render_all(both)
    assert [counts(report) for report in again] == [(0, 4), (0, 4)]
    # One part of one film is lost: it alone is rendered.
    (parts_folder(tmp_path / "b.mp4") / f"{first[1]['parts'][2]['key']}.mp4").unlink()
    (tmp_path / "b.mp4").unlink()
    again = render_all(both)
    assert [counts(report) for report in again] == [(0, 4), (1, 3)]
    assert [pixels(report) for report in again] == [pixels(report) for report in first]
    assert set(decoded) <= {still.name for still in segments(job)[2].stills}


@pytest.mark.slow
def test_bundles_go_on_after_a_kill(stills: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.yaml"
    project.write_text(
        f"roll: {{stills: {stills}, utc_offset: Z}}\nschedule: {{speed: 1}}\n"
        "output: {preset: ultrafast}\n"
        "outputs: [{name: wide}, {name: tall, size: 100x176, fit: crop}]\n"
    )
    command = [sys.executable, "-m", "timelapse.cli", "render", str(project), "--workers", "1"]
    command += ["-o", str(tmp_path / "film.mp4")]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    folder, until = parts_folder(tmp_path / "film-tall.mp4"), time.monotonic() + 60
    while len(list(folder.glob("*.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not list(tmp_path.glob("film-*.mp4"))
    finished = [
        len(list(parts_folder(tmp_path / f"film-{name}.mp4").glob("*.json")))
        for name in ("wide", "tall")
    ]
    assert min(finished) >= 1
    done = CliRunner().invoke(main, [*command[3:], "--json"])
    assert done.exit_code == 0, done.output
    films = json.loads(done.stdout)["films"]
    assert [film["segments"]["reused"] for film in films] == finished
    for film in films:
        assert verify(film["output"]) == []
        assert not list(parts_folder(Path(film["output"])).glob("*.draft"))
    unbroken = CliRunner().invoke(
        main, [*command[3:-1], str(tmp_path / "whole.mp4"), "--output", "tall", "--json"]
    )
    assert unbroken.exit_code == 0, unbroken.output
    told = [json.loads(Path(p).read_text()) for p in tmp_path.glob("*.report.json")]
    tall = [report for report in told if report["size"] == "100x176"]
    assert len(tall) == 2
    assert pixels(tall[0]) == pixels(tall[1])


def test_a_still_that_proves_unreadable_is_bridged_in_all_films(
    gray_roll: MakeRoll, tmp_path: Path
) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(40)], ending=".jpg", size=(64, 64))
    damage(roll.folder / "ISS057-E-9999.jpg", EPOCH + roll.times[9])
    job = job_of(roll.folder, SPEED, FAST)
    films = [(job, tmp_path / "a.mp4"), (shaped(job, "32x32"), tmp_path / "b.mp4")]
    for report in render_all(films):
        assert report["roll"]["ledger"][9]["status"] == "unreadable"
        assert report["plan"]["stills_used"] == 39
    # What one film has learned, another is told.
    films = [(shaped(job, "48x48"), tmp_path / "c.mp4"), films[1]]
    assert [counts(report) for report in render_all(films)] == [(2, 0), (0, 2)]
    assert (parts_folder(tmp_path / "b.mp4") / "lost.json").exists()


def test_films_of_other_plans_are_rendered_beside_each_other(stills: Path, tmp_path: Path) -> None:
    one, two = job_of(stills, SPEED, FAST), job_of(stills, ("schedule.speed", "25"), FAST)
    reports = render_all([(one, tmp_path / "1.mp4"), (two, tmp_path / "2.mp4")])
    assert [report["frames"] for report in reports] == [250, 50]
    assert all(verify(report["output"]) == [] for report in reports)


def test_two_films_of_one_name_are_refused(stills: Path, tmp_path: Path) -> None:
    job = job_of(stills, SPEED, FAST)
    with pytest.raises(RenderError, match="two films would have this name"):
        render_all([(job, tmp_path / "x.mp4"), (job, tmp_path / "." / "x.mp4")])
    assert not parts_folder(tmp_path / "x.mp4").exists()


def test_a_film_that_fails_leaves_what_the_others_have(
    stills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timelapse.render import making

    job = job_of(stills, SPEED, FAST)
    films = [(job, tmp_path / "a.mp4"), (shaped(job, "128x72", "crop"), tmp_path / "b.mp4")]
    real = making.join

    def failing(parts: Any, out: Path, *rest: Any) -> None:
        if ".b.mp4" in str(out):
            raise EncodeError(f"{out}: no")
        real(parts, out, *rest)

    monkeypatch.setattr(making, "join", failing)
    told = r"b\.mp4: no; .*4 of 4 segments are kept.*finished: .*a\.mp4"
    with pytest.raises(EncodeError, match=told):
        render_all(films)
    assert verify(tmp_path / "a.mp4") == []
    assert not (tmp_path / "b.mp4").exists()
    monkeypatch.undo()
    assert [counts(report) for report in render_all(films)] == [(0, 4), (0, 4)]


def test_memory_counts_the_whole_bundle(stills: Path) -> None:
    job = job_of(stills, SPEED, ("output.size", "1920x1080"))
    tall = shaped(job, "1080x1920", "crop")
    pairs = [cut(job, 0, 50), cut(tall, 0, 50)]
    share = Share(1, 1, 1)
    lone = [lane_memory(Bundle((segment,)), share) for segment in pairs]
    together = lane_memory(Bundle(tuple(pairs)), share)
    assert max(lone) < together <= sum(lone)
    twice = lane_memory(Bundle((pairs[0], cut(job, 0, 50))), share)
    assert twice - lone[0] == job.format.memory(job.framing.size, 1)


# ------------------------------------------------------------------ languages


def test_languages_share_what_shows_no_label(stills: Path, tmp_path: Path) -> None:
    job = job_of(stills, SPEED, FAST, TOLD)
    films = [(job.in_language(code), tmp_path / f"film.{code}.mp4") for code in ("en", "de", "ru")]
    reports = render_all(films)
    # The label is shown on frames 100 to 124: in the second of four segments.
    assert [counts(report) for report in reports] == [(4, 0), (1, 3), (1, 3)]
    english, german, russian = map(payloads, reports)
    for other in (german, russian):
        assert [a == b for a, b in zip(english, other, strict=True)] == [True, False, True, True]
    assert german[1] != russian[1]
    assert all(verify(report["output"]) == [] for report in reports)
    # Each film has its parts for itself: one may go.
    for path in parts_folder(tmp_path / "film.en.mp4").iterdir():
        path.unlink()
    assert counts(films[1][0].render(tmp_path / "film.de.mp4")) == (0, 4)
    assert [report["film"]["chapters"][1][0] for report in reports] == [
        "00:04 half-way", "00:04 Halbzeit", "00:04 середина",
    ]  # fmt: skip


def test_languages_from_the_command_line(stills: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.yaml"
    project.write_text(
        f"roll: {{stills: {stills}, utc_offset: Z}}\nschedule: {{speed: 25}}\n"
        f"output: {{preset: ultrafast}}\n{TOLD[0]}: {TOLD[1]}\n"
    )
    base = ["render", str(project), "-o", str(tmp_path / "film.mp4"), "--json", "-q"]
    one = json.loads(CliRunner().invoke(main, [*base, "--lang", "de"]).stdout)
    assert Path(one["output"]).name == "film.mp4"
    several = json.loads(CliRunner().invoke(main, [*base, "--lang", "de,ru"]).stdout)
    assert [Path(f["output"]).name for f in several["films"]] == ["film.de.mp4", "film.ru.mp4"]
    every = json.loads(CliRunner().invoke(main, [*base, "--lang", "all"]).stdout)
    assert len(every["films"]) == 3
    wrong = CliRunner().invoke(main, [*base, "--lang", "fr"])
    assert wrong.exit_code == 2
    assert "no text is given in 'fr'; in en, de, ru" in wrong.stderr


# ------------------------------------------------------------------ overlays left out, and alone


def test_a_film_without_burnt_overlays_is_the_film_without_overlays(
    stills: Path, tmp_path: Path
) -> None:
    bare = job_of(stills, SPEED, FAST).render(tmp_path / "bare.mp4")
    job = job_of(stills, SPEED, FAST, LABEL, ("output.burn", "false"), ("output.captions", "true"))
    clean = job.render(tmp_path / "clean.mp4")
    assert payloads(clean) == payloads(bare)
    assert [part["key"] for part in clean["parts"]] == [part["key"] for part in bare["parts"]]
    assert clean["film"]["tracks"] == ["subtitle"]
    assert clean["film"]["chapters"][1][0] == "00:04 half-way"


def rgba(path: Path) -> np.ndarray:
    with av.open(str(path)) as film:
        return np.stack([frame.to_ndarray(format="rgba") for frame in film.decode(video=0)])


def test_overlays_alone_over_the_clean_film_are_the_burnt_film(
    stills: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job = job_of(stills, SPEED, LABEL, ("overlays", "[{kind: credit, text: ESA/NASA}]"))
    alone = replace(job, format=Png(burn="alone", alpha=True))
    report = alone.render(tmp_path / "labels.frames")
    assert decoded == []
    assert report["stills"] == []
    assert report["frames"] == 250
    assert verify(tmp_path / "labels.frames") == []
    clean = list(map(np.copy, frames(replace(job, format=H264(burn=False)), 90, 130)))
    burnt = list(map(np.copy, frames(job, 90, 130)))
    pictures = sorted((tmp_path / "labels.frames").glob("*.png"))[90:130]
    labelled = 0
    for below, meant, path in zip(clean, burnt, pictures, strict=True):
        over = rgba(path)[0].astype(np.float64)
        alpha = over[:, :, 3:] / 255
        labelled += int((alpha > 0.5).sum())
        made = below * (1 - alpha) + over[:, :, :3] * alpha
        assert np.abs(made - meant).max() <= 2
    assert labelled > 1000


def test_overlays_alone_are_clear_where_nothing_is_written(stills: Path, tmp_path: Path) -> None:
    project = tmp_path / "p.yaml"
    project.write_text(
        f"roll: {{stills: {stills}, utc_offset: Z}}\nschedule: {{speed: 5}}\n"
        f"{LABEL[0]}: {LABEL[1]}\noutputs: [web]\n"
    )
    for name in ("labels.mov", "labels.webm"):
        command = ["render", str(project), "--overlay-only", "-o", str(tmp_path / name), "--json"]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        # Three of the four segments show nothing: two of them are as long as each other.
        assert json.loads(done.stdout)["segments"]["rendered"] < 4
        assert verify(tmp_path / name) == []
    shown = rgba(tmp_path / "labels.mov")
    assert shown.shape == (250, 144, 256, 4)
    opaque = (shown[..., 3] > 100).reshape(250, -1).sum(axis=1)
    assert (opaque[103:122] > 50).all()  # it fades in and out
    assert not shown[[0, 99, 125, 249], ..., 3].any()
    none = CliRunner().invoke(
        main, [*command[:3], "-o", str(tmp_path / "x.mp4"), "--format", "h264"]
    )
    assert none.exit_code == 2
    assert "h264 has no alpha channel for overlays alone; formats that have one are" in none.stderr


# ------------------------------------------------------------------ more than 8 bits


def test_deep_frames_keep_what_8_bits_lose() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for light in ("linear", "display"):
        mixed = to_mix(every, light)
        deep = deep_from_mix(mixed, light)
        np.testing.assert_array_equal(deep, every.astype(np.uint16) * 257)
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        fine, coarse = deep_from_mix(ramp, light), from_mix(ramp, light)
        assert (np.diff(fine.astype(np.int32).ravel()) >= 0).all()
        assert np.abs(fine / 257 - coarse).max() <= 0.51


def test_a_film_of_ten_bits_is_fed_more_than_eight(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n) for n in range(2)], [100, 110], size=(64, 48))
    job = job_of(roll.folder, ("schedule.speed", "1/1"), ("retime.blend", "linear"))
    both = [(replace(job, format=ProRes()), tmp_path / "deep.mov"), (job, tmp_path / "film.mp4")]
    render_all(both)
    with av.open(str(tmp_path / "deep.mov")) as film:
        planes = [frame.to_ndarray(format="yuv422p10le") for frame in film.decode(video=0)]
    # In the first second the light rises by ten steps of 8 bits.
    assert len({plane[:48].mean() for plane in planes[:25]}) > 20
    with Lane(cut(both[0][0], 0, 2), StillCache(0)) as lane:
        assert next(lane.frames(cut(both[0][0], 0, 2))).dtype == np.uint16
    assert next(frames(both[0][0])).dtype == np.uint8


# ------------------------------------------------------------------ outputs in the project file


def test_presets_and_what_is_put_over_them(stills: Path) -> None:
    project = project_of(
        stills,
        SPEED,
        ("output", "{rate: 50, crf: 30, captions: true}"),
        (
            "outputs",
            "[web, {deliver: vertical, crf: 12}, {name: small, format: hevc, limit: 1 MB}]",
        ),
    )
    jobs = dict(project.jobs())
    assert list(jobs) == ["web", "vertical", "small"]
    web, vertical, small = jobs.values()
    assert {str(job.plan.timeline.rate) for job in jobs.values()} == {"50"}
    assert web.plan is vertical.plan is small.plan
    assert str(web.framing.size) == "256x144"  # nothing is enlarged
    assert web.format == H264(rate=web.format.rate, crf=30, captions=True)
    assert (str(vertical.framing.size), vertical.framing.fit) == ("1080x1920", "crop")
    assert vertical.format.crf == 12  # type: ignore[union-attr]
    assert small.format.format == "hevc"
    assert small.format.crf == Hevc().crf  # type: ignore[union-attr]  # another format's own
    assert small.format.limit == 1_000_000
    assert small.format.captions


def test_outputs_of_another_rate_have_their_own_plan(stills: Path) -> None:
    project = project_of(stills, SPEED, ("outputs", "[web, {name: slow, rate: 10}, {name: b}]"))
    web, slow, other = (job for _, job in project.jobs())
    assert (web.plan.frames, slow.plan.frames) == (250, 100)
    assert other.plan is web.plan


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ("[wed]", r"outputs\[0\]: 'wed' is no delivery; did you mean web\?"),
        ("[{deliver: web, crf: 99}]", r"outputs\[0\]\.crf|outputs\[0\]: .*crf 99"),
        ("[{deliver: web, crff: 9}]", r"outputs\[0\]\.crff: unknown key; did you mean crf\?"),
        ("[web, web]", "two are named web; give each a name"),
        ("[{name: a/b}]", r"outputs\[0\]\.name: 'a/b' cannot be part of a file's name"),
        ("[{format: prores, limit: 1 MB}]", "limit: prores has no crf to choose"),
        ("[{deliver: web, limit: much}]", r"outputs\[0\]\.limit: 'much' is no size of a file"),
        ("web", r"outputs: a list is wanted here"),
    ],
)
def test_mistakes_in_outputs_are_told_with_their_place(
    tmp_path: Path, outputs: str, told: str
) -> None:
    (tmp_path / "p.yaml").write_text(
        f"roll: {{stills: x}}\nschedule: {{speed: 5}}\noutputs: {outputs}\n"
    )
    with pytest.raises(ProjectError, match=r"p\.yaml:\d+:\d+: .*" + told):
        load(tmp_path / "p.yaml")


def test_outputs_from_the_command_line(stills: Path, tmp_path: Path) -> None:
    command = ["render", str(stills), "--speed", "25", "--set", "roll.utc_offset=Z", "--json", "-q"]
    command += ["--set", "output.preset=ultrafast", "-o", str(tmp_path / "film.mp4")]
    done = CliRunner().invoke(main, [*command, "--deliver", "web", "--deliver", "square"])
    assert done.exit_code == 0, done.output
    films = json.loads(done.stdout)["films"]
    assert [Path(film["output"]).name for film in films] == ["film-web.mp4", "film-square.mp4"]
    assert [film["size"] for film in films] == ["256x144", "1080x1080"]
    assert [film["segments"] for film in films] == [{"rendered": 1, "reused": 0}] * 2
    wrong = CliRunner().invoke(main, [*command, "--output", "web"])
    assert wrong.exit_code == 2
    assert "no output has this name; there are none" in wrong.stderr
    both = CliRunner().invoke(main, [*command, "--output", "web", "--overlay-only"])
    assert both.exit_code == 2


# ------------------------------------------------------------------ a limit of size


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.25, 1.6])
def test_a_limit_is_met_and_used(
    stills: Path, tmp_path: Path, share: float, decoded: list[str]
) -> None:
    job = job_of(stills, SPEED, FAST)
    plain = job.render(tmp_path / "plain.mp4")
    limit = int(plain["bytes"] * share)
    film = tmp_path / "film.mp4"
    limited = job_of(stills, SPEED, FAST, LABEL, ("output.limit", str(limit)))
    report = limited.render(film)
    assert 0.8 * limit <= film.stat().st_size <= limit, report["limit"]
    assert verify(film) == []
    said = report["limit"]
    assert said["bytes"] == limit
    assert str(said["crf"]) == report["encode"]["crf"]
    assert {"crf": said["crf"], "bytes": film.stat().st_size} in said["tried"]
    # It is known again, even without its parts.
    before = film.read_bytes()
    decoded.clear()
    assert counts(limited.render(film)) == (0, 4)
    for path in parts_folder(film).iterdir():
        path.unlink()
    assert counts(limited.render(film)) == (0, 4)
    assert film.read_bytes() == before
    assert decoded == []
    # Another label: the crf stays, and so does what does not show it.
    other = LABEL[0], LABEL[1].replace("half-way", "half way")
    limited.render(tmp_path / "kept.mp4")
    again = job_of(stills, SPEED, FAST, other, ("output.limit", str(limit)))
    report = again.render(tmp_path / "kept.mp4")
    assert counts(report) == (1, 3)
    assert report["limit"]["crf"] == said["crf"]


@pytest.mark.slow
def test_a_limit_beside_other_outputs_is_of_the_same_pass(
    stills: Path, tmp_path: Path, decoded: list[str]
) -> None:
    job = job_of(stills, SPEED, FAST)
    small = replace(job, format=replace(job.format, limit=200_000))
    reports = render_all([(job, tmp_path / "a.mp4"), (small, tmp_path / "b.mp4")], cache=0)
    assert (tmp_path / "b.mp4").stat().st_size <= 200_000
    assert pixels(reports[0]) == pixels(reports[1])
    # A trial sees some of the stills, a pass for both all, and so does each further try.
    passes = len(reports[1]["limit"]["tried"])
    assert np.median(list(Counter(decoded).values())) <= passes + 1


def test_a_limit_that_cannot_be_met_is_refused(stills: Path, tmp_path: Path) -> None:
    job = job_of(stills, SPEED, FAST, ("output.limit", "9 kB"))
    with pytest.raises(RenderError, match=r"limit 0\.009 MB: even at crf 40 this film takes about"):
        job.render(tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()


@given(
    st.integers(10_000, 10_000_000),
    st.floats(0.05, 0.2),
    st.integers(10_000, 10_000_000),
    st.integers(0, 50_000),
    st.floats(0.6, 1.6),
)
def test_the_search_ends_with_the_best_that_it_tried(
    limit: int, slope: float, large: int, fixed: int, off: float
) -> None:
    """Whatever a film's size does as crf rises, and however wrong the trial was."""

    def size(crf: int) -> int:
        return fixed + int(large * exp(-slope * (crf - 10)))

    search = Search(limit, (10, 40), fixed=fixed)
    search.foretell({22: int(size(22) * off), 31: int(size(31) * off)}, 1, 1)
    try:
        crf: int | None = search.guess()
        tried, last = [], None
        while crf is not None:
            tried.append(crf)
            last, crf = crf, search.next(crf, size(crf))
    except RenderError:
        assert size(40) > limit * 0.5
        return
    assert len(tried) <= 6
    assert last is not None
    assert size(last) <= limit
    assert last == min(crf for crf in tried if size(crf) <= limit)
    assert size(last) >= 0.8 * limit or last == 10 or len(tried) >= 2 or off > 1.05


def test_facts_of_each_format_are_those_of_its_film(stills: Path, tmp_path: Path) -> None:
    job = job_of(stills, ("schedule.speed", "50"))
    for name, ending in (("hevc", "mp4"), ("gif", "gif"), ("webp", "webp"), ("dnxhr", "mov")):
        one = job_of(stills, ("schedule.speed", "50"), ("output", f"{{format: {name}}}"))
        out = tmp_path / f"film.{ending}"
        one.render(out)
        assert verify(out) == []
        assert probe(out, format=one.format).frames == job.plan.frames
        assert report_path(out).exists()
