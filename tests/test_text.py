"""Text: drawn exactly as the layout engine draws it by fonts that have it, or refused by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from timelapse.errors import TextError
from timelapse.overlay import (
    Colour,
    Compositor,
    Cue,
    Place,
    Share,
    Style,
    Words,
    fribidi,
    glyphs,
    runs,
)
from timelapse.overlay.glyphs import FONTS, STEERING, coverage, font_file, font_files, name_of
from timelapse.overlay.lines import Hand, Line, set_line
from timelapse.overlay.text import Block, bleed_of, measure, paint, refill

#: What needs real shaping can be tested only where Pillow finds FriBidi; without it such text is
#: refused by name, which has a test of its own.
shaped = pytest.mark.skipif(not glyphs.shapes(), reason="no FriBidi here: see timelapse doctor")

PLAIN = Style(outline=Share(0))
SMALL = replace(PLAIN, size=Share(1, 40))
HUGE = (10**6, 10**6)
JAPANESE = font_files("sans")[1]
SANS, BOLD = font_file("sans"), font_file("sans-bold")


# ------------------------------------------------------------------ fonts


def test_fonts_are_shipped_with_their_licences_and_cover_what_they_say() -> None:
    ascii_, cyrillic = set(range(32, 127)), set(range(0x410, 0x450)) | {0x401, 0x451}
    for name in FONTS:
        assert font_file(name).stat().st_size < 1_000_000
        assert ascii_ | cyrillic | set(map(ord, "°×µ–—…«»„“”’")) <= coverage(font_file(name))
    arabic = set(range(0x620, 0x64B)) | set(range(0x660, 0x66A)) | set(map(ord, "،؟پچژگ"))
    hebrew, devanagari = set(range(0x5D0, 0x5EB)), set(range(0x900, 0x978))
    # JIS X 0208's kanji: rows 16 to 47 and 48 to 84, 94 in each but the last of both.
    rows = [bytes((0xA0 + row, 0xA0 + cell)) for row in range(16, 85) for cell in range(1, 95)]
    kanji = {ord(text) for row in rows if (text := row.decode("euc_jp", "ignore"))}
    kana = set(range(0x3041, 0x3097)) | set(range(0x30A1, 0x30FF)) | set(range(0xFF66, 0xFF9F))
    wide = set(range(0xFF01, 0xFF5F)) | set(map(ord, "、。「」『』〜・々〆①髙﨑塡𠮟\u3000"))
    assert len(kanji) == 6355
    for name in ("sans", "sans-bold"):
        merged, japanese = font_files(name)
        assert arabic | hebrew | devanagari | set(map(ord, "αΩέ")) <= coverage(merged)
        assert kanji | kana | wide <= coverage(japanese)
        assert japanese.stat().st_size < 2_500_000
    licences = sorted(SANS.parent.glob("OFL-*.txt"))
    assert len(licences) == 5
    for licence in licences:
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence.read_text()


def test_no_character_of_a_shipped_font_is_blank_but_spaces() -> None:
    for path in {path for name in FONTS for path in font_files(name)}:
        for code in coverage(path) - STEERING:
            char = chr(code)
            if unicodedata.category(char) not in ("Cc", "Zs", "Zl", "Zp"):
                assert code in range(0x2061, 0x2065) or glyphs.inked(path, char), name_of(char)


@shaped
def test_characters_that_steer_leave_no_ink() -> None:
    for name in FONTS:
        plain = ink("HH", font_file(name), 40, (20, 60), (120, 80))
        for code in sorted(STEERING):
            drawn = ink(f"H{chr(code)}H", font_file(name), 40, (20, 60), (120, 80))
            assert np.array_equal(drawn, plain), name_of(chr(code))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("go 🚀", "U+1F680 ROCKET"),
        ("tab\there", "U+0009 TAB"),
        ("line\r\nend", "U+000D CARRIAGE RETURN"),
        ("bell\x07", "U+0007 control character"),
        ("发射", "U+53D1 CJK UNIFIED IDEOGRAPH-53D1"),
        ("발사", "U+BC1C HANGUL SYLLABLE BAL"),
        ("打ち上げ 发", "U+53D1 CJK UNIFIED IDEOGRAPH-53D1; take it out, or name a font file"),
        ("a\u2028b", "U+2028 LINE SEPARATOR"),
        ("\ud800", "U+D800 lone surrogate"),
        ("\ue000", "U+E000 private use"),
        ("A\u3099", "COMBINING KATAKANA-HIRAGANA VOICED SOUND MARK, which belong together"),
    ],
)
def test_what_cannot_be_drawn_is_named_before_anything_is_rendered(text: str, named: str) -> None:
    cue = Cue(Words(text, Style()), 0, 10, place=Place.BOTTOM_LEFT)
    with pytest.raises(TextError, match=named.replace("+", r"\+")):
        Compositor([cue], (960, 540))


def test_a_font_that_is_missing_or_no_font_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"nowhere\.ttf.*sans, sans-bold, mono"):
        measure("a", Style(font="nowhere.ttf"), 540, HUGE)
    for name in ("~no_such_user_here/a.ttf", "x" * 5000):
        with pytest.raises(TextError, match=r"cannot be looked for"):
            measure("a", Style(font=name), 540, HUGE)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font at all")
    with pytest.raises(TextError, match=r"broken\.ttf"):
        measure("a", Style(font=str(broken)), 540, HUGE)


def made(path: Path, glyphs_: dict[str, tuple[int, bool]], rules: str = "") -> Path:
    """A font of boxes: of each character the advance, in 1000ths of the em, and if it has ink."""
    names = {char: f"g{number}" for number, char in enumerate(glyphs_)}
    builder = FontBuilder(1000)
    order = [".notdef", *names.values()]
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap({ord(char): name for char, name in names.items() if len(char) == 1})
    shapes, widths = {}, {}
    for name, (wide, inked) in zip(order, [(500, True), *glyphs_.values()], strict=True):
        pen = TTGlyphPen(None)
        if inked:
            pen.moveTo((50, 0))
            for point in ((50, 700), (wide - 50, 700), (wide - 50, 0)):
                pen.lineTo(point)
            pen.closePath()
        shapes[name], widths[name] = pen.glyph(), (wide, 50 if inked else 0)
    builder.setupGlyf(shapes)
    builder.setupHorizontalMetrics(widths)
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if rules:
        for char, name in names.items():
            rules = rules.replace(f"<{char}>", name)
        addOpenTypeFeaturesFromString(builder.font, rules)
    builder.save(path)
    return path


def test_a_glyph_without_ink_is_no_glyph(tmp_path: Path) -> None:
    hollow = made(tmp_path / "hollow.ttf", {"A": (600, True), "B": (600, False), " ": (300, False)})
    style = replace(PLAIN, font=str(hollow))
    assert {run.font for run in measure("A A", style, 540, HUGE).lines[0].runs} == {hollow}
    drawn = measure("AB", style, 540, HUGE)
    assert [run.font for run in drawn.lines[0].runs] == [SANS]
    empty = made(tmp_path / "empty.ttf", {"🚀": (600, False)})
    with pytest.raises(TextError, match=r"U\+1F680 ROCKET \(empty\.ttf: without an outline"):
        measure("🚀", replace(PLAIN, font=str(empty)), 540, HUGE)


def test_a_font_of_pictures_is_refused(tmp_path: Path) -> None:
    file = made(tmp_path / "pictures.ttf", {"🚀": (600, True)})
    with TTFont(file) as font:
        del font["glyf"], font["loca"]
        font.save(tmp_path / "emoji.ttf")
    for text in ("🚀", "go"):
        with pytest.raises(TextError, match=r"emoji\.ttf: it holds pictures of characters"):
            measure(text, replace(PLAIN, font=str(tmp_path / "emoji.ttf")), 540, HUGE)


def test_fonts_that_no_line_needs_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        glyphs,
        "coverage",
        lambda path: read.append(path.name) or coverage(path),  # type: ignore[func-returns-value]
    )
    runs.fonts_for.cache_clear()
    measure("Soyuz Союз", PLAIN, 540, HUGE)
    assert set(read) == {SANS.name}
    measure("Soyuz 宇宙", PLAIN, 540, HUGE)
    assert set(read) == {SANS.name, JAPANESE.name}


@pytest.fixture
def no_fribidi(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (glyphs.shapes, glyphs.load, runs.fonts_for, runs.pieces)
    monkeypatch.setattr(features, "check_feature", lambda _: False)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.mark.usefixtures("no_fribidi")
def test_without_shaping_plain_text_is_drawn_and_the_rest_refused() -> None:
    for text in ("Soyuz Союз 100%", "打ち上げ", "T+1 打ち上げ"):
        assert paint(measure(text, PLAIN, 540, HUGE)).alpha.any()
        assert paint(measure(text, replace(PLAIN, spacing=Share(1, 5)), 540, HUGE)).alpha.any()
    measure("12:00", PLAIN, 540, HUGE, wrap=False)
    for text in ("انفصال", "e\u0301", "नमस्ते", "か\u3099"):
        with pytest.raises(TextError, match="libfribidi"):
            measure(text, PLAIN, 540, HUGE)


@shaped
def test_without_our_own_way_to_fribidi_only_mixed_lines_that_need_it_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(*_: object) -> list[int]:
        raise OSError("no libfribidi.so")

    monkeypatch.setattr(fribidi, "levels", lost)
    runs.pieces.cache_clear()
    for text in ("انفصال Soyuz", "Soyuz ソユーズ Союз"):
        measure(text, PLAIN, 540, HUGE)
    with pytest.raises(TextError, match=r"libfribidi is needed \(no libfribidi\.so\)"):
        measure("انفصال ソユーズ", PLAIN, 540, HUGE)
    runs.pieces.cache_clear()


# ------------------------------------------------------------------ pixels


def ink(
    line: str,
    path: Path,
    pixels: int,
    at: tuple[float, float],
    size: tuple[int, int],
    direction: str | None = None,
    features: list[str] | None = None,
) -> NDArray[np.uint8]:
    """The oracle: what Pillow itself draws, its pen starting at `at` on the baseline."""
    picture = Image.new("L", size)
    font = ImageFont.truetype(path, pixels)
    pen = ImageDraw.Draw(picture)
    more = {"direction": direction, "features": features} if glyphs.shapes() else {}
    pen.text(at, line, font=font, fill=255, anchor="ls", **more)  # type: ignore[arg-type]
    return np.asarray(picture)


def chosen(line: str, names: tuple[str, ...]) -> Path | None:
    """The oracle: the first font that covers the whole line."""
    for path in (path for name in names for path in font_files(name)):
        if all(ord(char) in coverage(path) | STEERING for char in line):
            return path
    return None


def refused(text: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)


def attempted(text: str, style: Style) -> tuple[Block | None, str]:
    """A text as set, or why not."""
    try:
        return measure(text, style, 1080, HUGE), ""
    except TextError as error:
        return None, str(error)


COVERED = st.one_of(
    st.sampled_from("'\":%\\,;[]{} \nagjyÅ|()#$0123456789ДёйΩ"),
    st.sampled_from("ابتثجحخدلمنهويءآأإىة،؟ًٌٍَُِّْ٠١٢٪ \n"),
    st.sampled_from("אבגדהוזחטיםןץ\u05b0\u05b7״ कखगषत्रािीुंद्य़ \n"),
    st.sampled_from("アイウーッ宇宙船「」、。０1a \u3000か\u3099\n"),
    st.sampled_from("\u200c\u200d\u200e\u200f\u00ad\ufe0f\u2066\u2069\u202b\u202c\u202e"),
    st.sampled_from(sorted(map(chr, coverage(SANS) - set(range(32)) - {0x2028, 0x2029}))),
    st.sampled_from(sorted(map(chr, coverage(JAPANESE)))),
)
TEXTS = st.one_of(
    st.text(COVERED, min_size=1, max_size=24),
    st.text(st.one_of(COVERED, st.characters()), min_size=1, max_size=8),
)


@shaped
@settings(max_examples=250, deadline=None)
@given(TEXTS, st.sampled_from(["sans", "sans-bold", "mono"]))
@example("T+00:01:57 انفصال Soyuz-FG 100%", "sans")
@example("100% 'burn': \"C:\\tmp\"\nВторая строка", "mono")
@example("\u0301ab", "sans")
@example("T+00:01:57 ソユーズ Союз انفصال हिन्दी", "sans-bold")
@example("אבג(ア) \u202eabc宇\u202c [x]", "mono")
def test_any_text_is_drawn_as_the_engine_draws_it_or_refused_by_name(text: str, font: str) -> None:
    names = (font, "sans")
    style = replace(SMALL, font=font)
    everything = [path for name in names for path in font_files(name)]
    lines = text.split("\n")
    block, error = attempted(text, style)
    if block is None:
        at_fault = [line for line in lines if refused(line) or chosen(line, names) is None]
        assert any(name_of(char) in error for char in at_fault[0])
        return
    assert not refused(text.replace("\n", ""))
    sprite = paint(block)
    height, width = sprite.alpha.shape
    drawn = np.zeros((height + 400, width + 400), int)
    for line, placed in zip(lines, block.lines, strict=True):
        pen = (placed.x + block.bleed + 200, placed.baseline + block.bleed + 200)
        whole = chosen(line, names)
        if whole:  # one call, and nothing of ours between the text and the engine
            assert [(run.text, run.font) for run in placed.runs] == [(line, whole)]
            drawn += ink(line, whole, block.pixels, pen, drawn.shape[::-1])
            continue
        mixed = np.zeros(drawn.shape, np.uint8)
        advance = 0.0
        for run in placed.runs:
            assert run.x == advance
            assert run.font in everything
            assert all(ord(char) in coverage(run.font) | STEERING for char in run.text)
            at = (pen[0] + run.x, pen[1])
            part = ink(run.text, run.font, block.pixels, at, drawn.shape[::-1], run.direction)
            mixed = over(mixed, part)
            face = ImageFont.truetype(run.font, block.pixels)
            advance += face.getlength(run.text, direction=run.direction)
        drawn += mixed
        shown = [char for run in placed.runs for char in run.text if ord(char) not in STEERING]
        assert sorted(shown) == sorted(char for char in line if ord(char) not in STEERING)
    assert np.array_equal(sprite.alpha, drawn[200:-200, 200:-200])  # and lines do not touch
    assert sprite.alpha.sum() == drawn.sum()  # nothing is cut off
    assert (sprite.rgb == sprite.alpha[..., None]).all()  # white, premultiplied
    visible = (unicodedata.category(char)[0] in "LNPS" for char in text if ord(char) != 0x2800)
    assert sprite.alpha.any() or not any(visible)


def over(under: NDArray[np.uint8], upper: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """White over white, as Pillow does it: exact where either is clear or full."""
    share = Image.fromarray(upper)
    picture = Image.fromarray(under)
    picture.paste(255, (0, 0), share)
    return np.asarray(picture)


@shaped
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.text(st.sampled_from("SoyuzДё. 0:T"), min_size=1, max_size=6)),
        min_size=2,
        max_size=6,
    ).map(lambda parts: [(japanese, part) for japanese, part in parts]),
    st.sampled_from([0, 1]),
)
def test_a_line_of_two_fonts_is_their_runs_side_by_side(
    parts: list[tuple[bool, str]], weight: int
) -> None:
    style = ("sans", "sans-bold")[weight]
    latin, japanese = font_files(style)
    kana = str.maketrans("SoyuzДё. 0:T", "ソユ宇宙船の、。「々ーッ")
    texts = [(part.translate(kana) if is_kana else part, is_kana) for is_kana, part in parts]
    assume({is_kana for _, is_kana in texts} == {True, False})
    assume(any(part.strip(" ") for part, is_kana in texts if not is_kana))
    expected = [
        ("".join(text for text, _ in group), japanese if is_kana else latin)
        for is_kana, group in groupby(texts, lambda item: item[1])
    ]
    block = measure("".join(text for text, _ in texts), replace(SMALL, font=style), 1080, HUGE)
    [line] = block.lines
    assert [(run.text, run.font) for run in line.runs] == expected
    lengths = [ImageFont.truetype(font, block.pixels).getlength(text) for text, font in expected]
    assert [run.x for run in line.runs] == [0.0, *accumulate(lengths)][:-1]


def cut_down(path: Path, codes: set[int]) -> Path:
    """The shipped sans with some of its characters alone, which it draws as before."""
    options = Options()
    options.layout_features = ["*"]
    with TTFont(SANS) as font:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=sorted(codes))
        subsetter.subset(font)
        font.save(path)
    return path


@pytest.fixture(scope="session")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped sans as two files: Latin with digits and marks, and Hebrew with Arabic."""
    folder, right = tmp_path_factory.mktemp("halves"), set(range(0x590, 0x700))
    return (
        cut_down(folder / "left.ttf", set(range(0x250)) | set(range(0x2000, 0x2100))),
        cut_down(folder / "right.ttf", right),
    )


