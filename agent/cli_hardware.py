"""The verbs ``rfid``, ``meter`` and ``test``, which look at the station's hardware themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli_station import EXIT_SETTINGS, Add, configured, count, settings_of, socket_of

if TYPE_CHECKING:
    import argparse

    from agent.console.meter_wire import Target


def add_verbs(add: Add) -> None:
    """Add the verbs to the parser."""
    from agent.console.meter_arguments import add_meter_commands
    from agent.trial.arguments import add_arguments

    rfid = add("rfid", _usage, "look at the card readers").add_subparsers(required=True, metavar="VERB")
    text = "show what the readers say, the id that goes to the CSMS, and what the station knows of the card"
    listen = rfid.add_parser("listen", help=text, description=text)
    listen.set_defaults(command=listen_verb)
    configured(listen)
    listen.add_argument("--reader", metavar="NAME", help="only this reader of the station file")
    listen.add_argument("--seconds", type=count, metavar="N", help="end after so long (default: on Ctrl-C)")
    listen.add_argument("--json", action="store_true", help="for programs, one line for each card")
    meter = add("meter", meter_verb, "read a meter, look for meters, examine a meter's line")
    add_meter_commands(meter, configured)
    text = "test the station's hardware: each output seen back by its sense, readers, meters, protection"
    trial = add("test", trial_verb, text)
    configured(trial)
    add_arguments(trial)


def _usage(_options: argparse.Namespace) -> int:
    return 2  # the parser has said what is missing


def listen_verb(options: argparse.Namespace) -> int:
    """Show what the card readers say; return the exit code."""
    from agent.listening import listen

    settings = settings_of(options.config)
    if settings is None:
        return EXIT_SETTINGS
    return listen(settings, seconds=options.seconds, reader=options.reader, as_json=options.json)


def trial_verb(options: argparse.Namespace) -> int:
    """Test the hardware; return the exit code."""
    settings = settings_of(options.config)
    if settings is None:
        return EXIT_SETTINGS
    from agent.trial.command import run

    return run(options, settings)


def meter_verb(options: argparse.Namespace) -> int:
    """Read or examine a meter; return the exit code."""
    from agent.console.meter_commands import run

    return run(options, lambda evse_id: _meter_of(options.config, evse_id))


def _meter_of(config: Path, evse_id: int | None) -> tuple[Target | None, Path, int]:
    """Return the meter of an EVSE of the station file: how to reach it (``None``: not by us), the socket, the EVSE."""
    from agent.settings.meter_target import meter_target

    settings = settings_of(config)
    if settings is None:
        sys.exit(EXIT_SETTINGS)
    chosen, place = meter_target(settings, evse_id)
    if place is None:
        return None, socket_of(settings), chosen
    from agent.console.meter_wire import Line, Target
    from drivers.meter.profile_file import load_profile

    line = Line(**place.line)
    target = Target(
        line=line,
        profile=load_profile(place.profile),
        unit=place.unit,
        evse_id=chosen,
        timeout_s=place.timeout_s,
        options=place.options,
    )
    return target, socket_of(settings), chosen
