"""Reservations at work: what the CSMS orders, how they end, and whom they keep away.

Rules
    1. A reservation is refused where its time is over, where the time of day is unknown (nobody could tell its end), in
       free vend, and where nothing is free for it.
    2. A reservation of an EVSE keeps everybody away from it but its token and those of its group. Those for any EVSE
       keep as many EVSEs free as there are of them.
    3. It ends when a transaction uses it, when its time is over, when its EVSE has a fault that forbids charging or
       becomes inoperative, and when it is cancelled. The guard's silence and a failing store are no such faults: they
       come and go with a restart.
    4. While the time of day is unknown after a restart, a reservation stands.

Sources: OCPP 1.6 §5.1, §5.13, §4.9 (A7, G1, G2, G8, G9); OCPP 2.0.1 H01, H02, H03.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.charging.evse import Evse
from agent.charging.kept_free import faulted, state_of
from agent.charging.session import SessionState
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.commands import Answered, AnyOutcome, Outcome
from agent.model.effects import Answer
from agent.model.reservations import CancelReservation, Reservation, Reserve, Reserved, ReserveOutcome

_WAITING: Final = frozenset({SessionState.FREE, SessionState.PLUGGED, SessionState.LAPSED})


class ReservationOrders:
    """Carries out commands about reservations and watches over those that stand."""

    def __init__(self, around: Surroundings, evses: Mapping[int, Evse]) -> None:
        """Keep nothing of its own but when the next one ends: the reservations are the surroundings'."""
        self._around = around
        self._evses = evses
        self._due_s: float | None = None

    def take(self, command_id: int, command: Reserve | CancelReservation, turn: Turn) -> None:
        """Carry out one command and answer it."""
        outcome: AnyOutcome
        if isinstance(command, Reserve):
            outcome = made = self._reserve(command.reservation, turn)
            said = (made.reserved.value, made.why)
        else:
            done = self._around.reservations.end(command.reservation_id, turn, "cancelled")
            why = "" if done else f"there is no reservation {command.reservation_id}"
            outcome = Outcome(answered=Answered.ACCEPTED if done else Answered.REJECTED, why=why)
            said = (outcome.answered.value, why)
        turn.note("command.answered", command=type(command).__name__, answered=said[0], reason=said[1])
        turn.add(Answer(command_id=command_id, outcome=outcome))

    def step(self, turn: Turn) -> None:
        """End what is over, and tell every EVSE whether it shows as reserved."""
        reservations = self._around.reservations
        self._due_s = None
        for each in reservations.standing():
            why = self._over(each, turn)
            if why is not None:
                reservations.end(each.reservation_id, turn, why)
            elif turn.now.utc_s is not None:
                due_s = turn.now_s + each.expires_utc_s - turn.now.utc_s
                self._due_s = due_s if self._due_s is None else min(self._due_s, due_s)
        standing = bool(reservations.standing())
        scarce = standing and len(self._free()) <= len(reservations.anywhere())
        for evse in self._evses.values():
            waits = evse.session.state in _WAITING and evse.authorization is None
            kept = scarce and evse.session.state is SessionState.FREE
            evse.reserved = standing and waits and (kept or reservations.of(evse.evse_id) is not None)

    def deadline_s(self) -> float | None:
        """Return when the next reservation is over, monotonic."""
        return self._due_s

    def _reserve(self, wanted: Reservation, turn: Turn) -> ReserveOutcome:
        why = self._impossible(wanted, turn)
        if why is not None:
            return ReserveOutcome(reserved=Reserved.REJECTED, why=why)
        others = [each for each in self._around.reservations.standing() if each.reservation_id != wanted.reservation_id]
        evses = [evse for evse in self._evses.values() if wanted.evse_id in (None, evse.evse_id)]
        states = [state_of(evse) for evse in evses]
        if Reserved.ACCEPTED not in states:
            worst = Reserved.OCCUPIED
            for state in (Reserved.OCCUPIED, Reserved.FAULTED, Reserved.UNAVAILABLE):
                if state in states:
                    worst = state
                    break
            return ReserveOutcome(reserved=worst, why=f"no EVSE is free: {worst.value}")
        taken = {each.evse_id for each in others if each.evse_id is not None}
        if wanted.evse_id in taken:
            return ReserveOutcome(reserved=Reserved.OCCUPIED, why="the EVSE is reserved already")
        free = {evse.evse_id for evse in self._evses.values() if state_of(evse) is Reserved.ACCEPTED} - taken
        if len(free) <= sum(each.evse_id is None for each in others):
            return ReserveOutcome(reserved=Reserved.OCCUPIED, why="every free EVSE is reserved already")
        self._around.reservations.make(wanted, turn)
        return ReserveOutcome(reserved=Reserved.ACCEPTED)

    def _impossible(self, wanted: Reservation, turn: Turn) -> str | None:
        variables, utc_s = self._around.variables, turn.now.utc_s
        if not variables.flag("ReservationCtrlr", "Enabled"):
            return "reservations are switched off"
        if not self._around.layout.authorization_required:
            return "whoever plugs in may charge: nothing can be reserved"
        if not wanted.token.value:
            return "an empty id token reserves nothing"
        if wanted.evse_id is None and not variables.flag("ReservationCtrlr", "NonEvseSpecific"):
            return "only a certain EVSE can be reserved"
        if wanted.evse_id is not None:
            evse = self._evses.get(wanted.evse_id)
            if evse is None or wanted.connector_id not in (None, *evse.layout.connector_ids):
                return "there is no such connector"
        if utc_s is None:
            return "the time of day is unknown"
        if wanted.expires_utc_s <= utc_s:
            return "its time is over"
        if self._around.reset is not None:
            return "a restart is pending"
        return "the store cannot keep it" if self._around.store_failed else None

    def _over(self, each: Reservation, turn: Turn) -> str | None:
        if turn.now.utc_s is not None and turn.now.utc_s >= each.expires_utc_s:
            return "expired"
        if each.evse_id is None:
            fit = any(evse.operative and not faulted(evse) for evse in self._evses.values())
            return None if fit else "no EVSE is fit any more"
        evse = self._evses.get(each.evse_id)
        if evse is None:
            return "the EVSE is gone"
        if faulted(evse):
            return "the EVSE has a fault"
        return None if evse.operative else "the EVSE was made inoperative"

    def _free(self) -> list[Evse]:
        reserved = {each.evse_id for each in self._around.reservations.standing()}
        return [
            evse
            for evse in self._evses.values()
            if evse.evse_id not in reserved and state_of(evse) is Reserved.ACCEPTED
        ]
