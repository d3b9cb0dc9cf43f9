"""The JSON Schema of project files."""

from __future__ import annotations

import json
from typing import Any, cast

from timelapse.project import Project


def json_schema() -> dict[str, Any]:
    """The JSON Schema of project files, for editors."""
    schema = json.loads(json.dumps(Project.model_json_schema(), default=str))
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | cast(dict[str, Any], _any_of(schema))


def _any_of(schema: Any) -> Any:
    """`oneOf` would refuse a union whose telling key is left out, as it may be here."""
    if isinstance(schema, dict):
        return {("anyOf" if k == "oneOf" else k): _any_of(v) for k, v in schema.items()}
    return [_any_of(item) for item in schema] if isinstance(schema, list) else schema
