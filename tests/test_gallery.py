"""Golden pictures of every layer, theme, place and language, at three shapes, on two grounds.

`python docs/make_gallery.py` draws them anew where they are meant to change.
"""

from __future__ import annotations

import gallery
import imageio.v3 as iio
import numpy as np
import pytest

from timelapse.overlay import glyphs

#: Levels that a letter's edge may differ by between versions of the libraries, the share of pixels
#: that may differ by more, and the mean of all: a text that moves by a pixel is beyond each.
EDGE, FEW, MEAN = 40, 0.0005, 0.1


@pytest.mark.skipif(not glyphs.shapes(), reason="no FriBidi here: see timelapse doctor")
@pytest.mark.parametrize("name", gallery.sheet_names())
def test_the_gallery_looks_as_it_did(name: str) -> None:
    golden = iio.imread(gallery.GOLDEN / f"{name}.png")
    theme, shape, kind = name.split("-")
    for number, shot in enumerate(gallery.shots(theme, shape, kind)):
        was = gallery.tile(golden, number, shot.size, gallery.COLUMNS[shape])
        assert not differs(shot.draw(), was), shot.name


@pytest.mark.skipif(not glyphs.shapes(), reason="no FriBidi here: see timelapse doctor")
def test_the_tolerance_is_smaller_than_any_layer() -> None:
    """Each picture differs by more than that from the same ground without its layer, and from
    itself moved by a pixel."""
    for shot in gallery.shots("plain", "16x9", "light"):
        drawn = shot.draw()
        assert differs(drawn, gallery.ground(shot.ground, shot.size)), shot.name
        assert differs(drawn, np.roll(drawn, 1, axis=1)), shot.name


def differs(one: np.ndarray, other: np.ndarray) -> bool:
    assert one.shape == other.shape
    apart = np.abs(one.astype(int) - other).max(axis=2)
    return bool(apart.mean() > MEAN or (apart > EDGE).mean() > FEW)
