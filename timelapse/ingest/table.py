"""Times that somebody wrote down: a table of names and times (CSV)."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from io import StringIO
from itertools import islice, pairwise
from pathlib import Path, PurePath

from timelapse.errors import RollError, TimeError
from timelapse.ingest.names import name_time
from timelapse.ingest.shown import Shown
from timelapse.ingest.still import File, printable
from timelapse.times import CaptureTime, MissionTime, Rate, Seconds
from timelapse.written import Context, Instant

_BYTES_AT_MOST = 256 << 20
_SAMPLE = 100
_DELIMITERS = ",;\t|"
#: Headings, without what is no letter.
_NAMES = {"name", "file", "filename", "path", "sourcefile", "still", "image", "picture", "photo"}
_TIMES = {
    *("time", "datetime", "timestamp", "utc", "timeutc", "captured", "capturetime", "taken"),
    *("datetimeoriginal", "mission", "missiontime"),
}
#: Times in a table have nothing to do with a clip.
_NO_CLIP = Context(Rate(1))
_AS_IN_NAMES = re.compile(
    r"\d{8}[T _-]?\d{6}(?:[.,]?\d{3})?(?:Z|[+-]\d{4})?|\d{10}(?:\d{3})?", re.ASCII
)
_EPOCH_SECONDS = re.compile(r"(\d{9,11})\.(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """What a line of the table says of one still; `shown` is None where it cannot be read."""

    line: int
    name: str
    shown: Shown | None
    why: str = ""


@dataclass(frozen=True)
class TimeTable:
    """The rows of a table, and what is wrong with it, with the numbers of its lines."""

    path: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()

    def find(self, file: File) -> Row | None:
        """The row of a file: by as much of its path as the table has; else by its bare name, or
        that without its ending, where only one row has it."""
        # str(file) is for people: it spells out what cannot be printed
        parts = _parts(file.path if file.frame is None else str(file))
        for count in range(len(parts), 0, -1):
            if row := self._by_path.get("/".join(parts[-count:])):
                return row
        return self._by_name.get(parts[-1]) or self._by_name.get(PurePath(parts[-1]).stem)

    @cached_property
    def _by_path(self) -> dict[str, Row]:
        return {"/".join(_parts(row.name)): row for row in reversed(self.rows)}

    @cached_property
    def _by_name(self) -> dict[str, Row]:
        names = {id(row): {_parts(row.name)[-1], PurePath(_parts(row.name)[-1]).stem}
                 for row in self.rows}  # fmt: skip
        count = Counter(name for some in names.values() for name in some)
        return {name: row for row in self.rows for name in names[id(row)] if count[name] == 1}


def _parts(path: str) -> list[str]:
    return [p for p in re.split(r"[/\\]+", path.casefold()) if p not in ("", ".")] or [""]


def read_table(path: Path, epoch: CaptureTime | None = None) -> TimeTable:
    """Reads a table of names and times, whatever delimits it; raises RollError.

    The columns are found by their headings (name, file, time, captured, DateTimeOriginal...; or a
    date and a time beside it), or by what stands in them.  Times may be written as cameras, names
    and project files have them; mission times need the `epoch`.  A row that cannot be read is a
    problem of the table, not an error.
    """
    lines = _lines(path)
    width, delimiter = max(
        (_readable(islice(_split(lines, d, path), _SAMPLE), epoch), d)
        for d in reversed(_DELIMITERS)
    )
    if width == 0:
        raise RollError(
            f"{path}: no line holds a name and a time; write DSC_0001.JPG,2018-11-16T18:14:08Z "
            "(mission times need mission.epoch)"
        )
    table = list(_split(lines, delimiter, path))
    name_at, times_at, start = _columns([cells for _, cells in table], epoch, path)
    rows, problems, seen = [], [], dict[str, int]()
    for line, cells in table[start:]:
        if not any(cells):
            continue
        name = cells[name_at] if name_at < len(cells) else ""
        written = " ".join(cells[at] for at in times_at if at < len(cells)).strip()
        key = "/".join(_parts(name))
        if not name:
            problems.append(f"{path.name}:{line}: no name in this line")
        elif key in seen:
            what = f"{printable(name)} stands in line {seen[key]} already, which counts"
            problems.append(f"{path.name}:{line}: {what}")
        else:
            seen[key] = line
            row = _row(line, name, written, epoch)
            rows.append(row)
            if row.shown is None:
                problems.append(f"{path.name}:{line}: {printable(name)}: {row.why}")
    return TimeTable(str(path), tuple(rows), tuple(problems))


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _BYTES_AT_MOST:
            raise RollError(f"{path}: a table of times of more than {_BYTES_AT_MOST} bytes")
        data = path.read_bytes()
    except OSError as error:
        if isinstance(error, RollError):
            raise
        raise RollError(f"{path}: the times cannot be read: {error.strerror or error}") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # a spreadsheet's own
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise RollError(f"{path}: a table of times has to be UTF-8 text") from None
    return list(StringIO(text.replace("\0", ""), newline=""))  # lines as CSV means them


def _split(lines: Sequence[str], delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows, stripped, each with the number of its last line."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if cells and not cells[0].startswith("#"):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise RollError(
            f"{path}:{reader.line_num}: not a table that can be read: {error}"
        ) from None


def _readable(rows: Iterator[tuple[int, list[str]]], epoch: CaptureTime | None) -> int:
    """How many rows have a time, in one cell or two, and something beside it."""
    found = 0
    for _, cells in rows:
        whole = [*cells, *(f"{a} {b}" for a, b in pairwise(cells))]
        found += len(cells) > 1 and any(read_time(cell, epoch) for cell in whole)
    return found


def _columns(
    table: Sequence[list[str]], epoch: CaptureTime | None, path: Path
) -> tuple[int, list[int], int]:
    """Where the names are, where the times are, and the first row of data."""
    heads = ["".join(filter(str.isalpha, cell.casefold())) for cell in table[0]]
    name = next((at for at, head in enumerate(heads) if head in _NAMES), None)
    times = [at for at, head in enumerate(heads) if head in _TIMES][:1]
    if "date" in heads and (not times or heads[times[0]] == "time"):
        times = [heads.index("date"), *times]
    if name is not None and times:
        return name, times, 1
    sample = table[:_SAMPLE]
    columns = range(max(map(len, sample)))
    score = [
        sum(at < len(row) and bool(read_time(row[at], epoch)) for row in sample) for at in columns
    ]
    best = [at for at in columns if score[at] * 2 > max(score)]
    if not best:  # dates and times in cells of their own
        raise RollError(f"{path}: needs headings that say what it holds, as name,date,time")
    time = best[1] if len(best) > 1 and best[0] == 0 else best[0]
    others = [at for at in columns if at != time]
    ended = re.compile(r".*\.\w{2,5}", re.DOTALL)
    like = [
        sum(at < len(row) and bool(ended.fullmatch(row[at])) for row in sample) for at in others
    ]
    start = int(time >= len(table[0]) or read_time(table[0][time], epoch) is None)
    # a first row whose time is damaged is no heading
    where = others[like.index(max(like))]
    start = start and int(not any(map(ended.fullmatch, table[0][where : where + 1])))
    return others[like.index(max(like))], [time], start


def _row(line: int, name: str, written: str, epoch: CaptureTime | None) -> Row:
    if (shown := read_time(written, epoch)) is not None:
        return Row(line, name, shown)
    if not written:
        return Row(line, name, None, "no time in this line")
    if re.match(r"[TL]\s*[+-]", written) and epoch is None:
        return Row(line, name, None, f"{written!r} needs mission.epoch")
    return Row(line, name, None, f"{written!r} is not a date and time; write 2018-11-16T18:14:08Z")


def read_time(text: str, epoch: CaptureTime | None = None) -> Shown | None:
    """A time in any notation of the program; None for what is none."""
    text = text.strip()[:100]
    if not any(map(str.isdigit, text)):
        return None
    with suppress(TimeError):
        return Shown.read(text)
    if found := _EPOCH_SECONDS.fullmatch(text):
        return Shown(CaptureTime(Fraction(text)), Seconds(0), found[2])
    if _AS_IN_NAMES.fullmatch(text) and (shown := name_time(text)):
        return shown
    with suppress(TimeError):
        time = Instant.read(text).resolve(_NO_CLIP).time
        digits = re.search(r"\.(\d{1,9})", text)
        if isinstance(time, MissionTime) and epoch is not None:
            time = time.after(epoch)
        if isinstance(time, CaptureTime):
            return Shown(time, Seconds(0), digits[1] if digits else "")
    return None
