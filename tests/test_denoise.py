"""Temporal denoise: noise falls as arithmetic says, and nothing that is real goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import EPOCH, write_still
from timelapse.errors import ProjectError
from timelapse.grade import denoise
from timelapse.grade.denoise import Denoise, Light, Way, denoised
from timelapse.grade.light import Linear, deep_from_mix, from_mix, to_mix
from timelapse.grade.noise import Noise, measure
from timelapse.ingest import Reader, decode, scan
from timelapse.machine import Buffers
from timelapse.srgb import linear_of

Picture = np.ndarray[Any, np.dtype[Any]]
HEIGHT, WIDTH = 192, 256
NOISE = 4.0


def even(deviation: float) -> Noise:
    return Noise(((deviation,) * 16,) * 3)


def scene(height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """Slow gradients of each channel, from 20 to 200."""
    y, x = np.mgrid[:height, :width]
    planes = [np.sin(x / 41 + n) * np.cos(y / 29 - n) for n in range(3)]
    return 110 + 90 * np.stack(planes, axis=-1)


def noisy(truth: Picture, seed: int, deviation: float = NOISE) -> Picture:
    grain = np.random.default_rng(seed).standard_normal(truth.shape) * deviation
    return np.clip(np.rint(truth + grain), 0, 255).astype(np.uint8)


def run(
    shots: Sequence[Picture], noise: Noise, light: Light = "linear", **options: Any
) -> tuple[Picture, Picture]:
    """The middle one of stills in display light, before and after (float, levels of 255)."""
    mixed = [to_mix(shot, light) for shot in shots]
    before = [picture.copy() for picture in mixed]
    own = options.pop("own", len(mixed) // 2)
    after = shown(denoised(mixed, own, noise, light, Buffers(), **options), light)
    for now, then in zip(mixed, before, strict=True):
        np.testing.assert_array_equal(now, then)
    return shown(mixed[own], light), after


def shown(picture: Linear, light: Light) -> Picture:
    return deep_from_mix(picture, light).astype(np.float64) / 257


def error(picture: Picture, truth: Picture) -> float:
    return float(np.sqrt(np.mean((picture - truth) ** 2)))


def spot(y: float, x: float, height: float, width: float = 0.8) -> Picture:
    """A point of light as a lens draws it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    light = height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2))
    return np.repeat(light[..., None], 3, axis=-1)


@pytest.mark.parametrize("light", ["linear", "display"])
@pytest.mark.parametrize(
    ("way", "reach", "factor"),
    [
        ("mean", 1, 1.65),
        ("mean", 2, 2.1),
        ("mean", 4, 2.75),
        ("median", 1, 1.4),
        ("median", 2, 1.7),
    ],
)
def test_noise_falls_nearly_as_much_as_it_can(
    way: Way, reach: int, factor: float, light: Light
) -> None:
    """At best by the square root of the number of stills; of a median, by 1.49 and 1.87."""
    truth = scene()
    shots = [noisy(truth, seed) for seed in range(2 * reach + 1)]
    before, after = run(shots, even(NOISE), light, way=way)
    assert factor < error(before, truth) / error(after, truth) <= np.sqrt(2 * reach + 1) + 0.02
    assert abs((after - truth).mean()) < 0.1


def test_what_comes_out_is_finer_than_eight_bits() -> None:
    truth = np.full((HEIGHT, WIDTH, 3), 100.37)
    shots = [noisy(truth, seed) for seed in range(9)]
    _, after = run(shots, even(NOISE), "display")
    assert abs(after.mean() - 100.37) < 0.05
    assert len(np.unique(np.rint(after * 16))) > 4 * np.ptp(after)


