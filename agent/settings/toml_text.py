"""Reads TOML, and says of a text that is none what a parser says of it: as a problem with a line and a hint."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final, NamedTuple

DEEPEST: Final = 40
"""Tables and lists within each other. No file of ours needs ten; every reader of the values recurses."""
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_HINTS: Final = {
    "Cannot overwrite a value": "the key is given twice",
    "Cannot declare": "the table is given twice",
    "Invalid value": "text needs quotes",
    "Unclosed": "a bracket or quote is not closed",
    "Expected '=' after a key": "each line is key = value",
}


class TomlFault(NamedTuple):
    """Where a text is no TOML (a line from 1, ``None``: nowhere in particular), why, and what was probably meant."""

    line: int | None
    text: str
    hint: str = ""


def load_toml(source: str) -> dict[str, Any]:
    """Return what a text says.

    Raises:
        ValueError: it is no TOML.
        RecursionError: it is nested deeper than `DEEPEST`, by brackets, dotted keys or names of tables.
    """
    document = tomllib.loads(source)
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return document
    raise RecursionError


def toml_fault(problem: ValueError | RecursionError, source: bytes) -> TomlFault:
    """Return what ``problem``, raised by decoding or parsing ``source``, says."""
    if isinstance(problem, RecursionError):
        return TomlFault(None, "is nested too deeply")
    if isinstance(problem, UnicodeDecodeError):
        line = source.count(b"\n", 0, problem.start) + 1
        return TomlFault(line, f"byte 0x{source[problem.start]:02x} is not UTF-8", "save the file as UTF-8")
    said = str(problem)
    place = _PLACE.search(said)
    if place is None:
        return TomlFault(None, f"is no TOML: {_small(said)}")
    end = source.count(b"\n") + (not source.endswith(b"\n"))
    hint = next((hint for start, hint in _HINTS.items() if said.startswith(start)), "")
    return TomlFault(int(place[1]) if place[1] else end, f"is no TOML: {_small(said[: place.start()])}", hint)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]
