"""The verb ``check``: everything that is wrong with a station file, at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli_station import EXIT_SETTINGS, Add, complain

if TYPE_CHECKING:
    import argparse

    from agent.settings.problems import Problem
    from agent.settings.station import EvseSettings, Settings


def add_verbs(add: Add) -> None:
    """Add the verb to the parser."""
    check = add("check", check_verb, "check a station file and say everything that is wrong with it, at once")
    check.add_argument("file", type=Path, help="station file")
    check.add_argument(
        "--hardware", action="store_true", help="also look at this machine's devices: names, chips, ports, voltages"
    )
    check.add_argument("--json", action="store_true", help="for programs")


def check_verb(options: argparse.Namespace) -> int:
    """Check a station file; return the exit code."""
    from agent.presets import check_variable
    from agent.settings.last_good import check_file
    from agent.settings.problems import SettingsError

    seen: list[str] = []
    try:
        station = check_file(options.file, check_variable=check_variable)
        if options.hardware:
            from agent.settings.hardware import look_at_hardware

            missing, seen = look_at_hardware(station)
            if missing:
                raise SettingsError(missing)
    except SettingsError as error:
        return _tell_problems(error.problems, seen, options)
    if options.json:
        answer = {"ok": True, "problems": [], "station": station.settings.station.id}
        print(json.dumps(answer | ({"seen": seen} if options.hardware else {}), indent=2))
    else:
        for sentence in seen:
            print(f"  {sentence}")
        print(f"{options.file}: good. {_summary(station.settings)}")
    return 0


def _tell_problems(problems: Sequence[Problem], seen: list[str], options: argparse.Namespace) -> int:
    if options.json:
        listed = [
            {"file": each.file, "line": each.line, "key": each.key, "problem": each.text, "hint": each.hint}
            for each in problems
        ]
        answer = {"ok": False, "problems": listed}
        print(json.dumps(answer | ({"seen": seen} if options.hardware else {}), indent=2))
    else:
        for sentence in seen:
            print(f"  {sentence}")
        complain("\n".join(str(problem) for problem in problems))
        complain(f"{options.file}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    return EXIT_SETTINGS


def _evse(evse: EvseSettings) -> str:
    parts = ", ".join(f"{each.connector_id}: {each.connector} {each.max_current_a:g} A" for each in evse.parts)
    connectors = f" (connectors {parts}; one at a time)" if evse.connectors else ""
    return f"EVSE {evse.id} {evse.phases} x {evse.max_current_a:g} A{connectors}"


def _summary(settings: Settings) -> str:
    evses = ", ".join(_evse(each) for each in settings.evses)
    evses += "; main meter" if settings.main_meter is not None else ""
    board = f" on {settings.board.title}" if settings.board is not None else ""
    return (
        f"Station {settings.station.id}{board}: {evses}; {len(settings.readers)} card reader(s); "
        f"OCPP {settings.csms.version.value} to {settings.csms.url}"
    )
