"""Registration: when to send a boot notification, and what may be said before it is accepted. Pure.

    unknown --boot--> accepted | pending | rejected;  pending, rejected --interval or trigger--> boot again

After a mere reconnect an accepted station does not boot again. An interval that is missing, 0 or nonsense means our own
choice: 30 s growing to 10 min, so that nobody is flooded.

Source: OCPP 1.6 §4.2 and OCPP-J §5.4; OCPP 2.0.1 B01-B03 and part 4 §5.3.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from agent.ocpp.dialect import Registration as BootAnswer

FIRST_OWN_WAIT_S: Final = 30.0
LONGEST_OWN_WAIT_S: Final = 600.0
LONGEST_WAIT_S: Final = 86_400.0


class Standing(Enum):
    """What the CSMS thinks of the station."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    PENDING = "pending"
    REJECTED = "rejected"


_STANDING_OF: Final = {"accepted": Standing.ACCEPTED, "pending": Standing.PENDING, "rejected": Standing.REJECTED}


class BootSchedule:
    """The station's standing and the moment of the next boot notification."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._own_waits = 0
        self.standing = Standing.UNKNOWN
        self.due_s: float | None = None
        self.reason = reason

    def opened(self, now_s: float) -> None:
        """Plan the boot notification of a new connection; none where the last one was accepted."""
        if self.standing is Standing.ACCEPTED:
            self.due_s = None
        elif self.due_s is None:
            self.due_s = now_s

    def trigger(self, now_s: float) -> None:
        """Boot now because the CSMS asked for it."""
        self.due_s = now_s
        self.reason = "triggered"

    def forget(self) -> None:
        """Boot again on the next connection, whatever the CSMS said on this one."""
        self.standing = Standing.UNKNOWN
        self.reason = "application_reset"

    def sent(self) -> None:
        """A boot notification is on its way."""
        self.due_s = None

    def lost(self, now_s: float) -> None:
        """A boot notification was not answered on a connection that is gone: send it at once on the next."""
        self.due_s = now_s

    def answered(self, answer: BootAnswer, now_s: float) -> float:
        """Take the answer.

        Returns:
            Accepted: the heartbeat interval, 0 for "own choice". Otherwise the wait before the next boot, s.
        """
        self.standing = _STANDING_OF[answer.status]
        interval_s = float(answer.interval_s) if answer.interval_s is not None and answer.interval_s > 0 else 0.0
        interval_s = min(interval_s, LONGEST_WAIT_S)
        if self.standing is Standing.ACCEPTED:
            self.due_s = None
            self._own_waits = 0
            return interval_s
        if interval_s > 0:
            self._own_waits = 0
        else:
            interval_s = self._own_wait_s()
        self.due_s = now_s + interval_s
        self.reason = self._reason
        return interval_s

    def refused(self, now_s: float) -> float:
        """The answer was a CALLERROR or unreadable: nothing is known; return our own wait before the next try, s."""
        wait_s = self._own_wait_s()
        if self.standing is not Standing.ACCEPTED:
            self.due_s = now_s + wait_s
        return wait_s

    def _own_wait_s(self) -> float:
        wait_s = min(FIRST_OWN_WAIT_S * 2.0 ** min(self._own_waits, 10), LONGEST_OWN_WAIT_S)
        self._own_waits += 1
        return wait_s
