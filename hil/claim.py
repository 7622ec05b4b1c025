"""One server per folder: a lock that its process holds while it lives, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Taken(Exception):
    """Somebody else holds the lock. ``holder`` is the process that the file names, "unknown" where it names none."""

    def __init__(self, path: Path, holder: str) -> None:
        """Say so."""
        super().__init__(f"{path} is held by process {holder}")
        self.holder = holder


def claim(path: Path) -> int:
    """Take the lock ``path`` and write this process's id into it.

    Returns:
        The descriptor; the lock is given back when it is closed, or by the kernel when the process dies. The file
        stays.

    Raises:
        Taken: another one holds it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        named = os.read(fd, 32).decode(errors="replace").strip()
        os.close(fd)
        raise Taken(path, named or "unknown") from exc
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd
