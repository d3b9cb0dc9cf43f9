"""What stands out in the same place of many stills: the candidates for defects of the sensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
#: What one still can add to the mean, in levels of 255: a star or a lamp counts no more.
CLIP = 24
#: How far a candidate stands out of the mean of the stills, and how it does against the spread of
#: that mean around it (a square of `_AROUND` pixels, in which what is larger than `_USUAL` counts
#: no more).
_OUT, _SPREAD, _AROUND, _USUAL = 1.0, 2.75, 15, 2.5
#: Around what stands out so far, in its block of a JPEG, a halo is looked for, from so much on.
_STRONG, _HALO = 6.0, 0.7
#: Pixels of a side of the tiles in which the picture is asked whether it moves.
_TILE = 64
#: What is to be seen stands out so far, in levels and in standard deviations of the noise.
_SEEN, _NOISE = 10, 6.0
#: A tile stands still where this share of its detail is in every still; else it moves where this
#: share of its pixels is seen in a few stills only, or where its detail has this variance and is
#: larger than this share of the noise.  Of all tiles that show anything this share has to move.
_STILL, _MOVES, _SHOWS, _GRAIN, _ENOUGH = 0.25, 0.0006, 2.0, 0.6, 0.15
#: Detail is what is left of a picture of half the size without a mean over so many pixels.
_DETAIL = 7
#: Rows that are worked on at once, of the sum of all stills and of one.
_BAND, _FEW = 512, 64
#: The channel that most of the light is in.
_GREEN = 1


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pixels that may be defects, by their `places` in the flattened still (K, int64).

    `mean` (K x 3, float32) is how far each stands out of its surroundings in the mean of those that
    were `seen`.  `fixed` is
    the share of the picture where the scene stays in place and nothing is looked for; `still`
    whether it does so on the whole.
    """

    places: NDArray[np.int64]
    mean: NDArray[np.float32]
    seen: int = 1
    fixed: float = 0.0
    still: bool = False

    def part(self, chosen: NDArray[np.bool_]) -> Candidates:
        return replace(self, places=self.places[chosen], mean=self.mean[chosen])


