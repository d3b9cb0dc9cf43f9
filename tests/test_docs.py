"""What the docs show is true: projects load, commands and options exist, links lead somewhere."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

import timelapse
from timelapse.cli import main
from timelapse.project import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "samples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ids = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_projects_load(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "yaml")):
        pieces = re.split(r"^(?=schedule:)", block, flags=re.MULTILINE)
        head = pieces[0] if len(pieces) > 2 else ""
        for piece in pieces[1:] if len(pieces) > 2 else [block]:
            text = head + piece
            text += "" if "roll:" in text else "\nroll: {stills: x}\n"
            text += "" if "schedule:" in text else "\nschedule: {speed: 8}\n"
            path = tmp_path / f"{page.stem}-{number}.yaml"
            path.write_text(text, encoding="utf-8")
            assert load(path).roll.stills


def command_lines() -> list[tuple[str, str]]:
    return [
        (page.name, match[1])
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if (match := re.search(r"(?:^|/)(timelapse .*)$", line))
    ]


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_commands_exist(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known, page


def test_every_command_is_in_the_readme() -> None:
    shown = {line.split()[1] for page, line in command_lines() if page == "README.md"}
    assert shown >= set(main.commands)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_python_examples_use_names_that_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "timelapse" or hasattr(timelapse, node.attr)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
