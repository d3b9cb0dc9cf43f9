"""Makes the rolls: deterministic JPEG stills with EXIF capture times, kept for the next run."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import RollSpec

_MADE_AS = 1  # raise it when the code here makes other stills of the same spec
_FIRST = datetime(2018, 11, 16, 18, 14, 8, tzinfo=UTC)
_SEED = 20181116
Picture = NDArray[np.uint8]

#: Levels of the left half of `ramp` stills, in turn; the right half is two stills ahead.  The pair
#: tells a still from the seven around it, and neighbours are 48 levels apart, so that the time
#: between two stills can be read finely.
RAMP = (32, 80, 128, 176, 224, 176, 128, 80)


@dataclass(frozen=True)
class Roll:
    """Stills on disk: `paths` in capture order, `times` in exact seconds since the first."""

    folder: Path
    paths: tuple[Path, ...]
    times: tuple[Fraction, ...]

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def warm(self) -> None:
        """Reads every still once, so that no pipeline pays for a cold disk."""
        for path in self.paths:
            path.read_bytes()


def make_roll(spec: RollSpec, folder: Path) -> Roll:
    """The roll of a spec below `folder`; made if it is not there, whole, from an earlier run."""
    key = hashlib.sha256(f"{_MADE_AS} {_SEED} {spec}".encode()).hexdigest()[:12]
    home = folder / f"roll-{spec.name}-{key}"
    taken = _taken_at(spec)
    roll = Roll(
        home,
        tuple(home / f"still_{at:05d}.jpg" for at in range(spec.count)),
        tuple(Fraction(ms - taken[0], 1000) for ms in taken),
    )
    if not home.is_dir():
        draft = home.with_name(home.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _write(spec, draft, taken)
        draft.rename(home)
    return roll


def _taken_at(spec: RollSpec) -> list[int]:
    """Capture times in milliseconds since the roll's first second; they rise."""
    random = np.random.default_rng(_SEED)
    jitter = random.integers(-spec.jitter_ms, spec.jitter_ms + 1, spec.count)
    base = spec.jitter_ms + np.arange(spec.count) * int(spec.interval * 1000)
    return [int(ms) for ms in base + jitter]


def _write(spec: RollSpec, folder: Path, taken: list[int]) -> None:
    pictures = _photos(spec) if spec.content == "photo" else _ramps(spec)
    with ThreadPoolExecutor(2) as pool:
        waiting: list[Any] = []
        for at, (picture, ms) in enumerate(zip(pictures, taken, strict=True)):
            path = folder / f"still_{at:05d}.jpg"
            waiting.append(pool.submit(_save, picture, path, ms, spec.quality))
            if len(waiting) > 3:  # a few pictures in memory, not the roll
                waiting.pop(0).result()
        for job in waiting:
            job.result()


def exif_at(taken: datetime) -> Any:
    """EXIF, as Pillow saves it, of a still taken at that instant of UTC, with milliseconds."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Benchmark", "Benchmark camera"
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = taken.strftime("%Y:%m:%d %H:%M:%S")  # DateTimeOriginal
    inner[0x9291] = f"{taken.microsecond // 1000:03d}"  # SubSecTimeOriginal
    inner[0x9011] = "+00:00"  # OffsetTimeOriginal
    return exif


def _save(picture: Picture, path: Path, ms: int, quality: int) -> None:
    from PIL import Image

    exif = exif_at(_FIRST + timedelta(milliseconds=ms))
    # 4:2:2 is what system cameras write
    subsampling = "4:4:4" if quality == 100 else "4:2:2"
    Image.fromarray(picture).save(path, quality=quality, subsampling=subsampling, exif=exif)


# ------------------------------------------------------------------ what is in the stills


def _photos(spec: RollSpec) -> Iterator[Picture]:
    """A landscape that drifts below a still gradient, with lights and fresh grain: RGB uint8."""
    import cv2

    width, height = spec.size
    random = np.random.default_rng(_SEED + 1)
    # The land moves by about a thousandth of the width from still to still, as from an orbit.
    step = max(1, width // 1000)
    reach = step * spec.count
    land = _land(random, width + reach, height + reach // 2)
    slope = np.linspace(0.45, 1.0, height, dtype=np.float32)[:, None, None]
    slack = 64  # the grain is one plate, laid elsewhere for each still
    grain = np.empty((height + slack, width + slack, 3), np.uint8)
    for band in range(0, height + slack, 256):  # in bands: float32 of all would be large
        part = grain[band : band + 256]
        levels = random.standard_normal(part.shape, np.float32) * spec.grain + 128
        part[:] = np.clip(levels, 0, 255).astype(np.uint8)
    shade = np.rint(np.broadcast_to(slope * 255, (height, width, 3))).astype(np.uint8)
    for at in range(spec.count):
        x, y = at * step, at * step // 2
        view = cv2.multiply(land[y : y + height, x : x + width], shade, scale=1 / 255)
        gx, gy = random.integers(0, slack, 2)
        noise = grain[gy : gy + height, gx : gx + width]
        yield np.asarray(cv2.addWeighted(view, 1, noise, 1, -128), np.uint8)


def _land(random: np.random.Generator, width: int, height: int) -> Picture:
    """Fractal texture in earthen colours with a thousand lights, width x height, RGB uint8."""
    import cv2

    relief = np.zeros((height, width), np.float32)
    cells, weight = 6, 1.0
    while cells < width // 2:
        coarse = random.standard_normal((max(2, cells * height // width), cells), np.float32)
        fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.scaleAdd(np.asarray(fine, np.float32), weight, relief, relief)
        cells, weight = cells * 3, weight * 0.55
    low, high = float(relief.min()), float(relief.max())
    levels = ((relief - low) * (255 / (high - low))).astype(np.uint8)
    ramp = np.arange(256, dtype=np.float32)
    tints = np.stack([ramp * 0.75 + 20, ramp * 0.7 + 15, 110 - ramp * 0.15], axis=1)
    colours = np.rint(tints).astype(np.uint8).reshape(256, 1, 3)
    land = np.asarray(cv2.LUT(cv2.merge([levels] * 3), colours.reshape(1, 256, 3)), np.uint8)
    radius = max(1, width // 1600)
    for x, y in zip(random.integers(0, width, 1000), random.integers(0, height, 1000), strict=True):
        cv2.circle(land, (int(x), int(y)), radius, (255, 235, 190), -1, cv2.LINE_AA)
    return land


def _ramps(spec: RollSpec) -> Iterator[Picture]:
    """Grey stills, each half of one level under fresh grain: it spreads the rounding of mixtures
    to 8 bits, so that a half's mean is known to a small part of a level."""
    width, height = spec.size
    random = np.random.default_rng(_SEED + 2)
    right = np.arange(width) >= width // 2
    for at in range(spec.count):
        grain = random.uniform(-8, 8, (height, width))
        levels = np.where(right, RAMP[(at + 2) % len(RAMP)], RAMP[at % len(RAMP)])
        grey = np.rint(levels + grain).astype(np.uint8)
        yield np.repeat(grey[:, :, None], 3, axis=2)
