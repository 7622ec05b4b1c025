"""A little room kept back on the disk, so that a running session can still be ended when all else has filled it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 2 * 1024 * 1024  # a write-ahead log of 4 MiB (its usual most) folds into less new file than this
REFILL_FREE_BYTES: Final = 16 * 1024 * 1024  # the reserve is made again once this much is free


class Reserve:
    """The reserve file beside the journal."""

    def __init__(self, path: Path) -> None:
        """Use ``path``; nothing is made yet."""
        self._path = path

    @property
    def held(self) -> bool:
        """Whether the room is kept back at present."""
        return self._size() >= RESERVE_BYTES

    def release(self) -> bool:
        """Give the room to the journal, however much it is; return whether there was any."""
        if not self._size():
            return False
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def refill(self) -> bool:
        """Keep the room back again where there is enough of it; return whether it is kept back now."""
        if self.held:
            return True
        try:
            free = os.statvfs(self._path.parent)
            if free.f_bavail * free.f_frsize < REFILL_FREE_BYTES:
                return False
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
