"""Every format gives the pixels, the light, the orientation and the time that went into it."""

from __future__ import annotations

import struct
from base64 import b64decode
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from conftest import EPOCH, exif_bytes
from PIL import Image, ImageCms, ImageOps

from timelapse.errors import RollError, StillError
from timelapse.ingest import (
    Reader,
    Roll,
    Status,
    Still,
    decode,
    decoding_memory,
    scan,
)

Array = np.ndarray[Any, Any]
Y, X = np.mgrid[:80, :120]
RAMP = np.stack([X * 2, Y * 3, (X + Y)], -1).astype(np.uint8)
WITHOUT_RAWPY = "import sys; sys.modules['rawpy'] = sys.modules['pi_heif'] = None\n"


def only(path: Path) -> Still:
    (still,) = scan(path, cached=False).stills
    return still


def pixels(path: Path, at_least: tuple[int, int] | None = None) -> Array:
    still = only(path)
    with Reader() as reader:
        decoded = decode(reader, still, at_least or still.size)
    assert still.bits == decoded.dtype.itemsize * 8
    assert decoding_memory(still, at_least or still.size) > decoded.nbytes
    assert decoded.flags.writeable
    return decoded


def apart(a: Array, b: Array) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def notes(roll: Roll) -> str:
    return "; ".join(entry.reason for entry in roll.ledger)


# ------------------------------------------------------------------ JPEG


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
def test_subsamplings_of_jpeg(tmp_path: Path, subsampling: str, progressive: bool) -> None:
    path = tmp_path / "a.jpg"
    picture = Image.fromarray(RAMP)
    picture.save(path, quality=97, subsampling=subsampling, progressive=progressive)
    assert apart(pixels(path), RAMP) <= 6


def test_the_first_picture_of_an_mpo_is_the_still(tmp_path: Path) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    path = tmp_path / "a.mpo"
    options = {"quality": 97, "subsampling": 0, "exif": exif_bytes(EPOCH)}
    first.save(path, save_all=True, append_images=[second], **options)
    assert only(path).captured == EPOCH
    assert apart(pixels(path), RAMP) <= 6


def test_cmyk_without_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(RAMP).convert("CMYK").save(path, quality=97)
    with Image.open(path) as picture:
        assert picture.mode == "CMYK"
        np.testing.assert_array_equal(pixels(path), np.asarray(picture.convert("RGB")))


# ------------------------------------------------------------------ WebP, AVIF, HEIC


