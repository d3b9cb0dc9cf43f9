"""A film looked at again: what it is, and how it differs from what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from timelapse.errors import EncodeError

#: ITU-T H.273: 1 is BT.709 for primaries, transfer and matrix alike.
_BT709 = 1
#: Chapters are a track of data, which does not count.
_TRACKS = ("audio", "subtitle")


@dataclass(frozen=True)
class Facts:
    """What a film is, found by reading it to its end.

    `rate` is the exact average; `even` says that every frame stands on the tick grid of that
    rate; `tags` are colour primaries, transfer, matrix and range by their H.273 numbers; `tracks`
    are the kinds of what it has beside its pictures; `payloads` are hashes of the coded frames, a
    hash for each run that was asked for.
    """

    codec: str
    frames: int
    size: tuple[int, int]
    rate: Fraction
    even: bool
    pixels: str
    tags: tuple[int, int, int, int]
    title: str
    created: str
    chapters: tuple[tuple[str, Fraction], ...]
    tracks: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()

    def faults(
        self,
        frames: int,
        size: Sequence[int],
        rate: Fraction,
        chapters: int,
        tracks: Sequence[str] = (),
    ) -> list[str]:
        """How the film differs from what was meant; empty where it does not."""
        found = []
        if self.frames != frames:
            found.append(f"it has {self.frames} frames, not {frames}")
        if self.size != tuple(size):
            found.append(f"its size is {self.size[0]}x{self.size[1]}, not {size[0]}x{size[1]}")
        if self.rate != rate or not self.even:
            found.append(f"its rate is {self.rate}{'' if self.even else ', uneven'}, not {rate}")
        if self.tags != (_BT709, _BT709, _BT709, 1):
            found.append(f"its colour tags are {self.tags}, not BT.709 in limited range")
        if len(self.chapters) != chapters:
            found.append(f"it has {len(self.chapters)} chapters, not {chapters}")
        if sorted(self.tracks) != sorted(tracks):
            has, meant = (", ".join(sorted(kinds)) or "none" for kinds in (self.tracks, tracks))
            found.append(f"its tracks beside the pictures are {has}, not {meant}")
        return found


def probe(path: Path, *, runs: Sequence[int] = (), decode: int | None = None) -> Facts:
    """Reads a film to its end and says what it is; raises EncodeError where it cannot.

    `decode` is how many coded frames are decoded too, all if not given.  `runs` are counts of
    frames, in the order of the film, to be hashed as they are coded.
    """
    import av
    import xxhash

    hashes = [xxhash.xxh3_128() for _ in runs]
    turns = (state for state, count in zip(hashes, runs, strict=True) for _ in range(count))
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "FRAME"
            base, context = stream.time_base or Fraction(1), stream.codec_context
            stamps: list[int] = []
            decoded = 0
            for packet in container.demux(stream):
                if packet.size:
                    if packet.is_corrupt:
                        raise EncodeError(f"{path}: frame {len(stamps)} is corrupt")
                    stamps.append(packet.pts or 0)
                    if state := next(turns, None):
                        state.update(packet)
                if decode is None or len(stamps) <= decode or not packet.size:
                    for frame in packet.decode():
                        if frame.is_corrupt:
                            raise EncodeError(f"{path}: frame {decoded} is corrupt")
                        decoded += 1
            wanted = len(stamps) if decode is None else min(decode, len(stamps))
            if decoded != wanted:
                raise EncodeError(f"{path}: {decoded} of {wanted} frames can be decoded")
            rate = Fraction(stream.average_rate or 0)
            step = base * rate
            return Facts(
                codec=context.name,
                frames=len(stamps),
                size=(context.width, context.height),
                rate=rate,
                even=bool(rate) and all(at * step == n for n, at in enumerate(sorted(stamps))),
                pixels=str(context.pix_fmt),
                tags=(
                    int(context.color_primaries),
                    int(context.color_trc),
                    int(context.colorspace),
                    int(context.color_range),
                ),
                title=container.metadata.get("title", ""),
                created=container.metadata.get("creation_time", ""),
                chapters=tuple(map(_chapter, container.chapters())),
                tracks=tuple(s.type for s in container.streams if s.type in _TRACKS),
                payloads=tuple(state.hexdigest() for state in hashes),
            )
    except (av.FFmpegError, OSError, IndexError) as error:
        raise EncodeError(f"{path}: not a film that can be decoded: {error}") from error


def _chapter(chapter: Any) -> tuple[str, Fraction]:
    start = chapter["start"] * Fraction(chapter["time_base"])
    return chapter.get("metadata", {}).get("title", ""), start
