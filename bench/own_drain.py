"""Our side of draining: the production link, session, dialect, transport and store thread, without the rest.

``python -m bench.own_drain`` takes the arguments of ``bench.peers.drain_client`` and prints the same line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

from agent.clock import Clock
from agent.log import get_logger, set_up_logging
from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import ChargingState, TransactionRecord, TransactionUpdated, Trigger
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.model.sample import Measurand, Phase, Sample, SampleContext, SampledValue
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import VariableBook
from agent.ocpp.backoff import BackOff
from agent.ocpp.dialect import StationIdentity
from agent.ocpp.session import Session
from agent.ocpp.transport import CsmsEndpoint, Link
from agent.ocpp.v16.dialect import Dialect16
from agent.runtime.csms_link import CsmsLink
from agent.runtime.fact_lane import JournalStore
from agent.store import StoreThread
from bench import counters
from bench.peers.drain_client import arguments
from drivers.clock.system import SystemClock

TRANSACTION: Final = "01HF2Z8J6W3V4X5Y6Z7A8B9C0D"
PHASES: Final = (Phase.L1_N, Phase.L2_N, Phase.L3_N)


class CountingStore:
    """The store thread as the link sees it; tells when ``expected`` facts are acknowledged."""

    def __init__(self, store: StoreThread, *, flush_each: bool) -> None:
        self._store = store
        self._flush_each = flush_each
        self.acknowledged = 0
        self.expected = 0
        self.reached = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def acknowledge(self, seq: int, csms_id: str | None = None) -> None:
        """Acknowledge."""
        await self._store.acknowledge(seq, csms_id)
        self._count()

    def acknowledge_soon(self, seq: int) -> None:
        """Acknowledge lazily."""
        self._store.acknowledge_soon(seq)
        self._count()

    def row_at_hand(self) -> JournalRow | None:
        """Return the next row, unless the last acknowledgement must be committed before it."""
        return None if self._flush_each else self._store.row_at_hand()

    async def next_row(self) -> JournalRow | None:
        """Return the next row; where that is measured, commit the last acknowledgement before."""
        if self._flush_each:
            await self._store.flush()
        return await self._store.next_row()

    def _count(self) -> None:
        self.acknowledged += 1
        if self.acknowledged == self.expected:
            self.reached.set()

    async def until(self, expected: int) -> None:
        """Wait until so many are acknowledged."""
        self.expected = expected
        if self.acknowledged < expected:
            self.reached.clear()
            await self.reached.wait()


def commits(clock: Clock, values: int) -> Iterator[tuple[Durable, ...]]:
    """Yield for ever what the charging core commits at a sample: the fact, and the transaction as it is then."""
    started = clock.now()
    for number in itertools.count(1):
        at = clock.now()
        sampled = tuple(
            SampledValue(measurand=Measurand.VOLTAGE, value=230.5 + (number + i) % 7, phase=PHASES[i % 3])
            for i in range(values)
        )
        fact = TransactionUpdated(
            transaction_id=TRANSACTION,
            evse_id=1,
            connector_id=1,
            seq_no=number,
            at=at,
            trigger=Trigger.METER_PERIODIC,
            charging_state=ChargingState.CHARGING,
            samples=(Sample(at=at, context=SampleContext.PERIODIC, values=sampled),),
        )
        record = TransactionRecord(
            transaction_id=TRANSACTION,
            evse_id=1,
            connector_id=1,
            token=IdToken(value="04A2B3C4D5"),
            csms_id="1",
            started_at=started,
            meter_start_wh=4711,
            next_seq_no=number + 1,
            last_wh=4711 + number,
            last_at=at,
        )
        yield Record(fact=fact), SaveTransaction(record=record)


def link_to(url: str, store: JournalStore, clock: Clock, online: asyncio.Event) -> CsmsLink:
    """Return the production link, put together as ``agent.app`` does."""
    dialect = Dialect16((EvseLayout(evse_id=1),))
    book = VariableBook((*STANDARD_VARIABLES, *dialect.variables()), presets={}, stored=())
    endpoint = CsmsEndpoint(url=url, identity="BENCH-1", subprotocol=dialect.subprotocol, allow_insecure=True)
    session = Session(
        dialect,
        StationIdentity(vendor="Bench", model="Simulated", serial_number="1", firmware_version="1.0"),
        book,
        new_id=lambda: str(uuid.uuid4()),
        utc=clock.utc_s,
        resolve=clock.resolve,
        boot_reason="power_up",
    )
    link = CsmsLink(
        session=session,
        back_off=BackOff(book, random.random),
        connect=lambda: Link.connect(endpoint, ping_s=30.0),
        clock=clock,
        views=lambda: ((), True),
        deliver=lambda _input: None,
        triggered=lambda _kind, _evse_id: None,
        registered=lambda _status, _interval_s: online.set(),
        booted=lambda: None,
    )
    link.attach(store)
    return link


async def exchange_live(store: CountingStore, link: CsmsLink, facts: Iterator[tuple[Durable, ...]], count: int) -> None:
    """Journal, log and deliver one fact after the other."""
    log = get_logger("core")
    for number in range(1, count + 1):
        await store.commit(next(facts))
        log.info("sample.taken", evse_id=1, seq_no=number)
        link.facts_waiting()
        await store.until(number)


async def main(options: Any) -> None:
    """Fill the journal where it must be full, connect, run, and say how it went."""
    clock = Clock(SystemClock(trust="always"))
    thread, _report = await StoreThread.open(options.journal, boot_id=clock.boot_id)
    store = CountingStore(thread, flush_each=options.acks == "each")
    facts = commits(clock, options.values)
    if options.mode == "drain":
        for first in range(0, options.count, 500):
            some = itertools.islice(facts, min(500, options.count - first))
            await thread.commit([durable for durables in some for durable in durables])
    online = asyncio.Event()
    link = link_to(options.url, store, clock, online)
    running = asyncio.create_task(link.run())
    await online.wait()
    written, begin_s, begin_cpu_s = counters.written_bytes(), time.perf_counter(), time.process_time()
    if options.mode == "drain":
        await store.until(options.count)
    else:
        await exchange_live(store, link, facts, options.count)
    await thread.flush()
    took_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    print(json.dumps({"seconds": took_s, "cpu_s": cpu_s, "written": counters.written_bytes() - written}), flush=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await thread.close()


if __name__ == "__main__":
    set_up_logging("info", "json")
    sys.exit(asyncio.run(main(arguments())))
