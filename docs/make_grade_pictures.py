"""Makes the pictures of what grading does, one function each.

python -m docs.make_grade_pictures
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.deflicker import FLICKER, made
from timelapse.grade.curves import curve_plot
from timelapse.grade.flicker import measure
from timelapse.grade.levels import Levels

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


def main() -> None:
    for picture in (flicker, exposure_ramp):
        picture()


if __name__ == "__main__":
    main()
