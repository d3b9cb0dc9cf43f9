"""From stills to the decoded film: right light, right time, right colours, exact rate and count."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import EPOCH, GrayRoll

from timelapse.deliver import H264, Chapter, Colours, Encoder, Tags, probe
from timelapse.grade import Size, to_display, to_linear
from timelapse.project import load
from timelapse.render import Job, frames
from timelapse.times import CaptureTime, Rate, VideoTime

MakeRoll = Callable[..., GrayRoll]


def decoded_gray(path: Path) -> np.ndarray:
    """Mean luma of every frame, brought from limited to full range."""
    with av.open(str(path)) as film:
        lumas = [frame.to_ndarray()[: frame.height].mean() for frame in film.decode(video=0)]
    return (np.array(lumas) - 16) * 255 / 219


def differing_frames(one: Path, other: Path, levels: int = 9) -> list[int]:
    """The frames in which two films differ by more than their encoding explains."""
    found = []
    with av.open(str(one)) as a, av.open(str(other)) as b:
        pairs = zip(a.decode(video=0), b.decode(video=0), strict=True)
        for number, frames in enumerate(pairs):
            first, second = (f.to_ndarray()[: f.height].astype(np.int16) for f in frames)
            if np.abs(first - second).max() > levels:
                found.append(number)
    return found


def linear(level: np.ndarray | float) -> np.ndarray:
    shown = np.asarray(level, np.float64) / 255
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def display(light: np.ndarray) -> np.ndarray:
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def reference(
    roll: GrayRoll, blend: str, speed: Fraction, rate: Fraction, count: int, shutter: int = 180
) -> np.ndarray:
    """The film's gray levels in float64, from the definition of each mode."""
    times = np.array([float(time) for time in roll.times])
    light = linear(np.array(roll.levels))
    opens = np.array([float(n * speed / rate) for n in range(count)])
    middles = (times[1:] + times[:-1]) / 2
    if blend == "nearest":
        return display(light[np.searchsorted(middles, opens + 1e-9, "right")])
    if blend == "linear":
        return display(np.interp(opens, times, light))
    closes = opens + float(speed / rate) * shutter / 360
    edges = np.concatenate([[-1e9], middles, [1e9]])
    shares = np.minimum(edges[None, 1:], closes[:, None]) - np.maximum(
        edges[None, :-1], opens[:, None]
    )
    shares = np.clip(shares, 0, None)
    return display((shares / shares.sum(axis=1, keepdims=True)) @ light)


def job_of(folder: Path, *settings: tuple[str, str]) -> Job:
    project = load(
        None,
        [("roll.stills", f'"{folder}"', "test"), ("roll.utc_offset", "Z", "test")]
        + [(key, value, "test") for key, value in settings],
    )
    return project.job()


@pytest.mark.parametrize("rate", ["25", "30000/1001", "60"])
@pytest.mark.parametrize("blend", ["nearest", "linear", "box"])
@pytest.mark.parametrize("fault", ["none", "removed", "late"])
def test_brightness_is_right_on_every_frame(
    gray_roll: MakeRoll, tmp_path: Path, rate: str, blend: str, fault: str
) -> None:
    times = [Fraction(n, 2) for n in range(30)]
    if fault == "removed":
        del times[11]
    elif fault == "late":
        times[11] += Fraction(17, 100)
    roll = gray_roll(times)
    speed = Fraction(7)
    job = job_of(
        roll.folder,
        ("schedule.speed", "7"),
        ("output.rate", rate),
        ("output.preset", "ultrafast"),
        ("output.crf", "4"),
        ("retime.blend", blend),
    )
    report = job.render(tmp_path / "film.mp4")
    gray = decoded_gray(tmp_path / "film.mp4")
    expected = reference(roll, blend, speed, Fraction(Rate.read(rate)), len(gray))
    assert len(gray) == report["frames"] == Rate.read(rate).frames_in(Fraction(15) / speed)
    assert np.abs(gray - expected).max() <= 2


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stills_of_8_and_16_bit_are_decoded_exactly(
    tmp_path: Path, ending: str, dtype: type[np.uint8]
) -> None:
    import cv2

    from timelapse.ingest import Reader, decode, scan

    top = np.iinfo(dtype).max
    ramp = np.linspace(0, top, 64 * 48 * 3).astype(dtype).reshape(48, 64, 3)
    cv2.imwrite(str(tmp_path / f"frame.{ending}"), np.ascontiguousarray(ramp[:, :, ::-1]))
    (still,) = scan(tmp_path).stills
    with Reader() as reader:
        decoded = decode(reader, still, (64, 48))
    assert still.bits == np.dtype(dtype).itemsize * 8
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, ramp)
    assert np.abs(to_display(to_linear(decoded)) - ramp * (255 / top)).max() <= 1


def test_display_light_survives_linear_light() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(to_display(to_linear(every)), every)
    np.testing.assert_allclose(to_linear(every) / 65535, linear(every), atol=1e-5)


# ------------------------------------------------------------------ the encoder

