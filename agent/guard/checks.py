"""Checks of one value that came from outside: each returns it, made ours, or raises ``ValueError`` that says why.

The texts start with the value, so the caller puts the field in front: ``Permit.phases 2 is not one of 1, 3``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

Check = Callable[[Any], Any]


def whole(low: int, high: int) -> Check:
    """Accept a whole number from ``low`` to ``high``; true and false are not numbers."""

    def check(value: Any) -> int:
        if type(value) is not int:
            raise ValueError(f"{shown(value)} is not a whole number")
        if not low <= value <= high:
            raise ValueError(f"{shown(value)} is outside {low}-{high}")
        return value

    return check


def number(low: float, high: float) -> Check:
    """Accept a finite number from ``low`` to ``high`` and make it a float."""

    def check(value: Any) -> float:
        if type(value) not in (int, float):
            raise ValueError(f"{shown(value)} is not a number")
        if not low <= value <= high:
            raise ValueError(f"{shown(value)} is outside {low:g}-{high:g}")
        return float(value)

    return check


def text(longest: int) -> Check:
    """Accept a text of at most ``longest`` characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a text")
        if len(value) > longest:
            raise ValueError(f"is {len(value)} characters long, at most {longest} are allowed")
        return value

    return check


def flag(value: Any) -> bool:
    """Accept true and false."""
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def member(kind: type[Enum]) -> Check:
    """Accept the value of a member of ``kind`` and make it the member."""
    members = {member.value: member for member in kind}

    def check(value: Any) -> Enum:
        if not isinstance(value, str) or value not in members:
            raise ValueError(f"{shown(value)} is not one of {', '.join(members)}")
        return members[value]

    return check


def one_of(*choices: Any) -> Check:
    """Accept one of ``choices``, of the same type."""

    def check(value: Any) -> Any:
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        raise ValueError(f"{shown(value)} is not one of {', '.join(str(choice) for choice in choices)}")

    return check


def several(item: Check, most: int) -> Check:
    """Accept a list of at most ``most`` items that ``item`` accepts and make it a tuple."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{shown(value)} is not a list")
        if len(value) > most:
            raise ValueError(f"holds {len(value)} items, at most {most} are allowed")
        return tuple(item(entry) for entry in value)

    return check


def optional(check: Check) -> Check:
    """Accept ``None`` and whatever ``check`` accepts."""
    return lambda value: None if value is None else check(value)


def shown(value: object) -> str:
    """Return ``value`` as an error text shows it: at most 60 characters."""
    seen = repr(value)
    return seen if len(seen) <= 60 else seen[:57] + "..."
