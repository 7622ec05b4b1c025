"""An open ADC with its prepared bursts: one for a square wave, a short one for a steady level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.api import DriverError, DriverUnavailable, PowerPathReading
from drivers.linux.adc import Adc, Burst, IioAdc, McpAdc
from drivers.linux.machine import Machine, reason
from drivers.linux.measuring import PilotScale, ProximityDivider, extremes, levels, median
from drivers.linux.options import LinuxOptions

STEADY_SHARE: Final = (
    5  # without PWM a fifth of the samples tells the level: no idle station needs the rest; house rule
)
_PROXIMITY_SAMPLES: Final = 3


class Measurement:
    """What the ADC of one EVSE says. ``name`` is the ADC's, for error texts."""

    def __init__(self, options: LinuxOptions, machine: Machine) -> None:
        """Open the ADC. Raises ``DriverUnavailable``."""
        self._machine = machine
        self._pilot = options.pilot_channels
        self._proximity = options.proximity_channel
        self._scale = PilotScale(plus_12_v=options.adc_at_plus_12_v, minus_12_v=options.adc_at_minus_12_v)
        self._divider = ProximityDivider(
            supply_v=options.proximity_supply_v,
            series_ohm=options.proximity_series_ohm,
            parallel_ohm=options.proximity_parallel_ohm,
            divider=options.proximity_divider,
        )
        self._adc = _open_adc(options, machine)
        self.name = self._adc.name
        one_by_one = len(self._pilot) == 1
        try:
            self._whole = self._prepare(options.samples if one_by_one else 1)
            self._short = self._prepare(options.samples // STEADY_SHARE) if one_by_one else self._whole
        except OSError as problem:
            self._adc.close()
            raise DriverUnavailable(f"{self.name}: {reason(problem)}") from problem
        except DriverError:
            self._adc.close()
            raise

    def take(self, *, steady: bool = False) -> PowerPathReading:
        """Take a burst; ``steady``: the generator makes no square wave. Raises ``OSError``, ``DriverError``."""
        taken_s = self._machine.now_s()
        one, other, proximity = self._counts(self._short if steady else self._whole)
        high_v = low_v = None
        if not self._adc.clipped(one) and not self._adc.clipped(other):
            high_v, low_v = levels(self._pilot_v(0, one), self._pilot_v(-1, other))
        ohm = None
        if self._proximity is not None:
            ohm = self._divider.resistance_ohm(self._adc.volts(self._proximity, median(proximity)))
        return PowerPathReading(high_v=high_v, low_v=low_v, proximity_ohm=ohm, taken_s=taken_s)

    def shown(self) -> str:
        """Take a burst and return what it says, the voltages at the ADC included: what a calibration needs."""
        one, other, proximity = self._counts(self._whole)
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

    def close(self) -> None:
        """Release the ADC."""
        self._adc.close()

    def _prepare(self, rounds: int) -> tuple[Burst, int]:
        """Return a burst, and how many of its counts are the pilot's."""
        pilot = self._pilot * rounds
        proximity = () if self._proximity is None else (self._proximity,) * _PROXIMITY_SAMPLES
        return self._adc.burst((*pilot, *proximity)), len(pilot)

    def _counts(self, prepared: tuple[Burst, int]) -> tuple[int, int, Sequence[int]]:
        burst, split = prepared
        counts = burst.take()
        pilot = counts[:split]
        one, other = pilot if len(self._pilot) == 2 else extremes(pilot)
        return one, other, counts[split:]

    def _pilot_v(self, which: int, raw: int) -> float:
        return self._scale.pilot_v(self._adc.volts(self._pilot[which], raw))


def _open_adc(options: LinuxOptions, machine: Machine) -> Adc:
    if options.adc == "iio":
        return IioAdc(machine, options.adc_device)
    return McpAdc(machine, options.adc, options.adc_device, reference_v=options.adc_reference_v, spi_hz=options.spi_hz)
