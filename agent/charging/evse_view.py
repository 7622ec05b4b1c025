"""The view of an EVSE that dialects, the console and the logs get."""

from __future__ import annotations

from typing import Final

from agent.charging.evse import Evse
from agent.charging.metering import soc_pct
from agent.charging.session import SessionState
from agent.charging.sides import Side
from agent.model.evse import ConnectorView, EvseView
from agent.model.facts import ChargingState
from agent.model.faults import FaultCode

_BEHIND_A_PLUG: Final = frozenset({SessionState.CHARGING, SessionState.ENDING, SessionState.FINISHED})


def view_of(evse: Evse) -> EvseView:
    """Return a snapshot of ``evse``."""
    condition, reading = evse.condition, evse.meter.newest
    record = None if evse.transaction is None else evse.transaction.record
    availability = evse.around.availability
    reservation = evse.around.reservations.of(evse.evse_id)
    put_off = evse.transaction is not None
    session_wh = None
    if record is not None and reading is not None and record.meter_start_wh is not None:
        energy_wh = reading.energy_import_wh
        session_wh = None if energy_wh is None else energy_wh - record.meter_start_wh
    token = record.token if record is not None else None
    if token is None and evse.authorization is not None:
        token = evse.authorization.token
    return EvseView(
        evse_id=evse.evse_id,
        connector_ids=evse.layout.connector_ids,
        connector_id=evse.connector_id,
        occupancy=evse.occupancy,
        operative=evse.operative,
        connector_operative={
            each: availability.connector(evse.evse_id, each) or put_off for each in evse.layout.connector_ids
        },
        faults=evse.faults.present(),
        plugged=evse.plugged,
        transaction_id=None if record is None else record.transaction_id,
        csms_id=None if record is None else record.csms_id,
        charging_state=charging_state(evse),
        token=token,
        offer_a=None if condition is None else condition.offer_a,
        permit_a=evse.outputs.permit_a,
        energy_wh=None if reading is None else reading.energy_import_wh,
        power_w=None if reading is None else reading.power_w,
        current_a=(None, None, None) if reading is None else reading.current_a,
        reading_at_s=None if reading is None else reading.taken_s,
        session_wh=session_wh,
        contactor_closed=None if condition is None else condition.contactor_closed,
        pilot="unknown" if condition is None else condition.pilot,
        limits=evse.limits(),
        reserved=evse.reserved,
        reserved_connector_id=None if reservation is None else reservation.connector_id,
        side_info=side_info(evse),
        connectors=connectors_of(evse),
        soc_pct=soc_pct(evse),
        awaited=evse.plugged is None and not any(each.blocking for each in evse.faults.present()),
    )


def connectors_of(evse: Evse) -> tuple[ConnectorView, ...]:
    """Return each of several connectors; nothing where the guard sees only one."""
    if not evse.sides.several:
        return ()
    availability = evse.around.availability
    return tuple(_connector(evse, side, availability.connector(evse.evse_id, side.connector_id)) for side in evse.sides)


def _connector(evse: Evse, side: Side, operative: bool) -> ConnectorView:
    condition = side.condition
    used = evse.transaction is not None and side is evse.side
    return ConnectorView(
        connector_id=side.connector_id,
        operative=operative or used,
        pilot="unknown" if condition is None else condition.pilot,
        plugged=None if condition is None else condition.plugged,
        contactor_closed=None if condition is None else condition.contactor_closed,
        cable_locked=None if condition is None else condition.cable_locked,
        faults=evse.faults.of(side.connector_id),
        served=side.served,
        max_current_a=side.max_current_a,
    )


def charging_state(evse: Evse) -> ChargingState:
    """Return the state of the energy transfer, also where no transaction runs."""
    if evse.session.state is SessionState.CHARGING:
        return evse.flow.state
    return ChargingState.CONNECTED if evse.plugged else ChargingState.IDLE


def side_info(evse: Evse) -> str:
    """Return the short text that goes with a status."""
    if evse.plugged is False and evse.session.state in _BEHIND_A_PLUG:
        return "EV side disconnected"
    if evse.session.state is SessionState.LAPSED and evse.operative:
        return "not authorised in time"
    codes = {fault.code for fault in evse.faults.present()}
    if FaultCode.METER_SILENT in codes:
        return "meter silent"
    return "meter implausible" if FaultCode.METER_IMPLAUSIBLE in codes else ""
