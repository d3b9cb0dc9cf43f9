"""Parsers of what comes from outside, held against a fuzzer for a few seconds each.

`tests/fuzz/long.py` does the same for as long as one likes.  What was found once stands below.
"""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "fuzz"
sys.path.insert(0, str(HERE))

from targets import TARGETS, seeds  # noqa: E402

SECONDS = 2


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_withstands_the_fuzzer(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    command = [
        sys.executable,
        str(HERE / "targets.py"),
        name,
        str(corpus),
        f"-artifact_prefix={tmp_path}/",
    ]
    options = [
        f"-max_total_time={SECONDS}",
        "-seed=1",
        "-timeout=9",
        "-rss_limit_mb=1024",
        "-max_len=4096",
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


#: Target and input of what a fuzzer, or a person, has found.
FOUND = [
    # a member of a zip without a name
    (
        "archive",
        b64decode(
            "UEsDBBQAAAAIABB9eF2PXQ5eBgAAAGQAAAAHAAAAYS9iLmpwZ6uooD0AAFBLAwQUAAAACAAQfXgBACbb+wMAAAAB"
            "AAAABQAAAGMudHh0qwAEUEsBAhQDFAAAAAgAEH1QSwECFAMUAAAACAAQfXhdj10OXgYAAABkAAAABwAAAAAAAAAA"
            "AAAAgAEAAAAAYS9iLmpwZ1BLAQIUAxQAAAAIABB9AQAVJtv7AwAAAAEAAAAFAAAAAAAAeHRQSwUGAAAAAAIAAgBo"
            "AAAAUQAAAAAA"
        ),
    ),
    # a first row of fewer columns than the others
    ("table", b"name\nmeia,t.jpg,2018-11-16T18:14:08Z\n"),
    # dates and times in cells of their own, and no headings
    ("table", b"a.jpg,2018-11-16,18:14:08Z\n"),
    # a TIFF whose strips have forty-two heights: 21 GB
    (
        "header",
        b64decode(
            "SUkqAAgAAAANAAABBAABAAAAEAABBAAAAQABAAAADAAAAAIBAwADAAAAqgAAAAMBAwABAAAAAQAAAAYBAwABAAAA"
            "AgAAAA8BAgASAAAAsAAAABABAgAJAAAAwgAAABEBBAwAAAAAAAAAABIBAwABAAAABgAAABUBAwABAAAAAwAAABYB"
            "BAAqAAAADAAAABcBBAABAAAAQAIAABwBAwABAAAAAQCkAAAAAAAIAAgACABOIEQwAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABNAE0qAAAAAAgABQEPAAIAAAASAAAASgEQAAIAAAAA"
            "EAAAAAwIAgAAAOQAS09OIEQBDwACADU="
        ),
    ),
]


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_what_was_found_stays_mended(number: int) -> None:
    """In a process of its own, whose memory is bounded: some of it took all there was."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31));"
        "import targets; targets.TARGETS[sys.argv[1]](bytes.fromhex(sys.argv[2]))"
    )
    name, data = FOUND[number]
    command = [sys.executable, "-c", code, name, data.hex()]
    done = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
