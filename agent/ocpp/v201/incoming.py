"""What a 2.0.1 back end says: its answers to our messages and its requests.

Requests are read strictly. Of answers whatever is usable is taken: a fact that was processed must leave the queue
whatever the CSMS says about it, and unknown statuses exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from agent.model.commands import (
    Attribute,
    ChangeAvailability,
    ClearCache,
    Command,
    GetTransactionStatus,
    GetVariables,
    ReportBase,
    ReportVariables,
    RequestStart,
    RequestStop,
    Reset,
    ResetKind,
    SetVariables,
    TokenVerdict,
    TriggerKind,
    TriggerMessage,
    UnlockConnector,
    VendorMessage,
    Verdict,
)
from agent.model.facts import TransactionStarted
from agent.model.ids import IdToken, IdTokenKind
from agent.model.journal import JournalRow
from agent.ocpp.codec import Direction, members_of
from agent.ocpp.dialect import FactAnswer, Registration
from agent.ocpp.errors import RemoteProtocolError, Violation
from agent.ocpp.lenient import text_of, utc_of, whole_of
from agent.ocpp.v201 import enums, messages, variables

_VERDICT_OF: Final[Mapping[str, Verdict]] = MappingProxyType(
    {
        "accepted": Verdict.ACCEPTED,
        "blocked": Verdict.BLOCKED,
        "expired": Verdict.EXPIRED,
        "invalid": Verdict.INVALID,
        "concurrenttx": Verdict.CONCURRENT,
    }
)
_STANDINGS: Final = ("accepted", "pending", "rejected")
_RESET_OF: Final = MappingProxyType(
    {enums.ResetKind.IMMEDIATE: ResetKind.IMMEDIATE, enums.ResetKind.ON_IDLE: ResetKind.ON_IDLE}
)
_BASE_OF: Final = MappingProxyType(
    {
        enums.ReportBase.CONFIGURATION_INVENTORY: ReportBase.CONFIGURATION,
        enums.ReportBase.FULL_INVENTORY: ReportBase.FULL,
        enums.ReportBase.SUMMARY_INVENTORY: ReportBase.SUMMARY,
    }
)
_TRIGGER_OF: Final[Mapping[enums.MessageTrigger, TriggerKind]] = MappingProxyType(
    {
        enums.MessageTrigger.BOOT_NOTIFICATION: TriggerKind.BOOT,
        enums.MessageTrigger.HEARTBEAT: TriggerKind.HEARTBEAT,
        enums.MessageTrigger.STATUS_NOTIFICATION: TriggerKind.STATUS,
        enums.MessageTrigger.METER_VALUES: TriggerKind.METER_VALUES,
        enums.MessageTrigger.TRANSACTION_EVENT: TriggerKind.TRANSACTION_EVENT,
    }
)


def registration(payload: bytes) -> Registration:
    """Read the answer to a boot notification."""
    answer = members_of(payload)
    status = text_of(answer, "status").casefold()
    if status not in _STANDINGS:
        raise RemoteProtocolError(Violation.PROPERTY, f"status {status[:40]!r} is none of 2.0.1", reply_expected=False)
    return Registration(status=status, interval_s=whole_of(answer, "interval"), utc_s=utc_of(answer, "currentTime"))


def heartbeat(payload: bytes) -> float | None:
    """Read the answer to a heartbeat."""
    return utc_of(members_of(payload), "currentTime")


def authorization(payload: bytes) -> TokenVerdict:
    """Read the answer to an Authorize."""
    verdict = _verdict(members_of(payload))
    if verdict is None:
        raise RemoteProtocolError(Violation.OCCURRENCE, "idTokenInfo: no status", reply_expected=False)
    return verdict


def fact_answer(row: JournalRow, payload: bytes) -> FactAnswer:
    """Read the answer to a transaction event. The station names transactions, so the CSMS's name is ours."""
    csms_id = row.fact.transaction_id if isinstance(row.fact, TransactionStarted) else None
    return FactAnswer(csms_id=csms_id, verdict=_verdict(members_of(payload)))


