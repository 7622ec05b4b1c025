"""The faults of one EVSE: the guard's, the meter's, those told from outside, and the station's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from agent.charging.readings import Meter
from agent.charging.sides import Side, Sides
from agent.charging.surroundings import GUARD_GRACE_S, Surroundings
from agent.charging.turn import Turn
from agent.model.faults import Fault, FaultCode
from agent.model.station import EvseLayout, OnMeterLoss

Place = tuple[int | None, FaultCode]
"""A fault's connector, ``None`` for the EVSE as a whole, and its code."""
FORBID_SIBLINGS: Final = frozenset({FaultCode.CONTACTOR_WELDED})
"""Faults of one connector that keep every other connector of its EVSE open."""


class Faults:
    """Present faults of one EVSE; each is noted once when it is raised and once when it is cleared."""

    def __init__(self, layout: EvseLayout, around: Surroundings) -> None:
        """Begin without faults."""
        self._layout = layout
        self._around = around
        self._own: dict[Place, Fault] = {}
        self._used: int | None = None
        self._told: dict[FaultCode, Fault] = {}
        self._meter_due_s: float | None = None
        self._meter_from_s: float | None = None
        self._guard_away = True
        self._by_guard: dict[int | None, tuple[FaultCode, ...]] = {}

    def tell(self, fault: Fault, *, raised: bool) -> None:
        """Take a fault that somebody else found."""
        if raised:
            self._told[fault.code] = fault
        else:
            self._told.pop(fault.code, None)

    def present(self) -> tuple[Fault, ...]:
        """Return every present fault that concerns a charge now, the EVSE's own first."""
        return self.against(self._used)

    def against(self, connector_id: int | None) -> tuple[Fault, ...]:
        """Return every present fault that concerns a charge at a connector; a sibling's may be among them."""
        return self._with_others(
            fault
            for (place, code), fault in self._own.items()
            if place in (None, connector_id) or code in FORBID_SIBLINGS
        )

    def of(self, connector_id: int) -> tuple[Fault, ...]:
        """Return every present fault of one of several connectors, those of the EVSE as a whole included."""
        return self._with_others(fault for (place, _), fault in self._own.items() if place in (None, connector_id))

    def _with_others(self, found: Iterable[Fault]) -> tuple[Fault, ...]:
        own = tuple(found)
        codes = {fault.code for fault in own}
        station = {code: fault for code, fault in self._around.faults.items() if code not in codes}
        told = {code: fault for code, fault in self._told.items() if code not in codes}
        return (*own, *told.values(), *station.values())

    def step(
        self,
        turn: Turn,
        sides: Sides,
        used: Side,
        meter: Meter,
        *,
        in_transaction: bool,
        over_current: str = "",
    ) -> None:
        """Bring the faults up to date with what is seen; ``over_current`` says how much the vehicle draws too much."""
        self._guard_away = used.condition is None
        self._used = used.connector_id if sides.several else None
        seen: dict[Place, tuple[bool, str]] = {}
        for side in sides:
            self._see(side, side.connector_id if sides.several else None, seen)
        if over_current:
            seen[self._used, FaultCode.OVER_CURRENT] = (True, over_current)
        if self._guard_away and turn.now_s >= self._guard_due_s:
            seen[None, FaultCode.GUARD_LOST] = (True, "no word from the guard")
        code = self._meter_fault(turn.now_s, meter, in_transaction)
        if code is not None:
            suspends = self._around.layout.on_meter_loss is OnMeterLoss.SUSPEND
            seen[None, code] = (suspends, meter.error)
        if meter.exchanged:
            seen[None, FaultCode.METER_EXCHANGED] = (False, meter.exchanged)
        self._tell_changes(seen, turn)

    def _see(self, side: Side, place: int | None, seen: dict[Place, tuple[bool, str]]) -> None:
        """Take the guard's word on a connector; while it is away its last word holds."""
        condition = side.condition
        if condition is not None:
            self._by_guard[place] = condition.faults
        for code in self._by_guard.get(place, ()):
            seen[place, code] = (True, "")
        for code, text in () if condition is None else condition.fault_texts:
            seen[place, code] = (True, text)

    def _tell_changes(self, seen: dict[Place, tuple[bool, str]], turn: Turn) -> None:
        evse_id = self._layout.evse_id
        for place in [place for place in self._own if place not in seen]:
            del self._own[place]
            turn.note("fault.cleared", evse_id, code=place[1].value, **_connector(place))
        for place, (blocking, text) in seen.items():
            if place not in self._own:
                connector_id, code = place
                self._own[place] = Fault(
                    code=code,
                    evse_id=evse_id,
                    blocking=blocking,
                    since_s=turn.now_s,
                    text=text,
                    connector_id=connector_id,
                )
                turn.note(
                    "fault.raised", evse_id, level="warning", code=code.value, blocking=blocking, **_connector(place)
                )

    def deadline_s(self) -> float | None:
        """Return when a fault may be raised without anything else happening."""
        due = [] if self._meter_due_s is None else [self._meter_due_s]
        if self._guard_away and (None, FaultCode.GUARD_LOST) not in self._own:
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


def _connector(place: Place) -> dict[str, Any]:
    return {} if place[0] is None else {"connector_id": place[0]}
