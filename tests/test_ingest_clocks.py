"""Clocks that drift, zones that change, GPS that disagrees: what is believed, and what is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_ingest import by_name, seconds, warned

from timelapse.errors import ProjectError, TimeError
from timelapse.ingest import ClockPoint, Clocks, Roll, Zone, scan
from timelapse.ingest.clocks import Corrections, Written
from timelapse.ingest.shown import Shown
from timelapse.ingest.zones import settled
from timelapse.project import load
from timelapse.times import CaptureTime, Seconds

MakeRoll = Callable[..., GrayRoll]
BERLIN = Zone.read("Europe/Berlin")


def write_with(
    path: Path,
    shown: str,
    *,
    offset: str = "",
    gps: tuple[str, tuple[int, int, int]] | None = None,
    model: str = "NIKON D5",
) -> None:
    """A JPEG whose clock showed `shown`, in no two files the same picture."""
    exif = Image.Exif()
    exif[0x0110] = model
    inner = exif.get_ifd(0x8769)
    inner[0x9003] = shown
    if offset:
        inner[0x9011] = offset
    if gps:
        fix = exif.get_ifd(0x8825)
        fix[0x001D], fix[0x0007] = gps
    level = sum(path.name.encode()) % 256
    Image.new("RGB", (64, 48), (level, 0, 0)).save(path, exif=exif)


def utc(roll: Roll) -> dict[str, str]:
    return {still.name: still.captured.iso() for still in roll.stills}


# ------------------------------------------------------------------ corrections


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=6, unique=True),
    st.lists(st.fractions(-9, 9, max_denominator=1000), min_size=6, max_size=6),
    st.lists(st.integers(-(10**6), 2 * 10**6), min_size=2, max_size=20),
)
def test_a_drifting_clock_runs_forward_through_its_points(
    places: list[int], offs: list[Fraction], asked: list[int]
) -> None:
    points = sorted((20 * at, off) for at, off in zip(places, offs, strict=False))
    known = [ClockPoint(Shown(EPOCH + at), Seconds(off)) for at, off in reversed(points)]
    corrections = Corrections(Clocks({"*": known}), [])

    def corrected(at: int) -> Fraction:
        return at + corrections.at(Written("", "", EPOCH + at))

    for at, off in points:
        assert corrected(at) == at + off
    times = sorted({*asked, *(at for at, _ in points)})
    moved = [corrected(at) for at in times]
    assert moved == sorted(set(moved))
    (a, first), (b, second) = points[:2]
    middle = corrections.at(Written("", "", EPOCH + Fraction(a + b, 2)))
    assert middle == (first + second) / 2
    ahead = corrections.at(Written("", "", EPOCH + (2 * a - b)))
    assert ahead == first - (second - first)


@pytest.mark.parametrize("off", ["-10 s", "-11 s"])
def test_a_clock_that_would_run_backward_is_refused(gray_roll: MakeRoll, off: str) -> None:
    roll = gray_roll([0, 1])
    (roll.folder / "p.yaml").write_text(
        "roll:\n  stills: '*.png'\n  clock:\n    NIKON D5:\n"
        "    - {at: 2018-11-16T18:14:08, off: 0 s}\n"
        f"    - {{at: '2018-11-16 18:14:18', off: {off}}}\n"
        "schedule: {speed: 8}\n"
    )
    with pytest.raises(ProjectError, match=r"p\.yaml:4:5.*NIKON D5.*18:14:08Z.*18:14:18Z"):
        load(roll.folder / "p.yaml").scan()


def test_a_still_whose_instant_is_known_sets_the_clock_of_its_camera(tmp_path: Path) -> None:
    gray = np.zeros((48, 64, 3), np.uint8)
    for second in range(3):
        write_still(tmp_path / f"a{second}.jpg", gray + second, EPOCH + second, model="NIKON D5")
        write_still(tmp_path / f"b{second}.jpg", gray + second, EPOCH + second, model="NIKON D4")
    (tmp_path / "p.yaml").write_text(
        "roll: {stills: '*.jpg', clock: {a1: 2018-11-16T18:14:19.5Z, 'b*': 1/3}}\n"
        "schedule: {speed: 8}\n"
    )
    project = load(tmp_path / "p.yaml")
    by_camera = {still.name: still.captured - EPOCH for still in project.scan().stills}
    assert by_camera == {
        **{f"a{n}.jpg": n + Fraction(21, 2) for n in range(3)},
        **{f"b{n}.jpg": n + Fraction(1, 3) for n in range(3)},
    }


def test_two_known_stills_are_a_drift(tmp_path: Path) -> None:
    for second in (0, 10, 20, 40):
        write_still(tmp_path / f"a{second}.png", np.zeros((4, 4, 3), np.uint8), EPOCH + second)
    clocks = Clocks({"a0": EPOCH + 5, "A10.png": EPOCH + 16})
    assert seconds(scan(tmp_path, clocks)) == [5, 16, 27, 49]


def test_a_known_still_dates_a_roll_without_times(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"f_{number}.png")
    found = scan(tmp_path, Clocks({"f_2": EPOCH}, interval=Fraction(3)))
    assert (seconds(found), found.dated) == ([-6, -3, 0, 3], True)
    assert not warned(found, "roll.clock")
    measured = scan(tmp_path, Clocks({"f_0": EPOCH, "f_3": EPOCH + 10}, interval=Fraction(3)))
    assert seconds(measured) == [0, Fraction(10, 3), Fraction(20, 3), 10]


def test_a_known_still_has_to_be_there_and_alone(gray_roll: MakeRoll) -> None:
    folder = gray_roll([0, 1]).folder
    with pytest.raises(TimeError, match=r"no still has the name 'ISS057-E-999'.*did you mean"):
        scan(folder, Clocks({"ISS057-E-999": EPOCH}))
    both = Clocks({"ISS057-E-9990": EPOCH, "NIKON D5": Fraction(1)})
    with pytest.raises(TimeError, match=r"NIKON D5 has a correction .* leave one of them out"):
        scan(folder, both)
    with pytest.raises(TimeError, match="the list of points is empty"):
        scan(folder, Clocks({"NIKON D5": []}))


def test_points_without_a_zone_are_in_the_cameras_own(tmp_path: Path) -> None:
    write_with(tmp_path / "a.jpg", "2018:11:16 19:14:08")
    point = ClockPoint(Shown.read("2018-11-16 19:14:08"), Seconds(-2))
    later = ClockPoint(Shown.read("2018-11-16T18:14:18Z"), Seconds(-1))
    for zone in (BERLIN, Seconds(3600), Zone.read("+01:00")):
        assert seconds(scan(tmp_path, Clocks({"*": [point, later]}, zone))) == [-2]


# ------------------------------------------------------------------ zones


def test_a_place_has_summer_and_winter(tmp_path: Path) -> None:
    write_with(tmp_path / "a.jpg", "2018:07:01 12:00:00")
    write_with(tmp_path / "b.jpg", "2018:11:16 12:00:00")
    write_with(tmp_path / "c.jpg", "2018:11:16 12:00:00", offset="-05:00")
    found = scan(tmp_path, Clocks(zone=BERLIN))
    assert utc(found) == {
        "a.jpg": "2018-07-01T10:00:00Z",
        "b.jpg": "2018-11-16T11:00:00Z",
        "c.jpg": "2018-11-16T17:00:00Z",
    }
    assert not warned(found, "Europe/Berlin")


@pytest.mark.parametrize("text", ["Europe/Berln", "+2", "../etc/passwd", "", "+99:00"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(TimeError, match=r"Europe/Berlin|\+02:00"):
        Zone.read(text)


@pytest.mark.parametrize("text", ["Z", "+02:00", "-05:30", "Europe/Berlin"])
def test_zones_are_written_as_they_are_read(text: str) -> None:
    assert str(Zone.read(text)) == text


def by_wall_clock(place: str, times: Sequence[datetime]) -> list[Shown]:
    zone = ZoneInfo(place)
    shown = [time.astimezone(zone).replace(tzinfo=None, fold=0) for time in times]
    return [Shown.read(time.isoformat(" ")) for time in shown]


@cache
def changes(place: str, year: int) -> list[datetime]:
    """The hours of a year, to within an hour, before which the clocks of a place were changed."""

    def offset(hour: int) -> timedelta | None:
        return (first + timedelta(hours=hour)).astimezone(ZoneInfo(place)).utcoffset()

    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [24 * day for day in range(365) if offset(24 * day) != offset(24 * day + 24)]
    hours = [h for day in days for h in range(day, day + 24) if offset(h) != offset(h + 1)]
    return [first + timedelta(hours=h) for h in hours]


@settings(deadline=None)
@given(
    place=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    year=st.integers(2008, 2026),
    minutes=st.integers(1, 20),
    data=st.data(),
)
def test_a_clock_that_follows_its_place_is_read_exactly(
    place: str, year: int, minutes: int, data: st.DataObject
) -> None:
    """Hours of an even roll round each change of the year, wherever they begin: before it, in the
    hour that comes twice, or in its second pass."""
    change = data.draw(st.sampled_from(changes(place, year)))
    early = data.draw(st.integers(-25, 200))
    start = change + timedelta(hours=1, minutes=-early, seconds=data.draw(st.integers(0, 59)))
    times = [start + timedelta(minutes=minutes * n) for n in range((early + 200) // minutes)]
    readings = settled(by_wall_clock(place, times), Zone.read(place))
    assert [r.time for r in readings] == [CaptureTime(Fraction(t.timestamp())) for t in times]


def wall(folder: Path, times: Sequence[str], day: str) -> Roll:
    for number, time in enumerate(times):
        write_with(folder / f"DSC_{number:04d}.JPG", f"{day} {time}")
    return scan(folder, Clocks(zone=BERLIN))


def test_an_hour_that_came_twice_is_told_apart_by_the_counter(tmp_path: Path) -> None:
    shown = ["01:50:00", "02:10:00", "02:50:00", "02:05:00", "02:40:00", "03:00:00"]
    found = wall(tmp_path, shown, "2018:10:28")
    minutes = [(still.captured - found.first) / 60 for still in found.stills]
    assert minutes == [0, 20, 60, 75, 110, 130]
    assert [still.name[7] for still in found.stills] == list("012345")
    reason = by_name(found)["DSC_0003.JPG"][1]
    assert "2018-10-28T02:05 came twice in Europe/Berlin: read as +01:00" in reason
    assert warned(found, "4 stills show an hour that came twice", "roll.utc_offset")


def test_a_clock_that_was_put_back_in_the_middle_runs_forward(tmp_path: Path) -> None:
    found = wall(tmp_path, ["02:00:00", "02:50:00", "02:45:00"], "2018:10:28")
    assert [(still.captured - found.first) / 60 for still in found.stills] == [0, 50, 105]


def test_a_clock_that_was_not_put_forward_keeps_its_time(tmp_path: Path) -> None:
    shown = ["01:40:00", "02:00:00", "02:40:00", "03:20:00", "12:00:00"]
    found = wall(tmp_path, shown, "2019:03:31")
    assert list(utc(found).values()) == [
        f"2019-03-31T{time}Z"
        for time in ("00:40:00", "01:00:00", "01:40:00", "02:20:00", "11:00:00")
    ]
    assert "did not exist" in by_name(found)["DSC_0001.JPG"][1]
    assert "not put forward: read as +01:00" in by_name(found)["DSC_0004.JPG"][1]
    assert warned(found, "not put forward by Europe/Berlin: 4 stills")


# ------------------------------------------------------------------ GPS


def gps_roll(folder: Path, clock_off: int, *, zone: str = "", count: int = 4) -> Path:
    """Stills every 10 s whose clock, in UTC or with a zone, is so many seconds fast."""
    for number in range(count):
        true = datetime(2018, 11, 16, 18, 14, 8 + 10 * number, tzinfo=UTC)
        shown = true + timedelta(seconds=clock_off)
        write_with(
            folder / f"a{number}.jpg",
            shown.strftime("%Y:%m:%d %H:%M:%S"),
            offset=zone,
            gps=(true.strftime("%Y:%m:%d"), (true.hour, true.minute, true.second)),
        )
    return folder


@pytest.mark.parametrize("ending", [".jpg", ".tif", ".png", ".webp"])
def test_gps_is_read_from_every_format(tmp_path: Path, ending: str) -> None:
    gps_roll(tmp_path, 3600, count=2)
    for path in list(tmp_path.glob("*.jpg")):
        with Image.open(path) as picture:
            picture.save(path.with_suffix(ending), exif=picture.getexif().tobytes())
    found = scan(f"{tmp_path}/*{ending}")
    assert warned(found, "GPS differs from EXIF by -1 h in all stills", "utc_offset: +01:00")


@pytest.mark.parametrize("hours", [-5, 2, Fraction(23, 4)])
def test_gps_that_is_off_by_a_zone_says_which(tmp_path: Path, hours: Fraction) -> None:
    gps_roll(tmp_path, int(hours * 3600))
    found = scan(tmp_path)
    assert seconds(found) == [hours * 3600 + 10 * n for n in range(4)]  # nothing was moved
    sign, minutes = "-" if hours < 0 else "+", int(abs(hours) * 60)
    offset = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert warned(found, f"roll.utc_offset: {offset} would put that right")
    assert "GPS says 2018-11-16T18:14:08Z; EXIF was believed" in by_name(found)["a0.jpg"][1]
    wrong = scan(tmp_path, Clocks(zone=Zone.read("+01:00")))
    assert warned(wrong, f"roll.utc_offset: {offset} would put that right")
    at_a_place = scan(tmp_path, Clocks(zone=Zone.read("Asia/Tokyo")))
    assert warned(at_a_place, f"adding {32_400 - int(hours * 3600):+d} s to roll.clock")
    right = scan(tmp_path, Clocks(zone=Zone.read(offset)))
    assert seconds(right) == [10 * n for n in range(4)]
    assert right.warnings == ()
    assert by_name(right)["a0.jpg"] == ("used", "")


def test_gps_that_is_off_by_seconds_says_which_clock(tmp_path: Path) -> None:
    found = scan(gps_roll(tmp_path, 13, zone="+00:00"))
    assert warned(found, "adding -13 s to roll.clock would put that right")
    assert all(reason == "" for _, reason in by_name(found).values())  # less than a minute
    clocks = Clocks({"*": Fraction(-13)})
    assert scan(tmp_path, clocks).warnings == ()


def test_gps_that_is_off_by_more_than_any_zone_is_a_clock(tmp_path: Path) -> None:
    found = scan(gps_roll(tmp_path, -79_200))
    assert warned(found, "GPS differs from EXIF by +22 h", "adding +79200 s to roll.clock")


def test_a_real_camera_that_was_92_seconds_and_22_hours_off(shared: Path) -> None:
    found = scan(f"{shared}/weird/exif-samples/jpg__gps__*.jpg")
    assert warned(found, "by +21 h 58 min in all stills", "adding +79108 s to roll.clock")
    right = scan(f"{shared}/weird/exif-samples/jpg__gps__*.jpg", Clocks({"*": Fraction(79_108)}))
    assert not warned(right, "GPS")


def test_a_stated_zone_that_is_wrong_is_put_right_by_the_clock(tmp_path: Path) -> None:
    found = scan(gps_roll(tmp_path, 7200, zone="+01:00"))
    assert warned(found, "GPS differs", "adding -3600 s to roll.clock")


def test_one_old_fix_is_a_note_and_no_advice(tmp_path: Path) -> None:
    gps_roll(tmp_path, 0, zone="+00:00")
    write_with(tmp_path / "z.jpg", "2018:11:16 18:20:00", offset="+00:00",
               gps=("2018:11:16", (18, 2, 0)))  # fmt: skip
    found = scan(tmp_path)
    assert warned(found, "GPS says another time than EXIF", "in 1 of 5 stills")
    assert not warned(found, "put that right")
    assert "a fix may be old" in by_name(found)["z.jpg"][1]


@pytest.mark.parametrize(
    "gps", [("2018:13:40", (1, 2, 3)), ("", (1, 2, 3)), ("2018:11:16", (77, 0, 0))]
)
def test_a_fix_that_is_no_time_is_none(
    tmp_path: Path, gps: tuple[str, tuple[int, int, int]]
) -> None:
    write_with(tmp_path / "a.jpg", "2018:11:16 18:14:08", offset="+00:00", gps=gps)
    found = scan(tmp_path)
    assert (seconds(found), found.warnings) == ([0], ())


# ------------------------------------------------------------------ names and numbers that disagree


def test_exif_is_believed_over_a_name(tmp_path: Path) -> None:
    write_with(tmp_path / "IMG_20181116_191408.jpg", "2018:11:16 18:14:08")
    write_with(tmp_path / "IMG_20181116_191508.jpg", "2018:11:16 18:15:08")
    write_with(tmp_path / "IMG_20181116_181630.jpg", "2018:11:16 18:16:08")
    found = scan(tmp_path)
    assert seconds(found) == [0, 60, 120]
    status, reason = by_name(found)["IMG_20181116_191408.jpg"]
    assert (status, "its name says 2018-11-16T19:14:08; EXIF was believed" in reason) == (
        "used",
        True,
    )
    assert by_name(found)["IMG_20181116_181630.jpg"] == ("used", "")
    assert warned(found, "another time in the name", "by +1 h throughout", "(2 of 3 stills)")


def test_names_in_utc_agree_with_a_clock_whose_zone_is_stated(tmp_path: Path) -> None:
    write_with(tmp_path / "20181116T181408Z.jpg", "2018:11:16 19:14:08")
    assert not warned(scan(tmp_path, Clocks(zone=BERLIN)), "names")
    assert warned(scan(tmp_path), "another time in the name than by EXIF")


def test_capture_time_is_believed_over_the_counter(gray_roll: MakeRoll) -> None:
    roll = gray_roll([0, 10, 20, -4200, 40, 50])
    found = scan(roll.folder)
    assert seconds(found) == sorted(roll.times)
    reason = by_name(found)["ISS057-E-9993.png"][1]
    before = "taken 1 h 10 min before ISS057-E-9992.png, whose number is lower"
    assert reason == f"{before}; capture time was believed"
    assert warned(
        found, "backward against the numbers", "ISS057-E-9993.png after ISS057-E-9992.png"
    )


def test_numbers_that_say_nothing_are_said_once(gray_roll: MakeRoll) -> None:
    found = scan(gray_roll([3, 1, 5, 2, 4, 0]).folder)
    assert all(reason == "" for _, reason in by_name(found).values())
    assert warned(found, "against capture time in 3 of 5 places")


def test_a_counter_that_starts_again_does_not_run_backward(tmp_path: Path) -> None:
    for second, number in enumerate([9998, 9999, 1, 2]):
        write_with(tmp_path / f"DSC_{number:04d}.JPG", f"2018:11:16 18:14:{8 + second:02d}")
    assert not warned(scan(tmp_path), "numbers")
