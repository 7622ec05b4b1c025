"""A small JSON file that outlives the guard: replaced atomically and flushed, beside the scan and never by it.

Write, fsync, rename, fsync of the directory: after a power cut there is the old file or the new one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from typing import Any


class KeptFile:
    """One file in a directory that is created when something is first written.

    Attributes:
        failure: what went wrong with the last read or write; ``None`` when nothing did.
    """

    def __init__(self, directory: str, name: str) -> None:
        """Use the file ``name`` in ``directory``; nothing is read or written yet."""
        self.path = os.path.join(directory, name)
        self.failure: str | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Return whether a write is under way; its result is in ``failure`` afterwards."""
        return self._thread is not None and self._thread.is_alive()

    def begin_write(self, content: Mapping[str, Any]) -> None:
        """Write ``content`` on a thread of its own; call again with the whole content after ``failure``."""
        self._thread = threading.Thread(target=self._write, args=(content,), name="kept file", daemon=True)
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Wait for a write under way."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def clear(self) -> bool:
        """Remove the file durably; return whether there was one. Raises ``OSError``."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return False
        _flush_directory(os.path.dirname(self.path))
        return True

    def _write(self, content: Mapping[str, Any]) -> None:
        try:
            directory = os.path.dirname(self.path)
            os.makedirs(directory, exist_ok=True)
            with open(self.path + ".new", "w", encoding="utf-8") as file:
                json.dump(content, file)
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
