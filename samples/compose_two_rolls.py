"""Two rolls in one film, with a crossfade by moviepy.

    python samples/compose_two_rolls.py two_rolls.mp4

The first roll is the one of this folder, the booster separation, and keeps its labels.  The second
is taken by the simulated camera where the rocket drops its core stage, and is played slower.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from moviepy import CompositeVideoClip, vfx

import timelapse
from timelapse.simulate import simulate

PROJECT = Path(__file__).with_name("booster_separation.yaml")
CROSSFADE = 1  # seconds
# moviepy by itself writes films that do not say by which matrix their colours were made.
COLOURS = (
    "scale=out_color_matrix=bt709:out_range=tv,setparams=color_primaries=bt709:color_trc=bt709"
)


def second_roll(folder: Path) -> None:
    """Twelve seconds around the core stage's separation, a still a second."""
    start, end = (timelapse.MissionTime(Fraction(seconds)) for seconds in (281, 293))
    simulate(folder, size=(480, 270), interval=Fraction(1), start=start, end=end)


def compose(stills: Path, out: Path) -> None:
    """Composes both rolls into the film `out`; the second one's stills are in a folder."""
    first = timelapse.load(PROJECT)
    second = timelapse.load(
        PROJECT,
        [
            ("roll.stills", json.dumps(str(stills.resolve())), "second roll"),
            ("schedule.speed", "5x", "second roll"),
            ("milestones", "[{at: T+287.3 s, label: Core stage separation}]", "second roll"),
        ],
    )
    one, two = timelapse.to_moviepy(first), timelapse.to_moviepy(second)
    fading = two.with_effects([vfx.CrossFadeIn(CROSSFADE)])
    both = [one, fading.with_start(one.duration - CROSSFADE)]
    film = CompositeVideoClip(both, bg_color=(0, 0, 0))
    # moviepy counts whole frames; a sum of floats may be short of the last by a rounding.
    film = film.with_duration(film.duration + 0.5 / one.fps)
    try:
        film.write_videofile(str(out), fps=one.fps, logger=None, ffmpeg_params=["-vf", COLOURS])
    finally:
        for clip in (film, one, two):
            clip.close()


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        second_roll(Path(scratch) / "stills")
        compose(Path(scratch) / "stills", Path(sys.argv[1]))
