"""Tone: what each step does to known light, keys in between, looks, and .cube files."""

from __future__ import annotations

import pickle
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from timelapse.errors import ProjectError
from timelapse.grade import from_mix, to_mix
from timelapse.grade.cube import Cube, cube_text, read_cube
from timelapse.grade.tone import Tone, ToneKey, ToneLook, Toning, toning
from timelapse.grade.toned import LUMA, Curve, Light, Toned, warmth
from timelapse.looks import read_look, settled, write_cube, write_look
from timelapse.machine import Buffers
from timelapse.srgb import linear_of, shown_of
from timelapse.written import Instant

BUFFERS = Buffers()
_FOLDER = TemporaryDirectory()  # for properties, which have no fixture of their own
LIGHTS: tuple[Light, ...] = ("linear", "display")
BENT: Curve = ((0.0, 0.05), (0.25, 0.2), (0.5, 0.6), (1.0, 0.9))


def noise(height: int = 48, width: int = 37, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (height, width, 3), dtype=np.uint16)


def ramp() -> np.ndarray:
    """Every value, as greys."""
    return np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)


def done(toned: Toned, mixed: np.ndarray, light: Light = "linear") -> np.ndarray:
    """A copy of the result; the frame itself has to stay."""
    before = mixed.copy()
    made = toned.apply(mixed, light, BUFFERS).copy()
    assert np.array_equal(mixed, before)
    assert made.shape == mixed.shape
    assert made.dtype == np.uint16
    return made


def shares(values: np.ndarray) -> np.ndarray:
    return values / 65535


def identity(size: int) -> np.ndarray:
    steps = np.linspace(0, 1, size)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij")[::-1], axis=-1)


def wild(size: int = 9, seed: int = 3) -> Cube:
    table = identity(size) + np.random.default_rng(seed).normal(0, 0.15, (size, size, size, 3))
    return Cube.of(table)


# -- the steps


@pytest.mark.parametrize("light", LIGHTS)
def test_an_idle_tone_touches_nothing(light: Light) -> None:
    frame = noise()
    for toned in (
        Toned(),
        Toned(sharpen_radius=3.0),
        Toned(cube=wild(), lut_strength=0.0),
        Toned(lut_strength=0.5),
        Toned(curves=((1.0, ((0.0, 0.0), (1.0, 1.0))),)),
    ):
        assert toned.idle
        assert not toned.whole
        assert toned.apply(frame, light, BUFFERS) is frame
        assert toned.plain == Toned()
        assert repr(toned.plain) == repr(Toned())


def test_a_stop_doubles_linear_light() -> None:
    frame = ramp()
    assert np.array_equal(
        done(Toned(exposure=1.0), frame), np.minimum(2 * frame.astype(int), 65535)
    )
    assert np.array_equal(done(Toned(exposure=-2.0), frame), np.rint(frame / 4))


def test_a_stop_doubles_the_light_of_display_values() -> None:
    made = done(Toned(exposure=1.0), ramp(), "display")
    wanted = shown_of(np.minimum(2 * linear_of(shares(ramp())), 1)) * 65535
    assert np.abs(made - wanted).max() <= 1


@pytest.mark.parametrize("light", LIGHTS)
def test_black_and_white_point(light: Light) -> None:
    toned = Toned(black=0.1, white=0.8)
    low, high = linear_of(np.array([0.1, 0.8]))
    linear = shares(ramp()) if light == "linear" else linear_of(shares(ramp()))
    wanted = np.clip((linear - low) / (high - low), 0, 1)
    wanted = wanted if light == "linear" else shown_of(wanted)
    assert np.abs(done(toned, ramp(), light) - wanted * 65535).max() <= 1


def test_a_white_point_above_white_keeps_what_exposure_raised() -> None:
    """Between exposure and white point nothing is cut off."""
    white = float(shown_of(np.array(2.0)))
    made = done(Toned(exposure=1.0, white=white), ramp())
    assert np.abs(made.astype(int) - ramp()).max() <= 1


