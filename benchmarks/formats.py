"""What the output formats cost and give, on real frames: the table of docs/formats.md.

    python -m benchmarks.formats [PROJECT|ROLL|JOB] [FIRST STOP] [--only WORD] [--memory]

Frames are made once, at 8 and at 16 bits, and coded by each format with one thread.  Per format:
frames a CPU second, bits a pixel, and the PSNR against the frames that went in, in R'G'B', of 8
bits.  With --memory each format is run in a process of its own, and its peak told.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.jobs import JOBS
from benchmarks.rolls import make_roll
from timelapse.deliver import (
    H264,
    Av1,
    Colours,
    DnxHr,
    Format,
    Gif,
    Hevc,
    Png,
    ProRes,
    Tags,
    Vp9,
    WebP,
    encoder,
    join,
    size_on_disk,
)  # fmt: skip
from timelapse.grade import Size


def settings() -> Iterator[tuple[str, Format]]:
    yield "h264", H264()
    yield "hevc", Hevc()
    yield "hevc, 10 bit", Hevc(depth="10")
    yield "av1", Av1()
    yield "av1, 10 bit", Av1(depth="10")
    yield "vp9", Vp9()
    yield "vp9, alpha", Vp9(alpha=True)
    for profile in ("proxy", "standard", "hq", "4444"):
        yield f"prores {profile}", ProRes(profile=profile)  # type: ignore[arg-type]
    for profile in ("lb", "sq", "hq", "hqx", "444"):
        yield f"dnxhr {profile}", DnxHr(profile=profile)  # type: ignore[arg-type]
    yield "gif", Gif()
    yield "gif, sierra", Gif(dither="sierra")
    yield "webp", WebP()
    yield "webp, lossless", WebP(lossless=True)
    yield "png", Png()
    yield "png, 16 bit", Png(depth="16")


def pictures(source: str, first: int, stop: int, size: Size) -> list[NDArray[np.uint8]]:
    """Frames of a project, or the stills of a folder or of a job's roll in their order, RGB."""
    if source in JOBS:
        home = Path(tempfile.gettempdir()) / "timelapse-benchmarks"
        source = str(make_roll(JOBS[source].roll, home).folder)
    if not Path(source).is_dir():
        from timelapse import frames, load

        return [frame.copy() for frame in frames(load(source).job(), first, stop)]
    from timelapse.grade import Framing
    from timelapse.ingest import Reader, decode, scan

    framing = Framing(size, "crop")
    stills = scan(source).stills[first:stop]
    with Reader() as reader:
        found = [decode(reader, still, framing.scaled(still.size)) for still in stills]
    return [np.ascontiguousarray(framing.apply(pixels)).astype(np.uint8) for pixels in found]


def given(frame: NDArray[np.uint8], format: Format) -> NDArray[Any]:
    """A frame as a format takes it."""
    if format.alpha:
        return np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    return frame if format.bits == 8 else frame.astype(np.uint16) * np.uint16(257)


def coded(frames: Sequence[NDArray[np.uint8]], format: Format, folder: Path) -> tuple[Path, float]:
    """The film of these frames, and the CPU seconds that it took."""
    height, width = frames[0].shape[:2]
    part, colours = folder / f"part{format.part_ending}", Colours((width, height), format)
    began = time.process_time()
    with encoder(part, (width, height), format, threads=1) as writer:
        for frame in frames:
            writer.write(colours.convert(given(frame, format)))
    spent = time.process_time() - began
    if format.whole:
        return part, spent
    film = folder / f"film{format.endings[0]}"
    join([(part, len(frames))], film, format, Tags())
    return film, spent


def psnr(film: Path, frames: Sequence[NDArray[np.uint8]]) -> float:
    """Decoded by the ffmpeg binary to R'G'B' by the matrix that the film is tagged with."""
    import cv2
    import imageio_ffmpeg

    if film.is_dir():
        read = (cv2.imread(str(file)) for file in sorted(film.iterdir()))
        pairs = zip(read, frames, strict=True)
        exact = all(a is not None and np.array_equal(a[:, :, ::-1], b) for a, b in pairs)
        return float("inf") if exact else float("nan")
    height, width = frames[0].shape[:2]
    matrix = "" if film.suffix in (".gif", ".webp") else ":in_color_matrix=bt709"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(film), "-map", "0:v", "-fps_mode",
        "passthrough", "-vf", f"scale=flags=accurate_rnd+full_chroma_int{matrix}", "-f", "rawvideo",
        "-pix_fmt", "rgb24", "-",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        error = 0.0
        for frame in frames:
            data = process.stdout.read(height * width * 3)
            found = np.frombuffer(data, np.uint8).reshape(frame.shape).astype(np.float32)
            error += float(((found - frame) ** 2).mean())
    error /= len(frames)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", nargs="?", default="j1")
    parser.add_argument("first", nargs="?", type=int, default=0)
    parser.add_argument("stop", nargs="?", type=int, default=48)
    parser.add_argument("--only", default="")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args(arguments)
    size = Size.read(options.size)
    if options.memory:
        memory(options.only, size)
        return
    frames = pictures(options.source, options.first, options.stop, size)
    height, width = frames[0].shape[:2]
    print(f"{len(frames)} frames of {width}x{height}")
    print("| format | bits a pixel | Mbit/s at 25 | frames a CPU second | PSNR, dB |")
    print("| --- | --- | --- | --- | --- |")
    for name, format in settings():
        if options.only in name:
            with tempfile.TemporaryDirectory() as folder:
                film, spent = coded(frames, format, Path(folder))
                bits = size_on_disk(film) * 8 / len(frames)
                print(
                    f"| {name} | {bits / width / height:.3g} | {bits * 25e-6:.3g} "
                    f"| {len(frames) / spent:.3g} | {psnr(film, frames):.1f} |",
                    flush=True,
                )


def memory(only: str, size: Size) -> None:
    """The peak of each format's encoder over that of a process that only holds one frame."""
    for name, _ in settings():
        if only in name:
            for threads in (1, 2):
                call = f"peak({name!r}, {size.width}, {size.height}, {threads})"
                code = f"from benchmarks.formats import peak; {call}"
                told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
                print(
                    name, threads, "threads:", told.stdout.strip(), told.stderr[-300:], flush=True
                )


def peak(name: str, width: int, height: int, threads: int) -> None:
    import cv2

    format = dict(settings())[name]
    rng = np.random.default_rng(1)
    big = cv2.resize(
        rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8), (width + 64, height + 64)
    )
    big += rng.integers(0, 6, big.shape, np.uint8)
    colours = Colours((width, height), format)
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with encoder(
            Path(folder) / f"x{format.part_ending}", (width, height), format, threads=threads
        ) as writer:
            for n in range(64):
                frame = given(np.ascontiguousarray(big[n : n + height, n : n + width]), format)
                writer.write(colours.convert(frame))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = format.memory((width, height), threads)
    print(f"{(after - before) / 1024:.0f} MiB, said {told / (1 << 20):.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
