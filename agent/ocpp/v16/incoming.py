"""What a 1.6 back end says: its answers to our messages and its requests.

Requests are read strictly. Of answers whatever is usable is taken: back ends exist that leave out ``idTagInfo``,
``transactionId`` or ``currentTime``, write ``heartbeatInterval``, or invent statuses; and a fact that they processed
must leave the queue whatever they say about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from agent.model.commands import (
    Attribute,
    ChangeAvailability,
    ClearCache,
    Command,
    GetVariables,
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
from agent.model.ids import IdToken
from agent.model.journal import JournalRow
from agent.ocpp.codec import Direction, members_of
from agent.ocpp.dialect import FactAnswer, Registration
from agent.ocpp.errors import RemoteProtocolError, Violation
from agent.ocpp.lenient import text_of, utc_of, whole_of
from agent.ocpp.v16 import (
    enums,
    keys,
    list_messages,
    local_list,
    maintenance,
    messages,
    reservation,
    security,
    smart_charging,
)
from agent.ocpp.v16.places import STATION, Connectors

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
    {enums.ResetType.HARD: ResetKind.IMMEDIATE, enums.ResetType.SOFT: ResetKind.GRACEFUL}
)
_TRIGGER_OF: Final[Mapping[enums.MessageTrigger, TriggerKind | None]] = MappingProxyType(
    {
        enums.MessageTrigger.BOOT_NOTIFICATION: TriggerKind.BOOT,
        enums.MessageTrigger.HEARTBEAT: TriggerKind.HEARTBEAT,
        enums.MessageTrigger.STATUS_NOTIFICATION: TriggerKind.STATUS,
        enums.MessageTrigger.METER_VALUES: TriggerKind.METER_VALUES,
        enums.MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION: TriggerKind.DIAGNOSTICS_STATUS,
        enums.MessageTrigger.FIRMWARE_STATUS_NOTIFICATION: TriggerKind.FIRMWARE_STATUS,
    }
)
_HAS_PLACE: Final = (TriggerKind.STATUS, TriggerKind.METER_VALUES)


def registration(payload: bytes) -> Registration:
    """Read the answer to a boot notification."""
    answer = members_of(payload)
    status = text_of(answer, "status").casefold()
    if status not in _STANDINGS:
        raise RemoteProtocolError(Violation.PROPERTY, f"status {status[:40]!r} is none of 1.6", reply_expected=False)
    interval_s = whole_of(answer, "interval")
    if interval_s is None:
        interval_s = whole_of(answer, "heartbeatInterval")  # old stacks
    return Registration(status=status, interval_s=interval_s, utc_s=utc_of(answer, "currentTime"))


def heartbeat(payload: bytes) -> float | None:
    """Read the answer to a heartbeat."""
    return utc_of(members_of(payload), "currentTime")


def authorization(payload: bytes) -> TokenVerdict:
    """Read the answer to an Authorize."""
    verdict = _verdict(members_of(payload))
    if verdict is None:
        raise RemoteProtocolError(Violation.OCCURRENCE, "idTagInfo: no status", reply_expected=False)
    return verdict


def fact_answer(row: JournalRow, payload: bytes) -> FactAnswer:
    """Read the answer to a rendered fact.

    A start that had been sent before and now comes back refused without a real number was most likely accepted the
    first time: then nobody knows its number.
    """
    answer = members_of(payload)
    verdict = _verdict(answer)
    if not isinstance(row.fact, TransactionStarted):
        return FactAnswer(verdict=verdict)
    number = whole_of(answer, "transactionId")
    again = row.sent or row.attempts > 0
    refused = verdict is not None and verdict.verdict is not Verdict.ACCEPTED
    if number is not None and number <= 0 and again and refused:
        number = None
    return FactAnswer(csms_id=None if number is None else str(number), verdict=verdict)


def _verdict(answer: Mapping[str, Any]) -> TokenVerdict | None:
    tag = answer.get("idTagInfo")
    if not isinstance(tag, dict):
        tag = answer  # some write {"status": "Accepted"} alone
    status = text_of(tag, "status")
    if not status:
        return None
    return TokenVerdict(
        verdict=_VERDICT_OF.get(status.casefold(), Verdict.OTHER),
        group=text_of(tag, "parentIdTag") or None,
        expires_utc_s=utc_of(tag, "expiryDate"),
    )


def command(action: str, payload: bytes, connectors: Connectors) -> Command:
    """Read a CALL of the CSMS."""
    pair = messages.ACTIONS.get(action)
    if pair is not None and pair.direction is Direction.TO_CSMS:
        raise RemoteProtocolError(Violation.NOT_SUPPORTED, f"{action} is not for a station")
    request = messages.CODEC.decode_request(action, payload)
    match request:
        case messages.RemoteStartTransactionRequest() as request:
            token = IdToken(value=request.id_tag)
            profile = smart_charging.start_profile(request.charging_profile)
            if request.connector_id is None:
                return RequestStart(token=token, profile=profile)
            evse_id, connector_id = connectors.place(request.connector_id)
            # The core refuses connector 0.
            return RequestStart(token=token, evse_id=evse_id, connector_id=connector_id, profile=profile)
        case messages.RemoteStopTransactionRequest(transaction_id=number):
            return RequestStop(transaction=str(number))
        case messages.ResetRequest(type=kind):
            return Reset(kind=_RESET_OF[kind])
        case messages.ChangeAvailabilityRequest() as request:
            return _availability(request, connectors)
        case messages.GetConfigurationRequest(key=wanted):
            if wanted and len(wanted) > keys.MOST_KEYS:
                raise RemoteProtocolError(Violation.OCCURRENCE, f"{len(wanted)} keys are more than {keys.MOST_KEYS}")
            refs = [keys.ref_of(name) for name in wanted] if wanted else keys.all_refs(lights=connectors.lights)
            return GetVariables(queries=tuple((ref, Attribute.ACTUAL) for ref in refs))
        case messages.ChangeConfigurationRequest(key=name, value=value):
            return SetVariables(assignments=((keys.ref_of(name), Attribute.ACTUAL, value),))
        case messages.ClearCacheRequest():
            return ClearCache()
        case messages.UnlockConnectorRequest(connector_id=number):
            evse_id, connector_id = connectors.place(number)
            return UnlockConnector(evse_id=evse_id, connector_id=connector_id, ends_transaction=True)
        case messages.TriggerMessageRequest() as request:
            return _trigger(request, connectors)
        case messages.DataTransferRequest() as request:
            return VendorMessage(vendor=request.vendor_id, message=request.message_id, content=request.data)
        case list_messages.GetLocalListVersionRequest() | list_messages.SendLocalListRequest() as request:
            return local_list.command(request)
    if isinstance(request, smart_charging.Request):
        return smart_charging.command(request, connectors)
    if isinstance(request, reservation.Request):
        return reservation.command(request, connectors)
    if isinstance(request, maintenance.Request):
        return maintenance.command(request)
    secured = security.command(request, connectors)
    if secured is not None:
        return secured
    raise RemoteProtocolError(Violation.NOT_SUPPORTED, f"{action} is not for a station")


def _availability(request: messages.ChangeAvailabilityRequest, connectors: Connectors) -> ChangeAvailability:
    operative = request.type is enums.AvailabilityType.OPERATIVE
    place = connectors.place(request.connector_id)
    if place == STATION:
        return ChangeAvailability(operative=operative, flat=True)
    return ChangeAvailability(operative=operative, evse_id=place[0], connector_id=place[1], flat=True)


def _trigger(request: messages.TriggerMessageRequest, connectors: Connectors) -> TriggerMessage:
    kind = _TRIGGER_OF[request.requested_message]
    if request.connector_id is None or kind not in _HAS_PLACE:
        return TriggerMessage(kind=kind)
    evse_id, connector_id = connectors.place(request.connector_id)
    return TriggerMessage(kind=kind, evse_id=evse_id, connector_id=connector_id)
