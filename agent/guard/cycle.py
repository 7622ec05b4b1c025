"""One connector's turn in the scan: inputs and the time in, outputs out. Pure: no clock, no device, no socket.

Order within a scan: pilot, contactors and lock are judged, then the faults, then the interlock, then the offer, and
last the coil. Nothing is decided from anything but this scan's judgement, the permit, and faults that are latched.

The judgement is a function of what is remembered, what this scan saw, and the time. Where a judgement left all that it
remembers as it was, the next one with the same sight gives the same answer until a time limit is reached, and is not
made again before (``_quiet_until_s``). Anything new, anything that the agent says, and every time limit end that.
Where not even the pilot's sample told anything new, the whole scan need not be made again (``still_until_s``).
"""

from __future__ import annotations

from typing import Final

from agent.guard.cable_lock import CableLock
from agent.guard.contactor import Contactor
from agent.guard.cycle_values import CycleSettings, Inputs, Kept, Outputs
from agent.guard.inputs import InputRole
from agent.guard.interlock import Permissions, Reason, against_offer, missing
from agent.guard.offer import STEADY_HIGH, STEADY_LOW, Offer
from agent.guard.phases import phase_switch
from agent.guard.pilot import MIN_OFFER_A, UNKNOWN_VIEW, VEHICLE_STATES, step
from agent.guard.pilot_watch import PilotWatch
from agent.guard.protection import Protection
from agent.guard.stopping import Stopping
from agent.guard.timings import CLOCK_STEP_S, GONE_S, QUIET_MAX_S, SETTLE_S, START_S
from agent.guard.vehicle import SIMPLIFIED_A, Vehicle
from agent.guard.wake_up import WakeUp
from agent.guard.wire import ContactorState, GuardFault, OpenReason, Permit, PilotState

NO_FAULTS: Final[tuple[GuardFault, ...]] = ()
NEW: Final = Kept()


