"""The permit heartbeat: a line that toggles only while the scan is healthy. Pure.

A board's charge pump or retriggerable monostable turns the toggling into the supply of the contactor's coil: a guard
that is killed, stopped or late leaves the line at a level, and the coil drops out without any software.
"""

from __future__ import annotations


class Heartbeat:
    """One line's level over time.

    Attributes:
        level: what to write.
    """

    __slots__ = ("_half_s", "_next_s", "level")

    def __init__(self, period_s: float) -> None:
        """Begin low; ``period_s`` is a whole wave, s, at least two scans."""
        self._half_s = period_s / 2
        self._next_s = 0.0
        self.level = False

    def step(self, now_s: float, *, healthy: bool) -> bool:
        """Return whether the level changed: once every half period, and only after a scan that was in time."""
        if not healthy or now_s < self._next_s:
            return False
        # From the planned moment, so that the scan's own grid does not stretch the wave; from now after a pause.
        self._next_s = max(self._next_s + self._half_s, now_s + self._half_s / 2)
        self.level = not self.level
        return True
