"""Deliver: frames become a film."""

from timelapse.deliver.colours import Colours
from timelapse.deliver.editing import DnxHr, ProRes
from timelapse.deliver.encoder import Writer, encoder
from timelapse.deliver.film import Chapter, Encoder, Tags
from timelapse.deliver.formats import FORMATS, H264, Av1, Format, Hevc, Preset, Vp9
from timelapse.deliver.join import join
from timelapse.deliver.picture import PICTURE_ENDINGS, write_picture
from timelapse.deliver.pictured import Gif, Png, WebP
from timelapse.deliver.probe import Facts, probe
from timelapse.deliver.sequence import check_folder, digest, put, size_on_disk
from timelapse.deliver.sound import Sound, Volume
from timelapse.deliver.tracks import Caption

__all__ = [
    "FORMATS",
    "H264",
    "PICTURE_ENDINGS",
    "Av1",
    "Caption",
    "Chapter",
    "Colours",
    "DnxHr",
    "Encoder",
    "Facts",
    "Format",
    "Gif",
    "Hevc",
    "Png",
    "Preset",
    "ProRes",
    "Sound",
    "Tags",
    "Volume",
    "Vp9",
    "WebP",
    "Writer",
    "check_folder",
    "digest",
    "encoder",
    "join",
    "probe",
    "put",
    "size_on_disk",
    "write_picture",
]
