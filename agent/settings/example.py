"""The documents made of the option tables: ``config/station.example.toml`` and ``config/station.schema.json``.

``python -m agent.settings.example`` writes both; a test proves the committed ones up to date.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Final

from agent.settings.schema import Field, Kind, Table
from agent.settings.tables import TABLES, VARIABLES
from drivers.api import DriverKind, DriverSpec, Option
from drivers.config_dir import config_dir
from drivers.registry import driver_names, find, number_range

EXAMPLE_NAME: Final = "station.example.toml"
SCHEMA_NAME: Final = "station.schema.json"
_WIDTH: Final = 110

_INTRO: Final = (
    "Every option of a station file, with unit, range and default. Made by python -m agent.settings.example.",
    "Lines that begin with # and a space explain; options that begin with # show their default, or an example where"
    " there is none; the others must be given. Relative paths start from the folder of the station file."
    " charge-agent check FILE says what is wrong with one.",
    "A board that ships with the software, or a board file of your own, gives most of it: above the first table,"
    ' board = "raspberry-pi-4-relay-hat" or board = "./my-board.toml" (docs/porting.md).',
)
_BOARD_HELP: Final = "the board whose tables this file lies over: a name of config/boards, or a path"
_OF_BOARDS: Final = ("lines", "guard", "evse", "main_meter", "bus", "reader")  # tables that a board can give parts of

_VARIABLES_HELP: Final = (
    "Presets of OCPP variables, by their name in OCPP 1.6 or as Component.Variable of OCPP 2.0.1. What the CSMS"
    " changed later wins until the value here changes."
)

# Options of drivers that have neither a default nor a value that suits every board.
_SAMPLES: Final[dict[tuple[DriverKind, str], Any]] = {
    (DriverKind.POWER_PATH, "socket"): "pins.sock",
    (DriverKind.POWER_PATH, "evse"): 1,
    (DriverKind.LINES, "socket"): "pins.sock",
    (DriverKind.LINES, "chip"): 0,
    (DriverKind.CONTROLLER, "bus"): "rs485",
    (DriverKind.METER, "profile"): "eastron_sdm630",
    (DriverKind.METER, "bus"): "rs485",
    (DriverKind.READER, "port"): "/dev/serial/by-id/usb-1a86_USB_Serial-if00",
    (DriverKind.TEMPERATURE, "path"): "/sys/bus/i2c/devices/1-0048/hwmon/hwmon*/temp1_input",
    (DriverKind.CLOCK, "dir"): "bench",
}
_TABLE_SAMPLES: Final[dict[tuple[str, str], Any]] = {
    ("main_meter", "unit"): 2,  # beside the EVSE's own meter
    ("connectors.pilot", "connector"): 2,
}
_LINE_SAMPLES: Final = {
    "contactor": "GPIO17",
    "mirror": "GPIO27",
    "phase_contactor": "GPIO6",
    "phase_mirror": "GPIO13",
    "lock": "GPIO22",
    "feedback": "GPIO23",
    "unlock": "GPIO12",
    "rcd": "GPIO24",
    "rcm": "GPIO16",
    "ground": "GPIO26",
    "door": "GPIO20",
    "tilt": "GPIO21",
    "rcd_test": "GPIO18",
    "heartbeat": "GPIO19",
    "connectors.contactor": "GPIO0",
    "connectors.mirror": "GPIO1",
    "inputs.emergency_stop": "GPIO7",
    "inputs.ground": "GPIO8",
    "inputs.door": "GPIO9",
    "inputs.tilt": "GPIO10",
    "emergency_stop": "GPIO25",
    "led": "GPIO5",
    "red": "GPIO11",
    "green": "GPIO14",
    "blue": "GPIO15",
    "buzzer": "GPIO2",
    "button": "GPIO3",
}
_DRIVER_SAMPLES: Final = {
    DriverKind.CONTROLLER: "evse-din",
    DriverKind.POWER_PATH: "bench",
    DriverKind.METER: "modbus",
    DriverKind.READER: "rdm6300",
    DriverKind.TEMPERATURE: "sysfs",
    DriverKind.INSTALLER: "rauc",
}


def shipped_drivers(kind: DriverKind) -> tuple[DriverSpec, ...]:
    """Return the specs of the drivers of ``kind`` that belong to this software."""
    specs = (find(kind, name) for name in driver_names(kind))
    return tuple(spec for spec in specs if spec.target.startswith("drivers."))


def example_text() -> str:
    """Return the example file: valid as it is, and with every commented-out option taken in."""
    lines = [*(line for paragraph in _INTRO for line in _comment(paragraph)), ""]
    for table in TABLES:
        if table.named:
            lines += _bus_tables(table)
        else:
            brackets = ("[[", "]]") if table.repeated else ("[", "]")
            written = [table.name.join(brackets), *_table_lines(table)]
            if table.optional:
                written = _taken_out(written)
            lines += [*_comment(table.help), *written, ""]
            for inner in (each for each in table.tables if each.apart):
                header = f"{table.name}.{inner.name}".join(("[[", "]]"))
                lines += [*_comment(f"{inner.help}."), *_taken_out([header, *_table_lines(inner)]), ""]
    lines += [*_comment(_VARIABLES_HELP), f"[{VARIABLES}]"]
    lines += ["#HeartbeatInterval = 300", '#"OCPPCommCtrlr.WebSocketPingInterval" = 60']
    return "\n".join(lines) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of a station file. It is no stricter than the parser, which says more."""
    tables = {table.name: _table_schema(table) for table in TABLES}
    board = {"type": "string", "description": _BOARD_HELP}
    tables["station"]["properties"]["board"] = board
    whole = {name: tables[name] for name in _OF_BOARDS}
    properties: dict[str, Any] = {name: True if name in whole else each for name, each in tables.items()}
    properties |= {"board": board, VARIABLES: {"type": "object", "description": _VARIABLES_HELP}}
    required = [table.name for table in TABLES if table.required]
    names_one = {"properties": {"station": {"required": ["board"]}}, "required": ["station"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "charge-agent station file",
        "type": "object",
        "properties": properties,
        "required": [name for name in required if name not in whole],
        "additionalProperties": False,
        "if": {"anyOf": [{"required": ["board"]}, names_one]},
        "then": {"properties": {name: _partial(each) for name, each in whole.items()}},
        "else": {"properties": whole, "required": [name for name in required if name in whole]},
    }


def _partial(one: Any) -> Any:
    """Return a schema of a table of which a board gives the rest: nothing is required, ``false`` takes a table away."""
    if isinstance(one, list):
        return [_partial(each) for each in one]
    if not isinstance(one, dict):
        return one
    partial = {name: each if name == "if" else _partial(each) for name, each in one.items() if name != "required"}
    if one.get("type") == "object" and isinstance(one.get("properties"), dict):
        partial["type"] = ["object", "boolean"]
    return partial


def schema_text() -> str:
    """Return the JSON schema as the committed file has it."""
    return json.dumps(schema(), indent=1) + "\n"


def main() -> int:
    """Write both documents into the configuration folder; return 0."""
    (config_dir() / EXAMPLE_NAME).write_text(example_text(), "utf-8")
    (config_dir() / SCHEMA_NAME).write_text(schema_text(), "utf-8")
    return 0


def _table_lines(table: Table) -> Iterator[str]:
    for field in table.fields:
        if table.driver is not None and field.name == "driver":
            continue
        yield from _field_lines(field)
    for inner in table.tables:
        if not (inner.apart or inner.as_above):
            yield from _inline_lines(inner, table.name)
    above = [inner.name for inner in table.tables if inner.as_above]
    if above:
        yield from _comment(f"{', '.join(above)}: as above.")
    if table.driver is not None:
        yield from _driver_lines(table, table.driver)


def _taken_out(lines: list[str]) -> list[str]:
    """Return the lines as comments, so that the example does without them."""
    return [each if each.startswith("#") else f"#{each}" for each in lines]


def _field_lines(field: Field) -> Iterator[str]:
    yield from _comment(_described(field))
    value = field.default if field.default not in (None, ()) else field.example
    sign = "" if field.required else "#"
    yield f"{sign}{field.name} = {_toml(list(value) if isinstance(value, tuple) else value)}"


def _driver_lines(table: Table, kind: DriverKind) -> Iterator[str]:
    """Yield the ``driver`` option and, below it, the options of each driver that ships."""
    driver = next(field for field in table.fields if field.name == "driver")
    chosen = _DRIVER_SAMPLES.get(kind, driver.default)
    specs = sorted(shipped_drivers(kind), key=lambda spec: spec.name != chosen)
    listed = "; ".join(f"{spec.name}: {spec.summary}" for spec in specs)
    default = f", default {driver.default}" if driver.default else ""
    yield from _comment(f"{_upper(driver.help)}{default}. {listed}.")
    yield f"{'#' if driver.default else ''}driver = {_toml(chosen)}"
    for spec in specs:
        for option in spec.options:
            if spec.name != chosen:
                yield from _comment(f"Driver {spec.name}, {option.name}: {_described_option(option)}")
                continue
            yield from _comment(f"Driver {spec.name}: {_described_option(option)}")
            sign = "" if option.required and not driver.default else "#"
            shown = _TABLE_SAMPLES.get((table.name, option.name), _sample(kind, option))
            yield f"{sign}{option.name} = {_toml(shown)}"


def _inline_lines(table: Table, within: str) -> Iterator[str]:
    if table.driver is not None:
        yield from _inline_driver_lines(table, table.driver, within)
        return
    yield from _comment(f"{_upper(table.help)}.")
    for field in table.fields:
        if not table.usual and field.name in ("line", "active_high"):
            continue  # described at the contactor
        yield from _comment(f"  {field.name}: {_described(field)}")
    for inner in table.tables:
        listed = ", ".join(field.name for field in inner.fields)
        yield from _comment(f"  {inner.name} = {{ {listed} }}: {inner.help}.")
    yield f"{'' if table.required or table.usual else '#'}{table.name} = {_inline(table, within)}"


def _inline_driver_lines(table: Table, kind: DriverKind, within: str) -> Iterator[str]:
    specs = shipped_drivers(kind)
    listed = "; ".join(f"{spec.name}: {spec.summary}" for spec in specs)
    yield from _comment(f"{_upper(table.help)}: the name of the driver and its options. {listed}.")
    for spec in specs:
        for option in spec.options:
            yield from _comment(f"  {spec.name}, {option.name}: {_described_option(option)}")
    own = [field for field in table.fields if field.name != "driver"]
    for field in own:
        yield from _comment(f"  {field.name}: {_described(field)}")
    chosen = next(spec for spec in specs if spec.name == _DRIVER_SAMPLES[kind])
    where = f"{within}.{table.name}"
    samples = {each.name: _TABLE_SAMPLES.get((where, each.name), _sample(kind, each)) for each in chosen.options}
    values: Any = {"driver": chosen.name, **samples}
    values |= {field.name: field.example if field.default is None else field.default for field in own}
    if table.repeated:
        values = [values]
    if table.instead_of:
        yield from _comment(f"  Instead of {table.instead_of}: {table.name} = {_toml(values)}")
    else:
        yield f"{'' if table.required or table.usual else '#'}{table.name} = {_toml(values)}"


def _bus_tables(table: Table) -> Iterator[str]:
    yield from _comment(f"{table.help} Its name is free; meters refer to it.")
    yield f"#[{table.name}.rs485]"
    for field in table.fields:
        if field.name == "host":
            yield f"#[{table.name}.lan]"
        yield from _field_lines(field)
    yield ""


def _inline(table: Table, within: str) -> str:
    values: dict[str, Any] = {}
    for field in table.fields:
        if field.name == "line":
            values["line"] = _LINE_SAMPLES.get(f"{within}.{table.name}") or _LINE_SAMPLES[table.name]
        else:
            values[field.name] = field.example if field.required else field.default
    for inner in table.tables:
        values[inner.name] = {field.name: field.default for field in inner.fields} | {"line": _LINE_SAMPLES[inner.name]}
    return _toml(values)


def _described(field: Field) -> str:
    bounds = number_range(field.minimum, field.maximum, field.unit) if field.kind is not Kind.TEXT else ""
    if field.kind is Kind.TEXT and field.maximum is not None:
        bounds = f"at most {field.maximum:.0f} characters"
    default = "required" if field.required else _default_text(field.default)
    return _sentence(field.help, bounds, field.choices, default)


def _described_option(option: Option) -> str:
    bounds = number_range(option.minimum, option.maximum, option.unit)
    default = "required" if option.required else _default_text(option.default)
    return _sentence(option.help, bounds, option.choices, default)


def _default_text(default: Any) -> str:
    if default in (None, ()):
        return "no default"
    return f"default {_toml(list(default) if isinstance(default, tuple) else default)}"


def _sentence(help: str, bounds: str, choices: tuple[Any, ...], default: str) -> str:
    one_of = "one of " + ", ".join(str(each) for each in choices) if choices else ""
    parts = [part for part in (one_of, bounds, default) if part]
    return f"{_upper(help)}. {_upper('; '.join(parts))}."


def _upper(text: str) -> str:
    if text.partition(" ")[0].endswith(":"):
        return text  # it begins with a value that has to be written like this
    return text[:1].upper() + text[1:]


def _sample(kind: DriverKind, option: Option) -> Any:
    if option.default is not None:
        return option.default
    return _SAMPLES[kind, option.name]


def _comment(text: str) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text.strip(), _WIDTH, initial_indent=f"# {indent}", subsequent_indent=f"# {indent}")


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
        case list():
            return "[" + ", ".join(_toml(each) for each in value) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


