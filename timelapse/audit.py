"""A film held against its report, and against the stills that it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from timelapse.deliver import FORMATS, digest, probe, size_on_disk
from timelapse.errors import EncodeError, RenderError, RollError, StillError
from timelapse.ingest import File, Frame, Reader
from timelapse.report import facts_json, report_path
from timelapse.times import Rate


def verify(out: str | Path, *, stills: bool = False) -> list[str]:
    """Holds a film against its report: what differs, in words; empty where nothing does.

    With `stills` every still that the film shows is read again and held against the hash of the
    file that was rendered.  Raises RollError where there is no film or no report to hold it
    against, RenderError where the report cannot be read.
    """
    out = Path(out)
    path = report_path(out)
    if not out.exists():
        raise RollError(f"{out}: there is no such film")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        found = list(_film_differences(out, report))
        return found + list(_still_differences(report)) if stills else found
    except FileNotFoundError:
        raise RollError(f"{path}: there is no report; a render writes one") from None
    except RenderError:
        raise
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(f"{path}: not a report that can be read: {error!r}") from error


def _film_differences(out: Path, report: dict[str, Any]) -> Iterator[str]:
    frames, rate = int(report["frames"]), Fraction(report["rate"])
    width, height = map(int, report["size"].split("x"))
    film, parts = report["film"], report["parts"]
    said_chapters = [[title, start] for title, start in film["chapters"]]
    runs = [int(part["frames"]) for part in parts]
    payloads = [part["payload"] for part in parts]
    if (size := size_on_disk(out)) != report["bytes"]:
        yield f"it has {size} bytes, the report says {report['bytes']}"
    whole = digest(out) == report["sha256"]
    if not whole:
        yield "its bytes are not those that were rendered (SHA-256 differs)"
    if sum(runs) != frames or report["plan"]["frames"] != frames:
        yield f"the report contradicts itself: {frames} frames, {sum(runs)} in its parts"
    try:
        # A GIF, a WebP and a folder do not say their rate: they are held against what was meant.
        format = FORMATS[report["encode"]["format"]](rate=Rate(rate))
        facts = probe(out, format=format, runs=runs, decode=0)
        tracks = film.get("tracks", [])
        yield from facts.faults(frames, (width, height), rate, len(said_chapters), tracks)
        for part, said, now in zip(parts, payloads, facts.payloads, strict=True):
            if said != now:
                last = part["first"] + part["frames"] - 1
                yield f"frames {part['first']} to {last} are not those that were rendered"
        probe(out)
    except EncodeError as error:
        yield str(error)
        return
    is_now = facts_json(facts)
    if is_now["chapters"] != said_chapters and len(is_now["chapters"]) == len(said_chapters):
        yield "its chapters differ from the report's"
    if (is_now["title"], is_now["created"]) != (film["title"], film["created"]):
        yield "its title or creation time differs from the report's"


def _still_differences(report: dict[str, Any]) -> Iterator[str]:
    import xxhash

    with Reader() as reader:
        for still in report["stills"]:
            frame = Frame(*still["frame"]) if "frame" in still else None
            file = File(still["path"], 0, 0, still.get("archive"), frame)
            try:
                data = reader.read(file)
            except StillError as error:
                yield str(error)
                continue
            if xxhash.xxh3_128_hexdigest(data) != still["xxh3"]:
                yield f"{file}: is not the still that was rendered (its bytes differ)"
