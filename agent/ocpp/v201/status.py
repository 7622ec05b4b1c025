"""The five connector statuses of OCPP 2.0.1, and the variables that mirror them.

Occupied means that an EV is connected or a transaction runs: an accepted card alone does not occupy a connector.

Source: OCPP 2.0.1 part 2 G01, G03, ConnectorStatusEnumType, component AvailabilityState.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agent.model.commands import VariableRef
from agent.model.evse import ConnectorView, EvseView, Occupancy
from agent.model.faults import Fault, FaultCode
from agent.model.variables import key_of
from agent.ocpp.v201.enums import ConnectorStatus
from agent.ocpp.wire_time import format_utc

Place = tuple[int, int]
_BEST_FIRST: Final = (
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.RESERVED,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.UNAVAILABLE,
)


def project(view: EvseView, connector_id: int | None, station_operative: bool) -> ConnectorStatus:
    """Return the status of a connector, or of the EVSE (``connector_id`` ``None``)."""
    other = next((each for each in view.connectors if each.connector_id == connector_id != view.connector_id), None)
    if other is not None:
        return _project_unused(view, other, station_operative)
    operative = station_operative and view.operative
    if connector_id is not None:
        operative = operative and view.connector_operative.get(connector_id, True)
    own = [fault for fault in view.faults if connector_id is None or fault.connector_id in (None, connector_id)]
    if any(fault.blocking for fault in own):
        return ConnectorStatus.FAULTED
    if view.transaction_id is not None:
        return ConnectorStatus.OCCUPIED
    if not operative or len(own) < len(view.faults):  # or a sibling has a fault that keeps this one open, too
        return ConnectorStatus.UNAVAILABLE
    if view.reserved and view.plugged is not True:
        return ConnectorStatus.RESERVED
    card_only = view.occupancy in (Occupancy.FREE, Occupancy.PREPARING)
    occupied = not card_only if view.plugged is None else view.plugged
    return ConnectorStatus.OCCUPIED if occupied else ConnectorStatus.AVAILABLE


def _project_unused(view: EvseView, connector: ConnectorView, station_operative: bool) -> ConnectorStatus:
    """Return the status of a connector whose sibling is in use, or would be.

    That a sibling is in use changes nothing here, nor does a vehicle that waits at it: no status is told of it.

    Source: OCPP 2.0.1 G01.FR.08.
    """
    if connector.blocked:
        return ConnectorStatus.FAULTED
    if not (station_operative and connector.operative):
        return ConnectorStatus.UNAVAILABLE
    if any(fault.connector_id not in (None, connector.connector_id) and _welded(fault) for fault in view.faults):
        return ConnectorStatus.UNAVAILABLE
    if connector.served and connector.plugged is not False:
        return ConnectorStatus.OCCUPIED
    reserved = view.reserved and view.reserved_connector_id in (None, connector.connector_id)
    return ConnectorStatus.RESERVED if reserved else ConnectorStatus.AVAILABLE


def _welded(fault: Fault) -> bool:
    return fault.code is FaultCode.CONTACTOR_WELDED


def project_station(views: Sequence[EvseView], operative: bool) -> ConnectorStatus:
    """Return the status of the station: available as long as one EVSE is."""
    if not operative:
        return ConnectorStatus.UNAVAILABLE
    present = {project(view, None, operative) for view in views}
    for status in _BEST_FIRST:
        if status in present or not present:
            return status
    return ConnectorStatus.FAULTED


def statuses(views: Sequence[EvseView], operative: bool) -> Mapping[Place, str]:
    """Return the status of every connector, in order."""
    return {
        (view.evse_id, connector_id): project(view, connector_id, operative).value
        for view in views
        for connector_id in view.connector_ids
    }


def live_variables(views: Sequence[EvseView], operative: bool, utc_s: float | None) -> Mapping[str, str]:
    """Return the variables that mirror a state, by ``key_of``."""
    values = {
        _state("ChargingStation", None, None): project_station(views, operative).value,
        key_of(VariableRef(component="ClockCtrlr", variable="DateTime")): "" if utc_s is None else format_utc(utc_s),
    }
    for view in views:
        values[_state("EVSE", view.evse_id, None)] = project(view, None, operative).value
        for connector_id in view.connector_ids:
            values[_state("Connector", view.evse_id, connector_id)] = project(view, connector_id, operative).value
    return values


def _state(component: str, evse_id: int | None, connector_id: int | None) -> str:
    ref = VariableRef(component=component, variable="AvailabilityState", evse_id=evse_id, connector_id=connector_id)
    return key_of(ref)