_JSON_TYPES: Final = {
    Kind.TEXT: "string",
    Kind.PATH: "string",
    Kind.WHOLE: "integer",
    Kind.NUMBER: "number",
    Kind.FLAG: "boolean",
}
_OPTION_TYPES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _table_schema(table: Table) -> dict[str, Any]:
    required = [field.name for field in table.fields if field.required]
    required += [inner.name for inner in table.tables if inner.required]
    one: dict[str, Any] = {
        "type": "object",
        "description": table.help,
        "properties": {field.name: _field_schema(field) for field in table.fields}
        | {inner.name: _table_schema(inner) for inner in table.tables},
        "required": required,
        "additionalProperties": table.driver is not None,
    }
    if table.driver is not None:
        one["properties"]["driver"]["examples"] = [spec.name for spec in shipped_drivers(table.driver)]
        one["allOf"] = [_driver_schema(spec, one["properties"]) for spec in shipped_drivers(table.driver)]
    if table.repeated:
        return {"type": "array", "minItems": int(table.required), "items": one}
    return {"type": "object", "additionalProperties": one} if table.named else one


def _driver_schema(spec: DriverSpec, own: dict[str, Any]) -> dict[str, Any]:
    chosen = {"properties": {"driver": {"const": spec.name}}, "required": ["driver"]}
    options = {option.name: _option_schema(option) for option in spec.options}
    return {
        "if": chosen,
        "then": {
            "properties": dict.fromkeys(own, True) | options,
            "required": [option.name for option in spec.options if option.required],
            "additionalProperties": False,
        },
    }


