"""Drivers by name: entry-point group to ``DriverSpec``, imported only when asked for.

The group of a kind is ``charge_agent.<kind>``; each entry point is a ``DriverSpec``. Nothing here opens hardware before
``open_driver``. Names are looked up at each call, so there is no registry to keep in order.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

from drivers.api import DriverError, DriverKind, DriverSpec, DriverUnavailable, Option, OptionProblem

_GROUP: Final = "charge_agent."


class UnknownDriver(DriverError):
    """No driver of this kind has this name.

    Attributes:
        known: every name of this kind.
        suggestion: the name that was probably meant, if any is close.
    """

    def __init__(self, kind: DriverKind, name: str, known: tuple[str, ...]) -> None:
        self.known = known
        self.suggestion = closest(name, known)
        meant = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        super().__init__(f"{name!r} is no {kind.value} driver, expected one of {', '.join(known) or '(none)'}{meant}")


def driver_names(kind: DriverKind) -> tuple[str, ...]:
    """Return the names of every installed driver of ``kind``, sorted, without importing any."""
    return tuple(sorted(_entry_points(kind)))


def find(kind: DriverKind, name: str) -> DriverSpec:
    """Return the spec of the driver ``name``; imports the module of its spec and nothing else.

    Raises:
        UnknownDriver: no such driver. DriverUnavailable: its package is broken.
    """
    found = _quick_entry_points().get(f"{_GROUP}{kind.value}", {}).get(name) or _entry_points(kind).get(name)
    if found is None:
        raise UnknownDriver(kind, name, driver_names(kind))
    spec = _attribute(found)
    if not isinstance(spec, DriverSpec) or spec.kind is not kind:
        raise DriverUnavailable(f"{found} of {kind.value} driver {name!r} is not a DriverSpec of that kind")
    return spec


def resolve(target: str) -> Callable[..., Any]:
    """Return the callable that ``target`` (``module:callable``) names. Raises ``DriverUnavailable``."""
    opener = _attribute(target)
    if not callable(opener):
        raise DriverUnavailable(f"{target} is {type(opener).__name__}, expected a callable")
    return opener  # type: ignore[no-any-return]  # what an entry point names is only known to be callable


def open_driver(target: str, options: Mapping[str, Any]) -> Any:
    """Open the driver at ``target`` with checked ``options``. Raises ``DriverError``."""
    return resolve(target)(**options)


def check_options(spec: DriverSpec, options: Mapping[str, Any]) -> tuple[dict[str, Any], list[OptionProblem]]:
    """Check ``options`` against ``spec`` without opening anything.

    Returns:
        The options with defaults filled in (an option without value and default is left out), and every problem. The
        options may only be used when there is no problem.
    """
    known = {option.name: option for option in spec.options}
    clean: dict[str, Any] = {}
    problems = [
        OptionProblem(option=name, problem=_unknown_text(name, known, spec)) for name in options if name not in known
    ]
    for name, option in known.items():
        if name not in options:
            if option.required:
                what = option.help or "a value"
                problems.append(OptionProblem(option=name, problem=f"is missing, expected {what}"))
            elif option.default is not None:
                clean[name] = option.default
            continue
        value, problem = _checked(option, options[name])
        if problem is None and option.required and isinstance(value, str) and not value.strip():
            problem = f"is empty, expected {option.help or 'a value'}"
        if problem is None:
            clean[name] = value
        else:
            problems.append(OptionProblem(option=name, problem=problem))
    if not problems and spec.check is not None:
        problems = spec.check(clean)
    return clean, problems


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the member of ``known`` that ``word`` was probably meant to be, or ``None``."""
    import difflib  # only needed when something is wrong already

    by_fold = {each.casefold(): each for each in known}
    near = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[near[0]] if near else None


def outside(value: float, minimum: float | None, maximum: float | None, unit: str = "") -> str | None:
    """Return how ``value`` misses its inclusive range, ``is outside 6-80 A`` or ``is below 0 s``, or ``None``."""
    low, high = minimum is not None and value < minimum, maximum is not None and value > maximum
    if not low and not high:
        return None
    if minimum is not None and maximum is not None:
        return f"is outside {number_range(minimum, maximum, unit)}"
    tail = f" {unit}" if unit else ""
    return f"is below {minimum:.15g}{tail}" if low else f"is above {maximum:.15g}{tail}"


def number_range(minimum: float | None, maximum: float | None, unit: str = "") -> str:
    """Return a range as texts show it: ``6-80 A``, ``at least 1``, empty without bounds."""
    tail = f" {unit}" if unit else ""
    if minimum is not None and maximum is not None:
        return f"{minimum:.15g}-{maximum:.15g}{tail}"
    if minimum is not None:
        return f"at least {minimum:.15g}{tail}"
    return f"at most {maximum:.15g}{tail}" if maximum is not None else ""


@cache
def _entry_points(kind: DriverKind) -> dict[str, str]:
    from importlib.metadata import entry_points  # 30 ms: only for what the quick look does not find

    return {each.name: each.value for each in entry_points(group=f"{_GROUP}{kind.value}")}


@cache
def _quick_entry_points() -> dict[str, dict[str, str]]:
    """Read our groups from the ``entry_points.txt`` of the packages in the folders of ``sys.path``, in a millisecond.

    The format is fixed. Source: PyPA specification "Entry points", file format.
    """
    groups: dict[str, dict[str, str]] = {}
    for folder in sys.path:
        try:
            names = [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]
        except OSError:
            continue  # a zip file, or a folder that is gone
        for name in names:
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    text = file.read()
            except (OSError, UnicodeDecodeError):
                continue
            if _GROUP in text:
                _collect(text, groups)
    return groups


def _collect(text: str, groups: dict[str, dict[str, str]]) -> None:
    group = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
        elif group.startswith(_GROUP) and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            groups.setdefault(group, {}).setdefault(name.strip(), value.strip())


def _attribute(target: str) -> Any:
    module, colon, name = target.partition(":")
    if not colon:
        raise DriverUnavailable(f"{target!r} is not of the form module:name")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise DriverUnavailable(f"{target} cannot be loaded: {exc}") from exc


def _unknown_text(name: str, known: Mapping[str, Option], spec: DriverSpec) -> str:
    near = closest(name, known)
    meant = f"; did you mean {near!r}?" if near else ""
    return f"is no option of driver {spec.name!r}, expected one of {', '.join(known) or '(none)'}{meant}"


_TYPE_NAMES: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _checked(option: Option, value: Any) -> tuple[Any, str | None]:
    if option.type is float and type(value) is int:
        value = float(value) if abs(value) < 1 << 53 else math.inf
    if type(value) is not option.type:
        return (
            None,
            f"{_shown(value)} is {_kind_of(value)}, expected {_TYPE_NAMES.get(option.type, option.type.__name__)}",
        )
    if option.choices and value not in option.choices:
        near = (
            closest(value, [each for each in option.choices if isinstance(each, str)]) if type(value) is str else None
        )
        meant = f"; did you mean {near!r}?" if near else ""
        return None, f"{_shown(value)} is not one of {', '.join(str(each) for each in option.choices)}{meant}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        missed = outside(value, option.minimum, option.maximum, option.unit)
        if isinstance(value, float) and not math.isfinite(value):
            return None, f"{value} is not a finite number"
        if missed:
            return None, f"{_shown(value)} {missed}"
    return value, None


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:
        return "a very large number"  # Python refuses to print more than 4,300 digits


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
    return f"a {type(value).__name__}"
