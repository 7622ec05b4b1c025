"""Profiles as TOML files: what may be written, how it is read, and what is said about a wrong one.

A profile says where a meter keeps which value::

    id = "eastron_sdm630"
    vendor = "Eastron"
    models = ["SDM630-Modbus"]
    phases = 3
    function_code = 4          # 3 holding, 4 input; a register may say its own with fc
    max_block = 80             # registers per read
    max_gap = 40               # unused registers that a read may run through, if the meter is known to allow more
    confidence = "high"
    [registers.energy_import]
    addr = 72                  # wire address, counted from 0
    type = "float32"
    scale = 1000.0             # raw times scale is Wh, W, V, A, Hz, var, VA or a ratio

Every key is in a table below; the JSON schema of the format (``profile_schema``) is made of the same tables.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from drivers.api import RegisterKind
from drivers.config_dir import config_dir
from drivers.meter.profile import (
    MOST_REGISTERS,
    NARROW_GAP,
    Confidence,
    Mark,
    Profile,
    ProfileError,
    Register,
    RegisterType,
    SerialDefaults,
    Sum,
    TcpDefaults,
)

OWN_PROFILES: Final = Path("/etc/charge-agent/meters")  # a file here wins over a shipped one of the same name
OWN_PROFILES_VARIABLE: Final = "CHARGE_AGENT_METERS"


class Key(NamedTuple):
    """One key of a table. ``low`` and ``high`` bound numbers, also those in a list; ``kind`` is a TOML type."""

    name: str
    kind: type
    help: str
    default: Any = None
    low: int | None = None
    high: int | None = None
    choices: tuple[Any, ...] = ()
    of: type = str  # what a list holds
    required: bool = False


_ORDERS: Final = ("big", "little")
TOP: Final = (
    Key("id", str, "name of the profile, which is the name of its file", required=True),
    Key("vendor", str, "who makes the meter", ""),
    Key("models", list, "type designations as on the plate", ()),
    Key("phases", int, "phases that it measures", 3, 1, 3),
    Key("function_code", int, "3 reads holding registers, 4 input registers", 4, 3, 4),
    Key("byte_order", str, "order of the bytes in a register", "big", choices=_ORDERS),
    Key("word_order", str, "order of the registers in a value; little: low word first", "big", choices=_ORDERS),
    Key("min_gap_ms", int, "silence before a request, ms", 0, 0, 10_000),
    Key("max_block", int, "most registers in one read", MOST_REGISTERS, 1, MOST_REGISTERS),
    Key("max_gap", int, "unused registers that a read may run through", NARROW_GAP, 0, MOST_REGISTERS),
    Key("confidence", str, "how well the sources back it", "low", choices=tuple(each.value for each in Confidence)),
    Key("sources", list, "data sheets and projects that say so", ()),
    Key("notes", list, "what an installer should know", ()),
)
REGISTER: Final = (
    Key("addr", int, "address on the wire, counted from 0", low=0, high=0xFFFF, required=True),
    Key("type", str, "how the value lies there", choices=tuple(e.value for e in RegisterType), required=True),
    Key("scale", float, "raw times scale is Wh, W, V, A, Hz, var, VA or a ratio", 1.0),
    Key("fc", int, "function code, where it is not the profile's", low=3, high=4),
    Key("count", int, "registers of a text", low=1, high=MOST_REGISTERS),
    Key("exponent_addr", int, "address of a signed register with a power of ten on top", low=0, high=0xFFFF),
    Key("rollover", float, "value in the base unit at which the register starts again at 0"),
)
SUM: Final = (
    Key("plus", list, "registers that are added", required=True),
    Key("minus", list, "registers that are taken away", ()),
)
MARK: Final = (
    Key("addr", int, "address on the wire", low=0, high=0xFFFF, required=True),
    Key("fc", int, "function code, where it is not the profile's", low=3, high=4),
    Key("one_of", list, "rows of words; the registers hold one of them", of=list, required=True),
)
SERIAL: Final = (
    Key("baud", int, "speed, bit/s", 9600, 300, 1_000_000),
    Key("parity", str, "none, even, odd", "N", choices=("N", "E", "O")),
    Key("stopbits", int, "stop bits", 1, 1, 2),
    Key("unit", int, "Modbus address", 1, 1, 255),
    Key("sure", bool, "a source says so; otherwise the commonest setting", False),
    Key("other_bauds", list, "speeds that some leave the factory with", (), 300, 1_000_000, of=int),
    Key("other_parities", list, "parities that some leave the factory with", ()),
)
TCP: Final = (
    Key("port", int, "TCP port", 502, 1, 65535),
    Key("unit", int, "unit identifier", 1, 0, 255),
)
NAN: Final = tuple(
    Key(each.value, int, "raw value that means: not available", low=-(1 << 63), high=(1 << 63) - 1)
    for each in RegisterType
    if each is not RegisterType.STRING
)
TABLES: Final = ("registers", "derived", "identity", "serial", "tcp", "nan")
_KIND_TEXT: Final = {
    str: "text",
    dict: "table",
    list: "list",
    bool: "true or false",
    float: "number",
    int: "whole number",
}


def own_profiles() -> Path:
    """Return the folder of the station's own profiles: ``$CHARGE_AGENT_METERS``, else ``/etc/charge-agent/meters``."""
    return Path(os.environ.get(OWN_PROFILES_VARIABLE, "") or OWN_PROFILES)


