"""What only the stills can tell of the overlays: where things are, and what lies under texts.

Looked at once before a film is rendered and remembered on disk, so that every segment, worker and
further render draws the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import H264
from timelapse.grade import Framing, Size, corrections
from timelapse.overlay import Callout, Compositor, chooses, treatment_for, words_of
from timelapse.render.analysis import analysed
from timelapse.render.job import Dress, Job, Progress
from timelapse.render.segment import identity
from timelapse.storage import cache_folder, written_whole

#: Raise it when the same look comes to another choice.
_LOOKED_AS = 1
#: Texts are judged over frames so many times smaller than the film's.
_SMALLER = 4
#: x, y, width and height in the frame.
Box = tuple[int, int, int, int]


def measured(job: Job, progress: Progress | None = None, beside: Sequence[Framing] = ()) -> Job:
    """A job with all that is to be found in the stills: what they are corrected by, tracks of what
    callouts follow, and what is put behind texts with `contrast: auto`.

    `beside` are the framings of films that will be made of the same decoding.  The same job where
    there is nothing to be found, or all is found already.  Raises RollError, StillError,
    ProjectError.
    """
    if job.format.burn != "alone":
        graded = analysed(job, beside, progress)
        job = job if graded is job.found else replace(job, found=graded)
    sought = {
        layer.sought: layer
        for layer in job.overlays
        if isinstance(layer, Callout) and layer.follow and layer.sought not in job.tracks
    }
    if sought:
        found = {key: _track(job, layer, progress) for key, layer in sought.items()}
        job = replace(job, tracks={**job.tracks, **found})
    open_ = [
        number
        for number, cue in enumerate(job.cues if job.format.burn else ())
        if number not in job.treatments and cue.start < cue.stop and chooses(cue.what)
    ]
    if not open_:
        return job
    compositor = Compositor(job.cues, job.framing.size)
    choices = {number: _treatment(job, number, compositor.box_of(number)) for number in open_}
    return replace(job, treatments={**job.treatments, **choices})


def _track(job: Job, layer: Callout, progress: Progress | None) -> Any:
    from timelapse.overlay.follow import follow

    stills = [s for at, s in enumerate(job.plan.roll.stills) if at not in job.plan.lost]
    return follow(
        stills,
        layer.starts(job.scene),
        box=layer.box,
        search=layer.search,
        limits=job.plan.roll.limits,
        progress=progress,
    )


def _treatment(job: Job, number: int, box: Box) -> int:
    """Which of `overlay.treatments` a cue is given, for what lies under its box when it comes, in
    its middle, and when it goes."""
    cue = job.cues[number]
    last = min(cue.stop, job.plan.frames) - 1
    numbers = sorted({cue.start, (cue.start + last) // 2, last})
    texts = [(words.words, words.style) for words in words_of(cue.what)]
    words = repr((_LOOKED_AS, texts, cue.place, box, job.framing, *_looked_at(job, numbers)))
    path = cache_folder() / "looks" / f"{hashlib.blake2b(words.encode()).hexdigest()[:32]}.json"
    with suppress(OSError, ValueError, TypeError):
        return int(json.loads(path.read_text(encoding="ascii")))
    choice = treatment_for(cue.what, job.framing.size, cue.place, list(_under(job, numbers, box)))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_text(str(choice), encoding="ascii")
    return choice


def _looked_at(job: Job, numbers: list[int]) -> Iterator[Any]:
    """What decides those frames: their stills and how these are mixed."""
    for number in numbers:
        stills, weights = job.plan.taps.row(number)
        shown = [identity(job.plan.roll.stills[at]) for at in stills.tolist()]
        graded = corrections(job.grade, job.found, job.plan.roll.stills, stills.tolist()).words
        toned = job.toned(number, number + 1)
        yield shown, weights.tolist(), job.plan.taps.way(number), graded, toned


def _under(job: Job, numbers: list[int], box: Box) -> Iterator[NDArray[np.uint8]]:
    """What lies under a box (x, y, width, height) on each of those frames, smaller."""
    from timelapse.render.frames import frames

    width, height = (max(16, side // _SMALLER // 2 * 2) for side in job.framing.size)
    across, down = width / job.framing.size.width, height / job.framing.size.height
    bare = replace(
        job,
        framing=job.framing.resized(Size(width, height)),
        milestones=(),
        overlays=(),
        dress=Dress(),
        format=H264(rate=job.format.rate),  # whatever the film is: frames as a screen shows them
        treatments={},
    )
    x, y, w, h = box
    rows = slice(max(0, int(y * down)), max(1, int((y + h) * down) + 1))
    columns = slice(max(0, int(x * across)), max(1, int((x + w) * across) + 1))
    for number in numbers:
        with closing(frames(bare, number, number + 1)) as made:
            yield next(iter(made))[rows, columns].copy()