@pytest.mark.parametrize("light", LIGHTS)
def test_no_saturation_is_grey_of_the_same_luminance(light: Light) -> None:
    frame = noise()
    made = done(Toned(saturation=0.0), frame, light)
    assert (made == made[:, :, :1]).all()
    linear = shares(frame) if light == "linear" else linear_of(shares(frame))
    found = shares(made[:, :, 0]) if light == "linear" else linear_of(shares(made[:, :, 0]))
    assert np.abs(found - linear @ LUMA).max() < 3e-5


@pytest.mark.parametrize("saturation", [0.4, 1.5, 4.0])
def test_saturation_keeps_luminance_and_grey(saturation: float) -> None:
    assert np.abs(done(Toned(saturation=saturation), ramp()).astype(int) - ramp()).max() <= 1
    frame = 30000 + noise() // 16  # nothing is cut off
    made = done(Toned(saturation=saturation), frame)
    assert np.abs(made @ LUMA - frame @ LUMA).max() <= 1
    around = np.float64(frame) - (frame @ LUMA)[:, :, None]
    assert np.abs(made - (frame @ LUMA)[:, :, None] - saturation * around).max() <= 1


def test_warmth_is_in_the_mireds_of_filters_for_lenses() -> None:
    assert warmth(0, 0) == (1, 1, 1)
    for temperature, tint in product((-80, -20, 0, 60, 150), (-50, 0, 50)):
        gains = warmth(temperature, tint)
        assert min(gains) > 0
        assert np.dot(gains, LUMA) == pytest.approx(1)
    red, green, blue = warmth(112, 0)  # what an 85 does to daylight
    assert (red, green, blue) == pytest.approx((1.43, 0.93, 0.46), abs=0.05)
    # Tungsten light of 3200 K over daylight of 6504 K, from Planck's law and CIE 1931.
    wanted = np.array(_black_body(3200)) / np.array(_black_body(6504))
    wanted /= wanted @ LUMA
    assert warmth(1e6 / 3200 - 1e6 / 6504, 0) == pytest.approx(wanted, abs=0.02)
    assert warmth(0, 30)[1] < 1 < warmth(0, -30)[1]


def _black_body(kelvin: float) -> np.ndarray:
    """Linear BT.709, by the fits of Wyman, Sloan and Shirley (JCGT 2, 2013) to the observer."""
    nm = np.arange(380.0, 781)

    def lobe(middle: float, left: float, right: float) -> np.ndarray:
        return np.exp(-0.5 * ((nm - middle) * np.where(nm < middle, left, right)) ** 2)

    observer = np.array(
        [
            0.362 * lobe(442.0, 0.0624, 0.0374)
            + 1.056 * lobe(599.8, 0.0264, 0.0323)
            - 0.065 * lobe(501.1, 0.0490, 0.0382),
            0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322),
            1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725),
        ]
    )
    xyz = observer @ (nm**-5 / np.expm1(1.438777e7 / (nm * kelvin)))
    matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    light: np.ndarray = np.array(matrix) @ (xyz / xyz[1])
    return light


def test_temperature_multiplies_linear_light_by_channel() -> None:
    made = done(Toned(temperature=40.0, tint=-10.0), ramp())
    wanted = np.minimum(ramp() * np.array(warmth(40, -10)), 65535)
    assert np.abs(made - wanted).max() <= 1
    grey = np.full((4, 4, 3), 20000, np.uint16)
    made = done(Toned(temperature=40.0, tint=-10.0), grey)
    assert made[0, 0] @ LUMA == pytest.approx(20000, abs=1)


@pytest.mark.parametrize("light", LIGHTS)
def test_a_curve_passes_its_points(light: Light) -> None:
    before, after = np.array(BENT).T
    at = np.rint((before if light == "display" else linear_of(before)) * 65535).astype(np.uint16)
    made = shares(done(Toned(curves=((1.0, BENT),)), at.repeat(3).reshape(1, -1, 3), light))
    found = made[0, :, 0] if light == "display" else shown_of(made[0, :, 0])
    assert np.abs(found - after).max() < 1e-4
    if light == "display":
        whole = shares(done(Toned(curves=((1.0, BENT),)), ramp(), light))
        assert np.abs(whole - PchipInterpolator(before, after)(shares(ramp()))).max() < 2e-5


