"""Runs one command and says what it took: wall time, CPU time and peak memory of its processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread, Timer

import psutil

_SAMPLE_EVERY = 0.25


@dataclass(frozen=True)
class Cost:
    """What a run took.

    `wall_s` is from start to exit.  `cpu_s` is user and system time of the process and of all
    descendants it waited for, as the kernel counts it.  `peak_bytes` is the largest sum over the
    process tree of PSS (memory with shared pages counted once; RSS where the system has no PSS),
    sampled four times a second (a look takes 5 ms, which the run lacks): shorter peaks may be
    missed.  `load` is the machine's load
    average of the last minute before the start.  `error` is empty where the command succeeded.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    load: float
    error: str = ""


def measure(command: Sequence[str], log: Path, env: Mapping[str, str], timeout: float) -> Cost:
    """Runs `command` alone (only one at a time, or CPU times mix); its output goes to `log`.

    A failure is in `Cost.error`; nothing is raised for it.
    """
    load = os.getloadavg()[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("wb") as sink:
        began = time.monotonic()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                start_new_session=True,
            )
        except OSError as error:
            return Cost(0, 0, 0, load, f"could not be started: {error}")
        late = Event()

        def stop() -> None:
            late.set()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = Timer(timeout, stop)
        timer.start()
        try:
            with _Memory(process.pid) as memory:
                code = process.wait()
                wall = time.monotonic() - began
        finally:  # an interrupt here must not leave it running
            timer.cancel()
            if process.returncode is None:
                stop()
                process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    failure = f"exit {code}: {_last_words(log)}" if code else ""
    if late.is_set():
        failure = f"took longer than {timeout:g} s and was stopped"
    return Cost(wall, cpu, memory.peak, load, failure)


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300] if said else "it said nothing"


class _Memory:
    """Samples the memory of a process tree in a thread while the context is open."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid, self._done = pid, Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.is_set():
            with suppress(psutil.Error):
                parent = psutil.Process(self._pid)
                tree = [parent, *parent.children(recursive=True)]
                self.peak = max(self.peak, sum(map(_held, tree)))
            self._done.wait(_SAMPLE_EVERY)


def _held(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.Error:  # it has ended, or is not ours to see
        return 0
    return int(getattr(info, "pss", 0) or info.rss)
