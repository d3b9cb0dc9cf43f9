"""What inputs may ask of the machine is bounded; and what a scan found is remembered."""

from __future__ import annotations

import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still
from PIL import Image

from timelapse.errors import ProjectError, RollError, StillError
from timelapse.ingest import Clocks, Limits, Reader, Roll, Status, decode, scan
from timelapse.project import load
from timelapse.storage import cache_folder

MakeRoll = Callable[..., GrayRoll]


def reasons(roll: Roll) -> dict[str, str]:
    return {
        Path(entry.path).name: entry.reason
        for entry in roll.ledger
        if entry.status is Status.UNREADABLE
    }


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A small still and a larger one."""
    write_still(tmp_path / "a.jpg", np.full((48, 64, 3), 90, np.uint8), EPOCH)
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 255, (96, 128, 3), np.uint8)
    write_still(tmp_path / "b.jpg", noise, EPOCH + 1)
    return tmp_path


def test_too_many_pixels_and_bytes_are_refused_with_the_option_that_raises_the_bound(
    pair: Path,
) -> None:
    found = reasons(scan(pair, limits=Limits(pixels=64 * 48)))
    assert "128x96 is more than 0.003072 Mpixel; roll.limits.pixels" in found["b.jpg"]
    assert set(found) == {"b.jpg"}
    size = (pair / "a.jpg").stat().st_size
    found = reasons(scan(pair, limits=Limits(bytes=size)))
    assert f"larger than {size} bytes; roll.limits.bytes" in found["b.jpg"]
    assert set(found) == {"b.jpg"}
    assert reasons(scan(pair)) == {}


def progressive(folder: Path, scans: int) -> Path:
    """A progressive JPEG whose last scan is repeated until it has so many."""
    stream = io.BytesIO()
    rng = np.random.default_rng(2)
    picture = Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8))
    picture.save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    path = folder / "2018-11-16_181408.jpg"
    more = scans - data.count(b"\xff\xda")
    path.write_bytes(data[:-2] + data[last:-2] * more + b"\xff\xd9")
    return path


def test_scans_of_a_progressive_jpeg_are_bounded(tmp_path: Path) -> None:
    progressive(tmp_path, 100)
    assert reasons(scan(tmp_path)) == {}
    progressive(tmp_path, 101)
    with pytest.raises(RollError, match=r"101 scans, more than 100; roll.limits.scans raises"):
        scan(tmp_path)
    assert len(scan(tmp_path, limits=Limits(scans=101)).stills) == 1


def test_a_still_that_became_a_bomb_since_the_scan_is_not_decoded(tmp_path: Path) -> None:
    progressive(tmp_path, 12)
    (still,) = scan(tmp_path).stills
    progressive(tmp_path, 500)
    with Reader() as reader, pytest.raises(StillError, match="500 scans"):
        decode(reader, still, (64, 48))
    Image.new("RGB", (4000, 3000)).save(still.file.path)
    with Reader() as reader, pytest.raises(StillError, match="another size now"):
        decode(reader, still, (64, 48))


def test_more_pixels_than_pillow_allows_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "2018-11-16_181408.jpg"
    Image.new("L", (16, 16)).save(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (30000).to_bytes(2, "big") * 2
    path.write_bytes(data)
    with pytest.raises(RollError, match="30000x30000 is more than 400 Mpixel"):
        scan(tmp_path)
    assert scan(tmp_path, limits=Limits(pixels=10**9)).stills[0].size == (30000, 30000)


def test_the_member_of_a_zip_is_bounded_too(pair: Path) -> None:
    archive = pair / "roll.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(pair / "a.jpg", "a.jpg")
        file.write(pair / "b.jpg", "b.jpg")
    assert set(reasons(scan(archive, limits=Limits(bytes=3000)))) == {"roll.zip:b.jpg"}
    still = scan(archive).stills[1]
    claims = replace(still, file=replace(still.file, size=10))
    with Reader(Limits(bytes=3000)) as reader, pytest.raises(StillError, match="larger than 3000"):
        reader.read(claims.file)


def test_limits_are_keys_of_the_project() -> None:
    speed = ("schedule.speed", "5", "test")
    stills = ("roll.stills", "x", "test")
    given = load(None, [stills, speed, ("roll.limits.scans", "7", "--set roll.limits.scans")])
    assert given.roll.limits == Limits(scans=7)
    for key, value, told in (
        ("roll.limits.scan", "7", "did you mean scans"),
        ("roll.limits.scans", "0", "not above zero"),
    ):
        with pytest.raises(ProjectError, match=told):
            load(None, [stills, speed, (key, value, f"--set {key}")])


# ------------------------------------------------------------------ headers are remembered


def age(folder: Path, seconds: int = 60) -> None:
    """Makes files old enough to be remembered."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - seconds, time.time() - seconds))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose headers were read."""
    module = sys.modules["timelapse.ingest.scan"]  # the package has a function of that name
    real, seen = module.read_header, []

    def counted(reader, file):  # type: ignore[no-untyped-def]
        seen.append(file.name)
        return real(reader, file)

    monkeypatch.setattr(module, "read_header", counted)
    return seen