def test_a_curve_is_level_beyond_its_ends() -> None:
    made = done(Toned(curves=((1.0, ((0.2, 0.1), (0.8, 0.7))),)), ramp(), "display")
    assert set(made[:40].ravel().tolist()) == {6554}
    assert made[-40:].max() == made[-40:].min()


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=6),
    st.floats(-4, 4),
    st.floats(0, 0.5),
    st.floats(0.6, 2),
    st.sampled_from(LIGHTS),
)
@settings(max_examples=30, deadline=None)
def test_more_light_never_becomes_less(
    after: list[float], exposure: float, black: float, white: float, light: Light
) -> None:
    curve = tuple(zip(np.linspace(0, 1, len(after)).tolist(), sorted(after), strict=True))
    toned = Toned(exposure=exposure, black=black, white=white, curves=((1.0, curve),))
    made = done(toned, ramp(), light).reshape(-1, 3).astype(int)
    assert (np.diff(made, axis=0) >= 0).all()
    shown = shares(made) if light == "display" else shown_of(shares(made))
    assert shown.min() >= min(after) - 1e-4
    assert shown.max() <= max(after) + 1e-4


def test_the_order_of_the_steps() -> None:
    """One tone of all steps is the steps one after the other, as documented."""
    cube, frame = wild(), noise()
    steps: tuple[dict[str, Any], ...] = (
        {"exposure": -0.5, "temperature": 25.0, "tint": 5.0, "black": 0.03, "white": 0.9},
        {"saturation": 0.8},
        {"curves": ((1.0, BENT),)},
        {"cube": cube, "lut_strength": 0.7},
        {"sharpen": 0.5},
    )
    once = Toned(**{name: value for step in steps for name, value in step.items()})
    one_by_one = frame
    for step in steps:
        one_by_one = done(Toned(**step), one_by_one)
    found = shown_of(shares(done(once, frame)))
    assert np.abs(found - shown_of(shares(one_by_one))).max() < 0.002


tones = st.builds(
    Toned,
    exposure=st.floats(-3, 3),
    temperature=st.floats(-80, 150),
    tint=st.floats(-50, 50),
    black=st.floats(0, 0.3),
    white=st.floats(0.4, 2),
    saturation=st.floats(0, 4),
    curves=st.sampled_from([(), ((1.0, BENT),)]),
    cube=st.sampled_from([None, wild(), Cube.of(np.linspace(0.9, 0.1, 5)[:, None].repeat(3, 1))]),
    lut_strength=st.floats(0, 1),
)


