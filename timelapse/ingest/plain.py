"""Values as what JSON can hold, and back, by the types of their fields.

For dataclasses, named tuples, tuples, enums, fractions and what JSON itself knows: whatever a roll
and a header are made of.  A new field needs no word here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from timelapse.times import CaptureTime

T = TypeVar("T")
_Turn = Callable[[Any], Any]


def to_plain(value: Any) -> Any:
    """`value` as nested lists, numbers, text and None; raises TypeError where it cannot be."""
    kind: Any = type(value)
    return _writer(kind)(value)


def from_plain(kind: type[T]) -> Callable[[Any], T]:
    """What turns that which `to_plain` wrote back into a value of type `kind`.

    It raises ValueError, TypeError or LookupError of anything else; equal instants become one
    object.
    """
    instants: dict[str, CaptureTime] = {}

    def instant(text: str) -> CaptureTime:
        if (known := instants.get(text)) is None:
            numerator, denominator = text.split("/")
            known = instants[text] = CaptureTime(Fraction(int(numerator), int(denominator)))
        return known

    return _reader(kind, instant)


def _same(value: Any) -> Any:
    return value


@cache
def _writer(kind: type) -> _Turn:
    if kind in (int, str, float, bool, NoneType):
        return _same
    if kind is CaptureTime:
        return lambda time: f"{time.seconds.numerator}/{time.seconds.denominator}"
    if issubclass(kind, Fraction):
        return lambda value: [value.numerator, value.denominator]
    if issubclass(kind, Enum):
        return lambda value: value.value
    if issubclass(kind, tuple):
        return lambda values: [to_plain(value) for value in values]
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return lambda value: [to_plain(getattr(value, name)) for name in names]
    raise TypeError(f"{kind.__name__} has no plain form")


def _reader(kind: Any, instant: _Turn) -> _Turn:
    """What turns the plain form of a `kind` back."""
    if kind in (int, str, float, bool):
        return _same
    if kind is CaptureTime:
        return instant
    inner = [part for part in get_args(kind) if part is not NoneType]
    if NoneType in get_args(kind) and len(inner) == 1:
        turn = _reader(inner[0], instant)
        return lambda words: None if words is None else turn(words)
    if getattr(kind, "__origin__", None) is tuple:
        turns = [_same if part is ... else _reader(part, instant) for part in inner]
        if inner[-1] is ...:
            return lambda words: tuple(map(turns[0], words))
        if turns == [_same] * len(turns):
            return tuple
        return lambda words: tuple(t(word) for t, word in zip(turns, words, strict=True))
    if issubclass(kind, Fraction):
        return lambda words: kind(*words)
    if issubclass(kind, Enum):
        return {member.value: member for member in kind}.__getitem__
    hints = get_type_hints(kind)  # of a dataclass or a named tuple
    turns = [_reader(hint, instant) for hint in hints.values()]
    to_turn = [(at, turn) for at, turn in enumerate(turns) if turn is not _same]

    def build(words: list[Any]) -> Any:
        if len(words) != len(turns):
            raise ValueError(f"{len(words)} fields for a {kind.__name__}")
        values = list(words)
        for at, turn in to_turn:
            values[at] = turn(values[at])
        return kind(*values)

    return build
