"""What the log is told of an EVSE, whoever runs its pilot: each change once."""

from __future__ import annotations

from collections.abc import Callable

from agent.guard.log import Log
from agent.guard.wire import GuardFault, PilotState


class Told:
    """Remembers what was said last."""

    def __init__(self, evse_id: int, log: Log) -> None:
        """Nothing was said yet."""
        self._evse_id = evse_id
        self._log = log
        self._state: PilotState | None = None
        self._offer_a: float | None = None
        self._faults: tuple[GuardFault, ...] = ()

    def pilot(self, state: PilotState, offer_a: float | None) -> None:
        """Say the state of the pilot and the offer."""
        if state is not self._state:
            self._state = state
            self._log.info("pilot.changed", evse_id=self._evse_id, state=state.value)
        if offer_a != self._offer_a:
            self._offer_a = offer_a
            self._log.info("offer.changed", evse_id=self._evse_id, offer_a=offer_a)

    def faults(self, faults: tuple[GuardFault, ...], *, why: Callable[[GuardFault], str | None] | None = None) -> None:
        """Say the faults that are new, with what ``why`` knows of each, and those that are gone."""
        for fault in faults:
            if fault not in self._faults:
                problem = {} if why is None else {"problem": why(fault)}
                self._log.warning("fault.raised", evse_id=self._evse_id, fault=fault.value, **problem)
        for fault in self._faults:
            if fault not in faults:
                self._log.info("fault.cleared", evse_id=self._evse_id, fault=fault.value)
        self._faults = faults
