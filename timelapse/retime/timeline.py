"""The timeline: how the three clocks of one clip stand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from timelapse.retime.schedule import Schedule
from timelapse.times import AnyTime, CaptureTime, MissionTime, Rate, VideoTime
from timelapse.written import Context


@dataclass(frozen=True)
class Timeline:
    """A schedule, a rate and a mission epoch; all conversions between the clocks are here.

    `timecode` and `still` are what reading a written time may need (see `written.Context`).
    """

    schedule: Schedule
    rate: Rate
    epoch: CaptureTime
    timecode: str | None = None
    still: Callable[[str], CaptureTime] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without `still`, which would take the whole roll along to another process."""
        return {**self.__dict__, "still": None}

    @property
    def frames(self) -> int:
        """The number of frames n with n / rate < the clip's length."""
        return self.rate.frames_in(self.schedule.length)

    @property
    def context(self) -> Context:
        """What decides the meaning of a time that is written about this clip."""
        return Context(self.rate, self.schedule.length, self.timecode, self.still)

    def mission_of(self, time: AnyTime) -> MissionTime:
        """Exact from every clock."""
        if isinstance(time, CaptureTime):
            return time.since(self.epoch)
        return self.schedule.mission_of(time) if isinstance(time, VideoTime) else time

    def capture_of(self, time: AnyTime) -> CaptureTime:
        """Exact from every clock."""
        return time if isinstance(time, CaptureTime) else self.mission_of(time).after(self.epoch)

    def video_of(self, time: AnyTime) -> VideoTime:
        """Exact from the video clock and where the speed is constant; see `Schedule.video_of`."""
        if isinstance(time, VideoTime):
            return time
        return self.schedule.video_of(self.mission_of(time))

    def frame_of(self, time: AnyTime) -> int:
        """The frame that holds an instant, exactly; it may lie outside the clip."""
        frame = self.rate.frame_at(self.video_of(time))
        if isinstance(time, VideoTime):
            return frame
        # The way to video time may be off by its bound; the way back is exact and decides.
        mission = self.mission_of(time)
        while self.mission_at(frame + 1) <= mission:
            frame += 1
        while self.mission_at(frame) > mission:
            frame -= 1
        return frame

    def mission_at(self, frame: int) -> MissionTime:
        """The mission time of a frame's instant, exactly."""
        return self.schedule.mission_of(self.rate.time_of(frame))

    def speed_at(self, frame: int) -> Fraction:
        """Mission seconds per video second at a frame's instant, exactly."""
        return self.schedule.speed_at(self.rate.time_of(frame))
