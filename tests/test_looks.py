"""What only the stills can tell of overlays: found once, remembered, the same for every worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import EPOCH, GrayRoll, write_still

from timelapse import load
from timelapse.overlay import treatments
from timelapse.render import Job, frames, looks
from timelapse.render.looks import measured

TITLE = {"at": "T+2 s", "label": "Separation", "text": "{label}", "hold": "1 s"}


def project(tmp_path: Path, roll: Path, **more: Any) -> Job:
    words: dict[str, Any] = {
        "roll": {"stills": str(roll), "utc_offset": "Z"},
        "mission": {"epoch": EPOCH.iso()},
        "schedule": {"speed": 4},
        "output": {"size": "320x240", "preset": "ultrafast"},
        "theme": {"extends": "plain", "all": {"contrast": "auto"}},
        "milestones": [TITLE],
    }
    path = tmp_path / "project.yaml"
    path.write_text(json.dumps(words | more), encoding="utf-8")
    return load(path).job()


@pytest.mark.parametrize(("level", "least"), [(20, 0), (235, 1)])
def test_as_little_as_does_it_is_put_behind_a_text(
    level: int, least: int, tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    roll = gray_roll(range(10), levels=[level] * 10, size=(640, 480), folder=f"r{level}")
    job = measured(project(tmp_path, roll.folder))
    [choice] = job.treatments.values()
    assert (choice > 0) == (least > 0)
    [cue], [before] = job.cues, project(tmp_path, roll.folder).cues
    assert cue.what == list(treatments(before.what))[choice]
    assert measured(job) is job


def test_the_ground_is_looked_at_while_the_text_is_shown_and_only_under_it(tmp_path: Path) -> None:
    """Bright before the label comes, bright elsewhere, bright after it has gone: all the same."""
    place = tmp_path / "roll"
    place.mkdir()
    for n in range(12):
        shown = 7 <= n <= 12 or n in (2, 3, 4, 5, 6)
        pixels = np.full((480, 640, 3), 15 if shown else 240, np.uint8)
        pixels[:200] = 240
        write_still(place / f"{n:02d}.png", pixels, EPOCH + n)
    [choice] = measured(project(tmp_path, place)).treatments.values()
    assert choice == 0
    whole = project(tmp_path, place, milestones=[{**TITLE, "at": "T+0 s"}])
    [choice] = measured(whole).treatments.values()
    assert choice > 0


def test_a_look_is_remembered_until_something_under_the_text_is_another(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll], monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll(range(10), levels=[200] * 10, size=(640, 480))
    looked = []

    def under(job: Job, numbers: list[int], *rest: Any) -> Any:
        looked.append(numbers)
        return known(job, numbers, *rest)

    known = looks._under
    monkeypatch.setattr(looks, "_under", under)
    first = measured(project(tmp_path, roll.folder))
    assert len(looked) == 1
    assert measured(project(tmp_path, roll.folder)).treatments == first.treatments
    assert len(looked) == 1
    for path in sorted(roll.folder.iterdir())[2:4]:
        write_still(path, np.full((480, 640, 3), 10, np.uint8), EPOCH + int(path.stem[-2:]))
    measured(project(tmp_path, roll.folder))
    assert len(looked) == 2


def test_a_running_text_is_remembered_and_overlays_alone_decode_only_what_they_look_at(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll], monkeypatch: pytest.MonkeyPatch
) -> None:
    roll = gray_roll(range(10), levels=[235] * 10, size=(640, 480))
    clock: Any = {"milestones": [], "overlays": [{"kind": "clock", "show": ["met", "utc"]}]}
    job = project(tmp_path, roll.folder, **clock)
    [choice] = measured(job).treatments.values()
    assert choice > 0
    alone = {"format": "png", "burn": "alone", "size": "320x240"}
    apart = project(tmp_path, roll.folder, **clock, output=alone, grade={"hot_pixels": "auto"})
    monkeypatch.setattr(looks, "_under", lambda *_: pytest.fail("it was looked at again"))
    assert measured(project(tmp_path, roll.folder, **clock)).treatments == {0: choice}
    found = measured(apart)
    assert (found.treatments, found.found.defects) == ({0: choice}, None)
    bare = project(tmp_path, roll.folder, **clock, output={"size": "320x240", "burn": False})
    assert measured(bare) is bare


def test_overlays_alone_are_as_legible_as_over_the_film(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    roll = gray_roll(range(10), levels=[235] * 10, size=(640, 480))
    alone = {"format": "png", "burn": "alone", "size": "320x240"}
    apart = measured(project(tmp_path, roll.folder, output=alone))
    assert next(iter(apart.treatments.values())) > 0
    [shown] = [frame.copy() for frame in frames(apart, 22, 23)]
    assert shown.shape == (240, 320, 4)
    assert shown[..., 3].max() == 255


def test_frames_and_films_draw_what_was_found(
    tmp_path: Path, gray_roll: Callable[..., GrayRoll]
) -> None:
    roll = gray_roll(range(10), levels=[235] * 10, size=(640, 480))
    job = project(tmp_path, roll.folder)
    number = job.placed[0].frame + 10
    found = next(iter(frames(job, number, number + 1))).copy()
    wanted = next(iter(frames(measured(job), number, number + 1)))
    assert np.array_equal(found, wanted)
    assert found.min() < 100  # something dark stands behind the letters
    report = job.render(tmp_path / "film.mp4")
    again = job.render(tmp_path / "film.mp4")
    assert report["sha256"] == again["sha256"]
    assert again["segments"]["rendered"] == 0
