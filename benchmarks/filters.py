"""Our blends beside ffmpeg's filters: when is what shown, and how light?

python -m benchmarks.filters

A small roll is taken about once a second, up to 0.25 s off the beat; once the camera does not fire.
A bar moves evenly in real time, so that its place in a frame tells the capture time that the
frame shows.  A patch flickers, so that its light tells how stills were mixed.  All frames are
looked at before any encoder.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.pipelines import Light
from benchmarks.rolls import Roll, exif_at
from timelapse.srgb import linear_of, shown_of

SPEED, RATE = 10, 25
#: Mission seconds from one frame to the next.
STEP = SPEED / RATE
WIDTH, HEIGHT = 320, 180
BAND = slice(0, 120)  # the rows that the bar crosses
_PATCH = slice(130, 170), slice(40, 88)
PACE = 5.0  # pixels that the bar moves in a second
_STARTS_AT = 10.0
_COUNT, _NOT_TAKEN, _JITTER_MS = 60, 30, 250
_SLANT, _SPREAD = 2.0, 1.5  # pixels; the slant spreads the rounding to 8 bits
_FIRST = datetime(2018, 11, 16, 18, 14, 8, tzinfo=UTC)
_SEED = 20181116
_TMIX = 3  # frames; a still lasts for two and a half
Array = NDArray[np.float64]
Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Tool:
    """One way to make the frames, each H x W, grey, in display light.

    `window` is the mission time that a frame is the mean of, from its own instant on; both ends
    are the same where it shows that instant.  `light` is where stills are mixed.
    """

    name: str
    light: Light
    window: tuple[float, float]
    make: Callable[[Roll, Path], Frames]

    def due(self, count: int) -> Array:
        """The mission times that the first frames should show: the middles of their windows."""
        return np.asarray(np.arange(count) * STEP + sum(self.window) / 2, np.float64)


@dataclass(frozen=True)
class Reading:
    """What a tool's frames show.  Times are seconds from the first still, light is in display
    levels of 255; frames that are due before the first still or after the last are left out."""

    tool: Tool
    frames: Frames
    numbers: NDArray[np.int64]
    time_errors: Array
    light_errors: Array

    @property
    def row(self) -> list[str]:
        late, light = self.time_errors * 1000, self.light_errors
        return [
            self.tool.name,
            str(len(self.frames)),
            *(_figure(value) for value in (late.mean(), _rms(late), np.abs(late).max())),
            *(_figure(value) for value in (light.mean(), _rms(light), np.abs(light).max())),
        ]


HEADER = ["tool", "frames", "time: mean ms", "rms", "max", "light: mean levels", "rms", "max"]


# ------------------------------------------------------------------ the roll


def make_roll(folder: Path) -> Roll:
    """The stills as PNG files with EXIF times; the files are numbered without a hole."""
    random = np.random.default_rng(_SEED)
    late = random.integers(-_JITTER_MS, _JITTER_MS + 1, _COUNT)
    late[0] = 0  # or whoever counts stills is off by that from the start
    taken = [1000 * n + int(late[n]) for n in range(_COUNT) if n != _NOT_TAKEN]
    times = tuple(Fraction(ms - taken[0], 1000) for ms in taken)
    levels = random.integers(20, 241, len(times))
    paths = tuple(folder / f"still_{at:05d}.png" for at in range(len(times)))
    for path, time, level in zip(paths, times, levels, strict=True):
        _save(_picture(float(time), int(level)), path, time)
    return Roll(folder, paths, times)


def hole(roll: Roll) -> float:
    """The mission time in the middle of the hole where a still is missing."""
    times = [float(time) for time in roll.times]
    before, after = max(pairwise(times), key=lambda pair: pair[1] - pair[0])
    return (before + after) / 2


def place(time: float) -> float:
    """Where the bar is at a mission time, in pixels."""
    return _STARTS_AT + PACE * time


def _picture(time: float, level: int) -> Frames:
    picture = np.zeros((HEIGHT, WIDTH))
    rows, columns = np.mgrid[BAND, 0:WIDTH]
    slant = _SLANT * (rows / (BAND.stop - 1) - 0.5)
    picture[BAND] = 250 * np.exp(-(((columns - place(time) - slant) / _SPREAD) ** 2) / 2)
    picture[_PATCH] = level
    return np.rint(picture).astype(np.uint8)


def _save(grey: Frames, path: Path, time: Fraction) -> None:
    from PIL import Image

    exif = exif_at(_FIRST + timedelta(milliseconds=int(time * 1000)))
    Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).save(path, exif=exif)


# ------------------------------------------------------------------ the tools


def _ours(**retime: str | int) -> Callable[[Roll, Path], Frames]:
    def make(roll: Roll, folder: Path) -> Frames:
        from timelapse import load
        from timelapse.render import frames

        project = {
            "roll": {"stills": str(roll.folder)},
            "schedule": {"speed": f"{SPEED}x"},
            "retime": retime,
            "output": {"rate": RATE, "size": f"{WIDTH}x{HEIGHT}"},
        }
        path = folder / "project.yaml"  # JSON, which YAML contains
        path.write_text(json.dumps(project) + "\n", encoding="utf-8")
        return np.stack([frame[:, :, 1].copy() for frame in frames(load(path).job())])

    return make


def _ffmpeg(filters: str, *, told_times: bool = False) -> Callable[[Roll, Path], Frames]:
    """File k is frame k, ten a second; or a list of the stills with their real durations."""

    def make(roll: Roll, folder: Path) -> Frames:
        from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]

        if told_times:
            source = ["-f", "concat", "-safe", "0", "-i", str(_listing(roll, folder))]
        else:
            source = ["-framerate", str(SPEED), "-i", str(roll.folder / "still_%05d.png")]
        command = [get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", *source, "-vf", filters]
        output = ["-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
        done = subprocess.run([*command, *output], check=True, stdout=subprocess.PIPE)
        shown = np.frombuffer(done.stdout, np.uint8)
        return shown.reshape(-1, HEIGHT, WIDTH, 3)[..., 1].copy()

    return make


def _listing(roll: Roll, folder: Path) -> Path:
    """The stills and how long each stays, in ticks fine enough not to round to 40 ms; the last is
    named again, or its duration would be dropped."""
    lines = ["ffconcat version 1.0"]
    stays = [float((b - a) / SPEED) for a, b in pairwise(roll.times)]
    for path, stay in zip(roll.paths, [*stays, 1 / SPEED], strict=True):
        lines += [f"file '{path}'", "option framerate 100000", f"duration {stay:.6f}"]
    lines += [f"file '{roll.paths[-1]}'", "option framerate 100000"]
    path = folder / "stills.ffconcat"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


_INTERVAL = 1.0
TOOLS = (
    Tool("ours, linear", "linear", (0, 0), _ours(blend="linear")),
    Tool(
        "ours, box of one interval",
        "linear",
        (0, _INTERVAL),
        _ours(blend="box", shutter=round(360 * _INTERVAL / STEP)),
    ),
    Tool("framerate", "display", (0, 0), _ffmpeg(f"framerate=fps={RATE}")),
    Tool(
        "minterpolate blend", "display", (0, 0), _ffmpeg(f"minterpolate=fps={RATE}:mi_mode=blend")
    ),
    Tool(
        f"tmix of {_TMIX} frames",
        "display",
        ((1 - _TMIX) * STEP, STEP),
        _ffmpeg(f"fps={RATE},tmix=frames={_TMIX}"),
    ),
    Tool(
        "framerate, told the times",
        "display",
        (0, 0),
        _ffmpeg(f"framerate=fps={RATE}:scene=100:interp_start=0:interp_end=255", told_times=True),
    ),
    Tool(
        "minterpolate, told the times",
        "display",
        (0, 0),
        _ffmpeg(f"minterpolate=fps={RATE}:mi_mode=blend:scd=none", told_times=True),
    ),
    Tool(
        f"tmix of {_TMIX} frames, told the times",
        "display",
        ((1 - _TMIX) * STEP, STEP),
        _ffmpeg(f"fps={RATE},tmix=frames={_TMIX}", told_times=True),
    ),
)


# ------------------------------------------------------------------ what frames show


def readings() -> Iterator[tuple[Roll, Reading]]:
    """Every tool on the same roll, in turn."""
    with TemporaryDirectory() as made:
        home = Path(made) / "roll"
        home.mkdir()
        roll = make_roll(home)
        for tool in TOOLS:
            yield roll, read(tool, tool.make(roll, Path(made)), roll)


def read(tool: Tool, frames: Frames, roll: Roll) -> Reading:
    """Holds a tool's frames against the roll.

    The place of the bar is read in the light in which the tool mixes, where the place of a mix
    is the mean of the places by the stills' shares: so the time is the tool's own, and what
    mixing in display light does shows in the patch alone.
    """
    times = np.array([float(time) for time in roll.times])
    stills = np.stack(list(_pictures(roll)))
    due = tool.due(len(frames))
    numbers = np.flatnonzero((due >= 0) & (due <= times[-1]))
    told = np.interp(_places(frames[numbers], tool.light), _places(stills, tool.light), times)
    lit = linear_of(stills[:, *_PATCH].mean((1, 2)) / 255)
    exact = 255 * shown_of(
        _shares(times, np.asarray(numbers * STEP, np.float64), tool.window) @ lit
    )
    light = frames[numbers][:, *_PATCH].mean((1, 2))
    return Reading(tool, frames, numbers, told - due[numbers], light - exact)


def _pictures(roll: Roll) -> Iterator[Frames]:
    from PIL import Image

    for path in roll.paths:
        with Image.open(path) as picture:
            yield np.asarray(picture.convert("L"))


def _places(frames: Frames, light: Light) -> Array:
    """The centre of what is lit in the bar's band, in pixels."""
    shown = frames[:, BAND] / 255
    weights = (linear_of(shown) if light == "linear" else shown).sum(1)
    return np.asarray(weights @ np.arange(WIDTH) / weights.sum(1), np.float64)


def _shares(times: Array, at: Array, window: tuple[float, float]) -> Array:
    """How much of each still the exact mean has, frame by still.

    At an instant, the stills before and after it by their distance in time; over a window, each
    for as long as it is the nearest one.
    """
    opens, closes = window
    if opens == closes:
        return np.stack([np.interp(at + opens, times, one) for one in np.eye(len(times))], axis=1)
    middles = np.concatenate([[-np.inf], (times[1:] + times[:-1]) / 2, [np.inf]])
    starts = np.maximum(middles[None, :-1], at[:, None] + opens)
    ends = np.minimum(middles[None, 1:], at[:, None] + closes)
    return np.asarray(np.maximum(ends - starts, 0) / (closes - opens), np.float64)


def _figure(value: float) -> str:
    rounded = round(value) if abs(value) >= 100 else round(value, 1)
    return str(rounded or 0)  # no -0.0


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def main() -> None:
    print("mission time: a frame is 400 ms; light: levels of 255; frames are not encoded")
    rows = [HEADER, *(reading.row for _, reading in readings())]
    for at, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if not at:
            print("|" + " --- |" * len(row))


if __name__ == "__main__":
    main()
