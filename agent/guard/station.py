"""All EVSEs of one guard and their connectors: opened safely, scanned together, spoken to by message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING

from agent.guard.bus import Bus
from agent.guard.channels import Common, ConnectorLog
from agent.guard.cycle_values import Kept
from agent.guard.evse import Evse, EvseOutputs
from agent.guard.indication import Pattern
from agent.guard.latch import Channel, Latched, LatchFile
from agent.guard.late import open_power_path
from agent.guard.late_lines import LateLines
from agent.guard.log import Log
from agent.guard.offer import STEADY_HIGH, STEADY_LOW
from agent.guard.plan import Plan
from agent.guard.sensing import open_heartbeat, open_shared_inputs
from agent.guard.timings import MAX_AGE_SCANS
from agent.guard.wear import EvseWear, WearFile
from agent.guard.wire import (
    Beep,
    Blink,
    BusAnswer,
    BusRead,
    HoldCable,
    Message,
    Permit,
    Refused,
    Report,
    ShowState,
    Withdraw,
)
from drivers.api import Lines

if TYPE_CHECKING:
    from agent.guard.controlled import ControlledEvse

    AnyEvse = Evse | ControlledEvse

LATCH_RETRY_S = 5.0  # a latched fault that could not be written is written again so often; house rule


class Station:
    """What a plan describes, running."""

    def __init__(self, plan: Plan, log: Log, *, now_s: float) -> None:
        """Open the lines and every device; each output's first value is safe, contactors before everything else.

        A line that cannot be claimed puts its EVSE out of service with a fault; it is tried again beside the scan.

        Raises:
            DriverError: the board's lines cannot be opened at all. PlanError: a target does not exist.
        """
        self._plan = plan
        self._log = log
        self.lines = lines = LateLines(plan.lines.open(), log) if plan.uses_lines else None
        outputs = [] if lines is None else [EvseOutputs(evse, lines) for evse in plan.evses]
        self._heartbeat = None if lines is None else open_heartbeat(lines, plan)
        self._shared = None if lines is None else open_shared_inputs(lines, plan)
        self._latch = LatchFile(plan.state_dir)
        self._latched = self._latch.read(plan.channels)
        if self._latch.failure is not None:
            log.error("latch.unreadable", problem=self._latch.failure)
        self._wear = WearFile(plan.state_dir)
        wear = self._wear.read()
        if self._wear.failure is not None:
            log.warning("wear.unreadable", problem=self._wear.failure)
        self._buses = {name: Bus(name, target) for name, target in plan.buses.items()}
        self.channels: dict[Channel, AnyEvse] = {}
        if plan.controlled:
            self.channels |= self._open_controlled(plan, lines, wear, now_s=now_s)
        if lines is not None:  # an EVSE of our own has a contactor's line
            self.channels |= self._open_own(plan, lines, outputs, wear, now_s=now_s)
        self._scanned = tuple(self.channels.values())
        self.evses: dict[int, AnyEvse] = {}  # the first connector of each, which has what belongs to all of them
        for each in self._scanned:
            self.evses.setdefault(each.evse_id, each)
        self._latch_tried_s = 0.0

    def scan(self, now_s: float) -> Sequence[Report]:
        """Scan every EVSE; return the reports that are due."""
        reports: Sequence[Report] = ()
        if self._shared is not None:
            self._shared.read(now_s)
        for evse in self._scanned:
            report = evse.scan(now_s)
            if report is not None:  # whatever must outlive this run shows in a report
                reports = (*reports, report)
                self._keep(evse, now_s)
        if self._latch.failure is not None and now_s - self._latch_tried_s > LATCH_RETRY_S:
            self._keep_latching(now_s)
        return reports

    def beat(self, now_s: float, *, healthy: bool) -> None:
        """Let the heartbeat line go on, if there is one; ``healthy``: this scan came and was done in time."""
        if self._heartbeat is not None:
            problem = self._heartbeat.step(now_s, healthy=healthy)
            if problem is not None:
                self._log.error("heartbeat.lost", problem=str(problem))

    @property
    def beats(self) -> bool:
        """Return whether there is a heartbeat line."""
        return self._heartbeat is not None

    def handle(self, message: Message, asker: int, now_s: float) -> Message | None:
        """Do what the holder asks; return the answer, if there is one now."""
        match message:
            case BusRead():
                return self._read_bus(message, asker, now_s)
            case Permit() | Withdraw() | HoldCable() | ShowState() | Beep() | Blink():
                evse = self.evses.get(message.evse_id)
                if evse is None:
                    return _refuse(message, f"there is no EVSE {message.evse_id}, only {sorted(self.evses)}")
                channel = (message.evse_id, getattr(message, "connector_id", evse.connector_id))
                evse = self.channels.get(channel)
                if evse is None:
                    return _refuse(message, f"EVSE {channel[0]} has no connector {channel[1]}")
            case _:
                return _refuse(message, f"the guard does not take a {type(message).__name__}")
        match message:
            case Permit():
                reason = self._grant(message, evse, now_s)
                return None if reason is None else _refuse(message, reason)
            case Withdraw():
                evse.cycle.withdraw()
            case HoldCable():
                evse.cycle.hold_cable(message.held, kept=message.kept)
            case ShowState():
                if evse.indicator is not None:
                    evse.indicator.show(Pattern(message.colour, message.pattern))
            case Beep():
                if evse.indicator is not None:
                    evse.indicator.sound(message.beeps, now_s)
            case Blink():
                if evse.indicator is not None:
                    evse.indicator.blink(message.colour, message.times, now_s)
        return None

    def attend(self, agent: bool, now_s: float) -> None:
        """Know that an agent has come or gone: only lights care."""
        for evse in self._scanned:
            if evse.indicator is not None:
                evse.indicator.attend(agent, now_s)

    def take_answers(self) -> list[tuple[int, BusAnswer]]:
        """Return what the buses answered since the last call, each with its asker."""
        return [answer for bus in self._buses.values() for answer in bus.take_answers()]

    @property
    def owns_buses(self) -> bool:
        """Return whether ``take_answers`` can ever return anything."""
        return bool(self._buses)

    def stop(self) -> None:
        """End every offer; the vehicles get their time, then the contactors open."""
        for evse in self._scanned:
            evse.cycle.stop()

    @property
    def stopped(self) -> bool:
        """Return whether, after ``stop``, every contactor is open."""
        return all(evse.cycle.stopped for evse in self._scanned)

    def make_safe(self, *, for_good: bool) -> None:
        """Open every contactor and end every offer, whatever fails on the way; ``for_good`` says "not available" (F).

        Raises:
            DriverError: after all outputs were tried, what failed.
        """
        signal = STEADY_LOW if for_good else STEADY_HIGH
        with ExitStack() as last_acts:
            last_acts.callback(self._latch.finish, 1.0)
            last_acts.callback(self._wear.finish, 1.0)
            last_acts.callback(self._keep_wear, monotonic(), at_once=True)
            for evse in self._scanned:
                last_acts.callback(evse.make_safe, signal)
            for evse in self._scanned:
                last_acts.callback(evse.begin_safe)  # those whose safety takes a while begin before the others finish

    def close(self) -> None:
        """End the threads of buses and let go of their ports; what was written stays. For a process that goes on."""
        for bus in self._buses.values():
            bus.close()

    def _open_own(
        self,
        plan: Plan,
        lines: Lines,
        outputs: Sequence[EvseOutputs],
        wear: Mapping[Channel, EvseWear],
        *,
        now_s: float,
    ) -> dict[Channel, AnyEvse]:
        """Open the connectors of the EVSEs of our own, and let those of one EVSE see each other."""
        groups: dict[int, list[Evse]] = {}
        common: dict[int, Common] = {}
        for evse, claimed in zip(plan.evses, outputs, strict=True):
            several = plan.siblings(evse.evse_id) > 1
            log = ConnectorLog(self._log, evse.connector_id) if several else self._log
            if several and evse.evse_id not in common:
                common[evse.evse_id] = Common(lines, self._log, max_age_s=plan.scan_s * MAX_AGE_SCANS)
            channel = (evse.evse_id, evse.connector_id)
            opened = Evse(
                evse,
                plan,
                outputs=claimed,
                lines=lines,
                power_path=open_power_path(evse.power_path),
                kept=_kept(channel, self._latched, wear.get(channel, EvseWear())),
                shared=self._shared,
                log=log,
                now_s=now_s,
                common=common.get(evse.evse_id),
            )
            groups.setdefault(evse.evse_id, []).append(opened)
        for group in groups.values():
            for each in group:
                each.siblings = tuple(other.cycle for other in group if other is not each)
        return {(each.evse_id, each.connector_id): each for group in groups.values() for each in group}

    def _open_controlled(
        self, plan: Plan, lines: Lines | None, wear: Mapping[Channel, EvseWear], *, now_s: float
    ) -> dict[Channel, AnyEvse]:
        """Open the EVSEs with bought controllers; their modules load only where there are some."""
        from agent.guard.controlled import ControlledEvse, open_controller

        return {
            (evse.evse_id, 1): ControlledEvse(
                evse,
                plan,
                controller=open_controller(evse, self._buses),
                lines=lines,
                kept=_kept((evse.evse_id, 1), self._latched, wear.get((evse.evse_id, 1), EvseWear())),
                log=self._log,
                now_s=now_s,
                shared=self._shared,
            )
            for evse in plan.controlled
        }

    def _grant(self, permit: Permit, evse: AnyEvse, now_s: float) -> str | None:
        if permit.plan_id != self._plan.plan_id:
            return f"plan_id {permit.plan_id!r} is not the plan in force, {self._plan.plan_id!r}"
        return evse.cycle.grant(permit, now_s)

    def _read_bus(self, request: BusRead, asker: int, now_s: float) -> BusAnswer | None:
        bus = self._buses.get(request.bus)
        if bus is None:
            error = f"this guard owns no bus named {request.bus!r}"
            return BusAnswer(request_id=request.request_id, error=error, taken_s=now_s)
        return bus.submit(request, asker=asker)

    def _keep(self, evse: AnyEvse, now_s: float) -> None:
        kept, channel = evse.kept, (evse.evse_id, evse.connector_id)
        latched = Latched(
            _with(self._latched.welded, channel, kept.welded),
            _with(self._latched.failed_to_close, channel, kept.failed_to_close),
        )
        if latched != self._latched and not self._latch.busy:  # else with the next report
            self._latched = latched
            self._latch_tried_s = now_s
            self._latch.begin_latching(latched)
        if evse.cycle.plugged is False:
            self._keep_wear(now_s)

    def _keep_wear(self, now_s: float, *, at_once: bool = False) -> None:
        wear = {channel: EvseWear(evse.kept.wear, evse.kept.phase_wear) for channel, evse in self.channels.items()}
        self._wear.keep(wear, now_s, at_once=at_once)

    def _keep_latching(self, now_s: float) -> None:
        if not self._latch.busy:
            self._log.error("latch.write_failed", problem=self._latch.failure)
            self._latch_tried_s = now_s
            self._latch.begin_latching(self._latched)


def _kept(channel: Channel, latched: Latched, wear: EvseWear) -> Kept:
    return Kept(
        welded=channel in latched.welded,
        failed_to_close=channel in latched.failed_to_close,
        wear=wear.main,
        phase_wear=wear.phases,
    )


def _with(channels: frozenset[Channel], channel: Channel, present: bool) -> frozenset[Channel]:
    if present is (channel in channels):
        return channels
    return channels | {channel} if present else channels - {channel}


def _refuse(message: Message, reason: str) -> Refused:
    return Refused(about=type(message).__name__, reason=reason[:300], evse_id=getattr(message, "evse_id", None))
