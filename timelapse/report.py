"""What a plan and a render say of themselves, in the words of the command line's contract."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timelapse.deliver import Facts, Tags, digest, put, size_on_disk
from timelapse.errors import EncodeError
from timelapse.grade import Pose, Tone, Toning
from timelapse.ingest import Status
from timelapse.storage import written_whole

if TYPE_CHECKING:
    from timelapse.render import Findings, Job
    from timelapse.render.segment import Segment


#: What decides the pixels and the bytes of a film.
LIBRARIES = (
    "timelapse",
    "av",
    "imagecodecs",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "simplejpeg",
    "tifffile",
)


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
        "blend": " then ".join(blend.blend for blend in plan.blends),
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
                "showings": list(placed.showings),
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


@dataclass(frozen=True)
class Film:
    """A film that was read to its end: what it is, and what it was made of.

    `key` says all that decides it; `parts` are its segments, `stills` hashes of the files of the
    stills that it shows.  `draft` is where it stands until it takes its name; None if it has.
    """

    draft: Path | None
    bytes: int
    sha256: str
    facts: dict[str, Any]
    key: str
    parts: list[dict[str, Any]]
    stills: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        draft: Path,
        facts: Facts,
        key: str,
        parts: list[dict[str, Any]],
        stills: list[dict[str, Any]],
    ) -> Film:
        words = facts_json(facts)
        return cls(draft, size_on_disk(draft), digest(draft), words, key, parts, stills)


def film_key(segments: Sequence[Segment], tags: Tags) -> str:
    """Equal keys mean equal films."""
    words = "\n".join([segment.key for segment in segments] + [repr(tags)])
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def standing(out: Path, key: str) -> Film | None:
    """The film `out`, if it is there, whole, and the one of that key."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        report = json.loads(report_path(out).read_text(encoding="utf-8"))
        film = Film(
            None,
            report["bytes"],
            report["sha256"],
            report["film"],
            report["key"],
            report["parts"],
            report["stills"],
        )
        if film.key == key and size_on_disk(out) == film.bytes and digest(out) == film.sha256:
            return film
    return None


def write_report(
    job: Job,
    asked: Job,
    findings: Findings,
    out: Path,
    film: Film,
    segments: Mapping[str, int],
    elapsed: float,
    notes: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Gives the film its name, and writes its report beside it; returns the report.

    `asked` is the job as it was planned at first, `job` as it was carried out, in `elapsed`
    seconds; `more` is what else the report says.  Raises EncodeError.
    """
    rate, frames = Fraction(job.plan.timeline.rate), job.plan.frames
    report = {
        "output": str(out),
        "frames": frames,
        "duration_s": _seconds(frames / rate),
        "size": str(job.framing.size),
        "rate": str(job.plan.timeline.rate),
        "bytes": film.bytes,
        "segments": dict(segments),
        "report": str(report_path(out)),
        "elapsed_s": round(elapsed, 3),
        "fps": round(frames / elapsed, 2) if elapsed else 0.0,
        "warnings": [*asked.warnings, *findings.warnings(asked), *notes],
        "sha256": film.sha256,
        "film": film.facts,
        "encode": {"format": job.format.format, **job.format.options},
        **(more or {}),
        "plan": plan_json(job),
        "roll": _roll_json(job, findings),
        "framing": _framing_json(job),
        "grade": _grade_json(job),
        "key": film.key,
        "parts": film.parts,
        "stills": film.stills,
        "versions": _versions(),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    try:
        with written_whole(report_path(out)) as draft:
            draft.write_bytes(text.encode("utf-8", "backslashreplace"))
            if film.draft is not None:
                put(film.draft, out)
    except OSError as error:
        raise EncodeError(f"{out}: {error.strerror or error}") from error
    return report


def _grade_json(job: Job) -> dict[str, Any]:
    """What was found in the stills and done to them, and the tone of the frames."""
    if job.format.burn == "alone":
        return {}  # it shows no stills
    words = job.found.as_json()
    crops = {
        str(at): {"crop": asked.crop and list(asked.crop), "angle": asked.angle}
        for at, asked in job.develop.items()
        if asked.crop or asked.angle
    }
    if job.grade.stops or crops:
        stops = [job.grade.stops.get(at, 0.0) for at in range(len(job.plan.roll.stills))]
        words["sidecars"] = {"stops": stops, "crops": crops}
    if job.toning and not job.toning.idle:
        words["tone"] = _tone_json(job.tone, job.toning)
    return words


def _tone_json(tone: Tone, toning: Toning) -> dict[str, Any]:
    """What a tone says, and what its keys do, by their seconds in the video."""
    words: dict[str, Any] = dict(tone.said)
    if tone.lut:
        words["lut"] = tone.lut
    words["keys"] = [
        {"video_s": _seconds(at), "ease": key.ease, **key.said}
        for key, (at, _, _) in zip(tone.keys, toning.keys, strict=False)
    ]
    plain: dict[str, Any] = json.loads(json.dumps(words))
    return plain


def _framing_json(job: Job) -> dict[str, Any]:
    """How stills are put into frames."""
    framing, pose = job.framing, job.framing.pose
    words: dict[str, Any] = {"fit": framing.fit}
    if framing.focus:
        words["focus"] = list(framing.focus)
    unlike = {name: value for name, value in asdict(pose).items() if value != getattr(Pose(), name)}
    words |= json.loads(json.dumps(unlike))
    if framing.camera:
        words["camera"] = {"closest": round(framing.camera.closest, 4), "canvas": framing.canvas}
    return words


def _roll_json(job: Job, findings: Findings) -> dict[str, Any]:
    """The ledger, with what became of stills only while rendering."""
    roll = job.plan.roll.as_json()
    lost = {str(job.plan.roll.stills[at].file): why for at, why in findings.lost.items()}
    for entry in roll["ledger"]:
        if entry["path"] in lost:
            reason = f"found while rendering: {lost[entry['path']]}"
            entry.update(status=str(Status.UNREADABLE), reason=reason)
    roll["used"] -= len(lost)
    roll["excluded"] += len(lost)
    return roll


def _versions() -> dict[str, str]:
    """What made the film: the same names as decide a segment's key, and the interpreter."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def facts_json(facts: Facts) -> dict[str, Any]:
    """What a report says of a film's own tags."""
    return {
        "codec": facts.codec,
        "pixels": facts.pixels,
        "tags": list(facts.tags),
        "title": facts.title,
        "created": facts.created,
        "chapters": [[title, _seconds(start)] for title, start in facts.chapters],
        "tracks": list(facts.tracks),
    }