@given(tones, st.sampled_from(LIGHTS))
@settings(max_examples=40, deadline=None)
def test_bands_are_as_the_whole(toned: Toned, light: Light) -> None:
    frame = noise()
    whole = done(toned, frame, light)
    parts = [done(toned, frame[rows], light) for rows in (np.s_[:20], np.s_[20:40], np.s_[40:])]
    # OpenCV rounds the last pixels of a run by another path: 1 of 65535 in linear light, which is
    # a twentieth of a level of 8 bits where display light is steepest.
    apart = np.abs(np.concatenate(parts).astype(int) - whole)
    assert apart.max() <= (1 if light == "linear" and toned.cube is None else 257 // 4)
    assert (apart > 0).mean() < 0.1


# -- sharpening


@pytest.mark.parametrize("light", LIGHTS)
def test_sharpening_raises_luma_by_its_difference_to_what_is_around(light: Light) -> None:
    frame = noise() // 4 + 20000
    toned = Toned(sharpen=0.8, sharpen_radius=1.4)
    assert toned.whole
    shown = shares(frame) if light == "display" else shown_of(shares(frame))
    luma = shown @ LUMA
    detail = luma - cv2.GaussianBlur(luma, (0, 0), 1.4)
    wanted = np.clip(shown + 0.8 * detail[:, :, None], 0, 1)
    made = shares(done(toned, frame, light))
    assert np.abs((made if light == "display" else shown_of(made)) - wanted).max() < 1e-4


def test_what_is_flat_or_below_the_threshold_stays() -> None:
    flat = np.full((40, 40, 3), (50000, 20000, 999), np.uint16)
    assert np.array_equal(done(Toned(sharpen=5.0, sharpen_radius=3.0), flat, "display"), flat)
    grain = flat + noise(40, 40) // 1024  # at most 63 of 65535
    made = done(Toned(sharpen=5.0, sharpen_threshold=0.002), grain, "display")
    assert np.array_equal(made, grain)


def test_an_edge_is_steeper_and_never_beyond_black_and_white() -> None:
    edge = np.full((20, 40, 3), 600, np.uint16)
    edge[:, 20:] = 65000
    made = done(Toned(sharpen=2.0, sharpen_radius=2.0), edge, "display")
    assert made[10, 19].tolist() == [0] * 3
    assert made[10, 20].tolist() == [65535] * 3
    assert made[10, 0].tolist() == [600] * 3
    assert made[10, -1].tolist() == [65000] * 3


# -- keys


def film(tone: Tone, *at: int) -> Toning:
    return toning(tone, [Fraction(seconds) for seconds in at])


def key(**values: Any) -> ToneKey:
    return ToneKey(at=Instant("0 s"), **values)


def test_between_keys_numbers_go_evenly() -> None:
    keys = (
        key(exposure=0.0, saturation=1.0),
        key(exposure=2.0, ease="linear"),
        key(saturation=0.0, ease="hold"),
    )
    clip = film(Tone(keys=keys), 0, 10, 20)
    assert clip.at(Fraction(-1)) == clip.at(Fraction(0)) == Toned()
    assert clip.at(Fraction(5)) == Toned(exposure=1.0)
    assert clip.at(Fraction(10, 3)) == Toned(exposure=0.666666667)
    assert clip.at(Fraction(10)) == clip.at(Fraction(1999, 100)) == Toned(exposure=2.0)
    assert clip.at(Fraction(20)) == clip.at(Fraction(99)) == Toned(exposure=2.0, saturation=0.0)
    assert not clip.idle


def test_smooth_keys_start_and_end_softly() -> None:
    clip = film(Tone(keys=(key(exposure=0.0), key(exposure=1.0))), 0, 1)
    found = [clip.at(Fraction(at, 4)).exposure for at in range(5)]
    assert found == [0, 0.103515625, 0.5, 0.896484375, 1]


def test_what_a_key_leaves_out_is_as_before() -> None:
    tone = Tone(exposure=0.5, tint=4.0, keys=(key(tint=8.0), key(black=0.1), key(tint=0.0)))
    clip = film(tone, 1, 2, 3)
    assert clip.at(Fraction(0)) == Toned(exposure=0.5, tint=8.0)
    assert clip.at(Fraction(2)) == Toned(exposure=0.5, tint=8.0, black=0.1)
    assert clip.at(Fraction(3)) == Toned(exposure=0.5, tint=0.0, black=0.1)


def test_curves_are_mixed() -> None:
    clip = film(Tone(keys=(key(), key(curve=BENT, ease="linear"))), 0, 4)
    toned = clip.at(Fraction(1))
    assert toned.curves == ((0.75, ((0.0, 0.0), (1.0, 1.0))), (0.25, BENT))
    all_of_it = done(clip.at(Fraction(4)), ramp(), "display").astype(float)
    assert np.abs(done(toned, ramp(), "display") - (0.75 * ramp() + 0.25 * all_of_it)).max() <= 1
    assert film(Tone(keys=(key(curve=BENT), key())), 0, 1).at(Fraction(1, 3)).curves == (
        (1.0, BENT),
    )


def test_a_look_up_table_comes_by_and_by(tmp_path: Path) -> None:
    (tmp_path / "a.cube").write_text(cube_text(wild()), encoding="utf-8")
    keys = (key(lut_strength=0.0), key(lut_strength=1.0, ease="linear"))
    clip = film(Tone(lut=str(tmp_path / "a.cube"), keys=keys), 0, 1)
    assert clip.at(Fraction(0)).idle
    assert not clip.idle
    assert clip.at(Fraction(1, 4)).lut_strength == 0.25
    frame = noise()
    half, all_of_it = (done(clip.at(Fraction(at, 2)), frame, "display") for at in (1, 2))
    assert np.abs(half - (frame / 2 + all_of_it / 2)).max() <= 1


def test_frames_of_one_tone_are_equal_everywhere() -> None:
    cube = wild()
    one, two = (
        Toned(exposure=1 / 3, cube=cube, lut_strength=s, curves=((1.0, BENT),)) for s in (0.5, 0.5)
    )
    again = pickle.loads(pickle.dumps(one))
    assert one == two == again
    assert len({one, two, again}) == 1
    assert repr(one) == repr(again)
    assert cube.digest in repr(one)
    assert "array" not in repr(one)
    assert np.array_equal(done(again, noise()), done(one, noise()))
    assert repr(Toned(cube=wild(seed=4))) != repr(Toned(cube=wild(seed=5)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"exposure": 11.0}, "exposure: 11 is not from -10 to 10"),
        ({"saturation": float("nan")}, "saturation: nan is not from 0 to 4"),
        ({"curve": ((0.0, 0.0),)}, "two or more points"),
        ({"curve": ((0.5, 0.0), (0.5, 1.0))}, "from left to right"),
        ({"curve": ((0.0, 0.0), (1.0, 1.2))}, "in shares from 0 to 1"),
        ({"black": 0.5, "white": 0.5}, "white: 0.5 is not above black: 0.5"),
        ({"lut_strength": 0.5}, "name its file with lut:"),
        ({"keys": (key(lut_strength=0.5),)}, "name its file with lut:"),
        ({"lut": "no.cube"}, "no.cube: the look-up table cannot be read: No such file"),
        ({"keys": (key(), key())}, "put them in the order of the clip"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ProjectError, match=words.replace("[", r"\[")):
        film(Tone(**wrong), *[3] * len(wrong.get("keys", ())))


# -- look-up tables


def test_an_identity_changes_nothing() -> None:
    for size in (2, 17, 33):
        cube = Cube.of(identity(size))
        for frame in (noise(), ramp()):
            made = cube.apply(frame, 1.0, BUFFERS)
            assert np.abs(made.astype(int) - frame).max() <= 1
    # In 8 bits, it is the same to the last one.
    display = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    for light in LIGHTS:
        assert np.array_equal(
            from_mix(done(Toned(cube=cube), to_mix(display, light), light), light), display
        )


def test_inversion_and_exchange_of_channels() -> None:
    frame = noise()
    made = Cube.of(1 - identity(5)).apply(frame, 1.0, BUFFERS)
    assert np.abs(made.astype(int) - (65535 - frame)).max() <= 1
    made = Cube.of(identity(5)[..., [1, 2, 0]]).apply(frame, 1.0, BUFFERS)
    assert np.abs(made.astype(int) - frame[:, :, [1, 2, 0]]).max() <= 1


def test_what_leaves_the_range_is_cut_off() -> None:
    frame = noise()
    made = Cube.of(4 * identity(5) - 1.5).apply(frame, 1.0, BUFFERS)
    assert np.abs(made - np.clip(4.0 * frame - 1.5 * 65535, 0, 65535)).max() <= 2


def test_threads_may_use_one_table() -> None:
    cube, frames = wild(), [noise(seed=seed) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda frame: cube.apply(frame, 1.0, Buffers()), frames))
    for frame, found in zip(frames, made, strict=True):
        assert np.array_equal(found, cube.apply(frame, 1.0, BUFFERS))


