"""What a render may use: cores, memory, disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from timelapse.errors import EncodeError, RenderError
from timelapse.ingest import decoding_memory
from timelapse.render.segment import Bundle, Segment

_MIB = 1 << 20
#: The interpreter with its libraries, fonts and tables; measured, and rounded up.
_BASE = 190 * _MIB
#: A disk is refused before work only where even very plain frames would not fit.
_PLAIN = 12


class Share(NamedTuple):
    """How the work is divided: so many lanes, each with so many threads for its encoder, and so
    many that decode ahead."""

    lanes: int
    threads: int
    decoders: int


#: Bytes a pixel of a frame: clean, labelled, and as planes (all else is done in bands); of one in
#: 16 bits; and of overlays alone, which have a fourth channel.
_FRAME = 8
_FRAMES = {"deep": 18, "alone": 12}
#: And of what a moving camera has to have in one piece: what it sees of the picture, and the frame.
_MOVING = 26
#: Bytes a pixel of what following motion needs: both stills with a fourth channel, where each
#: pixel comes from, the plan of a pair, and the frame.
_FOLLOWING = 72
#: Of a tone that needs the frame in one piece; and of taking noise out, beside a picture for each
#: neighbour that is laid over the still.
_TONING, _DENOISING = 30, 16


def divide(bundles: Sequence[Bundle], workers: int, memory: int | None) -> Share:
    """As many lanes as there are workers and bundles for them, and memory; threads for the rest.

    `memory` is a bound in bytes for all of the process; without one it is half of the machine's.
    Raises RenderError where one lane does not fit a bound that was given.
    """
    bound, least = memory or _half_of_memory(), Share(1, 1, 1)
    for lanes in range(max(1, min(workers, len(bundles))), 0, -1):
        threads = max(1, workers // lanes)
        # Two, so that the last lane at work keeps two cores busy.
        share = Share(lanes, threads, max(threads, min(workers, 2)))
        if _needed(bundles, share) <= bound:
            return share
    if memory and (needed := _needed(bundles, least)) > memory:
        several = any(len(bundle.segments) > 1 for bundle in bundles)
        raise RenderError(
            f"a memory of {_amount(memory)} is not enough: "
            f"{'these films need' if several else 'this film needs'} {_amount(needed)}; give "
            f"more, {'fewer outputs at once, ' if several else ''}"
            "or a smaller output.size, a faster output.preset or a smaller retime.shutter"
        )
    return least


def _needed(bundles: Sequence[Bundle], share: Share) -> int:
    return _BASE + share.lanes * max(lane_memory(bundle, share) for bundle in bundles)


def lane_memory(bundle: Bundle, share: Share) -> int:
    """About how many bytes a lane takes for a bundle: stills at the size of each framing, stills
    being decoded, the frames on their way, and the encoders."""
    first = bundle.first
    stills = sum(framing.pictures[0] * framing.pictures[1] * 6 for framing in bundle.pictures)
    kinds = {(still.kind, still.size, still.bits): still for still in first.stills}
    decoding = (decoding_memory(still, first.wanted(still)) for still in kinds.values())
    looks = {(s.framing, "alone" if s.alone else s.rounding): s for s in bundle.segments}
    frames = sum(_area(s) * _FRAMES.get(look, _FRAME) for (_, look), s in looks.items())
    frames += sum(_area(s) * _MOVING for s in bundle.segments if s.views)
    frames += sum(_area(s) * _TONING for s in bundle.segments if any(t.whole for t in s.toned))
    if first.model:
        frames += stills // 6 * _FOLLOWING
    each = max(decoding, default=0)
    reach = max((len(stack.members) for stack in first.stacks.averaged), default=0)
    if reach:  # pictures of the neighbours, and what each thread denoises in
        each_thread = stills // 6 * (_DENOISING + 6 * reach)
        frames += (reach + share.decoders) * stills + share.decoders * each_thread
    if first.stacks.beside:  # neighbours as they were decoded, and a still that is being cleaned
        frames += (2 + 2 * share.decoders) * each
    return (
        (first.taps.widest + share.decoders) * stills
        + share.decoders * each
        + frames
        + sum(s.format.memory(s.framing.size, share.threads) for s in bundle.segments)
    )


def _area(segment: Segment) -> int:
    return segment.framing.size.width * segment.framing.size.height


def _half_of_memory() -> int:
    found = [64 << 30]
    with suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # a container's bound
        with suppress(ValueError, OSError):
            found.append(int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii")))
    return min(found) // 2


class Disk:
    """Watches that the disk has room for the parts that are to come, and for the films.

    Raises EncodeError before the disk is full, for the sake of all others who write to it.
    """

    def __init__(self, out: Path) -> None:
        """`out` is a film; the others are beside it."""
        self._out = out
        self._made: dict[Path, list[int]] = {}

    def before(self, films: Sequence[tuple[Sequence[Segment], int]]) -> list[str]:
        """Looks before any work; `films` are the segments that are to be made of each, and all of
        its frames.  What it returns a person should know."""
        likely = sum(
            todo[0].format.likely_bytes(todo[0].framing.size, sum(s.frames for s in todo) + frames)
            for todo, frames in films
            if todo
        )
        free = self._free()
        if free < likely // _PLAIN:
            raise EncodeError(
                f"{self._out}: No space left for this film: {_amount(free)} are free, and it and "
                f"its parts need about {_amount(likely)}"
            )
        if free < likely:
            return [f"{_amount(free)} of disk are free; about {_amount(likely)} may be needed"]
        return []

    def made(self, film: Path, frames: int, size: int) -> None:
        """Takes note of a part of `frames` and `size` bytes."""
        sums = self._made.setdefault(film, [0, 0])
        sums[0] += frames
        sums[1] += size

    def after(self, films: Sequence[tuple[Path, int]]) -> None:
        """Looks again; `films` are those on their way, with the frames of the parts that are to
        come and of the film."""
        known = [(frames, *self._made[film]) for film, frames in films if film in self._made]
        needed = sum(size * frames // made for frames, made, size in known)
        free = self._free()
        if free < needed * 0.9:
            raise EncodeError(
                f"{self._out}: No space left soon: {_amount(free)} are free, and the rest of the "
                f"film needs about {_amount(needed)}"
            )

    def _free(self) -> int:
        try:
            return shutil.disk_usage(self._out.parent).free
        except OSError as error:
            raise EncodeError(f"{self._out.parent}: {error.strerror or error}") from error


def _amount(size: int) -> str:
    if size < 1000 * _MIB:
        return f"{-(-size // _MIB)} MiB"
    return f"{size / (1 << 30):.1f} GiB"
