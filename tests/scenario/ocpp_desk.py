"""A station's session in virtual time opposite a scripted CSMS. Every frame that the station sends is held against the
official schemas; a test that sends something invalid fails wherever it happens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec.structs import replace

from agent.model.commands import TokenVerdict
from agent.model.evse import EvseView, Occupancy
from agent.model.facts import ChargingState, Fact
from agent.model.ids import IdToken
from agent.model.inputs import AuthorizationAnswered, CommandReceived, Input
from agent.model.journal import JournalRow
from agent.model.moment import Stamp, moved
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import StoredValue, ValueSource, VariableBook
from agent.ocpp.dialect import Dialect, StationIdentity
from agent.ocpp.session import Session
from agent.ocpp.session_outputs import (
    Acknowledged,
    Failed,
    GiveUp,
    LogLine,
    MarkSent,
    Output,
    Send,
    ToCore,
)
from agent.ocpp.v16.dialect import Dialect16
from agent.ocpp.v201.dialect import Dialect201
from tests.conformance.oracle import V16, V201

T = TypeVar("T")

EVSES = (EvseLayout(evse_id=1), EvseLayout(evse_id=2, lockable=False, max_current_a=32.0))
IDENTITY = StationIdentity(vendor="Example", model="Wallbox", serial_number="0001", firmware_version="1.0")
NOON_UTC_S = 1_795_176_000.0  # 2026-11-20T12:00:00Z
START_S = 1_000.0
CARD = IdToken(value="04A1B2C3")
VERSIONS = ("1.6", "2.0.1")


def dialect_of(version: str) -> Dialect:
    """Return the dialect of a version."""
    return Dialect16(EVSES) if version == "1.6" else Dialect201(EVSES)


def view(evse_id: int = 1, occupancy: Occupancy = Occupancy.FREE, **changes: Any) -> EvseView:
    """Return an idle EVSE's view, changed."""
    idle = EvseView(
        evse_id=evse_id,
        connector_ids=(1,),
        occupancy=occupancy,
        operative=True,
        connector_operative={},
        faults=(),
        plugged=occupancy is not Occupancy.FREE,
        transaction_id=None,
        csms_id=None,
        charging_state=ChargingState.IDLE,
        token=None,
        offer_a=None,
        permit_a=None,
        energy_wh=None,
        power_w=None,
        current_a=(None, None, None),
        reading_at_s=None,
        session_wh=None,
        contactor_closed=False,
        pilot="A",
        limits=(),
    )
    return replace(idle, **changes)


@dataclass(kw_only=True)
class Call:
    """A CALL that the CSMS received and has not answered."""

    message_id: str
    action: str
    payload: dict[str, Any]