def _verdict(answer: Mapping[str, Any]) -> TokenVerdict | None:
    token = answer.get("idTokenInfo")
    if not isinstance(token, dict) or not text_of(token, "status"):
        return None
    group = token.get("groupIdToken")
    return TokenVerdict(
        verdict=_VERDICT_OF.get(text_of(token, "status").casefold(), Verdict.OTHER),
        group=(text_of(group, "idToken") or None) if isinstance(group, dict) else None,
        expires_utc_s=utc_of(token, "cacheExpiryDateTime"),
    )


def command(action: str, payload: bytes) -> Command:
    """Read a CALL of the CSMS."""
    pair = messages.ACTIONS.get(action)
    if pair is not None and pair.direction is Direction.TO_CSMS:
        raise RemoteProtocolError(Violation.NOT_SUPPORTED, f"{action} is not for a station")
    match messages.CODEC.decode_request(action, payload):
        case messages.RequestStartTransactionRequest() as request:
            return RequestStart(
                token=IdToken(value=request.id_token.id_token, kind=IdTokenKind(request.id_token.type.value)),
                evse_id=request.evse_id,
                remote_start_id=request.remote_start_id,
                group=None if request.group_id_token is None else request.group_id_token.id_token,
            )
        case messages.RequestStopTransactionRequest(transaction_id=transaction):
            return RequestStop(transaction=transaction)
        case messages.ResetRequest(type=kind, evse_id=evse_id):
            return Reset(kind=_RESET_OF[kind], evse_id=evse_id)
        case messages.ChangeAvailabilityRequest() as request:
            return _availability(request)
        case messages.GetVariablesRequest(get_variable_data=wanted):
            return GetVariables(
                queries=tuple(
                    (variables.ref_of(each.component, each.variable), _attribute(each.attribute_type))
                    for each in wanted
                )
            )
        case messages.SetVariablesRequest(set_variable_data=wished):
            return SetVariables(
                assignments=tuple(
                    (
                        variables.ref_of(each.component, each.variable),
                        _attribute(each.attribute_type),
                        each.attribute_value,
                    )
                    for each in wished
                )
            )
        case messages.GetBaseReportRequest(request_id=request_id, report_base=base):
            return ReportVariables(request_id=request_id, base=_BASE_OF[base])
        case messages.ClearCacheRequest():
            return ClearCache()
        case messages.UnlockConnectorRequest(evse_id=evse, connector_id=connector):
            return UnlockConnector(evse_id=evse, connector_id=connector, ends_transaction=False)
        case messages.TriggerMessageRequest() as request:
            return _trigger(request)
        case messages.GetTransactionStatusRequest(transaction_id=asked):
            return GetTransactionStatus(transaction=asked)
        case messages.DataTransferRequest() as request:
            return VendorMessage(vendor=request.vendor_id, message=request.message_id, content=_content(request.data))
    raise RemoteProtocolError(Violation.NOT_SUPPORTED, f"{action} is not for a station")


def _availability(request: messages.ChangeAvailabilityRequest) -> ChangeAvailability:
    operative = request.operational_status is enums.OperationalStatus.OPERATIVE
    if request.evse is None:
        return ChangeAvailability(operative=operative)
    return ChangeAvailability(operative=operative, evse_id=request.evse.id, connector_id=request.evse.connector_id)


def _trigger(request: messages.TriggerMessageRequest) -> TriggerMessage:
    kind = _TRIGGER_OF.get(request.requested_message)
    if request.evse is None:
        return TriggerMessage(kind=kind)
    if kind is TriggerKind.METER_VALUES:  # these are an EVSE's: a connector means nothing
        return TriggerMessage(kind=kind, evse_id=request.evse.id)
    return TriggerMessage(kind=kind, evse_id=request.evse.id, connector_id=request.evse.connector_id)


def _attribute(kind: enums.AttributeKind | None) -> Attribute:
    return Attribute.ACTUAL if kind is None else Attribute(kind.value)


def _content(data: object) -> str | None:
    return data if data is None or isinstance(data, str) else msgspec.json.encode(data).decode()
