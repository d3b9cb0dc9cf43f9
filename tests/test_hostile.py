"""Files that are made to do harm: each costs its line in the ledger, and nothing else.

Every one is scanned in a process of its own, whose memory and time are measured.
"""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import EPOCH, exif_bytes, write_still
from PIL import Image

from timelapse.ingest import Limits, Status, scan

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX system")

#: What scanning a roll with one hostile file may cost: CPU seconds (a machine may be busy), and MB
#: beside the same roll without it.
SECONDS, MEGABYTES = 1.0, 300
NAME = "2018-11-16_181500.jpg"
#: Scans a roll and says what came of it, how long it took, and the process's highest memory.
SCAN = """
import json, sys, time
from timelapse.ingest import scan
began = time.process_time()
roll = scan(sys.argv[1])
took = time.process_time() - began
with open("/proc/self/status") as file:  # getrusage would tell of the test's own process too
    status = file.read()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
words = roll.as_json() | {"took": took, "peak": peak}
json.dump(words, sys.stdout)
"""


def good(folder: Path, count: int = 3) -> None:
    """Stills that have to survive whatever stands beside them."""
    for n in range(count):
        pixels = np.full((48, 64, 3), 40 + 20 * n, np.uint8)
        write_still(folder / f"good{n}.jpg", pixels, EPOCH + n)


def jpeg(width: int = 64, height: int = 48, **options: object) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(stream, "JPEG", **options)  # type: ignore[arg-type]
    return stream.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    check = struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
    return struct.pack(">I", len(content)) + kind + content + check


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND")


