"""The verbs ``auth explain`` and ``cards``: they ask the running agent, which alone holds the store."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from agent.console.cards_file import expiry_of, read_cards, uid_of
from agent.console.knock import NobodyHome, Unanswered, ask
from agent.console.token_screens import cards_screen, explain_screen

AT_ONCE: Final = 200  # cards in one request: its line stays below the door's limit
LEARN_S: Final = 60
POLL_S: Final = 0.3
EXIT_UNAVAILABLE: Final = 69
EXIT_SETTINGS: Final = 78

Verb = Callable[[argparse.Namespace], int]


class Surroundings(NamedTuple):
    """What the command line lends: the socket of a station file's agent (``None``: the file is no good, said so)."""

    socket: Callable[[Path], Path | None]
    config: Callable[[argparse.ArgumentParser], None]


def add_verbs(add: Callable[[str, Verb, str], argparse.ArgumentParser], around: Surroundings) -> None:
    """Add the verbs to the command line's parser."""
    auth = add("auth", _usage, "explain what would happen to a card").add_subparsers(required=True, metavar="VERB")
    explain = _verb(auth, around, "explain", _explain, "say what would happen to a card, online and offline, and why")
    explain.add_argument("uid", help="the card's number, as its reader gives it")

    cards = add("cards", _usage, "manage the station's own cards").add_subparsers(required=True, metavar="VERB")
    _verb(cards, around, "list", _list, "list the station's own cards")
    new = _verb(cards, around, "add", _add, "add a card, or change one")
    new.add_argument("uid", help="the card's number, as its reader gives it")
    new.add_argument("--group", default="", help="a card of the same group may end the transaction")
    new.add_argument("--expires", default="", metavar="DATE", help="last day (UTC), or a time of RFC 3339")
    new.add_argument("--blocked", action="store_true", help="the card must not charge")
    gone = _verb(cards, around, "remove", _remove, "forget a card")
    gone.add_argument("uid", help="the card's number")
    load = _verb(cards, around, "import", _import, "add the cards of a CSV file: uid,label,group,expires,status")
    load.add_argument("file", type=Path, help="the file; - reads standard input")
    learn = _verb(cards, around, "learn", _learn, "add the next card that is held to a reader")
    learn.add_argument("--seconds", type=_seconds, default=LEARN_S, help=f"how long to wait (default {LEARN_S})")
    for each in (new, learn):
        each.add_argument("--label", default="", help="a name for people")


def _verb(
    group: Any, around: Surroundings, name: str, run: Callable[[argparse.Namespace, Path], int], text: str
) -> argparse.ArgumentParser:
    def command(options: argparse.Namespace) -> int:
        socket = around.socket(options.config)
        if socket is None:
            return EXIT_SETTINGS
        try:
            return run(options, socket)
        except NobodyHome as error:
            _complain(f"{error}. Is it running? (charge-agent run --config {options.config})")
            return EXIT_UNAVAILABLE
        except (Unanswered, ValueError, OSError) as error:
            _complain(str(error))
            return 1

    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text)
    parser.set_defaults(command=command)
    around.config(parser)
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _usage(_options: argparse.Namespace) -> int:
    return 2  # the parser has said what is missing


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 600")
    return int(text)


def _explain(options: argparse.Namespace, socket: Path) -> int:
    answer = ask(socket, "auth", token=uid_of(options.uid))
    return _show(answer, explain_screen(answer), options)


def _list(options: argparse.Namespace, socket: Path) -> int:
    answer = ask(socket, "cards", do="list")
    return _show(answer, cards_screen(answer), options)


def _add(options: argparse.Namespace, socket: Path) -> int:
    card = {
        "token": uid_of(options.uid),
        "label": options.label,
        "group": options.group or None,
        "expires_utc_s": expiry_of(options.expires),
        "blocked": options.blocked,
    }
    answer = ask(socket, "cards", do="put", cards=[card])
    return _show(answer, f"Added. The station has {answer['cards']} card(s) of its own.", options)


def _remove(options: argparse.Namespace, socket: Path) -> int:
    answer = ask(socket, "cards", do="remove", token=uid_of(options.uid))
    return _show(answer, f"Removed. The station has {answer['cards']} card(s) of its own.", options)


def _import(options: argparse.Namespace, socket: Path) -> int:
    text = sys.stdin.read() if str(options.file) == "-" else options.file.read_text(encoding="utf-8")
    cards, problems = read_cards(text)
    if problems:
        for problem in problems:
            _complain(f"{options.file}: {problem}")
        _complain("Nothing was imported.")
        return 1
    total = 0
    for first in range(0, len(cards), AT_ONCE):
        total = ask(socket, "cards", do="put", cards=cards[first : first + AT_ONCE])["cards"]
    answer = {"imported": len(cards), "cards": total}
    return _show(answer, f"Imported {len(cards)} card(s); the station has {total} of its own.", options)


def _learn(options: argparse.Namespace, socket: Path) -> int:
    ask(socket, "cards", do="learn", seconds=options.seconds, label=options.label)
    if not options.json:
        print(f"Hold the card to a reader within {options.seconds} s ...", flush=True)
    until_s = time.monotonic() + options.seconds + 1
    try:
        while time.monotonic() < until_s:
            answer = ask(socket, "cards", do="learned")
            if answer["card"] is not None:
                return _show(answer["card"], f"Learned {answer['card']['token']}.", options)
            if not answer["learning"]:
                break
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        ask(socket, "cards", do="learn", seconds=0)
        raise
    _complain("No card came.")
    return 1


def _show(answer: Any, screen: str, options: argparse.Namespace) -> int:
    print(json.dumps(answer, indent=2) if options.json else screen)
    return 0


def _complain(text: str) -> None:
    print(text, file=sys.stderr)
