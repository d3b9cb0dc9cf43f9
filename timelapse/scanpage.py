"""What a scan found, as one page: plots, a keogram, pictures of what is bad, and the ledger.

The page needs nothing but itself, and stays small however long the roll is.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice, zip_longest
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timelapse.errors import RenderError, StillError
from timelapse.grade.curves import STYLE, curve_plot, curves
from timelapse.grade.flicker import Deflicker, Gains, measure
from timelapse.grade.levels import levels_of
from timelapse.ingest import (
    Inspection,
    LedgerEntry,
    Pixels,
    Reader,
    Status,
    glimpse,
    thumbnail,
)
from timelapse.render import check_target
from timelapse.storage import written_whole
from timelapse.svg import HEIGHT, INK, WIDTH, Scale, curve, escaped, plot, points
from timelapse.tables import is_logarithmic, scan_facts

PAGE_ENDINGS = (".html", ".htm")
PLOT_ENDINGS = (".svg",)
#: At most so much of each: marks on a curve, pictures and their longer side in
#: pixels, rows of the ledger.
_MARKS, _PICTURES, _SIDE, _ROWS = 300, 48, 160, 1000
#: Of a keogram where there is no still.
_EMPTY = (128, 128, 128)
#: What eight bits cannot tell from black, in stops below white.
_DARKEST = -12

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1080px; margin: 2em auto; padding: 0 1.5em; }
h1 { font-size: 1.5em; overflow-wrap: anywhere; } h2 { font-size: 1.1em; margin: 2em 0 .4em; }
p, figcaption, small { color: var(--soft); } .warnings { color: var(--bad); padding-left: 1.2em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1.2em; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
svg, .keogram { display: block; width: 100%; border: 1px solid var(--line); }
svg { overflow: visible; } .keogram { height: 140px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 1em; }
figure { margin: 0; } figure img { max-width: 100%; display: block; border: 1px solid var(--line); }
figcaption { font-size: .85em; overflow-wrap: anywhere; } figcaption b { color: var(--ink); }
.none { height: 100px; border: 1px dashed var(--line); }
table { border-collapse: collapse; width: 100%; font-size: .85em; }
td, th { text-align: left; padding: .2em .8em .2em 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; vertical-align: top; }
.axis { display: flex; justify-content: space-between; font-size: .8em; color: var(--soft); }
"""


def write_page(
    path: Path, name: str, inspection: Inspection, settings: Deflicker | None = None
) -> None:
    """Writes the page of the roll `name`, and how these `settings` would deflicker it, or else
    the usual ones; raises RenderError where it cannot be written, and never over a file of the
    roll."""
    check_target(path, PAGE_ENDINGS, inspection.taken)
    with Reader(inspection.taken.limits) as reader:
        text = scan_page(name, inspection, reader, settings)
    _write(path, text)


def write_curves(
    path: Path, name: str, inspection: Inspection, settings: Deflicker | None = None
) -> None:
    """Writes how the light of the roll `name` flickers, and how it would not, as SVG; see
    `write_page`."""
    check_target(path, PLOT_ENDINGS, inspection.taken)
    _write(path, curve_plot(_gains(inspection, settings), f"Flicker of {name}"))


def _gains(inspection: Inspection, settings: Deflicker | None) -> Gains:
    return measure(
        levels_of(inspection.taken.stills, inspection.looks.rows), settings or Deflicker()
    )


