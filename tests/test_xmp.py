"""Sidecars: exposure and crop are read as their programs mean them, all else is named."""

from __future__ import annotations

import base64
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from math import cos, hypot, radians, sin
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from timelapse.grade import Framing, Pose, Size
from timelapse.ingest import File, Limits, Reader, Still, decode, scan
from timelapse.ingest.xmp import Develop, sidecars

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
 xmlns:darktable="http://darktable.sf.net/" {attributes}>{elements}</rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
#: What Lightroom writes of a still that nobody has touched.
UNTOUCHED = {
    "Version": "15.4", "ProcessVersion": "15.4", "WhiteBalance": "As Shot", "Temperature": "5450",
    "Tint": "+6", "Exposure2012": "0.00", "Contrast2012": "0", "Sharpness": "40",
    "SharpenRadius": "+1.0", "SharpenDetail": "25", "LuminanceNoiseReductionDetail": "50",
    "ColorNoiseReduction": "25", "ColorNoiseReductionDetail": "50", "ParametricShadowSplit": "25",
    "ParametricHighlightSplit": "75", "VignetteMidpoint": "50", "PostCropVignetteAmount": "0",
    "GrainSize": "25", "DefringePurpleHueLo": "30", "ColorGradeBlending": "50",
    "PerspectiveScale": "100", "LensProfileEnable": "0", "ConvertToGrayscale": "False",
    "CameraProfile": "Adobe Standard", "HasSettings": "True", "HasCrop": "False",
    "AlreadyApplied": "False", "ToneCurveName2012": "Linear", "GrayMixerRed": "-4",
}  # fmt: skip
CROP = {"HasCrop": "True", "CropLeft": "0.1", "CropTop": "0.2", "CropRight": "0.9",
        "CropBottom": "0.8", "CropAngle": "0"}  # fmt: skip
STRAIGHT = "<rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq>"
BENT = "<rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>128, 140</rdf:li></rdf:Seq>"


def lightroom(settings: dict[str, str], elements: str = "", attributes: str = "") -> str:
    written = " ".join(f'crs:{name}="{value}"' for name, value in settings.items())
    return PACKET.format(attributes=f"{written} {attributes}", elements=elements)


def step(
    operation: str,
    params: bytes = b"",
    version: int = 1,
    *,
    number: int | None = None,
    enabled: int = 1,
    priority: int = 0,
    packed: bool = False,
    masked: int = 0,
) -> str:
    text = params.hex()
    if packed:
        text = "gz12" + base64.b64encode(zlib.compress(params)).decode()
    blend = struct.pack("<I", masked) + bytes(400)
    blending = "gz14" + base64.b64encode(zlib.compress(blend)).decode()
    place = "" if number is None else f'darktable:num="{number}"'
    return (
        f'<rdf:li {place} darktable:operation="{operation}" darktable:enabled="{enabled}" '
        f'darktable:modversion="{version}" darktable:params="{text}" darktable:multi_name="" '
        f'darktable:multi_priority="{priority}" darktable:blendop_version="11" '
        f'darktable:blendop_params="{blending}"/>'
    )


def darktable(*steps: str, end: int | None = None) -> str:
    history = f"<darktable:history><rdf:Seq>{''.join(steps)}</rdf:Seq></darktable:history>"
    stop = "" if end is None else f'darktable:history_end="{end}"'
    return PACKET.format(attributes=f'darktable:xmp_version="5" {stop}', elements=history)


def exposure(stops: float, *, black: float = 0, mode: int = 0, version: int = 6) -> bytes:
    rest = {5: (), 6: (0,), 7: (0, 0)}[version]
    layout = "<iffff" + "i" * len(rest)
    return struct.pack(layout, mode, black, stops, 50, -4, *rest)


def crop(left: float, top: float, right: float, bottom: float) -> bytes:
    return struct.pack("<4f2i", left, top, right, bottom, -1, -1)


def clipping(left: float, top: float, right: float, bottom: float, angle: float = 0) -> bytes:
    keystone = (0.2, 0.2, 0.8, 0.2, 0.8, 0.8, 0.2, 0.8)
    return struct.pack("<15f6i", angle, left, top, right, bottom, 0, 0, *keystone, 0, 0, 0, 1, 0, 0)


