"""The pipelines: each turns the same job into a film in a process of its own.

A pipeline is one class here and its object in `ALL`.  What it writes before its command runs
(a project file, a list of stills) is not measured: it is what a person would have at hand.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from benchmarks.jobs import Job
from benchmarks.rolls import Roll
from timelapse.deliver import H264, Preset
from timelapse.render.parts import parts_folder

Light = Literal["linear", "display"]
#: Shares of the frame's height, as timelapse's own defaults have them.
_TEXT_SIZE, _MARGIN = Fraction(9, 200), Fraction(1, 20)


@dataclass(frozen=True)
class Task:
    """A job on its roll, and where to put things: `folder` exists and is this pipeline's own."""

    job: Job
    roll: Roll
    folder: Path

    @property
    def film(self) -> Path:
        return self.folder / "film.mp4"

    @property
    def cache(self) -> Path:
        """The folder of this run's caches."""
        return self.folder / "cache"

    @property
    def frames(self) -> int:
        return self.job.frames(self.roll.times)

    @property
    def stays(self) -> list[float]:
        """How many seconds of film each still stands for."""
        ends = [*self.roll.times[1:], self.roll.times[0] + self.length * self.job.speed]
        return [
            float((end - start) / self.job.speed)
            for start, end in zip(self.roll.times, ends, strict=True)
        ]

    @property
    def length(self) -> Fraction:
        return self.job.length(self.roll.times)


class Pipeline(Protocol):
    """`name` is what tables call it, `about` a line for people; `light` is where it blends."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def light(self) -> Light: ...
    def refuses(self, job: Job) -> str:
        """Why it cannot do a job at all; empty where it can."""
        ...

    def command(self, task: Task) -> Sequence[str]:
        """Writes what the run needs into the task's folder and returns the command."""
        ...


# ------------------------------------------------------------------ ours


@dataclass(frozen=True)
class Timelapse:
    """The command line with a project file, as users run it."""

    name: str = "timelapse"
    about: str = "this package: blends in linear light"
    light: Light = "linear"

    def refuses(self, job: Job) -> str:
        return ""

    def command(self, task: Task) -> Sequence[str]:
        project = write_project(task)
        shutil.rmtree(parts_folder(task.film), ignore_errors=True)  # every run is the first
        shutil.rmtree(task.cache, ignore_errors=True)
        render = ["render", str(project), "-o", str(task.film), "--quiet"]
        return [sys.executable, "-m", "timelapse.cli", *render]


def write_project(task: Task) -> Path:
    """The job as a project file (JSON, which YAML contains)."""
    job = task.job
    project: dict[str, Any] = {
        "roll": {"stills": str(task.roll.folder)},
        "schedule": {"speed": f"{job.speed}x"},
        "retime": {"blend": job.blend, "shutter": job.shutter},
        "output": {
            "rate": str(job.rate),
            "size": "{}x{}".format(*job.size),
            "fit": "crop",
            "crf": job.crf,
            "preset": job.preset,
        },
    }
    if job.label:
        project["milestones"] = [
            {
                "at": f"{float(job.label_at)} s",
                "label": job.label,
                "text": "{label}",
                "hold": f"{float(job.label_for)} s",
                "fade": "0 s",
            }
        ]
    path = task.folder / "project.yaml"
    path.write_text(json.dumps(project, indent=1) + "\n", encoding="utf-8")
    return path


# ------------------------------------------------------------------ ffmpeg

_SOURCE = "in_range=pc:in_color_matrix=bt601"
_TARGET = "out_range=tv:out_color_matrix=bt709"
_TAGS = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}


@dataclass(frozen=True)
class Ffmpeg:
    """ffmpeg by someone who knows it: a list of stills with their real durations, a filter that
    blends, text from a file, colours converted and tagged, the film held to its length."""

    blender: Literal["framerate", "minterpolate", "tmix"]
    about: str
    light: Light = "display"

    @property
    def name(self) -> str:
        return f"ffmpeg {self.blender}"

    def refuses(self, job: Job) -> str:
        if self.blender == "tmix" and job.blend != "box":
            return "averages over a shutter; the job blends two stills"
        return ""

    def command(self, task: Task) -> Sequence[str]:
        from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]

        job = task.job
        listing = _write_list(task)
        tags = [word for key, value in _TAGS.items() for word in (f"-{key}", value)]
        return [
            *(get_ffmpeg_exe(), "-nostdin", "-y", "-loglevel", "error"),
            *("-f", "concat", "-safe", "0", "-i", str(listing)),
            *("-vf", ",".join(self._filters(task)), "-t", f"{float(task.length):.6f}"),
            *("-c:v", "libx264", *encoding(job)),
            *("-pix_fmt", "yuv420p", *tags, "-color_range", "tv", "-movflags", "+faststart"),
            str(task.film),
        ]

    def _filters(self, task: Task) -> list[str]:
        job = task.job
        size = "{}:{}".format(*job.size)
        found = [
            f"scale={size}:force_original_aspect_ratio=increase:flags=bilinear:{_SOURCE}:{_TARGET}",
            f"crop={size}",
            "format=yuv420p",
            *self._blend(task),
        ]
        if job.label:
            found.append(_drawtext(task))
        words = ":".join(f"{key}={value}" for key, value in _PARAMETERS.items())
        return [*found, f"setparams={words}"]

    def _blend(self, task: Task) -> list[str]:
        job, rate = task.job, task.job.rate
        if self.blender == "framerate":  # no scene detection, or a flash becomes a cut
            return [f"framerate=fps={rate}:scene=100:interp_start=0:interp_end=255"]
        if self.blender == "minterpolate":
            return [f"minterpolate=fps={rate}:mi_mode=blend:scd=none"]
        # tmix knows counts of frames, not times: an even grid of stills first, then the mean of
        # as many as the shutter is open for, moved to where the shutter opened.
        grid = job.speed / job.roll.interval
        open_for = max(1, round(grid / rate * Fraction(job.shutter, 360)))
        return [
            f"fps={grid}",
            f"tmix=frames={open_for}",
            f"setpts=PTS-{open_for - 1}/({grid})/TB",
            f"fps={rate}:start_time=0",
        ]


