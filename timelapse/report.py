"""What a plan and a render say of themselves, in the words of the command line's contract; and
holding a film against what was said of it."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from timelapse.deliver import Facts, probe
from timelapse.errors import EncodeError, RenderError, RollError
from timelapse.ingest import Status, chunks

if TYPE_CHECKING:
    from timelapse.render import Findings, Job

#: Frames per hash in the report: a difference is found to within ten seconds of film.
FRAMES_PER_HASH = 250
#: What decides the pixels of a film.
_LIBRARIES = (
    "timelapse",
    "av",
    "imagecodecs",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "simplejpeg",
    "tifffile",
)


class FrameHashes:
    """SHA-256 of the frames as the encoder gets them, in runs of `FRAMES_PER_HASH`."""

    def __init__(self) -> None:
        self._runs: list[Any] = []
        self.frames = 0

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Takes the next frame (C-contiguous); it is read, not kept."""
        if self.frames % FRAMES_PER_HASH == 0:
            self._runs.append(hashlib.sha256())
        self._runs[-1].update(frame.data)
        self.frames += 1

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "first": at * FRAMES_PER_HASH,
                "frames": min(FRAMES_PER_HASH, self.frames - at * FRAMES_PER_HASH),
                "sha256": run.hexdigest(),
            }
            for at, run in enumerate(self._runs)
        ]


def _seconds(value: Fraction) -> float:
    return round(float(value), 6)


def plan_json(job: Job) -> dict[str, Any]:
    """Where everything falls, and at what speed: the words of `timelapse plan --json`."""
    plan, timeline = job.plan, job.plan.timeline
    schedule, roll = timeline.schedule, job.plan.roll
    slowest, fastest, mean = schedule.speeds
    used, kept = len(plan.taps.used), len(roll.stills) - len(plan.lost)
    return {
        "title": job.title,
        "rate": str(timeline.rate),
        "frames": plan.frames,
        "duration_s": _seconds(plan.frames / Fraction(timeline.rate)),
        "size": str(job.framing.size),
        "blend": plan.blend.blend,
        "epoch": timeline.epoch.iso(3),
        "speed": {"min": _seconds(slowest), "max": _seconds(fastest), "mean": _seconds(mean)},
        "schedule": [
            {
                "video_s": _seconds(at.seconds),
                "mission_s": _seconds(schedule.mission_of(at).seconds),
                "speed": _seconds(schedule.speed_at(at)),
            }
            for at in schedule.corners
        ],
        "milestones": [
            {
                "text": placed.text,
                "capture": placed.capture.iso(3),
                "mission_s": _seconds(placed.mission.seconds),
                "video_s": _seconds(placed.video.seconds),
                "frame": placed.frame,
                "timecode": timeline.rate.timecode(max(0, placed.frame)),
                "shown_from": placed.shown_from,
                "shown_to": placed.shown_to,
                "read_as": placed.read_as,
            }
            for placed in job.placed
        ],
        "gaps": [
            {
                "after": roll.stills[gap.after].name,
                "before": roll.stills[gap.before].name,
                "seconds": _seconds(gap.seconds),
                "missing": gap.missing,
                "frame": timeline.frame_of(roll.stills[gap.after].captured),
                "frame_after": timeline.frame_of(roll.stills[gap.before].captured),
            }
            for gap in roll.gaps
        ],
        "stills_used": used,
        "stills_unused": kept - used,
        "warnings": list(job.warnings),
    }


def report_path(out: Path) -> Path:
    """Where the report of a film stands: `OUT.report.json`."""
    return out.with_name(out.name + ".report.json")


