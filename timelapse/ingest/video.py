"""A video as a roll: its frames are stills, told apart by their times.

A frame is known by its number and its time in ticks of the video's clock, so that any process
that sees the video finds it.  PyAV reads; what is damaged is refused, not patched up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from math import prod
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from timelapse.errors import StillError
from timelapse.ingest.exif import Exif, Header, camera_name
from timelapse.ingest.heif import AVIF, HEIC
from timelapse.ingest.regular import refusing
from timelapse.ingest.still import CUT_SHORT, File, Frame, LedgerEntry, Limits, Pixels, Status
from timelapse.times import CaptureTime, Seconds

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: FFmpeg's reader by how a file starts, at an offset.  No other is tried: some read playlists, and
#: with them any file that they name.
_READERS = (
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
    (0, b"\0\0\1\xba", "mpeg"),
    (0, b"G@\0", "mpegts"),
    (0, b"G@\x11", "mpegts"),
    (4, b"G@\0", "mpegts"),
    (4, b"G@\x11", "mpegts"),
)
_CODECS = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg1video",
    "mpeg2video", "mpeg4", "h263", "mjpeg", "prores", "dnxhd", "cfhd", "ffv1", "rawvideo", "png",
    "dvvideo", "qtrle",
)  # fmt: skip
_ORIENTATIONS = {0: 1, 90: 8, 180: 3, -180: 3, -90: 6, 270: 6}
#: Frames ahead are decoded on the way, up to so many seconds; farther ones are sought.
_NEAR = 10
#: Lines from which a video that does not say its matrix is taken for BT.709, as players do.
_HIGH = 720
#: A creation time before this one is that of a clock that was never set (1904, 1970).
_FIRST_YEAR = 1990
_UNSPECIFIED = 2


def reader_of(head: bytes) -> str | None:
    """FFmpeg's reader for a file that starts with these (16) bytes; None for no video."""
    if head[4:8] == b"ftyp" and head[8:12] in (*HEIC, *AVIF, b"crx "):
        return None
    for at, magic, reader in _READERS:
        if head[at:].startswith(magic):
            return reader
    return None


def is_video(path: str) -> bool:
    """Whether the file starts as a video does; False where it cannot be read."""
    with suppress(OSError, ValueError):
        return reader_of(_head(path)) is not None
    return False


def _head(path: str) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.read(16)


@dataclass(frozen=True)
class Footage:
    """The frames of a video in order; `left_out` are those that cannot be read.

    `created` is when the first frame was taken, if the video says so.
    """

    frames: tuple[tuple[File, Header], ...]
    left_out: tuple[LedgerEntry, ...]
    created: CaptureTime | None


def footage(file: File, limits: Limits) -> Footage:
    """The frames of a video file with their times; of its pixels only the first frame's are
    decoded, to prove that they can be.

    Raises StillError where none can be.
    """
    name = str(file)
    with refusing(name, "cannot be read as a video"):
        with closing(_open(file.path, name)) as container:
            stream = container.streams.video[0]
            size, base = (stream.codec_context.width, stream.codec_context.height), stream.time_base
            if prod(size) > limits.pixels:
                bound = f"{limits.pixels / 10**6:g} Mpixel; roll.limits.pixels raises the bound"
                raise StillError(name, f"{size[0]}x{size[1]} is more than {bound}")
            said, created, camera = stream.frames, *_about(container, stream)
            ticks, complaint = _ticks(container, stream)
        if not ticks or base is None:
            raise StillError(name, complaint or "a video without frames")
        orientation, bits = _first(file, name)
    entries = []
    if (lacking := max(said - len(ticks), 0)) or complaint:
        why = complaint or CUT_SHORT
        what = f"{lacking} of {said} frames cannot be read" if lacking else "not read to its end"
        entries.append(LedgerEntry(name, Status.UNREADABLE, f"{what}: {why}"))
    frames = []
    for number, at in enumerate(ticks):
        since = (at - ticks[0]) * base
        local = created + since if created is not None else None
        exif = Exif(local, Seconds(0) if created is not None else None, "", orientation, camera)
        header = Header("video", size, bits, exif, since)
        frames.append((replace(file, frame=Frame(number, at)), header))
    return Footage(tuple(frames), tuple(entries), created)


def _open(path: str, name: str) -> InputContainer:
    """The video, with one stream of pictures at least, in a form and of a codec that are read."""
    import av

    reader = reader_of(_head(path))
    if reader is None:
        raise StillError(name, "not a video")
    # Named as a file, so that no name is taken for another protocol.
    container = av.open(f"file:{path}", format=reader)
    if not container.streams.video:
        container.close()
        raise StillError(name, "a video without pictures")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name not in _CODECS:
        container.close()
        raise StillError(name, f"a video in {context and context.name}: not read")
    context.options = {"err_detect": "explode"}
    context.thread_count = 1  # lanes run side by side, each with a decoder of its own
    return container


def _about(container: InputContainer, stream: VideoStream) -> tuple[CaptureTime | None, str]:
    """When the video was begun, and by what camera, as far as it says so."""
    tags = {key.lower(): text for key, text in {**stream.metadata, **container.metadata}.items()}
    make, model = (
        tags.get(f"com.apple.quicktime.{key}") or tags.get(key) or "" for key in ("make", "model")
    )
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        with suppress(ValueError):
            at = datetime.fromisoformat(tags.get(key, "")).astimezone(UTC)
            if at.year >= _FIRST_YEAR:
                exact = at.second + Fraction(at.microsecond, 10**6)
                civil = at.year, at.month, at.day, at.hour, at.minute
                return CaptureTime.of_civil(*civil, exact), camera_name(make, model)
    return None, camera_name(make, model)


