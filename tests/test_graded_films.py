"""All that is done to stills and frames, in finished frames whose right pixels are known."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import EPOCH, damage, write_still
from numpy.typing import NDArray

from timelapse.grade import Denoise, Grade, Tone
from timelapse.grade.defects import DefectMap, save
from timelapse.project import load
from timelapse.render import Findings, Job, frames, measured, render_all
from timelapse.render.segment import cut, segments

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
SIZE = (192, 144)
#: A frame a still; nothing of what is compared is dithered.
PLAIN: dict[str, Any] = {
    "schedule": {"speed": 25},
    "retime": {"blend": "nearest", "dither": "off"},
    "output": {"rate": 25, "preset": "ultrafast", "crf": 4},
}


def project(folder: Path, grade: Any = None, **more: Any) -> Path:
    """A project of the stills in `folder`, which shows each on one frame."""
    folder.parent.mkdir(exist_ok=True)
    path = folder.parent / "p.yaml"
    words = {"roll": {"stills": folder.name, "utc_offset": "Z"}, "grade": grade or {}}
    path.write_text(json.dumps(PLAIN | words | more, indent=1), encoding="utf-8")
    return path


def job_of(folder: Path, grade: Any = None, **more: Any) -> Job:
    return load(project(folder, grade, **more)).job()


def shown(job: Job, start: int = 0, stop: int | None = None) -> Bytes:
    """The finished frames [start, stop), N x H x W x 3."""
    return np.stack([frame.copy() for frame in frames(job, start, stop)])


def roll(
    folder: Path, stills: Iterable[Bytes], times: Sequence[int] | None = None, ending: str = "png"
) -> Path:
    """Writes stills, a second apart where no `times` are given."""
    folder.mkdir(parents=True)
    for n, pixels in enumerate(stills):
        at = times[n] if times else n
        write_still(folder / f"{n:03d}.{ending}", pixels, EPOCH + at, quality=97)
    return folder


@cache
def world(seed: int = 4, size: tuple[int, int] = (420, 300)) -> Floats:
    """A textured scene, coarse and fine, more here and less there: H x W x 3, in levels of 255."""
    draw = np.random.default_rng(seed)
    scene = np.full((size[1], size[0], 3), 96.0)
    for coarse, levels in ((1.6, 14), (4.0, 16), (14.0, 14)):
        grain = cv2.GaussianBlur(draw.normal(0, 1, scene.shape), (0, 0), coarse)
        here = cv2.GaussianBlur(draw.normal(0, 1, scene.shape[:2]), (0, 0), 20)
        scene += levels * grain / grain.std() * np.clip(here / here.std(), 0, 1.5)[:, :, None]
    return np.clip(scene, 20, 190)


def window(x: float, y: float, seed: int = 4) -> Floats:
    """What a still shows whose left top corner is at a place of the world."""
    matrix = np.array([[1, 0, -x], [0, 1, -y]], np.float64)
    seen = cv2.warpAffine(world(seed), matrix, SIZE, flags=cv2.INTER_CUBIC)
    return np.asarray(seen, np.float64)


def bytes_of(levels: Floats) -> Bytes:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def spot(levels: Floats, x: float, y: float, light: Any, wide: float) -> None:
    """Adds what a lens makes of a point of light, in place."""
    down, across = np.mgrid[: levels.shape[0], : levels.shape[1]]
    shape = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * wide**2))
    levels += shape[:, :, None] * np.asarray(light, np.float64)


def apart(one: Bytes, other: Bytes) -> int:
    """The largest difference of two frames, in levels of 255."""
    return int(np.abs(one.astype(int) - other).max())


def pixels(report: dict[str, Any]) -> list[str]:
    return [part["pixels"] for part in report["parts"]]


# ------------------------------------------------------------------ cosmic rays

#: Still, row and column of what hit it; the first and last of the film, and both sides of where a
#: segment of 50 frames ends.
HITS = [(0, 30, 40), (49, 70, 100), (50, 20, 150), (50, 90, 33), (99, 60, 60), (20, 101, 120)]


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 stills of stars that stand, one that moves, a flash in one still, a red strobe in
    another, and hits."""
    draw = np.random.default_rng(8)
    sky = np.full((SIZE[1], SIZE[0], 3), 24.0) + 6 * (window(50, 50) / 96 - 1)
    for x, y in draw.uniform(8, 130, (30, 2)):
        spot(sky, x, y, [120, 125, 118], 0.8)

    def still(n: int) -> Bytes:
        levels = sky.copy()
        spot(levels, 140 + 0.5 * n, 120.3, [180, 180, 180], 0.9)
        if n == 30:
            spot(levels, 170, 60, [220, 220, 220], 3)
        if n == 70:
            spot(levels, 165, 30, [220, 20, 20], 1.1)
        pixels = bytes_of(levels)
        for at, y, x in HITS:
            if at == n:
                pixels[y, x] = (40, 60, 235)
        return pixels

    return roll(tmp_path_factory.mktemp("struck") / "roll", map(still, range(100)))


def test_hits_go_and_all_else_stays(struck: Path) -> None:
    plain = shown(job_of(struck))
    job = job_of(struck, {"cosmic_rays": "auto"})
    pieces = [shown(job, 0, 50), shown(job, 50, 100)]
    clean = np.concatenate(pieces)
    near = np.zeros(plain.shape[:3], bool)
    for at, y, x in HITS:
        near[at, y - 1 : y + 2, x - 1 : x + 2] = True
        assert plain[at, y, x, 2] == 235
        around = plain[at, y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
        assert apart(clean[at, y, x], np.median(around, axis=0)) <= 6
    # The flash, the strobe, stars and the rest of the stills that were hit, to the last bit.
    np.testing.assert_array_equal(clean[~near], plain[~near])
    np.testing.assert_array_equal(shown(job), clean)


def test_segments_of_a_film_know_the_stills_before_and_after_them(struck: Path) -> None:
    one, two = segments(measured(job_of(struck, {"cosmic_rays": "auto"})))
    assert (one.shown, len(one.stills)) == (50, 51)
    assert (two.shown, len(two.stills)) == (50, 51)
    assert one.stills[-1].name == "050.png"
    assert two.stills[-1].name == "049.png"
    plain, _ = segments(job_of(struck))
    assert len(plain.stills) == 50


def test_a_still_that_is_kept_is_not_used_where_its_neighbours_are_others(tmp_path: Path) -> None:
    """What is taken for a hit stands in the next still as well, once that one is another."""
    levels = bytes_of(np.full((SIZE[1], SIZE[0], 3), 24.0) + 6 * (window(50, 50) / 96 - 1))
    hit = levels.copy()
    hit[60, 80] = (40, 60, 235)
    folder = roll(tmp_path / "roll", [levels, levels, hit, levels, levels])
    small = {"output": PLAIN["output"] | {"size": "96x72"}}

    def film(name: str, cache: int) -> list[str]:
        job = job_of(folder, {"cosmic_rays": "auto"}, **small)
        return pixels(job.render(tmp_path / name, cache=cache))

    clean = film("film.mp4", 1 << 26)
    write_still(folder / "003.png", hit, EPOCH + 3)
    other = film("film.mp4", 1 << 26)
    assert other == film("fresh.mp4", 0)
    assert other != clean
    seen = shown(job_of(folder, {"cosmic_rays": "auto"}))
    assert seen[2:4, 60, 80, 2].min() == 235


# ------------------------------------------------------------------ stabilise

SHAKES = np.random.default_rng(12).uniform(-6, 6, (16, 2)).round(2)
SHAKES[11] = 0


def shaken(disc: bool = False) -> Iterable[Bytes]:
    """What a shaken camera sees; `disc` puts a bright one on a fixed place of the world."""
    for x, y in SHAKES:
        levels = window(110 + x, 80 + y)
        if disc:
            spot(levels, 90 - x, 70 - y, [150, 150, 150], 3.5)
        yield bytes_of(levels)


@pytest.fixture(scope="module")
def shaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return roll(tmp_path_factory.mktemp("shaky") / "roll", shaken())


def offsets(film: Bytes, at: int = 11) -> Floats:
    """How far (x, y) each frame lies off one of them, by the phases of its middle."""
    grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)[20:-20, 20:-20].astype(float) for f in film]
    hanning = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_64F)
    return np.array([cv2.phaseCorrelate(grey[at], each, hanning)[0] for each in grey])


