"""What is fuzzed: each target takes any bytes, and lets only the errors out that it documents.

python tests/fuzz/targets.py NAME [arguments of libFuzzer]
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

try:
    import atheris
except ImportError:  # the regressions need the targets alone
    atheris = None

if atheris is not None and __name__ == "__main__":
    # What is loaded here is instrumented, so that the fuzzer sees which branches are taken.
    with atheris.instrument_imports(include=["timelapse"]):
        import timelapse.ingest
        import timelapse.project  # noqa: F401

from timelapse.errors import TimelapseError
from timelapse.ingest.exif import exif_of
from timelapse.ingest.find import Reader, find, natural
from timelapse.ingest.header import read_header
from timelapse.ingest.names import NamePattern, name_time
from timelapse.ingest.still import File, Limits, printable
from timelapse.ingest.table import read_table
from timelapse.ingest.zones import Zone
from timelapse.notation import Notation
from timelapse.project import load
from timelapse.times import CaptureTime, Rate, Seconds, Speed, read_utc_offset
from timelapse.written import FORMS, Context, Instant
from timelapse.yamlfile import put, read_yaml

#: Files of all targets are written here, one at a time.
_PLACE = Path(tempfile.mkdtemp(prefix="timelapse-fuzz-"))
_NOTATIONS: tuple[type[Notation], ...] = (Seconds, Speed, Rate, CaptureTime, Instant)


def exif(data: bytes) -> None:
    with suppress(ValueError):
        exif_of(data, Limits())


class _OneFile(Reader):
    """A reader of bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__(Limits(pixels=10**8))
        self._data = data

    def open(self, file: File) -> BinaryIO:
        return io.BytesIO(self._data)


def header(data: bytes) -> None:
    """The header of a picture of any format."""
    try:
        read_header(_OneFile(data), File("still.jpg", len(data), 0))
    except TimelapseError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None


def archive(data: bytes) -> None:
    path = _PLACE / "roll.zip"
    path.write_bytes(data)
    with suppress(TimelapseError), Reader() as reader:
        for file in find(path).files:
            with suppress(TimelapseError):
                reader.read(file)


def names(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    natural(text)
    name_time(text)
    printable(text).encode("utf-8")
    pattern, _, name = text.partition("\n")
    with suppress(TimelapseError):
        name_time(name, NamePattern.read(pattern))


def times(data: bytes) -> None:
    """Times of all kinds, and timecode on clips of several rates."""
    text = data.decode("utf-8", "replace")
    for notation in _NOTATIONS:
        with suppress(TimelapseError):
            value = notation.read(text)
            assert notation.read(str(value)) == value, (text, value)
    with suppress(TimelapseError):
        read_utc_offset(text)
    for rate in (Rate(25), Rate(30000, 1001)):
        for length in (None, Fraction(90)):
            for form in (None, *FORMS[1:3]):
                with suppress(TimelapseError):
                    Instant.read(text).resolve(Context(rate, length, form))


def zones(data: bytes) -> None:
    with suppress(TimelapseError):
        Zone.read(data.decode("utf-8", "replace"))


def yaml(data: bytes) -> None:
    with suppress(TimelapseError):
        document = read_yaml(data.decode("utf-8", "replace"), "project.yaml")
        put(document, "roll.stills", "x", "fuzz")


def project(data: bytes) -> None:
    path = _PLACE / "project.yaml"
    path.write_bytes(data)
    with suppress(TimelapseError):
        load(path)


def roll_list(data: bytes) -> None:
    path = _PLACE / "roll.txt"
    path.write_bytes(data)
    with suppress(TimelapseError):
        find(path)


def table(data: bytes) -> None:
    path = _PLACE / "times.csv"
    path.write_bytes(data)
    with suppress(TimelapseError):
        read_table(path)


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (exif, header, archive, names, times, zones, yaml, project, roll_list, table)
}


def seeds(name: str) -> list[bytes]:
    """Valid inputs to start from."""
    if name in ("exif", "header"):
        return _pictures(exif_alone=name == "exif")
    if name == "archive":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("a/b.jpg", b"x" * 100)
            made.writestr("c.txt", b"y")
        return [stream.getvalue()]
    if name == "times":
        return [text.encode() for notation in _NOTATIONS for text in notation.examples]
    return {
        "names": [b"IMG_20181116_181408.jpg", b"%Y-%m-%d\n2018-11-16", "Bild ٣.jpg".encode()],
        "zones": [b"Europe/Berlin", b"+02:00"],
        "yaml": [b"a: {b: [1, &x 2, *x]}\n", b"- !!str |\n  x\n"],
        "project": [
            b"roll: {stills: x, clock: {NIKON D5: -13 s}, limits: {pixels: 5}}\n"
            b"schedule: {speed: 8, from: T+1 s, to: 00:07}\noutput: {rate: 29.97, size: 1x1}\n"
            b"milestones: [{at: frame 3, label: x}]\noverlays: [{kind: clock}]\n"
        ],
        "roll_list": [b"# a list\nx.jpg\n../y.jpg\n"],
        "table": [b"name,time\na.jpg,2018-11-16T18:14:08Z\n", b"a.jpg;T+1 s\n"],
    }[name]


def _pictures(exif_alone: bool) -> list[bytes]:
    from PIL import Image

    tags: Any = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x0112] = "NIKON CORPORATION", "NIKON D5", 6
    tags.get_ifd(0x8769).update({0x9003: "2018:11:16 18:14:08", 0x9291: "25", 0x9011: "+01:00"})
    tags.get_ifd(0x8825).update({7: (18.0, 14.0, 8.5), 29: "2018:11:16"})
    if exif_alone:
        return [tags.tobytes()]
    made = []
    for form, options in (("JPEG", {"progressive": True}), ("PNG", {}), ("TIFF", {}), ("WEBP", {})):
        stream = io.BytesIO()
        Image.new("RGB", (16, 12)).save(stream, form, exif=tags, **options)
        made.append(stream.getvalue())
    return made


def main() -> None:
    name, *arguments = sys.argv[1:]
    corpus = [word for word in arguments if not word.startswith("-")]
    for number, seed in enumerate(seeds(name) if corpus else []):
        (Path(corpus[0]) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