def _ticks(container: InputContainer, stream: VideoStream) -> tuple[list[int], str]:
    """The times of all frames in order, by their packets alone, and what went wrong."""
    import av

    ticks, complaint = set(), ""
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                complaint = CUT_SHORT
            elif packet.pts is not None and not packet.is_discard and _shown(packet):
                ticks.add(packet.pts)
    except av.FFmpegError as error:
        complaint = error.strerror or "damaged"
    return sorted(ticks), complaint


def _shown(packet: Packet[VideoStream]) -> bool:
    """Whether a packet holds a frame to be seen: VP8 has others (RFC 6386, 9.1)."""
    if packet.size == 0:
        return False
    return packet.stream.codec_context.name not in ("vp8", "libvpx") or bool(bytes(packet)[0] & 16)


def _first(file: File, name: str) -> tuple[int, int]:
    """The orientation of the first frame, and its bits a channel (8 or 16)."""
    with closing(_open(file.path, name)) as container:
        for frame, _ in _decoded(container):
            bits = 16 if frame.format.components[0].bits > 8 else 8
            return _ORIENTATIONS.get(round(frame.rotation), 1), bits
    raise StillError(name, "holds no frame that can be decoded")


def _decoded(container: InputContainer) -> Iterator[tuple[VideoFrame, bool]]:
    """The frames from here on, and whether each is sound.

    What follows a damaged frame is built upon it, up to the next one that stands alone.
    """
    import av

    whole, sound, since = True, set[int | None](), None
    with suppress(av.FFmpegError):  # the file ends before its frames do
        for packet in container.demux(video=0):
            if not whole and packet.is_keyframe and not packet.is_corrupt:
                whole, since = True, packet.pts
            frames: list[VideoFrame] = []
            try:
                frames += packet.decode()
            except av.FFmpegError:
                whole = False
            # Frames leave the decoder in another order than their packets enter it.
            if whole and (since is None or (packet.pts or 0) >= since):
                sound.add(packet.pts)
            for frame in frames:
                if frame.is_corrupt and whole:
                    whole = False
                    sound.clear()
                yield frame, frame.pts in sound
                sound.discard(frame.pts)


class Frames:
    """The frames of one video as bytes, by a decoder that is kept open; safe for several threads.

    Each frame is decoded once where frames are asked for in order, be it a little out of step as
    threads are; what lies back, or far ahead, is sought.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = Lock()
        self._container: InputContainer | None = None
        self._ahead: Iterator[tuple[VideoFrame, bool]] = iter(())
        self._at: int | None = None
        self._wanted: set[int] = set()
        self._passed: dict[int, bytes] = {}

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def read(self, file: File) -> bytes:
        """A frame as packed RGB as it is stored, 8 or 16 bits a channel.  Raises StillError."""
        frame, name = file.frame, str(file)
        assert frame is not None
        self._wanted.add(frame.pts)
        try:
            with self._lock, refusing(name, "cannot be decoded"):
                found = self._passed.pop(frame.pts, None)
                return self._find(frame.pts, name) if found is None else found
        finally:
            self._wanted.discard(frame.pts)
            self._passed.pop(frame.pts, None)

    def _find(self, pts: int, name: str) -> bytes:
        if self._container is None:
            self._container = _open(self._path, name)
        base = self._container.streams.video[0].time_base or Fraction(1)
        near = int(_NEAR / base)
        # On from here; else sought, and where that lands too late, or amid frames that lean on
        # earlier ones, from farther back.
        starts = [None] if self._at is not None and self._at < pts <= self._at + near else []
        for start in [*starts, pts, pts - near, 0]:
            if start is not None:
                self._seek(self._container, start)
            if (found := self._go_to(pts)) is not None:
                return found
        raise StillError(name, "damaged: this frame cannot be decoded")

    def _seek(self, container: InputContainer, pts: int) -> None:
        import av

        self._at = None
        with suppress(av.FFmpegError):  # before the start
            container.seek(pts, stream=container.streams.video[0])
        self._ahead = _decoded(container)

    def _go_to(self, pts: int) -> bytes | None:
        """The frame of that time, if it is sound and lies ahead."""
        for frame, sound in self._ahead:
            if frame.pts is None:
                continue
            self._at = frame.pts
            if frame.pts == pts:
                return _rgb(frame) if sound else None
            if frame.pts > pts:
                return None
            if sound and frame.pts in self._wanted:
                self._passed[frame.pts] = _rgb(frame)
        return None


def _rgb(frame: VideoFrame) -> bytes:
    from av.video.reformatter import Colorspace

    matrix = frame.colorspace
    if matrix == _UNSPECIFIED:
        matrix = Colorspace.ITU709 if frame.height >= _HIGH else Colorspace.ITU601
    deep = frame.format.components[0].bits > 8
    shown = frame.reformat(format="rgb48le" if deep else "rgb24", src_colorspace=matrix)
    return shown.to_ndarray().tobytes()


def pixels(data: bytes, name: str, size: tuple[int, int], bits: int) -> Pixels:
    """A frame's bytes as RGB (H x W x 3, uint8 or uint16, display light), as stored."""
    if len(data) != prod(size) * 3 * bits // 8:
        raise StillError(name, "has another size now than when it was scanned")
    values = np.frombuffer(data, np.uint8 if bits == 8 else np.dtype("<u2"))
    return values.reshape(size[1], size[0], 3).copy()
