"""Renders that are killed, and disks that are full: ``python -m benchmarks.faults``.

A clip is rendered over an older film of the same name.  Whatever happens to the render, the target
has to be the older film, to the byte, or the new one, complete; and what was finished before has
to be used again.  At the end of each film an undisturbed render goes on, and its frames have to be
those of a render that was never disturbed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from timelapse.audit import verify
from timelapse.render.parts import parts_folder
from timelapse.report import report_path
from timelapse.times import CaptureTime

_STILLS, _SIZE, _WORKERS = 1000, (320, 180), 2
_EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")


class Broken(AssertionError):  # noqa: N818 - a finding, told by its words
    """Something was lost that must not be."""


def make_roll(folder: Path) -> Path:
    """Grainy stills, one a second by their names."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    grain = rng.integers(0, 60, (8, *_SIZE[::-1], 3), np.uint8)
    for number in range(_STILLS):
        stamp = (_EPOCH + number).iso().replace(":", "-").rstrip("Z")
        pixels = grain[number % 8] + np.uint8(20 + number * 37 % 160)
        Image.fromarray(pixels).save(folder / f"{stamp}.jpg", quality=90)
    return folder


@dataclass
class Scene:
    """A roll, the film to be made of it, and what that has to be."""

    home: Path
    roll: Path
    film: Path
    pixels: list[str] = field(default_factory=list)
    bytes: int = 0
    older: bytes = b""
    older_parts: int = 0

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Starts a render in a process group of its own."""
        command = [sys.executable, "-m", "timelapse.cli", "render", str(self.roll), "--speed", "10"]
        command += ["-o", str(self.film), "--workers", str(_WORKERS), "--json", *options]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TIMELAPSE_CACHE": str(self.home / "cache")},
        )

    def finish(self, *options: str) -> dict[str, Any]:
        """Renders to the end, undisturbed, and looks at what came of it."""
        process = self.start(*options)
        out, told = process.communicate()
        if process.returncode:
            raise Broken(f"an undisturbed render failed: {told}")
        words: dict[str, Any] = json.loads(out)
        return words

    def put_older(self) -> None:
        """A film of the same name that stands there before."""
        self.finish("--speed", "200", "--set", "output.crf=30")
        self.older, self.older_parts = self.film.read_bytes(), self.finished()

    def check_target(self) -> str:
        """What the target is now, `older` or `complete`; Broken where it is neither."""
        if self.film.read_bytes() == self.older:
            return "older"
        if faults := verify(self.film):
            raise Broken(f"{self.film}: {'; '.join(faults)}")
        self.check_pixels()
        return "complete"

    def check_pixels(self) -> None:
        """Holds the frames that were encoded against those of the undisturbed render."""
        found = [part["pixels"] for part in json.loads(report_path(self.film).read_text())["parts"]]
        if found != self.pixels:
            raise Broken(f"{self.film}: its frames are not those of an undisturbed render")

    def finished(self) -> int:
        return len(list(parts_folder(self.film).glob("*.json")))

    def begun(self) -> int:
        return len(list(parts_folder(self.film).glob("*.mp4.*.draft")))


def unbroken(scene: Scene) -> float:
    """Renders once as a measure for all: its frames, and the seconds that it takes."""
    began = time.monotonic()
    scene.finish()
    took = time.monotonic() - began
    report = json.loads(report_path(scene.film).read_text())
    scene.pixels = [part["pixels"] for part in report["parts"]]
    scene.bytes = report["bytes"]
    clear(scene.film)
    return took


def clear(film: Path) -> None:
    shutil.rmtree(parts_folder(film), ignore_errors=True)
    for path in (film, report_path(film)):
        path.unlink(missing_ok=True)


def kill_often(scene: Scene, kills: int, chance: random.Random) -> dict[str, int]:
    """Kills renders at random moments, until `kills` were killed; returns what was seen."""
    seen = {"killed": 0, "older": 0, "complete": 0, "films": 0, "repeated": 0, "at most": 0}
    took = unbroken(scene)
    while seen["killed"] < kills:
        clear(scene.film)
        scene.put_older()
        state = "older"
        while state == "older" and seen["killed"] < kills:
            kept = scene.finished()
            process = scene.start()
            time.sleep(chance.uniform(0, took * 0.6))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                seen["killed"] += 1
                seen["repeated"] += scene.begun()
                seen["at most"] += _WORKERS
            process.communicate()
            state = scene.check_target()
            seen[state] += 1
            if state == "older" and scene.finished() < kept:
                raise Broken(f"finished segments were lost: {kept} before, {scene.finished()} now")
            if scene.begun() > _WORKERS:
                raise Broken(f"{scene.begun()} segments were begun by {_WORKERS} workers")
        kept = scene.finished()
        words = scene.finish()
        scene.check_pixels()
        if state == "older" and words["segments"]["reused"] != kept - scene.older_parts:
            raise Broken(f"{kept} segments were finished, {words['segments']} used again")
        seen["films"] += 1
    return seen


def fill_often(scene: Scene, disk: Path, size: int, fills: int, chance: random.Random) -> Any:
    """Renders onto a disk of `size` bytes that is full before or while the render runs."""
    seen = {"refused": 0, "rendered": 0}
    took = unbroken(scene)
    ballast = disk / "ballast"
    for number in range(fills):
        clear(scene.film)
        scene.put_older()
        late = number % 2
        if not late:
            _fill(ballast, size, chance.uniform(0, 1.2))
        process = scene.start()
        if late:
            time.sleep(chance.uniform(0.2, 0.9) * took)
            _fill(ballast, size, chance.uniform(0, 0.6))
        _, told = process.communicate()
        state = scene.check_target()
        if process.returncode not in (0, 1) or (process.returncode == 0) != (state == "complete"):
            raise Broken(f"exit {process.returncode}, and the target is {state}: {told}")
        if process.returncode and "No space left" not in told:
            raise Broken(f"a full disk was told as: {told}")
        seen["rendered" if state == "complete" else "refused"] += 1
        ballast.unlink()
        scene.finish()
        scene.check_pixels()
    return seen


def _fill(ballast: Path, size: int, share: float) -> None:
    """Leaves free only a share of the room that a render needs, which is two thirds of the disk."""
    free = shutil.disk_usage(ballast.parent).free
    with ballast.open("wb") as file:
        left = max(0, free - int(share * size * 2 / 3))
        try:
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 16)))
                file.flush()
        except OSError:
            pass


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A file system of its own, in memory; raises OSError where none may be mounted."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"no small disk can be had: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@click.command()
@click.option("--kills", default=200, show_default=True, help="Renders to kill.")
@click.option("--fills", default=20, show_default=True, help="Renders onto a full disk.")
@click.option("--seed", default=1, show_default=True)
def main(kills: int, fills: int, seed: int) -> None:
    """Kills renders and fills disks; exit 1 where anything was lost."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="timelapse-faults-") as folder:
        home = Path(folder)
        roll = make_roll(home / "roll")
        if kills:
            began = time.monotonic()
            seen = kill_often(Scene(home, roll, home / "film.mp4"), kills, chance)
            print(f"killed {seen['killed']} renders in {time.monotonic() - began:.0f} s:")
            print(f"  the target was the older film {seen['older']} times, complete", end=" ")
            print(f"{seen['complete']} times, anything else 0 times")
            print(f"  {seen['films']} films were finished with the frames of an unbroken render")
            print(f"  segments begun twice: {seen['repeated']}, at most {seen['at most']} allowed")
        if fills:
            scene = Scene(home, roll, home / "film.mp4")
            unbroken(scene)
            size = scene.bytes * 3  # for the parts, the film and the older film
            try:
                with small_disk(home / "disk", size) as disk:
                    scene = Scene(home, roll, disk / "film.mp4")
                    seen = fill_often(scene, disk, size, fills, chance)
            except OSError as error:
                print(f"full disks: not tried, {error}")
                return
            print(f"full disks: {fills} tried, {seen['refused']} refused with the older film left,")
            print(f"  {seen['rendered']} rendered; all were finished when there was room again")


if __name__ == "__main__":
    main()
