"""Ingest: files become a Roll.  The only readers of EXIF and of picture files."""

from timelapse.ingest.decode import decode
from timelapse.ingest.find import Reader, chunks, natural
from timelapse.ingest.scan import scan
from timelapse.ingest.still import File, Gap, LedgerEntry, Pixels, Roll, Status, Still, TimeSource
from timelapse.ingest.timing import Clocks

__all__ = [
    "Clocks",
    "File",
    "Gap",
    "LedgerEntry",
    "Pixels",
    "Reader",
    "Roll",
    "Status",
    "Still",
    "TimeSource",
    "chunks",
    "decode",
    "natural",
    "scan",
]
