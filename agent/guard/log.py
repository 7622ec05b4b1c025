"""The guard's own small logger: one line per event on stderr, and never a scan that waits for it.

The event is a constant ``noun.past_verb``; facts are keys with units. JSON under systemd, readable on a terminal.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Final

LINE_B: Final = 2048  # a line is cut here; a pipe that polls writable takes 4096 at once. pipe(7), PIPE_BUF


class Log:
    """Writes lines to a file descriptor that may be slow or gone: what cannot be written at once is counted."""

    def __init__(self, *, fd: int = 2, as_json: bool | None = None) -> None:
        """Write to ``fd``; as JSON where ``as_json`` says so or, left ``None``, where systemd collects stderr."""
        self._fd = fd
        self._as_json = "JOURNAL_STREAM" in os.environ if as_json is None else as_json
        self._dropped = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def info(self, event: str, **facts: object) -> None:
        """Log something that happened as it should."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Log something that somebody should know."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Log something that is wrong."""
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        if self._dropped:
            facts["lines_dropped_before"] = self._dropped
        line = self._line(level, event, facts).encode(errors="replace")
        if len(line) > LINE_B:
            line = line[: LINE_B - 4] + b"...\n"
        try:
            ready = self._poll.poll(0)
            if ready and ready[0][1] & select.POLLOUT:
                os.write(self._fd, line)
                self._dropped = 0
                return
        except OSError:
            pass  # nobody listens any more: counting is all that is left
        self._dropped += 1

    def _line(self, level: str, event: str, facts: dict[str, object]) -> str:
        if self._as_json:
            content = {"event": event, "level": level, "logger": "guard", "monotonic_s": round(time.monotonic(), 3)}
            return json.dumps(content | facts, default=str) + "\n"
        shown = " ".join(f"{key}={_plain(value)}" for key, value in facts.items())
        return f"{time.strftime('%H:%M:%S')} guard {level:<7} {event:<28} {shown}".rstrip() + "\n"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return json.dumps(text) if " " in text or not text else text