@pytest.mark.parametrize("border", ["crop", "black", "blur", "edge"])
def test_a_shaken_roll_is_held(shaky: Path, border: str) -> None:
    before = offsets(shown(job_of(shaky)))
    assert np.abs(before).max() > 5
    film = shown(job_of(shaky, {"stabilise": {"border": border, "reference": "011"}}))
    assert np.abs(offsets(film)).max() < 0.3


def test_the_reference_stays_where_it_is(shaky: Path) -> None:
    """Still 3 is not moved; all others are laid over it, and what they lack is filled."""
    plain = shown(job_of(shaky))
    how = {"camera": "fixed", "reference": "003", "model": "translation"}
    films = {
        border: shown(job_of(shaky, {"stabilise": how | {"border": border}}))
        for border in ("black", "blur", "edge")
    }
    for film in films.values():
        assert apart(film[3], plain[3]) <= 1
        assert np.abs(offsets(film, 3)).max() < 0.3
    checked = 0
    for n, (x, y) in enumerate(SHAKES - SHAKES[3]):
        left, right = x > 3, x < -3  # where the still does not reach
        if not (left or right) or abs(y) > 8:
            continue
        column = 0 if left else -1
        rows = slice(20, -20)
        black, blur, edge = (films[name][n, rows, column] for name in ("black", "blur", "edge"))
        assert black.max() == 0
        assert np.abs(blur.mean(axis=(0, 1)) - plain[n].mean(axis=(0, 1))).max() < 25
        inner = films["edge"][n, rows, 1 if left else -2]
        assert apart(edge, inner) <= 2
        checked += 1
    assert checked > 4


@pytest.mark.slow
def test_a_mask_leaves_out_what_moves_otherwise(tmp_path: Path) -> None:
    """Most of each still is a window frame that stands, and is masked; the rest shakes."""
    frame = bytes_of(window(20, 20, seed=9) * 1.2)
    stills = list(shaken())
    for pixels in stills:
        pixels[:, :95] = frame[:, :95]
        pixels[110:] = frame[110:]
    folder = roll(tmp_path / "roll", stills)
    mask = np.full((72, 96, 3), 255, np.uint8)
    mask[:, :50] = mask[52:] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    how = {"camera": "fixed", "reference": "011", "border": "edge"}

    def worst(more: Any) -> float:
        film = shown(job_of(folder, {"stabilise": how | more}))
        part = film[:, 4:106, 100:-6]
        grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY)[12:-12, 12:-12] for each in part]
        hanning = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_64F)
        own = grey[11].astype(float)
        found = [cv2.phaseCorrelate(own, each.astype(float), hanning)[0] for each in grey]
        return float(np.abs(found).max())

    assert worst({}) > 3
    assert worst({"mask": "mask.png"}) < 0.3
    assert worst({"ignore": [[0, 0, 0.52, 1], [0, 0.74, 1, 1]]}) < 0.3


def middle_of(frame: Bytes, near: Floats) -> Floats:
    """Where the disc is on a frame (x, y), looked for around a place."""
    x, y = np.rint(near).astype(int)
    part = frame[y - 12 : y + 13, x - 12 : x + 13].mean(axis=2)
    light = np.clip(part - 170, 0, None)
    assert light.max() > 30
    down, across = np.mgrid[y - 12 : y + 13, x - 12 : x + 13]
    return np.array([(light * across).sum(), (light * down).sum()]) / light.sum()


