"""The technician's checks of an EVSE with two connectors: each is checked for itself, and never beside a closed one."""

from __future__ import annotations

import math
from typing import Any

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.trial.devices import Devices
from agent.trial.findings import Check, Verdict, from_content
from agent.trial.findings import as_content as content_of
from agent.trial.fitted import Mains, fitted
from agent.trial.report import line_of
from agent.trial.runner import Runner
from drivers.api import PilotSignal, PowerPathReading
from hil.actuators import ContactorMode
from hil.pilot_circuit import Generator
from hil.world import World, WorldSettings
from tests.scenario.trial_world import _MODES, BENCHES, TrialBench


class SecondPilot:
    """Pilot and proximity of connector 2."""

    def __init__(self, *, bench: str) -> None:
        self._bench = BENCHES[bench]
        self._part = self._bench.world.at(1, 2)

    def set_pilot(self, signal: PilotSignal) -> None:
        generator = Generator(mode=_MODES[signal.mode], duty_pct=signal.duty_pct)
        self._bench.world.set_generator(1, generator, self._bench.now_s, connector=2)

    def read(self) -> PowerPathReading:
        pilot, ohm = self._part.pilot, self._part.proximity_ohm
        return PowerPathReading(pilot.high_v, pilot.low_v, None if math.isnan(ohm) else ohm, self._bench.now_s)

    def close(self) -> None:
        """Nothing to release."""


class TwoConnectors(TrialBench):
    """Connector 1 is a socket; connector 2 has a fixed cable, its own RCD and the EVSE's door."""

    def __init__(self) -> None:
        super().__init__(rcm=None, rcd_test=None)
        self.world = World(WorldSettings(connectors=2, fixed_cables=(2,)), now_s=self.now_s)

    def plan(self, **changes: Any) -> dict[str, Any]:
        content = super().plan(**changes)
        second = {
            "id": 1,
            "connector": 2,
            "phases": 3,
            "max_current_a": 16,
            "tethered": True,
            "power_path": {"target": f"{__name__}:SecondPilot", "options": {"bench": self.name}},
            "contactor": {"line": "evse1c2.contactor"},
            "mirror": {"line": "evse1c2.mirror"},
            "rcd": {"line": "evse1c2.rcd"},
            "door": {"line": "evse1.door"},
        }
        return content | {"evses": [*content["evses"], second]}

    def open(self, mains: Mains = Mains.OFF, *, left_out: tuple[Check, ...] = (), log_fd: int = 2) -> Runner:
        plan = parse_plan(self.plan())
        self.devices = Devices(plan, Log(fd=log_fd, as_json=True))
        each = [
            (
                fitted(part, plan, mains=mains, mains_why="", latched=(), first=part.connector_id == 1),
                self.devices.channels[1, part.connector_id],
            )
            for part in plan.evses
        ]
        return Runner(each, left_out=frozenset(left_out), found=self.found.append)


def test_each_connector_is_checked_for_itself_and_findings_name_it() -> None:
    bench = TwoConnectors()
    bench.answers = lambda question: "Ready?" not in question
    bench.run()
    assert bench.failed() == []
    closings = {each.connector_id: each for each in bench.of(Check.CONTACTOR) if each.what == "contactor, closing"}
    assert set(closings) == {1, 2}
    assert line_of(closings[2]).startswith("EVSE 1.2 contactor, closing")
    assert [each.connector_id for each in bench.of(Check.LOCK) if each.verdict is Verdict.PASSED] == [1, 1]
    assert from_content(content_of(closings[2])) == closings[2]
    assert [len(part.energisings) for part in bench.world.parts] == [1, 1]
    (one,), (two,) = (part.energisings for part in bench.world.parts)
    assert one.opened_s is not None
    assert one.opened_s < two.closed_s
    written = [line for line, active in bench.written if active]
    assert written.count("evse1.contactor") == written.count("evse1c2.contactor") == 1


def test_a_contactor_is_not_tested_beside_a_welded_one_of_the_same_evse() -> None:
    bench = TwoConnectors()
    bench.answers = lambda question: "Ready?" not in question
    with bench.happening():
        bench.world.at(1, 2).contactor.set_mode(ContactorMode.WELDED, bench.now_s)
    bench.run()
    assert ("evse1.contactor", True) not in bench.written
    assert ("evse1c2.contactor", True) not in bench.written
    (first,) = (each for each in bench.of(Check.CONTACTOR) if each.connector_id == 1)
    assert first.verdict is not Verdict.PASSED
    assert "contactor of connector 2 is active" in first.text
