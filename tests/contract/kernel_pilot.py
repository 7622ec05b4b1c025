"""The kernel's PWM, IIO and spidev of a charging board, with the pilot circuit and a car behind them.

Plays ``drivers.linux.machine.Machine``; the world uses ``plug``, ``state`` and the rest. Its PWM refuses what the
kernel refuses, with the kernel's errors, and applies every write at once.
Sources: drivers/pwm/sysfs.c and core.c (pwm_apply: period 0 or duty > period is EINVAL), linux/spi/spidev.h, Microchip
DS21295 and DS21298, Documentation/ABI/testing/sysfs-bus-iio.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import struct
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from hil.pilot_circuit import (
    PROXIMITY_OHM,
    RESISTANCE_B_OHM,
    RESISTANCE_C_OHM,
    RESISTANCE_D_OHM,
    Generator,
    GeneratorMode,
    pilot_levels,
)

DEVICE = "1f00098000.pwm"
CAR_OHM = {"A": None, "B": RESISTANCE_B_OHM, "C": RESISTANCE_C_OHM, "D": RESISTANCE_D_OHM}
SUPPLY_V, SERIES_OHM, DIVIDER = 5.0, 330.0, 2.0
PLUS_12_V, MINUS_12_V = 2.7, 0.3
IIO_SCALE_MV = 0.8
Read = Callable[[], str]
Write = Callable[[str], None]


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass
class PwmState:
    """One channel, as ``struct pwm_state`` has it; ``exported_s`` is when."""

    period: int = 0
    duty: int = 0
    polarity: str = "normal"
    enabled: bool = False
    exported_s: float | None = None
    owner: str = ""  # a user inside the kernel
    writes: list[str] = field(default_factory=list)


class PilotKernel:
    """A board: channel 0 of ``DEVICE`` drives the pilot; ADC channel 0 has it, 1 and 2 its peaks, 3 the proximity."""

    def __init__(self, *, adc: str = "mcp3008", channel: int = 0) -> None:
        self.adc, self.channel = adc, channel
        self.pwm = {number: PwmState() for number in range(4)}
        self.pwm_present = self.adc_present = True
        self.adc_powered = True
        self.inverted = False  # the board's generator
        self.polarity_supported = True
        self.appears_after_s = self.ours_after_s = 0.0  # udev
        self.state, self.proximity_ohm, self.short = "A", math.inf, False
        self.opened: dict[int, str] = {}
        self.ahead_s = 0.0  # the world's way to let time pass
        self.conversions = 0  # of the last SPI message
        self._next_fd = 1000
        self._sample_s = 0.0
        self._lock = threading.RLock()

    # ---- the world ---------------------------------------------------------------------------------------------------

    def plug(self, cable_a: int = 32) -> None:
        self.proximity_ohm = PROXIMITY_OHM[cable_a]
        self.state = "B"

    def unplug(self) -> None:
        self.proximity_ohm, self.state = math.inf, "A"

    def high_share(self) -> float:
        """Return the share of time at which the board's generator is positive."""
        state = self.pwm[self.channel]
        share = state.duty / state.period if state.enabled and state.period else 0.0
        if state.enabled and state.polarity == "inversed":
            share = 1 - share
        return 1 - share if self.inverted else share

    def generator(self) -> Generator:
        share = self.high_share()
        if share in (0.0, 1.0):
            return Generator(mode=GeneratorMode.STEADY_HIGH if share else GeneratorMode.STEADY_LOW)
        return Generator(mode=GeneratorMode.PWM, duty_pct=share * 100)

    def reset_pwm(self) -> None:
        """The device comes back after it was gone: nothing is exported, every channel is off."""
        self.pwm = {number: PwmState() for number in self.pwm}
        self.pwm_present = True

    # ---- the circuit -------------------------------------------------------------------------------------------------

    def volts(self, channel: int, phase: float) -> float:
        """Return the voltage at an input of the ADC at a moment of the 1 kHz period, 0 to 1."""
        levels = pilot_levels(self.generator(), car_ohm=CAR_OHM[self.state], pilot_shorted=self.short)
        pilot_v = levels.high_v if phase < self.high_share() else levels.low_v
        if channel == 3:
            ohm = self.proximity_ohm
            return (SUPPLY_V if ohm == math.inf else SUPPLY_V * ohm / (ohm + SERIES_OHM)) / DIVIDER
        if channel in (1, 2):
            pilot_v = levels.high_v if channel == 1 else levels.low_v
        return 1.5 + pilot_v / 10

    def _sample(self, channel: int, after_s: float) -> float:
        self._sample_s += after_s
        return self.volts(channel, self._sample_s * 1000 % 1.0)

    # ---- the system calls --------------------------------------------------------------------------------------------

    def names(self, folder: str) -> list[str]:
        depth = len(folder) + 1
        found = {path[depth:].partition("/")[0] for path in self._attributes() if path.startswith(f"{folder}/")}
        if not found:
            raise refusal(errno.ENOENT)
        return sorted(found)

    def real_path(self, path: str) -> str:
        links = {
            "/sys/class/pwm/pwmchip2/device": f"/sys/devices/platform/axi/1000120000.pcie/{DEVICE}",
            "/sys/class/pwm/pwmchip0/device": "/sys/devices/platform/axi/1000120000.pcie/1f0009c000.pwm",
            "/sys/bus/iio/devices/iio:device0": "/sys/devices/platform/soc/44e0d000.adc/iio:device0",
        }
        return links.get(path, path)

    def open(self, path: str, *, write: bool) -> int:
        with self._lock:
            if path == "/dev/spidev0.0":
                if not self.adc_present:
                    raise refusal(errno.ENOENT)
            elif path not in self._attributes():
                raise refusal(errno.ENOENT) if not path.startswith("/root") else refusal(errno.EACCES)
            exported_s = self.pwm[self.channel].exported_s
            if write and f"/pwm{self.channel}/" in path and self.now_s() < (exported_s or 0) + self.ours_after_s:
                raise refusal(errno.EACCES)
            self._next_fd += 1
            self.opened[self._next_fd] = path
            return self._next_fd

    def read(self, fd: int) -> bytes:
        with self._lock:
            return self._attribute(fd)[0]().encode() + b"\n"

    def write(self, fd: int, content: bytes) -> None:
        with self._lock:
            self._attribute(fd)[1](content.decode().strip())

    def ioctl(self, fd: int, request: int, argument: array[int]) -> None:
        with self._lock:
            if not self.adc_present:
                raise refusal(errno.ESHUTDOWN)
            assert self.opened[fd] == "/dev/spidev0.0"
            number, size = request & 0xFF, request >> 16 & 0x3FFF
            assert (request >> 30, request >> 8 & 0xFF, size) == (1, ord("k"), len(argument)), hex(request)
            if number == 0:
                self._spi_message(argument)

    def close(self, fd: int) -> None:
        del self.opened[fd]

    def now_s(self) -> float:
        return time.monotonic() + self.ahead_s

    def pause(self, seconds: float) -> None:
        self.ahead_s += seconds

    # ---- sysfs -------------------------------------------------------------------------------------------------------

    def _attribute(self, fd: int) -> tuple[Read, Write]:
        attributes = self._attributes()
        if self.opened[fd] not in attributes:
            raise refusal(errno.ENODEV)
        return attributes[self.opened[fd]]

    def _attributes(self) -> dict[str, tuple[Read, Write]]:
        def fixed(text: str) -> tuple[Read, Write]:
            return (lambda: text), _read_only

        found: dict[str, tuple[Read, Write]] = {"/sys/class/pwm/pwmchip0/npwm": fixed("2")}
        if self.pwm_present:
            chip = "/sys/class/pwm/pwmchip2"
            found |= {f"{chip}/npwm": fixed(str(len(self.pwm))), f"{chip}/export": (lambda: "", self._export)}
            for number, state in self.pwm.items():
                if state.exported_s is not None and self.now_s() >= state.exported_s + self.appears_after_s:
                    found |= self._channel(f"{chip}/pwm{number}", state)
        if self.adc == "iio" and self.adc_present:
            folder = "/sys/bus/iio/devices/iio:device0"
            found |= {f"{folder}/name": fixed("TI-am335x-adc"), f"{folder}/in_voltage_scale": fixed(str(IIO_SCALE_MV))}
            for channel in range(4):
                found[f"{folder}/in_voltage{channel}_raw"] = (lambda each=channel: self._iio(each)), _read_only
        return found

    def _iio(self, channel: int) -> str:
        return str(round(self._sample(channel, 23.7e-6) / IIO_SCALE_MV * 1000))

    def _export(self, text: str) -> None:
        state = self.pwm.get(int(text))
        if state is None:
            raise refusal(errno.ENODEV)
        if state.exported_s is not None or state.owner:
            raise refusal(errno.EBUSY)
        state.exported_s = self.now_s()

    def _channel(self, folder: str, state: PwmState) -> dict[str, tuple[Read, Write]]:
        def apply(what: str, **change: int | str | bool) -> None:
            after = {"period": state.period, "duty": state.duty, "polarity": state.polarity, "enabled": state.enabled}
            after |= change
            state.writes.append(what)
            if not after["period"] or int(after["duty"]) > int(after["period"]):
                raise refusal(errno.EINVAL)
            if after["polarity"] != state.polarity:
                if state.enabled:
                    raise refusal(errno.EBUSY)
                if not self.polarity_supported:
                    raise refusal(errno.EINVAL)
            for name, value in change.items():
                setattr(state, name, value)

        def polarity(text: str) -> None:
            if text not in ("normal", "inversed"):
                raise refusal(errno.EINVAL)
            apply(f"polarity {text}", polarity=text)

        def enable(text: str) -> None:
            if text not in ("0", "1"):
                raise refusal(errno.EINVAL)
            apply(f"enable {text}", enabled=text == "1")

        return {
            f"{folder}/period": (lambda: str(state.period), lambda text: apply(f"period {text}", period=int(text))),
            f"{folder}/duty_cycle": (lambda: str(state.duty), lambda text: apply(f"duty {text}", duty=int(text))),
            f"{folder}/polarity": (lambda: state.polarity, polarity),
            f"{folder}/enable": (lambda: str(int(state.enabled)), enable),
        }

    # ---- SPI ---------------------------------------------------------------------------------------------------------

    def _spi_message(self, argument: array[int]) -> None:
        transfers = list(struct.iter_unpack("=QQIIHBBBBBB", argument.tobytes()))
        if not transfers or sum(each[2] for each in transfers) > 4096:  # spidev's bufsiz
            raise refusal(errno.EMSGSIZE)
        self.conversions = len(transfers)
        for number, (tx, rx, count, hertz, pause_us, bits, cs_change, *_) in enumerate(transfers):
            assert (count, bits) == (3, 8)
            assert bool(cs_change) == (number < len(transfers) - 1), "the chip is deselected between conversions"
            sent = ctypes.string_at(tx, 3)
            answer = self._convert(sent, 24 / hertz + 10e-6 + pause_us * 1e-6)
            ctypes.memmove(rx, answer, 3)

    def _convert(self, sent: bytes, took_s: float) -> bytes:
        if not self.adc_powered:
            return b"\xff\xff\xff"  # nobody pulls MISO low
        if self.adc.startswith("mcp32"):
            assert sent[0] & 0xFE == 0x06, "start bit and single-ended"
            channel = (sent[0] & 1) << 2 | sent[1] >> 6
            full = 4096
        else:
            assert sent[0] == 1, "start bit"
            assert sent[1] & 0x80, "single-ended"
            channel = sent[1] >> 4 & 7
            full = 1024
        assert channel < (4 if self.adc.endswith("4") else 8)
        raw = min(full - 1, max(0, round(self._sample(channel, took_s) / 3.3 * full)))
        garbage = 0xE0 if full == 4096 else 0xF8  # what was on the line before the null bit
        return bytes((0xFF, garbage | raw >> 8, raw & 0xFF))


def _read_only(text: str) -> None:
    raise refusal(errno.EACCES)
