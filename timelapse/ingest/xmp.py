"""Sidecars: what a still's XMP file asks for, of which exposure and crop are understood.

Lightroom and Camera Raw write `NAME.xmp`, darktable writes `NAME.JPG.xmp`.  What else they ask for
is named, never guessed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from timelapse.errors import RollError, StillError
from timelapse.ingest.archive import members, opened_archive
from timelapse.ingest.darktable import asked_of_darktable
from timelapse.ingest.develop import RDF, Develop, Properties
from timelapse.ingest.find import Reader
from timelapse.ingest.lightroom import asked_of_lightroom
from timelapse.ingest.regular import reason, refusing
from timelapse.ingest.still import File, Limits, Still, printable

__all__ = ["Develop", "sidecars"]

#: No sidecar is larger: those with many painted masks have some hundred kilobytes.
_LARGEST = 1 << 22
#: So many of what is alike are told one by one.
_TOLD = 6
#: No setting has a longer name.
_NAME = 60
_MEANT_FOR = "{http://ns.adobe.com/photoshop/1.0/}SidecarForExtension"
#: The segment of a JPEG that holds XMP, what it starts with, and those behind which none comes:
#: start of scan, end of image (ITU-T T.81, table B.1).
_APP1, _XMP, _ENDS = 0xE1, b"http://ns.adobe.com/xap/1.0/\0", (0xDA, 0xD9)
#: Endings that mean the same.
_SAME = {"jpeg": "jpg", "jpe": "jpg", "tiff": "tif", "heif": "heic"}


def sidecars(
    stills: Sequence[Still],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    *,
    embedded: bool = False,
) -> tuple[dict[int, Develop], tuple[str, ...]]:
    """What the sidecars of stills ask for, by the index of the still, and findings for people.

    A sidecar is beside its still, on disk or in the same zip archive: NAME.JPG.xmp, or NAME.xmp
    where that one is not there or asks for nothing; in any case of letters.  A file that is no
    XMP is a finding, and its still is taken as it is.  Each folder is listed once; no still is
    opened, unless what a JPEG holds itself is to count, too (`embedded`), where it has no sidecar.
    """
    found, told = dict[int, Develop](), _Told()
    beside = _Beside(limits)
    with Reader(limits) as reader:
        for at, still in enumerate(stills):
            sources = [*beside.of(still.file)]
            if embedded and not sources and still.kind == "jpeg":
                sources = [still.file]
            for file in sources:
                try:
                    data = _within(reader, file) if file is still.file else _read(reader, file)
                    asked = {} if data is None else _properties(data)
                    if _meant_for_another(asked, still):
                        told.strangers.append(still.name)
                        continue
                    develop = asked_of_darktable(asked) or asked_of_lightroom(asked, still)
                except StillError as error:
                    told.broken.append(f"{file}: {error.reason}")
                    continue
                if develop:
                    found[at] = develop
                    break
    told.unknown = [develop.unknown for develop in found.values() if develop.unknown]
    return found, tuple(told.findings())


class _Told:
    """What a person should know of the sidecars of a roll."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.strangers: list[str] = []
        self.unknown: list[tuple[str, ...]] = []

    def findings(self) -> Iterator[str]:
        if self.unknown:
            names = Counter(name for each in self.unknown for name in dict.fromkeys(each))
            listed = [printable(name[:_NAME]) for name, _ in names.most_common(_TOLD + 1)]
            yield (
                f"{_sidecars(len(self.unknown))} also ask{'s' * (len(self.unknown) == 1)} for "
                f"{_some(listed, len(names))}: not understood, left out"
            )
        if count := len(self.strangers):
            yield (
                f"{_sidecars(count)} {'is' if count == 1 else 'are'} for a file of another ending "
                f"({_some(self.strangers, count)}): left out; roll.exclude says which is used"
            )
        for line in self.broken[:_TOLD]:
            yield f"{line}; the still is taken as it is"
        if len(self.broken) > _TOLD:
            yield f"{len(self.broken) - _TOLD} more sidecars cannot be read"


def _sidecars(count: int) -> str:
    return "1 still's sidecar" if count == 1 else f"{count} stills' sidecars"


def _some(names: Sequence[str], count: int) -> str:
    more = f" and {count - _TOLD} more" if count > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more


# ------------------------------------------------------------------ files


