"""The task that owns the station's state: inputs in, effects out, durable ones first.

Order for each input: withdraw permits (opening never waits), commit what must be durable in one transaction, then act
and answer. When the store fails, the batch is kept and tried again; the running session goes on and ends well, a
transaction whose start is not durable gets no permit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from agent.charging.station import Station
from agent.charging.taking_back import covers
from agent.clock import Clock
from agent.errors import StoreError
from agent.log import Condition, get_logger
from agent.model.commands import Answered, AnyOutcome, Command, Outcome, ResetKind
from agent.model.effects import (
    Answer,
    AskAuthorization,
    AskReading,
    BlinkLight,
    CacheToken,
    Durable,
    Effect,
    ForgetTokens,
    GrantPermit,
    HoldCable,
    Notice,
    PlaySound,
    Record,
    ReplaceDocuments,
    Restart,
    SaveAvailability,
    SaveDocument,
    SaveTransaction,
    SendSample,
    ShowState,
    StatusChanged,
    WithdrawPermit,
)
from agent.model.facts import TransactionStarted
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from agent.model.inputs import CommandReceived, FaultChanged, Input, TimePassed
from agent.model.local_list import ListStatus, LocalListOutcome
from agent.model.reservations import Reserved, ReserveOutcome
from agent.model.sample import Sample
from agent.runtime.guard_link import PermitEffect
from agent.runtime.room import Room, ThinStorage

STORE_RETRY_S: Final = 2.0  # pause between attempts to write what a failing store refused
INBOX_LIMIT: Final = 10_000


class Storage(ThinStorage, Protocol):
    """What the core loop needs of the store."""

    async def commit(
        self,
        durables: Sequence[Durable] = (),
        *,
        anchor_utc_minus_mono_s: float | None = None,
        last_good_utc_s: float | None = None,
    ) -> object:
        """Make everything durable in one transaction or raise ``StoreError``."""


class Csms(Protocol):
    """What the core loop needs of the CSMS link."""

    def outcome(self, command_id: int, outcome: AnyOutcome) -> None:
        """Answer a command."""

    def authorize(self, request_id: int, token: IdToken) -> None:
        """Ask about a token."""

    def views_changed(self) -> None:
        """The station's view changed."""

    def facts_waiting(self) -> None:
        """The journal has something new."""


class Desk(Protocol):
    """Answers commands that need no charging decision."""

    def takes(self, command: Command) -> bool:
        """Return whether this desk answers the command."""

    async def handle(self, command: Command) -> AnyOutcome:
        """Return the outcome; what it changed is durable by then. Bounded: other inputs wait meanwhile."""


