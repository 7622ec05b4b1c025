"""The journal: order, names, attempts, dead letters, lazy acknowledgements."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.model.effects import Durable, Record, SaveTransaction
from agent.model.facts import TransactionEnded, TransactionStarted, Trigger
from agent.model.journal import JournalRow
from agent.store import RowState, Store, read_copy
from tests.unit.store_examples import charge, ended, journal_path, opened, record, stamp, started, updated


def committed(store: Store, transaction_id: str = "t1", samples: int = 3) -> list[int]:
    return [seq for durables in charge(transaction_id, samples) for seq in store.commit(durables)]


def drained(store: Store) -> list[int]:
    seqs = []
    while (row := store.next_row()) is not None:
        seqs.append(row.seq)
        store.acknowledge(row.seq)
    return seqs


def test_facts_are_delivered_in_the_order_of_their_commits(tmp_path: Path) -> None:
    store = opened(tmp_path)
    seqs = committed(store, "t1") + committed(store, "t2")
    assert seqs == sorted(seqs)
    assert drained(store) == seqs
    store.close()


def test_everything_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    seqs = committed(store, samples=5)
    ids = [row.message_id for row in store.queue()]
    store.close()
    again = opened(tmp_path)
    assert [row.seq for row in again.queue()] == seqs
    assert [row.message_id for row in again.queue()] == ids
    assert again.load().waiting == 7
    again.close()


def test_rows_behind_an_unnamed_start_wait_for_the_name(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    first = store.peek(10)
    assert len(first) == 1
    assert isinstance(first[0].fact, TransactionStarted)
    store.acknowledge(first[0].seq, "4711")
    assert [row.csms_id for row in store.peek(10)] == ["4711"] * 4
    store.close()


def test_the_name_of_a_transaction_is_durable_with_its_acknowledgement(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.acknowledge(1, "4711")
    assert [row.csms_id for row in durable_rows(tmp_path)] == ["4711"] * 4
    store.close()


def durable_rows(directory: Path) -> tuple[JournalRow, ...]:
    """Return what is durable right now, as after a crash."""
    crashed = directory / "crashed"
    crashed.mkdir()
    for name in ("journal.sqlite", "journal.sqlite-wal"):
        shutil.copyfile(directory / name, crashed / name)
    store = opened(crashed)
    rows = store.peek(10)
    store.close()
    return rows


def test_an_acknowledged_row_is_never_handed_out_again_even_before_its_commit(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.acknowledge(1)
    row = store.next_row()
    assert row is not None
    assert row.seq == 2
    assert store.unsettled == 1
    assert store.counts().waiting == 4
    assert [each.seq for each in store.queue()] == [2, 3, 4, 5]
    store.close()


def test_a_hundred_lazy_acknowledgements_are_committed_together(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store, samples=150)
    for _ in range(99):
        row = store.next_row()
        assert row is not None
        store.acknowledge(row.seq)
    assert store.unsettled == 99
    store.acknowledge(100)
    assert store.unsettled == 0
    store.close()


def test_lazy_acknowledgements_go_with_the_next_commit(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.acknowledge(1)
    store.commit([Record(fact=started("t2"))])
    assert store.unsettled == 0
    store.close()


def test_a_failed_attempt_is_counted_over_restarts_and_a_time_out_keeps_the_message_id(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    before = store.next_row()
    assert store.failed(1, "no answer in 30 s", new_message_id=False) == 1
    store.close()
    store = opened(tmp_path)
    row = store.next_row()
    assert before is not None
    assert row is not None
    assert (row.attempts, row.sent, row.last_error) == (1, True, "no answer in 30 s")
    assert row.message_id == before.message_id
    store.close()


def test_the_moment_of_the_next_attempt_survives_a_restart_and_belongs_to_its_row(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    retry_at = stamp(500.0, utc_s=1.7e9)
    store.failed(1, "InternalError", new_message_id=True, retry_at=retry_at)
    store.close()
    store = opened(tmp_path)
    row = store.next_row()
    assert row is not None
    assert row.retry_at == retry_at
    store.acknowledge(1, "4711")
    row = store.next_row()
    assert row is not None
    assert row.retry_at is None
    store.close()


def test_a_call_error_gives_the_next_attempt_a_new_message_id(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    before = store.next_row()
    store.failed(1, "InternalError", new_message_id=True)
    row = store.next_row()
    assert before is not None
    assert row is not None
    assert row.message_id != before.message_id
    store.close()


def test_a_dead_letter_is_kept_and_the_next_fact_goes(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store, samples=1)
    store.acknowledge(1, "4711")
    store.failed(2, "FormationViolation", new_message_id=True)
    store.dead_letter(2, "given up after 3 attempts: FormationViolation")
    row = store.next_row()
    assert row is not None
    assert row.seq == 3
    dead = store.queue()[-1]
    assert (dead.seq, dead.state, dead.attempts, dead.csms_id) == (2, RowState.DEAD, 1, "4711")
    assert dead.fact is not None
    assert store.counts().dead == 1
    store.close()


def test_a_start_that_is_given_up_marks_its_transaction(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store, samples=1)
    store.dead_letter(1, "given up")
    assert [row.start_lost for row in store.peek(10)] == [True, True]
    store.close()


def test_only_the_newest_delivered_transaction_of_an_evse_is_remembered(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for transaction_id in ("t1", "t2"):
        over = SaveTransaction(record=record(transaction_id, over=True))
        store.commit([Record(fact=started(transaction_id)), Record(fact=ended(1, transaction_id)), over])
    drained(store)
    store.close()
    store = opened(tmp_path)
    state = store.load()
    assert state.transactions == ()
    assert [each.transaction_id for each in state.finished] == ["t2"]
    store.close()


def test_a_running_transaction_stays_though_everything_is_delivered(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=started()), SaveTransaction(record=record())])
    store.acknowledge(1, "4711")
    store.close()
    store = opened(tmp_path)
    (kept,) = store.load().transactions
    assert kept.csms_id == "4711"
    assert kept.next_seq_no == 1
    store.close()


def test_the_first_utc_of_a_row_stays(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.next_row()
    store.fix_utc(1, 1.7e9)
    store.fix_utc(1, 1.8e9)
    row = store.next_row()
    assert row is not None
    assert row.utc_s == 1.7e9
    store.close()
    store = opened(tmp_path)
    assert store.peek(1)[0].utc_s == 1.7e9
    store.close()


def test_a_transmission_is_remembered_with_the_next_commit(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.next_row()
    store.mark_sent(1)
    assert store.peek(1)[0].sent
    store.commit([Record(fact=started("t2"))])
    store.close()
    store = opened(tmp_path)
    assert store.peek(1)[0].sent
    store.close()


def test_an_age_is_counted_within_a_boot_and_across_boots_only_with_their_anchors(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=started(mono_s=400.0))])
    assert store.peek(1)[0].age_s == 600.0
    store.commit(anchor_utc_minus_mono_s=1.7e9)
    store.close()
    store = opened(tmp_path, "boot-2")
    assert store.peek(1)[0].age_s is None
    store.commit(anchor_utc_minus_mono_s=1.7e9 + 5000.0)
    assert store.peek(1)[0].age_s == 5600.0
    store.close()


def test_thinning_gives_up_every_second_periodic_sample_and_never_a_start_or_an_end(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for name in ("t1", "t2"):
        durables: list[Durable] = [Record(fact=started(name))]
        durables += [Record(fact=updated(number, name)) for number in range(1, 9)]
        durables += [
            Record(fact=updated(9, name, trigger=Trigger.CHARGING_STATE_CHANGED)),
            Record(fact=ended(10, name)),
        ]
        store.commit(durables)
    assert store.thin(18) == 4
    left = [row.fact.seq_no for row in store.queue() if row.fact is not None and row.transaction_id == "t1"]
    assert left == [0, 2, 4, 6, 8, 9, 10]
    store.thin(0)
    kinds = [row.kind for row in store.queue()]
    assert kinds == ["started", "updated", "ended"] * 2
    assert isinstance(store.queue()[2].fact, TransactionEnded)
    assert store.counts().waiting == 6
    store.close()


def test_thinning_goes_on_where_it_stopped_so_that_the_oldest_are_not_thinned_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=started()), *(Record(fact=updated(number)) for number in range(1, 1_201))])
    for waiting in (1_100, 1_000, 950, 601):
        store.thin(waiting)
    left = [row.fact.seq_no for row in store.queue(1_300) if row.fact is not None]
    assert left == [0, *range(2, 1_201, 2)]
    store.thin(301)
    left = [row.fact.seq_no for row in store.queue(1_300) if row.fact is not None]
    assert left == [0, *range(4, 1_201, 4)]
    store.close()


def test_samples_among_the_dead_letters_are_given_up_before_any_that_wait(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=started()), *(Record(fact=updated(number)) for number in range(1, 7))])
    for seq in (1, 2, 3):
        store.dead_letter(seq, "refused")
    assert store.thin(2) == 2
    assert [row.seq for row in store.queue()] == [4, 5, 6, 7, 1]
    assert store.thin(2) == 2
    assert [row.seq for row in store.queue()] == [5, 7, 1]
    store.close()


def test_the_queue_is_read_page_by_page_with_dead_letters_behind(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store, samples=4)
    store.dead_letter(2, "given up")
    pages = [[row.seq for row in store.queue(limit=2, offset=offset)] for offset in (0, 2, 4, 6)]
    assert pages == [[1, 3], [4, 5], [6, 2], []]
    store.close()


def test_field_tools_read_a_copy_and_leave_the_file_alone(tmp_path: Path) -> None:
    store = opened(tmp_path)
    committed(store)
    store.close()
    before = journal_path(tmp_path).read_bytes()
    with read_copy(journal_path(tmp_path)) as copy:
        assert len(copy.queue()) == 5
        copy.acknowledge(1, "4711")
    assert journal_path(tmp_path).read_bytes() == before


def test_a_window_is_all_that_memory_holds_of_a_long_queue(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=updated(number)) for number in range(1, 1001)])
    assert len(store.peek(1000)) == 128
    assert len(drained(store)) == 1000
    assert store.counts().waiting == 0
    store.close()
