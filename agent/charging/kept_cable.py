"""A cable that stays in the socket without a vehicle, and is pulled out although nobody released it. Pure.

Its coding resistor is in the plug, so that the station sees it without a vehicle, too. Where that is not so (a fixed
cable, a controller that reads the coding only with a vehicle) nothing is ever seen to go.
"""

from __future__ import annotations

from typing import Final

from agent.model.evse import EvseCondition

SEEN_S: Final = 1.0  # the coding counts as one of a cable without vehicle when it was seen for so long; house rule
OUT_S: Final = 2.0  # and the cable as gone when it was not seen for so long; house rule


class KeptCable:
    """Watches the cable of one EVSE while no vehicle is there.

    Attributes:
        due_s: when it counts as gone unless it is seen again, monotonic; ``None``: it is there, or never was.
    """

    __slots__ = ("_seen_since_s", "due_s")

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._seen_since_s: float | None = None
        self.due_s: float | None = None

    def lose(self) -> None:
        """Know nothing any more."""
        self._seen_since_s = self.due_s = None

    def see(self, condition: EvseCondition, now_s: float) -> None:
        """Take the guard's word; one that sees a vehicle, or does not know, begins anew."""
        if condition.plugged is not False:
            self.lose()
        elif condition.cable_a is not None:
            self.due_s = None
            if self._seen_since_s is None:
                self._seen_since_s = now_s
        elif self._seen_since_s is not None and self.due_s is None:
            self.due_s = now_s + OUT_S if now_s - self._seen_since_s >= SEEN_S else None
            self._seen_since_s = None

    def gone(self, now_s: float) -> bool:
        """Return whether it was there and has been pulled out."""
        return self.due_s is not None and now_s >= self.due_s
