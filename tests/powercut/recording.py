"""The store's connection on top of apsw, with a VFS that records everything asked of the disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import apsw

from agent.store.connection import Parameters

_VFS_NUMBERS = count(1)
_DIRECTORY_SYNCED_WITH: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


@dataclass(frozen=True, slots=True)
class Opened:
    """A file was opened. ``syncs_directory``: SQLite's unix VFS syncs its directory with its first sync."""

    name: str
    created: bool
    syncs_directory: bool


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes were written."""

    name: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncated:
    """A file was cut to ``size`` bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """A file was synced."""

    name: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file was deleted; ``durable``: and its directory synced."""

    name: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The store returned from its operation ``number``: what it said is promised from here on."""

    number: int


Operation = Opened | Written | Truncated | Synced | Deleted | Acknowledged
Injection = Callable[[Operation], None]


class RecordingVFS(apsw.VFS):
    """SQLite's own VFS with a listener; the listener may raise an apsw error instead of letting it happen."""

    def __init__(self, listen: Injection) -> None:
        """Register under a fresh name."""
        self.registered_name = f"recording-{os.getpid()}-{next(_VFS_NUMBERS)}"
        self.listen = listen
        super().__init__(self.registered_name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> RecordingFile:  # noqa: N802
        """Open a file."""
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        self.listen(Opened(path.name, not path.exists(), bool(flags[0] & _DIRECTORY_SYNCED_WITH)))
        return RecordingFile(self.listen, path.name, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Delete a file."""
        self.listen(Deleted(Path(filename).name, bool(syncdir)))
        super().xDelete(filename, syncdir)


class RecordingFile(apsw.VFSFile):
    """An open file with a listener."""

    def __init__(self, listen: Injection, label: str, name: Any, flags: list[int]) -> None:
        """Open it below."""
        self._listen = listen
        self._label = label
        super().__init__("", name, flags)

    def xWrite(self, content: bytes, offset: int) -> None:  # noqa: N802
        """Write."""
        self._listen(Written(self._label, offset, bytes(content)))
        super().xWrite(content, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        """Truncate."""
        self._listen(Truncated(self._label, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Sync."""
        self._listen(Synced(self._label))
        super().xSync(flags)


@dataclass(slots=True)
class ApswCursor:
    """A cursor in the shape of the standard library's."""

    rows: Iterator[Any]
    lastrowid: int | None
    rowcount: int

    def fetchone(self) -> Any:
        """Return the next row or ``None``."""
        return next(self.rows, None)

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""
        return list(self.rows)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over rows."""
        return self.rows


@dataclass(slots=True)
class ApswConnection:
    """An apsw connection in the shape that the store uses, with some of its pragmas replaced.

    Rows are read at once: the store never writes while it reads.
    """

    path: Path
    vfs: RecordingVFS
    replaced: Mapping[str, str] = field(default_factory=dict)
    below: Any = None

    def __post_init__(self) -> None:
        """Open."""
        self.below = self._translated(lambda: apsw.Connection(str(self.path), vfs=self.vfs.registered_name))

    @property
    def in_transaction(self) -> bool:
        """Whether a SQL transaction is open."""
        return bool(self.below.in_transaction)

    def execute(self, sql: str, parameters: Parameters = (), /) -> ApswCursor:
        """Run one statement."""
        sql = self.replaced.get(sql, sql)
        rows = self._translated(lambda: list(self.below.execute(sql, tuple(parameters))))
        return ApswCursor(iter(rows), self.below.last_insert_rowid(), self.below.changes())

    def executemany(self, sql: str, parameters: Iterable[Parameters], /) -> ApswCursor:
        """Run one statement for each set of parameters."""
        each = [tuple(values) for values in parameters]
        self._translated(lambda: self.below.executemany(sql, each))
        return ApswCursor(iter(()), None, self.below.changes())

    def close(self) -> None:
        """Close. SQLite closes though folding its log fails; apsw also tells of the failure below."""
        with contextlib.suppress(apsw.Error):
            self.below.close()

    @staticmethod
    def _translated(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except apsw.Error as error:
            kind = sqlite3.IntegrityError if isinstance(error, apsw.ConstraintError) else sqlite3.OperationalError
            ours = kind(str(error))
            ours.sqlite_errorcode = getattr(error, "extendedresult", 0) or getattr(error, "result", 0)
            ours.sqlite_errorname = type(error).__name__
            raise ours from error
