"""The project file: what a person writes, checked once and turned into a `Job`.

pydantic checks; the values are the stages' own types (see `notation`), the kinds of blend, format
and overlay are the stages' own dataclasses, so that a new one needs no word here.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape, has_magic
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_type_hints,
)

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from timelapse.deliver import H264, Format, Sound
from timelapse.errors import EncodeError, PlanError, ProjectError, RollError, TimeError
from timelapse.grade import Framing, natural_size
from timelapse.ingest import (
    Inspection,
    Policies,
    Roll,
    inspect,
    natural,
    scan,
)
from timelapse.mistakes import explain, line
from timelapse.overlay import Compositor, Milestone, Overlay, cues
from timelapse.pacing import PACES, ScheduleSection
from timelapse.render import Job
from timelapse.retime import Blend, Flow, Linear, Timeline, make_plan, model_made_as, treated
from timelapse.retime import cuts as cuts_of
from timelapse.rollsection import RollSection
from timelapse.section import Section
from timelapse.times import CaptureTime
from timelapse.written import Context, Instant
from timelapse.yamlfile import Document, put, read_yaml


class MissionSection(Section):
    """What is shown, and the instant that mission times count from."""

    name: str = ""
    epoch: Annotated[
        CaptureTime | None, Field(description="Lift-off; the first still where not given.")
    ] = None


class SoundSection(Section):
    """What is heard, from the first frame on; cut to the film's length."""

    file: Annotated[str, Field(description="A file of sound, such as music.flac.")]


def _kinds(union: Any, key: str, default: str = "") -> Any:
    """A stage's union of dataclasses, told apart by `key`, which may be left out for `default`."""

    def kind(value: Any) -> Any:
        tag = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
        return tag or default

    kind.__name__ = key  # what errors call it

    tagged = [
        Annotated[member, Tag(get_args(get_type_hints(member)[key])[0])]
        for member in get_args(union) or (union,)
    ]
    if len(tagged) == 1:
        return tagged[0]
    return Annotated[Union[tuple(tagged)], Discriminator(kind)]  # noqa: UP007 - made at run time


_Blend: Any = _kinds(Blend, "blend", "linear")


class Project(Section):
    """A project file, checked; made by `load`."""

    _base: Path = PrivateAttr(default=Path())
    _document: Document = PrivateAttr(default_factory=lambda: Document(""))
    roll: RollSection
    mission: MissionSection = MissionSection()
    timecode: Annotated[
        Literal["mm:ss:ff", "hh:mm:ss"] | None,
        Field(description="How three-field video times are meant."),
    ] = None
    schedule: ScheduleSection
    retime: Annotated[
        Annotated[_Blend, Tag("one")] | Annotated[tuple[_Blend, ...], Tag("several")],
        Discriminator(lambda value: "several" if isinstance(value, list | tuple) else "one"),
        Field(description="How stills become frames; or a list of that, each with from when on."),
    ] = Linear()
    output: _kinds(Format, "format", "h264") = H264()  # type: ignore[valid-type]
    sound: SoundSection | None = None
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[_kinds(Overlay, "kind"), ...] = ()  # type: ignore[valid-type]

    @property
    def written(self) -> tuple[Any, Path]:
        """What the project file says, as plain lists, maps and texts, and where its paths start."""
        return self._document.data, self._base

    def scan(self, progress: Callable[[int, int], None] | None = None) -> Roll:
        """Scans the roll of this project, and looks at its stills where `roll` says what becomes
        of bad ones; raises RollError, or ProjectError where what is said of the clocks cannot be
        meant for these stills."""
        if self.looks:
            return self.inspect(progress).roll
        return self._scanned(progress)[0]

    @property
    def looks(self) -> bool:
        """Whether the project asks for a look at every still."""
        return self.roll.bad is not None or self.roll.damaged == "accept"

    def inspect(self, progress: Callable[[int, int], None] | None = None) -> Inspection:
        """Scans the roll of this project and looks at every still; raises as `scan` does."""
        policies = self.roll.bad or Policies()
        roll, where = self._scanned(progress)
        return inspect(
            roll,
            policies if isinstance(policies, Policies) else Policies.all(policies),
            damaged=self.roll.damaged == "accept",
            remember=where,
            progress=progress,
        )

    def _scanned(self, progress: Callable[[int, int], None] | None) -> tuple[Roll, Path]:
        """The roll as it was taken, and where it is."""
        stills = Path(self.roll.stills).expanduser()
        where = self._base / stills
        if not where.exists() and has_magic(str(stills)):
            where = Path(escape(str(self._base))) / stills
        with self._placed("roll", "clock"):
            roll = scan(
                where,
                self.roll.clocks(self._base, self.mission.epoch),
                exclude=self.roll.exclude,
                limits=self.roll.limits,
                damaged=self.roll.damaged == "accept",
                progress=progress,
            )
        return roll, where

    def job(self, roll: Roll | None = None) -> Job:
        """Plans the film of this project from its roll, which is scanned here where not given.

        Raises RollError, or ProjectError at the place of a time, speed or text that cannot be
        meant for this roll.
        """
        roll = roll or self.scan()
        output = cast(Format, self.output)
        epoch = self.mission.epoch or roll.first

        def still(name: str) -> CaptureTime:
            return roll.find(name).captured

        context = Context(output.rate, None, self.timecode, still)
        blends = self._blends
        with self._placed("retime"):
            gaps = treated(roll, blends[0].gaps, blends[0].gap_at, context, epoch)
        schedule = self.schedule.schedule(
            roll, context, epoch, self._placed, base=self._base, gaps=cuts_of(roll, gaps, epoch)
        )
        timeline = Timeline(schedule, output.rate, epoch, self.timecode, still)
        size = output.size or natural_size(roll.sizes)
        framing = Framing(size, output.fit)
        with self._placed("retime", "model"):
            for blend in blends:
                if isinstance(blend, Flow):
                    model_made_as(blend.model)
        with self._placed("schedule"):
            plan = make_plan(roll, timeline, blends)
        job = Job(
            plan,
            framing,
            tuple(self._rooted(milestone) for milestone in self.milestones),
            tuple(self._rooted(overlay) for overlay in self.overlays),
            output,
            self.mission.name,
            sound=self._sound(),
            notes=tuple(_framing_notes(roll, framing)),
        )
        self._check_layers(job)
        return job

    @property
    def _blends(self) -> tuple[Blend, ...]:
        return self.retime if isinstance(self.retime, tuple) else (self.retime,)

    @model_validator(mode="after")
    def _check(self) -> Project:
        several = self._blends
        if not several:
            raise ValueError("retime: the list is empty")
        whole = ("gaps", "gap_at", "light", "dither", "stands")
        for blend in several[1:]:
            default = type(blend)()
            for name in whole:
                if getattr(blend, name) not in (getattr(default, name), getattr(several[0], name)):
                    raise ValueError(f"retime: {name} is for the whole clip; say it first")
        return self

    def _check_layers(self, job: Job) -> None:
        """Finds the place of a time that cannot be read and of a text that cannot be drawn."""
        timeline, size = job.plan.timeline, job.framing.size
        for number, milestone in enumerate(job.milestones):
            with self._placed("milestones", number, "at"):
                milestone.at.resolve(timeline.context)
            with self._placed("milestones", number):
                Compositor(cues([milestone], [], timeline), size)
        for number, overlay in enumerate(job.overlays):
            with self._placed("overlays", number):
                Compositor(cues([], [overlay], timeline), size)
        job.compositor()

    @contextmanager
    def _placed(self, *path: str | int) -> Iterator[None]:
        """Tells errors of planning with the place in the project file that they come from."""
        try:
            yield
        except (TimeError, PlanError, ProjectError, EncodeError) as error:
            kind = type(error) if isinstance(error, ProjectError) else ProjectError
            raise kind(line(self._document.place(path), path, str(error))) from error

    def _sound(self) -> Sound | None:
        if self.sound is None:
            return None
        with self._placed("sound", "file"):
            return Sound.of(self._base / Path(self.sound.file).expanduser())

    def _rooted(self, layer: Any) -> Any:
        """A layer whose font files are sought beside the project file."""
        return dataclasses.replace(layer, style=layer.style.beside(self._base))


