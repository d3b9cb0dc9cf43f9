"""The command line: thin.  Data goes to stdout, all else to stderr."""

from timelapse.cli import films, look, samples
from timelapse.cli.group import main

__all__ = ["films", "look", "main", "samples"]
