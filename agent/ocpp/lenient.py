"""A forgiving look at members of the answers of real back ends: what is usable is used, the rest is ``None``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.ocpp.wire_time import utc_s


def text_of(owner: Mapping[str, Any], name: str) -> str:
    """Return a text member, "" where there is none."""
    value = owner.get(name)
    return value if isinstance(value, str) else ""


def whole_of(owner: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number, also one written as 300.0 or "300"; ``None`` where there is none."""
    value = owner.get(name)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal() and len(value) <= 20:
        return int(value)
    return None


def utc_of(owner: Mapping[str, Any], name: str) -> float | None:
    """Return a point in time in seconds since 1970, ``None`` where it is missing or cannot be read."""
    try:
        return utc_s(text_of(owner, name))
    except ValueError:
        return None
