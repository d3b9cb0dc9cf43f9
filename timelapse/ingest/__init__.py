"""Ingest: files become a Roll.  The only readers of EXIF and of picture files."""

from timelapse.ingest.bad import Flag, Kind, Policies, Policy, Thresholds
from timelapse.ingest.clocks import ClockPoint, Clocks
from timelapse.ingest.decode import decode, decode_bytes, decoded_size, decoding_memory
from timelapse.ingest.find import Reader, natural
from timelapse.ingest.inspection import Inspection, inspect
from timelapse.ingest.look import Looks, glimpse, thumbnail
from timelapse.ingest.names import NamePattern
from timelapse.ingest.plain import from_plain, to_plain
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
    "Flag",
    "Frame",
    "Gap",
    "Inspection",
    "Kind",
    "LedgerEntry",
    "Limits",
    "Looks",
    "NamePattern",
    "Pixels",
    "Policies",
    "Policy",
    "Reader",
    "Roll",
    "Status",
    "Still",
    "Thresholds",
    "TimeSource",
    "Zone",
    "chunks",
    "decode",
    "decode_bytes",
    "decoded_size",
    "decoding_memory",
    "from_plain",
    "glimpse",
    "inspect",
    "natural",
    "read_table",
    "scan",
    "thumbnail",
    "to_plain",
]
