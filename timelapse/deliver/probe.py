"""A film looked at again: what it is, and how it differs from what was meant."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from timelapse.deliver.colours import BT709, SRGB, tags_of
from timelapse.deliver.formats import Format
from timelapse.deliver.output import container_of
from timelapse.deliver.sequence import PATTERN, pictures
from timelapse.deliver.webp import TICK, counts, frames_in, size_of
from timelapse.errors import EncodeError

if TYPE_CHECKING:
    from av.container import InputContainer

#: Codecs by the names of those that decode them.
_CODECS = {"libdav1d": "av1"}
#: Chapters are a track of data, which does not count.
_TRACKS = ("audio", "subtitle")


@dataclass(frozen=True)
class Facts:
    """What a film is, found by reading it to its end.

    `rate` is the exact average; nought where the files name none, and none was meant.  `even` says
    that every frame stands on the tick grid of that rate, or at the tick of the file's nearest to
    it.  `tags` are colour primaries, transfer, matrix and range by their H.273 numbers; `tracks`
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
        if (self.rate != rate or not self.even) and self.rate:
            found.append(f"its rate is {self.rate}{'' if self.even else ', uneven'}, not {rate}")
        if self.tags != tags_of(self.pixels):
            meant = "BT.709 in limited range" if tags_of(self.pixels) == BT709 else "sRGB"
            found.append(f"its colour tags are {self.tags}, not {meant}")
        if len(self.chapters) != chapters:
            found.append(f"it has {len(self.chapters)} chapters, not {chapters}")
        if sorted(self.tracks) != sorted(tracks):
            has, meant = (", ".join(sorted(kinds)) or "none" for kinds in (self.tracks, tracks))
            found.append(f"its tracks beside the pictures are {has}, not {meant}")
        return found


def probe(
    path: Path,
    *,
    format: Format | None = None,
    runs: Sequence[int] = (),
    decode: int | None = None,
) -> Facts:
    """Reads a film, or a folder of pictures, to its end and says what it is; raises EncodeError
    where it cannot.

    `format` is what it is meant to be: its rate is held against files that name none (GIF, WebP,
    folders).  `decode` is how many coded frames are decoded too, all if not given.  `runs` are
    counts of frames, in the order of the film, to be hashed as they are coded.
    """
    import av

    hashes = _Hashes(runs)
    rate = Fraction(format.rate) if format else None
    try:
        if container_of(path).muxer == "webp":
            return _probe_webp(path, rate, hashes, decode)
        return _probe_film(path, rate, hashes, decode)
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, IndexError) as error:
        raise EncodeError(f"{path}: not a film that can be decoded: {error}") from error


class _Hashes:
    """Hashes of runs of coded frames."""

    def __init__(self, runs: Sequence[int]) -> None:
        import xxhash

        self._states = [xxhash.xxh3_128() for _ in runs]
        turns = zip(self._states, runs, strict=True)
        self._turns = (state for state, count in turns for _ in range(count))

    def add(self, coded: Any, frames: int = 1) -> None:
        """A coded frame that stands for so many of the film."""
        states = list(islice(self._turns, frames))
        if states:
            states[0].update(coded)

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(state.hexdigest() for state in self._states)


def _probe_film(path: Path, meant: Fraction | None, hashes: _Hashes, decode: int | None) -> Facts:
    with _opened(path, meant) as container:
        stream = container.streams.video[0]
        stream.thread_type = "FRAME"
        base, context = Fraction(stream.time_base or 1), stream.codec_context
        stamps: list[int] = []
        decoded = 0
        for packet in container.demux(stream):
            if packet.size:
                if packet.is_corrupt:
                    raise EncodeError(f"{path}: frame {len(stamps)} is corrupt")
                stamps.append(packet.pts or 0)
                hashes.add(packet)
            if decode is None or len(stamps) <= decode or not packet.size:
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise EncodeError(f"{path}: frame {decoded} is corrupt")
                    decoded += 1
        wanted = len(stamps) if decode is None else min(decode, len(stamps))
        if decoded != wanted:
            raise EncodeError(f"{path}: {decoded} of {wanted} frames can be decoded")
        told = Fraction(0) if path.is_dir() else Fraction(stream.average_rate or 0)
        unnamed = path.is_dir() or context.name == "gif"
        rate = meant if unnamed and meant else told
        at = sorted(stamps)
        even = bool(rate) and all(
            abs(stamp * base * rate - n) <= base * rate / 2 for n, stamp in enumerate(at)
        )
        tags = (context.color_primaries, context.color_trc, context.colorspace, context.color_range)
        return Facts(
            codec=_CODECS.get(context.name, context.name),
            frames=len(stamps),
            size=(context.width, context.height),
            rate=rate if even else told,
            even=even,
            pixels=str(context.pix_fmt),
            tags=SRGB if context.name == "gif" else cast(Any, tuple(map(int, tags))),
            title=container.metadata.get("title", ""),
            created=container.metadata.get("creation_time", ""),
            chapters=tuple(map(_chapter, container.chapters())),
            tracks=tuple(s.type for s in container.streams if s.type in _TRACKS),
            payloads=hashes.told,
        )


def _opened(path: Path, rate: Fraction | None) -> InputContainer:
    import av

    if not path.is_dir():
        return av.open(str(path))
    count = len(pictures(path))
    if not count:
        raise EncodeError(f"{path}: holds no picture")
    name = str(path).replace("%", "%%") + "/" + PATTERN
    return av.open(name, format="image2", options={"framerate": str(rate or 25)})


def _probe_webp(path: Path, meant: Fraction | None, hashes: _Hashes, decode: int | None) -> Facts:
    from PIL import Image, ImageSequence

    with path.open("rb") as file:
        size, alpha = size_of(file)
    ticks = [frame.ticks for frame in frames_in(path)]
    rate = told = len(ticks) / (sum(ticks) * TICK)
    frames, even = [1] * len(ticks), False
    with suppress(ValueError):  # its frames stand elsewhere
        frames, rate, even = list(counts(ticks, meant or told)), meant or told, True
    for frame, count in zip(frames_in(path), frames, strict=True):
        hashes.add(frame.coded, count)
    with Image.open(path, formats=["WEBP"]) as picture:
        shown = islice(ImageSequence.Iterator(picture), decode)
        decoded = sum(1 for each in shown if each.load())
    wanted = len(ticks) if decode is None else min(decode, len(ticks))
    if decoded != wanted:
        raise EncodeError(f"{path}: {decoded} of {wanted} frames can be decoded")
    return Facts(
        codec="webp",
        frames=sum(frames),
        size=size,
        rate=rate,
        even=even,
        pixels="rgba" if alpha else "rgb24",
        tags=SRGB,
        title="",
        created="",
        chapters=(),
        payloads=hashes.told,
    )


def _chapter(chapter: Any) -> tuple[str, Fraction]:
    start = chapter["start"] * Fraction(chapter["time_base"])
    return chapter.get("metadata", {}).get("title", ""), start
