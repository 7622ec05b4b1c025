"""From the text of a station file to ``Settings``: parse, check each table, check what tables say about each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import msgspec

from agent.model.station import ButtonUse, OnMeterLoss, OnOverCurrent, OnPowerLoss
from agent.settings.across import check_across
from agent.settings.board import BOARD, check_board, lay_over, lines_in, take_board
from agent.settings.claims import check_line_names
from agent.settings.connectors import CONNECTORS, completed
from agent.settings.identity import identity_digest, merge_identity
from agent.settings.indicators import LIGHTS, indicators_of
from agent.settings.key_lines import KeyPath, key_lines
from agent.settings.key_store import key_token_of
from agent.settings.maintenance import maintenance_of
from agent.settings.problems import Problem, SettingsError
from agent.settings.protection import heartbeat_of, rcd_test_of, temperatures_of
from agent.settings.reading import Clean, Reading, kind_of, shown
from agent.settings.station import (
    AuthorizationSettings,
    BusSettings,
    ChargingSettings,
    ControllerSettings,
    CsmsSettings,
    DriverSettings,
    EvseSettings,
    GuardSettings,
    IdentitySettings,
    LineSettings,
    LockSettings,
    LogFormat,
    LogSettings,
    MainMeterSettings,
    MeterSettings,
    MirrorKind,
    MirrorSettings,
    OcppVersion,
    PasswordEncoding,
    ReaderSettings,
    SerialBusSettings,
    Settings,
    TcpBusSettings,
)
from agent.settings.tables import TABLES, VARIABLES
from agent.settings.toml_text import load_toml, toml_fault
from drivers.registry import find

CheckVariable = Callable[[str, str], str | None]
"""Says what is wrong with presetting the OCPP variable of that name to that text; ``None`` when nothing is."""


@runtime_checkable
class NamesVariables(Protocol):
    """A check that also knows when two names mean one variable."""

    def key(self, name: str) -> str | None:
        """Return the one name of a variable, ``None`` for an unknown one."""


LARGEST_B: Final = 1 << 20  # of a station file


def parse_station(
    text: bytes, file: Path, *, check_variable: CheckVariable | None = None, board_copy: bytes | None = None
) -> Settings:
    """Return what the station file with the bytes ``text`` says; arguments and errors as of ``read_station``."""
    return read_station(text, file, check_variable=check_variable, board_copy=board_copy).settings


class StationFile(NamedTuple):
    """A station file that was read: the settings, its tables as written (its board's included), and its places."""

    settings: Settings
    document: Mapping[str, Any]
    reading: Reading


def read_station(
    text: bytes, file: Path, *, check_variable: CheckVariable | None = None, board_copy: bytes | None = None
) -> StationFile:
    """Return what the station file with the bytes ``text`` says.

    Args:
        file: its path, for problems and as the start of relative paths; it is not read.
        check_variable: knows the names of the OCPP variables; without it any name passes.
        board_copy: the bytes of its board file, instead of that file.

    Raises:
        SettingsError: with every problem that was found.
    """
    source = _decode(text, file)
    document = _parse(source, file)
    absolute = file.absolute()
    reading = Reading(file=str(file), base=absolute.parent, lines=key_lines(source))
    clean: Clean = {}
    board = take_board(document, reading, absolute.parent, board_copy)
    if reading.problems:  # without its board nearly everything would be missing
        raise SettingsError(reading.problems)
    if board is not None:
        document = lay_over(document, board, reading)
    if isinstance(document.get("station"), dict):
        document["station"] = merge_identity(document["station"], reading, absolute.parent)
    for table in TABLES:
        if table.name in document:
            clean[table.name] = reading.read(table, document[table.name], (table.name,))
        elif table.optional:
            continue
        elif table.required:
            brackets = ("[[", "]]") if table.repeated else ("[", "]")
            reading.refuse((), f"has no {table.name.join(brackets)}: {table.help}")
        else:
            clean[table.name] = [] if table.repeated else reading.read(table, {}, (table.name,))
    known = [*(table.name for table in TABLES), VARIABLES, BOARD]
    reading.refuse_unknown([name for name in document if name not in known], (), known)
    variables = _variables(document.get(VARIABLES, {}), reading, check_variable)
    check_across(clean, reading)
    if board is not None:
        check_board(document, clean, board, reading)
    check_line_names(lines_in(document, ()), clean, reading)
    if reading.problems:
        raise SettingsError(sorted(reading.problems, key=lambda each: each.line or 0))
    settings = _settings(clean, absolute, hashlib.sha256(text).hexdigest(), variables)
    if board is not None:
        settings = msgspec.structs.replace(settings, board=board.note())
    return StationFile(settings, document, reading)


def _decode(text: bytes, file: Path) -> str:
    if len(text) > LARGEST_B:
        raise _broken(file, None, f"has {len(text)} bytes, at most {LARGEST_B} are allowed")
    try:
        return text.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise _broken(file, *toml_fault(exc, text)) from exc


def _parse(source: str, file: Path) -> dict[str, Any]:
    try:
        return load_toml(source)
    except RecursionError as exc:
        raise _broken(file, None, "is nested too deeply to be a station file") from exc
    except ValueError as exc:
        raise _broken(file, *toml_fault(exc, source.encode())) from exc


def _broken(file: Path, line: int | None, text: str, hint: str = "") -> SettingsError:
    return SettingsError([Problem(file=str(file), line=line, key="", text=text, hint=hint)])


def _variables(raw: Any, reading: Reading, check: CheckVariable | None) -> Mapping[str, str]:
    if not isinstance(raw, dict):
        reading.refuse((VARIABLES,), f"is {kind_of(raw)}, expected a table [{VARIABLES}]")
        return {}
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for path, value in _leaves(raw, (VARIABLES,)):
        name = ".".join(str(part) for part in path[1:])
        text = _variable_text(value)
        if text is None:
            expected = "text, a number, true or false, or a list of texts"
            reading.refuse(path, f"{shown(value)} is {kind_of(value)}, expected {expected}")
        elif _same(name, check) in seen:
            reading.refuse(path, f"is the same variable as {seen[_same(name, check)]!r}")
        else:
            problem = check(name, text) if check is not None else None
            if problem:
                reading.refuse(path, problem)
            seen[_same(name, check)] = name
            found[name] = text
    return MappingProxyType(found)


def _same(name: str, check: CheckVariable | None) -> str:
    """Return what two names of one variable have in common."""
    key = check.key(name) if isinstance(check, NamesVariables) else None
    return key or name.casefold()


def _leaves(raw: dict[str, Any], path: KeyPath) -> list[tuple[KeyPath, Any]]:
    leaves: list[tuple[KeyPath, Any]] = []
    for name, value in raw.items():
        if isinstance(value, dict) and len(path) < 4:
            leaves += _leaves(value, (*path, name))  # OCPPCommCtrlr.HeartbeatInterval without quotes
        else:
            leaves.append(((*path, name), value))
    return leaves


def _variable_text(value: Any) -> str | None:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return value
        case int() if abs(value) < 1 << 64:
            return str(value)
        case float() if value - value == 0:  # finite
            return format(value, ".15g")
        case list() if all(isinstance(each, str) for each in value):
            return ",".join(value)
    return None


def _settings(clean: Clean, file: Path, sha256: str, variables: Mapping[str, str]) -> Settings:
    csms, charging, log = clean["csms"], clean["charging"], clean["log"]
    station = clean["station"]
    evse_ids = tuple(each["id"] for each in clean["evse"])
    return Settings(
        file=file,
        sha256=sha256,
        station=IdentitySettings(**{"serial_number": None, **station}),
        csms=CsmsSettings(
            url=csms["url"],
            version=OcppVersion(csms["version"]),
            allow_insecure=csms["allow_insecure"],
            root_certificates=csms["root_certificates"],
            password_file=csms.get("password_file"),
            password_encoding=PasswordEncoding(csms["password_encoding"]),
            fallback_urls=csms["fallback_urls"],
            security_profile=csms.get("security_profile"),
            client_certificate=csms.get("client_certificate"),
            client_key=csms.get("client_key"),
            key_type=csms["key_type"],
            key_token=key_token_of(csms),
            allow_wildcards=csms["allow_wildcards"],
            additional_root_check=csms["additional_root_check"],
            security_events=csms["security_events"],
            trailing_slash=csms["trailing_slash"],
        ),
        clock=clean["clock"]["driver"],
        lines=clean["lines"]["driver"],
        guard=GuardSettings(**{**clean["guard"], "heartbeat": heartbeat_of(clean["guard"].get("heartbeat"))}),
        inputs={name: LineSettings(**each) for name, each in clean["inputs"].items()},
        evses=tuple(_evse(each) for each in clean["evse"]),
        main_meter=_main_meter(clean.get("main_meter")),
        buses=tuple(_bus(name, each) for name, each in clean["bus"].items()),
        readers=tuple(
            ReaderSettings(name=each["name"], evses=each["evses"] or evse_ids, driver=each["driver"])
            for each in clean["reader"]
        ),
        authorization=AuthorizationSettings(**clean["authorization"]),
        charging=ChargingSettings(
            on_meter_loss=OnMeterLoss(charging["on_meter_loss"]),
            on_over_current=OnOverCurrent(charging["on_over_current"]),
            on_power_loss=OnPowerLoss(charging["on_power_loss"]),
            meter_stale_s=charging["meter_stale_s"],
            meter_poll_s=charging["meter_poll_s"],
            max_current_a=charging.get("max_current_a"),
            button=ButtonUse(charging["button"]),
        ),
        indicators=indicators_of(clean),
        variables=variables,
        maintenance=maintenance_of(clean["maintenance"]),
        log=LogSettings(level=log["level"], format=LogFormat(log["format"])),
        set_system_clock=clean["clock"]["set_system_clock"],
        identity_sha256=identity_digest(station.get("identity_file")),
    )


def _evse(clean: Clean, connector_id: int = 1) -> EvseSettings:
    lock, meter = clean.get("lock"), clean.get("meter")
    plain: tuple[str, ...]
    plain = ("id", "phases", "max_current_a", "voltage_v", "connector", "tethered", "ventilation", "simplified")
    plain += ("reject_13a", "wake_up", "phase_switching", "phase_wait_s", "phase_interval_s")
    return EvseSettings(
        **{name: clean[name] for name in plain},
        pilot=clean["pilot"]["driver"] if "pilot" in clean else None,
        contactor=_line(clean.get("contactor")),
        controller=_controller(clean["controller"]["driver"]) if "controller" in clean else None,
        mirror=_mirror(clean.get("mirror")),
        phase_contactor=_line(clean.get("phase_contactor")),
        phase_mirror=_mirror(clean.get("phase_mirror")),
        lock=None
        if lock is None
        else LockSettings(
            **{**lock, "feedback": _line(lock.get("feedback")), "unlock": _line(lock.get("unlock"))},
        ),
        rcm=_line(clean.get("rcm")),
        ground=_line(clean.get("ground")),
        door=_line(clean.get("door")),
        tilt=_line(clean.get("tilt")),
        rcd_test=rcd_test_of(clean.get("rcd_test")),
        temperatures=temperatures_of(clean.get("temperature", [])),
        rcd=_line(clean.get("rcd")),
        emergency_stop=_line(clean.get("emergency_stop")),
        led=_led(clean.get("led")),
        lights={colour: LineSettings(**each) for colour, each in _lights(clean)},
        buzzer=_line(clean.get("buzzer")),
        button=_line(clean.get("button")),
        meter=None if meter is None else _meter(meter["driver"]),
        connector_id=connector_id,
        connectors=tuple(_evse(completed(clean, each), each["id"]) for each in clean.get(CONNECTORS, [])),
        tells_soc=any(_tells_soc(clean[name]["driver"]) for name in ("pilot", "controller", "meter") if name in clean),
    )


def _tells_soc(driver: DriverSettings) -> bool:
    tells = find(driver.kind, driver.driver).tells_soc
    return tells is not None and tells(driver.options)


def _led(clean: Clean | None) -> LineSettings | None:
    """Return the line of a status light that has only one."""
    if clean is None or clean.get("line") is None:
        return None
    return LineSettings(line=clean["line"], active_high=clean["active_high"])


def _lights(clean: Clean) -> list[tuple[str, Clean]]:
    led = clean.get("led", {})
    return [(colour, led[colour]) for colour in LIGHTS if colour in led]


def _line(clean: Clean | None) -> LineSettings | None:
    return None if clean is None else LineSettings(**clean)


def _mirror(clean: Clean | None) -> MirrorSettings | None:
    return None if clean is None else MirrorSettings(**{**clean, "kind": MirrorKind(clean["kind"])})


def _controller(driver: DriverSettings) -> ControllerSettings:
    options = {name: value for name, value in driver.options.items() if name != "bus"}
    return ControllerSettings(
        driver=DriverSettings(kind=driver.kind, driver=driver.driver, target=driver.target, options=options),
        bus=driver.options.get("bus"),
    )


def _meter(driver: DriverSettings) -> MeterSettings:
    options = {name: value for name, value in driver.options.items() if name != "bus"}
    return MeterSettings(
        driver=DriverSettings(kind=driver.kind, driver=driver.driver, target=driver.target, options=options),
        bus=driver.options.get("bus"),
    )


def _main_meter(clean: Clean | None) -> MainMeterSettings | None:
    if clean is None:
        return None
    return MainMeterSettings(meter=_meter(clean["driver"]), max_current_a=clean["max_current_a"])


def _bus(name: str, clean: Clean) -> BusSettings:
    if "host" in clean:
        return TcpBusSettings(name=name, host=clean["host"], tcp_port=clean["tcp_port"])
    return SerialBusSettings(
        name=name,
        port=clean["port"],
        baud=clean["baud"],
        parity=clean["parity"],
        stopbits=clean["stopbits"],
        gap_s=clean["gap_ms"] / 1000,
    )
