"""Lines over libgpiod: found by name, seen from the kernel, lost and found again; and our gpiozero factory."""

from __future__ import annotations

import dataclasses
import gc
import importlib.metadata
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gpiozero import LED, Button, Device, DigitalInputDevice, OutputDevice
from gpiozero.exc import GPIOPinInUse, PinPWMUnsupported

from drivers.api import DriverUnavailable
from drivers.gpio.chips import Chips, chip_paths, load_gpiod
from drivers.gpio.gpiod_factory import GpiodFactory
from drivers.gpio.gpiod_lines import FIRST_RETRY_S, GpiodLines, look, open_lines
from tests.contract import kernel_gpio
from tests.contract.kernel_gpio import Bias, Edge, GpioKernel

PI_5 = {
    "/dev/gpiochip0": ("pinctrl-rp1", [f"GPIO{number}" for number in range(28)]),
    "/dev/gpiochip10": ("gpio-brcmstb@107d508500", ["-", "2712_BOOT_CS_N", "-", "PWR_GPIO", "GPIO3"]),
}


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def kernel() -> GpioKernel:
    return GpioKernel(PI_5)


@pytest.fixture
def lines(kernel: GpioKernel) -> Iterator[GpiodLines]:
    opened = GpiodLines(Chips(kernel.module, kernel.paths))
    yield opened
    opened.close()
    assert (kernel.open_requests, kernel.open_chips) == (0, 0)


@pytest.mark.parametrize("active_high", [True, False])
@pytest.mark.parametrize("initial", [True, False])
def test_an_output_never_shows_another_level_than_its_first(
    kernel: GpioKernel, lines: GpiodLines, active_high: bool, initial: bool
) -> None:
    lines.output("GPIO17", active_high=active_high, initial=initial)
    assert kernel.wire("GPIO17").history == [initial is active_high]


@pytest.mark.parametrize("initial", [True, False])
def test_the_gpiozero_pin_never_shows_another_level_than_its_first(kernel: GpioKernel, initial: bool) -> None:
    factory = GpiodFactory(Chips(kernel.module, kernel.paths))
    with OutputDevice("GPIO17", active_high=False, initial_value=initial, pin_factory=factory):
        assert kernel.wire("GPIO17").history == [not initial]
    factory.close()


@pytest.mark.parametrize("name", ["GPIO17", "pinctrl-rp1:GPIO17", "pinctrl-rp1:17"])
def test_a_line_is_found_by_its_name_by_its_chip_and_by_its_offset(kernel: GpioKernel, name: str) -> None:
    place = Chips(kernel.module, kernel.paths).find(name)
    assert (place.label, place.offset) == ("pinctrl-rp1", 17)


