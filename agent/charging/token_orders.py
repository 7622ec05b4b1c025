"""Orders about tokens: the CSMS's list, its cache, the station's own cards."""

from __future__ import annotations

from agent.charging.known_tokens import KnownTokens
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.commands import Answered, AnyOutcome, ClearCache, Outcome
from agent.model.faults import FaultCode
from agent.model.local_list import (
    CardCommand,
    GetLocalListVersion,
    ListCommand,
    ListStatus,
    LocalListVersionOutcome,
    SendLocalList,
)

TokenOrder = ClearCache | ListCommand | CardCommand


def take(order: TokenOrder, known: KnownTokens, around: Surroundings, turn: Turn) -> AnyOutcome:
    """Carry out ``order`` and return its outcome."""
    match order:
        case ClearCache():
            if known.cache.forget_all(turn):
                return Outcome(answered=Answered.ACCEPTED)
            return Outcome(answered=Answered.REJECTED, why="the authorization cache is not in use")
        case GetLocalListVersion():
            return LocalListVersionOutcome(version=known.list.version)
        case SendLocalList():
            outcome = known.list.take(order, turn)
            if outcome.status is ListStatus.ACCEPTED:
                around.faults.pop(FaultCode.LOCAL_LIST_CONFLICT, None)  # of the list that was
            else:
                turn.note("local_list.refused", level="warning", answered=outcome.status.value, reason=outcome.why)
            return outcome
        case _:
            return known.cards.take(order, turn)