def _tetrahedral(cube: Cube, frame: np.ndarray) -> np.ndarray:
    """Along the three axes, that of the greatest remainder first."""
    size = len(cube.table)
    at = shares(frame.reshape(-1, 3)) * (size - 1)
    base = np.minimum(at.astype(int), size - 2)
    rest = at - base
    corner, rows = base.copy(), np.arange(len(at))
    value = cube.table[corner[:, 2], corner[:, 1], corner[:, 0]].astype(np.float64)
    for axis in np.argsort(-rest, axis=1).T:
        before = cube.table[corner[:, 2], corner[:, 1], corner[:, 0]].astype(np.float64)
        corner[rows, axis] += 1
        after = cube.table[corner[:, 2], corner[:, 1], corner[:, 0]]
        value += rest[rows, axis][:, None] * (after - before)
    found: np.ndarray = np.clip(value.reshape(frame.shape), 0, 1) * 65535
    return found


@pytest.mark.parametrize("shape", [(48, 37), (1, 1), (7, 640)])
def test_a_table_is_interpolated_over_tetrahedra(shape: tuple[int, int]) -> None:
    cube, frame = wild(), noise(*shape)
    made = cube.apply(frame, 1.0, BUFFERS)
    assert np.abs(made - _tetrahedral(cube, frame)).max() <= 2


