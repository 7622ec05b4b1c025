"""One connector's devices around its cycle: read all, judge, write what changed.

A device that fails makes its input unknown or its output suspect; both open. Nothing here decides to close.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from time import monotonic

from agent.guard.channels import Common, see_siblings
from agent.guard.cycle import NEW, Cycle
from agent.guard.cycle_report import report_of, shown_by
from agent.guard.cycle_values import Inputs, Kept, Outputs
from agent.guard.evse_settings import settings_of
from agent.guard.indicator import open_indicator
from agent.guard.late_lines import late_outputs
from agent.guard.log import Log
from agent.guard.offer import STEADY_HIGH, STEADY_LOW
from agent.guard.plan import EvsePlan, Plan
from agent.guard.sensing import SharedInputs, asked_together, claim_input
from agent.guard.timings import LOST_S, MAX_AGE_SCANS, QUIET_REPORT_S, REPORT_S
from agent.guard.told import Told
from agent.guard.vehicle_charge import VehicleCharge
from agent.guard.wire import REASON_CHARS, OpenReason, Report
from drivers.api import DriverError, DriverUnavailable, Lines, OutputLine, PilotSignal, PowerPath, PowerPathReading


class EvseOutputs:
    """The outputs of one connector, claimed before anything else: contactors open, cable held."""

    def __init__(self, plan: EvsePlan, lines: Lines) -> None:
        """Claim them. Raises ``DriverError``."""
        contactor = plan.contactor
        self.contactor = lines.output(contactor.line, active_high=contactor.active_high, initial=False)
        self.phases: OutputLine | None = None
        self.lock: OutputLine | None = None
        second = plan.phase_contactor
        if second is not None:
            self.phases = lines.output(second.line, active_high=second.active_high, initial=False)
        self.unlock: OutputLine | None = None
        self.rcd_test: OutputLine | None = None
        if plan.lock is not None:
            held = not plan.lock_settings.pulsed
            self.lock = lines.output(plan.lock.line, active_high=plan.lock.active_high, initial=held)
        if plan.unlock is not None:
            self.unlock = lines.output(plan.unlock.line, active_high=plan.unlock.active_high, initial=False)
        if plan.rcd_test is not None:
            test = plan.rcd_test.line
            self.rcd_test = lines.output(test.line, active_high=test.active_high, initial=False)


class Evse:
    """One EVSE, or one of its connectors. ``kept`` tells, after every scan, what must outlive this run.

    Attributes:
        stills: how many scans saw what the one before saw, so that nothing was judged anew.
    """

    def __init__(
        self,
        plan: EvsePlan,
        station: Plan,
        *,
        outputs: EvseOutputs,
        lines: Lines,
        power_path: PowerPath,
        log: Log,
        now_s: float,
        kept: Kept = NEW,
        shared: SharedInputs | None = None,
        common: Common | None = None,
    ) -> None:
        """Take the devices over; ``outputs`` are safe already, the pilot is made safe here, the inputs are claimed.

        ``common``: what several connectors of one EVSE claim together; ``None``: it has one.
        """
        self.evse_id, self.connector_id = plan.evse_id, plan.connector_id
        self.siblings: tuple[Cycle, ...] = ()
        self.inputs = Inputs()
        self.cycle = Cycle(settings_of(plan, station), kept=kept, now_s=now_s)
        self._max_age_s = station.scan_s * MAX_AGE_SCANS
        self._contactor, self._phases = outputs.contactor, outputs.phases
        self._late = late_outputs(outputs.contactor, outputs.phases, outputs.lock, outputs.unlock, outputs.rcd_test)
        self._power_path = power_path
        self._charge = VehicleCharge(power_path)
        self._log = log
        self._lost_until_s = 0.0
        self._lost = False
        self._lost_why = ""
        self._written: Outputs | None = None
        self._signal: PilotSignal | None = None
        self._coil = False
        self._phase_coil = False
        self._lock = _Driven(outputs.lock, not plan.lock_settings.pulsed)
        self._unlock = _Driven(outputs.unlock, False)
        self._rcd_test = _Driven(outputs.rcd_test, False)
        pulsed = (self._lock, self._unlock) if plan.lock_settings.pulsed else ()
        self._only_for_a_moment = (*pulsed, self._rcd_test)
        self._shown: tuple[object, ...] = ()
        self._told = _Told(plan.evse_id, log)
        self._seq = 0
        self._reported_s = -REPORT_S
        self._report_s = REPORT_S
        self._set_pilot(self.cycle.offer.signal, now_s)
        self._mirror_open_when_active = plan.mirror_normally_closed
        self._phase_mirror_open_when_active = plan.phase_mirror_normally_closed
        age_s = self._max_age_s
        self._mirror = claim_input(lines, plan.mirror, max_age_s=age_s)
        self._phase_mirror = claim_input(lines, plan.phase_mirror, max_age_s=age_s)
        self._locked = claim_input(lines, plan.lock_feedback, max_age_s=age_s)
        common = common or Common(lines, log, max_age_s=age_s, several=False)
        self._rcd = common.input(plan.rcd, pulses=True)
        self._emergency_stop = common.input(plan.emergency_stop, pulses=True)
        watched = (common.input(line, pulses=True) for _, line in plan.watched)
        self._watched = tuple(each for each in watched if each is not None)
        self._shared = shared
        found = (self._mirror, self._phase_mirror, self._locked, self._rcd, self._emergency_stop, *self._watched)
        self._lines = tuple(each for each in found if each is not None)
        self._ask = asked_together(self._lines)
        self._levels: list[bool | None] = []
        self._shared_levels: tuple[bool | None, ...] = ()
        self._calm = False  # nothing of this EVSE's own would make the next scan another one
        self.stills = 0
        self._temperatures = tuple(common.temperature(each, evse_id=plan.evse_id) for each in plan.temperatures)
        self.indicator = open_indicator(plan.indicator, station, lines, evse_id=plan.evse_id, log=log)
        self._has_button = self.indicator is not None and self.indicator.has_button

    @property
    def kept(self) -> Kept:
        """Return what must outlive this run."""
        cycle, phases = self.cycle, self.cycle.phases
        return Kept(
            welded=cycle.welded,
            failed_to_close=cycle.failed_to_close,
            wear=cycle.contactor.wear,
            phase_wear=NEW.phase_wear if phases is None else phases.contactor.wear,
        )

    def scan(self, now_s: float) -> Report | None:
        """Read, judge, write; return a report when something changed or the last one is old.

        Most of a life every scan sees what the one before saw: then nothing is judged, written or told anew.
        """
        reading: PowerPathReading | DriverError
        try:
            reading = self._power_path.read()
        except DriverError as problem:
            reading = problem
        levels = [line.ask(now_s) for line in self._lines] if self._ask is None else self._ask()
        if self._calm and now_s < self.cycle.still_until_s and self._is_still(reading, levels, now_s):
            return None
        self._calm = False
        self._levels = levels
        self._read(self.inputs, reading, now_s)
        return self._judge(now_s)

    def _judge(self, now_s: float) -> Report | None:
        cycle, indicator = self.cycle, self.indicator
        if self.siblings:
            see_siblings(self.siblings, self.inputs)
            if indicator is not None:  # it is the light of all of them
                indicator.fault(bool(cycle.faults) or any(each.faults for each in self.siblings))
        judged = cycle.scan(self.inputs, now_s)
        if cycle.outputs is not self._written:
            self._write(cycle.outputs, now_s)
        if indicator is not None:
            if self._has_button and indicator.press(now_s):
                judged, self._shown = True, ()
            if now_s >= indicator.due_s:
                indicator.step(now_s)
        if not judged and now_s - self._reported_s < self._report_s:
            self._calm = self._is_calm()
            return None
        shown = shown_by(cycle)
        if shown == self._shown and now_s - self._reported_s < self._report_s:
            return None
        if shown != self._shown:
            self._told.compare(cycle)
            if indicator is not None and not self.siblings:
                indicator.fault(bool(cycle.faults))
        self._shown = shown
        return self._tell(now_s)

    def _tell(self, now_s: float) -> Report:
        cycle, indicator = self.cycle, self.indicator
        self._reported_s = now_s
        self._report_s = QUIET_REPORT_S if cycle.permit is None and not cycle.contactor.coil else REPORT_S
        self._seq += 1
        report = report_of(cycle, self.inputs, seq=self._seq, now_s=now_s)
        if self._lost:
            report = replace(report, power_path_why=self._lost_why)
        report = self._charge.told(report)
        return report if indicator is None or not indicator.presses else replace(report, presses=indicator.presses)

    def begin_safe(self) -> None:
        """Nothing of its own takes a while: ``make_safe`` does it all at once."""

    def make_safe(self, signal: PilotSignal = STEADY_HIGH) -> None:
        """Open the contactor and put the pilot into ``signal``, whatever else fails on the way.

        A held lock stays as it is; a motor's pulse and a sensor's test end. Used before the process ends, in order or
        not.
        """
        with ExitStack() as last_acts:
            if self.indicator is not None:
                last_acts.callback(self.indicator.make_dark)
            for driven in self._only_for_a_moment:
                last_acts.callback(driven.write, False)
            last_acts.callback(self._power_path.set_pilot, STEADY_LOW if self.cycle.welded else signal)
            if self._phases is not None:
                last_acts.callback(self._phases.write, False)
            last_acts.callback(self._contactor.write, False)
        self._coil = False

    def _is_still(self, reading: PowerPathReading | DriverError, levels: list[bool | None], now_s: float) -> bool:
        """Return whether this scan sees what the one before saw, with nothing due: then it would change nothing."""
        inputs, indicator, shared = self.inputs, self.indicator, self._shared
        if (
            levels != self._levels
            or isinstance(reading, DriverError)
            or reading.high_v != inputs.high_v
            or reading.low_v != inputs.low_v
            or reading.proximity_ohm != inputs.proximity_ohm
            or now_s - reading.taken_s > self._max_age_s
            or inputs.taken_s is None
            or reading.taken_s < inputs.taken_s
            or now_s - self._reported_s >= self._report_s
            or (indicator is not None and now_s >= indicator.due_s)
            or (shared is not None and shared.levels != self._shared_levels)
            or (self._temperatures and self._temperatures_c(now_s) != inputs.temperature_c)
        ):
            return False
        inputs.taken_s = self.cycle.taken_s = reading.taken_s
        self.stills += 1
        return True

    def _is_calm(self) -> bool:
        """Return whether the next scan is decided by what ``_is_still`` looks at."""
        return (
            self._ask is not None
            and not self.siblings
            and not self._late
            and not self._lost
            and not self._has_button
            and self._written is self.cycle.outputs
            and all(line.settled for line in self._lines)
        )

    def _temperatures_c(self, now_s: float) -> tuple[float | None, ...]:
        return tuple([each.value_c(now_s) for each in self._temperatures])

    def _read(self, inputs: Inputs, reading: PowerPathReading | DriverError, now_s: float) -> None:
        if isinstance(reading, DriverError):
            self._lose(reading, now_s)
            inputs.taken_s = None
        else:
            inputs.taken_s = reading.taken_s
            inputs.high_v = reading.high_v
            inputs.low_v = reading.low_v
            inputs.proximity_ohm = reading.proximity_ohm
        for late in self._late:
            if late.problem is not None:
                self._lose(DriverUnavailable(late.problem), now_s)
        if self._lost and now_s >= self._lost_until_s:
            self._lost = False
            self._log.info("power_path.recovered", evse_id=self.evse_id)
        inputs.power_path_ok = not self._lost
        told = iter(self._levels)
        if self._mirror is not None:
            level = self._mirror.counted(next(told), now_s)
            inputs.main_closed = None if level is None else level is not self._mirror_open_when_active
        if self._phase_mirror is not None:
            level = self._phase_mirror.counted(next(told), now_s)
            inputs.phases_closed = None if level is None else level is not self._phase_mirror_open_when_active
        if self._locked is not None:
            inputs.locked = self._locked.counted(next(told), now_s)
        if self._rcd is not None:
            inputs.rcd_tripped = self._rcd.counted(next(told), now_s)
        if self._emergency_stop is not None:
            inputs.emergency_stop = self._emergency_stop.counted(next(told), now_s)
        if self._watched or self._shared is not None:
            self._shared_levels = () if self._shared is None else self._shared.levels
            own = [line.counted(level, now_s) for line, level in zip(self._watched, told, strict=True)]
            inputs.watched = (*own, *self._shared_levels)
        if self._temperatures:
            inputs.temperature_c = self._temperatures_c(now_s)

    def _write(self, outputs: Outputs, now_s: float) -> None:
        coil, signal, drive, phase_coil, unlock, rcd_test = outputs
        complete = True
        if coil is not self._coil and not coil:
            complete = self._write_coil(coil, now_s)
        if phase_coil is not self._phase_coil and self._phases is not None:
            complete = self._write_phases(self._phases, phase_coil, now_s) and complete
        if signal is not self._signal:
            complete = self._set_pilot(signal, now_s) and complete
        if coil is not self._coil and coil:
            complete = self._write_coil(coil, now_s) and complete
        ways = [(self._lock, drive), (self._unlock, unlock)]
        ways.sort(key=lambda way: way[1])  # off before on: a lock's motor is never driven both ways at once
        for driven, level in (*ways, (self._rcd_test, rcd_test)):
            complete = self._drive(driven, level, now_s) and complete
        self._written = outputs if complete else None

    def _write_coil(self, coil: bool, now_s: float) -> bool:
        try:
            self._contactor.write(coil)
        except DriverError as problem:
            self._lose(problem, now_s)
            return False
        self._coil = coil
        self._told.coil(coil, self.cycle.contactor.open_reason, scan_us=round((monotonic() - now_s) * 1e6))
        return True

    def _write_phases(self, line: OutputLine, coil: bool, now_s: float) -> bool:
        try:
            line.write(coil)
        except DriverError as problem:
            self._lose(problem, now_s)
            return False
        self._phase_coil = coil
        self._log.info("phases.switched", evse_id=self.evse_id, phases=3 if coil else 1)
        return True

    def _drive(self, driven: _Driven, level: bool, now_s: float) -> bool:
        try:
            driven.write(level)
        except DriverError as problem:
            self._lose(problem, now_s)
            return False
        return True

    def _set_pilot(self, signal: PilotSignal, now_s: float) -> bool:
        try:
            self._power_path.set_pilot(signal)
        except DriverError as problem:
            self._signal = None
            self._lose(problem, now_s)
            return False
        self._signal = signal
        return True

    def _lose(self, problem: DriverError, now_s: float) -> None:
        self._lost_until_s = now_s + LOST_S
        if not self._lost:
            self._lost, self._lost_why = True, str(problem)[:REASON_CHARS]
            self._log.error("power_path.lost", evse_id=self.evse_id, problem=str(problem))


class _Told(Told):
    """Says in the log what changed, once per change."""

    _permit_a: float | None = None

    def coil(self, coil: bool, reason: OpenReason, *, scan_us: int) -> None:
        if coil:
            self._log.info("contactor.closed", evse_id=self._evse_id, scan_us=scan_us)
        else:
            self._log.info("contactor.opened", evse_id=self._evse_id, reason=reason.value, scan_us=scan_us)

    def compare(self, cycle: Cycle) -> None:
        self.pilot(cycle.view.state, cycle.offer.current_a)
        permit_a = None if cycle.permit is None else cycle.permit.max_current_a
        if permit_a != self._permit_a:
            self._permit_a = permit_a
            self._log.info("permit.changed", evse_id=self._evse_id, permit_a=permit_a)
        self.faults(cycle.faults)


class _Driven:
    """An output, if there is one, that is written only when its level changes."""

    def __init__(self, line: OutputLine | None, level: bool) -> None:
        self._line = line
        self._level = level

    def write(self, level: bool) -> None:
        if self._line is not None and level is not self._level:
            self._line.write(level)
            self._level = level
