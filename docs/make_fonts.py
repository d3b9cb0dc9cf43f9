"""Builds the fonts that timelapse ships, from releases under the SIL Open Font License.

    python docs/make_fonts.py OUT --sans R B --arabic R B --mono M --licences SANS ARABIC MONO

R and B are the static Regular and Bold of Noto Sans (2.015) and Noto Sans Arabic (2.012), M is the
static Medium of Roboto Mono (3.001), all as Google Fonts releases them: the npm packages
@expo-google-fonts/noto-sans, noto-sans-arabic and roboto-mono hold those files and, as
LICENSE_FONT, their licences.

Why merged: a layout engine shapes a line and orders its directions within one face.  With Latin,
Greek, Cyrillic and Arabic in one file, a line that mixes them is one call, kerned and joined as
its designers meant, instead of pieces laid side by side by us.  The licence allows it: neither
Noto family reserves its name.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from fontTools.merge import Merger
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

LIMIT = 1_000_000  # bytes; the wheel stays small, and fonts load fast


def merge(latin: Path, arabic: Path, family: str, style: str, target: Path) -> None:
    """Writes `latin` with what `arabic` has beside it: every shared character stays Latin's."""
    base, extra = (TTFont(file, recalcTimestamp=False) for file in (latin, arabic))
    # What both have would come in twice; the joiners stay, for the Arabic rules name them.
    ours = set(base.getBestCmap())
    wanted = [code for code in extra.getBestCmap() if code not in ours or 0x200C <= code <= 0x200F]
    options = Options()
    options.layout_features = ["*"]
    options.notdef_outline = True
    options.glyph_names = True
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=wanted)
    subsetter.subset(extra)
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder, name) for name in ("latin.ttf", "arabic.ttf")]
        for font, part in zip((base, extra), parts, strict=True):
            if "STAT" in font:  # describes the axes of a family of files, which this is not
                del font["STAT"]
            font.save(part)
        merged = Merger().merge([str(part) for part in parts])
    credits = [font["name"].getDebugName(0) for font in (base, extra)]
    rename(merged, family, style, "; ".join(credits))
    # Lines are set by Latin's measure; where Arabic marks reach higher, typesetting makes room.
    for table, fields in {
        "hhea": ("ascent", "descent", "lineGap"),
        "OS/2": ("sTypoAscender", "sTypoDescender", "sTypoLineGap", "usWinAscent", "usWinDescent"),
    }.items():
        for field in fields:
            setattr(merged[table], field, getattr(base[table], field))
    save(merged, base, target)


def rename(font: TTFont, family: str, style: str, copyright_line: str) -> None:
    """States what the file is, keeping each source's copyright and the licence."""
    names = font["name"]
    full = f"{family} {style}"
    texts = {
        0: copyright_line,
        1: family,
        2: style,
        3: full,
        4: full,
        6: full.replace(" ", ""),
        16: None,
        17: None,
    }
    for key, text in texts.items():
        names.removeNames(nameID=key)
        if text is not None:
            names.setName(text, key, 3, 1, 0x409)


def save(font: TTFont, dated_as: TTFont, target: Path) -> None:
    """Writes the same bytes for the same sources: no clock goes in."""
    font.recalcTimestamp = False
    font["head"].created = dated_as["head"].created
    font["head"].modified = dated_as["head"].modified
    font.save(target)
    if target.stat().st_size > LIMIT:
        raise SystemExit(f"{target} has more than {LIMIT} bytes")


def main() -> None:
    """Reads the command line and writes three fonts and three licences into OUT."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--sans", type=Path, nargs=2, required=True, metavar=("R", "B"))
    parser.add_argument("--arabic", type=Path, nargs=2, required=True, metavar=("R", "B"))
    parser.add_argument("--mono", type=Path, required=True, metavar="M")
    parser.add_argument(
        "--licences", type=Path, nargs=3, required=True, metavar=("SANS", "ARABIC", "MONO")
    )
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for style, latin, arabic in zip(("Regular", "Bold"), given.sans, given.arabic, strict=True):
        name = "Noto Sans with Arabic"
        merge(latin, arabic, name, style, given.out / f"NotoSansWithArabic-{style}.ttf")
    mono = TTFont(given.mono)
    save(mono, mono, given.out / "RobotoMono-Medium.ttf")
    for name, source in zip(
        ("NotoSans", "NotoSansArabic", "RobotoMono"), given.licences, strict=True
    ):
        shutil.copyfile(source, given.out / f"OFL-{name}.txt")


if __name__ == "__main__":
    main()
