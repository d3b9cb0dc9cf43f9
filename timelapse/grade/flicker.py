"""Deflicker: what changes from still to still without need, told apart from what is real.

A still's light is measured in patches.  Flicker changes all of them at once, by the same factor of
the light that reached the sensor; what moves changes a few; a flash adds light, here more and there
less; a real change takes its time, or stays.  The camera's own tone curve holds highlights back: so
does the correction, by as much as the roll shows.  Its black is not without light: neither that nor
what glows in a window flickers with the light of the scene, and so the correction starts there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError
from timelapse.grade.events import Events, events_of
from timelapse.grade.exposure import jumps_of, slow
from timelapse.grade.levels import Area, Levels, Moving, checked
from timelapse.grade.light import Gain, lit
from timelapse.grade.smooth import middles, smoother
from timelapse.ingest.look import LUMINANCE
from timelapse.times import Seconds

Floats = NDArray[np.float64]
Patches = NDArray[np.float32]
#: Flicker of fewer stills, to each side of one, cannot be told from change.
_FEWEST = 8
#: For so many times as long a roll is taken to become brighter, or darker, evenly: at its ends.
_STEADIER = 3.0
#: How strongly cameras hold highlights back: the exponents that are tried, see `lit`.
_SHOULDERS = (1.0, 1.5, 2.0, 4.0, 8.0, 16.0)
#: They are asked of: at most so many stills, not the few beyond this share that change most, which
#: may be flashes; by patches in so many groups from dark to bright.
_ASKED, _PLAIN, _BINS = 400, 0.95, 12
#: A smaller exponent is taken only where the larger ones disagree by so much more.
_CLEARLY = 1.25
#: Black is sought in so many steps up to the light that all but this share of patches exceed, and
#: believed where it leaves so little of the disagreement: by chance four fifths are left.
_BLACKS, _DARKEST, _HALVED = 8, 0.01, 0.5
#: Linear light up to which a patch is noise more than light, and from which on it is clipped.
_DARK, _WHITE = 0.0025, 0.97
#: A still of which less is above the noise is corrected by less, and not at all if nothing is.
_LIT = 0.02
#: Flicker counts as far as it is larger than so many times what motion makes of it by chance.
#: In a still that stands out by itself there is more chance of that.
_SURE, _ALONE = 2.0, 4.0
#: What lights up a corner once moves by chance so many times more than is usual: that often only.
_OFTEN = 3.0
#: Noise that rounding makes at least.
_ROUNDING = 0.0005
#: For how many times the time of the smoothing a roll is taken to flicker alike.
_ALIKE = 4
#: No gain is larger than twice, or smaller than half, but for what levels the exposure.
_MOST = log(2)
_STOP = log(2)
#: What no camera tells from black, in stops below white.
DARKEST = -12


@dataclass(frozen=True)
class Deflicker:
    """What is taken out.

    `over`: what comes and goes in less time is flicker, what takes longer is real (at least eight
    stills to each side are looked at).  `strength`: the share of it that is taken away, 0 to 1.
    `per_channel`: red, green and blue each by themselves.  `area`: the part of the stills to go
    by (left, top, right, bottom in shares), which may move.  `exposure`: level
    the jumps of exposure that EXIF tells of.  `white_balance`: over what time the drift of the
    camera's white balance is smoothed; left alone where None.
    """

    over: Seconds = Seconds(15)
    strength: float = 1.0
    per_channel: bool = False
    area: Area | Moving | None = None
    exposure: bool = True
    white_balance: Seconds | None = None

    def __post_init__(self) -> None:
        for name, time in (("over", self.over), ("white_balance", self.white_balance)):
            if time is not None and time <= 0:
                raise ProjectError(f"{name}: {time} is not above zero; write 15 s")
        if not 0 <= self.strength <= 1:
            raise ProjectError(f"strength: {self.strength:g} is a share; write 0 to 1")
        if isinstance(self.area, tuple):
            checked(self.area)


@dataclass(frozen=True, eq=False)
class Gains:
    """What each of N stills is corrected by.

    `gains` (N x 3, red, green, blue) are factors of linear light, for `lit` with this `shoulder`
    and this `black`.
    `before` and `after` (N) are the luminance curve in stops below white, `times` (N) are seconds
    from the first still.  By index: `flashes` and `steps` are real and stay, `jumps` of the
    exposure are levelled.
    """

    times: Floats
    gains: Floats
    shoulder: float
    before: Floats
    after: Floats
    black: float = 0.0
    flashes: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    jumps: tuple[int, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether no still is changed."""
        return bool((self.gains == 1).all())

    def of(self, still: int) -> Gain:
        """What one still is corrected by."""
        red, green, blue = self.gains[still].tolist()
        return Gain(red, green, blue, self.shoulder, self.black)

    def as_json(self) -> dict[str, Any]:
        """What a report tells: the gains in stops, one number a still where the channels agree."""
        stops = np.round(np.log2(self.gains), 4) + 0.0
        same = bool((stops == stops[:, :1]).all())
        return {
            "flicker_before": round(_roughness(self.before), 5),
            "flicker_after": round(_roughness(self.after), 5),
            "shoulder": self.shoulder,
            "black": round(self.black, 6),
            "flashes": list(self.flashes),
            "steps": list(self.steps),
            "jumps": list(self.jumps),
            "stops": [] if self.idle else (stops[:, 0] if same else stops).tolist(),
        }


