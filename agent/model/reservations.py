"""Reservations: an EVSE, or any one of the station, kept free for a token until a time.

Sources: OCPP 1.6 §3.11, §5.1, §5.13; OCPP 2.0.1 H01-H04.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from agent.model.ids import IdToken

DOCUMENTS: Final = "reservation"
"""Kind of the durable documents; the key is the reservation's id as text, the body a ``Reservation`` as JSON."""


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A promise to a token. ``evse_id`` ``None``: one EVSE, whichever; ``group``: others of this group may use it."""

    reservation_id: int
    token: IdToken
    expires_utc_s: float
    evse_id: int | None = None
    connector_id: int | None = None
    group: str | None = None


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """Make this reservation; it replaces the one with the same id."""

    reservation: Reservation


class CancelReservation(msgspec.Struct, frozen=True, kw_only=True):
    """Forget a reservation."""

    reservation_id: int


class Reserved(Enum):
    """What became of ``Reserve``."""

    ACCEPTED = "accepted"
    FAULTED = "faulted"
    OCCUPIED = "occupied"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class ReserveOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``Reserve``. ``why`` is for logs and people."""

    reserved: Reserved
    why: str = ""
