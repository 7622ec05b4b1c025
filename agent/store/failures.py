"""What can go wrong with the file, in words that the rest of the agent can act on."""

from __future__ import annotations

import errno
import os
import sqlite3
from enum import Enum
from pathlib import Path

from agent.errors import StoreError


class FailureKind(Enum):
    """Why the store could not do it."""

    FULL = "full"  # no space left, the reserve included
    IO = "io"  # the disk answered with an error
    READ_ONLY = "read_only"  # the file system is mounted read-only, or the file is not ours to write
    CORRUPT = "corrupt"  # the file is damaged and a fresh one could not be made either
    LOCKED = "locked"  # another process holds the file
    NEWER = "newer"  # written by a newer release that older ones must not touch
    BUSY = "busy"  # too many operations wait for a blocked disk
    CLOSED = "closed"  # the store was closed


class StoreFailure(StoreError):
    """The store could not do what was asked: nothing of it is durable, and it may be tried again.

    Attributes:
        kind: why.
    """

    def __init__(self, kind: FailureKind, text: str) -> None:
        """Keep ``kind`` beside the text."""
        super().__init__(text)
        self.kind = kind


_FULL = {sqlite3.SQLITE_FULL}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DISK = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM}


def failure_of(error: sqlite3.Error, path: Path) -> StoreFailure:
    """Return the failure that ``error`` of SQLite means for the file at ``path``.

    An I/O error on a file system that is mounted read-only by now is ``READ_ONLY``: that is how a dying card looks.

    Raises:
        sqlite3.Error: ``error`` itself, where it is no failure of the file but a mistake of ours.
    """
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", None) or "no code"
    text = f"{path}: {error} ({name})"
    if code is None:
        raise error
    primary = code & 0xFF
    if primary in _CORRUPT:
        return StoreFailure(FailureKind.CORRUPT, text)
    if primary in _FULL:
        return StoreFailure(FailureKind.FULL, text)
    if primary in _LOCKED:
        return StoreFailure(FailureKind.LOCKED, text)
    if primary in _READ_ONLY or (primary in _DISK and mounted_read_only(path)):
        return StoreFailure(FailureKind.READ_ONLY, text)
    if primary in _DISK:
        return StoreFailure(FailureKind.IO, text)
    raise error


def failure_of_os(error: OSError, path: Path) -> StoreFailure:
    """Return the failure that an error of the operating system means for the file at ``path``."""
    text = f"{path}: {error.strerror or error} (errno {error.errno})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFailure(FailureKind.FULL, text)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreFailure(FailureKind.READ_ONLY, text)
    return StoreFailure(FailureKind.IO, text)


def mounted_read_only(path: Path) -> bool:
    """Return whether the file system of ``path`` is mounted read-only (false where that cannot be asked)."""
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False
