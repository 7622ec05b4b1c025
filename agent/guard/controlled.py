"""A controlled EVSE around its cycle: take the snapshot, read our own lines, judge, pass the order on.

The controller's thread does the talking; nothing here waits, except when the guard ends: then "no current" is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.guard.bus import Bus
from agent.guard.controlled_cycle import ControlledCycle
from agent.guard.controlled_values import ControlledInputs, ControlledSettings
from agent.guard.cycle_values import Kept
from agent.guard.indicator import open_indicator
from agent.guard.inputs import Watch
from agent.guard.log import Log
from agent.guard.plan import ControlledPlan, Plan, PlanError, Target
from agent.guard.sensing import SharedInputs, WatchedLine, claim_input
from agent.guard.timings import MAX_AGE_SCANS, QUIET_REPORT_S, REPORT_S
from agent.guard.told import Told
from agent.guard.vehicle_charge import VehicleCharge
from agent.guard.wire import ContactorState, GuardFault, PilotState, Report
from drivers.api import DriverTimeout, Lines, PilotMode, PilotSignal
from drivers.api.controllers import NO_OFFER, STOP_AT_ONCE, Controller

SETTLE_S: Final = (
    2.5  # for the last order to reach the controller when the guard ends; a TCP connection takes up to 2 s
)
_HIGH: Final = PilotSignal(mode=PilotMode.STEADY_HIGH)


def open_controller(plan: ControlledPlan, buses: Mapping[str, Bus]) -> Controller:
    """Open the controller of ``plan``; its device may be away. Raises ``PlanError``."""
    options = dict(plan.controller.options)
    if plan.bus is not None:
        bus = buses.get(plan.bus)
        if bus is None:
            raise PlanError(f"EVSE {plan.evse_id}: bus {plan.bus!r} is not one of {sorted(buses)}")
        options["bus"] = bus
    controller: Controller = Target(target=plan.controller.target, options=options).open()
    return controller


class ControlledEvse:
    """One EVSE with a bought controller."""

    def __init__(
        self,
        plan: ControlledPlan,
        station: Plan,
        *,
        controller: Controller,
        lines: Lines | None,
        kept: Kept,
        log: Log,
        now_s: float,
        shared: SharedInputs | None = None,
    ) -> None:
        """Take the controller over: "no current" is its order from here on. Claims the EVSE's own lines.

        Raises:
            DriverError: a line cannot be claimed.
        """
        self.evse_id, self.connector_id = plan.evse_id, 1
        self.inputs = ControlledInputs()
        self.cycle = ControlledCycle(
            _settings(plan, station), controller.traits, welded=kept.welded, locks=plan.locks, now_s=now_s
        )
        self._kept = kept
        self._controller = controller
        self._charge = VehicleCharge(controller)
        self._log = log
        self._sent = NO_OFFER
        self._mirror_open_when_active = plan.mirror_normally_closed
        age_s = station.scan_s * MAX_AGE_SCANS
        self._mirror = claim_input(lines, plan.mirror, max_age_s=age_s)
        self._rcd = claim_input(lines, plan.rcd, max_age_s=age_s, pulses=True)
        self._emergency_stop = claim_input(lines, plan.emergency_stop, max_age_s=age_s, pulses=True)
        self._watched: tuple[WatchedLine, ...] = ()
        if lines is not None:
            watched = (line for _, line in plan.watched)
            self._watched = tuple(WatchedLine(lines, line, max_age_s=age_s, pulses=True) for line in watched)
        self._shared = shared
        self.indicator = open_indicator(plan.indicator, station, lines, evse_id=plan.evse_id, log=log)
        self._shown: tuple[object, ...] = ()
        self._told = _Told(plan.evse_id, log)
        self._seq = 0
        self._reported_s = -REPORT_S

    @property
    def kept(self) -> Kept:
        """Return what must outlive this run. Openings under load and times are the controller's to know."""
        kept, cycle = self._kept, self.cycle
        return kept._replace(welded=cycle.welded, wear=kept.wear._replace(closings=kept.wear.closings + cycle.closings))

    def scan(self, now_s: float) -> Report | None:
        """Read, judge, order; return a report when something changed or the last one is a second old."""
        cycle = self.cycle
        self._read(now_s)
        judged = cycle.scan(self.inputs, now_s)
        if cycle.order is not self._sent:
            self._sent = cycle.order
            self._controller.command(cycle.order)
        indicator = self.indicator
        if indicator is not None:
            if indicator.has_button and indicator.press(now_s):
                judged, self._shown = True, ()
            if now_s >= indicator.due_s:
                indicator.step(now_s)
        quiet = cycle.permit is None and cycle.contactor is ContactorState.OPEN
        due = now_s - self._reported_s >= (QUIET_REPORT_S if quiet else REPORT_S)
        if not judged and not due:
            return None
        shown = cycle.shown()
        if shown == self._shown and not due:
            return None
        if shown != self._shown:
            self._told.compare(cycle, self._controller)
            if indicator is not None:
                indicator.fault(bool(cycle.faults))
        self._shown = shown
        self._reported_s = now_s
        self._seq += 1
        report = cycle.report(
            seq=self._seq, now_s=now_s, closings_total=self.kept.wear.closings, trouble=self._controller.trouble
        )
        report = self._charge.told(report)
        return report if indicator is None or not indicator.presses else replace(report, presses=indicator.presses)

    def make_safe(self, signal: PilotSignal = _HIGH) -> None:
        """Order "no current" and wait until the controller has it. ``signal`` is for EVSEs whose pilot is ours.

        Raises:
            DriverTimeout: the controller could not be reached in time; what it holds now is unknown.
        """
        if self.indicator is not None:
            self.indicator.make_dark()
        carrying = self.cycle.pilot is not PilotState.A
        self._controller.command(STOP_AT_ONCE if carrying else NO_OFFER)
        if not self._controller.settle(SETTLE_S):
            trouble = self._controller.trouble or "no answer"
            raise DriverTimeout(f"EVSE {self.evse_id}: the controller did not take 'no current': {trouble}")

    def begin_safe(self) -> None:
        """Order "no current" without waiting, so that several controllers are told side by side."""
        self._controller.command(STOP_AT_ONCE if self.cycle.pilot is not PilotState.A else NO_OFFER)

    def close(self) -> None:
        """Release the controller. Its order stays."""
        self._controller.close()

    def _read(self, now_s: float) -> None:
        inputs = self.inputs
        inputs.reading = self._controller.read()
        if self._mirror is not None:
            level = self._mirror.level(now_s)
            inputs.main_closed = None if level is None else level is not self._mirror_open_when_active
        if self._rcd is not None:
            inputs.rcd_tripped = self._rcd.level(now_s)
        if self._emergency_stop is not None:
            inputs.emergency_stop = self._emergency_stop.level(now_s)
        if self._watched or self._shared is not None:
            shared = () if self._shared is None else self._shared.levels
            inputs.watched = (*[line.level(now_s) for line in self._watched], *shared)


