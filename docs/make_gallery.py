"""Draws the gallery: the golden pictures of the tests, and docs/gallery.md with its pictures.

python docs/make_gallery.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import imageio.v3 as iio

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from gallery import (  # noqa: E402 - the tests' own, which is not installed
    GOLDEN,
    GROUNDS,
    LAYERS,
    SHAPES,
    THEMES,
    sheet,
    sheet_names,
)

WORDS = {
    "plain": "`theme: plain`: outlined letters, nothing else",
    "esa": "`theme: esa`: deep blue boxes with a bar of turquoise",
    "nasa": "`theme: nasa`: blue boxes with a bar of red",
    "contrast": "`theme: contrast`: yellow on black, for who sees little",
}


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for stale in set(GOLDEN.glob("*.png")) - {GOLDEN / f"{name}.png" for name in sheet_names()}:
        stale.unlink()
    for name in sheet_names():
        iio.imwrite(GOLDEN / f"{name}.png", sheet(name), plugin="pillow", optimize=True)
    page = ["# Gallery", "", "Made by `docs/make_gallery.py`. The tests draw these again.", ""]
    for theme in THEMES:
        page += [f"## {theme}", "", WORDS[theme] + ".", ""]
        for shape in SHAPES:
            for ground in GROUNDS:
                name = f"{theme}-{shape}-{ground}"
                page += [f"![{theme}, {shape}, {ground} ground](../tests/golden/{name}.png)", ""]
    listed = ", ".join(f"`{name}`" for name in LAYERS)
    page += [f"Each sheet shows, row by row: the nine places, six languages, {listed}.", ""]
    (HERE / "gallery.md").write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
