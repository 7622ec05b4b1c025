"""The nine statuses of OCPP 1.6 as a projection of the EVSE's state.

A blocking fault is Faulted; out of service without a transaction is Unavailable; the rest follows the occupancy.
Connector 0 knows only Available, Unavailable and Faulted. Of an EVSE with several connectors one is in use; the others
are Unavailable meanwhile, because 1.6 has no other word for it. A fault that does not block is a warning: an error code
beside the status.

Source: OCPP 1.6 §4.9, §7.6, §7.7, errata 3.19 and 3.84.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from agent.model.evse import ConnectorView, EvseView, Occupancy
from agent.model.faults import Fault, FaultCode
from agent.ocpp.v16.enums import ChargePointErrorCode as Error
from agent.ocpp.v16.enums import ChargePointStatus as Status

_INFO_CHARS: Final = 50

_STATUS_OF: Final[Mapping[Occupancy, Status]] = MappingProxyType(
    {
        Occupancy.FREE: Status.AVAILABLE,
        Occupancy.PREPARING: Status.PREPARING,
        Occupancy.CHARGING: Status.CHARGING,
        Occupancy.SUSPENDED_EV: Status.SUSPENDED_EV,
        Occupancy.SUSPENDED_EVSE: Status.SUSPENDED_EVSE,
        Occupancy.FINISHING: Status.FINISHING,
    }
)

_ERROR_OF: Final[Mapping[FaultCode, Error]] = MappingProxyType(
    {
        FaultCode.RCD_TRIPPED: Error.GROUND_FAILURE,
        FaultCode.EMERGENCY_STOP: Error.OTHER_ERROR,
        FaultCode.PILOT_ERROR: Error.EV_COMMUNICATION_ERROR,
        FaultCode.DIODE_MISSING: Error.EV_COMMUNICATION_ERROR,
        FaultCode.CONTACTOR_WELDED: Error.POWER_SWITCH_FAILURE,
        FaultCode.CONTACTOR_STUCK_OPEN: Error.POWER_SWITCH_FAILURE,
        FaultCode.LOCK_FAILED: Error.CONNECTOR_LOCK_FAILURE,
        FaultCode.VENTILATION_MISSING: Error.OTHER_ERROR,
        FaultCode.PROXIMITY_ERROR: Error.OTHER_ERROR,
        FaultCode.INPUT_UNKNOWN: Error.INTERNAL_ERROR,
        FaultCode.POWER_PATH_LOST: Error.INTERNAL_ERROR,
        FaultCode.GUARD_LOST: Error.INTERNAL_ERROR,
        FaultCode.METER_SILENT: Error.POWER_METER_FAILURE,
        FaultCode.METER_IMPLAUSIBLE: Error.POWER_METER_FAILURE,
        FaultCode.METER_EXCHANGED: Error.OTHER_ERROR,
        FaultCode.MAIN_METER_LOST: Error.POWER_METER_FAILURE,
        FaultCode.READER_LOST: Error.READER_FAILURE,
        FaultCode.STORE_FAILED: Error.INTERNAL_ERROR,
        FaultCode.SETTINGS_LAST_GOOD: Error.OTHER_ERROR,
        FaultCode.OVER_CURRENT: Error.OVER_CURRENT_FAILURE,
        FaultCode.RCM_TRIPPED: Error.GROUND_FAILURE,
        FaultCode.GROUND_MISSING: Error.GROUND_FAILURE,
        FaultCode.DOOR_OPEN: Error.OTHER_ERROR,
        FaultCode.TILTED: Error.OTHER_ERROR,
        FaultCode.RCD_TEST_FAILED: Error.GROUND_FAILURE,
        FaultCode.OVER_TEMPERATURE: Error.HIGH_TEMPERATURE,
        FaultCode.CONTROLLER_DISOBEYS: Error.INTERNAL_ERROR,
        FaultCode.CONTROLLER_FAULT: Error.INTERNAL_ERROR,
        FaultCode.LOCAL_LIST_CONFLICT: Error.LOCAL_LIST_CONFLICT,
        FaultCode.WEAK_SIGNAL: Error.WEAK_SIGNAL,
    }
)
_EV_ERROR_FITS: Final = frozenset({Status.PREPARING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE, Status.FINISHING})


_IN_USE: Final = frozenset({Status.CHARGING, Status.SUSPENDED_EV, Status.SUSPENDED_EVSE})
_AFTER_USE: Final = frozenset({Status.AVAILABLE, Status.FINISHING, Status.UNAVAILABLE, Status.FAULTED})
_MOVES: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.AVAILABLE: frozenset(Status) - {Status.FINISHING},
        Status.PREPARING: _IN_USE | {Status.AVAILABLE, Status.FINISHING, Status.FAULTED},
        **dict.fromkeys(_IN_USE, _IN_USE | _AFTER_USE),
        Status.FINISHING: frozenset({Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}),
        Status.RESERVED: frozenset({Status.AVAILABLE, Status.PREPARING, Status.UNAVAILABLE, Status.FAULTED}),
        Status.UNAVAILABLE: frozenset(Status) - {Status.FINISHING, Status.RESERVED},
        Status.FAULTED: frozenset(Status),
    }
)


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """What 1.6 says about one connector."""

    status: Status
    error: Error
    info: str
    vendor_error: str

    @property
    def text(self) -> str:
        """Return a text that changes when the CSMS should be told."""
        return "|".join((self.status.value, self.error.value, self.vendor_error, self.info))


def project_station(views: Sequence[EvseView], operative: bool) -> Projection:
    """Return what connector 0 says."""
    faults = tuple(fault for view in views[:1] for fault in view.faults if fault.evse_id is None)
    if any(fault.blocking for fault in faults):
        status = Status.FAULTED
    else:
        status = Status.AVAILABLE if operative else Status.UNAVAILABLE
    return _with_fault(status, faults, "")


def project_connector(view: EvseView, connector_id: int, station_operative: bool) -> Projection:
    """Return what one connector says."""
    other = next((each for each in view.connectors if each.connector_id == connector_id != view.connector_id), None)
    if other is not None:
        return _project_unused(view, other, station_operative)
    operative = station_operative and view.operative and view.connector_operative.get(connector_id, True)
    welded = next((fault for fault in view.faults if fault.connector_id not in (None, connector_id)), None)
    own = tuple(fault for fault in view.faults if fault.connector_id in (None, connector_id))
    faults = tuple(fault for fault in own if fault.evse_id is not None or fault.blocking)
    if welded is not None and view.transaction_id is None and not any(fault.blocking for fault in own):
        return _with_fault(Status.UNAVAILABLE, (), f"connector {welded.connector_id}: {_words(welded)}")
    if any(fault.blocking for fault in own):
        status = Status.FAULTED
    elif view.occupancy is not Occupancy.FREE and view.connector_id not in (None, connector_id):
        return _with_fault(Status.UNAVAILABLE, (), "another connector of this EVSE is in use")
    elif not operative and view.transaction_id is None:
        status = Status.UNAVAILABLE
    elif view.reserved and view.reserved_connector_id not in (None, connector_id):
        return _with_fault(Status.UNAVAILABLE, (), "another connector of this EVSE is reserved")
    elif view.reserved:
        status = Status.RESERVED
    else:
        status = _STATUS_OF[view.occupancy]
    return _with_fault(status, faults, view.side_info)


def _project_unused(view: EvseView, connector: ConnectorView, station_operative: bool) -> Projection:
    """Return what a connector says whose sibling is in use, or would be."""
    faults = tuple(fault for fault in connector.faults if fault.evse_id is not None or fault.blocking)
    operative = station_operative and connector.operative
    if connector.blocked:
        return _with_fault(Status.FAULTED, faults, "")
    if not operative:
        return _with_fault(Status.UNAVAILABLE, faults, "")
    if connector.served and connector.plugged is not False:
        return _with_fault(Status.FINISHING, faults, "")  # its cable is still in
    forbids = next((fault for fault in view.faults if fault.connector_id not in (None, connector.connector_id)), None)
    if forbids is not None and forbids.code is FaultCode.CONTACTOR_WELDED:
        return _with_fault(Status.UNAVAILABLE, faults, f"connector {forbids.connector_id}: {_words(forbids)}")
    if view.occupancy is not Occupancy.FREE:
        return _with_fault(Status.UNAVAILABLE, faults, "another connector of this EVSE is in use")
    if view.reserved and view.reserved_connector_id not in (None, connector.connector_id):
        return _with_fault(Status.UNAVAILABLE, faults, "another connector of this EVSE is reserved")
    if view.reserved:
        return _with_fault(Status.RESERVED, faults, "")
    return _with_fault(Status.AVAILABLE, faults, "")


def _words(fault: Fault) -> str:
    return fault.code.value.replace("_", " ")


def told_status(text: str) -> Status:
    """Return the status in a projection's text."""
    return Status(text.partition("|")[0])


