"""Models of motion by name: the one that comes with the package, and those that others install.

A package offers a better one by an entry point in the group `timelapse.interpolators`, whose name
is what `retime.model` says and whose object is called with the light of the stills (`linear` or
`display`) and returns an `Interpolator`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from timelapse.errors import PlanError
from timelapse.notation import did_you_mean
from timelapse.retime.blend import Light
from timelapse.retime.flow import Dis, Interpolator

#: The model that comes with the package: Dense Inverse Search.
OWN = "dis"
_GROUP = "timelapse.interpolators"


def interpolator(name: str, light: Light) -> Interpolator:
    """The model of that name; raises PlanError where none has it, or it cannot be loaded."""
    if name == OWN:
        return Dis(light)
    found = _entry(name)
    try:
        return cast(Interpolator, found.load()(light))
    except Exception as error:  # whatever somebody else's code may raise
        raise PlanError(f"model: {name} cannot be loaded: {error}") from error


def model_made_as(name: str) -> str:
    """What decides the frames that a model makes: its name, package and version; PlanError where
    there is none of that name."""
    if name == OWN:
        return name
    found = _entry(name)
    made_by = f"{found.dist.name} {found.dist.version}" if found.dist else "?"
    return f"{name} {found.value} of {made_by}"


def _entry(name: str) -> EntryPoint:
    known = {entry.name: entry for entry in entry_points(group=_GROUP)}
    if name not in known:
        names = [OWN, *sorted(known)]
        hint = did_you_mean(name, names) or f"; known are {', '.join(names)}"
        raise PlanError(f"model: no installed package has a model {name!r}{hint}")
    return known[name]
