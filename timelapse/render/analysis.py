"""What a roll is corrected by: found before a film is rendered, in one order, and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.grade import Corrections, Found, Framing, closer, corrections
from timelapse.grade.cosmic import measure as optics_of
from timelapse.grade.flicker import measure as flicker_of
from timelapse.grade.hotpixels import measure as defects_of
from timelapse.grade.levels import levels_of
from timelapse.grade.noise import measure as noise_of
from timelapse.grade.register import measure as motion_of
from timelapse.grade.steady import steadied
from timelapse.ingest import Pixels, Still
from timelapse.ingest.look import look, looked_at
from timelapse.ingest.look import measured as row_of
from timelapse.render.job import Job, Progress
from timelapse.render.segment import identity, wanted


def analysed(job: Job, beside: Sequence[Framing] = (), progress: Progress | None = None) -> Found:
    """All that is to be found in the roll of a job, for what its grade asks; what is found already
    is not looked for again.

    `beside` are the framings of films that will be made of the same decoding.  Raises RollError,
    StillError, ProjectError.
    """
    grade, found = job.grade, job.found
    if found.grade != grade:
        found = Found(grade)
    if grade.idle:
        return found
    roll = job.plan.roll
    stills, limits = roll.stills, roll.limits
    known = [(identity(still), still.captured) for still in stills]
    if grade.hot_pixels and not found.defects:
        defects = defects_of(stills, grade.hot_pixels, limits, identities=known, progress=progress)
        found = replace(found, defects=defects)
    mended = found.defects.digest if found.defects else ""
    seen: dict[int, NDArray[Any]] = {}  # rows of looks, of the same decoding

    def see(at: int, pixels: Pixels) -> None:
        if pixels.shape[1::-1] == looked_at(stills[at]):
            seen[at] = row_of(pixels, stills[at].size)

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
        # Light is levelled, and hits are mended, without a change of what noise there is.
        bare = replace(grade, cosmic_rays=None, deflicker=None, stops={})
        plain = replace(found, optics=None, gains=None)
        made = corrections(bare, plain, stills, range(len(stills)))
        noise = noise_of(
            stills,
            limits,
            size=lambda still: wanted(framings, still, larger),
            framed=partial(_framed, job.framing, stills, made),
            identities=(known, framings, job.framing.static, made.words),
            progress=progress,
        )
        found = replace(found, noise=noise)
    return found


def _framed(
    framing: Framing, stills: Sequence[Still], made: Corrections, at: int, pixels: Pixels
) -> Pixels:
    """A decoded still as a picture of the film."""
    still = stills[at]
    if made.defects:
        pixels = np.require(pixels, requirements=["C", "W"])
        pixels = made.defects.repairs.apply(pixels, still)
    how: Any = {"border": made.border, "closer": made.closer_of(at)}
    return framing.apply(pixels, None, still.size, made.steady(at), **how)
