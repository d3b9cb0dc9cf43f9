"""How near a film's pictures come to the exact ones.

The exact picture of a frame is made in float: both stills decoded at full size, turned into linear
light, averaged over the area of each pixel, mixed by their capture times, turned back.  No pipeline
does that; the distance says what each one's short cuts and its encoding cost.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import Job
from benchmarks.rolls import Roll

_FRAMES = 8


def quality(film: Path, job: Job, roll: Roll) -> float | None:
    """PSNR in dB, in display light over red, green and blue, of frames spread over the film that
    carry no label; None for jobs whose frames mix more than two stills."""
    if job.blend != "linear":
        return None
    count = job.frames(roll.times)
    shown = range(int(job.label_at * job.rate), int((job.label_at + job.label_for) * job.rate) + 1)
    free = [n for n in range(count) if not (job.label and n in shown)]
    wanted = free[:: max(1, len(free) // _FRAMES)][:_FRAMES]
    errors = [
        float(np.mean((picture.astype(np.float64) - _exact(number, job, roll)) ** 2))
        for number, picture in _pictures(film, set(wanted))
    ]
    return float(10 * np.log10(255**2 / np.mean(errors))) if errors else None


def _pictures(film: Path, wanted: set[int]) -> list[tuple[int, NDArray[np.uint8]]]:
    import av
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    found = []
    with av.open(str(film)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                rgb = frame.reformat(
                    format="rgb24",
                    src_colorspace=Colorspace.ITU709,
                    dst_colorspace=Colorspace.ITU709,
                    src_color_range=ColorRange.MPEG,
                    dst_color_range=ColorRange.JPEG,
                    interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
                )
                found.append((number, rgb.to_ndarray()))
    return found


def _exact(number: int, job: Job, roll: Roll) -> NDArray[Any]:
    at = Fraction(number) / job.rate * job.speed
    before = max(n for n, time in enumerate(roll.times) if time <= at)
    after = min(before + 1, len(roll.times) - 1)
    span = roll.times[after] - roll.times[before]
    share = float((at - roll.times[before]) / span) if span else 0.0
    mixed = (1 - share) * _linear(roll.paths[before], job.size)
    if share:
        mixed += share * _linear(roll.paths[after], job.size)
    return 255 * np.where(mixed <= 0.0031308, mixed * 12.92, 1.055 * mixed ** (1 / 2.4) - 0.055)


def _linear(path: Path, size: tuple[int, int]) -> NDArray[Any]:
    import cv2
    import simplejpeg

    shown = simplejpeg.decode_jpeg(path.read_bytes(), "RGB").astype(np.float32) / 255
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    height, width = light.shape[:2]
    cover = max(size[0] / width, size[1] / height)
    scaled = round(width * cover), round(height * cover)
    light = cv2.resize(light, scaled, interpolation=cv2.INTER_AREA)
    left, top = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return np.asarray(light[top : top + size[1], left : left + size[0]], np.float64)
