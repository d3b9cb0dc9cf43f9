"""A film's milestones for other programs: YouTube's chapters, Final Cut's XML, an edit decision
list.  All stand on frames; whatever is written says exactly that frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from timelapse.deliver.captions import one_line
from timelapse.times import CaptureTime, MissionTime, Rate

#: YouTube shows chapters where there are so many, each of so many seconds.
_CHAPTERS, _SECONDS = 3, 10


@dataclass(frozen=True)
class Mark:
    """A milestone on the frames [start, stop), which are one at least; marks are in their order.

    `capture` is None where the clock's date is not known; `again` says that it is a further showing
    of one that stands before it.
    """

    name: str
    start: int
    stop: int
    mission: MissionTime
    capture: CaptureTime | None = None
    again: bool = False

    @property
    def note(self) -> str:
        """When it was, for people."""
        met = self.mission.clock(1)
        return f"{met}, {self.capture.iso(1)}" if self.capture else met


@dataclass(frozen=True)
class Film:
    """A finished film as editors see it: `size` is (width, height)."""

    path: Path
    title: str
    rate: Rate
    frames: int
    size: tuple[int, int]
    sound: bool = False


# ------------------------------------------------------------------ YouTube


def youtube(film: Film, marks: Sequence[Mark]) -> tuple[str, tuple[str, ...]]:
    """Chapters as YouTube reads them from a description, and what a person should know.

    The first stands at 00:00.  One that starts or lasts less than ten seconds is none for
    YouTube: it shares the line of the one before it.  Times are rounded down to seconds, so that
    none is skipped past.
    """
    time_of, end = film.rate.time_of, film.rate.time_of(film.frames).seconds
    once = [mark for mark in marks if not mark.again]
    at_start = [one_line(mark.name) for mark in once if mark.start == 0]
    lines: list[tuple[int, list[str]]] = [
        (0, at_start or [one_line(film.title)] * bool(film.title))
    ]
    found: list[str] = []
    for mark in once[len(at_start) :]:
        second, name = int(time_of(mark.start).seconds), one_line(mark.name)
        before = second - lines[-1][0]
        if before >= _SECONDS and end - second >= _SECONDS:
            lines.append((second, [name]))
            continue
        lines[-1][1].append(name)
        where = f"{before} s after the one before" if before < _SECONDS else "close to the end"
        found.append(
            f"chapters: {name!r} is {where}; YouTube wants {_SECONDS} s, so it shares a line"
        )
    if len(lines) < _CHAPTERS:
        found.append(f"chapters: there are {len(lines)}; YouTube shows them from {_CHAPTERS} on")
    wide = end >= 3600
    text = "".join(
        f"{_hours(second) if wide else _minutes(second)} {' / '.join(names) or 'Start'}\n"
        for second, names in lines
    )
    return text, tuple(found)


def _minutes(second: int) -> str:
    return f"{second // 60:02d}:{second % 60:02d}"


def _hours(second: int) -> str:
    return f"{second // 3600}:{_minutes(second % 3600)}"


# ------------------------------------------------------------------ Final Cut Pro


def fcpxml(film: Film, marks: Sequence[Mark]) -> str:
    """The finished film as one clip with its milestones as chapter markers, in Final Cut Pro's XML
    1.10; further showings are plain markers.  All times are ratios on the grid of frames."""
    rate = film.rate

    def time(frames: int) -> str:
        return f"{frames * rate.denominator}/{rate.numerator}s"

    (width, height), length, name = film.size, time(film.frames), one_line(film.title)
    name = name or film.path.stem
    root = ElementTree.Element("fcpxml", version="1.10")
    resources = ElementTree.SubElement(root, "resources")
    ElementTree.SubElement(
        resources,
        "format",
        id="r1",
        frameDuration=time(1),
        width=str(width),
        height=str(height),
        colorSpace="1-1-1 (Rec. 709)",
    )
    sound = {"hasAudio": "1", "audioSources": "1", "audioChannels": "2", "audioRate": "48000"}
    asset = ElementTree.SubElement(
        resources,
        "asset",
        {
            "id": "r2",
            "name": film.path.stem,
            "start": "0s",
            "duration": length,
            "hasVideo": "1",
            "videoSources": "1",
            "format": "r1",
            **(sound if film.sound else {}),
        },
    )
    url = film.path.absolute().as_uri()
    ElementTree.SubElement(asset, "media-rep", kind="original-media", src=url)
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name=name)
    project = ElementTree.SubElement(event, "project", name=name)
    shared = {"format": "r1", "duration": length, "tcFormat": "NDF", "tcStart": "0s"}
    sequence = ElementTree.SubElement(project, "sequence", shared)
    clip = ElementTree.SubElement(
        ElementTree.SubElement(sequence, "spine"),
        "asset-clip",
        ref="r2",
        name=film.path.stem,
        offset="0s",
        start="0s",
        duration=length,
        format="r1",
        tcFormat="NDF",
    )
    for mark in marks:
        ElementTree.SubElement(
            clip,
            "marker" if mark.again else "chapter-marker",
            start=time(mark.start),
            duration=time(1),
            value=one_line(mark.name),
            note=mark.note,
        )
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n'


# ------------------------------------------------------------------ edit decision list


def edl(film: Film, marks: Sequence[Mark]) -> str:
    """The finished film as one event of a CMX 3600 list, with a locator for each milestone.

    Timecode counts every frame (no drop-frame), as labels and `timelapse plan` do.
    """
    return "".join(f"{line}\n" for line in _edl_lines(film, marks))


def _edl_lines(film: Film, marks: Sequence[Mark]) -> Iterator[str]:
    timecode = film.rate.timecode
    span = f"{timecode(0)} {timecode(film.frames)}"
    yield f"TITLE: {one_line(film.title) or film.path.stem}"
    yield "FCM: NON-DROP FRAME"
    yield ""
    yield f"001  AX       V     C        {span} {span}"
    yield f"* FROM CLIP NAME: {one_line(film.path.name)}"
    for mark in marks:
        colour = "YELLOW" if mark.again else "RED"
        yield f"* LOC: {timecode(mark.start)} {colour:<7} {one_line(mark.name)}"
