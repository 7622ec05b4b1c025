"""The agent's end of the guard's socket: reports in, permits out. Reconnects for ever."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from agent.errors import GuardError
from agent.guard import packets, wire
from agent.log import Condition, get_logger
from agent.model.effects import BlinkLight, GrantPermit, HoldCable, PlaySound, ShowState, WithdrawPermit
from agent.model.evse import EvseCondition
from agent.model.faults import FaultCode
from agent.model.indications import Indicators, usual_indicators
from agent.model.inputs import ButtonPressed, GuardLinkChanged, GuardReported, Input
from drivers.api import DriverProtocolError, DriverRejected, DriverTimeout, DriverUnavailable

# Without a guard for so long, wait so long before its socket is tried again: one that died is back in less than a
# second, one that somebody stopped may stay away, and looking for it would be most of what an idle agent does.
RETRIES_S: Final = ((5.0, 0.1), (30.0, 1.0), (float("inf"), 3.0))
SILENT_S: Final = 5.0  # reports come at least every two seconds; silence of this length means the link is dead
BUS_TIMEOUT_S: Final = 2.0  # a register read through the guard's bus

_ERROR_OF: Final = {
    wire.BusError.UNAVAILABLE: DriverUnavailable,
    wire.BusError.TIMEOUT: DriverTimeout,
    wire.BusError.PROTOCOL: DriverProtocolError,
    wire.BusError.REJECTED: DriverRejected,
}

Channel = tuple[int, int]
"""EVSE and connector."""
PermitEffect = GrantPermit | WithdrawPermit | HoldCable | ShowState | PlaySound | BlinkLight


class GuardLink:
    """Holds the guard's socket.

    Args:
        path: the guard's socket.
        plan_id: the plan that this agent's settings compile to; a guard that runs another one gets no permits.
        deliver: takes inputs for the core.
        indicators: how lights and buzzers say what the core lets them say.
    """

    def __init__(
        self, path: Path, plan_id: str, deliver: Callable[[Input], None], indicators: Indicators | None = None
    ) -> None:
        self._path = path
        self._plan_id = plan_id
        self._deliver = deliver
        self._indicators = indicators or usual_indicators()
        self._log = get_logger("guard_link")
        self._socket: socket.socket | None = None
        self._welcome: wire.Welcome | None = None
        self._permit_ids = itertools.count(1)
        self._bus_ids = itertools.count(1)
        self._bus_waiting: dict[int, asyncio.Future[wire.BusAnswer]] = {}
        self._lost = Condition(self._log, "guard.lost")
        self._other_plan = Condition(self._log, "guard.other_plan")
        self.reports: dict[Channel, wire.Report] = {}
        self._told: dict[Channel, EvseCondition] = {}
        self._presses: dict[Channel, int] = {}
        self.refusals: list[str] = []
        self.error = ""
        self._now_s: Callable[[], float] = float
        self._heard_s = 0.0

    @property
    def connected(self) -> bool:
        """Return whether the guard is there and runs our plan."""
        return self._welcome is not None

    async def run(self) -> None:
        """Keep the link; returns never."""
        loop = asyncio.get_running_loop()
        since_s = loop.time()
        while True:
            try:
                await self._serve()
            except (OSError, packets.WireError, GuardError) as error:
                self.error = str(error)
                self._lost.set(True, socket=str(self._path), error=self.error)
            finally:
                if self._welcome is not None:
                    since_s = loop.time()
                self._drop()
            await asyncio.sleep(retry_pause_s(loop.time() - since_s))

    def perform(self, effect: PermitEffect) -> None:
        """Send one effect; lost when there is no link (the core grants anew when it is back)."""
        welcome = self._welcome
        if welcome is None:
            return
        match effect:
            case GrantPermit():
                self._send(
                    wire.Permit(
                        evse_id=effect.evse_id,
                        permit_id=next(self._permit_ids),
                        max_current_a=effect.max_current_a,
                        phases=effect.phases,
                        valid_for_s=effect.valid_for_s,
                        plan_id=welcome.plan_id,
                        connector_id=effect.connector_id,
                    )
                )
            case WithdrawPermit():
                self._send(
                    wire.Withdraw(evse_id=effect.evse_id, reason=effect.reason, connector_id=effect.connector_id)
                )
            case HoldCable():
                self._send(
                    wire.HoldCable(
                        evse_id=effect.evse_id, held=effect.held, kept=effect.kept, connector_id=effect.connector_id
                    )
                )
            case ShowState():
                shown = self._indicators.patterns[effect.state]
                self._send(wire.ShowState(evse_id=effect.evse_id, pattern=shown.rhythm, colour=shown.colour))
            case BlinkLight():
                colour = "green" if effect.accepted else "red"
                self._send(wire.Blink(evse_id=effect.evse_id, colour=colour, times=effect.times))
            case PlaySound():
                beeps = self._indicators.sounds[effect.sound]
                if beeps:
                    self._send(wire.Beep(evse_id=effect.evse_id, beeps=beeps))

    async def read_registers(self, bus: str, unit: int, function: int, address: int, count: int) -> tuple[int, ...]:
        """Read registers through a bus that the guard owns. Raises ``DriverError``."""
        if self._welcome is None:
            raise DriverUnavailable(f"bus {bus}: the guard that owns it cannot be reached")
        request_id = next(self._bus_ids)
        future: asyncio.Future[wire.BusAnswer] = asyncio.get_running_loop().create_future()
        self._bus_waiting[request_id] = future
        try:
            self._send(
                wire.BusRead(request_id=request_id, bus=bus, unit=unit, function=function, address=address, count=count)
            )
            answer = await asyncio.wait_for(future, BUS_TIMEOUT_S)
        except TimeoutError as error:
            raise DriverUnavailable(f"bus {bus}: the guard did not answer within {BUS_TIMEOUT_S} s") from error
        finally:
            self._bus_waiting.pop(request_id, None)
        if answer.error is not None:
            raise _ERROR_OF[answer.kind](answer.error)
        return answer.registers

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket = link
        await loop.sock_connect(link, str(self._path))
        self._now_s, self._heard_s = loop.time, loop.time()
        self._send(wire.Hello(client="charge-agent", holder=True))
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(link, self._readable, link, ended)
        try:
            while not ended.done():
                await asyncio.wait((ended,), timeout=SILENT_S)
                if not ended.done() and loop.time() - self._heard_s >= SILENT_S:
                    raise GuardError(f"the guard said nothing for {SILENT_S:g} s")
            ended.result()
        finally:
            loop.remove_reader(link)

    def _readable(self, link: socket.socket, ended: asyncio.Future[None]) -> None:
        """Take one packet, in the loop's own call: reports come every second, for years."""
        if ended.done():
            return
        try:
            packet = link.recv(packets.MAX_PACKET_B)
            if not packet:
                raise GuardError("the guard closed the connection")
            self._heard_s = self._now_s()
            self._received(packets.decode(packet))
        except BlockingIOError:
            return
        except (OSError, packets.WireError, GuardError) as error:
            ended.set_exception(error)

    def _received(self, message: wire.Message) -> None:
        match message:
            case wire.Report():
                self.reports[message.evse_id, message.connector_id] = message
                self._count_presses(message)
                if self._welcome is not None:
                    self._tell(condition_of(message))
            case wire.Welcome():
                self._welcomed(message)
            case wire.Refused():
                self.refusals = [*self.refusals[-9:], f"{message.about}: {message.reason}"]
                self._log.warning("guard.refused", about=message.about, reason=message.reason, evse_id=message.evse_id)
                if message.about == "Hello":
                    raise GuardError(message.reason)
            case wire.BusAnswer():
                future = self._bus_waiting.get(message.request_id)
                if future is not None and not future.done():
                    future.set_result(message)
            case _:
                raise packets.WireError(f"the guard sent a {type(message).__name__}, which only clients send")

    def _count_presses(self, report: wire.Report) -> None:
        """Tell of a press once; what was pressed before the first report of this link was for nobody."""
        channel = (report.evse_id, report.connector_id)
        known = self._presses.get(channel)
        self._presses[channel] = report.presses
        if known is not None and report.presses > known:
            self._deliver(ButtonPressed(evse_id=report.evse_id))

    def _tell(self, condition: EvseCondition) -> None:
        """Deliver a condition, unless it says what the one before said."""
        channel = (condition.evse_id, condition.connector_id)
        before = self._told.get(channel)
        if before is None or replace(before, at_s=condition.at_s) != condition:
            self._told[channel] = condition
            self._deliver(GuardReported(condition=condition))

    def _welcomed(self, welcome: wire.Welcome) -> None:
        other = welcome.plan_id != self._plan_id
        self._other_plan.set(other, guard_plan=welcome.plan_id, own_plan=self._plan_id)
        if other:
            raise GuardError(
                f"the guard runs plan {welcome.plan_id}, our station file is plan {self._plan_id}: restart both"
            )
        self._welcome = welcome
        self._told.clear()
        self._presses.clear()
        self.error = ""
        self._lost.set(False)
        self._log.info("guard.connected", guard_pid=welcome.guard_pid, scan_s=welcome.scan_s)
        self._deliver(GuardLinkChanged(connected=True))

    def _send(self, message: wire.Message) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(packets.encode(message))
        except OSError as error:
            # The receiving side finds the same broken socket and reconnects; a permit not sent is a permit not given.
            self._log.warning("guard.unsent", message=type(message).__name__, error=str(error))

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for future in self._bus_waiting.values():
            if not future.done():
                future.set_exception(DriverUnavailable("the guard's socket closed"))
        self._bus_waiting.clear()
        if self._welcome is not None:
            self._welcome = None
            self.reports.clear()
            self._deliver(GuardLinkChanged(connected=False))


