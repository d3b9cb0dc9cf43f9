"""The rocket: Soyuz-FG's ascent, what it drops, and the light of all of it.

Kilometres, seconds of mission time, world axes of `geometry`. Light is in units in which a point of
flux 1 at 600 km just saturates about one pixel of a 960-pixel-wide still.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelapse.simulate.geometry import (
    EARTH_RADIUS,
    F64,
    GRAVITY_PARAMETER,
    View,
    dense,
    pad_position,
)

LIFT_OFF = 0.0
BOOSTER_SEPARATION = 117.8
CORE_SEPARATION = 287.3
CORE_BURN_UP = 520.0
CUT_OFF = 525.0
PROGRESS_SEPARATION = 528.5
REFERENCE_RANGE = 600.0

_STEP = 0.1
_LAST = 1320.0
_HEADING = np.radians(-12.0)  # of the launch plane, off the Station's own heading

# Mission time, height, distance flown over ground. A smooth ascent through the published times
# and the usual heights of Soyuz-FG; not a reconstruction of the flight.
_ASCENT = np.array(
    [
        [-150.0, 0.0, 0.0],
        [0.0, 0.0, 0.0],
        [10.0, 0.3, 0.0],
        [20.0, 1.2, 0.05],
        [30.0, 2.8, 0.3],
        [45.0, 6.6, 1.3],
        [60.0, 11.8, 3.8],
        [80.0, 20.8, 9.8],
        [100.0, 31.4, 21.0],
        [117.8, 42.0, 37.0],
        [150.0, 66.0, 83.0],
        [200.0, 104.0, 175.0],
        [250.0, 139.0, 301.0],
        [287.3, 161.0, 423.0],
        [300.0, 167.5, 470.0],
        [350.0, 187.0, 675.0],
        [400.0, 199.0, 912.0],
        [450.0, 204.5, 1188.0],
        [500.0, 204.0, 1511.0],
        [525.0, 202.5, 1692.0],
    ]
)


@dataclass(frozen=True)
class Points:
    """Points of light: world positions (n, 3) and RGB flux (n, 3) at the reference range."""

    position: F64
    flux: F64


def _shine(where: F64, colour: tuple[float, float, float], level: float | F64) -> Points:
    where = np.atleast_2d(where)
    return Points(where, np.broadcast_to(level, len(where))[:, None] * np.array(colour))


def _smooth(x: float, low: float, high: float) -> float:
    u = min(max((x - low) / (high - low), 0.0), 1.0)
    return u * u * (3 - 2 * u)


def _quasi(n: int, dims: int) -> F64:
    """Return n even points of the unit cube: the R sequence of M. Roberts (2018)."""
    phi = 2.0
    for _ in range(40):
        phi = (1 + phi) ** (1 / (dims + 1))
    steps = (1 / phi) ** np.arange(1, dims + 1)
    return (0.5 + np.arange(1, n + 1)[:, None] * steps) % 1.0


def _fall(position: F64, velocity: F64, ballistic: F64, duration: float) -> F64:
    """Let bodies fall from the given states; return their tracks, shape (steps, n, 3).

    Gravity and drag in an exponential atmosphere; `ballistic` is mass over drag area in kg/m^2.
    """
    tracks = [position]
    for _ in range(int(duration / _STEP)):
        radius = np.linalg.norm(position, axis=1, keepdims=True)
        density = 1.225 * np.exp(-np.maximum(radius - EARTH_RADIUS, 0.0) / 7.2)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        drag = 500.0 * density * speed / ballistic[:, None]
        gravity = -GRAVITY_PARAMETER * position / radius**3
        # Implicit in the drag: stable however dense the air becomes.
        velocity = (velocity + gravity * _STEP) / (1 + drag * _STEP)
        position = position + velocity * _STEP
        tracks.append(position)
    return np.stack(tracks)


class Rocket:
    """Everything that left the pad, as tracks in a table of 0.1 s, and its light at any instant."""

    def __init__(self) -> None:
        self._times = np.arange(-150.0, _LAST, _STEP)
        climb_times, climb = dense(_ASCENT, _STEP)
        height = np.interp(self._times, climb_times, climb[:, 0])
        along = np.interp(self._times, climb_times, climb[:, 1]) / EARTH_RADIUS
        # After cut-off: a circular orbit at that height, rising a little, as Progress does.
        coast = np.maximum(self._times - CUT_OFF, 0.0)
        orbit = EARTH_RADIUS + 202.5
        along += coast * np.sqrt(GRAVITY_PARAMETER / orbit**3)
        height += 6.0 * (1 - np.cos(coast * 1.18e-3))
        pad = pad_position() / EARTH_RADIUS
        east = np.array([0.0, 1.0, 0.0])
        north = np.cross(pad, east)
        downrange = np.cos(_HEADING) * east + np.sin(_HEADING) * north
        self._across = np.cross(pad, downrange)
        self._track = (EARTH_RADIUS + height)[:, None] * (
            np.cos(along)[:, None] * pad + np.sin(along)[:, None] * downrange
        )
        self._speed = np.gradient(self._track, _STEP, axis=0)
        self._even = _quasi(7000, 3)
        self._drop_boosters()
        self._drop_core()

    def _state(self, t: float) -> tuple[F64, F64]:
        i = round((t - self._times[0]) / _STEP)
        return self._track[i], self._speed[i]

    def _drop_boosters(self) -> None:
        position, velocity = self._state(BOOSTER_SEPARATION)
        axis = velocity / np.linalg.norm(velocity)
        side = self._across
        other = np.cross(axis, side)
        # The Korolev cross. Thrown out faster than in life, so that a wide lens can see it.
        turn = np.pi / 4 + np.pi / 2 * np.arange(4)
        out = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * other
        start = velocity - 0.12 * axis + 0.34 * out
        self._boosters = _fall(
            np.repeat(position[None], 4, 0), start, np.array([900.0, 760.0, 840.0, 700.0]), 90.0
        )

    def _drop_core(self) -> None:
        position, velocity = self._state(CORE_SEPARATION)
        axis = velocity / np.linalg.norm(velocity)
        whole = _fall(position[None], velocity[None] - 0.012 * axis, np.array([260.0]), 420.0)
        # It breaks up as it starts to burn: pieces with their own drag and a small kick.
        n = 16
        broken = round((CORE_BURN_UP + 6.0 - CORE_SEPARATION) / _STEP)
        at = whole[broken, 0]
        speed = (whole[broken, 0] - whole[broken - 1, 0]) / _STEP
        even = _quasi(n, 4)
        kick = (even[:, :3] - 0.5) * 0.55
        kick[0] = 0.0
        ballistic = 85.0 * 7.0 ** (2 * even[:, 3] - 1)
        ballistic[0] = 320.0
        pieces = _fall(np.repeat(at[None], n, 0), speed + kick, ballistic, 150.0)
        self._core, self._broken, self._pieces = whole[:, 0], broken, pieces
        self._piece_share = np.r_[1.0, 0.08 + 0.3 * even[1:, 1] ** 2]

    def position(self, t: float | F64) -> F64:
        """Return where the rocket (after its separation: Progress) is, shape (..., 3)."""
        columns = [np.interp(t, self._times, self._track[:, k]) for k in range(3)]
        return np.stack(columns, axis=-1)

    def core(self, t: float) -> F64:
        """Return where the core stage is after its separation, shape (3,)."""
        age = (t - CORE_SEPARATION) / _STEP
        i = int(np.clip(age, 0, len(self._core) - 2))
        u = float(np.clip(age - i, 0.0, 1.0))
        where: F64 = (1 - u) * self._core[i] + u * self._core[i + 1]
        return where

    @staticmethod
    def thrust(t: F64) -> F64:
        """Return the light of the engines at emission times `t`, 1 for the first stage."""
        ignition = np.clip((t + 4.0) / 3.5, 0.0, 1.0) ** 2
        level = np.where(t < BOOSTER_SEPARATION, 1.0, np.where(t < CORE_SEPARATION, 0.42, 0.15))
        # Each stage tails off over its last second or two; the next is at full thrust at once.
        tail = 1 - 0.45 * np.clip((t - BOOSTER_SEPARATION + 1.5) / 1.5, 0, 1) * (
            t < BOOSTER_SEPARATION
        )
        hand_over = 1 - 0.75 * np.exp(-np.abs(t - CORE_SEPARATION) / 0.6)
        cut_off = np.clip((CUT_OFF - t) / 0.8, 0.0, 1.0)
        out: F64 = ignition * level * tail * hand_over * cut_off
        return out

    def lights(self, t: float) -> Points:
        """Return what shines at mission time `t`: engines, boosters, fragments, Progress."""
        parts = [*self._stages(t), *(self._burning(t) if t >= CORE_BURN_UP else ())]
        if not parts:
            return Points(np.empty((0, 3)), np.empty((0, 3)))
        return Points(
            np.concatenate([p.position for p in parts]), np.concatenate([p.flux for p in parts])
        )

    def _stages(self, t: float) -> Iterator[Points]:
        here = self.position(t)
        burn = float(self.thrust(np.array(t)))
        if burn > 0:
            yield _shine(here, (1.0, 0.80, 0.52), 150.0 * burn)
        for at, flash in ((BOOSTER_SEPARATION, 900.0), (CORE_SEPARATION, 200.0)):
            if 0 <= t - at < 10:
                yield _shine(here, (0.92, 0.92, 1.0), flash * np.exp(-(t - at) / 1.3))
        age = t - BOOSTER_SEPARATION
        if 0 <= age < 80:
            i = min(int(age / _STEP), len(self._boosters) - 1)
            glint = 1 + 0.5 * np.sin(age * np.array([2.1, 1.7, 2.6, 1.3]) + np.arange(4))
            level = 24.0 * np.exp(-age / 15.0) * np.where(age > 2, glint, 1.0)
            yield _shine(self._boosters[i], (1.0, 0.62, 0.30), level)
        age = t - CORE_SEPARATION
        if age >= 0 and t < CORE_BURN_UP:
            glint = 0.55 + 0.45 * np.sin(age * 0.9)
            level = 14.0 * np.exp(-age / 16.0) * glint + 0.35
            yield _shine(self.core(t), (1.0, 0.66, 0.40), level)
        drift = t - PROGRESS_SEPARATION
        if t >= CUT_OFF:
            # The spent third stage tumbles, and falls slowly behind Progress.
            behind = self.position(t - max(drift, 0.0) * 0.0022)
            wink = max(np.sin(0.42 * drift), 0.0) ** 12
            level = 6.0 * np.exp(-(t - CUT_OFF) / 6.0) + 1.1 + 4.5 * wink
            yield _shine(behind, (1.0, 0.72, 0.5), level)
        if drift >= 0:
            yield _shine(here, (1.0, 0.93, 0.78), 20.0 + 26.0 * np.exp(-drift / 2.5))

    def _burning(self, t: float) -> Iterator[Points]:
        onset = _smooth(t, CORE_BURN_UP - 0.5, CORE_BURN_UP + 9.0)
        # A head and its train: the same track, looked up at earlier instants.
        for back in np.arange(0.0, 24.0, 0.5):
            at = t - back
            if at < CORE_BURN_UP - 0.4:
                break
            fade = float(np.exp(-back / 8.0))
            level = (0.12 if back else 1.0) * onset * fade
            step = round((at - CORE_SEPARATION) / _STEP)
            if step < self._broken:
                yield _shine(self._core[step], (1.0, 0.50, 0.16), 95.0 * level)
                continue
            i = min(step - self._broken, len(self._pieces) - 2)
            where = self._pieces[i]
            speed = np.linalg.norm(self._pieces[i + 1] - where, axis=1) / _STEP
            height = np.linalg.norm(where, axis=1) - EARTH_RADIUS
            # Light goes with the power lost to drag; nothing is left once a piece is slow.
            alive = np.clip((speed - 0.9) / 2.2, 0, 1) ** 1.5 * np.clip((height - 22) / 12, 0, 1)
            flare = 1 + 0.35 * np.sin(at * (1.1 + self._piece_share * 5) + 9 * self._piece_share)
            amount = 190.0 * level * self._piece_share * alive * flare
            yield _shine(where, (1.0, 0.46 + 0.08 * fade, 0.12 + 0.10 * fade), amount)

    def plume(self, t: float) -> tuple[Points, NDArray[np.float64]]:
        """Return the exhaust and the puffs as points of light, and each one's size in km.

        Each point is a parcel of gas, thrown out of the nozzle at an earlier instant and slowed by
        the air it meets: a short flame low down, a wide fan in the thin air above 60 km.
        """
        parts = [self._exhaust(t)]
        parts += [
            self._puff(t, BOOSTER_SEPARATION, 1.3, 200.0, 5.5),
            self._puff(t, CORE_SEPARATION, 2.0, 230.0, 8.0),
            self._puff(t, PROGRESS_SEPARATION, 1.2, 22.0, 5.0),
        ]
        present = [p for p in parts if p is not None]
        if not present:
            return Points(np.empty((0, 3)), np.empty((0, 3))), np.empty(0)
        position, flux, size = (np.concatenate(column) for column in zip(*present, strict=True))
        return Points(position, flux), size

    def _exhaust(self, t: float) -> tuple[F64, F64, F64] | None:
        if t < -4.0 or t > CUT_OFF + 40.0:
            return None
        u, v, w = self._even.T
        here_height = float(np.linalg.norm(self.position(t)) - EARTH_RADIUS)
        thin = _smooth(here_height, 12.0, 95.0)
        longest = 3.0 + 105.0 * thin**0.8
        age = 0.02 + longest * u**2.2
        tau = t - age
        start = self.position(tau)
        ahead = self.position(tau + 0.1)
        velocity = (ahead - start) / 0.1
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        up = start / np.linalg.norm(start, axis=1, keepdims=True)
        axis = np.where(speed > 0.03, velocity / np.maximum(speed, 1e-9), up)
        height = np.linalg.norm(start, axis=1) - EARTH_RADIUS
        spread = 0.07 + 1.0 * np.clip((height - 8.0) / 72.0, 0.0, 1.0) ** 0.9
        shell = w < 0.40
        theta = spread * np.where(
            shell, 0.93 + 0.14 * (w / 0.4), np.sqrt(np.maximum(w - 0.4, 0.0) / 0.6) * 0.85
        )
        side = np.cross(axis, self._across)
        side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
        other = np.cross(axis, side)
        turn = 2 * np.pi * v
        out = (
            -np.cos(theta)[:, None] * axis
            + (np.sin(theta) * np.cos(turn))[:, None] * side
            + (np.sin(theta) * np.sin(turn))[:, None] * other
        )
        stop = 0.35 * np.exp(height / 9.0)  # s, until the air has stopped the gas
        travelled = stop * (1 - np.exp(-np.minimum(age / stop, 50.0)))
        position = start + (velocity + 3.0 * out) * travelled[:, None]
        wide = np.clip((height - 6.0) / 74.0, 0.0, 1.0)
        life = 0.5 + 27.0 * wide**1.1
        # The density of the ages drawn, so that light per second of exhaust does not depend on it.
        per_point = 2.2 * longest * u**1.2 / len(u)
        # Thick gas hides most of its own light; spread thin, it shows all of it.
        shown = 5.0 + 200.0 * wide * (1 - np.exp(-age / 5.0))
        # The nozzles stand in a square, and their jets meet: the fan has ribs.
        shown *= 1 + 0.55 * np.cos(4 * turn) + 0.25 * np.cos(12 * turn + 1.0)
        level = shown * self.thrust(tau) ** 0.7 * np.exp(-age / life) * per_point
        young = np.exp(-age / (0.25 + 0.14 * life))[:, None]
        colour = young * np.array([1.0, 0.70, 0.38]) + (1 - young) * np.array([0.50, 0.66, 1.0])
        size = 0.3 + 0.20 * age * (0.2 + spread)
        return position, level[:, None] * colour, size

    def _puff(
        self, t: float, at: float, speed: float, light: float, life: float
    ) -> tuple[F64, F64, F64] | None:
        age = t - at
        if not 0 <= age < 5 * life:
            return None
        n = 1500
        u, v, w = self._even[:n].T
        z, turn = 2 * u - 1, 2 * np.pi * v
        ring = np.sqrt(1 - z * z)
        out = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
        start, velocity = self._state(at)
        reach = speed * 2.2 * life * (1 - np.exp(-age / (2.2 * life)))
        position = start + velocity * age + out * (reach * (0.75 + 0.35 * w**0.5))[:, None]
        level = light * np.exp(-age / life) * (1 - np.exp(-age / 0.12)) / n
        colour = np.array([0.85, 0.85, 1.0])
        return position, np.full((n, 1), level) * colour, np.full(n, 0.4 + 0.2 * reach)


def in_view(view: View, where: F64) -> tuple[float, float] | None:
    """Return the pixel (x, y) of one world point, None outside the picture or behind the Earth."""
    x, y, _, visible = view.project(where[None])
    if not visible[0] or not view.inside(float(x[0]), float(y[0])):
        return None
    return float(x[0]), float(y[0])
