"""The verbs ``status``, ``queue`` and ``why``: questions to the running agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.cli_station import (
    EXIT_FAILED,
    EXIT_SETTINGS,
    EXIT_UNAVAILABLE,
    Add,
    complain,
    configured,
    count,
    settings_of,
    socket_of,
)

if TYPE_CHECKING:
    import argparse


def add_verbs(add: Add) -> None:
    """Add the verbs to the parser."""
    for name, verb, help_text in (
        ("status", status_verb, "show the running station at a glance"),
        ("queue", queue_verb, "list the facts that the CSMS has not acknowledged"),
        ("why", why_verb, "say for each EVSE why it charges at this current or not at all"),
    ):
        command = add(name, verb, help_text)
        configured(command)
        command.add_argument("--json", action="store_true", help="for programs")
        if name == "queue":
            command.add_argument("--limit", type=count, default=100, metavar="N", help="at most so many (default 100)")
        if name == "why":
            command.add_argument("evse", type=count, nargs="?", help="only this EVSE")


def status_verb(options: argparse.Namespace) -> int:
    """Show the station at a glance."""
    from agent.console.screens import status_screen

    return _ask(options, "status", status_screen)


def why_verb(options: argparse.Namespace) -> int:
    """Say why each EVSE does what it does."""
    from agent.console.screens import why_screen

    return _ask(options, "why", why_screen, evse=options.evse)


def queue_verb(options: argparse.Namespace) -> int:
    """List what waits for the CSMS, from a copy of the journal where no agent runs."""
    from agent.cli_copies import queue_of_copy
    from agent.console.knock import NobodyHome, Unanswered, ask
    from agent.console.screens import queue_screen

    settings = settings_of(options.config)
    if settings is None:
        return EXIT_SETTINGS
    try:
        answer = ask(socket_of(settings), "queue", limit=options.limit)
    except NobodyHome:
        copied = queue_of_copy(settings, options.limit)
        if copied is None:
            return EXIT_UNAVAILABLE
        answer = copied
    except Unanswered as error:
        complain(str(error))
        return EXIT_FAILED
    _show(answer, queue_screen, as_json=options.json)
    return 0


def _ask(options: argparse.Namespace, question: str, screen: Callable[[Any], str], **fields: Any) -> int:
    from agent.console.knock import NobodyHome, Unanswered, ask

    settings = settings_of(options.config)
    if settings is None:
        return EXIT_SETTINGS
    try:
        answer = ask(socket_of(settings), question, **fields)
    except NobodyHome as error:
        complain(f"{error}. Is it running? (charge-agent run --config {options.config})")
        return EXIT_UNAVAILABLE
    except Unanswered as error:
        complain(str(error))
        return EXIT_FAILED
    _show(answer, screen, as_json=options.json)
    return 0


def _show(answer: Any, screen: Callable[[Any], str], *, as_json: bool) -> None:
    from agent.model.plain_text import all_printable

    print(json.dumps(answer, indent=2) if as_json else screen(all_printable(answer)))
