"""One EVSE's turn in the scan: inputs and the time in, outputs out. Pure: no clock, no device, no socket.

Order within a scan: pilot, contactor and lock are judged, then the faults, then the interlock, then the offer, and last
the coil. Nothing is decided from anything but this scan's judgement, the permit, and faults that are latched.

The judgement is a function of what is remembered, what this scan saw, and the time. Where a judgement left all that it
remembers as it was, the next one with the same sight gives the same answer until a time limit is reached, and is not
made again before (``_quiet_until_s``). Anything new, anything that the agent says, and every time limit end that.
"""

from __future__ import annotations

from typing import Final

from agent.guard.cable_lock import CableLock
from agent.guard.contactor import Contactor
from agent.guard.cycle_values import CycleSettings, Inputs, Outputs
from agent.guard.interlock import Permissions, Reason, against_offer, missing
from agent.guard.offer import STEADY_HIGH, STEADY_LOW, Offer
from agent.guard.pilot import (
    MIN_OFFER_A,
    UNKNOWN_VIEW,
    VEHICLE_STATES,
    NegativePeak,
    cable_rating,
    step,
)
from agent.guard.wire import ContactorState, GuardFault, OpenReason, Permit, PilotState, Report

MAX_AGE_SCANS: Final = 3  # an input older than so many scans is unknown; house rule
GONE_S: Final = 1.0  # pilot A for so long: the vehicle has left, the cable is released; house rule
SETTLE_S: Final = 0.02  # PWM for so long before a negative peak counts (20 periods); house rule
PILOT_F_S: Final = 0.25  # -12 V for so long without our wish is an error; house rule
UNCLEAR_S: Final = 0.5  # PWM without a usable negative peak for so long is an error; house rule
START_S: Final = 1.0  # a missing input is no fault for so long after the start (it is unknown, and open, at once)
QUIET_MAX_S: Final = 0.25  # judged wholly at least so often, whatever was seen; house rule
CLOCK_STEP_S: Final = 0.001  # a time limit counts as reached so much earlier: judging once more is harmless
PROXIMITY_S: Final = 0.5  # a vehicle without cable coding for so long is a fault (at once while closed); house rule

NO_FAULTS: Final[tuple[GuardFault, ...]] = ()


