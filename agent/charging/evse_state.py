"""What is known of one EVSE, and what follows from it now: all questions, no deeds."""

from __future__ import annotations

from typing import Final

from agent.charging.authorization import Authorization
from agent.charging.composition import Rate
from agent.charging.ending import ASK_EVERY_S, BOOT_WAIT_S, Ending
from agent.charging.evse_faults import Faults
from agent.charging.flow import Flow
from agent.charging.kept_cable import KeptCable
from agent.charging.limits import Circumstances, limits_of
from agent.charging.outputs import Outputs
from agent.charging.over_current import OverCurrent
from agent.charging.profile_plan import Limited
from agent.charging.readings import Meter
from agent.charging.sampling import ClockGrid, Sampling
from agent.charging.session import Session, SessionState
from agent.charging.sides import Side, Sides
from agent.charging.surroundings import Surroundings
from agent.charging.transaction import Transaction
from agent.model.evse import EvseCondition, Limit, Occupancy
from agent.model.facts import ChargingState
from agent.model.ids import IdToken
from agent.model.moment import Stamp, rfc3339
from agent.model.station import EvseLayout
from drivers.api import MeterReading

_LAST_UTC_S: Final = 253_402_300_799.0  # end of the year 9999, the last that can be written
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
    ChargingState.CONNECTED: Occupancy.PREPARING,  # no power path yet: OCPP 1.6 §4.9, transition B3 comes with it
    ChargingState.SUSPENDED_EV: Occupancy.SUSPENDED_EV,
    ChargingState.SUSPENDED_EVSE: Occupancy.SUSPENDED_EVSE,
    ChargingState.IDLE: Occupancy.SUSPENDED_EV,
}