def test_strength_is_what_a_neighbour_counts() -> None:
    truth = scene()
    shots = [noisy(truth, seed) for seed in range(3)]
    before, half = run(shots, even(NOISE), strength=0.5)
    assert error(half, truth) / error(before, truth) == pytest.approx(np.sqrt(1.5) / 2, rel=0.05)
    before, none = run(shots, even(NOISE), strength=0.0)
    np.testing.assert_array_equal(before, none)
    before, whole = run(shots, even(NOISE), way="median")
    _, part = run(shots, even(NOISE), way="median", strength=0.25)
    assert error(part, before) / error(whole, before) == pytest.approx(0.25, rel=0.03)


@pytest.mark.parametrize("way", ["mean", "median"])
@pytest.mark.parametrize("step", [0.5, 1.0, 1.7, 3.0, 9.0])
def test_a_moving_star_keeps_its_peak(step: float, way: Way) -> None:
    ground = np.full((HEIGHT, WIDTH, 3), 30.0)
    for height in (12 * NOISE, 20 * NOISE, 50 * NOISE):
        places = [(y, x + 0.3) for y in range(12, HEIGHT, 24) for x in range(20, WIDTH - 20, 24)]
        shots = []
        for n in (-1, 0, 1):
            sky = ground + sum(spot(y, x + n * step, height) for y, x in places)
            shots.append(noisy(sky, n + 1))
        before, after = run(shots, even(NOISE), way=way)
        at = tuple(np.array([(y, round(x)) for y, x in places]).T)
        kept = (after[at].mean(axis=1) - 30) / (before[at].mean(axis=1) - 30)
        assert kept.min() >= 0.99
        # What a star leaves where it was in the stills before and after is not seen either.
        trail = tuple(np.array([(y, round(x + step)) for y, x in places]).T)
        assert abs((after[trail] - before[trail]).mean()) < 0.02 * height


def test_a_moving_edge_stays_sharp() -> None:
    shots = []
    for n in range(3):
        truth = np.full((HEIGHT, WIDTH, 3), 40.0)
        truth[:, 100 + 2 * n :] = 120
        shots.append(noisy(truth, n))
    before, after = run(shots, even(NOISE))
    step = after[:, 102].mean() - after[:, 101].mean()
    assert step >= 0.99 * 80
    assert np.abs((after - before)[:, 98:106].mean(axis=(0, 2))).max() < 0.5
    assert error(after[:, :90], np.full(3, 40.0)) < NOISE / 1.6


