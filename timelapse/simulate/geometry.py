"""Where things are: an Earth that does not turn, the Station's orbit, the camera's attitude.

Lengths are kilometres, times are float seconds of mission time, angles are radians unless a name
says otherwise. World axes: the Station's orbit lies in the plane of the first two axes, the third
is the orbit's normal; the first axis goes through the point over which the Station is at T+15 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

EARTH_RADIUS = 6371.0
GRAVITY_PARAMETER = 398_600.4418  # km^3/s^2, WGS 84
STATION_HEIGHT = 406.0
STATION_RADIUS = EARTH_RADIUS + STATION_HEIGHT
STATION_RATE = float(np.sqrt(GRAVITY_PARAMETER / STATION_RADIUS**3))  # rad/s, circular orbit
OVERHEAD = 15.0  # mission time at which the Station passes the pad
PAD_RANGE = 422.0  # from the Station to the pad at lift-off
MOONSET = 250.0  # mission time at which the Moon sets for the ground beneath the Station

FOCAL_LENGTH_MM = 28.0
SENSOR_WIDTH_MM = 36.0

# The Moon stands this far to the left of the aft direction, so that it lights the clouds and the
# limb but stays out of the picture.
_MOON_AZIMUTH = np.radians(44.0)

# Attitude: mission time, depression of the optical axis below the local horizontal as seen
# looking aft (more than 90 is ahead of the nadir), yaw to the right of aft, roll; all in degrees.
# Until the limb comes into view at about T+60 s the camera follows the pad, then it settles;
# from T+520 s on it follows Progress.
_ATTITUDE = np.array(
    [
        [-150.0, 99.0, -7.0, -2.0],
        [-10.0, 99.0, -7.0, -2.0],
        [0.0, 90.0, -6.6, -1.6],
        [15.0, 75.5, -5.5, -0.8],
        [30.0, 63.0, -4.2, 0.2],
        [45.0, 52.5, -2.8, 1.2],
        [60.0, 44.5, -1.4, 2.1],
        [90.0, 34.5, 0.8, 3.3],
        [120.0, 29.0, 2.6, 4.0],
        [160.0, 25.6, 4.0, 4.5],
        [220.0, 23.6, 4.8, 4.8],
        [300.0, 22.6, 5.0, 5.0],
        [520.0, 22.0, 4.5, 5.2],
        [700.0, 22.8, 1.5, 4.6],
        [850.0, 23.4, -3.5, 4.0],
        [1000.0, 24.0, -8.5, 3.6],
        [1300.0, 24.0, -14.0, 3.6],
    ]
)


def dense(knots: F64, step: float) -> tuple[F64, F64]:
    """Interpolate a table of knots smoothly and without overshoot.

    `knots` has shape (n, 1 + k): ascending times, then k values. Comes back as (times, values of
    shape (m, k)) on a grid of `step`, to be read by linear interpolation. Piecewise cubic Hermite
    with the slopes of Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984), 300-304.
    """
    t, v = knots[:, 0], knots[:, 1:]
    h = np.diff(t)[:, None]
    secant = np.diff(v, axis=0) / h
    a, b = secant[:-1], secant[1:]
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same_sign = a * b > 0
    safe_a, safe_b = np.where(same_sign, a, 1.0), np.where(same_sign, b, 1.0)
    inner = np.where(same_sign, (w1 + w2) / (w1 / safe_a + w2 / safe_b), 0.0)
    slope = np.vstack([secant[:1], inner, secant[-1:]])
    times = np.arange(t[0], t[-1] + step / 2, step)
    i = np.clip(np.searchsorted(t, times, side="right") - 1, 0, len(t) - 2)
    hi = h[i]
    u = ((times - t[i]) / hi[:, 0])[:, None]
    values = (
        (1 + 2 * u) * (1 - u) ** 2 * v[i]
        + u * (1 - u) ** 2 * hi * slope[i]
        + u * u * (3 - 2 * u) * v[i + 1]
        + u * u * (u - 1) * hi * slope[i + 1]
    )
    return times, values


@cache
def _attitude_table() -> tuple[F64, F64]:
    return dense(_ATTITUDE, 0.1)


def turned(vectors: NDArray[Any], axes: F64) -> NDArray[Any]:
    """Return vectors of shape (..., 3), float32 or float64, in other axes (rows), same type.

    Not by `@`: for arrays this large that starts threads of its own in every worker process.
    """
    wide = vectors if vectors.ndim == 3 else vectors.reshape(-1, 1, 3)
    if not wide.size:
        return vectors
    return np.asarray(cv2.transform(wide, axes), vectors.dtype).reshape(vectors.shape)


def pad_position() -> F64:
    """Return the pad, shape (3,): as far off the Station's track as the range at lift-off says."""
    total = np.arccos(
        (STATION_RADIUS**2 + EARTH_RADIUS**2 - PAD_RANGE**2) / (2 * STATION_RADIUS * EARTH_RADIUS)
    )
    across = np.arccos(np.cos(total) / np.cos(STATION_RATE * OVERHEAD))
    return EARTH_RADIUS * np.array([np.cos(across), 0.0, np.sin(across)])


