"""The messages of OCPP 2.0.1 that this station speaks, both directions, with the limits of the official JSON schemas.

Python names here, the standard's on the wire (``evse_id`` is ``evseId``). Times are made by `agent.ocpp.wire_time`.
Building a message checks times (`ValueError`); everything else is proven by ``CODEC.encode`` on the way out and by
``CODEC.decode_*`` on the way in. ``customData`` is ignored on the way in and never sent.

Source: OCPP 2.0.1 part 2, appendix 1; JSON schemas in part 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from msgspec import Meta

from agent.ocpp.codec import Codec, Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String36, String50, String255, String5500
from agent.ocpp.v201 import enums, types
from agent.ocpp.wire_time import WireTime, check_times

# From the station to the CSMS


class BootNotificationRequest(Payload, frozen=True, kw_only=True):
    """Register after a start."""

    charging_station: types.ChargingStation
    reason: enums.BootReason


class BootNotificationResponse(Payload, frozen=True, kw_only=True):
    """Whether the station is registered. ``interval`` in s: between heartbeats, or until the next try."""

    current_time: WireTime
    interval: Integer
    status: enums.RegistrationStatus
    status_info: types.StatusInfo | None = None

    def __post_init__(self) -> None:
        check_times(self.current_time)


class HeartbeatRequest(Payload, frozen=True, kw_only=True):
    """Say that we live, and ask for the time."""


class HeartbeatResponse(Payload, frozen=True, kw_only=True):
    """The CSMS's time."""

    current_time: WireTime

    def __post_init__(self) -> None:
        check_times(self.current_time)


class StatusNotificationRequest(Payload, frozen=True, kw_only=True):
    """The status of a connector."""

    timestamp: WireTime
    connector_status: enums.ConnectorStatus
    evse_id: Integer
    connector_id: Integer

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class StatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class AuthorizeRequest(Payload, frozen=True, kw_only=True):
    """Ask whether a token may charge."""

    id_token: types.IdToken
    certificate: String5500 | None = None
    iso15118_certificate_hash_data: (
        Annotated[tuple[types.OcspRequest, ...], Meta(min_length=1, max_length=4)] | None
    ) = None


class AuthorizeResponse(Payload, frozen=True, kw_only=True):
    """The CSMS's word on the token."""

    id_token_info: types.IdTokenInfo
    certificate_status: enums.AuthorizeCertificateStatus | None = None


class TransactionEventRequest(Payload, frozen=True, kw_only=True):
    """Something happened in a transaction. ``cable_max_current`` in A."""

    event_type: enums.TransactionEventKind
    timestamp: WireTime
    trigger_reason: enums.TriggerReason
    seq_no: Integer
    transaction_info: types.Transaction
    meter_value: Annotated[tuple[types.MeterValue, ...], Meta(min_length=1)] | None = None
    offline: bool | None = None
    number_of_phases_used: Integer | None = None
    cable_max_current: Integer | None = None
    reservation_id: Integer | None = None
    evse: types.Evse | None = None
    id_token: types.IdToken | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class TransactionEventResponse(Payload, frozen=True, kw_only=True):
    """The CSMS's word on the token and on the cost, where it has one."""

    total_cost: float | None = None
    charging_priority: Integer | None = None
    id_token_info: types.IdTokenInfo | None = None
    updated_personal_message: types.MessageContent | None = None


class MeterValuesRequest(Payload, frozen=True, kw_only=True):
    """Values outside of a transaction. EVSE 0 is the main meter."""

    evse_id: Integer
    meter_value: Annotated[tuple[types.MeterValue, ...], Meta(min_length=1)]


class MeterValuesResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class NotifyReportRequest(Payload, frozen=True, kw_only=True):
    """One part of a report, numbered from 0. ``tbc``: more follow."""

    request_id: Integer
    generated_at: WireTime
    seq_no: Integer
    report_data: Annotated[tuple[types.ReportedVariable, ...], Meta(min_length=1)] | None = None
    tbc: bool | None = None

    def __post_init__(self) -> None:
        check_times(self.generated_at)


class NotifyReportResponse(Payload, frozen=True, kw_only=True):
    """Received."""


# Both directions


class DataTransferRequest(Payload, frozen=True, kw_only=True):
    """Something that a vendor agreed on."""

    vendor_id: String255
    message_id: String50 | None = None
    data: Any = None


