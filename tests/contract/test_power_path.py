"""What every power path does, over every implementation. Each world plugs the car in on the other side of the wire."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.api import DriverKind, DriverRejected, DriverUnavailable, PilotMode, PilotSignal, PowerPath
from drivers.bench.power_path import SPEC, BenchPowerPath
from drivers.linux.power_path import LinuxPowerPath, open_power_path
from hil.client import OwnBench
from tests.contract.kernel_pilot import DEVICE, DIVIDER, MINUS_12_V, PLUS_12_V, SERIES_OHM, SUPPLY_V, PilotKernel

PWM_16_A = PilotSignal(mode=PilotMode.PWM, duty_pct=26.6)
HIGH = PilotSignal(mode=PilotMode.STEADY_HIGH)
LOW = PilotSignal(mode=PilotMode.STEADY_LOW)
BOARD = {
    "pwm": DEVICE,
    "adc_at_plus_12_v": PLUS_12_V,
    "adc_at_minus_12_v": MINUS_12_V,
    "proximity_channel": 3,
    "proximity_supply_v": SUPPLY_V,
    "proximity_series_ohm": SERIES_OHM,
    "proximity_divider": DIVIDER,
}
BURST, PEAKS = {"pilot_channel": 0}, {"high_channel": 1, "low_channel": 2}
SPI, IIO = {"adc_device": "/dev/spidev0.0"}, {"adc": "iio", "adc_device": "TI-am335x-adc"}
WAYS_TO_MEASURE = (
    {**BOARD, **SPI, **BURST, "adc": "mcp3008"},
    {**BOARD, **SPI, **BURST, "adc": "mcp3208"},
    {**BOARD, **SPI, **PEAKS, "adc": "mcp3004"},
    {**BOARD, **IIO, **BURST},
    {**BOARD, **IIO, **PEAKS},
)


class BenchWorld:
    """The other side of the bench's power path."""

    def __init__(self, directory: Path) -> None:
        self.own = OwnBench(directory)
        self.bench = self.own.client
        self.socket = str(directory / "pins.sock")

    def open(self) -> PowerPath:
        return BenchPowerPath(socket=self.socket, evse=1)

    def plug(self, cable_a: int = 32) -> None:
        self.bench.plug(cable_a=cable_a)

    def unplug(self) -> None:
        if self.bench.state()["evses"]["1"]["plugged"]:
            self.bench.unplug()

    def force(self, state: str) -> None:
        self.bench.car_state(state=state)

    def seen(self, mode: PilotMode, duty_pct: float) -> None:
        self.bench.wait("evse1.pilot_mode", "==", mode.value)
        self.bench.wait("evse1.duty_pct", "==", duty_pct)

    def stop(self) -> None:
        self.own.stop()


class LinuxWorld:
    """A board with hardware PWM and an ADC, measured on a thread: a reading may be as old as two of its bursts."""

    beside_s = 0.5

    def __init__(self, directory: Path, options: dict[str, Any]) -> None:
        self.kernel = PilotKernel(adc=options["adc"])
        self._options = options
        self._paths: list[LinuxPowerPath] = []

    def open(self) -> PowerPath:
        path = open_power_path(self.kernel, **self._options)
        self._paths.append(path)
        return path

    def plug(self, cable_a: int = 32) -> None:
        self.kernel.plug(cable_a)

    def unplug(self) -> None:
        self.kernel.unplug()

    def force(self, state: str) -> None:
        self.kernel.state = state
        self._measured()

    def seen(self, mode: PilotMode, duty_pct: float) -> None:
        generator = self.kernel.generator()
        assert (generator.mode.value, generator.duty_seen_pct) == (mode.value, pytest.approx(duty_pct, abs=1e-3))
        self._measured()

    def stop(self) -> None:
        for path in self._paths:
            path.close()
        assert self.kernel.opened == {}, "closing released everything"

    def _measured(self) -> None:
        """Wait for a measurement that began after now: bursts are taken beside the scan."""
        began_s, pause = time.monotonic(), threading.Event()
        for _ in range(2000):
            try:
                if self._paths[-1].read().taken_s > began_s:
                    return
            except DriverUnavailable:
                return  # it is closed
            pause.wait(0.001)
        raise AssertionError("no new measurement in 2 s")


