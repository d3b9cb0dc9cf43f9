"""The camera: optics, sensor, JPEG and EXIF of a Nikon D5 behind a window of the Cupola.

All light is linear, RGB, float32, 1.0 where the sensor saturates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from statistics import NormalDist

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from timelapse.simulate.geometry import F32, F64, FOCAL_LENGTH_MM, View, turned, view
from timelapse.simulate.ground import Ground
from timelapse.simulate.rocket import REFERENCE_RANGE, Points, Rocket, in_view
from timelapse.simulate.sky import Sky
from timelapse.srgb import shown_of

JPEG_QUALITY = 92
HOT_SHARE = 0.0012  # of the pixels
RAYS = 3.0  # cosmic rays in a still, for each million pixels, where they are wanted
EXPOSURE = 1.3  # of the whole scene: set by eye
READ_NOISE = 0.0011
SHOT_NOISE = 0.00022  # variance per unit of light: about 4,500 electrons at saturation
EXPOSURE_TIME = Fraction(1, 5)
_FAINT = 0.01  # light on the sensor below which nobody would say that it is seen
_PEDESTAL = 0.0011  # keeps the noise of black from being cut off at 0
_DESIGN_WIDTH = 960.0  # the width at which fluxes are stated
_EXIF_IFD = 0x8769
# Stills from the Station on the web hold colour at full resolution.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip


def rng_for(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one purpose, whatever else was drawn, in whatever order."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _display_table() -> F32:
    """Return sRGB codes for 65,536 levels of linear light, uint8."""
    return np.round(255 * shown_of(np.arange(65536) / 65535)).astype(np.uint8)


def _normal_table() -> F32:
    """Return the 65,536 equally likely values of the normal distribution, float32."""
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (k + 0.5) / 65536) for k in range(32768)])
    return np.concatenate([-upper[::-1], upper]).astype(np.float32)


@dataclass(frozen=True)
class HotPixels:
    """Photosites that leak: x, y, channel (0 red, 1 green, 2 blue) and leakage in linear light."""

    x: np.ndarray
    y: np.ndarray
    channel: np.ndarray
    level: np.ndarray

    @staticmethod
    def make(seed: int, size: tuple[int, int]) -> HotPixels:
        """Draw them; half are green, as half of a Bayer sensor is."""
        rng = rng_for(seed, 6)
        width, height = size
        n = max(4, round(HOT_SHARE * width * height))
        place = np.sort(rng.choice(width * height, n, replace=False))
        channel = rng.choice(np.array([0, 1, 1, 2]), n)
        # Most are faint; the worst saturate. Photometry of real maps shows such a long tail.
        level = np.minimum(0.035 * (1 - rng.random(n)) ** -0.85, 1.0)
        return HotPixels(place % width, place // width, channel, level)


@dataclass(frozen=True)
class Sensor:
    """What is wrong with a sensor: whether it has hot pixels, and is hit by cosmic rays."""

    hot: bool = True
    rays: bool = False


def tracks(seed: int, size: tuple[int, int], index: int) -> HotPixels:
    """Draw what cosmic rays leave in still number `index`: short straight tracks of photosites,
    each of which holds one colour; a track's first photosite is the brightest."""
    rng = rng_for(seed, 7, index)
    width, height = size
    count = rng.poisson(RAYS * width * height / 1e6)
    length = rng.choice(np.array([1, 1, 1, 2, 3]), count)
    step = rng.choice(np.array([[0, 1], [1, 0], [1, 1], [-1, 1]]), count)
    x, y = rng.integers(4, width - 4, count), rng.integers(4, height - 4, count)
    level = np.minimum(0.12 * (1 - rng.random(count)) ** -1.0, 1.0)
    along = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    track = np.repeat(np.arange(count), length)
    x, y = x[track] + step[track, 0] * along, y[track] + step[track, 1] * along
    bayer = np.array([[0, 1], [1, 2]])[y % 2, x % 2]
    return HotPixels(x, y, bayer, level[track] * 0.8**along)


