"""Writes docs/project.schema.json, the JSON Schema of project files for editors."""

import json
from pathlib import Path

from timelapse.project import json_schema

target = Path(__file__).with_name("project.schema.json")
text = json.dumps(json_schema(), indent=1, ensure_ascii=False, default=str)
target.write_text(text + "\n", encoding="utf-8")
