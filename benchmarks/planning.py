"""What planning costs: ``python -m benchmarks.planning [STILLS] [FRAMES]``.

100,000 stills at an uneven cadence are planned to 50,000 frames, straight on
and with edits, for several blends.
"""

from __future__ import annotations

import resource
import sys
import time
from fractions import Fraction

import numpy as np

from timelapse.ingest import File, Roll, Still, TimeSource
from timelapse.retime import (
    Blend,
    Box,
    Cut,
    Edits,
    Freeze,
    Gaussian,
    Linear,
    Reverse,
    Timeline,
    lasting,
    make_plan,
)
from timelapse.times import CaptureTime, MissionTime, Rate, Seconds

_EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")
_RATE = Rate(25)


def roll_of(count: int) -> Roll:
    """Stills a second apart, each up to 0.2 s early or late."""
    late = np.random.default_rng(1).integers(-20, 21, count)
    times = (_EPOCH + Fraction(100 * n + int(late[n]), 100) for n in range(count))
    stills = (
        Still(File(f"{n:06d}.jpg", 1, 0), at, (64, 48), 1, 8, "jpeg", "")
        for n, at in enumerate(times)
    )
    return Roll(tuple(stills), (), TimeSource.EXIF)


def edits(span: Fraction) -> Edits:
    """A cut with a crossfade, a reversal and a freeze."""
    at = [MissionTime(span * share / 10) for share in (1, 2, 5, 4, 7)]
    return Edits(
        (Cut(at[0], at[1], Seconds(1)),), (Reverse(at[2], at[3]),), (Freeze(at[4], Seconds(2)),)
    )


def main(stills: int, frames: int) -> None:
    print(f"{stills} stills to {frames} frames: seconds of the first, and of the fastest of 3")
    for blend in (Linear(), Box(), Gaussian()):
        for words, edited in (("", False), ("with edits", True)):
            took = [_plan(roll_of(stills), frames, blend, edited) for _ in range(3)]
            print(f"  {blend.blend:8} {words:11} {took[0]:6.2f} {min(took):6.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory {peak:.0f} MB")


def _plan(roll: Roll, frames: int, blend: Blend, edited: bool) -> float:
    """Seconds for a roll that nothing is known of yet."""
    began = time.perf_counter()
    start, end = (at.since(_EPOCH) for at in (roll.first, roll.end))
    wanted = edits(end - start) if edited else None
    schedule = lasting(Fraction(frames) / _RATE, start, end, wanted)
    plan = make_plan(roll, Timeline(schedule, _RATE, _EPOCH), blend)
    assert plan.frames == frames
    return time.perf_counter() - began


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(100_000, 50_000)[len(given) :])
