"""The section `schedule` of the project file: what is shown at what speed."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field, ValidationError, model_validator

from timelapse.errors import PlanError, RollError, TimeError
from timelapse.ingest import Roll
from timelapse.retime import (
    Anchor,
    Cut,
    Ease,
    Edits,
    Freeze,
    Reverse,
    Schedule,
    SpeedKey,
    eased,
    fitted,
    lasting,
    through,
)
from timelapse.section import Placed, Section
from timelapse.times import CaptureTime, MissionTime, Seconds, Speed, VideoTime
from timelapse.written import Context, Instant

#: Keys that each say at what speed, and exclude one another, but for anchors with a duration.
PACES = ("speed", "duration", "speeds", "curve", "anchors")


class SpeedEntry(Section):
    """From `at` on the speed is `speed`; `ease` is the way there from the entry before."""

    at: Instant
    speed: Speed
    ease: Ease = "smooth"


class AnchorEntry(Section):
    """What happens at `at` is shown when the clip's clock reads `video`.

    `00:07` is met by any instant of that second, `00:34:19` and `frame 869` by that frame, `7.9 s`
    by that tenth of a second; or by any that is `within` so much of it.
    """

    at: Instant
    video: Instant
    within: Seconds | None = None

    def anchor(self, at: MissionTime, context: Context) -> Anchor:
        """Raises TimeError where `video` is no time in the clip."""
        reading = self.video.resolve(context)
        if not isinstance(reading.time, VideoTime):
            raise TimeError(f"{self.video} is no video time; say when it is shown: 00:07")
        shown = reading.time.seconds
        earliest, latest = shown, shown + reading.unit
        if self.within is not None:
            earliest, latest = max(Fraction(0), shown - self.within), shown + self.within
        return Anchor(at, VideoTime(earliest), VideoTime(latest), str(self.video))


class CutEntry(Section):
    """Leaves out the mission from `from` to `to`, hard or with a `crossfade`."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant
    crossfade: Seconds = Seconds(0)


class ReverseEntry(Section):
    """Once `from` is reached, the clip runs back to `to`, and forward again from there."""

    from_: Annotated[Instant, Field(alias="from")]
    to: Instant


class FreezeEntry(Section):
    """Holds the moment `at` for so many seconds of the clip."""

    at: Instant
    for_: Annotated[Seconds, Field(alias="for")]


