"""Gaps: what a clip shows where the roll has a hole, by policy and gap by gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from timelapse.errors import PlanError
from timelapse.ingest import Gap, Roll
from timelapse.retime.route import Cut
from timelapse.times import CaptureTime, MissionTime
from timelapse.written import Context, Instant

#: A hole of one still is bridged by any blend; from this many missing stills on it is a gap here.
HELD_FROM = 2

#: `hold` shows the still before, as if the camera had gone on taking it, until one interval before
#: the still that ends the gap; `mark` does, too, and says in the picture how long the gap is;
#: `blend` mixes across; `cut` leaves the gap out; `black` shows nothing; `error` makes no film.
Gaps = Literal["hold", "blend", "cut", "black", "mark", "error"]


@dataclass(frozen=True)
class GapAt:
    """Another policy for the gap that holds the instant `at`."""

    at: Instant
    gaps: Gaps


def wide(roll: Roll) -> tuple[Gap, ...]:
    """The gaps of a roll that are wider than any blend bridges."""
    least = max(roll.interval * HELD_FROM + roll.interval / 2, roll.longest_step)
    return tuple(gap for gap in roll.gaps if gap.seconds > least)


def treated(
    roll: Roll,
    policy: Gaps,
    exceptions: Sequence[GapAt],
    context: Context,
    epoch: CaptureTime,
) -> dict[Gap, Gaps]:
    """What becomes of each wide gap.  PlanError where an exception's instant lies in none, or where
    a gap is an error."""
    found = dict.fromkeys(wide(roll), policy)
    for exception in exceptions:
        time = exception.at.resolve(context).time
        if isinstance(time, MissionTime):
            time = time.after(epoch)
        if not isinstance(time, CaptureTime):
            raise PlanError(f"gap_at: {exception.at} is video time; say when by mission or capture")
        gap = next((gap for gap in found if _holds(roll, gap, time)), None)
        if gap is None:
            raise PlanError(f"gap_at: {exception.at} lies in no gap; see timelapse scan")
        found[gap] = exception.gaps
    wrong = [words(roll, gap) for gap, what in found.items() if what == "error"]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise PlanError(
            f"the roll has gaps, and gaps: error asks for none: {'; '.join(wrong[:3])}{more}; "
            "find the stills, or choose hold, mark, blend, cut or black"
        )
    return found


def cuts(roll: Roll, gaps: dict[Gap, Gaps], epoch: CaptureTime) -> Iterator[Cut]:
    """The cuts that leave gaps out: from when the still before has stood for its interval to the
    still that ends the gap."""
    for gap, what in gaps.items():
        if what == "cut":
            begins, ends = hole(roll, gap)
            yield Cut(begins.since(epoch), ends.since(epoch))


def hole(roll: Roll, gap: Gap) -> tuple[CaptureTime, CaptureTime]:
    """The time for which no still stands."""
    return roll.stills[gap.after].captured + roll.interval, roll.stills[gap.before].captured


def words(roll: Roll, gap: Gap) -> str:
    """A gap in words, with its neighbours."""
    one, other = roll.stills[gap.after].name, roll.stills[gap.before].name
    return f"{float(gap.seconds):g} s from {one} to {other}"


def _holds(roll: Roll, gap: Gap, time: CaptureTime) -> bool:
    return roll.stills[gap.after].captured <= time < roll.stills[gap.before].captured
