"""``charge-agent meter read | scan | doctor | profiles``.

Exit codes: 0 the meter was read (scan: something was found; doctor: nothing to complain about); 1 not so; 2 wrong
usage; 69 nothing answers at all; 78 the station file cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from agent.console.knock import NobodyHome, Unanswered, ask
from agent.console.meter_answers import counters_answer, reading_answer
from agent.console.meter_hints import Circumstances, hints
from agent.console.meter_scan import Scan, Setting, matches, scan
from agent.console.meter_screens import (
    doctor_screen,
    profiles_screen,
    reading_screen,
    scan_answer,
    scan_screen,
    values_screen,
)
from agent.console.meter_wire import Line, Target, delivered, described, in_use, open_bus
from drivers.api import DriverError, DriverTimeout, DriverUnavailable, MeterReading
from drivers.meter.counters import UnitCounters
from drivers.meter.modbus import ModbusMeter
from drivers.meter.profile import ProfileError
from drivers.meter.profile_file import load_profile, profile_names

if TYPE_CHECKING:
    from pathlib import Path

EXIT_SILENT: Final = 69
PAUSE_S: Final = 0.2  # between the reads of doctor; meters refresh their values once or twice a second anyway

FromStation = Callable[[int | None], "tuple[Target | None, Path, int]"]
"""EVSE (``None``: the first with a meter) -> its meter if we can reach it ourselves, the agent's socket, the EVSE."""


def run(options: argparse.Namespace, from_station: FromStation) -> int:
    """Run the command; return its exit code."""
    try:
        match options.action:
            case "read":
                return _read(options, from_station)
            case "doctor":
                return _doctor(options, from_station)
            case "scan":
                return _scan(options)
        return _profiles(options)
    except ProfileError as error:
        return _complain(str(error), 2)
    except DriverTimeout as error:
        return _complain(f"{error}\nWhat to look at: charge-agent meter doctor", EXIT_SILENT)
    except DriverUnavailable as error:
        hint = "\nA running agent holds its ports: leave --port away to ask it." if in_use(error) else ""
        return _complain(f"{error}{hint}", EXIT_SILENT)
    except DriverError as error:
        return _complain(str(error), 1)


def _target(options: argparse.Namespace, from_station: FromStation) -> tuple[Target | None, dict[str, Any] | None]:
    """Return the meter to read ourselves, or what the running agent says of it."""
    if options.port is not None or options.host is not None:
        return described(options), None
    if options.profile is not None:
        raise ProfileError("--profile describes a meter of no station file: say --port or --host, too")
    target, door, evse_id = from_station(options.evse)
    try:
        return None, ask(door, "meter", evse=evse_id)
    except NobodyHome:
        if target is None:
            which = f"the meter of EVSE {evse_id}" if evse_id else "the main meter"
            raise DriverUnavailable(
                f"{which} is not on a Modbus line of the agent's own; start the agent and ask again"
            ) from None
        return target, None
    except Unanswered as error:
        raise DriverError(str(error)) from error


def _meter(target: Target, bus: Any) -> ModbusMeter:
    if target.line.port:
        bus.keep_gap(target.profile.gap_s if target.evse_id is None else 0.0)
    return ModbusMeter(profile=target.profile, unit=target.unit, bus=bus, timeout_s=target.timeout_s, **target.options)


def _read(options: argparse.Namespace, from_station: FromStation) -> int:
    target, told = _target(options, from_station)
    if told is not None:
        if options.all:
            _note("The agent runs and holds the line: this is what it reads. Stop it to see every register.")
        if options.json:
            print(json.dumps(told, indent=2))
        else:
            print(reading_screen(told))
        return 0 if told["reading"] is not None else 1
    assert target is not None
    return asyncio.run(_read_now(target, everything=options.all, as_json=options.json))


async def _read_now(target: Target, *, everything: bool, as_json: bool) -> int:
    bus = open_bus(target.line)
    try:
        meter = _meter(target, bus)
        found = await meter.read_everything() if everything else await meter.read()
    finally:
        await bus.close()
    answer = _about(target)
    if isinstance(found, MeterReading):
        answer |= {"reading": reading_answer(found), "age_s": round(time.monotonic() - found.taken_s, 2)}
        print(json.dumps(answer, indent=2) if as_json else reading_screen(answer))
        return 0 if found.energy_import_wh is not None else 1
    answer["values"] = found
    print(json.dumps(answer, indent=2) if as_json else values_screen(answer))
    return 0