@pytest.mark.parametrize("follow", [False, True])
def test_callouts_stay_on_their_things(tmp_path: Path, follow: bool) -> None:
    folder = roll(tmp_path / "roll", shaken(disc=True))
    places = np.array([90, 70]) - SHAKES
    known = [11] if follow else range(len(SHAKES))
    points = [{"at": f"T+{n} s", "point": places[n].tolist()} for n in known]
    callout = {"kind": "callout", "label": "disc", "points": points, "follow": follow, "box": 21}
    job = measured(job_of(folder, {"stabilise": "auto"}, overlays=[callout]))
    assert job.found.steadied
    assert job.found.steadied.closer > 1.02
    bare = shown(replace(job, overlays=()))
    if follow:
        (track,) = job.tracks.values()
        x, y, seen = track.at([still.captured for still in job.plan.roll.stills])
        assert seen.all()
        points_seen = np.stack([x, y], axis=1)
    else:
        points_seen = places
    numbers = np.arange(len(SHAKES))
    placed = job.scene.place(points_seen, numbers)
    discs = np.array([middle_of(f, at) for f, at in zip(bare, placed, strict=True)])
    assert np.abs(placed - discs).max() < (0.8 if follow else 0.5)
    assert np.ptp(placed, axis=0).max() < (1.2 if follow else 0.5)
    # The ring is drawn around it: as much is changed on each side of the disc.
    labelled = shown(job)
    radius = SIZE[1] // 30 + 4
    for n in (3, 11, 15):
        x, y = np.rint(discs[n]).astype(int)
        near = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
        changed = np.abs(labelled[n][near].astype(int) - bare[n][near]).max(axis=2) > 40
        assert changed.any()
        for half in (changed[:radius], changed[:, :radius], changed[:, radius + 1 :]):
            assert half.any()


# ------------------------------------------------------------------ denoise


def noisy(levels: Iterable[Floats], deviation: float = 4.0, seed: int = 1) -> Iterable[Bytes]:
    draw = np.random.default_rng(seed)
    for each in levels:
        yield bytes_of(each + draw.normal(0, deviation, each.shape))


STOOD = [*range(8), *range(18, 26)]


