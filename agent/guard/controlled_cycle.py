"""One EVSE whose pilot and contactor belong to a bought controller: what it is ordered, and whether it obeys. Pure.

The controller measures the pilot, checks the diode, drives the contactor. Here is decided what it may offer, from the
permit, our own inputs and its newest snapshot; and judged whether what it reports is within what it was ordered. No
permit, a fault, an unknown input or a snapshot too old is the order "no current". An order that is not obeyed in its
time is a fault; a contactor that stays closed is one, too, and outlives the guard where a feedback contact says so.
"""

from __future__ import annotations

from typing import Final

from agent.guard.controlled_values import FAULT_OF, REASON_OF, ControlledInputs, ControlledSettings, latched
from agent.guard.inputs import Watches
from agent.guard.interlock import Reason
from agent.guard.pilot import MIN_OFFER_A, VEHICLE_STATES
from agent.guard.timings import OFFER_CHANGE_S
from agent.guard.wire import REASON_CHARS, ContactorState, GuardFault, LockState, OpenReason, Permit, PilotState, Report
from drivers.api.controllers import (
    ControllerFault,
    ControllerOrder,
    ControllerReading,
    ControllerTraits,
    VehicleState,
)

QUIET_S: Final = 0.05  # with nothing new, judged at least so often; house rule
SPARE_A: Final = 0.5  # what an offer may exceed its order by: controllers round; EVerest's soft limit has the same
WELD_TOLD_S: Final = 1.0  # a weld that the controller reports for so long outlives the guard; house rule
LEFT_S: Final = (
    0.25  # a contactor that nobody reports is open so long after the vehicle left C. everest-chargebyte: 250 ms
)

_AT_ONCE: Final = frozenset({GuardFault.RCD_TRIPPED, GuardFault.EMERGENCY_STOP, GuardFault.CONTACTOR_WELDED})
_READY: Final = frozenset({PilotState.C, PilotState.D})
_PILOT_OF: Final = {state: PilotState(state.value) for state in VehicleState}


