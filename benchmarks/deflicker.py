"""Our deflicker beside ffmpeg's filter: what goes, and what stays?

python -m benchmarks.deflicker [FOLDER]

A made roll flickers by 5 percent while its texture drifts, a bright thing crosses it, and it slowly
dawns.  Another one does not flicker, but a flash adds light to two stills, and once the
light steps up by a quarter: both are to stay.  What is true is known.  FOLDER is a roll of real
stills, where only the noise from still to still can be told.  The simulated night is so dark that
half of it is below a hundredth of white, over a black that does not flicker.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.flicker import measure
from timelapse.grade.levels import Levels, levels_of
from timelapse.grade.light import lit
from timelapse.grade.smooth import smoother
from timelapse.ingest import scan
from timelapse.ingest.look import LUMINANCE, look, measured
from timelapse.simulate.camera import Camera
from timelapse.srgb import linear_of, shown_of

COUNT, WIDTH, HEIGHT = 240, 192, 128
NIGHT = (480, 270)
FLICKER, FLASH, STEP = 0.05, (80, 81), 160
#: How far ffmpeg's filter looks: its own choice, and about half as far as ours of 15 s.
SIZES = (5, 15)
_SEED = 20181116
Floats = NDArray[np.float64]
Stills = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Noise:
    """`share` is what is left of the changes from still to still beside the true ones; `drift` how
    far the smooth curve is from the true one at worst."""

    share: float
    drift: float


def made(flicker: float, events: bool) -> tuple[Stills, Levels, Floats]:
    """The stills of a roll, their levels, and their true curve."""
    random = np.random.default_rng(_SEED)
    texture = _texture(random)
    truth, stills = [], []
    stray = 0.15 * np.exp(-(((np.arange(WIDTH) - 60) / 70) ** 2))[None, :, None]
    for at in range(COUNT):
        light = texture[:, at // 2 : at // 2 + WIDTH, None] * [0.16, 0.145, 0.12]
        light = light * np.exp(0.002 * at) * (1.25 if events and at >= STEP else 1)
        x = int(1.4 * at) % (WIDTH - 16)
        light[50:66, x : x + 16] = 0.7
        truth.append(light + stray if events and at in FLASH else light)
    for light, factor in zip(truth, random.normal(0, flicker, COUNT), strict=True):
        shown = shown_of(np.clip(light * np.exp(factor), 0, 1)) * 255
        stills.append(np.rint(shown).astype(np.uint8))
    times = np.arange(COUNT) + random.uniform(-0.2, 0.2, COUNT)
    patches = [measured(still, (WIDTH, HEIGHT))["patches"] for still in stills]
    levels = Levels(times - times[0], np.array(patches, np.float32), np.full(COUNT, np.nan))
    return stills, levels, np.array([_mean(light) for light in truth])


def _texture(random: np.random.Generator) -> Floats:
    import cv2

    size = (WIDTH + COUNT // 2 + 1, HEIGHT)
    coarse, fine = (
        cv2.resize(
            random.uniform(-1, 1, (HEIGHT // n + 2, size[0] // n + 2)),
            size,
            interpolation=cv2.INTER_CUBIC,
        )
        for n in (24, 7)
    )
    texture: Floats = np.exp(0.8 * coarse + 0.4 * fine)
    return texture


def night(flicker: float) -> tuple[Stills, Levels, Floats]:
    """The same of the simulated launch, late in it: city lights pass, and the rocket burns."""
    random, camera = np.random.default_rng(_SEED), Camera(NIGHT, _SEED)
    seconds = 400 + np.arange(COUNT) / 2
    factors = np.exp(random.normal(0, flicker, COUNT))
    stills, clean = (
        [
            camera.expose(float(t), at, float(by))
            for at, (t, by) in enumerate(zip(seconds, gains, strict=True))
        ]
        for gains in (factors, np.ones(COUNT))
    )
    patches = [measured(still, NIGHT)["patches"] for still in stills]
    levels = Levels(seconds - 400, np.array(patches, np.float32), np.full(COUNT, np.nan))
    return stills, levels, np.array([_mean(_light(still)) for still in clean])


def ours(stills: Stills, levels: Levels) -> Floats:
    """The curve of our stills: the logarithm of their mean luminance."""
    gains = measure(levels)
    bent = gains.shoulder, gains.black
    return np.array(
        [
            _mean(np.stack([lit(light[..., c], by[c], *bent) for c in range(3)], axis=-1))
            for light, by in zip(map(_light, stills), gains.gains, strict=True)
        ]
    )


def ffmpeg(stills: Stills, mode: str, size: int) -> Floats:
    """The curve of what ffmpeg's deflicker makes of the stills."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    height, width = stills[0].shape[:2]
    shape = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    filters = f"format=yuv444p,deflicker=mode={mode}:size={size},format=rgb24"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *shape, "-i", "-"]
    done = subprocess.run(
        [*command, "-vf", filters, "-f", "rawvideo", "-"],
        input=b"".join(still.tobytes() for still in stills),
        capture_output=True,
        check=True,
    )
    frames = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    return np.array([_mean(_light(frame)) for frame in frames])


