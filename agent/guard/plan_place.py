"""Reading a compiled plan: an object somewhere in it, a driver's target, a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from agent.guard.checks import Check, flag, number, one_of, shown, text


class PlanError(Exception):
    """The plan cannot be obeyed; the text says which place, which value, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A driver's callable, ``module:callable``, and the options it is called with as keyword arguments."""

    target: str
    options: Mapping[str, Any]

    def open(self) -> Any:
        """Import the driver and return what it opens.

        Raises:
            PlanError: there is no such module or callable. DriverError: the device cannot be opened.
        """
        module, _, name = self.target.partition(":")
        try:
            opener = getattr(import_module(module), name)
        except (ImportError, AttributeError) as problem:
            raise PlanError(f"target {self.target!r} cannot be imported: {problem}") from problem
        return opener(**self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """One on/off line by its name on the board.

    Attributes:
        pull: of an input: ``none``, ``up`` or ``down``.
        debounce_s: of an input: its level counts when it has lasted so long.
        latched: of a watched input: it stays tripped until the vehicle has left.
    """

    line: str
    active_high: bool = True
    pull: str = "none"
    debounce_s: float = 0.0
    latched: bool = False


class Place:
    """An object somewhere in the plan, with the way to it for error texts."""

    def __init__(self, where: str, content: object) -> None:
        """Look at ``content``; ``where`` is the way to it. Raises ``PlanError``."""
        if not isinstance(content, dict):
            raise PlanError(f"{where} is {shown(content)}, expected an object")
        self.where = where
        self.content: dict[str, Any] = content

    def take(self, key: str, check: Check, default: Any = None) -> Any:
        """Return the checked value of ``key``, or ``default``. Raises ``PlanError``."""
        if key not in self.content:
            if default is not None:
                return default
            raise PlanError(f"{self.where}.{key} is missing")
        try:
            return check(self.content[key])
        except ValueError as problem:
            raise PlanError(f"{self.where}.{key} {problem}") from None

    def take_list(self, key: str, check: Check) -> list[Any]:
        """Return the checked entries of the list ``key``, none without it. Raises ``PlanError``."""
        entries = self.content.get(key, [])
        if not isinstance(entries, list):
            raise PlanError(f"{self.where}.{key} is {shown(entries)}, expected a list")
        try:
            return [check(entry) for entry in entries]
        except ValueError as problem:
            raise PlanError(f"{self.where}.{key} {problem}") from None

    def place(self, key: str) -> Place:
        """Return the object ``key``. Raises ``PlanError``."""
        return Place(f"{self.where}.{key}", self.content.get(key))

    def places(self, key: str) -> list[Place]:
        """Return the objects of the list ``key``. Raises ``PlanError``."""
        entries = self.content.get(key)
        if not isinstance(entries, list):
            raise PlanError(f"{self.where}.{key} is {shown(entries)}, expected a list")
        return [Place(f"{self.where}.{key}[{index}]", entry) for index, entry in enumerate(entries)]


def parse_target(place: Place) -> Target:
    """Return the target in ``place``. Raises ``PlanError``."""
    target = place.take("target", text(200))
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise PlanError(f"{place.where}.target {target!r} is not of the form module:callable")
    return Target(target=target, options=Place(f"{place.where}.options", place.content.get("options", {})).content)


def parse_line(place: Place, *, latched: bool = False) -> LinePlan:
    """Return the line in ``place``; ``latched`` where it does not say. Raises ``PlanError``."""
    return LinePlan(
        line=place.take("line", text(100)),
        active_high=place.take("active_high", flag, default=True),
        pull=place.take("pull", one_of("none", "up", "down"), default="none"),
        debounce_s=place.take("debounce_s", number(0.0, 60.0), default=0.0),
        latched=place.take("latched", flag, default=latched),
    )


def parse_optional_line(place: Place, key: str, *, latched: bool = False) -> LinePlan | None:
    """Return the line ``key`` of ``place``, if there is one. Raises ``PlanError``."""
    return None if place.content.get(key) is None else parse_line(place.place(key), latched=latched)
