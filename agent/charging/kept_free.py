"""Whom the reservations keep away from an EVSE, and whether an EVSE could be reserved.

Sources: OCPP 1.6 §5.13; OCPP 2.0.1 H01, H03.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.charging.evse import Evse
from agent.charging.reservations import is_for
from agent.charging.session import SessionState
from agent.charging.surroundings import Surroundings
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from agent.model.reservations import Reserved

_PASSING: Final = frozenset({FaultCode.GUARD_LOST, FaultCode.STORE_FAILED})


class KeptFree:
    """The question whether a token may charge on an EVSE as far as reservations go."""

    def __init__(self, around: Surroundings, evses: Mapping[int, Evse]) -> None:
        """Keep nothing of its own."""
        self._reservations = around.reservations
        self._evses = evses

    def barred(self, evse: Evse, token: IdToken, group: str | None, *, final: bool) -> str | None:
        """Return why a reservation keeps a token away; ``None``: none does.

        Args:
            evse: where the token wants to charge.
            token: whose it is.
            group: its group, where known.
            final: nothing more will be known of the group. Else a token that may turn out to be of the right group is
                let pass, to be asked about.
        """
        own = self._reservations.of(evse.evse_id)
        if own is not None:
            unsure = not final and group is None and own.group is not None
            return None if unsure or is_for(own, token, group) else "the EVSE is reserved"
        anywhere = self._reservations.anywhere()
        others = [each for each in anywhere if not is_for(each, token, group)]
        unsure = not final and group is None and any(each.group is not None for each in others)
        if len(others) < len(anywhere) or not others or unsure:
            return None
        return None if len(self._left_without(evse)) >= len(others) else "the last free EVSE is reserved"

    def depends_on_group(self, evse: Evse, token: IdToken, group: str | None) -> bool:
        """Return whether only the token's group, which nobody here knows, decides (OCPP 1.6 §5.13)."""
        return (
            self.barred(evse, token, group, final=False) is None
            and self.barred(evse, token, group, final=True) is not None
        )

    def own_place(self, token: IdToken, evse_ids: tuple[int, ...]) -> Evse | None:
        """Return the EVSE that a card without a vehicle is for: the one reserved for it, or the only one."""
        for each in evse_ids:
            reservation = self._reservations.of(each)
            if reservation is not None and token.same(reservation.token):
                return self._evses[each]
        return self._evses[evse_ids[0]] if len(evse_ids) == 1 else None

    def open_to(self, evse: Evse, token: IdToken, group: str | None) -> bool:
        """Return whether a card may concern an EVSE: it is in use, or not reserved for somebody else."""
        in_use = evse.transaction is not None or evse.authorization is not None
        return in_use or evse.held_for is not None or self.barred(evse, token, group, final=group is not None) is None

    def _left_without(self, evse: Evse) -> list[Evse]:
        reserved = {each.evse_id for each in self._reservations.standing()}
        return [
            each
            for each in self._evses.values()
            if each is not evse and each.evse_id not in reserved and state_of(each) is Reserved.ACCEPTED
        ]


def state_of(evse: Evse) -> Reserved:
    """Return whether an EVSE could be reserved now, reservations aside."""
    if any(fault.blocking for fault in evse.faults.present()):
        return Reserved.FAULTED
    if not evse.operative:
        return Reserved.UNAVAILABLE
    idle = evse.session.state is SessionState.FREE and evse.plugged is not True
    return Reserved.ACCEPTED if idle and not evse.asking and evse.authorization is None else Reserved.OCCUPIED


def faulted(evse: Evse) -> bool:
    """Return whether a fault ends reservations: it forbids charging, and does not just pass with a restart."""
    return any(fault.blocking and fault.code not in _PASSING for fault in evse.faults.present())
