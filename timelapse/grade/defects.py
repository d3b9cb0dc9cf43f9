"""Defects of a sensor: where they are, and what they add to a still.

A map lives in the sensor's own geometry: the pixels of a still as it is stored, before the EXIF
orientation turns it.  For each pixel it says between what limits the defect moves the value.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.ingest import Still
from timelapse.storage import written_whole

Size = tuple[int, int]
#: A camera, and the (width, height) of its stills as they are stored.
Sensor = tuple[str, Size]
_FORMAT = 1


class Kind(IntEnum):
    """What a defect is: too bright, too dark, named by the user, or not a defect itself but what
    the camera's JPEG has made of one nearby."""

    HOT, DEAD, KNOWN, HALO = range(4)


@dataclass(frozen=True, eq=False)
class DefectMap:
    """The N defects of one sensor.

    `places` (N x 2, int32) are (y, x), sorted, each once.  `least` and `most` (N x 3, int16; RGB,
    levels of 255 in display light) are the limits of what a defect adds: `least` is at most zero,
    `most` at least.  `kinds` (N, uint8) are of `Kind`.  A defect is there in stills taken from
    `since` up to `until` (N, float64, seconds since 1970, UTC; infinite where it always was).
    """

    size: Size
    places: NDArray[np.int32]
    least: NDArray[np.int16]
    most: NDArray[np.int16]
    kinds: NDArray[np.uint8]
    since: NDArray[np.float64]
    until: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def none(cls, size: Size) -> DefectMap:
        return cls.known(size, ())

    @classmethod
    def known(cls, size: Size, places: Iterable[tuple[int, int]]) -> DefectMap:
        """A map of pixels (y, x) that are no good at all; raises ProjectError where one is outside
        of the (width, height) `size`."""
        where = np.array(sorted(set(places)), np.int32).reshape(-1, 2)
        for y, x in where.tolist():
            check_place((y, x), (size,))
        count = len(where)
        return cls(
            size,
            where,
            np.full((count, 3), -255, np.int16),
            np.full((count, 3), 255, np.int16),
            np.full(count, Kind.KNOWN, np.uint8),
            np.full(count, -np.inf),
            np.full(count, np.inf),
        )

    def count(self, kind: Kind) -> int:
        return int((self.kinds == kind).sum())

    def merged(self, other: DefectMap) -> DefectMap:
        """What either map knows; where both know a pixel, the wider limits and the longer time.
        Raises ProjectError where the sizes differ."""
        if self.size != other.size:
            raise ProjectError(
                f"maps of sensors of {self.size[0]}x{self.size[1]} and {other.size[0]}x"
                f"{other.size[1]} pixels cannot be merged; use each with its own stills"
            )
        flat = [each.places @ np.array([self.size[0], 1]) for each in (self, other)]
        at, where = np.unique(np.concatenate(flat), return_inverse=True)
        found = _empty(self.size, len(at))
        for each, into in ((self, where[: len(self)]), (other, where[len(self) :])):
            found.places[into] = each.places
            found.least[into] = np.minimum(found.least[into], each.least)
            found.most[into] = np.maximum(found.most[into], each.most)
            # A halo is a defect where the other map says so.
            found.kinds[into] = np.minimum(found.kinds[into], each.kinds)
            found.since[into] = np.minimum(found.since[into], each.since)
            found.until[into] = np.maximum(found.until[into], each.until)
        return found

    def at(self, moment: float) -> DefectMap:
        """The defects that are there at one time, in seconds since 1970."""
        return self.part((self.since <= moment) & (moment < self.until))

    def part(self, chosen: NDArray[Any]) -> DefectMap:
        """Some of the defects, by indices or a mask."""
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return replace(self, **arrays)


_ARRAYS = ("places", "least", "most", "kinds", "since", "until")


def _empty(size: Size, count: int) -> DefectMap:
    return DefectMap(
        size,
        np.zeros((count, 2), np.int32),
        np.zeros((count, 3), np.int16),
        np.zeros((count, 3), np.int16),
        np.full(count, Kind.HALO, np.uint8),
        np.full(count, np.inf),
        np.full(count, -np.inf),
    )