class Cycle:
    """The state of one EVSE between two scans."""

    def __init__(self, settings: CycleSettings, *, welded: bool, now_s: float) -> None:
        """Start open, without an offer, locked; ``welded`` is a latched verdict of an earlier run."""
        self.settings = settings
        self.view = UNKNOWN_VIEW
        self.contactor = Contactor(has_mirror=settings.has_mirror, welded=welded, now_s=now_s)
        self.lock = CableLock(has_lock=settings.has_lock, has_feedback=settings.has_lock_feedback, now_s=now_s)
        self.faults = NO_FAULTS
        self.waiting_for: tuple[Reason, ...] = ()
        self.offer = Offer(STEADY_LOW if welded else STEADY_HIGH, now_s)
        self.cable_a: float | None = None
        self.permit: Permit | None = None
        self._permit_until_s = 0.0
        self._permit_end = OpenReason.PERMIT_WITHDRAWN
        self._running = True
        self._started_s = now_s
        self._scanned = False
        self._stop_since_s: float | None = None
        self._stop_reason = OpenReason.PERMIT_WITHDRAWN
        self._taken_s: float | None = None
        self._cable_sample: float | None = None
        self._vehicle_there: bool | None = None
        self._gone_since_s: float | None = None
        self._unclear_since_s: float | None = None
        self._uncoded_since_s: float | None = None
        self._inputs_known_once = False
        self._rcd_latched = False
        self.outputs = Outputs(False, self.offer.signal, self.lock.drive)
        self._seen: tuple[object, ...] = ()
        self._quiet_until_s = 0.0

    # What the agent may say.

    def grant(self, permit: Permit, now_s: float) -> str | None:
        """Put ``permit`` in force in place of the one before; return why not, or ``None``."""
        if not self._running:
            return "the guard is stopping"
        if permit.phases != self.settings.phases:
            return f"phases {permit.phases} cannot be kept: the contactor switches {self.settings.phases} together"
        if permit.valid_for_s <= 0.0:
            return f"valid_for_s {permit.valid_for_s:g} is over on arrival"
        self._quiet_until_s = 0.0
        self.permit = permit
        self._permit_until_s = now_s + min(permit.valid_for_s, self.settings.permit_max_s)
        return None

    def withdraw(self) -> None:
        """End the permit: the offer ends with the next scan, the vehicle gets its time, then the contactor opens."""
        self._quiet_until_s = 0.0
        self._end_permit(OpenReason.PERMIT_WITHDRAWN)

    def hold_cable(self, held: bool) -> None:
        """Hold the cable, or release it as soon as the contactor is confirmed open and no permit needs it."""
        self._quiet_until_s = 0.0
        self.lock.held = held

    def stop(self) -> None:
        """The guard ends: stop the offer, give the vehicle its time, open, never close again."""
        self._quiet_until_s = 0.0
        self._running = False

    @property
    def stopped(self) -> bool:
        """Return whether, after ``stop``, the contactor is open for good."""
        return not self._running and not self.contactor.coil

    @property
    def plugged(self) -> bool | None:
        """Return whether a vehicle is connected; ``None`` unknown."""
        state = self.view.state
        if state in VEHICLE_STATES:
            return True
        return False if state is PilotState.A else None

    # The scan.

    def scan(self, inputs: Inputs, now_s: float) -> bool:
        """Judge ``inputs`` at monotonic ``now_s``, put what to write into ``outputs``; return whether it may be new."""
        if not self._scanned:
            self._scanned, self._started_s = True, now_s  # on a busy machine long after the first write
        self._judge_pilot(inputs, now_s)
        seen = (
            self.view,
            self.cable_a,
            inputs.power_path_ok,
            inputs.main_closed,
            inputs.locked,
            inputs.rcd_tripped,
            inputs.emergency_stop,
        )
        if now_s < self._quiet_until_s and seen == self._seen:
            return False
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
            self._stop_since_s,
            self._stop_reason,
            self._vehicle_there,
            self._gone_since_s,
            self._unclear_since_s,
            self._uncoded_since_s,
            self._inputs_known_once,
            self._rcd_latched,
            *self.contactor.remembered(),
            *self.lock.remembered(),
            *self.offer.remembered(),
        )

    def _next_limit_s(self, now_s: float) -> float:
        """Return the moment before which time alone changes no judgement, at most ``QUIET_MAX_S`` from now."""
        offer, settings = self.offer, self.settings
        limits = (
            (self._started_s, START_S),
            (None if self.permit is None else self._permit_until_s, 0.0),
            (self._gone_since_s, GONE_S),
            (self._unclear_since_s, UNCLEAR_S),
            (self._uncoded_since_s, PROXIMITY_S),
            (self._stop_since_s, settings.stop_grace_s),
            (offer.since_s, PILOT_F_S),
            *offer.limits(),
            *self.contactor.limits(settings.min_reclose_s),
            *self.lock.limits(now_s),
        )
        passed_s = now_s - CLOCK_STEP_S
        nearest_s = now_s + QUIET_MAX_S
        for since_s, lasts_s in limits:
            if since_s is not None and passed_s <= since_s + lasts_s < nearest_s:
                nearest_s = since_s + lasts_s
        return nearest_s - CLOCK_STEP_S

    def _judge(self, inputs: Inputs, now_s: float) -> None:
        contactor, lock = self.contactor, self.lock
        contactor.observe(inputs.main_closed, now_s)
        if self.permit is not None and now_s >= self._permit_until_s:
            self._end_permit(OpenReason.PERMIT_EXPIRED)
        self._judge_vehicle(now_s)
        inputs_known = self._judge_faults(inputs, now_s)
        confirmed_open = contactor.state is ContactorState.OPEN and not contactor.coil
        lock.step(
            locked=inputs.locked,
            needed=self.permit is not None and self._vehicle_there is not False,
            may_release=confirmed_open and not contactor.welded,
            now_s=now_s,
        )
        given = self._permissions(inputs, inputs_known=inputs_known, confirmed_open=confirmed_open, now_s=now_s)
        offer = self.offer
        offered_before = offer.current_a is not None
        self._choose_offer(given, inputs, now_s)
        self._switch(given, now_s, offer_on=offered_before and offer.current_a is not None)
        outputs = self.outputs
        if outputs[0] is not contactor.coil or outputs[1] is not offer.signal or outputs[2] is not lock.drive:
            self.outputs = Outputs(contactor.coil, offer.signal, lock.drive)

    def _permissions(self, inputs: Inputs, *, inputs_known: bool, confirmed_open: bool, now_s: float) -> Permissions:
        settings, faults, permit, contactor = self.settings, self.faults, self.permit, self.contactor
        return Permissions(
            closed=contactor.coil,
            guard_running=self._running,
            fault_free=faults is NO_FAULTS or faults == _ONLY_VENTILATION,
            emergency_stop_released=inputs.emergency_stop is False,
            rcd_closed=inputs.rcd_tripped is False and not self._rcd_latched,
            inputs_known=inputs_known,
            pilot=self.view.state,
            ventilation=settings.ventilation,
            diode_seen=self.view.diode_seen,
            diode_present=not self.view.diode_missing,
            cable_ok=settings.tethered or (self.cable_a is not None and self.cable_a >= MIN_OFFER_A),
            locked=self.lock.secure,
            permit_a=None if permit is None else permit.max_current_a,
            contactor_open=confirmed_open,
            reclose_over=contactor.may_reclose(settings.min_reclose_s, now_s),
        )

    def _judge_pilot(self, inputs: Inputs, now_s: float) -> None:
        taken_s = inputs.taken_s
        if taken_s is None or now_s - taken_s > self.settings.max_age_s:
            self.view = step(self.view, high_v=None, low_v=None, pwm=False)
            return
        if taken_s == self._taken_s:
            return  # the same measurement again confirms nothing
        self._taken_s = taken_s
        pwm = self.offer.current_a is not None and taken_s >= self.offer.since_s + SETTLE_S
        self.view = step(self.view, high_v=inputs.high_v, low_v=inputs.low_v, pwm=pwm)
        if not self.settings.tethered:
            rating_a = cable_rating(inputs.proximity_ohm)
            if rating_a == self._cable_sample:
                self.cable_a = rating_a
            self._cable_sample = rating_a

    def _judge_vehicle(self, now_s: float) -> None:
        state = self.view.state
        if state is PilotState.A:
            if self._gone_since_s is None:
                self._gone_since_s = now_s
                if self._vehicle_there:
                    self._end_permit(OpenReason.PERMIT_WITHDRAWN)  # it was for the vehicle that has left
                self._vehicle_there = False
            elif self.lock.held and now_s - self._gone_since_s >= GONE_S:
                self.lock.held = False
            if self.contactor.stuck_open and not self.contactor.coil:
                self.contactor.forget_stuck()
            return
        self._gone_since_s = None
        if state in VEHICLE_STATES:
            if self._vehicle_there is None:
                self.contactor.assume_closing(self._started_s)  # an earlier run may have been charging it
            self._vehicle_there = True

    def _judge_faults(self, inputs: Inputs, now_s: float) -> bool:
        """Set ``faults``; return whether every input is known."""
        state, contactor = self.view.state, self.contactor
        pilot_known = state is not PilotState.UNKNOWN
        known = (
            pilot_known
            and inputs.rcd_tripped is not None
            and inputs.emergency_stop is not None
            and inputs.main_closed is not None
            and inputs.locked is not None
        )
        if known:
            self._inputs_known_once = True
        if inputs.rcd_tripped:
            self._rcd_latched = True
        elif self._rcd_latched and inputs.rcd_tripped is False and state is PilotState.A:
            self._rcd_latched = False
        unknown = not known and (pilot_known or inputs.power_path_ok)
        if unknown and not self._inputs_known_once and now_s - self._started_s < START_S:
            unknown = False
        found = (
            self._rcd_latched,
            bool(inputs.emergency_stop),
            self._pilot_wrong(state, now_s),
            self.view.diode_missing,
            contactor.welded,
            contactor.stuck_open,
            self.lock.failed,
            state is PilotState.D and not self.settings.ventilation,
            self._proximity_wrong(now_s),
            unknown,
            not inputs.power_path_ok,
        )
        if True not in found:
            self.faults = NO_FAULTS
        else:
            self.faults = tuple(fault for fault, is_there in zip(_JUDGED_HERE, found, strict=True) if is_there)
        return known

    def _pilot_wrong(self, state: PilotState, now_s: float) -> bool:
        if self.view.negative is NegativePeak.UNCLEAR and self.offer.current_a is not None:
            if self._unclear_since_s is None:
                self._unclear_since_s = now_s
            elif now_s - self._unclear_since_s > UNCLEAR_S:
                return True
        else:
            self._unclear_since_s = None
        if state is PilotState.E:
            return self._vehicle_there is True
        if state is PilotState.F:
            return self.offer.signal is not STEADY_LOW and now_s - self.offer.since_s > PILOT_F_S
        return state is PilotState.FAULT

    def _proximity_wrong(self, now_s: float) -> bool:
        if self.settings.tethered or self.cable_a is not None or not self._vehicle_there:
            self._uncoded_since_s = None
            return False
        if self._uncoded_since_s is None:
            self._uncoded_since_s = now_s
        return self.contactor.coil or now_s - self._uncoded_since_s >= PROXIMITY_S

    def _choose_offer(self, given: Permissions, inputs: Inputs, now_s: float) -> None:
        if given.permit_a is None or against_offer(given):
            low = self.contactor.welded or not inputs.power_path_ok
            self.offer.end(STEADY_LOW if low else STEADY_HIGH, now_s)
            return
        limit_a = min(given.permit_a, self.settings.max_current_a)
        if self.cable_a is not None:
            limit_a = min(limit_a, self.cable_a)
        self.offer.make(limit_a, now_s, closed=given.closed)

    def _switch(self, given: Permissions, now_s: float, *, offer_on: bool) -> None:
        contactor = self.contactor
        if not contactor.coil or offer_on:
            self._stop_since_s = None
        elif self._stop_since_s is None:
            self._stop_since_s = now_s
            self._stop_reason = self._permit_end if self._running else OpenReason.SHUTDOWN
        stop_grace = self._stop_since_s is not None and now_s - self._stop_since_s < self.settings.stop_grace_s
        reasons = missing(given, offer_on, stop_grace)
        if contactor.coil:
            if reasons:
                contactor.open(self._open_reason(reasons, now_s), now_s)
        elif not reasons:
            contactor.close(now_s)
        self.waiting_for = reasons

    def _open_reason(self, reasons: tuple[Reason, ...], now_s: float) -> OpenReason:
        if not _VEHICLE_OR_PERMIT.issuperset(reasons):
            return OpenReason.FAULT
        asked_before = self._stop_since_s is not None and self._stop_since_s < now_s
        if asked_before or _VEHICLE.isdisjoint(reasons):
            return self._stop_reason
        return OpenReason.VEHICLE_LEFT_C

    def _end_permit(self, reason: OpenReason) -> None:
        if self.permit is not None:
            self.permit = None
            self._permit_end = reason

    # The report.

    def shown(self) -> tuple[object, ...]:
        """Return what makes a report worth sending at once when it changes."""
        contactor, permit = self.contactor, self.permit
        return (
            self.view.state,
            self.cable_a,
            self.offer.current_a,
            contactor.coil,
            contactor.state,
            self.lock.state,
            self.faults,
            self.waiting_for,
            permit and permit.permit_id,
            permit and permit.max_current_a,
            contactor.closings,
        )

    def report(self, inputs: Inputs, *, seq: int, now_s: float) -> Report:
        """Return the EVSE's state after the scan at ``now_s`` that read ``inputs``."""
        contactor, permit = self.contactor, self.permit
        measured = self.view.state is not PilotState.UNKNOWN
        return Report(
            evse_id=self.settings.evse_id,
            seq=seq,
            at_s=now_s,
            pilot=self.view.state,
            high_v=inputs.high_v if measured else None,
            low_v=inputs.low_v if measured else None,
            plugged=self.plugged,
            cable_a=self.cable_a,
            offer_a=self.offer.current_a if inputs.power_path_ok else None,
            coil=contactor.coil,
            contactor=contactor.state,
            contactor_since_s=contactor.since_s,
            lock=self.lock.state,
            faults=self.faults,
            waiting_for=() if contactor.coil else tuple(reason.value for reason in self.waiting_for),
            permit_id=None if permit is None else permit.permit_id,
            permit_left_s=None if permit is None else max(0.0, self._permit_until_s - now_s),
            permit_a=None if permit is None else permit.max_current_a,
            permit_phases=None if permit is None else permit.phases,
            open_reason=contactor.open_reason,
            closings=contactor.closings,
        )


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
_VEHICLE: Final = frozenset({Reason.NO_VEHICLE, Reason.VEHICLE_NOT_READY})
_VEHICLE_OR_PERMIT: Final = _VEHICLE | {
    Reason.STOPPING,
    Reason.NO_PERMIT,
    Reason.PERMIT_BELOW_MINIMUM,
    Reason.NO_OFFER,
    Reason.CABLE,  # without a proximity fault: it went with the vehicle, and so did
    Reason.DIODE_UNSEEN,
}
