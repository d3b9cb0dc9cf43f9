"""Pictures are decoded exactly or not at all, and nothing that a file holds stops a scan."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import EPOCH, exif_bytes
from PIL import Image

from timelapse.errors import RollError, StillError
from timelapse.ingest import Reader, decode, scan

Array = np.ndarray[Any, Any]
Y, X = np.mgrid[:40, :60]
RGB8 = np.stack([X * 4, Y * 6, (X * Y) % 256], -1).astype(np.uint8)
RGB16 = RGB8.astype(np.uint16) * 257 + 3
GRAY16 = RGB16[..., 0].copy()


def pixels(path: Path) -> Array:
    (still,) = scan(path).stills
    with Reader() as reader:
        decoded = decode(reader, still, still.size)
    assert still.bits == decoded.dtype.itemsize * 8
    assert decoded.flags.writeable
    return decoded


def gray(values: Array) -> Array:
    return np.stack([values] * 3, -1)


def tiff(picture: Array, photometric: str = "rgb", **options: Any) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, picture, photometric=photometric, **options)
    return file.getvalue()


def strips(data: bytes) -> list[tuple[int, int]]:
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        return list(zip(page.dataoffsets, page.databytecounts, strict=True))


def chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png(
    picture: Array, rows: bytes | None = None, before: bytes = b"", interlace: int = 0
) -> bytes:
    """A PNG of RGB without filters; `rows` in place of the picture's own."""
    height, width = picture.shape[:2]
    depth = picture.dtype.itemsize * 8
    big = picture.astype(picture.dtype.newbyteorder(">"))
    own = b"".join(b"\0" + row.tobytes() for row in big)
    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, interlace)
    data = zlib.compress(own if rows is None else rows)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", head), before, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


# ------------------------------------------------------------------ varieties of TIFF

VARIETIES: dict[str, tuple[Callable[[], bytes], Array]] = {
    "rgb8": (lambda: tiff(RGB8), RGB8),
    "rgb16": (lambda: tiff(RGB16), RGB16),
    "gray16": (lambda: tiff(GRAY16, "minisblack"), gray(GRAY16)),
    "inverted8": (lambda: tiff(255 - RGB8[..., 0], "miniswhite"), gray(RGB8[..., 0])),
    "inverted16": (lambda: tiff(65535 - GRAY16, "miniswhite"), gray(GRAY16)),
    "alpha16": (
        lambda: tiff(np.dstack([RGB16, GRAY16]), extrasamples=["unassalpha"]),
        RGB16,
    ),
    "extra8": (lambda: tiff(RGB8, "minisblack", planarconfig="contig"), gray(RGB8[..., 0])),
    "planes16": (lambda: tiff(np.moveaxis(RGB16, -1, 0), planarconfig="separate"), RGB16),
    "planes_lzw": (
        lambda: tiff(
            np.moveaxis(RGB8, -1, 0), planarconfig="separate", compression="lzw", rowsperstrip=16
        ),
        RGB8,
    ),
    "tiles8": (lambda: tiff(RGB8, tile=(16, 32)), RGB8),
    "tiles_lzw": (lambda: tiff(RGB16, tile=(16, 32), compression="lzw", predictor=True), RGB16),
    "big_endian": (lambda: tiff(RGB16, byteorder=">"), RGB16),
    "big_endian_zlib": (lambda: tiff(RGB16, byteorder=">", compression="zlib"), RGB16),
    "bigtiff": (lambda: tiff(RGB16, bigtiff=True), RGB16),
    "predictor": (lambda: tiff(RGB16, compression="zlib", predictor=True), RGB16),
    "lzw16": (lambda: tiff(RGB16, compression="lzw", rowsperstrip=16), RGB16),
    "packbits": (lambda: tiff(RGB8, compression="packbits", rowsperstrip=16), RGB8),
}


@pytest.mark.parametrize("variety", VARIETIES)
def test_varieties_of_tiff_are_decoded_exactly(tmp_path: Path, variety: str) -> None:
    make, truth = VARIETIES[variety]
    path = tmp_path / "a.tif"
    path.write_bytes(make())
    decoded = pixels(path)
    assert decoded.dtype == truth.dtype
    np.testing.assert_array_equal(decoded, truth)


def test_a_palette_is_applied(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB8).quantize(32)
    picture.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), np.array(picture.convert("RGB")))


