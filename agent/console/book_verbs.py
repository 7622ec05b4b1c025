"""The verbs ``cdr`` and ``ocpp log``: what the station charged, and what it said to the CSMS last."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.console.book_screens import ladder_screen, records_csv, records_screen
from agent.console.knock import NobodyHome, Unanswered, ask
from agent.model.plain_text import all_printable

EXIT_UNAVAILABLE: Final = 69
EXIT_SETTINGS: Final = 78

Verb = Callable[[argparse.Namespace], int]
Answer = Mapping[str, Any]


class Lent(NamedTuple):
    """What the command line lends.

    Attributes:
        socket: of a station file's agent; ``None``: the file is no good, said so.
        config: adds the option that names the station file. count: reads a number of rows.
        copied: the records of a copy of the journal, for a station without a running agent; ``None``: said why not.
    """

    socket: Callable[[Path], Path | None]
    config: Callable[[argparse.ArgumentParser], None]
    count: Callable[[str], int]
    copied: Callable[[Path, int], Answer | None]


def add_verbs(add: Callable[[str, Verb, str], argparse.ArgumentParser], lent: Lent) -> None:
    """Add the verbs to the command line's parser."""
    cdr = add(
        "cdr", lambda options: _cdr(options, lent), "list the charges that ended here, and whether the CSMS has them"
    )
    lent.config(cdr)
    form = cdr.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--csv", action="store_true", help="for spreadsheets")
    cdr.add_argument("--limit", type=lent.count, default=100, metavar="N", help="at most so many (default 100)")
    ocpp = add("ocpp", _usage, "look at the conversation with the CSMS").add_subparsers(required=True, metavar="VERB")
    text = "show the last frames both ways as a ladder; id tokens are hashed"
    log = ocpp.add_parser("log", help=text, description=text)
    log.set_defaults(command=lambda options: _log(options, lent))
    lent.config(log)
    log.add_argument("--json", action="store_true", help="for programs, with every frame whole")
    log.add_argument("--limit", type=lent.count, default=60, metavar="N", help="at most so many (default 60)")


def _usage(_options: argparse.Namespace) -> int:
    return 2  # the parser has said what is missing


def _cdr(options: argparse.Namespace, lent: Lent) -> int:
    socket = lent.socket(options.config)
    if socket is None:
        return EXIT_SETTINGS
    answer: Answer | None
    try:
        answer = ask(socket, "cdr", limit=min(options.limit, 5000))
    except NobodyHome:
        answer = lent.copied(options.config, options.limit)
        if answer is None:
            return EXIT_UNAVAILABLE
    except Unanswered as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    if answer["source"] == "copy":
        print("No agent runs: read from a copy of its journal.", file=sys.stderr)
    print(records_csv(answer) if options.csv else records_screen(all_printable(answer)))
    return 0


def _log(options: argparse.Namespace, lent: Lent) -> int:
    socket = lent.socket(options.config)
    if socket is None:
        return EXIT_SETTINGS
    try:
        answer = ask(socket, "frames", limit=min(options.limit, 5000))
    except NobodyHome as error:
        print(f"{error}. Frames are kept in its memory only.", file=sys.stderr)
        return EXIT_UNAVAILABLE
    except Unanswered as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if options.json else ladder_screen(answer))
    return 0