class Votes:
    """Takes stills of one size, and finds what stays in its place; memory: eight bytes a pixel."""

    def __init__(self, size: Size, block: Size = (8, 8)) -> None:
        """`block` is the (width, height) over which a JPEG of these stills spreads a pixel."""
        width, height = size
        self._block = block
        self.count = 0
        self._sum = np.zeros((height, width, 3), np.int16)
        self._seen = np.zeros((height, width), np.uint8)
        self._noise, self._threshold = 0.0, 0
        self._tiles = max(2, width // _TILE), max(2, height // _TILE)
        self._detail = np.zeros((-(-height // 2), -(-width // 2)), np.float32)
        self._power = np.zeros(self._tiles[::-1], np.float32)

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Another still, H x W x 3, uint8, RGB; not changed."""
        import cv2

        middles = np.empty(self._seen.shape, np.uint8)
        if not self.count:
            sample = np.sort(self._sample(pixels))
            self._noise = 1.4826 * float(sample[sample.size // 2])
            self._threshold = round(max(_SEEN, _NOISE * self._noise))
        for rows, band, middle in _surroundings(pixels):
            green = cv2.extractChannel(middle, _GREEN, middles[rows])
            apart = cv2.absdiff(cv2.extractChannel(band, _GREEN), green)
            cv2.threshold(apart, self._threshold, 1, cv2.THRESH_BINARY, apart)
            seen, total = self._seen[rows], self._sum[rows]
            cv2.add(seen, apart, seen)
            signed = cv2.subtract(band, middle, dtype=cv2.CV_8S)
            cv2.add(total, np.clip(signed, -CLIP, CLIP, out=signed), total, dtype=cv2.CV_16S)
        self._add_detail(middles)
        self.count += 1

    @staticmethod
    def _sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """How far some pixels of a still, spread over it, stand out."""
        import cv2

        bands = ((band, middle) for _, band, middle in _surroundings(pixels))
        found = [cv2.absdiff(*each)[::7, ::5, _GREEN].reshape(-1) for each in bands]
        return np.asarray(np.concatenate(found))

    def _add_detail(self, middle: NDArray[Any]) -> None:
        """Adds what is larger than a defect: those are not in the median any more."""
        import cv2

        small = cv2.resize(middle, self._detail.shape[::-1], interpolation=cv2.INTER_AREA)
        around = cv2.blur(small, (_DETAIL, _DETAIL))
        detail = cv2.subtract(small, around, dtype=cv2.CV_32F)
        self._detail += detail
        self._power += self._in_tiles(detail * detail)

    def _in_tiles(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The mean of each tile."""
        import cv2

        wide = values.astype(np.float32, copy=False)
        return np.asarray(cv2.resize(wide, self._tiles, interpolation=cv2.INTER_AREA), np.float32)

    @staticmethod
    def at(places: NDArray[np.int64], pixels: NDArray[np.uint8]) -> NDArray[np.int8]:
        """How far pixels, by their sorted places, stand out of their surroundings in one still
        (K x 3), -127 to 127."""
        import cv2

        width = pixels.shape[1]
        found = np.empty((len(places), 3), np.int8)
        for rows, band, middle in _surroundings(pixels):
            mine = slice(*np.searchsorted(places, (rows.start * width, rows.stop * width)))
            apart = cv2.subtract(band, middle, dtype=cv2.CV_8S).reshape(-1, 3)
            # No place is outside, and not to ask is much faster.
            np.take(apart, places[mine] - rows.start * width, axis=0, out=found[mine], mode="clip")
        return np.maximum(found, -127, out=found)

    def candidates(self) -> Candidates:
        """What may be a defect, where the scene moves.  Asked for once: the votes are let go."""
        trusted, fixed, still = self._trusted()
        found = []
        for top, bottom, inside in _bands(self._seen.shape[0], _AROUND):
            found.append(top * self._seen.shape[1] + self._nominated(slice(*inside), trusted,
                         top - inside[0], bottom - top))  # fmt: skip
        places = np.concatenate(found)
        mean = self._sum.reshape(-1, 3)[places] / np.float32(max(self.count, 1))
        self._sum, self._seen = np.zeros((0, 0, 3), np.int16), np.zeros((0, 0), np.uint8)
        return Candidates(places, mean.astype(np.float32), self.count, fixed, still)

    def _nominated(self, rows: slice, trusted: Any, skip: int, height: int) -> Any:
        """Flat places of candidates in a band of rows, from its row `skip` on."""
        import cv2

        n = max(self.count, 1)
        nominated: Any = None
        strong: Any = None
        weak: Any = None
        for channel in range(3):
            band = cv2.extractChannel(self._sum[rows], channel)
            apart = cv2.absdiff(band, cv2.medianBlur(band, 5)).astype(np.float32) / n
            usual = np.minimum(apart, _USUAL)
            spread = cv2.sqrt(cv2.blur(usual * usual, (_AROUND, _AROUND)))
            out = (apart > _OUT) & (apart > _SPREAD * spread)
            bright, faint = apart > _STRONG, np.abs(band) > _HALO * n
            nominated = out if nominated is None else nominated | out
            strong = (bright & out) if strong is None else strong | (bright & out)
            weak = faint if weak is None else weak | faint
        chosen = nominated | (weak & _near(strong, rows.start, self._block))
        chosen = chosen[skip : skip + height]
        top = rows.start + skip
        return np.flatnonzero(chosen & trusted[top : top + height])

    def _trusted(self) -> tuple[NDArray[np.bool_], float, bool]:
        """Where the scene moves (height x width); the share where it does not; whether it does not
        move on the whole."""
        import cv2

        height, width = self._seen.shape
        n = max(self.count, 2)
        # The share of the variance between stills that is the same in all of them.
        same = self._in_tiles((self._detail / n) ** 2) * n / np.maximum(self._power / n, 1e-3)
        stands = (same - 1) / (n - 1) > _STILL
        few = (self._seen > 0) & (self._seen <= max(1, n // 4))
        shows = self._power / n > max(_SHOWS, (_GRAIN * self._noise) ** 2)
        moves = (shows | (self._in_tiles(few) > _MOVES * n)) & ~stands
        telling = int(moves.sum()) + int(stands.sum())
        # What shows nothing is held to be as what is next to it.
        trusted = ~_grown(stands) & (_distance(moves) <= _distance(stands))
        whole = cv2.resize(trusted.astype(np.uint8), (width, height),
                           interpolation=cv2.INTER_NEAREST)  # fmt: skip
        still = not trusted.any() or int(moves.sum()) < max(1, _ENOUGH * telling)
        return whole > 0, float((~trusted).mean()), still


def _grown(tiles: NDArray[np.bool_]) -> NDArray[np.bool_]:
    import cv2

    return np.asarray(cv2.dilate(tiles.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _distance(tiles: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far each tile is from the nearest of some."""
    import cv2

    if not tiles.any():
        return np.full(tiles.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~tiles).astype(np.uint8), cv2.DIST_L2, 3), np.float32)


def _near(strong: NDArray[np.bool_], first: int, block: Size) -> Any:
    """Pixels within two of a strong one, or in its block of a JPEG, in rows from `first` on."""
    import cv2

    near = cv2.dilate(strong.astype(np.uint8), np.ones((5, 5), np.uint8))
    rows, columns = strong.shape
    across, down = block
    above = first % down
    room = np.zeros((-(-(rows + above) // down) * down, -(-columns // across) * across), bool)
    room[above : above + rows, :columns] = strong
    blocks = room.reshape(room.shape[0] // down, down, -1, across).any(axis=(1, 3))
    whole = blocks.repeat(down, 0).repeat(across, 1)[above : above + rows, :columns]
    return (near > 0) | whole


def _surroundings(
    pixels: NDArray[np.uint8],
) -> Iterator[tuple[slice, NDArray[np.uint8], NDArray[Any]]]:
    """A still in bands of rows that stay near the core, each with its surroundings: the median of
    5 x 5 pixels."""
    import cv2

    for top, bottom, (first, last) in _bands(len(pixels), 1, _FEW):
        middle = cv2.medianBlur(pixels[first:last], 5)
        yield slice(top, bottom), pixels[top:bottom], middle[top - first : bottom - first]


def _bands(
    height: int, margin: int, rows: int = _BAND
) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Runs of rows [top, bottom), each with the rows around it that it needs."""
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # From whole blocks on, so that a halo is seen whole.
        yield top, bottom, (max(0, top - margin - 1), min(height, bottom + margin + 1))
