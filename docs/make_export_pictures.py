"""Makes the contact sheet and the keogram of docs/exports.md from the flagship's simulated roll.

python docs/make_export_pictures.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from timelapse import load
from timelapse.exports import Choices, Target, export
from timelapse.simulate import simulate

PICTURES = Path(__file__).parent / "pictures"
#: The stills are large enough for what is made of them; a page shows 1000 pixels.
STILLS, WIDTH, QUALITY = (960, 540), 1000, 82


def make(folder: Path) -> None:
    """Writes both pictures; the roll goes into `folder`."""
    simulate(folder / "frames", size=STILLS)
    configs = Path(__file__).parents[1] / "configs"
    project = folder / "progress_ms10.yaml"
    project.write_text((configs / project.name).read_text(encoding="utf-8"), encoding="utf-8")
    targets = [Target.of(str(folder / f"{what}.png")) for what in ("sheet", "keogram")]
    export(load(project).job(), targets, Choices(width=WIDTH, tiles=(3, 4)))
    for target in targets:
        with Image.open(target.path) as picture:
            picture.save(PICTURES / f"{target.what}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        make(Path(place))
