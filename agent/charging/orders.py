"""What the CSMS orders: start, stop, availability, reset, unlock, empty the cache. Each is answered exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from agent.charging import token_orders
from agent.charging.admission import Admission
from agent.charging.evse import Evse
from agent.charging.kept_free import KeptFree
from agent.charging.known_tokens import KnownTokens
from agent.charging.profile_rules import refusal_with_start
from agent.charging.session import SessionState
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.commands import (
    Answered,
    AnyOutcome,
    ChangeAvailability,
    ClearCache,
    Outcome,
    RequestStart,
    RequestStop,
    Reset,
    ResetKind,
    UnlockConnector,
    Unlocked,
    UnlockOutcome,
)
from agent.model.effects import Answer, Restart, SaveAvailability
from agent.model.facts import StopReason
from agent.model.faults import FaultCode
from agent.model.inputs import CommandReceived
from agent.model.local_list import GetLocalListVersion, LearnCards, PutCards, RemoveCard, SendLocalList

RESET_WAIT_S: Final = 30.0  # a transaction that cannot be ended in this time is ended after the restart
UNLOCK_WAIT_S: Final = 10.0  # a lock's motor needs about a second
UNLOCK_ENDING_WAIT_S: Final = 15.0  # a transaction has to end first; a CSMS is answered within 20 s
_RESET_REASON: Final = {
    ResetKind.GRACEFUL: StopReason.SOFT_RESET,
    ResetKind.IMMEDIATE: StopReason.HARD_RESET,
    ResetKind.ON_IDLE: StopReason.SOFT_RESET,
    ResetKind.POWER_FAILING: StopReason.POWER_LOSS,
}
_REMOTE_STARTABLE: Final = frozenset(
    {SessionState.FREE, SessionState.PLUGGED, SessionState.FINISHED, SessionState.LAPSED}
)


class Unlocking(msgspec.Struct, frozen=True, kw_only=True):
    """An unlock that is not answered yet."""

    command_id: int
    evse_id: int
    connector_id: int
    until_s: float


class Orders:
    """Carries out commands."""

    def __init__(
        self, around: Surroundings, evses: Mapping[int, Evse], known: KnownTokens, admission: Admission
    ) -> None:
        """Begin with nothing ordered."""
        self._around = around
        self._evses = evses
        self._known = known
        self._admission = admission
        self._kept_free = KeptFree(around, evses)
        self._unlocking: list[Unlocking] = []
        self._restart_until_s: float | None = None
        self._restarted = False

    @property
    def idle(self) -> bool:
        """Return whether nothing ordered is unfinished."""
        return not self._unlocking and self._around.reset is None

    def take(self, given: CommandReceived, turn: Turn) -> None:
        """Carry out one command.

        Raises:
            ValueError: it is not one of the core's.
        """
        match given.command:
            case RequestStart() as command:
                outcome = self._start(command, turn)
            case RequestStop() as command:
                outcome = self._stop(command, turn)
            case ChangeAvailability() as command:
                outcome = self._change(command, turn)
            case Reset() as command:
                outcome = self._reset(command, turn)
            case UnlockConnector() as command:
                self._unlock(given.command_id, command, turn)
                return
            case (
                ClearCache()
                | SendLocalList()
                | GetLocalListVersion()
                | PutCards()
                | RemoveCard()
                | LearnCards() as order
            ):
                self._answer(given, token_orders.take(order, self._known, self._around, turn), turn)
                return
            case other:
                raise ValueError(f"{type(other).__name__} is not a command of the charging core")
        self._answer(given, outcome, turn)

    @staticmethod
    def _answer(given: CommandReceived, outcome: AnyOutcome, turn: Turn) -> None:
        told = outcome if isinstance(outcome, Outcome) else None
        turn.note(
            "command.answered",
            level="info",
            command=type(given.command).__name__,
            answered="told" if told is None else told.answered.value,
            reason="" if told is None else told.why,
        )
        turn.add(Answer(command_id=given.command_id, outcome=outcome))

    def step(self, turn: Turn) -> None:
        """Finish what waited: unlocks and a restart."""
        self._unlocking = [each for each in self._unlocking if not self._unlocked(each, turn)]
        self._restart(turn)

    def deadline_s(self) -> float | None:
        """Return when something unfinished is given up."""
        due = [each.until_s for each in self._unlocking]
        if self._restart_until_s is not None and not self._restarted:
            due.append(self._restart_until_s)
        return min(due, default=None)

    def _start(self, command: RequestStart, turn: Turn) -> Outcome:
        if not command.token.value:
            return _rejected("an empty id token pays for nothing")
        unfit = None if command.profile is None else refusal_with_start(command.profile, self._around.variables)
        if unfit is not None:
            return _rejected(unfit)
        evse = self._chosen(command)
        if evse is None:
            return _rejected("no such EVSE" if command.evse_id is not None else "no single EVSE to choose")
        busy = evse.transaction is not None or evse.authorization is not None or evse.asking
        if busy or evse.session.state not in _REMOTE_STARTABLE:
            return _rejected("the EVSE is occupied")
        barred = self._kept_free.barred(evse, command.token, command.group, final=False)
        refusal = evse.refusal_at(command.connector_id) or barred
        if refusal is not None:
            return _rejected(refusal)
        self._admission.request(command, evse.evse_id, turn)
        return _accepted()

    def _chosen(self, command: RequestStart) -> Evse | None:
        if command.evse_id is not None:
            evse = self._evses.get(command.evse_id)
            here = evse is not None and command.connector_id in (None, *evse.layout.connector_ids)
            return evse if here else None
        able = [
            each
            for each in self._evses.values()
            if each.session.state in _REMOTE_STARTABLE
            and each.authorization is None
            and not each.asking
            and self._kept_free.barred(each, command.token, command.group, final=False) is None
        ]
        reserved = self._kept_free.own_place(command.token, tuple(each.evse_id for each in able))
        if reserved is not None:
            return reserved
        plugged = [each for each in able if each.plugged is True]
        if plugged:
            return min(plugged, key=lambda each: each.plugged_s)
        return None

    def _stop(self, command: RequestStop, turn: Turn) -> Outcome:
        named = [
            each
            for each in self._evses.values()
            if each.transaction is not None
            and command.transaction in (each.transaction.record.transaction_id, each.transaction.record.csms_id)
        ]
        if not named:
            return _rejected("no such transaction runs")
        # A CSMS may use one id twice; it means the newer one.
        evse = max(named, key=lambda each: each.session.since_s)
        evse.stop(StopReason.REMOTE, None, turn)
        return _accepted()

    def _change(self, command: ChangeAvailability, turn: Turn) -> Outcome:
        place = (command.evse_id, command.connector_id)
        if command.evse_id is None and command.connector_id is not None:
            return _rejected("a connector belongs to an EVSE")
        if command.evse_id is not None:
            evse = self._evses.get(command.evse_id)
            if evse is None:
                return _rejected(f"there is no EVSE {command.evse_id}")
            if command.connector_id is not None and command.connector_id not in evse.layout.connector_ids:
                return _rejected(f"EVSE {command.evse_id} has no connector {command.connector_id}")
        settings = {place: command.operative}
        if command.flat:
            connectors = [(each, one) for each, evse in self._evses.items() for one in evse.layout.connector_ids]
            settings = self._around.availability.flat(place, command.operative, connectors)
        changed = [(each, one) for each, one in settings.items() if self._around.availability.set(each, one)]
        for (evse_id, connector_id), operative in changed:
            turn.add(SaveAvailability(operative=operative, evse_id=evse_id, connector_id=connector_id))
        if changed:
            turn.note("availability.changed", command.evse_id, operative=command.operative)
        touched = [each for each in self._evses.values() if command.evse_id in (None, each.evse_id)]
        busy = any(
            each.transaction is not None and command.connector_id in (None, each.transaction.record.connector_id)
            for each in touched
        )
        if busy and not command.operative:
            return Outcome(answered=Answered.SCHEDULED, why="when the running transaction is over")
        return _accepted()

    def _reset(self, command: Reset, turn: Turn) -> Outcome:
        if command.evse_id is not None:
            return _rejected("an EVSE cannot be restarted alone")
        running = [each for each in self._evses.values() if each.transaction is not None]
        if self._around.reset is not ResetKind.IMMEDIATE:
            self._around.reset = command.kind
        turn.note("restart.ordered", kind=command.kind.value, running=len(running))
        if command.kind is ResetKind.ON_IDLE:
            self._restart_until_s = None
            if running:
                return Outcome(answered=Answered.SCHEDULED, why="when the running transaction is over")
            return _accepted()
        self._restart_until_s = turn.now_s + RESET_WAIT_S
        for evse in running:
            evse.stop(_RESET_REASON[command.kind], None, turn)
        return _accepted()

    def _restart(self, turn: Turn) -> None:
        kind = self._around.reset
        if kind is None or self._restarted:
            return
        running = any(each.transaction is not None for each in self._evses.values())
        over = self._restart_until_s is not None and turn.now_s >= self._restart_until_s
        if not running or over:
            self._restarted = True
            turn.note("restart.begun", kind=kind.value)
            turn.add(Restart(kind=kind))

    def _unlock(self, command_id: int, command: UnlockConnector, turn: Turn) -> None:
        evse = self._evses.get(command.evse_id)
        if evse is None or command.connector_id not in evse.layout.connector_ids:
            self._answer_unlock(command_id, command.evse_id, Unlocked.UNKNOWN_CONNECTOR, turn)
        elif not (side := evse.sides.at(command.connector_id)).lockable:
            self._answer_unlock(command_id, evse.evse_id, Unlocked.NOT_SUPPORTED, turn)
        elif (running := self._runs_at(evse, command.connector_id)) and not command.ends_transaction:
            self._answer_unlock(command_id, evse.evse_id, Unlocked.ONGOING_TRANSACTION, turn)
        else:
            if running:
                evse.stop(StopReason.UNLOCK_COMMAND, None, turn)
            if side is evse.side:
                evse.release_cable()
            if not running:
                side.outputs.hold(turn, False, again=True)
            wait_s = UNLOCK_ENDING_WAIT_S if running else UNLOCK_WAIT_S
            self._unlocking.append(
                Unlocking(
                    command_id=command_id,
                    evse_id=evse.evse_id,
                    connector_id=command.connector_id,
                    until_s=turn.now_s + wait_s,
                )
            )

    def _runs_at(self, evse: Evse, connector_id: int) -> bool:
        """Return whether a transaction runs whose cable would be let go."""
        return evse.transaction is not None and evse.sides.at(connector_id) is evse.side

    def _unlocked(self, pending: Unlocking, turn: Turn) -> bool:
        """Answer a pending unlock if its outcome is known; return whether it was."""
        evse = self._evses[pending.evse_id]
        side = evse.sides.at(pending.connector_id)
        if side is evse.side:
            evse.release_cable()
        condition = side.condition
        failed = condition is not None and FaultCode.LOCK_FAILED in condition.faults
        running = self._runs_at(evse, pending.connector_id)
        if not running and condition is not None and condition.cable_locked is False:
            self._answer_unlock(pending.command_id, pending.evse_id, Unlocked.UNLOCKED, turn)
            return True
        if failed or turn.now_s >= pending.until_s:
            self._answer_unlock(pending.command_id, pending.evse_id, Unlocked.FAILED, turn)
            return True
        return False

    def _answer_unlock(self, command_id: int, evse_id: int, unlocked: Unlocked, turn: Turn) -> None:
        turn.note("command.answered", evse_id, command="UnlockConnector", answered=unlocked.value)
        turn.add(Answer(command_id=command_id, outcome=UnlockOutcome(unlocked=unlocked)))


def _accepted() -> Outcome:
    return Outcome(answered=Answered.ACCEPTED)


def _rejected(why: str) -> Outcome:
    return Outcome(answered=Answered.REJECTED, why=why)
