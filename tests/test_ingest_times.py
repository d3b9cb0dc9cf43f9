"""Every still stands at the time it was taken, alone; what had no effect is said."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_ingest import by_name, seconds, warned

from timelapse.errors import TimeError
from timelapse.ingest import Clocks, File, TimeSource, scan
from timelapse.ingest.exif import Exif, Header
from timelapse.ingest.timing import Timed, spread
from timelapse.times import Seconds

MakeRoll = Callable[..., GrayRoll]


# ------------------------------------------------------------------ capture times


def test_names_do_not_decide_the_order(tmp_path: Path) -> None:
    order = [3, 1, 4, 0, 2]
    for number, second in enumerate(order):
        write_still(tmp_path / f"{number}.jpg", np.zeros((48, 64, 3), np.uint8), EPOCH + second)
    assert [still.name for still in scan(tmp_path).stills] == [
        f"{order.index(second)}.jpg" for second in range(5)
    ]


def test_clocks_are_corrected_by_camera_and_by_name(tmp_path: Path) -> None:
    gray = np.zeros((48, 64, 3), np.uint8)
    write_still(tmp_path / "a.jpg", gray, EPOCH + 13, model="NIKON D5")
    write_still(tmp_path / "b.jpg", gray, EPOCH + 1, model="NIKON D4")
    write_still(tmp_path / "c.jpg", gray, EPOCH + 2, model="NIKON D4")
    clocks = Clocks({"NIKON D5": Fraction(-13), "c*": Fraction(1, 2)})
    assert seconds(scan(tmp_path, clocks)) == [0, 1, Fraction(5, 2)]
    everything = Clocks({"*": Fraction(-13)}, zone=Seconds(3600))
    assert min(seconds(scan(tmp_path, everything))) == 1 - 13 - 3600


def test_an_offset_in_the_still_beats_the_stated_one(tmp_path: Path) -> None:
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x9011], inner[0x9010] = "2018:11:16 20:14:08", "+02:00", "+09:00"
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    assert scan(tmp_path, Clocks(zone=Seconds(-3600))).first == EPOCH


def test_the_day_of_the_resave_is_not_believed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2019:01:02 03:04:05"
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    found = scan(tmp_path)
    assert found.order is TimeSource.MTIME
    assert any("modification times" in warning for warning in found.warnings)


def test_equal_stills_of_a_dark_scene_are_not_copies(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (64, 48)).save(tmp_path / f"frame_{number}.png")
    assert len(scan(tmp_path, Clocks(interval=Fraction(1))).stills) == 4


def test_an_interval_is_needed_where_it_is_asked_for(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    with pytest.raises(TimeError, match=r"roll\.interval"):
        scan(tmp_path, Clocks(only=TimeSource.INTERVAL))


def test_stills_of_one_second_are_spread_over_it(tmp_path: Path) -> None:
    for number in range(9, 12):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = "2018:11:16 18:14:08"
        pixels = Image.new("RGB", (64, 48), (number * 9, 0, 0))
        pixels.save(tmp_path / f"DSC_{number}.jpg", exif=exif)
    found = scan(tmp_path)
    assert [still.name for still in found.stills] == ["DSC_9.jpg", "DSC_10.jpg", "DSC_11.jpg"]
    assert seconds(found) == [0, Fraction(1, 3), Fraction(2, 3)]
    assert "2 of 3 in one second" in by_name(found)["DSC_10.jpg"][1]
    assert any("3 stills share a second" in warning for warning in found.warnings)


def test_a_still_without_a_time_among_others_is_left_out_loudly(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n) for n in range(5)], ending=".jpg")
    Image.new("RGB", (64, 48)).save(roll.folder / "ISS057-E-9999.jpg")
    found = scan(roll.folder)
    assert seconds(found) == roll.times
    assert by_name(found)["ISS057-E-9999.jpg"][0] == "excluded"
    assert any("without a capture time" in warning for warning in found.warnings)


@pytest.mark.parametrize("digits", ["00", "50"])
def test_subseconds_that_never_vary_are_none(gray_roll: MakeRoll, digits: str) -> None:
    same = Fraction(int(digits), 100)
    roll = gray_roll([n // 2 + same for n in range(8)], ending=".jpg")
    found = scan(roll.folder)
    assert seconds(found) == [Fraction(n, 2) for n in range(8)]
    assert found.interval == Fraction(1, 2)
    assert warned(found, "8 stills share a second without sub-seconds")
    assert f"never vary were not believed: {digits}" in by_name(found)["ISS057-E-9990.jpg"][1]


def test_subseconds_that_never_vary_stand_where_no_second_is_shared(gray_roll: MakeRoll) -> None:
    roll = gray_roll([n + Fraction(1, 2) for n in range(4)])
    assert seconds(scan(roll.folder)) == roll.times


def test_equal_hundredths_are_spread_over_their_step(gray_roll: MakeRoll) -> None:
    quarter = Fraction(1, 4)
    roll = gray_roll([0, quarter, quarter, quarter + Fraction(1, 100), 1], ending=".jpg")
    found = scan(roll.folder)
    assert seconds(found) == [0, quarter, quarter + Fraction(1, 200), Fraction(26, 100), 1]
    assert "2 of 2 in one step of its clock (0.01 s)" in by_name(found)["ISS057-E-9992.jpg"][1]
    assert warned(found, "2 stills share a step of their clock (0.01 s)")


def test_stills_of_two_cameras_may_coincide(tmp_path: Path) -> None:
    for second in range(3):
        for model in ("NIKON D5", "NIKON D4"):
            pixels = np.full((48, 64, 3), second, np.uint8)
            write_still(tmp_path / f"{model}{second}.jpg", pixels, EPOCH + second, model=model)
    assert seconds(scan(tmp_path)) == [0, 0, 1, 1, 2, 2]


def test_equal_mtimes_are_spread_over_the_step_of_their_clock(tmp_path: Path) -> None:
    for number in range(9):
        path = tmp_path / f"a{number + 5}.png"
        Image.new("RGB", (64, 48), (number, 0, 0)).save(path)
        os.utime(path, (1542392048 + number // 3 * 2,) * 2)
    with zipfile.ZipFile(tmp_path / "roll.zip", "w") as archive:
        for path in tmp_path.glob("*.png"):
            archive.write(path, path.name)
    on_disk = scan(f"{tmp_path}/*.png")
    assert seconds(on_disk) == [2 * (n // 3) + Fraction(n % 3, 3) for n in range(9)]
    assert [still.name for still in on_disk.stills] == [f"a{n + 5}.png" for n in range(9)]
    zipped = scan(tmp_path / "roll.zip")
    steps = {still.captured - zipped.first for still in zipped.stills}
    assert steps == {Fraction(2 * n, 3) for n in range(9)}


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 300), st.integers(0, 2)), max_size=30)
)
def test_no_two_stills_of_a_camera_have_one_instant(written: list[tuple[str, int, int]]) -> None:
    """Whatever clocks of seconds, tenths and hundredths write: each still keeps within the step of
    its clock, and behind those that were before it."""
    timed = []
    for number, (camera, hundredths, digits) in enumerate(written):
        step = Fraction(1, 10**digits)
        time = EPOCH + Fraction(hundredths, 100) // step * step
        header = Header("jpeg", (8, 8), 8, Exif(camera=camera))
        timed.append(Timed(File(f"{number}.jpg", 1, 0), header, time, step=step))
    before = {f.file: f.time for f in timed}
    apart = spread(timed)
    assert len(apart) == len({(f.header.exif.camera, f.time) for f in apart}) == len(timed)
    assert all(0 <= f.time - before[f.file] < f.step for f in apart)
    for camera in "AB":
        ours = sorted((f for f in apart if f.header.exif.camera == camera), key=lambda f: f.time)
        assert [before[f.file] for f in ours] == sorted(before[f.file] for f in ours)


def test_a_time_that_was_never_set_is_warned_of(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n) for n in range(4)], ending=".jpg")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    Image.new("RGB", (64, 48)).save(roll.folder / "unset.jpg", exif=exif)
    found = scan(roll.folder)
    status, reason = by_name(found)["unset.jpg"]
    assert (status, "was not believed" in reason) == ("excluded", True)
    assert warned(found, "1 still without a capture time left out: unset.jpg")


# ------------------------------------------------------------------ what is missing


def test_missing_files_of_a_list_are_unreadable_and_keep_their_places(tmp_path: Path) -> None:
    names = ["ant.png", "bee.png", "cat.png", "dog.png", "eel.png", "fox.png"]
    for name in (names[0], names[2], names[5]):
        Image.new("RGB", (64, 48)).save(tmp_path / name)
    (tmp_path / names[3]).symlink_to(tmp_path / "gone.png")
    (tmp_path / names[4]).write_bytes(b"")
    (tmp_path / "stills.txt").write_text("\n".join([*names, "no\0name.png"]))
    found = scan(tmp_path / "stills.txt", Clocks(interval=Fraction(2), start=EPOCH))
    assert seconds(found) == [0, 4, 10]
    ledger = by_name(found)
    assert ledger[names[1]] == ("unreadable", "missing: there is no such file")
    assert ledger[names[3]] == ("unreadable", "missing: a link to what is not there")
    assert warned(found, "4 stills left out because unreadable: bee.png, dog.png, eel.png, ...")
    assert by_name(scan(tmp_path, Clocks(interval=Fraction(2))))[names[3]][0] == "unreadable"


def test_excluded_pictures_keep_their_places(tmp_path: Path) -> None:
    for number, name in enumerate(["ant.png", "bee.png", "cat.png", "dog.png"]):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / name)
    (tmp_path / "bell.txt").write_text("no picture, no place")
    clocks = Clocks(interval=Fraction(2), start=EPOCH)
    assert seconds(scan(tmp_path, clocks, exclude=["b*"])) == [0, 4, 6]


def test_a_copy_that_cannot_be_read_stands_in_the_ledger(tmp_path: Path) -> None:
    path = write_still(tmp_path / "a.jpg", np.zeros((48, 64, 3), np.uint8), EPOCH)
    with zipfile.ZipFile(tmp_path / "roll.zip", "w") as archive:
        archive.write(path, "a.jpg")
        archive.write(path, "copy.jpg")
    data = bytearray((tmp_path / "roll.zip").read_bytes())
    data[data.rfind(path.read_bytes()) + path.stat().st_size - 6] ^= 1
    (tmp_path / "roll.zip").write_bytes(data)
    status, reason = by_name(scan(tmp_path / "roll.zip"))["roll.zip:copy.jpg"]
    assert status == "unreadable"
    assert "CRC" in reason


# ------------------------------------------------------------------ settings without effect


def test_settings_without_effect_are_warned_of(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n) for n in range(3)], ending=".jpg")
    clocks = Clocks({"NIKON D6": Fraction(1), "DSC*": Fraction(1), "*": Fraction(0)},
                    interval=Fraction(2), start=EPOCH)  # fmt: skip
    found = scan(roll.folder, clocks, exclude=["*_preview.jpg", "*.jpg.bak"])
    assert warned(found, "roll.clock", "'NIKON D6'; did you mean")
    assert warned(found, "roll.clock", "'DSC*'")
    assert warned(found, "roll.exclude: no file fits '*_preview.jpg'")
    assert warned(found, "roll.interval is not used: times come from EXIF")
    assert warned(found, "roll.start is not used")
    assert not warned(found, "utc_offset is not used")

    for number in range(2):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"{number}.png")
    clocks = Clocks({"*": Fraction(5)}, Seconds(3600), Fraction(2), EPOCH)
    found = scan(f"{tmp_path}/*.png", clocks)
    assert warned(found, "roll.clock is not used: times come from roll.interval")
    assert warned(found, "roll.utc_offset is not used")


def test_settings_with_effect_are_not_warned_of(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n) for n in range(3)], ending=".jpg")
    clocks = Clocks({"NIKON D5": Fraction(1), "*": Fraction(0)}, Seconds(3600))
    assert scan(roll.folder, clocks, exclude=["*9991*"]).warnings == ()


def test_an_offset_that_every_still_states_itself_is_not_used(tmp_path: Path) -> None:
    exif = Image.Exif()
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x9011] = "2018:11:16 20:14:08", "+02:00"
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=exif)
    found = scan(tmp_path, Clocks(zone=Seconds(3600)))
    assert warned(found, "roll.utc_offset is not used: every still states its own")
