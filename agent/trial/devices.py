"""The devices of a plan, opened as the guard opens them, looked at and driven for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, Protocol

from agent.guard.bus import Bus
from agent.guard.channels import Common
from agent.guard.controlled import SETTLE_S, open_controller
from agent.guard.evse import EvseOutputs
from agent.guard.latch import Channel
from agent.guard.late import open_power_path
from agent.guard.late_lines import LateLines
from agent.guard.log import Log
from agent.guard.offer import STEADY_LOW
from agent.guard.plan import ControlledPlan, EvsePlan, LinePlan, Plan
from agent.guard.plan_indicator import IndicatorPlan
from agent.guard.sensing import WatchedLine, open_heartbeat
from agent.guard.timings import MAX_AGE_SCANS
from agent.trial.sights import SAFE, Seen, Wish
from drivers.api import DriverError, DriverTimeout, DriverUnavailable, Lines, OutputLine, PilotSignal
from drivers.api.controllers import NO_OFFER, STOP_AT_ONCE

AGE_S: Final = 0.1  # a value older than this, and than the guard's own limit, is unknown; house rule


class Device(Protocol):
    """One EVSE as the checks see it."""

    def see(self, now_s: float) -> Seen:
        """Read everything. Never raises ``DriverError``: what cannot be read is unknown."""

    def drive(self, wish: Wish) -> dict[str, str]:
        """Write what changed; return what could not be written, by output, and why."""

    def make_safe(self) -> None:
        """Write everything safe, whatever fails on the way. Raises ``DriverError`` after all was tried."""


class OwnEvse:
    """An EVSE, or one of its connectors, whose pilot and contactor are ours."""

    def __init__(
        self, plan: EvsePlan, station: Plan, *, outputs: EvseOutputs, lines: Lines, shared: _Shared, common: Common
    ) -> None:
        """Take the devices over; ``outputs`` are safe already, the pilot is made safe here.

        ``common``: what the connectors of this EVSE claim together.
        """
        self._plan = plan
        self._age_s = max(AGE_S, station.scan_s * MAX_AGE_SCANS)
        self._outputs = outputs
        self._power_path = open_power_path(plan.power_path)
        self._signal: PilotSignal | None = None
        self._written: dict[str, bool] = {}
        self._problems: dict[str, str] = {}
        self._shared = shared
        self.siblings: dict[int, OwnEvse] = {}  # the other connectors of this EVSE, by number

        def claim(line: LinePlan | None) -> WatchedLine | None:
            return None if line is None else WatchedLine(lines, line, max_age_s=self._age_s)

        self._mirror, self._phase_mirror = claim(plan.mirror), claim(plan.phase_mirror)
        self._locked = claim(plan.lock_feedback)
        named = [("rcd", plan.rcd), ("emergency_stop", plan.emergency_stop)]
        named += [(role.value, line) for role, line in plan.watched]
        claimed = {name: common.input(line) for name, line in named}
        self._inputs = {name: line for name, line in claimed.items() if line is not None}
        self._temperatures = [common.temperature(each, evse_id=plan.evse_id) for each in plan.temperatures]
        self._people = _People(plan.indicator, lines, self._age_s)
        self.drive(SAFE)

    def see(self, now_s: float) -> Seen:
        """See ``Device``."""
        problems: dict[str, str] = {}
        high_v = low_v = ohm = taken_s = None
        try:
            reading = self._power_path.read()
        except DriverError as error:
            problems["pilot"] = str(error)
        else:
            taken_s = reading.taken_s
            if now_s - taken_s <= self._age_s:
                high_v, low_v, ohm = reading.high_v, reading.low_v, reading.proximity_ohm
        plan = self._plan
        return Seen(
            now_s=now_s,
            high_v=high_v,
            low_v=low_v,
            proximity_ohm=ohm,
            taken_s=taken_s,
            main_closed=self.main_closed(now_s),
            phases_closed=_closed(self._phase_mirror, plan.phase_mirror_normally_closed, now_s),
            locked=None if self._locked is None else self._locked.level(now_s),
            levels={name: line.counted(line.ask(now_s), now_s) for name, line in self._inputs.items()}
            | self._shared.levels(now_s)
            | {f"contactor of connector {number}": each.main_closed(now_s) for number, each in self.siblings.items()},
            temperature_c=tuple(each.value_c(now_s) for each in self._temperatures),
            pressed=self._people.pressed(now_s),
            problems=problems,
        )

    def main_closed(self, now_s: float) -> bool | None:
        """Return whether the main contacts are closed by their feedback, ``None`` unknown or without one."""
        return _closed(self._mirror, self._plan.mirror_normally_closed, now_s)

    def drive(self, wish: Wish) -> dict[str, str]:
        """See ``Device``: what goes off before what goes on, the coil first and last."""
        outputs = self._outputs
        self._problems = {}
        with ExitStack() as acts:  # in the reverse order of this list, each whatever becomes of the others
            if wish.coil:
                acts.callback(self._write, "contactor", outputs.contactor, wish.coil)
            if wish.phase_coil:
                acts.callback(self._write, "phases", outputs.phases, wish.phase_coil)
            for colour, lamp in self._people.lights:
                acts.callback(self._write, "light", lamp, wish.light == colour, key=colour)
            acts.callback(self._write, "buzzer", self._people.buzzer, wish.sound)
            acts.callback(self._write, "rcd_test", outputs.rcd_test, wish.rcd_test)
            ways = [("lock", outputs.lock, wish.lock), ("unlock", outputs.unlock, wish.unlock)]
            for name, line, level in sorted(ways, key=lambda way: not way[2]):
                if level is not None:
                    acts.callback(self._write, name, line, level)
            acts.callback(self._set_pilot, wish.signal)
            if not wish.phase_coil:
                acts.callback(self._write, "phases", outputs.phases, wish.phase_coil)
            if not wish.coil:
                acts.callback(self._write, "contactor", outputs.contactor, wish.coil)
        return self._problems

    def make_safe(self) -> None:
        """See ``Device``. Everything is written again, whatever was written before; a held lock stays as it is."""
        pulsed = self._plan.lock_settings.pulsed
        self._written.clear()
        self._signal = None
        problems = self.drive(Wish(signal=STEADY_LOW, lock=False if pulsed else None, unlock=False))
        if problems:
            raise DriverUnavailable(f"EVSE {self._plan.evse_id}: {'; '.join(problems.values())}")

    def _set_pilot(self, signal: PilotSignal) -> None:
        if signal != self._signal:
            self._signal = None
            try:
                self._power_path.set_pilot(signal)
            except DriverError as problem:
                self._problems["pilot"] = str(problem)
            else:
                self._signal = signal

    def _write(self, name: str, line: OutputLine | None, level: bool, *, key: str = "") -> None:
        key = f"{name}.{key}"
        if line is not None and self._written.get(key) is not level:
            self._written.pop(key, None)
            try:
                line.write(level)
            except DriverError as problem:
                self._problems[name] = str(problem)
            else:
                self._written[key] = level


class BoughtEvse:
    """An EVSE with a bought controller: it is asked for no current, and looked at."""

    def __init__(
        self, plan: ControlledPlan, station: Plan, *, buses: Mapping[str, Bus], lines: Lines | None, shared: _Shared
    ) -> None:
        """Open the controller, whose order is "no current" from here on."""
        self._plan = plan
        self._controller = open_controller(plan, buses)
        self._shared = shared
        self._people = _People(IndicatorPlan(), lines, AGE_S)
        self._written: dict[str, bool] = {}
        self._inputs: dict[str, WatchedLine] = {}
        self._mirror: WatchedLine | None = None
        if lines is None:
            return
        age_s = max(AGE_S, station.scan_s * MAX_AGE_SCANS)
        self._people = _People(plan.indicator, lines, age_s)
        if plan.mirror is not None:
            self._mirror = WatchedLine(lines, plan.mirror, max_age_s=age_s)
        named = [("rcd", plan.rcd), ("emergency_stop", plan.emergency_stop)]
        named += [(role.value, line) for role, line in plan.watched]
        self._inputs = {name: WatchedLine(lines, line, max_age_s=age_s) for name, line in named if line is not None}

    def see(self, now_s: float) -> Seen:
        """See ``Device``."""
        return Seen(
            now_s=now_s,
            main_closed=_closed(self._mirror, self._plan.mirror_normally_closed, now_s),
            levels={name: line.level(now_s) for name, line in self._inputs.items()} | self._shared.levels(now_s),
            pressed=self._people.pressed(now_s),
            reading=self._controller.read(),
            trouble=self._controller.trouble,
        )

    def drive(self, wish: Wish) -> dict[str, str]:
        """See ``Device``. No wish ever asks the controller for current."""
        problems = {}
        wanted = [("light", colour, line, wish.light == colour) for colour, line in self._people.lights]
        if self._people.buzzer is not None:
            wanted.append(("buzzer", "", self._people.buzzer, wish.sound))
        for name, key, line, level in wanted:
            if self._written.get(f"{name}.{key}", False) is not level:
                try:
                    line.write(level)
                except DriverError as problem:
                    problems[name] = str(problem)
                else:
                    self._written[f"{name}.{key}"] = level
        return problems

    def make_safe(self) -> None:
        """See ``Device``: "no current" is written, even if it was before."""
        self._controller.command(STOP_AT_ONCE)
        self._controller.command(NO_OFFER)
        self.drive(SAFE)
        if not self._controller.settle(SETTLE_S):
            trouble = self._controller.trouble or "no answer"
            raise DriverTimeout(f"EVSE {self._plan.evse_id}: the controller did not take 'no current': {trouble}")


class _People:
    """The status light, the buzzer and the button of one EVSE."""

    def __init__(self, plan: IndicatorPlan, lines: Lines | None, age_s: float) -> None:
        def output(line: LinePlan) -> OutputLine:
            assert lines is not None  # a plan with any of these uses lines
            return lines.output(line.line, active_high=line.active_high, initial=False)

        self.lights = [(colour or "light", output(line)) for colour, line in plan.lights]
        self.buzzer = None if plan.buzzer is None else output(plan.buzzer)
        self._button: WatchedLine | None = None
        if plan.button is not None and lines is not None:
            self._button = WatchedLine(lines, plan.button, max_age_s=age_s)

    def pressed(self, now_s: float) -> bool | None:
        """Return whether the button is pressed, ``None`` unknown or without one."""
        return None if self._button is None else self._button.level(now_s)


class _Shared:
    """The inputs of the station as a whole."""

    def __init__(self, lines: Lines | None, plan: Plan) -> None:
        age_s = max(AGE_S, plan.scan_s * MAX_AGE_SCANS)
        self._inputs = {
            f"station {role.value}": WatchedLine(lines, line, max_age_s=age_s)
            for role, line in plan.inputs
            if lines is not None
        }

    def levels(self, now_s: float) -> dict[str, bool | None]:
        """Read them."""
        return {name: line.level(now_s) for name, line in self._inputs.items()}


class Devices:
    """Every EVSE of a plan, and each of its connectors."""

    def __init__(self, plan: Plan, log: Log) -> None:
        """Open everything; each output's first value is safe, contactors before everything else.

        Raises:
            DriverError: the board's lines cannot be opened at all. PlanError: a target does not exist.
        """
        lines = LateLines(plan.lines.open(), log) if plan.uses_lines else None
        outputs = [] if lines is None else [EvseOutputs(evse, lines) for evse in plan.evses]
        self._heartbeat = None if lines is None else open_heartbeat(lines, plan)
        shared = _Shared(lines, plan)
        buses = {name: Bus(name, target) for name, target in plan.buses.items()}
        self.channels: dict[Channel, Device] = {}
        common: dict[int, Common] = {}
        own_devices: list[tuple[int, int, OwnEvse]] = []
        age_s = max(AGE_S, plan.scan_s * MAX_AGE_SCANS)
        for own, claimed in zip(plan.evses, outputs, strict=True):
            assert lines is not None  # an EVSE of our own has a contactor's line
            of_evse = common.setdefault(own.evse_id, Common(lines, log, max_age_s=age_s))
            device = OwnEvse(own, plan, outputs=claimed, lines=lines, shared=shared, common=of_evse)
            self.channels[own.evse_id, own.connector_id] = device
            own_devices.append((own.evse_id, own.connector_id, device))
        for evse_id, connector_id, device in own_devices:
            others = [each for each in own_devices if each[0] == evse_id and each[1] != connector_id]
            device.siblings = {number: other for _, number, other in others}
        for bought in plan.controlled:
            self.channels[bought.evse_id, 1] = BoughtEvse(bought, plan, buses=buses, lines=lines, shared=shared)

    def beat(self, now_s: float, *, healthy: bool) -> None:
        """Let the heartbeat line go on, which on some boards is the supply of the coil. Raises ``DriverError``."""
        problem = None if self._heartbeat is None else self._heartbeat.step(now_s, healthy=healthy)
        if problem is not None:
            raise problem

    def make_safe(self) -> None:
        """Make every EVSE safe, whatever fails on the way. Raises ``DriverError`` after all were tried."""
        with ExitStack() as acts:
            for device in self.channels.values():
                acts.callback(device.make_safe)


def _closed(mirror: WatchedLine | None, normally_closed: bool, now_s: float) -> bool | None:
    """Return whether the contacts are closed by their feedback, ``None`` unknown or without one."""
    level = None if mirror is None else mirror.level(now_s)
    return None if level is None else level is not normally_closed
