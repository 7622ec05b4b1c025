"""Facts of the journal on their way to the CSMS: rendered, delivered, or what after a failure. Pure.

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

from collections.abc import Callable

from msgspec.structs import replace

from agent.model.facts import SecurityEvent, TransactionFact
from agent.model.inputs import FactAnswered
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.variables import VariableBook
from agent.ocpp import rpc
from agent.ocpp.dialect import Dialect, FactAnswer, Resolve
from agent.ocpp.errors import LocalProtocolError
from agent.ocpp.heartbeat import TimeOfDay
from agent.ocpp.session_outputs import Acknowledged, Failed, GiveUp, LogLine, MarkSent, Output, ToCore

_CONTROLLER = "OCPPCommCtrlr"
_INSTANCE = "TransactionEvent"
_UNKNOWN_THERE = ("NotImplemented", "NotSupported")


class Delivery:
    """What becomes of each fact, and the moment before which none may be sent."""

    def __init__(
        self,
        dialect: Dialect,
        variables: VariableBook,
        time: TimeOfDay,
        resolve: Resolve,
        emit: Callable[[Output], None],
    ) -> None:
        self._dialect = dialect
        self._variables = variables
        self._time = time
        self._resolve = resolve
        self._emit = emit
        self._not_before_s: float | None = None
        self._watched: int | None = None  # the row whose wait this process counts itself

    @property
    def not_before_s(self) -> float | None:
        """Moment from which the next fact may go; ``None``: now."""
        return self._not_before_s

    def may_send(self, now_s: float) -> bool:
        """Return whether no failed fact is waiting for its next attempt, and the station's clock knows the time."""
        return self._wait_is_over(now_s) and self._time.station_knows

    def tick(self, now_s: float) -> None:
        """Time has passed: a wait that is over is no deadline any more."""
        if self._wait_is_over(now_s):
            self._not_before_s = None

    def call_for(self, row: JournalRow, now_s: float) -> rpc.Call | None:
        """Return the CALL that tells of a fact which may go; the caller transmits it at once.

        ``None``: it waits for its next attempt, or it is done with, because the version has no message for it or the
        message can never be sent.
        """
        if self._still_waits(row, now_s):
            return None
        fixes_time = row.utc_s is None and row.fact.at.utc_s is None
        fixed = replace(row, utc_s=self._resolve(row.fact.at)) if fixes_time else row
        try:
            message = self._dialect.render(fixed, self._resolve)
            payload = None if message is None else self._dialect.encode(message)
        except LocalProtocolError as error:
            self._emit(LogLine(event="fact.unsendable", level="error", fields={"seq": row.seq, "error": str(error)}))
            self._give_up(row, str(error), attempted=False)
            return None
        if message is None or payload is None:
            self._emit(Acknowledged(seq=row.seq, csms_id=None))
            return None
        if fixes_time or not row.sent:
            self._emit(MarkSent(seq=row.seq, utc_s=fixed.utc_s if fixes_time else None))
        return rpc.Call(message_id=row.message_id, action=message.action, payload=payload)

    def answered(self, row: JournalRow, payload: bytes) -> None:
        """A fact is delivered. Raises ``RemoteProtocolError`` where the answer cannot be read: see ``refused``."""
        self._delivered(row, self._dialect.read_fact_answer(row, payload))

    def refused(self, row: JournalRow, error: str, now_s: float, *, delivered: bool) -> None:
        """Decide what becomes of a fact whose answer was a CALLERROR, or (``delivered``) cannot be read."""
        if delivered:  # its content never blocks the queue. OCPP 1.6 §4.10
            self._delivered(row, FactAnswer())
        elif isinstance(row.fact, SecurityEvent | FirmwareProgressed | UploadProgressed):
            self._event_refused(row, error)
        else:
            self._failed(row, error, now_s, new_message_id=True)

    def timed_out(self, row: JournalRow, error: str, now_s: float) -> None:
        """Decide what becomes of a fact that was not answered in time."""
        self._failed(row, error, now_s, new_message_id=False)

    def _wait_is_over(self, now_s: float) -> bool:
        return self._not_before_s is None or now_s >= self._not_before_s

    def _still_waits(self, row: JournalRow, now_s: float) -> bool:
        """Take over the wait of a fact that failed before this process started; return whether it is not over.

        What is left of it by the time of day, which may have been set since, is at most its whole length.
        """
        if row.retry_at is None or row.seq == self._watched:
            return False
        utc_s = self._time.of(now_s, now_s)
        if utc_s is None:
            return False
        self._watched = row.seq
        left_s = min(self._resolve(row.retry_at) - utc_s, float(self._interval_s() * row.attempts))
        if left_s > 0:
            self._not_before_s = now_s + left_s
        return left_s > 0

    def _delivered(self, row: JournalRow, answer: FactAnswer) -> None:
        self._not_before_s = None
        self._emit(Acknowledged(seq=row.seq, csms_id=answer.csms_id))
        if not isinstance(row.fact, TransactionFact):
            return
        if answer.csms_id is not None or answer.verdict is not None:
            answered = FactAnswered(
                transaction_id=row.fact.transaction_id,
                csms_id=answer.csms_id,
                verdict=answer.verdict,
                retransmitted=row.sent or row.attempts > 0,
                token=row.fact.token,
            )
            self._emit(ToCore(input=answered))

    def _failed(self, row: JournalRow, error: str, now_s: float, *, new_message_id: bool) -> None:
        transmissions = row.attempts + 1
        allowed = max(1, self._variables.integer(_CONTROLLER, "MessageAttempts", _INSTANCE))
        if transmissions >= allowed:
            self._give_up(row, error)
            return
        wait_s = float(self._interval_s() * transmissions)
        self._not_before_s = now_s + wait_s
        self._watched = row.seq
        self._emit(Failed(seq=row.seq, error=error, new_message_id=new_message_id, wait_s=wait_s))

    def _event_refused(self, row: JournalRow, error: str) -> None:
        """Let go of a fact of no transaction that was answered with a CALLERROR: it holds up none.

        That is a security event, or how an update or an upload goes on. A CSMS without the security extension has
        nothing to lose by it; any other refusal is kept as a dead letter.
        """
        if error.partition(":")[0] in _UNKNOWN_THERE:
            self._not_before_s = None
            self._emit(Acknowledged(seq=row.seq, csms_id=None))
        else:
            self._give_up(row, error)

    def _give_up(self, row: JournalRow, error: str, *, attempted: bool = True) -> None:
        self._not_before_s = None
        self._emit(GiveUp(seq=row.seq, error=error, attempted=attempted))

    def _interval_s(self) -> int:
        return self._variables.integer(_CONTROLLER, "MessageAttemptInterval", _INSTANCE)
