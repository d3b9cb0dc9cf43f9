"""What a tone does to the pixels of a frame.

A frame goes through these steps, always in this order: exposure and colour temperature, black and
white point, saturation (all in linear light), curve, look-up table, sharpening (in display light).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelapse.grade.cube import Cube
from timelapse.grade.light import Linear
from timelapse.machine import Buffers
from timelapse.srgb import linear_of, shown_of

Light = Literal["linear", "display"]
#: Points (before, after) of a curve, in shares of white in display light.
Curve = tuple[tuple[float, float], ...]
STRAIGHT: Curve = ((0.0, 0.0), (1.0, 1.0))
#: The luminance of red, green and blue light (ITU-R BT.709-6, item 3.2).
LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Toned:
    """The tone of one frame.  `curves` is a mean of curves, each with its share in it, straight
    where there are none; see `ToneValues` for the rest."""

    exposure: float = 0.0
    temperature: float = 0.0
    tint: float = 0.0
    black: float = 0.0
    white: float = 1.0
    saturation: float = 1.0
    curves: tuple[tuple[float, Curve], ...] = ()
    cube: Cube | None = None
    lut_strength: float = 1.0
    sharpen: float = 0.0
    sharpen_radius: float = 1.0
    sharpen_threshold: float = 0.0

    @property
    def plain(self) -> Toned:
        """The same with the defaults for what has no effect, as the radius of a sharpening by 0:
        equal numbers mean equal pixels."""
        without: dict[str, Any] = {}
        if all(curve == STRAIGHT for _, curve in self.curves):
            without["curves"] = ()
        if self.cube is None or self.lut_strength == 0:
            without |= {"cube": None, "lut_strength": 1.0}
        if self.sharpen == 0:
            without |= {"sharpen_radius": 1.0, "sharpen_threshold": 0.0}
        return replace(self, **without)

    @property
    def idle(self) -> bool:
        """Whether no pixel is changed."""
        return self.plain == Toned()

    @property
    def whole(self) -> bool:
        """Whether a pixel depends on its neighbours, so that a frame is wanted in one piece."""
        return self.sharpen > 0

    def apply(self, mixed: Linear, light: Light, buffers: Buffers) -> Linear:
        """A frame, or a band of one unless it is wanted `whole`, with this tone.

        `mixed` is H x W x 3, uint16, RGB in `light`, and is not changed; the result is of the same
        light and shape, and that of `buffers`, or `mixed` itself where nothing is to be done.
        """
        import cv2

        if self.idle:
            return mixed
        steps = _Steps(mixed, light, buffers)
        change = _Change(self.exposure, self.temperature, self.tint, self.black, self.white)
        if self.saturation != 1:
            steps.through(change, (), "linear")
            steps.frame = cv2.transform(steps.frame, _saturating(self.saturation), steps.free())
            change = _Change()
        cube = self.cube if self.lut_strength else None
        steps.through(change, self.plain.curves, "display" if cube or self.whole else light)
        if cube:
            steps.frame = cube.apply(steps.frame, self.lut_strength, buffers)
        if self.whole:
            steps.frame = self._sharpened(steps.frame, steps.free(), buffers)
        steps.through(_Change(), (), light)
        done: Linear = steps.frame
        return done

    def _sharpened(self, shown: Linear, out: Linear, buffers: Buffers) -> Linear:
        """The luma's difference to what is around, times `sharpen`, on top of every channel."""
        import cv2

        shape = shown.shape[:2]
        # The luma three times, as a transform to one channel has no vector code.
        grey = cv2.transform(shown, _saturating(0), out)
        luma = buffers.take("luma", shape, np.float32)
        np.copyto(luma, grey[:, :, 0])
        detail = buffers.take("detail", shape, np.float32)
        cv2.GaussianBlur(luma, (0, 0), self.sharpen_radius, dst=detail)
        cv2.subtract(luma, detail, detail)
        if self.sharpen_threshold:
            # Less by the threshold, so that nothing jumps where a difference passes it.
            most = np.float32(self.sharpen_threshold * 65535)
            np.clip(detail, -most, most, out=luma)
            cv2.subtract(detail, luma, detail)
        detail *= np.float32(self.sharpen)
        three = buffers.take("details", shown.shape, np.float32)
        cv2.merge([detail, detail, detail], three)
        return cv2.add(shown, three, out, dtype=cv2.CV_16U)  # type: ignore[return-value]


class _Change(NamedTuple):
    """What is done to each channel in linear light; see `Toned`."""

    exposure: float = 0.0
    temperature: float = 0.0
    tint: float = 0.0
    black: float = 0.0
    white: float = 1.0


_Curves = tuple[tuple[float, Curve], ...]


