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
from timelapse.ingest import File, Limits, Reader, Status, glimpse, scan, thumbnail
from timelapse.ingest.look import look
from timelapse.ingest.raw import exif_of_raw
from timelapse.times import CaptureTime

WITHOUT_EXTRAS = "import sys; sys.modules['rawpy'] = sys.modules['pi_heif'] = None\n"


def dng(
    path: Path,
    mosaic: Array,
    orientation: int = 1,
    when: CaptureTime = EPOCH,
    preview: bytes | Array | None = None,
) -> Path:
    """A DNG of a Bayer mosaic of 16 bits, of a camera whose colours are XYZ (DNG 1.4); with a
    preview, a JPEG or a bitmap, as the first page, as converters write it."""
    ten = [value * 10000 for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)]
    camera = [
        (271, "s", 0, "Acme", True),
        (272, "s", 0, "Acme One", True),
        (274, "H", 1, orientation, True),
        (36867, "s", 0, when.iso(0)[:19].replace("-", ":").replace("T", " "), True),
        (37521, "s", 0, "25", True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "Acme One", True),
        (50721, "2i", 9, [part for value in ten for part in (value, 10000)], True),
        (50728, "2I", 3, (1, 1) * 3, True),
        (50778, "H", 1, 21, True),
    ]
    sensor = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50717, "I", 1, 65535, True),
    ]
    with tifffile.TiffWriter(path) as file:
        if preview is None:
            file.write(mosaic, photometric="cfa", extratags=camera + sensor, metadata=None)
            return path
        first = {"subfiletype": 1, "subifds": 1, "extratags": camera, "metadata": None}
        if isinstance(preview, bytes):
            # what this page says of its size, nobody asks
            shape = {"shape": (40, 60, 3), "dtype": np.uint8, "rowsperstrip": 40}
            jpeg = {"photometric": "ycbcr", "compression": "jpeg"}
            file.write(iter([preview]), **shape, **jpeg, **first)
        else:
            file.write(preview, photometric="rgb", **first)
        file.write(mosaic, photometric="cfa", extratags=sensor, metadata=None)
    return path


MOSAIC = np.full((80, 120), 20000, np.uint16)
MOSAIC[:, 60:] = 40000
QUARTERS = MOSAIC.copy()
QUARTERS[40:, :60] = 60000


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
    flat = pixels(dng(tmp_path / "a.dng", QUARTERS), (1, 1))
    decoded = pixels(dng(tmp_path / "a.dng", QUARTERS, orientation), (1, 1))
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


# ------------------------------------------------------------------ previews


