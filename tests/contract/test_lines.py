"""What every set of on/off lines does, over every implementation, driven from the world's side."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from drivers.api import DriverUnavailable, Lines
from drivers.bench.lines import SPEC as BENCH_SPEC
from drivers.bench.lines import open_lines as open_bench_lines
from drivers.gpio.chips import Chips
from drivers.gpio.gpiod_factory import GpiodFactory
from drivers.gpio.gpiod_lines import SPEC as GPIOD_SPEC
from drivers.gpio.gpiod_lines import GpiodLines
from drivers.gpio.lines import SPEC as GPIO_SPEC
from drivers.gpio.lines import GpiozeroLines, open_lines
from hil.client import OwnBench
from tests.contract.kernel_gpio import GpioKernel

DELIVERY_S = 5.0


class BenchBoard:
    """The bench as a board: output evse1.contactor, input evse1.rcd."""

    output, other_output, input = "evse1.contactor", "evse1.led", "evse1.rcd"

    def __init__(self, directory: Path) -> None:
        self.own = OwnBench(directory)
        self.bench = self.own.client
        self.socket = str(directory / "pins.sock")

    def open(self) -> Lines:
        return open_bench_lines(socket=self.socket)

    def drive(self, level: bool) -> None:
        self.bench.rcd(action="trip" if level else "clear")

    def expect(self, line: str, level: bool) -> None:
        self.bench.wait(f"evse1.{'coil' if line == self.output else 'led'}", "==", level)

    def stop(self) -> None:
        self.own.stop()


class MockBoard:
    """gpiozero's own mock of a Raspberry Pi."""

    output, other_output, input = "GPIO17", "GPIO27", "GPIO22"

    def __init__(self, directory: Path) -> None:
        self.factory = MockFactory()

    def open(self) -> Lines:
        self.factory = MockFactory()
        return GpiozeroLines(factory=self.factory)

    def drive(self, level: bool) -> None:
        pin = self.factory.pin(self.input)
        pin.drive_high() if level else pin.drive_low()

    def expect(self, line: str, level: bool) -> None:
        assert bool(self.factory.pin(line).state) is level

    def stop(self) -> None:
        self.factory.reset()


class KernelBoard:
    """Two GPIO chips of a kernel, whose lines are taken straight over libgpiod."""

    output, other_output, input = "RELAY", "gpio-b:LED", "gpio-a:2"

    def __init__(self, directory: Path) -> None:
        self.kernel = self.boot()

    def boot(self) -> GpioKernel:
        return GpioKernel(
            {
                "/dev/gpiochip0": ("gpio-a", ["", "RELAY", "RCD", "LED"]),
                "/dev/gpiochip1": ("gpio-b", ["LED", "", ""]),
            }
        )

    def open(self) -> Lines:
        self.kernel = self.boot()
        return self.lines_over(Chips(self.kernel.module, self.kernel.paths))

    def lines_over(self, chips: Chips) -> Lines:
        return GpiodLines(chips)

    def drive(self, level: bool) -> None:
        self.kernel.drive("RCD", level)

    def expect(self, line: str, level: bool) -> None:
        box = self.kernel.chips["/dev/gpiochip1" if line == self.other_output else "/dev/gpiochip0"]
        assert box.wires[1 if line == self.output else 0].level is level

    def stop(self) -> None:
        assert (self.kernel.open_requests, self.kernel.open_chips) == (0, 0), "closing released everything"


class FactoryBoard(KernelBoard):
    """The same chips behind our gpiozero factory."""

    def lines_over(self, chips: Chips) -> Lines:
        return GpiozeroLines(factory=GpiodFactory(chips))


@pytest.fixture(scope="module", params=[BenchBoard, MockBoard, KernelBoard, FactoryBoard])
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = request.param(tmp_path_factory.mktemp("lines"))
    yield opened
    opened.stop()


@pytest.fixture
def lines(board: Any) -> Iterator[Lines]:
    opened = board.open()
    yield opened
    board.drive(False)
    opened.close()


def test_an_output_starts_with_its_first_value_and_follows(board: Any, lines: Lines) -> None:
    output = lines.output(board.output, active_high=True, initial=True)
    board.expect(board.output, True)
    output.write(False)
    board.expect(board.output, False)


def test_an_active_low_output_is_inverted_on_the_wire(board: Any, lines: Lines) -> None:
    output = lines.output(board.other_output, active_high=False, initial=False)
    board.expect(board.other_output, True)
    output.write(True)
    board.expect(board.other_output, False)


def test_an_input_shows_its_level_in_both_polarities(board: Any, lines: Lines) -> None:
    line = lines.input(board.input, active_high=True)
    board.drive(False)
    assert line.read() is False
    board.drive(True)
    assert line.read() is True
    assert line.age_s(12.0) == 0.0


