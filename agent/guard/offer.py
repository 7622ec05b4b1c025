"""The offer: what the pilot generator is told, and how often that may change. Pure."""

from __future__ import annotations

from typing import Final

from agent.guard.pilot import current_for_duty, duty_for_current
from drivers.api import PilotMode, PilotSignal

OFFER_CHANGE_S: Final = 5.0  # an offer changes no more often. IEC 61851-1:2017 table A.6, sequence 6

STEADY_HIGH: Final = PilotSignal(mode=PilotMode.STEADY_HIGH)
STEADY_LOW: Final = PilotSignal(mode=PilotMode.STEADY_LOW)


class Offer:
    """The generator's setting and the current it stands for.

    Attributes:
        signal: what the generator shall put out; the same object while nothing changes.
        current_a: the current that ``signal`` offers, A; ``None`` without an offer.
        since_s: when the generator's mode last changed.
    """

    __slots__ = ("_changed_s", "_limit_a", "current_a", "signal", "since_s")

    def __init__(self, signal: PilotSignal, now_s: float) -> None:
        """Start with ``signal``, which offers nothing."""
        self.signal = signal
        self.current_a: float | None = None
        self.since_s = now_s
        self._limit_a: float | None = None
        self._changed_s: float | None = None

    def end(self, signal: PilotSignal, now_s: float) -> None:
        """Offer nothing, with ``signal``; allowed at any time."""
        if signal is not self.signal:
            self._set(signal, None, now_s)

    def make(self, limit_a: float, now_s: float, *, closed: bool) -> None:
        """Offer at most ``limit_a`` (6-80 A) as soon as the last change is ``OFFER_CHANGE_S`` ago.

        Beginning an offer with the contactor open (``closed`` false) need not wait.
        """
        if self.current_a is None:
            waits = closed
        elif limit_a == self._limit_a:
            return
        else:
            waits = True
        if waits and self._changed_s is not None and now_s - self._changed_s < OFFER_CHANGE_S:
            return
        self._limit_a = limit_a
        duty_pct = duty_for_current(limit_a)
        self._set(PilotSignal(mode=PilotMode.PWM, duty_pct=duty_pct), round(current_for_duty(duty_pct), 4), now_s)

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``end`` and ``make`` may change."""
        return (self.signal, self.current_a, self.since_s, self._limit_a, self._changed_s)

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change what is offered."""
        return ((self._changed_s, OFFER_CHANGE_S),)

    def _set(self, signal: PilotSignal, current_a: float | None, now_s: float) -> None:
        if signal.mode is not self.signal.mode:
            self.since_s = now_s
        if current_a is not None or self.current_a is not None:
            self._changed_s = now_s
        self.signal = signal
        self.current_a = current_a