@pytest.mark.parametrize("stored", ["YCBCR", "RGB"])
def test_jpeg_in_tiff(tmp_path: Path, stored: str) -> None:
    smooth = np.stack([X * 4, Y * 6, X + Y], -1).astype(np.uint8)
    options = {"level": 98, "outcolorspace": stored}
    data = tiff(smooth, compression="jpeg", compressionargs=options)
    with tifffile.TiffFile(BytesIO(data)) as file:
        assert file.pages.first.photometric.name == stored
    (tmp_path / "a.tif").write_bytes(data)
    assert np.abs(pixels(tmp_path / "a.tif").astype(int) - smooth).max() <= 6


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: tiff(RGB8.astype(np.uint32)), "32 bit 'u' samples"),
        (lambda: tiff(np.dstack([RGB8, RGB8[..., 0]]), "separated"), "SEPARATED: not read"),
        (lambda: tiff(RGB8, compression="zstd"), "ZSTD: not read"),
        (lambda: tiff(RGB8, subfiletype=1), "first page is a thumbnail"),
        (lambda: tiff(RGB8, extratags=[(255, 3, 1, 2, True)]), "first page is a thumbnail"),
        (lambda: tiff(RGB8, compression="zstd", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)]),
         "RAW: LibRaw cannot read it"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_refused_with_the_reason(
    tmp_path: Path, make: Callable[[], bytes], reason: str
) -> None:
    (tmp_path / "a.tif").write_bytes(make())
    with pytest.raises(RollError, match=reason):
        scan(tmp_path)


@pytest.mark.parametrize("reduced", [0, 1])
def test_the_preview_of_a_raw_file_is_not_the_still(tmp_path: Path, reduced: int) -> None:
    pytest.importorskip("rawpy")
    make = [(271, "s", 0, "NIKON CORPORATION", True)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB8, photometric="rgb", subfiletype=reduced, subifds=1, extratags=make)
        file.write(np.tile(GRAY16, (2, 2)), photometric="cfa")
    (still,) = scan(tmp_path).stills
    assert (still.kind, still.bits, still.size) == ("raw", 16, (120, 80))
    assert pixels(tmp_path / "a.tif").shape == (80, 120, 3)


def test_a_pyramid_is_not_taken_for_raw(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB8, photometric="rgb", subifds=1)
        file.write(RGB8[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif"), RGB8)


# ------------------------------------------------------------------ damage


@pytest.mark.parametrize("picture", [RGB8, RGB16], ids=["8", "16"])
@pytest.mark.parametrize("compression", ["zlib", "lzw"])
@pytest.mark.parametrize("value", [0, 255])
def test_damaged_strips_are_refused(
    tmp_path: Path, compression: str, picture: Array, value: int
) -> None:
    whole = tiff(picture, compression=compression, rowsperstrip=16)
    path = tmp_path / "a.tif"
    for offset, count in strips(whole):
        data = bytearray(whole)
        data[offset + count // 2 : offset + count // 2 + 40] = bytes([value]) * 40
        path.write_bytes(data)
        with pytest.raises(StillError, match=r"a\.tif: (cannot be decoded|damaged)"):
            pixels(path)


def test_a_strip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    import imagecodecs

    whole = bytearray(tiff(RGB8, compression="lzw", rowsperstrip=40))
    ((offset, count),) = strips(bytes(whole))
    longer = imagecodecs.lzw_encode(bytes(RGB8.nbytes + 999))
    assert len(longer) <= count
    whole[offset : offset + len(longer)] = longer
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(StillError, match="strip 0 holds more or less"):
        pixels(tmp_path / "a.tif")


def test_damaged_jpeg_in_tiff_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    data = bytearray(tiff(noise, compression="jpeg"))
    ((offset, count),) = strips(bytes(data))
    middle = offset + count // 2
    data[middle : middle + 200] = b"\xff\x00" * 50 + b"\xff\xd0" * 50
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(StillError, match=r"a\.tif: cannot be decoded"):
        pixels(tmp_path / "a.tif")


@pytest.mark.parametrize("tag", [273, 279])
def test_a_strip_that_is_nowhere_is_refused(tmp_path: Path, tag: int) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(RGB8, compression="zlib", rowsperstrip=16))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        entry = file.pages.first.tags[tag]
        entry.overwrite([entry.value[0], 0, entry.value[2]])
    with pytest.raises(RollError, match="a strip of it is nowhere"):
        scan(tmp_path)


@pytest.mark.parametrize("picture", [RGB8, RGB16], ids=["8", "16"])
def test_damaged_pngs_are_refused(tmp_path: Path, picture: Array) -> None:
    path = tmp_path / "a.png"
    whole = png(picture)
    path.write_bytes(whole)
    np.testing.assert_array_equal(pixels(path), picture)
    data = bytearray(whole)
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    rows = zlib.decompress(whole[41 : len(whole) - 16])
    for bad in (data, png(picture, rows[:-100]), png(picture, rows + bytes(100)),
                png(picture, b"\x09" + rows[1:])):  # fmt: skip
        path.write_bytes(bad)
        with pytest.raises(StillError, match="damaged"):
            pixels(path)
    path.write_bytes(whole[: -len(chunk(b"IEND", b""))])
    with pytest.raises(RollError, match="cut short"):
        scan(path)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (9, 3), (40, 60)])
