"""Makes the pictures of the docs from the demo's film and from the flagship's plan.

timelapse demo -o demo.mp4 && python docs/make_pictures.py demo.mp4
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from PIL import Image

from timelapse import load
from timelapse.planplot import plan_plot
from timelapse.simulate import simulate

PICTURES = Path(__file__).parent / "pictures"
COLUMNS, WIDTH = 3, 420


def contact_sheet(film: Path) -> Image.Image:
    """Nine frames: twelve after each milestone, and some between them."""
    report = json.loads(film.with_name(film.name + ".report.json").read_text(encoding="utf-8"))
    wanted = {milestone["frame"] + 12 for milestone in report["plan"]["milestones"]}
    wanted |= {30, 290, 640, 1300, 2200}
    tiles = []
    with av.open(str(film)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                height = round(WIDTH * frame.height / frame.width)
                tiles.append(frame.to_image().resize((WIDTH, height), Image.Resampling.LANCZOS))
    rows = [np.hstack([np.asarray(t) for t in tiles[at : at + COLUMNS]]) for at in (0, 3, 6)]
    return Image.fromarray(np.vstack(rows))


def flagship_plot(folder: Path) -> str:
    """The plan of the flagship as SVG, from a simulated roll of small stills."""
    simulate(folder / "frames", size=(96, 54), workers=1)
    configs = Path(__file__).parents[1] / "configs"
    project = folder / "progress_ms10.yaml"
    project.write_text((configs / project.name).read_text(encoding="utf-8"), encoding="utf-8")
    return plan_plot(load(project).job())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    PICTURES.mkdir(exist_ok=True)
    contact_sheet(Path(sys.argv[1])).save(PICTURES / "demo.jpg", quality=88)
    with TemporaryDirectory() as folder:
        (PICTURES / "speed.svg").write_text(flagship_plot(Path(folder)), encoding="utf-8")