class DataTransferResponse(Payload, frozen=True, kw_only=True):
    """The answer to a DataTransfer."""

    status: enums.DataTransferStatus
    status_info: types.StatusInfo | None = None
    data: Any = None


# From the CSMS to the station


class RequestStartTransactionRequest(Payload, frozen=True, kw_only=True):
    """Start a transaction. An absent EVSE leaves the choice to the station."""

    id_token: types.IdToken
    remote_start_id: Integer
    evse_id: Integer | None = None
    group_id_token: types.IdToken | None = None
    charging_profile: types.ChargingProfile | None = None


class RequestStartTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether we shall try; our id of a transaction that has already started."""

    status: enums.RequestStartStopStatus
    status_info: types.StatusInfo | None = None
    transaction_id: String36 | None = None


class RequestStopTransactionRequest(Payload, frozen=True, kw_only=True):
    """Stop a transaction by our id."""

    transaction_id: String36


class RequestStopTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether we know that transaction."""

    status: enums.RequestStartStopStatus
    status_info: types.StatusInfo | None = None


class GetTransactionStatusRequest(Payload, frozen=True, kw_only=True):
    """Ask whether a transaction goes on, and whether anything waits to be sent."""

    transaction_id: String36 | None = None


class GetTransactionStatusResponse(Payload, frozen=True, kw_only=True):
    """Whether it does."""

    messages_in_queue: bool
    ongoing_indicator: bool | None = None


class ResetRequest(Payload, frozen=True, kw_only=True):
    """Restart the station, or one EVSE."""

    type: enums.ResetKind
    evse_id: Integer | None = None


class ResetResponse(Payload, frozen=True, kw_only=True):
    """Whether and when we shall."""

    status: enums.ResetStatus
    status_info: types.StatusInfo | None = None


class ChangeAvailabilityRequest(Payload, frozen=True, kw_only=True):
    """Take the station, an EVSE or a connector in or out of service."""

    operational_status: enums.OperationalStatus
    evse: types.Evse | None = None


class ChangeAvailabilityResponse(Payload, frozen=True, kw_only=True):
    """Done, refused, or done when the transaction ends."""

    status: enums.ChangeAvailabilityStatus
    status_info: types.StatusInfo | None = None


class GetVariablesRequest(Payload, frozen=True, kw_only=True):
    """Read variables."""

    get_variable_data: Annotated[tuple[types.VariableToGet, ...], Meta(min_length=1)]


class GetVariablesResponse(Payload, frozen=True, kw_only=True):
    """What was read, in the order of the request."""

    get_variable_result: Annotated[tuple[types.GetVariableResult, ...], Meta(min_length=1)]


class SetVariablesRequest(Payload, frozen=True, kw_only=True):
    """Write variables."""

    set_variable_data: Annotated[tuple[types.VariableToSet, ...], Meta(min_length=1)]


class SetVariablesResponse(Payload, frozen=True, kw_only=True):
    """What became of each, in the order of the request."""

    set_variable_result: Annotated[tuple[types.SetVariableResult, ...], Meta(min_length=1)]


class GetBaseReportRequest(Payload, frozen=True, kw_only=True):
    """Report the device model."""

    request_id: Integer
    report_base: enums.ReportBase


class GetBaseReportResponse(Payload, frozen=True, kw_only=True):
    """Whether NotifyReports will follow."""

    status: enums.GenericDeviceModelStatus
    status_info: types.StatusInfo | None = None


class ClearCacheRequest(Payload, frozen=True, kw_only=True):
    """Forget all remembered authorizations."""


class ClearCacheResponse(Payload, frozen=True, kw_only=True):
    """Whether we did."""

    status: enums.ClearCacheStatus
    status_info: types.StatusInfo | None = None


class UnlockConnectorRequest(Payload, frozen=True, kw_only=True):
    """Release the lock of a connector. It is for a stuck cable, not for the end of a charge."""

    evse_id: Integer
    connector_id: Integer


class UnlockConnectorResponse(Payload, frozen=True, kw_only=True):
    """Whether it opened."""

    status: enums.UnlockStatus
    status_info: types.StatusInfo | None = None


class TriggerMessageRequest(Payload, frozen=True, kw_only=True):
    """Send a message now; of one EVSE where it has one, else of all."""

    requested_message: enums.MessageTrigger
    evse: types.Evse | None = None


class TriggerMessageResponse(Payload, frozen=True, kw_only=True):
    """Whether it will follow."""

    status: enums.TriggerMessageStatus
    status_info: types.StatusInfo | None = None


