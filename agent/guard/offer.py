"""The offer: what the pilot generator is told, and how often that may change. Pure."""

from __future__ import annotations

from typing import Final

from agent.guard.pilot import current_for_duty, duty_for_current
from agent.guard.timings import CLOCK_STEP_S, F_HOLD_S, OFFER_CHANGE_S
from drivers.api import PilotMode, PilotSignal

STEADY_HIGH: Final = PilotSignal(mode=PilotMode.STEADY_HIGH)
STEADY_LOW: Final = PilotSignal(mode=PilotMode.STEADY_LOW)


class Offer:
    """The generator's setting and the current it stands for.

    Attributes:
        signal: what the generator shall put out; the same object while nothing changes.
        current_a: the current that ``signal`` offers, A; ``None`` without an offer.
        since_s: when the generator's mode last changed.
        held: state F is being held after a fault.
    """

    __slots__ = ("_changed_s", "_held_since_s", "_limit_a", "current_a", "held", "signal", "since_s")

    def __init__(self, signal: PilotSignal, now_s: float) -> None:
        """Start with ``signal``, which offers nothing."""
        self.signal = signal
        self.current_a: float | None = None
        self.since_s = now_s
        self.held = False
        self._held_since_s: float | None = None
        self._limit_a: float | None = None
        self._changed_s: float | None = None

    def step(self, now_s: float) -> None:
        """Let go of state F when it was held long enough."""
        if self._held_since_s is not None and now_s - self._held_since_s >= F_HOLD_S - CLOCK_STEP_S:
            self.held, self._held_since_s = False, None

    def fail(self, now_s: float) -> None:
        """End the offer because of a fault: state F, held for at least ``F_HOLD_S``."""
        self.held, self._held_since_s = True, now_s
        self.end(STEADY_LOW, now_s)

    def end(self, signal: PilotSignal, now_s: float) -> None:
        """Offer nothing, with ``signal``; allowed at any time."""
        if signal is not self.signal:
            self._set(signal, None, now_s)

    def make(self, limit_a: float, now_s: float, *, closed: bool, safety_a: float | None = None) -> None:
        """Offer at most ``limit_a`` (6-80 A) as soon as the last change is ``OFFER_CHANGE_S`` ago.

        Beginning an offer with the contactor open (``closed`` false) need not wait, nor does a reduction to what
        safety allows now: ``safety_a``, of cable and temperature, ``None`` without such a limit.
        """
        current_a = self.current_a
        if current_a is None:
            waits = closed
        elif limit_a == self._limit_a:
            return
        else:
            waits = safety_a is None or safety_a >= current_a
        if waits and self._changed_s is not None and now_s - self._changed_s < OFFER_CHANGE_S - CLOCK_STEP_S:
            return
        self._limit_a = limit_a
        duty_pct = duty_for_current(limit_a)
        self._set(PilotSignal(mode=PilotMode.PWM, duty_pct=duty_pct), round(current_for_duty(duty_pct), 4), now_s)

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step``, ``fail``, ``end`` and ``make`` may change."""
        return (self.signal, self.current_a, self.since_s, self._held_since_s, self._limit_a, self._changed_s)

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change what is offered."""
        return ((self._changed_s, OFFER_CHANGE_S), (self._held_since_s, F_HOLD_S))

    def _set(self, signal: PilotSignal, current_a: float | None, now_s: float) -> None:
        if signal.mode is not self.signal.mode:
            self.since_s = now_s
        if current_a is not None or self.current_a is not None:
            self._changed_s = now_s
        self.signal = signal
        self.current_a = current_a
