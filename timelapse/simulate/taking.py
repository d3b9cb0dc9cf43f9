"""The taking of stills: each is drawn, developed and written, in this process or in several."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import cv2

from timelapse.machine import cores, single_threaded_opencv
from timelapse.simulate.camera import Camera, Sensor, exif_block

EPOCH = datetime(2018, 11, 16, 18, 14, 8, tzinfo=UTC)
CLOCK_ERROR = Fraction(13)  # s that the camera's clock is fast
_RESAVED = datetime(2018, 12, 6, 15, 20, 0)


Pixel = tuple[float, float]


@dataclass(frozen=True)
class Shot:
    """One still to be taken: which, when on the mission clock, how bright, with what EXIF."""

    index: int
    mission: Fraction
    gain: float
    path: Path
    share: float = 1.0  # of the file's bytes that get written
    copy: Path | None = None


def utc_of(mission: Fraction) -> datetime:
    return EPOCH + timedelta(microseconds=int(mission * 1_000_000))


def take(
    size: tuple[int, int],
    seed: int,
    shots: list[Shot],
    workers: int | None,
    sensor: Sensor = Sensor(),  # noqa: B008 (frozen)
) -> Iterator[Pixel | None]:
    """Write all stills, in this process or in several; yield where the plume is in each."""
    count = workers if workers is not None else cores()
    if workers is None:
        # A process costs some seconds to start: not worth it for a few stills.
        count = max(min(count, len(shots) // 40), 1)
    if count == 1:
        with single_threaded_opencv():
            camera = Camera(size, seed, sensor)
            for shot in shots:
                yield _write(camera, shot)
        return
    # spawn: the same on every system, and safe where the caller has threads.
    with ProcessPoolExecutor(
        count, get_context("spawn"), _start_worker, (size, seed, sensor)
    ) as pool:
        try:
            yield from pool.map(_work, shots, chunksize=min(8, -(-len(shots) // count)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_camera: Camera | None = None


def _start_worker(size: tuple[int, int], seed: int, sensor: Sensor) -> None:
    global _camera
    cv2.setNumThreads(1)
    _camera = Camera(size, seed, sensor)


def _work(shot: Shot) -> Pixel | None:
    assert _camera is not None
    return _write(_camera, shot)


def _write(camera: Camera, shot: Shot) -> Pixel | None:
    by_camera = utc_of(shot.mission + CLOCK_ERROR)
    # Somebody on the ground saved some ten files a minute, weeks later.
    resaved = _RESAVED + timedelta(seconds=6 * shot.index)
    data = camera.still(float(shot.mission), shot.index, shot.gain, exif_block(by_camera, resaved))
    data = data[: round(len(data) * shot.share)]
    shot.path.write_bytes(data)
    if shot.copy is not None:
        shot.copy.write_bytes(data)
    return camera.plume(float(shot.mission))
