"""The figures of decision 11: what it costs to keep a still and to get it back, form by form.

python -m benchmarks.forms
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import simplejpeg
import xxhash
from numpy.typing import NDArray

from benchmarks.decoders import median_ms
from benchmarks.jobs import JOBS
from benchmarks.rolls import make_roll
from timelapse.grade import Framing, Size, to_linear
from timelapse.ingest import Limits, Still, decode_bytes, scan
from timelapse.machine import Buffers
from timelapse.storage import written_whole

Picture = NDArray[Any]
_ROUNDS = 21


@dataclass(frozen=True)
class Form:
    """How a picture becomes the parts of a file, and again a picture."""

    name: str
    parts: Callable[[Picture], list[Any]]
    picture: Callable[[NDArray[np.uint8], Picture], Picture]


def checked_parts(picture: Picture) -> list[Any]:
    return [xxhash.xxh3_64_digest(picture.data), picture.data]


def checked(data: NDArray[np.uint8], like: Picture) -> Picture:
    pixels = data[8:]
    if xxhash.xxh3_64_digest(pixels.data) != data[:8].tobytes():
        raise ValueError("damaged")
    return pixels.view(like.dtype).reshape(like.shape)


def flat(data: bytes, like: Picture) -> Picture:
    return np.frombuffer(data, like.dtype).reshape(like.shape)


RAW = Form("raw pixels, with a checksum", checked_parts, checked)
FORMS = (
    RAW,
    Form(
        "Zstandard, level 1",
        lambda picture: [imagecodecs.zstd_encode(picture, level=1)],
        lambda data, like: flat(imagecodecs.zstd_decode(data, out=like.nbytes), like),
    ),
    Form(
        "LZ4",
        lambda picture: [imagecodecs.lz4_encode(picture)],
        lambda data, like: flat(imagecodecs.lz4_decode(data, out=like.nbytes), like),
    ),
    Form(
        "PNG, level 1",
        lambda picture: [cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].data],
        lambda data, _: cv2.imdecode(data, cv2.IMREAD_COLOR),
    ),
    Form(
        "JPEG, quality 95",
        lambda picture: [simplejpeg.encode_jpeg(picture, quality=95)],
        lambda data, _: simplejpeg.decode_jpeg(data),
    ),
)


def row(form: Form, picture: Picture, folder: Path) -> str:
    """A line of the table, of files that the system still has in memory."""
    path = folder / "still"

    def write() -> None:
        with written_whole(path) as draft, draft.open("wb") as file:
            file.writelines(form.parts(picture))

    def read() -> Picture:
        return form.picture(np.fromfile(path, np.uint8), picture)

    written, gotten = median_ms(write, _ROUNDS), median_ms(read, _ROUNDS)
    exact = "yes" if np.array_equal(read(), picture) else "no"
    size = path.stat().st_size / 1e6
    return f"| {form.name} | {ms(written)} | {ms(gotten)} | {size:.1f} | {exact} |"


def ms(time: float) -> str:
    return f"{time:.0f}" if time >= 9.5 else f"{time:.1f}"


def main() -> None:
    home = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
    home.mkdir(exist_ok=True)
    source = make_roll(replace(JOBS["j1"].roll, count=1), home).paths[0]
    (still,) = scan(source, cached=False).stills
    data = source.read_bytes()
    print(f"{still.size[0]}x{still.size[1]}, {len(data) / 1e6:.1f} MB, one thread")
    with tempfile.TemporaryDirectory(dir=home) as folder:
        for width, height in ((1920, 1080), (3840, 2160)):
            framing = Framing(Size(width, height), "crop")
            picture = made(data, still, framing)
            linear = to_linear(picture)
            light = replace(RAW, name="raw pixels in linear light, 16 bits")
            print(f"\n{width}x{height}: {', '.join(saved(data, still, framing))}")
            print("| form | write ms | read ms | MB | exact |\n| --- | --- | --- | --- | --- |")
            for form in FORMS:
                print(row(form, picture, Path(folder)), flush=True)
            print(row(light, linear, Path(folder)))


def made(data: bytes, still: Still, framing: Framing) -> Picture:
    """The still in the frame, as a render makes it."""
    pixels = decode_bytes(data, still, framing.scaled(still.size), Limits())
    return np.ascontiguousarray(framing.apply(pixels))


def saved(data: bytes, still: Still, framing: Framing) -> list[str]:
    """What a still costs that is not kept; the turn into linear light is to be paid in any case."""
    buffers = Buffers()
    wanted = framing.scaled(still.size)
    decoding = median_ms(lambda: decode_bytes(data, still, wanted, Limits(), buffers), _ROUNDS)
    pixels = decode_bytes(data, still, wanted, Limits())
    scaling = median_ms(lambda: framing.apply(pixels, buffers), _ROUNDS)
    picture = np.ascontiguousarray(framing.apply(pixels))
    light = to_linear(picture)
    turning = median_ms(lambda: to_linear(picture, light), _ROUNDS)
    return [
        f"decoding {decoding:.0f} ms",
        f"scaling {scaling:.0f}",
        f"to linear light {turning:.0f}",
    ]


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