def station_angle(t: float) -> float:
    """Return the Station's angle along its orbit; 0 at T+15 s."""
    return STATION_RATE * (t - OVERHEAD)


def moon_direction() -> F64:
    """Return the unit vector to the Moon, shape (3,)."""
    angle = station_angle(MOONSET)
    aft = np.array([np.sin(angle), -np.cos(angle), 0.0])
    left = np.array([0.0, 0.0, -1.0])
    moon: F64 = np.cos(_MOON_AZIMUTH) * aft + np.sin(_MOON_AZIMUTH) * left
    return moon


@dataclass(frozen=True)
class View:
    """The camera at one instant.

    `axes` has the camera's right, down and forward directions as rows (world axes); `local` has
    the Station's up, ahead and normal directions as rows; `centre` and `focal` are in pixels, with
    pixel (0, 0) centred on the coordinates (0, 0).
    """

    t: float
    angle: float
    position: F64
    axes: F64
    local: F64
    size: tuple[int, int]
    focal: float

    @property
    def centre(self) -> tuple[float, float]:
        return (self.size[0] - 1) / 2, (self.size[1] - 1) / 2

    def project(self, points: F64) -> tuple[F64, F64, F64, NDArray[np.bool_]]:
        """Project world points of shape (n, 3): x and y in pixels, range in km, and visibility.

        A point is visible if it is in front of the camera and the Earth does not hide it.
        """
        ray = points - self.position
        seen = turned(ray, self.axes)
        depth = np.maximum(seen[:, 2], 1e-6)
        cx, cy = self.centre
        distance = np.sqrt(np.einsum("ij,ij->i", ray, ray))
        # The foot of the perpendicular from the Earth's centre onto the line of sight.
        along = np.clip(-np.einsum("ij,j->i", ray, self.position) / distance**2, 0.0, 1.0)
        foot = self.position + along[:, None] * ray
        clear = np.einsum("ij,ij->i", foot, foot) > (EARTH_RADIUS - 0.5) ** 2
        x, y = cx + self.focal * seen[:, 0] / depth, cy + self.focal * seen[:, 1] / depth
        return x, y, distance, clear & (seen[:, 2] > 1e-3)

    def inside(self, x: float, y: float) -> bool:
        """Say whether a pixel position lies in the picture."""
        return -0.5 <= x < self.size[0] - 0.5 and -0.5 <= y < self.size[1] - 0.5


def view(t: float, size: tuple[int, int]) -> View:
    """Return the camera at mission time `t` for pictures of `size` (width, height)."""
    times, table = _attitude_table()
    dip, yaw, roll = (np.radians(np.interp(t, times, table[:, k])) for k in range(3))
    # A camera on a bracket arm is never quite still.
    dip += np.radians(0.10) * np.sin(t / 31.0) + np.radians(0.05) * np.sin(t / 11.3 + 1.0)
    yaw += np.radians(0.12) * np.sin(t / 43.0 + 2.0)
    roll += np.radians(0.15) * np.sin(t / 57.0 + 0.5)
    angle = station_angle(t)
    up = np.array([np.cos(angle), np.sin(angle), 0.0])
    ahead = np.array([-np.sin(angle), np.cos(angle), 0.0])
    normal = np.array([0.0, 0.0, 1.0])
    # Pitch about the orbit's normal first, then yaw about the camera's own vertical, then roll.
    forward = -np.cos(dip) * ahead - np.sin(dip) * up
    top = np.cos(dip) * up - np.sin(dip) * ahead
    right = normal
    forward, right = (
        np.cos(yaw) * forward + np.sin(yaw) * right,
        np.cos(yaw) * right - np.sin(yaw) * forward,
    )
    right, down = (
        np.cos(roll) * right + np.sin(roll) * top,
        np.sin(roll) * right - np.cos(roll) * top,
    )
    return View(
        t=t,
        angle=angle,
        position=STATION_RADIUS * up,
        axes=np.stack([right, down, forward]),
        local=np.stack([up, ahead, normal]),
        size=size,
        focal=size[0] * FOCAL_LENGTH_MM / SENSOR_WIDTH_MM,
    )
