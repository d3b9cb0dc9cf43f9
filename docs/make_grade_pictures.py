"""Makes the pictures of what grading does, one function each.

python -m docs.make_grade_pictures
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.deflicker import FLICKER, made
from timelapse import load
from timelapse.compare import compared
from timelapse.filmpictures import Pictures
from timelapse.grade import Framing, Size, from_mix, to_mix
from timelapse.grade.curves import STYLE, curve_plot
from timelapse.grade.denoise import denoised
from timelapse.grade.flicker import measure
from timelapse.grade.hotpixels import measure as defects
from timelapse.grade.levels import Levels
from timelapse.grade.motion import Motion
from timelapse.grade.noise import measure as noise_of
from timelapse.grade.path import Numbers
from timelapse.grade.register import measure as motion_of
from timelapse.grade.steady import Stabilise, steadied
from timelapse.grade.tone import fixed
from timelapse.ingest import Pixels, Reader, decode, scan
from timelapse.looks import read_look
from timelapse.machine import Buffers
from timelapse.simulate import simulate
from timelapse.svg import HEIGHT, INK, WIDTH, Scale, plot, points
from timelapse.times import MissionTime
from timelapse.written import Instant

PICTURES = Path(__file__).parent / "pictures"


def flicker() -> None:
    """A made roll: flicker of 5 percent goes; a flash, a step and a slow dawn stay."""
    _, levels, _ = made(FLICKER, events=True)
    drawing = curve_plot(measure(levels), "A roll before and after deflickering")
    (PICTURES / "flicker.svg").write_text(drawing, encoding="utf-8")


def exposure_ramp() -> None:
    """Dusk: the light falls by six stops in an hour, and the camera follows by thirds of a stop."""
    count = 360
    times = np.linspace(0, 3590, count)
    falls = -6 * (1 - np.cos(np.linspace(0, np.pi, count))) / 2
    opened = np.floor(np.maximum(-falls - 0.6, 0) * 3) / 3
    texture = np.exp(0.6 * np.random.default_rng(7).standard_normal((1, 16, 24, 1)))
    light = 0.12 * texture * 2 ** (falls + opened)[:, None, None, None] * np.ones(3)
    levels = Levels(times, np.minimum(light, 1).astype(np.float32), opened)
    drawing = curve_plot(measure(levels), "Dusk before and after levelling the exposure")
    (PICTURES / "exposure-ramp.svg").write_text(drawing, encoding="utf-8")


def hot_pixels() -> None:
    """A part of a still of the launch before and after its repair."""
    with TemporaryDirectory() as folder:
        times = {"start": MissionTime(Fraction(60)), "end": MissionTime(Fraction(540))}
        simulate(Path(folder), size=(960, 540), interval=Fraction(10), faults=False, **times)
        stills = scan(folder).stills
        repairs = defects(stills).repairs
        with Reader() as reader:
            before = decode(reader, stills[10], stills[10].size)
    after = repairs.apply(before.copy(), stills[10])
    part = np.s_[110:230, 390:540]
    gap = np.full((120, 2, 3), 255, np.uint8)
    both = np.concatenate([before[part], gap, after[part]], axis=1)
    picture = Image.fromarray(both.repeat(4, axis=0).repeat(4, axis=1))
    picture.save(PICTURES / "hot-pixels.png", optimize=True)


def tone() -> None:
    """A still of the launch as it is, with the look of night and with that of dawn."""
    looks = Path(__file__).parents[1] / "configs" / "looks"
    with TemporaryDirectory() as folder:
        times = {"start": MissionTime(Fraction(100)), "end": MissionTime(Fraction(101))}
        simulate(Path(folder), size=(960, 540), interval=Fraction(1), faults=False, **times)
        still = scan(folder).stills[0]
        with Reader() as reader:
            before = decode(reader, still, still.size)
    parts = [before[:, 240:720]]
    for name in ("night", "dawn"):
        toned = fixed(read_look(looks / f"{name}.yaml"))
        made = toned.apply(to_mix(before, "linear"), "linear", Buffers())
        parts.append(from_mix(made, "linear")[:, 240:720])
    Image.fromarray(np.concatenate(parts, axis=1)).save(PICTURES / "tone.jpg", quality=88)


def stabilise() -> None:
    """The mean of all stills of a tripod in the wind, as they were and held against one of them."""
    random, size = np.random.default_rng(7), (720, 440)
    with TemporaryDirectory() as folder:
        simulate(Path(folder), size=(960, 600), interval=Fraction(10), faults=False,
                 start=MissionTime(Fraction(60)), end=MissionTime(Fraction(70)))  # fmt: skip
        with Reader() as reader:
            still = scan(folder).stills[0]
            scene = decode(reader, still, still.size)
    numbers = Numbers(size)
    rows = random.normal(0, 1, (48, 4)) * [4, 4, 2, 0]
    framing, middle = Framing(Size(*size), "crop"), np.eye(3)
    middle[:2, 2] = np.subtract(scene.shape[1::-1], size) / 2
    with TemporaryDirectory() as folder:
        for at, onto in enumerate(numbers.matrices(rows)):
            back = np.linalg.inv(middle @ onto)
            taken = framing.apply(scene, None, size, tuple(back.ravel().tolist()))
            Image.fromarray(taken).save(Path(folder) / f"{at:03}.png")
        stills = scan(folder).stills
        found = motion_of(stills)
        steady = steadied(found, Stabilise(), list(range(len(stills))))
        with Reader() as reader:
            were = [decode(reader, still, still.size) for still in stills]
    are = [framing.apply(still, None, size, steady.of(at)) for at, still in enumerate(were)]
    part = np.s_[60:360, 180:540]
    gap = np.full((300, 3, 3), 255, np.uint8)
    means = [np.rint(np.mean([each[part] for each in each_of], axis=0)).astype(np.uint8)
             for each_of in (were, are)]  # fmt: skip
    picture = Image.fromarray(np.concatenate([means[0], gap, means[1]], axis=1))
    picture.save(PICTURES / "stabilise.jpg", quality=88)


def pan() -> None:
    """Where the middle of the picture is in a pan by hand, in the stills and in the film."""
    count, size = 160, (1920, 1280)
    random, numbers = np.random.default_rng(3), Numbers(size)
    t = np.linspace(0, 1, count)
    rows = random.normal(0, 1, (count, 4)) * [9, 5, 2, 0]
    rows[:, 0] += 200 * t**2 * (3 - 2 * t)
    onto = numbers.matrices(rows)
    steady = steadied(Motion(size, onto, np.ones(count)), Stabilise(), list(range(count)))
    film = numbers.read(onto @ np.linalg.inv(steady.onto))
    across = t * WIDTH
    scale = Scale(float(rows[:, 0].min()), float(rows[:, 0].max()))
    body = "".join(
        f'<polyline class="line {kind}" points="{points(across, scale.heights(path[:, 0]))}"/>'
        for kind, path in (("was", rows), ("is", film - [film[0, 0] - rows[:5, 0].mean(), 0, 0, 0]))
    )
    top = "where the camera looks, 160 stills; as it was in orange, in the film in blue"
    drawing = plot(body, top, "").replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    style = f"<style>{INK}{STYLE}.back {{ fill: var(--paper); }}</style>"
    back = f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>'
    drawing = drawing.replace(">", f">{style}{back}", 1)
    (PICTURES / "stabilise-pan.svg").write_text(drawing + "\n", encoding="utf-8")


def compare() -> None:
    """A frame of the launch and its keogram, before and after all that is found by itself."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        times = {"start": MissionTime(Fraction(60)), "end": MissionTime(Fraction(540))}
        simulate(folder / "roll", size=(640, 360), interval=Fraction(4), faults=False, **times)
        project = folder / "launch.yaml"
        project.write_text(
            "roll: {stills: roll}\nschedule: {speed: 60}\n"
            "grade: {hot_pixels: auto, deflicker: 60 s}\n",
            encoding="utf-8",
        )
        job = load(project).job()
        frame = compared(job, Instant.read("frame 18").resolve(job.plan.timeline.context).time)
        keogram = Pictures(job, lambda *_: None).keogram(Fraction(1, 2), 1000, compare=True)
    for name, picture in (("compare", frame.picture), ("keogram-compare", keogram)):
        made = Image.fromarray(picture)
        made.save(PICTURES / f"{name}.jpg", quality=86, subsampling=0, optimize=True)


