"""A guard on a Linux board: its real drivers over a kernel that is played, to a charge, a lost ADC and back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from agent.guard.log import Log
from agent.guard.plan import parse_plan
from agent.guard.station import Station
from agent.guard.wire import GuardFault, Permit, PilotState, Report
from drivers.gpio.chips import Chips
from drivers.gpio.gpiod_lines import GpiodLines
from drivers.linux.power_path import LinuxPowerPath
from drivers.linux.power_path import open_power_path as open_linux
from tests.contract.kernel_gpio import GpioKernel
from tests.contract.kernel_pilot import PilotKernel
from tests.contract.test_power_path import BOARD, BURST, SPI
from tests.scenario.guard_world import plan_content

SCAN_S = 0.01  # the plan says 0.1: a busy machine must not make readings old
BOARDS: dict[str, LinuxBoard] = {}


def open_lines(*, world: str) -> GpiodLines:
    """The plan's target."""
    kernel = BOARDS[world].gpio
    return GpiodLines(Chips(kernel.module, kernel.paths))


def open_power_path(*, world: str) -> LinuxPowerPath:
    """The plan's target."""
    board = BOARDS[world]
    board.path = open_linux(board.pilot, **{**BOARD, **SPI, **BURST, "adc": "mcp3008"})
    return board.path


class LinuxBoard:
    """The board, its contactor and its guard, scanned in real time."""

    def __init__(self, state_dir: Path) -> None:
        self.pilot = PilotKernel()
        self.gpio = GpioKernel({"/dev/gpiochip0": ("pinctrl-rp1", ["COIL", "MIRROR", "STOP"])})
        BOARDS["linux"] = self
        content = plan_content("linux", str(state_dir), lock=None, rcd=None, led=None, min_reclose_s=0, scan_s=0.1)
        (evse,) = content["evses"]  # type: ignore[misc]  # plain JSON
        target = {"options": {"world": "linux"}}
        content["lines"] = {"target": f"{__name__}:open_lines", **target}
        evse["power_path"] = {"target": f"{__name__}:open_power_path", **target}
        evse["contactor"] = {"line": "COIL", "active_high": False}
        evse["mirror"] = {"line": "pinctrl-rp1:1", "kind": "nc", "pull": "up"}
        evse["emergency_stop"] = {"line": "STOP"}
        self.path: LinuxPowerPath | None = None
        self.gpio.drive("STOP", False)
        self.gpio.drive("MIRROR", True)
        log = Log(fd=os.open(state_dir / "guard.log", os.O_WRONLY | os.O_CREAT), as_json=True)
        self.station = Station(parse_plan(content), log, now_s=time.monotonic())
        self.report: Report | None = None

    @property
    def closed(self) -> bool:
        return self.gpio.wire("COIL").level is False

    def until(self, claim: Callable[[Report], bool], *, at_most_s: float = 30.0) -> None:
        """Scan until a report is as claimed."""
        pause, began_s = Event(), time.monotonic()
        while self.report is None or not claim(self.report):
            assert time.monotonic() - began_s < at_most_s, f"not within {at_most_s} s; last: {self.report}"
            self.gpio.drive("MIRROR", not self.closed)
            for report in self.station.scan(time.monotonic()):
                self.report = report
            pause.wait(SCAN_S)

    def permit(self) -> None:
        permit = Permit(evse_id=1, permit_id=1, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="plan-1")
        assert self.station.handle(permit, 0, time.monotonic()) is None

    def stop(self) -> None:
        self.station.make_safe(for_good=True)
        assert self.path is not None
        self.path.close()
        assert self.pilot.opened == {}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LinuxBoard]:
    opened = LinuxBoard(tmp_path)
    yield opened
    opened.stop()


def test_a_car_charges_on_a_linux_board_and_a_lost_adc_opens_and_recovers(board: LinuxBoard) -> None:
    assert board.gpio.wire("COIL").history[0] is True, "the coil's first level is off"
    board.until(lambda report: report.pilot is PilotState.A)
    board.pilot.plug(20)
    board.until(lambda report: report.pilot is PilotState.B)
    board.permit()
    board.until(lambda report: (report.offer_a or 0.0) > 15.9)
    assert board.pilot.high_share() == pytest.approx(0.2666, abs=0.0001)
    board.pilot.state = "C"
    board.until(lambda report: board.closed and not report.faults)
    board.pilot.adc_present = False
    board.until(lambda report: not board.closed)
    board.until(lambda report: GuardFault.POWER_PATH_LOST in report.faults)
    assert board.pilot.high_share() in (0.0, 1.0), "no offer without a pilot that can be seen"
    board.pilot.adc_present = True
    board.until(lambda report: GuardFault.POWER_PATH_LOST not in report.faults)


def test_an_emergency_stop_between_two_scans_opens_a_linux_board(board: LinuxBoard) -> None:
    board.until(lambda report: report.pilot is PilotState.A)
    board.gpio.drive("STOP", True)
    board.gpio.drive("STOP", False)
    board.until(lambda report: GuardFault.EMERGENCY_STOP in report.faults)
