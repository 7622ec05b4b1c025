"""The faults of one EVSE: the guard's, the meter's, those told from outside, and the station's own."""

from __future__ import annotations

from agent.charging.readings import Meter
from agent.charging.surroundings import GUARD_GRACE_S, Surroundings
from agent.charging.turn import Turn
from agent.model.evse import EvseCondition
from agent.model.faults import Fault, FaultCode
from agent.model.station import EvseLayout, OnMeterLoss


class Faults:
    """Present faults of one EVSE; each is noted once when it is raised and once when it is cleared."""

    def __init__(self, layout: EvseLayout, around: Surroundings) -> None:
        """Begin without faults."""
        self._layout = layout
        self._around = around
        self._own: dict[FaultCode, Fault] = {}
        self._told: dict[FaultCode, Fault] = {}
        self._meter_due_s: float | None = None
        self._meter_from_s: float | None = None
        self._guard_away = True
        self._by_guard: tuple[FaultCode, ...] = ()

    def tell(self, fault: Fault, *, raised: bool) -> None:
        """Take a fault that somebody else found."""
        if raised:
            self._told[fault.code] = fault
        else:
            self._told.pop(fault.code, None)

    def present(self) -> tuple[Fault, ...]:
        """Return every present fault, the EVSE's own first."""
        station = {code: fault for code, fault in self._around.faults.items() if code not in self._own}
        told = {code: fault for code, fault in self._told.items() if code not in self._own}
        return (*self._own.values(), *told.values(), *station.values())

    def step(
        self,
        turn: Turn,
        condition: EvseCondition | None,
        meter: Meter,
        *,
        in_transaction: bool,
        over_current: str = "",
    ) -> None:
        """Bring the faults up to date with what is seen; ``over_current`` says how much the vehicle draws too much."""
        self._guard_away = condition is None
        if condition is not None:
            self._by_guard = condition.faults
        seen = dict.fromkeys(self._by_guard, (True, ""))  # while the guard is away its last word holds
        if condition is not None:
            seen |= {code: (True, text) for code, text in condition.fault_texts}
        if over_current:
            seen[FaultCode.OVER_CURRENT] = (True, over_current)
        if condition is None and turn.now_s >= self._guard_due_s:
            seen[FaultCode.GUARD_LOST] = (True, "no word from the guard")
        code = self._meter_fault(turn.now_s, meter, in_transaction)
        if code is not None:
            suspends = self._around.layout.on_meter_loss is OnMeterLoss.SUSPEND
            seen[code] = (suspends, meter.error)
        if meter.exchanged:
            seen[FaultCode.METER_EXCHANGED] = (False, meter.exchanged)
        for code in [code for code in self._own if code not in seen]:
            del self._own[code]
            turn.note("fault.cleared", self._layout.evse_id, code=code.value)
        for code, (blocking, text) in seen.items():
            if code not in self._own:
                self._own[code] = Fault(
                    code=code, evse_id=self._layout.evse_id, blocking=blocking, since_s=turn.now_s, text=text
                )
                turn.note("fault.raised", self._layout.evse_id, level="warning", code=code.value, blocking=blocking)

    def deadline_s(self) -> float | None:
        """Return when a fault may be raised without anything else happening."""
        due = [] if self._meter_due_s is None else [self._meter_due_s]
        if self._guard_away and FaultCode.GUARD_LOST not in self._own:
            due.append(self._guard_due_s)
        return min(due, default=None)

    @property
    def _guard_due_s(self) -> float:
        lost_s = self._around.guard_lost_s
        # A link without a report yet: the report is due at once, and another input comes with it.
        return float("inf") if lost_s is None else lost_s + GUARD_GRACE_S

    def _meter_fault(self, now_s: float, meter: Meter, in_transaction: bool) -> FaultCode | None:
        """A meter is missed where a transaction needs it, or where it fails aloud."""
        self._meter_due_s = None
        if not self._layout.metered or not (in_transaction or meter.error):
            self._meter_from_s = None
            return None
        if self._meter_from_s is None:
            self._meter_from_s = now_s
        last_s = self._meter_from_s if meter.newest is None else meter.newest.taken_s
        due_s = last_s + self._around.layout.meter_stale_s
        if now_s < due_s:
            self._meter_due_s = due_s
            return None
        return FaultCode.METER_SILENT if meter.refused_s is None else FaultCode.METER_IMPLAUSIBLE