def painted(width: int = 60, height: int = 40) -> Array:
    """What no mosaic here looks like: red on the left, blue on the right, dark at the top."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[height // 2 :, : width // 2, 0] = 200
    picture[: height // 2, : width // 2, 0] = 100
    picture[:, width // 2 :, 2] = 150
    return picture


def as_jpeg(picture: Array, orientation: int | None = None, **options: Any) -> bytes:
    """A JPEG, with EXIF of its own where an orientation is given: in front, as cameras have it,
    where LibRaw heeds it."""
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=95, subsampling=0, **options)
    data = stream.getvalue()
    if orientation is None:
        return data
    exif = exif_bytes(EPOCH, orientation=orientation)
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return head + data[4 + int.from_bytes(data[4:6], "big") :]


def seen(path: Path, side: int = 60, limits: Limits | None = None) -> Array:
    still = only(path)
    with Reader(limits or Limits()) as reader:
        picture = thumbnail(reader, still, side)
        np.testing.assert_array_equal(glimpse(reader, str(path), side), picture)
    assert (picture.dtype, max(picture.shape)) == (np.uint8, side)
    return picture


def is_preview(picture: Array) -> bool:
    """Whether it is coloured, which the mosaics are not."""
    return bool((picture.max(axis=2).astype(int) - picture.min(axis=2)).mean() > 50)


@pytest.mark.parametrize("own", [False, True], ids=["without EXIF", "with EXIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_preview_is_turned_once(tmp_path: Path, orientation: int, own: bool) -> None:
    pytest.importorskip("rawpy")
    preview = as_jpeg(painted(), orientation if own else None)
    picture = seen(dng(tmp_path / "a.dng", QUARTERS, orientation, preview=preview))
    tagged, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(painted()).save(tagged, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tagged)))
    assert picture.shape == upright.shape
    assert np.abs(picture.astype(int) - upright).mean() < 5
    # the RAW has the same quarters, and the same way is up
    raw = pixels(tmp_path / "a.dng", (1, 1))
    assert raw.shape[0] > raw.shape[1] if orientation >= 5 else raw.shape[1] > raw.shape[0]


def test_a_large_preview_is_made_smaller(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    preview = as_jpeg(painted(606, 400))  # cameras cut other edges than LibRaw
    picture = seen(dng(tmp_path / "a.dng", QUARTERS, preview=preview))
    assert picture.shape == (40, 60, 3)
    assert np.abs(picture.astype(int) - painted()).mean() < 6


def test_a_still_and_what_it_is_judged_by_are_never_the_preview(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", QUARTERS, preview=as_jpeg(painted()))
    plain = dng(tmp_path / "plain.dng", QUARTERS)
    np.testing.assert_array_equal(pixels(path, (60, 40)), pixels(plain, (60, 40)))
    rows = [look(scan(name, cached=False)).rows for name in (path, plain)]
    np.testing.assert_array_equal(*rows)


def with_bars() -> Array:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[7:113] = painted(160, 106)
    return picture


def zeros_in(data: bytes) -> bytes:
    middle = len(data) * 2 // 3
    return data[:middle] + bytes(60) + data[middle + 60 :]


NOISE = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.mark.parametrize(
    ("preview", "orientation", "limits"),
    [
        (None, 1, None),
        (painted(), 1, None),
        (as_jpeg(painted(30, 20)), 1, None),
        (as_jpeg(with_bars()), 1, None),
        (as_jpeg(np.rot90(painted(), 3)), 6, None),
        (as_jpeg(painted(), 1), 6, None),
        (as_jpeg(painted(), 3), 1, None),
        (zeros_in(as_jpeg(NOISE)), 1, None),
        (as_jpeg(NOISE)[:-600], 1, None),
        (as_jpeg(painted(600, 400)), 1, Limits(pixels=100_000)),
        (as_jpeg(painted(), progressive=True), 1, Limits(scans=2)),
    ],
    ids=[
        "none",
        "bitmap",
        "too small",
        "black bars",
        "upright already",
        "says that it is upright",
        "says that it is upside down",
        "damaged",
        "cut short",
        "pixels",
        "scans",
    ],
)
def test_where_a_preview_will_not_do_the_raw_is_shown(
    tmp_path: Path,
    preview: bytes | Array | None,
    orientation: int,
    limits: Limits | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", QUARTERS, orientation, preview=preview)
    picture = seen(path, limits=limits)
    assert not is_preview(picture)
    np.testing.assert_array_equal(
        picture, seen(dng(tmp_path / "plain.dng", QUARTERS, orientation), limits=limits)
    )
    assert capfd.readouterr() == ("", "")


def test_a_bitmap_that_claims_to_be_larger_than_it_is_harms_nothing(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", QUARTERS, preview=painted())
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        for name, side in (("ImageWidth", 21000), ("ImageLength", 14000)):
            at = file.pages.first.tags[name].valueoffset
            data[at : at + 4] = side.to_bytes(4, "little")
    path.write_bytes(data)
    assert not is_preview(seen(path))


def test_preview_of_a_real_raw(shared: Path) -> None:
    pytest.importorskip("rawpy")
    still = only(shared / "raw_real" / "canon_eos_6d.dng")
    with Reader() as reader:
        small, large = (thumbnail(reader, still, side) for side in (160, 1100))
    assert (small.shape, large.shape) == ((107, 160, 3), (733, 1100, 3))
    # the preview and the RAW, which alone is large enough for the second, show one scene
    likeness = np.corrcoef(small[..., 1].ravel(), shrunk(large, small.shape)[..., 1].ravel())
    assert 0.95 < likeness[0, 1] < 0.9999


def shrunk(picture: Array, shape: tuple[int, ...]) -> Array:
    resized = Image.fromarray(picture).resize(shape[1::-1], Image.Resampling.BOX)
    return np.asarray(resized)


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
