"""The store's thread: nothing blocks the event loop, nothing is lost in between."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import pytest

from agent.model.effects import Record
from agent.store import FailureKind, Opened, Store, StoreFailure, StoreThread
from agent.store.thread import MOST_UNDER_WAY
from tests.unit.store_examples import BOOT, charge, journal_path, opened, started, updated


async def test_a_charge_is_committed_and_drained_through_the_thread(tmp_path: Path) -> None:
    store, report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)
    assert report.outcome is Opened.CREATED
    seqs = [seq for durables in charge(samples=40) for seq in await store.commit(durables)]
    delivered = []
    while rows := await store.peek(16):
        for row in rows:
            store.mark_sent(row.seq)
            await store.acknowledge(row.seq, "4711" if row.csms_id is None else None)
            delivered.append(row.seq)
    assert delivered == seqs
    assert (await store.counts()).waiting == 0
    await store.close()
    again = opened(tmp_path)
    assert again.next_row() is None
    again.close()


async def test_an_acknowledged_row_is_not_handed_out_again_though_nobody_waited(tmp_path: Path) -> None:
    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)
    await store.commit([Record(fact=updated(number)) for number in range(1, 6)])
    await store.acknowledge(1)
    row = await store.next_row()
    assert row is not None
    assert row.seq == 2
    await store.close()


@pytest.mark.parametrize("seed", range(8))
async def test_rows_read_ahead_are_always_those_that_the_file_would_give(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT, mono_s=lambda: 1000.0)
    for number in range(120):
        row = await store.next_row()
        choice = chance.choice(("deliver", "deliver", "deliver", "send", "fail", "bury", "commit", "fix", "thin"))
        if choice == "commit" or row is None:
            transaction_id = f"t{number}"
            writing = [store.commit(durables) for durables in charge(transaction_id, samples=chance.randrange(4))]
            await asyncio.gather(store.next_row(), *writing, store.next_row())  # in this order, all under way at once
        elif choice == "deliver":
            store.mark_sent(row.seq)
            await store.acknowledge(row.seq, f"csms-{number}" if row.csms_id is None else None)
        elif choice == "send":
            store.mark_sent(row.seq)
        elif choice == "fail":
            await store.failed(row.seq, "no", new_message_id=chance.random() < 0.5)
        elif choice == "bury":
            await store.dead_letter(row.seq, "no")
        elif choice == "fix":
            await store.fix_utc(row.seq, 1.8e9)
        else:
            await store.thin(1)
        ahead = await store.next_row()
        assert (() if ahead is None else (ahead,)) == await store.peek(1)
    await store.close()


async def test_a_lazy_acknowledgement_is_durable_within_about_a_second(tmp_path: Path) -> None:
    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)
    await store.commit([Record(fact=started())])
    size = (await store.sizes()).wal_bytes
    await store.acknowledge(1)
    async with asyncio.timeout(5.0):
        while (await store.sizes()).wal_bytes == size:
            await asyncio.sleep(0.05)
    await store.close()


async def test_failures_reach_the_caller_and_later_calls_go_on(tmp_path: Path) -> None:
    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)
    with pytest.raises(AssertionError):
        await store.commit(["no effect at all"])  # type: ignore[list-item]
    assert await store.commit([Record(fact=started())]) == (1,)
    await store.close()


async def test_a_store_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    journal_path(tmp_path).mkdir()
    with pytest.raises(StoreFailure):
        await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)


async def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT)
    await store.close()
    await store.close()
    with pytest.raises(StoreFailure) as raised:
        await store.load()
    assert raised.value.kind is FailureKind.CLOSED
    with pytest.raises(StoreFailure):
        await store.acknowledge(1)


async def test_a_blocked_disk_blocks_nobody_and_is_refused_more_work(tmp_path: Path) -> None:
    gate = threading.Event()
    blocked = False

    def clock() -> float:
        if blocked:
            gate.wait(30.0)  # stands for a disk that does not answer: it blocks the thread in the middle of a call
        return 1000.0

    store, _report = await StoreThread.open(journal_path(tmp_path), boot_id=BOOT, mono_s=clock)
    await store.commit([Record(fact=started())])
    blocked = True
    stuck = [asyncio.ensure_future(store.peek(1)) for _ in range(MOST_UNDER_WAY)]
    await asyncio.sleep(0)
    with pytest.raises(StoreFailure) as raised:
        await store.commit([Record(fact=updated(1))])
    assert raised.value.kind is FailureKind.BUSY
    blocked = False
    gate.set()
    assert len(await asyncio.gather(*stuck)) == MOST_UNDER_WAY
    assert await store.commit([Record(fact=updated(1))]) == (2,)
    await store.close()


async def test_a_store_that_waits_for_another_holder_says_so_in_the_loop(tmp_path: Path) -> None:
    holder = Store.open(journal_path(tmp_path), boot_id=BOOT)[0]
    said: asyncio.Queue[str] = asyncio.Queue()
    path = journal_path(tmp_path)
    opening = asyncio.ensure_future(StoreThread.open(path, boot_id=BOOT, on_waiting=said.put_nowait))
    assert "is held by" in await asyncio.wait_for(said.get(), 5.0)
    holder.close()
    store, _report = await asyncio.wait_for(opening, 5.0)
    await store.close()


async def test_who_stops_waiting_for_the_file_leaves_no_thread_behind(tmp_path: Path) -> None:
    waits = asyncio.Event()
    holder = opened(tmp_path)
    others = threading.enumerate()
    opening = asyncio.create_task(
        StoreThread.open(journal_path(tmp_path), boot_id=BOOT, lock_wait_s=0.2, on_waiting=lambda _text: waits.set())
    )
    async with asyncio.timeout(10.0):
        await waits.wait()
        (thread,) = (each for each in threading.enumerate() if each.name == "store" and each not in others)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await asyncio.to_thread(thread.join, 10.0)
    assert not thread.is_alive()
    holder.close()
