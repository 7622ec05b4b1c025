"""The link while the journal hangs: what the CSMS says still reaches the core."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from agent.clock import Clock
from agent.model.inputs import CommandReceived, Input
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import VariableBook
from agent.ocpp.backoff import BackOff
from agent.ocpp.dialect import StationIdentity
from agent.ocpp.session import Session
from agent.ocpp.transport import Link
from agent.ocpp.v16.dialect import Dialect16
from agent.runtime.csms_link import CsmsLink
from tests.scenario.ocpp_facts import started

PATIENCE_S = 10.0


class Wire:
    """A link whose far end is played by the test."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.heard: asyncio.Queue[list[Any]] = asyncio.Queue()

    async def recv(self) -> str:
        return await self.said.get()

    async def send(self, text: str) -> None:
        self.heard.put_nowait(json.loads(text))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class HangingJournal:
    """One fact of unknown time waits, and its time is written for ever."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()

    async def next_row(self) -> JournalRow | None:
        fact = started(Stamp(boot_id="earlier", mono_s=5.0))
        return JournalRow(seq=1, fact=fact, message_id="m-1", utc_s=None, attempts=0, sent=False, csms_id=None)

    async def fix_utc(self, seq: int, utc_s: float) -> None:
        self.writing.set()
        await asyncio.Event().wait()


class Sun:
    """A clock that somebody vouches for."""

    def utc_s(self) -> float:
        return 1_800_000_000.0

    def boot_id(self) -> str:
        return "now"


async def test_calls_reach_the_core_while_a_write_to_the_journal_hangs() -> None:
    dialect = Dialect16((EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    book = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={}, stored=())
    clock, wire, journal = Clock(Sun()), Wire(), HangingJournal()
    told: list[Input] = []
    session = Session(
        dialect,
        StationIdentity(vendor="V", model="M"),
        book,
        new_id=iter([f"id-{number}" for number in range(1000)]).__next__,
        utc=clock.utc_s,
        resolve=lambda _stamp: 1_800_000_000.0,
        boot_reason="power_up",
    )

    async def connect() -> Link:
        return cast(Link, wire)  # as much of it as the link to the CSMS uses

    link = CsmsLink(
        session=session,
        back_off=BackOff(book, lambda: 0.0),
        connect=connect,
        clock=clock,
        views=lambda: ((), True),
        deliver=told.append,
        triggered=lambda _kind, _evse_id: None,
        registered=lambda _status, _interval_s: None,
        booted=lambda: None,
    )
    link.attach(cast(Any, journal))  # likewise
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            boot = await wire.heard.get()
            answer = {"status": "Accepted", "currentTime": "2027-01-15T08:00:00Z", "interval": 300}
            wire.said.put_nowait(json.dumps([3, boot[1], answer]))
            while not journal.writing.is_set():  # other messages of the boot, each answered
                heard = asyncio.create_task(wire.heard.get())
                writing = asyncio.create_task(journal.writing.wait())
                await asyncio.wait({heard, writing}, return_when=asyncio.FIRST_COMPLETED)
                if heard.done() and heard.result()[0] == 2:
                    wire.said.put_nowait(json.dumps([3, heard.result()[1], {}]))
                heard.cancel()
                writing.cancel()
            for number in range(3):
                wire.said.put_nowait(json.dumps([2, f"theirs-{number}", "ClearCache", {}]))
            while sum(isinstance(each, CommandReceived) for each in told) < 3:
                await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
