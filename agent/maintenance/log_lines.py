"""The station's log lines: systemd's journal where it may be read, else a ring of two files of the station's own.

The ring stands in the run folder, which is memory: it costs no flash, survives a restart of the software and not a
power cut. Blocking; run it in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

UNITS: Final = ("charge-agent.service", "charge-guard.service")
MOST_LINES: Final = 20_000
RING_B: Final = 1 << 20
NAME: Final = "agent.log"
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-]\d\d:?\d\d)?")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class TimeRange(msgspec.Struct, frozen=True, kw_only=True):
    """A time that is asked about, s since 1970; ``None``: no bound. Both bounds belong to it."""

    oldest_utc_s: float | None = None
    latest_utc_s: float | None = None

    def holds(self, utc_s: float | None) -> bool:
        """Return whether a moment belongs to it; an unknown one does."""
        if utc_s is None:
            return True
        early = self.oldest_utc_s is not None and utc_s < self.oldest_utc_s
        late = self.latest_utc_s is not None and utc_s > self.latest_utc_s
        return not (early or late)

    def holds_text(self, text: str) -> bool:
        """Return whether the moment that a text names first belongs to it; one that names none does."""
        return self.holds(moment_in(text))


def moment_in(text: str) -> float | None:
    """Return the first moment that a text names, s since 1970; without a zone it is UTC."""
    found = _STAMP.search(text)
    if found is None:
        return None
    zone = (found[3] or "Z").replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").timestamp()
    except ValueError:
        return None


class LogRing:
    """Keeps the newest lines in two files. ``most_b``: of each."""

    def __init__(self, folder: Path, most_b: int = RING_B) -> None:
        self._path = folder / NAME
        self._older = folder / (NAME + ".1")
        self._most_b = most_b
        self._size_b: int | None = None

    def write(self, text: str) -> None:
        """Keep a line; a disk that does not take it is no trouble for who logs."""
        content = _COLOURS.sub("", text).encode(errors="replace")
        try:
            if self._size_b is None:
                self._size_b = self._path.stat().st_size if self._path.exists() else 0
            if self._size_b + len(content) > self._most_b:
                os.replace(self._path, self._older)
                self._size_b = 0
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            with open(handle, "wb") as file:
                file.write(content)
            self._size_b += len(content)
        except OSError:
            self._size_b = None

    def lines(self) -> Iterator[str]:
        """Yield the lines, oldest first."""
        for path in (self._older, self._path):
            try:
                with path.open(encoding="utf-8", errors="replace") as file:
                    yield from file
            except OSError:
                continue


def log_lines(run_dir: Path, when: TimeRange, *, journal: bool) -> Iterator[str]:
    """Yield log lines of a time, oldest first.

    Args:
        run_dir: where the ring is. journal: the station's processes write to systemd's journal, which holds more; it
            can be read by the group systemd-journal.
    """
    if journal and shutil.which("journalctl"):
        found = _from_journal(when)
        first = next(found, None)
        if first is not None:
            return _of_time(chain((first,), found), when)
    return _of_time(LogRing(run_dir).lines(), when)


def _of_time(lines: Iterable[str], when: TimeRange) -> Iterator[str]:
    wanted = True
    for line in lines:
        moment = moment_in(line[:200])
        wanted = wanted if moment is None else when.holds(moment)  # a trace's lines belong to the line above
        if wanted:
            yield line


def _from_journal(when: TimeRange) -> Iterator[str]:
    words = ["journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso-precise", f"--lines={MOST_LINES}"]
    words += [word for unit in UNITS for word in ("--unit", unit)]
    for name, moment in (("--since", when.oldest_utc_s), ("--until", when.latest_utc_s)):
        if moment is not None:
            words.append(f"{name}={datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC")
    try:
        with subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            encoding="utf-8", errors="replace",
        ) as child:  # fmt: skip
            try:
                assert child.stdout is not None
                yield from child.stdout
            finally:
                child.kill()
    except OSError:
        return
