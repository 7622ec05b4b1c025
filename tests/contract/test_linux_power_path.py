"""The Linux power path against the kernel's rules: order of writes, export, EBUSY, loss and return, bursts, options."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.api import DriverUnavailable, PilotMode, PilotSignal, PowerPathReading
from drivers.linux.adc import MOST_SAMPLES
from drivers.linux.machine import LinuxMachine
from drivers.linux.measuring import PilotScale, ProximityDivider, levels
from drivers.linux.options import SPEC
from drivers.linux.power_path import FIRST_RETRY_S, LinuxPowerPath, high_time_ns, look, open_power_path
from drivers.linux.pwm import PERIOD_NS
from drivers.registry import check_options, find
from hil.pilot_circuit import PROXIMITY_OHM
from tests.contract.kernel_pilot import DEVICE, PilotKernel, PwmState
from tests.contract.test_power_path import BOARD, BURST, HIGH, IIO, LOW, PEAKS, PWM_16_A, SPI

MCP = {**BOARD, **SPI, **BURST, "adc": "mcp3008"}


@pytest.fixture
def kernel() -> PilotKernel:
    return PilotKernel()


@pytest.fixture
def opened(kernel: PilotKernel) -> Iterator[Callable[..., LinuxPowerPath]]:
    paths: list[LinuxPowerPath] = []

    def open_it(**options: Any) -> LinuxPowerPath:
        paths.append(open_power_path(kernel, **{**MCP, **options}))
        return paths[-1]

    yield open_it
    for path in paths:
        path.close()
    assert kernel.opened == {}, "nothing stays open"


def state(kernel: PilotKernel) -> PwmState:
    return kernel.pwm[0]


def until(path: LinuxPowerPath, wanted: Callable[[PowerPathReading | None], bool]) -> PowerPathReading | None:
    """Scan until a reading (``None``: the driver says it cannot) is as wanted."""
    pause = threading.Event()
    for _ in range(3000):
        try:
            reading: PowerPathReading | None = path.read()
        except DriverUnavailable:
            reading = None
        if wanted(reading):
            return reading
        pause.wait(0.001)
    raise AssertionError("the reading never came")


def is_newer(began_s: float, reading: PowerPathReading | None) -> bool:
    return reading is not None and reading.taken_s > began_s


# ---- the PWM ---------------------------------------------------------------------------------------------------------


def test_a_fresh_channel_is_exported_and_gets_its_values_in_the_order_that_the_kernel_takes(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    opened().set_pilot(PWM_16_A)
    assert state(kernel).writes == [f"period {PERIOD_NS}", "duty 266000", "enable 1"]


@pytest.mark.parametrize("period", [20_000_000, 500_000])
@pytest.mark.parametrize("polarity", ["normal", "inversed"])
def test_a_channel_that_somebody_left_otherwise_is_brought_into_order(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath], period: int, polarity: str
) -> None:
    kernel.pwm[0] = PwmState(period=period, duty=period, polarity=polarity, enabled=True, exported_s=0.0)
    opened().set_pilot(PWM_16_A)
    now = state(kernel)
    assert (now.period, now.duty, now.polarity, now.enabled) == (PERIOD_NS, 266_000, "normal", True)


def test_opening_changes_nothing_and_a_new_duty_is_one_write(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    kernel.pwm[0] = PwmState(period=PERIOD_NS, duty=266_000, enabled=True, exported_s=0.0)
    path = opened()
    path.read()
    assert state(kernel).writes == [], "what an earlier run left goes on"
    path.set_pilot(LOW)
    state(kernel).writes.clear()
    path.set_pilot(PWM_16_A)
    path.set_pilot(PWM_16_A)
    path.set_pilot(HIGH)
    assert state(kernel).writes == ["duty 266000", "duty 1000000"]


def test_the_duty_is_rounded_down_and_never_longer_than_the_period() -> None:
    for tenths in range(1001):
        duty_pct = tenths / 10
        high_ns = high_time_ns(PilotSignal(mode=PilotMode.PWM, duty_pct=duty_pct))
        assert 0 <= high_ns <= PERIOD_NS
        assert high_ns <= duty_pct * PERIOD_NS / 100 < high_ns + 2
    assert (high_time_ns(HIGH), high_time_ns(LOW)) == (PERIOD_NS, 0)


def test_files_that_udev_brings_later_are_waited_for(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    kernel.appears_after_s, kernel.ours_after_s = 0.05, 0.2
    opened().set_pilot(HIGH)
    assert kernel.high_share() == 1.0


def test_files_that_never_become_ours_are_refused_with_the_reason(kernel: PilotKernel) -> None:
    kernel.ours_after_s = math.inf
    with pytest.raises(DriverUnavailable, match=r"PWM 1f00098000\.pwm channel 0: Permission denied; .*udev rule"):
        open_power_path(kernel, **MCP)
    assert kernel.opened == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pwm": "1f00098000.pmw"}, "no such device, there are: 1f0009c000.pwm, 1f00098000.pwm; did you mean"),
        ({"pwm_channel": 4}, "PWM 1f00098000.pwm channel 4: expected a channel from 0 to 3"),
        ({"pwm_channel": 2}, "channel 2: is already in use by the kernel"),
        ({"adc_device": "/dev/spidev1.0"}, "MCP3008 at /dev/spidev1.0: No such file"),
        ({**IIO}, "ADC TI-am335x-adc: no such IIO device, there are: none"),
    ],
)
def test_a_device_that_is_not_there_or_not_free_is_refused(
    kernel: PilotKernel, options: dict[str, Any], said: str
) -> None:
    kernel.pwm[2].owner = "pwm-fan"
    with pytest.raises(DriverUnavailable, match=said):
        open_power_path(kernel, **{**MCP, **options})
    assert kernel.opened == {}


def test_a_board_that_inverts_gets_the_complement(kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]) -> None:
    kernel.inverted = True
    path = opened(pwm_inverted=True)
    for signal, share in ((HIGH, 1.0), (LOW, 0.0), (PWM_16_A, 0.266)):
        path.set_pilot(signal)
        assert kernel.high_share() == pytest.approx(share)


def test_another_program_that_writes_to_the_pwm_is_overruled_and_told(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    path = opened()
    path.set_pilot(LOW)
    state(kernel).duty = 900_000
    told = []
    for _ in range(4):  # one attribute in each scan
        try:
            path.read()
        except DriverUnavailable as problem:
            told.append(str(problem).partition(": ")[2])
    assert told == ["duty_cycle is 900000, expected 0: another program writes to it"]
    assert kernel.high_share() == 0.0
    until(path, lambda reading: reading is not None)


def test_a_pwm_that_goes_and_comes_back_gets_the_newest_signal(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    path = opened()
    path.set_pilot(PWM_16_A)
    kernel.pwm_present = False
    with pytest.raises(DriverUnavailable, match=r"PWM 1f00098000\.pwm channel 0: .*No such device"):
        path.set_pilot(LOW)
    with pytest.raises(DriverUnavailable, match="No such device"):
        path.read()
    kernel.reset_pwm()
    kernel.ahead_s += FIRST_RETRY_S
    until(path, lambda reading: reading is not None)
    assert (state(kernel).enabled, kernel.high_share()) == (True, 0.0), "what was asked for while it was away"


@pytest.mark.parametrize("options", [{}, {**IIO, "adc": "iio"}])
def test_an_adc_that_is_lost_again_and_again_leaks_nothing(options: dict[str, Any]) -> None:
    kernel = PilotKernel(adc=options.get("adc", "mcp3008"))
    path = open_power_path(kernel, **{**MCP, **options})
    path.set_pilot(PWM_16_A)
    count = len(kernel.opened)
    for _ in range(15):
        kernel.adc_present = False
        assert until(path, lambda reading: reading is None) is None
        kernel.adc_present = True
        kernel.ahead_s += 60
        until(path, lambda reading: reading is not None)
        assert len(kernel.opened) == count
    assert kernel.high_share() == pytest.approx(0.266), "the generator was not touched"
    path.close()
    assert kernel.opened == {}


def test_a_device_that_stays_away_is_asked_for_less_and_less_often(kernel: PilotKernel) -> None:
    path = open_power_path(kernel, **MCP)
    kernel.adc_present = False
    until(path, lambda reading: reading is None)
    attempts = []
    before = kernel._next_fd
    for tenths in range(600):
        kernel.ahead_s += 0.1
        with pytest.raises(DriverUnavailable):
            path.read()
        if kernel._next_fd != before:
            attempts.append(tenths)
            before = kernel._next_fd
    path.close()
    assert len(attempts) <= 12, "half a second, then twice as long up to eight seconds"


# ---- what a burst says -----------------------------------------------------------------------------------------------


@pytest.mark.req("IEC 61851-1:2017 Annex A")
@pytest.mark.parametrize("duty_pct", [5.0, 10.0, 53.3, 96.0])
@pytest.mark.parametrize("adc", ["mcp3008", "mcp3208", "iio"])
def test_both_peaks_of_the_shortest_pulses_are_seen(adc: str, duty_pct: float) -> None:
    kernel = PilotKernel(adc=adc)
    kernel.plug()
    path = open_power_path(kernel, **{**MCP, **(IIO if adc == "iio" else {"adc": adc})})
    path.set_pilot(PilotSignal(mode=PilotMode.PWM, duty_pct=duty_pct))
    for _ in range(8):
        began_s = time.monotonic()
        found = until(path, partial(is_newer, began_s))
        assert found is not None
        assert (found.high_v, found.low_v) == (pytest.approx(9.0, abs=0.3), pytest.approx(-12.0, abs=0.3))
    path.close()


def test_a_steady_pilot_takes_a_fifth_of_the_conversions(
    kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]
) -> None:
    path = opened()
    counted = {}
    for signal in (HIGH, PWM_16_A, LOW):
        path.set_pilot(signal)
        until(path, partial(is_newer, time.monotonic()))
        until(path, partial(is_newer, time.monotonic()))
        counted[signal.mode] = kernel.conversions
    assert counted == {PilotMode.STEADY_HIGH: 43, PilotMode.PWM: 203, PilotMode.STEADY_LOW: 43}


@pytest.mark.parametrize("cable_a", PROXIMITY_OHM)
def test_every_cable_is_read(kernel: PilotKernel, opened: Callable[..., LinuxPowerPath], cable_a: int) -> None:
    kernel.plug(cable_a)
    assert opened().read().proximity_ohm == pytest.approx(PROXIMITY_OHM[cable_a], rel=0.03)


def test_a_board_without_proximity_says_unknown(opened: Callable[..., LinuxPowerPath]) -> None:
    assert opened(proximity_channel=None).read().proximity_ohm is None


def test_a_chip_without_power_is_no_measurement(kernel: PilotKernel, opened: Callable[..., LinuxPowerPath]) -> None:
    path = opened()
    kernel.adc_powered = False
    until(path, lambda reading: reading is None)
    with pytest.raises(DriverUnavailable, match="came without its null bit: no chip, or no power"):
        path.read()
    kernel.adc_powered = True
    kernel.ahead_s += 60
    until(path, lambda reading: reading is not None)


def test_a_voltage_beyond_the_range_is_unknown_not_its_end() -> None:
    clipped = PilotKernel()
    clipped.volts = lambda channel, phase: 3.4  # type: ignore[method-assign]  # the circuit's own fault
    path = open_power_path(clipped, **MCP)
    assert (path.read().high_v, path.read().low_v) == (None, None)
    path.close()


def test_two_points_make_the_scale() -> None:
    scale = PilotScale(plus_12_v=2.82, minus_12_v=0.24)
    assert scale.pilot_v(2.82) == pytest.approx(12.0)
    assert scale.pilot_v(0.24) == pytest.approx(-12.0)
    assert scale.pilot_v((2.82 + 0.24) / 2) == pytest.approx(0.0)
    falling = PilotScale(plus_12_v=0.3, minus_12_v=2.7)  # an inverting amplifier
    assert falling.pilot_v(0.9) == pytest.approx(6.0)
    assert levels(falling.pilot_v(0.3), falling.pilot_v(2.7)) == (pytest.approx(12.0), pytest.approx(-12.0))


def test_a_resistor_of_the_board_beside_the_cable_is_taken_out() -> None:
    divider = ProximityDivider(supply_v=5.0, series_ohm=1000.0, parallel_ohm=4700.0)
    both = 1 / (1 / 680 + 1 / 4700)
    assert divider.resistance_ohm(5.0 * both / (both + 1000)) == pytest.approx(680)
    assert divider.resistance_ohm(5.0 * 4700 / 5700) == math.inf
    assert (divider.resistance_ohm(0.0), divider.resistance_ohm(5.0)) == (0.0, math.inf)


# ---- the station file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"pwm": "pwmchip0"}, "pwm: 'pwmchip0' is a number that moves between kernels"),
        ({"adc": "ads1115"}, "adc: 'ads1115' is not one of iio, mcp3004"),
        ({"adc_device": "spidev0.0"}, "adc_device: 'spidev0.0' is no spidev"),
        ({**IIO, "adc_device": "iio:device0"}, "adc_device: 'iio:device0' is a path or number"),
        ({"pilot_channel": 8}, "pilot_channel: 8 is outside 0-7"),
        ({"adc": "mcp3004", "pilot_channel": 4}, "pilot_channel: 4 is outside 0-3"),
        ({"pilot_channel": 3}, "proximity_channel: 3 is the channel of pilot_channel, too"),
        ({"high_channel": 1}, "high_channel: is given together with pilot_channel"),
        ({"pilot_channel": None, "high_channel": 1}, "low_channel: is missing"),
        ({"pilot_channel": None}, "pilot_channel: is missing, expected pilot_channel, or high_channel and low_channel"),
        ({"adc_at_plus_12_v": 0.4}, "adc_at_plus_12_v: 0.4 V is nearly adc_at_minus_12_v"),
        ({"adc_at_plus_12_v": 3.3}, "adc_at_plus_12_v: 3.3 V is at the end of the ADC's range"),
        ({"samples": 491}, "samples: 491 is outside 50-490"),
        ({"adc_at_minus_12_v": None}, "adc_at_minus_12_v: is missing"),
    ],
)
def test_options_that_cannot_be_are_refused_without_any_hardware(change: dict[str, Any], problem: str) -> None:
    given = {name: value for name, value in {**MCP, **change}.items() if value is not None}
    _, problems = check_options(SPEC, given)
    said = [f"{each.option}: {each.problem}" for each in problems]
    assert len(said) == 1
    assert said[0].startswith(problem)


def test_every_way_to_measure_is_accepted() -> None:
    for options in (MCP, {**MCP, **IIO}, {**BOARD, **IIO, **PEAKS}):
        assert check_options(SPEC, options)[1] == []
    assert find(SPEC.kind, "linux") is SPEC
    most = next(option for option in SPEC.options if option.name == "samples")
    assert (most.maximum or 0) + 3 < MOST_SAMPLES


def test_a_look_tells_what_the_adc_sees_and_moves_nothing(kernel: PilotKernel) -> None:
    kernel.pwm[0] = PwmState(period=PERIOD_NS, duty=PERIOD_NS, enabled=True, exported_s=0.0)
    kernel.plug(20)
    found = look(kernel, **MCP)
    assert found.problems == ()
    assert found.seen[0] == (
        "PWM 1f00098000.pwm channel 0: period 1000000, duty_cycle 1000000, polarity normal, enable 1"
    )
    assert re.fullmatch(
        r"MCP3008 at /dev/spidev0\.0 sees 2\.\d+ V to 2\.\d+ V: a pilot of [89]\.\d+ V to [89]\.\d+ V; "
        r"proximity 1\.68\d V, 6[78]\d ohm",
        found.seen[1],
    )
    assert (state(kernel).writes, kernel.opened) == ([], {})
    kernel.adc_present = kernel.pwm_present = False
    assert [each.option for each in look(kernel, **MCP).problems] == ["pwm", "adc_device"]
    assert kernel.opened == {}


# ---- the real system calls -------------------------------------------------------------------------------------------


class RootedMachine(LinuxMachine):
    """This machine, with ``/sys`` in a folder: plain files, so without the kernel's rules, but real descriptors."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)

    def names(self, folder: str) -> list[str]:
        return super().names(self._root + folder)

    def real_path(self, path: str) -> str:
        return super().real_path(self._root + path).removeprefix(self._root)

    def open(self, path: str, *, write: bool) -> int:
        return super().open(self._root + path, write=write)


