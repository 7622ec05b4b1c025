"""The reservations that stand: kept over restarts, and used by whom they are for.

Sources: OCPP 1.6 §3.11, §5.1, §5.13; OCPP 2.0.1 H01-H04.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from agent.charging.turn import Turn
from agent.model.effects import SaveDocument
from agent.model.ids import IdToken, same_group
from agent.model.reservations import DOCUMENTS, Reservation


class Reservations:
    """Standing reservations. Every change is an effect; this is the copy in memory."""

    def __init__(self) -> None:
        """Begin with none."""
        self._standing: dict[int, Reservation] = {}

    def restore(self, documents: Mapping[str, bytes], turn: Turn) -> None:
        """Take over what the store kept; what cannot be read is told and forgotten."""
        for key, body in documents.items():
            try:
                kept = msgspec.json.decode(body, type=Reservation)
            except msgspec.MsgspecError as error:
                turn.note("reservation.unreadable", level="error", key=key, error=str(error))
                turn.add(SaveDocument(kind=DOCUMENTS, key=key, body=None))
                continue
            self._standing[kept.reservation_id] = kept

    def remember(self) -> Callable[[], None]:
        """Return what puts things back as they are now."""
        standing = dict(self._standing)

        def put_back() -> None:
            self._standing = standing

        return put_back

    def standing(self) -> tuple[Reservation, ...]:
        """Return every reservation, the oldest first."""
        return tuple(self._standing.values())

    def of(self, evse_id: int) -> Reservation | None:
        """Return the reservation of an EVSE."""
        return next((each for each in self._standing.values() if each.evse_id == evse_id), None)

    def anywhere(self) -> tuple[Reservation, ...]:
        """Return those for one EVSE, whichever."""
        return tuple(each for each in self._standing.values() if each.evse_id is None)

    def make(self, reservation: Reservation, turn: Turn) -> None:
        """Let a reservation stand; it replaces the one with the same id."""
        before = self._standing.pop(reservation.reservation_id, None)
        self._standing[reservation.reservation_id] = reservation
        if before != reservation:
            body = msgspec.json.encode(reservation)
            turn.add(SaveDocument(kind=DOCUMENTS, key=str(reservation.reservation_id), body=body))
        turn.note(
            "reservation.made",
            reservation.evse_id,
            token=reservation.token,
            reservation_id=reservation.reservation_id,
            replaced=before is not None,
        )

    def end(self, reservation_id: int, turn: Turn, why: str) -> bool:
        """Forget a reservation; return whether there was one."""
        gone = self._standing.pop(reservation_id, None)
        if gone is None:
            return False
        turn.add(SaveDocument(kind=DOCUMENTS, key=str(reservation_id), body=None))
        turn.note("reservation.ended", gone.evse_id, token=gone.token, reservation_id=reservation_id, reason=why)
        return True

    def use(self, evse_id: int, token: IdToken, group: str | None, turn: Turn) -> int | None:
        """Let a transaction that begins use up its reservation; return the reservation's id, ``None`` without one."""
        own = self.of(evse_id)
        candidates = (own,) if own is not None else self.anywhere()
        # The token's own one goes before one of its group.
        for each in sorted(candidates, key=lambda one: not token.same(one.token)):
            if is_for(each, token, group):
                self.end(each.reservation_id, turn, "used")
                return each.reservation_id
        return None


def is_for(reservation: Reservation, token: IdToken, group: str | None) -> bool:
    """Return whether a token may use a reservation: it is its own, or of the group that it names."""
    return token.same(reservation.token) or same_group(group, reservation.group)
