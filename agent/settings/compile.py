"""The short-lived process that makes the guard's plan of a station file: ``python -m agent.settings.compile``.

The guard holds no parser and no validator: it starts from this plan, a JSON file that is replaced as a whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from agent import __version__
from agent.atomic import replace_file
from agent.settings.build import CheckVariable
from agent.settings.indicators import alone_plan, people_plan
from agent.settings.last_good import EXIT_CODE, load_station
from agent.settings.loaded import Loaded, Origin
from agent.settings.problems import SettingsError
from agent.settings.protection import input_plan, lock_plan, plan_of_evse, plan_of_station, watched_plan
from agent.settings.station import (
    BusSettings,
    ControllerSettings,
    DriverSettings,
    EvseSettings,
    LineSettings,
    LockSettings,
    MirrorSettings,
    SerialBusSettings,
    Settings,
)

PLAN_VERSION: Final = 1
_LINES: Final = "drivers.controllers.modbus_line"  # what a guard uses for a bus that a controller is on
_CANNOT_WRITE: Final = 73  # EX_CANTCREAT of <sysexits.h>


def plan_of(settings: Settings) -> dict[str, Any]:
    """Return the guard's plan.

    ``plan_id`` names what the guard does: it stays the same when the station file changes in what is not the guard's,
    so that an agent with new settings still speaks of the plan that a charging guard runs.
    """
    plan: dict[str, Any] = {
        "version": PLAN_VERSION,
        "scan_s": settings.guard.scan_ms / 1000,
        "socket": str(settings.station.guard_socket),
        "state_dir": str(settings.station.state_dir),
        "allowed_uids": list(settings.guard.allowed_uids),
        "permit_max_s": settings.guard.permit_s,
        "min_reclose_s": settings.guard.min_reclose_s,
        "stop_grace_s": settings.guard.stop_grace_s,
        "realtime": settings.guard.realtime,
        "lines": _driver(settings.lines),
        "evses": [_evse(part) for each in settings.evses if each.controller is None for part in each.parts],
        **_controlled(settings),
        **plan_of_station(settings),
        **alone_plan(settings),
    }
    content = json.dumps(plan, sort_keys=True, separators=(",", ":")).encode()
    return {
        "version": PLAN_VERSION,
        "plan_id": hashlib.sha256(content).hexdigest()[:16],
        "station_file": str(settings.file),
        "station_sha256": settings.sha256,
        **_board(settings),
        "made_by": __version__,
        **plan,
    }


def _board(settings: Settings) -> dict[str, Any]:
    board = settings.board
    return {} if board is None else {"board_file": str(board.file), "board_sha256": board.sha256}


def write_plan(settings: Settings, out: Path) -> str:
    """Put the plan into ``out`` and the safe actions beside it, atomically and durably; return its id.

    Raises:
        OSError: one of them cannot be written.
    """
    from agent.settings.safe_actions import write_safe_plan  # the agent wants ``plan_of`` at its start, and not this

    out.parent.mkdir(parents=True, exist_ok=True)
    safe = write_safe_plan(settings, out)  # first: a plan that is there vouches for the actions beside it
    plan = {**plan_of(settings), "safe_sha256": hashlib.sha256(safe).hexdigest()}
    replace_file(out, json.dumps(plan, indent=1).encode() + b"\n")
    return str(plan["plan_id"])


def compile_station(
    path: Path, out: Path, *, check_variable: CheckVariable | None = None, state_dir: Path | None = None
) -> Loaded:
    """Make the plan of a station file, or of its last good copy, at ``out``.

    Raises:
        SettingsError: neither can be used; ``out`` is left as it is. OSError: ``out`` cannot be written.
    """
    loaded = load_station(path, check_variable=check_variable, state_dir=state_dir, remember=False)
    write_plan(loaded.settings, out)
    return loaded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 78 for a station file that cannot be used, 73 for a plan unwritten."""
    parser = argparse.ArgumentParser(prog="python -m agent.settings.compile", description=__doc__.partition("\n")[0])
    parser.add_argument("station", type=Path, help="station file")
    parser.add_argument("--out", type=Path, required=True, help="where to put the plan")
    parser.add_argument("--state-dir", type=Path, help="where else to look for the last good copy")
    parser.add_argument("--check-variables", metavar="MODULE:NAME", help="what checks the [variables] table")
    given = parser.parse_args(arguments)
    try:
        check = _named(given.check_variables) if given.check_variables else None
        loaded = compile_station(given.station, given.out, check_variable=check, state_dir=given.state_dir)
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return EXIT_CODE
    except OSError as exc:
        print(f"{given.out}: cannot be written: {exc.strerror or exc}", file=sys.stderr)
        return _CANNOT_WRITE
    if loaded.origin is Origin.LAST_GOOD:
        for problem in loaded.problems:
            print(problem, file=sys.stderr)
        print(f"{given.station}: broken; the plan was made of its last good copy", file=sys.stderr)
    return 0


