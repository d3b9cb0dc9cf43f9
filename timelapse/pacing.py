"""The section `schedule` of the project file: what is shown at what speed."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, cast

from pydantic import Field, model_validator

from timelapse.errors import TimeError
from timelapse.ingest import Roll
from timelapse.retime import Anchor, Ease, Schedule, SpeedKey, eased, lasting, through
from timelapse.section import Placed, Section
from timelapse.times import CaptureTime, MissionTime, Seconds, Speed, VideoTime
from timelapse.written import Context, Instant

#: Keys that each say at what speed, and exclude one another, but for anchors with a duration.
PACES = ("speed", "duration", "speeds", "anchors")


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


class ScheduleSection(Section):
    """What is shown at what speed: exactly one of `speed`, `duration`, `speeds` and `anchors`.

    With anchors the speed is the smoothest one within `limits` that meets them all; a `duration`
    may stand beside them.
    """

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    speed: Speed | None = None
    duration: Seconds | None = None
    speeds: tuple[SpeedEntry, ...] | None = None
    anchors: tuple[AnchorEntry, ...] | None = None
    limits: Annotated[
        tuple[Speed, Speed] | None, Field(description="The lowest and highest speed with anchors.")
    ] = None

    @model_validator(mode="after")
    def _check(self) -> ScheduleSection:
        given = [name for name in PACES if getattr(self, name) is not None]
        if len(given) != 1 and given != ["duration", "anchors"]:
            what = "none is" if not given else " and ".join(given) + " are"
            raise ValueError(f"give one of speed, duration, speeds and anchors ({what} given)")
        if self.duration is not None and self.duration <= 0:
            raise ValueError(f"duration: {self.duration} has to be above zero")
        for name in ("speeds", "anchors"):
            if getattr(self, name) == ():
                raise ValueError(f"{name}: the list is empty")
        if (self.limits is None) != (self.anchors is None):
            raise ValueError("anchors and limits go together: write limits: [8, 16] beside anchors")
        return self

    def schedule(
        self, roll: Roll, context: Context, epoch: CaptureTime, placed: Placed
    ) -> Schedule:
        """Raises ProjectError at the place of the mistake."""

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
        keys = [
            SpeedKey(read(entry.at, "speeds", number, "at"), entry.speed, entry.ease)
            for number, entry in enumerate(self.speeds or ())
        ]
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
                return through(anchors, self.limits, start, end, self._length(context))
            if self.duration is not None:
                return lasting(self.duration, start, cast(MissionTime, end))
            return eased(keys or [SpeedKey(start, cast(Speed, self.speed))], start, end)

    def _length(self, context: Context) -> tuple[Fraction, Fraction] | None:
        """The lengths that give a stated duration's number of frames: (above, up to)."""
        if self.duration is None:
            return None
        return self.duration - 1 / Fraction(context.rate), self.duration
