"""Our stabilising beside ffmpeg's vidstab: how much do made rolls still shake, in their pixels?

python -m benchmarks.stabilising [FOLDER ...]

Made rolls are shaken by known amounts: their truth tells where each disc of a textured scene, or
each star, ought to be.  Where they are is measured in the pictures that come out.  "Shakes" is
their distance from a smooth movement (the cubic curve through four neighbours); "off" is that from
where they are on the whole, where the camera is to stand (RMS, pixels of the pictures).  FOLDER is
a roll of real stills: what shakes is measured by OpenCV's ECC in the middle of the pictures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from timelapse.grade import Framing, Size
from timelapse.grade.path import Numbers, rms, seen, shaking
from timelapse.grade.register import measure
from timelapse.grade.steady import Stabilise, Steadied, steadied
from timelapse.ingest import Reader, Still, decode, scan
from timelapse.machine import Buffers

COUNT, SIZE = 80, (960, 640)
_SEED, _WORLD, _RADIUS = 20181116, (2400, 1500), 9
Floats = NDArray[np.float64]
Pictures = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Shaken:
    """A kind of roll: what of it shakes (standard deviations in pixels, degrees, shares), how far
    the camera pans meanwhile, and what it takes to steady it."""

    name: str
    settings: Stabilise = Stabilise()
    shift: float = 6.0
    turn: float = 0.0
    scale: float = 0.0
    pan: tuple[float, float] = (0.0, 0.0)
    stars: bool = False

    def onto(self) -> Floats:
        """The matrices that take places in the stills to those of the first."""
        random, numbers = np.random.default_rng(_SEED), Numbers(SIZE)
        reach = np.hypot(*SIZE) / 2
        spread = [self.shift, self.shift, np.radians(self.turn) * reach, self.scale * reach]
        rows = random.normal(0, 1, (COUNT, 4)) * spread
        rows[0] = 0
        rows[:, :2] += np.linspace(0, 1, COUNT)[:, None] * self.pan
        return numbers.matrices(rows)


KINDS = (
    Shaken("translation", Stabilise(model="translation")),
    Shaken("similarity", turn=0.3, scale=0.003),
    Shaken("a pan", turn=0.2, pan=(420, -80)),
    Shaken("stars", Stabilise(lock="stars"), turn=0.2, stars=True),
)


def world(stars: bool) -> tuple[NDArray[np.uint8], Floats]:
    """A scene, larger than the stills, and its discs or stars: K x 2 places from its middle."""
    import cv2

    random = np.random.default_rng(_SEED)
    across, down = _WORLD
    x, y = np.meshgrid(np.arange(-1000, 1001, 100.0), np.arange(-600, 601, 100.0))
    places = np.stack([x.ravel(), y.ravel()], axis=-1) + random.uniform(-25, 25, (x.size, 2))
    light = np.full((down, across), 14, np.float32) if stars else _texture(random)
    for left, top in places + np.array(_WORLD) / 2:
        reach = 3 * _RADIUS
        part = np.s_[int(top) - reach : int(top) + reach, int(left) - reach : int(left) + reach]
        away = np.hypot(*(np.mgrid[part] + 0.5 - np.array([top, left])[:, None, None]))
        spot = (
            220 * np.exp(-((away / 1.6) ** 2) / 2)
            if stars
            else 240 * np.clip(_RADIUS + 0.5 - away, 0, 1)
        )
        light[part] = np.maximum(light[part], spot)
    return cv2.merge([np.rint(light * by).astype(np.uint8) for by in (1, 0.95, 0.9)]), places


def _texture(random: np.random.Generator) -> NDArray[np.float32]:
    import cv2

    light = np.zeros(_WORLD[::-1], np.float32)
    for coarse in (2.0, 6.0, 25.0):
        grain = cv2.GaussianBlur(random.standard_normal((_WORLD[1], _WORLD[0])), (0, 0), coarse)
        light += (grain / grain.std()).astype(np.float32)
    np.clip(60 + 14 * light, 0, 110, out=light)
    return light


def write(folder: Path, scene: NDArray[np.uint8], onto: Floats) -> None:
    """The stills of a roll, with a camera's noise."""
    import cv2

    random = np.random.default_rng(_SEED)
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    x, y = (np.array(_WORLD) - SIZE) / 2
    place = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])
    for number, matrix in enumerate(onto):
        back = half @ place @ matrix @ np.linalg.inv(half)
        still = cv2.warpPerspective(scene, back, SIZE, None, cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        noisy = still + random.normal(0, 2.5, still.shape)
        exif = Image.Exif()
        exif.get_ifd(0x8769)[36867] = f"2018:11:16 18:{number // 60:02}:{number % 60:02}"
        Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(
            folder / f"s{number:03}.jpg", quality=95, subsampling=0, exif=exif
        )


def decoded(stills: Sequence[Still]) -> Pictures:
    with Reader() as reader:
        return [decode(reader, still, still.size) for still in stills]


def ours(stills: Sequence[Still], settings: Stabilise) -> tuple[Steadied, float]:
    """What steadies a roll, and how many seconds it took to find."""
    began = time.perf_counter()
    motion = measure(stills, settings.register())
    steady = steadied(motion, settings, [float(still.captured.seconds) for still in stills])
    return steady, time.perf_counter() - began


def framed(pictures: Pictures, steady: Steadied) -> Pictures:
    height, width = pictures[0].shape[:2]
    framing, buffers = Framing(Size(width // 2 * 2, height // 2 * 2), "crop"), Buffers()
    return [
        framing.apply(
            still, buffers, None, None if steady.idle else steady.of(at), closer=steady.closer
        ).copy()
        for at, still in enumerate(pictures)
    ]


def vidstab(pictures: Pictures, fixed: bool, folder: Path) -> Pictures:
    """What ffmpeg makes of them, in two passes, at the best that it has: held against the first
    one, or smoothed over 30 stills to each side."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    height, width = pictures[0].shape[:2]
    height, width = height // 2 * 2, width // 2 * 2
    data = b"".join(np.ascontiguousarray(each[:height, :width]).tobytes() for each in pictures)
    shape = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *shape, "-i", "-"]
    found = folder / "transforms.trf"
    detect = f"vidstabdetect=shakiness=10:accuracy=15:result={found}"
    detect += ":tripod=1" if fixed else ""
    subprocess.run([*command, "-vf", detect, "-f", "null", "-"], input=data, check=True)
    how = "tripod=1" if fixed else "smoothing=30"
    change = f"format=yuv444p,vidstabtransform=input={found}:{how}:optzoom=1:interpol=bicubic"
    done = subprocess.run(
        [*command, "-vf", f"{change},format=rgb24", "-f", "rawvideo", "-"],
        input=data, capture_output=True, check=True,
    )  # fmt: skip
    return list(np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3))


def spots(picture: NDArray[np.uint8], near: Floats, dark: float) -> Floats:
    """The middles of the discs or stars around some places, K x 2; NaN where one is not whole."""
    found = near.copy()
    for reach in (24, 13):
        along = np.arange(-reach, reach + 1) + 0.5
        for row in np.flatnonzero(np.isfinite(found[:, 0])):
            x, y = (round(at - 0.5) for at in found[row].tolist())
            part = picture[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1, 0]
            light = np.clip(part.astype(float) - dark, 0, None)
            if part.shape != (len(along), len(along)) or light.sum() < 100:
                found[row] = np.nan
                continue
            total = light.sum()
            found[row] = x + light.sum(0) @ along / total, y + light.sum(1) @ along / total
    return found


def told(pictures: Pictures, near: Sequence[Floats], dark: float) -> tuple[float, float]:
    """How far the spots shake, and how far they are off where they are on the whole."""
    tracks = np.array([spots(*each, dark) for each in zip(pictures, near, strict=True)])
    times = np.arange(len(tracks), dtype=float)
    shook = [shaking(track, times) for track in np.moveaxis(tracks, 1, 0)]
    jerks = np.concatenate(shook)
    off = tracks - np.nanmean(tracks, axis=0)
    return rms(jerks[np.isfinite(jerks)]), float(np.sqrt(np.nanmean((off**2).sum(axis=-1))))


def rows(kind: Shaken) -> Iterator[tuple[str, tuple[float, float], float]]:
    """Each tool with how far the spots shake and are off, and by how much it enlarges."""
    scene, places = world(kind.stars)
    onto, dark = kind.onto(), 60.0 if kind.stars else 125.0
    places = places[(np.abs(places) < np.array(SIZE) / 2 + 500).all(axis=1)] + np.array(SIZE) / 2
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), scene, onto)
        stills = scan(folder).stills
        pictures = decoded(stills)
        near = list(seen(np.linalg.inv(onto), places))
        yield "as it was", told(pictures, near, dark), 1.0
        steady, seconds = ours(stills, kind.settings)
        shown = [seen(steady.onto[at : at + 1], each)[0] for at, each in enumerate(near)]
        yield (
            f"timelapse ({seconds:.1f} s)",
            told(framed(pictures, steady), shown, dark),
            steady.closer,
        )
        fixed = not any(kind.pan)
        theirs = vidstab(pictures, fixed, Path(folder))
        yield "vidstab", told(theirs, _followed(theirs, near, dark), dark), float("nan")


def _followed(pictures: Pictures, near: Sequence[Floats], dark: float) -> list[Floats]:
    """About where the spots are in pictures of which nobody tells, from one to the next."""
    places = [spots(pictures[0], near[0], dark)]
    for picture in pictures[1:]:
        places.append(spots(picture, places[-1], dark))
    return places


def real(folder: str) -> Iterator[tuple[str, float]]:
    """How far the pictures of a roll shake, before and after."""
    stills = scan(folder).stills
    pictures = decoded(stills)
    yield "as it was", _ecc(pictures)
    steady, seconds = ours(stills, Stabilise())
    name = "fixed" if steady.fixed else "moving"
    yield f"timelapse, {name} ({seconds:.1f} s)", _ecc(framed(pictures, steady))
    with tempfile.TemporaryDirectory() as place:
        yield "vidstab", _ecc(vidstab(pictures, steady.fixed, Path(place)))


def _ecc(pictures: Pictures) -> float:
    """How far each picture lies over the one before, off a smooth movement (RMS)."""
    import cv2

    height, width = pictures[0].shape[:2]
    share = min(1.0, 960 / width)
    inner = np.s_[height // 10 : -height // 10, width // 10 : -width // 10]
    gray = [
        cv2.resize(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY)[inner], None, fx=share, fy=share,
                   interpolation=cv2.INTER_AREA)
        for each in pictures
    ]  # fmt: skip
    until = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 100, 1e-6
    steps = []
    for one, two in pairwise(gray):
        start = np.eye(2, 3, dtype=np.float32)
        _, onto = cv2.findTransformECC(one, two, start, cv2.MOTION_EUCLIDEAN, until)
        steps.append(onto[:, :2] @ [one.shape[1] / 2, one.shape[0] / 2] + onto[:, 2])
    path = np.cumsum(np.array(steps) - [gray[0].shape[1] / 2, gray[0].shape[0] / 2], axis=0) / share
    return rms(shaking(path, np.arange(len(path), dtype=float)))


def main() -> None:
    for kind in KINDS:
        print(f"\n{kind.name}\n{'':<24} {'shakes':>8} {'off':>8} {'enlarged':>9}")
        for name, (shakes, off), closer in rows(kind):
            off = float("nan") if any(kind.pan) else off
            print(f"{name:<24} {shakes:>8.3f} {off:>8.3f} {closer:>9.3f}", flush=True)
    for folder in sys.argv[1:]:
        print(f"\n{Path(folder).name}\n{'':<32} {'shakes':>8}")
        for name, shakes in real(folder):
            print(f"{name:<32} {shakes:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
