"""The power path of a Linux board: pilot by hardware PWM, pilot voltage and proximity by an ADC.

A burst of samples takes longer than a scan may wait, so it is taken on a thread beside the scan, once for each
``read``: ``read`` gives what the burst before found, stamped with the moment at which that burst began. A lost PWM or
ADC is opened again on the same thread, with growing pauses; until then every call says what is lost.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from drivers.api import (
    DriverError,
    DriverRejected,
    DriverUnavailable,
    Look,
    OptionProblem,
    PilotMode,
    PilotSignal,
    PowerPathReading,
)
from drivers.linux.machine import LinuxMachine, Machine, reason
from drivers.linux.measurement import Measurement
from drivers.linux.options import LinuxOptions
from drivers.linux.pwm import PERIOD_NS, PwmChannel

FIRST_RETRY_S: Final = 0.5  # then twice as long each time; house rule
LONGEST_RETRY_S: Final = 8.0
_AT_MOST_AGAIN: Final = 3  # bursts that a change of the signal fell into are taken again


class LinuxPowerPath:
    """Pilot generator, pilot voltage and proximity contact of one EVSE."""

    def __init__(self, options: LinuxOptions, machine: Machine) -> None:
        """Open PWM and ADC and measure once. Writes nothing: the generator keeps what it was last told, by whomever.

        Raises:
            DriverUnavailable: one of them is not there, or is used by somebody else.
        """
        self._options = options
        self._machine = machine
        self._generator = threading.Lock()  # held for the length of a write
        self._pwm: PwmChannel | None = None
        self._measurement: Measurement | None = None
        self._signal: PilotSignal | None = None
        self._signals = 0
        self._pwm_problem = self._adc_problem = ""
        self._pwm_retry, self._adc_retry = _Retry(machine), _Retry(machine)
        self._asked = threading.Event()
        self._closed = False
        try:
            self._pwm = self._open_pwm()
            self._measurement = Measurement(options, machine)
            self._newest = self._measurement.take()
        except DriverError:
            self._let_go()
            raise
        except OSError as problem:
            self._let_go()
            raise DriverUnavailable(f"the ADC cannot be read: {reason(problem)}") from problem
        self._thread = threading.Thread(target=self._run, name="pilot", daemon=True)
        self._thread.start()

    def set_pilot(self, signal: PilotSignal) -> None:
        """Put the generator into ``signal``; a repeated signal costs nothing. Raises ``DriverError``."""
        if not 0.0 <= signal.duty_pct <= 100.0:
            raise DriverRejected(f"duty cycle {signal.duty_pct} % is outside 0-100 %")
        with self._generator:
            before, self._signal = self._signal, signal
            if self._pwm is None:
                raise DriverUnavailable(self._pwm_problem)
            if signal == before:
                return
            if before is None or signal.mode is not before.mode:
                self._signals += 1
            self._write(self._pwm, signal)

    def read(self) -> PowerPathReading:
        """Return the newest measurement, and ask for the next. Raises ``DriverUnavailable`` while a device is lost."""
        with self._generator:
            if self._pwm is not None:
                self._check(self._pwm)
        self._asked.set()
        if self._pwm_problem or self._adc_problem:
            raise DriverUnavailable(self._pwm_problem or self._adc_problem)
        return self._newest

    def close(self) -> None:
        """Release the devices. The generator keeps its setting."""
        self._closed = True
        self._asked.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)
        self._let_go()

    # ---- on the thread that calls, with the generator's lock ---------------------------------------------------------

    def _write(self, pwm: PwmChannel, signal: PilotSignal) -> None:
        try:
            pwm.set(high_time_ns(signal))
        except DriverUnavailable as problem:
            self._lose_pwm(pwm, problem)
            raise

    def _check(self, pwm: PwmChannel) -> None:
        """Look whether the generator still has our signal; one that somebody changed gets it back at once."""
        try:
            pwm.check()
        except DriverUnavailable as problem:
            try:
                if self._signal is not None:
                    pwm.set(high_time_ns(self._signal))
            except DriverUnavailable:
                self._lose_pwm(pwm, problem)
            raise

    def _lose_pwm(self, pwm: PwmChannel, problem: DriverUnavailable) -> None:
        self._pwm, self._pwm_problem = None, str(problem)
        self._pwm_retry.wait()
        pwm.close()

    # ---- on the thread beside the scan -------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._closed:
                return
            if self._pwm is None and self._pwm_retry.due:
                self._open_pwm_again()
            if self._measurement is not None:
                self._measure(self._measurement)
            elif self._adc_retry.due:
                self._open_adc_again()

    def _measure(self, measurement: Measurement) -> None:
        try:
            for _ in range(_AT_MOST_AGAIN):
                signals, signal = self._signals, self._signal
                steady = signal is not None and signal.mode is not PilotMode.PWM
                reading = measurement.take(steady=steady)
                if signals == self._signals:
                    self._newest = reading
                    return
        except (OSError, DriverError) as problem:
            text = reason(problem) if isinstance(problem, OSError) else str(problem)
            self._adc_problem = f"{measurement.name}: {text}"
            self._measurement = None
            self._adc_retry.wait()
            measurement.close()

    def _open_pwm_again(self) -> None:
        try:
            pwm = self._open_pwm()
        except DriverUnavailable as problem:
            self._pwm_problem = str(problem)
            self._pwm_retry.wait()
            return
        with self._generator:
            try:
                if self._signal is not None:  # what was asked for last: a device that was reset has forgotten it
                    pwm.set(high_time_ns(self._signal))
            except DriverUnavailable as problem:
                self._lose_pwm(pwm, problem)
                return
            self._pwm, self._pwm_problem = pwm, ""
            self._pwm_retry.end()

    def _open_adc_again(self) -> None:
        try:
            measurement = Measurement(self._options, self._machine)
        except DriverError as problem:
            self._adc_problem = str(problem)
            self._adc_retry.wait()
            return
        self._measurement = measurement
        self._measure(measurement)
        if self._measurement is not None:
            self._adc_problem = ""
            self._adc_retry.end()

    def _open_pwm(self) -> PwmChannel:
        options = self._options
        return PwmChannel(self._machine, chip=options.pwm, channel=options.pwm_channel, inverted=options.pwm_inverted)

    def _let_go(self) -> None:
        with self._generator:
            pwm, self._pwm = self._pwm, None
            if not self._pwm_problem:
                self._pwm_problem = "closed"
        measurement, self._measurement = self._measurement, None
        for device in (pwm, measurement):
            if device is not None:
                device.close()


class _Retry:
    """When the next attempt to open is due."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._pause_s = FIRST_RETRY_S
        self._due_s = 0.0

    @property
    def due(self) -> bool:
        return self._machine.now_s() >= self._due_s

    def wait(self) -> None:
        self._due_s = self._machine.now_s() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)

    def end(self) -> None:
        self._pause_s = FIRST_RETRY_S


