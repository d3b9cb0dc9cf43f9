"""Ingest: files become a Roll.  The only readers of EXIF and of picture files."""

from timelapse.ingest.decode import decode, decode_bytes, decoding_memory
from timelapse.ingest.find import Reader, chunks, natural
from timelapse.ingest.scan import scan
from timelapse.ingest.still import (
    File,
    Gap,
    LedgerEntry,
    Limits,
    Pixels,
    Roll,
    Status,
    Still,
    TimeSource,
)
from timelapse.ingest.timing import Clocks

__all__ = [
    "Clocks",
    "File",
    "Gap",
    "LedgerEntry",
    "Limits",
    "Pixels",
    "Reader",
    "Roll",
    "Status",
    "Still",
    "TimeSource",
    "chunks",
    "decode",
    "decode_bytes",
    "decoding_memory",
    "natural",
    "scan",
]