def _about(target: Target) -> dict[str, Any]:
    return {
        "source": "line",
        "evse": target.evse_id,
        "line": str(target.line),
        "unit": target.unit,
        "profile": target.profile.id,
        "confidence": target.profile.confidence.value,
    }


def _doctor(options: argparse.Namespace, from_station: FromStation) -> int:
    target, told = _target(options, from_station)
    if told is not None:
        counters = None if told["counters"] is None else UnitCounters(**told["counters"])
        seen = Circumstances(serial=told["serial"], timeout_s=told["timeout_s"], profile=told["profile"])
        found = ["the bus does not count"] if counters is None else hints(counters, seen)
        answer = {**told, "hints": found}
    else:
        assert target is not None
        answer = asyncio.run(_examine(target, options.reads))
        counters = UnitCounters(**answer["counters"])
    print(json.dumps(answer, indent=2) if options.json else doctor_screen(answer))
    if counters is not None and counters.requests and not counters.answers:
        return EXIT_SILENT
    return 1 if answer["hints"] else 0


async def _examine(target: Target, reads: int) -> dict[str, Any]:
    bus = open_bus(target.line, retries=0)
    meter, failed, reading, identity = _meter(target, bus), 0, None, None
    last_error = ""
    progress = Progress("reading")
    try:
        for number in range(reads):
            progress(number, reads, str(target.line))
            try:
                reading = await meter.read()
            except DriverUnavailable:
                raise
            except DriverError as error:
                failed, last_error = failed + 1, str(error)
            await asyncio.sleep(PAUSE_S)
        counters = bus.counters(target.unit)
        if target.profile.identity and counters.answers:
            identity = await matches(bus, target.unit, target.profile, target.timeout_s)
        progress(reads, reads, "done")
    finally:
        await bus.close()
    seen = Circumstances(
        serial=bool(target.line.port),
        timeout_s=target.timeout_s,
        identity=identity,
        profile=target.profile.id,
        line=target.line.setting,
        delivered=delivered(target.profile),
        reading=reading,
    )
    return {
        **_about(target),
        "reads": reads,
        "failures": failed,
        "last_error": last_error,
        "identified": identity,
        "counters": counters_answer(counters),
        "reading": None if reading is None else reading_answer(reading),
        "hints": hints(counters, seen),
    }


def _scan(options: argparse.Namespace) -> int:
    from agent.console.meter_arguments import UNITS, units

    over_tcp = options.host is not None
    settings = [
        Setting(baud=baud, parity=parity) for baud in options.bauds for parity in options.parities
    ] if not over_tcp else [Setting()]  # fmt: skip
    wanted = options.units or (units(f"{UNITS},255" if over_tcp else UNITS))

    def bus_of(setting: Setting) -> Any:
        line = Line(port=str(options.port), baud=setting.baud, parity=setting.parity, gap_s=0.0)
        if over_tcp:
            line = Line(host=options.host, tcp_port=options.tcp_port)
        return open_bus(line, retries=0, late_s=options.wait_s)

    found: Scan = asyncio.run(
        scan(
            settings,
            wanted,
            bus_of,
            wait_s=options.wait_s,
            profiles=[load_profile(name) for name in profile_names()],
            all_settings=options.all_settings,
            guess=options.guess,
            progress=Progress("scanning"),
        )
    )
    if options.json:
        print(json.dumps(scan_answer(found), indent=2))
    else:
        print(scan_screen(found, "" if options.port is None else str(options.port)))
    if not found.found and len(found.closed) == len(settings):
        raise DriverUnavailable(found.closed[0][1])
    return 0 if found.found else 1


def _profiles(options: argparse.Namespace) -> int:
    loaded = [load_profile(name) for name in profile_names()]
    if options.json:
        rows = [
            {
                "profile": each.id,
                "vendor": each.vendor,
                "models": each.models,
                "phases": each.phases,
                "confidence": each.confidence.value,
                "sources": each.sources,
                "notes": each.notes,
            }
            for each in loaded
        ]
        print(json.dumps(rows, indent=2))
    else:
        print(profiles_screen(loaded))
    return 0


class Progress:
    """A line on standard error that says how far it is: rewritten on a terminal, else one line for each tenth."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._tenth = -1

    def __call__(self, done: int, total: int, now: str) -> None:
        """Show it."""
        text = f"{self._what}: {done} of {total}, {now}"
        if self._terminal:
            print(f"\r\033[K{text}", end="" if done < total else "\n", file=sys.stderr, flush=True)
        elif (tenth := 10 * done // max(total, 1)) != self._tenth:
            self._tenth = tenth
            print(text, file=sys.stderr, flush=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr)


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)
    return code
