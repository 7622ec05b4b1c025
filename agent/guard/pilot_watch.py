"""What is wrong with the pilot itself: a voltage of no state, a short, a generator that does not obey. Pure."""

from __future__ import annotations

from agent.guard.offer import STEADY_LOW, Offer
from agent.guard.pilot import NegativePeak, PilotView
from agent.guard.timings import PILOT_E_S, PILOT_F_S, UNCLEAR_S
from agent.guard.wire import PilotState


class PilotWatch:
    """One pilot's faults.

    A short, or a voltage of no state, is over when the pilot shows A to D again; state F of our own making tells
    nothing, so that the verdict stands. A negative peak that is neither a diode's nor its absence is latched until A.
    """

    __slots__ = ("_short_since_s", "_unclear", "_unclear_since_s", "_wrong")

    def __init__(self) -> None:
        """Begin without a fault."""
        self._short_since_s: float | None = None
        self._unclear_since_s: float | None = None
        self._unclear = False
        self._wrong = False

    def wrong(self, view: PilotView, offer: Offer, *, there: bool, now_s: float) -> bool:
        """Return whether the pilot is in error.

        Args:
            view: what is believed of the pilot.
            offer: what the generator is told.
            there: a vehicle is connected, as far as is known.
            now_s: monotonic time.
        """
        self._judge_negative(view, offered=offer.current_a is not None, now_s=now_s)
        state = view.state
        if state is PilotState.E:
            if self._short_since_s is None:
                self._short_since_s = now_s
            self._wrong = there or now_s - self._short_since_s >= PILOT_E_S
        else:
            self._short_since_s = None
            if state is PilotState.F:
                ours = offer.signal is STEADY_LOW or now_s - offer.since_s <= PILOT_F_S
                self._wrong = self._wrong or not ours
            elif state is PilotState.FAULT:
                self._wrong = True
            elif state is not PilotState.UNKNOWN:
                self._wrong = False
        return self._wrong or self._unclear

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``wrong`` may change."""
        return (self._short_since_s, self._unclear_since_s, self._unclear, self._wrong)

    def limits(self, offer: Offer) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change the verdict."""
        return (
            (self._short_since_s, PILOT_E_S),
            (self._unclear_since_s, UNCLEAR_S),
            (offer.since_s, PILOT_F_S),
        )

    def _judge_negative(self, view: PilotView, *, offered: bool, now_s: float) -> None:
        if view.state is PilotState.A:
            self._unclear = False
        if view.negative is not NegativePeak.UNCLEAR or not offered:
            self._unclear_since_s = None
        elif self._unclear_since_s is None:
            self._unclear_since_s = now_s
        elif now_s - self._unclear_since_s > UNCLEAR_S:
            self._unclear = True