def drawn(line: Line, pixels: int, size: tuple[int, int], at: tuple[int, int]) -> NDArray[np.uint8]:
    whole = np.zeros(size[::-1], np.uint8)
    for run in line.runs:
        pen = (at[0] + run.x, at[1])
        part = ink(run.text, run.font, pixels, pen, size, run.direction, list(run.features) or None)
        whole = over(whole, part)
    return whole


#: Hebrew does not join, so that anything may stand between its letters.
WAYS = st.one_of(
    st.text(st.sampled_from("abX12.,:+-%()[]<> אבגםן"), min_size=1, max_size=16),
    st.text(
        st.sampled_from("ab1()/ אב\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069"), max_size=14
    ),
    st.lists(
        st.sampled_from(["انفصال", "لا", "٤٨", "48", "km", "(", ")", "-", "،", "Soyuz", "שלום"])
    ).map(" ".join),
)


@shaped
@settings(max_examples=300, deadline=None)
@given(WAYS, st.sampled_from([None, "ltr", "rtl"]))
@example("ab (אב 12) cd", None)
@example("אב 12-34 (ab) גד", None)
@example("\u202eab1אב\u202c cd", None)
def test_runs_stand_in_the_order_in_which_one_font_has_them(
    halves: tuple[Path, Path], text: str, towards: str | None
) -> None:
    """The oracle is the engine itself, given the same letters in one file."""
    size, pixels = (900, 120), 25
    at = (100, 70)
    unkerned = ("-kern",)
    line = set_line(text, Hand(halves, pixels, features=unkerned), towards)
    expected = ink(text, SANS, pixels, at, size, towards, list(unkerned))
    assert np.array_equal(drawn(line, pixels, size, at), expected)