def basic(stops: float, contrast: float = 0) -> bytes:
    return struct.pack("<5fi5f", 0, stops, 0, 0, contrast, 1, 18.42, 0, 0, 0, 0)


def still_of(path: Path, size: tuple[int, int] = (600, 400), orientation: int = 1) -> Still:
    size = size[::-1] if orientation >= 5 else size
    return Still(File(str(path), 1, 1), EPOCH, size, orientation, 8, "jpeg", "NIKON D5")


Reading = Callable[..., tuple[Develop | None, tuple[str, ...]]]


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Writes a sidecar, and reads it."""

    def reading(
        text: str | bytes, name: str = "A.xmp", orientation: int = 1
    ) -> tuple[Develop | None, tuple[str, ...]]:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        found, told = sidecars([still_of(tmp_path / "A.JPG", orientation=orientation)])
        return found.get(0), told

    return reading


# ------------------------------------------------------------------ Lightroom, Camera Raw


def test_exposure_and_crop_as_attributes(read: Reading) -> None:
    found, told = read(lightroom({**UNTOUCHED, **CROP, "Exposure2012": "+1.25"}))
    assert found == Develop(1.25, pytest.approx((0.1, 0.2, 0.8, 0.6)), 0)  # type: ignore[arg-type]
    assert told == ()


def test_exposure_and_crop_as_elements(read: Reading) -> None:
    settings = {**UNTOUCHED, **CROP, "Exposure2012": "-0.5"}
    elements = "".join(f"<crs:{name}> {value} </crs:{name}>" for name, value in settings.items())
    elements += f"<crs:ToneCurvePV2012>{STRAIGHT}</crs:ToneCurvePV2012>"
    found, told = read(PACKET.format(attributes="", elements=elements))
    assert found == Develop(-0.5, pytest.approx((0.1, 0.2, 0.8, 0.6)), 0)  # type: ignore[arg-type]
    assert told == ()


def test_what_nobody_has_touched_asks_for_nothing(read: Reading) -> None:
    look = '<crs:Look><rdf:Description crs:Name="Adobe Color" crs:Amount="1"/></crs:Look>'
    look += f"<crs:ToneCurve>{BENT}</crs:ToneCurve>"  # that of an older process, by default
    look += f"<crs:ToneCurvePV2012>{STRAIGHT}</crs:ToneCurvePV2012>"
    look += "<crs:Name><rdf:Alt><rdf:li>of a preset</rdf:li></rdf:Alt></crs:Name>"
    assert read(lightroom({**UNTOUCHED, "AsShotTemperature": "6350"}, look)) == (None, ())
    whole = {**CROP, "CropLeft": "0", "CropTop": "0", "CropRight": "1", "CropBottom": "1"}
    assert read(lightroom({**UNTOUCHED, **whole})) == (None, ())


def test_the_old_process_has_another_name_for_the_exposure(read: Reading) -> None:
    old = {"ProcessVersion": "5.7", "Exposure": "+0.75", "Shadows": "5", "Brightness": "+50"}
    assert read(lightroom(old))[0] == Develop(0.75)
    assert read(lightroom({**old, "Exposure2012": "-1.00"}))[0] == Develop(-1)


@pytest.mark.parametrize(
    ("settings", "elements", "named"),
    [
        ({"Contrast2012": "+12", "Clarity2012": "-3"}, "", ("Contrast2012", "Clarity2012")),
        ({"WhiteBalance": "Custom", "Temperature": "4300"}, "", ("Temperature", "Tint")),
        ({"Sharpness": "41"}, "", ("Sharpness",)),
        ({"RedHue": "7", "HueAdjustmentBlue": "-4"}, "", ("RedHue", "HueAdjustmentBlue")),
        ({"LensProfileEnable": "1", "LensProfileSetup": "x"}, "", ("LensProfileEnable",)),
        ({"ConvertToGrayscale": "True"}, "", ("ConvertToGrayscale",)),
        ({"Exposure2012": "bright"}, "", ("Exposure2012",)),
        ({"Exposure2012": "400"}, "", ("Exposure",)),
        ({}, f"<crs:ToneCurvePV2012>{BENT}</crs:ToneCurvePV2012>", ("ToneCurvePV2012",)),
        ({}, f"<crs:ToneCurve>{BENT}</crs:ToneCurve>", ("ToneCurve",)),
        ({}, '<crs:Look><rdf:Description crs:Name="Vivid"/></crs:Look>', ("Look",)),
        (
            {},
            "<crs:MaskGroupBasedCorrections><rdf:Seq><rdf:li><rdf:Description "
            'crs:LocalExposure2012="0.4" crs:Exposure2012="3"/></rdf:li></rdf:Seq>'
            "</crs:MaskGroupBasedCorrections>",
            ("MaskGroupBasedCorrections",),
        ),
        ({**CROP, "CropRight": "0.05"}, "", ("Crop",)),
        ({**CROP, "CropAngle": "60"}, "", ("Crop",)),
        ({**CROP, "CropLeft": "-0.4"}, "", ("Crop",)),
        ({**CROP, "CropTop": "half"}, "", ("Crop",)),
    ],
)
def test_what_is_not_understood_is_named(
    read: Reading, settings: dict[str, str], elements: str, named: tuple[str, ...]
) -> None:
    found, told = read(lightroom({**UNTOUCHED, **settings}, elements))
    assert found == Develop(unknown=named)
    (line,) = told
    assert line == f"1 still's sidecar also asks for {', '.join(named)}: not understood, left out"


def test_a_turn_in_lightroom_is_named(read: Reading) -> None:
    text = lightroom({"Exposure2012": "1"}, attributes='tiff:Orientation="6"')
    assert read(text)[0] == Develop(1, unknown=("Orientation",))
    assert read(text, orientation=6)[0] == Develop(1)


def test_what_is_in_the_picture_already_is_not_done_twice(read: Reading) -> None:
    assert read(lightroom({"AlreadyApplied": "True", "Exposure2012": "2"})) == (None, ())
    raws = lightroom({"Exposure2012": "2"}, attributes='photoshop:SidecarForExtension="NEF"')
    found, (line,) = read(raws)
    assert found is None
    assert "1 still's sidecar is for a file of another ending (A.JPG): left out" in line
    own = lightroom({"Exposure2012": "2"}, attributes='photoshop:SidecarForExtension="jpeg"')
    assert read(own) == (Develop(2), ())


def test_a_crop_that_is_turned_is_as_lightroom_writes_it(tmp_path: Path) -> None:
    """A box of (0.4, 0.3) to (0.9, 0.8) that was turned by ten degrees in Lightroom, as a user of
    it reported the numbers; the picture's shape follows from them."""
    corners = {"CropTop": "0.36916", "CropLeft": "0.374965", "CropBottom": "0.73084"}
    settings = {**CROP, **corners, "CropRight": "0.925035", "CropAngle": "-10"}
    tall = 400
    wide = round(tall * 1.5056)
    (tmp_path / "A.xmp").write_text(lightroom(settings), encoding="utf-8")
    found, told = sidecars([still_of(tmp_path / "A.JPG", (wide, tall))])
    assert told == ()
    develop = found[0]
    assert develop.angle == 10
    assert develop.crop is not None
    left, top, across, down = develop.crop
    assert (left + across / 2, top + down / 2) == pytest.approx((0.65, 0.55))
    c, s = cos(radians(10)), sin(radians(10))
    # the box that holds half of the width and half of the height, turned
    assert across * wide == pytest.approx(wide / 2 * c + tall / 2 * s, rel=1e-3)
    assert down * tall == pytest.approx(wide / 2 * s + tall / 2 * c, rel=1e-3)


