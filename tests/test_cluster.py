"""Segments rendered by a real Dask scheduler and real workers, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import EPOCH, GrayRoll, damage
from test_film import job_of

from timelapse.audit import verify
from timelapse.cli import main
from timelapse.cluster import Cluster
from timelapse.errors import RenderError
from timelapse.render import Job

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")

# Dask's own, when a worker is killed under it.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:distributed.*"),
]

MakeRoll = Callable[..., GrayRoll]
CLOCK = ("overlays", "[{kind: clock, show: [met, utc]}, {kind: credit, text: A. Gerst}]")
MILESTONE = ("milestones", "[{at: T+5 s, label: Booster separation}]")


class Workers:
    """A scheduler and its workers; `address` is the scheduler's."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self._place, self._stack = place, stack
        self._file = place / "scheduler.json"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._start("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        self._wait(self._file.exists)
        self.address: str = json.loads(self._file.read_text())["address"]

    def add(self, name: str, **environment: str) -> None:
        one = ("--nthreads", "1", "--nworkers", "1", "--no-nanny", "--name", name)
        local = ("--local-directory", str(self._place / name))
        self._start(name, "dask_worker", *one, *local, "--host", "127.0.0.1", **environment)

    def kill(self, name: str) -> None:
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running[name].wait()

    def busy(self) -> set[str]:
        """The names of the workers that have work."""
        with distributed.Client(self.address, set_as_default=False) as client:
            infos = client.scheduler_info()["workers"]
            return {infos[at]["name"] for at, keys in client.processing().items() if keys}

    def _start(self, name: str, module: str, *options: str, **environment: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard"]
        command += ["--scheduler-file", str(self._file), *options]
        log = self._stack.enter_context((self._place / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "TIMELAPSE_CACHE": str(self._place / "cache"), **environment},
            cwd=self._place,
        )
        self.running[name] = process
        self._stack.callback(self._end, process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wait(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + 60
        while not ready():
            assert time.monotonic() < until, "the cluster did not start"
            time.sleep(0.05)


@contextmanager
def cluster(place: Path, *names: str) -> Iterator[Workers]:
    place.mkdir()
    with ExitStack() as stack:
        workers = Workers(place, stack)
        for name in names:
            workers.add(name)
        yield workers


@pytest.fixture
def job(gray_roll: MakeRoll) -> Job:
    """A clip of twelve segments, with a clock, which is the most that a cue can carry."""
    roll = gray_roll([Fraction(n, 2) for n in range(1200)], size=(320, 180), ending=".jpg")
    return job_of(
        roll.folder, ("schedule.speed", "5"), ("output.preset", "ultrafast"), CLOCK, MILESTONE
    )


def pixels(report: dict[str, Any]) -> list[str]:
    return [part["pixels"] for part in report["parts"]]


def test_a_worker_that_dies_is_survived_and_the_frames_are_those_of_one_machine(
    job: Job, tmp_path: Path
) -> None:
    local = job.render(tmp_path / "local.mp4")
    killed: list[str] = []
    with cluster(tmp_path / "cluster", "one", "two", "three") as workers:

        def kill_one_at_work(done: int, total: int) -> None:
            if not killed and done > total // 6 and (busy := workers.busy()):
                killed.append(min(busy))
                workers.kill(killed[0])

        report = job.render(
            tmp_path / "far.mp4", crew=Cluster(workers.address), progress=kill_one_at_work
        )
        assert len(killed) == 1
    assert report["segments"]["rendered"] == len(local["parts"]) >= 12
    assert pixels(report) == pixels(local)
    assert report["stills"] == local["stills"]
    assert verify(tmp_path / "far.mp4", stills=True) == []


def test_from_the_command_line_and_from_another_folder(
    gray_roll: MakeRoll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(60)], ending=".jpg")
    monkeypatch.chdir(tmp_path)  # the roll's path is relative here, and means nothing there
    command = ["render", roll.folder.name, "--speed", "5", "-o", "far.mp4", "--json"]
    with cluster(tmp_path / "cluster", "one") as workers:
        done = CliRunner().invoke(main, [*command, "--cluster", workers.address])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["segments"] == {"rendered": 2, "reused": 0}
    assert verify("far.mp4", stills=True) == []
    # What is finished needs no cluster.
    again = CliRunner().invoke(main, [*command, "--cluster", "tcp://127.0.0.1:9"])
    assert json.loads(again.stdout)["segments"] == {"rendered": 0, "reused": 2}
    both = CliRunner().invoke(main, [*command, "--cluster", "tcp://x:1", "--workers", "2"])
    assert both.exit_code == 2


def test_a_still_that_proves_unreadable_on_a_worker_is_bridged(
    gray_roll: MakeRoll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(60)], ending=".jpg", size=(64, 64))
    damage(roll.folder / "ISS057-E-9999.jpg", EPOCH + roll.times[9])
    monkeypatch.chdir(tmp_path)
    job = job_of(Path(roll.folder.name), ("schedule.speed", "5"))
    local = job.render(tmp_path / "local.mp4")
    with cluster(tmp_path / "cluster", "one") as workers:
        report = job.render(tmp_path / "far.mp4", crew=Cluster(workers.address))
    assert pixels(report) == pixels(local)
    assert report["roll"] == local["roll"]
    assert [e["status"] for e in report["roll"]["ledger"]].count("unreadable") == 1


def test_a_worker_that_cannot_see_the_stills_says_so(job: Job, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    # Stands for another machine: there, the folder of the stills is not.
    (elsewhere / "sitecustomize.py").write_text(
        "import pathlib\n"
        "real = pathlib.Path.stat\n"
        "def stat(self, **options):\n"
        "    if self.suffix == '.jpg':\n"
        "        raise FileNotFoundError(2, 'No such file or directory', str(self))\n"
        "    return real(self, **options)\n"
        "pathlib.Path.stat = stat\n"
    )
    path = os.pathsep.join([str(elsewhere), os.environ.get("PYTHONPATH", "")])
    with cluster(tmp_path / "cluster") as workers:
        workers.add("blind", PYTHONPATH=path)
        with pytest.raises(
            RenderError, match=r"no worker can render.*cannot see .*same path there"
        ) as told:
            job.render(tmp_path / "far.mp4", crew=Cluster(workers.address))
        assert "unchanged" in str(told.value)
        assert not (tmp_path / "far.mp4").exists()
        workers.add("seeing")
        until = time.monotonic() + 60
        while len(connected(workers)) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        report = job.render(tmp_path / "far.mp4", crew=Cluster(workers.address))
    [note] = [warning for warning in report["warnings"] if "cannot see" in warning]
    assert note.endswith("it was left out")


def connected(workers: Workers) -> list[str]:
    with distributed.Client(workers.address, set_as_default=False) as client:
        return list(client.nthreads())


def test_a_worker_with_other_libraries_is_not_used(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timelapse.cluster.versions", lambda: {"av": "1.0"})
    with (
        cluster(tmp_path / "cluster", "one") as workers,
        pytest.raises(RenderError, match=r"has av \d+\.\S+, not 1\.0; install the same"),
    ):
        job.render(tmp_path / "far.mp4", crew=Cluster(workers.address))


def test_no_scheduler_and_no_worker(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("timelapse.cluster._CONNECT_WITHIN", 1)
    monkeypatch.setattr("timelapse.cluster._WORKERS_WITHIN", 1)
    with pytest.raises(RenderError, match="no Dask scheduler answers there"):
        job.render(tmp_path / "far.mp4", crew=Cluster("tcp://127.0.0.1:9"))
    with (
        cluster(tmp_path / "cluster") as workers,
        pytest.raises(RenderError, match="none has joined it"),
    ):
        job.render(tmp_path / "far.mp4", crew=Cluster(workers.address))
