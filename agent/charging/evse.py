"""One EVSE: its session, moved on after every input by what is true now.

``advance`` moves the session as far as the circumstances allow; ``settle`` then brings charging state, permit, cable
and light into line with it. Both are levels: called again with nothing changed they do nothing.
"""

from __future__ import annotations

from typing import Final

from agent.charging import metering
from agent.charging.authorization import Authorization
from agent.charging.ending import ASK_EVERY_S, BOOT_WAIT_S, Ending
from agent.charging.evse_state import EvseState
from agent.charging.flow import Flow, Seen
from agent.charging.indication import shown_state
from agent.charging.limits import MIN_CURRENT_A, permitted_a
from agent.charging.readings import Belief, draws_a, greatest_wh
from agent.charging.sampling import Sampling
from agent.charging.session import Session, SessionState, Step
from agent.charging.surroundings import GUARD_GRACE_S
from agent.charging.transaction import KEEP_EVERY_S, Transaction, begin
from agent.charging.turn import Turn
from agent.model.effects import AskReading
from agent.model.evse import EvseCondition
from agent.model.facts import ChargingState, StopReason, TransactionRecord, Trigger
from agent.model.faults import FaultCode
from agent.model.ids import FREE_VEND_TOKEN, IdToken
from agent.model.station import ButtonUse, OnOverCurrent, OnPowerLoss
from drivers.api import MeterReading

ENDING_FAULTS: Final = {
    FaultCode.EMERGENCY_STOP: StopReason.EMERGENCY_STOP,
    FaultCode.RCD_TRIPPED: StopReason.GROUND_FAULT,
    FaultCode.RCM_TRIPPED: StopReason.GROUND_FAULT,
    FaultCode.CONTACTOR_WELDED: StopReason.OTHER,
}


