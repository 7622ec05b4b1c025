"""Killed and stopped writers: acknowledged commits are there, and a second process waits its turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from agent.store import FailureKind, Opened, Store, StoreFailure, read_copy
from tests.unit.store_examples import BOOT, journal_path, opened

ROOT = Path(__file__).parents[2]


@contextmanager
def writer(directory: Path, first: int) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    command = [sys.executable, "-m", "tests.unit.store_writer", str(directory), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def test_every_commit_that_returned_is_there_after_each_of_several_kills(tmp_path: Path) -> None:
    promised = 0
    for turn in range(4):
        with writer(tmp_path, promised + 1) as (process, says):
            for _ in range(3 + 17 * turn):
                promised = int(says.readline())
            process.kill()
            promised = max([promised, *(int(line) for line in says.read().split())])
        store, report = Store.open(journal_path(tmp_path), boot_id=BOOT)
        assert report.outcome is Opened.INTACT
        numbers = [row.fact.seq_no for row in store.queue(100_000) if row.fact is not None]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) in (promised, promised + 1)
        (kept,) = store.load().transactions
        assert kept.next_seq_no == len(numbers) + 1
        promised = len(numbers)
        store.close()


def test_a_stopped_predecessor_is_named_and_waited_for(tmp_path: Path) -> None:
    with writer(tmp_path, 1) as (process, says):
        says.readline()
        os.kill(process.pid, signal.SIGSTOP)
        said: list[str] = []
        with pytest.raises(StoreFailure, match=f"held by process {process.pid}") as raised:
            Store.open(journal_path(tmp_path), boot_id=BOOT, lock_wait_s=0.5, on_waiting=said.append)
        assert raised.value.kind is FailureKind.LOCKED
        assert len(said) == 1
        with pytest.raises(StoreFailure, match="ask the running agent"), read_copy(journal_path(tmp_path)):
            pass
        process.kill()
        process.wait()
    store = opened(tmp_path)
    assert store.next_row() is not None
    store.close()
