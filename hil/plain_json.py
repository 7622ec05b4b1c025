"""JSON that can be written again: finite numbers, and not nested without end. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, Final

DEEPEST: Final = 100
"""Levels of lists and objects. OCPP's own messages have fewer than ten; far below what stops Python's encoder."""


def read_json(text: str) -> Any:
    """Return what a text says. Raises ``ValueError``: not JSON, a number without end, or nested too deeply."""
    try:
        value = json.loads(text)
    except RecursionError as exc:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from exc
    found = flaw(value)
    if found is not None:
        raise ValueError(found)
    return value


def flaw(value: Any) -> str | None:
    """Say what in a value JSON cannot say (RFC 8259 section 6: no NaN, no infinity) or nobody may; None: nothing."""
    level = [value]
    for _ in range(DEEPEST + 1):
        for each in level:
            if isinstance(each, float) and not math.isfinite(each):
                return f"{each!r} is in it, expected finite numbers"
        level = [member for each in level for member in _members(each)]
        if not level:
            return None
    return f"it is nested deeper than {DEEPEST} levels"


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
