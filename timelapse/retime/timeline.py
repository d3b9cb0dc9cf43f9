"""The timeline: how the three clocks of one clip stand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from timelapse.retime.schedule import Schedule
from timelapse.times import AnyTime, CaptureTime, MissionTime, Rate, VideoTime
from timelapse.written import Context

#: More than the way to video time is ever short by, and less than any frame lasts.
_BOUND = Fraction(1, 10**9)


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
        """The first frame that holds an instant, exactly; it may lie outside the clip.  Of one that
        is cut out, the frame of the cut."""
        if isinstance(time, VideoTime):
            return self.rate.frame_at(time)
        return self._frame(self.schedule.route.place(self.mission_of(time)))

    def showings_of(self, time: AnyTime) -> tuple[tuple[int, VideoTime], ...]:
        """Every frame in which an instant comes to be shown, rising, with the exact video time; it
        may lie outside the clip.  None, where it is cut out."""
        if isinstance(time, VideoTime):
            return ((self.rate.frame_at(time), time),)
        found = {}
        for route in self.schedule.route.places(self.mission_of(time)):
            frame, video = self._frame(route), self.schedule.video_at(route)
            # Where the speed changes, the way to video time has a bound; the frame is exact.
            found[frame] = video if self.rate.frame_at(video) == frame else self.rate.time_of(frame)
        return tuple(sorted(found.items()))

    def frame_from(self, time: AnyTime) -> int:
        """The first frame whose own instant is not before an instant's first showing."""
        frame = self.frame_of(time)
        if isinstance(time, VideoTime):
            return frame + (self.rate.time_of(frame) < time)
        route = self.schedule.route.place(self.mission_of(time))
        return frame + (self.schedule.route_of(self.rate.time_of(frame)) < route)

    def _frame(self, route: Fraction) -> int:
        video = self.schedule.video_at(route)
        frame = self.rate.frame_at(video)
        # The way to video time may be short by its bound; the way back is exact and decides.
        after = self.rate.time_of(frame + 1)
        if after - video < _BOUND and self.schedule.route_of(after) <= route:
            frame += 1
        return frame

    def mission_at(self, frame: int) -> MissionTime:
        """The mission time of a frame's instant, exactly."""
        return self.schedule.mission_of(self.rate.time_of(frame))

    def speed_at(self, frame: int) -> Fraction:
        """Mission seconds per video second at a frame's instant, exactly."""
        return self.schedule.speed_at(self.rate.time_of(frame))
