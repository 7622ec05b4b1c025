"""The link to the CSMS: connects for ever with back-off, drives the session, performs its outputs in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from agent.clock import Clock
from agent.log import Condition, get_logger
from agent.model.commands import AnyOutcome, TriggerKind
from agent.model.evse import EvseView
from agent.model.ids import IdToken
from agent.model.inputs import Input
from agent.model.variables import VariableEntry
from agent.ocpp.backoff import BackOff
from agent.ocpp.bounded_connection import TURN_S
from agent.ocpp.dialect import Message
from agent.ocpp.errors import ConnectionLost
from agent.ocpp.frame_log import FrameLog
from agent.ocpp.session import Session
from agent.ocpp.session_outputs import (
    Acknowledged,
    ClockHeard,
    Drop,
    Failed,
    GiveUp,
    LogLine,
    MarkSent,
    Output,
    Registered,
    Send,
    Suspicious,
    ToCore,
    Triggered,
)
from agent.ocpp.tls import TlsFacts
from agent.ocpp.transport import Link, LinkClosed
from agent.runtime.fact_lane import Became, FactLane, JournalStore

_IN_TURN: Final = (Send, Drop, MarkSent, Acknowledged, Failed, GiveUp)  # the others are told at once
_OFFLINE: Final = frozenset({"connecting", "waiting"})


class CsmsLink:
    """Owns the session and the connection.

    Args:
        connect: opens one connection; raises ``LinkClosed`` with the cause.
        views: returns the station's present views and whether it is operative.
        deliver: takes inputs for the core.
        triggered: makes what a TriggerMessage asked for and passes it to ``send``.
        registered: told of each answer to a boot notification: status and interval in s.
        booted: called once, after the first boot notification is on the wire or its first try failed.
        proven: called when a registered CSMS has said something on a connection, once for each.
        ended: called when a connection has ended.
        suspicious: told of what no CSMS should send.
        seen: shown the views whenever they may have changed.
    """

    def __init__(
        self,
        *,
        session: Session,
        back_off: BackOff,
        connect: Callable[[], Awaitable[Link]],
        clock: Clock,
        views: Callable[[], tuple[Sequence[EvseView], bool]],
        deliver: Callable[[Input], None],
        triggered: Callable[[TriggerKind, int | None], None],
        registered: Callable[[str, float], None],
        booted: Callable[[], None],
        proven: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
        suspicious: Callable[[str], None] = lambda _text: None,
        seen: Callable[[Sequence[EvseView]], None] = lambda _views: None,
    ) -> None:
        self.session = session
        self._back_off = back_off
        self._connect = connect
        self._facts = FactLane(clock)
        self._clock = clock
        self._views = views
        self._deliver = deliver
        self._triggered = triggered
        self._tell_registered = registered
        self._booted = booted
        self._tell_proven = proven
        self._tell_ended = ended
        self._seen = seen
        self._suspicious = suspicious
        self._proven = False
        self._log = get_logger("csms")
        self._unreachable = Condition(self._log, "csms.unreachable")
        self._link: Link | None = None
        self._todo: deque[Send | Drop | Became] = deque()
        self._wake = asyncio.Event()
        self._drop: Drop | None = None
        self._cut = asyncio.Event()
        self._rests = False  # the loop has nothing to do but to wait
        self._listens = False  # ``_receive`` has nothing in hand
        self._taking = False  # outputs are being taken; what they lead to waits for its turn
        self._error: BaseException | None = None  # of what was done at once: the loop's, not its caller's
        self._alarm_s: float | None = None  # until when
        self._held_until_s = 0.0
        self.frames = FrameLog()
        self.state = "connecting"
        self.since_s = clock.mono_s()
        self.error = ""

    # ---- what the core and the console ask ------------------------------------------------------------------------

    def outcome(self, command_id: int, outcome: AnyOutcome) -> None:
        """Answer a command."""
        self._tell(self.session.outcome(command_id, outcome, self._now()))

    def authorize(self, request_id: int, token: IdToken) -> None:
        """Ask about a token."""
        self._tell(self.session.authorize(request_id, token, self._now()))

    def views_changed(self) -> None:
        """Tell the session how the station looks now."""
        views, operative = self._views()
        self._seen(views)
        self._tell(self.session.views_changed(views, operative, self._now()))

    def attach(self, store: JournalStore) -> None:
        """Name the journal, which opens while the link does; its facts go from now on."""
        self._facts.attach(store)
        self._wake.set()

    def facts_waiting(self) -> None:
        """The journal has something new."""
        self._facts.news()
        link = self._link
        if link is None or not self._guarded(partial(self._done_at_once, link, self._now())):
            self._wake.set()

    async def delivered(self, within_s: float) -> None:
        """Return when the journal has nothing more to tell, or nobody to tell it to, or after so long."""
        if self.session.online:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._facts.told_all()

    def report(self, request_id: int, entries: Sequence[VariableEntry]) -> None:
        """Send a variable report."""
        self._tell(self.session.report(request_id, entries, self._now()))

    def send(self, message: Message) -> None:
        """Send a message that was asked for."""
        self._tell(self.session.send(message, self._now()))

    def ping_every(self, ping_s: float) -> None:
        """Change the period of the pings on the present connection, s; 0: none."""
        if self._link is not None:
            self._link.ping_every(ping_s)

    def reconnect(self) -> None:
        """Close the connection and open it again (settings of the link changed)."""
        self._cut.set()
        self._wake.set()

    def hold(self, for_s: float) -> None:
        """Dial nobody for so long, s: somebody else looks at the link, and the CSMS knows one of us. 0: go on."""
        self._held_until_s = self._now() + for_s

    def reconnect_and_register(self) -> None:
        """As ``reconnect``, and boot again on the next connection: the station is another one to the CSMS."""
        self.session.register_anew()
        self.reconnect()

    @property
    def tls(self) -> TlsFacts | None:
        """Return what TLS of the present connection agreed on; ``None`` without one."""
        return None if self._link is None else self._link.tls

    async def close(self) -> None:
        """Close the connection for good."""
        if self._link is not None:
            await self._link.close(1000, "station stops")

    # ---- the loop -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the link for ever; every exit of a connection, clean or not, leads back here."""
        views, operative = self._views()
        self._take(self.session.views_changed(views, operative, self._now()))
        first = True
        while True:
            if not first:
                self._state("waiting")
                await self._run_until(self._now() + self._back_off.wait_s())
            first = False
            while self._now() < self._held_until_s:
                self._state("waiting")
                await self._run_until(min(self._held_until_s, self._now() + 1.0))
            self._state("connecting")
            try:
                link = await self._connect()
            except LinkClosed as error:
                self._lost(error)
                self._booted()
                continue
            began_s = self._now()
            self._link = link
            self._proven = False
            self._cut.clear()
            self._unreachable.set(False)
            try:
                await self._serve(link)
            except LinkClosed as error:
                self._lost(error)
            finally:
                self._link = None
                registered = self.session.online
                self._take(self.session.closed(self._now()))
                await self._perform_all(None)
                self._drop = None  # it is dropped
                self._back_off.ended(registered=registered, lasted_s=self._now() - began_s)
                self._tell_ended()
                self._facts.nobody_listens()
                with contextlib.suppress(LinkClosed):
                    await link.close(1000, "")
            if self._error is not None:  # it came when the connection ended anyway
                raise self._error

    async def _serve(self, link: Link) -> None:
        self._error = None
        self._take(self.session.opened(self._now()))
        self._state("connected")
        receiving = asyncio.create_task(self._receive(link), name="csms.receive")
        receiving.add_done_callback(self._wakened)
        try:
            await self._perform_all(link)
            self._booted()
            due_s = self._deadline_s()
            while self._drop is None and not self._cut.is_set():
                self._wake.clear()  # whatever comes from here on is seen in this round or ends the sleep at its end
                if self._error is not None:
                    raise self._error
                if receiving.done():
                    await receiving
                if due_s is not None and self._now() >= due_s:
                    await self._pass_time(link)
                await self._perform_all(link)
                await self._deliver_facts(link)
                due_s = self._deadline_s()
                if not receiving.done():
                    await self._rest_until(due_s)
            await self._perform_all(link)  # what a request that cut the connection is answered
            if self._drop is not None:
                drop, self._drop = self._drop, None
                self._log.warning("csms.dropped", reason=drop.reason)
                self.error = drop.reason
                await link.close(drop.code, drop.reason)
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _receive(self, link: Link) -> None:
        """Take messages. What follows from one and needs no waiting is done at once, the rest is the loop's: the
        journal may hang, and the next message must be read all the same.
        """

        def take(text: str) -> bool:
            free = self._listens and self._link is link and self._error is None
            if free and not self._guarded(partial(self._heard, text, link, self._now())):
                self._wake.set()
            return free

        link.offer(take)
        rested_s = self._now()
        try:
            while True:
                self._listens = True
                text = await link.recv()
                self._listens = False
                now_s = self._now()
                if now_s - rested_s > TURN_S:
                    await asyncio.sleep(0)
                    rested_s = now_s = self._now()
                if not self._guarded(partial(self._heard, text, link, now_s)):
                    self._wake.set()
        finally:
            self._listens = False

    def _guarded(self, step: Callable[[], bool]) -> bool:
        """Take a step for somebody who is not to suffer from it: an error ends the loop of the link, as its own do."""
        try:
            return step()
        except BaseException as error:
            self._error = self._error or error
            return False

    def _heard(self, text: str | bytes, link: Link, now_s: float) -> bool:
        """Take a message; return whether that was all, see ``_done_at_once``."""
        self.frames.note(text, now_s, outgoing=False)
        self._take(self.session.received(text, now_s))
        if not self._proven and self.session.online:
            self._proven = True
            self._tell_proven()
        return self._done_at_once(link, now_s)

    def _done_at_once(self, link: Link, now_s: float) -> bool:
        """Do what needs no waiting while the loop rests; return whether that was all, and the loop may rest on.

        With it one answer brings the next fact on its way without a turn of the loop.
        """
        if not self._rests or self._taking or self._drop is not None or self._cut.is_set():
            return False
        facts = self._facts
        while facts.settled and self._performed_at_once(link, now_s):
            may_deliver = self._may_deliver(now_s)
            row = facts.row_at_hand() if may_deliver else None
            if row is not None:
                self._take(self.session.deliver(row, now_s))
            elif may_deliver and facts.promises:  # the file must be asked
                return False
            else:
                due_s = self._deadline_s()
                return due_s is None or (self._alarm_s is not None and due_s >= self._alarm_s)
        return False

    def _performed_at_once(self, link: Link, now_s: float) -> bool:
        todo = self._todo
        while todo:
            output = todo[0]
            if isinstance(output, Drop):
                return False
            if isinstance(output, Send):
                if not link.send_at_once(output.text):
                    return False
                self.frames.note(output.text, now_s, outgoing=True)
            elif not self._facts.note_at_once(output):
                return False
            todo.popleft()
        return True

    async def _deliver_facts(self, link: Link) -> None:
        while self._may_deliver(self._now()):
            row = await self._facts.next_row()
            if row is None:
                return
            self._take(self.session.deliver(row, self._now()))
            await self._perform_all(link)

    def _may_deliver(self, now_s: float) -> bool:
        return self._facts.promises and self._drop is None and self.session.wants_fact(now_s)

    async def _run_until(self, until_s: float) -> None:
        """Let time pass without a connection; the session's own deadlines are kept."""
        while (now_s := self._now()) < until_s:
            self._wake.clear()
            due_s = self._deadline_s()
            await self._sleep_until(until_s if due_s is None else min(until_s, max(due_s, now_s + 0.05)))
            await self._pass_time(None)

    async def _pass_time(self, link: Link | None) -> None:
        self._take(self.session.tick(self._now()))
        await self._perform_all(link)
        if self._facts.write_at_s is not None and self._now() >= self._facts.write_at_s:
            await self._facts.write()

    def _deadline_s(self) -> float | None:
        due = [each for each in (self.session.next_deadline_s(), self._facts.write_at_s) if each is not None]
        return min(due, default=None)

    async def _sleep_until(self, due_s: float | None) -> None:
        if self._todo or self._drop is not None:
            return
        if due_s is None:
            await self._wake.wait()
            return
        alarm = asyncio.get_running_loop().call_later(max(0.0, due_s - self._now()), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    async def _rest_until(self, due_s: float | None) -> None:
        self._alarm_s, self._rests = due_s, True
        try:
            await self._sleep_until(due_s)
        finally:
            self._rests = False

    def _wakened(self, _task: asyncio.Task[None]) -> None:
        self._wake.set()

    # ---- outputs --------------------------------------------------------------------------------------------------

    def _tell(self, outputs: list[Output]) -> None:
        """Take outputs of something that came from outside: even without any, deadlines may have changed."""
        self._take(outputs)
        self._wake.set()

    def _take(self, outputs: list[Output]) -> None:
        taking, self._taking = self._taking, True
        try:
            for output in outputs:
                if isinstance(output, _IN_TURN):
                    self._todo.append(output)
                else:
                    self._tell_at_once(output)
        finally:
            self._taking = taking

    def _tell_at_once(self, output: Output) -> None:
        match output:
            case ToCore():
                self._deliver(output.input)
            case ClockHeard():
                if not self._clock.heard(output.utc_s):
                    self._log.warning("csms.time_disbelieved", utc_s=output.utc_s)
            case LogLine():
                getattr(self._log, output.level)(output.event, **output.fields)
            case Registered():
                self._registered(output)
            case Triggered():
                self._triggered(output.kind, output.evse_id)
            case Suspicious():
                self._suspicious(output.text)
            case _:
                raise AssertionError(output)

    async def _perform_all(self, link: Link | None) -> None:
        while self._todo:
            await self._perform(self._todo.popleft(), link)

    async def _perform(self, output: Send | Drop | Became, link: Link | None) -> None:
        match output:
            case Send():
                if link is not None:
                    self.frames.note(output.text, self._now(), outgoing=True)
                    await link.send(output.text)
            case Drop():
                self._drop = output
            case _:
                await self._facts.note(output)

    def _registered(self, output: Registered) -> None:
        self._log.info("station.registered", status=output.status, interval_s=output.interval_s)
        self._state(output.status)
        self._tell_registered(output.status, output.interval_s)

    def _lost(self, error: ConnectionLost) -> None:
        self.error = str(error)
        self._unreachable.set(True, error=str(error))

    def _state(self, state: str) -> None:
        if state == "connected" and self.session.online:
            state = "accepted"
        if state == self.state:
            return
        if not {state, self.state} <= _OFFLINE:  # how long there is no link, not since the last attempt
            self.since_s = self._clock.mono_s()
        self.state = state

    def _now(self) -> float:
        return self._clock.mono_s()