class ScheduleSection(Section):
    """What is shown at what speed: exactly one of `speed`, `duration`, `speeds`, `curve` and
    `anchors`; and what is cut out, shown backward or held.

    With anchors the speed is the smoothest one within `limits` that meets them all.  A `duration`
    may stand beside anchors, and beside speeds or a curve, which are then made faster or slower as
    one to meet it.
    """

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    speed: Speed | None = None
    duration: Seconds | None = None
    speeds: tuple[SpeedEntry, ...] | None = None
    curve: Annotated[
        str | None, Field(description="A CSV file of speeds: columns at, speed and maybe ease.")
    ] = None
    anchors: tuple[AnchorEntry, ...] | None = None
    limits: Annotated[
        tuple[Speed, Speed] | None, Field(description="The lowest and highest speed with anchors.")
    ] = None
    cuts: tuple[CutEntry, ...] = ()
    reverses: tuple[ReverseEntry, ...] = ()
    freezes: tuple[FreezeEntry, ...] = ()
    hold_first: Seconds = Seconds(0)
    hold_last: Seconds = Seconds(0)

    @model_validator(mode="after")
    def _check(self) -> ScheduleSection:
        given = [name for name in PACES if getattr(self, name) is not None]
        paces = [name for name in given if name != "duration"]
        if len(paces) > 1 or not given or (paces == ["speed"] and len(given) > 1):
            what = "none is" if not given else " and ".join(given) + " are"
            raise ValueError(
                f"give one of speed, duration, speeds, curve and anchors ({what} given)"
            )
        lengths = [entry.crossfade for entry in self.cuts] + [e.for_ for e in self.freezes]
        if min([*lengths, self.hold_first, self.hold_last]) < 0:
            raise ValueError("a freeze, a hold or a crossfade lasts less than nothing")
        if self.duration is not None and self.duration <= 0:
            raise ValueError(f"duration: {self.duration} has to be above zero")
        for name in ("speeds", "anchors"):
            if getattr(self, name) == ():
                raise ValueError(f"{name}: the list is empty")
        if (self.limits is None) != (self.anchors is None):
            raise ValueError("anchors and limits go together: write limits: [8, 16] beside anchors")
        return self

    def schedule(
        self,
        roll: Roll,
        context: Context,
        epoch: CaptureTime,
        placed: Placed,
        *,
        base: Path = Path(),
        gaps: Iterable[Cut] = (),
    ) -> Schedule:
        """What is shown when; `base` is where a curve's path starts from, `gaps` are cuts where
        the roll has gaps.  Raises ProjectError at the place of the mistake."""

        def read(instant: Instant, *path: str | int) -> MissionTime | VideoTime:
            with placed("schedule", *path):
                time = instant.resolve(context).time
                return time.since(epoch) if isinstance(time, CaptureTime) else time

        def mission(instant: Instant, *path: str | int) -> MissionTime:
            time = read(instant, *path)
            if isinstance(time, VideoTime):
                with placed("schedule", *path):
                    raise TimeError(f"{instant} is video time; say when by mission or capture time")
            return time

        start = mission(self.from_, "from") if self.from_ else roll.first.since(epoch)
        end = read(self.to, "to") if self.to else roll.end.since(epoch)
        if self.duration is not None and isinstance(end, VideoTime):
            with placed("schedule"):
                raise TimeError("to on the video clock is a duration already; leave one out")
        entries, where = self.speeds or (), "speeds"
        if self.curve is not None:
            with placed("schedule", "curve"):
                entries, where = read_curve(base / Path(self.curve).expanduser()), "curve"
        keys = [
            SpeedKey(
                read(entry.at, where, *((number, "at") if where == "speeds" else ())),
                entry.speed,
                entry.ease,
            )
            for number, entry in enumerate(entries)
        ]
        edits = Edits(
            tuple(
                Cut(
                    mission(entry.from_, "cuts", n, "from"),
                    mission(entry.to, "cuts", n, "to"),
                    entry.crossfade,
                )
                for n, entry in enumerate(self.cuts)
            ),
            tuple(
                Reverse(
                    mission(entry.from_, "reverses", n, "from"),
                    mission(entry.to, "reverses", n, "to"),
                )
                for n, entry in enumerate(self.reverses)
            ),
            tuple(
                Freeze(mission(entry.at, "freezes", n, "at"), entry.for_)
                for n, entry in enumerate(self.freezes)
            ),
            self.hold_first,
            self.hold_last,
        )
        edits = edits.also(gaps, start, None if isinstance(end, VideoTime) else end)
        events = [
            mission(entry.at, "anchors", number, "at")
            for number, entry in enumerate(self.anchors or ())
        ]
        anchors = []
        for number, (entry, at) in enumerate(zip(self.anchors or (), events, strict=True)):
            # The slowest that all of it may be shown rules out readings of a time.
            longest = (max(events) - start) / cast(tuple[Speed, Speed], self.limits)[0]
            with placed("schedule", "anchors", number, "video"):
                anchors.append(entry.anchor(at, context.lasting(longest)))
        with placed("schedule"):
            if self.limits is not None:
                return through(anchors, self.limits, start, end, self._length(context), edits)
            if self.duration is not None and keys:
                ends = cast(MissionTime, end)
                return fitted(keys, self.duration, context.rate, start, ends, edits)
            if self.duration is not None:
                return lasting(self.duration, start, cast(MissionTime, end), edits)
            return eased(keys or [SpeedKey(start, cast(Speed, self.speed))], start, end, edits)

    def _length(self, context: Context) -> tuple[Fraction, Fraction] | None:
        """The lengths that give a stated duration's number of frames: (above, up to)."""
        if self.duration is None:
            return None
        return self.duration - 1 / Fraction(context.rate), self.duration


def read_curve(path: Path) -> tuple[SpeedEntry, ...]:
    """The speeds in a CSV file with the columns `at`, `speed` and, where it is wanted, `ease`; from
    one to the next the speed is a straight line where no other ease is said.

    Raises RollError where it cannot be read, PlanError at the line of a mistake.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "not CSV in UTF-8"
        raise RollError(f"{path}: the curve cannot be read: {why}") from error
    if not rows or not {"at", "speed"} <= set(rows[0]):
        raise PlanError(f"{path}: a curve has a first line at,speed and a line a speed below it")
    found = []
    for number, row in enumerate(rows, 2):
        words = {"ease": "linear", **{key: (row[key] or "").strip() for key in ("at", "speed")}}
        if row.get("ease"):
            words["ease"] = row["ease"].strip()
        try:
            found.append(SpeedEntry.model_validate(words))
        except ValidationError as error:
            what = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise PlanError(f"{path}:{number}: {what}") from None
    return tuple(found)
