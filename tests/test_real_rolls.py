"""Films of real stills, decoded and held against the stills; times are read by Pillow alone."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

SPEED, RATE, INTERVAL = 8, 25, 5
SMALL = (96, 72)


def small_gray(picture: Image.Image) -> np.ndarray:
    gray = picture.convert("L").resize(SMALL, Image.Resampling.BOX)
    return np.asarray(gray, np.float32)


def capture_seconds(path: Path) -> float:
    with Image.open(path) as picture:
        text = picture.getexif().get_ifd(0x8769)[0x9003]
    return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").timestamp()


def shown_shares(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How much of each still each frame should hold (frames x stills): linear by capture time,
    with gaps held until one interval before their end."""
    knots, sources = [], []
    for still, time in enumerate(times):
        # a gap: two or more stills missing, and longer than this uneven roll usually varies by
        if still and time - times[still - 1] > 12.5:
            knots.append(time - INTERVAL)
            sources.append(still - 1)
        knots.append(time)
        sources.append(still)
    shares = np.zeros((len(at), len(times)))
    for knot, source in enumerate(sources):
        shares[:, source] += np.interp(at, knots, np.eye(len(knots))[knot])
    return shares


@pytest.mark.parametrize("size", ["640x360", pytest.param("1920x1080", marks=pytest.mark.slow)])
def test_seneca_shows_every_still_at_its_time(shared: Path, tmp_path: Path, size: str) -> None:
    paths = sorted((shared / "odm_seneca").glob("*.jpg"), key=capture_seconds)
    times = np.array([capture_seconds(path) for path in paths])
    times -= times[0]
    assert sorted(np.diff(times))[-2:] == [30, 73]
    film = tmp_path / "x.mp4"
    command = [sys.executable, "-m", "timelapse.cli", "render", str(shared / "odm_seneca")]
    options = ["-o", str(film), "--speed", str(SPEED), "--size", size, "--quiet"]
    subprocess.run([*command, *options, "--set", "output.preset=veryfast"], check=True)

    stills = []
    for path in paths:
        with Image.open(path) as picture:
            stills.append(small_gray(picture))
    with av.open(str(film)) as container:
        # 4:3 stills in a 16:9 frame stand between bars: 96 of 128 pixels
        frames = [
            frame.reformat(128, 72, "gray", interpolation="AREA").to_ndarray()[:, 16:112]
            for frame in container.decode(video=0)
        ]
    assert len(frames) == np.ceil((times[-1] + INTERVAL) / SPEED * RATE)

    def nearest(frame: np.ndarray) -> int:
        return int(np.argmin([np.square(frame - still).mean() for still in stills]))

    shares = shown_shares(times, np.arange(len(frames)) * SPEED / RATE)
    # Where two stills are mixed half and half, both are equally near.
    clear = np.flatnonzero(shares.max(axis=1) > 0.7)
    assert len(clear) > len(frames) * 0.6
    wrong = [n for n in clear if nearest(frames[n]) != shares[n].argmax()]
    assert wrong == []
    for still in (0, 12, 24):  # first, middle, last
        assert nearest(frames[round(times[still] / SPEED * RATE)]) == still
