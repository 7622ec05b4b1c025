"""The bench's own world in this process, in virtual time, behind the drivers' contracts: what a trial is held on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.trial.devices import Devices
from agent.trial.findings import Check, Finding, Verdict
from agent.trial.fitted import Mains, fitted
from agent.trial.runner import Runner
from drivers.api import DriverUnavailable, PilotMode, PilotSignal, PowerPathReading
from hil.evse import Evse
from hil.pilot_circuit import Generator, GeneratorMode
from hil.world import World, WorldSettings

SCAN_S = 0.02
BENCHES: dict[str, TrialBench] = {}
_names = itertools.count()
_MODES = {
    PilotMode.STEADY_HIGH: GeneratorMode.STEADY_HIGH,
    PilotMode.STEADY_LOW: GeneratorMode.STEADY_LOW,
    PilotMode.PWM: GeneratorMode.PWM,
}


class BenchLine:
    """One line of the world, in either direction."""

    def __init__(self, bench: TrialBench, line: str, *, active_high: bool) -> None:
        self._bench = bench
        self._line = line
        self._active_high = active_high

    def write(self, active: bool) -> None:
        if self._line in self._bench.broken:
            raise DriverUnavailable(f"line {self._line} is broken")
        self._bench.written.append((self._line, active))
        self._bench.world.write(self._line, active is self._active_high, self._bench.now_s)

    def read(self) -> bool | None:
        return None if self._line in self._bench.broken else self._bench.world.level(self._line) is self._active_high

    def age_s(self, now_s: float) -> float:
        return 0.0

    def take_pulse(self) -> bool:
        return bool(self.read())


class TrialBench:
    """A station on the bench's world; ``run`` runs the checks and returns what they found."""

    def __init__(self, **evse: Any) -> None:
        self.now_s = 1000.0
        self.world = World(WorldSettings(), now_s=self.now_s)
        self.broken: set[str] = set()
        self.written: list[tuple[str, bool]] = []
        self.answers: Callable[[str], bool | None] = lambda question: None
        self.questions: list[str] = []
        self.said: list[str] = []
        self.found: list[Finding] = []
        self.step_s = SCAN_S
        self.breaks_s = math.inf  # when the status light's line breaks
        self.name = f"trial{next(_names)}"
        BENCHES[self.name] = self
        self._changes = evse

    # The world's side.

    @property
    def evse(self) -> Evse:
        return self.world.evses[1]

    @contextmanager
    def happening(self) -> Iterator[Evse]:
        with self.world.stimulus(self.now_s):
            yield self.evse

    # The drivers' side.

    def output(self, line: str, *, active_high: bool, initial: bool) -> BenchLine:
        claimed = BenchLine(self, line, active_high=active_high)
        claimed.write(initial)
        return claimed

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> BenchLine:
        return BenchLine(self, line, active_high=active_high)

    def set_pilot(self, signal: PilotSignal) -> None:
        generator = Generator(mode=_MODES[signal.mode], duty_pct=signal.duty_pct)
        self.world.set_generator(1, generator, self.now_s)

    def read(self) -> PowerPathReading:
        if "pilot" in self.broken:
            raise DriverUnavailable("the pilot cannot be measured")
        pilot, ohm = self.evse.pilot, self.evse.proximity_ohm
        return PowerPathReading(pilot.high_v, pilot.low_v, None if math.isnan(ohm) else ohm, self.now_s)

    def close(self) -> None:
        """Nothing to release."""

    # The trial.

    def plan(self, **changes: Any) -> dict[str, Any]:
        def line(name: str, **more: Any) -> dict[str, Any]:
            return {"line": f"evse1.{name}", "active_high": True, **more}

        evse: dict[str, Any] = {
            "id": 1,
            "phases": 3,
            "max_current_a": 32,
            "power_path": {"target": f"{__name__}:open_power_path", "options": {"bench": self.name}},
            "contactor": line("contactor"),
            "mirror": line("mirror", kind="nc"),
            "lock": line("lock", feedback=line("lock_feedback")),
            "rcd": line("rcd"),
            "rcm": line("rcm"),
            "emergency_stop": line("emergency_stop"),
            "door": line("door"),
            "rcd_test": line("rcd_test"),
            "led": line("led"),
        }
        return {
            "version": 1,
            "plan_id": "plan-1",
            "scan_s": SCAN_S,
            "socket": "/nowhere/guard.sock",
            "state_dir": "/nowhere",
            "lines": {"target": f"{__name__}:open_lines", "options": {"bench": self.name}},
            "evses": [evse | self._changes | changes],
        }

    def open(self, mains: Mains = Mains.OFF, *, left_out: tuple[Check, ...] = (), log_fd: int = 2) -> Runner:
        plan = parse_plan(self.plan())
        self.devices = Devices(plan, Log(fd=log_fd, as_json=True))
        facts = fitted(plan.evses[0], plan, mains=mains, mains_why="", latched=(), first=True)
        device = self.devices.channels[1, 1]
        return Runner([(facts, device)], left_out=frozenset(left_out), found=self.found.append)

    def run(
        self,
        mains: Mains = Mains.OFF,
        *,
        left_out: tuple[Check, ...] = (),
        each_step: Callable[[], None] = lambda: None,
    ) -> list[Finding]:
        runner = self.open(mains, left_out=left_out)
        for _ in range(100_000):
            self.now_s = round(self.now_s + self.step_s, 6)
            self.world.step(self.now_s)
            if self.now_s >= self.breaks_s:
                self.broken.add("evse1.led")
            each_step()
            if runner.step(self.now_s):
                self.devices.make_safe()
                return self.found
            if runner.question and runner.question not in self.questions:
                self.questions.append(runner.question)
                runner.answer(self.answers(runner.question))
            if runner.saying and runner.saying not in self.said:
                self.said.append(runner.saying)
        raise AssertionError(f"no end; last: {self.said[-1:]} {runner.question}")

    def of(self, check: Check) -> list[Finding]:
        return [each for each in self.found if each.check is check]

    def failed(self) -> list[str]:
        return [each.what for each in self.found if each.verdict is Verdict.FAILED]


def open_lines(*, bench: str) -> TrialBench:
    return BENCHES[bench]


def open_power_path(*, bench: str) -> TrialBench:
    return BENCHES[bench]
