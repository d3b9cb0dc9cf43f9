"""What the sections of the project file have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pydantic import BaseModel, ConfigDict

#: Tells errors with the place in the project file that they come from, given as a path of keys.
Placed = Callable[..., AbstractContextManager[None]]


class Section(BaseModel):
    """Unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