def high_time_ns(signal: PilotSignal) -> int:
    """Return how long the generator is positive in each period, ns, rounded down: never more than the offer."""
    match signal.mode:
        case PilotMode.STEADY_HIGH:
            return PERIOD_NS
        case PilotMode.STEADY_LOW:
            return 0
        case PilotMode.PWM:
            return int(signal.duty_pct * PERIOD_NS / 100)


def open_power_path(machine: Machine | None = None, **options: Any) -> LinuxPowerPath:
    """Open the power path with checked options; see ``drivers.linux.options``. Raises ``DriverUnavailable``."""
    return LinuxPowerPath(LinuxOptions.of(options), machine or LinuxMachine())


def look(machine: Machine | None = None, **options: Any) -> Look:
    """Say what the board lacks for these options, and what its ADC sees now.

    The PWM channel is exported at most; its output is never changed.
    """
    checked, real = LinuxOptions.of(options), machine or LinuxMachine()
    problems, seen = [], []
    try:
        pwm = PwmChannel(real, chip=checked.pwm, channel=checked.pwm_channel, inverted=checked.pwm_inverted)
        seen.append(f"{pwm.name}: {pwm.shown()}")
        pwm.close()
    except DriverError as problem:
        problems.append(OptionProblem(option="pwm", problem=str(problem)))
    try:
        measurement = Measurement(checked, real)
        try:
            seen.append(measurement.shown())
        finally:
            measurement.close()
    except (DriverError, OSError) as problem:
        problems.append(OptionProblem(option="adc_device", problem=str(problem)))
    return Look(problems=tuple(problems), seen=tuple(seen))