class EvseState:
    """The state of one EVSE.

    Attributes:
        sides: its connectors as the guard sees them.
        authorization: who may charge here next; kept until the transaction has begun.
        transaction: the one that runs, is ending or recovering.
        last_token: who charged here last, while the cable stays in.
        cable: one that stays in the socket without a vehicle.
        held_for: whom the locked cable waits for after the end; ``held_group``: or anybody of this group.
        asking: the CSMS is being asked about a card for this EVSE.
        share_a: share of the station's supply, A per phase; ``None``: no such limit. share_of: who limits that supply.
        profile_limit: what charging profiles allow now.
        reserved: it shows as reserved: nobody is there, or somebody whom the reservation is not for.
        decrease_s: when less will be allowed than now, monotonic; ``None``: not within the life of a permit.
    """

    def __init__(self, layout: EvseLayout, around: Surroundings) -> None:
        """Begin with a free EVSE of which nothing is known."""
        self.layout = layout
        self.around = around
        self.session = Session(layout.evse_id)
        self.meter = Meter(layout)
        self.sides = Sides(layout, around.layout.permit_valid_s)
        self.faults = Faults(layout, around)
        self.over_current = OverCurrent()
        self.authorization: Authorization | None = None
        self.transaction: Transaction | None = None
        self.last_token: IdToken | None = None
        self.held_for: IdToken | None = None
        self.held_group: str | None = None
        self.asking = False
        self.share_a: float | None = None
        self.share_of = ""
        self.profile_limit = Limited()
        self.decrease_s: float | None = None
        self.reserved = False
        self.flow = Flow()
        self.sampling: Sampling | None = None
        self.clock_grid = ClockGrid(around.variables)
        self.aligned_since: MeterReading | None = None
        self.ending: Ending | None = None
        self.asked_s: float | None = None
        self.free_vend_again = False

    @property
    def evse_id(self) -> int:
        """Return the EVSE's number."""
        return self.layout.evse_id

    @property
    def connector_id(self) -> int:
        """Return the connector that is in use, or would be: the transaction's, the one that the CSMS named, the one
        whose turn it is; where the guard cannot tell at which connector a vehicle is, the first operative one.
        """
        if self.transaction is not None:
            return self.transaction.record.connector_id
        named = None if self.authorization is None else self.authorization.connector_id
        if named in self.layout.connector_ids:
            return named
        if self.sides.several:
            return self.sides.used
        availability = self.around.availability
        able = (each for each in self.layout.connector_ids if availability.connector(self.evse_id, each))
        return next(able, self.layout.connector_ids[0])

    @property
    def side(self) -> Side:
        """Return the connector in use as the guard sees it."""
        return self.sides.at(self.connector_id) if self.sides.several else self.sides.first

    @property
    def condition(self) -> EvseCondition | None:
        """Return the guard's newest word on the connector in use; ``None`` while it is lost."""
        return self.side.condition

    @property
    def outputs(self) -> Outputs:
        """Return what was sent to the guard for the connector in use."""
        return self.side.outputs

    @property
    def cable(self) -> KeptCable:
        """Return what is known of a cable without its vehicle, at the connector in use."""
        return self.side.cable

    @property
    def plugged_s(self) -> float:
        """Return when the newest vehicle came to the connector in use, monotonic."""
        return self.side.plugged_s

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
    def waits_for_word(self) -> bool:
        """Return whether a vehicle without authorization waits for somebody else: the CSMS, or who reserved."""
        return self.asking or self.reserved

    @property
    def refusal(self) -> str | None:
        """Return why no new session may begin here; ``None``: it may."""
        reasons = self._ours_for_new()
        blocking = [fault for fault in self.faults.present() if fault.blocking]
        if blocking:
            reasons.append(("fault", f"fault {blocking[0].code.value}"))
        return reasons[0][1] if reasons else None

    def refusal_at(self, connector_id: int | None) -> str | None:
        """Return why no new session may begin at a connector, ``None`` for whichever; ``None``: it may."""
        if connector_id is None:
            return self.refusal
        if not self.around.availability.connector(self.evse_id, connector_id):
            return "made inoperative by the CSMS"
        if not self.sides.several or connector_id == self.connector_id:
            return self.refusal
        blocking = [fault for fault in self.faults.against(connector_id) if fault.blocking]
        reasons = self._ours_for_new()
        return f"fault {blocking[0].code.value}" if blocking else reasons[0][1] if reasons else None

    @property
    def used_up(self) -> bool:
        """Return whether the token was refused after the start and the energy granted then is used up."""
        left = None if self.transaction is None else self.transaction.energy_left_wh(self.meter.newest)
        return left is not None and left <= 0

    @property
    def closed(self) -> str | None:
        """Return whose decision keeps new sessions out; a fault does not decide, it delays."""
        reasons = self._ours_for_new(lasting_only=True)
        return reasons[0][1] if reasons else None

    @property
    def permit_phases(self) -> int:
        """Return the phases to permit: all, or one where a profile asks for fewer and the EVSE can switch."""
        return Rate.of_evse(self.layout).phases_of(self.profile_limit.phases)

    def circumstances(self) -> Circumstances:
        """Return everything that decides about a permit."""
        return Circumstances(
            transaction=self.session.state is SessionState.CHARGING,
            ours=tuple(self._ours()),
            faults=self.faults.present(),
            evse_a=self.side.max_current_a,
            share_a=self.share_a,
            share_of=self.share_of,
            profile_a=self.profile_limit.current_a,
            profile=self.profile_limit.text,
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
                missing = [] if known else [self._nobody()]
                return [*self._ours_for_new(), *missing]

    def _nobody(self) -> tuple[str, str]:
        reservation = self.around.reservations.of(self.evse_id)
        if reservation is None:
            return ("authorization", "nobody is authorised")
        until = rfc3339(min(reservation.expires_utc_s, _LAST_UTC_S))
        return ("reservation", f"reserved for {reservation.token.hashed()} until {until}")

    def _ours_for_new(self, *, lasting_only: bool = False) -> list[tuple[str, str]]:
        reasons = []
        if self.around.store_failed and not lasting_only:
            reasons.append(("store", "the store cannot keep a transaction"))
        if self.around.availability.held:
            reasons.append(("maintenance", "firmware is about to be installed"))
        elif not self.operative:
            reasons.append(("inoperative", "made inoperative by the CSMS"))
        if self.around.reset is not None:
            reasons.append(("restart", "a restart is pending"))
        return reasons

    def deadline_s(self, now: Stamp) -> float | None:
        """Return when something here is due without any other input, monotonic; ``None``: nothing is."""
        state = self.session.state
        due = [self.faults.deadline_s(), self.clock_grid.deadline_s(now) if self.layout.metered else None]
        if self.outputs.permit_a is not None and self.condition is not None:
            due.append(self.outputs.renew_due_s)
        match state:
            case SessionState.AUTHORIZED:
                due.append(self._authorized_until_s)
            case SessionState.PLUGGED if not self.waits_for_word:
                due.append(self._plugged_until_s)
            case SessionState.STARTING:
                due += [self._starting_until_s, self._asked_due(self.condition is not None and self._open_to_sessions)]
            case SessionState.FINISHED if self.held_for is not None:
                due.append(self.cable.due_s)
            case SessionState.CHARGING if self.transaction is not None and self.sampling is not None:
                due += [self.flow.deadline_s(), self.sampling.deadline_s(now), self.transaction.keep_due_s]
                due.append(self.cable.due_s)
            case SessionState.ENDING if self.ending is not None:
                due += [self.ending.deadline_s, self._asked_due(self.ending.wants_reading)]
            case SessionState.RECOVERING:
                # After that time only the guard's word is missing, which comes by itself.
                over_s = self.session.since_s + BOOT_WAIT_S
                if now.mono_s < over_s:
                    due += [over_s, self._asked_due(self.meter.newest is None)]
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

    @property
    def _open_to_sessions(self) -> bool:
        return self.refusal is None

    def _start_reading(self) -> MeterReading | None:
        newest = self.meter.newest
        return newest if newest is not None and newest.taken_s > self.session.since_s else None

    @property
    def name(self) -> str | None:
        """Return the id of the running transaction."""
        return None if self.transaction is None else self.transaction.record.transaction_id
