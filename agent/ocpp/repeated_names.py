"""Names that an object repeats. RFC 8259 §4 leaves open what they mean, and parsers differ: whoever checked a request
on its way may have read another one. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class _Repeated(Exception):
    """An object repeats the name in the text."""


def repeated_name(payload: bytes) -> str | None:
    """Return a name that an object in this valid JSON repeats, ``None`` where all are unique. Not for deep nesting."""
    import json  # the agent's own parser cannot be asked; only for what the CSMS asks

    try:
        json.loads(payload, object_pairs_hook=_unique, parse_int=_skip, parse_float=_skip)
    except _Repeated as found:
        return str(found)
    except (ValueError, RecursionError):  # whoever uses the payload will say what is wrong with it
        return None
    return None


def _unique(members: Sequence[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) == len(members):
        return
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise _Repeated(name)
        seen.add(name)


def _skip(_digits: str) -> None:
    return None
