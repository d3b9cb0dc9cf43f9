"""Options that several commands share, and values of options that have a notation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from timelapse.grade import Size
    from timelapse.times import MissionTime, Seconds

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Errors only.")
json_option = click.option("--json", "as_json", is_flag=True, help="Data as JSON on stdout.")
strict_option = click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings.")
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a value of the project, such as output.crf=20; may be repeated.",
)


def settings_of(pairs: tuple[str, ...]) -> list[tuple[str, str | None, str]]:
    made: list[tuple[str, str | None, str]] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{pair!r}: write KEY=VALUE, such as output.crf=20")
        made.append((key.strip(), value, f"--set {key.strip()}"))
    return made


class Written(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """An option whose value is read by a function that raises a ValueError with the remedy."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _size(text: str) -> Size:
    from timelapse.grade import Size

    return Size.read(text)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text.lower())
    if not found:
        raise ValueError(f"{text!r} is no size; write 2G, 800M or a number of bytes")
    return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


def _seconds(text: str) -> Seconds:
    from timelapse.times import Seconds

    return Seconds.read(text)


def _mission(text: str) -> MissionTime:
    from timelapse.times import MissionTime, Rate
    from timelapse.written import Context, Instant

    time = Instant.read(text).resolve(Context(Rate(25))).time
    if not isinstance(time, MissionTime):
        raise ValueError(f"{text!r} is no mission time; write T-10 s")
    return time


BYTES = Written("SIZE", _bytes)
SIZE = Written("WxH", _size)
LENGTH = Written("S", _seconds)
MISSION = Written("T", _mission)
