"""The house: imports go down, nothing heavy happens at import, the public face is what it says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import timelapse

PACKAGE = Path(timelapse.__file__).parent

#: From the ground up; a module may import what stands lower, and a stage no later stage.
STOREYS = [
    ["errors"],
    ["storage", "machine", "srgb", "svg"],
    ["notation"],
    ["times"],
    ["written"],
    ["ingest"],
    ["grade"],
    ["retime"],
    ["overlay"],
    ["deliver"],
    ["report"],
    ["render", "audit"],
    ["yamlfile"],
    ["mistakes"],
    ["section"],
    ["looks", "deflickersection", "framed"],
    ["delivery", "pacing", "rollsection", "gradesection", "soundsection"],
    ["project"],
    ["schema"],
    ["simulate", "cluster", "clip", "tables", "starter", "doctor", "talk", "options"],
    ["scanpage", "planplot", "savedplan"],
    ["told", "compare"],
    ["filmpictures"],
    ["exports"],
    ["cli"],
]
STOREY = {name: at for at, names in enumerate(STOREYS) for name in names}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> set[str]:
    """The parts of this package that a module imports, those for the type checker left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("timelapse."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("timelapse.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = home(path)
    assert own in STOREY, f"{own} has no storey: say where it stands"
    for other in imports(path) - {own}:
        assert STOREY[other] < STOREY[own], f"{own} imports {other}, which stands above it"


def test_every_storey_is_there() -> None:
    assert {home(path) for path in modules()} == set(STOREY)


def test_no_relative_imports_and_no_prints() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (called and node.func.id == "print"), path  # type: ignore[attr-defined]


def test_times_need_the_standard_library_alone() -> None:
    for name in ("errors", "notation", "times", "written"):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        for node in tree.body:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for imported in names:
                top = str(imported).split(".")[0]
                assert top == "timelapse" or top in sys.stdlib_module_names


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, timelapse, timelapse.cli\n"
        "heavy = 'numpy', 'cv2', 'av', 'PIL', 'pydantic', 'moviepy'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_face_is_complete() -> None:
    for name in timelapse.__all__:
        assert getattr(timelapse, name) is not None
    listed = {name for names in timelapse._HOMES.values() for name in names}
    assert listed == set(timelapse.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sca'"):
        timelapse.sca  # noqa: B018
