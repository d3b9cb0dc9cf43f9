"""Rolls with a computable answer, made as they are needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from timelapse.times import CaptureTime

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
EPOCH = CaptureTime.read("2018-11-16T18:14:08Z")


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test leaves anything in the caches of the person who runs it, nor finds anything there."""
    os.environ["TIMELAPSE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real stills, where it is at hand."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real stills is not beside this working copy")
    return SHARED


def exif_bytes(captured: CaptureTime, model: str = "NIKON D5", orientation: int = 1) -> bytes:
    """EXIF as a camera writes it, with hundredths; DateTime is a later day, as after a re-save."""
    text = captured.iso(2)
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "NIKON CORPORATION", model, orientation
    exif[0x0132] = "2019:01:02 03:04:05"
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = text[:19].replace("-", ":").replace("T", " ")
    inner[0x9291] = text[20:22]
    return exif.tobytes()


def write_still(
    path: Path,
    pixels: np.ndarray,
    captured: CaptureTime | None = None,
    *,
    model: str = "NIKON D5",
    orientation: int = 1,
    quality: int = 95,
) -> Path:
    """Writes RGB pixels (H x W x 3, uint8) as a still taken at `captured`."""
    exif = exif_bytes(captured, model, orientation) if captured else b""
    options = {"quality": quality, "subsampling": 0} if path.suffix.lower() != ".png" else {}
    Image.fromarray(pixels).save(path, exif=exif, **options)
    return path


def damage(path: Path, captured: CaptureTime | None = None) -> None:
    """Makes a JPEG that is whole to the eye of a scan, and cannot be decoded."""
    if captured is not None:
        noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
        write_still(path, noise, captured)
    data = bytearray(path.read_bytes())
    data[-900:-500] = b"\xff\x00" * 100 + b"\xff\xd0" * 100
    path.write_bytes(data)


@dataclass(frozen=True)
class GrayRoll:
    """Stills of one gray each; `levels` and `times` (mission seconds) are the truth."""

    folder: Path
    levels: list[int]
    times: list[Fraction]


@pytest.fixture
def gray_roll(tmp_path: Path) -> Callable[..., GrayRoll]:
    """Makes a roll whose brightness encodes the index of its stills."""

    def make(
        times: Sequence[Fraction | int],
        levels: Sequence[int] | None = None,
        size: tuple[int, int] = (64, 48),
        ending: str = ".png",
        folder: str = "roll",
    ) -> GrayRoll:
        place = tmp_path / folder
        place.mkdir()
        shades = list(levels or [20 + (n * 37) % 200 for n in range(len(times))])
        exact = [Fraction(time) for time in times]
        for number, (time, level) in enumerate(zip(exact, shades, strict=True)):
            pixels = np.full((size[1], size[0], 3), level, np.uint8)
            write_still(place / f"ISS057-E-{9990 + number}{ending}", pixels, EPOCH + time)
        return GrayRoll(place, shades, exact)

    return make


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the stills that a render decodes from here on."""
    from timelapse.render import supply

    names: list[str] = []
    real = supply.decode_bytes

    def counting(data: bytes, still: Any, *rest: Any) -> Any:
        names.append(still.name)
        return real(data, still, *rest)

    monkeypatch.setattr(supply, "decode_bytes", counting)
    return names
