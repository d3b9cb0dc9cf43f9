"""What the sections of the project file have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any, Union, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

#: Tells errors with the place in the project file that they come from, given as a path of keys.
Placed = Callable[..., AbstractContextManager[None]]


class Section(BaseModel):
    """Unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def kinds(union: Any, key: str, default: str = "") -> Any:
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
