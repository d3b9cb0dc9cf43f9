"""Every file found is accounted for; every still stands at the time it was taken."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from timelapse.errors import RollError, StillError
from timelapse.ingest import Reader, Roll, Status, decode, natural, scan

MakeRoll = Callable[..., GrayRoll]


def by_name(roll: Roll) -> dict[str, tuple[str, str]]:
    return {Path(e.path).name: (str(e.status), e.reason) for e in roll.ledger}


def warned(roll: Roll, *words: str) -> bool:
    """Whether one warning holds all of the words."""
    return any(all(word in warning for word in words) for warning in roll.warnings)


def seconds(roll: Roll) -> list[Fraction]:
    return [still.captured - EPOCH for still in roll.stills]


# ------------------------------------------------------------------ the ledger


def test_forty_files_with_every_fault(gray_roll: MakeRoll) -> None:
    times = [Fraction(n, 2) for n in range(40)]
    roll = gray_roll(times, ending=".JPG", size=(160, 120))
    names = [f"ISS057-E-{9990 + n}.JPG" for n in range(40)]
    (roll.folder / names[5]).unlink()
    (roll.folder / names[11]).write_bytes(b"")
    whole = (roll.folder / names[17]).read_bytes()
    (roll.folder / names[17]).write_bytes(whole[: len(whole) * 3 // 5])
    shutil.copy(roll.folder / names[20], roll.folder / "ISS057-E-10010 (1).JPG")
    (roll.folder / names[30]).write_text("this is a text file, whatever its name says")
    (roll.folder / "notes.txt").write_text("taken through window 7")

    found = scan(roll.folder)
    ledger = by_name(found)
    assert len(found.ledger) == 41 == len(list(roll.folder.iterdir()))
    assert ledger[names[11]] == ("unreadable", "empty (0 bytes)")
    assert ledger[names[17]][0] == "unreadable"
    assert "cut short" in ledger[names[17]][1]
    assert ledger["ISS057-E-10010 (1).JPG"] == ("duplicate", f"the same bytes as {names[20]}")
    assert ledger[names[30]] == ("unreadable", "not a picture (text)")
    assert ledger["notes.txt"] == ("excluded", "not a picture (text)")
    kept = [n for n in range(40) if n not in (5, 11, 17, 30)]
    assert seconds(found) == [times[n] for n in kept]
    assert [still.name for still in found.stills] == [names[n] for n in kept]
    assert sum(e.status is Status.USED for e in found.ledger) == 36
    assert (found.interval, len(found.gaps)) == (Fraction(1, 2), 4)
    json = found.as_json()
    assert json["found"] == json["used"] + json["excluded"] == 41


@pytest.mark.parametrize("ending", [".JPG", ".png", ".tif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
def test_a_still_cut_short_is_never_used(tmp_path: Path, ending: str, share: float) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (90, 120, 3), np.uint8)
    write_still(tmp_path / f"a{ending}", pixels, EPOCH)
    path = write_still(tmp_path / f"b{ending}", pixels, EPOCH + 1)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    found = scan(tmp_path)
    assert [still.name for still in found.stills] == [f"a{ending}"]
    assert by_name(found)[f"b{ending}"][0] == "unreadable"


def test_damage_inside_is_found_when_decoding(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path = write_still(tmp_path / "a.jpg", rng.integers(0, 255, (90, 120, 3), np.uint8), EPOCH)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = b"\xff\x00" * 100 + b"\xff\xd0" * 100
    path.write_bytes(data)
    (still,) = scan(tmp_path).stills
    with Reader() as reader, pytest.raises(StillError, match=r"a\.jpg: cannot be decoded"):
        decode(reader, still, (10, 10))


def test_a_still_that_changes_after_the_scan_is_refused(tmp_path: Path) -> None:
    path = write_still(tmp_path / "a.jpg", np.zeros((48, 64, 3), np.uint8), EPOCH)
    (still,) = scan(tmp_path).stills
    write_still(path, np.zeros((24, 32, 3), np.uint8), EPOCH)
    with Reader() as reader, pytest.raises(StillError, match="another size now"):
        decode(reader, still, (10, 10))
    path.unlink()
    with Reader() as reader, pytest.raises(StillError, match="cannot be opened"):
        decode(reader, still, (10, 10))


# ------------------------------------------------------------------ what a roll may be


def test_folder_glob_list_and_zip_are_the_same_roll(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(12)], ending=".JPG")
    (tmp_path / "stills.txt").write_text(
        "# the launch\n\n" + "\n".join(f"roll/{p.name}" for p in roll.folder.iterdir())
    )
    with zipfile.ZipFile(tmp_path / "roll.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in roll.folder.iterdir():
            archive.write(path, f"card/{path.name}")
        archive.writestr("card/empty.JPG", b"")
    whole = scan(roll.folder)
    for other in (f"{roll.folder}/*.JPG", tmp_path / "stills.txt", tmp_path / "roll.zip"):
        found = scan(other)
        assert [s.name for s in found.stills] == [s.name for s in whole.stills]
        assert seconds(found) == seconds(whole) == roll.times
        with Reader() as reader:
            for still, twin in zip(found.stills, whole.stills, strict=True):
                a, b = decode(reader, still, (64, 48)), decode(reader, twin, (64, 48))
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "no such folder, file or pattern"),
        ("*.JPG", "no file matches"),
        ("empty", "none of 0 files can be used: it is empty"),
        ("broken.zip", "not a zip archive"),
        ("list.txt", "none of 1 files can be used"),
    ],
)
def test_what_is_no_roll(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "list.txt").write_text("missing.jpg\n")
    with pytest.raises(RollError, match=message):
        scan(tmp_path / name)


def test_an_error_names_the_roll_once(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(RollError) as caught:
        scan(tmp_path / "bad.zip")
    assert str(caught.value).count("bad.zip: ") == 1


@pytest.mark.parametrize("text", ["a\n\nb\tc\r\n", "\ufeffähnlich", "Größe: ü", "ab"])
def test_text_is_told_as_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes.jpg").write_text(text, encoding="utf-8")
    with pytest.raises(RollError, match=r"not a picture \(text\)"):
        scan(tmp_path)


def test_names_are_ordered_as_numbers() -> None:
    names = ["s10.jpg", "s9.jpg", "S1.jpg", "s9a.jpg", "t.jpg", "10.jpg", "9.jpg"]
    assert sorted(names, key=natural) == [
        "9.jpg", "10.jpg", "S1.jpg", "s9.jpg", "s9a.jpg", "s10.jpg", "t.jpg",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert len(sorted(names, key=natural)) == len(names)


# ------------------------------------------------------------------ sizes and orientations


@pytest.mark.parametrize("ending", ["jpg", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, orientation: int, ending: str) -> None:
    ramp = np.zeros((48, 64, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(64) * 3, (np.arange(48) * 5)[:, None]
    path = write_still(tmp_path / f"a.{ending}", ramp, EPOCH, orientation=orientation)
    (still,) = scan(tmp_path).stills
    with Reader() as reader, Image.open(path) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
        decoded = decode(reader, still, still.size)
    assert still.size == upright.shape[1::-1]
    assert np.abs(decoded.astype(int) - upright).max() <= 3


@pytest.mark.parametrize(
    ("at_least", "size"),
    [((60, 60), (61, 75)), ((61, 75), (61, 75)), ((62, 75), (122, 150)), ((486, 1), (485, 600))],
)
def test_jpegs_are_decoded_at_the_smallest_sufficient_scale(
    tmp_path: Path, at_least: tuple[int, int], size: tuple[int, int]
) -> None:
    write_still(tmp_path / "a.jpg", np.full((485, 600, 3), 90, np.uint8), EPOCH, orientation=6)
    (still,) = scan(tmp_path).stills
    assert still.size == (485, 600)
    with Reader() as reader:
        height, width = decode(reader, still, at_least).shape[:2]
    assert (width, height) == size


def test_mixed_sizes_are_told(tmp_path: Path) -> None:
    for second, shape in enumerate([(48, 64, 3), (48, 64, 3), (64, 48, 3)]):
        write_still(tmp_path / f"{second}.jpg", np.zeros(shape, np.uint8), EPOCH + second)
    found = scan(tmp_path)
    assert found.sizes == {(64, 48): 2, (48, 64): 1}
    assert any("2 sizes: 64x48 (2), 48x64 (1)" in warning for warning in found.warnings)


# ------------------------------------------------------------------ real stills


def test_pylapsy_deshake(shared: Path) -> None:
    found = scan(shared / "pylapsy_deshake").as_json()
    assert (found["used"], found["order"], found["interval_s"]) == (100, "exif", 3.0)
    assert found["first"] == "2019-05-04T19:58:59.000Z"
    assert found["last"] == "2019-05-04T20:03:56.000Z"
    assert (found["gaps"], found["jitter_s"]) == ([], 0.0)


def test_odm_seneca(shared: Path) -> None:
    found = scan(shared / "odm_seneca")
    assert (len(found.stills), found.interval) == (25, 5)
    assert [gap.seconds for gap in found.gaps] == [30, 73, 16]


def test_iss_thumbnails_of_four_cameras(shared: Path) -> None:
    found = scan(shared / "iss_tle_thumbs")
    assert dict(found.cameras) == {
        "NIKON D4": 19, "NIKON Z 9": 13, "NIKON D3S": 12, "NIKON D5": 8,
    }  # fmt: skip
    assert any(still.captured.seconds.denominator > 1 for still in found.stills)


def test_camera_traps(shared: Path) -> None:
    found = scan(shared / "camtrapR_all")
    times = [still.captured for still in found.stills]
    assert len(times) == 162
    assert times == sorted(times)


def test_odd_and_corrupt_files_cost_only_their_line(shared: Path) -> None:
    found = scan(f"{shared}/weird/**/*")
    assert len(found.ledger) == found.as_json()["used"] + found.as_json()["excluded"]
    with Reader() as reader:
        for still in found.stills:
            try:
                pixels = decode(reader, still, (1, 1))
            except StillError:
                continue
            assert pixels.ndim == 3
            assert pixels.shape[2] == 3
