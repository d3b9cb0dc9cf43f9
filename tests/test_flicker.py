"""Deflicker: what is needless goes, what is real stays, and nothing happens where nothing is."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import EPOCH, write_still
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from timelapse.cli import main
from timelapse.errors import ProjectError
from timelapse.grade.curves import curve_plot
from timelapse.grade.events import events_of
from timelapse.grade.flicker import Deflicker, Gains, measure
from timelapse.grade.levels import Area, Levels, Moving, levels_of
from timelapse.grade.light import lit
from timelapse.grade.smooth import middles, smoother
from timelapse.ingest import File, Still, scan
from timelapse.ingest.look import LOOK, LUMINANCE, look, measured
from timelapse.project import load
from timelapse.simulate.camera import Camera
from timelapse.srgb import linear_of, shown_of
from timelapse.times import CaptureTime, Seconds

COUNT, SIZE = 120, (128, 192)
Floats = NDArray[np.float64]


def smooth_noise(seed: int, scale: int, shape: tuple[int, int]) -> Floats:
    """Noise of that many pixels' size, from -1 to 1."""
    import cv2

    few = np.random.default_rng(seed).uniform(-1, 1, (shape[0] // scale + 2, shape[1] // scale + 2))
    return cv2.resize(few, shape[::-1], interpolation=cv2.INTER_CUBIC).astype(np.float64)


def scene(count: int = COUNT, brightness: float = 1.0, drift: float = 0.5) -> list[Floats]:
    """Linear light of stills: a texture that drifts, a bright thing that crosses, a slow dawn."""
    wide = (SIZE[0], SIZE[1] + int(drift * count) + 1)
    texture = smooth_noise(1, 24, wide) + 0.6 * smooth_noise(2, 7, wide)
    colour = np.array([1.0, 0.9, 0.75]) * 0.16 * brightness
    stills = []
    for at in range(count):
        left = int(drift * at)
        light = np.exp(0.8 * texture[:, left : left + SIZE[1], None]) * colour
        light *= np.exp(0.003 * at)
        x = int(1.4 * at) % (SIZE[1] - 16)
        light[50:66, x : x + 16] = 0.7 * brightness
        stills.append(light)
    return stills


def shown(light: Floats) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(shown_of(np.clip(light, 0, 1)) * 255).astype(np.uint8)
    return levels


def times_of(count: int, interval: float = 1.0) -> Floats:
    jitter = np.random.default_rng(5).uniform(-0.2, 0.2, count) * interval
    times = np.arange(count) * interval + jitter
    from_first: Floats = times - times[0]
    return from_first


def spaced(count: int) -> Floats:
    """Times of a still every two seconds."""
    return np.linspace(0, 2 * (count - 1), count)


def levels(
    stills: list[NDArray[np.uint8]],
    times: Floats | None = None,
    exposure: Floats | None = None,
) -> Levels:
    rows = np.array([measured(still, (still.shape[1], still.shape[0])) for still in stills])
    return Levels(
        times_of(len(stills)) if times is None else times,
        rows["patches"].astype(np.float32),
        np.full(len(stills), np.nan) if exposure is None else exposure,
    )


def applied(still: NDArray[np.uint8], at: int, gains: Gains) -> Floats:
    """Linear light of a still, corrected."""
    light = linear_of(still / 255)
    bent = gains.shoulder, gains.black
    return np.stack([lit(light[..., c], gains.gains[at, c], *bent) for c in range(3)], -1)


def curve(stills: list[Floats]) -> Floats:
    """The logarithm of the mean luminance."""
    return np.array([np.log((still @ LUMINANCE).mean()) for still in stills])


def corrected(stills: list[NDArray[np.uint8]], gains: Gains) -> list[Floats]:
    return [applied(still, at, gains) for at, still in enumerate(stills)]


def flickering(stills: list[Floats], size: float, seed: int = 3) -> list[NDArray[np.uint8]]:
    factors = np.exp(size * np.random.default_rng(seed).standard_normal(len(stills)))
    return [shown(still * factor) for still, factor in zip(stills, factors, strict=True)]


def fall(before: Floats, after: Floats, truth: Floats) -> float:
    """By what share the noise from still to still, beside the true curve, has fallen."""
    return 1 - float(np.diff(after - truth).std() / np.diff(before - truth).std())


# ------------------------------------------------------------------ flicker goes


@pytest.mark.parametrize("per_channel", [False, True])
def test_flicker_of_five_percent_falls_by_95(per_channel: bool) -> None:
    clean = scene()
    stills = flickering(clean, 0.05)
    gains = measure(levels(stills), Deflicker(per_channel=per_channel))
    before, after = (curve(s) for s in ([linear_of(s / 255) for s in stills],
                                        corrected(stills, gains)))  # fmt: skip
    assert fall(before, after, curve(clean)) >= 0.95
    assert not gains.flashes
    assert not gains.steps
    # the dawn is as it was
    assert abs((after - curve(clean))[20:-20]).max() < 0.04  # slow noise is not flicker
    dawn = [c[-20:].mean() - c[:20].mean() for c in (curve(clean), after)]
    assert dawn[1] == pytest.approx(dawn[0], abs=0.03)


def test_the_simulated_night_flickers_less_by_95_percent() -> None:
    """Half of it is below a hundredth of white, over a black that does not flicker; lights pass."""
    camera, count = Camera((320, 180), 10), 40
    factors = np.exp(0.05 * np.random.default_rng(3).standard_normal(count))
    stills, clean = (
        [camera.expose(450 + at / 2, at, float(by)) for at, by in enumerate(gains)]
        for gains in (factors, np.ones(count))
    )
    gains = measure(levels(stills, np.arange(count) / 2))
    before, true = (curve([linear_of(s / 255) for s in roll]) for roll in (stills, clean))
    assert fall(before, curve(corrected(stills, gains)), true) >= 0.95
    assert not gains.flashes
    assert not gains.steps
    # the simulator adds 0.0011 to all light
    assert 0.0006 < gains.black < 0.0014
    light = np.log(gains.gains[:, 1]) + np.log(factors)
    assert np.diff(light).std() < 0.05 * np.diff(np.log(factors)).std()


def test_colour_flicker_needs_the_channels_apart() -> None:
    clean = scene()
    red = np.exp(0.05 * np.random.default_rng(4).standard_normal(COUNT))
    stills = [shown(still * [by, 1, 1]) for still, by in zip(clean, red, strict=True)]
    true = np.array([np.log(still[..., 0].mean()) for still in clean])
    falls = []
    for apart in (False, True):
        gains = measure(levels(stills), Deflicker(per_channel=apart))
        before = np.array([np.log(linear_of(s[..., 0] / 255).mean()) for s in stills])
        after = np.array([np.log(s[..., 0].mean()) for s in corrected(stills, gains)])
        falls.append(fall(before, after, true))
    assert falls[0] < 0.5 < 0.95 <= falls[1]


def test_strength_takes_a_share() -> None:
    stills = flickering(scene(), 0.05)
    measured_levels = levels(stills)
    whole, half, none = (
        np.log(measure(measured_levels, Deflicker(strength=s)).gains) for s in (1, 0.5, 0)
    )
    np.testing.assert_allclose(half, whole / 2)
    assert not none.any()


def test_a_reference_area_is_what_counts() -> None:
    """Left of the picture lamps go on and off; the sky at the right flickers by itself."""
    clean = scene(drift=0)
    rng = np.random.default_rng(6)
    lamps, sky = (np.exp(0.05 * rng.standard_normal(COUNT)) for _ in range(2))
    stills = []
    for still, left, right in zip(clean, lamps, sky, strict=True):
        both = still * right
        both[:, :120] = still[:, :120] * left
        stills.append(shown(both))
    here: Area = (0.7, 0, 1, 1)
    unmoved = Moving(((CaptureTime(Fraction(0)), here),))
    fixed, moving = (measure(levels(stills), Deflicker(area=area)) for area in (here, unmoved))
    np.testing.assert_array_equal(fixed.gains, moving.gains)
    seen = [slice(None), slice(136, None)]
    before = np.array([np.log(linear_of(s[seen[0], seen[1]] / 255).mean()) for s in stills])
    after = np.array([np.log(s[seen[0], seen[1]].mean()) for s in corrected(stills, fixed)])
    true = np.array([np.log(s[seen[0], seen[1]].mean()) for s in clean])
    assert fall(before, after, true) >= 0.9


def test_a_reference_area_moves_with_what_is_good_to_go_by() -> None:
    """A wall that flickers as the stills do goes from left to right between lamps that do as they
    like: only who follows it sees the flicker."""
    rng = np.random.default_rng(7)
    clean = scene(drift=0)
    flicker, *lamps = (np.exp(0.06 * rng.standard_normal(COUNT)) for _ in range(3))
    stills = []
    for at, still in enumerate(clean):
        left = round(at / (COUNT - 1) * (SIZE[1] - 64))
        lit_up = still * lamps[0][at]
        lit_up[:, left + 32 :] = still[:, left + 32 :] * lamps[1][at]
        lit_up[:, left : left + 64] = still[:, left : left + 64] * flicker[at]
        stills.append(shown(lit_up))
    found = replace(levels(stills, np.arange(COUNT, dtype=np.float64)), first=EPOCH)
    third = 1 / 3
    follows = Moving(((EPOCH, (0, 0, third, 1)), (EPOCH + (COUNT - 1), (1 - third, 0, 1, 1))))
    stays: Area = (0, 0, third, 1)

    def left_of(area: Area | Moving) -> float:
        gains = np.log(measure(found, Deflicker(area=area)).gains[:, 1])
        return float(np.diff(gains + np.log(flicker)).std() / np.diff(np.log(flicker)).std())

    assert left_of(follows) < 0.1 < 0.5 < left_of(stays)


def test_a_moving_area_is_held_at_its_ends_and_even_between() -> None:
    moving = Moving(((EPOCH + 10, (0, 0, 0.5, 1)), (EPOCH + 20, (0.5, 0.2, 1, 1))))
    found = moving.at(np.array([0.0, 10.0, 15.0, 20.0, 99.0]), EPOCH)
    np.testing.assert_allclose(found[:2], [[0, 0, 0.5, 1]] * 2)
    np.testing.assert_allclose(found[2], [0.25, 0.1, 0.75, 1])
    np.testing.assert_allclose(found[3:], [[0.5, 0.2, 1, 1]] * 2)
    same = Moving(((EPOCH + 10, (0, 0, 0.5, 1)), (EPOCH + 20, (0.5, 0.2, 1, 1))))
    assert hash(Deflicker(area=moving)) == hash(Deflicker(area=same))
    assert repr(moving) == repr(same)
    with pytest.raises(ProjectError, match="is not after the key before"):
        Moving(moving.keys[::-1])
    with pytest.raises(ProjectError, match="no keys"):
        Moving(())


AREAS = {
    "[20 %, 0, 1, 60 %]": "",
    "[{at: T+4 s, box: [0, 0, 1, 1]}, {at: '2018-11-16T18:14:20Z', box: [0, 0, 1, 60 %]}]": "",
    "[{at: still 003, box: [0, 0, 1, 1]}, {at: 1 s, box: [0, 0, 1, 60 %]}]": "",
    "[50 %, 0, 20 %, 1]": r"3:27: grade\.deflicker\.area: .*shares of a still",
    "[{at: T+4 s, box: [0, 0, 0, 1]}]": r"3:45: grade\.deflicker\.area\[0\]\.box: .*shares of a",
    "[{at: T+4 s}]": r"3:28: grade\.deflicker\.area\[0\]: needs box",
    "[{at: still none, box: [0, 0, 1, 1]}]": r"3:33: grade\.deflicker\.area\[0\]\.at: .*none",
    "[{at: T+4 s, box: [0, 0, 1, 1]}, {at: T+4 s, box: [0, 0, 1, 60 %]}]": (
        r"3:65: grade\.deflicker\.area\[1\]\.at: .*not after the key before"
    ),
    "[]": r"3:27: grade\.deflicker\.area",
}


@pytest.mark.parametrize(("area", "says"), AREAS.items())
def test_areas_are_read_on_any_clock_and_told_at_their_place(
    area: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "roll").mkdir()
    for at in range(16):
        write_still(tmp_path / "roll" / f"{at:03}.jpg", shown(scene(1)[0]), EPOCH + at)
    source = tmp_path / "p.yaml"
    source.write_text(
        f"roll: {{stills: roll}}\nschedule: {{speed: 5}}\ngrade: {{deflicker: {{area: {area}}}}}\n"
    )
    if says:
        with pytest.raises(ProjectError, match=says):
            load(source).job()
        return
    project = load(source)
    found = project.deflicker(project.scan())
    assert found is not None
    if isinstance(found.area, Moving):
        ends = [(EPOCH + 4, EPOCH + 12), (EPOCH + 3, EPOCH + 5)]
        assert tuple(when for when, _ in found.area.keys) in ends
    else:
        assert found.area == (0.2, 0, 1, 0.6)


# ------------------------------------------------------------------ what is real stays


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_flashes_and_steps_keep_their_height(noise: float) -> None:
    """A flash that adds light to all of the picture, here more and there less; a plume that lights
    a corner; a step of 30 percent."""
    clean = scene()
    stray = 0.2 * (1 + smooth_noise(9, 40, SIZE))[..., None] * [1, 1, 1.2]
    for at in (40, 41):
        clean[at] = clean[at] + stray
    clean[60][:40, :60] += 0.5
    for at in range(80, COUNT):
        clean[at] = clean[at] * 1.3
    stills = flickering(clean, noise)
    gains = measure(levels(stills))
    before = curve([linear_of(s / 255) for s in stills])
    after = curve(corrected(stills, gains))
    flash = [(c[40:42] - (c[36:40].mean() + c[42:46].mean()) / 2).mean() for c in (before, after)]
    step = [(c[82:100].mean() - c[60:78].mean()) for c in (curve(clean), after)]
    assert gains.steps == (80,)
    assert set(gains.flashes) == {40, 41}
    plume = [c[60] - (c[58] + c[62]) / 2 for c in (curve(clean), after)]
    if not noise:
        assert np.expm1(flash[1]) == pytest.approx(np.expm1(flash[0]), rel=0.02)
        assert np.expm1(plume[1]) == pytest.approx(np.expm1(plume[0]), rel=0.02)
    assert np.expm1(step[1]) == pytest.approx(np.expm1(step[0]), rel=0.02)
    # sharp on both sides: not one still in between
    assert after[80] - after[79] == pytest.approx(np.log(1.3), abs=0.005 + 2 * noise)


def test_a_single_still_of_another_exposure_is_no_flash() -> None:
    clean = scene()
    stills = [shown(still * (1.25 if at == 50 else 1)) for at, still in enumerate(clean)]
    gains = measure(levels(stills))
    assert not gains.flashes
    after = curve(corrected(stills, gains))
    assert abs((after - curve(clean))[50]) < 0.02


@pytest.mark.parametrize("brightness", [1.0, 0.05])
@pytest.mark.parametrize("drift", [0, 1, 4])
def test_a_clean_roll_stays_as_it_is(brightness: float, drift: int) -> None:
    """No pixel changes by more than one level, however much moves."""
    stills = [shown(still) for still in scene(brightness=brightness, drift=drift)]
    gains = measure(levels(stills), Deflicker(per_channel=True, white_balance=Seconds(60)))
    for at in range(0, COUNT, 7):
        after = shown(applied(stills[at], at, gains)).astype(int)
        assert abs(after - stills[at].astype(int)).max() <= 1


def test_light_that_rises_ever_faster_from_the_first_still_is_left_alone() -> None:
    """Neither a step nor an odd still: a curve, of one stop within 15 stills."""
    clean = [
        still * 2 ** (np.tanh((at - 10) / 7.5) / 2 - 1)
        for at, still in enumerate(scene(60, drift=0))
    ]
    gains = measure(levels([shown(still) for still in clean], spaced(60)))
    assert not gains.steps
    assert gains.idle or abs(np.log2(gains.gains)).max() < 0.005


def test_flicker_goes_at_the_ends_of_a_roll_too() -> None:
    """From one side alone the level is known less well: a half of the flicker is left there at
    most, a third within; a steady dawn goes on to its end."""
    size, count, left = 0.05, 60, []
    clean = scene(count)
    for seed in range(6):
        stills = flickering(clean, size, seed)
        by = size * np.random.default_rng(seed).standard_normal(count)
        found = measure(levels(stills, spaced(count)))
        left.append((by + np.log(found.gains[:, 1])) / size)
        assert not found.steps
    rms = np.sqrt(np.mean(np.square(left), axis=0))
    assert np.sqrt(np.mean(rms[[0, 1, -2, -1]] ** 2)) < 0.6
    assert np.sqrt(np.mean(rms[8:-8] ** 2)) < 0.33


@given(st.integers(20, 80), st.floats(-0.02, 0.02), st.sampled_from([0, 1, -2, -1]))
@settings(max_examples=30, deadline=None)
def test_only_the_odd_still_at_the_end_of_a_ramp_stands_out(
    count: int, slope: float, odd: int
) -> None:
    ramp: Floats = np.float64(slope) * np.arange(count)
    patches = np.zeros((count, 4), np.float32)
    assert not events_of(patches, patches + 1, ramp, 8).outside.any()
    ramp[odd] -= 0.4
    found = events_of(patches, patches + 1, ramp, 8)
    assert np.flatnonzero(found.outside).tolist() == [odd % count]
    assert not found.steps.any()


def test_night_is_not_amplified() -> None:
    """What is noise alone is left alone, and black skies with a few lights gain nothing."""
    rng = np.random.default_rng(8)
    stills = [np.abs(rng.normal(0, 2.5, (*SIZE, 3))).astype(np.uint8) for _ in range(60)]
    for still in stills[::2]:
        still[:] = still * 0.5
    assert measure(levels(stills)).gains.max() < 1.01


def test_few_stills_and_unreadable_ones_gain_nothing() -> None:
    stills = flickering(scene(40), 0.05)
    assert measure(levels(stills[:2])).idle
    broken = levels(stills)
    light = broken.light.copy()
    light[7] = 0
    gains = measure(replace(broken, light=light))
    assert (gains.gains[7] == 1).all()
    assert not (gains.gains[8] == 1).all()
    assert measure(Levels(np.zeros(0), np.zeros((0, 16, 24, 3), np.float32), np.zeros(0))).idle


# ------------------------------------------------------------------ exposure, white balance


def test_a_ramp_in_thirds_of_a_stop_comes_out_smooth() -> None:
    """Dusk: the scene falls by four stops, the camera follows by thirds; EXIF is rounded."""
    count = 240
    still = scene(1, brightness=0.6)[0]
    scene_stops = -4 * np.arange(count) / (count - 1)
    opened = np.floor(-scene_stops * 3) / 3
    told = np.log2([1 / 60 * 2**s for s in opened])
    told = np.round(told * 3) / 3 + 0.04 * np.sin(np.arange(count) // 20)
    stills = [shown(still * 2 ** (s + o)) for s, o in zip(scene_stops, opened, strict=True)]
    gains = measure(levels(stills, times_of(count, 10), told))
    before = curve([linear_of(s / 255) for s in stills])
    after = curve(corrected(stills, gains))
    assert len(gains.jumps) >= 11
    third = np.log(2) / 3
    assert abs(np.diff(before)).max() > 0.9 * third
    assert abs(np.diff(after)).max() < 0.1 * third
    # the camera held it even but for its steps: it still does
    assert abs(after - before.mean()).max() < 0.6 * third
    unlevelled = measure(levels(stills, times_of(count, 10), told), Deflicker(exposure=False))
    assert abs(np.diff(curve(corrected(stills, unlevelled)))).max() > 0.5 * third


def test_a_flickering_ramp_in_thirds_of_a_stop_is_levelled_as_well() -> None:
    count = 240
    still, rng = scene(1, brightness=0.6)[0], np.random.default_rng(11)
    scene_stops = -4 * np.arange(count) / (count - 1)
    told = np.floor(-scene_stops * 3) / 3
    stops = scene_stops + told + rng.normal(0, 0.07, count)
    stills = [shown(still * 2**s) for s in stops]
    gains = measure(levels(stills, times_of(count, 10), told))
    after = curve(corrected(stills, gains))
    assert len(gains.jumps) == 12
    assert abs(np.diff(after)).max() < 0.1 * np.log(2) / 3


@pytest.mark.parametrize("borne_out", [False, True])
def test_exposure_is_levelled_as_far_as_it_is_seen(borne_out: bool) -> None:
    """A camera that travels meters each scene anew: its stills differ by much, but not by what it
    changed.  One that stands and is set by hand shows each change."""
    count, rng = 40, np.random.default_rng(12)
    told = np.round(3 * rng.normal(0, 0.5, count)) / 3
    seen = told if borne_out else 0.15 * rng.standard_normal(count)
    textures = [smooth_noise(0 if borne_out else at, 24, SIZE) for at in range(count)]
    stills = [
        shown(0.1 * 2**stops * np.exp(0.8 * texture[..., None]) * [1.0, 0.9, 0.75])
        for texture, stops in zip(textures, seen, strict=True)
    ]
    gains = measure(levels(stills, times_of(count, 4), told))
    before, after = curve([linear_of(s / 255) for s in stills]), curve(corrected(stills, gains))
    if borne_out:
        assert np.diff(after).std() < 0.06 * np.diff(before).std()
    else:
        assert not gains.jumps
        assert gains.idle


def test_stills_that_were_levelled_already_are_not_levelled_again() -> None:
    stills = [shown(still) for still in scene()]
    told = np.where(np.arange(COUNT) < 60, 0.0, 1.0)
    gains = measure(levels(stills, exposure=told))
    assert not gains.jumps
    assert abs(np.log2(gains.gains)).max() < 0.02


def test_white_balance_comes_out_even() -> None:
    clean = scene()
    rng = np.random.default_rng(10)
    warmth = np.exp(np.repeat(rng.normal(0, 0.06, COUNT // 6), 6))
    stills = [shown(still * [w, 1, 1 / w]) for still, w in zip(clean, warmth, strict=True)]
    gains = measure(levels(stills), Deflicker(white_balance=Seconds(60)))

    def warm(pictures: list[Floats]) -> Floats:
        return np.array([np.log(p[..., 0].mean() / p[..., 2].mean()) for p in pictures])

    before, after = warm([linear_of(s / 255) for s in stills]), warm(corrected(stills, gains))
    assert fall(before, after, warm(clean)) >= 0.9
    np.testing.assert_allclose(np.log(gains.gains) @ LUMINANCE, np.log(gains.gains).mean(1) * 0,
                               atol=0.03)  # fmt: skip


def test_what_cameras_say_is_read_and_held_together() -> None:
    def still(n: int, **said: object) -> Still:
        file = File(f"{n}.jpg", 1, 0)
        return Still(file, EPOCH + n, (64, 48), 1, 8, "jpeg", "NIKON D5", **said)  # type: ignore[arg-type]

    whole = {"exposure": Fraction(1, 64), "aperture": Fraction(4), "iso": 800}
    stills = [still(0, **whole), still(1, **{**whole, "iso": 1600}), still(2), still(3, **whole)]
    stills += [still(4, exposure=Fraction(1, 64)), replace(still(5, **whole), camera="other")]
    found = levels_of(stills, np.zeros(6, LOOK))
    assert found.exposure[1] - found.exposure[0] == pytest.approx(1)
    assert found.exposure[0] == pytest.approx(-6 - 4 + np.log2(800))
    assert np.isnan(found.exposure).tolist() == [False, False, True, False, True, True]
    assert found.times.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_shutter_aperture_and_sensitivity_are_read(tmp_path: Path, ending: str) -> None:
    from PIL import Image
    from PIL.TiffImagePlugin import IFDRational

    for number, iso in enumerate((800, 65535)):
        exif = Image.Exif()
        inner = exif.get_ifd(0x8769)
        inner[0x9003], inner[0x8827] = f"2018:11:16 18:14:{number:02d}", iso
        inner[0x829A], inner[0x829D] = IFDRational(1, 50), IFDRational(28, 10)
        if iso == 65535:
            inner[0x8832] = 102400
        picture = Image.new("RGB", (64, 48), (9 * number, 0, 0))
        picture.save(tmp_path / f"{number}.{ending}", exif=exif.tobytes())
    stills = scan(tmp_path).stills
    assert [still.iso for still in stills] == [800, 102400]
    assert {still.aperture for still in stills} == {Fraction(14, 5)}
    assert {still.exposure for still in stills} == {Fraction(1, 50)}


# ------------------------------------------------------------------ the arithmetic


@given(
    gain=st.floats(0.25, 4),
    other=st.floats(0.25, 4),
    shoulder=st.sampled_from([1.0, 1.5, 2.0, 4.0, 8.0, 16.0]),
)
@settings(max_examples=60, deadline=None)
def test_gains_rise_add_up_and_keep_white(gain: float, other: float, shoulder: float) -> None:
    light = np.linspace(0, 1, 400)
    once = lit(light, gain, shoulder)
    assert once[0] == 0
    assert once[-1] == pytest.approx(1)
    assert (np.diff(once) >= -1e-12).all()
    assert once.max() <= 1 + 1e-12
    assert (once[1:-1] < 1).all()
    assert once[4] == pytest.approx(gain * light[4], rel=0.05)
    np.testing.assert_allclose(lit(np.minimum(once, 1), other, shoulder),
                               lit(light, gain * other, shoulder), atol=1e-9)  # fmt: skip


@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=40), st.floats(-3, 3), st.floats(-1, 1))
@settings(max_examples=40, deadline=None)
def test_smoothing_leaves_lines_as_they_are(gaps: list[float], at: float, slope: float) -> None:
    times = np.cumsum(gaps)
    line = at + slope * times
    for steadier in (1, 3):
        every = np.ones(len(times)), np.zeros(len(times), np.int64)
        smooth = smoother(times, 6.0, *every, steadier)
        np.testing.assert_allclose(smooth @ line, line, atol=1e-6)
        np.testing.assert_allclose(smooth @ np.ones(len(times)), 1)


def test_a_steadier_slope_hangs_less_on_the_last_values() -> None:
    times = np.arange(60.0)
    every = np.ones(60), np.zeros(60, np.int64)
    plain, steady = (
        np.sqrt((smoother(times, 8.5, *every, by).toarray() ** 2).sum(axis=1)) for by in (1, 3)
    )
    assert steady[0] < 0.72 * plain[0]
    np.testing.assert_allclose(steady[30], plain[30], rtol=1e-6)


def test_smoothing_never_crosses_a_step_nor_counts_what_is_left_out() -> None:
    times, values = np.arange(20.0), np.where(np.arange(20) < 10, 1.0, 5.0)
    parts = (np.arange(20) >= 10).astype(np.int64)
    counted = np.ones(20)
    values[4], counted[4] = 99, 0
    smooth = smoother(times, 8.0, counted, parts) @ values
    np.testing.assert_allclose(smooth, np.where(np.arange(20) < 10, 1.0, 5.0))


def test_middles_hold_against_a_third_of_outliers() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.5, 0.01, (4, 300))
    values[:, :100] += 1
    centre, spread = middles(values, np.ones_like(values))
    np.testing.assert_allclose(centre, 0.5, atol=0.01)
    assert (spread < 0.03).all()
    assert middles(values, np.zeros_like(values))[0].tolist() == [0, 0, 0, 0]


def test_parts_of_a_still_are_means_of_their_patches() -> None:
    light = np.random.default_rng(1).random((2, 16, 24, 3)).astype(np.float32)
    whole = Levels(np.arange(2.0), light, np.full(2, np.nan))
    np.testing.assert_allclose(whole.within((0, 0, 1, 1)).light, light, rtol=1e-5)
    half = whole.within((0.5, 0, 1, 1)).light
    np.testing.assert_allclose(half.mean((1, 2)), light[:, :, 12:].mean((1, 2)), rtol=1e-5)
    tiny = whole.within((0.51, 0.51, 0.52, 0.52)).light
    np.testing.assert_allclose(tiny, np.broadcast_to(light[:, 8:9, 12:13], tiny.shape), rtol=1e-5)


@pytest.mark.parametrize("area", [(0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.2), (0, 1, 1, 0)])
def test_areas_and_settings_that_make_no_sense_are_refused(area: Area) -> None:
    whole = Levels(np.arange(4.0), np.ones((4, 16, 24, 3), np.float32), np.full(4, np.nan))
    with pytest.raises(ProjectError, match="shares of a still"):
        measure(whole, Deflicker(area=area))
    with pytest.raises(ProjectError, match="strength"):
        Deflicker(strength=1.5)
    with pytest.raises(ProjectError, match="above zero"):
        Deflicker(over=Seconds(0))


# ------------------------------------------------------------------ what is told


def test_the_report_and_the_curves_tell_what_was_done() -> None:
    stills = flickering(scene(), 0.05)
    gains = measure(levels(stills))
    told = gains.as_json()
    assert told["flicker_before"] == pytest.approx(0.08, abs=0.02)
    assert told["flicker_after"] < 0.1 * told["flicker_before"]
    np.testing.assert_allclose(told["stops"], np.log2(gains.gains[:, 0]), atol=1e-4)
    coloured = measure(levels(stills), Deflicker(per_channel=True)).as_json()
    assert np.shape(coloured["stops"]) == (COUNT, 3)
    drawing = ElementTree.fromstring(curve_plot(gains, "<roll>"))
    lines = [line.get("points") for line in drawing.iter() if line.tag.endswith("polyline")]
    assert [len(line.split()) for line in lines if line] == [COUNT] * 3
    assert "&lt;roll&gt;" in curve_plot(gains, "<roll>")
    nothing = Levels(np.zeros(0), np.zeros((0, 16, 24, 3), np.float32), np.zeros(0))
    ElementTree.fromstring(curve_plot(measure(nothing)))


def test_scan_draws_the_curves(tmp_path: Path) -> None:
    folder = tmp_path / "roll"
    folder.mkdir()
    for at, still in enumerate(flickering(scene(24), 0.05)):
        write_still(folder / f"{at:03}.jpg", still, EPOCH + at)
    svg, page = tmp_path / "curves.svg", tmp_path / "page.html"
    options = ["scan", str(folder), "--plot", str(svg), "--html", str(page), "-q"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    assert len(ElementTree.fromstring(svg.read_text()).findall(".//{*}polyline")) == 3
    assert "from still to still by" in page.read_text()
    # the settings are the project's own, from its file or an option
    project = tmp_path / "p.yaml"
    project.write_text(
        "roll: {stills: roll}\nschedule: {speed: 1}\n"
        "grade: {deflicker: {area: [{at: T+5 s, box: [0, 0, 50 %, 1]}]}}\n"
    )
    none = ["--set", "grade.deflicker={strength: 0}"]
    drawn = {"": svg.read_text()}
    for name, asked in {"idle": [str(folder), *none], "area": [str(project)]}.items():
        done = CliRunner().invoke(main, ["scan", *asked, "--plot", str(svg), "-q"])
        assert done.exit_code == 0, done.output
        drawn[name] = svg.read_text()
    lines = {
        name: [
            line.get("points") for line in ElementTree.fromstring(text).iterfind(".//{*}polyline")
        ]
        for name, text in drawn.items()
    }
    assert lines["idle"][0] == lines["idle"][1]
    assert lines[""][0] != lines[""][1]
    assert lines["area"][2] not in (lines[""][2], lines["idle"][2])
    refused = CliRunner().invoke(main, ["scan", str(folder), "--plot", str(tmp_path / "a.png")])
    assert refused.exit_code != 0


# ------------------------------------------------------------------ real stills


def test_a_real_roll_flickers_less_and_keeps_its_ramp(shared: Path) -> None:
    roll = scan(shared / "pylapsy_deshake")
    gains = measure(levels_of(roll.stills, look(roll).rows))
    stills = [read(Path(still.file.path)) for still in roll.stills]
    before = curve([linear_of(still / 255) for still in stills])
    after = curve(corrected(stills, gains))
    assert 1 - np.diff(after).std() / np.diff(before).std() >= 0.8
    every = np.ones(len(before))
    slow = smoother(gains.times, 24.0, every, np.zeros(len(every), np.int64))
    # 4.3 percent of ramp; it stays to within a tenth of that
    assert np.ptp(slow @ before) > 0.04
    assert abs(slow @ after - slow @ before).max() < 0.0043
    assert not gains.jumps
    assert not gains.flashes


def read(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
