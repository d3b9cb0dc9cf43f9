"""A table of names and times (CSV): whatever wrote it, its rows find their stills or are told."""

from __future__ import annotations

import codecs
import csv
import io
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import EPOCH
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_ingest import by_name, seconds, warned

from timelapse.errors import RollError
from timelapse.ingest import Clocks, File, Roll, TimeSource, Zone, read_table, scan
from timelapse.ingest.table import read_time
from timelapse.project import load
from timelapse.times import CaptureTime, Seconds

T0, T1, T2 = (f"2018-11-16T18:14:{8 + second:02d}Z" for second in range(3))


def stills(folder: Path, names: str = "a.jpg b.jpg c.jpg") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names.split()):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / name)
    return folder


def timed(folder: Path, table: str | bytes, zone: Zone | None = None) -> Roll:
    path = folder / "shots.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    clocks = Clocks(zone=zone, table=read_table(path, EPOCH))
    return scan(f"{folder}/*.jpg", clocks)


@pytest.mark.parametrize(
    "table",
    [
        f"name,time\nc.jpg,{T2}\na.jpg,{T0}\nb.jpg,{T1}\n",
        f"a.jpg;{T0}\r\nb.jpg;{T1}\r\nc.jpg;{T2}\r\n",
        f"{T0}\ta.jpg\n{T1}\tb.jpg\n{T2}\tc.jpg\n",
        f'# by hand\n"a.jpg" , "{T0}"\n\n"b.jpg","{T1}"\n"c.jpg","{T2}"',
        "SourceFile,Model,DateTimeOriginal\n./x/a.jpg,D5,2018:11:16 18:14:08\n"
        "./x/b.jpg,D5,2018:11:16 18:14:09\n./x/c.jpg,D5,2018:11:16 18:14:10\n",
        "Date;Time;File\n2018-11-16;18:14:08;a.jpg\n2018-11-16;18:14:09;b.jpg\n"
        "2018-11-16;18:14:10;c.jpg\n",
        "no,what,when\n1,a.jpg,2018-11-16 18:14:08\n2,b.jpg,2018-11-16 18:14:09\n"
        "3,c.jpg,2018-11-16 18:14:10",
        "file|mission time\nA|T+0 s\nB|T+1 s\nC|T+00:00:02\n",
        "a.jpg,1542392048\nb.jpg,1542392049.0\nc.jpg,1542392050000\n",
        "a.jpg,20181116T181408Z\nb.jpg,20181116_181409\nc.jpg,2018-11-16T19:14:10+01:00\n",
        codecs.BOM_UTF8 + f"name,time\na.jpg,{T0}\nb.jpg,{T1}\nc.jpg,{T2}\n".encode(),
        f"name\ttime\na.jpg\t{T0}\nb.jpg\t{T1}\nc.jpg\t{T2}\n".encode("utf-16"),
    ],
)
def test_tables_of_every_hand(tmp_path: Path, table: str | bytes) -> None:
    found = timed(stills(tmp_path), table)
    assert [still.name for still in found.stills] == ["a.jpg", "b.jpg", "c.jpg"]
    assert seconds(found) == [0, 1, 2]
    assert found.order is TimeSource.TABLE
    assert found.as_json()["order"] == "csv"
    assert not warned(found, "shots.csv")


def test_a_table_beats_what_the_stills_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2012:01:01 00:00:00"
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    found = timed(tmp_path, f"a.jpg,{T0}\n")
    assert found.first == EPOCH
    aside = scan(tmp_path, Clocks(table=read_table(tmp_path / "shots.csv"), only=TimeSource.EXIF))
    assert aside.first.iso() == "2012-01-01T00:00:00Z"
    assert warned(aside, "roll.times is not used: times come from EXIF")


def test_what_is_wrong_with_a_table_is_told_by_line(tmp_path: Path) -> None:
    found = timed(
        stills(tmp_path, "a.jpg b.jpg c.jpg d.jpg"),
        f"name,time\na.jpg,{T0}\nx.jpg,{T1}\nb.jpg,yesterday\na.jpg,{T2}\n,{T2}\nc.jpg,{T2}\n",
    )
    assert seconds(found) == [0, 2]
    ledger = by_name(found)
    assert ledger["b.jpg"][0] == ledger["d.jpg"][0] == "excluded"
    assert "shots.csv:4: 'yesterday' is not a date and time" in ledger["b.jpg"][1]
    assert "no row of shots.csv has its name" in ledger["d.jpg"][1]
    assert warned(found, "shots.csv:3: no still has the name x.jpg")
    assert warned(found, "shots.csv:4: b.jpg: 'yesterday'")
    assert warned(found, "shots.csv:5: a.jpg stands in line 2 already, which counts")
    assert warned(found, "shots.csv:6: no name in this line")
    assert warned(found, "2 stills without a capture time left out: b.jpg, d.jpg")


