"""Every output format: joined from parts, decoded by two decoders, with the right rate, colours,
depth, alpha and tracks."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import imageio_ffmpeg
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import GrayRoll
from hypothesis import given, settings
from hypothesis import strategies as st

from timelapse.audit import verify
from timelapse.cli import main
from timelapse.deliver import (
    FORMATS,
    H264,
    Av1,
    Caption,
    Chapter,
    Colours,
    DnxHr,
    Format,
    Gif,
    Hevc,
    Png,
    ProRes,
    Tags,
    Vp9,
    WebP,
    digest,
    encoder,
    join,
    probe,
    put,
    size_on_disk,
)
from timelapse.errors import EncodeError
from timelapse.times import CaptureTime, Rate, VideoTime

SIZE = (320, 128)
RATES = ("24000/1001", "25", "30000/1001", "60")
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


class Case(NamedTuple):
    """A format as it is used, what its film is probed to be, and how far colours may be off."""

    format: Format
    codec: str
    pixels: str
    off: float  # in 1/255


CASES = {
    "h264": Case(H264(), "h264", "yuv420p", 2),
    "hevc": Case(Hevc(), "hevc", "yuv420p", 2),
    "hevc10": Case(Hevc(depth="10"), "hevc", "yuv420p10le", 1),
    "av1": Case(Av1(), "av1", "yuv420p", 2),
    "av1-10": Case(Av1(depth="10"), "av1", "yuv420p10le", 1),
    "vp9": Case(Vp9(), "vp9", "yuv420p", 2),
    "vp9a": Case(Vp9(alpha=True), "vp9", "yuv420p", 2),
    "prores": Case(ProRes(), "prores", "yuv422p10le", 1),
    "proxy": Case(ProRes(profile="proxy"), "prores", "yuv422p10le", 4),
    "prores4444": Case(ProRes(profile="4444"), "prores", "yuv444p12le", 1),
    "prores4444a": Case(ProRes(profile="4444", alpha=True), "prores", "yuva444p12le", 1),
    "dnxhr-lb": Case(DnxHr(profile="lb"), "dnxhd", "yuv422p", 2),
    "dnxhr-hq": Case(DnxHr(profile="hq"), "dnxhd", "yuv422p", 2),
    "dnxhr": Case(DnxHr(), "dnxhd", "yuv422p10le", 1),
    "dnxhr444": Case(DnxHr(profile="444"), "dnxhd", "yuv444p10le", 1),
    "gif": Case(Gif(), "gif", "bgra", 0),
    "webp": Case(WebP(), "webp", "rgb24", 3),
    "webpa": Case(WebP(alpha=True), "webp", "rgba", 3),
    "webp-lossless": Case(WebP(lossless=True, effort=0, quality=0), "webp", "rgb24", 0),
    "png": Case(Png(), "png", "rgb24", 0),
    "png16": Case(Png(depth="16"), "png", "rgb48be", 1),
    "pnga": Case(Png(alpha=True), "png", "rgba", 0),
}
EVERY = pytest.mark.parametrize("name", CASES)
TAGS = Tags(
    "Ein Titel: 100 % 'x'",
    CaptureTime.read("2018-11-16T18:14:08Z"),
    chapters=(
        Chapter("Start", VideoTime(Fraction(0)), VideoTime(Fraction(1, 2))),
        Chapter("Взлёт", VideoTime(Fraction(1, 2)), VideoTime(Fraction(1))),
    ),
    captions=(
        Caption("Lift-off: 100 %", VideoTime(Fraction(1, 5)), VideoTime(Fraction(2, 5))),
        Caption("Разделение", VideoTime(Fraction(3, 5)), VideoTime(Fraction(4, 5))),
    ),
)
BARS = np.array(
    [(255, 255, 255), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0),
     (0, 0, 191), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (37, 120, 200)]
)  # fmt: skip


def taken(frame: np.ndarray, format: Format) -> np.ndarray:
    """An RGB frame of 8 bits as a format takes it."""
    if format.alpha:
        return np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)])
    return frame if format.bits == 8 else frame.astype(np.uint16) * np.uint16(257)


def numbered(number: int) -> np.ndarray:
    """A frame that says its number in bits, over a picture that moves."""
    width, height = SIZE
    y, x = np.mgrid[:height, :width]
    ramp = ((x + 3 * number) % 256, y, 255 - (x + y + number) % 256)
    frame = np.dstack(ramp).astype(np.uint8) & 0xF0
    for bit in range(8):
        frame[32:96, 8 + bit * 32 : 32 + bit * 32] = 230 if number >> bit & 1 else 20
    return frame


def number_of(frame: np.ndarray) -> int:
    bits = (frame[48:80, 16 + bit * 32 : 24 + bit * 32].mean() > 125 for bit in range(8))
    return sum(int(bit) << at for at, bit in enumerate(bits))


def parts_of(
    folder: Path,
    format: Format,
    counts: Sequence[int],
    picture: Callable[[int], np.ndarray] = numbered,
) -> list[tuple[Path, int]]:
    """Parts of so many frames, coded with one and two threads in turn."""
    parts: list[tuple[Path, int]] = []
    at = 0
    height, width = picture(0).shape[:2]
    for count in [sum(counts)] if format.whole else counts:
        path = folder / f"part{len(parts)}{format.part_ending}"
        colours = Colours((width, height), format)
        with encoder(path, (width, height), format, threads=1 + len(parts) % 2) as writer:
            for number in range(at, at + count):
                frame = picture(number)
                if frame.shape[2] == 3 and frame.dtype == np.uint8:
                    frame = taken(frame, format)
                writer.write(colours.convert(frame))
        parts.append((path, count))
        at += count
    return parts


def joined(
    parts: Sequence[tuple[Path, int]], format: Format, ending: str = "", tags: Tags | None = None
) -> Path:
    """The film of parts, beside them; its coded frames are theirs."""
    if format.whole:
        return parts[0][0]
    out = parts[0][0].with_name(f"film{ending}")
    join(parts, out, format, (tags or Tags()).held_by(out))
    facts = probe(out, format=format, runs=[count for _, count in parts])
    for (path, count), payload in zip(parts, facts.payloads, strict=True):
        assert probe(path, format=format, runs=[count]).payloads == (payload,)
    return out


def film(
    folder: Path,
    format: Format,
    counts: Sequence[int] = (20, 13, 1),
    picture: Callable[[int], np.ndarray] = numbered,
    ending: str | None = None,
    tags: Tags | None = None,
) -> Path:
    """A film that is made of parts of so many frames."""
    parts = parts_of(folder, format, counts, picture)
    return joined(parts, format, format.endings[0] if ending is None else ending, tags)


def decoded(path: Path, pixels: str, *, codec: str = "") -> tuple[int, int, bytes]:
    """The size of a film, and its frames' values, by the ffmpeg binary."""
    facts = probe(path, decode=0)
    source = str(path / "frame-%05d.png") if path.is_dir() else str(path)
    decoder = ["-c:v", codec] if codec else []
    command = [
        FFMPEG, "-v", "error", "-xerror", *decoder, "-i", source, "-map", "0:v", "-fps_mode",
        "passthrough", "-f", "rawvideo", "-pix_fmt", pixels, "-",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    return *facts.size, done.stdout


def shown(path: Path) -> list[np.ndarray]:
    """All frames of a film, by the ffmpeg binary, as RGB of 8 bits."""
    width, height, data = decoded(path, "rgb24")
    return list(np.frombuffer(data, np.uint8).reshape(-1, height, width, 3))


def planes(path: Path, pixels: str, codec: str = "") -> list[np.ndarray]:
    """The planes of a film's first frame, by the ffmpeg binary, as they are coded."""
    width, height, data = decoded(path, pixels, codec=codec)
    deep = pixels.endswith("le")
    across, down = (1, 1) if "444" in pixels else (2, 1) if "422" in pixels else (2, 2)
    shapes = [(height, width), *[(height // down, width // across)] * 2]
    shapes += [(height, width)] * ("a" in pixels)
    values, found = np.frombuffer(data, "<u2" if deep else "u1"), []
    for rows, columns in shapes:
        found.append(values[: rows * columns].reshape(rows, columns))
        values = values[rows * columns :]
    return found


def depth_of(pixels: str) -> int:
    return int(pixels[-4:-2]) if pixels.endswith("le") else 8


def middles(path: Path, pixels: str) -> np.ndarray:
    """R'G'B' (0-255) in the middles of twelve bars: by the matrix of BT.709 (ITU-R BT.709-6,
    3.2-3.4), in float64, from the planes."""
    if not pixels.startswith("yuv"):
        return np.array([shown(path)[0][48, 12 + 24 * bar] for bar in range(12)], np.float64)
    y, cb, cr = planes(path, pixels)[:3]
    step = 1 << (depth_of(pixels) - 8)
    across, down = y.shape[1] // cb.shape[1], y.shape[0] // cb.shape[0]
    at = 12 + 24 * np.arange(12)
    luma = (y[48, at] / step - 16) / 219
    blue, red = ((c[48 // down, at // across] / step - 128) / 224 for c in (cb, cr))
    r, b = luma + 1.5748 * red, luma + 1.8556 * blue
    g = (luma - 0.2126 * r - 0.0722 * b) / 0.7152
    return np.clip(np.stack([r, g, b], axis=1) * 255, 0, 255)


# ------------------------------------------------------------------ films


@EVERY
def test_parts_become_a_film(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    parts = parts_of(tmp_path, case.format, (20, 13, 1))
    for ending in set(case.format.endings) - {".m4v"}:
        path = joined(parts, case.format, ending, replace(TAGS, captions=()))
        facts = probe(path, format=case.format)
        tracks = path.suffix not in (".mxf", ".gif", ".webp", ".frames", "")
        if ending == ".mxf" and name == "dnxhr444":  # refused by `check`
            continue
        assert facts.faults(34, SIZE, Fraction(25), 2 * tracks) == []
        assert (facts.codec, facts.pixels) == (case.codec, case.pixels)
        assert (facts.rate, facts.even) == (Fraction(25), True)
        assert facts.title == (TAGS.title if tracks else "")
        assert list(map(number_of, shown(path))) == list(range(34))


@EVERY
def test_pyav_decodes_it_to_the_last_frame(tmp_path: Path, name: str) -> None:
    path = film(tmp_path, CASES[name].format, (5, 4))
    if path.suffix == ".webp":  # which libavformat 62 does not read
        from PIL import Image, ImageSequence

        with Image.open(path) as picture:
            pictures = [np.array(f.convert("RGB")) for f in ImageSequence.Iterator(picture)]
    else:
        source = str(path / "frame-%05d.png") if path.is_dir() else str(path)
        with av.open(source) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert list(map(number_of, pictures)) == list(range(9))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["h264", "hevc10", "av1", "vp9", "prores", "dnxhr", "gif", "webp"])
def test_every_frame_stands_at_its_instant(tmp_path: Path, name: str, rate: str) -> None:
    if name == "gif" and rate == "60":
        rate = "50"
    format = replace(CASES[name].format, rate=Rate.read(rate))
    parts = parts_of(tmp_path, format, (30, 1, 3))
    for ending in format.endings:
        path = joined(parts, format, ending)
        facts = probe(path, format=format)
        assert (facts.rate, facts.even, facts.frames) == (Fraction(format.rate), True, 34)
        wanted = [n / Fraction(format.rate) for n in range(34)]
        if ending == ".webp":
            continue
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            tick = Fraction(stream.time_base or 1)
            stamps = sorted(p.pts or 0 for p in container.demux(stream) if p.size)
            if ending in (".mp4", ".m4v", ".mov", ".mxf"):
                assert [stamp * tick for stamp in stamps] == wanted
            assert max(abs(a * tick - b) for a, b in zip(stamps, wanted, strict=True)) <= tick / 2


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("name", ["hevc", "av1", "vp9", "vp9a"])
def test_the_shortest_parts(tmp_path: Path, name: str, count: int) -> None:
    """Encoders that look ahead make up instants where there is nothing ahead."""
    path = film(tmp_path, CASES[name].format, (count, count, 9, 1))
    assert list(map(number_of, shown(path))) == list(range(2 * count + 10))


def test_parts_of_other_settings_are_refused(tmp_path: Path) -> None:
    for number, format in enumerate((Hevc(depth="8"), Hevc(depth="10"))):
        path, colours = tmp_path / f"{number}.mp4", Colours(SIZE, format)
        with encoder(path, SIZE, format) as writer:
            writer.write(colours.convert(taken(numbered(0), format)))
    parts = [(tmp_path / f"{number}.mp4", 1) for number in (0, 1)]
    with pytest.raises(EncodeError, match="coded in another way"):
        join(parts, tmp_path / "film.mp4", Hevc(), Tags())


def test_hevc_is_tagged_for_apple_and_the_index_comes_first(tmp_path: Path) -> None:
    for ending in (".mp4", ".mov"):
        path = film(tmp_path, Hevc(), (3, 2), ending=ending)
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"
        data = path.read_bytes()
        assert 0 < data.find(b"moov") < data.find(b"mdat")
    data = film(tmp_path, Vp9(), (3, 2)).read_bytes()
    cues, cluster = bytes.fromhex("1c53bb6b"), bytes.fromhex("1f43b675")
    head = data.find(bytes.fromhex("1654ae6b"))  # the tracks; before them the ids are in an index
    assert 0 < head < data.find(cues, head) < data.find(cluster, head)


# ------------------------------------------------------------------ colours


@EVERY
def test_colours(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    row = np.zeros((1, SIZE[0], 3), np.uint8)
    row[0, :288] = np.repeat(BARS, 24, axis=0)
    bars = np.repeat(row, SIZE[1], axis=0)
    path = film(tmp_path, case.format, (2, 1), picture=lambda _: bars)
    off = np.abs(middles(path, case.pixels) - BARS).max()
    assert off <= case.off


@pytest.mark.parametrize("name", ["hevc10", "av1-10", "prores", "prores4444", "dnxhr", "dnxhr444"])
def test_a_gradient_keeps_ten_bits(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    light = np.linspace(0, 65535, 1024)
    ramp = np.repeat(np.rint(light).astype(np.uint16)[None], 128, axis=0)
    path = film(tmp_path, case.format, (2,), picture=lambda _: np.dstack([ramp] * 3))
    luma = planes(path, case.pixels)[0]
    step = 1 << (depth_of(case.pixels) - 8)
    assert len(np.unique(luma[64])) > 600
    wanted = (light / 65535 * 219 + 16) * step
    assert np.abs(luma[64] - wanted).max() / step / 219 <= 1 / 255


def test_a_folder_of_16_bits_loses_nothing(tmp_path: Path) -> None:
    import cv2

    rng = np.random.default_rng(1)
    frames = rng.integers(0, 65536, (3, 18, 32, 3)).astype(np.uint16)
    path = film(tmp_path, Png(depth="16"), (2, 1), picture=lambda n: frames[n])
    for number, frame in enumerate(frames):
        read = cv2.imread(str(path / f"frame-{number:05}.png"), cv2.IMREAD_UNCHANGED)
        assert read is not None
        np.testing.assert_array_equal(read[:, :, ::-1], frame)
    assert b"sRGB" in (path / "frame-00000.png").read_bytes()[:100]


@pytest.mark.parametrize(
    ("name", "pixels", "codec", "off"),
    [
        ("prores4444a", "yuva444p12le", "", 0.5),
        ("vp9a", "yuva420p", "libvpx-vp9", 4),
        ("webpa", "rgba", "", 0),
        ("pnga", "rgba", "", 0),
    ],
)
def test_alpha_is_kept(tmp_path: Path, name: str, pixels: str, codec: str, off: float) -> None:
    """A ramp of alpha that moves between clear and full; what the part before has left is gone."""
    format = CASES[name].format

    def picture(number: int) -> np.ndarray:
        alpha = np.zeros(SIZE[::-1], np.uint8)
        alpha[40:80, number : number + 256] = np.arange(256)
        return np.dstack([numbered(0), alpha])

    path = film(tmp_path, format, (4, 3, 1), picture=picture)
    width, height, data = decoded(path, pixels, codec=codec)
    if pixels == "rgba":
        alphas = np.frombuffer(data, np.uint8).reshape(-1, height, width, 4)[..., 3]
    else:
        deep = pixels.endswith("le")
        frames = np.frombuffer(data, "<u2" if deep else "u1").reshape(8, -1)
        alphas = frames[:, -width * height :].reshape(8, height, width) / (
            4095 / 255 if deep else 1
        )
    wanted = [picture(number)[..., 3] for number in range(8)]
    assert len(alphas) == 8
    assert np.abs(alphas - np.array(wanted, np.float64)).max() <= off


PIXELS = {
    "yuv420p": H264(),
    "yuv420p10le": Hevc(depth="10"),
    "yuv422p": DnxHr(profile="hq"),
    "yuv422p10le": ProRes(),
    "yuv444p10le": ProRes(profile="4444"),
    "yuva444p10le": ProRes(profile="4444", alpha=True),
    "yuva420p": Vp9(alpha=True),
}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_planes_are_those_of_the_standard(data: st.DataObject) -> None:
    """Against ITU-R BT.709-6 in float64: luma and 4:4:4 chroma rounded to nearest; 4:2:2 on every
    second pixel, by shares of 1/4, 1/2, 1/4; 4:2:0 by the mean of four."""
    pixels = data.draw(st.sampled_from(sorted(PIXELS)))
    width, height = 2 * data.draw(st.integers(8, 40)), 2 * data.draw(st.integers(8, 40))
    format, rng = PIXELS[pixels], np.random.default_rng(data.draw(st.integers(0, 999)))
    deep = format.bits > 8 and not format.alpha
    top, dtype = (65535, np.uint16) if deep else (255, np.uint8)
    shape = (height, width, 4 if format.alpha else 3)
    frame = rng.integers(0, top, shape, endpoint=True).astype(dtype)
    found = Colours((width, height), format).convert(frame)
    step = 1 << (format.bits - 8)
    rgb = frame[..., :3] / top
    y = rgb @ (0.2126, 0.7152, 0.0722)
    cb, cr = (rgb[..., 2] - y) / 1.8556, (rgb[..., 0] - y) / 1.5748
    flat = found.reshape(-1).astype(np.float64)
    luma = flat[: y.size].reshape(y.shape)
    near = 0.51 if format.bits > 8 else 0.88  # of 8 bits OpenCV takes shares in 1024ths
    assert np.abs(luma - (y * 219 + 16) * step).max() <= near
    at = y.size
    for chroma in (cb, cr):
        codes = (chroma * 224 + 128) * step
        if "422" in pixels:
            wide = np.pad(codes, ((0, 0), (1, 1)), mode="reflect")
            codes = (wide[:, :-2] / 4 + codes / 2 + wide[:, 2:] / 4)[:, ::2]
        elif "420" in pixels:
            codes = codes.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        plane = flat[at : at + codes.size].reshape(codes.shape)
        assert np.abs(plane - codes).max() <= (near if "444" in pixels else near + 0.5)
        at += codes.size
    if format.alpha:
        full = 255 if format.bits == 8 else 1023
        assert np.abs(flat[at:].reshape(y.shape) - frame[..., 3] / 255 * full).max() <= 0.5
        at += y.size
    assert at == flat.size


# ------------------------------------------------------------------ tracks


@pytest.mark.parametrize(
    ("name", "ending"),
    [("h264", ".mp4"), ("h264", ".mkv"), ("hevc", ".mov"), ("av1", ".webm"), ("vp9", ".webm"),
     ("vp9", ".mkv"), ("prores", ".mov")],
)  # fmt: skip
def test_captions_and_chapters(tmp_path: Path, name: str, ending: str) -> None:
    """As the ffmpeg binary reads them."""
    path = film(tmp_path, CASES[name].format, (20, 5), ending=ending, tags=TAGS)
    assert probe(path).faults(25, SIZE, Fraction(25), 2, TAGS.tracks) == []
    command = [FFMPEG, "-v", "error", "-i", str(path)]
    srt = subprocess.run([*command, "-map", "0:s", "-f", "srt", "-"], capture_output=True)
    lines = re.sub("<.*?>", "", srt.stdout.decode()).split("\n")  # mov_text names a font
    assert lines[1:3] == ["00:00:00,200 --> 00:00:00,400", "Lift-off: 100 %"]
    assert lines[5:7] == ["00:00:00,600 --> 00:00:00,800", "Разделение"]
    told = subprocess.run([*command, "-f", "ffmetadata", "-"], capture_output=True)
    chapters = told.stdout.decode().split("[CHAPTER]\n")[1:]
    assert [chapter.split("title=")[1].strip() for chapter in chapters] == ["Start", "Взлёт"]


# ------------------------------------------------------------------ pictures


def test_equal_frames_of_a_webp_are_coded_once_and_count(tmp_path: Path) -> None:
    format = WebP(rate=Rate.read("30000/1001"))
    path = film(tmp_path, format, (9, 9), picture=lambda n: numbered(n // 6))
    assert path.read_bytes().count(b"ANMF") == 4
    facts = probe(path, format=format)
    assert facts.faults(18, SIZE, Fraction(format.rate), 0) == []
    assert probe(path, format=WebP(rate=Rate(31))).even is False


@pytest.mark.parametrize("colours", [2, 16, 256])
def test_a_gif_has_the_colours_that_it_may(tmp_path: Path, colours: int) -> None:
    path = film(tmp_path, Gif(colours=colours, dither="none"), (5,))
    seen = np.unique(np.concatenate([f.reshape(-1, 3) for f in shown(path)]), axis=0)
    assert colours * 0.6 <= len(seen) <= colours


def test_a_gif_of_one_colour_and_of_one_frame(tmp_path: Path) -> None:
    gray = np.full((64, 64, 3), 77, np.uint8)
    for count in (1, 4):
        path = film(tmp_path, Gif(), (count,), picture=lambda _: gray)
        frames = shown(path)
        assert len(frames) == count
        np.testing.assert_array_equal(frames[-1], gray)


def test_the_frames_of_a_gif_are_kept_on_the_disk_without_a_name(tmp_path: Path) -> None:

    def broken() -> None:
        with encoder(tmp_path / "x.gif", SIZE, Gif()) as gif:
            gif.write(numbered(0))
            assert list(tmp_path.iterdir()) == []
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    path = film(tmp_path, Png(), (2, 2))
    files = sorted(path.iterdir())
    assert [file.name for file in files] == [f"frame-{n:05}.png" for n in range(4)]
    lines = (f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    assert (whole := digest(path)) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert size_on_disk(path) == sum(len(file.read_bytes()) for file in files)
    files[1].rename(path / "frame-00009.png")
    assert digest(path) != whole
    with pytest.raises(EncodeError, match=r"frame-00001\.png is missing"):
        probe(path)
    (path / "frame-00009.png").rename(files[1])
    (path / "notes.txt").touch()
    assert digest(path) != whole
    with pytest.raises(EncodeError, match=r"notes\.txt does not belong there"):
        probe(path)


def test_a_folder_takes_the_place_of_its_forerunner_only(tmp_path: Path) -> None:
    out = tmp_path / "100 %d frames"
    put(film(tmp_path, Png(), (3,)), out)
    put(film(tmp_path, Png(), (2,)), out)
    assert probe(out, format=Png()).frames == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [out.name, "part0.mov"]
    (out / "mine.txt").touch()
    with pytest.raises(EncodeError, match=r"holds other files \(mine\.txt\)"):
        put(film(tmp_path, Png(), (1,)), out)
    assert len(list(out.iterdir())) == 3


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Hevc(crf=52), "crf 52: hevc takes 0"),
        (lambda: Av1(crf=0), "crf 0: av1 takes 1"),
        (lambda: Av1(speed=14), "speed 14"),
        (lambda: Vp9(speed=9), "speed 9"),
        (lambda: ProRes(alpha=True), "profile: 4444"),
        (lambda: Gif(rate=Rate(60)), "rate 60: browsers"),
        (lambda: Gif(colours=1), "colours 1"),
        (lambda: WebP(quality=101), "quality 101"),
        (lambda: Png(compression=10), "compression 10"),
        (lambda: DnxHr(limit=1000), "limit: dnxhr has no crf"),  # type: ignore[arg-type]
    ],
)
def test_fields_are_checked(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("format", "out", "size", "asked", "words"),
    [
        (Gif(), "x.gif", SIZE, "captions", r"a \.gif file cannot hold captions; .* \.mkv"),
        (WebP(), "x.webp", SIZE, "sound", r"a \.webp file cannot hold sound"),
        (Png(), "x", SIZE, "captions sound", "a folder of pictures cannot hold captions and sound"),
        (DnxHr(), "x.mxf", SIZE, "sound", r"a \.mxf file cannot hold sound"),
        (DnxHr(), "x.mov", (64, 64), "", "takes frames from 256x120 to"),
        (DnxHr(rate=Rate(12)), "x.mxf", SIZE, "", r"no rate of 12; name it \.mov"),
        (DnxHr(profile="444"), "x.mxf", SIZE, "", r"name it \.mov"),
        (WebP(), "x.webp", (16384, 64), "", "to 16383x16383, not 16384x64"),
    ],
)
def test_a_film_that_cannot_be_is_refused(
    format: Format, out: str, size: tuple[int, int], asked: str, words: str
) -> None:
    how = dict.fromkeys(asked.split(), True)
    with pytest.raises(EncodeError, match=words):
        format.check(Path(out), size, **how)


def test_every_film_that_can_be_is_not_refused() -> None:
    for name, case in CASES.items():
        for ending in case.format.endings:
            if (name, ending) != ("dnxhr444", ".mxf"):
                case.format.check(Path(f"x{ending}"), SIZE)
    H264().check(Path("x.mkv"), SIZE, captions=True, sound=True)


@pytest.mark.parametrize("format", FORMATS.values())
def test_auto_is_what_the_stills_deserve(format: type[Format]) -> None:
    for deep in (False, True):
        settled = format().settled(deep)
        assert getattr(settled, "depth", "none") != "auto"
        if hasattr(settled, "depth"):
            assert (settled.bits > 8) is deep
    assert Hevc(depth="8").settled(True).bits == 8


@EVERY
def test_what_it_takes_is_told(name: str) -> None:
    format = CASES[name].format
    for size in ((640, 360), (3840, 2160)):
        pixels = size[0] * size[1]
        assert (
            pixels * 3
            < format.memory(size, 1)
            <= format.memory(size, 4)
            < pixels * 1500 + (1 << 28)
        )
        assert format.likely_bytes(size, 100) > pixels


# ------------------------------------------------------------------ from a roll


@pytest.mark.parametrize("name", FORMATS)
def test_end_to_end(gray_roll: Callable[..., GrayRoll], tmp_path: Path, name: str) -> None:
    roll = gray_roll([Fraction(n) for n in range(12)], size=(320, 128))
    path = tmp_path / f"film{FORMATS[name].endings[0]}"
    arguments = ["render", str(roll.folder), "-o", str(path), "--duration", "2.4 s", "--fps", "25"]
    ran = CliRunner().invoke(main, [*arguments, "--format", name, "--set", "retime.blend=nearest"])
    assert ran.exit_code == 0, ran.output
    assert verify(path, stills=True) == []
    levels = np.array([frame.mean() for frame in shown(path)])
    wanted = [roll.levels[min(11, round(number / 5))] for number in range(60)]
    if name == "webp":  # equal ones are one
        assert probe(path, format=WebP()).frames == 60
        wanted = roll.levels
    assert len(levels) == len(wanted)
    assert np.abs(levels - wanted).max() <= 2.5


def test_chapters_are_left_out_where_there_is_no_place_for_them(
    gray_roll: Callable[..., GrayRoll], tmp_path: Path
) -> None:
    roll = gray_roll([Fraction(n) for n in range(4)], size=(320, 128))
    project = tmp_path / "p.yaml"
    project.write_text(
        f"roll: {{stills: {roll.folder.name}}}\nschedule: {{duration: 1 s}}\n"
        "milestones: [{at: frame 9, label: Lift-off}]\n",
        encoding="utf-8",
    )
    for ending in (".gif", ".webp", ".frames", ".mxf", ".mkv"):
        name = {".frames": "png", ".mxf": "dnxhr", ".mkv": "h264"}.get(ending, ending[1:])
        out = tmp_path / f"film{ending}"
        ran = CliRunner().invoke(main, ["render", str(project), "-o", str(out), "--format", name])
        assert ran.exit_code == 0, ran.output
        assert verify(out) == []
        assert len(probe(out).chapters) == 2 * (ending == ".mkv")
