"""Makes the pictures of docs/framing.md from the simulator's stills.

python docs/make_framing_pictures.py
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from timelapse.grade import Focus, Framing, Move, Pose, Size, to_display, to_linear
from timelapse.machine import Buffers
from timelapse.simulate import simulate
from timelapse.times import MissionTime
from timelapse.written import Instant

PICTURES = Path(__file__).parent / "pictures"
STILL = (1200, 800)
SECONDS, RATE = 8, Fraction(25)
NOW = Instant.read("0 s")
_BACK, _INK, _FAINT, _OURS, _ROUNDED = "#ffffff", "#333333", "#dddddd", "#1060c0", "#e08020"
_Picture = NDArray[np.uint8]


def still() -> tuple[_Picture, Focus]:
    """A still of the launch, and where the rocket is in it."""
    with TemporaryDirectory() as folder:
        at = MissionTime(Fraction(150))
        truth: Any = simulate(Path(folder), size=STILL, start=at, end=at + 1, interval=Fraction(1))
        file = next(Path(folder).glob("*.JPG"))
        x, y = truth["stills"][0]["rocket"]
        return np.asarray(Image.open(file)), Focus(x / STILL[0], y / STILL[1])


def side_by_side(pictures: list[_Picture], gap: int = 8) -> Image.Image:
    width = sum(picture.shape[1] for picture in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, max(picture.shape[0] for picture in pictures)), _BACK)
    x = 0
    for picture in pictures:
        sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (x, 0))
        x += picture.shape[1] + gap
    return sheet


def fits(pixels: _Picture) -> Image.Image:
    upright = Size(180, 320)
    framings = [
        Framing(upright, "pad"),
        Framing(upright, "blur"),
        Framing(upright, "crop"),
        Framing(upright, "crop", Focus(0.15, 0.5)),
        Framing(Size(320, 320), "blur", pose=Pose(rotate=-8)),
    ]
    return side_by_side([framing.apply(pixels) for framing in framings])


def move(pixels: _Picture, rocket: Focus) -> Image.Image:
    """A still with what three frames of a move show of it, and these frames."""
    framing = Framing(Size(400, 226), "crop").moving(
        [(Fraction(0), Move(NOW)), (Fraction(SECONDS), Move(NOW, zoom=3, focus=rocket, turn=6.0))],
        RATE,
        STILL,
    )
    assert framing.camera is not None
    picture = to_linear(framing.apply(pixels))
    whole = Image.fromarray(pixels)
    draw, frames = ImageDraw.Draw(whole), []
    ends = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * framing.size - 0.5
    for number in (0, 100, 200):
        corner = framing.place(STILL, np.array([[0, 0], [1, 0], [0, 1]]), np.full(3, number))
        axes = np.stack([corner[1] - corner[0], corner[2] - corner[0]], axis=1)
        on_still = np.linalg.solve(axes, (ends - corner[0]).T).T
        draw.polygon([tuple(at) for at in on_still.tolist()], outline="#ffd000", width=4)
        (view,) = framing.camera.views(number, number + 1)
        frames.append(to_display(view.apply(picture[view.part], Buffers())))
    top = whole.resize((540, 360), Image.Resampling.LANCZOS)
    small = [Image.fromarray(frame).resize((400, 226)) for frame in frames]
    sheet = Image.new("RGB", (540 + 8 + 400, 3 * 226 + 16), _BACK)
    sheet.paste(top, (0, (sheet.height - top.height) // 2))
    for row, frame in enumerate(small):
        sheet.paste(frame, (548, row * 234))
    return sheet


def shake() -> Image.Image:
    """The second difference of a star's place in a slow move: as it is rendered, and as it would be
    if the window kept to whole pixels."""
    size, star = (640, 360), np.array([[700.0, 420.0]])
    keys = [(Fraction(0), Move(NOW)), (Fraction(SECONDS), Move(NOW, zoom=1.15))]
    framing = Framing(Size(*size), "crop").moving(keys, RATE, (1152, 768))
    assert framing.camera is not None
    x, y = np.arange(1152), np.arange(768)[:, None]
    light = np.exp(-((x - star[0, 0]) ** 2 + (y - star[0, 1]) ** 2) / 18) * 60000 + 300
    picture = framing.apply(np.repeat(light.astype(np.uint16)[:, :, None], 3, axis=2))
    places, whole, buffers = [], [], Buffers()
    for number, view in enumerate(framing.camera.views(0, int(SECONDS * RATE) + 1)):
        frame = view.apply(picture[view.part], buffers)[:, :, 0].astype(float) - 300
        told = framing.place((1152, 768), star, np.array([number]))[0, 0]
        columns = np.arange(round(told) - 20, round(told) + 21)
        light = np.maximum(frame[:, columns], 0).sum(0)
        places.append((light @ columns) / light.sum())
        whole.append(round(told))
    width, height, scale = 940, 200, 60.0
    sheet = Image.new("RGB", (width, height), _BACK)
    draw = ImageDraw.Draw(sheet)
    middle = height // 2
    for level in (-1, 0, 1):
        draw.line([(50, middle - level * scale), (width - 10, middle - level * scale)], _FAINT)
        draw.text((6, middle - level * scale - 6), f"{level:+d} px" if level else "0", _INK)
    for values, colour in ((whole, _ROUNDED), (places, _OURS)):
        second = np.diff(np.array(values, float), 2)
        step = (width - 60) / len(second)
        line = [(50 + at * step, middle - v * scale) for at, v in enumerate(second.tolist())]
        draw.line(line, colour, 2)
    draw.text((60, 8), "whole pixels", _ROUNDED)
    draw.text((160, 8), "as rendered", _OURS)
    return sheet


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    pixels, rocket = still()
    fits(pixels).save(PICTURES / "framing-fits.jpg", quality=85)
    move(pixels, rocket).save(PICTURES / "framing-move.jpg", quality=85)
    shake().save(PICTURES / "framing-shake.png", optimize=True)