def ifd(*entries: tuple[int, int, int, int]) -> bytes:
    """A little-endian TIFF of one directory; entries are tag, type, count, value or place."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(4)


def segments(kind: int, content: bytes, times: int) -> bytes:
    """A JPEG with many segments of one kind in front."""
    one = b"\xff" + bytes([kind]) + struct.pack(">H", len(content) + 2) + content
    return b"\xff\xd8" + one * times + jpeg()[2:]


# ------------------------------------------------------------------ the files


def pixel_bomb(path: Path) -> None:
    path.write_bytes(png(90_000, 90_000, chunk(b"IDAT", zlib.compress(bytes(1 << 20)))))


def jpeg_of_thousands_of_scans(path: Path) -> None:
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:-2] + data[last:-2] * 5000 + b"\xff\xd9")


def baseline_jpeg_of_thousands_of_scans(path: Path) -> None:
    """Sequential, each channel in a scan of its own, and the last one again and again."""
    data = jpeg()
    scan_at = data.index(b"\xff\xda")
    alone = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    body = data[scan_at + 14 : -2]
    path.write_bytes(data[:scan_at] + (alone + body) * 3000 + b"\xff\xd9")


def huge_exif(path: Path) -> None:
    path.write_bytes(segments(0xE1, b"Exif\0\0" + bytes(65000), 1000))


def exif_that_claims_gigabytes(path: Path) -> None:
    """Five thousand tags, each of which is the same sixty kilobytes."""
    entries = [(tag, 7, 60_000, 8) for tag in range(5000)]
    path.write_bytes(segments(0xE1, b"Exif\0\0" + ifd(*entries), 1))


def jpeg_of_empty_segments(path: Path) -> None:
    path.write_bytes(segments(0xE5, b"", 2_000_000))


def jpeg_of_fill_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\xd8" + b"\xff" * 50_000_000)


def png_of_text(path: Path) -> None:
    texts = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))) * 20_000
    path.write_bytes(png(64, 48, texts, chunk(b"IDAT")))


def png_whose_old_exif_unpacks_to_much(path: Path) -> None:
    text = b"Raw profile type exif\0\0" + zlib.compress(bytes(1 << 28))
    path.write_bytes(png(64, 48, chunk(b"zTXt", text), chunk(b"IDAT")))


def png_of_empty_chunks(path: Path) -> None:
    path.write_bytes(png(64, 48, chunk(b"IDAT") * 2_000_000))


def png_of_a_huge_profile(path: Path) -> None:
    path.write_bytes(png(64, 48, chunk(b"iCCP", bytes(1 << 26)), chunk(b"IDAT")))


def tiff_of_a_huge_tag(path: Path) -> None:
    path.write_bytes(ifd((256, 3, 1, 64), (257, 3, 1, 48), (700, 7, 1 << 29, 64)))
    os.truncate(path, (1 << 29) + 100)


def tiff_of_a_hundred_million_strips(path: Path) -> None:
    entries = (256, 3, 1, 64), (257, 3, 1, 48), (273, 4, 100_000_000, 64), (279, 4, 100_000_000, 64)
    path.write_bytes(ifd(*entries))
    os.truncate(path, 500_000_000)


def tiff_of_pages_in_pages(path: Path) -> None:
    """Every directory leads to a million others, or back to itself."""
    path.write_bytes(ifd((330, 4, 1_000_000, 8), (0x8769, 4, 1, 8)))
    os.truncate(path, 8_000_000)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        path.symlink_to("/dev/zero")


def symlink_loop(path: Path) -> None:
    path.symlink_to(path.with_name("b.jpg"))
    path.with_name("b.jpg").symlink_to(path)


def sparse_file(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0")
    os.truncate(path, 4 << 30)


def sparse_file_within_the_bound(path: Path) -> None:
    path.write_bytes(jpeg()[:-2])
    os.truncate(path, 200_000_000)


FILES: list[tuple[Callable[[Path], None], str]] = [
    (pixel_bomb, "90000x90000 is more than 400 Mpixel; roll.limits.pixels"),
    (jpeg_of_thousands_of_scans, "more than 100; roll.limits.scans"),
    (baseline_jpeg_of_thousands_of_scans, "more than 100; roll.limits.scans"),
    (huge_exif, "roll.limits.metadata"),
    (exif_that_claims_gigabytes, ""),  # only what is asked for is read: a still like others
    (jpeg_of_empty_segments, "more than 10000 segments; roll.limits.tags"),
    (jpeg_of_fill_bytes, "roll.limits.tags"),
    (png_of_text, "roll.limits.tags"),
    (png_whose_old_exif_unpacks_to_much, "no capture time"),
    (png_of_empty_chunks, "roll.limits.tags"),
    (png_of_a_huge_profile, "roll.limits.metadata"),
    (tiff_of_a_huge_tag, "roll.limits.metadata"),
    (tiff_of_a_hundred_million_strips, "roll.limits.metadata"),
    (tiff_of_pages_in_pages, "roll.limits.tags"),
    (fifo, "not a regular file"),
    (a_socket, "not a regular file"),
    (device, "not a regular file"),
    (symlink_loop, "symbolic links"),
    (sparse_file, "roll.limits.bytes"),
    (sparse_file_within_the_bound, "cut short"),
]


def scan_apart(roll: Path) -> dict[str, object]:
    """What a process of its own makes of a roll; it may not write to stderr."""
    env = {**os.environ, "TIMELAPSE_CACHE": str(roll.parent / "cache")}
    command = [sys.executable, "-W", "error", "-c", SCAN, str(roll)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words: dict[str, object] = json.loads(done.stdout)
    return words


@pytest.mark.parametrize(("make", "told"), FILES, ids=[make.__name__ for make, _ in FILES])
def test_a_hostile_file_costs_its_line_in_the_ledger(
    make: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    good(folder)
    make(folder / NAME)
    words = scan_apart(folder)
    ledger = {Path(str(e["path"])).name: e for e in words["ledger"]}  # type: ignore[attr-defined]
    assert [ledger[f"good{n}.jpg"]["status"] for n in range(3)] == ["used"] * 3
    entry = ledger[NAME]
    if told:
        assert entry["status"] in ("unreadable", "excluded")
        assert told in entry["reason"]
    assert words["took"] < SECONDS  # type: ignore[operator]
    assert words["peak"] < MEGABYTES  # type: ignore[operator]


def test_the_film_of_the_good_rest_is_rendered(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    good(folder, 4)
    for number, (make, told) in enumerate(FILES):
        if told:
            make(folder / f"2018-11-16_19{number:02d}00.jpg")
    for name in ODD_NAMES:
        write_still(folder / os.fsdecode(name), np.full((48, 64, 3), 90, np.uint8), EPOCH + 4)
    film, env = tmp_path / "film.mp4", {**os.environ, "TIMELAPSE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "timelapse.cli", "render", str(folder), "-o", str(film)]
    options = ["--speed", "2", "--fps", "10", "--size", "64x48", "--json"]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    frames = json.loads(done.stdout)["frames"]
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames > 10


# ------------------------------------------------------------------ names

ODD_NAMES = [
    b"a\nb.jpg",
    b"a\x1b[31mred.jpg",
    b"\xff\xfe.jpg",
    b"a\rb.jpg",
    "a\u202egpj.jpg".encode(),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_used_and_told_on_one_plain_line(name: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    try:
        path = write_still(folder / os.fsdecode(name), np.zeros((8, 8, 3), np.uint8), EPOCH)
    except OSError:
        pytest.skip("this file system takes no such name")
    (folder / (os.fsdecode(name) + ".txt")).write_text("no still")
    roll = scan(folder)
    assert roll.stills[0].file.path == str(path)
    for text in [roll.stills[0].name, *(entry.path for entry in roll.ledger)]:
        text.encode("utf-8")
        assert not any(ord(c) < 32 or c == "\u202e" for c in text)
    command = [sys.executable, "-m", "timelapse.cli", "scan", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout)["used"] == 1
    plain = subprocess.run(command[:-1], capture_output=True, check=True)
    assert b"\x1b[31m" not in plain.stdout + plain.stderr


def test_folders_in_folders_and_in_circles(tmp_path: Path) -> None:
    folder, here = tmp_path / "roll", Path.cwd()
    folder.mkdir()
    good(folder)
    (folder / "again").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    os.chdir(folder)
    try:
        for _ in range(1200):  # the path grows longer than any system call takes
            os.mkdir("folder" * 10)  # noqa: PTH102
            os.chdir("folder" * 10)
        (Path() / NAME).write_bytes(jpeg(exif=exif_bytes(EPOCH + 9)))
    finally:
        os.chdir(here)
    began = time.process_time()
    roll = scan(f"{folder}/**/*.jpg")
    took = time.process_time() - began
    # too deep for what clears up behind tests
    subprocess.run(["rm", "-rf", str(folder / ("folder" * 10))], check=True)
    assert took < SECONDS
    told = {Path(entry.path).name: entry.reason for entry in roll.ledger if entry.reason}
    assert len(roll.stills) == 3
    assert told["again"] == told["up"] == "a link to a folder, not followed"
    assert any("cannot be entered" in reason for reason in told.values())


# ------------------------------------------------------------------ archives


def archive_of(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(3):
            archive.writestr(f"good{n}.jpg", jpeg(exif=exif_bytes(EPOCH + n)))
        for name, data in members:
            packing = getattr(name, "compress_type", None) or zipfile.ZIP_DEFLATED
            archive.writestr(name, data, packing)
    return path


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def packed_by(method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.jpg")
    info.compress_type = method
    return info


MEMBERS: list[tuple[zipfile.ZipInfo | str, bytes, str]] = [
    ("../../a.jpg", b"x", "a path that leads out of the archive"),
    ("a/../../b.jpg", b"x", "a path that leads out of the archive"),
    ("/etc/a.jpg", b"x", "an absolute path"),
    ("C:/a.jpg", b"x", "an absolute path"),
    ("a\\..\\..\\b.jpg", b"x", "backslashes"),
    (linked("a.jpg"), b"/etc/passwd", "a link"),
    (packed_by(zipfile.ZIP_BZIP2), b"x", "pack it again with deflate"),
    (packed_by(zipfile.ZIP_LZMA), b"x", "pack it again with deflate"),
    ("a/" * 600 + "a.jpg", b"x", "roll.limits.path"),
    ("bomb.jpg", bytes(300_000_000), "roll.limits.ratio"),
]


@pytest.mark.parametrize(("name", "data", "told"), MEMBERS, ids=[told for *_, told in MEMBERS])
def test_a_hostile_member_of_a_zip_is_refused(
    name: zipfile.ZipInfo | str, data: bytes, told: str, tmp_path: Path
) -> None:
    words = scan_apart(archive_of(tmp_path / "roll.zip", (name, data)))
    (refused,) = [e for e in words["ledger"] if e["status"] != "used"]  # type: ignore[attr-defined]
    assert told in refused["reason"]
    assert (words["used"], words["found"]) == (3, 4)
    assert words["took"] < SECONDS  # type: ignore[operator]
    assert words["peak"] < MEGABYTES  # type: ignore[operator]


def test_a_zip_of_members_in_members_is_refused(tmp_path: Path) -> None:
    """The kernel of a bomb: every member is also the packed bytes of the one before."""
    path = archive_of(tmp_path / "roll.zip", ("a.jpg", jpeg()), ("b.jpg", jpeg()))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    assert data[entry + 46 : entry + 51] == b"a.jpg"
    data[entry + 20 : entry + 24] = struct.pack("<I", 1 << 14)  # up to behind b.jpg's header
    path.write_bytes(data)
    ledger = {Path(entry.path).name: entry.reason for entry in scan(path).ledger}
    assert "overlaps the next member" in ledger["roll.zip:a.jpg"]
    assert len(scan(path).stills) == 3


def test_the_directory_of_a_zip_is_bounded(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "roll.zip")
    with pytest.raises(OSError, match=r"more than 2 files; roll\.limits\.members"):
        scan(path, limits=Limits(members=2))
    assert len(scan(path, limits=Limits(members=3)).stills) == 3
    with pytest.raises(OSError, match=r"more than 99 bytes; roll\.limits\.metadata"):
        scan(path, limits=Limits(metadata=99))


def test_two_members_of_one_name_are_both_in_the_ledger(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive_of(tmp_path / "roll.zip", ("good1.jpg", jpeg(exif=exif_bytes(EPOCH + 7))))
    roll = scan(path)
    assert [still.captured - EPOCH for still in roll.stills] == [0, 2, 7]
    assert sum("second member" in entry.reason for entry in roll.ledger) == 1


def test_a_member_is_unpacked_once_however_it_is_read(tmp_path: Path) -> None:
    """A large one without an end, of which a search from the end would unpack all for each step."""
    noise = np.random.default_rng(1).integers(0, 254, 60_000_000, np.uint8).tobytes()
    path = archive_of(tmp_path / "roll.zip", ("a.jpg", jpeg()[:-2] + noise.replace(b"\xff", b"")))
    began = time.process_time()
    roll = scan(path)
    assert time.process_time() - began < 5
    reasons = [entry.reason for entry in roll.ledger if entry.status is Status.UNREADABLE]
    assert len(reasons) == 1
    assert "cut short" in reasons[0]
