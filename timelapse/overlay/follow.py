"""Things followed through the stills of a roll, from points that are given, both ways in time.

`follow` looks for a thing and says where it was found and where not, as a `Track`; `keyed` makes a
track of points given by hand.  Nothing here draws.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.ingest import Limits, Still
from timelapse.machine import single_threaded_opencv
from timelapse.overlay.follow_pictures import Pictures, is_white, scale_of
from timelapse.overlay.follow_seek import Find, Kind, Point, Seeker, View, kind_of
from timelapse.overlay.follow_track import Span, Track, Way, keyed
from timelapse.storage import cache_folder, written_whole
from timelapse.times import CaptureTime

__all__ = ["Span", "Track", "Way", "follow", "keyed"]

#: Raise it when the same stills and points come to another track.
_FOLLOWED_AS = 1
#: A loss of so many usual steps between two finds is bridged.
_BRIDGE = 5.5
#: Bytes of windows that are kept from one way for the other.
_KEPT = 128 << 20


def follow(
    stills: Sequence[Still],
    starts: Sequence[tuple[CaptureTime, float, float]],
    *,
    box: int | None = None,
    search: int | None = None,
    limits: Limits = Limits(),  # noqa: B008 - it does not change
    progress: Callable[[int, int], None] | None = None,
) -> Track:
    """Where the thing is that stands at each of `starts` (capture time, x, y in still pixels).

    Each start belongs to the still nearest in time.  From the first on it is followed back, from
    the last on forward, and between two from both: where only one way arrives at the other's point
    it is believed, where both do, their mean, weighed by nearness.  The track passes through every
    start; what a start is off the middle of a light is kept, and evened out from one to the next.
    `stills` are in order of capture; those of another size than the first start's, and those that
    cannot be read, count as not seen.  `box` is the side of a square that holds the thing, `search`
    how far it may be from where its motion leads, both in still pixels: a fortieth of the still's
    width, at least 16, and the same as `box`, if not given.

    A still is decoded once, and again where two ways that meet in it disagree.  Memory: some
    decoded stills, and 128 MB of windows.  What was found is remembered on disk, by the stills'
    files and these parameters.  Raises ProjectError where there is no start or one lies outside its
    still, StillError where a start's still cannot be read.
    """
    if not starts or not stills:
        raise ProjectError(
            "points: nothing to follow; give a point, as {at: T+10 s, point: [9, 9]}"
        )
    anchors = _anchors(stills, starts)
    width, height = stills[next(iter(anchors))].size
    for x, y in anchors.values():
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            raise ProjectError(
                f"point [{x:g}, {y:g}] lies outside the stills of {width}x{height}; count from the"
                " top left pixel, which is [0, 0]"
            )
    box = box or max(width // 40, 16)
    search = search or box
    kept = _place(stills, anchors, box, search)
    rows = _remembered(kept, len(stills))
    if rows is None:
        with Pictures(stills, (width, height), box, limits) as pictures, single_threaded_opencv():
            rows = _Chase(pictures, anchors, box, search, progress).run()
        _remember(kept, rows)
    found = rows[:, 2] > 0
    x, y = (np.where(found, rows[:, k], np.nan) for k in (0, 1))
    origin = stills[0].captured
    seconds = np.array([float(still.captured - origin) for still in stills])
    step = usual_step(seconds)
    return Track(origin, seconds, x, y, found, rows[:, 3], bridge=_BRIDGE * step, margin=step / 2)


def _anchors(
    stills: Sequence[Still], starts: Sequence[tuple[CaptureTime, float, float]]
) -> dict[int, Point]:
    """Each start's point, by the index of its still, rising."""
    times = [still.captured for still in stills]
    found = {}
    for time, x, y in starts:
        after = min(bisect_left(times, time), len(times) - 1)
        before = max(after - 1, 0)
        nearest = before if abs(time - times[before]) < abs(times[after] - time) else after
        found[nearest] = np.array([x, y], np.float64)
    return dict(sorted(found.items()))


def usual_step(seconds: NDArray[np.float64]) -> float:
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 1.0


# ------------------------------------------------------------------ both ways