@pytest.fixture(scope="module")
def grainy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene that stands, in noise; eight stills, a gap of ten seconds, eight stills."""
    folder = tmp_path_factory.mktemp("grainy") / "roll"
    return roll(folder, noisy([window(100, 80)] * len(STOOD)), STOOD)


def noise_of(film: Bytes) -> Floats:
    """The noise of each frame of the scene that stands, in levels."""
    off = film.astype(float) - bytes_of(window(100, 80))
    return np.asarray(off.std(axis=(1, 2, 3)))


def test_noise_falls_and_not_across_a_gap(grainy: Path) -> None:
    before = noise_of(shown(job_of(grainy))[STOOD])
    job = job_of(grainy, {"denoise": {"reach": 1}})
    falls = before / noise_of(shown(job)[STOOD])
    ends = [0, 7, 8, 15]
    inner = np.delete(falls, ends)
    assert inner.min() > 1.6  # of the square root of 3
    assert falls[ends].min() > 1.3  # of that of 2: only one neighbour, none from across the gap
    assert falls[ends].max() < 1.48
    wide = before / noise_of(shown(job_of(grainy, {"denoise": {"reach": 2}}))[STOOD])
    assert np.delete(wide, [0, 1, 6, 7, 8, 9, 14, 15]).min() > inner.max()


def test_strength_has_keys_on_the_clock_of_the_mission(grainy: Path) -> None:
    plain = shown(job_of(grainy))[STOOD]
    keys = [{"at": "T+3 s", "strength": 0}, {"at": "T+5 s", "strength": 1}]
    found = shown(job_of(grainy, {"denoise": {"keys": keys}}))[STOOD]
    np.testing.assert_array_equal(found[:4], plain[:4])
    falls = noise_of(plain) / noise_of(found)
    assert falls[9:15].min() > 1.6
    half = shown(job_of(grainy, {"denoise": {"strength": 0.5}}))[STOOD]
    np.testing.assert_array_equal(found[4], half[4])
    assert 1.2 < falls[4] < falls[5]


def test_noise_falls_in_a_roll_that_is_held(tmp_path: Path) -> None:
    levels = [window(110 + x, 80 + y) for x, y in SHAKES]
    folder = roll(tmp_path / "roll", noisy(levels))

    def noise(more: Any) -> float:
        """From frames of which no still, nor its neighbours, is in both."""
        film = shown(job_of(folder, {"stabilise": {"border": "crop"}} | more)).astype(float)
        off = film[3:] - film[:-3]
        fine = off - np.stack([cv2.GaussianBlur(each, (0, 0), 2) for each in off])
        return float(fine[:, 10:-10, 10:-10].std())

    assert noise({}) > 1.4 * noise({"denoise": "auto"})


def test_noise_falls_in_a_roll_that_shakes_and_is_not_held(tmp_path: Path, shaky: Path) -> None:
    """Neighbours are laid over a still before they are asked; also where it is turned."""
    levels = [window(110 + x, 80 + y) for x, y in SHAKES]
    folder = roll(tmp_path / "roll", noisy(levels))
    for framing in ({}, {"rotate": 90, "flip": "vertical"}):
        clean = shown(job_of(shaky, framing=framing)).astype(float)
        before = shown(job_of(folder, framing=framing)) - clean
        after = shown(job_of(folder, {"denoise": "auto"}, framing=framing)) - clean
        assert before.std() > 1.45 * after.std()


@pytest.mark.parametrize("stops", [1, 2])
def test_noise_is_known_in_stills_that_sidecars_light(tmp_path: Path, stops: int) -> None:
    """Light takes noise with it: four times as much of it is still noise."""
    folder = roll(tmp_path / "roll", noisy([window(100, 80) * 0.6] * 9))
    for still in sorted(folder.glob("*.png")):
        words = BRIGHTER.format(f'crs:Exposure2012="{stops:+d}.00"')
        still.with_suffix(".xmp").write_text(words, encoding="utf-8")
    found = [
        # stills of which none helps another
        shown(job_of(folder, {"sidecars": "auto"} | more))[1::3].astype(float).std(axis=0).mean()
        for more in ({}, {"denoise": "auto"})
    ]
    assert 1.55 < found[0] / found[1] < 1.75


# ------------------------------------------------------------------ everything


def everything(count: int = 52, seed: int = 6) -> Iterable[Bytes]:
    """A pan by a hand that shakes, over a scene that flickers and darkens, in noise, on a sensor
    with two hot pixels that a particle hits every seventh still."""
    draw = np.random.default_rng(seed)
    for n in range(count):
        x, y = draw.uniform(-3, 3, 2)
        light = (1 - 0.004 * n) * (1 + 0.03 * draw.uniform(-1, 1))
        levels = window(30 + 3 * n + x, 60 + n + y) * light
        levels += draw.normal(0, 2, levels.shape)
        pixels = bytes_of(levels)
        pixels[40, 50] = pixels[100, 140] = (230, 200, 210)
        if n % 7 == 3:
            at = draw.integers(10, (SIZE[1] - 10, SIZE[0] - 10))
            pixels[tuple(at)] = (30, 250, 40)
        yield pixels


AUTO = dict.fromkeys(
    ("hot_pixels", "cosmic_rays", "deflicker", "stabilise", "denoise", "sidecars"), "auto"
)
ALL = AUTO | {
    "tone": {
        "exposure": 0.3,
        "saturation": 1.1,
        "sharpen": 0.3,
        "keys": [{"at": "T+10 s", "exposure": 0.3}, {"at": "T+40 s", "exposure": 0.7}],
    }
}
#: Two frames a still, mixed; 104 frames are two segments.
FILM: dict[str, Any] = {
    "schedule": {"speed": 12.5},
    "retime": {"blend": "linear"},
    "milestones": [{"at": "T+25 s", "label": "half-way", "hold": "1 s"}],
}
BRIGHTER = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {} />'
    "</rdf:RDF></x:xmpmeta>"
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """52 stills with everything that can be put right."""
    folder = roll(tmp_path_factory.mktemp("whole") / "roll", everything())
    for n in range(20, 30):
        words = BRIGHTER.format(f'crs:Exposure2012="{n / 100:+.2f}" crs:Clarity2012="9"')
        (folder / f"{n:03d}.xmp").write_text(words, encoding="utf-8")
    return folder


def test_all_of_it_is_at_work(whole: Path) -> None:
    job = measured(job_of(whole, ALL, **FILM))
    found = job.found
    assert found.defects
    assert sorted(next(iter(found.defects.maps.values())).places.tolist()) == [[40, 50], [100, 140]]
    assert found.optics
    assert found.gains
    assert not found.gains.idle
    assert found.steadied
    assert not found.steadied.idle
    assert found.noise
    assert not found.noise.idle
    assert set(job.grade.stops) == set(range(20, 30))
    assert job.toning
    assert not job.toning.idle
    (warning,) = job.warnings
    assert "Clarity2012" in warning
    plain = shown(job.ungraded(), 20, 40)
    assert min(map(apart, shown(job, 20, 40), plain)) > 30


def test_who_renders_makes_no_difference(whole: Path, tmp_path: Path, decoded: list[str]) -> None:
    small = FILM | {"output": PLAIN["output"] | {"size": "96x72"}}  # of which stills are kept
    job = job_of(whole, ALL, **small)
    first = job.render(tmp_path / "one.mp4", workers=1, cache=0)
    assert len(first["parts"]) == 2
    kept = job.render(tmp_path / "two.mp4", workers=2, cache=1 << 28)
    assert pixels(kept) == pixels(first)
    decoded.clear()
    again = job.render(tmp_path / "three.mp4", workers=2, cache=1 << 28)
    assert pixels(again) == pixels(first)
    assert decoded == []
    twice = job_of(whole, ALL, **small).render(tmp_path / "one.mp4", workers=2)
    assert (twice["segments"]["rendered"], twice["segments"]["reused"]) == (0, 2)
    assert twice["sha256"] == first["sha256"] == again["sha256"]


def test_frames_are_the_same_wherever_a_film_is_cut(whole: Path) -> None:
    job = measured(job_of(whole, ALL, **FILM))
    film = shown(job)
    for start, stop in ((0, 1), (37, 44), (51, 53), (103, 104)):
        np.testing.assert_array_equal(shown(job, start, stop), film[start:stop])
    np.testing.assert_array_equal(shown(job_of(whole, ALL, **FILM), 60, 62), film[60:62])


def test_films_of_one_pass_are_as_each_alone(whole: Path, tmp_path: Path) -> None:
    outputs = [
        {"name": "wide", "size": "192x144", "preset": "ultrafast"},
        {"name": "tall", "size": "80x144", "fit": "crop", "preset": "ultrafast"},
    ]
    more = FILM | {"outputs": outputs, "output": {"rate": 25}}
    jobs = load(project(whole, ALL, **more)).jobs()
    assert len({id(job.plan) for _, job in jobs}) == 1
    reports = render_all([(job, tmp_path / f"{name}.mp4") for name, job in jobs], cache=0)
    for (name, job), report in zip(jobs, reports, strict=True):
        lone = job.render(tmp_path / f"lone-{name}.mp4", cache=0)
        assert pixels(lone) == pixels(report)
        assert lone["grade"] == report["grade"]


def test_segments_are_the_same_in_another_process(whole: Path) -> None:
    """A worker on another machine gets them pickled, and comes to their keys by itself."""
    planned = segments(measured(job_of(whole, ALL, **FILM)))
    sent = pickle.dumps(planned)  # before anybody asked for a key
    told = "import pickle, sys; print(*(s.key for s in pickle.load(sys.stdin.buffer)))"
    other = subprocess.run(
        [sys.executable, "-c", told],
        input=sent,
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    keys = [segment.key for segment in planned]
    assert other.stdout.decode().split() == keys
    assert len(set(keys)) == 2


def test_a_neighbour_that_cannot_be_decoded_is_done_without(tmp_path: Path) -> None:
    """At a still in four, still 5 is shown by no frame, and would help still 4."""
    stills = list(everything(24))
    folder = roll(tmp_path / "roll", stills, ending="jpg")
    damage(folder / "005.jpg")
    how = {"cosmic_rays": "auto", "denoise": "auto", "deflicker": "auto", "stabilise": "auto"}
    job = job_of(folder, how, schedule={"speed": 100})
    helped = cut(measured(job), 1, 2)
    assert helped.shown == 1
    assert "005.jpg" in {still.name for still in helped.stills[1:]}
    report = job.render(tmp_path / "film.mp4", cache=0)
    assert report["frames"] == 6
    assert any("005.jpg" in warning for warning in report["warnings"])
    findings = Findings()
    found = np.stack([f.copy() for f in frames(job, findings=findings)])
    assert list(findings.lost) == [5]
    np.testing.assert_array_equal(found, shown(measured(job).without([5])))


# ------------------------------------------------------------------ identity


def passing(n: int) -> Floats:
    """A steady pan, and a light that crosses it."""
    levels = window(60 + 1.5 * n, 60 + 0.5 * n)
    spot(levels, 20 + 4 * n, 100 - 2 * n, [90, 80, 60], 4)
    return levels


@pytest.mark.parametrize("moves", [True, False])
def test_a_clean_roll_is_left_as_it_is(tmp_path: Path, moves: bool) -> None:
    """Nothing is wrong with it: in a pan, and from a tripod where one light goes by."""
    still = window(100, 80)

    def levels(n: int) -> Floats:
        if moves:
            return passing(n)
        stands = still.copy()
        spot(stands, 20 + 4 * n, 100 - 2 * n, [90, 80, 60], 4)
        return stands

    folder = roll(tmp_path / "roll", (bytes_of(levels(n)) for n in range(36)))
    plain = shown(job_of(folder))
    job = measured(job_of(folder, AUTO))
    told = [warning for warning in job.warnings if "hot pixels cannot be told" in warning]
    assert bool(told) == (not moves)  # from what stands
    assert max(map(apart, shown(job), plain)) <= 1
    dithered = job_of(folder, AUTO, retime={"blend": "nearest"})
    assert max(map(apart, shown(dithered), plain)) <= 1


# ------------------------------------------------------------------ what decides a pixel


def test_films_of_one_pass_that_are_graded_differently_stay_apart(tmp_path: Path) -> None:
    """Two tones, and two strengths of denoising, over one plan."""
    draw = np.random.default_rng(3)
    still = window(90, 70)
    folder = roll(
        tmp_path / "roll", (bytes_of(still + draw.normal(0, 4, still.shape)) for _ in range(12))
    )
    job = job_of(folder, {"tone": {"exposure": 0.5}, "denoise": "auto"})
    plain = replace(job, tone=Tone(), toning=None)
    weak = replace(job, grade=replace(job.grade, denoise=Denoise(strength=0.3)))
    outs = [tmp_path / f"{n}.mp4" for n in range(3)]
    together = render_all(list(zip((job, plain, weak), outs, strict=True)), cache=0)
    for n, one in enumerate((job, plain, weak)):
        alone = one.render(tmp_path / f"alone{n}.mp4", cache=0)
        assert pixels(alone) == pixels(together[n])
    assert len({tuple(pixels(report)) for report in together}) == 3


def test_noise_is_known_whatever_was_measured_before(
    tmp_path: Path, shaky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same stills moved otherwise have other noise, also where they are not enlarged."""
    ways = [
        {"denoise": "auto", "stabilise": {"camera": camera, "border": "edge"}}
        for camera in ("fixed", "moving")
    ]
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "one"))
    found = [measured(job_of(shaky, way)).found.noise for way in ways]
    monkeypatch.setenv("TIMELAPSE_CACHE", str(tmp_path / "other"))
    again = [measured(job_of(shaky, way)).found.noise for way in reversed(ways)]
    assert found == again[::-1]
    assert found[0] != found[1]