def finish(
    job: Job,
    part: Path,
    out: Path,
    hashes: FrameHashes,
    findings: Findings,
    began: float,
) -> dict[str, Any]:
    """Probes the film `part`; if it is what was planned it takes the name `out`, with its report.

    Raises RenderError, and leaves `out` alone, where the film is not what was planned.
    """
    facts = probe(part)
    rate, frames = Fraction(job.plan.timeline.rate), job.plan.frames
    faults = facts.faults(frames, job.framing.size, rate, len(job.tags.chapters))
    if faults:
        raise RenderError(f"{out}: the film is not what was planned: {'; '.join(faults)}")
    elapsed = time.monotonic() - began
    roll = job.plan.roll.as_json()
    lost = {str(job.plan.roll.stills[at].file): why for at, why in findings.lost.items()}
    for entry in roll["ledger"]:
        if entry["path"] in lost:
            reason = f"found while rendering: {lost[entry['path']]}"
            entry.update(status=str(Status.UNREADABLE), reason=reason)
    roll["used"] -= len(lost)
    roll["excluded"] += len(lost)
    report = {
        "output": str(out),
        "frames": frames,
        "duration_s": _seconds(frames / rate),
        "size": str(job.framing.size),
        "rate": str(job.plan.timeline.rate),
        "bytes": part.stat().st_size,
        "segments": {"rendered": 1, "reused": 0},
        "report": str(report_path(out)),
        "elapsed_s": round(elapsed, 3),
        "fps": round(frames / elapsed, 2) if elapsed else 0.0,
        "warnings": [*job.warnings, *findings.warnings(job)],
        "sha256": _digest(part),
        "film": _facts_json(facts),
        "encode": {"format": job.format.format, **job.format.options},
        "plan": plan_json(findings.corrected(job)),
        "roll": roll,
        "frames_before_encoding": hashes.as_json(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in _LIBRARIES}},
    }
    draft = part.with_name(part.name + ".report")
    try:
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        draft.write_bytes(text.encode("utf-8", "backslashreplace"))
        part.replace(out)
        draft.replace(report_path(out))
    except OSError as error:
        raise EncodeError(f"{out}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return report


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for piece in chunks(stream):
            digest.update(piece)
    return digest.hexdigest()


def _facts_json(facts: Facts) -> dict[str, Any]:
    return {
        "codec": facts.codec,
        "pixels": facts.pixels,
        "tags": list(facts.tags),
        "title": facts.title,
        "created": facts.created,
        "chapters": [[title, _seconds(start)] for title, start in facts.chapters],
    }


def verify(out: str | Path) -> list[str]:
    """Holds a film against its report: what differs, in words; empty where nothing does.

    Raises RollError where there is no film or no report to hold it against, RenderError where the
    report cannot be read.
    """
    out = Path(out)
    path = report_path(out)
    if not out.is_file():
        raise RollError(f"{out}: there is no such film")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        frames, rate = int(report["frames"]), Fraction(report["rate"])
        width, height = map(int, report["size"].split("x"))
        film, said_bytes, said_hash = report["film"], report["bytes"], report["sha256"]
        said_chapters = [(title, start) for title, start in film["chapters"]]
    except FileNotFoundError:
        raise RollError(f"{path}: there is no report; a render writes one") from None
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(f"{path}: not a report that can be read: {error!r}") from error
    found = []
    if (size := out.stat().st_size) != said_bytes:
        found.append(f"it has {size} bytes, the report says {said_bytes}")
    if _digest(out) != said_hash:
        found.append("its bytes are not those that were rendered (SHA-256 differs)")
    try:
        facts = probe(out)
    except EncodeError as error:
        return [*found, str(error)]
    found += facts.faults(frames, (width, height), rate, len(said_chapters))
    now = [(title, _seconds(start)) for title, start in facts.chapters]
    if now != said_chapters and len(now) == len(said_chapters):
        found.append("its chapters differ from the report's")
    if (facts.title, facts.created) != (film["title"], film["created"]):
        found.append("its title or creation time differs from the report's")
    planned = report.get("plan", {}).get("frames")
    if planned != frames:
        found.append(f"the report's plan has {planned} frames")
    return found


__all__ = ["FrameHashes", "finish", "plan_json", "report_path", "verify"]
