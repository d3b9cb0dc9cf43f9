"""RAW is developed alike for all stills of a roll, and what is no picture is told."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import EPOCH, exif_bytes
from PIL import Image, ImageOps
from test_ingest_formats import RAMP, Array, only, pixels, srgb

from timelapse.errors import RollError, StillError
from timelapse.ingest import File, Limits, Status, scan
from timelapse.ingest.raw import exif_of_raw
from timelapse.times import CaptureTime

WITHOUT_EXTRAS = "import sys; sys.modules['rawpy'] = sys.modules['pi_heif'] = None\n"


def dng(path: Path, mosaic: Array, orientation: int = 1, when: CaptureTime = EPOCH) -> Path:
    """A DNG of a Bayer mosaic of 16 bits, of a camera whose colours are XYZ (DNG 1.4)."""
    ten = [value * 10000 for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)]
    tags = [
        (271, "s", 0, "Acme", True),
        (272, "s", 0, "Acme One", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (36867, "s", 0, when.iso(0)[:19].replace("-", ":").replace("T", " "), True),
        (37521, "s", 0, "25", True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "Acme One", True),
        (50717, "I", 1, 65535, True),
        (50721, "2i", 9, [part for value in ten for part in (value, 10000)], True),
        (50728, "2I", 3, (1, 1) * 3, True),
        (50778, "H", 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric="cfa", extratags=tags, metadata=None)
    return path


MOSAIC = np.full((80, 120), 20000, np.uint16)
MOSAIC[:, 60:] = 40000


def test_raw_is_developed_alike_at_full_and_half_size(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", MOSAIC)
    still = only(path)
    assert (still.size, still.bits, still.camera) == ((120, 80), 16, "Acme One")
    assert still.captured == EPOCH + Fraction(1, 4)
    truth = srgb(np.array([20000, 40000]) / 65535) * 65535
    for at_least, size in (((120, 80), (80, 120)), ((61, 40), (80, 120)), ((60, 40), (40, 60))):
        decoded = pixels(path, at_least)
        assert decoded.shape == (*size, 3)
        sides = decoded[10, [10, -10]].astype(float)
        # nothing is stretched to white, and gray is gray
        assert np.abs(sides - truth[:, None]).max() < 100


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_raw(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("rawpy")
    mosaic = MOSAIC.copy()
    mosaic[40:, :60] = 60000
    flat = pixels(dng(tmp_path / "a.dng", mosaic), (1, 1))
    decoded = pixels(dng(tmp_path / "a.dng", mosaic, orientation), (1, 1))
    tagged, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray((flat >> 8).astype(np.uint8)).save(tagged, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tagged)))
    np.testing.assert_array_equal(decoded >> 8, upright)


@pytest.mark.parametrize("value", [0, 31000])
def test_raw_of_one_value_is_unreadable(tmp_path: Path, value: int) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", np.full((80, 120), value, np.uint16))
    with pytest.raises(StillError, match=r"RAW: decodes to one value"):
        pixels(path, (60, 40))


def test_raw_cut_short_is_refused(tmp_path: Path) -> None:
    path = dng(tmp_path / "a.dng", MOSAIC)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(RollError, match="cut short"):
        scan(path)


def test_raw_in_a_zip(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", MOSAIC)
    with zipfile.ZipFile(tmp_path / "roll.zip", "w") as archive:
        archive.write(path, "a.dng")
    np.testing.assert_array_equal(pixels(tmp_path / "roll.zip"), pixels(path))


def test_the_raw_of_a_jpeg_is_the_same_press_of_the_shutter(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    dng(tmp_path / "a.dng", MOSAIC)
    dng(tmp_path / "b.dng", MOSAIC, when=EPOCH + 1)
    Image.fromarray(RAMP).save(tmp_path / "A.JPG", exif=exif_bytes(EPOCH + Fraction(1, 4)))
    found = scan(tmp_path)
    assert [still.name for still in found.stills] == ["A.JPG", "b.dng"]
    statuses = {Path(e.path).name: e for e in found.ledger}
    assert statuses["a.dng"].status is Status.DUPLICATE
    assert "the RAW of A.JPG" in statuses["a.dng"].reason
    alone = scan(tmp_path, exclude=["*.JPG"])
    assert [still.name for still in alone.stills] == ["a.dng", "b.dng"]


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def cr3() -> bytes:
    """The boxes around EXIF in Canon's RAW: the tags of the first directory, and those of EXIF."""
    outer, inner = Image.Exif(), Image.Exif()
    outer[0x010F], outer[0x0110] = "Canon", "Canon EOS R5"
    inner[0x9003], inner[0x9291] = "2018:11:16 18:14:08", "50"
    parts = [box(b"CMT1", outer.tobytes()[6:]), box(b"CMT2", inner.tobytes()[6:])]
    moov = box(b"moov", box(b"free", bytes(9)), box(b"uuid", bytes(16), *parts))
    return box(b"ftyp", b"crx ", bytes(4)) + moov + box(b"mdat", bytes(30))