def test_when_a_still_was_taken_decides_which_defects_are_in_it(tmp_path: Path) -> None:
    """The same stills by a clock that was put right: what a map knows is of another instant."""
    stills = [bytes_of(window(90, 70)) for _ in range(8)]
    for each in stills:
        each[50, 60] = 255
    folder = roll(tmp_path / "roll", stills)
    since = np.array([float((EPOCH + 4).seconds)])
    found = replace(DefectMap.known(SIZE, [(50, 60)]), since=since)
    save({("NIKON D5", SIZE): found}, tmp_path / "camera.npz")
    grade = {"hot_pixels": {"search": False, "map": "camera.npz"}}
    plain, keys = shown(job_of(folder)), set()
    for late in (0, 3):
        clock = {"stills": "roll", "utc_offset": "Z", "clock": f"{late} s"}
        job = measured(job_of(folder, grade, roll=clock))
        mended = [apart(a, b) > 0 for a, b in zip(shown(job), plain, strict=True)]
        assert mended == [False] * (4 - late) + [True] * (4 + late)
        keys.add(cut(job, 0, 8).key)
    assert len(keys) == 2


def test_what_was_found_for_another_grade_is_not_used(shaky: Path) -> None:
    job = measured(job_of(shaky, {"stabilise": "auto", "deflicker": "auto"}))
    assert job.found.steadied is not None
    other = measured(replace(job, grade=replace(job.grade, stabilise=None)))
    assert other.found.steadied is None
    assert other.found.gains is not None
    assert measured(replace(job, grade=Grade())).found.as_json() == {}


