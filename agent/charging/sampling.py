"""When samples of a running transaction are due.

Periodic samples lie on a grid from the transaction's start (OCPP 1.6 §3.16.1), clock-aligned ones on multiples of the
interval since midnight UTC (§3.16.2) as long as the time of day is known. A sample without a fresh reading is skipped,
never invented; after a restart or a jump of the clock nothing is made up for.
"""

from __future__ import annotations

import math
from typing import Final

from agent.model.moment import Stamp
from agent.model.sample import SampleContext
from agent.model.variables import VariableBook

DAY_S: Final = 86400.0


class Sampling:
    """The sampling times of one transaction."""

    def __init__(self, start_s: float, variables: VariableBook) -> None:
        """Begin a grid at ``start_s``, monotonic."""
        self._start_s = start_s
        self._variables = variables
        self._every_s = 0
        self._next_s: float | None = None
        self._aligned_s: float | None = None  # the last grid moment that was seen, UTC
        self._used_s: dict[SampleContext, float] = {}

    def periodic_due(self, now: Stamp) -> bool:
        """Return whether a periodic sample is due now, once."""
        every_s = self._variables.integer("SampledDataCtrlr", "TxUpdatedInterval")
        if every_s != self._every_s:
            self._every_s = every_s
            self._next_s = self._after(now.mono_s) if every_s > 0 else None
        if self._next_s is None or now.mono_s < self._next_s:
            return False
        self._next_s = self._after(now.mono_s)
        return True

    def aligned_due(self, now: Stamp) -> bool:
        """Return whether a clock-aligned sample is due now, once."""
        grid_s = self._grid(now)
        last_s, self._aligned_s = self._aligned_s, grid_s
        return grid_s is not None and last_s is not None and grid_s > last_s

    def is_new(self, context: SampleContext, taken_s: float) -> bool:
        """Return whether a reading may become a sample: each one once, however long no newer one comes."""
        if taken_s <= self._used_s.get(context, float("-inf")):
            return False
        self._used_s[context] = taken_s
        return True

    def deadline_s(self, now: Stamp) -> float | None:
        """Return when the next sample is due, monotonic."""
        due = [self._next_s] if self._next_s is not None else []
        grid_s = self._grid(now)
        if grid_s is not None and now.utc_s is not None:
            every_s = self._variables.integer("AlignedDataCtrlr", "Interval")
            following_s = min(grid_s + every_s, (math.floor(now.utc_s / DAY_S) + 1) * DAY_S)
            # A millisecond later, so that rounding never wakes the core just before the moment.
            due.append(now.mono_s + (following_s - now.utc_s) + 0.001)
        return min(due, default=None)

    def _grid(self, now: Stamp) -> float | None:
        every_s = self._variables.integer("AlignedDataCtrlr", "Interval")
        if every_s <= 0 or now.utc_s is None:
            return None
        midnight_s = math.floor(now.utc_s / DAY_S) * DAY_S
        return midnight_s + math.floor((now.utc_s - midnight_s) / every_s) * every_s

    def _after(self, now_s: float) -> float:
        steps = math.floor((now_s - self._start_s) / self._every_s) + 1
        return self._start_s + steps * self._every_s