def _light(still: NDArray[np.uint8]) -> Floats:
    light: Floats = linear_of(still / 255)
    return light


def _mean(light: Floats) -> float:
    return float(np.log(max(float((light @ LUMINANCE).mean()), 1e-6)))


def tools(stills: Stills, levels: Levels) -> Iterator[tuple[str, Floats]]:
    """Each tool, and the curve of what it makes of the stills."""
    yield "as it was", np.array([_mean(_light(still)) for still in stills])
    yield "timelapse", ours(stills, levels)
    for mode in ("pm", "am"):
        for size in SIZES:
            yield f"deflicker {mode}, {size}", ffmpeg(stills, mode, size)


def noise(stills: Stills, levels: Levels, truth: Floats | None) -> Iterator[tuple[str, Noise]]:
    """What each tool leaves; without a truth, that is the smooth curve of the stills."""
    every = np.ones(len(stills)), np.zeros(len(stills), np.int64)
    smooth = smoother(levels.times, 8.5 * float(np.median(np.diff(levels.times))), *every)
    was = 0.0
    for name, curve in tools(stills, levels):
        if truth is None:
            truth = smooth @ curve
        left = float(np.diff(curve - truth).std())
        was = was or left
        yield name, Noise(left / was, float(np.abs(smooth @ (curve - truth)).max()))


def _flash(curve: Floats) -> float:
    around = [*range(FLASH[0] - 6, FLASH[0]), *range(FLASH[-1] + 1, FLASH[-1] + 7)]
    return float(np.expm1(curve[list(FLASH)].mean() - curve[around].mean()))


def _step(curve: Floats) -> float:
    return float(np.expm1(curve[STEP : STEP + 15].mean() - curve[STEP - 15 : STEP].mean()))


def main() -> None:
    rolls = {"a made roll": made(FLICKER, events=False), "the simulated night": night(FLICKER)}
    for what, roll in rolls.items():
        print(f"\n{what}, {FLICKER:.0%} of flicker\n{'':<20} {'noise left':>10} {'drift':>8}")
        for name, left in noise(*roll):
            print(f"{name:<20} {left.share:>10.1%} {left.drift:>8.1%}")
    stills, levels, truth = made(0, events=True)
    print(f"\none with a flash and a step\n{'':<20} {'flash':>10} {'step':>8}")
    for name, curve in tools(stills, levels):
        flash, step = _flash(curve) / _flash(truth), _step(curve) / _step(truth)
        print(f"{name:<20} {flash:>10.1%} {step:>8.1%}")
    for folder in sys.argv[1:]:
        scanned = scan(folder)
        real = [_read(Path(still.file.path)) for still in scanned.stills]
        print(
            f"\n{Path(folder).name}, {len(real)} stills\n{'':<20} {'noise left':>10} {'drift':>8}"
        )
        for name, left in noise(real, levels_of(scanned.stills, look(scanned).rows), None):
            print(f"{name:<20} {left.share:>10.1%} {left.drift:>8.1%}")


def _read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


if __name__ == "__main__":
    main()
