"""One framing's pictures of stills: mixed into frames, in each depth that a film asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade import Framing, Linear, View, deep_from_mix, dithered, from_mix
from timelapse.machine import Buffers, bands
from timelapse.render.segment import Rounding, Segment
from timelapse.retime import Between, Taps, interpolator, mix


class Mixer:
    """Frames of one framing; its buffers stay from frame to frame.

    `clean` are the frames as they were mixed last, without overlays: H x W x 3, RGB in display
    light, uint8 or (`deep`) uint16.  Whoever draws into one sees to it that it does not stay.
    """

    def __init__(self, framing: Framing) -> None:
        self._size = framing.size
        self._bands = bands(self._size.height, self._size.width)
        self._buffers = Buffers()
        self._models: dict[tuple[str, str], Any] = {}
        self.clean: dict[Rounding, NDArray[Any]] = {}

    def follow(self, segment: Segment, roundings: Iterable[Rounding]) -> None:
        """Makes ready for another segment."""
        held, shape = self.clean, (self._size.height, self._size.width, 3)
        self.clean = {
            rounding: held[rounding]
            if rounding in held
            else np.empty(shape, np.uint16 if rounding == "deep" else np.uint8)
            for rounding in set(roundings)
        }
        taps, self._views = segment.taps, segment.views
        self._light, self._taps = segment.light, taps
        self._toned = segment.toned
        none = (None,) * segment.frames
        each = enumerate(zip(self._views or none, self._toned or none, strict=True))
        self._looks = [(*map(list, taps.row(at)), taps.way(at), *how) for at, how in each]
        self._model: Any = None
        if segment.model:
            name, light = segment.model, segment.light
            if (name, light) not in self._models:
                self._models[name, light] = interpolator(name, light)
            self._model = self._models[name, light]
        self._pair: tuple[list[int], Between] | None = None
        self._followed: list[tuple[int, int, float]] = []

    def stays(self, at: int) -> bool:
        """Whether the frame after `at` is the same one."""
        return at + 1 < len(self._looks) and self._looks[at] == self._looks[at + 1]

    def mix(self, pictures: list[Linear], at: int) -> None:
        """Makes `clean` of the pictures of frame `at` of the segment."""
        if at and self.stays(at - 1):
            return
        if not pictures:
            for frame in self.clean.values():
                frame[...] = 0
            return
        if self._taps.way(at) == "flow":
            pictures = [self._between(pictures, self._taps, at)]
        for band, mixed in self._mixed(pictures, at):
            for rounding, frame in self.clean.items():
                shown = frame[band]
                if rounding == "deep":
                    deep_from_mix(mixed, self._light, shown)
                elif rounding == "dithered":
                    dithered(mixed, self._light, band.start, shown, self._buffers)
                else:
                    from_mix(mixed, self._light, shown)

    def _mixed(self, pictures: list[Linear], at: int) -> Iterator[tuple[slice, Linear]]:
        """A frame in the light that it is mixed in, toned, band by band."""
        toned = self._toned[at] if self._toned else None
        bands = self._untoned(pictures, at)
        if toned is None or toned.idle:
            yield from bands
        elif not toned.whole:
            for band, mixed in bands:
                yield band, toned.apply(mixed, self._light, self._buffers)
        else:
            whole = self._buffers.take("whole", (*self._size[::-1], 3), np.uint16)
            for band, mixed in bands:
                np.copyto(whole[band], mixed)
            whole = toned.apply(whole, self._light, self._buffers)
            yield from ((band, whole[band]) for band in self._bands)

    def _untoned(self, pictures: list[Linear], at: int) -> Iterator[tuple[slice, Linear]]:
        weights, way = self._taps.row(at)[1], self._taps.way(at)
        if self._views:
            frame = self._seen(pictures, self._views[at], at)
            yield from ((band, frame[band]) for band in self._bands)
            return
        for band in self._bands:
            yield band, mix([picture[band] for picture in pictures], weights, self._buffers, way)

    def _seen(self, pictures: list[Linear], view: View, at: int) -> Linear:
        """What the camera shows: of its part alone, which it needs in one piece."""
        weights, way = self._taps.row(at)[1], self._taps.way(at)
        parts = [picture[view.part] for picture in pictures]
        height, width = parts[0].shape[:2]
        seen = parts[0]
        if len(parts) > 1:
            seen = self._buffers.take("seen", parts[0].shape, np.uint16)
            for band in bands(height, width):
                mixed = mix([part[band] for part in parts], weights, self._buffers, way)
                np.copyto(seen[band], mixed)
        return view.apply(seen, self._buffers)

    def _between(self, pictures: list[Linear], taps: Taps, at: int) -> Linear:
        """A picture between two stills by the motion from one to the other, which is looked for
        once a pair."""
        stills, weights = taps.row(at)
        names = stills.tolist()
        if self._pair is None or self._pair[0] != names:
            self._pair = names, self._model.pair(pictures[0], pictures[1], self._buffers)
        between = self._pair[1]
        if between.trusted > 0:
            self._followed.append((at, at + 1, round(between.trusted, 3)))
        return between.at(float(weights[1]), self._buffers)

    @property
    def followed(self) -> tuple[tuple[int, int, float], ...]:
        """Runs of frames [start, stop) that were followed to one degree."""
        found: list[tuple[int, int, float]] = []
        for start, stop, trusted in self._followed:
            if found and found[-1][1:] == (start, trusted):
                found[-1] = (found[-1][0], stop, trusted)
            else:
                found.append((start, stop, trusted))
        return tuple(found)
