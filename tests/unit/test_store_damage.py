"""Damaged files: the store always opens, takes over what can be read, keeps the damaged file, and says so."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import CacheToken, Record, SaveTransaction
from agent.store import Opened, OpenReport, RowState, Store
from tests.unit.store_examples import BOOT, CARD, charge, journal_path, opened, record, started, updated

FACTS = 300
FEW = 40


def filled(directory: Path) -> Path:
    """Make a closed journal with a running transaction, a cached card and 302 facts."""
    store = opened(directory)
    for durables in charge("t1", FACTS):
        store.commit(durables)
    store.commit([SaveTransaction(record=record("t2"))])
    store.commit([CacheToken(token=CARD, verdict=TokenVerdict(verdict=Verdict.ACCEPTED))])
    store.close()
    return journal_path(directory)


def reopened(directory: Path) -> tuple[Store, OpenReport]:
    return Store.open(journal_path(directory), boot_id=BOOT)


def kept_facts(store: Store) -> int:
    return sum(row.state is RowState.WAITING for row in store.queue(10_000))


@pytest.mark.parametrize("seed", range(12))
def test_any_flipped_bits_leave_a_store_that_opens_and_works(tmp_path: Path, seed: int) -> None:
    path = filled(tmp_path)
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    for _ in range(10 ** (seed % 4)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    store, _report = reopened(tmp_path)
    store.load()
    kept = 0
    while (row := store.next_row()) is not None:
        store.acknowledge(row.seq, "4711")
        kept += 1
    assert kept <= FACTS + 2
    store.commit([Record(fact=started("t9"))])
    assert kept_facts(store) == 1
    store.close()


def test_a_destroyed_page_costs_only_its_own_rows(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 4096 // 2 * 4096
    content[middle : middle + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(content)
    store, report = reopened(tmp_path)
    assert report.outcome is Opened.RECOVERED
    assert report.salvage is not None
    assert "facts" in report.salvage.incomplete
    assert FACTS - 20 <= report.salvage.rows["facts"] == kept_facts(store) < FACTS + 2
    assert report.salvage.moved_to.exists()
    assert [each.transaction_id for each in store.load().transactions] == ["t2"]
    assert store.load().authorizations != ()
    store.close()


def test_a_destroyed_first_page_is_made_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    content[:4096] = random.Random(2).randbytes(4096)
    path.write_bytes(content)
    store, report = reopened(tmp_path)
    assert report.outcome is Opened.RECOVERED
    assert kept_facts(store) == FACTS + 2
    assert [each.transaction_id for each in store.load().transactions] == ["t2"]
    store.close()


def test_a_truncated_file_keeps_its_front(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    store, report = reopened(tmp_path)
    assert report.outcome is Opened.RECOVERED
    assert 0 < kept_facts(store) < FACTS
    store.close()


@pytest.mark.parametrize("content", [b"this is no database at all\n" * 500, b"\0" * 8192])
def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    journal_path(tmp_path).write_bytes(content)
    store, report = reopened(tmp_path)
    assert report.outcome is Opened.RECOVERED
    assert report.salvage is not None
    assert report.salvage.moved_to == tmp_path / "journal.sqlite.corrupt-1"
    assert report.salvage.moved_to.read_bytes() == content
    assert store.commit([Record(fact=started())]) == (1,)
    store.close()


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_made_anew_and_it_is_said(tmp_path: Path, content: bytes) -> None:
    journal_path(tmp_path).write_bytes(content)
    store, report = reopened(tmp_path)
    assert report.outcome is Opened.CREATED
    assert f"held only {len(content)} bytes" in report.notes[0]
    store.close()


def test_a_log_full_of_garbage_leaves_what_the_file_holds_and_it_is_said(tmp_path: Path) -> None:
    path = filled(tmp_path)
    Path(f"{path}-wal").write_bytes(random.Random(3).randbytes(50_000))
    store, report = reopened(tmp_path)
    assert "does not start like a log" in report.notes[0]
    assert kept_facts(store) == FACTS + 2
    store.close()


def killed(directory: Path) -> Path:
    """Return the journal of a process that was killed: all of it is in the log still, a commit for each fact."""
    (directory / "living").mkdir()
    store = opened(directory / "living")
    for durables in charge("t1", FEW):
        store.commit(durables)
    path = journal_path(directory)
    for suffix in ("", "-wal"):
        shutil.copy(f"{journal_path(directory / 'living')}{suffix}", f"{path}{suffix}")
    store.close()
    return path


def test_the_log_of_a_killed_process_is_nothing_to_tell_of(tmp_path: Path) -> None:
    killed(tmp_path)
    store, report = reopened(tmp_path)
    assert (report.outcome, report.told()) == (Opened.INTACT, "")
    assert kept_facts(store) == FEW + 2
    store.close()


def test_a_log_that_is_cut_within_its_last_commit_is_nothing_to_tell_of(tmp_path: Path) -> None:
    log = Path(f"{killed(tmp_path)}-wal")
    log.write_bytes(log.read_bytes()[:-3000])
    store, report = reopened(tmp_path)
    assert report.told() == ""
    assert kept_facts(store) == FEW + 1
    store.close()


@pytest.mark.parametrize("flipped", [50, 100, 5_000, -200_000])
def test_a_log_that_is_damaged_before_its_end_is_kept_and_what_is_lost_is_said(tmp_path: Path, flipped: int) -> None:
    path = killed(tmp_path)
    content = bytearray(Path(f"{path}-wal").read_bytes())
    content[flipped] ^= 0x10
    Path(f"{path}-wal").write_bytes(content)
    store, report = reopened(tmp_path)
    assert re.search(r"journal.sqlite-wal is damaged: \d+ commits behind are lost, a copy is kept as", report.told())
    assert Path(f"{path}.corrupt-1-wal").read_bytes() == content
    assert store.commit([Record(fact=started("t9"))])
    store.close()
    again, report = reopened(tmp_path)
    assert report.told() == ""
    again.close()


@pytest.mark.parametrize("flipped", [0, 9, 17, 31])
def test_a_log_whose_beginning_is_damaged_is_kept_and_said(tmp_path: Path, flipped: int) -> None:
    path = killed(tmp_path)
    content = bytearray(Path(f"{path}-wal").read_bytes())
    content[flipped] ^= 0x10
    Path(f"{path}-wal").write_bytes(content)
    store, report = reopened(tmp_path)
    assert "does not start like a log: commits that were only in it are lost, a copy is kept as" in report.told()
    assert Path(f"{path}.corrupt-1-wal").read_bytes() == content
    store.close()


def test_a_place_is_never_used_again_after_a_salvage(tmp_path: Path) -> None:
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    content[-4096:] = bytes(4096)
    content[100:104] = b"\xff" * 4
    path.write_bytes(content)
    store, _report = reopened(tmp_path)
    (seq,) = store.commit([Record(fact=started("t9"))])
    assert seq > FACTS + 2
    store.close()


def test_at_most_five_damaged_files_are_kept(tmp_path: Path) -> None:
    for number in range(7):
        journal_path(tmp_path).write_bytes(b"garbage %d" % number)
        reopened(tmp_path)[0].close()
    kept = sorted(each.name for each in tmp_path.glob("*.corrupt-*"))
    assert kept == [f"journal.sqlite.corrupt-{number}" for number in range(3, 8)]


def test_an_interrupted_recovery_is_finished_by_the_next_start(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.rename(tmp_path / "journal.sqlite.rebuilt")
    path.write_bytes(b"damaged")
    store, report = reopened(tmp_path)
    assert kept_facts(store) == FACTS + 2
    assert "an interrupted recovery was finished" in report.notes[0]
    assert (tmp_path / "journal.sqlite.corrupt-1").read_bytes() == b"damaged"
    store.close()


def test_a_fact_with_a_wrong_check_sum_becomes_a_dead_letter(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for durables in charge(samples=1):
        store.commit(durables)
    store.close()
    with_hand = sqlite3.connect(journal_path(tmp_path))
    with_hand.execute("UPDATE facts SET fact = CAST(replace(CAST(fact AS TEXT), '4711', '9999') AS BLOB) WHERE seq = 1")
    with_hand.commit()
    with_hand.close()
    store = opened(tmp_path)
    row = store.next_row()
    assert row is not None
    assert (row.seq, row.start_lost) == (2, True)
    dead = store.queue()[-1]
    assert dead.state is RowState.DEAD
    assert "damaged" in dead.last_error
    store.close()


def test_damage_found_while_running_is_salvaged_and_nothing_new_is_lost(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=updated(number)) for number in range(1, 5001)])  # more than the page cache holds
    store.close()
    path = journal_path(tmp_path)
    store, _report = reopened(tmp_path)
    told: list[OpenReport] = []
    store.on_recovered = told.append
    store.acknowledge(1)
    with path.open("r+b") as file:
        file.seek(100 * 4096)
        file.write(random.Random(4).randbytes(20 * 4096))
    store.commit([Record(fact=updated(number, "t9")) for number in range(1, 4)])
    delivered = []
    while (row := store.next_row()) is not None:
        delivered.append(row)
        store.acknowledge(row.seq)
    assert [report.outcome for report in told] == [Opened.RECOVERED]
    assert 4000 < len(delivered) < 5003
    assert [row.seq for row in delivered] == sorted({row.seq for row in delivered})
    assert [row.fact for row in delivered[-3:]] == [updated(number, "t9") for number in (1, 2, 3)]
    store.close()
