"""Look files: the values of a tone in a file of their own, for other films.

A look is YAML with the keys of `grade.tone`, without `look` and `keys`.  The path of its look-up
table starts from the look's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import ValidationError

from timelapse.errors import ProjectError
from timelapse.grade.cube import Cube, cube_text
from timelapse.grade.tone import Tone, ToneLook, fixed
from timelapse.machine import Buffers
from timelapse.mistakes import explain
from timelapse.section import Section
from timelapse.storage import written_whole
from timelapse.yamlfile import read_yaml

_Look = TypeVar("_Look", bound=ToneLook)


class _File(Section):
    """What a look file holds; unknown keys are refused, as in a project."""

    values: ToneLook


def read_look(path: Path) -> ToneLook:
    """The look of a file, with the whole path of its look-up table; ProjectError with a line for
    each mistake."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProjectError(f"{path}: the look cannot be read: {why}") from error
    document = read_yaml(text, str(path))
    try:
        look = _File.model_validate({"values": document.data or {}}).values
    except ValidationError as error:
        lines = dict.fromkeys(explain(mistake, document, _File) for mistake in error.errors())
        raise ProjectError("\n".join(lines)) from None
    return _beside(look, path.parent)


def write_look(look: ToneLook, path: Path) -> None:
    """Writes what a look says as a look file, whole or not at all; ProjectError where it cannot be
    written.  Of a film's tone, it is that at its start, without its keys."""
    from ruamel.yaml import YAML

    said = look.said
    if look.lut:
        # Relative, so that a folder with both of them can be moved.
        lut = Path(look.lut).absolute()
        near = lut.is_relative_to(path.absolute().parent.parent)
        said["lut"] = Path(os.path.relpath(lut, path.absolute().parent) if near else lut).as_posix()
    if "curve" in said:
        said["curve"] = [list(point) for point in said["curve"]]
    yaml, text = YAML(pure=True), StringIO()
    yaml.default_flow_style, yaml.width = False, 100
    yaml.dump(said, text)
    head = "# A look for grade: {tone: {look: THIS FILE}}\n"
    with _writing(path) as draft:
        draft.write_text(head + text.getvalue(), encoding="utf-8")


def settled(tone: Tone, base: Path) -> Tone:
    """A tone with its look read in, which holds where the tone itself says nothing, and with whole
    paths, which start from `base`; raises as `read_look` does."""
    tone = _beside(tone, base)
    if not tone.look:
        return tone
    look = read_look(base / Path(tone.look).expanduser())
    return replace(tone, look=None, lut=tone.lut or look.lut, **{**look.said, **tone.said})


def write_cube(look: ToneLook, path: Path, size: int = 33, title: str = "") -> None:
    """Writes what a look does to each colour as a .cube file of `size` steps, for other programs;
    whole or not at all.  Sharpening is no matter of single colours, and is left out.

    Of a film's tone, it is that at its start, without its keys.  ProjectError where its look-up
    table cannot be read, or the file cannot be written.
    """
    colour = ToneLook(**{**look.said, "sharpen": 0.0}, lut=look.lut)
    steps = np.rint(np.linspace(0, 65535, size)).astype(np.uint16)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = np.stack([red, green, blue], axis=-1).reshape(size, size * size, 3)
    made = fixed(colour).apply(colours, "display", Buffers())
    cube = Cube.of(made.reshape(size, size, size, 3) / 65535, title=title.replace('"', "'"))
    with _writing(path) as draft:
        draft.write_text(cube_text(cube), encoding="utf-8")


def _beside(look: _Look, base: Path) -> _Look:
    """With the path of the look-up table from `base`."""
    return replace(look, lut=str(base / Path(look.lut).expanduser())) if look.lut else look


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    try:
        with written_whole(path) as draft:
            yield draft
    except OSError as error:
        raise ProjectError(f"{path}: the look cannot be written: {error.strerror}") from error
