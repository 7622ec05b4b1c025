"""CALLs of ours: one is open at a time, and every one comes to an end, whatever happens. Pure.

    transmit --> answered | refused | expire (late) | forget (the connection is gone)

Two kinds wait here for their turn: questions about tokens, and messages outside the journal that the CSMS asked for. A
question is settled after 15 s at the latest, by the CSMS or with "nobody could be asked", while its CALL may go on.

Whose turn it is and what an answer means, the session decides.

Source: OCPP-J 1.6 §4.1; OCPP 2.0.1 part 4 §4.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from agent.model.ids import IdToken
from agent.model.inputs import AuthorizationAnswered
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict
from agent.ocpp import rpc
from agent.ocpp.open_call import About, Asked, OpenCall, Plain, Waiting
from agent.ocpp.session_outputs import Output, Send, ToCore

AUTHORIZE_PATIENCE_S: Final = 15.0  # the driver waits; the CALL itself may take MessageTimeout
MOST_WAITING: Final = 1_000


class Outbox:
    """The open CALL of one connection, and what waits for its turn."""

    def __init__(self, variables: VariableBook, emit: Callable[[Output], None]) -> None:
        self._variables = variables
        self._emit = emit
        self._asked: deque[Asked] = deque()
        self._waiting: deque[Waiting] = deque()
        self._open: OpenCall | None = None

    @property
    def busy(self) -> bool:
        """Return whether a CALL waits for its answer: no other may go."""
        return self._open is not None

    @property
    def waiting(self) -> bool:
        """Return whether a question or a message waits for its turn."""
        return bool(self._asked or self._waiting)

    def timeout_s(self) -> float:
        """Return how long a CALL waits for its answer."""
        return float(max(1, self._variables.integer("OCPPCommCtrlr", "MessageTimeout", "Default")))

    def deadline_s(self) -> float | None:
        """Return the next moment at which ``expire`` is due."""
        due = [each.until_s for each in self._asked]
        if self._open is not None:
            due.append(self._open.deadline_s)
            if isinstance(self._open.about, Asked):
                due.append(self._open.about.until_s)
        return min(due, default=None)

    # ---- what waits ----------------------------------------------------------------------------------------------

    def ask(self, request_id: int, token: IdToken, now_s: float) -> None:
        """Keep a question; one ``AuthorizationAnswered`` follows."""
        self._asked.append(Asked(request_id=request_id, token=token, until_s=now_s + AUTHORIZE_PATIENCE_S))

    def settle(self, request_id: int, verdict: TokenVerdict | None = None) -> None:
        """Tell the core the verdict on a token that was taken out of here; ``None``: nobody could be asked."""
        self._emit(ToCore(input=AuthorizationAnswered(request_id=request_id, verdict=verdict)))

    def queue(self, waiting: Waiting) -> None:
        """Keep a message; dropped where too many wait."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(waiting)

    def take_question(self) -> Asked | None:
        """Return the oldest question: it is the caller's to transmit or to settle."""
        return self._asked.popleft() if self._asked else None

    def take_message(self) -> Waiting | None:
        """Return the oldest message."""
        return self._waiting.popleft() if self._waiting else None

    # ---- the open CALL -------------------------------------------------------------------------------------------

    def transmit(self, call: rpc.Call, about: About, now_s: float) -> None:
        """Send a CALL, while none is open. Raises ``LocalProtocolError`` where it has no proper id."""
        text = rpc.encode(call)
        deadline_s = now_s + self.timeout_s()
        self._open = OpenCall(message_id=call.message_id, action=call.action, about=about, deadline_s=deadline_s)
        self._emit(Send(text=text))

    def answered(self, message_id: str) -> OpenCall | None:
        """Return the CALL that a result with this id ends; ``None``: it answers nothing that is open."""
        if self._open is None or message_id != self._open.message_id:
            return None
        return self._end()

    def refused(self, message_id: str | None) -> OpenCall | None:
        """Return the CALL that a refusal ends. Some CSMS leave the id out, or write "-1": only one can be meant."""
        if self._open is None or (message_id or rpc.UNREADABLE_ID) not in (self._open.message_id, rpc.UNREADABLE_ID):
            return None
        return self._end()

    def expire(self, now_s: float) -> OpenCall | None:
        """Settle the questions that waited too long; return the open CALL where its answer is overdue.

        It stays open: the connection ends, and ``forget`` ends it too.
        """
        for asked in [each for each in self._asked if now_s >= each.until_s]:
            self._asked.remove(asked)
            self.settle(asked.request_id)
        call = self._open
        if call is None:
            return None
        if isinstance(call.about, Asked) and now_s >= call.about.until_s:
            self.settle(call.about.request_id)
            self._open = replace(call, about=Plain())
        return self._open if now_s >= call.deadline_s else None

    def forget(self) -> OpenCall | None:
        """The connection is gone: settle every question, drop every message, return the CALL that was open."""
        self._waiting.clear()
        left = self._end()
        if left is not None and isinstance(left.about, Asked):
            self.settle(left.about.request_id)
        while self._asked:
            self.settle(self._asked.popleft().request_id)
        return left

    def _end(self) -> OpenCall | None:
        call, self._open = self._open, None
        return call
