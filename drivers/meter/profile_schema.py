"""The JSON schema of meter profiles, made of the tables that the reader uses.

``python -m drivers.meter.profile_schema config/meters/profile.schema.json`` writes it; an editor that knows TOML
checks profiles with it while they are written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from drivers.meter.profile_file import MARK, NAN, REGISTER, SERIAL, SUM, TCP, TOP, Key

_TYPES: Final = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
}


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    document = _table(TOP, "energy meter profile of charge-agent")
    register = _table(REGISTER, "one value")
    document["properties"] |= {
        "registers": {
            "type": "object",
            "additionalProperties": register,
            "required": ["energy_import"],
            "description": "values by name, such as energy_import, power, power_l1, voltage_l1, current_l1, frequency",
        },
        "derived": {"type": "object", "additionalProperties": _table(SUM, "a sum of registers")},
        "identity": {"type": "array", "items": _table(MARK, "registers by which the model is known; all must match")},
        "serial": _table(SERIAL, "how its port is set when it leaves the factory"),
        "tcp": _table(TCP, "how it is reached over Modbus TCP"),
        "nan": _table(NAN, "raw values that mean: not available"),
    }
    document["required"].append("registers")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _table(keys: Iterable[Key], text: str) -> dict[str, Any]:
    rows = list(keys)
    return {
        "type": "object",
        "description": text,
        "properties": {key.name: _key(key) for key in rows},
        "required": [key.name for key in rows if key.required],
        "additionalProperties": False,
    }


def _key(key: Key) -> dict[str, Any]:
    found: dict[str, Any] = {"type": _TYPES[key.kind], "description": key.help}
    bounds = {name: value for name, value in (("minimum", key.low), ("maximum", key.high)) if value is not None}
    if key.choices:
        found["enum"] = list(key.choices)
    if key.kind is list:
        words = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 0xFFFF}}
        found["items"] = words if key.of is list else {"type": _TYPES[key.of], **bounds}
        return found
    if key.default not in (None, ""):
        found["default"] = key.default
    return found | bounds


def text() -> str:
    """Return the schema as it is kept in a file."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
