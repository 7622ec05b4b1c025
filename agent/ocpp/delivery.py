"""What after a failure: attempts and waits of facts. Pure.

A failure is a CALLERROR or a time-out on a living link; a lost connection is none. After failure n the next
transmission waits interval * n; after ``MessageAttempts`` transmissions the fact is given up and the next one goes. A
time-out keeps the message id (back ends de-duplicate by it), a CALLERROR needs a new one ("duplicate id" would
otherwise repeat for ever). Attempts and the moment of the next one are kept with the row: a restart neither forgives an
attempt nor shortens a wait.

Facts go strictly in the order in which they happened, also those of different transactions: what waits, waits for the
one before it. Only a fact that is given up lets the next one go: 1.6 §3.7.1 permits to skip one after repeated
failures, and nothing else.

Source: OCPP 1.6 §3.7.1 with OCPP-J errata 3.3; OCPP 2.0.1 E13.
"""

from __future__ import annotations

from agent.model.journal import JournalRow
from agent.model.variables import VariableBook
from agent.ocpp.session_outputs import Acknowledged, Failed, GiveUp

_CONTROLLER = "OCPPCommCtrlr"
_INSTANCE = "TransactionEvent"
_UNKNOWN_THERE = ("NotImplemented", "NotSupported")


class Delivery:
    """Keeps the moment before which no fact may be sent."""

    def __init__(self, variables: VariableBook) -> None:
        self._variables = variables
        self._not_before_s: float | None = None
        self._watched: int | None = None  # the row whose wait this process counts itself

    @property
    def not_before_s(self) -> float | None:
        """Moment from which the next fact may go; ``None``: now."""
        return self._not_before_s

    def may_send(self, now_s: float) -> bool:
        """Return whether no failed fact is waiting for its next attempt."""
        return self._not_before_s is None or now_s >= self._not_before_s

    def tick(self, now_s: float) -> None:
        """Time has passed: a wait that is over is no deadline any more."""
        if self.may_send(now_s):
            self._not_before_s = None

    def delivered(self) -> None:
        """Take note of a success."""
        self._not_before_s = None

    def failed(self, row: JournalRow, error: str, now_s: float, *, new_message_id: bool) -> Failed | GiveUp:
        """Decide what becomes of a fact that the CSMS failed to process."""
        transmissions = row.attempts + 1
        allowed = max(1, self._variables.integer(_CONTROLLER, "MessageAttempts", _INSTANCE))
        if transmissions >= allowed:
            self._not_before_s = None
            return GiveUp(seq=row.seq, error=error)
        wait_s = float(self._interval_s() * transmissions)
        self._not_before_s = now_s + wait_s
        self._watched = row.seq
        return Failed(seq=row.seq, error=error, new_message_id=new_message_id, wait_s=wait_s)

    def must_wait(self, row: JournalRow, left_s: float, now_s: float) -> bool:
        """Take over the wait of a fact that failed before this process started; return whether it is not over.

        ``left_s``: what is left of it by the time of day, which may have been set since: at most its whole length.
        """
        if row.seq == self._watched:
            return False
        self._watched = row.seq
        left_s = min(left_s, float(self._interval_s() * row.attempts))
        if left_s > 0:
            self._not_before_s = now_s + left_s
        return left_s > 0

    def _interval_s(self) -> int:
        return self._variables.integer(_CONTROLLER, "MessageAttemptInterval", _INSTANCE)

    def event_refused(self, row: JournalRow, error: str) -> Acknowledged | GiveUp:
        """Decide what becomes of a fact of no transaction that was answered with a CALLERROR: it holds up none.

        That is a security event, or how an update or an upload goes on. A CSMS without the security extension has
        nothing to lose by it; any other refusal is kept as a dead letter.
        """
        self._not_before_s = None
        if error.partition(":")[0] in _UNKNOWN_THERE:
            return Acknowledged(seq=row.seq, csms_id=None)
        return GiveUp(seq=row.seq, error=error)

    def hopeless(self, row: JournalRow, error: str) -> GiveUp:
        """Give up a fact that can never be sent."""
        self._not_before_s = None
        return GiveUp(seq=row.seq, error=error, attempted=False)
