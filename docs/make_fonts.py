"""Builds the fonts that timelapse ships, from releases under the SIL Open Font License.

    npm install --prefix DIR @expo-google-fonts/{noto-sans@0.4.2,noto-sans-arabic@0.4.3,\\
noto-sans-hebrew@0.4.1,noto-sans-jp@0.4.3,roboto-mono@0.4.2}
    python docs/make_fonts.py OUT DIR/node_modules/@expo-google-fonts

Those packages hold the static files that Google Fonts releases, and their licences as
LICENSE_FONT: Noto Sans 2.015 (which has Devanagari), Noto Sans Arabic 2.012, Noto Sans Hebrew
3.001, Noto Sans JP 2.004, Roboto Mono 3.001.  The same sources give the same bytes.

Why merged: a layout engine shapes a line and orders its directions within one face.  With Latin,
Greek, Cyrillic, Devanagari, Arabic and Hebrew in one file, a line that mixes them is one call,
kerned and joined as its designers meant.  The licence allows it: these families do not reserve
their names.

Why Japanese is apart, and cut down: its 7,000 characters are three times as large as all the rest,
and most lines need none of them.  It holds what Japanese text files hold (JIS X 0208 and its
vendors' extensions, the kanji taught at school) but the letters and digits, which Noto Sans draws.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fontTools.merge import Merger
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from PIL import ImageFont

WEIGHTS = {"Regular": "400Regular", "Bold": "700Bold"}
# Bytes: the wheel stays small, and fonts load fast.
MOST, MOST_JAPANESE = 1_000_000, 2_500_000
# Joiners and direction marks, which the rules of several scripts name.
JOINERS = frozenset(range(0x200C, 0x2010))
# What a merged or cut font has to draw just as its source does.
WORDS = {
    "noto-sans": "Soyuz-FG AVATAR Älv fi 00:01:57|Союз Прогресс ё|Ωέ|हिन्दी क्षेत्र श्रीहरिकोटा र्‍य स्त्री",
    "noto-sans-arabic": "انفصال المعزز|بِسْمِ ٱللَّهِ|لا إلى پچگ ٠١٢",
    "noto-sans-hebrew": "שָׁלוֹם|הפרדת|המאיץ|בְּרֵאשִׁית",
    "noto-sans-jp": "ソユーズの打ち上げ、「成功」|か\u3099き ｱｲｳ①髙﨑|宇宙船…（分離）",
}


def source(packages: Path, package: str, weight: str) -> Path:
    """The file of one weight in an unpacked package."""
    [found] = (packages / package / weight).glob(f"*_{weight}.ttf")
    return found


def merge(sources: list[Path], family: str, style: str, target: Path) -> None:
    """Writes the first font with what each other one adds: a shared character stays the first's."""
    fonts = [TTFont(file, recalcTimestamp=False) for file in sources]
    base, ours = fonts[0], set(fonts[0].getBestCmap())
    for extra in fonts[1:]:
        theirs = set(extra.getBestCmap())
        subset(extra, theirs - ours | theirs & JOINERS, ["*"])
        ours |= theirs
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder, f"{number}.ttf") for number in range(len(fonts))]
        for font, part in zip(fonts, parts, strict=True):
            if "STAT" in font:  # describes the axes of a family of files, which this is not
                del font["STAT"]
            font.save(part)
        merged = Merger().merge([str(part) for part in parts])
    credits = [font["name"].getDebugName(0) for font in fonts]
    rename(merged, family, style, "; ".join(credits))
    # Lines are set by Latin's measure; where other marks reach higher, typesetting makes room.
    for table, fields in {
        "hhea": ("ascent", "descent", "lineGap"),
        "OS/2": ("sTypoAscender", "sTypoDescender", "sTypoLineGap", "usWinAscent", "usWinDescent"),
    }.items():
        for field in fields:
            setattr(merged[table], field, getattr(base[table], field))
    save(merged, base, target, MOST)