def test_interlaced_pngs(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = RGB8[: size[0], : size[1]]
    steps = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
             (1, 0, 2, 1)]  # fmt: skip
    parts = [picture[y::dy, x::dx] for y, x, dy, dx in steps]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    (tmp_path / "a.png").write_bytes(png(picture, rows, interlace=1))
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_colours_of_png(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(GRAY16 if mode == "I;16" else RGB8)
    if mode not in ("I;16", "P"):
        picture = picture.convert(mode)
    elif mode == "P":
        picture = picture.quantize(20)
    picture.save(tmp_path / "a.png")
    truth = gray(GRAY16) if mode == "I;16" else np.array(picture.convert("RGB"))
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), truth)


def test_exif_of_png_is_read_without_decoding(tmp_path: Path) -> None:
    exif = exif_bytes(EPOCH)
    hexed = exif.hex()
    old = f"Raw profile type exif\0\nexif\n{len(exif):8}\n{hexed[:72]}\n{hexed[72:]}\n".encode()
    keyword, text = old.split(b"\0", 1)
    squeezed = chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))
    # rows that cannot be inflated: whoever reads the header alone does not notice
    for name, before in (("a", chunk(b"eXIf", exif[6:])), ("b", chunk(b"tEXt", old)),
                         ("c", squeezed)):  # fmt: skip
        (tmp_path / f"{name}.png").write_bytes(png(RGB8, b"", before))
    found = scan(tmp_path)
    assert (found.stills[0].name, found.first) == ("a.png", EPOCH)
    assert {still.camera for still in found.stills} == {"NIKON D5"}
    assert len(found.stills) == 3


def test_nothing_is_written_to_stderr(tmp_path: Path) -> None:
    bad = bytearray(png(RGB16))
    bad[len(bad) // 2] ^= 255
    (tmp_path / "a.png").write_bytes(bad)
    (tmp_path / "b.png").write_bytes(png(RGB8, b"short", chunk(b"iCCP", b"x\0\0garbage")))
    (tmp_path / "c.png").write_bytes(png(RGB8, None, chunk(b"iCCP", b"x\0\0garbage")))
    whole = tiff(RGB8, compression="lzw")
    (tmp_path / "d.tif").write_bytes(whole[:230])
    (tmp_path / "e.tif").write_bytes(whole[:500] + bytes(80) + whole[580:])
    (tmp_path / "f.tif").write_bytes(tiff(RGB8, extratags=[(33432, "s", 0, "x" * 40, True)])[:-900])
    code = (
        "import sys\n"
        "from timelapse.errors import StillError\n"
        "from timelapse.ingest import Reader, decode, scan\n"
        "with Reader() as reader:\n"
        "    for still in scan(sys.argv[1]).stills:\n"
        "        try: decode(reader, still, (1, 1))\n"
        "        except StillError: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# ------------------------------------------------------------------ whatever a file holds


def test_the_two_files_that_once_stopped_a_scan(tmp_path: Path) -> None:
    (tmp_path / "good.tif").write_bytes(tiff(RGB8))
    (tmp_path / "short.tif").write_bytes(b"II*\0\0\0\0")
    widthless = bytearray(tiff(RGB8))
    widthless[14] = 0  # the count of ImageWidth: its value becomes an empty tuple
    (tmp_path / "widthless.tif").write_bytes(widthless)
    found = scan(tmp_path)
    assert [still.name for still in found.stills] == ["good.tif"]
    reasons = [entry.reason for entry in found.ledger if entry.reason]
    assert all(reason.startswith("corrupt header") for reason in reasons[1:])
    assert len(reasons) == 2


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Pictures with bytes changed, cut out or cut off, most of them in their headers."""
    rng = random.Random(seed)
    exif = exif_bytes(EPOCH)
    bases = [png(RGB16, None, chunk(b"eXIf", exif[6:])), tiff(RGB16), tiff(RGB8, bigtiff=True),
             tiff(RGB8, compression="lzw", predictor=True, rowsperstrip=16)]  # fmt: skip
    for kind in ("JPEG", "TIFF"):
        file = BytesIO()
        Image.fromarray(RGB8).save(file, kind, exif=exif)
        bases.append(file.getvalue())
    for _ in range(count):
        data = bytearray(rng.choice(bases))
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            at = rng.randrange(min(len(data), rng.choice([64, 400, 10**6])))
            what = rng.random()
            if what < 0.7:
                data[at] = rng.choice([0, 255, rng.randrange(256)])
            elif what < 0.8:
                del data[at + 1 :]
            elif what < 0.9 and len(data) > 50:
                del data[at : at + rng.randrange(1, 40)]
        yield bytes(data or b"x")


def test_no_damage_raises_anything_but_its_own_error(tmp_path: Path) -> None:
    path = tmp_path / "still"
    used = 0
    for data in mutations(seed=5, count=600):
        path.write_bytes(data)
        try:
            (still,) = scan(path).stills
            with Reader() as reader:
                shape = decode(reader, still, (1, 1)).shape
        except RollError:
            continue
        used += 1
        assert len(shape) == 3
    assert 0 < used < 600
