"""Inputs beside a bought controller: earth, door, tilt and the station's own withdraw its current at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from agent.guard.wire import GuardFault, Permit, Report
from drivers.api import OutputLine
from drivers.api.controllers import VehicleState
from tests.scenario.test_guard_controlled import CONTROLLERS, Fake

SCAN_S = 0.01
BOARDS: list[Board] = []


class Input:
    """A line that shows what the test says."""

    def __init__(self) -> None:
        self.active: bool | None = False

    def read(self) -> bool | None:
        return self.active

    def age_s(self, now_s: float) -> float:
        return 0.0

    def take_pulse(self) -> bool:
        return False


class Board:
    """Lines that are all inputs."""

    def __init__(self) -> None:
        self.inputs: dict[str, Input] = {}

    def input(self, line: str, *, active_high: bool, pull: str = "none") -> Input:
        return self.inputs.setdefault(line, Input())

    def output(self, line: str, *, active_high: bool, initial: bool) -> OutputLine:
        raise AssertionError(f"{line} is no output")

    def close(self) -> None:
        """Nothing to release."""


def open_board() -> Board:
    BOARDS.append(Board())
    return BOARDS[-1]


class Rig:
    """A station with two bought controllers, inputs of its own, and one of the first EVSE."""

    def __init__(self, state_dir: Path, log_fd: int) -> None:
        def evse(number: int, **more: object) -> dict[str, object]:
            controller = {"target": "tests.scenario.test_guard_controlled:open_fake", "options": {}}
            return {"id": number, "phases": 3, "max_current_a": 16, "controller": controller, **more}

        def line(name: str, **more: object) -> dict[str, object]:
            return {"line": name, "active_high": True, **more}

        plan = parse_plan(
            {
                "version": 1,
                "plan_id": "p",
                "scan_s": SCAN_S,
                "socket": str(state_dir / "guard.sock"),
                "state_dir": str(state_dir),
                "lines": {"target": f"{__name__}:open_board", "options": {}},
                "evses": [],
                "controlled": [evse(1, tilt=line("tilt", latched=True), ground=line("ground")), evse(2)],
                "inputs": {"emergency_stop": line("stop"), "door": line("door")},
                "min_reclose_s": 0,
            }
        )
        self.now_s = 1000.0
        self.reports: dict[int, Report] = {}
        self.station = Station(plan, Log(fd=log_fd, as_json=True), now_s=self.now_s)
        self.first, self.second = CONTROLLERS[-2:]
        self.lines = BOARDS[-1].inputs

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.scan()

    def scan(self) -> None:
        self.now_s += SCAN_S
        for controller in (self.first, self.second):
            controller.live(self.now_s)
        self.reports |= {report.evse_id: report for report in self.station.scan(self.now_s)}

    def charge(self) -> None:
        """Let both vehicles charge."""
        for controller in (self.first, self.second):
            controller.vehicle = VehicleState.C
        self.run(1.0)
        for evse_id in (1, 2):
            permit = Permit(evse_id=evse_id, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="p")
            assert self.station.handle(permit, 1, self.now_s) is None
        self.run(1.0)
        assert self.first.closed
        assert self.second.closed


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    yield Rig(tmp_path, fd)
    os.close(fd)


def ordered(controller: Fake) -> tuple[float | None, bool]:
    return controller.order.current_a, controller.order.at_once


@pytest.mark.parametrize(
    ("name", "fault", "reason"),
    [("stop", GuardFault.EMERGENCY_STOP, "emergency_stop"), ("door", GuardFault.DOOR_OPEN, "door")],
)
def test_an_input_of_the_station_withdraws_every_controllers_current_in_the_scan_that_sees_it(
    rig: Rig, name: str, fault: GuardFault, reason: str
) -> None:
    rig.charge()
    rig.lines[name].active = True
    rig.scan()
    assert ordered(rig.first) == ordered(rig.second) == (None, True)
    for report in rig.reports.values():
        assert report.faults == (fault,)
        assert reason in report.waiting_for
    rig.lines[name].active = False
    rig.run(1.0)
    assert ordered(rig.first) == ordered(rig.second) == (16.0, False)
    assert rig.reports[1].faults == ()


def test_an_input_of_one_evse_leaves_the_other_alone(rig: Rig) -> None:
    rig.charge()
    rig.lines["ground"].active = True
    rig.scan()
    assert ordered(rig.first) == (None, True)
    assert rig.reports[1].faults == (GuardFault.GROUND_MISSING,)
    assert ordered(rig.second) == (16.0, False)


def test_one_that_latches_holds_until_the_vehicle_has_left(rig: Rig) -> None:
    rig.charge()
    rig.lines["tilt"].active = True
    rig.scan()
    rig.lines["tilt"].active = False
    rig.run(5.0)
    assert ordered(rig.first) == (None, True)
    assert rig.reports[1].faults == (GuardFault.TILTED,)
    rig.first.vehicle = VehicleState.A
    rig.run(1.0)
    assert rig.reports[1].faults == ()


@pytest.mark.parametrize("name", ["door", "stop", "tilt"])
def test_an_input_without_a_level_is_no_current(rig: Rig, name: str) -> None:
    rig.charge()
    rig.run(3.0)
    rig.lines[name].active = None
    rig.scan()
    assert rig.first.order.current_a is None
    assert rig.reports[1].faults == (GuardFault.INPUT_UNKNOWN,)
    assert "input_unknown" in rig.reports[1].waiting_for