@shaped
def test_letters_stay_with_their_marks_and_words_that_join_in_one_font(tmp_path: Path) -> None:
    few = cut_down(tmp_path / "few.ttf", {*map(ord, " abcAeانفصل"), 0x915, 0x937})

    def fonts(text: str) -> list[tuple[str, bool]]:
        [line] = measure(text, replace(PLAIN, font=str(few)), 540, HUGE).lines
        return [(run.text, run.font == few) for run in line.runs]

    assert fonts("abe ソ") == [("abe ", True), ("ソ", False)]
    assert fonts("abe\u0301c ソ") == [("ab", True), ("e\u0301", False), ("c ", True), ("ソ", False)]
    assert fonts("ソ क") == [("ソ", False), (" क", True)]
    assert fonts("ソ क्ष") == [("ソ", False), (" ", True), ("क्ष", False)]
    assert fonts("ソ انفصل") == [("ソ", False), (" ", True), ("انفصل", True)]
    assert fonts("ソ انفصلت") == [("ソ", False), (" ", True), ("انفصلت", False)]


@shaped
def test_a_font_file_can_be_given_and_a_line_that_one_font_covers_is_drawn_by_it() -> None:
    given_file = Style(font=str(font_file("mono")), fallbacks=("sans-bold",))
    block = measure("Soyuz\nПрогресс\nانفصال Soyuz\nSoyuz 分離", given_file, 540, HUGE)
    assert [[run.font.stem for run in line.runs] for line in block.lines] == [
        ["RobotoMono-Medium"],
        ["RobotoMono-Medium"],
        ["NotoSansMerged-Bold"],
        ["RobotoMono-Medium", "NotoSansJP-Bold"],
    ]


