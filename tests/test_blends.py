"""Every blend mode against its definition, still by still, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from conftest import EPOCH, write_still
from hypothesis import given
from hypothesis import strategies as st
from test_film import display, job_of, linear

from timelapse.grade import from_mix, to_mix
from timelapse.machine import Buffers
from timelapse.render import frames
from timelapse.retime import Blend, mix
from timelapse.retime.mixing import Mixing, _network

TIMES = [0.0, 1.0, 2.1, 2.9, 4.0, 5.2, 6.0, 6.05, 8.0, 9.0]
SPEED, RATE = 6.0, 25.0
SIZE = 32


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """A bright square that moves over a gradient, under flicker of one still in three."""
    across = np.linspace(0, 120, SIZE)[None, :, None].repeat(SIZE, 0).repeat(3, 2)
    made = []
    for number in range(len(TIMES)):
        picture = across * (1.3 if number % 3 == 1 else 1)
        picture[8:14, 3 * number : 3 * number + 5] = (250, 200, 40)
        made.append(picture.astype(np.uint8))
    return made


@pytest.fixture(scope="module")
def roll(pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roll")
    for number, (time, picture) in enumerate(zip(TIMES, pictures, strict=True)):
        write_still(folder / f"{number:02d}.png", picture, EPOCH + Fraction(str(time)))
    return folder


# ------------------------------------------------------------------ what each mode means


def share_of_box(opens: float, closes: float) -> Iterator[tuple[int, float]]:
    for still, (start, end) in enumerate(standing()):
        yield still, max(0.0, min(end, closes) - max(start, opens)) / (closes - opens)


def standing() -> list[tuple[float, float]]:
    middles = [-math.inf, *((a + b) / 2 for a, b in pairwise(TIMES)), math.inf]
    return list(pairwise(middles))


def latest(at: float) -> int:
    return max(n for n, time in enumerate(TIMES) if time <= at)


def weighted(shares: Iterator[tuple[int, float]], light: list[np.ndarray]) -> np.ndarray:
    return sum(weight * light[still] for still, weight in shares)  # type: ignore[return-value]


def nearest(at: float, light: list[np.ndarray]) -> np.ndarray:
    return light[next(n for n, (start, end) in enumerate(standing()) if start <= at < end)]


def straight(at: float, light: list[np.ndarray]) -> np.ndarray:
    n = latest(at)
    if n + 1 == len(TIMES):
        return light[n]
    share = (at - TIMES[n]) / (TIMES[n + 1] - TIMES[n])
    return light[n] * (1 - share) + light[n + 1] * share


def box(at: float, light: list[np.ndarray]) -> np.ndarray:
    return weighted(share_of_box(at, at + SPEED / RATE * 2), light)


def bell(at: float, light: list[np.ndarray]) -> np.ndarray:
    width = SPEED / RATE * 2
    middle, deviation = at + width / 2, width / math.sqrt(12)

    def below(time: float) -> float:
        reach = min(max((time - middle) / deviation, -3), 3)
        return (math.erf(reach / math.sqrt(2)) + 1) / 2

    whole = math.erf(3 / math.sqrt(2))
    shares = ((n, (below(b) - below(a)) / whole) for n, (a, b) in enumerate(standing()))
    return weighted(shares, light)


def curve(at: float, light: list[np.ndarray]) -> np.ndarray:
    n = latest(at)
    if n + 1 == len(TIMES):
        return light[n]

    def slope(k: int) -> np.ndarray:
        a, b = max(k - 1, 0), min(k + 1, len(TIMES) - 1)
        return (light[b] - light[a]) / (TIMES[b] - TIMES[a])

    span = TIMES[n + 1] - TIMES[n]
    u = (at - TIMES[n]) / span
    return (
        light[n] * (2 * u**3 - 3 * u**2 + 1)
        + light[n + 1] * (3 * u**2 - 2 * u**3)
        + slope(n) * span * (u**3 - 2 * u**2 + u)
        + slope(n + 1) * span * (u**3 - u**2)
    )


def around(at: float, over: float) -> list[int]:
    seen = {n for n, time in enumerate(TIMES) if at - over / 2 <= time <= at + over / 2}
    return sorted(seen | {latest(at)})


def trail(at: float, light: list[np.ndarray]) -> np.ndarray:
    seen = {n for n, time in enumerate(TIMES) if at - 3.01 <= time <= at} | {latest(at)}
    return np.max([light[n] for n in seen], axis=0)


def comet(at: float, light: list[np.ndarray]) -> np.ndarray:
    seen = {n: 1 - (at - time) / 3.01 for n, time in enumerate(TIMES) if at - 3.01 <= time <= at}
    seen[latest(at)] = 1
    return np.max([light[n] * gain for n, gain in seen.items()], axis=0)


def darkest(at: float, light: list[np.ndarray]) -> np.ndarray:
    return np.min([light[n] for n in around(at, 3.01)], axis=0)


def median(at: float, light: list[np.ndarray]) -> np.ndarray:
    return np.median([light[n] for n in around(at, 4.01)], axis=0)


MEANINGS: list[tuple[dict[str, str], Callable[[float, list[np.ndarray]], np.ndarray]]] = [
    ({"blend": "nearest"}, nearest),
    ({"blend": "linear"}, straight),
    ({"blend": "box", "shutter": "720"}, box),
    ({"blend": "gaussian", "shutter": "720"}, bell),
    ({"blend": "cubic"}, curve),
    ({"blend": "lighten", "over": "3.01 s"}, trail),
    ({"blend": "lighten", "over": "3.01 s", "decay": "true"}, comet),
    ({"blend": "darken", "over": "3.01 s"}, darkest),
    ({"blend": "median", "over": "4.01 s"}, median),
]


def test_every_mode_has_its_meaning() -> None:
    names = {member.__dataclass_fields__["blend"].default for member in get_args(Blend)}
    # What moves has no formula: tests/test_flow.py holds it against known truth.
    assert names - {"flow"} == {settings["blend"] for settings, _ in MEANINGS}


@pytest.mark.parametrize("light", ["linear", "display"])
@pytest.mark.parametrize(("settings", "meaning"), MEANINGS)
def test_every_frame_is_what_the_definition_says(
    roll: Path,
    pictures: list[np.ndarray],
    settings: dict[str, str],
    meaning: Callable[[float, list[np.ndarray]], np.ndarray],
    light: str,
) -> None:
    chosen = {f"retime.{key}": value for key, value in settings.items()}
    job = job_of(
        roll, ("schedule.speed", "6"), ("retime.light", light), ("retime.gaps", "blend"),
        *chosen.items(),
    )  # fmt: skip
    lights = [linear(p) if light == "linear" else p / 255.0 for p in pictures]
    for number, frame in enumerate(frames(job)):
        # A hair later, so that float64 agrees on which side of a still an instant lies.
        exact = np.clip(meaning(number * SPEED / RATE + 1e-9, lights), 0, 1)
        shown = display(exact) if light == "linear" else exact * 255
        assert np.abs(frame - shown).max() <= 1, f"frame {number}"


# ------------------------------------------------------------------ mixing


@given(st.integers(1, 12), st.sampled_from(get_args(Mixing)), st.integers(0, 2**32 - 1))
def test_mixing_is_its_definition_and_leaves_stills_alone(
    count: int, how: Mixing, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stills = [rng.integers(0, 65536, (6, 5, 3), np.uint16) for _ in range(count)]
    kept = [still.copy() for still in stills]
    weights = rng.random(count) + 0.01
    if how == "sum":
        weights -= 0.4
        weights += (1 - weights.sum()) / count
    elif how == "lightest":
        weights = np.minimum(weights, 1)
    else:
        weights /= weights.sum()
    used = weights.astype(np.float32)
    exact = {
        "mean": lambda s: np.tensordot(used.astype(float), s, 1),
        "sum": lambda s: np.clip(np.tensordot(used.astype(float), s, 1), 0, 65535),
        "lightest": lambda s: (s * used.astype(float)[:, None, None, None]).max(0),
        "darkest": lambda s: s.min(0),
        "median": lambda s: np.median(s, axis=0),
        "flow": lambda s: np.tensordot(used.astype(float), s, 1),
    }[how](np.array(stills, np.float64))
    made = mix(stills, used, Buffers(), how)
    assert made.dtype == np.uint16
    assert np.abs(made - exact).max() <= 0.6
    for still, was in zip(stills, kept, strict=True):
        np.testing.assert_array_equal(still, was)


@pytest.mark.parametrize("count", range(1, 9))
def test_the_network_sorts(count: int) -> None:
    """All zeros and ones: what sorts them sorts everything (Knuth 3, 5.3.4, theorem Z)."""
    for bits in range(1 << count):
        row = [bits >> n & 1 for n in range(count)]
        for a, b in _network(count):
            row[a], row[b] = min(row[a], row[b]), max(row[a], row[b])
        assert row == sorted(row)


@pytest.mark.parametrize("light", ["linear", "display"])
def test_light_comes_back_as_it_went(light: str) -> None:
    values = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(from_mix(to_mix(values, light), light), values)  # type: ignore[arg-type]
    deep = np.arange(65536, dtype=np.uint16)[None]
    error = from_mix(to_mix(deep, light), light) - deep / 257  # type: ignore[arg-type]
    assert np.abs(error).max() <= 0.55


def test_over_has_to_be_some_time(roll: Path) -> None:
    with pytest.raises(ValueError, match="over: 0 s has to be above zero"):
        job_of(roll, ("schedule.speed", "6"), ("retime", "{blend: median, over: 0 s}"))
