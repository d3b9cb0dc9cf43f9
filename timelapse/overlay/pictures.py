"""Picture files over a frame: logos, watermarks, scales, north arrows."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import TextError
from timelapse.overlay.drawing import Block, Canvas
from timelapse.overlay.glyphs import digest, font_file, font_files, load
from timelapse.overlay.style import Place, Share
from timelapse.overlay.text import Sprite

#: What a picture may be; Pillow knows more, some of it by code with holes.
_FORMATS = ("PNG", "WEBP", "JPEG")
_MOST_PIXELS = 64 << 20


@dataclass(frozen=True)
class Picture:
    """A picture with transparency (PNG, WebP, JPEG, SVG), `height` a share of the canvas's side;
    less where the frame is too narrow for it."""

    path: Path
    height: Share
    edge: Share = Share(1, 20)

    @property
    def words(self) -> str:
        return self.path.name

    def margin(self, side: int) -> int:
        return self.edge.of(side)

    def lay(self, canvas: Canvas, place: Place) -> Pictured:
        across, down = shape_of(self.path)
        room = canvas.room(self.margin(canvas.side))
        height = max(1, min(self.height.of(canvas.side), room[1]))
        width = max(1, round(height * Fraction(across, down)))
        if width > room[0]:
            width, height = room[0], max(1, round(room[0] * Fraction(down, across)))
        return Pictured(self.path, width, height)

    def on(self, frame: int, laid: Block, canvas: Canvas, place: Place) -> Block:
        return laid


@dataclass(frozen=True)
class Pictured:
    """A picture file at a size in pixels."""

    path: Path
    width: int
    height: int
    bleed: int = 0

    def key(self) -> str:
        return repr((digest(self.path), self.width, self.height))

    def paint(self) -> Sprite:
        return _sprite(self.path, self.width, self.height)


@lru_cache(maxsize=16)
def shape_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture, in pixels of its own; TextError where it cannot be drawn."""
    pixels = _pixels(path)
    return pixels.shape[1], pixels.shape[0]


@lru_cache(maxsize=16)
def _sprite(path: Path, width: int, height: int) -> Sprite:
    import cv2

    vector = path.suffix.lower() in (".svg", ".svgz")
    pixels = _pixels(path, width, height) if vector else _pixels(path)
    share = pixels[..., 3:].astype(np.float32) / 255
    mixed = np.concatenate([pixels[..., :3] * share, pixels[..., 3:]], axis=2, dtype=np.float32)
    if mixed.shape[:2] != (height, width):
        shrinks = mixed.shape[0] > height
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        mixed = np.asarray(cv2.resize(mixed, (width, height), interpolation=how))
    alpha = np.clip(np.rint(mixed[..., 3]), 0, 255)
    rgb = np.clip(np.rint(mixed[..., :3]), 0, alpha[..., None])
    return Sprite(rgb.astype(np.uint8), alpha.astype(np.uint8))


def _pixels(path: Path, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
    """RGBA, straight alpha; an SVG at the size that is asked for, or its own."""
    from PIL import Image

    try:
        if path.suffix.lower() in (".svg", ".svgz"):
            import resvg_py

            # No fonts of this machine: the same picture everywhere.
            named = ("sans", "sans-bold", "mono")
            sans, _, mono = (str(load(font_file(name), 16).getname()[0]) for name in named)
            data = resvg_py.svg_to_bytes(
                svg_path=str(path),
                width=width,
                height=height,
                skip_system_fonts=True,
                font_files=[str(font) for name in named for font in font_files(name)],
                font_family=sans,
                serif_family=sans,
                sans_serif_family=sans,
                monospace_family=mono,
            )
        else:
            data = path.read_bytes()
        with Image.open(io.BytesIO(bytes(data)), formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise TextError(f"{path}: {picture.width}x{picture.height} is too large for this")
            return np.asarray(picture.convert("RGBA"))
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, TextError):
            raise
        why = getattr(error, "strerror", None) or error
        raise TextError(f"{path}: no picture that can be drawn: {why}") from error