def _roughness(stops: Floats) -> float:
    """Root mean square of the change from still to still, as a share of the light."""
    return float(np.sqrt(np.mean(np.diff(stops * _STOP) ** 2))) if len(stops) > 1 else 0.0


def measure(levels: Levels, settings: Deflicker = Deflicker()) -> Gains:
    """The gains of a roll; those of stills that cannot be read are 1."""
    here = levels.within(settings.area)
    seen = np.flatnonzero(here.seen)
    gains = np.ones((len(levels), 3))
    before = _curve(here.light)
    if len(seen) < 3:
        return Gains(levels.times, gains, _SHOULDERS[-1], before, before)
    coloured = settings.per_channel or settings.white_balance is not None
    roll = _Roll.of(here, seen, float(settings.over), coloured)
    jumps, stops = np.zeros(len(seen)), np.zeros(len(seen))
    if settings.exposure:
        jumps = jumps_of(here.exposure[seen], roll.times, roll.curve / _STOP, roll.lit > 0)
        stops = roll.smooth(slow(roll.times, jumps)) - np.cumsum(jumps) if jumps.any() else stops
    levelled = stops * _STOP
    found = events_of(roll.exposed + levelled[:, None], roll.weights, roll.curve + levelled,
                      roll.within)  # fmt: skip
    taken = np.repeat(levelled[:, None], 3, axis=1)
    taken += roll.flicker(taken, found, settings.per_channel)
    if settings.white_balance is not None:
        taken += roll.drift(taken, float(settings.white_balance))
    taken = levelled[:, None] + np.clip(taken - levelled[:, None], -_MOST, _MOST)
    gains[seen] = np.exp(settings.strength * roll.lit[:, None] * taken)
    bent = roll.shoulder, roll.black
    after = _curve(
        np.stack(
            [
                lit(here.light[..., c], gains[:, c, None, None], *bent)  # type: ignore[arg-type]
                for c in range(3)
            ],
            axis=-1,
        )
    )
    marked = (found.flashes, found.steps, jumps != 0)
    flashes, steps, jumped = (tuple(seen[where].tolist()) for where in marked)
    return Gains(
        levels.times, gains, roll.shoulder, before, after, roll.black, flashes, steps, jumped
    )


def _curve(light: NDArray[Any]) -> Floats:
    """Mean luminance in stops below white."""
    mean = (light @ LUMINANCE).mean(axis=(1, 2), dtype=np.float64)
    curve: Floats = np.log2(np.maximum(mean, 2.0**DARKEST))
    return curve


