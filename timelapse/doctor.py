"""What this machine has and lacks for the work, with the fix."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "av",
    "pillow",
    "simplejpeg",
    "tifffile",
    "imagecodecs",
    "pydantic",
    "ruamel.yaml",
    "imageio",
    "fonttools",
    "click",
    "rich",
)
#: What is not needed for the main job: the extra that brings it, and what it is for.
_EXTRAS = {
    "rawpy": ("raw", "camera RAW stills"),
    "pi-heif": ("heif", "HEIC and HEIF stills"),
    "opentimelineio": ("otio", "timelines for editors"),
    "distributed": ("dask", "rendering on many machines"),
    "starlette": ("studio", "the local page"),
    "astroalign": ("astro", "aligning star fields"),
    "moviepy": ("", "composing with other clips"),
}


@dataclass(frozen=True)
class Finding:
    """`needed` tells a lack that stops the program from one that only limits it."""

    what: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Looks at everything; raises nothing."""
    checks: list[Callable[[], Finding]] = [
        _python,
        *(_Package(name) for name in _PACKAGES),
        *(_Package(name, *extra) for name, extra in _EXTRAS.items()),
        _encoder,
        _text_shaping,
        _fonts,
        _opencv,
        _disk,
    ]
    findings = []
    for check in checks:
        try:
            findings.append(check())
        except Exception as error:  # a broken installation must not hide the other findings
            name = getattr(check, "__name__", str(check)).strip("_").replace("_", " ")
            fix = "reinstall: pip install --force-reinstall timelapse"
            findings.append(Finding(name, False, repr(error), fix))
    return findings


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    cores = os.cpu_count()
    found = f"{platform.python_version()} on {platform.system()}, {cores} cores"
    return Finding("python", ok, found, "install Python 3.11 or newer")


@dataclass(frozen=True)
class _Package:
    name: str
    extra: str = ""
    use: str = ""

    def __call__(self) -> Finding:
        use = f" (for {self.use})" if self.use else ""
        try:
            return Finding(self.name, True, version(self.name) + use, needed=not self.use)
        except PackageNotFoundError:
            fix = (
                f"pip install 'timelapse[{self.extra}]'"
                if self.extra
                else f"pip install {self.name}"
            )
            return Finding(self.name, False, f"not installed{use}", fix, needed=not self.use)


def _encoder() -> Finding:
    import numpy as np

    from timelapse.deliver import H264, Colours, Encoder, probe
    from timelapse.grade import Size

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        colours, frame = Colours((64, 64)), np.zeros((64, 64, 3), np.uint8)
        with Encoder(path, Size(64, 64), H264(preset="ultrafast")) as encoder:
            for _ in range(3):
                encoder.write(colours.convert(frame))
        frames = probe(path).frames
    found = f"H.264 encodes and decodes ({frames} of 3 frames)"
    return Finding("encoder", frames == 3, found, "pip install --force-reinstall av")


def _text_shaping() -> Finding:
    from timelapse.overlay.glyphs import engine, shapes

    found = engine() if shapes() else "no FriBidi: Arabic, Hebrew and combining marks are refused"
    fix = "install FriBidi, such as apt install libfribidi0, or brew install fribidi"
    return Finding("text shaping", shapes(), found, fix, needed=False)


def _fonts() -> Finding:
    fonts = sorted((Path(__file__).parent / "overlay" / "fonts").glob("*.ttf"))
    found = ", ".join(font.stem for font in fonts) or "none"
    return Finding(
        "fonts", len(fonts) >= 3, found, "reinstall: pip install --force-reinstall timelapse"
    )


def _opencv() -> Finding:
    import cv2
    import numpy as np

    table = np.arange(65536, dtype=np.uint16)
    ok = bool((cv2.LUT(table[None, ::-1].copy(), table) == table[::-1]).all())
    return Finding(
        "16-bit tables", ok, f"OpenCV {cv2.__version__}", "pip install 'opencv-python-headless>=5'"
    )


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding(
        "disk", free > 1, f"{free:.1f} GB free here", "make room, or work elsewhere", False
    )