@pytest.mark.parametrize("way", ["mean", "median"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_flash_stays_where_it_is_and_nowhere_else(at: int, way: Way) -> None:
    truth = np.full((HEIGHT, WIDTH, 3), 30.0)
    shots = [noisy(truth, n) for n in range(3)]
    shots[at] = noisy(truth + spot(90, 120, 60, 25), 9)
    before, after = run(shots, even(NOISE), way=way)
    middle = np.s_[70:111, 100:141]
    if at == 1:
        np.testing.assert_array_equal(after[middle], before[middle])
    else:
        assert abs(after[middle].mean() - 30) < 0.3
    # All of the picture lit at once.
    shots[at] = noisy(truth * 1.5, 9)
    before, after = run(shots, even(NOISE), way=way)
    assert after.mean() == pytest.approx(45 if at == 1 else 30, abs=0.3)


def test_one_colour_alone_is_enough_to_differ() -> None:
    """A strobe that is blue is a strobe."""
    truth = np.full((HEIGHT, WIDTH, 3), 30.0)
    for channel in range(3):
        shots = [noisy(truth, n) for n in range(3)]
        shots[1][50:150:20, 60:200:20, channel] = 30 + 12 * NOISE
        before, after = run(shots, even(NOISE))
        np.testing.assert_array_equal(after[50:150:20, 60:200:20], before[50:150:20, 60:200:20])


@pytest.mark.parametrize("light", ["linear", "display"])
def test_flicker_that_is_left_does_no_harm(light: Light) -> None:
    """Noise of a still that is one percent brighter than the others falls all the same."""
    truth, quiet = scene(), 1.0
    dimmer = shown(np.rint(linear_levels(truth) * 0.99).astype(np.uint16), "linear")
    for lone in (0, 1, 2):
        levels = [truth if n == lone else dimmer for n in range(3)]
        shots = [noisy(level, n, quiet) for n, level in enumerate(levels)]
        before, after = run(shots, even(quiet), light)
        assert error(before, levels[1]) / error(after, levels[1]) > 1.5
        assert abs((after - levels[1]).mean()) < 0.1


def linear_levels(truth: Picture) -> Picture:
    """Linear light (float, 65535 is white) of display light in levels of 255."""
    return np.asarray(linear_of(truth / 255)) * 65535


@pytest.mark.parametrize("way", ["mean", "median"])
@pytest.mark.parametrize("height", [1, 2, 3, 95])
def test_bands_make_no_difference(height: int, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = scene()
    mixed = [to_mix(noisy(truth, n), "linear") for n in range(5)]
    results = []
    for rows in (height, HEIGHT):
        cut = tuple(slice(at, min(at + rows, HEIGHT)) for at in range(0, HEIGHT, rows))
        monkeypatch.setattr(denoise, "bands", lambda *_, cut=cut: cut)
        results.append(denoised(mixed, 2, even(NOISE), "linear", Buffers(), way=way).copy())
    np.testing.assert_array_equal(results[0], results[1])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(0, 8), st.integers(0, 2**31), st.booleans())
def test_a_median_is_that_of_numpy(count: int, own: int, seed: int, close: bool) -> None:
    """Where noise is as large as all that differs; and nothing leaves the range of the stack."""
    own %= count
    rng = np.random.default_rng(seed)
    stack = rng.integers(28000, 34000, (count, 5, 7, 3), np.uint16)
    noise = even(60.0 if close else 4.0)
    for way in ("mean", "median"):
        out = denoised(list(stack), own, noise, "display", Buffers(), way=way).astype(int)
        if close:
            exact = (np.mean if way == "mean" else np.median)(stack, axis=0)
            assert np.abs(out - exact).max() <= 0.51
        assert (out >= stack.min(axis=0)).all()
        assert (out <= stack.max(axis=0)).all()


def moved(truth: Picture, y: float, x: float) -> Picture:
    """A picture as it is so far down and to the right, exactly: its spectrum is turned."""
    rows, columns = np.fft.fftfreq(truth.shape[0]), np.fft.fftfreq(truth.shape[1])
    turn = np.exp(-2j * np.pi * (rows[:, None] * y + columns[None] * x))[..., None]
    return np.asarray(np.fft.ifft2(np.fft.fft2(truth, axes=(0, 1)) * turn, axes=(0, 1)).real)


def textured(seed: int = 5) -> Picture:
    """Texture of some eight pixels, from about 50 to 150."""
    rough = np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH, 3))
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None, None], np.fft.fftfreq(WIDTH)[None, :, None]
    soft = np.exp(-300 * (rows**2 + columns**2))
    smooth = np.fft.ifft2(np.fft.fft2(rough, axes=(0, 1)) * soft, axes=(0, 1)).real
    return np.asarray(100 + 18 * smooth / smooth.std())


def test_neighbours_are_laid_over_the_still() -> None:
    truth = textured()
    shifts = [(-6.4, 11.3), (0.0, 0.0), (5.0, -9.0)]
    shots = [noisy(moved(truth, *shift), n) for n, shift in enumerate(shifts)]
    onto = [np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]) for y, x in shifts]
    before, after = run(shots, even(NOISE), onto=[onto[0], None, onto[2]])
    inner = np.s_[20:-20, 20:-20]
    assert error(before[inner], truth[inner]) / error(after[inner], truth[inner]) > 1.6
    # What the neighbours do not show is the still's own, and it is not darkened.
    assert abs((after - before).mean()) < 0.1
    # As they lie, the texture is not smeared either: they differ, and do not count.
    before, after = run(shots, even(NOISE))
    assert error(after, before) < 0.1 * NOISE


