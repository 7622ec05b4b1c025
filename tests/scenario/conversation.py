"""Session and charging core together in virtual time, opposite a CSMS that says anything at any time.

Everything that must hold whatever it says is checked at the moment at which it would be broken: one CALL of ours is
open; every CALL of the CSMS is answered at most once for each time that it was sent; every message is valid by the
official schemas; an id never stands for two messages; facts go in their order, each until it is answered or given up.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from agent.model.commands import (
    GetTransactionStatus,
    GetVariables,
    ReportVariables,
    SetVariables,
    VendorMessage,
)
from agent.model.effects import Answer, AskAuthorization, Effect, Record
from agent.model.facts import TransactionFact, TransactionStarted
from agent.model.inputs import CommandReceived, Input, LinkChanged
from agent.model.journal import JournalRow
from agent.model.maintenance import MaintenanceCommand
from agent.model.moment import moved
from agent.model.security import SecurityCommand
from agent.model.station import EvseLayout
from agent.ocpp.dialect import StationIdentity
from agent.ocpp.inbox import MOST_OPEN
from agent.ocpp.session import Session
from agent.ocpp.session_outputs import Acknowledged, Drop, Failed, GiveUp, MarkSent, Output, Send, ToCore
from tests.conformance.oracle import V16
from tests.scenario.core16 import Core16, layout

IDENTITY = StationIdentity(vendor="Example", model="Wallbox", serial_number="0001", firmware_version="1.0")
STEP_S = 0.5
_NOT_OF_THE_CORE = (
    GetTransactionStatus | ReportVariables | VendorMessage | SecurityCommand | MaintenanceCommand
)  # desks answer these; here nobody does, and the deadline must


class Conversation(Core16):
    """``connect``, ``lose``, ``hear``: the link. ``open_call``: what the CSMS has not answered."""

    def __init__(self) -> None:
        self.journal: list[JournalRow] = []
        self.rows = 0
        self.gone: list[int] = []
        self.dead: list[int] = []
        self.told_ids: dict[str, str] = {}  # transaction -> the CSMS's name
        self.lost_starts: set[str] = set()
        self.connected = False
        self.open_call: list[Any] | None = None
        self.owed: Counter[str] = Counter()
        self.actions: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._babbling = False
        self._arriving: deque[Input] = deque()
        self.session: Session | None = None
        super().__init__(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)), online=False)
        self.configure(TransactionMessageAttempts=2, TransactionMessageRetryInterval=5)
        self.new_session("power_up")

    def new_session(self, reason: str) -> None:
        """Begin the conversation, as the process does that has just started."""
        self.session = Session(
            self.dialect,
            IDENTITY,
            self.variables,
            new_id=lambda: f"m{self._new_id()}",
            utc=lambda: self.stamp().utc_s,
            resolve=self._utc,
            boot_reason=reason,
        )
        self.take(self.session.views_changed(self.station.views(), True, self.now_s))
        self.settle()

    # ---- the station's side --------------------------------------------------------------------------------------

    def send(self, given: Input) -> tuple[Effect, ...]:
        effects = super().send(given)
        if self.session is not None:
            views, operative = self.station.views(), self.station.station_operative
            self.take(self.session.views_changed(views, operative, self.now_s))
        return effects

    def _keep(self, effect: Effect) -> None:
        super()._keep(effect)
        if isinstance(effect, Record):
            self.rows += 1
            self.journal.append(JournalRow(seq=self.rows, message_id=f"f{self._new_id()}", fact=effect.fact))

    def _do(self, effect: Effect) -> None:
        if self.session is not None and isinstance(effect, AskAuthorization):
            self.take(self.session.authorize(effect.request_id, effect.token, self.now_s))
            return
        super()._do(effect)
        if self.session is not None and isinstance(effect, Answer):
            self.take(self.session.outcome(effect.command_id, effect.outcome, self.now_s))

    def settle(self) -> None:
        """Let the core have what came, deliver what may go, and end a link that is to be dropped."""
        assert self.session is not None
        while self._arriving:
            item = self._arriving.popleft()
            if isinstance(item, CommandReceived):
                self._serve(item)
            else:
                self.online = item.online if isinstance(item, LinkChanged) else self.online
                self.send(item)
        while self.journal and self.session.wants_fact(self.now_s):
            row = self.journal[0]
            name = row.fact.transaction_id
            whole = replace(row, csms_id=self.told_ids.get(name), start_lost=name in self.lost_starts)
            self.take(self.session.deliver(whole, self.now_s))
        if self._arriving:
            self.settle()

    def _serve(self, item: CommandReceived) -> None:
        assert self.session is not None
        command = item.command
        if isinstance(command, GetVariables | SetVariables):
            self.take(self.session.outcome(item.command_id, self._variables(command), self.now_s))
        elif not isinstance(command, _NOT_OF_THE_CORE):
            self.answers.pop(item.command_id, None)  # numbers begin anew with every session
            self.send(item)

    def take(self, outputs: Sequence[Output]) -> None:
        """Do what the session wants, in order."""
        for output in outputs:
            match output:
                case Send():
                    self._leave(output.text)
                case ToCore():
                    self._arriving.append(output.input)
                case Drop():
                    self.lose(tell=False)
                case MarkSent():
                    assert output.seq == self.journal[0].seq, "a fact overtook another"
                    self.journal[0] = replace(self.journal[0], sent=True, utc_s=output.utc_s or self.journal[0].utc_s)
                case Acknowledged() | GiveUp() | Failed():
                    self._settle_row(output)
                case _:
                    pass

    def _settle_row(self, output: Acknowledged | GiveUp | Failed) -> None:
        row = self.journal[0]
        assert output.seq == row.seq, "the lane lost its order"
        if isinstance(output, Failed):
            message_id = f"f{self._new_id()}" if output.new_message_id else row.message_id
            at = moved(self.stamp(), self.now_s + output.wait_s)
            self.journal[0] = replace(row, attempts=row.attempts + 1, message_id=message_id, retry_at=at)
            return
        self.journal.pop(0)
        self.gone.append(row.seq)
        if isinstance(output, GiveUp):
            self.dead.append(row.seq)
            if isinstance(row.fact, TransactionStarted):
                self.lost_starts.add(row.fact.transaction_id)
        elif output.csms_id is not None:
            self.told_ids[row.fact.transaction_id] = output.csms_id

    # ---- the wire ------------------------------------------------------------------------------------------------

    def _leave(self, text: str) -> None:
        assert self.connected, "something was sent without a connection"
        frame = json.loads(text)
        if frame[0] != 2:
            self._answered(frame)
            return
        _, message_id, action, payload = frame
        assert self.open_call is None, f"{action} while {self.open_call} is open"
        assert self.texts.setdefault(message_id, text) == text, "one id, two messages"
        assert V16.check(action, "request", payload) == [], payload
        self.open_call = frame
        row = next((each for each in self.journal if each.message_id == message_id), None)
        if row is not None and isinstance(row.fact, TransactionFact):
            self._named(row, payload)

    def _named(self, row: JournalRow, payload: dict[str, Any]) -> None:
        if isinstance(row.fact, TransactionStarted):
            return
        name = row.fact.transaction_id
        expected = self.told_ids.get(name, "-1")
        assert payload["transactionId"] == int(expected), (payload, expected)

    def _answered(self, frame: list[Any]) -> None:
        message_id = frame[1]
        if self._babbling and frame[0] == 4:  # whose id may be whatever could be read of it
            self._babbling = False
        else:
            assert self.owed[message_id] > 0, f"{frame} answers nothing"
            self.owed[message_id] -= 1
        if frame[0] == 3:
            assert V16.check(self.actions[message_id], "response", frame[2]) == [], frame

    def connect(self) -> None:
        """Open a connection."""
        assert self.session is not None
        self.connected = True
        self.take(self.session.opened(self.now_s))
        self.settle()

    def lose(self, *, tell: bool = True) -> None:
        """The connection is gone."""
        assert self.session is not None
        self.connected, self.open_call = False, None
        self.owed.clear()
        self.take(self.session.closed(self.now_s))
        if tell:
            self.settle()

    def hear(self, frame: object) -> None:
        """The CSMS says something: a frame, or any text or octets."""
        assert self.session is not None
        text = frame if isinstance(frame, str | bytes) else json.dumps(frame)
        if self.connected:
            self.take(self.session.received(text, self.now_s))
            self.settle()

    def babble(self, text: str | bytes) -> None:
        """The CSMS says what need not be a frame: at most one refusal answers it."""
        self._babbling = True
        self.hear(text)
        self._babbling = False

    def call(self, message_id: str, action: str, payload: object) -> None:
        """The CSMS asks."""
        self.owed[message_id] += 1
        self.actions[message_id] = action
        self.hear([2, message_id, action, payload])

    def reply(self, payload: object) -> None:
        """The CSMS answers our open CALL."""
        assert self.open_call is not None
        message_id, self.open_call = self.open_call[1], None
        self.hear([3, message_id, payload])

    def refuse(self, code: str, message_id: str | None = "") -> None:
        """The CSMS refuses our open CALL; ``message_id`` other than empty stands for its id."""
        assert self.open_call is not None
        ours, self.open_call = self.open_call[1], None
        self.hear([4, ours if message_id == "" else message_id, code, "no", {}])

    def pass_time(self, seconds: float) -> None:
        """Let time pass for everybody."""
        assert self.session is not None
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            self.tick(min(STEP_S, end_s - self.now_s))
            due_s = self.session.next_deadline_s()
            if due_s is not None and due_s <= self.now_s:
                self.take(self.session.tick(self.now_s))
                self.settle()
                again_s = self.session.next_deadline_s()
                assert again_s is None or again_s > self.now_s, "a deadline must not stay in the past"
            self.settle()

    def restart(self) -> None:
        """The agent dies and starts again; journal and transactions are kept."""
        self.connected, self.open_call = False, None
        self.owed.clear()
        self._arriving.clear()
        self.kill_agent()
        self.session = None
        self.online = False
        self.start_agent()
        self.new_session("watchdog")

    def holds(self) -> None:
        """What must be true between any two things that happen."""
        assert self.gone == list(range(1, len(self.gone) + 1)), "a fact was told out of its turn"
        assert sum(self.owed.values()) <= MOST_OPEN, "too much is held for the CSMS"
        assert [each.seq for each in self.journal] == list(range(len(self.gone) + 1, self.rows + 1))

    def be_good(self) -> None:
        """From now on the CSMS does what it should, until nothing waits."""
        if not self.connected:
            self.connect()
        for _ in range(3 * len(self.journal) + 400):
            if not self.connected:
                self.pass_time(1)
                self.connect()
            elif self.open_call is None:
                if not self.journal:
                    break
                self.pass_time(5)
            else:
                self.reply(good_answer(self.open_call[2]))
        assert self.journal == [], "facts that never leave"


def good_answer(action: str, number: int = 7) -> dict[str, Any]:
    """Return what a good CSMS answers."""
    accepted = {"status": "Accepted"}
    answers: dict[str, dict[str, Any]] = {
        "BootNotification": {**accepted, "currentTime": "2027-01-15T08:00:00Z", "interval": 300},
        "Heartbeat": {"currentTime": "2027-01-15T08:00:00Z"},
        "Authorize": {"idTagInfo": accepted},
        "StartTransaction": {"transactionId": number, "idTagInfo": accepted},
    }
    return answers.get(action, {})
