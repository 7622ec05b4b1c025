"""The open file: one SQL transaction at a time, and what to do when one fails."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from agent.store import journal
from agent.store.connection import Connection
from agent.store.failures import FailureKind, StoreFailure, failure_of, failure_of_os
from agent.store.opening import Opened, Opening, OpenReport, open_file
from agent.store.reserve import Reserve
from agent.store.salvage import rebuild

T = TypeVar("T")


class Database:
    """The connection and its recovery. A job may run twice: it must not change anything outside the database."""

    def __init__(self, how: Opening) -> None:
        """Open the file.

        Raises:
            StoreFailure: it cannot be opened.
        """
        self._how = how
        self.on_recovered: Callable[[OpenReport], None] = _nobody
        """Told when a damaged file was replaced while running."""
        self._reserve = Reserve(how.path.with_name(how.path.name + ".reserve"))
        self.short = False
        """Whether a full disk has cost the reserve since it was last there."""
        self._connection: Connection | None = None
        self._last_seq = journal.MOST_PLACES
        self._connection, self.report = self._open_at_first()
        self._last_seq = self.read(journal.last_seq)
        self._reserve.refill()

    @property
    def path(self) -> Path:
        """The file."""
        return self._how.path

    @property
    def last_seq(self) -> int:
        """A place that no fact in the file is behind."""
        return self._last_seq

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run ``job``, which only reads.

        Raises:
            StoreFailure: it could not be read.
        """
        return self._recovering(lambda: job(self._open_connection()))

    def write(self, job: Callable[[Connection], T]) -> T:
        """Run ``job`` in one SQL transaction that is on the disk on return.

        A full disk costs the reserve and a damaged file is replaced, each once, before it counts as failed.

        Raises:
            StoreFailure: nothing of it is durable.
        """
        return self._recovering(lambda: self._transaction(job))

    def probe(self) -> None:
        """Find out whether writing works (again): a fresh connection and a small commit.

        Raises:
            StoreFailure: it does not.
        """
        self._drop_connection()
        self.write(_touch)
        self.short = not self._reserve.refill()

    def fold_log(self) -> None:
        """Fold the write-ahead log into the file and give its room back to the disk, as far as that lets us."""
        try:
            self._open_connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            failure = failure_of(error, self.path)
            if failure.kind is not FailureKind.FULL:
                raise failure from error

    def close(self) -> None:
        """Close; the log is folded into the file where the disk allows it."""
        self._drop_connection()

    def _open_at_first(self) -> tuple[Connection, OpenReport]:
        try:
            return open_file(self._how)
        except StoreFailure as failure:
            if failure.kind is not FailureKind.FULL or not self._give_reserve():
                raise
        return open_file(self._how)

    def _give_reserve(self) -> bool:
        released = self._reserve.release()
        self.short = self.short or released
        if released and self._connection is not None:
            self.fold_log()  # the room is best used for this: a folded log gives back several times as much
        return released

    def _recovering(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except sqlite3.Error as error:
            failure = failure_of(error, self.path)
            if failure.kind is FailureKind.CORRUPT:
                self._replace(str(failure))
            elif failure.kind is not FailureKind.FULL or not self._give_reserve():
                raise failure from error
        try:
            return attempt()
        except sqlite3.Error as error:
            raise failure_of(error, self.path) from error

    def _transaction(self, job: Callable[[Connection], T]) -> T:
        connection = self._open_connection()
        committed = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = job(connection)
            last_seq = journal.last_seq(connection)
            connection.execute("COMMIT")
            committed = True
        finally:
            if not committed:
                self._roll_back(connection)
        self._last_seq = max(self._last_seq, last_seq)  # never less: what is behind it would be forgotten
        return result

    def _roll_back(self, connection: Connection) -> None:
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:  # the first error is the one that is told; a fresh connection starts clean
                self._drop_connection()

    def _open_connection(self) -> Connection:
        if self._connection is None:
            self._connection, report = open_file(self._how)
            self._forget_unreported(self._connection)
            if report.salvage is not None:
                self._recovered(report)
        return self._connection

    def _forget_unreported(self, connection: Connection) -> None:
        """Delete facts of a commit that was reported as failed but had reached the log: its caller tries again."""
        connection.execute("DELETE FROM facts WHERE seq > ?", (self._last_seq,))

    def _replace(self, why: str) -> None:
        self._drop_connection()
        try:
            salvage = rebuild(self.path, why, self._how.connect, self._how.steps)
            self._connection, report = open_file(self._how)
            self._forget_unreported(self._connection)
        except sqlite3.Error as error:
            raise failure_of(error, self.path) from error
        except OSError as error:
            raise failure_of_os(error, self.path) from error
        self._recovered(replace(report, outcome=Opened.RECOVERED, salvage=salvage))

    def _recovered(self, report: OpenReport) -> None:
        self.report = report
        self.on_recovered(report)

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # closing folds the log; a sick disk may refuse, the log stays
                self._connection.close()
            self._connection = None


def _nobody(_report: OpenReport) -> None:
    pass


def _touch(connection: Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', hex(randomblob(8)))")
