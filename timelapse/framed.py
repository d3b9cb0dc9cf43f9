"""How an output shows the stills: the section `framing` of the project file, for one roll."""

from __future__ import annotations

from collections.abc import Mapping

from timelapse.deliver import Format
from timelapse.errors import ProjectError
from timelapse.grade import Framing, Nine, Reframing, commonest, cropped, natural_size
from timelapse.ingest import Roll
from timelapse.ingest.xmp import Develop
from timelapse.retime import Timeline
from timelapse.section import Placed


def framed(
    reframing: Reframing,
    roll: Roll,
    develop: Mapping[int, Develop],
    timeline: Timeline,
    output: Format,
    within: tuple[int, int],
    where: tuple[str | int, ...],
    placed: Placed,
) -> tuple[Framing, tuple[Nine, ...]]:
    """The framing of an output, and what lays each still into it where sidecars crop them
    differently (see `cropped`).

    `within` is the box for the stills' own shape where the output, which the project has at the
    path `where`, says no size.  ProjectError at the place of what cannot be done to these stills.
    """
    pose, crops = cropped(develop, roll.stills, reframing.pose)
    with placed("framing"):
        pose.check(roll.sizes)
        if crops and pose.optics:
            raise ProjectError(
                "lens: sidecars crop stills each in its own way, which is not done together with a "
                "lens; leave out lens, or grade.sidecars"
            )
    moves = []
    for number, move in enumerate(reframing.moves):
        with placed("framing", "moves", number, "at"):
            at = timeline.video_of(move.at.resolve(timeline.context).time)
            moves.append((at.seconds, move))
    size = output.size or natural_size(roll.sizes, pose, within)
    with placed(*where, "focus"):
        framing = Framing(size, output.fit, output.focus, pose)
    with placed("framing", "moves"):
        return framing.moving(moves, timeline.rate, commonest(roll.sizes)), crops
