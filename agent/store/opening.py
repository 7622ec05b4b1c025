"""Open the file whatever state it is in, and say what was found."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

from agent.store import journal, tables
from agent.store.connection import Connect, Connection, connect_exclusively
from agent.store.failures import FailureKind, StoreFailure, failure_of, failure_of_os
from agent.store.log_damage import commits, is_in_file, log_of, lost_commits, starts_badly
from agent.store.salvage import Salvage, finish, keep_copy, rebuild
from agent.store.schema import Migration, migrate

CHECKED_BELOW_BYTES: Final = 16 * 1024 * 1024  # a larger file is not read through at a start
_LEAST_BYTES: Final = 512  # the smallest page: SQLite takes less for an empty file


class Opened(Enum):
    """How the file was found."""

    CREATED = "created"
    INTACT = "intact"
    MIGRATED = "migrated"
    RECOVERED = "recovered"


class OpenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What opening found and did.

    Attributes:
        outcome: in one word.
        from_version: schema version that was found; 0 for none.
        previous_boot_id: boot of the last run; differs from this boot's after a power loss; ``None`` at first.
        salvage: what was taken out of a damaged file.
        notes: anything else that people should read.
    """

    outcome: Opened
    from_version: int
    previous_boot_id: str | None
    salvage: Salvage | None = None
    notes: tuple[str, ...] = msgspec.field(default=())

    def told(self) -> str:
        """Return what people should read of it: empty for a file that was sound."""
        parts = list(self.notes)
        if self.salvage is not None:
            rows = sum(self.salvage.rows.values())
            kept = f"the damaged file is kept as {self.salvage.moved_to}"
            parts.append(f"{self.salvage.why}; {rows} rows were saved, {kept}")
        return "; ".join(parts)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How to open: kept, because a failed file is opened again."""

    path: Path
    boot_id: str
    connect: Connect
    steps: Sequence[Migration]
    lock_wait_s: float
    on_waiting: Callable[[str], None] | None


def open_file(how: Opening) -> tuple[Connection, OpenReport]:
    """Open, migrate, and rebuild if damaged.

    Raises:
        StoreFailure: locked by another process, newer than this release, or the disk does not let us.
    """
    try:
        moved_to = finish(how.path)
        notes = _notes_before(how.path)
        if moved_to is not None:
            notes.append(f"an interrupted recovery was finished; the damaged file is {moved_to}")
        try:
            return _open(how, notes, None)
        except sqlite3.Error as error:
            failure = failure_of(error, how.path)
            if failure.kind is not FailureKind.CORRUPT:
                raise failure from error
            salvage = rebuild(how.path, str(failure), how.connect, how.steps)
        return _open(how, notes, salvage)
    except sqlite3.Error as error:
        raise failure_of(error, how.path) from error
    except OSError as error:
        raise failure_of_os(error, how.path) from error


def _notes_before(path: Path) -> list[str]:
    notes = []
    if path.exists() and (size := path.stat().st_size) < _LEAST_BYTES:
        notes.append(f"{path} was there but held only {size} bytes: it was made anew")
    if starts_badly(path) and not (path.exists() and is_in_file(path)):
        found = f"{log_of(path)} does not start like a log: commits that were only in it are lost"
        notes.append(f"{found}, {_kept(path)}")
    return notes


def _notes_after(connection: Connection, path: Path, found: tuple[int, ...]) -> list[str]:
    """Compare what the log held with what SQLite took of it, and write that to the file: the next log begins anew."""
    if not found:
        return []
    _, read, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()[0]
    lost = lost_commits(found, read)
    return [f"{log_of(path)} is damaged: {lost} commits behind are lost, {_kept(path)}"] if lost else []


def _kept(path: Path) -> str:
    try:
        return f"a copy is kept as {keep_copy(path)}"
    except OSError as error:
        return f"and no copy could be kept: {error.strerror or error}"


def _open(how: Opening, notes: list[str], salvage: Salvage | None) -> tuple[Connection, OpenReport]:
    found_commits = commits(how.path) if salvage is None else ()
    connection = connect_exclusively(how.path, how.connect, lock_wait_s=how.lock_wait_s, on_waiting=how.on_waiting)
    try:
        if salvage is None:
            _check(connection, how.path)
            notes = [*notes, *_notes_after(connection, how.path, found_commits)]
        found = migrate(connection, how.steps)
        connection.execute("BEGIN IMMEDIATE")
        previous = tables.register_boot(connection, how.boot_id)
        tables.ensure_station_id(connection, str(uuid.uuid4()))
        journal.mend_places(connection)
        connection.execute("COMMIT")
    except (sqlite3.Error, StoreFailure):
        connection.close()
        raise
    if salvage is not None:
        outcome = Opened.RECOVERED
    elif found == 0:
        outcome = Opened.CREATED
    else:
        outcome = Opened.MIGRATED if found < how.steps[-1].version else Opened.INTACT
    report = OpenReport(
        outcome=outcome, from_version=found, previous_boot_id=previous, salvage=salvage, notes=tuple(notes)
    )
    return connection, report


def _check(connection: Connection, path: Path) -> None:
    """Read a small file through; raises what SQLite raises for a damaged one."""
    if path.stat().st_size > CHECKED_BELOW_BYTES:
        return
    verdict = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)").fetchall()]
    if verdict != ["ok"]:
        error = sqlite3.DatabaseError("; ".join(verdict))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error
