"""Texts from elsewhere on their way to a terminal: nothing in them steers it, or looks like a line of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def printable(text: str) -> str:
    """Return a text with ``?`` for line ends, escape sequences, marks of direction and all else that has no picture."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def all_printable(value: Any) -> Any:
    """Return a JSON value with every text in it `printable`."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {name: all_printable(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [all_printable(each) for each in value]
    return value
