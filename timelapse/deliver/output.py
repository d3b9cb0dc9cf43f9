"""What every output format has and says, and which container a name asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

from timelapse.deliver.amount import Amount
from timelapse.errors import EncodeError
from timelapse.grade import Fit, Focus, Size
from timelapse.storage import ending
from timelapse.times import Rate

#: Bits per channel; `auto` is what the stills deserve.
Depth = Literal["auto", "8", "10"]


MIB = 1 << 20
#: As far apart as key frames may be: a segment's length.
GROUP = 250


def coded(size: tuple[int, int], frames: int, bits: float) -> int:
    """Bytes of frames of so many bits a pixel."""
    return int(frames * size[0] * size[1] * bits / 8)


class Container(NamedTuple):
    """A kind of file: the muxer that writes it, with its options; whether it holds chapters,
    captions and sound beside the pictures."""

    muxer: str
    tracks: bool = True
    options: tuple[tuple[str, str], ...] = ()


_WEB = (("movflags", "+faststart"),)
_SEEK = (("cues_to_front", "1"),)
_CONTAINERS = {
    ".mp4": Container("mp4", options=_WEB),
    ".m4v": Container("mp4", options=_WEB),
    ".mov": Container("mov", options=_WEB),
    ".mkv": Container("matroska", options=_SEEK),
    ".webm": Container("webm", options=_SEEK),
    ".mxf": Container("mxf", tracks=False),
    ".gif": Container("gif", tracks=False),
    ".webp": Container("webp", tracks=False),
}
_FOLDER = Container("image2", tracks=False)


def container_of(path: Path) -> Container:
    """The container that the ending of a name asks for; a folder where it asks for none."""
    return _CONTAINERS.get(ending(path), _FOLDER)


@dataclass(frozen=True)
class Output(ABC):
    """What every format has: `rate` in frames per second; `size` of the frame (where not given,
    the commonest still size, brought into 1920x1080); `fit` shows all of a still between black
    bars (pad) or bars of its own blurred light (blur), or fills the frame and cuts what stands
    over (crop), evenly or around `focus`, a point of the still in shares; `captions` also gives
    the film its labels as a track that players can turn on; `burn` draws the overlays into the
    picture, or not (false), or makes a film of them `alone`, clear where nothing is written;
    `limit` is the largest that the file may be: it chooses the crf."""

    rate: Rate = Rate(25)
    size: Size | None = None
    fit: Fit = "pad"
    focus: Focus | None = None
    captions: bool = False
    burn: bool | Literal["alone"] = True
    limit: Amount | None = None

    #: The encoder, by libavcodec's name.
    codec: ClassVar[str]
    #: What the name of such a film may end in; its container follows from that.
    endings: ClassVar[tuple[str, ...]]
    #: What a part ends in: a container that loses nothing of what is joined.
    part_ending: ClassVar[str] = ".mp4"
    #: Why such a film cannot be joined from segments; empty where it can.
    whole: ClassVar[str] = ""
    #: Whether the result is a folder of files.
    folder: ClassVar[bool] = False
    #: The tag that players know the codec by, where the container's own choice is another.
    fourcc: ClassVar[str] = ""
    #: By how many frames decoding goes ahead of showing, where the encoder does not say it right.
    reordered: ClassVar[int] = 0
    #: The depths that `auto` chooses from.
    depths: ClassVar[tuple[str, ...]] = ()
    #: The values of crf, best first, where there is one.
    crfs: ClassVar[range] = range(0)
    #: The smallest width and height that the encoder takes.
    smallest: ClassVar[tuple[int, int]] = (16, 16)
    largest: ClassVar[int] = 16384

    @property
    def pixels(self) -> str:
        """What the encoder takes, by libavutil's name."""
        return "yuv420p"

    @property
    def bits(self) -> int:
        """Bits per channel in what is delivered.  Frames come as uint8 where it is 8, else as
        uint16."""
        return 8

    @property
    def alpha(self) -> bool:
        """Whether frames come as RGBA (uint8, straight alpha)."""
        return False

    @property
    def threads(self) -> int:
        """The threads of the encoder; 0 where whoever renders decides."""
        return 0

    @property
    def options(self) -> dict[str, object]:
        """The encoder's options, as far as they decide what it writes."""
        return {}

    def tuned(self, threads: int) -> dict[str, str]:
        """The encoder's options for so many threads (0: as many as it likes)."""
        return {key: str(value) for key, value in self.options.items()}

    def settled(self, deep: bool) -> Self:
        """The same, with the depth that `auto` means for stills of more than 8 bits (`deep`), or
        of 8."""
        if getattr(self, "depth", "") != "auto":
            return self
        return replace(self, depth=self.depths[-1 if deep else 0])  # type: ignore[call-arg]

    def check(
        self, out: Path, size: tuple[int, int], *, captions: bool = False, sound: bool = False
    ) -> None:
        """Raises EncodeError, with the remedy, where a film of this format under the name `out`
        cannot be made, or cannot hold what is asked."""
        wanted = (("captions", captions), ("sound", sound))
        if not container_of(out).tracks and (lost := [word for word, asked in wanted if asked]):
            kind = "a folder of pictures" if self.folder else f"a {ending(out)} file"
            raise EncodeError(
                f"{out}: {kind} cannot hold {' and '.join(lost)}; leave that out, or make an .mp4, "
                ".mov, .mkv or .webm"
            )
        least, most = self.smallest, self.largest
        if size[0] < least[0] or size[1] < least[1] or max(size) > most:
            raise EncodeError(
                f"{out}: {self._name} takes frames from {least[0]}x{least[1]} to {most}x{most}, "
                f"not {size[0]}x{size[1]}; give another output.size"
            )

    @abstractmethod
    def memory(self, size: tuple[int, int], threads: int) -> int:
        """About how many bytes an encoder takes; measured, and rounded up."""

    @abstractmethod
    def likely_bytes(self, size: tuple[int, int], frames: int) -> int:
        """About how large a film is."""

    @property
    def _name(self) -> str:
        return str(getattr(self, "format", ""))

    def _need(self, holds: bool, message: str) -> None:
        if not holds:
            raise ValueError(message)

    def _check_crf(self, crf: int) -> None:
        best, worst = self.crfs[0], self.crfs[-1]
        self._need(crf in self.crfs, f"crf {crf}: {self._name} takes {best} (best) to {worst}")

    def _no_limit(self) -> None:
        self._need(
            self.limit is None,
            f"limit: {self._name} has no crf to choose; give a smaller size, or another format",
        )