def test_places_are_told_for_stills_of_the_commonest_size(tmp_path: Path) -> None:
    """One still in four is half as large; all shake, and show the same when they are held."""
    draw = np.random.default_rng(9)
    stills = []
    for n in range(16):
        x, y = draw.uniform(-4, 4, 2)
        seen = window(90 + x, 70 + y)
        small = cv2.resize(seen, (SIZE[0] // 2, SIZE[1] // 2), interpolation=cv2.INTER_AREA)
        stills.append(bytes_of(seen if n % 4 else small))
    job = measured(job_of(roll(tmp_path / "roll", stills), {"stabilise": {"camera": "fixed"}}))
    assert job.found.steadied is not None
    points = np.array([[40.0, 30.0], [150.0, 110.0]])
    for n in range(16):
        onto = np.array(job.found.steadied.of(n)).reshape(3, 3)
        wanted = (onto @ np.c_[points + 0.5, np.ones(2)].T).T
        wanted = wanted[:, :2] / wanted[:, 2:] - 0.5
        np.testing.assert_allclose(job.place(points, np.full(2, n)), wanted, atol=1e-3)


def test_frames_that_are_toned_have_finer_steps_and_are_dithered(tmp_path: Path) -> None:
    folder = roll(tmp_path / "roll", (bytes_of(window(90 + n, 70)) for n in range(4)))
    retime = {"blend": "nearest"}
    assert not job_of(folder, retime=retime).dithers
    assert job_of(folder, {"tone": {"exposure": 0.4}}, retime=retime).dithers