@shaped
def test_a_sprites_key_is_of_all_its_fonts() -> None:
    texts = ("Soyuz 分離", "Soyuz 分", "Soyuz")
    keys = {measure(text, Style(font=font), 540, HUGE).key() for text in texts for font in FONTS}
    assert len(keys) == 9
    assert not any(str(SANS.parent) in key for key in keys)


# ------------------------------------------------------------------ setting


def test_wide_text_is_broken_into_even_lines_and_long_words_shrink() -> None:
    text = "00:34 Progress spacecraft separates from the rocket and enters orbit"
    one = measure(text, Style(), 540, HUGE)
    two = measure(text, Style(), 540, (one.width * 2 // 3, 500))
    assert (len(one.lines), len(two.lines)) == (1, 2)
    assert " ".join(line.text for line in two.lines) == text
    assert abs(two.lines[0].width - two.lines[1].width) < one.width / 8
    word = measure("Donaudampfschifffahrtsgesellschaft", Style(), 540, (200, 500))
    assert len(word.lines) == 1
    assert word.width <= 200 < one.width
    with pytest.raises(TextError, match="too wide"):
        measure("x" * 500, Style(), 540, (200, 500))
    padded = replace(Style(), box=Colour(0, 0, 0), padding=Share(1))
    for text in ("x", "x\n\nx", " ", "\n"):
        with pytest.raises(TextError, match="too wide"):
            measure(text, padded, 540, (5, 500))
    with pytest.raises(TextError, match="40 lines"):
        measure("\n".join("x" * 40), Style(), 540, (960, 500))


WORDS = st.lists(
    st.text(st.sampled_from("abcde-/"), min_size=1, max_size=9).map(lambda text: f"x{text}x"),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(100, 400))
def test_lines_are_the_fewest_and_even(words: list[str], width: int) -> None:
    """The oracle tries all widths; parts end at spaces and after hyphens before letters."""
    text = " ".join(words)
    parts = [part for word in words for part in split(word)]
    style = replace(PLAIN, font="mono", size=Share(1, 27))
    face = ImageFont.truetype(font_file("mono"), 20)

    def length(taken: list[str]) -> int:
        return int(-(-face.getlength("".join(taken).rstrip(" ")) // 1))

    assume(all(length([part]) <= width for part in parts))

    def filled(limit: int) -> list[str]:
        done: list[list[str]] = [[]]
        for part in parts:
            if done[-1] and length([*done[-1], part]) > limit:
                done.append([])
            done[-1].append(part)
        return ["".join(line).rstrip(" ") for line in done]

    widest = max(length([part]) for part in parts)
    fewest = len(filled(width))
    least = next(limit for limit in range(widest, width + 1) if len(filled(limit)) == fewest)
    block = measure(text, style, 540, (width, 10**6))
    assert [line.text for line in block.lines] == filled(least)


def split(word: str) -> list[str]:
    """Ends after each hyphen that a letter follows, and with the space after the word."""
    ends = [n + 1 for n, (a, b) in enumerate(pairwise(word)) if a == "-" and b.isalpha()]
    cuts = [0, *ends, len(word)]
    parts = [word[a:b] for a, b in pairwise(cuts)]
    return [*parts[:-1], parts[-1] + " "]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sepa\u00adration", ["sepa-", "ration"]),
        ("sepa\u200bration", ["sepa", "ration"]),
        ("Soyuz-Fregat", ["Soyuz-", "Fregat"]),
        ("now at km/h or", ["now at", "km/h or"]),
        ("one\u00a0two three", ["one\u00a0two", "three"]),
        ("  two  spaces ", ["  two", "spaces "]),
        ("MS-10 MS-10", ["MS-10", "MS-10"]),
    ],
)
def test_lines_end_at_spaces_hyphens_and_where_the_text_says(text: str, lines: list[str]) -> None:
    style = replace(PLAIN, font="mono", size=Share(1, 27))
    face = ImageFont.truetype(font_file("mono"), 20)
    width = int(max(face.getlength(line.rstrip(" ")) for line in lines)) + 2
    if not glyphs.shapes() and any(ord(char) in STEERING for char in text):
        pytest.skip("no FriBidi here")
    assert [line.text for line in measure(text, style, 540, (width, 500)).lines] == lines


NEVER_FIRST = set("、。，．」』）】〉》！？ーァィゥェォッャュョヮぁぃぅぇぉっゃゅょゎ々・：")
NEVER_LAST = set("「『（【〈《")


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        st.sampled_from(
            sorted(NEVER_FIRST | NEVER_LAST) + list("宇宙船分離成功のがをにアイロケト")
        ),
        min_size=8,
        max_size=40,
    ),
    st.integers(130, 400),
)
@example("プログレス補給船が、ロケットから切り離された「ちょうど」９分後。", 140)
def test_japanese_is_broken_between_characters_by_kinsoku(text: str, width: int) -> None:
    style = replace(PLAIN, size=Share(1, 27))
    block = measure(text, style, 540, (width, 10**6))
    lines = [line.text for line in block.lines]
    assert "".join(lines) == text
    for before, after in pairwise(lines):
        assert before[-1] not in NEVER_LAST
        assert after[0] not in NEVER_FIRST
    if block.pixels == 20:
        assert all(line.width <= width for line in block.lines)


