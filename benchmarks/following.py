"""How near a followed callout stays to what it follows, and what that costs: the simulated launch,
whose truth has the middle of the rocket's plume in every still.

python -m benchmarks.following [--size 960x540] [--interval 0.5] [--from T] [--to T]
                               [--noise LEVELS] [--shake PIXELS] [--points T ...] [--folder DIR]

The rocket is followed from its true place at each of `--points` (mission seconds), with no other
hint.  Distances are those from what was found to the truth, in pixels of the stills, over the
stills in which it was said to be found; `missed` are stills in which the truth has a plume and
nothing was found, `false` the other way round.  `rocket` is the distance to the rocket itself, at
the head of its plume.  `--noise` adds to every channel of every pixel (standard deviation, levels
of 255), `--shake` moves every still (standard deviation each way).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.ingest import Roll, scan
from timelapse.overlay.follow import Track, follow
from timelapse.simulate import simulate
from timelapse.times import CaptureTime, MissionTime

#: Mission seconds, and what happens from there on.
STAGES = (
    (-15, "before ignition"), (-4, "ignition"), (20, "ascent; its place is the pad's"),
    (60, "the plume widens"), (117.8, "boosters separate"), (140, "among city lights"),
    (287.3, "the core separates"), (300, "the third stage"), (525, "cut-off, separation"),
    (540, "one star among others"), (2000, "")
)  # fmt: skip


@dataclass(frozen=True)
class Flight:
    """A roll with its truth: mission seconds, and the pixels of the plume's middle and of the
    rocket, N x 2, NaN where there is none."""

    roll: Roll
    seconds: NDArray[np.float64]
    plume: NDArray[np.float64]
    rocket: NDArray[np.float64]

    def start(self, mission: float) -> tuple[CaptureTime, float, float]:
        """A point to follow from: the true one nearest in time."""
        known = np.where(np.isnan(self.plume[:, 0]), np.inf, abs(self.seconds - mission))
        at = int(np.argmin(known))
        return (self.roll.stills[at].captured, *self.plume[at].tolist())


def flight(
    folder: Path,
    size: tuple[int, int],
    interval: Fraction,
    start: Fraction,
    end: Fraction,
    *,
    noise: float = 0,
    shake: float = 0,
) -> Flight:
    """Simulates a flight into a folder, or takes the one that is there."""
    made = folder / "truth.json"
    if not made.exists() or not json.loads(made.read_text())["complete"]:
        simulate(folder, size=size, interval=interval, start=MissionTime(start),
                 end=MissionTime(end))  # fmt: skip
    truth = json.loads(made.read_text())
    moved = np.zeros((len(truth["stills"]), 2))
    if noise or shake:
        folder, moved = _disturbed(folder, truth, noise, shake)
    roll = scan(folder)
    place = {still["file"]: at for at, still in enumerate(truth["stills"])}
    order = [place[still.name] for still in roll.stills]
    rows = [truth["stills"][at] for at in order]

    def points(name: str) -> NDArray[np.float64]:
        return np.array([row[name] or (np.nan, np.nan) for row in rows]) + moved[order]

    seconds = np.array([row["mission_s"] for row in rows])
    return Flight(roll, seconds, points("plume"), points("rocket"))


def _disturbed(
    folder: Path, truth: dict[str, Any], noise: float, shake: float
) -> tuple[Path, NDArray[np.float64]]:
    """The same stills with more noise, each moved by some pixels; and by how many."""
    rng = np.random.default_rng(7)
    moved = rng.normal(0, shake, (len(truth["stills"]), 2))
    other = folder.with_name(f"{folder.name}-noise{noise:g}-shake{shake:g}")
    other.mkdir(exist_ok=True)
    for at, still in enumerate(truth["stills"]):
        target = other / still["file"]
        data = (folder / still["file"]).read_bytes()
        seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if still["file"] in truth["truncated"] or seen is None:
            target.write_bytes(data)
            continue
        shift = np.array([[1, 0, moved[at, 0]], [0, 1, moved[at, 1]]])
        if shake:
            seen = cv2.warpAffine(seen, shift, seen.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        grain = rng.normal(0, noise, seen.shape) if noise else 0
        seen = np.clip(np.rint(seen + grain), 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        # The EXIF segment of the original, right after the start marker.
        length = 4 + int.from_bytes(data[4:6], "big") - 2
        target.write_bytes(coded[:2] + data[2 : 2 + length] + coded[2:])
    return other, moved


def told(track: Track, flight: Flight) -> str:
    """A table of how near the track is to the truth."""
    where = np.stack([track.x, track.y], axis=1)
    off, nose = (np.hypot(*(where - true).T) for true in (flight.plume, flight.rocket))
    there = ~np.isnan(flight.plume[:, 0])
    head = f"{'from':>7}  {'':32}{'there':>6}{'missed':>7}{'false':>6}{'50 %':>7}{'95 %':>6}"
    lines = [head + f"{'99 %':>6}{'most':>6}{'>2 px':>6}{'rocket':>8}"]
    parts = [
        (begin, what, (flight.seconds >= begin) & (flight.seconds < end))
        for (begin, what), (end, _) in pairwise(STAGES)
    ]
    for begin, what, part in [*parts, ("", "all", np.ones(len(there), bool))]:
        if not part.any():
            continue
        good = part & there & track.found
        line = f"{begin:>7}  {what:32}{(part & there).sum():6d}"
        line += f"{(part & there & ~track.found).sum():7d}{(part & ~there & track.found).sum():6d}"
        if good.any():
            line += "".join(f"{np.percentile(off[good], q):6.2f}" for q in (50, 95, 99, 100))
            line += f"{(off[good] > 2).sum():6d}{nose[good].max():8.2f}"
        lines.append(line)
    share = (there & track.found).sum() / max(there.sum(), 1)
    return "\n".join([*lines, f"found in {100 * share:.2f} % of the stills that show it"])


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("--size", default="960x540")
    words.add_argument("--interval", type=Fraction, default=Fraction(1, 2))
    words.add_argument("--from", dest="start", type=Fraction, default=Fraction(-10))
    words.add_argument("--to", dest="end", type=Fraction, default=Fraction(1000))
    words.add_argument("--noise", type=float, default=0)
    words.add_argument("--shake", type=float, default=0)
    words.add_argument("--points", type=float, nargs="+", default=[300.0])
    words.add_argument("--folder", type=Path)
    given = words.parse_args()
    width, height = map(int, given.size.split("x"))
    usual = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
    name = f"flight-{given.size}-{given.interval.numerator}-{given.interval.denominator}"
    folder = given.folder or usual / f"{name}-{given.start}-{given.end}"
    seen = flight(folder, (width, height), given.interval, given.start, given.end,
                  noise=given.noise, shake=given.shake)  # fmt: skip
    with tempfile.TemporaryDirectory() as nothing:
        os.environ["TIMELAPSE_CACHE"] = nothing
        began = time.perf_counter()
        track = follow(seen.roll.stills, [seen.start(t) for t in given.points])
        spent = time.perf_counter() - began
    print(f"{given.size}, noise {given.noise:g}, shake {given.shake:g}, points {given.points}")
    print(told(track, seen))
    print(f"{1000 * spent / len(seen.roll.stills):.1f} ms a still, {len(seen.roll.stills)} stills")


if __name__ == "__main__":
    main()
