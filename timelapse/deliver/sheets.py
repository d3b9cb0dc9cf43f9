"""Pictures that show a whole film at once: contact sheets and keograms.

All pixels are RGB, uint8, display light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.ingest import Limits, Pixels, Reader, Still, decode
from timelapse.machine import cores
from timelapse.overlay import Colour, Compositor, Cue, Place, Share, Style, Words
from timelapse.overlay.style import CLEAR
from timelapse.times import CaptureTime

Picture = NDArray[np.uint8]

#: What is around pictures.
BACK = (20, 20, 22)
_NONE = (110, 110, 114)
_INK = Colour(225, 225, 225)
_MARK = (255, 150, 40)
#: Of a sheet's tile, in shares of its width: the line below it, and the space between tiles.
_LINE, _SPACE = Share(1, 12), Share(1, 24)
#: Of a keogram, in shares of its width; a line of text needs so many pixels at least.
_AXIS, _TICK, _LEAST = Share(1, 48), Share(1, 200), 12


def write(room: Picture, words: dict[Place, str], font: str = "mono") -> None:
    """Writes lines into their places in a room (a view of a picture, H x W x 3), with letters half
    as high as it is."""
    style = Style(font, size=Share(1, 2), colour=_INK, outline=Share(0), outline_colour=CLEAR,
                  margin=Share(0))  # fmt: skip
    cues = [Cue(Words(text, style), 0, 1, place) for place, text in words.items() if text]
    drawn = np.ascontiguousarray(room)
    Compositor(cues, (room.shape[1], room.shape[0])).draw(drawn, 0)
    room[...] = drawn


@dataclass(frozen=True)
class Tile:
    """A picture of a sheet, with what stands below it at the left and at the right."""

    picture: Picture
    left: str
    right: str = ""


def tile_width(width: int, columns: int) -> int:
    """How wide the tiles are, in pixels, of a sheet that is about `width` wide; even."""
    return max(16, int(width / (columns * (1 + _SPACE) + _SPACE)) // 2 * 2)


def contact_sheet(tiles: Sequence[Tile], columns: int, title: str = "") -> Picture:
    """Pictures of one size in rows, each with its line of text below, under a title."""
    height, width = tiles[0].picture.shape[:2]
    line, space = _LINE.of(width), _SPACE.of(width)
    across, down = width + space, height + line + space
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    head = 2 * line if title else 0
    size = (head + rows * down + space, columns * across + space, 3)
    sheet = np.full(size, BACK, np.uint8)
    if title:
        room = sheet[space // 2 : head + space // 2, space:-space]
        write(room, {Place.LEFT: title}, "sans-bold")
    for at, tile in enumerate(tiles):
        top = head + space + at // columns * down
        left = space + at % columns * across
        sheet[top : top + height, left : left + width] = tile.picture
        below = sheet[top + height : top + height + line, left : left + width]
        write(below, {Place.LEFT: tile.left, Place.RIGHT: tile.right})
    return sheet


@dataclass(frozen=True)
class Axis:
    """What stands below a keogram: texts evenly from its left to its right end, and marks, which
    are shares of its width."""

    texts: Sequence[str]
    marks: Sequence[Fraction] = ()


class Version(NamedTuple):
    """What a keogram is made of: a name that stands above it, and how a still (by its number) is
    made of what was decoded, which may be changed in place; as it is where not said."""

    name: str = ""
    made: Callable[[int, Pixels], Pixels] | None = None


def keogram(
    stills: Sequence[Still],
    end: CaptureTime,
    size: tuple[int, int],
    *,
    column: Fraction = Fraction(1, 2),
    longest_step: Fraction,
    limits: Limits,
    versions: Sequence[Version] = (Version(),),
    axis: Axis | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Picture, dict[int, str]]:
    """One column of each still side by side, time to the right, from the first still's capture to
    `end`; and the stills that could not be decoded, each with the reason.

    `size` is (width, height) in pixels, without the axis; `column` says which, as a share of the
    stills' width.  A column stands until the next still was taken, and no longer than
    `longest_step` seconds; then there is nothing, which is gray.  Stills are decoded small, and
    only as many as are seen; one is held at a time by each core.  Of several `versions` each has a
    keogram, one below the other.
    """
    width, height = size
    since = np.array([float(still.captured - stills[0].captured) for still in stills])
    span = float(end - stills[0].captured)
    times = (np.arange(width) + 0.5) / width * span
    shown = np.clip(np.searchsorted(since, times, "right") - 1, 0, None)
    empty = times - since[shown] > float(longest_step)
    wanted, which = np.unique(shown, return_inverse=True)
    columns = np.empty((len(versions), len(wanted), height, 3), np.uint8)
    lost: dict[int, str] = {}
    with Reader(limits) as reader, ThreadPoolExecutor(cores()) as pool:
        seen = pool.map(
            lambda at: _columns(reader, stills[at], height, column, at, versions), wanted.tolist()
        )
        for at, found in enumerate(seen):
            if isinstance(found, StillError):
                lost[int(wanted[at])] = found.reason
                empty |= which == at
            else:
                columns[:, at] = found
            if progress:
                progress(at + 1, len(wanted))
    whole = columns[:, which]
    whole[:, empty] = _NONE
    parts = []
    for version, picture in zip(versions, whole, strict=True):
        if version.name:
            parts.append(_headline(version.name, width))
        parts.append(picture.transpose(1, 0, 2))
    if axis:
        parts.append(_scale(axis, width))
    return np.vstack(parts), lost


def _columns(
    reader: Reader,
    still: Still,
    height: int,
    share: Fraction,
    number: int,
    versions: Sequence[Version],
) -> Picture | StillError:
    """A column of each version of a still, `height` pixels high and as wide as a pixel is then: V
    x H x 3."""
    across, down = still.size
    scaled = max(1, round(across * Fraction(height, down)))
    try:
        pixels = decode(reader, still, (scaled, height))
    except StillError as error:
        return error
    made = [v.made(number, pixels.copy()) if v.made else pixels for v in versions]
    return np.stack([_column(each, height, share, scaled) for each in made])


def _column(pixels: Pixels, height: int, share: Fraction, scaled: int) -> Picture:
    import cv2

    wide = pixels.shape[1]
    left = min(int(share * wide), wide - 1)
    part = pixels[:, left : left + max(1, wide // scaled)]
    thin = np.asarray(cv2.resize(part, (1, height), interpolation=cv2.INTER_AREA))[:, 0]
    return (thin // 257 if thin.dtype == np.uint16 else thin).astype(np.uint8)


def _headline(text: str, width: int) -> Picture:
    """A strip with a text."""
    strip = np.full((max(_LEAST, _AXIS.of(width)), width, 3), BACK, np.uint8)
    write(strip[:, _TICK.of(width) :], {Place.LEFT: text}, "sans-bold")
    return strip


def _scale(axis: Axis, width: int) -> Picture:
    """The strip below a keogram."""
    height, tick = max(_LEAST, _AXIS.of(width)), max(2, _TICK.of(width))
    strip = np.full((height + tick, width, 3), BACK, np.uint8)
    last = max(1, len(axis.texts) - 1)
    for at, text in enumerate(axis.texts):
        middle = width * at // last
        reach = width // (2 * last)
        left, right = max(tick, middle - reach), min(width - tick, middle + reach)
        place = Place.LEFT if at == 0 else Place.RIGHT if at == last else Place.CENTER
        write(strip[tick:, left:right], {place: text})
    for share in axis.marks:
        at = min(int(share * width), width - 2)
        strip[:tick, at : at + 2] = _MARK
    return strip
