"""Mistakes in a project file, told with file, line, column and a suggestion."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from timelapse.notation import did_you_mean
from timelapse.yamlfile import Document, dotted

#: pydantic's kinds of mistakes that need plainer words than its own.
_PLAIN_WORDS = {
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "string_type": "text is wanted (in quotes, where it holds a colon)",
    "bool_parsing": "true or false is wanted",
    "float_parsing": "a number is wanted",
    "float_type": "a number is wanted",
    "path_type": "a path is wanted",
}


def explain(mistake: Any, document: Document, model: type[BaseModel]) -> str:
    """One mistake as ``file:line:col: path: what; did you mean ...?``."""
    loc, kind, context = mistake["loc"], mistake["type"], mistake.get("ctx", {})
    path = _in_document(loc, document.data)
    place, words = document.place(path), mistake["msg"].removeprefix("Value error, ")
    known = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags"))))
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        place = document.place(path, key=True)
        words = "unknown key" + did_you_mean(str(loc[-1]), _keys(loc[:-1], model))
    elif kind == "missing" and isinstance(loc[-1], int):
        words = "too few values" + _unwrapped(_at(document.data, path))
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
    elif kind in _PLAIN_WORDS:
        words = f"{_PLAIN_WORDS[kind]}, not {mistake['input']!r}" + _as_number(mistake["input"])
    elif kind == "tuple_type":
        words = "a list is wanted here"
        if bare := _bare(_at(document.data, path[:-1])):
            path = path[:-1]
            place, words = document.place(path), f"a list of lists is wanted; write [{bare}]"
    elif kind in ("model_type", "dataclass_type", "dict_type"):
        words = "keys are wanted below it" + _instead(mistake["input"], loc, model)
    return line(place, path, words)


def line(place: str, path: tuple[str | int, ...], words: str) -> str:
    return ": ".join(filter(None, [place, dotted(path), words]))


def _as_number(written: Any) -> str:
    """What to write for a percentage, where a number is wanted."""
    found = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", str(written))
    return f"; write {float(found[1]) / 100:g}" if found else ""


def _bare(values: Any) -> str:
    """A list of single values, as it is written; empty for what is none."""
    if not isinstance(values, list) or any(isinstance(value, list | dict) for value in values):
        return ""
    return f"[{', '.join(map(str, values))}]"


def _unwrapped(values: Any) -> str:
    """What to write, where a list stands in a list alone."""
    bare = _bare(values[0]) if isinstance(values, list) and len(values) == 1 else ""
    return f"; write {bare}" if bare else ""


def _instead(written: Any, loc: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """What stands where keys are wanted, an example, and which keys there are."""
    words = f", not {written!r}" if isinstance(written, str) else ""
    for holder in _holders(loc[:-1], model):
        info = holder.model_fields.get(loc[-1]) if issubclass(holder, BaseModel) else None
        for example in info.examples or () if info else ():
            inside = ", ".join(f"{key}: {value}" for key, value in example.items())
            words += f"; write, for instance, {loc[-1]}: {{{inside}}}"
    known = [key for holder in _holders(loc, model) for key in _fields(holder)]
    return f"{words}; there are {', '.join(known)}" if known else words


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    """What a document has at a path."""
    for step in path:
        data = data[step]
    return data


def _in_document(loc: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that is the file's: without the names of union members."""
    path: list[str | int] = []
    for step in loc:
        inside = isinstance(data, dict) and step in data
        if inside or (isinstance(data, list) and isinstance(step, int) and step < len(data)):
            data = data[step]
            path.append(step)
    return tuple(path)


def _keys(loc: tuple[str | int, ...], model: type[BaseModel]) -> set[str]:
    """The keys that a project may have at a location of pydantic's."""
    return {key for holder in _holders(loc, model) for key in _fields(holder)}


def _holders(loc: tuple[str | int, ...], model: type[BaseModel]) -> list[Any]:
    """The models and dataclasses that may stand at a location of pydantic's."""
    holders: list[Any] = [model]
    for step in loc:
        if not isinstance(step, int):
            known = any(step in _fields(holder) for holder in holders)
            inside = [
                inner
                for holder in holders
                for inner in (
                    _structures(_fields(holder)[step])
                    if step in _fields(holder)
                    else [holder] * any(step in get_args(hint) for hint in _fields(holder).values())
                )
            ]
            holders = inside if inside or known else holders  # else the name of a union's member
    return holders


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