@dataclass(frozen=True, eq=False)
class _Roll:
    """The stills of a roll that could be read, N of P patches, as logarithms of the light before
    the camera held its highlights back: there flicker adds the same number to all patches.

    `light` counts from the `black` on; `lit` is how far a still is above the noise, 0 to 1;
    `paired` by how much each is brighter than the one before, over all patches.
    """

    times: Floats
    light: Patches
    shoulder: float
    black: float
    over: float
    exposed: Patches
    weights: Patches
    paired: Floats
    lit: Floats
    grid: tuple[int, int]

    @classmethod
    def of(cls, levels: Levels, seen: NDArray[np.int64], over: float, per_channel: bool) -> _Roll:
        times, grid = levels.times[seen], levels.light.shape[1:3]
        over = max(over, (_FEWEST + 0.5) * float(np.median(np.diff(times))), 1e-6)
        light = levels.light[seen].reshape(len(seen), -1, 3)
        shoulder, black = _bent([*np.moveaxis(light, 2, 0)] if per_channel else [light @ LUMINANCE])
        light = _above(light, black)
        luminance = light @ LUMINANCE
        exposed, weights = _before(luminance, shoulder), _weights(luminance, shoulder)
        steps = np.diff(exposed, axis=0, prepend=exposed[:1])
        both = np.sqrt(weights * np.concatenate([weights[:1], weights[:-1]]))
        lit = np.clip((luminance > _DARK).mean(axis=1) / _LIT, 0, 1)
        paired = middles(steps, both)[0]
        return cls(times, light, shoulder, black, over, exposed, weights, paired, lit, grid)

    @property
    def curve(self) -> Floats:
        """How bright the stills are, as what all patches agree on from one to the next."""
        return np.cumsum(self.paired)

    @property
    def within(self) -> int:
        """About how many stills the smoothing looks at to each side."""
        return max(_FEWEST, int(self.over / max(float(np.median(np.diff(self.times))), 1e-6)))

    def smooth(self, values: Floats) -> Floats:
        smooth: Floats = self._smoother(self.over, Events.none(len(values))) @ values
        return smooth

    def _smoother(self, over: float, events: Events) -> Any:
        counted = (~events.outside).astype(np.float64)
        return smoother(self.times, over, counted, events.parts, _STEADIER)

    def flicker(self, taken: Floats, events: Events, per_channel: bool) -> Floats:
        """What is to be added to take flicker away (N x 3), where `taken` was before."""
        smooth = self._smoother(self.over, events)
        if not per_channel:
            by = self._noise(self.exposed + taken[:, :1], self.weights, smooth, self.over, events)
            return np.repeat(-by[:, None], 3, axis=1)
        columns = []
        for channel in range(3):
            light = self.light[..., channel]
            exposed = _before(light, self.shoulder) + taken[:, channel, None]
            weights = _weights(light, self.shoulder)
            columns.append(-self._noise(exposed, weights, smooth, self.over, events))
        return np.column_stack(columns)

    def drift(self, taken: Floats, over: float) -> Floats:
        """The same for the colour of the light: luminance stays, and what is uniform is no step."""
        over, events = max(over, self.over), Events.none(len(self.times))
        smooth = self._smoother(over, events)
        columns = []
        for channel in range(3):
            exposed = _before(self.light[..., channel], self.shoulder) + taken[:, channel, None]
            tint = exposed - self.exposed - (taken @ LUMINANCE)[:, None]
            weights = np.minimum(self.weights, _weights(self.light[..., channel], self.shoulder))
            columns.append(-self._noise(tint, weights, smooth, over, events))
        by = np.column_stack(columns)
        return by - (by @ LUMINANCE)[:, None]

    def _noise(
        self, exposed: NDArray[Any], weights: Patches, smooth: Any, over: float, events: Events
    ) -> Floats:
        """By how much each still is brighter than its smooth self, as far as that is sure (N)."""
        rest = exposed - smooth @ exposed
        # Patches that counted by how bright they are just now would all seem brighter than usual.
        weights = (weights > 0) * np.maximum(smooth @ weights, 0)
        brighter = middles(rest, weights)[0]
        sudden, calm = _sudden(rest), ~_beside(events.outside)
        change = middles(sudden, weights)[0]
        alike = _mean_over(self.times, _ALIKE * over, calm.astype(np.float64))
        brighter -= alike @ brighter
        brighter[events.flashes] = 0
        known = alike @ change**2
        chance = self._chance(sudden, weights, change)
        doubt = alike @ np.minimum(chance, _OFTEN * np.median(chance)) ** 2
        if (odd := np.flatnonzero(events.outside)).size:
            known[odd] = brighter[odd] ** 2
            doubt[odd] = self._chance(rest[odd], weights[odd], brighter[odd]) ** 2
        limit = np.where(events.outside, _ALONE, _SURE) ** 2
        share = np.minimum((doubt + _ROUNDING**2) / np.maximum(known, 1e-18), 1 / limit)
        # Nothing at the limit; far from it what is best for such a share of noise (Wiener's 1 - x).
        certain: Floats = (1 - limit * share) / (1 - (limit - 1) * share) * brighter
        return certain

    def _chance(self, rest: NDArray[Any], weights: Patches, brighter: Floats) -> Floats:
        """What motion makes of the mean of a still by chance (N): from how far large blocks of it
        disagree, beyond those shares of the flicker that each always shows."""
        blocks, counted = _blocks(rest, self.grid), _blocks(weights, self.grid)
        count, number = blocks.shape[:2]
        flat = blocks.reshape(count * number, -1), counted.reshape(count * number, -1)
        own = middles(*flat)[0].reshape(count, number)
        share = counted.sum(axis=2)
        power = float(brighter @ brighter)
        always = (brighter @ own) / power if power > 0 else np.zeros(number)
        away = own - brighter[:, None] * always
        total = np.maximum(share.sum(axis=1), 1e-9)
        effective = np.maximum(total**2 / np.maximum((share**2).sum(axis=1), 1e-18), 1.5)
        chance: Floats = np.sqrt((share * away**2).sum(axis=1) / total / (effective - 1))
        return chance