def test_real_files_are_read_and_written_and_none_stays_open(tmp_path: Path) -> None:
    device = tmp_path / "sys/devices/platform/soc" / DEVICE
    channel = device / "pwm/pwmchip7/pwm0"
    channel.mkdir(parents=True)
    (device / "pwm/pwmchip7/device").symlink_to(device)
    (tmp_path / "sys/class/pwm").mkdir(parents=True)
    (tmp_path / "sys/class/pwm/pwmchip7").symlink_to(device / "pwm/pwmchip7")
    adc = tmp_path / "sys/devices/platform/soc/44e0d000.adc/iio:device0"
    adc.mkdir(parents=True)
    (tmp_path / "sys/bus/iio/devices").mkdir(parents=True)
    (tmp_path / "sys/bus/iio/devices/iio:device0").symlink_to(adc)
    files = {
        channel: {"period": "0", "duty_cycle": "0", "polarity": "normal", "enable": "0"},
        device / "pwm/pwmchip7": {"npwm": "2", "export": ""},
        adc: {"name": "TI-am335x-adc", "in_voltage_scale": "0.8", "in_voltage1_raw": "3375", "in_voltage2_raw": "375"},
    }
    for folder, attributes in files.items():
        for name, text in attributes.items():
            (folder / name).write_text(f"{text}\n")
    before = len(os.listdir("/proc/self/fd"))
    options = {**BOARD, **PEAKS, "adc": "iio", "adc_device": "44e0d000.adc", "proximity_channel": None}
    for _ in range(5):
        path = open_power_path(RootedMachine(tmp_path), **options)
        path.set_pilot(PWM_16_A)
        reading = path.read()
        assert (reading.high_v, reading.low_v) == (pytest.approx(12.0), pytest.approx(-12.0))
        path.close()
        path.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert (channel / "duty_cycle").read_text().strip() == "266000"
    assert (channel / "enable").read_text().strip() == "1"
