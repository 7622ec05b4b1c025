"""What is known of the vehicle and its cable, beyond the pilot's state. Pure.

A vehicle that answers a free pilot (X1) with state C at once has no S2 to open: it is *simplified*. It is recognised
only when C follows A directly and this run saw both, never from a vehicle that was found at the start, because a
vehicle that was charging for an earlier run shows C as well. Source: IEC 61851-1:2017 Annex A.2.3.

The cable's coding is read at plug-in and latched for the session: a later reading may lower it or lose it, never raise
it. Source: IEC 61851-1:2017 Annex B.
"""

from __future__ import annotations

import math
from typing import Final

from agent.guard.pilot import READY_STATES, VEHICLE_STATES, cable_rating
from agent.guard.timings import CLOCK_STEP_S, PROXIMITY_LATCH_S, PROXIMITY_S, READY_S
from agent.guard.wire import PilotState

SIMPLIFIED_A: Final = 10.0  # the most that a simplified vehicle may be offered. IEC 61851-1:2017 Annex A.2.3


class Vehicle:
    """The vehicle at one EVSE, or none.

    Attributes:
        there: a vehicle is connected; ``None`` until the pilot first said so or not.
        gone_since_s: since when the pilot shows A; ``None`` while it does not.
        simplified: it was recognised as a simplified one; until it leaves.
        cable_a: what its cable's coding allows, A; ``None`` unknown, lost, or a tethered cable.
        known_ohm: a measurement of the coding resistor that would change nothing.
    """

    __slots__ = (
        "_latched_a",
        "_rating_a",
        "_rating_since_s",
        "_ready_since_s",
        "_sample_a",
        "_state",
        "_tethered",
        "_uncoded_since_s",
        "cable_a",
        "gone_since_s",
        "known_ohm",
        "simplified",
        "there",
    )

    def __init__(self, *, tethered: bool) -> None:
        """Know nothing yet."""
        self._tethered = tethered
        self._state = PilotState.UNKNOWN
        self._sample_a: float | None = None
        self._rating_a: float | None = None
        self._rating_since_s: float | None = None
        self._latched_a: float | None = None
        self._ready_since_s: float | None = None
        self._uncoded_since_s: float | None = None
        self.there: bool | None = None
        self.gone_since_s: float | None = None
        self.simplified = False
        self.cable_a: float | None = None
        self.known_ohm: float | None = None

    def see_cable(self, ohm: float | None, now_s: float) -> None:
        """Take one fresh measurement of the coding resistor; two in a row that agree are believed."""
        if self._tethered:
            return
        rating_a = cable_rating(ohm)
        if rating_a == self._sample_a and rating_a != self._rating_a:
            self._rating_a = rating_a
            self._rating_since_s = now_s
            self._choose_rating()
        self._sample_a = rating_a
        self.known_ohm = ohm if rating_a == self._rating_a else math.nan

    def step(self, state: PilotState, now_s: float) -> None:
        """Take the believed state of the pilot."""
        before, self._state = self._state, state
        if state is PilotState.A:
            if before is not PilotState.A:
                self.gone_since_s = now_s
                self.there = False
                self.simplified = False
                self._latched_a = self._ready_since_s = None
                self._choose_rating()
            return
        self.gone_since_s = None
        if state in VEHICLE_STATES:
            self.there = True
            if state not in READY_STATES:
                self._ready_since_s = None
            elif before not in READY_STATES:
                self._ready_since_s = now_s
                if before is PilotState.A:
                    self.simplified = True
            if self._latched_a is None:
                self._latch(now_s)
        else:
            self._ready_since_s = None

    def steady(self, now_s: float) -> bool:
        """Return whether it has been ready (C or D) for longer than a pulse."""
        return self._ready_since_s is not None and now_s - self._ready_since_s >= READY_S - CLOCK_STEP_S

    def uncoded(self, now_s: float, *, closed: bool) -> bool:
        """Return whether its cable's coding is missing for too long; while ``closed``, at once."""
        if self._tethered or self.cable_a is not None or not self.there:
            self._uncoded_since_s = None
            return False
        if self._uncoded_since_s is None:
            self._uncoded_since_s = now_s
        return closed or now_s - self._uncoded_since_s >= PROXIMITY_S - CLOCK_STEP_S

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` and ``uncoded`` may change."""
        return (
            self.there,
            self.gone_since_s,
            self.simplified,
            self.cable_a,
            self._state,
            self._latched_a,
            self._ready_since_s,
            self._uncoded_since_s,
        )

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        waits = self.there and self._latched_a is None and self._rating_a is not None
        return (
            (self._ready_since_s, READY_S),
            (self._uncoded_since_s, PROXIMITY_S),
            (self._rating_since_s if waits else None, PROXIMITY_LATCH_S),
        )

    def _latch(self, now_s: float) -> None:
        since_s = self._rating_since_s
        if self._rating_a is not None and since_s is not None and now_s - since_s >= PROXIMITY_LATCH_S - CLOCK_STEP_S:
            self._latched_a = self._rating_a

    def _choose_rating(self) -> None:
        rating_a, latched_a = self._rating_a, self._latched_a
        if rating_a is not None and latched_a is not None:
            rating_a = self._latched_a = min(rating_a, latched_a)
        self.cable_a = rating_a
