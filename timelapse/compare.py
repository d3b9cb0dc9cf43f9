"""Before and after: what the corrections of a film do, in one picture.

All pictures are RGB, uint8, display light.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import H264
from timelapse.deliver.sheets import BACK, write
from timelapse.errors import RenderError
from timelapse.grade import Display, commonest, laid
from timelapse.grade.defects import Kind, sensor_of, stored_size
from timelapse.ingest.develop import upright
from timelapse.overlay import Place
from timelapse.render import Findings, Job, measured, still
from timelapse.times import AnyTime

#: The two sides, and what is between them.
SIDES = ("before", "after")
#: At most so many places are enlarged, each by a factor from the least to the most, so that about
#: this many pixels of the frame are seen across.
_LOUPES, _LEAST, _MOST, _ACROSS = 4, 4, 8, 32
#: What differs by less, in levels of 255, is not looked at.
_VISIBLE = 2
#: The line of words above, and the space between parts, in shares of the frame's width.
_HEAD, _SPACE = 24, 96
#: The rings that mark what is enlarged.
_INKS = ((255, 150, 40), (70, 200, 255), (255, 90, 170), (150, 230, 90))


@dataclass(frozen=True)
class Spot:
    """A square of a frame that is enlarged: its left and top pixel."""

    x: int
    y: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """The same frame without and with its corrections, each H x W x 3; `spots` are squares of
    `side` pixels in which they differ most, from left to right, and are enlarged by `factor`.
    `were` are the squares of the frame before that show the same: others, where stills are moved.
    """

    before: Display
    after: Display
    spots: tuple[Spot, ...]
    were: tuple[Spot, ...]
    side: int
    factor: int

    @property
    def picture(self) -> Display:
        """Both side by side under their names, rings around the spots, and the spots enlarged in a
        row below; new."""
        height, width = self.before.shape[:2]
        space, head = max(2, width // _SPACE), max(12, width // _HEAD)
        large = self.side * self.factor
        below = large + 2 * space if self.spots else 0
        whole = np.full((head + height + below, 2 * width + space, 3), BACK, np.uint8)
        sides = (self.before, self.were, 0), (self.after, self.spots, width + space)
        for name, (frame, spots, left) in zip(SIDES, sides, strict=True):
            half = whole[:, left : left + width]
            write(half[:head, space:], {Place.LEFT: name}, "sans-bold")
            half[head : head + height] = frame
            self._ring(half[head : head + height], spots)
            pitch = (width - len(spots) * large) / (len(spots) + 1)
            for at, spot in enumerate(spots):
                x, y = round(pitch * (at + 1)) + large * at, head + height + space
                square = frame[spot.y : spot.y + self.side, spot.x : spot.x + self.side]
                enlarged = square.repeat(self.factor, axis=0).repeat(self.factor, axis=1)
                edge = max(1, space // 4)
                half[y - edge : y + large + edge, x - edge : x + large + edge] = _INKS[at]
                half[y : y + large, x : x + large] = enlarged
        return whole

    def _ring(self, frame: NDArray[np.uint8], spots: tuple[Spot, ...]) -> None:
        """Draws a ring around each of some spots into a view of a picture."""
        import cv2

        drawn = np.ascontiguousarray(frame)
        thin = max(1, min(frame.shape[:2]) // 540)
        for spot, ink in zip(spots, _INKS, strict=False):
            middle = spot.x + self.side // 2, spot.y + self.side // 2
            cv2.circle(drawn, middle, self.radius, ink, thin, cv2.LINE_AA)
        frame[...] = drawn

    @property
    def radius(self) -> int:
        """Of the rings, in pixels: they leave the squares free."""
        return int(self.side * 0.71) + 2


def graded(job: Job) -> Job:
    """The same job, where anything of its stills is corrected; raises RenderError with what to
    write, where nothing is."""
    if not job.graded:
        raise RenderError(
            "there is nothing to compare: the project corrects nothing; write, for instance, "
            "grade: {hot_pixels: auto, deflicker: 15 s}"
        )
    return job


def light_graded(job: Job) -> Job:
    """The same job, where anything is done that a keogram shows; raises RenderError as `graded`
    does."""
    grade = graded(job).grade
    if not (grade.hot_pixels or grade.deflicker or grade.stops):
        raise RenderError(
            "there is nothing to compare: a keogram shows what hot_pixels, deflicker and exposures "
            "of sidecars do, and the project has none of them; for the others, timelapse still "
            "--compare shows a frame"
        )
    return job


def compared(job: Job, at: AnyTime, findings: Findings | None = None) -> Comparison:
    """The finished frame that holds an instant without and with its corrections.

    Enlarged are places of hot pixels, where these show, or else where the two differ most.  Raises
    RenderError where that frame lies outside the clip, or the job has no corrections.
    """
    findings = findings if findings is not None else Findings()
    if job.format.burn == "alone":  # overlays without stills would show nothing of it
        job = replace(job, format=H264(rate=job.format.rate))
    job = measured(graded(job))
    after = still(job, at, findings)
    before = still(job.ungraded(), at, findings)
    number = job.plan.timeline.frame_of(at)
    job = job.without(findings.lost)
    back = _back(job, number)
    differs = _differs(before, after, back)
    spots, side, factor = _spots(differs, _hot_pixels(job, number))
    were = tuple(_moved(spot, back, side, differs.shape) for spot in spots)
    return Comparison(before, after, spots, were, side, factor)


def _back(job: Job, number: int) -> NDArray[np.float64]:
    """What takes places of a frame to where the same things are without corrections, 3 x 3."""
    import cv2

    if laid(job.grade, job.found, job.plan.roll.stills, 0) is None:
        return np.eye(3)
    width, height = commonest(job.plan.roll.sizes)
    x, y = np.meshgrid(np.linspace(0, width, 5), np.linspace(0, height, 5))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    frame = np.full(len(points), number)
    after, before = (each.place(points, frame) for each in (job, job.ungraded()))
    return np.asarray(cv2.findHomography(after, before)[0], np.float64)


def _differs(before: Display, after: Display, back: NDArray[np.float64]) -> NDArray[np.uint8]:
    """How far frames differ (H x W), both where they are and, moved, in what they show: texts
    stand, and what is behind them has moved."""
    import cv2

    differs: NDArray[np.uint8] = cv2.absdiff(before, after).max(axis=2)
    if (back == np.eye(3)).all():
        return differs
    size, flags = differs.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(before, back, size, flags=flags)
    seen = cv2.warpPerspective(np.full_like(differs, 255), back, size, flags=flags) == 255
    apart: NDArray[np.uint8] = np.minimum(differs, cv2.absdiff(moved, after).max(axis=2)) * seen
    return apart


def _moved(spot: Spot, back: NDArray[np.float64], side: int, frame: tuple[int, ...]) -> Spot:
    """The square that shows without corrections what a square shows with them."""
    x, y, scale = back @ (spot.x + side // 2, spot.y + side // 2, 1)
    return _square(round(x / scale), round(y / scale), side, (frame[1], frame[0]))


def _hot_pixels(job: Job, number: int) -> NDArray[np.int64]:
    """Where hot and dead pixels of the still that a frame shows most of are in it: N x 2 (x, y)."""
    nowhere = np.empty((0, 2), np.int64)
    stills, weights = job.plan.taps.row(number)
    if not job.found.defects or not len(stills):
        return nowhere
    shown = job.plan.roll.stills[int(stills[np.argmax(weights)])]
    found = job.found.defects.maps.get(sensor_of(shown))
    if found is None:
        return nowhere
    found = found.at(float(shown.captured.seconds))
    found = found.part(found.kinds != Kind.HALO)
    y, x = (found.places.T + 0.5) / np.array(stored_size(shown))[::-1, None]
    size = commonest(job.plan.roll.sizes)  # for which places are asked
    points = np.stack(upright(x, y, shown.orientation), axis=1) * size - 0.5
    frame = np.full(len(points), number)
    placed = job.place(points, frame).round().astype(np.int64)
    return placed[((placed >= 0) & (placed < job.framing.size)).all(axis=1)]


def _spots(
    differs: NDArray[np.uint8], places: NDArray[np.int64]
) -> tuple[tuple[Spot, ...], int, int]:
    """Where to look, how many pixels across, and how much larger."""
    import cv2

    height, width = differs.shape
    space = max(2, width // _SPACE)
    room = (width - space) // _LOUPES - space
    factor = min(_MOST, max(_LEAST, room // _ACROSS))
    side = max(3, min(room // factor, width, height))
    count = min(_LOUPES, (width - space) // (side * factor + space))
    score = np.zeros_like(differs)
    # A pixel may lie between two of the frame, and spread over its neighbours.
    score[places[:, 1], places[:, 0]] = cv2.dilate(differs, np.ones((3, 3)))[
        places[:, 1], places[:, 0]
    ]
    if not len(places) or score.max() < _VISIBLE:
        score = np.asarray(cv2.blur(differs, (3, 3)), np.uint8)
    spots = (_square(x, y, side, (width, height)) for x, y in _peaks(score, side, count))
    return tuple(sorted(spots, key=lambda spot: (spot.x, spot.y))), side, factor


def _peaks(score: NDArray[Any], apart: int, count: int) -> Iterator[tuple[int, int]]:
    """The highest places (x, y), so far apart that each is seen by itself; changes `score`."""
    for _ in range(count):
        y, x = np.unravel_index(int(np.argmax(score)), score.shape)
        if score[y, x] < _VISIBLE:
            return
        yield int(x), int(y)
        score[max(0, y - apart) : y + apart + 1, max(0, x - apart) : x + apart + 1] = 0


def _square(x: int, y: int, side: int, frame: tuple[int, int]) -> Spot:
    """The square around a pixel that lies within the frame."""
    left, top = (
        min(max(0, at - side // 2), length - side) for at, length in zip((x, y), frame, strict=True)
    )
    return Spot(left, top)
