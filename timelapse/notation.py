"""Values that people write: read from text, written back by `str()` without loss.

A notation is a value type with a `read` class method.  Stages use notations as the types of their
dataclass fields, so that the project file (which pydantic checks) needs no second description of
them: the one hook below tells pydantic that such a field is read from text.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self


class Notation(ABC):
    """Base of values with a notation of their own."""

    __slots__ = ()
    #: How such a value may be written; shown by errors, the schema and the docs.
    examples: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def read(cls, text: str) -> Self:
        """The value that `text` says; raises a ValueError that names what was expected."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        # Called by pydantic alone, which therefore is there; nothing else here knows of it.
        from pydantic_core import core_schema

        def read(value: Any) -> Any:
            try:
                return value if isinstance(value, cls) else cls.read(str(value))
            except ValueError:
                if isinstance(value, list | dict):
                    raise ValueError(f"one value is wanted here, as {cls.examples[0]}") from None
                raise

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        words = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
        return {
            "type": ["string", "number"],
            "description": words,
            "examples": list(cls.examples),
        }


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean label?"` where one of the known words is near, else an empty string."""
    spelled = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=0.6)
    return f"; did you mean {spelled[near[0]]}?" if near else ""
