"""The project file: what a person writes, checked once and turned into a `Job`.

pydantic checks; the values are the stages' own types (see `notation`), the kinds of blend, format
and overlay are the stages' own dataclasses, so that a new one needs no word here.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    model_validator,
)

from timelapse.deliver import H264, Format
from timelapse.errors import ProjectError, RollError, TimeError
from timelapse.grade import Framing, natural_size
from timelapse.ingest import Clocks, Roll, TimeSource, natural, scan
from timelapse.notation import did_you_mean
from timelapse.overlay import Milestone, Overlay
from timelapse.render import Job
from timelapse.retime import (
    Blend,
    Ease,
    Linear,
    Schedule,
    SpeedKey,
    Timeline,
    constant,
    eased,
    lasting,
    make_plan,
)
from timelapse.times import (
    AnyTime,
    CaptureTime,
    MissionTime,
    Seconds,
    Speed,
    VideoTime,
    read_utc_offset,
)
from timelapse.written import Context, Instant
from timelapse.yamlfile import Document, dotted, put, read_yaml


class UtcOffset(Seconds):
    """A camera's UTC offset: `+02:00` or `Z`."""

    examples: tuple[str, ...] = ("Z", "+02:00")

    @classmethod
    def read(cls, text: str) -> UtcOffset:
        return cls(read_utc_offset(text))


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RollSection(_Section):
    """Which stills, and what is known of the cameras' clocks."""

    stills: Annotated[str, Field(description="A folder, glob, list (.txt) or zip of stills.")]
    clock: Annotated[
        Seconds | dict[str, Seconds],
        Field(description="Added to what the camera wrote; or by camera or file pattern."),
    ] = Seconds(0)
    utc_offset: UtcOffset | None = None
    interval: Annotated[
        Seconds | None, Field(description="The cadence of stills that carry no time.")
    ] = None
    start: CaptureTime | None = None
    time_from: TimeSource | None = None
    exclude: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> RollSection:
        if self.interval is not None and self.interval <= 0:
            raise ValueError("interval has to be above zero")
        if self.time_from is TimeSource.INTERVAL and self.interval is None:
            raise ValueError("time_from: interval needs an interval beside it")
        return self

    def clocks(self) -> Clocks:
        by_camera = self.clock if isinstance(self.clock, dict) else {"*": self.clock}
        return Clocks(by_camera, self.utc_offset, self.interval, self.start, self.time_from)


class MissionSection(_Section):
    """What is shown, and the instant that mission times count from."""

    name: str = ""
    epoch: Annotated[
        CaptureTime | None, Field(description="Lift-off; the first still where not given.")
    ] = None


class SpeedEntry(_Section):
    """From `at` on the speed is `speed`; `ease` is the way there from the entry before."""

    at: Instant
    speed: Speed
    ease: Ease = "smooth"


class ScheduleSection(_Section):
    """What is shown at what speed: exactly one of `speed`, `duration` and `speeds`."""

    from_: Annotated[Instant | None, Field(alias="from")] = None
    to: Instant | None = None
    speed: Speed | None = None
    duration: Seconds | None = None
    speeds: tuple[SpeedEntry, ...] | None = None

    @model_validator(mode="after")
    def _check(self) -> ScheduleSection:
        given = [name for name in ("speed", "duration", "speeds") if getattr(self, name)]
        if len(given) != 1:
            what = "none is" if not given else " and ".join(given) + " are"
            raise ValueError(f"give one of speed, duration and speeds ({what} given)")
        return self

    def schedule(self, roll: Roll, epoch: CaptureTime, context: Context) -> Schedule:
        """Raises ProjectError, TimeError or PlanError."""

        def mission(time: AnyTime, key: str) -> MissionTime:
            if isinstance(time, VideoTime):
                raise TimeError(f"schedule.{key} needs a mission or capture time, not {time}")
            return time.since(epoch) if isinstance(time, CaptureTime) else time

        def resolve(instant: Instant | None, otherwise: CaptureTime) -> AnyTime:
            return instant.resolve(context).time if instant else otherwise

        start = mission(resolve(self.from_, roll.first), "from")
        end = resolve(self.to, roll.end)
        if self.speeds:
            on_video = isinstance(end, VideoTime)
            keys = []
            for entry in self.speeds:
                at = entry.at.resolve(context).time
                when = at if isinstance(at, VideoTime) else mission(at, "speeds")
                keys.append(SpeedKey(when, entry.speed, entry.ease))
            return eased(keys, start, cast(VideoTime, end) if on_video else mission(end, "to"))
        if isinstance(end, VideoTime):
            if self.speed is None:
                raise TimeError("schedule.to on the video clock is the duration; give one of them")
            return eased([SpeedKey(start, self.speed)], start, end)
        if self.duration is not None:
            return lasting(self.duration, start, mission(end, "to"))
        return constant(cast(Speed, self.speed), start, mission(end, "to"))


def _kinds(union: Any, key: str, default: str = "") -> Any:
    """A stage's union of dataclasses, told apart by `key`, which may be left out for `default`."""

    def kind(value: Any) -> Any:
        return value.get(key, default) if isinstance(value, dict) else getattr(value, key, default)

    kind.__name__ = key  # what errors call it

    tagged = [
        Annotated[member, Tag(get_args(get_type_hints(member)[key])[0])]
        for member in get_args(union) or (union,)
    ]
    if len(tagged) == 1:
        return tagged[0]
    return Annotated[Union[tuple(tagged)], Discriminator(kind)]  # noqa: UP007 - made at run time


