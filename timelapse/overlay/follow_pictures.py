"""The stills of a roll as gray pictures to search, read ahead in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import StillError
from timelapse.ingest import Limits, Pixels, Reader, Still, decode_bytes
from timelapse.machine import cores
from timelapse.overlay.follow_seek import Gray, View

#: Side of a box, in pixels of the pictures: stills with larger ones are decoded smaller, as far as
#: that goes.
_ENOUGH = 48


class Pictures:
    """Decodes stills of one `size` (width, height) so large that a box of that many pixels is still
    large enough to be found to a fraction of a pixel; a context manager.

    `white` decides what gray is: luma, or the weakest of the three channels, in which a white light
    stands out from coloured glow.
    """

    def __init__(
        self, stills: Sequence[Still], size: tuple[int, int], box: int, limits: Limits
    ) -> None:
        self.stills, self.white = stills, False
        self._size = size
        share = min(1.0, _ENOUGH / box)
        self._at_least = (round(size[0] * share), round(size[1] * share))
        self._reader = Reader(limits)
        self._pool = ThreadPoolExecutor(cores(), thread_name_prefix="follow")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._reader.__exit__(None, None, None)

    def colours(self, at: int) -> Pixels:
        """A still as RGB, uint8; raises StillError."""
        still = self.stills[at]
        data = self._reader.read(still.file)
        pixels = decode_bytes(data, still, self._at_least, self._reader.limits)
        return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)

    def gray(self, pixels: Pixels) -> Gray:
        """RGB as gray."""
        import cv2

        if not self.white:
            return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        red, green, blue = cv2.split(pixels)
        return np.asarray(cv2.min(cv2.min(red, green), blue))

    def load(self, at: int) -> View | None:
        """A still as it is searched; None where it cannot be read, or is of another size."""
        if self.stills[at].size != self._size:
            return None
        try:
            return View.whole(self.gray(self.colours(at)))
        except StillError:
            return None

    def walk(
        self, indices: Iterable[int], without: Container[int] = ()
    ) -> Iterator[tuple[int, View | None]]:
        """Stills in the order of `indices`, a few read ahead; None also for those in `without`."""
        order = list(indices)
        left = (at for at in order if at not in without)
        coming: deque[Future[View | None]] = deque()

        def fill(count: int) -> None:
            for _, at in zip(range(count), left, strict=False):
                coming.append(self._pool.submit(self.load, at))

        fill(2 * cores())
        for at in order:
            if at in without:
                yield at, None
            else:
                view = coming.popleft().result()
                fill(1)
                yield at, view


def scale_of(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """Pixels of a decoded still for one of the still, across and down."""
    return np.array([pixels.shape[1] / size[0], pixels.shape[0] / size[1]])


def is_white(pixels: Pixels, point: NDArray[np.float64]) -> bool:
    """Whether what is brightest within two pixels of a point has all channels, nearly alike."""
    x, y = (max(int(v), 0) for v in np.round(point))
    about = pixels[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].reshape(-1, 3)
    brightest = about[int(about.min(axis=1).argmax())]
    return float(brightest.min()) >= 0.8 * float(about.max())
