"""Register: how the stills of a roll lie over each other, found from the roll itself.

From the reference on, to the end and to the beginning, each still is laid over a key still: one
that was laid before, and is kept for as long as most of it is seen.  So nothing drifts while the
camera stays, and a camera that travels is followed.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_hexdigest

from timelapse.errors import ProjectError
from timelapse.grade.agree import Floats, Model
from timelapse.grade.chain import Chain, Method
from timelapse.grade.kept import kept_at
from timelapse.grade.motion import Motion
from timelapse.grade.reel import COARSE, FINE, Reel, grayed, of_size, scaling
from timelapse.ingest import Limits, Pixels, Still
from timelapse.storage import written_whole

Gray = NDArray[np.uint8]
By = Literal["auto", "features", "ecc", "stars", "horizon"]
Pair = tuple[int, int]

#: Raise it when the same stills come to another motion.
_MADE_AS = 3
#: How many times what is off by chance (standard deviation) nothing goes beyond.
_CHANCE = 4.0
#: How many pairs of neighbours are looked at, to see what a roll is like.
_PAIRS = 4
#: What makes a roll one of stars: gray at most, and points of light in a still.
_DARK, _LIGHTS = 48, 40
#: How many corners a roll has to have, to be followed by them.
_CORNERS = 60


@dataclass(frozen=True)
class Register:
    """How stills are laid over each other.

    `model`: what may differ: where they lie (translation), also how they are turned and enlarged
    (similarity), also how they are tilted (homography).  `by`: what they are known by: corners
    (features), all their pixels (ecc: where nothing stands out), points of light (stars), or where
    sky meets ground (horizon: turn and height only); auto: what the roll has.  `reference`: the
    index of the still that the others are laid over; by itself one in the middle.  `ignore`: boxes
    (left, top, right, bottom; shares of the still, 0 to 1) that move otherwise, as a window frame
    or the Earth.  `mask`: a picture of any size, nothing is looked at where it is black.
    """

    model: Model = "similarity"
    by: By = "auto"
    reference: int | None = None
    ignore: tuple[tuple[float, float, float, float], ...] = ()
    mask: Path | None = None

    def __post_init__(self) -> None:
        for name, known in (("model", Model), ("by", By)):
            if getattr(self, name) not in get_args(known):
                choices = ", ".join(get_args(known))
                raise ProjectError(f"{name}: {getattr(self, name)!r} is none of {choices}")
        if self.reference is not None and self.reference < 0:
            raise ProjectError(f"reference: {self.reference} is no still; the first one is 0")
        for box in self.ignore:
            if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
                raise ProjectError(
                    f"ignore: {list(box)} is no box; write left, top, right and bottom in shares "
                    "of the still, as [0, 0.6, 1, 1] for what is below"
                )


def measure(
    stills: Sequence[Still],
    settings: Register = Register(),
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    identities: Sequence[object] | None = None,
    seen: Callable[[int, Pixels], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Motion:
    """How the stills of a roll lie over the reference, in pixels of the commonest size.

    The result does not depend on the number of cores.  A still of another size, or one that cannot
    be decoded, or in which nothing is found, is `trusted` 0, and lies between its neighbours in
    time.  `identities` are what makes the stills other ones: where given, what was found is kept on
    disk and not looked for again.  Every still is decoded small, once but for a few; `seen` is
    shown each on the way, by its index, as `surveyed` says.  Raises ProjectError where the mask
    cannot be read, the reference is none of the stills, or astroalign is wanted and missing.
    """
    if settings.reference is not None and settings.reference >= len(stills):
        raise ProjectError(
            f"reference: {settings.reference} is none of {len(stills)} stills, counted from 0"
        )
    if not stills:
        return Motion.none(0, (1, 1))
    mask = read_mask(settings.mask) if settings.mask else None
    kept = None
    if identities is not None:
        looked = xxh3_128_hexdigest(mask.tobytes()) if mask is not None else ""
        basis = (replace(settings, mask=None), identities, looked)
        kept = kept_at("motion.npz", _MADE_AS, *basis)
        # A damaged one is as if it were not there.
        with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return _load(kept, len(stills))
    motion = _measured(stills, settings, limits, mask, seen, progress)
    if kept is not None:
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            _save(motion, kept)
    return motion


def between(
    a: Pixels | Gray,
    b: Pixels | Gray,
    *,
    model: Model = "similarity",
    by: Literal["features", "ecc", "stars", "horizon"] = "features",
    looked: Gray | None = None,
) -> tuple[Floats, float]:
    """How picture `b` lies over picture `a` of the same size (H x W gray or H x W x 3 RGB, uint8 or
    uint16): the matrix that takes its places to those of `a`, where pixel 0 reaches from 0 to 1,
    and how far that is to be trusted, 0 to 1; it is 0 where nothing was found.

    Nothing is looked at where `looked` (H x W, uint8) is 0.
    """
    method = _method(by, model, looked)
    fit = method.between(method.view(grayed(a)), method.view(grayed(b)), np.eye(3))
    if fit is None:
        return np.eye(3), 0.0
    half = scaling((1, 1), (1, 1))
    return np.linalg.inv(half) @ fit.onto @ half, fit.trusted


# ------------------------------------------------------------------ the roll


def _measured(
    stills: Sequence[Still],
    settings: Register,
    limits: Limits,
    mask: Gray | None,
    seen: Callable[[int, Pixels], None] | None,
    progress: Callable[[int, int], None] | None,
) -> Motion:
    size = Counter(still.size for still in stills).most_common(1)[0][0]
    alike = [at for at, still in enumerate(stills) if still.size == size]
    wish = len(stills) // 2 if settings.reference is None else settings.reference
    middle = min(range(len(alike)), key=lambda k: abs(alike[k] - wish))
    order = alike[middle:] + alike[:middle][::-1]
    reel = Reel(stills, order, limits, FINE, seen, progress)
    first = reel.first()
    if first is None:
        return replace(Motion.none(len(stills), size), trusted=np.zeros(len(stills)))
    small = first.shape[1::-1]
    method = _chosen(settings, _looked(settings, mask, small), reel, small)
    if method.coarse:
        reel = Reel(stills, order, limits, COARSE, seen, progress)
        first = reel.first()
        assert first is not None  # as it could be decoded before
        small = first.shape[1::-1]
        method = _method(method.name, settings.model, _looked(settings, mask, small))
    chain = Chain(method, small)
    ahead = True
    for at, gray in reel.walk():
        if ahead and at < alike[middle]:
            ahead = False
            chain.rewind()
        chain.add(at, of_size(gray, small))
    onto, trusted = np.tile(np.eye(3), (len(stills), 1, 1)), np.zeros(len(stills))
    into = scaling(size, small)
    for at, (matrix, share) in chain.found.items():
        onto[at], trusted[at] = np.linalg.inv(into) @ matrix @ into, share
    onto /= onto[:, 2:, 2:]
    _between_neighbours(onto, trusted, [float(still.captured.seconds) for still in stills])
    reference = chain.start if settings.reference is None else settings.reference
    onto = np.linalg.inv(onto[reference]) @ onto
    # So that it does not hang on the last bits of anybody's arithmetic.
    onto = np.round(onto / onto[:, 2:, 2:], 12)
    off = _CHANCE * float(np.median(chain.off)) if chain.off else 0.0
    noise = off * size[0] / small[0]
    return Motion(size, onto, np.round(trusted, 4), reference, round(noise, 4), method.name)


def _between_neighbours(onto: Floats, trusted: Floats, seconds: Sequence[float]) -> None:
    """Lays what was not found between what was, by time."""
    known = np.flatnonzero(trusted > 0)
    if not 0 < len(known) < len(trusted):
        return
    times = np.maximum.accumulate(np.array(seconds) - seconds[0])
    # Of equal times the order decides.
    times = times + np.arange(len(times)) * 1e-6
    for row, column in np.ndindex(3, 3):
        onto[:, row, column] = np.interp(times, times[known], onto[known, row, column])


# ------------------------------------------------------------------ where to look


def read_mask(path: Path) -> Gray:
    """A mask, H x W, black where nothing is looked at; ProjectError where the file is none."""
    import cv2

    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ProjectError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        mask = None
    if mask is None:
        raise ProjectError(f"{path}: is no picture; make it a PNG or JPEG")
    return np.asarray(mask, np.uint8)


def _looked(settings: Register, mask: Gray | None, size: Pair) -> Gray | None:
    """Where a small picture is looked at (255) and where not (0); None is everywhere."""
    import cv2

    if mask is None and not settings.ignore:
        return None
    looked = np.full(size[::-1], 255, np.uint8)
    if mask is not None:
        shrinks = mask.shape[1] > size[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        looked[cv2.resize(mask, size, interpolation=how) < 128] = 0
    for box in settings.ignore:
        left, top, right, bottom = (side * size[k % 2] for k, side in enumerate(box))
        looked[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] = 0
    if not looked.any():
        raise ProjectError("ignore and mask leave nothing of the stills to look at")
    return looked


# ------------------------------------------------------------------ how


def _method(
    by: str, model: Model, looked: Gray | None, samples: Sequence[Gray] = (), needed: bool = False
) -> Method:
    if by == "stars":
        from timelapse.grade.stars import Stars

        return Stars(model, looked, samples, needed=needed)
    if by == "horizon":
        from timelapse.grade.horizon import Horizon

        return Horizon(model, looked)
    if by == "ecc":
        from timelapse.grade.likeness import Likeness

        return Likeness(model, looked)
    from timelapse.grade.features import Features

    return Features(model, looked)


def _chosen(settings: Register, looked: Gray | None, reel: Reel, size: Pair) -> Method:
    """The method that is asked for, or what a roll is fit for."""
    from timelapse.grade.features import Features
    from timelapse.grade.stars import Stars

    if settings.by not in ("auto", "stars"):
        return _method(settings.by, settings.model, looked)
    samples = [of_size(gray, size) for gray in reel.some(_spread(sorted(reel.order)))]
    if settings.by == "stars":
        return Stars(settings.model, looked, samples, needed=True)
    if np.median([np.median(gray) for gray in samples]) <= _DARK:
        stars = Stars(settings.model, looked, samples)
        views = [stars.view(gray) for gray in samples]
        fits = [stars.between(a, b, np.eye(3)) for a, b in pairwise(views)]
        many = np.median([len(view.points) for view in views]) >= _LIGHTS
        if many and sum(fit is not None for fit in fits[::2]) * 2 > len(fits[::2]):
            return stars
    features = Features(settings.model, looked)
    seen = [features.view(gray) for gray in samples]
    follows = [features.between(a, b, np.eye(3)) for a, b in pairwise(seen)]
    rich = np.median([len(view.corners) for view in seen]) >= _CORNERS
    if rich and (len(seen) < 2 or any(follows)):
        return features
    return _method("ecc", settings.model, looked)


def _spread(order: Sequence[int]) -> list[int]:
    """Neighbours, two by two, from all parts of a roll."""
    first = np.linspace(0, max(len(order) - 2, 0), _PAIRS).round().astype(int).tolist()
    chosen = sorted({at + k for at in first for k in (0, 1) if at + k < len(order)})
    return [order[at] for at in chosen]


# ------------------------------------------------------------------ disk


def _save(motion: Motion, path: Path) -> None:
    with written_whole(path) as draft, draft.open("wb") as stream:
        np.savez_compressed(
            stream, size=motion.size, onto=motion.onto, trusted=motion.trusted,
            reference=motion.reference, noise=motion.noise, by=motion.by,
        )  # fmt: skip


def _load(path: Path, count: int) -> Motion:
    """Raises ValueError, and others, where it is none of so many stills."""
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        onto, trusted = file["onto"], file["trusted"]
        if onto.shape != (count, 3, 3) or trusted.shape != (count,):
            raise ValueError("a motion of another roll")
        width, height = (int(side) for side in file["size"])
        return Motion((width, height), onto, trusted, int(file["reference"]), float(file["noise"]),
                      str(file["by"]))  # fmt: skip
