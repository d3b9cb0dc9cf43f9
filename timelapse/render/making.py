"""A film on its way: the segments of its job, and what has come of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from shutil import copyfile
from typing import Any

from timelapse.deliver import join, probe
from timelapse.errors import RenderError
from timelapse.grade import Framing
from timelapse.render.job import Findings, Job
from timelapse.render.lane import Made
from timelapse.render.limit import Search, with_crf
from timelapse.render.parts import Parts, disk_errors
from timelapse.render.segment import Segment, identity, segments
from timelapse.report import Film, film_key, report_path, standing, write_report

#: What a second of sound takes, in bytes, where a film's size is foretold.
_SOUND = 24_000


class Making:
    """One film of a render.

    `made` are the parts that are finished, by key; `report` comes once the film has its name.
    """

    def __init__(self, job: Job, out: Path, parts: Parts) -> None:
        self.asked, self.job, self.out, self.parts = job, job, out, parts
        self.findings = Findings()
        whole = job.format.whole
        self._notes = [f"{job.format.format} is rendered whole: {whole}"] if whole else []
        self.segments: tuple[Segment, ...] = ()
        self.beside: tuple[Framing, ...] = ()
        self.made: dict[str, Made] = {}
        self.report: dict[str, Any] | None = None
        self._fresh: set[str] = set()
        self.search: Search | None = None
        self._crf: int | None = None
        if job.format.limit is not None:
            self.search = Search.of(job)
            if job.sound:
                self.search.fixed = int(job.plan.frames / Fraction(job.format.rate) * _SOUND)
            self._crf = self._recalled()

    # -------------------------------------------------------------- what it is made of

    def plan(self, job: Job, beside: Iterable[Framing]) -> None:
        """Takes on the job as it is carried out; `beside` are the framings of what is made of the
        same decoding.  Segments that show the same stay."""
        if self._crf is not None:
            job = replace(job, format=with_crf(job.format, self._crf))
        same = self.segments if job.format == self.job.format else ()
        self.job, self.beside = job, tuple(beside)
        planned = segments(job, self.beside)
        if same:
            pairs = zip(same, planned, strict=True)
            planned = tuple(old if old.shows_as(new) else new for old, new in pairs)
        self.segments = planned

    def lose(self, lost: dict[str, str]) -> None:
        """Takes note of stills that proved unreadable, by their files."""
        for at, still in enumerate(self.asked.plan.roll.stills):
            if (why := lost.get(str(still.file))) and at not in self.asked.plan.lost:
                self.findings.lost[at] = why

    @property
    def remembered(self) -> dict[str, str]:
        """Stills that proved unreadable in an earlier render, by their files."""
        if not (known := self.parts.remembered("lost")):
            return {}
        stills = ((s, repr(identity(s))) for s in self.asked.plan.roll.stills)
        return {str(still.file): known[name] for still, name in stills if name in known}

    def remember(self) -> None:
        stills, lost = self.asked.plan.roll.stills, self.findings.lost.items()
        self.parts.remember("lost", {repr(identity(stills[at])): why for at, why in lost})

    @property
    def key(self) -> str:
        """What the finished film is known by."""
        return film_key(self.segments, self.job.tags)

    # -------------------------------------------------------------- parts

    def add(self, segment: Segment, made: Made) -> None:
        """Takes a part that was just made."""
        self.parts.add(segment, made)
        self.made[segment.key] = made
        self._fresh.add(segment.key)

    def take(self, segment: Segment, other: Making) -> bool:
        """Takes a part that another film has, if it has it."""
        made = other.made.get(segment.key) or other.parts.find(segment)
        if made:
            self.parts.share(segment, made, other.parts.path(segment))
            self.made[segment.key] = made
        return bool(made)

    def wants(self, key: str) -> bool:
        return not self.report and key not in self.made and key in {s.key for s in self.segments}

    @property
    def left(self) -> int:
        """Frames that are to be made."""
        if self.report:
            return 0
        return sum(s.frames for s in self.segments if s.key not in self.made)

    # -------------------------------------------------------------- a limit of size

    @property
    def unsized(self) -> bool:
        """Whether a crf has to be found before anything can be rendered."""
        return self.search is not None and self._crf is None

    def sized(self, crf: int) -> None:
        """Goes on with another crf."""
        self._crf = crf
        assert self.search is not None
        words = {**self.search.as_json(crf), "of": self._of}
        self.parts.remember("limit", words)
        self.plan(self.job, self.beside)

    @property
    def _of(self) -> str:
        """What a search was for: another film's crf is of no use."""
        job = self.asked
        return repr((with_crf(job.format, 20), job.framing, job.plan.frames))

    def _recalled(self) -> int | None:
        """The crf that an earlier render ended with, or had come to."""
        assert self.search is not None
        notes = [self.parts.remembered("limit")]
        with suppress(OSError, ValueError, AttributeError):
            report = json.loads(report_path(self.out).read_text(encoding="utf-8"))
            notes.append(report.get("limit", {}))
        for words in notes:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                if words["of"] == self._of:
                    return self.search.recall(words)
        return None

    # -------------------------------------------------------------- the film

    def stands(self, began: float) -> bool:
        """Whether the film is there already; then it is reported."""
        if film := standing(self.out, self.key):
            self._finish(film, began)
        return bool(film)

    def finish(self, began: float, notes: Sequence[str]) -> bool:
        """Joins the film and gives it its name; False where another crf has to be rendered first.

        `notes` are what a person should know of the work.
        """
        film = self._joined()
        if self.search:
            assert film.draft is not None
            assert self._crf is not None
            coded = sum(self.made[key].bytes for key in {s.key for s in self.segments})
            self.search.fixed = max(0, film.bytes - coded)
            again = self.search.next(self._crf, film.bytes)
            if again is not None:
                film.draft.unlink()
                self.sized(again)
                return False
        self._finish(film, began, notes)
        return True

    def _finish(self, film: Film, began: float, notes: Sequence[str] = ()) -> None:
        keys = [segment.key for segment in self.segments]
        rendered = len(self._fresh.intersection(keys))
        counts = {"rendered": rendered, "reused": len(keys) - rendered}
        more = {}
        if self.search and self._crf is not None:
            more["limit"] = {**self.search.as_json(self._crf), "of": self._of}
            self.parts.remember("limit", more["limit"])
        self.report = write_report(
            self.job, self.asked, self.findings, self.out, film, counts,
            time.monotonic() - began, [*self._notes, *notes], more,
        )  # fmt: skip
        self.parts.keep_only(self.segments)

    def _joined(self) -> Film:
        """The film, still under another name, once it is known to be what was planned."""
        job, format, made = self.job, self.job.format, [self.made[s.key] for s in self.segments]
        rate, tags = Fraction(job.plan.timeline.rate), job.tags.held_by(self.out)
        draft = self.parts.folder / f"film{self.out.suffix}.{os.getpid()}-0.draft"
        paths = [(self.parts.path(s), s.frames) for s in self.segments]
        with disk_errors(self.out):
            if format.whole:
                copyfile(paths[0][0], draft)
            else:
                join(paths, draft, format, tags)
        runs = [segment.frames for segment in self.segments]
        facts = probe(draft, format=format, runs=runs, decode=1)
        faults = facts.faults(
            job.plan.frames, job.framing.size, rate, len(tags.chapters), tags.tracks
        )
        if facts.payloads != tuple(part.payload for part in made):
            faults.append("its coded frames are not those of its parts")
        if faults:
            raise RenderError(f"{self.out}: the film is not what was planned: {'; '.join(faults)}")
        parts = [_part(*pair) for pair in zip(self.segments, made, strict=True)]
        digests = {name: digest for part in made for name, digest in part.stills.items()}
        files = (still.file for still in job.plan.roll.stills if str(still.file) in digests)
        stills = [
            {"path": os.path.abspath(file.path) if not file.archive else file.path}  # noqa: PTH100
            | ({"archive": os.path.abspath(file.archive)} if file.archive else {})  # noqa: PTH100
            | ({"frame": list(file.frame)} if file.frame else {})
            | {"xxh3": digests[str(file)]}
            for file in files
        ]
        return Film.of(draft, facts, self.key, parts, stills)


def _part(segment: Segment, made: Made) -> dict[str, Any]:
    """What a report says of a part."""
    words: dict[str, Any] = {
        "first": segment.start,
        "frames": segment.frames,
        "key": segment.key,
        "pixels": made.pixels,
        "payload": made.payload,
    }
    if made.followed:
        words["flow"] = [
            {"first": segment.start + a, "frames": b - a, "trusted": trusted}
            for a, b, trusted in made.followed
        ]
    return words