def retry_pause_s(without_s: float) -> float:
    """Return how long to wait before the guard's socket is tried again, ``without_s`` after it was last there."""
    return next(pause_s for until_s, pause_s in RETRIES_S if without_s < until_s)


def condition_of(report: wire.Report) -> EvseCondition:
    """Translate a report into the model's words."""
    known = report.pilot not in (wire.PilotState.UNKNOWN, wire.PilotState.FAULT)
    contactor = {wire.ContactorState.CLOSED: True, wire.ContactorState.OPEN: False}.get(report.contactor)
    locked = {wire.LockState.LOCKED: True, wire.LockState.UNLOCKED: False}.get(report.lock)
    return EvseCondition(
        evse_id=report.evse_id,
        at_s=report.at_s,
        pilot=report.pilot.value,
        plugged=report.plugged,
        vehicle_ready=report.pilot in (wire.PilotState.C, wire.PilotState.D) if known else None,
        contactor_closed=contactor,
        contactor_since_s=report.contactor_since_s,
        offer_a=report.offer_a,
        cable_a=report.cable_a,
        cable_locked=locked,
        faults=tuple(FaultCode(fault.value) for fault in report.faults),
        waiting_for=report.waiting_for,
        permit_id=report.permit_id,
        open_reason=report.open_reason.value,
        simplified=report.simplified,
        temperature_c=hottest_c(report.temperature_c),
        reduced_a=report.reduced_a,
        reduced_why=report.reduced_why,
        fault_texts=_texts(report),
        connector_id=report.connector_id,
        soc_pct=report.soc_pct,
    )


def hottest_c(values_c: tuple[float | None, ...]) -> float | None:
    """Return the highest known temperature in whole degC, so that noise is no news; ``None`` unknown."""
    known = [each for each in values_c if each is not None]
    return float(round(max(known))) if known else None


def _texts(report: wire.Report) -> tuple[tuple[FaultCode, str], ...]:
    texts = []
    if wire.GuardFault.RCD_TEST_FAILED in report.faults:
        texts.append((FaultCode.RCD_TEST_FAILED, report.rcd_test_why))
    for fault in (wire.GuardFault.POWER_PATH_LOST, wire.GuardFault.CONTROLLER_DISOBEYS):
        if fault in report.faults and report.power_path_why:
            texts.append((FaultCode(fault.value), report.power_path_why))
            break
    if wire.GuardFault.OVER_TEMPERATURE in report.faults:
        texts.append((FaultCode.OVER_TEMPERATURE, report.reduced_why.partition(" at ")[0]))
    if wire.GuardFault.INPUT_UNKNOWN in report.faults and None in report.temperature_c:
        texts.append((FaultCode.INPUT_UNKNOWN, report.reduced_why))
    return tuple(texts)
