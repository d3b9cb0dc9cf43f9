"""A render never loses work: the target is absent, what it was, or complete."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, damage, write_still
from test_film import differing_frames, display, job_of, linear

from timelapse.audit import verify
from timelapse.deliver import probe
from timelapse.errors import EncodeError, RenderError, RollError, TextError
from timelapse.overlay import Credit
from timelapse.render import Findings, frames, still
from timelapse.render.parts import parts_folder
from timelapse.report import report_path
from timelapse.times import VideoTime

MakeRoll = Callable[..., GrayRoll]
SPEED = ("schedule.speed", "5")


@pytest.fixture
def film(gray_roll: MakeRoll, tmp_path: Path) -> Path:
    roll = gray_roll([Fraction(n, 2) for n in range(20)])
    job_of(roll.folder, SPEED, ("mission.name", "A film"), MILESTONE).render(tmp_path / "film.mp4")
    return tmp_path / "film.mp4"


MILESTONE = ("milestones", "[{at: T+5 s, label: half-way}]")


def test_the_report_says_what_was_done(film: Path) -> None:
    report = json.loads(report_path(film).read_text(encoding="utf-8"))
    assert (report["frames"], report["duration_s"], report["rate"]) == (50, 2.0, "25")
    assert report["bytes"] == film.stat().st_size
    assert report["roll"]["used"] == 20
    assert report["plan"]["milestones"][0]["frame"] == 25
    assert [(part["first"], part["frames"]) for part in report["parts"]] == [(0, 50)]
    assert report["segments"] == {"rendered": 1, "reused": 0}
    assert report["film"]["chapters"] == [["A film", 0.0], ["00:01 half-way", 1.0]]
    assert {"timelapse", "av", "python"} <= set(report["versions"])
    assert sorted(p.name for p in film.parent.iterdir()) == [
        ".film.mp4.parts", "film.mp4", "film.mp4.report.json", "roll",
    ]  # fmt: skip


def test_verify_passes_what_was_rendered(film: Path) -> None:
    assert verify(film) == []


def test_verify_finds_one_flipped_bit(film: Path) -> None:
    data = bytearray(film.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    film.write_bytes(data)
    assert any("SHA-256 differs" in line for line in verify(film))


def test_verify_finds_another_film(film: Path, gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(18)], folder="other")
    other = film.with_name("other.mp4")
    job_of(roll.folder, SPEED, ("output.rate", "24")).render(other)
    other.replace(film)
    told = " ".join(verify(film))
    for word in ("bytes", "44 frames, not 50", "rate is 24", "chapters"):
        assert word in told


def test_verify_finds_a_film_cut_short(film: Path) -> None:
    data = film.read_bytes()
    film.write_bytes(data[: len(data) - 60])
    assert len(verify(film)) >= 2


def test_verify_needs_a_film_and_a_report(film: Path, tmp_path: Path) -> None:
    with pytest.raises(RollError, match="no such film"):
        verify(tmp_path / "none.mp4")
    report_path(film).write_text("{}")
    with pytest.raises(RenderError, match="not a report"):
        verify(film)
    report_path(film).unlink()
    with pytest.raises(RollError, match="no report"):
        verify(film)


# ------------------------------------------------------------------ what goes wrong


class Stop(Exception):  # noqa: N818 - not an error
    pass


def test_an_interrupted_render_leaves_the_old_film(film: Path) -> None:
    before = film.read_bytes(), report_path(film).read_bytes()

    def interrupt(done: int, total: int) -> None:
        if done > total // 2:
            raise Stop

    with pytest.raises(Stop):
        job_of(film.parent / "roll", ("schedule.speed", "2")).render(film, progress=interrupt)
    assert (film.read_bytes(), report_path(film).read_bytes()) == before
    assert not list(parts_folder(film).glob("*.draft"))


def test_a_film_that_is_not_as_planned_takes_no_name(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = film.read_bytes()
    few = np.zeros((10, 48, 64, 3), np.uint8)
    monkeypatch.setattr("timelapse.render.lane.Lane._shown", lambda *_: (([0], f) for f in few))
    with pytest.raises(RenderError, match=r"10 frames, not 6[23]"):
        job_of(film.parent / "roll", ("schedule.speed", "2")).render(film)
    assert film.read_bytes() == before


def start(roll: GrayRoll, film: Path, *options: str) -> subprocess.Popen[str]:
    """A render in a process of its own; returns when it has begun to write parts."""
    command = [sys.executable, "-m", "timelapse.cli", "render", str(roll.folder), "-o", str(film)]
    command += ["--speed", "1", "--set", "output.preset=ultrafast", *options]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 60
    while not list(parts_folder(film).glob("*.draft")) and time.monotonic() < until:
        time.sleep(0.01)
    return running


def test_a_killed_render_leaves_the_old_film_and_the_next_one_goes_on(
    film: Path, gray_roll: MakeRoll
) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(200)], size=(640, 360), folder="long")
    before = film.read_bytes()
    with start(roll, film, "--workers", "1") as running:
        until = time.monotonic() + 60
        while len(list(parts_folder(film).glob("*.json"))) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
    assert film.read_bytes() == before
    finished = len(list(parts_folder(film).glob("*.json"))) - 1  # one is the old film's
    assert finished >= 2
    job = job_of(roll.folder, ("schedule.speed", "1"), ("output.preset", "ultrafast"))
    report = job.render(film)
    assert report["segments"] == {"rendered": 10 - finished, "reused": finished}
    assert not list(parts_folder(film).glob("*.draft"))
    assert verify(film) == []
    unbroken = job.render(film.with_name("unbroken.mp4"))
    assert [part["pixels"] for part in report["parts"]] == [
        part["pixels"] for part in unbroken["parts"]
    ]


def test_a_render_told_to_stop_cleans_up(film: Path, gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(200)], size=(640, 360), folder="long")
    before = film.read_bytes()
    with start(roll, film) as running:
        running.send_signal(signal.SIGTERM)
        told = running.communicate()[1]
    assert running.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    assert not list(parts_folder(film).glob("*.draft"))
    assert film.read_bytes() == before


def test_one_render_at_a_time_writes_a_film(film: Path, gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(200)], size=(640, 360), folder="long")
    with start(roll, film) as running:
        with pytest.raises(RenderError, match="another render is writing this film"):
            job_of(film.parent / "roll", ("schedule.speed", "2")).render(film)
        os.killpg(running.pid, signal.SIGKILL)
    assert verify(film) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x.avi", "has to end in .mp4 or .m4v"),
        ("nowhere/x.mp4", "there is no such folder"),
        ("folder.mp4", "is a folder"),
    ],
)
def test_targets_that_cannot_be(gray_roll: MakeRoll, tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    job = job_of(gray_roll([Fraction(n) for n in range(5)]).folder, SPEED)
    with pytest.raises(RenderError, match=told):
        job.render(tmp_path / name)


def test_a_still_is_never_overwritten(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n) for n in range(5)])
    disguised = roll.folder / "still.mp4"
    (roll.folder / "ISS057-E-9992.png").rename(disguised)
    link = tmp_path / "out.mp4"
    link.symlink_to(disguised)
    with pytest.raises(RenderError, match="is a file of the roll"):
        job_of(roll.folder, SPEED).render(link)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_that_leaves_the_old_film(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = film.read_bytes()

    @contextmanager
    def onto_full_disk(path: Path) -> Iterator[Path]:
        full = path.with_name(f"{path.stem}.full.mp4")
        full.symlink_to("/dev/full")
        yield full

    monkeypatch.setattr("timelapse.render.crew.written_whole", onto_full_disk)
    with pytest.raises(EncodeError, match=r"No space left.*unchanged"):
        job_of(film.parent / "roll", ("schedule.speed", "2")).render(film)
    assert film.read_bytes() == before


def test_a_text_that_cannot_be_drawn_is_refused_before_any_work(
    gray_roll: MakeRoll, tmp_path: Path
) -> None:
    roll = gray_roll([Fraction(n) for n in range(10)])
    with pytest.raises(TextError, match=r"milestones\[0\]: .*ROCKET"):
        job_of(roll.folder, SPEED, ("milestones", "[{at: T+5 s, label: 'lift-off 🚀'}]"))
    whole = job_of(roll.folder, SPEED)
    rocket = Credit(kind="credit", text="🚀")
    with pytest.raises(TextError, match="ROCKET"):
        replace(whole, overlays=(rocket,)).render(tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()


def test_a_film_among_its_stills_may_be_replaced(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n) for n in range(5)])
    for _ in range(2):
        job_of(roll.folder, SPEED).render(roll.folder / "[out].mp4")
    assert verify(str(roll.folder / "[out].mp4")) == []


def test_a_report_that_cannot_be_written_leaves_the_old_film(film: Path) -> None:
    before = film.read_bytes()
    report_path(film).unlink()
    report_path(film).mkdir()
    with pytest.raises(RenderError, match="is a folder"):
        job_of(film.parent / "roll", ("schedule.speed", "2")).render(film)
    assert film.read_bytes() == before


def test_a_roll_of_damaged_stills_alone_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    for second in range(3):
        damage(folder / f"{second}.jpg", EPOCH + second)
    with pytest.raises(RollError, match="no still can be decoded"):
        job_of(folder, SPEED).render(tmp_path / "x.mp4")


@pytest.mark.parametrize("blend", ["nearest", "linear", "box"])
def test_a_still_that_proves_unreadable_is_bridged(
    gray_roll: MakeRoll, tmp_path: Path, blend: str
) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(20)], ending=".JPG", size=(64, 64))
    damage(roll.folder / "ISS057-E-9999.JPG", EPOCH + roll.times[9])
    job = job_of(roll.folder, SPEED, ("retime.blend", blend))
    findings = Findings()
    gray = np.array([frame.mean() for frame in frames(job, findings=findings)])
    assert list(findings.lost) == [9]
    kept = [n for n in range(20) if n != 9]
    if blend == "linear":
        times = np.array([float(roll.times[n]) for n in kept])
        levels = linear(np.array([roll.levels[n] for n in kept]))
        exact = display(np.interp(np.arange(len(gray)) * 0.2, times, levels))
        assert np.abs(gray - exact).max() <= 1.5
    report = job.render(tmp_path / "x.mp4")
    assert any("9999.JPG: cannot be decoded" in warning for warning in report["warnings"])
    assert report["roll"]["ledger"][9]["status"] == "unreadable"
    assert report["roll"]["ledger"][9]["reason"].startswith("found while rendering")
    assert report["roll"]["used"] == report["plan"]["stills_used"] == 19
    assert verify(tmp_path / "x.mp4") == []


# ------------------------------------------------------------------ labels in the film


def test_a_label_stands_from_its_frame_on(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(40)], [40] * 40, size=(320, 180))
    plain = job_of(roll.folder, SPEED)
    labelled = job_of(
        roll.folder, SPEED, ("milestones", "[{at: T+10.1 s, label: 'Взлёт: 100 %', hold: 1 s}]")
    )
    plain.render(tmp_path / "plain.mp4")
    labelled.render(tmp_path / "labelled.mp4")
    # T+10.1 s at 5x is 2.02 s, in frame 50; it is held to 3.02 s, so frame 75 is the last
    different = differing_frames(tmp_path / "plain.mp4", tmp_path / "labelled.mp4")
    assert different == list(range(50, 76))
    assert probe(tmp_path / "labelled.mp4").chapters[-1] == ("00:02 Взлёт: 100 %", Fraction(2))


def test_one_frame_is_the_films_frame(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(40)], size=(320, 180))
    job = job_of(roll.folder, SPEED, MILESTONE)
    every = [frame.copy() for frame in frames(job)]
    one = still(job, VideoTime(Fraction(27, 25)))
    np.testing.assert_array_equal(one, every[27])
    with pytest.raises(RenderError, match="the clip has frames 0 to 99"):
        still(job, VideoTime(Fraction(4)))


def test_sizes_and_shapes_fill_the_frame(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    for second, shape in enumerate([(60, 80, 3), (80, 60, 3), (60, 81, 3), (200, 260, 3)]):
        write_still(folder / f"{second}.jpg", np.full(shape, 200, np.uint8), EPOCH + second)
    for fit in ("pad", "crop"):
        job = job_of(
            folder, ("schedule.speed", "25"), ("output.size", "80x60"), ("output.fit", fit)
        )
        made = [frame.copy() for frame in frames(job)]
        assert all(frame.shape == (60, 80, 3) for frame in made)
        covered = [(frame > 100).all(axis=2).mean() for frame in made]
        # 60x80 in 80x60 is 45x60 between bars; 81x60 and 260x200 are within two pixels of 4:3
        expected = [1, 45 / 80, 1, 1] if fit == "pad" else [1, 1, 1, 1]
        np.testing.assert_allclose(covered, expected, atol=0.03)
        assert any("black bars" in note for note in job.warnings) == (fit == "pad")


@pytest.mark.skipif(os.name != "posix", reason="reads the peak memory of a process from the system")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_roll(gray_roll: MakeRoll, tmp_path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from test_film import job_of\n"
        "from pathlib import Path\n"
        "fast = ('output.preset', 'veryfast')\n"
        "job = job_of(Path(sys.argv[1]), ('schedule.speed', '12.5'), fast)\n"
        "job.render(sys.argv[2])\n"
        "print(job.plan.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for count in (100, 1000):
        times = [Fraction(n, 2) for n in range(count)]
        roll = gray_roll(times, size=(640, 360), folder=f"roll{count}", ending=".jpg")
        done = subprocess.run(
            [sys.executable, "-c", code, str(roll.folder), str(tmp_path / f"{count}.mp4")],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
        )  # fmt: skip
        made, peak = map(int, done.stdout.split())
        assert made == count
        peaks.append(peak / 1024)
    assert peaks[1] - peaks[0] < 20, f"peak memory in MiB: {peaks}"