WORLDS = [BenchWorld, *(partial(LinuxWorld, options=options) for options in WAYS_TO_MEASURE)]


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = request.param(tmp_path_factory.mktemp("path"))
    yield opened
    opened.stop()


@pytest.fixture
def path(world: Any) -> Iterator[PowerPath]:
    opened = world.open()
    opened.set_pilot(LOW)  # so that the next setting is a change
    world.seen(PilotMode.STEADY_LOW, 0)
    yield opened
    opened.close()
    world.unplug()


def test_the_generator_follows_every_mode(world: Any, path: PowerPath) -> None:
    for signal, duty_pct in ((HIGH, 100), (PWM_16_A, 26.6), (LOW, 0)):
        path.set_pilot(signal)
        world.seen(signal.mode, duty_pct)


def test_setting_the_same_signal_again_is_allowed(world: Any, path: PowerPath) -> None:
    for _ in range(3):
        path.set_pilot(PWM_16_A)
    world.seen(PilotMode.PWM, 26.6)


@pytest.mark.parametrize("duty_pct", [-0.1, 100.1])
def test_an_impossible_duty_cycle_is_refused(path: PowerPath, duty_pct: float) -> None:
    with pytest.raises(DriverRejected, match="outside 0-100 %"):
        path.set_pilot(PilotSignal(mode=PilotMode.PWM, duty_pct=duty_pct))


def test_both_peaks_are_equal_without_pwm_and_apart_with_it(world: Any, path: PowerPath) -> None:
    path.set_pilot(HIGH)
    world.seen(PilotMode.STEADY_HIGH, 100)
    steady = path.read()
    assert steady.high_v == steady.low_v == pytest.approx(12.0, abs=0.6)
    path.set_pilot(PWM_16_A)
    world.seen(PilotMode.PWM, 26.6)
    reading = path.read()
    assert (reading.high_v, reading.low_v) == (pytest.approx(12.0, abs=0.6), pytest.approx(-12.0, abs=0.6))


def test_the_car_shows_in_voltage_and_cable(world: Any, path: PowerPath) -> None:
    path.set_pilot(PWM_16_A)
    assert path.read().proximity_ohm == math.inf
    world.plug(20)
    for state, volts in (("B", 9.0), ("C", 6.0), ("D", 3.0)):
        world.force(state)
        reading = path.read()
        assert reading.high_v == pytest.approx(volts, abs=0.5)
        assert reading.proximity_ohm == pytest.approx(680.0, rel=0.03)


def test_a_reading_is_stamped_with_the_moment_it_was_taken(world: Any, path: PowerPath) -> None:
    before_s = time.monotonic() - getattr(world, "beside_s", 0.0)
    reading = path.read()
    assert before_s <= reading.taken_s <= time.monotonic()


def test_a_reading_takes_no_time_that_matters_to_a_scan(path: PowerPath) -> None:
    fastest_s = min(_duration_s(path) for _ in range(50))
    assert fastest_s < 0.002  # the contract's bound; the fastest of many, so that a busy machine does not fail it


def test_closing_leaves_the_generator_as_it_is(world: Any) -> None:
    path = world.open()
    path.set_pilot(PWM_16_A)
    world.seen(PilotMode.PWM, 26.6)
    path.close()
    path.close()
    world.seen(PilotMode.PWM, 26.6)


def test_without_a_device_opening_says_which(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match=r"no bench at .*pins\.sock"):
        BenchPowerPath(socket=str(tmp_path / "pins.sock"), evse=1)


@pytest.mark.parametrize("world", [BenchWorld], indirect=True)
def test_an_evse_that_the_bench_has_not_is_refused(world: Any) -> None:
    with pytest.raises(DriverUnavailable, match=r"no EVSE 7, expected one of \['1'\]"):
        BenchPowerPath(socket=world.socket, evse=7)


def test_the_driver_describes_itself() -> None:
    assert (SPEC.name, SPEC.kind) == ("bench", DriverKind.POWER_PATH)
    assert [option.name for option in SPEC.options] == ["socket", "evse", "connector", "soc"]


def _duration_s(path: PowerPath) -> float:
    start_s = time.perf_counter()
    path.read()
    return time.perf_counter() - start_s