class _Steps:
    """A frame on its way, from one buffer to another; it never is the frame that came."""

    def __init__(self, frame: Linear, light: Light, buffers: Buffers) -> None:
        self.frame: Any = frame
        self._light, self._buffers, self._turn = light, buffers, 0

    def free(self) -> Linear:
        """A buffer that does not hold the frame."""
        self._turn ^= 1
        return self._buffers.take(f"tone {self._turn}", self.frame.shape, np.uint16)

    def through(self, change: _Change, curves: _Curves, to: Light) -> None:
        """One look at a table, or none where it would change nothing."""
        import cv2

        if change != _Change() or curves or to != self._light:
            self.frame = cv2.LUT(self.frame, _table(self._light, change, curves, to), self.free())
            self._light = to


@lru_cache(maxsize=16)
def _table(light: Light, change: _Change, curves: _Curves, to: Light) -> Linear:
    """What becomes of each value of 16 bits: 65536, or 1 x 65536 x 3 where the channels differ."""
    share: NDArray[Any] = np.arange(65536, dtype=np.float32)[:, None] / np.float32(65535)
    if change != _Change():
        share = linear_of(share) if light == "display" else share
        low, high = linear_of(np.array([change.black, change.white])).tolist()
        gains = 2**change.exposure * np.array(warmth(change.temperature, change.tint))
        if np.ptp(gains) == 0:
            gains = gains[:1]
        share = np.clip((share * gains.astype(np.float32) - low) / (high - low), 0, 1)
        light = "linear"
    if curves:
        share = shown_of(share) if light == "linear" else share
        at = np.rint(share * 65535).astype(np.uint16)
        share = sum(np.float32(part) * _drawn(curve)[at] for part, curve in curves)
        light = "display"
    if light != to:
        share = shown_of(share) if to == "display" else linear_of(share)
    table: Linear = np.rint(np.clip(share, 0, 1) * 65535).astype(np.uint16)
    return table[None] if table.shape[1] == 3 else table[:, 0]


@lru_cache(maxsize=16)
def _drawn(curve: Curve) -> NDArray[np.float32]:
    """A curve at each of 65536 display values; level left of its first point and right of its last.

    Between points, cubics that overshoot none of them (F. N. Fritsch and J. Butland, A Method for
    Constructing Local Monotone Piecewise Cubic Interpolants, SIAM J. Sci. Stat. Comput. 5, 1984).
    """
    from scipy.interpolate import PchipInterpolator

    before, after = np.array(curve, np.float64).round(9).T  # slopes of next to nothing overflow
    share = np.clip(np.arange(65536) / 65535, before[0], before[-1])
    drawn: NDArray[np.float32] = PchipInterpolator(before, after)(share).astype(np.float32)
    return drawn


@lru_cache(maxsize=16)
def _saturating(saturation: float) -> NDArray[np.float32]:
    """The matrix that moves linear light away from grey of the same luminance."""
    grey = np.tile(np.array(LUMA), (3, 1))
    matrix: NDArray[np.float32] = (saturation * np.eye(3) + (1 - saturation) * grey).astype("f4")
    return matrix


@lru_cache(maxsize=16)
def warmth(temperature: float, tint: float) -> tuple[float, float, float]:
    """Factors of linear red, green and blue that leave the luminance of grey as it is.

    They are the colour of a black body that is `temperature` mireds (million / kelvin) cooler than
    daylight of 6504 K, in shares of that one's; `tint` is the distance from the line of such
    colours towards magenta, in 3000ths of CIE 1960 u, v, as in Adobe's DNG SDK.  The line is that
    of M. Krystek, An algorithm to calculate correlated colour temperature, Color Research &
    Application 10 (1985), good from 1000 to 15000 K.
    """
    if temperature == tint == 0:
        return 1.0, 1.0, 1.0
    there, here = _light_of(temperature, tint), _light_of(0, 0)
    gains = there / here
    red, green, blue = (gains / (gains @ LUMA)).tolist()
    return red, green, blue


def _light_of(temperature: float, tint: float) -> NDArray[np.float64]:
    """The linear BT.709 colour of a black body."""
    mired = 1e6 / 6504 + temperature
    u, v = _locus(mired)
    along = np.subtract(_locus(mired + 0.01), _locus(mired - 0.01))
    along /= np.hypot(*along)
    u, v = u + along[1] * tint / 3000, v - along[0] * tint / 3000
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    # CIE XYZ to BT.709 with the white of D65 (IEC 61966-2-1, 5.2).
    matrix = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
    found: NDArray[np.float64] = np.array(matrix) @ (x / y, 1, (1 - x - y) / y)
    return found


def _locus(mired: float) -> tuple[float, float]:
    """Where the black body is in CIE 1960 u, v."""
    t = 1e6 / mired
    return (
        (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t)
        / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t),
        (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t)
        / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t),
    )
