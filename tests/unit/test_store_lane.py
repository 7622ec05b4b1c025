"""What the lane of delivery hands out is what the file holds, whether it was read back or kept from the commit."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from agent.model.effects import Record, SaveTransaction
from agent.model.facts import TransactionUpdated
from agent.model.journal import JournalRow
from agent.store import Store
from agent.store.lane import WINDOW_ROWS
from tests.unit.store_examples import journal_path, opened, record, renamed, started, updated


class Book:
    """What should wait: place, fact and attempts, in order; changed as the store is."""

    def __init__(self, directory: Path, chance: random.Random) -> None:
        self.directory = directory
        self.chance = chance
        self.store = opened(directory)
        self.waiting: list[tuple[int, TransactionUpdated, int]] = []
        self.made = 0

    def commit(self) -> None:
        facts = []
        for _ in range(self.chance.choice((1, 1, 1, 2, WINDOW_ROWS + 40))):
            self.made += 1
            facts.append(updated(self.made))
        named = SaveTransaction(record=renamed(record(next_seq_no=self.made), "77"))
        seqs = self.store.commit([*(Record(fact=fact) for fact in facts), named])
        self.waiting += [(seq, fact, 0) for seq, fact in zip(seqs, facts, strict=True)]

    def deliver(self) -> None:
        seq, _fact, _attempts = self.waiting.pop(0)
        self.store.mark_sent(seq)
        self.store.acknowledge(seq)

    def deliver_many(self) -> None:
        for _ in range(min(len(self.waiting), 100)):
            self.deliver()

    def fail(self) -> None:
        seq, fact, attempts = self.waiting[0]
        assert self.store.failed(seq, "no", new_message_id=True) == attempts + 1
        self.waiting[0] = (seq, fact, attempts + 1)

    def bury(self) -> None:
        self.store.dead_letter(self.waiting.pop(0)[0], "no")

    def reopen(self) -> None:
        self.store.close()
        self.store = opened(self.directory)

    def check(self, wanted: int) -> None:
        rows = self.store.peek(wanted)
        assert [(row.seq, row.fact, row.attempts) for row in rows] == self.waiting[: len(rows)]
        assert len(rows) == min(wanted, len(self.waiting), WINDOW_ROWS)
        assert {row.csms_id for row in rows} <= {"77"}
        assert len({row.message_id for row in rows}) == len(rows)
        assert self.store.counts().waiting == len(self.waiting)


@pytest.mark.parametrize("seed", range(6))
def test_rows_come_once_and_in_order_whatever_was_kept_read_delivered_refused_or_opened_again(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    book = Book(tmp_path, chance)
    for _ in range(120):
        steps = [book.commit, book.commit, book.reopen]
        if book.waiting:
            steps += [book.deliver, book.deliver, book.deliver_many, book.fail, book.bury]
        chance.choice(steps)()
        if chance.random() < 0.7:  # else the next step finds a lane that nobody looked at
            book.check(chance.choice((1, 2, 5, WINDOW_ROWS)))
    book.store.close()


def test_a_fact_reads_the_same_from_the_commit_and_from_the_file(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=started()), SaveTransaction(record=record())])
    store.acknowledge(1, "4711")
    store.commit([Record(fact=updated(1)), SaveTransaction(record=record(next_seq_no=2))])
    kept = store.peek(2)
    store.close()
    store = opened(tmp_path)
    assert store.peek(2) == kept
    assert [row.csms_id for row in kept] == ["4711"]
    store.close()


def test_a_name_that_a_commit_brings_is_seen_at_once(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([Record(fact=updated(1)), SaveTransaction(record=record())])
    assert [row.csms_id for row in store.peek(2)] == [None]
    store.commit([SaveTransaction(record=renamed(record(), "12"))])
    assert [row.csms_id for row in store.peek(2)] == ["12"]
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM sqlite_sequence",
        "UPDATE sqlite_sequence SET seq = 1",
        "UPDATE sqlite_sequence SET seq = NULL",
        "UPDATE sqlite_sequence SET seq = x'03'",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
    ],
)
def test_facts_are_delivered_though_the_count_of_their_places_was_damaged(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    for number in range(1, 4):
        store.commit([Record(fact=updated(number))])
    store.close()
    with sqlite3.connect(journal_path(tmp_path)) as damaged:
        damaged.execute(damage)
    damaged.close()
    store = opened(tmp_path)
    assert [row.seq for row in _drained(store)] == [1, 2, 3]
    (seq,) = store.commit([Record(fact=updated(4))])
    assert seq > 3
    assert [row.seq for row in _drained(store)] == [seq]
    store.close()


def _drained(store: Store) -> list[JournalRow]:
    rows = []
    while (row := store.next_row()) is not None:
        rows.append(row)
        store.acknowledge(row.seq)
    return rows
