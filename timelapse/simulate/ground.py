"""The ground: a made-up country of cities, roads and villages under thin clouds.

The map's coordinates are kilometres along the Station's track (0 at the point under the Station at
T+15 s) and across it (positive to the right when looking back).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from timelapse.simulate.geometry import (
    EARTH_RADIUS,
    F32,
    F64,
    STATION_RADIUS,
    View,
    moon_direction,
    pad_position,
)
from timelapse.simulate.rocket import REFERENCE_RANGE
from timelapse.simulate.sky import transmission

ALONG = (-2700.0, 9300.0)
ACROSS = (-1950.0, 1950.0)
_CELL = 3.0  # km, of the cloud map
_COARSE = 6.0  # km, of the sky glow over cities
_CITIES = 4800
_CLOUD_HEIGHT = 7.0

_SODIUM, _WHITE, _COOL, _GREEN = (
    np.array([1.0, 0.50, 0.13]),
    np.array([1.0, 0.80, 0.52]),
    np.array([0.78, 0.90, 1.0]),
    np.array([0.62, 1.0, 0.66]),
)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int, rough: float = 0.62
) -> F32:
    """Return smooth noise of mean 0 and deviation 1; `cell` is its coarsest detail in samples."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        size = cell / 2**octave
        if size < 2:
            break
        grid = rng.standard_normal((int(shape[0] / size) + 3, int(shape[1] / size) + 3))
        wide = cv2.resize(
            grid.astype(np.float32),
            (int(grid.shape[1] * size), int(grid.shape[0] * size)),
            interpolation=cv2.INTER_CUBIC,
        )
        dy, dx = int(size), int(size)
        total += wide[dy : dy + shape[0], dx : dx + shape[1]] * np.float32(rough**octave)
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def _sample(grid: F32, along: F64, across: F64, cell: float) -> F32:
    i = np.clip((across - ACROSS[0]) / cell, 0, grid.shape[0] - 1).astype(np.intp)
    j = np.clip((along - ALONG[0]) / cell, 0, grid.shape[1] - 1).astype(np.intp)
    return np.asarray(grid[i, j], np.float32)


def _colours(rng: np.random.Generator, n: int, warmth: F64) -> F64:
    """Return lamp colours, shape (n, 3): mostly sodium where `warmth` is 1, white where it is 0."""
    pick = rng.random(n)
    out = np.where((pick < 0.35 + 0.55 * warmth)[:, None], _SODIUM, _WHITE)
    out = np.where((pick > 0.955)[:, None], _COOL, out)
    out = np.where((pick > 0.985)[:, None], _GREEN, out)
    mixed: F64 = out * (0.85 + 0.3 * rng.random((n, 1)))
    return mixed


