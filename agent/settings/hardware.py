"""Looking at the real devices of a station file, before anything moves: no output is changed, nothing is kept open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.settings.board import lines_in
from agent.settings.build import StationFile
from agent.settings.connectors import CONNECTORS
from agent.settings.key_lines import KeyPath
from agent.settings.problems import Problem
from agent.settings.reading import Reading, key_text
from agent.settings.station import DriverSettings, SerialBusSettings, Settings
from drivers.api import DriverError, Look
from drivers.registry import closest, find, resolve

BY_ID: Final = Path("/dev/serial/by-id")


def look_at_hardware(station: StationFile) -> tuple[list[Problem], list[str]]:
    """Return what this machine lacks for the station file, each with its place, and what was seen.

    A device whose driver cannot look is only named: what is not looked at is not claimed to be there.
    """
    settings, reading, seen = station.settings, station.reading, list[str]()
    places = list(lines_in(station.document, ()))
    if places:
        names = tuple(dict.fromkeys(line for _, line in places))
        look = _look(settings.lines, seen, "lines", lines=names)
        of_line: dict[str, list[KeyPath]] = {}
        for path, line in places:
            of_line.setdefault(line, []).append(path)
        for problem in look.problems:
            for path in of_line.get(problem.option, [("lines", problem.option)]):
                _refuse(reading, path, problem.problem)
    for path, device in _devices(settings):
        for problem in _look(device, seen, key_text(path)).problems:
            _refuse(reading, (*path, problem.option), problem.problem)
    for path, port in _ports(settings):
        problem_of_port = _port_problem(port)
        if problem_of_port is None:
            seen.append(f"port {port}: there")
        else:
            _refuse(reading, path, problem_of_port)
    return sorted(reading.problems, key=lambda each: (each.file, each.line or 0)), seen


def _look(device: DriverSettings, seen: list[str], what: str, **more: object) -> Look:
    spec = find(device.kind, device.driver)
    if spec.look is None:
        seen.append(f"{what}: driver {device.driver} does not look at its device")
        return Look()
    look = resolve(spec.look)(**device.options, **more)
    if not isinstance(look, Look):
        raise DriverError(f"{spec.look} returned {type(look).__name__}, expected a Look")
    seen += look.seen
    return look


def _devices(settings: Settings) -> Iterator[tuple[KeyPath, DriverSettings]]:
    for index, evse in enumerate(settings.evses):
        if evse.pilot is not None:
            yield ("evse", index, "pilot"), evse.pilot
        for place, connector in enumerate(evse.connectors):
            if connector.pilot is not None:
                yield ("evse", index, CONNECTORS, place, "pilot"), connector.pilot


def _ports(settings: Settings) -> Iterator[tuple[KeyPath, Path]]:
    for bus in settings.buses:
        if isinstance(bus, SerialBusSettings):
            yield ("bus", bus.name, "port"), bus.port
    for index, evse in enumerate(settings.evses):
        port = evse.controller.driver.options.get("port") if evse.controller is not None else None
        if port is not None:
            yield ("evse", index, "controller", "port"), Path(port)
    for index, reader in enumerate(settings.readers):
        port = reader.driver.options.get("port")
        if port is not None:
            yield ("reader", index, "port"), Path(port)


def _port_problem(port: Path) -> str | None:
    if not port.exists():
        there = sorted(each.name for each in BY_ID.glob("*")) if BY_ID.is_dir() else []
        near = closest(port.name, there)
        meant = f"; did you mean {str(BY_ID / near)!r}?" if near else ""
        return f"{str(port)!r} is not there, in {BY_ID} there are: {', '.join(there) or 'none'}{meant}"
    if not os.access(port, os.R_OK | os.W_OK):
        return f"{str(port)!r} may not be opened by this user; it must be in the group that owns it (dialout)"
    return None


def _refuse(reading: Reading, path: KeyPath, text: str) -> None:
    problem, _, hint = text.partition("; did you mean")
    reading.refuse(path, problem, f"did you mean{hint}" if hint else "")
