"""Everything beside the journal: what a restart finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.commands import TokenVerdict, Verdict
from agent.model.effects import (
    CacheToken,
    Durable,
    ForgetTokens,
    Record,
    ReplaceDocuments,
    SaveAvailability,
    SaveDocument,
    SaveTransaction,
)
from agent.model.ids import IdToken
from agent.model.variables import StoredValue, ValueSource
from agent.store import Opened, Store, StoredState
from agent.store.tables import CACHE_LIMIT
from tests.unit.store_examples import BOOT, CARD, journal_path, opened, record, renamed, started


def after_restart(directory: Path, durables: list[Durable], **more: object) -> StoredState:
    store = opened(directory)
    store.commit(durables, **more)  # type: ignore[arg-type]
    store.close()
    store = opened(directory)
    state = store.load()
    store.close()
    return state


def cached(value: str, verdict: Verdict = Verdict.ACCEPTED) -> CacheToken:
    return CacheToken(token=IdToken(value=value), verdict=TokenVerdict(verdict=verdict, group="G", expires_utc_s=9.5))


def test_a_new_file_says_that_it_was_created_and_names_the_station(tmp_path: Path) -> None:
    store, report = Store.open(journal_path(tmp_path), boot_id=BOOT)
    assert report.outcome is Opened.CREATED
    assert report.previous_boot_id is None
    station_id = store.load().station_id
    store.close()
    store, report = Store.open(journal_path(tmp_path), boot_id="boot-2")
    assert report.outcome is Opened.INTACT
    assert report.previous_boot_id == BOOT
    assert store.load().station_id == station_id
    assert len(station_id) == 36
    store.close()


def test_transactions_that_have_not_ended_come_back(tmp_path: Path) -> None:
    over = SaveTransaction(record=record("t2", over=True))
    state = after_restart(tmp_path, [SaveTransaction(record=record()), over])
    assert state.transactions == (record(),)


def test_a_record_without_the_csms_name_does_not_take_the_name_away(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([SaveTransaction(record=renamed(record(), "4711"))])
    store.commit([SaveTransaction(record=record(next_seq_no=2))])
    (kept,) = store.load().transactions
    assert (kept.csms_id, kept.next_seq_no) == ("4711", 2)
    store.close()


def test_availability_is_kept_for_station_evse_and_connector(tmp_path: Path) -> None:
    wanted = [
        SaveAvailability(operative=False),
        SaveAvailability(operative=True, evse_id=1),
        SaveAvailability(operative=False, evse_id=1, connector_id=2),
    ]
    state = after_restart(tmp_path, [SaveAvailability(operative=True), *wanted])
    assert set(state.availability) == set(wanted)


def test_the_authorization_cache_knows_a_token_whatever_its_case(tmp_path: Path) -> None:
    state = after_restart(tmp_path, [cached("abcd"), cached("ABCD", Verdict.BLOCKED)])
    assert state.authorizations == (cached("ABCD", Verdict.BLOCKED),)


def test_the_authorization_cache_forgets_the_oldest_beyond_its_limit(tmp_path: Path) -> None:
    state = after_restart(tmp_path, [cached(f"card {number}") for number in range(CACHE_LIMIT + 3)])
    assert len(state.authorizations) == CACHE_LIMIT
    assert state.authorizations[0].token.value == "card 3"


def test_the_authorization_cache_can_be_emptied(tmp_path: Path) -> None:
    assert after_restart(tmp_path, [cached("a"), ForgetTokens(), cached("b")]).authorizations == (cached("b"),)


def test_variables_come_back_as_they_were_set_last(tmp_path: Path) -> None:
    first = StoredValue(key="a.b", value="1", source=ValueSource.CSMS, file_value=None)
    last = StoredValue(key="a.b", value="2", source=ValueSource.CSMS, file_value="7")
    assert after_restart(tmp_path, [], values=[first, last]).variables == (last,)


def test_a_boot_keeps_its_first_time_anchor(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(anchor_utc_minus_mono_s=1.7e9)
    store.commit(anchor_utc_minus_mono_s=1.8e9)
    assert store.load().anchors == {BOOT: 1.7e9}
    store.close()


def test_the_trusted_time_of_day_only_grows(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(last_good_utc_s=1.7e9)
    store.commit(last_good_utc_s=1.6e9)
    assert store.load().last_good_utc_s == 1.7e9
    store.close()


def test_notes_are_kept_by_name(tmp_path: Path) -> None:
    assert after_restart(tmp_path, [], notes={"reset": "remote_reset"}).notes == {"reset": "remote_reset"}


def test_a_commit_is_all_or_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    unknown_source = StoredValue(key="a", value=None, source=ValueSource.CSMS)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        store.commit([Record(fact=started()), cached("a")], values=[unknown_source])
    assert store.next_row() is None
    assert store.load().authorizations == ()
    assert store.commit([Record(fact=started())]) == (1,)
    store.close()


def test_saying_the_same_about_a_token_again_writes_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    verdict = TokenVerdict(verdict=Verdict.ACCEPTED)
    store.commit([CacheToken(token=CARD, verdict=verdict)])
    size = store.sizes().wal_bytes
    for _ in range(5):
        store.commit([CacheToken(token=CARD, verdict=verdict)])
    assert store.sizes().wal_bytes == size
    store.close()


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    store = opened(tmp_path)
    sizes = store.sizes()
    assert sizes.used_bytes > 10 * 4096
    assert sizes.wal_bytes > 0
    assert sizes.disk_free_bytes > 0
    store.close()


def test_documents_come_back_by_kind_and_key(tmp_path: Path) -> None:
    state = after_restart(
        tmp_path,
        [
            SaveDocument(kind="profile", key="7", body=b"{}"),
            SaveDocument(kind="profile", key="8", body=b"[]"),
            SaveDocument(kind="profile", key="7", body=b"[1]"),
            SaveDocument(kind="profile", key="8", body=None),
            ReplaceDocuments(kind="list", bodies={"a": b"1", "b": b"2"}),
            ReplaceDocuments(kind="list", bodies={"b": b"3", "c": b"4"}),
        ],
    )
    assert state.documents == {"profile": {"7": b"[1]"}, "list": {"b": b"3", "c": b"4"}}


def test_the_documents_of_one_kind_can_be_read_while_running(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit([SaveDocument(kind="a", key="1", body=b"x"), SaveDocument(kind="b", key="1", body=b"y")])
    assert (store.documents("a"), store.documents("c")) == ({"1": b"x"}, {})
    store.close()


def test_an_equal_document_is_not_written_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    same = [SaveDocument(kind="a", key="1", body=b"x" * 3000), ReplaceDocuments(kind="b", bodies={"1": b"y" * 3000})]
    store.commit(same)
    wal = journal_path(tmp_path).with_name(f"{journal_path(tmp_path).name}-wal")
    before = wal.stat().st_size
    for _ in range(5):
        store.commit(same)
    assert wal.stat().st_size == before
    store.close()
