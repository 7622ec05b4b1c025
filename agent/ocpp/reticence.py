"""How much a stranger can make the station say: log lines and triggered messages, by budgets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.ocpp.session_outputs import LogLine, Output

LINES_AT_ONCE: Final = 30  # of one event
SECONDS_PER_LINE: Final = 2.0
_UNLOGGED: Final = "unlogged"


class Budget:
    """So many at once, then one more each so many seconds."""

    def __init__(self, at_once: int, seconds_each: float) -> None:
        self._at_once = float(at_once)
        self._seconds_each = seconds_each
        self._left = self._at_once
        self._since_s = 0.0

    def spend(self, now_s: float) -> bool:
        """Return whether there is one more, and take it."""
        self._left = min(self._at_once, self._left + max(0.0, now_s - self._since_s) / self._seconds_each)
        self._since_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Reticence:
    """Lets each kind of log line pass within its budget; the next one that passes says how many did not."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        self._swallowed: dict[str, int] = {}

    def heard(self, outputs: Iterable[Output], now_s: float) -> list[Output]:
        """Return the outputs without the log lines that are too many."""
        return [kept for each in outputs if (kept := self._one(each, now_s)) is not None]

    def _one(self, output: Output, now_s: float) -> Output | None:
        if not isinstance(output, LogLine):
            return output
        event = output.event
        budget = self._budgets.get(event)
        if budget is None:
            budget = self._budgets[event] = Budget(LINES_AT_ONCE, SECONDS_PER_LINE)
        if not budget.spend(now_s):
            self._swallowed[event] = self._swallowed.get(event, 0) + 1
            return None
        swallowed = self._swallowed.pop(event, 0)
        if not swallowed:
            return output
        return LogLine(event=event, level=output.level, fields={**output.fields, _UNLOGGED: swallowed})
