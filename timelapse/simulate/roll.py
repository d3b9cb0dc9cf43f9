"""The roll: when each still is taken, what goes wrong, and the truth about all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from timelapse.errors import PlanError, RollError, TimeError
from timelapse.simulate import rocket
from timelapse.simulate.camera import HotPixels, Sensor, rng_for, tracks
from timelapse.simulate.geometry import FOCAL_LENGTH_MM, MOONSET, STATION_HEIGHT, view
from timelapse.simulate.taking import CLOCK_ERROR, EPOCH, Shot, take, utc_of
from timelapse.times import CaptureTime, MissionTime, write_number

VERSION = 1
FIRST_NUMBER = 9990  # so that a roll of more than ten stills goes from four digits to five
EARLIEST, LATEST = Fraction(-120), Fraction(1200)  # what the scene was built for
SHORTEST = Fraction(1, 20)  # s between stills
SMALLEST = (64, 36)
_TRUTH = "truth.json"
_MADE_BY = "timelapse.simulate"
_JITTER = 3  # hundredths of a second, at most
_FLICKER = 0.012
_KEEP_CLEAR = 2  # s between a fault and a milestone
_GAP_SECONDS = 8
_STILL_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".nef", ".dng", ".heic"}
_OUR_NAME = re.compile(r"ISS057-E-\d+(?: \(1\))?\.JPG")

_EVENTS = (
    ("Lift-off", Fraction(0)),
    ("Soyuz-FG rocket booster separation", Fraction("117.8")),
    ("Core stage separation", Fraction("287.3")),
    ("Core stage starts burning in the atmosphere", Fraction(520)),
    ("Progress spacecraft separates from the rocket", Fraction("528.5")),
)


@dataclass(frozen=True)
class _Faults:
    """Positions in the roll: first missing and first present again, a duplicate, a cut file."""

    gap: tuple[int, int] | None = None
    duplicate: int | None = None
    truncated: int | None = None


def simulate(
    folder: Path,
    *,
    size: tuple[int, int] = (960, 540),
    interval: Fraction = Fraction(1, 2),
    start: MissionTime = MissionTime(Fraction(-10)),  # noqa: B008 (frozen)
    end: MissionTime = MissionTime(Fraction(1000)),  # noqa: B008 (frozen)
    seed: int = 10,
    faults: bool = True,
    sensor: Sensor = Sensor(),  # noqa: B008 (frozen)
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Write a roll of JPEG stills of the launch, and `truth.json`, into `folder`; return the truth.

    A still is taken every `interval` seconds from `start` up to, not including, `end`. The same
    arguments give the same bytes, whatever the number of `workers` (processes; None: one for each
    core). With `faults`, the roll has a gap, a duplicate and a truncated file, each at least 2 s
    away from any milestone; a very short roll has fewer. `progress` is called with the numbers of
    stills written and planned.

    A roll that was simulated before is replaced; any other still in the folder is left alone and
    raises `RollError`, as does a folder or disk that cannot be written. An interval or a time that
    makes no sense raises `TimeError`, any other such argument `PlanError`. The new processes import
    the caller's main module, as always with `multiprocessing`: a script has to call this under
    `if __name__ == "__main__":`.

    Truth: `rocket` is the pixel (x, y) of the rocket, after its separation of Progress, with
    (0, 0) the centre of the top left pixel; null where it is out of the picture or behind the
    Earth. `plume` is that of the middle of its plume, see `Camera.plume`; null also where the
    rocket gives no light. `hot_pixels` holds x, y and channel (0 red, 1 green, 2 blue), and so do
    the `cosmic_rays` of a still, where the `sensor` is hit by any.
    """
    _check(size, interval, start, end, seed, workers)
    folder = Path(folder)
    times = _capture_times(seed, interval, start.seconds, end.seconds)
    broken = _place_faults(times, interval) if faults else _Faults()
    shots = _plan(folder, times, seed, broken)
    flight = rocket.Rocket()
    stills = _still_truths(flight, size, shots)
    truth = {**_truth(flight, size, seed, shots, times, broken), "stills": stills}
    if not sensor.hot:
        truth["hot_pixels"] = []
    if sensor.rays:
        for still, shot in zip(stills, shots, strict=True):
            still["cosmic_rays"] = _photosites(tracks(seed, size, shot.index))
    truth["simulator"] = {
        "made_by": _MADE_BY,
        "version": VERSION,
        "seed": seed,
        "size": list(size),
        "interval_s": float(interval),
        "start_s": float(start.seconds),
        "end_s": float(end.seconds),
    }
    _clear(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Written first, so that a roll that was interrupted is known as ours, and replaced.
        _write_truth(folder, {**truth, "complete": False})
        for done, plume in enumerate(take(size, seed, shots, workers, sensor), 1):
            stills[done - 1]["plume"] = _pixel(plume)
            if progress is not None:
                progress(done, len(shots))
        _write_truth(folder, truth)
    except OSError as error:
        raise RollError(f"{folder}: cannot write the simulated roll: {error}") from error
    return truth


def _check(
    size: tuple[int, int],
    interval: Fraction,
    start: MissionTime,
    end: MissionTime,
    seed: int,
    workers: int | None,
) -> None:
    width, height = size
    if width < SMALLEST[0] or height < SMALLEST[1] or width % 2 or height % 2:
        raise PlanError(
            f"size {width}x{height}: the simulated camera takes even sizes from "
            f"{SMALLEST[0]}x{SMALLEST[1]} on; write 960x540"
        )
    if not 1 <= Fraction(width, height) <= 3:
        raise PlanError(
            f"size {width}x{height}: the simulated scene fills shapes between 1:1 and 3:1; "
            "write 960x540"
        )
    if interval < SHORTEST:
        # A length of time says its unit itself, a plain fraction does not.
        raise TimeError(
            f"interval {write_number(Fraction(interval))} s: too short for the simulated camera, "
            "whose EXIF times are in hundredths of a second; "
            f"write {write_number(SHORTEST)} s or more"
        )
    for name, time in (("start", start), ("end", end)):
        if not EARLIEST <= time.seconds <= LATEST:
            raise TimeError(
                f"{name} {time}: the simulated pass lasts from {MissionTime(EARLIEST)} to "
                f"{MissionTime(LATEST)}; write a time within it"
            )
    if end <= start:
        raise TimeError(
            f"end {end}: it is not after the start, {start}; write a later end or an earlier start"
        )
    if seed < 0:
        raise PlanError(f"seed {seed}: it is negative; write a whole number from 0 on")
    if workers is not None and workers < 1:
        raise PlanError(
            f"workers {workers}: no process is left to take stills; give at least 1, or None for "
            "one for each core"
        )


def _capture_times(seed: int, interval: Fraction, start: Fraction, end: Fraction) -> list[Fraction]:
    """Return true mission times: even but for a jitter, rising, whole hundredths of a second."""
    count = -((start - end) // interval)
    most = min(_JITTER, int(interval * 100) // 4)
    jitter = rng_for(seed, 4, 0).integers(-most, most + 1, count)
    return [
        Fraction(round((start + k * interval) * 100) + int(jitter[k]), 100) for k in range(count)
    ]


def _clear_of_milestones(first: Fraction, last: Fraction) -> bool:
    return all(not first - _KEEP_CLEAR < at < last + _KEEP_CLEAR for _, at in _EVENTS)


def _place_faults(times: list[Fraction], interval: Fraction) -> _Faults:
    """Choose where the roll is at fault: near set shares of it, and clear of the milestones."""
    n = len(times)
    taken: set[int] = set()

    def nearest(share: float, length: int) -> int | None:
        """Return the position nearest to a share of the roll where so many stills may go."""
        wanted = round(share * n)
        for first in sorted(range(1, n - length), key=lambda k: (abs(k - wanted), k)):
            span = range(first - 1, first + length + 1)
            free = taken.isdisjoint(span)
            if free and _clear_of_milestones(times[span[0]], times[span[-1]]):
                taken.update(span)
                return first
        return None

    gap = None
    if n >= 24:
        length = max(round(_GAP_SECONDS / interval), 1)
        if length > n // 6:
            length = max(n // 6, 4)
        first = nearest(0.7, length)
        gap = None if first is None else (first, first + length)
    return _Faults(gap, nearest(0.3, 1), nearest(0.45, 1))


def _name(index: int) -> str:
    return f"ISS057-E-{FIRST_NUMBER + index}.JPG"


def _plan(folder: Path, times: list[Fraction], seed: int, faults: _Faults) -> list[Shot]:
    gains = 1 + _FLICKER * rng_for(seed, 4, 1).standard_normal(len(times))
    shots = []
    for k, mission in enumerate(times):
        if faults.gap is not None and faults.gap[0] <= k < faults.gap[1]:
            continue
        copy = folder / _name(k).replace(".JPG", " (1).JPG") if k == faults.duplicate else None
        share = 0.6 if k == faults.truncated else 1.0
        # Rounded as in the truth, so that the truth is exact.
        gain = round(float(np.clip(gains[k], 0.95, 1.05)), 5)
        shots.append(Shot(k, mission, gain, folder / _name(k), share, copy))
    return shots


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 10_000:02d}Z"


def _pixel(where: tuple[float, float] | None) -> list[float] | None:
    return None if where is None else [round(where[0], 2), round(where[1], 2)]


def _seen(
    flight: rocket.Rocket, size: tuple[int, int], mission: Fraction, core: bool = False
) -> list[float] | None:
    t = float(mission)
    where = flight.core(t) if core else flight.position(t)
    return _pixel(rocket.in_view(view(t, size), where))


def _still_truths(
    flight: rocket.Rocket, size: tuple[int, int], shots: list[Shot]
) -> list[dict[str, object]]:
    return [
        {
            "file": shot.path.name,
            "captured": _iso(utc_of(shot.mission)),
            "mission_s": float(shot.mission),
            "gain": shot.gain,
            "rocket": _seen(flight, size, shot.mission),
            "plume": None,  # known when the still has been taken
        }
        for shot in shots
    ]


def _truth(
    flight: rocket.Rocket,
    size: tuple[int, int],
    seed: int,
    shots: list[Shot],
    times: list[Fraction],
    faults: _Faults,
) -> dict[str, object]:
    gap = None
    if faults.gap is not None:
        first, after = faults.gap
        gap = {
            "after": _name(first - 1),
            "before": _name(after),
            "seconds": float(times[after] - times[first - 1]),
            "missing": after - first,
        }
    hot = HotPixels.make(seed, size)
    return {
        "simulator": {},
        "complete": True,
        "epoch": CaptureTime(Fraction(int(EPOCH.timestamp()))).iso(),
        "clock_error_s": float(CLOCK_ERROR),
        "clock_correction_s": float(-CLOCK_ERROR),
        "stills": [],
        "events": [
            {
                "name": name,
                "mission_s": float(at),
                "pixel": _seen(flight, size, at, core=at == Fraction(rocket.CORE_BURN_UP)),
            }
            for name, at in _EVENTS
        ],
        "hot_pixels": _photosites(hot),
        "gap": gap,
        "duplicates": [
            {"file": shot.copy.name, "of": shot.path.name} for shot in shots if shot.copy
        ],
        "truncated": [shot.path.name for shot in shots if shot.share < 1],
        "sky": {
            "station_height_km": STATION_HEIGHT,
            "moonset_s": MOONSET,
            "focal_px": round(size[0] * FOCAL_LENGTH_MM / 36.0, 3),
        },
    }


def _photosites(found: HotPixels) -> list[list[int]]:
    return np.stack([found.x, found.y, found.channel], axis=-1).tolist()  # type: ignore[no-any-return]


def _write_truth(folder: Path, truth: dict[str, object]) -> None:
    text = json.dumps(truth, indent=1)
    # Short lists of numbers on one line each: a tenth of the lines, and they can be read.
    text = re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    (folder / _TRUTH).write_text(text + "\n", encoding="utf-8", newline="\n")


def _clear(folder: Path) -> None:
    """Remove a roll that was simulated before; raise `RollError` if there are other stills."""
    if folder.exists() and not folder.is_dir():
        raise RollError(f"{folder}: is a file; name a folder for the simulated roll")
    if not folder.exists():
        return
    try:
        ours = _listed(folder / _TRUTH)
        others = sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix.lower() in _STILL_SUFFIXES and path.name not in ours
        )
    except OSError as error:
        raise RollError(f"{folder}: cannot be read: {error}") from error
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise RollError(
            f"{folder}: holds other stills ({others[0]}{more}); "
            "name an empty or new folder for the simulated roll, or move them away"
        )
    try:
        for name in sorted(ours):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RollError(f"{folder}: cannot remove the roll simulated before: {error}") from error


def _listed(path: Path) -> set[str]:
    """Return the file names in a truth of ours; none if there is none, or it is not ours."""
    if not path.is_file():
        return set()
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
        if truth["simulator"]["made_by"] != _MADE_BY:
            return set()
        names = [entry["file"] for entry in [*truth["stills"], *truth["duplicates"]]]
    except (ValueError, KeyError, TypeError):
        return set()
    # Nothing that a truth says can make us remove a file that we would not have written.
    return {name for name in names if isinstance(name, str) and _OUR_NAME.fullmatch(name)}