class _Chase:
    """The following of one thing; positions here are in pixels of the decoded pictures."""

    def __init__(
        self,
        pictures: Pictures,
        anchors: dict[int, Point],
        box: int,
        search: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._pictures, self._progress = pictures, progress
        colours = {at: pictures.colours(at) for at in anchors}
        size = pictures.stills[next(iter(anchors))].size
        self._scale = scale_of(next(iter(colours.values())), size)
        self._radius = max(round(box * float(self._scale.mean()) / 2), 4)
        self._search = max(round(search * float(self._scale.mean())), 3)
        self._points = {at: (point + 0.5) * self._scale - 0.5 for at, point in anchors.items()}
        kinds = [
            kind_of(View.whole(pictures.gray(colours[at])), point, self._radius)
            for at, point in self._points.items()
        ]
        self._kind: Kind = "light" if "light" in kinds else "pattern"
        pictures.white = self._kind == "light" and all(
            is_white(colours[at], point) for at, point in self._points.items()
        )
        self._views = {at: View.whole(pictures.gray(rgb)) for at, rgb in colours.items()}
        self._seconds = np.array([float(still.captured.seconds) for still in pictures.stills])
        self._step = usual_step(self._seconds)
        self._done: set[int] = set()

    def run(self) -> NDArray[np.float64]:
        """For each still: x and y in still pixels, found, score; N x 4."""
        count = len(self._pictures.stills)
        whole = np.zeros((count, 4))
        places = list(self._points)
        origins = {at: self._seeker(at).origin for at in places}
        first, last = places[0], places[-1]
        whole[first::-1] = self._way(first, range(first - 1, -1, -1))
        whole[last:] = self._way(last, range(last + 1, count))
        for a, b in pairwise(places):
            windows: dict[int, View] = {}
            there = self._way(a, range(a + 1, b + 1), keep=windows)
            back = self._way(b, range(b - 1, a - 1, -1), kept=windows)[::-1]
            near = max(2.0, self._radius / 2)
            whole[a : b + 1] = tied(there, back, origins[a], origins[b], near)
        off = np.array([self._points[at] - origins[at] for at in places])
        when = self._seconds[places]
        for k, scale in enumerate(self._scale):
            evened = whole[:, k] + np.interp(self._seconds, when, off[:, k])
            whole[:, k] = (evened + 0.5) / scale - 0.5
        return whole

    def _seeker(self, at: int) -> Seeker:
        return Seeker(self._views[at], self._points[at], self._radius, self._search, self._kind)

    def _way(
        self,
        start: int,
        indices: range,
        *,
        keep: dict[int, View] | None = None,
        kept: dict[int, View] | None = None,
    ) -> NDArray[np.float64]:
        """What is found from a start on, through `indices`, the start's own first.

        Windows about the finds are kept in `keep`; those in `kept` stand for their stills where
        they hold enough.
        """
        seeker, kept = self._seeker(start), kept or {}
        finds = [Find(float(seeker.origin[0]), float(seeker.origin[1]), True, 1.0)]
        self._tell(start)
        room, before = _KEPT, start
        for at, view in self._pictures.walk(indices, kept):
            steps = abs(self._seconds[at] - self._seconds[before]) / self._step
            expected, before = seeker.advance(float(steps)), at
            if at in kept:
                view = kept[at]
                if not view.covers(expected, seeker.window):
                    view = self._pictures.load(at)
            finds.append(seeker.seek(view) if view else seeker.miss())
            if keep is not None and view and room > 0:
                # The other way expects it within `search` of here, and looks that far again.
                keep[at] = view.around(np.array(finds[-1][:2]), seeker.window + self._search)
                room -= keep[at].pixels.nbytes
            self._tell(at)
        return np.array(finds, np.float64)

    def _tell(self, at: int) -> None:
        self._done.add(at)
        if self._progress:
            self._progress(len(self._done), len(self._pictures.stills))


def tied(
    there: NDArray[np.float64],
    back: NDArray[np.float64],
    start: Point,
    goal: Point,
    near: float,
) -> NDArray[np.float64]:
    """One way out of two between the same starts; rows of x, y, found and score, in order of time.

    `there` comes from `start`, `back` from `goal`.  A way that ends `near` the other's start is
    believed, and so is one where the other has lost the thing for good; where two that are believed
    lie apart, nothing is found.
    """
    count = len(there)
    believed = [np.ones(count, bool), np.ones(count, bool)]
    arrives = [
        bool(way[end, 2]) and float(np.hypot(*(way[end, :2] - point))) <= near
        for way, end, point in ((there, -1, goal), (back, 0, start))
    ]
    if not any(arrives):  # each up to its first loss
        believed[0] = np.logical_and.accumulate(there[:, 2] > 0)
        believed[1] = np.logical_and.accumulate(back[::-1, 2] > 0)[::-1]
    elif not all(arrives):
        believed[arrives.index(False)][:] = False
    use = [trusted & (way[:, 2] > 0) for trusted, way in zip(believed, (there, back), strict=True)]
    apart = np.hypot(*(there[:, :2] - back[:, :2]).T) > near
    share = np.linspace(0, 1, count)
    weights = np.stack([use[0] * (1 - share), use[1] * share])
    weights[0] += use[0] & (weights.sum(axis=0) == 0)
    weights[1] += use[1] & (weights.sum(axis=0) == 0)
    total = weights.sum(axis=0)
    lost = (total == 0) | (use[0] & use[1] & apart)
    weights /= np.where(total == 0, 1, total)
    found = np.asarray(weights[0][:, None] * there + weights[1][:, None] * back, np.float64)
    found[:, 2] = ~lost
    found[lost, 3] = np.minimum(there, back)[lost, 3]
    return found


# ------------------------------------------------------------------ remembered


def _place(stills: Sequence[Still], anchors: dict[int, Point], box: int, search: int) -> Path:
    """Where a track is kept: by all that decides it."""
    words = hashlib.blake2b(digest_size=16)
    libraries = [version(name) for name in ("opencv-python-headless", "numpy", "simplejpeg")]
    points = [(at, *point.tolist()) for at, point in anchors.items()]
    words.update(repr((_FOLLOWED_AS, libraries, points, box, search)).encode())
    for still in stills:
        file = still.file
        line = file.archive, file.path, file.frame, file.size, file.mtime_ns, still.captured.seconds
        words.update(f"{line} {still.size} {still.damaged}\n".encode("utf-8", "surrogateescape"))
    return cache_folder() / "tracks" / f"{words.hexdigest()}.npy"


def _remembered(path: Path, count: int) -> NDArray[np.float64] | None:
    with suppress(OSError, ValueError, EOFError):
        rows = np.load(path, allow_pickle=False)
        if rows.shape == (count, 4) and rows.dtype == np.float64:
            return np.asarray(rows)
    return None


def _remember(path: Path, rows: NDArray[np.float64]) -> None:
    with suppress(OSError):  # a cache that cannot be written is no reason to fail
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft, draft.open("wb") as stream:
            np.save(stream, rows, allow_pickle=False)