class ControlledCycle:
    """The state of one controlled EVSE between two scans. ``order`` is what the controller shall be told."""

    def __init__(
        self, settings: ControlledSettings, traits: ControllerTraits, *, welded: bool, locks: bool, now_s: float
    ) -> None:
        """Start with the order "no current"; ``welded`` is a latched verdict of an earlier run, ``locks``: we lock."""
        self.settings = settings
        self.traits = traits
        self.welded = welded
        self.pilot = PilotState.UNKNOWN
        self.contactor = ContactorState.UNKNOWN
        self.contactor_since_s = now_s
        self.closings = 0
        self.faults: tuple[GuardFault, ...] = ()
        self.waiting_for: tuple[Reason, ...] = ()
        self.permit: Permit | None = None
        self.order = ControllerOrder(locked=True if locks else None)
        self.open_reason = OpenReason.STARTED
        self._locks = locks
        self._held = locks
        self._running = True
        self._started_s = self._now_s = now_s
        self._permit_until_s = 0.0
        self._permit_end = OpenReason.PERMIT_WITHDRAWN
        self._zero_reason = OpenReason.STARTED
        self._ordered_s = now_s
        self._fresh = False
        self._fresh_since_s = now_s
        self._left_s: float | None = None
        self._weld_told_s: float | None = None
        self._closed_s: float | None = None
        self._vehicle_there: bool | None = None
        self._disobeyed = False
        self._disobeyed_why = ""
        self._rcd_latched = False
        self._stop_latched = False
        self._watches = Watches(settings.watched)
        self._seen: tuple[object, ...] = ()
        self._quiet_until_s = 0.0

    # What the agent may say.

    def grant(self, permit: Permit, now_s: float) -> str | None:
        """Put ``permit`` in force in place of the one before; return why not, or ``None``."""
        if not self._running:
            return "the guard is stopping"
        if permit.phases != self.settings.phases:
            return f"phases {permit.phases} cannot be kept: the controller switches {self.settings.phases} together"
        if permit.valid_for_s <= 0.0:
            return f"valid_for_s {permit.valid_for_s:g} is over on arrival"
        self._quiet_until_s = 0.0
        self.permit = permit
        self._permit_until_s = now_s + min(permit.valid_for_s, self.settings.permit_max_s)
        return None

    def withdraw(self) -> None:
        """End the permit: "no current" goes out with the next scan; the controller gives the vehicle its time."""
        self._quiet_until_s = 0.0
        self._end_permit(OpenReason.PERMIT_WITHDRAWN)

    def hold_cable(self, held: bool, *, kept: bool = False) -> None:
        """Hold the cable, or release it once the contactor is open; nothing where the controller locks by itself."""
        self._quiet_until_s = 0.0
        self._held = held

    def stop(self) -> None:
        """The guard ends: "no current", never again another order."""
        self._quiet_until_s = 0.0
        self._running = False

    @property
    def plugged(self) -> bool | None:
        """Return whether a vehicle is connected, ``None`` for unknown."""
        if self.pilot in VEHICLE_STATES:
            return True
        return False if self.pilot is PilotState.A else None

    @property
    def stopped(self) -> bool:
        """Return whether, after ``stop``, the contactor is open, or the controller had all its time."""
        return not self._running and self.order.current_a is None and not self._may_be_closed

    # The scan.

    def scan(self, inputs: ControlledInputs, now_s: float) -> bool:
        """Judge ``inputs`` at monotonic ``now_s``; return whether anything may be new."""
        reading = inputs.reading
        fresh = reading is not None and now_s - reading.taken_s <= self.traits.stale_s
        seen = (reading, fresh, inputs.main_closed, inputs.rcd_tripped, inputs.emergency_stop, inputs.watched)
        if now_s < self._quiet_until_s and seen == self._seen:
            return False
        self._seen = seen
        self._quiet_until_s = now_s + QUIET_S
        self._now_s = now_s
        if self.permit is not None and now_s >= self._permit_until_s:
            self._end_permit(OpenReason.PERMIT_EXPIRED)
        if fresh and not self._fresh and reading is not None:
            self._fresh_since_s = reading.taken_s
        self._fresh = fresh
        view = reading if fresh else None
        self._judge_vehicle(view)
        self._judge_contactor(view, inputs, now_s)
        self._judge_obedience(view, inputs, now_s)
        self._judge_faults(view, inputs, now_s)
        self._choose_order(view, inputs, now_s)
        return True

    @property
    def _may_be_closed(self) -> bool:
        """Return whether the contactor may still carry load after "no current"."""
        if self.contactor is ContactorState.OPEN:
            return False
        return self._now_s - self._ordered_s < self.traits.open_s

    def _judge_vehicle(self, view: ControllerReading | None) -> None:
        if view is None:
            self.pilot = PilotState.UNKNOWN
            return
        if view.vehicle is not None:
            self.pilot = _PILOT_OF[view.vehicle]
        else:
            self.pilot = PilotState.FAULT if ControllerFault.PILOT in view.faults else PilotState.UNKNOWN
        if self.pilot is PilotState.A:
            if self._vehicle_there:
                self._end_permit(OpenReason.PERMIT_WITHDRAWN)  # it was for the vehicle that has left
            self._vehicle_there = False
        elif self.pilot in VEHICLE_STATES:
            self._vehicle_there = True

    def _judge_contactor(self, view: ControllerReading | None, inputs: ControlledInputs, now_s: float) -> None:
        closed: bool | None
        if self.settings.has_mirror:
            closed = inputs.main_closed
        elif view is None:
            closed = None
        elif view.contactor_closed is not None:
            closed = view.contactor_closed
        else:
            closed = self._as_commanded(view, now_s)
        state = {True: ContactorState.CLOSED, False: ContactorState.OPEN, None: ContactorState.UNKNOWN}[closed]
        if state is self.contactor:
            return
        if state is ContactorState.CLOSED:
            self.closings += self.contactor is ContactorState.OPEN  # found closed is not seen to close
            self._closed_s = now_s
        elif state is ContactorState.OPEN and self.contactor is ContactorState.CLOSED:
            self.open_reason = OpenReason.VEHICLE_LEFT_C if self.order.current_a is not None else self._zero_reason
        self.contactor = state
        self.contactor_since_s = now_s

    def _as_commanded(self, view: ControllerReading, now_s: float) -> bool:
        """Return where a contactor must be that nobody reports: closed in C and D while an offer lasts.

        After the end of the offer it counts as closed until the vehicle has left C, at most as long as the controller
        may take; after the vehicle left C, until the controller must have opened.
        """
        was_closed = self.contactor is ContactorState.CLOSED
        if self.pilot in _READY:
            self._left_s = None
            if (view.offer_a or 0.0) > 0.0 or (view.offer_a is None and self.order.current_a is not None):
                return True
            return was_closed and now_s - self._ordered_s < self.traits.open_s
        if self._left_s is None:
            self._left_s = view.taken_s
        return was_closed and view.taken_s - self._left_s < LEFT_S

    def _judge_obedience(self, view: ControllerReading | None, inputs: ControlledInputs, now_s: float) -> None:
        """Compare what the controller does with what it was ordered; a lost one is judged anew from its return on."""
        if view is None:
            return
        age_s = view.taken_s - max(self._ordered_s, self._fresh_since_s)
        ordered_a = self.order.current_a
        if self._disobeyed:
            exceeds = (view.offer_a or 0.0) > (ordered_a or 0.0) + SPARE_A or self.contactor is not ContactorState.OPEN
            if self.pilot is PilotState.A and not exceeds:
                self._disobeyed = False
        if age_s >= self.traits.obey_s and (view.offer_a or 0.0) > (ordered_a or 0.0) + (SPARE_A if ordered_a else 0.0):
            ordered = "nothing" if ordered_a is None else f"{ordered_a:g} A"
            self._disobey(f"it offers {view.offer_a:g} A, ordered is {ordered}")
        if ordered_a is not None or age_s < self.traits.open_s:
            return
        if self.settings.has_mirror:
            self.welded = self.welded or inputs.main_closed is True
        elif view.contactor_closed:
            if self.traits.contactor_sensed:
                self.welded = True
            else:
                self._disobey(f"its contactor is closed {self.traits.open_s:g} s after the order to offer nothing")

    def _disobey(self, why: str) -> None:
        if not self._disobeyed:
            self._disobeyed, self._disobeyed_why = True, why

    def _judge_faults(self, view: ControllerReading | None, inputs: ControlledInputs, now_s: float) -> None:
        told = set() if view is None else {FAULT_OF[fault] for fault in view.faults}
        if view is None or GuardFault.CONTACTOR_WELDED not in told:
            self._weld_told_s = None
        elif self._weld_told_s is None:
            self._weld_told_s = view.taken_s
        elif view.taken_s - self._weld_told_s >= WELD_TOLD_S:
            self.welded = True
        gone = self.pilot is PilotState.A
        self._rcd_latched = latched(self._rcd_latched, inputs.rcd_tripped, gone=gone, latches=self.settings.rcd_latches)
        self._stop_latched = latched(
            self._stop_latched, inputs.emergency_stop, gone=gone, latches=self.settings.emergency_stop_latches
        )
        self._watches.step(inputs.watched, may_clear=gone)
        told.update(self._watches.faults)
        if self.welded:
            told.add(GuardFault.CONTACTOR_WELDED)
        if self._rcd_latched:
            told.add(GuardFault.RCD_TRIPPED)
        if self._stop_latched:
            told.add(GuardFault.EMERGENCY_STOP)
        if self._disobeyed:
            told.add(GuardFault.CONTROLLER_DISOBEYS)
        if self.pilot is PilotState.D and not self.settings.ventilation:
            told.add(GuardFault.VENTILATION_MISSING)
        if self.pilot in (PilotState.E, PilotState.F, PilotState.FAULT) and not told:
            told.add(GuardFault.PILOT_ERROR)
        if now_s - self._started_s >= self.traits.stale_s:
            if view is None:
                told.add(GuardFault.POWER_PATH_LOST)
            if not inputs.known:
                told.add(GuardFault.INPUT_UNKNOWN)
        if told != set(self.faults):
            self.faults = tuple(fault for fault in GuardFault if fault in told)

    def _against(self, view: ControllerReading | None, inputs: ControlledInputs, now_s: float) -> tuple[Reason, ...]:
        """Return every reason against an offer, and why none is taken up, most important first."""
        permit, offering = self.permit, self.order.current_a is not None
        too_soon = self._closed_s is not None and now_s - self._closed_s < self.settings.min_reclose_s
        watched = tuple((role not in self._watches.tripped, reason) for role, reason in REASON_OF.items())
        held = (
            (self._running, Reason.STOPPING),
            (not self.faults, Reason.FAULT),
            (inputs.emergency_stop is False and not self._stop_latched, Reason.EMERGENCY_STOP),
            (inputs.rcd_tripped is False and not self._rcd_latched, Reason.RCD),
            *watched,
            (inputs.known and view is not None, Reason.INPUT_UNKNOWN),
            (permit is not None, Reason.NO_PERMIT),
            (permit is None or self._limit_a(view) >= MIN_OFFER_A, Reason.PERMIT_BELOW_MINIMUM),
            (offering or not too_soon, Reason.RECLOSE_WAIT),
            (self.pilot is not PilotState.A, Reason.NO_VEHICLE),
            (self.pilot is PilotState.A or self.pilot in VEHICLE_STATES, Reason.NO_PILOT),
        )
        return tuple(dict.fromkeys(reason for given, reason in held if not given))

    def _choose_order(self, view: ControllerReading | None, inputs: ControlledInputs, now_s: float) -> None:
        against = self._against(view, inputs, now_s)
        locked = None if not self._locks else self._held or self._may_be_closed or self.permit is not None
        if against:
            at_once = not _AT_ONCE.isdisjoint(self.faults) or bool(self._watches.tripped)
            if self.order.current_a is not None:
                self._zero_reason = self._why_zero(against)
            self._give(ControllerOrder(at_once=at_once, locked=locked), now_s)
        else:
            current_a, offered_a = self._limit_a(view), self.order.current_a
            if offered_a is not None and now_s - self._ordered_s < OFFER_CHANGE_S:
                current_a = offered_a
            self._give(ControllerOrder(current_a=current_a, locked=locked), now_s)
        self.waiting_for = against or self._why_not_yet(view, now_s)

    def _why_not_yet(self, view: ControllerReading | None, now_s: float) -> tuple[Reason, ...]:
        """Return what a charge waits for that nothing here forbids."""
        slow = now_s - self._ordered_s >= self.traits.obey_s
        if slow and view is not None and view.offer_a == 0.0:
            return (Reason.NO_OFFER,)
        return (Reason.VEHICLE_NOT_READY,) if self.pilot is PilotState.B else ()

    def _give(self, order: ControllerOrder, now_s: float) -> None:
        if order == self.order:
            return
        if order.current_a != self.order.current_a:
            self._ordered_s = now_s
        self.order = order

    def _limit_a(self, view: ControllerReading | None) -> float:
        """Return what permit, wiring and cable allow, in whole steps of the controller."""
        limit_a = min(0.0 if self.permit is None else self.permit.max_current_a, self.settings.max_current_a)
        if view is not None and view.cable_a is not None:
            limit_a = min(limit_a, view.cable_a)
        step_a = self.traits.step_a
        return int(limit_a / step_a + 1e-6) * step_a

    def _why_zero(self, against: tuple[Reason, ...]) -> OpenReason:
        match against[0]:
            case Reason.STOPPING:
                return OpenReason.SHUTDOWN
            case Reason.NO_PERMIT | Reason.PERMIT_BELOW_MINIMUM:
                return OpenReason.VEHICLE_LEFT_C if Reason.NO_VEHICLE in against else self._permit_end
            case Reason.NO_VEHICLE:
                return OpenReason.VEHICLE_LEFT_C
            case _:
                return OpenReason.FAULT

    def _end_permit(self, reason: OpenReason) -> None:
        if self.permit is not None:
            self.permit = None
            self._permit_end = reason

    # The report.

    @property
    def offer_a(self) -> float | None:
        """Return what is offered, A; as ordered where the controller does not say; ``None`` for nothing or unknown."""
        reading = self._seen[0] if self._seen and self._fresh else None
        if not isinstance(reading, ControllerReading):
            return None
        if reading.offer_a is None:
            return self.order.current_a if self.pilot in VEHICLE_STATES else None
        return reading.offer_a or None

    def shown(self) -> tuple[object, ...]:
        """Return what makes a report worth sending at once when it changes."""
        permit = self.permit
        return (
            self.pilot,
            self.offer_a,
            self.order,
            self.contactor,
            self._reading_part()[:2],
            self.faults,
            self.waiting_for,
            permit and permit.permit_id,
            permit and permit.max_current_a,
            self.closings,
        )

    def report(self, *, seq: int, now_s: float, closings_total: int, trouble: str | None) -> Report:
        """Return the EVSE's state after the scan at ``now_s``.

        Args:
            closings_total: over all runs of the guard.
            trouble: why the controller cannot be reached, told while it counts as lost.
        """
        permit = self.permit
        cable_a, locked, temperature_c = self._reading_part()
        closing = self.order.current_a is not None and self.pilot in _READY and not self.waiting_for
        return Report(
            evse_id=self.settings.evse_id,
            seq=seq,
            at_s=now_s,
            pilot=self.pilot,
            high_v=None,
            low_v=None,
            plugged=self.plugged,
            cable_a=cable_a,
            offer_a=self.offer_a,
            coil=closing,
            contactor=self.contactor,
            contactor_since_s=self.contactor_since_s,
            lock=LockState.NONE if locked is None else LockState.LOCKED if locked else LockState.UNLOCKED,
            faults=self.faults,
            waiting_for=() if closing else tuple(reason.value for reason in self.waiting_for),
            permit_id=None if permit is None else permit.permit_id,
            permit_left_s=None if permit is None else max(0.0, self._permit_until_s - now_s),
            permit_a=None if permit is None else permit.max_current_a,
            permit_phases=None if permit is None else permit.phases,
            open_reason=self.open_reason,
            closings=self.closings,
            temperature_c=() if temperature_c is None else (round(temperature_c, 1),),
            phases=self.settings.phases,
            closings_total=closings_total,
            power_path_why=self.why(trouble)[:REASON_CHARS],
        )

    def why(self, trouble: str | None) -> str:
        """Return why the controller counts as lost (``trouble``), or what it does against its order; else nothing."""
        if GuardFault.POWER_PATH_LOST in self.faults:
            return trouble or f"the controller was not heard for {self.traits.stale_s:g} s"
        return self._disobeyed_why if self._disobeyed else ""

    def _reading_part(self) -> tuple[float | None, bool | None, float | None]:
        """Return cable, lock and temperature of a fresh snapshot."""
        reading = self._seen[0] if self._seen and self._fresh else None
        if not isinstance(reading, ControllerReading):
            return None, None, None
        return reading.cable_a, reading.locked, reading.temperature_c
