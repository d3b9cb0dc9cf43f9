"""Makes the pictures of what grading does, one function each.

python -m docs.make_grade_pictures
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.deflicker import FLICKER, made
from timelapse.grade.curves import curve_plot
from timelapse.grade.flicker import measure
from timelapse.grade.hotpixels import measure as defects
from timelapse.grade.levels import Levels
from timelapse.ingest import Reader, decode, scan
from timelapse.simulate import simulate
from timelapse.times import MissionTime

PICTURES = Path(__file__).parent / "pictures"


def flicker() -> None:
    """A made roll: flicker of 5 percent goes; a flash, a step and a slow dawn stay."""
    _, levels, _ = made(FLICKER, events=True)
    drawing = curve_plot(measure(levels), "A roll before and after deflickering")
    (PICTURES / "flicker.svg").write_text(drawing, encoding="utf-8")


def exposure_ramp() -> None:
    """Dusk: the light falls by six stops in an hour, and the camera follows by thirds of a stop."""
    count = 360
    times = np.linspace(0, 3590, count)
    falls = -6 * (1 - np.cos(np.linspace(0, np.pi, count))) / 2
    opened = np.floor(np.maximum(-falls - 0.6, 0) * 3) / 3
    texture = np.exp(0.6 * np.random.default_rng(7).standard_normal((1, 16, 24, 1)))
    light = 0.12 * texture * 2 ** (falls + opened)[:, None, None, None] * np.ones(3)
    levels = Levels(times, np.minimum(light, 1).astype(np.float32), opened)
    drawing = curve_plot(measure(levels), "Dusk before and after levelling the exposure")
    (PICTURES / "exposure-ramp.svg").write_text(drawing, encoding="utf-8")


def hot_pixels() -> None:
    """A part of a still of the launch before and after its repair."""
    with TemporaryDirectory() as folder:
        times = {"start": MissionTime(Fraction(60)), "end": MissionTime(Fraction(540))}
        simulate(Path(folder), size=(960, 540), interval=Fraction(10), faults=False, **times)
        stills = scan(folder).stills
        repairs = defects(stills).repairs
        with Reader() as reader:
            before = decode(reader, stills[10], stills[10].size)
    after = repairs.apply(before.copy(), stills[10])
    part = np.s_[110:230, 390:540]
    gap = np.full((120, 2, 3), 255, np.uint8)
    both = np.concatenate([before[part], gap, after[part]], axis=1)
    picture = Image.fromarray(both.repeat(4, axis=0).repeat(4, axis=1))
    picture.save(PICTURES / "hot-pixels.png", optimize=True)


def main() -> None:
    for picture in (flicker, exposure_ramp, hot_pixels):
        picture()


if __name__ == "__main__":
    main()
