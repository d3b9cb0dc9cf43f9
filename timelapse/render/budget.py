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
from timelapse.render.segment import Segment

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


#: Bytes a pixel of what following motion needs: both stills with a fourth channel, where each
#: pixel comes from, the plan of a pair, and the frame.
_FOLLOWING = 72


def divide(segments: Sequence[Segment], workers: int, memory: int | None) -> Share:
    """As many lanes as there are workers and segments for them, and memory; threads for the rest.

    `memory` is a bound in bytes for all of the process; without one it is half of the machine's.
    Raises RenderError where one lane does not fit a bound that was given.
    """
    bound, least = memory or _half_of_memory(), Share(1, 1, 1)
    for lanes in range(max(1, min(workers, len(segments))), 0, -1):
        threads = max(1, workers // lanes)
        # Two, so that the last lane at work keeps two cores busy.
        share = Share(lanes, threads, max(threads, min(workers, 2)))
        if _needed(segments, share) <= bound:
            return share
    if memory and (needed := _needed(segments, least)) > memory:
        raise RenderError(
            f"a memory of {_amount(memory)} is not enough: this film needs {_amount(needed)}; give "
            "more, or a smaller output.size, a faster output.preset or a smaller retime.shutter"
        )
    return least


def _needed(segments: Sequence[Segment], share: Share) -> int:
    return _BASE + share.lanes * max(lane_memory(segment, share) for segment in segments)


def lane_memory(segment: Segment, share: Share) -> int:
    """About how many bytes a lane takes for a segment: stills at frame size, stills being decoded,
    the frame on its way, and the encoder."""
    pixels = segment.framing.size.width * segment.framing.size.height
    stills = (segment.taps.widest + share.decoders) * pixels * 6
    kinds = {(still.kind, still.size, still.bits): still for still in segment.stills}
    decoding = share.decoders * max(
        decoding_memory(still, segment.framing.scaled(still.size)) for still in kinds.values()
    )
    frame = pixels * 8  # clean, labelled, and as planes; all else is done in bands
    if segment.model:
        frame += pixels * _FOLLOWING
    return stills + decoding + frame + segment.format.memory(segment.framing.size, share.threads)


def _half_of_memory() -> int:
    found = [64 << 30]
    with suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # a container's bound
        with suppress(ValueError, OSError):
            found.append(int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii")))
    return min(found) // 2


class Disk:
    """Watches that the disk has room for the parts that are to come, and for the film.

    Raises EncodeError before the disk is full, for the sake of all others who write to it.
    """

    def __init__(self, out: Path, frames: int) -> None:
        """`frames` are those of the film."""
        self._out, self._frames = out, frames
        self._made = self._bytes = 0

    def before(self, todo: Sequence[Segment]) -> list[str]:
        """Looks before any work; what it returns a person should know."""
        if not todo:
            return []
        frames, first = sum(segment.frames for segment in todo), todo[0]
        likely = first.format.likely_bytes(first.framing.size, frames + self._frames)
        free = self._free()
        if free < likely // _PLAIN:
            raise EncodeError(
                f"{self._out}: No space left for this film: {_amount(free)} are free, and it and "
                f"its parts need about {_amount(likely)}"
            )
        if free < likely:
            return [f"{_amount(free)} of disk are free; about {_amount(likely)} may be needed"]
        return []

    def after(self, frames: int, size: int, left: int) -> None:
        """Looks again when a part of `frames` and `size` bytes was made and `left` are to come."""
        self._made += frames
        self._bytes += size
        needed = self._bytes * (left + self._frames) // self._made
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
