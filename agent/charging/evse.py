"""One EVSE: its session, moved on after every input by what is true now.

``advance`` moves the session as far as the circumstances allow; ``settle`` then brings charging state, permit, cable
and light into line with it. Both are levels: called again with nothing changed they do nothing.
"""

from __future__ import annotations

from typing import Final

from agent.charging.authorization import Authorization
from agent.charging.ending import ASK_EVERY_S, BOOT_WAIT_S, Ending
from agent.charging.evse_faults import Faults
from agent.charging.flow import Flow, Seen
from agent.charging.limits import Circumstances, limits_of, permitted_a
from agent.charging.outputs import Outputs
from agent.charging.readings import Belief, Meter, draws_a, greatest_wh
from agent.charging.sampling import Sampling
from agent.charging.session import Session, SessionState, Step
from agent.charging.surroundings import GUARD_GRACE_S, Surroundings
from agent.charging.transaction import KEEP_EVERY_S, Transaction, begin
from agent.charging.turn import Turn
from agent.model.effects import AskReading
from agent.model.evse import EvseCondition, Limit, Occupancy
from agent.model.facts import ChargingState, StopReason, TransactionRecord, Trigger
from agent.model.faults import FaultCode
from agent.model.ids import FREE_VEND_TOKEN, IdToken
from agent.model.moment import Stamp
from agent.model.sample import SampleContext
from agent.model.station import EvseLayout, OnPowerLoss
from drivers.api import MeterReading

ENDING_FAULTS: Final = {
    FaultCode.EMERGENCY_STOP: StopReason.EMERGENCY_STOP,
    FaultCode.RCD_TRIPPED: StopReason.GROUND_FAULT,
    FaultCode.CONTACTOR_WELDED: StopReason.OTHER,
}
_IN_TRANSACTION: Final = frozenset({SessionState.CHARGING, SessionState.ENDING, SessionState.RECOVERING})
_OCCUPANCY: Final = {
    SessionState.FREE: Occupancy.FREE,
    SessionState.AUTHORIZED: Occupancy.PREPARING,
    SessionState.PLUGGED: Occupancy.PREPARING,
    SessionState.STARTING: Occupancy.PREPARING,
    SessionState.ENDING: Occupancy.FINISHING,
    SessionState.FINISHED: Occupancy.FINISHING,
    SessionState.LAPSED: Occupancy.FINISHING,
    SessionState.RECOVERING: Occupancy.SUSPENDED_EVSE,
}
_CHARGING_OCCUPANCY: Final = {
    ChargingState.CHARGING: Occupancy.CHARGING,
    ChargingState.CONNECTED: Occupancy.CHARGING,
    ChargingState.SUSPENDED_EV: Occupancy.SUSPENDED_EV,
    ChargingState.SUSPENDED_EVSE: Occupancy.SUSPENDED_EVSE,
    ChargingState.IDLE: Occupancy.SUSPENDED_EV,
}


