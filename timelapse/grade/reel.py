"""The stills of a roll as small gray pictures, for what compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.agree import Floats
from timelapse.grade.survey import surveyed
from timelapse.ingest import Limits, Pixels, Still
from timelapse.ingest.look import within

Gray = NDArray[np.uint8]
Pair = tuple[int, int]

#: The longer side of the pictures that are compared: for what goes by points of light or by one
#: edge, and for what goes by all of a picture; and by how many times one may be larger.
FINE, COARSE, _LARGER = 1280, 640, 1.25


class Reel:
    """The stills of a roll, in an order, as small gray pictures; each is decoded once."""

    def __init__(
        self,
        stills: Sequence[Still],
        order: Sequence[int],
        limits: Limits,
        side: int,
        seen: Callable[[int, Pixels], None] | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._stills, self.order, self._limits = stills, order, limits
        self._side, self._seen, self._progress, self._done = side, seen, progress, 0
        self._held: dict[int, Gray] = {}
        self._tried: set[int] = set()

    def first(self) -> Gray | None:
        """The first that can be decoded."""
        for at in self.order:
            if found := self.some([at]):
                return found[0]
        return None

    def some(self, wanted: Sequence[int]) -> list[Gray]:
        """Those of them that can be decoded."""
        fresh = [at for at in wanted if at not in self._tried]
        self._tried.update(fresh)
        self._held.update(self._decoded(fresh))
        return [self._held[at] for at in wanted if at in self._held]

    def walk(self) -> Iterator[tuple[int, Gray]]:
        """All that can be decoded, one after the other."""
        rest = self._decoded([at for at in self.order if at not in self._tried])
        ahead = next(rest, None)
        for at in self.order:
            if at in self._tried:
                if at in self._held:
                    yield at, self._held.pop(at)
            elif ahead is not None and ahead[0] == at:
                yield ahead
                ahead = next(rest, None)

    def _decoded(self, wanted: Sequence[int]) -> Iterator[tuple[int, Gray]]:
        base = self._done

        def tick(done: int, _: int) -> None:
            self._done = base + done
            if self._progress:
                self._progress(self._done, len(self.order))

        walk = surveyed(
            self._stills,
            self._limits,
            size=lambda still: within(still.size, self._side),
            wanted=wanted,
            seen=self._seen,
            progress=tick,
        )
        for at, pixels in walk:
            yield at, self._small(pixels, self._stills[at].size)

    def _small(self, pixels: Pixels, size: Pair) -> Gray:
        """A still as it is compared."""
        import cv2

        gray, small = grayed(pixels), within(size, self._side)
        if gray.shape[1] > _LARGER * small[0]:
            gray = np.asarray(cv2.resize(gray, small, interpolation=cv2.INTER_AREA), np.uint8)
        return gray


def of_size(gray: Gray, size: Pair) -> Gray:
    """A picture as large as the others: of another format it is decoded to another size."""
    import cv2

    if gray.shape[1::-1] == size:
        return gray
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), np.uint8)


def grayed(pixels: Pixels | Gray) -> Gray:
    import cv2

    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    return np.asarray(cv2.convertScaleAbs(gray, alpha=1 / 257) if gray.dtype == np.uint16 else gray,
                      np.uint8)  # fmt: skip


def scaling(size: Pair, small: Pair) -> Floats:
    """What takes places of a still, where pixel 0 reaches from 0 to 1, to places of a smaller
    picture of it, of which whole numbers are the middles of pixels."""
    across, down = np.array(small) / size
    return np.array([[across, 0, -0.5], [0, down, -0.5], [0, 0, 1]])