@given(
    orientation=st.integers(1, 8),
    angle=st.one_of(st.just(0.0), st.floats(-30, 30)),
    middle=st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
    half=st.tuples(st.floats(30, 90), st.floats(30, 90)),
)
def test_every_orientation_shows_what_was_cropped(
    tmp_path_factory: pytest.TempPathFactory,
    orientation: int,
    angle: float,
    middle: tuple[float, float],
    half: tuple[float, float],
) -> None:
    """What lies in a turned rectangle of the stored still, and no more, fills the frame."""
    size = (360, 240)
    x, y = middle[0] * size[0], middle[1] * size[1]
    c, s = cos(radians(angle)), sin(radians(angle))
    corner = half[0] * c - half[1] * s, half[0] * s + half[1] * c
    across = half[0] * c + half[1] * abs(s), half[0] * abs(s) + half[1] * c
    assume(all(r < at < r_ - r for r, at, r_ in zip(across, (x, y), size, strict=True)))
    stored = np.zeros((size[1], size[0], 3), np.uint8)
    signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    sides = [(a * half[0], b * half[1]) for a, b in signs]
    points = [(x + a * c - b * s, y + a * s + b * c) for a, b in sides]
    cv2.fillPoly(stored, [np.rint(points).astype(np.int32)], (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = Image.fromarray(stored)
    turned.info["exif"] = exif.tobytes()
    upright = np.asarray(ImageOps.exif_transpose(turned))
    folder = tmp_path_factory.mktemp("turned")
    corners = {
        "CropLeft": f"{(x - corner[0]) / size[0]:.6f}",
        "CropTop": f"{(y - corner[1]) / size[1]:.6f}",
        "CropRight": f"{(x + corner[0]) / size[0]:.6f}",
        "CropBottom": f"{(y + corner[1]) / size[1]:.6f}",
    }
    assume(float(corners["CropLeft"]) < float(corners["CropRight"]))
    assume(float(corners["CropTop"]) < float(corners["CropBottom"]))
    text = lightroom({**CROP, **corners, "CropAngle": f"{angle:.6f}"})
    (folder / "A.xmp").write_text(text, encoding="utf-8")
    found, told = sidecars([still_of(folder / "A.JPG", size, orientation)])
    assert told == ()
    develop = found[0]
    pose = Pose(crop=develop.crop, rotate=develop.angle)
    shape = tuple(round(2 * each) // 2 * 2 for each in half)
    frame = Size(*(shape[::-1] if orientation >= 5 else shape))
    shown = Framing(frame, fit="crop", pose=pose).apply(upright)
    inner = shown[3:-3, 3:-3]
    assert (inner > 128).mean() > 0.985
    # and no less than that: a box a little larger shows what is around
    wider = Pose(crop=_grown(develop.crop, 1.12), rotate=develop.angle)
    around = Framing(frame, fit="crop", pose=wider).apply(upright)
    assert (around[0] < 128).mean() > 0.9
    assert (around[:, -1] < 128).mean() > 0.9


def _grown(box: Any, by: float) -> tuple[float, float, float, float]:
    left, top, width, height = box
    grown = left - width * (by - 1) / 2, top - height * (by - 1) / 2, width * by, height * by
    assume(min(grown) >= 0 and grown[0] + grown[2] <= 1 and grown[1] + grown[3] <= 1)
    return grown


# ------------------------------------------------------------------ darktable


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("packed", [False, True])
def test_darktables_exposure(read: Reading, version: int, packed: bool) -> None:
    params = exposure(1.5, version=version, black=-0.000244140625)  # as darktable has it
    text = darktable(step("exposure", params, version, packed=packed))
    assert read(text, "A.JPG.xmp") == (Develop(1.5), ())


def test_darktables_crop_counts_in_the_upright_still(read: Reading) -> None:
    text = darktable(step("crop", crop(0.25, 0.5, 0.75, 1), 3), step("exposure", exposure(-1), 6))
    for orientation in (1, 6):
        found, told = read(text, "A.JPG.xmp", orientation)
        assert found == Develop(-1, pytest.approx((0.25, 0.5, 0.5, 0.5)))  # type: ignore[arg-type]
        assert told == ()
    assert read(darktable(step("crop", crop(0, 0, 1, 1), 1)), "A.JPG.xmp") == (None, ())


def test_an_older_crop_and_the_basics(read: Reading) -> None:
    text = darktable(
        step("clipping", clipping(0.1, 0, 0.9, 0.5), 5), step("basicadj", basic(0.5), 2)
    )
    found, told = read(text, "A.JPG.xmp")
    assert found == Develop(0.5, pytest.approx((0.1, 0, 0.8, 0.5), abs=1e-6))  # type: ignore[arg-type]
    assert told == ()


def test_the_history_counts_up_to_its_end_and_as_it_was_left(read: Reading) -> None:
    text = darktable(
        step("exposure", exposure(3), 6, number=0),
        step("exposure", exposure(1), 6, number=1),
        step("exposure", exposure(0.25), 6, number=2, priority=1),
        step("sharpen", bytes(12), number=3, enabled=0),
        step("exposure", exposure(-4), 6, number=4),
        end=4,
    )
    assert read(text, "A.JPG.xmp") == (Develop(1.25), ())


def test_what_every_history_has_is_not_named(read: Reading) -> None:
    usual = [step(name, bytes(8)) for name in ("rawprepare", "demosaic", "colorin", "gamma")]
    text = darktable(*usual, step("flip", b"\xff" * 4, 2))
    assert read(text, "A.JPG.xmp") == (None, ())


@pytest.mark.parametrize(
    ("steps", "develop"),
    [
        ([step("filmicrgb", bytes(80), 5)], Develop(unknown=("filmicrgb",))),
        ([step("exposure", exposure(1), 8)], Develop(unknown=("exposure",))),
        ([step("exposure", exposure(1)[:10], 6)], Develop(unknown=("exposure",))),
        ([step("exposure", exposure(1, mode=1), 6)], Develop(unknown=("exposure",))),
        ([step("exposure", exposure(1), 6, masked=2)], Develop(unknown=("exposure",))),
        (
            [step("exposure", exposure(1, black=0.25), 6)],
            Develop(1, unknown=("exposure's black level",)),
        ),
        (
            [step("exposure", exposure(1)[:-4] + b"\1\0\0\0", 6)],
            Develop(1, unknown=("exposure's undoing of the camera's bias",)),
        ),
        (
            [step("basicadj", basic(1, contrast=0.5), 2)],
            Develop(1, unknown=("basicadj beyond its exposure",)),
        ),
        ([step("clipping", clipping(0, 0, 0.5, 0.5, angle=2), 5)], Develop(unknown=("clipping",))),
        ([step("clipping", clipping(0, 0, -0.5, 0.5), 5)], Develop(unknown=("clipping",))),
        ([step("crop", crop(0.8, 0, 0.2, 1), 1)], Develop(unknown=("crop",))),
        ([step("crop", crop(float("nan"), 0, 1, 1), 1)], Develop(unknown=("crop",))),
        (
            [step("ashift", bytes(80), 5), step("crop", crop(0, 0, 0.5, 0.5), 1)],
            Develop(unknown=("ashift", "crop")),
        ),
        (
            [step("flip", b"\5\0\0\0", 2), step("crop", crop(0, 0, 0.5, 0.5), 1)],
            Develop(unknown=("flip", "crop")),
        ),
        ([step("exposure", exposure(float("inf")), 6)], Develop(unknown=("Exposure",))),
    ],
)
def test_what_darktable_asks_for_and_is_not_understood(
    read: Reading, steps: list[str], develop: Develop
) -> None:
    found, told = read(darktable(*steps), "A.JPG.xmp")
    assert found == develop
    (line,) = told
    assert all(name in line for name in develop.unknown)


def test_the_history_of_the_first_darktable_is_named(read: Reading) -> None:
    old = "<darktable:history_operation><rdf:Seq><rdf:li>exposure</rdf:li></rdf:Seq>"
    text = PACKET.format(attributes="", elements=old + "</darktable:history_operation>")
    assert read(text, "A.JPG.xmp")[0] == Develop(unknown=("history in the form of darktable 1",))


# ------------------------------------------------------------------ files


def test_names_in_any_case_and_the_longer_one_first(tmp_path: Path) -> None:
    names = ("a.JPG", "b.jpg", "c.NEF", "d.JPG", "e.JPG", "f.JPG")
    written = {
        "A.XMP": lightroom({"Exposure2012": "1"}),
        "b.JPG.xmp": darktable(step("exposure", exposure(2), 6)),
        "c.nef.XMP": darktable(step("exposure", exposure(3), 6)),
        "d.JPG.xmp": darktable(step("exposure", exposure(4), 6)),
        "d.xmp": lightroom({"Exposure2012": "-4"}),
        "e.JPG.xmp": PACKET.format(attributes='darktable:xmp_version="5"', elements=""),
        "e.xmp": lightroom({"Exposure2012": "5"}),
        "other.xmp": lightroom({"Exposure2012": "-9"}),
    }
    for name, text in written.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found, told = sidecars([still_of(tmp_path / name) for name in names])
    assert {at: develop.stops for at, develop in found.items()} == {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
    assert told == ()


def test_in_a_zip_as_on_disk(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll(range(3), ending=".jpg")
    packed = tmp_path / "roll.zip"
    for number in (0, 2):
        text = lightroom({"Exposure2012": str(number - 1)})
        (roll.folder / f"ISS057-E-{9990 + number}.xmp").write_text(text, encoding="utf-8")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(roll.folder.iterdir()):
            archive.write(path, f"day 1/{path.name}")
    assert len(scan(packed).stills) == 3
    for source in (roll.folder, packed):
        found, told = sidecars(scan(source).stills)
        assert found == {0: Develop(-1), 2: Develop(1)}
        assert told == ()
    monkeypatch.chdir(roll.folder)
    assert set(sidecars(scan(".").stills)[0]) == {0, 2}


def test_a_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = os.scandir

    def counting(path: str) -> Any:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", counting)
    monkeypatch.setattr(Reader, "read", lambda *_: pytest.fail("a still was read"))
    assert sidecars([still_of(tmp_path / f"{n}.JPG") for n in range(10_000)]) == ({}, ())
    assert len(asked) == 1
    assert sidecars([still_of(tmp_path / "gone" / "1.JPG")]) == ({}, ())


def test_what_a_jpeg_holds_counts_if_it_is_to(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 3), 90, np.uint8)
    for name, stops in (("a", "1"), ("b", "2")):
        text = lightroom({"AlreadyApplied": "False", "Exposure2012": stops})
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg", xmp=text.encode())
    done = lightroom({"AlreadyApplied": "True", "Exposure2012": "3"})
    Image.fromarray(pixels).save(tmp_path / "c.jpg", xmp=done.encode())
    Image.fromarray(pixels).save(tmp_path / "d.jpg")
    Image.fromarray(pixels).save(tmp_path / "e.jpg", xmp=b"<broken")
    (tmp_path / "b.xmp").write_text(lightroom({"Exposure2012": "-1"}), encoding="utf-8")
    (tmp_path / "f.jpg").write_bytes(b"\xff\xd8\xff\xe1")
    stills = [still_of(tmp_path / f"{name}.jpg") for name in "abcdefg"]
    assert sidecars(stills) == ({1: Develop(-1)}, ())
    found, told = sidecars(stills, embedded=True)
    assert found == {0: Develop(1), 1: Develop(-1)}
    assert [line.split(": ")[0][-5:] for line in told] == ["e.jpg", "g.jpg"]


def test_many_are_told_in_few_lines(tmp_path: Path) -> None:
    for number in range(30):
        name = f"{number:02d}"
        text = lightroom({"Exposure2012": "1", "Contrast2012": "5", f"Odd{name}": "2"})
        (tmp_path / f"{name}.xmp").write_text(text if number < 20 else "<broken", encoding="utf-8")
    found, told = sidecars([still_of(tmp_path / f"{n:02d}.JPG") for n in range(30)])
    assert set(found) == set(range(20))
    assert told[0].startswith("20 stills' sidecars also ask for Contrast2012, Odd00, ")
    assert "and 15 more: not understood" in told[0]
    assert len(told) == 8
    assert told[-1] == "4 more sidecars cannot be read"
    assert "20.xmp: no XMP that can be read" in told[1]
    assert told[1].endswith("the still is taken as it is")


# ------------------------------------------------------------------ what is broken, or hostile

BOMB = """<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description>&c;</rdf:Description></rdf:RDF></x:xmpmeta>"""
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, "<!DOCTYPE x><x/>"])
def test_document_types_are_refused(read: Reading, text: str) -> None:
    found, (line,) = read(text)
    assert found is None
    assert "A.xmp: declares a document type, which no XMP has: not read" in line


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no XMP that can be read"),
        (b"\xff\xd8\xff\xe1 a picture", "no XMP that can be read"),
        (b"<x:xmpmeta/>", "no XMP that can be read"),
        (b"<?xml version='1.0' encoding='utf-7'?><x/>", "no XMP that can be read"),
        (b"<html><body>404</body></html>", "holds no XMP"),
        (b"<a>" * 100_000, "no XMP that can be read"),
        (b"<!--" + b" " * (5 << 20) + b"--><a/>", "larger than 4 MB, which no sidecar is"),
    ],
)
def test_what_is_no_xmp_is_told(read: Reading, data: bytes, words: str) -> None:
    found, (line,) = read(data)
    assert found is None
    assert words in line
    assert "A.xmp: " in line


