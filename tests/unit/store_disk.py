"""A disk that can be told to fail, below the real store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from agent.store import Store
from agent.store.connection import Connection
from tests.powercut.recording import ApswConnection, Operation, RecordingVFS, Synced, Truncated, Written
from tests.unit.store_examples import BOOT, journal_path


class SickDisk:
    """Opens stores whose every write goes through ``failing``: a code of SQLite to fail with, or ``None``."""

    def __init__(self, directory: Path) -> None:
        """Use ``directory`` for the journal."""
        self._path = journal_path(directory)
        self._vfs = RecordingVFS(self._listen)
        self._connections: list[ApswConnection] = []
        self.failing: Callable[[Operation], int | None] = lambda _operation: None

    def open(self) -> Store:
        """Open the store on this disk."""
        store, _report = Store.open(self._path, boot_id=BOOT, mono_s=lambda: 1000.0, connect=self._connect)
        return store

    def fail(self, code: int, *, only: type[Operation] | None = None) -> None:
        """Fail every write, truncation and sync from now on, or ``only`` operations of one kind."""
        kinds = (Written, Truncated, Synced) if only is None else only
        self.failing = lambda operation: code if isinstance(operation, kinds) else None

    def heal(self) -> None:
        """Work again."""
        self.failing = lambda _operation: None

    def discard(self) -> None:
        """Close whatever is still open."""
        self.heal()
        for connection in self._connections:
            connection.close()
        self._vfs.unregister()

    def _connect(self, path: Path) -> Connection:
        self._connections.append(ApswConnection(path, self._vfs))
        return self._connections[-1]

    def _listen(self, operation: Operation) -> None:
        code = self.failing(operation)
        if code is not None:
            raise apsw.exception_for(code)
