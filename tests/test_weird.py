"""Odd and corrupt files of many cameras and programs, held against what Pillow says of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SHARED
from PIL import Image, ImageCms, ImageOps

FILES = sorted((SHARED / "weird").glob("*/*")) if SHARED.is_dir() else []
#: Whole to a scan, and damaged: libjpeg complains of it, and nothing else is.
DAMAGED = {"jpg__corrupted.jpg"}

#: Run in a process of its own, whose stderr is looked at down to its file descriptor: one line for
#: each file.  Libraries are loaded by the first line of input, which is not timed.
LOOK = """
import json, sys, time
import numpy as np
from timelapse.errors import TimelapseError
from timelapse.ingest import Reader, decode, scan
with Reader() as reader:
    for path in sys.argv[1:]:
        said = {"path": path}
        began = time.process_time()
        try:
            found = scan(path, cached=False)
            said["scan_s"] = time.process_time() - began
            (still,) = found.stills
            said |= {"order": str(found.order), "first": float(found.first.seconds)}
            said |= {"size": still.size, "note": found.ledger[0].reason}
            pixels = decode(reader, still, still.size)
            height, width = pixels.shape[:2]
            rows = [slice(height * n // 4, height * (n + 1) // 4) for n in range(4)]
            columns = [slice(width * n // 4, width * (n + 1) // 4) for n in range(4)]
            means = [[pixels[r, c].mean(axis=(0, 1)).tolist() for c in columns] for r in rows]
            said["means"] = means
        except TimelapseError as error:
            said["refused"] = str(error)
        print(json.dumps(said), flush=True)
"""


@pytest.fixture(scope="module")
def looked_at(shared: Path) -> dict[str, dict[str, Any]]:
    pytest.importorskip("pi_heif").register_heif_opener()
    warm = str(shared / "weird" / "exif-samples" / "heic__samplefilehub.heif")
    command = [sys.executable, "-c", LOOK, warm, *map(str, FILES)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        done = subprocess.run(command, stdout=out, stderr=errors)
        out.seek(0)
        errors.seek(0)
        assert errors.read() == b""
        assert done.returncode == 0
        lines = out.read().decode().splitlines()[1:]
    return {Path(said["path"]).name: said for said in map(json.loads, lines)}


@cache
def pillow(path: Path) -> tuple[tuple[int, int], datetime | None, np.ndarray | None]:
    """Size as seen, DateTimeOriginal with its sub-seconds, and the means of 4 x 4 fields in sRGB;
    None for pixels that Pillow cannot read either."""
    with Image.open(path) as picture:
        exif = picture.getexif().get_ifd(0x8769)
        upright = ImageOps.exif_transpose(picture)
        size = upright.size
        try:
            pixels = np.asarray(in_srgb(upright))
        except OSError:
            pixels = None
    taken = str(exif.get(0x9003, "")).replace("\0", "").strip()
    try:
        local = datetime.strptime(taken, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return size, None, fields(pixels)
    digits = str(exif.get(0x9291, "")).replace("\0", "").strip()
    part = float(f"0.{digits}") if digits.isdigit() else 0.0
    offset = str(exif.get(0x9011, "")).replace("\0", "").strip()
    if offset:
        local = datetime.strptime(taken + offset, "%Y:%m:%d %H:%M:%S%z")
    return size, datetime.fromtimestamp(local.timestamp() + part, UTC), fields(pixels)


def in_srgb(picture: Image.Image) -> Image.Image:
    profile = picture.info.get("icc_profile") or b""
    picture = picture.convert("RGB")
    if profile[16:20] != b"RGB ":
        return picture
    given = ImageCms.ImageCmsProfile(BytesIO(profile))
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    srgb = ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(picture, given, srgb, intent, "RGB", flags=flags)


def fields(pixels: np.ndarray | None) -> np.ndarray | None:
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    rows = [slice(height * n // 4, height * (n + 1) // 4) for n in range(4)]
    columns = [slice(width * n // 4, width * (n + 1) // 4) for n in range(4)]
    return np.array([[pixels[r, c].mean(axis=(0, 1)) for c in columns] for r in rows])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_used_as_pillow_sees_it_or_refused(
    looked_at: dict[str, dict[str, Any]], path: Path
) -> None:
    said = looked_at[path.name]
    size, taken, truth = pillow(path)
    if "refused" in said:
        assert path.name in DAMAGED
        assert said["refused"].startswith(f"{path}: ")
        return
    assert path.name not in DAMAGED
    assert tuple(said["size"]) == size
    assert (said["order"] == "exif") == (taken is not None)
    if taken is not None:
        assert said["first"] == pytest.approx(taken.timestamp(), abs=1e-6)
    assert truth is not None
    # A field's mean tells a turned picture from an upright one, and a wrong light.
    assert np.abs(np.array(said["means"]) - truth).max() < 3


def test_none_takes_a_second(looked_at: dict[str, dict[str, Any]]) -> None:
    slow = {name: said["scan_s"] for name, said in looked_at.items() if said["scan_s"] > 1}
    assert slow == {}


def test_the_whole_folder_is_one_roll(shared: Path, tmp_path: Path) -> None:
    """By the command, which may write its warnings, and nothing else, to stderr."""
    environment = {**os.environ, "TIMELAPSE_CACHE": str(tmp_path)}
    pattern = f"{shared}/weird/*/*"
    command = [sys.executable, "-m", "timelapse.cli", "scan", pattern, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
    assert len(FILES) > 100
    said = json.loads(done.stdout)
    assert said["found"] == said["used"] + said["excluded"] == len(FILES)
    assert all(entry["reason"] for entry in said["ledger"] if entry["status"] != "used")
