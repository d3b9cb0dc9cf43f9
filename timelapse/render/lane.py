"""A lane makes one bundle of segments at a time: stills in, frames out, encoded into parts.

Lanes run side by side in threads; nothing is shared between them but the caches on disk.  A lane
keeps its buffers from bundle to bundle: a fresh array of a frame's size costs more than the
arithmetic on it.  What several films of a bundle have in common is done once: a still is decoded,
a framing mixed, a set of overlays drawn and a kind of planes converted for all that want it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from timelapse.deliver import Colours, Writer, encoder, probe
from timelapse.errors import RenderError, StillError
from timelapse.grade import Framing
from timelapse.machine import Buffers, give_memory_back
from timelapse.overlay import Compositor, Cue
from timelapse.render.mixer import Mixer
from timelapse.render.segment import Bundle, Rounding, Segment
from timelapse.render.stillcache import StillCache
from timelapse.render.supply import Supply

#: Which segments of a bundle, by their places in it, look like the frame.
_Shown = tuple[Sequence[int], NDArray[Any]]


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The render was told to stop."""


class StillsLost(StillError):  # noqa: N818 - a finding, and the plan goes on without them
    """Stills of a segment that proved unreadable: `lost` has the reason of each, by its file."""

    def __init__(self, lost: dict[str, str]) -> None:
        super().__init__(*next(iter(lost.items())))
        self.lost = lost

    def __reduce__(self) -> tuple[type[StillsLost], tuple[dict[str, str]]]:  # type: ignore[override]
        return StillsLost, (self.lost,)


@dataclass(frozen=True)
class Made:
    """What a part says of itself.

    `pixels` is a hash of the frames as the encoder got them, `payload` of the coded frames,
    `stills` of the files of the stills that were shown (XXH3, 128 bits, each).  `followed` are runs
    of frames [start, stop) of the segment that were made by following motion, each with the share
    of the picture where that was trusted.
    """

    frames: int
    bytes: int
    pixels: str
    payload: str
    stills: dict[str, str] = field(repr=False)
    followed: tuple[tuple[int, int, float], ...] = ()


