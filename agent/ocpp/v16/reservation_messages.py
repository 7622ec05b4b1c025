"""Messages of OCPP 1.6's profile Reservation, with the limits of the official JSON schemas.

Source: OCPP 1.6 edition 2 §5.1, §5.13, §6, §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from agent.ocpp.codec import Direction, MessagePair, Payload
from agent.ocpp.fields import Integer, String20
from agent.ocpp.wire_time import WireTime, check_times


class ReservationStatus(Enum):
    """What became of a reservation."""

    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


class CancelReservationStatus(Enum):
    """Whether there was one to cancel."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class ReserveNowRequest(Payload, frozen=True, kw_only=True):
    """Keep a connector free, or any one of them (0)."""

    connector_id: Integer
    expiry_date: WireTime
    id_tag: String20
    reservation_id: Integer
    parent_id_tag: String20 | None = None

    def __post_init__(self) -> None:
        check_times(self.expiry_date)


class ReserveNowResponse(Payload, frozen=True, kw_only=True):
    """What became of it."""

    status: ReservationStatus


class CancelReservationRequest(Payload, frozen=True, kw_only=True):
    """Forget a reservation."""

    reservation_id: Integer


class CancelReservationResponse(Payload, frozen=True, kw_only=True):
    """Whether there was one."""

    status: CancelReservationStatus


RESERVATION_ACTIONS: Final[Mapping[str, MessagePair]] = MappingProxyType(
    {
        "ReserveNow": MessagePair(
            request=ReserveNowRequest, response=ReserveNowResponse, direction=Direction.TO_STATION
        ),
        "CancelReservation": MessagePair(
            request=CancelReservationRequest, response=CancelReservationResponse, direction=Direction.TO_STATION
        ),
    }
)