@shaped
def test_a_broken_arabic_line_keeps_its_direction() -> None:
    block = measure("انفصال Soyuz FG booster stage one", Style(), 540, (200, 500))
    assert len(block.lines) > 1
    assert {run.direction for line in block.lines for run in line.runs} == {"rtl"}
    # The full stop ends a line that runs to the left, and so stands at its left.
    broken = measure("انفصال المعزز ソユーズ one.", Style(), 540, (200, 500))
    assert len(broken.lines) > 1
    assert broken.lines[-1].runs[0].text == "."
    mixed = measure("انفصال one ソユーズ", Style(), 540, HUGE).lines[0]
    assert [run.text.strip() for run in mixed.runs] == ["one", "ソユーズ", "انفصال"]


def test_labels_with_and_without_descenders_stand_on_one_line() -> None:
    blocks = [measure(text, Style(), 1080, HUGE) for text in ("ace", "Hg|", "Ñ(", "00:07")]
    assert len({block.height - block.lines[0].baseline for block in blocks}) == 1


@pytest.mark.parametrize("across", [-1, 0, 1])
def test_lines_are_aligned_by_their_side(across: int) -> None:
    block = measure("a\nlonger\nab 分離", PLAIN, 540, HUGE, across)
    for line in block.lines:
        left, room = line.x - line.origin, block.width - line.width
        assert left == room * (across + 1) // 2