class Cycle:
    """The state of one EVSE between two scans.

    Attributes:
        still_until_s: before that moment a scan with the inputs of the newest one, measured no earlier and not too old,
            would leave everything here as it is; 0 when that is not known.
        taken_s: when the newest sample was measured that was seen.
    """

    def __init__(self, settings: CycleSettings, *, now_s: float, kept: Kept = NEW) -> None:
        """Start open, without an offer, locked; ``kept`` is what outlives a run."""
        self.settings = settings
        self.view = UNKNOWN_VIEW
        self.vehicle = Vehicle(tethered=settings.tethered)
        self.contactor = Contactor(
            has_feedback=settings.has_mirror,
            welded=kept.welded,
            stuck_open=kept.failed_to_close,
            wear=kept.wear,
            now_s=now_s,
        )
        self.phases = phase_switch(settings, kept, now_s)
        self.lock = CableLock(
            has_lock=settings.has_lock, has_feedback=settings.has_lock_feedback, settings=settings.lock, now_s=now_s
        )
        self.protection = Protection(settings.protection, max_current_a=settings.max_current_a, now_s=now_s)
        self.faults = NO_FAULTS
        self.waiting_for: tuple[Reason, ...] = ()
        self.offer = Offer(STEADY_LOW if kept.welded else STEADY_HIGH, now_s)
        self.permit: Permit | None = None
        self.permit_until_s = 0.0
        self._pilot_watch = PilotWatch()
        self._wake_up = WakeUp(enabled=settings.wake_up)
        self._permit_end = OpenReason.PERMIT_WITHDRAWN
        self._running = True
        self._started_s = now_s
        self._scanned = False
        self._stopping = Stopping(settings.stop_grace_s)
        self.taken_s: float | None = None
        self._charged = False
        self._cable_kept = False
        self._inputs_known_once = False
        self.outputs = Outputs(False, self.offer.signal, self.lock.drive)
        self._seen: tuple[object, ...] = ()
        self._quiet_until_s = self.still_until_s = 0.0

    # What the agent may say.

    def grant(self, permit: Permit, now_s: float) -> str | None:
        """Put ``permit`` in force in place of the one before; return why not, or ``None``."""
        if not self._running:
            return "the guard is stopping"
        if permit.phases != self.settings.phases and not self.settings.phase_switching:
            return f"phases {permit.phases} cannot be kept: the contactor switches {self.settings.phases} together"
        if permit.valid_for_s <= 0.0:
            return f"valid_for_s {permit.valid_for_s:g} is over on arrival"
        self._quiet_until_s = self.still_until_s = 0.0
        self.permit = permit
        self.permit_until_s = now_s + min(permit.valid_for_s, self.settings.permit_max_s)
        return None

    def withdraw(self) -> None:
        """End the permit: the offer ends with the next scan, the vehicle gets its time, then the contactor opens."""
        self._quiet_until_s = self.still_until_s = 0.0
        self._end_permit(OpenReason.PERMIT_WITHDRAWN)

    def hold_cable(self, held: bool, *, kept: bool = False) -> None:
        """Hold the cable, or release it as soon as the contactor is confirmed open and no permit needs it.

        ``kept``: hold it also when the vehicle has left.
        """
        self._quiet_until_s = self.still_until_s = 0.0
        self.lock.held = held
        self._cable_kept = held and kept

    def stop(self) -> None:
        """The guard ends: stop the offer, give the vehicle its time, open, never close again."""
        self._quiet_until_s = self.still_until_s = 0.0
        self._running = False

    @property
    def stopped(self) -> bool:
        """Return whether, after ``stop``, the contactor is open for good."""
        return not self._running and not self.contactor.coil

    @property
    def plugged(self) -> bool | None:
        """Return whether a vehicle is connected; ``None`` unknown.

        While the pilot is in F on purpose, and for a moment after, nobody can see: then what was known stands.
        """
        state = self.view.state
        if state in VEHICLE_STATES:
            return True
        if state is PilotState.A:
            return False
        on_purpose = state is PilotState.F and not self.welded and GuardFault.POWER_PATH_LOST not in self.faults
        return self.vehicle.there if on_purpose else None

    @property
    def welded(self) -> bool:
        """Return whether a contactor is latched as welded."""
        return self.contactor.welded or (self.phases is not None and self.phases.contactor.welded)

    @property
    def failed_to_close(self) -> bool:
        """Return whether a contactor is latched as stuck open."""
        return self.contactor.stuck_open or (self.phases is not None and self.phases.contactor.stuck_open)

    @property
    def idle(self) -> bool:
        """Return whether a sibling may charge: no offer, every contactor off and confirmed open, none welded."""
        return self.contactor.seen_open and not self.welded and self.offer.current_a is None

    @property
    def dead(self) -> bool:
        """Return whether nothing shows that the outlet may carry voltage."""
        return not self.contactor.coil and self.contactor.state is not ContactorState.CLOSED

    # The scan.

    def scan(self, inputs: Inputs, now_s: float) -> bool:
        """Judge ``inputs`` at monotonic ``now_s``, put what to write into ``outputs``; return whether it may be new."""
        if not self._scanned:
            self._scanned, self._started_s = True, now_s  # on a busy machine long after the first write
        told_nothing = self._judge_pilot(inputs, now_s)
        seen = (
            self.view,
            self.vehicle.cable_a,
            inputs.power_path_ok,
            inputs.main_closed,
            inputs.phases_closed,
            inputs.locked,
            inputs.rcd_tripped,
            inputs.emergency_stop,
            inputs.watched,
            inputs.temperature_c,
            inputs.siblings_idle,
            inputs.siblings_dead,
        )
        if now_s < self._quiet_until_s and seen == self._seen:
            self.still_until_s = self._quiet_until_s if told_nothing else 0.0
            return False
        self.still_until_s = 0.0
        self._seen = seen
        before = self._remembered()
        self._judge(inputs, now_s)
        self._quiet_until_s = self._next_limit_s(now_s) if self._remembered() == before else 0.0
        return True

    def _remembered(self) -> tuple[object, ...]:
        """Return everything that a judgement may change, what it says included."""
        return (
            self.outputs,
            self.faults,
            self.waiting_for,
            self.permit,
            self._permit_end,
            *self._stopping.remembered(),
            self._charged,
            self._inputs_known_once,
            *self.protection.remembered(),
            *self.vehicle.remembered(),
            *self._pilot_watch.remembered(),
            *self.contactor.remembered(),
            *(() if self.phases is None else self.phases.remembered()),
            *self._wake_up.remembered(),
            *self.lock.remembered(),
            *self.offer.remembered(),
        )

    def _next_limit_s(self, now_s: float) -> float:
        """Return the moment before which time alone changes no judgement, at most ``QUIET_MAX_S`` from now."""
        settings = self.settings
        limits = (
            (self._started_s, START_S),
            (None if self.permit is None else self.permit_until_s, 0.0),
            (self.vehicle.gone_since_s, GONE_S),
            *self._stopping.limits(),
            *self.vehicle.limits(),
            *self._pilot_watch.limits(self.offer),
            *self.offer.limits(),
            *self.contactor.limits(settings.min_reclose_s),
            *(() if self.phases is None else self.phases.limits()),
            *self._wake_up.limits(),
            *self.lock.limits(now_s),
            *self.protection.limits(now_s),
        )
        passed_s = now_s - CLOCK_STEP_S
        nearest_s = now_s + QUIET_MAX_S
        for since_s, lasts_s in limits:
            if since_s is not None and passed_s <= since_s + lasts_s < nearest_s:
                nearest_s = since_s + lasts_s
        return nearest_s - CLOCK_STEP_S

    def _judge(self, inputs: Inputs, now_s: float) -> None:
        contactor, lock, offer = self.contactor, self.lock, self.offer
        contactor.observe(inputs.main_closed, now_s)
        if self.permit is not None and now_s >= self.permit_until_s:
            self._end_permit(OpenReason.PERMIT_EXPIRED)
        self._judge_vehicle(now_s)
        self._judge_phases(inputs, now_s)
        self._judge_protection(inputs, now_s)
        there, permit = self.vehicle.there, self.permit
        lock.step(
            locked=inputs.locked,
            needed=permit is not None and there is not False,
            may_release=contactor.confirmed_open and not contactor.welded,
            now_s=now_s,
        )
        inputs_known = self._judge_faults(inputs, now_s)
        offered_before = offer.current_a is not None
        self._wake_up.step(
            permitted=permit is not None and permit.max_current_a >= MIN_OFFER_A and bool(there),
            offered=offered_before,
            closed=contactor.coil,
            state=self.view.state,
            now_s=now_s,
        )
        offer.step(now_s)
        given = self._permissions(inputs, inputs_known=inputs_known, now_s=now_s)
        self._choose_offer(given, inputs, now_s)
        self._switch(given, now_s, offer_on=offered_before and offer.current_a is not None)
        phase_coil = self.phases is not None and self.phases.contactor.coil
        outputs = Outputs(
            contactor.coil, offer.signal, lock.drive, phase_coil, lock.drive_back, self.protection.rcd_test.drive
        )
        if outputs != self.outputs:
            self.outputs = outputs

    def _permissions(self, inputs: Inputs, *, inputs_known: bool, now_s: float) -> Permissions:
        settings, faults, permit, contactor = self.settings, self.faults, self.permit, self.contactor
        vehicle, phases, cable_a = self.vehicle, self.phases, self.vehicle.cable_a
        protection, tripped = self.protection, self.protection.tripped
        return Permissions(
            closed=contactor.coil,
            guard_running=self._running,
            fault_free=faults is NO_FAULTS or faults == _ONLY_VENTILATION,
            emergency_stop_released=inputs.emergency_stop is not None and InputRole.EMERGENCY_STOP not in tripped,
            rcd_closed=inputs.rcd_tripped is not None and InputRole.RCD not in tripped,
            inputs_known=inputs_known,
            pilot=self.view.state,
            ventilation=settings.ventilation,
            diode_seen=self.view.diode_seen,
            diode_present=not self.view.diode_missing,
            cable_ok=settings.tethered or (cable_a is not None and cable_a >= MIN_OFFER_A),
            cable_accepted=not settings.reject_13a or cable_a is None or cable_a > CABLE_13_A,
            vehicle_accepted=settings.simplified or not vehicle.simplified,
            locked=self.lock.secure,
            permit_a=None if permit is None else permit.max_current_a,
            contactor_open=contactor.confirmed_open,
            reclose_over=contactor.may_reclose(settings.min_reclose_s, now_s),
            phases_ready=phases is None or phases.ready,
            pilot_free=not (self.offer.held or self._wake_up.pulsing or self._wake_up.resting),
            vehicle_steady=vehicle.steady(now_s),
            rcm_closed=InputRole.RCM not in tripped,
            ground_present=InputRole.GROUND not in tripped,
            door_closed=InputRole.DOOR not in tripped,
            upright=InputRole.TILT not in tripped,
            cool=not protection.derating.stopped,
            rcd_tested=protection.rcd_test.passed(now_s),
            siblings_idle=inputs.siblings_idle,
            siblings_dead=inputs.siblings_dead,
        )

    def _judge_pilot(self, inputs: Inputs, now_s: float) -> bool:
        """Take the sample in; return whether it was a new one and another such sample would tell nothing either."""
        taken_s, before = inputs.taken_s, self.view
        if taken_s is None or now_s - taken_s > self.settings.max_age_s:
            self.view = step(before, high_v=None, low_v=None, pwm=False)
            return False
        if taken_s == self.taken_s:
            return False  # the same measurement again confirms nothing
        self.taken_s = taken_s
        offered = self.offer.current_a is not None
        pwm = offered and taken_s >= self.offer.since_s + SETTLE_S
        self.view = step(before, high_v=inputs.high_v, low_v=inputs.low_v, pwm=pwm)
        if inputs.proximity_ohm != self.vehicle.known_ohm:
            self.vehicle.see_cable(inputs.proximity_ohm, now_s)
            return False
        return self.view is before and pwm is offered

    def _judge_vehicle(self, now_s: float) -> None:
        vehicle, contactor = self.vehicle, self.contactor
        before = vehicle.there
        vehicle.step(self.view.state, now_s)
        if vehicle.gone_since_s is not None:
            if before:
                self._end_permit(OpenReason.PERMIT_WITHDRAWN)  # it was for the vehicle that has left
            self._charged = False
            if self.lock.held and not self._cable_kept and now_s - vehicle.gone_since_s >= GONE_S:
                self.lock.held = False
            if not contactor.coil:
                contactor.forget_stuck()
                if self.phases is not None:
                    self.phases.contactor.forget_stuck()
        elif before is None and vehicle.there:
            contactor.assume_closing(self._started_s)  # an earlier run may have been charging it
            self._charged = True

    def _judge_phases(self, inputs: Inputs, now_s: float) -> None:
        if self.phases is not None:
            self.phases.step(
                wanted=None if self.permit is None or not self._running else self.permit.phases,
                main_open=self.contactor.confirmed_open,
                vehicle_there=self.vehicle.there is not False,
                charged=self._charged or self.vehicle.there is None,  # an earlier run may have charged it
                closed=inputs.phases_closed,
                now_s=now_s,
            )

    def _judge_protection(self, inputs: Inputs, now_s: float) -> None:
        contactor = self.contactor
        open_and_idle = contactor.confirmed_open and not contactor.coil and self.offer.current_a is None
        self.protection.step(
            (inputs.rcd_tripped, inputs.emergency_stop, *inputs.watched),
            inputs.temperature_c,
            vehicle=None if self.view.state is PilotState.UNKNOWN else self.view.state is not PilotState.A,
            may_test=open_and_idle and not self.welded and self._running,
            now_s=now_s,
        )

    def _judge_faults(self, inputs: Inputs, now_s: float) -> bool:
        """Set ``faults``; return whether every input is known."""
        state, vehicle = self.view.state, self.vehicle
        pilot_known = state is not PilotState.UNKNOWN
        known = (
            pilot_known
            and self.protection.known
            and inputs.main_closed is not None
            and inputs.phases_closed is not None
            and inputs.locked is not None
        )
        if known:
            self._inputs_known_once = True
        unknown = not known and (pilot_known or inputs.power_path_ok)
        if unknown and not self._inputs_known_once:
            unknown = now_s - self._started_s >= START_S and not self.protection.late(now_s)
        tripped = self.protection.tripped
        found = (
            InputRole.RCD in tripped,
            InputRole.EMERGENCY_STOP in tripped,
            self._pilot_watch.wrong(self.view, self.offer, there=vehicle.there is True, now_s=now_s),
            self.view.diode_missing,
            self.welded,
            self.failed_to_close,
            self.lock.failed,
            state is PilotState.D and not self.settings.ventilation,
            vehicle.uncoded(now_s, closed=self.contactor.coil),
            unknown,
            not inputs.power_path_ok,
        )
        if True not in found:
            self.faults = NO_FAULTS
        else:
            self.faults = tuple(fault for fault, is_there in zip(_JUDGED_HERE, found, strict=True) if is_there)
        self.faults += self.protection.faults
        return known

    def _choose_offer(self, given: Permissions, inputs: Inputs, now_s: float) -> None:
        offer = self.offer
        if not given.fault_free and (offer.current_a is not None or given.closed):
            offer.fail(now_s)
        elif self.welded or not inputs.power_path_ok or offer.held or self._pilot_off:
            offer.end(STEADY_LOW, now_s)
        elif given.permit_a is None or against_offer(given):
            offer.end(STEADY_HIGH, now_s)
        else:
            hot_a, safety_a = self.protection.derating.limit_a, self.vehicle.cable_a
            if hot_a is not None:
                safety_a = hot_a if safety_a is None else min(hot_a, safety_a)
            limit_a = min(given.permit_a, self.settings.max_current_a)
            if safety_a is not None:
                limit_a = min(limit_a, safety_a)
            if self.vehicle.simplified:
                limit_a = min(limit_a, SIMPLIFIED_A)
            offer.make(limit_a, now_s, closed=given.closed, safety_a=safety_a)

    @property
    def _pilot_off(self) -> bool:
        return self._wake_up.pulsing or (self.phases is not None and self.phases.pilot_off)

    def _switch(self, given: Permissions, now_s: float, *, offer_on: bool) -> None:
        contactor = self.contactor
        stopping = self._stopping
        if stopping.begins(closed=contactor.coil, offer_on=offer_on):
            stopping.begin(self._reason_to_stop(given), now_s)
        # A simplified vehicle cannot see that the offer has ended: waiting for it would only be load for longer.
        reasons = missing(given, offer_on, stopping.in_grace(now_s) and not self.vehicle.simplified)
        if contactor.coil:
            if reasons:
                under_load = self.view.state is not PilotState.B
                contactor.open(stopping.open_reason(reasons, now_s), now_s, under_load=under_load)
        elif not reasons:
            contactor.close(now_s)
            self._charged = True
        self.waiting_for = reasons

    def _reason_to_stop(self, given: Permissions) -> OpenReason:
        if not self._running:
            return OpenReason.SHUTDOWN
        if self.permit is not None and not given.phases_ready:
            return OpenReason.PHASE_SWITCH
        return self._permit_end

    def _end_permit(self, reason: OpenReason) -> None:
        if self.permit is not None:
            self.permit = None
            self._permit_end = reason


CABLE_13_A: Final = 13.0
_JUDGED_HERE: Final = (
    GuardFault.RCD_TRIPPED,
    GuardFault.EMERGENCY_STOP,
    GuardFault.PILOT_ERROR,
    GuardFault.DIODE_MISSING,
    GuardFault.CONTACTOR_WELDED,
    GuardFault.CONTACTOR_STUCK_OPEN,
    GuardFault.LOCK_FAILED,
    GuardFault.VENTILATION_MISSING,
    GuardFault.PROXIMITY_ERROR,
    GuardFault.INPUT_UNKNOWN,
    GuardFault.POWER_PATH_LOST,
)
_ONLY_VENTILATION: Final = (GuardFault.VENTILATION_MISSING,)