def _framing_notes(roll: Roll, framing: Framing) -> Iterator[str]:
    for still, count in roll.sizes.items():
        across, down = framing.scaled(still)
        name = f"{count} still{'s' * (count != 1)} of {still[0]}x{still[1]}"
        if across < framing.size.width or down < framing.size.height:
            yield f"{name} shown with black bars; output.fit: crop fills the frame"
        elif across > framing.size.width + 1 or down > framing.size.height + 1:
            yield f"{name} cut at the edges"
        if across > still[0]:
            yield f"{name} enlarged"


def load(
    source: str | Path | None, settings: Iterable[tuple[str, str | None, str]] = ()
) -> Project:
    """Reads and checks a project file; its paths start from its folder.

    `settings` are (dotted path, value as YAML or None to take away, origin), put over what the
    file says; without a file they are the project.  Raises ProjectError with a line a mistake,
    RollError where the file cannot be read.
    """
    document = Document(str(source) if source else "")
    base = Path()
    if source is not None:
        source = Path(source)
        try:
            text = source.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise RollError(f"{source}: the project cannot be read: {why}") from error
        document, base = read_yaml(text, str(source)), source.parent
    return of_document(document, base, settings)


def of_document(
    document: Document, base: Path, settings: Iterable[tuple[str, str | None, str]] = ()
) -> Project:
    """A project from what was read of it; raises as `load` does."""
    for path, value, origin in settings:
        _make_way(document, path)
        put(document, path, None if value is None else read_yaml(value, origin).data, origin)
    if not isinstance(document.data, dict):
        raise ProjectError(f"{document.name}: a project has sections such as roll: and schedule:")
    try:
        project = Project.model_validate(document.data)
    except ValidationError as error:
        lines = dict.fromkeys(explain(mistake, document, Project) for mistake in error.errors())
        raise ProjectError("\n".join(sorted(lines, key=natural))) from None
    project._base, project._document = base, document
    return project


def _make_way(document: Document, path: str) -> None:
    """A speed set from outside takes the place of what the file says of it; a duration, also that
    of an end on the video clock."""
    section, _, key = path.partition(".")
    schedule = document.data.get(section) if isinstance(document.data, dict) else None
    if section != "schedule" or key not in PACES or not isinstance(schedule, dict):
        return
    for other in (*PACES, "limits"):
        if key != "anchors" or other not in ("limits", "duration"):  # these may stand beside them
            schedule.pop(other, None)
    if key == "duration" and isinstance(schedule.get("to"), str):
        with suppress(TimeError):
            if Instant.read(schedule["to"]).on_video_clock:
                del schedule["to"]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of project files, for editors."""
    schema = json.loads(json.dumps(Project.model_json_schema(), default=str))
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | cast(dict[str, Any], _any_of(schema))


def _any_of(schema: Any) -> Any:
    """`oneOf` would refuse a union whose telling key is left out, as it may be here."""
    if isinstance(schema, dict):
        return {("anyOf" if k == "oneOf" else k): _any_of(v) for k, v in schema.items()}
    return [_any_of(item) for item in schema] if isinstance(schema, list) else schema
