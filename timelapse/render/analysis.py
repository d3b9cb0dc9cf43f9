"""What a roll is corrected by: found before a film is rendered, in one order, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade import Found, Framing, closer, laid
from timelapse.grade.cosmic import measure as optics_of
from timelapse.grade.flicker import measure as flicker_of
from timelapse.grade.hotpixels import measure as defects_of
from timelapse.grade.levels import levels_of
from timelapse.grade.noise import measure as noise_of
from timelapse.grade.register import measure as motion_of
from timelapse.grade.steady import steadied
from timelapse.ingest import Pixels
from timelapse.ingest.look import large, look
from timelapse.ingest.look import measured as looked_at
from timelapse.machine import Buffers
from timelapse.render.job import Job, Progress
from timelapse.render.segment import identity, wanted


def analysed(job: Job, beside: Sequence[Framing] = (), progress: Progress | None = None) -> Found:
    """All that is to be found in the roll of a job, for what its grade asks; what is found already
    is not looked for again.

    `beside` are the framings of films that will be made of the same decoding.  Raises RollError,
    StillError, ProjectError.
    """
    grade, found = job.grade, job.found
    if grade.idle:
        return found
    roll = job.plan.roll
    stills, limits = roll.stills, roll.limits
    known = [identity(still) for still in stills]
    if grade.hot_pixels and not found.defects:
        defects = defects_of(stills, grade.hot_pixels, limits, identities=known, progress=progress)
        found = replace(found, defects=defects)
    mended = found.defects.digest if found.defects else ""
    seen: dict[int, NDArray[Any]] = {}  # rows of looks, of the same decoding

    def see(at: int, pixels: Pixels) -> None:
        if large(stills[at]):
            seen[at] = looked_at(pixels, stills[at].size)

    if grade.register and not found.motion:
        also = see if grade.deflicker and not found.gains else None
        motion = motion_of(
            stills, grade.register, limits, identities=known, seen=also, progress=progress
        )
        found = replace(found, motion=motion)
    if grade.deflicker and not found.gains:
        damaged = any(still.damaged for still in stills)
        looks = look(roll, damaged=damaged, remember=job.source, seen=seen, progress=progress)
        found = replace(found, gains=flicker_of(levels_of(stills, looks.rows), grade.deflicker))
    if grade.stabilise and found.motion and not found.steadied:
        seconds = [float(still.captured.seconds) for still in stills]
        found = replace(found, steadied=steadied(found.motion, grade.stabilise, seconds))
    # In one order for all films of a pass, so that the sensor is asked for once.
    framings = sorted({framing.static for framing in (job.framing, *beside)}, key=repr)
    larger = closer(grade, found)
    if grade.cosmic_rays and not found.optics:
        optics = optics_of(
            stills,
            grade.cosmic_rays,
            limits,
            size=lambda still: wanted(framings, still, larger),
            repairs=found.defects.repairs if found.defects else None,
            identities=(known, mended, framings, larger),
            progress=progress,
        )
        found = replace(found, optics=optics)
    if grade.denoise and not found.noise:
        noise = noise_of(
            stills,
            limits,
            size=lambda still: wanted([job.framing], still, larger),
            framed=_framed(job, found),
            identities=(known, mended, job.framing, larger),
            progress=progress,
        )
        found = replace(found, noise=noise)
    return found


def _framed(job: Job, found: Found) -> Callable[[int, Pixels], Pixels]:
    """What makes a decoded still a picture as the film has it."""
    buffers, stills, grade = Buffers(), job.plan.roll.stills, job.grade
    border = grade.stabilise.border if grade.stabilise else "crop"

    def framed(at: int, pixels: Pixels) -> Pixels:
        still = stills[at]
        if found.defects:
            pixels = np.require(pixels, requirements=["C", "W"])
            pixels = found.defects.repairs.apply(pixels, still)
        onto = laid(grade, found, stills, at)
        means: Any = {"border": border, "closer": closer(grade, found)}
        return job.framing.apply(pixels, buffers, still.size, onto, **means)

    return framed
