"""Full, failing and read-only disks: nothing is half done, it is said, and it goes on when the disk does."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import SQLITE_CORRUPT, SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY

import pytest

from agent.model.effects import Durable, Record, SaveTransaction
from agent.store import FailureKind, Opened, Store, StoreFailure
from tests.powercut.recording import Synced, Written
from tests.unit.store_disk import SickDisk
from tests.unit.store_examples import BOOT, charge, journal_path, opened, record, started, updated


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SickDisk]:
    """Yield a healthy disk."""
    disk = SickDisk(tmp_path)
    yield disk
    disk.discard()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (SQLITE_FULL, FailureKind.FULL),
        (SQLITE_IOERR, FailureKind.IO),
        (SQLITE_READONLY, FailureKind.READ_ONLY),
    ],
)
def test_a_commit_that_fails_can_be_tried_again_and_then_happens_once(
    disk: SickDisk, code: int, kind: FailureKind
) -> None:
    store = disk.open()
    store.commit([Record(fact=started()), SaveTransaction(record=record())])
    durables: list[Durable] = [Record(fact=updated(1)), SaveTransaction(record=record(next_seq_no=2))]
    disk.fail(code)
    for _ in range(3):
        with pytest.raises(StoreFailure) as raised:
            store.commit(durables)
        assert raised.value.kind is kind
    assert store.load().transactions == (record(),)
    disk.heal()
    store.probe()
    assert len(store.commit(durables)) == 1
    assert [row.fact for row in store.queue()] == [started(), updated(1)]
    assert store.counts().waiting == 2
    store.close()


def test_a_commit_whose_sync_failed_is_not_there_twice_after_its_repetition(disk: SickDisk) -> None:
    store = disk.open()
    disk.fail(SQLITE_IOERR, only=Synced)
    with pytest.raises(StoreFailure):
        store.commit([Record(fact=started())])
    disk.heal()
    store.probe()
    store.commit([Record(fact=started())])
    assert [row.fact for row in store.queue()] == [started()]
    store.close()


def test_acknowledgements_survive_a_failing_disk_in_memory(disk: SickDisk, tmp_path: Path) -> None:
    store = disk.open()
    for durables in charge(samples=5):
        store.commit(durables)
    store.acknowledge(1, "4711")
    disk.fail(SQLITE_IOERR)
    for seq in (2, 3):
        store.acknowledge(seq)
    with pytest.raises(StoreFailure):
        store.flush()
    with pytest.raises(StoreFailure):
        store.dead_letter(4, "given up")
    row = store.next_row()
    assert row is not None
    assert row.seq == 4
    disk.heal()
    store.probe()
    assert store.unsettled == 0
    store.close()
    assert [each.seq for each in opened(tmp_path).queue()] == [4, 5, 6, 7]


def test_a_file_that_turns_out_to_be_damaged_while_a_row_is_buried_skips_no_fact(
    disk: SickDisk, tmp_path: Path
) -> None:
    store = disk.open()
    for number in range(1, 6):
        store.commit([Record(fact=updated(number))])
    store.close()
    with sqlite3.connect(journal_path(tmp_path)) as damaged:
        damaged.execute("UPDATE facts SET crc32 = crc32 + 1 WHERE seq = 3")
    damaged.close()
    store = disk.open()
    codes = [SQLITE_CORRUPT]
    disk.failing = lambda operation: codes.pop() if codes and isinstance(operation, Written) else None
    assert [row.seq for row in store.peek(10)] == [1, 2, 4, 5]
    assert store.report.outcome is Opened.RECOVERED
    store.close()


def test_a_name_that_could_not_be_kept_leaves_the_start_at_the_head(disk: SickDisk) -> None:
    store = disk.open()
    store.commit([Record(fact=started()), SaveTransaction(record=record())])
    disk.fail(SQLITE_FULL)
    with pytest.raises(StoreFailure):
        store.acknowledge(1, "4711")
    row = store.next_row()
    assert row is not None
    assert (row.seq, row.csms_id) == (1, None)
    disk.heal()
    store.close()


def test_a_probe_says_that_the_disk_is_still_sick(disk: SickDisk) -> None:
    store = disk.open()
    disk.fail(SQLITE_IOERR)
    with pytest.raises(StoreFailure, match=r"journal\.sqlite: .*(SQLITE_|IOError)"):
        store.probe()
    disk.heal()
    store.probe()
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 2 MiB; skips where this user may not mount one."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", directory], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


def fill(directory: Path) -> None:
    with (directory / "filler").open("ab", buffering=0) as file:
        for chunk in (65536, 4096):
            try:
                while True:
                    file.write(bytes(chunk))
            except OSError:
                continue


def commit_many(store: Store) -> None:
    for number in range(1, 200):
        store.commit([Record(fact=updated(number))])


def reserve_made(directory: Path) -> Path:
    """Make the reserve by hand: the store refills it only on file systems with room to spare."""
    reserve = directory / "journal.sqlite.reserve"
    reserve.write_bytes(bytes(256 * 1024))
    return reserve


def test_the_running_session_is_ended_out_of_the_reserve_of_a_full_disk(small_disk: Path) -> None:
    store = opened(small_disk)
    commits = list(charge(samples=3))
    for durables in commits[:-1]:
        store.commit(durables)
    reserve = reserve_made(small_disk)
    fill(small_disk)
    store.commit(commits[-1])
    assert not reserve.exists()
    assert len(store.queue()) == 5
    store.close()


def test_a_full_disk_without_reserve_refuses_and_recovers_when_there_is_room(small_disk: Path) -> None:
    store = opened(small_disk)
    fill(small_disk)
    with pytest.raises(StoreFailure) as raised:
        commit_many(store)
    assert raised.value.kind is FailureKind.FULL
    with pytest.raises(StoreFailure):
        store.probe()
    (small_disk / "filler").unlink()
    store.probe()
    kept = len(store.queue(1000))
    store.commit([Record(fact=updated(999))])
    assert len(store.queue(1000)) == kept + 1
    store.close()


def test_a_start_on_a_full_disk_uses_the_reserve(small_disk: Path) -> None:
    store = opened(small_disk)
    store.commit([Record(fact=started())])
    store.close()
    reserve_made(small_disk)
    fill(small_disk)
    store = opened(small_disk, "boot-2")
    assert len(store.queue()) == 1
    store.close()


def test_a_read_only_file_system_is_said_to_be_one_and_is_left_when_it_is_writable_again(small_disk: Path) -> None:
    store = opened(small_disk)
    store.commit([Record(fact=started())])
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreFailure) as raised:
        Store.open(journal_path(small_disk), boot_id=BOOT)
    assert raised.value.kind is FailureKind.READ_ONLY
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    store = opened(small_disk)
    assert len(store.queue()) == 1
    store.close()


def test_a_directory_in_the_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    os.mkdir(journal_path(tmp_path))
    with pytest.raises(StoreFailure, match=r"journal\.sqlite"):
        opened(tmp_path)
