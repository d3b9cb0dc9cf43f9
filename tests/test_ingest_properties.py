"""Whatever befalls some files of a roll: all are accounted for, and no other still moves."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from conftest import EPOCH, write_still
from hypothesis import given, settings
from hypothesis import strategies as st

from timelapse.ingest import Roll, Status, natural, scan
from timelapse.ingest.archive import Rewindable
from timelapse.ingest.exif import Exif, Header
from timelapse.ingest.plain import from_plain, to_plain
from timelapse.ingest.still import printable
from timelapse.times import CaptureTime, Seconds

#: What may befall a still; the first leaves it as it was.
FATES = ("none", "cut", "empty", "gone", "garbage", "text", "copied", "renamed", "touched")


@dataclass(frozen=True)
class Shot:
    """A still as the camera took it, and what became of its file."""

    hundredths: int
    fate: str
    ending: str
    share: float

    @property
    def survives(self) -> bool:
        return self.fate in ("none", "copied", "renamed", "touched")


shots = st.builds(
    Shot,
    st.integers(0, 400),  # few enough that some stills share an instant
    st.sampled_from(FATES),
    st.sampled_from((".jpg", ".png", ".tif")),
    st.floats(0.01, 0.99),
)
#: Sub-seconds that never vary are not believed: these make them vary in every roll.
SOUND = [Shot(50_017, "none", ".jpg", 0), Shot(60_029, "none", ".png", 0)]
strangers = st.lists(st.sampled_from(("notes.txt", ".hidden.jpg", "a.mov", "Thumbs.db", "sub")))


def lay_out(folder: Path, roll: list[Shot], others: list[str]) -> dict[str, Shot]:
    """Writes the roll; returns the shots whose files survive, by the name of the file."""
    expected = {}
    for number, shot in enumerate(roll):
        pixels = np.full((12, 16, 3), number % 250, np.uint8)
        name = f"IMG_{number:04d}{shot.ending}"
        path = write_still(folder / name, pixels, EPOCH + Fraction(shot.hundredths, 100))
        data = path.read_bytes()
        match shot.fate:
            case "cut":
                path.write_bytes(data[: int(len(data) * shot.share)])
            case "empty":
                path.write_bytes(b"")
            case "gone":
                path.unlink()
            case "garbage":
                path.write_bytes(bytes(value ^ 0x5A for value in data))
            case "text":
                path.write_text("no still, whatever its name says")
            case "copied":
                shutil.copy(path, folder / f"IMG_{number:04d} (1){shot.ending}")
            case "renamed":
                name = f"holiday {number}{shot.ending.upper()}"
                path.rename(folder / name)
            case "touched":
                os.utime(path, (1, 1))
        if shot.survives:
            expected[name] = shot
    for name in dict.fromkeys(others):
        if name == "sub":
            (folder / name).mkdir()
        else:
            (folder / name).write_text("a stranger")
    return expected


def check(roll: Roll, folder: Path, expected: dict[str, Shot]) -> None:
    words = roll.as_json()
    assert words["found"] == words["used"] + words["excluded"] == len(list(folder.iterdir()))
    paths = [entry.path for entry in roll.ledger]
    assert sorted(paths) == sorted(map(str, folder.iterdir()))
    assert all(entry.reason for entry in roll.ledger if entry.status is not Status.USED)
    assert {still.name for still in roll.stills} == set(expected)
    assert [e.path for e in roll.ledger if e.status is Status.USED] == sorted(
        (still.file.path for still in roll.stills), key=natural
    )
    assert all(a.captured < b.captured for a, b in pairwise(roll.stills))
    together: dict[int, list[str]] = {}
    for still in roll.stills:
        shot = expected[still.name]
        together.setdefault(shot.hundredths, []).append(still.name)
        # One unit of the clock's last digit is all that stills of one instant are spread over.
        moved = still.captured - (EPOCH + Fraction(shot.hundredths, 100))
        assert 0 <= moved < Fraction(1, 100)
    by_name = {still.name: still.captured for still in roll.stills}
    for hundredths, names in together.items():
        truth = EPOCH + Fraction(hundredths, 100)
        assert min(by_name[name] for name in names) == truth
        assert names == sorted(names, key=natural)
    statuses = [entry.status for entry in roll.ledger]
    assert statuses.count(Status.DUPLICATE) == sum(s.fate == "copied" for s in expected.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(shots, min_size=1, max_size=14), strangers)
def test_every_file_is_accounted_for_and_no_still_moves(
    roll: list[Shot], others: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        expected = lay_out(folder, [*roll, *SOUND], others)
        first = scan(folder)
        check(first, folder, expected)
        for path in folder.iterdir():  # old enough for what was found to be remembered
            info = path.stat()
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns - 10**10))
        assert scan(folder).stills[0].captured == first.stills[0].captured
        remembered, anew = scan(folder), scan(folder, cached=False)
        assert remembered == anew
        check(remembered, folder, expected)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True), st.randoms())
def test_names_order_and_folders_change_nothing(hundredths: list[int], chance: object) -> None:
    """Shuffled names, a list in any order and in two folders: the same instants."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        paths = []
        for number, at in enumerate(hundredths):
            pixels = np.full((8, 8, 3), number, np.uint8)
            name = folder / "ab"[number % 2] / f"{chance.randrange(10**6)}-{number}.png"  # type: ignore[attr-defined]
            paths.append(write_still(name, pixels, EPOCH + Fraction(at, 100)))
        chance.shuffle(paths)  # type: ignore[attr-defined]
        (folder / "roll.txt").write_text("\n".join(map(str, paths)))
        truth = [EPOCH + Fraction(at, 100) for at in sorted(hundredths)]
        for roll in (folder / "roll.txt", f"{folder}/**/*.png"):
            assert [still.captured for still in scan(roll).stills] == truth


# ------------------------------------------------------------------ the parts


@given(st.lists(st.text("a0129Zz_.", max_size=8), max_size=8))
def test_natural_order_takes_digits_as_numbers(names: list[str]) -> None:
    def reference(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"(\d+)", name.casefold())
        return [(0, int(p), "") if at % 2 else (1, 0, p) for at, p in enumerate(parts)]

    assert sorted(names, key=natural) == sorted(names, key=reference)


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 2), st.integers(-20, 320))))
def test_a_rewindable_stream_is_like_any_other(data: bytes, steps: list[tuple[int, int]]) -> None:
    ours, truth = io.BufferedReader(Rewindable(io.BytesIO(data)), 16), io.BytesIO(data)
    for whence, number in steps:
        start = (0, truth.tell(), len(data))[whence]
        if start + number >= 0:
            assert ours.seek(number, whence) == truth.seek(number, whence)
        assert ours.read(abs(number) // 4) == truth.read(abs(number) // 4)
    ours.close()


fractions = st.fractions(-(10**11), 10**11)
exifs = st.builds(
    Exif,
    st.none() | st.builds(CaptureTime, fractions),
    st.none() | st.builds(Seconds, fractions),
    st.text(max_size=5),
    st.integers(1, 8),
    st.text(max_size=5),
    st.text(max_size=5),
    st.none() | st.builds(CaptureTime, fractions),
)
headers = st.builds(
    Header, st.text(max_size=4), st.tuples(st.integers(), st.integers()), st.just(16), exifs
)


@given(headers)
def test_headers_survive_being_remembered(header: Header) -> None:
    assert from_plain(Header)(json.loads(json.dumps(to_plain(header)))) == header


@given(st.text() | st.binary().map(os.fsdecode))
def test_printable_names_can_be_printed(name: str) -> None:
    shown = printable(name)
    assert shown.encode("utf-8").decode() == shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
