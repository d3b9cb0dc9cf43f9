"""Framing: how a still of any size fills a frame of one size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.camera import Camera, Key, Move, check_focus, filming
from timelapse.grade.layout import Border, Fit, Focus, Layout, Pair, centred, lay, needed
from timelapse.grade.lens import Lens
from timelapse.grade.moved import Moved, Nine, inside, shrunk
from timelapse.grade.pose import Box, Pose
from timelapse.machine import Buffers
from timelapse.notation import Notation

#: Nothing larger is derived from the stills: what a phone, a browser and a projector all play.
COMFORTABLE = (1920, 1080)
LARGEST = 16384
#: A camera's pictures are so many times as fine as its frames where it is closest, or as the
#: stills where these are coarser: a linear interpolation is then nearly as sharp between pixels
#: as on them.
_FINER = 1.5
#: The bars of `blur`: the shorter side of what is blurred, by how much, and what light is left.
_SMALL, _BLUR, _DIMMED = 48, 2.5, 0.55


class Size(Notation, NamedTuple("Size", [("width", int), ("height", int)])):
    """Width x height in pixels, both even (4:2:0 colour needs it): `1920x1080`."""

    examples: tuple[str, ...] = ("1920x1080", "3840x2160")

    @classmethod
    def read(cls, text: str) -> Size:
        found = re.fullmatch(r"\s*(\d{1,6})\s*[x×*]\s*(\d{1,6})\s*", text.lower())
        if not found:
            raise ValueError(f"{text!r} is not a size; write 1920x1080")
        width, height = int(found[1]), int(found[2])
        if width % 2 or height % 2:
            even = f"{width + width % 2}x{height + height % 2}"
            raise ValueError(f"{text}: both sides of a film have to be even; write {even}")
        if not (16 <= width <= LARGEST and 16 <= height <= LARGEST):
            raise ValueError(f"{text}: each side lies between 16 and {LARGEST} pixels")
        return cls(width, height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def commonest(sizes: Mapping[Pair, int]) -> Pair:
    """The size that most stills have."""
    return max(sizes, key=lambda size: (sizes[size], size))


def natural_size(
    sizes: Mapping[Pair, int], pose: Pose | None = None, within: Pair = COMFORTABLE
) -> Size:
    """The frame size that a roll suggests: its commonest still size, or what is used of it, brought
    down to fit into 1920x1080 (or 1080x1920, or another box) in its own shape, both sides even."""
    width, height = (pose or Pose()).shape(commonest(sizes))
    longest, shortest = within
    box = (longest, shortest) if width >= height else (shortest, longest)
    scale = min(Fraction(1), Fraction(box[0], width), Fraction(box[1], height))
    even = (max(16, int(side * scale) // 2 * 2) for side in (width, height))
    return Size(*even)


@dataclass(frozen=True)
class Framing:
    """Puts stills of any size and shape into frames of `size`.

    `pad` shows all of the still between black bars, `blur` between bars of its own blurred light,
    `crop` fills the frame and cuts what stands over: what is furthest from `focus`, a point in
    shares of the still, or evenly on both sides.  Where the shapes differ by less than two pixels
    (an odd height, say) the still is cut, never squeezed and never padded.  `pose` is what is done
    to a still before that.

    Where a camera moves (`moving`), stills become pictures of the size `canvas`, larger than the
    frame, of which `camera` says what each frame shows.
    """

    size: Size
    fit: Fit = "pad"
    focus: Focus | None = None
    pose: Pose = Pose()
    canvas: Pair | None = None
    camera: Camera | None = None

    def __post_init__(self) -> None:
        check_focus(self.focus)

    @property
    def pictures(self) -> Pair:
        """The (width, height) of what `apply` makes of stills."""
        return self.canvas or self.size

    @property
    def static(self) -> Framing:
        """The same without the camera: what decides the pictures alone."""
        return replace(self, camera=None)

    def resized(self, size: Size) -> Framing:
        """The same for frames of another size, such as a preview's."""
        if self.camera is None or self.canvas is None:
            return replace(self, size=size)
        scale = max(size.width / self.size.width, size.height / self.size.height)
        across, down = (ceil(side * scale - 1e-6) for side in self.canvas)
        canvas = max(size.width, across), max(size.height, down)
        camera = replace(self.camera, canvas=canvas, size=size)
        return replace(self, size=size, canvas=canvas, camera=camera)

    def moving(
        self, moves: Sequence[tuple[Fraction, Move]], rate: Fraction, still: Pair
    ) -> Framing:
        """The same with a camera over it, for stills of that size above all; `moves` are with their
        times in the video, in seconds.

        ProjectError where they do not follow on each other.
        """
        if not moves:
            return self
        shape, native = self._whole(still)
        around = replace(self, canvas=(max(1, round(shape[0])), max(1, round(shape[1]))))
        keys: list[Key] = []
        zoom, turn, focus = 1.0, 0.0, self.focus
        for at, move in moves:
            zoom = zoom if move.zoom is None else move.zoom
            turn = turn if move.turn is None else move.turn
            focus = move.focus or focus
            keys.append(Key(at, zoom, around._share(focus, still), turn, move.ease))
        closest = filming(keys, rate, around.pictures, self.size).closest
        grow = max(1.0, min(closest, native)) * _FINER
        canvas = (
            max(self.size.width, ceil(shape[0] * grow - 1e-6)),
            max(self.size.height, ceil(shape[1] * grow - 1e-6)),
        )
        return replace(self, canvas=canvas, camera=filming(keys, rate, canvas, self.size))

    def _whole(self, still: Pair) -> tuple[tuple[float, float], float]:
        """The (width, height) of all that a camera can see of a still where it shows as much as it
        can of it, in pixels of the frame; and how many pixels the still has for one of those."""
        lens = self.pose.optics.zoom(still) if self.pose.optics else 1.0
        if self.fit != "crop":
            scale = min(replace(self, canvas=None)._layout(still).scales)
            return (float(self.size.width), float(self.size.height)), 1 / scale / lens
        shape = np.array(self.pose.shape(still), np.float64)
        if self.pose.quarters is None:  # of the same shape, as large as shows no border
            shape *= (shape / needed(shape, self.pose.turn)).min()
        scale = float((np.array(self.size) / shape).max())
        return (float(shape[0] * scale), float(shape[1] * scale)), 1 / scale / lens

    def _share(self, focus: Focus | None, still: Pair) -> tuple[float, float]:
        """A point in shares of a still, in shares of the picture."""
        if focus is None:
            return 0.5, 0.5
        point = np.array([focus]) * still - 0.5
        x, y = ((self.place(still, point)[0] + 0.5) / self.pictures).tolist()
        return x, y

    def scaled(self, still: Pair, closer: float = 1.0) -> Pair:
        """The (width, height) to which a still of this size is scaled as a whole, before cut or
        padding: what it has to be decoded to at least, where it is enlarged that much before."""
        layout, pose = self._layout(still), self.pose
        if layout.straight and pose.crop is None and not pose.optics:
            across, down = layout.target[::-1] if (pose.quarters or 0) % 2 else layout.target
            return ceil(across * closer - 1e-6), ceil(down * closer - 1e-6)
        zoom = closer * (pose.optics.zoom(still) if pose.optics else 1.0)
        wide, high = layout.scales
        return ceil(still[0] * wide * zoom - 1e-6), ceil(still[1] * high * zoom - 1e-6)

    def place(
        self,
        still: Pair,
        points: NDArray[np.float64],
        frames: NDArray[np.int64] | None = None,
        steady: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Where points of a still of that size (N x 2, in its pixels) are in the frame, or in each
        of N `frames` where a camera moves: N x 2, in pixels of the frame.

        `steady` is the matrix that stills are moved by (3 x 3; or N x 3 x 3, one for each point),
        see `apply`.  Whole numbers are the middles of pixels.  A JPEG whose sides are no multiples
        of 8 may lie up to a pixel off, where it is decoded to a smaller size.
        """
        points = np.asarray(points, np.float64)
        if steady is not None:
            whole = np.column_stack([points + 0.5, np.ones(len(points))])
            moved = (np.asarray(steady) @ whole[..., None])[..., 0]
            points = moved[:, :2] / moved[:, 2:] - 0.5
        if self.pose.optics:
            points = self.pose.optics.straight(points, still)
        onto = centred(self._layout(still).onto)
        found: NDArray[np.float64] = points @ onto[:2, :2].T + onto[:2, 2]
        if self.camera is not None and frames is not None:
            matrices = self.camera.onto(frames)
            found = np.einsum("nij,nj->ni", matrices[:, :, :2], found) + matrices[:, :, 2]
        return found

    def notes(self, stills: Mapping[Pair, int], closer: float = 1.0) -> Iterator[str]:
        """What a person should know of how so many stills of these sizes are shown, where they are
        enlarged that much before."""
        for still, count in stills.items():
            name = f"{count} still{'s' * (count != 1)} of {still[0]}x{still[1]}"
            yield from (f"{name} {note}" for note in self._notes(still, closer))

    def _notes(self, still: Pair, closer: float) -> Iterator[str]:
        layout, picture = self._layout(still), self.pictures
        across, down = layout.target
        if self.fit != "crop" and (layout.seen != picture or not layout.straight):
            if self.fit == "pad":
                yield "shown with black bars; output.fit: crop fills the frame"
        elif not layout.straight or across > picture[0] + 1 or down > picture[1] + 1:
            yield "cut at the edges"
        if self.camera is not None:
            pixels = np.array(self.size) / picture
            times = max(layout.scales) * closer * float(pixels.max()) * self.camera.closest
            if times > 1.005:
                yield f"enlarged up to {times:.2f} times where the camera is closest"
        elif max(layout.scales) * closer > 1:
            yield "enlarged"

    def apply(
        self,
        pixels: NDArray[Any],
        buffers: Buffers | None = None,
        still: Pair | None = None,
        steady: Nine | None = None,
        *,
        border: Border = "crop",
        closer: float = 1.0,
    ) -> NDArray[Any]:
        """A still (H x W x 3, uint8 or uint16, display light) as a picture of `pictures`, same
        dtype; `still` is its size where it was decoded to a smaller one.

        `steady` is a matrix (3 x 3, row by row) that it is moved by before all else, which takes
        places in pixels of `still` to such places; pixel 0 reaches from 0 to 1.  Where the still
        then does not reach is what `border` says.  `closer` is by how much `steady` enlarges, about
        the same for all stills of a film.

        The result looks into the input where nothing has to be scaled or padded; else it is new,
        or that of `buffers` until they are used for another still.  It is not always contiguous.
        """
        whole = still or pixels.shape[1::-1]
        layout = self._layout(whole)
        box = _within(layout.box, whole, pixels.shape[1::-1])
        if steady is not None:
            pixels = shrunk(pixels, self._shown(layout, whole, pixels) * closer, 0.5)
            (x, y), lens = layout.at, self.pose.optics
            onto = _key(np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]) @ layout.onto)
            moved = Moved(whole, steady, lens, onto, layout.seen)
            seen = moved.apply(pixels, border, buffers)
        elif layout.straight and not self.pose.optics and box:
            seen = self._resized(pixels, layout, box, buffers)
        else:
            seen = self._warped(pixels, layout, whole, buffers)
        if self.fit == "crop" or (layout.straight and layout.seen == self.pictures):
            return seen
        around = self._around(pixels, whole, buffers, steady)
        if not layout.straight:
            return inside(seen, around, _coverage(_key(layout.onto), layout.box, self.pictures))
        (x, y), (width, height) = layout.at, layout.seen
        around[y : y + height, x : x + width] = seen
        return around

    def _layout(self, still: Pair) -> Layout:
        return _laid(self.pictures, self.fit, self.focus, self.pose, still)

    def _resized(
        self, pixels: NDArray[Any], layout: Layout, box: Box, buffers: Buffers | None
    ) -> NDArray[Any]:
        """What is seen of a still that is neither bent nor turned by other than quarters."""
        import cv2

        left, top, right, bottom = box
        pixels = pixels[top:bottom, left:right]
        turns = self.pose.quarters or 0
        target = layout.target[::-1] if turns % 2 else layout.target
        height, width = pixels.shape[:2]
        if target != (width, height):
            # Beyond 2:1 a linear filter would alias; JPEGs never get here with more than that.
            shrinks = width > 2 * target[0] or height > 2 * target[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            room = buffers.take("scaled", (*target[::-1], 3), pixels.dtype) if buffers else None
            pixels = cv2.resize(pixels, target, room, interpolation=how)
        if self.pose.flip != "none":
            pixels = cv2.flip(pixels, {"horizontal": 1, "vertical": 0, "both": -1}[self.pose.flip])
        if turns:
            pixels = cv2.rotate(pixels, turns - 1)  # OpenCV counts from 0: one quarter clockwise
        (x, y), (width, height) = layout.cut, layout.seen
        return pixels[y : y + height, x : x + width]

    def _warped(
        self, pixels: NDArray[Any], layout: Layout, still: Pair, buffers: Buffers | None
    ) -> NDArray[Any]:
        """What is seen of a still, by one interpolation."""
        import cv2

        lens = self.pose.optics
        pixels = shrunk(pixels, self._shown(layout, still, pixels), 0.5)  # as above
        width, height = pixels.shape[1::-1]
        (x, y), (across, down) = layout.at, layout.seen
        onto = layout.onto @ np.diag((still[0] / width, still[1] / height, 1))
        onto -= [[0, 0, x], [0, 0, y], [0, 0, 0]]
        room = buffers.take("warped", (down, across, 3), pixels.dtype) if buffers else None
        edge = cv2.BORDER_REPLICATE
        if lens:
            maps = _maps(lens, _key(onto), (width, height), (across, down))
            return cv2.remap(pixels, *maps, cv2.INTER_LINEAR, room, edge)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = np.linalg.inv(centred(onto))[:2]
        return cv2.warpAffine(pixels, back, (across, down), room, how, edge)

    def _shown(self, layout: Layout, still: Pair, pixels: NDArray[Any]) -> float:
        """How many pixels of the picture there are for one of a still of a size, as decoded."""
        fine = np.array(pixels.shape[1::-1]) / still
        zoom = self.pose.optics.zoom(still) if self.pose.optics else 1
        return float((layout.scales / fine).min()) * zoom

    def _around(
        self,
        pixels: NDArray[Any],
        still: Pair,
        buffers: Buffers | None,
        steady: Nine | None,
    ) -> NDArray[Any]:
        """What is seen where the still is not."""
        import cv2

        width, height = self.pictures
        if self.fit == "pad":
            return np.zeros((height, width, 3), pixels.dtype)
        share = max(1.0, min(width, height) / _SMALL)
        small = max(1, round(width / share)), max(1, round(height / share))
        covering = replace(self, fit="crop", canvas=small, camera=None)
        light = covering.apply(pixels, None, still, steady, border="edge").astype(np.float32)
        blurred = cv2.GaussianBlur(light, (0, 0), _BLUR, borderType=cv2.BORDER_REPLICATE)
        dimmed = np.rint(blurred * _DIMMED).astype(pixels.dtype)
        room = buffers.take("around", (height, width, 3), pixels.dtype) if buffers else None
        return cv2.resize(dimmed, (width, height), room, interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=256)
def _laid(frame: Pair, fit: Fit, focus: Focus | None, pose: Pose, still: Pair) -> Layout:
    return lay(frame, fit, focus, pose, still)


def _within(box: Box, still: Pair, decoded: Pair) -> Box | None:
    """A part of a still in pixels of what it was decoded to; None where these are not whole."""
    sides = [(at * decoded[k % 2], still[k % 2]) for k, at in enumerate(box)]
    if any(at % whole for at, whole in sides):
        return None
    left, top, right, bottom = (at // whole for at, whole in sides)
    return left, top, right, bottom


def _key(onto: NDArray[np.float64]) -> Nine:
    return tuple(onto.ravel().tolist())


@lru_cache(maxsize=8)
def _maps(
    lens: Lens, onto: Nine, still: Pair, size: Pair
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    matrix = np.array(onto).reshape(3, 3)
    return lens.maps(centred(matrix), still, size)


@lru_cache(maxsize=8)
def _coverage(onto: Nine, box: Box, size: Pair) -> NDArray[np.float32]:
    """How much of each pixel of a frame a still covers, 0 to 1: H x W x 3."""
    matrix = np.array(onto).reshape(3, 3)
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1])[:, None] + 0.5
    back, scale = np.linalg.inv(matrix), np.linalg.norm(matrix[:2, 0])
    left, top, right, bottom = map(float, box)
    share = np.ones((size[1], size[0]))
    for row, low, high in ((back[0], left, right), (back[1], top, bottom)):
        at = row[0] * x + row[1] * y + row[2]
        share *= np.clip(np.minimum(at - low, high - at) * scale + 0.5, 0, 1)
    return np.repeat(share.astype(np.float32)[:, :, None], 3, axis=2)
