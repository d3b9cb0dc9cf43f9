"""Hot and dead pixels, found from the roll itself.

A defect stays on the sensor while the scene moves.  Some stills nominate: what stands out from its
surroundings at one place in the mean of them, beyond what the mean does elsewhere nearby.  Others
decide: what stands out in them again, from first to last, is a defect.  Stars, city lights and the
rocket move on; the edge of a window stays, and is larger than a pixel; and where fine detail stays
in place as well, nothing can be told, and nothing is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError, StillError
from timelapse.grade.defects import (
    DefectMap,
    Kind,
    Sensor,
    check_place,
    load,
    on_sensor,
    save,
    sensor_of,
    stored_size,
    together,
)
from timelapse.grade.kept import kept_at
from timelapse.grade.repairs import Repairs
from timelapse.grade.survey import surveyed
from timelapse.grade.verdict import judged, promising
from timelapse.grade.votes import Votes
from timelapse.ingest import Limits, Pixels, Reader, Still, jpeg

#: Raise it when the code makes other maps of the same stills.
_MADE_AS = 2
#: Of fewer stills of one sensor no map is made.
FEWEST = 8
#: More are not looked at: their votes are counted in bytes.
MOST = 600
#: How many are looked at; of those of so many pixels, fewer do.
_STILLS, _OF_LARGE, _LARGE = 48, 36, 10_000_000
#: Those who decide do so in so many parts; the first has at least so many stills.
_PARTS, _FIRST = 3, 8


@dataclass(frozen=True)
class HotPixels:
    """How defects of the sensor are found.

    `search`: look for them in the roll.  `map`: a file of maps that were saved before, to use, or
    to use beside what is found.  `known`: pixels (y, x) that are no good, in the stills as they are
    stored.  `stills`: how many are looked at, spread over the roll; by itself 48, or 36 of large
    ones.  `sure`: how far, in standard deviations of its mean, a pixel has to stand out (of a few
    stills, whose own deviation is less sure, farther); lower finds fainter ones, and more that are
    none.  `faintest`: what is not worth repair, in levels of 255.  `halo`: take away as well what
    the camera's JPEG has spread around.
    """

    search: bool = True
    map: Path | None = None
    known: tuple[tuple[int, int], ...] = ()
    stills: int | None = None
    sure: float = 3.8
    faintest: float = 2.2
    halo: bool = True

    def __post_init__(self) -> None:
        if self.stills is not None and not FEWEST <= self.stills <= MOST:
            raise ProjectError(f"stills: {self.stills} is not from {FEWEST} to {MOST}")
        if not self.sure >= 3:
            raise ProjectError(f"sure: {self.sure:g} would take noise for defects; write 3 or more")
        if not self.faintest > 0:
            raise ProjectError(f"faintest: {self.faintest:g} is not above zero; write 2.2")


@dataclass(frozen=True, eq=False)
class Defects:
    """What was found: a map for each sensor, and `findings`, which are for people."""

    maps: Mapping[Sensor, DefectMap] = field(default_factory=dict)
    findings: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether no still is changed."""
        return not any(len(found) for found in self.maps.values())

    @cached_property
    def timed(self) -> bool:
        """Whether it depends on when a still was taken which defects are in it."""
        times = [array for found in self.maps.values() for array in (found.since, found.until)]
        return any(bool(np.isfinite(each).any()) for each in times)

    @cached_property
    def repairs(self) -> Repairs:
        return Repairs(self.maps)

    @cached_property
    def digest(self) -> str:
        """Equal digests mean equal repairs."""
        state = hashlib.blake2b(digest_size=16)
        for sensor, found in sorted(self.maps.items()):
            state.update(repr((sensor, len(found))).encode())
            for array in (found.places, found.least, found.most, found.kinds, found.since,
                          found.until):  # fmt: skip
                state.update(np.ascontiguousarray(array).data)
        return state.hexdigest()

    def as_json(self) -> dict[str, Any]:
        """What a report tells."""
        return {
            "sensors": [
                {
                    "camera": camera,
                    "size": f"{size[0]}x{size[1]}",
                    **{kind.name.lower(): found.count(kind) for kind in Kind},
                    "later": int(np.isfinite(found.since).sum()),
                }
                for (camera, size), found in self.maps.items()
            ],
            "findings": list(self.findings),
        }


def measure(
    stills: Sequence[Still],
    settings: HotPixels = HotPixels(),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    identities: object = None,
    progress: Callable[[int, int], None] | None = None,
) -> Defects:
    """The defects of the sensors of a roll; raises ProjectError where `known` or `map` are no good.

    `identities` are what makes the stills other ones: where given, what was found is kept on disk
    and not looked for again.  Memory: ten bytes a pixel of a still, and two decoded stills a core.
    """
    found = _searched(stills, settings, limits, identities, progress)
    maps, findings = dict(found.maps), list(found.findings)
    sensors = dict.fromkeys(map(sensor_of, stills))
    if settings.map is not None:
        saved = saved_maps(settings.map)
        maps = together(maps, {sensor: saved[sensor] for sensor in sensors if sensor in saved})
        if not sensors.keys() & saved.keys():
            findings.append(f"{settings.map} has no map of a camera of this roll: it has no effect")
    if settings.known:
        for place in settings.known:
            check_place(place, [size for _, size in sensors])
        for sensor in sensors:
            here = [place for place in settings.known if on_sensor(place, sensor[1])]
            maps = together(maps, {sensor: DefectMap.known(sensor[1], here)})
    return Defects(maps, tuple(findings))