def test_a_pipe_and_a_dangling_link_are_not_waited_for(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "a.xmp")
    (tmp_path / "b.xmp").symlink_to(tmp_path / "gone")
    (tmp_path / "c.xmp").mkdir()
    found, told = sidecars([still_of(tmp_path / f"{n}.JPG") for n in "abc"])
    assert found == {}
    assert len(told) == 3
    assert all("cannot be opened" in line for line in told)


def test_deep_elements_and_long_names_do_no_harm(read: Reading) -> None:
    deep = "<crs:Look>" * 20_000 + "</crs:Look>" * 20_000
    assert read(lightroom({"Exposure2012": "1"}, deep))[0] == Develop(1)
    found, (line,) = read(lightroom({"Ä" * 100_000: "1"}))
    assert found is not None
    assert len(line) < 300


WHOLE = [
    lightroom({**UNTOUCHED, **CROP, "CropAngle": "3", "Exposure2012": "1"}).encode(),
    darktable(
        step("exposure", exposure(1, version=7), 7, packed=True),
        step("crop", crop(0.1, 0.1, 0.9, 0.9), 2),
        step("clipping", clipping(0, 0, 0.5, 0.5), 5),
        step("basicadj", basic(1), 2),
        end=9,
    ).encode(),
]


@given(st.sampled_from(WHOLE), st.data())
def test_damage_never_stops_anything(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    """Bytes that are changed, cut out or put in: a finding, or something that can be used."""
    text = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        match data.draw(st.sampled_from("cdi")):
            case "c":
                text[at] = data.draw(st.integers(0, 255))
            case "d":
                del text[at : at + data.draw(st.integers(1, 40))]
            case _:
                text[at:at] = data.draw(st.binary(max_size=8))
        assume(text)
    usable(tmp_path_factory, bytes(text))


NUMBERS = st.one_of(
    st.floats().map(str), st.integers().map(str), st.text(max_size=6), st.just("1e999")
)


@given(st.fixed_dictionaries(dict.fromkeys((*CROP, "Exposure2012"), NUMBERS)))
def test_any_number_is_usable_or_named(
    tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> None:
    clean = str.maketrans("", "", '<>&"')
    texts = {name: value.translate(clean) for name, value in settings.items()}
    written = lightroom({**texts, "HasCrop": "True"}).encode("utf-8", "ignore")
    usable(tmp_path_factory, written)


@given(
    st.binary(max_size=120), st.integers(0, 9), st.sampled_from(["exposure", "crop", "clipping"])
)
def test_any_parameters_are_usable_or_named(
    tmp_path_factory: pytest.TempPathFactory, params: bytes, version: int, operation: str
) -> None:
    usable(tmp_path_factory, darktable(step(operation, params, version)).encode())


def usable(folders: pytest.TempPathFactory, text: bytes) -> None:
    folder = folders.mktemp("fuzzed")
    (folder / "A.JPG.xmp").write_bytes(text)
    still = still_of(folder / "A.JPG", orientation=6)
    found, told = sidecars([still])
    if not found:
        return
    develop = found[0]
    assert abs(develop.stops) <= 20
    assert bool(told) == bool(develop.unknown)
    box = Pose(crop=develop.crop, rotate=develop.angle).box(still.size)
    assert hypot(box[2] - box[0], box[3] - box[1]) >= 1


def test_a_real_still_is_shown_as_its_sidecar_says(tmp_path: Path) -> None:
    """From the file on: a portrait still whose camera stores it lying."""
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[16:48, 24:72] = 200
    write_still(tmp_path / "A.JPG", stored, EPOCH, orientation=6)
    inner = {"CropLeft": "0.25", "CropTop": "0.25", "CropRight": "0.75", "CropBottom": "0.75"}
    (tmp_path / "A.xmp").write_text(lightroom({**CROP, **inner}), encoding="utf-8")
    (still,) = scan(tmp_path).stills
    (develop,) = sidecars([still])[0].values()
    with Reader(Limits()) as reader:
        pixels = decode(reader, still, still.size)
    shown = Framing(Size(32, 48), pose=Pose(crop=develop.crop)).apply(pixels)
    assert np.abs(shown.astype(int) - 200).max() <= 12
    assert Fraction(shown.shape[0], shown.shape[1]) == Fraction(3, 2)
