"""What the verbs of the command line share: the options of the station file, its settings, and the exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

    from agent.settings.station import Settings

DEFAULT_CONFIG: Final = "/etc/charge-agent/station.toml"
EXIT_FAILED: Final = 1
EXIT_UNAVAILABLE: Final = 69
EXIT_SETTINGS: Final = 78

Verb = Callable[["argparse.Namespace"], int]
Add = Callable[[str, Verb, str], "argparse.ArgumentParser"]
"""Adds a verb to the command line's parser: name, what it does, help."""


def configured(command: argparse.ArgumentParser) -> None:
    """Give a verb the option that names the station file."""
    command.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("CHARGE_AGENT_CONFIG", DEFAULT_CONFIG)),
        metavar="FILE",
        help=f"station file (default: $CHARGE_AGENT_CONFIG or {DEFAULT_CONFIG})",
    )


def count(text: str) -> int:
    """Read a number of an argument, 1 to 10000."""
    import argparse

    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 10000")
    return int(text)


def settings_of(config: Path) -> Settings | None:
    """Return the station's settings; a broken station file is no obstacle while there is a good copy.

    ``None``: there is none, which was said.
    """
    from agent.settings.checked import recall
    from agent.settings.last_good import load_station
    from agent.settings.problems import SettingsError

    known = recall(config)
    if known is not None:
        return known.settings
    try:
        return load_station(config, remember=False).settings
    except SettingsError as error:
        complain(str(error))
        return None


def socket_of(settings: Settings) -> Path:
    """Return where the station's agent listens to the command line."""
    return settings.station.run_dir / "agent.sock"


def socket_at(config: Path) -> Path | None:
    """Return the same for a station file; ``None``: it is no good, which was said."""
    settings = settings_of(config)
    return None if settings is None else socket_of(settings)


def complain(text: str) -> None:
    """Say what is wrong on standard error."""
    with contextlib.suppress(BrokenPipeError):
        print(text, file=sys.stderr)
