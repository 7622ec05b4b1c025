"""One station's conversation with its CSMS: registration, calls both ways, heartbeat, statuses, facts. Sans-I/O, pure.

    opened --> boot (unless accepted before) --> accepted:
               authorizations, statuses, triggered messages, facts, heartbeats
    closed --> everything unanswered comes to an end here; facts stay in the journal

One CALL of ours is open at a time; CALLs of the CSMS are served at any time. What waits goes in this order: boot,
authorize, statuses, triggered messages, facts, heartbeat; so the live ones overtake the facts between two of them. A
CALL that is not answered within MessageTimeout ends the connection.

How to drive it: call a method with the monotonic time; perform the returned outputs in their order; call ``tick`` at
``next_deadline_s``; while ``wants_fact`` is true, pass the journal's oldest row to ``deliver``.

Source: OCPP-J 1.6 §4.1, OCPP 1.6 §3.7, §4.2, §4.6, §4.9, §5.17; OCPP 2.0.1 part 4 §4.1, B01-B04, E13, F06, G02.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from agent.model.commands import Answered, AnyOutcome, Outcome, TriggerMessage
from agent.model.evse import EvseView
from agent.model.ids import IdToken
from agent.model.inputs import LinkChanged
from agent.model.journal import JournalRow
from agent.model.variables import VariableBook, VariableEntry
from agent.ocpp import rpc
from agent.ocpp.delivery import Delivery
from agent.ocpp.dialect import Dialect, Message, Resolve, StationIdentity
from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError
from agent.ocpp.heartbeat import HeartbeatClock, TimeOfDay
from agent.ocpp.inbox import Inbox
from agent.ocpp.open_call import About, Asked, Boot, Heartbeat, OpenCall, Plain, Waiting
from agent.ocpp.outbox import Outbox
from agent.ocpp.registration import BootSchedule, Standing
from agent.ocpp.reticence import Budget, Reticence
from agent.ocpp.session_outputs import ClockHeard, Drop, LogLine, Output, Registered, ToCore
from agent.ocpp.status_board import StatusBoard, StatusReport
from agent.ocpp.triggers import Grant, answer_trigger

CLOSE_CODE: Final = 1000
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
        self._values_refusal = values_refusal
        self._out: list[Output] = []
        self._spoke = False  # a log line is among them
        self._reticence = Reticence()
        self._triggers = Budget(TRIGGERS_AT_ONCE, 1.0)
        self._time = TimeOfDay(utc)
        self._boot = BootSchedule(boot_reason)
        self._board = StatusBoard(dialect, variables, self._time)
        self._delivery = Delivery(dialect, variables, self._time, resolve, self._emit)
        self._heartbeat = HeartbeatClock(variables)
        self._inbox = Inbox(dialect, self._emit)
        self._outbox = Outbox(variables, self._emit)
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
                if not error.reply_expected:
                    self._fail(error.message_id, error.description, now_s)
                self._inbox.refuse_frame(error, self._boot.standing)
        return self._done(now_s)

    # ---- time ----------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[Output]:
        """Time has passed."""
        self._inbox.expire(now_s)
        late = self._outbox.expire(now_s)
        if late is not None:
            self._time_out(late, now_s)
        return self._done(now_s)

    def next_deadline_s(self) -> float | None:
        """Return the monotonic time at which ``tick`` is due, ``None`` while only events matter."""
        due = [self._inbox.deadline_s(), self._outbox.deadline_s(), self._board.due_s()]
        if self._connected and not self._outbox.busy:
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
            self._outbox.ask(request_id, token, now_s)
        else:
            self._outbox.settle(request_id)
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
            and not self._outbox.busy
            and self._boot.due_s is None
            and not (self._outbox.waiting or self._board.waiting)
            and self._delivery.may_send(now_s)
        )

    def deliver(self, row: JournalRow, now_s: float) -> list[Output]:
        """Send a fact. Returns no output where the moment has passed: ask ``wants_fact`` again."""
        call = self._delivery.call_for(row, now_s) if self.wants_fact(now_s) else None
        if call is not None:
            self._transmit(call, row, now_s)
        return self._done(now_s)

    # ---- what the CSMS says --------------------------------------------------------------------------------------

    def _take(self, frame: rpc.Frame, now_s: float) -> None:
        match frame:
            case rpc.Call():
                command = self._inbox.take(frame, self._boot.standing, now_s)
                if command is not None:
                    self._grant(frame, command, now_s)
            case rpc.CallResult():
                call = self._outbox.answered(frame.message_id)
                if call is None:
                    self._log("answer.ignored", "warning", message_id=frame.message_id[:36])
                    return
                try:
                    self._use(call.about, frame.payload, now_s)
                except RemoteProtocolError as error:
                    self._log("answer.unreadable", "warning", action=call.action, error=str(error))
                    self._close(call.about, str(error), now_s, delivered=True)
            case rpc.CallError():
                error_text = f"{frame.code}: {frame.description}" if frame.description else frame.code
                if not self._fail(frame.message_id, error_text, now_s):
                    self._log("answer.ignored", "warning", message_id=frame.message_id[:36])

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

    def _fail(self, message_id: str | None, error: str, now_s: float) -> bool:
        """End the CALL that was refused; return whether there is one."""
        call = self._outbox.refused(message_id)
        if call is None:
            return False
        self._log("call.refused", "warning", action=call.action, error=error[:255])
        self._close(call.about, error[:255], now_s, delivered=False)
        return True

    def _use(self, about: About, payload: bytes, now_s: float) -> None:
        """Use the answer to one of our CALLs."""
        match about:
            case Boot():
                self._registered(payload, now_s)
            case Heartbeat():
                self._hear(self._dialect.read_heartbeat(payload), now_s)
            case Asked(request_id=request_id):
                self._outbox.settle(request_id, self._dialect.read_authorization(payload))
            case StatusReport() as report:
                self._board.told(report)
            case JournalRow() as row:
                self._delivery.answered(row, payload)
            case Plain():
                pass

    def _close(self, about: About, error: str, now_s: float, *, delivered: bool) -> None:
        """End a CALL whose answer says nothing: a CALLERROR, or (``delivered``) a result that cannot be read."""
        match about:
            case Boot():
                self._boot.refused(now_s)
            case Asked(request_id=request_id):
                self._outbox.settle(request_id)
            case StatusReport() as report:
                self._board.told(report)
            case JournalRow() as row:
                self._delivery.refused(row, error, now_s, delivered=delivered)
            case Heartbeat() | Plain():
                pass

    def _time_out(self, call: OpenCall, now_s: float) -> None:
        """End the connection on which a CALL was not answered."""
        timeout_s = self._outbox.timeout_s()
        why = f"no answer to {call.action} within {timeout_s:.0f} s"
        self._log("call.timed_out", "warning", action=call.action, timeout_s=timeout_s)
        if isinstance(call.about, JournalRow):
            self._delivery.timed_out(call.about, why, now_s)
        self._emit(Drop(code=CLOSE_CODE, reason=why))
        self._end(now_s)

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
        self._board.stop()
        left = self._outbox.forget()
        if left is not None and isinstance(left.about, Boot):
            self._boot.lost(now_s)
        self._set_online(False)

    # ---- sending -------------------------------------------------------------------------------------------------

    def _done(self, now_s: float) -> list[Output]:
        """Send what may go now and return everything there is to do."""
        self._board.settle(now_s)
        self._delivery.tick(now_s)
        while self._connected and not self._outbox.busy and self._send_next(now_s):
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
        elif self._online and (asked := self._outbox.take_question()) is not None:
            self._say(self._dialect.authorize(asked.token), asked, now_s)
        elif self._online and (report := self._board.take()) is not None:
            self._say(report.message, report, now_s)
        elif (waiting := self._outbox.take_message()) is not None:
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
        self._transmit(rpc.Call(message_id=self._new_id(), action=message.action, payload=payload), about, now_s)

    def _transmit(self, call: rpc.Call, about: About, now_s: float) -> None:
        self._outbox.transmit(call, about, now_s)
        self._heartbeat.called(now_s, heartbeat=isinstance(about, Heartbeat))

    def _queue(self, waiting: Waiting) -> None:
        if self._connected:
            self._outbox.queue(waiting)

    def _emit(self, output: Output) -> None:
        self._out.append(output)
        if type(output) is LogLine:
            self._spoke = True

    def _log(self, event: str, level: str = "info", **fields: str | int | float | bool | None) -> None:
        self._emit(LogLine(event=event, level=level, fields=dict(fields)))
