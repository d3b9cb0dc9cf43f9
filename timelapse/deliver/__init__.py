"""Deliver: frames become a film."""

from timelapse.deliver.film import Chapter, Colours, Encoder, Facts, Tags, probe
from timelapse.deliver.formats import H264, Format, Preset
from timelapse.deliver.picture import write_picture

__all__ = [
    "H264",
    "Chapter",
    "Colours",
    "Encoder",
    "Facts",
    "Format",
    "Preset",
    "Tags",
    "probe",
    "write_picture",
]
