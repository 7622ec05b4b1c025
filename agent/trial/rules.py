"""Which wishes the devices get. Pure. Whatever a check wishes, a coil is driven only while every rule holds.

The rules are the guard's, for a socket in which nothing is plugged: the pilot is measured and free, every input is
known and at rest, the mains are as the technician said, the loop keeps its time. A coil that was refused stays off
until the check stops to wish for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent.guard.timings import OPEN_S
from agent.trial.courses import HIGH_V
from agent.trial.fitted import Fitted, Mains
from agent.trial.sights import Seen, Wish

LATE_S: Final = OPEN_S  # a loop later than this would not open in time
CLOSED_MAX_S: Final = 3.0  # house rule; a check needs less


class Gate:
    """The rules of one EVSE, with what they remember."""

    def __init__(self, evse: Fitted) -> None:
        """Begin with nothing driven."""
        self._evse = evse
        self._closed_since_s: float | None = None
        self._refused = ""
        self._last_s: float | None = None

    def let_through(self, wish: Wish, seen: Seen) -> tuple[Wish, str]:
        """Return what may be written, and why it is not what was wished; empty where it is."""
        late_s = 0.0 if self._last_s is None else seen.now_s - self._last_s
        self._last_s = seen.now_s
        if seen.main_closed and (wish.unlock or wish.lock is False):
            wish = replace(wish, lock=None, unlock=False)  # a plug under voltage stays where it is
        if not (wish.coil or wish.phase_coil):
            self._closed_since_s, self._refused = None, ""
            return wish, ""
        if not self._refused:
            self._refused = self._why_not(seen, late_s)
        if self._refused:
            self._closed_since_s = None
            return replace(wish, coil=False, phase_coil=False), self._refused
        if self._closed_since_s is None:
            self._closed_since_s = seen.now_s
        return wish, ""

    def _why_not(self, seen: Seen, late_s: float) -> str:
        if self._evse.mains is Mains.UNCONFIRMED:
            return "nobody has confirmed that the mains are off"
        if seen.high_v is None:
            return "the pilot has no fresh value"
        if seen.high_v < HIGH_V[0] - 0.4:  # below 11 V is no free pilot: the window of state A. IEC 61851-1 table A.4
            return f"the pilot is not free: {seen.high_v:.1f} V"
        for name, level in seen.levels.items():
            if level is None:
                return f"{name.replace('_', ' ')} has no value"
            if level:
                return f"{name.replace('_', ' ')} is active"
        if self._closed_since_s is not None:
            if late_s > LATE_S:
                return f"the machine is too busy: the loop came {late_s * 1000:.0f} ms late"
            if seen.now_s - self._closed_since_s > CLOSED_MAX_S:
                return f"closed for {CLOSED_MAX_S:g} s"
        return ""
