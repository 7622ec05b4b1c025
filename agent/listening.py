"""``charge-agent rfid listen``: what the card readers say, while the agent runs or without it.

With an agent, its readers are asked: it holds the ports. Without one, the drivers of the station file are opened here,
every byte is shown, and a copy of the journal says what the station knows of the card.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from agent.console.knock import NobodyHome, Unanswered, ask
from agent.console.token_screens import explain_screen
from agent.model.ids import IdToken, IdTokenKind, token_of_card
from agent.settings.station import Settings
from drivers.api import CardRead, CardReader, DriverError

POLL_S: Final = 0.3
RETRY_S: Final = 2.0
SHOWN_LATELY: Final = 16  # chunks of a wire that are not shown again
EXIT_UNAVAILABLE: Final = 69

Answer = Mapping[str, Any]
Explain = Callable[[str], Answer]


def listen(settings: Settings, *, seconds: float | None, reader: str | None, as_json: bool) -> int:
    """Show cards until ``seconds`` are over or somebody interrupts; return the exit code.

    Args:
        reader: only this reader of the station file; ``None``: all.
    """
    names = [each.name for each in settings.readers]
    if reader is not None and reader not in names:
        print(
            f"the station file has no reader {reader!r}, expected one of {', '.join(names) or '(none)'}",
            file=sys.stderr,
        )
        return 1
    if not names:
        print("the station file has no card reader", file=sys.stderr)
        return 1
    chosen = [reader] if reader is not None else names
    socket = settings.station.run_dir / "agent.sock"
    until_s = None if seconds is None else time.monotonic() + seconds
    try:
        after = ask(socket, "cards_seen")["number"]
    except NobodyHome:
        return _alone(settings, chosen, until_s, as_json)
    except Unanswered as error:
        print(error, file=sys.stderr)
        return 1
    return _beside_agent(socket, chosen, after, until_s, as_json)


def _beside_agent(socket: Path, chosen: list[str], after: int, until_s: float | None, as_json: bool) -> int:
    _tell("The agent runs and holds the readers: a card that is shown here also counts.", as_json)
    found = 0
    while until_s is None or time.monotonic() < until_s:
        try:
            answer = ask(socket, "cards_seen", after=after)
            after = answer["number"]
            for card in answer["cards"]:
                if card["reader"] in chosen:
                    found += 1
                    _show(card, ask(socket, "auth", token=card["uid"]), as_json)
        except (NobodyHome, Unanswered) as error:
            print(error, file=sys.stderr)
            return EXIT_UNAVAILABLE
        time.sleep(POLL_S)
    return _ended(found)


def _alone(settings: Settings, chosen: list[str], until_s: float | None, as_json: bool) -> int:
    _tell("No agent runs: the readers are opened here. A card that is shown now starts nothing.", as_json)
    explain = explainer_of_copy(settings)
    found = asyncio.run(_listen(settings, chosen, until_s, explain, as_json))
    return _ended(found)


async def _listen(
    settings: Settings, chosen: list[str], until_s: float | None, explain: Explain | None, as_json: bool
) -> int:
    from drivers.registry import open_driver

    found = 0

    def show(name: str, kind: str, card: CardRead) -> None:
        nonlocal found
        found += 1
        seen = {"reader": name, "uid": card.uid, "kind": kind, "raw": card.raw.hex(" "), "random": card.random}
        _show(seen, None if explain is None else explain(card.uid), as_json)

    async def watch(name: str) -> None:
        described = {each.name: each for each in settings.readers}[name]
        kind = IdTokenKind(described.driver.options.get("token_kind", IdTokenKind.LOCAL.value))
        while True:
            try:
                reader: CardReader = open_driver(described.driver.target, described.driver.options)
                if hasattr(reader, "watch") and not as_json:
                    reader.watch = _Wire(name).show
                try:
                    while True:
                        card = await reader.next_card()
                        show(name, token_of_card(card.uid, kind).kind.value, card)
                finally:
                    await reader.close()
            except DriverError as error:
                print(f"{name}: {error}", file=sys.stderr)
            await asyncio.sleep(RETRY_S)

    tasks = [asyncio.create_task(watch(name)) for name in chosen]
    try:
        async with asyncio.timeout(None if until_s is None else max(0.0, until_s - time.monotonic())):
            await asyncio.gather(*tasks)
    except TimeoutError:
        return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


def explainer_of_copy(settings: Settings) -> Explain | None:
    """Return what explains a card from a copy of the journal; ``None`` where there is none that can be read."""
    from agent.app import dialect_of
    from agent.charging.station import Station
    from agent.errors import StoreError
    from agent.model.moment import Stamp
    from agent.model.standard_variables import STANDARD_VARIABLES
    from agent.model.variables import VariableBook
    from agent.presets import presets_of
    from agent.runtime.token_reports import shown_report
    from agent.store import read_copy

    journal = settings.station.state_dir / "journal.sqlite"
    try:
        journal.stat()
        with read_copy(journal) as store:
            state = store.load()
    except (StoreError, OSError):
        return None
    book = VariableBook(
        (*STANDARD_VARIABLES, *dialect_of(settings.csms.version, settings).variables()),
        presets=presets_of(settings.variables, offline_unknown=settings.authorization.offline_unknown),
        stored=state.variables,
    )
    station = Station(settings.layout(), book, new_id=str, boot_id="listening")
    now = Stamp(boot_id="listening", mono_s=time.monotonic(), utc_s=state.last_good_utc_s)
    cache = {each.token.value.casefold(): each.verdict for each in state.authorizations}
    station.restore((), {}, cache, now, state.documents)
    return lambda uid: shown_report(station.explain(IdToken(value=uid), now))


def _show(card: Answer, explained: Answer | None, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**card, "explained": explained}), flush=True)
        return
    flag = "  RANDOM: the card invents its id anew each time and names nobody" if card["random"] else ""
    print(f"{card['reader']}: {card['uid']}{flag}")
    print(f"  raw       {card['raw'] or '-'}")
    print(f"  CSMS      1.6: idTag {card['uid']!r}; 2.0.1: idToken {card['uid']!r} of type {card['kind']}")
    if explained is None:
        print("  known     no journal: nothing is known of any card")
    else:
        print("\n".join(explain_screen(explained).splitlines()[1:]))
    sys.stdout.flush()


class _Wire:
    """Shows the bytes of one reader. A reader that is asked for cards says the same again and again: shown once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lately: deque[bytes] = deque(maxlen=SHOWN_LATELY)

    def show(self, received: bytes) -> None:
        """Show what came, unless it came a moment ago."""
        if received in self._lately:
            return
        self._lately.append(received)
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in received)
        print(f"{self._name}: {len(received)} bytes  {received.hex(' ')}  {text}", flush=True)


def _tell(text: str, as_json: bool) -> None:
    print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def _ended(found: int) -> int:
    if not found:
        print("No card came.", file=sys.stderr)
    return 0 if found else 1
