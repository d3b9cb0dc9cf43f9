"""Renders that are killed, and disks that are full, over and over; see `benchmarks/faults.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills process groups and mounts a small disk")
def test_nothing_is_lost() -> None:
    command = [sys.executable, "-m", "benchmarks.faults", "--kills", "6", "--fills", "4"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "killed 6 renders" in done.stdout
    assert "full disks: " in done.stdout