def saved_maps(path: Path) -> dict[Sensor, DefectMap]:
    """The maps of a file; raises ProjectError where it cannot be read, or is none of maps."""
    try:
        return load(path)
    except OSError as error:
        raise ProjectError(f"{path}: cannot be read: {error.strerror or error}") from error


def _searched(
    stills: Sequence[Still],
    settings: HotPixels,
    limits: Limits,
    identities: object,
    progress: Callable[[int, int], None] | None,
) -> Defects:
    if not settings.search:
        return Defects()
    kept = None
    if identities is not None:
        found = replace(settings, map=None, known=())
        kept = kept_at("defects.npz", _MADE_AS, found, identities)
        # A damaged one is as if it were not there.
        with suppress(OSError, ProjectError):
            maps = load(kept)
            return Defects(maps, tuple(kept.with_suffix(".txt").read_text("utf-8").splitlines()))
    groups: dict[Sensor, list[Still]] = {}
    for still in stills:
        groups.setdefault(sensor_of(still), []).append(still)
    maps, findings = {}, []
    totals = {s: min(len(group), _looked_at(s[1], settings)) for s, group in groups.items()}
    done = 0
    for sensor, group in groups.items():
        tick = None
        if progress:
            tick = _shifted(progress, done, sum(totals.values()))
        maps[sensor], told = _of_sensor(group, settings, limits, tick)
        findings += [f"{sensor[0] or 'camera'}, {sensor[1][0]}x{sensor[1][1]}: {text}"
                     for text in told]  # fmt: skip
        done += totals[sensor]
    if kept is not None:
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            save(maps, kept)
            kept.with_suffix(".txt").write_text("\n".join(findings), "utf-8")
    return Defects(maps, tuple(findings))


def _looked_at(size: tuple[int, int], settings: HotPixels) -> int:
    return settings.stills or (_STILLS if size[0] * size[1] < _LARGE else _OF_LARGE)


def _shifted(
    progress: Callable[[int, int], None], start: int, total: int
) -> Callable[[int, int], None]:
    return lambda done, _: progress(start + done, total)


def _of_sensor(
    stills: Sequence[Still],
    settings: HotPixels,
    limits: Limits,
    progress: Callable[[int, int], None] | None,
) -> tuple[DefectMap, list[str]]:
    """The map of one sensor, and what is to be said of it."""
    size = stored_size(stills[0])
    nothing = DefectMap.none(size)
    if len(stills) < FEWEST:
        return nothing, [f"{len(stills)} stills are too few to tell hot pixels from the scene"]
    spread = np.linspace(0, len(stills) - 1, _looked_at(size, settings))
    chosen = np.unique(spread.round().astype(int))
    # As the sensor has them: not turned.
    flat = [replace(still, orientation=1, size=size) for still in (stills[at] for at in chosen)]
    nominate = [at for at in range(len(flat)) if at % 3 == 1]
    decide = [at for at in range(len(flat)) if at % 3 != 1]
    # The first of them are spread over the roll as well.
    decide = [at for first in range(_PARTS) for at in decide[first::_PARTS]]
    walk = surveyed(flat, limits, wanted=nominate + decide, progress=progress, lent=True)
    block = _block(stills[0], limits)
    votes, times = Votes(size, block), list[float]()
    series: list[NDArray[np.int8]] = []
    for at, pixels in _eight_bits(walk):
        if at % 3 == 1:
            votes.add(pixels)
            continue
        if not series:
            candidates = votes.candidates()
        series.append(votes.at(candidates.places, pixels))
        times.append(float(flat[at].captured.seconds))
        if len(series) == max(_FIRST, len(decide) // _PARTS):
            promise = promising(candidates, np.stack(series))
            candidates, series = candidates.part(promise), [each[promise] for each in series]
    if votes.count < len(nominate) // 2 + 1 or len(series) < FEWEST // 2:
        return nothing, ["too few stills can be decoded to tell hot pixels from the scene"]
    if candidates.still:
        return nothing, [
            "the scene stands still, or shows nothing that moves: hot pixels cannot be told from "
            "it, and none is repaired; give them by grade.hot_pixels.known, or a map"
        ]
    order = np.argsort(times, kind="stable")
    found = judged(size, candidates, np.stack([series[at] for at in order]), np.array(times)[order],
                   settings.sure, settings.faintest, block=block, halo=settings.halo)  # fmt: skip
    told = []
    if candidates.fixed >= 0.01:
        told.append(f"{candidates.fixed:.0%} of the picture stands still: hot pixels are not "
                    "looked for there")  # fmt: skip
    return found, told


def _block(still: Still, limits: Limits) -> tuple[int, int]:
    """The (width, height) over which the JPEG of a still spreads a pixel: its blocks of colour."""
    try:
        with Reader(limits) as reader:
            return jpeg.block(reader.read(still.file)) if still.kind == "jpeg" else (8, 8)
    except (StillError, ValueError):  # as are others of the roll, it is passed over
        return 8, 8


def _eight_bits(walk: Iterator[tuple[int, Pixels]]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for at, pixels in walk:
        yield at, pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
