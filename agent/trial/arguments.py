"""The arguments of ``charge-agent test``, without anything that the test itself needs."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Final

CHECKS: Final = (
    "meter", "controller", "inputs", "temperature", "pilot", "proximity", "light", "buzzer", "button", "lock",
    "self-test", "contactor", "reader",
)  # fmt: skip


def add_arguments(parser: ArgumentParser) -> None:
    """Add everything but ``--config``."""
    mains = parser.add_mutually_exclusive_group()
    mains.add_argument(
        "--mains-off", action="store_true", help="you have switched the mains off: the contactor may be closed"
    )
    mains.add_argument("--mains-on", action="store_true", help="close the contactor on live mains; has to be confirmed")
    parser.add_argument("--confirm", metavar="STATION-ID", help="confirms --mains-on, in place of the question")
    parser.add_argument("--evse", type=_evse, action="append", metavar="N", help="only this EVSE; may be repeated")
    parser.add_argument("--skip", choices=CHECKS, action="append", help="leave this check out; may be repeated")
    parser.add_argument(
        "--yes", action="store_true", help="ask nothing: what only a person can see is marked as not confirmed"
    )
    parser.add_argument(
        "--card-wait",
        type=_seconds,
        metavar="S",
        help="wait so long for a card at each reader (default 30, 3 with --yes)",
    )
    parser.add_argument(
        "--stop-services", action="store_true", help="stop guard and agent, start them again at the end"
    )
    parser.add_argument("--technician", metavar="NAME", help="name for the report")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the report as a page to print")
    parser.add_argument("--json", action="store_true", help="for programs")


def _evse(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 2**31:
        raise ArgumentTypeError(f"{text!r} is not the id of an EVSE")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.1 <= seconds <= 3600.0:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds
