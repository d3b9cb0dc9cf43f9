"""What x264's presets cost and give, on real frames: the table behind the default preset.

    python -m benchmarks.presets PROJECT [FIRST STOP]

Frames of the project are made once, then encoded by each preset at two qualities: CPU seconds and
bytes relative to `medium` at crf 18, and the PSNR of luma against the frames before encoding.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import get_args

import av
import numpy as np
from numpy.typing import NDArray

from timelapse import frames, load
from timelapse.deliver import H264, Colours, Encoder, Preset


def luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The luma plane of a 4:2:0 frame, H x W, uint8."""
    return frame.to_ndarray()[: frame.height].astype(np.uint8)


def main(project: str, first: int = 0, stop: int = 120) -> None:
    job, colours = load(project).job(), Colours()
    pictures = [colours.convert(frame) for frame in frames(job, first, stop)]
    lumas = [luma(picture) for picture in pictures]
    usual: tuple[float, int] | None = None
    print(f"{len(pictures)} frames of {job.framing.size}")
    for preset in get_args(Preset)[1:6][::-1]:
        for crf in (18, 20):
            with tempfile.TemporaryDirectory() as folder:
                path, began = Path(folder) / "x.mp4", time.process_time()
                with Encoder(path, job.framing.size, H264(crf=crf, preset=preset)) as encoder:
                    for picture in pictures:
                        encoder.write(picture)
                cpu, size = time.process_time() - began, path.stat().st_size
                with av.open(str(path)) as film:
                    decoded = [luma(frame) for frame in film.decode(video=0)]
            errors = [
                np.mean((a.astype(np.float32) - b) ** 2)
                for a, b in zip(decoded, lumas, strict=True)
            ]
            psnr = 10 * np.log10(255**2 / np.mean(errors))
            usual = usual or (cpu, size)
            print(
                f"{preset:10} crf {crf}  CPU {cpu / usual[0]:.2f}  bytes {size / usual[1]:.2f}"
                f"  {psnr:.1f} dB",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        raise SystemExit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:]))
