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
from timelapse.grade import Found, Framing, Size
from timelapse.overlay import Callout, Compositor, chooses, treatment_for, words_of
from timelapse.render.analysis import analysed
from timelapse.render.job import Dress, Job, Progress
from timelapse.render.segment import cut
from timelapse.storage import cache_folder, written_whole

#: Raise it when the same look comes to another choice.
_LOOKED_AS = 2
#: Texts are judged over frames so many times smaller than the film's.
_SMALLER = 4
#: x, y, width and height in the frame.
Box = tuple[int, int, int, int]
#: Left, top, right and bottom, in shares of the frame.
Share = tuple[float, float, float, float]


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
    compositor, bare = Compositor(job.cues, job.framing.size), _bare(job)
    choices = {at: _treatment(job, at, compositor.box_of(at), bare) for at in open_}
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


def _treatment(job: Job, number: int, box: Box, bare: Job) -> int:
    """Which of `overlay.treatments` a cue is given, for what lies under its box in the `bare` film
    when it comes, in its middle, and when it goes."""
    cue = job.cues[number]
    last = min(cue.stop, job.plan.frames) - 1
    numbers = sorted({cue.start, (cue.start + last) // 2, last})
    texts = [(words.words, words.style) for words in words_of(cue.what)]
    (x, y, w, h), (width, height) = box, job.framing.size
    share = x / width, y / height, (x + w) / width, (y + h) / height
    keys = [cut(bare, at, at + 1).key for at in numbers]
    words = repr((_LOOKED_AS, texts, cue.place, box, job.framing.size, keys))
    path = cache_folder() / "looks" / f"{hashlib.blake2b(words.encode()).hexdigest()[:32]}.json"
    with suppress(OSError, ValueError, TypeError):
        return int(json.loads(path.read_text(encoding="ascii")))
    grounds = list(_under(bare, numbers, share))
    choice = treatment_for(cue.what, job.framing.size, cue.place, grounds)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_text(str(choice), encoding="ascii")
    return choice


def _bare(job: Job) -> Job:
    """The film without its overlays, smaller: frames as a screen shows them, whatever it is."""
    size = Size(*(max(16, side // _SMALLER // 2 * 2) for side in job.framing.size))
    # What is done to single pixels does not show in them.
    grade = replace(job.grade, cosmic_rays=None, denoise=None)
    found = Found(grade)  # of overlays alone nothing has been sought so far
    if job.found.grade == job.grade:
        found = replace(job.found, grade=grade, optics=None, noise=None)
    bare = replace(
        job,
        framing=job.framing.resized(size),
        milestones=(),
        overlays=(),
        dress=Dress(),
        format=H264(rate=job.format.rate),
        treatments={},
        grade=grade,
        found=found,
    )
    return replace(bare, found=analysed(bare))


def _under(bare: Job, numbers: list[int], share: Share) -> Iterator[NDArray[np.uint8]]:
    """A share of each of those frames."""
    from timelapse.render.frames import frames

    left, top, right, bottom = share
    width, height = bare.framing.size
    rows = slice(max(0, int(top * height)), max(1, int(bottom * height) + 1))
    columns = slice(max(0, int(left * width)), max(1, int(right * width) + 1))
    for number in numbers:
        with closing(frames(bare, number, number + 1)) as made:
            yield next(iter(made))[rows, columns].copy()
