"""Whether a vehicle draws more than it is offered: (offer + 0.5 A) x 1.1 for 7 s, after the 5 s that it has to follow.

Only fresh readings of the meter count, and only while an offer stands: when it has ended the guard opens the contactor
itself, 6 s later at the latest. Whoever has drawn too much once is not believed again: the verdict stays until the
vehicle has left (or the agent starts anew, and sees it again 7 s later). The fuse is what protects the wiring; this
names the vehicle that would blow it.

Source of the numbers: EVerest, EvseManager: soft over-current limit of 10 % and 0.5 A, for 7 s. The 5 s: IEC
61851-1:2017 table A.6, sequence 5.
"""

from __future__ import annotations

from typing import Final

from agent.model.evse import amperes

TOLERANCE_A: Final = 0.5
TOLERANCE: Final = 1.1
LASTS_S: Final = 7.0
FOLLOW_S: Final = 5.0
METER_LAG_S: Final = 1.0  # a reading may show what was so much earlier; house rule
READINGS_MIN: Final = 3  # one wrong reading of a slow meter is no verdict; house rule


class OverCurrent:
    """What is known of one vehicle's obedience.

    Attributes:
        verdict: what was seen, in words; empty: nothing wrong.
    """

    def __init__(self) -> None:
        """Begin without offers and readings."""
        self.verdict = ""
        self._offers: list[tuple[float, float | None]] = []  # since when, A; the newest last
        self._since_s: float | None = None
        self._readings = 0
        self._taken_s = float("-inf")

    def offer(self, current_a: float | None, now_s: float) -> None:
        """Take the offer that stands from ``now_s`` on, A; ``None``: there is none."""
        if not self._offers or self._offers[-1][1] != current_a:
            self._offers.append((now_s, current_a))

    def lose(self) -> None:
        """Nobody knows the offer any more."""
        self._offers.clear()

    def forget(self) -> None:
        """The vehicle has left."""
        self.verdict = ""
        self._since_s, self._readings = None, 0

    def see(self, drawn_a: float | None, taken_s: float) -> None:
        """Take a fresh reading: the greatest current of any phase, A, measured at ``taken_s``; ``None`` unknown."""
        if taken_s <= self._taken_s:
            return
        self._taken_s = taken_s
        allowed_a = self._allowed_a(taken_s)
        if drawn_a is None or allowed_a is None or drawn_a <= (allowed_a + TOLERANCE_A) * TOLERANCE:
            self._since_s, self._readings = None, 0
            return
        if self._since_s is None:
            self._since_s = taken_s
        self._readings += 1
        if not self.verdict and self._readings >= READINGS_MIN and taken_s - self._since_s >= LASTS_S:
            lasted_s = round(taken_s - self._since_s)
            self.verdict = f"{amperes(drawn_a)} drawn of {amperes(allowed_a)} offered, for {lasted_s} s"

    def _allowed_a(self, taken_s: float) -> float | None:
        """Return the greatest offer that a vehicle may still be following at ``taken_s``; ``None`` without an offer."""
        if not self._offers or self._offers[-1][1] is None:
            return None
        from_s = taken_s - FOLLOW_S - METER_LAG_S
        ended_s = [since_s for since_s, _ in self._offers[1:]] + [float("inf")]
        self._offers = [each for each, until_s in zip(self._offers, ended_s, strict=True) if until_s > from_s]
        if any(current_a is None for _, current_a in self._offers):
            return None  # an offer that has just begun or come back: the vehicle has its time
        return max(current_a for _, current_a in self._offers if current_a is not None)
