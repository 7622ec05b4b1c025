"""The arguments of ``charge-agent meter``; the commands themselves are loaded when one of them runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

BAUDS: Final = (9600, 19200, 2400, 38400, 115200, 4800, 57600, 1200)
UNITS: Final = "1-16,33,42,247"  # the lowest, and what meters leave the factory with (profiles' serial.unit)
PARITIES: Final = ("N", "E", "O")


def add_meter_commands(meter: argparse.ArgumentParser, config: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add ``read``, ``scan``, ``doctor`` and ``profiles`` to the command ``meter``; ``config`` adds ``--config``."""
    commands = meter.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.add_argument("--json", action="store_true", help="for programs")
        return command

    for name, text in (
        ("read", "read a meter once: of an EVSE of the station file, or one that is described here"),
        ("doctor", "read a meter many times and say what its line looks like"),
    ):
        command = add(name, text)
        config(command)
        command.add_argument(
            "--evse",
            type=whole(0, 1000),
            metavar="N",
            help="the meter of this EVSE, 0 for the main meter (default: the first)",
        )
        _wire(command)
        command.add_argument("--profile", metavar="P", help="profile of the meter: a name, or a file (with a slash)")
        command.add_argument("--unit", type=whole(0, 255), metavar="N", help="Modbus address (default: the profile's)")
        command.add_argument("--baud", type=whole(300, 1_000_000), metavar="N", help="speed (default: the profile's)")
        command.add_argument("--parity", choices=PARITIES, help="parity (default: the profile's)")
        command.add_argument("--stopbits", type=int, choices=(1, 2), help="stop bits (default: the profile's)")
        command.add_argument(
            "--timeout-s", type=_seconds, default=1.0, metavar="S", help="for each block, 0.1-10 (default 1.0)"
        )
        if name == "read":
            command.add_argument("--all", action="store_true", help="every value of the profile, as the meter gives it")
        else:
            command.add_argument(
                "--reads", type=whole(1, 10_000), default=20, metavar="N", help="how often (default 20)"
            )
    scan = add("scan", "look for devices by speed, parity and address, and tell what they are")
    _wire(scan, required=True)
    scan.add_argument(
        "--bauds", type=_numbers(300, 1_000_000), default=BAUDS, metavar="LIST", help=f"default {_listed(BAUDS)}"
    )
    scan.add_argument("--parities", type=_parities, default=("N", "E"), metavar="LIST", help="of N, E, O; default N,E")
    scan.add_argument("--units", type=_numbers(0, 255), default=None, metavar="LIST", help=f"default {UNITS}")
    scan.add_argument("--wait-s", type=_seconds, default=0.3, metavar="S", help="for each answer (default 0.3)")
    scan.add_argument(
        "--all-settings", action="store_true", help="go on after the first speed and parity with an answer"
    )
    scan.add_argument(
        "--guess", action="store_true", help="read an unknown device with every profile: what looks likely"
    )
    add("profiles", "list the meters that there are profiles for")


def _wire(command: argparse.ArgumentParser, *, required: bool = False) -> None:
    wire = command.add_mutually_exclusive_group(required=required)
    wire.add_argument("--port", type=Path, metavar="DEV", help="serial port, such as /dev/ttyUSB0")
    wire.add_argument("--host", metavar="HOST", help="Modbus TCP host")
    command.add_argument("--tcp-port", type=whole(1, 65535), default=502, metavar="N", help="default 502")


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in a range, for ``argparse``."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text[:9]) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number in {low}-{high}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.05 <= value <= 10.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds in 0.05-10")
    return value


def _parities(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.upper().split(",")))
    if not set(found) <= set(PARITIES):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of N, E, O")
    return found


def _numbers(low: int, high: int) -> Callable[[str], tuple[int, ...]]:
    one = whole(low, high)

    def read(text: str) -> tuple[int, ...]:
        found: list[int] = []
        for part in text.split(","):
            first, dash, last = part.partition("-")
            found += range(one(first), one(last) + 1) if dash else (one(first),)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} holds no number")
        return tuple(dict.fromkeys(found))

    return read


def units(text: str = UNITS) -> tuple[int, ...]:
    """Return the addresses of a list such as ``1-16,33``."""
    return _numbers(0, 255)(text)


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