def _larger_neighbours(centres: F64, size: F64) -> tuple[NDArray[np.intp], NDArray[np.intp], F64]:
    """Return each city with its two nearest larger ones: indices from, indices to, kilometres."""
    place = centres.astype(np.float32)
    to, far = [], []
    # In blocks: the whole matrix of distances would be a hundred times the rest of the scene.
    for rows in np.array_split(np.arange(len(size)), max(len(size) // 256, 1)):
        squared = (place[rows, None, 0] - place[None, :, 0]) ** 2
        squared += (place[rows, None, 1] - place[None, :, 1]) ** 2
        squared[size[None, :] <= size[rows, None]] = np.inf
        nearest = np.argpartition(squared, 1, axis=1)[:, :2]
        to.append(nearest.ravel())
        far.append(np.take_along_axis(squared, nearest, axis=1).ravel())
    start = np.repeat(np.arange(len(size)), 2)
    return start, np.concatenate(to), np.sqrt(np.concatenate(far).astype(np.float64))


def _make_lamps(rng: np.random.Generator) -> tuple[F64, F64]:
    """Build the country: lamp positions (n, 2) and RGB flux (n, 3) at the reference range."""
    coarse = 20.0
    shape = (int((ACROSS[1] - ACROSS[0]) / coarse), int((ALONG[1] - ALONG[0]) / coarse))
    people = noise(rng, shape, 46.0, 5)
    # The steppe about the pad is nearly empty; settled country follows under the later track.
    centres = np.stack([rng.uniform(*ALONG, _CITIES * 12), rng.uniform(*ACROSS, _CITIES * 12)], 1)
    richer = 0.16 * np.clip(centres[:, 0] / 5000.0, 0.0, 1.0)
    settled = np.clip(
        _sample(people, centres[:, 0], centres[:, 1], coarse) * 0.52 + 0.34 + richer, 0.05, 1
    )
    pad = pad_position()
    pad_xy = np.array([0.0, EARTH_RADIUS * np.arcsin(pad[2] / EARTH_RADIUS)])
    lonely = np.hypot(*(centres - pad_xy).T) > 110.0
    centres = centres[(rng.random(len(centres)) < settled**2.0) & lonely][:_CITIES]
    n = len(centres)
    size = np.minimum(rng.pareto(1.1, n) + 0.3, 60.0)
    # The pad's own town is the only one near it.
    centres[0], size[0] = pad_xy + np.array([12.0, -24.0]), 7.0
    warmth = rng.random(n)

    # Cities: an exponential disc, with arms along the main roads.
    count = (26 * size**0.85).astype(int) + 4
    city = np.repeat(np.arange(n), count)
    m = len(city)
    scale = 1.15 * size[city] ** 0.48
    radius = scale * rng.exponential(1.0, m)
    turn = rng.uniform(0, 2 * np.pi, m)
    arms = rng.integers(3, 8, n)[city]
    on_arm = rng.random(m) < 0.36
    arm = np.floor(rng.random(m) * arms) / arms * 2 * np.pi + city * 1.3
    wander = 0.16 * rng.standard_normal(m)
    turn = np.where(on_arm, arm + wander, turn)
    radius = np.where(on_arm, radius * 1.9, radius)
    spots = centres[city] + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    bright = 0.95 * np.exp(0.75 * rng.standard_normal(m)) * (0.6 + 0.5 * np.exp(-radius / scale))
    flux = bright[:, None] * _colours(rng, m, warmth[city])

    # Roads: from each city to its two nearest larger ones, gently bent, with lamps strung along.
    a, b, length = _larger_neighbours(centres, size)
    near = length < 330.0
    a, b, length = a[near], b[near], length[near]
    lamps = (length / 3.0).astype(int) + 2
    road = np.repeat(np.arange(len(a)), lamps)
    k = len(road)
    u = rng.random(k)[:, None]
    start, end = centres[a][road], centres[b][road]
    across = np.stack([-(end - start)[:, 1], (end - start)[:, 0]], 1)
    bend = 0.12 * rng.standard_normal(len(a))[road][:, None]
    line = start + u * (end - start) + across * bend * 4 * u * (1 - u)
    line += 0.9 * rng.standard_normal((k, 2))
    # Lamps thin out between towns.
    fade = 0.25 + 0.75 * np.exp(-np.minimum(u, 1 - u)[:, 0] * length[road] / 28.0)
    road_flux = (0.20 * fade * np.exp(0.6 * rng.standard_normal(k)))[:, None] * _colours(
        rng, k, np.full(k, 0.75)
    )

    # Villages: a few lamps each, where people live.
    spread = np.stack([rng.uniform(*ALONG, 90_000), rng.uniform(*ACROSS, 90_000)], 1)
    lived = np.clip(_sample(people, spread[:, 0], spread[:, 1], coarse) * 0.5 + 0.30, 0.012, 1)
    spread = spread[rng.random(len(spread)) < lived**1.8]
    village_flux = (0.14 * np.exp(0.9 * rng.standard_normal(len(spread))))[:, None] * _colours(
        rng, len(spread), np.full(len(spread), 0.6)
    )

    # The launch complex: floodlights, white and close together.
    flood = pad_xy + 0.9 * rng.standard_normal((40, 2))
    flood_flux = np.full((40, 1), 0.55) * np.array([1.0, 0.93, 0.80])
    return (
        np.concatenate([spots, line, spread, flood]),
        np.concatenate([flux, road_flux, village_flux, flood_flux]),
    )


class Ground:
    """The country and its clouds, ready to be looked at from anywhere on the track."""

    def __init__(self, rng: np.random.Generator) -> None:
        shape = (int((ACROSS[1] - ACROSS[0]) / _CELL), int((ALONG[1] - ALONG[0]) / _CELL))
        base = noise(rng, shape, 190.0, 8, 0.68)
        # Stretch the banks of cloud along a wind, and let them curl.
        warp = noise(rng, shape, 110.0, 3) * 16
        rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        base = np.asarray(
            cv2.remap(base, columns + warp, rows + 0.6 * warp, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REFLECT), np.float32,
        )  # fmt: skip
        cover = np.clip((base + 0.10) / 2.2, 0.0, 1.0) ** 1.2
        self._clouds = (255 * cover).astype(np.uint8)

        spots, flux = _make_lamps(rng)
        inside = (
            (spots[:, 0] > ALONG[0]) & (spots[:, 0] < ALONG[1]) & (np.abs(spots[:, 1]) < ACROSS[1])
        )
        spots, flux = spots[inside], flux[inside]
        order = np.argsort(spots[:, 0], kind="stable")
        spots, flux = spots[order], flux[order]
        over = _sample(cover, spots[:, 0], spots[:, 1], _CELL)
        seen = np.exp(-2.6 * over)[:, None]
        coarse = (int((ACROSS[1] - ACROSS[0]) / _COARSE), int((ALONG[1] - ALONG[0]) / _COARSE))
        i = np.clip((spots[:, 1] - ACROSS[0]) / _COARSE, 0, coarse[0] - 1).astype(np.intp)
        j = np.clip((spots[:, 0] - ALONG[0]) / _COARSE, 0, coarse[1] - 1).astype(np.intp)
        glow = np.zeros((*coarse, 3), np.float32)
        np.add.at(glow, (i, j), flux.astype(np.float32))
        glow = cv2.GaussianBlur(glow, (0, 0), 1.3) * 0.7 + cv2.GaussianBlur(glow, (0, 0), 4.0) * 0.5
        self._glow = np.asarray(glow, np.float32)

        self._along = (spots[:, 0] / EARTH_RADIUS).astype(np.float32)
        across = spots[:, 1] / EARTH_RADIUS
        self._cos, self._sin = np.cos(across).astype(np.float32), np.sin(across).astype(np.float32)
        self._flux = (flux * seen).astype(np.float32)
        self._moon = moon_direction()

    def lamps(self, view: View) -> tuple[F32, F32, F32]:
        """Return the lamps in the picture: x and y in pixels, (n,) each, and RGB flux, (n, 3)."""
        horizon = np.arccos(EARTH_RADIUS / STATION_RADIUS)
        angle = view.angle
        low, high = np.searchsorted(self._along, [angle - horizon, angle + 0.5 * horizon])
        turn = self._along[low:high] - np.float32(angle)
        cos, sin = self._cos[low:high], self._sin[low:high]
        up = np.float32(EARTH_RADIUS) * cos * np.cos(turn) - np.float32(STATION_RADIUS)
        ahead = np.float32(EARTH_RADIUS) * cos * np.sin(turn)
        normal = np.float32(EARTH_RADIUS) * sin
        # From the Station's axes straight to the camera's.
        axes = (view.axes @ view.local.T).astype(np.float32)
        depth = axes[2, 0] * up + axes[2, 1] * ahead + axes[2, 2] * normal
        scale = np.float32(view.focal) / np.maximum(depth, 1.0)
        cx, cy = view.centre
        x = (axes[0, 0] * up + axes[0, 1] * ahead + axes[0, 2] * normal) * scale + np.float32(cx)
        y = (axes[1, 0] * up + axes[1, 1] * ahead + axes[1, 2] * normal) * scale + np.float32(cy)
        keep = np.flatnonzero(
            (depth > 1.0)
            & (x > -2) & (x < view.size[0] + 2) & (y > -2) & (y < view.size[1] + 2)
            & (up + STATION_RADIUS > EARTH_RADIUS**2 / STATION_RADIUS)
        )  # fmt: skip
        up, x, y = up[keep], x[keep], y[keep]
        squared = up**2 + ahead[keep] ** 2 + normal[keep] ** 2
        # Elevation of the Station as the lamp sees it, by the law of cosines.
        distance = np.sqrt(squared)
        sine = (STATION_RADIUS**2 - EARTH_RADIUS**2 - squared) / (2 * EARTH_RADIUS * distance)
        through = transmission(sine)
        level = np.float32(REFERENCE_RANGE**2) / squared
        tint = np.stack([through**0.8, through, through**1.35], axis=1)
        flux = self._flux[low:high][keep] * (level[:, None] * tint)
        return x, y, flux.astype(np.float32)

    def clouds(self, view: View, rays: F32, engine: tuple[F64, float]) -> F32:
        """Return clouds and the glow over cities on a grid of unit rays, shape (h, w, 3).

        The rays are in the Station's axes: up, ahead, normal.

        `engine` is the rocket's position and light: low over the pad it lights the clouds. Above
        the horizon the values mean nothing; the limb's share of ground masks them.
        """
        b = np.float32(STATION_RADIUS) * rays[..., 0]
        shell = EARTH_RADIUS**2 - STATION_RADIUS**2
        reach = -b - np.sqrt(np.maximum(b * b + np.float32(shell), 0.0))
        up = np.float32(STATION_RADIUS) + reach * rays[..., 0]
        ahead = reach * rays[..., 1]
        normal = reach * rays[..., 2]
        along = (np.arctan(ahead / up) + np.float32(view.angle)) * np.float32(EARTH_RADIUS)
        across = np.arcsin(np.clip(normal / np.float32(EARTH_RADIUS), -1, 1)) * np.float32(
            EARTH_RADIUS
        )
        columns, rows = along - np.float32(ALONG[0]), across - np.float32(ACROSS[0])
        cover = np.asarray(
            cv2.remap(self._clouds, columns / _CELL, rows / _CELL, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REFLECT), np.float32,
        ) / np.float32(255)  # fmt: skip
        glow = np.asarray(
            cv2.remap(self._glow, columns / _COARSE, rows / _COARSE, cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_CONSTANT), np.float32,
        )  # fmt: skip
        height = (
            up * np.float32(view.local[0] @ self._moon)
            + ahead * np.float32(view.local[1] @ self._moon)
            + normal * np.float32(view.local[2] @ self._moon)
        ) / np.float32(EARTH_RADIUS)
        moonlight = np.maximum(height + np.float32(0.012), 0.0) / np.float32(0.22)
        # The elevation of the Station as the ground sees it, by the law of cosines.
        sine = (np.float32(-shell) - reach * reach) / (np.float32(2 * EARTH_RADIUS) * reach)
        steep = np.asarray(transmission(sine), np.float32)
        moonlight *= (np.float32(0.055) + cover) * steep
        # Airglow from above gives even the dark ground and its clouds a trace of light.
        airglow = (np.float32(0.35) + cover) * steep
        above = np.float32(0.0022) * (np.float32(0.35) + np.float32(1.6) * cover) * steep
        launch = self._launch_glow(view, engine, up, ahead, normal, cover) * steep
        planes = [
            moonlight * np.float32(moon)
            + airglow * np.float32(air)
            + launch * np.float32(fire)
            + above * lamps
            for moon, air, fire, lamps in zip(
                (0.088, 0.102, 0.122),
                (0.0012, 0.0019, 0.0013),
                (1.0, 0.66, 0.34),
                cv2.split(glow),
                strict=True,
            )
        ]
        return np.asarray(cv2.merge(planes), np.float32)

    @staticmethod
    def _launch_glow(
        view: View, engine: tuple[F64, float], up: F32, ahead: F32, normal: F32, cover: F32
    ) -> F32:
        where, light = engine
        height = float(np.linalg.norm(where)) - EARTH_RADIUS
        if light <= 0 or height > 70:
            return np.zeros_like(cover)
        # The clouds as a plane at their height: light falls off with the distance, and slants.
        over = abs(height - _CLOUD_HEIGHT) + 4.0
        foot = view.local @ (where * (EARTH_RADIUS / np.linalg.norm(where)))
        squared = (up - foot[0]) ** 2 + (ahead - foot[1]) ** 2 + (normal - foot[2]) ** 2
        fall = over / (squared + over**2) ** 1.5
        level = (light * 90.0 * fall * (0.16 + cover)).astype(np.float32)
        return np.asarray(np.minimum(level, 1.5), np.float32)