def test_a_second_scan_reads_no_header_and_finds_the_same(
    gray_roll: MakeRoll, reads: list[str]
) -> None:
    roll = gray_roll(range(6))
    (roll.folder / "notes.txt").write_text("no still")
    (roll.folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    age(roll.folder)
    first = scan(roll.folder)
    assert len(reads) == 8
    reads.clear()
    assert scan(roll.folder) == first == scan(roll.folder, cached=False)
    assert sorted(reads[:2]) == ["broken.jpg", "notes.txt"]  # what was refused is looked at again
    assert len(reads) == 2 + 8


def test_a_changed_still_is_read_again(gray_roll: MakeRoll, reads: list[str]) -> None:
    roll = gray_roll(range(3))
    age(roll.folder)
    scan(roll.folder)
    path = roll.folder / "ISS057-E-9991.png"
    write_still(path, np.zeros((10, 12, 3), np.uint8), EPOCH + 1)
    reads.clear()
    assert scan(roll.folder).stills[1].size == (12, 10)
    assert reads == ["ISS057-E-9991.png"]
    reads.clear()
    scan(roll.folder)  # it was too young to be remembered
    assert reads == ["ISS057-E-9991.png"]


def test_other_limits_do_not_believe_what_was_remembered(pair: Path) -> None:
    age(pair)
    assert len(scan(pair).stills) == 2
    assert set(reasons(scan(pair, limits=Limits(pixels=64 * 48)))) == {"b.jpg"}


def test_a_zip_is_remembered_by_the_archive(pair: Path, reads: list[str]) -> None:
    archive = pair / "roll.zip"
    for name in ("a.jpg", "b.jpg"):
        with zipfile.ZipFile(archive, "w") as file:
            info = zipfile.ZipInfo("a.jpg", (2018, 11, 16, 18, 14, 8))
            file.writestr(info, (pair / name).read_bytes().ljust(30000, b"\0"))
        age(pair, seconds=60 if name == "a.jpg" else 30)
        assert scan(archive).stills[0].size == ((64, 48) if name == "a.jpg" else (128, 96))
    reads.clear()
    scan(archive)
    assert reads == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"about": 1}', b"\xff\x00"])
def test_a_damaged_cache_is_as_if_it_were_not_there(
    gray_roll: MakeRoll, reads: list[str], content: bytes
) -> None:
    roll = gray_roll(range(3))
    age(roll.folder)
    first = scan(roll.folder)
    for path in (cache_folder() / "headers").iterdir():
        path.write_bytes(content)
    reads.clear()
    assert scan(roll.folder) == first
    assert len(reads) == 3


def test_a_file_more_costs_one_header(gray_roll: MakeRoll, reads: list[str]) -> None:
    roll = gray_roll(range(4))
    age(roll.folder)
    scan(roll.folder)
    write_still(roll.folder / "late.png", np.zeros((48, 64, 3), np.uint8), EPOCH + 9)
    reads.clear()
    assert len(scan(roll.folder).stills) == 5
    assert reads == ["late.png"]


def test_other_settings_make_another_roll_of_the_same_headers(
    gray_roll: MakeRoll, reads: list[str]
) -> None:
    roll = gray_roll(range(4))
    age(roll.folder)
    first = scan(roll.folder)
    reads.clear()
    later = scan(roll.folder, Clocks({"*": Fraction(-13)}), exclude=["*9990*"])
    assert later.stills[0].captured == first.stills[1].captured - 13
    assert reads == []
    assert scan(roll.folder) == first
    assert reads == ["ISS057-E-9990.png"]  # of what was left out nothing is remembered


def test_a_file_that_was_refused_is_looked_at_again(gray_roll: MakeRoll) -> None:
    roll = gray_roll(range(3))
    path = roll.folder / "ISS057-E-9991.png"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    age(roll.folder)
    stamp = path.stat()
    assert len(scan(roll.folder).stills) == 2
    path.write_bytes(whole)  # as a card that can be read again: same size, same time
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert len(scan(roll.folder).stills) == 3


# ------------------------------------------------------------------ what changes meanwhile


def test_files_that_vanish_and_change_during_the_scan(
    gray_roll: MakeRoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll(range(6))
    paths = sorted(roll.folder.iterdir())
    module = sys.modules["timelapse.ingest.scan"]
    real = module.read_header

    def disturbing(reader, file):  # type: ignore[no-untyped-def]
        if file.path == str(paths[0]):
            paths[1].unlink()  # before it is opened
            paths[2].unlink()
            os.mkfifo(paths[2])
            write_still(roll.folder / "new.png", np.zeros((8, 8, 3), np.uint8), EPOCH)
        header = real(reader, file)
        if file.path == str(paths[3]):
            paths[3].unlink()  # once it has been read
        if file.path == str(paths[4]):
            with paths[4].open("ab") as grows:
                grows.write(b"more")
        return header

    monkeypatch.setattr(module, "read_header", disturbing)
    found = scan(roll.folder)
    assert [still.file.path for still in found.stills] == [str(paths[0]), str(paths[5])]
    told = reasons(found)
    assert len(found.ledger) == 6
    assert "cannot be opened" in told[paths[1].name]
    assert "not a regular file" in told[paths[2].name]
    assert "vanished during the scan" in told[paths[3].name]
    assert "changed during the scan" in told[paths[4].name]


def test_a_folder_that_vanishes_is_told(tmp_path: Path) -> None:
    with pytest.raises(RollError, match="no such folder"):
        scan(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RollError, match="neither a folder nor a regular file"):
        scan(tmp_path / "pipe")


def test_progress_goes_to_the_end(gray_roll: MakeRoll) -> None:
    roll = gray_roll(range(5))
    age(roll.folder)
    for _ in range(2):
        seen: list[tuple[int, int]] = []
        scan(roll.folder, progress=lambda done, of, seen=seen: seen.append((done, of)))  # type: ignore[misc]
        assert seen[-1] == (5, 5)
        assert seen == sorted(seen)
