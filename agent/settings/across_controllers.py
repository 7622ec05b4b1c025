"""What a station file says about bought controllers, against its other tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.settings.across_protection import NOT_BESIDE_CONTROLLER
from agent.settings.key_lines import KeyPath
from agent.settings.reading import Clean, Reading, key_text
from agent.settings.station import DriverSettings
from drivers.registry import closest

_OWN: Final = {"pilot": "control pilot and proximity", "contactor": "coil of the main contactor"}
_ITS: Final = ("pilot", "contactor", "phase_contactor", "phase_mirror", "lock")  # the controller does these itself
_KEPT: Final = (
    "mirror",
    "rcd",
    "emergency_stop",
    "ground",
    "door",
    "tilt",
    "led",
    "buzzer",
    "button",
    "meter",
    "controller",
)  # tables with an effect beside one
_SERIAL_UNIT_MOST: Final = 247  # MODBUS over Serial Line V1.02 §2.2


def check_controllers(clean: Clean, reading: Reading) -> None:
    """Note what is missing or doubled: a pilot or a controller, its bus, its port, its address."""
    for index, evse in enumerate(clean.get("evse", [])):
        path: KeyPath = ("evse", index)
        if "controller" not in evse:
            for name, what in _OWN.items():
                if name not in evse:
                    reading.refuse(path, f"has no {name}, expected {what}")
            continue
        for name in _ITS:
            if name in evse:
                reading.refuse((*path, name), "is given beside a controller, which has its own")
        for name, table in evse.items():
            if isinstance(table, dict) and name not in (*_ITS, *_KEPT, *NOT_BESIDE_CONTROLLER):
                text = f"has no effect on an EVSE with a controller, expected one of {', '.join(_KEPT[:4])}"
                reading.refuse(
                    (*path, name), text, "or give it for the station as a whole, where there is such a table"
                )
        if evse.get("phase_switching"):
            reading.refuse(
                (*path, "phase_switching"), "is true for an EVSE with a controller, which switches no phases"
            )
    _check_buses(clean, reading)
    _check_ports(clean, reading)
    _check_units(clean, reading)


def controllers_of(clean: Clean) -> Iterator[tuple[DriverSettings, KeyPath]]:
    """Yield every controller that has no problem of its own, with its place."""
    for index, evse in enumerate(clean.get("evse", [])):
        driver = evse.get("controller", {}).get("driver")
        if isinstance(driver, DriverSettings):
            yield driver, ("evse", index, "controller")


def _check_buses(clean: Clean, reading: Reading) -> None:
    buses: dict[str, Clean] = clean.get("bus", {})
    for driver, path in controllers_of(clean):
        wanted = driver.options.get("bus")
        if wanted is None or wanted in buses:
            continue
        near = closest(wanted, buses)
        known = f"there are {', '.join(buses)}" if buses else "there is no [bus.NAME] table"
        hint = f"did you mean {near!r}?" if near else ""
        reading.refuse((*path, "bus"), f"{wanted!r} is no bus of this file, {known}", hint)


def _check_ports(clean: Clean, reading: Reading) -> None:
    """Refuse a serial port that a controller shares with a bus, a reader or another controller."""
    taken = {str(bus["port"]): f"bus {name!r}" for name, bus in clean.get("bus", {}).items() if "port" in bus}
    for index, reader in enumerate(clean.get("reader", [])):
        driver = reader.get("driver")
        if isinstance(driver, DriverSettings) and "port" in driver.options:
            taken.setdefault(str(driver.options["port"]), f"reader[{index + 1}]")
    for driver, path in controllers_of(clean):
        if "port" not in driver.options:
            continue
        port = str(driver.options["port"])
        if port in taken:
            reading.refuse((*path, "port"), f"{port!r} is the port of {taken[port]}, too")
        taken.setdefault(port, key_text(path))


def _check_units(clean: Clean, reading: Reading) -> None:
    """Refuse one address for two devices on a serial line; behind one TCP address there may be both."""
    buses: dict[str, Clean] = clean.get("bus", {})
    taken: dict[tuple[str, int], KeyPath] = {}
    for driver, path in [*controllers_of(clean), *meters_of(clean)]:
        bus, unit = driver.options.get("bus"), driver.options.get("unit")
        if bus is None or unit is None or "port" not in buses.get(bus, {}):
            continue
        if unit > _SERIAL_UNIT_MOST:
            reading.refuse((*path, "unit"), f"{unit} is outside 1-{_SERIAL_UNIT_MOST} on a serial bus")
        other = taken.setdefault((bus, unit), path)
        if other is not path and "controller" in (path[-1], other[-1]):
            reading.refuse((*path, "unit"), f"{unit} is the address of {key_text(other)} on bus {bus!r}, too")


def meters_of(clean: Clean) -> Iterator[tuple[DriverSettings, KeyPath]]:
    """Yield every meter that has no problem of its own, with its place; the main meter comes last."""
    for index, evse in enumerate(clean.get("evse", [])):
        driver = evse.get("meter", {}).get("driver")
        if isinstance(driver, DriverSettings):
            yield driver, ("evse", index, "meter")
    driver = clean.get("main_meter", {}).get("driver")
    if isinstance(driver, DriverSettings):
        yield driver, ("main_meter",)
