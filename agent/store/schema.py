"""Bring a database to the schema of this release."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

import msgspec

from agent.store.connection import Connection
from agent.store.failures import FailureKind, StoreFailure

OLDEST_READER = {1: 1, 2: 1, 3: 1, 4: 1}
"""Schema version -> oldest schema version whose release may still open it (after a step back to an older release)."""

_CREATE_VERSION = (
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, oldest_reader INTEGER NOT NULL) STRICT"
)


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One step: the version it leads to and its SQL."""

    version: int
    sql: str
    oldest_reader: int


@cache
def released_migrations() -> tuple[Migration, ...]:
    """Return every step of this release, in order."""
    steps = []
    for entry in resources.files("agent.store.migrations").iterdir():
        if entry.name.endswith(".sql"):
            version = int(entry.name.split("_", 1)[0])
            sql = entry.read_text(encoding="utf-8")
            steps.append(Migration(version=version, sql=sql, oldest_reader=OLDEST_READER[version]))
    return tuple(sorted(steps, key=lambda step: step.version))


def version_of(connection: Connection) -> int:
    """Return the version of the schema in the file; 0 for an empty one."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is None:
        return 0
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(row[0] or 0) if row else 0


def migrate(connection: Connection, steps: Sequence[Migration]) -> int:
    """Apply the steps that are missing and return the version found before.

    A newer database is left as it is where its own steps say that this release may use it.

    Raises:
        StoreFailure: ``NEWER``: it was written by a newer release that does not allow that.
    """
    found = version_of(connection)
    newest = steps[-1].version
    if found > newest:
        (oldest_reader,) = connection.execute("SELECT max(oldest_reader) FROM schema_version").fetchone() or (found,)
        if oldest_reader > newest:
            text = f"the journal has schema {found}, written by a newer release; this one knows 1-{newest}"
            raise StoreFailure(FailureKind.NEWER, text)
        return found
    for step in steps:
        if step.version > found:
            _apply(connection, step)
    return found


def _apply(connection: Connection, step: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_CREATE_VERSION)
    for statement in _statements(step.sql):
        connection.execute(statement)
    connection.execute("INSERT INTO schema_version VALUES (?, ?)", (step.version, step.oldest_reader))
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    # Without comments the whole schema fits the first page of the file, which a salvage can then make anew.
    statement = ""
    for line in script.splitlines():
        words = line.split("--", 1)[0].split()
        statement += " ".join(words) + " " if words else ""
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
