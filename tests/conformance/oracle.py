"""The official JSON schemas, as the PyPI package `ocpp` ships them: judge, generator and source of wrong messages.

The generator is our own, for the few keywords that these schemas use, and refuses any other: hypothesis-jsonschema 0.23
calls a private part of Hypothesis that current releases no longer have. Whatever it makes, jsonschema judges first.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import ocpp
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from agent.ocpp.errors import Violation

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""0: a few fixed examples for every run. More: that many, different every time."""

FEW = settings(
    max_examples=EXAMPLES or 25,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

_SCHEMAS = Path(ocpp.__file__).parent
_STRICT_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
_FORMATS = jsonschema.FormatChecker(formats=())
_INT64 = 2**63


@_FORMATS.checks("date-time")
def _is_our_time(instance: object) -> bool:
    return not isinstance(instance, str) or _STRICT_TIME.fullmatch(instance) is not None


def _multiple_of(_validator: Any, step: float, instance: Any, _schema: Any) -> Iterator[jsonschema.ValidationError]:
    """Check steps as decimals: in floating point a third of all valid tenths would be refused."""
    is_number = isinstance(instance, int | float) and not isinstance(instance, bool)
    if is_number and Decimal(repr(instance)) % Decimal(repr(step)):
        yield jsonschema.ValidationError(f"{instance!r} is not a multiple of {step!r}")


_EXTEND: Any = jsonschema.validators.extend  # jsonschema ships without types
_DRAFT4 = _EXTEND(jsonschema.Draft4Validator, {"multipleOf": _multiple_of})
_DRAFT6 = _EXTEND(jsonschema.Draft6Validator, {"multipleOf": _multiple_of})


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """The schemas of one version."""

    folder: str
    request_suffix: str

    def actions(self) -> frozenset[str]:
        """Return the names of all actions that have a schema."""
        names = {path.stem for path in (_SCHEMAS / self.folder / "schemas").glob("*.json")}
        responses = {name for name in names if name.endswith("Response")}
        return frozenset(name.removesuffix(self.request_suffix) for name in names - responses)

    def schema(self, action: str, kind: str) -> dict[str, Any]:
        """Return a schema. ``kind``: request or response."""
        suffix = self.request_suffix if kind == "request" else "Response"
        return _load(self.folder, action + suffix)

    def check(self, action: str, kind: str, payload: object, *, our_times: bool = True) -> list[str]:
        """Return what the schema has against a payload; optionally also that its times are not in our strict form."""
        schema = self.schema(action, kind)
        draft = _DRAFT4 if "draft-04" in schema["$schema"] else _DRAFT6
        validator = draft(schema, format_checker=_FORMATS if our_times else None)
        return [error.message for error in validator.iter_errors(payload)]

    def instances(self, action: str, kind: str) -> st.SearchStrategy[Any]:
        """Generate payloads that the schema allows, with integers of at most 64 bits and tenths as decimals."""
        schema = self.schema(action, kind)
        return _instances(schema, schema)

    def fullest(self, action: str, kind: str) -> Any:
        """Return one valid payload with every member that the schema knows."""
        schema = self.schema(action, kind)
        return _fullest(schema, schema)

    def mutations(self, action: str, kind: str) -> Iterator[Mutation]:
        """Return every way to break one rule in one place of the fullest payload."""
        schema = self.schema(action, kind)
        full = self.fullest(action, kind)
        yield Mutation(what="not an object", payload=[full], violation=Violation.FORMAT)
        yield Mutation(what="not an object", payload="x", violation=Violation.FORMAT)
        for what, violation, edit in _edits(schema, schema, ()):
            mutation = Mutation(what=what, payload=edit(copy.deepcopy(full)), violation=violation)
            refused = violation is None or violation is Violation.PROPERTY or self.check(action, kind, mutation.payload)
            assert refused, f"the schema allows that {what}"
            yield mutation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A payload with one thing changed, and the violation it is; ``None``: it must be tolerated."""

    what: str
    payload: Any
    violation: Violation | None


V16 = Oracle(folder="v16", request_suffix="")
V201 = Oracle(folder="v201", request_suffix="Request")


@cache
def _load(folder: str, name: str) -> dict[str, Any]:
    text = (_SCHEMAS / folder / "schemas" / f"{name}.json").read_text(encoding="utf-8-sig")
    schema: dict[str, Any] = json.loads(text)
    return schema


_KEYWORDS = {
    *("$schema", "$id", "id", "comment", "title", "description", "javaType", "default", "definitions"),
    *(
        "type",
        "enum",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "additionalItems",
        "minItems",
        "maxItems",
    ),
    *("maxLength", "format", "minimum", "multipleOf", "$ref"),
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-_INT64, _INT64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_OFFSETS = st.builds("{}{:02d}:{:02d}".format, st.sampled_from("+-"), st.integers(0, 23), st.integers(0, 59))
_RFC3339 = st.builds(
    "{}{}{}".format,
    st.datetimes().map(lambda at: at.isoformat(sep="T", timespec="seconds")),
    st.just("") | st.integers(0, 10**12).map(".{}".format),
    st.just("Z") | _OFFSETS,
)


def _instances(schema: Any, root: Any) -> st.SearchStrategy[Any]:
    schema = _resolve(schema, root)
    assert schema.keys() <= _KEYWORDS, f"the generator does not know {schema.keys() - _KEYWORDS}"
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            members = {name: _instances(member, root) for name, member in schema.get("properties", {}).items()}
            required = {name: members.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=members)
        case "array":
            least = schema.get("minItems", 0)
            most = min(least + 2, schema.get("maxItems", least + 2))
            return st.lists(_instances(schema["items"], root), min_size=least, max_size=most)
        case "string":
            return _RFC3339 if "format" in schema else st.text(max_size=schema.get("maxLength", 60))
        case "integer":
            return st.integers(int(schema.get("minimum", -_INT64)), _INT64 - 1)
        case "number" if "multipleOf" in schema:
            return st.integers(-(10**9), 10**9).map(lambda n: n / 10)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9)
        case "boolean":
            return st.booleans()
    return _JSON


def _resolve(schema: Any, root: Any) -> Any:
    return root["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _fullest(schema: Any, root: Any) -> Any:
    schema = _resolve(schema, root)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _fullest(member, root) for name, member in schema.get("properties", {}).items()}
        case "array":
            return [_fullest(schema["items"], root)]
        case "string" if schema.get("format") == "date-time":
            return "2026-11-20T13:48:02.125Z"
        case "string":
            return "x" * schema.get("maxLength", 300)
        case "integer":
            return 7
        case "number":
            return 16.1
        case "boolean":
            return True
    return {"any": ["thing", 1, None]}


_Edit = tuple[str, Violation | None, Callable[[Any], Any]]
_WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "string": (1, True, [], {}, 1.5),
    "integer": ("1", True, 1.5, [], {}),
    "number": ("1", True, [], {}),
    "boolean": ("true", 1, [], {}),
    "array": ("x", 1, {}, True),
    "object": ("x", 1, [], True),
}


def _edits(schema: Any, root: Any, path: tuple[str | int, ...]) -> Iterator[_Edit]:
    schema = _resolve(schema, root)
    place = ".".join(str(step) for step in path) or "the payload"
    kind = schema.get("type")
    if path and kind is not None:
        for wrong in _WRONG_TYPES[kind]:
            yield f"{place} is {wrong!r}", Violation.TYPE, _put(path, wrong)
    yield from _value_edits(schema, path, place)
    if kind == "array":
        yield from _edits(schema["items"], root, (*path, 0))
    if kind == "object":
        for name, member in schema.get("properties", {}).items():
            if name == "customData":
                yield f"{place} has a strange customData", None, _put((*path, name), {"x": None})
                continue
            required = name in schema.get("required", ())
            yield f"{place} lacks {name}", Violation.OCCURRENCE if required else None, _drop((*path, name))
            nulled = Violation.TYPE if required else None
            yield f"{place} has null for {name}", nulled, _put((*path, name), None)
            yield from _edits(member, root, (*path, name))
        yield f"{place} has one member more", None, _put((*path, "more"), {"a": [1, None]})


def _value_edits(schema: Any, path: tuple[str | int, ...], place: str) -> Iterator[_Edit]:
    if "enum" in schema:
        yield f"{place} is not in its enumeration", Violation.PROPERTY, _put(path, "Strange")
        for value in schema["enum"]:
            yield f"{place} is {value}", None, _put(path, value)
    if "maxLength" in schema:
        yield f"{place} is too long", Violation.PROPERTY, _put(path, "x" * (schema["maxLength"] + 1))
    if schema.get("format") == "date-time":
        for wrong in ("", "yesterday", "2026-02-30T00:00:00Z", "2026-11-20T25:00:00Z", "2026-11-20", "1700000000"):
            yield f"{place} is {wrong!r}", Violation.PROPERTY, _put(path, wrong)
    if "minimum" in schema:
        yield f"{place} is too small", Violation.PROPERTY, _put(path, int(schema["minimum"]) - 1)
    if "multipleOf" in schema:
        yield f"{place} is no tenth", Violation.PROPERTY, _put(path, 16.15)
        yield from ((f"{place} is {n}", None, _put(path, n / 10)) for n in range(0, 1000, 7))
    if schema.get("type") == "integer":
        yield f"{place} needs more than 64 bits", Violation.PROPERTY, _put(path, 2**63)
        yield f"{place} is 300.0", None, _put(path, 300.0)
    if "minItems" in schema:
        yield f"{place} has too few items", Violation.OCCURRENCE, _put(path, [])
    if "maxItems" in schema:
        yield f"{place} has too many items", Violation.OCCURRENCE, _repeat(path, schema["maxItems"] + 1)


def _parent(payload: Any, path: tuple[str | int, ...]) -> Any:
    for step in path[:-1]:
        payload = payload[step]
    return payload


def _put(path: tuple[str | int, ...], value: Any) -> Callable[[Any], Any]:
    def edit(payload: Any) -> Any:
        _parent(payload, path)[path[-1]] = value
        return payload

    return edit


def _drop(path: tuple[str | int, ...]) -> Callable[[Any], Any]:
    def edit(payload: Any) -> Any:
        del _parent(payload, path)[path[-1]]
        return payload

    return edit


def _repeat(path: tuple[str | int, ...], count: int) -> Callable[[Any], Any]:
    def edit(payload: Any) -> Any:
        items = _parent(payload, path)[path[-1]]
        _parent(payload, path)[path[-1]] = items * count
        return payload

    return edit
