"""The control pilot circuit: generator, cable, the car's resistors and diode. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

GENERATOR_V: Final = 12.0
SOURCE_OHM: Final = 1000.0  # IEC 61851-1:2017 Annex A, figure A.1, R1
DIODE_V: Final = 0.7
RESISTANCE_B_OHM: Final = 2740.0  # R2
RESISTANCE_C_OHM: Final = 882.0  # R2 with R3 = 1300 ohm beside it
RESISTANCE_D_OHM: Final = 246.0  # R2 with R3 = 270 ohm beside it
# IEC 61851-1:2017 Annex B, coding resistor by current capability of the cable.
PROXIMITY_OHM: Final = {13: 1500.0, 20: 680.0, 32: 220.0, 63: 100.0}
NO_CABLE_OHM: Final = math.inf


class GeneratorMode(Enum):
    """What the station's pilot generator puts out; ``OFF`` is a station without power."""

    STEADY_HIGH = "steady_high"
    PWM = "pwm"
    STEADY_LOW = "steady_low"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """The generator's setting; ``duty_pct`` counts with PWM only."""

    mode: GeneratorMode = GeneratorMode.OFF
    duty_pct: float = 100.0

    @property
    def duty_seen_pct(self) -> float:
        """The share of time at the positive level, %."""
        match self.mode:
            case GeneratorMode.PWM:
                return self.duty_pct
            case GeneratorMode.STEADY_HIGH:
                return 100.0
            case GeneratorMode.STEADY_LOW | GeneratorMode.OFF:
                return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotLevels:
    """Positive and negative peak at the station's contact, V; equal without PWM."""

    high_v: float
    low_v: float


def pilot_levels(
    generator: Generator, *, car_ohm: float | None, diode_shorted: bool = False, pilot_shorted: bool = False
) -> PilotLevels:
    """Return the peaks at the station's contact.

    Args:
        car_ohm: the car's resistance to earth behind its diode; ``None`` when no car is connected.
        diode_shorted: the negative half is then loaded as well, and mirrors the positive one.
        pilot_shorted: the pilot touches protective earth: 0 V.
    """
    if pilot_shorted or generator.mode is GeneratorMode.OFF:
        return PilotLevels(high_v=0.0, low_v=0.0)
    high_v, low_v = _positive_v(car_ohm, diode_shorted), _negative_v(car_ohm, diode_shorted)
    duty_pct = generator.duty_seen_pct
    if duty_pct >= 100.0:
        return PilotLevels(high_v=high_v, low_v=high_v)
    if duty_pct <= 0.0:
        return PilotLevels(high_v=low_v, low_v=low_v)
    return PilotLevels(high_v=high_v, low_v=low_v)


def offered_current_a(duty_pct: float) -> float:
    """Return what a car may draw per phase at this duty cycle, A; 0 where it must not charge.

    Source: IEC 61851-1:2017 Annex A, maximum current to be drawn by the vehicle. 3-7 % asks for digital communication,
    which this car does not have.
    """
    if 8.0 <= duty_pct < 10.0:
        return 6.0
    if 10.0 <= duty_pct <= 85.0:
        return 0.6 * duty_pct
    if 85.0 < duty_pct <= 96.0:
        return 2.5 * (duty_pct - 64.0)
    if 96.0 < duty_pct <= 97.0:
        return 80.0
    return 0.0


def _positive_v(car_ohm: float | None, diode_shorted: bool) -> float:
    if car_ohm is None:
        return GENERATOR_V
    drop_v = 0.0 if diode_shorted else DIODE_V
    return round(drop_v + (GENERATOR_V - drop_v) * car_ohm / (car_ohm + SOURCE_OHM), 3)


def _negative_v(car_ohm: float | None, diode_shorted: bool) -> float:
    if car_ohm is None or not diode_shorted:
        return -GENERATOR_V
    return -_positive_v(car_ohm, diode_shorted)
