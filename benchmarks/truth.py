"""When is what shown?  The time that each frame of a film shows, read from its brightness.

The stills of a `ramp` roll have two halves whose brightness tells which still it is.  A frame
that mixes two stills has brightnesses between theirs; means are proportional to the shares if
they are taken in the light in which the mixing was done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import Job
from benchmarks.pipelines import Light
from benchmarks.rolls import RAMP, Roll

_EDGE = 8  # columns at the rim of a half that the codec may have smeared
_FULL_RANGE = 2  # ITU-T H.273 by way of PyAV
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Timing:
    """How far the shown mission time is from the exact schedule, over `frames` frames, in
    milliseconds of mission time.  Errors of four stills and more cannot be told from smaller."""

    rms_ms: float
    max_ms: float
    mean_ms: float
    frames: int


def timing(film: Path, job: Job, roll: Roll, light: Light) -> Timing:
    """Holds a film of a `ramp` roll against the job's schedule."""
    times = np.array([float(time) for time in roll.times])
    knots = np.array([_halves(grey / 255, light) for grey in _stills(roll)])
    count = job.frames(roll.times)
    errors = []
    for number, levels in enumerate(_lumas(film)):
        if number >= count:  # what is too many is counted elsewhere
            break
        wanted = min(float(number / job.rate * job.speed), times[-1])
        errors.append(_shown(_halves(levels, light), wanted, times, knots) - wanted)
    off = np.array(errors) * 1000
    return Timing(
        float(np.sqrt(np.mean(off**2))), float(np.abs(off).max()), float(off.mean()), len(off)
    )


def _shown(halves: Array, near: float, times: Array, knots: Array) -> float:
    """The time shown: the nearest point of the line through the stills, not far from `near`."""
    at, reach = int(np.searchsorted(times, near, "right")) - 1, len(RAMP) // 2
    first, last = max(0, at - reach), min(len(times) - 1, at + reach)
    start, along = knots[first:last], np.diff(knots[first : last + 1], axis=0)
    share = np.clip(((halves - start) * along).sum(1) / (along**2).sum(1), 0, 1)
    away = np.linalg.norm(start + share[:, None] * along - halves, axis=1)
    best = int(np.argmin(away))
    step = times[first + best + 1] - times[first + best]
    return float(times[first + best] + share[best] * step)


def _halves(display: Array, light: Light) -> Array:
    """The mean of the left and of the right half of a picture in display light (0 to 1)."""
    if light == "linear":  # IEC 61966-2-1
        shown = np.clip(display, 0, 1)
        display = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    half = display.shape[1] // 2
    left, right = display[:, _EDGE : half - _EDGE], display[:, half + _EDGE : 2 * half - _EDGE]
    return np.array([left.mean(), right.mean()])


def _stills(roll: Roll) -> Iterator[Array]:
    from PIL import Image

    for path in roll.paths:
        with Image.open(path) as picture:
            yield np.asarray(picture.convert("L"), np.float64)


def _lumas(film: Path) -> Iterator[Array]:
    """The frames' brightness in display light, 0 to 1, by the range that the film states
    (limited where it states none)."""
    import av

    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            luma = rows[: frame.height, : frame.width].astype(np.float64)
            full = int(frame.color_range) == _FULL_RANGE
            yield luma / 255 if full else (luma - 16) / 219