class Project(_Section):
    """A project file, checked; made by `load`."""

    _base: Path = PrivateAttr(default=Path())
    roll: RollSection
    mission: MissionSection = MissionSection()
    timecode: Annotated[
        Literal["mm:ss:ff", "hh:mm:ss"] | None,
        Field(description="How three-field video times are meant."),
    ] = None
    schedule: ScheduleSection
    retime: _kinds(Blend, "blend", "linear") = Linear()  # type: ignore[valid-type]
    output: _kinds(Format, "format", "h264") = H264()  # type: ignore[valid-type]
    milestones: tuple[Milestone, ...] = ()
    overlays: tuple[_kinds(Overlay, "kind"), ...] = ()  # type: ignore[valid-type]

    def scan(self, progress: Callable[[int, int], None] | None = None) -> Roll:
        """Scans the roll of this project; raises RollError."""
        where = self._base / Path(self.roll.stills).expanduser()
        return scan(where, self.roll.clocks(), exclude=self.roll.exclude, progress=progress)

    def job(self, roll: Roll | None = None) -> Job:
        """Plans the film of this project from its roll (scanned here where not given); raises
        what scanning and planning raise."""
        roll = roll or self.scan()
        output = cast(Format, self.output)
        epoch = self.mission.epoch or roll.first

        def still(name: str) -> CaptureTime:
            return roll.find(name).captured

        context = Context(output.rate, None, self.timecode, still)
        schedule = self.schedule.schedule(roll, epoch, context)
        timeline = Timeline(schedule, output.rate, epoch, self.timecode, still)
        size = output.size or natural_size(roll.sizes)
        framing = Framing(size, output.fit)
        return Job(
            make_plan(roll, timeline, cast(Blend, self.retime)),
            framing,
            tuple(self._rooted(milestone) for milestone in self.milestones),
            tuple(self._rooted(overlay) for overlay in self.overlays),
            output,
            self.mission.name,
            notes=tuple(_framing_notes(roll, framing)),
        )

    def _rooted(self, layer: Any) -> Any:
        """A layer whose font files are sought beside the project file."""
        return dataclasses.replace(layer, style=layer.style.beside(self._base))


def _framing_notes(roll: Roll, framing: Framing) -> Iterator[str]:
    for still, count in roll.sizes.items():
        across, down = framing.scaled(still)
        name = f"{count} stills of {still[0]}x{still[1]}"
        if across < framing.size.width or down < framing.size.height:
            yield f"{name} are shown with black bars; output.fit: crop fills the frame"
        elif across > framing.size.width + 1 or down > framing.size.height + 1:
            yield f"{name} are cut at their edges"
        if across > still[0]:
            yield f"{name} are enlarged"


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
    for path, value, origin in settings:
        put(document, path, None if value is None else read_yaml(value, origin).data, origin)
    if not isinstance(document.data, dict):
        raise ProjectError(f"{document.name}: a project has sections such as roll: and schedule:")
    try:
        project = Project.model_validate(document.data)
    except ValidationError as error:
        lines = dict.fromkeys(_explain(mistake, document) for mistake in error.errors())
        raise ProjectError("\n".join(sorted(lines, key=natural))) from None
    project._base = base
    return project


# ------------------------------------------------------------------ mistakes, told well


def _explain(mistake: Any, document: Document) -> str:
    """One mistake as ``file:line:col: path: what; did you mean ...?``."""
    loc, kind, context = mistake["loc"], mistake["type"], mistake.get("ctx", {})
    path = _in_document(loc, document.data)
    place, words = document.place(path), mistake["msg"].removeprefix("Value error, ")
    known = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags"))))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        place = document.place(path, key=True)
        words = "unknown key" + did_you_mean(str(loc[-1]), _keys(loc[:-1]))
    elif kind == "missing":
        words = f"needs {loc[-1]}"
    elif kind == "union_tag_invalid":
        key = context["discriminator"].removesuffix("()")
        path = _in_document((*path, key), document.data)
        place, tag = document.place(path), context["tag"]
        words = f"{tag!r} is not known; one of {', '.join(known)}" + did_you_mean(tag, known)
        words = words if tag else f"needs {key}: one of {', '.join(known)}"
    elif kind in ("literal_error", "enum"):
        wrong = str(mistake["input"])
        words = f"{wrong!r} is not known; one of {', '.join(known)}" + did_you_mean(wrong, known)
    elif kind in ("model_type", "dataclass_type", "tuple_type", "dict_type"):
        words = "a list is wanted here" if kind == "tuple_type" else "keys are wanted below it"
    return f"{place}: {dotted(path)}: {words}" if path else f"{place}: {words}"


def _in_document(loc: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that is the file's: without the names of union members."""
    path: list[str | int] = []
    for step in loc:
        inside = isinstance(data, dict) and step in data
        if inside or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            data = data[step]
            path.append(step)
    return tuple(path)


def _keys(loc: tuple[str | int, ...]) -> set[str]:
    """The keys that a project may have at a location of pydantic's."""
    holders: list[Any] = [Project]
    for step in loc:
        if not isinstance(step, int):
            holders = [
                inner
                for holder in holders
                for inner in (
                    _structures(_fields(holder)[step])
                    if step in _fields(holder)
                    else [holder] * any(step in get_args(hint) for hint in _fields(holder).values())
                )
            ]
    return {key for holder in holders for key in _fields(holder)}


def _fields(holder: Any) -> dict[str, Any]:
    if issubclass(holder, BaseModel):
        return {info.alias or name: info.annotation for name, info in holder.model_fields.items()}
    return get_type_hints(holder)


def _structures(annotation: Any) -> list[Any]:
    """The models and dataclasses in an annotation, however deep."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        holds = issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
        return [annotation] if holds else []
    return [found for inner in get_args(annotation) for found in _structures(inner)]


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
