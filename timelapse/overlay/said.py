"""Texts in several languages: `label: {en: Lift-off, de: Start}`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

from timelapse.errors import ProjectError

#: A text, or the same text in several languages, by their codes.
Said = str | dict[str, str]

Layer = TypeVar("Layer")


def cleaned(name: str, said: Said, empty: str = "") -> Said:
    """A text without the line ends at its end: YAML's `|` leaves one, which is no empty line.

    ProjectError where there is none, with the remedy `empty`, if one is given.
    """
    if isinstance(said, str):
        text = said.rstrip("\n")
        if empty and not text.strip():
            raise ProjectError(f"{name}: it is empty; {empty}")
        return text
    if not said:
        raise ProjectError(f"{name}: no language is given; write {name}: {{en: ..., de: ...}}")
    return {code: str(cleaned(f"{name}.{code}", text, empty)) for code, text in said.items()}


def chosen(said: Said, language: str) -> str:
    """The text in a language: its own (`pt-BR`), that of its family (`pt`), or the first given."""
    if isinstance(said, str):
        return said
    for code in (language, language.partition("-")[0]):
        if code in said:
            return said[code]
    return next(iter(said.values()))


def in_language(layer: Layer, language: str) -> Layer:
    """A layer with each of its texts in one language."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, field.name)
        if _is_said(value):
            changes[field.name] = chosen(value, language)
        elif isinstance(value, tuple) and any(map(_is_said, value)):
            changes[field.name] = tuple(chosen(each, language) for each in value)
    return dataclasses.replace(layer, **changes) if changes else layer  # type: ignore[type-var]


def languages(layers: Iterable[object]) -> tuple[str, ...]:
    """The languages that texts are given in, in the order in which they first come up."""
    found: dict[str, None] = {}
    for layer in layers:
        for field in dataclasses.fields(layer):  # type: ignore[arg-type]
            value = getattr(layer, field.name)
            for each in value if isinstance(value, tuple) else (value,):
                if _is_said(each):
                    found |= dict.fromkeys(each)
    return tuple(found)


def _is_said(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
