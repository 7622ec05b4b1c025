"""Every database of the past opens, and nothing of it is lost."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.model.commands import Verdict
from agent.store import FailureKind, Opened, RowState, Store, StoreFailure
from agent.store.schema import Migration, released_migrations
from tests.migration.make_database import DATABASES
from tests.unit.store_examples import BOOT, charge, ended, record

OLD = sorted(DATABASES.glob("v*.sqlite"))
NEXT = Migration(
    version=released_migrations()[-1].version + 1,
    sql="\n".join(
        f"ALTER TABLE {table} ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'; -- a later release"
        for table in (
            "facts",
            "dead_letters",
            "transactions",
            "variables",
            "authorizations",
            "availability",
            "boots",
            "documents",
        )
    ),
    oldest_reader=1,
)


def copied(old: Path, directory: Path) -> Path:
    path = directory / "journal.sqlite"
    shutil.copyfile(old, path)
    return path


def test_documents_of_a_database_that_knew_them_come_back(tmp_path: Path) -> None:
    store, _report = Store.open(copied(OLD[-1], tmp_path), boot_id=BOOT)
    assert store.load().documents == {"colour": {"led": b'"blue"'}}
    store.close()


def check(store: Store) -> None:
    state = store.load()
    assert state.problems == ()
    assert [each.transaction_id for each in state.transactions] == ["t2"]
    assert state.transactions[0] == record("t2")
    assert state.anchors == {BOOT: 1.7e9}
    assert (state.last_good_utc_s, state.notes) == (1.7e9, {"reset": "remote_reset"})
    (cached,) = state.authorizations
    assert (cached.verdict.verdict, cached.verdict.group) == (Verdict.ACCEPTED, "fleet")
    assert [each.evse_id for each in state.availability] == [2]
    assert [(each.key, each.value, each.file_value) for each in state.variables] == [
        ("samplectrlr.interval", "30", "60")
    ]
    rows = store.queue()
    assert [(row.seq, row.state) for row in rows] == [
        (3, RowState.WAITING),
        (4, RowState.WAITING),
        (5, RowState.WAITING),
        (6, RowState.WAITING),
        (2, RowState.DEAD),
    ]
    assert rows[3].fact == ended(5)
    head = store.next_row()
    assert head is not None
    assert (head.csms_id, head.attempts, head.utc_s) == ("4711", 1, 1.7e9 + 130.0)


def test_there_is_a_database_of_every_released_schema() -> None:
    assert [path.stem for path in OLD] == [f"v{step.version}" for step in released_migrations()]


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_a_database_of_the_past_opens_with_everything_in_it(old: Path, tmp_path: Path) -> None:
    store, report = Store.open(copied(old, tmp_path), boot_id=BOOT)
    current = old.stem == f"v{released_migrations()[-1].version}"
    assert report.outcome is (Opened.INTACT if current else Opened.MIGRATED)
    check(store)
    for durables in charge("t3", samples=2):
        store.commit(durables)
    assert len(store.queue()) == 9
    store.close()


@pytest.mark.parametrize("old", OLD, ids=lambda path: path.stem)
def test_a_migration_is_applied_once_and_said(old: Path, tmp_path: Path) -> None:
    path = copied(old, tmp_path)
    steps = (*released_migrations(), NEXT)
    store, report = Store.open(path, boot_id=BOOT, steps=steps)
    assert report.outcome is Opened.MIGRATED
    assert f"v{report.from_version}" == old.stem
    check(store)
    store.close()
    store, report = Store.open(path, boot_id=BOOT, steps=steps)
    assert report.outcome is Opened.INTACT
    store.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    path = copied(OLD[-1], tmp_path)
    broken = Migration(version=NEXT.version, sql="CREATE TABLE later (a);\nCREATE TABLE facts (a);", oldest_reader=1)
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        Store.open(path, boot_id=BOOT, steps=(*released_migrations(), broken))
    store, report = Store.open(path, boot_id=BOOT)
    assert report.outcome is Opened.INTACT
    check(store)
    store.close()


def test_an_older_release_goes_on_with_a_newer_database_that_allows_it(tmp_path: Path) -> None:
    path = copied(OLD[-1], tmp_path)
    Store.open(path, boot_id=BOOT, steps=(*released_migrations(), NEXT))[0].close()
    store, report = Store.open(path, boot_id=BOOT)
    assert report.outcome is Opened.INTACT
    check(store)
    for durables in charge("t3", samples=2):
        store.commit(durables)
    store.close()


def test_an_older_release_refuses_a_newer_database_that_does_not_allow_it(tmp_path: Path) -> None:
    path = copied(OLD[-1], tmp_path)
    forbidding = Migration(version=NEXT.version, sql=NEXT.sql, oldest_reader=NEXT.version)
    Store.open(path, boot_id=BOOT, steps=(*released_migrations(), forbidding))[0].close()
    with pytest.raises(StoreFailure, match="written by a newer release") as raised:
        Store.open(path, boot_id=BOOT)
    assert raised.value.kind is FailureKind.NEWER
