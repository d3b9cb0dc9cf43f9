"""What a scan costs, the first time and again: ``python -m benchmarks.scanning``.

A roll of small JPEGs with EXIF is scanned by a process of its own each time, beside
``exiftool -r -json`` on the same folder in the same run (Debian: libimage-exiftool-perl).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
from PIL import Image

from timelapse.times import CaptureTime

_SIZE = (100, 75)
_EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")
_SCAN = """
import json, resource, sys, time
from timelapse.ingest import scan
began = time.perf_counter()
roll = scan(sys.argv[1])
took = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
json.dump({"stills": len(roll.stills), "took": took, "peak": peak}, sys.stdout)
"""


def make_roll(folder: Path, count: int) -> None:
    """Stills half a second apart, old enough to be remembered."""
    rng = np.random.default_rng(1)
    pictures = [
        Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8)).resize(_SIZE) for _ in range(8)
    ]
    folder.mkdir()
    for number in range(count):
        path = folder / f"DSC_{number:06d}.JPG"
        text = (_EPOCH + Fraction(number, 2)).iso(2)
        exif = Image.Exif()
        exif[0x010F], exif[0x0110], exif[0x0112] = "NIKON CORPORATION", "NIKON D5", 1
        inner = exif.get_ifd(0x8769)
        inner[0x9003] = text[:19].replace("-", ":").replace("T", " ")
        inner[0x9291] = text[20:22]
        pictures[number % 8].save(path, "JPEG", quality=85, exif=exif)
        os.utime(path, (time.time() - 60, time.time() - 60))


def scan(folder: Path, cache: Path) -> dict[str, float]:
    """Scans in a process of its own; seconds of the scan, and the process's peak in MB."""
    env = {**os.environ, "TIMELAPSE_CACHE": str(cache)}
    command = [sys.executable, "-c", _SCAN, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    words: dict[str, float] = json.loads(done.stdout)
    return words


def exiftool(folder: Path) -> float | None:
    """The seconds that exiftool takes for all tags of the folder; None where it is not there."""
    if shutil.which("exiftool") is None:
        return None
    began = time.perf_counter()
    subprocess.run(["exiftool", "-r", "-json", str(folder)], capture_output=True, check=True)
    return time.perf_counter() - began


@click.command()
@click.option("--stills", default=20_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--exiftool/--no-exiftool", "beside", default=True, show_default=True)
def main(stills: int, rounds: int, beside: bool) -> None:
    """Medians of several rounds, each of a first scan, a second one, and exiftool."""
    with tempfile.TemporaryDirectory(prefix="timelapse-scanning-") as place:
        folder = Path(place) / "roll"
        make_roll(folder, stills)
        first, second, other, peak = [], [], [], 0.0
        for number in range(rounds):
            cache = Path(place) / f"cache{number}"
            for times in (first, second):
                words = scan(folder, cache)
                times.append(words["took"])
                peak = max(peak, words["peak"])
            if beside and (took := exiftool(folder)) is not None:
                other.append(took)
        once, again = statistics.median(first), statistics.median(second)
        print(f"{stills} stills, {rounds} rounds, {words['stills']} used; medians:")
        print(f"  first scan   {once:7.2f} s  {once / stills * 1e6:5.0f} us a still")
        print(f"  second scan  {again:7.2f} s  {once / again:5.1f} times faster")
        if other:
            took = statistics.median(other)
            print(f"  exiftool     {took:7.2f} s  {took / once:5.1f} times as long as the first")
        else:
            print("  exiftool     not measured (Debian: apt install libimage-exiftool-perl)")
        print(f"  memory       {peak:7.0f} MB at most")


if __name__ == "__main__":
    main()
