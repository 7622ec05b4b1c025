"""When to try the CSMS again. Pure: the caller gives the time and the chance.

    wait = RetryBackOffWaitMinimum * 2^min(failures, RetryBackOffRepeatTimes) + random(0..RetryBackOffRandomRange)

The first part is a day at most.

A connection counts as a success only after it was useful: registered, and up for a while. Servers exist that accept the
upgrade and close at once (unknown station: 1008; broker trouble: 1011); they must not reset the wait.

Source: OCPP 2.0.1 part 4 §5.3 and its errata; the scheme suits 1.6 as well, which leaves it open (OCPP-J §3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.model.variables import VariableBook

LEAST_WAIT_S: Final = 1.0  # an immediate reconnect can find its own stale session (CitrineOS: close 1011)
STABLE_AFTER_S: Final = 10.0  # from here on a registered connection has proven itself
MOST_DOUBLINGS: Final = 10
MOST_WAIT_S: Final = 86_400.0  # without chance; no setting of the CSMS may keep the station away from it for weeks


class BackOff:
    """Waits between connections. ``chance`` returns a number in [0, 1): ``random.random`` outside of tests."""

    def __init__(self, variables: VariableBook, chance: Callable[[], float]) -> None:
        self._variables = variables
        self._chance = chance
        self._failures = 0

    def wait_s(self) -> float:
        """Return how long to wait before the next try, at least 1 s, and count that try."""
        minimum = self._variables.integer("OCPPCommCtrlr", "RetryBackOffWaitMinimum")
        span = self._variables.integer("OCPPCommCtrlr", "RetryBackOffRandomRange")
        doublings = self._variables.integer("OCPPCommCtrlr", "RetryBackOffRepeatTimes")
        rounds = min(self._failures, doublings, MOST_DOUBLINGS)
        self._failures += 1
        return min(max(LEAST_WAIT_S, float(minimum * 2**rounds)), MOST_WAIT_S) + span * self._chance()

    def ended(self, *, registered: bool, lasted_s: float) -> None:
        """Take note of a connection's end: one that was registered and stable makes the next wait a first one."""
        if registered and lasted_s >= STABLE_AFTER_S:
            self._failures = 0
