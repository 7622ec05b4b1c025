"""What will happen in the world, and when. Pure: time is whatever the caller says."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable

Action = Callable[[float], None]


class Agenda:
    """Actions by due time; each has a key, and an action under the same key replaces the earlier one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._actions: dict[int, tuple[Hashable, Action]] = {}
        self._tickets: dict[Hashable, int] = {}
        self._last_ticket = 0

    def at(self, due_s: float, key: Hashable, action: Action) -> None:
        """Do ``action(due_s)`` at ``due_s``."""
        self.cancel(key)
        self._last_ticket += 1
        self._tickets[key] = self._last_ticket
        self._actions[self._last_ticket] = (key, action)
        heapq.heappush(self._heap, (due_s, self._last_ticket))

    def cancel(self, key: Hashable) -> None:
        """Forget what was planned under ``key``, if anything."""
        ticket = self._tickets.pop(key, None)
        if ticket is not None:
            del self._actions[ticket]

    def planned(self, key: Hashable) -> bool:
        """Return whether something is planned under ``key``."""
        return key in self._tickets

    def next_s(self) -> float | None:
        """Return when the next action is due."""
        while self._heap and self._heap[0][1] not in self._actions:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_s: float) -> tuple[float, Action] | None:
        """Remove and return the first action that is due at ``now_s``, with its time."""
        due_s = self.next_s()
        if due_s is None or due_s > now_s:
            return None
        _, ticket = heapq.heappop(self._heap)
        key, action = self._actions.pop(ticket)
        del self._tickets[key]
        return due_s, action
