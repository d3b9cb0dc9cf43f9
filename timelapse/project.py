"""The project file: what a person writes, checked once and turned into a `Job`.

pydantic checks; the values are the stages' own types (see `notation`), the kinds of blend, format
and overlay are the stages' own dataclasses, so that a new one needs no word here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from glob import escape, has_magic
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from timelapse.deliver import H264, Format
from timelapse.delivery import Output, entries, settled
from timelapse.errors import EncodeError, PlanError, ProjectError, RollError, TimeError
from timelapse.framed import framed
from timelapse.grade import (
    COMFORTABLE,
    Deflicker,
    Reframing,
)
from timelapse.gradesection import Developed, GradeSection
from timelapse.ingest import (
    Inspection,
    Policies,
    Roll,
    inspect,
    natural,
    scan,
)
from timelapse.mistakes import explain, line
from timelapse.notation import did_you_mean
from timelapse.overlay import (
    THEMES,
    Compositor,
    Group,
    Milestone,
    Overlay,
    Safe,
    ThemeName,
    Theming,
    beside,
    in_language,
)
from timelapse.pacing import PACES, ScheduleSection
from timelapse.render import Dress, Job
from timelapse.retime import (
    Blend,
    Flow,
    Linear,
    Plan,
    Timeline,
    make_plan,
    model_made_as,
    treated,
)
from timelapse.retime import cuts as cuts_of
from timelapse.rollsection import RollSection
from timelapse.section import Section, kinds
from timelapse.soundsection import SoundSection
from timelapse.times import CaptureTime, Rate
from timelapse.written import Context, Instant
from timelapse.yamlfile import Document, put, read_yaml


class MissionSection(Section):
    """What is shown, and the instant that mission times count from."""

    name: str = ""
    epoch: Annotated[
        CaptureTime | None, Field(description="Lift-off; the first still where not given.")
    ] = None


_Blend: Any = kinds(Blend, "blend", "linear")


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
    framing: Annotated[
        Reframing, Field(description="How stills are turned and cut, and how a camera moves.")
    ] = Reframing()
    output: kinds(Format, "format", "h264") = H264()  # type: ignore[valid-type]
    outputs: Annotated[
        tuple[Output, ...],
        Field(description="Several films of one pass over the stills, instead of `output`."),
    ] = ()
    sound: SoundSection | None = None
    grade: Annotated[
        GradeSection, Field(examples=[{"hot_pixels": "auto", "deflicker": "15 s"}])
    ] = GradeSection()
    theme: Annotated[
        Annotated[ThemeName, Tag("name")] | Annotated[Theming, Tag("own")],
        Discriminator(lambda value: "name" if isinstance(value, str) else "own"),
        Field(description="How overlays look: a theme's name, or one of the project's own."),
    ] = "plain"
    safe: Annotated[Safe, Field(description="What overlays keep free of the frame's edges.")] = (
        Safe()
    )
    groups: Annotated[
        dict[str, Group], Field(description="Overlays that are shown, faded and stacked as one.")
    ] = {}  # noqa: RUF012
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[kinds(Overlay, "kind"), ...] = ()  # type: ignore[valid-type]

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
        where = self._source
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

    @property
    def _source(self) -> Path:
        """The name that the roll is scanned by."""
        stills = Path(self.roll.stills).expanduser()
        where = self._base / stills
        if not where.exists() and has_magic(str(stills)):
            where = Path(escape(str(self._base))) / stills
        return where

    def job(self, roll: Roll | None = None, developed: Developed | None = None) -> Job:
        """Plans the film of `output` from its roll, which is scanned here where not given; so is
        what its sidecars ask for.

        Raises RollError, or ProjectError at the place of a time, speed or text that cannot be
        meant for this roll.
        """
        roll = roll or self.scan()
        developed = developed or self._developed(roll)
        return self._job(roll, developed, cast(Format, self.output), ("output",))

    def jobs(self, roll: Roll | None = None) -> tuple[tuple[str, Job], ...]:
        """Plans the films of `outputs`, each with its name, those of one rate by one plan; where
        there are none, the film of `output`, whose name is empty.  Raises as `job` does."""
        roll, plans = roll or self.scan(), dict[Rate, Plan]()
        developed, jobs = self._developed(roll), []
        for number, output in enumerate(self.outputs):
            rate, where = output.format.rate, ("outputs", number)
            job = self._job(roll, developed, output.format, where, output.within, plans.get(rate))
            plans[rate] = job.plan
            jobs.append((output.name, job))
        return tuple(jobs) or (("", self.job(roll, developed)),)

    def _developed(self, roll: Roll) -> Developed:
        return self.grade.developed(roll, self.framing.pose)

    def _plan(self, roll: Roll, rate: Rate) -> Plan:
        epoch, blends = self.mission.epoch or roll.first, self._blends

        def still(name: str) -> CaptureTime:
            return roll.find(name).captured

        context = Context(rate, None, self.timecode, still)
        with self._placed("retime"):
            gaps = treated(roll, blends[0].gaps, blends[0].gap_at, context, epoch)
        schedule = self.schedule.schedule(
            roll, context, epoch, self._placed, base=self._base, gaps=cuts_of(roll, gaps, epoch)
        )
        timeline = Timeline(schedule, rate, epoch, self.timecode, still)
        with self._placed("retime", "model"):
            for blend in blends:
                if isinstance(blend, Flow):
                    model_made_as(blend.model)
        with self._placed("schedule"):
            return make_plan(roll, timeline, blends)

    def _job(
        self,
        roll: Roll,
        developed: Developed,
        output: Format,
        where: tuple[str | int, ...],
        within: tuple[int, int] = COMFORTABLE,
        plan: Plan | None = None,
    ) -> Job:
        """The film of an output, which the project has at the path `where`; `within` is the box for
        the stills' own shape where no size is given."""
        plan = plan or self._plan(roll, output.rate)
        timeline = plan.timeline
        with self._placed(*where, "burn"):
            output = settled(output, roll)
        develop, told = developed
        framing, crops = framed(
            self.framing, roll, develop, timeline, output, within, where, self._placed
        )
        grade = self.grade.grade(self._base, roll, timeline, self._placed)
        stops = {at: asked.stops for at, asked in develop.items() if asked.stops}
        tone, toning = self.grade.toning(self._base, timeline, self._placed)
        section = self.sound
        sound = section.sound(self._base, timeline, self._placed) if section else None
        heard = sound.notes(plan.frames / Fraction(output.rate)) if sound else ()
        job = Job(
            plan,
            framing,
            tuple(beside(milestone, self._base) for milestone in self.milestones),
            tuple(beside(overlay, self._base) for overlay in self.overlays),
            output,
            self.mission.name,
            sound=sound,
            notes=(*told, *self.grade.notes(timeline), *framing.notes(roll.sizes), *heard),
            dress=self._dress,
            grade=dataclasses.replace(grade, stops=stops, crops=crops),
            develop=develop,
            tone=tone,
            toning=toning,
            source=self._source,
        )
        self._check_layers(job)
        return job

    def deflicker(self, roll: Roll) -> Deflicker | None:
        """How the flicker of a roll is taken out, where that is asked for; an area that moves does
        so in the first clip that this project makes of the roll.  Raises ProjectError."""
        output = self.outputs[0].format if self.outputs else cast(Format, self.output)

        def timeline() -> Timeline:
            return self._plan(roll, output.rate).timeline

        return self.grade.deflickering(roll, timeline, self._placed)

    @property
    def _blends(self) -> tuple[Blend, ...]:
        return self.retime if isinstance(self.retime, tuple) else (self.retime,)

    @model_validator(mode="before")
    @classmethod
    def _whole_outputs(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "outputs" not in data:
            return data
        return {**data, "outputs": entries(data["outputs"], data.get("output"))}

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
        names = [output.name.lower() for output in self.outputs]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"outputs: two are named {twice}; give each a name: of its own")
        return self

    def _check_layers(self, job: Job) -> None:
        """Finds the place of a time that cannot be read and of a text that cannot be drawn."""
        timeline = job.plan.timeline
        for number, milestone in enumerate(job.milestones):
            with self._placed("milestones", number, "at"):
                milestone.at.resolve(timeline.context)
        bare = dataclasses.replace(job, milestones=(), overlays=())
        for language in job.languages or ("",):
            for name in ("milestones", "overlays"):
                for number, layer in enumerate(getattr(job, name)):
                    with self._placed(name, number):
                        if layer.group and layer.group not in self.groups:
                            raise ProjectError(
                                f"group: {layer.group!r} is not one of groups:"
                                + did_you_mean(layer.group, self.groups)
                            )
                        alone: Any = {name: (in_language(layer, language),)}
                        one = dataclasses.replace(bare, **alone)
                        Compositor(one.cues, job.framing.size)
            (job.in_language(language) if language else job).compositor()

    @contextmanager
    def _placed(self, *path: str | int) -> Iterator[None]:
        """Tells errors of planning with the place in the project file that they come from."""
        try:
            yield
        except (TimeError, PlanError, ProjectError, EncodeError) as error:
            kind = type(error) if isinstance(error, ProjectError) else ProjectError
            raise kind(line(self._document.place(path), path, str(error))) from error

    @property
    def _dress(self) -> Dress:
        theme = THEMES[self.theme] if isinstance(self.theme, str) else self.theme.theme
        return Dress(theme.beside(self._base), self.safe, self.groups)


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
