"""The link's receive path: it never waits for the journal, and what needs no waiting is done at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

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
from tests.conformance.octt.virtual_time import START_S, in_virtual_time
from tests.scenario.ocpp_facts import started, updated

NOW_S = 1_800_000_000.0


class Wire:
    """A link whose far end is played by the test.

    ``short``: a message is offered where it arrives, as a connection does; else all of them wait for ``recv``.
    """

    def __init__(self, *, short: bool) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.heard: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.backed_up = False
        self.closed: list[str] = []
        self._short = short
        self._take: Callable[[str], bool] | None = None

    def offer(self, take: Callable[[str], bool]) -> None:
        self._take = take

    def say(self, text: str) -> None:
        """Let a message arrive."""
        offered = self._short and self._take is not None and self.said.empty()
        if not (offered and self._take is not None and self._take(text)):
            self.said.put_nowait(text)

    async def recv(self) -> str:
        return await self.said.get()

    def send_at_once(self, text: str) -> bool:
        if not self.backed_up:
            self.heard.put_nowait(json.loads(text))
        return not self.backed_up

    async def send(self, text: str) -> None:
        if self.backed_up:
            await asyncio.sleep(0)
        self.heard.put_nowait(json.loads(text))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append(reason)

    def answer(self, call: list[Any]) -> None:
        boot = {"status": "Accepted", "currentTime": "2027-01-15T08:00:00Z", "interval": 300}
        self.say(json.dumps([3, call[1], boot if call[2] == "BootNotification" else {}]))


class HangingJournal:
    """One fact of unknown time waits, and its time is written for ever."""

    def __init__(self) -> None:
        self.writing = asyncio.Event()

    async def next_row(self) -> JournalRow | None:
        fact = started(Stamp(boot_id="earlier", mono_s=5.0))
        return JournalRow(seq=1, fact=fact, message_id="m-1", utc_s=None, attempts=0, sent=False, csms_id=None)

    def row_at_hand(self) -> JournalRow | None:
        return None

    def has_nothing(self) -> bool:
        return False

    async def fix_utc(self, seq: int, utc_s: float) -> None:
        self.writing.set()
        await asyncio.Event().wait()


class ReadJournal:
    """Facts that are read ahead; before some the file must be asked, as after every batch."""

    def __init__(self, count: int, *, asked_at: frozenset[int] = frozenset()) -> None:
        self.rows = [_sampled(number) for number in range(1, count + 1)]
        self.asked_at = asked_at
        self.acknowledged: list[int] = []

    async def next_row(self) -> JournalRow | None:
        await asyncio.sleep(0)
        if self.rows:
            self.asked_at -= {self.rows[0].seq}
        return self.rows[0] if self.rows else None

    def row_at_hand(self) -> JournalRow | None:
        return None if not self.rows or self.rows[0].seq in self.asked_at else self.rows[0]

    def has_nothing(self) -> bool:
        return not self.rows

    def mark_sent(self, seq: int) -> None:
        assert self.rows[0].seq == seq

    def acknowledge_soon(self, seq: int) -> None:
        assert self.rows.pop(0).seq == seq
        self.acknowledged.append(seq)

    async def acknowledge(self, seq: int, csms_id: str | None) -> None:
        self.acknowledge_soon(seq)


class Sun:
    """A clock that somebody vouches for."""

    def utc_s(self) -> float:
        return NOW_S

    def boot_id(self) -> str:
        return "now"


def _sampled(seq: int) -> JournalRow:
    at = Stamp(boot_id="now", mono_s=START_S, utc_s=NOW_S)
    fact = updated(at, seq_no=seq)
    return JournalRow(seq=seq, fact=fact, message_id=f"m-{seq}", utc_s=None, attempts=0, sent=False, csms_id="7")


@contextlib.asynccontextmanager
async def linked(wire: Wire, journal: object, told: list[Input]) -> AsyncIterator[CsmsLink]:
    """Run a link over ``wire`` for as long as the block lasts."""
    dialect = Dialect16((EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    book = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={}, stored=())
    clock = Clock(Sun(), monotonic=asyncio.get_running_loop().time)
    session = Session(
        dialect,
        StationIdentity(vendor="V", model="M"),
        book,
        new_id=iter([f"id-{number}" for number in range(1000)]).__next__,
        utc=clock.utc_s,
        resolve=lambda _stamp: NOW_S,
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
    running = asyncio.create_task(link.run(), name="link")
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def heard_fact(wire: Wire) -> list[Any]:
    """Return the next fact that reached the far end; whatever else is said is answered."""
    while True:
        call = await wire.heard.get()
        if call[2] == "MeterValues":
            return call
        wire.answer(call)


either_way = pytest.mark.parametrize("short", [True, False], ids=["where it arrives", "later"])


@either_way
def test_calls_reach_the_core_while_a_write_to_the_journal_hangs(*, short: bool) -> None:
    async def play() -> None:
        wire, journal, told = Wire(short=short), HangingJournal(), list[Input]()
        async with linked(wire, journal, told):
            answering = asyncio.create_task(heard_fact(wire))
            await journal.writing.wait()
            answering.cancel()
            for number in range(3):
                wire.say(json.dumps([2, f"theirs-{number}", "ClearCache", {}]))
            while sum(isinstance(each, CommandReceived) for each in told) < 3:
                await asyncio.sleep(0)

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))


@either_way
@pytest.mark.parametrize("asked_at", [(), (1,), (7, 8, 20)], ids=str)
def test_facts_go_once_and_in_order_whether_they_are_at_hand_the_file_is_asked_or_the_link_is_backed_up(
    asked_at: tuple[int, ...], *, short: bool
) -> None:
    async def play() -> None:
        wire, journal = Wire(short=short), ReadJournal(30, asked_at=frozenset(asked_at))
        seen = []
        async with linked(wire, journal, []):
            for number in range(1, 31):
                call = await heard_fact(wire)
                seen.append(call[1])
                wire.backed_up = number % 5 == 0
                wire.answer(call)
            while journal.rows:
                await asyncio.sleep(0)
        assert seen == [f"m-{number}" for number in range(1, 31)]
        assert journal.acknowledged == list(range(1, 31))
        assert wire.heard.empty()

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))


class BrokenJournal(ReadJournal):
    """Fails in a way that nobody foresaw, from the second fact on."""

    def row_at_hand(self) -> JournalRow | None:
        if self.acknowledged:
            raise ZeroDivisionError
        return super().row_at_hand()


def test_an_error_in_what_is_done_at_once_is_the_links_and_not_of_who_brought_the_news() -> None:
    async def play() -> None:
        wire, journal = Wire(short=True), BrokenJournal(1)
        async with linked(wire, journal, []) as link:
            (running,) = (task for task in asyncio.all_tasks() if task.get_name() == "link")
            wire.answer(await heard_fact(wire))  # what this leads to fails; neither this
            link.facts_waiting()  # nor this does
            with pytest.raises(ZeroDivisionError):
                await running

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))


@either_way
def test_an_error_does_not_disappear_where_the_connection_ends_anyway(*, short: bool) -> None:
    async def play() -> None:
        wire, journal = Wire(short=short), BrokenJournal(1)
        async with linked(wire, journal, []) as link:
            (running,) = (task for task in asyncio.all_tasks() if task.get_name() == "link")
            wire.answer(await heard_fact(wire))
            if not short:
                await asyncio.sleep(0)
            link.reconnect()
            with pytest.raises(ZeroDivisionError):
                await running

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))


@either_way
def test_a_fact_that_was_sent_at_once_and_is_never_answered_runs_into_its_own_time_out(*, short: bool) -> None:
    async def play() -> None:
        wire, journal = Wire(short=short), ReadJournal(5)
        async with linked(wire, journal, []):
            loop = asyncio.get_running_loop()
            for _ in range(3):
                call = await heard_fact(wire)
                await asyncio.sleep(10.0)
                wire.answer(call)
            assert (await heard_fact(wire))[1] == "m-4"
            sent_s = loop.time()
            while not wire.closed:
                await asyncio.sleep(0.5)
            assert 30.0 <= loop.time() - sent_s <= 31.0  # MessageTimeout's default, s
        assert journal.acknowledged == [1, 2, 3]

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))
