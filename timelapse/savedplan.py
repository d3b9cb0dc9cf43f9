"""A plan as a file: saved, loaded and held against another.

A saved plan has what decides a film: what the project says, every still with its capture time and
what its sidecar asks for, and every row.  A film that is rendered from it has the same frames,
whatever was added to the folder since, and whatever a later version would plan.  Stills, fonts,
look-up tables, masks and maps of defects are named in it, not held.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import ProjectError, RenderError, RollError
from timelapse.grade import Size
from timelapse.ingest import File, Roll, from_plain, to_plain
from timelapse.ingest.develop import Develop
from timelapse.project import Project, of_document
from timelapse.render import Job
from timelapse.report import plan_json
from timelapse.retime import Taps
from timelapse.storage import written_whole
from timelapse.yamlfile import Document

ENDING = ".json"
_VERSION = 2
_ROWS = {"starts": np.int64, "stills": np.int32, "weights": np.float32, "ways": np.uint8}
#: Bytes of a saved plan, and of one of its arrays, at most: some ten million taps.
_FILE_AT_MOST, _ARRAY_AT_MOST = 1 << 30, 1 << 28


def save(path: Path, project: Project, job: Job) -> None:
    """Writes a job's plan; raises RenderError where it cannot be written."""
    data, base = project.written
    roll, taps = job.plan.roll, job.plan.taps
    saved = {
        "timelapse_plan": _VERSION,
        **plan_json(job),
        "project": data,
        "base": str(base.absolute()),
        "roll": to_plain(_elsewhere(roll)),
        "develop": to_plain(tuple(job.develop.items())),
        "rows": {name: _packed(getattr(taps, name)) for name in _ROWS},
    }
    try:
        with written_whole(path) as draft:
            draft.write_text(json.dumps(saved, indent=1), encoding="ascii")
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from error


def load_plan(path: Path) -> Job:
    """The job of a saved plan; no folder is scanned.

    Raises RollError where the file cannot be read or is none, ProjectError as `project.load` does.
    """
    try:
        if path.stat().st_size > _FILE_AT_MOST:
            raise RollError(f"{path}: is too large to be a saved plan")
        saved = json.loads(path.read_text(encoding="ascii"))
        if saved["timelapse_plan"] != _VERSION:
            raise RollError(f"{path}: was saved by another version; plan the project again")
        project = of_document(Document(str(path), saved["project"]), Path(saved["base"]))
        roll = from_plain(Roll)(saved["roll"])
        develop = from_plain(tuple[tuple[int, Develop], ...])(saved["develop"])
        rows = Taps(**{name: _unpacked(saved["rows"][name], kind) for name, kind in _ROWS.items()})
    except (ProjectError, RollError):
        raise
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not ASCII text"
        raise RollError(f"{path}: the plan cannot be read: {why}") from error
    except (ValueError, KeyError, TypeError, IndexError, ZeroDivisionError, zlib.error) as error:
        raise RollError(f"{path}: is no saved plan; make one with timelapse plan -o") from error
    if not roll.stills:
        raise RollError(f"{path}: is no saved plan: it has no stills")
    job = project.job(roll, (dict(develop), ()))
    _check(path, rows, job)
    return replace(job, plan=replace(job.plan, taps=rows))


def _check(path: Path, rows: Taps, job: Job) -> None:
    """Refuses rows that do not fit the clip: such a file was changed by hand."""
    frames, stills, ways = job.plan.frames, len(job.plan.roll.stills), job.plan.taps.ways
    whole = (
        len(rows.starts) == frames + 1
        and len(rows.ways) == frames
        and np.array_equal(rows.ways, ways)
        and rows.starts[0] == 0
        and rows.starts[-1] == len(rows.stills) == len(rows.weights)
        and (np.diff(rows.starts) >= 0).all()
        and (not len(rows.stills) or (rows.stills.min() >= 0 and rows.stills.max() < stills))
        and bool(np.isfinite(rows.weights).all())
    )
    if not whole:
        raise RollError(f"{path}: its rows do not fit its clip; plan the project again")


