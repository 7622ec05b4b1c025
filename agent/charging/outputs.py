"""What was sent to the guard for one connector, so that only changes and renewals are sent again.

All outputs are levels: after every input the wanted one is compared with the sent one. When the guard's link returns,
nothing counts as sent, and everything is sent anew.
"""

from __future__ import annotations

from math import inf
from typing import Final

from agent.charging.turn import Turn
from agent.model.effects import GrantPermit, HoldCable, ShowState, WithdrawPermit
from agent.model.evse import EvseCondition
from agent.model.indications import ShownState

_SAME_S: Final = 0.01  # ends of permits closer than this are the same end
TRANSIT_S: Final = 0.25  # from here into the guard, a commit on a slow card before it: a permit's life begins there
RENEWALS: Final = 3  # a permit is renewed three times within its life, so that one lost renewal costs nothing


class Outputs:
    """Permit, cable and light of one connector; of several, the first one's light is the EVSE's.

    Attributes:
        permit_a: the permit that was sent; ``None``: none. permit_phases: its phases.
        renew_due_s: when it must be renewed, monotonic; only meaningful while one is granted.
    """

    def __init__(self, evse_id: int, valid_for_s: float, connector_id: int = 1) -> None:
        """Begin with nothing sent."""
        self._evse_id = evse_id
        self._connector_id = connector_id
        self._valid_for_s = valid_for_s
        self._expires_s = 0.0
        self._cut = False
        self._withdrawn = False
        self._held: tuple[bool, bool] | None = None
        self._shown: ShownState | None = None
        self.permit_a: float | None = None
        self.permit_phases = 0
        self.renew_due_s = inf

    def lost(self) -> None:
        """Forget what was sent: the guard's link went."""
        self.permit_a = None
        self._withdrawn = False
        self._held = None
        self._shown = None

    def permit(
        self,
        turn: Turn,
        wanted_a: float | None,
        phases: int,
        condition: EvseCondition | None,
        why: str,
        until_s: float | None = None,
    ) -> None:
        """Grant, renew or withdraw; no permit outlives ``until_s``, the moment from which less is allowed.

        A permit that the guard still holds from a former life of the agent is withdrawn where none is wanted.
        """
        if wanted_a is None:
            foreign = condition is not None and condition.permit_id is not None and not self._withdrawn
            if self.permit_a is not None or foreign:
                self.permit_a = None
                self._withdrawn = True
                turn.add(WithdrawPermit(evse_id=self._evse_id, reason=why, connector_id=self._connector_id))
                turn.note("permit.withdrawn", self._evse_id, reason=why)
            return
        expires_s = turn.now_s + self._valid_for_s
        cut = until_s is not None and until_s < expires_s
        expires_s = until_s - TRANSIT_S if cut and until_s is not None else expires_s
        same = self.permit_a == wanted_a and self.permit_phases == phases
        if same and not self._again(turn.now_s, expires_s, cut=cut):
            return
        if not same:
            turn.note("permit.granted", self._evse_id, max_current_a=wanted_a, phases=phases)
        self.permit_a, self.permit_phases, self._withdrawn = wanted_a, phases, False
        self._expires_s, self._cut = expires_s, cut
        self.renew_due_s = inf if cut else turn.now_s + self._valid_for_s / RENEWALS
        valid_for_s = expires_s - turn.now_s
        turn.add(
            GrantPermit(
                evse_id=self._evse_id,
                max_current_a=wanted_a,
                phases=phases,
                valid_for_s=valid_for_s,
                connector_id=self._connector_id,
            )
        )

    def _again(self, now_s: float, expires_s: float, *, cut: bool) -> bool:
        """Return whether an equal permit must be sent again: to end earlier, or to end later than the one before it.

        One that was cut is replaced when its limit falls; until then only a moved end is a reason.
        """
        if cut and expires_s < self._expires_s - _SAME_S:
            return True
        later = expires_s > self._expires_s + _SAME_S
        if cut and not later:
            self._cut, self.renew_due_s = True, inf  # the next decrease comes just when it ends anyway
        return later and (self._cut or now_s >= self.renew_due_s)

    def hold(self, turn: Turn, held: bool, *, kept: bool = False, again: bool = False) -> None:
        """Lock or release the cable; ``kept``: also without a vehicle; ``again`` sends it even if it was sent."""
        if self._held != (held, kept) or again:
            self._held = (held, kept)
            turn.add(HoldCable(evse_id=self._evse_id, held=held, kept=kept, connector_id=self._connector_id))

    def show(self, turn: Turn, state: ShownState) -> None:
        """Set the status light."""
        if self._shown is not state:
            self._shown = state
            turn.add(ShowState(evse_id=self._evse_id, state=state))
