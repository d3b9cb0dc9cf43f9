"""What the names of files say: a time, or the number that a camera counted."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import EPOCH
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_ingest import by_name, seconds, warned

from timelapse.errors import TimeError
from timelapse.ingest import Clocks, NamePattern, TimeSource, scan
from timelapse.ingest.names import name_time
from timelapse.times import CaptureTime


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("IMG_20181116_181408.jpg", EPOCH),
        ("2018-11-16 18.14.08.jpg", EPOCH),
        ("PXL_20181116_181408250.jpg", EPOCH + Fraction(1, 4)),
        ("StationA__2018-11-16__18-14-08(1).jpg", EPOCH),
        ("2018-11-16T18-14-08.5_iss.jpg", EPOCH + Fraction(1, 2)),
        ("2018_11_16_181408.jpg", EPOCH),
        ("cam20181116181408_7.jpg", EPOCH),
        ("20181116T181408Z.jpg", EPOCH),
        ("20181116T191408+0100.jpg", EPOCH),
        ("2018-11-16T13.14.08.250-05.00.jpg", EPOCH + Fraction(1, 4)),
        ("Screen Shot 2018-11-16 at 18.14.08 (2).jpg", EPOCH),
        ("20181116_181408-0100.jpg", EPOCH),  # a counter, not a zone
        ("20181116T181408-0099.jpg", EPOCH),
        ("iss057e012345_20181116_181408.jpg", EPOCH),
        ("frame-1542392048.jpg", EPOCH),
        ("1542392048250.jpg", EPOCH + Fraction(1, 4)),
    ],
)
def test_times_in_names(tmp_path: Path, name: str, time: CaptureTime) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / name)
    found = scan(tmp_path)
    assert (found.order, found.first) == (TimeSource.FILENAME, time)


@pytest.mark.parametrize(
    "name",
    [
        "iss057e012345.jpg",
        "ISS057-E-1542392048.jpg",
        "STS135-E-1234567890.jpg",
        "20181116.jpg",
        "20181340_181408.jpg",
        "20181116_251408.jpg",
        "0000000012.jpg",
        "9999999999.jpg",
        "15423920480.jpg",
        "154239204.jpg",
    ],
)
def test_numbers_that_are_no_times(name: str) -> None:
    assert name_time(name) is None


@given(st.datetimes(), st.integers(-56, 56), st.sampled_from([0, 3]))
def test_iso_times_in_names(when: datetime, quarters: int, digits: int) -> None:
    if not 1900 <= when.year < 2100:
        when = when.replace(year=2000 + when.year % 100, day=min(28, when.day))
    hours, minutes = divmod(abs(quarters) * 15, 60)
    zone = f"{'-' if quarters < 0 else '+'}{hours:02d}{minutes:02d}"
    millis = f"{when.microsecond // 1000:03d}" if digits else ""
    for written in ("%Y%m%dT%H%M%S", "%Y-%m-%dT%H-%M-%S", "%Y-%m-%dT%H:%M:%S"):
        shown = name_time(f"x_{when.strftime(written)}{'.' * bool(millis)}{millis}{zone}.jpg")
        assert shown is not None
        assert (shown.zone, shown.digits) == (quarters * 900, millis)
        exact = int(when.replace(microsecond=0, tzinfo=UTC).timestamp()) + Fraction(
            int(millis or 0), 1000
        )
        assert shown.local == CaptureTime(exact)


def test_the_future_is_no_epoch_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_542_392_048.0 - 86_400)
    assert name_time("1542392048.jpg") is not None
    monkeypatch.setattr("time.time", lambda: 1_542_392_048.0 - 3 * 86_400)
    assert name_time("1542392048.jpg") is None


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("%Y%m%d-%H%M%S", "cam3 20181116-181408 x.jpg"),
        ("%d.%m.%y %I.%M.%S %p", "16.11.18 06.14.08 pm.jpg"),
        ("%Y+%j_%H%M%S", "2018+320_181408.jpg"),
        ("%d%b%Y_%H%M%S%z", "16Nov2018_191408+0100.jpg"),
        ("[%Y%m%d] 100%% %H%M%S.%f", "[20181116] 100% 181408.000.jpg"),
        ("%Y%m%d-%H%M%S", "20181399-181408 20181116-181408.jpg"),
    ],
)
def test_patterns_of_ones_own(pattern: str, name: str) -> None:
    shown = NamePattern.read(pattern).find(name)
    assert shown is not None
    assert shown.local - (shown.zone or 0) == EPOCH


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%Y%m%d-%Q", "%Q is not known here; known are %Y"),
        ("%Y%m%d", "no word for an hour: %H or %I"),
        ("%m%d%H", "no word for a year: %Y or %y"),
        ("%Y%m%d%I", "%I and %p belong together"),
        ("%Y%Y%m%d%H", "%Y stands in it twice"),
        ("%Y%m%d%H%", "% is not known here"),
    ],
)
def test_patterns_that_are_none(pattern: str, message: str) -> None:
    with pytest.raises(TimeError, match=re.escape(message)):
        NamePattern.read(pattern)


def test_a_pattern_is_all_that_names_are_read_by(tmp_path: Path) -> None:
    for number, name in enumerate(
        ["a16112018 181408.jpg", "b16112018 181409.jpg", "20181116_181408.jpg"]
    ):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / name)
    found = scan(tmp_path, Clocks(name_time=NamePattern.read("%d%m%Y %H%M%S")))
    assert (found.order, seconds(found)) == (TimeSource.FILENAME, [0, 1])
    assert warned(found, "2 of 3 file names hold a time; roll.name_time says how")
    assert by_name(found)["20181116_181408.jpg"][0] == "excluded"
    shutil.copy(tmp_path / "a16112018 181408.jpg", tmp_path / "a16112018 181408 (1).jpg")
    again = scan(tmp_path, Clocks(name_time=NamePattern.read("%d%m%Y %H%M%S")))
    assert by_name(again)["a16112018 181408 (1).jpg"][0] == "duplicate"
    other = scan(tmp_path, Clocks(name_time=NamePattern.read("%d-%m-%Y %H%M%S")))
    assert other.order is TimeSource.MTIME
    assert warned(other, "no file name is written as '%d-%m-%Y %H%M%S'")


@given(st.text(max_size=60))
def test_no_name_breaks_the_reader(name: str) -> None:
    shown = name_time(name)
    assert shown is None or shown.local.iso()


@given(
    st.lists(st.sampled_from([*"YmdHMSIpyfjbBz%", "-", "(", "[a", "\\", " "])), st.text(max_size=30)
)
def test_no_pattern_breaks_the_reader(words: list[str], name: str) -> None:
    text = "".join(word if len(word) > 1 or not word.isalpha() else f"%{word}" for word in words)
    try:
        pattern = NamePattern.read(text + "%%")
    except TimeError:
        return
    pattern.find(name)


def test_a_counter_goes_on_after_9999(tmp_path: Path) -> None:
    for number in (9997, 9999, 1, 3):
        Image.new("RGB", (64, 48), (number % 251, 0, 0)).save(tmp_path / f"DSC_{number:04d}.JPG")
    found = scan(tmp_path, Clocks(interval=Fraction(2), start=EPOCH))
    assert [still.name[4:8] for still in found.stills] == ["9997", "9999", "0001", "0003"]
    assert seconds(found) == [0, 4, 6, 10]
    assert warned(found, "counter starts again: DSC_0001.JPG is taken to follow DSC_9999.JPG")


@pytest.mark.parametrize(
    "name", ["frame_{:04d}.png", "ISS057-E-{:04d}.png", "{}.png", "2018{:04d}.png"]
)
def test_other_numbers_do_not_start_again(tmp_path: Path, name: str) -> None:
    for number in (1, 2, 9999):
        Image.new("RGB", (64, 48), (number % 251, 0, 0)).save(tmp_path / name.format(number))
    found = scan(tmp_path, Clocks(interval=Fraction(1), start=EPOCH))
    assert seconds(found) == [0, 1, 9998]
    assert not found.warnings or not warned(found, "starts again")


def test_a_burst_across_9999_keeps_its_order(tmp_path: Path) -> None:
    for number in (9998, 9999, 1, 2):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = "2018:11:16 18:14:08"
        pixels = Image.new("RGB", (64, 48), (number % 251, 0, 0))
        pixels.save(tmp_path / f"_DSC{number:04d}.JPG", exif=exif)
    found = scan(tmp_path)
    assert [still.name[4:8] for still in found.stills] == ["9998", "9999", "0001", "0002"]
    assert seconds(found) == [0, Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]


def test_names_of_copies_keep_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"DSC_{number:04d} (1).png")
    assert seconds(scan(tmp_path, Clocks(interval=Fraction(2), start=EPOCH))) == [0, 2, 6]


def test_a_stated_interval_leaves_room_for_what_is_missing(tmp_path: Path) -> None:
    for number in (1, 2, 4, 5, 7):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"frame_{number:04d}.png")
    (tmp_path / "frame_0005.png").write_bytes(b"")
    found = scan(tmp_path, Clocks(interval=Fraction(2), start=EPOCH))
    assert found.order is TimeSource.INTERVAL
    assert seconds(found) == [0, 2, 6, 12]


def test_numbers_hold_beside_strangers_and_raw_twins(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        Image.new("RGB", (64, 48)).save(tmp_path / f"DSC_{number}.png")
        (tmp_path / f"DSC_{number}.tif").write_bytes(b"II*\0\x10\0\0\0CR\2\0")
    (tmp_path / "cover.jpg").write_bytes(b"")
    clocks = Clocks(interval=Fraction(2), start=EPOCH)
    assert seconds(scan(tmp_path, clocks)) == [0, 2, 6]
