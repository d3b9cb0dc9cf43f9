"""The target of a render, looked at before any work."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from timelapse.deliver import PICTURE_ENDINGS, check_folder
from timelapse.errors import RenderError
from timelapse.ingest import Roll, Status
from timelapse.report import report_path


def check_target(
    out: Path,
    endings: tuple[str, ...],
    roll: Roll | None = None,
    inputs: Iterable[Path] = (),
    *,
    folder: bool = False,
) -> None:
    """Refuses, before any work, a target that cannot be written, or that is a file of the roll or
    another of the film's inputs; `folder` says that it is to be a folder.

    Raises RenderError.
    """
    if out.suffix.lower() not in endings:
        raise RenderError(f"{out}: its name has to end in {' or '.join(filter(None, endings))}")
    if not out.parent.is_dir():
        raise RenderError(f"{out.parent}: there is no such folder; make it first")
    if not os.access(out.parent, os.W_OK):
        raise RenderError(f"{out.parent}: this folder cannot be written to")
    if report_path(out).is_dir():
        raise RenderError(f"{report_path(out)}: is a folder; name another output")
    if out.is_dir() and not folder:
        raise RenderError(f"{out}: is a folder; name another output")
    if folder:
        check_folder(out)
    if not out.exists():
        return
    there = out.stat()
    if any(_is(path, there) for path in inputs):
        raise RenderError(f"{out}: is a file that the film is made of; name another output")
    if roll is not None:
        # A film that stands among its stills may be replaced; a picture there may be one of them.
        picture = out.suffix.lower() in PICTURE_ENDINGS
        taken = [e.path for e in roll.ledger if picture or e.status is not Status.EXCLUDED]
        taken += {still.file.archive or still.file.path for still in roll.stills}
        if any(_is(path, there) for path in taken):
            raise RenderError(f"{out}: is a file of the roll; name another output")


def _is(path: str | Path, there: os.stat_result) -> bool:
    """Whether a path leads to that file, by whatever links."""
    try:
        return os.path.samestat(os.stat(path), there)  # noqa: PTH116 - asked of every still
    except (OSError, ValueError):  # ValueError: a zero byte in a name
        return False
