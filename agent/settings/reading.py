"""Reading one table of a station file against its description, collecting every problem on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from agent.settings.key_lines import KeyPath
from agent.settings.problems import Problem
from agent.settings.schema import Field, Kind, Table
from agent.settings.station import DriverSettings
from drivers.api import DriverError, DriverKind, DriverSpec, OptionProblem
from drivers.registry import UnknownDriver, check_options, closest, find, outside

Clean = dict[str, Any]
"""A table without its problems: options that had one are left out, defaults are filled in."""

_ITEM_OF: Final = {Kind.PATHS: Kind.PATH, Kind.TEXTS: Kind.TEXT, Kind.WHOLES: Kind.WHOLE}
_PATH_OPTIONS: Final = frozenset(("port", "socket", "dir", "file", "path"))


class Reading:
    """One run over one file: where things stand, and what was wrong so far."""

    def __init__(self, *, file: str, base: Path, lines: Mapping[KeyPath, int]) -> None:
        """Begin.

        Args:
            file: name of the file in problems.
            base: folder that relative paths start from.
            lines: from ``key_lines``.
        """
        self.problems: list[Problem] = []
        self._file = file
        self._base = base
        self._lines = lines
        self._inherited: tuple[str, Mapping[KeyPath, int]] = ("", {})
        self._refused: set[KeyPath] = set()

    def inherit(self, file: str, lines: Mapping[KeyPath, int]) -> None:
        """Note where the values stand that another ``file`` gave: a problem with one of them is that file's."""
        self._inherited = (file, lines)

    def refuse(self, path: KeyPath, text: str, hint: str = "") -> None:
        """Note a problem at ``path``."""
        self._refused.add(path)
        file, line = self._place(path)
        self.problems.append(Problem(file=file, line=line, key=key_text(path), text=text, hint=hint))

    def refused(self, path: KeyPath) -> bool:
        """Return whether a problem was noted at or below ``path``."""
        return any(each[: len(path)] == path for each in self._refused)

    def written(self, path: KeyPath) -> bool:
        """Return whether the file itself (not its board's) says something at ``path``."""
        return path in self._lines

    def _place(self, path: KeyPath) -> tuple[str, int | None]:
        other, lines = self._inherited
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._file, self._lines[path[:end]]
            if path[:end] in lines:
                return other, lines[path[:end]]
        return self._file, None

    def read(self, table: Table, raw: Any, path: KeyPath) -> Any:
        """Return what ``raw`` says: a ``Clean``, a list of them for a repeated table, a dictionary for a named one."""
        if table.repeated:
            if not isinstance(raw, list) or not all(isinstance(each, dict) for each in raw):
                self.refuse(path, f"is {kind_of(raw)}, expected [[{table.name}]] tables")
                return []
            return [self._read_one(table, each, (*path, index)) for index, each in enumerate(raw)]
        if not isinstance(raw, dict):
            shape = f"{table.name} = {{ ... }}" if table.inline else f"a table [{table.name}]"
            self.refuse(path, f"is {kind_of(raw)}, expected {shape}")
            return {}
        if table.named:
            return {name: self._read_named(table, each, (*path, name)) for name, each in raw.items()}
        return self._read_one(table, raw, path)

    def _read_named(self, table: Table, raw: Any, path: KeyPath) -> Clean:
        if isinstance(raw, dict):
            return self._read_one(table, raw, path)
        self.refuse(path, f"is {kind_of(raw)}, expected a table [{table.name}.{path[-1]}]")
        return {}

    def _read_one(self, table: Table, raw: dict[str, Any], path: KeyPath) -> Clean:
        clean: Clean = {}
        fields = {each.name: each for each in table.fields}
        tables = {each.name: each for each in table.tables}
        for name, field in fields.items():
            several = tables.get(f"{name}s")  # connector, a text, beside [[evse.connectors]]
            if name in raw and several is not None and several.repeated and isinstance(raw[name], list):
                meant = f"did you mean [[{table.name}.{several.name}]]?"
                self.refuse((*path, name), f"is {kind_of(raw[name])}, expected {field.kind.value}", meant)
            elif name in raw:
                self._take(field, raw[name], (*path, name), clean)
            elif field.required:
                self.refuse(path, f"has no {name}, expected {field.help}", self._near(name, raw, {*fields, *tables}))
            elif field.default is not None:
                clean[name] = self._absolute(field.default) if field.kind is Kind.PATH else field.default
        for name, inner in tables.items():
            if name in raw:
                clean[name] = self.read(inner, raw[name], (*path, name))
            elif inner.required:
                self.refuse(path, f"has no {name}, expected {inner.help}", self._near(name, raw, {*fields, *tables}))
        rest = {name: value for name, value in raw.items() if name not in fields and name not in tables}
        if table.driver is None:
            self.refuse_unknown(rest, path, (*fields, *tables))
        else:
            self._read_driver(table.driver, rest, path, clean, tuple(fields))
        return clean

    def refuse_unknown(self, names: Iterable[str], path: KeyPath, known: Iterable[str]) -> None:
        """Note a problem for each name that nobody knows."""
        known = tuple(known)
        for name in names:
            near = closest(name, known)
            self.refuse(
                (*path, name),
                "is unknown" if near else f"is unknown, expected one of {', '.join(known)}",
                f"did you mean {near!r}?" if near else "",
            )

    def _read_driver(
        self, kind: DriverKind, options: Mapping[str, Any], path: KeyPath, clean: Clean, own: tuple[str, ...]
    ) -> None:
        name = clean.get("driver")
        if name is None:
            return
        try:
            spec = find(kind, name)
        except UnknownDriver as exc:
            near = f"did you mean {exc.suggestion!r}?" if exc.suggestion else ""
            known = ", ".join(exc.known)
            self.refuse((*path, "driver"), f"{name!r} is no {kind.value} driver, expected one of {known}", near)
            return
        except DriverError as exc:
            self.refuse((*path, "driver"), str(exc))
            return
        checked, problems = check_options(spec, self._with_paths(spec, options))
        for problem in problems:
            self._refuse_option(spec, problem, options, path, own)
        clean["driver"] = DriverSettings(kind=kind, driver=name, target=spec.target, options=checked)

    def _refuse_option(
        self, spec: DriverSpec, problem: OptionProblem, given: Mapping[str, Any], path: KeyPath, own: tuple[str, ...]
    ) -> None:
        if problem.option in given:
            text, mark, hint = problem.problem.partition("; did you mean")
            near = None if mark else closest(problem.option, own)
            unknown = problem.option not in {each.name for each in spec.options}
            if unknown and near:
                text, mark, hint = text, "; did you mean", f" {near!r}?"
            self.refuse((*path, problem.option), text, f"did you mean{hint}" if mark else "")
        else:
            self.refuse(path, f"has no {problem.option}: it {problem.problem}")

    def _with_paths(self, spec: DriverSpec, options: Mapping[str, Any]) -> Clean:
        """Return the options with relative paths made absolute: those named like one, and what begins with a dot."""
        made = dict(options)
        for option in spec.options:
            value = made.get(option.name)
            if option.type is str and isinstance(value, str) and value and "://" not in value and "\0" not in value:
                is_path = option.name.rpartition("_")[2] in _PATH_OPTIONS
                if is_path or value.startswith(("./", "../")):
                    made[option.name] = str(self._base / value)
        return made

    def _take(self, field: Field, value: Any, path: KeyPath, clean: Clean) -> None:
        if field.kind in _ITEM_OF:
            if not isinstance(value, list):
                self.refuse(path, f"{shown(value)} is {kind_of(value)}, expected {field.kind.value}")
                return
            item = _ITEM_OF[field.kind]
            taken = [self._one(field, item, each, (*path, index)) for index, each in enumerate(value)]
            if None not in taken:
                clean[field.name] = tuple(taken)
            return
        taken_one = self._one(field, field.kind, value, path)
        if taken_one is not None:
            clean[field.name] = taken_one

    def _one(self, field: Field, kind: Kind, value: Any, path: KeyPath) -> Any:
        """Return the checked value, or ``None`` after noting its problem."""
        if kind is Kind.NUMBER and type(value) is int:
            value = float(value) if abs(value) < 1 << 53 else math.inf
        wanted = {Kind.TEXT: str, Kind.WHOLE: int, Kind.NUMBER: float, Kind.FLAG: bool, Kind.PATH: str}[kind]
        if type(value) is not wanted:
            what = "text" if kind is Kind.TEXT else kind.value
            self.refuse(path, f"{shown(value)} is {kind_of(value)}, expected {what}")
            return None
        problem, hint = self._wrong(field, kind, value)
        if problem:
            self.refuse(path, problem, hint)
            return None
        return self._absolute(str(value)) if kind is Kind.PATH else value

    def _wrong(self, field: Field, kind: Kind, value: Any) -> tuple[str, str]:
        if field.choices and value not in field.choices:
            near = closest(value, [str(each) for each in field.choices]) if isinstance(value, str) else None
            known = ", ".join(str(each) for each in field.choices)
            return f"{shown(value)} is not one of {known}", f"did you mean {near!r}?" if near else ""
        if kind in (Kind.WHOLE, Kind.NUMBER):
            if isinstance(value, float) and not math.isfinite(value):
                return f"{value} is not a finite number", ""
            missed = outside(value, field.minimum, field.maximum, field.unit)
            if missed:
                return f"{shown(value)} {missed}", ""
        if isinstance(value, str):
            return self._wrong_text(field, kind, value), ""
        return "", ""

    def _wrong_text(self, field: Field, kind: Kind, value: str) -> str:
        if not value.strip():
            return f"is empty, expected {field.help}"
        if not value.isprintable():
            return f"{shown(value)} holds characters that cannot be printed"
        if field.maximum is not None and len(value) > field.maximum:
            return f"has {len(value)} characters, at most {field.maximum:.0f} are allowed"
        if kind is Kind.PATH and field.existing and not _is_file(self._base / value):
            return f"{shown(value)} is no file"
        return ""

    def _absolute(self, path: str) -> Path:
        return self._base / path

    @staticmethod
    def _near(missing: str, given: Iterable[str], known: set[str]) -> str:
        near = closest(missing, [each for each in given if each not in known])
        return f"{near!r} looks like it" if near else ""


def key_text(path: KeyPath) -> str:
    """Return a path as a reader writes it: ``evse[1].meter.profile``, list items counted from 1."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            name = part if part and part.replace("_", "").replace("-", "").isalnum() else repr(part)
            text += f".{name}" if text else name
    return text


def shown(value: object) -> str:
    """Return ``value`` as a problem shows it: as in the file, at most 60 characters."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    except ValueError:
        return "a very large number"  # Python refuses to print more than 4,300 digits, in a list, too
    return text if len(text) <= 60 else text[:57] + "..."


def kind_of(value: object) -> str:
    """Return what TOML calls the type of ``value``."""
    match value:
        case bool():
            return "a truth value"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
