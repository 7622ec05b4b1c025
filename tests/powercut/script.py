"""A whole charge as the store sees it, and what the store must hold after each of its operations."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import CacheToken, ForgetTokens, SaveAvailability
from agent.model.variables import StoredValue, ValueSource
from agent.store import Store
from agent.store.connection import Connection
from tests.powercut.recording import Acknowledged, ApswConnection, Operation, RecordingVFS
from tests.unit.store_examples import BOOT, CARD, charge, journal_path

TABLES: Final = (
    "facts", "dead_letters", "transactions", "variables", "authorizations", "availability", "boots", "meta",
)  # fmt: skip
State = tuple[tuple[Any, ...], ...]

AS_SHIPPED: Final[Mapping[str, str]] = {}
OFTEN_CHECKPOINTED: Final = {"PRAGMA wal_autocheckpoint=1000": "PRAGMA wal_autocheckpoint=12"}
NOT_DURABLE: Final = {"PRAGMA synchronous=FULL": "PRAGMA synchronous=NORMAL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything asked of the disk, and ``states[n]``: what the tables held when operation ``n`` returned."""

    operations: tuple[Operation, ...]
    states: tuple[State, ...]


def state_of(connection: Connection) -> State:
    """Return the content of every table."""
    return tuple(tuple(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()) for table in TABLES)


def record(replaced: Mapping[str, str]) -> Recording:
    """Run the script on a recording connection and return what was asked of the disk."""
    operations: list[Operation] = []
    states: list[State] = []
    connections: list[ApswConnection] = []
    vfs = RecordingVFS(operations.append)

    def connect(path: Path) -> Connection:
        connections.append(ApswConnection(path, vfs, replaced))
        return connections[-1]

    with tempfile.TemporaryDirectory(prefix="powercut-") as directory:

        def opened() -> Store:
            return Store.open(journal_path(Path(directory)), boot_id=BOOT, mono_s=lambda: 0.0, connect=connect)[0]

        for closed in _whole_charge(opened):
            states.append(states[-1] if closed else state_of(connections[-1]))
            operations.append(Acknowledged(len(states) - 1))
    vfs.unregister()
    return Recording(operations=tuple(operations), states=tuple(states))


def _whole_charge(opened: Callable[[], Store]) -> Iterator[bool]:
    """Yield after each operation of the store whether it is closed. Each is at most one SQL transaction."""
    store = opened()
    yield False
    store.commit(last_good_utc_s=1.7e9, notes={"reset": "power_up"})
    yield False
    cached = CacheToken(token=CARD, verdict=TokenVerdict(verdict=Verdict.ACCEPTED, group="fleet"))
    store.commit([cached, SaveAvailability(operative=False, evse_id=1)])
    yield False
    for number, durables in enumerate(charge("t1", samples=20)):
        store.commit(durables)
        yield False
        yield from _deliver(store, number)
    store.flush()
    yield False
    store.close()
    yield True
    store = opened()
    yield False
    value = StoredValue(key="samplectrlr.interval", value="30", source=ValueSource.CSMS)
    store.commit([ForgetTokens()], values=[value], anchor_utc_minus_mono_s=1.7e9)
    yield False
    for durables in charge("t2", samples=4):
        store.commit(durables)
        yield False
    yield from _give_up_the_start(store)
    while (row := store.next_row()) is not None:
        store.acknowledge(row.seq)
    store.flush()
    yield False
    store.close()
    yield True


def _deliver(store: Store, number: int) -> Iterator[bool]:
    row = store.next_row()
    if row is None:
        return
    if number == 2:
        store.acknowledge(row.seq, "4711")
        yield False
    elif number % 7 == 5:
        store.failed(row.seq, "InternalError", new_message_id=True)
        yield False
    elif number % 7 == 6:
        store.fix_utc(row.seq, 1.7e9 + number)
        yield False
    elif number > 2:
        store.mark_sent(row.seq)
        store.acknowledge(row.seq)  # lazy: goes with the next commit
        if number % 5 == 4:
            store.flush()
            yield False


def _give_up_the_start(store: Store) -> Iterator[bool]:
    while (row := store.next_row()) is not None and row.fact.transaction_id == "t1":
        store.acknowledge(row.seq)
    store.flush()
    yield False
    if row is not None:
        store.failed(row.seq, "timed out", new_message_id=False)
        yield False
        store.dead_letter(row.seq, "given up after 3 attempts")
        yield False
