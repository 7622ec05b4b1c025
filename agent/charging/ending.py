"""The last word of the meter: which register ends a transaction.

An ordinary end waits for the contactor to be confirmed open and takes the first reading measured after that with no
current flowing. A transaction that a power cut interrupted takes the first believable reading of the new boot. Where
the opening cannot be confirmed or the meter says nothing in time, the newest known register is the last word and the
fact says so. No register is ever computed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.charging.flow import IDLE_A
from agent.charging.readings import draws_a
from agent.model.evse import EvseCondition
from drivers.api import MeterReading

GUARD_WAIT_S: Final = 10.0  # guard lost: a permit of 30 s may still keep the contactor closed, but nobody can tell
OPEN_WAIT_S: Final = 20.0  # the vehicle gets up to 6 s to stop, a contactor 0.2 s to open
METER_WAIT_S: Final = 5.0  # after the opening; several polls of a healthy meter
BOOT_WAIT_S: Final = 10.0  # after a power cut meters need some seconds to answer
ASK_EVERY_S: Final = 1.0


class LastWord(msgspec.Struct, frozen=True, kw_only=True):
    """How it ends: with this reading, or (``None``) with the newest register that is known, and what is missing."""

    reading: MeterReading | None
    gap: str | None


class Ending:
    """Waits for the last word of one transaction."""

    def __init__(self, now_s: float, *, metered: bool) -> None:
        """Begin to wait at ``now_s``."""
        self._decided_s = now_s
        self._metered = metered
        self._open_s: float | None = None
        self._lost_s: float | None = None
        self._seen_open_s = now_s
        self.unconfirmed = False

    def step(
        self, now_s: float, condition: EvseCondition | None, reading: MeterReading | None, trouble: str = "was silent"
    ) -> LastWord | None:
        """Return the last word, or ``None`` while waiting.

        Args:
            now_s: monotonic time.
            condition: the guard's word; ``None`` while it is lost.
            reading: the newest believed reading of any age.
            trouble: what is the matter with the meter if no reading comes, as in "the meter was silent".
        """
        self._watch_opening(now_s, condition)
        if self._open_s is None:
            return None
        if not self._metered:
            return LastWord(reading=None, gap="the contactor was not confirmed open" if self.unconfirmed else None)
        # Not before the decision either: an old report of an open contactor may be overtaken by its closing.
        since_s = max(self._open_s, self._decided_s)
        after = reading if reading is not None and reading.taken_s > since_s else None
        current_a = draws_a(after)
        if after is not None and not self.unconfirmed and (current_a is None or current_a < IDLE_A):
            return LastWord(reading=after, gap=None)
        if after is not None and self.unconfirmed:
            return LastWord(reading=after, gap="the contactor was not confirmed open")
        if now_s < self._meter_due_s:
            return None
        if after is not None:
            return LastWord(
                reading=after, gap=f"{current_a or 0.0:.1f} A flowed after the contactor was confirmed open"
            )
        age_s = None if reading is None else now_s - reading.taken_s
        text = "no register" if age_s is None else f"the newest register is {age_s:.0f} s old"
        return LastWord(reading=reading, gap=f"the meter {trouble} after the contactor opened; {text}")

    @property
    def waits_for(self) -> str:
        """Return what is missing, for people."""
        return "the contactor to be confirmed open" if self._open_s is None else "the meter's reading after the opening"

    @property
    def wants_reading(self) -> bool:
        """Return whether only a reading is missing."""
        return self._metered and self._open_s is not None

    @property
    def deadline_s(self) -> float:
        """Return when waiting ends, whatever is missing."""
        if self._open_s is not None:
            return self._meter_due_s
        if self._lost_s is not None:
            return min(self._lost_s + GUARD_WAIT_S, self._decided_s + OPEN_WAIT_S)
        return self._decided_s + OPEN_WAIT_S

    @property
    def _meter_due_s(self) -> float:
        return max(self._decided_s, self._seen_open_s) + METER_WAIT_S

    def _watch_opening(self, now_s: float, condition: EvseCondition | None) -> None:
        if condition is None:
            self._lost_s = now_s if self._lost_s is None else self._lost_s
        else:
            self._lost_s = None
        closed = None if condition is None else condition.contactor_closed
        if condition is not None and closed is False and (self._open_s is None or self.unconfirmed):
            self._open_s, self.unconfirmed, self._seen_open_s = condition.contactor_since_s, False, now_s
        elif closed is True and self._open_s is not None and not self.unconfirmed:
            self._open_s = None
        if self._open_s is None and now_s >= self.deadline_s:
            self._open_s, self.unconfirmed, self._seen_open_s = now_s, True, now_s
