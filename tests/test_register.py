"""How the stills of a roll lie over each other, held to rolls whose truth is known."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import EPOCH, damage, write_still
from hypothesis import given, settings
from hypothesis import strategies as st

from timelapse.errors import ProjectError
from timelapse.grade.agree import agreed, moved
from timelapse.grade.motion import Motion
from timelapse.grade.register import Register, between, measure
from timelapse.grade.stars import lights
from timelapse.ingest import Roll, scan

SIZE = (640, 426)
#: How many times finer the scene is drawn than it is seen.
FINE = 3
Matrix = np.ndarray


@lru_cache(maxsize=2)
def scene(seed: int = 1, size: tuple[int, int] = (1000, 760)) -> np.ndarray:
    """A big gray picture with detail of all sizes and edges, at FINE times the stills' pixels."""
    rng = np.random.default_rng(seed)
    width, height = size[0] * FINE, size[1] * FINE
    light = np.zeros((height, width), np.float32)
    for cells in (12, 40, 130, 400):
        rough = rng.normal(0, 1, (cells * height // width, cells)).astype(np.float32)
        light += cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC) * cells**-0.4
    for _ in range(250):
        x, y = rng.integers(0, width), rng.integers(0, height)
        box = rng.integers(4 * FINE, 30 * FINE, 2)
        light[y : y + box[1], x : x + box[0]] += rng.normal(0, 0.4)
    low, high = np.percentile(light, [1, 99])
    return np.clip((light - low) / (high - low), 0, 1) * 190 + 30


def onto_of(shift: tuple[float, float], degrees: float = 0.0, scale: float = 1.0) -> Matrix:
    """Turned and enlarged about the middle of the stills, then shifted; in corner coordinates."""
    middle = np.array(SIZE) / 2
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    onto = np.eye(3)
    onto[:2, :2], onto[:2, 2] = turn, middle + shift - turn @ middle
    return onto


def seen(big: np.ndarray, onto: Matrix, noise: float = 2.0, gain: float = 1.0, seed: int = 0,
         start: tuple[float, float] = (180.0, 167.0)) -> np.ndarray:  # fmt: skip
    """A still of a scene, whose pixels are the means of what they cover; `onto` takes its places to
    those of a still that begins at `start` of the scene."""
    width, height = SIZE[0] * FINE, SIZE[1] * FINE
    into = np.array([[1, 0, start[0]], [0, 1, start[1]], [0, 0, 1]]) @ onto
    fine = np.diag([FINE, FINE, 1]) @ into @ np.diag([1 / FINE, 1 / FINE, 1])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    fine = np.linalg.inv(half) @ fine @ half
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    view = cv2.warpPerspective(big, fine, (width, height), flags=how)
    light = view.reshape(SIZE[1], FINE, SIZE[0], FINE).mean(axis=(1, 3)) * gain
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(light + rng.normal(0, noise, light.shape)), 0, 255).astype(np.uint8)


def colour(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[:, :, None], 3, axis=2)