_EXPLAINED: Final = (GuardFault.POWER_PATH_LOST, GuardFault.CONTROLLER_DISOBEYS)


class _Told(Told):
    """Says in the log what changed, once per change."""

    _order_a: float | None = None
    _contactor: ContactorState | None = None
    _firmware: str | None = None

    def compare(self, cycle: ControlledCycle, controller: Controller) -> None:
        log, evse_id = self._log, self._evse_id
        self.pilot(cycle.pilot, cycle.offer_a)
        if cycle.order.current_a != self._order_a:
            self._order_a = cycle.order.current_a
            log.info("order.changed", evse_id=evse_id, order_a=self._order_a)
        if cycle.contactor is not self._contactor:
            self._contactor = cycle.contactor
            opened = cycle.contactor is ContactorState.OPEN
            reason = cycle.open_reason.value if opened else None
            log.info("contactor.changed", evse_id=evse_id, state=cycle.contactor.value, reason=reason)
        reading = controller.read()
        if reading is not None and reading.firmware is not None and reading.firmware != self._firmware:
            self._firmware = reading.firmware
            log.info("controller.found", evse_id=evse_id, firmware=reading.firmware)
        self.faults(cycle.faults, why=lambda fault: cycle.why(controller.trouble) if fault in _EXPLAINED else None)


def _settings(plan: ControlledPlan, station: Plan) -> ControlledSettings:
    return ControlledSettings(
        evse_id=plan.evse_id,
        phases=plan.phases,
        max_current_a=plan.max_current_a,
        ventilation=plan.ventilation,
        has_mirror=plan.mirror is not None,
        min_reclose_s=station.min_reclose_s,
        permit_max_s=station.permit_max_s,
        rcd_latches=plan.rcd is None or plan.rcd.latched,
        emergency_stop_latches=plan.emergency_stop is not None and plan.emergency_stop.latched,
        watched=tuple(Watch(role=role, latched=line.latched) for role, line in (*plan.watched, *station.inputs)),
    )
