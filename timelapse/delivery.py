"""Where films go: presets by name, and the `outputs:` of a project, of one pass over the stills.

    outputs:
      - web
      - {deliver: vertical, focus: 40 % 50 %}
      - {name: small, format: h264, limit: 25 MB}

An entry says what `output:` may say; what it leaves out is as its preset has it, else as `output:`
has it, as far as its format knows of it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast, get_args

from pydantic import Field, GetJsonSchemaHandler, field_validator

from timelapse.deliver import H264, Format
from timelapse.errors import EncodeError
from timelapse.grade import COMFORTABLE
from timelapse.ingest import Roll
from timelapse.notation import did_you_mean
from timelapse.section import Section, kinds

_NAME = re.compile(r"[\w][\w.+-]{0,63}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Delivery:
    """A preset: what `output:` would say, and the box that the stills' own shape is brought into
    where no size is said."""

    what: str
    says: Mapping[str, str]
    within: tuple[int, int] | None = None


DELIVERIES = {
    "web": Delivery("H.264 within 1920x1080: plays everywhere", {"format": "h264"}, (1920, 1080)),
    "4k": Delivery("HEVC within 3840x2160, never enlarged", {"format": "hevc"}, (3840, 2160)),
    "vertical": Delivery(
        "H.264 of 1080x1920, filled: stories and shorts",
        {"format": "h264", "size": "1080x1920", "fit": "crop"},
    ),
    "square": Delivery(
        "H.264 of 1080x1080, filled", {"format": "h264", "size": "1080x1080", "fit": "crop"}
    ),
    "master": Delivery("ProRes in 10 bits, for an editor", {"format": "prores"}),
}

_Format: Any = kinds(Format, "format", "h264")


class Output(Section):
    """A film of its own, from the same pass over the stills: a preset's name alone, or `name` (of
    its file: OUT-NAME), `deliver` (a preset) and whatever `output` may say."""

    name: Annotated[str, Field(description="Part of the file's name: OUT-NAME.")]
    deliver: Annotated[str, Field(description="A preset that the rest is put over.")] = ""
    to: _Format = H264()

    @field_validator("deliver")
    @classmethod
    def _known(cls, deliver: str) -> str:
        if deliver and deliver not in DELIVERIES:
            known = ", ".join(DELIVERIES)
            hint = did_you_mean(deliver, DELIVERIES) or f"; there are {known}"
            raise ValueError(f"{deliver!r} is no delivery{hint}")
        return deliver

    @field_validator("name")
    @classmethod
    def _fits_a_file(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a file's name; use letters, digits and -")
        return name

    @property
    def format(self) -> Format:
        return cast(Format, self.to)

    @property
    def within(self) -> tuple[int, int]:
        """The box for the stills' own shape, where no size is given."""
        preset = DELIVERIES.get(self.deliver)
        return preset.within if preset and preset.within else COMFORTABLE

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        """As it is written: all keys on one level, or a preset's name alone."""
        own = handler.resolve_ref_schema(handler(schema))
        own["properties"].pop("to")
        own["properties"]["deliver"] |= {"enum": list(DELIVERIES)}
        own.pop("required", None)
        for key in sorted(_keys()):
            own["properties"].setdefault(key, {"description": "As `output` has it."})
        return {"anyOf": [{"enum": list(DELIVERIES)}, own]}


def entries(outputs: Any, output: Any) -> Any:
    """What a project says of `outputs` and `output`, as `Output` reads it; what is no list, map or
    name is left for the checks to find."""
    if not isinstance(outputs, list | tuple):
        return outputs
    usual = output if isinstance(output, dict) else {}
    return [_entry(entry, usual) for entry in outputs]


def _entry(entry: Any, usual: dict[str, Any]) -> Any:
    if isinstance(entry, str):
        entry = {"deliver": entry}
    if not isinstance(entry, dict):
        return entry
    said = {key: value for key, value in entry.items() if key not in ("name", "deliver")}
    deliver = str(entry.get("deliver") or "")
    preset = DELIVERIES.get(deliver, Delivery("", {}))
    kind = said.get("format") or preset.says.get("format") or usual.get("format") or "h264"
    same = kind == (usual.get("format") or "h264")
    known = _keys(str(kind)) if same else _keys(str(kind)) & _common()
    inherited = {key: value for key, value in usual.items() if key in known or key not in _keys()}
    if preset.within or "size" in preset.says:
        inherited.pop("size", None)
    for owner in (inherited, preset.says):
        # A preset's own fields are of use to its own format alone.
        inherited |= {k: v for k, v in owner.items() if k in _keys(str(kind)) or k == "format"}
    name = str(entry.get("name") or deliver or kind)
    return {"name": name, "deliver": deliver, "to": {**inherited, **said, "format": kind}}


def settled(format: Format, roll: Roll) -> Format:
    """A format as it is for a roll: as deep as its stills deserve, and with an alpha channel where
    overlays are alone.  Raises EncodeError where it has none."""
    format = format.settled(any(still.bits > 8 for still in roll.stills))
    if format.burn == "alone" and not format.alpha:
        given: dict[str, Any] = {"alpha": True}
        if format.format == "prores":
            given["profile"] = format.profile if format.profile == "xq" else "4444"
        if "alpha" not in _keys(format.format):
            raise EncodeError(
                f"{format.format} has no alpha channel for overlays alone; formats that have one "
                "are prores, vp9, webp and png"
            )
        return cast(Format, dataclasses.replace(cast(Any, format), **given))
    if format.alpha and format.burn != "alone":
        raise EncodeError("stills are opaque: leave out alpha, or say burn: alone for overlays")
    return format


@cache
def _keys(kind: str = "") -> frozenset[str]:
    """What a format's section may say; without one, what that of any may."""
    found = [
        frozenset(field.name for field in dataclasses.fields(one))
        for one in get_args(Format) or (Format,)
        if kind in ("", _tag(one))
    ]
    return frozenset().union(*found)


def foreign(kind: str) -> frozenset[str]:
    """What other formats' sections may say, and that of this format may not; nothing of a format
    that is not known."""
    return _keys() - _keys(kind) if _keys(kind) else frozenset()


@cache
def _common() -> frozenset[str]:
    """What every format's section may say."""
    return frozenset.intersection(*(_keys(_tag(one)) for one in get_args(Format) or (Format,)))


def _tag(format: Any) -> str:
    return str(next(f.default for f in dataclasses.fields(format) if f.name == "format"))


def file_of(out: Path, format: Format, name: str = "", language: str = "") -> Path:
    """What one of several films is called after `out`: OUT-NAME.LANGUAGE, with an ending of its
    format."""
    said, known = out.suffix.lower(), format.endings
    if format.alpha and not format.folder:
        known = (format.part_ending,)  # other containers lose the alpha
    stem = out.name.removesuffix(out.suffix) if said in _endings() else out.name
    ending = out.suffix if said in known else known[0]
    parts = [f"{stem}-{name}" if name else stem, *([language] if language else [])]
    return out.with_name(".".join(parts) + ending)


@cache
def _endings() -> frozenset[str]:
    formats: tuple[Any, ...] = get_args(Format) or (Format,)
    return frozenset(ending for format in formats for ending in format.endings if ending)