@pytest.mark.parametrize("ending", ["webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_and_time_of_webp_and_avif(
    tmp_path: Path, ending: str, orientation: int
) -> None:
    path = tmp_path / f"a.{ending}"
    exif = exif_bytes(EPOCH + Fraction(1, 4), orientation=orientation)
    Image.fromarray(RAMP).save(path, quality=95, exif=exif)
    with Image.open(path) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    still = only(path)
    assert (still.captured, still.camera) == (EPOCH + Fraction(1, 4), "NIKON D5")
    assert still.size == upright.shape[1::-1] == ((80, 120) if orientation >= 5 else (120, 80))
    assert apart(pixels(path), upright) <= 3


def test_lossless_webp_with_alpha_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    alpha = np.full(RAMP.shape[:2], 99, np.uint8)
    Image.fromarray(np.dstack([RAMP, alpha])).save(path, lossless=True, exact=True)
    np.testing.assert_array_equal(pixels(path), RAMP)


@pytest.mark.parametrize("ending", ["webp", "avif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_webp_and_avif_cut_short_are_refused(tmp_path: Path, ending: str, share: float) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(RAMP).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RollError, match="cut short"):
        scan(path)


def test_a_moving_webp_is_no_still(tmp_path: Path) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second])
    with pytest.raises(RollError, match="a moving WebP"):
        scan(tmp_path)


@pytest.mark.parametrize("depth", [10, 12])
def test_deep_avif_stays_deep(tmp_path: Path, depth: int) -> None:
    import imagecodecs

    top = (1 << depth) - 1
    levels = np.linspace(0, top, 120).astype(np.uint16)
    picture = np.repeat(np.repeat(levels[None, :, None], 80, 0), 3, 2)
    path = tmp_path / "a.avif"
    path.write_bytes(imagecodecs.avif_encode(picture, level=100, bitspersample=depth))
    decoded = pixels(path)
    assert decoded.dtype == np.uint16
    np.testing.assert_allclose(decoded / 65535, picture / top, atol=1.5 / top)


def test_heic_is_turned_once(shared: Path) -> None:
    """By its own boxes, which its EXIF repeats; held against libheif's own Pillow plugin."""
    pi_heif = pytest.importorskip("pi_heif")
    pi_heif.register_heif_opener()
    path = shared / "weird/exif-samples/heic__mobile__iphone_13_pro_max.HEIC"
    still = only(path)
    assert still.size == (3024, 4032)
    assert still.camera == "Apple iPhone 13 Pro Max"
    with Image.open(path) as picture:
        profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
        srgb = ImageCms.createProfile("sRGB")
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        truth = ImageCms.profileToProfile(picture, profile, srgb, intent, "RGB", flags=flags)
    assert apart(pixels(path), np.asarray(truth)) <= 1


#: 64 x 64, 10 bit, lossless; white above, below it black and 512 of 1023.  No encoder is at hand.
DEEP_HEIC = """
AAAAHGZ0eXBoZWl4AAAAAG1pZjFoZWl4bWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA
AAAAACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAARgAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA
AA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQQIAAAAnDgAAAAA//AA/P/6+gAADwNgAAEAF0ABDAH//wQI
AAADAJw4AAADAAD/ugJAYQABACtCAQEECAAAAwCcOAAAAwAA/5AEECCbLdSSU1zcBDQAEAAAAwGQAAADABCAYgABAAhEAcFw
MGCRIAAAABNjb2xybmNseAABAA0AAIAAAAAUaXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMKCgoAAAAXaXBtYQAAAAAA
AAABAAEEgQIDBAAAASBtZGF0AAABFCgBrwW4FHuhWgD/76/98/96/7t/t3+3f7d/t3+3v7e/t7+3v7e/t7+3v7eKh//8iauA
L3z5J57F51JzSjKMMowyjDKMMpgSmBKYEpgSmBKYEpgSjpP/2PdAD/76/98/96/7t/t3+3f7d/t3+3v7e/t7+3v7e/t7+3v7
evAmYrYliFlDl+nFNdk6k1PVvsP//+W+/y2P8r7+UV+RF+RF+RF+RF+RS+RS+RS+RS+RS+RS+RS+RGpv7WK///9KPfpPH6Q9
9Fq9AC9AC9AC9AC9AZdAZdAZdAZdAZdAZdAZdAEb/Nfv///CZ34SR+DnfA2u+8u+8u+8u+8u/EW/EW/EW/EW/EW/EW/EW++w
DkAz8j9hfHxWqA==
"""


def test_deep_heic_stays_deep(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    path = tmp_path / "a.heic"
    path.write_bytes(b64decode(DEEP_HEIC))
    decoded = pixels(path)
    assert decoded.dtype == np.uint16
    assert decoded[0, 0].tolist() == [65535] * 3
    assert decoded[-1, 0].tolist() == [0] * 3
    assert np.abs(decoded[-1, -1] / 65535 - 512 / 1023).max() < 1e-4


# ------------------------------------------------------------------ TIFF


def srgb(light: Array) -> Array:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("tiled", [False, True])
def test_float_tiff_is_linear_light(tmp_path: Path, kind: str, tiled: bool) -> None:
    light = (np.stack([X / 119, Y / 79, X * Y / 9401], -1) * 1.2 - 0.1).astype(kind)
    light[0, 0] = np.nan
    path = tmp_path / "a.tif"
    layout = {"tile": (32, 48), "compression": "zlib", "predictor": 3} if tiled else {}
    tifffile.imwrite(path, light, photometric="rgb", **layout)
    truth = srgb(np.nan_to_num(light.astype(float)).clip(0, 1)) * 65535
    assert np.abs(pixels(path) - truth).max() <= 1


def test_float_tiff_of_a_profile_is_what_the_profile_says(tmp_path: Path) -> None:
    values = np.stack([X / 119] * 3, -1).astype(np.float32)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="rgb", iccprofile=profile_of("sRGB"))
    assert np.abs(pixels(path) - values * 65535).max() <= 1


def test_float_tiff_of_other_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RAMP.astype(np.float32) + 2, photometric="rgb")
    with pytest.raises(StillError, match="28800 of 28800 lie outside"):
        pixels(path)


def test_tiles_of_16_bits(tmp_path: Path) -> None:
    deep = RAMP.astype(np.uint16) * 257 + 5
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, deep, photometric="rgb", tile=(32, 16), compression="lzw")
    np.testing.assert_array_equal(pixels(path), deep)


# ------------------------------------------------------------------ ICC