class Camera:
    """Takes stills of one size; building one takes about a second, a still some tens of ms."""

    def __init__(self, size: tuple[int, int], seed: int, sensor: Sensor = Sensor()) -> None:
        self.size, self.seed, self._sensor = size, seed, sensor
        width, height = size
        self.rocket = Rocket()
        self._sky = Sky(rng_for(seed, 0))
        self._ground = Ground(rng_for(seed, 1))
        self.hot = HotPixels.make(seed, size)
        self._display = _display_table()
        self._normal = _normal_table()
        focal = width * FOCAL_LENGTH_MM / 36.0
        self._x = ((np.arange(width) - (width - 1) / 2) / focal).astype(np.float32)[None, :]
        self._y = ((np.arange(height) - (height - 1) / 2) / focal).astype(np.float32)[:, None]
        self._inverse = 1 / np.sqrt(1 + self._x**2 + self._y**2)
        # Soft things are drawn on a coarser grid of pixels.
        self._soft = _grid(size, 480 if width <= _DESIGN_WIDTH else 640)
        self._softer = _grid(size, 240)
        # 1 EV down in the corners, by the fourth power of the cosine, stretched to fit.
        corner = float(self._inverse.min()) ** 4
        fall = (1 - self._inverse**4) / (1 - corner)
        self._vignette = _thrice((1 - 0.5 * fall).astype(np.float32))
        self._scale = width / _DESIGN_WIDTH
        self._first, self._second = (np.empty((height, width, 3), np.float32) for _ in range(2))

    def light(self, t: float) -> F32:
        """Return the light of the scene on the sensor at mission time `t`, shape (h, w, 3)."""
        camera = view(t, self.size)
        up = (camera.local[0] @ camera.axes.T).astype(np.float32)
        sine = (up[0] * self._x + (up[1] * self._y + up[2])) * self._inverse
        glow, ground, haze = self._sky.limb(sine)

        rays = self._rays(camera, self._softer)
        veil, moonlit, ripple = self._sky.veil(camera, rays)
        rays = self._rays(camera, self._soft)
        engine = self.rocket.position(t), float(self.rocket.thrust(np.array(t)))
        clouds = self._ground.clouds(camera, rays, engine)

        gas = self._plume(camera)
        gas += cv2.resize(veil, (gas.shape[1], gas.shape[0]))
        # Full pictures are worked on in place, in two buffers, with three equal channels instead
        # of one that is broadcast: this takes half the time of plain expressions.
        frame, first, second = glow, self._first, self._second
        frame *= self._widen(_thrice(ripple), first)
        self._widen(clouds, first)
        frame += cv2.multiply(first, cv2.merge((ground, ground, ground), second), first)
        self._widen(moonlit, first)
        frame += cv2.multiply(first, cv2.merge((haze, haze, haze), second), first)
        frame += self._widen(gas, first)
        self._add_spread(frame, self._points(camera))
        frame *= self._widen(_thrice(self._window(camera)), first)
        frame *= self._vignette
        return frame

    def _widen(self, coarse: F32, out: F32) -> F32:
        return np.asarray(cv2.resize(coarse, self.size, out), np.float32)

    @staticmethod
    def _rays(camera: View, grid: F32) -> F32:
        return np.asarray(turned(grid, camera.local @ camera.axes.T), np.float32)

    def _points(self, camera: View) -> F32:
        """Return all points of light, each shared between its four nearest pixels."""
        width, height = self.size
        lamps = self._ground.lamps(camera)
        stars = self._sky.starlight(camera)
        x, y, flux = _cast(camera, self.rocket.lights(camera.t))
        fx = np.concatenate([lamps[0], stars[0], x.astype(np.float32)])
        fy = np.concatenate([lamps[1], stars[1], y.astype(np.float32)])
        light = np.concatenate([lamps[2], stars[2], flux.astype(np.float32)])
        return _splat(fx, fy, light * np.float32(self._scale**2), (width, height))

    def _add_spread(self, frame: F32, points: F32) -> None:
        """Add points as the lens spreads them: a core of about a pixel, and a wide, faint veil."""
        height, width = frame.shape[:2]
        sigma = max(0.68 * self._scale, 0.5)
        reach = 2 * round(2.6 * sigma) + 1
        whole = (width, height) == self.size
        room = self._first if whole else np.empty_like(frame)
        core = cv2.GaussianBlur(points, (reach, reach), sigma, room)
        cv2.scaleAdd(core, 0.80, frame, frame)
        small = cv2.resize(points, (max(width // 4, 8), max(height // 4, 8)),
                           interpolation=cv2.INTER_AREA)  # fmt: skip
        near = cv2.GaussianBlur(small, (0, 0), max(0.9 * self._scale, 0.4))
        wide = cv2.GaussianBlur(small, (0, 0), max(5.0 * self._scale, 0.6))
        veil = np.asarray(near * np.float32(0.16) + wide * np.float32(0.14), np.float32)
        frame += np.asarray(cv2.resize(veil, (width, height), room), np.float32)

    def _plume(self, camera: View) -> F32:
        """Return the rocket's gas, drawn from parcels on a coarse grid, shape (h, w, 3)."""
        height, width = self._soft.shape[:2]
        points, size = self.rocket.plume(camera.t)
        out = np.zeros((height, width, 3), np.float32)
        if not len(size):
            return out
        x, y, distance, visible = camera.project(points.position)
        # The coarse pixels are larger than those that the fluxes are stated for.
        flux = points.flux * ((REFERENCE_RANGE / distance) * width / _DESIGN_WIDTH)[:, None] ** 2
        ratio = width / self.size[0]
        x, y = (x + 0.5) * ratio - 0.5, (y + 0.5) * ratio - 0.5
        unit = width / 480
        spread = size / distance * camera.focal * ratio / unit
        # Only the part of the picture that the gas reaches is worked on.
        visible &= (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
        if not visible.any():
            return out
        x, y, flux, spread = x[visible], y[visible], flux[visible], spread[visible]
        margin = round(14 * unit) + 2
        left, top = max(int(x.min()) - margin, 0), max(int(y.min()) - margin, 0)
        part_of_picture = out[top : int(y.max()) + margin, left : int(x.max()) + margin]
        height, width = part_of_picture.shape[:2]
        x, y = x - left, y - top
        for low, high, blur in ((0.0, 0.8, 0.7), (0.8, 2.0, 1.4), (2.0, 4.0, 2.6), (4.0, 1e9, 4.5)):
            part = (spread >= low) & (spread < high)
            if part.any():
                layer = _splat(
                    x[part].astype(np.float32), y[part].astype(np.float32),
                    flux[part].astype(np.float32), (width, height),
                )  # fmt: skip
                part_of_picture += cv2.GaussianBlur(layer, (0, 0), max(blur * unit, 0.4))
        return out

    def plume(self, t: float) -> tuple[float, float] | None:
        """Return the pixel (x, y) of the middle of the rocket's plume, as it is to be seen.

        That is the mean position of its own light, without noise and with nothing about it, over
        the part round the rocket that is at least half as bright as it is there.  The sensor
        saturates, and counts what it gets in all three channels.  None where the rocket is not in
        the picture or gives no light.
        """
        camera = view(t, self.size)
        here = in_view(camera, self.rocket.position(t))
        if here is None:
            return None
        reach = round(40 * self._scale)
        x, y = round(here[0]), round(here[1])
        left, top = max(x - reach, 0), max(y - reach, 0)
        width, height = min(x + reach, self.size[0]) - left, min(y + reach, self.size[1]) - top
        gas = self._plume(camera)
        ratio = gas.shape[1] / self.size[0]
        across, down = (left + 0.5) * ratio - 0.5, (top + 0.5) * ratio - 0.5
        frame = np.asarray(
            cv2.warpAffine(
                gas, np.array([[ratio, 0, across], [0, ratio, down]]), (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
            ), np.float32,
        )  # fmt: skip
        px, py, flux = _cast(camera, self.rocket.lights(t))
        near = np.hypot(px - here[0], py - here[1]) < 3 * self._scale
        light = (flux[near] * self._scale**2).astype(np.float32)
        self._add_spread(
            frame,
            _splat((px[near] - left).astype(np.float32), (py[near] - top).astype(np.float32),
                   light, (width, height)),
        )  # fmt: skip
        shown = np.minimum(frame * np.float32(EXPOSURE), 1).min(axis=2)
        about = shown[max(y - top - 2, 0) : y - top + 3, max(x - left - 2, 0) : x - left + 3]
        peak = float(about.max())
        if peak < _FAINT:
            return None
        _, parts = cv2.connectedComponents((shown >= peak / 2).astype(np.uint8))
        rows, columns = np.nonzero(parts)
        nearest = int(np.argmin((columns + left - here[0]) ** 2 + (rows + top - here[1]) ** 2))
        mass = np.where(parts == parts[rows[nearest], columns[nearest]], shown, 0)
        total = mass.sum()
        return (
            float(mass.sum(axis=0) @ np.arange(width) / total) + left,
            float(mass.sum(axis=1) @ np.arange(height) / total) + top,
        )

    def _window(self, camera: View) -> F32:
        """Return what the window lets through: its frame, far out of focus, takes a corner."""
        x, y = (self._softer[..., k] / self._softer[..., 2] for k in (0, 1))
        # In half-widths. The frame comes in with the camera's turn from the ground to the limb.
        settle = float(np.clip((camera.t - 40.0) / 180.0, 0.0, 1.0))
        settle = settle * settle * (3 - 2 * settle)
        drift = 0.012 * np.sin(camera.t / 70.0)
        half = self._x.max()
        edge = (0.80 * x + 0.60 * y) / half - (1.34 - 0.30 * settle + drift)
        dark = np.clip(0.5 + edge / 0.16, 0.0, 1.0)
        through = 1 - 0.985 * dark * dark * (3 - 2 * dark)
        return np.asarray(through, np.float32)

    def expose(self, t: float, index: int, gain: float) -> np.ndarray:
        """Return still number `index` at mission time `t` as sRGB, uint8, shape (h, w, 3)."""
        signal = self.light(t)
        signal *= np.float32(gain * EXPOSURE)
        hot = self.hot
        rng = rng_for(self.seed, 5, index)
        leak = hot.level * (1 + 0.05 * rng.standard_normal(len(hot.level)))
        if self._sensor.hot:
            signal[hot.y, hot.x, hot.channel] += leak.astype(np.float32)
        if self._sensor.rays:
            hit = tracks(self.seed, self.size, index)
            signal[hit.y, hit.x, hit.channel] += hit.level.astype(np.float32)
        # One 16-bit draw for each value: six times faster than drawing normal deviates.
        draws = rng.integers(0, 2**64, -(-signal.size // 4), np.uint64).astype("<u8", copy=False)
        grain = self._normal[draws.view("<u2")[: signal.size]].reshape(signal.shape)
        spread = signal * np.float32(SHOT_NOISE)
        spread += np.float32(READ_NOISE**2)
        grain *= np.sqrt(spread, out=spread)
        signal += grain
        signal += np.float32(_PEDESTAL)
        np.clip(signal, 0.0, 1.0, out=signal)
        signal *= np.float32(65535)
        levels = signal.astype(np.uint16)
        return np.asarray(cv2.LUT(levels, self._display))

    def still(self, t: float, index: int, gain: float, exif: bytes) -> bytes:
        """Return one still as the bytes of a JPEG file with EXIF."""
        picture = cv2.cvtColor(self.expose(t, index, gain), cv2.COLOR_RGB2BGR)
        _, coded = cv2.imencode(".jpg", picture, _JPEG)
        body = coded.tobytes()
        # EXIF is an APP1 segment straight after the start marker; its length counts itself.
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        return body[:2] + segment + body[2:]


def _thrice(plane: F32) -> F32:
    return np.asarray(cv2.merge((plane, plane, plane)), np.float32)


def _grid(size: tuple[int, int], width: int) -> F32:
    """Return unit rays in the camera's axes for a coarser grid over the picture, (h, w, 3)."""
    w = min(width, size[0])
    h = max(round(w * size[1] / size[0]), 1)
    focal = size[0] * FOCAL_LENGTH_MM / 36.0
    x = ((np.arange(w) + 0.5) * size[0] / w - size[0] / 2) / focal
    y = ((np.arange(h) + 0.5) * size[1] / h - size[1] / 2) / focal
    gx, gy = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    rays = np.stack([gx, gy, np.ones_like(gx)], axis=-1)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True), np.float32)


def _cast(camera: View, points: Points) -> tuple[F64, F64, F64]:
    """Project points of light: x, y in pixels and RGB flux as the camera receives it."""
    if not len(points.position):
        return np.empty(0), np.empty(0), np.empty((0, 3))
    x, y, distance, visible = camera.project(points.position)
    flux = points.flux * ((REFERENCE_RANGE / distance) ** 2 * visible)[:, None]
    return x[visible], y[visible], flux[visible]


def _splat(x: F32, y: F32, flux: F32, size: tuple[int, int]) -> F32:
    """Add points of RGB `flux` (n, 3) at pixel positions to an empty picture of `size`."""
    width, height = size
    inside = (x >= 0) & (x < width - 1) & (y >= 0) & (y < height - 1)
    x, y, flux = x[inside], y[inside], flux[inside]
    left, top = x.astype(np.int32), y.astype(np.int32)
    dx, dy = x - left, y - top
    index = top * width + left
    weights = np.stack([(1 - dx) * (1 - dy), dx * (1 - dy), (1 - dx) * dy, dx * dy])
    where = (index[None, :] + np.array([0, 1, width, width + 1], np.int32)[:, None]).ravel()
    out = np.empty((height * width, 3), np.float32)
    for channel in range(3):
        share = (weights * flux[:, channel]).ravel()
        out[:, channel] = np.bincount(where, share, height * width)
    return out.reshape(height, width, 3)


def exif_block(camera_time: datetime, resaved: datetime, iso: int = 12800) -> bytes:
    """Return the EXIF of one still, as the body of an APP1 segment.

    `camera_time` is what the camera's clock showed (GMT, whole hundredths); `resaved` is the day
    on which somebody on the ground saved the file again, which goes into DateTime.
    """
    shown = camera_time.strftime("%Y:%m:%d %H:%M:%S")
    hundredths = f"{camera_time.microsecond // 10_000:02d}"
    exif = Image.Exif()
    exif[0x010E] = "Simulated still: a made-up view of the Progress MS-10 launch, not a photograph"
    exif[0x010F] = "NIKON CORPORATION"
    exif[0x0110] = "NIKON D5"
    exif[0x0112] = 1
    exif[0x0131] = "timelapse simulator"
    exif[0x0132] = resaved.strftime("%Y:%m:%d %H:%M:%S")
    exif[0x013B] = "Simulated"
    exif[_EXIF_IFD] = {
        0x829A: IFDRational(*EXPOSURE_TIME.as_integer_ratio()),
        0x829D: 1.4,
        0x8822: 1,
        0x8827: iso,
        0x9003: shown,
        0x9004: shown,
        0x9291: hundredths,
        0x9292: hundredths,
        0x9209: 0,
        0x920A: FOCAL_LENGTH_MM,
        0xA434: "28.0 mm f/1.4",
    }
    return exif.tobytes()
