"""The store's thread itself: in order, every result and every error back in the loop, and nothing left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agent.store.worker import Worker


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "hand"]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _ended(worker: Worker) -> None:
    """End it; what it rang before its end is heard before the end of the wait for it is."""
    worker.end()
    for thread in _threads():
        await asyncio.to_thread(thread.join, 10.0)
    assert not _threads()


async def test_work_is_done_in_order_in_one_thread_that_is_not_the_loops() -> None:
    worker, done = Worker("hand"), list[int]()

    def work(number: int) -> tuple[int, int]:
        done.append(number)
        return number, threading.get_ident()

    results = await asyncio.gather(*(worker.run(partial(work, number)) for number in range(200)))
    assert done == list(range(200)) == [number for number, _ in results]
    assert len({ident for _, ident in results} | {threading.get_ident()}) == 2
    assert worker.under_way == 0
    await _ended(worker)


@pytest.mark.parametrize(
    ("work", "error"),
    [(lambda: 1 // 0, ZeroDivisionError), (lambda: sys.exit(3), SystemExit), (lambda: next(iter(())), RuntimeError)],
    ids=["an error", "more than an error", "one that no future takes"],
)
async def test_an_error_is_its_callers_and_the_next_work_is_done(
    work: Callable[[], object], error: type[BaseException]
) -> None:
    worker = Worker("hand")
    failing, next_one = worker.run(work), worker.run(lambda: "done")
    with pytest.raises(error):
        async with asyncio.timeout(10.0):
            await failing
    assert await next_one == "done"
    await _ended(worker)


async def test_who_stops_waiting_stops_nothing_and_work_counts_until_it_is_done() -> None:
    worker, may_go, done = Worker("hand"), threading.Event(), list[str]()
    long = worker.run(lambda: done.append("long") if may_go.wait(10.0) else None)
    behind = worker.run(lambda: done.append("behind"))
    long.cancel()
    assert worker.under_way == 2
    may_go.set()
    await behind
    assert done == ["long", "behind"]
    assert worker.under_way == 0
    await _ended(worker)


async def test_what_was_given_before_the_end_is_done_and_nothing_stays_open() -> None:
    open_before = _descriptors()
    worker = Worker("hand")
    last = worker.run(lambda: "done")
    await _ended(worker)
    assert await last == "done"
    assert _descriptors() <= open_before


def test_a_loop_that_ends_first_leaves_no_thread_and_no_descriptor() -> None:
    open_before = _descriptors()

    async def leave() -> None:
        worker = Worker("hand")
        worker.run(lambda: None)
        worker.end()

    asyncio.run(leave())
    for thread in _threads():
        thread.join(10.0)
    assert not _threads()
    assert _descriptors() <= open_before


_LEAVES_WORK_UNDER_WAY = """
import atexit, threading

disk = threading.Event()

def disk_answers():
    disk.set()
    for thread in threading.enumerate():
        if thread.name == "hand":
            thread.join(0.05)

atexit.register(disk_answers)  # before what is imported now: runs behind it

import asyncio
from agent.store.worker import Worker

async def leave():
    Worker("hand").run(disk.wait)

asyncio.run(leave())
"""


def test_work_that_outlives_the_process_rings_no_descriptor_that_is_closed() -> None:
    left = subprocess.run(
        [sys.executable, "-c", _LEAVES_WORK_UNDER_WAY], capture_output=True, text=True, timeout=20.0, check=False
    )
    assert (left.returncode, left.stderr) == (0, "")
