"""What a project takes out of its stills, in the finished film."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import EPOCH, write_still

from timelapse import load
from timelapse.grade import Gain, to_mix
from timelapse.srgb import linear_of, shown_of


def flickering(place: Path, seed: int = 3, count: int = 40, share: float = 0.05) -> np.ndarray:
    """Textured stills that brighten slowly, and flicker; gives the flicker as factors of light."""
    place.mkdir()
    draw = np.random.default_rng(seed)
    texture = np.kron(draw.uniform(0.05, 0.5, (24, 32, 3)), np.ones((10, 10, 1)))
    gains = 1 + share * draw.uniform(-1, 1, count)
    for n, gain in enumerate(gains):
        light = texture * (1 + 0.01 * n) * gain
        pixels = np.rint(shown_of(np.clip(light, 0, 1)) * 255).astype(np.uint8)
        write_still(place / f"{n:03d}.png", pixels, EPOCH + n)
    return gains


def film(tmp_path: Path, roll: Path, name: str, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """The mean linear light of each frame, and the report."""
    words = {
        "roll": {"stills": str(roll), "utc_offset": "Z"},
        "schedule": {"speed": 25},
        "retime": {"blend": "nearest"},
        "output": {"size": "320x240", "preset": "ultrafast", "crf": 2},
    }
    source = tmp_path / f"{name}.yaml"
    source.write_text(json.dumps(words | more), encoding="utf-8")
    report = load(source).job().render(tmp_path / f"{name}.mp4")
    with av.open(str(tmp_path / f"{name}.mp4")) as frames:
        light = [
            linear_of(frame.to_ndarray(format="rgb24") / 255).mean()
            for frame in frames.decode(video=0)
        ]
    return np.array(light), report


def test_flicker_goes_and_the_slow_change_stays(tmp_path: Path) -> None:
    flickering(tmp_path / "roll")
    before, plain = film(tmp_path, tmp_path / "roll", "before")
    after, report = film(tmp_path, tmp_path / "roll", "after", grade={"deflicker": "15 s"})
    rough = [np.std(np.diff(np.log(light))) for light in (before, after)]
    assert rough[1] < 0.12 * rough[0]
    slope = [np.polyfit(np.arange(40), np.log(light), 1)[0] for light in (before, after)]
    assert slope[1] == pytest.approx(slope[0], rel=0.15)
    told = report["grade"]["deflicker"]
    assert told["flicker_after"] < 0.25 * told["flicker_before"]  # the slow change is in both
    assert plain["grade"] == {}
    assert report["plan"]["frames"] == 40


def test_hot_pixels_go_from_the_film_and_what_moves_stays(tmp_path: Path) -> None:
    """Two pixels that are always lit, over a scene that drifts; one light that moves with it."""
    place, draw = tmp_path / "roll", np.random.default_rng(5)
    place.mkdir()
    scene = np.kron(draw.integers(20, 90, (60, 80, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    defects = [(40, 70), (200, 33)]
    for n in range(24):
        pixels = scene[n : n + 240, 2 * n : 2 * n + 320].copy()
        pixels[100 - n, 160 - 2 * n] = 250
        for y, x in defects:
            pixels[y, x] = 240
        write_still(place / f"{n:03d}.png", pixels, EPOCH + n)
    _, plain = film(tmp_path, place, "film")
    assert plain["segments"]["rendered"] > 0
    _, report = film(tmp_path, place, "film", grade={"hot_pixels": "auto"})
    assert report["segments"]["reused"] == 0
    assert report["grade"]["hot_pixels"]["sensors"][0]["hot"] == len(defects)
    _, again = film(tmp_path, place, "film", grade={"hot_pixels": "auto"})
    assert again["segments"]["rendered"] == 0
    with av.open(str(tmp_path / "film.mp4")) as frames:
        for n, frame in enumerate(frames.decode(video=0)):
            luma = frame.to_ndarray(format="gray").astype(int)
            assert all(luma[y, x] < 130 for y, x in defects)
            assert luma[100 - n, 160 - 2 * n] > 180


def test_what_is_taken_out_is_part_of_what_a_segment_is_known_by(tmp_path: Path) -> None:
    flickering(tmp_path / "roll")
    whole = {"grade": {"deflicker": {"over": "15 s"}}}
    _, first = film(tmp_path, tmp_path / "roll", "film", **whole)
    _, again = film(tmp_path, tmp_path / "roll", "film", **whole)
    assert first["segments"]["rendered"] > 0
    assert again["segments"]["rendered"] == 0
    half = {"grade": {"deflicker": {"over": "15 s", "strength": "50 %"}}}
    _, other = film(tmp_path, tmp_path / "roll", "film", **half)
    assert other["segments"]["reused"] == 0
    assert other["key"] != first["key"]


def test_a_roll_without_flicker_is_left_as_it_is(tmp_path: Path) -> None:
    flickering(tmp_path / "roll", share=0.0)
    _, plain = film(tmp_path, tmp_path / "roll", "plain")
    _, graded = film(tmp_path, tmp_path / "roll", "graded", grade={"deflicker": "15 s"})
    assert [p["pixels"] for p in plain["parts"]] == [p["pixels"] for p in graded["parts"]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("light", ["linear", "display"])
def test_a_gain_is_of_linear_light_a_channel(kind: type, light: Any) -> None:
    top = np.iinfo(kind).max
    stills = np.random.default_rng(1).integers(0, top, (20, 30, 3), endpoint=True).astype(kind)
    gain = Gain(1.3, 0.8, 1.0, 16.0)
    found = to_mix(stills, light, None, gain) / 65535
    linear = linear_of(stills / top)
    product = linear * np.array(gain[:3])
    wanted = product / (1 - linear**16 + product**16) ** (1 / 16)
    wanted = wanted if light == "linear" else shown_of(wanted)
    assert np.abs(found - wanted).max() < 1 / 65535
    assert np.array_equal(to_mix(stills, light, None, Gain(1, 1, 1, 2.0)), to_mix(stills, light))


@pytest.mark.parametrize(
    ("grade", "says"),
    [
        ("{deflicker: 0 s}", "deflicker"),
        ("{deflicker: {over: -3 s}}", "over"),
        ("{deflicker: {area: [50 %, 0, 20 %, 1]}}", "area"),
        ("{deflickr: 15 s}", "did you mean deflicker"),
        ("{hot_pixels: always}", "hot_pixels"),
        ("{hot_pixels: {sure: 1}}", "sure"),
        ("{hot_pixels: {map: none.npz}}", "none.npz"),
    ],
)
def test_settings_that_cannot_be_meant_are_told_at_their_place(
    grade: str, says: str, tmp_path: Path
) -> None:
    flickering(tmp_path / "roll", count=3)
    source = tmp_path / "p.yaml"
    source.write_text(f"roll: {{stills: roll}}\nschedule: {{speed: 8}}\ngrade: {grade}\n")
    with pytest.raises(ValueError, match=rf"p\.yaml:3:.*{says}|{says}"):
        load(source).job().render(tmp_path / "film.mp4")
