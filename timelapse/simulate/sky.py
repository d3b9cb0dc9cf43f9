"""The sky: stars, the Milky Way, the layers of airglow, and the limb in the last moonlight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.simulate.geometry import (
    EARTH_RADIUS,
    F32,
    STATION_RADIUS,
    View,
    moon_direction,
    turned,
)

# Height of the peak (km), scale height below and above it, RGB light. After Khomich, Semenov and
# Shefov, Airglow as an Indicator of Upper Atmospheric Structure (2008): hydroxyl, sodium and the
# green and red lines of oxygen. The light is set by eye against stills from the Station.
_LAYERS = (
    (86.0, 7.0, 4.0, (0.046, 0.027, 0.006)),
    (91.0, 4.0, 3.5, (0.030, 0.024, 0.004)),
    (97.0, 3.6, 5.5, (0.024, 0.122, 0.040)),
    (250.0, 40.0, 60.0, (0.0026, 0.0003, 0.0005)),
)
_LUT_LOW, _LUT_HIGH, _LUT_SIZE = -0.75, 0.15, 4096  # beyond: as at the ends
_LUT_STEP = (_LUT_HIGH - _LUT_LOW) / (_LUT_SIZE - 1)
_HORIZON = -float(np.sqrt(1 - (EARTH_RADIUS / STATION_RADIUS) ** 2))  # sine of its elevation
# Moonlit air: a scale height of 9 km at the limb, as a step of the sine; and its like below.
_HAZE_ABOVE = 9.0 * float(np.sqrt(1 - _HORIZON**2)) / (-_HORIZON * STATION_RADIUS)
_HAZE_BELOW = 0.022
_STARS = 42_000
_FAINTEST = 8.2  # magnitude
_BAND = (256, 768)
_GALACTIC_POLE = np.array([0.42, 0.30, -0.856])


def transmission(sine: NDArray[Any]) -> NDArray[Any]:
    """Return how much light a path from the ground upward at this sine of elevation lets through.

    Airmass after Rozenberg, Twilight (1966): 1 at the zenith, 40 at the horizon.
    """
    safe = np.maximum(sine, 0)
    airmass = 1 / (safe + 0.025 * np.exp(-11 * safe))
    through: NDArray[Any] = np.exp(-0.16 * airmass)
    return through


def _limb_tables() -> tuple[F32, F32]:
    """Return tables over the sine of elevation, of n entries each.

    Airglow RGB, shape (1, n, 3); share of starlight that comes through, shape (n,).
    """
    sine = np.linspace(_LUT_LOW, _LUT_HIGH, _LUT_SIZE)
    closest = STATION_RADIUS * np.sqrt(np.maximum(1 - sine**2, 0.0))
    sky = (closest > EARTH_RADIUS) | (sine > 0)
    tangent = np.where(sine < 0, closest - EARTH_RADIUS, 400.0)  # height of closest approach
    reach = np.where(
        sky,
        5200.0,
        -STATION_RADIUS * sine - np.sqrt(np.maximum(EARTH_RADIUS**2 - closest**2, 0.0)),
    )
    step = np.linspace(0.0, 1.0, 420, dtype=np.float32)[None, :]
    along = step * reach[:, None].astype(np.float32)
    height = (
        np.sqrt(STATION_RADIUS**2 + along**2 + along * (2 * STATION_RADIUS * sine[:, None]))
        - EARTH_RADIUS
    )
    # Beyond the closest approach the light comes through the air that lies between.
    clear = np.where(sky, np.clip((tangent - 4.0) / 34.0, 0.0, 1.0) ** 1.5, 0.0)
    beyond = along > np.maximum(-STATION_RADIUS * sine, 0.0)[:, None]
    share = np.where(beyond, clear[:, None], 1.0) * (reach / step.size)[:, None]
    glow = np.zeros((_LUT_SIZE, 3))
    for peak, below, above, colour in _LAYERS:
        off = height - peak
        shape = np.exp(-0.5 * (off / np.where(off < 0, below, above)) ** 2)
        glow += (shape * share).sum(axis=1)[:, None] * np.array(colour) / 620.0
    return glow.astype(np.float32)[None], clear.astype(np.float32)


@dataclass(frozen=True)
class StarField:
    """Stars and the Milky Way on a sphere that stands still."""

    direction: F32
    flux: F32
    glow: F32

    @staticmethod
    def make(rng: np.random.Generator) -> StarField:
        """Draw the stars: numbers grow by 10^(0.5 m), and crowd toward the Milky Way."""
        pole = _GALACTIC_POLE / np.linalg.norm(_GALACTIC_POLE)
        direction = rng.standard_normal((_STARS * 2, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        crowd = 0.30 + 0.70 * np.exp(-(np.einsum("ij,j->i", direction, pole) ** 2) / 0.05)
        direction = direction[rng.random(len(crowd)) < crowd][:_STARS]
        magnitude = _FAINTEST + 2 * np.log10(1 - rng.random(len(direction)))
        light = 1.9 * 10 ** (-0.4 * (magnitude - 3.0))
        # From the red of 3,500 K to the blue of 15,000 K; most stars near white.
        warm = np.clip(0.5 + 0.33 * rng.standard_normal(len(direction)), 0, 1)[:, None]
        colour = warm * np.array([1.0, 0.78, 0.55]) + (1 - warm) * np.array([0.68, 0.82, 1.0])
        return StarField(
            direction.astype(np.float32),
            (light[:, None] * colour).astype(np.float32),
            _milky_way(rng),
        )


def _milky_way(rng: np.random.Generator) -> F32:
    """Return the Milky Way in galactic longitude and latitude, shape (256, 768, 3)."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, _BAND[0])[:, None]
    cloud = np.zeros(_BAND, np.float32)
    for octave in range(6):
        grid = rng.random((5 * 2**octave, 12 * 2**octave)).astype(np.float32)
        smooth = cv2.resize(grid, _BAND[::-1], interpolation=cv2.INTER_CUBIC)
        cloud += np.asarray(smooth, np.float32) / np.float32(1.5**octave)
    cloud = (cloud - cloud.mean()) / cloud.std()
    band = (0.35 * np.exp(-((lat / 0.19) ** 2)) + np.exp(-((lat / 0.085) ** 2))) * (1 + 0.4 * cloud)
    dust = np.exp(-(((lat - 0.015) / 0.04) ** 2)) * np.clip(0.5 + 0.5 * cloud[:, ::-1], 0, 0.9)
    light = np.maximum(band * (1 - dust), 0.0)
    colour = np.array([0.0120, 0.0108, 0.0112])
    return np.asarray(light[..., None] * colour, np.float32)


