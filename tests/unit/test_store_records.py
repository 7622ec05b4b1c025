"""The station's own book of charges."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from agent.model.facts import StopReason
from agent.store import Delivery, Store
from agent.store.records import KEPT_RECORDS
from tests.unit.store_examples import BOOT, CARD, charge, journal_path, opened


def charged(directory: Path, *names: str) -> Store:
    store = opened(directory)
    for name in names:
        for durables in charge(name, samples=1):
            store.commit(durables)
    return store


def test_an_ended_charge_stands_in_the_book_with_what_it_was(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1")
    (kept,) = store.charge_records()
    assert (kept.record.meter_start_wh, kept.record.meter_stop_wh, kept.record.energy_wh) == (4711, 5071, 360)
    assert (kept.record.token, kept.record.reason) == (CARD.hashed(), StopReason.LOCAL)
    assert kept.delivery is Delivery.WAITING
    store.close()


def test_the_book_outlives_delivery_and_learns_the_csms_name_late(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1")
    store.acknowledge(1, "4711")
    while (row := store.next_row()) is not None:
        store.acknowledge(row.seq)
    store.flush()
    store.close()
    store = opened(tmp_path)
    (kept,) = store.charge_records()
    assert (kept.csms_id, kept.delivery) == ("4711", Delivery.DELIVERED)
    store.close()


def test_a_charge_with_a_dead_letter_is_given_up(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1")
    for seq in (1, 2, 3):
        store.dead_letter(seq, "refused")
    (kept,) = store.charge_records()
    assert kept.delivery is Delivery.GIVEN_UP
    store.close()


def test_the_newest_charges_come_first_and_no_more_than_asked(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1", "t2", "t3")
    assert [each.record.transaction_id for each in store.charge_records(2)] == ["t3", "t2"]
    store.close()


def test_the_book_does_not_grow_for_ever(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1")
    store.close()
    with sqlite3.connect(journal_path(tmp_path)) as connection:
        connection.execute("UPDATE charge_records SET number = ?", (KEPT_RECORDS + 1,))
        connection.execute("INSERT INTO charge_records VALUES (1, 'old', x'7b7d', 0, NULL)")
    connection.close()
    store = charged(tmp_path, "t2")
    assert [each.record.transaction_id for each in store.charge_records()] == ["t2", "t1"]
    store.close()
    with sqlite3.connect(journal_path(tmp_path)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM charge_records").fetchone()
    connection.close()
    assert rows == 2


def test_a_damaged_record_is_left_out(tmp_path: Path) -> None:
    charged(tmp_path, "t1", "t2").close()
    with sqlite3.connect(journal_path(tmp_path)) as connection:
        connection.execute("UPDATE charge_records SET record = x'7b7d' WHERE transaction_id = 't1'")
    connection.close()
    store = opened(tmp_path)
    assert [each.record.transaction_id for each in store.charge_records()] == ["t2"]
    store.close()


def test_times_of_day_are_known_as_far_as_the_boot_knew_them(tmp_path: Path) -> None:
    store = charged(tmp_path, "t1")
    (kept,) = store.charge_records()
    assert store.utc_of(kept.record.started_at) is None
    store.commit(anchor_utc_minus_mono_s=1.7e9)
    assert store.utc_of(kept.record.started_at) == 1.7e9 + kept.record.started_at.mono_s
    assert kept.record.started_at.boot_id == BOOT
    store.close()
