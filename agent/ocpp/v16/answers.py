"""Outcomes of commands as the responses of OCPP 1.6."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import (
    Answered,
    AnyOutcome,
    Outcome,
    Unlocked,
    UnlockOutcome,
    VariablesOutcome,
    VariableStatus,
    VendorOutcome,
)
from agent.model.local_list import LocalListOutcome, LocalListVersionOutcome
from agent.model.maintenance import UpdateOutcome, UploadOutcome
from agent.model.profiles import ProfilesCleared
from agent.model.reservations import ReserveOutcome
from agent.model.security import CertificateOutcome, RootsOutcome
from agent.ocpp.codec import Payload
from agent.ocpp.errors import LocalProtocolError
from agent.ocpp.v16 import enums, keys, local_list, maintenance, messages, reservation, security, smart_charging, types

_CONFIGURATION_OF: Final[Mapping[VariableStatus, enums.ConfigurationStatus]] = MappingProxyType(
    {
        VariableStatus.ACCEPTED: enums.ConfigurationStatus.ACCEPTED,
        VariableStatus.REBOOT_REQUIRED: enums.ConfigurationStatus.REBOOT_REQUIRED,
        VariableStatus.REJECTED: enums.ConfigurationStatus.REJECTED,
        VariableStatus.READ_ONLY: enums.ConfigurationStatus.REJECTED,
        VariableStatus.WRITE_ONLY: enums.ConfigurationStatus.REJECTED,
        VariableStatus.NOT_SUPPORTED_ATTRIBUTE: enums.ConfigurationStatus.REJECTED,
        VariableStatus.UNKNOWN_COMPONENT: enums.ConfigurationStatus.NOT_SUPPORTED,
        VariableStatus.UNKNOWN_VARIABLE: enums.ConfigurationStatus.NOT_SUPPORTED,
    }
)
_UNLOCK_OF: Final[Mapping[Unlocked, enums.UnlockStatus]] = MappingProxyType(
    {
        Unlocked.UNLOCKED: enums.UnlockStatus.UNLOCKED,
        Unlocked.FAILED: enums.UnlockStatus.UNLOCK_FAILED,
        Unlocked.ONGOING_TRANSACTION: enums.UnlockStatus.UNLOCK_FAILED,
        Unlocked.UNKNOWN_CONNECTOR: enums.UnlockStatus.NOT_SUPPORTED,
        Unlocked.NOT_SUPPORTED: enums.UnlockStatus.NOT_SUPPORTED,
    }
)
_TRIGGER_OF: Final[Mapping[Answered, enums.TriggerMessageStatus]] = MappingProxyType(
    {
        Answered.ACCEPTED: enums.TriggerMessageStatus.ACCEPTED,
        Answered.SCHEDULED: enums.TriggerMessageStatus.ACCEPTED,
        Answered.REJECTED: enums.TriggerMessageStatus.REJECTED,
        Answered.NOT_IMPLEMENTED: enums.TriggerMessageStatus.NOT_IMPLEMENTED,
        Answered.NOT_SUPPORTED: enums.TriggerMessageStatus.NOT_IMPLEMENTED,
    }
)


def response(action: str, outcome: AnyOutcome) -> Payload:
    """Return the response to ``action``.

    Raises:
        LocalProtocolError: this outcome does not belong to that action.
        RemoteProtocolError: 1.6 says this outcome with a CALLERROR.
    """
    match action, outcome:
        case "RemoteStartTransaction", Outcome():
            return messages.RemoteStartTransactionResponse(status=_start_stop(outcome))
        case "RemoteStopTransaction", Outcome():
            return messages.RemoteStopTransactionResponse(status=_start_stop(outcome))
        case "Reset", Outcome():
            status = enums.ResetStatus.ACCEPTED if _granted(outcome) else enums.ResetStatus.REJECTED
            return messages.ResetResponse(status=status)
        case "ChangeAvailability", Outcome():
            return messages.ChangeAvailabilityResponse(status=_availability(outcome))
        case "ClearCache", Outcome():
            cleared = enums.ClearCacheStatus.ACCEPTED if _granted(outcome) else enums.ClearCacheStatus.REJECTED
            return messages.ClearCacheResponse(status=cleared)
        case "TriggerMessage", Outcome():
            return messages.TriggerMessageResponse(status=_TRIGGER_OF[outcome.answered])
        case "UnlockConnector", UnlockOutcome():
            return messages.UnlockConnectorResponse(status=_UNLOCK_OF[outcome.unlocked])
        case "GetConfiguration", VariablesOutcome():
            return _configuration(outcome)
        case "ChangeConfiguration", VariablesOutcome(results=(result,)):
            return messages.ChangeConfigurationResponse(status=_CONFIGURATION_OF[result.status])
        case "DataTransfer", VendorOutcome():
            return messages.DataTransferResponse(status=_vendor(outcome))
        case "GetLocalListVersion", LocalListVersionOutcome():
            return local_list.response(outcome)
        case "SendLocalList", LocalListOutcome():
            return local_list.response(outcome)
        case "SetChargingProfile", Outcome():
            return smart_charging.set_response(outcome)
        case "ClearChargingProfile", ProfilesCleared():
            return smart_charging.clear_response(outcome)
        case "ReserveNow", ReserveOutcome():
            return reservation.reserve_response(outcome)
        case "CancelReservation", Outcome():
            return reservation.cancel_response(outcome)
        case _, (UpdateOutcome() | UploadOutcome()):
            return maintenance.response(action, outcome)
        case _, (CertificateOutcome() | RootsOutcome() | Outcome()):
            return security.response(action, outcome)
    raise LocalProtocolError(f"{type(outcome).__name__} is no outcome of {action}")


def _granted(outcome: Outcome) -> bool:
    return outcome.answered in (Answered.ACCEPTED, Answered.SCHEDULED)


def _start_stop(outcome: Outcome) -> enums.RemoteStartStopStatus:
    return enums.RemoteStartStopStatus.ACCEPTED if _granted(outcome) else enums.RemoteStartStopStatus.REJECTED


def _availability(outcome: Outcome) -> enums.AvailabilityStatus:
    if outcome.answered is Answered.SCHEDULED:
        return enums.AvailabilityStatus.SCHEDULED
    granted = outcome.answered is Answered.ACCEPTED
    return enums.AvailabilityStatus.ACCEPTED if granted else enums.AvailabilityStatus.REJECTED


def _configuration(outcome: VariablesOutcome) -> messages.GetConfigurationResponse:
    known = []
    unknown = []
    for result in outcome.results:
        name = keys.name_of(result.ref)
        if result.status in (VariableStatus.UNKNOWN_COMPONENT, VariableStatus.UNKNOWN_VARIABLE):
            unknown.append(name)
        else:
            value = None if result.value is None else result.value[:500]
            known.append(types.KeyValue(key=name, readonly=result.read_only, value=value))
    return messages.GetConfigurationResponse(configuration_key=tuple(known) or None, unknown_key=tuple(unknown) or None)


def _vendor(outcome: VendorOutcome) -> enums.DataTransferStatus:
    if not outcome.known_vendor:
        return enums.DataTransferStatus.UNKNOWN_VENDOR_ID
    if not outcome.known_message:
        return enums.DataTransferStatus.UNKNOWN_MESSAGE_ID
    return enums.DataTransferStatus.ACCEPTED if outcome.accepted else enums.DataTransferStatus.REJECTED