Made = Callable[..., Roll]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes gray pictures as a roll, one a second, and scans it."""

    def make(pictures: Sequence[np.ndarray | None], ending: str = ".png") -> Roll:
        folder = tmp_path / f"roll{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for number, gray in enumerate(pictures):
            path = folder / f"ISS057-E-{1000 + number}{ending}"
            if gray is None:
                damage(folder / f"ISS057-E-{1000 + number}.jpg", EPOCH + Fraction(number))
            else:
                write_still(path, colour(gray), EPOCH + Fraction(number), quality=90)
        return scan(folder)

    return make


def grid() -> np.ndarray:
    across, down = np.linspace(0, SIZE[0], 5), np.linspace(0, SIZE[1], 5)
    return np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)


def errors(motion: Motion, truth: Sequence[Matrix]) -> np.ndarray:
    """How far each still lies off, over all of it (root of the mean square, pixels)."""
    back = np.linalg.inv(truth[motion.reference])
    found = []
    for onto, wanted in zip(motion.onto, truth, strict=True):
        off = moved(onto, grid()) - moved(back @ wanted, grid())
        found.append(float(np.sqrt((off**2).sum(axis=1).mean())))
    return np.array(found)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))


def shaken(count: int, model: str, seed: int = 5) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    found = []
    for shift in rng.uniform(-12, 12, (count, 2)):
        turn, scale = (0.0, 1.0)
        if model != "translation":
            turn, scale = rng.uniform(-1.5, 1.5), 1 + rng.uniform(-0.01, 0.01)
        onto = onto_of((shift[0], shift[1]), turn, scale)
        if model == "homography":
            onto[2, :2] = rng.uniform(-2e-5, 2e-5, 2)
        found.append(onto)
    return found


# ------------------------------------------------------------------ by their detail


@pytest.mark.parametrize(
    ("model", "by", "most"),
    [
        ("translation", "features", 0.05),
        ("similarity", "features", 0.1),
        ("homography", "features", 0.15),
        ("translation", "ecc", 0.1),
        ("similarity", "ecc", 0.2),
    ],
)
def test_a_shaken_roll_is_laid_over_itself(made: Made, model: Any, by: Any, most: float) -> None:
    truth, big = shaken(8, model), scene()
    rng = np.random.default_rng(3)
    stills = [seen(big, onto, gain=1 + rng.uniform(-0.1, 0.1), seed=k)
              for k, onto in enumerate(truth)]  # fmt: skip
    motion = measure(made(stills, ".jpg").stills, Register(model=model, by=by))
    assert rms(errors(motion, truth)) < most
    assert (motion.trusted > 0.4).all()
    assert (motion.reference, motion.by, motion.size) == (4, by, SIZE)
    assert not motion.still


def test_a_roll_that_is_not_shaken_is_still(made: Made) -> None:
    big = scene(2)
    motion = measure(made([seen(big, np.eye(3), seed=k) for k in range(12)]).stills)
    assert motion.still
    assert 0 < motion.noise < 0.1


def test_large_stills_are_compared_small(tmp_path: Path) -> None:
    """Places are those of the whole still, whatever it was decoded to."""
    big, folder = scene(), tmp_path / "roll"
    folder.mkdir()
    truth = [onto_of((dx, dy), turn) for dx, dy, turn in [(0, 0, 0), (6.4, -3.3, 0.4), (-5, 2, -1)]]
    for number, onto in enumerate(truth):
        large = cv2.resize(seen(big, onto, seed=number), None, fx=4, fy=4,
                           interpolation=cv2.INTER_LINEAR)  # fmt: skip
        write_still(folder / f"ISS057-E-{number}.jpg", colour(large), EPOCH + number)
    motion = measure(scan(folder).stills, Register(reference=0))
    four = np.diag([4.0, 4, 1])
    back = [np.linalg.inv(four) @ onto @ four for onto in motion.onto]
    assert motion.size == (2560, 1704)
    assert rms(errors(Motion(SIZE, np.array(back), motion.trusted), truth)) * 4 < 0.4


def test_a_camera_that_travels_is_followed(made: Made) -> None:
    """The first and the last have nothing in common."""
    big = scene(1, (1700, 560))
    truth = [onto_of((110.0 * k, 2.3 * np.sin(k))) for k in range(9)]
    stills = [seen(big, onto, seed=k, start=(20.0, 60.0)) for k, onto in enumerate(truth)]
    motion = measure(made(stills).stills, Register(model="translation"))
    assert (motion.trusted > 0).all()
    assert rms(errors(motion, truth)) < 0.3


def test_what_moves_in_front_does_not_win(made: Made) -> None:
    """More than half of the picture is the Earth that passes; it is not looked at."""
    big, earth, count = scene(), scene(2), 8
    truth = shaken(count, "similarity")
    ground = SIZE[1] * 2 // 5
    stills = []
    for k, onto in enumerate(truth):
        gray = seen(big, onto, seed=k)
        gray[ground:] = seen(earth, onto_of((9.0 * k, 0)), seed=k)[ground:]
        stills.append(gray)
    roll = made(stills)
    box = (0.0, ground / SIZE[1], 1.0, 1.0)
    assert rms(errors(measure(roll.stills, Register(ignore=(box,))), truth)) < 0.3
    mask = np.zeros((100, 150), np.uint8)
    mask[: 100 * ground // SIZE[1]] = 255
    path = Path(roll.stills[0].file.name).with_suffix(".mask")  # not of the roll
    path = Path(os.environ["TIMELAPSE_CACHE"]) / path.name
    path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    assert rms(errors(measure(roll.stills, Register(mask=path)), truth)) < 0.3
    assert rms(errors(measure(roll.stills), truth)) > 3


def test_a_small_thing_that_moves_is_passed_over_by_itself(made: Made) -> None:
    big, thing = scene(), scene(2)
    truth = shaken(8, "similarity")
    stills = []
    for k, onto in enumerate(truth):
        gray = seen(big, onto, seed=k)
        at = 60 + 45 * k
        gray[120:300, at : at + 160] = seen(thing, np.eye(3), seed=k)[120:300, at : at + 160]
        stills.append(gray)
    assert rms(errors(measure(made(stills).stills), truth)) < 0.1


def test_stills_in_which_nothing_is_found_lie_between_their_neighbours(made: Made) -> None:
    big, truth = scene(), [onto_of((2.0 * k, -k)) for k in range(9)]
    stills: list[np.ndarray | None] = [seen(big, onto, seed=k) for k, onto in enumerate(truth)]
    stills[2] = None
    stills[6] = np.full(SIZE[::-1], 30, np.uint8)
    stills[7] = np.random.default_rng(1).integers(0, 255, (300, 200), np.uint8)
    roll = made(stills)
    motion = measure(roll.stills)
    assert np.flatnonzero(motion.trusted == 0).tolist() == [2, 6, 7]
    assert rms(errors(motion, truth)) < 0.1


def test_a_scene_that_changes_is_followed_on(made: Made) -> None:
    one, other = scene(), scene(2)
    truth = shaken(10, "similarity")
    stills = [seen(one if k < 6 else other, onto, seed=k) for k, onto in enumerate(truth)]
    motion = measure(made(stills).stills, Register(reference=2))
    assert rms(errors(motion, truth)[:6]) < 0.1
    lost = motion.trusted == 0
    assert lost.tolist() == [False] * 6 + [True] + [False] * 3
    # From one to another it is known how they lie, though not over the reference.
    step = np.linalg.inv(motion.onto[7]) @ motion.onto[9]
    wanted = np.linalg.inv(truth[7]) @ truth[9]
    assert np.abs(moved(step, grid()) - moved(wanted, grid())).max() < 0.2


def test_a_large_jump_is_found(made: Made) -> None:
    big = scene()
    truth = [onto_of((0, 0)), onto_of((150, 70), 9), onto_of((-140, -80), -8), onto_of((3, 1))]
    motion = measure(made([seen(big, onto, seed=k) for k, onto in enumerate(truth)]).stills)
    assert (motion.trusted > 0).all()
    assert rms(errors(motion, truth)) < 0.15


def test_a_roll_of_little_detail_is_laid_by_all_of_it(made: Made) -> None:
    small = cv2.resize(scene(2), None, fx=0.02, fy=0.02, interpolation=cv2.INTER_AREA)
    big = cv2.resize(small, scene(2).shape[::-1], interpolation=cv2.INTER_CUBIC)
    truth = shaken(6, "translation")
    motion = measure(made([seen(big, onto, 1.0, seed=k) for k, onto in enumerate(truth)]).stills,
                     Register(model="translation", by="ecc"))  # fmt: skip
    assert (motion.trusted > 0.9).all()
    assert rms(errors(motion, truth)) < 0.15


# ------------------------------------------------------------------ by the stars


def sky(count: int = 260, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Places and light of stars, around the stills."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-0.4, 1.4, (count, 2)) * SIZE
    return places, np.minimum(30 * rng.pareto(1.2, count) + 30, 900)


def night(stars: tuple[np.ndarray, np.ndarray], onto: Matrix, seed: int, hot: int = 0,
          sigma: float = 1.0) -> np.ndarray:  # fmt: skip
    """A still of the sky; hot pixels are where they were."""
    light = np.full(SIZE[::-1], 12.0)
    seen = moved(np.linalg.inv(onto), stars[0]) - 0.5
    offset = np.arange(-6, 7)
    for (x, y), flux in zip(seen, stars[1], strict=True):
        column, row = round(x), round(y)
        if 6 <= column < SIZE[0] - 6 and 6 <= row < SIZE[1] - 6:
            across = np.exp(-((column + offset - x) ** 2) / (2 * sigma**2))
            down = np.exp(-((row + offset - y) ** 2) / (2 * sigma**2))
            light[row - 6 : row + 7, column - 6 : column + 7] += (
                flux / (2 * np.pi * sigma**2) * down[:, None] * across
            )
    bad = np.random.default_rng(99)
    light[bad.integers(0, SIZE[1], hot), bad.integers(0, SIZE[0], hot)] += bad.uniform(20, 200, hot)
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(light + rng.normal(0, 1.5, light.shape)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("hot", "by"), [(0, "auto"), (400, "stars"), (400, "auto")])
def test_a_sky_that_turns(made: Made, hot: int, by: Any) -> None:
    """About a pole beside the still, a little each time, and the camera shakes; hot pixels do not
    turn with it."""
    rng, stars = np.random.default_rng(2), sky()
    truth = [onto_of((1.9 * k + dx, -1.1 * k + dy), 0.25 * k)
             for k, (dx, dy) in enumerate(rng.uniform(-0.7, 0.7, (24, 2)))]  # fmt: skip
    roll = made([night(stars, onto, k, hot) for k, onto in enumerate(truth)])
    motion = measure(roll.stills, Register(by=by))
    assert motion.by == "stars"
    assert (motion.trusted > 0).all()
    assert rms(errors(motion, truth)) < 0.2


def test_stars_that_stand_still_among_hot_pixels(made: Made) -> None:
    stars = sky(seed=4)
    motion = measure(made([night(stars, np.eye(3), k, 200) for k in range(9)]).stills,
                     Register(by="stars"))  # fmt: skip
    assert motion.still


def test_lights_are_found_to_a_fraction_of_a_pixel() -> None:
    places, flux = sky(120, 6)
    flux = flux + 100
    gray = night((places, flux), np.eye(3), 0)
    found = lights(gray)
    apart = np.hypot(*(found[:, None] - (places - 0.5)[None]).transpose(2, 0, 1))
    inside = ((places > 10) & (places < np.array(SIZE) - 10)).all(axis=1)
    assert (apart.min(axis=0)[inside] < 0.5).mean() > 0.9
    near = apart.min(axis=1)
    assert (near < 0.5).mean() > 0.9
    assert np.median(near) < 0.1


@pytest.mark.skipif(
    importlib.util.find_spec("astroalign") is None, reason="the extra astro is not installed"
)
def test_a_sky_that_has_turned_far() -> None:
    stars = sky(90, 7)
    onto = onto_of((60, -40), 35)
    found, trusted = between(night(stars, np.eye(3), 1), night(stars, onto, 2), by="stars")
    assert trusted > 0.5
    assert np.abs(moved(found, grid()) - moved(onto, grid())).max() < 0.3
    again, _ = between(night(stars, np.eye(3), 1), night(stars, onto, 2), by="stars")
    np.testing.assert_allclose(found, again, atol=1e-9)


def test_without_astroalign_it_is_said_what_to_install(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "astroalign", None)
    stars = sky(90, 7)
    stills = [night(stars, onto_of((0, 0), 35.0 * k), k) for k in range(2)]
    with pytest.raises(ProjectError, match=r"pip install 'timelapse\[astro\]'"):
        measure(made(stills).stills, Register(by="stars"))


# ------------------------------------------------------------------ by the horizon


def limb(
    shift: float, degrees: float, seed: int, up: bool = True, bend: float = 6e-4
) -> np.ndarray:
    """Ground with a bent edge under a dark sky, with clouds in it that go by."""
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    x, y = x - SIZE[0] / 2, y - SIZE[1] / 2
    angle = np.radians(degrees)
    along = np.cos(angle) * x + np.sin(angle) * y
    down = np.cos(angle) * y - np.sin(angle) * x - shift - bend * along**2 / 2
    ground = 1 / (1 + np.exp(-down / 1.5))
    rng = np.random.default_rng(seed)
    rough = cv2.resize(rng.normal(0, 1, (20, 30)).astype(np.float32), SIZE,
                       interpolation=cv2.INTER_CUBIC)  # fmt: skip
    light = 15 + ground * (120 + 25 * rough) + rng.normal(0, 2, x.shape)
    gray = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return gray if up else gray[::-1].copy()


@pytest.mark.parametrize("bend", [0.0, 6e-4])
def test_the_horizon_is_locked(made: Made, bend: float) -> None:
    rng = np.random.default_rng(8)
    moves = [(float(dy), float(turn)) for dy, turn in rng.uniform(-1, 1, (10, 2)) * (20, 6)]
    stills = [limb(dy, turn, k, bend=bend) for k, (dy, turn) in enumerate(moves)]
    motion = measure(made(stills).stills, Register(by="horizon", reference=0))
    turns = np.degrees(np.arctan2(motion.onto[:, 1, 0], motion.onto[:, 0, 0]))
    assert (motion.trusted > 0.5).all()
    assert np.abs(turns - [moves[0][1] - turn for _, turn in moves]).max() < 0.1
    # A place of the horizon, in the middle of each still, comes to the horizon of the first.
    for (dy, turn), onto in zip(moves, motion.onto, strict=True):
        angles = np.radians([turn, moves[0][1]])
        down = np.stack([-np.sin(angles), np.cos(angles)], 1)
        middle = np.array(SIZE) / 2
        place = moved(onto, (middle + down[0] * dy)[None])[0] - middle
        assert abs(float(down[1] @ place) - moves[0][0]) < 0.6


def test_a_picture_without_a_horizon_is_not_trusted() -> None:
    plain = np.random.default_rng(0).integers(90, 110, SIZE[::-1]).astype(np.uint8)
    assert between(plain, plain, by="horizon")[1] == 0
    assert between(limb(0, 0, 1), limb(0, 0, 1, up=False), by="horizon")[1] > 0.5  # turned over


# ------------------------------------------------------------------ always


def test_the_same_for_any_number_of_cores(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    big, truth = scene(), shaken(7, "similarity")
    stills = made([seen(big, onto, seed=k) for k, onto in enumerate(truth)]).stills
    found = []
    for width in (1, 4):
        monkeypatch.setattr("timelapse.grade.survey.cores", lambda width=width: width)
        found.append(measure(stills))
    assert (found[0].onto == found[1].onto).all()
    assert (found[0].trusted == found[1].trusted).all()
    assert found[0].noise == found[1].noise


def test_what_was_found_is_kept_and_damage_is_mended(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timelapse.grade import register

    big, truth = scene(), shaken(4, "translation")
    stills = made([seen(big, onto, seed=k) for k, onto in enumerate(truth)]).stills
    calls = []
    real = register._measured
    monkeypatch.setattr(register, "_measured", lambda *rest: calls.append(1) or real(*rest))
    names = [still.name for still in stills]
    first = measure(stills, identities=names)
    again = measure(stills, identities=names)
    assert len(calls) == 1
    assert (first.onto == again.onto).all()
    assert first.as_json() == again.as_json()
    measure(stills, Register(model="translation"), identities=names)
    measure(stills, identities=names[::-1])
    assert len(calls) == 3
    folder = Path(os.environ["TIMELAPSE_CACHE"]) / "grade"
    for path in folder.glob("*.motion.npz"):
        path.write_bytes(path.read_bytes()[:99])
    assert measure(stills, identities=names).as_json() == first.as_json()
    assert len(calls) == 4


def test_every_still_is_decoded_once(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from timelapse.grade import survey

    stills, names = made([night(sky(), np.eye(3), k) for k in range(12)]).stills, []
    real = survey.decode_bytes
    monkeypatch.setattr(
        survey, "decode_bytes", lambda data, still, *rest: names.append(still.name)
        or real(data, still, *rest),
    )  # fmt: skip
    told: list[tuple[int, int]] = []
    measure(stills, progress=lambda done, total: told.append((done, total)))
    assert sorted(names) == sorted(still.name for still in stills)
    assert told == [(k, 12) for k in range(1, 13)]


def test_rolls_of_nothing_and_of_little(made: Made) -> None:
    assert len(measure([]).onto) == 0
    plain = made([np.full(SIZE[::-1], 90, np.uint8)] * 3).stills
    motion = measure(plain)
    assert motion.still
    assert (motion.trusted == 0).all()
    lost = measure(made([None, None]).stills)
    assert lost.trusted.tolist() == [0, 0]
    assert measure(made([seen(scene(), np.eye(3))]).stills).still


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "perspective"}, "model: 'perspective' is none of translation"),
        ({"by": "sun"}, "by: 'sun' is none of auto"),
        ({"reference": -1}, "reference: -1 is no still"),
        ({"ignore": ((0.5, 0, 0.5, 1),)}, r"ignore: \[0.5, 0, 0.5, 1\] is no box"),
    ],
)
def test_settings_that_cannot_be_meant(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        Register(**wrong)


def test_masks_and_references_that_are_no_good(made: Made, tmp_path: Path) -> None:
    stills = made([np.full(SIZE[::-1], 90, np.uint8)]).stills
    with pytest.raises(ProjectError, match="cannot be read"):
        measure(stills, Register(mask=tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ProjectError, match="is no picture"):
        measure(stills, Register(mask=tmp_path / "text.png"))
    with pytest.raises(ProjectError, match="leave nothing"):
        measure(stills, Register(ignore=((0, 0, 1, 1),)))
    with pytest.raises(ProjectError, match="none of 1 stills"):
        measure(stills, Register(reference=1))


# ------------------------------------------------------------------ agreement


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["translation", "similarity", "homography"]),
    st.integers(0, 2**31),
    st.integers(60, 200),
    st.floats(0, 0.35),
)
def test_most_decide(model: Any, seed: int, count: int, wrong: float) -> None:
    """Pairs that agree are found among others, and the motion with them."""
    rng = np.random.default_rng(seed)
    here = rng.uniform(0, 1, (count, 2)) * SIZE
    truth = shaken(1, model, seed)[0]
    there = moved(truth, here) + rng.normal(0, 0.05, here.shape)
    stray = rng.random(count) < wrong
    there[stray] += rng.uniform(20, 200, (stray.sum(), 2))
    found = agreed(there, here, model, SIZE)
    assert found is not None
    fit, agree = found
    assert not agree[stray].any()
    assert np.abs(moved(fit.onto, grid()) - moved(truth, grid())).max() < 0.5
    assert 0.001 < fit.off < 0.5


def test_too_few_do_not_decide() -> None:
    places = np.random.default_rng(1).uniform(0, 400, (7, 2))
    assert agreed(places, places, "similarity", SIZE) is None
    assert agreed(np.zeros((20, 2)), np.full((20, 2), 3.0), "similarity", SIZE) is None


# ------------------------------------------------------------------ real stills


def test_a_tripod_that_was_touched(shared: Path) -> None:
    """A real roll that stands on a tripod; corners and pixels as a whole agree on it."""
    stills = scan(shared / "pylapsy_deshake").stills[::10]
    one, other = (measure(stills, Register(model="translation", by=by))
                  for by in ("features", "ecc"))  # fmt: skip
    assert (one.trusted > 0.25).all()
    assert np.abs(one.onto[:, :2, 2]).max() < 4
    assert rms(one.onto[:, :2, 2] - other.onto[:, :2, 2]) < 0.6