def test_a_table_agrees_with_the_ffmpeg_program(tmp_path: Path) -> None:
    cube, frame = wild(17), noise(64, 96)
    (tmp_path / "wild.cube").write_text(cube_text(cube), encoding="utf-8")
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb48le"),
        *("-s", "96x64", "-i", "-", "-vf", "lut3d=wild.cube:interp=tetrahedral"),
        *("-f", "rawvideo", "-pix_fmt", "rgb48le", "-"),
    ]
    run = subprocess.run(
        command, input=frame.tobytes(), capture_output=True, check=True, cwd=tmp_path
    )
    theirs = np.frombuffer(run.stdout, np.uint16).reshape(frame.shape).astype(int)
    ours = read_cube(tmp_path / "wild.cube").apply(frame, 1.0, BUFFERS)
    assert np.abs(ours - theirs).max() <= 1


def test_a_domain_is_where_the_ends_of_a_table_are() -> None:
    low, high = (0.25, 0.0, -0.5), (0.75, 2.0, 1.5)
    made = Cube.of(identity(5), low, high).apply(noise(), 1.0, BUFFERS)
    wanted = np.clip((shares(noise()) - low) / np.subtract(high, low), 0, 1) * 65535
    assert np.abs(made - wanted).max() <= 2
    line = Cube.of(np.linspace(0, 1, 7)[:, None].repeat(3, 1), low, high)
    assert np.abs(line.apply(noise(), 1.0, BUFFERS) - wanted).max() <= 1


def test_a_table_of_one_dimension() -> None:
    table = np.stack([np.linspace(0, 1, 64) ** power for power in (0.5, 1.0, 2.0)], axis=-1)
    frame = noise()
    for strength in (1.0, 0.25):
        wanted = np.stack(
            [
                np.interp(shares(frame[..., c]), np.linspace(0, 1, 64), table[:, c])
                for c in range(3)
            ],
            axis=-1,
        )
        made = Cube.of(table).apply(frame, strength, BUFFERS)
        mixed = strength * wanted + (1 - strength) * shares(frame)
        assert np.abs(made - mixed * 65535).max() <= 1


def cube_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "look.cube"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


CORNERS = "".join(f"{r} {g} {b}\n" for b, g, r in product((0, 1), repeat=3))


