"""When samples are due.

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
from drivers.api import MeterReading

DAY_S: Final = 86400.0


class PeriodicGrid:
    """Moments at a distance of one interval, counted from a start."""

    def __init__(self, start_s: float, variables: VariableBook, variable: str) -> None:
        """Begin at ``start_s``, monotonic; ``variable`` of SampledDataCtrlr is the interval, 0 for none."""
        self._start_s = start_s
        self._variables = variables
        self._variable = variable
        self._every_s = 0
        self._next_s: float | None = None

    def due(self, now: Stamp) -> bool:
        """Return whether a moment has come, once for each."""
        every_s = self._variables.integer("SampledDataCtrlr", self._variable)
        if every_s != self._every_s:
            self._every_s = every_s
            self._next_s = self._after(now.mono_s) if every_s > 0 else None
        if self._next_s is None or now.mono_s < self._next_s:
            return False
        self._next_s = self._after(now.mono_s)
        return True

    @property
    def deadline_s(self) -> float | None:
        """Return the next moment, monotonic; ``None``: there is none."""
        return self._next_s

    def _after(self, now_s: float) -> float:
        steps = math.floor((now_s - self._start_s) / self._every_s) + 1
        return self._start_s + steps * self._every_s


class ClockGrid:
    """Multiples of an interval since midnight UTC."""

    def __init__(self, variables: VariableBook, variable: str = "Interval") -> None:
        """Begin; ``variable`` of AlignedDataCtrlr is the interval, 0 for none."""
        self._variables = variables
        self._variable = variable
        self._seen_s: float | None = None  # the last moment that was seen, UTC

    def due(self, now: Stamp) -> float | None:
        """Return the moment that has come, s since 1970 UTC, once for each; ``None``: none has."""
        grid_s = self._grid(now)
        last_s, self._seen_s = self._seen_s, grid_s
        return grid_s if grid_s is not None and last_s is not None and grid_s > last_s else None

    def deadline_s(self, now: Stamp) -> float | None:
        """Return the next moment, monotonic; ``None``: there is none, or the time of day is unknown."""
        grid_s = self._grid(now)
        if grid_s is None or now.utc_s is None:
            return None
        every_s = self._variables.integer("AlignedDataCtrlr", self._variable)
        following_s = min(grid_s + every_s, (math.floor(now.utc_s / DAY_S) + 1) * DAY_S)
        # A millisecond later, so that rounding never wakes the core just before the moment.
        return now.mono_s + (following_s - now.utc_s) + 0.001

    def _grid(self, now: Stamp) -> float | None:
        every_s = self._variables.integer("AlignedDataCtrlr", self._variable)
        if every_s <= 0 or now.utc_s is None:
            return None
        midnight_s = math.floor(now.utc_s / DAY_S) * DAY_S
        return midnight_s + math.floor((now.utc_s - midnight_s) / every_s) * every_s


class Sampling:
    """The sampling times of one transaction, and which readings became samples.

    Attributes:
        periodic: samples that are sent. ended, ended_clock: samples that are kept for the end.
    """

    def __init__(self, start_s: float, variables: VariableBook) -> None:
        """Begin grids at ``start_s``, monotonic."""
        self.periodic = PeriodicGrid(start_s, variables, "TxUpdatedInterval")
        self.ended = PeriodicGrid(start_s, variables, "TxEndedInterval")
        self.ended_clock = ClockGrid(variables, "TxEndedInterval")
        self._used_s: dict[tuple[SampleContext, bool], float] = {}
        self._since: dict[tuple[SampleContext, bool], MeterReading] = {}
        self._told_s = float("-inf")
        self.first: MeterReading | None = None

    def use(self, context: SampleContext, reading: MeterReading, *, kept: bool = False) -> MeterReading | None:
        """Take a reading for a sample; return the one before it, at which its interval began.

        Args:
            context: why.
            reading: a reading that ``is_new``.
            kept: the sample is kept for the end rather than sent.
        """
        place = (context, kept)
        before = self._since.get(place, self.first)
        self._used_s[place] = reading.taken_s
        self._since[place] = reading
        return before

    @property
    def last_kept(self) -> MeterReading | None:
        """Return the reading of the newest sample that is kept for the end, or the first one of the transaction."""
        return self._since.get((SampleContext.PERIODIC, True), self.first)

    def moment(self, mono_s: float) -> float:
        """Return the moment that a sample carries: its own, but never before the one of the sample sent before it.

        A periodic sample of a reading that was taken just before a moment of the clock's grid would seem older.
        """
        self._told_s = max(self._told_s, mono_s)
        return self._told_s

    def is_new(self, context: SampleContext, reading: MeterReading, *, kept: bool = False) -> bool:
        """Return whether a reading may become a sample: each one once, however long no newer one comes."""
        return reading.taken_s > self._used_s.get((context, kept), float("-inf"))

    def deadline_s(self, now: Stamp) -> float | None:
        """Return when the next sample is due, monotonic."""
        due = (self.periodic.deadline_s, self.ended.deadline_s, self.ended_clock.deadline_s(now))
        return min((each for each in due if each is not None), default=None)