def japanese(file: Path, style: str, drawn: set[int], target: Path) -> None:
    """Writes the Japanese font with what labels need of it; letters in `drawn` are left out."""
    font = TTFont(file, recalcTimestamp=False)
    letters = {code for code in drawn if unicodedata.category(chr(code))[0] in "LN"}
    subset(
        font,
        (japanese_text() - letters - set(range(0x21, 0x7F))) & set(font.getBestCmap()),
        ["ccmp", "kern", "liga", "locl", "mark", "mkmk"],
        names=False,
    )
    for table in ("STAT", "vhea", "vmtx"):  # axes; vertical writing
        if table in font:
            del font[table]
    rename(font, "Noto Sans JP Subset", style, font["name"].getDebugName(0))
    save(font, font, target, MOST_JAPANESE)


def japanese_text() -> set[int]:
    """What Japanese text files hold: both readings of JIS X 0208's marks, what Windows adds to it
    (circled digits, kanji of names), all kana, wide and narrow forms, and the four kanji of 2010's
    list for schools that are in neither."""
    found = {0x20, 0xA0, *range(0x3000, 0x3100), *range(0x31F0, 0x3200), *range(0xFF01, 0xFFA0)}
    pairs = (bytes((a, b)) for a in range(0x81, 0xFD) for b in range(0x40, 0xFF))
    for pair in pairs:
        for encoding in ("cp932", "euc_jp"):
            text = pair.decode(encoding, "ignore")
            found |= {ord(text)} if len(text) == 1 else set()
    return {code for code in found | set(map(ord, "塡剝頰𠮟")) if not 0xE000 <= code < 0xF900}


def subset(font: TTFont, codes: Iterable[int], features: list[str], names: bool = True) -> None:
    """Cuts a font down to some characters and layout features."""
    options = Options()
    options.layout_features = features
    options.notdef_outline = True
    options.glyph_names = names
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=sorted(codes))
    subsetter.subset(font)


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


def save(font: TTFont, dated_as: TTFont, target: Path, most: int) -> None:
    """Writes the same bytes for the same sources: no clock goes in."""
    font.recalcTimestamp = False
    font["head"].created = dated_as["head"].created
    font["head"].modified = dated_as["head"].modified
    font.save(target)
    if target.stat().st_size > most:
        raise SystemExit(f"{target} has more than {most} bytes")


def check(made: Path, made_of: Path, words: str) -> None:
    """Stops where a font does not draw words just as its source does."""
    for word in words.split("|"):
        for pixels in (23, 49):
            one, other = (ImageFont.truetype(path, pixels) for path in (made, made_of))
            drawn = [(font.getlength(word), bytes(font.getmask(word))) for font in (one, other)]
            if drawn[0] != drawn[1]:
                raise SystemExit(f"{made} draws {word} otherwise than {made_of}")


def main() -> None:
    """Reads the command line and writes five fonts and their licences into OUT."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("packages", type=Path)
    given = parser.parse_args()
    out, packages = given.out, given.packages
    out.mkdir(parents=True, exist_ok=True)
    merged = ("noto-sans", "noto-sans-arabic", "noto-sans-hebrew")
    for style, weight in WEIGHTS.items():
        sources = {
            package: source(packages, package, weight) for package in (*merged, "noto-sans-jp")
        }
        sans, jp = out / f"NotoSansMerged-{style}.ttf", out / f"NotoSansJP-{style}.ttf"
        merge([sources[package] for package in merged], "Noto Sans Merged", style, sans)
        japanese(sources["noto-sans-jp"], style, set(TTFont(sans).getBestCmap()), jp)
        for package, words in WORDS.items():
            check(sans if package in merged else jp, sources[package], words)
    mono = TTFont(source(packages, "roboto-mono", "500Medium"))
    save(mono, mono, out / "RobotoMono-Medium.ttf", MOST)
    for package, name in zip(
        (*merged, "noto-sans-jp", "roboto-mono"),
        ("NotoSans", "NotoSansArabic", "NotoSansHebrew", "NotoSansJP", "RobotoMono"),
        strict=True,
    ):
        shutil.copyfile(packages / package / "LICENSE_FONT", out / f"OFL-{name}.txt")


if __name__ == "__main__":
    main()
