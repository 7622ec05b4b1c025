"""Reservations between OCPP 1.6's words and the model's.

Source: OCPP 1.6 §5.1, §5.13, §7.9, §7.34.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.model.commands import Answered, Outcome
from agent.model.ids import IdToken
from agent.model.reservations import CancelReservation, Reservation, Reserve, Reserved, ReserveOutcome
from agent.ocpp.codec import Payload
from agent.ocpp.v16 import reservation_messages as wire
from agent.ocpp.v16.places import STATION, Connectors
from agent.ocpp.wire_time import utc_s

_STATUS_OF: Final[Mapping[Reserved, wire.ReservationStatus]] = MappingProxyType(
    {
        Reserved.ACCEPTED: wire.ReservationStatus.ACCEPTED,
        Reserved.FAULTED: wire.ReservationStatus.FAULTED,
        Reserved.OCCUPIED: wire.ReservationStatus.OCCUPIED,
        Reserved.REJECTED: wire.ReservationStatus.REJECTED,
        Reserved.UNAVAILABLE: wire.ReservationStatus.UNAVAILABLE,
    }
)

Request = wire.ReserveNowRequest | wire.CancelReservationRequest


def command(request: Request, connectors: Connectors) -> Reserve | CancelReservation:
    """Return what the CSMS asks. A connector that does not exist is one that the core does not know."""
    if isinstance(request, wire.CancelReservationRequest):
        return CancelReservation(reservation_id=request.reservation_id)
    place = connectors.place(request.connector_id)
    evse_id, connector_id = (None, None) if place == STATION else place
    return Reserve(
        reservation=Reservation(
            reservation_id=request.reservation_id,
            token=IdToken(value=request.id_tag),
            group=request.parent_id_tag or None,
            expires_utc_s=utc_s(request.expiry_date),
            evse_id=evse_id,
            connector_id=connector_id,
        )
    )


def reserve_response(outcome: ReserveOutcome) -> Payload:
    """Return the response to a ReserveNow."""
    return wire.ReserveNowResponse(status=_STATUS_OF[outcome.reserved])


def cancel_response(outcome: Outcome) -> Payload:
    """Return the response to a CancelReservation."""
    cancelled = outcome.answered is Answered.ACCEPTED
    status = wire.CancelReservationStatus.ACCEPTED if cancelled else wire.CancelReservationStatus.REJECTED
    return wire.CancelReservationResponse(status=status)