def profile_of(name: str) -> bytes:
    """sRGB, or a profile like Display P3's with a pure power for a curve (or a gray one)."""
    import imagecodecs

    if name == "sRGB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if name == "gray":
        made = imagecodecs.cms_profile("gray", whitepoint=[0.3127, 0.329, 1.0], gamma=1.0)
    else:
        points = [0.68, 0.32, 1.0, 0.265, 0.69, 1.0, 0.15, 0.06, 1.0]
        white = [0.3127, 0.329, 1.0]
        made = imagecodecs.cms_profile("rgb", whitepoint=white, primaries=points, gamma=2.2)
    return bytes(made)


def wide_to_srgb(shown: Array) -> Array:
    """P3 primaries with gamma 2.2 as sRGB, by the matrix that their chromaticities give."""

    def to_xyz(points: list[list[float]]) -> Array:
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
        white = np.array([0.3127 / 0.329, 1, (1 - 0.3127 - 0.329) / 0.329])
        return columns * np.linalg.solve(columns, white)

    wide = to_xyz([[0.68, 0.32], [0.265, 0.69], [0.15, 0.06]])
    narrow = to_xyz([[0.64, 0.33], [0.30, 0.60], [0.15, 0.06]])
    light = (shown**2.2) @ (np.linalg.inv(narrow) @ wide).T
    return srgb(light.clip(0, 1))


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_colours_of_another_profile_become_srgb(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    options: dict[str, Any] = {
        "jpg": {"quality": 100, "subsampling": 0},
        "webp": {"lossless": True},
    }.get(ending, {})
    wide = profile_of("wide")
    Image.fromarray(RAMP).save(path, icc_profile=wide, **options)
    truth = np.rint(wide_to_srgb(RAMP / 255) * 255)
    assert apart(truth, RAMP) > 40
    decoded = pixels(path)
    # of what JPEG changes, the steep start of sRGB's curve makes more
    assert np.abs(decoded - truth).mean() < 1
    assert ending == "jpg" or apart(decoded, truth) <= 1
    plain = tmp_path / f"b.{ending}"
    Image.fromarray(RAMP).save(plain, icc_profile=profile_of("sRGB"), **options)
    assert apart(pixels(plain), RAMP) <= (3 if ending == "jpg" else 0)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_of_another_profile_stay_16(tmp_path: Path, ending: str) -> None:
    deep = (np.stack([X / 119, Y / 79, (X + Y) / 198], -1) * 65535).astype(np.uint16)
    path = tmp_path / f"a.{ending}"
    if ending == "tif":
        tifffile.imwrite(path, deep, photometric="rgb", iccprofile=profile_of("wide"))
    else:
        import cv2

        whole = cv2.imencode(".png", deep[..., ::-1])[1].tobytes()
        path.write_bytes(whole[:33] + iccp(profile_of("wide")) + whole[33:])
    decoded = pixels(path)
    assert decoded.dtype == np.uint16
    # Fine steps survive: at the dark end sRGB and a power differ by more than 8 bits would tell.
    assert np.abs(decoded / 65535 - wide_to_srgb(deep / 65535)).max() < 2e-3
    assert len(np.unique(decoded)) > 300


def iccp(profile: bytes) -> bytes:
    import zlib

    body = b"iCCP" + b"p\0\0" + zlib.compress(profile)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def test_a_scaled_jpeg_is_converted_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    flat = np.full((160, 240, 3), (30, 200, 60), np.uint8)
    Image.fromarray(flat).save(path, quality=100, subsampling=0, icc_profile=profile_of("wide"))
    decoded = pixels(path, (30, 20))
    assert decoded.shape == (20, 30, 3)
    assert apart(decoded, wide_to_srgb(flat[:20, :30] / 255) * 255) <= 2


def test_a_gray_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RAMP[..., 0]).save(path, icc_profile=profile_of("gray"))
    decoded = pixels(path)
    assert apart(decoded, np.rint(srgb(RAMP[..., :1] / 255) * 255)) <= 1


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("fault", ["cut", "noise", "CMYK"])
def test_a_damaged_profile_is_told_and_not_used(tmp_path: Path, ending: str, fault: str) -> None:
    whole = profile_of("wide")
    bad = {"cut": whole[:200], "noise": b"\x07" * 300, "CMYK": whole[:16] + b"Lab " + whole[20:]}
    path = tmp_path / f"a.{ending}"
    options: dict[str, Any] = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(ending, {})
    if ending == "jpg":
        options["subsampling"] = 0
    Image.fromarray(RAMP).save(path, icc_profile=bad[fault], exif=exif_bytes(EPOCH), **options)
    found = scan(path)
    assert found.ledger[0].status is Status.USED
    assert "its colour profile was not believed" in notes(found)
    assert apart(pixels(path), RAMP) <= (3 if ending == "jpg" else 0)