# ------------------------------------------------------------------ spacing


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("abXД0. "), min_size=1, max_size=12), st.integers(1, 50))
def test_letters_are_set_apart_by_exactly_the_spacing(text: str, percent: int) -> None:
    style = replace(SMALL, font="mono", spacing=Share(percent, 100))
    block = measure(text, style, 1080, HUGE)
    [line] = block.lines
    step = ImageFont.truetype(font_file("mono"), block.pixels).getlength("a")
    spacing = block.pixels * percent / 100
    assert "".join(run.text for run in line.runs) == text
    assert [run.x for run in line.runs] == pytest.approx(
        [n * (step + spacing) for n in range(len(text))]
    )
    sprite = paint(block)
    size, pen = sprite.alpha.shape[::-1], (line.x + block.bleed, line.baseline + block.bleed)
    assert np.array_equal(sprite.alpha, drawn(line, block.pixels, size, pen))


@shaped
@pytest.mark.parametrize("text", ["AVATAR Tomorrow", "LTAV.", "הפרדת", "Союз ГА"])
def test_letters_set_apart_are_kerned_as_before(text: str) -> None:
    tight = measure(text, PLAIN, 1080, HUGE)
    wide = measure(text, replace(PLAIN, spacing=Share(1, 4)), 1080, HUGE)
    spaces = len(text) - 1
    [run] = tight.lines[0].runs
    face = ImageFont.truetype(run.font, tight.pixels)
    last = wide.lines[0].runs[-1]
    length = last.x + face.getlength(last.text, direction=last.direction)
    assert length - spaces * wide.pixels / 4 == pytest.approx(face.getlength(text), abs=0.1)