def status_between(before: Status, after: Status, *, plugged: bool) -> Status | None:
    """Return the status through which the table leads from one to another; ``None``: it leads there at once.

    The table has no move from Preparing to Unavailable or Reserved, for example: the intended use ends first (B1, or B6
    where a cable is in), then the connector is made unavailable (A8, F8) or reserved (A7).

    Source: OCPP 1.6 §4.9, table A1-I9.
    """
    if before is after or after in _MOVES[before]:
        return None
    through = (Status.PREPARING, Status.FINISHING, Status.AVAILABLE)
    if not plugged:
        through = (Status.PREPARING, Status.AVAILABLE, Status.FINISHING)
    return next((each for each in through if each in _MOVES[before] and after in _MOVES[each]), None)


def _said(text: str) -> str:
    """Return a fault's text without the device file that it may begin with: 50 characters have no room for both."""
    place, colon, said = text.partition(": ")
    return said if colon and place.startswith("/") and " " not in place else text


def _with_fault(status: Status, faults: Sequence[Fault], side_info: str) -> Projection:
    fault = min(faults, key=lambda each: not each.blocking, default=None)
    if fault is None:
        return Projection(status=status, error=Error.NO_ERROR, info=side_info[:_INFO_CHARS], vendor_error="")
    error = _ERROR_OF[fault.code]
    if error is Error.EV_COMMUNICATION_ERROR and status not in _EV_ERROR_FITS:
        error = Error.OTHER_ERROR
    info = (_said(fault.text) or side_info or fault.code.value.replace("_", " "))[:_INFO_CHARS]
    return Projection(status=status, error=error, info=info, vendor_error=fault.code.value)