def profile_names() -> tuple[str, ...]:
    """Return the names of the shipped profiles and of the station's own."""
    folders = (config_dir() / "meters", own_profiles())
    return tuple(sorted({each.stem for folder in folders for each in folder.glob("*.toml")}))


def profile_path(name: str) -> Path:
    """Return the file of a profile: ``name`` itself if it holds a slash, else the own one, else the shipped one."""
    if "/" in name:
        return Path(name)
    own = own_profiles() / f"{name}.toml"
    return own if own.exists() else config_dir() / "meters" / f"{name}.toml"


def load_profile(name: str) -> Profile:
    """Return a profile by name, or from a file if ``name`` holds a slash. Raises ``ProfileError``."""
    path = profile_path(name)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ProfileError(f"no meter profile {name!r}{_meant(name)}") from None
    except (OSError, ValueError) as exc:
        raise ProfileError(f"meter profile {path}: {exc}") from exc
    try:
        return read_profile(table)
    except ProfileError as exc:
        raise ProfileError(f"meter profile {path}: {exc}") from None


def read_profile(table: Mapping[str, Any]) -> Profile:
    """Return the profile that a TOML document describes. Raises ``ProfileError``."""
    top = _read(table, TOP, also=TABLES)
    patterns = _read(_typed(table, "nan", dict, {}), NAN, "nan")
    found = _typed(table, "registers", dict)
    registers = {name: _register(name, _typed(found, name, dict), top, patterns) for name in found}
    if "energy_import" not in registers:
        raise ProfileError("registers.energy_import is missing: without it nothing can be billed")
    if registers["energy_import"].type is RegisterType.STRING:
        raise ProfileError("registers.energy_import is a text, expected a number")
    tcp = table.get("tcp")
    sums = _typed(table, "derived", dict, {})
    return Profile(
        id=top["id"],
        vendor=top["vendor"],
        models=tuple(top["models"]),
        phases=top["phases"],
        low_word_first=top["word_order"] == "little",
        low_byte_first=top["byte_order"] == "little",
        gap_s=top["min_gap_ms"] / 1000,
        max_block=top["max_block"],
        max_gap=top["max_gap"],
        confidence=Confidence(top["confidence"]),
        sources=tuple(top["sources"]),
        notes=tuple(top["notes"]),
        registers=registers,
        sums={name: _sum(name, _typed(sums, name, dict), registers) for name in sums},
        identity=tuple(_mark(place, each, top) for place, each in _listed(table, "identity")),
        serial=None if tcp is not None and "serial" not in table else _serial(table),
        tcp=None if tcp is None else TcpDefaults(**_read(_typed(table, "tcp", dict), TCP, "tcp")),
    )


def _register(name: str, table: Mapping[str, Any], top: Mapping[str, Any], patterns: Mapping[str, Any]) -> Register:
    place = f"registers.{name}"
    row = _read(table, REGISTER, place)
    kind = RegisterType(row["type"])
    if (kind is RegisterType.STRING) is (row["count"] is None):
        raise ProfileError(f"{place}.count belongs to a register of type string, and to no other")
    length = row["count"] or kind.registers
    if length > top["max_block"]:
        raise ProfileError(f"{place} takes {length} registers, max_block is {top['max_block']}")
    if row["addr"] > 0x10000 - length:
        raise ProfileError(f"{place}.addr {row['addr']} is not a whole number in 0-{0x10000 - length}")
    for key in ("scale", "rollover"):
        value = row[key]
        if value is not None and (not math.isfinite(value) or value == 0):
            raise ProfileError(f"{place}.{key} {table[key]!r} is not a finite number other than 0")
    return Register(
        name=name,
        kind=RegisterKind(row["fc"] or top["function_code"]),
        address=row["addr"],
        type=kind,
        scale=float(row["scale"]),
        nan=patterns.get(kind.value),
        length=length,
        exponent_at=row["exponent_addr"],
        rollover=None if row["rollover"] is None else float(row["rollover"]),
    )