class Sky:
    """Draws what is above the ground for one size of still."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._glow, self._clear = _limb_tables()
        self.stars = StarField.make(rng)
        pole = _GALACTIC_POLE / np.linalg.norm(_GALACTIC_POLE)
        first = np.cross(pole, [0.0, 0.0, 1.0])
        first /= np.linalg.norm(first)
        self._galactic = np.stack([first, np.cross(pole, first), pole])
        self._moon = moon_direction()
        ripple = rng.standard_normal((6, 24)).astype(np.float32)
        self._ripple = cv2.resize(ripple, (720, 96), interpolation=cv2.INTER_CUBIC)

    def limb(self, sine: F32) -> tuple[F32, F32, F32]:
        """Return the edge of the Earth for sines of elevation of shape (h, w).

        Airglow RGB, shape (h, w, 3); the share of ground, shape (h, w); and how much air there is
        to scatter moonlight, shape (h, w).
        """
        index = (sine - np.float32(_LUT_LOW)) * np.float32((_LUT_SIZE - 1) / (_LUT_HIGH - _LUT_LOW))
        glow = cv2.remap(
            self._glow,
            index,
            np.zeros_like(index),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        over = sine - np.float32(_HORIZON)
        ground = np.clip(np.float32(0.5) - over * np.float32(1 / _LUT_STEP), 0, 1)
        # Of the air: by its scale height above the horizon, and by the slant path below it.
        depth = np.minimum(over * np.float32(-1 / _HAZE_ABOVE), over * np.float32(1 / _HAZE_BELOW))
        haze = cv2.exp(np.maximum(depth, np.float32(-20)))
        haze *= 1 - np.float32(0.7) * ground
        return np.asarray(glow, np.float32), np.asarray(ground, np.float32), np.asarray(haze)

    def veil(self, view: View, rays: F32) -> tuple[F32, F32, F32]:
        """Return what is soft in the sky, on a grid of unit rays of shape (h, w, 3).

        The rays are in the Station's axes: up, ahead, normal.

        Comes back as RGB light to add, shape (h, w, 3): the Milky Way; as the light that moonlit
        air would scatter, shape (h, w, 3); and as a factor on the airglow, shape (h, w): its slow
        ripples.
        """
        sine = rays[..., 0]
        galactic = turned(rays, self._galactic @ view.local.T)
        moon = view.local @ self._moon
        longitude = np.arctan2(galactic[..., 1], galactic[..., 0])
        latitude = np.arcsin(np.clip(galactic[..., 2], -1, 1))
        band = cv2.remap(
            self.stars.glow,
            ((longitude / np.float32(2 * np.pi) + 0.5) * (_BAND[1] - 1)).astype(np.float32),
            ((latitude / np.float32(np.pi) + 0.5) * (_BAND[0] - 1)).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        closest = STATION_RADIUS * np.sqrt(np.maximum(1 - sine**2, 0.0))
        clear = np.clip((closest - EARTH_RADIUS - 4.0) / 40.0, 0, 1)[..., None]
        clear = np.where((sine > 0)[..., None], 1.0, clear)
        # The Moon as the air at the closest approach sees it: a little longer than the ground does.
        toward = rays[..., 0] * moon[0] + rays[..., 1] * moon[1] + rays[..., 2] * moon[2]
        foot = np.maximum(-STATION_RADIUS * sine, 0.0)
        height = (STATION_RADIUS * moon[0] + foot * toward) / np.maximum(closest, 1.0)
        moonlit = np.clip(height + 0.06, 0, 0.35) / 0.35
        forward = 1 + 5.0 * np.maximum(toward, 0.0) ** 8
        scattered = (moonlit * forward)[..., None] * np.array([0.018, 0.030, 0.052])
        azimuth = np.arctan2(rays[..., 2], -rays[..., 1])
        ripple = cv2.remap(
            self._ripple,
            ((azimuth * 1.1 + 0.00035 * view.t + 1.6) * 719 / 3.2).astype(np.float32),
            ((sine + 0.36) * 700).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        factor = 1 + 0.09 * np.clip(ripple, -2.5, 2.5)
        return (
            (np.asarray(band) * clear).astype(np.float32),
            scattered.astype(np.float32),
            factor.astype(np.float32),
        )

    def starlight(self, view: View) -> tuple[F32, F32, F32]:
        """Return the stars in the picture: x and y in pixels, (n,) each, and RGB flux, (n, 3)."""
        stars = self.stars
        seen_as = turned(stars.direction, view.axes)
        ahead = np.flatnonzero(seen_as[:, 2] > 0.7)
        seen_as = seen_as[ahead]
        scale = np.float32(view.focal) / seen_as[:, 2].astype(np.float32)
        x = seen_as[:, 0] * scale + np.float32(view.centre[0])
        y = seen_as[:, 1] * scale + np.float32(view.centre[1])
        sine = turned(seen_as, view.local @ view.axes.T)[:, 0]
        closest = STATION_RADIUS * np.sqrt(np.maximum(1 - sine**2, 0.0))
        inside = (x > -2) & (x < view.size[0] + 2) & (y > -2) & (y < view.size[1] + 2)
        inside &= (sine > 0) | (closest > EARTH_RADIUS + 3.0)
        index = np.maximum((sine - _LUT_LOW) / _LUT_STEP, 0)
        seen = self._clear[np.minimum(index, _LUT_SIZE - 1).astype(np.intp)]
        # Air takes blue before red, so a setting star turns orange.
        tint = np.stack([seen**0.6, seen, seen**1.8], axis=1)
        keep = np.flatnonzero(inside)
        flux = stars.flux[ahead[keep]] * tint[keep]
        return x[keep].astype(np.float32), y[keep].astype(np.float32), flux.astype(np.float32)