class Evse:
    """One EVSE of the station.

    Attributes:
        condition: the guard's newest word; ``None`` while it is lost.
        authorization: who may charge here next; kept until the transaction has begun.
        transaction: the one that runs, is ending or recovering.
        last_token: who charged here last, while the cable stays in.
        held_for: whom the locked cable waits for after the end.
        asking: the CSMS is being asked about a card for this EVSE.
        share_a: share of the station's supply, A per phase; ``None``: no such limit.
    """

    def __init__(self, layout: EvseLayout, around: Surroundings) -> None:
        """Begin with a free EVSE of which nothing is known."""
        self.layout = layout
        self.around = around
        self.session = Session(layout.evse_id)
        self.meter = Meter(layout)
        self.outputs = Outputs(layout.evse_id, around.layout.permit_valid_s)
        self.faults = Faults(layout, around)
        self.condition: EvseCondition | None = None
        self.authorization: Authorization | None = None
        self.transaction: Transaction | None = None
        self.last_token: IdToken | None = None
        self.held_for: IdToken | None = None
        self.asking = False
        self.share_a: float | None = None
        self.flow = Flow()
        self.sampling: Sampling | None = None
        self.ending: Ending | None = None
        self.plugged_s = 0.0
        self.asked_s: float | None = None
        self._free_vend_again = False

    # What comes in

    def restore(self, record: TransactionRecord, turn: Turn) -> None:
        """Take up the newest transaction that the store knows of this EVSE."""
        seen_in = (record.last_at or record.started_at).boot_id
        if record.ended:
            if seen_in == turn.now.boot_id:
                self.last_token = record.token
                self.session = Session(self.evse_id, SessionState.FINISHED, turn.now_s)
            return
        same_boot = seen_in == turn.now.boot_id
        self.transaction = Transaction(record, self.layout, self.around, turn.now_s)
        self.flow = Flow(record.charging_state)
        start_s = record.started_at.mono_s if record.started_at.boot_id == turn.now.boot_id else turn.now_s
        self.sampling = Sampling(start_s, self.around.variables)
        if record.last_wh is not None:
            if same_boot and record.last_at is not None:
                self.meter.seed(float(record.last_wh), record.last_at.mono_s)
            else:
                self.meter.seed(float(record.last_wh), turn.now_s, self._unseen_wh(record, turn))
        state = SessionState.CHARGING if same_boot else SessionState.RECOVERING
        if same_boot and record.ending is not None:
            state = SessionState.ENDING
            self.ending = Ending(turn.now_s, metered=self.layout.metered)
        self.session = Session(self.evse_id, state, turn.now_s)
        turn.note(
            "transaction.restored",
            self.evse_id,
            transaction_id=record.transaction_id,
            same_boot=same_boot,
            to=state.value,
        )

    def report(self, condition: EvseCondition, turn: Turn) -> None:
        """Take the guard's word."""
        before = None if self.condition is None else self.condition.plugged
        self.condition = condition
        if condition.plugged is True and before is not True:
            self.plugged_s = turn.now_s

    def lose_guard(self) -> None:
        """Know nothing of the EVSE any more; no permit counts as given."""
        self.condition = None
        self.outputs.lost()

    def take_reading(self, reading: MeterReading, turn: Turn) -> None:
        """Judge a reading of the meter."""
        belief = self.meter.take(reading, fixed=self.transaction is not None)
        if belief is Belief.NEW_BASE:
            turn.note("meter.base_changed", self.evse_id, level="warning", register_wh=reading.energy_import_wh)

    def authorize(self, authorization: Authorization, turn: Turn) -> None:
        """Let somebody charge here next."""
        self.authorization = authorization
        turn.note("session.authorized", self.evse_id, token=authorization.token, remote=authorization.remote)

    def cancel(self, turn: Turn, why: str) -> None:
        """Forget an authorization that no transaction has used yet."""
        if self.authorization is None:
            return
        turn.note("authorization.forgotten", self.evse_id, token=self.authorization.token, reason=why)
        self.authorization = None
        if self.session.state in (SessionState.AUTHORIZED, SessionState.STARTING):
            self.session.take(Step.FORGET, turn)

    def stop(self, reason: StopReason, token: IdToken | None, turn: Turn) -> bool:
        """End the running transaction; return whether there was one to end."""
        if self.transaction is None or self.session.state not in (SessionState.CHARGING, SessionState.RECOVERING):
            return False
        self.outputs.permit(turn, None, self.layout.phases, self.condition, reason.value)
        self.transaction.decide_end(turn, reason, token, self.meter.newest)
        self.ending = Ending(turn.now_s, metered=self.layout.metered)
        turn.note("transaction.stop_decided", self.evse_id, reason=reason.value, transaction_id=self._name)
        self.session.take(Step.STOP, turn)
        return True

    # What follows from what is true now

    def advance(self, turn: Turn) -> None:
        """Move the session as far as the circumstances allow."""
        self.faults.step(turn, self.condition, self.meter, in_transaction=self.transaction is not None)
        while True:
            before = self.session.state
            self._step(turn)
            if self.session.state is before:
                return

    def settle(self, turn: Turn) -> None:
        """Bring the charging state, the permit, the cable and the light into line."""
        wanted_a = permitted_a(self.circumstances())
        if self.session.state is SessionState.CHARGING and self.transaction is not None:
            self._flow(turn, self.transaction, wanted_a is not None)
            self._sample(turn, self.transaction)
        if self.condition is None:
            return
        why = next((limit.text for limit in self.limits() if limit.current_a is None), "nothing permits it")
        if self.layout.lockable and (self.transaction is not None or self.held_for is not None):
            self.outputs.hold(turn, True)
        self.outputs.permit(turn, wanted_a, self.layout.phases, self.condition, why[:60])
        if self.layout.lockable and self.transaction is None and self.held_for is None:
            self.outputs.hold(turn, False)
        self.outputs.show(turn, self._light())

    def _step(self, turn: Turn) -> None:
        match self.session.state:
            case SessionState.FREE | SessionState.AUTHORIZED | SessionState.PLUGGED | SessionState.LAPSED:
                self._arrive(turn)
            case SessionState.STARTING:
                self._start(turn)
            case SessionState.CHARGING:
                self._watch(turn)
            case SessionState.ENDING:
                self._end(turn)
            case SessionState.RECOVERING:
                self._recover(turn)
            case SessionState.FINISHED:
                self._finished(turn)

    def _arrive(self, turn: Turn) -> None:
        state, plugged = self.session.state, self.plugged
        if self.authorization is not None and not self._open_to_sessions and not self.authorization.free_vend:
            self.cancel(turn, "the EVSE takes no new session")
        elif state is SessionState.FREE and plugged is True:
            if not self.around.layout.authorization_required and self.authorization is None:
                self._free_vend(turn)
            self.session.take(Step.PLUG, turn)
        elif state is SessionState.AUTHORIZED and plugged is True:
            self.session.take(Step.PLUG, turn)
        elif state in (SessionState.PLUGGED, SessionState.LAPSED) and plugged is False:
            self.authorization = None
            self.session.take(Step.UNPLUG, turn)
        elif self.authorization is not None and state is not SessionState.AUTHORIZED:
            self.session.take(Step.AUTHORIZE, turn)
        elif state is SessionState.AUTHORIZED and self._over(self._authorized_until_s, turn):
            self.cancel(turn, "no vehicle within the connection time-out")
        elif state is SessionState.PLUGGED and not self.asking and self._over(self._plugged_until_s, turn):
            turn.note("session.lapsed", self.evse_id, reason="no authorization within the connection time-out")
            self.session.take(Step.LAPSE, turn)

    def _start(self, turn: Turn) -> None:
        authorization = self.authorization
        if authorization is None:
            self.session.take(Step.FORGET, turn)
        elif self.plugged is False:
            self.session.take(Step.UNPLUG, turn)
            if authorization.free_vend:
                self.authorization = None
                self.session.take(Step.FORGET, turn)
        elif not self._waiting_to_start(turn):
            reading = self._start_reading()
            self.transaction = begin(
                turn,
                self.layout,
                self.around,
                token=authorization.token,
                group=authorization.group,
                trigger=authorization.trigger(self.plugged_s),
                remote_start_id=authorization.remote_start_id,
                reading=reading,
            )
            self.flow = Flow()
            self.sampling = Sampling(turn.now_s, self.around.variables)
            self.authorization, self.held_for, self.last_token = None, None, None
            turn.note("transaction.started", self.evse_id, token=authorization.token, transaction_id=self._name)
            self.session.take(Step.BEGIN, turn)
        elif not authorization.free_vend and self._over(self._starting_until_s, turn):
            turn.note(
                "authorization.forgotten", self.evse_id, token=authorization.token, reason="could not start in time"
            )
            self.authorization = None
            self.session.take(Step.LAPSE, turn)

    def _waiting_to_start(self, turn: Turn) -> bool:
        if self.condition is None or self.plugged is not True or not self._open_to_sessions:
            return True
        if self.layout.metered and self._start_reading() is None:
            self._ask_reading(turn)
            return True
        return False

    def _watch(self, turn: Turn) -> None:
        present = () if self.condition is None else self.condition.faults
        for code, reason in ENDING_FAULTS.items():
            if code in present:
                self.stop(reason, None, turn)
                return
        if self.plugged is False and self.around.variables.flag("TxCtrlr", "StopTxOnEVSideDisconnect"):
            self.stop(StopReason.EV_DISCONNECTED, None, turn)
        elif self.used_up and self.around.variables.flag("TxCtrlr", "StopTxOnInvalidId"):
            self.stop(StopReason.DEAUTHORIZED, None, turn)

    def _end(self, turn: Turn) -> None:
        if self.transaction is None or self.ending is None:
            return
        # A permit of a former life of the agent may still be in force.
        last = self.ending.step(turn.now_s, self.condition, self.meter.newest)
        if last is None:
            if self.ending.wants_reading:
                self._ask_reading(turn)
            return
        self._close(turn, self.transaction, last.reading, last.gap)

    def _recover(self, turn: Turn) -> None:
        transaction = self.transaction
        if transaction is None:
            return
        over = turn.now_s >= self.session.since_s + BOOT_WAIT_S
        reading = self.meter.newest
        if self.layout.metered and reading is None and not over:
            self._ask_reading(turn)
            return
        ending = transaction.record.ending
        if ending is None and self.around.layout.on_power_loss is OnPowerLoss.RESUME and self.plugged is not False:
            if self.plugged is True:
                self.sampling = Sampling(turn.now_s, self.around.variables)
                transaction.update(turn, Trigger.POWER_RESTORED, ChargingState.CONNECTED, reading=reading)
                self.flow = Flow()
                turn.note(
                    "transaction.resumed", self.evse_id, level="warning", reason="power_loss", transaction_id=self._name
                )
                self.session.take(Step.RESUME, turn)
            return
        if ending is None:
            transaction.decide_end(turn, StopReason.POWER_LOSS, None, None)
        gap = None
        if self.layout.metered and reading is None:
            why = self.meter.error or "the meter was silent after the power cut"
            gap = f"power was cut and {why}; the register is the last durable one"
        self._free_vend_again = not self.around.layout.authorization_required
        self._close(turn, transaction, reading, gap)

    def _close(self, turn: Turn, transaction: Transaction, reading: MeterReading | None, gap: str | None) -> None:
        offer_a = None if self.condition is None else self.condition.offer_a
        fact = transaction.end(turn, reading=reading, gap=gap, offer_a=offer_a)
        turn.note(
            "transaction.ended",
            self.evse_id,
            level="info" if gap is None else "warning",
            reason=fact.reason.value,
            meter_stop_wh=fact.meter_stop_wh,
            gap=gap,
            transaction_id=self._name,
        )
        self.last_token = transaction.record.token
        if self.layout.lockable and self._keeps_cable(fact.reason):
            self.held_for = transaction.record.token
        self.transaction, self.ending, self.sampling = None, None, None
        self.session.take(Step.END, turn)

    def _keeps_cable(self, reason: StopReason) -> bool:
        """A cable stays locked for its owner where nobody authorised its release (OCPP 1.6 §3.5.4, §9.1.31)."""
        if reason is StopReason.EV_DISCONNECTED:
            return not self.around.variables.flag("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
        return reason is StopReason.DEAUTHORIZED

    def _finished(self, turn: Turn) -> None:
        if self.plugged is False:
            self.last_token, self.authorization, self._free_vend_again = None, None, False
            self.session.take(Step.UNPLUG, turn)
        elif self._free_vend_again and self.plugged is True:
            self._free_vend_again = False
            self._free_vend(turn)
            self.session.take(Step.AUTHORIZE, turn)
        elif self.authorization is not None:
            self.session.take(Step.AUTHORIZE, turn)

    def _free_vend(self, turn: Turn) -> None:
        self.authorize(Authorization(token=FREE_VEND_TOKEN, at_s=turn.now_s, free_vend=True), turn)

    def _flow(self, turn: Turn, transaction: Transaction, permitted: bool) -> None:
        lost_s = self.around.guard_lost_s
        away = self.condition is None and (lost_s is None or turn.now_s < lost_s + GUARD_GRACE_S)
        condition = self.condition
        seen = Seen(
            permitted=None if away else permitted,
            plugged=self.plugged,
            ready=None if condition is None else condition.vehicle_ready,
            closed=None if condition is None else condition.contactor_closed,
            draws_a=draws_a(self.meter.fresh(turn.now_s, self.around.layout.meter_stale_s)),
        )
        if self.flow.step(seen, turn.now_s):
            transaction.update(turn, Trigger.CHARGING_STATE_CHANGED, self.flow.state)

    def _sample(self, turn: Turn, transaction: Transaction) -> None:
        if self.sampling is None:
            return
        reading = self.meter.fresh(turn.now_s, self.around.layout.meter_stale_s)
        offer_a = None if self.condition is None else self.condition.offer_a
        dues = (
            (self.sampling.periodic_due(turn.now), Trigger.METER_PERIODIC, SampleContext.PERIODIC),
            (self.sampling.aligned_due(turn.now), Trigger.METER_CLOCK, SampleContext.CLOCK),
        )
        for due, trigger, context in dues:
            if due and reading is not None:
                transaction.update(turn, trigger, self.flow.state, reading=reading, context=context, offer_a=offer_a)
        if turn.now_s >= transaction.keep_due_s:
            transaction.keep(turn, reading)

    # What is true now

    @property
    def evse_id(self) -> int:
        """Return the EVSE's number."""
        return self.layout.evse_id

    @property
    def plugged(self) -> bool | None:
        """Return the guard's word on the vehicle."""
        return None if self.condition is None else self.condition.plugged

    @property
    def occupancy(self) -> Occupancy:
        """Return where the EVSE is in its life."""
        if self.session.state is SessionState.CHARGING:
            return _CHARGING_OCCUPANCY[self.flow.state]
        return _OCCUPANCY[self.session.state]

    @property
    def operative(self) -> bool:
        """Return the effective availability; a change is put off until a running transaction is over."""
        availability = self.around.availability
        set_operative = any(availability.connector(self.evse_id, each) for each in self.layout.connector_ids)
        return set_operative or self.transaction is not None

    @property
    def refusal(self) -> str | None:
        """Return why no new session may begin here; ``None``: it may."""
        reasons = self._ours_for_new()
        blocking = [fault for fault in self.faults.present() if fault.blocking]
        if blocking:
            reasons.append(("fault", f"fault {blocking[0].code.value}"))
        return reasons[0][1] if reasons else None

    @property
    def used_up(self) -> bool:
        """Return whether the token was refused after the start and the energy granted then is used up."""
        left = None if self.transaction is None else self.transaction.energy_left_wh(self.meter.newest)
        return left is not None and left <= 0

    def circumstances(self) -> Circumstances:
        """Return everything that decides about a permit."""
        return Circumstances(
            transaction=self.session.state is SessionState.CHARGING,
            ours=tuple(self._ours()),
            faults=self.faults.present(),
            evse_a=self.layout.max_current_a,
            share_a=self.share_a,
            condition=self.condition,
            permit_a=self.outputs.permit_a,
        )

    def limits(self) -> tuple[Limit, ...]:
        """Return why it charges at this current or not at all, the binding limit first."""
        return limits_of(self.circumstances())

    def _ours(self) -> list[tuple[str, str]]:
        match self.session.state:
            case SessionState.CHARGING:
                return [("deauthorized", "the CSMS refused the token after the start")] if self.used_up else []
            case SessionState.ENDING:
                waits = "" if self.ending is None else f"; waiting for {self.ending.waits_for}"
                return [("session", f"the transaction is ending{waits}")]
            case SessionState.RECOVERING:
                return [("power loss", "the transaction before the power cut is not settled yet")]
            case SessionState.STARTING:
                reasons = self._ours_for_new()
                if self.layout.metered and self._start_reading() is None:
                    error = f" ({self.meter.error})" if self.meter.error else ""
                    reasons.append(("meter", f"waiting for a reading of the meter{error}"))
                return reasons
            case SessionState.LAPSED:
                return [*self._ours_for_new(), ("authorization", "not authorised in time; unplug and plug in again")]
            case SessionState.FINISHED:
                return [*self._ours_for_new(), ("authorization", "the transaction is over; no new authorization")]
            case _:
                known = self.authorization is not None
                missing = [] if known else [("authorization", "nobody is authorised")]
                return [*self._ours_for_new(), *missing]

    def _ours_for_new(self) -> list[tuple[str, str]]:
        reasons = []
        if self.around.store_failed:
            reasons.append(("store", "the store cannot keep a transaction"))
        if not self.operative:
            reasons.append(("inoperative", "made inoperative by the CSMS"))
        if self.around.reset is not None:
            reasons.append(("restart", "a restart is pending"))
        return reasons

    def deadline_s(self, now: Stamp) -> float | None:
        """Return when something here is due without any other input, monotonic; ``None``: nothing is."""
        state = self.session.state
        due = [self.faults.deadline_s()]
        if self.outputs.permit_a is not None and self.condition is not None:
            due.append(self.outputs.renew_due_s)
        match state:
            case SessionState.AUTHORIZED:
                due.append(self._authorized_until_s)
            case SessionState.PLUGGED if not self.asking:
                due.append(self._plugged_until_s)
            case SessionState.STARTING:
                due += [self._starting_until_s, self._asked_due(self.condition is not None and self._open_to_sessions)]
            case SessionState.CHARGING if self.transaction is not None and self.sampling is not None:
                due += [self.flow.deadline_s(), self.sampling.deadline_s(now), self.transaction.keep_due_s]
                if self.condition is None and self.around.guard_lost_s is not None:
                    due.append(self.around.guard_lost_s + GUARD_GRACE_S)
            case SessionState.ENDING if self.ending is not None:
                due += [self.ending.deadline_s, self._asked_due(self.ending.wants_reading)]
            case SessionState.RECOVERING:
                due += [self.session.since_s + BOOT_WAIT_S, self._asked_due(self.meter.newest is None)]
            case _:
                pass
        return min((each for each in due if each is not None and each != float("inf")), default=None)

    def _asked_due(self, asking: bool) -> float | None:
        if not asking or not self.layout.metered or self.asked_s is None:
            return None
        return self.asked_s + ASK_EVERY_S

    @property
    def _authorized_until_s(self) -> float | None:
        limit_s = self.around.connection_time_out_s
        return None if limit_s is None or self.authorization is None else self.authorization.at_s + limit_s

    @property
    def _plugged_until_s(self) -> float | None:
        limit_s = self.around.connection_time_out_s
        return None if limit_s is None else self.session.since_s + limit_s

    @property
    def _starting_until_s(self) -> float | None:
        free_vend = self.authorization is None or self.authorization.free_vend
        return None if free_vend else self._plugged_until_s

    @staticmethod
    def _over(until_s: float | None, turn: Turn) -> bool:
        return until_s is not None and turn.now_s >= until_s

    @property
    def _open_to_sessions(self) -> bool:
        return self.refusal is None

    def _start_reading(self) -> MeterReading | None:
        newest = self.meter.newest
        return newest if newest is not None and newest.taken_s > self.session.since_s else None

    def _ask_reading(self, turn: Turn) -> None:
        if self.asked_s is None or turn.now_s >= self.asked_s + ASK_EVERY_S or turn.now_s < self.asked_s:
            self.asked_s = turn.now_s
            turn.add(AskReading(evse_id=self.evse_id))

    def _unseen_wh(self, record: TransactionRecord, turn: Turn) -> float:
        """Return what may have flowed unseen before a power cut, Wh.

        By the time of day where both ends know it; else two intervals of keeping registers durable, at full power.
        """
        last_utc_s = None if record.last_at is None else record.last_at.utc_s
        if last_utc_s is not None and turn.now.utc_s is not None and turn.now.utc_s > last_utc_s:
            return greatest_wh(self.layout, turn.now.utc_s - last_utc_s)
        return greatest_wh(self.layout, 2 * KEEP_EVERY_S)

    def _light(self) -> str:
        if any(fault.blocking for fault in self.faults.present()):
            return "fast"
        if self.occupancy is Occupancy.FREE or not self.operative:
            return "off"
        return "slow" if self.occupancy in (Occupancy.PREPARING, Occupancy.FINISHING) else "on"

    @property
    def _name(self) -> str | None:
        return None if self.transaction is None else self.transaction.record.transaction_id