@dataclass(kw_only=True)
class Desk:
    """Session, virtual clock, journal and CSMS of one test.

    Attributes:
        calls: our CALLs in the order in which the CSMS received them.
        answers: what the CSMS got for its CALLs, as frames.
        inputs: what reached the core. outputs: everything, in order.
    """

    version: str
    presets: dict[str, str] = field(default_factory=dict)
    utc_known: bool = True
    now_s: float = START_S
    calls: list[Call] = field(default_factory=list)
    answers: list[list[Any]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    journal: list[JournalRow] = field(default_factory=list)
    dead: list[int] = field(default_factory=list)
    csms_ids: dict[str, str] = field(default_factory=dict)
    _ids: int = 0
    _asked: dict[str, str] = field(default_factory=dict)
    _rows: int = 0

    def __post_init__(self) -> None:
        self.dialect = dialect_of(self.version)
        self.oracle = V16 if self.version == "1.6" else V201
        self.book = VariableBook(
            (*STANDARD_VARIABLES, *self.dialect.variables()),
            presets={key.casefold(): value for key, value in self.presets.items()},
            stored=(),
        )
        self.session = self.new_session("power_up")
        self.views: list[EvseView] = [view(1), view(2)]
        self.take(self.session.views_changed(self.views, True, self.now_s))

    def new_session(self, reason: str) -> Session:
        """Start the station's process (again)."""
        return Session(
            self.dialect,
            IDENTITY,
            self.book,
            new_id=self._new_id,
            utc=self.utc,
            resolve=self.resolve,
            boot_reason=reason,
        )

    def restart(self, reason: str = "watchdog") -> None:
        """Restart the station's process: the journal stays."""
        self.session = self.new_session(reason)
        self.take(self.session.views_changed(self.views, True, self.now_s))

    # ---- time ----------------------------------------------------------------------------------------------------

    def utc(self) -> float | None:
        return NOON_UTC_S + self.now_s - START_S if self.utc_known else None

    def resolve(self, stamp: Stamp) -> float:
        if stamp.utc_s is not None:
            return stamp.utc_s
        assert self.utc_known, "a time was asked for that nobody knows"
        return NOON_UTC_S + stamp.mono_s - START_S

    def stamp(self) -> Stamp:
        return Stamp(boot_id="b1", mono_s=self.now_s, utc_s=self.utc())

    def run(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline."""
        until_s = self.now_s + seconds
        for _ in range(100_000):
            due_s = self.session.next_deadline_s()
            if due_s is None or due_s > until_s:
                break
            assert due_s > self.now_s or self.take_tick(), f"the deadline {due_s} does not go away"
            self.now_s = max(self.now_s, due_s)
            self.take(self.session.tick(self.now_s))
            self.pump()
        self.now_s = until_s
        self.take(self.session.tick(self.now_s))
        self.pump()

    def take_tick(self) -> bool:
        """Tick once more; say whether the deadline moved on."""
        before_s = self.session.next_deadline_s()
        self.take(self.session.tick(self.now_s))
        self.pump()
        return self.session.next_deadline_s() != before_s

    # ---- the station ---------------------------------------------------------------------------------------------

    def take(self, outputs: Sequence[Output]) -> None:
        """Do what the session wants done, in order."""
        for output in outputs:
            self.outputs.append(output)
            match output:
                case Send():
                    self._receive(json.loads(output.text))
                case ToCore():
                    self.inputs.append(output.input)
                case Acknowledged():
                    row = self.row(output.seq)
                    if output.csms_id is not None:
                        self.csms_ids[row.fact.transaction_id] = output.csms_id
                    self.journal.remove(row)
                case MarkSent():
                    row = self.row(output.seq)
                    self._replace(row, replace(row, sent=True, utc_s=output.utc_s or row.utc_s))
                case Failed():
                    row = self.row(output.seq)
                    new_id = self._new_id() if output.new_message_id else row.message_id
                    at = moved(self.stamp(), self.now_s + output.wait_s)
                    self._replace(row, replace(row, attempts=row.attempts + 1, message_id=new_id, retry_at=at))
                case GiveUp():
                    self.dead.append(output.seq)
                    self._give_up(self.row(output.seq))
                case _:
                    pass

    def record(self, *facts: Fact) -> None:
        """Append facts to the journal and deliver what may go."""
        for fact in facts:
            self._rows += 1
            self.journal.append(JournalRow(seq=self._rows, message_id=self._new_id(), fact=fact))
        self.pump()

    def pump(self) -> None:
        """Deliver as the runtime does."""
        while self.journal and self.session.wants_fact(self.now_s):
            row = self.journal[0]
            csms_id = self.csms_ids.get(row.fact.transaction_id)
            self.take(self.session.deliver(replace(row, csms_id=csms_id), self.now_s))

    def show(self, *views: EvseView, operative: bool = True) -> None:
        """Change what EVSEs look like."""
        changed = {each.evse_id: each for each in views}
        self.views = [changed.get(each.evse_id, each) for each in self.views]
        self.take(self.session.views_changed(self.views, operative, self.now_s))

    def set(self, name: str, value: str) -> None:
        """Change a variable by its key."""
        self.book.apply(StoredValue(key=name.casefold(), value=value, source=ValueSource.CSMS))

    def row(self, seq: int) -> JournalRow:
        return next(row for row in self.journal if row.seq == seq)

    # ---- the CSMS ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.take(self.session.opened(self.now_s))
        self.pump()

    def close(self) -> None:
        self.take(self.session.closed(self.now_s))

    def boot(self, status: str = "Accepted", interval: int = 300) -> None:
        """Open the connection, answer the boot notification and every status."""
        self.open()
        self.answer(self.expect("BootNotification"), self.registration(status, interval))
        if status == "Accepted":
            self.answer_all("StatusNotification")

    def registration(self, status: str = "Accepted", interval: int = 300) -> dict[str, Any]:
        return {"status": status, "currentTime": "2026-11-20T12:00:00Z", "interval": interval}

    def answer(self, call: Call, payload: dict[str, Any] | None = None) -> None:
        """Answer a CALL of the station."""
        self.calls.remove(call)
        self.say([3, call.message_id, payload or {}])

    def refuse(self, call: Call, code: str = "InternalError") -> None:
        self.calls.remove(call)
        self.say([4, call.message_id, code, "no", {}])

    def answer_all(self, action: str) -> list[dict[str, Any]]:
        """Answer every CALL of this action that comes now; return their payloads."""
        said = []
        while self.calls and self.calls[0].action == action:
            said.append(self.calls[0].payload)
            self.answer(self.calls[0])
        return said

    def ask(self, action: str, payload: dict[str, Any], message_id: str | None = None) -> str:
        """Send a CALL to the station and return its id."""
        message_id = message_id or self._new_id()
        self._asked[message_id] = action
        self.say([2, message_id, action, payload])
        return message_id

    def say(self, frame: Any) -> None:
        text = frame if isinstance(frame, str | bytes) else json.dumps(frame)
        self.take(self.session.received(text, self.now_s))
        self.pump()

    def expect(self, action: str) -> Call:
        """Return the one CALL that waits for an answer."""
        assert [call.action for call in self.calls] == [action]
        return self.calls[0]

    def last_answer(self) -> Any:
        """Return the payload of the newest answer to a CALL of the CSMS."""
        kind, _, payload = self.answers[-1][:3]
        assert kind == 3, self.answers[-1]
        return payload

    def last_error(self) -> str:
        """Return the code of the newest CALLERROR."""
        assert self.answers[-1][0] == 4, self.answers[-1]
        return str(self.answers[-1][2])

    # ---- what came out -------------------------------------------------------------------------------------------

    def heard(self, kind: type[T]) -> list[T]:
        """Return the inputs of this kind that reached the core."""
        return [each for each in self.inputs if isinstance(each, kind)]

    def out(self, kind: type[T]) -> list[T]:
        """Return the outputs of this kind."""
        return [each for each in self.outputs if isinstance(each, kind)]

    def command(self) -> CommandReceived:
        """Return the newest command."""
        return self.heard(CommandReceived)[-1]

    def logged(self, event: str) -> list[LogLine]:
        return [each for each in self.out(LogLine) if each.event == event]

    # ---- inside --------------------------------------------------------------------------------------------------

    def _receive(self, frame: list[Any]) -> None:
        if frame[0] == 2:
            problems = self.oracle.check(frame[2], "request", frame[3])
            assert not problems, f"{frame[2]} {frame[3]}: {problems}"
            self.calls.append(Call(message_id=frame[1], action=frame[2], payload=frame[3]))
            assert len(self.calls) == 1, "a second CALL is open"
        else:
            if frame[0] == 3:
                problems = self.oracle.check(self._asked[frame[1]], "response", frame[2])
                assert not problems, f"{frame[2]}: {problems}"
            self.answers.append(frame)

    def lose(self) -> None:
        """The connection breaks: what the CSMS had not answered it will never answer."""
        self.calls.clear()
        self.close()

    def _give_up(self, row: JournalRow) -> None:
        self.journal.remove(row)
        if type(row.fact).__name__ == "TransactionStarted":
            mine = row.fact.transaction_id
            self.journal = [
                replace(each, start_lost=True) if each.fact.transaction_id == mine else each for each in self.journal
            ]

    def _replace(self, row: JournalRow, new: JournalRow) -> None:
        self.journal[self.journal.index(row)] = new

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"


def verdicts(desk: Desk) -> list[TokenVerdict | None]:
    """Return what the core was told about tokens."""
    return [each.verdict for each in desk.heard(AuthorizationAnswered)]
