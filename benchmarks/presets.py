"""What x264's presets cost and give, on real frames: the table behind the default preset, and
behind how far the encoder looks ahead.

    python -m benchmarks.presets PROJECT [FIRST STOP]

Frames of the project are made once, then encoded by each preset at two qualities: CPU seconds and
bytes relative to `medium` at crf 18, and the PSNR of luma against the frames before encoding.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import av
import numpy as np
from numpy.typing import NDArray

from timelapse import frames, load
from timelapse.deliver import H264, Colours, Encoder, Preset


@dataclass(frozen=True)
class Farther(H264):
    """x264 with its own idea of how far to look ahead."""

    ahead: int = 40

    @property
    def options(self) -> dict[str, object]:
        return {**super().options, "rc-lookahead": str(self.ahead)}


def settings() -> Iterator[tuple[str, H264]]:
    for preset in get_args(Preset)[1:6][::-1]:
        for crf in (18, 20):
            yield f"{preset:10} crf {crf}", H264(crf=crf, preset=preset)
    for ahead in (40, 20, 10):
        yield f"medium, {ahead} ahead", Farther(preset="medium", ahead=ahead)


def main(project: str, first: int = 0, stop: int = 120) -> None:
    job = load(project).job()
    width, height = job.framing.size
    colours = Colours((width, height))
    pictures = [colours.convert(frame).copy() for frame in frames(job, first, stop)]
    usual: tuple[float, int] | None = None
    print(f"{len(pictures)} frames of {job.framing.size}")
    for name, format in settings():
        with tempfile.TemporaryDirectory() as folder:
            path, began = Path(folder) / "x.mp4", time.process_time()
            with Encoder(path, job.framing.size, format, threads=1) as encoder:
                for picture in pictures:
                    encoder.write(picture)
            cpu, size = time.process_time() - began, path.stat().st_size
            with av.open(str(path)) as film:
                decoded = [frame.to_ndarray()[:height] for frame in film.decode(video=0)]
        psnr = 10 * np.log10(255**2 / np.mean(_errors(decoded, pictures, height)))
        usual = usual or (cpu, size)
        print(
            f"{name:18} CPU {cpu / usual[0]:.2f}  bytes {size / usual[1]:.2f}  {psnr:.1f} dB",
            flush=True,
        )


def _errors(
    decoded: list[NDArray[np.uint8]], meant: list[NDArray[np.uint8]], height: int
) -> list[np.floating]:
    pairs = zip(decoded, meant, strict=True)
    return [np.mean((a.astype(np.float32) - b[:height]) ** 2) for a, b in pairs]


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        raise SystemExit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