def test_much_that_is_wrong_is_told_in_few_lines(tmp_path: Path) -> None:
    rows = "".join(f"x{n}.jpg,{T1}\n" for n in range(50))
    found = timed(stills(tmp_path, "a.jpg"), f"a.jpg,{T0}\n{rows}")
    assert sum("shots.csv" in warning for warning in found.warnings) == 6
    assert warned(found, "shots.csv: 45 more lines")


def test_paths_tell_stills_of_one_name_apart(tmp_path: Path) -> None:
    stills(tmp_path / "card1", "a.jpg b.jpg")
    stills(tmp_path / "card2", "a.jpg")
    path = tmp_path / "shots.csv"
    path.write_text(f"card1\\a.jpg,{T0}\n/old/place/card2/A.JPG,{T1}\nb,{T2}\n")
    table = read_table(path)
    found = scan(f"{tmp_path}/**/*.jpg", Clocks(table=table))
    times = {"/".join(Path(s.file.path).parts[-2:]): s.captured - EPOCH for s in found.stills}
    assert times == {"card1/a.jpg": 0, "card1/b.jpg": 2}  # where the second is is not known
    assert warned(found, "shots.csv:2: no still has the name /old/place/card2/A.JPG")
    path.write_text(f"a,{T0}\nb,{T2}\n")
    found = scan(f"{tmp_path}/**/*.jpg", Clocks(table=read_table(path)))
    assert warned(found, "shots.csv:1: 2 files fit a")


def test_times_without_a_zone_are_in_the_stated_one(tmp_path: Path) -> None:
    table = f"a.jpg,2018-11-16 19:14:08\nb.jpg,{T1}\n"
    found = timed(stills(tmp_path, "a.jpg b.jpg"), table)
    assert warned(found, "carry no UTC offset")
    found = timed(tmp_path, table, Zone.read("Europe/Berlin"))
    assert seconds(found) == [0, 1]
    assert not found.warnings
    only_utc = timed(tmp_path, f"a.jpg,{T0}\nb.jpg,{T1}\n", Zone.read("Europe/Berlin"))
    assert warned(only_utc, "roll.utc_offset is not used: every still states its own")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "no line holds a name and a time"),
        (b"a.jpg,b.jpg\n", "no line holds a name and a time"),
        (b"\xff\xff,1\n", "UTF-8"),
        (b'"' + b"x" * 200_000 + b"\n", r"not a table|no line holds"),
        (b"a.jpg,T+1 s\n", r"mission times need mission\.epoch"),
    ],
)
def test_what_is_no_table_is_an_error(tmp_path: Path, table: bytes, message: str) -> None:
    (tmp_path / "shots.csv").write_bytes(table)
    with pytest.raises(RollError, match=rf"shots\.csv.*{message}"):
        read_table(tmp_path / "shots.csv")


def test_a_project_names_its_table_and_its_epoch(tmp_path: Path) -> None:
    stills(tmp_path / "frames", "a.jpg b.jpg")
    (tmp_path / "shots.csv").write_text("a.jpg,T-00:00:03\nb.jpg,T+0.5 s\n")
    (tmp_path / "p.yaml").write_text(
        "roll: {stills: frames, times: shots.csv}\nmission: {epoch: 2018-11-16T18:14:08Z}\n"
        "schedule: {speed: 8}\n"
    )
    assert seconds(load(tmp_path / "p.yaml").scan()) == [-3, Fraction(1, 2)]


names = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(
    st.dictionaries(
        names.map(str.casefold),
        st.fractions(0, 4 * 10**9, max_denominator=10**6),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[str, Fraction],
    delimiter: str,
    quoting: int,
) -> None:
    rows = {
        f"x{name.strip('#')}.jpg": time for name, time in rows.items() if set(name) - set("/\\#")
    }
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)
    writer.writerow(["name", "time"])
    writer.writerow(["first.jpg", T0])
    for name, time in rows.items():
        writer.writerow([name, str(CaptureTime(time))])
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    table = read_table(path)
    assert table.problems == ()
    for name, time in rows.items():
        row = table.find(File(f"/some/folder/{name}", 1, 0))
        assert row is not None
        assert row.shown is not None
        assert row.shown.local - (row.shown.zone or Seconds(0)) == CaptureTime(time)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader_of_times(text: str) -> None:
    shown = read_time(text, EPOCH)
    assert shown is None or isinstance(shown.local, CaptureTime)
