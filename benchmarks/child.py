"""Pipelines that are Python: run as ``python -m benchmarks.child PART TASK.json``.

The floors write what they took, counted from after their imports, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

Task = dict[str, Any]


@contextmanager
def _timed(task: Task) -> Iterator[None]:
    began, used = time.monotonic(), os.times()
    yield
    wall, now = time.monotonic() - began, os.times()
    cpu = now.user + now.system - used.user - used.system
    text = json.dumps({"wall_s": wall, "cpu_s": cpu})
    Path(task["result"]).write_text(text + "\n", encoding="utf-8")


# ------------------------------------------------------------------ the floors


def decode(task: Task) -> None:
    """Reads and decodes every still at the smallest power-of-two scale that fills the frame."""
    from concurrent.futures import ThreadPoolExecutor

    import simplejpeg

    width, height = task["size"]
    across, down = task["still_size"]
    cover = max(Fraction(width, across), Fraction(height, down))
    wanted = round(across * cover), round(down * cover)
    scale = next(
        s for s in (8, 4, 2, 1) if s == 1 or (across // s >= wanted[0] and down // s >= wanted[1])
    )
    least = {"min_width": -(-across // scale), "min_height": -(-down // scale)}

    def load(path: str) -> int:
        return len(simplejpeg.decode_jpeg(Path(path).read_bytes(), "RGB", **least))

    with _timed(task), ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(load, task["stills"]):
            pass


def encode(task: Task) -> None:
    """Encodes the job's own frames, ready as raw planes, as a render would: the same segments,
    as many side by side as there are cores, with the same settings."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from timelapse.deliver import H264, Encoder
    from timelapse.render.segment import bounds
    from timelapse.times import Rate

    width, height = task["size"]
    settings = H264(rate=Rate.read(task["rate"]), crf=task["crf"], preset=task["preset"])
    shape = height * 3 // 2, width
    frames = Path(task["raw"]).stat().st_size // (shape[0] * shape[1])

    def part(span: tuple[int, int]) -> None:
        planes = np.empty(shape, np.uint8)
        film = Path(f"{task['film']}.{span[0]}")
        with (
            Path(task["raw"]).open("rb") as raw,
            Encoder(film, (width, height), settings, threads=1) as encoder,
        ):
            raw.seek(span[0] * planes.nbytes)
            for _ in range(*span):
                raw.readinto(planes.data)
                encoder.write(planes)
        film.unlink()

    with _timed(task), ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(part, bounds(frames)):
            pass


def frames(task: Task) -> None:
    """Writes the job's frames as raw YUV: what `encode` starts from.  Not measured."""
    import timelapse
    from timelapse.deliver import Colours

    job = timelapse.load(task["project"]).job()
    colours = Colours(job.framing.size)
    with Path(task["raw"]).open("wb") as raw:
        for frame in timelapse.frames(job):
            raw.write(colours.convert(frame).data)


# ------------------------------------------------------------------ moviepy


def moviepy(task: Task) -> None:
    """What moviepy offers for stills with durations.  It holds each still; nothing is blended."""
    from moviepy import ImageSequenceClip

    _write_film(task, _filled(ImageSequenceClip(task["stills"], durations=task["stays"]), task))


def moviepy_crossfade(task: Task) -> None:
    """Two-tap blending in moviepy: each still fades in over the one before, from its start on."""
    from moviepy import CompositeVideoClip, ImageClip, vfx

    starts, stays = task["starts"], task["stays"]
    clips = []
    for at, (path, start, stay) in enumerate(zip(task["stills"], starts, stays, strict=True)):
        clip = _filled(ImageClip(path), task)
        if at == 0:
            clips.append(clip.with_duration(stay))
            continue
        fade = start - starts[at - 1]
        clip = clip.with_start(starts[at - 1]).with_duration(fade + stay)
        clips.append(clip.with_effects([vfx.CrossFadeIn(fade)]))
    _write_film(task, CompositeVideoClip(clips, size=tuple(task["size"]), bg_color=(0, 0, 0)))


def _filled(clip: Any, task: Task) -> Any:
    """The clip scaled to fill the frame, what stands over cut."""
    width, height = task["size"]
    if tuple(clip.size) == (width, height):
        return clip
    cover = max(width / clip.w, height / clip.h)
    clip = clip.resized((round(clip.w * cover), round(clip.h * cover)))
    return clip.cropped(x_center=clip.w / 2, y_center=clip.h / 2, width=width, height=height)


def _write_film(task: Task, clip: Any) -> None:
    from moviepy import CompositeVideoClip, TextClip

    from benchmarks.pipelines import font_file, label_layout

    height = task["size"][1]
    size, margin = label_layout(height)
    if task["label"]:
        label = TextClip(
            font=str(font_file()),
            text=task["label"],
            font_size=size,
            color="white",
            stroke_color="black",
            stroke_width=max(1, size // 12),
        )
        shown = min(task["label_for"], clip.duration - task["label_at"])
        label = label.with_start(task["label_at"]).with_duration(shown)
        label = label.with_position((margin, height - margin - label.h))
        # A background colour spares it the mask of the whole film, which costs as much again.
        clip = CompositeVideoClip([clip, label], bg_color=(0, 0, 0))
    clip.write_videofile(
        task["film"],
        fps=float(Fraction(task["rate"])),
        codec="libx264",
        preset=task["preset"],
        ffmpeg_params=task["encoding"],
        audio=False,
        logger=None,
    )


_PARTS: dict[str, Callable[[Task], None]] = {
    "decode": decode,
    "encode": encode,
    "frames": frames,
    "moviepy": moviepy,
    "moviepy-crossfade": moviepy_crossfade,
}

if __name__ == "__main__":
    _PARTS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
