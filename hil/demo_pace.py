"""How often something that repeats is worth a line: often at first, then ever more rarely. Pure."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 3.0
LONGEST_S: Final = 60.0
SHARE: Final = 0.2


class Pace:
    """Counts from ``begin_s``; what comes at once is due, the next 3 s later, in an hour every minute."""

    def __init__(self, begin_s: float, *, wait_first: bool = False) -> None:
        """``wait_first``: nothing is due before the first pause is over."""
        self._begin_s = begin_s
        self._last_s = begin_s if wait_first else float("-inf")

    def due(self, at_s: float) -> bool:
        """Say whether a line is due, and count it when it is."""
        pause_s = min(LONGEST_S, max(FIRST_S, SHARE * (at_s - self._begin_s)))
        if at_s - self._last_s < pause_s:
            return False
        self._last_s = at_s
        return True