def differences(one: Job, other: Job) -> Iterator[str]:
    """What differs between two plans, a line each; nothing where their frames are the same."""
    mine, theirs = plan_json(one), plan_json(other)
    for key in ("rate", "frames", "size", "blend", "epoch"):
        if mine[key] != theirs[key]:
            yield f"{key}: {mine[key]} and {theirs[key]}"
    if mine["blend"] == theirs["blend"] and one.plan.blends != other.plan.blends:
        yield f"blend: {mine['blend']}, with other settings"
    if mine["speed"] != theirs["speed"]:
        speeds = ("{min:g}x to {max:g}x".format_map(plan["speed"]) for plan in (mine, theirs))
        yield f"speed: {' and '.join(speeds)}"
    names, others = ({still.name for still in job.plan.roll.stills} for job in (one, other))
    looks = [_shown(job, names & others) for job in (one, other)]
    unlike = [name for name, value in looks[0].items() if value != looks[1][name]]
    if unlike:
        yield f"stills are shown otherwise: {', '.join(unlike)}"
    if mine["frames"] == theirs["frames"] and mine["size"] == theirs["size"]:
        drawn = (job.compositor().signature(0, mine["frames"]) for job in (one, other))
        if len(set(drawn)) > 1:
            yield "what is drawn over the film differs"
    yield from _moved(mine["milestones"], theirs["milestones"])
    for words, only in (("first", names - others), ("second", others - names)):
        if only:
            yield f"stills of the {words} alone: {_listed(sorted(only))}"
    runs = list(_runs(one, other))
    if runs:
        count = sum(stop - start for start, stop in runs)
        spans = _listed([f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in runs])
        yield f"{count} frames are made of other stills or weights: {spans}"


def _shown(job: Job, both: set[str]) -> dict[str, Any]:
    """What is done to frames, and to the stills of `both` plans, by their names."""
    stills, words = job.plan.roll.stills, dict(vars(job.grade))
    for name in ("strengths", "stops"):
        each = ((stills[at].name, value) for at, value in words[name].items())
        words[name] = {still: value for still, value in each if still in both}
    named = zip((still.name for still in stills), job.grade.crops, strict=False)
    crops = {name: crop for name, crop in named if name in both}
    reference = job.grade.reference
    # The size is told by itself; a look-up table is told by its contents in words.
    framing = replace(job.framing.static, size=Size(16, 16), canvas=None)
    return words | {
        "crops": crops,
        "reference": None if reference is None else stills[reference].name,
        "tone": repr(job.toning),
        "framing": (framing, job.framing.camera and job.framing.camera.keys),
    }


def _moved(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Iterator[str]:
    frames = {m["text"]: m["frame"] for m in theirs}
    for milestone in mine:
        text, frame = milestone["text"], milestone["frame"]
        if text not in frames:
            yield f"milestone {text!r}: only in the first"
        elif frames[text] != frame:
            yield f"milestone {text!r}: frame {frame} and {frames[text]}"
    known = {milestone["text"] for milestone in mine}
    for text in frames.keys() - known:
        yield f"milestone {text!r}: only in the second"


def _runs(one: Job, other: Job) -> Iterator[tuple[int, int]]:
    """Runs of frames [start, stop), of those that both have, whose rows differ."""
    names = [[still.name for still in job.plan.roll.stills] for job in (one, other)]
    start = None
    shared = min(one.plan.frames, other.plan.frames)
    for frame in range(shared):
        rows = []
        for job, known in zip((one, other), names, strict=True):
            stills, weights = job.plan.taps.row(frame)
            shown = [known[at] for at in stills.tolist()]
            rows.append((shown, weights.tolist(), job.plan.taps.way(frame)))
        if rows[0] != rows[1]:
            start = frame if start is None else start
        elif start is not None:
            yield start, frame
            start = None
    if start is not None:
        yield start, shared


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    return ", ".join(words[:5]) + more


def _elsewhere(roll: Roll) -> Roll:
    """The roll with paths that hold wherever the program is run."""

    def file(given: File) -> File:
        # Not resolved: what a link leads to may change, and has another name.
        if given.archive:
            return replace(given, archive=os.path.abspath(given.archive))  # noqa: PTH100
        return replace(given, path=os.path.abspath(given.path))  # noqa: PTH100

    stills = (replace(still, file=file(still.file)) for still in roll.stills)
    return replace(roll, stills=tuple(stills))


def _packed(array: NDArray[Any]) -> str:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return base64.b64encode(zlib.compress(little.tobytes(), 6)).decode("ascii")


def _unpacked(text: str, kind: Any) -> NDArray[Any]:
    pressed = zlib.decompressobj()
    data = pressed.decompress(base64.b64decode(text, validate=True), _ARRAY_AT_MOST)
    if pressed.unconsumed_tail:
        raise ValueError("an array is too large")
    little = np.frombuffer(data, np.dtype(kind).newbyteorder("<"))
    return little.astype(kind)
