"""The messages of OCPP 1.6 that this station speaks, both directions, with the limits of the official JSON schemas.

Python names here, the standard's on the wire (``id_tag`` is ``idTag``). Times are made by `agent.ocpp.wire_time`.
Building a message checks times, steps of 0.1 and the rules that span members (`ValueError`); everything else is proven
by ``CODEC.encode`` on the way out and by ``CODEC.decode_*`` on the way in.

Source: OCPP 1.6 edition 2 §6; OCPP 1.6 JSON schemas with errata.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.ocpp.codec import Codec, Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String20, String50, String255, String500
from agent.ocpp.v16 import enums, types
from agent.ocpp.v16.boot import BootNotificationRequest
from agent.ocpp.v16.list_messages import LIST_ACTIONS
from agent.ocpp.v16.maintenance_messages import MAINTENANCE_ACTIONS
from agent.ocpp.v16.reservation_messages import RESERVATION_ACTIONS
from agent.ocpp.v16.security_messages import SECURITY_ACTIONS
from agent.ocpp.v16.smart_charging_messages import SMART_CHARGING_ACTIONS
from agent.ocpp.wire_time import WireTime, check_times

# From the station to the CSMS


class BootNotificationResponse(Payload, frozen=True, kw_only=True):
    """Whether the station is registered. ``interval`` in s: between heartbeats, or until the next try."""

    status: enums.RegistrationStatus
    current_time: WireTime
    interval: Integer

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
    """The status of a connector, or of the station as a whole (connector 0)."""

    connector_id: Integer
    error_code: enums.ChargePointErrorCode
    status: enums.ChargePointStatus
    info: String50 | None = None
    timestamp: WireTime | None = None
    vendor_id: String255 | None = None
    vendor_error_code: String50 | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class StatusNotificationResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class AuthorizeRequest(Payload, frozen=True, kw_only=True):
    """Ask whether an idTag may charge."""

    id_tag: String20


class AuthorizeResponse(Payload, frozen=True, kw_only=True):
    """The CSMS's word on the idTag."""

    id_tag_info: types.IdTagInfo


class StartTransactionRequest(Payload, frozen=True, kw_only=True):
    """A transaction has started. ``meter_start`` in Wh."""

    connector_id: Integer
    id_tag: String20
    meter_start: Integer
    timestamp: WireTime
    reservation_id: Integer | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)


class StartTransactionResponse(Payload, frozen=True, kw_only=True):
    """The CSMS's number for the transaction, and its word on the idTag."""

    transaction_id: Integer
    id_tag_info: types.IdTagInfo


class MeterValuesRequest(Payload, frozen=True, kw_only=True):
    """Values of a connector, or of the main meter (connector 0)."""

    connector_id: Integer
    meter_value: tuple[types.MeterValue, ...]
    transaction_id: Integer | None = None

    def __post_init__(self) -> None:
        if not self.meter_value or not all(reading.sampled_value for reading in self.meter_value):
            raise ValueError("Expected `array` of length >= 1")


class MeterValuesResponse(Payload, frozen=True, kw_only=True):
    """Received."""


class StopTransactionRequest(Payload, frozen=True, kw_only=True):
    """A transaction has ended. ``meter_stop`` in Wh. An absent ``reason`` means LOCAL, but old back ends want one."""

    transaction_id: Integer
    meter_stop: Integer
    timestamp: WireTime
    reason: enums.StopReason | None = None
    id_tag: String20 | None = None
    transaction_data: tuple[types.MeterValue, ...] | None = None

    def __post_init__(self) -> None:
        check_times(self.timestamp)
        for reading in self.transaction_data or ():
            for value in reading.sampled_value:
                if value.unit is enums.UnitOfMeasure.HERTZ:
                    raise ValueError("Invalid enum value 'Hertz': not a unit of transactionData")


class StopTransactionResponse(Payload, frozen=True, kw_only=True):
    """Received; the CSMS's word on the idTag that stopped it, for the cache."""

    id_tag_info: types.IdTagInfo | None = None


# Both directions


class DataTransferRequest(Payload, frozen=True, kw_only=True):
    """Something that a vendor agreed on."""

    vendor_id: String255
    message_id: String50 | None = None
    data: str | None = None


class DataTransferResponse(Payload, frozen=True, kw_only=True):
    """The answer to a DataTransfer."""

    status: enums.DataTransferStatus
    data: str | None = None


# From the CSMS to the station


class RemoteStartTransactionRequest(Payload, frozen=True, kw_only=True):
    """Start a transaction. An absent connector leaves the choice to the station."""

    id_tag: String20
    connector_id: Integer | None = None
    charging_profile: types.ChargingProfile | None = None


class RemoteStartTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether we shall try."""

    status: enums.RemoteStartStopStatus


class RemoteStopTransactionRequest(Payload, frozen=True, kw_only=True):
    """Stop a transaction by the CSMS's number."""

    transaction_id: Integer


class RemoteStopTransactionResponse(Payload, frozen=True, kw_only=True):
    """Whether we know that transaction."""

    status: enums.RemoteStartStopStatus


class ResetRequest(Payload, frozen=True, kw_only=True):
    """Restart."""

    type: enums.ResetType


class ResetResponse(Payload, frozen=True, kw_only=True):
    """Whether we shall."""

    status: enums.ResetStatus


class ChangeAvailabilityRequest(Payload, frozen=True, kw_only=True):
    """Take a connector, or all (connector 0), in or out of service."""

    connector_id: Integer
    type: enums.AvailabilityType


class ChangeAvailabilityResponse(Payload, frozen=True, kw_only=True):
    """Done, refused, or done when the transaction ends."""

    status: enums.AvailabilityStatus


class GetConfigurationRequest(Payload, frozen=True, kw_only=True):
    """Read configuration keys; absent or empty: all of them."""

    key: tuple[String50, ...] | None = None


class GetConfigurationResponse(Payload, frozen=True, kw_only=True):
    """The keys that we know, and the names that we do not."""

    configuration_key: tuple[types.KeyValue, ...] | None = None
    unknown_key: tuple[String50, ...] | None = None


class ChangeConfigurationRequest(Payload, frozen=True, kw_only=True):
    """Write one configuration key."""

    key: String50
    value: String500


class ChangeConfigurationResponse(Payload, frozen=True, kw_only=True):
    """Whether the value was taken, and when it counts."""

    status: enums.ConfigurationStatus


class ClearCacheRequest(Payload, frozen=True, kw_only=True):
    """Forget all remembered authorizations."""


class ClearCacheResponse(Payload, frozen=True, kw_only=True):
    """Whether we did."""

    status: enums.ClearCacheStatus


class UnlockConnectorRequest(Payload, frozen=True, kw_only=True):
    """Release the lock of a connector. It is for a stuck cable, not for the end of a charge."""

    connector_id: Integer


class UnlockConnectorResponse(Payload, frozen=True, kw_only=True):
    """Whether it opened."""

    status: enums.UnlockStatus


class TriggerMessageRequest(Payload, frozen=True, kw_only=True):
    """Send a message now; of one connector where it has one, else of all."""

    requested_message: enums.MessageTrigger
    connector_id: Integer | None = None


class TriggerMessageResponse(Payload, frozen=True, kw_only=True):
    """Whether it will follow."""

    status: enums.TriggerMessageStatus


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
        "StartTransaction": _pair(StartTransactionRequest, StartTransactionResponse, _TO_CSMS),
        "MeterValues": _pair(MeterValuesRequest, MeterValuesResponse, _TO_CSMS),
        "StopTransaction": _pair(StopTransactionRequest, StopTransactionResponse, _TO_CSMS),
        "DataTransfer": _pair(DataTransferRequest, DataTransferResponse, Direction.BOTH),
        "RemoteStartTransaction": _pair(RemoteStartTransactionRequest, RemoteStartTransactionResponse, _TO_STATION),
        "RemoteStopTransaction": _pair(RemoteStopTransactionRequest, RemoteStopTransactionResponse, _TO_STATION),
        "Reset": _pair(ResetRequest, ResetResponse, _TO_STATION),
        "ChangeAvailability": _pair(ChangeAvailabilityRequest, ChangeAvailabilityResponse, _TO_STATION),
        "GetConfiguration": _pair(GetConfigurationRequest, GetConfigurationResponse, _TO_STATION),
        "ChangeConfiguration": _pair(ChangeConfigurationRequest, ChangeConfigurationResponse, _TO_STATION),
        "ClearCache": _pair(ClearCacheRequest, ClearCacheResponse, _TO_STATION),
        "UnlockConnector": _pair(UnlockConnectorRequest, UnlockConnectorResponse, _TO_STATION),
        "TriggerMessage": _pair(TriggerMessageRequest, TriggerMessageResponse, _TO_STATION),
        **SECURITY_ACTIONS,
        **LIST_ACTIONS,
        **SMART_CHARGING_ACTIONS,
        **RESERVATION_ACTIONS,
        **MAINTENANCE_ACTIONS,
    }
)

KNOWN_ACTIONS: Final = frozenset(ACTIONS)
"""Every action of OCPP 1.6 edition 2 and of the security whitepaper edition 3."""

CODEC: Final = Codec(ACTIONS, KNOWN_ACTIONS)
"""Reads and writes the payloads of OCPP 1.6. Immutable but for the parsers that it builds on first use."""
