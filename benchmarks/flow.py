"""How near frames between stills come to the truth, and what they cost: `flow` beside blending and
ffmpeg's minterpolate, on scenes that are known exactly.

python -m benchmarks.flow [--rounds 3] [--small] [--grain LEVELS]

Stills are 4 of each scene, frames 3 between every two.  Distances are PSNR in dB, in 8-bit display
light over red, green and blue, the mean over all frames made.  Seconds are those of one frame made
on one thread, the analysis of its pair shared out, medians of the rounds, in which all take turns;
ffmpeg's are those of its process, less those of one that only repeats stills.  ffmpeg mixes
in display light, reads and writes raw RGB, works in yuv444p, and makes no frames between the last
two stills; these count for nobody.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import time
from collections.abc import Callable

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import Light, Scene, night, textured
from timelapse.grade import to_display, to_linear
from timelapse.machine import Buffers, single_threaded_opencv
from timelapse.retime.flow import Blended, Dis, Interpolator

_STILLS, _PER = 4, 4
Shown = NDArray[np.uint8]
Made = tuple[dict[int, Shown], float]
#: What makes the frames between stills, given as linear light.
Maker = Callable[[list[Light]], Made]


class _Blend:
    """Linear blending as an interpolator."""

    def pair(self, before: Light, after: Light, buffers: Buffers) -> Blended:
        return Blended(before, after)


def ours(interpolator: Interpolator, stills: list[Light], buffers: Buffers) -> Made:
    """Frames by number, and seconds for each."""
    made, spent = {}, 0.0
    for number in range(_STILLS - 2):
        began = time.perf_counter()
        between = interpolator.pair(stills[number], stills[number + 1], buffers)
        spent += time.perf_counter() - began
        for part in range(1, _PER):
            began = time.perf_counter()
            picture = between.at(part / _PER, buffers)
            spent += time.perf_counter() - began
            made[number * _PER + part] = to_display(picture)
    return made, spent / len(made)


def ffmpegs(how: str, stills: list[Light]) -> Made:
    height, width = stills[0].shape[:2]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24")
    data = b"".join(to_display(still).tobytes() for still in stills)

    def run(mode: str) -> tuple[Shown, float]:
        chain = f"format=yuv444p,minterpolate=fps={_PER}:scd=none:mi_mode={mode}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *raw, "-s", f"{width}x{height}"]
        command += ["-r", "1", "-i", "-", "-filter_threads", "1", "-vf", chain, *raw, "-"]
        began = time.perf_counter()
        out = subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
        return np.frombuffer(out, np.uint8).reshape(-1, height, width, 3), (
            time.perf_counter() - began
        )

    frames, spent = run(how)
    spent -= run("dup")[1]
    made = {n: frames[n] for n in range(min(len(frames), (_STILLS - 2) * _PER)) if n % _PER}
    return made, spent / len(made)


_BUFFERS = Buffers()  # a render takes fresh memory once, not for each pair
MAKERS: dict[str, Maker] = {
    "linear": lambda stills: ours(_Blend(), stills, _BUFFERS),
    "flow": lambda stills: ours(Dis(), stills, _BUFFERS),
    "minterpolate blend": lambda stills: ffmpegs("blend", stills),
    "minterpolate mci": lambda stills: ffmpegs("mci", stills),
}


def scenes(size: tuple[int, int]) -> dict[str, Scene]:
    return {
        "textured things": textured(size),
        "stars, rocket": night(size),
        "turning stars, rocket": night(size, turn=0.004),
    }


def psnr(made: dict[int, Shown], truth: dict[int, Shown]) -> float:
    return statistics.mean(
        10 * math.log10(255**2 / max(1e-9, np.mean((shown.astype(np.float32) - truth[n]) ** 2)))
        for n, shown in made.items()
    )


def grained(still: Light, levels: float, seed: int) -> Light:
    """A still as a camera would give it, with noise of so many display levels."""
    noise = np.random.default_rng(seed).normal(0, levels, still.shape)
    return to_linear(np.clip(np.rint(to_display(still) + noise), 0, 255).astype(np.uint8))


def table(name: str, scene: Scene, rounds: int, grain: float) -> None:
    stills = [scene.at(n) for n in range(_STILLS)]
    if grain:
        stills = [grained(still, grain, n) for n, still in enumerate(stills)]
    last = (_STILLS - 2) * _PER
    truth = {n: to_display(scene.at(n / _PER)) for n in range(last) if n % _PER}
    spent: dict[str, list[float]] = {maker: [] for maker in MAKERS}
    found: dict[str, float] = {}
    for _ in range(rounds):
        for maker, make in MAKERS.items():
            made, seconds = make(stills)
            spent[maker].append(seconds)
            found[maker] = psnr(made, truth)
    mci = statistics.median(spent["minterpolate mci"])
    print(f"\n{name}, {scene.size[0]}x{scene.size[1]}" + (f", grain {grain:g}" if grain else ""))
    print("| frames by | PSNR dB | over linear | s a frame | of mci's time |")
    print("| --- | --- | --- | --- | --- |")
    for maker, decibels in found.items():
        seconds = statistics.median(spent[maker])
        print(
            f"| {maker} | {decibels:.1f} | {decibels - found['linear']:+.1f} "
            f"| {seconds:.4f} | {seconds / mci:.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="960x540 only")
    parser.add_argument("--grain", type=float, default=0.0, help="noise in the stills, in levels")
    options = parser.parse_args()
    with single_threaded_opencv():
        for size in ((960, 540), (1920, 1080))[: 1 if options.small else 2]:
            for name, scene in scenes(size).items():
                table(name, scene, options.rounds, options.grain)


if __name__ == "__main__":
    main()
