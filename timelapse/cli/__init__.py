"""The command line: thin.  Data goes to stdout, all else to stderr."""

from timelapse.cli import export, films, look, samples
from timelapse.cli.group import main

__all__ = ["export", "films", "look", "main", "samples"]
