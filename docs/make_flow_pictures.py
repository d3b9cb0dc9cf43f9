"""Makes the pictures of the docs that show what `flow` does.

python docs/make_flow_pictures.py      from the top folder of the repository
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.scenes import Light, Scene, night, textured
from timelapse.grade import to_display
from timelapse.machine import Buffers
from timelapse.retime.flow import Blended, Dis

PICTURES = Path(__file__).parent / "pictures"
SIZE = 960, 540
BAND = 26


def panels(scene: Scene, share: float, box: tuple[int, int, int, int], scale: int) -> Image.Image:
    """The same crop (left, top, right, bottom) of five pictures, two a row, named above."""
    before, after = scene.at(0), scene.at(1)
    shown: list[tuple[str, Light]] = [
        ("the still before", before),
        ("the still after", after),
        (f"linear, {share:.0%} of the way", Blended(before, after).at(share, Buffers())),
        (
            f"flow, {share:.0%} of the way",
            Dis().pair(before, after, Buffers()).at(share, Buffers()),
        ),
        ("the truth", scene.at(share)),
    ]
    off = np.abs(to_display(shown[3][1]).astype(int) - to_display(shown[4][1])) * 4
    tiles = [(name, to_display(picture)) for name, picture in shown]
    tiles.append(("flow against the truth, 4 times", np.minimum(off, 255).astype(np.uint8)))
    left, top, right, bottom = box
    width, height = (right - left) * scale, (bottom - top) * scale
    sheet = Image.new("RGB", (2 * width + 4, 3 * (height + BAND)), (24, 24, 24))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (name, picture) in enumerate(tiles):
        x, y = number % 2 * (width + 4), number // 2 * (height + BAND)
        crop = Image.fromarray(np.ascontiguousarray(picture[top:bottom, left:right]))
        sheet.paste(crop.resize((width, height), Image.Resampling.NEAREST), (x, y + BAND))
        draw.text((x + 6, y + 4), name, (235, 235, 235), font)
    return sheet


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    sheets = {
        "flow-things.jpg": panels(textured(SIZE), 0.5, (170, 100, 470, 290), 2),
        "flow-stars.png": panels(night(SIZE, turn=0.004), 0.5, (300, 240, 540, 380), 2),
        "flow-line.png": panels(night(SIZE), 0.5, (200, 270, 440, 410), 2),
    }
    for name, sheet in sheets.items():
        if name.endswith(".jpg"):
            sheet.save(PICTURES / name, quality=85)
        else:
            sheet.quantize(128).save(PICTURES / name, optimize=True)