class CoreLoop:
    """Owns the station.

    Args:
        desks: answer what needs no charging decision; the first that takes a command answers it.
        perform_permit: sends a permit effect to the guard.
        ask_reading: has a meter read now.
        restart: ends the process so that its supervisor starts it again.
        store_failing: told when the store begins to refuse.
        send_sample: tells the CSMS values that it asked for, of an EVSE or (0) of the main meter.
    """

    def __init__(
        self,
        *,
        station: Station,
        storage: Storage,
        clock: Clock,
        desks: Sequence[Desk],
        csms: Csms,
        perform_permit: Callable[[PermitEffect], None],
        ask_reading: Callable[[int], None],
        restart: Callable[[ResetKind], None],
        tick: Callable[[], None],
        store_failing: Callable[[str], None] = lambda _text: None,
        send_sample: Callable[[int, Sample], None] = lambda _evse_id, _sample: None,
    ) -> None:
        self.station = station
        self._storage = storage
        self._room = Room(storage, clock)
        self._clock = clock
        self._desks = desks
        self._perform_permit = perform_permit
        self._ask_reading = ask_reading
        self._restart = restart
        self._tick = tick
        self._tell_store_failing = store_failing
        self._send_sample = send_sample
        self._csms = csms
        self._inbox: asyncio.Queue[Input] = asyncio.Queue(INBOX_LIMIT)
        self._backlog: list[Durable] = []
        self._orders: dict[int, asyncio.Future[AnyOutcome]] = {}  # of the console, by negative ids
        self._last_order = 0
        self._anchor_s: float | None = None
        self._retry_at_s: float | None = None
        self._log = get_logger("core")
        self._store_failed = Condition(self._log, "store.failing")

    def deliver(self, item: Input) -> None:
        """Hand over one input; handled in order."""
        try:
            self._inbox.put_nowait(item)
        except asyncio.QueueFull:
            self._log.error("inbox.overflowed", dropped=type(item).__name__, limit=INBOX_LIMIT)

    def order(self, command: Command) -> asyncio.Future[AnyOutcome]:
        """Hand over a command of the console; its outcome comes in the future, after what it changed is durable."""
        self._last_order -= 1
        waiting: asyncio.Future[AnyOutcome] = asyncio.get_running_loop().create_future()
        self._orders[self._last_order] = waiting
        self.deliver(CommandReceived(command_id=self._last_order, command=command))
        return waiting

    async def restore(self, effects: Sequence[Effect]) -> None:
        """Perform what ``Station.restore`` wants, before any input."""
        await self._perform(effects)

    async def run(self) -> None:
        """Handle inputs for ever."""
        while True:
            self._tick()
            await self._step(await self._next())

    async def _next(self) -> Input:
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        deadlines = [each for each in (self.station.next_deadline_s(), self._retry_at_s) if each is not None]
        wait_s = min(deadlines) - self._clock.mono_s() if deadlines else 10.0
        if wait_s <= 0:
            return TimePassed()
        alarm = asyncio.get_running_loop().call_later(min(wait_s, 10.0), self.deliver, TimePassed())
        try:
            return await self._inbox.get()
        finally:
            alarm.cancel()

    async def _step(self, item: Input) -> None:
        if self._retry_at_s is not None and self._clock.mono_s() >= self._retry_at_s:
            await self._commit(())
        if isinstance(item, CommandReceived):
            for desk in self._desks:
                if desk.takes(item.command):
                    self._answer(item.command_id, await desk.handle(item.command))
                    return
        await self._perform(self.station.handle(item, self._clock.now()))

    async def _perform(self, effects: Sequence[Effect]) -> None:
        if not effects:  # nearly always
            await self._commit(())
            return
        for effect in effects:
            if isinstance(effect, WithdrawPermit):
                self._perform_permit(effect)
        durables: list[Durable] = [
            effect
            for effect in effects
            if isinstance(
                effect,
                Record
                | SaveTransaction
                | SaveAvailability
                | CacheToken
                | ForgetTokens
                | SaveDocument
                | ReplaceDocuments,
            )
        ]
        kept = await self._commit(durables)
        undoing = None if kept else self.station.take_back(self._clock.now())
        if undoing is not None:  # what is answered as refused is not written later either
            self._backlog = [each for each in self._backlog if not (_is_one_of(each, durables) and covers(each))]
        for effect in effects:
            self._act(effect, refused=undoing is not None)
        if undoing:
            await self._perform(undoing)
        if kept and any(isinstance(each, Record) for each in durables):
            self._csms.facts_waiting()

    def _act(self, effect: Effect, *, refused: bool) -> None:
        match effect:
            case GrantPermit():
                if not self._start_is_durable(effect.evse_id):
                    self._log.warning("permit.withheld", evse_id=effect.evse_id, reason="start_not_durable")
                    return
                self._perform_permit(effect)
            case HoldCable() | ShowState() | PlaySound() | BlinkLight():
                self._perform_permit(effect)
            case AskReading():
                self._ask_reading(effect.evse_id)
            case SendSample():
                self._send_sample(effect.evse_id, effect.sample)
            case AskAuthorization():
                self._csms.authorize(effect.request_id, effect.token)
            case Answer():
                self._answer(effect.command_id, _refusal(effect.outcome) if refused else effect.outcome)
            case StatusChanged():
                self._csms.views_changed()
            case Restart():
                self._restart(effect.kind)
            case Notice():
                fields: dict[str, Any] = dict(effect.fields)
                if effect.evse_id is not None:
                    fields["evse_id"] = effect.evse_id
                getattr(self._log, effect.level)(effect.event, **fields)
            case _:
                return

    def _answer(self, command_id: int, outcome: AnyOutcome) -> None:
        if command_id >= 0:
            self._csms.outcome(command_id, outcome)
            return
        waiting = self._orders.pop(command_id, None)
        if waiting is not None and not waiting.done():  # who asked may have given up
            waiting.set_result(outcome)

    async def _commit(self, durables: Sequence[Durable]) -> bool:
        anchor_s = self._clock.new_anchor() or self._anchor_s
        batch = [*self._backlog, *durables]
        if not batch and anchor_s is None and self._retry_at_s is None:  # else: does the store take anything again?
            return True
        try:
            await self._write(batch, anchor_s)
        except StoreError as error:
            self._backlog, self._anchor_s = batch, anchor_s
            self._retry_at_s = self._clock.mono_s() + STORE_RETRY_S
            if self._store_failed.set(True, error=str(error), waiting=len(batch)):
                self._tell_store_failing(str(error))
                self.deliver(FaultChanged(code=FaultCode.STORE_FAILED, raised=True, text=str(error)))
            return False
        await self._room.after_commit()
        had_backlog = bool(self._backlog)
        self._backlog, self._anchor_s = [], None
        self._retry_at_s = None
        if self._store_failed.set(False):
            self.deliver(FaultChanged(code=FaultCode.STORE_FAILED, raised=False))
        if had_backlog:
            self._csms.facts_waiting()
        return True

    async def _write(self, batch: Sequence[Durable], anchor_s: float | None) -> None:
        utc_s = self._clock.utc_s()
        try:
            await self._storage.commit(batch, anchor_utc_minus_mono_s=anchor_s, last_good_utc_s=utc_s)
        except StoreError as error:
            if not await self._room.after_failure(error):
                raise
            await self._storage.commit(batch, anchor_utc_minus_mono_s=anchor_s, last_good_utc_s=utc_s)

    def _start_is_durable(self, evse_id: int) -> bool:
        return not any(
            isinstance(each, Record) and isinstance(each.fact, TransactionStarted) and each.fact.evse_id == evse_id
            for each in self._backlog
        )


def _is_one_of(durable: Durable, durables: Sequence[Durable]) -> bool:
    return any(durable is each for each in durables)


def _refusal(outcome: AnyOutcome) -> AnyOutcome:
    """Return what a command is told when what it changed could not be made durable."""
    if isinstance(outcome, LocalListOutcome) and outcome.status is ListStatus.ACCEPTED:
        return LocalListOutcome(status=ListStatus.FAILED, why="the store cannot keep it")
    if isinstance(outcome, ReserveOutcome) and outcome.reserved is Reserved.ACCEPTED:
        return ReserveOutcome(reserved=Reserved.REJECTED, why="the store cannot keep it")
    if isinstance(outcome, Outcome) and outcome.answered in (Answered.ACCEPTED, Answered.SCHEDULED):
        return Outcome(answered=Answered.REJECTED, why="the store cannot keep it")
    return outcome