class Lane:
    """Renders bundles of one clip, one after the other; a context manager, for one thread.

    `threads` are those of each encoder, where the format does not say; `decoders` those that decode
    ahead.
    """

    def __init__(
        self, segment: Segment, cache: StillCache, threads: int = 1, decoders: int = 1
    ) -> None:
        self._threads = threads
        self._supply = Supply(segment.limits, decoders, cache)
        self._mixers: dict[Framing, Mixer] = {}
        self._compositors: dict[int, tuple[tuple[Cue, ...], Compositor]] = {}
        self._labelled = Buffers()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._supply.close()

    def frames(self, segment: Segment) -> Generator[NDArray[Any]]:
        """The finished frames of a segment, RGB in display light: H x W x 3, uint8 (uint16 where it
        is deep), or H x W x 4, uint8 with straight alpha, of overlays alone.

        Each array is the lane's and holds until the next frame is asked for.  Raises StillError.
        """
        with closing(self._shown(Bundle((segment,)))) as shown:
            for _, frame in shown:
                yield frame

    def make(
        self,
        bundle: Bundle,
        paths: Sequence[Path],
        tick: Callable[[], None] = lambda: None,
    ) -> list[Made]:
        """Renders each segment of a bundle into its part of `paths` and looks at what was written.

        `tick` is called after each frame that was encoded; what it raises ends the work.  Raises
        StillsLost, EncodeError, RenderError.
        """
        give_memory_back()  # what the encoders of the bundle before have left
        try:
            with closing(self._shown(bundle)) as shown, ExitStack() as encoders:
                outputs = [
                    _Output(segment, encoders.enter_context(self._encoder(segment, path)))
                    for segment, path in zip(bundle.segments, paths, strict=True)
                ]
                converters = {out.kind: Colours(out.size, out.format) for out in outputs}
                for users, frame in shown:
                    for kind in dict.fromkeys(outputs[at].kind for at in users):
                        planes = converters[kind].convert(frame)
                        for out in (outputs[at] for at in users if outputs[at].kind == kind):
                            out.write(planes)
                            tick()
        except StillError as error:
            raise StillsLost(self._supply.lost() or {error.path: error.reason}) from error
        return [self._made(out, path) for out, path in zip(outputs, paths, strict=True)]

    def _encoder(self, segment: Segment, path: Path) -> Writer:
        means: Any = {"threads": self._threads, "tags": segment.tags}
        return encoder(path, segment.framing.size, segment.format, **means)

    def _made(self, out: _Output, path: Path) -> Made:
        segment, format = out.segment, out.format
        # The film is decoded, once it is one.
        facts = probe(path, format=format, runs=[segment.frames], decode=0)
        chapters = len(segment.tags.held_by(path).chapters) if segment.tags else 0
        if faults := facts.faults(segment.frames, out.size, Fraction(format.rate), chapters):
            raise RenderError(f"{path}: what was encoded is not as planned: {'; '.join(faults)}")
        digests = {
            str(segment.stills[at].file): digest
            for at, digest in sorted(self._supply.digests.items())
            if at < segment.shown
        }
        followed = () if segment.alone else self._mixers[segment.framing].followed
        pixels, payload = out.pixels.hexdigest(), facts.payloads[0]
        return Made(segment.frames, path.stat().st_size, pixels, payload, digests, followed)

    def _shown(self, bundle: Bundle) -> Generator[_Shown]:
        """Every frame as each film of the bundle shows it; films that look the same get one.

        An array holds until the next one is asked for.  Raises StillError.
        """
        first, taps = bundle.first, bundle.first.taps
        self._compositors = {
            id(s.cues): self._compositors.get(id(s.cues)) or (s.cues, s.compositor())
            for s in bundle.segments
        }
        if first.alone:
            yield from self._alone(bundle)
            return
        self._supply.follow(bundle)
        framings = dict.fromkeys(segment.framing for segment in bundle.segments)
        self._mixers = {one: self._mixers.get(one) or Mixer(one) for one in framings}
        for framing, mixer in self._mixers.items():
            of_it = [segment for segment in bundle.segments if segment.framing == framing]
            mixer.follow(of_it[0], {segment.rounding for segment in of_it})
        places = [bundle.pictures.index(framing.static) for framing in framings]
        canvases = self._canvases(bundle)
        for at in range(first.frames):
            stills = self._supply.take(taps.row(at)[0], at)
            for place, mixer in zip(places, self._mixers.values(), strict=True):
                mixer.mix([framed[place] for framed in stills], at)
            for canvas in canvases:
                yield from canvas.frames(first.start + at, at, self._labelled)

    def _alone(self, bundle: Bundle) -> Iterator[_Shown]:
        """Overlays on frames that are clear."""
        drawings = self._drawings(bundle.segments, range(len(bundle.segments)))
        for number in range(bundle.first.start, bundle.first.stop):
            for drawing in drawings:
                yield drawing.users, drawing.compositor.draw_alone(number)

    def _canvases(self, bundle: Bundle) -> list[_Canvas]:
        found: dict[tuple[Framing, Rounding], list[int]] = {}
        for at, segment in enumerate(bundle.segments):
            found.setdefault((segment.framing, segment.rounding), []).append(at)
        return [
            _Canvas(self._mixers[framing], rounding, self._drawings(bundle.segments, users))
            for (framing, rounding), users in found.items()
        ]

    def _drawings(self, segments: Sequence[Segment], users: Sequence[int]) -> list[_Drawing]:
        found: dict[Hashable, list[int]] = {}
        for at in users:
            # What a lone film looks like is nobody else's concern.
            name = segments[at].drawing if len(users) > 1 else ""
            found.setdefault((segments[at].framing.size, name), []).append(at)
        return [
            _Drawing(self._compositors[id(segments[same[0]].cues)][1], same)
            for same in found.values()
        ]


@dataclass(frozen=True, eq=False)
class _Drawing:
    """Overlays, and the segments that show them."""

    compositor: Compositor
    users: Sequence[int]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """Frames without overlays, and all that is drawn over them."""

    mixer: Mixer
    rounding: Rounding
    drawings: Sequence[_Drawing]

    def frames(self, number: int, at: int, buffers: Buffers) -> Iterator[_Shown]:
        """Frame `number` of the clip, `at` of the segment, as each of its users shows it."""
        clean, again = self.mixer.clean[self.rounding], self.mixer.stays(at)
        drawn = [drawing for drawing in self.drawings if drawing.compositor.shows(number)]
        plain = [at for drawing in self.drawings if drawing not in drawn for at in drawing.users]
        if plain:
            yield plain, clean
        for drawing in drawn:
            labelled = clean
            if again or drawing is not drawn[-1]:
                labelled = buffers.take("labelled", clean.shape, clean.dtype)
                np.copyto(labelled, clean)
            drawing.compositor.draw(labelled, number)
            yield drawing.users, labelled


class _Output:
    """A segment on its way into its part."""

    def __init__(self, segment: Segment, writer: Writer) -> None:
        self.segment, self._writer = segment, writer
        self.size, self.format = segment.framing.size, segment.format
        self.pixels = xxhash.xxh3_128()
        #: Outputs of one kind take the same planes.
        self.kind: Hashable = (self.size, self.format.pixels)

    def write(self, planes: NDArray[Any]) -> None:
        self.pixels.update(planes.data)
        self._writer.write(planes)