def stored_size(still: Still) -> Size:
    """The (width, height) of a still as it is stored, before its orientation turns it."""
    return still.size[::-1] if still.orientation >= 5 else still.size


def on_sensor(place: tuple[int, int], size: Size) -> bool:
    """Whether a sensor of that (width, height) has a pixel (y, x)."""
    return 0 <= place[0] < size[1] and 0 <= place[1] < size[0]


def check_place(place: tuple[int, int], sizes: Iterable[Size]) -> None:
    """ProjectError where no sensor of these sizes has a pixel (y, x)."""
    sizes = list(sizes)
    if not any(on_sensor(place, size) for size in sizes):
        width, height = (max(sides) for sides in zip(*sizes, strict=True))
        raise ProjectError(
            f"{list(place)} is outside of the sensor; write [row, column], rows from 0 to "
            f"{height - 1} and columns from 0 to {width - 1}, in the still as it is stored"
        )


def sensor_of(still: Still) -> Sensor:
    return still.camera, stored_size(still)


def together(
    one: Mapping[Sensor, DefectMap], other: Mapping[Sensor, DefectMap]
) -> dict[Sensor, DefectMap]:
    """What either knows of each sensor."""
    return {**one, **{s: one[s].merged(more) if s in one else more for s, more in other.items()}}


def save(maps: Mapping[Sensor, DefectMap], path: Path) -> None:
    """Writes maps as one file (NumPy's .npz), whole or not at all; raises OSError.

    It holds `format` (1), `cameras` (names), `sizes` (K x 2, width and height) and, for all
    defects of all sensors behind each other, `sensor` (N, which of the K) and the arrays of
    `DefectMap`.
    """
    counts = [len(each) for each in maps.values()]
    table: dict[str, Any] = {
        "format": np.int32(_FORMAT),
        "cameras": np.array([camera for camera, _ in maps], np.str_),
        "sizes": np.array([size for _, size in maps], np.int32).reshape(-1, 2),
        "sensor": np.repeat(np.arange(len(maps), dtype=np.int32), counts),
    }
    nothing = DefectMap.none((1, 1))
    for name in _ARRAYS:
        parts = [getattr(each, name) for each in (nothing, *maps.values())]
        table[name] = np.concatenate(parts)
    with written_whole(path) as draft, draft.open("wb") as stream:
        np.savez_compressed(stream, **table)


def load(path: Path) -> dict[Sensor, DefectMap]:
    """The maps of a file that `save` wrote; raises ProjectError where it is none, and OSError."""
    damage = (ValueError, KeyError, TypeError, EOFError, IndexError, zipfile.BadZipFile, zlib.error)
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if int(file["format"]) != _FORMAT:
                raise ProjectError(f"{path}: a map of defects of a later version of this program")
            table = {name: file[name] for name in ("cameras", "sizes", "sensor", *_ARRAYS)}
        return dict(_checked(table))
    except damage as error:
        if isinstance(error, ProjectError):
            raise
        raise ProjectError(
            f"{path}: no map of defects, or a damaged one; make one: timelapse export PROJECT -o "
            f"{path.stem}.npz"
        ) from error


def _checked(table: Mapping[str, NDArray[Any]]) -> Iterable[tuple[Sensor, DefectMap]]:
    sensor, model = table["sensor"], _empty((1, 1), len(table["sensor"]))
    for name in _ARRAYS:
        if table[name].shape != getattr(model, name).shape:
            raise ValueError(f"{name} has the shape {table[name].shape}")
    for at, (camera, size) in enumerate(zip(table["cameras"], table["sizes"], strict=True)):
        mine = sensor == at
        width, height = (int(side) for side in size)
        arrays = {
            name: table[name][mine].astype(getattr(model, name).dtype, casting="same_kind")
            for name in _ARRAYS
        }
        found = DefectMap((width, height), **arrays)
        if len(found) and ((found.places < 0) | (found.places >= (height, width))).any():
            raise ValueError("a pixel is outside of its sensor")
        yield (str(camera), (width, height)), found
