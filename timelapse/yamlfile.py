"""YAML with places: every value as it was written, and where it stands in the file.

YAML readers turn scalars into numbers, dates and truth values; here they stay text (null apart),
so that `29.97`, `00:34:05` and `1.10` reach the types that know what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from timelapse.errors import ProjectError

Path = tuple[str | int, ...]
_NODES_AT_MOST = 100_000
_NULL = "tag:yaml.org,2002:null"


@dataclass
class Document:
    """A YAML document as dicts, lists, text and None; `where` gives line and column by path.

    Lines and columns count from 1.  The place of a key is kept under ``(*path, key, "key")``.
    """

    name: str
    data: Any = None
    where: dict[Path, str] = field(default_factory=dict)

    def place(self, path: Path, key: bool = False) -> str:
        """``project.yaml:7:14`` for the value (or its key) at `path`, or for what holds it."""
        if key and (*path, "key") in self.where:
            return self.where[*path, "key"]
        while path and path not in self.where:
            path = path[:-1]
        return self.where.get(path, self.name)


def read_yaml(text: str, name: str) -> Document:
    """Reads one YAML 1.2 document; ProjectError with file:line:column where it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    document = Document(name)
    try:
        node = YAML(pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        problem = " ".join(str(error.problem or error.context or error).split())
        raise ProjectError(f"{at}: not valid YAML: {problem}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise ProjectError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if node is not None:
        try:
            document.data = _Walk(document).plain(node, ())
        except RecursionError:
            raise ProjectError(f"{name}: nested too deeply") from None
    return document


class _Walk:
    def __init__(self, document: Document) -> None:
        self._document, self._left = document, _NODES_AT_MOST

    def plain(self, node: Any, path: Path) -> Any:
        from ruamel.yaml.nodes import MappingNode, SequenceNode

        self._left -= 1
        if self._left < 0:
            raise ProjectError(f"{self._document.name}: more than {_NODES_AT_MOST} values")
        place = self._place(node)
        self._document.where[path] = place
        if isinstance(node, SequenceNode):
            return [self.plain(item, (*path, at)) for at, item in enumerate(node.value)]
        if not isinstance(node, MappingNode):
            return None if str(node.tag) == _NULL else node.value
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, at = key_node.value, self._place(key_node)
            if not isinstance(key, str):
                raise ProjectError(f"{at}: a key has to be a word")
            if key in result:
                first = self._document.where[*path, key, "key"]
                raise ProjectError(f"{at}: {key}: stands here a second time (first at {first})")
            self._document.where[*path, key, "key"] = at
            result[key] = self.plain(value_node, (*path, key))
        return result

    def _place(self, node: Any) -> str:
        mark = node.start_mark
        return f"{self._document.name}:{mark.line + 1}:{mark.column + 1}"


def put(document: Document, path: str, value: Any, origin: str) -> None:
    """Sets one value by its dotted path (`output.rate`, `milestones[0].label`), as from `origin`.

    `None` takes the value away.  Raises ProjectError where the path leads nowhere.
    """
    steps: list[str | int] = []
    for word in path.split("."):
        name, *indices = word.split("[")
        steps += [name, *(_index(index, origin) for index in indices)]
    if not isinstance(document.data, dict):
        document.data = {}
    holder: Any = document.data
    for step, after in pairwise(steps):
        if isinstance(holder, dict) and holder.get(str(step)) is None:
            holder[str(step)] = [] if isinstance(after, int) else {}
        holder = _step_into(holder, step, origin)
    last = steps[-1]
    if isinstance(holder, list) and isinstance(last, int) and last <= len(holder):
        holder[last : last + 1] = [] if value is None else [value]
    elif isinstance(holder, dict) and isinstance(last, str):
        holder.pop(last, None)
        if value is not None:
            holder[last] = value
    else:
        raise ProjectError(f"{origin}: there is no such place in the project")
    gone = tuple(steps)
    for place in [place for place in document.where if place[: len(gone)] == gone]:
        del document.where[place]
    document.where[gone] = origin


def _step_into(holder: Any, step: str | int, origin: str) -> Any:
    try:
        return holder[step]
    except (KeyError, IndexError, TypeError):
        raise ProjectError(f"{origin}: there is no such place in the project") from None


def _index(text: str, origin: str) -> int:
    if not text.removesuffix("]").isdecimal():
        raise ProjectError(f"{origin}: write an entry of a list as milestones[0]")
    return int(text.removesuffix("]"))


def dotted(path: Sequence[str | int]) -> str:
    """``milestones[0].label``"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
