"""What every power path does, over every implementation. Each world plugs the car in on the other side of the wire."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.api import DriverKind, DriverRejected, DriverUnavailable, PilotMode, PilotSignal, PowerPath
from drivers.bench.power_path import SPEC, BenchPowerPath
from hil.client import OwnBench

PWM_16_A = PilotSignal(mode=PilotMode.PWM, duty_pct=26.6)
HIGH = PilotSignal(mode=PilotMode.STEADY_HIGH)
LOW = PilotSignal(mode=PilotMode.STEADY_LOW)


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


@pytest.fixture(scope="module", params=[BenchWorld])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = request.param(tmp_path_factory.mktemp("path"))
    yield opened
    opened.own.stop()


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


def test_a_reading_is_stamped_with_the_moment_it_was_taken(path: PowerPath) -> None:
    before_s = time.monotonic()
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


def test_an_evse_that_the_bench_has_not_is_refused(world: Any) -> None:
    with pytest.raises(DriverUnavailable, match=r"no EVSE 7, expected one of \[1\]"):
        BenchPowerPath(socket=world.socket, evse=7)


def test_the_driver_describes_itself() -> None:
    assert (SPEC.name, SPEC.kind) == ("bench", DriverKind.POWER_PATH)
    assert [option.name for option in SPEC.options] == ["socket", "evse"]


def _duration_s(path: PowerPath) -> float:
    start_s = time.perf_counter()
    path.read()
    return time.perf_counter() - start_s
