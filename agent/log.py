"""Logs: structlog, readable on a terminal, JSON under systemd.

An event is a constant ``noun.past_verb``; facts are keys with units; a condition is logged when it is raised and when
it is cleared, never once per poll. Id tokens only appear hashed (``IdToken.hashed``).
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TextIO, cast

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SECRET_KEYS: Final = frozenset({"password", "authorization_key", "key", "secret", "token", "id_token", "id_tag"})


_kept: list[Callable[[str], None]] = []  # who else takes each line
_wanted: list[tuple[str, str]] = [("info", "auto")]  # the newest call of set_up_logging


def set_up_logging(level: str = "info", form: str = "auto") -> None:
    """Say how the process logs; lines go to standard error.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``text``, ``json``, or ``auto``: JSON under systemd's journal or without a terminal.
    """
    _wanted.append((level, form))
    _configured.cache_clear()


def keep_lines(keep: Callable[[str], None] | None) -> None:
    """Have each line given to ``keep``, too; ``None``: to nobody else."""
    _kept[:] = [] if keep is None else [keep]


class _Out:
    """Standard error, and whoever keeps lines beside it."""

    def write(self, text: str) -> int:
        """Write a line."""
        for keep in _kept:
            keep(text)
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush standard error."""
        sys.stderr.flush()


@cache
def _configured() -> Any:
    # structlog's console renderer imports rich wherever it is installed (33 ms, 5 MiB). A station has no use for it.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None is how an import is forbidden
    import structlog

    level, form = _wanted[-1]
    as_json = form == "json" or (form == "auto" and ("JOURNAL_STREAM" in os.environ or not sys.stderr.isatty()))
    renderer: Any
    if as_json:
        renderer = structlog.processors.JSONRenderer(sort_keys=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
            exception_formatter=structlog.dev.plain_traceback,
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            structlog.processors.format_exc_info if as_json else _unchanged,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Out())),  # it writes and flushes, and no more
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    for name in ("websockets", "pymodbus", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return structlog


class Logger:
    """The logger of one room. The library loads with the first line, which comes after the boot notification."""

    def __init__(self, room: str) -> None:
        self._room = room
        self._bound: Any = None

    def __getattr__(self, level: str) -> Any:
        if self._bound is None:
            self._bound = _configured().get_logger().bind(room=self._room)
        return getattr(self._bound, level)


def get_logger(room: str) -> Any:
    """Return the logger of a room of the house: ``log.info("noun.past_verb", key=value)``."""
    return Logger(room)


def _redact(_logger: Any, _method: str, event: Any) -> Any:
    for key in event.keys() & _SECRET_KEYS:
        if not str(event[key]).startswith("id:"):  # a hashed id token is no secret
            event[key] = "***"
    return event


def _unchanged(_logger: Any, _method: str, event: Any) -> Any:
    return event


class Condition:
    """Log a condition when it is raised and when it is cleared, however often it is looked at."""

    def __init__(self, log: Any, event: str) -> None:
        """``event`` is the noun; ``.raised`` and ``.cleared`` are added."""
        self._log = log
        self._event = event
        self.raised = False

    def set(self, raised: bool, **fields: Any) -> bool:
        """Note the condition; return whether it changed."""
        if raised == self.raised:
            return False
        self.raised = raised
        if raised:
            self._log.warning(f"{self._event}.raised", **fields)
        else:
            self._log.info(f"{self._event}.cleared", **fields)
        return True