BARS = np.array(
    [(255, 255, 255), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0),
     (0, 0, 191), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (37, 120, 200)]
)  # fmt: skip


def colour_bars() -> np.ndarray:
    row = np.repeat(BARS[None], 40, axis=1).reshape(1, -1, 3)
    return np.repeat(row, 96, axis=0).astype(np.uint8)


def as_bt709(frame: av.VideoFrame) -> np.ndarray:
    """The middles of the bars, by the matrix of BT.709 (ITU-R BT.709-6, 3.2-3.4), in float64."""
    planes, height = frame.to_ndarray().astype(np.float64), frame.height
    luma = (planes[height // 2, 20::40] - 16) / 219
    quarter = height // 4
    blue = (planes[height : height + quarter].reshape(height // 2, -1)[20, 10::20] - 128) / 224
    red = (planes[height + quarter :].reshape(height // 2, -1)[20, 10::20] - 128) / 224
    r, b = luma + 1.5748 * red, luma + 1.8556 * blue
    g = (luma - 0.2126 * r - 0.0722 * b) / 0.7152
    return np.clip(np.stack([r, g, b], axis=1) * 255, 0, 255)


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "60"])
def test_colours_rate_and_tags(tmp_path: Path, rate: str) -> None:
    path, bars = tmp_path / "bars.mp4", colour_bars()
    tags = Tags(
        "Ein Titel: 100 % 'x'",
        CaptureTime.read("2018-11-16T18:14:08Z"),
        chapters=(Chapter("Взлёт", VideoTime(Fraction(0)), VideoTime(Fraction(1))),),
    )
    output, colours = H264(rate=Rate.read(rate)), Colours((480, 96))
    with Encoder(path, Size(480, 96), output, tags=tags) as encoder:
        for _ in range(50):
            encoder.write(colours.convert(bars))
    facts = probe(path)
    assert facts.faults(50, (480, 96), Fraction(output.rate), 1) == []
    assert (facts.rate, facts.even, facts.frames) == (Fraction(output.rate), True, 50)
    assert facts.tags == (1, 1, 1, 1)
    assert (facts.pixels, facts.codec) == ("yuv420p", "h264")
    assert facts.title == "Ein Titel: 100 % 'x'"
    assert facts.created.startswith("2018-11-16T18:14:08")
    assert facts.chapters == (("Взлёт", Fraction(0)),)
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            assert np.abs(as_bt709(frame) - BARS).max() <= 2


@pytest.mark.parametrize("height", [48, 50, 270, 272])
def test_every_line_reaches_the_encoder(tmp_path: Path, height: int) -> None:
    """Lossless, planes come back as they were: also with heights that PyAV takes for others."""
    rng, colours = np.random.default_rng(1), Colours((64, height))
    size, lossless = Size(64, height), H264(crf=0, preset="ultrafast")
    planes = [
        colours.convert(rng.integers(0, 255, (height, 64, 3), np.uint8)).copy() for _ in range(5)
    ]
    with Encoder(tmp_path / "x.mp4", size, lossless) as encoder:
        for each in planes:
            encoder.write(each)
    with av.open(str(tmp_path / "x.mp4")) as film:
        decoded = [frame.to_ndarray() for frame in film.decode(video=0)]
    np.testing.assert_array_equal(decoded, planes)


def test_the_index_comes_first(tmp_path: Path) -> None:
    path, colours = tmp_path / "x.mp4", Colours((64, 64))
    with Encoder(path, Size(64, 64), H264(), tags=Tags()) as encoder:
        encoder.write(colours.convert(np.zeros((64, 64, 3), np.uint8)))
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_faults_are_told(tmp_path: Path) -> None:
    path, colours = tmp_path / "x.mp4", Colours((64, 64))
    with Encoder(path, Size(64, 64), H264()) as encoder:
        for _ in range(3):
            encoder.write(colours.convert(np.zeros((64, 64, 3), np.uint8)))
    faults = probe(path).faults(4, (32, 64), Fraction(30), 2)
    assert [fault.split(" has ")[0].split(" is ")[0] for fault in faults] == [
        "it", "its size", "its rate", "it",
    ]  # fmt: skip


def test_the_frames_are_the_same_for_any_number_of_workers(gray_roll: MakeRoll) -> None:
    roll = gray_roll([Fraction(n, 2) for n in range(24)], ending=".jpg")
    job = job_of(roll.folder, ("schedule.speed", "5"), ("retime.blend", "box"))
    runs = [[frame.tobytes() for frame in frames(job, workers=n)] for n in (1, 2, 8)]
    assert runs[0] == runs[1] == runs[2]
    assert [frame.tobytes() for frame in frames(job, 20, 35)] == runs[0][20:35]


def test_the_roll_is_dated_by_its_first_frame(gray_roll: MakeRoll, tmp_path: Path) -> None:
    roll = gray_roll([Fraction(n) for n in range(6)])
    job_of(roll.folder, ("schedule.speed", "10")).render(tmp_path / "x.mp4")
    assert probe(tmp_path / "x.mp4").created.startswith(EPOCH.iso()[:-1])
