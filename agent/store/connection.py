"""The one connection: how it is opened, and the little of it that this room uses."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from agent.store.failures import FailureKind, StoreFailure

Parameters = Sequence[str | int | float | bytes | None]

PRAGMAS: Final = (
    # Exclusive before WAL: the index of the log then lives on the heap, no shared-memory file is made, and the race of
    # two checkpointing connections that SQLite 3.40 (Debian 12) still has cannot happen.
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit is on the disk when it returns; NORMAL loses acknowledged commits
    "PRAGMA foreign_keys=ON",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA journal_size_limit=-1",  # keep the log: overwriting it in place costs half the flash of growing it anew
    "PRAGMA secure_delete=FAST",  # Debian's default writes every freed page once more
    "PRAGMA cache_size=-1024",
    "PRAGMA temp_store=MEMORY",
)
LOCK_POLL_S: Final = 0.2


class Cursor(Protocol):
    """What is used of a cursor."""

    @property
    def lastrowid(self) -> int | None:
        """Row id of the last insert."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Any:
        """Return the next row or ``None``."""

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over rows."""


class Connection(Protocol):
    """What is used of ``sqlite3.Connection``; the power-cut tests put a recording one in its place."""

    @property
    def in_transaction(self) -> bool:
        """Whether a SQL transaction is open."""

    def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> Cursor:
        """Run one statement for each set of parameters."""

    def close(self) -> None:
        """Close."""


Connect = Callable[[Path], Connection]


def connect(path: Path) -> Connection:
    """Open ``path`` with the standard library; transactions are begun by hand and locks are never waited for inside."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, factory=_Telling)
    connection.text_factory = _text  # a flipped bit in a text is damage to report, not an exception of the codec
    return connection


class _Telling(sqlite3.Connection):
    """Says "corrupt" where the schema itself is damaged.

    SQLite quotes a damaged schema in its message, and the standard library cannot make text of that: instead of
    ``sqlite3.DatabaseError`` it raises ``UnicodeDecodeError``.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except UnicodeDecodeError as error:
            raise _damaged() from error

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        try:
            return super().executemany(sql, parameters)
        except UnicodeDecodeError as error:
            raise _damaged() from error


def _damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("the schema is damaged")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def connect_exclusively(
    path: Path, connect: Connect, *, lock_wait_s: float, on_waiting: Callable[[str], None] | None
) -> Connection:
    """Open ``path`` with this room's settings and hold it against every other process.

    Args:
        path: the database; made if missing.
        connect: opens a bare connection.
        lock_wait_s: how long to wait for another holder, s.
        on_waiting: told once, in words, that and for whom it waits.

    Raises:
        StoreFailure: ``LOCKED`` after that time.
        sqlite3.Error: anything else.
    """
    give_up_s = time.monotonic() + lock_wait_s
    told = False
    while True:
        connection = connect(path)
        try:
            for pragma in PRAGMAS:
                connection.execute(pragma).fetchall()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as error:
            connection.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return connection
        held = f"{path} is held by {holder_of(path) or 'another process'}"
        if time.monotonic() >= give_up_s:
            raise StoreFailure(FailureKind.LOCKED, f"{held}; waited {lock_wait_s:g} s for it")
        if on_waiting is not None and not told:
            on_waiting(f"{held}, waiting")
            told = True
        time.sleep(LOCK_POLL_S)


def holder_of(path: Path) -> str | None:
    """Return which process holds a lock on ``path`` ("process 812 (charge-agent)"), or ``None``.

    Source: proc_locks(5).
    """
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) >= 8 and fields[1] == "POSIX" and fields[5].endswith(f":{inode}"):
            return f"process {fields[4]}{_name_of(fields[4])}"
    return None


def _name_of(pid: str) -> str:
    try:
        return f" ({Path('/proc', pid, 'comm').read_text(encoding='utf-8', errors='replace').strip()})"
    except OSError:
        return ""
