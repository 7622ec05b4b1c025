"""Outcomes of commands as the responses of OCPP 2.0.1."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import (
    Answered,
    AnyOutcome,
    Outcome,
    TransactionStatusOutcome,
    Unlocked,
    UnlockOutcome,
    VariableResult,
    VariablesOutcome,
    VariableStatus,
    VendorOutcome,
)
from agent.ocpp.codec import Payload
from agent.ocpp.errors import LocalProtocolError
from agent.ocpp.v201 import enums, messages, types, variables

_INFO_CHARS: Final = 512
_VALUE_CHARS: Final = 2_500

_GET_OF: Final[Mapping[VariableStatus, enums.GetVariableStatus]] = MappingProxyType(
    {
        VariableStatus.ACCEPTED: enums.GetVariableStatus.ACCEPTED,
        VariableStatus.REBOOT_REQUIRED: enums.GetVariableStatus.ACCEPTED,
        VariableStatus.REJECTED: enums.GetVariableStatus.REJECTED,
        VariableStatus.READ_ONLY: enums.GetVariableStatus.REJECTED,
        VariableStatus.WRITE_ONLY: enums.GetVariableStatus.REJECTED,
        VariableStatus.UNKNOWN_COMPONENT: enums.GetVariableStatus.UNKNOWN_COMPONENT,
        VariableStatus.UNKNOWN_VARIABLE: enums.GetVariableStatus.UNKNOWN_VARIABLE,
        VariableStatus.NOT_SUPPORTED_ATTRIBUTE: enums.GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE,
    }
)
_SET_OF: Final[Mapping[VariableStatus, enums.SetVariableStatus]] = MappingProxyType(
    {
        VariableStatus.ACCEPTED: enums.SetVariableStatus.ACCEPTED,
        VariableStatus.REBOOT_REQUIRED: enums.SetVariableStatus.REBOOT_REQUIRED,
        VariableStatus.REJECTED: enums.SetVariableStatus.REJECTED,
        VariableStatus.READ_ONLY: enums.SetVariableStatus.REJECTED,
        VariableStatus.WRITE_ONLY: enums.SetVariableStatus.REJECTED,
        VariableStatus.UNKNOWN_COMPONENT: enums.SetVariableStatus.UNKNOWN_COMPONENT,
        VariableStatus.UNKNOWN_VARIABLE: enums.SetVariableStatus.UNKNOWN_VARIABLE,
        VariableStatus.NOT_SUPPORTED_ATTRIBUTE: enums.SetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE,
    }
)
_REASON_CODE_OF: Final[Mapping[VariableStatus, str]] = MappingProxyType(
    {
        VariableStatus.READ_ONLY: "ReadOnly",
        VariableStatus.WRITE_ONLY: "WriteOnly",
        VariableStatus.REJECTED: "InvalidValue",
    }
)
_UNLOCK_OF: Final[Mapping[Unlocked, enums.UnlockStatus]] = MappingProxyType(
    {
        Unlocked.UNLOCKED: enums.UnlockStatus.UNLOCKED,
        Unlocked.FAILED: enums.UnlockStatus.UNLOCK_FAILED,
        Unlocked.ONGOING_TRANSACTION: enums.UnlockStatus.ONGOING_AUTHORIZED_TRANSACTION,
        Unlocked.UNKNOWN_CONNECTOR: enums.UnlockStatus.UNKNOWN_CONNECTOR,
        Unlocked.NOT_SUPPORTED: enums.UnlockStatus.UNLOCK_FAILED,
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
_RESET_OF: Final[Mapping[Answered, enums.ResetStatus]] = MappingProxyType(
    {Answered.ACCEPTED: enums.ResetStatus.ACCEPTED, Answered.SCHEDULED: enums.ResetStatus.SCHEDULED}
)
_AVAILABILITY_OF: Final[Mapping[Answered, enums.ChangeAvailabilityStatus]] = MappingProxyType(
    {
        Answered.ACCEPTED: enums.ChangeAvailabilityStatus.ACCEPTED,
        Answered.SCHEDULED: enums.ChangeAvailabilityStatus.SCHEDULED,
    }
)
_REPORT_OF: Final[Mapping[Answered, enums.GenericDeviceModelStatus]] = MappingProxyType(
    {
        Answered.ACCEPTED: enums.GenericDeviceModelStatus.ACCEPTED,
        Answered.NOT_SUPPORTED: enums.GenericDeviceModelStatus.NOT_SUPPORTED,
        Answered.NOT_IMPLEMENTED: enums.GenericDeviceModelStatus.NOT_SUPPORTED,
    }
)


def response(action: str, outcome: AnyOutcome) -> Payload:
    """Return the response to ``action``.

    Raises:
        LocalProtocolError: this outcome does not belong to that action.
    """
    match outcome:
        case Outcome():
            made = _plain(action, outcome)
        case UnlockOutcome() if action == "UnlockConnector":
            made = messages.UnlockConnectorResponse(status=_UNLOCK_OF[outcome.unlocked])
        case VariablesOutcome() if action == "GetVariables":
            made = messages.GetVariablesResponse(get_variable_result=tuple(map(_read, outcome.results)))
        case VariablesOutcome() if action == "SetVariables":
            made = messages.SetVariablesResponse(set_variable_result=tuple(map(_written, outcome.results)))
        case VendorOutcome() if action == "DataTransfer":
            made = messages.DataTransferResponse(status=_vendor(outcome))
        case TransactionStatusOutcome() if action == "GetTransactionStatus":
            made = messages.GetTransactionStatusResponse(
                messages_in_queue=outcome.messages_in_queue, ongoing_indicator=outcome.ongoing
            )
        case _:
            made = None
    if made is None:
        raise LocalProtocolError(f"{type(outcome).__name__} is no outcome of {action}")
    return made


def _plain(action: str, outcome: Outcome) -> Payload | None:
    answered, info = outcome.answered, _info(outcome)
    granted = answered in (Answered.ACCEPTED, Answered.SCHEDULED)
    start_stop = enums.RequestStartStopStatus.ACCEPTED if granted else enums.RequestStartStopStatus.REJECTED
    match action:
        case "RequestStartTransaction":
            transaction_id = outcome.transaction_id if granted else None
            return messages.RequestStartTransactionResponse(
                status=start_stop, status_info=info, transaction_id=transaction_id
            )
        case "RequestStopTransaction":
            return messages.RequestStopTransactionResponse(status=start_stop, status_info=info)
        case "Reset":
            return messages.ResetResponse(status=_RESET_OF.get(answered, enums.ResetStatus.REJECTED), status_info=info)
        case "ChangeAvailability":
            status = _AVAILABILITY_OF.get(answered, enums.ChangeAvailabilityStatus.REJECTED)
            return messages.ChangeAvailabilityResponse(status=status, status_info=info)
        case "ClearCache":
            cleared = enums.ClearCacheStatus.ACCEPTED if granted else enums.ClearCacheStatus.REJECTED
            return messages.ClearCacheResponse(status=cleared, status_info=info)
        case "GetBaseReport":
            reported = _REPORT_OF.get(answered, enums.GenericDeviceModelStatus.REJECTED)
            return messages.GetBaseReportResponse(status=reported, status_info=info)
        case "TriggerMessage":
            return messages.TriggerMessageResponse(status=_TRIGGER_OF[answered], status_info=info)
    return None


def _info(outcome: Outcome) -> types.StatusInfo | None:
    """Say why to the person who reads the CSMS's log."""
    if not outcome.why or outcome.answered is Answered.ACCEPTED:
        return None
    return types.StatusInfo(reason_code="Other", additional_info=outcome.why[:_INFO_CHARS])


