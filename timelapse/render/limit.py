"""A film of at most so many bytes: the crf that meets it and uses most of it.

The size of a film falls evenly on a logarithmic scale with its crf.  A trial on a few runs of real
frames, each coded at two crfs, tells how fast; the film that is rendered then tells how large.
Where it came out too large, or much smaller than it might be, another crf follows, a few times at
most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import exp, log
from typing import Any, cast

from timelapse.deliver import Format
from timelapse.errors import RenderError
from timelapse.render.job import Job
from timelapse.render.segment import Bundle, cut

#: The best crf that anybody can tell from a better one, and the worst that anybody wants to see.
_SENSIBLE = {"h264": (10, 40), "hevc": (10, 42), "vp9": (15, 60), "av1": (15, 60)}
#: Films that are rendered at most, and the share of the limit that is good enough.
_RENDERS, _ENOUGH = 4, 0.87
#: What the first guess keeps free: a trial is not the film.
_CAREFUL = 0.96
#: Six steps of crf halve a film, where nothing better is known.
_USUAL = log(2) / 6
#: Runs of frames that a trial codes, and their length.
_RUNS, _RUN = 6, 50


def with_crf(format: Format, crf: int) -> Format:
    return cast(Format, replace(cast(Any, format), crf=crf))


@dataclass
class Search:
    """The search for the crf of one film of at most `limit` bytes.

    `tried` are the sizes of films by their crf, `trial` what a trial foretold; `fixed` of the bytes
    are sound and all else that no crf changes.
    """

    limit: int
    sensible: tuple[int, int]
    tried: dict[int, int] = field(default_factory=dict)
    trial: dict[int, int] = field(default_factory=dict)
    fixed: int = 0
    renders: int = 0

    @classmethod
    def of(cls, job: Job) -> Search:
        assert job.format.limit is not None
        crfs = job.format.crfs
        return cls(int(job.format.limit), _SENSIBLE.get(job.format.format, (crfs[0], crfs[-1])))

    @property
    def best(self) -> int | None:
        """The best of the crfs that met the limit."""
        return min((crf for crf, size in self.tried.items() if size <= self.limit), default=None)

    def guess(self) -> int:
        """The crf to begin with; raises RenderError where none is likely to do."""
        lowest, highest = self.sensible
        fits = (c for c in range(lowest, highest + 1) if self._expected(c) <= self.limit * _CAREFUL)
        if (crf := next(fits, None)) is not None:
            return crf
        if self._expected(highest) > self.limit * 1.5:
            raise RenderError(self.refusal(self._expected(highest)))
        return highest

    def next(self, crf: int, size: int) -> int | None:
        """What to render after a film of that crf turned out that large; None if it will do.

        Raises RenderError where no sensible crf does.
        """
        self.tried[crf] = size
        self.renders += 1
        best = self.best
        if best is not None and self.tried[best] >= self.limit * _ENOUGH:
            return None if best == crf else best
        lowest, highest = self.sensible
        low = max((c for c, s in self.tried.items() if s > self.limit), default=lowest - 1)
        high = highest + 1 if best is None else best
        between = range(low + 1, high)
        if self.renders < _RENDERS and between:
            likely = (c for c in between if self._expected(c) <= self.limit)
            if (better := next(likely, None)) is not None:
                return better
        if best is not None:
            return None if best == crf else best
        if not between:
            raise RenderError(self.refusal(self.tried[highest]))
        if self.renders > 2 * _RENDERS:
            raise RenderError(self.refusal(min(self.tried.values())))
        return between[-1]

    def refusal(self, size: float) -> str:
        return (
            f"limit {self.limit / 1e6:g} MB: even at crf {self.sensible[1]} this film takes about "
            f"{size / 1e6:.3g} MB; give a larger limit, a smaller size or a shorter clip"
        )

    def _expected(self, crf: int) -> float:
        """About how large the film is at a crf, from what is known of the nearest ones."""
        known = self.tried or self.trial
        nearest = sorted(known, key=lambda c: (abs(c - crf), c))
        slope = _slope(self.trial, self.fixed) or _USUAL
        if len(self.tried) > 1:
            slope = _slope({c: known[c] for c in nearest[:2]}, self.fixed) or slope
        near = nearest[0]
        return self.fixed + max(1, known[near] - self.fixed) * exp(slope * (near - crf))

    def as_json(self, crf: int) -> dict[str, Any]:
        """What a report says of the search, and the next render begins with."""
        tried = [{"crf": c, "bytes": size} for c, size in sorted(self.tried.items())]
        foretold = [{"crf": c, "bytes": size} for c, size in sorted(self.trial.items())]
        return {"bytes": self.limit, "crf": crf, "tried": tried, "trial": foretold}

    def recall(self, words: Mapping[str, Any]) -> int:
        """Begins where an earlier search ended: with the crf that comes back."""
        self.tried = {entry["crf"]: entry["bytes"] for entry in words["tried"]}
        self.trial = {entry["crf"]: entry["bytes"] for entry in words["trial"]}
        crf = int(words["crf"])
        if not self.sensible[0] <= crf <= self.sensible[1]:
            raise ValueError(crf)
        self.tried.pop(crf, None)
        return crf

    def foretell(self, sizes: Mapping[int, int], frames: int, of: int) -> None:
        """Takes a trial's sizes by crf, of so many frames `of` all."""
        self.trial = {crf: self.fixed + size * of // frames for crf, size in sizes.items()}

    @property
    def trial_crfs(self) -> tuple[int, int]:
        lowest, highest = self.sensible
        return tuple(round(lowest + (highest - lowest) * part) for part in (0.4, 0.7))  # type: ignore[return-value]


def _slope(sizes: Mapping[int, int], fixed: int) -> float | None:
    """By how much the logarithm of the size falls with each crf; None where it does not."""
    if len(sizes) < 2:
        return None
    a, b = min(sizes), max(sizes)
    slope = log(max(1, sizes[a] - fixed) / max(1, sizes[b] - fixed)) / (b - a)
    return slope if slope > 0.01 else None


def trial(job: Job, crfs: tuple[int, int], beside: tuple[Any, ...]) -> list[Bundle]:
    """Runs of frames all over a clip, each to be coded at both crfs."""
    frames = job.plan.frames
    count = min(_RUNS, max(2, frames // (_RUN * _RUNS // 2)), -(-frames // _RUN))
    starts = [at * max(0, frames - _RUN) // max(1, count - 1) for at in range(count)]
    jobs = [replace(job, format=with_crf(job.format, crf)) for crf in crfs]
    return [
        Bundle(tuple(cut(one, start, min(start + _RUN, frames), beside) for one in jobs))
        for start in starts
    ]