@shaped
def test_letters_that_join_are_not_set_apart() -> None:
    style = replace(PLAIN, spacing=Share(1, 4))
    [line] = measure("انفصال हिन्दी क्षेत्र fi e\u0301", style, 540, HUGE).lines
    words = ["انفصال", "हिन्दी", "क्षेत्र", "f", "i", "e\u0301"]
    assert {run.text for run in line.runs} == {*words, " "}
    # Set off from what is beside them all the same.
    gaps = [b.x - a.x for a, b in pairwise(line.runs)]
    assert min(gaps) > measure("a", style, 540, HUGE).pixels / 4


def test_a_ligature_is_undone_between_letters_set_apart(tmp_path: Path) -> None:
    rules = "feature liga { sub <f> <i> by <fi>; } liga;"
    drawn_as = {"f": (300, True), "i": (200, True), "fi": (900, True)}
    font = made(tmp_path / "ligature.ttf", drawn_as, rules)
    style = replace(PLAIN, font=str(font), size=Share(1, 10), spacing=Share(1, 10))
    [line] = measure("fi", style, 1000, HUGE).lines
    assert [(run.text, run.x) for run in line.runs] == [("f", 0.0), ("i", pytest.approx(40.0))]


# ------------------------------------------------------------------ texts that run


@shaped
def test_digits_of_a_running_text_never_jitter(tmp_path: Path) -> None:
    rules = "feature tnum { sub <1> by <one>; } tnum;"
    drawn_as = {"0": (600, True), "1": (300, True), "one": (600, True), ":": (250, True)}
    font = made(tmp_path / "digits.ttf", drawn_as, rules)
    style = replace(PLAIN, font=str(font))
    laid = measure("00:00", style, 540, HUGE, wrap=False)
    for text in ("01:10", "11:11", "10:01"):
        block = refill(laid, text, style, 0)
        assert [line.width for line in block.lines] == [line.width for line in laid.lines]
        assert (block.pixels, block.lines[0].x) == (laid.pixels, laid.lines[0].x)
    label = measure("11:11", style, 540, HUGE)
    assert label.width < laid.width  # a text that stands keeps its digits' own widths
    assert refill(laid, "00 分", style, 0).bleed == bleed_of(style, 540)
