"""The check of the card readers: the port opens and stays open, and a card that is presented is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agent.model.ids import IdToken
from agent.settings.station import ReaderSettings, Settings
from agent.trial.findings import Check, Finding, Verdict
from drivers.api import CardRead, CardReader, DriverError
from drivers.registry import open_driver

REOPEN_S: Final = 1.0  # a reader that is gone is tried again, as the agent does


async def check_readers(
    settings: Settings, *, wait_s: float, found: Callable[[Finding], None], say: Callable[[str], None]
) -> list[Finding]:
    """Wait ``wait_s`` for a card at each reader. Raises nothing: what goes wrong is a finding."""
    findings = []
    for reader in settings.readers:
        say(f"reader {reader.name}: present a card within {wait_s:g} s")
        finding = await _check(reader, wait_s)
        findings.append(finding)
        found(finding)
    return findings


async def _check(reader: ReaderSettings, wait_s: float) -> Finding:
    what = f"card reader {reader.name}"
    try:
        card = await _card(reader, wait_s)
    except DriverError as problem:
        hint = "its plug, its port by /dev/serial/by-id; charge-agent rfid listen shows its bytes"
        return Finding(
            check=Check.READER, evse_id=None, what=what, verdict=Verdict.FAILED, text=f"MISSING: {problem}", hint=hint
        )
    if card is None:
        text = f"its port is open; no card came within {wait_s:g} s"
        return Finding(check=Check.READER, evse_id=None, what=what, verdict=Verdict.NOT_CONFIRMED, text=text)
    shown = f"{IdToken(value=card.uid).hashed()}, {len(card.uid) // 2} bytes"
    text = "the card invents its id anew each time" if card.random else ""
    return Finding(check=Check.READER, evse_id=None, what=what, verdict=Verdict.PASSED, value=shown, text=text)


async def _card(reader: ReaderSettings, wait_s: float) -> CardRead | None:
    opened: CardReader = open_driver(reader.driver.target, reader.driver.options)
    problem: DriverError | None = None
    try:
        async with asyncio.timeout(wait_s):
            while True:
                try:
                    return await opened.next_card()
                except DriverError as error:
                    problem = error
                    await asyncio.sleep(REOPEN_S)
    except TimeoutError:
        if problem is not None:
            raise problem from None
        return None
    finally:
        await opened.close()