def test_an_active_low_input_is_inverted(board: Any, lines: Lines) -> None:
    line = lines.input(board.input, active_high=False)
    board.drive(True)
    assert line.read() is False
    board.drive(False)
    assert line.read() is True


def test_a_pulse_between_two_looks_is_caught_once(board: Any, lines: Lines) -> None:
    line = lines.input(board.input, active_high=True)
    board.drive(False)
    assert line.take_pulse() is False
    board.drive(True)
    board.drive(False)
    assert eventually(line.take_pulse)
    assert line.take_pulse() is False


@pytest.mark.parametrize("active_high", [True, False])
def test_level_and_pulse_can_be_asked_in_one_call(board: Any, lines: Lines, active_high: bool) -> None:
    line: Any = lines.input(board.input, active_high=active_high)
    board.drive(not active_high)
    eventually(lambda: line.take_pulse() is False)
    assert line.poll(False) is False
    board.drive(active_high)
    assert eventually(lambda: line.poll(False))
    board.drive(not active_high)
    assert eventually(lambda: line.poll(True))
    assert eventually(lambda: line.poll(True) is False)


def test_inputs_of_one_kind_that_answer_together_answer_what_each_would(board: Any, lines: Lines) -> None:
    line: Any = lines.input(board.input, active_high=True)
    if not hasattr(line, "poll_together"):
        pytest.skip("these lines answer one by one")
    level, pulsed = line.poll_together([(line, False)]), line.poll_together([(line, True)])
    assert eventually(lambda: level() == [False] and pulsed() == [False])
    board.drive(True)
    assert eventually(lambda: level() == [True])
    board.drive(False)
    assert eventually(lambda: level() == [False])
    assert eventually(lambda: pulsed() == [True]), "it was active since the last look"
    assert eventually(lambda: pulsed() == [False])
    assert line.poll_together([(line, False), (line, False)])() == [False, False]


def test_a_level_that_stays_active_is_a_pulse_every_time(board: Any, lines: Lines) -> None:
    line = lines.input(board.input, active_high=True)
    board.drive(True)
    assert eventually(line.take_pulse)
    assert line.take_pulse() is True


def test_a_line_is_claimed_once(board: Any, lines: Lines) -> None:
    lines.output(board.output, active_high=True, initial=False)
    with pytest.raises(DriverUnavailable, match=f"line {board.output}: .*already in use"):
        lines.input(board.output, active_high=True)


def test_an_unknown_line_is_refused(lines: Lines) -> None:
    with pytest.raises(DriverUnavailable):
        lines.output("nowhere", active_high=True, initial=False)


def test_an_unknown_pull_is_refused(board: Any, lines: Lines) -> None:
    with pytest.raises(ValueError, match=r"pull 'sideways' .* expected one of none, up, down"):
        lines.input(board.input, active_high=True, pull="sideways")


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("pull", ["up", "down"])
def test_a_pull_changes_neither_polarity_nor_pulses(board: Any, lines: Lines, pull: str, active_high: bool) -> None:
    board.drive(not active_high)
    line = lines.input(board.input, active_high=active_high, pull=pull)
    board.drive(not active_high)
    assert line.read() is False
    line.take_pulse()
    board.drive(active_high)
    assert line.read() is True
    board.drive(not active_high)
    assert eventually(line.take_pulse)
    assert line.read() is False


def test_the_global_pin_factory_is_never_touched(board: Any, lines: Lines) -> None:
    lines.output(board.output, active_high=True, initial=False)
    assert Device.pin_factory is None


def test_a_factory_must_be_known_and_present() -> None:
    with pytest.raises(DriverUnavailable, match="gpiozero factory 'wiring': expected one of lgpio, gpiod"):
        open_lines(factory="wiring")
    with pytest.raises(DriverUnavailable, match="gpiozero factory 'pigpio' cannot be opened"):
        open_lines(factory="pigpio")
    open_lines(factory="mock").close()


def test_a_machine_without_gpio_is_unavailable_not_broken(tmp_path: Path) -> None:
    program = (
        "from drivers.gpio.lines import open_lines; from drivers.api import DriverUnavailable\n"
        "try: open_lines(factory='lgpio', chip=63)\n"
        "except DriverUnavailable as exc: print(exc)"
    )
    environment = {**os.environ, "LG_WD": str(tmp_path)}  # lgpio leaves a file where it is imported
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "lgpio" in ran.stdout


def test_every_driver_describes_itself() -> None:
    assert (BENCH_SPEC.name, GPIO_SPEC.name, GPIOD_SPEC.name) == ("bench", "gpio", "gpiod")
    assert "mock" in GPIO_SPEC.options[0].choices


def eventually(condition: Any) -> bool:
    """Ask until it is true: an edge is delivered by another thread."""
    pause = threading.Event()
    for _ in range(int(DELIVERY_S / 0.005)):
        if condition():
            return True
        pause.wait(0.005)
    return False