def test_files_as_programs_write_them(tmp_path: Path) -> None:
    plain = read_cube(cube_file(tmp_path, f"LUT_3D_SIZE 2\n{CORNERS}"))
    assert np.array_equal(plain.table, identity(2))
    assert (plain.low, plain.high, plain.title) == ((0, 0, 0), (1, 1, 1), "")
    busy = (
        '\ufeff# made by hand\nTITLE "Night, no. 2"\n\nLUT_3D_SIZE 2\nDOMAIN_MIN 0 0 0\n'
        f"DOMAIN_MAX 1.0 1 1e0\n#a note\n{CORNERS.replace('1', '  1.000000 ')}\n\n# end\n"
    )
    for ends in ("\n", "\r\n", "\r"):
        found = read_cube(cube_file(tmp_path, busy.replace("\n", ends)))
        assert found == plain
        assert found.title == "Night, no. 2"
    ranged = read_cube(
        cube_file(tmp_path, f"LUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE -0.5 1.5\n{CORNERS}")
    )
    assert ranged.low == (-0.5,) * 3
    assert ranged.high == (1.5,) * 3
    assert ranged != plain
    line = read_cube(cube_file(tmp_path, "LUT_1D_SIZE 3\n0 0 0\n.5 .4 .3\n1 1 1\n"))
    assert np.array_equal(line.table, np.array([[0, 0, 0], [0.5, 0.4, 0.3], [1, 1, 1]], np.float32))


@given(st.integers(2, 4), st.integers(0, 99), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_table_written_and_read_is_the_same(size: int, seed: int, solid: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (size, size, size, 3) if solid else (size, 3)
    low, high = (-0.1, 0.0, 0.125), (1.0, 1.0 / 3, 2.0)
    cube = Cube.of(rng.normal(size=shape), low, high, "a title")
    path = Path(_FOLDER.name) / "again.cube"
    path.write_text(cube_text(cube), encoding="utf-8")
    again = read_cube(path)
    assert again == cube
    assert again.title == cube.title
    assert np.array_equal(again.table, cube.table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"look.cube:1: the file has no LUT_3D_SIZE"),
        ("LUT_3D_SIZE 1\n", r":1: LUT_3D_SIZE 1 is not from 2 to 129"),
        ("LUT_3D_SIZE 500\n", r":1: LUT_3D_SIZE 500 is not from 2 to 129"),
        ("LUT_1D_SIZE 99999\n", r":1: LUT_1D_SIZE 99999 is not from 2 to 65536"),
        ("LUT_3D_SIZE 2.5\n", r":1: LUT_3D_SIZE 2.5 is not from 2"),
        ("LUT_3D_SIZE two\n", r":1: LUT_3D_SIZE wants one number, not 'two'"),
        ("LUT_3D_SIZE 2\nLUT_3D_SIZE 2\n", r":2: LUT_3D_SIZE stands here a second time"),
        (f"LUT_3D_SIZE 2\n{CORNERS[:-6]}", r":8: LUT_3D_SIZE 2 wants 8 lines .* there are 7"),
        (f"LUT_3D_SIZE 2\n{CORNERS}0 0 0\n", r":10: LUT_3D_SIZE 2 wants 8 lines .* there are 9"),
        ("LUT_3D_SIZE 2\n\n0 0\n", r":3: a line of the table wants 3 numbers, not '0 0'"),
        ("LUT_3D_SIZE 2\n0,5 0,5 0,5\n", r":2: .* with a point for the decimals"),
        ("LUT_3D_SIZE 2\n0 nan 0\n", r":2: a line of the table wants 3 numbers"),
        ("LUT_3D_SIZE 2\ninf 0 0\n", r":2: a line of the table wants 3 numbers"),
        ("LUT_3D_SIZE 2\n0 0 0\nTITLE x\n", r":3: TITLE stands behind the start of the table"),
        ("LUT_IN_VIDEO_RANGE\n", r":1: LUT_IN_VIDEO_RANGE is not known"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 0 0\n", r":2: DOMAIN_MIN wants 3 numbers, not '0 0'"),
        (f"LUT_3D_SIZE 2\nDOMAIN_MAX 0 0 0\n{CORNERS}", r"the domain from .* is empty"),
        (f"LUT_3D_SIZE 2\nLUT_1D_SIZE 2\n{CORNERS}", r"a 1D and a 3D table; save it with one"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", r"look.cube: not a .cube file"),
        (b"\xff\xfe rubbish \xff", r":1: .*"),
    ],
)
def test_what_is_no_table_is_told_with_its_line(
    tmp_path: Path, text: str | bytes, words: str
) -> None:
    with pytest.raises(ProjectError, match=words):
        read_cube(cube_file(tmp_path, text))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_table_or_an_error(content: bytes) -> None:
    path = Path(_FOLDER.name) / "any.cube"
    path.write_bytes(b"LUT_1D_SIZE 2\n0 0 0\n" + content)
    with suppress(ProjectError):
        assert read_cube(path).table.shape == (2, 3)


# -- looks

LOOK = ToneLook(exposure=0.1 + 0.2, temperature=-30.0, saturation=1.25, curve=BENT, sharpen=0.4)


def test_a_look_saved_and_read_again_is_equal(tmp_path: Path) -> None:
    path = tmp_path / "looks" / "night.yaml"
    path.parent.mkdir()
    write_look(LOOK, path)
    assert read_look(path) == LOOK
    lut = cube_file(tmp_path, f"LUT_3D_SIZE 2\n{CORNERS}")
    write_look(ToneLook(lut=str(lut), lut_strength=0.5), path)
    assert "lut: ../look.cube" in path.read_text()
    found = read_look(path)
    assert Path(found.lut or "").resolve() == lut
    assert found.lut_strength == 0.5
    write_look(ToneLook(), path)
    assert read_look(path) == ToneLook()


def test_what_a_project_says_wins_over_its_look(tmp_path: Path) -> None:
    write_look(LOOK, tmp_path / "night.yaml")
    keys = (key(exposure=1.0),)
    tone = settled(Tone(look="night.yaml", saturation=1.0, lut="b.cube", keys=keys), tmp_path)
    assert tone == Tone(**{**LOOK.said, "saturation": 1.0}, lut=str(tmp_path / "b.cube"), keys=keys)
    assert settled(tone, tmp_path) == tone


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("satturation: 2\n", r"a.yaml:1:1: satturation: unknown key; did you mean saturation\?"),
        (
            "exposure: 1\nblack: 3\n",
            r"a.yaml:1:1: black: 3 is not from 0 to 0.9",
        ),
        ("exposure: bright\n", r"a.yaml:1:11: exposure: "),
        ("- 1\n", r"a.yaml:1:1: keys are wanted below it"),
        ("keys: []\n", r"a.yaml:1:1: keys: unknown key"),
        ("a: [\n", r"a.yaml:2:1: not valid YAML"),
    ],
)
def test_a_look_that_cannot_be_meant(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ProjectError, match=words):
        read_look(tmp_path / "a.yaml")


