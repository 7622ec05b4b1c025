"""What a station file says about inputs, self-test and temperatures, against its other tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from agent.settings.connectors import CONNECTORS, parts_of
from agent.settings.key_lines import KeyPath
from agent.settings.reading import Clean, Reading, key_text

_LINES: Final = ("rcm", "ground", "door", "tilt", "rcd_test")
NOT_BESIDE_CONTROLLER: Final = {
    "rcm": "must open the contactor by itself: wire the sensor to the controller",
    "rcd_test": "is the controller's to do, which knows when its contactor is open",
    "temperature": "reduces an offer that is the controller's: wire the sensor to the controller",
}


def check_protection(clean: Clean, reading: Reading) -> None:
    """Note what contradicts itself: thresholds, a self-test without an output to see, a wave shorter than two scans."""
    for index, evse in enumerate(clean.get("evse", [])):
        path: KeyPath = ("evse", index)
        _check_temperatures(evse.get("temperature", []), path, reading)
        for place, connector in enumerate(evse.get(CONNECTORS, [])):
            _check_temperatures(connector.get("temperature", []), (*path, CONNECTORS, place), reading)
        if "rcd_test" in evse and not {"rcd", "rcm"} & evse.keys() and not reading.refused((*path, "rcd")):
            reading.refuse((*path, "rcd_test"), "is given without rcd or rcm: nothing could be seen to trip")
        if "controller" in evse:
            for name, why in NOT_BESIDE_CONTROLLER.items():
                if name in evse:
                    text = "is given beside a controller, whose contactor the guard does not switch"
                    reading.refuse((*path, name), text, f"it {why}")
    guard: dict[str, Any] = clean.get("guard", {})
    period_ms, scan_ms = guard.get("heartbeat", {}).get("period_ms"), guard.get("scan_ms")
    if period_ms is not None and scan_ms is not None and period_ms < 2 * scan_ms:
        reading.refuse(
            ("guard", "heartbeat", "period_ms"), f"{period_ms} ms is shorter than two scans of {scan_ms} ms (scan_ms)"
        )


def protection_lines(clean: Clean) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield role, line and place of every line of these tables."""
    for part, place in parts_of(clean):
        for role in _LINES:
            yield from _line(key_text((*place, role)), part.get(role), (*place, role))
        way = (*place, "lock", "unlock")
        yield from _line(key_text(way), part.get("lock", {}).get("unlock"), way)
    for role, table in clean.get("inputs", {}).items():
        yield from _line(f"inputs.{role}", table, ("inputs", role))
    beat = clean.get("guard", {}).get("heartbeat")
    yield from _line("guard.heartbeat", beat, ("guard", "heartbeat"))


def _line(role: str, table: Clean | None, path: KeyPath) -> Iterator[tuple[str, str, KeyPath]]:
    if table is not None and table.get("line") is not None:
        yield role, table["line"], path


def _check_temperatures(sensors: list[Clean], path: KeyPath, reading: Reading) -> None:
    names: set[str] = set()
    for index, sensor in enumerate(sensors):
        place = (*path, "temperature", index)
        reduce_c, stop_c = sensor.get("reduce_c"), sensor.get("stop_c")
        if reduce_c is not None and stop_c is not None and reduce_c >= stop_c:
            reading.refuse((*place, "reduce_c"), f"{reduce_c:g} degC is not below stop_c {stop_c:g} degC")
        name = sensor.get("name")
        if name is not None and name in names:
            reading.refuse((*place, "name"), f"{name!r} is the name of another sensor of this EVSE, too")
        names.add(name or "")
    if len(sensors) > MOST_SENSORS:
        reading.refuse((*path, "temperature"), f"has {len(sensors)} sensors, at most {MOST_SENSORS} are read")


MOST_SENSORS: Final = 16  # agent.guard.wire, Report.temperature_c