def test_a_chip_that_the_kernel_renumbered_is_still_found() -> None:
    moved = GpioKernel({f"/dev/gpiochip{number}": PI_5[path] for number, path in ((4, "/dev/gpiochip0"),)})
    assert Chips(moved.module, moved.paths).find("pinctrl-rp1:GPIO17").path == "/dev/gpiochip4"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GPI017", "line GPI017: none of the chips .* has such a line; did you mean 'GPIO17'?"),
        ("pinctrl-rp1:GPIO71", "chip 'pinctrl-rp1' has no line 'GPIO71', expected .* 0-27; did you mean"),
        ("pinctrl-rp1:28", "chip 'pinctrl-rp1' has no line '28'"),
        ("pinctrl-rpl:GPIO17", "no chip with the label 'pinctrl-rpl', .*; did you mean 'pinctrl-rp1:GPIO17'?"),
        ("gpiochip0:17", "gpiochip0 is a number that moves between kernels; write its label, one of .*pinctrl-rp1"),
        ("GPIO3", "2 lines have this name: gpio-brcmstb@107d508500:4, pinctrl-rp1:3; name the one that is meant"),
        ("17", "none of the chips .* has such a line"),
        ("", "none of the chips .* has such a line"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_refused_with_what_is(
    kernel: GpioKernel, lines: GpiodLines, name: str, said: str
) -> None:
    with pytest.raises(DriverUnavailable, match=said):
        lines.input(name, active_high=True)
    found = look((name,), chips=Chips(kernel.module, kernel.paths))
    assert [each.option for each in found.problems] == [name]


def test_a_line_that_somebody_else_holds_is_refused_with_who_that_is(kernel: GpioKernel, lines: GpiodLines) -> None:
    kernel.wire("GPIO4").consumer = "onewire@0"
    with pytest.raises(DriverUnavailable, match="line GPIO4: is already in use by 'onewire@0'"):
        lines.output("GPIO4", active_high=True, initial=False)
    kernel.wire("GPIO6").consumer = "charge-agent"
    found = look(("GPIO4", "GPIO5", "GPIO6"), chips=Chips(kernel.module, kernel.paths))
    assert [each.problem for each in found.problems] == ["line GPIO4: is already in use by 'onewire@0'"]
    assert found.seen == (
        "line GPIO5: pinctrl-rp1, offset 5 (/dev/gpiochip0), free",
        "line GPIO6: pinctrl-rp1, offset 6 (/dev/gpiochip0), held by a running charge-agent",
    )


def test_a_machine_without_chips_or_rights_says_so() -> None:
    empty = GpioKernel({})
    with pytest.raises(DriverUnavailable, match="no GPIO chip that can be opened"):
        Chips(empty.module, empty.paths).find("GPIO1")
    locked = GpioKernel(PI_5)
    for chip in locked.chips.values():
        chip.readable = False
    with pytest.raises(DriverUnavailable, match="Permission denied; the user must be in the group"):
        Chips(locked.module, locked.paths).find("GPIO1")


def test_a_chip_without_interrupts_is_refused_unless_the_station_file_says_so() -> None:
    kernel = GpioKernel({"/dev/gpiochip0": ("1-0020", ["IN"])})
    kernel.chips["/dev/gpiochip0"].interrupts = False
    chips = Chips(kernel.module, kernel.paths)
    with pytest.raises(DriverUnavailable, match="cannot do what was asked"):
        GpiodLines(chips).input("IN", active_high=True)
    slow = GpiodLines(chips, edge_detection=False)
    line = slow.input("IN", active_high=True)
    kernel.drive("IN", True)
    assert line.take_pulse() is True
    slow.close()


@pytest.mark.parametrize(("pull", "bias"), [("none", Bias.DISABLED), ("up", Bias.PULL_UP), ("down", Bias.PULL_DOWN)])
def test_the_bias_and_the_edges_are_asked_of_the_kernel(
    kernel: GpioKernel, lines: GpiodLines, pull: str, bias: Bias
) -> None:
    lines.input("GPIO22", active_high=False, pull=pull)
    settings = kernel.wire("GPIO22").settings
    assert settings is not None
    assert (settings.bias, settings.edge_detection, settings.active_low) == (bias, Edge.RISING, True)


def test_a_chip_that_was_pulled_out_is_taken_again_with_growing_pauses_and_safe_outputs(kernel: GpioKernel) -> None:
    clock = Time()
    lines = GpiodLines(Chips(kernel.module, kernel.paths), clock=clock)
    relay = lines.output("GPIO17", active_high=True, initial=False)
    stop = lines.input("GPIO22", active_high=True)
    relay.write(True)
    kernel.unplug("/dev/gpiochip0")
    with pytest.raises(DriverUnavailable, match="line GPIO17: No such device"):
        relay.write(True)
    assert (stop.read(), stop.take_pulse()) == (None, False)
    assert kernel.open_requests == 0, "a lost line holds nothing open"
    clock.now_s += FIRST_RETRY_S
    with pytest.raises(DriverUnavailable, match="the chip 'pinctrl-rp1' is gone"):
        relay.write(False)
    kernel.plug("/dev/gpiochip0")
    with pytest.raises(DriverUnavailable):
        relay.write(False)  # the second pause is twice as long
    clock.now_s += 2 * FIRST_RETRY_S
    relay.write(False)
    assert kernel.wire("GPIO17").level is False
    assert stop.read() is False
    for _ in range(20):  # lost and found again: nothing adds up
        kernel.unplug("/dev/gpiochip0")
        assert stop.read() is None
        kernel.plug("/dev/gpiochip0")
        clock.now_s += 60
        assert stop.read() is False
    assert kernel.open_requests == 2
    lines.close()
    assert (kernel.open_requests, kernel.open_chips) == (0, 0)


def test_a_guard_with_these_lines_stays_small() -> None:
    program = (
        "import sys, agent.guard.__main__, agent.guard.station, agent.guard.link, agent.guard.loop\n"
        "import agent.guard.realtime, drivers.linux.power_path\n"
        "from drivers.gpio.gpiod_lines import open_lines\n"
        "open_lines()\n"
        "assert not {'gpiozero', 'asyncio', 'ssl', 'serial', 'msgspec'} & set(sys.modules)\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert int(ran.stdout) < 22 * 1024, "KiB; a guard on a GPIO board stays under 24 MiB"


# ---- our gpiozero factory --------------------------------------------------------------------------------------------


@pytest.fixture
def factory(kernel: GpioKernel) -> Iterator[GpiodFactory]:
    opened = GpiodFactory(Chips(kernel.module, kernel.paths))
    yield opened
    opened.close()
    assert kernel.open_requests == 0


def test_gpiozero_finds_the_factory_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = [
        each for each in importlib.metadata.entry_points(group="gpiozero_pin_factories") if each.name == "gpiod"
    ]
    assert found.load() is GpiodFactory
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "gpiod")
    opened = Device._default_pin_factory()
    assert isinstance(opened, GpiodFactory)
    opened.close()


def test_a_button_tells_presses_with_the_time_of_the_kernel(kernel: GpioKernel, factory: GpiodFactory) -> None:
    pressed = threading.Event()
    with Button("GPIO22", pull_up=True, bounce_time=0.01, pin_factory=factory) as button:
        assert button.is_pressed is False
        button.when_pressed = pressed.set
        settings = kernel.wire("GPIO22").settings
        assert settings is not None
        assert (settings.bias, settings.debounce_period.total_seconds()) == (Bias.PULL_UP, 0.01)
        kernel.drive("GPIO22", False)
        assert pressed.wait(5)
        kernel.drive("GPIO22", True)


def test_a_number_means_the_line_of_that_gpio(kernel: GpioKernel, factory: GpiodFactory) -> None:
    with LED(17, pin_factory=factory) as led:
        led.on()
        assert kernel.wire("GPIO17").level is True


def test_every_name_of_a_line_is_one_pin_and_has_one_user(factory: GpiodFactory) -> None:
    assert factory.pin("GPIO17") is factory.pin("pinctrl-rp1:17") is factory.pin(17)
    with (
        OutputDevice("GPIO17", pin_factory=factory),
        pytest.raises(GPIOPinInUse, match="line pinctrl-rp1:17 is already in use"),
    ):
        DigitalInputDevice("pinctrl-rp1:17", pin_factory=factory)
    with OutputDevice("GPIO17", pin_factory=factory):
        pass  # it is free again


def test_there_is_no_software_pwm_and_no_other_factory_behind_this_one(factory: GpiodFactory) -> None:
    with pytest.raises(PinPWMUnsupported):
        factory.pin("GPIO18").frequency = 1000
    with pytest.raises(DriverUnavailable, match="did you mean 'GPIO17'"):
        LED("GPI017", pin_factory=factory)


def test_a_chip_that_goes_ends_no_thread_and_costs_no_spin(kernel: GpioKernel, factory: GpiodFactory) -> None:
    gone = DigitalInputDevice("GPIO22", pin_factory=factory)
    stays = DigitalInputDevice("gpio-brcmstb@107d508500:1", pin_factory=factory)
    seen = threading.Event()
    stays.when_activated = seen.set
    gone.when_activated = seen.set
    seen.clear()
    kernel.unplug("/dev/gpiochip0")
    kernel.drive("GPIO22", True)
    kernel.drive("2712_BOOT_CS_N", True)
    assert seen.wait(5)
    with pytest.raises(OSError, match="No such device"):
        _ = gone.value
    gone.close()
    stays.close()


# ---- the real package ------------------------------------------------------------------------------------------------


def test_the_played_kernel_has_the_api_of_the_real_package() -> None:
    real: Any = load_gpiod()
    for kind, fake_kind in ((real.Chip, kernel_gpio.Chip), (real.LineRequest, kernel_gpio.LineRequest)):
        for name in (each for each in vars(fake_kind) if not each.startswith("_")):
            wanted = inspect.signature(getattr(fake_kind, name)).parameters
            found = inspect.signature(getattr(kind, name)).parameters
            assert len(found) >= len(wanted), name
            assert {each for each in wanted if wanted[each].kind is inspect.Parameter.KEYWORD_ONLY} <= set(found)
    settings = {each.name for each in dataclasses.fields(real.LineSettings)}
    assert {each.name for each in dataclasses.fields(kernel_gpio.LineSettings)} <= settings
    for name in ("Value", "Direction", "Bias", "Edge", "Clock"):
        assert {each.name for each in getattr(kernel_gpio, name)} <= {each.name for each in getattr(real.line, name)}
    assert {each.name for each in kernel_gpio.EdgeEvent.Type} == {each.name for each in real.EdgeEvent.Type}
    names = inspect.signature(real.LineInfo.__init__).parameters
    assert {"name", "used", "consumer", "offset"} <= set(names)


# ---- a real kernel ---------------------------------------------------------------------------------------------------


def simulated_chip() -> tuple[str, str] | None:
    """Return label and first line name of a gpio-sim chip of this machine. Source: kernel doc gpio-sim.rst."""
    gpiod: Any = load_gpiod()
    for path in chip_paths():
        try:
            with gpiod.Chip(path) as chip:
                label = chip.get_info().label
                name = chip.get_line_info(0).name
        except OSError:
            continue
        if label.startswith("gpio-sim"):
            return label, name or "0"
    return None


def test_a_simulated_chip_of_the_kernel_is_driven_and_read() -> None:
    found = simulated_chip()
    if found is None:
        pytest.skip("this machine has no gpio-sim chip (modprobe gpio-sim and configfs, as root)")
    label, name = found
    lines = open_lines()
    output = lines.output(f"{label}:{name}", active_high=True, initial=True)
    output.write(False)
    with pytest.raises(DriverUnavailable, match="already in use by 'charge-agent'"):
        lines.input(f"{label}:{name}", active_high=True)
    lines.close()
    level = lines.input(f"{label}:{name}", active_high=True, pull="up")
    assert level.read() is True
    lines.close()
    gc.collect()