def raf() -> bytes:
    """Fuji's header, which says where the JPEG is that holds EXIF."""
    stream = BytesIO()
    exif = exif_bytes(EPOCH + Fraction(1, 2), model="X-T5")
    Image.fromarray(RAMP).save(stream, "JPEG", exif=exif)
    return (
        b"FUJIFILMCCD-RAW ".ljust(84, b"0")
        + struct.pack(">I", 200)
        + bytes(112)
        + stream.getvalue()
    )


def marked(mark: bytes) -> bytes:
    """A TIFF under a maker's own mark."""
    data = exif_bytes(EPOCH + Fraction(1, 2), model="DC-S5")[6:]
    order = data[:2]
    assert order == mark[:2]
    return mark + data[4:] + bytes(99)


@pytest.mark.parametrize(
    ("data", "camera"),
    [
        (cr3(), "Canon EOS R5"),
        (raf(), "NIKON X-T5"),
        (marked(b"MMOR"), "NIKON DC-S5"),
    ],
    ids=["CR3", "RAF", "ORF"],
)
def test_exif_is_found_where_makers_keep_it(data: bytes, camera: str) -> None:
    exif = exif_of_raw(BytesIO(data), File("a.raw", len(data), 0), Limits())
    assert (exif.local, exif.camera) == (EPOCH + Fraction(1, 2), camera)


def test_real_raw(shared: Path) -> None:
    pytest.importorskip("rawpy")
    for name, size in (("canon_eos_6d.dng", (1224, 816)), ("colorchart.dng", (1734, 1156))):
        path = shared / "raw_real" / name
        decoded = pixels(path)
        assert (decoded.shape[1::-1], decoded.dtype) == (size, np.uint16)
        half = pixels(path, (size[0] // 2, size[1] // 2))
        mean = decoded.mean(axis=(0, 1))
        assert np.abs(half.mean(axis=(0, 1)) / mean - 1).max() < 0.01


@pytest.mark.parametrize(
    ("make", "fix"),
    [
        (lambda path: dng(path / "a.dng", MOSAIC), "pip install 'timelapse[raw]'"),
        (lambda path: (path / "a.raf").write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(99)), "[raw]"),
        (
            lambda path: (path / "a.heic").write_bytes(b"\0\0\0\x10ftypheic\0\0\0\0"),
            "pip install 'timelapse[heif]'",
        ),
    ],
    ids=["dng", "raf", "heic"],
)
def test_a_missing_extra_is_named(tmp_path: Path, make: Callable[[Path], Any], fix: str) -> None:
    make(tmp_path)
    code = WITHOUT_EXTRAS + (
        "from timelapse.errors import RollError\nfrom timelapse.ingest import scan\n"
        "try: scan(sys.argv[1], cached=False)\nexcept RollError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.stderr == ""
    assert fix in done.stdout


def test_damaged_jpeg_in_raw_is_refused_without_a_word_to_stderr(
    shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rawpy")
    data = bytearray((shared / "raw_real" / "canon_eos_6d.dng").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = b"\xff\x00" * 50 + b"\xff\xd0" * 50
    path = tmp_path / "a.dng"
    path.write_bytes(data)
    with pytest.raises(StillError, match="Corrupt JPEG data"):
        pixels(path)
    assert capfd.readouterr() == ("", "")