class SecurityEventNotificationRequest(Payload, frozen=True, kw_only=True):
    """Something that concerns security has happened."""

    type: String50
    timestamp: WireTime
    tech_info: String255 | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class SecurityEventNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


def _pair(request: type[Payload], response: type[Payload], direction: Direction) -> MessagePair:
    return MessagePair(request=request, response=response, direction=direction)


_TO_CSMS: Final = Direction.TO_CSMS
_TO_STATION: Final = Direction.TO_STATION

ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "BootNotification": _pair(BootNotificationRequest, BootNotificationResponse, _TO_CSMS),
        "Heartbeat": _pair(HeartbeatRequest, HeartbeatResponse, _TO_CSMS),
        "StatusNotification": _pair(StatusNotificationRequest, StatusNotificationResponse, _TO_CSMS),
        "Authorize": _pair(AuthorizeRequest, AuthorizeResponse, _TO_CSMS),
        "TransactionEvent": _pair(TransactionEventRequest, TransactionEventResponse, _TO_CSMS),
        "MeterValues": _pair(MeterValuesRequest, MeterValuesResponse, _TO_CSMS),
        "NotifyReport": _pair(NotifyReportRequest, NotifyReportResponse, _TO_CSMS),
        "DataTransfer": _pair(DataTransferRequest, DataTransferResponse, Direction.BOTH),
        "RequestStartTransaction": _pair(RequestStartTransactionRequest, RequestStartTransactionResponse, _TO_STATION),
        "RequestStopTransaction": _pair(RequestStopTransactionRequest, RequestStopTransactionResponse, _TO_STATION),
        "GetTransactionStatus": _pair(GetTransactionStatusRequest, GetTransactionStatusResponse, _TO_STATION),
        "Reset": _pair(ResetRequest, ResetResponse, _TO_STATION),
        "ChangeAvailability": _pair(ChangeAvailabilityRequest, ChangeAvailabilityResponse, _TO_STATION),
        "GetVariables": _pair(GetVariablesRequest, GetVariablesResponse, _TO_STATION),
        "SetVariables": _pair(SetVariablesRequest, SetVariablesResponse, _TO_STATION),
        "GetBaseReport": _pair(GetBaseReportRequest, GetBaseReportResponse, _TO_STATION),
        "ClearCache": _pair(ClearCacheRequest, ClearCacheResponse, _TO_STATION),
        "UnlockConnector": _pair(UnlockConnectorRequest, UnlockConnectorResponse, _TO_STATION),
        "TriggerMessage": _pair(TriggerMessageRequest, TriggerMessageResponse, _TO_STATION),
        "SecurityEventNotification": _pair(
            SecurityEventNotificationRequest, SecurityEventNotificationResponse, _TO_CSMS
        ),
    }
)

_NOT_SPOKEN: Final = frozenset(
    {
        "CancelReservation", "CertificateSigned", "ClearChargingProfile", "ClearDisplayMessage",
        "ClearVariableMonitoring", "ClearedChargingLimit", "CostUpdated", "CustomerInformation", "DeleteCertificate",
        "FirmwareStatusNotification", "Get15118EVCertificate", "GetCertificateStatus", "GetChargingProfiles",
        "GetCompositeSchedule", "GetDisplayMessages", "GetInstalledCertificateIds", "GetLocalListVersion", "GetLog",
        "GetMonitoringReport", "GetReport", "InstallCertificate", "LogStatusNotification", "NotifyChargingLimit",
        "NotifyCustomerInformation", "NotifyDisplayMessages", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule",
        "NotifyEvent", "NotifyMonitoringReport", "PublishFirmware", "PublishFirmwareStatusNotification",
        "ReportChargingProfiles", "ReservationStatusUpdate", "ReserveNow",
        "SendLocalList", "SetChargingProfile", "SetDisplayMessage", "SetMonitoringBase", "SetMonitoringLevel",
        "SetNetworkProfile", "SetVariableMonitoring", "SignCertificate", "UnpublishFirmware", "UpdateFirmware",
    }
)  # fmt: skip

KNOWN_ACTIONS: Final = frozenset(ACTIONS) | _NOT_SPOKEN
"""Every action of OCPP 2.0.1."""

CODEC: Final = Codec(ACTIONS, KNOWN_ACTIONS)
"""Reads and writes the payloads of OCPP 2.0.1. Immutable but for the parsers that it builds on first use."""
