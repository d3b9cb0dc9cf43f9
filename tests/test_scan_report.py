"""What `timelapse scan` tells people: the table, and the page that needs nothing but itself."""

from __future__ import annotations

import base64
import re
import shutil
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import EPOCH, write_still
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_bad_stills import bare_roll, fill, smear, spoil, write_roll

from timelapse.cli import main
from timelapse.errors import RenderError
from timelapse.ingest import Inspection, LedgerEntry, Reader, Roll, Status, inspect, scan
from timelapse.ingest.bad import Flag, Kind
from timelapse.ingest.look import LOOK, Looks
from timelapse.scanpage import scan_page, write_page
from timelapse.tables import scan_table, sparkline

BLOCKS = "▁▂▃▄▅▆▇█"


def run(*arguments: object, expect: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == expect, result.output
    return result


class Page(HTMLParser):
    """What a page is made of: its elements in order, its text, and all that it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def pictures(self) -> list[Image.Image]:
        """Every picture of the page, decoded."""
        found = []
        for link in self.links:
            kind, _, data = link.partition(";base64,")
            assert kind == "data:image/jpeg"
            found.append(Image.open(BytesIO(base64.b64decode(data, validate=True))))
            found[-1].load()
        return found


# ------------------------------------------------------------------ the table


def test_a_sparkline_is_known() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == BLOCKS
    assert sparkline([10 ** (n / 2) for n in range(8)]) == BLOCKS  # logarithmic
    assert sparkline([3, 3, 3]) == "▁▁▁"
    assert sparkline([]) == ""
    assert sparkline([1] * 500 + [9] + [1] * 499, width=10) == "▁▁▁▁▁█▁▁▁▁"


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=300), st.integers(1, 60))
def test_a_sparkline_shows_the_least_and_the_greatest(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    assert set(line) <= set(BLOCKS)
    if max(values) > min(values):
        assert "█" in line
        assert len(values) > width or "▁" in line


def test_the_table_says_what_was_found(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    write_roll(folder, [1.0] * 24)
    for at in (7, 8, 9):
        (folder / f"ISS057-E-{10000 + at}.JPG").unlink()
    spoil(folder, {3: smear(15), 15: fill(0.5, 128)})
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"\xff\xd8\xff\xe0")
    shutil.copy(folder / "ISS057-E-10001.JPG", folder / "ISS057-E-10001 (1).JPG")
    told = run("scan", folder, "--look", "--set", "roll.utc_offset=Z")
    rows = {line.split()[0]: line for line in told.stdout.splitlines()}
    assert "24 files: 21 used, 3 left out" in rows["found"]
    assert "▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁▁▁▁▁  3 to 12 s apart" in rows["cadence"]
    assert re.search(r"[▁-█]{21}  0\.\d+ to 0\.\d+ of white", rows["light"])
    assert "8x gives 9 s" in rows["clip"]
    assert "30 s takes 2.4x" in rows["clip"]
    assert "from ISS057-E-10006.JPG  to ISS057-E-10010.JPG  about 3 missing" in rows["12"]
    assert re.search(r"2  cut short: .*  a\.jpg, b\.jpg", rows["unreadable"])
    assert "the same bytes as ISS057-E-10001.JPG" in rows["duplicate"]
    assert re.search(r"smeared  +1  .* less fine detail.*10003\.JPG", rows["smeared"])
    assert "10018.JPG" in rows["garbage"]
    assert "bad, and used all the same (2)" in told.stdout
    plain = run("scan", folder, "--set", "roll.utc_offset=Z").stdout
    assert "smeared" not in plain
    assert "light" not in plain


def test_reasons_that_differ_in_names_are_told_once() -> None:
    roll = bare_roll([Fraction(n) for n in range(3)])
    copies = tuple(
        LedgerEntry(f"x/{n} (1).jpg", Status.DUPLICATE, f"the same bytes as {n}.jpg")
        for n in range(100, 150)
    )
    table = scan_table(replace(roll, ledger=(*roll.ledger, *copies)))
    assert (
        "duplicate  50  the same bytes as ...  100 (1).jpg, 101 (1).jpg, 102 (1).jpg and 47 more"
        in table
    )


# ------------------------------------------------------------------ the page


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    folder = tmp_path / "roll"
    folder.mkdir()
    write_roll(folder, [1.0] * 20)
    spoil(folder, {5: np.zeros_like, 12: fill(0.5, 128)})
    cut = folder / "ISS057-E-10016.JPG"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (folder / "notes.txt").write_text("no still")
    return folder


def test_the_page_shows_what_was_found(faulty: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = run("scan", faulty, "--html", page, "--set", "roll.bad.black=drop")
    assert f"wrote {page}" in told.stderr
    text = page.read_text(encoding="utf-8")
    made = Page(text)
    assert not made.open
    assert made.elements["svg"] == 4
    # gaps: where the unreadable still is missing; flags: the black and the gray still
    assert made.elements["circle"] == 1 + 2
    assert made.elements["tr"] == 1 + 21
    keogram, *thumbnails = made.pictures()
    assert keogram.size == (1000, 64)
    assert len(thumbnails) == 3
    assert made.elements["figure"] == 4  # of the text there is no picture
    black, gray, cut = (np.asarray(picture) for picture in thumbnails)
    assert black.max() < 5
    assert abs(int(gray[-20:].mean()) - 128) < 3
    assert (cut[-20:].std(axis=(0, 1)) < 3).all()  # half of it could be decoded
    words = " ".join(made.texts)
    for expected in ("black: ", "dropped", "garbage: its lowest", "cut short", "not a picture"):
        assert expected in words
    # the keogram holds the black still at its place, and gray where one is missing
    columns = np.asarray(keogram).astype(int)
    assert columns[:, 5 * 50 + 10 : 5 * 50 + 40].max() < 20
    assert abs(columns[:, 16 * 50 + 30 : 16 * 50 + 45] - 128).max() < 12


def test_the_page_needs_nothing_but_itself(faulty: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    run("scan", faulty, "--html", page)
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import|<script|<link", text)
    assert all(link.startswith("data:image/jpeg;base64,") for link in Page(text).links)


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "<i>roll"
    folder.mkdir()
    gray = np.full((48, 64, 3), 90, np.uint8)
    names = ["<script>alert(1)<\u200b>.png", "a\"'&b.png", "line\nbreak.png", "\udcff.png", "ж.png"]
    for number, name in enumerate(names):
        write_still(folder / name, gray, EPOCH + 3 * number)
    (folder / "<b>bad.png").write_bytes(b"<svg onload=x>")
    page = tmp_path / "page.html"
    run("scan", folder, "--html", page, "--quiet")
    made = Page(page.read_text(encoding="utf-8"))
    assert not {"script", "i", "b>", "svg onload"} & set(made.elements)
    words = " ".join(made.texts)
    for shown in (
        "<script>alert(1)<\\u200b>.png",
        "a\"'&b.png",
        "line\\x0abreak.png",
        "\\xff.png",
        "ж.png",
    ):
        assert shown in words


def test_a_long_roll_makes_a_small_page() -> None:
    count = 20_000
    roll = bare_roll([Fraction(3 * n + 60 * (n // 50)) for n in range(count)])
    rng = np.random.default_rng(1)
    rows = np.zeros(count, LOOK)
    rows["luminance"] = rng.random(count)
    flags = {at: Flag(Kind.SMEARED, "by a lot") for at in range(0, count, 10)}
    with Reader() as reader:
        text = scan_page("long", Inspection(roll, roll, Looks(rows), flags), reader)
    assert len(text) < 600_000
    made = Page(text)
    assert made.elements["circle"] == 600
    assert made.elements["figure"] == 48
    assert made.elements["tr"] == 1001
    assert "19000 more files are not shown" in " ".join(made.texts)
    # thinned, a curve keeps its highest and its lowest point
    curve = re.findall(r'class="curve" points="([^"]*)"', text)[1]
    heights = [float(point.split(",")[1]) for point in curve.split()]
    assert len(heights) == 2000
    assert min(heights) == pytest.approx(6, abs=0.1)


def test_rolls_of_one_still_and_of_none_that_can_be_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    write_still(folder / "a.png", np.full((48, 64, 3), 90, np.uint8), EPOCH)
    roll = scan(folder)
    with Reader() as reader:
        assert "There is one still." in scan_page("one", inspect(roll), reader)
        blind = Inspection(roll, roll, Looks(np.zeros(1, LOOK), {0: "not read"}), {})
        assert "No still can be decoded." in scan_page("one", blind, reader)
    assert "cadence" not in scan_table(roll, inspect(roll))


def test_a_page_never_takes_the_place_of_a_still(faulty: Path, tmp_path: Path) -> None:
    def roll_with(name: str) -> tuple[Path, Roll]:
        path = tmp_path / name
        shutil.copy(faulty / "ISS057-E-10001.JPG", path)
        listed = tmp_path / "roll.txt"
        listed.write_text(f"{path.name}\n")
        return path, scan(listed)

    path, roll = roll_with("still.html")
    before = path.read_bytes()
    with pytest.raises(RenderError, match="is a file of the roll"):
        write_page(path, "roll", inspect(roll))
    assert path.read_bytes() == before
    told = run("scan", faulty, "--html", tmp_path / "page.txt", expect=1).stderr
    assert "has to end in .html" in told
    told = run("scan", faulty, "--html", tmp_path / "none" / "page.html", expect=1).stderr
    assert "there is no such folder" in told
    assert "Traceback" not in told


def test_a_page_may_be_written_again_among_its_stills(faulty: Path) -> None:
    page = faulty / "page.html"
    run("scan", faulty, "--html", page)
    run("scan", faulty, "--html", page)
    assert "page.html" in page.read_text(encoding="utf-8")
