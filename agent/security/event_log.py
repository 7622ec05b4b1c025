"""The security log: a bounded file of lines that survives restarts. One JSON object per line, oldest first.

Two files of at most 2,000 lines each: when the newer one is full it becomes the older one, so between 2,000 and 4,000
events are there once so many have happened. Whoever reads it may stop at a torn last line.

Source: security whitepaper A04 (every event is logged, the oldest go first).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from agent.model.moment import Stamp
from agent.model.security import SecurityEventKind
from agent.security.private_files import FILE_MODE, make_private_folder

NAME: Final = "security.log"
OLDER: Final = "security.log.1"
LINES: Final = 2_000
TEXT_CHARS: Final = 255


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``utc_s`` is ``None`` where nobody knew the time; the boot and its clock say the order."""

    event: SecurityEventKind
    critical: bool
    at: Stamp
    text: str = ""


class SecurityLog:
    """The log in one folder. One writer; readers may look at any time. ``most_lines``: of each of the two files."""

    def __init__(self, folder: Path, most_lines: int = LINES) -> None:
        self._most_lines = most_lines
        self.path = folder / NAME
        self._older = folder / OLDER
        self._lines: int | None = None

    def append(self, entry: Entry) -> None:
        """Write one entry, durably when this returns. Raises ``OSError``."""
        make_private_folder(self.path.parent)
        if self._lines is None:
            self._lines = _count(self.path)
        if self._lines >= self._most_lines:
            os.replace(self.path, self._older)
            self._lines = 0
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        with open(handle, "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(handle)
        self._lines += 1

    def entries(self) -> Iterator[Entry]:
        """Yield what is there, oldest first; lines that cannot be read are left out."""
        for path in (self._older, self.path):
            try:
                with path.open("rb") as file:
                    for line in file:
                        try:
                            yield msgspec.json.decode(line, type=Entry)
                        except ValueError:
                            continue
            except FileNotFoundError:
                continue


def _count(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except FileNotFoundError:
        return 0
