"""Makes the picture of our blends beside ffmpeg's filters.

python -m docs.make_filter_pictures
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.filters import BAND, PACE, STEP, WIDTH, Reading, hole, place, readings
from benchmarks.pipelines import font_file

PICTURE = Path(__file__).parent / "pictures" / "filters.png"
SHOWN = (
    "ours, linear",
    "ours, box of one interval",
    "framerate",
    "minterpolate blend",
    "tmix of 3 frames",
    "framerate, told the times",
)
FRAMES = 150
COLUMN, ROW = 6, 4  # picture pixels for a frame, and for a pixel of the frame
REACH = 11  # pixels of the frame above and below the due place
LIGHT_ROOM, LIGHT_LEVELS = 34, 160  # picture pixels for that many levels, above and below
LABEL, GAP, MARGIN = 24, 10, 12
_BACK, _INK, _FAINT = (255, 255, 255), (30, 30, 30), (225, 225, 225)
_DUE, _TOLD, _HOLE, _DARK, _LIGHT = (
    (255, 255, 0),
    (255, 70, 70),
    (0, 150, 220),
    (40, 60, 140),
    (230, 140, 0),
)


def strip(reading: Reading) -> NDArray[np.uint8]:
    """One column a frame: the bar from below to above the place where it should be."""
    offsets = np.linspace(REACH, -REACH, 2 * REACH * ROW + 1)
    due = reading.tool.due(len(reading.frames))
    middle = (BAND.start + BAND.stop) // 2  # where the bar's slant is nothing
    rows = reading.frames[:, middle - 5 : middle + 5].mean(1)
    strip = np.full((len(offsets), FRAMES), 255, np.uint8)
    for number in reading.numbers:
        at = place(due[number]) + offsets
        strip[:, number] = np.rint(np.interp(at, np.arange(WIDTH), rows[number]))
    return np.repeat(strip, COLUMN, axis=1)


def panel(reading: Reading, missing: float) -> Image.Image:
    """A label, the strip, and below it how far the patch is too light or too dark."""
    grey = strip(reading)
    height, width = grey.shape
    panel = Image.new("RGB", (width, LABEL + height + 2 * LIGHT_ROOM + 7), _BACK)
    draw = ImageDraw.Draw(panel)
    name, _, _, rms, _, _, light, _ = reading.row
    words = f"{name}:  time {rms} ms rms,  light {light} levels rms"
    draw.text((0, 0), words, _INK, ImageFont.truetype(str(font_file()), 16))
    panel.paste(Image.fromarray(grey), (0, LABEL))
    middle, at = LABEL + height // 2, round(missing / STEP * COLUMN)
    for left in range(0, width, 12):
        draw.line([(left, middle), (left + 2, middle)], _DUE)
    draw.line([(at, LABEL), (at, LABEL + height)], _HOLE)
    scale = PACE * ROW  # picture pixels for a second
    for number, error in zip(reading.numbers, reading.time_errors, strict=True):
        left, high = int(number) * COLUMN, middle - round(float(error) * scale)
        draw.line([(left, high), (left + COLUMN - 1, high)], _TOLD, 2)
    base = LABEL + height + LIGHT_ROOM + 3
    draw.rectangle([(0, base - LIGHT_ROOM), (width, base + LIGHT_ROOM)], (246, 246, 246))
    for number, error in zip(reading.numbers, reading.light_errors, strict=True):
        tall = round(float(error) / LIGHT_LEVELS * LIGHT_ROOM)
        left, ends = int(number) * COLUMN, sorted((base, base - tall))
        colour = _LIGHT if error > 0 else _DARK
        draw.rectangle([(left, ends[0]), (left + COLUMN - 2, ends[1])], colour if tall else _FAINT)
    return panel


def sheet() -> Image.Image:
    """The panels under one another, below a legend."""
    panels = [panel(r, hole(roll)) for roll, r in readings() if r.tool.name in SHOWN]
    width, height = panels[0].size
    top = 78
    size = width + 2 * MARGIN, top + len(panels) * (height + GAP)
    sheet = Image.new("RGB", size, _BACK)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(font_file()), 14)
    seconds = f"{REACH / PACE:.1f} s"
    legend = (
        f"A column is a frame. Yellow dots: where the bar is due, {seconds} shown above and below. "
        "Red: the time that the frame tells;",
        "higher is ahead of the schedule. Blue line: the missing still. Below each strip: how much "
        "too light (orange, up) or too dark",
        f"(blue, down) the flickering patch is; full height is {LIGHT_LEVELS} of 255 levels.",
    )
    for number, line in enumerate(legend):
        draw.text((MARGIN, 8 + 20 * number), line, _INK, font)
    for number, one in enumerate(panels):
        sheet.paste(one, (MARGIN, top + number * (height + GAP)))
    return sheet


if __name__ == "__main__":
    sheet().quantize(64, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
