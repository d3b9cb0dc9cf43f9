"""A video is a roll: each of its frames is a still, at its own time, found again by any process."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import EPOCH

from timelapse.errors import RollError, StillError
from timelapse.ingest import Clocks, Reader, Roll, Status, Still, decode, scan
from timelapse.ingest import video as module

Array = np.ndarray[Any, Any]
SIZE = (64, 48)


def level(number: int) -> int:
    return 16 + number * 53 % 224


def film(
    path: Path,
    count: int = 40,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    ticks: list[int] | None = None,
    created: str = "2018-11-16T18:14:08Z",
    noise: bool = False,
    faststart: bool = False,
    **options: str,
) -> Path:
    """A video whose frames' brightness tells their number; 25 ticks a second."""
    container: Any = av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {})
    if created:
        container.metadata["creation_time"] = created
    stream = container.add_stream(codec, rate=25)
    stream.width, stream.height = (320, 240) if noise else SIZE
    stream.pix_fmt, stream.time_base = pixels, Fraction(1, 25)
    stream.options = options
    rng = np.random.default_rng(1)
    for number, at in enumerate(ticks or range(count)):
        picture = np.full((stream.height, stream.width, 3), level(number), np.uint8)
        if noise:
            picture = rng.integers(0, 255, picture.shape, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = at, Fraction(1, 25)
        for packet in stream.encode(frame):
            container.mux(packet)
    for packet in stream.encode(None):
        container.mux(packet)
    container.close()
    return path


def seconds(roll: Roll) -> list[Fraction]:
    return [still.captured - roll.first for still in roll.stills]


def shades(stills: list[Still] | tuple[Still, ...]) -> list[int]:
    with Reader() as reader:
        return [round(float(decode(reader, still, (1, 1)).mean())) for still in stills]


@pytest.mark.parametrize(
    ("ending", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p"),
        ("mov", "libx264", "yuv420p"),
        ("mkv", "libx264", "yuv420p"),
        ("ts", "libx264", "yuv420p"),
        ("avi", "mpeg4", "yuv420p"),
        ("avi", "mjpeg", "yuvj420p"),
        ("webm", "libvpx", "yuv420p"),
    ],
)
def test_frames_are_stills_at_their_times(
    tmp_path: Path, ending: str, codec: str, pixels: str
) -> None:
    path = film(tmp_path / f"shot.{ending}", 40, codec, pixels)
    found = scan(path, Clocks(zone=None))
    assert seconds(found) == [Fraction(n, 25) for n in range(40)]
    assert [still.name for still in found.stills[:2]] == [f"shot.{ending}#0", f"shot.{ending}#1"]
    assert {entry.status for entry in found.ledger} == {Status.USED}
    assert {still.size for still in found.stills} == {SIZE}
    if ending in ("mp4", "mov", "mkv", "webm"):
        assert (found.first, found.order) == (EPOCH, "exif")
    truth = [level(n) for n in range(40)]
    for order in (1, -1):  # in order, then backwards
        wrong = np.abs(np.subtract(shades(found.stills[::order]), truth[::order]))
        assert wrong.max() <= (12 if codec == "libvpx" else 3)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    ticks = [0, 1, 5, 6, 30, 31, 90]
    found = scan(film(tmp_path / "a.mp4", ticks=ticks))
    assert seconds(found) == [Fraction(tick, 25) for tick in ticks]


def test_a_stated_interval_is_the_cameras(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 10)
    found = scan(path, Clocks(interval=Fraction(3)))
    assert (found.first, found.order, found.dated) == (EPOCH, "interval", True)
    assert seconds(found) == [Fraction(3 * n) for n in range(10)]
    assert not any("interval is not used" in warning for warning in found.warnings)
    later = scan(path, Clocks(interval=Fraction(3), start=EPOCH + 100))
    assert later.first == EPOCH + 100


def test_times_without_a_creation_time(tmp_path: Path) -> None:
    named = scan(film(tmp_path / "VID_20181116_181408.mp4", 5, created=""))
    assert (named.first, named.order) == (EPOCH, "filename")
    assert seconds(named) == [Fraction(n, 25) for n in range(5)]
    path = film(tmp_path / "clip.mp4", 5, created="1904-01-01T00:00:00Z")
    os.utime(path, ns=(10**18, 10**18))
    aged = scan(path)
    assert (aged.first.seconds, aged.order) == (10**9, "mtime")
    assert seconds(aged) == [Fraction(n, 25) for n in range(5)]


def test_each_frame_is_decoded_once_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scan(film(tmp_path / "a.mp4", 60, g="10"))
    decoded: list[int] = []
    whole = module._decoded

    def counting(container: Any) -> Any:
        for frame, sound in whole(container):
            decoded.append(frame.pts)
            yield frame, sound

    monkeypatch.setattr(module, "_decoded", counting)
    shades(found.stills)
    assert len(decoded) == 60
    decoded.clear()
    shades(found.stills[::7])  # what lies between is passed, not decoded anew
    assert len(decoded) <= 60
    decoded.clear()
    shades(found.stills[:1:-20])
    assert len(decoded) < 60


def test_many_threads_get_the_right_frames(tmp_path: Path) -> None:
    found = scan(film(tmp_path / "a.mp4", 60, g="10"))
    barrier = threading.Barrier(4)
    with Reader() as reader, ThreadPoolExecutor(4) as pool:

        def read(start: int) -> list[int]:
            barrier.wait()
            mine = found.stills[start::4]
            return [round(float(decode(reader, still, (1, 1)).mean())) for still in mine]

        for start, got in enumerate(pool.map(read, range(4))):
            assert np.abs(np.subtract(got, [level(n) for n in range(60)][start::4])).max() <= 3


def test_a_still_is_found_by_another_process(tmp_path: Path) -> None:
    found = scan(film(tmp_path / "a.mp4", 40))
    still = pickle.loads(pickle.dumps(found.stills[33]))
    assert shades([still]) == [pytest.approx(level(33), abs=3)]


@pytest.mark.parametrize(("degrees", "orientation"), [(0, 1), (90, 8), (180, 3), (-90, 6)])
def test_rotation_is_applied_once(tmp_path: Path, degrees: int, orientation: int) -> None:
    plain = tmp_path / "plain.mp4"
    film(plain, 3)
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 200  # the first quarter is bright
    path = tmp_path / "a.mp4"
    container: Any = av.open(str(path), "w")
    stream = container.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for _ in range(3):
        for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
            container.mux(packet)
    for packet in stream.encode(None):
        container.mux(packet)
    container.close()
    turned = rotated(path, degrees)
    found = scan(turned)
    still = found.stills[0]
    assert still.orientation == orientation
    truth = np.rot90(picture, degrees // 90)  # the matrix turns against the clock
    with Reader() as reader:
        decoded = decode(reader, still, still.size)
    assert still.size == truth.shape[1::-1]
    assert np.abs(decoded.astype(int) - truth).mean() < 6


def rotated(path: Path, degrees: int) -> Path:
    """The same file with another display matrix in its track header (ISO/IEC 14496-12, 8.3.2)."""
    one = 1 << 16
    rows = {
        0: (one, 0, 0, one),
        90: (0, -one, one, 0),
        180: (-one, 0, 0, -one),
        -90: (0, one, -one, 0),
    }[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    matrix = [rows[0], rows[1], 0, rows[2], rows[3], 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    return path


def test_deep_video_stays_deep(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mov", 3, "prores_ks", "yuv422p10le")
    found = scan(path)
    assert {still.bits for still in found.stills} == {16}
    with Reader() as reader:
        decoded = decode(reader, found.stills[1], SIZE)
    assert decoded.dtype == np.uint16
    assert abs(decoded.mean() / 257 - level(1)) < 2


# ------------------------------------------------------------------ damage


def test_a_video_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 30, noise=True, faststart=True, crf="10")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    found = scan(path)
    lost = [entry for entry in found.ledger if entry.status is Status.UNREADABLE]
    used = len(found.stills)
    assert 15 <= used < 25
    assert len(lost) == 1
    assert f"{30 - used} of 30 frames cannot be read: cut short" in lost[0].reason
    with Reader() as reader:
        for still in found.stills:
            assert decode(reader, still, (1, 1)).shape == (240, 320, 3)


def test_damaged_frames_are_refused_up_to_the_next_that_stands_alone(tmp_path: Path) -> None:
    options = {"g": "10", "bf": "0", "crf": "10", "sc_threshold": "0"}
    path = film(tmp_path / "a.mp4", 30, noise=True, **options)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        at, size = int(packets[13].pos), packets[13].size
    whole = scan(path)
    data = bytearray(path.read_bytes())
    data[at + size // 3 : at + size // 3 + 300] = bytes(300)
    path.write_bytes(data)
    found = scan(path)
    assert len(found.stills) == len(whole.stills) == 30
    broken = []
    with Reader() as reader:
        for number, still in enumerate(found.stills):
            try:
                decode(reader, still, (1, 1))
            except StillError as error:
                broken.append((number, error.reason))
    assert broken == [(n, "damaged: this frame cannot be decoded") for n in range(13, 20)]


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3" * 30])
def test_what_only_starts_like_a_video(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(RollError, match=r"a\.mp4"):
        scan(path)


def test_a_video_among_stills_is_said_to_be_one(tmp_path: Path) -> None:
    from conftest import write_still

    film(tmp_path / "a.mp4", 3)
    write_still(tmp_path / "a.jpg", np.zeros((48, 64, 3), np.uint8), EPOCH)
    entries = {Path(e.path).name: e for e in scan(tmp_path).ledger}
    assert entries["a.mp4"].status is Status.EXCLUDED
    assert "a video; name it as the roll" in entries["a.mp4"].reason


# ------------------------------------------------------------------ as a film


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "timelapse.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_video_is_rendered_and_verified(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", 60, g="12")
    out = tmp_path / "out.mp4"
    done = run("render", source, "-o", out, "--speed", 2, "--size", "64x48", "--quiet", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["frames"] == 30
    with av.open(str(out)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            gray = frame.to_ndarray(format="gray").mean()
            assert abs(gray - level(2 * number)) < 6, number
    assert run("verify", out, "--stills").returncode == 0
    film(source, 60, g="12", noise=True)
    told = run("verify", out, "--stills")
    assert told.returncode == 1
    assert "is not the still that was rendered" in told.stdout + told.stderr


def test_a_render_does_not_take_the_video_for_its_target(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", 10)
    before = source.read_bytes()
    done = run("render", source, "-o", source, "--speed", 1, "--quiet")
    assert done.returncode == 1
    assert "is a file of the roll" in done.stderr
    assert source.read_bytes() == before
