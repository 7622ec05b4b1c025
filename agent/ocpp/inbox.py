"""CALLs of the CSMS: each is answered exactly once, in time, whatever happens. Pure.

A CALL that arrives again on the same connection with the same id and the same content is a retransmission: it is not
executed again; its answer, if there is one, is repeated. Sloppy back ends that reuse an id for something else are
served.

What a flood can hold is bounded: 64 CALLs, or 2 MiB of them, wait for the core; any more are refused at once.

Source: OCPP-J 1.6 §4.1.3, §4.2.3; OCPP 2.0.1 part 4 §4.1.4, B02, B03.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from agent.model.commands import Answered, AnyOutcome, Command, Outcome, RequestStart, RequestStop, TriggerMessage
from agent.model.inputs import CommandReceived
from agent.ocpp import rpc
from agent.ocpp.dialect import Dialect
from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation
from agent.ocpp.registration import Standing
from agent.ocpp.repeated_names import repeated_name
from agent.ocpp.session_outputs import LogLine, Output, Send, Suspicious, ToCore

ANSWER_WITHIN_S: Final = 20.0
REMEMBERED_FOR_S: Final = 60.0
REMEMBERED: Final = 16
REMEMBERED_CHARS: Final = 32_768  # of an answer; only those to mere questions are longer
MOST_OPEN: Final = 64  # back ends that configure at every connect ask thirty times in a row
MOST_OPEN_BYTES: Final = 2_097_152
_SHOWN_CHARS: Final = 36
_KEY_CHARS: Final = 64
_MALFORMED: Final = frozenset(
    {Violation.FRAME, Violation.FORMAT, Violation.PROTOCOL, Violation.OCCURRENCE, Violation.TYPE}
)  # messages that no implementation of the standard sends: the security event InvalidMessages


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    call: rpc.Call
    command: Command
    deadline_s: float


class _Past(msgspec.Struct, frozen=True, kw_only=True):
    key: tuple[str, int]
    answer: str
    at_s: float


class Inbox:
    """The open CALLs of one connection, by command id, and the answers of the latest ones."""

    def __init__(self, dialect: Dialect, emit: Callable[[Output], None]) -> None:
        self._dialect = dialect
        self._emit = emit
        self._waiting: dict[int, _Waiting] = {}
        self._past: deque[_Past] = deque(maxlen=REMEMBERED)
        self._open_bytes = 0
        self._next_command_id = 1

    def forget(self) -> None:
        """The connection is gone, and its CALLs with it."""
        self._waiting.clear()
        self._open_bytes = 0
        self._past.clear()

    def deadline_s(self) -> float | None:
        """Return the next moment at which a CALL is overdue."""
        return min((each.deadline_s for each in self._waiting.values()), default=None)

    def take(self, call: rpc.Call, standing: Standing, now_s: float) -> TriggerMessage | None:
        """Serve a CALL: answer it, or hand it to the core. A trigger is returned: the session owes it a ``reply``."""
        if self._repeated(call, now_s) or self._shut_out(call, standing, now_s):
            return None
        if self._is_flooded(call):
            self._refuse(call, Violation.INTERNAL, f"{len(self._waiting)} requests are open already", now_s)
            return None
        try:
            repeated = repeated_name(bytes(call.payload))
            if repeated is not None:
                raise RemoteProtocolError(Violation.FORMAT, f"{repeated[:_SHOWN_CHARS]} stands twice in one object")
            command = self._dialect.command(call.action, call.payload)
        except RemoteProtocolError as error:
            self._refuse(call, error.violation, error.description, now_s)
            return None
        if isinstance(command, TriggerMessage):
            return command
        if isinstance(command, RequestStart | RequestStop) and standing is not Standing.ACCEPTED:
            self.reply(call, command, Outcome(answered=Answered.REJECTED, why="not registered"), now_s)
            return None
        command_id = self._next_command_id
        self._next_command_id += 1
        self._waiting[command_id] = _Waiting(call=call, command=command, deadline_s=now_s + ANSWER_WITHIN_S)
        self._open_bytes += _size_of(call)
        self._emit(ToCore(input=CommandReceived(command_id=command_id, command=command)))
        return None

    def settle(self, command_id: int, outcome: AnyOutcome, now_s: float) -> None:
        """Answer with the core's outcome; nothing where it was answered already or its connection is gone."""
        waiting = self._taken(command_id)
        if waiting is not None:
            self.reply(waiting.call, waiting.command, outcome, now_s)

    def expire(self, now_s: float) -> None:
        """Answer for the core where it took too long."""
        for command_id in [each for each, waiting in self._waiting.items() if now_s >= waiting.deadline_s]:
            late = self._taken(command_id)
            if late is not None:
                self._refuse(late.call, Violation.INTERNAL, "the station did not finish in time", now_s)

    def reply(self, call: rpc.Call, command: Command, outcome: AnyOutcome, now_s: float) -> None:
        """Answer a CALL."""
        try:
            payload = self._dialect.encode(self._dialect.answer(call.action, command, outcome))
        except LocalProtocolError as error:
            self._log("answer.failed", "error", action=call.action, error=str(error))
            self._refuse(call, Violation.INTERNAL, "the answer could not be made", now_s)
            return
        except RemoteProtocolError as error:  # the version has no response for this outcome
            self._refuse(call, error.violation, error.description, now_s)
            return
        self._send(call, rpc.encode(rpc.CallResult(message_id=call.message_id, payload=payload)), now_s)

    def refuse_frame(self, error: RemoteProtocolError, standing: Standing) -> None:
        """Answer something that is no frame, where this version does."""
        self._log("frame.unreadable", "warning", error=error.description)
        if error.violation in _MALFORMED:
            self._emit(Suspicious(text=f"a frame that cannot be read: {error.violation.name.lower()}"))
        silent = standing is Standing.REJECTED and self._dialect.silent_when_rejected
        unknown_type = error.violation is Violation.MESSAGE_TYPE and not self._dialect.answers_unknown_types
        no_id = error.message_id is None and not self._dialect.answers_unreadable_ids
        if error.reply_expected and not (silent or unknown_type or no_id):
            text = self._error_text(error.message_id or rpc.UNREADABLE_ID, error.violation, error.description)
            self._emit(Send(text=text))

    def _taken(self, command_id: int) -> _Waiting | None:
        waiting = self._waiting.pop(command_id, None)
        if waiting is not None:
            self._open_bytes -= _size_of(waiting.call)
        return waiting

    def _is_flooded(self, call: rpc.Call) -> bool:
        full = len(self._waiting) >= MOST_OPEN
        return full or (bool(self._waiting) and self._open_bytes + _size_of(call) > MOST_OPEN_BYTES)

    def _repeated(self, call: rpc.Call, now_s: float) -> bool:
        key = _key_of(call)
        if any(each.call == call for each in self._waiting.values()):
            self._log("call.repeated", action=call.action[:_SHOWN_CHARS])
            return True
        for past in self._past:
            if past.key == key and now_s - past.at_s <= REMEMBERED_FOR_S:
                self._log("call.repeated", action=call.action[:_SHOWN_CHARS])
                self._emit(Send(text=past.answer))
                return True
        return False

    def _shut_out(self, call: rpc.Call, standing: Standing, now_s: float) -> bool:
        if standing is not Standing.REJECTED:
            return False
        if self._dialect.silent_when_rejected:
            self._log("call.ignored", action=call.action[:_SHOWN_CHARS], why="the station is rejected")
        else:
            self._refuse(call, Violation.SECURITY, "the station is not registered", now_s)
        return True

    def _refuse(self, call: rpc.Call, violation: Violation, why: str, now_s: float) -> None:
        self._log("call.denied", "warning", action=call.action[:_SHOWN_CHARS], violation=violation.name, why=why)
        if violation in _MALFORMED:
            self._emit(Suspicious(text=f"{call.action[:_SHOWN_CHARS]} is malformed: {violation.name.lower()}"))
        self._send(call, self._error_text(call.message_id, violation, why), now_s)

    def _send(self, call: rpc.Call, text: str, now_s: float) -> None:
        if len(text) <= REMEMBERED_CHARS:
            self._past.append(_Past(key=_key_of(call), answer=text, at_s=now_s))
        self._emit(Send(text=text))

    def _error_text(self, message_id: str, violation: Violation, description: str) -> str:
        code = self._dialect.error_code(violation)
        return rpc.encode(rpc.CallError(message_id=message_id, code=code, description=description))

    def _log(self, event: str, level: str = "info", **fields: str | int | float | bool | None) -> None:
        self._emit(LogLine(event=event, level=level, fields=dict(fields)))


def _size_of(call: rpc.Call) -> int:
    return len(bytes(call.payload)) + len(call.message_id)


def _key_of(call: rpc.Call) -> tuple[str, int]:
    """Return what tells a CALL from others without keeping a megabyte: its id, and a hash of action and content."""
    return call.message_id[:_KEY_CHARS], hash((call.message_id, call.action, bytes(call.payload)))