def _sudden(values: NDArray[Any]) -> NDArray[Any]:
    """What differs in each still from both its neighbours (N x P): motion is slower than that.
    The first and the last are as those beside them: from one neighbour alone, all slow change
    would be sudden."""
    sudden = values[1:-1] - (values[:-2] + values[2:]) / 2
    return np.pad(sudden, ((1, 1), (0, 0)), mode="edge")


def _beside(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The flagged ones and their neighbours."""
    edged = np.pad(flags, 1)
    beside: NDArray[np.bool_] = edged[:-2] | edged[1:-1] | edged[2:]
    return beside


def _blocks(values: NDArray[Any], grid: tuple[int, int]) -> NDArray[Any]:
    """N x 16 blocks x the patches of each, of N x P."""
    rows, columns = grid
    cut = values.reshape(len(values), 4, rows // 4, 4, columns // 4)
    return cut.transpose(0, 1, 3, 2, 4).reshape(len(values), 16, -1)


def _before(light: NDArray[Any], shoulder: float) -> Patches:
    """The logarithm of the light that `lit` takes factors of."""
    held = np.clip(light, 1e-4, 0.999)
    exposed: Patches = (np.log(held) - np.log1p(-(held**shoulder)) / shoulder).astype(np.float32)
    return exposed


def _weights(light: NDArray[Any], shoulder: float) -> Patches:
    """What patches count: the root of the light that a gain gives them; nothing where clipped."""
    held = np.clip(light, 0, 1)
    counted = (light < _WHITE) & (light > _DARK)
    weights: Patches = (counted * np.sqrt(held * (1 - held**shoulder))).astype(np.float32)
    return weights


def _above(light: Patches, black: float) -> Patches:
    """What of the light is above black, 0 to 1."""
    above: Patches = np.maximum(light - np.float32(black), 0) / np.float32(1 - black)
    return above


def _bent(planes: Sequence[Patches]) -> tuple[float, float]:
    """The exponent, and the black, by which dark and bright patches (each N x P) show alike how
    stills flicker."""
    middle = _SHOULDERS[len(_SHOULDERS) // 2]
    darkest = float(np.quantile(np.concatenate([light.ravel() for light in planes]), _DARKEST))
    blacks = darkest * np.linspace(0, 1, _BLACKS + 1)
    unlike = np.array([_unlike(planes, middle, black) for black in blacks])
    best = int(unlike.argmin())
    # In a roll that hardly flickers all are alike: the plain product, unless another is better.
    black = float(blacks[best]) if unlike[best] < _HALVED * unlike[0] else 0.0
    unlike = np.array([_unlike(planes, shoulder, black) for shoulder in _SHOULDERS])
    allowed = unlike <= _CLEARLY * unlike.min()
    return max(s for s, fine in zip(_SHOULDERS, allowed, strict=True) if fine), black


def _unlike(planes: Sequence[Patches], shoulder: float, black: float) -> float:
    """How far dark and bright patches disagree about the flicker, with this exponent and black."""
    unlike = 0.0
    for plane in planes:
        light = _above(plane, black)
        loud = np.abs(middles(_sudden(_before(light, shoulder)), _weights(light, shoulder))[0])
        asked = np.argsort(loud)[len(loud) // 2 : ceil(len(loud) * _PLAIN)][-_ASKED:]
        counted = (light[asked] > _DARK) & (light[asked] < _WHITE)
        if not counted.any():
            continue
        edges = np.quantile(light[asked][counted], np.arange(1, _BINS) / _BINS)
        bins = np.where(counted, np.searchsorted(edges, light[asked]), _BINS).ravel()
        change = _sudden(_before(light, shoulder))[asked]
        weights = _weights(light[asked], shoulder)
        common = middles(change, weights)[0][:, None]
        seen = np.bincount(bins, (weights * change * common).ravel(), _BINS + 1)[:_BINS]
        power = np.bincount(bins, (weights * common**2).ravel(), _BINS + 1)[:_BINS]
        away = np.abs(seen / np.maximum(power, 1e-18) - 1)
        unlike += float(np.median(away)) * loud[asked].sum()
    return unlike


def _mean_over(times: Floats, over: float, counted: Floats) -> Any:
    """The sparse matrix that takes values to their means over so long before and after."""
    from scipy.sparse import csr_matrix

    first = np.searchsorted(times, times - over, "left")
    last = np.searchsorted(times, times + over, "right")
    lengths = last - first
    columns = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = counted[columns]
    totals = np.add.reduceat(values, starts[:-1])
    values = values / np.repeat(np.maximum(totals, 1e-9), lengths)
    return csr_matrix((values, columns, starts), shape=(len(times), len(times)))
