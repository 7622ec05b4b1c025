"""What the world saw: a ring of (time, signal, value), the newest value of each signal, and who waits for one."""

from __future__ import annotations

import asyncio
import operator
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

RING_ENTRIES: Final = 200_000
OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """At monotonic ``at_s`` a signal took a value."""

    at_s: float
    signal: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A comparison of one signal. A value of another kind than the signal's never meets it, except by ``!=``."""

    signal: str
    op: str
    value: Any

    def holds(self, value: Any) -> bool:
        """Return whether ``value`` meets the condition."""
        try:
            return OPERATORS[self.op](value, self.value)
        except TypeError:
            return False


class Trace:
    """Records values and wakes those who wait."""

    def __init__(self) -> None:
        self._ring: deque[Entry] = deque(maxlen=RING_ENTRIES)
        self._newest: dict[str, Entry] = {}
        self._waiting: dict[asyncio.Future[Entry], Condition] = {}

    @property
    def signals(self) -> list[str]:
        """Every signal that was ever recorded."""
        return sorted(self._newest)

    def record(self, at_s: float, signal: str, value: Any) -> None:
        """Record one value."""
        entry = Entry(at_s=at_s, signal=signal, value=value)
        self._ring.append(entry)
        self._newest[signal] = entry
        for future, condition in list(self._waiting.items()):
            if condition.signal == signal and condition.holds(value) and not future.done():
                future.set_result(entry)

    def newest(self, signal: str) -> Entry | None:
        """Return the newest entry of a signal."""
        return self._newest.get(signal)

    def entries(self, *, since_s: float, patterns: list[str], limit: int) -> list[Entry]:
        """Return the newest ``limit`` entries at or after ``since_s`` whose signal matches one of the patterns."""
        found: list[Entry] = []
        for entry in reversed(self._ring):
            if entry.at_s < since_s or len(found) >= limit:
                break
            if any(fnmatchcase(entry.signal, pattern) for pattern in patterns):
                found.append(entry)
        return found[::-1]

    async def wait(self, condition: Condition, *, since_s: float | None, timeout_s: float) -> Entry:
        """Return the entry with which the condition became true.

        Args:
            since_s: also accept that it was true for a moment at or after this time; ``None``: it must be true now or
                become so.

        Raises:
            TimeoutError: it did not within ``timeout_s``.
        """
        known = self._since_true(condition) if since_s is None else self._first_since(condition, since_s)
        if known is not None:
            return known
        future: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting[future] = condition
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        finally:
            del self._waiting[future]

    def _since_true(self, condition: Condition) -> Entry | None:
        newest = self._newest.get(condition.signal)
        if newest is None or not condition.holds(newest.value):
            return None
        for entry in reversed(self._ring):
            if entry.signal == condition.signal:
                if not condition.holds(entry.value):
                    break
                newest = entry
        return newest

    def _first_since(self, condition: Condition, since_s: float) -> Entry | None:
        before: Entry | None = None
        for entry in self._ring:
            if entry.signal != condition.signal:
                continue
            if entry.at_s < since_s:
                before = entry
            elif condition.holds(entry.value):
                if before is not None and condition.holds(before.value):
                    return before
                return entry
            else:
                if before is not None and condition.holds(before.value):
                    return before
                before = None
        return before if before is not None and condition.holds(before.value) else None