def test_looks_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no\.yaml: the look cannot be read: No such file"):
        settled(Tone(look="no.yaml"), tmp_path)
    with pytest.raises(ProjectError, match="the look cannot be written: No such file"):
        write_look(LOOK, tmp_path / "no" / "a.yaml")


def test_a_look_as_a_table_for_other_programs(tmp_path: Path) -> None:
    look = ToneLook(exposure=-0.3, temperature=20.0, saturation=1.2, curve=BENT, sharpen=1.0)
    write_cube(look, tmp_path / "a.cube", title='a "night"')
    cube = read_cube(tmp_path / "a.cube")
    assert cube.title == "a 'night'"
    assert cube.table.shape == (33, 33, 33, 3)
    smooth = np.stack(np.meshgrid(*[np.linspace(0.05, 0.9, 40)] * 2), -1)
    frame = np.rint(np.dstack([smooth, smooth.mean(2)]) * 65535).astype(np.uint16)
    wanted = done(Toned(-0.3, 20.0, saturation=1.2, curves=((1.0, BENT),)), frame, "display")
    off = np.abs(cube.apply(frame, 1.0, BUFFERS).astype(int) - wanted) / 65535
    assert off.max() < 0.015
    assert off.mean() < 0.001


def test_the_sample_looks_can_be_used() -> None:
    folder = Path(__file__).parents[1] / "configs" / "looks"
    paths = sorted(folder.glob("*.yaml"))
    assert paths
    for path in paths:
        assert not toning(settled(Tone(look=str(path)), folder)).idle