def denoise() -> None:
    """A part of a still of the launch, at half the size, before and after its noise is gone."""
    import cv2

    def halved(pixels: Pixels) -> Pixels:
        small = cv2.resize(pixels, (960, 540), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    with TemporaryDirectory() as folder:
        times = {"start": MissionTime(Fraction(100)), "end": MissionTime(Fraction(109))}
        simulate(Path(folder), size=(1920, 1080), interval=Fraction(1), faults=False, **times)
        stills = scan(folder).stills
        repairs = defects(stills).repairs
        with Reader() as reader:
            decoded = [decode(reader, still, still.size).copy() for still in stills]
        small = [halved(repairs.apply(*pair)) for pair in zip(decoded, stills, strict=True)]
        noise = noise_of(stills, framed=lambda at, _: small[at])
    mixed = [to_mix(still, "linear") for still in small[3:6]]
    after = from_mix(denoised(mixed, 1, noise, "linear", Buffers()), "linear")
    part = np.s_[170:260, 130:280]
    gap = np.full((90, 2, 3), 255, np.uint8)
    both = np.concatenate([small[4][part], gap, after[part]], axis=1)
    bright = np.clip(both * 1.8, 0, 255).astype(np.uint8)
    picture = Image.fromarray(bright.repeat(4, axis=0).repeat(4, axis=1))
    picture.save(PICTURES / "denoise.png", optimize=True)


def main() -> None:
    for picture in (flicker, exposure_ramp, hot_pixels, tone, stabilise, pan, compare, denoise):
        picture()


if __name__ == "__main__":
    main()
