"""Writes docs/project.schema.json (for editors) and docs/reference.md (for people): every key of
the project file, from the program's own types.

    python docs/make_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from timelapse.schema import json_schema

HERE = Path(__file__).parent
SECTIONS = (
    ("roll", "RollSection"),
    ("roll.clock.CAMERA[]", "ClockPoint"),
    ("roll.bad", "Policies"),
    ("roll.bad.thresholds", "Thresholds"),
    ("roll.limits", "Limits"),
    ("mission", "MissionSection"),
    ("schedule", "ScheduleSection"),
    ("schedule.speeds[]", "SpeedEntry"),
    ("schedule.anchors[]", "AnchorEntry"),
    ("schedule.cuts[]", "CutEntry"),
    ("schedule.reverses[]", "ReverseEntry"),
    ("schedule.freezes[]", "FreezeEntry"),
    ("retime.gap_at[]", "GapAt"),
    ("retime, blend: nearest", "Nearest"),
    ("retime, blend: linear", "Linear"),
    ("retime, blend: flow", "Flow"),
    ("retime, blend: box", "Box"),
    ("retime, blend: gaussian", "Gaussian"),
    ("retime, blend: cubic", "Cubic"),
    ("retime, blend: lighten", "Lighten"),
    ("retime, blend: darken", "Darken"),
    ("retime, blend: median", "Median"),
    ("framing", "Reframing"),
    ("framing.moves[]", "Move"),
    ("output, format: h264", "H264"),
    ("output, format: hevc", "Hevc"),
    ("output, format: av1", "Av1"),
    ("output, format: vp9", "Vp9"),
    ("output, format: prores", "ProRes"),
    ("output, format: dnxhr", "DnxHr"),
    ("output, format: gif", "Gif"),
    ("output, format: webp", "WebP"),
    ("output, format: png", "Png"),
    ("outputs[]", "Output"),
    ("grade", "GradeSection"),
    ("grade.hot_pixels", "HotPixelsSection"),
    ("grade.cosmic_rays", "CosmicRaysSection"),
    ("grade.deflicker", "DeflickerSection"),
    ("grade.deflicker.area[]", "AreaKey"),
    ("grade.stabilise", "Stabilise"),
    ("grade.denoise", "DenoiseSection"),
    ("grade.denoise.keys[]", "StrengthKey"),
    ("grade.tone", "Tone"),
    ("grade.tone.keys[]", "ToneKey"),
    ("sound", "SoundSection"),
    ("sound.voice[]", "VoiceEntry"),
    ("milestones[]", "Milestone"),
    ("overlays[], kind: clock", "Clock"),
    ("overlays[], kind: credit", "Credit"),
    ("overlays[], kind: span", "Span"),
    ("overlays[], kind: lower-third", "LowerThird"),
    ("overlays[], kind: title", "Title"),
    ("overlays[], kind: end", "End"),
    ("overlays[], kind: credits", "Credits"),
    ("overlays[], kind: progress", "Progress"),
    ("overlays[], kind: speed-map", "SpeedMap"),
    ("overlays[], kind: logo", "Logo"),
    ("overlays[], kind: gap", "GapCaption"),
    ("overlays[], kind: callout", "Callout"),
    ("overlays[].points[], of a callout", "PointAt"),
    ("groups.NAME", "Group"),
    ("theme, of the project's own", "Theming"),
    ("style", "Look"),
)
HEAD = """\
# Every key of the project file

Made by `docs/make_reference.py` from the program's own types; `project.schema.json` beside this
page is the same for editors. Start a project file with this line and an editor with YAML support
completes and checks it:

    # yaml-language-server: $schema=docs/project.schema.json

At the top level stand the sections below and `timecode` (`mm:ss:ff` or `hh:mm:ss`), which settles
how three-field video times are meant. A value is read as it is written: `29.97` is 30000/1001
frames a second, `15.3` exactly 153/10.
"""


def schema_text() -> str:
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def reference_text() -> str:
    definitions = json_schema()["$defs"]
    missing = set(definitions) - {name for _, name in SECTIONS} - {"Place", "TimeSource"}
    if missing:
        raise SystemExit(f"make_reference.py: give these a heading: {', '.join(sorted(missing))}")
    parts = [HEAD]
    for title, name in SECTIONS:
        definition = definitions[name]
        if "properties" not in definition:  # it may also be written as a word
            definition = definition["anyOf"][-1]
        parts.append(f"\n## {title}\n\n{_words(definition.get('description', ''))}\n\n")
        parts.append("| key | default | written as |\n| --- | --- | --- |\n")
        required = definition.get("required", [])
        for key, value in definition["properties"].items():
            if "const" in value:
                continue
            default = "needed" if key in required else _default(value.get("default"))
            parts.append(f"| `{key}` | {default} | {_written(value, definitions)} |\n")
    return "".join(parts)


def _words(text: str) -> str:
    return " ".join(text.split())


def _default(value: Any) -> str:
    if value in (None, [], ""):
        return "none"
    if isinstance(value, dict):
        return "see there"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _written(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in value:
        value = {**definitions[value["$ref"].rsplit("/", 1)[1]], **value}
    kinds = [kind for kind in value.get("anyOf", []) if kind.get("type") != "null"]
    if len(kinds) == 1:
        value = {**kinds[0], **{k: v for k, v in value.items() if k == "description"}}
        if "$ref" in value:
            return _written(value, definitions)
    words = _words(value.get("description", ""))
    if "enum" in value:
        return " ".join(filter(None, [words, ", ".join(f"`{word}`" for word in value["enum"])]))
    if examples := value.get("examples"):
        shown = ", ".join(f"`{example}`" for example in examples)
        return words if words.count("`") >= 2 else f"{words} {shown}".strip()
    if value.get("type") == "array":
        items = value.get("items") or value["prefixItems"][0]
        return words or f"a list: {_written(items, definitions) or 'of entries'}"
    if value.get("type") == "object" and "properties" in value:
        return "keys: see its own table"
    plain = {"string": "text", "integer": "a whole number", "number": "a number"}
    return words or plain.get(str(value.get("type")), "")


if __name__ == "__main__":
    (HERE / "project.schema.json").write_text(schema_text(), encoding="utf-8")
    (HERE / "reference.md").write_text(reference_text(), encoding="utf-8")
