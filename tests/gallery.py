"""The gallery: every layer, theme and place, at three shapes of frame, on dark and light grounds.

The golden pictures in `tests/golden` and the page `docs/gallery.md` are made of these by
`docs/make_gallery.py`; `test_gallery.py` draws them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from timelapse.overlay import (
    THEMES,
    Callout,
    Clock,
    Compositor,
    Credit,
    Credits,
    Cue,
    End,
    GapCaption,
    GapShown,
    Logo,
    Look,
    LowerThird,
    Milestone,
    Place,
    PointAt,
    Progress,
    Scene,
    Share,
    Span,
    SpeedMap,
    Theme,
    Title,
    cues,
    place_milestones,
)
from timelapse.retime import SpeedKey, Timeline, eased
from timelapse.times import CaptureTime, MissionTime, Rate, Seconds, Speed, VideoTime
from timelapse.written import Instant

GOLDEN = Path(__file__).parent / "golden"
SHAPES = {"16x9": (480, 270), "9x16": (270, 480), "1x1": (320, 320)}
GROUNDS = ("dark", "light")
LANGUAGES = {
    "en": "Core stage separation",
    "de": "Abtrennung der Zentralstufe",
    "ru": "Отделение центрального блока",
    "ar": "انفصال المرحلة المركزية",
    "hi": "केंद्रीय चरण का पृथक्करण",
    "ja": "コアステージの分離",
}
FRAME = 100


def timeline() -> Timeline:
    """Ten seconds that go from 8 to 16 times real speed."""
    zero, ten = VideoTime(Fraction(0)), VideoTime(Fraction(10))
    keys = [SpeedKey(zero, Speed.read("8")), SpeedKey(ten, Speed.read("16"))]
    start = MissionTime(Fraction(105))
    epoch = CaptureTime.of_civil(2018, 11, 16, 18, 14, Fraction(8))
    return Timeline(eased(keys, start, ten), Rate(25), epoch)


def ground(kind: str, size: tuple[int, int]) -> np.ndarray:
    """A night with a lit horizon, or a bright sky over clouds: H x W x 3, uint8."""
    width, height = size
    down = np.linspace(0, 1, height)[:, None, None]
    across = np.linspace(0, 1, width)[None, :, None]
    waves = 0.5 + 0.5 * np.sin(9 * across + 5 * down) * np.cos(13 * down - 4 * across)
    if kind == "dark":
        glow = np.exp(-(((down - 0.45) / 0.06) ** 2))
        shown = np.array([8, 10, 18]) + glow * np.array([40, 110, 70]) + 18 * waves * down
    else:
        shown = np.array([120, 170, 225]) * (1 - 0.3 * down) + 80 * waves * down
    return (np.clip(shown, 0, 255) // 12 * 12).astype(np.uint8)  # steps: the files stay small


@dataclass(frozen=True)
class Shot:
    """One picture of the gallery."""

    name: str
    cues: tuple[Cue, ...]
    size: tuple[int, int]
    ground: str

    def draw(self) -> np.ndarray:
        """H x W x 3, RGB, uint8."""
        frame = ground(self.ground, self.size)
        Compositor(self.cues, self.size).draw(frame, FRAME)
        return frame


def at(text: str) -> Instant:
    return Instant.read(text)


def milestone(label: str, **more: Any) -> Milestone:
    return Milestone(at=at("frame 90"), label=label, **more)


LOGO = Path(__file__).parent / "data" / "logo.svg"
SMALL = Look(size=Share(1, 28))

#: A layer of each kind, with what is needed to see it alone.
LAYERS: dict[str, tuple[list[Milestone], list[Any]]] = {
    "milestone": ([milestone("Booster separation", subtitle="48 km above the steppe")], []),
    "span": ([], [Span(label="Second stage burns", since=at("frame 50"), until=at("frame 200"))]),
    "lower-third": (
        [],
        [LowerThird(name="Alexander Gerst", detail="ESA astronaut", at=at("frame 90"))],
    ),
    "clock": ([], [Clock(show=("met", "utc", "speed", "stills", "video"))]),
    "credit": ([], [Credit(text="ESA/NASA - A. Gerst")]),
    "progress": ([milestone("Separation")], [Progress()]),
    "speed-map": ([], [SpeedMap()]),
    "logo": ([], [Logo(file=str(LOGO), height=Share(1, 6))]),
    "gap": ([], [GapCaption()]),
    "callout-ring": (
        [],
        [Callout(label="Soyuz", points=(PointAt(at("frame 0"), (0.5, 0.6)),), radius=Share(1, 16))],
    ),
    "callout-arrow": (
        [],
        [
            Callout(
                label="Soyuz",
                points=(PointAt(at("frame 0"), (0.5, 0.6)),),
                shape="arrow",
                radius=Share(1, 16),
            )
        ],
    ),
    "title": ([], [Title(title="Progress MS-10", subtitle="Seen from orbit", hold=Seconds(8))]),
    "end": ([], [End(title="Thank you", hold=Seconds(8))]),
    "credits": (
        [],
        [Credits(lines=("# Pictures", "Alexander Gerst", "# Data", "NASA"), hold=Seconds(8))],
    ),
}


def scene(theme: Theme, size: tuple[int, int], marks: list[Milestone]) -> Scene:
    line = timeline()
    plain = Scene(line, theme, interval=Seconds(1))
    return Scene(
        line,
        theme,
        place_milestones(marks, plain),
        (GapShown(80, 130, Seconds(73)),),
        Seconds(1),
        place=lambda points, _: points * np.array(size, float),
    )


def shot(
    name: str, theme: str, shape: str, kind: str, marks: list[Milestone], overlays: list[Any]
) -> Shot:
    size = SHAPES[shape]
    found = cues(marks, overlays, scene(THEMES[theme], size, marks))
    return Shot(name, found, size, kind)


def shots(theme: str, shape: str, kind: str) -> Iterator[Shot]:
    """All that stand on one sheet."""
    places = [milestone(str(place), text="{label}", place=place, style=SMALL) for place in Place]
    yield shot("places", theme, shape, kind, places, [])
    said = [
        milestone(label, text="{label}", place=place, style=SMALL)
        for label, place in zip(LANGUAGES.values(), _PLACES, strict=True)
    ]
    yield shot("languages", theme, shape, kind, said, [])
    for name, (marks, overlays) in LAYERS.items():
        yield shot(name, theme, shape, kind, marks, overlays)


_PLACES = (
    Place.TOP_LEFT,
    Place.TOP,
    Place.LEFT,
    Place.RIGHT,
    Place.BOTTOM_LEFT,
    Place.BOTTOM_RIGHT,
)

COLUMNS = {"16x9": 4, "9x16": 8, "1x1": 4}


def sheet_names() -> list[str]:
    return [f"{theme}-{shape}-{kind}" for theme in THEMES for shape in SHAPES for kind in GROUNDS]


def sheet(name: str) -> np.ndarray:
    """All shots of one theme, shape and ground, side by side."""
    theme, shape, kind = name.split("-")
    return tiled([each.draw() for each in shots(theme, shape, kind)], COLUMNS[shape])


def tiled(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    """Pictures of one size in rows, a pixel of grey between them."""
    height, width, _ = pictures[0].shape
    rows = -(-len(pictures) // columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 128, np.uint8)
    for number, picture in enumerate(pictures):
        tile(whole, number, (width, height), columns)[...] = picture
    return whole


def tile(whole: np.ndarray, number: int, size: tuple[int, int], columns: int) -> np.ndarray:
    """One of the pictures of a sheet."""
    y, x = divmod(number, columns)
    top, left = y * (size[1] + 1), x * (size[0] + 1)
    return whole[top : top + size[1], left : left + size[0]]
