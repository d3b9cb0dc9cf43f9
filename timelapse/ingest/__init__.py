"""Ingest: files become a Roll.  The only readers of EXIF and of picture files."""

from timelapse.ingest.clocks import ClockPoint, Clocks
from timelapse.ingest.decode import decode, decode_bytes, decoding_memory
from timelapse.ingest.find import Reader, natural
from timelapse.ingest.names import NamePattern
from timelapse.ingest.regular import chunks
from timelapse.ingest.scan import scan
from timelapse.ingest.still import (
    File,
    Frame,
    Gap,
    LedgerEntry,
    Limits,
    Pixels,
    Roll,
    Status,
    Still,
    TimeSource,
)
from timelapse.ingest.table import read_table
from timelapse.ingest.zones import Zone

__all__ = [
    "ClockPoint",
    "Clocks",
    "File",
    "Frame",
    "Gap",
    "LedgerEntry",
    "Limits",
    "NamePattern",
    "Pixels",
    "Reader",
    "Roll",
    "Status",
    "Still",
    "TimeSource",
    "Zone",
    "chunks",
    "decode",
    "decode_bytes",
    "decoding_memory",
    "natural",
    "read_table",
    "scan",
]
