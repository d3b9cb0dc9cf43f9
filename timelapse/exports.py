"""What other programs want of a film: captions, chapters, the cut, and pictures of it.

All of it follows from the plan, and from one list of milestones; no finished film is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from timelapse.deliver import PICTURE_ENDINGS, Colours, Gif, WebP, encoder, write_picture
from timelapse.deliver.captions import WRITERS, Shown
from timelapse.deliver.interchange import library, otio
from timelapse.deliver.marks import Film, edl, fcpxml, youtube
from timelapse.errors import ProjectError, RenderError, RollError
from timelapse.filmpictures import Pictures, names
from timelapse.grade import Grade, Tone
from timelapse.grade.defects import save
from timelapse.looks import read_look, write_cube, write_look
from timelapse.overlay import Share
from timelapse.render import Job, Progress, check_target
from timelapse.render.analysis import analysed
from timelapse.report import report_path
from timelapse.storage import written_whole
from timelapse.times import AnyTime, Rate, Seconds
from timelapse.told import marks

What = Literal[
    "captions",
    "chapters",
    "otio",
    "fcpxml",
    "edl",
    "poster",
    "sheet",
    "keogram",
    "preview",
    "look",
    "defects",
    "milestones",
]
#: The endings of each; the pictures of milestones go into a folder.
ENDINGS: dict[What, tuple[str, ...]] = {
    "captions": tuple(WRITERS),
    "chapters": (".txt",),
    "otio": (".otio",),
    "fcpxml": (".fcpxml",),
    "edl": (".edl",),
    "poster": PICTURE_ENDINGS,
    "sheet": PICTURE_ENDINGS,
    "keogram": PICTURE_ENDINGS,
    "preview": (*Gif.endings, *WebP.endings),
    "look": (".yaml", ".yml", ".cube"),
    "defects": (".npz",),
    "milestones": (),
}
_OF_FILM = ("fcpxml", "edl")


@dataclass(frozen=True)
class Choices:
    """How exports are made.

    `film` is the finished film's path, `at` the poster's instant, `column` that of a keogram, as a
    share of the stills' width; `width` is that of a sheet, keogram or preview in pixels; `tiles`
    are the columns and rows of a sheet; a preview lasts `length` at most, at `rate`; to `compare`
    there is a second keogram, of the stills as they are corrected.
    """

    film: Path = Path("film.mp4")
    at: AnyTime | None = None
    column: Share = field(default=Share(1, 2))
    width: int | None = None
    tiles: tuple[int, int] = (4, 5)
    length: Seconds = field(default=Seconds(8))
    rate: Rate = field(default=Rate(12))
    compare: bool = False


@dataclass(frozen=True)
class Target:
    """What is to be written where."""

    what: What
    path: Path

    @classmethod
    def of(cls, name: str, what: What | None = None) -> Target:
        """What a name asks for; ValueError with the remedy where it asks for nothing.

        The ending says it; of a picture also the last word before it, as in `launch.poster.jpg`
        or `keogram.png`; or `what`.  A name without ending is a folder, of milestones' pictures.
        """
        path = Path(name)
        ending = path.suffix.lower()
        folder = name.endswith("/") or path.is_dir() or not ending
        if what is None:
            fitting = [kind for kind, endings in ENDINGS.items() if ending in endings]
            if folder:
                fitting = ["milestones"]
            elif len(fitting) > 1:
                word = re.split(r"[^a-z]+", path.stem.lower())[-1]
                named = f"{path.stem}.poster{ending}, or .sheet or .keogram"
                fitting = [kind for kind in fitting if kind == word]
                if not fitting:
                    raise ValueError(f"{name}: a picture of what? Name it {named}, or say --what")
            if not fitting:
                known = ", ".join(sorted({end for ends in ENDINGS.values() for end in ends}))
                raise ValueError(f"{name}: nothing is exported into {ending}; there are {known}")
            return cls(fitting[0], path)
        if (what == "milestones") != folder or (not folder and ending not in ENDINGS[what]):
            into = ", ".join(ENDINGS[what]) or "a folder"
            raise ValueError(f"{name}: --what {what} goes into {into}")
        return cls(what, path)


@dataclass
class Exported:
    """What was written (`what`, `path` and `bytes` of each file), and what there is to say."""

    written: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def say(self, found: Iterable[str]) -> None:
        """Adds what has not been said."""
        self.warnings += [line for line in found if line not in self.warnings]


def export(
    job: Job,
    targets: Sequence[Target],
    choices: Choices = Choices(),
    progress: Progress | None = None,
) -> Exported:
    """Writes each target; looks at all of them before any work.

    Each file is absent, or what it was, or complete, at every moment.  Raises RenderError where a
    target cannot be written, EncodeError where it cannot be made, TextError and RollError as a
    render does.
    """
    for target in targets:
        _check(target, job)
    done = Exported()
    if any(target.what in _OF_FILM for target in targets):
        done.say(_film_warnings(job, choices.film))
    for target in targets:
        for path in _write(job, target, choices, done, progress or (lambda *_: None)):
            size = path.stat().st_size
            done.written.append({"what": target.what, "path": str(path), "bytes": size})
    return done


def _check(target: Target, job: Job) -> None:
    """Refuses a target that cannot be written."""
    roll, path = job.plan.roll, target.path
    if target.what == "otio":
        library()
    if target.what == "look" and path.exists() and path.suffix.lower() != ".cube":
        try:
            read_look(path)
        except ProjectError:
            raise RenderError(f"{path}: is there and is no look; name another file") from None
    if target.what != "milestones":
        check_target(path, (path.suffix.lower(),), roll)
    elif path.is_dir():
        for name, _ in names(job):
            check_target(path / name, PICTURE_ENDINGS, roll)
    else:
        check_target(path.with_name(f"{path.name}.png"), PICTURE_ENDINGS)  # its folder is there
        if path.exists():
            raise RenderError(f"{path}: is a file, and pictures need a folder; name another")


def _film_warnings(job: Job, film: Path) -> Iterator[str]:
    if not film.exists():
        yield f"{film}: is not there yet; render the film under this name, or say --film"
        return
    planned = {"frames": job.plan.frames, "rate": str(job.plan.timeline.rate)}
    was = planned  # as far as is known
    with suppress(OSError, ValueError, KeyError, TypeError):
        report = json.loads(report_path(film).read_text(encoding="utf-8"))
        was = {key: report[key] for key in planned}
    if was != planned:
        told = " and ".join("{frames} frames at {rate}".format_map(each) for each in (was, planned))
        yield f"{film}: was rendered from another plan ({told}); render it anew"


# ------------------------------------------------------------------ what is written


def _write(
    job: Job, target: Target, choices: Choices, done: Exported, tick: Progress
) -> Iterator[Path]:
    """Makes a target; gives the files that it became."""
    path, pictures = target.path, Pictures(job, tick)
    match target.what:
        case "poster":
            write_picture(path, pictures.poster(choices.at))
        case "sheet":
            write_picture(path, pictures.sheet(choices.tiles, choices.width or 1920))
        case "keogram":
            made = pictures.keogram(choices.column, choices.width or 1920, compare=choices.compare)
            write_picture(path, made)
        case "preview":
            with _written(path) as draft:
                _preview(draft, path.suffix.lower() in Gif.endings, pictures, choices)
        case "look":
            if job.tone == Tone():
                raise RenderError(
                    f"{path}: the project has no tone; write, for instance, grade: {{tone: "
                    "{exposure: 0.3}}"
                )
            write = write_cube if path.suffix.lower() == ".cube" else write_look
            write(job.tone, path)
            if job.tone.keys:
                done.say([f"{path}: a look has no keys: it is the tone without its keys"])
        case "defects":
            sought = replace(job, grade=Grade(job.grade.hot_pixels))
            found = analysed(sought, progress=tick).defects
            if found is None:
                raise RenderError(
                    f"{path}: the project does not look for defects of the sensor; write grade: "
                    "{hot_pixels: auto}"
                )
            with _writing(path):
                save(found.maps, path)
            done.say(found.findings)
        case "milestones":
            with _writing(path):
                path.mkdir(exist_ok=True)
            for name, picture in pictures.milestones():
                write_picture(path / name, picture)
                yield path / name
        case what:
            text = _text(job, what, path.suffix.lower(), choices.film, done)
            with _written(path) as draft:
                draft.write_text(text, encoding="utf-8", newline="\n")
    if target.what != "milestones":
        yield path
    done.say(pictures.findings.warnings(job))


def _preview(draft: Path, gif: bool, pictures: Pictures, choices: Choices) -> None:
    shown = pictures.preview(choices.length, choices.rate, choices.width or 480)
    format = (Gif if gif else WebP)(rate=shown.rate)
    colours = Colours(shown.size, format)
    with encoder(draft, shown.size, format) as film:
        for frame in shown.frames:
            film.write(colours.convert(frame))


def _text(job: Job, what: What, ending: str, path: Path, done: Exported) -> str:
    plan, size = job.plan, job.framing.size
    rate = plan.timeline.rate
    if what == "captions":
        said = job.lines
        if not said:
            done.say(["captions: the film shows no text to put into them"])
        if ending == ".ass" and rate > 100:
            done.say(
                [f"ASS counts hundredths of a second; at {rate} frames/s it can be a frame off"]
            )
        return WRITERS[ending](said, Shown(rate, size, job.title))
    told = marks(job)
    if not told:
        done.say([f"{what}: the film shows no milestone"])
    film = Film(path, job.title, rate, plan.frames, size, job.sound is not None)
    match what:
        case "otio":
            return otio(plan, film, told)
        case "fcpxml":
            return fcpxml(film, told)
        case "edl":
            return edl(film, told)
    text, found = youtube(film, told)
    done.say(found)
    return text


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except RollError:
        raise
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """As `written_whole`; what goes wrong is a RenderError."""
    with _writing(path), written_whole(path) as draft:
        yield draft
