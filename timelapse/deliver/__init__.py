"""Deliver: frames become a film."""

from timelapse.deliver.colours import Colours
from timelapse.deliver.film import Chapter, Encoder, Tags
from timelapse.deliver.formats import H264, Format, Preset
from timelapse.deliver.join import join
from timelapse.deliver.picture import PICTURE_ENDINGS, write_picture
from timelapse.deliver.probe import Facts, probe
from timelapse.deliver.tracks import Caption, Sound

__all__ = [
    "H264",
    "PICTURE_ENDINGS",
    "Caption",
    "Chapter",
    "Colours",
    "Encoder",
    "Facts",
    "Format",
    "Preset",
    "Sound",
    "Tags",
    "join",
    "probe",
    "write_picture",
]
