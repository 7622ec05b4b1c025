"""The state of the energy transfer within a transaction, without flapping.

CONNECTED or suspended becomes CHARGING as soon as the contactor is confirmed closed on a vehicle that asks for energy.
CHARGING becomes SUSPENDED_EV at once when the vehicle withdraws its request (pilot B), and when it draws less than
0.5 A for 10 s with the contactor closed; it is CHARGING again from 1 A on. A withheld permit is SUSPENDED_EVSE at once
and wins over the vehicle (OCPP 1.6 §4.9). A vehicle that does not answer an offer is SUSPENDED_EV after 10 s: most
vehicles need one to five seconds. Pilot A within a transaction (where unplugging does not end it) is SUSPENDED_EV.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.model.facts import ChargingState

SETTLE_S: Final = 10.0
OFFER_S: Final = 1.0  # a guard that has a permit offers in its next scan; longer without an offer: it waits
IDLE_A: Final = 0.5  # below: not charging. Standby of vehicles and noise of meters stay below it
DRAWING_A: Final = 1.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the state; ``None`` is unknown (``permitted``: the guard is away and may be back)."""

    permitted: bool | None
    plugged: bool | None
    offered: bool | None
    ready: bool | None
    closed: bool | None
    draws_a: float | None


class Flow:
    """Charging state of one transaction."""

    def __init__(self, state: ChargingState = ChargingState.CONNECTED) -> None:
        """Begin in ``state``."""
        self.state = state
        self._wish = state
        self._due_s: float | None = None
        self._idle = False

    def step(self, seen: Seen, now_s: float) -> bool:
        """Take what is seen; return whether the state changed."""
        wish, settle_s = self._wanted(seen)
        if wish is self.state:
            self._wish, self._due_s = wish, None
            return False
        if wish is not self._wish or self._due_s is None:
            self._wish, self._due_s = wish, now_s + settle_s
        self._due_s = min(self._due_s, now_s + settle_s)
        if now_s < self._due_s:
            return False
        self.state, self._due_s = wish, None
        return True

    def deadline_s(self) -> float | None:
        """Return when the state may change without anything else happening."""
        return self._due_s

    def _wanted(self, seen: Seen) -> tuple[ChargingState, float]:
        if seen.permitted is None:
            return self.state, 0.0
        if seen.plugged is False:
            return ChargingState.SUSPENDED_EV, 0.0
        if not seen.permitted:
            return ChargingState.SUSPENDED_EVSE, 0.0
        if seen.offered is False:
            return ChargingState.SUSPENDED_EVSE, 0.0 if self.state is ChargingState.SUSPENDED_EVSE else OFFER_S
        if seen.ready is False:
            return ChargingState.SUSPENDED_EV, 0.0 if self.state is ChargingState.CHARGING else SETTLE_S
        if seen.ready and seen.closed:
            if seen.draws_a is None or seen.draws_a >= DRAWING_A:
                self._idle = False
            elif seen.draws_a < IDLE_A:
                self._idle = True
            if self._idle and self.state in (ChargingState.CHARGING, ChargingState.SUSPENDED_EV):
                return ChargingState.SUSPENDED_EV, SETTLE_S
            return ChargingState.CHARGING, 0.0
        self._idle = False
        if self.state is ChargingState.CHARGING and seen.closed is False:
            return ChargingState.SUSPENDED_EVSE, SETTLE_S
        return self.state, 0.0