def _field_schema(field: Field) -> dict[str, Any]:
    listed = field.kind in (Kind.PATHS, Kind.TEXTS, Kind.WHOLES)
    kind = {Kind.PATHS: Kind.PATH, Kind.TEXTS: Kind.TEXT, Kind.WHOLES: Kind.WHOLE}.get(field.kind, field.kind)
    one: dict[str, Any] = {"type": _JSON_TYPES[kind]}
    if kind is Kind.TEXT and field.maximum is not None:
        one["maxLength"] = int(field.maximum)
    elif kind in (Kind.WHOLE, Kind.NUMBER):
        one |= _bounds(field.minimum, field.maximum)
    if field.choices:
        one["enum"] = list(field.choices)
    if listed:
        one = {"type": "array", "items": one}
    unit = f" ({field.unit})" if field.unit else ""
    one["description"] = f"{field.help}{unit}"
    if field.default is not None:
        one["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    return one


def _option_schema(option: Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": _OPTION_TYPES[option.type], "description": option.help}
    one |= _bounds(option.minimum, option.maximum)
    if option.choices:
        one["enum"] = list(option.choices)
    if option.default is not None:
        one["default"] = option.default
    return one


def _bounds(minimum: float | None, maximum: float | None) -> dict[str, Any]:
    return {name: each for name, each in (("minimum", minimum), ("maximum", maximum)) if each is not None}


if __name__ == "__main__":
    sys.exit(main())