def _read(result: VariableResult) -> types.GetVariableResult:
    component, variable = variables.names_of(result.ref)
    accepted = result.status is VariableStatus.ACCEPTED
    return types.GetVariableResult(
        attribute_status=_GET_OF[result.status],
        component=component,
        variable=variable,
        attribute_type=enums.AttributeKind(result.attribute.value),
        attribute_value=(result.value or "")[:_VALUE_CHARS] if accepted else None,
        attribute_status_info=_why(result),
    )


def _written(result: VariableResult) -> types.SetVariableResult:
    component, variable = variables.names_of(result.ref)
    return types.SetVariableResult(
        attribute_status=_SET_OF[result.status],
        component=component,
        variable=variable,
        attribute_type=enums.AttributeKind(result.attribute.value),
        attribute_status_info=_why(result),
    )


def _why(result: VariableResult) -> types.StatusInfo | None:
    code = _REASON_CODE_OF.get(result.status)
    if code is None:
        return None
    return types.StatusInfo(reason_code=code, additional_info=result.why[:_INFO_CHARS] or None)


def _vendor(outcome: VendorOutcome) -> enums.DataTransferStatus:
    if not outcome.known_vendor:
        return enums.DataTransferStatus.UNKNOWN_VENDOR_ID
    if not outcome.known_message:
        return enums.DataTransferStatus.UNKNOWN_MESSAGE_ID
    return enums.DataTransferStatus.ACCEPTED if outcome.accepted else enums.DataTransferStatus.REJECTED
