"""The wake-up of a vehicle that sleeps in B: one pulse of state F for each offer. Pure.

Some vehicles fall asleep when they have waited long, and answer an offer only after the pilot was interrupted.
A vehicle that has charged during this offer is awake and paused by its own will: it is left alone.
Source: IEC 61851-1:2017 Annex A.5.3, as practised by EVerest, SmartEVSE, Tinkerforge and Zaptec.
"""

from __future__ import annotations

from agent.guard.timings import AFTER_F_S, CLOCK_STEP_S, WAKE_UP_AFTER_S, WAKE_UP_PULSE_S
from agent.guard.wire import PilotState


class WakeUp:
    """One EVSE's wake-up.

    Attributes:
        pulsing: the pilot is to be in state F.
        resting: the pulse is over, the pilot rests in X1 for a moment.
    """

    __slots__ = ("_enabled", "_since_s", "_used", "pulsing", "resting")

    def __init__(self, *, enabled: bool) -> None:
        """Begin awake; without ``enabled`` it never pulses."""
        self._enabled = enabled
        self._used = False
        self._since_s: float | None = None
        self.pulsing = False
        self.resting = False

    def step(self, *, permitted: bool, offered: bool, closed: bool, state: PilotState, now_s: float) -> None:
        """Decide whether to pulse.

        Args:
            permitted: a permit for current is in force and a vehicle is there; its end is the offer's end.
            offered: the pilot signals current.
            closed: the main contactor is closed.
            state: the believed pilot state.
            now_s: monotonic time.
        """
        if not self._enabled:
            return
        if not permitted:
            self._since_s = None
            self._used = self.pulsing = self.resting = False
        elif self.pulsing or self.resting:
            self._go_on(now_s)
        elif closed:
            self._used, self._since_s = True, None
        elif not offered or state is not PilotState.B or self._used:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif self._over(WAKE_UP_AFTER_S, now_s):
            self._used = self.pulsing = True
            self._since_s = now_s

    def remembered(self) -> tuple[object, ...]:
        """Return everything that ``step`` may change."""
        return (self._used, self._since_s, self.pulsing, self.resting)

    def limits(self) -> tuple[tuple[float | None, float], ...]:
        """Return every (moment or ``None``, duration) whose end may change a verdict."""
        lasts_s = WAKE_UP_PULSE_S if self.pulsing else AFTER_F_S if self.resting else WAKE_UP_AFTER_S
        return ((self._since_s, lasts_s),)

    def _go_on(self, now_s: float) -> None:
        if self.pulsing and self._over(WAKE_UP_PULSE_S, now_s):
            self.pulsing, self.resting, self._since_s = False, True, now_s
        elif self.resting and self._over(AFTER_F_S, now_s):
            self.resting, self._since_s = False, None

    def _over(self, lasts_s: float, now_s: float) -> bool:
        return self._since_s is not None and now_s - self._since_s >= lasts_s - CLOCK_STEP_S