def _write(path: Path, text: str) -> None:
    try:
        with written_whole(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from error


def scan_page(
    name: str, inspection: Inspection, reader: Reader, settings: Deflicker | None = None
) -> str:
    """The page as HTML; `reader` gives the pictures."""
    roll, plots = inspection.roll, _Plots(inspection, settings)
    facts = "".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>" for k, v in scan_facts(roll))
    warnings = "".join(f"<li>{escaped(warning)}</li>" for warning in roll.warnings)
    told = f'<ul class="warnings">{warnings}</ul>' if warnings else ""
    pictures = "".join(_pictures(inspection, reader))
    shown = f'<h2>Bad or left out</h2><div class="pictures">{pictures}</div>' if pictures else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><title>{escaped(name)}</title>
<style>{INK}{STYLE}{_STYLE}</style></head><body>
<h1>{escaped(name)}</h1><dl>{facts}</dl>{told}
<h2>From still to still</h2>{plots.steps()}
<h2>Brightness</h2>{plots.brightness()}
<h2>Flicker, and what deflickering would make of it</h2>{plots.flicker()}
<h2>Keogram</h2>{plots.keogram()}
{shown}
<h2>Ledger</h2>{_ledger(roll.ledger)}
</body></html>
"""


def _picture(pixels: Pixels, quality: int) -> str:
    import simplejpeg

    data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality)
    return f"data:image/jpeg;base64,{b64encode(data).decode('ascii')}"


class _Plots:
    """The plots of a roll as it was taken, over one axis of time."""

    def __init__(self, inspection: Inspection, settings: Deflicker | None) -> None:
        self._inspection, self._settings = inspection, settings
        self._roll, self._looks = inspection.taken, inspection.looks
        self._flags = inspection.flags
        first = self._roll.first
        self._times = np.array([float(still.captured - first) for still in self._roll.stills])
        self._span = float(self._roll.end - first)
        self._across = self._times / self._span * WIDTH

    def _axis(self, words: str) -> str:
        ends = self._roll.first.iso(), escaped(words), self._roll.end.iso()
        return f'<div class="axis">{"".join(f"<span>{end}</span>" for end in ends)}</div>'

    def steps(self) -> str:
        steps = np.diff(self._times)
        if not len(steps):
            return "<p>There is one still.</p>"
        scale = Scale(steps.min(), steps.max(), is_logarithmic(steps.min(), steps.max()))
        heights, stills = scale.heights(steps), self._roll.stills
        longest_first = sorted(self._roll.gaps, key=lambda gap: -gap.seconds)
        marks = [
            (
                gap.after,
                f"{float(gap.seconds):g} s from {stills[gap.after].name} to "
                f"{stills[gap.before].name}: about {gap.missing} missing",
            )
            for gap in longest_first
        ]
        body = curve(self._across[:-1], heights) + self._marks(heights, marks)
        words = "seconds, logarithmic" if scale.logarithmic else "seconds"
        return plot(body, f"{scale.high:.6g} s", f"{scale.low:.6g} s") + self._axis(words)

    def brightness(self) -> str:
        rows = self._looks.rows
        seen = np.ones(len(rows), bool)
        seen[list(self._looks.unreadable)] = False
        if not seen.any():
            return "<p>No still can be decoded.</p>"
        stops = {
            name: np.log2(np.maximum(rows[name].astype(np.float64), 2.0**_DARKEST))
            for name in ("luminance", "shadows", "lights")
        }
        scale = Scale(min(s[seen].min() for s in stops.values()), 0)
        mean, low, high = (scale.heights(values) for values in stops.values())
        across = self._across[seen]
        band = f"{points(across, high[seen])} {points(across[::-1], low[seen][::-1])}"
        marks = [(at, f"{self._roll.stills[at].name}: {f}") for at, f in self._flags.items()]
        body = f'<polygon class="band" points="{band}"/>{curve(across, mean[seen])}'
        body += self._marks(np.where(seen, mean, HEIGHT - 6), marks)
        words = "mean, with the span from the 5th to the 99th percentile, in stops below white"
        return plot(body, "white", f"{scale.low:.1f}") + self._axis(words)

    def flicker(self) -> str:
        gains = _gains(self._inspection, self._settings)
        said = gains.as_json()
        change = (f"{100 * said[key]:.2g} %" for key in ("flicker_before", "flicker_after"))
        words = "mean light changes from still to still by {}, and then by {}".format(*change)
        return "".join(curves(gains)) + self._axis(words)

    def keogram(self) -> str:
        """The columns side by side, each for as long as its still stands for; where several stills
        fall into the width of one, that of the last."""
        edges = np.arange(WIDTH + 1) / WIDTH * self._span
        starts, ends = edges[:-1], edges[1:]
        at = np.clip(np.searchsorted(self._times, ends, "left") - 1, 0, None)
        columns = self._looks.rows["column"][at]
        unseen = np.zeros(len(self._times), bool)
        unseen[list(self._looks.unreadable)] = True
        empty = (starts - self._times[at] > float(self._roll.longest_step)) | unseen[at]
        columns[empty] = _EMPTY
        pixels = columns.transpose(1, 0, 2)
        words = "the middle column of each still, at its time; gray where there is none"
        return f'<img class="keogram" alt="Keogram" src="{_picture(pixels, 85)}">' + self._axis(
            words
        )

    def _marks(self, heights: NDArray[Any], marks: Sequence[tuple[int, str]]) -> str:
        return "".join(
            f'<circle class="mark" cx="{self._across[at]:.1f}" cy="{heights[at]:.1f}" r="3.5">'
            f"<title>{escaped(words)}</title></circle>"
            for at, words in marks[:_MARKS]
        )


def _pictures(inspection: Inspection, reader: Reader) -> Iterator[str]:
    """What is bad or was left out, some of every sort."""
    stills = {str(still.file): still for still in inspection.taken.stills}
    bad = {str(inspection.taken.stills[at].file): flag for at, flag in inspection.flags.items()}
    sorts: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in inspection.roll.ledger:
        if entry.path in bad:
            sorts[bad[entry.path].kind].append(entry)
        elif entry.status is not Status.USED:
            sorts[entry.status].append(entry)
    in_turns = (entry for turn in zip_longest(*sorts.values()) for entry in turn if entry)
    for entry in islice(in_turns, _PICTURES):
        shown = '<div class="none"></div>'
        with suppress(StillError):
            if (still := stills.get(entry.path)) is not None:
                pixels = thumbnail(reader, still, _SIDE)
            else:
                pixels = glimpse(reader, entry.path, _SIDE)
            shown = f'<img alt="" src="{_picture(pixels, 70)}">'
        name, words = escaped(PurePath(entry.path).name), escaped(f"{entry.status}; {entry.reason}")
        yield f"<figure>{shown}<figcaption><b>{name}</b><br>{words}</figcaption></figure>"


def _ledger(ledger: Sequence[LedgerEntry]) -> str:
    """The ledger; of a long one first of all what there is something to say of."""
    # What there is something to say of comes first.
    silent = [not e.reason and e.status is Status.USED for e in ledger]
    shown = sorted(sorted(range(len(ledger)), key=silent.__getitem__)[:_ROWS])
    rows = "".join(
        f"<tr><td>{escaped(e.status)}</td><td>{escaped(e.path)}</td>"
        f"<td>{e.captured.iso(3) if e.captured else ''}</td><td>{escaped(e.reason)}</td></tr>"
        for e in (ledger[at] for at in shown)
    )
    left = len(ledger) - len(shown)
    more = f"<p>{left} more files are not shown; scan --json has them all.</p>" if left else ""
    head = "<tr><th>status</th><th>file</th><th>captured</th><th>why</th></tr>"
    return f"<table>{head}{rows}</table>{more}"
