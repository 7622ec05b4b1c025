"""The control protocol: verbs that describe themselves, checked and called by name.

``Verbs`` is the place where modules add theirs; ``hil.all_verbs`` says which modules do.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hil.plain_json import flaw


class VerbError(Exception):
    """A verb could not be done. The text says what, which value, and what was expected."""


class Kind(Enum):
    """The type of a parameter."""

    TEXT = "text"
    INT = "int"
    NUMBER = "number"
    BOOL = "bool"
    ANY = "any"  # whatever JSON can say
    TEXTS = "texts"  # a list of texts
    OBJECT = "object"  # names and values


_REQUIRED = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a verb.

    Attributes:
        default: value when it is left out; leave it unset for a required parameter.
        minimum, maximum: inclusive range of a number, in ``unit``.
        choices: allowed values; empty for any.
        positional: the command line takes it without a name.
    """

    name: str
    kind: Kind
    help: str
    default: Any = _REQUIRED
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    positional: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is _REQUIRED

    def describe(self) -> dict[str, Any]:
        """Return the description that ``verbs`` answers."""
        described: dict[str, Any] = {"name": self.name, "type": self.kind.value, "help": self.help}
        described |= {"required": True} if self.required else {"default": self.default}
        for key in ("unit", "minimum", "maximum"):
            if getattr(self, key) not in ("", None):
                described[key] = getattr(self, key)
        if self.choices:
            described["choices"] = list(self.choices)
        if self.positional:
            described["positional"] = True
        return described


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Something the bench can be told. ``run`` gets every parameter by name and returns what JSON can say.

    ``stimulus``: it changes the world, so it is written into the trace.
    """

    name: str
    summary: str
    parameters: tuple[Parameter, ...]
    run: Callable[..., Awaitable[Any]]
    stimulus: bool = True

    def describe(self) -> dict[str, Any]:
        """Return the description that ``verbs`` answers."""
        return {
            "name": self.name,
            "summary": self.summary,
            "parameters": [parameter.describe() for parameter in self.parameters],
        }


class Verbs:
    """All verbs of a bench."""

    def __init__(self, record: Callable[[str, dict[str, Any]], None] | None = None) -> None:
        """``record(verb, arguments)`` is told about every stimulus before it happens."""
        self._verbs: dict[str, Verb] = {}
        self._record = record

    def add(self, verb: Verb) -> None:
        """Add a verb. Raises ``ValueError`` when the name is taken."""
        if verb.name in self._verbs:
            raise ValueError(f"verb {verb.name!r} exists already")
        self._verbs[verb.name] = verb

    def describe(self) -> list[dict[str, Any]]:
        """Return the description of every verb, by name."""
        return [self._verbs[name].describe() for name in sorted(self._verbs)]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Check the arguments, run the verb, return its result.

        Raises:
            VerbError: no such verb, a wrong argument, or the verb itself refused.
        """
        verb = self._verbs.get(name)
        if verb is None:
            raise VerbError(f"no verb {name!r}{_suggestion(name, self._verbs)}")
        checked = check_arguments(verb, arguments)
        if verb.stimulus and self._record is not None:
            self._record(name, checked)
        return await verb.run(**checked)


def check_arguments(verb: Verb, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with defaults filled in. Raises ``VerbError`` that names every problem."""
    known = {parameter.name: parameter for parameter in verb.parameters}
    problems = [f"no parameter {name!r}{_suggestion(name, known)}" for name in arguments if name not in known]
    checked: dict[str, Any] = {}
    for name, parameter in known.items():
        if name in arguments:
            value = _converted(parameter, arguments[name])
            problem = _problem(parameter, value)
            if problem:
                problems.append(problem)
            checked[name] = value
        elif parameter.required:
            problems.append(f"{name} is missing, expected {_expected(parameter)}")
        else:
            checked[name] = parameter.default
    if problems:
        raise VerbError(f"{verb.name}: {'; '.join(problems)}")
    return checked


def _converted(parameter: Parameter, value: Any) -> Any:
    if parameter.kind is Kind.NUMBER and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return value  # beyond any number of the world: refused as what it is
    if parameter.kind is Kind.TEXTS and isinstance(value, str):
        return [value]
    return value


def _problem(parameter: Parameter, value: Any) -> str | None:
    if value is None and not parameter.required and parameter.default is None:
        return None
    if not _right_type(parameter.kind, value):
        return f"{parameter.name} is {value!r}, expected {_expected(parameter)}"
    if parameter.kind in (Kind.ANY, Kind.OBJECT) and (found := flaw(value)):
        return f"{parameter.name}: {found}"
    if parameter.choices and value not in parameter.choices:
        hint = _suggestion(str(value), {str(choice): choice for choice in parameter.choices}, listed=False)
        return f"{parameter.name} is {value!r}, expected {_expected(parameter)}{hint}"
    too_small = parameter.minimum is not None and value < parameter.minimum
    too_large = parameter.maximum is not None and value > parameter.maximum
    if too_small or too_large:
        return f"{parameter.name} is {value!r}, expected {_expected(parameter)}"
    return None


def _right_type(kind: Kind, value: Any) -> bool:
    match kind:
        case Kind.TEXT:
            return isinstance(value, str) and _encodable(value)
        case Kind.INT:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.NUMBER:
            return isinstance(value, float) and math.isfinite(value)
        case Kind.BOOL:
            return isinstance(value, bool)
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(item, str) and _encodable(item) for item in value)
        case Kind.OBJECT:
            return isinstance(value, dict)
        case Kind.ANY:
            return True


def _encodable(text: str) -> bool:
    """Say whether UTF-8 can carry a text: JSON can name half a character (RFC 8259 section 8.2), no wire can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expected(parameter: Parameter) -> str:
    if parameter.choices:
        return "one of " + ", ".join(str(choice) for choice in parameter.choices)
    words = {
        Kind.TEXT: "a text in UTF-8",
        Kind.INT: "a whole number",
        Kind.NUMBER: "a finite number",
        Kind.BOOL: "true or false",
        Kind.ANY: "a value",
        Kind.TEXTS: "a list of texts in UTF-8",
        Kind.OBJECT: "an object",
    }[parameter.kind]
    if parameter.minimum is not None and parameter.maximum is not None:
        words += f" in {parameter.minimum:.10g}-{parameter.maximum:.10g}"
    elif parameter.minimum is not None:
        words += f" of at least {parameter.minimum:.10g}"
    elif parameter.maximum is not None:
        words += f" of at most {parameter.maximum:.10g}"
    return f"{words} {parameter.unit}".rstrip()


def _suggestion(name: str, known: Mapping[str, Any], *, listed: bool = True) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f", did you mean {close[0]!r}?"
    return f", expected one of {', '.join(sorted(known)) or 'none'}" if listed else ""
