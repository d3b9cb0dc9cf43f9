"""Deliver: frames become a film."""

from timelapse.deliver.film import Chapter, Colours, Encoder, Facts, Tags, probe
from timelapse.deliver.formats import H264, Format, Preset
from timelapse.deliver.picture import PICTURE_ENDINGS, write_picture

__all__ = [
    "H264",
    "PICTURE_ENDINGS",
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
