"""Crops that other programs asked for, still by still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from timelapse.grade.moved import Nine
from timelapse.grade.pose import Pose, turned
from timelapse.ingest import Still
from timelapse.ingest.develop import Develop

_WHOLE = (0.0, 0.0, 1.0, 1.0)


def cropped(
    develop: Mapping[int, Develop], stills: Sequence[Still], pose: Pose
) -> tuple[Pose, tuple[Nine, ...]]:
    """The pose that crops stills as is asked for by their indices; and where crops differ from
    still to still, a matrix for each (see `Steadied.of`), which lays what it shows into the crop of
    the pose.

    That crop is the largest; what is not asked for is shown whole.
    """
    asked = [
        (found.crop or _WHOLE, found.angle) if (found := develop.get(at)) else (_WHOLE, 0.0)
        for at in range(len(stills))
    ]
    kinds = set(asked)
    if kinds <= {(_WHOLE, 0.0)}:
        return pose, ()
    crop = max((box for box, _ in kinds), key=lambda box: (box[2] * box[3], box))
    angles = {angle for _, angle in kinds}
    angle = angles.pop() if len(angles) == 1 else 0.0
    # The pose turns what it has mirrored; what is asked for is of the still as it was.
    mirrored = pose.flip in ("horizontal", "vertical")
    used = None if crop == _WHOLE else crop
    common = Pose(pose.lens, pose.focal, used, pose.flip, -angle if mirrored else angle)
    if len(kinds) == 1:
        return common, ()
    each = (
        _laid(box, turn - angle, crop, still.size)
        for (box, turn), still in zip(asked, stills, strict=True)
    )
    return common, tuple(each)


def _laid(
    box: tuple[float, ...], turn: float, crop: tuple[float, ...], size: tuple[int, int]
) -> Nine:
    """What lays a box of a still, turned, over the crop."""
    (left, top, width, height), (x, y, across, down) = box, crop
    own = np.array([left + width / 2, top + height / 2]) * size
    middle = np.array([x + across / 2, y + down / 2]) * size
    linear = max(across / width, down / height) * turned(turn)
    onto = np.eye(3)
    onto[:2, :2], onto[:2, 2] = linear, middle - linear @ own
    return tuple(round(value, 10) + 0.0 for value in onto.ravel().tolist())