class Evse(EvseState):
    """One EVSE of the station: takes what happens and moves on."""

    # What comes in

    def restore(self, record: TransactionRecord, turn: Turn) -> None:
        """Take up the newest transaction that the store knows of this EVSE."""
        seen_in = (record.last_at or record.started_at).boot_id
        if record.ended:
            if seen_in == turn.now.boot_id:
                self.last_token = record.token
                self.sides.take_up(record.connector_id)
                self.session = Session(self.evse_id, SessionState.FINISHED, turn.now_s)
            return
        same_boot = seen_in == turn.now.boot_id
        self.transaction = Transaction(record, self.layout, self.around, turn.now_s)
        self.flow = Flow(record.charging_state)
        start_s = record.started_at.mono_s if record.started_at.boot_id == turn.now.boot_id else turn.now_s
        self.sampling = Sampling(start_s, self.around.variables)
        self.sampling.first = MeterReading(
            taken_s=turn.now_s, energy_import_wh=None if record.last_wh is None else float(record.last_wh)
        )
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
        side = self.sides.at(condition.connector_id)
        side.see(condition, turn.now_s)
        if side is self.side:
            self.over_current.offer(condition.offer_a if condition.contactor_closed else None, turn.now_s)
            if condition.plugged is False:
                self.over_current.forget()

    def lose_guard(self) -> None:
        """Know nothing of the EVSE any more; no permit counts as given."""
        self.over_current.lose()
        for side in self.sides:
            side.lose()

    def take_reading(self, reading: MeterReading, turn: Turn) -> None:
        """Judge a reading of the meter."""
        belief = self.meter.take(reading, fixed=self.transaction is not None)
        if belief is Belief.BELIEVED and self.around.layout.on_over_current is not OnOverCurrent.IGNORE:
            self.over_current.see(draws_a(reading), reading.taken_s)
        if belief is Belief.NEW_BASE:
            turn.note(
                "meter.base_changed",
                self.evse_id,
                level="warning",
                register_wh=reading.energy_import_wh,
                text=self.meter.exchanged,
            )

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

    def release_cable(self) -> None:
        """Let the cable go that waited for its owner."""
        self.held_for, self.held_group = None, None

    def stop(self, reason: StopReason, token: IdToken | None, turn: Turn) -> bool:
        """End the running transaction; return whether there was one to end."""
        if self.transaction is None or self.session.state not in (SessionState.CHARGING, SessionState.RECOVERING):
            return False
        self.outputs.permit(turn, None, self.layout.phases, self.condition, reason.value)
        self.transaction.decide_end(turn, reason, token, self.meter.newest)
        self.ending = Ending(turn.now_s, metered=self.layout.metered)
        turn.note("transaction.stop_decided", self.evse_id, reason=reason.value, transaction_id=self.name)
        self.session.take(Step.STOP, turn)
        return True

    # What follows from what is true now

    def advance(self, turn: Turn) -> None:
        """Move the session as far as the circumstances allow."""
        self._choose_side(turn)
        self.faults.step(
            turn,
            self.sides,
            self.side,
            self.meter,
            in_transaction=self.transaction is not None,
            over_current=self.over_current.verdict,
        )
        while True:
            before = (self.session.state, self.sides.used)
            self._step(turn)
            self._choose_side(turn)
            if (self.session.state, self.sides.used) == before:
                return

    def _choose_side(self, turn: Turn) -> None:
        """Find the connector whose turn it is; a session that waited for somebody at another one is over."""
        if not self.sides.several:
            return
        if self.transaction is not None:
            self.sides.used = self.transaction.record.connector_id
        if self.transaction is not None or self.held_for is not None:
            return
        before, state = self.sides.used, self.session.state
        self.sides.choose(lambda each: self.around.availability.connector(self.evse_id, each))
        if self.sides.used == before:
            return
        turn.note("connector.chosen", self.evse_id, connector_id=self.sides.used)
        self.over_current.forget()
        if state in (SessionState.PLUGGED, SessionState.LAPSED, SessionState.FINISHED, SessionState.STARTING):
            self.last_token, self.free_vend_again = None, False
            self.session.take(Step.UNPLUG, turn)
            if self.authorization is not None and self.authorization.free_vend:
                self.authorization = None  # it was for the vehicle that has left
                self.session.take(Step.FORGET, turn)

    def settle(self, turn: Turn) -> None:
        """Bring the charging state, the permit, the cable and the light into line."""
        wanted_a = permitted_a(self.circumstances())
        if self.session.state is SessionState.CHARGING and self.transaction is not None:
            self._flow(turn, self.transaction, wanted_a is not None)
        metering.step(self, turn, running=self.session.state is SessionState.CHARGING)
        if self.condition is None:
            return
        forbids = (each for each in self.limits() if each.current_a is None or each.current_a < MIN_CURRENT_A)
        why = next((each.text for each in forbids), "nothing permits it")
        for side in self.sides:
            if side is not self.side:
                side.rest(turn, self.layout.phases)
        if self.side.lockable and (self.transaction is not None or self.held_for is not None):
            self.outputs.hold(turn, True, kept=self._cable_stays)
        self.outputs.permit(turn, wanted_a, self.permit_phases, self.condition, why[:60], self.decrease_s)
        if self.side.lockable and self.transaction is None and self.held_for is None:
            self.outputs.hold(turn, False)
        self.sides.first.outputs.show(turn, shown_state(self))

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
        if self.authorization is not None and self.closed is not None and not self.authorization.free_vend:
            # A fault only delays: what a single scan saw must not send the driver away. The time-out bounds it.
            self.cancel(turn, self.closed)
        elif state is SessionState.FREE and plugged is True:
            had_its_turn = self.sides.several and self.side.served
            if not had_its_turn and self._vends_freely and self.authorization is None:
                self._free_vend(turn)
            self.session.take(Step.PLUG, turn)
            if had_its_turn:
                self.session.take(Step.LAPSE, turn)
        elif state is SessionState.AUTHORIZED and plugged is True:
            self.session.take(Step.PLUG, turn)
        elif state in (SessionState.PLUGGED, SessionState.LAPSED) and plugged is False:
            self.authorization = None
            self.session.take(Step.UNPLUG, turn)
        elif self.authorization is not None and state is not SessionState.AUTHORIZED:
            self.session.take(Step.AUTHORIZE, turn)
        elif state is SessionState.AUTHORIZED and self._over(self._authorized_until_s, turn):
            self.cancel(turn, "no vehicle within the connection time-out")
        elif state is SessionState.PLUGGED and not self.waits_for_word and self._over(self._plugged_until_s, turn):
            turn.note("session.lapsed", self.evse_id, reason="no authorization within the connection time-out")
            self.side.served = self.side.arrived
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
            token, group = authorization.token, authorization.group
            self.transaction = begin(
                turn,
                self.layout,
                self.around,
                token=token,
                group=group,
                trigger=authorization.trigger(self.plugged_s),
                remote_start_id=authorization.remote_start_id,
                reservation_id=self.around.reservations.use(self.evse_id, token, group, turn),
                reading=reading,
                connector_id=self.connector_id,
                beside=metering.beside(self, reading),
            )
            if authorization.profile is not None and self.name is not None:
                place = self.transaction.record.connector_id
                self.around.profiles.set_with_start(authorization.profile, self.evse_id, place, self.name, turn)
            self.flow = Flow()
            self.sampling = Sampling(turn.now_s, self.around.variables)
            self.sampling.first = reading
            self.meter.exchanged = ""
            self.authorization, self.last_token = None, None
            self.release_cable()
            turn.note("transaction.started", self.evse_id, token=authorization.token, transaction_id=self.name)
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
        if self.over_current.verdict and self.around.layout.on_over_current is OnOverCurrent.END:
            self.stop(StopReason.OVER_CURRENT, None, turn)
        elif self.plugged is False and (
            self.around.variables.flag("TxCtrlr", "StopTxOnEVSideDisconnect") or self._pulled_out(turn)
        ):
            self.stop(StopReason.EV_DISCONNECTED, None, turn)
        elif self.used_up and self.around.variables.flag("TxCtrlr", "StopTxOnInvalidId"):
            self.stop(StopReason.DEAUTHORIZED, None, turn)

    def _end(self, turn: Turn) -> None:
        if self.transaction is None or self.ending is None:
            return
        # A permit of a former life of the agent may still be in force.
        last = self.ending.step(turn.now_s, self.condition, self.meter.newest, self.meter.trouble)
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
        readable = reading is not None or not self.layout.metered  # no closing before the register was read
        resumes = self.around.layout.on_power_loss is OnPowerLoss.RESUME and readable and self.plugged is not False
        if ending is None and resumes:
            if self.plugged is True:
                self.sampling = Sampling(turn.now_s, self.around.variables)
                # Not CONNECTED, which is Preparing in OCPP 1.6: its table knows no way back from a transaction.
                transaction.update(turn, Trigger.POWER_RESTORED, ChargingState.SUSPENDED_EVSE, reading=reading)
                self.flow = Flow(ChargingState.SUSPENDED_EVSE)
                turn.note(
                    "transaction.resumed", self.evse_id, level="warning", reason="power_loss", transaction_id=self.name
                )
                self.session.take(Step.RESUME, turn)
            return
        if ending is None:
            transaction.decide_end(turn, StopReason.POWER_LOSS, None, None)
        gap = None
        if self.layout.metered and reading is None:
            gap = f"power was cut and the meter {self.meter.trouble} after it; the register is the last durable one"
        self.free_vend_again = not self.around.layout.authorization_required
        self._close(turn, transaction, reading, gap)

    def _close(self, turn: Turn, transaction: Transaction, reading: MeterReading | None, gap: str | None) -> None:
        since = None if self.sampling is None else self.sampling.last_kept
        fact = transaction.end(turn, reading=reading, gap=gap, beside=metering.beside(self, since))
        turn.note(
            "transaction.ended",
            self.evse_id,
            level="info" if gap is None else "warning",
            reason=fact.reason.value,
            meter_stop_wh=fact.meter_stop_wh,
            gap=gap,
            transaction_id=self.name,
        )
        self.last_token = transaction.record.token
        self.side.served = self.side.arrived
        if self.side.lockable and self._keeps_cable(fact.reason) and not self.cable.gone(turn.now_s):
            self.held_for, self.held_group = transaction.record.token, transaction.record.group
        self.transaction, self.ending, self.sampling = None, None, None
        self.session.take(Step.END, turn)

    @property
    def _cable_stays(self) -> bool:
        """Return whether the cable stays locked when it is unplugged at the vehicle.

        OCPP 1.6 §9.1.29: a transaction that goes on without the vehicle wins over UnlockConnectorOnEVSideDisconnect.
        """
        stops = self.around.variables.flag("TxCtrlr", "StopTxOnEVSideDisconnect")
        unlocks = self.around.variables.flag("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
        return self.held_for is not None or not stops or not unlocks

    def _keeps_cable(self, reason: StopReason) -> bool:
        """A cable stays locked for its owner where nobody authorised its release (OCPP 1.6 §3.5.4, §9.1.31)."""
        if reason is StopReason.EV_DISCONNECTED:
            return not self.around.variables.flag("OCPPCommCtrlr", "UnlockOnEVSideDisconnect")
        return reason is StopReason.DEAUTHORIZED

    def _pulled_out(self, turn: Turn) -> bool:
        """Return whether a cable without vehicle was pulled out of the socket, where nobody had released it."""
        if not self.cable.gone(turn.now_s):
            return False
        locked = None if self.condition is None else self.condition.cable_locked
        lock = {True: "locked", False: "unlocked", None: "unknown"}[locked]
        turn.note("cable.pulled_out", self.evse_id, level="warning", lock=lock)
        return True

    def _finished(self, turn: Turn) -> None:
        if self.held_for is not None and self.plugged is False and self._pulled_out(turn):
            self.release_cable()
        if self.plugged is False and self.held_for is None:
            self.last_token, self.authorization, self.free_vend_again = None, None, False
            self.session.take(Step.UNPLUG, turn)
        elif self.free_vend_again and self.plugged is True:
            self.free_vend_again = False
            self._free_vend(turn)
            self.session.take(Step.AUTHORIZE, turn)
        elif self.authorization is not None:
            self.session.take(Step.AUTHORIZE, turn)

    @property
    def _vends_freely(self) -> bool:
        """Return whether plugging in is all that a charge needs: no card, and no button that says "begin"."""
        return not self.around.layout.authorization_required and self.layout.button is not ButtonUse.START_STOP

    def _free_vend(self, turn: Turn) -> None:
        self.authorize(Authorization(token=FREE_VEND_TOKEN, at_s=turn.now_s, free_vend=True), turn)

    def _flow(self, turn: Turn, transaction: Transaction, permitted: bool) -> None:
        lost_s = self.around.guard_lost_s
        away = self.condition is None and (lost_s is None or turn.now_s < lost_s + GUARD_GRACE_S)
        condition = self.condition
        seen = Seen(
            permitted=None if away else permitted,
            plugged=self.plugged,
            # A pilot that is held to wake the vehicle is still an offer to it.
            offered=None
            if condition is None or "pilot_held" in condition.waiting_for
            else condition.offer_a is not None,
            ready=None if condition is None else condition.vehicle_ready,
            closed=None if condition is None else condition.contactor_closed,
            draws_a=draws_a(self.meter.fresh(turn.now_s, self.around.layout.meter_stale_s)),
        )
        if self.flow.step(seen, turn.now_s):
            transaction.update(turn, Trigger.CHARGING_STATE_CHANGED, self.flow.state)

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

    @staticmethod
    def _over(until_s: float | None, turn: Turn) -> bool:
        return until_s is not None and turn.now_s >= until_s