def _sum(name: str, table: Mapping[str, Any], registers: Mapping[str, Register]) -> Sum:
    row = _read(table, SUM, f"derived.{name}")
    for each in (*row["plus"], *row["minus"]):
        if each not in registers:
            raise ProfileError(f"derived.{name} is made of {each!r}, expected one of {', '.join(registers)}")
    if name in registers:
        raise ProfileError(f"derived.{name} is a register already")
    return Sum(plus=tuple(row["plus"]), minus=tuple(row["minus"]))


def _mark(place: str, table: Mapping[str, Any], top: Mapping[str, Any]) -> Mark:
    row = _read(table, MARK, place)
    rows = [tuple(each) for each in row["one_of"]]
    good = all(type(word) is int and 0 <= word <= 0xFFFF for each in rows for word in each)
    if not good or len({len(each) for each in rows}) != 1 or not 1 <= len(rows[0]) <= MOST_REGISTERS:
        raise ProfileError(f"{place}.one_of is no list of equally long rows of words 0-65535")
    kind = RegisterKind(row["fc"] or top["function_code"])
    return Mark(kind=kind, address=row["addr"], one_of=tuple(rows))


def _serial(table: Mapping[str, Any]) -> SerialDefaults:
    row = _read(_typed(table, "serial", dict, {}), SERIAL, "serial")
    others: dict[str, Any] = {key: tuple(row.pop(key)) for key in ("other_bauds", "other_parities")}
    return SerialDefaults(**row, **others)


def _listed(table: Mapping[str, Any], key: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for number, each in enumerate(_typed(table, key, list, []), 1):
        if not isinstance(each, dict):
            raise ProfileError(f"{key}[{number}] {each!r:.60} is no table")
        yield f"{key}[{number}]", each


def _read(table: Mapping[str, Any], keys: Iterable[Key], place: str = "", also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return every key's value, the default where it is not written; nothing else may be written."""
    known = {key.name: key for key in keys}
    row = {name: _value(table, key, place) for name, key in known.items()}
    for name in table:
        if name not in known and name not in also:
            where = f"{place}.{name}" if place else name
            raise ProfileError(f"{where} is no key of a profile, expected {_near(name, (*known, *also))}")
    return row


def _value(table: Mapping[str, Any], key: Key, place: str) -> Any:
    if key.name not in table and not key.required:
        return key.default
    where = f"{place}.{key.name}" if place else key.name
    value = table.get(key.name)
    if key.choices:
        if value not in key.choices:
            expected = " or ".join(key.choices) if len(key.choices) == 2 else f"one of {', '.join(key.choices)}"
            raise ProfileError(f"{where} {value!r} is not {expected}")
        return value
    if key.kind is int:
        if type(value) is not int or not _within(value, key):
            raise ProfileError(f"{where} {value!r} is not a whole number in {key.low}-{key.high}")
        return value
    if key.kind is float and type(value) is int:
        value = float(value) if abs(value) < 1 << 63 else math.inf
    _typed({where: value}, where, key.kind)
    if isinstance(value, list) and not all(type(each) is key.of and _within(each, key) for each in value):
        bounds = "" if key.low is None else f" in {key.low}-{key.high}"
        raise ProfileError(f"{where} {value!r:.60} is no list of {_KIND_TEXT[key.of]}s{bounds}")
    return value


def _within(value: Any, key: Key) -> bool:
    return key.low is None or key.high is None or key.low <= value <= key.high


def _typed(table: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if type(value) is not kind:
        raise ProfileError(f"{key} {value!r:.60} is no {_KIND_TEXT[kind]}")
    return value


def _near(name: str, known: Iterable[str]) -> str:
    import difflib  # only needed when something is wrong already

    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"{close[0]!r}" if close else f"one of {', '.join(names)}"


def _meant(name: str) -> str:
    import difflib

    names = profile_names()
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f", expected a file or one of {', '.join(names)}"