def test_stills_that_lie_within_a_tenth_of_a_pixel_are_left_as_they_lie() -> None:
    one, other = (to_mix(noisy(textured(), n), "linear") for n in range(2))
    for step, same in ((0.05, True), (0.5, False)):
        onto = np.array([[1, 0, step], [0, 1, 0], [0, 0, 1]])
        laid = denoise._laid_over(other, one, onto, Buffers(), "laid")
        assert (laid is other) == same


def test_a_turn_counts_from_the_corner_of_the_first_pixel() -> None:
    """A still that is upside down, laid over by turning it about the middle of the frame."""
    shot = noisy(textured(), 1, 0)
    onto = np.array([[-1.0, 0, WIDTH], [0, -1, HEIGHT], [0, 0, 1]])
    laid = denoise._laid_over(to_mix(shot[::-1, ::-1].copy(), "linear"), to_mix(shot, "linear"),
                              onto, Buffers(), "laid")  # fmt: skip
    np.testing.assert_array_equal(laid, to_mix(shot, "linear"))


def roll(
    folder: Path, stills: Sequence[Picture], interval: Fraction = Fraction(1), **how: Any
) -> Any:
    folder.mkdir()
    for n, pixels in enumerate(stills):
        ending = ".jpg" if how else ".png"
        write_still(folder / f"ISS057-E-{9000 + n}{ending}", pixels, EPOCH + n * interval, **how)
    return scan(folder).stills


@pytest.mark.parametrize("deviation", [1.0, 4.0, 12.0])
def test_the_noise_of_a_roll_is_measured(tmp_path: Path, deviation: float) -> None:
    truth = scene(384, 512)
    stills = roll(tmp_path / "still", [noisy(truth, n, deviation) for n in range(4)])
    found = np.array(measure(stills).deviations)
    assert found.shape == (3, 16)
    assert found[:, 3:12] == pytest.approx(deviation, rel=0.15)


def test_noise_is_measured_by_level(tmp_path: Path) -> None:
    truth = scene(384, 512)
    grain = 1 + truth / 50
    rng = np.random.default_rng(3)
    shots = [np.clip(np.rint(truth + grain * rng.standard_normal(truth.shape)), 0, 255)
             for _ in range(4)]  # fmt: skip
    stills = roll(tmp_path / "still", [shot.astype(np.uint8) for shot in shots])
    found = np.array(measure(stills).deviations)
    levels = np.linspace(0, 255, 16)[3:11]
    assert found[:, 3:11] == pytest.approx(np.tile(1 + levels / 50, (3, 1)), rel=0.2)


def test_noise_that_a_jpeg_has_smoothed_is_noise(tmp_path: Path) -> None:
    truth = scene(384, 512)
    stills = roll(tmp_path / "still", [noisy(truth, n) for n in range(4)], quality=85)
    found = np.array(measure(stills).deviations)[:, 4:11]
    with Reader() as reader:
        rest = [decode(reader, still, still.size) - truth for still in stills]
    assert found.mean() == pytest.approx(np.std(rest), rel=0.2)


def test_what_moves_is_no_noise(tmp_path: Path) -> None:
    """Clouds pass over ground that turns away, under stars that move."""
    y, x = np.mgrid[:384, :512]
    shots, clean = [], []
    for n in range(4):
        truth = 100 + 60 * np.sin((x + 4 * n) / 23) * np.cos((y - 3 * n) / 31)
        truth[200:, 150 + 9 * n : 350 + 9 * n] += 40 * np.sign(np.sin(x / 5))[200:, 150:350]
        truth[5:150:15, 10 + 7 * n :: 31] = 240
        truth = np.repeat(truth[..., None], 3, axis=-1)
        shots.append(noisy(truth, n, 3.0))
        clean.append(noisy(truth, n, 0.0))
    found = np.array(measure(roll(tmp_path / "noisy", shots)).deviations)
    assert (found < 3.0 * 1.4).all()
    assert found[:, 4:10].mean() > 2
    noise = measure(roll(tmp_path / "clean", clean))
    assert np.max(noise.deviations) < 1
    mixed = [to_mix(still, "linear") for still in clean]
    for own in range(4):
        for way in ("mean", "median"):
            out = denoised(mixed, own, noise, "linear", Buffers(), way=way)
            assert np.abs(from_mix(out, "linear").astype(int) - clean[own]).max() <= 1


