"""Ingest: files become a Roll.  The only readers of EXIF and of picture files."""

from timelapse.ingest.decode import Pixels, decode
from timelapse.ingest.find import Reader, chunks
from timelapse.ingest.scan import Clocks, natural, scan
from timelapse.ingest.still import File, Gap, LedgerEntry, Roll, Status, Still, TimeSource

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
