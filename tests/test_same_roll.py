"""However the same stills are named, copied, listed or packed: the same roll, by hash.

The real rolls are held against times that Pillow alone has read.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import EPOCH, exif_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_ingest import by_name, warned

from timelapse.ingest import Reader, Roll, TimeSource, natural, scan

TAKEN, SUBSECONDS, OFFSET, EXIF_IFD = 0x9003, 0x9291, 0x9011, 0x8769


def fingerprint(roll: Roll) -> str:
    """A hash over when each still was taken and its bytes, in the order of the roll."""
    digest = hashlib.sha256()
    with Reader() as reader:
        for still in roll.stills:
            digest.update(str(still.captured.seconds).encode())
            digest.update(hashlib.sha256(reader.read(still.file)).digest())
    return digest.hexdigest()


def copied(files: list[Path], names: list[str], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for path, name in zip(files, names, strict=True):
        shutil.copyfile(path, folder / name)
    return folder


def shuffled_names(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    names = [f"{n:x}{path.suffix}" for n, path in enumerate(files)]
    rng.shuffle(names)
    return copied(files, names, place / "shuffled")


def copied_mtimes(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    folder = copied(files, [path.name for path in files], place / "copied")
    for path in folder.iterdir():
        os.utime(path, (rng.randrange(2**31),) * 2)
    return folder


def renamed_as_copies(files: list[Path], place: Path, _: random.Random) -> Path | str:
    return copied(files, [f"{p.stem} (1){p.suffix}" for p in files], place / "renamed")


def with_copies(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    folder = copied(files, [path.name for path in files], place / "both")
    for path in rng.sample(files, len(files) // 2):
        shutil.copyfile(path, folder / f"{path.stem} (1){path.suffix}")
    return folder


def two_folders(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    for side in ("b", "a"):
        (place / "two" / side).mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, place / "two" / rng.choice("ab") / path.name)
    return f"{place}/two/**/*.*"


def a_zip(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    with zipfile.ZipFile(place / "roll.zip", "w") as archive:
        for path in rng.sample(files, len(files)):
            archive.write(path, f"{rng.choice('xy')}/{path.name}")
    return place / "roll.zip"


def a_list(files: list[Path], place: Path, rng: random.Random) -> Path | str:
    lines = [str(path) for path in rng.sample(files, len(files))]
    (place / "roll.txt").write_text("\n".join(lines))
    return place / "roll.txt"


Change = Callable[[list[Path], Path, random.Random], Path | str]
CHANGES: list[Change] = [
    shuffled_names,
    copied_mtimes,
    renamed_as_copies,
    with_copies,
    two_folders,
    a_zip,
    a_list,
]
changes = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


@changes
@given(
    seed=st.integers(0, 10**6),
    hundredths=st.lists(st.tuples(st.booleans(), st.integers(0, 500)), min_size=2, max_size=12,
                        unique=True),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_the_same_roll_by_hash(
    tmp_path_factory: pytest.TempPathFactory,
    change: Change,
    seed: int,
    hundredths: list[tuple[bool, int]],
) -> None:
    place, rng = tmp_path_factory.mktemp("same"), random.Random(seed)
    (place / "roll").mkdir()
    for number, (camera, at) in enumerate(hundredths):
        exif = exif_bytes(EPOCH + Fraction(at, 100), "NIKON D5" if camera else "NIKON D4")
        pixels = Image.new("RGB", (16, 16), (number, seed % 256, 0))
        pixels.save(place / "roll" / f"DSC_{number + 9995:04d}.jpg", exif=exif)
    files = sorted((place / "roll").iterdir())
    there = scan(place / "roll")
    assert fingerprint(scan(change(files, place, rng))) == fingerprint(there)
    times = {(s.camera, s.captured) for s in there.stills}
    truth = {("NIKON D5" if c else "NIKON D4", EPOCH + Fraction(at, 100)) for c, at in hundredths}
    seconds = Counter(c for c, _ in hundredths)
    if all(len({at % 100 for c, at in hundredths if c is d}) > 1 for d in seconds):
        assert times == truth


@changes
def test_the_same_real_roll_by_hash(shared: Path, tmp_path: Path, change: Change) -> None:
    """Sub-seconds to the hundredth, four cameras, two of them with sub-seconds of zero."""
    folder = shared / "iss_tle_thumbs"
    files = sorted(folder.glob("*.JPG"))
    assert fingerprint(scan(change(files, tmp_path, random.Random(7)))) == fingerprint(scan(folder))


def test_names_do_not_order_two_cameras(tmp_path: Path) -> None:
    rolls = []
    for names in ("ab", "ba"):
        folder = tmp_path / names
        folder.mkdir()
        for name, model in zip(names, ("NIKON D4", "NIKON D5"), strict=True):
            exif = exif_bytes(EPOCH, model)
            Image.new("RGB", (16, 16)).save(folder / f"{name}.jpg", exif=exif)
        rolls.append(scan(folder))
    assert [[still.camera for still in roll.stills] for roll in rolls] == [
        ["NIKON D4", "NIKON D5"]
    ] * 2


def read_by_pillow(path: Path) -> Fraction:
    with Image.open(path) as picture:
        inner = picture.getexif().get_ifd(EXIF_IFD)
    assert inner.get(OFFSET, "+00:00") == "+00:00"
    whole = datetime.strptime(inner[TAKEN], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    digits = inner.get(SUBSECONDS) or ""
    return int(whole.timestamp()) + Fraction(int(digits or 0), 10 ** len(digits))


def test_four_cameras_stand_in_the_order_of_their_hundredths(shared: Path) -> None:
    files = list((shared / "iss_tle_thumbs").glob("*.JPG"))
    truth = {path.name: read_by_pillow(path) for path in files}
    found = scan(shared / "iss_tle_thumbs")
    assert len(found.stills) == len(files) == 52
    assert {still.name: still.captured.seconds for still in found.stills} == truth
    assert [still.name for still in found.stills] == sorted(truth, key=truth.__getitem__)
    assert len(found.cameras) == 4
    assert sum(time.denominator > 1 for time in truth.values()) > 20
    # one real pair stands 70 minutes against its numbers: capture time wins, and that is said
    assert by_name(found)["ISS029-E-37312.JPG"] == (
        "used",
        "taken 1 h 10 min before ISS029-E-34192.JPG, whose number is lower; "
        "capture time was believed",
    )
    assert warned(found, "backward against the numbers", "ISS029-E-37312.JPG after ISS029-E-34192")


def test_every_file_of_the_camera_traps_is_accounted_for(shared: Path) -> None:
    folder = shared / "camtrapR_all"
    files = [path for path in folder.iterdir() if path.suffix == ".JPG"]
    truth = {path.name: read_by_pillow(path) for path in files}
    found = scan(folder)
    ledger = by_name(found)
    assert len(files) == 162 == sum(status == "used" for status, _ in ledger.values())
    assert len(ledger) == 163
    assert found.order is TimeSource.EXIF

    second = {still.name: still.captured.seconds.__floor__() for still in found.stills}
    assert second == truth  # whole seconds, all of them
    shares = Counter((still.camera, truth[still.name]) for still in found.stills)
    shared_ones = 0
    for still in found.stills:
        count = shares[still.camera, truth[still.name]]
        part = (still.captured.seconds - truth[still.name]) * count
        assert part.denominator == 1
        reason = ledger[still.name][1]
        assert (f"{part + 1} of {count} in one second" in reason) == (count > 1)
        shared_ones += count > 1
    assert warned(found, f"{shared_ones} stills share a second without sub-seconds")
    for still, after in pairwise(found.stills):
        assert still.captured <= after.captured
        if still.camera == after.camera:
            assert still.captured < after.captured
            if truth[still.name] == truth[after.name]:
                assert natural(still.name) < natural(after.name)
