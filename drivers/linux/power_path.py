"""The power path of a Linux board: pilot by hardware PWM, pilot voltage and proximity by an ADC.

A burst of samples takes longer than a scan may wait, so it is taken on a thread beside the scan, once for each
``read``: ``read`` gives what the burst before found, stamped with the moment at which that burst began. A lost PWM or
ADC is opened again on the same thread, with growing pauses; until then every call says what is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
from drivers.linux.adc import Adc, Burst, IioAdc, McpAdc
from drivers.linux.machine import LinuxMachine, Machine, reason
from drivers.linux.measuring import PilotScale, ProximityDivider, extremes, levels, median
from drivers.linux.options import LinuxOptions
from drivers.linux.pwm import PERIOD_NS, PwmChannel

FIRST_RETRY_S: Final = 0.5  # then twice as long each time; house rule
LONGEST_RETRY_S: Final = 8.0
_AT_MOST_AGAIN: Final = 3  # bursts that a change of the signal fell into are taken again
_PROXIMITY_SAMPLES: Final = 3


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
        self._measurement: _Measurement | None = None
        self._signal: PilotSignal | None = None
        self._signals = 0
        self._pwm_problem = self._adc_problem = ""
        self._pwm_retry, self._adc_retry = _Retry(machine), _Retry(machine)
        self._asked = threading.Event()
        self._closed = False
        try:
            self._pwm = self._open_pwm()
            self._measurement = _Measurement(options, machine)
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

    def _measure(self, measurement: _Measurement) -> None:
        try:
            for _ in range(_AT_MOST_AGAIN):
                signals = self._signals
                reading = measurement.take()
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
            measurement = _Measurement(self._options, self._machine)
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


class _Measurement:
    """An open ADC with its prepared burst."""

    def __init__(self, options: LinuxOptions, machine: Machine) -> None:
        self._machine = machine
        self._pilot = options.pilot_channels
        self._proximity = options.proximity_channel
        self._split = options.samples if len(self._pilot) == 1 else 2
        self._scale = PilotScale(plus_12_v=options.adc_at_plus_12_v, minus_12_v=options.adc_at_minus_12_v)
        self._divider = ProximityDivider(
            supply_v=options.proximity_supply_v,
            series_ohm=options.proximity_series_ohm,
            parallel_ohm=options.proximity_parallel_ohm,
            divider=options.proximity_divider,
        )
        self._adc = _open_adc(options, machine)
        self.name = self._adc.name
        pilot = self._pilot * (options.samples if len(self._pilot) == 1 else 1)
        proximity = () if self._proximity is None else (self._proximity,) * _PROXIMITY_SAMPLES
        try:
            self._burst: Burst = self._adc.burst((*pilot, *proximity))
        except OSError as problem:
            self._adc.close()
            raise DriverUnavailable(f"{self.name}: {problem.filename or ''} {reason(problem)}") from problem
        except DriverError:
            self._adc.close()
            raise

    def shown(self) -> str:
        """Take a burst and return what it says, the voltages at the ADC included: what a calibration needs."""
        one, other, proximity = self._counts()
        seen = sorted(
            (self._pilot_v(which, raw), self._adc.volts(self._pilot[which], raw))
            for which, raw in ((0, one), (-1, other))
        )
        (low_v, low_adc_v), (high_v, high_adc_v) = seen
        text = f"{self.name} sees {low_adc_v:.3f} V to {high_adc_v:.3f} V: a pilot of {low_v:.2f} V to {high_v:.2f} V"
        if self._proximity is None:
            return text
        volts = self._adc.volts(self._proximity, median(proximity))
        return f"{text}; proximity {volts:.3f} V, {self._divider.resistance_ohm(volts):.0f} ohm"

    def take(self) -> PowerPathReading:
        """Take a burst. Raises ``OSError``, ``DriverError``."""
        taken_s = self._machine.now_s()
        one, other, proximity = self._counts()
        high_v = low_v = None
        if not self._adc.clipped(one) and not self._adc.clipped(other):
            high_v, low_v = levels(self._pilot_v(0, one), self._pilot_v(-1, other))
        ohm = None
        if self._proximity is not None:
            ohm = self._divider.resistance_ohm(self._adc.volts(self._proximity, median(proximity)))
        return PowerPathReading(high_v=high_v, low_v=low_v, proximity_ohm=ohm, taken_s=taken_s)

    def close(self) -> None:
        self._adc.close()

    def _counts(self) -> tuple[int, int, Sequence[int]]:
        counts = self._burst.take()
        pilot = counts[: self._split]
        one, other = pilot if len(self._pilot) == 2 else extremes(pilot)
        return one, other, counts[self._split :]

    def _pilot_v(self, which: int, raw: int) -> float:
        return self._scale.pilot_v(self._adc.volts(self._pilot[which], raw))


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
        measurement = _Measurement(checked, real)
        try:
            seen.append(measurement.shown())
        finally:
            measurement.close()
    except (DriverError, OSError) as problem:
        problems.append(OptionProblem(option="adc_device", problem=str(problem)))
    return Look(problems=tuple(problems), seen=tuple(seen))


def _open_adc(options: LinuxOptions, machine: Machine) -> Adc:
    if options.adc == "iio":
        return IioAdc(machine, options.adc_device)
    return McpAdc(machine, options.adc, options.adc_device, reference_v=options.adc_reference_v, spi_hz=options.spi_hz)