def encoding(job: Job) -> list[str]:
    """The encoder's settings, the same for all: those of the package's format."""
    options = H264(crf=job.crf, preset=cast(Preset, job.preset)).options
    return [word for key, value in options.items() for word in (f"-{key}", str(value))]


_PARAMETERS = {"color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"} | {
    "range": "tv"
}


def _write_list(task: Task) -> Path:
    """The stills with their durations for ffmpeg's concat reader.

    Each still is its own input of 100,000 ticks a second: at the reader's usual 25 every instant
    would be rounded to 40 ms.  The last still is named again, or its duration would be dropped;
    and for a second more, or the blends would end two or three frames early: `-t` cuts that off.
    """
    lines = ["ffconcat version 1.0"]
    entries = list(zip(task.roll.paths, task.stays, strict=True))
    for path, stay in entries:
        lines += [f"file {_quoted(path)}", "option framerate 100000", f"duration {stay:.6f}"]
    last = [f"file {_quoted(task.roll.paths[-1])}", "option framerate 100000"]
    lines += [*last, "duration 1", *last]
    listing = task.folder / "stills.ffconcat"
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return listing


def _drawtext(task: Task) -> str:
    job, height = task.job, task.job.size[1]
    text = task.folder / "label.txt"
    text.write_text(job.label, encoding="utf-8")
    size, margin = label_layout(height)
    until = job.label_at + job.label_for - 1 / (2 * job.rate)
    options = {
        "fontfile": _quoted(font_file()),
        "textfile": _quoted(text),
        "expansion": "none",
        "fontsize": size,
        "fontcolor": "white",
        "borderw": max(1, size // 12),
        "bordercolor": "black@0.8",
        "x": margin,
        "y": f"h-{margin}-th",
        "enable": f"'between(t,{float(job.label_at - 1 / (2 * job.rate))},{float(until)})'",
    }
    return "drawtext=" + ":".join(f"{key}={value}" for key, value in options.items())


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def label_layout(height: int) -> tuple[int, int]:
    """The label's letter size and margin in pixels."""
    return round(height * _TEXT_SIZE), round(height * _MARGIN)


def font_file() -> Path:
    """The font that every pipeline's label is set in."""
    with as_file(files("timelapse.overlay") / "fonts" / "NotoSansMerged-Regular.ttf") as path:
        return path


# ------------------------------------------------------------------ children of our own


@dataclass(frozen=True)
class Child:
    """A pipeline that `benchmarks.child` runs in a Python process of its own.

    `part` names it there.  A floor is a share of the work done alone; its times are those that
    the child takes itself, without the start of Python, and it leaves no film to look at.
    """

    name: str
    part: str
    about: str
    light: Light = "display"
    floor: bool = False
    blends: frozenset[str] = field(default=frozenset({"linear", "box"}))

    def refuses(self, job: Job) -> str:
        return "" if job.blend in self.blends else f"has nothing like a {job.blend} blend"

    def command(self, task: Task) -> Sequence[str]:
        write_project(task)
        return child_command(self.part, task)


def child_command(part: str, task: Task) -> list[str]:
    """The command that runs a part of `benchmarks.child` on a task."""
    job = task.job
    words = {
        "stills": [str(path) for path in task.roll.paths],
        "starts": [float(time / job.speed) for time in task.roll.times],
        "stays": task.stays,
        "size": job.size,
        "still_size": job.roll.size,
        "rate": str(job.rate),
        "preset": job.preset,
        "crf": job.crf,
        "encoding": encoding(job),
        "label": job.label,
        "label_at": float(job.label_at),
        "label_for": float(job.label_for),
        "project": str(task.folder / "project.yaml"),
        "raw": str(task.folder.parent / "frames.yuv"),
        "film": str(task.film),
        "result": str(task.folder / "result.json"),
    }
    path = task.folder / "task.json"
    path.write_text(json.dumps(words) + "\n", encoding="utf-8")
    return [sys.executable, "-m", "benchmarks.child", part, str(path)]


ALL: tuple[Pipeline, ...] = (
    Timelapse(),
    Ffmpeg("framerate", "two stills blended by the framerate filter"),
    Ffmpeg("minterpolate", "two stills blended by the minterpolate filter"),
    Ffmpeg("tmix", "an even grid of stills, the mean of several (box jobs)"),
    Child("moviepy", "moviepy", "ImageSequenceClip with durations: repeats stills, no blend"),
    Child(
        "moviepy crossfade",
        "moviepy-crossfade",
        "a clip for each still, each fading in over the one before",
        blends=frozenset({"linear"}),
    ),
    Child("floor: decode", "decode", "simplejpeg alone, at the needed scale", floor=True),
    Child("floor: encode", "encode", "PyAV and x264 alone, from ready frames", floor=True),
)