def _named(target: str) -> CheckVariable:
    module, _, name = target.partition(":")
    check: CheckVariable = getattr(import_module(module), name)
    return check


def _driver(driver: DriverSettings) -> dict[str, Any]:
    return {"target": driver.target, "options": dict(driver.options)}


def _controlled(settings: Settings) -> dict[str, Any]:
    """Return what the plan says of bought controllers and their buses; nothing where there are none."""
    found = [(evse, evse.controller) for evse in settings.evses if evse.controller is not None]
    if not found:
        return {}
    return {
        "controlled": [_controlled_evse(evse, controller) for evse, controller in found],
        "buses": {name: _bus(settings.bus(name)) for name in sorted(settings.guard_buses)},
    }


def _controlled_evse(evse: EvseSettings, controller: ControllerSettings) -> dict[str, Any]:
    return {
        "id": evse.id,
        "phases": evse.phases,
        "max_current_a": evse.max_current_a,
        "ventilation": evse.ventilation,
        "controller": _driver(controller.driver),
        "bus": controller.bus,
        "locks": controller.driver.options.get("lock") is True,
        "mirror": _line(evse.mirror),
        "rcd": input_plan(evse.rcd, latches=True),
        "emergency_stop": input_plan(evse.emergency_stop),
        **watched_plan(evse),
        "led": _line(evse.led),
        **people_plan(evse),
    }


def _bus(bus: BusSettings) -> dict[str, Any]:
    if isinstance(bus, SerialBusSettings):
        options = {name: getattr(bus, name) for name in ("baud", "parity", "stopbits", "gap_s")}
        return {"target": f"{_LINES}:open_serial_line", "options": {"port": str(bus.port), **options}}
    return {"target": f"{_LINES}:open_tcp_line", "options": {"host": bus.host, "tcp_port": bus.tcp_port}}


def _evse(evse: EvseSettings) -> dict[str, Any]:
    assert evse.pilot is not None  # the file was checked: an EVSE without a controller has a pilot
    which = {} if evse.connector_id == 1 else {"connector": evse.connector_id}
    return {
        "id": evse.id,
        **which,
        "phases": evse.phases,
        "max_current_a": evse.max_current_a,
        "ventilation": evse.ventilation,
        "tethered": evse.tethered,
        "simplified": evse.simplified,
        "reject_13a": evse.reject_13a,
        "wake_up": evse.wake_up,
        "phase_switching": evse.phase_switching,
        "phase_wait_s": evse.phase_wait_s,
        "phase_interval_s": evse.phase_interval_s,
        "power_path": _driver(evse.pilot),
        "contactor": _line(evse.contactor),
        "mirror": _line(evse.mirror),
        "phase_contactor": _line(evse.phase_contactor),
        "phase_mirror": _line(evse.phase_mirror),
        "lock": _line(evse.lock),
        "led": _line(evse.led),
        **people_plan(evse),
        **plan_of_evse(evse),
    }


def _line(line: LineSettings | MirrorSettings | LockSettings | None) -> dict[str, Any] | None:
    match line:
        case None:
            return None
        case MirrorSettings():
            debounce = {"debounce_s": line.debounce_ms / 1000} if line.debounce_ms else {}
            return {**_level(line), "kind": line.kind.value, "pull": line.pull, **debounce}
        case LockSettings():
            return {**_level(line), "feedback": _line(line.feedback), **lock_plan(line)}
        case LineSettings():
            return {**_level(line), "pull": line.pull}


def _level(line: LineSettings | MirrorSettings | LockSettings) -> dict[str, Any]:
    return {"line": line.line, "active_high": line.active_high}


if __name__ == "__main__":
    sys.exit(main())