class _Beside:
    """Finds the sidecars of stills; looks into each folder or archive once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        #: By the archive, and the folder on disk: by the path in any case of letters.
        self._listed: dict[tuple[str | None, str], dict[str, File]] = {}

    def of(self, file: File) -> Iterator[File]:
        """The sidecars of a still, that with its whole name first."""
        if file.frame is not None:
            return
        where = (file.archive, "" if file.archive else os.path.dirname(file.path))  # noqa: PTH120
        if where not in self._listed:
            listing = self._in_zip(file.archive) if file.archive else _in_folder(where[1])
            self._listed[where] = {each.path.casefold(): each for each in listing}
        if listed := self._listed[where]:
            for base in (file.path, os.path.splitext(file.path)[0]):  # noqa: PTH122
                if found := listed.get(f"{base}.xmp".casefold()):
                    yield found

    def _in_zip(self, archive: str) -> list[File]:
        try:
            with opened_archive(archive, self._limits) as opened:
                every = members(opened, archive, self._limits)
                return [file for file, refused in every if not refused and _is_sidecar(file.path)]
        except RollError:  # the stills cannot be read either, which is told elsewhere
            return []


def _in_folder(folder: str) -> list[File]:
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            names = sorted(entry.name for entry in entries if _is_sidecar(entry.name))
    except OSError:  # as above
        return []
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118
        size = 0
        with suppress(OSError):  # of a link to nothing it is told when it is read
            size = os.stat(path).st_size  # noqa: PTH116
        found.append(File(path, size, 0))
    return found


def _is_sidecar(name: str) -> bool:
    return name.lower().endswith(".xmp")


def _read(reader: Reader, file: File) -> bytes:
    """The bytes of a sidecar; raises StillError."""
    if file.size > _LARGEST:
        raise StillError(str(file), f"larger than {_LARGEST >> 20} MB, which no sidecar is")
    return reader.read(file)


def _within(reader: Reader, file: File) -> bytes | None:
    """The XMP that a JPEG holds (XMP Specification Part 3, 1.1.3); None where it holds none.

    Raises StillError where it cannot be opened.
    """
    with reader.open(file) as stream, refusing(str(file), "cannot be read"):
        stream.seek(2)
        for _ in range(reader.limits.tags):
            marker = stream.read(4)
            if len(marker) < 4 or marker[0] != 0xFF or marker[1] in _ENDS:
                break
            length = int.from_bytes(marker[2:], "big")
            content = stream.read(length - 2) if length > 2 else b""
            if marker[1] == _APP1 and content.startswith(_XMP):
                return content[len(_XMP) :]
    return None


# ------------------------------------------------------------------ XMP


def _properties(data: bytes) -> Properties:
    """The properties of an XMP packet: texts, or elements where they have parts.

    Each may be written as an attribute or as an element (XMP Specification Part 1, 7.9.2.2).
    Raises StillError where it is none; a document type, with which entities come, is refused.
    """
    found: dict[str, str | Element] = {}
    descriptions = 0
    for packet in _tree(data).iter(f"{RDF}RDF"):
        for description in packet.iterfind(f"{RDF}Description"):
            descriptions += 1
            found |= description.attrib
            for part in description:
                plain = not len(part) and not part.attrib
                found[part.tag] = (part.text or "").strip() if plain else part
    if not descriptions:
        raise StillError("", "holds no XMP")
    return found


def _tree(data: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refused
    parser.StartElementHandler = lambda name, attributes: builder.start(
        _spelt(name), {_spelt(each): value for each, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: builder.end(_spelt(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as error:
        raise StillError("", f"no XMP that can be read ({reason(error)})") from error


def _spelt(name: str) -> str:
    """A name in the way of ElementTree: `{namespace}name`."""
    return f"{{{name}" if "}" in name else name


def _refused(*_: object) -> NoReturn:
    raise StillError("", "declares a document type, which no XMP has: not read")


def _meant_for_another(asked: Properties, still: Still) -> bool:
    """Whether a sidecar says that it is that of another file of the same name, a RAW's say."""
    meant = asked.get(_MEANT_FOR, "")
    if not isinstance(meant, str) or not meant:
        return False
    own = os.path.splitext(still.file.path)[1][1:].lower()  # noqa: PTH122
    return _SAME.get(meant.lower(), meant.lower()) != _SAME.get(own, own)
