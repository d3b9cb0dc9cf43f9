"""The figures of decisions 1 and 6: what decoding costs, and how much damage goes unseen.

python -m benchmarks.decoders
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from io import BytesIO

import cv2
import imagecodecs
import numpy as np
import simplejpeg
import tifffile

from timelapse.ingest import Limits, png, tiff


def median_ms(action: Callable[[], object], rounds: int = 5) -> float:
    """The median of several runs, in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def scene(height: int, width: int) -> np.ndarray:
    """Soft shapes under grain, RGB, uint8."""
    rng = np.random.default_rng(1)
    shapes = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(shapes, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg_table() -> None:
    data = cv2.imencode(".jpg", scene(3712, 5568), [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    raw = np.frombuffer(data, np.uint8)
    print(f"JPEG, 5568x3712, {len(data) / 1e6:.1f} MB, one thread")
    actions: dict[str, Callable[[], object]] = {}
    for eighths in (1, 2, 3, 4, 5, 6, 8):
        least = {"min_height": 3712 * eighths // 8, "min_width": 5568 * eighths // 8}
        actions[f"simplejpeg {eighths}/8"] = lambda least=least: simplejpeg.decode_jpeg(
            data, "RGB", **least
        )
    actions |= {
        "OpenCV": lambda: cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB),
        "OpenCV 1/2": lambda: cv2.imdecode(raw, cv2.IMREAD_REDUCED_COLOR_2),
    }
    for name, action in actions.items():
        print(f"  {name:15} {median_ms(action):6.0f} ms")


def png_table() -> None:
    print("PNG, 4000x3000")
    picture = scene(3000, 4000)
    for bits, pixels in ((8, picture), (16, picture.astype(np.uint16) * 257)):
        data = cv2.imencode(".png", pixels)[1].tobytes()
        raw = np.frombuffer(data, np.uint8)
        plain = median_ms(lambda raw=raw: cv2.imdecode(raw, cv2.IMREAD_UNCHANGED), 3)  # type: ignore[misc]
        checked = median_ms(lambda data=data: png.pixels(data, "x.png", (4000, 3000), Limits()), 3)  # type: ignore[misc]
        print(f"  {bits:2} bit  OpenCV {plain:5.0f} ms, checked {checked:5.0f} ms")


def damage_table(tries: int = 600) -> None:
    rng, buffer = np.random.default_rng(2), BytesIO()
    picture = scene(96, 128)
    tifffile.imwrite(buffer, picture, compression="lzw", photometric="rgb", rowsperstrip=16)
    whole = buffer.getvalue()
    with tifffile.TiffFile(BytesIO(whole)) as file:
        page = file.pages.first
        strips = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    passed = {"tifffile alone": 0, "with our check": 0}
    for _ in range(tries):
        offset, count = strips[rng.integers(len(strips))]
        data = bytearray(whole)
        at = offset + int(rng.integers(count))
        data[at] ^= int(rng.integers(1, 256))
        for name, decode in (
            ("tifffile alone", lambda data: tifffile.imread(BytesIO(data))),
            ("with our check", lambda data: tiff.pixels(data, "x.tif", (128, 96), Limits())),
        ):
            try:
                decode(bytes(data))
            except Exception:
                continue
            passed[name] += 1
    told = ", ".join(f"{name} {count}" for name, count in passed.items())
    print(f"LZW, {tries} single damaged bytes; pass unseen: {told}")


if __name__ == "__main__":
    cv2.setNumThreads(1)
    print(f"OpenCV {cv2.__version__}, imagecodecs {imagecodecs.__version__}")
    jpeg_table()
    png_table()
    damage_table()
