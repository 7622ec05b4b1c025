"""One station's conversation with its CSMS: registration, calls both ways, heartbeat, statuses, delivery. Sans-I/O,
pure.

    opened --> boot (unless accepted before) --> accepted: statuses, authorizations, triggered messages, facts,
    heartbeats closed --> everything unanswered comes to an end here; facts stay in the journal

One CALL of ours is open at a time; CALLs of the CSMS are served at any time. What waits goes in this order: boot,
authorize, statuses, triggered messages, facts, heartbeat; so the live ones overtake the facts between two of them. A
CALL that is not answered within MessageTimeout ends the connection.

How to drive it: call a method with the monotonic time; perform the returned outputs in their order; call ``tick`` at
``next_deadline_s``; while ``wants_fact`` is true, pass the journal's oldest row to ``deliver``.

Source: OCPP-J 1.6 §4.1, OCPP 1.6 §3.7, §4.2, §4.6, §4.9, §5.17; OCPP 2.0.1 part 4 §4.1, B01-B04, E13, F06, G02.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from agent.model.commands import Answered, AnyOutcome, Outcome, TriggerMessage
from agent.model.evse import EvseView
from agent.model.facts import SecurityEvent, TransactionFact
from agent.model.ids import IdToken
from agent.model.inputs import AuthorizationAnswered, FactAnswered, LinkChanged
from agent.model.journal import JournalRow
from agent.model.maintenance import FirmwareProgressed, UploadProgressed
from agent.model.variables import VariableBook, VariableEntry
from agent.ocpp import rpc
from agent.ocpp.delivery import Delivery
from agent.ocpp.dialect import Dialect, FactAnswer, Message, Resolve, StationIdentity
from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError
from agent.ocpp.heartbeat import HeartbeatClock, TimeOfDay
from agent.ocpp.inbox import UNREADABLE_ID, Inbox
from agent.ocpp.open_call import About, Asked, Boot, Heartbeat, OpenCall, Plain, Waiting
from agent.ocpp.registration import BootSchedule, Standing
from agent.ocpp.reticence import Budget, Reticence
from agent.ocpp.session_outputs import (
    Acknowledged,
    ClockHeard,
    Drop,
    LogLine,
    MarkSent,
    Output,
    Registered,
    Send,
    ToCore,
)
from agent.ocpp.status_board import StatusBoard, StatusReport
from agent.ocpp.triggers import Grant, answer_trigger

AUTHORIZE_PATIENCE_S: Final = 15.0  # the driver waits; the CALL itself may take MessageTimeout
CLOSE_CODE: Final = 1000
MOST_WAITING: Final = 1_000
TRIGGERS_AT_ONCE: Final = 60  # and one more each second: quick back ends ask for meter values every few seconds


class Session:
    """See the module's text.

    Args:
        dialect: the OCPP version.
        identity: what the boot notification says.
        variables: the station's book; intervals and attempts are read from it when they are needed.
        new_id: makes message ids (UUIDs: never used twice, on no connection).
        utc: the time of day, s since 1970, or ``None`` while unknown.
        resolve: UTC of a stamp; only called while ``utc`` knows the time.
        values_refusal: why the CSMS cannot have meter values of an EVSE, 0 for the station's main meter, ``None`` for
            all, at a connector, ``None`` for whichever; empty where it can.
        boot_reason: ``power_up``, ``watchdog``, ``remote_reset``, ``application_reset``, ``unknown`` ...
    """

    def __init__(
        self,
        dialect: Dialect,
        identity: StationIdentity,
        variables: VariableBook,
        *,
        new_id: Callable[[], str],
        utc: Callable[[], float | None],
        resolve: Resolve,
        boot_reason: str,
        values_refusal: Callable[[int | None, int | None], str] = lambda _evse_id, _connector_id: "",
    ) -> None:
        self._dialect = dialect
        self._identity = identity
        self._variables = variables
        self._new_id = new_id
        self._resolve = resolve
        self._values_refusal = values_refusal
        self._out: list[Output] = []
        self._spoke = False  # a log line is among them
        self._reticence = Reticence()
        self._triggers = Budget(TRIGGERS_AT_ONCE, 1.0)
        self._time = TimeOfDay(utc)
        self._boot = BootSchedule(boot_reason)
        self._board = StatusBoard(dialect, variables, self._time)
        self._delivery = Delivery(variables)
        self._heartbeat = HeartbeatClock(variables)
        self._inbox = Inbox(dialect, self._emit)
        self._asked: deque[Asked] = deque()
        self._waiting: deque[Waiting] = deque()
        self._open: OpenCall | None = None
        self._connected = False
        self._online = False
        self._reconnected = False
        self._lost_s: float | None = None

    @property
    def online(self) -> bool:
        """Return whether the CSMS can be asked: connected and registered."""
        return self._online

    @property
    def standing(self) -> Standing:
        """Return what the CSMS last said about the registration."""
        return self._boot.standing

    # ---- the connection ------------------------------------------------------------------------------------------

    def opened(self, now_s: float) -> list[Output]:
        """A connection is open."""
        self._connected = True
        self._boot.opened(now_s)
        if self._boot.standing is Standing.ACCEPTED:
            self._reconnected = True
            self._go_online(now_s, booted=False)
        return self._done(now_s)

    def register_anew(self) -> None:
        """Boot again on the next connection."""
        self._boot.forget()

    def closed(self, now_s: float) -> list[Output]:
        """The connection is gone, for whatever reason. Calling it twice does no harm."""
        self._end(now_s)
        return self._done(now_s)

    def received(self, text: str | bytes, now_s: float) -> list[Output]:
        """A WebSocket message arrived."""
        if self._connected:
            try:
                self._take(rpc.decode(text), now_s)
            except RemoteProtocolError as error:
                if not error.reply_expected and self._names_open_call(error.message_id):
                    self._fail(error.description, now_s)
                self._inbox.refuse_frame(error, self._boot.standing)
        return self._done(now_s)

    # ---- time ----------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[Output]:
        """Time has passed."""
        self._inbox.expire(now_s)
        for asked in [each for each in self._asked if now_s >= each.until_s]:
            self._asked.remove(asked)
            self._tell_verdict(asked.request_id)
        if self._open is not None:
            self._watch(self._open, now_s)
        return self._done(now_s)

    def next_deadline_s(self) -> float | None:
        """Return the monotonic time at which ``tick`` is due, ``None`` while only events matter."""
        due = [self._inbox.deadline_s(), self._board.due_s()]
        if self._asked:
            due += [each.until_s for each in self._asked]
        if self._open is not None:
            due.append(self._open.deadline_s)
            if isinstance(self._open.about, Asked):
                due.append(self._open.about.until_s)
        elif self._connected:
            due.append(self._boot.due_s)
            if self._online:
                due += [self._heartbeat.due_s(time_known=self._time.known), self._delivery.not_before_s]
        known = [each for each in due if each is not None]
        return min(known) if known else None

    # ---- what the station has to say -----------------------------------------------------------------------------

    def views_changed(self, views: Sequence[EvseView], station_operative: bool, now_s: float) -> list[Output]:
        """EVSEs look different, or may do. Call it once with all views before ``opened``."""
        self._board.see(views, station_operative, now_s)
        return self._done(now_s)

    def authorize(self, request_id: int, token: IdToken, now_s: float) -> list[Output]:
        """Ask the CSMS about a token; one ``AuthorizationAnswered`` follows, after 15 s at the latest."""
        if self._online:
            self._asked.append(Asked(request_id=request_id, token=token, until_s=now_s + AUTHORIZE_PATIENCE_S))
        else:
            self._tell_verdict(request_id)
        return self._done(now_s)

    def outcome(self, command_id: int, outcome: AnyOutcome, now_s: float) -> list[Output]:
        """A command that ``CommandReceived`` announced has its outcome."""
        self._inbox.settle(command_id, outcome, now_s)
        return self._done(now_s)

    def report(self, request_id: int, entries: Sequence[VariableEntry], now_s: float) -> list[Output]:
        """Send the parts of a variable report; call it after the outcome that accepted it."""
        utc_s = self._time.of(now_s, now_s)
        if utc_s is None:
            self._log("report.dropped", "warning", why="the time of day is unknown")
        else:
            for message in self._dialect.report(request_id, entries, utc_s):
                self._queue(Waiting(message=message, about=Plain()))
        return self._done(now_s)

    def send(self, message: Message, now_s: float) -> list[Output]:
        """Send a message outside the journal that the CSMS asked for (``Triggered``); dropped without a connection."""
        self._queue(Waiting(message=message, about=Plain()))
        return self._done(now_s)

    def wants_fact(self, now_s: float) -> bool:
        """Return whether the oldest fact of the journal may go now: pass its row to ``deliver``."""
        return (
            self._online
            and self._open is None
            and self._boot.due_s is None
            and not (self._asked or self._board.waiting or self._waiting)
            and self._delivery.may_send(now_s)
            and self._time.station_knows
        )

    def deliver(self, row: JournalRow, now_s: float) -> list[Output]:
        """Send a fact. Returns no output where the moment has passed: ask ``wants_fact`` again."""
        if not self.wants_fact(now_s) or self._still_waits(row, now_s):
            return self._done(now_s)
        fixes_time = row.utc_s is None and row.fact.at.utc_s is None
        fixed = replace(row, utc_s=self._resolve(row.fact.at)) if fixes_time else row
        try:
            message = self._dialect.render(fixed, self._resolve)
            payload = None if message is None else self._dialect.encode(message)
        except LocalProtocolError as error:
            self._log("fact.unsendable", "error", seq=row.seq, error=str(error))
            self._emit(self._delivery.hopeless(row, str(error)))
            return self._done(now_s)
        if message is None or payload is None:
            self._emit(Acknowledged(seq=row.seq, csms_id=None))
            return self._done(now_s)
        if fixes_time or not row.sent:
            self._emit(MarkSent(seq=row.seq, utc_s=fixed.utc_s if fixes_time else None))
        self._transmit(row.message_id, message.action, payload, row, now_s)
        return self._done(now_s)

    def _still_waits(self, row: JournalRow, now_s: float) -> bool:
        if row.retry_at is None:
            return False
        utc_s = self._time.of(now_s, now_s)
        return utc_s is not None and self._delivery.must_wait(row, self._resolve(row.retry_at) - utc_s, now_s)

    # ---- what the CSMS says --------------------------------------------------------------------------------------

    def _take(self, frame: rpc.Frame, now_s: float) -> None:
        match frame:
            case rpc.Call():
                command = self._inbox.take(frame, self._boot.standing, now_s)
                if command is not None:
                    self._grant(frame, command, now_s)
            case rpc.CallResult():
                if self._open is None or frame.message_id != self._open.message_id:
                    self._log("answer.ignored", "warning", message_id=frame.message_id[:36])
                    return
                call, self._open = self._open, None
                try:
                    self._use(call.about, frame.payload, now_s)
                except RemoteProtocolError as error:
                    self._log("answer.unreadable", "warning", action=call.action, error=str(error))
                    self._close(call.about, str(error), now_s, delivered=True)
            case rpc.CallError():
                if not self._names_open_call(frame.message_id):
                    self._log("answer.ignored", "warning", message_id=frame.message_id[:36])
                    return
                self._fail(f"{frame.code}: {frame.description}" if frame.description else frame.code, now_s)

    def _grant(self, frame: rpc.Call, command: TriggerMessage, now_s: float) -> None:
        """Answer a trigger, then send what it asks for."""
        again = self._reconnected and self._dialect.boots_again_after_reconnect
        may_boot = self._boot.standing is not Standing.ACCEPTED or again
        grant = answer_trigger(
            command,
            self._board.places(),
            may_boot=may_boot,
            charging=self._board.charging,
            values_refusal=self._values_refusal,
        )
        if grant.outcome.answered is Answered.ACCEPTED and not self._triggers.spend(now_s):
            grant = Grant(outcome=Outcome(answered=Answered.REJECTED, why="too many triggers"))
        self._inbox.reply(frame, command, grant.outcome, now_s)
        if grant.boot:
            self._boot.trigger(now_s)
        if grant.heartbeat:
            self._queue(Waiting(message=self._dialect.heartbeat(), about=Heartbeat()))
        for message in self._board.asked(grant.places, now_s):
            self._queue(Waiting(message=message, about=Plain()))
        if grant.triggered is not None:
            self._emit(grant.triggered)

    def _names_open_call(self, message_id: str | None) -> bool:
        """Say whether a refusal is for our open CALL. Some CSMS leave the id out, or write "-1": only one can be
        meant.
        """
        return self._open is not None and (message_id or UNREADABLE_ID) in (self._open.message_id, UNREADABLE_ID)

    def _fail(self, error: str, now_s: float) -> None:
        if self._open is not None:
            call, self._open = self._open, None
            self._log("call.refused", "warning", action=call.action, error=error[:255])
            self._close(call.about, error[:255], now_s, delivered=False)

    def _use(self, about: About, payload: bytes, now_s: float) -> None:
        """Use the answer to one of our CALLs."""
        match about:
            case Boot():
                self._registered(payload, now_s)
            case Heartbeat():
                self._hear(self._dialect.read_heartbeat(payload), now_s)
            case Asked(request_id=request_id):
                verdict = self._dialect.read_authorization(payload)
                self._emit(ToCore(input=AuthorizationAnswered(request_id=request_id, verdict=verdict)))
            case StatusReport() as report:
                self._board.told(report)
            case JournalRow() as row:
                self._fact_done(row, self._dialect.read_fact_answer(row, payload))
            case Plain():
                pass

    def _close(self, about: About, error: str, now_s: float, *, delivered: bool) -> None:
        """End a CALL whose answer says nothing: a CALLERROR, or (``delivered``) a result that cannot be read."""
        match about:
            case Boot():
                self._boot.refused(now_s)
            case Asked(request_id=request_id):
                self._tell_verdict(request_id)
            case StatusReport() as report:
                self._board.told(report)
            case JournalRow() as row if delivered:  # its content never blocks the queue. OCPP 1.6 §4.10
                self._fact_done(row, FactAnswer())
            case JournalRow(fact=SecurityEvent() | FirmwareProgressed() | UploadProgressed()) as row:
                self._emit(self._delivery.event_refused(row, error))
            case JournalRow() as row:
                self._emit(self._delivery.failed(row, error, now_s, new_message_id=True))
            case Heartbeat() | Plain():
                pass

    def _watch(self, call: OpenCall, now_s: float) -> None:
        """End the wait for an answer where it was too long."""
        if isinstance(call.about, Asked) and now_s >= call.about.until_s:
            self._tell_verdict(call.about.request_id)
            self._open = replace(call, about=Plain())
        if now_s >= call.deadline_s:
            why = f"no answer to {call.action} within {self._timeout_s():.0f} s"
            self._log("call.timed_out", "warning", action=call.action, timeout_s=self._timeout_s())
            if isinstance(call.about, JournalRow):
                self._emit(self._delivery.failed(call.about, why, now_s, new_message_id=False))
            self._emit(Drop(code=CLOSE_CODE, reason=why))
            self._end(now_s)

    def _fact_done(self, row: JournalRow, answer: FactAnswer) -> None:
        self._delivery.delivered()
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

    # ---- registration --------------------------------------------------------------------------------------------

    def _registered(self, payload: bytes, now_s: float) -> None:
        answer = self._dialect.read_registration(payload)
        self._hear(answer.utc_s, now_s)
        interval_s = self._boot.answered(answer, now_s)
        accepted = self._boot.standing is Standing.ACCEPTED
        if accepted:
            interval_s = self._heartbeat.accepted(interval_s, now_s)
        self._emit(Registered(status=answer.status, interval_s=interval_s))
        if accepted:
            self._reconnected = False
            self._go_online(now_s, booted=True)
        else:
            self._board.stop()
            self._set_online(False)

    def _go_online(self, now_s: float, *, booted: bool) -> None:
        self._set_online(True)
        outage_s = 0.0 if self._lost_s is None else now_s - self._lost_s
        long = outage_s > self._variables.integer("OCPPCommCtrlr", "OfflineThreshold")
        self._board.start(now_s, everything=booted or (long and self._dialect.reports_all_after_outage))

    def _set_online(self, online: bool) -> None:
        if online != self._online:
            self._online = online
            self._emit(ToCore(input=LinkChanged(online=online)))

    def _hear(self, utc_s: float | None, now_s: float) -> None:
        if utc_s is not None and self._time.heard(utc_s, now_s):
            self._emit(ClockHeard(utc_s=utc_s))

    def _end(self, now_s: float) -> None:
        """Bring everything to an end that lives on a connection."""
        if not self._connected:
            return
        self._connected = False
        self._lost_s = now_s
        self._inbox.forget()
        self._waiting.clear()
        self._board.stop()
        left, self._open = self._open, None
        if left is not None and isinstance(left.about, Boot):
            self._boot.lost(now_s)
        if left is not None and isinstance(left.about, Asked):
            self._tell_verdict(left.about.request_id)
        while self._asked:
            self._tell_verdict(self._asked.popleft().request_id)
        self._set_online(False)

    # ---- sending -------------------------------------------------------------------------------------------------

    def _done(self, now_s: float) -> list[Output]:
        """Send what may go now and return everything there is to do."""
        self._board.settle(now_s)
        self._delivery.tick(now_s)
        while self._connected and self._open is None and self._send_next(now_s):
            pass
        out, self._out = self._out, []
        if not self._spoke:
            return out
        self._spoke = False
        return self._reticence.heard(out, now_s)

    def _send_next(self, now_s: float) -> bool:
        """Transmit the most urgent waiting message; return whether there was one."""
        if self._boot.due_s is not None and now_s >= self._boot.due_s:
            message = self._dialect.boot(self._identity, self._boot.reason)
            self._boot.sent()
            self._say(message, Boot(), now_s)
        elif self._boot.standing is Standing.REJECTED:
            return False
        elif self._online and self._asked:
            asked = self._asked.popleft()
            self._say(self._dialect.authorize(asked.token), asked, now_s)
        elif self._online and (report := self._board.take()) is not None:
            self._say(report.message, report, now_s)
        elif self._waiting:
            waiting = self._waiting.popleft()
            self._say(waiting.message, waiting.about, now_s)
        elif self._online and now_s >= self._heartbeat.due_s(time_known=self._time.known):
            self._say(self._dialect.heartbeat(), Heartbeat(), now_s)
        else:
            return False
        return True

    def _say(self, message: Message, about: About, now_s: float) -> None:
        try:
            payload = self._dialect.encode(message)
        except LocalProtocolError as error:
            self._log("message.unsendable", "error", action=message.action, error=str(error))
            self._close(about, str(error), now_s, delivered=False)
            return
        self._transmit(self._new_id(), message.action, payload, about, now_s)

    def _transmit(self, message_id: str, action: str, payload: msgspec.Raw, about: About, now_s: float) -> None:
        text = rpc.encode(rpc.Call(message_id=message_id, action=action, payload=payload))
        deadline_s = now_s + self._timeout_s()
        self._open = OpenCall(message_id=message_id, action=action, about=about, deadline_s=deadline_s)
        self._heartbeat.called(now_s, heartbeat=isinstance(about, Heartbeat))
        self._emit(Send(text=text))

    def _timeout_s(self) -> float:
        return float(max(1, self._variables.integer("OCPPCommCtrlr", "MessageTimeout", "Default")))

    def _queue(self, waiting: Waiting) -> None:
        if self._connected and len(self._waiting) < MOST_WAITING:
            self._waiting.append(waiting)

    def _tell_verdict(self, request_id: int) -> None:
        """Tell the core that nobody could be asked."""
        self._emit(ToCore(input=AuthorizationAnswered(request_id=request_id, verdict=None)))

    def _emit(self, output: Output) -> None:
        self._out.append(output)
        if type(output) is LogLine:
            self._spoke = True

    def _log(self, event: str, level: str = "info", **fields: str | int | float | bool | None) -> None:
        self._emit(LogLine(event=event, level=level, fields=dict(fields)))