def test_a_roll_without_noise_stays_as_it_is(tmp_path: Path) -> None:
    truth = noisy(scene(), 0, 0)
    noise = measure(roll(tmp_path / "still", [truth] * 4))
    assert noise.idle
    mixed = [to_mix(truth, "linear")] * 3
    assert denoised(mixed, 1, noise, "linear", Buffers()) is mixed[1]
    assert Noise.none().idle
    # So it is where nothing can be measured, or there is no neighbour.
    assert measure(roll(tmp_path / "lone", [noisy(truth, 0)])).idle
    assert measure([]).idle
    assert denoised(mixed[:1], 0, even(NOISE), "linear", Buffers()) is mixed[0]


def test_noise_is_that_of_the_frame(tmp_path: Path) -> None:
    """Half the size is half the noise; what `framed` makes of a still is what counts."""
    truth = scene(768, 1024)
    stills = roll(tmp_path / "still", [noisy(truth, n) for n in range(3)])
    seen = []

    def halved(at: int, pixels: Picture) -> Picture:
        seen.append(at)
        halves = pixels.reshape(384, 2, 512, 2, 3).mean(axis=(1, 3))
        return np.asarray(halves * 257, np.uint16)

    found = np.array(measure(stills, framed=halved).deviations)
    assert found[:, 3:12] == pytest.approx(NOISE / 2, rel=0.15)
    assert seen == [0, 1, 2]


def test_stills_across_a_gap_are_no_pair(tmp_path: Path) -> None:
    """Each still is of another scene, but for the second of four pairs."""
    truth = scene(384, 512)
    stills = roll(tmp_path / "still", [noisy(truth, n) for n in range(8)])
    times = [0, 1, 2, 60, 61, 120, 121, 122]
    spaced = [
        replace(still, captured=EPOCH + Fraction(time))
        for still, time in zip(stills, times, strict=True)
    ]
    steps: list[tuple[int, int]] = []
    found = measure(spaced, progress=lambda done, of: steps.append((done, of)))
    assert found.deviations[0][6] == pytest.approx(NOISE, rel=0.15)
    assert steps[-1] == (8, 8)


def test_what_was_measured_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "cache"))
    stills = roll(tmp_path / "still", [noisy(scene(), n) for n in range(3)])
    first = measure(stills, identities=("roll", 1))
    assert first == measure([], identities=("roll", 1))
    assert hash(first) == hash(measure(stills, identities=("roll", 1)))
    assert measure([], identities=("roll", 2)).idle
    for file in (tmp_path / "cache").rglob("*.noise.json"):
        file.write_text('[["nan"]]')
    assert measure(stills, identities=("roll", 1)) == first
    assert set(first.as_json()) == {"red", "green", "blue"}


def test_settings_that_make_no_sense_are_named() -> None:
    assert Denoise() == Denoise("mean", 1, 1.0)
    for wrong in ({"way": "mode"}, {"reach": 0}, {"reach": 5}, {"strength": 1.5}):
        (name,) = wrong
        with pytest.raises(ProjectError, match=name):
            Denoise(**wrong)


def test_real_stills_lose_noise_and_nothing_else(shared: Path) -> None:
    """What is taken away from stills that move has no structure: it is small everywhere."""
    stills = scan(shared / "pylapsy_deshake").stills
    noise = measure(stills)
    with Reader() as reader:
        shots = [decode(reader, still, still.size) for still in stills[20:23]]
    before, after = run(shots, noise)
    assert np.abs(after - before).max() < 4 * np.max(noise.deviations)
