"""Faults that outlive the guard: a small file in the state directory, written beside the scan, never by it.

The file is replaced atomically and flushed (write, fsync, rename, fsync of the directory). A file that cannot be read
counts as "every contactor welded": unknown is open.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from typing import Final

from agent.guard.checks import shown

FILE_NAME: Final = "guard-latched.json"


class LatchFile:
    """The latched faults in one state directory."""

    def __init__(self, state_dir: str) -> None:
        """Use ``state_dir``, which is created when the first fault is written."""
        self.path = os.path.join(state_dir, FILE_NAME)
        self.failure: str | None = None
        self._thread: threading.Thread | None = None

    def read_welded(self, evse_ids: Iterable[int]) -> frozenset[int]:
        """Return those of ``evse_ids`` whose contactor is latched as welded; all of them when the file is damaged."""
        known = frozenset(evse_ids)
        self.failure = None
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
            welded = content["welded"]
            if not isinstance(welded, list) or not all(type(entry) is int for entry in welded):
                raise ValueError(f"welded is {shown(welded)}, expected a list of EVSE ids")
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
            self.failure = f"{self.path} cannot be read: {problem}"
            return known
        return known & frozenset(welded)

    @property
    def busy(self) -> bool:
        """Return whether a write is under way; its result is in ``failure`` afterwards."""
        return self._thread is not None and self._thread.is_alive()

    def begin_write(self, welded: Iterable[int]) -> None:
        """Write ``welded`` on a thread of its own; call again with the whole set after ``failure``."""
        self._thread = threading.Thread(target=self._write, args=(sorted(welded),), name="latch", daemon=True)
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Wait for a write under way."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def clear(self) -> bool:
        """Remove every latched fault durably; return whether there was a file. Raises ``OSError``."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        _flush_directory(os.path.dirname(self.path))
        return True

    def _write(self, welded: list[int]) -> None:
        try:
            directory = os.path.dirname(self.path)
            os.makedirs(directory, exist_ok=True)
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                json.dump({"version": 1, "welded": welded}, file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(self.path + ".new", self.path)
            _flush_directory(directory)
        except OSError as problem:
            self.failure = f"{self.path} cannot be written: {problem}"
        else:
            self.failure = None


def _flush_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
